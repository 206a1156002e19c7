// What a lease gives, and every way in which it ends.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { commandOf, environmentOf, groupOf, startPool } from './pool.mjs';

const MAX_OPEN_CALLS = 256; // pool_lease.c
let pool, site, url;

before(async () => {
	// Room for the answer of 70 MB that one test asks for.
	pool = await startPool({ 'pool.page_memory_mb': 2048 }, { env: { PENSUM_SITE_NAME: 'not for browsers', SECRET_TOKEN: 'not for browsers' } });
	site = http.createServer((request, response) => {
		if (request.url === '/loop') response.setHeader('content-type', 'text/html').end('<script>while (1);</script>');
		else response.setHeader('content-type', 'text/html').end('<title>site</title><p>hello');
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${site.address().port}`;
});

after(async () => {
	site.closeAllConnections();
	site.close();
	await pool.stop();
});

const renderersOf = async () => groupOf(await pool.browserPid()).filter((pid) => commandOf(pid).includes('--type=renderer'));
const quiet = () => pool.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.disposing === 0 && s.contexts.warm === 2);

test('a lease evaluates, navigates and hides its session', async () => {
	const lease = await pool.lease({ tag: 'job-1' });
	assert.equal(await lease.evaluate('6 * 7'), 42);
	await lease.goto(`${url}/`);
	assert.equal(await lease.evaluate('document.title'), 'site');
	assert.ok(lease.messages.every((m) => m.sessionId === undefined));
	assert.deepEqual((await pool.status()).leases.map((l) => l.tag), ['job-1']);
	lease.close();
	await quiet();
});

test('two leases do not see each other', async () => {
	const [a, b] = await Promise.all([pool.lease(), pool.lease()]);
	await Promise.all([a.goto(`${url}/`), b.goto(`${url}/`)]);
	await a.evaluate('document.cookie = "secret=of-a; path=/"; localStorage.secret = "of-a"; 0');
	assert.equal(await a.evaluate('document.cookie'), 'secret=of-a');
	assert.equal(await b.evaluate('document.cookie'), '');
	assert.equal(await b.evaluate('localStorage.secret ?? null'), null);
	assert.deepEqual((await b.call('Network.getAllCookies')).cookies, []);
	a.close();
	b.close();
	await quiet();
});

test('a context is new for each lease', async () => {
	const first = await pool.lease();
	await first.goto(`${url}/`);
	await first.evaluate('document.cookie = "left=behind; path=/"; 0');
	first.close();
	await quiet();
	for (let i = 0; i < 3; i++) {
		const lease = await pool.lease();
		await lease.goto(`${url}/`);
		assert.equal(await lease.evaluate('document.cookie'), '');
		lease.close();
	}
	await quiet();
});

test('a client that goes away ends its lease, and its page process is gone', async () => {
	const before = await renderersOf();
	const lease = await pool.lease();
	await pool.until('warm pages', (s) => s.contexts.warm === 2);
	assert.equal((await renderersOf()).length, before.length + 1);
	const ended = (await pool.status()).totals.ended.client_gone;
	lease.close();
	await pool.until('end', (s) => s.totals.ended.client_gone === ended + 1 && s.contexts.disposing === 0);
	await until('page process gone', async () => (await renderersOf()).length <= 2);
});

test('a page that loops for ever ends with its time', async () => {
	const lease = await pool.lease({ ttl_ms: 700 });
	await lease.call('Page.enable');
	lease.ask('Page.navigate', { url: `${url}/loop` });
	lease.ask('Runtime.evaluate', { expression: 'while (1);' });
	assert.equal(await lease.ended, 'expired');
	await lease.closed;
	await quiet();
	await until('page process gone', async () => (await renderersOf()).length <= 2);
});

test('an unanswered request interception and an open dialog end as well', async () => {
	const lease = await pool.lease({ ttl_ms: 600 });
	await lease.call('Page.enable');
	await lease.call('Fetch.enable');
	lease.ask('Page.navigate', { url: `${url}/` });
	const other = await pool.lease({ ttl_ms: 600 });
	await other.call('Page.enable');
	other.ask('Runtime.evaluate', { expression: 'alert(1)' });
	assert.equal(await lease.ended, 'expired');
	assert.equal(await other.ended, 'expired');
	await quiet();
});

test('a page whose process dies ends its lease, and only its', async () => {
	const known = await renderersOf();
	const bystander = await pool.lease();
	await pool.until('warm pages', (s) => s.contexts.warm === 2);
	const candidates = new Set(await renderersOf());
	const victim = await pool.lease();
	await victim.evaluate('globalThis.mark = 1');
	// Whose process is whose cannot be seen from outside: the page shows itself by using memory.
	await victim.evaluate('globalThis.hold = Array.from({length: 12}, () => new Uint8Array(8 << 20).fill(1)); 0');
	const { readFileSync } = await import('node:fs');
	const rss = (pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
	const fattest = [...candidates].sort((a, b) => rss(b) - rss(a))[0];
	assert.ok(known.length > 0);
	process.kill(fattest, 'SIGKILL');
	assert.equal(await victim.ended, 'page_crashed');
	assert.equal(await bystander.evaluate('1 + 1'), 2);
	bystander.close();
	await quiet();
});

test('a page that closes itself or opens others harms nobody', async () => {
	const opener = await pool.lease();
	await opener.goto(`${url}/`);
	await opener.call('Runtime.evaluate', { expression: `for (let i = 0; i < 5; i++) open('${url}/?' + i)`, userGesture: true });
	assert.equal(await opener.evaluate('1'), 1);
	const closer = await pool.lease();
	closer.ask('Runtime.evaluate', { expression: 'window.close()' });
	assert.equal(await closer.ended, 'page_crashed');
	opener.close();
	await quiet();
	await until('page processes gone', async () => (await renderersOf()).length <= 2);
});

test('methods that reach beyond the page are refused', async () => {
	const lease = await pool.lease();
	const refused = [
		['Browser.close'], ['Browser.crash'], ['Browser.getVersion'], ['Target.getTargets'],
		['Target.attachToTarget', { targetId: 'x', flatten: true }], ['Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true }],
		['Target.createTarget', { url: 'about:blank' }], ['Target.closeTarget', { targetId: 'x' }], ['SystemInfo.getInfo'],
		['Storage.getCookies'], ['Page.setDownloadBehavior', { behavior: 'allow', downloadPath: '/tmp' }], ['Page.crash'],
		['DOM.setFileInputFiles', { files: ['/etc/passwd'] }], ['Input.dispatchDragEvent'], ['Tracing.start'], ['Network.loadNetworkResource'],
		['Page.navigate', { url: 'file:///etc/passwd' }], ['Page.navigate', { url: 'FILE:///etc/passwd' }],
		['Page.navigate', { url: ' file:///etc/passwd' }], ['Page.navigate', { url: 'view-source:file:///etc/passwd' }],
		['Page.navigate', { url: 'chrome://version' }], ['Page.navigate', { url: 'javascript:1' }], ['Page.navigate', {}],
		['Page.createIsolatedWorld', { frameId: 'x', grantUniveralAccess: true }], ['Runtime'], ['Runtime.'.padEnd(80, 'x') + '\u00e9'], ['Pag*'],
	];
	for (const [method, params] of refused.slice(0, -3)) {
		const { error } = await lease.ask(method, params);
		assert.equal(error?.code, -32601, `${method} ${JSON.stringify(params)}`);
		assert.match(error.message, /^pool: /);
	}
	for (const [method] of refused.slice(-3)) assert.ok((await lease.ask(method)).error, method);
	lease.send({ id: 900, method: 'Runtime.evaluate', params: { expression: '1' }, sessionId: 'ABC' });
	assert.equal((await lease.next('answer', (m) => m.id === 900)).error.code, -32001);
	lease.write('{"id":901,"method":"Page.navigate","params":{"url":"about:blank","url":"file:///etc/passwd"}}\0');
	assert.equal((await lease.next('answer', (m) => m.id === 901)).error.code, -32601);
	assert.equal(await lease.evaluate('1 + 1'), 2);
	lease.close();
});

test('a script cannot reach files either', async () => {
	const lease = await pool.lease();
	for (const target of ['file:///etc/passwd', 'chrome://version', 'view-source:file:///etc/passwd']) {
		await lease.goto(`${url}/`);
		await lease.call('Runtime.evaluate', { expression: `location = '${target}'`, userGesture: true });
		await lease.evaluate('new Promise((resolve) => setTimeout(resolve, 50))');
		assert.equal(await lease.evaluate('location.href'), `${url}/`);
	}
	lease.close();
});

test('so many calls may be open; one more is refused, until one of them is answered', async () => {
	const lease = await pool.lease();
	const first = lease.ask('Runtime.evaluate', { expression: 'new Promise((resolve) => (window.let = resolve))', awaitPromise: true });
	for (let i = 1; i < MAX_OPEN_CALLS - 1; i++) lease.ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
	assert.equal(await lease.evaluate('6 * 7'), 42);
	lease.ask('Runtime.evaluate', { expression: 'setTimeout(() => window.let(), 300); new Promise(() => {})', awaitPromise: true });
	assert.match((await lease.ask('Runtime.evaluate', { expression: '1' })).error.message, /too many open calls/);
	await first;
	assert.equal(await lease.evaluate('6 * 7'), 42);
	lease.close();
	await quiet();
});

test('messages that are none end the lease with a word', async () => {
	const bad = ['nonsense', '{"id":1}', '{"method":"Page.enable"}', '{"id":1,"method":"Page.enable","method":"Browser.close"}',
		'{"id":"1","method":"Page.enable"}', '[]', '', Buffer.from('{"id":1,"method":"Page.enable","x":"\xff"}', 'latin1')];
	for (const text of bad) {
		const lease = await pool.lease();
		lease.write(Buffer.concat([Buffer.from(text), Buffer.from([0])]));
		assert.equal(await lease.ended, 'bad_message', String(text));
		await lease.closed;
	}
	const early = pool.open();
	early.write('{"op":"lease","class":"check"}\0{"id":1,"method":"Page.enable"}\0');
	assert.equal((await early.next('refusal', (m) => m.type === 'refused')).reason, 'bad_message');
	const large = await pool.lease();
	large.write(Buffer.alloc(9 * 1024 * 1024, 'x'));
	assert.equal(await large.ended, 'too_large');
	await quiet();
});

test('large answers pass, too large ones and unread ones end the lease', async () => {
	const lease = await pool.lease();
	assert.equal((await lease.evaluate('"x".repeat(20e6)')).length, 20e6);
	lease.ask('Runtime.evaluate', { expression: '"x".repeat(70e6)', returnByValue: true });
	assert.equal(await lease.ended, 'too_large');
	const slow = await pool.lease();
	const bystander = await pool.lease();
	slow.socket.pause();
	for (let i = 0; i < 6; i++) slow.ask('Runtime.evaluate', { expression: '"x".repeat(15e6)', returnByValue: true });
	await pool.until('end of the slow one', (s) => s.totals.ended.slow_consumer === 1, 20_000);
	assert.equal(await bystander.evaluate('1 + 1'), 2);
	slow.close();
	bystander.close();
	await quiet();
});

test('nothing of ours is inherited by the browser', async () => {
	const pid = await pool.browserPid();
	const names = environmentOf(pid).map((variable) => variable.split('=')[0]);
	assert.ok(!names.some((name) => name.startsWith('PENSUM_')), names.join(' '));
	assert.ok(!names.includes('SECRET_TOKEN'));
	assert.ok(environmentOf(pid).some((variable) => variable === `HOME=${pool.runDir}/${pool.profiles()[0]}`));
});

// A second copy of the pool's end of a browser's pipe would let that browser outlive the pool.
test('no end of a pipe or socket of the pool is in a browser, nor in one that was started later', async (t) => {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4 }, { t });
	const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	const { browsers } = await pool.status();
	assert.equal(browsers.length, 2);
	// Both ends of a pipe have its name; they differ in what they are open for.
	const endsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
		try {
			const flags = /^flags:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))[1];
			return `${fs.readlinkSync(`/proc/${pid}/fd/${fd}`)} ${parseInt(flags, 8) & 3}`;
		} catch {
			return ''; // closed meanwhile
		}
	}).filter((end) => /^(socket|pipe):/.test(end));
	const foreign = endsOf(process.pid); // of whoever started us, perhaps
	const ours = new Set(endsOf(pool.daemon.pid).filter((end) => !foreign.includes(end)));
	assert.ok(ours.size >= 2 * 3 + leases.length, `${ours.size} ends`);
	for (const { pid } of browsers) {
		assert.ok(endsOf(pid).length > 0);
		for (const member of groupOf(pid)) assert.deepEqual(endsOf(member).filter((end) => ours.has(end)), [], `${member} of ${pid}`);
	}
	for (const lease of leases) lease.close();
	await pool.stop();
});

test('the next page is made when a lease has loaded its own, if another is ready', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 8 }, { t });
	const gap = async () => {
		await pool.until('two ready', (s) => s.contexts.warm === 2 && s.contexts.disposing === 0);
		const lease = await pool.lease({});
		const begun = performance.now();
		await pool.until('the next page', (s) => s.contexts.making > 0 || s.contexts.warm === 2);
		lease.close();
		return performance.now() - begun;
	};
	await until('a pause', async () => await gap() > 50, 20_000);
	await pool.stop();
});

test('two pages are kept ready, and one while the processors are busy', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 8 }, { t, wrap: ['taskset', '-c', '0'] });
	const made = (what, fits) => pool.until(what, (s) => s.contexts.making === 0 && s.contexts.disposing === 0 && fits(s.contexts.warm));
	await made('two ready', (warm) => warm === 2);
	const leases = [await pool.lease({}), await pool.lease({})];
	const busy = await made('any ready', (warm) => warm > 0);
	assert.equal(busy.contexts.warm, 1);
	await until('two ready while leases come and go', async () => {
		leases.shift().close();
		leases.push(await pool.lease({}));
		return (await made('any ready', (warm) => warm > 0)).contexts.warm === 2;
	});
	for (const lease of leases) lease.close();
	await made('two ready again', (warm) => warm === 2);
	await pool.stop();
});
