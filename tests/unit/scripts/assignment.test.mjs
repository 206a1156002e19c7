// docgen-worker/scripts (assignment.js with blocks.js): what survives of a description, and what must not.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMoodle } from '../../moodle/server.mjs';
import { startBrowser } from './browser.mjs';

const password = 'Pensum-demo-1';
let browser;
before(async () => {
	browser = await startBrowser();
});
after(() => browser?.close());

async function open(moodle, username = 'maya') {
	const page = await browser.newPage();
	await page.openSite(moodle.url);
	assert.ok((await page.run('signin', { wwwroot: moodle.url, username, password })).ok);
	return (cmid, more) => page.run('assignment', { wwwroot: moodle.url, cmid, ...more });
}

// A site with one assignment, 7.
function startSite(more, course = {}) {
	const assignment = { cmid: 7, name: 'Task', section: 'S', due: '+1d', intro: '', ...more };
	return startMoodle({ data: {
		site: { name: 'S', timezone: 'UTC' },
		students: [{ username: 'maya', password, firstname: 'M', lastname: 'L', email: 'm@example.edu' }],
		courses: [{ id: 2, fullname: 'Course', shortname: 'C', startdate: '-1d', members: ['maya'], assignments: [assignment], ...course }],
	} });
}

// The script's answer for a description of ours.
async function readIntro(intro, more = {}) {
	const moodle = await startSite({ intro, ...more });
	try {
		const result = await (await open(moodle))(7);
		assert.equal(result.ok, true, JSON.stringify(result));
		return { ...result, base: moodle.url };
	} finally {
		await moodle.close();
	}
}

const blocksOf = async (intro) => (await readIntro(intro)).blocks;
const plain = (...texts) => texts.map((t) => ({ t }));
const paragraph = (...runs) => ({ type: 'paragraph', runs: runs.map((run) => (typeof run === 'string' ? { t: run } : run)) });

test('an assignment has its title, course, dates, files and description', async () => {
	const moodle = await startMoodle();
	try {
		const read = await open(moodle);
		const result = await read(301);
		assert.equal(result.ok, true, JSON.stringify(result));
		assert.equal(result.title, 'Sorting algorithms: measure and explain');
		assert.equal(result.course.id, 11);
		assert.ok(result.due > 0);
		assert.match(result.due_text, /\d{4}/);
		assert.match(result.opens_text, /\d{4}/);
		assert.equal(result.status, 'none');
		assert.deepEqual([result.lang, result.dir], ['en', 'ltr']);
		assert.deepEqual(result.attachments.map((file) => file.name), ['measurements.csv', 'Assignment sheet 1.pdf']);
		assert.deepEqual(result.blocks.map((block) => block.type),
			['heading', 'paragraph', 'heading', 'list', 'code', 'table', 'image', 'paragraph']);
		const image = result.blocks[6];
		assert.equal(image.mime, 'image/png');
		assert.equal(Buffer.from(image.data, 'base64').toString('latin1', 1, 4), 'PNG');
		assert.equal(moodle.state().counts.views, 1);
		assert.equal(moodle.state().counts.edit_opened, 0);

		const known = await read(302, { title: 'T', course_name: 'N', due: 1234 });
		assert.deepEqual([known.title, known.course.name, known.due, known.status], ['T', 'N', 1234, 'draft']);
	} finally {
		await moodle.close();
	}
});

test('a site without "slash arguments" has the same files', async () => {
	const moodle = await startSite({ attachments: ['sheet 1.pdf', 'data/50% & more.csv'].map((name) => ({ name, text: name })) });
	try {
		for (const slashes of [true, false]) {
			moodle.control({ slash_arguments: slashes });
			const { attachments } = await (await open(moodle))(7);
			assert.deepEqual(attachments.map((file) => file.name), ['sheet 1.pdf', '50% & more.csv']);
			for (const { url } of attachments) assert.equal(new URL(url).search.includes('file='), !slashes);
		}
	} finally {
		await moodle.close();
	}
});

test('what cannot be read is told apart', async () => {
	const moodle = await startMoodle();
	try {
		const read = await open(moodle);
		assert.equal((await read(701)).code, 'assignment_hidden');
		assert.equal((await read(721)).code, 'not_enrolled');
		assert.equal((await read(99999)).code, 'assignment_unknown');
		const closed = await read(405); // the description is hidden until it opens
		assert.deepEqual([closed.ok, closed.blocks], [true, []]);
		moodle.control({ expire_sessions: true });
		assert.equal((await read(301)).code, 'session_dead');
	} finally {
		await moodle.close();
	}
});

test('a date in the calendar by which it should be ticked off is no due date', async () => {
	const byDay = (day) => Math.floor(Date.now() / 1000) + day * 86_400;
	const moodle = await startSite({ due: byDay(1) }, { activities: [{ cmid: 7, module: 'assign', event: 'expectcompletionon', name: 'Task', due: byDay(9) }] });
	try {
		const { ok, due } = await (await open(moodle))(7);
		assert.deepEqual([ok, due < byDay(2)], [true, true]);
	} finally {
		await moodle.close();
	}
});

test('before 3.11 the due date stands in a row of the submission\'s state', async () => {
	const moodle = await startSite();
	moodle.control({ generation: '3.9' });
	try {
		const { due, due_text: dueText } = await (await open(moodle))(7);
		assert.match(dueText, /\d{4}/);
		assert.ok(due > Date.now() / 1000);
	} finally {
		await moodle.close();
	}
});

for (const [generation, isTold] of [['3.11', false], ['4.2', false], ['4.5', true]]) {
	test(`Moodle ${generation}: of an extension the date of before is not told`, async () => {
		const inDays = (days) => Math.floor(Date.now() / 60_000) * 60 + days * 86_400;
		const moodle = await startSite({ due: inDays(1), students: { maya: { status: 'none', extension: inDays(9) } } });
		moodle.control({ generation });
		try {
			assert.equal((await (await open(moodle))(7)).due, isTold ? inDays(9) : null);
		} finally {
			await moodle.close();
		}
	});
}

test('a site that tells nothing more of its dates costs no document, and none of them is lost', async () => {
	const moodle = await startSite({ opens: '-1d' });
	try {
		const read = await open(moodle);
		const known = await read(7);
		moodle.control({ ajax_errors: { core_get_strings: 'servicenotavailable' } });
		const unlabelled = await read(7, { due: 1234 });
		assert.deepEqual([unlabelled.ok, unlabelled.due], [true, 1234]);
		assert.ok(unlabelled.due_text.includes(known.due_text) && unlabelled.due_text.includes(known.opens_text), unlabelled.due_text);
		moodle.control({ ajax_errors: null, fail: [{ path_prefix: '/lib/ajax/service.php', status: 500 }] });
		const undated = await read(7);
		assert.deepEqual([undated.ok, undated.due, undated.due_text], [true, null, known.due_text]);
	} finally {
		await moodle.close();
	}
});

test('white space collapses as in HTML, and breaks and code keep theirs', async () => {
	assert.deepEqual(await blocksOf('<p>  a\n\n b <b> c</b> d<br>\n e </p>bare <i>text</i><pre>\nx\n\ty\n</pre><p>&nbsp; </p>'), [
		paragraph('a b ', { t: 'c', b: true }, ' d\ne'),
		paragraph('bare ', { t: 'text', i: true }),
		{ type: 'code', text: 'x\n\ty' },
	]);
});

test('signs of text survive, also as styles', async () => {
	const [block] = await blocksOf('<p>H<sub>2</sub>O x<sup>2</sup> <code>a</code> <span style="font-weight:700">b</span>'
		+ '<strong><span style="font-weight:normal">c</span></strong></p>');
	assert.deepEqual(block.runs, [{ t: 'H' }, { t: '2', sub: true }, { t: 'O x' }, { t: '2', sup: true }, { t: ' ' },
		{ t: 'a', code: true }, { t: ' ' }, { t: 'b', b: true }, { t: 'c' }]);
});

test('only web and mail links stay links, and relative ones become absolute', async () => {
	const { blocks, base } = await readIntro('<p><a href="javascript:alert(1)">a</a> <a href="../../course/view.php?id=2">b</a> '
		+ '<a href="mailto:x@example.edu">c</a> <a href="data:text/html,x">d</a> <a name="e">e</a></p>');
	const links = blocks[0].runs.filter((run) => run.href).map((run) => run.href);
	assert.deepEqual(links, [`${base}/course/view.php?id=2`, 'mailto:x@example.edu']);
	assert.equal(blocks[0].runs.map((run) => run.t).join(''), 'a b c d e');
});

test('what a reader would not see is dropped', async (t) => {
	const hidden = [
		'<script>X</script>', '<style>X</style>', '<!-- X -->', '<iframe srcdoc="X"></iframe>', '<template>X</template>',
		'<p hidden>X</p>', '<p style="display:none">X</p>', '<p style="visibility: hidden">X</p>', '<p style="opacity:0">X</p>',
		'<span style="font-size:0">X</span>', '<span style="font-size:1px">X</span>', '<p style="color:#fff">X</p>',
		'<p style="color:rgb(254,254,254)">X</p>', '<font color="white">X</font>', '<p style="color:transparent">X</p>',
		'<div style="background:black"><p style="color:#000">X</p></div>', '<div style="position:absolute;left:-9999px">X</div>',
		'<div style="text-indent:-9999px">X</div>', '<div style="height:0;overflow:hidden">X</div>', '<span class="sr-only">X</span>',
		'<textarea>X</textarea>', '<button>X</button>', '<pre style="color:white">X</pre>', '<ul><li style="display:none">X</li></ul>',
		'<table><tr><td>a</td><td style="color:white">X</td></tr></table>', '<div style="color:white"><ul><li>X</li></ul></div>',
		'<svg><text>X</text></svg>', '<object>X</object>', '<noscript>X</noscript>',
	];
	const result = await readIntro(hidden.map((html, n) => `<div>keep ${n}</div>${html.replaceAll('X', `X${n}X`)}`).join(''));
	const text = JSON.stringify(result.blocks);
	for (const [n, html] of hidden.entries()) {
		await t.test(html, () => {
			assert.ok(text.includes(`"keep ${n}"`));
			assert.ok(!text.includes(`X${n}X`));
		});
	}
});

test('light text on a dark ground, and dark text within light, are seen', async () => {
	assert.deepEqual(await blocksOf('<div style="background:#036"><p style="color:#fff">a</p></div>'
		+ '<div style="color:white"><p style="color:#222">b</p></div><table style="background-color:navy"><tr><td style="color:white">c</td><td>d</td></tr></table>'), [
		paragraph('a'), paragraph('b'),
		{ type: 'table', caption: '', header: [], rows: [[plain('c'), plain('d')]] },
	]);
});

test('lists nest three deep, and deeper ones go on as items', async () => {
	const [list] = await blocksOf('<ol><li>1<ul><li>2<ul><li>3<ul><li>4</li></ul></li></ul></li></ul></li><ul><li>stray</li></ul></ol>');
	assert.deepEqual(list, { type: 'list', ordered: true, items: [{ runs: plain('1'), children: [
		{ type: 'list', ordered: false, items: [{ runs: plain('2'), children: [
			{ type: 'list', ordered: false, items: [{ runs: plain('3'), children: [] }, { runs: plain('4'), children: [] }] },
		] }] },
		{ type: 'list', ordered: false, items: [{ runs: plain('stray'), children: [] }] },
	] }] });
});

test('tables keep their shape, and layout tables are only their content', async () => {
	const [table, ...rest] = await blocksOf('<table><caption>C</caption><tr><th>a</th><th colspan="2">b</th></tr>'
		+ '<tr><td rowspan="2">x</td><td>1</td><td>2</td></tr><tr><td>3</td><td><p>4</p><p>5</p></td></tr></table>'
		+ '<table><tr><td><p>one</p><p>cell</p></td></tr></table>');
	assert.deepEqual(table, { type: 'table', caption: 'C', header: [plain('a'), plain('b'), []].map(bold),
		rows: [[plain('x'), plain('1'), plain('2')], [[], plain('3'), plain('4\n5')]] });
	assert.deepEqual(rest, [paragraph('one'), paragraph('cell')]);
});
const bold = (runs) => runs.map((run) => ({ ...run, b: true }));

test('headings, quotes, rules, definitions and films become blocks of text', async () => {
	const { blocks, base } = await readIntro('<h2>T <em>x</em></h2><blockquote><p>q</p><p>r</p></blockquote><hr>'
		+ '<dl><dt>D</dt><dd>d</dd></dl><details><summary>S</summary>s</details><div class="mediaplugin"><video><source src="/pluginfile.php/1/a%20b.mp4"></video></div>');
	assert.deepEqual(blocks, [
		{ type: 'heading', level: 2, runs: [{ t: 'T ' }, { t: 'x', i: true }] },
		{ type: 'quote', runs: plain('q\nr') },
		{ type: 'rule' },
		paragraph({ t: 'D', b: true }), paragraph('d'), paragraph({ t: 'S', b: true }), paragraph('s'),
		paragraph({ t: 'a b.mp4', href: `${base}/pluginfile.php/1/a%20b.mp4` }),
	]);
});

test('pictures of other sites are named but not loaded; data URIs and counting pixels', async () => {
	const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
	const { blocks, cost } = await readIntro('<p>a <img src="https://example.com/x.png" alt="far"> b</p>'
		+ `<img src="data:image/png;base64,${png}" alt="near"><img src="https://example.com/p.gif" width="1" height="1">`
		+ '<ul><li>i <img src="https://example.com/y.png" alt="in a list"></li></ul><img src="javascript:1"><img src="file:///etc/passwd">');
	assert.deepEqual(blocks, [
		paragraph('a'), { type: 'image', src: 'https://example.com/x.png', alt: 'far' }, paragraph('b'),
		{ type: 'image', src: '', alt: 'near', mime: 'image/png', data: png },
		{ type: 'list', ordered: false, items: [{ runs: plain('i'), children: [] }] },
		{ type: 'image', src: 'https://example.com/y.png', alt: 'in a list' },
	]);
	assert.ok(cost.requests <= 3, `${cost.requests} requests`);
});

test('at most five pictures are loaded, each of at most 512 KB', async () => {
	const names = ['1', '2', '3', '4', '5', '6'].map((n) => `${n}.png`);
	const intro = [...names, 'huge.png'].map((name) => `<img src="@@PLUGINFILE@@/${name}" alt="${name}">`).reverse().join('');
	const files = [...names.map((name) => ({ name, png: [4, 4] })), { name: 'huge.png', bytes: 700_000 }];
	const { blocks } = await readIntro(intro, { intro_files: files });
	assert.equal(blocks.length, 7);
	assert.deepEqual(blocks.filter((block) => block.data).map((block) => block.alt), ['6.png', '5.png', '4.png', '3.png']);
});

test('a description without end is cut, and the answer says so', async () => {
	const many = await readIntro('<p>x</p>'.repeat(1000));
	assert.deepEqual([many.blocks.length, many.truncated], [400, true]);
	const long = await readIntro(`<p>${'word '.repeat(60_000)}</p><p>after</p>`);
	assert.equal(long.truncated, true);
	assert.equal(long.blocks.length, 1);
	assert.ok(long.blocks[0].runs[0].t.length <= 200 * 1024);
	const wide = await readIntro(`<table>${`<tr>${'<td>c</td>'.repeat(20)}</tr>`.repeat(50)}</table>`);
	assert.deepEqual([wide.truncated, wide.blocks[0].rows.length, wide.blocks[0].rows[0].length], [true, 30, 12]);
	const deep = await readIntro(`${'<div>'.repeat(400)}deep`);
	assert.deepEqual([deep.truncated, deep.blocks], [true, []]);
	const spans = await readIntro('<table><tr><td colspan="1000" rowspan="65000">a</td><td>b</td></tr><tr><td>c</td></tr></table>');
	assert.equal(spans.blocks[0].rows[0].length, 12);
	const short = await readIntro('<p>x</p>');
	assert.equal(short.truncated, false);
});

test('control characters, half characters and direction tricks do not get through', async () => {
	const [block] = await blocksOf('<p>a&#8;b&#27;c&#8238;d&#xFEFF;e 👩‍🎓 &#xD83D; f</p>');
	assert.match(block.runs[0].t, /^abcde 👩‍🎓 \ufffd f$/u);
});
