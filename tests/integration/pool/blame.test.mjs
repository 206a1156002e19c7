// Pages that ask their browser in an endless loop for what it goes on to do when they are dead: whatever
// becomes of the browser, nobody else is ended for that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { judge, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

const endless = (code) => `for (let i = 0;; i++) ${code}`;
// Chromium needs so much more for some than the page for asking that it may die of what it was asked.
const loops = {
	'opens databases': { code: endless('indexedDB.open("x" + i)'), mayEndAll: true },
	'opens caches': { code: endless('caches.open("x" + i)'), mayEndAll: true },
	'asks for locks': { code: endless('navigator.locks.request("x" + i, () => new Promise(() => {}))') },
	'asks how much it stores': { code: endless('navigator.storage.estimate()') },
	'makes files of its own': { code: endless('navigator.storage.getDirectory().then((d) => d.getFileHandle("x" + i, { create: true }))') },
	'writes cookies': { code: endless('cookieStore.set("x" + i, "y".repeat(1000))') },
};
const neighbours = {
	'is idle': '0',
	computes: '(function work() { const until = performance.now() + 40; while (performance.now() < until); setTimeout(work, 40); })()',
	fetches: '(async () => { for (;;) { await (await fetch("/data")).text(); await new Promise((resolve) => setTimeout(resolve, 20)); } })(); 0',
	'makes what it throws away': 'setInterval(() => { for (let i = 0; i < 20000; i++) ({ x: "s" + i }); }, 20); 0',
};

async function lendNeighbour(pool, site, code) {
	const lease = await pool.lease({ ttl_ms: 60_000 });
	await lease.goto(`${site.url}/`);
	await lease.evaluate(code);
	return lease;
}

async function watch(leases, ms) {
	const ended = Date.now();
	while (Date.now() - ended < ms && leases.every((lease) => lease.reason === 'closed')) {
		leases[0].evaluate('1').catch(() => {});
		await sleep(50);
	}
}

// A browser may die of the rest yet.
async function answers(pool) {
	const lease = pool.begin({ ttl_ms: 50_000 });
	try {
		return await (await lease.granted(40_000)).evaluate('6 * 7') === 42;
	} catch {
		return false;
	} finally {
		lease.close();
	}
}

for (const [name, { code, mayEndAll }] of Object.entries(loops))
	test(`a page that ${name} without end is the only one to answer for it`, { timeout: 90_000 }, async (t) => {
		const pool = await startPool({ 'pool.max_browsers': 1, 'pool.page_memory_mb': 192 }, { t }), site = await startSite();
		t.after(() => site.stop());
		const others = [];
		for (const each of Object.values(neighbours)) others.push(await lendNeighbour(pool, site, each));
		const victim = await pool.lease({ ttl_ms: 50_000 });
		await victim.goto(`${site.url}/`);
		victim.ask('Runtime.evaluate', { expression: code });
		const end = await victim.ended;
		await watch(others, 5000);
		t.diagnostic(`ended: ${end}; the others: ${others.map((lease) => lease.reason).join(' ')}`);
		assert.match(end, /^(page_oom|flood|browser_gone)$/);
		Object.keys(neighbours).forEach((what, i) => assert.match(others[i].reason, /^(closed|browser_gone)$/, `one that ${what}`));
		judge(t, mayEndAll || end !== 'browser_gone', 'it ended before its browser');
		others.forEach((lease) => lease.close());
		await until('a page that answers', () => answers(pool), 60_000);
		await pool.stop();
	});
