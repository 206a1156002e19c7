// A WebSocket client on a bare socket, for tests: it can send what no proper client would.
//
//   const ws = await openWs({ port, headers: { Cookie } });       throws WsRefused when no 101
//   ws.send({ type: 'ping' });  ws.sendFrame({ opcode, fin, masked, rsv, payload, length });
//   const m = await ws.next((m) => m.type === 'pong');   messages, in order; ws.texts: the frames as sent
//   ws.pause(); ws.resume();                             a reader that stops reading
//   const { code, reason } = await ws.closed;            1006 when there was no close frame
import crypto from 'node:crypto';
import net from 'node:net';
import { ANSWER_MS, within } from './waiting.mjs';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class WsRefused extends Error {
	constructor(status, headers, body) {
		super(`refused with ${status}: ${body}`);
		Object.assign(this, { status, headers, body });
		try { this.code = JSON.parse(body).code; } catch { /* no JSON */ }
	}
}

export function encodeFrame({ opcode = 1, fin = true, masked = true, rsv = 0, payload = '', length }) {
	const data = Buffer.from(payload);
	const size = length ?? data.length;
	const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
	const mask = masked ? 0x80 : 0;
	if (size < 126) head.push(mask | size);
	else if (size < 65536) head.push(mask | 126, size >> 8, size & 255);
	else {
		const long = Buffer.alloc(8);
		long.writeBigUInt64BE(BigInt(size));
		head.push(mask | 127, ...long);
	}
	if (!masked) return Buffer.concat([Buffer.from(head), data]);
	const key = crypto.randomBytes(4);
	return Buffer.concat([Buffer.from(head), key, data.map((byte, i) => byte ^ key[i % 4])]);
}

function decodeFrame(data) {
	if (data.length < 2) return null;
	let size = data[1] & 127, at = 2;
	if (size === 126) {
		if (data.length < 4) return null;
		size = data.readUInt16BE(2);
		at = 4;
	} else if (size === 127) {
		if (data.length < 10) return null;
		size = Number(data.readBigUInt64BE(2));
		at = 10;
	}
	if (data.length < at + size) return null;
	return { opcode: data[0] & 15, fin: (data[0] & 128) !== 0, masked: (data[1] & 128) !== 0,
		payload: data.subarray(at, at + size), rest: data.subarray(at + size) };
}

function handshakeText({ host, path = '/api/v1/live', headers = {}, method = 'GET', key }) {
	const all = { Host: host, Upgrade: 'websocket', Connection: 'Upgrade',
		'Sec-WebSocket-Key': key, 'Sec-WebSocket-Version': '13', ...headers };
	const lines = Object.entries(all).filter(([, value]) => value !== null)
		.map(([name, value]) => `${name}: ${value}\r\n`);
	return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

// early: bytes sent together with the request; before: bytes (another request) before it.
export function openWs({ port, host = '127.0.0.1', path, headers, method, early = '', before = '',
	timeoutMs = 10_000 } = {}) {
	const key = crypto.randomBytes(16).toString('base64');
	const socket = net.connect(port, host);
	const ws = { socket, status: 0, headers: {}, messages: [], texts: [], frames: [], sawPong: 0 };
	let waiting = [], data = Buffer.alloc(0), open = false, close = null, ended = null, text = [];
	let settleOpen, settleClosed;

	const opened = new Promise((resolve, reject) => (settleOpen = { resolve, reject }));
	ws.closed = new Promise((resolve) => (settleClosed = resolve));

	const deliver = (message) => {
		const at = waiting.findIndex((w) => w.accept(message));
		if (at < 0) return void ws.messages.push(message);
		const [w] = waiting.splice(at, 1);
		clearTimeout(w.timer);
		w.resolve(message);
	};
	const onFrame = (frame) => {
		ws.frames.push(frame.opcode);
		if (frame.masked) throw new Error('the server masked a frame');
		if (frame.opcode === 8) {
			close = { code: frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005,
				reason: frame.payload.toString('utf8', 2) };
			socket.end(encodeFrame({ opcode: 8, payload: frame.payload.subarray(0, 2) }));
		} else if (frame.opcode === 9) {
			socket.write(encodeFrame({ opcode: 10, payload: frame.payload }));
		} else if (frame.opcode === 10) {
			ws.sawPong++;
		} else {
			text.push(frame.payload);
			if (!frame.fin) return;
			const whole = Buffer.concat(text).toString('utf8');
			text = [];
			ws.texts.push(whole);
			for (const message of [JSON.parse(whole)].flat()) deliver(message);
		}
	};
	const onHead = () => {
		// Answers to what was sent before the handshake are passed over.
		for (;;) {
			const end = data.indexOf('\r\n\r\n');
			if (end < 0) return;
			const [first, ...lines] = data.toString('latin1', 0, end).split('\r\n');
			const head = Object.fromEntries(lines.map((line) => {
				const colon = line.indexOf(':');
				return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
			}));
			const status = Number(first.split(' ')[1]);
			const length = Number(head['content-length'] ?? 0);
			if (status !== 101 && data.length < end + 4 + length) return;
			const body = data.toString('utf8', end + 4, end + 4 + length);
			data = data.subarray(end + 4 + (status === 101 ? 0 : length));
			if (status !== 101 && before && !ws.skipped) {
				ws.skipped = { status, body };
				continue;
			}
			ws.status = status;
			ws.headers = head;
			if (status !== 101) {
				socket.destroy();
				return void settleOpen.reject(new WsRefused(status, head, body));
			}
			const want = crypto.createHash('sha1').update(key + GUID).digest('base64');
			if (head['sec-websocket-accept'] !== want)
				return void settleOpen.reject(new Error('wrong Sec-WebSocket-Accept'));
			open = true;
			return void settleOpen.resolve(ws);
		}
	};
	socket.on('connect', () => socket.write(Buffer.concat([Buffer.from(before),
		Buffer.from(handshakeText({ host: `${host}:${port}`, path, headers, method, key })),
		Buffer.from(early)])));
	socket.on('data', (chunk) => {
		data = Buffer.concat([data, chunk]);
		if (!open) onHead();
		for (let frame; open && (frame = decodeFrame(data)); ) {
			data = frame.rest;
			onFrame(frame);
		}
	});
	socket.on('error', () => {});
	socket.on('close', () => {
		settleOpen.reject(new Error('connection closed before the handshake ended'));
		for (const w of waiting) {
			clearTimeout(w.timer);
			w.reject(new Error(`closed (${close?.code ?? 1006}) while waiting for ${w.what}`));
		}
		waiting = [];
		ended = close ?? { code: 1006, reason: '' };
		settleClosed(ended);
	});
	ws.send = (message) => socket.write(encodeFrame({ payload: JSON.stringify(message) }));
	ws.sendFrame = (frame) => socket.write(encodeFrame(frame));
	ws.next = (accept = () => true, waitMs = timeoutMs) => {
		const at = ws.messages.findIndex(accept);
		if (at >= 0) return Promise.resolve(ws.messages.splice(at, 1)[0]);
		if (ended) return Promise.reject(new Error(`closed (${ended.code}) before ${accept}`));
		return new Promise((resolve, reject) => {
			const what = accept.toString();
			const timer = setTimeout(() => {
				waiting = waiting.filter((w) => w.resolve !== resolve);
				reject(new Error(`no message for ${what} in ${waitMs} ms; have ${
					JSON.stringify(ws.messages.slice(-5))}`));
			}, waitMs);
			waiting.push({ accept, resolve, reject, timer, what });
		});
	};
	ws.pause = () => socket.pause();
	ws.resume = () => socket.resume();
	ws.close = (code = 1000) => {
		const payload = Buffer.alloc(2);
		payload.writeUInt16BE(code);
		ws.sendFrame({ opcode: 8, payload });
		return within('end of the WebSocket', ANSWER_MS, ws.closed);
	};
	ws.destroy = () => socket.destroy();
	return within('end of the WebSocket handshake', ANSWER_MS, opened).catch((error) => {
		socket.destroy();
		throw error;
	});
}
