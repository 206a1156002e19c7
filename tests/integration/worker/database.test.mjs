// Checker-worker and PostgreSQL, with a network between them that loses what the test wants lost.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import {
	addJob, becomes, childrenOf, noEntries, pg, pool, proxy, published, redis, ring, row, saveSession,
	startCourses, startWorker, STREAM, submit, USER, worker,
} from './stage.mjs';

test('PostgreSQL restarts in the middle of a job: it ends once', async () => {
	await startWorker();
	const { id, release } = await startCourses();
	await pg.restart();
	release();
	const end = await becomes(id, 'succeeded', 20_000);
	assert.equal(end.attempt, 1);
	assert.equal((await pg.query('SELECT * FROM pensum.course_lists')).length, 1);
	await noEntries();
	assert.deepEqual(worker.lines.filter((line) => line !== '' && !/ level=\w+ prog=/.test(line)), [], 'every line is one of the log');
});

test('more than that it starts is told of an attempt only when PostgreSQL cannot forget it any more', async () => {
	await startWorker();
	const lost = proxy.loseAnswer('SET event_n = event_n');
	const { id, release } = await startCourses();
	await lost;
	assert.equal((await published(id)).n, '2');
	await until('the next event', async () => Number((await published(id)).n) > 2);
	release();
	await becomes(id, 'succeeded');
});

test('PostgreSQL is away when the work is done: its record waits for it', async () => {
	await startWorker({ 'checker.time_limit_s': 5 });
	const { id, release } = await startCourses();
	await pg.kill();
	release();
	await worker.waitLine(/end not recorded yet/, 20_000);
	await sleep(12_000); // longer than a running job may take
	await pg.start();
	const end = await becomes(id, 'succeeded', 20_000);
	assert.equal(end.attempt, 1, worker.text());
});

test('a PostgreSQL that is not set up for this version costs no attempt', async () => {
	const rename = (from, to) => pg.script(`ALTER FUNCTION pensum.${from} RENAME TO ${to}`);
	await startWorker();
	const { id, release } = await startCourses();
	await rename('job_finish', 'job_finish_gone');
	release();
	await worker.waitLine(/end not recorded yet.*42883: /, 20_000);
	await rename('job_finish_gone', 'job_finish');
	assert.equal((await becomes(id, 'succeeded', 20_000)).attempt, 1);
	await rename('job_claim', 'job_claim_gone');
	const next = await submit('courses');
	await worker.waitLine(/asking the record.*42883: /, 20_000);
	assert.equal((await row(next)).state, 'queued');
	await rename('job_claim_gone', 'job_claim');
	assert.equal((await becomes(next, 'succeeded', 20_000)).attempt, 1);
});

test('what an attempt writes when somebody else has the job by then is not kept', async () => {
	await pg.script(`CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN UPDATE pensum.jobs SET worker = 'other:checker:0'; RETURN NULL; END $$;
		CREATE TRIGGER steal AFTER INSERT ON pensum.course_lists FOR EACH STATEMENT EXECUTE FUNCTION public.steal()`);
	try {
		await startWorker();
		const { release } = await startCourses();
		release();
		await worker.waitLine(/attempt lost/);
		assert.deepEqual(await pg.query('SELECT user_id FROM pensum.course_lists'), []);
		assert.deepEqual(await pg.query('SELECT state, result FROM pensum.jobs'), [['running', null]]);
	} finally {
		await pg.script('DROP FUNCTION public.steal() CASCADE');
	}
});

test('an attempt that somebody else has taken over stops in the middle, and says nothing more', async () => {
	await startWorker();
	const { id } = await startCourses();
	await pg.query(`UPDATE pensum.jobs SET attempt = 2, worker = 'other:checker:0', event_n = 1 WHERE id = '${id}'`);
	await worker.waitLine(/attempt lost/, 20_000);
	await worker.waitLine(/job ended.*outcome=lost/);
	assert.deepEqual(await row(id), { state: 'running', attempt: 2, max: 3, worker: 'other:checker:0', cancel: false, code: null });
	assert.notEqual((await published(id)).s, 'failed');
});

test('a commit whose answer is lost counts, and everybody is told', async () => {
	await startWorker();
	const { id, release } = await startCourses();
	const lost = proxy.loseAnswer('COMMIT');
	release();
	await lost;
	assert.equal((await becomes(id, 'succeeded')).attempt, 1);
	await until('event', async () => (await published(id)).s === 'succeeded');
	assert.equal(await redis.command('EXISTS', `pensum:courses:${USER}`), 1, 'what follows a commit followed it');
	assert.doesNotMatch(worker.text(), /attempt lost|refused/);
});

test('the answer to a retry is lost: everybody is told what the record says', async () => {
	pool.answer = async () => ({ ok: false, code: 'site_down' });
	await startWorker();
	await saveSession();
	const lost = proxy.loseAnswer('pensum.job_retry(');
	const id = await addJob('courses', {}, { attempt: 2 });
	await ring(id, 2);
	await lost;
	await becomes(id, 'dead');
	await until('event', async () => (await published(id)).s === 'dead');
});

test('a claim whose answer is lost leaves no job running that nobody runs', async () => {
	await startWorker();
	const lost = proxy.loseAnswer('pensum.job_claim(');
	const id = await submit('check');
	await lost;
	await becomes(id, 'failed', 10_000);
	await until('empty stream', async () => await redis.command('XLEN', STREAM) === 0);
});

test('nor does one that was made without a bell', async () => {
	await startWorker();
	await redis.kill();
	try {
		await worker.waitLine(/no bell/);
		const id = crypto.randomBytes(12).toString('hex');
		const lost = proxy.loseAnswer(null, id);
		await addJob('check', {}, { id });
		await lost;
		await becomes(id, 'failed', 10_000);
	} finally {
		await redis.start();
	}
});

test('with Redis there and PostgreSQL away a slot tries once in a while, not always', async () => {
	await startWorker();
	proxy.refuse(true);
	await ring(await addJob('check'));
	await sleep(1500);
	const before = proxy.connections;
	await sleep(4000);
	const tries = proxy.connections - before;
	assert.ok(tries >= 2 && tries <= 12, `${tries} tries of a parent and a slot in four seconds`);
});

test('a PostgreSQL that hangs keeps neither the watch over slots nor the stop from working', async (t) => {
	await startWorker({ 'checker.time_limit_s': 5 });
	await startCourses();
	const [slot] = childrenOf(worker.pid);
	process.kill(slot, 'SIGSTOP');
	proxy.pause();
	await until('end of the slot', () => !childrenOf(worker.pid).includes(slot), 18_000);
	const at = Date.now();
	worker.child.kill('SIGTERM');
	await worker.exited;
	t.diagnostic(`${Date.now() - at} ms to stop`);
});
