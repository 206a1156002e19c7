// The story of tests/bench/pool; what is measured and how stands there.
import fs from 'node:fs';
import { run, sleep, temporaryFolder } from '../../support/process.mjs';
import { SITE_ARGUMENTS } from './job.mjs';
import { cpuMsOf, memoryOf, rssMbOf } from './proc.mjs';
import { printFigures, printTable } from './report.mjs';
import { MAX_AT_ONCE, SANDBOX, startClient, startPlaywrightSide, startPoolSide, WARM_PAGES } from './sides.mjs';
import { startTalker } from './talker.mjs';

const WINDOW_MS = 1500; // in which a slot begins jobs; the last one is waited for
const SETTLE_MS = 250;  // until what a side does behind its jobs is done
const PASSES = 3;
const MORE = 6;         // rounds of the main cell, if there is time left
const LEASES = 12; // warm ones, in every pass
const END_MS = Number(process.env.BENCH_STARTED_S ?? Date.now() / 1000) * 1000 + 265_000;

const CELLS = [1, 4, MAX_AT_ONCE].flatMap((atOnce) => [true, false].map((signIn) => ({ atOnce, signIn })));
const cellOf = (atOnce, signIn) => CELLS.find((cell) => cell.atOnce === atOnce && cell.signIn === signIn);
const MAIN = cellOf(4, true); // the figures' one: three times in every pass, and more at the end
const PASS = [MAIN, cellOf(1, true), cellOf(4, false), MAIN, cellOf(MAX_AT_ONCE, true), cellOf(1, false), MAIN,
	cellOf(MAX_AT_ONCE, false)];

// Kept pages are signed in.
const isFor = (side, cell) => !side.kept || cell.signIn;

let turn = 0; // who is first

const say = (text) => process.stderr.write(`bench: ${text}\n`);

// One round of one side in one cell.
async function measure(side, { atOnce, signIn }) {
	const roots = side.roots(atOnce);
	const before = cpuMsOf(roots);
	const slots = await side.run(WINDOW_MS, atOnce, signIn);
	await sleep(SETTLE_MS);
	const latencies = slots.flatMap((slot) => slot.latencies);
	return {
		jobsPerS: slots.reduce((sum, slot) => sum + slot.latencies.length / (slot.busyMs / 1000), 0),
		cpuMs: (cpuMsOf(roots) - before) / latencies.length,
		signIns: slots.reduce((sum, slot) => sum + slot.signIns, 0),
		latencies,
	};
}

async function measureMemory(side, { atOnce, signIn }) {
	const release = await side.hold(atOnce, signIn);
	await sleep(SETTLE_MS);
	const memory = memoryOf(side.roots(atOnce));
	const daemonMb = side.pool && rssMbOf(side.pool.daemon.pid);
	await release();
	await sleep(SETTLE_MS);
	return { ...memory, daemonMb };
}

// cell -> side -> { rounds, memory }
const newResults = (sides) => new Map(CELLS.map((cell) => [cell, new Map(sides.map((side) => [side, { rounds: [], memory: [] }]))]));

// Every side in each of the cells, in another order each time.
async function doCells(cells, sides, results) {
	for (const cell of cells) {
		const order = sides.map((_, i) => sides[(i + turn) % sides.length]).filter((side) => isFor(side, cell));
		for (const side of order) results.get(cell).get(side).rounds.push(await measure(side, cell));
		turn++;
	}
}

async function doMemory(sides, results) {
	for (const cell of CELLS)
		for (const side of sides.filter((one) => isFor(one, cell)))
			for (let i = 0; i < (cell === MAIN ? 3 : 1); i++)
				results.get(cell).get(side).memory.push(await measureMemory(side, cell));
}

// A lease when warm pages lie ready, one after the other.
async function measureWarmLeases({ pool }, site) {
	const one = startClient(pool.socket, site);
	const took = [];
	for (let i = 0; i < LEASES; i++) {
		await pool.until('warm pages', (status) => status.contexts.warm >= WARM_PAGES && !status.contexts.disposing);
		await sleep(30);
		took.push(Number((await one.ask('lease')).split(' ')[1]));
	}
	await one.stop();
	return took;
}

// A browser as the pool starts it, but with a profile of its own.
async function browserArgv(pool, folder) {
	const command = fs.readFileSync(`/proc/${await pool.browserPid()}/cmdline`, 'utf8').split('\0').filter(Boolean);
	return command.map((word) => (word.startsWith('--user-data-dir=') ? `--user-data-dir=${folder}/direct` : word));
}

// Adds rounds to { sequential, pipelined }.
async function measureCalls({ pool }, folder, rounds) {
	const { code, stdout, stderr } = await run(process.env.BENCH_CLIENT, ['calls', pool.socket, ...await browserArgv(pool, folder)],
		{ env: { PATH: process.env.PATH, HOME: folder, TMPDIR: folder, LANG: 'C.UTF-8' }, timeoutMs: 600_000 });
	if (code !== 0) throw new Error(`calls: ${stdout}${stderr}`);
	for (const line of stdout.trim().split('\n')) {
		const [what, direct, pooled] = line.split(' ');
		rounds[what].push({ direct: Number(direct), pooled: Number(pooled) });
	}
}

// A pool whose leases have keys: { kept } when the second lease of a key finds its page as the first
// one left it, or else { keptMissing }, the reason.
async function startKeptSide(site) {
	const side = await startPoolSide('  with kept pages', site, { kept: true });
	try {
		await side.run(1, MAX_AT_ONCE, true);
		await sleep(SETTLE_MS);
		const again = await side.run(1, MAX_AT_ONCE, true);
		if (again.every((slot) => slot.signIns === 0)) return { kept: side };
		await side.stop();
		return { keptMissing: 'the pool passes over the request member "key"' };
	} catch (error) {
		await side.stop();
		return { keptMissing: `the pool does not take the request member "key" (${error.message.split('\n')[0]})` };
	}
}

// Does it again as long as it fits into the time, at least once and at most `most` times.
async function repeat(what, most, doOnce) {
	let longest = 0;
	for (let n = 0; n < most && (n === 0 || Date.now() + longest < END_MS); n++) {
		const begun = Date.now();
		say(`${what} ${n + 1}`);
		await doOnce();
		longest = Math.max(longest, Date.now() - begun);
	}
}

const folder = temporaryFolder('pensum-b-');
const site = startTalker(process.env.BENCH_SITE, SITE_ARGUMENTS);
const url = await site.next();
say('starting the sides');
const pool = await startPoolSide('pensum-browser-pool', url);
const launch = await startPlaywrightSide('playwright, browser per job', url, 'launch', folder.path);
const context = await startPlaywrightSide('playwright, shared browser', url, 'context', folder.path);
const { kept, keptMissing } = await startKeptSide(url);
const sides = [pool, launch, context, ...(kept ? [kept] : [])];
const results = newResults(sides);
const small = { warm: [], sequential: [], pipelined: [] };
for (let n = 1; n <= PASSES; n++) {
	say(`calls ${n}`);
	await measureCalls(pool, folder.path, small);
}
say('memory');
await doMemory(sides, results);
await repeat('pass', PASSES, async () => {
	small.warm.push(...await measureWarmLeases(pool, url));
	await doCells(PASS, sides, results);
});
await repeat('more of the main cell', MORE, () => doCells([MAIN], sides, results));
for (const side of sides) await side.stop();
await site.stop();
folder.remove();

const summary = { cells: CELLS, main: MAIN, eight: cellOf(MAX_AT_ONCE, true), results, sides, pool, launch, context, kept,
	keptMissing, small, sandbox: SANDBOX };
printTable(summary);
printFigures(summary);
