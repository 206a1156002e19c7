// Submissions of many students at one time: they share transactions, and each has the answer that it would have alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startGateway } from '../../support/gateway.mjs';
import { startPgProxy } from '../../support/pgproxy.mjs';
import { until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';

const COUNT = 30, PER_USER = 3;

let world, students;
before(async () => {
	world = await startGateway({ settings: { 'limits.writes_per_address': 0, 'limits.writes_per_user': 0,
		'jobs.per_user': PER_USER }, postgres: { settings: { synchronous_commit: 'on' } } });
	students = await Promise.all(Array.from({ length: COUNT }, (_, i) => world.student(`s${i}`)));
	await Promise.all(students.map((student) => world.giveCourses(student)));
});
after(async () => world?.stop());
beforeEach(() => world.sql`DELETE FROM pensum.jobs`);

const check = (student, key, courses = [11]) => student.post('/api/v1/checks', { courses }, key && { 'idempotency-key': key });
const statuses = (answers) => [...new Set(answers.map((answer) => answer.status))];
const jobsOf = async (student) => (await world.sql`SELECT id, xmin::text FROM pensum.jobs WHERE user_id = ${student.userId}`);

test('all are answered with a job of their own, from fewer transactions than there are students', async () => {
	const answers = await Promise.all(students.map((student) => check(student, 'k')));
	assert.deepEqual(statuses(answers), [202]);
	const transactions = new Set();
	for (const [i, student] of students.entries()) {
		const [[id, transaction], ...more] = await jobsOf(student);
		assert.equal(answers[i].json.job.id, id);
		assert.deepEqual(more, []);
		transactions.add(transaction);
		assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.audit WHERE job_id = ${id}`, [['1']]);
	}
	assert.ok(transactions.size < COUNT, `${transactions.size} transactions`);
});

test('the same request again, another with its key, one too many: each has its own answer among the others', async () => {
	const [again, other, full, ...rest] = students;
	const first = await Promise.all([check(again, 'k'), check(other, 'k'),
		...Array.from({ length: PER_USER }, (_, i) => check(full, `k${i}`))]);
	assert.deepEqual(statuses(first), [202]);
	const answers = await Promise.all([check(again, 'k'), check(other, 'k', [12]), check(full, 'more'), ...rest.map((student) => check(student))]);
	assert.deepEqual(answers.slice(0, 3).map((answer) => [answer.status, answer.json.code]),
		[[202, undefined], [422, 'idempotency_mismatch'], [429, 'too_many_jobs']]);
	assert.equal(answers[0].json.job.id, first[0].json.job.id);
	assert.equal(answers[0].headers.get('idempotency-replayed'), 'true');
	assert.deepEqual(statuses(answers.slice(3)), [202]);
	assert.equal((await jobsOf(full)).length, PER_USER);
});

test('a course that is not one\'s own, and courses of a list that is not known: refused among the others', async () => {
	const [foreign, ...rest] = students, unknown = await world.student('new');
	const answers = await Promise.all([check(foreign, 'k', [11, 99, 98]), check(unknown, 'k'), ...rest.map((student) => check(student, 'k'))]);
	assert.deepEqual(answers.slice(0, 2).map((answer) => [answer.status, answer.json.code]),
		[[422, 'course_not_yours'], [409, 'courses_unknown']]);
	assert.match(answers[0].json.detail, /: 99 is not in/);
	assert.deepEqual(statuses(answers.slice(2)), [202]);
	assert.deepEqual([...await jobsOf(foreign), ...await jobsOf(unknown)], []);
});

test('one student at one time, twice with one key and past his limit: one job a key, and as many as he may have', async () => {
	const [student, full] = students;
	const twice = await Promise.all(Array.from({ length: 20 }, () => check(student, 'k')));
	assert.deepEqual(statuses(twice), [202]);
	assert.equal(new Set(twice.map((answer) => answer.json.job.id)).size, 1);
	const many = await Promise.all(Array.from({ length: 20 }, (_, i) => check(full, `k${i}`)));
	assert.equal(many.filter((answer) => answer.status === 202).length, PER_USER);
	assert.equal(many.filter((answer) => answer.status === 429).length, 20 - PER_USER);
	assert.equal((await jobsOf(full)).length, PER_USER);
});

const refuse = (student) => world.postgres.script(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.user_id = '${student.userId}' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON pensum.jobs FOR EACH ROW EXECUTE FUNCTION refuse();`);
// Its answer may be one that is in no contract.
const checkUndocumented = (student) => fetch(`${world.url}/api/v1/checks`, { method: 'POST', body: '{"courses":[11]}',
	headers: { cookie: student.cookie, 'content-type': 'application/json' } });
const refuseNoMore = () => world.postgres.script('DROP FUNCTION refuse() CASCADE');
const endAll = (which) => world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE ${which} IN (wait_event, wait_event_type, application_name)`;

test('one that PostgreSQL refuses fails alone', async () => {
	const [bad, ...rest] = students;
	await refuse(bad);
	const refused = checkUndocumented(bad);
	assert.deepEqual(statuses(await Promise.all(rest.map((student) => check(student)))), [202]);
	assert.equal((await refused).status, 500);
	assert.ok(world.daemons[0].lines.some((line) => /submissions go one by one.*not this one/.test(line)));
	assert.deepEqual(await jobsOf(bad), []);
	for (const student of rest) assert.equal((await jobsOf(student)).length, 1);
	await refuseNoMore();
});

test('a statement that fails when it first runs on a connection stays prepared there', async () => {
	const [bad] = students;
	await refuse(bad);
	await endAll('pensum-gateway');
	await until('a failure on a new connection', async () => (await checkUndocumented(bad)).status === 500);
	await refuseNoMore();
	for (let i = 0; i < PER_USER; i++) assert.equal((await check(bad)).status, 202);
	assert.doesNotMatch(world.postgres.process.text(), /prepared statement .* already exists/);
});

test('nobody waits for a student whose other submission is not committed', async () => {
	const [slow, ...rest] = students;
	const other = world.postgres.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('pensum.submit ${slow.userId}', 0));
		SELECT pg_sleep(60)`).catch(() => {});
	const sleeps = async () => (await world.sql`SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length === 1;
	await until('lock', sleeps);
	const waiting = check(slow);
	for (let round = 0; round < 2; round++)
		assert.deepEqual(statuses(await Promise.all(rest.map((student) => check(student, `k${round}`)))), [202]);
	assert.deepEqual(await jobsOf(slow), []);
	await endAll('PgSleep');
	assert.equal((await waiting).status, 202);
	await other;
});

test('who is deleted while his submission waits has submitted nothing', async () => {
	const student = await world.student('leaver');
	await world.giveCourses(student);
	const advisory = async (granted) => (await world.sql`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted = ${granted}`).length > 0;
	const deletion = world.postgres.query(`BEGIN; SELECT pensum.account_delete('${student.userId}', 'the-end', 'nobody', '', 'default');
		DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted) LOOP
			PERFORM pg_sleep(0.02); END LOOP; END $$; COMMIT`);
	await until('the deletion is under way', () => advisory(true));
	const answer = await check(student);
	await deletion;
	assert.deepEqual([answer.status, answer.json.code], [401, 'signed_out']);
	assert.deepEqual(await jobsOf(student), []);
});

test('while PostgreSQL does not get on, nobody waits for his turn longer than for his answer', async () => {
	const lock = world.postgres.query('BEGIN; LOCK TABLE pensum.jobs IN SHARE MODE; SELECT pg_sleep(60)').catch(() => {});
	await until('lock', async () => (await world.sql`SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'`).length === 1);
	const begun = Date.now();
	const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => students.map((student) => check(student, `k${i}`))).flat());
	assert.deepEqual(statuses(answers), [503]);
	const took = Date.now() - begun;
	assert.ok(took < 20_000, `${took} ms`); // 5 s and 5 s; turn after turn they would be 30 s
	await endAll('Lock');
	await endAll('PgSleep');
	await lock;
});

test('a commit that nobody has heard of is a 503 that denies nothing, and asked again with its key it is that job', async () => {
	const proxy = await startPgProxy(world.postgres);
	const { url, daemon } = await world.startSecond({ 'postgres.conninfo': proxy.conninfo });
	const student = Object.assign(world.browser(students[0].cookie), { url });
	const lost = proxy.loseAnswer('jobs_submit_each');
	const answer = await check(student, 'k');
	await lost;
	assert.deepEqual([answer.status, answer.json.code], [503, 'database_away']);
	assert.doesNotMatch(answer.json.detail, /nothing/i);
	const [[id]] = await jobsOf(students[0]);
	const again = await until('an answer', async () => {
		const one = await check(student, 'k');
		return one.status !== 503 && one;
	});
	assert.deepEqual([again.status, again.json.job.id], [202, id]);
	await daemon.stop();
	await proxy.stop();
});

const commitsWaiting = async (who = '%') => Number((await world.sql`SELECT count(*) FROM pg_stat_activity
	WHERE wait_event = 'SyncRep' AND application_name LIKE ${who} AND query LIKE '%emit_message%'`)[0][0]);
const setStandbys = (names) => world.postgres.script(`ALTER SYSTEM SET synchronous_standby_names = '${names}';
	SELECT pg_reload_conf();`);

// Who waits for a commit then waits for a standby that never comes, as for a disk that takes its time.
async function holdCommits() {
	let done = true;
	await setStandbys('nobody');
	await until('a commit that waits', async () => {
		if (done) {
			done = false;
			world.postgres.query(`SELECT pg_logical_emit_message(true, '', '')`).then(() => { done = true; });
		}
		return await commitsWaiting() === 1;
	});
}

test('a lone submission is rung for while the disk works, and answered when that is done', async () => {
	const [student] = students, rung = async () => Number(await world.redis.command('XLEN', 'pensum:jobs:checker:normal'));
	const before = await rung(), answers = [];
	await holdCommits();
	const asked = check(student, 'k').then((answer) => answers.push(answer));
	await until('the bell', async () => await rung() === before + 1);
	await until('the wait for the disk', async () => await commitsWaiting('pensum-gateway') === 1);
	assert.deepEqual(answers, []);
	await setStandbys('');
	await asked;
	assert.deepEqual([answers[0].status, answers[0].json.job.id], [202, (await jobsOf(student))[0][0]]);
});

test('what repeats another is answered when the disk has that one, however it was committed', async () => {
	const [student] = students, answers = [];
	const id = (await check(student, 'k')).json.job.id;
	const other = world.postgres.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('pensum.submit ${student.userId}', 0));
		SELECT pg_sleep(60)`).catch(() => {});
	const waits = (event) => until(event, async () => (await world.sql`SELECT pid FROM pg_stat_activity WHERE wait_event = ${event}`).length === 1);
	await waits('PgSleep');
	const asked = check(student, 'k').then((answer) => answers.push(answer));
	await waits('advisory'); // it will be a transaction that writes nothing
	await holdCommits();
	await endAll('PgSleep');
	await until('the wait for the disk', async () => await commitsWaiting('pensum-gateway') === 1);
	assert.deepEqual(answers, []);
	await setStandbys('');
	await Promise.all([asked, other]);
	assert.deepEqual([answers[0].status, answers[0].json.job.id], [202, id]);
});
