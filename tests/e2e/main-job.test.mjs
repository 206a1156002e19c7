// The main job from outside: real daemons, real Chromium, Redis and PostgreSQL, the stand-in Moodle.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startSystem } from '../support/system.mjs';
import { JobFailure, Problem } from '../support/pensum.mjs';
import { until } from '../support/process.mjs';

const PASSWORD = 'Pensum-demo-1';
let system;

before(async () => {
	system = await startSystem();
});
after(() => system?.stop());

async function signedIn(user = 'maya') {
	const p = system.client();
	await p.signIn(user, PASSWORD);
	return p;
}

function assertVersionsGrow(events) {
	const last = new Map();
	for (const { job, version: [k, n] } of events) {
		const [lk, ln] = last.get(job) ?? [-1, -1];
		assert.ok(k > lk || (k === lk && n > ln), `${job}: ${k}.${n} after ${lk}.${ln}`);
		last.set(job, [k, n]);
	}
}

// What stands in a page before any script is run there.
const firstDocuments = () => system.moodle.requests.filter((r) => r.path.includes('info=tool_mobile_get_public_config')).length;

test('a student signs in, sees what is owed and gets five drafts', async () => {
	const p = system.client();
	const session = await p.signIn('maya', PASSWORD);
	assert.equal(session.state, 'active');
	assert.equal(session.user.username, 'maya');

	const { courses } = await p.courses();
	assert.deepEqual(courses.map((c) => c.id).sort(), [11, 12, 13, 14]);
	const documentsBefore = firstDocuments();
	const check = await p.check(courses.map((c) => c.id));
	assert.equal(check.result.failed, 0);
	const firstRequests = firstDocuments() - documentsBefore;

	const owed = (await p.assignments()).filter((a) => a.pending);
	assert.ok(owed.length >= 8, `${owed.length} owed`);
	assert.ok(owed.some((a) => a.due) && owed.some((a) => !a.due));
	assert.ok(!owed.some((a) => [304, 406].includes(a.id)), 'graded and submitted work is not owed');
	const { views_by_cmid: views, lists } = system.moodle.state().counts;
	assert.ok(![301, 304, 406].some((id) => views[id]), 'what list and calendar settle is not opened');
	const { ajax } = system.moodle.state().counts;
	const opened = Object.values(views).reduce((sum, n) => sum + n, 0);
	assert.equal(firstRequests, 1);
	assert.equal(check.result.requests, firstRequests + lists + opened + ajax.core_get_strings + ajax.core_calendar_get_action_events_by_courses);
	assert.ok(check.result.bytes > 1000);
	const offline = (await p.assignments()).find((a) => a.id === 305);
	assert.deepEqual([offline.pending, offline.handin], [false, 'offline']);

	const documents = await p.documents(owed.slice(0, 5).map((a) => a.id), { name: 'Maya Novák', roll: '17' });
	assert.equal(new Set(documents.map((d) => d.id)).size, 5);
	const made = (await p.call('GET', '/api/v1/jobs')).jobs.filter((job) => job.kind === 'document');
	assert.equal(made.length, 5);
	const pages = (path) => system.moodle.requests.filter((r) => r.user === 'maya' && r.path.startsWith(path)).length;
	const { result } = made.find((job) => job.assignment === 301);
	assert.ok(made.every((job) => job.result.requests >= 1 && job.result.bytes > 1000), 'what each of them cost');
	assert.ok(result.requests >= 2 && pages('/pluginfile.php') > 0, 'the picture is counted, too');
	for (const d of documents) {
		const bytes = await p.download(d);
		assert.equal(bytes.length, d.bytes);
		assert.equal(bytes.subarray(0, 2).toString(), 'PK');
		assert.equal(bytes.subarray(30, 49).toString(), '[Content_Types].xml');
		assert.match(d.file_name, /-draft\.docx$/);
	}
	const [sorting] = documents.filter((d) => d.assignment === 301);
	assert.ok((await p.download(sorting)).includes('word/media/'), 'the picture in the task is in the draft');
	assert.equal(system.moodle.state().counts.edit_opened, 0);
	assertVersionsGrow(p.events);
	const told = p.events.filter((e) => e.job === check.id && e.state === 'running');
	assert.ok(told.some((e) => e.total === 4), 'the check tells its progress');
	const steps = told.map((e) => e.step), first = steps.indexOf('checking courses');
	assert.ok(first >= 0 && steps.slice(first).every((step) => step === 'checking courses'), `in order: ${steps}`);

	const again = await p.documents([owed[0].id], { name: 'Maya Novák', roll: '17' });
	assert.equal(again[0].id, documents[0].id, 'the same draft is linked again');

	fs.rmSync(path.join(system.settings['documents.dir'], session.user.id), { recursive: true });
	const [anew] = await p.documents([owed[1].id], { name: 'Maya Novák', roll: '17' });
	assert.equal((await p.download(anew)).length, anew.bytes, 'one whose file is gone is written again');
	p.close();
});

test('a cached sign-in still needs the password', async () => {
	const first = await signedIn();
	const p = system.client();
	const answer = await p.request('POST', '/api/v1/session', { username: ' MAYA ', password: PASSWORD });
	assert.equal(answer.status, 200);
	const wrong = system.client();
	await assert.rejects(wrong.signIn('maya', 'not it'), (e) => e instanceof JobFailure && e.code === 'wrong_password');
	await assert.rejects(wrong.call('GET', '/api/v1/courses'), (e) => e instanceof Problem && [401, 403].includes(e.status));
	for (const c of [first, p, wrong]) c.close();
});

test('every way a sign-in fails has its own reason', async () => {
	const reasons = { lena: 'account_locked', mo: 'must_change_password', polly: 'policy_agreement_needed',
		prof: 'profile_incomplete', mfa: 'mfa_needed', nina: 'account_not_confirmed', sol: 'wrong_password' };
	for (const [user, code] of Object.entries(reasons)) {
		const p = system.client();
		await assert.rejects(p.signIn(user, PASSWORD), (e) => e instanceof JobFailure && e.code === code, `${user}: ${code}`);
		p.close();
	}
});

test('a site that is down or no Moodle is told apart from a wrong password', async () => {
	const p = system.client();
	system.moodle.control({ not_moodle: true });
	await assert.rejects(p.signIn('dieter', PASSWORD), (e) => e.code === 'not_moodle');
	system.moodle.control({ not_moodle: false, maintenance: true });
	await assert.rejects(p.signIn('dieter', PASSWORD), (e) => e.code === 'maintenance');
	system.moodle.control({ maintenance: false, fail: [{ path_prefix: '/', status: 503 }] });
	await assert.rejects(p.signIn('dieter', PASSWORD), (e) => e.code === 'site_down');
	system.moodle.control({ reset: true });
	p.close();
});

test('a course whose page is broken could not be checked, and the others are', async () => {
	const p = await signedIn();
	const failing = (...rules) => system.moodle.control({ reset: true, fail: rules });
	const course12 = { path_prefix: '/mod/assign/index.php?id=12', status: 500 };
	const asked = (id) => system.moodle.requests.filter((r) => r.path.startsWith(`/mod/assign/index.php?id=${id}`)).length;

	failing({ ...course12, times: 1 });
	assert.equal((await p.check([12, 11])).result.failed, 0, 'it is asked for once more');

	await system.postgres.query(`UPDATE pensum.course_checks SET checked_at = now() - interval '1 h', read_at = now() - interval '1 h'`);
	failing(course12);
	const { result } = await p.check([11, 12, 13]);
	assert.deepEqual([result.courses, result.failed], [3, 1]);
	assert.equal(asked(12), 2);
	const courses = (await p.call('GET', '/api/v1/assignments')).courses.filter((course) => course.id <= 13);
	assert.deepEqual(courses.map((course) => [course.id, course.failure?.code ?? null]).sort(),
		[[11, null], [12, 'site_down'], [13, null]]);
	assert.ok(courses.every((course) => course.assignments.length > 0), 'what was known of it stays');
	const minutes = (time) => Math.round((Date.now() - new Date(time)) / 60_000);
	assert.deepEqual(courses.map((course) => [course.id, minutes(course.checked_at), minutes(course.read_at)]).sort(),
		[[11, 0, 0], [12, 0, 60], [13, 0, 0]], 'and says how old it is');

	failing({ path_prefix: '/mod/assign/index.php', status: 502 });
	await assert.rejects(p.check([11, 12, 13, 14]), (e) => e instanceof JobFailure && e.code === 'site_down');
	assert.equal(asked(11), 3, 'each attempt asks for it');
	assert.equal(asked(14), 0, 'and goes no further than it takes to see that the site is away');

	failing({ path_prefix: '/lib/ajax/service.php', status: 500 });
	assert.equal((await p.check([11, 13])).result.failed, 0, 'a calendar that fails leaves the pages');
	system.moodle.control({ reset: true });
	p.close();
});

test('work that Moodle\'s session did not survive waits for the next sign-in and goes on', async () => {
	const p = await signedIn();
	system.moodle.control({ expire_sessions: true });
	await assert.rejects(p.check([11]), (e) => e instanceof JobFailure && e.job.state === 'waiting');
	const [job] = (await p.call('GET', '/api/v1/jobs')).jobs.filter((j) => j.state === 'waiting');
	const done = new Promise((resolve) => {
		p.onEvent = (event) => event.job === job.id && event.state === 'succeeded' && resolve();
	});
	const again = system.client();
	const answer = await again.call('POST', '/api/v1/session', { username: 'maya', password: PASSWORD });
	assert.ok(answer.job, 'the dead session is not taken from the caches');
	await done;
	p.close();
	again.close();
});

test('ten jobs whose session died start no sign-in, and one sign-in lets all of them go on', async () => {
	const p = await signedIn('bea');
	const courses = (await p.courses()).courses.slice(0, 10).map((c) => c.id);
	const { logins } = system.moodle.state().counts;
	system.moodle.control({ expire_sessions: 'bea' });
	const jobs = [];
	for (const id of courses) jobs.push((await p.call('POST', '/api/v1/checks', { courses: [id] })).job.id);
	const states = async () => (await p.call('GET', '/api/v1/jobs')).jobs.filter((j) => jobs.includes(j.id)).map((j) => j.state);
	await until('all wait', async () => (await states()).every((state) => state === 'waiting'), 60_000);
	assert.equal(system.moodle.state().counts.logins, logins, 'no job signs in by itself');
	const again = system.client();
	await again.signIn('bea', PASSWORD);
	await until('all have gone on', async () => (await states()).every((state) => state === 'succeeded'), 60_000);
	assert.equal(system.moodle.state().counts.logins, logins + 1);
	p.close();
	again.close();
});

test('courses come from Redis, then PostgreSQL, then the browser', async () => {
	const p = await signedIn();
	assert.equal((await p.courses()).source, 'postgres', 'what has just changed');
	await system.redis.command('FLUSHALL');
	assert.equal((await p.courses()).source, 'postgres');
	assert.equal((await p.courses()).source, 'redis');
	const ajax = system.moodle.state().counts.ajax.core_course_get_enrolled_courses_by_timeline_classification;
	const fresh = await p.refreshCourses();
	assert.equal(fresh.courses.length, 4);
	assert.equal(system.moodle.state().counts.ajax.core_course_get_enrolled_courses_by_timeline_classification, ajax + 1);
	p.close();
});

test('a student without courses and one with sixty', async () => {
	const none = await signedIn('noel');
	assert.deepEqual((await none.courses()).courses, []);
	const many = await signedIn('bea');
	const { courses } = await many.courses();
	assert.equal(courses.length, 60);
	const check = await many.check(courses.map((c) => c.id));
	assert.equal(check.result.failed, 0);
	assert.equal((await many.assignments()).length, 600);
	none.close();
	many.close();
});

test('names with markup, emoji and right-to-left text arrive as they are', async () => {
	const p = system.client();
	await p.signIn('odd', 'p&ss <"w\'ord> ü🔑');
	const { courses } = await p.courses();
	await p.check(courses.map((c) => c.id));
	const pending = (await p.assignments()).filter((a) => a.pending).slice(0, 5);
	const documents = await p.documents(pending.map((a) => a.id));
	assert.equal(documents.length, pending.length);
	for (const d of documents) assert.ok(!/[/\\:*?"<>|\u0000-\u001f]/.test(d.file_name), d.file_name);
	p.close();
});

test('nobody reaches what is somebody else\'s', async () => {
	const maya = await signedIn();
	const { documents: [hers] } = await maya.call('GET', '/api/v1/documents');
	const [job] = (await maya.call('GET', '/api/v1/jobs')).jobs;
	const noel = await signedIn('noel');
	assert.equal((await noel.request('GET', hers.link)).status, 404);
	assert.equal((await noel.request('GET', `/api/v1/jobs/${job.id}`)).status, 404);
	assert.equal((await noel.request('DELETE', `/api/v1/jobs/${job.id}`)).status, 404);
	assert.equal((await system.client().request('GET', hers.link)).status, 401);
	const forged = hers.link.replace(/signature=.{4}/, 'signature=AAAA');
	assert.equal((await maya.request('GET', forged)).status, 403);
	await assert.rejects(noel.call('POST', '/api/v1/checks', { courses: [11] }), (e) => e instanceof Problem && e.status >= 400 && e.status < 500);
	maya.close();
	noel.close();
});
