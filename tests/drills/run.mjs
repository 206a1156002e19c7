// All drills, two files at a time (most of it is waiting), then the table of what was injected and what it cost.
//
//	node tests/drills/run.mjs [--long] [FILE...]
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { formatTable } from './lib/report.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const words = process.argv.slice(2);
const long = words.includes('--long');
const named = words.filter((word) => !word.startsWith('--'));
const files = named.length > 0 ? named
	: fs.readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort().map((name) => path.join(here, name));
const table = path.join(os.tmpdir(), `pensum-drills-${process.pid}.jsonl`);
const started = Date.now();

const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files], { stdio: 'inherit',
	env: { ...process.env, PENSUM_DRILLS_TABLE: table, PENSUM_TEST_FROM_MS: started, ...(long && { PENSUM_DRILLS: 'long' }) } });
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => child.kill(signal));
child.once('close', (code) => {
	const rows = fs.existsSync(table) ? fs.readFileSync(table, 'utf8').trim().split('\n').map((line) => JSON.parse(line)) : [];
	fs.rmSync(table, { force: true });
	console.log(`\n${formatTable(rows)}\n\n${rows.length} drills, ${Math.round((Date.now() - started) / 1000)} s`);
	process.exit(code ?? 1);
});
