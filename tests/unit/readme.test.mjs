// README.md's table of settings is the programs' own. `node tests/unit/readme.test.mjs --write`
// (with PENSUM_BUILD) puts the present one in.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programPath } from '../support/daemon.mjs';
import { run } from '../support/process.mjs';

const readme = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'README.md');
const between = /(<!-- settings -->\n)([\s\S]*?)(<!-- \/settings -->)/;

// Programs take any PENSUM_… in their environment for a setting.
const outside = { env: { PATH: process.env.PATH } };
const withSite = { env: { ...outside.env, PENSUM_SITE_URL: 'https://moodle.example.edu' } };

async function settingsTable() {
	const printed = await run(programPath('pensum-checker-worker'), ['--print-settings-table'], outside);
	assert.equal(printed.code, 0);
	return `\n${printed.stdout}\n`;
}

if (process.argv.includes('--write')) {
	const table = await settingsTable();
	fs.writeFileSync(readme, fs.readFileSync(readme, 'utf8').replace(between, (_, start, old, end) => start + table + end));
} else {
	test('the table of settings in README.md is the one that the programs print', async () => {
		const [, , written] = fs.readFileSync(readme, 'utf8').match(between);
		assert.equal(written, await settingsTable());
	});

	test('every program knows the common options and refuses what it does not know', async () => {
		for (const name of ['gateway', 'checker-worker', 'docgen-worker', 'browser-pool']) {
			const program = (...args) => run(programPath(`pensum-${name}`), ['--config', '/dev/null', ...args], withSite);
			assert.match((await program('--version')).stdout, new RegExp(`^pensum-${name} \\S+\n$`));
			assert.match((await program('--help')).stdout, /--print-config/);
			assert.match((await program('--print-config')).stdout, /^gateway\.listen = /m);
			assert.equal((await program('--check-config')).code, 0);
			const unknown = await program('--no-such-thing');
			assert.equal(unknown.code, 2);
			assert.match(unknown.stderr, /--no-such-thing/);
		}
	});

	test('what reads Moodle does not start without its address', async () => {
		for (const name of ['gateway', 'checker-worker', 'docgen-worker']) {
			const bare = (...args) => run(programPath(`pensum-${name}`), ['--config', '/dev/null', ...args], outside);
			const refused = await bare('--check-config');
			assert.equal(refused.code, 78);
			assert.match(refused.stderr, /^pensum-\S+: \/dev\/null: site\.url is not set/);
			assert.equal((await bare('--print-config')).code, 0);
		}
	});

	test('a bad setting ends every start with 78 (EX_CONFIG), file, line and what is allowed', async () => {
		const file = path.join(fs.mkdtempSync('/tmp/pensum-conf-'), 'p.conf');
		fs.writeFileSync(file, '# fine\npool.sandbox = perhaps\n');
		for (const name of ['gateway', 'checker-worker', 'docgen-worker', 'browser-pool']) {
			const bad = await run(programPath(`pensum-${name}`), ['--config', file], outside);
			assert.equal(bad.code, 78);
			assert.ok(bad.stderr.includes(`${file}:2`) && bad.stderr.includes('on, off'), bad.stderr);
		}
		fs.writeFileSync(file, 'pool.browser = /nonexistent/chromium\n');
		const absent = await run(programPath('pensum-browser-pool'), ['--config', file, '--check-config'], outside);
		assert.equal(absent.code, 78);
		assert.match(absent.stderr, /pool\.browser = "\/nonexistent\/chromium": No such file .*install/);
		fs.rmSync(path.dirname(file), { recursive: true });
	});
}
