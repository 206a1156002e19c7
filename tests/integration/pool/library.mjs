// What the suites of client libraries share: a pool whose browser isolates sites, its adapter, a
// site, the library from $NPM_MODULES, and a bystander whose page nobody may touch.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { startAdapter } from '../../support/cdp-adapter.mjs';
import { temporaryFolder } from '../../support/process.mjs';
import { isolatingBrowser, startPool } from './pool.mjs';
import { startSite } from './site.mjs';

const modules = process.env.NPM_MODULES;

// false, or the sentence for `skip`.
export const missing = (name) => !(modules && fs.existsSync(path.join(modules, name))) && `${name} is not in NPM_MODULES (tests/run installs it)`;
export const load = (name) => createRequire(path.join(modules, 'x.js'))(name);

export async function startLibraryTest() {
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
