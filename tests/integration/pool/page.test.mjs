// Runs page.c, printing.c and downloads.c (the page helpers as the workers use them) against the real pool and a small site.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { run } from '../../support/process.mjs';
import { startPool } from './pool.mjs';

const FILE = Buffer.from('0123456789'.repeat(500_000));
const html = (text) => `<!doctype html><meta charset=utf-8>${text}`;
// Noise does not compress: the PDF comes in several pieces.
const NOISE = `<canvas width=600 height=600 id=c></canvas><script>const g = c.getContext('2d'), d = g.createImageData(600, 600);
for (let i = 0; i < d.data.length; i += 65536) crypto.getRandomValues(d.data.subarray(i, i + 65536)); g.putImageData(d, 0, 0)</script>`;

const pages = {
	'/a.js': 'window.own = 1',
	'/rich': html('<link rel=stylesheet href=/a.css><script src=/a.js></script><img src=/a.png><p>rich'),
	'/later': html(`<title>later</title><script>setTimeout(() => { document.body.innerHTML = '<p id=late>here' }, 150)</script><body>`),
	'/next': html('<title>next</title>'),
	'/frames': html('<a href=/next>next</a><iframe src=/later></iframe>'),
	'/alert': html('<script>alert("first"); window.said = "after the alert"</script>'),
	'/three': html(`<p>one${NOISE}<p style="break-before: page">two<p style="break-before: page">three`),
	'/tall': html('<style>body { margin: 0; width: 1000px; height: 3000px }</style>'),
	'/served': html(`<script>navigator.serviceWorker.register('/worker.js')</script>`),
	'/worker.js': `onfetch = (e) => { if (new URL(e.request.url).pathname === '/who') e.respondWith(new Response('forged')); };
		onactivate = (e) => e.waitUntil(clients.claim())`,
};

function sendFile(response, url) {
	response.setHeader('content-type', 'application/zip');
	response.setHeader('content-disposition', `attachment; filename="plain.zip"; filename*=UTF-8''na%C3%AFve%20r%C3%A9sum%C3%A9.zip`);
	if (!url.search) response.setHeader('content-length', FILE.length);
	response.write(FILE);
	response.end();
}

function cutShort(response) {
	response.setHeader('content-length', FILE.length);
	response.write(FILE.subarray(0, 300_000), () => setTimeout(() => response.destroy(), 50));
}

function trickle(response) {
	const timer = setInterval(() => response.write('more'), 50);
	response.on('close', () => clearInterval(timer));
}

let seen = [];
function answer(request, response) {
	const url = new URL(request.url, 'http://site'), { pathname } = url;
	if (url.search === '?forget') seen = [];
	if (pathname !== '/seen') seen.push(pathname);
	if (pages[pathname]) response.setHeader('content-type', pathname.endsWith('.js') ? 'text/javascript' : 'text/html').end(pages[pathname]);
	else if (pathname === '/seen') response.end(` ${seen.join(' ')} `);
	else if (pathname === '/cookies') response.setHeader('content-type', 'text/html').setHeader('set-cookie', ['host=only', 'strict=x; SameSite=Strict']).end(html('set'));
	else if (pathname === '/who') response.end(request.headers.cookie ?? '');
	else if (pathname === '/to') response.writeHead(302, { location: decodeURIComponent(url.search.slice(1)) }).end('elsewhere');
	else if (pathname === '/file') sendFile(response, url);
	else if (pathname === '/packed') response.setHeader('content-encoding', 'gzip').end(zlib.gzipSync(Buffer.alloc(50_000)));
	else if (pathname === '/bytes') response.setHeader('content-type', 'text/plain').end(Buffer.from(Array.from({ length: 256 * 2000 }, (_, i) => i % 256)));
	else if (pathname === '/text') response.setHeader('content-type', 'text/plain; charset=utf-8').end('€'.repeat(200_000));
	else if (pathname === '/nothing') response.writeHead(204).end();
	else if (pathname === '/cut') cutShort(response);
	else if (pathname === '/slow') trickle(response);
	else if (pathname === '/never') return;
	else if (/^\/\d+$/.test(pathname)) response.writeHead(Number(pathname.slice(1))).end('failed');
	else response.end('x');
}

test('the page helpers from C', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 2 }, { t });
	const site = http.createServer(answer);
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	const { port } = site.address();
	const env = { POOL_SOCKET: pool.socket, SITE_URL: `http://127.0.0.1:${port}`, OTHER_URL: `http://localhost:${port}`, ASAN_OPTIONS: 'detect_leaks=1' };
	const results = [];
	for (const program of ['POOL_PAGE', 'POOL_PRINTING', 'POOL_DOWNLOADS']) results.push(await run(process.env[program], [], { env }));
	site.closeAllConnections();
	site.close();
	await pool.stop();
	for (const { code, stdout, stderr } of results) {
		t.diagnostic(stdout.trim().split('\n').at(-1));
		assert.equal(code, 0, stdout + stderr);
	}
});
