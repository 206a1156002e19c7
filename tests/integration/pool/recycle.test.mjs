// Browsers that are replaced while others borrow their pages: for which reasons, and in what order.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import { commandOf, groupOf, leadersOf, startPool as startAnyPool } from './pool.mjs';

const CHROMIUM = '/usr/lib/chromium/chromium-headless-shell';
const loadSeconds = Number(process.env.RECYCLE_LOAD_S ?? 12);

const startPool = (settings, options) => startAnyPool({ 'pool.max_browsers': 1, 'pool.max_pages': 6, ...settings }, options);
const restarts = (status, reason) => status.metrics[`bp_browser_restarts_total{reason="${reason}"}`];
const replaced = (pool, reason, n = 1, timeoutMs = 20_000) => pool.until(`${n} replaced: ${reason}`, (s) => restarts(s, reason) >= n &&
	s.browsers.length > 0 && s.browsers.every((b) => b.state === 'ready'), timeoutMs);
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

// A binary that the test can change while the pool runs.
function ownBinary(t) {
	const folder = temporaryFolder('pensum-x-');
	const file = path.join(folder.path, 'browser');
	t.after(() => folder.remove());
	return { file, folder: folder.path, put: (script) => {
		fs.writeFileSync(`${file}.new`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
		fs.renameSync(`${file}.new`, file);
	} };
}

const start = `exec ${CHROMIUM} "$@"`;

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
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 6, 'pool.recycle_age_s': 2 }, { t });
	const watch = watchLeaders(pool);
	t.after(watch.stop);
	const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	assert.equal((await pool.status()).browsers.length, 2);
	await pool.until('one drains, and the other one waits for its turn', (s) => s.browsers.some((b) => b.state === 'draining') &&
		s.browsers.some((b) => b.state === 'ready' && b.leaves_for === 'age'));
	for (const lease of leases) assert.equal(await lease.evaluate('1 + 1'), 2, 'a held lease is left alone');
	leases.forEach((lease) => lease.close());
	await until('four more', () => watch.seen.size >= 6, 40_000);
	assert.equal(watch.most, 3);
	await pool.stop();
});

test('a reload that says so replaces browsers that have become too old, and ends drains sooner', async (t) => {
	const pool = await startPool({}, { t });
	const held = await pool.lease();
	const config = pool.daemon.child.spawnargs[pool.daemon.child.spawnargs.indexOf('--config') + 1];
	fs.appendFileSync(config, 'pool.recycle_age_s = 1\npool.drain_s = 1\n');
	process.kill(pool.daemon.pid, 'SIGHUP');
	await pool.daemon.waitLine(/settings read again/);
	assert.equal(await held.ended, 'recycled');
	await pool.until('too old', (s) => restarts(s, 'age') >= 1);
	await pool.stop();
});

test('an upgraded browser is taken over without a restart, and a missing one changes nothing', async (t) => {
	const binary = ownBinary(t);
	binary.put(start);
	const pool = await startPool({ 'pool.browser': binary.file }, { t });
	const old = await pool.browserPid();
	fs.renameSync(binary.file, `${binary.file}.away`);
	await sleep(5000);
	assert.equal(await pool.browserPid(), old);
	binary.put(`${start} --upgraded`);
	await replaced(pool, 'executable');
	assert.match(commandOf(await pool.browserPid()), /--upgraded/);
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

test('a browser that grew is replaced', async (t) => {
	const pool = await startPool({ 'pool.settle_s': 1, 'pool.recycle_growth_mb': 60 }, { t });
	const old = await pool.browserPid();
	const lease = await pool.lease();
	const { browsers: [before] } = await pool.until('its usual size is known', (s) => s.browsers[0].memory_mb?.usual > 0, 30_000);
	assert.deepEqual([before.pid, before.leaves_for], [old, undefined]);
	assert.ok(before.memory_mb.usual > 20 && before.memory_mb.usual < 300, `${before.memory_mb.usual} MiB`);
	await lease.evaluate(`window.blobs = []; for (let i = 0; i < 1200; i++) blobs.push(new Blob([crypto.getRandomValues(new Uint8Array(65536)), new Uint8Array(65536)])); 0`);
	await pool.until('it is due', (s) => s.browsers.some((b) => b.leaves_for === 'memory'), 30_000);
	lease.close();
	await replaced(pool, 'memory');
	assert.notEqual(await pool.browserPid(), old);
	await pool.stop();
});

test('a browser that became slow is replaced', async (t) => {
	const pool = await startPool({ 'pool.canary_s': 1 }, { t });
	const old = await pool.browserPid();
	const { browsers: [{ page_ms: { usual } }] } = await pool.until('its usual time is known', (s) => s.browsers[0].page_ms?.usual > 0, 30_000);
	const stoppedMs = Math.max(800, 6 * usual);
	const signal = (name) => {
		try {
			process.kill(old, name);
		} catch {
			clearInterval(slow);
		}
	};
	const slow = setInterval(() => {
		signal('SIGSTOP');
		setTimeout(() => signal('SIGCONT'), stoppedMs);
	}, stoppedMs + 60);
	t.after(() => clearInterval(slow));
	await replaced(pool, 'latency', 1, 90_000);
	assert.deepEqual(groupOf(old), []);
	await pool.stop();
});

test('a browser that cannot make pages any more is found while nobody asks for one', async (t) => {
	const pool = await startPool({ 'pool.canary_s': 1 }, { t });
	const old = await pool.browserPid();
	const held = await pool.lease();
	await pool.until('spares', (s) => s.contexts.warm === 2 && s.contexts.making === 0);
	for (const pid of groupOf(old)) if (commandOf(pid).includes('--type=zygote')) process.kill(pid, 'SIGKILL');
	const after = await pool.until('it drains', (s) => s.browsers.some((b) => b.pid === old && b.state === 'draining'), 30_000);
	assert.equal(after.browsers.find((b) => b.pid === old).leaves_for, 'canary');
	assert.equal(await held.evaluate('1 + 1'), 2);
	held.close();
	await replaced(pool, 'canary');
	await pool.stop();
});

test('canaries stay within the pages and leave nothing behind', async (t) => {
	const pool = await startPool({ 'pool.canary_s': 1, 'pool.max_pages': 3 }, { t });
	const held = await pool.lease();
	await pool.until('all in use', (s) => s.contexts.warm === 2);
	const before = (await pool.status()).totals.contexts_made;
	const renderers = async () => groupOf(await pool.browserPid()).filter((pid) => commandOf(pid).includes('--type=renderer')).length;
	let most = 0;
	await pool.until('canaries', (s) => {
		const all = Object.values(s.contexts).reduce((a, b) => a + b, 0);
		most = Math.max(most, all);
		return s.totals.contexts_made >= before + 6;
	}, 30_000);
	assert.ok(most <= 3, `${most} pages`);
	await pool.until('quiet', (s) => s.contexts.warm === 2 && s.contexts.making === 0 && s.contexts.disposing === 0);
	await until('their processes gone', async () => (await renderers()) <= 3);
	assert.equal((await pool.status()).totals.browser_starts, 1);
	held.close();
	await pool.stop();
});

test(`under load for ${loadSeconds} s no recycle costs a lease`, { timeout: (loadSeconds + 60) * 1000 }, async (t) => {
	const pool = await startPool({ 'pool.drain_s': Math.max(180, loadSeconds), 'pool.max_pages': 8 }, { t });
	const held = await pool.lease();
	const heldBy = (await pool.status()).leases[0].browser;
	const watch = watchLeaders(pool);
	t.after(watch.stop);
	const end = Date.now() + loadSeconds * 1000;
	const failures = [];
	let served = 0;
	const borrow = async () => {
		while (Date.now() < end) {
			try {
				const lease = await pool.lease();
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
	const waits = pool.daemon.lines.flatMap((l) => l.match(/msg="lease begins".* waited_ms=(\d+)/)?.[1] ?? []).map(Number).sort((a, b) => a - b);
	t.diagnostic(`waited: half ${waits[waits.length >> 1]} ms, 99 of 100 ${waits[Math.floor(waits.length * 0.99)]} ms, longest ${waits.at(-1)} ms`);
	t.diagnostic(`${served} leases, ${(served / loadSeconds).toFixed(1)}/s, ${watch.seen.size} browsers`);
	await pool.stop();
});
