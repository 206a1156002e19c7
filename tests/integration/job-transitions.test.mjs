// The SQL functions through which alone a job changes: compare-and-set on (id, state, attempt, worker).
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startPostgres } from '../support/postgres.mjs';

const ID = '0123456789abcdef01234567';
let pg;

before(async () => {
	pg = await startPostgres();
	await pg.schema();
});
after(() => pg?.stop());
beforeEach(() => pg.query(`TRUNCATE pensum.jobs; INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret)
	VALUES ('${ID}', 'signin', 'checker', 'high', 'u1', '{}', 'sealed')`));

const one = async (sql) => (await pg.query(`SELECT ${sql}`))[0]?.[0] ?? null;
const claim = async (attempt, worker = 'h:checker:0') => (await pg.query(`SELECT attempt FROM pensum.job_claim('${ID}', ${attempt}, '${worker}')`))[0]?.[0];
const finish = (attempt, worker = 'h:checker:0') => one(`pensum.job_finish('${ID}', ${attempt}, '${worker}', 'succeeded', 9, '{"a":1}', NULL, NULL)`);
const retry = (attempt, worker = 'h:checker:0') => one(`pensum.job_retry('${ID}', ${attempt}, '${worker}', 0, 'site_down', 'm')`);
const row = async () => {
	const [[state, attempt, worker, secret, version, n]] = await pg.query(`SELECT j.state, j.attempt, j.worker, j.secret,
		e.version_attempt, e.version_n FROM pensum.jobs j JOIN pensum.job_events e USING (id)`);
	return { state, attempt: Number(attempt), worker, secret, version: [Number(version), Number(n)] };
};

test('one of two workers gets the job, and a stale entry gets nothing', async () => {
	const got = await Promise.all([claim(0, 'a:checker:0'), claim(0, 'b:checker:0')]);
	assert.deepEqual(got.filter(Boolean), ['1']);
	assert.equal(await claim(0), undefined);
	assert.equal(await claim(1), undefined);
});

test('an entry for another attempt, before its time, or of a job that is not wanted any more gets nothing', async () => {
	await claim(0);
	await retry(1);
	assert.equal(await claim(0), undefined, 'of the attempt before');
	assert.equal(await claim(2), undefined);
	await pg.query(`UPDATE pensum.jobs SET run_at = now() + interval '1 hour'`);
	assert.equal(await claim(1), undefined, 'not due');
	await pg.query(`UPDATE pensum.jobs SET run_at = now(), cancel = true`);
	assert.equal(await claim(1), undefined, 'not wanted');
	await pg.query(`UPDATE pensum.jobs SET cancel = false`);
	assert.equal(await claim(1), '2');
});

test('only the attempt that holds the job can end it, and only once', async () => {
	await claim(0);
	assert.equal(await finish(1, 'other:checker:0'), 'f');
	assert.equal(await finish(0), 'f');
	assert.equal(await finish(1), 't');
	assert.equal(await finish(1), 'f');
	assert.deepEqual(await row(), { state: 'succeeded', attempt: 1, worker: 'h:checker:0', secret: null, version: [1, 9] });
});

test('only the attempt that holds the job can leave a part, park it or give it back', async () => {
	await claim(0);
	await retry(1);
	await claim(1);
	const ways = { job_keep: `, '{"done":[1]}'`, job_wait: `, 5, 'session_dead', 'm'`, job_retry: `, 0, 'site_down', 'm'`, job_hand_back: '' };
	const call = (name, attempt, worker) => one(`pensum.${name}('${ID}', ${attempt}, '${worker}'${ways[name]})`);
	for (const name of Object.keys(ways))
		for (const [attempt, worker] of [[1, 'h:checker:0'], [2, 'other:checker:0']])
			assert.ok([null, 'f'].includes(await call(name, attempt, worker)), `${name} ${attempt} ${worker}`);
	assert.deepEqual(await row(), { state: 'running', attempt: 2, worker: 'h:checker:0', secret: 'sealed', version: [2, 1] });
	assert.equal(await one(`(SELECT part FROM pensum.jobs)`), null);
	assert.equal(await call('job_keep', 2, 'h:checker:0'), 't');
	await finish(2);
	for (const name of Object.keys(ways)) assert.ok([null, 'f'].includes(await call(name, 2, 'h:checker:0')), `${name} after the end`);
});

test('an attempt ends a job in one of three ways and no other', async () => {
	await claim(0);
	for (const state of ['running', 'queued', 'dead', 'done'])
		await assert.rejects(pg.query(`SELECT pensum.job_finish('${ID}', 1, 'h:checker:0', '${state}', 9, NULL, NULL, NULL)`), /no end of a job/);
	assert.equal((await row()).state, 'running');
});

test('a retry keeps the secret, spends the attempt, and the last one leaves the job dead without it', async () => {
	for (let attempt = 1; attempt <= 3; attempt++) {
		assert.equal(await claim(attempt - 1), String(attempt));
		const state = await retry(attempt);
		assert.equal(state, attempt < 3 ? 'queued' : 'dead');
		assert.equal((await row()).secret, attempt < 3 ? 'sealed' : null);
	}
	assert.equal(await claim(3), undefined);
});

test('a job whose worker died goes back, and its zombie can do nothing more', async () => {
	await claim(0, 'h:checker:0');
	const released = await pg.query(`SELECT id, state, attempt, queue, priority FROM pensum.jobs_release_worker('h:checker', 'worker_lost', 'm')`);
	assert.deepEqual(released, [[ID, 'queued', '1', 'checker', 'high']]);
	assert.equal(await claim(1, 'h:checker:1'), '2');
	assert.equal(await finish(1, 'h:checker:0'), 'f');
	assert.equal(await retry(1, 'h:checker:0'), null);
	assert.equal(await finish(2, 'h:checker:1'), 't');
});

test('a job that loses its worker keeps its secret for the next attempt, and with the last attempt or the wish for it dies without', async () => {
	const release = async () => (await pg.query(`SELECT state FROM pensum.jobs_release_worker('h:checker', 'worker_lost', 'm')`))[0][0];
	for (let attempt = 1; attempt <= 3; attempt++) {
		await claim(attempt - 1);
		assert.equal(await release(), attempt < 3 ? 'queued' : 'dead');
		assert.equal((await row()).secret, attempt < 3 ? 'sealed' : null);
	}
	await pg.query(`UPDATE pensum.jobs SET state = 'running', attempt = 1, worker = 'h:checker:0', secret = 'sealed', cancel = true, finished_at = NULL`);
	assert.equal(await release(), 'cancelled');
	assert.equal((await row()).secret, null);
});

test('releasing one slot leaves the others of its worker alone', async () => {
	await claim(0, 'h:checker:10');
	assert.deepEqual(await pg.query(`SELECT id FROM pensum.jobs_release_worker('h:checker:1', 'worker_lost', 'm')`), []);
	assert.equal((await row()).state, 'running');
});

test('handing back and waiting cost no attempt, and versions only grow', async () => {
	const versions = [(await row()).version];
	await claim(0);
	versions.push((await row()).version);
	assert.equal(await one(`pensum.job_hand_back('${ID}', 1, 'h:checker:0')`), 'queued');
	versions.push((await row()).version);
	await claim(1);
	assert.equal(await one(`pensum.job_wait('${ID}', 2, 'h:checker:0', 5, 'session_dead', 'm')`), 'waiting');
	versions.push((await row()).version);
	assert.equal(await claim(2), undefined, 'a waiting job is not claimed');
	assert.deepEqual(await pg.query(`SELECT pensum.jobs_resume('u1')`), [[ID]]);
	versions.push((await row()).version);
	await claim(2);
	versions.push((await row()).version);
	for (let i = 1; i < versions.length; i++) {
		const [[ak, an], [bk, bn]] = [versions[i - 1], versions[i]];
		assert.ok(bk > ak || (bk === ak && bn > an), JSON.stringify(versions));
	}
	for (const attempt of [3, 4]) assert.equal(await retry(attempt), 'queued') || (await claim(attempt));
	assert.equal(await retry(5), 'dead', 'three attempts of its own after the two that did not count');
});

test('cancelling ends what waits, asks what runs, and touches nobody else\'s', async () => {
	assert.equal(await one(`(SELECT pensum.job_cancel('${ID}', 'u2'))`), null);
	await claim(0);
	assert.equal(await one(`pensum.job_cancel('${ID}', 'u1')`), 'running');
	assert.equal(await retry(1), 'cancelled', 'no new attempt of a cancelled job');
	assert.equal((await row()).secret, null);
	await pg.query(`UPDATE pensum.jobs SET state = 'queued', cancel = false, finished_at = NULL`);
	assert.equal(await one(`pensum.job_cancel('${ID}', 'u1')`), 'cancelled');
	assert.equal(await claim(1), undefined);
});

test('what is asked to stop while it runs is cancelled also by giving it back', async () => {
	const givenBack = [`job_hand_back('${ID}', 1, 'h:checker:0')`, `job_wait('${ID}', 1, 'h:checker:0', 5, 'session_dead', 'm')`];
	for (const call of givenBack) {
		await pg.query(`UPDATE pensum.jobs SET state = 'queued', attempt = 0, cancel = false, secret = 'sealed', finished_at = NULL`);
		await claim(0);
		await one(`pensum.job_cancel('${ID}', 'u1')`);
		assert.equal(await one(`pensum.${call}`), 'cancelled', call);
		assert.equal(await one(`pensum.${call}`), null, 'and only once');
		assert.deepEqual(await row(), { state: 'cancelled', attempt: 1, worker: null, secret: null, version: [2, 1000000] });
		assert.equal(await one(`(SELECT finished_at IS NOT NULL AND failure_code = 'cancelled' FROM pensum.jobs)`), 't');
	}
});

test('bells are rung for what is due and not rung lately, once', async () => {
	const ring = async () => (await pg.query('SELECT id, queue, priority, attempt FROM pensum.jobs_to_ring(4, 1)'));
	assert.deepEqual(await ring(), [[ID, 'checker', 'high', '0']]);
	assert.deepEqual(await ring(), []);
	await pg.query(`UPDATE pensum.jobs SET rung_at = now() - interval '11 s'`);
	assert.equal((await ring()).length, 1);
	await pg.query(`UPDATE pensum.jobs SET rung_at = NULL, run_at = now() + interval '1 hour'`);
	assert.deepEqual(await ring(), []);
	assert.equal(await claim(0), undefined, 'nor is it claimed before its time');
});

test('without a bell the most urgent job is claimed first, where a minute of waiting outweighs a class', async () => {
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at) VALUES
		('1123456789abcdef01234567', 'check', 'checker', 'normal', 'u1', '{}', now() - interval '30 s'),
		('2123456789abcdef01234567', 'check', 'checker', 'normal', 'u2', '{}', now() - interval '70 s'),
		('3123456789abcdef01234567', 'check', 'checker', 'low', 'u3', '{}', now() - interval '110 s')`);
	const next = async () => (await pg.query(`SELECT id FROM pensum.job_claim_next('checker', 'h:checker:0')`))[0]?.[0]?.[0];
	assert.deepEqual([await next(), await next(), await next(), await next(), await next()], ['2', '0', '3', '1', undefined]);
});

test('of a claim that a crash of the server takes back nothing is left, and one that was kept is still there', async () => {
	const server = await startPostgres({ settings: { synchronous_commit: 'on', wal_writer_delay: '10s' } });
	const ask = async (sql) => (await server.query(`SELECT ${sql}`))[0]?.[0] ?? null;
	const crash = async () => {
		await server.restart();
		return ask(`state || ' ' || attempt FROM pensum.jobs`);
	};
	const claimAs = (worker) => ask(`attempt FROM
		set_config('synchronous_commit', 'off', true), pensum.job_claim('${ID}', 0, '${worker}')`);
	const finishAs = (worker) => ask(`pensum.job_finish('${ID}', 1, '${worker}', 'succeeded', 9, NULL, NULL, NULL)`);
	try {
		await server.schema();
		await server.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
			VALUES ('${ID}', 'check', 'checker', 'normal', 'u1', '{}')`);
		assert.equal(await claimAs('a:checker:0'), '1');
		assert.equal(await crash(), 'queued 0');
		assert.equal(await finishAs('a:checker:0'), 'f');
		assert.equal(await claimAs('b:checker:0'), '1', 'the number is given again');
		assert.equal(await finishAs('a:checker:0'), 'f', 'and is not enough');
		await server.query(`UPDATE pensum.jobs SET event_n = event_n`);
		assert.equal(await crash(), 'running 1');
		assert.equal(await finishAs('b:checker:0'), 't');
	} finally {
		await server.stop();
	}
});
