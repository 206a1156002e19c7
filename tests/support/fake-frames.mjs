// WebSocket frames, as little as a browser and this server need of RFC 6455: whole text messages
// below 64 KiB, ping, close.

export function sendFrame(socket, value) {
	const data = Buffer.from(JSON.stringify(value));
	const head = data.length < 126 ? Buffer.from([0x81, data.length])
		: Buffer.from([0x81, 126, data.length >> 8, data.length & 255]);
	socket.write(Buffer.concat([head, data]));
}

export function readFrames(socket, onText) {
	let rest = Buffer.alloc(0);
	socket.on('data', chunk => {
		rest = Buffer.concat([rest, chunk]);
		for (;;) {
			const frame = takeFrame(rest);
			if (!frame) return;
			rest = rest.subarray(frame.size);
			if (frame.opcode === 1) onText(frame.data.toString());
			else if (frame.opcode === 8) socket.end(Buffer.from([0x88, 0]));
			else if (frame.opcode === 9) socket.write(Buffer.concat([Buffer.from([0x8a, frame.data.length]), frame.data]));
		}
	});
}

function takeFrame(bytes) {
	if (bytes.length < 6) return null;
	const isLong = (bytes[1] & 127) === 126;
	const at = isLong ? 8 : 6;
	const length = isLong ? bytes.readUInt16BE(2) : bytes[1] & 127;
	if (bytes.length < at + length) return null;
	const mask = bytes.subarray(at - 4, at);
	const data = Buffer.from(bytes.subarray(at, at + length).map((byte, i) => byte ^ mask[i % 4]));
	return { opcode: bytes[0] & 15, data, size: at + length };
}
