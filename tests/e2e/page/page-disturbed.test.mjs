// The page when sign-ins end, other pages of the student work, proxies answer, and clicks come twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/process.mjs';
import { launchBrowser, openPage } from './browser.mjs';
import { browser, fake, MAYA, options, page } from './stage.mjs';
import * as walk from './walk.mjs';

const count = request => fake.requests.filter(one => one === request).length;
const heading = name => page.getByRole('heading', { level: 1, name });

// Until a check stands still because Moodle's session has ended; answers the dialog.
async function waitForDialog() {
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Select all' }).click();
	fake.endMoodleSession();
	await page.getByRole('button', { name: /^Check 7/ }).click();
	const dialog = page.getByRole('dialog');
	await dialog.waitFor();
	return dialog;
}

async function sendAgain(dialog, password) {
	await dialog.getByLabel('Password', { exact: true }).fill(password);
	await dialog.getByRole('button', { name: 'Sign in and go on' }).click();
}

test('who signs in behind another one sees nothing of that one\'s jobs', options, async () => {
	await walk.signIn(page, MAYA);
	fake.speed = 0.2;
	await page.getByRole('button', { name: 'Select all' }).click();
	await page.getByRole('button', { name: /^Check 7/ }).click();
	await page.getByText(/^[1-9] of 7$/).waitFor();
	fake.endSession();
	fake.dropLive();
	await page.getByText('Your sign-in has ended.').waitFor();
	fake.speed = 4;
	await walk.signIn(page, { username: 'noel', password: 'right' });
	await page.getByRole('button', { name: 'Select all' }).waitFor();
	assert.equal(await page.getByRole('progressbar').count(), 0);
	assert.equal(await page.getByRole('alert').count(), 0);
});

test('a question for the password does not outlive the sign-in', options, async () => {
	const dialog = await waitForDialog();
	fake.endSession();
	fake.dropLive();
	await heading('Sign in').waitFor();
	assert.equal(await dialog.count(), 0);
	await walk.signIn(page, MAYA);
});

test('whose password was wrong may take time for the next try', options, async () => {
	const dialog = await waitForDialog();
	await sendAgain(dialog, 'wrong');
	await dialog.getByText('Moodle did not accept').waitFor();
	const asked = count('GET /api/v1/session');
	fake.endSession();
	fake.dropLive();
	await until('the page has heard that it is signed out', () => count('GET /api/v1/session') > asked);
	await sendAgain(dialog, 'right');
	await heading('Assignments').waitFor();
});

test('a sign-in whose dialog was closed too soon, and that failed, says so', options, async () => {
	const dialog = await waitForDialog();
	await sendAgain(dialog, 'wrong');
	await page.keyboard.press('Escape');
	await heading('Sign in').waitFor();
	await page.getByText('Moodle did not accept this username and password.').waitFor();
});

test('the way back leads out of the page, not round in it', options, async () => {
	await page.goto('about:blank');
	await page.goto(fake.url);
	await page.getByLabel('Username').waitFor();
	await page.goBack();
	assert.equal(page.url(), 'about:blank');

	await page.goForward();
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Sign out' }).click();
	await heading('Sign in').waitFor();
	await page.goBack({ waitUntil: 'commit' }); // to the courses, which lead on to the sign-in
	await page.waitForURL(/#\/sign-in$/);
	await page.goBack({ waitUntil: 'commit' });
	await page.waitForURL('about:blank');
});

test('what another page of the student has checked or drafted is shown here, too', options, async () => {
	await walk.signIn(page, MAYA);
	const drawing = page.getByRole('listitem').filter({ hasText: 'Drawing for Everyone' });
	await drawing.getByText('not checked yet').waitFor();
	fake.checkElsewhere([11, 14]);
	await drawing.getByText('checked just now').waitFor();

	await page.getByRole('link', { name: 'Assignments' }).click();
	const box = page.getByRole('checkbox', { name: 'Portfolio: ten sketches' });
	await box.focus();
	fake.checkElsewhere([12]);
	await page.getByRole('checkbox', { name: 'Problem sheet 5' }).waitFor();
	assert.ok(await box.evaluate(node => node === document.activeElement), 'and the focus stays where it was');

	await page.getByRole('link', { name: 'Documents' }).click();
	await page.getByText('No drafts yet.').waitFor();
	fake.draftElsewhere(601);
	await page.getByRole('button', { name: 'Download Portfolio: ten sketches' }).waitFor();
});

test('an error page of a proxy is no answer: what was asked for is asked for once more, with the same key', options, async () => {
	await walk.signIn(page, MAYA);
	const keys = [];
	await page.route('**/api/v1/checks', route => {
		keys.push(route.request().headers()['idempotency-key']);
		if (keys.length > 1) return route.continue();
		return route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>502 Bad Gateway</h1>' });
	});
	assert.equal(await walk.checkAll(page), 7);
	assert.equal(keys.length, 2);
	assert.equal(keys[1], keys[0]);
});

test('a double click on "Try again" tries once', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const [title] = await walk.pick(page, 1);
	fake.failNext(title);
	await walk.makeDocuments(page, { name: 'Maya', roll: '' });
	const again = page.getByRole('button', { name: `Try again: ${title}` });
	await again.waitFor();
	await page.route('**/api/v1/documents', async route => {
		await new Promise(resolve => { setTimeout(resolve, 300); });
		return route.fallback();
	});
	const before = count('POST /api/v1/documents');
	await again.dblclick();
	await page.getByRole('button', { name: `Download ${title}` }).waitFor();
	assert.equal(count('POST /api/v1/documents'), before + 1);
});

test('a draft whose file is gone says so beside its button, which keeps the focus', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const [title] = await walk.pick(page, 1);
	await walk.makeDocuments(page, { name: 'Maya', roll: '' });
	const button = page.getByRole('button', { name: `Download ${title}` });
	await button.waitFor();
	fake.loseFiles();
	await button.focus();
	await page.keyboard.press('Enter');
	await page.getByRole('alert').filter({ hasText: 'The file of this draft is gone.' }).waitFor();
	await until('the focus is back', () => button.evaluate(node => node === document.activeElement));
});

test('of more courses than one check takes, those are checked again that were read longest ago', options, async () => {
	const ids = Array.from({ length: 70 }, (_, i) => i + 100);
	await walk.signIn(page, MAYA);
	await page.route('**/api/v1/assignments', route => route.fulfill({ json: { courses: ids.map((id, i) => ({ id,
		name: `Course ${id}`, failure: null, assignments: [], activities: [],
		checked_at: '2026-11-20T08:00:00Z', read_at: `2026-11-20T0${i < 10 ? 9 : 8}:00:00Z` })) } }));
	const [request] = await Promise.all([page.waitForRequest('**/api/v1/checks'), (async () => {
		await page.getByRole('link', { name: 'Assignments' }).click();
		await page.getByRole('button', { name: 'Check 60 of them again' }).click();
	})()]);
	assert.deepEqual(request.postDataJSON().courses.sort(), ids.slice(10));
});

test('a page that the browser shows as it was left asks at once whether it still may', options, async t => {
	const keeper = await launchBrowser({ keepsPages: true });
	t.after(() => keeper.close());
	const own = await openPage(keeper);
	await own.page.addInitScript(() => {
		Math.random = () => 60; // the pause before a try is half a minute
		addEventListener('pageshow', event => { window.wasKept = event.persisted; });
	});
	await own.page.goto(fake.url);
	await walk.signIn(own.page, MAYA);
	const elsewhere = new URL('/icon.svg', fake.url);
	elsewhere.hostname = 'localhost';
	await own.page.goto(elsewhere.href);
	fake.endSession();
	await own.page.goBack({ waitUntil: 'commit' }); // nothing is loaded
	assert.equal(await own.page.evaluate(() => window.wasKept), true);
	await own.page.getByText('Your sign-in has ended.').waitFor({ timeout: 10_000 });
	assert.equal(await own.page.getByText('Maya').count(), 0);
});

test('while nothing has answered yet the page says that it is loading', options, async () => {
	await page.goto('about:blank');
	let answer;
	const held = new Promise(resolve => { answer = resolve; });
	await page.route('**/api/v1/session', async route => {
		await held;
		return route.fallback();
	});
	await page.goto(fake.url);
	await page.getByRole('main').getByText('Loading…').waitFor();
	answer();
	await heading('Sign in').waitFor();
	assert.equal(await page.getByText('Loading…').count(), 0);
});
