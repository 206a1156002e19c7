// Lease after lease, each of which stores what a page can store: nothing of them stays, on disk, in
// shared memory, or in the tables of processes and descriptors.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { groupOf, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

const ROUNDS = Number(process.env.MANY_LEASES ?? 100);
const CLIENTS = 3;
const FIRST = 40; // by then all is there that one browser ever makes
const MIB = 1 << 20;

const store = `localStorage.x = 'y'.repeat(1000);
	caches.open('x').then((c) => c.put('/a', new Response('z'.repeat(10000))))
		.then(() => new Promise((resolve) => { indexedDB.open('x').onsuccess = resolve }))
		.then(() => navigator.storage.getDirectory()).then((d) => d.getFileHandle('f', { create: true }))
		.then(() => fetch('/data')).then((r) => r.text())`;

const filesIn = (folder) => fs.readdirSync(folder, { recursive: true });
const bytesOf = (file) => {
	try {
		return fs.lstatSync(file).blocks * 512;
	} catch {
		return 0; // gone meanwhile
	}
};
// Chromium's only: other programs have theirs there.
const shared = () => fs.readdirSync('/dev/shm').filter((name) => /chromium|com\.google\.chrome/i.test(name));

test(`${ROUNDS} leases leave nothing`, { timeout: 60_000 + ROUNDS * 1000 }, async (t) => {
	const site = await startSite();
	t.after(() => site.stop());
	const before = new Set(shared());
	const pool = await startPool({ 'pool.max_browsers': 1, 'pool.max_pages': 4, 'pool.recycle_leases': 1_000_000, 'log.level': 'notice' }, { t });
	const browser = await pool.browserPid();
	const look = async () => {
		await pool.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.making === 0 && s.contexts.disposing === 0 && s.contexts.warm === 2);
		const files = filesIn(pool.runDir);
		return { files: files.length, bytes: files.map((name) => bytesOf(`${pool.runDir}/${name}`)).reduce((a, b) => a + b, 0),
			daemon: fs.readdirSync(`/proc/${pool.daemon.pid}/fd`).length, browser: fs.readdirSync(`/proc/${browser}/fd`).length, processes: groupOf(browser).length };
	};
	const lendOne = async (i) => {
		const lease = await pool.lease();
		await lease.goto(`${site.url}/`);
		assert.equal(await lease.evaluate(store), 'real data');
		if (i % 4 === 0) await lease.call('Page.printToPDF', { transferMode: 'ReturnAsStream' }); // which nobody reads
		lease.close();
	};
	const lend = (left) => Promise.all(Array.from({ length: CLIENTS }, async () => {
		while (left > 0) await lendOne(left--);
	}));
	await lend(FIRST);
	const first = await look();
	await lend(ROUNDS - FIRST);
	const last = await look();
	t.diagnostic(`${JSON.stringify(first)}, then ${JSON.stringify(last)}`);
	assert.equal(await pool.browserPid(), browser);
	assert.ok(last.files <= first.files + 2, `${first.files} files, then ${last.files}`);
	assert.ok(last.bytes <= first.bytes + MIB, `${first.bytes} bytes on disk, then ${last.bytes}`);
	assert.ok(last.daemon <= first.daemon + 3, `${first.daemon} descriptors of the pool, then ${last.daemon}`);
	assert.ok(last.browser <= first.browser + 6, `${first.browser} descriptors of the browser, then ${last.browser}`);
	assert.equal(last.processes, first.processes);
	await pool.stop();
	assert.deepEqual(shared().filter((name) => !before.has(name)), []);
});
