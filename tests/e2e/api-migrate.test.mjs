// pensum-gateway --migrate: once, again, in parallel, and never over a changed past.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startDaemon } from '../support/daemon.mjs';
import { startGateway } from '../support/gateway.mjs';
import { freePort, startProcess, temporaryFolder, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';

let world, folder;

before(async () => {
	world = await startGateway();
	folder = temporaryFolder();
	fs.cpSync(world.settings['gateway.sql_dir'], folder.path, { recursive: true });
});
after(async () => {
	folder.remove();
	await world?.stop();
});

const migrate = (env = {}) => world.runGateway(['--migrate'], { PENSUM_GATEWAY_SQL_DIR: folder.path, ...env });
const write = (name, text) => fs.writeFileSync(path.join(folder.path, name), text);
const applied = async () => (await world.sql`SELECT name FROM pensum.migrations ORDER BY name`).map((row) => row[0]);

test('repeating does nothing', async () => {
	const files = fs.readdirSync(folder.path).filter((name) => name.endsWith('.sql')).sort();
	assert.deepEqual(await applied(), files);
	const again = await migrate();
	assert.equal(again.code, 0, again.stderr);
	assert.equal(again.stdout, files.map((name) => `${name}: applied before\n`).join(''));
});

test('a new file is applied once, also by many at the same time', async () => {
	write('900_more.sql', 'SELECT pg_sleep(0.3); CREATE TABLE pensum.more (id int); INSERT INTO pensum.more VALUES (1);');
	const runs = await Promise.all(Array.from({ length: 5 }, migrate));
	assert.deepEqual(runs.map((run) => run.code), [0, 0, 0, 0, 0]);
	assert.equal(runs.filter((run) => run.stdout.includes('900_more.sql: applied\n')).length, 1);
	assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.more`, [['1']]);
});

test('--migrate-first serves when that is done, and not before', async () => {
	await world.sql`CREATE DATABASE fresh`;
	const [listen, adminListen] = await Promise.all([freePort(), freePort()]);
	const settings = { ...world.settings, 'gateway.sql_dir': folder.path,
		'gateway.listen': `127.0.0.1:${listen}`, 'gateway.admin_listen': `127.0.0.1:${adminListen}`,
		'postgres.conninfo': world.postgres.conninfo.replace('dbname=pensum', 'dbname=fresh') };
	const start = () => startDaemon('pensum-gateway', { settings, args: ['--migrate-first'] });
	write('901_wrong.sql', 'nonsense');
	const failed = await start();
	assert.equal((await failed.exited).code, 1, failed.text());
	assert.doesNotMatch(failed.text(), /msg="ready"/);
	fs.rmSync(path.join(folder.path, '901_wrong.sql'));
	const serving = await start();
	await serving.waitLine(/msg="ready"/);
	assert.match(serving.text(), /900_more\.sql: applied/);
	assert.equal((await fetch(`http://127.0.0.1:${listen}/api/v1/sites`)).status, 200);
	await serving.stop();
});

test('a file that fails changes nothing and says why', async () => {
	write('901_bad.sql', 'CREATE TABLE pensum.half (id int);\nSELECT no_such_function();');
	const failed = await migrate();
	assert.equal(failed.code, 1);
	assert.match(failed.stderr, /901_bad\.sql/);
	assert.match(failed.stderr, /no_such_function/);
	assert.deepEqual(await world.sql`SELECT to_regclass('pensum.half')`, [[null]]);
	assert.ok(!(await applied()).includes('901_bad.sql'));
	write('901_bad.sql', 'CREATE TABLE pensum.half (id int);');
	assert.equal((await migrate()).code, 0);
});

test('who reads a table for long keeps a change of it waiting, and nobody else', async () => {
	write('902_changed.sql', 'ALTER TABLE pensum.more ADD COLUMN y int;');
	const reading = world.sql`BEGIN; SELECT count(*) FROM pensum.more; SELECT pg_sleep(300)`.catch((error) => error);
	const locks = (of) => world.sql`SELECT pid FROM pg_locks WHERE relation = 'pensum.more'::regclass AND mode = ${of}`;
	await until('reader', async () => (await locks('AccessShareLock')).length === 1);
	const migrated = migrate();
	await until('change that waits', async () => (await locks('AccessExclusiveLock')).length === 1);
	assert.deepEqual(await world.sql`SELECT count(*) FROM pensum.more`, [['1']]);
	await until('second try', async () => (await locks('AccessExclusiveLock')).length === 1);
	await world.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()`;
	await reading;
	const done = await migrated;
	assert.equal(done.code, 0, done.stderr);
	assert.match(done.stdout, /902_changed\.sql: applied\n/);
	assert.equal(done.stderr.match(/migration waits for its turn/g).length, 1, done.stderr);
});

test('a file may take longer than what somebody waits for, and who comes meanwhile waits for it', async () => {
	write('903_long.sql', 'SELECT pg_sleep(18); CREATE TABLE pensum.long (id int);');
	const systemd = path.join(folder.path, 'notify');
	const manager = startProcess('socat', ['-u', `UNIX-RECV:${systemd}`, '-']);
	let heard = '';
	manager.child.stdout.on('data', (data) => (heard += data));
	await until('the socket', () => fs.existsSync(systemd));
	const runs = await Promise.all([migrate({ NOTIFY_SOCKET: systemd }), migrate({ NOTIFY_SOCKET: systemd })]);
	await manager.stop();
	assert.deepEqual(runs.map((run) => run.code), [0, 0], runs.map((run) => run.stderr).join(''));
	assert.equal(runs.filter((run) => run.stdout.includes('903_long.sql: applied\n')).length, 1);
	assert.equal(heard, 'EXTEND_TIMEOUT_USEC=3602000000', 'of who applies it');
});

test('a file that was changed after it was applied is refused', async () => {
	write('900_more.sql', 'CREATE TABLE pensum.more (id int, x int);');
	write('904_later.sql', 'CREATE TABLE pensum.later (id int);');
	const refused = await migrate();
	assert.equal(refused.code, 1);
	assert.match(refused.stderr, /900_more\.sql was changed after/);
	assert.ok(!(await applied()).includes('904_later.sql'));
});

test('an empty or missing folder is an error', async () => {
	const empty = temporaryFolder();
	assert.match((await world.runGateway(['--migrate'], { PENSUM_GATEWAY_SQL_DIR: empty.path })).stderr, /no \.sql files/);
	empty.remove();
	const missing = await world.runGateway(['--migrate'], { PENSUM_GATEWAY_SQL_DIR: empty.path });
	assert.equal(missing.code, 1);
	assert.match(missing.stderr, /cannot read gateway\.sql_dir/);
});

test('a role that may not create the schema is told so', async () => {
	await world.sql`CREATE ROLE limited LOGIN`;
	await world.sql`CREATE DATABASE prepared`;
	const conninfo = world.postgres.conninfo.replace('dbname=pensum', 'dbname=prepared');
	const made = await world.runGateway(['--migrate'], { PENSUM_POSTGRES_CONNINFO: conninfo.replace('user=postgres', 'user=limited') });
	assert.match(made.stderr, /permission denied for database/);
});
