// Sites that send students to another site to sign in, by a recipe: every way there and back, and nothing
// of the student's to anybody whom the recipe does not name.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { startIdp } from '../moodle/idp.mjs';
import { startMoodle } from '../moodle/server.mjs';
import { JobFailure } from '../support/pensum.mjs';
import { programPath } from '../support/daemon.mjs';
import { run, temporaryFolder } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';
const CODE = '135790';
let folder;
let idp;
let moodle;
let other;
let system;

const RECIPE = {
	start: '/auth/shibboleth/index.php',
	time_limit_s: 60,
	errors: [{ if: '#error', unless: '#otp', code: 'wrong_password' }],
	steps: [
		{ name: 'both', fill: { '#identifier': 'username', '#secret': 'password' }, click: '#go' },
		{ name: 'username', fill: { '#identifier': 'username' }, click: '#next' },
		{ name: 'password', fill: { '#secret': 'password' }, submit: true },
		{ name: 'code', fill: { '#otp': 'code' }, click: '#verify' },
		{ name: 'stay', if: '#stay', click: '#no' },
		{ if: '#consent', stop: 'The university asks for your consent. Sign in there once yourself.' },
	],
};

function cook(changes = {}) {
	fs.writeFileSync(path.join(folder.path, 'recipe.json'), JSON.stringify({ hosts: [idp.host], ...RECIPE, ...changes }));
}

before(async () => {
	folder = temporaryFolder('pensum-sso-');
	idp = await startIdp({ users: { maya: PASSWORD, noel: PASSWORD, stranger: PASSWORD } });
	moodle = await startMoodle({ idp });
	other = { seen: [] };
	const server = http.createServer((request, response) => {
		other.seen.push(request.url);
		response.setHeader('Content-Type', 'text/javascript');
		response.end('document.documentElement.dataset.loaded = 1;');
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.3', resolve));
	other.host = `127.0.0.3:${server.address().port}`;
	other.url = `http://${other.host}/take`;
	other.close = () => new Promise((resolve) => {
		server.close(resolve);
		server.closeAllConnections();
	});
	cook();
	system = await startSystem({ moodleUrl: moodle.url, settings: { 'site.recipe': path.join(folder.path, 'recipe.json'), 'jobs.max_attempts': 1, 'log.level': 'debug' } });
});
after(async () => {
	await system?.stop();
	for (const server of [idp, moodle, other]) await server?.close();
	folder?.remove();
});

beforeEach(async () => {
	idp.behave({});
	moodle.control({ reset: true, expire_sessions: true });
	cook();
	other.seen.length = 0;
	await system.postgres.query('DELETE FROM pensum.moodle_sessions');
	await system.redis.command('FLUSHALL');
});

async function signIn(username = 'maya', password = PASSWORD) {
	const p = system.client({ limitMs: 60_000 });
	await p.signIn(username, password);
	return p;
}

async function failure(username = 'maya', password = PASSWORD) {
	const p = system.client({ limitMs: 60_000 });
	try {
		await p.signIn(username, password);
	} catch (error) {
		if (!(error instanceof JobFailure)) throw error;
		return error;
	} finally {
		p.close();
	}
	throw new Error('signed in');
}

async function expectSignedIn(p) {
	assert.equal((await p.call('GET', '/api/v1/session')).state, 'active');
	assert.ok((await p.courses()).courses.length > 0);
	assert.equal(moodle.state().counts.logins, 1);
	assert.equal(moodle.state().counts.dashboards, 0, 'the dashboard is never opened');
	p.close();
}

// ---------------------------------------------------------------- there and back

test('SAML: a form that a script posts back to the site', async () => {
	const p = await signIn();
	await expectSignedIn(p);
	assert.equal(idp.counts.passwords, 1);
});

test('OAuth2: by a button of Moodle\'s sign-in page and a chain of redirects', async () => {
	moodle.control({ login_form: false });
	cook({ start: 'a.login-identityprovider-btn[href*="oauth2"]' });
	await expectSignedIn(await signIn());
});

test('an old notice on the sign-in page keeps nobody from its button', async () => {
	const body = '<html><body><div id="loginerrormessage">Your session has timed out.</div><a id="sso" href="/auth/shibboleth/index.php">University</a></body></html>';
	moodle.control({ fail: [{ path_prefix: '/login/index.php', status: 200, times: 1, body, headers: { 'Content-Type': 'text/html' } }] });
	cook({ start: '#sso' });
	await expectSignedIn(await signIn());
});

test('CAS: the sign-in page itself leads there, and a ticket leads back', async () => {
	moodle.control({ cas: true });
	cook({ start: '' });
	await expectSignedIn(await signIn());
});

for (const form of ['two', 'script']) {
	test(`username and password one after the other (${form}), and "stay signed in?"`, async () => {
		idp.behave({ form, stay: true });
		await expectSignedIn(await signIn());
		assert.equal(idp.counts.passwords, 1);
		assert.ok(!idp.seen.some((r) => /yes=1/.test(r.body)));
	});
}

test('the cached sign-in takes the same password and no other, and asks nobody', async () => {
	await expectSignedIn(await signIn());
	const p = system.client();
	assert.equal((await p.request('POST', '/api/v1/session', { username: 'maya', password: PASSWORD })).status, 200);
	assert.equal(idp.counts.passwords, 1);
	const [[sealed]] = await system.postgres.query('SELECT sealed FROM pensum.moodle_sessions');
	assert.ok(!sealed.includes('idp'));
	assert.equal((await failure('maya', 'not it')).code, 'wrong_password');
});

// ---------------------------------------------------------------- no

test('a wrong password is told so, and was tried once', async () => {
	for (const form of ['one', 'two', 'script']) {
		idp.behave({ form });
		assert.equal((await failure('maya', 'not it')).code, 'wrong_password', form);
		assert.equal(idp.counts.passwords, 1, form);
	}
});

test('a wrong password without a word of the recipe\'s is tried once, too', async () => {
	idp.behave({ error: false });
	assert.equal((await failure('maya', 'not it')).code, 'signin_not_understood');
	assert.equal(idp.counts.passwords, 1);
});

test('a page that the recipe stops at is named to the student', async () => {
	idp.behave({ stay: true, consent: true });
	const { code, job } = await failure();
	assert.equal(code, 'signin_stopped');
	assert.match(job.failure.message, /asks for your consent/);
});

test('somebody whom Moodle does not know', async () => {
	assert.equal((await failure('stranger')).code, 'signin_stopped');
});

test('a page that nobody expects, and a provider that fails', async () => {
	idp.behave({ unknown: true });
	assert.equal((await failure()).code, 'signin_not_understood');
	idp.behave({ status: 500 });
	assert.equal((await failure()).code, 'site_down');
	assert.equal(idp.counts.passwords, 0);
});

// ---------------------------------------------------------------- a second factor there

test('a code is asked for through the page, a wrong one again, and the sign-in goes on', async () => {
	idp.behave({ code: CODE });
	const p = system.client({ limitMs: 60_000 });
	const { code, job } = await p.signIn('maya', PASSWORD).catch((error) => error);
	assert.equal(code, 'mfa_needed');
	await assert.rejects(p.answer(job, '000000'), (e) => e.code === 'mfa_needed');
	await p.answer(job, CODE);
	await expectSignedIn(p);
	assert.deepEqual(idp.counts, { passwords: 1, wrong: 0, codes: 2 });
});

// ---------------------------------------------------------------- nobody else

test('an answer that redirects the password to a third host is refused', async () => {
	idp.behave({ after: other.url });
	assert.equal((await failure()).code, 'signs_in_elsewhere');
	assert.deepEqual(other.seen, []);
});

test('a form that posts to a third host gets no password', async () => {
	for (const form of ['one', 'script']) {
		idp.behave({ form, action: other.url });
		assert.equal((await failure()).code, 'signs_in_elsewhere', form);
		assert.ok(!idp.seen.some((r) => r.body.includes(PASSWORD)), form);
	}
	assert.deepEqual(other.seen, []);
});

test('a provider that the recipe does not name is not visited', async () => {
	cook({ hosts: ['login.example.edu', '127.0.0.2:9'] });
	assert.equal((await failure()).code, 'signs_in_elsewhere');
	assert.deepEqual(idp.seen, []);
});

test('on a host that is named but not for this step nothing is filled in', async () => {
	cook({ hosts: [idp.host, 'login.example.edu'],
		steps: RECIPE.steps.map((step) => (step.fill ? { ...step, hosts: ['login.example.edu'] } : step)) });
	assert.equal((await failure()).code, 'signin_not_understood');
	assert.equal(idp.counts.passwords, 0);
});

test('a script from elsewhere is loaded only when the recipe names its host', async () => {
	idp.behave({ script: other.url });
	await expectSignedIn(await signIn());
	assert.deepEqual(other.seen, []);
	moodle.control({ reset: true });
	cook({ assets: [other.host] });
	(await signIn('noel')).close();
	assert.ok(other.seen.length > 0);
});

test('a mistake in a recipe stops the start, and is told with file, place and what to do', async () => {
	const file = path.join(folder.path, 'wrong.json');
	const env = { PATH: process.env.PATH, PENSUM_SITE_URL: moodle.url, PENSUM_SITE_RECIPE: file,
		PENSUM_SECRETS_KEY_FILE: system.settings['secrets.key_file'], PENSUM_WORKER_SPOOL_DIR: folder.path };
	const check = async (recipe) => {
		fs.writeFileSync(file, recipe);
		return run(programPath('pensum-checker-worker'), ['--config', '/dev/null', '--check-config'], { env });
	};
	assert.equal((await check(JSON.stringify({ hosts: [idp.host], ...RECIPE }))).code, 0);
	const wrong = await check(JSON.stringify({ hosts: [idp.host], ...RECIPE, steps: [{ fill: { '#secret': 'pasword' } }] }));
	assert.equal(wrong.code, 78);
	assert.match(wrong.stderr, /site "default": .*wrong\.json: steps\[0\]: fill: "pasword" is not known; it may be username, password, code/);
	assert.match((await check('{"hosts": [}')).stderr, /wrong\.json: line 1, column/);
	fs.rmSync(file);
	assert.match((await run(programPath('pensum-checker-worker'), ['--config', '/dev/null', '--check-config'], { env })).stderr, /wrong\.json: No such file/);
});

test('no log has a password, a code or a ticket', () => {
	assert.doesNotMatch(system.logText(), /Pensum-demo-1|not it|135790|ST-/);
});
