// The API's sessions: signing in, with what is cached and without, and out again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sha256, SITE, startGateway } from '../support/gateway.mjs';
import { run, sleep, until } from '../support/process.mjs';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
let world;

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

function cookieOf(answer) {
	const [pair, ...flags] = answer.headers.get('set-cookie').split('; ');
	return { name: pair.split('=')[0], value: pair.slice(pair.indexOf('=') + 1), flags };
}

test('a sign-in that nobody knows is a job, seen by this browser alone', async () => {
	const { browser, answer } = await world.signIn('ines', 'secret-1');
	assert.equal(answer.status, 202);
	const { job } = answer.json;
	assert.equal(job.kind, 'signin');
	assert.deepEqual(job.version, [1, 0]);
	const cookie = cookieOf(answer);
	assert.equal(cookie.name, 'pensum_session');
	assert.match(cookie.value, /^[\w-]{43}$/);
	assert.deepEqual(cookie.flags, ['HttpOnly', 'SameSite=Strict', 'Path=/', 'Max-Age=28800']);

	const session = (await browser.get('/api/v1/session')).json;
	assert.equal(session.state, 'pending');
	assert.equal(session.user, null);
	assert.equal(session.job, job.id);
	assert.match(session.expires_at, ISO);
	assert.deepEqual((await browser.get('/api/v1/jobs')).json.jobs.map((j) => j.id), [job.id]);
	assert.equal((await browser.get(`/api/v1/jobs/${job.id}`)).status, 200);
	const refused = await browser.get('/api/v1/courses');
	assert.equal(refused.status, 403);
	assert.equal(refused.json.code, 'signin_pending');

	// The same person in another browser, signed in or not, does not see it.
	const [[userId, input]] = await world.sql`SELECT user_id, input FROM pensum.jobs WHERE id = ${job.id}`;
	assert.deepEqual(JSON.parse(input), { site: 'default', username: 'ines' });
	const other = await world.student('ines', userId);
	assert.equal((await other.get(`/api/v1/jobs/${job.id}`)).status, 404);
	assert.equal((await other.delete(`/api/v1/jobs/${job.id}`)).status, 404);
	assert.deepEqual((await other.get('/api/v1/jobs')).json.jobs, []);
	const pending = (await world.signIn('ines', 'secret-2')).browser;
	assert.equal((await pending.get(`/api/v1/jobs/${job.id}`)).status, 404);

	// What the worker's transaction does.
	await world.sql`INSERT INTO pensum.users (id, site, username, fullname) VALUES (${userId}, ${SITE.url}, 'ines', 'Inês')
		ON CONFLICT (id) DO UPDATE SET fullname = excluded.fullname`;
	await world.sql`UPDATE pensum.sessions SET active = true, signin_job = NULL WHERE signin_job = ${job.id}`;
	await world.finish(job.id, 'succeeded');
	const active = (await browser.get('/api/v1/session')).json;
	assert.deepEqual([active.state, active.job, active.user], ['active', null, { id: userId, username: 'ines', fullname: 'Inês' }]);
	assert.equal((await browser.get(`/api/v1/jobs/${job.id}`)).json.state, 'succeeded');
});

test('a cached sign-in needs the password; a wrong one is like nothing cached', async () => {
	const first = await world.signIn('Cora', 'right-1');
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${first.answer.json.job.id}`;
	await world.sql`INSERT INTO pensum.users (id, site, username, fullname) VALUES (${userId}, ${SITE.url}, 'Cora', 'Cora C')`;
	await world.giveMoodleSession(userId, 'right-1');
	for (const where of ['postgres', 'redis']) {
		const right = await world.signIn(' CORA', 'right-1');
		assert.equal(right.answer.status, 200, where);
		assert.deepEqual(right.answer.json.user, { id: userId, username: 'Cora', fullname: 'Cora C' });
		assert.match(right.answer.json.expires_at, ISO);
		assert.equal((await right.browser.get('/api/v1/session')).json.state, 'active');
		const wrong = await world.signIn('Cora', 'wrong-1');
		assert.equal(wrong.answer.status, 202, where);
		assert.equal((await wrong.browser.get('/api/v1/session')).json.state, 'pending');
		assert.equal((await wrong.browser.get('/api/v1/session')).json.user, null);
	}
	const cached = JSON.parse(await world.redis.command('GET', `pensum:moodle:${userId}`));
	assert.deepEqual(Object.keys(cached).sort(), ['expires_at', 'sealed', 'verifier']);
	assert.ok(await world.redis.command('PTTL', `pensum:moodle:${userId}`) > 3_500_000);
	// Expired: Moodle is asked again.
	await world.redis.command('DEL', `pensum:moodle:${userId}`);
	await world.giveMoodleSession(userId, 'right-1', -1);
	assert.equal((await world.signIn('cora', 'right-1')).answer.status, 202);
});

test('a Moodle session that is gone from the record lets nobody in, whatever Redis still has', async () => {
	const first = await world.signIn('Ida', 'right-1');
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${first.answer.json.job.id}`;
	await world.giveMoodleSession(userId, 'right-1');
	assert.equal((await world.signIn('ida', 'right-1')).answer.status, 200);
	const key = `pensum:moodle:${userId}`;
	await until('it is cached', async () => await world.redis.command('EXISTS', key));
	await world.sql`DELETE FROM pensum.moodle_sessions WHERE user_id = ${userId}`;
	const { browser, answer } = await world.signIn('ida', 'right-1');
	assert.equal(answer.status, 202);
	assert.equal((await browser.get('/api/v1/session')).json.state, 'pending');
	assert.equal(await world.redis.command('EXISTS', key), 0);
});

test('over https the cookie is Secure', async () => {
	const { daemon, url } = await world.startSecond({ 'gateway.public_url': 'https://pensum.test' });
	const browser = world.browser();
	browser.url = url;
	const answer = await browser.post('/api/v1/session', { username: 'sec', password: 'x' });
	assert.ok(cookieOf(answer).flags.includes('Secure'));
	await daemon.stop();
});

test('with a public address only that is our Origin: not its beginning, and not what begins with it', async () => {
	const { daemon, url } = await world.startSecond({ 'gateway.public_url': 'https://pensum.test/at' });
	const ask = async (Origin) => {
		const browser = world.browser();
		browser.url = url;
		return (await browser.delete('/api/v1/session', { Origin })).status;
	};
	for (const origin of ['https://pensum.test', 'HTTPS://Pensum.Test'])
		assert.equal(await ask(origin), 401, origin);
	for (const origin of ['', 'https://pensum', 'https://pensum.test.evil', 'https://pensum.test:8443', 'https://pensum.test/at',
		'http://pensum.test', url, 'null'])
		assert.equal(await ask(origin), 403, origin);
	await daemon.stop();
});

test('signing out ends the session at once, also in Redis, and cancels a pending sign-in', async () => {
	const maya = await world.student('maya');
	const token = maya.cookie;
	assert.equal((await maya.get('/api/v1/session')).status, 200);
	const key = `pensum:session:${sha256(maya.token)}`;
	await until('the session in Redis', async () => await world.redis.command('EXISTS', key));
	const out = await maya.delete('/api/v1/session');
	assert.equal(out.status, 204);
	assert.match(out.headers.get('set-cookie'), /^pensum_session=; .*Max-Age=0/);
	assert.equal(await world.redis.command('EXISTS', key), 0);
	assert.equal((await world.browser(token).get('/api/v1/session')).status, 401);

	const { browser, answer } = await world.signIn('gone', 'x');
	assert.equal((await browser.delete('/api/v1/session')).status, 204);
	const rows = await world.sql`SELECT state, secret FROM pensum.jobs WHERE id = ${answer.json.job.id}`;
	assert.deepEqual(rows, [['cancelled', null]]);
});

test('an expired session is none', async () => {
	const maya = await world.student('maya');
	await world.sql`UPDATE pensum.sessions SET expires_at = now() - interval '1 second' WHERE token_hash = ${sha256(maya.token)}`;
	assert.equal((await maya.get('/api/v1/session')).status, 401);
});

test('a repeated sign-in is one job, and the newest cookie has it', async () => {
	const key = { 'Idempotency-Key': 'signin-1' };
	const first = await world.signIn('paul', 'p-1', key);
	const second = await world.signIn('paul', 'p-1', key);
	assert.equal(second.answer.json.job.id, first.answer.json.job.id);
	assert.equal((await second.browser.get('/api/v1/jobs')).json.jobs.length, 1);
	assert.equal((await world.signIn('paul', 'p-2', key)).answer.json.code, 'idempotency_mismatch');
	assert.equal((await world.signIn('paula', 'p-1', key)).answer.status, 202);
	// It ended: the same request is a new try.
	await world.finish(first.answer.json.job.id, 'failed', { code: 'wrong_password', message: null });
	const third = await world.signIn('paul', 'p-1', key);
	assert.notEqual(third.answer.json.job.id, first.answer.json.job.id);
	const failed = (await second.browser.get(`/api/v1/jobs/${first.answer.json.job.id}`)).json;
	assert.deepEqual(failed.failure, { code: 'wrong_password', message: 'Moodle did not accept this username and password.' });
});

test('a second session of one sign-in becomes active, too, when it comes after the end', async () => {
	const { answer } = await world.signIn('late', 'x');
	const job = answer.json.job.id;
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE id = ${job}`;
	await world.finish(job, 'succeeded');
	const late = world.browser(`pensum_session=${'b'.repeat(43)}`);
	await world.sql`INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at)
		VALUES (${sha256('b'.repeat(43))}, ${userId}, ${job}, false, now() + interval '1 hour')`;
	assert.equal((await late.get('/api/v1/session')).json.state, 'active');
});

test('sign-ins are limited, and Retry-After is true', async () => {
	const codes = [];
	let wait;
	for (let i = 0; i < 12; i++) {
		const { answer } = await world.signIn('eager', `try-${i}`);
		codes.push(answer.status);
		if (answer.status === 429) {
			assert.equal(answer.json.code, 'too_many_signins');
			wait = Number(answer.headers.get('retry-after'));
		}
	}
	assert.deepEqual(codes.slice(0, 10), Array(10).fill(202));
	assert.equal(codes[11], 429);
	assert.ok(wait >= 1 && wait <= 6, `${wait}`);
	await sleep(wait * 1000);
	assert.equal((await world.signIn('EAGER ', 'again')).answer.status, 202);
});

test('many sign-ins from one address are limited, also behind a proxy on this machine', async () => {
	const from = (address, i) => world.signIn(`crowd-${i}`, 'x', { 'X-Forwarded-For': `10.0.0.1, ${address}` });
	const answers = await Promise.all(Array.from({ length: 63 }, (_, i) => from('198.51.100.7', i)));
	const statuses = answers.map(({ answer }) => answer.status);
	assert.ok(statuses.filter((status) => status === 202).length >= 60, statuses.join());
	assert.ok(statuses.includes(429));
	assert.equal((await from('198.51.100.8', 99)).answer.status, 202);
});

test('no secret stands in the clear', async () => {
	const secrets = ['visible-password-1', 'visible-password-2'];
	const { browser } = await world.signIn('sealed', secrets[0], { 'Idempotency-Key': 'seal-1' });
	secrets.push(browser.cookie.split('=')[1]);
	const maya = await world.student('maya');
	await maya.get('/api/v1/session');
	secrets.push(maya.token);
	const [[userId]] = await world.sql`SELECT user_id FROM pensum.jobs WHERE input->>'username' = 'sealed'`;
	await world.giveMoodleSession(userId, secrets[1]);
	assert.equal((await world.signIn('sealed', secrets[1])).answer.status, 200);

	const dump = (await run('pg_dump', ['-h', world.postgres.folder, '-U', 'postgres', 'pensum'])).stdout;
	assert.match(dump, /sealed/);
	const keys = await world.redis.command('KEYS', '*');
	const values = await Promise.all(keys.map(async (key) => JSON.stringify([key,
		await world.redis.command('TYPE', key) === 'string' ? await world.redis.command('GET', key) : ''])));
	assert.ok(!values.join().includes('"sealed"}'), 'no usernames in Redis');
	for (const text of [dump, values.join('\n'), world.daemons.map((d) => d.text()).join('\n')]) {
		for (const secret of secrets) {
			assert.ok(!text.includes(secret), secret);
			assert.ok(!text.includes(sha256(secret).slice(0, 64)) || secret.length === 43, 'nor a plain hash of a password');
		}
	}
});
