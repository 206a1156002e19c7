// Browsers that are replaced while others borrow their pages: for which reasons, and in what order.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { groupOf, leadersOf } from './pool.mjs';
import { ownBinary, replaced, restarts, start, startPool } from './successor.mjs';

const loadSeconds = Number(process.env.RECYCLE_LOAD_S ?? 12);
const isSticky = (lease) => lease.messages.find((m) => m.type === 'leased').sticky;

// Sees every browser of a pool, each as long as it is in the process table.
function watchLeaders(pool) {
	const watch = { most: 0, seen: new Set() };
	const timer = setInterval(() => {
		const leaders = leadersOf(pool.runDir);
		watch.most = Math.max(watch.most, leaders.length);
		for (const pid of leaders) watch.seen.add(pid);
	}, 15);
	watch.stop = () => clearInterval(timer);
	return watch;
}

test('a browser is replaced after its number of leases, and no lease notices', async (t) => {
	const pool = await startPool({ 'pool.recycle_leases': 3 }, { t });
	await until('two replaced', async () => {
		const lease = await pool.lease();
		assert.equal(await lease.evaluate('1 + 1'), 2);
		lease.close();
		return restarts(await pool.status(), 'leases') >= 2;
	}, 30_000);
	const { totals } = await pool.status();
	assert.deepEqual(Object.keys(totals.ended), ['client_gone']);
	await pool.stop();
});

test('until the successor has a page the old browser lends, kept pages too; then it only finishes its leases', async (t) => {
	const binary = ownBinary(t);
	const gate = path.join(binary.folder, 'gate');
	binary.put(`while [ ! -e ${gate} ]; do sleep 0.05; done\n${start}`);
	fs.writeFileSync(gate, '');
	const pool = await startPool({ 'pool.browser': binary.file }, { t });
	const held = await pool.lease();
	const first = await pool.lease({ key: 'k' });
	await first.evaluate('window.mark = 1');
	first.close();
	await pool.until('kept', (s) => s.contexts.kept === 1 && s.contexts.warm === 2);
	const old = await pool.browserPid();

	fs.unlinkSync(gate);
	assert.deepEqual(await pool.ask({ op: 'recycle' }), { type: 'ok' });
	const during = await pool.until('a successor', (s) => s.browsers.length === 2);
	assert.deepEqual(during.browsers.map((b) => [b.state, b.leaves_for ?? null]).sort(), [['ready', 'operator'], ['starting', null]]);
	assert.equal(during.contexts.kept, 1);
	assert.equal(during.contexts.warm, 2);
	const again = await pool.lease({ key: 'k' });
	assert.ok(isSticky(again));
	assert.equal(await again.evaluate('window.mark'), 1);
	again.close();
	const plain = await pool.lease();
	assert.equal((await pool.status()).leases.length, 2);
	plain.close();

	fs.writeFileSync(gate, '');
	const after = await pool.until('the old one drains', (s) => s.browsers.some((b) => b.state === 'draining') && s.contexts.warm === 2);
	const [draining] = after.browsers.filter((b) => b.state === 'draining');
	assert.deepEqual([draining.pid, draining.leaves_for, draining.leases], [old, 'operator', 1]);
	assert.ok(draining.drain_left_ms > 0 && draining.drain_left_ms <= 180_000);
	assert.equal(after.contexts.kept, 0);
	const next = await pool.lease({ key: 'k' });
	assert.ok(!isSticky(next));
	assert.equal((await pool.status()).browsers.find((b) => b.pid === old).leases, 1);
	assert.equal(await held.evaluate('2 + 2'), 4);
	held.close();
	await until('the old one gone', () => groupOf(old).length === 0);
	assert.equal(await next.evaluate('1 + 1'), 2);
	next.close();
	assert.equal(restarts(await replaced(pool, 'operator'), 'operator'), 1);
	await pool.stop();
});

test('a lease that outlasts the drain ends with a word of its own, and its calls are answered', async (t) => {
	const pool = await startPool({ 'pool.drain_s': 1 }, { t });
	const held = await pool.lease();
	const open = held.ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
	await pool.ask({ op: 'recycle' });
	assert.equal(await held.ended, 'recycled');
	assert.match((await open).error.message, /the lease ended: recycled/);
	const { metrics } = await replaced(pool, 'operator');
	assert.equal(metrics['bp_lease_end_total{reason="recycled"}'], 1);
	await pool.stop();
});

test('old browsers go one after the other, never with more than one to spare', async (t) => {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 6 }, { t });
	const watch = watchLeaders(pool);
	t.after(watch.stop);
	const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	assert.equal((await pool.status()).browsers.length, 2);
	await pool.reload({ 'pool.recycle_age_s': 2 });
	await pool.until('one drains, and the other one waits for its turn', (s) => s.browsers.some((b) => b.state === 'draining') &&
		s.browsers.some((b) => b.state === 'ready' && b.leaves_for === 'age'));
	for (const lease of leases) assert.equal(await lease.evaluate('1 + 1'), 2, 'a held lease is left alone');
	leases.forEach((lease) => lease.close());
	await until('four more', () => watch.seen.size >= 6, 40_000);
	assert.equal(watch.most, 3);
	await pool.stop();
});

test('a successor that does not start leaves the old browser lending, and is tried again with pauses', async (t) => {
	const binary = ownBinary(t);
	binary.put(start);
	const pool = await startPool({ 'pool.browser': binary.file }, { t });
	const old = await pool.browserPid();
	await pool.until('its pages', (s) => s.contexts.warm === 2);
	binary.put('exit 1');
	await pool.ask({ op: 'recycle' });
	const begun = await pool.until('failures', (s) => s.start_failures >= 4);
	assert.equal(begun.start_failure, 'no_browser');
	assert.ok(begun.totals.browser_starts <= 12);
	for (let i = 0; i < 4; i++) {
		const lease = await pool.lease();
		assert.equal(await lease.evaluate('1 + 1'), 2);
		lease.close();
	}
	const failing = await pool.status();
	assert.ok(failing.start_failures >= 4, 'pages of the old one say nothing about the new one');
	assert.equal(failing.browsers.find((b) => b.state === 'ready').pid, old);
	binary.put(start);
	const { start_failures: failures } = await replaced(pool, 'operator', 1, 40_000);
	assert.equal(failures, 0);
	await until('the old one gone', () => groupOf(old).length === 0);
	await pool.stop();
});

test(`under load for ${loadSeconds} s no recycle costs a lease`, { timeout: (loadSeconds + 60) * 1000 }, async (t) => {
	const pool = await startPool({ 'pool.drain_s': Math.max(180, loadSeconds), 'pool.max_pages': 8 }, { t });
	const held = await pool.lease();
	const heldBy = (await pool.status()).leases[0].browser;
	const watch = watchLeaders(pool);
	t.after(watch.stop);
	const quietUntil = Date.now() + loadSeconds * 250, end = Date.now() + loadSeconds * 1000;
	const failures = [], waits = { quiet: [], recycling: [] };
	let served = 0;
	const borrow = async () => {
		while (Date.now() < end) {
			try {
				const begun = Date.now();
				const lease = await pool.lease();
				waits[begun < quietUntil ? 'quiet' : 'recycling'].push(Date.now() - begun);
				assert.equal(await lease.evaluate('6 * 7'), 42);
				lease.close();
				await lease.closed;
				served++;
			} catch (err) {
				failures.push(err);
			}
			await sleep(150);
		}
	};
	const recycle = async () => {
		await sleep(quietUntil - Date.now());
		for (let i = 0; Date.now() < end - 1000; i++) {
			await pool.ask({ op: 'recycle' });
			await sleep(Math.min(5000, loadSeconds * 250));
			assert.equal(await held.evaluate(`${i} + 1`), i + 1);
			// The held lease's browser is the extra one: without it the next turn can come.
			if (i === 1) held.close();
			if (i >= 1) break;
		}
		while (Date.now() < end - 1000) {
			await pool.ask({ op: 'recycle' });
			await sleep(Math.min(5000, loadSeconds * 200));
		}
	};
	await Promise.all([recycle(), borrow(), borrow(), borrow(), borrow()]);
	assert.deepEqual(failures, []);
	const status = await pool.until('one browser', (s) => s.browsers.length === 1);
	assert.ok(restarts(status, 'operator') >= 2);
	assert.ok(status.browsers[0].id > heldBy);
	assert.deepEqual(Object.keys(status.totals.ended), ['client_gone']);
	assert.deepEqual(status.totals.refused, {});
	assert.ok(watch.most <= 2, `${watch.most} browsers at one time`);
	const [quiet, recycling] = [waits.quiet, waits.recycling].map((all) => all.sort((x, y) => x - y)[Math.floor(all.length * 0.99)]);
	t.diagnostic(`99 of 100 waited ${quiet} ms at the most before, ${recycling} ms while browsers were replaced`);
	t.diagnostic(`${served} leases, ${(served / loadSeconds).toFixed(1)}/s, ${watch.seen.size} browsers`);
	await pool.stop();
});
