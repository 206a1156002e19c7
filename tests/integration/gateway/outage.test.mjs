// Redis and PostgreSQL go away and come back, while people look at their jobs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { startDaemon, writeKey } from '../../support/daemon.mjs';
import { fetch } from '../../support/waiting.mjs';
import { startStack, webFolder } from './stack.mjs';

const settings = { 'limits.reads_per_user': 0 }; // the floods come from one student
let stack;
before(async () => (stack = await startStack({ settings })));
after(async () => stack?.stop());

// Asks all the time; { counts of statuses by number, slowest, stop() }
function load(target, headers) {
	const seen = { counts: {}, slowest: 0, errors: [] };
	let going = true;
	const loops = Array.from({ length: 8 }, async () => {
		while (going) {
			const start = Date.now();
			try {
				const answer = await fetch(stack.url + target, { headers });
				await answer.text();
				seen.counts[answer.status] = (seen.counts[answer.status] ?? 0) + 1;
			} catch (error) {
				seen.errors.push(error);
			}
			seen.slowest = Math.max(seen.slowest, Date.now() - start);
		}
	});
	seen.stop = () => {
		going = false;
		return Promise.all(loops);
	};
	return seen;
}

const newest = async (ws, job, accept) => {
	for (;;) {
		const message = await ws.next((m) => m.job === job, 15_000);
		if (accept(message)) return message;
	}
};

test('Redis is killed under load and comes back: answers and progress go on', async (t) => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	const ws = await stack.live(session);
	await newest(ws, job, (m) => m.type === 'snapshot');
	const jobs = load('/api/v1/jobs', { Cookie: session.cookie });
	await sleep(300);
	await stack.redis.kill();
	await stack.pg.query(`UPDATE pensum.jobs SET event_n = 5 WHERE id = '${job}'`);
	const start = Date.now();
	await newest(ws, job, (m) => m.version[1] === 5); // PostgreSQL stands in
	t.diagnostic(`${Date.now() - start} ms until PostgreSQL stood in`);
	await sleep(700);
	assert.ok((await stack.health()).degraded.includes('redis'));
	await stack.redis.start();
	await until('Redis again', async () => !(await stack.health()).degraded.includes('redis'));
	await until('the events again', async () => {
		await stack.publish({ job, version: [1, Math.floor(Date.now() / 100) % 1e9], done: 7 });
		return ws.next((m) => m.job === job && m.done === 7, 500).catch(() => null);
	});
	await jobs.stop();
	assert.deepEqual(jobs.errors, []);
	assert.deepEqual(Object.keys(jobs.counts), ['200'], JSON.stringify(jobs.counts));
	assert.ok(jobs.slowest < 4000, `${jobs.slowest} ms`);
	await ws.close();
});

test('Redis hangs (SIGSTOP): nobody waits for it for long', async () => {
	const session = await stack.session();
	stack.redis.pause();
	const jobs = load('/api/v1/jobs', { Cookie: session.cookie });
	await sleep(4000);
	await jobs.stop();
	stack.redis.resume();
	assert.deepEqual(Object.keys(jobs.counts), ['200'], JSON.stringify(jobs.counts));
	assert.ok(jobs.slowest < 4000, `${jobs.slowest} ms`);
	await until('Redis again', async () => !(await stack.health()).degraded.includes('redis'), 15_000);
});

test('FLUSHALL: what happened meanwhile is not lost, and events go on', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	const ws = await stack.live(session);
	await newest(ws, job, (m) => m.type === 'snapshot');
	await stack.redis.command('FLUSHALL');
	await stack.publish({ job, version: [1, 2] });
	await newest(ws, job, (m) => m.version[1] === 2);
	await stack.redis.command('XTRIM', 'pensum:events', 'MAXLEN', '0');
	await stack.publish({ job, version: [1, 3] });
	await newest(ws, job, (m) => m.version[1] === 3);
	await ws.close();
});

test('a Redis that does not let us, or has something else where a stream was, is told of, and costs the bell alone', async () => {
	const session = await stack.session();
	const ask = () => fetch(`${stack.url}/api/v1/courses/refresh`, { method: 'POST', headers: { Cookie: session.cookie, Origin: stack.url } });
	const refuses = async () => (await stack.health()).degraded.includes('redis_refuses');
	const STREAM = 'pensum:jobs:checker:high';
	await stack.redis.command('ACL', 'SETUSER', 'default', '-xadd');
	try {
		assert.equal((await ask()).status, 202);
		await until('that it is told', refuses);
		await stack.gateway.waitLine(/msg="redis refuses" reason="NOPERM /);
	} finally {
		await stack.redis.command('ACL', 'SETUSER', 'default', '+@all');
	}
	await until('the bell', async () => await stack.redis.command('XLEN', STREAM) === 1, 10_000);
	await until('that it refuses no more', async () => !await refuses(), 40_000, 500);
	await stack.redis.command('DEL', STREAM);
	await stack.redis.command('SET', STREAM, 'x', 'EX', '60');
	await until('that it is told', refuses, 10_000);
	await stack.redis.command('DEL', STREAM);
});

test('an event that nobody wrote is found in PostgreSQL after a while', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	const ws = await stack.live(session);
	await newest(ws, job, (m) => m.type === 'snapshot');
	await stack.pg.query(`UPDATE pensum.jobs SET state = 'succeeded', event_n = 4 WHERE id = '${job}'`);
	await newest(ws, job, (m) => m.state === 'succeeded');
	await ws.close();
});

test('PostgreSQL restarts at once under load: 503 for a moment, then answers', async () => {
	const session = await stack.session();
	const ws = await stack.live(session);
	const jobs = load('/api/v1/jobs', { Cookie: session.cookie });
	await sleep(300);
	await stack.pg.restart();
	await until('answers', async () =>
		(await fetch(`${stack.url}/api/v1/jobs`, { headers: { Cookie: session.cookie } })).status === 200);
	await sleep(300);
	await jobs.stop();
	assert.deepEqual(jobs.errors, []);
	assert.ok(Object.keys(jobs.counts).every((s) => s === '200' || s === '503'), JSON.stringify(jobs.counts));
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	ws.send({ type: 'subscribe', job });
	await newest(ws, job, (m) => m.type === 'snapshot');
	await ws.close();
});

test('a PostgreSQL that takes no writes is told as one: 503 with a time, once in the log, and what is there is read', async () => {
	const session = await stack.session();
	const ask = () => fetch(`${stack.url}/api/v1/courses/refresh`, { method: 'POST', headers: { Cookie: session.cookie, Origin: stack.url } });
	const metrics = async () => (await fetch(`http://127.0.0.1:${stack.adminPort}/metrics`)).text();
	await stack.pg.script(`ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf();`);
	await until('refusal', async () => (await ask()).status !== 202);
	for (let i = 0; i < 3; i++) {
		const answer = await ask();
		assert.equal(answer.status, 503);
		assert.equal((await answer.json()).code, 'database_away');
		assert.ok(Number(answer.headers.get('retry-after')) > 0);
	}
	assert.equal((await fetch(`${stack.url}/api/v1/jobs`, { headers: { Cookie: session.cookie } })).status, 200);
	assert.ok((await stack.health()).degraded.includes('postgres_refuses'));
	assert.match(await metrics(), /^postgres_refuses 1$/m);
	await stack.gateway.waitLine(/msg="postgres refuses" reason="25006: /);
	await stack.pg.script(`SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf();`);
	await until('a job', async () => (await ask()).status === 202);
	await until('that it refuses no more', async () => !(await stack.health()).degraded.includes('postgres_refuses'), 40_000, 500);
	assert.equal(stack.gateway.lines.filter((line) => /postgres refuses|one by one/.test(line)).length, 1);
});

test('so is one in which what this version asks for is missing', async () => {
	const session = await stack.session();
	const ask = () => fetch(`${stack.url}/api/v1/courses/refresh`, { method: 'POST', headers: { Cookie: session.cookie, Origin: stack.url } });
	await stack.pg.script('ALTER FUNCTION pensum.jobs_submit_each RENAME TO submit_gone');
	const answer = await ask();
	await stack.pg.script('ALTER FUNCTION pensum.submit_gone RENAME TO jobs_submit_each');
	assert.equal(answer.status, 503);
	assert.ok((await stack.health()).degraded.includes('postgres_refuses'));
	assert.equal((await ask()).status, 202);
});

test('a gateway that starts before its databases waits for them', async () => {
	await stack.gateway.stop();
	await Promise.all([stack.redis.kill(), stack.pg.kill()]);
	const started = stack.startGateway(); // waits until both are there
	await sleep(1500);
	assert.ok((await stack.health()).degraded.includes('redis'));
	assert.equal((await fetch(`${stack.url}/api/v1/jobs`, { headers: {
		Cookie: `pensum_session=${'A'.repeat(43)}` } })).status, 503);
	await Promise.all([stack.redis.start(), stack.pg.start()]);
	await started;
});

test('of several hosts that PostgreSQL may be at, the first one does not answer: it is found at the next', async () => {
	await stack.gateway.stop();
	settings['postgres.conninfo'] = `host=127.0.0.1,${stack.pg.folder} port=1,5432 user=postgres dbname=pensum`;
	await stack.startGateway();
	delete settings['postgres.conninfo'];
});

test('SIGTERM while requests wait for a database: they are answered, and the exit is clean', async () => {
	const session = await stack.session();
	let locked = true;
	const lock = stack.pg.query('BEGIN; LOCK TABLE pensum.jobs, pensum.sessions; SELECT pg_sleep(30)')
		.catch(() => {}).finally(() => (locked = false));
	await sleep(300);
	stack.redis.pause();
	const waiting = Array.from({ length: 20 }, () => fetch(`${stack.url}/api/v1/jobs`,
		{ headers: { Cookie: session.cookie } }).then((answer) => answer.status, (e) => e));
	const idle = await Promise.all(Array.from({ length: 5 }, () => fetch(`${stack.url}/nothing`)));
	await sleep(300);
	await stack.gateway.stop(); // throws unless code 0 and no complaint of the sanitizers
	assert.ok(locked, 'it does not wait for the database');
	assert.deepEqual([...new Set(await Promise.all(waiting))], [503]);
	assert.ok(idle.every((answer) => answer.status === 404));
	stack.redis.resume();
	await stack.pg.restart();
	await lock;
	await stack.startGateway();
});

test('what keeps it from starting is said in one sentence, with 78 where a value cannot be', async () => {
	const base = { 'gateway.listen': '127.0.0.1:0', 'gateway.admin_listen': '127.0.0.1:0',
		'redis.address': stack.redis.address, 'postgres.conninfo': stack.pg.conninfo,
		'secrets.key_file': writeKey(stack.redis.folder), 'site.url': 'http://127.0.0.1:1',
		'gateway.web_dir': webFolder };
	const cases = [
		[{ 'gateway.listen': `127.0.0.1:${stack.port}` }, /cannot listen on 127/],
		[{ 'gateway.admin_listen': 'nonsense' }, /expected address:port/, 78],
		[{ 'gateway.listen': 'localhost:80' }, /expected address:port/, 78],
		[{ 'secrets.key_file': '/nonexistent' }, /key/],
		[{ 'redis.address': 'nonsense' }, /redis\.address/, 78],
		[{ 'redis.password_file': '/nonexistent' }, /nonexistent/],
		[{ 'gateway.web_dir': '/nonexistent' }, /gateway\.web_dir.*\/nonexistent/],
	];
	for (const [settings, sentence, exit = 1] of cases) {
		const p = await startDaemon('pensum-gateway', { settings: { ...base, ...settings } });
		const { code } = await p.exited;
		assert.equal(code, exit, p.text());
		assert.match(p.text(), sentence);
		await p.stop('SIGKILL'); // its folder, and the sanitizers' word
	}
});
