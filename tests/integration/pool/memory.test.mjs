// Memory: pages that take too much of it, a machine that has too little, and a pool that needs none.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { sleep, temporaryFolder, until } from '../../support/process.mjs';
import { commandOf, groupOf, startPool } from './pool.mjs';

const MIB = 1 << 20;

// What a process has for itself, as the pool counts it.
function ownBytes(pid) {
	try {
		const [, resident, shared] = fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ').map(Number);
		return (resident - shared) * 4096;
	} catch {
		return 0;
	}
}

const renderersOf = (group) => groupOf(group).filter((pid) => commandOf(pid).includes('--type=renderer'));

const bombs = {
	objects: 'const all = []; for (;;) all.push(new Array(1e5).fill({}).map(() => ({})))',
	'array buffers': 'const all = []; for (;;) { try { all.push(new Uint8Array(4 << 20).fill(1)); } catch {} }',
	'DOM nodes': `for (;;) { const p = document.createElement('p'); p.textContent = 'x'.repeat(100); document.body.append(p); }`,
	canvas: `(async () => { const all = []; for (;;) { const c = document.createElement('canvas'); c.width = c.height = 1024;
		const x = c.getContext('2d'); x.fillRect(0, 0, 9, 9); x.getImageData(0, 0, 1, 1); all.push(c);
		await new Promise((resolve) => setTimeout(resolve)); } })()`,
};

test('three pages that take too much memory die, and nobody else notices', async (t) => {
	const limit = 256;
	const pool = await startPool({ 'pool.max_pages': 8, 'pool.max_browsers': 1, 'pool.page_memory_mb': limit }, { t });
	const bystanders = [await pool.lease(), await pool.lease()];
	const browser = await pool.browserPid();
	for (const round of [['objects', 'array buffers', 'DOM nodes'], ['canvas', 'canvas', 'canvas']]) {
		const victims = await Promise.all(round.map(() => pool.lease()));
		let largest = 0, all = 0, over = false;
		victims.forEach((victim, i) => victim.ask('Runtime.evaluate', { expression: bombs[round[i]] }));
		const ends = Promise.all(victims.map((victim) => victim.ended)).finally(() => { over = true; });
		let asked = 0;
		while (!over) {
			for (const bystander of bystanders) assert.equal(await bystander.evaluate(`${++asked} + 1`), asked + 1);
			const sizes = groupOf(browser).map(ownBytes);
			largest = Math.max(largest, ...sizes);
			all = Math.max(all, sizes.reduce((a, b) => a + b, 0));
			await sleep(20);
		}
		assert.deepEqual(await ends, ['page_oom', 'page_oom', 'page_oom'], String(round));
		// What a bomb adds between two looks is little; 256 MiB above the limit the kernel would stop it.
		assert.ok(largest < (limit + 128) * MIB, `${largest / MIB} MiB in one process`);
		assert.ok(all < (3 * (limit + 128) + 300) * MIB, `${all / MIB} MiB in the group`);
		await until('page processes gone', () => renderersOf(browser).every((pid) => ownBytes(pid) < 128 * MIB));
	}
	const { browsers, totals, metrics } = await pool.status();
	assert.deepEqual(browsers.map((b) => b.pid), [browser]);
	assert.deepEqual(totals.ended, { page_oom: 6 });
	assert.equal(metrics['bp_lease_end_total{reason="page_oom"}'], 6);
	for (const bystander of bystanders) bystander.close();
	await pool.stop();
});

test('a page that dies of something else did not die of memory', async (t) => {
	const pool = await startPool({ 'pool.page_memory_mb': 256 }, { t });
	const victim = await pool.lease();
	await victim.evaluate('globalThis.some = new Uint8Array(40 << 20).fill(1); 0');
	const browser = await pool.browserPid();
	const [largest] = renderersOf(browser).sort((a, b) => ownBytes(b) - ownBytes(a));
	await sleep(300); // it is measured meanwhile
	process.kill(largest, 'SIGKILL');
	assert.equal(await victim.ended, 'page_crashed');
	await pool.stop();
});

test('a kept page that grows too large is discarded', async (t) => {
	const pool = await startPool({ 'pool.page_memory_mb': 160 }, { t });
	const lease = await pool.lease({ key: 'k' });
	await lease.evaluate(`setInterval(() => (globalThis.all ??= []).push(new Uint8Array(4 << 20).fill(1)), 20); 0`);
	lease.close();
	await pool.daemon.waitLine(/page out of memory/, 20_000);
	const next = await pool.lease({ key: 'k' });
	assert.equal(next.messages.find((m) => m.type === 'leased').sticky, false);
	next.close();
	await pool.stop();
});

const insideOf = (folder) => ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder];

// A control group that the kernel holds to a limit. The pool knows those of cgroup v2; of one of v1 it
// sees a copy, renewed fifty times a second.
function makeGroup(limit) {
	const v2 = '/sys/fs/cgroup', v1 = '/sys/fs/cgroup/memory', name = `pensum-test-${process.pid}`;
	const read = (folder, file) => fs.readFileSync(`${folder}/${file}`, 'latin1');
	const remove = (folder) => until('empty group', () => {
		try {
			fs.rmdirSync(folder);
			return true;
		} catch { return false; }
	});
	if (fs.existsSync(`${v2}/cgroup.subtree_control`) && read(v2, 'cgroup.subtree_control').includes('memory')) {
		const folder = `${v2}/${name}`;
		fs.mkdirSync(folder);
		fs.writeFileSync(`${folder}/memory.max`, `${limit}`);
		return { wrap: insideOf(folder), kills: () => Number(/^oom_kill (\d+)/m.exec(read(folder, 'memory.events'))[1]), remove: () => remove(folder) };
	}
	const folder = `${v1}/${name}`, copy = temporaryFolder('pensum-g-');
	fs.mkdirSync(folder);
	fs.writeFileSync(`${folder}/memory.limit_in_bytes`, `${limit}`);
	const mirror = () => {
		fs.writeFileSync(`${copy.path}/memory.max`, `${limit}\n`);
		fs.writeFileSync(`${copy.path}/memory.current`, read(folder, 'memory.usage_in_bytes'));
		fs.writeFileSync(`${copy.path}/memory.stat`, /^total_(inactive_file \d+\n)/m.exec(read(folder, 'memory.stat'))[1]);
	};
	mirror();
	const timer = setInterval(mirror, 20);
	return { wrap: [...namespace, 'sh', '-c', 'echo $$ > "$0/cgroup.procs" && mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"', folder, copy.path],
		kills: () => Number(/^oom_kill (\d+)/m.exec(read(folder, 'memory.oom_control'))[1]),
		remove: () => (clearInterval(timer), copy.remove(), remove(folder)) };
}

test('with 1 GiB for everything three pages that take all they can die, before the kernel has to choose', async (t) => {
	let group;
	try {
		group = makeGroup(1024 * MIB);
	} catch (error) {
		t.skip(`no control group: ${error.message}`);
		return;
	}
	t.after(() => group.remove());
	const pool = await startPool({ 'pool.sandbox': 'off' }, { t, wrap: group.wrap });
	const { limits } = await pool.status();
	assert.deepEqual([limits.max_browsers, limits.max_pages, limits.page_memory_mb], [1, 8, 192]);
	const bystander = await pool.lease();
	const browser = await pool.browserPid();
	for (const round of [['objects', 'array buffers', 'DOM nodes'], ['canvas', 'canvas', 'canvas'], ['array buffers', 'array buffers', 'array buffers']]) {
		const victims = await Promise.all(round.map(() => pool.lease()));
		victims.forEach((victim, i) => victim.ask('Runtime.evaluate', { expression: bombs[round[i]] }));
		const ends = Promise.all(victims.map((victim) => victim.ended));
		assert.equal(await bystander.evaluate('6 * 7'), 42);
		assert.deepEqual(await ends, ['page_oom', 'page_oom', 'page_oom'], String(round));
		assert.equal(await bystander.evaluate('6 * 7'), 42);
	}
	assert.equal(group.kills(), 0);
	assert.equal(await pool.browserPid(), browser);
	bystander.close();
	await pool.stop();
});

// A machine of the test's own: in a mount namespace its files lie over those of the kernel.
const script = `mount --bind "$0/meminfo" /proc/meminfo && mount --bind "$0/pressure" /proc/pressure/memory &&
	mount --bind "$0/cgroup" /sys/fs/cgroup && exec "$@"`;
const namespace = ['unshare', '--mount', '--propagation', 'private', ...(process.getuid() === 0 ? [] : ['--user', '--map-root-user'])];

class Machine {
	constructor(totalMb) {
		this.folder = temporaryFolder('pensum-m-');
		fs.mkdirSync(`${this.folder.path}/cgroup`);
		this.totalMb = totalMb;
		this.availableMb = totalMb;
		this.setPressure(0);
		this.setAvailable(totalMb);
	}

	get wrap() {
		return [...namespace, 'sh', '-c', script, this.folder.path];
	}

	put(name, text) {
		fs.writeFileSync(`${this.folder.path}/${name}`, text);
	}

	setAvailable(mb) {
		this.put('meminfo', `MemTotal: ${this.totalMb * 1024} kB\nMemFree: 1024 kB\nMemAvailable: ${mb * 1024} kB\n`);
	}

	setPressure(percent) {
		this.put('pressure', `some avg10=${percent.toFixed(2)} avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`);
	}

	setGroup(limitMb, currentMb, cacheMb) {
		this.put('cgroup/memory.max', `${limitMb * MIB}\n`);
		this.put('cgroup/memory.current', `${currentMb * MIB}\n`);
		this.put('cgroup/memory.stat', `anon 0\ninactive_file ${cacheMb * MIB}\n`);
	}
}

function whyNoMachine() {
	const machine = new Machine(512);
	const [command, ...args] = [...machine.wrap, 'cat', '/proc/meminfo'];
	const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
	machine.folder.remove();
	return stdout.includes('MemTotal: 524288 kB') ? false : `no mount namespace: ${stderr}`;
}

const skip = whyNoMachine();
const startOn = (machine, t, settings) => startPool({ 'pool.sandbox': 'off', 'pool.min_available_mb': 100, ...settings }, { t, wrap: machine.wrap });
const isShort = (yes) => (s) => s.memory.short === yes;

test('the limits fit the machine', { skip }, async (t) => {
	for (const [totalMb, browsers, pages, page] of [[480, 1, 3, 128], [960, 1, 8, 192], [1950, 1, 16, 384], [3900, 2, 24, 512], [64_000, 2, 32, 512]]) {
		const machine = new Machine(totalMb);
		const pool = await startOn(machine, t);
		const { limits } = await pool.status();
		assert.deepEqual([limits.max_browsers, limits.max_pages, limits.page_memory_mb], [browsers, pages, page], `${totalMb} MiB`);
		assert.deepEqual(limits.automatic, { max_browsers: true, max_pages: true, page_memory_mb: true });
		await pool.stop();
	}
});

test('the limits fit the control group, and follow it when settings are read again', { skip }, async (t) => {
	const machine = new Machine(16_000);
	machine.setGroup(1024, 200, 0);
	const pool = await startOn(machine, t);
	let { limits, memory } = await pool.status();
	assert.deepEqual([limits.max_browsers, limits.max_pages, memory.total_mb], [1, 8, 1024]);
	machine.setGroup(4096, 200, 0);
	process.kill(pool.daemon.pid, 'SIGHUP');
	await pool.daemon.waitLine(/settings read again/, 10_000);
	({ limits } = await pool.status());
	assert.deepEqual([limits.max_browsers, limits.max_pages], [2, 24]);
	machine.setGroup(4096, 4096, 4000);
	({ memory } = await pool.until('cache', (s) => s.memory.available_mb === 4000));
	machine.setGroup(4096, 4096, 50);
	({ memory } = await pool.until('shortage', isShort(true)));
	assert.deepEqual([memory.available_mb, memory.floor_mb], [50, 100]);
	await pool.stop();
});

test('while memory is short nothing is lent: kept and warm pages go, who waits waits, and gets its page afterwards', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	for (const key of ['a', 'b']) (await pool.lease({ key })).close();
	const held = await pool.lease();
	await pool.until('kept and warm pages', (s) => s.contexts.kept === 2 && s.contexts.warm === 2 && s.contexts.making === 0);
	const browser = await pool.browserPid();

	machine.setAvailable(80);
	await pool.until('shortage', isShort(true));
	const waiter = pool.begin({ wait_ms: 30_000 });
	const impatient = pool.lease({ wait_ms: 1500 });
	impatient.catch(() => {});
	await pool.until('only the page in use', (s) => s.contexts.lent === 1 && Object.values(s.contexts).reduce((a, b) => a + b) === 1);
	await until('page processes gone', () => renderersOf(browser).length === 1);
	assert.equal(await held.evaluate('1 + 1'), 2);
	await assert.rejects(impatient, { reason: 'memory' });
	const status = await pool.status();
	assert.deepEqual([status.memory.short, status.waiting.length, status.contexts.lent, status.contexts.making], [true, 1, 1, 0]);
	assert.equal(status.metrics['bp_admission_denied_total{reason="memory"}'], 1);

	machine.setAvailable(110); // more than the floor, but not enough to be sure
	await sleep(600);
	assert.equal((await pool.status()).memory.short, true);
	assert.deepEqual(waiter.messages.map((m) => m.type).filter((type) => type !== 'queued'), []);
	machine.setAvailable(1000);
	await waiter.granted();
	assert.equal(await waiter.evaluate('2 + 2'), 4);
	for (const lease of [held, waiter]) lease.close();
	await pool.stop();
});

test('kept pages make room for who waits because the next page would not fit', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	for (const key of ['a', 'b']) (await pool.lease({ key })).close();
	const held = await pool.lease();
	await pool.until('kept and warm pages', (s) => s.contexts.kept === 2 && s.contexts.warm === 2 && s.contexts.making === 0);
	machine.setAvailable(140);
	await pool.until('that it is seen', (s) => s.memory.available_mb === 140);
	await sleep(600);
	assert.equal((await pool.status()).contexts.kept, 2, 'nobody waits');
	const waiter = pool.begin();
	const { contexts, memory, waiting } = await pool.until('no kept page', (s) => s.contexts.kept === 0);
	assert.deepEqual([contexts.warm, contexts.lent, waiting.length, memory.short], [2, 1, 1, false]);
	machine.setAvailable(1000);
	await waiter.granted();
	for (const lease of [held, waiter]) lease.close();
	await pool.stop();
});

test('while programs wait for memory, requests do', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t, { 'pool.max_pressure': 20 });
	await pool.until('warm pages', (s) => s.contexts.warm === 2);
	machine.setPressure(45);
	await pool.until('shortage', isShort(true));
	const waiter = pool.begin();
	await pool.until('one waiting', (s) => s.waiting.length === 1);
	machine.setPressure(15); // below the limit, but not yet half of it
	await sleep(600);
	const { waiting, memory } = await pool.status();
	assert.deepEqual([waiting.length, memory.short, memory.pressure], [1, true, 15]);
	machine.setPressure(5);
	await waiter.granted();
	waiter.close();
	await pool.stop();
});

test('a lease that has just begun has its memory reserved', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	await pool.until('warm pages', (s) => s.contexts.warm === 2 && s.contexts.making === 0);
	machine.setAvailable(100 + 2 * 48 + 20);
	await pool.until('that it is seen', (s) => s.memory.available_mb === 216);
	const leases = Array.from({ length: 4 }, () => pool.begin());
	await pool.until('two leases', (s) => s.leases.length === 2);
	await sleep(600);
	const { leases: lent, waiting, memory } = await pool.status();
	assert.deepEqual([lent.length, waiting.length, memory.reserved_mb, memory.short], [2, 2, 96, false]);
	await Promise.all(leases.map((lease) => lease.granted(30_000))); // as the first ones have grown to their size
	for (const lease of leases) lease.close();
	await pool.stop();
});

test('on a machine that is always too small, one after the other works', { skip }, async (t) => {
	const machine = new Machine(512);
	machine.setAvailable(110);
	const pool = await startOn(machine, t);
	const [first, second] = [pool.begin(), pool.begin()];
	const one = await Promise.race([first, second].map((lease) => lease.granted()));
	assert.equal(await one.evaluate('1 + 1'), 2);
	assert.equal((await pool.status()).waiting.length, 1);
	one.close();
	const other = await (one === first ? second : first).granted();
	other.close();
	await pool.stop();
});

test('when the machine has no memory left, the largest page dies', { skip }, async (t) => {
	const machine = new Machine(4096);
	const pool = await startOn(machine, t);
	const [small, large] = [await pool.lease(), await pool.lease()];
	await large.evaluate('globalThis.some = new Uint8Array(150 << 20).fill(1); 0');
	machine.setAvailable(40);
	assert.equal(await large.ended, 'page_oom');
	await pool.until('an end', (s) => s.contexts.disposing === 0);
	await sleep(1500);
	assert.equal(await small.evaluate('1 + 1'), 2, 'a small one would not help');
	small.close();
	await pool.stop();
});

test('fewer browsers after a reload: those too many end when their leases have', async (t) => {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4 }, { t });
	const leases = await Promise.all(Array.from({ length: 4 }, () => pool.lease()));
	await pool.until('two browsers', (s) => s.browsers.length === 2);
	const config = pool.daemon.child.spawnargs[pool.daemon.child.spawnargs.indexOf('--config') + 1];
	fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replace('pool.max_browsers = 2', 'pool.max_browsers = 1'));
	process.kill(pool.daemon.pid, 'SIGHUP');
	await pool.until('one drains', (s) => s.browsers.filter((b) => b.state === 'draining').length === 1);
	for (const lease of leases) {
		assert.equal(await lease.evaluate('1 + 1'), 2);
		lease.close();
	}
	await pool.until('one browser', (s) => s.browsers.length === 1 && s.contexts.warm === 2);
	await pool.stop();
});

test('a pool that nobody needs ends its browsers, and starts one again on demand', async (t) => {
	const pool = await startPool({ 'pool.idle_s': 1, 'pool.keep_s': 60 }, { t });
	const browser = await pool.browserPid();
	const lease = await pool.lease({ key: 'k', idle_ms: 2500 });
	await sleep(1600);
	assert.equal(await lease.evaluate('1 + 1'), 2, 'a page in use is needed');
	lease.close();
	await pool.until('a kept page', (s) => s.contexts.kept === 1);
	await sleep(1600);
	const again = await pool.lease({ key: 'k', idle_ms: 300 });
	assert.equal(again.messages.find((m) => m.type === 'leased').sticky, true, 'so is a kept one');
	assert.equal((await pool.status()).asleep, false);
	again.close();

	let status = await pool.until('no browser', (s) => s.browsers.length === 0);
	assert.deepEqual(groupOf(browser), []);
	assert.deepEqual(pool.profiles(), []);
	assert.equal(status.asleep, true);
	assert.deepEqual(Object.values(status.contexts).reduce((a, b) => a + b), 0);
	const restarts = Object.entries(status.metrics).filter(([name, n]) => name.startsWith('bp_browser_restarts_total') && n > 0);
	assert.deepEqual(restarts, [['bp_browser_restarts_total{reason="idle"}', 1]]);
	await sleep(500);
	status = await pool.status();
	assert.deepEqual([status.browsers.length, status.totals.browser_starts, status.start_failures], [0, 1, 0]);

	const next = await pool.lease();
	assert.equal(await next.evaluate('2 + 2'), 4);
	await pool.until('warm pages again', (s) => s.contexts.warm === 2 && s.asleep === false && s.browsers.length === 1);
	next.close();
	await pool.until('no browser again', (s) => s.browsers.length === 0);
	await pool.stop();
});

test('pool.idle_s = 0 keeps the browser, and a reload changes the time', async (t) => {
	const pool = await startPool({ 'pool.idle_s': 0 }, { t });
	const browser = await pool.browserPid();
	await sleep(1500);
	assert.ok(groupOf(browser).length > 0);
	const config = pool.daemon.child.spawnargs[pool.daemon.child.spawnargs.indexOf('--config') + 1];
	fs.writeFileSync(config, fs.readFileSync(config, 'utf8').replace('pool.idle_s = 0', 'pool.idle_s = 1'));
	process.kill(pool.daemon.pid, 'SIGHUP');
	await pool.until('no browser', (s) => s.browsers.length === 0);
	assert.deepEqual(groupOf(browser), []);
	await pool.stop();
});

test('the metrics tell what the processes take, each shared page counted once', async (t) => {
	const pool = await startPool({}, { t });
	const pid = await pool.browserPid();
	const { metrics, memory } = await pool.until('a look at a whole browser', (s) => s.metrics['bp_pss_bytes{proc="renderer"}'] > MIB, 30_000);
	const pss = (proc) => metrics[`bp_pss_bytes{proc="${proc}"}`];
	for (const proc of ['browser', 'zygote', 'gpu', 'network', 'daemon']) assert.ok(pss(proc) > MIB && pss(proc) < 400 * MIB, `${proc}: ${pss(proc)}`);
	const rollup = Number(/^Pss:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))[1]) * 1024;
	assert.ok(pss('browser') > rollup / 2 && pss('browser') < rollup * 2, `${pss('browser')} and ${rollup}`);
	assert.ok(metrics.bp_mem_available_bytes > 0 && metrics.bp_mem_available_bytes < os.totalmem());
	assert.equal(metrics.bp_mem_short, 0);
	assert.ok(memory.pss_mb > 60 && memory.pss_mb < 1000, `${memory.pss_mb}`);
	const lease = await pool.lease();
	await lease.evaluate('globalThis.some = new Uint8Array(100 << 20).fill(1); 0');
	await pool.until('the page in the next round', (s) => s.metrics['bp_pss_bytes{proc="renderer"}'] > 100 * MIB, 30_000);
	lease.close();
	await pool.stop();
});
