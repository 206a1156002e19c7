// The API as a student's browser uses it: real gateway, Redis and PostgreSQL, no workers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { COURSES, newId, order, SITE, startGateway, STUDENT } from '../support/gateway.mjs';
import { sleep, until } from '../support/process.mjs';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
let world;

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

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

test('courses: a job, then PostgreSQL, then Redis; while they are read again the list stays', async () => {
	const maya = await world.student('maya');
	const first = await maya.get('/api/v1/courses');
	assert.equal(first.status, 202);
	assert.equal(first.json.job.kind, 'courses');
	assert.equal((await maya.get('/api/v1/courses')).json.job.id, first.json.job.id, 'no second job');
	await world.finish(first.json.job.id, 'succeeded');
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
	assert.equal((await maya.post('/api/v1/courses/refresh')).json.job.id, refresh.json.job.id);
	await world.finish(refresh.json.job.id, 'failed');
	assert.deepEqual({ ...(await maya.get('/api/v1/courses')).json, source: 'postgres' }, listed);
	assert.equal((await maya.post('/api/v1/checks', { courses: [11] })).status, 202);
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
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await maya.delete(`/api/v1/jobs/${(await maya.post('/api/v1/checks', { courses: [12] })).json.job.id}`);
	await until('its event', () => world.redis.command('EXISTS', 'pensum:events'));
	const redis = (await operator.get('/admin/redis')).json;
	assert.ok(redis.used_memory > 500_000 && redis.maxmemory === 0);
	assert.ok(redis.keys.session >= 2500 && redis.keys.jobs >= 2 && redis.keys.events === 1);
	assert.equal(redis.keys.other, 1);
});

test('without Redis everything works, only later', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await world.giveAssignments(maya);
	const { answer } = await world.signIn('offline', 'pw-1');
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${answer.json.job.id}`;
	await world.giveMoodleSession(userId, 'pw-1');
	await world.redis.kill();
	await until('redis noticed', async () => (await world.browser().get('/health')).json.degraded.includes('redis'));

	assert.equal((await world.signIn('offline', 'pw-1')).answer.status, 200);
	assert.equal((await world.signIn('offline', 'pw-2')).answer.status, 202);
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
