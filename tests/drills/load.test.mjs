// Many jobs at once (P13), places and times in the queue (P15), and what is left afterwards (P24).
// Fairness (P14), one user's 5,000 jobs and another's one, is tests/integration/fairness.test.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isSanitized } from '../support/daemon.mjs';
import { sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { ANSWER, long, memoryOf, startWorld } from './lib/world.mjs';

const JOBS = long ? 10_000 : 500, SLOTS = long ? 8 : 4;
const TOOK = long ? 20 : 300; // a job; all of them many seconds, since times are told in seconds
const STREAMS = ['checker', 'docgen'].flatMap((queue) => ['high', 'normal', 'low'].map((p) => `pensum:jobs:${queue}:${p}`));
let world;
before(async () => {
	world = await startWorld({ students: 20, settings: { 'jobs.per_user': 1000, 'jobs.per_user_running': 4, 'site.max_running': 0 } });
	await world.startWorker('a', { 'checker.slots': SLOTS });
	await world.startWorker('b', { 'checker.slots': SLOTS });
});
after(() => world?.stop());

const info = async (section, name) => Number(new RegExp(`${name}:(\\d+)`).exec(await world.redis.command('INFO', section))[1]);
const streamEntries = async () => (await Promise.all(STREAMS.map((key) => world.redis.command('XLEN', key)))).reduce((a, b) => a + b);

// What takes a millisecond or more, on the average: what grew with the queue would. (A single call is as slow
// as the machine's other work makes it.)
const slowCommands = async () => [...(await world.redis.command('INFO', 'commandstats')).matchAll(/cmdstat_(\S+):.*usec_per_call=([\d.]+)/g)]
	.map(([, name, us]) => [name, Number(us)]).filter(([, us]) => us > 1000);

// The last job of the queue, looked at until it starts: { places, errors: of eta_s, part of the true time }
async function lookAtLast(crowd) {
	const [id, { user }] = [...crowd.promised].at(-1);
	const student = world.students.find(({ userId }) => userId === user), seen = [];
	for (;;) {
		const { json } = await student.get(`/api/v1/jobs/${id}`);
		if (json.state !== 'queued') break;
		if (json.position) seen.push({ at: Date.now(), place: json.position, eta: json.eta_s });
		await sleep(250);
	}
	const started = Number((await world.postgres.query(`SELECT extract(epoch FROM started_at) * 1000 FROM pensum.jobs WHERE id = '${id}'`))[0][0]);
	const errors = seen.filter(({ eta, place }) => eta !== null && place <= JOBS - 20 && eta > 0)
		.map(({ at, eta }) => Math.abs(at + eta * 1000 - started) / Math.max(1000, started - at)).sort((a, b) => a - b);
	return { places: seen.map(({ place }) => place), etas: seen.map(({ eta }) => eta), errors };
}

// By how much the slowest quarter of the jobs that waited was slower than the fastest: who foretells times
// cannot know what else the machine is going to do.
async function unsteadiness() {
	const starts = (await world.postgres.query('SELECT extract(epoch FROM started_at) FROM pensum.jobs ORDER BY started_at')).flat().map(Number).slice(4 * SLOTS);
	const took = [1, 2, 3, 4].map((i) => starts[Math.floor(starts.length * i / 4) - 1] - starts[Math.floor(starts.length * (i - 1) / 4)]);
	return Math.max(...took) / Math.min(...took) - 1;
}

test('a burst of jobs from twenty students is done once, in little memory, with places that are true', async () => {
	const crowd = new Crowd(world);
	const release = world.pool.hold();
	let peak = 0, gateway = 0, most = 0, going = true;
	world.pool.answer = async () => (await sleep(TOOK), ANSWER);
	await crowd.submit(JOBS, { together: 16 });
	const sampling = (async () => {
		while (going) {
			peak = Math.max(peak, await info('memory', 'used_memory'));
			gateway = Math.max(gateway, memoryOf(world.gateway().pid));
			most = Math.max(most, ...(await world.postgres.query(`SELECT count(*) FROM pensum.jobs WHERE state = 'running' GROUP BY user_id`)).flat().map(Number));
			await sleep(100);
		}
	})();
	// What runs and what is rung; not all that waits.
	const entries = await streamEntries();
	const at = Date.now();
	release();
	let last, verdict;
	try {
		last = await lookAtLast(crowd);
		verdict = await judge(world, crowd, { limitMs: 600_000 });
	} finally {
		going = false;
		await sampling;
	}
	const took = Date.now() - at;
	assert.ok(entries > 0 && entries <= 4 * 64, `${entries} entries`);
	assert.ok(peak < 12e6, `${peak} bytes`);
	// AddressSanitizer keeps what was freed: what the gateway takes then says nothing.
	assert.ok(isSanitized('pensum-gateway') || gateway < 30e6, `the gateway takes ${gateway} bytes`);
	assert.ok(most <= 4, `${most} of one student at one time`);
	assert.ok(verdict.rows.every((row) => row.attempt === 1));
	assert.deepEqual(await slowCommands(), [], 'no slow call');
	last.places.forEach((place, i) => assert.ok(i === 0 || place <= last.places[i - 1] + 2 * SLOTS, `${last.places}`));
	assert.ok(last.etas.every((eta) => eta === null || eta >= 0));
	const error = last.errors[Math.floor(last.errors.length / 2)];
	assert.ok(last.errors.length >= 10, `${last.errors.length} looks`);
	const unsteady = await unsteadiness();
	assert.ok(error < Math.max(0.25, unsteady), `times were wrong by ${(error * 100).toFixed(0)} % (median), the rate changed by ${(unsteady * 100).toFixed(0)} %`);
	report(`P13 ${JOBS} jobs of 20 students`, verdict, took, `all done; Redis peak ${(peak / 1e6).toFixed(1)} MB, gateway ${
		(gateway / 1e6).toFixed(0)} MB, ${(JOBS / took * 1000).toFixed(0)} jobs/s`);
	report('P15 place and time of the last one', verdict, null, `${last.places.length} looks, place ${last.places[0]} → ${
		last.places.at(-1)}, error of the time ${(error * 100).toFixed(0)} % (median), of the rate ${(unsteady * 100).toFixed(0)} %`);
});

// What Redis holds besides the event ring and the snapshots of jobs, which end by cap and by time.
async function steadyMemory() {
	let used = await info('memory', 'used_memory');
	for (const key of await world.redis.command('KEYS', 'pensum:*'))
		if (key === 'pensum:events' || key.startsWith('pensum:job:')) used -= await world.redis.command('MEMORY', 'USAGE', key) ?? 0;
	return used;
}

test('when all is done nothing stays: keys end by themselves, streams are empty, memory is what it was', async () => {
	const rounds = long ? 20 : 2, total = { jobs: 0, lost: 0, doubled: 0 }, sizes = [];
	world.pool.answer = async () => ANSWER;
	const at = Date.now();
	for (let i = 0; i < rounds; i++) {
		const crowd = new Crowd(world);
		await crowd.submit(long ? 10_000 : 200, { together: 16 });
		const verdict = await judge(world, crowd, { limitMs: 900_000 });
		for (const part of Object.keys(total)) total[part] += verdict[part];
		await until('empty streams', async () => await streamEntries() === 0, 60_000);
		sizes.push({ redis: await steadyMemory(), gateway: memoryOf(world.gateway().pid), worker: memoryOf(world.worker('a').pid) });
	}
	const fixed = new Set([...STREAMS, 'pensum:events']);
	for (const key of await world.redis.command('KEYS', '*'))
		if (!fixed.has(key)) assert.notEqual(await world.redis.command('TTL', key), -1, `${key} never ends`);
	for (const key of STREAMS) if (await world.redis.command('EXISTS', key)) assert.equal((await world.redis.command('XPENDING', key, 'workers'))[0], 0);
	const [first, last] = [sizes[0], sizes.at(-1)];
	// AddressSanitizer keeps what was freed, up to 256 MB: what a daemon takes then says nothing.
	for (const part of isSanitized('pensum-gateway') ? ['redis'] : ['redis', 'gateway', 'worker'])
		assert.ok(last[part] < first[part] * 1.15 + 1e6, `${part}: ${first[part]} → ${last[part]} bytes`);
	report('P24 hygiene', total, Date.now() - at, `Redis without ring and snapshots ${(first.redis / 1e6).toFixed(2)} → ${
		(last.redis / 1e6).toFixed(2)} MB, gateway ${(first.gateway / 1e6).toFixed(1)} → ${(last.gateway / 1e6).toFixed(1)} MB`);
});
