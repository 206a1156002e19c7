// Sign-ins of one student at the same time, from several browsers: one at Moodle, and no more wrong tries
// there than passwords were typed, since Moodle locks accounts for these.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';
let system;

before(async () => { system = await startSystem({ settings: { 'checker.slots': 3, 'limits.signins_per_user': 1000 } }); });
after(() => system?.stop());
beforeEach(async () => {
	system.moodle.control({ reset: true, expire_sessions: true, latency_by_path: { '/login/index.php': 800 } });
	await system.postgres.query('DELETE FROM pensum.moodle_sessions');
	await system.redis.command('FLUSHALL');
});

// How each of them ended: "in" or the failure's code.
async function signInAtOnce(username, passwords) {
	const clients = passwords.map(() => system.client({ limitMs: 60_000 }));
	const ends = await Promise.all(clients.map((p, i) => p.signIn(username, passwords[i]).then((session) => {
		assert.equal(session.state, 'active');
		return 'in';
	}, (error) => error.code ?? String(error))));
	for (const p of clients) p.close();
	return ends;
}

const tries = () => {
	const { logins, failed_logins: failed } = system.moodle.state().counts;
	return { logins, failed };
};

test('the same password at once is one sign-in at Moodle, and everybody is in', async () => {
	assert.deepEqual(await signInAtOnce('maya', [PASSWORD, PASSWORD, PASSWORD]), ['in', 'in', 'in']);
	assert.deepEqual(tries(), { logins: 1, failed: 0 });
	const results = await system.postgres.query("SELECT DISTINCT result->'user'->>'fullname', result->>'courses' FROM pensum.jobs WHERE kind = 'signin' AND state = 'succeeded'");
	assert.equal(results.length, 1, 'the job of each tells the same');
});

test('a wrong password beside the right one is refused, and neither is tried twice', async () => {
	assert.deepEqual(await signInAtOnce('maya', [PASSWORD, 'not it', PASSWORD]), ['in', 'wrong_password', 'in']);
	assert.deepEqual(tries(), { logins: 1, failed: 1 });
});

test('the same wrong password at once is one try', async () => {
	assert.deepEqual(await signInAtOnce('maya', Array(5).fill('not it')), Array(5).fill('wrong_password'));
	assert.deepEqual(tries(), { logins: 0, failed: 1 });
});

test('typed once more later it is asked again: it may have become right', async () => {
	assert.deepEqual(await signInAtOnce('maya', ['not it']), ['wrong_password']);
	assert.deepEqual(await signInAtOnce('maya', ['not it']), ['wrong_password']);
	assert.deepEqual(tries(), { logins: 0, failed: 2 });
});

test('different students do not wait for each other', async () => {
	const ends = await Promise.all(['maya', 'noel'].map((name) => signInAtOnce(name, [PASSWORD])));
	assert.deepEqual(ends, [['in'], ['in']]);
});

test('who is gone in the middle of a sign-in holds nobody up, nor does a Redis that forgets', async () => {
	const p = system.client();
	await p.signIn('maya', PASSWORD);
	const [[user]] = await system.postgres.query("SELECT id FROM pensum.users WHERE username = 'maya'");
	p.close();
	await system.postgres.query('DELETE FROM pensum.moodle_sessions');
	await system.redis.command('FLUSHALL');
	await system.redis.command('SET', `pensum:signin:${user}`, '00000000-0000-4000-8000-000000000000', 'PX', '600000');
	assert.deepEqual(await signInAtOnce('maya', [PASSWORD]), ['in']);
	assert.equal(await system.redis.command('EXISTS', `pensum:signin:${user}`), 0);
});

test('a turn lasts as long as an attempt may, and its end', async () => {
	const going = signInAtOnce('maya', [PASSWORD]);
	const key = await until('a turn that is taken', async () => (await system.redis.command('KEYS', 'pensum:signin:*'))[0]);
	const left = Number(await system.redis.command('PTTL', key));
	assert.ok(left > 120_000 && left <= 300_000, String(left));
	assert.deepEqual(await going, ['in']);
});

test('a refusal is not remembered of a student who deletes their data', async () => {
	const p = system.client();
	await p.signIn('maya', PASSWORD);
	const [[user]] = await system.postgres.query("SELECT id FROM pensum.users WHERE username = 'maya'");
	assert.deepEqual(await signInAtOnce('maya', ['not it']), ['wrong_password']);
	assert.equal(await system.redis.command('EXISTS', `pensum:signin:${user}`), 1);
	await p.call('DELETE', '/api/v1/account');
	await until('Redis has forgotten', async () => await system.redis.command('EXISTS', `pensum:signin:${user}`) === 0);
	p.close();
});
