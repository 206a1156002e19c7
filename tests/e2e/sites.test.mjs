// Two Moodle sites in one Pensum, one of them in a sub-folder, each with a student "maya": two people, and nothing of
// the one ever reaches the other's Moodle, browser, caches or documents.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startMoodle } from '../moodle/server.mjs';
import { programPath } from '../support/daemon.mjs';
import { JobFailure } from '../support/pensum.mjs';
import { run, temporaryFolder, until } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const HERE = 'Pensum-demo-1';
const THERE = 'another-password-2';
const ELSEWHERE = {
	site: { name: 'Polytechnic', timezone: 'UTC' },
	students: [{ username: 'maya', password: THERE, firstname: 'Maya', lastname: 'Other', email: 'm@poly.example' }],
	courses: [{ id: 11, fullname: 'Welding', shortname: 'W1', startdate: '-9d', enddate: '+9d', members: ['maya'],
		assignments: [{ cmid: 301, name: 'Weld a seam', section: 'Steel', intro: '<p>Two plates.</p>', due: '+3d' }] }],
};

let folder, there, system, a, b;

before(async () => {
	folder = temporaryFolder('pensum-sites-');
	there = await startMoodle({ data: ELSEWHERE, basePath: '/lms/moodle' });
	fs.writeFileSync(path.join(folder.path, 'poly.conf'), `# the other one\nname = Polytechnic\nurl = ${there.url}\nmax_running = 1\n`);
	system = await startSystem({ settings: { 'sites.dir': folder.path, 'checker.slots': 4 } });
	a = system.client({ limitMs: 60_000 });
	b = system.client({ limitMs: 60_000 });
});
after(async () => {
	a?.close();
	b?.close();
	await system?.stop();
	await there?.close();
	folder?.remove();
});

const one = async (sql) => (await system.postgres.query(sql))[0][0];
const code = (body) => system.client().call('POST', '/api/v1/session', body).then(() => 'none', (error) => `${error.status} ${error.code}`);

test('the sites are listed, the one of the settings first', async () => {
	const { sites } = await system.client().call('GET', '/api/v1/sites');
	assert.deepEqual(sites, [{ id: 'default', name: 'Stand-in Moodle', url: system.moodle.url },
		{ id: 'poly', name: 'Polytechnic', url: there.url }]);
});

test('a sign-in names a site by its id, and nothing else is one', async () => {
	const maya = { username: 'maya', password: HERE };
	assert.equal(await code(maya), '422 site_needed');
	for (const site of ['', 'Poly', 'none', there.url, 'poly.conf', '../poly', 1, null, ['poly'], { id: 'poly' }]) {
		assert.equal(await code({ site, ...maya }), '422 site_unknown', JSON.stringify(site));
	}
	assert.equal(await code({ url: there.url, site: 'poly', ...maya }), '422 unknown_member');
	assert.equal(there.requests.length, 0);
	assert.equal(system.moodle.requests.length, 0);
});

test('a password of the one site is refused by the other, which alone is asked', async () => {
	await assert.rejects(system.client().signIn('maya', HERE, 'poly'), (e) => e instanceof JobFailure && e.code === 'wrong_password');
	assert.equal(system.moodle.requests.length, 0);
	assert.ok(there.requests.length > 0);
	there.control({ reset: true });
});

test('one username at two sites is two students', async () => {
	const here = await a.signIn('maya', HERE, 'default');
	const other = await b.signIn('maya', THERE, 'poly');
	assert.notEqual(here.user.id, other.user.id);
	assert.equal(here.user.fullname, 'Maya Lindqvist');
	assert.equal(other.user.fullname, 'Maya Other');
	assert.deepEqual([here.site.id, other.site.id], ['default', 'poly']);
	assert.equal(other.site.url, there.url);
	assert.equal(system.moodle.state().counts.logins, 1);
	assert.equal(there.state().counts.logins, 1);
});

test('courses, checks and documents with the same numbers stay apart', async () => {
	const names = async (p) => (await p.courses()).courses.map((course) => course.name);
	assert.ok((await names(a)).includes('Algorithms and Data Structures'));
	assert.ok(!(await names(a)).includes('Welding'));
	assert.deepEqual(await names(b), ['Welding']);
	await Promise.all([a.check([11]), b.check([11])]);
	const titles = async (p) => (await p.call('GET', '/api/v1/assignments')).courses.flatMap((course) => course.assignments.map((one) => one.name));
	assert.deepEqual(await titles(b), ['Weld a seam']);
	assert.ok((await titles(a)).includes('Sorting algorithms: measure and explain'));
	assert.ok(!(await titles(a)).includes('Weld a seam'));

	const [mine] = await a.documents([301], { name: 'Maya', roll: '1' });
	const [others] = await b.documents([301], { name: 'Maya', roll: '1' });
	assert.match(mine.file_name, /Sorting/);
	assert.match(others.file_name, /Weld/);
	const swapped = await b.request('GET', `/api/v1/documents/${mine.id}/file`);
	assert.ok(swapped.status >= 400, 'not the other one\'s file');
	assert.deepEqual(await system.postgres.query('SELECT site, count(DISTINCT user_id) FROM pensum.jobs GROUP BY site ORDER BY site'),
		[['default', '1'], ['poly', '1']]);
});

test('a kept sign-in is the site\'s own, too', async () => {
	const status = async (site, password) => (await system.client().request('POST', '/api/v1/session', { site, username: 'maya', password })).status;
	assert.equal(await status('default', HERE), 200);
	assert.equal(await status('poly', THERE), 200);
	assert.equal(await status('default', THERE), 202, 'Moodle is asked');
	assert.equal(await status('poly', HERE), 202);
	await until('those have ended', async () => await one('SELECT count(*) FROM pensum.jobs WHERE finished_at IS NULL') === '0');
});

test('one site\'s wish to be left alone is not the other\'s', async () => {
	there.control({ fail: [{ path_prefix: '/mod/assign/index.php', status: 503, headers: { 'Retry-After': '30' } }] });
	const job = (await b.call('POST', '/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': 'busy' })).job;
	await until('poly is left alone', async () => await system.redis.command('TTL', 'pensum:pause:poly') > 10);
	assert.equal(await system.redis.command('EXISTS', 'pensum:pause:default'), 0);
	assert.equal((await a.check([11])).state, 'succeeded');
	await b.call('DELETE', `/api/v1/jobs/${job.id}`);
	await system.redis.command('DEL', 'pensum:pause:poly');
	there.control({ reset: true });
});

test('of a site no more jobs run than its file allows, and of the other as many as it wants', async () => {
	await until('the record has the limits', async () => await one(`SELECT string_agg(id || max_running, ' ' ORDER BY id) FROM pensum.sites`)
		=== 'default8 poly1');
	for (const moodle of [there, system.moodle]) moodle.control({ latency_ms: 150 });
	for (const p of [a, b]) {
		for (let i = 0; i < 3; i++) await p.call('POST', '/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': `many-${i}` });
	}
	const most = { default: 0, poly: 0 };
	await until('all have ended', async () => {
		for (const [site, n] of await system.postgres.query(`SELECT site, count(*) FROM pensum.jobs WHERE state = 'running' GROUP BY site`))
			most[site] = Math.max(most[site], Number(n));
		return await one('SELECT count(*) FROM pensum.jobs WHERE finished_at IS NULL') === '0';
	}, 60_000, 20);
	assert.deepEqual([most.poly, most.default > 1], [1, true], JSON.stringify(most));
	for (const moodle of [there, system.moodle]) moodle.control({ reset: true });
});

test('a job of a site that the worker does not know says so, and is tried elsewhere', async () => {
	await system.postgres.query(`UPDATE pensum.jobs SET site = 'gone', state = 'queued', finished_at = NULL, attempt = 0, worker = NULL,
		run_at = now(), rung_at = NULL, max_attempts = 2 WHERE id = (SELECT max(id) FROM pensum.jobs WHERE kind = 'check' AND site = 'poly'
		AND state = 'succeeded')`);
	await until('it was refused', async () => await one(`SELECT count(*) FROM pensum.jobs WHERE site = 'gone' AND state = 'queued'
		AND failure_code = 'site_unknown' AND run_at > now() + interval '3 s'`) === '1');
	await system.postgres.query(`UPDATE pensum.jobs SET run_at = now() WHERE site = 'gone'`);
	await until('no attempt is left', async () => await one(`SELECT state FROM pensum.jobs WHERE site = 'gone'`) === 'dead');
});

test('signing out, and deleting an account, ends that site\'s session alone', async () => {
	const sessions = (moodle) => moodle.state().counts.sessions;
	await b.call('DELETE', '/api/v1/account');
	await until('the polytechnic has no session', () => sessions(there) === 0);
	assert.equal(sessions(system.moodle), 1);
	assert.equal((await a.check([11])).state, 'succeeded');
	assert.equal((await a.call('GET', '/api/v1/session')).user.username, 'maya');
	assert.equal(await one('SELECT count(*) FROM pensum.users'), '1');
});

test('a session of a site that is gone from the settings is none', async () => {
	await system.postgres.query(`UPDATE pensum.sessions SET site = 'gone'`);
	await system.redis.command('FLUSHALL');
	await until('it is signed out', async () => (await a.request('GET', '/api/v1/courses')).status === 401);
});

test('a mistake in a site\'s file stops the start with its place', async () => {
	const file = path.join(folder.path, 'bad.conf');
	const outside = { PATH: process.env.PATH, PENSUM_SECRETS_KEY_FILE: system.settings['secrets.key_file'],
		PENSUM_GATEWAY_WEB_DIR: system.settings['gateway.web_dir'], PENSUM_DOCUMENTS_DIR: folder.path,
		PENSUM_WORKER_SPOOL_DIR: folder.path };
	const check = (program) => run(programPath(program), ['--config', '/dev/null', '--check-config'],
		{ env: { ...outside, PENSUM_SITES_DIR: folder.path } });
	for (const program of ['pensum-gateway', 'pensum-checker-worker', 'pensum-docgen-worker']) {
		fs.rmSync(file, { force: true });
		assert.equal((await check(program)).code, 0, 'files alone are enough');
		fs.writeFileSync(file, 'name = Bad\nurl = ftp://x\n');
		const { code: exit, stderr } = await check(program);
		assert.equal(exit, 78);
		assert.match(stderr, /bad\.conf:2: .*http/);
	}
});
