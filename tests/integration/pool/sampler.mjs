// Counts a daemon's browsers and their page processes about every 10 ms, in a thread of its own: a
// browser is there as long as any process of its group is, dead ones that nobody reaped included.
//
//   const sampler = startSampler(daemon.pid);
//   const { browsers, pages, looks } = await sampler.stop();    the most seen at once
import fs from 'node:fs';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const EVERY_MS = 10;

export function startSampler(daemonPid) {
	const worker = new Worker(new URL(import.meta.url), { workerData: daemonPid });
	const ended = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
	return {
		stop: () => {
			worker.postMessage('stop');
			return ended;
		},
	};
}

function read(pid, name) {
	try {
		return fs.readFileSync(`/proc/${pid}/${name}`, 'latin1');
	} catch {
		return '';
	}
}

function sample(daemonPid) {
	const foreign = new Set(), groups = new Set(), kinds = new Map();
	const most = { browsers: 0, pages: 0, looks: 0 };
	return () => {
		const alive = new Set();
		let pages = 0;
		for (const name of fs.readdirSync('/proc')) {
			const pid = Number(name);
			// Children are younger than the daemon; pids do not wrap around in some seconds.
			if (!(pid > daemonPid) || foreign.has(pid)) continue;
			const stat = read(pid, 'stat');
			const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map((v, i) => (i ? Number(v) : v));
			if (parent === daemonPid && group === pid) groups.add(group);
			if (!groups.has(group)) {
				if (stat && parent !== daemonPid) foreign.add(pid);
				continue;
			}
			alive.add(group);
			if (!kinds.get(pid)) kinds.set(pid, /--type=(?!zygote)([\w-]+)/.exec(read(pid, 'cmdline'))?.[1]);
			if (kinds.get(pid) === 'renderer' && state !== 'Z') pages++;
		}
		most.browsers = Math.max(most.browsers, alive.size);
		most.pages = Math.max(most.pages, pages);
		most.looks++;
		return most;
	};
}

if (!isMainThread) {
	const look = sample(workerData);
	const timer = setInterval(look, EVERY_MS);
	parentPort.once('message', () => {
		clearInterval(timer);
		parentPort.postMessage(look());
	});
}
