// The page against the whole of Pensum, as a student uses it: one of its own, or the running one that
// the environment names:
//
//	PENSUM_URL=http://127.0.0.1:8080 PENSUM_USER=maya PENSUM_PASSWORD=… PLAYWRIGHT_CORE=… \
//		node --test tests/e2e/page/page.test.mjs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startSystem } from '../../support/system.mjs';
import { launchBrowser, missingBrowser, openPage, requestsWhileIdle } from './browser.mjs';
import * as walk from './walk.mjs';

const { PENSUM_USER: username = 'maya', PENSUM_PASSWORD: password = 'Pensum-demo-1' } = process.env;
const skip = missingBrowser;
const PICKED = 5;
const IDLE_MS = 3_000;

let browser;
let system;
let url = process.env.PENSUM_URL;
before(async () => {
	if (skip) return;
	browser = await launchBrowser();
	if (!url) system = await startSystem();
	url ??= system.url;
});
after(async () => {
	await browser?.close();
	await system?.stop();
});

test('a student signs in, checks all courses and downloads a draft', { skip, timeout: 300_000 }, async t => {
	const seen = await openPage(browser);
	const { page } = seen;
	t.after(() => seen.context.close());

	await page.goto(url);
	await walk.signIn(page, { username, password });
	assert.ok(await walk.checkAll(page) > 0, 'there are courses to check');
	const titles = await walk.pick(page, PICKED);
	await walk.makeDocuments(page, { name: 'Maya Lindqvist', roll: '2024-117' });

	const file = await walk.download(page, titles[0]);
	assert.match(file.name, /\.docx$/);
	assert.equal(file.bytes.subarray(0, 4).toString('latin1'), 'PK\x03\x04', 'a zip begins so');
	assert.ok(file.bytes.includes('PK\x05\x06'), 'a zip has its directory at the end');
	assert.ok(file.bytes.includes('word/document.xml'), 'a Word document holds this part');
	for (const title of titles.slice(1)) {
		await page.getByRole('button', { name: `Download ${title}`, exact: true }).first().waitFor({ timeout: 90_000 });
	}

	assert.deepEqual(await requestsWhileIdle(seen, IDLE_MS), [], 'nothing polls');
	assertLiveChannelUsed(seen);
	assert.deepEqual(seen.faults, []);
});

test('a wrong password is refused with a reason beside the fields', { skip, timeout: 120_000 }, async t => {
	const seen = await openPage(browser);
	const { page } = seen;
	t.after(() => seen.context.close());

	await page.goto(url);
	await page.getByLabel('Username').fill(username);
	await page.getByLabel('Password', { exact: true }).fill(`${password}-not`);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByRole('alert').filter({ hasText: /./ }).waitFor({ timeout: 90_000 });

	const field = page.getByLabel('Password', { exact: true });
	assert.equal(await field.getAttribute('aria-describedby'), 'signin-error');
	assert.equal(await field.inputValue(), '', 'the password is not left in the field');
	assert.deepEqual(await page.evaluate(() => Object.values({ ...localStorage, ...sessionStorage })), []);
	assert.deepEqual(seen.faults, []);
});

function assertLiveChannelUsed({ sockets }) {
	assert.ok(sockets.some(socket => new URL(socket.url).pathname === '/api/v1/live'), 'the live channel was opened');
	const events = sockets.flatMap(socket => socket.received).flatMap(text => JSON.parse(text));
	assert.ok(events.some(event => event.type === 'event' || event.type === 'snapshot'), 'progress came over it');
	assert.ok(events.some(event => event.state === 'succeeded'), 'and ends of jobs');
}
