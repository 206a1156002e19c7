// What the gateway does by the clock: rings again, takes jobs from the dead, deletes what has expired.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { newId, sha256, startGateway } from '../support/gateway.mjs';
import { sleep, until } from '../support/process.mjs';

let world, maya;

before(async () => {
	world = await startGateway();
	maya = await world.student('maya');
});
after(async () => { await world?.stop(); });

const entries = async (stream = 'pensum:jobs:checker:normal') =>
	(await world.redis.command('XRANGE', stream, '-', '+')).map(([, fields]) => [fields[1], Number(fields[3])]);
const idle = () => world.sql`DELETE FROM pensum.jobs`.then(() => world.redis.command('FLUSHALL'));

async function insertJob(columns = {}) {
	const row = { id: newId(), kind: 'check', queue: 'checker', priority: 'normal', user_id: maya.userId, input: '{}', ...columns };
	const names = Object.keys(row);
	await world.postgres.query(`INSERT INTO pensum.jobs (${names.join()}) VALUES (${names.map((name) =>
		(row[name] === null ? 'NULL' : /^now\(\)/.test(row[name]) ? row[name] : `'${row[name]}'`)).join()})`);
	return row.id;
}

test('a job that nobody rang for is rung, once, when it is due', async () => {
	const id = await insertJob();
	const later = await insertJob({ run_at: "now() + interval '1 hour'" });
	const retried = await insertJob({ attempt: 2 });
	await until('bell', async () => (await entries()).length >= 2);
	await sleep(4500);
	assert.deepEqual((await entries()).sort(), [[id, 0], [retried, 2]].sort());
	assert.deepEqual(await world.sql`SELECT rung_at FROM pensum.jobs WHERE id = ${later}`, [[null]]);
	await idle();
});

test('after FLUSHALL all jobs are rung again within seconds, and a long queue is not rung in vain', async () => {
	// As if they had waited for an hour, rung half a minute ago.
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at, rung_at)
		SELECT lpad(to_hex(i), 24, '0'), 'check', 'checker', 'normal', '${maya.userId}', '{}',
		now() - interval '1 hour', now() - interval '30 seconds' FROM generate_series(1, 1200) i`);
	for (let i = 1; i <= 1200; i++) {
		const pending = world.redis.command('XADD', 'pensum:jobs:checker:normal', '*', 'j', i.toString(16).padStart(24, '0'), 'a', '0');
		if (i % 50 === 0) await pending;
	}
	await sleep(5000);
	assert.equal(await world.redis.command('XLEN', 'pensum:jobs:checker:normal'), 1200, 'nothing was lost, nothing is rung');
	await world.redis.command('FLUSHALL');
	await until('all bells', async () => (await world.redis.command('XLEN', 'pensum:jobs:checker:normal')) >= 1200, 10_000);
	assert.equal(new Set((await entries()).map(([id]) => id)).size, 1200);
	await idle();
});

test('a worker that stops beating, or has no row, loses its jobs; one that beats keeps them', async () => {
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('dead:checker', 'x', 2), ('alive:checker', 'x', 2)`;
	const running = { state: 'running', attempt: 1, event_n: 7 };
	const lost = await insertJob({ ...running, worker: 'dead:checker:1' });
	const worn = await insertJob({ ...running, attempt: 3, worker: 'dead:checker:2' });
	const unwanted = await insertJob({ ...running, cancel: 't', worker: 'dead:checker:3' });
	const orphan = await insertJob({ ...running, worker: 'nobody:checker:0' });
	const kept = await insertJob({ ...running, worker: 'alive:checker:1' });
	const stateOf = async (id) => (await world.sql`SELECT state FROM pensum.jobs WHERE id = ${id}`)[0][0];
	const started = Date.now();
	await until('release', async () => {
		await world.sql`UPDATE pensum.workers SET beat = beat + 1 WHERE name = 'alive:checker'`;
		return (await stateOf(lost)) !== 'running';
	}, 40_000, 1000);
	assert.ok(Date.now() - started > 14_000, 'not too soon');
	assert.deepEqual(await Promise.all([lost, worn, unwanted, orphan, kept].map(stateOf)), ['queued', 'dead', 'cancelled', 'queued', 'running']);
	await until('events', async () => (await world.redis.command('HGET', `pensum:job:${worn}`, 's')) === 'dead');
	const event = await world.redis.command('HGETALL', `pensum:job:${lost}`);
	assert.deepEqual(event.slice(0, 10), ['j', lost, 's', 'queued', 'k', '2', 'n', '0', 'p', 'worker_lost']);
	assert.ok(await world.redis.command('TTL', `pensum:job:${lost}`) > 0);
	await until('bell', async () => (await entries()).some(([id, attempt]) => id === lost && attempt === 1));
	const job = (await maya.get(`/api/v1/jobs/${worn}`)).json;
	assert.deepEqual([job.state, job.version, job.failure.code], ['dead', [3, 1000000], 'worker_lost']);
	await world.sql`DELETE FROM pensum.workers`;
	await idle();
});

test('what has expired is deleted, and nothing else', async () => {
	const past = "now() - interval '1 minute'", old = "now() - interval '8 days'";
	const sealed = await insertJob({ kind: 'signin', queue: 'checker', priority: 'high', secret: 'sealed', created_at: "now() - interval '11 minutes'" });
	const fresh = await insertJob({ kind: 'signin', queue: 'checker', priority: 'high', secret: 'sealed' });
	const finished = await insertJob({ state: 'failed', finished_at: old });
	const recent = await insertJob({ state: 'failed', finished_at: past });
	await world.postgres.query(`INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at) VALUES
		('expired', 'u', NULL, true, ${past}), ('current', 'u', NULL, true, now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.moodle_sessions VALUES ('gone', 's', 'v', ${past}), ('kept', 's', 'v', now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.course_lists (user_id, courses, expires_at) VALUES ('gone', '[]', ${past}), ('kept', '[]', now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.course_checks (user_id, course_id, course_name, checked_at) VALUES ('gone', 1, 'x', ${old}), ('kept', 1, 'x', now())`);
	const gone = await world.giveDocument(maya, { inSeconds: -1 });
	const kept = await world.giveDocument(maya);
	// A gateway that starts looks at once; the running one looks every minute.
	const { daemon } = await world.startSecond();
	await until('purge', async () => (await world.sql`SELECT count(*) FROM pensum.sessions WHERE token_hash = 'expired'`)[0][0] === '0');
	await until('file', async () => !fs.existsSync(gone.file));
	await daemon.stop();

	assert.deepEqual(await world.sql`SELECT id FROM pensum.documents`, [[kept.id]]);
	assert.ok(fs.existsSync(kept.file));
	for (const table of ['moodle_sessions', 'course_lists', 'course_checks'])
		assert.deepEqual(await world.postgres.query(`SELECT user_id FROM pensum.${table}`), [['kept']], table);
	assert.deepEqual((await world.sql`SELECT id FROM pensum.jobs`).flat().sort(), [sealed, fresh, recent].sort(), `not ${finished}`);
	assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.sessions WHERE token_hash IN ('current', ${sha256(maya.token)})`, [['2']]);
	assert.deepEqual(await world.sql`SELECT state, secret, failure_code FROM pensum.jobs WHERE id = ${sealed}`, [['failed', null, 'timeout']]);
	assert.deepEqual(await world.sql`SELECT state, secret FROM pensum.jobs WHERE id = ${fresh}`, [['queued', 'sealed']]);
	assert.equal(await world.redis.command('HGET', `pensum:job:${sealed}`, 's'), 'failed');
	await idle();
});

test('a purge that another gateway is doing is left to it', async () => {
	await world.postgres.query("INSERT INTO pensum.moodle_sessions VALUES ('later', 's', 'v', now() - interval '1 minute')");
	const left = async () => (await world.sql`SELECT count(*) FROM pensum.moodle_sessions WHERE user_id = 'later'`)[0][0];
	const held = world.postgres.query("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('pensum.purge', 0)); SELECT pg_sleep(1); COMMIT");
	await sleep(400);
	await world.sql`SELECT * FROM pensum.purge(604800, 500)`;
	assert.equal(await left(), '1');
	await held;
	await world.sql`SELECT * FROM pensum.purge(604800, 500)`;
	assert.equal(await left(), '0');
});
