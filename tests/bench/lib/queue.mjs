// The story of tests/bench/queue; what is measured and how stands there.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newId, startGateway } from '../../support/gateway.mjs';
import { startDaemon } from '../../support/daemon.mjs';
import { sleep, startProcess, temporaryFolder, until } from '../../support/process.mjs';
import { cpuMsOf } from './proc.mjs';
import { printFigures, printTable } from './queue-report.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const STUDENTS = 3000;
const SLOTS = 8;
const CONNECTIONS = 32;
const TURNS = 4, TURN_JOBS = 5000, WARM_JOBS = 500;
const BULK = 5, BULK_TURNS = 3;
const PEAK_JOBS = 10_000;
const START_TURNS = 3, START_JOBS = 100, PAUSE_MS = 15;
const SESSIONS = 1000;
const SLOT_CRASHES = 5, WORKER_CRASHES = 2;
const COURSE = 100, HANGING_COURSE = 999, ASSIGNMENT = 301;
const BULL_DB = 1, FRONT_DB = 2; // of the same Redis server

const OURS = 'pensum', BULL = 'bullmq', FRONT = 'bullmq, durable';
const checkOf = (course) => ['/api/v1/checks', { courses: [course] }];
const ORDER = ['/api/v1/documents', { assignments: Array.from({ length: BULK }, (_, i) => ASSIGNMENT + i),
	student: { name: '', roll: '' }, format: 'docx', draft: 'template' }];

const say = (text) => process.stderr.write(`bench: ${text}\n`);
const nowNs = () => process.hrtime.bigint();

// A program that is told something by a line and answers with one.
function startHand(command, args, what) {
	const p = startProcess(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
	const lines = readline.createInterface({ input: p.child.stdout })[Symbol.asyncIterator]();
	const hear = async () => {
		const { value, done } = await lines.next();
		if (done || value.startsWith('error')) throw new Error(`${what}: ${value ?? 'ended'}`);
		return value;
	};
	return {
		pid: p.pid,
		hear,
		ask(line) {
			p.child.stdin.write(`${line}\n`);
			return hear();
		},
		stop: () => p.stop('SIGKILL'),
	};
}

// What the handlers wrote: job → its starts, [{ attempt, ns }].
function startsIn(file) {
	const all = new Map();
	for (const line of fs.existsSync(file) ? fs.readFileSync(file, 'latin1').split('\n') : []) {
		const [job, attempt, ns] = line.split(' ');
		if (ns) all.set(job, [...(all.get(job) ?? []), { attempt: Number(attempt), ns: BigInt(ns) }]);
	}
	return all;
}

// ---- the two sides: submit(count), submitted(), waitFinished(), start latencies ----

class Ours {
	name = OURS;

	constructor(world, folder, cookies) {
		Object.assign(this, { world, folder, starts: path.join(folder, 'starts-ours') });
		this.port = new URL(world.url).port;
		this.client = startHand(process.env.BENCH_SUBMITS, [this.port, cookies], 'submits');
	}

	async startWorker(settings = {}, queue = 'checker') {
		return startDaemon('pensum-bench-worker', { ready: /worker ready/, env: { BENCH_STARTS: this.starts, BENCH_QUEUE: queue },
			settings: { ...this.world.settings, [`${queue}.slots`]: SLOTS, 'worker.host': 'a',
				'worker.spool_dir': this.folder, ...settings } });
	}

	async open(queue) {
		this.worker = await this.startWorker({}, queue);
	}

	async close() {
		await this.worker?.stop();
		this.worker = null;
	}

	roots = () => [this.world.daemons[0].pid, this.worker.pid, this.world.postgres.process.pid, this.world.redis.process.pid];

	async submit(count, atOnce = CONNECTIONS, [target, body] = checkOf(COURSE)) {
		const [, firstNs, lastNs, job] = (await this.client.ask(`submit ${count} ${atOnce} ${target} ${JSON.stringify(body)}`)).split(' ');
		return { firstNs: BigInt(firstNs), lastNs: BigInt(lastNs), job };
	}

	left = async () => Number((await this.world.sql`SELECT count(*) FROM pensum.jobs WHERE finished_at IS NULL`)[0][0]);

	// Answers when the last of them ended, by the record's own clock.
	async run(count, bulk = 1) {
		const offsetMs = Date.now() - Number(nowNs() / 1_000_000n);
		const { firstNs, lastNs } = await this.submit(count / bulk, CONNECTIONS, bulk > 1 ? ORDER : undefined);
		await until('end of all jobs', async () => (await this.left()) === 0, 60_000, 100);
		const [[ended, bad]] = await this.world.sql`SELECT extract(epoch FROM max(finished_at)) * 1000,
			count(*) FILTER (WHERE state <> 'succeeded' OR attempt <> 1) FROM pensum.jobs`;
		if (bad !== '0') throw new Error(`${bad} jobs did not end well at once`);
		const firstMs = Number(firstNs / 1000n) / 1000;
		return { seconds: (Number(ended) - offsetMs - firstMs) / 1000, addSeconds: Number(lastNs - firstNs) / 1e9 };
	}

	async startOne() {
		const { firstNs, job } = await this.submit(1, 1);
		await until('end of the job', async () => (await this.world.redis.command('HGET', `pensum:job:${job}`, 's')) === 'succeeded',
			10_000, 2);
		return { firstNs, job };
	}
}

class Bull {
	name = BULL;
	db = BULL_DB;

	constructor(world, folder) {
		Object.assign(this, { world, folder, starts: path.join(folder, 'starts-bull') });
	}

	start = async (role, more = {}) => {
		const hand = startHand(process.execPath, [path.join(here, 'bull.mjs'), JSON.stringify({ role, ...more, redis: this.world.redis.socketPath,
			db: this.db, concurrency: SLOTS, starts: this.starts })], `bullmq's ${role}`);
		await hand.hear();
		return hand;
	};

	async openProducer() {
		this.producer = await this.start('producer');
	}

	async open() {
		await this.openProducer();
		this.worker = await this.start('worker');
	}

	async close() {
		await this.producer?.stop();
		await this.worker?.stop();
		this.producer = this.worker = null;
	}

	roots = () => [this.producer.pid, this.worker.pid, this.world.redis.process.pid];

	submit = async (count, atOnce = CONNECTIONS, bulk = 1) =>
		JSON.parse(await this.producer.ask(JSON.stringify({ add: count, atOnce, bulk })));

	async run(count, bulk) {
		const { firstNs, lastNs } = await this.submit(count, CONNECTIONS, bulk);
		const { lastNs: ended } = await this.wait(count);
		return { seconds: Number(BigInt(ended) - BigInt(firstNs)) / 1e9, addSeconds: Number(BigInt(lastNs) - BigInt(firstNs)) / 1e9 };
	}

	wait = async (count) => JSON.parse(await this.worker.ask(JSON.stringify({ wait: count })));

	async startOne() {
		const { firstNs, job } = await this.submit(1, 1);
		await this.wait(1);
		return { firstNs: BigInt(firstNs), job };
	}
}

// BullMQ with the promise that ours makes: what has been answered over HTTP is on the disk.
class Front extends Bull {
	name = FRONT;
	db = FRONT_DB;

	constructor(world, folder, cookies) {
		super(world, folder);
		this.cookies = cookies;
	}

	async openProducer() {
		const port = await freePort();
		this.producer = await this.start('front', { port });
		this.client = startHand(process.env.BENCH_SUBMITS, [String(port), this.cookies], 'submits');
	}

	async close() {
		await this.client?.stop();
		await super.close();
	}

	submit = (count, atOnce) => Ours.prototype.submit.call(this, count, atOnce);

	async enter() {
		const { redis } = this.world;
		await redis.command('CONFIG', 'SET', 'appendfsync', 'always');
		await redis.command('CONFIG', 'SET', 'appendonly', 'yes');
		await until('the file of commands', async () => {
			const info = await redis.command('INFO', 'persistence');
			return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
		});
	}

	leave = () => this.world.redis.command('CONFIG', 'SET', 'appendonly', 'no');
}

// ---- jobs a second ----

async function measureTurn(side, count, bulk) {
	await side.enter?.();
	const before = cpuMsOf(side.roots());
	const turn = await side.run(count, bulk);
	await side.leave?.();
	return { ...turn, jobsPerS: count / turn.seconds, addsPerS: count / turn.addSeconds, cpuMs: (cpuMsOf(side.roots()) - before) / count };
}

async function measureThroughput(sides, turns, bulk = 1) {
	const results = Object.fromEntries(sides.map((side) => [side.name, []]));
	for (const side of sides) await side.run(WARM_JOBS, bulk);
	for (let turn = 0; turn < turns; turn++) {
		say(`${TURN_JOBS} jobs, ${bulk} at a time, turn ${turn + 1} of ${turns}`);
		for (const side of turn % 2 ? [...sides].reverse() : sides) results[side.name].push(await measureTurn(side, TURN_JOBS, bulk));
	}
	return results;
}

// ---- the start of a job on an idle system ----

async function measureStarts(sides) {
	const results = { [OURS]: [], [BULL]: [] };
	for (let turn = 0; turn < START_TURNS; turn++) {
		say(`starts, turn ${turn + 1} of ${START_TURNS}`);
		for (const side of turn % 2 ? [...sides].reverse() : sides) {
			const asked = [];
			for (let i = 0; i < START_JOBS; i++) {
				asked.push(await side.startOne());
				await sleep(PAUSE_MS);
			}
			const starts = startsIn(side.starts);
			// the last one: BullMQ gives its numbers again after a FLUSHALL
			for (const { firstNs, job } of asked) results[side.name].push(Number(starts.get(job).at(-1).ns - firstNs) / 1e6);
		}
	}
	return results;
}

// ---- Redis memory ----

const usedBytes = async (world) => Number(/used_memory:(\d+)/.exec(await world.redis.command('INFO', 'memory'))[1]);

async function watchPeak(world, work) {
	let peak = 0, over = false;
	const watch = (async () => {
		while (!over) {
			peak = Math.max(peak, await usedBytes(world));
			await sleep(20);
		}
	})();
	const result = await work();
	over = true;
	await watch;
	return { result, peak };
}

async function measureSessions(world, cookies) {
	const visit = async (target) => {
		for (let at = 0; at < SESSIONS; at += 20)
			await Promise.all(cookies.slice(at, at + 20).map(async (cookie, i) => {
				const response = await fetch(world.url + target, { headers: { cookie, 'x-forwarded-for': `10.9.${at / 20}.${i}` } });
				if (response.status !== 200) throw new Error(`${target}: ${response.status} ${await response.text()}`);
				await response.arrayBuffer();
			}));
	};
	const empty = await usedBytes(world);
	await visit('/api/v1/session');
	const plain = await usedBytes(world);
	await visit('/api/v1/courses');
	return { plain: plain - empty, withCourses: (await usedBytes(world)) - empty };
}

async function measureMemory(side, world) {
	say(`Redis memory of ${PEAK_JOBS} jobs of ${side.name}`);
	const before = await usedBytes(world);
	const { result: submitted, peak: waitingPeak } = await watchPeak(world, async () => {
		if (side.name === BULL) await side.openProducer();
		return side.submit(PEAK_JOBS);
	});
	const waiting = (await usedBytes(world)) - before;
	const { peak } = await watchPeak(world, async () => {
		if (side.name === OURS) {
			await side.open();
			await until('end of all jobs', async () => (await side.left()) === 0, 90_000, 200);
		} else {
			side.worker = await side.start('worker');
			await side.wait(PEAK_JOBS);
		}
	});
	const finished = (await usedBytes(world)) - before;
	await side.close();
	return { submitted, waiting: waiting / PEAK_JOBS, finished: finished / PEAK_JOBS, peakMb: Math.max(waitingPeak, peak) / 1e6 };
}

// ---- crashes ----

const slotOf = (worker, job) => until('start of the hanging job', () => {
	const line = worker.lines.find((l) => l.includes('job started') && l.includes(job));
	return line && Number(/pid=(\d+)/.exec(line)[1]);
});

const startedAgain = (ours, job) => until('next attempt', () => {
	const again = startsIn(ours.starts).get(job)?.find((start) => start.attempt === 2);
	return again?.ns;
}, 60_000, 20);

async function measureSlotCrashes(ours) {
	const worker = await ours.startWorker({ 'log.level': 'info' });
	const seconds = [];
	for (let i = 0; i < SLOT_CRASHES; i++) {
		const { job } = await ours.submit(1, 1, checkOf(HANGING_COURSE));
		const pid = await slotOf(worker, job);
		const killed = nowNs();
		process.kill(pid, 'SIGKILL');
		seconds.push(Number((await startedAgain(ours, job)) - killed) / 1e9);
		await sleep(600); // a slot that has just been started is not started again at once
	}
	await worker.stop();
	return seconds;
}

async function measureWorkerCrashes(ours) {
	const seconds = [];
	for (let i = 0; i < WORKER_CRASHES; i++) {
		say(`death of a worker, ${i + 1} of ${WORKER_CRASHES}`);
		const worker = await ours.startWorker({ 'log.level': 'info', 'worker.host': `dies${i}` });
		const { job } = await ours.submit(1, 1, checkOf(HANGING_COURSE));
		await slotOf(worker, job);
		const other = await ours.startWorker({ 'worker.host': `lives${i}` });
		const killed = nowNs();
		await worker.kill();
		seconds.push(Number((await startedAgain(ours, job)) - killed) / 1e9);
		await other.stop();
	}
	return seconds;
}

// ---- the world ----

const courseList = [...Array.from({ length: 9 }, (_, i) => COURSE + i), HANGING_COURSE].map((id, i) => ({ id,
	name: id === HANGING_COURSE ? 'hang' : `Course ${i}: methods and applications`, shortname: `C${i}`,
	url: `https://moodle.test/course/view.php?id=${id}`, state: 'inprogress' }));

async function makeStudents(world) {
	const students = Array.from({ length: STUDENTS }, () => ({ token: newId() + newId().slice(0, 19), userId: newId() + newId().slice(0, 8) }));
	await world.postgres.script(`CREATE TEMPORARY TABLE t AS SELECT * FROM (VALUES
		${students.map((s) => `('${s.token}', '${s.userId}')`).join(',')}) v (token, id);
		INSERT INTO pensum.users (id, site, username, fullname) SELECT id, 'https://moodle.test', id, 'Student ' || id FROM t;
		INSERT INTO pensum.sessions (token_hash, user_id, active, expires_at)
		SELECT encode(sha256(convert_to(token, 'UTF8')), 'hex'), id, true, now() + interval '1 hour' FROM t;
		INSERT INTO pensum.course_lists (user_id, courses, expires_at)
		SELECT id, '${JSON.stringify(courseList)}', now() + interval '1 hour' FROM t;
		INSERT INTO pensum.course_checks (user_id, course_id, course_name) SELECT id, ${COURSE}, 'Course 0' FROM t;
		INSERT INTO pensum.assignments (user_id, cmid, course_id, name, url, status, pending, position)
		SELECT id, ${ASSIGNMENT} + i, ${COURSE}, 'Sheet ' || i, 'https://moodle.test/mod/assign/view.php?id=' || i, 'none', true, i
		FROM t, generate_series(0, ${BULK} - 1) i;
		ANALYZE pensum.sessions, pensum.users, pensum.course_lists, pensum.course_checks, pensum.assignments;`);
	return students.map((s) => `pensum_session=${s.token}`);
}

const freePort = () => new Promise((resolve) => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

const folder = temporaryFolder('pensum-bench-');
// These jobs visit no site, so none limits them.
const world = await startGateway({ settings: { 'log.level': 'notice', 'site.max_running': 0 },
	postgres: { settings: { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', shared_buffers: '128MB' } } });
let ours, bull, front;
try {
	await world.redis.command('CONFIG', 'SET', 'maxmemory', '64mb');
	await world.redis.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
	const cookies = await makeStudents(world);
	const cookieFile = path.join(folder.path, 'cookies');
	fs.writeFileSync(cookieFile, cookies.map((cookie) => `${cookie}\n`).join(''));
	ours = new Ours(world, folder.path, cookieFile);
	bull = new Bull(world, folder.path);
	front = new Front(world, folder.path, cookieFile);
	fs.mkdirSync(world.settings['documents.dir'], { recursive: true });
	const results = { slots: SLOTS, connections: CONNECTIONS };
	results.sessions = await measureSessions(world, cookies);
	results.memory = { [OURS]: await measureMemory(ours, world) };
	await world.redis.command('FLUSHALL');
	results.memory[BULL] = await measureMemory(bull, world);
	await world.redis.command('FLUSHALL');
	await ours.open();
	await bull.open();
	results.starts = await measureStarts([ours, bull]);
	await front.open();
	results.throughput = await measureThroughput([ours, bull, front], TURNS);
	await front.close();
	await ours.close();
	await ours.open('docgen');
	results.bulk = await measureThroughput([ours, bull], BULK_TURNS, BULK);
	await ours.close();
	await bull.close();
	results.slotCrashes = await measureSlotCrashes(ours);
	results.workerCrashes = await measureWorkerCrashes(ours);
	printTable(results, { ours: OURS, bull: BULL, front: FRONT });
	printFigures(results, { ours: OURS, bull: BULL, front: FRONT });
} finally {
	await ours?.client.stop();
	await ours?.close().catch(() => {});
	await bull?.close();
	await front?.close();
	await world.stop();
	folder.remove();
}
