// Whose turn it is, in SQL alone: turns among users, ageing, the cap on a user's running jobs, the
// window, positions.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startPostgres } from '../support/postgres.mjs';
import { until } from '../support/process.mjs';

let pg, made;

before(async () => {
	pg = await startPostgres();
	await pg.schema();
});
after(() => pg?.stop());
beforeEach(async () => {
	await pg.query('TRUNCATE pensum.jobs, pensum.turns, pensum.workers');
	made = 0;
});

// count jobs of a user, due so many seconds ago; answers their ids.
async function add(user, count = 1, { ago = 0, priority = 'normal', queue = 'checker', kind = 'check' } = {}) {
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at)
		SELECT lpad(to_hex(${made} + i), 24, '0'), '${kind}', '${queue}', '${priority}', '${user}', '{}', now() - interval '${ago} s'
		FROM generate_series(1, ${count}) i`);
	made += count;
}
const slots = (count) => pg.query(`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', ${count})
	ON CONFLICT (name) DO UPDATE SET slots = ${count}, seen_at = now()`);
const ring = (cap = 4, entries = 'NULL') => pg.query(`SELECT id, priority FROM pensum.jobs_to_ring(${cap}, ${entries})`);
const owner = async (id) => (await pg.query(`SELECT user_id FROM pensum.jobs WHERE id = '${id}'`))[0][0];
const claim = (id, cap = 4) => pg.query(`SELECT user_id FROM pensum.job_claim('${id}', 0, 'h:checker:0', ${cap})`);
const finish = (user) => pg.query(`SELECT pensum.job_finish(id, attempt, worker, 'succeeded', 9, '{}', NULL, NULL)
	FROM pensum.jobs WHERE state = 'running' AND user_id = '${user}' ORDER BY started_at LIMIT 1`);
const next = async (cap = 4) => (await pg.query(`SELECT user_id FROM pensum.job_claim_next('checker', 'h:checker:0', ${cap})`))[0]?.[0];
const running = async (user) => Number((await pg.query(`SELECT count(*) FROM pensum.jobs WHERE state = 'running' AND user_id = '${user}'`))[0][0]);

test('the one job of a user who comes late starts when the next slot is free', async () => {
	for (const width of [1, 2, 8]) {
		await pg.query('TRUNCATE pensum.jobs, pensum.turns');
		await slots(width);
		await add('a', 5000, { ago: 3600 });
		const bells = (await ring()).map(([id]) => id);
		assert.equal(bells.length, Math.min(width, 4), 'no more of one user than could run');
		for (const id of bells) assert.deepEqual(await claim(id), [['a']]);
		await finish('a');
		for (const [id] of await ring()) await claim(id);
		assert.deepEqual(await ring(), [], 'all that may run does');
		await add('b');
		if (width <= 4) await finish('a');
		const [first] = await ring();
		assert.equal(await owner(first[0]), 'b', `${width} slots`);
	}
});

test('users take turns, whoever came with more', async () => {
	await slots(1);
	await add('a', 30, { ago: 60 });
	await add('b', 3, { ago: 50 });
	await add('c', 2, { ago: 40 });
	const order = [], stream = [];
	for (let i = 0; i < 8; i++) {
		stream.push(...await ring());
		const [id] = stream.shift();
		const user = await owner(id);
		order.push(user);
		await claim(id);
		await finish(user);
	}
	assert.equal(order.join(''), 'abcabcab');
});

test('without a bell the order is the same', async () => {
	await add('a', 30, { ago: 60 });
	await add('b', 2, { ago: 50 });
	assert.deepEqual([await next(), await next(), await next(), await next(), await next(), await next(), await next()],
		['a', 'b', 'a', 'b', 'a', 'a', undefined], 'and ends at four of a');
});

test('a user\'s jobs go by class, and a waiting minute outweighs one; what has waited is rung in a higher class', async () => {
	await add('a', 1, { ago: 130, priority: 'low' });
	await add('a', 1, { ago: 5, priority: 'high' });
	await add('a', 1, { ago: 70, priority: 'normal' });
	await add('a', 1, { ago: 1, priority: 'normal' });
	assert.deepEqual((await ring()).map(([id, priority]) => [Number(`0x${id}`), priority]),
		[[1, 'high'], [3, 'high'], [2, 'high'], [4, 'normal']]);
});

test('the cap holds against claims from all sides at one time, and what was too much is not rung any more', async () => {
	await add('a', 40, { ago: 10 });
	await pg.query('UPDATE pensum.jobs SET rung_at = now()');
	const claims = [];
	for (let i = 1; i <= 20; i++) {
		claims.push(pg.query(`SELECT id FROM pensum.job_claim('${i.toString(16).padStart(24, '0')}', 0, 'h:checker:${i}', 3)`));
		claims.push(pg.query(`SELECT id FROM pensum.job_claim_next('checker', 'g:checker:${i}', 3)`));
	}
	assert.equal((await Promise.all(claims)).flat().length, 3);
	assert.equal(await running('a'), 3);
	const [[unrung]] = await pg.query(`SELECT count(*) FROM pensum.jobs WHERE rung_at IS NULL`);
	assert.ok(Number(unrung) >= 17, `${unrung} not rung`);
	assert.deepEqual(await ring(3), [], 'nor rung again before one ends');
});

test('a job that is not rung for its user\'s cap is rung when one of the user ends', async () => {
	await add('a', 2);
	await claim(`${'0'.repeat(23)}1`, 1);
	assert.deepEqual(await claim(`${'0'.repeat(23)}2`, 1), []);
	assert.deepEqual(await ring(1), []);
	await finish('a');
	assert.deepEqual((await ring(1)).map(([id]) => Number(`0x${id}`)), [2]);
});

test('sign-ins, which a stranger can ask for, take no slot of the student\'s', async () => {
	await add('a', 9, { kind: 'signin', priority: 'high' });
	for (let i = 0; i < 4; i++) assert.equal(await next(), 'a');
	assert.equal(await next(), undefined);
	await add('a', 1);
	assert.equal(await next(), 'a');
});

test('the streams hold a window, four hints a slot where that is more', async () => {
	for (const [count, window] of [[2, 64], [30, 120]]) {
		await pg.query('TRUNCATE pensum.jobs');
		await slots(count);
		for (let user = 0; user < 40; user++) await add(`u${user}`, 5);
		assert.equal((await ring()).length, window);
		assert.equal((await ring()).length, 0);
	}
});

// A minute: however slow this machine is.
const justEnded = (count) => pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
	SELECT 'ended' || gen_random_uuid(), 'check', 'checker', 'normal', 'e', '{}', 'succeeded', now() + interval '1 minute'
	FROM generate_series(1, ${count})`);
const addUsers = (count) => pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
	SELECT lpad(i::text, 24, '0'), 'check', 'checker', 'normal', 'u' || i, '{}' FROM generate_series(1, ${count}) i`);

test('where hundreds end in a second, the window is what ends in a tenth of one', async () => {
	await slots(2);
	await addUsers(300);
	await justEnded(60);
	assert.equal((await ring()).length, 64, 'no less than that');
	await justEnded(60);
	assert.equal((await ring()).length, 120 - 64);
	assert.deepEqual(await ring(), []);
});

test('the window of a queue that is fast is filled again when half of what that adds is free, another one at each end', async () => {
	const takeRung = (count) => pg.query(`DELETE FROM pensum.jobs WHERE id IN (SELECT id FROM pensum.jobs
		WHERE state = 'queued' AND rung_at IS NOT NULL LIMIT ${count})`);
	await slots(2);
	await addUsers(400);
	assert.equal((await ring()).length, 64);
	await takeRung(1);
	assert.equal((await ring()).length, 1);
	await justEnded(64 + 120);
	assert.equal((await ring()).length, 120);
	await takeRung(60);
	assert.deepEqual(await ring(), []);
	await takeRung(1);
	assert.equal((await ring()).length, 61);
});

test('hints that are lost are rung again soon, and those that only wait are not', async () => {
	await slots(2);
	for (let user = 0; user < 5; user++) await add(`u${user}`, 1, { ago: 3600 });
	assert.equal((await ring()).length, 5);
	assert.equal((await ring(4, 0)).length, 0, 'too young to be lost');
	await pg.query(`UPDATE pensum.jobs SET rung_at = now() - interval '5 s'`);
	assert.equal((await ring(4, 5)).length, 0, 'all there');
	assert.equal((await ring(4, 4)).length, 5, 'one is missing');
});

test('positions are the order in which jobs start', async () => {
	await slots(1);
	await add('a', 6, { ago: 100 });
	await add('b', 2, { ago: 90 });
	await add('c', 1, { ago: 80 });
	await add('b', 1, { ago: 95, priority: 'low' });
	await add('d', 3, { queue: 'docgen', ago: 5 });
	let bells = await ring();
	const order = (await pg.query(`SELECT id FROM pensum.job_positions WHERE queue = 'checker' ORDER BY position`)).flat();
	assert.equal(order.length, 10);
	const started = [];
	for (;;) {
		for (const [id] of bells) started.push(id) && await claim(id);
		const [left] = await pg.query(`SELECT user_id FROM pensum.jobs WHERE state = 'running' AND queue = 'checker'`);
		if (!left) break;
		await finish(left[0]);
		bells = await ring();
	}
	assert.deepEqual(started.filter((id) => order.includes(id)), order);
	assert.deepEqual(await pg.query('SELECT * FROM pensum.job_positions'), [], 'what runs or has ended has none');
});

const etas = async () => (await pg.query('SELECT eta_s FROM pensum.job_positions ORDER BY position')).map(([eta]) => (eta === null ? null : Number(eta)));
// Jobs of a slot that have ended so many seconds ago.
async function ended(agos, { took = 6, slot = 0, kind = 'check' } = {}) {
	for (const ago of agos)
		await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, attempt, worker, started_at, finished_at)
			VALUES (md5(random()::text), '${kind}', 'checker', 'normal', 'z', '{}', 'succeeded', 1, 'h:checker:${slot}',
			now() - interval '${ago + took} s', now() - interval '${ago} s')`);
}

test('the time to the start comes from how long jobs took, on as many slots as there are', async () => {
	await slots(2);
	await add('a', 20, { ago: 40 });
	assert.equal((await etas())[0], null, 'nobody knows yet');
	await ended([0, 0], { took: 6 });
	assert.deepEqual((await etas()).slice(0, 2), [3, 6], 'two slots, six seconds each');
	await pg.query(`UPDATE pensum.jobs SET state = 'running', started_at = now() - interval '30 s'
		WHERE id IN (SELECT id FROM pensum.jobs WHERE state = 'queued' ORDER BY id LIMIT 2)`);
	const [first] = await etas();
	assert.ok(first >= 15 && first <= 20, `${first} s, but those that run now take longer`);
	await pg.query('DELETE FROM pensum.workers');
	assert.equal((await etas())[0], null, 'nobody works');
});

test('a wait before the first jobs ended does not make the others look slow', async () => {
	await slots(2);
	await add('a', 40, { ago: 100 });
	// Both slots were held up for 80 seconds, and have ended a job every two seconds since.
	const since = Date.now();
	await ended([12, 10, 8, 6, 4, 2], { took: 80, slot: 0 });
	await ended([11, 9, 7, 5, 3, 1], { took: 80, slot: 1 });
	const now = await etas();
	const late = (Date.now() - since) / 1000; // during which none has ended
	assert.ok(now[9] >= 8 && now[9] <= 12 + late, `${now}: the tenth in ten seconds`);
	await pg.query(`UPDATE pensum.jobs SET finished_at = finished_at - interval '30 s' WHERE worker = 'h:checker:1'`);
	const later = await etas();
	assert.ok(later[9] >= 17 && later[9] <= 23 + 2 * late, `${later}: one of the two is gone`);
});

test('a job ahead counts as the last ones of its kind did', async () => {
	await slots(1);
	await ended([30, 20, 10], { took: 10 });
	await ended([28, 18, 8], { took: 2, kind: 'signin' });
	await add('a', 2, { ago: 20, kind: 'check' });
	await add('b', 2, { ago: 20, kind: 'signin' });
	const order = (await pg.query('SELECT kind FROM pensum.job_positions JOIN pensum.jobs USING (id) ORDER BY position')).flat();
	assert.deepEqual(order, ['check', 'signin', 'check', 'signin']);
	// Six seconds until the slot is free, as a job is on the average, then ten, two, ten.
	(await etas()).forEach((eta, i) => assert.ok(Math.abs(eta - [6, 16, 18, 28][i]) <= 1, `${eta} s at place ${i + 1}`));
});

test('statistics from when nothing was queued do not make the next turn read everything for each user', async () => {
	await slots(2);
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
		SELECT 'old' || i, 'check', 'checker', 'normal', 'u' || i % 2000, '{}', 'succeeded', now() FROM generate_series(1, 5000) i`);
	await pg.query('ANALYZE pensum.jobs');
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
		SELECT 'new' || i, 'check', 'checker', 'normal', 'u' || i % 2000, '{}' FROM generate_series(1, 6000) i`);
	const plan = await pg.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
		SELECT * FROM pensum.jobs_in_turn('checker', 4, true, 64)`);
	const buffers = JSON.parse(plan[0][0])[0].Plan['Shared Hit Blocks'];
	assert.ok(buffers < 100_000, `${buffers} blocks were looked at`);
});

test('statistics from when much was queued do not make a look at what is rung read all of it', async () => {
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at, rung_at)
		SELECT 'new' || i, 'check', 'checker', 'normal', 'u' || i % 1000, '{}', CASE WHEN i <= 20000 THEN 'succeeded' ELSE 'queued' END,
			CASE WHEN i <= 20000 THEN now() END, CASE WHEN i <= 20000 OR i % 100 = 0 THEN now() END FROM generate_series(1, 25000) i`);
	await pg.query('ANALYZE pensum.jobs');
	const plan = await pg.query(`SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
		SELECT count(*) FROM pensum.jobs j WHERE j.state = 'queued' AND j.rung_at IS NOT NULL AND j.queue = 'checker'`);
	const buffers = JSON.parse(plan[0][0])[0].Plan['Shared Hit Blocks'];
	assert.ok(buffers < 120, `${buffers} blocks were looked at for 50`);
});

test('of each user who waits one job is looked at, and that once', async () => {
	await slots(8);
	await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
		SELECT 'new' || i, 'check', 'checker', 'normal', 'u' || i % 500, '{}' FROM generate_series(1, 5000) i`);
	const plan = await pg.query(`SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off;
		EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM pensum.jobs_to_ring(4, NULL)`);
	const { 'Shared Hit Blocks': hit, 'Shared Read Blocks': read, 'Actual Rows': rows } = JSON.parse(plan[0][0])[0].Plan;
	assert.equal(rows, 64);
	assert.ok(hit + read < 6000, `${hit + read} blocks were looked at`);
});

// ---- a site's limit ----

const ofSite = (site, user) => pg.query(`UPDATE pensum.jobs SET site = '${site}' WHERE user_id = '${user}'`);
const limit = (limits) => pg.query(`SELECT pensum.sites_set('${JSON.stringify(limits)}')`);
const runningAt = async (site) => Number((await pg.query(`SELECT count(*) FROM pensum.jobs WHERE state = 'running' AND site = '${site}'`))[0][0]);

test('of one site no more jobs run than it is to bear, whoever\'s they are', async (t) => {
	t.after(() => limit({}));
	await slots(20);
	await limit({ busy: 3 });
	for (const user of ['a', 'b', 'c', 'd', 'e']) {
		await add(user, 2);
		await ofSite('busy', user);
	}
	const bells = await ring();
	assert.equal(bells.length, 3, 'no more are rung than may run');
	for (const [id] of bells) assert.equal((await claim(id)).length, 1);
	assert.deepEqual(await ring(), []);
	assert.equal(await next(), undefined, 'without a bell, too');

	const [[waiting]] = await pg.query(`UPDATE pensum.jobs SET rung_at = now() WHERE id = (SELECT min(id) FROM pensum.jobs WHERE state = 'queued') RETURNING id`);
	assert.deepEqual(await claim(waiting), [], 'nor when a bell comes all the same');
	assert.deepEqual(await pg.query(`SELECT state, attempt, rung_at IS NULL FROM pensum.jobs WHERE id = '${waiting}'`), [['queued', '0', 't']]);

	await finish(await owner(bells[0][0]));
	assert.equal((await ring()).length, 1, 'an end makes room for one');
	await limit({});
	assert.equal((await ring()).length, 6, 'and no limit for all');
});

test('a site that is full does not hold up another one', async (t) => {
	t.after(() => limit({}));
	await slots(20);
	await limit({ busy: 1, quiet: 5 });
	for (let i = 0; i < 90; i++) await add(`u${i}`, 1, { ago: 600 });
	await pg.query(`UPDATE pensum.jobs SET site = 'busy'`);
	await add('late');
	await ofSite('quiet', 'late');
	const users = await Promise.all((await ring()).map(([id]) => owner(id)));
	assert.equal(users.length, 2);
	assert.ok(users.includes('late'));
	assert.equal(await next(), 'u0');
	assert.equal(await next(), 'late');
});

test('the time to the start knows what the site is to bear, and that of another site does not', async (t) => {
	t.after(() => limit({}));
	await slots(20);
	await ended([1, 1, 1, 1], { took: 10 });
	await pg.query(`UPDATE pensum.jobs SET site = 'busy'`);
	for (const user of ['a', 'b', 'c', 'd', 'e', 'f']) {
		await add(user);
		await ofSite('busy', user);
	}
	await add('g');
	await ofSite('quiet', 'g');
	await limit({ busy: 20, quiet: 20 });
	assert.deepEqual(await etas(), [1, 1, 2, 2, 3, 3, 4], 'where there is room for all, all slots count');
	await limit({ busy: 2 });
	assert.deepEqual(await etas(), [1, 1, 5, 10, 15, 20, 4], 'two at once, ten seconds each');
	for (const [id] of await ring()) await claim(id);
	await pg.query(`UPDATE pensum.jobs SET started_at = now() WHERE state = 'running'`);
	assert.deepEqual(await etas(), [5, 10, 15, 20], 'two run, and the other site\'s, too');
	await pg.query(`UPDATE pensum.jobs SET started_at = now() - interval '40 s' WHERE state = 'running'`);
	const [first] = await etas();
	assert.ok(first >= 20 && first <= 22, `${first} s, but those that run now take longer`);
});

test('of two claims at the same moment only one takes a site\'s last room', async (t) => {
	t.after(() => limit({}));
	await limit({ busy: 1 });
	await add('a');
	await add('b');
	await pg.query(`UPDATE pensum.jobs SET site = 'busy'`);
	const [first, second] = (await pg.query('SELECT id FROM pensum.jobs ORDER BY id')).map(([id]) => id);
	const begun = pg.query(`SELECT pensum.job_claim('${first}', 0, 'h:checker:0', 4); SELECT pg_sleep(1)`); // one transaction
	await until('the first has claimed', async () => (await pg.query(`SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`))[0][0] === '1');
	assert.deepEqual(await claim(second), []);
	await begun;
	assert.equal(await runningAt('busy'), 1);
});

test('nobody waits for another\'s claim at a site that bears all slots', async (t) => {
	t.after(() => limit({}));
	await slots(2);
	await limit({ broad: 2 });
	await add('a');
	await add('b');
	await pg.query(`UPDATE pensum.jobs SET site = 'broad'`);
	const [first, second] = (await pg.query('SELECT id FROM pensum.jobs ORDER BY id')).map(([id]) => id);
	const begun = pg.query(`SELECT pensum.job_claim('${first}', 0, 'h:checker:0', 4); SELECT pg_sleep(5)`); // one transaction
	const sleeps = async () => (await pg.query(`SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`))[0][0] === '1';
	await until('the first has claimed', sleeps);
	assert.deepEqual(await claim(second), [['b']]);
	assert.ok(await sleeps(), 'and it is not committed yet');
	await begun;
	assert.equal(await runningAt('broad'), 2);
});
