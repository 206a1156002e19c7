// A lease ends with its time in whatever state its page is, its page process is gone before the room
// is free again (a stopped one: soon after), and nobody else notices.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { commandOf, groupOf, startPool } from './pool.mjs';

const STOPPED = 'a stopped page process';
const TTL_MS = 800;
const ROUNDS = Number(process.env.HARD_END_ROUNDS ?? 20);
let site, url;

before(async () => {
	site = http.createServer((request, response) => {
		if (request.url === '/never') response.writeHead(200, { 'content-type': 'text/html' }).write('<title>never</title>');
		else response.setHeader('content-type', 'text/html').end('<title>site</title><p>hello');
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
	url = `http://127.0.0.1:${site.address().port}`;
});

after(() => {
	site.closeAllConnections();
	site.close();
});

const renderersOf = (pid) => groupOf(pid).filter((child) => commandOf(child).includes('--type=renderer'));
const residentOf = (pid) => Number(fs.readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]);
const descriptorsOf = (pid) => fs.readdirSync(`/proc/${pid}/fd`).length;

const isGone = (pid) => commandOf(pid) === ''; // a dead one that is not reaped has no command

// Whose process is whose cannot be seen from outside: the page shows itself by using memory.
async function processOf(lease, browserPid) {
	const before = new Map(renderersOf(browserPid).map((pid) => [pid, residentOf(pid)]));
	await lease.evaluate('globalThis.hold = Array.from({ length: 8 }, () => new Uint8Array(8 << 20).fill(1)); 0');
	const [grown] = renderersOf(browserPid).sort((a, b) => residentOf(b) - (before.get(b) ?? 0) - residentOf(a) + (before.get(a) ?? 0));
	return grown;
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
	[STOPPED]: async (lease, pid) => {
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
};

for (const [what, begin] of Object.entries(FAULTS)) {
	test(`${what} ends with its time, alone, and its process ${what === STOPPED ? 'soon after' : 'before its room is free'}`, async (t) => {
		const pool = await startPool({ 'pool.max_pages': 2 }, { t });
		const browser = await pool.browserPid();
		const bystander = await pool.lease();
		await bystander.evaluate('globalThis.mark = 1; 0');
		const victim = await pool.lease({ ttl_ms: 2500 });
		const pid = await processOf(victim, browser);
		await begin(victim, pid);
		const { lease: id } = await victim.next('grant', (m) => m.type === 'leased');
		// Who waits gets the room only when the process is gone.
		const heir = pool.begin();
		assert.equal(await victim.ended, 'expired');
		const left = (await pool.status()).leases.find((l) => l.id === id);
		assert.equal(left, undefined);
		await heir.granted();
		// Chromium reports the target of a process that does not run as destroyed before it kills it.
		if (what === STOPPED) await until('end of the stopped process', () => isGone(pid), 10_000);
		else assert.ok(isGone(pid), 'the old process is gone');
		assert.equal(await heir.evaluate('1 + 1'), 2);
		assert.equal(await bystander.evaluate('mark'), 1);
		assert.equal(await pool.browserPid(), browser);
		assert.ok(renderersOf(browser).length <= 2);
		for (const lease of [bystander, heir]) lease.close();
		await pool.stop();
	});
}

test(`${ROUNDS} rounds of all faults leave targets, processes and descriptors as they were`, async (t) => {
	const pool = await startPool({ 'pool.max_pages': 4 }, { t });
	const browser = await pool.browserPid();
	const bystander = await pool.lease();
	await bystander.evaluate('globalThis.mark = 1; 0');
	const daemon = pool.daemon.pid;
	const quiet = () => pool.until('quiet pool', (s) => s.leases.length === 1 && s.contexts.disposing === 0 && s.contexts.making === 0 && s.contexts.warm === 2);
	const count = async () => {
		await quiet();
		await until('as many processes', () => renderersOf(browser).length === 3);
		return { daemon: descriptorsOf(daemon), browser: descriptorsOf(browser), processes: groupOf(browser).length };
	};
	const faults = Object.entries(FAULTS).filter(([what]) => what !== STOPPED);
	let first;
	for (let i = 0; i < ROUNDS; i++) {
		const [, begin] = faults[i % faults.length];
		const lease = await pool.lease({ ttl_ms: TTL_MS });
		await Promise.race([begin(lease).catch(() => {}), lease.ended]);
		assert.equal(await lease.ended, 'expired');
		if (i === Math.min(faults.length, ROUNDS) - 1) first = await count();
	}
	const last = await count();
	assert.ok(last.daemon <= first.daemon + 1, `${first.daemon} descriptors of the pool, then ${last.daemon}`);
	assert.ok(last.browser <= first.browser + 6, `${first.browser} descriptors of the browser, then ${last.browser}`);
	assert.equal(last.processes, first.processes);
	assert.equal(await bystander.evaluate('mark'), 1);
	assert.equal(await pool.browserPid(), browser);
	bystander.close();
	await pool.stop();
});
