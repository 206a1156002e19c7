// Child processes of tests: started, waited for by a condition, ended by their pid, never left behind.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ANSWER_MS, within } from './waiting.mjs';

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Asks until the answer is truthy, and returns it. `what` goes into the error's sentence.
export function until(what, ask, timeoutMs = 10_000, everyMs = 20) {
	const end = Date.now() + timeoutMs;
	const askOn = async () => {
		for (;;) {
			const answer = await ask();
			if (answer) return answer;
			if (Date.now() > end) throw new Error(`no ${what} within ${timeoutMs} ms`);
			await sleep(everyMs);
		}
	};
	return within(what, timeoutMs + ANSWER_MS, askOn());
}

// A port that the kernel gives nobody by itself: it stays free while who listens on it is restarted.
export async function freePort() {
	const ownFrom = Number(fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split('\t')[0]);
	for (;;) {
		const port = Math.floor(ownFrom / 3 + Math.random() * ownFrom * 2 / 3);
		const server = net.createServer((socket) => socket.destroy());
		const taken = await new Promise((resolve) => {
			server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
		});
		if (taken) return new Promise((resolve) => server.close(() => resolve(port)));
	}
}

const RUN_MS = 120_000;
const folders = new Set();
const running = new Set();

// A short path (Unix sockets take 107 bytes), removed by its remove(), or else at exit.
export function temporaryFolder(prefix = 'pensum-') {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
	const remove = () => {
		fs.rmSync(folder, { recursive: true, force: true });
		folders.delete(folder);
	};
	folders.add(folder);
	return { path: folder, remove };
}

process.on('exit', () => {
	for (const child of running) child.kill('SIGKILL');
	for (const folder of folders) {
		try {
			fs.rmSync(folder, { recursive: true, force: true });
		} catch { /* a process that just dies may still write there */ }
	}
});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));

// { child, pid, lines (of stdout and stderr), exited: Promise<{code, signal}>, ended, text(),
//   waitLine(pattern), stop(signal) }
export function startProcess(command, args, options = {}) {
	const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
	const p = { child, pid: child.pid, lines: [], ended: null };
	running.add(child);
	for (const stream of [child.stdout, child.stderr]) {
		let rest = '';
		stream?.setEncoding('utf8').on('data', (data) => {
			const parts = (rest + data).split('\n');
			rest = parts.pop();
			p.lines.push(...parts);
		});
	}
	p.text = () => p.lines.join('\n');
	p.exited = new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('close', (code, signal) => {
			running.delete(child);
			p.ended = { code, signal };
			resolve(p.ended);
		});
	});
	p.exited.catch(() => {});
	p.waitLine = (pattern, timeoutMs) =>
		until(`line ${pattern} from ${command}`, () => {
			const line = p.lines.find((l) => pattern.test(l));
			if (!line && p.ended) throw new Error(`${command} ended:\n${p.text()}`);
			return line;
		}, timeoutMs);
	p.stop = async (signal = 'SIGTERM', patienceMs = 15_000) => {
		if (!p.ended) child.kill(signal);
		const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
		try {
			return await within(`end of ${command} (pid ${p.pid})`, patienceMs + ANSWER_MS, p.exited);
		} finally {
			clearTimeout(timer);
		}
	};
	return p;
}

// Runs to the end; { code, stdout, stderr }. What takes longer than timeoutMs is killed, and an error.
export async function run(command, args, options = {}) {
	const { input, timeoutMs = RUN_MS, ...rest } = options;
	const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...rest });
	const out = { code: null, stdout: '', stderr: '' };
	child.stdout.setEncoding('utf8').on('data', (d) => (out.stdout += d));
	child.stderr.setEncoding('utf8').on('data', (d) => (out.stderr += d));
	child.stdin.on('error', () => {});
	child.stdin.end(input ?? '');
	const ended = new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('close', resolve);
	});
	try {
		out.code = await within(`end of ${[command, ...args].join(' ').slice(0, 300)}`, timeoutMs, ended);
	} finally {
		child.kill('SIGKILL');
	}
	return out;
}
