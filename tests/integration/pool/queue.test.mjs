// Who waits, for how long, in which order; and first messages that ask for nothing sensible.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run, sleep, startProcess, until } from '../../support/process.mjs';
import { startPool } from './pool.mjs';

let pool;

before(async () => {
	pool = await startPool({ 'pool.max_pages': 2, 'pool.max_waiting': 3 });
});

after(() => pool.stop());

const waiting = (n) => pool.until(`${n} waiting`, (s) => s.waiting.length === n);
const holdAll = () => Promise.all([pool.lease(), pool.lease()]);

test('a lease waits for a page, is told its place, and gets the next page', async () => {
	const held = await holdAll();
	const first = pool.begin({ tag: 'first' });
	await waiting(1);
	const second = pool.begin({ tag: 'second' });
	await waiting(2);
	await until('places', () => first.positions.at(-1) === 1 && second.positions.at(-1) === 2);
	held[0].close();
	await first.granted();
	assert.equal(await first.evaluate('1 + 1'), 2);
	await until('place', () => second.positions.at(-1) === 1);
	held[1].close();
	await second.granted();
	for (const lease of [first, second]) lease.close();
});

test('an interactive request goes before checks and documents, by class and by age', async () => {
	const held = await holdAll();
	const document = pool.begin({ class: 'document', tag: 'document' });
	await waiting(1);
	const check = pool.begin({ class: 'check', tag: 'check' });
	await waiting(2);
	const interactive = pool.begin({ class: 'interactive', tag: 'interactive' });
	const status = await waiting(3);
	assert.deepEqual(status.waiting.map((l) => l.tag), ['interactive', 'check', 'document']);
	for (const next of [interactive, check]) {
		held.shift().close();
		await next.granted();
		assert.ok(!(await pool.status()).leases.some((l) => l.tag === 'document'));
	}
	for (const lease of [interactive, check]) lease.close();
	await document.granted();
	document.close();
});

test('too many waiters are refused at once, patience ends with a word', async () => {
	const held = await holdAll();
	const waiters = [1, 2, 3].map(() => pool.begin({ wait_ms: 700 }));
	await waiting(3);
	await assert.rejects(pool.lease(), (error) => error.reason === 'queue_full' && error.retryAfterMs >= 1000);
	for (const waiter of waiters) await assert.rejects(waiter.granted(), { reason: 'wait_over' });
	await waiting(0);
	for (const lease of held) lease.close();
});

test('a waiter that goes away leaves the queue', async () => {
	const held = await holdAll();
	const waiter = pool.begin();
	await waiting(1);
	waiter.close();
	await waiting(0);
	for (const lease of held) lease.close();
});

const isLent = (lease) => lease.messages.some((m) => m.type === 'leased');

test('one request of another client does not wait behind five hundred', async (t) => {
	const fair = await startPool({ 'pool.max_pages': 2, 'pool.max_waiting': 1000, 'pool.client_max_waiting': 500 }, { t });
	const held = await Promise.all([1, 2].map(() => fair.lease({ client: 'A' })));
	const flood = Array.from({ length: 500 }, () => fair.begin({ client: 'A' }));
	await fair.until('five hundred', (s) => s.waiting.length === 500);
	await assert.rejects(fair.lease({ client: 'A' }), { reason: 'client_full' });
	const other = fair.begin({ client: 'B' });
	const status = await fair.until('one more', (s) => s.waiting.length === 501);
	assert.ok(status.waiting.find((l) => l.client === 'B').position <= 3);
	await until('the place told', () => other.positions.at(-1) <= 3);
	for (const lease of held) lease.close();
	await other.granted();
	assert.ok(flood.filter(isLent).length <= 2, 'at most one of the others for each page that came free');
	for (const lease of [other, ...flood]) lease.close();
	await fair.until('an empty queue', (s) => s.waiting.length === 0 && s.leases.length === 0);
	await fair.stop();
});

test('clients take turns, as their places said', async () => {
	const held = await holdAll();
	const tags = ['A1', 'A2', 'B1'];
	const waiters = [];
	for (const tag of tags) {
		waiters.push(pool.begin({ client: tag[0], tag }));
		await waiting(waiters.length);
	}
	const { waiting: order } = await pool.status();
	assert.deepEqual(order.map((l) => l.tag), ['A1', 'B1', 'A2']);
	assert.deepEqual(order.map((l) => l.position), [1, 2, 3]);
	for (const { tag } of order) {
		const next = waiters[tags.indexOf(tag)];
		held.shift().close();
		await next.granted();
		held.push(next);
		assert.equal(waiters.filter(isLent).length, order.findIndex((l) => l.tag === tag) + 1);
	}
	for (const lease of held) lease.close();
});

test('a client that holds all it may waits, and others do not wait for it', async (t) => {
	const capped = await startPool({ 'pool.max_pages': 3, 'pool.client_max_pages': 1 }, { t });
	const first = await capped.lease({ client: 'A' });
	const second = capped.begin({ client: 'A' });
	await capped.until('its second request', (s) => s.waiting.length === 1);
	const other = await capped.lease({ client: 'B' });
	assert.ok(!isLent(second));
	assert.equal((await capped.status()).waiting[0].client, 'A');
	first.close();
	await second.granted();
	for (const lease of [second, other]) lease.close();
	await capped.stop();
});

test('who asks for more than its share is refused at once, whatever the class, and others are not', async (t) => {
	const capped = await startPool({ 'pool.max_pages': 1, 'pool.max_waiting': 100, 'pool.client_max_waiting': 3 }, { t });
	const held = await capped.lease({ client: 'A' });
	const waiters = ['interactive', 'check', 'document'].map((cls) => capped.begin({ client: 'A', class: cls, wait_ms: 60_000 }));
	await capped.until('three', (s) => s.waiting.length === 3);
	for (const cls of ['interactive', 'check', 'document'])
		await assert.rejects(capped.lease({ client: 'A', class: cls }), (e) => e.reason === 'client_full' && e.retryAfterMs >= 1000);
	const others = [capped.begin({ client: 'B' }), capped.begin({ client: 'C' })];
	const { waiting: order } = await capped.until('five', (s) => s.waiting.length === 5);
	// One of each client's checks in turn, behind what goes before by class.
	assert.deepEqual(order.filter((l) => l.class === 'check').map((l) => l.client), ['A', 'B', 'C']);
	waiters[1].close();
	await capped.until('four', (s) => s.waiting.length === 4);
	const again = capped.begin({ client: 'A' }); // there is room again
	await capped.until('five again', (s) => s.waiting.length === 5);
	for (const lease of [held, again, ...waiters, ...others]) lease.close();
	await capped.until('an empty queue', (s) => s.waiting.length === 0 && s.leases.length === 0);
	await capped.stop();
});

test('patience that ends says so near its time, for each on its own', async () => {
	const held = await holdAll();
	const begun = performance.now();
	const ends = await Promise.all([300, 600, 900].map(async (wait) => {
		await assert.rejects(pool.lease({ wait_ms: wait, ttl_ms: 50 }), { reason: 'wait_over' });
		return performance.now() - begun - wait;
	}));
	assert.ok(ends.every((late) => late > -20 && late < 3000), ends.join()); // 50 ms on a quiet machine
	assert.deepEqual((await pool.status()).waiting, []);
	for (const lease of held) lease.close();
});

test('a process that is killed in the queue leaves it', async () => {
	const held = await holdAll();
	const asker = startProcess('socat', ['-', `UNIX-CONNECT:${pool.socket}`], { stdio: ['pipe', 'pipe', 'pipe'] });
	asker.child.stdin.write('{"op":"lease","class":"check"}\n');
	const status = await waiting(1);
	assert.equal(status.waiting[0].client, `uid:${process.getuid()}/pid:${asker.pid}`);
	const behind = pool.begin({ tag: 'behind' });
	await waiting(2);
	await until('its place', () => behind.positions.at(-1) === 2);
	process.kill(asker.pid, 'SIGKILL');
	await asker.exited;
	await waiting(1); // nobody's timer or read has to come first: the kernel tells the pool
	await until('a better place', () => behind.positions.at(-1) === 1);
	behind.close();
	await waiting(0);
	for (const lease of held) lease.close();
});

test('the time limit of a lease begins with its page, not with the wait', async () => {
	const held = await holdAll();
	const begun = Date.now();
	await assert.rejects(pool.lease({ wait_ms: 400, ttl_ms: 100 }), { reason: 'wait_over' });
	assert.ok(Date.now() - begun >= 360);
	const waiter = pool.begin({ wait_ms: 10_000, ttl_ms: 300 });
	await waiting(1);
	await sleep(400);
	held[0].close();
	await waiter.granted();
	assert.equal(await waiter.evaluate('1 + 1'), 2);
	assert.equal(await waiter.ended, 'expired');
	held[1].close();
});

test('pages never exceed their number while clients come and go', async () => {
	let stop = false, most = 0;
	const watch = (async () => {
		while (!stop) {
			const { contexts } = await pool.status();
			most = Math.max(most, Object.values(contexts).reduce((a, b) => a + b));
			await sleep(3);
		}
	})();
	await Promise.all(Array.from({ length: 4 }, async (_, worker) => {
		for (let i = 0; i < 15; i++) {
			const lease = pool.begin();
			if ((worker + i) % 3 === 0) lease.close();
			else await lease.granted().then(() => lease.evaluate('1'), () => {}), lease.close();
		}
	}));
	stop = true;
	await watch;
	assert.ok(most <= 2, `${most} pages`);
	await pool.until('quiet', (s) => s.leases.length === 0 && s.waiting.length === 0);
});

test('bad first messages get a clear answer and the daemon lives', async () => {
	const bad = ['nonsense\0', '{"op":"dance"}\0', '{"op":"lease"}\0', '[]\n', '\0', '{"op":"lease","class":"check","tag":"a b"}\0',
		Buffer.from('{"op":"status","x":"\xff"}\0', 'latin1'), 'x'.repeat(5000) + '\0', Buffer.alloc(20 * 1024 * 1024, 'y')];
	for (const bytes of bad) {
		const connection = pool.open();
		let text = '';
		connection.socket.removeAllListeners('data').on('data', (data) => (text += data));
		connection.write(bytes);
		await until('answer', () => /"reason":"bad_message","message":"[^"]+"/.test(text));
		await connection.closed;
	}
	const lease = await pool.lease();
	assert.equal(await lease.evaluate('1 + 1'), 2);
	lease.close();
});

test('a person can ask with socat', async () => {
	const { stdout, code } = await run('socat', ['-', `UNIX-CONNECT:${pool.socket}`], { input: '{"op":"status"}\n' });
	assert.equal(code, 0);
	const status = JSON.parse(stdout);
	assert.ok(stdout.endsWith('}\n'));
	for (const name of ['version', 'stopping', 'browsers', 'contexts', 'leases', 'waiting', 'totals']) assert.ok(name in status, name);
	assert.match(status.browsers[0].version, /^HeadlessChrome\//);
	assert.equal(fs.statSync(pool.socket).mode & 0o777, 0o660);
});
