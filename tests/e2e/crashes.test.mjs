// kill -9 of a worker's slot, a worker, Chromium or browser-pool in the middle of each kind of job:
// the job still succeeds, once. Daemons are started again as systemd would.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';
let system;
let maya;

before(async () => {
	system = await startSystem({ supervised: true, moodle: { latencyMs: 60 }, settings: { 'checker.slots': 1, 'docgen.slots': 1 } });
	maya = system.client();
	await maya.signIn('maya', PASSWORD);
	await maya.check((await maya.courses()).courses.map((c) => c.id));
});
after(async () => {
	maya?.close();
	await system?.stop();
});

function childrenOf(pid) {
	return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((name) => {
		try {
			const stat = fs.readFileSync(`/proc/${name}/stat`, 'utf8');
			return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
		} catch {
			return false;
		}
	}).map(Number);
}

const workerOf = { signin: 'checker-worker', courses: 'checker-worker', check: 'checker-worker', document: 'docgen-worker' };
const victims = {
	slot: (kind) => childrenOf(system.daemons[workerOf[kind]].pid),
	worker: (kind) => [system.daemons[workerOf[kind]].pid],
	chromium: () => childrenOf(system.daemons['browser-pool'].pid),
	'browser-pool': () => [system.daemons['browser-pool'].pid],
};

// Else the same request within five seconds is the job before.
const once = () => ({ 'idempotency-key': crypto.randomUUID() });
const orders = {
	signin: async () => {
		// Nothing cached, so that the browser is needed.
		await system.redis.command('FLUSHALL');
		await system.postgres.query('DELETE FROM pensum.moodle_sessions');
		const p = system.client();
		const { job } = await p.call('POST', '/api/v1/session', { username: 'maya', password: PASSWORD });
		await p.openLive();
		return { p, job, close: () => p.close() };
	},
	courses: async () => ({ p: maya, job: (await maya.call('POST', '/api/v1/courses/refresh', undefined, once())).job }),
	check: async () => ({ p: maya, job: (await maya.call('POST', '/api/v1/checks', { courses: [11, 12, 13, 14] }, once())).job }),
	document: async () => {
		const student = { name: `Maya ${Math.random()}`, roll: '' };
		return { p: maya, job: (await maya.orderDocuments([301], student))[0] };
	},
};
// Steps in which the browser works for the job.
const middle = /signing in|opening Moodle|reading|checking/;

for (const kind of Object.keys(orders)) {
	for (const victim of Object.keys(victims)) {
		test(`${kind} survives kill -9 of ${victim}`, async () => {
			const order = await orders[kind]();
			const { p, job } = order;
			const ended = p.end(job);
			ended.catch(() => {});
			await until(`the middle of ${kind}`, () => middle.test(p.newest.get(job.id)?.step ?? ''), 30_000, 5);
			const pids = victims[victim](kind);
			assert.ok(pids.length > 0, 'there is somebody to kill');
			for (const pid of pids) process.kill(pid, 'SIGKILL');
			const done = await ended;
			assert.equal(done.state, 'succeeded');
			const [[attempts, rows]] = await system.postgres.query(`SELECT attempt, (SELECT count(*) FROM pensum.documents
				WHERE job_id = '${job.id}') FROM pensum.jobs WHERE id = '${job.id}'`);
			assert.ok(Number(attempts) >= 2, `attempt ${attempts}: the kill came in the middle`);
			if (kind === 'document') assert.equal(rows, '1');
			order.close?.();
			await until('all daemons back', () => Object.values(system.daemons).every((d) => !d.ended), 20_000);
		});
	}
}
