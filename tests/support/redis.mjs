// A private Redis on a Unix socket in a temporary folder.
//
//   const redis = await startRedis();
//   redis.address             what goes into redis.address
//   await redis.command('XLEN', 'pensum:events')     → parsed reply; an error reply throws
//   await redis.kill(); await redis.start();         the SIGKILL and restart of a test
//   redis.pause(); redis.resume();                   SIGSTOP, SIGCONT
//   await redis.stop();                              folder removed
import net from 'node:net';
import path from 'node:path';
import { startProcess, temporaryFolder, until } from './process.mjs';
import { ANSWER_MS, within } from './waiting.mjs';

// One RESP2 reply at the start of text, as [value, rest], or null when it is not whole yet.
function parse(data) {
	const end = data.indexOf('\r\n');
	if (end < 0) return null;
	const line = data.toString('utf8', 1, end);
	let rest = data.subarray(end + 2);
	switch (String.fromCharCode(data[0])) {
		case '+': return [line, rest];
		case '-': return [new Error(line), rest];
		case ':': return [Number(line), rest];
		case '$': {
			const len = Number(line);
			if (len < 0) return [null, rest];
			if (rest.length < len + 2) return null;
			return [rest.toString('utf8', 0, len), rest.subarray(len + 2)];
		}
		case '*': {
			if (Number(line) < 0) return [null, rest];
			const items = [];
			for (let i = 0; i < Number(line); i++) {
				const item = parse(rest);
				if (!item) return null;
				items.push(item[0]);
				rest = item[1];
			}
			return [items, rest];
		}
		default: throw new Error(`not RESP: ${line}`);
	}
}

// A connection that answers commands in their order; it is made when first needed, and again after
// a loss. (One for each command would overrun the server's backlog: connect EAGAIN.)
class Connection {
	#path;
	#socket = null;
	#data = Buffer.alloc(0);
	#waiting = [];

	constructor(socketPath) {
		this.#path = socketPath;
	}

	#connect() {
		const socket = net.connect(this.#path);
		socket.on('error', (error) => this.#lose(socket, error));
		socket.on('close', () => this.#lose(socket, new Error('redis closed the connection')));
		socket.on('data', (chunk) => this.#take(chunk));
		this.#socket = socket;
	}

	#lose(socket, error) {
		if (socket !== this.#socket) return;
		const waiting = this.#waiting;
		this.#socket = null;
		this.#waiting = [];
		this.#data = Buffer.alloc(0);
		for (const { reject } of waiting) reject(error);
	}

	#take(chunk) {
		this.#data = Buffer.concat([this.#data, chunk]);
		for (let reply; this.#waiting.length > 0 && (reply = parse(this.#data)); ) {
			const { resolve, reject } = this.#waiting.shift();
			this.#data = reply[1];
			if (reply[0] instanceof Error) reject(reply[0]);
			else resolve(reply[0]);
			if (this.#waiting.length === 0) this.#socket.unref(); // keeps no test alive
		}
	}

	command(...words) {
		if (!this.#socket) this.#connect();
		this.#socket.ref();
		this.#socket.write(`*${words.length}\r\n` +
			words.map((w) => `$${Buffer.byteLength(String(w))}\r\n${w}\r\n`).join(''));
		return within(`answer of Redis to ${words[0]}`, ANSWER_MS,
			new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })));
	}

	close() {
		this.#socket?.destroy();
	}
}

// One command on a connection of its own.
async function redisCommand(socketPath, ...words) {
	const connection = new Connection(socketPath);
	try {
		return await connection.command(...words);
	} finally {
		connection.close();
	}
}

export async function startRedis({ args = [], env = {} } = {}) {
	const folder = temporaryFolder('pensum-redis-');
	const socketPath = path.join(folder.path, 's');
	const redis = { folder: folder.path, socketPath, address: `unix:${socketPath}`, process: null };

	redis.start = async () => {
		redis.process = startProcess('redis-server', ['--port', '0', '--unixsocket', socketPath,
			'--dir', folder.path, '--save', '', '--appendonly', 'no', ...args],
			{ env: { ...process.env, ...env } });
		await until('Redis', async () => {
			if (redis.process.ended) throw new Error(redis.process.text());
			return redisCommand(socketPath, 'PING').then(() => true, () => false);
		});
	};
	const connection = new Connection(socketPath);
	redis.command = (...words) => connection.command(...words);
	redis.kill = () => redis.process.stop('SIGKILL');
	redis.pause = () => redis.process.child.kill('SIGSTOP');
	redis.resume = () => redis.process.child.kill('SIGCONT');
	redis.stop = async () => {
		redis.resume();
		connection.close();
		await redis.process.stop('SIGKILL');
		folder.remove();
	};
	await redis.start();
	return redis;
}
