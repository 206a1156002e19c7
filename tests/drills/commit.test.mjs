// A slot is killed at each line between claim and acknowledgement (P23): one result, one end, and
// nothing stays behind in the stream.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPgProxy, startRedisProxy } from '../support/pgproxy.mjs';
import { sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { childrenOf, long, startWorld } from './lib/world.mjs';

const STREAM = 'pensum:jobs:checker:normal';
const POINTS = [
	['before the claim', 'postgres', 'cutBefore', 'job_claim('],
	['after the claim, unanswered', 'postgres', 'loseAnswer', 'job_claim('],
	['before the finish', 'postgres', 'cutBefore', 'job_finish('],
	['before COMMIT', 'postgres', 'cutBefore', 'COMMIT'],
	['after COMMIT, unanswered', 'postgres', 'loseAnswer', 'COMMIT'],
	['before the last event', 'redis', 'cutBefore', 'succeeded'],
	['after the last event', 'redis', 'loseAnswer', 'succeeded'],
	['before XDEL', 'redis', 'cutBefore', 'XDEL'],
	['after XDEL, before XACK', 'redis', 'loseAnswer', 'XDEL'],
	['before XACK', 'redis', 'cutBefore', 'XACK'],
	['after XACK', 'redis', 'loseAnswer', 'XACK'],
];
let world, watchers = [], proxies;

before(async () => {
	world = await startWorld({ students: 4 });
	proxies = { postgres: await startPgProxy(world.postgres), redis: await startRedisProxy(world.redis) };
	watchers = watchAll(world);
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
	for (const proxy of Object.values(proxies ?? {})) await proxy.stop();
});

const residue = async () => await world.redis.command('XLEN', STREAM) +
	(await world.redis.command('XPENDING', STREAM, 'workers'))[0];

for (const [name, where, how, what] of POINTS) {
	test(`a slot that is killed ${name}`, async () => {
		const crowd = new Crowd(world);
		let at = 0;
		for (let i = 0; i < (long ? 10 : 1); i++) {
			if (i > 0) await world.worker('a').kill();
			await world.startWorker('a', { 'checker.slots': 1, 'postgres.conninfo': proxies.postgres.conninfo, 'redis.address': proxies.redis.address });
			const [slot] = await until('its slot', () => (childrenOf(world.worker('a').pid).length > 0) && childrenOf(world.worker('a').pid), 10_000);
			const reached = proxies[where][how](what);
			const asking = crowd.submit(1);
			await Promise.race([reached, sleep(20_000).then(() => assert.fail(`${what} was not seen`))]);
			process.kill(slot, 'SIGKILL');
			at = Date.now();
			await asking;
			await until('its end', () => world.count(`id IN ('${[...crowd.promised.keys()].join("','")}') AND finished_at IS NULL`).then((n) => n === 0), 30_000);
		}
		await until('no residue', async () => await residue() === 0, 60_000);
		const took = Date.now() - at;
		const verdict = await judge(world, crowd, { watchers });
		assert.ok(verdict.rows.every((row) => row.attempt <= 2));
		await world.worker('a').kill(); // it runs nothing
		report(`P23 killed ${name}`, verdict, took, `attempt ${verdict.rows.map((row) => row.attempt).join(' ')}; until no residue`);
	});
}
