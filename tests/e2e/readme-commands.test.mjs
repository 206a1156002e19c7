// The README's commands for operators are run as they stand there, against a gateway with its databases.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';
import { run, temporaryFolder } from '../support/process.mjs';

const readme = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const [, section] = readme.split('### The same facts by three ways\n');
const commands = section.split('\n## ')[0].split('\n').filter((line) => line.startsWith('| ')).slice(2)
	.flatMap((line) => line.split(/(?<!\\)\|/).slice(2, -1))
	.flatMap((cell) => /^\s*`((?:curl|redis-cli|psql) [^`]+)`/.exec(cell)?.[1] ?? [])
	.map((command) => command.replaceAll('\\|', '|'));
let world, folder, pool, dead;

before(async () => {
	folder = temporaryFolder('pensum-r-');
	pool = net.createServer((client) => client.on('error', () => {}).on('data', () => client.end('{"metrics":{"bp_up_since":1}}\0')));
	await new Promise((done) => pool.listen(path.join(folder.path, 'pool'), done));
	world = await startGateway({ settings: { 'pool.socket': path.join(folder.path, 'pool') } });
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await maya.get('/api/v1/courses');
	await maya.post('/api/v1/courses/refresh');
	await world.redis.command('XGROUP', 'CREATE', 'pensum:jobs:checker:normal', 'workers', '0', 'MKSTREAM').catch(() => {});
	dead = async () => {
		const id = newId();
		await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
			VALUES (${id}, 'check', 'checker', 'normal', ${maya.userId}, '{}', 'dead', now())`;
		return id;
	};
});
after(async () => {
	await world?.stop();
	pool?.close();
	folder?.remove();
});

// Those whose answer may well be empty here: nobody runs, nobody is slowed down.
const SILENT = /XPENDING|XINFO CONSUMERS|lock:|limit:|http_limited|TTL|\^job_\(recl|\^ws_|\^worker_|XREVRANGE/;

test('there are many', () => assert.ok(commands.length >= 35, `${commands.length}`));

for (const command of commands)
	test(command, async () => {
		const port = new URL(world.adminUrl).port;
		const text = command.replaceAll('localhost:8081', `127.0.0.1:${port}`).replaceAll('redis-cli', `redis-cli -s ${world.redis.socketPath}`)
			.replaceAll('psql pensum', `psql -X -h ${world.postgres.folder} -U postgres pensum`).replaceAll('ID', await dead())
			.replaceAll('curl -s', 'curl -s --fail-with-body');
		const { code, stdout, stderr } = await run('sh', ['-c', text], { env: { PATH: process.env.PATH } });
		assert.equal(stderr, '');
		if (SILENT.test(command)) return;
		assert.equal(code, 0, stdout);
		assert.notEqual(stdout.trim(), '');
		assert.doesNotMatch(stdout, /^ERR|NOGROUP|"code":/);
	});
