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

const wordsOf = (stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' '); // state, parent, group, …
const stateOf = (pid) => wordsOf(read(pid, 'stat'))[0];

function sample(daemonPid) {
	// Foreign: what was first seen as somebody else's child and in no browser's group, whoever adopts it later.
	const groups = new Set(), foreign = new Set(), kinds = new Map();
	const most = { browsers: 0, pages: 0, looks: 0 };
	return () => {
		const all = [];
		for (const pid of fs.readdirSync('/proc').map(Number)) {
			if (!(pid > 0) || foreign.has(pid)) continue;
			const stat = read(pid, 'stat');
			const [, parent, group] = wordsOf(stat).map(Number);
			if (parent === daemonPid && group === pid) groups.add(group);
			if (stat) all.push({ pid, parent, group });
		}
		const seen = all.filter((one) => groups.has(one.group));
		for (const { pid, parent, group } of all) if (!groups.has(group) && parent !== daemonPid) foreign.add(pid);
		for (const { pid } of seen)
			if (!kinds.get(pid)) kinds.set(pid, /--type=(?!zygote)([\w-]+)/.exec(read(pid, 'cmdline'))?.[1]);
		// A look takes a while, in which one may end and another begin: those that are still there were all there at its end.
		const there = seen.map((one) => ({ ...one, state: stateOf(one.pid) })).filter((one) => one.state);
		most.browsers = Math.max(most.browsers, new Set(there.map((one) => one.group)).size);
		most.pages = Math.max(most.pages, there.filter((one) => kinds.get(one.pid) === 'renderer' && one.state !== 'Z').length);
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
