// Two hosts with one Redis and one PostgreSQL over TCP (P22), rolling restarts (P21). Each host is a
// network namespace of its own, so that one can fall off the network with all its programs running;
// without the right to make namespaces it is only a name, and its death a SIGSTOP.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { run, sleep, until } from '../support/process.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { watchAll } from './lib/watcher.mjs';
import { childrenOf, long, startWorld } from './lib/world.mjs';

const PORTS = { redis: 16379, postgres: 5432 };
const net = process.pid % 200;
let world, watchers = [], namespaces = false;

const ip = async (...words) => {
	const done = await run('ip', words);
	if (done.code !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
};
const nameOf = (host) => `pd${process.pid}${host}`;
const addressOf = (i, side) => `10.213.${net}.${i * 4 + side}`;

// Host number i: a namespace with one link to this machine.
async function addHost(host, i) {
	await ip('netns', 'add', nameOf(host));
	await ip('link', 'add', `v${nameOf(host)}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', nameOf(host));
	await ip('addr', 'add', `${addressOf(i, 1)}/30`, 'dev', `v${nameOf(host)}`);
	await ip('link', 'set', `v${nameOf(host)}`, 'up');
	await ip('-n', nameOf(host), 'addr', 'add', `${addressOf(i, 2)}/30`, 'dev', 'eth0');
	for (const device of ['eth0', 'lo']) await ip('-n', nameOf(host), 'link', 'set', device, 'up');
}
const removeHost = (host) => run('ip', ['netns', 'del', nameOf(host)]);

async function start(host, i, more = {}) {
	if (!namespaces) return world.startWorker(host, more);
	return world.startWorker(host, { ...more, 'redis.address': `${addressOf(i, 1)}:${PORTS.redis}`,
		'postgres.conninfo': `host=${addressOf(i, 1)} port=${PORTS.postgres} user=postgres dbname=pensum` },
	{ wrap: ['ip', 'netns', 'exec', nameOf(host)] });
}

before(async () => {
	namespaces = process.getuid() === 0 && (await run('ip', ['netns', 'add', nameOf('x')]).catch(() => ({ code: 1 }))).code === 0;
	if (namespaces) {
		await removeHost('x');
		await addHost('a', 0);
		await addHost('b', 1);
	}
	world = await startWorld({ students: 6, ...(namespaces && {
		redis: { args: ['--port', PORTS.redis, '--bind', addressOf(0, 1), addressOf(1, 1), '--protected-mode', 'no'] },
		postgres: { settings: { listen_addresses: `${addressOf(0, 1)},${addressOf(1, 1)}` } } }) });
	if (namespaces) {
		fs.appendFileSync(path.join(world.postgres.folder, 'data', 'pg_hba.conf'), 'host all all 10.213.0.0/16 trust\n');
		await world.sql`SELECT pg_reload_conf()`;
	}
	watchers = watchAll(world);
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
	if (namespaces) await Promise.all(['a', 'b'].map(removeHost));
});
afterEach(async () => {
	world.pool.hold()();
	await world.stopWorkers();
});

const runningOn = (host) => world.count(`state = 'running' AND starts_with(worker, '${host}:')`);

test('two hosts share the work; one dies, and the other has its jobs within 20 s', async () => {
	const crowd = new Crowd(world);
	await start('a', 0);
	await start('b', 1);
	const release = world.pool.hold();
	await crowd.submit(12);
	await until('work on both', async () => await runningOn('a') === 2 && await runningOn('b') === 2, 30_000);
	const dead = world.worker('b');
	const pids = [...childrenOf(dead.pid), dead.pid];
	const at = Date.now();
	if (namespaces) await ip('link', 'set', `v${nameOf('b')}`, 'down');
	else pids.forEach((pid) => process.kill(pid, 'SIGSTOP'));
	release();
	const verdict = await judge(world, crowd, { watchers, limitMs: 60_000 });
	const took = Date.now() - at;
	assert.ok(took < 30_000, `${took} ms`);
	assert.ok(verdict.rows.every((row) => row.attempt <= 2));
	report(`P22 one of two hosts dies${namespaces ? '' : ' (names only)'}`, verdict, took,
		namespaces ? 'two network namespaces, TCP; its link goes down' : 'no right to make namespaces: SIGSTOP');

	// It comes back, with all that it believed to be running.
	if (namespaces) await ip('link', 'set', `v${nameOf('b')}`, 'up');
	else pids.forEach((pid) => process.kill(pid, 'SIGCONT'));
	const back = new Crowd(world), healed = Date.now();
	await until('the other host at work', async () => {
		await back.submit(4);
		return await world.count(`worker LIKE 'b:%' AND started_at > to_timestamp(${healed} / 1000.0)`) > 0;
	}, 90_000, 200);
	const again = Date.now() - healed;
	await judge(world, crowd, { watchers });
	report('P22 it comes back', await judge(world, back, { watchers }), again, 'until it works again');
});

test('consumers do not grow in number, however often a worker starts', async () => {
	const times = long ? 100 : 4;
	for (let i = 0; i < times; i++) {
		await world.startWorker('again');
		await until('its consumers', async () => (await world.redis.command('XINFO', 'CONSUMERS', 'pensum:jobs:checker:normal', 'workers'))
			.some((c) => c[1] === 'again:checker:1'), 20_000);
		await (i % 2 ? world.worker('again').kill() : world.worker('again').stop());
	}
	const consumers = await world.redis.command('XINFO', 'CONSUMERS', 'pensum:jobs:checker:normal', 'workers');
	assert.equal(consumers.filter((c) => c[1].startsWith('again:')).length, 2);
});

test('gateway and workers are restarted in turn under load: nothing fails, no attempt is spent', async () => {
	const rounds = long ? 20 : 2;
	const crowd = new Crowd(world);
	let going = true;
	world.pool.answer = (answer => async () => (await sleep(Math.random() * 200), answer()))(world.pool.answer);
	await world.startWorker('a');
	await world.startWorker('b');
	const asking = crowd.submit(1e6, { going: () => going, gapMs: 60, together: 6 });
	const at = Date.now();
	for (let i = 0; i < rounds; i++) {
		for (const host of ['a', 'b']) {
			await sleep(200);
			await world.worker(host).stop();
			await world.startWorker(host);
		}
		await sleep(200);
		await world.gateway().stop();
		await world.start();
	}
	going = false;
	await asking;
	const verdict = await judge(world, crowd, { watchers });
	const spent = await world.number(`count(*) FROM pensum.jobs WHERE attempt - excused > 1 AND id IN ('${[...crowd.promised.keys()].join("','")}')`);
	assert.equal(spent, 0, 'attempts spent on restarts');
	assert.deepEqual(Object.keys(crowd.statuses).filter((s) => s !== '202' && s !== 'lost' && s !== '503'), []);
	report(`P21 rolling restarts ×${rounds * 3}`, verdict, (Date.now() - at) / (rounds * 3),
		`a restart's time; ${crowd.statuses.lost ?? 0} requests in the gap without a gateway, repeated`);
});
