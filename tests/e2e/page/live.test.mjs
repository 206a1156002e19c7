// The live channel's rules, with a socket and a clock that the test moves.
import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { Live, compareVersions, pauseBefore } from '../../../gateway/web/live.mjs';

class Socket extends EventTarget {
	static all = [];
	sent = [];
	constructor() {
		super();
		Socket.all.push(this);
	}
	send(text) { this.sent.push(JSON.parse(text)); }
	close() {}
	opens() { this.dispatchEvent(new Event('open')); }
	breaks(end = {}) { this.dispatchEvent(Object.assign(new Event('close'), end)); }
	says(message) { this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(message) })); }
}

let stop = () => {};
afterEach(() => stop()); // else it tries again for ever

function setUp(options = {}) {
	Socket.all = [];
	const seen = { events: [], gone: [], states: [] };
	const live = new Live({ url: 'ws://x', WebSocket: Socket, random: () => 1, check: async () => true,
		onEvent: event => seen.events.push(event.version.join('.')), onGone: job => seen.gone.push(job),
		onState: state => seen.states.push(state), ...options });
	stop = () => live.stop();
	return { live, seen, last: () => Socket.all.at(-1) };
}

test('versions are compared by attempt, then by number', () => {
	assert.ok(compareVersions([1, 9], [2, 0]) < 0);
	assert.ok(compareVersions([2, 3], [2, 1]) > 0);
	assert.equal(compareVersions([2, 3], [2, 3]), 0);
});

test('the pause before a try lies between nothing and a bound that doubles up to 30 s', () => {
	assert.equal(pauseBefore(0, () => 1), 500);
	assert.equal(pauseBefore(3, () => 1), 4_000);
	assert.equal(pauseBefore(40, () => 1), 30_000);
	assert.equal(pauseBefore(5, () => 0), 0);
});

test('only newer facts about subscribed jobs are handed on', () => {
	const { live, seen, last } = setUp();
	live.start();
	last().opens();
	live.subscribe('a', [1, 0]);
	assert.deepEqual(last().sent, [{ type: 'subscribe', job: 'a', have: [1, 0] }]);
	for (const version of [[1, 2], [1, 1], [1, 2], [2, 0], [1, 9]]) last().says({ type: 'event', job: 'a', version });
	last().says({ type: 'event', job: 'other', version: [1, 1] });
	assert.deepEqual(seen.events, ['1.2', '2.0']);
});

test('a new place in the queue is handed on although it is no newer version', () => {
	const { live, seen, last } = setUp();
	live.start();
	last().opens();
	live.subscribe('a', [1, 0]);
	last().says({ type: 'event', job: 'a', version: [1, 0], position: 7 });
	last().says({ type: 'event', job: 'a', version: [1, 1] });
	last().says({ type: 'event', job: 'a', version: [1, 0], position: 6 });
	assert.deepEqual(seen.events, ['1.0', '1.1'], 'not one that is late');
});

test('after a reconnect it asks again with what it has', async () => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	const { live, seen, last } = setUp();
	live.start();
	live.subscribe('a', [1, 0]);
	last().opens();
	last().says({ type: 'event', job: 'a', version: [1, 4] });
	last().breaks();
	mock.timers.tick(500);
	await Promise.resolve().then(() => {});
	await new Promise(setImmediate);
	last().opens();
	assert.equal(Socket.all.length, 2);
	assert.deepEqual(last().sent, [{ type: 'subscribe', job: 'a', have: [1, 4] }]);
	assert.deepEqual(seen.states, ['connecting', 'open', 'away', 'connecting', 'open']);
	mock.timers.reset();
});

test('when the page may not come any more it stops trying', async () => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	const { live, last } = setUp({ check: async () => false });
	live.start();
	last().breaks();
	mock.timers.tick(500);
	await new Promise(setImmediate);
	assert.equal(live.state, 'idle');
	assert.equal(Socket.all.length, 1);
	mock.timers.reset();
});

test('what neither opens nor is refused is given up, and tried again', async () => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	const { live, seen, last } = setUp();
	live.start();
	mock.timers.tick(10_000);
	assert.equal(live.state, 'away');
	mock.timers.tick(500);
	await new Promise(setImmediate);
	last().opens();
	mock.timers.tick(60_000);
	assert.deepEqual(seen.states, ['connecting', 'away', 'connecting', 'open'], 'one that is open is not given up');
	mock.timers.reset();
});

test('while a sign-in runs only its own job is asked for', () => {
	const { live, last } = setUp();
	live.subscribe('old', [1, 3]);
	live.start({ only: 'signin' });
	live.subscribe('signin', [1, 0]);
	last().opens();
	assert.deepEqual(last().sent.map(message => message.job), ['signin']);
	live.start();
	last().opens();
	assert.deepEqual(last().sent.map(message => message.job), ['old', 'signin']);
});

test('a socket that was replaced has no say any more', () => {
	const { live, seen, last } = setUp();
	live.start();
	const old = last();
	live.subscribe('a', [1, 0]);
	live.start();
	old.opens();
	old.says({ type: 'event', job: 'a', version: [1, 1] });
	old.breaks();
	assert.deepEqual(seen.events, []);
	assert.equal(live.state, 'connecting');
});

test('a job that the server does not know is told once', () => {
	const { live, seen, last } = setUp();
	live.start();
	live.subscribe('a', [1, 0]);
	last().opens();
	last().says({ type: 'gone', job: 'a' });
	last().says({ type: 'gone', job: 'a' });
	assert.deepEqual(seen.gone, ['a']);
});

test('several messages of one moment come as one text', () => {
	const { live, seen, last } = setUp();
	live.start();
	last().opens();
	live.subscribe('a', [1, 0]);
	last().says([{ type: 'event', job: 'a', version: [1, 1] }, null, 7, { type: 'event', job: 'a', version: [1, 2] }, { type: 'gone', job: 'a' }]);
	assert.deepEqual([seen.events, seen.gone], [['1.1', '1.2'], ['a']]);
});

test('a server that stops says when to come back', async () => {
	mock.timers.enable({ apis: ['setTimeout', 'Date'] });
	const { live, last } = setUp({ random: () => 0 });
	live.start();
	last().opens();
	last().breaks({ code: 1001, reason: '{"retry_after_ms":7000}' });
	const first = last();
	mock.timers.tick(6_900);
	await Promise.resolve();
	assert.equal(last(), first, 'not before');
	mock.timers.tick(200);
	await new Promise(resolve => setImmediate(resolve));
	assert.notEqual(last(), first);
	for (const end of [{ code: 1001, reason: 'no JSON' }, { code: 1001, reason: '{"retry_after_ms":"x"}' }, { code: 1006 }]) {
		const before = last();
		before.opens();
		before.breaks(end);
		mock.timers.tick(1);
		await new Promise(resolve => setImmediate(resolve));
		assert.notEqual(last(), before, JSON.stringify(end));
	}
	mock.timers.reset();
});
