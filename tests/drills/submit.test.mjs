// Submission: 202 is a promise (P1), one key is one job (P2).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { long, startWorld } from './lib/world.mjs';

let world;
before(async () => {
	world = await startWorld({ students: 8 });
	await world.startWorker('a', { 'checker.slots': 4 });
});
after(() => world?.stop());

test('a gateway that is killed at random instants keeps each promise once', async () => {
	const kills = long ? 200 : 6;
	const crowd = new Crowd(world), watchers = watchAll(world);
	let going = true, slowest = 0;
	const asking = crowd.submit(1e6, { going: () => going, gapMs: 40 });
	for (let i = 0; i < kills; i++) {
		await sleep(50 + Math.random() * 250);
		await world.gateway().kill();
		const at = Date.now(), promised = crowd.promised.size;
		await world.start();
		await until('a promise', () => crowd.promised.size > promised, 20_000);
		slowest = Math.max(slowest, Date.now() - at);
	}
	going = false;
	await asking;
	const verdict = await judge(world, crowd, { watchers });
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	assert.ok(crowd.statuses.lost > 0, 'requests were cut off');
	report(`P1 kill -9 gateway ×${kills}`, verdict, slowest, `${crowd.statuses.lost} requests cut off, to the next 202`);
});

test('a hundred requests with one key are one job, also after kill -9 and FLUSHALL', async () => {
	const crowd = new Crowd(world), [student] = world.students;
	const key = `${crowd.prefix}-one`;
	const ask = (count) => Promise.all(Array.from({ length: count }, () => crowd.once(student, key)));
	const first = await ask(50);
	const cut = ask(10);
	await world.gateway().kill();
	await cut; // some of them are answered
	await world.start();
	await world.redis.command('FLUSHALL');
	const second = await ask(40);
	const answers = [...first, ...second];
	assert.ok(answers.every((answer) => answer?.status === 202), JSON.stringify(crowd.statuses));
	for (const answer of answers) crowd.promise(student, key, answer.json.job.id);
	assert.equal(crowd.promised.size, 1);
	const replays = answers.filter((answer) => answer.headers.get('idempotency-replayed') === 'true').length;
	assert.equal(replays, answers.length - 1);
	const other = await crowd.once(student, key, { courses: [12] });
	assert.deepEqual([other.status, other.json.code], [422, 'idempotency_mismatch']);
	report('P2 one key, 100 requests', await judge(world, crowd), null, `${replays} marked as replays, another body 422`);
});
