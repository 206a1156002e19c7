// A student cancels what runs in a real browser: it stops, and its page is free for others.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { run, until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

let system, maya;

before(async () => {
	system = await startSystem({ moodle: { latencyMs: 1500 }, settings: { 'checker.slots': 1 } });
	maya = system.client();
	await maya.signIn('maya', 'Pensum-demo-1');
	await maya.courses();
});
after(async () => {
	maya?.close();
	await system?.stop();
});

const status = async () => JSON.parse((await run('socat', ['-t', '5', '-', `UNIX-CONNECT:${system.settings['pool.socket']}`],
	{ input: '{"op":"status"}\n' })).stdout.replaceAll('\0', ''));

test('a running check that is cancelled stops within three seconds and frees its lease', async (t) => {
	const { job } = await maya.call('POST', '/api/v1/checks', { courses: [11, 12, 13, 14] });
	const ended = maya.end(job);
	ended.catch(() => {});
	await until('the middle of the check', () => /checking/.test(maya.newest.get(job.id)?.step ?? ''), 60_000);
	assert.equal((await status()).leases.length, 1);
	const at = Date.now();
	await maya.call('DELETE', `/api/v1/jobs/${job.id}`);
	await until('cancelled', () => maya.newest.get(job.id)?.state === 'cancelled', 10_000);
	t.diagnostic(`${Date.now() - at} ms`);
	await until('free page', async () => (await status()).leases.length === 0);
	const [[state, holder]] = await system.postgres.query(`SELECT state, failure_code FROM pensum.jobs WHERE id = '${job.id}'`);
	assert.deepEqual([state, holder], ['cancelled', 'cancelled']);
	const trail = await system.postgres.query(`SELECT what FROM pensum.audit WHERE job_id = '${job.id}' ORDER BY n`);
	assert.deepEqual(trail.flat(), ['submitted', 'cancel_asked', 'cancelled']);
	assert.equal((await maya.check([11])).state, 'succeeded', 'the next one runs');
});
