// The stage of this folder's tests against a stand-in for the API: before each test a new one, with a page
// of it in a browser that all tests share.
import { after, afterEach, before, beforeEach } from 'node:test';
import { startFake } from '../../support/fake-api.mjs';
import { launchBrowser, missingBrowser, openPage } from './browser.mjs';

export const options = { skip: missingBrowser, timeout: 60_000 };
export const MAYA = { username: 'maya', password: 'right' };
export let browser, fake, seen, page;

before(async () => { if (!missingBrowser) browser = await launchBrowser(); });
after(() => browser?.close());
beforeEach(async () => {
	if (missingBrowser) return;
	fake = await startFake({ speed: 4 });
	seen = await openPage(browser);
	({ page } = seen);
	await page.goto(fake.url);
});
afterEach(async () => {
	await seen?.context.close();
	await fake?.stop();
});
