// What a tree of processes costs, read from /proc.
import fs from 'node:fs';

const TICKS_PER_S = 100; // of /proc, on every Linux

const read = (file) => {
	try {
		return fs.readFileSync(file, 'latin1');
	} catch {
		return null; // it ended meanwhile, or is not ours to look into
	}
};

function allProcesses() {
	const all = [];
	for (const name of fs.readdirSync('/proc')) {
		const text = /^\d+$/.test(name) && read(`/proc/${name}/stat`);
		if (!text) continue;
		const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
		// 11-14: own time in user and kernel mode, then that of children that were waited for
		const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
		all.push({ pid: Number(name), state: fields[0], parent: Number(fields[1]), cpuMs: (ticks * 1000) / TICKS_PER_S });
	}
	return all;
}

// The roots and all their descendants.
export function treeOf(roots) {
	const children = new Map();
	const all = new Map();
	for (const p of allProcesses()) {
		all.set(p.pid, p);
		if (!children.has(p.parent)) children.set(p.parent, []);
		children.get(p.parent).push(p.pid);
	}
	const tree = [];
	const visit = (pid) => {
		if (all.has(pid)) tree.push(all.get(pid));
		for (const child of children.get(pid) ?? []) visit(child);
	};
	roots.forEach(visit);
	return tree;
}

// Of the living and of all that ended below them.
export const cpuMsOf = (roots) => treeOf(roots).reduce((sum, p) => sum + p.cpuMs, 0);

const kbOf = (text, field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);

export const rssMbOf = (pid) => kbOf(read(`/proc/${pid}/status`) ?? '', 'VmRSS') / 1024;

// { mb, processes, hidden }: hidden ones (sandboxed, and we are not root) count with their private
// pages only.
export function memoryOf(roots) {
	const sum = { mb: 0, processes: 0, hidden: 0 };
	for (const { pid, state } of treeOf(roots)) {
		if (state === 'Z') continue;
		const rollup = read(`/proc/${pid}/smaps_rollup`);
		sum.mb += (rollup ? kbOf(rollup, 'Pss') : kbOf(read(`/proc/${pid}/status`) ?? '', 'RssAnon')) / 1024;
		sum.processes++;
		if (!rollup) sum.hidden++;
	}
	return sum;
}
