// Gateway and worker together: one user's thousands and another's one job; the cap; a queue that goes
// on without a gateway; jobs that kill their slot.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { buildFolder, startDaemon } from '../support/daemon.mjs';
import { startFakePool } from '../support/fakepool.mjs';
import { newId, startGateway } from '../support/gateway.mjs';
import { run, sleep, until } from '../support/process.mjs';

const ANSWER = { ok: true, user: { id: 7, fullname: 'Maya' }, sesskey: 'k', courses: [{ id: 1, name: 'Biology' }] };
let world, pool, worker;

before(async () => {
	[world, pool] = await Promise.all([startGateway({ settings: { 'jobs.per_user_running': 3, 'jobs.retry_base_ms': 10 } }), startFakePool()]);
});
after(async () => {
	await pool?.stop();
	await world?.stop();
});
beforeEach(async () => {
	await world.postgres.query('TRUNCATE pensum.jobs, pensum.workers, pensum.turns');
	await world.redis.command('FLUSHALL');
	pool.answer = async () => ANSWER;
});
afterEach(async () => {
	pool.hold()();
	if (worker && !worker.ended) await worker.stop();
	worker = null;
});

async function startWorker(settings = {}, env = {}) {
	worker = await startDaemon('pensum-checker-worker', { ready: /worker ready/, env, settings: { ...world.settings,
		'pool.socket': pool.socketPath, 'worker.host': 'h', 'checker.slots': 4,
		'checker.urgent_slots': 0, 'worker.spool_dir': path.join(world.folder, 'spool'), ...settings } });
}
const jobsOf = (user, count, kind = 'courses', priority = 'normal') => world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
	SELECT substr(md5('${user}' || random() || i), 1, 24), '${kind}', 'checker', '${priority}', '${user}', '{}' FROM generate_series(1, ${count}) i`);
async function signedIn(user) {
	const sealed = await run(path.join(buildFolder, 'tests', 'integration', 'seal'), [`moodle ${user}`, '[]'], { env: { PENSUM_SECRETS_KEY_FILE: world.settings['secrets.key_file'] } });
	await world.sql`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
		VALUES (${user}, ${sealed.stdout.trim()}, 'v', now() + interval '1 hour') ON CONFLICT DO NOTHING`;
}
const count = async (where) => Number((await world.postgres.query(`SELECT count(*) FROM pensum.jobs WHERE ${where}`))[0][0]);
const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

test('a user with 5,000 jobs keeps another\'s one waiting for a job\'s time at most, and never has more than the cap', async () => {
	const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
	await signedIn(a);
	await signedIn(b);
	pool.answer = () => sleep(300).then(() => ANSWER);
	await startWorker({ 'checker.slots': 2 });
	await jobsOf(a, 5000);
	await until('full slots', async () => await count(`state = 'running' AND user_id = '${a}'`) === 2, 20_000);
	await jobsOf(b, 1);
	const seen = [];
	await until('start of b', async () => {
		seen.push(await count(`state = 'running' AND user_id = '${a}'`));
		return await count(`started_at IS NOT NULL AND user_id = '${b}'`) === 1;
	}, 20_000);
	const [[before]] = await world.postgres.query(`SELECT count(*) FROM pensum.jobs, (SELECT created_at, started_at FROM pensum.jobs
		WHERE user_id = '${b}') b WHERE user_id = '${a}' AND jobs.started_at BETWEEN b.created_at AND b.started_at`);
	assert.ok(Number(before) <= 2, `${before} of a started before b: no more than were under way or rung`);
	assert.ok(Math.max(...seen) <= 3);
	await worker.stop();
});

test('the cap holds while eight slots hurry through the jobs of three users', async () => {
	await startWorker({ 'checker.slots': 8 });
	let most = 0;
	for (const user of ['u1', 'u2', 'u3']) await jobsOf(user, 100, 'check');
	await until('the end of all', async () => {
		const rows = await world.postgres.query(`SELECT count(*) FROM pensum.jobs WHERE state = 'running' GROUP BY user_id`);
		most = Math.max(most, ...rows.flat().map(Number));
		return await count('finished_at IS NULL') === 0;
	}, 60_000);
	assert.ok(most <= 3, `${most} of one user at one time`);
	assert.equal(await count('attempt <> 1'), 0, 'each ran once');
	await until('empty streams', async () => await world.redis.command('XLEN', 'pensum:jobs:checker:normal') === 0);
});

test('what somebody waits for does not wait for the end of other jobs: a slot is kept for it', async () => {
	const users = ['a', 'b', 'c', 'd', 'e'].map((letter) => letter.repeat(32));
	for (const user of users) await signedIn(user);
	await startWorker({ 'checker.slots': 2, 'checker.urgent_slots': 1 });
	const release = pool.hold();
	for (const user of users.slice(1)) await jobsOf(user, 1);
	await until('full slots', () => count(`state = 'running'`).then((n) => n === 2), 20_000);
	await until('a silence in which an idle slot asks the record', () =>
		count(`state = 'queued' AND created_at < clock_timestamp() - interval '5 s'`).then((n) => n === 2), 20_000);
	assert.equal(await count(`state = 'running'`), 2);
	await jobsOf(users[0], 1, 'courses', 'high');
	await until('start of the urgent one', () => count(`state = 'running' AND priority = 'high'`).then((n) => n === 1), 20_000);
	assert.equal(await count(`state = 'running'`), 3);
	release();
	await until('the end of all', () => count(`state = 'succeeded'`).then((n) => n === 5), 20_000);
	await worker.stop();
});

test('without any gateway the jobs go on', async () => {
	await startWorker();
	await world.daemons[0].stop();
	try {
		await jobsOf('u1', 20, 'check');
		await until('the end of all', async () => await count('finished_at IS NULL') === 0, 30_000);
	} finally {
		await world.start();
	}
});

// What kills a slot: a fault of its own, the kernel out of memory, somebody else, and its parent when
// it spins past the limit.
for (const [name, signal, sentence] of [
	['crashes', 'SIGSEGV', /signal 11/],
	['outgrows the memory', 'SIGKILL', /signal 9/],
	['is ended from outside', 'SIGUSR1', /signal 10/],
	['spins', 'SIGSTOP', /took longer than it may/],
]) {
	test(`a job whose slot ${name} each time is quarantined with the reason, and the other slots go on`, async () => {
		const poison = 'd'.repeat(32), good = 'e'.repeat(32);
		await signedIn(poison);
		await signedIn(good);
		pool.hold();
		await startWorker({ 'checker.slots': 2, ...(signal === 'SIGSTOP' && { 'checker.time_limit_s': 5 }) }, { ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0' });
		const id = newId();
		await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, max_attempts)
			VALUES (${id}, 'courses', 'checker', 'normal', ${poison}, '{}', 2)`;
		for (let attempt = 1; attempt <= 2; attempt++) {
			const line = await worker.waitLine(new RegExp(`job started.*attempt=${attempt}.*job=${id}|job=${id}.*job started.*attempt=${attempt}`), 30_000);
			await until('script', () => pool.running > 0);
			const pid = Number(/pid=(\d+)/.exec(line)[1]);
			fs.writeFileSync(`/proc/${pid}/fd/2`, `*** fault ${attempt} detected ***: terminated\n`);
			process.kill(pid, signal);
			await jobsOf(`good${attempt}`, 3, 'check');
			await until('the others', async () => await count(`user_id = 'good${attempt}' AND finished_at IS NULL`) === 0, 20_000);
		}
		await until('quarantine', async () => await count(`id = '${id}' AND state = 'dead'`) === 1, 30_000);
		const [[reason, error, stderr]] = await world.postgres.query('SELECT reason, error, stderr FROM pensum.jobs_dead(5)');
		assert.equal(reason, 'worker_lost');
		assert.match(error, sentence);
		assert.match(stderr, new RegExp(`^[^\n]*msg="job started"[^\n]*job=${id}\n(.*\n)*\\*\\*\\* fault 2 detected \\*\\*\\*: terminated\n(.*\n)*$`), 'the last attempt, from its start');
		assert.doesNotMatch(stderr, /fault 1|user=good/, 'and nothing before it');
		const listed = (await Object.assign(world.browser(), { url: world.adminUrl }).get('/admin/dead')).json.jobs;
		assert.deepEqual(listed.map((job) => [job.id, job.stderr]), [[id, stderr]]);
		const student = await world.student('poisoned', poison);
		assert.equal((await student.get(`/api/v1/jobs/${id}`)).json.state, 'dead');
		for (const place of [`/api/v1/jobs/${id}`, '/api/v1/jobs'])
			assert.doesNotMatch(JSON.stringify((await student.get(place)).json), /detected|stderr/, 'no student sees it');
		for (const attempt of [1, 2])
			assert.equal(worker.lines.filter((line) => line === `*** fault ${attempt} detected ***: terminated`).length, 1, 'the log has it');
		await until('both slots', () => childrenOf(worker.pid).length === 2);
		const why = signal === 'SIGSTOP' ? 'overdue' : 'crashed';
		await until('count', async () => (await world.sql`SELECT name FROM pensum.workers
			WHERE (counters->'job_reclaimed_total'->>${why})::integer = 2`).length === 1);
	});
}
