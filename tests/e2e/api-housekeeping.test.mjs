// What the gateway does by the clock: rings again, takes jobs from the dead.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';
import { sleep, until } from '../support/process.mjs';

let world, maya;

before(async () => {
	world = await startGateway();
	maya = await world.student('maya');
});
after(async () => { await world?.stop(); });

const entries = async (stream = 'pensum:jobs:checker:normal') =>
	(await world.redis.command('XRANGE', stream, '-', '+')).map(([, fields]) => [fields[1], Number(fields[3])]);
const idle = () => world.sql`DELETE FROM pensum.jobs`.then(() => world.redis.command('FLUSHALL'));

async function insertJob(columns = {}) {
	const row = { id: newId(), kind: 'check', queue: 'checker', priority: 'normal', user_id: maya.userId, input: '{}', ...columns };
	const names = Object.keys(row);
	await world.postgres.query(`INSERT INTO pensum.jobs (${names.join()}) VALUES (${names.map((name) =>
		(row[name] === null ? 'NULL' : /^now\(\)/.test(row[name]) ? row[name] : `'${row[name]}'`)).join()})`);
	return row.id;
}

test('a job that nobody rang for is rung, once, when it is due', async () => {
	const id = await insertJob();
	const later = await insertJob({ run_at: "now() + interval '1 hour'" });
	const retried = await insertJob({ attempt: 2 });
	await until('bell', async () => (await entries()).length >= 2);
	await sleep(4500);
	assert.deepEqual((await entries()).sort(), [[id, 0], [retried, 2]].sort());
	assert.deepEqual(await world.sql`SELECT rung_at FROM pensum.jobs WHERE id = ${later}`, [[null]]);
	await idle();
});

test('the stream holds a window of a long queue; after FLUSHALL it is full again within seconds', async () => {
	// As if they had waited for an hour.
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at)
		SELECT lpad(to_hex(i), 24, '0'), 'check', 'checker', 'normal', 'u' || i % 300, '{}',
		now() - interval '1 hour' FROM generate_series(1, 1200) i`);
	const all = async () => [...await entries('pensum:jobs:checker:high'), ...await entries(), ...await entries('pensum:jobs:checker:low')];
	await until('window', async () => (await all()).length >= 64);
	await sleep(5000);
	assert.equal((await all()).length, 64, 'nothing was lost, nothing is rung in vain');
	const before = (await all()).map(([id]) => id).sort();
	await world.redis.command('FLUSHALL');
	await until('all bells', async () => (await all()).length >= 64, 10_000);
	assert.deepEqual((await all()).map(([id]) => id).sort(), before);
	await idle();
});

test('a worker that stops beating, or has no row, loses its jobs; one that beats keeps them', async () => {
	const started = Date.now(); // the gateway may see the rows at once
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('dead:checker', 'x', 2), ('alive:checker', 'x', 2)`;
	const running = { state: 'running', attempt: 1, event_n: 7 };
	const lost = await insertJob({ ...running, worker: 'dead:checker:1' });
	const worn = await insertJob({ ...running, attempt: 3, worker: 'dead:checker:2' });
	const unwanted = await insertJob({ ...running, cancel: 't', worker: 'dead:checker:3' });
	const orphan = await insertJob({ ...running, worker: 'nobody:checker:0' });
	const kept = await insertJob({ ...running, worker: 'alive:checker:1' });
	const stateOf = async (id) => (await world.sql`SELECT state FROM pensum.jobs WHERE id = ${id}`)[0][0];
	await until('release', async () => {
		await world.sql`UPDATE pensum.workers SET beat = beat + 1 WHERE name = 'alive:checker'`;
		return !(await Promise.all([lost, orphan].map(stateOf))).includes('running'); // seen first at two looks, perhaps
	}, 40_000, 1000);
	assert.ok(Date.now() - started >= 12_000, 'not too soon'); // WATCH_SILENCE_MS
	assert.deepEqual(await Promise.all([lost, worn, unwanted, orphan, kept].map(stateOf)), ['queued', 'dead', 'cancelled', 'queued', 'running']);
	await until('events', async () => (await world.redis.command('HGET', `pensum:job:${worn}`, 's')) === 'dead');
	const event = await world.redis.command('HGETALL', `pensum:job:${lost}`);
	assert.deepEqual(event.slice(0, 10), ['j', lost, 's', 'queued', 'k', '2', 'n', '0', 'p', 'worker_lost']);
	assert.ok(await world.redis.command('TTL', `pensum:job:${lost}`) > 0);
	await until('bell', async () => (await entries()).some(([id, attempt]) => id === lost && attempt === 1));
	const job = (await maya.get(`/api/v1/jobs/${worn}`)).json;
	assert.deepEqual([job.state, job.version, job.failure.code], ['dead', [3, 1000000], 'worker_lost']);
	await world.sql`DELETE FROM pensum.workers`;
	await idle();
});
