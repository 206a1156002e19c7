// What a slot writes to its stderr: the log has it, and when the slot dies, the record has the last of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { isSanitized } from '../../support/daemon.mjs';
import { until } from '../../support/process.mjs';
import { ANSWER, becomes, pg, pool, proxy, saveSession, startCourses, startWorker, submit, worker } from './stage.mjs';

const PLAIN = { ASAN_OPTIONS: 'detect_leaks=0:handle_segv=0' };
const slotOf = async (id) => Number(/pid=(\d+)/.exec(await worker.waitLine(new RegExp(`job started.*job=${id}`)))[1]);
const recorded = async (id) => (await pg.query(`SELECT stderr, stderr_attempt FROM pensum.jobs WHERE id = '${id}'`))[0];
const write = (pid, text) => fs.promises.writeFile(`/proc/${pid}/fd/2`, text);

test('a sanitizer\'s last words are in the record and in the log', { skip: !isSanitized('pensum-checker-worker') && 'no sanitizer' }, async () => {
	await startWorker({}, { ASAN_OPTIONS: 'detect_leaks=0' });
	const { id, release } = await startCourses();
	process.kill(await slotOf(id), 'SIGSEGV');
	release();
	await becomes(id, 'succeeded');
	const [stderr, attempt] = await recorded(id);
	assert.equal(attempt, '1');
	assert.match(stderr, /SUMMARY: AddressSanitizer: SEGV/);
	assert.equal(worker.lines.filter((line) => /SUMMARY: AddressSanitizer: SEGV/.test(line)).length, 1);
	await worker.kill(); // a stop would take the sanitizer's word for a complaint
});

test('no text is made text, and waits with its job for the database', async () => {
	await startWorker({}, PLAIN);
	const { id, release } = await startCourses();
	const pid = await slotOf(id);
	await write(pid, Buffer.concat([Buffer.from('grün\0'), Buffer.from([0xff, 0xfe, 0x1b]), Buffer.from('[2J\n')]));
	proxy.refuse(true);
	process.kill(pid, 'SIGSEGV');
	await worker.waitLine(/dead slot's job not released yet/);
	proxy.refuse(false);
	release();
	await becomes(id, 'succeeded', 30_000);
	const [stderr, attempt] = await recorded(id);
	assert.equal(attempt, '1');
	assert.match(stderr, /\ngrün\?\?\?\?\[2J\n/);
	assert.deepEqual(await pg.query('SELECT * FROM pensum.jobs_dead(5)'), []);
});

test('of a flood the record has four kilobytes and the log its end', async () => {
	await startWorker({}, PLAIN);
	const { id, release } = await startCourses();
	const pid = await slotOf(id);
	await write(pid, `${`${'x'.repeat(99)}\n`.repeat(10_000)}the last of it\n`);
	process.kill(pid, 'SIGSEGV');
	release();
	await becomes(id, 'succeeded');
	const [stderr] = await recorded(id);
	assert.equal(stderr.length, 4096);
	assert.match(stderr, /\nthe last of it\n([^x\n].*\n)*$/);
	await until('its end in the log', () => worker.lines.includes('the last of it'));
});

test('a slot goes on, and tells of it at once, while its parent does nothing at all', async () => {
	await startWorker();
	await saveSession();
	pool.answer = async () => ANSWER;
	process.kill(worker.pid, 'SIGSTOP');
	try {
		for (let i = 0; i < 3; i++) {
			const id = await submit('courses');
			await becomes(id, 'succeeded');
			await worker.waitLine(new RegExp(`job ended.*outcome=succeeded.*job=${id}`), 3000);
		}
	} finally {
		process.kill(worker.pid, 'SIGCONT');
	}
});
