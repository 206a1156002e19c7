// A process that is spoken to by lines: client/main.c, peer.mjs, site.c.
import { startProcess } from '../../support/process.mjs';

const PATIENCE_MS = 60_000;

export function startTalker(command, args, env = {}) {
	const p = startProcess(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
	const lines = [], waiting = [];
	let rest = '';
	p.child.stdin.on('error', () => {});
	p.child.stdout.on('data', (data) => {
		const parts = (rest + data).split('\n');
		rest = parts.pop();
		for (const line of parts) waiting.length ? waiting.shift().resolve(line) : lines.push(line);
	});
	p.exited.then(() => {
		for (const one of waiting.splice(0)) one.reject(new Error(`${command} ended:\n${p.text()}`));
	});

	const receive = () => new Promise((resolve, reject) => {
		if (lines.length) return resolve(lines.shift());
		if (p.ended) return reject(new Error(`${command} ended:\n${p.text()}`));
		waiting.push({ resolve, reject });
		setTimeout(() => reject(new Error(`${command}: no word in ${PATIENCE_MS} ms`)), PATIENCE_MS).unref();
	});
	const next = async () => {
		const line = await receive();
		if (line.startsWith('error ')) throw new Error(line);
		return line;
	};
	return {
		pid: p.pid, next, exited: p.exited,
		ask(line) {
			p.child.stdin.write(`${line}\n`);
			return next();
		},
		async stop() {
			p.child.stdin.end();
			const timer = setTimeout(() => p.child.kill('SIGTERM'), 10_000);
			await p.exited;
			clearTimeout(timer);
		},
	};
}
