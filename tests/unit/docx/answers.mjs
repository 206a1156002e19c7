// answers.mjs - answers of docgen-worker/scripts/assignment.js, friendly and hostile, by name.
import { crc32, deflateSync } from 'node:zlib';

const run = (t, signs = {}) => ({ t, ...signs });
const paragraph = (...runs) => ({ type: 'paragraph', runs: runs.map((at) => (typeof at === 'string' ? run(at) : at)) });
const heading = (level, text) => ({ type: 'heading', level, runs: [run(text)] });
const list = (ordered, ...items) => ({ type: 'list', ordered, items: items.map((item) =>
	(Array.isArray(item) ? { runs: [run(item[0])], children: item.slice(1) } : { runs: [run(item)], children: [] })) });
const cells = (row) => row.map((text) => (text ? [run(text)] : []));
const table = (caption, header, ...rows) => ({ type: 'table', caption, header: cells(header), rows: rows.map(cells) });

const base = {
	ok: true, title: 'Lab 3: Ohm\u2019s law & measuring a resistance', course: { id: 5, name: 'PHY101 Physics I' },
	url: 'https://moodle.example.edu/mod/assign/view.php?id=42&lang=en', due: 1795651140,
	due_text: 'Wednesday, 25 November 2026, 11:59 PM', opens_text: '', status: 'none', lang: 'en', dir: 'ltr',
	attachments: [], blocks: [], truncated: false,
};

// A PNG of stripes, so that it can be told from an empty place.
export function png(width, height) {
	const chunk = (name, data) => {
		const body = Buffer.concat([Buffer.from(name), data]);
		const out = Buffer.alloc(body.length + 8);
		out.writeUInt32BE(data.length, 0);
		body.copy(out, 4);
		out.writeUInt32BE(checksum(body), body.length + 4);
		return out;
	};
	const head = Buffer.alloc(13);
	head.writeUInt32BE(width, 0);
	head.writeUInt32BE(height, 4);
	head.set([8, 0], 8);
	const rows = Buffer.alloc((width + 1) * height, 0xee);
	for (let y = 0; y < height; y++) rows.fill(y % 16 < 8 ? 0x55 : 0xee, y * (width + 1) + 1, (y + 1) * (width + 1)).fill(0, y * (width + 1), y * (width + 1) + 1);
	return Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), chunk('IHDR', head),
		chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

// node:zlib has crc32 from 20.15 and 22.2 on.
function checksum(bytes) {
	if (crc32) return crc32(bytes);
	let crc = ~0;
	for (const byte of bytes) {
		crc ^= byte;
		for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc >>> 0;
}

const image = (alt, data, src = 'https://moodle.example.edu/pluginfile.php/1/mod_assign/intro/a.png') =>
	({ type: 'image', src, alt, ...(data && { mime: 'image/png', data: data.toString('base64') }) });

const lab = { ...base,
	attachments: [{ name: 'datasheet (1).pdf', url: 'https://moodle.example.edu/pluginfile.php/1/x/datasheet%20(1).pdf?forcedownload=1' }],
	blocks: [
		paragraph('Measure ', run('three', { b: true }), ' resistors, see the ', run('manual', { href: 'https://en.wikipedia.org/wiki/Ohm\'s_law' }),
			'. Use R', run('ref', { sub: true }), ' = 100\u00a0\u03a9 and x', run('2', { sup: true }), '.'),
		heading(4, 'What to hand in'),
		list(true, ['A table of measurements', list(true, 'voltage', ['current', list(false, 'in mA')])], 'A plot', 'Your program'),
		{ type: 'code', text: 'import numpy as np\n\ndef fit(u, i):\n\treturn np.polyfit(i, u, 1)[0]' },
		list(true, 'counts from one', 'again'),
		table('Marks', ['Part', 'What is judged', 'Marks'], ['Measurement', 'care, units and errors', '10'], ['Plot', '', '5']),
		table('', [], ['touching', 'tables']),
		paragraph('After the table.'),
		{ type: 'quote', runs: [run('Measure what is measurable.')] },
		{ type: 'rule' },
		image('The circuit', png(640, 240)),
		image('', png(40, 3000)),
		image('Not loaded', null),
	] };

const HOSTILE = ['nul \u0000 bell \u0007 escape \u001b vt \u000b end', 'not characters \ufffe\uffff \u{1fffe}',
	']]> <w:p/> <!-- & &amp; &#0; "quotes" \'single\'', '\u202egnirts\u202c override', '\u05e9\u05dc\u05d5\u05dd 123 abc',
	'\u0633\u0644\u0627\u0645', '\u0913\u092e \u0915\u093e', '\u{1f9ea}\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', 'e\u0301'.repeat(50), 'a\tb\nc\r\nd',
	'{{ jinja }} ${x} @TITLE@ %s %n', 'x'.repeat(3000)];

const hostile = { ...base, title: ']]><b>\u0001 @COURSE@ "x" & \u202e\u{1f600}', course: { id: 1, name: '<w:t>\u0000&\'"' },
	due_text: '\u0007<>', url: 'https://moodle.example.edu/a?b=<"\'>&c=\u00e9#x#y', lang: 'x"><',
	attachments: [{ name: '../../<evil>.exe', url: 'https://moodle.example.edu/a b"c' }, { name: 'js', url: 'javascript:alert(1)' },
		{ name: 'odd', url: 'https://[oops/' }],
	blocks: [
		...HOSTILE.map((text) => paragraph(text)),
		...HOSTILE.map((text, n) => heading(n % 6 + 1, text)),
		list(false, ...HOSTILE), list(true, ...HOSTILE),
		...HOSTILE.map((text) => ({ type: 'code', text })),
		table(HOSTILE[2], HOSTILE.slice(0, 6), HOSTILE.slice(6, 12)),
		paragraph(run('a', { href: 'javascript:alert(1)' }), run('b', { href: 'https://user:pw@x/' }), run('c', { href: 'https://x/%zz?"<>' }),
			run('d', { href: 'mailto:a@b.example?subject=x y' }), run('e', { href: 'file:///etc/passwd' }), run('f', { href: 'https://x:99999/' }),
			run('g', { b: true, i: true, code: true, sub: true, sup: true, todo: true, href: 'http://x' })),
		image('"alt" <&>\n\u0001', png(1, 1)), image('broken', Buffer.from('\x89PNG not really')), image('x', null, 'data:image/png;base64,AA'),
	] };

const nested = (depth) => list(depth % 2 === 0, 'one', depth > 1 ? ['deeper', nested(depth - 1)] : 'end');

export const answers = {
	lab,
	hostile,
	bare: { ...base, title: '', course: null, url: '', due: null, due_text: '', lang: '' },
	empty: { ...base, blocks: [paragraph(), paragraph(' \n '), list(true), list(false, ''), { type: 'code', text: '' },
		table('', [], []), table('', [''], ['']), { type: 'quote', runs: [] }, image('', null, '')] },
	huge: { ...base, title: 'Essay '.repeat(100), blocks: [list(true, ...Array.from({ length: 1500 }, (_, n) => `item ${n}`)),
		...Array.from({ length: 390 }, (_, n) => list(true, `list ${n}`)), table('', Array(12).fill('h'), ...Array.from({ length: 30 }, () => Array(12).fill('c')))] },
	deep: { ...base, blocks: [nested(9), heading(6, 'six'), heading(1, 'one'), heading(5, 'five'), heading(6, 'six')] },
	questions: { ...base, title: 'Tutorial 4', blocks: [paragraph('Answer:'), list(true, 'Why is the sky blue?', 'Prove it.')] },
	hindi: { ...base, title: '\u0928\u093f\u092c\u0902\u0927', lang: 'hi', blocks: [paragraph('\u0913\u092e \u0915\u093e \u0928\u093f\u092f\u092e')] },
	arabic: { ...base, title: '\u0645\u0642\u0627\u0644', lang: 'ar', dir: 'rtl', blocks: [paragraph('\u0627\u0643\u062a\u0628 \u0645\u0642\u0627\u0644\u0627')] },
};

// ------------------------------------------------------------ what must be found again

const clean = (text) => text.toWellFormed().replace(/\r\n?/g, '\n').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\ufdd0-\ufdef\ufffe\uffff\ufeff\u{1fffe}]/gu, '');
const words = (runs) => clean(runs.map((at) => at.t).join(''));

const textsOfList = (block, depth = 1) => block.items.flatMap((item) =>
	[words(item.runs), ...(depth < 3 ? (item.children ?? []).flatMap((child) => textsOfList(child, depth + 1)) : [])]);

function textsOf(block) {
	if (block.type === 'list') return textsOfList(block);
	if (block.type === 'code') return clean(block.text).split('\n');
	if (block.type === 'table') return [block.caption, ...[block.header, ...block.rows].flat().map(words)];
	return block.runs ? [words(block.runs)] : [];
}

// The description's texts in order, a paragraph each, those of nothing but space left out.
export const textsIn = (answer) => answer.blocks.flatMap(textsOf).filter((text) => text.trim());
