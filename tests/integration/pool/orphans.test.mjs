// A pool that is killed leaves nothing that lasts: no process, no profile, no file; and what it could
// not take with it, the next pool on its folder does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import { commandOf, groupOf, Lease, startPool } from './pool.mjs';

const FULL = '/usr/lib/chromium/chromium';
const ROUNDS = Number(process.env.ORPHANS_ROUNDS ?? 10);
const LATEST_MS = 1500; // after the pool's start
const CLIENTS = 4;

const pids = () => fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
const quietly = (ask) => {
	try {
		return ask();
	} catch {
		return '';
	}
};
const stateOf = (pid) => quietly(() => fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /s, ''))[0];

// By command line, environment or working folder: Chromium's children keep only the last, and of
// sandboxed ones it cannot be seen, but they stay in their browser's group.
const isOf = (folder) => (pid) =>
	(commandOf(pid).includes(folder.path) || quietly(() => fs.readlinkSync(`/proc/${pid}/cwd`)).startsWith(folder.path)
		|| quietly(() => fs.readFileSync(`/proc/${pid}/environ`, 'latin1')).includes(folder.path)) && stateOf(pid) !== 'Z';
const processesOf = (folder) => pids().filter((pid) => pid !== process.pid).filter(isOf(folder));

const parentOf = (pid) => Number(quietly(() => fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /s, '')).split(' ')[1]);
const childrenOf = (parent) => pids().filter((pid) => parentOf(pid) === parent);

const describe = (list) => list.map((pid) => `${pid} ${stateOf(pid)} ${commandOf(pid).slice(0, 100)}`).join('\n');

async function untilNone(folder, browsers = []) {
	let left;
	await until('end of all', () => (left = [...processesOf(folder), ...browsers.flatMap(groupOf)]).length === 0, 15_000).catch((error) => {
		throw new Error(`${error.message}:\n${describe(left)}`);
	});
}

const CHROMIUMS = /chromium|com\.google\.chrome|scoped_dir|crashpad/i;
const strays = () => ['/tmp', '/dev/shm'].flatMap((folder) => quietly(() => fs.readdirSync(folder)) || [])
	.filter((name) => CHROMIUMS.test(name));

const SCRIPTS = ['1 + 1', 'for (;;);', 'fetch("data:,x").then((r) => r.text())', 'location = "data:text/html,<iframe src=about:blank>"; 0'];

// Goes from lease to lease until the pool is dead.
async function useUp(pool, random) {
	for (let open = true; open; ) {
		const lease = new Lease(pool.socket, { ttl_ms: 300 });
		open = await new Promise((resolve) => {
			lease.listeners.push((m) => m.type && resolve(true));
			lease.closed.then(() => resolve(false));
		});
		if (open) lease.send({ id: 1, method: 'Runtime.evaluate', params: { expression: SCRIPTS[Math.floor(random() * SCRIPTS.length)], awaitPromise: true } });
		await Promise.race([lease.closed, sleep(random() * 200)]);
		lease.close();
	}
}

test(`a pool that is killed at ${ROUNDS} moments under load leaves nothing`, { timeout: 60_000 + ROUNDS * 20_000 }, async (t) => {
	const folder = temporaryFolder('pensum-o-');
	const before = new Set(strays());
	let full = 0, reaped = 0;
	for (let round = 0; round < ROUNDS; round++) {
		const isFull = round % 5 === 4 && fs.existsSync(FULL);
		full += isFull;
		const pool = await startPool({ 'pool.max_pages': 4, ...(isFull && { 'pool.browser': FULL }) }, { t, folder });
		reaped += (await pool.status()).metrics.bp_orphans_reaped_total;
		const clients = Array.from({ length: CLIENTS }, () => useUp(pool, Math.random));
		const delay = Math.random() * LATEST_MS;
		await sleep(delay);
		const browsers = childrenOf(pool.daemon.pid);
		await pool.daemon.kill();
		await Promise.all(clients);
		await untilNone(folder, browsers).catch((error) => {
			throw new Error(`round ${round}, killed after ${delay | 0} ms: ${error.message}`);
		});
	}
	const last = await startPool({ 'pool.max_pages': 2 }, { t, folder });
	const lease = await last.lease();
	assert.equal(await lease.evaluate('1 + 1'), 2);
	lease.close();
	await until('end of the dead', () => childrenOf(last.daemon.pid).every((pid) => stateOf(pid) !== 'Z'));
	assert.deepEqual(fs.readdirSync(last.runDir).sort(), ['browser-1', 'lock']);
	await last.stop();
	assert.deepEqual(fs.readdirSync(last.runDir), ['lock']);
	await untilNone(folder);
	await until('end of the files that a Chromium leaves outside', () => strays().every((name) => before.has(name)), 30_000);
	t.diagnostic(`${full} of them with the full browser; the next pool had to kill ${reaped} processes`);
	folder.remove();
});

test('what outlives a killed pool is killed by the next one, and nobody else', async (t) => {
	const folder = temporaryFolder('pensum-o-');
	const sleeper = (env) => {
		const child = spawn('/bin/sleep', ['600'], { detached: true, stdio: 'ignore', env });
		t.after(() => child.kill('SIGKILL'));
		child.gone = new Promise((resolve) => child.once('exit', resolve));
		return child;
	};
	const pool = await startPool({}, { t, folder });
	const lease = await pool.lease();
	await lease.evaluate('1');
	const browser = await pool.browserPid();
	const pages = groupOf(browser).filter((pid) => commandOf(pid).includes('--type=renderer'));
	assert.ok(pages.length > 0);
	for (const pid of pages) process.kill(pid, 'SIGSTOP');
	await pool.daemon.kill();
	// The stopped ones cannot notice; of a sandbox they die with its first process.
	await until('end of the others', () => [...processesOf(folder), ...groupOf(browser)].every((pid) => pages.includes(pid)));
	const isSandboxed = process.getuid() !== 0;
	if (!isSandboxed) assert.deepEqual(groupOf(browser), pages);

	// A helper that left the browser's group, one of another pool, and one that got a browser's old pid.
	const helper = sleeper({ BP_ID: path.join(pool.runDir, 'browser-7') });
	const foreign = sleeper({ BP_ID: `${pool.runDir}2/browser-7` });
	const heir = sleeper({});
	fs.mkdirSync(path.join(pool.runDir, 'browser-99'));
	fs.writeFileSync(path.join(pool.runDir, 'browser-99', 'pensum-leader'),
		`${heir.pid} 1 ${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')}`);

	const next = await startPool({}, { t, folder });
	assert.ok(pages.every((pid) => !commandOf(pid)), describe(pages));
	await helper.gone;
	assert.equal(next.daemon.lines.filter((line) => /killed pool left processes/.test(line)).length, 1);
	const { bp_orphans_reaped_total: reaped } = (await next.status()).metrics;
	assert.ok(isSandboxed ? reaped >= 1 && reaped <= pages.length + 1 : reaped === pages.length + 1, `${reaped} reaped`);
	assert.ok([foreign, heir].every((child) => child.exitCode === null && child.signalCode === null));
	const again = await next.lease();
	assert.equal(await again.evaluate('1 + 1'), 2);
	again.close();
	await next.stop();
	assert.deepEqual(fs.readdirSync(next.runDir), ['lock']);
	folder.remove();
});
