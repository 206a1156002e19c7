// A site that is not what it says: redirects to another host, floods, pages without an end. The job
// ends with a clear failure within its time, and nothing of the student leaves for another host.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';
const LIMIT_S = 6;
let site;
let other;
let system;

// A server whose answers tests change: serve(request, response).
async function startServer(host) {
	const state = { seen: [], serve: (request, response) => response.end('<html></html>') };
	const server = http.createServer((request, response) => {
		let body = '';
		request.on('data', (chunk) => (body += chunk)).on('end', () => {
			state.seen.push({ method: request.method, path: request.url, headers: request.headers, body });
			state.serve(request, response);
		});
	});
	await new Promise((resolve) => server.listen(0, host === 'localhost' ? 'localhost' : '127.0.0.1', resolve));
	state.url = `http://${host}:${server.address().port}`;
	state.stop = () => new Promise((resolve) => {
		server.close(resolve);
		server.closeAllConnections();
	});
	return state;
}

before(async () => {
	site = await startServer('127.0.0.1');
	other = await startServer('localhost');
	system = await startSystem({ moodleUrl: site.url,
		settings: { 'checker.time_limit_s': LIMIT_S, 'jobs.max_attempts': 1, 'site.user_agent_suffix': 'Pensum/%v (test)' } });
});
after(async () => {
	await system?.stop();
	await site?.stop();
	await other?.stop();
});

async function failure() {
	const p = system.client({ limitMs: (LIMIT_S + 20) * 1000 });
	try {
		await p.signIn('maya', PASSWORD);
	} catch (error) {
		return error.code;
	} finally {
		p.close();
	}
	throw new Error('signed in');
}

const html = (response, text) => response.writeHead(200, { 'Content-Type': 'text/html' }).end(text);

test('a site that sends us to another host is refused before anything is asked there', async () => {
	site.serve = (request, response) => response.writeHead(302, { Location: `${other.url}${request.url}` }).end();
	assert.equal(await failure(), 'not_moodle');
	assert.deepEqual(other.seen, []);
});

test('requests carry an honest name', async () => {
	site.serve = (request, response) => html(response, '<html></html>');
	assert.equal(await failure(), 'not_moodle');
	for (const { headers } of site.seen.slice(-2)) assert.match(headers['user-agent'], /^Mozilla.* Pensum\/\S+ \(test\)$/);
});

test('a redirect without end is a clear failure', async () => {
	site.serve = (request, response) => response.writeHead(302, { Location: `/again${Math.random()}` }).end();
	assert.equal(await failure(), 'site_down');
});

test('a page of 50 MB is a clear failure', async () => {
	site.serve = (request, response) => {
		if (!request.url.startsWith('/login/')) return html(response, '<html></html>');
		return html(response, 'x'.repeat(50 * 1024 * 1024));
	};
	assert.equal(await failure(), 'not_understood');
});

test('a first page that never finishes ends within the job\'s limit', async () => {
	site.serve = (request, response) => {
		response.writeHead(200, { 'Content-Type': 'text/html' });
		const drip = setInterval(() => response.write('<p>'), 50);
		response.on('close', () => clearInterval(drip));
	};
	assert.match(await failure(), /^(timeout|site_down)$/);
});

test('a site that wants to be left alone is left alone, by every job', async () => {
	site.serve = (request, response) => {
		if (!request.url.startsWith('/login/')) return html(response, '<html></html>');
		return response.writeHead(503, { 'Retry-After': '30' }).end();
	};
	assert.equal(await failure(), 'site_busy');
	const asked = site.seen.length;
	assert.equal(await failure(), 'site_busy');
	assert.equal(site.seen.length, asked, 'the second job asks nothing');
	assert.ok(await system.redis.command('TTL', 'pensum:pause:default') > 10);
	await system.redis.command('DEL', 'pensum:pause:default');
});

test('a form that posts to another host gets nothing', async () => {
	site.serve = (request, response) => html(response, request.url.startsWith('/login/')
		? `<html><body id="page-login-index"><form id="login" action="${other.url}/take" method="post"></form></body></html>`
		: '<html></html>');
	assert.equal(await failure(), 'signs_in_elsewhere');
	assert.deepEqual(other.seen, []);
	assert.ok(!site.seen.some((r) => JSON.stringify(r).includes(PASSWORD)), 'the password was posted nowhere');
});
