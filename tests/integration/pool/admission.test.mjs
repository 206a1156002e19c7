// Caps that fit the machine, and requests that wait while it has no memory for one more page.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { Machine, whyNoMachine } from './machine.mjs';
import { renderersOf, startPool } from './pool.mjs';

const skip = whyNoMachine();
const startOn = (machine, t, settings) => startPool({ 'pool.sandbox': 'off', 'pool.min_available_mb': 100, ...settings }, { t, wrap: machine.wrap });
const isShort = (yes) => (s) => s.memory.short === yes;

test('the limits fit the machine', { skip }, async (t) => {
	for (const [totalMb, browsers, pages, page] of [[480, 1, 3, 128], [960, 1, 8, 192], [1950, 1, 16, 384], [3900, 2, 24, 512], [64_000, 2, 32, 512]]) {
		const machine = new Machine(totalMb);
		const pool = await startOn(machine, t);
		const { limits } = await pool.status();
		assert.deepEqual([limits.max_browsers, limits.max_pages, limits.page_memory_mb], [browsers, pages, page], `${totalMb} MiB`);
		assert.deepEqual(limits.automatic, { max_browsers: true, max_pages: true, page_memory_mb: true });
		await pool.stop();
	}
});

test('the limits fit the control group, and follow it when settings are read again', { skip }, async (t) => {
	const machine = new Machine(16_000);
	machine.setGroup(1024, 200, 0);
	const pool = await startOn(machine, t);
	let { limits, memory } = await pool.status();
	assert.deepEqual([limits.max_browsers, limits.max_pages, memory.total_mb], [1, 8, 1024]);
	machine.setGroup(4096, 200, 0);
	process.kill(pool.daemon.pid, 'SIGHUP');
	await pool.daemon.waitLine(/settings read again/, 10_000);
	({ limits } = await pool.status());
	assert.deepEqual([limits.max_browsers, limits.max_pages], [2, 24]);
	machine.setGroup(4096, 4096, 4000);
	({ memory } = await pool.until('cache', (s) => s.memory.available_mb === 4000));
	machine.setGroup(4096, 4096, 50);
	({ memory } = await pool.until('shortage', isShort(true)));
	assert.deepEqual([memory.available_mb, memory.floor_mb], [50, 100]);
	await pool.stop();
});

test('while memory is short nothing is lent: kept and warm pages go, who waits waits, and gets its page afterwards', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	for (const key of ['a', 'b']) (await pool.lease({ key })).close();
	const held = await pool.lease();
	await pool.until('kept and warm pages', (s) => s.contexts.kept === 2 && s.contexts.warm === 2 && s.contexts.making === 0);
	const browser = await pool.browserPid();

	machine.setAvailable(80);
	await pool.until('shortage', isShort(true));
	const waiter = pool.begin({ wait_ms: 30_000 });
	const impatient = pool.lease({ wait_ms: 1500 });
	impatient.catch(() => {});
	await pool.until('only the page in use', (s) => s.contexts.lent === 1 && Object.values(s.contexts).reduce((a, b) => a + b) === 1);
	await until('page processes gone', () => renderersOf(browser).length === 1);
	assert.equal(await held.evaluate('1 + 1'), 2);
	await assert.rejects(impatient, { reason: 'memory' });
	const status = await pool.status();
	assert.deepEqual([status.memory.short, status.waiting.length, status.contexts.lent, status.contexts.making], [true, 1, 1, 0]);
	assert.equal(status.metrics['bp_admission_denied_total{reason="memory"}'], 1);

	machine.setAvailable(110); // more than the floor, but not enough to be sure
	await sleep(600);
	assert.equal((await pool.status()).memory.short, true);
	assert.deepEqual(waiter.messages.map((m) => m.type).filter((type) => type !== 'queued'), []);
	machine.setAvailable(1000);
	await waiter.granted();
	assert.equal(await waiter.evaluate('2 + 2'), 4);
	for (const lease of [held, waiter]) lease.close();
	await pool.stop();
});

test('kept pages make room for who waits because the next page would not fit', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	for (const key of ['a', 'b']) (await pool.lease({ key })).close();
	const held = await pool.lease();
	await pool.until('kept and warm pages', (s) => s.contexts.kept === 2 && s.contexts.warm === 2 && s.contexts.making === 0);
	machine.setAvailable(140);
	await pool.until('that it is seen', (s) => s.memory.available_mb === 140);
	await sleep(600);
	assert.equal((await pool.status()).contexts.kept, 2, 'nobody waits');
	const waiter = pool.begin();
	const { contexts, memory, waiting } = await pool.until('no kept page', (s) => s.contexts.kept === 0);
	assert.deepEqual([contexts.warm, contexts.lent, waiting.length, memory.short], [2, 1, 1, false]);
	machine.setAvailable(1000);
	await waiter.granted();
	for (const lease of [held, waiter]) lease.close();
	await pool.stop();
});

test('while programs wait for memory, requests do', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t, { 'pool.max_pressure': 20 });
	await pool.until('warm pages', (s) => s.contexts.warm === 2);
	machine.setPressure(45);
	await pool.until('shortage', isShort(true));
	const waiter = pool.begin();
	await pool.until('one waiting', (s) => s.waiting.length === 1);
	machine.setPressure(15); // below the limit, but not yet half of it
	await sleep(600);
	const { waiting, memory } = await pool.status();
	assert.deepEqual([waiting.length, memory.short, memory.pressure], [1, true, 15]);
	machine.setPressure(5);
	await waiter.granted();
	waiter.close();
	await pool.stop();
});

test('a lease that has just begun has its memory reserved', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	await pool.until('warm pages', (s) => s.contexts.warm === 2 && s.contexts.making === 0);
	machine.setAvailable(100 + 2 * 48 + 20);
	await pool.until('that it is seen', (s) => s.memory.available_mb === 216);
	const leases = Array.from({ length: 4 }, () => pool.begin());
	await pool.until('two leases', (s) => s.leases.length === 2);
	await sleep(600);
	const { leases: lent, waiting, memory } = await pool.status();
	assert.deepEqual([lent.length, waiting.length, memory.reserved_mb, memory.short], [2, 2, 96, false]);
	await Promise.all(leases.map((lease) => lease.granted(30_000))); // as the first ones have grown to their size
	for (const lease of leases) lease.close();
	await pool.stop();
});

test('on a machine that is always too small, one after the other works', { skip }, async (t) => {
	const machine = new Machine(512);
	machine.setAvailable(110);
	const pool = await startOn(machine, t);
	const [first, second] = [pool.begin(), pool.begin()];
	const one = await Promise.race([first, second].map((lease) => lease.granted()));
	assert.equal(await one.evaluate('1 + 1'), 2);
	assert.equal((await pool.status()).waiting.length, 1);
	one.close();
	const other = await (one === first ? second : first).granted();
	other.close();
	await pool.stop();
});

test('when the machine has no memory left, the largest page dies', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	const [small, large] = [await pool.lease(), await pool.lease()];
	await large.evaluate('globalThis.some = new Uint8Array(150 << 20).fill(1); 0');
	machine.setAvailable(40);
	assert.equal(await large.ended, 'page_oom');
	await pool.until('an end', (s) => s.contexts.disposing === 0);
	await sleep(1500);
	assert.equal(await small.evaluate('1 + 1'), 2, 'a small one would not help');
	small.close();
	await pool.stop();
});

test('fewer browsers after a reload: those too many end when their leases have', async (t) => {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4 }, { t });
	const leases = await Promise.all(Array.from({ length: 4 }, () => pool.lease()));
	await pool.until('two browsers', (s) => s.browsers.length === 2);
	await pool.reload({ 'pool.max_browsers': 1 });
	await pool.until('one drains', (s) => s.browsers.filter((b) => b.state === 'draining').length === 1);
	for (const lease of leases) {
		assert.equal(await lease.evaluate('1 + 1'), 2);
		lease.close();
	}
	await pool.until('one browser', (s) => s.browsers.length === 1 && s.contexts.warm === 2);
	await pool.stop();
});
