// All of Pensum, Redis and PostgreSQL in the memory of a small machine, with the default settings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupFor } from '../integration/pool/machine.mjs';
import { isSanitized } from '../support/daemon.mjs';
import { sleep } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const MIB = 1 << 20;
const STUDENTS = 12, COURSES = 5, ASSIGNMENTS = 12;
const PASSWORD = 'Pensum-demo-1';
const STATES = ['none', 'submitted', 'none', 'graded', 'draft', 'none'];

const student = (n) => `student${n}`;
const assignment = (n, course, k) => ({
	cmid: 100_000 + course * 100 + k, name: `Exercise ${k}`, due: `+${1 + k}d`, intro_files: [{ name: 'p.png', png: [1200, 900] }],
	intro: `<p>${'Explain each step in your own words. '.repeat(40)}</p><p><img src="@@PLUGINFILE@@/p.png" alt="A picture"></p>`,
	students: { [student(n)]: STATES[k % STATES.length] },
});
const data = {
	students: Array.from({ length: STUDENTS }, (_, n) => ({ username: student(n), password: PASSWORD, firstname: 'S', lastname: `${n}`, email: `s${n}@example.edu` })),
	courses: Array.from({ length: STUDENTS * COURSES }, (_, c) => {
		const n = Math.floor(c / COURSES);
		return { id: 1000 + c, fullname: `Course ${c}`, shortname: `C${c}`, summary: '', startdate: '-60d', enddate: '+90d', members: [student(n)],
			assignments: Array.from({ length: ASSIGNMENTS }, (_, k) => assignment(n, c, k)) };
	}),
};

async function mainJob(system, n) {
	const p = system.client({ limitMs: 240_000 });
	try {
		await p.signIn(student(n), PASSWORD);
		const { courses } = await p.courses();
		assert.equal(courses.length, COURSES);
		await p.check(courses.map((course) => course.id));
		const all = await p.assignments();
		assert.equal(all.length, COURSES * ASSIGNMENTS);
		const owed = all.filter((one) => one.pending).slice(0, 2).map((one) => one.id);
		for (const document of await p.documents(owed)) assert.ok((await p.download(document)).length > 1000);
	} finally {
		p.close();
	}
}

test('twelve students at once get all that they ask for from a machine of 1 GiB, and it has room left', { timeout: 280_000 }, async (t) => {
	const group = groupFor(t, 1024 * MIB);
	if (!group) return;
	const system = await startSystem({ moodle: { data }, wrap: group.wrap });
	t.after(() => system.stop().finally(group.remove));
	for (const server of [system.redis, system.postgres]) group.take(server.process.pid);
	let most = 0, going = true;
	const looking = (async () => {
		for (; going; await sleep(100)) most = Math.max(most, group.held());
	})();
	try {
		await Promise.all(data.students.map((_, n) => mainJob(system, n)));
	} finally {
		going = false;
		await looking;
	}
	t.diagnostic(`${Math.round(most / MIB)} MiB beside the page cache at most`);
	assert.equal(group.kills(), 0);
	const ends = await system.postgres.query('SELECT DISTINCT state, attempt FROM pensum.jobs');
	assert.deepEqual(ends, [['succeeded', '1']]);
	assert.doesNotMatch(system.logText(), /memory is short|page out of memory/);
	// With 24 slots and 32 pages it is 390. (Sanitizers take several times as much.)
	if (!isSanitized('pensum-gateway')) assert.ok(most < 350 * MIB, `${most / MIB} MiB`);
});
