// Where a queued job stands and when it will start: by GET and on the live channel.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';
import { until } from '../support/process.mjs';
import { openWs } from '../support/ws.mjs';

let world, maya;

before(async () => {
	world = await startGateway();
	maya = await world.student('maya');
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', 2)`;
});
after(() => world?.stop());

// Users of one job each, due ten seconds ago.
const crowd = (count) => world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at)
	SELECT lpad(to_hex(i), 24, 'c'), 'check', 'checker', 'normal', 'crowd' || i, '{}', now() - interval '10 s' FROM generate_series(1, ${count}) i`);
// The first so many of the queue start and end.
const drain = (count, tookS = 4) => world.postgres.query(`UPDATE pensum.jobs SET state = 'succeeded', attempt = 1,
	started_at = now() - interval '${tookS} s', finished_at = now()
	WHERE id IN (SELECT id FROM pensum.job_positions ORDER BY position LIMIT ${count})`);
async function mine() {
	const id = newId();
	await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input) VALUES (${id}, 'check', 'checker', 'normal', ${maya.userId}, '{}')`;
	return id;
}
const job = async (id) => (await maya.get(`/api/v1/jobs/${id}`)).json;

test('a queued job has its place and the time to its start, in the list, alone and on the live channel', async () => {
	await crowd(40);
	const id = await mine();
	const live = await openWs({ port: new URL(world.url).port, headers: { Cookie: maya.cookie, Origin: world.url } });
	const events = [];
	const listen = (async () => {
		for (;;) events.push(await live.next((m) => m.job === id, 60_000));
	})().catch(() => {});
	try {
		const first = await until('place', async () => {
			const now = await job(id);
			return now.position && now;
		});
		assert.deepEqual([first.state, first.position, first.eta_s], ['queued', 41, null], 'nobody knows yet how long');
		await drain(2);
		const second = await until('new place', async () => {
			const now = await job(id);
			return now.position === 39 && now;
		});
		assert.ok(second.eta_s >= 60 && second.eta_s <= 90, `${second.eta_s} s: 39 jobs of four seconds in two slots`);
		assert.deepEqual(second.version, first.version);
		const list = (await maya.get('/api/v1/jobs')).json.jobs.find((j) => j.id === id);
		assert.equal(list.position, 39);

		const told = await until('events', () => events.find((e) => e.position === 39));
		assert.deepEqual([told.type, told.state, told.version], ['event', 'queued', first.version]);
		assert.ok(told.eta_s > 0);
		await drain(20);
		await until('a nearer place', () => events.find((e) => e.position === 19));
		const places = events.filter((e) => e.position).map((e) => e.position);
		assert.deepEqual(places, [...places].sort((a, b) => b - a), 'only nearer');

		const { headers } = await maya.get(`/api/v1/jobs/${id}`);
		assert.match(headers.get('etag'), /^"1\.0\.\d+"$/);
		await world.sql`UPDATE pensum.jobs SET state = 'running', attempt = 1, event_n = 1, worker = 'h:checker:0' WHERE id = ${id}`;
		const running = await job(id);
		assert.deepEqual([running.state, running.position, running.eta_s], ['running', undefined, undefined]);
	} finally {
		live.close();
		await listen;
	}
});

test('what is not due has no place', async () => {
	const id = await mine();
	await world.sql`UPDATE pensum.jobs SET run_at = now() + interval '1 hour' WHERE id = ${id}`;
	const now = await job(id);
	assert.deepEqual([now.state, now.position, now.eta_s], ['queued', null, null]);
});

test('without PostgreSQL nobody waits for a place', async () => {
	await world.postgres.kill();
	assert.equal((await maya.get('/api/v1/jobs')).status, 503);
	await world.postgres.start();
	await until('answer', async () => (await maya.get('/api/v1/jobs')).status === 200, 20_000);
});
