// Machines with less memory than this one: files of the test's own in place of the kernel's, or a real
// control group.
//
//   const machine = new Machine(4096);              { skip: whyNoMachine() }
//   const pool = await startPool({}, { wrap: machine.wrap }); machine.setAvailable(80);
//   const group = groupFor(t, 1 << 30);             null where there can be none: the test is skipped
//   startPool({}, { wrap: group.wrap }); group.kills(); group.remove();
//   group.take(pid);                                one that runs already: what it takes from now on
//   group.held()                                    bytes, without the page cache
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { temporaryFolder, until } from '../../support/process.mjs';

const MIB = 1 << 20;
const namespace = ['unshare', '--mount', '--propagation', 'private', ...(process.getuid() === 0 ? [] : ['--user', '--map-root-user'])];

const insideOf = (folder) => ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder];

// A control group that the kernel holds to a limit. The pool knows those of cgroup v2; of one of v1 it
// sees a copy, renewed fifty times a second.
function makeGroup(limit) {
	const v2 = '/sys/fs/cgroup', v1 = '/sys/fs/cgroup/memory', name = `pensum-test-${process.pid}`;
	const read = (folder, file) => fs.readFileSync(`${folder}/${file}`, 'latin1');
	const count = (folder, file, name) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(read(folder, file))[1]);
	const held = (folder, file, prefix) => Number(read(folder, file)) -
		count(folder, 'memory.stat', `${prefix}active_file`) - count(folder, 'memory.stat', `${prefix}inactive_file`);
	const take = (folder) => (pid) => fs.writeFileSync(`${folder}/cgroup.procs`, `${pid}`);
	const remove = (folder) => until('empty group', () => {
		try {
			fs.rmdirSync(folder);
			return true;
		} catch { return false; }
	});
	if (fs.existsSync(`${v2}/cgroup.subtree_control`) && read(v2, 'cgroup.subtree_control').includes('memory')) {
		const folder = `${v2}/${name}`;
		fs.mkdirSync(folder);
		fs.writeFileSync(`${folder}/memory.max`, `${limit}`);
		return { wrap: insideOf(folder), take: take(folder), held: () => held(folder, 'memory.current', ''),
			kills: () => count(folder, 'memory.events', 'oom_kill'), remove: () => remove(folder) };
	}
	const folder = `${v1}/${name}`, copy = temporaryFolder('pensum-g-');
	fs.mkdirSync(folder);
	fs.writeFileSync(`${folder}/memory.limit_in_bytes`, `${limit}`);
	// Whole or not at all: the pool may read in between.
	const put = (name, text) => {
		fs.writeFileSync(`${copy.path}/${name}.new`, text);
		fs.renameSync(`${copy.path}/${name}.new`, `${copy.path}/${name}`);
	};
	const mirror = () => {
		put('memory.current', read(folder, 'memory.usage_in_bytes'));
		put('memory.stat', /^total_(inactive_file \d+\n)/m.exec(read(folder, 'memory.stat'))[1]);
	};
	put('memory.max', `${limit}\n`);
	mirror();
	const timer = setInterval(mirror, 20);
	return { wrap: [...namespace, 'sh', '-c', 'echo $$ > "$0/cgroup.procs" && mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"', folder, copy.path],
		take: take(folder), held: () => held(folder, 'memory.usage_in_bytes', 'total_'),
		kills: () => count(folder, 'memory.oom_control', 'oom_kill'),
		remove: () => (clearInterval(timer), copy.remove(), remove(folder)) };
}

export function groupFor(t, limit) {
	try {
		return makeGroup(limit);
	} catch (error) {
		t.skip(`no control group: ${error.message}`);
		return null;
	}
}

// In a mount namespace its files lie over those of the kernel.
const script = `mount --bind "$0/meminfo" /proc/meminfo && mount --bind "$0/pressure" /proc/pressure/memory &&
	mount --bind "$0/cgroup" /sys/fs/cgroup && exec "$@"`;

export class Machine {
	constructor(totalMb) {
		this.folder = temporaryFolder('pensum-m-');
		fs.mkdirSync(`${this.folder.path}/cgroup`);
		this.totalMb = totalMb;
		this.availableMb = totalMb;
		this.setPressure(0);
		this.setAvailable(totalMb);
	}

	get wrap() {
		return [...namespace, 'sh', '-c', script, this.folder.path];
	}

	put(name, text) {
		fs.writeFileSync(`${this.folder.path}/${name}`, text);
	}

	setAvailable(mb) {
		this.put('meminfo', `MemTotal: ${this.totalMb * 1024} kB\nMemFree: 1024 kB\nMemAvailable: ${mb * 1024} kB\n`);
	}

	setPressure(percent) {
		this.put('pressure', `some avg10=${percent.toFixed(2)} avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`);
	}

	setGroup(limitMb, currentMb, cacheMb) {
		this.put('cgroup/memory.max', `${limitMb * MIB}\n`);
		this.put('cgroup/memory.current', `${currentMb * MIB}\n`);
		this.put('cgroup/memory.stat', `anon 0\ninactive_file ${cacheMb * MIB}\n`);
	}
}

// False, or why there can be none.
export function whyNoMachine() {
	const machine = new Machine(512);
	const [command, ...args] = [...machine.wrap, 'cat', '/proc/meminfo'];
	const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
	machine.folder.remove();
	return stdout.includes('MemTotal: 524288 kB') ? false : `no mount namespace: ${stderr}`;
}
