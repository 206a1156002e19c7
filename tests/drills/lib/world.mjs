// The real daemons with real Redis and PostgreSQL for drills: gateway, checker-workers on as many hosts
// as wanted, a pool whose pages are imagined and answer at once, students who are signed in.
//
//   const world = await startWorld({ students: 8, settings: {…} });
//   await world.startWorker('a', { 'checker.slots': 4 });      a host's worker; the newest is worker('a')
//   world.students                                             of gateway.mjs
//   world.log                                                  see drill.log below
//   await world.stop();
//
// drill.log is a side-effect log that nobody can rewrite: each transition of a job and each result row,
// with its transaction. It is how a doubled commit would be seen.
import fs from 'node:fs';
import path from 'node:path';
import { buildFolder, startDaemon } from '../../support/daemon.mjs';
import { startFakePool } from '../../support/fakepool.mjs';
import { startGateway } from '../../support/gateway.mjs';
import { run, until } from '../../support/process.mjs';

export const long = process.env.PENSUM_DRILLS === 'long';

const LOG = `CREATE SCHEMA drill;
	CREATE TABLE drill.log (n bigint GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT clock_timestamp(),
		xid xid8 DEFAULT pg_current_xact_id(), what text, job text COLLATE "C", user_id text, attempt integer, worker text);
	CREATE INDEX ON drill.log (job);
	CREATE INDEX ON drill.log (xid);
	CREATE FUNCTION drill.moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO drill.log (what, job, user_id, attempt, worker) VALUES (OLD.state || '>' || NEW.state,
			NEW.id, NEW.user_id, NEW.attempt, coalesce(NEW.worker, OLD.worker));
		RETURN NULL;
	END $$;
	CREATE FUNCTION drill.wrote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO drill.log (what, user_id) VALUES ('result', NEW.user_id);
		RETURN NULL;
	END $$;
	CREATE TRIGGER drill_moved AFTER UPDATE ON pensum.jobs FOR EACH ROW WHEN (NEW.state <> OLD.state)
		EXECUTE FUNCTION drill.moved();
	CREATE TRIGGER drill_wrote AFTER INSERT OR UPDATE ON pensum.course_checks FOR EACH ROW
		EXECUTE FUNCTION drill.wrote();`;

const ASSIGNMENT = { cmid: 301, name: 'Sheet', url: 'https://moodle.test/mod/assign/view.php?id=301', section: '',
	due: null, due_text: '', status: 'none', pending: true, handin: 'open' };
export const ANSWER = { ok: true, user: { id: 7, fullname: 'Maya' }, sesskey: 'k', courses: [{ id: 1, name: 'Biology' }],
	assignments: [ASSIGNMENT] };

export const childrenOf = (pid) =>
	fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
export const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;
export const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
// Processor time of a process so far, milliseconds.
export const processorOf = (pid) => {
	const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
	const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13).map(Number);
	return (user + system) * 10;
};

async function addStudents(world, count) {
	world.students = [];
	for (let i = 0; i < count; i++) world.students.push(await world.student(`s${i}`));
	await Promise.all(world.students.map(async (student) => {
		const sealed = await run(path.join(buildFolder, 'tests', 'integration', 'seal'), [`moodle ${student.userId}`, '[]'],
			{ env: { PENSUM_SECRETS_KEY_FILE: world.settings['secrets.key_file'] } });
		if (sealed.code !== 0) throw new Error(sealed.stderr);
		await world.sql`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
			VALUES (${student.userId}, ${sealed.stdout.trim()}, 'v', now() + interval '7 days')`;
		await world.giveCourses(student);
	}));
	// Clocks are put forward in drills, and sessions are not what is drilled.
	await world.sql`UPDATE pensum.sessions SET expires_at = now() + interval '7 days'`;
	await world.sql`UPDATE pensum.course_lists SET expires_at = now() + interval '7 days'`;
}

function addWorkers(world) {
	const all = new Map();
	world.worker = (host) => all.get(host);
	world.startWorker = async (host = 'a', more = {}, options = {}) => {
		const worker = await startDaemon('pensum-checker-worker', { ready: /worker ready/, ...options,
			settings: { ...world.settings, 'pool.socket': world.pool.socketPath, 'worker.host': host, 'checker.slots': 2,
				'checker.urgent_slots': 0, 'worker.spool_dir': path.join(world.folder, `spool-${host}`), ...more } });
		all.set(host, worker);
		return worker;
	};
	world.stopWorkers = async () => {
		for (const worker of all.values()) {
			if (worker.ended) continue;
			worker.child.kill('SIGCONT');
			await worker.stop();
		}
		all.clear();
	};
	// The process that runs a job, as its worker's log says.
	world.slotOf = (host, job) => {
		const line = all.get(host).lines.findLast((l) => l.includes('job started') && l.includes(`job=${job}`));
		return Number(/pid=(\d+)/.exec(line ?? '')?.[1]);
	};
}

export async function startWorld({ settings = {}, students = 8, redis, postgres = {}, env } = {}) {
	const [world, pool] = await Promise.all([startGateway({ redis, env,
		// What PostgreSQL has said survives its restart here, other than in most tests.
		postgres: { ...postgres, settings: { synchronous_commit: 'on', ...postgres.settings } },
		settings: { 'jobs.per_user': 1000, 'jobs.per_user_running': 1000, 'jobs.retry_base_ms': 100, 'limits.writes_per_user': 0,
			'limits.writes_per_address': 0, 'limits.reads_per_user': 0, 'limits.reads_per_address': 0, ...settings } }),
	startFakePool()]);
	const stopGateway = world.stop;

	world.pool = pool;
	pool.answer = async () => ANSWER;
	addWorkers(world);
	world.gateway = () => world.daemons.at(-1);
	world.number = async (sql) => Number((await world.postgres.query(`SELECT ${sql}`))[0][0]);
	world.count = (where) => world.number(`count(*) FROM pensum.jobs WHERE ${where}`);
	world.stop = async () => {
		pool.hold()();
		try {
			await world.stopWorkers();
		} finally {
			await stopGateway();
			await pool.stop();
		}
	};
	try {
		await world.postgres.script(LOG);
		await addStudents(world, students);
	} catch (error) {
		await world.stop().catch(() => {});
		throw error;
	}
	return world;
}

// Milliseconds from `at` (Date.now()) until ask() is truthy.
export async function timeUntil(at, what, ask, limitMs = 60_000, everyMs = 50) {
	await until(what, ask, limitMs, everyMs);
	return Date.now() - at;
}
