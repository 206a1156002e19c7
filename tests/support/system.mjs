// The whole of Pensum on private sockets: Redis, PostgreSQL, the stand-in Moodle, all four daemons.
//
//   const system = await startSystem();
//   system.url, system.redis, system.postgres, system.moodle (startMoodle()), system.daemons
//   const p = system.client();                  a Pensum of pensum.mjs
//   await system.restart('browser-pool');       after a kill -9, as systemd would
//   await system.stop();                        every daemon must end with 0, sanitizers silent
//
// The system keeps dead daemons dead unless `supervised` is set: then each is started again at once,
// as systemd does. wrap: as that of startDaemon, for each of the daemons.
import path from 'node:path';
import { startMoodle } from '../moodle/server.mjs';
import { programPath, startDaemon, writeKey } from './daemon.mjs';
import { Pensum } from './pensum.mjs';
import { startPostgres } from './postgres.mjs';
import { freePort, run, temporaryFolder, until } from './process.mjs';
import { startRedis } from './redis.mjs';
import { fetch } from './waiting.mjs';

const webFolder = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..', '..', 'gateway', 'web');
const sqlFolder = path.join(webFolder, '..', '..', 'deploy', 'sql');
const DAEMONS = ['browser-pool', 'gateway', 'checker-worker', 'docgen-worker'];
const READY = { 'browser-pool': /prog=browser-pool/, gateway: /prog=gateway msg="ready"/, 'checker-worker': /worker ready/, 'docgen-worker': /worker ready/ };

export async function startSystem({ settings = {}, moodle = {}, moodleUrl, supervised = false, wrap } = {}) {
	const folder = temporaryFolder('pensum-s-');
	const redis = await startRedis();
	const postgres = await startPostgres();
	const site = moodleUrl ? null : await startMoodle(moodle);
	const [port, adminPort] = [await freePort(), await freePort()];
	const all = {
		'site.name': 'Stand-in Moodle', 'site.url': moodleUrl ?? site.url,
		'redis.address': redis.address, 'postgres.conninfo': postgres.conninfo,
		'secrets.key_file': writeKey(folder.path),
		'gateway.listen': `127.0.0.1:${port}`, 'gateway.admin_listen': `127.0.0.1:${adminPort}`,
		'gateway.web_dir': webFolder, 'gateway.sql_dir': sqlFolder,
		'documents.dir': path.join(folder.path, 'documents'),
		'worker.spool_dir': path.join(folder.path, 'spool'),
		'pool.socket': path.join(folder.path, 'pool.sock'),
		'pool.run_dir': path.join(folder.path, 'browsers'),
		'pool.sandbox': process.getuid() === 0 ? 'off' : 'on',
		'jobs.retry_base_ms': 200,
		...settings,
	};
	const system = { url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${adminPort}`,
		folder: folder.path, redis, postgres, moodle: site, settings: all, daemons: {}, log: [], stopping: false };

	async function start(name) {
		const daemon = await startDaemon(`pensum-${name}`, { settings: all, ready: READY[name], wrap });
		system.daemons[name] = daemon;
		system.log.push(daemon);
		daemon.exited.then(() => {
			if (supervised && !system.stopping) start(name).catch(() => {});
		});
	}
	system.restart = start;
	system.client = (options) => new Pensum(system.url, options);
	system.logText = () => system.log.map((daemon) => daemon.text()).join('\n');
	system.stop = async () => {
		system.stopping = true;
		const errors = [];
		for (const name of ['gateway', 'checker-worker', 'docgen-worker', 'browser-pool']) {
			if (system.daemons[name] && !system.daemons[name].ended) await system.daemons[name].stop().catch((e) => errors.push(e));
		}
		await site?.close();
		await postgres.stop();
		await redis.stop();
		folder.remove();
		if (errors.length) throw errors[0];
	};
	try {
		const config = Object.entries(all).map(([k, v]) => [`PENSUM_${k.replaceAll('.', '_').toUpperCase()}`, String(v)]);
		const migrated = await run(programPath('pensum-gateway'), ['--config', '/dev/null', '--migrate'],
			{ env: { PATH: process.env.PATH, ...Object.fromEntries(config) } });
		if (migrated.code !== 0) throw new Error(`migrate: ${migrated.stderr}`);
		for (const name of DAEMONS) await start(name);
		await until('an answer of the gateway', () => fetch(`${system.url}/health`).then((r) => r.ok, () => false));
	} catch (error) {
		system.stopping = true;
		console.error(system.logText());
		await system.stop().catch(() => {});
		throw error;
	}
	return system;
}
