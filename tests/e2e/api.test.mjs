// The API as a student's browser uses it: real gateway, Redis and PostgreSQL, no workers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { COURSES, newId, sha256, SITE, startGateway } from '../support/gateway.mjs';
import { run, sleep, until } from '../support/process.mjs';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const STUDENT = { name: 'Maya Lindqvist', roll: '42' };
let world;

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

const order = (assignments, more = {}) => ({ assignments, student: STUDENT, format: 'docx', draft: 'template', ...more });

// Finishes a job as its worker's transaction does.
async function finish(jobId, state, { code = null, message = null, result = null } = {}) {
	await world.sql`SELECT pensum.job_claim(${jobId}, 0, 'h:checker:1')`;
	const [[ok]] = await world.sql`SELECT pensum.job_finish(${jobId}, 1, 'h:checker:1', ${state}, 5,
		${result && JSON.stringify(result)}, ${code}, ${message})`;
	assert.equal(ok, 't');
}

function cookieOf(answer) {
	const [pair, ...flags] = answer.headers.get('set-cookie').split('; ');
	return { name: pair.split('=')[0], value: pair.slice(pair.indexOf('=') + 1), flags };
}

async function signIn(username, password, headers) {
	const browser = world.browser();
	return { browser, answer: await browser.post('/api/v1/session', { username, password }, headers) };
}

test('the site is public, everything else is not', async () => {
	const browser = world.browser();
	assert.deepEqual((await browser.get('/api/v1/site')).json, SITE);
	assert.deepEqual((await browser.get('/api/v1/sites')).json, { sites: [SITE] });
	for (const path of ['session', 'courses', 'assignments', 'documents', 'jobs', `jobs/${newId()}`, `documents/${newId()}/file`]) {
		const answer = await browser.get(`/api/v1/${path}`);
		assert.equal(answer.status, 401, path);
		assert.equal(answer.json.code, 'signed_out');
		assert.match(answer.headers.get('content-type'), /^application\/problem\+json/);
	}
	for (const cookie of ['pensum_session=', 'pensum_session=x', `pensum_session=${'A'.repeat(43)}`, `pensum_session=${'A'.repeat(4000)}`]) {
		assert.equal((await world.browser(cookie).get('/api/v1/jobs')).status, 401);
	}
});

test('a sign-in that nobody knows is a job, seen by this browser alone', async () => {
	const { browser, answer } = await signIn('ines', 'secret-1');
	assert.equal(answer.status, 202);
	const { job } = answer.json;
	assert.equal(job.kind, 'signin');
	assert.deepEqual(job.version, [1, 0]);
	const cookie = cookieOf(answer);
	assert.equal(cookie.name, 'pensum_session');
	assert.match(cookie.value, /^[\w-]{43}$/);
	assert.deepEqual(cookie.flags, ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=28800']);

	const session = (await browser.get('/api/v1/session')).json;
	assert.equal(session.state, 'pending');
	assert.equal(session.user, null);
	assert.equal(session.job, job.id);
	assert.match(session.expires_at, ISO);
	assert.deepEqual((await browser.get('/api/v1/jobs')).json.jobs.map((j) => j.id), [job.id]);
	assert.equal((await browser.get(`/api/v1/jobs/${job.id}`)).status, 200);
	const refused = await browser.get('/api/v1/courses');
	assert.equal(refused.status, 403);
	assert.equal(refused.json.code, 'signin_pending');

	// The same person in another browser, signed in or not, does not see it.
	const [[userId, input]] = await world.sql`SELECT user_id, input FROM pensum.jobs WHERE id = ${job.id}`;
	assert.deepEqual(JSON.parse(input), { site: 'default', username: 'ines' });
	const other = await world.student('ines', userId);
	assert.equal((await other.get(`/api/v1/jobs/${job.id}`)).status, 404);
	assert.equal((await other.delete(`/api/v1/jobs/${job.id}`)).status, 404);
	assert.deepEqual((await other.get('/api/v1/jobs')).json.jobs, []);
	const pending = (await signIn('ines', 'secret-2')).browser;
	assert.equal((await pending.get(`/api/v1/jobs/${job.id}`)).status, 404);

	// What the worker's transaction does.
	await world.sql`INSERT INTO pensum.users (id, site, username, fullname) VALUES (${userId}, ${SITE.url}, 'ines', 'Inês')
		ON CONFLICT (id) DO UPDATE SET fullname = excluded.fullname`;
	await world.sql`UPDATE pensum.sessions SET active = true, signin_job = NULL WHERE signin_job = ${job.id}`;
	await finish(job.id, 'succeeded');
	const active = (await browser.get('/api/v1/session')).json;
	assert.deepEqual([active.state, active.job, active.user], ['active', null, { id: userId, username: 'ines', fullname: 'Inês' }]);
	assert.equal((await browser.get(`/api/v1/jobs/${job.id}`)).json.state, 'succeeded');
});

test('a cached sign-in needs the password; a wrong one is like nothing cached', async () => {
	const first = await signIn('Cora', 'right-1');
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${first.answer.json.job.id}`;
	await world.sql`INSERT INTO pensum.users (id, site, username, fullname) VALUES (${userId}, ${SITE.url}, 'Cora', 'Cora C')`;
	await world.giveMoodleSession(userId, 'right-1');
	for (const where of ['postgres', 'redis']) {
		const right = await signIn(' CORA', 'right-1');
		assert.equal(right.answer.status, 200, where);
		assert.deepEqual(right.answer.json.user, { id: userId, username: 'Cora', fullname: 'Cora C' });
		assert.match(right.answer.json.expires_at, ISO);
		assert.equal((await right.browser.get('/api/v1/session')).json.state, 'active');
		const wrong = await signIn('Cora', 'wrong-1');
		assert.equal(wrong.answer.status, 202, where);
		assert.equal((await wrong.browser.get('/api/v1/session')).json.state, 'pending');
		assert.equal((await wrong.browser.get('/api/v1/session')).json.user, null);
	}
	const cached = JSON.parse(await world.redis.command('GET', `pensum:moodle:${userId}`));
	assert.deepEqual(Object.keys(cached).sort(), ['expires_at', 'sealed', 'verifier']);
	assert.ok(await world.redis.command('PTTL', `pensum:moodle:${userId}`) > 3_500_000);
	// Expired: Moodle is asked again.
	await world.redis.command('DEL', `pensum:moodle:${userId}`);
	await world.giveMoodleSession(userId, 'right-1', -1);
	assert.equal((await signIn('cora', 'right-1')).answer.status, 202);
});

test('over https the cookie is Secure', async () => {
	const { daemon, url } = await world.startSecond({ 'gateway.public_url': 'https://pensum.test' });
	const browser = world.browser();
	browser.url = url;
	const answer = await browser.post('/api/v1/session', { username: 'sec', password: 'x' });
	assert.ok(cookieOf(answer).flags.includes('Secure'));
	await daemon.stop();
});

test('signing out ends the session at once, also in Redis, and cancels a pending sign-in', async () => {
	const maya = await world.student('maya');
	const token = maya.cookie;
	assert.equal((await maya.get('/api/v1/session')).status, 200);
	const key = `pensum:session:${sha256(maya.token)}`;
	await until('the session in Redis', async () => await world.redis.command('EXISTS', key));
	const out = await maya.delete('/api/v1/session');
	assert.equal(out.status, 204);
	assert.match(out.headers.get('set-cookie'), /^pensum_session=; .*Max-Age=0/);
	assert.equal(await world.redis.command('EXISTS', key), 0);
	assert.equal((await world.browser(token).get('/api/v1/session')).status, 401);

	const { browser, answer } = await signIn('gone', 'x');
	assert.equal((await browser.delete('/api/v1/session')).status, 204);
	const rows = await world.sql`SELECT state, secret FROM pensum.jobs WHERE id = ${answer.json.job.id}`;
	assert.deepEqual(rows, [['cancelled', null]]);
});

test('an expired session is none', async () => {
	const maya = await world.student('maya');
	await world.sql`UPDATE pensum.sessions SET expires_at = now() - interval '1 second' WHERE token_hash = ${sha256(maya.token)}`;
	assert.equal((await maya.get('/api/v1/session')).status, 401);
});

test('courses: a job, then PostgreSQL, then Redis; refreshing forgets both', async () => {
	const maya = await world.student('maya');
	const first = await maya.get('/api/v1/courses');
	assert.equal(first.status, 202);
	assert.equal(first.json.job.kind, 'courses');
	assert.equal((await maya.get('/api/v1/courses')).json.job.id, first.json.job.id, 'no second job');
	await finish(first.json.job.id, 'succeeded');
	await world.giveCourses(maya);
	await world.giveAssignments(maya);

	const listed = (await maya.get('/api/v1/courses')).json;
	assert.equal(listed.source, 'postgres');
	assert.match(listed.read_at, ISO);
	assert.match(listed.expires_at, ISO);
	const { checked_at: checkedAt, ...rest } = listed.courses[0];
	assert.deepEqual(rest, COURSES[0]);
	assert.match(checkedAt, ISO);
	assert.equal(listed.courses[2].checked_at, null);
	assert.deepEqual({ ...(await maya.get('/api/v1/courses')).json, source: 'postgres' }, listed);
	assert.equal((await maya.get('/api/v1/courses')).json.source, 'redis');

	const refresh = await maya.post('/api/v1/courses/refresh');
	assert.equal(refresh.status, 202);
	assert.equal(await world.redis.command('GET', `pensum:courses:${maya.userId}`), '');
	assert.equal((await maya.post('/api/v1/courses/refresh')).json.job.id, refresh.json.job.id);
	assert.equal((await maya.get('/api/v1/courses')).json.job.id, refresh.json.job.id);
});

test('a check is of courses of one\'s own list', async () => {
	const maya = await world.student('maya');
	const unknown = await maya.post('/api/v1/checks', { courses: [11] });
	assert.deepEqual([unknown.status, unknown.json.code], [409, 'courses_unknown']);
	await world.giveCourses(maya);
	const done = await maya.post('/api/v1/checks', { courses: [12, 11] });
	assert.equal(done.status, 202);
	const { job } = done.json;
	assert.deepEqual(Object.keys(job).sort(), ['assignment', 'batch', 'created_at', 'done', 'failure',
		'finished_at', 'id', 'kind', 'note', 'result', 'state', 'step', 'title', 'total', 'version']);
	const [[input, queue, priority, rung]] = await world.sql`SELECT input, queue, priority, rung_at IS NOT NULL
		FROM pensum.jobs WHERE id = ${job.id}`;
	assert.deepEqual(JSON.parse(input), { site: 'default', courses: [{ id: 12, name: COURSES[1].name }, { id: 11, name: COURSES[0].name }] });
	assert.deepEqual([queue, priority, rung], ['checker', 'normal', 't']);
	await until('bell', async () => (await world.redis.command('XRANGE', 'pensum:jobs:checker:normal', '-', '+'))
		.some(([, fields]) => fields.join() === `j,${job.id},a,0`));
	const foreign = await maya.post('/api/v1/checks', { courses: [11, 99] });
	assert.deepEqual([foreign.status, foreign.json.code], [422, 'course_not_yours']);
	assert.match(foreign.json.detail, /\b99\b/);
});

test('assignments: by course, with what could not be checked', async () => {
	const maya = await world.student('maya');
	assert.deepEqual((await maya.get('/api/v1/assignments')).json, { courses: [] });
	await world.giveAssignments(maya);
	const { courses } = (await maya.get('/api/v1/assignments')).json;
	assert.deepEqual(courses.map((c) => [c.id, c.assignments.length, c.failure?.code ?? null]), [[11, 6, null], [12, 0, 'course_hidden']]);
	assert.deepEqual(courses[0].assignments[0], { id: 301, name: 'Sheet 0', url: `${SITE.url}/mod/assign/view.php?id=301`,
		section: 'Week 1', due: '2030-05-01T10:00:00Z', due_text: '1 May', status: 'none', handin: '', pending: true, reason: '' });
});

test('documents: a job for each of up to five, all or none', async () => {
	const maya = await world.student('maya');
	await world.giveAssignments(maya);
	const five = await maya.post('/api/v1/documents', order([303, 301, 302, 304, 305]));
	assert.equal(five.status, 202);
	assert.match(five.json.batch, /^[0-9a-f]{24}$/);
	const rows = await world.sql`SELECT id, input FROM pensum.jobs WHERE batch = ${five.json.batch} ORDER BY (input->>'index')::int`;
	assert.deepEqual(rows.map((row) => row[0]), five.json.jobs.map((job) => job.id));
	assert.deepEqual(JSON.parse(rows[0][1]), { site: 'default', index: 0, cmid: 303, title: 'Sheet 2', url: `${SITE.url}/mod/assign/view.php?id=303`,
		due: Date.parse('2030-05-01T10:00:00Z') / 1000, course: { id: 11, name: 'Algorithms' }, student: STUDENT, format: 'docx', draft: 'template' });

	const before = await world.jobCount();
	for (const [body, code] of [
		[order([301, 302, 303, 304, 305, 306]), 'too_many_assignments'],
		[order([301, 301]), 'duplicate'],
		[order([301, 999]), 'assignment_not_yours'],
		[order([301], { format: 'odt' }), 'unknown_format'],
		[order([301], { draft: 'magic' }), 'unknown_draft'],
		[order([301], { extra: 1 }), 'unknown_member'],
		[order([301], { student: { ...STUDENT, email: 'x' } }), 'unknown_member'],
	]) {
		const answer = await maya.post('/api/v1/documents', body);
		assert.deepEqual([answer.status, answer.json.code], [422, code]);
	}
	assert.equal(await world.jobCount(), before);
	const stranger = await world.student('stranger');
	assert.equal((await stranger.post('/api/v1/documents', order([301]))).json.code, 'assignment_not_yours');
	for (const id of rows.map((row) => row[0])) assert.equal((await stranger.get(`/api/v1/jobs/${id}`)).status, 404);
});

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

test('a repeated sign-in is one job, and the newest cookie has it', async () => {
	const key = { 'Idempotency-Key': 'signin-1' };
	const first = await signIn('paul', 'p-1', key);
	const second = await signIn('paul', 'p-1', key);
	assert.equal(second.answer.json.job.id, first.answer.json.job.id);
	assert.equal((await second.browser.get('/api/v1/jobs')).json.jobs.length, 1);
	assert.equal((await signIn('paul', 'p-2', key)).answer.json.code, 'idempotency_mismatch');
	assert.equal((await signIn('paula', 'p-1', key)).answer.status, 202);
	// It ended: the same request is a new try.
	await finish(first.answer.json.job.id, 'failed', { code: 'wrong_password', message: null });
	const third = await signIn('paul', 'p-1', key);
	assert.notEqual(third.answer.json.job.id, first.answer.json.job.id);
	const failed = (await second.browser.get(`/api/v1/jobs/${first.answer.json.job.id}`)).json;
	assert.deepEqual(failed.failure, { code: 'wrong_password', message: 'Moodle did not accept this username and password.' });
});

test('a second session of one sign-in becomes active, too, when it comes after the end', async () => {
	const { answer } = await signIn('late', 'x');
	const job = answer.json.job.id;
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${job}`;
	await finish(job, 'succeeded');
	const late = world.browser(`pensum_session=${'b'.repeat(43)}`);
	await world.sql`INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at)
		VALUES (${sha256('b'.repeat(43))}, ${userId}, ${job}, false, now() + interval '1 hour')`;
	assert.equal((await late.get('/api/v1/session')).json.state, 'active');
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

test('a refresh that is repeated after its job has ended does not drop the list which that has read', async () => {
	const lists = async (maya) => Number((await world.sql`SELECT count(*) FROM pensum.course_lists WHERE user_id = ${maya.userId}`)[0][0]);
	for (const headers of [{}, { 'idempotency-key': newId() }]) {
		const maya = await world.student('maya');
		await world.giveCourses(maya);
		const refresh = () => maya.post('/api/v1/courses/refresh', undefined, headers);
		const first = (await refresh()).json.job.id;
		assert.equal(await lists(maya), 0);
		await world.sql`UPDATE pensum.jobs SET state = 'succeeded', attempt = 1, finished_at = now() WHERE id = ${first}`;
		await world.giveCourses(maya);
		assert.equal((await refresh()).json.job.id, first);
		assert.equal(await lists(maya), 1);
	}
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

test('sign-ins are limited, and Retry-After is true', async () => {
	const codes = [];
	let wait;
	for (let i = 0; i < 12; i++) {
		const { answer } = await signIn('eager', `try-${i}`);
		codes.push(answer.status);
		if (answer.status === 429) {
			assert.equal(answer.json.code, 'too_many_signins');
			wait = Number(answer.headers.get('retry-after'));
		}
	}
	assert.deepEqual(codes.slice(0, 10), Array(10).fill(202));
	assert.equal(codes[11], 429);
	assert.ok(wait >= 1 && wait <= 6, `${wait}`);
	await sleep(wait * 1000);
	assert.equal((await signIn('EAGER ', 'again')).answer.status, 202);
});

test('many sign-ins from one address are limited, also behind a proxy on this machine', async () => {
	const from = (address, i) => signIn(`crowd-${i}`, 'x', { 'X-Forwarded-For': `10.0.0.1, ${address}` });
	const answers = await Promise.all(Array.from({ length: 63 }, (_, i) => from('198.51.100.7', i)));
	const statuses = answers.map(({ answer }) => answer.status);
	assert.ok(statuses.filter((status) => status === 202).length >= 60, statuses.join());
	assert.ok(statuses.includes(429));
	assert.equal((await from('198.51.100.8', 99)).answer.status, 202);
});

test('documents have links that are signed, expire, and are only their owner\'s', async () => {
	const maya = await world.student('maya');
	assert.deepEqual((await maya.get('/api/v1/documents')).json, { documents: [] });
	const { id } = await world.giveDocument(maya);
	await world.giveDocument(maya, { inSeconds: -1 });
	const { documents } = (await maya.get('/api/v1/documents')).json;
	assert.equal(documents.length, 1);
	const [{ link, created_at: createdAt, expires_at: expiresAt, ...rest }] = documents;
	assert.deepEqual(rest, { id, assignment: 301, title: 'Essay', course: 'Algorithms', file_name: 'Essay ü.docx', format: 'docx', bytes: 11 });
	assert.match(createdAt, ISO);
	assert.match(expiresAt, ISO);
	const file = await maya.get(link);
	assert.equal(file.status, 200);
	assert.equal(file.text, 'PK document');
	assert.match(file.headers.get('content-type'), /wordprocessingml/);
	assert.match(file.headers.get('content-disposition'), /^attachment; .*filename\*=UTF-8''Essay%20%C3%BC\.docx/);

	const url = new URL(link, world.url);
	const at = Number(url.searchParams.get('expires'));
	assert.ok(at > Date.now() / 1000 + 800 && at <= Date.now() / 1000 + 901);
	const variant = (change) => {
		const other = new URL(url);
		change(other.searchParams, other);
		return other.pathname + other.search;
	};
	const bad = [
		variant((q) => q.set('expires', at + 1)), variant((q) => q.set('signature', 'A'.repeat(43))),
		variant((q) => q.delete('signature')), variant((q) => q.delete('expires')), variant((q) => q.set('expires', 'soon')),
	];
	for (const target of bad) assert.deepEqual([(await maya.get(target)).status, (await maya.get(target)).json.code], [403, 'bad_signature'], target);
	const stranger = await world.student('stranger');
	assert.equal((await stranger.get(link)).status, 404);
	assert.equal((await stranger.get(link.replace(id, newId()))).status, 404);
	assert.equal((await world.browser().get(link)).status, 401);
	assert.deepEqual((await stranger.get('/api/v1/documents')).json, { documents: [] });
	// Signed for another document of the same student.
	const second = await world.giveDocument(maya);
	assert.equal((await maya.get(link.replace(id, second.id))).json.code, 'bad_signature');
	fs.rmSync(second.file);
	const listed = (await maya.get('/api/v1/documents')).json.documents.find((d) => d.id === second.id);
	assert.equal((await maya.get(listed.link)).status, 404);

	const { daemon, url: shortUrl } = await world.startSecond({ 'documents.link_s': 10 });
	const elsewhere = world.browser(maya.cookie);
	elsewhere.url = shortUrl;
	const soon = (await elsewhere.get('/api/v1/documents')).json.documents.find((d) => d.id === id).link;
	await sleep(11_500);
	const expired = await maya.get(soon);
	assert.deepEqual([expired.status, expired.json.code], [403, 'link_expired']);
	await daemon.stop();
});

test('health is public and tells the queue', async () => {
	const { status, json } = await world.browser().get('/health');
	assert.equal(status, 200);
	assert.deepEqual(Object.keys(json).sort(), ['degraded', 'max_concurrent', 'processing', 'queue_length', 'status', 'uptime_s', 'version']);
	assert.equal(json.status, 'degraded');
	assert.deepEqual(json.degraded, ['checker-worker', 'docgen-worker']);
	assert.ok(json.queue_length > 0);
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', 2), ('h:docgen', 'x', 3)`;
	await sleep(1100);
	const better = (await world.browser().get('/health')).json;
	assert.deepEqual([better.status, better.degraded, better.max_concurrent], ['ok', [], 5]);
	const onAdmin = world.browser();
	onAdmin.url = world.adminUrl;
	assert.equal((await onAdmin.get('/health')).json.status, 'ok');
	await world.sql`DELETE FROM pensum.workers`;
});

test('operators see queues and Redis, on their own listener only', async () => {
	const operator = world.browser();
	operator.url = world.adminUrl;
	assert.equal((await world.browser().get('/admin/queues')).status, 404);
	assert.equal((await operator.get('/api/v1/site')).status, 404);
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', 2)`;
	const { json } = await operator.get('/admin/queues');
	const [[queued]] = await world.sql`SELECT count(*) FROM pensum.jobs WHERE state = 'queued' AND queue = 'docgen'`;
	assert.deepEqual(json.jobs.filter((row) => row.queue === 'docgen').map((row) => [row.priority, row.state, row.count]), [['normal', 'queued', Number(queued)]]);
	assert.deepEqual(Object.keys(json.streams).sort(), ['checker', 'docgen'].flatMap((q) => ['high', 'low', 'normal'].map((p) => `pensum:jobs:${q}:${p}`)));
	assert.ok(json.streams['pensum:jobs:docgen:normal'] >= Number(queued));
	assert.deepEqual(json.workers.map((w) => [w.name, w.slots]), [['h:checker', 2]]);
	await world.sql`DELETE FROM pensum.workers`;

	await Promise.all(Array.from({ length: 2500 }, (_, i) => world.redis.command('SET', `pensum:session:x${i}`, '', 'EX', 60)));
	await world.redis.command('SET', 'foreign', '1');
	const redis = (await operator.get('/admin/redis')).json;
	assert.ok(redis.used_memory > 500_000 && redis.maxmemory === 0);
	assert.ok(redis.keys.session >= 2500 && redis.keys.jobs >= 2 && redis.keys.events === 1);
	assert.equal(redis.keys.other, 1);
});

test('no secret stands in the clear', async () => {
	const secrets = ['visible-password-1', 'visible-password-2'];
	const { browser } = await signIn('sealed', secrets[0], { 'Idempotency-Key': 'seal-1' });
	secrets.push(browser.cookie.split('=')[1]);
	const maya = await world.student('maya');
	await maya.get('/api/v1/session');
	secrets.push(maya.token);
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE input->>'username' = 'sealed'`;
	await world.giveMoodleSession(userId, secrets[1]);
	assert.equal((await signIn('sealed', secrets[1])).answer.status, 200);

	const dump = (await run('pg_dump', ['-h', world.postgres.folder, '-U', 'postgres', 'pensum'])).stdout;
	assert.match(dump, /sealed/);
	const keys = await world.redis.command('KEYS', '*');
	const values = await Promise.all(keys.map(async (key) => JSON.stringify([key,
		await world.redis.command('TYPE', key) === 'string' ? await world.redis.command('GET', key) : ''])));
	assert.ok(!values.join().includes('"sealed"}'), 'no usernames in Redis');
	for (const text of [dump, values.join('\n'), world.daemons.map((d) => d.text()).join('\n')]) {
		for (const secret of secrets) {
			assert.ok(!text.includes(secret), secret);
			assert.ok(!text.includes(sha256(secret).slice(0, 64)) || secret.length === 43, 'nor a plain hash of a password');
		}
	}
});

test('without Redis everything works, only later', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await world.giveAssignments(maya);
	const { answer } = await signIn('offline', 'pw-1');
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${answer.json.job.id}`;
	await world.giveMoodleSession(userId, 'pw-1');
	await world.redis.kill();
	await until('redis noticed', async () => (await world.browser().get('/health')).json.degraded.includes('redis'));

	assert.equal((await signIn('offline', 'pw-1')).answer.status, 200);
	assert.equal((await signIn('offline', 'pw-2')).answer.status, 202);
	assert.equal((await maya.get('/api/v1/courses')).json.source, 'postgres');
	const operator = world.browser();
	operator.url = world.adminUrl;
	assert.equal((await operator.get('/admin/redis')).json.code, 'redis_away');
	assert.equal((await operator.get('/admin/queues')).json.streams['pensum:jobs:checker:high'], null);
	const check = await maya.post('/api/v1/checks', { courses: [11] });
	assert.equal(check.status, 202);
	assert.equal((await maya.get(`/api/v1/jobs/${check.json.job.id}`)).json.state, 'queued');
	assert.equal((await maya.post('/api/v1/documents', order([301]))).status, 202);
	assert.equal((await maya.delete(`/api/v1/jobs/${check.json.job.id}`)).json.state, 'cancelled');
	const ben = await world.student('ben');
	assert.equal((await ben.delete('/api/v1/session')).status, 204);

	await world.redis.start();
	// The bell that nobody could hear is rung when there is one again.
	await until('bell', async () => (await world.redis.command('XLEN', 'pensum:jobs:docgen:normal')) > 0, 15_000);
	assert.deepEqual((await world.browser().get('/health')).json.degraded.includes('redis'), false);
});

test('without PostgreSQL: 503 and when to come back, never a false 202', async () => {
	const maya = await world.student('maya');
	await maya.get('/api/v1/session');
	await world.postgres.kill();
	const killed = Date.now();
	for (const [method, path, body] of [['POST', '/api/v1/session', { username: 'x', password: 'y' }], ['GET', '/api/v1/jobs'],
		['POST', '/api/v1/checks', { courses: [11] }], ['GET', '/api/v1/assignments']]) {
		const answer = await maya.request(method, path, body);
		assert.deepEqual([answer.status, answer.json.code], [503, 'database_away'], path);
		const wait = Number(answer.headers.get('retry-after')), away = (Date.now() - killed) / 1000;
		assert.ok(wait >= 1 && wait <= 1.25 * (1 + Math.max(5, away / 2)), `${wait} s, after ${away}`);
	}
	const health = (await world.browser().get('/health')).json;
	assert.deepEqual([health.status, health.degraded], ['degraded', ['postgres']]);
	assert.ok(health.queue_length > 0, 'the last known number');
	await world.postgres.start();
	await until('back', async () => (await maya.get('/api/v1/jobs')).status === 200, 15_000, 100);
});
