// What a check writes: by both roads (Moodle's web service for some courses, a browser for the others), and
// over what an earlier one wrote.
import assert from 'node:assert/strict';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { addJob, becomes, pg, pool, redis, ring, row, saveSession, seal, startWorker, submit, USER } from './stage.mjs';

const TOLD = 2; // the course that the web service tells all of
const response = (data) => ({ error: false, data: JSON.stringify(data) });
const CALENDAR = response({ groupedbycourse: [] });
let site, served, calendar, answers, refusal;

before(async () => {
	site = http.createServer((question, answer) => {
		served++;
		if (refusal) answer.writeHead(refusal.status, refusal.headers).end('<html></html>');
		else text(question).then((body) => answers(new URLSearchParams(body))).then((responses) => answer.end(JSON.stringify({ responses })));
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
});
beforeEach(async () => {
	await pg.query('TRUNCATE pensum.course_checks CASCADE');
	served = 0;
	refusal = null;
	calendar = CALENDAR;
	answers = async () => [response({ release: '5.0' }), response({ courses: [{ id: TOLD, assignments: [] }] }), calendar];
});
after(() => new Promise((resolve) => site.close(resolve).closeAllConnections()));

const atSite = () => ({ 'site.url': `http://127.0.0.1:${site.address().port}` });
const saveToken = async () => pg.query(`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at) VALUES ('${USER}',
	'${await seal(`moodle ${USER}`, JSON.stringify({ cookies: [], service: { token: 'a' } }))}', 'v', now() + interval '1 hour')`);

test('what the web service told first is as old as it is when a browser was waited for behind it', async () => {
	const waitedS = 3;
	await saveToken();
	pool.answer = async () => ({ ok: true, assignments: [], activities: [] });
	const release = pool.hold();
	await startWorker(atSite());
	const id = await submit('check', { courses: [{ id: 1, name: 'Biology' }, { id: TOLD, name: 'Physics' }] });
	await until('script', () => pool.running > 0);
	assert.equal(served, 1);
	await sleep(waitedS * 1000); // what is measured
	release();
	await becomes(id, 'succeeded');
	const [[biology, physics]] = await pg.query(`SELECT extract(epoch FROM b.read_at)::bigint, extract(epoch FROM p.read_at)::bigint
		FROM pensum.course_checks b, pensum.course_checks p WHERE b.course_id = 1 AND p.course_id = ${TOLD} AND b.user_id = p.user_id`);
	assert.ok(biology - physics >= waitedS - 1, `${biology - physics} s between them`);
});

test('an assignment that is found in another course is that one\'s, with all that is told of it there', async () => {
	const assignment = (cmid, section) => ({ cmid, name: 'Lab', url: `http://site.test/${section}`, section, due: null, due_text: '',
		status: 'none', pending: true, handin: 'open' });
	const told = { 1: [assignment(5, 'before')], 3: [assignment(4, 'other'), assignment(5, 'after')] };
	pool.answer = async (expression) => ({ ok: true, activities: [], assignments: told[/"course":\{"id":(\d)/.exec(expression)[1]] });
	await saveSession();
	await startWorker();
	for (const course of [1, 3]) await becomes(await submit('check', { courses: [{ id: course, name: 'Biology' }] }), 'succeeded');
	assert.deepEqual(await pg.query(`SELECT course_id, section, url, position FROM pensum.assignments WHERE cmid = 5`),
		[['3', 'after', 'http://site.test/after', '2']]);
});

test('a calendar that does not tell takes no activity away, on neither road', async () => {
	const quiz = { cmid: 7, kind: 'quiz', event: 'close', name: 'Quiz', url: 'http://site.test/7', due: 2_000_000_000, open: true };
	const kept = () => pg.query(`SELECT course_id, name FROM pensum.activities ORDER BY course_id`);
	const check = async (...ids) => becomes(await submit('check', { courses: ids.map((id) => ({ id, name: 'Biology' })) }), 'succeeded');
	pool.answer = async () => ({ ok: true, assignments: [], activities: [quiz] });
	await saveToken();
	await startWorker(atSite());
	await check(1);
	await pg.query(`INSERT INTO pensum.course_checks (user_id, course_id, course_name) VALUES ('${USER}', ${TOLD}, 'Physics')`);
	await pg.query(`INSERT INTO pensum.activities (user_id, course_id, position, cmid, kind, event, name, url, due, is_open)
		SELECT user_id, ${TOLD}, position, 8, kind, event, 'Other', url, due, is_open FROM pensum.activities`);
	calendar = { error: true, exception: JSON.stringify({ errorcode: 'accessexception' }) };
	pool.answer = async () => ({ ok: true, assignments: [], activities: null });
	await check(1, TOLD);
	assert.deepEqual(await kept(), [['1', 'Quiz'], [String(TOLD), 'Other']]);
	assert.deepEqual(await pg.query('SELECT course_id FROM pensum.course_checks WHERE failure_code IS NOT NULL'), []);
	calendar = CALENDAR;
	pool.answer = async () => ({ ok: true, assignments: [], activities: [] });
	await check(1, TOLD);
	assert.deepEqual(await kept(), []);
});

test('a site whose first document says when to come back is left alone by all for so long', async () => {
	const asks = [];
	await saveSession();
	pool.answer = async (expression) => (asks.push(expression), eval(expression));
	pool.document = { status: 503, headers: { 'retry-after': '70' } };
	await startWorker();
	const id = await submit('check', { courses: [{ id: 1, name: 'Biology' }] });
	await until('failure', async () => (await row(id)).code === 'site_busy');
	const { state, attempt } = await row(id);
	assert.deepEqual([state, attempt], ['queued', 1]);
	const [[waitS]] = await pg.query(`SELECT extract(epoch FROM run_at - now()) FROM pensum.jobs WHERE id = '${id}'`);
	assert.ok(waitS > 50, `tried again in ${waitS} s`);
	const pauseS = await redis.command('TTL', (await redis.command('KEYS', 'pensum:pause*'))[0]);
	assert.ok(pauseS > 50 && pauseS <= 70, `left alone for ${pauseS} s`);
	assert.equal(asks.length, 1);
	pool.document = { status: 503, headers: { 'retry-after': 'soon");throw 1;("' } };
	await redis.command('FLUSHALL');
	const down = await submit('check', { courses: [{ id: 1, name: 'Biology' }] });
	await until('failure', async () => (await row(down)).code === 'site_down');
	assert.deepEqual(await redis.command('KEYS', 'pensum:pause*'), []);
});

test('a Moodle that is closed while it is upgraded is told as such at once, and keeps nobody waiting', async () => {
	const closed = { status: 503, headers: { 'Retry-After': '300', Expires: 'Mon, 20 Aug 1969 09:23:00 GMT' } };
	await saveSession();
	pool.document = closed;
	await startWorker(atSite());
	const check = async () => becomes(await submit('check', { courses: [{ id: TOLD, name: 'Physics' }] }), 'failed');
	assert.equal((await check()).code, 'maintenance');
	await pg.query('DELETE FROM pensum.moodle_sessions');
	await saveToken();
	pool.document = null;
	refusal = closed;
	assert.equal((await check()).code, 'maintenance');
	assert.equal(served, 1);
	assert.deepEqual(await redis.command('KEYS', 'pensum:pause*'), []);
});

test('what a check tells of its way is of all of it, and never goes back: on both roads, after an earlier attempt', async () => {
	const courses = Array.from({ length: 15 }, (_, i) => ({ id: i + 1, name: `Course ${i + 1}` })), untold = 6;
	const told = (ids) => response({ courses: ids.filter((id) => id !== untold).map((id) => ({ id, assignments: [] })) });
	answers = async (form) => {
		const asked = JSON.parse(form.get('requests[0][arguments]')).courseids ?? JSON.parse(form.get('requests[1][arguments]')).courseids;
		await sleep(500); // a step is told when it is over, else only the newest
		return [...(form.get('requests[0][function]').endsWith('site_info') ? [response({ release: '5.0' })] : []), told(asked), CALENDAR];
	};
	await saveToken();
	pool.answer = async () => ({ ok: true, assignments: [], activities: [] });
	await startWorker(atSite());
	const id = await addJob('check', { courses });
	await pg.query(`UPDATE pensum.jobs SET part = '{"done": [1, 2, 3]}' WHERE id = '${id}'`);
	await ring(id);
	await becomes(id, 'succeeded');
	const events = (await redis.command('XRANGE', 'pensum:events', '-', '+')).map(([, fields]) => Object.fromEntries(
		fields.flatMap((name, i) => (i % 2 ? [] : [[name, fields[i + 1]]])))).filter(({ j, p }) => j === id && p === 'checking courses');
	const done = events.map(({ d }) => Number(d));
	assert.deepEqual([...new Set(events.map(({ t }) => t))], ['15']);
	assert.deepEqual(done, [...done].sort((a, b) => a - b));
	assert.deepEqual(done.slice(0, 2), [3, 13]);
});
