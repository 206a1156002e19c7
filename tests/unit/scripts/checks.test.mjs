// courses.js and check_course.js of the checker-worker, against the stand-in Moodle: both
// generations of the assignment list, two languages, and a session that ends in the middle.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startMoodle } from '../../moodle/server.mjs';
import { startBrowser } from './browser.mjs';

const password = 'Pensum-demo-1';
const oddPassword = 'p&ss <"w\'ord> ü🔑';
let browser;

before(async () => {
	browser = await startBrowser();
});
after(() => browser?.close());

async function signedIn(moodle, username) {
	const page = await browser.newPage();
	await page.openSite(moodle.url);
	const args = { wwwroot: moodle.url, username, password: username === 'odd' ? oddPassword : password };
	const { ok, sesskey } = await page.run('signin', args);
	assert.ok(ok);
	const run = (name, more) => page.run(name, { wwwroot: moodle.url, ...more });
	const check = (id) => run('check_course', { course: { id } });
	return { page, run, check, sesskey };
}

const byCmid = (result) => Object.fromEntries(result.assignments.map((one) => [one.cmid, one]));

for (const generation of ['4.5', '5.0', '5.1']) {
	describe(`Moodle ${generation}`, () => {
		let moodle;
		let maya;
		before(async () => {
			moodle = await startMoodle({ generation });
			maya = await signedIn(moodle, 'maya');
		});
		after(() => moodle?.close());

		test('lists every course, also the one taken off the dashboard', async () => {
			const result = await maya.run('courses', { sesskey: maya.sesskey });
			assert.equal(result.ok, true, JSON.stringify(result));
			assert.equal(result.cost.requests, 1);
			const courses = Object.fromEntries(result.courses.map((course) => [course.id, course]));
			assert.deepEqual(Object.keys(courses).map(Number), [11, 12, 13, 14]);
			assert.equal(courses[12].name, 'Statistics & Probability');
			assert.equal(courses[12].state, 'past');
			assert.equal(courses[11].starred, true);
			assert.equal(courses[14].hidden, true);
			assert.equal(courses[14].end, null);
			assert.equal(courses[14].url, `${moodle.url}/course/view.php?id=14`);
		});

		test('finds the session key itself when it has none or an old one', async () => {
			assert.equal((await maya.run('courses', {})).ok, true);
			assert.equal((await maya.run('courses', { sesskey: 'stale' })).ok, true);
		});

		test('tells each assignment\'s state', async () => {
			const result = await maya.check(11);
			assert.equal(result.ok, true, JSON.stringify(result));
			const found = byCmid(result);
			const states = Object.fromEntries(Object.entries(found).map(([cmid, one]) => [cmid, [one.status, one.pending]]));
			assert.deepEqual(states, {
				301: ['none', true], 302: ['draft', true], 303: ['none', true], 304: ['graded', false], 305: ['none', false],
			});
			assert.equal(found[301].name, 'Sorting algorithms: measure and explain');
			assert.equal(found[301].url, `${moodle.url}/mod/assign/view.php?id=301`);
			assert.deepEqual([found[301].section, found[303].section], ['Week 1: Sorting', 'Week 2: Graphs']);
			assert.equal(found[303].due, null);
			assert.equal(found[303].due_text, '');
			assert.ok(found[302].due > Date.now() / 1000 && found[302].due_text);
			assert.equal(found[302].handin, 'open');
			assert.equal(found[305].handin, 'offline');
		});

		test('what was submitted is not pending, and what is closed neither', async () => {
			const found = byCmid(await maya.check(12));
			assert.deepEqual([found[406].status, found[406].pending], ['submitted', false]);
			assert.deepEqual([found[402].status, found[402].pending], ['reopened', true]);
			assert.deepEqual([found[404].status, found[404].pending, found[404].handin], ['none', false, 'closed']);
			assert.deepEqual([found[405].status, found[405].pending, found[405].handin], ['none', true, 'later']);
		});

		test('an extension moves the due date', async () => {
			const found = byCmid(await maya.check(13));
			assert.equal(found[501].pending, true);
			assert.ok(found[501].due > Date.now() / 1000, JSON.stringify(found[501]));
		});

		test('says why a course cannot be read', async () => {
			assert.equal((await maya.check(15)).code, 'course_hidden');
			assert.equal((await maya.check(17)).code, 'not_enrolled');
			assert.equal((await maya.check(99999)).code, 'course_unknown');
		});

		test('a course without assignments is an empty list', async () => {
			const odd = await signedIn(moodle, 'odd');
			assert.deepEqual((await odd.check(22)).assignments, []);
		});

		test('hidden and restricted assignments are left out, strange names come through', async () => {
			const odd = await signedIn(moodle, 'odd');
			const found = byCmid(await odd.check(21));
			assert.equal(found[809], undefined);
			assert.equal(found[810], undefined);
			assert.ok(found[811]);
			assert.match(found[801].name, /^R&D .*"A" & the 5 < 6 problem$/);
			assert.equal(found[802].name, '../../etc/passwd');
			assert.deepEqual([found[814].status, found[814].pending], ['graded', false]);
			assert.deepEqual([found[815].status, found[815].handin, found[815].pending], ['draft', 'team', false]);
		});

		test('German texts are understood, by the student\'s language and by the course\'s', async () => {
			const dieter = await signedIn(moodle, 'dieter');
			const found = byCmid(await dieter.check(11));
			assert.equal(found[302].status, 'none');
			assert.equal(found[304].status, 'submitted');
			assert.equal(byCmid(await dieter.check(17))[721].status, 'draft');
		});

		test('a teacher\'s numbers are "could not be checked", never "none"', async () => {
			const tess = await signedIn(moodle, 'tess');
			const result = await tess.check(11);
			assert.ok(result.assignments.length > 0, JSON.stringify(result));
			for (const one of result.assignments) {
				assert.deepEqual([one.status, one.pending], ['unknown', null]);
				assert.match(one.reason, /^could not be checked: /);
			}
		});

		test('only what list and calendar leave open was opened, and nothing was changed', () => {
			const { counts } = moodle.state();
			for (const cmid of [304, 406]) assert.equal(counts.views_by_cmid[cmid], undefined, `${cmid}`);
			assert.equal(counts.edit_opened, 0);
			assert.equal(counts.dashboards, 0);
		});

		test('a session that is gone is told as such', async () => {
			moodle.control({ expire_sessions: true });
			assert.equal((await maya.check(11)).code, 'session_dead');
			assert.equal((await maya.run('courses', { sesskey: maya.sesskey })).code, 'session_dead');
			assert.equal((await maya.run('courses', {})).code, 'session_dead');
			assert.equal((await maya.run('assignment', { cmid: 301 })).code, 'session_dead');
		});

		test('maintenance and failures are told as such', async () => {
			const noel = await signedIn(moodle, 'noel');
			assert.deepEqual((await noel.run('courses', {})).courses, []);
			moodle.control({ fail: [{ path_prefix: '/mod/assign/', status: 500 }] });
			assert.equal((await noel.check(11)).code, 'site_down');
			for (const maintenance of [true, 'closed']) {
				moodle.control({ reset: true, maintenance });
				assert.equal((await noel.check(11)).code, 'maintenance');
				assert.equal((await noel.run('courses', { sesskey: noel.sesskey })).code, 'maintenance');
			}
		});
	});
}

test('a list of more than one calendar page keeps all due dates', async () => {
	const assignments = Array.from({ length: 120 }, (_, n) => ({ cmid: n + 1, name: `A${n}`, section: 'S', due: `+${n + 1}d`, intro: '' }));
	const students = [{ username: 'u', password, firstname: 'U', lastname: 'V', email: 'u@example.edu' }];
	const course = { id: 2, fullname: 'Many', shortname: 'M', startdate: '-1d', enddate: null, members: ['u'], assignments };
	const moodle = await startMoodle({ data: { site: { name: 'S', timezone: 'UTC' }, students, courses: [course] } });
	try {
		const { check } = await signedIn(moodle, 'u');
		const result = await check(2);
		assert.equal(result.assignments.length, 120);
		assert.ok(result.assignments.every((one) => one.due > 0));
	} finally {
		await moodle.close();
	}
});

test('a list of several pages has every course, of every kind and with any name', async () => {
	const names = ['R&D <Lab> "A" &amp; more', '課題 العربية \u{1f600}', '../../etc/passwd', "O'Brien's", 'x'.repeat(254)];
	const courses = Array.from({ length: 230 }, (_, n) => ({
		id: 1000 + n, fullname: names[n] ?? `Course ${n}`, shortname: `C${n}`, category: n % 2 ? 'Arts & Letters' : 'Sciences',
		startdate: n % 3 === 2 ? '+30d' : '-90d', enddate: n % 3 === 0 ? '-10d' : '+90d', members: ['u'],
		hidden_by: n % 10 === 0 ? ['u'] : [], favourite_of: n % 10 === 1 ? ['u'] : [],
	}));
	const students = [{ username: 'u', password, firstname: 'U', lastname: 'V', email: 'u@example.edu' }];
	const moodle = await startMoodle({ data: { site: { name: 'S', timezone: 'UTC' }, students, courses } });
	try {
		const { run, sesskey } = await signedIn(moodle, 'u');
		const result = await run('courses', { sesskey });
		assert.equal(result.cost.requests, 3);
		const found = new Map(result.courses.map((course) => [course.id, course]));
		assert.equal(found.size, 230);
		for (const [n, { id, category }] of courses.entries()) {
			const { state, hidden, starred, ...course } = found.get(id);
			assert.deepEqual([state, hidden, starred, course.category],
				[['past', 'inprogress', 'future'][n % 3], n % 10 === 0, n % 10 === 1, category], `${id}`);
		}
		assert.deepEqual([1000, 1001, 1002, 1003, 1004].map((id) => found.get(id).name),
			['R&D "A" & more', ...names.slice(1)]);
	} finally {
		await moodle.close();
	}
});

test('a course list that Moodle itself cannot answer is read from the profile, which names all courses', async () => {
	const courses = Array.from({ length: 15 }, (_, n) => ({ id: 1000 + n, fullname: n ? `Course ${n}` : 'R&D &amp; "A" 課題', shortname: `C${n}`, members: ['u'] }));
	const students = ['u', 'none'].map((username) => ({ username, password, firstname: 'U', lastname: 'V', email: 'u@example.edu' }));
	const moodle = await startMoodle({ data: { site: { name: 'S', timezone: 'UTC' }, students, courses } });
	try {
		const { run, sesskey } = await signedIn(moodle, 'u');
		const told = await run('courses', { sesskey });
		moodle.control({ ajax_errors: { core_course_get_enrolled_courses_by_timeline_classification: 'invalidresponse' } });
		const result = await run('courses', { sesskey });
		assert.equal(result.ok, true, JSON.stringify(result));
		const known = ({ id, name, url }) => ({ id, name, url });
		assert.deepEqual(result.courses.map(known).sort((a, b) => a.id - b.id), told.courses.map(known).sort((a, b) => a.id - b.id));
		assert.deepEqual(Object.keys(result.courses[0]), Object.keys(told.courses[0]));
		moodle.control({ ajax_errors: { core_course_get_enrolled_courses_by_timeline_classification: 'invalidresponse' }, expire_sessions: true });
		assert.equal((await run('courses', { sesskey })).code, 'session_dead');
		const page = await browser.newPage();
		await page.openSite(moodle.url);
		const without = await page.run('signin', { wwwroot: moodle.url, username: 'none', password });
		assert.equal(without.code, 'not_understood', 'that there are none nobody has said');
	} finally {
		await moodle.close();
	}
});

for (const generation of ['3.9', '4.5', '5.0']) {
	test(`Moodle ${generation}: a site that makes guests of its visitors is not taken for a session that lives`, async () => {
		const moodle = await startMoodle({ generation });
		try {
			moodle.control({ autologin_guests: true });
			const wrong = await browser.newPage();
			await wrong.openSite(moodle.url);
			const refused = await wrong.run('signin', { wwwroot: moodle.url, username: 'maya', password: 'not it' });
			assert.equal(refused.code, 'wrong_password', JSON.stringify(refused));
			assert.doesNotMatch(refused.message, /guest/);
			for (const look of [(maya) => maya.check(11), (maya) => maya.run('courses', { sesskey: maya.sesskey }), (maya) => maya.run('courses', {})]) {
				const maya = await signedIn(moodle, 'maya');
				assert.equal((await maya.check(11)).ok, true);
				moodle.control({ expire_sessions: true });
				for (const when of ['first', 'as a guest']) assert.equal((await look(maya)).code, 'session_dead', when);
				await maya.page.close();
			}
			// Who signs in from a guest's session is a student then.
			const guest = await browser.newPage();
			await guest.openSite(moodle.url);
			await guest.run('check_course', { wwwroot: moodle.url, course: { id: 11 } });
			assert.equal((await guest.run('signin', { wwwroot: moodle.url, username: 'maya', password })).ok, true);
			assert.equal((await guest.run('check_course', { wwwroot: moodle.url, course: { id: 11 } })).ok, true);
		} finally {
			await moodle.close();
		}
	});
}
