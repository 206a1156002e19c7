// 202 is a promise: the gateway is killed again and again while students ask for checks. Whatever was
// answered with 202 exists once and is rung; what was not answered is asked again and exists once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.mjs';
import { sleep, until } from '../support/process.mjs';
import { TooLate } from '../support/waiting.mjs';

const WINDOW = 64; // hints in a queue's streams (deploy/sql/017_turns.sql)
const KILLS = 12;
const BETWEEN = 10; // jobs promised, at least
const STUDENTS = 8;
const PROMISE_MS = 60_000; // with a gateway that lives a moment only

test('a gateway that is killed at any moment neither loses nor doubles a job', async () => {
	const world = await startGateway({ settings: { 'jobs.per_user': 1000, 'jobs.per_user_running': WINDOW / STUDENTS,
		'limits.writes_per_user': 0, 'limits.writes_per_address': 0, 'jobs.max_queued': 100_000 } });
	const promised = new Map(); // "user key" -> job id
	const students = [];
	let stopped = false, failure = null, retries = 0;

	// null: the connection broke. A gateway that lives answers.
	const askOnce = (student, key) =>
		student.post('/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': key }).catch((error) => {
			if (error instanceof TooLate) throw error;
			return null;
		});

	// Until it is promised: a broken connection and a database that cannot be reached promise nothing.
	async function ask(student, key) {
		const end = Date.now() + PROMISE_MS;
		for (;;) {
			const answer = await askOnce(student, key);
			if (answer?.status === 202) return answer.json.job.id;
			assert.ok(answer === null || answer.json?.code === 'database_away', answer?.text);
			assert.ok(!failure && Date.now() < end, `nobody promises ${student.username} ${key}`);
			retries++;
			await sleep(20);
		}
	}

	async function askOnAndOn(student) {
		for (let i = 0; !stopped && i < 900; i++) {
			const key = `key-${i}`;
			const id = await ask(student, key);
			promised.set(`${student.userId} ${key}`, id);
			if (i % 3 === 0) assert.equal(await ask(student, key), id, 'a repeat is the same job');
			await sleep(Math.random() * 10);
		}
	}

	async function killAgainAndAgain() {
		for (let i = 0; i < KILLS && !failure; i++) {
			const before = promised.size;
			await sleep(100 + Math.random() * 300);
			await until('newer promises', () => failure || promised.size >= before + BETWEEN, PROMISE_MS);
			await world.daemons.at(-1).kill();
			await world.start();
		}
		stopped = true;
	}

	// Nobody goes on when one of them has failed; the first failure is the one to tell.
	async function together(...doings) {
		await Promise.all(doings.map((doing) => doing.catch((error) => {
			failure ??= error;
			stopped = true;
		})));
		if (failure) throw failure;
	}

	try {
		for (let i = 0; i < STUDENTS; i++) students.push(await world.student(`s${i}`));
		for (const student of students) await world.giveCourses(student);
		await together(...students.map(askOnAndOn), killAgainAndAgain());

		const rows = await world.sql`SELECT user_id || ' ' || idem_key, id FROM pensum.jobs`;
		assert.equal(new Set(rows.map(([key]) => key)).size, rows.length, 'no job twice');
		const found = new Map(rows);
		for (const [key, id] of promised) assert.equal(found.get(key), id, key);
		assert.equal(rows.length, promised.size);
		assert.ok(promised.size > 100 && retries > 0, `${promised.size} jobs, ${retries} retries`);
		// As many bells as the window holds, each for one of them.
		await until('a window full of bells', async () => {
			const entries = await world.redis.command('XRANGE', 'pensum:jobs:checker:normal', '-', '+');
			const rung = new Set(entries.map(([, fields]) => fields[1]));
			const ids = new Set(rows.map(([, id]) => id));
			for (const id of rung) assert.ok(ids.has(id), id);
			return rung.size >= Math.min(WINDOW, rows.length);
		}, 30_000, 500);
	} catch (error) {
		console.error(await world.state());
		throw error;
	} finally {
		await world.stop();
	}
});

test('a gateway whose port somebody has is not taken for one that serves', async () => {
	const world = await startGateway();
	try {
		await assert.rejects(world.start(), /Address already in use/);
	} finally {
		await world.stop();
	}
});
