// The API's jobs: each request once, what is told of them, and how many there may be.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId, order, startGateway } from '../support/gateway.mjs';
import { until } from '../support/process.mjs';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
let world;

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

test('an Idempotency-Key makes a request once', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await world.giveAssignments(maya);
	const key = { 'Idempotency-Key': 'try-1' };
	const answers = await Promise.all(Array.from({ length: 20 }, () => maya.post('/api/v1/checks', { courses: [11] }, key)));
	assert.deepEqual([...new Set(answers.map((a) => a.status))], [202]);
	assert.equal(new Set(answers.map((a) => a.json.job.id)).size, 1);
	assert.equal(answers.filter((a) => a.headers.get('idempotency-replayed') === 'true').length, 19, 'repeats say so');
	const other = await maya.post('/api/v1/checks', { courses: [12] }, key);
	assert.deepEqual([other.status, other.json.code], [422, 'idempotency_mismatch']);
	const elsewhere = await maya.post('/api/v1/documents', order([301]), key);
	assert.equal(elsewhere.json.code, 'idempotency_mismatch');
	// Not the order of members, and not white space, makes a different body.
	const spaced = await maya.post('/api/v1/checks', '{ "courses" : [ 11 ] }', key);
	assert.equal(spaced.json.job.id, answers[0].json.job.id);

	const batch = await maya.post('/api/v1/documents', order([301, 302]), { 'Idempotency-Key': 'try-2' });
	const again = await maya.post('/api/v1/documents', order([301, 302]), { 'Idempotency-Key': 'try-2' });
	assert.deepEqual(again.json, batch.json);
	// Another student's key is another key.
	const ben = await world.student('ben');
	await world.giveCourses(ben);
	assert.equal((await ben.post('/api/v1/checks', { courses: [12] }, key)).status, 202);
	for (const bad of ['x'.repeat(129), 'a b', 'ü'])
		assert.equal((await maya.post('/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': encodeURIComponent(bad) === bad ? bad : Buffer.from(bad).toString('latin1') })).json.code, 'invalid_input', bad);
});

test('jobs have versions: ETag, 304, the newer of PostgreSQL and Redis', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	const { id } = (await maya.post('/api/v1/checks', { courses: [11, 12] })).json.job;
	const path = `/api/v1/jobs/${id}`;
	// While it is queued its place is part of the tag, and may become known or change between two questions.
	const isUnchanged = async (format) => {
		const tag = (await maya.get(path)).headers.get('etag');
		assert.match(tag, /^"1\.0(\.\d+)?"$/);
		return (await maya.get(path, { 'If-None-Match': format(tag) })).status === 304;
	};
	await until('304', () => isUnchanged((tag) => tag));
	await until('304', () => isUnchanged((tag) => `W/"0.9", W/${tag}`));

	await world.sql`SELECT pensum.job_claim(${id}, 0, 'h:checker:1')`;
	const event = (state, k, n, step, done, note = '') => world.redis.command('HSET', `pensum:job:${id}`,
		'j', id, 's', state, 'k', k, 'n', n, 'p', step, 'd', done, 't', 2, 'm', note);
	await event('running', 1, 3, 'checking courses', 1, 'Algorithms');
	const running = await maya.get(path, { 'If-None-Match': '"1.0"' });
	assert.equal(running.headers.get('etag'), '"1.3"');
	assert.deepEqual([running.json.state, running.json.version, running.json.step, running.json.done, running.json.total, running.json.note],
		['running', [1, 3], 'checking courses', 1, 2, 'Algorithms']);
	assert.equal((await maya.get('/api/v1/jobs')).json.jobs[0].done, 1);

	// An end that PostgreSQL does not know is none; what is not an event is nothing.
	await event('succeeded', 1, 9, 'done', 2);
	assert.equal((await maya.get(path)).json.state, 'running');
	await event('running', 1, 'x', 'checking', 2);
	assert.deepEqual((await maya.get(path)).json.version, [1, 1]);
	await event('running', 0, 7, 'a zombie', 2);
	assert.deepEqual((await maya.get(path)).json.version, [1, 1]);

	await world.sql`SELECT pensum.job_finish(${id}, 1, 'h:checker:1', 'failed', 9, NULL, 'site_down', 'Moodle is asleep.')`;
	const failed = (await maya.get(path)).json;
	assert.deepEqual([failed.state, failed.version, failed.failure], ['failed', [1, 9], { code: 'site_down', message: 'Moodle is asleep.' }]);
	assert.match(failed.finished_at, ISO);
});

test('cancelling: at once what waits, and everybody hears of it', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	const { id } = (await maya.post('/api/v1/checks', { courses: [11] })).json.job;
	const stranger = await world.student('stranger');
	assert.equal((await stranger.delete(`/api/v1/jobs/${id}`)).status, 404);
	const cancelled = await maya.delete(`/api/v1/jobs/${id}`);
	assert.equal(cancelled.status, 200);
	assert.deepEqual([cancelled.json.state, cancelled.json.failure], ['cancelled', { code: 'cancelled', message: 'Cancelled.' }]);
	assert.deepEqual((await maya.delete(`/api/v1/jobs/${id}`)).json, cancelled.json);
	await until('event', async () => (await world.redis.command('HGET', `pensum:job:${id}`, 's')) === 'cancelled');
	const events = await world.redis.command('XRANGE', 'pensum:events', '-', '+');
	assert.ok(events.some(([, fields]) => fields.includes(id) && fields.includes('cancelled')));

	const running = (await maya.post('/api/v1/checks', { courses: [11] })).json.job.id;
	await world.sql`SELECT pensum.job_claim(${running}, 0, 'h:checker:1')`;
	assert.equal((await maya.delete(`/api/v1/jobs/${running}`)).json.state, 'running');
	assert.deepEqual(await world.sql`SELECT cancel FROM pensum.jobs WHERE id = ${running}`, [['t']]);
});

test('the same request twice within five seconds is one job, unless it has failed meanwhile', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	const ask = async (courses, headers) => (await maya.post('/api/v1/checks', { courses }, headers)).json.job.id;
	const same = await Promise.all(Array.from({ length: 8 }, () => ask([11])));
	assert.equal(new Set(same).size, 1);
	const rung = (await world.redis.command('XRANGE', 'pensum:jobs:checker:normal', '-', '+')).filter(([, fields]) => fields[1] === same[0]);
	assert.equal(rung.length, 1);
	const other = await Promise.all([ask([12]), ask([11], { 'idempotency-key': newId() })]);
	assert.equal(new Set([same[0], ...other]).size, 3, 'another body, or a key of its own');
	await maya.delete(`/api/v1/jobs/${same[0]}`);
	const again = await ask([11]);
	assert.notEqual(again, same[0]);
	await world.sql`UPDATE pensum.jobs SET created_at = created_at - interval '6 s' WHERE id = ${again}`;
	assert.notEqual(await ask([11]), again);
});

test('a student may have only so many jobs, and sign-ins count apart', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	const answers = await Promise.all(Array.from({ length: 25 }, () =>
		maya.post('/api/v1/checks', { courses: [11] }, { 'idempotency-key': newId() })));
	assert.equal(answers.filter((a) => a.status === 202).length, 20);
	const refused = answers.filter((a) => a.status === 429);
	assert.equal(refused.length, 5);
	assert.equal(refused[0].json.code, 'too_many_jobs');
	const wait = async () => {
		const answer = await maya.post('/api/v1/checks', { courses: [11] }, { 'idempotency-key': newId() });
		assert.equal(answer.status, 429);
		return Number(answer.headers.get('retry-after'));
	};
	await world.sql`UPDATE pensum.jobs SET started_at = NULL WHERE finished_at IS NOT NULL`;
	assert.ok(await wait() >= 30 && await wait() < 40, 'nobody knows');
	await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, started_at, finished_at)
		SELECT lpad(to_hex(i), 24, 'd'), 'check', 'checker', 'normal', 'crowd', '{}', 'succeeded',
		now() - interval '40 s', now() FROM generate_series(1, 10) i`;
	await world.sql`UPDATE pensum.jobs SET state = 'running', worker = 'w:checker:0', attempt = 1,
		started_at = now() - interval '25 s' WHERE id IN (SELECT id FROM pensum.jobs
		WHERE user_id = ${maya.userId} LIMIT 1)`;
	assert.ok(await wait() >= 13 && await wait() <= 15, `${await wait()}: 40 s each, 25 s are over`);
	await world.sql`UPDATE pensum.jobs SET state = 'waiting' WHERE user_id = ${maya.userId} AND state = 'running'`;
	assert.ok(await wait() >= 40, 'what waits for her does not end');
	assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.jobs WHERE user_id = ${maya.userId}`, [['20']]);
	await world.giveAssignments(maya);
	assert.equal((await maya.post('/api/v1/documents', order([301]))).status, 429);
});
