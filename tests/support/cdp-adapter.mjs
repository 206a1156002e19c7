// A WebSocket end for the pool's Unix socket, so that client libraries that know only
// ws://… can use it. Every WebSocket connection is one lease in browser mode.
//
//   const adapter = await startAdapter(pool.socket, { class: 'check', tag: 'x' });
//   await chromium.connectOverCDP(adapter.url);  await puppeteer.connect({ browserWSEndpoint: adapter.wsUrl });
//   adapter.denied        'Method: sentence' of every error answer, in order
//   adapter.stop();
import crypto from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { encodeFrame } from './ws.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// Masked frames of a client, whole messages to take().
function frameReader(take) {
	let data = Buffer.alloc(0), parts = [];
	return (chunk) => {
		data = data.length ? Buffer.concat([data, chunk]) : chunk;
		for (;;) {
			if (data.length < 2) return;
			let size = data[1] & 127, at = 2;
			if (size === 126) size = data.length < 4 ? Infinity : data.readUInt16BE(2), at = 4;
			else if (size === 127) size = data.length < 10 ? Infinity : Number(data.readBigUInt64BE(2)), at = 10;
			if (data.length < at + 4 + size) return;
			const key = data.subarray(at, at + 4);
			const payload = Buffer.from(data.subarray(at + 4, at + 4 + size));
			for (let i = 0; i < payload.length; i++) payload[i] ^= key[i & 3];
			const opcode = data[0] & 15, fin = (data[0] & 128) !== 0;
			data = data.subarray(at + 4 + size);
			if (opcode >= 8) take(opcode, payload);
			else if (parts.push(payload), fin) take(1, Buffer.concat(parts)), (parts = []);
		}
	};
}

// NUL-ended messages of the pool.
function messageReader(take) {
	let rest = [];
	return (data) => {
		for (let at; (at = data.indexOf(0)) >= 0; data = data.subarray(at + 1)) {
			take(Buffer.concat([...rest, data.subarray(0, at)]));
			rest = [];
		}
		rest.push(data);
	};
}

function join(socket, poolSocket, request, adapter) {
	const pool = net.connect(poolSocket);
	const early = [], methods = new Map();
	let leased = false;
	const end = () => { pool.destroy(); socket.destroy(); };
	const say = (bytes) => socket.write(encodeFrame({ masked: false, payload: bytes }));

	const note = (bytes) => {
		const { id, method, error } = JSON.parse(bytes);
		if (method && id) methods.set(id, method);
		else if (error) adapter.denied.push(`${methods.get(id)}: ${error.message}`);
	};
	pool.write(`${JSON.stringify({ op: 'lease', class: 'interactive', ...request, mode: 'browser' })}\0`);
	pool.on('data', messageReader((bytes) => {
		if (leased) {
			if (bytes.length < 10_000) note(bytes);
			if (!bytes.includes('"Pool.ended"')) say(bytes);
			return;
		}
		const { type, reason } = JSON.parse(bytes);
		if (type === 'refused') return socket.end(encodeFrame({ opcode: 8, masked: false, payload: Buffer.from(`\x03\xf5${reason}`, 'latin1') }));
		if (type !== 'leased') return;
		leased = true;
		for (const message of early) pool.write(message);
	}));
	socket.on('data', frameReader((opcode, payload) => {
		if (opcode === 8) return end();
		if (opcode === 9) return socket.write(encodeFrame({ opcode: 10, masked: false, payload }));
		if (opcode !== 1) return;
		note(payload);
		const message = Buffer.concat([payload, Buffer.alloc(1)]);
		if (leased) pool.write(message);
		else early.push(message);
	}));
	for (const one of [socket, pool]) one.on('error', end).on('close', end);
	adapter.ends.add(end);
}

export async function startAdapter(poolSocket, request = {}) {
	const adapter = { denied: [], ends: new Set() };
	const server = http.createServer((incoming, response) => {
		if (!incoming.url.startsWith('/json/version')) return response.writeHead(404).end();
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify({ Browser: 'pensum-browser-pool', 'Protocol-Version': '1.3', webSocketDebuggerUrl: adapter.wsUrl }));
	});
	server.on('upgrade', (incoming, socket) => {
		const accept = crypto.createHash('sha1').update(incoming.headers['sec-websocket-key'] + GUID).digest('base64');
		socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
		join(socket, poolSocket, request, adapter);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	adapter.url = `http://127.0.0.1:${server.address().port}`;
	adapter.wsUrl = `ws://127.0.0.1:${server.address().port}/devtools/browser/pool`;
	adapter.stop = () => {
		for (const end of adapter.ends) end();
		server.closeAllConnections();
		server.close();
	};
	return adapter;
}
