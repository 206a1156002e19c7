// Cancelling (P16): queued, delayed, waiting for a retry, running, and at the instant of the end.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { ANSWER, long, startWorld } from './lib/world.mjs';

let world, watchers = [];
before(async () => {
	world = await startWorld({ students: 4, settings: { 'jobs.retry_base_ms': 5000 } });
	await world.startWorker('a');
	await world.startWorker('b');
	watchers = watchAll(world);
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
});
afterEach(() => {
	world.pool.hold()();
	world.redis.resume();
	world.pool.answer = async () => ANSWER;
});

// The slowest answer to DELETE, milliseconds.
async function cancel(crowd, ids) {
	const answers = await Promise.all(ids.map(async (id) => {
		const student = world.students.find(({ userId }) => userId === crowd.promised.get(id).user);
		const at = Date.now();
		const { status } = await student.delete(`/api/v1/jobs/${id}`);
		assert.ok([200, 202, 204, 409].includes(status), `${status}`);
		return Date.now() - at;
	}));
	return Math.max(...answers);
}

for (const [name, withoutRedis] of [['', false], [', without Redis', true]]) {
	test(`what is queued or runs is cancelled within its time${name}`, async () => {
		const crowd = new Crowd(world);
		world.pool.hold();
		const ids = await crowd.submit(10);
		await until('full slots', () => world.count(`state = 'running'`).then((n) => n === 4), 20_000);
		if (withoutRedis) await world.redis.kill();
		try {
			const at = Date.now();
			const answered = await cancel(crowd, ids);
			const verdict = await judge(world, crowd, { watchers, ends: ['cancelled'] });
			const took = Date.now() - at;
			await until('freed leases', () => world.pool.open() === 0, 10_000);
			assert.ok(answered < 5000, `answered in ${answered} ms, where it should be one second at most`);
			assert.ok(took < 12_000, `${took} ms, where it should be three seconds`);
			report(`P16 cancel, queued and running${name}`, verdict, took, `until all were; answered in ${answered} ms`);
		} finally {
			if (withoutRedis) await world.redis.start();
		}
	});
}

test('what waits for its next attempt is cancelled at once', async () => {
	const crowd = new Crowd(world);
	world.pool.answer = async () => ({ ok: false, code: 'site_down' });
	const ids = await crowd.submit(4);
	await until('retries that wait', () => world.count(`state = 'queued' AND attempt = 1 AND run_at > now()`).then((n) => n === 4), 20_000);
	const at = Date.now();
	await cancel(crowd, ids);
	const verdict = await judge(world, crowd, { watchers, ends: ['cancelled'] });
	assert.ok(verdict.rows.every((row) => row.attempt === 1));
	report('P16 cancel in retry wait', verdict, Date.now() - at);
});

test('cancel against finish: exactly one of both', async () => {
	const rounds = long ? 1000 : 60;
	const crowd = new Crowd(world);
	const at = Date.now();
	for (let i = 0; i < rounds / 4; i++) {
		const before = new Set(crowd.promised.keys());
		const asking = crowd.submit(4, { together: 4 });
		await sleep(Math.random() * 300);
		const ids = [...crowd.promised.keys()].filter((id) => !before.has(id));
		if (ids.length > 0) await cancel(crowd, ids);
		await asking;
	}
	const verdict = await judge(world, crowd, { watchers, ends: ['succeeded', 'cancelled'] });
	const cancelled = verdict.rows.filter((row) => row.state === 'cancelled').length;
	report('P16 cancel against finish', verdict, Date.now() - at, `${cancelled} cancelled, ${verdict.jobs - cancelled} finished`);
});
