// The table of the drills. Each file prints its rows when it ends; tests/drills/run.mjs prints all of them.
//
//   report('P6 FLUSHALL', verdict, recoveryMs, 'what was measured');
import fs from 'node:fs';

const COLUMNS = ['fault', 'jobs', 'lost', 'doubled', 'recovery', ''];
const rows = [];

export function formatTable(all) {
	const cells = [COLUMNS, ...all];
	const widths = COLUMNS.map((_, i) => Math.max(...cells.map((row) => String(row[i]).length)));
	return cells.map((row) => row.map((cell, i) =>
		(i >= 1 && i <= 4 ? String(cell).padStart(widths[i]) : String(cell).padEnd(widths[i]))).join(' | ').trimEnd()).join('\n');
}

export function report(fault, { jobs, lost, doubled }, recoveryMs = null, note = '') {
	const row = [fault, jobs, lost, doubled, recoveryMs === null ? '' : `${(recoveryMs / 1000).toFixed(1)} s`, note];
	rows.push(row);
	if (process.env.PENSUM_DRILLS_TABLE) fs.appendFileSync(process.env.PENSUM_DRILLS_TABLE, `${JSON.stringify(row)}\n`);
}

process.on('exit', () => {
	if (rows.length > 0 && !process.env.PENSUM_DRILLS_TABLE) console.log(formatTable(rows));
});
