// A site is not asked faster than its settings allow, whoever asks, with Redis and without.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';
const PER_S = 10;
const BURST = PER_S; // a second's requests may come at once …
const UNKNOWN = 4; // … and one of each slot, before the others are told of it

let system;
before(async () => {
	system = await startSystem({ settings: { 'site.requests_per_s': PER_S, 'site.max_running': 4, 'checker.slots': 4, 'site.road': 'browser' } });
});
after(() => system?.stop());

// What the work asks of Moodle, and the seconds from its first request on.
async function measure(work) {
	const from = system.moodle.requests.length;
	const started = performance.now();
	await work();
	return { asked: system.moodle.requests.length - from, seconds: (performance.now() - started) / 1000 };
}

test('several students together are no faster than the site allows', async () => {
	const students = await Promise.all(['maya', 'dieter'].map(async (name) => {
		const p = system.client({ limitMs: 60_000 });
		await p.signIn(name, PASSWORD);
		return p;
	}));
	const lists = await Promise.all(students.map(async (p) => (await p.courses()).courses.map((course) => course.id)));
	const { asked, seconds } = await measure(() => Promise.all(students.flatMap((p, i) => [p.check(lists[i]), p.check([...lists[i]].reverse())])));
	assert.ok(asked > 2 * BURST + UNKNOWN, `${asked} requests are enough to tell`);
	assert.ok(seconds > (asked - BURST - UNKNOWN) / PER_S * 0.95, `${asked} requests in ${seconds} s`);
	assert.equal(await system.redis.command('EXISTS', 'pensum:pace:default'), 1);
	const ttl = await system.redis.command('PTTL', 'pensum:pace:default');
	assert.ok(ttl > 0 && ttl < 120_000, `it ends by itself (${ttl} ms)`);
	for (const p of students) p.close();
});

test('while Redis is away, a job keeps to its share', async () => {
	const p = system.client({ limitMs: 60_000 });
	await p.signIn('maya', PASSWORD);
	p.close();
	await system.redis.kill();
	const one = async (sql) => (await system.postgres.query(sql))[0][0];
	const { job } = await p.call('POST', '/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': 'alone' });
	const { asked, seconds } = await measure(() => until('the check has ended', async () =>
		await one(`SELECT state FROM pensum.jobs WHERE id = '${job.id}'`) === 'succeeded', 60_000));
	assert.ok(asked >= 3, `${asked} requests`);
	assert.ok(seconds > (asked - 1) * 4 / PER_S * 0.9, `${asked} requests in ${seconds} s, a fourth of ${PER_S} a second`);
	await system.redis.start();
});
