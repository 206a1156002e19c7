// Checker-worker and Redis: what is rung runs once, and what nobody rings runs, too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/process.mjs';
import {
	addJob, becomes, noEntries, published, redis, ring, row, saveSession, startWorker, STREAM, submit,
	worker,
} from './stage.mjs';

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

test('a Redis that refuses to be written to is told of once, and jobs run meanwhile', async () => {
	await startWorker();
	await becomes(await submit('check'), 'failed');
	await redis.command('REPLICAOF', '127.0.0.1', '1');
	try {
		await worker.waitLine(/no bell, asking the record/);
		for (let i = 0; i < 4; i++) await becomes(await addJob('check'), 'failed', 5000); // a second each, at least
	} finally {
		await redis.command('REPLICAOF', 'NO', 'ONE');
	}
	await worker.waitLine(/back at the bell/);
	const told = worker.lines.filter((line) => /consumer group not made/.test(line));
	assert.ok(told.length <= 3, `${told.length} lines, of three streams`);
});

test('a worker that never finds Redis says where it looked and what was wrong', async () => {
	await startWorker({ 'redis.address': 'unix:/nowhere' });
	await worker.waitLine(/no bell, asking the record" err="redis: \/nowhere: No such file or directory"/);
	await becomes(await addJob('check'), 'failed', 5000);
});

test('a Redis that hangs does not hold jobs up for long', async (t) => {
	await startWorker();
	redis.pause();
	try {
		await worker.waitLine(/no bell/);
		await saveSession();
		const at = Date.now();
		const id = await addJob('courses');
		await becomes(id, 'succeeded', 15_000);
		t.diagnostic(`${Date.now() - at} ms`);
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

test('a bucket of requests from a clock that was far ahead stops no job', async () => {
	const [seconds] = await redis.command('TIME');
	await redis.command('SET', 'pensum:pace:default', `${(Number(seconds) + 86_400) * 1e6}`, 'EX', 86_400);
	await saveSession();
	await startWorker({ 'site.requests_per_s': 5 });
	const { attempt } = await becomes(await submit('courses'), 'succeeded');
	assert.equal(attempt, 1);
	const [now] = await redis.command('TIME');
	assert.ok(Number(await redis.command('GET', 'pensum:pace:default')) / 1e6 < Number(now) + 3600);
});
