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

// One command on a connection of its own.
export function redisCommand(socketPath, ...words) {
	return new Promise((resolve, reject) => {
		const socket = net.connect(socketPath);
		let data = Buffer.alloc(0);
		socket.on('error', reject);
		socket.on('close', () => reject(new Error('redis closed the connection')));
		socket.on('data', (chunk) => {
			data = Buffer.concat([data, chunk]);
			const reply = parse(data);
			if (!reply) return;
			socket.destroy();
			if (reply[0] instanceof Error) reject(reply[0]);
			else resolve(reply[0]);
		});
		socket.write(`*${words.length}\r\n` +
			words.map((w) => `$${Buffer.byteLength(String(w))}\r\n${w}\r\n`).join(''));
	});
}

export async function startRedis({ args = [] } = {}) {
	const folder = temporaryFolder('pensum-redis-');
	const socketPath = path.join(folder.path, 's');
	const redis = { folder: folder.path, socketPath, address: `unix:${socketPath}`, process: null };

	redis.start = async () => {
		redis.process = startProcess('redis-server', ['--port', '0', '--unixsocket', socketPath,
			'--dir', folder.path, '--save', '', '--appendonly', 'no', ...args]);
		await until('Redis', async () => {
			if (redis.process.ended) throw new Error(redis.process.text());
			return redisCommand(socketPath, 'PING').then(() => true, () => false);
		});
	};
	redis.command = (...words) => redisCommand(socketPath, ...words);
	redis.kill = () => redis.process.stop('SIGKILL');
	redis.pause = () => redis.process.child.kill('SIGSTOP');
	redis.resume = () => redis.process.child.kill('SIGCONT');
	redis.stop = async () => {
		redis.resume();
		await redis.process.stop('SIGKILL');
		folder.remove();
	};
	await redis.start();
	return redis;
}
