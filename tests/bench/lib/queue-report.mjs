// The table and the figures of tests/bench/queue.
import fs from 'node:fs';
import { median, percentile } from './report.mjs';

const medianOf = (turns, member) => median(turns.map((turn) => turn[member]));

const printRow = (...cells) => console.log(cells.map((cell, i) => (i ? String(cell).padStart(17) : String(cell).padEnd(42))).join(''));

const ratioOf = (one, other) => median(one.map((turn, i) => turn.jobsPerS / other[i].jobsPerS));

export function printTable(results, { ours, bull, front }) {
	const row = (what, value, ...sides) => printRow(what, value(ours), value(bull), ...sides.map(value));
	const turns = (from, member, digits) => (side) => medianOf(results[from][side], member).toFixed(digits);
	const load = fs.readFileSync('/proc/loadavg', 'latin1').split(' ').slice(0, 3).join(' ');
	console.log(`\n${results.connections} submissions at one time, ${results.slots} slots; PostgreSQL with fsync; Redis (64 MB, noeviction)`);
	console.log(`without a file, but for the last column: there appendfsync is always. Load of the machine at the end: ${load}\n`);
	row('', (side) => side, front);
	row('jobs/s, submitted to finished', turns('throughput', 'jobsPerS', 0), front);
	row('  submitted/s, meanwhile', turns('throughput', 'addsPerS', 0), front);
	row('  CPU ms by job', turns('throughput', 'cpuMs', 2), front);
	row('jobs/s, submitted by fives', turns('bulk', 'jobsPerS', 0));
	row('  CPU ms by job', turns('bulk', 'cpuMs', 2));
	row('start on an idle system, p50 ms', (side) => percentile(results.starts[side], 50).toFixed(2));
	row('  p99 ms', (side) => percentile(results.starts[side], 99).toFixed(2));
	row('Redis bytes by waiting job', (side) => results.memory[side].waiting.toFixed(0));
	row('  by finished job', (side) => results.memory[side].finished.toFixed(0));
	row('  peak with 10,000 jobs, MB', (side) => results.memory[side].peakMb.toFixed(2));
	printRow('Redis MB by 1,000 sessions', (results.sessions.plain / 1e6).toFixed(2));
	printRow('  with lists of ten courses', (results.sessions.withCourses / 1e6).toFixed(2));
	printRow('slot killed to next attempt, s', results.slotCrashes.map((s) => s.toFixed(2)).join(' '));
	printRow('worker killed to next attempt, s', results.workerCrashes.map((s) => s.toFixed(2)).join(' '));
	for (const side of [ours, bull, front])
		printRow(`jobs/s by turn: ${side}`, results.throughput[side].map((t) => t.jobsPerS.toFixed(0)).join(' '));
}

export function printFigures(results, { ours, bull, front }) {
	const { throughput, bulk, starts, sessions } = results;
	const figures = [
		['durable_jobs_per_s', medianOf(throughput[ours], 'jobsPerS').toFixed(0), 'jobs/s'],
		['durable_jobs_per_s_by_fives', medianOf(bulk[ours], 'jobsPerS').toFixed(0), 'jobs/s'],
		['cpu_ms_per_job', medianOf(throughput[ours], 'cpuMs').toFixed(2), 'ms'],
		['jobs_ratio_vs_bullmq', ratioOf(throughput[ours], throughput[bull]).toFixed(2), 'x'],
		['jobs_ratio_vs_bullmq_durable', ratioOf(throughput[ours], throughput[front]).toFixed(2), 'x'],
		['start_p50_ms', percentile(starts[ours], 50).toFixed(2), 'ms'],
		['start_p99_ms', percentile(starts[ours], 99).toFixed(2), 'ms'],
		['redis_peak_mb', results.memory[ours].peakMb.toFixed(2), 'MB'],
		['redis_mb_per_1000_sessions', (sessions.plain / 1e6).toFixed(2), 'MB'],
		['redis_mb_per_1000_sessions_with_courses', (sessions.withCourses / 1e6).toFixed(2), 'MB'],
		['crash_detect_s', Math.max(...results.workerCrashes).toFixed(2), 's'],
		['crash_detect_same_host_s', Math.max(...results.slotCrashes).toFixed(2), 's'],
	];
	console.log(`
jobs_ratio_vs_bullmq          ours, durable and over HTTP, to ${bull}: added by a program in its own process, kept in memory
jobs_ratio_vs_bullmq_durable  to ${front}: the same requests over HTTP to Node, kept by appendfsync always
Each is the median of the turns' ratios.
`);
	for (const [name, value, unit] of figures) console.log(`figure queue.${name} ${value} ${unit}`);
}
