// Workers that die, hang and come back: crashes (P3), zombies (P4), the rescuer's race (P5), poison (P12).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { Watcher, watchAll } from './lib/watcher.mjs';
import { childrenOf, long, startWorld, timeUntil } from './lib/world.mjs';

let world, watchers;
before(async () => (world = await startWorld({ students: 4 })));
after(() => world?.stop());
afterEach(async () => {
	world.pool.hold()();
	await Promise.all((watchers ?? []).map((watcher) => watcher.stop()));
	await world.stopWorkers();
});

const freeOf = (job, attempt) => until(`end of attempt ${attempt}`, () =>
	world.count(`id = '${job}' AND (state <> 'running' OR attempt > ${attempt})`), 60_000);
const runningOn = async (host) => (await world.postgres.query(`SELECT id FROM pensum.jobs WHERE state = 'running'
	AND starts_with(worker, '${host}:')`)).map(([id]) => id);
// So many jobs in the middle of their scripts on one host.
async function hold(crowd, count, host = 'a') {
	const release = world.pool.hold();
	await crowd.submit(count);
	await until('jobs that run', async () => (await runningOn(host)).length === count && world.pool.running === count, 30_000);
	return release;
}

test('a slot that is killed loses its job for a second at most, and the page sees how it goes on', async () => {
	const rounds = long ? 40 : 4;
	const crowd = new Crowd(world);
	let slowest = 0;
	watchers = watchAll(world);
	await world.startWorker('a', { 'checker.slots': 1 });
	for (let i = 0; i < rounds; i++) {
		const release = await hold(crowd, 1);
		const [job] = await runningOn('a');
		const at = Date.now();
		process.kill(childrenOf(world.worker('a').pid)[0], 'SIGKILL');
		await freeOf(job, 1);
		slowest = Math.max(slowest, Date.now() - at);
		release();
		await until('its end', () => world.count(`id = '${job}' AND state = 'succeeded'`), 20_000);
	}
	const verdict = await judge(world, crowd, { watchers });
	assert.ok(verdict.rows.every((row) => row.attempt === 2));
	for (const id of crowd.promised.keys()) {
		const seen = watchers.find((watcher) => watcher.applied.has(id)).applied.get(id);
		assert.ok(seen.some((frame) => frame.state === 'running' && frame.version[0] === 1));
		assert.ok(seen.some((frame) => frame.version[0] === 2), 'progress of the new attempt');
	}
	assert.ok(slowest < 5000, `${slowest} ms`);
	report(`P3 kill -9 slot ×${rounds}`, verdict, slowest, 'to the job\'s return');
});

test('a worker that is killed and comes back gives its jobs back at once', async () => {
	const crowd = new Crowd(world);
	watchers = watchAll(world);
	await world.startWorker('a');
	const release = await hold(crowd, 2);
	const at = Date.now();
	await world.worker('a').kill();
	release();
	await world.startWorker('a');
	const verdict = await judge(world, crowd, { watchers });
	assert.ok(verdict.rows.every((row) => row.attempt === 2));
	report('P3 kill -9 worker, restarted', verdict, Date.now() - at, 'to the last end');
});

// In the short form the death of a host is hosts.test.mjs.
test('hosts that are dead or frozen are noticed within 20 s; one that wakes changes nothing', { skip: !long && 'long form' }, async () => {
	const crowd = new Crowd(world);
	watchers = watchAll(world);
	await world.startWorker('a');
	const [letA, onA] = [await hold(crowd, 2, 'a'), await runningOn('a')];
	await world.startWorker('dead');
	world.pool.hold(); // a's two go on to wait for nothing: their host is frozen before
	const zombies = [...childrenOf(world.worker('a').pid), world.worker('a').pid];
	for (const pid of zombies) process.kill(pid, 'SIGSTOP');
	const at = Date.now();
	letA();
	world.pool.hold();
	await crowd.submit(2);
	await until('jobs on the other', async () => (await runningOn('dead')).length === 2, 20_000);
	await world.startWorker('b');
	const killed = Date.now();
	await world.worker('dead').kill();
	world.pool.hold()();
	const verdict = await judge(world, crowd, { watchers, limitMs: 60_000 });
	const [took, tookDead] = [Date.now() - at, Date.now() - killed];
	assert.ok(verdict.rows.every((row) => row.attempt === 2));
	assert.ok(took < 30_000, `${took} ms`);
	report('P3 kill -9 worker, never back', verdict, tookDead, 'to the last end, elsewhere');
	report('P3 SIGSTOP of a whole host', verdict, took, 'to the last end, elsewhere');

	const heard = () => watchers.reduce((sum, watcher) => sum + watcher.frames.length, 0), frames = heard();
	for (const pid of zombies.reverse()) process.kill(pid, 'SIGCONT');
	const lost = await timeUntil(Date.now(), 'two attempts that hear that they are lost', () =>
		world.worker('a').lines.filter((line) => /outcome=lost|attempt lost/.test(line)).length >= 2, 20_000);
	await until('refusals counted', () => world.number(`count(*) FROM pensum.workers WHERE name = 'a:checker'
		AND counters->>'job_zombie_rejected_total' ~ '[1-9]'`), 15_000);
	const after = await judge(world, crowd, { watchers });
	assert.equal(heard(), frames, 'nobody heard the zombie');
	assert.equal(onA.length, 2);
	report('P4 SIGCONT of that host', after, lost, 'until it knows that it lost; no frame of it');
});

test('completion and rescue at the same instant: whoever is second changes nothing', async () => {
	const rounds = long ? 10_000 : 1000;
	const user = world.students[0].userId;
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, attempt, worker, max_attempts)
		SELECT 'race' || lpad(i::text, 20, '0'), 'check', 'docgen', 'low', '${user}', '{}', 'running', 1, 'r:docgen:' || i, 1
		FROM generate_series(1, ${rounds}) i`);
	// Both come to each job at the same instant of one clock, half a millisecond a job.
	const start = (await world.postgres.query(`SELECT clock_timestamp() + interval '1 s'`))[0][0];
	const each = (call) => `DO $$ BEGIN FOR i IN 1..${rounds} LOOP
		WHILE clock_timestamp() < timestamptz '${start}' + i * interval '500 us' LOOP END LOOP;
		PERFORM ${call}; COMMIT; END LOOP; END $$`;
	const finish = each(`pensum.job_finish('race' || lpad(i::text, 20, '0'), 1, 'r:docgen:' || i, 'succeeded', 5, '{}', NULL, NULL)`);
	const rescue = each(`pensum.jobs_release_worker('r:docgen:' || i, 'worker_lost', 'm')`);
	await Promise.all([world.postgres.script(finish), world.postgres.script(rescue)]);
	const [[ended, moved, audited, won]] = await world.postgres.query(`SELECT
		(SELECT count(*) FROM pensum.jobs WHERE id LIKE 'race%' AND state IN ('succeeded', 'dead')),
		(SELECT count(*) FROM drill.log WHERE job LIKE 'race%'),
		(SELECT count(*) FROM pensum.audit WHERE job_id LIKE 'race%' AND what <> 'submitted'),
		(SELECT count(*) FROM pensum.jobs WHERE id LIKE 'race%' AND state = 'succeeded')`);
	assert.deepEqual([ended, moved, audited], [rounds, rounds, rounds].map(String), 'each ended once, and stayed so');
	report('P5 finish against rescue', { jobs: rounds, lost: rounds - ended, doubled: moved - rounds }, null,
		`${won} finished, ${rounds - won} rescued`);
	await world.sql`DELETE FROM pensum.jobs WHERE id LIKE 'race%'`;
});

test('a job that kills its slot each time is quarantined, and the others go on', async () => {
	const poisoned = new Crowd(world, { students: world.students.slice(0, 1) });
	const others = new Crowd(world, { students: world.students.slice(1) });
	await world.startWorker('a', { 'checker.slots': 3, 'checker.time_limit_s': 5 },
		{ env: { ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0:handle_abort=0' } });
	const endings = ['SIGSEGV', 'SIGKILL', 'SIGABRT'];
	watchers = [new Watcher(world, world.students[0]).start()];
	world.pool.hold();
	const [job] = await poisoned.submit(1);
	const at = Date.now();
	for (const [i, signal] of endings.entries()) {
		const line = await world.worker('a').waitLine(new RegExp(`job started.*attempt=${i + 1}`), 30_000);
		await until('its script', () => world.pool.running > 0);
		assert.ok(line.includes(job));
		const pid = Number(/pid=(\d+)/.exec(line)[1]);
		fs.writeFileSync(`/proc/${pid}/fd/2`, `*** last word before ${signal} ***\n`);
		process.kill(pid, signal);
	}
	const verdict = await judge(world, poisoned, { watchers, ends: ['dead'] });
	const took = Date.now() - at;
	world.pool.hold()();
	await others.submit(10);
	const good = await judge(world, others);
	const [[reason, error, stderr]] = await world.postgres.query('SELECT reason, error, stderr FROM pensum.jobs_dead(1)');
	assert.equal(reason, 'worker_lost');
	assert.match(error, /signal 6/);
	assert.match(stderr, new RegExp(`job started.*attempt=3.*job=${job}\n(.*\n)*\\*\\*\\* last word before SIGABRT \\*\\*\\*\n$`));
	assert.doesNotMatch(stderr, /SIGKILL/);
	assert.equal(childrenOf(world.worker('a').pid).length, 3);
	await fetch(`${world.adminUrl}/admin/jobs/${job}/requeue`, { method: 'POST' });
	await until('its end after all', () => world.count(`id = '${job}' AND state = 'succeeded'`), 20_000);
	report('P12 SIGSEGV, SIGKILL, SIGABRT', { ...verdict, jobs: verdict.jobs + good.jobs }, took, 'dead after 3 attempts, with its last words, then requeued');
});
