// The gateway with real Redis and PostgreSQL and no worker: what a worker would do is written to
// the database by the test.
//
//   const world = await startGateway();
//   const maya = await world.student('maya');     signed in, as a row of pensum.sessions
//   await maya.post('/api/v1/checks', { courses: [1] })   → { status, headers, json, text }
//   await world.giveCourses(maya); await world.giveAssignments(maya);
//   await world.sql`SELECT … ${value}`            values quoted
//   await world.stop();
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { buildFolder, programPath, startDaemon, writeKey } from './daemon.mjs';
import { loadContract } from './openapi.mjs';
import { startPostgres } from './postgres.mjs';
import { freePort, run, temporaryFolder, until } from './process.mjs';
import { startRedis } from './redis.mjs';
import { fetch } from './waiting.mjs';

const contract = loadContract();
const root = path.join(path.dirname(new URL(import.meta.url).pathname), '..', '..');
export const SITE = { id: 'default', name: 'Test Moodle', url: 'https://moodle.test' };

export const newId = () => crypto.randomBytes(12).toString('hex');
export const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
const quote = (value) => (value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`);

// A browser without a page: keeps the cookie. Each answer must be one that openapi.json documents.
export class Browser {
	constructor(url, cookie = '') {
		Object.assign(this, { url, cookie });
	}

	async request(method, target, body, headers = {}) {
		const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
		const response = await fetch(this.url + target, {
			method,
			redirect: 'manual',
			headers: {
				...(this.cookie && { cookie: this.cookie }),
				...(body !== undefined && { 'content-type': 'application/json' }),
				...headers,
			},
			body: body === undefined || isRaw ? body : JSON.stringify(body),
		});
		const bytes = Buffer.from(await response.arrayBuffer());
		const text = bytes.toString();
		const isJson = /json/.test(response.headers.get('content-type') ?? '');
		const set = response.headers.get('set-cookie');
		if (set) this.cookie = set.split(';')[0];
		const answer = { status: response.status, headers: response.headers, bytes, text,
			json: isJson ? JSON.parse(text) : null };
		contract.judge(method, target, answer);
		return answer;
	}

	get = (target, headers) => this.request('GET', target, undefined, headers);
	post = (target, body, headers) => this.request('POST', target, body, headers);
	delete = (target, headers) => this.request('DELETE', target, undefined, headers);
}

export const COURSES = [
	{ id: 11, name: 'Algorithms', shortname: 'CS201', url: `${SITE.url}/course/view.php?id=11`, state: 'inprogress' },
	{ id: 12, name: 'Statistics & "Probability"', shortname: 'MA110', url: `${SITE.url}/course/view.php?id=12`, state: 'past' },
	{ id: 13, name: 'Sprachwissenschaft — अक्षर', shortname: 'LI1', url: `${SITE.url}/course/view.php?id=13`, state: 'future' },
];

export const STUDENT = { name: 'Maya Lindqvist', roll: '42' };
export const order = (assignments, more = {}) => ({ assignments, student: STUDENT, format: 'docx', draft: 'template', ...more });

// "ready" is said before the databases are reached: until then a gateway counts for itself, and may answer 503.
const joined = (url) => until('gateway with its databases', async () => {
	const { degraded = [] } = await (await fetch(`${url}/health`)).json();
	return !['redis', 'postgres'].some((part) => degraded.includes(part));
});

// redis, postgres: options of startRedis() and startPostgres(); env: of the gateways.
export async function startGateway({ settings = {}, redis: redisOptions, postgres: postgresOptions, env = {} } = {}) {
	const folder = temporaryFolder('pensum-g-');
	const [redis, postgres] = await Promise.all([startRedis(redisOptions), startPostgres(postgresOptions)]);
	const [port, adminPort] = [await freePort(), await freePort()];
	const all = {
		'site.name': SITE.name, 'site.url': SITE.url,
		'redis.address': redis.address, 'postgres.conninfo': postgres.conninfo,
		'secrets.key_file': writeKey(folder.path),
		'gateway.listen': `127.0.0.1:${port}`, 'gateway.admin_listen': `127.0.0.1:${adminPort}`,
		'gateway.web_dir': path.join(root, 'gateway', 'web'),
		'gateway.sql_dir': path.join(root, 'deploy', 'sql'),
		'documents.dir': path.join(folder.path, 'documents'),
		...settings,
	};
	const world = { folder: folder.path, redis, postgres, settings: all, url: `http://127.0.0.1:${port}`,
		adminUrl: `http://127.0.0.1:${adminPort}`, daemons: [] };

	const environment = Object.fromEntries(Object.entries(all).map(([key, value]) =>
		[`PENSUM_${key.replaceAll('.', '_').toUpperCase()}`, String(value)]));
	world.runGateway = (args, env = {}) => run(programPath('pensum-gateway'), ['--config', '/dev/null', ...args],
		{ env: { PATH: process.env.PATH, ...environment, ...env } });

	// One more gateway on the same databases (other ports), or the first one again. wrap: as startDaemon()'s.
	world.start = async (more = {}, { wrap } = {}) => {
		const daemon = await startDaemon('pensum-gateway', { settings: { ...all, ...more }, ready: /msg="ready"/, env, wrap });
		world.daemons.push(daemon);
		return daemon;
	};
	world.startSecond = async (more = {}, options) => {
		const [a, b] = [await freePort(), await freePort()];
		const daemon = await world.start({ 'gateway.listen': `127.0.0.1:${a}`, 'gateway.admin_listen': `127.0.0.1:${b}`, ...more }, options);
		await joined(`http://127.0.0.1:${a}`);
		return { daemon, url: `http://127.0.0.1:${a}` };
	};
	world.browser = (cookie) => new Browser(world.url, cookie);
	world.sql = (strings, ...values) => postgres.query(String.raw({ raw: strings }, ...values.map(quote)));
	world.jobCount = async () => Number((await world.sql`SELECT count(*) FROM pensum.jobs`)[0][0]);

	world.signIn = async (username, password, headers) => {
		const browser = world.browser();
		return { browser, answer: await browser.post('/api/v1/session', { username, password }, headers) };
	};
	// Finishes a job as its worker's transaction does.
	world.finish = async (jobId, state, { code = null, message = null, result = null } = {}) => {
		await world.sql`SELECT pensum.job_claim(${jobId}, 0, 'h:checker:1')`;
		const [[ok]] = await world.sql`SELECT pensum.job_finish(${jobId}, 1, 'h:checker:1', ${state}, 5,
			${result && JSON.stringify(result)}, ${code}, ${message})`;
		if (ok !== 't') throw new Error(`${jobId} is not finished: ${ok}`);
	};

	world.student = async (username, userId = newId() + newId().slice(0, 8)) => {
		const token = crypto.randomBytes(32).toString('base64url');
		await world.sql`INSERT INTO pensum.users (id, site, username, fullname) VALUES (${userId}, ${SITE.url},
			${username}, ${`${username} Example`}) ON CONFLICT DO NOTHING`;
		await world.sql`INSERT INTO pensum.sessions (token_hash, user_id, active, expires_at)
			VALUES (${sha256(token)}, ${userId}, true, now() + interval '1 hour')`;
		return Object.assign(world.browser(`pensum_session=${token}`), { userId, token, username });
	};
	world.giveCourses = (student, courses = COURSES) => world.sql`INSERT INTO pensum.course_lists
		(user_id, courses, expires_at) VALUES (${student.userId}, ${JSON.stringify(courses)}, now() + interval '1 hour')`;
	// Two courses checked, one of them in vain; assignments first … first + count - 1 in course 11.
	world.giveAssignments = async (student, first = 301, count = 6) => {
		await world.sql`INSERT INTO pensum.course_checks (user_id, course_id, course_name, failure_code, failure_message)
			VALUES (${student.userId}, 11, 'Algorithms', NULL, NULL),
			(${student.userId}, 12, 'Statistics', 'course_hidden', 'Not available.')`;
		await world.sql`INSERT INTO pensum.assignments (user_id, cmid, course_id, name, url, section, due, due_text,
			status, pending, position) SELECT ${student.userId}, ${first} + i, 11, 'Sheet ' || i,
			${SITE.url} || '/mod/assign/view.php?id=' || (${first} + i), 'Week 1', '2030-05-01T10:00:00Z', '1 May',
			'none', true, i FROM generate_series(0, ${count} - 1) i`;
	};
	// The sealed Moodle session of a cached sign-in; the program knows how verifiers are made.
	world.giveMoodleSession = async (userId, password, inSeconds = 3600) => {
		const made = await run(path.join(buildFolder, 'tests', 'e2e', 'make_verifier'), [userId, password],
			{ env: { PATH: process.env.PATH, PENSUM_SECRETS_KEY_FILE: all['secrets.key_file'] } });
		if (made.code !== 0) throw new Error(made.stderr);
		await world.sql`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
			VALUES (${userId}, 'c2VhbGVk', ${made.stdout.trim()}, now() + ${inSeconds} * interval '1 second')
			ON CONFLICT (user_id) DO UPDATE SET verifier = excluded.verifier, expires_at = excluded.expires_at`;
	};
	world.giveDocument = async (student, { id = newId(), bytes = 'PK document', name = 'Essay ü.docx', inSeconds = 3600 } = {}) => {
		const object = `${student.userId}/${id}.docx`;
		const file = path.join(all['documents.dir'], object);
		fs.mkdirSync(path.dirname(file), { recursive: true });
		fs.writeFileSync(file, bytes);
		await world.sql`INSERT INTO pensum.documents (id, user_id, job_id, cmid, title, course_name, file_name, format,
			object, bytes, content_hash, expires_at) VALUES (${id}, ${student.userId}, ${newId()}, 301, 'Essay',
			'Algorithms', ${name}, 'docx', ${object}, ${Buffer.byteLength(bytes)}, 'x', now() + ${inSeconds} * interval '1 second')`;
		return { id, file };
	};

	// For whoever reads why a test has waited in vain: what PostgreSQL does, for whom, and the newest log.
	world.state = async () => {
		const backends = await world.sql`SELECT pid, application_name, state, wait_event, pg_blocking_pids(pid),
			now() - query_start, left(query, 120) FROM pg_stat_activity WHERE datname = 'pensum' AND pid <> pg_backend_pid()`.catch((e) => [[e.message]]);
		return [...backends.map((backend) => backend.join(' | ')), ...(world.daemons.at(-1)?.lines.slice(-20) ?? [])].join('\n');
	};
	world.stop = async () => {
		const errors = [];
		for (const daemon of world.daemons) if (!daemon.ended) await daemon.stop().catch((e) => errors.push(e));
		await postgres.stop();
		await redis.stop();
		folder.remove();
		if (errors.length > 0) throw errors[0];
	};
	try {
		const migrated = await world.runGateway(['--migrate']);
		if (migrated.code !== 0) throw new Error(`migrate: ${migrated.stderr}`);
		await world.start();
		await joined(world.url);
	} catch (error) {
		await world.stop().catch(() => {});
		throw error;
	}
	return world;
}
