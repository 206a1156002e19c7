// The table for people and the figures for programs.

const sorted = (values) => [...values].sort((a, b) => a - b);

export function median(values) {
	const all = sorted(values), middle = all.length >> 1;
	return all.length % 2 ? all[middle] : (all[middle - 1] + all[middle]) / 2;
}

export const percentile = (values, p) => sorted(values)[Math.max(0, Math.ceil((p / 100) * values.length) - 1)];

const medianOf = (rounds, member) => median(rounds.map((round) => round[member]));

// Of what was measured in the same round, so that a busy moment of the machine strikes both.
const jobsRatio = (one, other) => median(one.rounds.map((round, i) => round.jobsPerS / other.rounds[i].jobsPerS));
const memoryRatio = (one, other) => medianOf(one.memory, 'mb') / medianOf(other.memory, 'mb');
const cpuRatio = (one, other) => median(one.rounds.map((round, i) => round.cpuMs / other.rounds[i].cpuMs));

const times = (value) => `${value.toFixed(2)} x`;

const COLUMNS = [['', 30], ['jobs/s', 8], ['p50 ms', 8], ['p95 ms', 8], ['CPU ms/job', 11], ['PSS MB', 8], ['processes', 10],
	['| pool: jobs', 14], ['memory', 8], ['CPU', 8], ['rounds', 7]];

const printRow = (cells) => console.log(cells.map((cell, i) =>
	(i ? String(cell).padStart(COLUMNS[i][1]) : String(cell).padEnd(COLUMNS[i][1]))).join('').trimEnd());

function printSide(side, result, pool) {
	const latencies = result.rounds.flatMap((round) => round.latencies);
	const ratios = result === pool ? ['|', '', '']
		: [`| ${times(jobsRatio(pool, result))}`, times(memoryRatio(pool, result)), times(cpuRatio(pool, result))];
	printRow([`  ${side.name}`, medianOf(result.rounds, 'jobsPerS').toFixed(2), percentile(latencies, 50).toFixed(0),
		percentile(latencies, 95).toFixed(0), medianOf(result.rounds, 'cpuMs').toFixed(0), medianOf(result.memory, 'mb').toFixed(0),
		medianOf(result.memory, 'processes'), ...ratios, result.rounds.length]);
}

function callsOf({ sequential, pipelined }) {
	return {
		direct: medianOf(sequential, 'direct'), pooled: medianOf(sequential, 'pooled'),
		overheadUs: median(sequential.map((round) => round.pooled - round.direct)),
		directDeep: medianOf(pipelined, 'direct'), pooledDeep: medianOf(pipelined, 'pooled'),
		overheadPercent: median(pipelined.map((round) => (round.pooled / round.direct - 1) * 100)),
	};
}

function keptLine(kept, keptMissing, cells, results) {
	if (!kept) return `kept pages           not measured: ${keptMissing}`;
	const rounds = cells.flatMap((cell) => results.get(cell).get(kept).rounds);
	const signIns = rounds.reduce((sum, round) => sum + round.signIns, 0);
	const jobs = rounds.reduce((sum, round) => sum + round.latencies.length, 0);
	return `kept pages           a key per slot, signed in before; ${signIns} sign-ins in the ${jobs} jobs measured`;
}

export function printTable({ cells, results, sides, pool, kept, keptMissing, small, sandbox, eight }) {
	console.log('\nA job: a fresh page, the sign-in form where it says so, ten JSON fetches of 50 ms in the page.');
	console.log(`All on chromium-headless-shell, sandbox ${sandbox}. Medians of rounds in turn; on the right, the pool divided by that side.\n`);
	printRow(COLUMNS.map(([title]) => title));
	for (const cell of cells) {
		console.log(`${cell.atOnce} at once, ${cell.signIn ? 'with' : 'without'} sign-in`);
		for (const side of sides) {
			const result = results.get(cell).get(side);
			if (result.rounds.length) printSide(side, result, results.get(cell).get(pool));
		}
	}
	const c = callsOf(small);
	console.log(`\none trivial call     ${c.direct.toFixed(1)} us on a pipe, ${c.pooled.toFixed(1)} us through the pool`);
	console.log(`64 calls on the way  ${c.directDeep.toFixed(1)} us per call on a pipe, ${c.pooledDeep.toFixed(1)} us through the pool`);
	console.log(`lease of a warm page ${median(small.warm).toFixed(2)} ms, p95 ${percentile(small.warm, 95).toFixed(2)} ms`);
	console.log(`the daemon           ${medianOf(results.get(eight).get(pool).memory, 'daemonMb').toFixed(1)} MB resident with 8 leases`);
	console.log(keptLine(kept, keptMissing, cells, results));
	if ([...results.values()].some((bySide) => [...bySide.values()].some((r) => r.memory.some((m) => m.hidden))))
		console.log('memory               sandboxed processes show their private pages only: all sides are somewhat larger');
}

export function printFigures({ results, pool, launch, context, kept, small, main, eight }) {
	const of = (side) => results.get(main).get(side);
	const c = callsOf(small);
	const figures = [
		['pool.jobs_ratio_vs_launch', jobsRatio(of(pool), of(launch)).toFixed(2), 'x'],
		['pool.memory_ratio_vs_launch', memoryRatio(of(pool), of(launch)).toFixed(2), 'x'],
		['pool.jobs_ratio_vs_context', jobsRatio(of(pool), of(context)).toFixed(2), 'x'],
		['pool.daemon_mb', medianOf(results.get(eight).get(pool).memory, 'daemonMb').toFixed(1), 'MB'],
		['pool.mux_overhead_us', c.overheadUs.toFixed(1), 'us'],
		['pool.mux_pipelined_overhead_percent', c.overheadPercent.toFixed(1), 'percent'],
		['pool.lease_warm_ms', median(small.warm).toFixed(2), 'ms'],
	];
	if (kept) figures.push(['pool.sticky_jobs_per_s', medianOf(of(kept).rounds, 'jobsPerS').toFixed(1), 'jobs/s']);
	console.log();
	for (const figure of figures) console.log(`figure ${figure.join(' ')}`);
}
