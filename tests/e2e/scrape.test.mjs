// One scrape of the whole of Pensum while it works: what /metrics, PostgreSQL, Redis and the pool say
// of the same jobs agrees, and a strict reader understands all of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { parseMetrics } from '../support/prometheus.mjs';
import { startSystem } from '../support/system.mjs';
import { fetch } from '../support/waiting.mjs';

let system;
before(async () => (system = await startSystem()));
after(() => system?.stop());

async function scrape() {
	const answer = await fetch(`${system.adminUrl}/metrics`);
	assert.equal(answer.status, 200);
	return parseMetrics(await answer.text());
}
const one = async (sql) => Number((await system.postgres.query(sql))[0][0]);

test('the scrape agrees with the record, the bell and the pool', async () => {
	const p = system.client();
	await p.signIn('maya', 'Pensum-demo-1');
	const { courses } = await p.courses();
	const during = [];
	let working = true;
	const watch = (async () => {
		while (working) {
			during.push(await scrape());
			await sleep(1100);
		}
	})();
	await p.check(courses.map((c) => c.id));
	const owed = (await p.assignments()).filter((a) => a.pending).slice(0, 2);
	await p.documents(owed.map((a) => a.id), { name: 'Maya', roll: '1' });
	working = false;
	await watch;

	await until('all told', async () => (await scrape()).value('jobs_running') === 0);
	await sleep(1100);
	const m = await scrape();
	for (const up of ['postgres_up', 'redis_up', 'bp_up']) assert.equal(m.value(up), 1, up);
	const total = await one('SELECT count(*) FROM pensum.jobs');
	assert.ok(total >= 4, `${total} jobs`);
	assert.equal(m.value('jobs_submitted_total'), total);
	assert.equal(m.value('jobs_finished_total', { outcome: 'succeeded' }), await one(`SELECT count(*) FROM pensum.jobs WHERE state = 'succeeded'`));
	assert.equal(m.value('jobs_started_total'), await one('SELECT sum(attempt) FROM pensum.jobs'));
	assert.equal(m.value('job_duration_seconds_count'), m.value('job_queue_latency_seconds_count'));
	const lasted = await one(`SELECT sum(extract(epoch FROM finished_at - started_at)) FROM pensum.jobs`);
	assert.ok(Math.abs(m.value('job_duration_seconds_sum') - lasted) < 0.01);
	for (const queue of ['checker', 'docgen']) assert.equal(m.value('jobs_waiting', { queue }), 0);
	assert.ok(m.value('progress_events_total') >= total, 'each job told how it went');
	for (const worker of (await system.postgres.query('SELECT name FROM pensum.workers')).flat())
		assert.ok(m.value('worker_slots', { worker }) > 0, worker);

	const pool = await (await fetch(`${system.adminUrl}/admin/pool`)).json();
	const ended = m.families.get('bp_lease_end_total').series.reduce((sum, { value }) => sum + value, 0);
	assert.ok(ended > 0 && pool.totals.leased >= ended, `${ended} of ${pool.totals.leased} leases`);
	assert.ok(during.length > 0);
	for (const name of ['jobs_submitted_total', 'jobs_started_total', 'progress_events_total'])
		[...during, m].reduce((before, now) => {
			assert.ok(now.value(name) >= before, `${name} never falls`);
			return now.value(name);
		}, 0);
});
