// Limits towards the world: by user, by address, by how much waits already; with Redis and without.
import assert from 'node:assert/strict';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';
import { freePort, sleep, temporaryFolder, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';

let world, folder, pool;
const pressure = { waiting: 0, leased: 0 };

before(async () => {
	folder = temporaryFolder('pensum-l-');
	pool = net.createServer((client) => client.on('error', () => {}).on('data', () => client.end(`${JSON.stringify({
		waiting: Array(pressure.waiting).fill({}), limits: { max_waiting: 10 }, totals: { leased: pressure.leased } })}\0`)));
	await new Promise((done) => pool.listen(path.join(folder.path, 'pool'), done));
	world = await startGateway({ settings: { 'limits.signins_per_user': 6, 'limits.writes_per_user': 12, 'limits.reads_per_user': 30,
		'limits.gateways': 2, 'jobs.max_queued': 40, 'jobs.per_user': 1000, 'pool.socket': path.join(folder.path, 'pool') } });
});
after(async () => {
	await world?.stop();
	pool?.close();
	folder?.remove();
});

const signIn = (username, headers = {}, at = world) => at.browser().post('/api/v1/session', { username, password: 'x' }, headers);
const keys = (kind) => world.redis.command('KEYS', `pensum:limit:${kind}:*`);
async function fill(queued, finished = 0) {
	await world.sql`DELETE FROM pensum.jobs`;
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, rung_at, run_at)
		SELECT lpad(to_hex(i), 24, '0'), 'check', 'checker', 'normal', 'crowd', '{}', now(), now() - interval '30 s'
		FROM generate_series(1, ${queued}) i`);
	// One slot, half a second each.
	await world.sql`INSERT INTO pensum.workers (name, boot, slots) VALUES ('h:checker', 'x', 1) ON CONFLICT (name) DO UPDATE SET seen_at = now()`;
	await world.postgres.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, worker, started_at, finished_at)
		SELECT lpad(to_hex(i), 24, 'f'), 'check', 'checker', 'normal', 'crowd', '{}', 'succeeded', 'h:checker:0',
			now() - (i + 1) * interval '0.5 s', now() - i * interval '0.5 s' FROM generate_series(1, ${finished}) i`);
}

test('a limit is one for all gateways', async () => {
	const second = await world.startSecond();
	const there = { browser: () => Object.assign(world.browser(), { url: second.url }) };
	const statuses = [];
	for (let i = 0; i < 8; i++) statuses.push((await signIn('shared', {}, i % 2 ? there : world)).status);
	assert.deepEqual(statuses, [202, 202, 202, 202, 202, 202, 429, 429]);
	await second.daemon.stop();
});

test('Retry-After is true, and who is refused is not counted', async () => {
	let answer;
	for (let i = 0; i < 20; i++) answer = await signIn('eager');
	assert.deepEqual([answer.status, answer.json.code], [429, 'too_many_signins']);
	const wait = Number(answer.headers.get('retry-after'));
	assert.ok(wait >= 1 && wait <= 10, `${wait}`);
	await sleep(wait * 1000);
	assert.equal((await signIn('eager')).status, 202);
	assert.equal((await signIn('eager')).status, 429);
});

test('a clock of Redis that was put back locks nobody out, and one key is a number that ends', async () => {
	for (let i = 0; i < 7; i++) await signIn('clock');
	const before = await keys('signin');
	const [key] = await until('its key', async () => {
		for (const one of before) await world.redis.command('SET', one, String((Date.now() + 3_600_000) * 1000), 'PX', 4_000_000);
		return before;
	});
	const answer = await signIn('clock');
	assert.equal(answer.status, 429);
	const wait = Number(answer.headers.get('retry-after'));
	assert.ok(wait <= 10, 'an hour ahead is believed to be one interval');
	await sleep(wait * 1000);
	assert.equal((await signIn('clock')).status, 202, 'and when that is over it is');
	await world.redis.command('SET', key, 'no number', 'PX', 60_000);
	assert.notEqual((await signIn('clock2')).status, 500);
	for (const one of await keys('*')) assert.ok(await world.redis.command('PTTL', one) > 0, one);
	await world.redis.command('FLUSHALL');
});

test('without Redis each gateway counts for itself, with its share', async () => {
	await world.redis.kill();
	const statuses = [];
	for (let i = 0; i < 5; i++) statuses.push((await signIn('alone')).status);
	assert.deepEqual(statuses, [202, 202, 202, 429, 429]);
	await world.redis.start();
	await until('Redis back', async () => (await (await fetch(`${world.url}/health`)).json()).degraded.includes('redis') === false);
});

test('addresses: the proxy\'s word on this machine, IPv6 by /64, and nothing that is none', async () => {
	await world.redis.command('FLUSHALL');
	const cases = [
		['203.0.113.9', '203.0.113.9'], ['10.0.0.1, 203.0.113.7', '203.0.113.7'], [' 203.0.113.8 ', '203.0.113.8'],
		['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'], ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'], ['::ffff:203.0.113.6', '203.0.113.6'],
		['nonsense', '127.0.0.1'], ['203.0.113.5, ', '127.0.0.1'], ['x'.repeat(300), '127.0.0.1'], ['203.0.113.5:80', '127.0.0.1'],
	];
	// One a minute: what is counted stays to be seen.
	const slow = await world.startSecond({ 'limits.signins_per_address': 1 });
	const ask = (header) => Object.assign(world.browser(), { url: slow.url }).post('/api/v1/session',
		{ username: newId(), password: 'x' }, { 'X-Forwarded-For': header });
	for (const [header, address] of cases) {
		await world.redis.command('FLUSHALL');
		await ask(header);
		assert.deepEqual(await keys('signin-from'), [`pensum:limit:signin-from:${address}`], header);
	}
	await slow.daemon.stop();
	const { daemon, url } = await world.startSecond({ 'gateway.forwarded': 'off', 'limits.signins_per_address': 1 });
	await world.redis.command('FLUSHALL');
	await Object.assign(world.browser(), { url }).post('/api/v1/session', { username: newId(), password: 'x' }, { 'X-Forwarded-For': '203.0.113.9' });
	assert.deepEqual(await keys('signin-from'), ['pensum:limit:signin-from:127.0.0.1']);
	await daemon.stop();
});

test('who listens on [::] believes a proxy that comes by 127.0.0.1, too', async () => {
	const [port, other] = [await freePort(), await freePort()];
	const daemon = await world.start({ 'gateway.listen': `[::]:${port}`, 'gateway.admin_listen': `127.0.0.1:${other}`,
		'limits.signins_per_address': 1 });
	const browser = Object.assign(world.browser(), { url: `http://127.0.0.1:${port}` });
	await until('Redis counts', async () => {
		await world.redis.command('FLUSHALL');
		await browser.post('/api/v1/session', { username: newId(), password: 'x' }, { 'X-Forwarded-For': '203.0.113.9' });
		return (await keys('signin-from')).length > 0;
	});
	assert.deepEqual(await keys('signin-from'), ['pensum:limit:signin-from:203.0.113.9']);
	await daemon.stop();
});

const ownAddress = Object.values(os.networkInterfaces()).flat().find((a) => a.family === 'IPv4' && !a.internal)?.address;
test('who comes from another machine says nothing about his address', { skip: !ownAddress && 'no address but loopback' }, async () => {
	const [port, other] = [await freePort(), await freePort()];
	const daemon = await world.start({ 'gateway.listen': `${ownAddress}:${port}`, 'gateway.admin_listen': `127.0.0.1:${other}`,
		'limits.signins_per_address': 1 });
	const browser = Object.assign(world.browser(), { url: `http://${ownAddress}:${port}` });
	await until('Redis counts', async () => {
		await world.redis.command('FLUSHALL');
		await browser.post('/api/v1/session', { username: newId(), password: 'x' }, { 'X-Forwarded-For': '203.0.113.9' });
		return (await keys('signin-from')).length > 0;
	});
	assert.deepEqual(await keys('signin-from'), [`pensum:limit:signin-from:${ownAddress}`]);
	await daemon.stop();
});

test('what changes something and what reads is limited for each student', async () => {
	const [maya, other] = [await world.student('maya'), await world.student('other')];
	const statuses = [];
	for (let i = 0; i < 14; i++) statuses.push((await maya.delete(`/api/v1/jobs/${newId()}`)).status);
	assert.deepEqual(statuses, [...Array(12).fill(404), 429, 429]);
	assert.equal((await maya.get('/api/v1/jobs')).status, 200, 'reading is counted apart');
	assert.equal((await other.delete(`/api/v1/jobs/${newId()}`)).status, 404, 'and others are not concerned');
	let answer, passed = 0;
	for (let i = 0; i < 40; i++) {
		answer = await maya.get('/api/v1/jobs');
		passed += answer.status === 200;
	}
	assert.ok(passed >= 14 && passed <= 16, `${passed}: half of 30, for one of two gateways`);
	assert.equal(answer.json.code, 'too_many_requests');
	await sleep(Number(answer.headers.get('retry-after')) * 1000);
	assert.equal((await maya.get('/api/v1/jobs')).status, 200);
	assert.equal((await fetch(`${world.url}/health`)).status, 200, 'whoever asks how it is gets an answer');
});

test('who has used up every limit can still sign out', async () => {
	const [maya, neighbour] = [await world.student('maya2'), await world.student('neighbour')];
	const { daemon, url } = await world.startSecond({ 'limits.reads_per_address': 10, 'limits.writes_per_address': 10 });
	for (const browser of [maya, neighbour]) browser.url = url;
	const write = () => maya.delete(`/api/v1/jobs/${newId()}`);
	await until('no more writes', async () => (await write()).status === 429);
	await until('no more reads', async () => (await maya.get('/api/v1/jobs')).status === 429);
	assert.equal((await neighbour.get('/api/v1/jobs')).status, 429, 'the address is used up');
	assert.deepEqual([(await maya.delete('/api/v1/session')).status, (await neighbour.delete('/api/v1/session')).status], [204, 204]);
	const nobody = Object.assign(world.browser(), { url });
	const statuses = [];
	for (let i = 0; i < 8; i++) statuses.push((await nobody.delete('/api/v1/session')).status);
	assert.equal(statuses.at(-1), 429, `who only pretends to is looked up no more: ${statuses}`);
	await daemon.stop();
});

test('a full queue refuses with the time that it takes to drain', async () => {
	const maya = await world.student('full');
	await world.giveCourses(maya);
	// 44 wait, 40 may; two a second have ended.
	await fill(44, 60);
	const answer = await until('the queue seen full', async () => {
		const one = await maya.post('/api/v1/courses/refresh');
		return one.status === 503 && one;
	}, 10_000, 1100);
	assert.equal(answer.json.code, 'queue_full');
	const wait = Number(answer.headers.get('retry-after'));
	assert.ok(wait >= 2 && wait <= 6, `${wait}`);
	// It drains as fast as it did: two a second.
	const drain = setInterval(() => world.postgres.query(`UPDATE pensum.jobs SET state = 'succeeded', finished_at = now()
		WHERE id IN (SELECT id FROM pensum.jobs WHERE state = 'queued' LIMIT 2)`).catch(() => {}), 1000);
	await sleep(wait * 1000);
	const then = await until('room, as promised', async () => {
		const one = await maya.post('/api/v1/courses/refresh');
		return one.status !== 503 && one;
	}, 2500, 1100); // the numbers are a second old, at most
	clearInterval(drain);
	assert.equal(then.status, 202);
	await fill(0);
	await sleep(1100);
});

test('a full queue of browsers refuses too, until it is less full', async () => {
	const maya = await world.student('busy');
	await world.giveCourses(maya);
	pressure.waiting = 9;
	const answer = await until('the pool seen busy', async () => {
		pressure.leased += 4;
		const one = await maya.post('/api/v1/checks', { courses: [11] });
		return one.status === 503 && one;
	}, 10_000, 1100);
	assert.equal(answer.json.code, 'pool_busy');
	assert.ok(Number(answer.headers.get('retry-after')) >= 1);
	pressure.waiting = 8;
	await until('room', async () => (await maya.post('/api/v1/checks', { courses: [11] })).status === 202, 5000, 1100);
	await new Promise((done) => pool.close(done)); // nobody asks any more, or is being answered
	pressure.waiting = 10;
	assert.equal((await maya.post('/api/v1/checks', { courses: [12] })).status, 202);
	const metrics = await (await fetch(`${world.adminUrl}/metrics`)).text();
	for (const code of ['pool_busy', 'queue_full', 'too_many_signins', 'too_many_requests'])
		assert.match(metrics, new RegExp(`http_limited_total\\{code="${code}"\\} [1-9]`));
});
