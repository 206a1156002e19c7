// A gateway with its own Redis and PostgreSQL, and the words that these tests say to them.
import crypto from 'node:crypto';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDaemon, writeKey } from '../../support/daemon.mjs';
import { startPostgres } from '../../support/postgres.mjs';
import { startRedis } from '../../support/redis.mjs';
import { until } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { openWs } from '../../support/ws.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const webFolder = path.join(here, '..', '..', '..', 'gateway', 'web');

export const newId = () => crypto.randomBytes(12).toString('hex');
export const newUser = () => crypto.randomBytes(16).toString('hex');
const quote = (value) => (value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`);

export async function startStack({ settings = {}, env = {} } = {}) {
	const [redis, pg] = await Promise.all([startRedis(), startPostgres()]);
	await pg.schema();
	const stack = { redis, pg };

	stack.startGateway = async () => {
		stack.gateway = await startDaemon('pensum-gateway', {
			ready: /msg="ready"/,
			env,
			settings: {
				'gateway.listen': '127.0.0.1:0', 'gateway.admin_listen': '127.0.0.1:0',
				'gateway.web_dir': webFolder, 'redis.address': redis.address,
				'postgres.conninfo': pg.conninfo, 'secrets.key_file': writeKey(redis.folder),
				'site.url': 'http://127.0.0.1:1', ...settings,
			},
		});
		const port = (who) => Number(new RegExp(`port=(\\d+) for=${who}`)
			.exec(stack.gateway.text())[1]);
		stack.port = port('everyone');
		stack.adminPort = port('operators');
		stack.url = `http://127.0.0.1:${stack.port}`;
		await until('gateway with its databases', async () => {
			const health = await stack.health();
			return !['redis', 'postgres', 'database'].some((part) =>
				health.degraded?.includes(part));
		});
	};
	stack.health = async () => (await fetch(`${stack.url}/health`)).json();

	// A browser that is signed in: { cookie, user, hash }.
	stack.session = async ({ user = newUser(), active = true, job = null, seconds = 3600 } = {}) => {
		const token = crypto.randomBytes(32).toString('base64url');
		const hash = crypto.createHash('sha256').update(token).digest('hex');
		await pg.query(`INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active,
			expires_at) VALUES (${quote(hash)}, ${quote(user)}, ${quote(job)}, ${active},
			now() + interval '${seconds} seconds')`);
		return { cookie: `pensum_session=${token}`, user, hash };
	};
	stack.job = async (session, { kind = 'check', state = 'queued', attempt = 0, n = 0,
		id = newId(), own = false } = {}) => {
		await pg.query(`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, session_hash,
			input, state, attempt, event_n) VALUES (${quote(id)}, ${quote(kind)}, 'checker',
			'normal', ${quote(session.user)}, ${quote(own ? session.hash : null)}, '{}',
			${quote(state)}, ${attempt}, ${n})`);
		return id;
	};
	// What a worker publishes: the stream entry and the hash.
	stack.publish = async ({ job, state = 'running', version: [k, n], step = 'reading', done = 0,
		total = 0, note = '' }) => {
		const fields = ['j', job, 's', state, 'k', k, 'n', n, 'p', step, 'd', done, 't', total,
			'm', note];
		await redis.command('HSET', `pensum:job:${job}`, ...fields);
		await redis.command('XADD', 'pensum:events', 'MAXLEN', '~', '20000', '*', ...fields);
	};
	stack.live = (session, options = {}) => openWs({ port: stack.port, ...options,
		headers: { Cookie: session?.cookie ?? null, ...options.headers } });

	// Raw bytes on a connection of their own: all that came back until it ended or fell silent.
	stack.raw = (bytes, { port = stack.port, silenceMs = 300, endMs = 5000 } = {}) =>
		new Promise((resolve, reject) => {
			const socket = net.connect(port, '127.0.0.1');
			let text = '', ended = false, timer = null;
			const finish = () => {
				clearTimeout(timer);
				socket.destroy();
				resolve({ text, ended, status: Number(text.slice(9, 12)),
					answers: [...text.matchAll(/HTTP\/\d\.\d \d{3} /g)].length,
					code: /"code":"([a-z_0-9]+)"/.exec(text)?.[1] });
			};
			const wait = (ms) => {
				clearTimeout(timer);
				timer = setTimeout(finish, ms);
			};
			socket.setEncoding('latin1');
			socket.on('connect', () => socket.write(Buffer.from(bytes, 'latin1')));
			socket.on('data', (data) => {
				text += data;
				wait(silenceMs);
			});
			socket.on('end', () => (ended = true));
			socket.on('close', finish);
			socket.on('error', (error) => (error.code === 'ECONNRESET' ? finish() : reject(error)));
			wait(endMs);
		});
	stack.stop = async () => {
		try {
			if (stack.gateway) await stack.gateway.stop();
		} finally {
			await Promise.all([redis.stop(), pg.stop()]);
		}
	};
	try {
		await stack.startGateway();
	} catch (error) {
		await stack.stop().catch(() => {});
		throw error;
	}
	return stack;
}
