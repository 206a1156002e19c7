// The table and the figures of tests/bench/queue.
import fs from 'node:fs';
import { median, percentile } from './report.mjs';

const medianOf = (turns, member) => median(turns.map((turn) => turn[member]));

const printRow = (...cells) => console.log(cells.map((cell, i) => (i ? String(cell).padStart(12) : String(cell).padEnd(42))).join(''));

export function printTable(results, { ours, bull }) {
	const row = (what, value) => printRow(what, value(ours), value(bull));
	const turns = (member, digits) => (side) => medianOf(results.throughput[side], member).toFixed(digits);
	console.log(`\n${results.connections} submissions at one time, ${results.slots} slots; PostgreSQL with fsync, Redis (64 MB, noeviction) ` +
		`without appendfsync. Load of the machine at the end: ${fs.readFileSync('/proc/loadavg', 'latin1').split(' ').slice(0, 3).join(' ')}\n`);
	row('', (side) => side);
	row('jobs/s, submitted to finished', turns('jobsPerS', 0));
	row('  submitted/s, meanwhile', turns('addsPerS', 0));
	row('  CPU ms by job', turns('cpuMs', 2));
	row('start on an idle system, p50 ms', (side) => percentile(results.starts[side], 50).toFixed(2));
	row('  p99 ms', (side) => percentile(results.starts[side], 99).toFixed(2));
	row('Redis bytes by waiting job', (side) => results.memory[side].waiting.toFixed(0));
	row('  by finished job', (side) => results.memory[side].finished.toFixed(0));
	row('  peak with 10,000 jobs, MB', (side) => results.memory[side].peakMb.toFixed(2));
	printRow('Redis MB by 1,000 sessions', (results.sessions.plain / 1e6).toFixed(2));
	printRow('  with lists of ten courses', (results.sessions.withCourses / 1e6).toFixed(2));
	printRow('slot killed to next attempt, s', results.slotCrashes.map((s) => s.toFixed(2)).join(' '));
	printRow('worker killed to next attempt, s', results.workerCrashes.map((s) => s.toFixed(2)).join(' '));
	printRow('jobs/s by turn', results.throughput[ours].map((t) => t.jobsPerS.toFixed(0)).join(' '),
		'  ', results.throughput[bull].map((t) => t.jobsPerS.toFixed(0)).join(' '));
}

export function printFigures(results, { ours, bull }) {
	const { [ours]: we, [bull]: they } = results.throughput;
	const figures = [
		['durable_jobs_per_s', medianOf(we, 'jobsPerS').toFixed(0), 'jobs/s'],
		['jobs_ratio_vs_bullmq', median(we.map((turn, i) => turn.jobsPerS / they[i].jobsPerS)).toFixed(2), 'x'],
		['start_p50_ms', percentile(results.starts[ours], 50).toFixed(2), 'ms'],
		['start_p99_ms', percentile(results.starts[ours], 99).toFixed(2), 'ms'],
		['redis_peak_mb', results.memory[ours].peakMb.toFixed(2), 'MB'],
		['redis_mb_per_1000_sessions', (results.sessions.plain / 1e6).toFixed(2), 'MB'],
		['redis_mb_per_1000_sessions_with_courses', (results.sessions.withCourses / 1e6).toFixed(2), 'MB'],
		['crash_detect_s', Math.max(...results.workerCrashes).toFixed(2), 's'],
		['crash_detect_same_host_s', Math.max(...results.slotCrashes).toFixed(2), 's'],
	];
	console.log();
	for (const [name, value, unit] of figures) console.log(`figure queue.${name} ${value} ${unit}`);
}
