// The calendar link: who has it reads what is owed, in a form that an independent reader understands;
// who does not has nothing. What checks find is written to the database by the test.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SITE, startGateway } from '../support/gateway.mjs';
import { missingReader, readFeed } from '../support/ical.mjs';
import { run, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';

const options = { skip: missingReader };
const DUE = '2030-05-01T10:00:00Z';
let world;
const links = [];

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

async function makeLink(student) {
	const { status, json } = await student.post('/api/v1/calendar');
	assert.equal(status, 201);
	links.push(json.url);
	return json.url;
}

// One check of one course, as the worker commits it. rows: [cmid, { name, due, status, pending }]
async function check(student, rows, { course = 11, name = 'Algorithms', failure = null } = {}) {
	await world.sql`INSERT INTO pensum.course_checks (user_id, course_id, course_name, failure_code) VALUES (${student.userId},
		${course}, ${name}, ${failure}) ON CONFLICT (user_id, course_id) DO UPDATE SET checked_at = now(),
		course_name = excluded.course_name, failure_code = excluded.failure_code`;
	if (!failure) await world.sql`DELETE FROM pensum.assignments WHERE user_id = ${student.userId} AND course_id = ${course}`;
	for (const [cmid, { name: title = `Sheet ${cmid}`, due = DUE, status = 'none', pending = true }] of rows) {
		await world.sql`INSERT INTO pensum.assignments (user_id, cmid, course_id, name, url, due, status, pending, position)
			VALUES (${student.userId}, ${cmid}, ${course}, ${title}, ${`${SITE.url}/mod/assign/view.php?id=${cmid}`},
			${due}, ${status}, ${pending}, ${cmid})`;
	}
	await world.sql`SELECT pensum.calendar_update(${student.userId}, ${course})`;
}

test('a link is told once, and tells what is owed to whoever has it', options, async () => {
	const maya = await world.student('maya');
	assert.deepEqual((await maya.get('/api/v1/calendar')).json, { calendar: null });
	await check(maya, [[301, {}], [302, { due: null }], [303, { pending: false, status: 'submitted' }], [304, { pending: null, status: 'unknown' }]]);
	const link = await makeLink(maya);
	assert.match(link, new RegExp(`^${world.url}/calendar/[\\w-]{43}\\.ics$`));

	const before = (await maya.get('/api/v1/calendar')).json.calendar;
	assert.deepEqual([before.entries, before.read_at], [1, null]);
	assert.ok(!JSON.stringify(before).includes(link.slice(-47, -4)));
	const feed = await readFeed(link); // no cookie
	assert.equal(feed.status, 200);
	assert.deepEqual(feed.faults, []);
	assert.equal(feed.headers.get('content-type'), 'text/calendar; charset=utf-8');
	assert.match(feed.headers.get('cache-control'), /private/);
	assert.equal(feed.name, 'Due on Test Moodle');
	assert.match(feed.description, /as of the check of \d\d \w{3} \d{4}, \d\d:\d\d UTC/);
	assert.equal(feed.events.length, 1);
	const [event] = feed.events;
	assert.deepEqual({ ...event, uid: '', changed: '', stamp: '' }, { uid: '', changed: '', stamp: '', due: DUE, sequence: 0,
		summary: 'Sheet 301 · Algorithms', description: `Algorithms\nNot submitted\n${SITE.url}/mod/assign/view.php?id=301`,
		url: `${SITE.url}/mod/assign/view.php?id=301`, categories: ['Algorithms'], status: 'CONFIRMED', transp: 'TRANSPARENT', alarms: ['-P1D', '-PT2H'] });
	assert.ok(!event.uid.includes('301') && !event.uid.includes(maya.userId));
	assert.notEqual((await maya.get('/api/v1/calendar')).json.calendar.read_at, null);
});

test('each check is in it: moved, handed in, not to be checked, taken away, reopened', options, async () => {
	const noor = await world.student('noor');
	const link = await makeLink(noor);
	const events = async () => {
		const feed = await readFeed(link);
		assert.deepEqual(feed.faults, []);
		return Object.fromEntries(feed.events.map((event) => [event.summary.split(' · ')[0], event]));
	};
	assert.deepEqual(await events(), {});
	await check(noor, [[1, {}], [2, {}], [3, {}], [4, {}]]);
	const first = await events();
	assert.deepEqual(Object.keys(first), ['Sheet 1', 'Sheet 2', 'Sheet 3', 'Sheet 4']);
	await world.sql`UPDATE pensum.calendar_entries SET changed_at = changed_at - interval '1 hour' WHERE user_id = ${noor.userId}`;
	const known = await events();

	await check(noor, [[1, { due: '2030-06-01T10:00:00Z' }], [2, { pending: false, status: 'submitted' }],
		[3, { pending: null, due: null, status: 'unknown' }]]);
	const second = await events();
	assert.deepEqual(Object.keys(second), ['Sheet 3', 'Sheet 1'], 'what is handed in or no longer there is gone');
	assert.deepEqual([second['Sheet 1'].sequence, second['Sheet 1'].due], [1, '2030-06-01T10:00:00Z']);
	assert.ok(second['Sheet 1'].changed > known['Sheet 1'].changed);
	assert.deepEqual([second['Sheet 3'].status, second['Sheet 3'].due, second['Sheet 3'].sequence], ['TENTATIVE', DUE, 0]);
	assert.match(second['Sheet 3'].description, /Could not be checked since/);

	await check(noor, [[1, { due: '2030-06-01T10:00:00Z' }], [2, { status: 'reopened' }], [3, {}]]);
	const third = await events();
	assert.deepEqual(third['Sheet 1'], second['Sheet 1'], 'what has not changed says so');
	assert.equal(third['Sheet 2'].uid, first['Sheet 2'].uid);
	assert.ok(third['Sheet 2'].sequence > first['Sheet 2'].sequence);
	assert.match(third['Sheet 2'].description, /Reopened/);
	assert.equal(third['Sheet 3'].status, 'CONFIRMED');
});

test('a course that cannot be checked keeps its entries, also when the old results have expired', options, async () => {
	const ola = await world.student('ola');
	const link = await makeLink(ola);
	await check(ola, [[1, {}]]);
	await check(ola, [[2, {}]], { course: 12, name: 'Statistics' });
	await world.sql`DELETE FROM pensum.course_checks WHERE user_id = ${ola.userId}`;
	await check(ola, [], { course: 11, failure: 'course_hidden' });
	const { events } = await readFeed(link);
	assert.deepEqual(events.map(({ summary, status }) => [summary, status]).sort(),
		[['Sheet 1 · Algorithms', 'TENTATIVE'], ['Sheet 2 · Statistics', 'CONFIRMED']]);
	const again = await makeLink(ola);
	assert.equal((await readFeed(again)).events.length, 2, 'a new link tells the same');
});

test('any name comes through whole', options, async () => {
	const names = ['a, b; c\\d "e": f', 'مهمة: תרגיל 1', '数'.repeat(300), '📚👩‍🎓'.repeat(40), 'x\nEND:VEVENT\nBEGIN:VEVENT', `ends with \\`, '<b>&amp;</b>', ' '];
	const pia = await world.student('pia');
	await check(pia, names.map((name, i) => [i + 1, { name, due: `2030-05-0${i + 1}T10:00:00Z` }]), { name: 'Ψ, Ω; \\n' });
	const feed = await readFeed(await makeLink(pia));
	assert.deepEqual(feed.faults, []);
	assert.deepEqual(feed.events.map((event) => event.summary), names.map((name) => `${name} · Ψ, Ω; \\n`));
	assert.deepEqual(feed.events[0].categories, ['Ψ, Ω; \\n']);
});

test('it is bounded, and has no alarm for what is past', options, async () => {
	const quy = await world.student('quy');
	await check(quy, [[9001, { due: '2020-01-01T10:00:00Z' }]]);
	const link = await makeLink(quy);
	assert.deepEqual((await readFeed(link)).events[0].alarms, []);
	await world.sql`INSERT INTO pensum.calendar_entries (user_id, cmid, course_id, course_name, name, url, due, status, is_owed)
		SELECT ${quy.userId}, i, 11, ${'ش'.repeat(512)}, ${'ش'.repeat(1024)}, ${SITE.url}, '2030-01-01'::timestamptz + i * interval '1 hour',
		'none', true FROM generate_series(1, 700) i`;
	const feed = await readFeed(link);
	assert.deepEqual(feed.faults, []);
	assert.equal(feed.events.length, 500);
	assert.ok(feed.text.length < 4_000_000, `${feed.text.length}`);
	assert.equal(feed.events.at(-1).due, '2030-01-30T04:00:00Z', 'the furthest ahead');
});

test('who has what is new need not read it again', options, async () => {
	const rae = await world.student('rae');
	await check(rae, [[1, {}]]);
	const link = await makeLink(rae);
	const { headers, text } = await readFeed(link);
	const etag = headers.get('etag');
	assert.equal((await readFeed(link, { 'if-none-match': etag })).status, 304);
	const head = await readFeed(link, {}, 'HEAD');
	assert.deepEqual([head.status, head.text, head.headers.get('etag'), head.headers.get('content-length')],
		[200, '', etag, String(Buffer.byteLength(text))]);
	await check(rae, [[1, { status: 'draft' }]]);
	const newer = await readFeed(link, { 'if-none-match': etag });
	assert.equal(newer.status, 200);
	assert.notEqual(newer.headers.get('etag'), etag);
});

test('a new link ends the old one, and taking it back ends both', options, async () => {
	const sol = await world.student('sol');
	await check(sol, [[1, {}]]);
	const old = await makeLink(sol);
	const { uid } = (await readFeed(old)).events[0];
	const fresh = await makeLink(sol);
	assert.notEqual(old, fresh);
	const gone = await readFeed(old);
	assert.equal(gone.status, 404);
	assert.equal(JSON.parse(gone.text).code, 'not_found');
	assert.equal((await readFeed(fresh)).events[0].uid, uid, 'the same entry under both');
	assert.equal((await sol.delete('/api/v1/calendar')).status, 204);
	assert.equal((await sol.delete('/api/v1/calendar')).status, 204);
	assert.equal((await readFeed(fresh)).status, 404);
	assert.deepEqual((await sol.get('/api/v1/calendar')).json, { calendar: null });
	await check(sol, [[2, {}]]);
	assert.equal((await world.sql`SELECT count(*) FROM pensum.calendar_entries WHERE user_id = ${sol.userId}`)[0][0], '0', 'nothing is kept for it');
});

test('it outlives the sign-in, and goes with the account', options, async () => {
	const tam = await world.student('tam');
	await check(tam, [[1, {}]]);
	const link = await makeLink(tam);
	assert.equal((await tam.delete('/api/v1/session')).status, 204);
	assert.equal((await readFeed(link)).events.length, 1);
	for (const method of ['GET', 'POST', 'DELETE']) assert.equal((await world.browser().request(method, '/api/v1/calendar')).status, 401);
	const back = await world.student('tam', tam.userId);
	assert.equal((await back.delete('/api/v1/account')).status, 204);
	assert.equal((await readFeed(link)).status, 404);
	assert.equal((await world.sql`SELECT count(*) FROM pensum.calendar_entries WHERE user_id = ${tam.userId}`)[0][0], '0');
});

test('another site cannot make or end a link', options, async () => {
	const uma = await world.student('uma');
	for (const method of ['POST', 'DELETE']) {
		const answer = await uma.request(method, '/api/v1/calendar', undefined, { origin: 'https://evil.test' });
		assert.deepEqual([answer.status, answer.json.code], [403, 'bad_origin']);
	}
});

test('what is no link is not found, and says nothing', options, async () => {
	const vic = await world.student('vic');
	const token = (await makeLink(vic)).slice(-47, -4);
	const other = token.slice(0, -2) + (token.at(-2) === 'A' ? 'B' : 'A') + token.at(-1);
	for (const path of [`${other}.ics`, `${token}`, `${token}.ICS`, `${token}x.ics`, '.ics', `${token}/.ics`]) {
		assert.equal((await readFeed(`${world.url}/calendar/${path}`)).status, 404, path);
	}
	assert.equal((await fetch(`${world.url}/calendar/${token}.ics`, { method: 'POST' })).status, 405);
});

test('links are counted by address like all that is read', options, async () => {
	const wim = await world.student('wim');
	const link = await makeLink(wim);
	const second = await world.startSecond({ 'limits.reads_per_address': 5 });
	const asked = [];
	for (let i = 0; i < 7; i++) asked.push(await readFeed(second.url + new URL(link).pathname));
	assert.ok(asked.slice(0, 5).every(({ status }) => status === 200));
	assert.equal(asked[6].status, 429);
	assert.match(asked[6].headers.get('retry-after'), /^\d+$/);
});

test('a link that no calendar reads any more ends, and so does what was due long ago', options, async () => {
	const [read, unread] = [await world.student('xan'), await world.student('yva')];
	const kept = await makeLink(read);
	const lost = await makeLink(unread);
	await check(read, [[1, {}], [2, { due: '2024-01-01T00:00:00Z' }]]);
	await readFeed(kept);
	await world.sql`UPDATE pensum.calendars SET created_at = now() - interval '200 days' WHERE user_id IN (${read.userId}, ${unread.userId})`;
	await world.startSecond(); // its housekeeping begins soon
	await until('the unread one is gone', async () => (await world.sql`SELECT count(*) FROM pensum.calendars
		WHERE user_id = ${unread.userId}`)[0][0] === '0', 30_000); // asking for it would keep it
	assert.equal((await readFeed(lost)).status, 404);
	assert.equal((await readFeed(kept)).events.length, 1, 'without the old entry');
});

test('a link is nowhere but in its answer: not in the log, the metrics, the database, or Redis', options, async () => {
	const tokens = links.map((link) => link.slice(-47, -4));
	assert.ok(tokens.length > 8);
	const dump = (await run('pg_dump', ['-h', world.postgres.folder, '-U', 'postgres', 'pensum'])).stdout;
	assert.ok(dump.includes('calendar_entries'));
	const logs = world.daemons.map((daemon) => daemon.text()).join('\n');
	const metrics = await (await fetch(`${world.adminUrl}/metrics`)).text();
	assert.match(metrics, /route="\/calendar\/\{token\}\.ics"/);
	const keys = await world.redis.command('KEYS', '*');
	for (const token of tokens) {
		assert.ok(![dump, logs, metrics, keys.join('\n')].some((text) => text.includes(token)));
	}
});
