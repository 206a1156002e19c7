// Pages that are kept for the next lease with the same key, and never for another.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { commandOf, groupOf, startPool } from './pool.mjs';

let site, url;

before(async () => {
	site = http.createServer((request, response) => {
		if (request.url !== '/never') response.setHeader('content-type', 'text/html').end('<title>site</title><p>hello');
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${site.address().port}`;
});

after(() => {
	site.closeAllConnections();
	site.close();
});

const isSticky = (lease) => lease.messages.find((m) => m.type === 'leased').sticky;
const kept = (pool, n) => pool.until(`${n} kept`, (s) => s.contexts.kept === n && s.contexts.keeping === 0 && s.contexts.disposing === 0);
const quiet = (pool) => pool.until('quiet pool', (s) => s.contexts.keeping === 0 && s.contexts.disposing === 0 && s.contexts.making === 0);
const renderersOf = async (pool) => groupOf(await pool.browserPid()).filter((pid) => commandOf(pid).includes('--type=renderer'));

// A page that can be told from all others.
async function mark(lease, name) {
	await lease.goto(`${url}/`);
	await lease.evaluate(`document.cookie = 'of=${name}; path=/'; window.mark = '${name}'; 0`);
}
const markOf = (lease) => lease.evaluate(`[window.mark ?? null, location.protocol === 'http:' ? document.cookie : '', location.href]`);

test('the next lease with the same key gets the page as it was, in the same process', async (t) => {
	const pool = await startPool({}, { t });
	const first = await pool.lease({ key: 'moodle:1' });
	assert.equal(isSticky(first), false);
	await mark(first, 'one');
	first.close();
	await kept(pool, 1);
	await pool.until('spares', (s) => s.contexts.warm === 2);
	const processes = (await renderersOf(pool)).sort();
	assert.equal(processes.length, 3);
	const next = await pool.lease({ key: 'moodle:1' });
	assert.equal(isSticky(next), true);
	assert.deepEqual(await markOf(next), ['one', 'of=one', `${url}/`]);
	assert.deepEqual((await renderersOf(pool)).sort(), processes);
	const { totals, contexts } = await pool.status();
	assert.deepEqual([totals.leased, totals.sticky, contexts.lent, contexts.kept], [2, 1, 1, 0]);
	next.close();
	await pool.stop();
});

test('no other key and no lease without one gets a kept page', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 3 }, { t });
	const first = await pool.lease({ key: 'moodle:1' });
	await mark(first, 'one');
	first.close();
	await kept(pool, 1);
	for (const key of ['moodle:10', 'moodle:', 'Moodle:1', '', undefined]) {
		const lease = await pool.lease({ key });
		assert.equal(isSticky(lease), false);
		assert.deepEqual(await markOf(lease), [null, '', 'about:blank']);
		await lease.goto(`${url}/`);
		assert.equal(await lease.evaluate('document.cookie'), '', String(key));
		lease.ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
		lease.close();
		await quiet(pool);
	}
	const again = await pool.lease({ key: 'moodle:1' });
	assert.deepEqual((await markOf(again)).slice(0, 2), ['one', 'of=one']);
	again.close();
	await pool.stop();
});

test('nothing that a client had enabled is left for the next one', async (t) => {
	const pool = await startPool({}, { t });
	const first = await pool.lease({ key: 'k' });
	await mark(first, 'one');
	for (const method of ['Page.enable', 'Runtime.enable', 'Network.enable', 'Log.enable', 'DOM.enable', 'Fetch.enable']) await first.call(method);
	await first.call('Network.setBlockedURLs', { urls: ['*blocked*'] });
	await first.call('Network.setExtraHTTPHeaders', { headers: { 'x-first': '1' } });
	await first.call('Page.addScriptToEvaluateOnNewDocument', { source: 'window.injected = 1' });
	await first.call('Emulation.setScriptExecutionDisabled', { value: true });
	await first.call('Emulation.setTimezoneOverride', { timezoneId: 'Asia/Kathmandu' });
	await first.call('Emulation.setUserAgentOverride', { userAgent: 'first' });
	first.close();
	await kept(pool, 1);
	const headers = [];
	site.prependListener('request', (request) => headers.push(request.headers));
	const next = await pool.lease({ key: 'k' });
	assert.equal(isSticky(next), true);
	assert.equal(await next.evaluate('mark'), 'one');
	assert.equal(await next.evaluate(`fetch('/blocked').then((r) => r.ok)`), true);
	assert.equal(await next.evaluate('new Promise((resolve) => setTimeout(resolve, 5, 7))'), 7);
	assert.notEqual(await next.evaluate('Intl.DateTimeFormat().resolvedOptions().timeZone'), 'Asia/Kathmandu');
	await sleep(100);
	assert.deepEqual(next.messages.filter((m) => m.method), []);
	await next.goto(`${url}/again`);
	assert.equal(await next.evaluate('window.injected ?? null'), null);
	assert.ok(headers.length >= 2 && headers.every((h) => !h['x-first'] && h['user-agent'] !== 'first'));
	next.close();
	await pool.stop();
});

test('a page whose lease did not end cleanly is not kept', async (t) => {
	const pool = await startPool({}, { t });
	const bystander = await pool.lease();
	const ends = {
		'an open call': async (lease) => (lease.ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true }), lease.call('Runtime.evaluate', { expression: '1' }), sleep(50)),
		'a page that loops': async (lease) => (await lease.evaluate('setTimeout(() => { for (;;); }, 20); 0'), sleep(60)),
		'its time': async (lease) => assert.equal(await lease.ended, 'expired'),
		'a bad message': async (lease) => (lease.write('x\0'), assert.equal(await lease.ended, 'bad_message')),
		'a second window': async (lease) => {
			await lease.goto(`${url}/`);
			await lease.call('Runtime.evaluate', { userGesture: true, awaitPromise: true, expression: `new Promise((resolve) => {
				const other = open('/again');
				const look = setInterval(() => other.document.title === 'site' && (clearInterval(look), resolve(1)), 10); })` });
		},
		'a child of its own': async (lease) => {
			await lease.call('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: true });
			await lease.evaluate(`window.kept = new Worker(URL.createObjectURL(new Blob(['setInterval(() => 0, 1000)']))); 0`);
			await lease.next('a child', (m) => m.method === 'Target.attachedToTarget');
		},
		'a page that closed itself': async (lease) => (lease.ask('Runtime.evaluate', { expression: 'window.close()' }), assert.equal(await lease.ended, 'page_crashed')),
	};
	for (const [what, end] of Object.entries(ends)) {
		const lease = await pool.lease({ key: 'k', ttl_ms: what === 'its time' ? 300 : 20_000 });
		await end(lease);
		lease.close();
		await quiet(pool);
		assert.equal((await pool.status()).contexts.kept, 0, what);
		assert.equal(await bystander.evaluate('1 + 1'), 2);
	}
	await until('page processes gone', async () => (await renderersOf(pool)).length === 3);
	bystander.close();
	await pool.stop();
});

test('an open dialog does not reach the next lease', async (t) => {
	const pool = await startPool({}, { t });
	const first = await pool.lease({ key: 'k' });
	await mark(first, 'one');
	await first.evaluate(`setTimeout(() => alert('left open')); 0`);
	await first.next('dialog', (m) => m.method === 'Page.javascriptDialogOpening');
	first.close();
	await quiet(pool);
	const next = await pool.lease({ key: 'k' });
	assert.equal(await next.evaluate('1 + 1'), 2);
	await next.goto(`${url}/`);
	next.close();
	await pool.stop();
});

test('a kept page whose process dies is discarded', async (t) => {
	const pool = await startPool({}, { t });
	const first = await pool.lease({ key: 'k' });
	await pool.until('spares', (s) => s.contexts.warm === 2);
	await mark(first, 'one');
	await first.evaluate('globalThis.hold = Array.from({length: 12}, () => new Uint8Array(8 << 20).fill(1)); 0');
	const { readFileSync } = await import('node:fs');
	const rss = (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
	const [fattest] = (await renderersOf(pool)).sort((a, b) => rss(b) - rss(a));
	first.close();
	await kept(pool, 1);
	process.kill(fattest, 'SIGKILL');
	await kept(pool, 0);
	const next = await pool.lease({ key: 'k' });
	assert.equal(isSticky(next), false);
	assert.equal((await markOf(next))[0], null);
	next.close();
	await pool.stop();
});

test('while its page is in use a key gets a fresh one, and one page is kept for it', async (t) => {
	const pool = await startPool({}, { t });
	const [a, b] = await Promise.all([pool.lease({ key: 'k' }), pool.lease({ key: 'k' })]);
	await mark(a, 'a');
	await mark(b, 'b');
	b.close();
	await kept(pool, 1);
	a.close();
	await quiet(pool);
	assert.equal((await pool.status()).contexts.kept, 1);
	const next = await pool.lease({ key: 'k' });
	assert.equal(await next.evaluate('mark'), 'b');
	next.close();
	await pool.stop();
});

test('who asks while its page is being kept gets that page', async (t) => {
	const pool = await startPool({}, { t });
	let lease = await pool.lease({ key: 'k' });
	await mark(lease, 'one');
	for (let i = 0; i < 20; i++) {
		lease.close();
		lease = await pool.lease({ key: 'k' });
		assert.equal(isSticky(lease), true);
		assert.equal(await lease.evaluate('mark'), 'one');
	}
	lease.close();
	await pool.stop();
});

test('a kept page goes when its time is over, and never later than pool.keep_s says', async (t) => {
	const pool = await startPool({ 'pool.keep_s': 1 }, { t });
	for (const [i, idleMs] of [300, 60_000].entries()) {
		const lease = await pool.lease({ key: 'k', idle_ms: idleMs });
		assert.equal(isSticky(lease), false);
		await mark(lease, 'one');
		const closed = Date.now();
		lease.close();
		await pool.until('end', (s) => s.totals.ended.client_gone === i + 1 && s.contexts.kept === 0 && s.contexts.keeping === 0);
		// The clocks of two processes tick apart; "never later" is what until() waits for.
		const lasted = Date.now() - closed;
		assert.ok(lasted >= 0.9 * Math.min(idleMs, 1000), `${lasted} ms`);
	}
	await pool.until('spares', (s) => s.contexts.warm === 2 && s.contexts.disposing === 0);
	await until('page processes gone', async () => (await renderersOf(pool)).length === 2);
	await pool.stop();
});

test('who needs the room evicts the longest idle page', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 3 }, { t });
	for (const key of ['old', 'new']) {
		const lease = await pool.lease({ key });
		await mark(lease, key);
		lease.close();
		await quiet(pool);
	}
	await kept(pool, 2);
	const others = [await pool.lease(), await pool.lease()];
	const { contexts } = await pool.status();
	assert.equal(contexts.kept, 1);
	assert.equal(Object.values(contexts).reduce((a, b) => a + b), 3);
	const next = await pool.lease({ key: 'new' });
	assert.equal(await next.evaluate('mark'), 'new');
	assert.ok((await renderersOf(pool)).length <= 3);
	for (const lease of [...others, next]) lease.close();
	await pool.stop();
});

test('kept pages stay within their number, and end with their browser', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 4 }, { t });
	for (let i = 0; i < 6; i++) {
		const lease = await pool.lease({ key: `k${i}` });
		lease.close();
		await quiet(pool);
		assert.ok((await pool.status()).contexts.kept <= 2, 'the rest is for those who have none');
	}
	const pid = await pool.browserPid();
	await pool.ask({ op: 'recycle' });
	await until('no old browser', () => groupOf(pid).length === 0);
	await pool.until('no kept page', (s) => s.contexts.kept === 0); // counted until the pool has seen that it is gone
	const lease = await pool.lease({ key: 'k5' });
	assert.equal(isSticky(lease), false);
	lease.close();
	await pool.stop();
});

test('pool.keep_s = 0 keeps nothing', async (t) => {
	const pool = await startPool({ 'pool.keep_s': 0 }, { t });
	const first = await pool.lease({ key: 'k', idle_ms: 5000 });
	await mark(first, 'one');
	first.close();
	await quiet(pool);
	const next = await pool.lease({ key: 'k' });
	assert.equal(isSticky(next), false);
	next.close();
	await pool.stop();
});
