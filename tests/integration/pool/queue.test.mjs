// Who waits, for how long, in which order; and first messages that ask for nothing sensible.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { run, sleep, until } from '../../support/process.mjs';
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
	const begun = Date.now();
	await assert.rejects(pool.lease(), (error) => error.reason === 'queue_full' && error.retryAfterMs >= 1000);
	assert.ok(Date.now() - begun < 500);
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
	assert.deepEqual(Object.keys(status), ['version', 'stopping', 'browsers', 'contexts', 'leases', 'waiting', 'totals']);
	assert.match(status.browsers[0].version, /^HeadlessChrome\//);
	assert.equal(fs.statSync(pool.socket).mode & 0o777, 0o660);
});
