// What every handler uses of HTTP: reading a body and cookies, and the replies it can give.
// A handler returns a reply { status, headers, body, cookies }; only `send` touches the socket.
import { gzipSync } from 'node:zlib';

const BODY_MAX_BYTES = 1 << 20;
const GZIP_MIN_BYTES = 1024;

export async function readBody(req) {
	const chunks = [];
	let size = 0;
	for await (const chunk of req) {
		size += chunk.length;
		if (size > BODY_MAX_BYTES) throw new Error('body too large');
		chunks.push(chunk);
	}
	return Buffer.concat(chunks).toString('utf8');
}

export function parseCookies(header = '') {
	const cookies = new Map();
	for (const part of header.split(';')) {
		const [name, value] = part.trim().split(/=(.*)/s);
		if (name && !cookies.has(name)) cookies.set(name, value ?? '');
	}
	return cookies;
}

export function html(text, status = 200) {
	return { status, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: text, cookies: [] };
}

export function json(value, status = 200) {
	const headers = { 'Content-Type': 'application/json; charset=utf-8' };
	return { status, headers, body: JSON.stringify(value), cookies: [] };
}

// Moodle redirects with 303 and an absolute address below its own root.
export function redirect(ctx, to) {
	const address = to.startsWith('/') ? ctx.wwwroot + to : to;
	return { status: 303, headers: { Location: address }, body: '', cookies: [] };
}

export function send(req, res, reply) {
	let body = Buffer.isBuffer(reply.body) ? reply.body : Buffer.from(reply.body ?? '', 'utf8');
	const headers = { 'Cache-Control': 'no-store', ...reply.headers };
	if (reply.cookies?.length) headers['Set-Cookie'] = reply.cookies;
	const isText = /^(text|application\/json)/.test(headers['Content-Type'] ?? '');
	if (isText && body.length >= GZIP_MIN_BYTES && /\bgzip\b/.test(req.headers['accept-encoding'] ?? '')) {
		body = gzipSync(body, { level: 1 });
		headers['Content-Encoding'] = 'gzip';
		headers.Vary = 'Accept-Encoding';
	}
	if (reply.status !== 304) headers['Content-Length'] = body.length;
	res.writeHead(reply.status, headers);
	res.end(body);
}
