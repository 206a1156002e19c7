// GET /metrics and GET /admin/pool: all daemons in one scrape, as a strict reader understands it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import { parseMetrics } from '../../support/prometheus.mjs';
import { fetch } from '../../support/waiting.mjs';
import { newId, startStack } from './stack.mjs';

let stack, pool, folder, admin;
const status = { version: 'x', leases: [], metrics: {
	'bp_leases{state="lent"}': 2, 'bp_leases{state="waiting"}': 0, 'bp_lease_end_total{reason="expired"}': 4,
	'bp_lease_seconds_sum': 1.5, 'bp_lease_seconds_count': 3, bp_new_total: 7,
	// None of these may spoil the scrape.
	'bp bad': 1, 'bp_bad{x="': 1, 'bp_bad{x="a"b"}': 1, 'bp_bad{x="1",}': 1, 'bp_bad\n# TYPE y gauge': 1, bp_text: 'no number' } };

before(async () => {
	folder = temporaryFolder('pensum-m-');
	const socket = path.join(folder.path, 'pool');
	pool = net.createServer((client) => client.on('error', () => {}).on('data', (data) => {
		if (data.at(-1) === 0 && JSON.parse(data.subarray(0, -1)).op === 'status') pool.answer(client);
	}));
	pool.answer = (client) => client.end(`${JSON.stringify(status)}\0`);
	await new Promise((done) => pool.listen(socket, done));
	stack = await startStack({ settings: { 'pool.socket': socket } });
	admin = (target, options) => fetch(`http://127.0.0.1:${stack.adminPort}${target}`, options);
});
after(async () => {
	await stack?.stop();
	pool?.close();
	folder?.remove();
});

async function scrape() {
	await sleep(1050); // an answer is given again for a second
	const answer = await admin('/metrics');
	assert.equal(answer.status, 200);
	assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
	return parseMetrics(await answer.text());
}
// A job with these columns; times are SQL.
async function job(columns) {
	const row = { id: `'${newId()}'`, kind: "'check'", queue: "'checker'", priority: "'normal'", user_id: "'u'", input: "'{}'", ...columns };
	await stack.pg.query(`INSERT INTO pensum.jobs (${Object.keys(row)}) VALUES (${Object.values(row)})`);
	return row.id;
}
const ended = (state, ago, more = {}) => job({ state: `'${state}'`, attempt: 1, created_at: `now() - interval '${ago + 3} s'`,
	run_at: `now() - interval '${ago + 3} s'`, started_at: `now() - interval '${ago + 2} s'`,
	finished_at: `now() - interval '${ago} s'`, ...more });

test('the reader is strict', () => {
	const good = '# HELP a_total x\n# TYPE a_total counter\na_total{q="1"} 3\n';
	assert.equal(parseMetrics(good).value('a_total', { q: '1' }), 3);
	const head = '# HELP h x\n# TYPE h histogram\n';
	parseMetrics(`${head}h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n`);
	for (const bad of ['a 1\n', good.slice(0, -1), `${good}a_total{q="1"} 4\n`, `${good}${good}`, `${good}b 1\n`,
		good.replace('a_total counter', 'a_total gauge'), good.replace(' 3', ' x'), good.replace(' 3', ' -3'), good.replace('"1"', '"1'),
		good.replace('q=', '1q='), '# TYPE a gauge\na 1\n', '# HELP a x\na 1\n', `\n${good}`,
		`${head}h_bucket{le="1"} 4\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n`, `${head}h_bucket{le="1"} 2\nh_sum 4\nh_count 2\n`,
		`${head}h_bucket{le="2"} 1\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n`,
		`${head}h_bucket{le="+Inf"} 3\nh_sum 4\nh_count 2\n`])
		assert.throws(() => parseMetrics(bad), Error, bad);
});

test('jobs are counted by what the record says, through the ends that are added up and the newest', async () => {
	await ended('succeeded', 100);
	await ended('succeeded', 1, { attempt: 2 });
	await ended('failed', 2);
	await job({ state: "'cancelled'", finished_at: 'now()' });
	await job({ state: "'queued'", rung_at: 'now()' });
	await job({ state: "'queued'", queue: "'docgen'", run_at: "now() - interval '40 s'" });
	await job({ state: "'running'", attempt: 3, started_at: 'now()', worker: "'h:checker:0'" });
	await job({ state: "'waiting'", attempt: 1, started_at: 'now()' });
	await stack.pg.query(`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', 4)`);
	const judge = (m) => {
		const of = (name, labels) => m.value(name, labels);
		assert.equal(of('jobs_submitted_total'), 8);
		assert.equal(of('jobs_started_total'), 8);
		assert.deepEqual(['succeeded', 'failed', 'cancelled', 'dead'].map((outcome) => of('jobs_finished_total', { outcome })), [2, 1, 1, 0]);
		assert.deepEqual(['checker', 'docgen'].map((queue) => of('jobs_waiting', { queue })), [1, 1]);
		assert.deepEqual([of('jobs_running'), of('jobs_parked'), of('postgres_up'), of('redis_up'), of('bp_up')], [1, 1, 1, 1, 1]);
		assert.ok(of('hint_lag_seconds') >= 40 && of('hint_lag_seconds') < 400, `${of('hint_lag_seconds')}`);
		assert.equal(of('job_duration_seconds_count'), 3);
		assert.ok(Math.abs(of('job_duration_seconds_sum') - 6.0) < 0.1);
		assert.deepEqual([of('job_duration_seconds_bucket', { le: '1' }), of('job_duration_seconds_bucket', { le: '2.5' })], [0, 3]);
		assert.deepEqual([of('job_queue_latency_seconds_bucket', { le: '0.5' }), of('job_queue_latency_seconds_bucket', { le: '2.5' })], [0, 3]);
		assert.ok(of('redis_used_bytes') > 500_000);
		assert.equal(of('worker_slots', { worker: 'h:checker' }), 4);
	};
	// The ring duty marks the late one; so what is judged first is what was there first.
	await stack.pg.query(`UPDATE pensum.jobs SET rung_at = NULL WHERE queue = 'docgen'`);
	judge(await scrape());
	const [[rolled]] = await stack.pg.query(`SELECT sum(value) FROM pensum.totals WHERE name = 'jobs_finished_total'`);
	assert.equal(rolled, '1', 'the one that ended long ago is added up; the newest are not yet');
});

test('the bell is late when nobody rings for whose turn it is, or nobody comes; a long queue is not late', async () => {
	await stack.pg.query('DELETE FROM pensum.jobs');
	const lag = async () => Number((await stack.pg.query('SELECT pensum.hint_lag(4)'))[0][0]);
	const add = (count, columns, values) => stack.pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at, ${columns})
		SELECT md5(random()::text || i)::char(24), 'check', 'checker', 'normal', 'user ' || i, '{}', now() - interval '5 min', ${values}
		FROM generate_series(1, ${count}) i`);
	await stack.pg.query(`UPDATE pensum.workers SET seen_at = now(), slots = 4 WHERE name = 'h:checker'`);
	await add(4, 'state, attempt, worker, started_at', `'running', 1, 'h:checker:' || i, now()`);
	await add(64, 'rung_at', 'now()');
	await add(500, 'rung_at', 'NULL');
	assert.equal(await lag(), 0, 'all slots are busy and the window is full');
	await stack.pg.query(`DELETE FROM pensum.jobs WHERE state = 'running' AND worker = 'h:checker:1'`);
	assert.ok(await lag() >= 299, 'a slot is free and does not come');
	await add(1, 'state, attempt, started_at, finished_at', `'succeeded', 1, now(), now() - interval '20 s'`);
	assert.ok(await lag() >= 19 && await lag() < 299, `${await lag()}: since the slot became free`);
	await stack.pg.query(`UPDATE pensum.jobs SET finished_at = now() WHERE state = 'succeeded'`);
	assert.ok(await lag() < 10);
	// Nobody is there at all: that is told elsewhere, and is no lag of the bell.
	await stack.pg.query(`DELETE FROM pensum.jobs WHERE state <> 'queued'; DELETE FROM pensum.jobs WHERE rung_at IS NULL;
		UPDATE pensum.workers SET seen_at = now() - interval '1 hour' WHERE name = 'h:checker'`);
	assert.equal(await lag(), 0);
	await stack.pg.query(`UPDATE pensum.workers SET seen_at = now() WHERE name = 'h:checker'`);
	await stack.pg.query('DELETE FROM pensum.jobs');
});

test('what is purged stays counted; a dead letter that begins again ends twice and was submitted once', async () => {
	await stack.pg.query('DELETE FROM pensum.jobs');
	await stack.pg.query(`DELETE FROM pensum.totals; UPDATE pensum.totals_until SET until = '-infinity'`);
	const [old, fresh] = [await ended('dead', 200, { attempt: 3 }), await ended('dead', 1, { attempt: 3 })];
	const totals = async () => {
		const m = await scrape();
		return ['jobs_submitted_total', 'jobs_started_total'].map((name) => m.value(name)).concat(m.value('jobs_finished_total', { outcome: 'dead' }));
	};
	assert.deepEqual(await totals(), [2, 6, 2]);
	for (const id of [old, fresh])
		await stack.pg.query(`UPDATE pensum.jobs SET state = 'queued', finished_at = NULL, max_attempts = 9 WHERE id = ${id}`);
	assert.deepEqual(await totals(), [2, 6, 2], 'nothing runs backwards');
	await stack.pg.query(`UPDATE pensum.jobs SET state = 'dead', attempt = attempt + 1, finished_at = now() WHERE id = ${old}`);
	assert.deepEqual(await totals(), [2, 7, 3]);
	await stack.pg.query(`UPDATE pensum.jobs SET finished_at = now() - interval '1 hour' WHERE id = ${old}`);
	await stack.pg.query(`DELETE FROM pensum.jobs WHERE id = ${fresh}`);
});

test('two that add up at the same time count each end once', async () => {
	await stack.pg.query('DELETE FROM pensum.jobs');
	await stack.pg.query(`DELETE FROM pensum.totals; UPDATE pensum.totals_until SET until = '-infinity'`);
	for (let i = 0; i < 5; i++) await ended('succeeded', 60 + i);
	await Promise.all(Array.from({ length: 12 }, () => stack.pg.query('SELECT pensum.totals_roll()')));
	assert.equal((await scrape()).value('jobs_finished_total', { outcome: 'succeeded' }), 5);
	const [[until]] = await stack.pg.query(`SELECT until < now() - interval '9 s' FROM pensum.totals_until`);
	assert.equal(until, 't');
});

test('an end that is committed late is not missed', async () => {
	await stack.pg.query(`DELETE FROM pensum.jobs; DELETE FROM pensum.totals; UPDATE pensum.totals_until SET until = now() - interval '2 min'`);
	// The transaction is older than its end, and the end older than what would be added up by now.
	const late = stack.pg.query(`BEGIN; INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
		VALUES ('${newId()}', 'check', 'checker', 'normal', 'u', '{}', 'failed', now() + interval '1 ms'); SELECT pg_sleep(2); COMMIT`);
	await sleep(700);
	await stack.pg.query(`SELECT pensum.totals_roll()`);
	const [[before]] = await stack.pg.query(`SELECT until < (SELECT min(xact_start) FROM pg_stat_activity WHERE query LIKE 'BEGIN; INSERT%'
		AND state = 'active' AND pid <> pg_backend_pid()) + interval '1 us' FROM pensum.totals_until`);
	assert.notEqual(before, 'f');
	await late;
	assert.equal((await scrape()).value('jobs_finished_total', { outcome: 'failed' }), 1);
});

test('requests and live channels are counted by this gateway', async () => {
	const session = await stack.session();
	const before = await scrape();
	const of = (m, name, labels) => m.value(name, labels) ?? 0;
	for (let i = 0; i < 3; i++) await fetch(`${stack.url}/api/v1/jobs`, { headers: { cookie: session.cookie } });
	await fetch(`${stack.url}/api/v1/jobs`);
	await fetch(`${stack.url}/no/such/file`);
	const ws = await stack.live(session), other = await stack.live(session);
	await ws.next();
	const running = await stack.job(session, { state: 'running', attempt: 1, n: 1 });
	await stack.publish({ job: running, version: [1, 1] });
	await ws.next((m) => m.job === running);
	await other.close(4000);
	const now = await scrape();
	const grew = (name, labels) => of(now, name, labels) - of(before, name, labels);
	assert.equal(grew('http_requests_total', { route: '/api/v1/jobs', method: 'GET', class: '2xx' }), 3);
	assert.equal(grew('http_requests_total', { route: '/api/v1/jobs', method: 'GET', class: '4xx' }), 1);
	assert.equal(grew('http_requests_total', { route: 'other', class: '4xx' }), 1);
	assert.equal(grew('http_requests_total', { route: '/api/v1/live', method: 'GET', class: '1xx' }), 2);
	assert.equal(grew('http_request_duration_seconds_count', { route: '/api/v1/jobs' }), 4);
	assert.equal(of(now, 'ws_connections'), 1);
	assert.equal(grew('ws_closed_total', { code: '4000' }), 1);
	assert.equal(grew('progress_events_total'), 1);
	await ws.close();
});

test('the pool\'s series come with it, and a pool that is away or wrong costs nothing else', async () => {
	let m = await scrape();
	assert.deepEqual([m.value('bp_leases', { state: 'lent' }), m.value('bp_lease_seconds_sum'), m.value('bp_new_total')], [2, 1.5, 7]);
	assert.equal(m.families.get('bp_lease_seconds').type, 'summary');
	assert.ok(![...m.families.keys()].some((name) => /bad|text/.test(name)));
	assert.deepEqual(await (await admin('/admin/pool')).json(), status);
	const answers = [['silent', () => {}], ['closed', (client) => client.destroy()], ['no JSON', (client) => client.end('x\0')],
		['an array', (client) => client.end('[]\0')], ['too long', (client) => client.end('x'.repeat(5_000_000))]];
	const good = pool.answer;
	for (const [what, answer] of answers) {
		pool.answer = answer;
		m = await scrape();
		assert.deepEqual([m.value('bp_up'), m.value('postgres_up'), m.value('bp_new_total')], [0, 1, undefined], what);
		const refused = await admin('/admin/pool');
		assert.equal(refused.status, 503, what);
		assert.equal((await refused.json()).code, 'pool_away');
		assert.ok(Number(refused.headers.get('retry-after')) > 0);
	}
	pool.answer = good;
	assert.equal((await scrape()).value('bp_up'), 1);
});

test('counters of the workers are there under their names, when they have any', async () => {
	await stack.pg.query(`UPDATE pensum.workers SET counters = '{"job_zombie_rejected_total": {"finish": 2}, "job_reclaimed_total": {"crashed": 1},
		"drafts_total": {"": 5}, "jobs_running": {"": 9}}'`);
	await stack.pg.query(`SELECT pensum.total_add('job_reclaimed_total', 'worker_lost', 3)`);
	const m = await scrape();
	assert.equal(m.value('job_zombie_rejected_total', { op: 'finish', worker: 'h:checker' }), 2);
	assert.equal(m.value('job_reclaimed_total', { reason: 'crashed', worker: 'h:checker' }), 1);
	assert.equal(m.value('job_reclaimed_total', { reason: 'worker_lost', worker: 'gateway' }), 3);
	assert.equal(m.value('drafts_total', { worker: 'h:checker' }), 5);
});

test('a scrape without databases says so', async () => {
	await stack.redis.kill();
	await stack.pg.kill();
	await until('the loss seen', async () => (await scrape()).value('postgres_up') === 0, 20_000);
	const m = await scrape();
	assert.deepEqual([m.value('redis_up'), m.value('postgres_up'), m.value('jobs_running')], [0, 0, undefined]);
	assert.ok(m.value('gateway_uptime_seconds') >= 0);
	await stack.redis.start();
	await stack.pg.start();
	await until('all back', async () => {
		const back = await scrape();
		return back.value('postgres_up') === 1 && back.value('redis_up') === 1;
	}, 20_000);
	assert.equal(fs.existsSync(path.join(folder.path, 'pool')), true);
});

test('the public listener has none of it', async () => {
	for (const target of ['/metrics', '/admin/pool'])
		assert.equal((await fetch(stack.url + target)).status, 404);
});
