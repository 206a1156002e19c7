// Unmodified puppeteer-core through the pool: one lease is one browser with one context.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testWhatIsAlike, useLibrary } from './library.mjs';

let browser, context, page, url;
const t = useLibrary('puppeteer-core', async (module, { adapter, site }) => {
	url = site.url;
	browser = await (module.default ?? module).connect({ browserWSEndpoint: adapter.wsUrl });
	context = await browser.createBrowserContext();
	page = await context.newPage();
	page.setDefaultTimeout(10_000);
	return browser;
});
const { skip } = t;

test('the browser and its context', { skip }, async () => {
	assert.match(await browser.version(), /Chrome/);
	assert.deepEqual((await browser.pages()).length, 1);
	assert.equal(browser.target().type(), 'browser');
	await assert.rejects(browser.createBrowserContext(), /one browser context/);
});

testWhatIsAlike(t, () => page);

test('click, history', { skip }, async () => {
	await Promise.all([page.waitForNavigation(), page.click('#next')]);
	assert.equal(await page.title(), 'next');
	await page.goBack();
	assert.equal(await page.title(), 'site');
});

test('typing, and waiting for what appears', { skip }, async () => {
	await page.goto(`${url}/form`);
	await page.type('#name', 'Ada');
	await page.click('#go');
	const said = await page.waitForSelector('#said');
	assert.equal(await said.evaluate((e) => e.textContent), 'hello Ada');
});

test('cookies, set by the client and by the site, and nobody else\'s', { skip }, async () => {
	await page.setCookie({ name: 'mine', value: '1', url });
	await page.goto(`${url}/cookies`);
	assert.deepEqual((await page.cookies()).map((c) => c.name).sort(), ['from', 'mine']);
	assert.deepEqual((await context.cookies()).map((c) => c.name).sort(), ['from', 'mine']);
	await context.deleteCookie(...await context.cookies());
	assert.deepEqual(await context.cookies(), []);
});

test('requests are intercepted', { skip }, async () => {
	await page.setRequestInterception(true);
	const take = (request) => request.url().endsWith('/data') ? request.respond({ body: 'other data' }) : request.continue();
	page.on('request', take);
	await page.goto(`${url}/fetches`);
	await page.waitForFunction(() => document.title === 'other data');
	page.off('request', take);
	await page.setRequestInterception(false);
	const answer = page.waitForResponse(`${url}/data`);
	await page.goto(`${url}/fetches`);
	assert.equal(await (await answer).text(), 'real data');
});

test('frames', { skip }, async () => {
	await page.goto(`${url}/frame`);
	const inner = page.frames().find((f) => f.url().endsWith('/inner'));
	assert.equal(await inner.$eval('#inside', (e) => e.textContent), 'inside');
});

test('a frame of another site', { skip }, async () => {
	await page.goto(`${url}/cross`);
	const inner = page.frames().find((f) => f.name() === 'other');
	assert.equal(new URL(inner.url()).hostname, 'localhost');
	assert.equal(await (await inner.waitForSelector('#inside')).evaluate((e) => e.textContent), 'inside');
	await assert.rejects(page.evaluate(() => frames[0].document.body.textContent), /cross-origin|SecurityError/);
});

test('a worker', { skip }, async () => {
	const coming = new Promise((resolve) => page.once('workercreated', resolve));
	await page.goto(`${url}/worker`);
	assert.equal(await (await coming).evaluate(() => self.constructor.name), 'DedicatedWorkerGlobalScope');
});

test('a service worker and a shared worker', { skip }, async () => {
	for (const [path, type] of [['/service', 'service_worker'], ['/shared', 'shared_worker']]) {
		await page.goto(`${url}${path}`);
		const target = await browser.waitForTarget((one) => one.type() === type, { timeout: 10_000 });
		assert.match(await (await target.worker()).evaluate(() => self.constructor.name), /WorkerGlobalScope$/);
	}
});

test('a popup', { skip }, async () => {
	await page.goto(`${url}/popup`);
	const coming = new Promise((resolve) => page.once('popup', resolve));
	await page.click('#open');
	const popup = await coming;
	await popup.waitForFunction(() => document.title === 'next');
	await popup.close();
	assert.equal((await browser.pages()).length, 1);
});

test('screenshot and PDF', { skip }, async () => {
	await page.goto(`${url}/`);
	assert.equal(Buffer.from(await page.screenshot()).toString('latin1', 1, 4), 'PNG');
	assert.equal(Buffer.from(await page.pdf()).toString('latin1', 0, 5), '%PDF-');
});

test('a session of one\'s own', { skip }, async () => {
	const session = await page.createCDPSession();
	const { result } = await session.send('Runtime.evaluate', { expression: 'document.title' });
	assert.equal(result.value, 'site');
	await session.detach();
	await assert.rejects(session.send('Runtime.evaluate', { expression: '1' }));
});

test('files of the daemon\'s are not chosen', { skip }, async () => {
	await page.goto(`${url}/choose`);
	await assert.rejects((await page.$('#file')).uploadFile('/etc/passwd'), /not allowed: DOM.setFileInputFiles/);
	const [chooser] = await Promise.all([page.waitForFileChooser(), page.click('#file')]);
	await assert.rejects(chooser.accept(['/etc/passwd']), /not allowed: DOM.setFileInputFiles/);
	assert.equal(await page.title(), 'choose');
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
	assert.equal((await browser.pages()).length, 1);
});

test('the first page may close, and others come after it', { skip }, async () => {
	await page.close();
	assert.deepEqual(await browser.pages(), []);
	page = await context.newPage();
	await page.goto(`${url}/next`);
	assert.equal(await page.title(), 'next');
});
