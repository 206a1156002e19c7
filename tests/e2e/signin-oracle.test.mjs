// Nobody learns from a sign-in whether a username is known here, or whether its student has signed in
// lately: the same answer for the same work. Work is the processor's time, which a busy machine leaves
// as it is, and not the clock's.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { startGateway } from '../support/gateway.mjs';

const TRIES = 4; // below limits.signins_per_user
const TICK_MS = 10;
let world;

before(async () => { world = await startGateway({ settings: { 'limits.signins_per_user': 6 } }); });
after(async () => { await world?.stop(); });

function usedMs() {
	const fields = fs.readFileSync(`/proc/${world.daemons[0].pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
	return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

const post = (username, password) => world.browser().post('/api/v1/session', { username, password });
const userId = async (username) => (await world.sql`SELECT user_id FROM pensum.jobs WHERE input->>'username' = ${username} LIMIT 1`)[0][0];

// What TRIES wrong passwords are answered, and the work of one.
async function wrongPasswords(username, prefix) {
	const shapes = new Set();
	const before = usedMs();
	for (let i = 0; i < TRIES; i++) {
		const answer = await post(username, `${prefix} ${i}`);
		shapes.add(JSON.stringify([answer.status, Object.keys(answer.json), Object.keys(answer.json.job), answer.json.job.state,
			[...answer.headers.keys()].filter((name) => name !== 'date').sort()]));
	}
	return { shapes: [...shapes], workMs: (usedMs() - before) / TRIES };
}

test('unknown, known, and signed in lately are refused alike, whichever store knows it', async () => {
	// A first sign-in makes the names known; a cached session is made for one of them, in PostgreSQL first.
	for (const name of ['known', 'cached']) await post(name, 'first');
	const id = await userId('cached');
	await world.giveMoodleSession(id, 'the right one');
	await world.redis.command('FLUSHALL');
	const seen = {
		unknown: await wrongPasswords('unknown', 'a'),
		known: await wrongPasswords('known', 'b'),
		cached: await wrongPasswords('cached', 'c'),
	};
	assert.equal(await world.redis.command('EXISTS', `pensum:moodle:${id}`), 1, 'PostgreSQL refilled Redis, which answered the rest');
	const work = Object.values(seen).map((one) => one.workMs);
	for (const [who, { shapes }] of Object.entries(seen)) assert.deepEqual(shapes, seen.unknown.shapes, who);
	assert.equal(seen.unknown.shapes.length, 1);
	assert.match(seen.unknown.shapes[0], /^\[202,/);
	assert.ok(Math.min(...work) >= 8, `each is checked by a hash: ${work} ms`);
	assert.ok(Math.max(...work) < 2 * Math.min(...work), `about the same work: ${work} ms`);
	assert.equal((await world.sql`SELECT count(*) FROM pensum.sessions WHERE active`)[0][0], '0', 'nobody was let in');
});

test('after too many tries nobody is heard for a while, not even with the right password', async () => {
	const answers = [];
	for (const name of ['stranger', 'lately']) {
		if (name === 'lately') {
			await post(name, 'x');
			await world.giveMoodleSession(await userId(name), 'the right one');
		}
		let last;
		for (let i = 0; i < 7 && last?.status !== 429; i++) last = await post(name, `wrong ${i}`);
		assert.equal(last.status, 429);
		assert.equal(last.json.code, 'too_many_signins');
		assert.ok(Number(last.headers.get('retry-after')) >= 1);
		answers.push(JSON.stringify([last.status, last.json.code, last.json.detail]));
		assert.equal((await post(name, 'the right one')).status, 429);
	}
	assert.equal(answers[0], answers[1]);
});
