// Bounds on the public port: time, connections, descriptors; and the page's files.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { run, sleep, temporaryFolder, until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { startStack } from './stack.mjs';

let stack, web;
before(async () => {
	web = temporaryFolder('pensum-web-');
	const files = { 'index.html': '<!doctype html><title>x</title>', 'app.mjs': 'export {};',
		'style.css': 'a{}', 'icon.svg': '<svg/>', 'lib/deep.js': '1', 'data.json': '{}',
		'font.woff2': 'w', 'pic.png': 'p', '.secret.json': '{}', 'readme.bin': 'x',
		'.git/config.json': '{}', 'empty.css': '', 'a b+ü.css': 'b{}' };
	for (const [name, text] of Object.entries(files)) {
		fs.mkdirSync(path.join(web.path, path.dirname(name)), { recursive: true });
		fs.writeFileSync(path.join(web.path, name), text);
	}
	fs.symlinkSync('/etc/passwd', path.join(web.path, 'link.json'));
	fs.symlinkSync('/etc', path.join(web.path, 'etc'));
	stack = await startStack({ settings: { 'gateway.web_dir': web.path, 'gateway.max_connections': 24 } });
});
after(async () => {
	await stack?.stop();
	web?.remove();
});

const connect = (port = stack.port) => new Promise((resolve, reject) => {
	const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
	socket.text = '';
	socket.setEncoding('latin1').on('data', (d) => (socket.text += d));
	socket.once('error', reject);
	socket.on('error', () => {});
	socket.gone = new Promise((done) => socket.once('close', done));
});
const request = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('a request that comes a byte at a time is dropped with 408', async () => {
	const head = await connect(), body = await connect(), silent = await connect();
	const start = Date.now();
	body.write('POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n');
	head.write('GET /health HTTP/1.1\r\nHost: x\r\nA: ');
	const drip = setInterval(() => {
		head.write('x');
		body.write('x');
	}, 250);
	await Promise.all([head.gone, body.gone, silent.gone]);
	clearInterval(drip);
	const ms = Date.now() - start;
	assert.ok(ms > 8000, `${ms} ms`);
	assert.match(head.text, /^HTTP\/1.1 408 [^]*"code":"request_timeout"/);
	assert.match(body.text, /^HTTP\/1.1 408 /);
});

test('a kept connection may pause between its requests, and a next one is timed from its start', async () => {
	const socket = await connect();
	socket.write(request);
	await until('an answer', () => socket.text.includes('uptime_s'));
	await sleep(1500);
	socket.write(request.slice(0, 10));
	await sleep(500);
	socket.write(request.slice(10));
	await until('a second answer', () => socket.text.split('uptime_s').length === 3);
	socket.destroy();
});

test('a 413 arrives although the client still sends', async () => {
	const socket = await connect();
	socket.write(`POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n`);
	for (let i = 0; i < 90; i++) socket.write('x'.repeat(10000));
	await until('the answer', () => socket.text.includes('body_too_large'), 5000);
	assert.match(socket.text, /larger than .*gateway\.max_body_bytes/);
	socket.destroy();
});

test('connections over the limit wait in the kernel until there is room', async () => {
	const all = [];
	for (let i = 0; i < 23; i++) all.push(await connect());
	await sleep(100);
	const late = await Promise.all([connect(), connect(), connect()]);
	for (const socket of late) socket.write(request);
	await sleep(300);
	assert.ok(late.filter((s) => s.text).length <= 1, 'more than the limit were served');
	for (const socket of all) socket.destroy();
	await until('answers', () => late.every((s) => s.text.includes('uptime_s')));
	for (const socket of late) socket.destroy();
});

for (const [whose, many] of [['everyone', 60], ['operators', 1500]])
	test(`${many} who send half a request on the port for ${whose} keep nobody waiting who sends a whole one`, async () => {
		const port = whose === 'everyone' ? stack.port : stack.adminPort;
		const all = await Promise.all(Array.from({ length: many }, () => connect(port)));
		for (const socket of all) socket.write('GET /health HTTP/1.1\r\nHost: x\r\nA: ');
		const whole = await connect(port);
		whole.write(request);
		await until('an answer, long before the time of all of them is over', () => whole.text.includes('uptime_s'), 18_000);
		for (const socket of [...all, whole]) socket.destroy();
	});

test('a kept connection that others wait for gives way', async () => {
	const all = [];
	for (let i = 0; i < 24; i++) {
		all.push(await connect());
		all[i].write(request);
		await until('an answer', () => all[i].text.includes('uptime_s'));
	}
	const late = await connect();
	late.write(request);
	await until('an answer', () => late.text.includes('uptime_s'), 30_000);
	assert.ok(all.filter((socket) => socket.readyState === 'open').length > 8, 'only some do');
	for (const socket of [...all, late]) socket.destroy();
});

test('without descriptors the loop does not spin, and goes on when some are free', async () => {
	const pid = stack.gateway.pid;
	const cpu = () => {
		const [user, system] = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
		return (Number(user) + Number(system)) * 10; // ms
	};
	const open = fs.readdirSync(`/proc/${pid}/fd`).length;
	const before = fs.readFileSync(`/proc/${pid}/limits`, 'utf8').match(/Max open files\s+(\d+)\s+(\d+)/);
	await run('prlimit', ['--pid', String(pid), `--nofile=${open + 4}:${before[2]}`]);
	const all = [];
	for (let i = 0; i < 12; i++) all.push(await connect()); // the kernel accepts for it
	const lines = stack.gateway.lines.length, spent = cpu();
	await sleep(2000);
	assert.ok(cpu() - spent < 600, `${cpu() - spent} ms of CPU in 2 s`);
	assert.ok(stack.gateway.lines.length - lines < 50, 'floods the log');
	for (const socket of all) socket.destroy();
	await run('prlimit', ['--pid', String(pid), `--nofile=${before[1]}:${before[2]}`]);
	await until('health', async () => (await fetch(`${stack.url}/health`)).ok);
});

test('files of the page', async (t) => {
	const types = { '/': 'text/html; charset=utf-8', '/index.html': 'text/html; charset=utf-8',
		'/app.mjs': 'text/javascript; charset=utf-8', '/lib/deep.js': 'text/javascript; charset=utf-8',
		'/style.css': 'text/css; charset=utf-8', '/icon.svg': 'image/svg+xml',
		'/data.json': 'application/json', '/font.woff2': 'font/woff2', '/pic.png': 'image/png',
		'/empty.css': 'text/css; charset=utf-8', '/a%20b+%C3%BC.css': 'text/css; charset=utf-8' };
	for (const [target, type] of Object.entries(types))
		await t.test(target, async () => {
			const answer = await fetch(stack.url + target);
			assert.equal(answer.status, 200);
			assert.equal(answer.headers.get('content-type'), type);
			assert.match(answer.headers.get('etag'), /^"[0-9a-f-]+"$/);
			const again = await fetch(stack.url + target,
				{ headers: { 'If-None-Match': answer.headers.get('etag') } });
			assert.equal(again.status, 304);
			assert.equal(await again.text(), '');
		});
	await t.test('HEAD', async () => {
		const answer = await fetch(`${stack.url}/index.html`, { method: 'HEAD' });
		assert.equal(answer.headers.get('content-length'), '31');
	});
	const absent = ['/nothing', '/nothing.html', '/lib', '/lib/', '/.secret.json', '/.git/config.json',
		'/readme.bin', '/link.json', '/etc/passwd', '/etc/passwd.json', '//etc/passwd.json',
		'/../etc/passwd', '/%2e%2e/%2e%2e/etc/hosts.json', '/..%2f..%2fetc/x.json',
		'/lib/../index.html', '/lib/%2e%2e/index.html', '/./index.html', '/index.html/',
		'/index.html%00', '/%5cindex.html'];
	for (const target of absent)
		await t.test(target, async () => {
			const answer = await stack.raw(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
			assert.ok([400, 404].includes(answer.status), answer.text);
		});
	await t.test('a file that changed has another ETag', async () => {
		const tag = async () => (await fetch(`${stack.url}/style.css`)).headers.get('etag');
		const old = await tag();
		fs.writeFileSync(path.join(web.path, 'style.css'), 'b{}');
		assert.notEqual(await tag(), old);
	});
});
