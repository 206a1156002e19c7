// The real browser-pool with the real Chromium on a private socket, and a client that speaks to it.
//
//   const pool = await startPool({ 'pool.max_pages': 2 });
//   const lease = await pool.lease({ class: 'check' });     throws a Refused
//   await lease.evaluate('6 * 7'); await lease.call('Page.enable');
//   await lease.ended;                                       the word of Pool.ended, or 'closed'
//   lease.close();
//   await pool.stop();
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { startDaemon } from '../../support/daemon.mjs';
import { temporaryFolder, until } from '../../support/process.mjs';

export class Refused extends Error {
	constructor(message) {
		super(`refused: ${message.reason}: ${message.message}`);
		Object.assign(this, { reason: message.reason, retryAfterMs: message.retry_after_ms });
	}
}

// A connection that speaks in NUL-ended messages, JSON or not.
export class Connection {
	constructor(socketPath) {
		this.messages = [];
		this.listeners = [];
		this.socket = net.connect(socketPath);
		this.closed = new Promise((resolve) => this.socket.once('close', resolve));
		this.socket.on('error', () => {});
		let rest = [];
		this.socket.on('data', (data) => {
			for (let at; (at = data.indexOf(0)) >= 0; data = data.subarray(at + 1)) {
				this.#take(Buffer.concat([...rest, data.subarray(0, at)]));
				rest = [];
			}
			rest.push(data);
		});
	}

	#take(bytes) {
		const message = JSON.parse(bytes);
		this.messages.push(message);
		for (const listener of this.listeners) listener(message);
	}

	write(bytes) {
		this.socket.write(bytes);
	}

	send(message) {
		this.socket.write(`${JSON.stringify(message)}\0`);
	}

	// The first message, past or future, that fits.
	next(what, fits, timeoutMs = 10_000) {
		return until(what, () => this.messages.find(fits), timeoutMs, 2);
	}

	close() {
		this.socket.destroy();
	}
}

export class Lease extends Connection {
	constructor(socketPath, request) {
		super(socketPath);
		this.lastId = 0;
		this.waiting = new Map();
		this.listeners.push((message) => this.waiting.get(message.id)?.(message));
		this.send({ op: 'lease', class: 'check', ...request });
		this.ended = new Promise((resolve) => {
			this.listeners.push((message) => message.method === 'Pool.ended' && resolve(message.params.reason));
			this.closed.then(() => resolve(this.reason));
		});
	}

	get reason() {
		return this.messages.find((m) => m.method === 'Pool.ended')?.params.reason ?? 'closed';
	}

	get positions() {
		return this.messages.filter((m) => m.type === 'queued').map((m) => m.position);
	}

	async granted(timeoutMs = 20_000) {
		const word = await this.next('word about the lease', (m) => m.type === 'leased' || m.type === 'refused', timeoutMs);
		if (word.type === 'refused') throw new Refused(word);
		return this;
	}

	// The whole answer: {id, result} or {id, error}.
	ask(method, params, sessionId) {
		const id = ++this.lastId;
		const answer = new Promise((resolve) => this.waiting.set(id, resolve));
		this.send({ id, method, params, sessionId });
		return answer;
	}

	async call(method, params) {
		const answer = await this.ask(method, params);
		if (answer.error) throw new Error(`${method}: ${answer.error.message}`);
		return answer.result;
	}

	async evaluate(expression) {
		const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
		if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
		return result.value;
	}

	async goto(url) {
		await this.call('Page.enable');
		const seen = this.messages.length;
		const { errorText } = await this.call('Page.navigate', { url });
		if (errorText) throw new Error(errorText);
		await until(`load of ${url}`, () => this.messages.slice(seen).some((m) => m.method === 'Page.loadEventFired'));
	}
}

// What a machine does that has three times as much to do as it can says nothing about the pool.
const isOverloaded = () => os.loadavg()[0] > 3 * os.availableParallelism();
export const judge = (t, good, what) => (!good && isOverloaded() ? t.diagnostic(`not judged on this machine now: ${what}`) : assert.ok(good, what));

const statOf = (pid) => {
	try {
		const text = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
		const [state, ppid, pgrp] = text.slice(text.lastIndexOf(')') + 2).split(' ');
		return { pid, state, ppid: Number(ppid), pgrp: Number(pgrp) };
	} catch {
		return null;
	}
};

// Living processes of a group; those that are dead but not reaped do not count.
export const groupOf = (pgrp) =>
	fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => statOf(Number(name)))
		.filter((stat) => stat && stat.pgrp === pgrp && stat.state !== 'Z').map((stat) => stat.pid);

export const commandOf = (pid) => {
	try {
		return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
	} catch {
		return '';
	}
};

export const renderersOf = (pgrp) => groupOf(pgrp).filter((pid) => commandOf(pid).includes('--type=renderer'));

// The first processes of all browsers with profiles in this folder, dying ones too.
export const leadersOf = (runDir) =>
	fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => statOf(Number(name)))
		.filter((stat) => stat && stat.pgrp === stat.pid && commandOf(stat.pid).includes(`--user-data-dir=${runDir}`)).map((stat) => stat.pid);

export const environmentOf = (pid) => fs.readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);

// A browser that gives every site a process of its own, as full browsers do.
export function isolatingBrowser(folder) {
	const file = path.join(folder.path, 'isolating-browser');
	fs.writeFileSync(file, '#!/bin/sh\nexec /usr/lib/chromium/chromium-headless-shell --site-per-process "$@"\n', { mode: 0o755 });
	return file;
}

export async function startPool(settings = {}, options = {}) {
	const folder = options.folder ?? temporaryFolder('pensum-p-');
	const socket = path.join(folder.path, 'sock');
	const runDir = path.join(folder.path, 'run');
	const daemon = await startDaemon('pensum-browser-pool', {
		settings: { 'pool.socket': socket, 'pool.run_dir': runDir,
			'pool.sandbox': process.getuid() === 0 ? 'off' : 'on', 'log.level': 'debug', ...settings },
		env: options.env, wrap: options.wrap, ready: /lending pages/ });
	const pool = { daemon, socket, runDir, folder };
	// A test that fails must not leave its pool behind (and node waiting for it).
	options.t?.after(() => daemon.ended ?? daemon.kill());

	pool.open = () => new Connection(socket);
	pool.begin = (request) => new Lease(socket, request);
	pool.lease = (request) => pool.begin(request).granted();
	pool.ask = async (message) => {
		const connection = pool.open();
		connection.send(message);
		const answer = await connection.next('answer', () => true);
		connection.close();
		return answer;
	};
	pool.status = () => pool.ask({ op: 'status' });
	// Other settings from now on.
	pool.reload = async (changed) => {
		const args = daemon.child.spawnargs, config = args[args.indexOf('--config') + 1];
		const others = fs.readFileSync(config, 'utf8').split('\n').filter((line) => !(line.split(' = ')[0] in changed));
		const before = daemon.lines.length;
		fs.writeFileSync(config, [...others, ...Object.entries(changed).map(([key, value]) => `${key} = ${value}`), ''].join('\n'));
		process.kill(daemon.pid, 'SIGHUP');
		await until('settings read again', () => daemon.lines.slice(before).some((line) => line.includes('settings read again')));
	};
	pool.profiles = () => fs.readdirSync(runDir).filter((name) => name.startsWith('browser-'));
	pool.until = (what, fits, timeoutMs) => until(what, async () => {
		const status = await pool.status();
		return fits(status) && status;
	}, timeoutMs);
	pool.browserPid = async () => (await pool.until('browser', (s) => s.browsers.some((b) => b.state === 'ready')))
		.browsers.find((b) => b.state === 'ready').pid;
	pool.stop = async () => {
		await daemon.stop();
		if (!options.folder) folder.remove();
	};
	return pool;
}
