// Unmodified playwright-core through the pool: one lease is one browser with one context.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWhatIsAlike, useLibrary } from './library.mjs';

let browser, context, page, url;
const t = useLibrary('playwright-core', async ({ chromium }, { adapter, site }) => {
	url = site.url;
	browser = await chromium.connectOverCDP(adapter.url, { timeout: 15_000 });
	context = await browser.newContext();
	context.setDefaultTimeout(10_000);
	page = await context.newPage();
	return browser;
});
const { skip } = t;

test('the browser and its context', { skip }, async () => {
	assert.match(browser.version(), /^\d+\./);
	assert.ok(browser.contexts().includes(context));
	assert.deepEqual(context.pages(), [page]);
	await assert.rejects(browser.newContext(), /one browser context/);
});

testWhatIsAlike(t, () => page);

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

test('a frame of another site', { skip }, async () => {
	await page.goto(`${url}/cross`);
	const inner = page.frame('other');
	assert.equal(new URL(inner.url()).hostname, 'localhost');
	assert.equal(await inner.locator('#inside').textContent(), 'inside');
	await assert.rejects(page.evaluate(() => frames[0].document.body.textContent), /cross-origin|SecurityError/);
});

test('a worker', { skip }, async () => {
	const coming = page.waitForEvent('worker');
	await page.goto(`${url}/worker`);
	const worker = await coming;
	assert.equal(await worker.evaluate(() => self.secret), 7);
});

test('a service worker', { skip }, async () => {
	await page.goto(`${url}/service`);
	const worker = context.serviceWorkers()[0] ?? await context.waitForEvent('serviceworker');
	assert.equal(await worker.evaluate(() => self.kind), 'service');
});

test('a popup has what was prepared for it before its first script', { skip }, async () => {
	await context.addInitScript(() => { window.prepared = true; });
	await page.goto(`${url}/`);
	const coming = page.waitForEvent('popup');
	await page.evaluate(() => { window.open('/first'); });
	const popup = await coming;
	await popup.waitForLoadState();
	assert.equal(await popup.title(), 'prepared');
	await popup.close();
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

test('sessions of one\'s own, on the page and on the browser', { skip }, async () => {
	await page.goto(`${url}/`);
	for (let i = 0; i < 20; i++) {
		const session = await context.newCDPSession(page);
		const { result } = await session.send('Runtime.evaluate', { expression: 'document.title' });
		assert.equal(result.value, 'site');
		await session.detach();
	}
	const own = await browser.newBrowserCDPSession();
	assert.match((await own.send('Browser.getVersion')).product, /Chrome/);
	const { targetInfos } = await own.send('Target.getTargets');
	assert.deepEqual(targetInfos.filter((i) => i.type === 'page').map((i) => i.url), [`${url}/`]);
	await assert.rejects(own.send('Target.setDiscoverTargets', { discover: true }), /not allowed/);
	await assert.rejects(own.send('Browser.crash'), /not allowed/);
	await own.detach();
});

test('files of the daemon\'s are not chosen, the client\'s own are', { skip }, async () => {
	await page.goto(`${url}/choose`);
	const session = await context.newCDPSession(page);
	const { root } = await session.send('DOM.getDocument');
	const { nodeId } = await session.send('DOM.querySelector', { nodeId: root.nodeId, selector: '#file' });
	await assert.rejects(session.send('DOM.setFileInputFiles', { nodeId, files: ['/etc/passwd'] }), /not allowed: DOM.setFileInputFiles/);
	await session.detach();
	assert.equal(await page.title(), 'choose');
	await page.setInputFiles('#file', { name: 'mine.txt', mimeType: 'text/plain', buffer: Buffer.from('mine') });
	assert.equal(await page.title(), 'mine.txt');
	const coming = page.waitForEvent('filechooser');
	await page.click('#file');
	await (await coming).setFiles({ name: 'other.txt', mimeType: 'text/plain', buffer: Buffer.from('other') });
	assert.equal(await page.title(), 'other.txt');
});

test('a second page, and not more than four', { skip }, async () => {
	await page.goto(`${url}/`);
	const second = await context.newPage();
	await second.goto(`${url}/next`);
	assert.equal(await second.title(), 'next');
	assert.equal(await page.title(), 'site');
	const more = [await context.newPage(), await context.newPage()];
	await assert.rejects(context.newPage(), /at most 4 pages/);
	for (const one of [second, ...more]) await one.close();
	assert.deepEqual(context.pages(), [page]);
});
