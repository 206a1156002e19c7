// What operators see and do: cleanup by the clock and on demand, dead letters, keys that end.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { newId, sha256, startGateway } from '../support/gateway.mjs';
import { sleep, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';

let world, maya, operator;
const past = "now() - interval '1 minute'", old = "now() - interval '8 days'";

before(async () => {
	world = await startGateway();
	maya = await world.student('maya');
	operator = world.browser();
	operator.url = world.adminUrl;
	// The clock's first run is over; what the tests make is theirs.
	await until('the first cleanup', async () => (await world.sql`SELECT count(*) FROM pensum.duties`)[0][0] === '1');
});
after(async () => { await world?.stop(); });

async function insertJob(columns = {}) {
	const row = { id: newId(), kind: 'check', queue: 'checker', priority: 'normal', user_id: maya.userId, input: '{}', ...columns };
	const names = Object.keys(row);
	await world.postgres.query(`INSERT INTO pensum.jobs (${names.join()}) VALUES (${names.map((name) =>
		(row[name] === null ? 'NULL' : /^now\(\)/.test(row[name]) ? row[name] : `'${row[name]}'`)).join()})`);
	return row.id;
}
const cleanUp = async (body = {}) => {
	const answer = await until('a cleanup of ours', async () => {
		const one = await operator.post('/admin/cleanup', body);
		return one.status !== 409 && one;
	});
	assert.equal(answer.status, 200, answer.text);
	return answer.json;
};
const moment = () => sleep(1100); // a gateway asks nobody about a session that it has just seen
const nothing = { sessions: 0, moodle_sessions: 0, course_lists: 0, results: 0, documents: 0, jobs: 0, workers: 0, files: 0,
	orphan_files: 0, idle_sessions: 0, idle_caches: 0, consumers: 0, complete: true };

test('what has expired goes, nothing else does, and the answer says how much', async () => {
	const sealed = await insertJob({ kind: 'signin', priority: 'high', secret: 'sealed', created_at: "now() - interval '11 minutes'" });
	const fresh = await insertJob({ kind: 'signin', priority: 'high', secret: 'sealed' });
	const finished = await insertJob({ state: 'failed', finished_at: old });
	const recent = await insertJob({ state: 'failed', finished_at: past });
	await world.postgres.query(`INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at) VALUES
		('expired', 'u', NULL, true, ${past}), ('current', 'u', NULL, true, now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.moodle_sessions VALUES ('gone', 's', 'v', ${past}), ('kept', 's', 'v', now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.course_lists (user_id, courses, expires_at) VALUES ('gone', '[]', ${past}), ('kept', '[]', now() + interval '1 hour')`);
	await world.postgres.query(`INSERT INTO pensum.course_checks (user_id, course_id, course_name, checked_at) VALUES ('gone', 1, 'x', ${old}), ('kept', 1, 'x', now())`);
	await world.postgres.query(`INSERT INTO pensum.workers (name, boot, slots, seen_at) VALUES ('gone:checker', 'x', 1, ${old}), ('kept:checker', 'x', 1, now())`);
	const gone = await world.giveDocument(maya, { inSeconds: -1 });
	const kept = await world.giveDocument(maya);
	assert.deepEqual(await cleanUp(), { ...nothing, sessions: 1, moodle_sessions: 1, course_lists: 1, results: 1, documents: 1, jobs: 1,
		workers: 1, files: 1 });
	assert.ok(!fs.existsSync(gone.file) && fs.existsSync(kept.file));

	assert.deepEqual(await world.sql`SELECT id FROM pensum.documents`, [[kept.id]]);
	for (const table of ['moodle_sessions', 'course_lists', 'course_checks'])
		assert.deepEqual(await world.postgres.query(`SELECT user_id FROM pensum.${table}`), [['kept']], table);
	assert.deepEqual((await world.sql`SELECT id FROM pensum.jobs`).flat().sort(), [sealed, fresh, recent].sort(), `not ${finished}`);
	assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.sessions WHERE token_hash IN ('current', ${sha256(maya.token)})`, [['2']]);
	assert.deepEqual(await cleanUp(), nothing, 'and nothing is left to do');
	// A gateway that starts looks at sign-ins at once; the running one looks every minute.
	const { daemon } = await world.startSecond();
	await until('the sign-in to end', async () => (await world.sql`SELECT state FROM pensum.jobs WHERE id = ${sealed}`)[0][0] === 'failed');
	await daemon.stop();
	assert.deepEqual(await world.sql`SELECT state, secret, failure_code FROM pensum.jobs WHERE id = ${sealed}`, [['failed', null, 'timeout']]);
	assert.deepEqual(await world.sql`SELECT state, secret FROM pensum.jobs WHERE id = ${fresh}`, [['queued', 'sealed']]);
	assert.equal(await world.redis.command('HGET', `pensum:job:${sealed}`, 's'), 'failed');
	await world.sql`DELETE FROM pensum.jobs`;
	await world.sql`DELETE FROM pensum.workers`;
});

test('much goes in transactions of 500 rows at most', async () => {
	await world.postgres.query(`CREATE TABLE public.portions (rows bigint); CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.portions SELECT count(*) FROM old_rows HAVING count(*) > 0; RETURN NULL; END $$;
		CREATE TRIGGER note AFTER DELETE ON pensum.jobs REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note()`);
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
		SELECT lpad(to_hex(i), 24, '0'), 'check', 'checker', 'normal', 'u', '{}', 'failed', ${old} FROM generate_series(1, 1700) i`);
	assert.equal((await cleanUp()).jobs, 1700);
	assert.deepEqual(await world.sql`SELECT rows FROM public.portions`, [['500'], ['500'], ['500'], ['200']]);
	await world.postgres.query('DROP TRIGGER note ON pensum.jobs');
});

test('by the clock one of several gateways does it, once in ten minutes', async () => {
	const began = async () => (await world.sql`SELECT began_at FROM pensum.duties WHERE name = 'cleanup'`)[0][0];
	const before = await began();
	const { daemon } = await world.startSecond();
	await sleep(3000);
	assert.equal(await began(), before, 'not again so soon');
	await daemon.stop();
	await world.postgres.query(`UPDATE pensum.duties SET began_at = now() - interval '11 minutes'`);
	const all = await Promise.all(Array.from({ length: 8 }, () => world.postgres.query(`SELECT pensum.duty_begin('cleanup', 600)`)));
	assert.equal(all.flat(2).filter((mine) => mine === 't').length, 1);
	await world.postgres.query(`UPDATE pensum.duties SET began_at = now() + interval '3 hours'`);
	assert.deepEqual(await world.postgres.query(`SELECT pensum.duty_begin('cleanup', 600)`), [['t']], 'a clock that was put back stops nothing');
	await world.postgres.query(`UPDATE pensum.duties SET began_at = now() - interval '11 minutes'`);
	await world.postgres.query(`INSERT INTO pensum.moodle_sessions VALUES ('later', 's', 'v', ${past})`);
	const again = await world.startSecond();
	await until('it to be gone', async () => (await world.sql`SELECT count(*) FROM pensum.moodle_sessions WHERE user_id = 'later'`)[0][0] === '0');
	await again.daemon.stop();
});

test('a portion that another gateway is at is left to it, and a cleanup that another one runs is refused', async () => {
	await world.postgres.query(`INSERT INTO pensum.moodle_sessions VALUES ('later', 's', 'v', ${past})`);
	const held = world.postgres.query("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('pensum.purge', 0)); SELECT pg_sleep(1.5); COMMIT");
	await until('the lock', async () => (await world.sql`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`)[0][0] !== '0');
	const partly = await cleanUp();
	assert.deepEqual([partly.moodle_sessions, partly.complete], [0, false]);
	await held;
	assert.equal((await cleanUp()).moodle_sessions, 1);

	await world.redis.command('SET', 'pensum:lock:cleanup', 'somebody', 'PX', 3000);
	const refused = await operator.post('/admin/cleanup', {});
	assert.deepEqual([refused.status, refused.json.code], [409, 'cleanup_running']);
	assert.ok(Number(refused.headers.get('retry-after')) > 0);
	assert.equal(await world.redis.command('GET', 'pensum:lock:cleanup'), 'somebody', 'a lock is its taker\'s');
	await world.redis.command('DEL', 'pensum:lock:cleanup');
	await cleanUp();
	await until('the lock given back', async () => await world.redis.command('EXISTS', 'pensum:lock:cleanup') === 0);
});

test('a lock has a token and a time to live, and who was too slow gives back nothing of another\'s', async () => {
	const held = world.postgres.query('BEGIN; LOCK TABLE pensum.moodle_sessions; SELECT pg_sleep(2); COMMIT');
	await until('the table lock', async () => (await world.sql`SELECT count(*) FROM pg_locks WHERE relation = 'pensum.moodle_sessions'::regclass
		AND mode = 'AccessExclusiveLock'`)[0][0] === '1');
	const slow = operator.post('/admin/cleanup', {});
	const token = await until('the lock', () => world.redis.command('GET', 'pensum:lock:cleanup'));
	assert.match(token, /^[0-9a-f]{32}$/);
	assert.ok(await world.redis.command('PTTL', 'pensum:lock:cleanup') > 0);
	assert.equal((await operator.post('/admin/cleanup', {})).status, 409, 'one at a time in one gateway, too');
	await world.redis.command('SET', 'pensum:lock:cleanup', 'somebody', 'PX', 60_000); // as if it had run out, and been taken
	assert.equal((await slow).status, 200);
	await held;
	assert.equal(await world.redis.command('GET', 'pensum:lock:cleanup'), 'somebody');
	await world.redis.command('DEL', 'pensum:lock:cleanup');
});

test('many requests of one moment to read the courses again are one job, with Redis and without', async () => {
	const student = await world.student('impatient');
	const refresh = async () => {
		const answers = await Promise.all(Array.from({ length: 12 }, () => student.post('/api/v1/courses/refresh')));
		assert.deepEqual([...new Set(answers.map(({ status }) => status))], [202]);
		return new Set(answers.map(({ json }) => json.job.id));
	};
	const first = await refresh();
	assert.equal(first.size, 1);
	await until('the lock given back', async () => (await world.redis.command('KEYS', 'pensum:lock:*')).length === 0);
	await world.redis.kill();
	assert.deepEqual(await refresh(), first);
	await world.redis.start();
	await world.sql`DELETE FROM pensum.jobs`;
});

test('what is asked for is judged', async () => {
	for (const body of [{ inactivity_minutes: -1 }, { inactivity_minutes: 1.5 }, { inactivity_minutes: '30' }, { inactivity_minutes: 10081 }, { other: 1 }]) {
		const answer = await operator.post('/admin/cleanup', body);
		assert.equal(answer.status, 422, JSON.stringify(body));
	}
	assert.equal((await operator.post('/admin/cleanup', '[')).status, 400);
	assert.equal((await fetch(`${world.url}/admin/cleanup`, { method: 'POST' })).status, 405, 'there is no such thing on the public listener');
});

test('a session that nobody uses leaves Redis, stays in PostgreSQL, and comes back with its next use', async () => {
	const [idle, busy] = [await world.student('idle'), await world.student('busy')];
	const key = (student) => `pensum:session:${sha256(student.token)}`;
	await world.giveCourses(idle);
	for (const student of [idle, busy]) assert.equal((await student.get('/api/v1/session')).status, 200);
	await idle.get('/api/v1/courses');
	const ttl = await world.redis.command('TTL', key(idle));
	assert.ok(ttl > 1700 && ttl <= 1800, `${ttl}`);
	await world.redis.command('EXPIRE', key(idle), 100);
	await moment();
	await idle.get('/api/v1/session');
	assert.ok(await world.redis.command('TTL', key(idle)) > 1700, 'each use gives it half an hour');
	const before = (await operator.get('/admin/redis')).json;
	assert.ok(before.active_sessions >= 2 && before.cached_items >= 1 && before.locks === 0, JSON.stringify(before));

	assert.equal((await cleanUp({ inactivity_minutes: 30 })).idle_sessions, 0);
	const gone = await cleanUp({ inactivity_minutes: 0 });
	assert.ok(gone.idle_sessions >= 2 && gone.idle_caches >= 1, JSON.stringify(gone));
	assert.equal(await world.redis.command('EXISTS', key(idle)), 0);
	assert.deepEqual((await operator.get('/admin/redis')).json.active_sessions, 0);
	assert.deepEqual(await world.sql`SELECT active FROM pensum.sessions WHERE token_hash = ${sha256(idle.token)}`, [['t']]);
	await moment();
	assert.equal((await idle.get('/api/v1/session')).status, 200);
	await until('its return to Redis', async () => await world.redis.command('EXISTS', key(idle)) === 1);
	assert.equal((await idle.get('/api/v1/courses')).json.source, 'postgres');
	assert.equal((await idle.get('/api/v1/courses')).json.source, 'redis');
});

test('a sign-out that Redis did not hear of holds after a minute, and without PostgreSQL its word is taken', async () => {
	const student = await world.student('late');
	const key = `pensum:session:${sha256(student.token)}`;
	await student.get('/api/v1/session');
	const age = async (seconds) => {
		const value = JSON.parse(await world.redis.command('GET', key));
		await world.redis.command('SET', key, JSON.stringify({ ...value, checked_at: value.checked_at - seconds }), 'EX', 600);
	};
	await world.sql`DELETE FROM pensum.sessions WHERE token_hash = ${sha256(student.token)}`;
	assert.equal((await student.get('/api/v1/session')).status, 200, 'for a minute');
	await age(61);
	await moment();
	assert.equal((await student.get('/api/v1/session')).status, 401);
	await until('Redis without it', async () => await world.redis.command('EXISTS', key) === 0);

	const other = await world.student('other');
	await world.giveCourses(other);
	await other.get('/api/v1/courses');
	const otherKey = `pensum:session:${sha256(other.token)}`;
	const value = JSON.parse(await world.redis.command('GET', otherKey));
	await world.postgres.query('CHECKPOINT'); // this PostgreSQL would lose what is half a second old
	await world.postgres.kill();
	for (const shift of [0, -61, 3600]) {
		await world.redis.command('SET', otherKey, JSON.stringify({ ...value, checked_at: value.checked_at + shift }), 'EX', 600);
		await moment();
		const answer = await other.get('/api/v1/courses');
		assert.equal(answer.status, 200);
		assert.deepEqual([answer.json.source, answer.json.courses.length, answer.json.courses[0].checked_at], ['redis', 3, null]);
	}
	await world.postgres.start();
	await until('PostgreSQL back', async () => (await other.get('/api/v1/session')).status === 200);
});

test('files that no document refers to go when they are an hour old', async () => {
	const folder = path.join(world.settings['documents.dir'], 'orphan', 'x');
	fs.mkdirSync(folder, { recursive: true });
	const age = (file, seconds) => fs.utimesSync(file, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
	const files = Array.from({ length: 450 }, (_, i) => path.join(folder, `${String(i).padStart(4, '0')}.docx`));
	for (const file of files) {
		fs.writeFileSync(file, 'x');
		age(file, 4000);
	}
	const fresh = path.join(folder, 'fresh.docx');
	fs.writeFileSync(fresh, 'x');
	age(fresh, 3000);
	const kept = await world.giveDocument(maya);
	age(kept.file, 4000);
	const gone = await cleanUp();
	assert.deepEqual([gone.orphan_files, gone.files, gone.complete], [450, 0, true]);
	assert.deepEqual(fs.readdirSync(folder), ['fresh.docx']);
	assert.ok(fs.existsSync(kept.file));
	age(fresh, 4000);
	await cleanUp();
	assert.ok(!fs.existsSync(path.dirname(folder)), 'and empty folders with the last one');
});

// Root may delete what it likes, unless it has lost the right to.
const powerless = process.getuid() === 0 ? ['setpriv', '--bounding-set', '-dac_override'] : [];

test('the files of a student who leaves that cannot be deleted at once hold nobody up, and go when they can be', async () => {
	const { daemon, url } = await world.startSecond({}, { wrap: powerless });
	const lena = await world.student('lena');
	lena.url = url;
	const folder = path.join(world.settings['documents.dir'], lena.userId);
	fs.mkdirSync(folder, { recursive: true });
	for (let i = 0; i < 100; i++) fs.writeFileSync(path.join(folder, `${String(i).padStart(4, '0')}.docx`), 'x');
	fs.chmodSync(folder, 0o555);
	assert.equal((await lena.delete('/api/v1/account')).status, 204);
	assert.equal((await fetch(`${url}/health`)).status, 200);
	assert.equal(fs.readdirSync(folder).length, 100);
	assert.equal(daemon.lines.filter((line) => /object not deleted/.test(line)).length, 100);
	fs.chmodSync(folder, 0o755);
	await until('they are gone', () => !fs.existsSync(folder));
	await daemon.stop();
});

test('a document that was made while PostgreSQL was away is no orphan until its job has ended', async () => {
	const job = await insertJob({ kind: 'document', queue: 'docgen', state: 'running', attempt: 1, worker: 'h:docgen:0', started_at: past, user_id: maya.userId });
	const file = path.join(world.settings['documents.dir'], maya.userId, `${newId()}.docx`);
	fs.mkdirSync(path.dirname(file), { recursive: true });
	fs.writeFileSync(file, 'x');
	fs.utimesSync(file, Date.now() / 1000 - 7200, Date.now() / 1000 - 7200);
	assert.equal((await cleanUp()).orphan_files, 0);
	assert.ok(fs.existsSync(file), 'it waits for its row');
	// The attempt was lost with its worker, and another one ended the job without it.
	await world.sql`UPDATE pensum.jobs SET state = 'failed', finished_at = now() WHERE id = ${job}`;
	assert.equal((await cleanUp()).orphan_files, 1);
	assert.ok(!fs.existsSync(file));
	await world.sql`DELETE FROM pensum.jobs`;
});

test('without Redis and without PostgreSQL a cleanup does what it can and says so', async () => {
	await world.redis.kill();
	const partly = await cleanUp();
	assert.equal(partly.complete, false);
	await world.redis.start();
	await world.postgres.query('CHECKPOINT');
	await world.postgres.kill();
	await until('a partial one', async () => {
		const answer = await operator.post('/admin/cleanup', {});
		return answer.status === 200 && answer.json.complete === false;
	});
	await world.postgres.start();
	await until('a whole one', async () => (await cleanUp()).complete, 20_000, 500);
});

test('dead letters are listed with why, and one that is tried again is queued for all to see', async () => {
	const lost = await insertJob({ state: 'dead', attempt: 3, failure_code: 'worker_lost', finished_at: past, started_at: past });
	const broken = await insertJob({ state: 'dead', attempt: 3, failure_code: 'moodle_away', failure_message: 'Moodle said 503.', finished_at: 'now()' });
	await world.sql`UPDATE pensum.jobs SET stderr = ${'free(): invalid pointer\n'}, stderr_attempt = 3 WHERE id = ${lost}`;
	await world.sql`UPDATE pensum.jobs SET stderr = 'of an earlier attempt', stderr_attempt = 2 WHERE id = ${broken}`;
	const signin = await insertJob({ kind: 'signin', state: 'dead', attempt: 3, failure_code: 'crashed', finished_at: old });
	const list = async () => (await operator.get('/admin/dead')).json.jobs;
	const all = await list();
	assert.deepEqual(all.map((job) => [job.id, job.attempts, job.reason]), [[broken, 3, 'moodle_away'], [lost, 3, 'worker_lost'], [signin, 3, 'crashed']]);
	assert.equal(all[0].error, 'Moodle said 503.');
	assert.deepEqual(all.map((job) => job.stderr), [null, 'free(): invalid pointer\n', null]);
	assert.match(all[1].error, /\w+ \w+/, 'the sentence that belongs to the reason');

	const answer = await operator.post(`/admin/jobs/${broken}/requeue`);
	assert.deepEqual([answer.status, answer.json], [202, { id: broken, state: 'queued', queue: 'checker' }]);
	assert.deepEqual((await list()).map((job) => job.id), [lost, signin]);
	const job = (await maya.get(`/api/v1/jobs/${broken}`)).json;
	assert.deepEqual([job.state, job.version, job.failure], ['queued', [4, 0], null]);
	assert.equal(await world.redis.command('HGET', `pensum:job:${broken}`, 's'), 'queued');
	await until('the bell', async () => JSON.stringify(await Promise.all(['high', 'normal', 'low'].map((p) =>
		world.redis.command('XRANGE', `pensum:jobs:checker:${p}`, '-', '+')))).includes(broken), 10_000);
	for (const id of [broken, signin, newId()]) {
		const refused = await operator.post(`/admin/jobs/${id}/requeue`);
		assert.deepEqual([refused.status, refused.json.code], [409, 'not_dead']);
	}
	await world.sql`DELETE FROM pensum.jobs`;
});

test('every key ends by itself but the streams', async () => {
	const student = await world.student('keys');
	await world.giveCourses(student);
	await world.giveMoodleSession(student.userId, 'secret');
	await student.get('/api/v1/courses');
	await student.post('/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': crypto.randomUUID() });
	await student.post('/api/v1/courses/refresh');
	await world.browser().post('/api/v1/session', { username: 'nobody', password: 'x' });
	await student.get('/api/v1/courses');
	const id = await insertJob({ state: 'dead', attempt: 3, user_id: student.userId, finished_at: 'now()' });
	await operator.post(`/admin/jobs/${id}/requeue`);
	const lasting = [], kinds = new Set();
	for (let cursor = '0'; ;) {
		const [next, keys] = await world.redis.command('SCAN', cursor, 'COUNT', '1000');
		for (const key of keys) {
			kinds.add(key.split(':').slice(0, 2).join(':'));
			const ttl = await world.redis.command('TTL', key);
			assert.notEqual(ttl, -2, key);
			if (ttl === -1) lasting.push(key);
			else assert.ok(ttl <= 86_400, `${key}: ${ttl} s`);
		}
		if ((cursor = next) === '0') break;
	}
	const fixed = /^pensum:(events|jobs:(checker|docgen):(high|normal|low))$/;
	assert.deepEqual(lasting.filter((key) => !fixed.test(key)), []);
	assert.ok(kinds.has('pensum:session') && kinds.has('pensum:job'), [...kinds].join());
});

test('names of slots that are gone leave the streams\' groups, unless they hold an entry', async () => {
	const stream = 'pensum:jobs:checker:normal';
	const redis = (...words) => world.redis.command(...words.map(String));
	const names = async () => (await redis('XINFO', 'CONSUMERS', stream, 'workers'))
		.map((fields) => fields[fields.indexOf('name') + 1]).sort();
	await redis('DEL', stream);
	await redis('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM');
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('here:checker', 'x', 2)`;
	for (const name of ['here:checker:0', 'here:checker:1', 'here:checker:2', 'holder:checker:0'])
		await redis('XGROUP', 'CREATECONSUMER', stream, 'workers', name);
	await redis('XADD', stream, '*', 'j', newId(), 'a', 0);
	const [[, held]] = await redis('XREADGROUP', 'GROUP', 'workers', 'holder:checker:0', 'STREAMS', stream, '>');
	for (let restart = 0; restart < 100; restart++) {
		await redis('XGROUP', 'CREATECONSUMER', stream, 'workers', `pod-${restart}:checker:0`);
		if (restart % 10 === 9) await cleanUp({ inactivity_minutes: 0 });
	}
	assert.deepEqual(await names(), ['here:checker:0', 'here:checker:1', 'holder:checker:0']);
	await redis('XGROUP', 'CREATECONSUMER', stream, 'workers', 'new:checker:0');
	assert.equal((await cleanUp({ inactivity_minutes: 1 })).consumers, 0, 'not idle for long enough');
	for (const [entry] of held) { // the gateway may have rung an earlier test's job, too
		await redis('XDEL', stream, entry);
		await redis('XACK', stream, 'workers', entry);
	}
	await cleanUp({ inactivity_minutes: 0 });
	assert.deepEqual(await names(), ['here:checker:0', 'here:checker:1']);
	await world.sql`DELETE FROM pensum.workers WHERE name = 'here:checker'`;
});
