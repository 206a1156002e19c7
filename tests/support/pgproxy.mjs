// Stands between a daemon and PostgreSQL, or Redis, and loses what a network can lose.
//
//   const proxy = await startPgProxy(pg);      const other = await startRedisProxy(redis);
//   proxy.conninfo                      what goes into postgres.conninfo
//   other.address                       what goes into redis.address
//   await proxy.cutBefore('COMMIT');    the server never hears of it, and the connection breaks
//   const lost = proxy.loseAnswer('COMMIT');   the server does it; the daemon never hears of it
//   const other = proxy.loseAnswer(null, id);   the answer that holds these bytes
//   await lost;
//   proxy.pause(); proxy.resume();      nothing passes, nobody is told
//   proxy.refuse(true);                 every connection breaks at once
//   proxy.connections                   how many were tried
//   await proxy.stop();
import net from 'node:net';
import path from 'node:path';
import { temporaryFolder } from './process.mjs';

async function startProxy(target) {
	const folder = temporaryFolder('pensum-px-');
	const pairs = new Set();
	let losing = null, cutting = null, refusing = false, paused = false;
	const proxy = { folder: folder.path, connections: 0 };

	const server = net.createServer((client) => {
		proxy.connections++;
		client.on('error', () => {});
		if (refusing) return client.destroy();
		const upstream = net.connect(target);
		const pair = { client, upstream, losing: null };
		const end = () => {
			client.destroy();
			upstream.destroy();
			pairs.delete(pair);
		};
		pairs.add(pair);
		upstream.on('error', () => {});
		client.on('close', end);
		upstream.on('close', end);
		client.on('data', (data) => {
			if (cutting && data.includes(cutting.question)) {
				cutting.resolve();
				cutting = null;
				return end();
			}
			if (losing?.question && data.includes(losing.question)) {
				pair.losing = losing;
				losing = null;
			}
			upstream.write(data);
		});
		upstream.on('data', (data) => {
			if (losing?.answer && data.includes(losing.answer)) {
				pair.losing = losing;
				losing = null;
			}
			if (!pair.losing) return client.write(data);
			end();
			pair.losing.resolve();
		});
		if (paused) [client, upstream].forEach((socket) => socket.pause());
	});
	proxy.loseAnswer = (question, answer) => new Promise((resolve) => (losing = { question, answer, resolve }));
	proxy.cutBefore = (question) => new Promise((resolve) => (cutting = { question, resolve }));
	proxy.refuse = (on) => {
		refusing = on;
		if (on) for (const { client } of pairs) client.destroy();
	};
	proxy.pause = () => {
		paused = true;
		for (const { client, upstream } of pairs) [client, upstream].forEach((socket) => socket.pause());
	};
	proxy.resume = () => {
		paused = false;
		for (const { client, upstream } of pairs) [client, upstream].forEach((socket) => socket.resume());
	};
	proxy.stop = async () => {
		for (const { client } of pairs) client.destroy();
		await new Promise((resolve) => server.close(resolve));
		folder.remove();
	};
	await new Promise((resolve) => server.listen(path.join(folder.path, path.basename(target)), resolve));
	return proxy;
}

export async function startPgProxy(pg) {
	const proxy = await startProxy(path.join(pg.folder, '.s.PGSQL.5432'));
	return Object.assign(proxy, { conninfo: pg.conninfo.replace(pg.folder, proxy.folder) });
}

export async function startRedisProxy(redis) {
	const proxy = await startProxy(redis.socketPath);
	return Object.assign(proxy, { address: `unix:${path.join(proxy.folder, path.basename(redis.socketPath))}` });
}
