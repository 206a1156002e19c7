// The contract of the stand-in (see server.mjs), checked as a client sees it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Client, sesskeyOf } from './client.mjs';
import { startMoodle } from './server.mjs';
import { parseWhen } from './site.mjs';

const LOGOUT = '/login/logout.php?sesskey=';
const COURSES = 'core_course_get_enrolled_courses_by_timeline_classification';

let moodle;
before(async () => { moodle = await startMoodle(); });
after(() => moodle.close());
beforeEach(() => moodle.control({ reset: true }));

async function signedIn(username = 'maya', password = undefined) {
	const client = new Client(moodle);
	await client.login(username, password);
	return client;
}

const hasError = (text) => text.includes('id="loginerrormessage"');

describe('sign-in', () => {
	test('the right password leads over the session test to the dashboard, with a new session id', async () => {
		const client = new Client(moodle);
		await client.get('/login/index.php');
		const before_ = client.cookies.get('MoodleSession');
		const done = await client.login('  MAYA ');
		assert.deepEqual(done.hops, ['/login/index.php?testsession=3', '/my/']);
		assert.ok(done.text.includes(LOGOUT));
		assert.notEqual(client.cookies.get('MoodleSession'), before_);
		assert.ok(client.cookies.has('MOODLEID1_'));
		assert.equal(moodle.state().counts.logins, 1);
		assert.equal(moodle.state().counts.sessions >= 1, true);
	});

	test('the sign-in page has two tokens, one in each form', async () => {
		const text = await new Client(moodle).text('/login/index.php');
		assert.equal(text.match(/name="logintoken"/g).length, 2);
		assert.ok(/<form[^>]*id="login">/.test(text) && /<form[^>]*id="guestlogin">/.test(text));
	});

	test('a wrong password is told once', async () => {
		for (const [name, password] of [['maya', 'wrong'], ['nobody', 'x'], ['sol', 'Pensum-demo-1']]) {
			const client = new Client(moodle);
			const done = await client.login(name, password);
			assert.deepEqual(done.hops, ['/login/index.php?loginredirect=1']);
			assert.ok(hasError(done.text) && !done.text.includes(LOGOUT));
			assert.ok(!hasError(await client.text('/login/index.php')));
		}
	});

	test('a wrong token, or no cookie, is like a wrong password', async () => {
		const client = new Client(moodle);
		await client.get('/login/index.php');
		const form = { username: 'maya', password: 'Pensum-demo-1', logintoken: 'no' };
		assert.match((await client.post('/login/index.php', form)).headers.get('location'), /loginredirect=1$/);
	});

	test('a locked account is told in the answer itself', async () => {
		moodle.control({ lock: { maya: true } });
		for (const name of ['lena', 'maya']) {
			const response = await new Client(moodle).postLogin(name);
			assert.equal(response.status, 200);
			assert.ok(hasError(await response.text()));
		}
		moodle.control({ lock: { maya: false } });
		assert.equal((await new Client(moodle).postLogin('maya')).status, 303);
	});

	test('half signed-in students are stopped on every page', async () => {
		const stops = { mo: '/login/change_password.php', polly: '/user/policy.php', prof: '/user/edit.php', mfa: '/admin/tool/mfa/auth.php' };
		for (const [name, stop] of Object.entries(stops)) {
			const client = new Client(moodle);
			const done = await client.login(name);
			assert.equal(done.hops.at(-1), stop);
			assert.equal((await client.get('/my/courses.php')).headers.get('location'), moodle.url + stop);
		}
		const mo = await new Client(moodle).postLogin('mo');
		assert.equal(mo.headers.get('location'), `${moodle.url}/login/change_password.php`);
		const nina = await new Client(moodle).login('nina');
		assert.ok(nina.status === 200 && !nina.text.includes('id="login"') && !hasError(nina.text));
	});

	test('a lost cookie is noticed by the session test', async () => {
		const response = await new Client(moodle).get('/login/index.php?testsession=3');
		assert.ok(response.status === 200 && hasError(await response.text()));
	});

	test('the page asked for first is where sign-in leads', async () => {
		const client = new Client(moodle);
		const response = await client.get('/mod/assign/view.php?id=301');
		assert.equal(response.headers.get('location'), `${moodle.url}/login/index.php`);
		assert.equal((await client.login('maya')).hops.at(-1), '/mod/assign/view.php?id=301');
	});

	test('already signed in: no form; signing out needs the sesskey', async () => {
		const client = await signedIn();
		const text = await client.text('/login/index.php');
		assert.ok(!text.includes('id="login"') && text.includes('id="page-login-index"'));
		assert.equal((await client.get('/login/logout.php')).status, 200);
		assert.equal((await client.get(LOGOUT + client.sesskey)).status, 303);
		assert.equal((await client.get('/user/preferences.php')).status, 303);
	});

	test('a guest is somebody without being signed in', async () => {
		const client = new Client(moodle);
		const form = await client.text('/login/index.php');
		const [, logintoken] = /id="guestlogin">[^]*?name="logintoken" value="(\w+)"/.exec(form);
		const done = await client.follow(await client.post('/login/index.php', { username: 'guest', password: 'guest', logintoken }));
		client.sesskey = sesskeyOf(done.text);
		assert.ok(done.status === 200 && !done.text.includes(LOGOUT));
		assert.equal((await client.ajax('core_session_time_remaining')).data.userid, 0);
		assert.deepEqual((await client.ajax(COURSES, { classification: 'all' })).data, { courses: [], nextoffset: 0 });
		assert.match((await client.get('/course/view.php?id=11')).headers.get('location'), /\/enrol\/index.php\?id=11$/);
	});

	test('expired sessions lead to sign-in, with a notice that is no failure', async () => {
		const client = await signedIn();
		moodle.control({ expire_sessions: true });
		assert.equal((await client.ajax('core_session_time_remaining')).exception.errorcode, 'servicerequireslogin');
		assert.equal((await client.get('/my/courses.php')).headers.get('location'), `${moodle.url}/login/index.php`);
		assert.ok(hasError(await client.text('/login/index.php')));
		assert.equal((await client.login('maya')).status, 200);
	});
});

describe('ajax', () => {
	test('liveness tells dead, stale key, missing key and alive apart', async () => {
		const client = await signedIn();
		const probe = async (who, sesskey) => who.ajax('core_session_time_remaining', {}, { sesskey });
		assert.deepEqual(Object.keys((await probe(client, client.sesskey)).data), ['userid', 'timeremaining']);
		assert.equal((await probe(client, 'wrong')).exception.errorcode, 'invalidsesskey');
		assert.equal((await probe(client, null)).exception.errorcode, 'missingparam');
		const dead = await probe(new Client(moodle), 'any');
		assert.equal(dead.exception.errorcode, 'servicerequireslogin');
		assert.match(dead.exception.moreinfourl, /docs\.moodle\.org\/405\//);
	});

	test('courses: fields, escaped names, classification, pages', async () => {
		const maya = await signedIn();
		const all = async (client, args) => (await client.ajax(COURSES, args)).data;
		assert.deepEqual((await all(maya, { classification: 'all' })).courses.map((c) => c.id), [11, 13, 12]);
		const whole = await all(maya, { classification: 'allincludinghidden' });
		assert.equal(whole.courses.length, 4);
		assert.equal(whole.courses.find((c) => c.id === 14).hidden, true);
		assert.equal(whole.courses.find((c) => c.id === 12).fullname, 'Statistics &amp; Probability');
		assert.ok(whole.courses[0].courseimage.length > 8000);
		assert.deepEqual((await all(maya, { classification: 'past' })).courses.map((c) => c.id), [12]);

		const odd = await signedIn('odd', 'p&ss <"w\'ord> ü🔑');
		const names = (await all(odd, { classification: 'all' })).courses.map((c) => c.fullname);
		assert.ok(names.includes('R&amp;D  "A" 🔬'), names.join());
		assert.equal(names.filter((n) => n === 'Seminar').length, 2);

		const bea = await signedIn('bea');
		assert.equal((await all(bea, { classification: 'all' })).courses.length, 60);
		const page = await all(bea, { classification: 'all', limit: 25, offset: 50 });
		assert.deepEqual([page.courses.length, page.nextoffset], [10, 60]);
		assert.deepEqual(await all(await signedIn('noel'), { classification: 'all' }), { courses: [], nextoffset: 0 });
	});

	test('errors of arguments, of half signed-in states, of unknown and unavailable functions', async () => {
		const maya = await signedIn();
		const code = async (client, name, args) => {
			const answer = await client.ajax(name, args);
			return answer.exception?.errorcode ?? answer.errorcode;
		};
		assert.equal(await code(maya, COURSES), 'invalidparameter');
		assert.equal(await code(maya, 'mod_assign_get_assignments'), 'servicenotavailable');
		assert.deepEqual((await maya.ajax('no_such_function')).errorcode, 'invalidrecord');
		const mo = new Client(moodle);
		await mo.login('mo');
		assert.equal(await code(mo, COURSES, { classification: 'all' }), 'forcepasswordchangenotice');
		assert.equal((await mo.ajax('core_session_time_remaining')).error, false);
		const mfa = new Client(moodle);
		await mfa.login('mfa');
		assert.equal((await mfa.ajax(COURSES, { classification: 'all' })).errorcode, 'redirecterrordetected');
	});

	test('the calendar gives epochs of what is not submitted, by course and by time', async () => {
		const maya = await signedIn();
		const { data } = await maya.ajax('core_calendar_get_action_events_by_courses', { courseids: [11, 13], limitnum: 50 });
		const events = data.groupedbycourse.flatMap((g) => g.events);
		const cmids = events.map((e) => e.instance);
		assert.ok(cmids.includes(301) && !cmids.includes(303) && !cmids.includes(304));
		assert.deepEqual(events.filter((e) => e.instance === 501).map((e) => e.eventtype), ['due', 'extension']);
		assert.equal(events.find((e) => e.instance === 305).action.actionable, false);
		assert.ok(!events.some((e) => e.description.includes('<img')));

		const bea = await signedIn('bea');
		const page = async (args) => (await bea.ajax('core_calendar_get_action_events_by_timesort', { limitnum: 50, ...args })).data;
		const first = await page({ timesortfrom: 1 });
		const second = await page({ timesortfrom: 1, aftereventid: first.lastid });
		assert.notEqual(first.firstid, second.firstid);
		assert.equal((await page({ timesortfrom: 0, aftereventid: first.lastid })).firstid, first.firstid);
	});

	test('texts and public configuration need no sign-in', async () => {
		const client = new Client(moodle);
		const strings = [{ stringid: 'submissionstatus_submitted', component: 'mod_assign', lang: 'de' }];
		const options = { script: 'service-nologin', sesskey: null };
		assert.equal((await client.ajax('core_get_strings', { strings }, options)).data[0].string, 'Zur Bewertung abgegeben');
		const args = encodeURIComponent('[{"index":0,"methodname":"tool_mobile_get_public_config","args":{}}]');
		const [config] = await (await client.get(`/lib/ajax/service-nologin.php?args=${args}`)).json();
		assert.equal(config.data.wwwroot, moodle.url);
		assert.equal((await client.ajax(COURSES, {}, options)).exception.errorcode, 'servicenotavailable');
	});
});

describe('assignments', () => {
	const rowsOf = (page) => [...page.matchAll(/<tr class="">(.*?)<\/tr>/gs)]
		.map(([, row]) => [...row.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell))
		.filter((cells) => cells.length > 1);
	const actionsIn = (page) => [...page.matchAll(/name="action" value="(\w+)"/g)].map(([, a]) => a);

	test('the list of a course has links, dates and localised states', async () => {
		const client = await signedIn();
		const rows = rowsOf(await client.text('/mod/assign/index.php?id=11'));
		assert.deepEqual(rows.map((r) => r.length), [5, 5, 5, 5, 5]);
		assert.match(rows[0][1], /mod\/assign\/view\.php\?id=301">Sorting/);
		assert.match(rows[0][2], /^\w+day, \d+ \w+ \d{4}, 11:55 PM$/);
		assert.deepEqual(rows.map((r) => r[3]), ['No submission', 'Submitted for grading', 'Draft (not submitted)', 'No submission', 'No submission']);
		assert.deepEqual([rows[3][2], rows[1][4]], ['-', '87.50']);
		const german = rowsOf(await client.text('/mod/assign/index.php?id=11&lang=de'));
		assert.match(german[0][2], /^\w+, \d+\. [\wä]+ \d{4}, 23:55$/);
		assert.ok((await client.text('/user/preferences.php')).includes('lang="de"'), 'the language sticks');
		assert.equal(rowsOf(await client.text('/mod/assign/index.php?id=14'))[0].length, 4);
	});

	test('who may not see a course or an assignment is told as Moodle tells', async () => {
		const client = await signedIn();
		const hidden = await client.get('/mod/assign/index.php?id=15');
		assert.ok(hidden.status === 200 && (await hidden.text()).includes('id="notice"'));
		for (const id of [16, 17]) {
			const response = await client.get(`/mod/assign/index.php?id=${id}`);
			assert.equal(response.headers.get('location'), `${moodle.url}/enrol/index.php?id=${id}`);
		}
		for (const path of ['/mod/assign/index.php?id=999', '/mod/assign/view.php?id=999']) {
			const response = await client.get(path);
			assert.equal(response.status, 404);
			assert.match(await response.text(), /errorbox[^>]*data-rel="fatalerror"><p class="errormessage"/);
		}
		const odd = await signedIn('odd', 'p&ss <"w\'ord> ü🔑');
		assert.equal((await odd.get('/mod/assign/view.php?id=809')).headers.get('location'), `${moodle.url}/course/view.php?id=21`);
	});

	test('an assignment shows its state by classes and controls', async () => {
		const client = await signedIn();
		const expected = {
			301: [/submissionnotgraded.*overdue/s, ['editsubmission']],
			302: [/submissionstatusdraft.*timeremaining/s, ['submit', 'editsubmission', 'removesubmissionconfirm']],
			303: [/submissionnotgraded/, ['editsubmission']],
			304: [/submissionstatussubmitted.*submissiongraded/s, ['editsubmission', 'removesubmissionconfirm']],
			305: [/submissionnotgraded/, []],
			402: [/submissionstatusreopened/, ['editprevioussubmission', 'editsubmission']],
			404: [/overdue/, []],
			504: [/submissionlocked/, []],
		};
		for (const [cmid, [classes, actions]] of Object.entries(expected)) {
			const page = await client.text(`/mod/assign/view.php?id=${cmid}`);
			assert.match(page, /class="submissionstatustable"/);
			assert.match(page, classes, cmid);
			assert.deepEqual(actionsIn(page), actions, cmid);
		}
		const timed = await client.text('/mod/assign/view.php?id=503');
		assert.match(timed, /<a [^>]*action=editsubmission"/);
		const later = await client.text('/mod/assign/view.php?id=405');
		assert.ok(later.includes('Opens:') && !later.includes('id="intro"'));
		assert.equal(moodle.state().counts.edit_opened, 0);
		assert.equal(moodle.state().counts.views_by_cmid[301], 1);
		await client.get('/mod/assign/view.php?id=301&action=editsubmission');
		assert.equal(moodle.state().counts.edit_opened, 1);
	});

	test('the status of a student can be changed from outside', async () => {
		moodle.control({ status: { maya: { 301: 'submitted' } } });
		const client = await signedIn();
		assert.match(await client.text('/mod/assign/view.php?id=301'), /submissionstatussubmitted/);
		moodle.control({ status: { maya: { 301: null } } });
		assert.doesNotMatch(await client.text('/mod/assign/view.php?id=301'), /submissionstatussubmitted/);
	});

	test('files need a session, and have validators, ranges and raw names', async () => {
		const client = await signedIn();
		const page = await client.text('/mod/assign/view.php?id=301');
		const [image] = /http[^"]+\/mod_assign\/intro\/[^"]+/.exec(page);
		const response = await client.get(image);
		assert.equal(response.headers.get('content-type'), 'image/png');
		const png = Buffer.from(await response.arrayBuffer());
		assert.equal(png.subarray(1, 4).toString(), 'PNG');
		const etag = response.headers.get('etag');
		assert.equal((await client.get(image, { headers: { 'if-none-match': etag } })).status, 304);
		const part = await client.get(image, { headers: { range: 'bytes=0-7' } });
		assert.deepEqual([part.status, (await part.arrayBuffer()).byteLength], [206, 8]);
		assert.equal((await fetch(image, { redirect: 'manual' })).status, 303);
		// fetch() takes a 407 for a broken proxy and fails, so this one is asked for by hand.
		const [ranged] = await once(http.get(image, { headers: { range: 'bytes=0-7' } }), 'response');
		assert.equal(ranged.resume().statusCode, 407);
		assert.equal((await client.get(`${image}x`)).status, 404);

		const odd = await signedIn('odd', 'p&ss <"w\'ord> ü🔑');
		const files = [...(await odd.text('/mod/assign/view.php?id=801')).matchAll(/href="([^"]+introattachment[^"]+)"/g)];
		assert.equal(files.length, 6);
		for (const [, url] of files) {
			const file = await odd.get(url);
			assert.equal(file.status, 200, url);
			assert.match(file.headers.get('content-disposition'), /^attachment; filename=/);
		}
	});

	for (const generation of ['3.9', '3.11']) {
		test(`generation ${generation} has the header, the dates and the time that remains as this version writes them`, async () => {
			moodle.control({ generation });
			const client = await signedIn();
			const page = await client.text('/mod/assign/view.php?id=601');
			assert.match(page, /<h1>Drawing for Everyone<\/h1>/);
			assert.match(page, /role="main"><span id="maincontent"><\/span>\s*<h2>Portfolio: ten sketches/);
			assert.match(page, />Time remaining<\/th><td class="cell c1 lastcol" style="">\d+ days?\b/);
			assert.doesNotMatch(page, /timeremaining|activity-header|"courseId"|"userId"/);
			assert.equal(page.includes('data-region="activity-dates"'), generation === '3.11');
			assert.equal(page.includes('scope="row">Due date</th>'), generation === '3.9');
			const ask = (stringid, lang) => client.ajax('core_get_strings', { strings: [{ stringid, component: 'mod_assign', lang }] });
			const [label] = (await ask('activitydate:submissionsopen', 'en')).data;
			assert.equal(label.string, generation === '3.9' ? '[[activitydate:submissionsopen]]' : 'Opens:');
			assert.equal((await ask('duedate', 'fr')).exception.errorcode, 'invalidparameter');
		});
	}

	test('generations 5.0 and 5.1 name the section below the name, and 5.1 a near day in words with its date as title', async () => {
		for (const [generation, section, due] of [
			['5.0', /<\/a><\/div><div>Week 1: Sorting<\/div><div class="ms-2">/, /<td data-mdl-overview-item="duedate" data-mdl-overview-value="\d{10}">\w+day, [^<]* 20\d\d, /],
			['5.1', /<\/a><\/div><div class="small">Week 1: Sorting<\/div><div class="ms-2">/, /<span class="date" data-timestamp="\d{10}"/],
		]) {
			moodle.control({ generation });
			const client = await signedIn();
			const page = await client.text('/course/overview.php?id=11&expand%5B%5D=assign');
			assert.match(page, section);
			assert.match(page, due);
			assert.match(page, /data-mdl-overview-item="Grade" data-mdl-overview-value="">-</);
			assert.match(page, /id="assign_overview_collapsible">\n<h3 id="assign_overview_title">/);
		}
	});

	test('generation 5.0 redirects the list, before it looks at the session, to the overview', async () => {
		moodle.control({ generation: '5.0' });
		const to = `${moodle.url}/course/overview.php?id=11&expand%5B%5D=assign#assign_overview_collapsible`;
		assert.equal((await new Client(moodle).get('/mod/assign/index.php?id=11')).headers.get('location'), to);
		const client = await signedIn();
		const page = await client.text('/course/overview.php?id=11&expand%5B%5D=assign');
		assert.match(page, /<tr data-mdl-overview-cmid="301">/);
		assert.match(page, /data-mdl-overview-item="duedate" data-mdl-overview-value="\d{10}"/);
		assert.match(page, /data-mdl-overview-item="duedate" data-mdl-overview-value=""/);
		assert.ok(!(await client.text('/course/overview.php?id=11')).includes('data-mdl-overview-cmid'));
		const args = [{ name: 'courseid', value: 11 }, { name: 'modname', value: 'assign' }];
		const answer = await client.ajax('core_get_fragment', { component: 'core_course', callback: 'course_overview', contextid: 2, args });
		assert.match(answer.data.html, /data-mdl-overview-cmid="301"/);
		assert.equal((await client.ajax('no_such_function')).errorcode, 'invalidrecordunknown');
	});
});

describe('control', () => {
	test('failures are counted down, hangs hang, latency waits', async () => {
		const client = await signedIn();
		moodle.control({ fail: [{ path_prefix: '/user/', status: 503, times: 1 }], hang: ['/my/courses'] });
		assert.equal((await client.get('/user/preferences.php')).status, 503);
		assert.equal((await client.get('/user/preferences.php')).status, 200);
		await assert.rejects(client.get('/my/courses.php', { signal: AbortSignal.timeout(100) }));
		moodle.control({ hang: [], latency_by_path: { '/user/': 60 } });
		const started = performance.now();
		assert.equal((await client.get('/user/preferences.php')).status, 200);
		assert.ok(performance.now() - started >= 55);
		assert.throws(() => moodle.control({ latency: 1 }), /no knob/);
	});

	test('failures can be of one method, have headers, or cut the connection', async () => {
		const client = await signedIn();
		moodle.control({ fail: [
			{ path_prefix: '/user/', status: 429, method: 'POST', headers: { 'Retry-After': '7' } },
			{ path_prefix: '/my/', status: 0 },
		] });
		assert.equal((await client.get('/user/preferences.php')).status, 200);
		const refused = await client.post('/user/preferences.php', {});
		assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '7']);
		await assert.rejects(client.get('/my/courses.php'));
	});

	test('sesskeys go stale, sessions end one by one, ajax functions fail as ordered', async () => {
		const [maya, dieter] = [await signedIn(), await signedIn('dieter')];
		moodle.control({ rotate_sesskeys: true, expire_sessions: 'dieter' });
		const code = async (client) => (await client.ajax(COURSES, { classification: 'all' })).exception?.errorcode;
		assert.equal(await code(maya), 'invalidsesskey');
		assert.equal(await code(dieter), 'servicerequireslogin');
		maya.sesskey = sesskeyOf(await maya.text('/my/courses.php'));
		moodle.control({ ajax_errors: { [COURSES]: 'invalidresponse' } });
		assert.equal(await code(maya), 'invalidresponse');
		moodle.control({ ajax_errors: null, single_session: true });
		assert.equal(await code(maya), undefined);
		await signedIn();
		assert.equal(await code(maya), 'servicerequireslogin');
	});

	test('a site that signs in elsewhere has no form', async () => {
		moodle.control({ login_form: false });
		const text = await new Client(moodle).text('/login/index.php');
		assert.ok(!text.includes('id="login"') && text.includes('login-identityprovider-btn'));
	});

	test('one session answers one request at a time, two sessions do not wait for each other', async () => {
		const [client, other] = [await signedIn(), await signedIn()];
		moodle.control({ hang: ['/user/preferences.php'] });
		const leave = new AbortController(), told = [];
		const first = client.get('/user/preferences.php', { signal: leave.signal }).catch(() => told.push('first left'));
		await other.get('/my/courses.php');
		const second = client.get('/my/courses.php').then(() => told.push('second'));
		for (let i = 0; i < 3; i++) await other.get('/my/courses.php');
		assert.deepEqual(told, [], 'the second waits for the first');
		leave.abort();
		await Promise.all([first, second]);
		assert.deepEqual(told, ['first left', 'second']);
	});

	test('maintenance and something that is no Moodle', async () => {
		const client = await signedIn();
		moodle.control({ maintenance: true });
		const page = await client.get('/my/courses.php');
		assert.ok(page.status === 503 && (await page.text()).includes('id="page-maintenance-message"'));
		assert.match(await new Client(moodle).text('/login/index.php'), /login-maintenance/);
		assert.equal((await client.ajax(COURSES, { classification: 'all' })).exception.errorcode, 'requireloginerror');
		moodle.control({ maintenance: false, not_moodle: true });
		assert.doesNotMatch(await client.text('/login/index.php'), /M\.cfg|logintoken/);
	});

	test('over HTTP: state, patch and the log of requests', async () => {
		const control = (options) => fetch(`${moodle.url}/__control`, options);
		const patch = (value) => control({ method: 'POST', body: JSON.stringify(value) });
		assert.equal((await (await patch({ latency_ms: 5 })).json()).latency_ms, 5);
		assert.equal((await patch({ nonsense: 1 })).status, 400);
		await (await signedIn()).get('/my/courses.php');
		const requests = await (await fetch(`${moodle.url}/__control/requests`)).json();
		const { method, path, user, status } = requests.at(-1);
		assert.deepEqual({ method, path, user, status }, { method: 'GET', path: '/my/courses.php', user: 'maya', status: 200 });
		assert.equal((await (await control()).json()).counts.requests, requests.length);
	});
});

test('relative dates', () => {
	const now = Date.UTC(2026, 0, 10, 12, 0, 30) / 1000;
	const iso = (when, zone = 'UTC') => new Date(parseWhen(when, now, zone) * 1000).toISOString();
	assert.equal(iso('+3d'), '2026-01-13T12:00:00.000Z');
	assert.equal(iso('-2d 4h'), '2026-01-08T08:00:00.000Z');
	assert.equal(iso('+1d @23:55', 'Europe/Berlin'), '2026-01-11T22:55:00.000Z');
	assert.equal(parseWhen(null, now, 'UTC'), null);
	assert.throws(() => parseWhen('soon', now, 'UTC'));
});

test('a site below a path keeps to it', async () => {
	const sub = await startMoodle({ basePath: '/sub' });
	const client = new Client(sub);
	const done = await client.login('maya');
	assert.ok(sub.url.endsWith('/sub') && done.text.includes(`"wwwroot":"${sub.url.replaceAll('/', '\\/')}"`));
	assert.equal((await fetch(new URL('/login/index.php', sub.url))).status, 404);
	await sub.close();
});

test('the program says where it listens, and ends with its input', async () => {
	const script = fileURLToPath(new URL('server.mjs', import.meta.url));
	const child = spawn(process.execPath, [script, '--exit-with-stdin'], { stdio: ['pipe', 'pipe', 'inherit'] });
	const [line] = await once(child.stdout, 'data');
	assert.match(String(line), /^moodle stand-in listening on http:\/\/127\.0\.0\.1:\d+\n$/);
	child.stdin.end();
	assert.deepEqual(await once(child, 'exit'), [0, null]);
});
