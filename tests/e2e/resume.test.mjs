// A check that is cut short goes on where it was: what it had read is kept, and is not read again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startSystem } from '../support/system.mjs';
import { until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';

const PASSWORD = 'Pensum-demo-1';
const LIST = '/mod/assign/index.php?id=';
const SLOW = { latency_by_path: { '/mod/assign/index.php': 300 } };
let system;

before(async () => {
	system = await startSystem();
});
after(() => system?.stop());

const asked = () => system.moodle.requests.map((r) => r.path).filter((path) => path.startsWith(LIST)).map((path) => Number(path.slice(LIST.length)));
const row = async (id) => {
	const [[state, part, result, attempt]] = await system.postgres.query(`SELECT state, part, result, attempt FROM pensum.jobs WHERE id = '${id}'`);
	return { state, attempt: Number(attempt), part: JSON.parse(part ?? 'null'), result: JSON.parse(result ?? 'null') };
};
const checkedCourses = async (p) => (await p.call('GET', '/api/v1/assignments')).courses.map((c) => c.id);

// A check of ten courses, some way behind its fifth.
async function beginCheck(from) {
	system.moodle.control({ reset: true, ...SLOW });
	const p = system.client();
	await p.signIn('bea', PASSWORD);
	const ids = (await p.courses()).courses.slice(from, from + 10).map((c) => c.id);
	const { job } = await p.call('POST', '/api/v1/checks', { courses: ids });
	await until('five courses read', () => asked().length > 5, 60_000);
	return { p, ids, job };
}

test('a check whose session dies half way tells what it has, and reads only the rest after the sign-in', async () => {
	const { p, ids, job } = await beginCheck(0);
	const { logins } = system.moodle.state().counts;
	system.moodle.control({ expire_sessions: 'bea' });
	await until('it waits', async () => (await row(job.id)).state === 'waiting', 60_000);

	const { part } = await row(job.id);
	assert.ok(part.done.length >= 5 && part.done.length < 10, JSON.stringify(part));
	assert.deepEqual((await checkedCourses(p)).sort(), [...part.done].sort(), 'what was read can be seen already');
	const told = await p.call('GET', `/api/v1/jobs/${job.id}`);
	assert.deepEqual([told.state, told.done, told.total], ['waiting', part.done.length, 10]);
	const other = system.client();
	other.cookie = p.cookie;
	await other.openLive();
	await until('its snapshot', () => other.newest.has(job.id), 20_000);
	assert.deepEqual([other.newest.get(job.id).done, other.newest.get(job.id).total], [part.done.length, 10]);
	other.close();
	const before = asked().length;
	assert.equal(system.moodle.state().counts.logins, logins);

	const again = system.client();
	await again.signIn('bea', PASSWORD);
	await until('it has gone on', async () => (await row(job.id)).state === 'succeeded', 60_000);
	const rest = asked().slice(before);
	assert.deepEqual(rest, ids.filter((id) => !part.done.includes(id)));
	assert.equal(system.moodle.state().counts.logins, logins + 1);

	const { result, part: left } = await row(job.id);
	assert.deepEqual([result.courses, result.failed, left], [10, 0, null]);
	assert.deepEqual((await checkedCourses(p)).sort(), [...ids].sort());
	const owed = (await p.assignments()).filter((a) => a.pending).length;
	assert.equal(result.pending, owed, 'the sum is of both parts');
	assert.ok(result.requests > part.requests && part.requests >= part.done.length, 'and so is the cost');
	for (const c of [p, again]) c.close();
});

test('a check whose browser dies half way is tried again for the rest', async () => {
	const { p, ids, job } = await beginCheck(10);
	const { browsers } = await (await fetch(`${system.adminUrl}/admin/pool`)).json();
	assert.ok(browsers.length > 0);
	for (const { pid } of browsers) process.kill(pid, 'SIGKILL');
	const before = asked().length;
	await until('it has ended', async () => (await row(job.id)).state === 'succeeded', 60_000);
	const { result, attempt } = await row(job.id);
	assert.deepEqual([result.courses, result.failed, attempt], [10, 0, 2]);
	assert.ok(asked().length - before <= 5, `${asked().length - before} courses were read after it`);
	assert.deepEqual([...new Set(asked())].sort(), [...ids].sort());
	p.close();
});
