// Children of a leased page: workers, frames, popups; and what is left of them afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import { isolatingBrowser, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

let pool, site;

before(async () => {
	pool = await startPool();
	site = await startSite();
});

after(async () => {
	site.stop();
	await pool.stop();
});

const autoAttach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true };
const attachedOf = (lease, type) => lease.next(`attached ${type}`, (m) => m.method === 'Target.attachedToTarget' && m.params.targetInfo.type === type);
const quiet = () => pool.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.disposing === 0 && s.contexts.warm === 2);

async function askOn(lease, sessionId, method, params) {
	const id = ++lease.lastId;
	lease.send({ id, method, params, sessionId });
	return lease.next(`${method} on ${sessionId}`, (m) => m.id === id);
}

for (const [type, path, title] of [['worker', '/worker', 'worker runs'], ['service_worker', '/service', 'ready']])
	test(`a ${type} is attached to, waits, answers under the pool's name, and goes`, async () => {
		const lease = await pool.lease();
		await lease.call('Target.setAutoAttach', autoAttach);
		await lease.goto(`${site.url}${path}`);
		const { params, sessionId } = await attachedOf(lease, type);
		assert.equal(sessionId, undefined);
		assert.match(params.sessionId, /^s\d+$/);
		const answer = await askOn(lease, params.sessionId, 'Runtime.runIfWaitingForDebugger');
		assert.equal(answer.sessionId, params.sessionId);
		await until(title, async () => (await lease.evaluate('document.title')) === title);
		const seen = await askOn(lease, params.sessionId, 'Runtime.evaluate', { expression: 'self.constructor.name' });
		assert.match(seen.result.result.value, /WorkerGlobalScope$/);
		assert.match((await askOn(lease, params.sessionId, 'Target.getTargets')).error.message, /not allowed/);
		assert.equal((await askOn(lease, 's99', 'Runtime.evaluate', { expression: '1' })).error.code, -32001);
		if (type === 'worker') {
			const late = askOn(lease, params.sessionId, 'Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
			await lease.goto(`${site.url}/`);
			await lease.next('detached', (m) => m.method === 'Target.detachedFromTarget' && m.params.sessionId === params.sessionId);
			assert.equal((await late).error.code, -32001);
			assert.equal((await askOn(lease, params.sessionId, 'Runtime.evaluate', { expression: '1' })).error.code, -32001);
		} else {
			assert.deepEqual((await lease.call('Target.detachFromTarget', { sessionId: params.sessionId })), {});
			await lease.next('detached', (m) => m.method === 'Target.detachedFromTarget' && m.params.sessionId === params.sessionId);
		}
		assert.ok(lease.messages.every((m) => !/[0-9A-F]{32}/.test(JSON.stringify([m.sessionId, m.params?.sessionId]))));
		lease.close();
		await quiet();
	});

test('a frame of another site in a process of its own is attached to, waits, answers, and goes', async (t) => {
	const folder = temporaryFolder('pensum-b-');
	t.after(() => folder.remove());
	const other = await startPool({ 'pool.browser': isolatingBrowser(folder) }, { t });
	const lease = await other.lease();
	await lease.call('Target.setAutoAttach', autoAttach);
	await lease.call('Page.enable');
	lease.ask('Page.navigate', { url: `${site.url}/cross` });
	const { params } = await attachedOf(lease, 'iframe');
	assert.match(params.sessionId, /^s\d+$/);
	assert.equal(params.waitingForDebugger, true);
	assert.deepEqual((await askOn(lease, params.sessionId, 'Runtime.runIfWaitingForDebugger')).result, {});
	await until('the frame', async () =>
		(await askOn(lease, params.sessionId, 'Runtime.evaluate', { expression: 'document.body?.textContent' })).result?.result.value?.trim() === 'inside');
	assert.match((await askOn(lease, params.sessionId, 'Page.navigate', { url: 'file:///etc/passwd' })).error.message, /only http/);
	await lease.goto(`${site.url}/`);
	await lease.next('detached', (m) => m.method === 'Target.detachedFromTarget' && m.params.sessionId === params.sessionId);
	lease.close();
	await other.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.disposing === 0);
	await other.stop();
});

test('two leases do not reach each other\'s children', async (t) => {
	const [a, b] = await Promise.all([pool.lease(), pool.lease()]);
	t.after(() => [a, b].forEach((l) => l.close()));
	for (const lease of [a, b]) {
		await lease.call('Target.setAutoAttach', { ...autoAttach, waitForDebuggerOnStart: false });
		await lease.goto(`${site.url}/worker`);
		await attachedOf(lease, 'worker');
	}
	for (const lease of [a, b])
		await until('the worker runs', async () => (await askOn(lease, 's1', 'Runtime.evaluate', { expression: 'self.secret' })).result?.result.value === 7);
	await askOn(a, 's1', 'Runtime.evaluate', { expression: 'self.secret = "of a"' });
	assert.equal((await askOn(b, 's1', 'Runtime.evaluate', { expression: 'self.secret' })).result.result.value, 7);
	assert.equal((await askOn(b, 's2', 'Runtime.evaluate', { expression: 'self.secret' })).error.code, -32001);
	assert.match((await askOn(b, undefined, 'Target.detachFromTarget', { sessionId: 's2' })).error.message, /unknown session/);
	a.close();
	b.close();
	await quiet();
});

test('only flat sessions', async (t) => {
	const lease = await pool.lease();
	t.after(() => lease.close());
	await assert.rejects(lease.call('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false }), /flat/);
	lease.close();
});

test('popups live up to their number and go with the lease', async (t) => {
	const lease = await pool.lease();
	t.after(() => lease.close());
	await lease.goto(`${site.url}/`);
	await lease.evaluate('window.all = Array.from({ length: 8 }, (_, i) => window.open("/next?" + i)); 0', { userGesture: true });
	await sleep(300);
	assert.equal(await lease.evaluate('all.filter((w) => w && !w.closed).length'), 3);
	lease.close();
	await quiet();
});

test('surplus workers run, but nobody is attached to them', async (t) => {
	const lease = await pool.lease();
	t.after(() => lease.close());
	await lease.call('Target.setAutoAttach', { ...autoAttach, waitForDebuggerOnStart: false });
	await lease.goto(`${site.url}/`);
	await lease.evaluate('window.all = []; for (let i = 0; i < 24; i++) all.push(new Worker("/worker.js")); 0');
	await lease.next('the last that is taken', (m) => m.params?.sessionId === 's16');
	await sleep(300);
	assert.ok(lease.messages.every((m) => m.params?.sessionId !== 's17'));
	await lease.evaluate('for (const w of all) w.terminate(); 0');
	await until('16 ends', () => lease.messages.filter((m) => m.method === 'Target.detachedFromTarget').length === 16);
	lease.close();
	await quiet();
});
