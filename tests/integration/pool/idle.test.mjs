// A pool that nobody needs holds no browser; and what the processes of one that is needed take.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { sleep } from '../../support/process.mjs';
import { groupOf, startPool } from './pool.mjs';

const MIB = 1 << 20;

test('a pool that nobody needs ends its browsers, and starts one again on demand', async (t) => {
	const pool = await startPool({ 'pool.idle_s': 1, 'pool.keep_s': 60 }, { t });
	const browser = await pool.browserPid();
	const lease = await pool.lease({ key: 'k', idle_ms: 2500 });
	await sleep(1600);
	assert.equal(await lease.evaluate('1 + 1'), 2, 'a page in use is needed');
	lease.close();
	await pool.until('a kept page', (s) => s.contexts.kept === 1);
	await sleep(1600);
	const again = await pool.lease({ key: 'k', idle_ms: 300 });
	assert.equal(again.messages.find((m) => m.type === 'leased').sticky, true, 'so is a kept one');
	assert.equal((await pool.status()).asleep, false);
	again.close();

	let status = await pool.until('no browser', (s) => s.browsers.length === 0);
	assert.deepEqual(groupOf(browser), []);
	assert.deepEqual(pool.profiles(), []);
	assert.equal(status.asleep, true);
	assert.deepEqual(Object.values(status.contexts).reduce((a, b) => a + b), 0);
	const restarts = Object.entries(status.metrics).filter(([name, n]) => name.startsWith('bp_browser_restarts_total') && n > 0);
	assert.deepEqual(restarts, [['bp_browser_restarts_total{reason="idle"}', 1]]);
	await sleep(500);
	status = await pool.status();
	assert.deepEqual([status.browsers.length, status.totals.browser_starts, status.start_failures], [0, 1, 0]);

	const next = await pool.lease();
	assert.equal(await next.evaluate('2 + 2'), 4);
	await pool.until('warm pages again', (s) => s.contexts.warm === 2 && s.asleep === false && s.browsers.length === 1);
	next.close();
	await pool.until('no browser again', (s) => s.browsers.length === 0);
	await pool.stop();
});

test('one browser too many ends after a while, and nobody who holds a page notices', async (t) => {
	const pool = await startPool({ 'pool.idle_s': 1, 'pool.max_browsers': 2, 'pool.max_pages': 8 }, { t });
	const held = await pool.lease({ ttl_ms: 120_000 });
	const own = await pool.browserPid();
	const others = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	const two = await pool.until('two browsers', (s) => s.browsers.length === 2 && s.browsers.every((b) => b.state === 'ready'), 40_000);
	const second = two.browsers.find((b) => b.pid !== own).pid;
	await sleep(1600);
	assert.equal((await pool.status()).browsers.length, 2, 'both are needed');
	others.forEach((lease) => lease.close());
	// The pool as a whole is needed all the time.
	const working = { over: false };
	const work = (async () => {
		for (; !working.over; await sleep(20)) {
			const lease = await pool.lease();
			assert.equal(await lease.evaluate('6 * 7'), 42);
			lease.close();
		}
	})();
	const one = await pool.until('one browser', (s) => s.browsers.length === 1 && s.browsers[0].state === 'ready', 40_000);
	assert.deepEqual([one.browsers[0].pid, one.asleep], [own, false]);
	// Where pages go slower than they are asked for, another one has come in between, and gone again.
	assert.ok(one.metrics['bp_browser_restarts_total{reason="idle"}'] >= 1);
	assert.deepEqual(groupOf(second), []);
	working.over = true;
	await work;
	assert.equal(await held.evaluate('1 + 1'), 2);
	assert.deepEqual(Object.keys((await pool.status()).totals.ended), ['client_gone']);
	const again = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	assert.equal((await pool.status()).browsers.length, 2, 'and comes again on demand');
	[held, ...again].forEach((lease) => lease.close());
	await pool.stop();
});

test('pool.idle_s = 0 keeps the browser, and a reload changes the time', async (t) => {
	const pool = await startPool({ 'pool.idle_s': 0 }, { t });
	const browser = await pool.browserPid();
	await sleep(1500);
	assert.ok(groupOf(browser).length > 0);
	await pool.reload({ 'pool.idle_s': 1 });
	await pool.until('no browser', (s) => s.browsers.length === 0);
	assert.deepEqual(groupOf(browser), []);
	await pool.stop();
});

test('the metrics tell what the processes take, each shared page counted once', async (t) => {
	const pool = await startPool({ 'pool.network': 'apart' }, { t });
	const pid = await pool.browserPid();
	const { metrics, memory } = await pool.until('a look at a whole browser', (s) => s.metrics['bp_pss_bytes{proc="renderer"}'] > MIB, 30_000);
	const pss = (proc) => metrics[`bp_pss_bytes{proc="${proc}"}`];
	for (const proc of ['browser', 'zygote', 'gpu', 'network', 'daemon']) assert.ok(pss(proc) > MIB && pss(proc) < 400 * MIB, `${proc}: ${pss(proc)}`);
	const rollup = Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))[1]) * 1024;
	assert.ok(pss('browser') > rollup / 2 && pss('browser') < rollup * 2, `${pss('browser')} and ${rollup}`);
	assert.ok(metrics.bp_mem_available_bytes > 0 && metrics.bp_mem_available_bytes < os.totalmem());
	assert.equal(metrics.bp_mem_short, 0);
	assert.ok(memory.pss_mb > 60 && memory.pss_mb < 1000, `${memory.pss_mb}`);
	const lease = await pool.lease();
	await lease.evaluate('globalThis.some = new Uint8Array(100 << 20).fill(1); 0');
	await pool.until('the page in the next round', (s) => s.metrics['bp_pss_bytes{proc="renderer"}'] > 100 * MIB, 30_000);
	lease.close();
	await pool.stop();
});
