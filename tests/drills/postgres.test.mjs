// PostgreSQL restarts, throws everybody out, hangs, stays away (P9); the network in between stalls (P10).
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { startPgProxy } from '../support/pgproxy.mjs';
import { sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { childrenOf, descriptorsOf, long, processorOf, startWorld } from './lib/world.mjs';

let world, proxy, watchers = [];
before(async () => {
	world = await startWorld({ students: 6 });
	proxy = await startPgProxy(world.postgres);
	await world.startWorker('a', { 'checker.slots': 4, 'postgres.conninfo': proxy.conninfo });
	watchers = watchAll(world);
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
	await proxy?.stop();
});
afterEach(async () => {
	world.pool.hold()();
	proxy.resume();
	if (world.postgres.process.ended) await world.postgres.start();
});

const terminate = () => world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`;
const send = (pids, signal) => pids.forEach((pid) => {
	try {
		process.kill(pid, signal);
	} catch { /* it has ended meanwhile */ }
});
const frozen = () => [world.postgres.process.pid, ...childrenOf(world.postgres.process.pid)];

// Four jobs are done while PostgreSQL is not there; students ask all the while.
async function outage(name, { fault, heal, awayMs = 0, refuses = false }) {
	const crowd = new Crowd(world);
	const release = world.pool.hold();
	await crowd.submit(4);
	await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 4), 20_000);
	await until('four jobs in their pages', () => world.pool.running === 4, 20_000);
	const running = [...crowd.promised.keys()];
	const descriptors = descriptorsOf(world.gateway().pid);
	await fault();
	const at = Date.now();
	release();
	const asking = crowd.submit(12, { together: 4 });
	if (refuses) await until('503', () => crowd.statuses[503] > 0, 20_000);
	assert.equal(crowd.promised.size > 4 && refuses, false, 'no 202 without a record');
	await sleep(Math.max(0, at + awayMs - Date.now()));
	await heal();
	const healed = Date.now();
	await asking;
	const verdict = await judge(world, crowd, { watchers });
	const took = Date.now() - healed;
	const rows = verdict.rows.filter((row) => running.includes(row.id));
	assert.ok(rows.every((row) => row.attempt === 1), `work that was done is not done again: ${JSON.stringify(rows)}`);
	assert.deepEqual(Object.keys(crowd.statuses).filter((s) => !['202', '503', 'lost'].includes(s)), []);
	assert.equal(crowd.statuses.lost ?? 0, 0, 'everybody got an answer');
	await until('descriptors as before', () => descriptorsOf(world.gateway().pid) <= descriptors + 20, 10_000);
	report(`P9 PostgreSQL ${name}`, verdict, took,
		`503 ×${crowd.statuses[503] ?? 0}, slowest answer ${crowd.slowestMs} ms, nothing run twice`);
}

test('every connection is ended by the server', () => outage('terminates all', { fault: terminate, heal: async () => {} }));
test('PostgreSQL is restarted at once', () => outage('restart', { fault: () => world.postgres.restart(), heal: async () => {} }));
test('PostgreSQL stays away, and finished work waits on disk', async () => {
	await outage('down', { awayMs: long ? 30_000 : 8000, refuses: true, fault: () => world.postgres.kill(), heal: () => world.postgres.start() });
	assert.match(world.worker('a').text(), /waits on disk/);
});
test('PostgreSQL hangs', () => outage('SIGSTOP', { awayMs: long ? 20_000 : 7000, refuses: true,
	fault: async () => send(frozen(), 'SIGSTOP'), heal: async () => send(frozen(), 'SIGCONT') }));

test('a connection that stalls is given up by a deadline, nobody spins, and all goes on when it flows', async () => {
	const crowd = new Crowd(world);
	const release = world.pool.hold();
	await crowd.submit(4);
	await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 4), 20_000);
	proxy.pause();
	const at = Date.now(), silent = world.worker('a').lines.length, pids = [world.worker('a').pid, ...childrenOf(world.worker('a').pid)];
	const used = pids.map(processorOf);
	release();
	await until('missed heartbeat', () => world.worker('a').lines.slice(silent).some((line) => line.includes('no heartbeat')), 20_000);
	const noticed = Date.now() - at;
	assert.ok(noticed < 15_000, `${noticed} ms`);
	await sleep(long ? 25_000 - noticed : 2000);
	const spent = pids.reduce((sum, pid, i) => sum + processorOf(pid) - used[i], 0) / (Date.now() - at);
	assert.ok(spent < 0.3, `${spent} of a processor`);
	proxy.resume();
	const healed = Date.now();
	await crowd.submit(8);
	const verdict = await judge(world, crowd, { watchers });
	assert.ok(verdict.rows.every((row) => row.attempt === 1 || long));
	report('P10 network to PostgreSQL stalls', verdict, Date.now() - healed,
		`noticed in ${(noticed / 1000).toFixed(1)} s, ${(spent * 100).toFixed(1)} % of a processor meanwhile`);
});
