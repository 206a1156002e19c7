// Many questions to PostgreSQL at one time: several are under way on each connection, and none is another's concern.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { startStack } from './stack.mjs';

const AT_ONCE = 60; // more than all connections hold
const PIPE_MAX = 4; // PGLOOP_PIPE_MAX

let stack, session;
before(async () => {
	stack = await startStack({ settings: { 'limits.reads_per_user': 0, 'limits.reads_per_address': 0 } });
	session = await stack.session();
});
after(async () => stack?.stop());

const ask = async (path) => (await fetch(`${stack.url}/api/v1${path}`, { headers: { cookie: session.cookie } })).status;
const askAll = (paths) => Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ask(paths[i % paths.length])));
const waiting = async (what) => Number((await stack.pg.query(`SELECT count(*) FROM pg_stat_activity WHERE ${what}`))[0][0]);
const all = (...statuses) => Array.from({ length: AT_ONCE }, (_, i) => statuses[i % statuses.length]);

test('what one refuses fails alone, and is asked anew when it is mended', async () => {
	assert.deepEqual(await askAll(['/assignments', '/jobs']), all(200, 200));
	await stack.pg.query('ALTER TABLE pensum.activities RENAME TO away');
	assert.deepEqual(await askAll(['/assignments', '/jobs']), all(503, 200));
	await stack.pg.query('ALTER TABLE pensum.away RENAME TO activities');
	assert.deepEqual(await askAll(['/assignments', '/jobs']), all(200, 200));
});

test('behind one that takes long nothing else is put', async () => {
	const lock = stack.pg.query('BEGIN; LOCK TABLE pensum.activities; SELECT pg_sleep(60)').catch(() => {});
	await until('lock', async () => (await waiting("wait_event = 'PgSleep'")) === 1);
	const slow = ask('/assignments');
	await until('wait for it', async () => (await waiting("application_name = 'pensum-gateway' AND wait_event_type = 'Lock'")) === 1);
	for (let round = 0; round < 5; round++) assert.deepEqual(await askAll(['/jobs']), all(200));
	assert.equal(await waiting("application_name = 'pensum-gateway' AND wait_event_type = 'Lock'"), 1);
	await stack.pg.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	assert.equal(await slow, 200);
	await lock;
});

test('a connection that ends fails what was under way on it, and no more than that', async () => {
	const lock = stack.pg.query('BEGIN; LOCK TABLE pensum.jobs; SELECT pg_sleep(60)').catch(() => {});
	const isWaiting = "application_name = 'pensum-gateway' AND wait_event_type = 'Lock'";
	await until('lock', async () => (await waiting("wait_event = 'PgSleep'")) === 1);
	const answers = askAll(['/jobs']);
	await until('wait for it', async () => (await waiting(isWaiting)) > 1);
	await stack.pg.query(`SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE ${isWaiting} LIMIT 1) one`);
	await stack.pg.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	const others = (await answers).filter((status) => status !== 200);
	assert.ok(others.length >= 1 && others.length <= PIPE_MAX && others.every((status) => status === 503), `${others}`);
	await lock;
	await until('all connections', async () => (await askAll(['/jobs'])).every((status) => status === 200));
});
