// Checks and course lists by Moodle's mobile web service, without a browser, and in a browser: the same
// student, the same records, and each road's own way of ending.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generations } from '../moodle/generations.mjs';
import { PASSWORD, siteOfStates } from '../moodle/states.mjs';
import { JobFailure } from '../support/pensum.mjs';
import { startSystem } from '../support/system.mjs';

const COURSE = 100;
const HIDDEN_COURSE = 300; // enrolled, but not to be seen now
const SINGLE_COURSE = 310; // is its one activity
const FIRST_COURSE = 311; // all in its first section
const CROWDED_COURSE = 312; // more dates than Moodle tells at once, and all the same
const CROWD = 120;
let system;
let site;
let p;

before(async () => {
	site = siteOfStates({ courses: 2 });
	site.data.courses.push({ id: HIDDEN_COURSE, fullname: 'Hidden', shortname: 'H', visible: false, members: ['maya'], assignments: [] });
	for (const [id, format] of [[SINGLE_COURSE, 'singleactivity'], [FIRST_COURSE, 'topics']]) {
		site.data.courses.push({ id, fullname: `Course ${id}`, shortname: `C${id}`, format, members: ['maya'],
			assignments: [{ cmid: id * 100, name: 'Essay', section: '', intro: '<p>Write.</p>', due: '+3d' }] });
	}
	const quiz = (_, n) => ({ cmid: CROWDED_COURSE * 1000 + n, module: 'quiz', event: 'close', name: `Quiz ${n}`, due: '+3d' });
	site.data.courses.push({ id: CROWDED_COURSE, fullname: 'Crowded', shortname: 'CR', members: ['maya'], assignments: [],
		activities: Array.from({ length: CROWD }, quiz) });
	Object.assign(site.data.courses[1], { fullname: 'R&D &amp; <i>more</i> 課題 &eacute;', favourite_of: ['maya'], hidden_by: ['maya'], startdate: '+9d' });
	system = await startSystem({ settings: { 'log.level': 'debug' }, moodle: { data: site.data } });
});
after(async () => {
	p?.close();
	await system?.stop();
});

const sql = (text) => system.postgres.query(text);
const counts = () => system.moodle.state().counts;
const courses = () => sql('SELECT courses FROM pensum.course_lists').then(([[text]]) => JSON.parse(text));

const NO_SERVICE = 'pensum:noservice:default';

// A new sign-in with nothing kept of the one before.
async function signIn({ service, ...knobs }) {
	p?.close();
	for (const table of ['sessions', 'moodle_sessions']) await sql(`DELETE FROM pensum.${table}`);
	await sql('DELETE FROM pensum.assignments');
	await sql('DELETE FROM pensum.activities');
	for (const key of await system.redis.command('KEYS', 'pensum:*:????????????????????????????????')) await system.redis.command('DEL', key);
	await system.redis.command('DEL', NO_SERVICE);
	system.moodle.control({ reset: true, web_service: service, ...knobs });
	p = system.client({ limitMs: 60_000 });
	await p.signIn('maya', PASSWORD);
}

async function check(ids = [COURSE]) {
	await sql('DELETE FROM pensum.jobs'); // the same order a moment later is the same job
	const job = await p.check(ids);
	const { courses: checked } = await p.call('GET', '/api/v1/assignments');
	return { job, checked: checked.filter((one) => ids.includes(one.id)) };
}

const isInBrowser = () => counts().lists > 0;

// What only one road sees: the texts of dates and, of what is settled up to 4.5, whether it had one; the
// section of what is not on the course's page.
function alike(assignment, other) {
	const { due, due_text: text, reason, section, ...rest } = assignment;
	return {
		...rest, reason: reason.replace(/^It opens later.*/, 'It opens later'),
		due: due === null || other.due === null ? null : due, section: section && other.section,
	};
}

function compare(byService, inBrowser) {
	const other = new Map(inBrowser.assignments.map((one) => [one.id, one]));
	const mine = new Map(byService.assignments.map((one) => [one.id, one]));
	assert.deepEqual([...mine.keys()].sort(), [...other.keys()].sort());
	for (const [id, one] of mine) {
		assert.deepEqual(alike(one, other.get(id)), alike(other.get(id), one), one.name);
		const isDueHidden = other.get(id).due === null && one.due !== null;
		assert.ok(!isDueHidden || other.get(id).handin === 'done', `${one.name}: due`);
		assert.ok(one.section === other.get(id).section || one.name === 'not on the course\'s page', `${one.name}: section`);
	}
	assert.deepEqual(byService.activities, inBrowser.activities);
}

// Section by section; what is not on the course's page (it has no section) is the last.
function isInPageOrder({ assignments }) {
	const places = assignments.map(({ id, section }) => [section || 'Z', id]);
	const sorted = [...places].sort(([a, m], [b, n]) => a.localeCompare(b) || m - n);
	assert.deepEqual(places, sorted);
}

function compareTruth({ assignments }) {
	const found = new Map(assignments.map((one) => [one.id, one]));
	for (const [cmid, { name, status, handin, pending, due }] of site.truth.get(COURSE)) {
		const one = found.get(cmid);
		const is = [one?.status, one?.handin, one?.pending, one?.due ? Date.parse(one.due) / 1000 : null];
		assert.deepEqual(is, [status, handin, pending, due], name);
	}
	assert.equal(found.size, site.truth.get(COURSE).size);
}

for (const generation of generations) {
	test(`Moodle ${generation} is told alike by both roads, and as it is`, async () => {
		await signIn({ service: true, generation });
		const byService = await check();
		await p.refreshCourses();
		const listed = await courses();
		const { ws, lists, views } = counts();
		assert.deepEqual([lists, views], [0, 0], 'no page of the site was read');
		const states = site.truth.get(COURSE).size;
		assert.equal(ws.mod_assign_get_submission_status, states);
		assert.equal(byService.job.result.requests, 1 + Math.ceil((states + 1) / 50));
		assert.equal(ws.requests, byService.job.result.requests + 1, 'and one for the course list');
		compareTruth(byService.checked[0]);
		isInPageOrder(byService.checked[0]);

		await signIn({ service: false, generation });
		const inBrowser = await check();
		await p.refreshCourses();
		assert.ok(isInBrowser());
		assert.deepEqual(counts().ws, {}, 'what is not offered is not asked for');
		compare(byService.checked[0], inBrowser.checked[0]);
		assert.deepEqual(listed, await courses());
	});
}

for (const [generation, first] of [['4.5', ''], ['5.0', 'General'], ['5.1', 'General']]) {
	test(`Moodle ${generation} names the first section ${first ? 'too' : 'nowhere'}, and none of a single activity`, async () => {
		for (const service of [true, false]) {
			await signIn({ service, generation });
			const { checked } = await check([SINGLE_COURSE, FIRST_COURSE]);
			const sections = Object.fromEntries(checked.map((course) => [course.id, course.assignments.map((one) => one.section)]));
			assert.deepEqual(sections, { [SINGLE_COURSE]: [''], [FIRST_COURSE]: [first] }, service ? 'by service' : 'in a browser');
		}
	});
}

test('of many activities with one date none is lost, by either road', async () => {
	for (const service of [true, false]) {
		await signIn({ service });
		const { checked: [course] } = await check([CROWDED_COURSE]);
		assert.deepEqual([course.activities.length, isInBrowser()], [CROWD, !service]);
	}
});

test('a part of the activities never stands for all of them, by either road', async () => {
	for (const service of [true, false]) {
		await signIn({ service });
		await check([CROWDED_COURSE]);
		system.moodle.control({ ajax_errors: { core_calendar_get_action_events_by_course: 'nopermissions' } });
		const { checked: [course] } = await check([CROWDED_COURSE]);
		assert.deepEqual([course.activities.length, isInBrowser()], [CROWD, !service], 'as they were told before');
	}
});

test('a state that is not told is "could not be checked", and the rest arrives', async () => {
	await signIn({ service: true });
	system.moodle.control({ status_errors: { 10003: 'somethingwrong' } });
	const { checked: [course] } = await check();
	const { status, pending, handin, reason } = course.assignments.find((one) => one.id === 10003);
	assert.deepEqual([status, pending, handin], ['unknown', null, 'unknown']);
	assert.equal(reason, 'could not be checked: Moodle answers "somethingwrong"');
	assert.equal(course.assignments.filter((one) => one.pending === null).length, 1);
	assert.ok(!isInBrowser());
});

const answerOf = (...told) => JSON.stringify({ responses: told.map((data) => ({ error: false, data: JSON.stringify(data) })) });

describe('the road is left', () => {
	test('a token that Moodle does not take any more is forgotten, and the browser goes on', async () => {
		await signIn({ service: true });
		system.moodle.control({ dead_tokens: true });
		compareSize(await check());
		assert.ok(isInBrowser());
		assert.equal(counts().ws.requests, 1);
		compareSize(await check());
		assert.equal(counts().ws.requests, 1, 'it is not tried again');
	});

	test('a course that the service does not tell is read in a browser, and says why', async () => {
		await signIn({ service: true });
		const user = (await sql('SELECT id FROM pensum.users'))[0][0];
		await sql(`UPDATE pensum.course_lists SET courses = courses || '[{"id": ${HIDDEN_COURSE}, "name": "Hidden"}]' WHERE user_id = '${user}'`);
		await system.redis.command('DEL', `pensum:courses:${user}`);
		const { checked } = await check([COURSE, HIDDEN_COURSE]);
		assert.equal(checked.find((one) => one.id === HIDDEN_COURSE).failure.code, 'course_hidden');
		compareTruth(checked.find((one) => one.id === COURSE));
		const lists = system.moodle.requests.filter(({ path }) => path.startsWith('/mod/assign/index.php'));
		assert.deepEqual(lists.map(({ path }) => path), [`/mod/assign/index.php?id=${HIDDEN_COURSE}`]);
	});

	test('a function that is not offered is no failure', async () => {
		await signIn({ service: true });
		system.moodle.control({ ajax_errors: { mod_assign_get_assignments: 'accessexception' } });
		compareSize(await check());
		assert.ok(isInBrowser());
	});

	test('sections that are not told cost nothing else', async () => {
		await signIn({ service: true });
		system.moodle.control({ ajax_errors: { core_course_get_contents: 'somethingwrong' } });
		const { checked: [course] } = await check();
		assert.deepEqual(new Set(course.assignments.map((one) => one.section)), new Set(['']));
		compareTruth(course);
		assert.ok(!isInBrowser());
	});

	for (const [name, failure] of [
		['a page instead of an answer', { status: 200, body: '<h1>Hello</h1>' }],
		['a redirect to another host', { status: 302, headers: { location: 'http://127.0.0.1:9/webservice/rest/server.php' } }],
		['an error of the server', { status: 500 }],
		['a connection that breaks', { status: 0 }],
		['half an answer', { status: 200, body: '{"responses":[{"error":false,"data":"{\\"courses\\":' }],
		['an answer of another shape', { status: 200, body: '{"responses":[1,{"error":false},null]}' }],
		['assignments that cannot be asked about', { status: 200, body: answerOf({ release: '4.5.3' }, { courses: [{ id: COURSE, assignments: [{ cmid: 7, name: 'no id' }] }] }) }],
		['more than is taken', { status: 200, body: 'x'.repeat(9 << 20) }],
	]) {
		test(`${name}: the browser goes on`, async () => {
			await signIn({ service: true });
			system.moodle.control({ fail: [{ path_prefix: '/webservice/', ...failure }] });
			compareSize(await check());
			assert.ok(isInBrowser());
		});
	}

	test('a course list that is not understood is read in a browser', async () => {
		await signIn({ service: true });
		const listed = await courses();
		const { ajax } = counts();
		system.moodle.control({ fail: [{ path_prefix: '/webservice/', status: 200, body: answerOf({ courses: [{ id: 'x', fullname: 'X' }], nextoffset: 1 }) }] });
		await p.refreshCourses();
		assert.deepEqual(await courses(), listed);
		assert.notDeepEqual(counts().ajax, ajax);
	});
});

function compareSize({ checked: [course] }) {
	assert.equal(course.assignments.length, site.truth.get(COURSE).size);
}

for (const [said, most] of [['60', 60], ['9223372036854775807', 600]]) {
	test(`a site that asks to be left alone for ${said} s is, for ${most} s, whichever road is taken`, async () => {
		await signIn({ service: true });
		system.moodle.control({ fail: [{ path_prefix: '/webservice/', status: 429, headers: { 'Retry-After': said } }] });
		await sql('DELETE FROM pensum.jobs');
		const { job } = await p.call('POST', '/api/v1/checks', { courses: [COURSE] });
		await waitFor(async () => (await sql(`SELECT failure_code FROM pensum.jobs WHERE id = '${job.id}'`))[0][0] === 'site_busy');
		const [key] = await system.redis.command('KEYS', 'pensum:pause*');
		const pause = Number(await system.redis.command('TTL', key));
		assert.ok(pause > most / 2 && pause <= most, String(pause));
		const { requests } = counts();
		const [[seconds]] = await sql(`SELECT extract(epoch FROM run_at - now()) FROM pensum.jobs WHERE id = '${job.id}'`);
		assert.ok(Number(seconds) > most / 2, String(seconds));
		assert.equal(counts().requests, requests);
		await p.call('DELETE', `/api/v1/jobs/${job.id}`);
		await system.redis.command('DEL', key);
	});
}

async function waitFor(isSo) {
	for (const until = Date.now() + 30_000; Date.now() < until;) {
		if (await isSo()) return;
		await new Promise((resolve) => { setTimeout(resolve, 50); });
	}
	assert.fail('not within 30 s');
}

test('a short Retry-After is waited for in place', async () => {
	await signIn({ service: true });
	system.moodle.control({ fail: [{ path_prefix: '/webservice/', status: 503, times: 1, headers: { 'Retry-After': '1' } }] });
	compareTruth((await check()).checked[0]);
	assert.ok(!isInBrowser());
});

test('a wrong password gets no token, and the token is nowhere in the clear', async () => {
	await signIn({ service: true });
	const { token } = system.moodle.site.users.get('maya');
	assert.match(token, /^[0-9a-f]{32}$/);
	assert.equal(counts().ws.token, 1);
	await check();
	const rows = await sql('SELECT sealed FROM pensum.moodle_sessions');
	const keys = await system.redis.command('KEYS', '*');
	const values = await Promise.all([].concat(keys).map((key) => system.redis.command('DUMP', key)));
	const jobs = await sql('SELECT j::text FROM pensum.jobs j');
	for (const text of [JSON.stringify(rows), JSON.stringify(jobs), values.map(String).join('\n'), system.logText()]) {
		assert.ok(!text.includes(token) && !text.includes(PASSWORD));
	}
	assert.ok(!system.moodle.requests.some(({ path }) => path.includes(token)), 'and in no address');

	const stranger = system.client({ limitMs: 30_000 });
	await assert.rejects(stranger.signIn('maya', 'wrong one'), (e) => e instanceof JobFailure && e.code === 'wrong_password');
	assert.equal(counts().ws.token, 1, 'the form has refused it before');
	stranger.close();
});

test('documents are made, and the sign-out ends Moodle\'s session, with the cookies beside the token', async () => {
	await signIn({ service: true });
	await check();
	const [document] = await p.documents([10000], { name: 'Maya N', roll: '1' });
	assert.ok((await p.download(document)).length > 1000);
	const { sessions } = counts();
	await p.call('DELETE', '/api/v1/session');
	await waitFor(() => counts().sessions === sessions - 1);
	assert.deepEqual(await sql('SELECT sealed FROM pensum.moodle_sessions'), []);
});

test('a dead Moodle session does not stop what the token can do', async () => {
	await signIn({ service: true });
	system.moodle.control({ expire_sessions: true });
	compareTruth((await check()).checked[0]);
	system.moodle.control({ dead_tokens: true });
	await assert.rejects(check(), (e) => e instanceof JobFailure && e.code === 'session_dead');
});

test('site.road = service never opens a browser for a check, and says when it cannot do without', async (t) => {
	const other = await startSystem({ moodle: { data: site.data }, settings: { 'site.road': 'service' } });
	t.after(() => other.stop());
	for (const [isOffered, code] of [[true, undefined], [false, 'no_service']]) {
		await other.postgres.query('DELETE FROM pensum.moodle_sessions');
		await other.redis.command('FLUSHALL');
		other.moodle.control({ reset: true, web_service: isOffered });
		const client = other.client({ limitMs: 60_000 });
		await client.signIn('maya', PASSWORD);
		await other.postgres.query('DELETE FROM pensum.jobs');
		const ended = await client.check([COURSE]).catch((e) => e);
		assert.equal(ended.code, code);
		assert.equal(other.moodle.state().counts.lists, 0);
		client.close();
	}
});

test('a job whose time is over while the web service is silent says so', async (t) => {
	const other = await startSystem({ moodle: { data: site.data }, settings: { 'checker.time_limit_s': 5, 'jobs.max_attempts': 1 } });
	t.after(() => other.stop());
	other.moodle.control({ web_service: true });
	const client = other.client({ limitMs: 60_000 });
	t.after(() => client.close());
	await client.signIn('maya', PASSWORD);
	other.moodle.control({ hang: ['/webservice/'] });
	await assert.rejects(client.check([COURSE]), (e) => e.code === 'timeout' && e.job.state === 'dead');
});

test('a site that offers no service is not asked again for ten minutes, unless there is no other road', async () => {
	const asked = () => system.moodle.requests.filter((one) => one.path.startsWith('/lib/ajax/service-nologin.php')).length;
	const signInAgain = async () => {
		await sql('DELETE FROM pensum.moodle_sessions');
		await system.redis.command('DEL', ...await system.redis.command('KEYS', 'pensum:moodle:*'));
		await p.signIn('maya', PASSWORD);
	};
	await sql('DELETE FROM pensum.jobs'); // one that waits for a sign-in would open the same address
	await signIn({ service: false });
	assert.equal(asked(), 1);
	const ttl = await system.redis.command('TTL', NO_SERVICE);
	assert.ok(ttl > 500 && ttl <= 600, `${ttl} s`);

	system.moodle.control({ web_service: true });
	await signInAgain();
	assert.equal(asked(), 1);
	assert.equal(counts().logins, 2);

	await system.redis.command('DEL', NO_SERVICE);
	await signInAgain();
	assert.equal(asked(), 2);
	assert.equal(await system.redis.command('EXISTS', NO_SERVICE), 0, 'what is offered is no news to keep');
	await check();
	assert.equal(isInBrowser(), false);
});

test('site.road = browser asks for no token', async (t) => {
	const other = await startSystem({ moodle: { data: site.data }, settings: { 'site.road': 'browser' } });
	t.after(() => other.stop());
	other.moodle.control({ web_service: true });
	const client = other.client({ limitMs: 60_000 });
	await client.signIn('maya', PASSWORD);
	assert.equal((await client.check([COURSE])).result.failed, 0);
	assert.deepEqual(other.moodle.state().counts.ws, {});
	client.close();
});
