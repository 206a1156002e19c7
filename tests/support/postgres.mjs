// A private PostgreSQL on a Unix socket in a temporary folder (run as user postgres when we are
// root, since it refuses root).
//
//   const pg = await startPostgres();
//   await pg.schema();                      deploy/sql applied with psql
//   pg.conninfo                             what goes into postgres.conninfo
//   await pg.query('SELECT 1')              → [['1']]; NULL is null
//   await pg.restart(); await pg.stop();    immediate; folder removed
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, startProcess, temporaryFolder, until } from './process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const sqlFolder = path.join(here, '..', '..', 'deploy', 'sql');

function binaryFolder() {
	const root = '/usr/lib/postgresql';
	const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((a, b) => b - a) : [];
	return versions.length > 0 ? path.join(root, versions[0], 'bin') : '';
}

async function postgresUser() {
	if (process.getuid() !== 0) return {};
	const id = async (flag) => Number((await run('id', [flag, 'postgres'])).stdout);
	return { uid: await id('-u'), gid: await id('-g') };
}

const NULL_TEXT = '\u0001null';
const split = (text) =>
	text.split('\u001e').filter((row) => row !== '').map((row) =>
		row.split('\u001f').map((value) => (value === NULL_TEXT ? null : value)));

export async function startPostgres({ settings = {}, env = {} } = {}) {
	const bin = binaryFolder();
	const folder = temporaryFolder('pensum-pg-');
	const data = path.join(folder.path, 'data');
	const user = await postgresUser();
	const as = { ...user, cwd: folder.path, env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' } };
	const pg = { folder: folder.path, process: null,
		conninfo: `host=${folder.path} user=postgres dbname=pensum` };

	if (user.uid !== undefined) fs.chownSync(folder.path, user.uid, user.gid);
	const made = await run(path.join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust',
		'-E', 'UTF8', '--locale=C.UTF-8', '--no-sync'], as);
	if (made.code !== 0) throw new Error(`initdb: ${made.stderr}`);

	const psql = (database, args, input) => run(path.join(bin, 'psql'), ['-X', '-q', '-v',
		'ON_ERROR_STOP=1', '-h', folder.path, '-U', 'postgres', '-d', database, ...args], { input });

	pg.start = async () => {
		const options = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off',
			max_connections: 60, shared_buffers: '16MB', listen_addresses: '',
			unix_socket_directories: folder.path, ...settings };
		pg.process = startProcess(path.join(bin, 'postgres'), ['-D', data,
			...Object.entries(options).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
			{ ...as, env: { ...as.env, ...env } });
		await until('PostgreSQL', async () => {
			if (pg.process.ended) throw new Error(pg.process.text());
			return (await psql('postgres', ['-c', 'SELECT 1'])).code === 0;
		}, 30_000, 50);
	};
	pg.script = async (sql) => {
		const done = await psql('pensum', ['-f', '-'], sql);
		if (done.code !== 0) throw new Error(`psql: ${done.stderr}`);
	};
	pg.query = async (sql) => {
		// An argument may not be longer than 128 KiB.
		const words = sql.length < 100_000 ? [['-c', sql]] : [['-f', '-'], sql];
		const done = await psql('pensum', ['-A', '-t', '-F', '\u001f', '-R', '\u001e',
			'-P', `null=${NULL_TEXT}`, ...words[0]], words[1]);
		if (done.code !== 0) throw new Error(`psql: ${done.stderr}`);
		return split(done.stdout.replace(/\n$/, ''));
	};
	pg.schema = async () => {
		const files = fs.readdirSync(sqlFolder).filter((name) => name.endsWith('.sql')).sort();
		await pg.script('CREATE SCHEMA IF NOT EXISTS pensum;');
		for (const name of files) await pg.script(fs.readFileSync(path.join(sqlFolder, name), 'utf8'));
	};
	pg.kill = () => pg.process.stop('SIGQUIT'); // immediate shutdown
	pg.restart = async () => {
		await pg.kill();
		await pg.start();
	};
	pg.stop = async () => {
		await pg.process.stop('SIGQUIT');
		folder.remove();
	};
	await pg.start();
	await psql('postgres', ['-c', 'CREATE DATABASE pensum']);
	return pg;
}
