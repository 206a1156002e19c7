// The live channel: reconnects at random with a trimmed event stream and restarts of the gateway (P17),
// readers that do not read (P18), a storm of reconnects (P19). Security (P20) is
// tests/integration/gateway/live.test.mjs and tests/e2e/api-input.test.mjs: foreign origins, other
// people's jobs, sessions that end, frames that are too large, broken or too many.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { isSanitized } from '../support/daemon.mjs';
import { sleep, until } from '../support/process.mjs';
import { openWs } from '../support/ws.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { ANSWER, long, memoryOf, startWorld } from './lib/world.mjs';

let world, watchers = [];
before(async () => {
	world = await startWorld({ students: 8, settings: { 'gateway.user_live': 2000, 'gateway.max_live': 10_000, 'gateway.max_connections': 10_000 } });
	world.pool.answer = async () => (await sleep(Math.random() * 100), ANSWER);
	await world.startWorker('a', { 'checker.slots': 6 });
});
after(() => world?.stop());
afterEach(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	watchers = [];
});

test('pages that are cut off at random, events that are trimmed, gateways that restart: no gap, no repeat', async () => {
	const cuts = long ? 1000 : 120;
	const crowd = new Crowd(world);
	watchers = [...watchAll(world, { pauseMs: 50 }), ...watchAll(world, { pauseMs: 50 })];
	let going = true;
	const asking = crowd.submit(1e6, { going: () => going, gapMs: 50, together: 4 });
	for (let i = 0; i < cuts; i++) {
		await sleep(Math.random() * 40);
		watchers[Math.floor(Math.random() * watchers.length)].cut();
		if (i % 5 === 0) await world.redis.command('XTRIM', 'pensum:events', 'MAXLEN', '10');
		if (i % 60 === 59) {
			await world.gateway().kill();
			await world.start();
		}
	}
	going = false;
	await asking;
	const at = Date.now();
	const verdict = await judge(world, crowd, { watchers });
	const frames = watchers.reduce((sum, watcher) => sum + watcher.frames.length, 0);
	report(`P17 ${cuts} reconnects, trimming, restarts`, verdict, Date.now() - at, `${frames} frames judged; to the last frame of every page`);
});

test('who does not read costs nobody else anything', async () => {
	const slow = [];
	const memory = memoryOf(world.gateway().pid);
	for (let i = 0; i < (long ? 100 : 24); i++) {
		const ws = await openWs({ port: new URL(world.url).port, headers: { Cookie: world.students[i % 8].cookie, Origin: world.url } });
		ws.pause();
		slow.push(ws);
	}
	const crowd = new Crowd(world);
	watchers = watchAll(world);
	// A channel watches 64 jobs at one time: no student has more, so that all that is late is late by the channel.
	for (let left = long ? 2000 : 160; left > 0; left -= 320) {
		await crowd.submit(Math.min(left, 320), { together: 4 });
		await until('all ended', async () => await world.count('finished_at IS NULL') === 0, 60_000, 100);
	}
	const verdict = await judge(world, crowd, { watchers });
	const ends = new Map((await world.postgres.query(`SELECT id, extract(epoch FROM finished_at) * 1000 FROM pensum.jobs
		WHERE finished_at IS NOT NULL`)).map(([id, ms]) => [id, Number(ms)]));
	const delays = watchers.flatMap((watcher) => [...watcher.applied].filter(([id]) => crowd.promised.has(id))
		.map(([id, seen]) => seen.at(-1).at - ends.get(id))).sort((a, b) => a - b);
	const p99 = delays[Math.floor(delays.length * 0.99)];
	const grown = (memoryOf(world.gateway().pid) - memory) / 1e6;
	slow.forEach((ws) => ws.destroy());
	// AddressSanitizer keeps what was freed, up to 256 MB: what the gateway takes then says nothing.
	assert.ok(isSanitized('pensum-gateway') || grown < 100, `${grown} MB`);
	assert.ok(p99 < 5000, `${p99} ms`);
	report(`P18 ${slow.length} readers that do not read`, verdict, null,
		`the others' last frame ${p99.toFixed(0)} ms after the commit (p99), gateway +${grown.toFixed(1)} MB`);
});

test('all pages come back after a crash, and requests are answered meanwhile', async () => {
	const count = long ? 5000 : 160, each = Math.ceil(count / 8);
	const crowd = new Crowd(world);
	for (let i = 0; i < each; i++) watchers.push(...watchAll(world, { pauseMs: 3000 }));
	await until('every page', () => watchers.every((watcher) => watcher.ws?.status === 101), 60_000, 100);
	await world.gateway().kill();
	const at = Date.now();
	await world.start();
	await crowd.submit(40, { together: 4 });
	await until('every page again', () => watchers.every((watcher) => watcher.connections >= 2 && watcher.ws?.status === 101), 60_000, 100);
	const took = Date.now() - at;
	assert.ok(took < 30_000, `${took} ms`);
	assert.deepEqual(Object.keys(crowd.statuses), ['202'], 'no request failed');
	const verdict = await judge(world, crowd, { watchers: watchers.slice(0, 8) });
	report(`P19 ${watchers.length} pages cut off at once`, verdict, took, `all are back; slowest 202 ${crowd.slowestMs} ms`);
});
