// Browsers that should go: how that is found out (recycle.h names the ways).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { commandOf, groupOf, renderersOf } from './pool.mjs';
import { ownBinary, replaced, restarts, start, startPool } from './successor.mjs';

test('a reload that says so replaces browsers that have become too old, and ends drains sooner', async (t) => {
	const pool = await startPool({}, { t });
	const held = await pool.lease();
	await pool.reload({ 'pool.recycle_age_s': 1, 'pool.drain_s': 1 });
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
	await sleep(2500);
	assert.equal(await pool.browserPid(), old);
	binary.put(`${start} --upgraded`);
	await replaced(pool, 'executable');
	assert.match(commandOf(await pool.browserPid()), /--upgraded/);
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
	const stoppedMs = Math.min(Math.max(400, 5 * usual), 2000); // longer, and no page is made within its limit at all
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
	}, stoppedMs + 30);
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
	const renderers = async () => renderersOf(await pool.browserPid()).length;
	let most = 0;
	await pool.until('canaries', (s) => {
		const all = Object.values(s.contexts).reduce((a, b) => a + b, 0);
		most = Math.max(most, all);
		return s.totals.contexts_made >= before + 4;
	}, 30_000);
	assert.ok(most <= 3, `${most} pages`);
	await pool.until('quiet', (s) => s.contexts.warm === 2 && s.contexts.making === 0 && s.contexts.disposing === 0);
	await until('their processes gone', async () => (await renderers()) <= 3);
	assert.equal((await pool.status()).totals.browser_starts, 1);
	held.close();
	await pool.stop();
});
