// Pages that ask more of their browser than it can bear: they end alone, and at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { PAGE_MIB, startOneBrowser, watchBystanders } from './bystanders.mjs';
import { groupOf, judge, renderersOf } from './pool.mjs';

const MIB = 1 << 20;
let pool, site, browser, stop;

before(async () => ({ pool, site, browser, stop } = await startOneBrowser()));
after(() => stop());

const endless = (code) => `for (;;) ${code}`;
const often = (code) => `setInterval(() => { for (let i = 0; i < 50; i++) ${code} }, 1); 0`;
const floods = {
	'starts workers': endless('new Worker("/worker.js?" + Math.random())'),
	'starts workers, and lets its timers run': often('new Worker("/worker.js?" + Math.random())'),
	'starts workers that end at once': endless('new Worker("/worker.js?" + Math.random()).terminate()'),
	'has a worker that starts workers': 'new Worker(URL.createObjectURL(new Blob([`for (;;) new Worker("${location.origin}/worker.js?" + Math.random())`]))); 0',
	'starts shared workers': endless('new SharedWorker("/shared.js?" + Math.random())'),
	'opens windows': often('window.open("/next?" + Math.random())'),
	'registers service workers': often('navigator.serviceWorker.register("/service.js?" + Math.random(), { scope: "/" + Math.random() })'),
};

for (const [name, code] of Object.entries(floods))
	test(`a page that ${name} without end ends with flood`, { timeout: 60_000 }, async (t) => {
		const bystanders = await watchBystanders(t, pool, site);
		const victim = await pool.lease();
		await victim.goto(`${site.url}/`);
		victim.ask('Runtime.evaluate', { expression: code, userGesture: true });
		assert.equal(await victim.ended, 'flood');
		await bystanders.finish();
		judge(t, bystanders.largest < 2 * PAGE_MIB * MIB, `${bystanders.largest / MIB} MiB in the browser`);
	});

test('also one whose process is not the one that it began with', { timeout: 60_000 }, async (t) => {
	const bystanders = await watchBystanders(t, pool, site);
	const victim = await pool.lease();
	const first = new Set(renderersOf(browser));
	await victim.goto(`${site.url}/`);
	await victim.goto(site.url.replace('127.0.0.1', 'localhost'));
	assert.ok(renderersOf(browser).some((pid) => !first.has(pid)), 'another process');
	victim.ask('Runtime.evaluate', { expression: floods['starts workers'] });
	assert.equal(await victim.ended, 'flood');
	await bystanders.finish();
});

test('a kept page that begins later is discarded', { timeout: 60_000 }, async (t) => {
	const bystanders = await watchBystanders(t, pool, site);
	const lease = await pool.lease({ key: 'k' });
	await lease.goto(`${site.url}/`);
	await lease.evaluate('setTimeout(() => { for (;;) new Worker("/worker.js?" + Math.random()) }, 500); 0');
	lease.close();
	await pool.until('kept', (s) => s.contexts.kept === 1);
	await pool.until('discarded', (s) => s.contexts.kept === 0);
	await bystanders.finish();
});

test('twenty workers are no flood', { timeout: 60_000 }, async (t) => {
	const lease = await pool.lease();
	t.after(() => lease.close());
	await lease.goto(`${site.url}/`);
	assert.equal(await lease.evaluate(`Promise.all(Array.from({ length: 20 }, () => new Promise((resolve) => {
		(globalThis.all ??= []).push(Object.assign(new Worker("/worker.js"), { onmessage: resolve })); }))).then((all) => all.length)`), 20);
	assert.equal(lease.reason, 'closed');
});

// Other things that pages do without end: whatever becomes of the page, it is its own end.
const others = {
	'adds frames': often('document.body.append(Object.assign(document.createElement("iframe"), { src: "/inner?" + Math.random() }))'),
	'opens sockets': often('new WebSocket(`ws://${location.host}/?${Math.random()}`)'),
	'fetches': often('fetch("/data?" + Math.random())'),
	'writes its history': endless('history.pushState({ x: "y".repeat(10000) }, "", "/x?" + Math.random())'),
	'goes elsewhere': often('location.href = "/next?" + Math.random()'),
	'asks': endless('alert(1)'),
	'downloads': often('Object.assign(document.createElement("a"), { href: "/download", download: "x" }).click()'),
};

for (const [name, code] of Object.entries(others))
	test(`a page that ${name} without end is nobody else's matter`, { timeout: 60_000 }, async (t) => {
		const bystanders = await watchBystanders(t, pool, site);
		const victim = await pool.lease({ ttl_ms: 3000 });
		if (name === 'asks') await victim.call('Page.enable');
		else await victim.goto(`${site.url}/`);
		victim.ask('Runtime.evaluate', { expression: code, userGesture: true });
		t.diagnostic(`ended: ${await victim.ended}`);
		assert.match(await victim.ended, /^(expired|page_oom|flood)$/);
		await bystanders.finish();
		assert.deepEqual(groupOf(browser).length > 0 && fs.readdirSync(`${pool.runDir}/${pool.profiles()[0]}`).filter((file) => /pensum-downloaded|crdownload/.test(file)), []);
	});
