// A lease ends with its time in whatever state its page is, its page process is gone before the room
// is free again, and nobody else notices.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { commandOf, groupOf, renderersOf, startPool } from './pool.mjs';

const TTL_MS = 800;
const ROUNDS = Number(process.env.HARD_END_ROUNDS ?? 12);
const small = { 'pool.page_memory_mb': 192 }; // as on a machine of 1 GiB
const sockets = new Set();
let site, url;

// Sends as much as the other side takes.
function flood(socket, key) {
	const frame = Buffer.concat([Buffer.from([0x82, 126, 0xff, 0x00]), Buffer.alloc(0xff00)]);
	const pump = () => {
		while (!socket.destroyed && socket.write(frame));
	};
	const accept = crypto.createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
	socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
	sockets.add(socket.on('drain', pump).on('error', () => {}).on('close', () => sockets.delete(socket)));
	pump();
}

before(async () => {
	site = http.createServer((request, response) => {
		response.setHeader('content-type', 'text/html');
		if (request.url === '/never') response.write('<title>never</title>');
		else if (request.url === '/refresh') response.end('<meta http-equiv="refresh" content="0"><title>again</title>');
		else response.end('<title>site</title><p>hello');
	});
	site.on('upgrade', (request, socket) => flood(socket, request.headers['sec-websocket-key']));
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${site.address().port}`;
});

after(() => {
	for (const socket of sockets) socket.destroy();
	site.closeAllConnections();
	site.close();
});

const residentOf = (pid) => {
	try {
		return Number(fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
	} catch {
		return 0; // it has just ended
	}
};
const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

const isGone = (pid) => commandOf(pid) === ''; // a dead one that is not reaped has no command

// Whose process is whose cannot be seen from outside: the page shows itself by using memory.
async function processOf(lease, browserPid) {
	const before = new Map(renderersOf(browserPid).map((pid) => [pid, residentOf(pid)]));
	await lease.evaluate('globalThis.hold = Array.from({ length: 8 }, () => new Uint8Array(8 << 20).fill(1)); 0');
	const growth = (pid) => residentOf(pid) - before.get(pid);
	return [...before.keys()].sort((a, b) => growth(b) - growth(a))[0];
}

const FAULTS = {
	'a script that never returns': async (lease) => {
		lease.ask('Runtime.evaluate', { expression: 'for (;;);' });
	},
	'an open alert': async (lease) => {
		await lease.call('Page.enable');
		lease.ask('Runtime.evaluate', { expression: 'alert(1)' });
		await lease.next('dialog', (m) => m.method === 'Page.javascriptDialogOpening');
	},
	'an unanswered request': async (lease) => {
		await lease.call('Fetch.enable');
		lease.ask('Page.navigate', { url: `${url}/` });
		await lease.next('pause', (m) => m.method === 'Fetch.requestPaused');
	},
	'a response that never ends': async (lease) => {
		lease.ask('Page.navigate', { url: `${url}/never` });
		lease.ask('Runtime.evaluate', { expression: `fetch('/never').then((r) => r.text())`, awaitPromise: true });
	},
	'a stopped page process': async (lease, pid) => {
		process.kill(pid, 'SIGSTOP');
		lease.ask('Runtime.evaluate', { expression: '1' });
	},
	'a page that wants to stay': async (lease) => {
		await lease.goto(`${url}/`);
		await lease.call('Runtime.evaluate', { expression: `onbeforeunload = (e) => { e.preventDefault(); return 'stay'; }`, userGesture: true });
		lease.ask('Page.reload');
	},
	'a page that reloads itself': async (lease) => {
		await lease.goto(`${url}/`);
		lease.ask('Runtime.evaluate', { expression: 'setInterval(() => location.reload())' });
	},
	'a page that refreshes itself without end': async (lease) => {
		await lease.goto(`${url}/refresh`);
	},
	'a flood from a WebSocket': async (lease) => {
		await lease.goto(`${url}/`);
		await lease.evaluate(`new Promise((resolve) => {
			const socket = new WebSocket(location.href.replace('http', 'ws'));
			globalThis.got = 0;
			socket.onmessage = (m) => { if (++got === 10) resolve(); };
		})`);
	},
};

// What a fault may end with before its time: what nobody takes in lies in the page's memory.
const SOONER = { 'a flood from a WebSocket': ['page_oom'] };

const numberIn = (line, name) => Number(line.match(new RegExp(`\\b${name}=(-?\\d+)`))[1]);

// How long after its time, by the pool's own clock, a lease's room was free again.
async function delayOf(pool, id, ttlMs = 0) {
	const ended = await pool.daemon.waitLine(new RegExp(`msg="lease ends" lease=${id} `));
	const gone = await pool.daemon.waitLine(new RegExp(`msg="page gone" .*lease=${id} `));
	return numberIn(ended, 'lasted_ms') - (ttlMs || numberIn(ended, 'lasted_ms')) + numberIn(gone, 'took_ms');
}

const idOf = (lease) => lease.messages.find((m) => m.type === 'leased').lease;

for (const [what, begin] of Object.entries(FAULTS)) {
	test(`${what} ends with its time, alone, and its process before its room is free`, async (t) => {
		const pool = await startPool({ ...small, 'pool.max_pages': 3 }, { t });
		const browser = await pool.browserPid();
		const bystander = await pool.lease();
		await bystander.evaluate('globalThis.mark = 1; 0');
		const control = await pool.lease();
		const victim = await pool.lease({ ttl_ms: 3000 });
		const pid = await processOf(victim, browser);
		const others = renderersOf(browser).filter((other) => other !== pid);
		await begin(victim, pid);
		const own = renderersOf(browser).filter((other) => !others.includes(other)); // a navigation may have changed it
		// Who waits gets the room only when the process is gone.
		const heir = pool.begin();
		assert.ok([...(SOONER[what] ?? []), 'expired'].includes(await victim.ended), await victim.ended);
		control.close();
		await heir.granted();
		for (const old of [pid, ...own]) assert.ok(isGone(old), 'the old process is gone');
		assert.equal(await heir.evaluate('1 + 1'), 2);
		assert.equal(await bystander.evaluate('mark'), 1);
		assert.equal(await pool.browserPid(), browser);
		// A machine that is slow is so for the one that did nothing wrong too.
		const usual = await delayOf(pool, idOf(control)), delay = await delayOf(pool, idOf(victim), 3000);
		assert.ok(delay <= 1000 + 10 * usual, `free ${delay} ms after its time, another one after ${usual} ms`);
		for (const lease of [bystander, heir]) lease.close();
		await pool.until('no lease', (s) => s.leases.length === 0 && s.contexts.disposing === 0);
		await until('end of the pids', () => [pid, ...own].every((old) => !fs.existsSync(`/proc/${old}`)));
		await pool.stop();
	});
}

test(`${ROUNDS} rounds of all faults leave targets, processes and descriptors as they were`, async (t) => {
	const pool = await startPool({ ...small, 'pool.max_pages': 2, 'pool.lease_s': 3600 }, { t }); // no page is made beside the one that is measured
	const browser = await pool.browserPid();
	const bystander = await pool.lease();
	await bystander.evaluate('globalThis.mark = 1; 0');
	const daemon = pool.daemon.pid;
	const quiet = () => pool.until('quiet pool', (s) => s.leases.length === 1 && s.contexts.disposing === 0 && s.contexts.making === 0 && s.contexts.warm === 1);
	const count = async () => {
		await quiet();
		await until('as many processes', () => renderersOf(browser).length === 2);
		return { daemon: descriptorsOf(daemon), browser: descriptorsOf(browser), processes: groupOf(browser).length };
	};
	const faults = Object.values(FAULTS), delays = [];
	let first;
	for (let i = 0; i < ROUNDS; i++) {
		await quiet();
		const lease = await pool.lease({ ttl_ms: TTL_MS });
		const pid = await processOf(lease, browser).catch(() => 0);
		await Promise.race([faults[i % faults.length](lease, pid).catch(() => {}), lease.ended]);
		assert.equal(await lease.ended, 'expired');
		delays.push(await delayOf(pool, idOf(lease), TTL_MS));
		assert.ok(pid === 0 || isGone(pid), `round ${i}: the old process ${pid} is gone: ${commandOf(pid).slice(0, 60)}`);
		if (i === Math.min(faults.length, ROUNDS) - 1) first = await count();
	}
	const last = await count();
	delays.sort((a, b) => a - b);
	t.diagnostic(`free after ${delays[delays.length >> 1]} ms, at most ${delays.at(-1)} ms`);
	assert.ok(last.daemon <= first.daemon + 1, `${first.daemon} descriptors of the pool, then ${last.daemon}`);
	assert.ok(last.browser <= first.browser + 6, `${first.browser} descriptors of the browser, then ${last.browser}`);
	assert.equal(last.processes, first.processes);
	assert.equal(await bystander.evaluate('mark'), 1);
	assert.equal(await pool.browserPid(), browser);
	bystander.close();
	await pool.stop();
});
