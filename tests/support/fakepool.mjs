// A browser-pool whose pages are imagined: it speaks the pool's socket (poolmsg.h) and just as much
// CDP as a worker says. What a worker's script would answer is the test's to say.
//
//   const pool = await startFakePool();
//   pool.socketPath                                what goes into pool.socket
//   pool.answer = async (expression) => ({ ok: true, … });
//   pool.document = { status: 503, headers: { 'Retry-After': '7' } };   what a navigation meets; null: a page
//   const release = pool.hold();                   no script answers until release(), or another hold()
//   pool.running                                   scripts that have not been answered
//   pool.open()                                    how many leases there are
//   pool.drop();                                   every lease breaks off
//   pool.refuse = (method, params) => 'No such page'; what a call fails with; null: it does not
//   await pool.stop();
import net from 'node:net';
import path from 'node:path';
import { temporaryFolder } from './process.mjs';

export async function startFakePool() {
	const folder = temporaryFolder('pensum-fp-');
	const sockets = new Set();
	let gate = Promise.resolve(), openGate = () => {};
	const pool = { socketPath: path.join(folder.path, 's'), running: 0, leases: 0, document: null, answer: async () => ({ ok: true }), refuse: () => null };

	async function evaluate(expression) {
		if (expression.startsWith('performance.')) return pool.document?.status ?? 200; // the document's HTTP status
		if (expression === 'navigator.userAgent') return 'Imagined/1.0';
		if (expression === 'isSecureContext') return true;
		pool.running++;
		try {
			await gate;
			return await pool.answer(expression);
		} finally {
			pool.running--;
		}
	}
	async function answerTo({ method, params }, say) {
		switch (method) {
			case 'Page.navigate':
				if (pool.document) say({ method: 'Network.responseReceived', params: { type: 'Document', response: pool.document } });
				setTimeout(() => say({ method: 'Page.domContentEventFired', params: { timestamp: 1 } }), 1);
				return { frameId: 'f', loaderId: 'l' };
			case 'Runtime.evaluate': return { result: { type: 'object', value: await evaluate(params.expression) } };
			case 'Page.createIsolatedWorld': return { executionContextId: 5 };
			case 'Network.getCookies': return { cookies: [{ name: 'MoodleSession', value: 'v', domain: 'site', path: '/' }] };
			default: return {};
		}
	}
	async function reply(message, say) {
		const failure = pool.refuse(message.method, message.params);
		say({ id: message.id, ...(failure ? { error: { code: -32000, message: failure } } : { result: await answerTo(message, say) }) });
	}
	const server = net.createServer((socket) => {
		const say = (message) => socket.writable && socket.write(`${JSON.stringify(message)}\0`);
		let rest = Buffer.alloc(0);
		sockets.add(socket);
		socket.on('error', () => {});
		socket.on('close', () => sockets.delete(socket));
		socket.on('data', async (data) => {
			rest = Buffer.concat([rest, data]);
			for (let at; (at = rest.indexOf(0)) >= 0; ) {
				const message = JSON.parse(rest.subarray(0, at));
				rest = rest.subarray(at + 1);
				if (message.op === 'lease') say({ type: 'leased', lease: ++pool.leases, ttl_ms: message.ttl_ms, browser: 'none' });
				else await reply(message, say);
			}
		});
	});
	pool.hold = () => {
		openGate();
		gate = new Promise((resolve) => (openGate = resolve));
		return openGate;
	};
	pool.drop = () => sockets.forEach((socket) => socket.destroy());
	pool.open = () => sockets.size;
	pool.stop = async () => {
		pool.drop();
		await new Promise((resolve) => server.close(resolve));
		folder.remove();
	};
	await new Promise((resolve) => server.listen(pool.socketPath, resolve));
	return pool;
}
