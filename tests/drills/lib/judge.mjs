// Compares what was promised (the crowd's 202), what was told (the watchers' transcripts) and what is
// true (PostgreSQL's rows, the audit trail, the side-effect log of world.mjs).
//
//   const verdict = await judge(world, crowd, { watchers, ends: ['succeeded'], limitMs });
//   verdict.jobs, verdict.lost, verdict.doubled        lost and doubled are asserted to be 0
//
// It waits until every promised job has ended and every watcher has seen the end.
import assert from 'node:assert/strict';
import { until } from '../../support/process.mjs';
import { compare, isTerminal } from './watcher.mjs';

const ENDED = `('succeeded', 'failed', 'cancelled', 'dead')`;
const list = (ids) => `('${ids.join("','")}')`;

// One row a promised job: how it ended, and how often anything was committed for it.
const rowsOf = async (world, ids) => (await world.postgres.query(`
	SELECT j.id, j.state, j.attempt, e.version_attempt, e.version_n, j.failure_code,
		(SELECT count(*) FROM drill.log l WHERE l.job = j.id AND split_part(l.what, '>', 2) IN ${ENDED}),
		(SELECT count(*) FROM drill.log l WHERE l.job = j.id AND split_part(l.what, '>', 1) IN ${ENDED}),
		(SELECT count(*) FROM drill.log l JOIN drill.log r ON r.xid = l.xid AND r.what = 'result'
			WHERE l.job = j.id AND l.what = 'running>succeeded'),
		(SELECT count(*) FROM pensum.audit a WHERE a.job_id = j.id AND a.what = 'submitted'),
		(SELECT string_agg(a.what, ' ' ORDER BY a.n) FROM pensum.audit a WHERE a.job_id = j.id AND a.what IN ${ENDED})
	FROM pensum.jobs j JOIN pensum.job_events e USING (id) WHERE j.id IN ${list(ids)}`)).map(
	([id, state, attempt, k, n, code, ends, left, results, submitted, audited]) => ({ id, state, code, attempt: Number(attempt),
		version: [Number(k), Number(n)], ends: Number(ends), left: Number(left), results: Number(results),
		submitted: Number(submitted), audited }));

async function allEnded(world, ids, limitMs) {
	await until('end of every promised job', async () =>
		await world.count(`id IN ${list(ids)} AND finished_at IS NOT NULL`) >= ids.length, limitMs, 200).catch(async (error) => {
		const open = await world.postgres.query(`SELECT id, state, attempt, worker, run_at, rung_at FROM pensum.jobs
			WHERE id IN ${list(ids)} AND finished_at IS NULL LIMIT 5`);
		throw new Error(`${error.message}: ${JSON.stringify(open)}`);
	});
}

const wasDoubled = (row) => row.ends !== 1 || row.left !== 0 || row.submitted !== 1 || row.audited !== row.state ||
	row.results !== (row.state === 'succeeded' ? 1 : 0);

// Within one connection versions only grow. A better place in the queue is told with the version as it was,
// and so is a snapshot that the page asked for while the event was on its way.
function assertGrowing(watcher) {
	const newest = new Map();
	for (const frame of watcher.frames) {
		if (!frame.version) continue;
		const key = `${frame.connection} ${frame.job}`, before = newest.get(key);
		newest.set(key, frame);
		if (!before) continue;
		const order = compare(frame.version, before.version);
		const mayRepeat = frame.type === 'snapshot' || (frame.state === 'queued' && frame.position !== undefined);
		assert.ok(order > 0 || (order === 0 && mayRepeat),
			`not newer: ${JSON.stringify(before)} then ${JSON.stringify(frame)}`);
		assert.ok(!isTerminal(before.state) || order === 0, `after the end: ${JSON.stringify(frame)}`);
	}
}

async function assertTold(watcher, rows, limitMs) {
	const mine = [...watcher.applied.keys()].filter((id) => rows.has(id));
	await until('last frame of every job', () => mine.every((id) => watcher.hasEnded(id)), limitMs).catch((error) => {
		const open = mine.filter((id) => !watcher.hasEnded(id)).map((id) => [watcher.last(id), rows.get(id)]);
		throw new Error(`${error.message}: ${JSON.stringify(open.slice(0, 3))}`);
	});
	for (const id of mine) {
		assert.equal(watcher.last(id).state, rows.get(id).state, 'the last frame is the job\'s end');
		assert.deepEqual(watcher.last(id).version, rows.get(id).version);
	}
	assertGrowing(watcher);
}

export async function judge(world, crowd, { watchers = [], ends = ['succeeded'], limitMs = 90_000 } = {}) {
	const ids = [...crowd.promised.keys()];
	for (const watcher of watchers)
		for (const [id, { user }] of crowd.promised) if (user === watcher.student.userId) watcher.follow(id);
	await allEnded(world, ids, limitMs);
	const rows = await rowsOf(world, ids);
	const found = new Map(rows.map((row) => [row.id, row]));
	const lost = ids.filter((id) => !found.has(id) || !ends.includes(found.get(id).state));
	const doubled = rows.filter(wasDoubled);
	const twice = await world.number(`count(*) FROM (SELECT FROM pensum.jobs WHERE idem_key LIKE '${crowd.prefix}-%'
		GROUP BY user_id, idem_key HAVING count(*) > 1) t`);
	const stray = await world.number(`count(*) FROM drill.log r WHERE r.what = 'result' AND NOT EXISTS (
		SELECT FROM drill.log l WHERE l.xid = r.xid AND l.what = 'running>succeeded')`);
	assert.deepEqual(lost.map((id) => found.get(id) ?? id), [], 'lost');
	assert.deepEqual(doubled, [], 'doubled');
	assert.equal(twice, 0, 'one job a key');
	assert.equal(stray, 0, 'no result without its job\'s end');
	for (const watcher of watchers) await assertTold(watcher, found, 30_000);
	return { jobs: ids.length, lost: lost.length, doubled: doubled.length + twice + stray, rows };
}
