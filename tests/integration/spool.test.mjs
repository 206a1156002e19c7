// Finished work while PostgreSQL is away: it waits on disk, sealed, and is recorded once.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { buildFolder, startDaemon, writeKey } from '../support/daemon.mjs';
import { startFakePool } from '../support/fakepool.mjs';
import { startPostgres } from '../support/postgres.mjs';
import { run, temporaryFolder, until } from '../support/process.mjs';
import { startRedis } from '../support/redis.mjs';

const USER = '0123456789abcdef0123456789abcdef';
let redis, pg, pool, keyFile, folder, worker;

before(async () => {
	// What PostgreSQL has said survives its restart here, other than in most tests.
	[redis, pg, pool] = await Promise.all([startRedis(), startPostgres({ settings: { synchronous_commit: 'on' } }), startFakePool()]);
	await pg.schema();
	keyFile = writeKey(redis.folder);
	pool.answer = async () => ({ ok: true, user: { id: 7, fullname: 'Maya' }, sesskey: 'k', courses: [{ id: 1, name: 'Biology' }] });
});
after(async () => {
	await pool?.stop();
	await pg?.stop();
	await redis?.stop();
});
beforeEach(async () => {
	folder = temporaryFolder('pensum-sp-');
	await pg.query('TRUNCATE pensum.jobs, pensum.workers, pensum.moodle_sessions, pensum.course_lists');
	await redis.command('FLUSHALL');
	await pg.query(`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
		VALUES ('${USER}', '${await seal(`moodle ${USER}`, '[]')}', 'v', now() + interval '1 hour')`);
});
afterEach(async () => {
	pool.hold()();
	if (!pg.process || pg.process.ended) await pg.start();
	if (worker && !worker.ended) await worker.stop();
	folder.remove();
});

const spool = () => path.join(folder.path, 'spool');
const files = () => (fs.existsSync(spool()) ? fs.readdirSync(spool()) : []);
const kept = () => until('file', () => files().length === 1 && !files()[0].endsWith('.tmp') && files(), 30_000);
async function startWorker(settings = {}, ready = /worker ready/) {
	worker = await startDaemon('pensum-checker-worker', { ready, settings: {
		'redis.address': redis.address, 'postgres.conninfo': pg.conninfo, 'secrets.key_file': keyFile, 'pool.socket': pool.socketPath,
		'site.url': 'http://site.test', 'worker.host': 'h', 'checker.slots': 1, 'checker.urgent_slots': 0, 'worker.spool_dir': spool(), ...settings } });
}
const seal = async (context, text) => (await run(path.join(buildFolder, 'tests', 'integration', 'seal'), [context, text],
	{ env: { PENSUM_SECRETS_KEY_FILE: keyFile } })).stdout.trim();
// A job whose work is done while PostgreSQL is away.
async function finishWithoutPostgres(kind = 'courses', input = '{"username": "maya"}') {
	const id = crypto.randomBytes(12).toString('hex');
	const release = pool.hold();
	const secret = kind === 'signin' ? `'${await seal(`password ${id}`, 'wrong')}'` : 'NULL';
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret)
		VALUES ('${id}', '${kind}', 'checker', 'normal', '${USER}', '${input}', ${secret})`);
	await redis.command('XADD', 'pensum:jobs:checker:normal', '*', 'j', id, 'a', 0);
	await until('script', () => pool.running > 0);
	await pg.kill();
	release();
	return id;
}
const row = async (id) => (await pg.query(`SELECT state, attempt, result->>'count' FROM pensum.jobs WHERE id = '${id}'`))[0];
const ended = (id) => until('end', async () => (await row(id))[0] === 'succeeded', 20_000);
const counters = async () => JSON.parse((await pg.query('SELECT counters FROM pensum.workers'))[0]?.[0] ?? '{}');

test('finished work waits on disk, sealed; the slot records it when PostgreSQL is back', async () => {
	await startWorker();
	for (const kind of ['courses', 'moodle']) await redis.command('SET', `pensum:${kind}:${USER}`, 'stale');
	const id = await finishWithoutPostgres();
	const [name] = await kept();
	assert.equal(name, `checker:0:${id}.1`);
	const bytes = fs.readFileSync(path.join(spool(), name), 'latin1');
	assert.doesNotMatch(bytes, /Biology|courses|INSERT/);
	assert.equal(fs.statSync(path.join(spool(), name)).mode & 0o777, 0o600);
	await pg.start();
	await ended(id);
	assert.deepEqual(await row(id), ['succeeded', '1', '1']);
	assert.equal((await pg.query('SELECT * FROM pensum.course_lists')).length, 1);
	await until('no file', () => files().length === 0);
	await until('event', async () => await redis.command('HGET', `pensum:job:${id}`, 's') === 'succeeded');
	// What Redis knew from before is forgotten, and what is being read now is not kept.
	assert.equal(await redis.command('GET', `pensum:courses:${USER}`), '');
	assert.ok(await redis.command('TTL', `pensum:courses:${USER}`) <= 10);
	assert.equal(await redis.command('EXISTS', `pensum:moodle:${USER}`), 0);
	const events = (await redis.command('XRANGE', 'pensum:events', '-', '+')).map(([, fields]) => fields)
		.filter((fields) => fields[fields.indexOf('j') + 1] === id && fields[fields.indexOf('s') + 1] === 'succeeded');
	assert.equal(events.length, 1, 'and everybody is told once');
	await until('counters', async () => (await counters()).jobs_replayed_total === 1);
	assert.equal((await counters()).jobs_spooled_total, 1);
});

test('it outlives its worker, which records it before it gives anything back', async () => {
	await startWorker();
	const id = await finishWithoutPostgres();
	await kept();
	await worker.kill();
	await startWorker({}, /waiting for it/);
	await pg.start();
	await ended(id);
	assert.deepEqual(await row(id), ['succeeded', '1', '1']);
	assert.deepEqual(files(), []);
});

test('a crash between the record and the end of the file changes nothing', async () => {
	await startWorker();
	const id = await finishWithoutPostgres();
	const [name] = await kept();
	const copy = fs.readFileSync(path.join(spool(), name));
	await pg.start();
	await ended(id);
	await until('no file', () => files().length === 0);
	await worker.stop();
	await pg.query(`UPDATE pensum.course_lists SET courses = '[]'`);
	fs.writeFileSync(path.join(spool(), name), copy);
	fs.writeFileSync(path.join(spool(), `checker:0:${id}.2`), copy); // sealed under another name
	fs.writeFileSync(path.join(spool(), 'checker:1:nonsense'), 'x');
	fs.writeFileSync(path.join(spool(), 'checker:0:half.1.77.tmp'), 'x');
	await startWorker();
	await until('no file', () => files().length === 0);
	assert.deepEqual(await row(id), ['succeeded', '1', '1']);
	assert.deepEqual(await pg.query('SELECT courses FROM pensum.course_lists'), [['[]']], 'nothing was written twice');
	assert.match(worker.text(), /finished work dropped.*nonsense/);
	assert.match(worker.text(), new RegExp(`finished work dropped.*${id}\\.2 why="sealed value`));
});

test('work whose attempt was taken over meanwhile is dropped, and counted', async () => {
	await startWorker();
	const id = await finishWithoutPostgres();
	await kept();
	await worker.kill();
	await pg.start();
	await pg.query(`SELECT pensum.jobs_release_worker('h:checker', 'worker_lost', 'm')`);
	await pg.query(`SELECT pensum.job_claim('${id}', 1, 'other:checker:0')`);
	await startWorker();
	assert.match(worker.text(), /finished work dropped.*taken over/);
	assert.deepEqual(files(), []);
	assert.deepEqual(await row(id), ['running', '2', null]);
	assert.deepEqual(await pg.query('SELECT * FROM pensum.course_lists'), []);
	await until('counters', async () => (await counters()).job_zombie_rejected_total?.replay === 1);
});

// Moodle's answer to a sign-in while PostgreSQL is away; how often it was asked comes back with the job.
async function failWithoutPostgres(code) {
	let asked = 0;
	const answer = pool.answer;
	pool.answer = async () => (asked++, { ok: false, code });
	await startWorker();
	const id = await finishWithoutPostgres('signin');
	const [name] = await kept();
	return { id, name, asked: () => asked, answerAgain: () => (pool.answer = answer) };
}
const events = async (id) => (await redis.command('XRANGE', 'pensum:events', '-', '+')).map(([, fields]) => Object.fromEntries(
	fields.flatMap((field, i) => (i % 2 === 0 ? [[field, fields[i + 1]]] : [])))).filter(({ j }) => j === id);

test('a wrong password found out meanwhile is recorded, and Moodle is not asked about it again', async () => {
	const { id, name, asked, answerAgain } = await failWithoutPostgres('wrong_password');
	const copy = fs.readFileSync(path.join(spool(), name));
	assert.doesNotMatch(copy.toString('latin1'), /wrong_password/);
	await worker.kill();
	await redis.command('FLUSHALL'); // that it was refused is not remembered there, either
	await startWorker({}, /waiting for it/);
	await pg.start();
	await until('end', async () => (await row(id))[0] !== 'running', 20_000);
	const [recorded] = await pg.query(`SELECT state, attempt, failure_code, failure_message <> '', secret, finished_at IS NOT NULL FROM pensum.jobs WHERE id = '${id}'`);
	assert.deepEqual(recorded, ['failed', '1', 'wrong_password', 't', null, 't']);
	await until('no file', () => files().length === 0);
	await until('event', async () => (await events(id)).length > 0);
	assert.deepEqual((await events(id)).map(({ s, k, p, m }) => [s, k, p, m !== '']), [['failed', '1', 'wrong_password', true]]);
	await worker.stop();
	fs.writeFileSync(path.join(spool(), name), copy); // a crash came before the end of the file
	await startWorker();
	await until('no file', () => files().length === 0);
	assert.match(worker.text(), /finished work recorded/);
	assert.deepEqual((await row(id)).slice(0, 2), ['failed', '1']);
	assert.equal(asked(), 1);
	answerAgain();
});

test('a sign-in that met a second factor meanwhile waits for its code, with all that it needs to go on', async () => {
	const { id, name, asked, answerAgain } = await failWithoutPostgres('mfa_needed');
	const copy = fs.readFileSync(path.join(spool(), name));
	await pg.start();
	await until('end', async () => (await row(id))[0] !== 'running', 20_000);
	const [recorded] = await pg.query(`SELECT state, attempt, failure_code, secret ~ '^factor [^ ]+$', worker FROM pensum.jobs WHERE id = '${id}'`);
	assert.deepEqual(recorded, ['waiting', '1', 'mfa_needed', 't', null]);
	await until('no file', () => files().length === 0);
	await until('event', async () => (await events(id)).at(-1)?.s === 'waiting');
	await worker.stop();
	fs.writeFileSync(path.join(spool(), name), copy);
	await startWorker();
	await until('no file', () => files().length === 0);
	assert.match(worker.text(), /finished work recorded/);
	assert.equal(asked(), 1);
	answerAgain();
});

test('a check that has to wait meanwhile keeps what it has read, and reads only the rest later', async (t) => {
	const { answer } = pool;
	const asked = [];
	let dead = true;
	t.after(() => (pool.answer = answer));
	pool.answer = async (expression) => {
		const [, course] = /"course":\{"id":(\d)/.exec(expression);
		asked.push(Number(course));
		return dead && course === '2' ? { ok: false, code: 'session_dead' } : { ok: true, assignments: [], activities: [] };
	};
	await startWorker();
	const courses = JSON.stringify({ courses: [{ id: 1, name: 'Art' }, { id: 2, name: 'Biology' }] });
	const id = await finishWithoutPostgres('check', courses);
	await kept();
	await pg.start();
	await until('end', async () => (await row(id))[0] === 'waiting', 20_000);
	const [[part, code]] = await pg.query(`SELECT part->'done', failure_code FROM pensum.jobs WHERE id = '${id}'`);
	assert.deepEqual([part, code], ['[1]', 'session_dead']);
	assert.deepEqual(await pg.query('SELECT course_id FROM pensum.course_checks'), [['1']]);
	await until('no file', () => files().length === 0);
	assert.deepEqual(asked, [1, 2]);
});

test('what would wait is over when it is not wanted any more', async () => {
	const { id, answerAgain } = await failWithoutPostgres('mfa_needed');
	await worker.kill();
	await pg.start();
	assert.deepEqual(await pg.query(`SELECT pensum.job_cancel('${id}', '${USER}')`), [['running']]);
	await startWorker();
	await until('end', async () => (await row(id))[0] === 'cancelled', 20_000);
	const [[state, version]] = await pg.query(`SELECT s.state, s.attempt || '.' || s.event_n FROM pensum.jobs s WHERE id = '${id}'`);
	assert.deepEqual([state, version], ['cancelled', '1.1000000']);
	await until('event', async () => (await events(id)).at(-1)?.s === 'cancelled');
	assert.deepEqual((await events(id)).at(-1).k, '2', 'newer than all of the attempt');
	answerAgain();
});

const slow = process.env.PENSUM_SLOW === '1';
test('a failure in passing that could not be told for two minutes is given back as lost, and the job is tried again', { skip: !slow }, async () => {
	await startWorker();
	const answer = pool.answer;
	pool.answer = async () => ({ ok: false, code: 'site_down' });
	const id = await finishWithoutPostgres();
	await worker.waitLine(/job's end not recorded"/, 150_000);
	assert.deepEqual(files(), [], 'what is tried again anyway does not wait on disk');
	pool.answer = answer;
	await pg.start();
	await until('second attempt to succeed', async () => (await row(id))[0] === 'succeeded', 30_000);
	assert.deepEqual((await row(id)).slice(0, 2), ['succeeded', '2']);
	assert.deepEqual((await pg.query(`SELECT what, attempt, reason FROM pensum.audit WHERE job_id = '${id}' AND reason IS NOT NULL`)).map((r) => r[2]), ['worker_lost']);
});

test('a spool that is full, or cannot be written, leaves the work in memory', async () => {
	fs.mkdirSync(spool());
	fs.writeFileSync(path.join(spool(), 'filler'), Buffer.alloc(1024 * 1024));
	await startWorker({ 'worker.spool_max_mb': 1 });
	const id = await finishWithoutPostgres();
	await worker.waitLine(/cannot wait on disk.*full/, 30_000);
	await pg.start();
	await ended(id);
	assert.deepEqual(await row(id), ['succeeded', '1', '1']);
	assert.deepEqual(files(), ['filler']);
});

test('a file that cannot be read for now is told once and waits, and its job is not given back meanwhile', async () => {
	await startWorker();
	const id = await finishWithoutPostgres();
	const [name] = await kept();
	await worker.kill();
	await pg.start();
	const file = path.join(spool(), name), aside = path.join(folder.path, 'aside');
	fs.renameSync(file, aside);
	fs.symlinkSync(file, file); // ELOOP, also for root
	await startWorker({}, /cannot be read for now/);
	const beat = async () => Number((await pg.query('SELECT beat FROM pensum.workers'))[0][0]);
	const first = await beat();
	await until('several tries', async () => await beat() > first + 3);
	assert.equal(worker.lines.filter((line) => /cannot be read for now/.test(line)).length, 1);
	assert.deepEqual(await row(id), ['running', '1', null]);
	fs.renameSync(aside, file);
	await ended(id);
	assert.deepEqual(await row(id), ['succeeded', '1', '1']);
	assert.deepEqual(files(), []);
});

async function askForCourses() {
	const id = crypto.randomBytes(12).toString('hex');
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
		VALUES ('${id}', 'courses', 'checker', 'normal', '${USER}', '{}')`);
	await until('end', async () => (await row(id))[0] === 'succeeded', 60_000);
}

test('one whose job nobody waits for any more is kept, and keeps nothing waiting', async () => {
	fs.mkdirSync(spool());
	const name = `checker:0:${'a'.repeat(24)}.1`;
	fs.symlinkSync(name, path.join(spool(), name));
	await startWorker({}, /cannot be read for now/);
	const start = Date.now();
	await askForCourses();
	assert.ok(Date.now() - start < 20_000, `${Date.now() - start} ms; a job that runs would be waited for half a minute`);
	assert.equal(worker.lines.filter((line) => /cannot be read for now/.test(line)).length, 2, 'told once by parent and slot');
	assert.deepEqual(files(), [name]);
});

test('one that stays so gives its job back after a while, and is kept', { skip: !slow }, async () => {
	await startWorker();
	const id = await finishWithoutPostgres();
	const [name] = await kept();
	await worker.kill();
	await pg.start();
	fs.unlinkSync(path.join(spool(), name));
	fs.symlinkSync(name, path.join(spool(), name));
	await startWorker({}, /cannot be read for now/);
	await askForCourses();
	await ended(id);
	assert.deepEqual((await row(id)).slice(0, 2), ['succeeded', '2']);
	assert.deepEqual(files(), [name]);
});
