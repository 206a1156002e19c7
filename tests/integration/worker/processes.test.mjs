// Checker-worker and its processes: stopping, cancelling, dying, and what they hold.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../../support/daemon.mjs';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import {
	addJob, ANSWER, becomes, childrenOf, keyFile, noEntries, pg, pool, published, redis, ring, row,
	saveSession, seal, startCourses, startWorker, submit, USER, worker,
} from './stage.mjs';

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

test('a running job that is cancelled stops within three seconds', async (t) => {
	await startWorker();
	const { id } = await startCourses();
	const at = Date.now();
	await pg.query(`SELECT pensum.job_cancel('${id}', '${USER}')`);
	await becomes(id, 'cancelled', 15_000);
	t.diagnostic(`${Date.now() - at} ms`);
	await until('lease closed', () => pool.open() === 0);
	await until('event', async () => (await published(id)).s === 'cancelled');
	await noEntries();
});

test('one that still waits for a page does so, too, and leaves the queue of those who wait', async (t) => {
	const folder = temporaryFolder('pensum-w-'), waiting = new Set();
	const silent = net.createServer((client) => {
		waiting.add(client);
		client.on('error', () => {}).on('close', () => waiting.delete(client)).resume();
	});
	t.after(() => (silent.close(), folder.remove()));
	await new Promise((done) => silent.listen(path.join(folder.path, 'pool'), done));
	await startWorker({ 'pool.socket': path.join(folder.path, 'pool') });
	await saveSession();
	const id = await submit('courses');
	await until('its wish', () => waiting.size === 1);
	await pg.query(`SELECT pensum.job_cancel('${id}', '${USER}')`);
	await becomes(id, 'cancelled', 15_000);
	await until('nobody who waits', () => waiting.size === 0);
	await noEntries();
});

test('a slot that dies gives its job back at once, and holds no connection of its parent', async () => {
	await startWorker({ 'checker.slots': 2 });
	const socketsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2).map((fd) => {
		try {
			return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
		} catch {
			return '';
		}
	}).filter((link) => link.startsWith('socket:') && link !== log);
	const log = fs.readlinkSync(`/proc/${worker.pid}/fd/2`); // where every slot's lines go
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

test('a pool that comes back late is asked for no more time than the attempt has left', async () => {
	const limitMs = 8000, awayMs = 2000;
	const folder = temporaryFolder('pensum-lp-');
	const socketPath = path.join(folder.path, 's');
	const asked = [];
	const late = net.createServer((socket) => socket.on('error', () => {}).on('data', (data) => {
		asked.push(JSON.parse(data.subarray(0, data.indexOf(0))));
		socket.end(`${JSON.stringify({ type: 'refused', reason: 'queue_full', message: '' })}\0`);
	}));
	try {
		await startWorker({ 'pool.socket': socketPath, 'checker.time_limit_s': limitMs / 1000 });
		await saveSession();
		const id = await submit('courses');
		await until('wait for a browser', async () => (await published(id)).p === 'waiting for a browser');
		await sleep(awayMs); // what is measured: the time that is gone
		await new Promise((resolve) => late.listen(socketPath, resolve));
		const { wait_ms: waitMs, ttl_ms: ttlMs } = await until('question', () => asked[0]);
		assert.ok(waitMs > 0 && waitMs <= limitMs - awayMs, `${waitMs} ms of patience`);
		assert.ok(ttlMs > 0 && ttlMs <= limitMs - awayMs, `${ttlMs} ms of lease`);
	} finally {
		await worker?.stop();
		await new Promise((resolve) => late.close(resolve));
		folder.remove();
	}
});

// The row of a worker that bears our name, with a job in its hands; whether it beats.
async function anotherMachine(t, lives) {
	await pg.query(`INSERT INTO pensum.workers (name, boot, beat, slots) VALUES ('h:checker', 'elsewhere 1', 1, 1)`);
	const id = await addJob('courses');
	await pg.query(`SELECT pensum.job_claim('${id}', 0, 'h:checker:0')`);
	let ended = !lives;
	const beating = (async () => {
		while (!ended) {
			await pg.query(`UPDATE pensum.workers SET beat = beat + 1 WHERE boot = 'elsewhere 1'`);
			await sleep(200);
		}
	})();
	t.after(() => ((ended = true), beating));
	return id;
}

test('a name that a living worker of another machine has is refused with 78, and its jobs stay its own', async (t) => {
	const id = await anotherMachine(t, true);
	await startWorker({}, {}, null);
	const { code } = await worker.exited;
	assert.equal(code, 78, worker.text());
	assert.match(worker.text(), /another machine runs a worker named .*h:checker.*worker\.host/);
	const { state, attempt, worker: holder } = await row(id);
	assert.deepEqual([state, attempt, holder], ['running', 1, 'h:checker:0']);
	assert.deepEqual(await pg.query('SELECT boot FROM pensum.workers'), [['elsewhere 1']]);
});

test('one that a dead worker of another machine had is taken over, jobs and all', async (t) => {
	const id = await anotherMachine(t, false);
	await startWorker();
	const { attempt, worker: holder } = await row(id);
	assert.notDeepEqual([attempt, holder], [1, 'h:checker:0']);
	assert.match((await pg.query('SELECT boot FROM pensum.workers'))[0][0], /^[0-9a-f-]{36} \w+$/);
});
