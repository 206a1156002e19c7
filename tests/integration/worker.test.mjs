// The real checker-worker with real Redis and PostgreSQL, a pool whose pages are imagined, and a
// network between worker and PostgreSQL that loses what the test wants lost.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { buildFolder, startDaemon, writeKey } from '../support/daemon.mjs';
import { startFakePool } from '../support/fakepool.mjs';
import { startPgProxy } from '../support/pgproxy.mjs';
import { startPostgres } from '../support/postgres.mjs';
import { run, sleep, until } from '../support/process.mjs';
import { startRedis } from '../support/redis.mjs';

const USER = '0123456789abcdef0123456789abcdef';
const STREAM = 'pensum:jobs:checker:normal';
const ANSWER = { ok: true, user: { id: 7, fullname: 'Maya' }, sesskey: 'k', courses: [{ id: 1, name: 'Biology' }] };
let redis, pg, proxy, pool, keyFile, worker;

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
});
afterEach(async () => {
	proxy.resume();
	proxy.refuse(false);
	pool.hold()();
	if (worker && !worker.ended) await worker.stop();
	worker = null;
	await until('quiet pool', () => pool.running === 0 && pool.open() === 0);
});

async function startWorker(settings = {}, env = {}) {
	worker = await startDaemon('pensum-checker-worker', { ready: /worker ready/, env, settings: {
		'redis.address': redis.address, 'postgres.conninfo': proxy.conninfo, 'secrets.key_file': keyFile,
		'pool.socket': pool.socketPath, 'site.url': 'http://site.test', 'worker.host': 'h', 'checker.slots': 1,
		'jobs.retry_base_ms': 10, 'worker.spool_dir': path.join(redis.folder, 'spool'), ...settings } });
}
const quote = (text) => (text === null ? 'NULL' : `'${String(text).replaceAll("'", "''")}'`);

async function addJob(kind, input = {}, { secret = null, attempt = 0, id = crypto.randomBytes(12).toString('hex') } = {}) {
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret, attempt, rung_at)
		VALUES (${quote(id)}, ${quote(kind)}, 'checker', 'normal', '${USER}', ${quote(JSON.stringify(input))}, ${quote(secret)}, ${attempt}, now())`);
	return id;
}
const ring = (id, attempt = 0) => redis.command('XADD', STREAM, '*', 'j', id, 'a', attempt);
const submit = async (...args) => {
	const id = await addJob(...args);
	await ring(id);
	return id;
};
async function row(id) {
	const [[state, attempt, max, holder, cancel, code]] = await pg.query(`SELECT state, attempt, max_attempts, worker, cancel, failure_code
		FROM pensum.jobs WHERE id = '${id}'`);
	return { state, attempt: Number(attempt), max: Number(max), worker: holder, cancel: cancel === 't', code };
}
const becomes = (id, state, ms) => until(`${state} of ${id}`, async () => {
	const now = await row(id);
	return now.state === state && now;
}, ms);
const published = async (id) => Object.fromEntries((await redis.command('HGETALL', `pensum:job:${id}`)).reduce(
	(pairs, word, i, all) => (i % 2 ? [...pairs, [all[i - 1], word]] : pairs), []));
const noEntries = () => until('empty stream', async () => await redis.command('XLEN', STREAM) === 0 &&
	(await redis.command('XPENDING', STREAM, 'workers'))[0] === 0);
const seal = async (context, text) => {
	const done = await run(path.join(buildFolder, 'tests', 'integration', 'seal'), [context, text],
		{ env: { PENSUM_SECRETS_KEY_FILE: keyFile } });
	assert.equal(done.code, 0, done.stderr);
	return done.stdout.trim();
};
const saveSession = async () => pg.query(`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
	VALUES ('${USER}', '${await seal(`moodle ${USER}`, '[]')}', 'v', now() + interval '1 hour')`);
// A job in the middle of its script, which answers when told.
async function startCourses() {
	await saveSession();
	const release = pool.hold();
	const id = await submit('courses');
	await until('script', () => pool.running > 0);
	return { id, release };
}
const childrenOf = (pid) => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

// ---------------------------------------------------------------- the bell

test('a job runs once however often it is rung, and entries that mean nothing run nothing', async () => {
	await startWorker();
	const id = await addJob('check');
	for (const words of [['j', id, 'a', 0], ['j', id, 'a', 0], ['j', id, 'a', 7], ['j', 'f'.repeat(24), 'a', 0], ['j', id], ['a', 0],
		['j', '../../etc', 'a', 0], ['j', id, 'a', '0; DROP'], ['j', id, 'a', '9'.repeat(40)], ['j', id, 'a', ''], ['x', 'y'], ['j', '', 'a', '']])
		await redis.command('XADD', STREAM, '*', ...words);
	await noEntries();
	assert.deepEqual(await row(id), { state: 'failed', attempt: 1, max: 3, worker: 'h:checker:0', cancel: false, code: 'bad_input' });
});

// Redis counts how often it has read from a connection: once for what was sent together.
test('while hints wait, a slot sends Redis what a job has to tell together with what it asks next', async () => {
	const jobs = await Promise.all(Array.from({ length: 40 }, () => addJob('of the future')));
	for (const id of jobs) await ring(id);
	const reads = async () => Number(/total_reads_processed:(\d+)/.exec(await redis.command('INFO', 'stats'))[1]);
	const before = await reads();
	await startWorker();
	await becomes(jobs.at(-1), 'failed');
	await noEntries();
	const each = (await reads() - before) / jobs.length;
	assert.ok(each < 2.8, `${each} reads a job: that it starts; its end, and the next hint`);
	for (const id of jobs) assert.equal((await published(id)).s, 'failed');
});

test('input that is not what the kind wants fails the job, and so does a kind that nobody knows', async () => {
	await startWorker();
	const jobs = [];
	for (const kind of ['check', 'signin'])
		for (const input of ['text', 5, null, true, [], [{ courses: [1] }], {}, { courses: [], username: 3 }, { courses: [1, 'x'], username: {} }])
			jobs.push(await submit(kind, input));
	jobs.push(await submit('check', { courses: { 0: 1 } }), await submit('of the future'), await submit('document'));
	await noEntries();
	for (const id of jobs) assert.match((await row(id)).state, /failed|waiting/, id);
});

test('what an earlier life or a slot that is gone left behind is cleared away', async () => {
	await redis.command('XGROUP', 'CREATE', STREAM, 'workers', '0', 'MKSTREAM');
	const read = (consumer) => redis.command('XREADGROUP', 'GROUP', 'workers', consumer, 'COUNT', 1, 'STREAMS', STREAM, '>');
	await ring('e'.repeat(24));
	const ghost = (await read('h:checker:0'))[0][1][0][0];
	await redis.command('XDEL', STREAM, ghost); // killed between deleting and acknowledging
	const left = await ring('f'.repeat(24));
	await read('gone:checker:3');
	await redis.command('XCLAIM', STREAM, 'workers', 'gone:checker:3', 0, left, 'IDLE', 3 * 3600 * 1000);
	const mine = await addJob('check');
	await ring(mine);
	await read('h:checker:0');
	await startWorker();
	assert.equal((await becomes(mine, 'failed')).attempt, 1);
	await noEntries();
});

test('an entry is never acknowledged while it can still stay behind', async () => {
	await startWorker();
	const monitor = await import('node:net').then(({ default: net }) => net.connect(redis.socketPath));
	let seen = '';
	monitor.on('data', (data) => (seen += data));
	monitor.write('MONITOR\r\n');
	await until('monitor', () => seen.includes('+OK'));
	await becomes(await submit('check'), 'failed');
	await until('both', () => /"XACK"/.test(seen) && /"XDEL"/.test(seen));
	monitor.destroy();
	assert.ok(seen.indexOf('"XDEL"') < seen.indexOf('"XACK"'), 'a crash in between leaves a ghost, which its owner clears');
});

test('without Redis jobs run all the same, and at the bell again afterwards', async () => {
	await startWorker();
	await redis.kill();
	for (let i = 0; i < 2; i++) await becomes(await addJob('check'), 'failed', 5000);
	await redis.start();
	await worker.waitLine(/back at the bell/);
	const id = await submit('check');
	await becomes(id, 'failed');
	await noEntries();
});

test('a worker that never finds Redis says where it looked and what was wrong', async () => {
	await startWorker({ 'redis.address': 'unix:/nowhere' });
	await worker.waitLine(/no bell, asking the record" err="redis: \/nowhere: No such file or directory"/);
	await becomes(await addJob('check'), 'failed', 5000);
});

test('a Redis that hangs does not hold jobs up for long', async () => {
	await startWorker();
	redis.pause();
	try {
		await worker.waitLine(/no bell/);
		await saveSession();
		const at = Date.now();
		const id = await addJob('courses');
		await becomes(id, 'succeeded', 15_000);
		assert.ok(Date.now() - at < 8000, `${Date.now() - at} ms`);
	} finally {
		redis.resume();
	}
	await worker.waitLine(/back at the bell/);
});

test('after FLUSHALL the groups are there again and the next job is heard', async () => {
	await startWorker();
	await becomes(await submit('check'), 'failed');
	await redis.command('FLUSHALL');
	const id = await submit('check');
	await becomes(id, 'failed', 5000);
	await noEntries();
	for (const priority of ['high', 'normal', 'low']) {
		const groups = await until('group', () => redis.command('XINFO', 'GROUPS', `pensum:jobs:checker:${priority}`).catch(() => null));
		assert.equal(groups.length, 1);
	}
});

// ---------------------------------------------------------------- stopping and cancelling

test('SIGTERM hands a running job back, and it costs no attempt', async () => {
	await startWorker();
	const { id, release } = await startCourses();
	await worker.stop();
	assert.deepEqual(await row(id), { state: 'queued', attempt: 1, max: 4, worker: null, cancel: false, code: null });
	assert.deepEqual(await pg.query('SELECT name FROM pensum.workers'), []);
	release();
	await startWorker();
	await ring(id, 1);
	assert.equal((await becomes(id, 'succeeded')).attempt, 2);
	await noEntries();
});

test('a browser that stops together with the worker costs no attempt either', async () => {
	await startWorker();
	const { id } = await startCourses();
	worker.child.kill('SIGTERM');
	for (const pid of childrenOf(worker.pid)) process.kill(pid, 'SIGTERM'); // as systemd does it
	pool.drop();
	await worker.exited;
	const now = await row(id);
	assert.deepEqual({ state: now.state, attempt: now.attempt, max: now.max }, { state: 'queued', attempt: 1, max: 4 });
});

test('a job that is cancelled while its worker stops is cancelled, not queued for ever', async () => {
	await startWorker();
	const { id } = await startCourses();
	await pg.query(`SELECT pensum.job_cancel('${id}', '${USER}')`);
	worker.child.kill('SIGTERM');
	pool.drop();
	await worker.exited;
	assert.equal((await row(id)).state, 'cancelled');
});

test('a running job that is cancelled stops within three seconds', async () => {
	await startWorker();
	const { id } = await startCourses();
	const at = Date.now();
	await pg.query(`SELECT pensum.job_cancel('${id}', '${USER}')`);
	await becomes(id, 'cancelled', 5000);
	assert.ok(Date.now() - at < 3000, `${Date.now() - at} ms`);
	await until('lease closed', () => pool.open() === 0);
	await until('event', async () => (await published(id)).s === 'cancelled');
	await noEntries();
});

// ---------------------------------------------------------------- PostgreSQL

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

test('a PostgreSQL that hangs keeps neither the watch over slots nor the stop from working', async () => {
	await startWorker({ 'checker.time_limit_s': 5 });
	await startCourses();
	const [slot] = childrenOf(worker.pid);
	process.kill(slot, 'SIGSTOP');
	proxy.pause();
	await until('end of the slot', () => !childrenOf(worker.pid).includes(slot), 18_000);
	const at = Date.now();
	worker.child.kill('SIGTERM');
	await worker.exited;
	assert.ok(Date.now() - at < 12_000, `${Date.now() - at} ms to stop`);
});

// ---------------------------------------------------------------- processes

test('a slot that dies gives its job back at once, and holds no connection of its parent', async () => {
	await startWorker({ 'checker.slots': 2 });
	const socketsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2).map((fd) => {
		try {
			return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
		} catch {
			return '';
		}
	}).filter((link) => link.startsWith('socket:'));
	await sleep(4000); // the parent has beaten since
	const shared = () => [worker.pid, ...childrenOf(worker.pid)].flatMap((pid) => socketsOf(pid)).filter((link, i, all) => all.indexOf(link) !== i);
	assert.deepEqual(shared(), []);
	const { id, release } = await startCourses();
	const slot = childrenOf(worker.pid)[Number((await row(id)).worker.at(-1))];
	process.kill(slot, 'SIGKILL');
	const again = await until('second attempt', async () => {
		const now = await row(id);
		return now.attempt === 2 || now.state === 'queued' ? now : null;
	}, 3000);
	assert.ok(again);
	release();
	assert.equal((await becomes(id, 'succeeded')).attempt, 2);
	await sleep(1000);
	assert.deepEqual(shared(), []);
});

test('a job that needs more memory than a slot may have is quarantined with that reason, and the next one runs', async () => {
	// AddressSanitizer's own limit stands for ours, which it could not live under.
	await startWorker({ 'worker.slot_memory_mb': 32 },
		{ ASAN_OPTIONS: 'detect_leaks=1:allocator_may_return_null=1:max_allocation_size_mb=8' });
	await saveSession();
	pool.answer = async () => ({ ...ANSWER, courses: [{ id: 1, name: 'x'.repeat(40_000_000) }] });
	const id = await submit('courses');
	const end = await becomes(id, 'dead', 30_000);
	assert.deepEqual([end.attempt, end.code], [3, 'worker_lost']);
	const [[message]] = await pg.query(`SELECT failure_message FROM pensum.jobs WHERE id = '${id}'`);
	assert.match(message, /more memory than it may/);
	pool.answer = async () => ANSWER;
	await becomes(await submit('courses'), 'succeeded', 30_000);
	assert.equal(worker.lines.filter((line) => /slot died.*more memory/.test(line)).length, 3);
	await worker.kill(); // a stop would take the sanitizer's word on that memory for a complaint
});

test('after a sign-in the password is in no memory of its slot', async () => {
	const password = `S3cret-${crypto.randomBytes(9).toString('hex')}-of-maya`;
	await startWorker();
	let said = '';
	pool.answer = async (expression) => {
		said += expression;
		return ANSWER;
	};
	const id = crypto.randomBytes(12).toString('hex');
	await addJob('signin', { username: 'maya' }, { secret: await seal(`password ${id}`, password), id });
	await ring(id);
	await becomes(id, 'succeeded');
	assert.ok(said.includes(password), 'the page got it');
	await noEntries();
	const [slot] = childrenOf(worker.pid);
	assert.deepEqual(placesOf(slot, Buffer.from(password.slice(0, 20))), []);
});

// Where in a process's writable memory some bytes stand.
function placesOf(pid, needle) {
	const places = [];
	const mem = fs.openSync(`/proc/${pid}/mem`, 'r');
	for (const line of fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
		const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
		if (!range) continue;
		const [from, to] = [parseInt(range[1], 16), parseInt(range[2], 16)];
		if (to - from > 512 * 1024 * 1024) continue; // a sanitizer's shadow
		const block = Buffer.alloc(to - from);
		try {
			fs.readSync(mem, block, 0, block.length, from);
		} catch {
			continue;
		}
		for (let at = block.indexOf(needle); at >= 0; at = block.indexOf(needle, at + 1)) places.push(line.split(/\s+/)[5] || line.slice(0, 30));
	}
	fs.closeSync(mem);
	return places;
}

test('what keeps a worker from starting is said in one sentence, with 78 where a value cannot be', async () => {
	const base = { 'redis.address': redis.address, 'postgres.conninfo': pg.conninfo,
		'secrets.key_file': keyFile, 'site.url': 'http://site.test', 'documents.dir': redis.folder };
	const cases = [
		['checker', { 'secrets.key_file': '/nonexistent' }, /\/nonexistent: No such file/],
		['docgen', { 'documents.dir': '/proc/nonexistent' }, /cannot start.*\/proc\/nonexistent/],
		['docgen', { 'documents.dir': keyFile }, /cannot start.*Not a directory/],
		['checker', { 'redis.address': 'nonsense' }, /redis\.address/, 78],
	];
	for (const [which, settings, sentence, exit = 1] of cases) {
		const p = await startDaemon(`pensum-${which}-worker`, { settings: { ...base, ...settings } });
		const { code } = await p.exited;
		assert.equal(code, exit, p.text());
		assert.match(p.text(), sentence);
		await p.stop('SIGKILL'); // its folder, and the sanitizers' word
	}
});
