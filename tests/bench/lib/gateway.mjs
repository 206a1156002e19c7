// The story of tests/bench/gateway; what is measured and how stands there.
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newId, startGateway } from '../../support/gateway.mjs';
import { startDaemon } from '../../support/daemon.mjs';
import { run, sleep, startProcess, temporaryFolder, until } from '../../support/process.mjs';
import { rssMbOf } from './proc.mjs';
import { median, percentile } from './report.mjs';

const OURS = 'pensum-gateway', NODE = 'express, ws';
const here = path.dirname(fileURLToPath(import.meta.url));
const CONNECTIONS = 32;
const TURN_S = 3;
const TURNS = 5;
const FEW = 1000, MANY = 10_000;
const USERS = 1000; // idle channels are theirs in turn
const ROUNDS = 40;  // of fan-out, in each turn
const FANOUT_TURNS = 3;
const SETTLE_MS = 1500;

const say = (text) => process.stderr.write(`bench: ${text}\n`);

// ---- the two sides ----

const freePort = () => new Promise((resolve) => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

// Servers begin anew for each thing that is measured: memory of the one before is in no number.
async function startSides(world) {
	const [ourPort, adminPort, nodePort] = [await freePort(), await freePort(), await freePort()];
	const folder = /host=(\S+)/.exec(world.postgres.conninfo)[1];
	const settings = { port: nodePort, redis: world.redis.socketPath,
		postgres: { host: folder, user: 'postgres', database: 'pensum' } };
	const ours = await startDaemon('pensum-gateway', { ready: /msg="ready"/, settings: { ...world.settings,
		'gateway.listen': `127.0.0.1:${ourPort}`, 'gateway.admin_listen': `127.0.0.1:${adminPort}` } });
	const node = startProcess(process.execPath, [path.join(here, 'node-gateway.mjs'), JSON.stringify(settings)]);
	await node.waitLine(/ready/, 20_000);
	return [{ name: OURS, port: ourPort, pid: ours.pid, stop: () => ours.stop() },
		{ name: NODE, port: nodePort, pid: node.pid, stop: () => node.stop('SIGKILL') }];
}

async function withSides(world, measure) {
	const sides = await startSides(world);
	try {
		return await measure(sides);
	} finally {
		for (const side of sides) await side.stop();
	}
}

// ---- requests ----

const usOf = (text) => {
	const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text);
	return Number(value) * { us: 1, ms: 1000, s: 1e6 }[unit];
};

async function measureRequests(side, student) {
	const wrk = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${TURN_S}s`, '--latency', '-H', `Cookie: ${student.cookie}`,
		`http://127.0.0.1:${side.port}/api/v1/courses`]);
	const word = (pattern) => pattern.exec(wrk.stdout)?.[1];
	if (wrk.code !== 0 || /Non-2xx|Socket errors/.test(wrk.stdout)) throw new Error(`wrk: ${wrk.stdout}${wrk.stderr}`);
	return { rps: Number(word(/Requests\/sec:\s+([\d.]+)/)), p99Us: usOf(word(/^\s+99%\s+(\S+)$/m)) };
}

async function checkAnswer(side, student, source) {
	const response = await fetch(`http://127.0.0.1:${side.port}/api/v1/courses`, { headers: { cookie: student.cookie } });
	const answer = await response.json();
	if (response.status !== 200 || answer.courses.length !== 10 || answer.source !== source)
		throw new Error(`${side.name}: ${response.status} ${JSON.stringify(answer)}`);
}

// side's name → its turns
const newResults = () => ({ [OURS]: [], [NODE]: [] });

const measureTurns = (world, student, source) => withSides(world, async (sides) => {
	const results = newResults();
	for (const side of sides)
		await until(`${side.name}'s answer from ${source}`, () => checkAnswer(side, student, source).then(() => true, () => false));
	for (let turn = 0; turn < TURNS; turn++) {
		say(`requests from ${source}, turn ${turn + 1} of ${TURNS}`);
		for (const side of turn % 2 ? [...sides].reverse() : sides)
			results[side.name].push(await measureRequests(side, student));
	}
	for (const side of sides) await checkAnswer(side, student, source);
	return results;
});

// ---- channels ----

// The bench's hand in C: a command, its answer.
function startChannels(cookieFile, redisSocket) {
	const p = startProcess(process.env.BENCH_CHANNELS, [cookieFile, redisSocket], { stdio: ['pipe', 'pipe', 'inherit'] });
	const lines = readline.createInterface({ input: p.child.stdout })[Symbol.asyncIterator]();
	return {
		async ask(command) {
			p.child.stdin.write(`${command}\n`);
			const { value, done } = await lines.next();
			if (done || value.startsWith('error')) throw new Error(value ?? 'channels ended');
			return value;
		},
		stop: () => p.stop('SIGKILL'),
	};
}

async function measureIdle(side, channels) {
	await sleep(SETTLE_MS);
	const none = rssMbOf(side.pid);
	await channels.ask(`open ${side.port} ${FEW}`);
	await sleep(SETTLE_MS);
	const few = rssMbOf(side.pid);
	await channels.ask(`open ${side.port} ${MANY - FEW}`);
	await sleep(SETTLE_MS);
	const many = rssMbOf(side.pid);
	await channels.ask('close');
	await sleep(SETTLE_MS);
	return { none, few, many };
}

async function measureFanout(side, channels, job) {
	await channels.ask(`open ${side.port} ${FEW}`);
	const answer = await channels.ask(`fanout ${job} ${ROUNDS}`);
	await channels.ask('close');
	await sleep(SETTLE_MS);
	return answer.split(' ').slice(1).map(Number);
}

const measureAllIdle = (world, cookieFile) => withSides(world, async (sides) => {
	const channels = startChannels(cookieFile, world.redis.socketPath);
	const results = newResults();
	for (const side of sides) {
		say(`${MANY} channels of ${side.name}`);
		results[side.name] = await measureIdle(side, channels);
	}
	await channels.stop();
	return results;
});

const measureAllFanout = (world, cookieFile, job) => withSides(world, async (sides) => {
	const channels = startChannels(cookieFile, world.redis.socketPath);
	const results = newResults();
	for (let turn = 0; turn < FANOUT_TURNS; turn++) {
		say(`fan-out, turn ${turn + 1} of ${FANOUT_TURNS}`);
		for (const side of sides) results[side.name].push(await measureFanout(side, channels, job));
	}
	await channels.stop();
	return results;
});

// ---- the world ----

const writeCookies = (folder, name, students) => {
	const file = path.join(folder, name);
	fs.writeFileSync(file, students.map((student) => `${student.cookie}\n`).join(''));
	return file;
};

async function makeUsers(world) {
	const users = [];
	for (let i = 0; i < USERS; i++) users.push({ token: newId() + newId().slice(0, 19), userId: newId() + newId().slice(0, 8) });
	await world.postgres.script(`INSERT INTO pensum.sessions (token_hash, user_id, active, expires_at)
		SELECT encode(sha256(convert_to(t.token, 'UTF8')), 'hex'), t.id, true, now() + interval '1 hour' FROM (VALUES
		${users.map((user) => `('${user.token}', '${user.userId}')`).join(',')}) t (token, id)`);
	return users.map((user) => ({ ...user, cookie: `pensum_session=${user.token}` }));
}

// It waits for a time that does not come, so that nobody runs it or gives it back.
async function makeJob(world, student) {
	const id = newId();
	await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, run_at)
		VALUES (${id}, 'check', 'checker', 'normal', ${student.userId}, '{}', now() + interval '1 day')`;
	return id;
}

const courses = Array.from({ length: 10 }, (_, i) => ({ id: 100 + i, name: `Course ${i}: methods and applications`,
	shortname: `C${i}`, url: `https://moodle.test/course/view.php?id=${100 + i}`, state: 'inprogress' }));

// ---- the report ----

const ratioOf = (results, member) => median(results[OURS].map((turn, i) => turn[member] / results[NODE][i][member]));

const printRow = (...cells) => console.log(cells.map((cell, i) => (i ? String(cell).padStart(17) : String(cell).padEnd(34))).join(''));

function printTable({ cached, pg, idle, fanout }) {
	const row = (what, value) => printRow(what, value(OURS), value(NODE));
	const turns = (results, member) => (side) => median(results[side].map((turn) => turn[member])).toFixed(0);
	row('', (side) => side);
	row('course list from Redis, req/s', turns(cached, 'rps'));
	row('  p99, us', turns(cached, 'p99Us'));
	row('course list from PostgreSQL, req/s', turns(pg, 'rps'));
	row('  p99, us', turns(pg, 'p99Us'));
	row('resident, no channel, MB', (side) => idle[side].none.toFixed(1));
	row(`  ${FEW} idle channels, MB`, (side) => idle[side].few.toFixed(1));
	row(`  ${MANY} idle channels, MB`, (side) => idle[side].many.toFixed(1));
	row('  by channel, KB', (side) => ((grown(idle[side]) * 1024) / MANY).toFixed(2));
	row(`fan-out to ${FEW}, p50, us`, (side) => percentile(fanout[side].flat(), 50).toFixed(0));
	row('  p99, us', (side) => percentile(fanout[side].flat(), 99).toFixed(0));
}

const grown = (memory) => memory.many - memory.none;

function printFigures({ cached, pg, idle, fanout }) {
	const p99 = (side, turn) => percentile(fanout[side][turn], 99);
	const figures = {
		cached_rps_ratio_vs_node: ratioOf(cached, 'rps'),
		pg_rps_ratio_vs_node: ratioOf(pg, 'rps'),
		rss_ratio_vs_node: idle[OURS].many / idle[NODE].many,
		idle_ws_memory_ratio_vs_node: grown(idle[OURS]) / grown(idle[NODE]),
		fanout_p99_ratio_vs_node: median(fanout[OURS].map((_, turn) => p99(OURS, turn) / p99(NODE, turn))),
	};
	console.log();
	for (const [name, value] of Object.entries(figures)) console.log(`figure gateway.${name} ${value.toFixed(2)} x`);
}

// ---- the run ----

const folder = temporaryFolder('pensum-bench-');
const world = await startGateway({ settings: { 'gateway.max_live': MANY + FEW, 'gateway.user_live': MANY,
	'gateway.max_connections': 2 * FEW, 'log.level': 'notice',
	'limits.reads_per_user': 0, 'limits.reads_per_address': 0 } });
try {
	await world.daemons[0].stop(); // the schema is there
	const student = await world.student('bench');
	await world.giveCourses(student, courses);
	await world.giveAssignments(student);
	const job = await makeJob(world, student);
	const idle = await measureAllIdle(world, writeCookies(folder.path, 'idle', await makeUsers(world)));
	const fanout = await measureAllFanout(world, writeCookies(folder.path, 'one', [student]), job);
	const cached = await measureTurns(world, student, 'redis');
	await world.redis.kill();
	const pg = await measureTurns(world, student, 'postgres');
	await world.redis.start();
	printTable({ cached, pg, idle, fanout });
	printFigures({ cached, pg, idle, fanout });
} finally {
	await world.stop();
	folder.remove();
}
