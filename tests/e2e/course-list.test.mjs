// The course list's cache: what is old is answered at once and read anew behind it, what is missing is read
// once, however many ask.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { startSystem } from '../support/system.mjs';
import { until } from '../support/process.mjs';

const PASSWORD = 'Pensum-demo-1';
const LISTS = 'core_course_get_enrolled_courses_by_timeline_classification';
const TEN = Array.from({ length: 10 }, (_, i) => `fresher${i}`);
let system;

before(async () => {
	const data = JSON.parse(fs.readFileSync(new URL('../moodle/site.json', import.meta.url)));
	data.students.push(...TEN.map((username) => ({ username, password: PASSWORD, firstname: 'Fresher', lastname: username, email: `${username}@example.edu` })));
	data.courses[0].members.push(...TEN);
	system = await startSystem({ moodle: { data }, settings: { 'cache.courses_fresh_s': 600 } });
});
after(() => system?.stop());

const sql = (text) => system.postgres.query(text);
const lists = () => system.moodle.state().counts.ajax[LISTS] ?? 0;
const jobs = () => sql(`SELECT state, priority, coalesce(failure_code, '') FROM pensum.jobs WHERE kind = 'courses' ORDER BY created_at`);
const userId = async (p) => (await p.call('GET', '/api/v1/session')).user.id;
const forget = () => system.redis.command('FLUSHALL');

async function grow(user, seconds) {
	await sql(`UPDATE pensum.course_lists SET read_at = now() - interval '${seconds} s' WHERE user_id = '${user}'`);
	await forget();
}

async function signedIn(name, password = PASSWORD) {
	const p = system.client({ limitMs: 60_000 });
	await p.signIn(name, password);
	return p;
}

const get = (p, times) => Promise.all(Array.from({ length: times }, async () => {
	const answer = await p.request('GET', '/api/v1/courses');
	return { status: answer.status, json: await answer.json() };
}));

test('an old list is the answer at once, one job reads it anew, and its end is told on the live channel', async () => {
	const p = await signedIn('maya');
	const user = await userId(p);
	await grow(user, 599);
	await get(p, 3);
	assert.deepEqual(await jobs(), [], 'not before it is old');

	await grow(user, 700);
	const before = lists();
	const told = new Promise((resolve) => {
		p.onEvent = (event) => event.state === 'succeeded' && resolve(event);
	});
	const answers = await get(p, 10);
	assert.deepEqual([...new Set(answers.map((a) => a.status))], [200]);
	assert.ok(answers.every(({ json }) => Date.now() - new Date(json.read_at) > 690_000), 'which says how old it is');
	const { job } = await told;
	assert.equal((await p.call('GET', `/api/v1/jobs/${job}`)).kind, 'courses');
	assert.deepEqual(await jobs(), [['succeeded', 'low', '']]);
	assert.equal(lists(), before + 1);
	const next = await p.courses();
	assert.ok(Date.now() - new Date(next.read_at) < 300_000);
	assert.equal(next.courses.length, answers[0].json.courses.length);
	p.close();
});

test('nobody is asked for a password because of it, and it is not tried all the time', async () => {
	await sql('DELETE FROM pensum.jobs');
	const p = await signedIn('maya');
	const user = await userId(p);
	await sql(`DELETE FROM pensum.jobs`);
	system.moodle.control({ expire_sessions: 'maya' });
	await grow(user, 700);
	assert.deepEqual((await get(p, 3)).map((a) => a.status), [200, 200, 200]);
	await until('it has ended', async () => (await jobs())[0]?.[0] === 'failed');
	assert.deepEqual(await jobs(), [['failed', 'low', 'session_dead']]);
	const { logins } = system.moodle.state().counts;

	await grow(user, 700);
	await get(p, 3);
	const again = await signedIn('maya');
	await grow(user, 700);
	await get(again, 3);
	assert.equal((await jobs()).length, 1, 'with a living session not before ten minutes are over, either');
	await sql(`UPDATE pensum.jobs SET finished_at = now() - interval '11 minutes' WHERE kind = 'courses'`);
	await forget();
	await get(again, 3);
	await until('the next', async () => (await jobs())[1]?.[0] === 'succeeded');
	assert.equal((await jobs()).length, 2);
	assert.equal(system.moodle.state().counts.logins, logins + 1);
	for (const c of [p, again]) c.close();
});

test('who asks for a refresh meanwhile gets that job as their own, and is asked for the password', async () => {
	const p = await signedIn('maya');
	const user = await userId(p);
	await sql('DELETE FROM pensum.jobs');
	system.moodle.control({ latency_ms: 1000, expire_sessions: 'maya' });
	await grow(user, 700);
	await get(p, 1);
	await until('it runs', async () => (await jobs())[0]?.[0] === 'running');
	const { job } = await p.call('POST', '/api/v1/courses/refresh');
	await until('it waits', async () => (await jobs())[0]?.[0] === 'waiting');
	assert.deepEqual(await jobs(), [['waiting', 'high', 'session_dead']]);
	assert.equal((await p.call('GET', `/api/v1/jobs/${job.id}`)).state, 'waiting');
	system.moodle.control({ latency_ms: 0 });
	const again = await signedIn('maya');
	await until('it has gone on', async () => (await jobs())[0]?.[0] === 'succeeded');
	for (const c of [p, again]) c.close();
});

test('ten students come at once, each with ten tabs, and each list is read once', async () => {
	const students = await Promise.all(TEN.map((name) => signedIn(name)));
	const signins = await sql(`SELECT count(*) FROM pensum.jobs WHERE kind = 'signin' AND user_id IN (SELECT id FROM pensum.users WHERE username LIKE 'fresher%')`);
	assert.deepEqual(signins, [['10']]);
	await sql('DELETE FROM pensum.jobs');
	await sql('DELETE FROM pensum.course_lists');
	await forget();
	const before = lists();
	const asked = await Promise.all(students.map((p) => get(p, 10)));
	for (const answers of asked) {
		assert.deepEqual([...new Set(answers.map((a) => a.status))], [202]);
		assert.equal(new Set(answers.map(({ json }) => json.job.id)).size, 1);
	}
	await until('all are read', async () => (await jobs()).every(([state]) => state === 'succeeded'), 60_000);
	assert.equal((await jobs()).length, 10);
	assert.equal(lists(), before + 10);

	await sql('DELETE FROM pensum.jobs');
	const refreshed = await Promise.all(students.map((p) => Promise.all(Array.from({ length: 10 }, () => p.call('POST', '/api/v1/courses/refresh')))));
	for (const answers of refreshed) assert.equal(new Set(answers.map(({ job }) => job.id)).size, 1);
	await until('all are read again', async () => (await jobs()).every(([state]) => state === 'succeeded'), 60_000);
	assert.deepEqual([(await jobs()).length, lists()], [10, before + 20]);
	for (const p of students) p.close();
});
