// What the suites of client libraries share: a pool whose browser isolates sites, its adapter, a
// site, the library from $NPM_MODULES, and a bystander whose page nobody may touch; and the tests in
// which the libraries do not differ.
//
//   const t = useLibrary('playwright-core', async ({ chromium }, { adapter, site }) => …);   a browser
//   test('…', { skip: t.skip }, async () => …);
//   testWhatIsAlike(t, () => page);
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startAdapter } from '../../support/cdp-adapter.mjs';
import { temporaryFolder, until } from '../../support/process.mjs';
import { isolatingBrowser, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

const modules = process.env.NPM_MODULES;

// false, or the sentence for `skip`.
export const missing = (name) => !(modules && fs.existsSync(path.join(modules, name))) && `${name} is not in NPM_MODULES (tests/run installs it)`;
const load = (name) => createRequire(path.join(modules, 'x.js'))(name);

async function start() {
	const folder = temporaryFolder('pensum-b-');
	const pool = await startPool({ 'pool.browser': isolatingBrowser(folder) });
	const site = await startSite();
	const adapter = await startAdapter(pool.socket);
	const bystander = await pool.lease({ ttl_ms: 120_000 });
	await bystander.goto(`${site.url}/`);
	await bystander.evaluate('document.cookie = "canary=bystander; path=/"; localStorage.canary = "bystander"; window.canary = "bystander"; document.title = "bystander"');
	const state = () => bystander.evaluate('JSON.stringify([document.cookie, localStorage.canary, window.canary, document.title, location.pathname])');
	const before = await state();
	const stop = async () => {
		assert.equal(await state(), before);
		bystander.close();
		adapter.stop();
		await pool.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.disposing === 0);
		site.stop();
		await pool.stop();
		folder.remove();
	};
	// The names of all files that the browsers could write, where they may.
	const files = () => [pool.runDir, os.homedir(), os.tmpdir()].flatMap((folder) => {
		try {
			return fs.readdirSync(folder, { recursive: folder === pool.runDir });
		} catch {
			return []; // it changed meanwhile
		}
	});
	return { pool, site, adapter, files, stop };
}

// open(the library, what start() gives) connects to the adapter and answers with the browser.
export function useLibrary(name, open) {
	const t = { skip: missing(name) };
	let browser;
	before(async () => {
		if (t.skip) return;
		Object.assign(t, await start());
		browser = await open(load(name), t);
	});
	after(async () => {
		if (t.skip) return;
		await browser?.close();
		await t.stop?.();
	});
	return t;
}

// Begins on a page of any kind and leaves it on the site's first one.
export function testWhatIsAlike(t, page) {
	const { skip } = t;

	test('goto, title, evaluate, content', { skip }, async () => {
		assert.equal((await page().goto(`${t.site.url}/`)).status(), 200);
		assert.equal(await page().title(), 'site');
		assert.equal(await page().evaluate(() => 6 * 7), 42);
		assert.match(await page().content(), /hello/);
	});

	test('console and dialogs', { skip }, async () => {
		const said = [];
		page().on('console', (m) => said.push([m.type(), m.text()].join(' ')));
		await page().goto(`${t.site.url}/talk`);
		assert.deepEqual(said, ['log said 42', 'error bad']);
		page().once('dialog', (d) => d.accept('answer'));
		assert.equal(await page().evaluate(() => prompt('question')), 'answer');
	});

	test('what the pool does not allow fails with its sentence', { skip }, async () => {
		await assert.rejects(page().goto('file:///etc/passwd'), /only http/);
	});

	test('nothing is downloaded to the disk', { skip }, async () => {
		await page().goto(`${t.site.url}/downloads`);
		await page().click('#get');
		await until('the request', () => t.site.asked.includes('/download'));
		assert.equal(await page().title(), 'downloads');
		await page().goto(`${t.site.url}/`);
		assert.ok(t.files().length > 0);
		assert.deepEqual(t.files().filter((name) => /pensum-downloaded/.test(name)), []);
	});
}
