// pluginfile.php: pictures in descriptions, attachments, the student's own files. Their content is
// made here: { name, text } as written, { name, png: [width, height] }, { name, pdf: "a line" },
// { name, bytes: n } (that many).
import { createHash } from 'node:crypto';
import zlib from 'node:zlib';
import { courseStop } from './courses.mjs';
import { fatalPage } from './page.mjs';
import { accessOf, courseOptions, introIsHidden, stateOf } from './assignments.mjs';
import { stopFor, toLogin } from './login.mjs';

const TYPES = {
	txt: 'text/plain', md: 'text/markdown', csv: 'text/csv', html: 'text/html', c: 'text/plain',
	png: 'image/png', pdf: 'application/pdf', json: 'application/json',
};

const encodePath = (name) => name.split('/').map(encodeURIComponent).join('/');

const fileRoot = (ctx, assign) => `${ctx.wwwroot}/pluginfile.php/${assign.contextid}`;

export function introHtml(ctx, assign) {
	return assign.intro.replaceAll('@@PLUGINFILE@@', `${fileRoot(ctx, assign)}/mod_assign/intro`);
}

// Without "slash arguments" Moodle's links have the path in the query; those within a description do not.
function downloadUrl(ctx, assign, path) {
	if (ctx.control.knobs.slash_arguments) return `${fileRoot(ctx, assign)}/${encodePath(path)}?forcedownload=1`;
	return `${ctx.wwwroot}/pluginfile.php?forcedownload=1&file=${encodeURIComponent(`/${assign.contextid}/${path}`)}`;
}

export function attachmentUrl(ctx, assign, file) {
	return downloadUrl(ctx, assign, `mod_assign/introattachment/0/${file.name}`);
}

export function submissionUrl(ctx, assign, name) {
	return downloadUrl(ctx, assign, `assignsubmission_file/submission_files/${assign.cmid}/${name}`);
}

export function serveFile(ctx) {
	if (!ctx.session.user) {
		if (ctx.req.headers.range) return { status: 407, headers: {}, body: '' };
		return toLogin(ctx);
	}
	const stopped = stopFor(ctx);
	if (stopped) return stopped;
	const found = findFile(ctx);
	if (!found) return fatalPage(ctx, 'Sorry, the requested file could not be found');
	const { assign, file } = found;
	const stop = courseStop(ctx, assign.course, { id: 'page-mod-assign-view', title: assign.name, ...courseOptions(assign) });
	if (stop) return stop;
	if (accessOf(ctx, assign) === 'hidden' || introIsHidden(assign, stateOf(ctx, assign))) {
		return fatalPage(ctx, 'Sorry, the requested file could not be found');
	}
	ctx.control.count('files');
	return fileReply(ctx, file);
}

function findFile(ctx) {
	let parts;
	try {
		const asked = ctx.query.get('file');
		parts = asked ? asked.slice(1).split('/') : ctx.path.slice('/pluginfile.php/'.length).split('/').map(decodeURIComponent);
	} catch {
		return null;
	}
	const [contextid, component, area, ...rest] = parts;
	const assign = [...ctx.site.assigns.values()].find((a) => String(a.contextid) === contextid);
	if (!assign) return null;
	const areas = {
		'mod_assign/intro': () => assign.intro_files.find((f) => f.name === rest.join('/')),
		'mod_assign/introattachment': () => assign.attachments.find((f) => f.name === rest.slice(1).join('/')),
		'assignsubmission_file/submission_files': () => ({ name: rest.slice(1).join('/'), text: 'My answer.\n' }),
	};
	const file = areas[`${component}/${area}`]?.();
	return file ? { assign, file } : null;
}

function fileReply(ctx, file) {
	const content = contentOf(file);
	const name = file.name.split('/').at(-1);
	const etag = `"${createHash('sha1').update(content).digest('hex')}"`;
	const kind = ctx.query.get('forcedownload') === '1' ? 'attachment' : 'inline';
	const headers = {
		'Content-Type': TYPES[name.split('.').at(-1).toLowerCase()] ?? 'application/octet-stream',
		// Raw UTF-8 bytes in the name, as Moodle sends them (Node takes header bytes as latin1).
		'Content-Disposition': Buffer.from(`${kind}; filename="${name.replace(/["\\]/g, '\\$&')}"`).toString('latin1'),
		'Accept-Ranges': 'bytes',
		'Cache-Control': 'private, max-age=21600, no-transform',
		ETag: etag,
	};
	if (ctx.req.headers['if-none-match'] === etag) return { status: 304, headers, body: '' };
	const range = /^bytes=(\d+)-(\d*)$/.exec(ctx.req.headers.range ?? '');
	if (!range || Number(range[1]) >= content.length) return { status: 200, headers, body: content };
	const last = Math.min(range[2] ? Number(range[2]) : Infinity, content.length - 1);
	headers['Content-Range'] = `bytes ${range[1]}-${last}/${content.length}`;
	return { status: 206, headers, body: content.subarray(Number(range[1]), last + 1) };
}

function contentOf(file) {
	if (file.png) return png(...file.png);
	if (file.pdf) return pdf(file.pdf);
	if (file.bytes) return Buffer.alloc(file.bytes, 'Pensum test file. ');
	const content = Array.isArray(file.text) ? file.text.join('\n') : file.text;
	return Buffer.from(content ?? `This is ${file.name}.\n`, 'utf8');
}

// A picture of a gradient with a grid over it, in 8-bit RGB.
export function png(width, height) {
	const stride = 1 + width * 3;
	const pixels = Buffer.alloc(stride * height);
	for (let y = 0; y < height; y += 1) {
		for (let x = 0; x < width; x += 1) {
			const onGrid = x % 20 === 0 || y % 20 === 0;
			const at = y * stride + 1 + x * 3;
			pixels[at] = onGrid ? 40 : 80 + Math.floor((x / width) * 160);
			pixels[at + 1] = onGrid ? 60 : 120 + Math.floor((y / height) * 100);
			pixels[at + 2] = onGrid ? 90 : 200;
		}
	}
	const header = Buffer.alloc(13);
	header.writeUInt32BE(width, 0);
	header.writeUInt32BE(height, 4);
	header.set([8, 2, 0, 0, 0], 8);
	const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
	const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', zlib.deflateSync(pixels)), pngChunk('IEND', Buffer.alloc(0))];
	return Buffer.concat([signature, ...chunks]);
}

function pngChunk(type, data) {
	const chunk = Buffer.alloc(12 + data.length);
	chunk.writeUInt32BE(data.length, 0);
	chunk.write(type, 4, 'latin1');
	data.copy(chunk, 8);
	chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
	return chunk;
}

function crc32(data) {
	let crc = 0xffffffff;
	for (const byte of data) {
		crc ^= byte;
		for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return (crc ^ 0xffffffff) >>> 0;
}

function pdf(line) {
	const stream = `BT /F1 18 Tf 72 760 Td (${line.replace(/[()\\]/g, '\\$&')}) Tj ET`;
	const objects = [
		'<< /Type /Catalog /Pages 2 0 R >>',
		'<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
		'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
		`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`,
		'<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
	];
	let body = '%PDF-1.4\n';
	const offsets = objects.map((object, i) => {
		const offset = body.length;
		body += `${i + 1} 0 obj\n${object}\nendobj\n`;
		return offset;
	});
	const entries = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
	const xref = `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${entries}`;
	const trailer = `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${body.length}\n%%EOF\n`;
	return Buffer.from(body + xref + trailer, 'latin1');
}
