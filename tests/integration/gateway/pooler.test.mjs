// The gateway and a worker behind a transaction pooler that gives each statement another server, and knows nothing of
// prepared ones.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startDaemon, writeKey } from '../../support/daemon.mjs';
import { run, startProcess, temporaryFolder, until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { openWs } from '../../support/ws.mjs';
import { startStack } from './stack.mjs';

const SERVERS = 3;
let stack, pooler, folder;

async function startPooler(pg) {
	const owner = fs.statSync(pg.folder);
	folder = temporaryFolder('pensum-pp-');
	fs.chownSync(folder.path, owner.uid, owner.gid); // it refuses to be root, as PostgreSQL does
	fs.writeFileSync(path.join(folder.path, 'ini'), `[databases]
pensum = host=${pg.folder} dbname=pensum user=postgres
[pgbouncer]
listen_port = 6432
unix_socket_dir = ${folder.path}
auth_type = any
pool_mode = transaction
default_pool_size = ${SERVERS}
server_round_robin = 1
ignore_startup_parameters = extra_float_digits,options
`, { mode: 0o644 });
	pooler = startProcess('/usr/sbin/pgbouncer', [path.join(folder.path, 'ini')],
		{ uid: owner.uid, gid: owner.gid, cwd: folder.path });
	await until('the pooler', async () => {
		if (pooler.ended) throw new Error(pooler.text());
		return (await run('psql', ['-X', '-h', folder.path, '-p', '6432', '-U', 'postgres', '-d', 'pensum', '-c', 'SELECT 1'])).code === 0;
	});
	return `host=${folder.path} port=6432 user=postgres dbname=pensum`;
}

before(async () => {
	const settings = {};
	stack = await startStack({ settings });
	await stack.gateway.stop();
	settings['postgres.conninfo'] = await startPooler(stack.pg);
	await stack.startGateway();
});
after(async () => {
	await stack?.stop();
	await pooler?.stop();
	folder?.remove();
});

test('every question is answered, at whichever server it arrives', async () => {
	const session = await stack.session();
	await stack.pg.query(`INSERT INTO pensum.course_lists (user_id, courses, expires_at)
		VALUES ('${session.user}', '[{"id": 1, "name": "Algebra"}]', now() + interval '1 hour')`);
	await stack.redis.kill(); // so that each of them needs the record
	const ask = async () => {
		const response = await fetch(`${stack.url}/api/v1/courses`, { headers: { cookie: session.cookie } });
		assert.equal(response.status, 200);
		return (await response.json()).courses[0].name;
	};
	for (let round = 0; round < 20; round++)
		assert.deepEqual(new Set(await Promise.all(Array.from({ length: 2 * SERVERS }, ask))), new Set(['Algebra']));
	const left = await stack.pg.query(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pensum-gateway'
		AND state = 'idle in transaction'`);
	assert.equal(Number(left[0][0]), 0);
	await stack.redis.start();
});

test('the live channel reads its snapshots through it', async () => {
	const session = await stack.session();
	const job = await stack.job(session, { state: 'running', attempt: 1, n: 3 });
	const ws = await openWs({ port: stack.port, headers: { Cookie: session.cookie } });
	assert.deepEqual((await ws.next((m) => m.type === 'snapshot' && m.job === job)).version, [1, 3]);
	await ws.close();
});

test('a worker claims and ends jobs through it', async () => {
	const session = await stack.session();
	const ids = Array.from({ length: 12 }, (_, i) => `${String(i).padStart(4, '0')}${'ab'.repeat(10)}`);
	// Of a kind that this worker does not know, so that it needs no browser for them.
	await stack.pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input)
		SELECT id, 'document', 'checker', 'normal', '${session.user}', '{}' FROM unnest('{${ids}}'::text[]) id`);
	const worker = await startDaemon('pensum-checker-worker', { ready: /worker ready/, settings: { 'redis.address': stack.redis.address, 'secrets.key_file': writeKey(folder.path),
		
		'postgres.conninfo': `host=${folder.path} port=6432 user=postgres dbname=pensum`, 'site.url': 'http://site.test',
		'checker.slots': 2, 'worker.host': 'h', 'worker.spool_dir': path.join(folder.path, 'spool') } });
	await until('end of all', async () => Number((await stack.pg.query(`SELECT count(*) FROM pensum.jobs
		WHERE kind = 'document' AND state = 'failed' AND failure_code = 'bad_input' AND attempt = 1`))[0][0]) === ids.length, 30_000);
	await worker.stop();
	assert.deepEqual(worker.lines.filter((line) => /err=/.test(line)), []);
});
