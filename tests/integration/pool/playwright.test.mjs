// Unmodified playwright-core through the pool: one lease is one browser with one context.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { load, missing, startLibraryTest } from './library.mjs';

const skip = missing('playwright-core');
let t, browser, context, page, url;

before(async () => {
	if (skip) return;
	t = await startLibraryTest();
	url = t.site.url;
	browser = await load('playwright-core').chromium.connectOverCDP(t.adapter.url, { timeout: 15_000 });
	context = await browser.newContext();
	context.setDefaultTimeout(10_000);
	page = await context.newPage();
});

after(async () => {
	if (skip) return;
	await browser.close();
	await t.stop();
});

test('the browser and its context', { skip }, async () => {
	assert.match(browser.version(), /^\d+\./);
	assert.ok(browser.contexts().includes(context));
	assert.deepEqual(context.pages(), [page]);
	await assert.rejects(browser.newContext(), /one browser context/);
});

test('goto, title, evaluate, content', { skip }, async () => {
	assert.equal((await page.goto(`${url}/`)).status(), 200);
	assert.equal(await page.title(), 'site');
	assert.equal(await page.evaluate(() => 6 * 7), 42);
	assert.match(await page.content(), /hello/);
});

test('click, history', { skip }, async () => {
	await page.click('#next');
	await page.waitForURL('**/next');
	await page.goBack();
	assert.equal(await page.title(), 'site');
	await page.goForward();
	assert.equal(await page.title(), 'next');
});

test('typing, and waiting for what appears', { skip }, async () => {
	await page.goto(`${url}/form`);
	await page.fill('#name', 'Ada');
	await page.locator('#name').press('End');
	await page.keyboard.type(' L.');
	await page.click('#go');
	assert.equal(await (await page.waitForSelector('#said')).textContent(), 'hello Ada L.');
});

test('cookies, set by the client and by the site, and nobody else\'s', { skip }, async () => {
	await context.addCookies([{ name: 'mine', value: '1', url }]);
	await page.goto(`${url}/cookies`);
	assert.deepEqual((await context.cookies()).map((c) => c.name).sort(), ['from', 'mine']);
	await context.clearCookies();
	assert.deepEqual(await context.cookies(), []);
});

test('requests are intercepted', { skip }, async () => {
	await page.route('**/data', (route) => route.fulfill({ body: 'other data' }));
	await page.goto(`${url}/fetches`);
	await page.waitForFunction(() => document.title === 'other data');
	await page.unroute('**/data');
	const answer = page.waitForResponse('**/data');
	await page.goto(`${url}/fetches`);
	assert.equal(await (await answer).text(), 'real data');
});

test('frames', { skip }, async () => {
	await page.goto(`${url}/frame`);
	assert.equal(await page.frameLocator('iframe').locator('#inside').textContent(), 'inside');
	assert.equal(page.frames().length, 2);
});

test('console and dialogs', { skip }, async () => {
	const said = [];
	page.on('console', (m) => said.push([m.type(), m.text()].join(' ')));
	await page.goto(`${url}/talk`);
	assert.deepEqual(said, ['log said 42', 'error bad']);
	page.once('dialog', (d) => d.accept('answer'));
	assert.equal(await page.evaluate(() => prompt('question')), 'answer');
});

test('a worker', { skip }, async () => {
	const coming = page.waitForEvent('worker');
	await page.goto(`${url}/worker`);
	const worker = await coming;
	assert.equal(await worker.evaluate(() => self.secret), 7);
});

test('a popup', { skip }, async () => {
	await page.goto(`${url}/popup`);
	const coming = page.waitForEvent('popup');
	await page.click('#open');
	const popup = await coming;
	await popup.waitForLoadState();
	assert.equal(await popup.title(), 'next');
	await popup.close();
	assert.equal(context.pages().length, 1);
});

test('screenshot and PDF', { skip }, async () => {
	await page.goto(`${url}/`);
	assert.equal((await page.screenshot()).toString('latin1', 1, 4), 'PNG');
	assert.equal((await page.pdf()).toString('latin1', 0, 5), '%PDF-');
});

test('a second page, and not more than four', { skip }, async () => {
	const second = await context.newPage();
	await second.goto(`${url}/next`);
	assert.equal(await second.title(), 'next');
	assert.equal(await page.title(), 'site');
	const more = [await context.newPage(), await context.newPage()];
	await assert.rejects(context.newPage(), /at most 4 pages/);
	for (const one of [second, ...more]) await one.close();
	assert.deepEqual(context.pages(), [page]);
});

test('what the pool does not allow fails with its sentence', { skip }, async () => {
	await assert.rejects(page.goto('file:///etc/passwd'), /only http/);
	await assert.rejects(page.setInputFiles('#name', '/etc/passwd'), /.*/);
});
