// Pages that fill what is not their own heap: shared memory, and what a site may store.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { PAGE_MIB, startOneBrowser, watchBystanders } from './bystanders.mjs';
import { groupOf } from './pool.mjs';

const MIB = 1 << 20;
let pool, site, browser, stop;

before(async () => ({ pool, site, browser, stop } = await startOneBrowser()));
after(() => stop());

const usedBytes = (folder) => fs.readdirSync(folder, { recursive: true }).map((name) => {
	try {
		return fs.lstatSync(`${folder}/${name}`).blocks * 512;
	} catch {
		return 0;
	}
}).reduce((a, b) => a + b, 0);

const sharedBytes = (pid) => {
	try {
		return Number(/RssShmem:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024;
	} catch {
		return 0;
	}
};

const frame = 'new Promise((resolve) => requestAnimationFrame(resolve))';
const random = 'for (let at = 0; at < big.length; at += 65536) crypto.getRandomValues(big.subarray(at, at + 65536))';
const bombs = {
	'memory that its workers could share': `const all = []; for (;;) { try { const m = new WebAssembly.Memory({ initial: 64, maximum: 64, shared: true });
		new Uint8Array(m.buffer).fill(1); all.push(m); } catch {} }`,
	'layers that are drawn in shared memory': `for (let i = 0;; i++) { const d = document.createElement('div'); d.textContent = i;
		d.style = 'will-change: transform; position: absolute; left: 0; top: 0; width: 2000px; height: 2000px; background: linear-gradient(red, hsl(' + i + ', 50%, 50%))';
		document.body.append(d); await ${frame}; }`,
	'large pictures': `const c = new OffscreenCanvas(3000, 3000), x = c.getContext('2d'); for (let i = 0;; i++) { x.fillStyle = 'hsl(' + i + ', 50%, 50%)'; x.fillRect(0, 0, 3000, 3000);
		const image = Object.assign(new Image(), { src: URL.createObjectURL(await c.convertToBlob()) }); document.body.prepend(image); await image.decode(); }`,
	'a database': `const db = await new Promise((resolve) => { const q = indexedDB.open('x', 1); q.onupgradeneeded = () => q.result.createObjectStore('s'); q.onsuccess = () => resolve(q.result); });
		const big = new Uint8Array(4 << 20); for (let i = 0;; i++) { ${random}; const t = db.transaction('s', 'readwrite'); t.objectStore('s').put(big, i);
		await new Promise((resolve) => { t.oncomplete = t.onabort = resolve; }); }`,
	'a cache': `const c = await caches.open('x'), big = new Uint8Array(4 << 20); for (let i = 0;; i++) { ${random}; await c.put('/' + i, new Response(big)); }`,
	'files of its own': `const d = await navigator.storage.getDirectory(); for (let i = 0;; i++) { const w = await (await d.getFileHandle('f' + i, { create: true })).createWritable();
		await w.write(new Uint8Array(8 << 20).fill(7)); await w.close(); }`,
};

for (const [name, code] of Object.entries(bombs))
	test(`a page that fills ${name} dies of memory, and nothing of it is on disk`, { timeout: 60_000 }, async (t) => {
		const bystanders = await watchBystanders(t, pool, site);
		const before = usedBytes(pool.runDir);
		const victim = await pool.lease({ ttl_ms: 50_000 });
		await victim.goto(`${site.url}/`);
		let over = false, shared = 0;
		victim.ended.then(() => { over = true; });
		victim.ask('Runtime.evaluate', { expression: `(async () => { ${code} })()` });
		await until('its end', () => {
			shared = Math.max(shared, ...groupOf(browser).map(sharedBytes));
			return over;
		}, 50_000);
		// what is as fast as this reaches the kernel's limit between two looks on a loaded machine
		const ends = name === 'memory that its workers could share' ? ['page_oom', 'page_crashed'] : ['page_oom'];
		assert.ok(ends.includes(await victim.ended), await victim.ended);
		t.diagnostic(`at most ${Math.round(shared / MIB)} MiB of shared memory in one process`);
		assert.ok(shared < 2 * PAGE_MIB * MIB, `${shared / MIB} MiB of shared memory`);
		const grown = usedBytes(pool.runDir) - before;
		assert.ok(grown < 64 * MIB, `${grown / MIB} MiB on disk`);
		await bystanders.finish();
	});

test('what a site stores for one key is not there for another', { timeout: 60_000 }, async () => {
	const lease = await pool.lease({ key: 'k' });
	await lease.goto(`${site.url}/`);
	await lease.evaluate('localStorage.mine = "x".repeat(1e6); caches.open("x").then((c) => c.put("/a", new Response("y".repeat(1e6))))');
	lease.close();
	const other = await pool.lease({ key: 'another' });
	await other.goto(`${site.url}/`);
	assert.deepEqual(await other.evaluate('caches.keys().then((names) => [localStorage.length, names.length])'), [0, 0]);
	other.close();
});

test('a page that works hard is not punished for what another one left in their browser', { timeout: 60_000 }, async (t) => {
	const worker = await pool.lease({ ttl_ms: 60_000 });
	t.after(() => worker.close());
	await worker.goto(`${site.url}/`);
	await worker.evaluate('(function work() { const until = performance.now() + 40; while (performance.now() < until); setTimeout(work, 40); })()');
	const victim = await pool.lease({ ttl_ms: 50_000 });
	await victim.goto(`${site.url}/`);
	victim.ask('Runtime.evaluate', { expression: `(async () => { ${bombs['a database']} })()` });
	assert.equal(await victim.ended, 'page_oom');
	const ended = Date.now();
	while (Date.now() - ended < 5000) assert.equal(await worker.evaluate('new Promise((resolve) => setTimeout(() => resolve(7), 50))'), 7);
	assert.equal(worker.reason, 'closed');
});

test('also in a browser that drains', { timeout: 60_000 }, async (t) => {
	const other = await pool.lease({ ttl_ms: 120_000 }), victim = await pool.lease({ ttl_ms: 50_000 });
	t.after(() => [other, victim].forEach((lease) => lease.close()));
	await victim.goto(`${site.url}/`);
	await pool.ask({ op: 'recycle' });
	await pool.until('draining', (s) => s.browsers.some((b) => b.state === 'draining' && b.leases === 2), 30_000);
	victim.ask('Runtime.evaluate', { expression: `(async () => { ${bombs['a database']} })()` });
	assert.equal(await victim.ended, 'page_oom');
	assert.equal(await other.evaluate('1 + 1'), 2);
	assert.equal(other.reason, 'closed');
});
