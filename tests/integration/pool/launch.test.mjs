// Browsers that do not start: whatever the reason, the pool tries again with growing pauses, who waits
// waits on, and soon after the reason is gone there is a browser, and nothing else left.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, temporaryFolder } from '../../support/process.mjs';
import { leadersOf, startPool } from './pool.mjs';

const CHROMIUM = '/usr/lib/chromium/chromium-headless-shell';
const FAULT_S = Number(process.env.LAUNCH_FAULT_S ?? 4);
const MAX_PAUSE_MS = 30_000, MAX_ATTEMPTS = 12;
const isRoot = process.getuid() === 0;
const OTHER_UID = 64242; // whom limits hold for, other than for root

const run = (command, ...args) => {
	const { status, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8' });
	if (status !== 0) throw new Error(`${command}: ${stderr}`);
	return stdout;
};

const zombiesOf = (parent) => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).filter((pid) => {
	try {
		const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
		const [state, ppid] = text.slice(text.lastIndexOf(')') + 2).split(' ');
		return state === 'Z' && Number(ppid) === parent;
	} catch {
		return false;
	}
});

// Another binary in the browser's place.
const binary = (script) => async (t, folder) => {
	const file = path.join(folder, 'browser');
	const bad = path.join(folder, 'bad');
	const link = (target) => fs.symlinkSync(target, `${file}.new`) ?? fs.renameSync(`${file}.new`, file);
	fs.writeFileSync(bad, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
	link(bad);
	const pool = await startPool({ 'pool.browser': file }, { t });
	return { pool, mend: () => link(CHROMIUM) };
};

async function fullDisk(t, folder) {
	const disk = path.join(folder, 'run');
	fs.mkdirSync(disk);
	run('mount', '-t', 'tmpfs', '-o', 'size=64m,nr_inodes=3000,mode=700', 'none', disk);
	t.after(() => run('umount', '-l', disk));
	const ballast = path.join(disk, 'ballast');
	fs.writeFileSync(path.join(disk, 'lock'), '');
	fs.mkdirSync(ballast);
	try {
		for (let i = 0; i < 3000; i++) fs.writeFileSync(path.join(ballast, String(i)), '');
		assert.fail('it is not full');
	} catch (err) {
		assert.equal(err.code, 'ENOSPC');
	}
	fs.rmSync(path.join(ballast, '0')); // a profile can be begun
	const pool = await startPool({ 'pool.run_dir': disk }, { t });
	pool.profiles = () => fs.readdirSync(disk).filter((name) => name.startsWith('browser-'));
	pool.runDir = disk;
	return { pool, mend: () => fs.rmSync(ballast, { recursive: true }) };
}

async function noProcess(t, folder) {
	const as = ['setpriv', `--reuid=${OTHER_UID}`, `--regid=${OTHER_UID}`, '--clear-groups'];
	const wrap = isRoot ? ['sh', '-c', `chown -R ${OTHER_UID} "$(dirname "$3")" "$0" && exec ${as.join(' ')} "$@"`, folder] : [];
	const pool = await startPool({ 'pool.idle_s': 0 }, { t, wrap, folder: { path: folder } });
	await pool.until('a page', (s) => s.contexts.warm > 0);
	const soft = fs.readFileSync(`/proc/${pool.daemon.pid}/limits`, 'utf8').match(/^Max processes +(\S+)/m)[1];
	const limit = (n) => run(...(isRoot ? as : []), 'prlimit', '--pid', String(pool.daemon.pid), `--nproc=${n}:`);
	limit(1);
	for (const { pid } of (await pool.status()).browsers) process.kill(pid, 'SIGKILL');
	await pool.until('no browser any more', (s) => s.start_failures > 0);
	return { pool, before: 1, mend: () => limit(soft) };
}

const faults = [
	{ name: 'that exits at once', begin: binary('exit 1') },
	{ name: 'that hangs', begin: binary('exec sleep 600'), slow: true }, // found at its start's deadline
	{ name: 'that closes its pipe', begin: binary(`exec 4>&-\nexec ${CHROMIUM} "$@"`) },
	{ name: 'for whose profile the disk is full', begin: fullDisk, skip: !isRoot && 'needs root to mount a disk' },
	{ name: 'for which there may be no process', begin: noProcess },
];

test('launches that fail do not poison the pool', { concurrency: faults.length }, async (t) => {
	await Promise.all(faults.map(({ name, begin, slow, skip }) => t.test(`a browser ${name}`, { skip }, async (st) => {
		const folder = temporaryFolder('pensum-l-');
		const { pool, mend, before = 0 } = await begin(st, folder.path);
		const begun = Date.now();
		const waiter = pool.begin({ wait_ms: 55_000 });
		const impatient = pool.begin({ wait_ms: 1000 });
		await assert.rejects(impatient.granted(), { reason: slow ? 'wait_over' : 'no_browser' });
		const failing = slow ? await pool.status()
			: await pool.until('failures and a pause', (s) => s.start_failures >= 2 && s.next_start_in_ms > 0);
		if (!slow) assert.equal(failing.start_failure, 'no_browser');
		await sleep(Math.max(0, FAULT_S * 1000 - (Date.now() - begun)));

		const { totals, waiting } = await pool.status();
		assert.ok(totals.browser_starts - before <= MAX_ATTEMPTS, `${totals.browser_starts} starts`);
		assert.equal(waiting.length, 1, 'who has patience waits on');
		mend();
		const mended = Date.now();
		await waiter.granted(MAX_PAUSE_MS + 10_000);
		st.diagnostic(`${totals.browser_starts - before} attempts in ${mended - begun} ms; a page ${Date.now() - mended} ms after it was mended`);
		assert.equal(await waiter.evaluate('1 + 1'), 2);
		const after = await pool.until('one browser', (s) => s.browsers.length === 1 && s.start_failures === 0);
		assert.equal(after.start_failure, undefined);
		assert.deepEqual(pool.profiles().length, 1);
		assert.equal(leadersOf(pool.runDir).length, 1);
		assert.deepEqual(zombiesOf(pool.daemon.pid), []);
		waiter.close();
		await pool.stop();
		st.after(() => folder.remove());
	})));
});

test('why a browser does not start stands in the log', async (t) => {
	const folder = temporaryFolder('pensum-l-');
	t.after(() => folder.remove());
	const { pool } = await binary('echo "no usable sandbox" >&2; exit 3')(t, folder.path);
	await pool.daemon.waitLine(/level=warning .*msg="browser says" .*text="no usable sandbox"/);
	await pool.daemon.waitLine(/msg="browser start failed" reason=no_browser .*path=\/.*\/browser/);
	await pool.daemon.waitLine(/msg="browser gone" .*exit="code 3"/);
	await pool.stop();
});
