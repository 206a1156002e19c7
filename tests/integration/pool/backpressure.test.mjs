// Clients that do not read, and clients that ask for much: neither costs the others their answers,
// nor the browser or the pool more memory than the limits in poolmsg.h and pool_lease.c say.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { judge, startPool } from './pool.mjs';

const MIB = 1024 * 1024;
const MAX_OUT = 64 * MIB; // of one message (POOL_MAX_CDP_OUT), and of what waits for a client
const MAX_EVENTS = 32 * MIB; // of these, what it did not ask for (MAX_EVENTS_UNSENT)
const SLACK = 32 * MIB; // and what waits is kept in blocks of up to twice its size
const LARGE = 20 * MIB;
const MIN_CALLS = 10; // of a bystander meanwhile, on a machine with much else to do
let pool, browserPid;

const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
const p99 = (times) => times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)];
const mib = (bytes) => Math.round(bytes / MIB);

before(async () => {
	pool = await startPool({ 'pool.max_browsers': 1, 'pool.max_pages': 4 }, { env: { ASAN_OPTIONS: 'quarantine_size_mb=1' } });
	browserPid = await pool.browserPid();
});

after(() => pool.stop());

// The most that each has grown until stop().
async function watchMemory(t) {
	browserPid = (await pool.status()).browsers.find((b) => b.leases > 0).pid; // the bystander's
	const pids = { daemon: pool.daemon.pid, browser: browserPid };
	const start = {}, grown = { daemon: 0, browser: 0 };
	for (const [name, pid] of Object.entries(pids)) start[name] = rssOf(pid);
	const look = () => {
		for (const [name, pid] of Object.entries(pids)) grown[name] = Math.max(grown[name], rssOf(pid) - start[name]);
	};
	const timer = setInterval(look, 20);
	t.after(() => clearInterval(timer));
	return { grown, stop: () => (look(), clearInterval(timer), grown) };
}

async function timeCalls(lease, goesOn) {
	const times = [];
	while (goesOn(times.length)) {
		const begun = performance.now();
		const answer = await Promise.race([lease.evaluate('6 * 7'), lease.ended]);
		assert.equal(answer, 42);
		times.push(performance.now() - begun);
	}
	return times;
}

// A page that says 10 MB a second, to a client that reads next to nothing of it.
async function startFlood(t) {
	const lease = await pool.lease({ ttl_ms: 120_000, tag: 'flood' });
	await lease.call('Runtime.enable');
	await lease.evaluate('setInterval(() => { for (let i = 0; i < 10; i++) console.log("x".repeat(10000)) }, 10); 0');
	lease.socket.pause();
	const pause = () => lease.socket.pause();
	lease.socket.on('data', pause);
	const timer = setInterval(() => lease.socket.resume(), 200);
	t.after(() => (clearInterval(timer), lease.close()));
	lease.readAll = () => (clearInterval(timer), lease.socket.off('data', pause).resume());
	return lease;
}

const floodIsOver = async () => (await pool.status()).totals.ended.slow_consumer;

// Asks for large answers one after the other, and only counts them.
async function startPull(t) {
	const lease = await pool.lease({ ttl_ms: 120_000, tag: 'pull' });
	const pull = { bytes: 0, answers: 0, lease };
	t.after(() => lease.close());
	const ask = () => lease.send({ id: ++lease.lastId, method: 'Runtime.evaluate', params: { expression: `"y".repeat(${LARGE})`, returnByValue: true } });
	lease.socket.removeAllListeners('data').on('data', (data) => {
		pull.bytes += data.length;
		if (data.at(-1) !== 0) return;
		pull.answers++;
		ask();
	});
	lease.ended.then(() => (pull.over = true));
	ask();
	return pull;
}

test('a client that hardly reads is let go, and costs nobody else anything', async (t) => {
	const small = await pool.lease({ ttl_ms: 120_000 });
	t.after(() => small.close());
	const usual = p99(await timeCalls(small, (done) => done < 200));
	const memory = await watchMemory(t);
	const flood = await startFlood(t);
	let over = false;
	const ending = until('end of the flood', floodIsOver, 60_000, 50).then(() => (over = true));
	const during = await timeCalls(small, () => !over);
	await ending;
	const grown = memory.stop();
	t.diagnostic(`${during.length} calls, p99 ${p99(during).toFixed(1)} ms (usually ${usual.toFixed(1)}), daemon +${mib(grown.daemon)} MiB, browser +${mib(grown.browser)} MiB`);
	judge(t, during.length >= MIN_CALLS, `only ${during.length} calls`);
	assert.ok(grown.daemon < 2 * MAX_EVENTS + SLACK, `daemon +${mib(grown.daemon)} MiB`);
	judge(t, grown.browser < 3 * SLACK, `browser +${mib(grown.browser)} MiB`);
	flood.readAll();
	assert.equal(await flood.ended, 'slow_consumer');
	assert.match(pool.daemon.text(), /reason=slow_consumer detail="too much waits for the client"/);
	assert.equal(await small.evaluate('1 + 1'), 2);
	assert.deepEqual(pool.daemon.lines.filter((line) => line.includes('xxxxxxxx')).map((line) => line.slice(0, 200)), [], 'what a page says is no business of the log');
	await pool.until('its page gone', (s) => s.leases.every((l) => l.tag !== 'flood') && s.contexts.disposing === 0);
});

test('large answers to one client do not keep another from its small ones', async (t) => {
	const small = await pool.lease({ ttl_ms: 120_000 });
	t.after(() => small.close());
	const usual = p99(await timeCalls(small, (done) => done < 200));
	const memory = await watchMemory(t);
	const flood = await startFlood(t);
	const pull = await startPull(t);
	const during = await timeCalls(small, () => pull.answers < 3 && !pull.over);
	const answers = pull.answers;
	const grown = memory.stop();
	t.diagnostic(`${during.length} calls, p99 ${p99(during).toFixed(1)} ms (usually ${usual.toFixed(1)}), ${answers} answers, daemon +${mib(grown.daemon)} MiB, browser +${mib(grown.browser)} MiB`);
	judge(t, during.length >= MIN_CALLS, `only ${during.length} calls`);
	assert.ok(answers >= 3, `only ${answers} answers, ${pull.lease.reason}`);
	assert.ok(grown.daemon < 2 * MAX_OUT + SLACK, `daemon +${mib(grown.daemon)} MiB`);
	pull.lease.close();
	await until('end of the flood', async () => (await floodIsOver()) === 2, 60_000, 50);
	flood.readAll();
	assert.equal(await flood.ended, 'slow_consumer');
	await pool.until('quiet pool', (s) => s.leases.length === 1 && s.contexts.disposing === 0);
});

// Chromium's own queue of what pages say has no bound: whoever reads it all does not save the browser.
const floods = {
	'large lines': 'setInterval(() => { for (let i = 0; i < 100; i++) console.log("x".repeat(50000)) }, 0); 0',
	'short lines': 'for (;;) console.log("x")',
};

// How far the browser grows until then is the machine's matter as well: it is told, not judged.
async function endsAlone(t, code, begun = () => {}) {
	const small = await pool.lease({ ttl_ms: 120_000 });
	t.after(() => small.close());
	const countOf = ({ ended }) => (ended.flood ?? 0) + (ended.page_oom ?? 0), before = countOf((await pool.status()).totals);
	const memory = await watchMemory(t);
	const flood = await pool.lease({ ttl_ms: 20_000 });
	t.after(() => flood.close());
	await flood.call('Runtime.enable');
	await begun();
	flood.socket.removeAllListeners('data').resume(); // reads as fast as can be
	flood.send({ id: 9999, method: 'Runtime.evaluate', params: { expression: code } });
	const during = await timeCalls(small, () => !flood.socket.destroyed);
	const grown = memory.stop();
	t.diagnostic(`${during.length} calls, slowest ${Math.max(...during).toFixed(0)} ms, daemon +${mib(grown.daemon)} MiB, browser +${mib(grown.browser)} MiB`);
	assert.ok(grown.daemon < MAX_EVENTS + SLACK, `daemon +${mib(grown.daemon)} MiB`);
	const { totals, browsers } = await pool.until('its page gone', (s) => s.leases.length === 1 && s.contexts.disposing === 0, 30_000);
	judge(t, countOf(totals) === before + 1, JSON.stringify(totals.ended)); // where the browser cannot keep up, the watchdog is first
	assert.ok(browsers.some((b) => b.pid === browserPid), 'the browser lives');
	assert.equal(await small.evaluate('1 + 1'), 2);
}

for (const [name, code] of Object.entries(floods)) test(`a page that logs as fast as it can ends alone: ${name}`, (t) => endsAlone(t, code));

// Two thirds of the time it stands still. On a machine with much else to do the browser can lose this race (README).
function slowDown(t, pid) {
	const script = 'while kill -STOP $0; do sleep 0.04; kill -CONT $0; sleep 0.02; done';
	const brake = spawn('sh', ['-c', script, `${pid}`], { stdio: 'ignore' });
	t.after(() => {
		brake.kill('SIGKILL');
		process.kill(pid, 'SIGCONT');
	});
}

const skip = process.env.PENSUM_SLOW !== '1';
test('also where the pool reads more slowly than that, and what it says waits in the browser', { skip }, (t) =>
	endsAlone(t, 'for (;;) console.log("x".repeat(50000))', () => slowDown(t, pool.daemon.pid)));

test('a client that is busy for a while and reads its large answer later keeps its page', async (t) => {
	const lease = await pool.lease({ ttl_ms: 120_000 });
	t.after(() => lease.close());
	lease.socket.pause();
	lease.send({ id: 1, method: 'Runtime.evaluate', params: { expression: `"y".repeat(${LARGE / 2})`, returnByValue: true } });
	await sleep(3000); // longer than the pool waits for somebody for whom more than 16 MiB wait
	lease.socket.resume();
	assert.equal((await lease.next('answer', (m) => m.id === 1, 30_000)).result.result.value.length, LARGE / 2);
	assert.equal(lease.reason, 'closed');
});
