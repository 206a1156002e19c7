// The live channel: handshakes, frames, the conversation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { encodeFrame, WsRefused } from '../../support/ws.mjs';
import { newId, newUser, startStack } from './stack.mjs';

let stack;
before(async () => (stack = await startStack()));
after(async () => stack?.stop());

const refusal = async (promise) => {
	const error = await promise.then((ws) => ws.destroy(), (e) => e);
	assert.ok(error instanceof WsRefused, `${error}`);
	assert.match(error.headers['content-type'], /^application\/problem\+json/);
	return [error.status, error.code];
};
const hello = (m) => m.type === 'hello';

test('handshakes that are refused are ordinary answers', async (t) => {
	const session = await stack.session();
	const cases = [
		['no session', { Cookie: null }, 401, 'signed_out'],
		['an unknown session', { Cookie: `pensum_session=${'A'.repeat(43)}` }, 401, 'signed_out'],
		['no Upgrade', { Upgrade: null }, 426, 'websocket_expected'],
		['Upgrade to h2c', { Upgrade: 'h2c' }, 426, 'websocket_expected'],
		['no Connection: Upgrade', { Connection: 'keep-alive' }, 426, 'websocket_expected'],
		['no version', { 'Sec-WebSocket-Version': null }, 426, 'websocket_version'],
		['version 8', { 'Sec-WebSocket-Version': '8' }, 426, 'websocket_version'],
		['no key', { 'Sec-WebSocket-Key': null }, 400, 'websocket_key'],
		['a short key', { 'Sec-WebSocket-Key': 'abcd' }, 400, 'websocket_key'],
		['a key that is no base64', { 'Sec-WebSocket-Key': `${'!'.repeat(22)}==` }, 400, 'websocket_key'],
		['a key of 18 bytes', { 'Sec-WebSocket-Key': 'A'.repeat(24) }, 400, 'websocket_key'],
		['another Origin', { Origin: 'http://evil.example' }, 403, 'bad_origin'],
		['Origin null', { Origin: 'null' }, 403, 'bad_origin'],
	];
	for (const [what, headers, status, code] of cases)
		await t.test(what, async () =>
			assert.deepEqual(await refusal(stack.live(session, { headers })), [status, code]));
	await t.test('POST', async () =>
		assert.deepEqual(await refusal(stack.live(session, { method: 'POST' })), [405, 'method_not_allowed']));
	await t.test('an expired session', async () => {
		const old = await stack.session({ seconds: -1 });
		assert.deepEqual(await refusal(stack.live(old)), [401, 'signed_out']);
	});
});

test('handshakes that are good', async () => {
	const session = await stack.session();
	const plain = await stack.live(session);
	assert.equal(plain.headers['sec-websocket-protocol'], undefined);
	assert.equal((await plain.next(hello)).user, session.user);
	const named = await stack.live(session, { headers: {
		'Sec-WebSocket-Protocol': 'other, pensum.v1', Origin: stack.url,
		'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' } });
	assert.equal(named.headers['sec-websocket-protocol'], 'pensum.v1');
	assert.equal(named.headers['sec-websocket-extensions'], undefined);
	const other = await stack.live(session, { headers: { 'Sec-WebSocket-Protocol': 'other' } });
	assert.equal(other.headers['sec-websocket-protocol'], undefined);
	for (const ws of [plain, named, other]) assert.equal((await ws.close()).code, 1000);
});

test('a frame in one packet with the request is read', async () => {
	const ws = await stack.live(await stack.session(),
		{ early: encodeFrame({ payload: '{"type":"ping"}' }) });
	assert.equal((await ws.next()).type, 'hello');
	assert.equal((await ws.next()).type, 'pong');
	await ws.close();
});

test('an upgrade may follow an answer on the same connection', async () => {
	const session = await stack.session();
	const ws = await stack.live(session, { before: 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n' });
	assert.equal(ws.skipped.status, 200);
	await ws.next(hello);
	ws.send({ type: 'ping' });
	await ws.next((m) => m.type === 'pong');
	await ws.close();
});

test('resets right after the handshake leave nothing behind', async () => {
	const session = await stack.session();
	for (let i = 0; i < 200; i++) {
		const ws = await stack.live(session, { early: i % 2 ? '' : encodeFrame({ payload: '{' }) });
		ws.socket.resetAndDestroy();
	}
	await until('an empty house', async () => {
		const ws = await stack.live(session).catch(() => null);
		await ws?.close();
		return ws !== null;
	});
});

test('frames', async (t) => {
	const session = await stack.session();
	const text = (value) => Buffer.from(value);
	const cases = [
		['RSV1', [{ rsv: 4, payload: '{}' }], 1002],
		['RSV2', [{ rsv: 2, payload: '{}' }], 1002],
		['RSV3', [{ rsv: 1, payload: '{}' }], 1002],
		['opcode 3', [{ opcode: 3, payload: '{}' }], 1002],
		['opcode 7', [{ opcode: 7, payload: '{}' }], 1002],
		['opcode 11', [{ opcode: 11, payload: '{}' }], 1002],
		['opcode 15', [{ opcode: 15, payload: '{}' }], 1002],
		['a ping in pieces', [{ opcode: 9, fin: false, payload: 'x' }], 1002],
		['a lone continuation', [{ opcode: 0, payload: '{}' }], 1002],
		['a new message inside of one', [{ fin: false, payload: '{' }, { payload: '{}' }], 1002],
		['bad UTF-8', [{ payload: Buffer.from([0xff, 0xfe]) }], 1007],
		['bad UTF-8 across pieces', [{ fin: false, payload: Buffer.from([0xe2, 0x82]) },
			{ opcode: 0, payload: Buffer.from([0x41]) }], 1007],
		['a surrogate', [{ payload: Buffer.from([0xed, 0xa0, 0x80]) }], 1007],
		['a close with code 1', [{ opcode: 8, payload: Buffer.from([0, 1]) }], 1002],
		['a close with code 1005', [{ opcode: 8, payload: Buffer.from([3, 0xed]) }], 1002],
		['a close of one byte', [{ opcode: 8, payload: Buffer.from([3]) }], null],
		['a close with code 2999', [{ opcode: 8, payload: Buffer.from([0x0b, 0xb7]) }], null],
		['binary', [{ opcode: 2, payload: 'x' }], 1003],
		['4097 bytes', [{ payload: `"${'x'.repeat(4095)}"` }], 1009],
		['70 KB in one frame', [{ payload: 'x'.repeat(70000) }], 1009],
		['70 KB in pieces', [{ fin: false, payload: 'x'.repeat(1000) },
			...Array.from({ length: 69 }, () => ({ opcode: 0, fin: false, payload: 'x'.repeat(1000) }))], 1009],
		['a frame that claims 2^40 bytes', [{ payload: 'x'.repeat(5000), length: 2 ** 40 }], 1009],
		['a ping of 126 bytes', [{ opcode: 9, payload: 'x'.repeat(126) }], null],
	];
	for (const [what, frames, code] of cases)
		await t.test(what, async () => {
			const ws = await stack.live(session);
			for (const frame of frames) ws.sendFrame(frame);
			const end = await Promise.race([ws.closed, sleep(3000)]);
			assert.ok(end, 'still open');
			if (code !== null) assert.equal(end.code, code);
		});
	await t.test('a message in pieces, with a ping between them', async () => {
		const ws = await stack.live(session);
		ws.sendFrame({ fin: false, payload: text('{"type"') });
		ws.sendFrame({ opcode: 9, payload: text('hi') });
		ws.sendFrame({ opcode: 0, payload: text(':"ping"}') });
		await ws.next((m) => m.type === 'pong');
		await until('the answer to the ping', () => ws.sawPong === 1);
		await ws.close();
	});
	await t.test('not masked: taken as it is, or refused, but never taken for something else', async () => {
		const ws = await stack.live(session);
		ws.sendFrame({ masked: false, payload: '{"type":"ping"}' });
		const end = await Promise.race([ws.closed, ws.next((m) => m.type === 'pong')]);
		assert.ok(end.type === 'pong' || end.code === 1002, JSON.stringify(end));
		ws.destroy();
	});
	await t.test('4096 bytes are fine', async () => {
		const ws = await stack.live(session);
		const padding = ' '.repeat(4096 - '{"type":"ping"}'.length);
		ws.sendFrame({ payload: `{"type":"ping"}${padding}` });
		await ws.next((m) => m.type === 'pong');
		await ws.close();
	});
});

test('messages that are not understood', async () => {
	const ws = await stack.live(await stack.session());
	await ws.next(hello);
	const bad = ['x', '[]', '{}', '{"type":7}', '{"type":"dance"}', '{"type":"subscribe"}',
		'{"type":"subscribe","job":"../x"}',
		`{"type":"subscribe","job":"${newId()}","have":"x"}`,
		`{"type":"subscribe","job":"${newId()}","have":[1]}`];
	for (const payload of bad) {
		ws.sendFrame({ payload });
		const answer = await ws.next((m) => m.type === 'error');
		assert.match(answer.code, /^bad_/);
		assert.ok(answer.detail);
	}
	ws.sendFrame({ payload: 'the tenth' });
	assert.equal((await ws.closed).code, 1008);
});

test('a channel that talks too much is closed', async () => {
	const ws = await stack.live(await stack.session());
	for (let i = 0; i < 200; i++) ws.send({ type: 'ping' });
	assert.equal((await ws.closed).code, 1008);
});

test('own jobs come without asking, each version once and in order', async () => {
	const session = await stack.session();
	const running = { state: 'running', attempt: 1, n: 1 };
	const [queued, job, last] = [await stack.job(session), await stack.job(session, running), await stack.job(session, running)];
	await stack.job(session, { state: 'succeeded', attempt: 1, n: 9 });
	const ws = await stack.live(session);
	await ws.next(hello);
	const snapshots = [];
	for (let i = 0; i < 3; i++) snapshots.push(await ws.next((m) => m.type === 'snapshot'));
	assert.deepEqual(snapshots.map((m) => [m.job, m.state]).sort(),
		[[queued, 'queued'], [job, 'running'], [last, 'running']].sort());
	assert.deepEqual(snapshots.find((m) => m.job === queued).version, [1, 0]);
	const isOf = (one) => (m) => m.type === 'event' && m.job === one;
	await stack.publish({ job, version: [1, 2], done: 1, total: 3, note: 'Lesen … 1' });
	assert.deepEqual(await ws.next(isOf(job)), { type: 'event', job, state: 'running', version: [1, 2],
		step: 'reading', done: 1, total: 3, note: 'Lesen … 1' });
	await stack.publish({ job, version: [1, 2] }); // a duplicate
	await stack.publish({ job, version: [1, 1] }); // a late one
	await stack.publish({ job, version: [1, 3], state: 'succeeded' });
	await stack.publish({ job, version: [1, 4] }); // after the end
	await stack.publish({ job: last, version: [1, 2] });
	assert.deepEqual((await ws.next(isOf(job))).version, [1, 3]);
	await ws.next(isOf(last)); // what was published before it has been sent, or never is
	assert.deepEqual(ws.messages.filter((m) => m.job !== queued), []); // whose place may be told at any time
	await ws.close();
});

test('what comes in one moment goes out in one frame', async () => {
	const session = await stack.session();
	const jobs = [];
	for (let i = 0; i < 12; i++) jobs.push(await stack.job(session, { state: 'running', attempt: 1, n: 1 }));
	const ws = await stack.live(session);
	for (const job of jobs) await ws.next((m) => m.job === job);
	ws.texts.length = 0;
	const fields = (job) => ['j', job, 's', 'running', 'k', 1, 'n', 2, 'p', 'reading', 'd', 1, 't', 2, 'm', ''];
	await stack.redis.command('EVAL', `for i = 1, #KEYS do redis.call('XADD', 'pensum:events', '*', unpack(cjson.decode(ARGV[i]))) end`,
		jobs.length, ...jobs, ...jobs.map((job) => JSON.stringify(fields(job).map(String))));
	for (const job of jobs) assert.deepEqual((await ws.next((m) => m.job === job)).version, [1, 2]);
	assert.equal(ws.texts.length, 1, `${ws.texts.length} frames`);
	assert.deepEqual(JSON.parse(ws.texts[0]).map((m) => m.job), jobs);
	await stack.publish({ job: jobs[0], version: [1, 3] });
	await ws.next((m) => m.version?.[1] === 3);
	assert.equal(JSON.parse(ws.texts[1]).job, jobs[0], 'a single message is no array');
	await ws.close();
});

test('what is no event is passed over, and so is a hash that is none', async () => {
	const session = await stack.session();
	const [job, other] = [await stack.job(session, { state: 'running', attempt: 1, n: 1 }), await stack.job(session, { state: 'running', attempt: 1, n: 1 })];
	const ws = await stack.live(session);
	for (const one of [job, other]) await ws.next((m) => m.type === 'snapshot' && m.job === one);
	const event = { j: job, s: 'running', k: 1, n: 5, p: 'reading', d: 0, t: 0, m: '' };
	for (const wrong of [{ k: 'x' }, { k: -1 }, { n: '99999999999999999999' }, { s: 'flying' }, { j: '../../etc' }, { j: '' },
		{ m: 'y'.repeat(2_000_000) }, { p: 'y'.repeat(3000) }, { m: 'a\u0001b' }])
		await stack.redis.command('XADD', 'pensum:events', '*', ...Object.entries({ ...event, ...wrong }).flat());
	await stack.redis.command('XADD', 'pensum:events', '*', 'a', 'b');
	await stack.redis.command('SET', `pensum:job:${job}`, 'no hash', 'EX', '60');
	for (const one of [other, job]) await stack.redis.command('XADD', 'pensum:events', '*', ...Object.entries({ ...event, j: one, n: 9 }).flat());
	for (const one of [other, job]) {
		const next = await ws.next((m) => m.type === 'event');
		assert.deepEqual([next.job, next.version], [one, [1, 9]], JSON.stringify(next).slice(0, 300));
	}
	const late = await stack.live(session);
	assert.deepEqual((await late.next((m) => m.type === 'snapshot')).version, [1, 9]);
	for (const one of [ws, late]) await one.close();
});

test('a job that many pages come for is read once', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	await stack.pg.query(`ALTER SYSTEM SET log_statement = 'all'`);
	await stack.pg.query('SELECT pg_reload_conf()');
	const reads = () => stack.pg.process.lines.filter((line) => line.includes(`parameters: $1 = '{`) && line.includes(job)).length;
	const come = async (count) => Promise.all(Array.from({ length: count }, async () => {
		const ws = await stack.live(session);
		await ws.next((m) => m.type === 'snapshot' && m.job === job);
		return ws;
	}));
	const pages = await come(4);
	for (let i = 0; i < 6; i++) pages.push(...await come(1));
	await stack.pg.query('ALTER SYSTEM RESET log_statement');
	await stack.pg.query('SELECT pg_reload_conf()');
	assert.ok(reads() >= 1 && reads() <= 3, `${reads()} reads; what is known is looked at each ten seconds, too`);
	for (const ws of pages) await ws.close();
});

test('the snapshot is the newer of row and hash', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 2, n: 1 });
	await stack.publish({ job, version: [2, 7], done: 4, total: 9 });
	const ws = await stack.live(session);
	assert.deepEqual((await ws.next((m) => m.type === 'snapshot')).version, [2, 7]);
	await stack.publish({ job, version: [1, 99] }); // a zombie of attempt 1
	await stack.pg.query(`UPDATE pensum.jobs SET state = 'failed', event_n = 8,
		failure_code = 'moodle_away', failure_message = 'Moodle is away.' WHERE id = '${job}'`);
	await ws.close();
	const again = await stack.live(session);
	await again.next(hello);
	again.send({ type: 'subscribe', job, have: [2, 7] });
	const end = await again.next((m) => m.type === 'snapshot');
	assert.deepEqual([end.state, end.version, end.step, end.note],
		['failed', [2, 8], 'moodle_away', 'Moodle is away.']);
	again.send({ type: 'subscribe', job, have: [2, 8] });
	again.send({ type: 'ping' });
	assert.equal((await again.next()).type, 'pong'); // nothing newer
	await again.close();
});

test('a job of somebody else and one that there is not are gone', async () => {
	const [mine, theirs] = [await stack.session(), await stack.session()];
	const ws = await stack.live(mine), other = await stack.live(theirs);
	const foreign = await stack.job(theirs), missing = newId();
	await ws.next(hello);
	for (const job of [foreign, missing]) {
		ws.send({ type: 'subscribe', job });
		assert.deepEqual(await ws.next(), { type: 'gone', job });
	}
	other.send({ type: 'subscribe', job: foreign }); // known to the hub now
	await other.next((m) => m.type === 'snapshot');
	ws.send({ type: 'subscribe', job: foreign });
	assert.deepEqual(await ws.next(), { type: 'gone', job: foreign });
	await stack.publish({ job: foreign, version: [1, 1] });
	await other.next((m) => m.type === 'event');
	assert.deepEqual(ws.messages, []);
	await Promise.all([ws.close(), other.close()]);
});

test('a sign-in job is seen by the browser that asked, not by the user\'s others', async () => {
	const user = newUser(), job = newId();
	const pending = await stack.session({ user, active: false, job });
	const other = await stack.session({ user });
	await stack.job(pending, { kind: 'signin', id: job, own: true });
	const ws = await stack.live(pending), elsewhere = await stack.live(other);
	assert.equal((await ws.next(hello)).user, user);
	assert.equal((await ws.next()).job, job);
	const later = await stack.job(other);
	ws.send({ type: 'subscribe', job: later }); // not signed in yet
	assert.deepEqual(await ws.next(), { type: 'gone', job: later });
	elsewhere.send({ type: 'subscribe', job });
	assert.deepEqual(await elsewhere.next((m) => m.job === job), { type: 'gone', job });
	await stack.pg.query(`UPDATE pensum.jobs SET state = 'succeeded', attempt = 1, event_n = 3
		WHERE id = '${job}'`);
	await stack.pg.query(`UPDATE pensum.sessions SET active = true WHERE token_hash = '${pending.hash}'`);
	await stack.publish({ job, version: [1, 3], state: 'succeeded' });
	// Its place in the queue may have been told meanwhile, with the version that it had.
	assert.equal((await ws.next((m) => m.job === job && m.version[0] > 0 && m.version[1] === 3)).state, 'succeeded');
	assert.equal((await ws.next(hello)).active, true);
	assert.equal((await ws.next((m) => m.type === 'snapshot')).job, later);
	await Promise.all([ws.close(), elsewhere.close()]);
});

test('a job asked for over the API is delivered to the open channel', async () => {
	const session = await stack.session();
	await stack.pg.query(`INSERT INTO pensum.course_lists (user_id, courses, expires_at)
		VALUES ('${session.user}', '[{"id":7,"name":"Logic"}]', now() + interval '1 hour')`);
	await stack.pg.query(`INSERT INTO pensum.users (id, site, username) VALUES
		('${session.user}', 'x', '${session.user}')`);
	const ws = await stack.live(session);
	await ws.next(hello);
	const answer = await fetch(`${stack.url}/api/v1/courses/refresh`, { method: 'POST',
		headers: { Cookie: session.cookie } });
	assert.ok(answer.status < 300, await answer.text());
	const message = await ws.next((m) => m.type === 'snapshot');
	assert.deepEqual([message.state, message.version], ['queued', [1, 0]]);
	await ws.close();
});

test('a job that was made through another gateway is delivered from its first event on', async () => {
	const session = await stack.session();
	const ws = await stack.live(session), other = await stack.live(await stack.session());
	await Promise.all([ws.next(hello), other.next(hello)]);
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	await stack.publish({ job, version: [1, 1] });
	assert.equal((await ws.next((m) => m.type === 'snapshot')).job, job);
	await stack.publish({ job, version: [1, 2] });
	assert.deepEqual((await ws.next((m) => m.type === 'event')).version, [1, 2]);
	assert.deepEqual(other.messages, []);
	await Promise.all([ws.close(), other.close()]);
});

test('ten channels a user, and no more', async () => {
	const session = await stack.session();
	const all = await Promise.all(Array.from({ length: 10 }, () => stack.live(session)));
	assert.deepEqual(await refusal(stack.live(session)), [429, 'too_many_channels']);
	await (await stack.live(await stack.session())).close(); // others may
	await all[0].close();
	const again = await until('room', () => stack.live(session).catch(() => null));
	await Promise.all([...all.slice(1), again].map((ws) => ws.close()));
});

test('who has too many is told to come back when one of them is likely to have ended', async () => {
	const small = await startStack({ settings: { 'gateway.user_live': 1 } });
	try {
		const session = await small.session();
		const wait = async (who) => {
			const error = await small.live(who).then((ws) => ws.destroy(), (e) => e);
			assert.deepEqual([error?.status, error?.code], [429, 'too_many_channels']);
			return Number(error.headers['retry-after']);
		};
		const opened = Date.now(), age = () => (Date.now() - opened) / 1000;
		const tab = await small.live(session);
		const young = await wait(session);
		assert.ok(young >= 1 && young <= 3 + age() * 1.25, `${young}: tabs come and go`);
		await until('age', () => age() > 8, 20_000);
		const old = await wait(session);
		assert.ok(old >= 8 && old <= 3 + age() * 1.25, `${old}: it has been there for eight seconds`);
		await tab.close();

		// A session that ends sooner says more. The same student comes back with another one.
		const ending = await small.session({ user: session.user, seconds: 9 }), other = await small.session({ user: session.user });
		const made = Date.now();
		const last = await until('room', () => small.live(ending).catch(() => null));
		await until('age', () => Date.now() - made > 6000, 20_000);
		const left = await wait(other), told = Date.now();
		assert.ok(left >= 1 && left <= 5, `${left}: three seconds are left`);
		const mine = await until('a place', () => small.live(other).catch(() => null), 20_000);
		assert.ok(Date.now() - told <= left * 1000 + 10_000, `${Date.now() - told} ms, ${left} s were told`);
		await mine.close();
		last.destroy();
	} finally {
		await small.stop();
	}
});

test('when all channels are taken, Retry-After says how soon one becomes free', async () => {
	const small = await startStack({ settings: { 'gateway.max_live': 8 } });
	try {
		const session = await small.session();
		let all = await Promise.all(Array.from({ length: 8 }, () => small.live(session)));
		const wait = async () => {
			const error = await small.live(session).then((ws) => ws.destroy(), (e) => e);
			assert.deepEqual([error?.status, error?.code], [503, 'live_full']);
			return Number(error.headers['retry-after']);
		};
		const dark = await wait();
		assert.ok(dark >= 30 && dark < 40, `${dark}: none has been closed`);
		for (let i = 0; i < 3; i++) { // 24 closed in half a minute, three refused
			await Promise.all(all.map((ws) => ws.close()));
			all = await until('room', () => Promise.all(Array.from({ length: 8 }, () => small.live(session))).catch(() => null));
		}
		await wait();
		const known = await wait();
		assert.ok(known >= 3 && known <= 6, `${known}: 3 / (24 / 30 s)`);
		await Promise.all(all.map((ws) => ws.close()));
	} finally {
		await small.stop();
	}
});

test('64 jobs a channel, and no more', async () => {
	const session = await stack.session();
	const ws = await stack.live(session);
	await ws.next(hello);
	const values = Array.from({ length: 65 }, newId);
	await stack.pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
		SELECT v, 'check', 'checker', 'normal', '${session.user}', '{}'
		FROM unnest(ARRAY['${values.join("','")}']) v`);
	for (const job of values) ws.send({ type: 'subscribe', job });
	assert.equal((await ws.next((m) => m.type === 'error')).code, 'too_many_jobs');
	await ws.close();
});

test('a session that ends closes its channels with 4401', async () => {
	const brief = await stack.session({ seconds: 2 });
	const ws = await stack.live(brief);
	await ws.next(hello);
	assert.equal((await ws.closed).code, 4401);
	const session = await stack.session();
	const open = await stack.live(session), other = await stack.live(await stack.session());
	await open.next(hello);
	await fetch(`${stack.url}/api/v1/session`, { method: 'DELETE', headers: { Cookie: session.cookie } });
	assert.equal((await open.closed).code, 4401);
	await other.close();
});

const note = 'n'.repeat(240);

test('many channels of many jobs: versions only grow, and the last one comes', async () => {
	const session = await stack.session();
	const readers = await Promise.all(Array.from({ length: 5 }, () => stack.live(session)));
	const jobs = [];
	for (let i = 0; i < 20; i++) jobs.push(await stack.job(session, { state: 'running', attempt: 1, n: 1 }));
	for (const ws of readers) for (const job of jobs) ws.send({ type: 'subscribe', job });
	for (const ws of readers) for (const job of jobs) await ws.next((m) => m.job === job);
	for (let n = 2; n < 200; n++)
		await Promise.all(jobs.map((job) => stack.publish({ job, version: [1, n], note })));
	await Promise.all(jobs.map((job) => stack.publish({ job, version: [1, 200], state: 'succeeded' })));
	for (const ws of readers)
		for (const job of jobs) {
			await until('the end', () => ws.messages.some((m) => m.job === job && m.state === 'succeeded'));
			const seen = ws.messages.filter((m) => m.job === job).map((m) => m.version[1]);
			assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b));
			assert.equal(seen.at(-1), 200);
		}
	await Promise.all(readers.map((ws) => ws.close()));
});

test('a session that ended elsewhere closes its channels within half a minute', async () => {
	const session = await stack.session();
	const ws = await stack.live(session), other = await stack.live(await stack.session());
	await ws.next(hello);
	await stack.pg.query(`DELETE FROM pensum.sessions WHERE token_hash = '${session.hash}'`);
	assert.equal((await ws.closed).code, 4401);
	await other.close();
});

test('who does not read is closed with 4008, or cut off; nobody else notices', async () => {
	const session = await stack.session(), other = await stack.live(await stack.session());
	const slow = await stack.live(session), dead = await stack.live(session);
	const jobs = [];
	for (let i = 0; i < 40; i++) jobs.push(await stack.job(session, { state: 'running', attempt: 1, n: 1 }));
	for (const ws of [slow, dead]) {
		for (const job of jobs) ws.send({ type: 'subscribe', job });
		for (const job of jobs) await ws.next((m) => m.job === job);
		ws.pause();
	}
	for (let n = 2; n < 160; n++) // states are never conflated
		await Promise.all(jobs.map((job) => stack.publish({ job, version: [1, n], note,
			state: n % 2 ? 'waiting' : 'queued' })));
	await sleep(500);
	slow.resume();
	assert.equal((await slow.closed).code, 4008);
	await sleep(6000); // the other one never reads
	dead.resume();
	assert.ok([4008, 1006].includes((await dead.closed).code));
	other.send({ type: 'ping' });
	await other.next((m) => m.type === 'pong');
	await other.close();
});

test('progress for one who does not read is conflated, and he is not closed', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	const ws = await stack.live(session);
	const conflated = async () => Number(/^ws_conflated_total (\d+)/m.exec(await (await fetch(
		`http://127.0.0.1:${stack.adminPort}/metrics`)).text())[1]);
	const before = await conflated();
	await ws.next((m) => m.type === 'snapshot');
	ws.pause();
	for (let n = 2; n < 4000; n += 100)
		await Promise.all(Array.from({ length: 100 }, (_, i) =>
			stack.publish({ job, version: [1, n + i], note })));
	await stack.publish({ job, version: [1, 5000], state: 'succeeded' });
	await sleep(300);
	ws.resume();
	assert.deepEqual((await ws.next((m) => m.state === 'succeeded')).version, [1, 5000]);
	assert.ok(ws.messages.length < 3998, `${ws.messages.length} frames`);
	await until('the count of those that gave way', async () => await conflated() - before >= 3900 - ws.messages.length, 10_000, 500);
	await ws.close();
});

test('who reads nothing while only progress waits is ended with 4008, too; who reads is not', async () => {
	const closed = async () => Number(/^ws_closed_total\{code="4008"\} (\d+)/m.exec(await (await fetch(
		`http://127.0.0.1:${stack.adminPort}/metrics`)).text())?.[1] ?? 0);
	const session = await stack.session();
	const jobs = [];
	for (let i = 0; i < 20; i++) jobs.push(await stack.job(session, { state: 'running', attempt: 1, n: 1 }));
	const reader = await stack.live(session), silent = await stack.live(session);
	for (const ws of [reader, silent]) for (const job of jobs) await ws.next((m) => m.job === job);
	const before = await closed();
	silent.pause();
	let n = 1;
	const round = () => {
		n++;
		return Promise.all(jobs.map((job) => stack.publish({ job, version: [1, n], note })));
	};
	while (n < 150) await round(); // more than both kernels hold
	await until('its end', async () => {
		await round(); // its queue has room, always
		return (await closed()) > before;
	}, 25_000, 500);
	assert.equal(await closed(), before + 1);
	silent.resume();
	assert.ok([4008, 1006].includes((await silent.closed).code));
	for (const job of jobs) await reader.next((m) => m.job === job && m.version[1] === n);
	await reader.close();
});

test('a page that hangs up silently is forgotten', async () => {
	const session = await stack.session();
	for (let i = 0; i < 10; i++) (await stack.live(session)).destroy();
	await until('room again', async () => {
		const ws = await stack.live(session).catch(() => null);
		await ws?.close();
		return ws;
	});
});

test('at SIGTERM channels are closed with 1001 and requests that run are answered', async () => {
	const session = await stack.session();
	const all = await Promise.all(Array.from({ length: 5 }, () => stack.live(session)));
	for (const ws of all) await ws.next(hello);
	const stopped = stack.gateway.stop();
	const pauses = [];
	for (const ws of all) {
		const { code, reason } = await ws.closed;
		assert.equal(code, 1001);
		pauses.push(JSON.parse(reason).retry_after_ms);
	}
	assert.ok(pauses.every((ms) => Number.isInteger(ms) && ms >= 0 && ms < 10_000), `${pauses}`);
	assert.ok(new Set(pauses).size > 1, 'each has a moment of its own');
	await stopped;
	await stack.startGateway();
});

test('events that come close behind each other are read together', async () => {
	const { redis } = stack;
	const reads = async () => Number(/cmdstat_xread:calls=(\d+)/.exec(await redis.command('INFO', 'commandstats'))?.[1] ?? 0);
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	const live = await stack.live(session);
	await live.next((m) => m.type === 'snapshot' && m.job === job);
	const before = await reads(), started = performance.now();
	for (let n = 2; n < 1000; n++)
		await redis.command('XADD', 'pensum:events', '*', 'j', job, 's', 'running', 'k', 1, 'n', n, 'p', 'reading', 'd', n, 't', 1000, 'm', '');
	await stack.publish({ job, version: [1, 1000], done: 1000, total: 1000 });
	await live.next((m) => m.type === 'event' && m.version[1] === 1000);
	const lasted = performance.now() - started, count = (await reads()) - before;
	assert.ok(count <= lasted + 10, `${count} reads of 999 events in ${lasted.toFixed(0)} ms`);
});
