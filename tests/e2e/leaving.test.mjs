// Signing out ends Moodle's session as well, and who deletes their data leaves nothing: not in Redis,
// PostgreSQL, the object store, or a page that is kept in a browser.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { run, until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';
import { fetch } from '../support/waiting.mjs';

const PASSWORD = 'Pensum-demo-1';
let system;

before(async () => {
	system = await startSystem({ settings: { 'pool.keep_s': 3600 } });
});
after(() => system?.stop());

const moodleSessions = () => system.moodle.state().counts.sessions;
const keptPages = async () => (await (await fetch(`${system.adminUrl}/admin/pool`)).json()).contexts.kept;
const one = async (sql) => (await system.postgres.query(sql))[0][0];

async function signedIn(user = 'maya') {
	const p = system.client({ limitMs: 20_000 });
	const { user: { id } } = await p.signIn(user, PASSWORD);
	return Object.assign(p, { userId: id });
}

async function redisTexts() {
	const texts = [];
	for (const key of await system.redis.command('KEYS', '*')) {
		const read = { string: ['GET', key], hash: ['HGETALL', key], stream: ['XRANGE', key, '-', '+'] }[await system.redis.command('TYPE', key)];
		texts.push(key, JSON.stringify(read ? await system.redis.command(...read) : null));
	}
	return texts.join('\n');
}

const files = () => fs.readdirSync(system.settings['documents.dir'], { recursive: true, withFileTypes: true })
	.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)).join('\n');
const dump = async () => (await run('pg_dump', ['-h', system.postgres.folder, '-U', 'postgres', 'pensum'])).stdout;

async function signedOutAtMoodle() {
	await until('Moodle has no session', () => moodleSessions() === 0);
	await until('the sign-out is recorded', async () => await one(`SELECT count(*) FROM pensum.jobs WHERE kind = 'signout'
		AND finished_at IS NULL`) === '0');
}

test('the last sign-out ends Moodle\'s session, one of several does not', async () => {
	const first = await signedIn();
	const second = await signedIn();
	assert.equal(moodleSessions(), 1, 'by the cached one');

	await first.call('DELETE', '/api/v1/session');
	assert.equal(await one('SELECT count(*) FROM pensum.moodle_sessions'), '1');
	assert.equal((await second.check([11])).result.failed, 0, 'the other browser works on');
	await until('the page is kept', async () => await keptPages() === 1);

	await second.call('DELETE', '/api/v1/session');
	assert.equal(await one('SELECT count(*) FROM pensum.moodle_sessions'), '0');
	await signedOutAtMoodle();
	assert.equal(await one(`SELECT result->>'ended' FROM pensum.jobs WHERE kind = 'signout'`), 'true');
	assert.equal(await one(`SELECT count(*) FROM pensum.jobs WHERE kind = 'signout' AND secret IS NOT NULL`), '0');
	await until('the kept page is gone', async () => await keptPages() === 0);
	assert.ok(!(await redisTexts()).includes('pensum:moodle:'));

	const again = await system.client().request('POST', '/api/v1/session', { username: 'maya', password: PASSWORD });
	assert.equal(again.status, 202, 'no cache lets anybody in after that');
	await until('its sign-in has ended', async () => await one('SELECT count(*) FROM pensum.jobs WHERE finished_at IS NULL') === '0');
	first.close();
	second.close();
});

test('a sign-out does not wait for a Moodle that is down, and tries twice', async () => {
	const p = await signedIn('dieter');
	system.moodle.control({ fail: [{ path_prefix: '/', status: 500 }] });
	assert.equal((await p.request('DELETE', '/api/v1/session')).status, 204);
	await until('it was given up', async () => await one(`SELECT count(*) FROM pensum.jobs WHERE kind = 'signout'
		AND state = 'dead' AND attempt = 2 AND secret IS NULL`) === '1');
	system.moodle.control({ reset: true, expire_sessions: 'dieter' });
	p.close();
});

test('"delete my data" leaves nothing anywhere', async () => {
	const p = await signedIn();
	const other = system.client();
	assert.equal((await other.request('POST', '/api/v1/session', { username: 'maya', password: PASSWORD })).status, 200);
	const { courses } = await p.courses();
	await p.courses();
	await p.check(courses.map((c) => c.id));
	const owed = (await p.assignments()).filter((a) => a.pending).slice(0, 2);
	await p.documents(owed.map((a) => a.id), { name: 'Maya Lindqvist', roll: '17' });
	assert.equal(await keptPages() > 0, true);
	const jobs = (await system.postgres.query(`SELECT id FROM pensum.jobs WHERE user_id = '${p.userId}'`)).flat();
	assert.ok(jobs.length >= 4);

	const bystander = await signedIn('noel');
	const signs = [p.userId, 'maya', 'Lindqvist', owed[0].name, ...jobs];
	for (const place of [await dump(), await redisTexts(), files()]) {
		assert.ok(place.includes(p.userId), 'the search would find it');
	}
	// One more that runs at that moment, and would for long.
	system.moodle.control({ hang: ['/mod/assign/'] });
	const id = courses.find((c) => c.id !== 11).id; // not what test one asked for a moment ago
	const { job } = await p.call('POST', '/api/v1/checks', { courses: [id] });
	signs.push(job.id);
	await until('it runs', async () => await one(`SELECT state FROM pensum.jobs WHERE id = '${job.id}'`) === 'running');
	assert.equal((await p.request('DELETE', '/api/v1/account')).status, 204);
	system.moodle.control({ hang: null });

	assert.equal((await p.request('GET', '/api/v1/session')).status, 401);
	assert.equal((await other.request('GET', '/api/v1/session')).status, 401, 'every browser is signed out');
	await until('Moodle has only the bystander', () => moodleSessions() === 1);
	await until('no page is kept for her', async () => await keptPages() <= 1);
	const found = async () => {
		const places = { postgres: await dump(), redis: await redisTexts(), files: files() };
		return Object.entries(places).flatMap(([where, text]) => signs.filter((sign) => text.includes(sign)).map((sign) => `${sign} in ${where}`));
	};
	await until('nothing is left', async () => (await found()).length === 0).catch(async () => assert.deepEqual(await found(), []));
	assert.equal(await one(`SELECT count(*) FROM pensum.users WHERE id = '${bystander.userId}'`), '1');
	assert.equal((await bystander.request('GET', '/api/v1/session')).status, 200, 'nobody else notices');
	const counted = await (await fetch(`${system.adminUrl}/metrics`)).text();
	assert.ok(Number(/jobs_finished_total\{[^}]*succeeded[^}]*\} (\d+)/.exec(counted)[1]) >= jobs.length, 'what was counted stays counted');
	for (const c of [p, other, bystander]) c.close();
});
