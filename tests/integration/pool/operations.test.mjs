// What people do to a running pool: pause, resume, kill, reload, look.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { run, startProcess, temporaryFolder, until } from '../../support/process.mjs';
import { programPath, writeSettings } from '../../support/daemon.mjs';
import { Connection, groupOf, startPool } from './pool.mjs';

const ok = { type: 'ok' };
const isLent = (lease) => lease.messages.some((m) => m.type === 'leased');

test('a paused pool keeps its leases and its queue, and lends again when resumed', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 2 }, { t });
	const held = await pool.lease();
	assert.deepEqual(await pool.ask({ op: 'pause' }), ok);
	const waiter = pool.begin();
	await until('its place', () => waiter.positions.at(-1) === 1);
	await assert.rejects(pool.lease({ wait_ms: 300 }), { reason: 'wait_over' });
	assert.equal(await held.evaluate('1 + 1'), 2);
	const status = await pool.status();
	assert.equal(status.paused, true);
	assert.equal(status.waiting.length, 1);
	assert.ok(!isLent(waiter));
	assert.deepEqual(await pool.ask({ op: 'resume' }), ok);
	await waiter.granted();
	assert.equal((await pool.status()).paused, false);
	for (const lease of [held, waiter]) lease.close();
	await pool.stop();
});

test('a lease is killed by its number, lent or waiting', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 1 }, { t });
	const held = await pool.lease({ tag: 'held' });
	const bystander = pool.begin({ tag: 'bystander' });
	const waiter = pool.begin({ tag: 'waiter' });
	const status = await pool.until('two waiting', (s) => s.waiting.length === 2);
	const numberOf = (tag) => [...status.leases, ...status.waiting].find((l) => l.tag === tag).id;
	assert.deepEqual(await pool.ask({ op: 'kill', lease: numberOf('waiter') }), ok);
	await assert.rejects(waiter.granted(), { reason: 'killed' });
	assert.deepEqual(await pool.ask({ op: 'kill', lease: numberOf('held') }), ok);
	assert.equal(await held.ended, 'killed');
	await bystander.granted();
	assert.equal(await bystander.evaluate('1 + 1'), 2);
	assert.equal((await pool.ask({ op: 'kill', lease: numberOf('held') })).code, 'no_such_lease');
	assert.equal((await pool.ask({ op: 'kill' })).reason, 'bad_message');
	assert.equal((await pool.status()).metrics['bp_lease_end_total{reason="killed"}'], 1);
	bystander.close();
	await pool.stop();
});

test('who may only borrow pages may look, and change nothing', { skip: process.getuid() !== 0 && 'needs root' }, async (t) => {
	const pool = await startPool({}, { t });
	fs.chmodSync(pool.folder.path, 0o755);
	const askAsOther = async (message) => JSON.parse((await run('socat', ['-', `UNIX-CONNECT:${pool.socket}`],
		{ input: `${JSON.stringify(message)}\n`, uid: 65534, gid: process.getgid() })).stdout);
	assert.equal((await askAsOther({ op: 'status' })).paused, false);
	for (const op of ['pause', 'resume', 'recycle', 'drain']) {
		const answer = await askAsOther({ op });
		assert.equal(answer.type, 'error');
		assert.equal(answer.code, 'not_allowed');
	}
	const held = await pool.lease();
	const { leases } = await pool.status();
	assert.equal((await askAsOther({ op: 'kill', lease: leases[0].id })).code, 'not_allowed');
	assert.equal(await held.evaluate('1 + 1'), 2);
	held.close();
	await pool.stop();
});

test('who is neither of the pool\'s user nor of its group is not even listened to', { skip: process.getuid() !== 0 && 'needs root' }, async (t) => {
	const pool = await startPool({}, { t });
	fs.chmodSync(pool.folder.path, 0o755);
	const ask = (gid) => run('socat', ['-', `UNIX-CONNECT:${pool.socket}`], { input: '{"op":"status"}\n', uid: 65534, gid });
	assert.match((await ask(65534)).stderr, /Permission denied/);
	fs.chmodSync(pool.socket, 0o666);
	assert.equal((await ask(65534)).stdout, '');
	await pool.daemon.waitLine(/msg="connection refused" uid=65534 gid=65534 /);
	assert.match((await ask(process.getgid())).stdout, /"version"/);
	await pool.stop();
});

test('SIGTERM lets leases go on and refuses who waits; a second one ends them with a word', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 2 }, { t });
	const held = [await pool.lease(), await pool.lease()];
	const browser = await pool.browserPid();
	const waiter = pool.begin();
	await pool.until('one waiting', (s) => s.waiting.length === 1);
	process.kill(pool.daemon.pid, 'SIGTERM');
	await assert.rejects(waiter.granted(), { reason: 'shutting_down' });
	await assert.rejects(pool.lease(), { reason: 'shutting_down' });
	assert.equal((await pool.status()).stopping, true);
	for (const lease of held) assert.equal(await lease.evaluate('1 + 1'), 2);
	const open = held[0].ask('Runtime.evaluate', { expression: 'new Promise(() => {})', awaitPromise: true });
	await held[0].evaluate('0'); // it came behind that one
	process.kill(pool.daemon.pid, 'SIGTERM');
	for (const lease of held) await until('its end, before its patience with them is over', () => lease.reason === 'shutting_down', 5000);
	assert.equal((await open).error.message, 'pool: the lease ended: shutting_down');
	assert.equal((await pool.daemon.exited).code, 0);
	assert.deepEqual(groupOf(browser), []);
	assert.deepEqual(pool.profiles(), []);
	pool.folder.remove();
});

test('a pool is scheduled as one that is never in a hurry, and its browsers as anybody', async (t) => {
	const pool = await startPool({}, { t });
	const policyOf = (pid) => Number(fs.readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/.*\) /s, '').split(' ')[38]);
	const [SCHED_OTHER, SCHED_BATCH] = [0, 3];
	assert.equal(policyOf(pool.daemon.pid), SCHED_BATCH);
	assert.deepEqual([...new Set(groupOf(await pool.browserPid()).map(policyOf))], [SCHED_OTHER]);
	await pool.stop();
});

// Root of a container may lack both.
const [CAP_SYS_ADMIN, CAP_SYS_NICE] = [21n, 23n];
const has = (capability) => (BigInt(`0x${/CapEff:\s*(\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]}`) >> capability) & 1n;

test('a pool that goes before others keeps that to itself', { skip: !(has(CAP_SYS_ADMIN) && has(CAP_SYS_NICE)) && 'may not be less nice' }, async (t) => {
	const niceOf = (task) => Number(fs.readFileSync(`${task}/stat`, 'latin1').replace(/.*\) /s, '').split(' ')[16]);
	const tasksOf = (pid) => fs.readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`);
	const folder = temporaryFolder('pensum-n-');
	t.after(() => folder.remove());
	// As systemd starts it, not as root: root's Chromium is as nice as it likes.
	const asOther = 'chown -R 64242 "$(dirname "$3")" "$0" && exec nice -n -10 setpriv --reuid=64242 --regid=64242 --clear-groups "$@"';
	const pool = await startPool({}, { t, folder, wrap: ['sh', '-c', asOther, folder.path] });
	const lease = await pool.lease();
	assert.equal(await lease.evaluate('1 + 1'), 2);
	assert.equal(niceOf(`/proc/${pool.daemon.pid}`), -10);
	const nices = groupOf(await pool.browserPid()).flatMap(tasksOf).map(niceOf);
	assert.ok(nices.length > 20 && nices.every((nice) => nice >= 0), nices.join());
	lease.close();
	await pool.stop();

	// In a session of its own also beside others.
	if (!fs.existsSync('/proc/self/autogroup')) return;
	const apart = await startPool({}, { t, wrap: ['setsid', 'nice', '-n', '-10'] });
	const autogroupOf = (pid) => Number(/nice (\S+)/.exec(fs.readFileSync(`/proc/${pid}/autogroup`, 'latin1'))[1]);
	assert.deepEqual([apart.daemon.pid, await apart.browserPid()].map(autogroupOf), [-10, 0]);
	await apart.stop();
});

test('status has the numbers that a metrics system wants', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 1 }, { t });
	const held = await pool.lease();
	const waiter = pool.begin({ class: 'interactive' });
	await pool.until('one waiting', (s) => s.waiting.length === 1);
	await held.ask('Browser.close');
	for (let i = 0; i < 3; i++) await held.ask(`Invented.method${i}`);
	const { metrics, uptime_s: uptime } = await pool.status();
	assert.ok(uptime >= 0);
	assert.equal(metrics['bp_leases{state="lent"}'], 1);
	assert.equal(metrics['bp_leases{state="waiting"}'], 1);
	assert.equal(metrics['bp_queue_depth{class="interactive"}'], 1);
	assert.equal(metrics['bp_queue_depth{class="check"}'], 0);
	assert.equal(metrics['bp_browsers{state="ready"}'], 1);
	assert.equal(metrics['bp_cdp_denied_total{method="Browser.close"}'], 1);
	assert.equal(metrics['bp_cdp_denied_total{method="other"}'], 3);
	assert.equal(metrics.bp_queue_wait_seconds_count, 1);
	held.close();
	await waiter.granted();
	waiter.close();
	const { metrics: later } = await pool.until('no lease', (s) => s.leases.length === 0);
	assert.equal(later['bp_lease_end_total{reason="client_gone"}'], 2);
	assert.equal(later.bp_lease_seconds_count, 2);
	assert.ok(later.bp_lease_seconds_sum > 0 && later.bp_queue_wait_seconds_sum > 0);
	await pool.ask({ op: 'recycle' });
	await pool.until('another browser', (s) => s.metrics['bp_browser_restarts_total{reason="operator"}'] === 1);
	assert.ok(Object.values(later).every((value) => typeof value === 'number'));
	await pool.stop();
});

test('SIGHUP changes limits in flight; a bad file and what needs a restart change nothing', async (t) => {
	const pool = await startPool({ 'pool.max_pages': 1, 'pool.client_max_waiting': 1 }, { t, env: { PENSUM_POOL_MAX_WAITING: '5' } });
	const args = pool.daemon.child.spawnargs;
	const config = args[args.indexOf('--config') + 1];
	const before = fs.readFileSync(config, 'utf8');
	const reload = (changed, line) => {
		const keys = Array.from(changed.matchAll(/^\S+/gm), ([key]) => key);
		const kept = before.split('\n').filter((set) => !keys.includes(set.split(' ')[0]));
		fs.writeFileSync(config, kept.join('\n') + changed);
		process.kill(pool.daemon.pid, 'SIGHUP');
		return pool.daemon.waitLine(line, 10_000);
	};
	const held = await pool.lease();
	const waiter = pool.begin();
	await pool.until('one waiting', (s) => s.waiting.length === 1);
	await assert.rejects(pool.lease(), { reason: 'client_full' });

	await reload('pool.max_pages = many\n', /settings kept as they were.*pool\.max_pages/);
	assert.equal((await pool.status()).limits.max_pages, 1);

	await reload('pool.max_pages = 3\npool.client_max_waiting = 7\npool.max_browsers = 2\npool.keep_s = 30\n', /settings read again/);
	await pool.daemon.waitLine(/needs a restart.*key=pool\.keep_s/);
	const { limits } = await pool.status();
	assert.deepEqual(limits, { max_browsers: 2, max_pages: 3, page_memory_mb: limits.page_memory_mb,
		automatic: { max_browsers: false, max_pages: false, page_memory_mb: true },
		max_waiting: 5, client_max_pages: 0, client_max_waiting: 7 });
	await waiter.granted();
	const third = await pool.lease();

	await reload('pool.max_pages = 2\n', /key=pool\.max_pages from=3 to=2/);
	const late = pool.begin();
	await pool.until('it waits', (s) => s.waiting.length === 1 && s.leases.length === 3);
	third.close();
	await pool.until('two', (s) => s.leases.length === 2 && s.contexts.disposing === 0);
	assert.ok(!isLent(late));
	held.close();
	await late.granted();
	assert.equal((await pool.status()).leases.length, 2);
	for (const lease of [waiter, late]) lease.close();
	await pool.stop();
});

test('systemd hears that the pool is ready, lives, reloads and stops', async (t) => {
	const folder = temporaryFolder('pensum-n-');
	const socket = path.join(folder.path, 'notify');
	const manager = startProcess('socat', ['-u', `UNIX-RECV:${socket}`, '-']);
	let heard = '';
	manager.child.stdout.on('data', (data) => (heard += data));
	const hears = (pattern) => until(`${pattern} to systemd`, () => pattern.test(heard), 10_000);
	await until('the socket', () => fs.existsSync(socket));
	const pool = await startPool({}, { t, env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '200000' } });
	await hears(/READY=1/);
	await hears(/(WATCHDOG=1){3}/);
	const lease = await pool.lease();
	await hears(/STATUS=1 pages lent, 0 wait, 1 browsers/);
	lease.close();
	heard = '';
	process.kill(pool.daemon.pid, 'SIGHUP');
	await hears(/RELOADING=1\nMONOTONIC_USEC=\d+READY=1/);
	await pool.stop();
	await hears(/STOPPING=1/);
	await manager.stop();
	folder.remove();
});

test('a socket that was handed over outlives the pool: who asks meanwhile is served by the next one', async (t) => {
	const folder = temporaryFolder('pensum-hs-');
	const socketPath = path.join(folder.path, 's');
	const server = net.createServer().listen(path.join(folder.path, 'made'));
	await once(server, 'listening');
	const config = writeSettings(folder.path, { 'pool.socket': socketPath, 'pool.run_dir': path.join(folder.path, 'run'), 'pool.sandbox': 'off',
		'pool.max_pages': 2 });
	// In systemd's place: holds the socket, and starts the pool again when it has ended.
	const holder = startProcess('sh', ['-c', 'for life in 1 2; do LISTEN_FDS=1 sh -c \'echo "life $1 is $$"; shift; LISTEN_PID=$$ exec "$@"\' sh $life "$@"; done',
		'sh', programPath('pensum-browser-pool'), '--config', config],
	{ stdio: ['ignore', 'pipe', 'pipe', server._handle.fd], env: { PATH: process.env.PATH } });
	t.after(async () => {
		await holder.stop('SIGKILL');
		folder.remove();
	});
	const life = async (n) => Number(/is (\d+)/.exec(await holder.waitLine(new RegExp(`^life ${n} is`), 20_000))[1]);
	const first = await life(1);
	fs.renameSync(path.join(folder.path, 'made'), socketPath);
	server.close(); // so that node does not take connections itself
	const ask = () => {
		const c = new Connection(socketPath);
		c.send({ op: 'lease', class: 'check', wait_ms: 30_000 });
		return c;
	};
	const held = ask();
	await held.next('a page', (m) => m.type === 'leased', 20_000);
	process.kill(first, 'SIGTERM');
	await holder.waitLine(/msg="?stopping/, 10_000);
	const meanwhile = ask();
	held.socket.end();
	const second = await life(2);
	await meanwhile.next('a page of the next one', (m) => m.type === 'leased', 20_000);
	meanwhile.socket.end();
	process.kill(second, 'SIGTERM');
	assert.equal((await holder.exited).code, 0);
	assert.ok(fs.existsSync(socketPath), 'it is not the pool\'s to remove');
});
