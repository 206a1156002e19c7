// main-job.mjs - Pensum's main job in a terminal: sign in, courses, check, drafts, files on disk.
//
//	PENSUM_PASSWORD=… node deploy/main-job.mjs --url http://127.0.0.1:8080 --user maya --out DIR
//	[--drafts N]  how many drafts to make (default 5, at most 5)
//
// Progress comes over the live channel, as it does for the page. Exit code 0 when every draft asked
// for is on disk.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Pensum } from '../tests/support/pensum.mjs';

const { values: options } = parseArgs({ options: {
	url: { type: 'string' }, user: { type: 'string' }, out: { type: 'string' },
	drafts: { type: 'string', default: '5' },
} });

const pensum = new Pensum(options.url);
pensum.onEvent = (event, job) => {
	const what = job?.title ?? job?.kind ?? 'job';
	const step = event.state === 'running' && event.step ? event.step : event.state;
	const count = event.total ? ` ${event.done}/${event.total}` : '';
	console.log(`      ${what}: ${step}${count}${event.note ? ` - ${event.note}` : ''}`);
};

function dueText(assignment) {
	if (!assignment.due) return assignment.due_text || 'no due date';
	return new Date(assignment.due).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
}

async function owedWork() {
	const { courses } = await pensum.courses();
	console.log(`    ${courses.length} courses: ${courses.map((c) => c.name).join(' · ').slice(0, 300)}`);
	if (courses.length === 0) return [];
	await pensum.check(courses.slice(0, 60).map((c) => c.id));
	const owed = (await pensum.assignments()).filter((a) => a.pending);
	console.log(`    ${owed.length} assignments are still owed:`);
	for (const a of owed) console.log(`      ${dueText(a).padEnd(20)} ${a.status.padEnd(9)} ${a.course}: ${a.name}`);
	return owed;
}

async function mainJob() {
	console.log(`    signing in as ${options.user}`);
	const { user } = await pensum.signIn(options.user, process.env.PENSUM_PASSWORD);
	console.log(`    signed in: ${user.fullname || user.username}`);
	const chosen = (await owedWork()).slice(0, Number(options.drafts));
	if (chosen.length === 0) return 0;
	console.log(`    making ${chosen.length} drafts`);
	const documents = await pensum.documents(chosen.map((a) => a.id), { name: user.fullname, roll: '' });
	mkdirSync(options.out, { recursive: true });
	for (const document of documents) {
		const path = join(options.out, document.file_name);
		writeFileSync(path, await pensum.download(document));
		console.log(`      ${path} (${document.bytes} bytes)`);
	}
	return documents.length;
}

const start = performance.now();
try {
	const saved = await mainJob();
	console.log(`    main job: ${saved} drafts in ${((performance.now() - start) / 1000).toFixed(2)} s`);
} catch (error) {
	console.error(`    main job failed: ${error.message}`);
	process.exitCode = 1;
} finally {
	pensum.close();
}
