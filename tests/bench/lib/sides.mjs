// The sides that are compared. Each does the same jobs and shows the same face:
//
//   side.name
//   await side.run(ms, atOnce, signIn)    -> [{ busyMs, signIns, latencies }], one for each slot
//   await side.hold(atOnce, signIn)       all jobs before their last step; -> async release()
//   side.kept                              its pages outlive their jobs
//   side.roots(atOnce)                    pids whose trees do the work
//   await side.stop()
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPool } from '../../integration/pool/pool.mjs';
import { EXPECTED, FETCH, SIGN_IN } from './job.mjs';
import { startTalker } from './talker.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

export const BROWSER = '/usr/lib/chromium/chromium-headless-shell';
export const SANDBOX = process.getuid() === 0 ? 'off' : 'on';
export const MAX_AT_ONCE = 8;
export const WARM_PAGES = 2; // POOL_WARM_CONTEXTS of browser-pool/pool.h

const client = process.env.BENCH_CLIENT;

function slotOf(words) {
	const [busyMs, signIns, ...latencies] = words.split(' ').map(Number);
	return { busyMs, signIns, latencies };
}
const slotsOf = (line) => line.replace(/^done /, '').split('|').map(slotOf);

const scriptOf = (expression) => JSON.stringify({ expression, awaitPromise: true, returnByValue: true });

export const startClient = (socket, site) =>
	startTalker(client, ['jobs', socket, site, scriptOf(SIGN_IN), scriptOf(FETCH), String(EXPECTED)]);

// The daemon, its browser, and a worker in C per slot. With kept pages every slot has a key.
export async function startPoolSide(name, site, { kept = false } = {}) {
	const pool = await startPool({ 'pool.max_pages': MAX_AT_ONCE + WARM_PAGES, 'pool.browser': BROWSER,
		'pool.sandbox': SANDBOX, 'log.level': 'info' });
	const clients = Array.from({ length: MAX_AT_ONCE }, () => startClient(pool.socket, site));
	const first = (count) => clients.slice(0, count);
	const keyOf = (n) => (kept ? `bench-slot-${n}` : '-');

	return {
		name, pool, kept,
		run: (ms, atOnce, signIn) => Promise.all(first(atOnce).map(async (one, n) =>
			slotsOf(await one.ask(`run ${ms} ${Number(signIn)} ${keyOf(n)}`))[0])),
		async hold(atOnce, signIn) {
			await Promise.all(first(atOnce).map((one, n) => one.ask(`hold ${Number(signIn)} ${keyOf(n)}`)));
			return () => Promise.all(first(atOnce).map((one) => one.ask('go')));
		},
		roots: (atOnce) => [pool.daemon.pid, ...first(atOnce).map((one) => one.pid)],
		async stop() {
			await Promise.all(clients.map((one) => one.stop()));
			await pool.stop();
		},
	};
}

// playwright-core in a node process of its own; mode as in peer.mjs.
export async function startPlaywrightSide(name, site, mode, folder) {
	const peer = startTalker(client, ['within', process.execPath, path.join(here, 'peer.mjs'), mode, site],
		{ BENCH_BROWSER: BROWSER, BENCH_SANDBOX: SANDBOX, TMPDIR: folder });
	await peer.next();

	return {
		name,
		run: async (ms, atOnce, signIn) => slotsOf(await peer.ask(`run ${ms} ${Number(signIn)} ${atOnce}`)),
		async hold(atOnce, signIn) {
			await peer.ask(`hold ${Number(signIn)} ${atOnce}`);
			return () => peer.ask('go');
		},
		roots: () => [peer.pid],
		stop: () => peer.stop(),
	};
}
