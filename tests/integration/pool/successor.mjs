// Pools of one browser, to see it replaced by another.
import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from '../../support/process.mjs';
import { startPool as startAnyPool } from './pool.mjs';

const CHROMIUM = '/usr/lib/chromium/chromium-headless-shell';

export const startPool = (settings, options) => startAnyPool({ 'pool.max_browsers': 1, 'pool.max_pages': 6, ...settings }, options);
export const restarts = (status, reason) => status.metrics[`bp_browser_restarts_total{reason="${reason}"}`];
// After n browsers were replaced for this reason.
export const replaced = (pool, reason, n = 1, timeoutMs = 20_000) => pool.until(`${n} replaced: ${reason}`, (s) => restarts(s, reason) >= n &&
	s.browsers.length > 0 && s.browsers.every((b) => b.state === 'ready'), timeoutMs);

// A binary that the test can change while the pool runs.
export function ownBinary(t) {
	const folder = temporaryFolder('pensum-x-');
	const file = path.join(folder.path, 'browser');
	t.after(() => folder.remove());
	return { file, folder: folder.path, put: (script) => {
		fs.writeFileSync(`${file}.new`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
		fs.renameSync(`${file}.new`, file);
	} };
}

// Its script when it is a browser.
export const start = `exec ${CHROMIUM} "$@"`;
