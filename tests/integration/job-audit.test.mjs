// The audit trail and the dead letters, in SQL alone.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startPostgres } from '../support/postgres.mjs';

const ID = '0123456789abcdef01234567';
const WORKER = 'h:checker:0';
let pg;

before(async () => {
	pg = await startPostgres();
	await pg.schema();
});
after(() => pg?.stop());
beforeEach(() => pg.query(`TRUNCATE pensum.jobs; INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret)
	VALUES ('${ID}', 'check', 'checker', 'normal', 'u1', '{"private": "input"}', 'sealed')`));

const one = async (sql) => (await pg.query(`SELECT ${sql}`))[0]?.[0] ?? null;
const claim = (attempt) => pg.query(`SELECT id FROM pensum.job_claim('${ID}', ${attempt}, '${WORKER}')`);
const retry = (attempt) => one(`pensum.job_retry('${ID}', ${attempt}, '${WORKER}', 0, 'site_down', 'Moodle does not answer.')`);
const last = async () => Number(await one(`coalesce(max(n), 0) FROM pensum.audit`));
async function trail(since) {
	return (await pg.query(`SELECT what, attempt, worker, reason FROM pensum.audit WHERE n > ${since} ORDER BY n`))
		.map(([what, attempt, worker, reason]) => [what, Number(attempt), worker, reason]);
}
async function die() {
	for (const attempt of [1, 2, 3]) {
		await claim(attempt - 1);
		await retry(attempt);
	}
}

test('submission, retries, death, requeue, the wish to stop and the end are told, with reason, and nothing private', async () => {
	const since = await last() - 1; // the submission
	await die();
	assert.deepEqual(await pg.query(`SELECT id, queue, priority, attempt FROM pensum.job_requeue('${ID}')`), [[ID, 'checker', 'normal', '3']]);
	await claim(3);
	await one(`pensum.job_cancel('${ID}', 'u1')`);
	await one(`pensum.job_finish('${ID}', 4, '${WORKER}', 'cancelled', 9, NULL, 'cancelled', NULL)`);
	assert.deepEqual(await trail(since), [
		['submitted', 0, null, null],
		['retried', 1, WORKER, 'site_down'], ['retried', 2, WORKER, 'site_down'], ['dead', 3, WORKER, 'site_down'],
		['requeued', 3, null, null],
		['cancel_asked', 4, WORKER, null], ['cancelled', 4, WORKER, 'cancelled']]);
	assert.equal(await one(`count(*) FROM pensum.audit a WHERE a::text ~ 'private|sealed|Moodle'`), '0');
});

test('a transition that is rolled back leaves no word', async () => {
	await claim(0);
	const since = await last();
	await pg.query(`BEGIN; SELECT pensum.job_finish('${ID}', 1, '${WORKER}', 'succeeded', 9, '{}', NULL, NULL); ROLLBACK`);
	assert.deepEqual(await trail(since), []);
});

test('nobody changes or deletes a word, but what is old expires', async () => {
	for (const sql of [`UPDATE pensum.audit SET what = 'x'`, 'DELETE FROM pensum.audit', 'TRUNCATE pensum.audit'])
		await assert.rejects(pg.query(sql), /append-only/, sql);
	await pg.query(`INSERT INTO pensum.audit (n, at, what, job_id, user_id, kind, attempt) OVERRIDING SYSTEM VALUE
		SELECT -i, now() - interval '100 days', 'submitted', 'old', 'u', 'check', 0 FROM generate_series(1, 3) i`);
	const kept = Number(await one(`count(*) FROM pensum.audit WHERE job_id <> 'old'`));
	assert.equal(await one(`pensum.audit_purge(7776000, 2)`), '2');
	assert.equal(await one(`pensum.audit_purge(7776000, 2)`), '1');
	assert.equal(await one(`pensum.audit_purge(0, 500)`), '0', 'nothing of the last hour, whatever is asked');
	assert.equal(Number(await one('count(*) FROM pensum.audit')), kept);
	await assert.rejects(pg.query('DELETE FROM pensum.audit'), /append-only/, 'the door is shut again');
});

test('dead letters are listed with their reason, and go back once with all their attempts', async () => {
	await die();
	assert.deepEqual(await pg.query(`SELECT id, kind, user_id, attempts, reason, error FROM pensum.jobs_dead(10)`),
		[[ID, 'check', 'u1', '3', 'site_down', 'Moodle does not answer.']]);
	const [before] = await pg.query('SELECT version_attempt, version_n FROM pensum.job_events');
	assert.equal((await pg.query(`SELECT id FROM pensum.job_requeue('${ID}')`)).length, 1);
	assert.equal((await pg.query(`SELECT id FROM pensum.job_requeue('${ID}')`)).length, 0, 'only once');
	assert.deepEqual(await pg.query(`SELECT id FROM pensum.jobs_dead(10)`), []);
	const [after] = await pg.query('SELECT version_attempt, version_n FROM pensum.job_events');
	assert.ok(Number(after[0]) > Number(before[0]), 'its events go on growing');
	for (const attempt of [4, 5, 6]) {
		assert.equal((await claim(attempt - 1)).length, 1);
		assert.equal(await retry(attempt), attempt < 6 ? 'queued' : 'dead');
	}
});

test('what a dead process wrote is its attempt\'s: a dead letter has it when its last attempt ended so', async () => {
	const crash = (tail) => pg.query(`SELECT state FROM pensum.jobs_release_worker('${WORKER}', 'worker_lost', 'm', ${tail})`);
	const told = async () => (await pg.query('SELECT stderr FROM pensum.jobs_dead(1)'))[0]?.[0];
	for (const attempt of [1, 2, 3]) {
		await claim(attempt - 1);
		await crash(`'*** attempt ${attempt} ***'`);
	}
	assert.equal(await told(), '*** attempt 3 ***');
	await pg.query(`SELECT pensum.job_requeue('${ID}')`);
	await claim(3);
	await crash(`'*** attempt 4 ***'`);
	await claim(4);
	await crash('NULL');
	await claim(5);
	assert.equal(await retry(6), 'dead');
	assert.equal(await told(), null, 'the last one failed in its own words');
	assert.deepEqual(await pg.query('SELECT stderr, stderr_attempt FROM pensum.jobs'), [['*** attempt 4 ***', '4']]);
	assert.equal(await one(`count(*) FROM pensum.audit a WHERE a::text ~ 'attempt 4'`), '0');
});

test('a dead sign-in stays dead: its password is gone', async () => {
	await pg.query(`UPDATE pensum.jobs SET kind = 'signin'`);
	await die();
	assert.deepEqual(await pg.query(`SELECT id FROM pensum.job_requeue('${ID}')`), []);
	assert.equal(await one(`state FROM pensum.jobs`), 'dead');
});

test('only what is dead goes back: not what waits, runs, has succeeded, failed or been cancelled', async () => {
	for (const state of ['queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled']) {
		await pg.query(`UPDATE pensum.jobs SET state = '${state}', finished_at = CASE WHEN '${state}' IN ('succeeded', 'failed', 'cancelled') THEN now() END`);
		assert.deepEqual(await pg.query(`SELECT id FROM pensum.job_requeue('${ID}')`), [], state);
		assert.equal(await one(`state FROM pensum.jobs`), state);
	}
});

test('attempts that did not count are told from those that did', async () => {
	await claim(0);
	await one(`pensum.job_hand_back('${ID}', 1, '${WORKER}')`);
	await claim(1);
	await retry(2);
	assert.deepEqual(await pg.query(`SELECT attempt - excused, max_attempts - excused FROM pensum.jobs`), [['1', '3']]);
});
