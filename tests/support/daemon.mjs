// One of our daemons from the build folder ($PENSUM_BUILD), with settings of its own.
//
//   const gateway = await startDaemon('pensum-gateway', {
//     settings: { 'gateway.listen': '127.0.0.1:0', … }, ready: /msg="ready"/ });
//   gateway.lines, gateway.waitLine(/…/), gateway.pid
//   await gateway.stop();     SIGTERM; throws unless it exits with 0 and no sanitizer complained
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProcess, temporaryFolder } from './process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const rooms = ['gateway', 'browser-pool', 'checker-worker', 'docgen-worker', 'tests/bench/worker', ''];

export const buildFolder = process.env.PENSUM_BUILD ?? path.join(here, '..', '..', 'build');

export function programPath(name) {
	for (const room of rooms) {
		const file = path.join(buildFolder, room, name);
		if (fs.existsSync(file) && fs.statSync(file).isFile()) return file;
	}
	throw new Error(`${name} is not in ${buildFolder} (PENSUM_BUILD)`);
}

export const isSanitized = (name) => fs.readFileSync(programPath(name)).includes('__asan_init');

// The key that seals passwords and cookies; daemons that work together share one file.
export function writeKey(folder) {
	const file = path.join(folder, 'key');
	fs.writeFileSync(file, `${crypto.randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
	return file;
}

export function writeSettings(folder, settings) {
	const file = path.join(folder, 'pensum.conf');
	const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
	fs.writeFileSync(file, lines.join(''), { mode: 0o600 });
	return file;
}

const complaint = /AddressSanitizer|LeakSanitizer|runtime error:|ERROR: libFuzzer|Assertion/;

function checkSanitizers(p) {
	const at = p.lines.findIndex((line) => complaint.test(line));
	if (at >= 0) throw new Error(`sanitizer:\n${p.lines.slice(at, at + 60).join('\n')}`);
}

// wrap: a command that executes the one behind it, and its arguments.
export async function startDaemon(name, { settings = {}, args = [], env = {}, ready, wrap = [] } = {}) {
	const folder = temporaryFolder('pensum-d-');
	const config = writeSettings(folder.path, settings);
	const [command, ...rest] = [...wrap, programPath(name), '--config', config, ...args];
	const p = startProcess(command, rest, {
		env: { PATH: process.env.PATH, ASAN_OPTIONS: 'detect_leaks=1', ...env },
	});
	const stopProcess = p.stop;

	p.exited.finally(() => folder.remove()); // however it ends

	p.stop = async (signal = 'SIGTERM') => {
		const end = await stopProcess(signal);
		checkSanitizers(p);
		if (signal === 'SIGTERM' && end.code !== 0)
			throw new Error(`${name} ended with ${end.code ?? end.signal}:\n${p.text()}`);
		return end;
	};
	p.kill = () => stopProcess('SIGKILL');
	if (ready) {
		try {
			await p.waitLine(ready, 20_000);
		} catch (error) {
			await p.kill();
			throw error;
		}
	}
	return p;
}
