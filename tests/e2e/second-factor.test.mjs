// An account with a second factor: the sign-in waits for its code, without holding a page, and goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startSystem } from '../support/system.mjs';
import { JobFailure } from '../support/pensum.mjs';
import { fetch } from '../support/waiting.mjs';
import { launchBrowser, missingBrowser, openPage } from './page/browser.mjs';

const PASSWORD = 'Pensum-demo-1';
const CODE = '246810';
let system;

before(async () => {
	system = await startSystem({ settings: { 'log.level': 'debug' } });
});
after(() => system?.stop());

const row = async (id) => (await system.postgres.query(`SELECT state, failure_code, coalesce(secret, '') FROM pensum.jobs WHERE id = '${id}'`))[0];

async function askedForCode(p) {
	const failure = await p.signIn('mfa', PASSWORD).catch((error) => error);
	assert.ok(failure instanceof JobFailure, String(failure));
	assert.equal(failure.code, 'mfa_needed');
	assert.equal(failure.job.state, 'waiting');
	return failure.job;
}

test('a wrong code is asked again, the right one signs in, in one sign-in at Moodle', async () => {
	const p = system.client({ limitMs: 30_000 });
	const job = await askedForCode(p);
	const { leases } = await (await fetch(`${system.adminUrl}/admin/pool`)).json();
	assert.deepEqual(leases, [], 'no page is held while the student looks for the code');
	const [, , secret] = await row(job.id);
	assert.match(secret, /^factor \S+$/);

	await assert.rejects(p.answer(job, '000000'), (e) => e.code === 'mfa_needed' && /did not accept/.test(e.job.failure.message));
	assert.match((await row(job.id))[2], /^factor \S+$/, 'a code that was used is gone');
	await p.answer(job, CODE);
	assert.equal((await p.call('GET', '/api/v1/session')).state, 'active');
	assert.deepEqual((await p.courses()).courses, [], 'the list could be read');
	assert.equal(system.moodle.state().counts.logins, 1);
	assert.equal(system.moodle.state().counts.factor_tries, 2);
	assert.deepEqual(await row(job.id), ['succeeded', null, '']);
	assert.equal((await p.request('POST', `/api/v1/jobs/${job.id}/answer`, { code: CODE })).status, 409);

	const second = system.client();
	assert.equal((await second.request('POST', '/api/v1/session', { username: 'mfa', password: PASSWORD })).status, 200,
		'the cached sign-in takes the same password');
	assert.match(system.logText(), /job ended.*outcome=succeeded/);
	assert.doesNotMatch(system.logText(), /\b246810\b|Pensum-demo-1/, 'no log has a code');
	assert.equal((await system.client().request('POST', '/api/v1/session', { username: 'mfa', password: 'not it' })).status, 202);
	p.close();
});

test('only the browser that asked may answer', async () => {
	await system.postgres.query('DELETE FROM pensum.moodle_sessions');
	await system.redis.command('FLUSHALL');
	const p = system.client({ limitMs: 30_000 });
	const job = await askedForCode(p);
	const maya = system.client();
	await maya.signIn('maya', PASSWORD);
	for (const stranger of [maya, system.client()]) {
		const answer = await stranger.request('POST', `/api/v1/jobs/${job.id}/answer`, { code: CODE });
		assert.ok([401, 404].includes(answer.status), String(answer.status));
	}
	assert.equal((await p.request('DELETE', `/api/v1/jobs/${job.id}`)).status, 200);
	assert.deepEqual((await row(job.id)).slice(1), ['cancelled', ''], 'nothing of it is kept');
	for (const c of [p, maya]) c.close();
});

test('a code that does not come in time ends the sign-in', async () => {
	const p = system.client({ limitMs: 30_000 });
	const job = await askedForCode(p);
	await system.postgres.query(`UPDATE pensum.jobs SET created_at = now() - interval '11 minutes' WHERE id = '${job.id}'`);
	await system.postgres.query(`SELECT pensum.signins_expire(600)`);
	assert.deepEqual(await row(job.id), ['failed', 'timeout', '']);
	assert.equal((await p.request('POST', `/api/v1/jobs/${job.id}/answer`, { code: CODE })).status, 409);
	p.close();
});

test('the page asks for the code and goes on; later it deletes all data', { skip: missingBrowser }, async (t) => {
	await system.postgres.query('DELETE FROM pensum.moodle_sessions');
	await system.redis.command('FLUSHALL');
	const browser = await launchBrowser();
	t.after(() => browser.close());
	const { page, faults } = await openPage(browser);
	await page.goto(system.url);
	await page.getByLabel('Username').fill('mfa');
	await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByLabel('Code').fill('111111');
	await page.getByRole('button', { name: 'Go on' }).click();
	await page.getByText('Moodle did not accept this code').waitFor();
	await page.getByLabel('Code').fill(CODE);
	await page.getByRole('button', { name: 'Go on' }).click();
	await page.getByRole('button', { name: 'Delete my data' }).waitFor();
	page.on('dialog', (dialog) => dialog.accept());
	await page.getByRole('button', { name: 'Delete my data' }).click();
	await page.getByText('Your data is deleted.').waitFor();
	assert.deepEqual(await system.postgres.query(`SELECT id FROM pensum.users WHERE username = 'mfa'`), []);
	assert.deepEqual(faults, []);
});
