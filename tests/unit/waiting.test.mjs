// Whatever tests wait for ends, and says what it was.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePort, run, temporaryFolder, until } from '../support/process.mjs';
import { fetch, TooLate, within } from '../support/waiting.mjs';

const never = new Promise(() => {});

async function startServer(t, answer) {
	const server = http.createServer(answer);
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => (server.closeAllConnections(), server.close()));
	return `http://127.0.0.1:${server.address().port}`;
}

test('what does not come is named', async () => {
	await assert.rejects(within('end of the world', 20, never), (error) =>
		error instanceof TooLate && error.message === 'no end of the world within 20 ms');
	assert.equal(await within('end of the world', 1000, 'in time'), 'in time');
	await assert.rejects(within('end of the world', 1000, Promise.reject(new Error('its own'))), /its own/);
});

test('a request that is never answered ends, and so does an answer that stops in its middle', async (t) => {
	const url = await startServer(t, (request, response) => {
		if (request.url === '/half') response.writeHead(200, { 'content-length': 10 }).write('12345');
		if (request.url === '/whole') response.end('whole');
	});
	await assert.rejects(fetch(`${url}/never`, { method: 'POST', limitMs: 100 }),
		(error) => error instanceof TooLate && /no (whole )?answer to POST .*\/never/.test(error.message));
	const half = await fetch(`${url}/half`, { limitMs: 500 });
	await assert.rejects(half.text(), /no whole answer to GET .*\/half/);
	assert.equal(await (await fetch(`${url}/whole`)).text(), 'whole');
});

test('a program that does not end is killed, and named with its arguments', async () => {
	const start = Date.now();
	await assert.rejects(run('sleep', ['60'], { timeoutMs: 100 }), /no end of sleep 60 within 100 ms/);
	assert.ok(Date.now() - start < 30_000);
	assert.equal((await run('sh', ['-c', 'exit 3'])).code, 3);
});

const waitForSpring = `import { until } from '${new URL('../support/process.mjs', import.meta.url).href}';
	setInterval(() => {}, 1000);
	await until('spring', () => false, 600_000);`;

// As from a shell, and not from within a run of tests.
const runNode = (args, env) => new Promise((resolve) => {
	const { NODE_TEST_CONTEXT: ignored, ...rest } = process.env;
	execFile(process.execPath, args, { env: { ...rest, ...env }, timeout: 40_000 },
		(error, stdout, stderr) => resolve({ code: error?.code, text: stdout + stderr }));
});

test('a file that ctest would end says before what it waits for', async () => {
	const { code, text } = await runNode(['--input-type=module', '-e', waitForSpring], { PENSUM_TEST_S: '11' });
	assert.equal(code, 1);
	assert.match(text, /it waits for:\nspring \(for \d+ ms\)/);
});

test('and so does one of many, however late it began in their run', async (t) => {
	const folder = temporaryFolder('pensum-late-');
	t.after(() => folder.remove());
	const file = path.join(folder.path, 'late.test.mjs');
	fs.writeFileSync(file, waitForSpring);
	const late = await runNode(['--input-type=module', '-e', waitForSpring],
		{ PENSUM_TEST_S: '900', PENSUM_TEST_FROM_MS: `${Date.now() - 889_000}` });
	assert.match(late.text, /it waits for:\nspring/);
	const drills = await runNode([fileURLToPath(new URL('../drills/run.mjs', import.meta.url)), file],
		{ PENSUM_TEST_S: '11', PENSUM_TEST_FROM_MS: '0' });
	assert.equal(drills.code, 1);
	assert.match(drills.text, /it waits for:[^]*spring \(for \d{3,} ms\)/, 'its own second, not one of before');
});

test('a question that does not come back does not keep until() waiting', async (t) => {
	if (!t.mock.timers) return t.skip('this Node has no timers to put forward');
	t.mock.timers.enable({ apis: ['setTimeout'] });
	const asked = until('spring', () => never, 10);
	t.mock.timers.tick(60_000);
	await assert.rejects(asked, /no spring within/);
});

test('a port that a test keeps for its daemon is none that the kernel gives to others', async () => {
	const from = Number(fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t')[0]);
	const ports = await Promise.all(Array.from({ length: 20 }, freePort));
	for (const port of ports) assert.ok(port > 1024 && port < from, port);
});
