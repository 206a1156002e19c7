// Each process of a browser is killed while calls are open: every call gets its answer, every lease
// that ends says why, and who is on another browser notices nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { commandOf, groupOf, startPool } from './pool.mjs';

const OPEN_CALLS = 50;

const typed = (leader, fits) => groupOf(leader).filter((pid) => pid !== leader && fits(commandOf(pid)));
const isDead = (pids) => pids.every((pid) => commandOf(pid) === '');

const processes = {
	browser: (leader) => [leader],
	gpu: (leader) => typed(leader, (c) => c.includes('--type=gpu-process')),
	network: (leader) => typed(leader, (c) => c.includes('network.mojom.NetworkService')),
	zygote: (leader) => typed(leader, (c) => c.includes('--type=zygote') && !c.includes('--no-zygote-sandbox')),
	'unsandboxed zygote': (leader) => typed(leader, (c) => c.includes('--type=zygote') && c.includes('--no-zygote-sandbox')),
};

// Ticks of work so far.
const cpuOf = (pid) => {
	const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
	return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[11]);
};

// Fifty calls that Chromium has, and answers only when their page lets it, which it never does.
async function beginCalls(lease) {
	const calls = { answers: [] };
	for (let i = 0; i < OPEN_CALLS; i++)
		lease.ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true }).then((answer) => calls.answers.push(answer));
	await lease.evaluate('0'); // it came behind them
	return calls;
}

async function allAnswered(calls, reason) {
	await until(`${OPEN_CALLS} answers`, () => calls.answers.length === OPEN_CALLS);
	for (const { error } of calls.answers) assert.equal(error?.message, `pool: the lease ended: ${reason}`);
	assert.equal(new Set(calls.answers.map((a) => a.id)).size, OPEN_CALLS);
}

// A lease that says at any time whether it is as it was.
async function watch(lease) {
	await lease.evaluate('globalThis.mark = "mine"; 0');
	let on = true;
	const failures = [];
	const loop = (async () => {
		for (; on; await sleep(20))
			await lease.evaluate('mark').then((mark) => mark === 'mine' || failures.push(mark), (err) => failures.push(err.message));
	})();
	return { stop: async () => {
		on = false;
		await loop;
		assert.equal(lease.reason, 'closed');
		assert.deepEqual(failures, []);
	} };
}

// Two browsers with leases on both.
async function startTwo(t, settings) {
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4, 'pool.network': 'apart', ...settings }, { t });
	const leases = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	const status = await pool.status();
	const on = (lease) => status.leases.find((l) => l.id === lease.messages.find((m) => m.type === 'leased').lease).browser;
	const victim = leases[0];
	const neighbour = leases.find((l) => l !== victim && on(l) === on(victim));
	const [bystander, spare] = leases.filter((l) => on(l) !== on(victim));
	assert.ok(neighbour && bystander && spare);
	const leader = status.browsers.find((b) => b.id === on(victim)).pid;
	const other = status.browsers.find((b) => b.id === on(bystander)).pid;
	await until('all its processes', () => ['gpu', 'network', 'zygote'].every((name) => processes[name](leader).length > 0));
	await until('its network process known', () => pool.daemon.lines.some((l) => l.includes('network process found') && l.includes(`browser=${on(victim)} `)));
	spare.close();
	const bystanding = await watch(bystander);
	return { pool, victim, neighbour, leader, other, finish: async () => {
		await bystanding.stop();
		assert.ok(groupOf(other).length > 0);
		for (const lease of leases) lease.close();
		await pool.until('no lease', (s) => s.leases.length === 0 && s.contexts.disposing === 0);
		await pool.stop();
	} };
}

for (const name of ['browser', 'network'])
	test(`the ${name} process dies: its leases end with a word, all calls are answered, another browser comes`, async (t) => {
		const { pool, victim, neighbour, leader, finish } = await startTwo(t);
		const calls = [await beginCalls(victim), await beginCalls(neighbour)];
		const begun = Date.now();
		for (const pid of processes[name](leader)) process.kill(pid, 'SIGKILL');
		assert.deepEqual(await Promise.all([victim.ended, neighbour.ended]), ['browser_gone', 'browser_gone']);
		for (const some of calls) await allAnswered(some, 'browser_gone');
		t.diagnostic(`answered after ${Date.now() - begun} ms`);
		const next = await pool.lease();
		assert.equal(await next.evaluate('1 + 1'), 2);
		await until('the old group gone', () => groupOf(leader).length === 0);
		assert.equal((await pool.status()).metrics['bp_browser_restarts_total{reason="gone"}'], 1);
		next.close();
		await finish();
	});

test('a page process dies: its lease ends, its neighbour goes on', async (t) => {
	const { pool, victim, neighbour, leader, finish } = await startTwo(t);
	const beside = await watch(neighbour);
	const calls = await beginCalls(victim);
	// Which process is the victim's shows by its work.
	const before = typed(leader, (c) => c.includes('--type=renderer'));
	victim.ask('Runtime.evaluate', { expression: 'for (;;);' });
	const busy = await until('the busy one', () => before.find((pid) => cpuOf(pid) > 20));
	const begun = Date.now();
	process.kill(busy, 'SIGKILL');
	assert.equal(await victim.ended, 'page_crashed');
	await allAnswered(calls, 'page_crashed');
	t.diagnostic(`answered after ${Date.now() - begun} ms`);
	assert.ok(isDead([busy]));
	await beside.stop();
	assert.equal((await pool.status()).browsers.find((b) => b.pid === leader).state, 'ready');
	await finish();
});

test('the GPU process dies: nobody notices', async (t) => {
	const { pool, victim, neighbour, leader, finish } = await startTwo(t);
	const watched = await watch(victim);
	const calls = await beginCalls(neighbour);
	const gpu = processes.gpu(leader);
	for (const pid of gpu) process.kill(pid, 'SIGKILL');
	await until('it is dead', () => isDead(gpu));
	await until('another one', () => processes.gpu(leader).length > 0);
	const { data } = await victim.call('Page.captureScreenshot', { format: 'png' });
	assert.ok(data.length > 100);
	await watched.stop();
	assert.equal(calls.answers.length, 0);
	const next = await pool.lease();
	assert.equal(await next.evaluate('1 + 1'), 2);
	next.close();
	assert.equal((await pool.status()).browsers.find((b) => b.pid === leader).state, 'ready');
	await finish();
});

for (const name of ['zygote', 'unsandboxed zygote'])
	test(`the ${name} dies: no lease fails, and the browser is replaced`, async (t) => {
		const { pool, victim, neighbour, leader, finish } = await startTwo(t);
		const watched = await watch(neighbour);
		const calls = await beginCalls(victim);
		await pool.until('its zygotes seen twice', (s) => s.browsers.every((b) => b.age_s >= 6));
		const zygotes = processes[name](leader);
		assert.equal(zygotes.length, 1);
		process.kill(zygotes[0], 'SIGKILL');
		let failed = 0;
		await until('another browser', async () => {
			const lease = await pool.lease();
			await lease.evaluate('1 + 1').catch(() => failed++);
			lease.close();
			const { browsers } = await pool.status();
			return !browsers.some((b) => b.pid === leader && b.state === 'ready');
		}, 30_000);
		assert.equal(failed, 0);
		await watched.stop();
		assert.equal(calls.answers.length, 0, 'old pages live on');
		neighbour.close();
		victim.close();
		await until('the old group gone', () => groupOf(leader).length === 0);
		assert.equal((await pool.status()).metrics['bp_browser_restarts_total{reason="zygote"}'] +
			(await pool.status()).metrics['bp_browser_restarts_total{reason="canary"}'], 1);
		await finish();
	});
