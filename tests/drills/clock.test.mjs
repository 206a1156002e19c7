// Somebody sets a clock, an hour on or back, on one machine at a time (P11): nothing healthy is taken
// away, what died is taken back, nobody waits for an hour.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { buildFolder } from '../support/daemon.mjs';
import { temporaryFolder, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { ANSWER, long, startWorld } from './lib/world.mjs';

const CLOCKS = ['redis', 'worker', 'gateway', 'postgres'];
let world, folder, watchers = [];

function setClock(who, seconds) {
	const bytes = Buffer.alloc(8);
	bytes.writeBigInt64LE(BigInt(seconds));
	const fd = fs.openSync(path.join(folder.path, who), fs.existsSync(path.join(folder.path, who)) ? 'r+' : 'w');
	fs.writeSync(fd, bytes, 0, 8, 0);
	fs.closeSync(fd);
}
const shimmed = (who) => ({ LD_PRELOAD: path.join(folder.path, 'shim.so'), DRILL_CLOCK: path.join(folder.path, who),
	ASAN_OPTIONS: 'detect_leaks=1:verify_asan_link_order=0' });

before(async () => {
	folder = temporaryFolder('pensum-ck-');
	fs.chmodSync(folder.path, 0o755); // PostgreSQL runs as another user
	fs.copyFileSync(path.join(buildFolder, 'tests', 'drills', 'clock_shim.so'), path.join(folder.path, 'shim.so'));
	for (const who of CLOCKS) setClock(who, 0);
	world = await startWorld({ students: 4, redis: { env: shimmed('redis') }, postgres: { env: shimmed('postgres') }, env: shimmed('gateway') });
	await world.startWorker('a', {}, { env: shimmed('worker') });
	watchers = watchAll(world);
});
after(async () => {
	for (const who of CLOCKS) setClock(who, 0);
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
	folder.remove();
});
afterEach(() => world.pool.hold()());

const clockOf = { redis: async () => Number((await world.redis.command('TIME'))[0]),
	postgres: () => world.number('extract(epoch FROM clock_timestamp())') };

// Two jobs run and three wait when the clock is set; a slot dies afterwards, and a job is tried again.
async function step(who, seconds) {
	const crowd = new Crowd(world);
	const release = world.pool.hold();
	let failures = 2; // one is told to the slot that is dead by then
	await crowd.submit(5);
	await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 2), 20_000);
	const [, [victim]] = await world.postgres.query(`SELECT id FROM pensum.jobs WHERE state = 'running'`);
	setClock(who, seconds);
	if (clockOf[who]) assert.ok(Math.abs(await clockOf[who]() - Date.now() / 1000 - seconds) < 60, 'the clock was set');
	const at = Date.now();
	process.kill(world.slotOf('a', victim), 'SIGKILL');
	world.pool.answer = async () => (failures-- > 0 ? { ok: false, code: 'site_down', message: 'Moodle does not answer.' } : ANSWER);
	await until('the victim again', () => world.count(`id = '${victim}' AND (attempt = 2 OR state = 'queued')`), 20_000);
	release();
	await crowd.submit(3);
	const verdict = await judge(world, crowd, { watchers, limitMs: 30_000 });
	const taken = await world.postgres.query(`SELECT job_id, reason FROM pensum.audit WHERE what = 'retried' AND reason <> 'site_down'
		AND job_id IN ('${[...crowd.promised.keys()].join("','")}')`);
	assert.deepEqual(taken, [[victim, 'worker_lost']], 'nothing else was taken from anybody');
	for (const watcher of watchers)
		for (const frame of watcher.frames) assert.ok(!(frame.eta_s < 0), JSON.stringify(frame));
	return { verdict, took: Date.now() - at };
}

for (const who of CLOCKS) {
	test(`the clock of ${who} is put on by an hour, back by two, and right again`, async () => {
		for (const [seconds, name] of [[3600, '+1 h'], [-3600, '−1 h'], ...(long ? [[0, 'right again']] : [])]) {
			const { verdict, took } = await step(who, seconds);
			report(`P11 clock of ${who} ${name}`, verdict, took, 'to the last end');
		}
		setClock(who, 0);
	});
}

test('a worker that dies while clocks are wrong is noticed by beats, not by the hour', { skip: !long && 'long form' }, async () => {
	for (const who of ['gateway', 'postgres']) for (const seconds of [3600, -3600]) {
		const crowd = new Crowd(world);
		const release = world.pool.hold();
		await world.stopWorkers();
		await world.startWorker('x', {}, { env: shimmed('worker') });
		await crowd.submit(2);
		await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 2), 20_000);
		setClock(who, seconds);
		const at = Date.now();
		await world.worker('x').kill();
		await world.startWorker('a', {}, { env: shimmed('worker') });
		release();
		const verdict = await judge(world, crowd, { watchers });
		report(`P11 host dead, clock of ${who} ${seconds / 3600} h`, verdict, Date.now() - at, 'to the last end');
		setClock(who, 0);
	}
});
