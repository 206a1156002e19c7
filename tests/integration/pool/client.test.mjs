// Runs client.c (lease.h and page.h as the workers use them) against the real pool and a small site.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { run } from '../../support/process.mjs';
import { startPool } from './pool.mjs';

const PAGE = `<!doctype html><title>site</title><link rel=stylesheet href=/a.css><link rel=stylesheet href=/theme/styles.php/x>
<script src=/a.js></script><script>window.own = 1</script><img src=/a.png><p>hello`;

function answer(request, response) {
	const { pathname } = new URL(request.url, 'http://site');
	if (pathname !== '/seen') seen.push(pathname);
	response.setHeader('content-type', 'text/html');
	if (pathname === '/') response.end(PAGE);
	else if (pathname === '/seen') response.end(seen.join(' '));
	else if (pathname === '/cookies') response.setHeader('set-cookie', ['host=only', 'later=x; Max-Age=3600; HttpOnly; SameSite=Lax']).end('set');
	else if (pathname === '/sent') response.end(request.headers.cookie ?? '');
	else if (pathname === '/move') response.writeHead(302, { location: '/' }).end();
	else if (pathname === '/empty404') response.writeHead(404).end();
	else if (pathname === '/busy') response.writeHead(503, { 'retry-after': '7' }).end('busy <iframe src=/409></iframe>');
	else if (pathname === '/shut') response.writeHead(429, { 'Retry-After': 'Fri, 31 Dec 2100 23:59:59 GMT' }).end();
	else if (pathname === '/tomorrow') response.writeHead(302, { 'retry-after': '9', location: '/' }).end();
	else if (/^\/\d+$/.test(pathname)) response.writeHead(Number(pathname.slice(1))).end('failed');
	else if (pathname === '/never') return;
	else response.end('x');
}
const seen = [];

test('leases and pages from C', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 2 });
	const site = http.createServer(answer);
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	const { code, stdout, stderr } = await run(process.env.POOL_CLIENT, [], { env: {
		POOL_SOCKET: pool.socket, SITE_URL: `http://127.0.0.1:${site.address().port}`, ASAN_OPTIONS: 'detect_leaks=1' } });
	t.diagnostic(stdout.trim().split('\n').at(-1));
	site.closeAllConnections();
	site.close();
	await pool.stop();
	assert.equal(code, 0, stdout + stderr);
});
