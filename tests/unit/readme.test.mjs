// README.md's table of settings is the programs' own. `node tests/unit/readme.test.mjs --write`
// (with PENSUM_BUILD) puts the present one in.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programPath, writeKey } from '../support/daemon.mjs';
import { run, temporaryFolder } from '../support/process.mjs';

const readme = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'README.md');
const between = /(<!-- settings -->\n)([\s\S]*?)(<!-- \/settings -->)/;

// Programs take any PENSUM_… in their environment for a setting.
const outside = { env: { PATH: process.env.PATH } };
const withSite = { env: { ...outside.env, PENSUM_SITE_URL: 'https://moodle.example.edu' } };

// What the daemons open at their start, of an installation that has everything.
function install(t) {
	const { path: folder, remove } = temporaryFolder('pensum-i-');
	t.after(remove);
	fs.mkdirSync(path.join(folder, 'web'));
	fs.writeFileSync(path.join(folder, 'web', 'index.html'), '');
	return { 'site.url': 'https://moodle.example.edu', 'sites.dir': '', 'secrets.key_file': writeKey(folder),
		'gateway.web_dir': path.join(folder, 'web'), 'documents.dir': path.join(folder, 'var', 'documents'),
		'worker.spool_dir': path.join(folder, 'var', 'spool'), 'pool.run_dir': path.join(folder, 'run', 'browsers'),
		'pool.socket': path.join(folder, 'pool.sock'), 'pool.browser': process.execPath };
}

// The folder is at its end as it was before.
async function checkConfig(t, name, settings) {
	const folder = path.dirname(settings['secrets.key_file']);
	const file = path.join(fs.mkdtempSync('/tmp/pensum-conf-'), 'p.conf');
	t.after(() => fs.rmSync(path.dirname(file), { recursive: true }));
	fs.writeFileSync(file, Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`).join(''));
	const before = fs.readdirSync(folder, { recursive: true });
	const { code, stderr } = await run(programPath(`pensum-${name}`), ['--config', file, '--check-config'], outside);
	assert.deepEqual(fs.readdirSync(folder, { recursive: true }), before, 'changes nothing');
	return { code, stderr };
}

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
			const unknown = await program('--no-such-thing');
			assert.equal(unknown.code, 2);
			assert.match(unknown.stderr, /--no-such-thing/);
		}
	});

	test('--check-config finds nothing to say where everything is that a start needs', async (t) => {
		const settings = install(t);
		for (const name of ['gateway', 'checker-worker', 'docgen-worker', 'browser-pool'])
			assert.deepEqual(await checkConfig(t, name, settings), { code: 0, stderr: '' });
	});

	test('--check-config says what a start would fail for', async (t) => {
		const settings = install(t), folder = path.dirname(settings['secrets.key_file']);
		const file = path.join(folder, 'a file');
		fs.writeFileSync(file, 'not a key');
		const [record, documents] = [['gateway', 'checker-worker', 'docgen-worker'], ['gateway', 'docgen-worker']];
		const faults = [
			[record, { 'secrets.key_file': path.join(folder, 'nothing') }, /secret pensum-key: cannot open .*nothing: No such file/],
			[record, { 'secrets.key_file': file }, /expected 64 hex digits/],
			[record, { 'postgres.password_file': '/nothing' }, /secret pensum-postgres: cannot open \/nothing/],
			[record, { 'postgres.conninfo': 'host' }, /postgres\.conninfo: .*host/],
			[record, { 'postgres.conninfo': 'postgresql://db/pensum' }, /postgres\.conninfo: expected .*no URI/],
			[record, { 'redis.password_file': '/nothing' }, /secret pensum-redis: cannot open \/nothing/],
			[documents, { 'documents.dir': path.join(file, 'documents') }, /documents\.dir = ".*": .*Not a directory/],
			[['checker-worker', 'docgen-worker'], { 'worker.spool_dir': file }, /worker\.spool_dir = ".*": .*Not a directory/],
			[['gateway'], { 'gateway.web_dir': folder }, /gateway\.web_dir = ".*": no index\.html/],
			[['gateway'], { 'gateway.listen': 'localhost:80' }, /listen address "localhost:80": expected .* literal/],
			[['gateway'], { 'gateway.admin_listen': 'unix:/nothing/here' }, /cannot listen on \/nothing\/here: No such/],
			[['browser-pool'], { 'pool.run_dir': path.join(file, 'x') }, /pool\.run_dir = ".*": .*Not a directory/],
			[['browser-pool'], { 'pool.socket': '/nothing/here' }, /cannot listen on \/nothing\/here: No such/],
			[['browser-pool'], { 'pool.socket': `/tmp/${'x'.repeat(120)}` }, /socket path too long/],
		];
		for (const [names, fault, said] of faults) for (const name of names) {
			const { code, stderr } = await checkConfig(t, name, { ...settings, ...fault });
			assert.deepEqual([name, fault, code], [name, fault, 78]);
			assert.match(stderr, said);
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
