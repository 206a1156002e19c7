// Leases that have nothing to do with what another one does in their browser, and must not notice it.
//
//   const { pool, site, browser, stop } = await startOneBrowser();
//   const bystanders = await watchBystanders(t, pool, site);
//   … a fault …
//   await bystanders.finish();      all their calls were answered, their browser is the same
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { sleep, until } from '../../support/process.mjs';
import { renderersOf, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

export const PAGE_MIB = 192; // that a page may have
const MIB = 1 << 20;

const ownBytes = (pid) => Number(/RssAnon:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024;

// browser: its pid.
export async function startOneBrowser() {
	const pool = await startPool({ 'pool.max_browsers': 1, 'pool.page_memory_mb': PAGE_MIB });
	const site = await startSite();
	const stop = async () => {
		site.stop();
		await pool.stop();
	};
	return { pool, site, browser: await pool.browserPid(), stop };
}

// Two leases that go on asking, one of them its page's server too, until the others are over.
export async function watchBystanders(t, pool, site) {
	const browser = await pool.browserPid();
	const leases = [await pool.lease({ ttl_ms: 120_000 }), await pool.lease({ ttl_ms: 120_000 })];
	t.after(() => leases.forEach((lease) => lease.close()));
	await leases[1].goto(`${site.url}/`);
	const state = { over: false, asked: 0, slowest: 0, largest: 0 };
	const expressions = ['6 * 7', 'fetch("/data").then((r) => r.text()).then(() => 42)'];
	const work = leases.map(async (lease, i) => {
		while (!state.over) {
			const begun = Date.now();
			assert.equal(await lease.evaluate(expressions[i]), 42);
			state.slowest = Math.max(state.slowest, Date.now() - begun);
			state.largest = Math.max(state.largest, ownBytes(browser));
			state.asked++;
			await sleep(20);
		}
	});
	state.finish = async () => {
		await sleep(500); // what the dead one has begun still arrives
		state.over = true;
		await Promise.all(work);
		for (const lease of leases) assert.equal(lease.reason, 'closed');
		assert.equal(await pool.browserPid(), browser);
		t.diagnostic(`${state.asked} calls of bystanders, slowest ${state.slowest} ms; the browser had at most ${Math.round(state.largest / MIB)} MiB`);
		leases.forEach((lease) => lease.close());
		await pool.until('nothing left', (s) => s.leases.length === 0 && s.contexts.disposing === 0);
		await until('its processes gone', () => renderersOf(browser).length <= 3);
	};
	return state;
}
