// The stage of this folder's tests: the real checker-worker with real Redis and PostgreSQL, a pool whose
// pages are imagined, and a network between worker and PostgreSQL. Before each test it is cleared.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { buildFolder, startDaemon, writeKey } from '../../support/daemon.mjs';
import { startFakePool } from '../../support/fakepool.mjs';
import { startPgProxy } from '../../support/pgproxy.mjs';
import { startPostgres } from '../../support/postgres.mjs';
import { run, until } from '../../support/process.mjs';
import { startRedis } from '../../support/redis.mjs';

export const USER = '0123456789abcdef0123456789abcdef';
export const STREAM = 'pensum:jobs:checker:normal';
export const ANSWER = { ok: true, user: { id: 7, fullname: 'Maya' }, sesskey: 'k', courses: [{ id: 1, name: 'Biology' }] };
export let redis, pg, proxy, pool, keyFile, worker;

before(async () => {
	// What PostgreSQL has said survives its restart here, other than in most tests.
	const settings = { synchronous_commit: 'on' };
	[redis, pg, pool] = await Promise.all([startRedis(), startPostgres({ settings }), startFakePool()]);
	await pg.schema();
	proxy = await startPgProxy(pg);
	keyFile = writeKey(redis.folder);
});
after(async () => {
	await proxy?.stop();
	await pool?.stop();
	await pg?.stop();
	await redis?.stop();
});
beforeEach(async () => {
	await pg.query('TRUNCATE pensum.jobs, pensum.workers, pensum.moodle_sessions, pensum.course_lists, pensum.users');
	await redis.command('FLUSHALL');
	pool.answer = async () => ANSWER;
	pool.document = null;
});
afterEach(async () => {
	proxy.resume();
	proxy.refuse(false);
	pool.hold()();
	if (worker && !worker.ended) await worker.stop();
	worker = null;
	await until('quiet pool', () => pool.running === 0 && pool.open() === 0);
});

export async function startWorker(settings = {}, env = {}, ready = /worker ready/) {
	worker = await startDaemon('pensum-checker-worker', { ready, env, settings: {
		'redis.address': redis.address, 'postgres.conninfo': proxy.conninfo, 'secrets.key_file': keyFile,
		'pool.socket': pool.socketPath, 'site.url': 'http://site.test', 'worker.host': 'h', 'checker.slots': 1, 'checker.urgent_slots': 0,
		'jobs.retry_base_ms': 10, 'worker.spool_dir': path.join(redis.folder, 'spool'), ...settings } });
}
const quote = (text) => (text === null ? 'NULL' : `'${String(text).replaceAll("'", "''")}'`);

export async function addJob(kind, input = {}, { secret = null, attempt = 0, id = crypto.randomBytes(12).toString('hex') } = {}) {
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret, attempt, rung_at)
		VALUES (${quote(id)}, ${quote(kind)}, 'checker', 'normal', '${USER}', ${quote(JSON.stringify(input))}, ${quote(secret)}, ${attempt}, now())`);
	return id;
}
export const ring = (id, attempt = 0) => redis.command('XADD', STREAM, '*', 'j', id, 'a', attempt);
export const submit = async (...args) => {
	const id = await addJob(...args);
	await ring(id);
	return id;
};
export async function row(id) {
	const [[state, attempt, max, holder, cancel, code]] = await pg.query(`SELECT state, attempt, max_attempts, worker, cancel, failure_code
		FROM pensum.jobs WHERE id = '${id}'`);
	return { state, attempt: Number(attempt), max: Number(max), worker: holder, cancel: cancel === 't', code };
}
export const becomes = (id, state, ms) => until(`${state} of ${id}`, async () => {
	const now = await row(id);
	return now.state === state && now;
}, ms);
export const published = async (id) => Object.fromEntries((await redis.command('HGETALL', `pensum:job:${id}`)).reduce(
	(pairs, word, i, all) => (i % 2 ? [...pairs, [all[i - 1], word]] : pairs), []));
export const noEntries = () => until('empty stream', async () => await redis.command('XLEN', STREAM) === 0 &&
	(await redis.command('XPENDING', STREAM, 'workers'))[0] === 0);
export const seal = async (context, text) => {
	const done = await run(path.join(buildFolder, 'tests', 'integration', 'seal'), [context, text],
		{ env: { PENSUM_SECRETS_KEY_FILE: keyFile } });
	assert.equal(done.code, 0, done.stderr);
	return done.stdout.trim();
};
export const saveSession = async () => pg.query(`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
	VALUES ('${USER}', '${await seal(`moodle ${USER}`, '[]')}', 'v', now() + interval '1 hour')`);
// A job in the middle of its script, which answers when told.
export async function startCourses() {
	await saveSession();
	const release = pool.hold();
	const id = await submit('courses');
	await until('script', () => pool.running > 0);
	return { id, release };
}
export const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
