// What check_course.js says of every state, against the table of tests/moodle/states.json: in the
// markup of each generation of Moodle, and in a left-to-right, a right-to-left and a language
// without Latin letters.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generations } from '../../moodle/generations.mjs';
import { startMoodle } from '../../moodle/server.mjs';
import { PASSWORD, siteOfStates } from '../../moodle/states.mjs';
import { startBrowser } from './browser.mjs';

const LANGUAGES = ['en', 'ar', 'ja'];
const SETTLED = ['submitted', 'graded']; // up to 4.5 these have a due date in words only
let browser;

before(async () => {
	browser = await startBrowser();
});
after(() => browser?.close());

// For one test: what it starts ends with it, however it ends.
async function begin(t, options, site = siteOfStates({ lang: options.lang })) {
	const moodle = await startMoodle({ ...options, data: site.data });
	t.after(() => moodle.close());
	const maya = await signedIn(moodle);
	t.after(() => maya.page.close());
	return { moodle, truth: site.truth, data: site.data, ...maya };
}

async function signedIn(moodle) {
	const page = await browser.newPage();
	await page.openSite(moodle.url);
	const { ok } = await page.run('signin', { wwwroot: moodle.url, username: 'maya', password: PASSWORD });
	assert.ok(ok);
	const check = (id, more) => page.run('check_course', { wwwroot: moodle.url, course: { id }, ...more });
	return { page, check };
}

function compare(found, truth) {
	const wrong = [];
	for (const [cmid, { name, status, handin, pending, due }] of truth) {
		const one = found.get(cmid);
		const isDueTold = one?.due !== null || !SETTLED.includes(status);
		const want = JSON.stringify([status, handin, pending, isDueTold ? due : null]);
		const is = JSON.stringify([one?.status, one?.handin, one?.pending, one?.due]);
		if (is !== want) wrong.push(`${name}: ${is}, but true is ${want} (${one?.reason ?? ''})`);
	}
	for (const [cmid, one] of found) if (!truth.has(cmid)) wrong.push(`${one.name} is not to be seen`);
	return wrong;
}

const byCmid = (result) => new Map(result.assignments.map((one) => [one.cmid, one]));

for (const generation of generations) {
	for (const lang of LANGUAGES) {
		describe(`Moodle ${generation} in ${lang}`, () => {
			let moodle;
			let truth;
			let maya;
			before(async () => {
				const site = siteOfStates({ lang });
				truth = site.truth.get(100);
				moodle = await startMoodle({ data: site.data, generation, lang });
				maya = await signedIn(moodle);
			});
			after(async () => {
				await maya?.page.close();
				await moodle?.close();
			});

			test('every state is told as it is', async () => {
				const result = await maya.check(100);
				assert.equal(result.ok, true, JSON.stringify(result));
				assert.deepEqual(compare(byCmid(result), truth), []);
				for (const one of result.assignments) {
					assert.equal(Boolean(one.reason), !['open', 'done'].includes(one.handin), JSON.stringify(one));
					if (one.handin === 'later') assert.match(one.reason, /^It opens later: .*\d/);
				}
			});

			test('what is settled by the list and the calendar is not opened', () => {
				const { views_by_cmid: views, edit_opened: edits } = moodle.state().counts;
				const opened = Object.keys(views).map((cmid) => truth.get(Number(cmid)));
				assert.deepEqual(opened.filter((one) => one.handin === 'done').map((one) => one.name), []);
				assert.equal(edits, 0);
				if (!['4.5', '5.0', '5.1'].includes(generation)) return;
				const plain = opened.filter((one) => ['nothing yet', 'overdue', 'extension', 'reopened'].includes(one.name));
				assert.deepEqual(plain.map((one) => one.name), []);
			});

			test('what could not be read is "could not be checked", and the rest arrives', async () => {
				const doubtful = [...truth].filter(([, one]) => one.name === 'offline' || one.name === 'draft').map(([cmid]) => cmid);
				moodle.control({ fail: doubtful.map((cmid) => ({ path_prefix: `/mod/assign/view.php?id=${cmid}`, status: 500 })) });
				const found = byCmid(await maya.check(100));
				moodle.control({ fail: [] });
				for (const cmid of doubtful) {
					const { status, pending, handin, reason } = found.get(cmid);
					assert.deepEqual([status, pending, handin], ['unknown', null, 'unknown']);
					assert.match(reason, /^could not be checked: /);
				}
				const rest = new Map([...truth].filter(([cmid]) => !doubtful.includes(cmid)));
				for (const cmid of doubtful) found.delete(cmid);
				assert.deepEqual(compare(found, rest), []);
			});
		});
	}
}

describe('without the site\'s help', () => {
	const silences = { 'gives no texts': { ajax_errors: { core_get_strings: 'servicenotavailable' } },
		'fails at its texts': { fail: [{ path_prefix: '/lib/ajax/service-nologin.php', status: 500 }] } };
	for (const [generation, silence] of [['3.9', 'gives no texts'], ['4.5', 'gives no texts'], ['4.5', 'fails at its texts'], ['5.0', 'gives no texts']]) {
		test(`Moodle ${generation} tells the same status when it ${silence}`, async (t) => {
			const { moodle, truth, check } = await begin(t, { generation, lang: 'ja' });
			moodle.control(silences[silence]);
			const found = byCmid(await check(100));
			for (const [cmid, one] of truth.get(100)) {
				const { status, pending, handin } = found.get(cmid);
				if (handin === 'unknown') assert.deepEqual([status, pending], ['unknown', null], one.name);
				else assert.equal(status, one.status, one.name);
				assert.ok(!(pending === false && one.pending), one.name);
			}
		});
	}

	test('no calendar: nothing is told wrong', async (t) => {
		const { moodle, truth, check } = await begin(t, { generation: '4.5' });
		moodle.control({ ajax_errors: { core_calendar_get_action_events_by_courses: 'servicenotavailable' } });
		const told = await check(100);
		const found = byCmid(told);
		assert.equal(told.activities, null);
		for (const [cmid, one] of truth.get(100)) {
			const { status, handin, pending } = found.get(cmid);
			assert.deepEqual([status, handin, pending], [one.status, one.handin, one.pending], one.name);
		}
	});
});

for (const generation of generations) {
	test(`Moodle ${generation}: a course forced to a language that is not installed is read by Moodle's own texts`, async (t) => {
		const site = siteOfStates();
		site.data.courses[0].lang = 'fr';
		const { truth, check } = await begin(t, { generation }, site);
		assert.deepEqual(compare(byCmid(await check(100)), truth.get(100)), []);
	});
}

describe('other activities', () => {
	test('come with their dates, and what is done is not among them', async (t) => {
		const { moodle, data, check } = await begin(t, {});
		const { activities } = await check(100);
		assert.deepEqual(activities.map((one) => [one.kind, one.event, one.name, one.open]), [
			['quiz', 'close', 'A quiz & more', true],
			['lesson', 'close', 'A lesson, not open yet', false],
			['forum', 'due', 'A forum', true],
			['workshop', 'closesubmission', 'A workshop', true],
		]);
		assert.equal(activities[0].url, `${moodle.url}/mod/quiz/view.php?id=10090`);
		assert.equal(activities[0].due, data.courses[0].activities[0].due);
	});
});

const CROWD = 120; // more than Moodle tells at once, and all of one date

for (const generation of generations) {
	test(`Moodle ${generation}: of a course with many dates none is lost, nor an extension behind them`, async (t) => {
		const site = siteOfStates();
		const due = Math.floor(Date.now() / 1000) - 40 * 86_400;
		site.data.courses[0].activities = Array.from({ length: CROWD }, (_, n) => (
			{ cmid: 20_000 + n, module: 'quiz', event: 'close', name: `Quiz ${n}`, due }));
		const { truth, check } = await begin(t, { generation }, site);
		const told = await check(100);
		assert.deepEqual(told.activities.map((one) => one.cmid), site.data.courses[0].activities.map((one) => one.cmid));
		assert.deepEqual(compare(byCmid(told), truth.get(100)), []);
	});
}

describe('requests', () => {
	test('the calendar of ten courses is one request, and all texts another', async (t) => {
		const { moodle, truth, check } = await begin(t, {}, siteOfStates({ courses: 12 }));
		const courses = [...truth.keys()];
		const results = [];
		for (const id of courses) results.push(await check(id, { courses, check: 'one' }));
		const { lists, views_by_cmid: views, ajax } = moodle.state().counts;
		const calendar = ajax.core_calendar_get_action_events_by_courses;
		assert.deepEqual([lists, ajax.core_get_strings, calendar], [12, 1, 2]);
		for (const [n, id] of courses.entries()) assert.deepEqual(compare(byCmid(results[n]), truth.get(id)), []);
		const opened = Object.values(views).reduce((sum, n) => sum + n, 0);
		assert.equal(results.reduce((sum, { cost }) => sum + cost.requests, 0), lists + 1 + calendar + opened);

		// The next check does not answer from what this one has read.
		moodle.control({ status: { maya: { 10000: 'submitted' } } });
		assert.equal(byCmid(await check(100, { courses, check: 'two' })).get(10000).status, 'submitted');
		const events = moodle.state().counts.ajax.core_calendar_get_action_events_by_courses;
		assert.equal(events, 3);
	});
});

test('a day that Moodle 5.1 tells in words is told by its date', async (t) => {
	for (const [lang, words] of [['en', /Yesterday|Today|Tomorrow/], ['ja', /昨日|今日|明日/]]) {
		const { page, check } = await begin(t, { lang, generation: '5.1' });
		const list = await page.evaluate('fetch("/course/overview.php?id=100&expand[]=assign").then((r) => r.text())');
		assert.match(list, words);
		const { assignments } = await check(100);
		const texts = assignments.map((one) => one.due_text).filter(Boolean);
		assert.deepEqual(texts.filter((text) => words.test(text)), []);
		assert.ok(texts.every((text) => /\d.* \d+:\d\d( [AP]M)?$/.test(text)), texts.join('; '));
	}
});
