// The page against a running Pensum, as a student uses it.
//
//	PENSUM_URL=http://127.0.0.1:8080 PENSUM_USER=maya PENSUM_PASSWORD=… PLAYWRIGHT_CORE=… \
//		node --test tests/e2e/page/page.test.mjs
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser, missingBrowser, openPage, requestsWhileIdle } from './browser.mjs';
import * as walk from './walk.mjs';

const { PENSUM_URL: url, PENSUM_USER: username, PENSUM_PASSWORD: password } = process.env;
const skip = missingBrowser || (!(url && username && password) &&
	'PENSUM_URL, PENSUM_USER and PENSUM_PASSWORD do not name a running Pensum and a student');
const PICKED = 5;
const IDLE_MS = 3_000;

let browser;
before(async () => { if (!skip) browser = await launchBrowser(); });
after(() => browser?.close());

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
	const events = sockets.flatMap(socket => socket.received).map(text => JSON.parse(text));
	assert.ok(events.some(event => event.type === 'event' || event.type === 'snapshot'), 'progress came over it');
	assert.ok(events.some(event => event.state === 'succeeded'), 'and ends of jobs');
}
