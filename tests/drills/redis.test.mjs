// Redis loses everything (P6), goes away or hangs (P7), is full (P8): it is only the bell.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { descriptorsOf, long, startWorld } from './lib/world.mjs';

const STREAM = 'pensum:jobs:checker:normal';
let world, watchers = [];
before(async () => {
	world = await startWorld({ students: 6, redis: { args: ['--enable-debug-command', 'yes'] } });
	await world.startWorker('a', { 'checker.slots': 4 });
	watchers = watchAll(world);
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
});
afterEach(async () => {
	world.pool.hold()();
	world.redis.resume();
	if (world.redis.process.ended) await world.redis.start();
	await until('Redis again', async () => !(await (await fetch(`${world.url}/health`)).json()).degraded?.includes('redis'), 20_000);
});

const startedAfter = (at) => world.number(`coalesce(extract(epoch FROM min(started_at)) * 1000 - ${at}, -1)
	FROM pensum.jobs WHERE started_at > to_timestamp(${at} / 1000.0)`);
const finished = () => world.count('finished_at IS NOT NULL');

test('FLUSHALL with jobs queued, running and delayed', async () => {
	const crowd = new Crowd(world);
	const release = world.pool.hold();
	await crowd.submit(long ? 300 : 90, { together: 16 });
	await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 4), 20_000);
	await world.sql`UPDATE pensum.jobs SET run_at = clock_timestamp() + interval '3 s', rung_at = NULL WHERE id IN (
		SELECT id FROM pensum.jobs WHERE state = 'queued' AND rung_at IS NULL ORDER BY id LIMIT 20)`;
	const before = new Map(watchers.map((watcher) => [watcher, watcher.frames.length]));
	const window = await world.redis.command('XLEN', STREAM);
	await world.redis.command('FLUSHALL');
	const at = Date.now();
	await until('the window again', async () => await world.redis.command('XLEN', STREAM) >= Math.min(window, 60) - 4, 20_000);
	const took = Date.now() - at;
	for (const [watcher, seen] of before)
		for (const frame of watcher.frames.slice(seen)) assert.ok(frame.state !== 'running' || frame.version[1] > 0, 'no page begins again');
	release();
	const verdict = await judge(world, crowd, { watchers });
	assert.ok(verdict.rows.every((row) => row.attempt === 1), 'what ran went on');
	await until('empty streams', async () => await world.redis.command('XLEN', STREAM) === 0, 30_000);
	report('P6 FLUSHALL', verdict, took, 'until the window is full again');
});

test('a stream with no group, no entries or an entry of nobody is only a missing bell', async () => {
	const crowd = new Crowd(world);
	const at = Date.now();
	for (let i = 0; i < 5; i++) {
		await world.redis.command('DEL', STREAM);
		await crowd.submit(4);
		await world.redis.command('CLIENT', 'KILL', 'TYPE', 'normal');
	}
	report('P7 DEL stream, CLIENT KILL ×5', await judge(world, crowd, { watchers }), Date.now() - at, 'all of it');
});

// fault() and heal() around eight jobs that run, and more that are asked for meanwhile.
async function outage(name, { fault, heal, awayMs }) {
	const crowd = new Crowd(world);
	const pids = [world.gateway().pid, world.worker('a').pid];
	const descriptors = pids.map(descriptorsOf);
	const release = world.pool.hold();
	await crowd.submit(8);
	await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 4), 20_000);
	const at = Date.now();
	await fault();
	release();
	await crowd.submit(20, { together: 4, gapMs: awayMs / 10 });
	assert.deepEqual(Object.keys(crowd.statuses), ['202'], JSON.stringify(crowd.statuses));
	await until('work without Redis', async () => await world.count(`started_at > to_timestamp(${at + 100} / 1000.0)`) > 0, 20_000);
	const first = await startedAfter(at + 100);
	await sleep(Math.max(0, at + awayMs - Date.now()));
	const before = await finished();
	await heal();
	const healed = Date.now();
	const late = new Crowd(world);
	await late.submit(8);
	const verdict = await judge(world, crowd, { watchers });
	const after = await judge(world, late, { watchers });
	await until('the bell again', async () => world.worker('a').lines.filter((line) => /back at the bell/.test(line)).length >= 1 &&
		await world.redis.command('XLEN', STREAM).catch(() => -1) === 0, 20_000);
	const took = Date.now() - healed;
	assert.ok(before > 0);
	assert.ok(verdict.rows.every((row) => row.attempt === 1), 'what ran during the outage was committed in it, once');
	for (const [i, pid] of pids.entries())
		assert.ok(descriptorsOf(pid) <= descriptors[i] + 30, `${descriptorsOf(pid)} descriptors after, ${descriptors[i]} before`);
	report(`P7 Redis ${name}`, { ...verdict, jobs: verdict.jobs + after.jobs }, took,
		`slowest 202 ${crowd.slowestMs} ms, first start without it ${(first / 1000).toFixed(1)} s`);
}

test('Redis is killed and stays away', () => outage('down', { awayMs: long ? 60_000 : 5000,
	fault: () => world.redis.kill(), heal: () => world.redis.start() }));
test('Redis is restarted', () => outage('restart', { awayMs: 1000,
	fault: async () => { await world.redis.kill(); await world.redis.start(); }, heal: async () => {} }));
test('Redis hangs', () => outage('SIGSTOP', { awayMs: long ? 20_000 : 6000,
	fault: async () => world.redis.pause(), heal: async () => world.redis.resume() }));
test('Redis sleeps', { skip: !long && 'long form' }, () => outage('DEBUG SLEEP 20', { awayMs: 20_000,
	fault: async () => void world.redis.command('DEBUG', 'SLEEP', '20').catch(() => {}), heal: async () => {} }));

test('Redis is full: everything is accepted and runs, and no key of the queue is evicted', async () => {
	const crowd = new Crowd(world);
	const used = Number(/used_memory:(\d+)/.exec(await world.redis.command('INFO', 'memory'))[1]);
	await world.redis.command('CONFIG', 'SET', 'maxmemory', used + 200_000);
	await world.redis.command('SET', 'filler', 'x'.repeat(190_000), 'EX', '600').catch(() => {});
	for (let i = 0; i < 400; i++) await world.redis.command('SET', `filler:${i}`, 'x'.repeat(1000), 'EX', '600').catch(() => {});
	await assert.rejects(world.redis.command('SET', 'one', 'more'), /OOM/);
	await crowd.submit(30, { together: 4 });
	const at = Date.now();
	const verdict = await judge(world, crowd, { watchers });
	const took = Date.now() - at;
	assert.deepEqual(Object.keys(crowd.statuses), ['202']);
	const refuses = async () => (await (await fetch(`${world.url}/health`)).json()).degraded.includes('redis_refuses');
	assert.ok(await refuses(), 'it is told by /health');
	assert.match(await (await fetch(`${world.adminUrl}/metrics`)).text(), /^redis_refuses 1$/m);
	await world.gateway().waitLine(/msg="redis refuses" reason="OOM /);
	await world.redis.command('CONFIG', 'SET', 'maxmemory', '0');
	assert.match(await world.redis.command('INFO', 'stats'), /evicted_keys:0/);
	await world.redis.command('FLUSHALL');
	await until('that it refuses no more', async () => !await refuses(), 40_000, 500);
	report('P8 Redis full', verdict, took, `until all had ended; slowest 202 ${crowd.slowestMs} ms`);
});
