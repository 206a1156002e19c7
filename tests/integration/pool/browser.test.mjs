// Browsers that die, hang, do not start, or are replaced; and a pool that dies.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { run, temporaryFolder, until } from '../../support/process.mjs';
import { programPath, writeSettings } from '../../support/daemon.mjs';
import { commandOf, groupOf, startPool } from './pool.mjs';

const CHROMIUM = '/usr/lib/chromium/chromium-headless-shell';
const noBrowserIn = (folder) => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).every((pid) => !commandOf(pid).includes(folder));

test('a killed browser ends its leases within a second, and the next lease works', async (t) => {
	const pool = await startPool({}, { t });
	const leases = [await pool.lease(), await pool.lease()];
	leases[0].ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
	const pid = await pool.browserPid();
	process.kill(pid, 'SIGKILL');
	assert.deepEqual(await Promise.all(leases.map((l) => l.ended)), ['browser_gone', 'browser_gone']);
	const lease = await pool.lease();
	assert.equal(await lease.evaluate('6 * 7'), 42);
	assert.deepEqual(groupOf(pid), []);
	assert.equal(pool.profiles().length, 1);
	lease.close();
	await pool.stop();
});

test('a browser that hangs is found and replaced', async (t) => {
	const pool = await startPool({}, { t });
	const lease = await pool.lease();
	const pid = await pool.browserPid();
	process.kill(pid, 'SIGSTOP');
	assert.equal(await lease.ended, 'browser_gone');
	const next = await pool.lease();
	assert.equal(await next.evaluate('1 + 1'), 2);
	await until('the hung one gone', () => groupOf(pid).length === 0);
	next.close();
	await pool.stop();
});

test('a browser that cannot start pages any more is replaced before a worker sees it', async (t) => {
	const pool = await startPool({}, { t });
	const pid = await pool.browserPid();
	await pool.until('warm pages', (s) => s.contexts.warm === 2);
	for (const child of groupOf(pid)) if (commandOf(child).includes('--type=zygote')) process.kill(child, 'SIGKILL');
	for (let i = 0; i < 4; i++) {
		const lease = await pool.lease();
		assert.equal(await lease.evaluate('1 + 1'), 2);
		lease.close();
	}
	await pool.until('another browser', (s) => s.browsers.some((b) => b.state === 'ready' && b.pid !== pid));
	await pool.stop();
});

test('the network is in the first process of its browser, unless it is to be apart', async (t) => {
	for (const [where, count] of [['inside', 0], ['apart', 1]]) {
		const pool = await startPool({ 'pool.network': where }, { t });
		const lease = await pool.lease();
		const of = groupOf(await pool.browserPid()).filter((pid) => commandOf(pid).includes('network.mojom.NetworkService'));
		assert.equal(of.length, count, where);
		lease.close();
		await pool.stop();
	}
});

test('a browser that lost its network process, and so all cookies, is replaced', async (t) => {
	const pool = await startPool({ 'pool.network': 'apart' }, { t });
	const lease = await pool.lease();
	await pool.daemon.waitLine(/network process found/);
	const network = groupOf(await pool.browserPid()).find((pid) => commandOf(pid).includes('network.mojom.NetworkService'));
	process.kill(network, 'SIGKILL');
	assert.equal(await lease.ended, 'browser_gone');
	const next = await pool.lease();
	assert.equal(await next.evaluate('1 + 1'), 2);
	next.close();
	await pool.stop();
});

test('a launch that fails does not poison the pool', async (t) => {
	const folder = temporaryFolder('pensum-b-');
	const binary = path.join(folder.path, 'browser');
	const put = (text) => fs.writeFileSync(`${binary}.new`, text, { mode: 0o755 }) ?? fs.renameSync(`${binary}.new`, binary);
	put('#!/bin/sh\nexit 1\n');
	const pool = await startPool({ 'pool.browser': binary }, { t });
	await assert.rejects(pool.lease({ wait_ms: 400 }), { reason: 'no_browser' });
	const waiting = pool.begin({ wait_ms: 30_000 });
	await pool.until('some attempts', (s) => s.totals.browser_starts >= 4);
	fs.unlinkSync(binary);
	await pool.daemon.waitLine(/cannot be executed/);
	assert.ok((await pool.status()).totals.browser_starts <= 12);
	put(`#!/bin/sh\nexec ${CHROMIUM} "$@"\n`);
	await waiting.granted();
	assert.equal(await waiting.evaluate('1 + 1'), 2);
	assert.equal(pool.profiles().length, 1);
	waiting.close();
	await pool.stop();
	folder.remove();
});

test('browsers are capped, and pages are shared among them', async (t) => {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4 }, { t });
	const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	const { browsers } = await pool.status();
	assert.deepEqual(browsers.map((b) => b.leases), [2, 2]);
	process.kill(browsers[0].pid, 'SIGKILL');
	await until('two ends', () => leases.filter((l) => l.reason === 'browser_gone').length === 2);
	const alive = leases.filter((l) => l.reason === 'closed');
	for (const lease of alive) assert.equal(await lease.evaluate('1 + 1'), 2);
	for (const lease of leases) lease.close();
	await pool.stop();
});

test('a killed pool leaves no browser, and the next one no profile', async (t) => {
	const folder = temporaryFolder('pensum-k-');
	const pool = await startPool({}, { t, folder });
	const lease = await pool.lease();
	lease.ask('Runtime.evaluate', { expression: 'while (1);' });
	const pid = await pool.browserPid();
	await pool.daemon.kill();
	await until('no browser', () => groupOf(pid).length === 0 && noBrowserIn(folder.path));
	fs.mkdirSync(path.join(pool.runDir, 'not-ours'));
	const next = await startPool({}, { t, folder });
	const again = await next.lease();
	assert.equal(await again.evaluate('1 + 1'), 2);
	again.close();
	assert.equal(next.profiles().length, 1);
	await next.stop();
	assert.deepEqual(fs.readdirSync(pool.runDir).sort(), ['lock', 'not-ours']);
	await until('no browser', () => noBrowserIn(folder.path));
	folder.remove();
});

test('a second pool on the same folder, or root without saying so, is refused', async (t) => {
	const pool = await startPool({}, { t });
	const folder = temporaryFolder('pensum-2-');
	const config = (extra) => writeSettings(folder.path, { 'pool.socket': path.join(folder.path, 's'), 'pool.run_dir': pool.runDir,
		'pool.sandbox': process.getuid() === 0 ? 'off' : 'on', ...extra });
	const start = (extra) => run(programPath('pensum-browser-pool'), ['--config', config(extra)], { env: { PATH: process.env.PATH } });
	const second = await start({});
	assert.equal(second.code, 1, 'that may pass');
	assert.match(second.stderr, /another pool uses pool.run_dir/);
	if (process.getuid() === 0) {
		const root = await start({ 'pool.run_dir': folder.path, 'pool.sandbox': 'on' });
		assert.equal(root.code, 78);
		assert.match(root.stderr, /pool\.sandbox/);
	}
	await pool.stop();
	folder.remove();
});

test('a drain lets leases end, refuses new ones, and then the pool exits', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 1 }, { t });
	const held = await pool.lease();
	const waiting = pool.begin();
	await waiting.next('place', (m) => m.type === 'queued');
	assert.deepEqual(await pool.ask({ op: 'drain' }), { type: 'ok' });
	await assert.rejects(waiting.granted(), { reason: 'shutting_down' });
	await assert.rejects(pool.lease(), { reason: 'shutting_down' });
	assert.equal(await held.evaluate('1 + 1'), 2);
	held.close();
	assert.equal((await pool.daemon.exited).code, 0);
	assert.deepEqual(pool.profiles(), []);
	assert.ok(!fs.existsSync(pool.socket));
	await pool.stop();
});
