// main-job.mjs - Pensum's main job in a terminal: sign in, courses, check, drafts, files on disk.
//
//	PENSUM_PASSWORD=… node deploy/main-job.mjs --url http://127.0.0.1:8080 --user maya --out DIR
//	[--drafts N]  how many drafts to make (default 5)
//
// Progress comes over the live channel, as it does for the page. Exit code 0 when every draft asked
// for is on disk.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connectWebSocket } from '../tests/support/ws.mjs';

const { values: options } = parseArgs({ options: {
	url: { type: 'string' }, user: { type: 'string' }, out: { type: 'string' },
	drafts: { type: 'string', default: '5' },
} });
const password = process.env.PENSUM_PASSWORD;
const JOB_LIMIT_MS = 120000;
const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'dead', 'waiting']);

let cookie = '';

async function call(method, path, body) {
	const response = await fetch(options.url + path, {
		method,
		headers: { ...(cookie && { cookie }), ...(body && { 'content-type': 'application/json' }) },
		body: body && JSON.stringify(body),
	});
	const set = response.headers.get('set-cookie');
	if (set) cookie = set.split(';')[0];
	if (!response.ok) {
		const problem = await response.json().catch(() => ({}));
		throw new Error(`${method} ${path}: ${response.status} ${problem.code ?? ''} ${problem.detail ?? ''}`);
	}
	return response.headers.get('content-type')?.includes('json') ? response.json() : response;
}

// Every event of our jobs, and who waits for a job's end.
const newest = new Map();
const waiting = new Map();

function onMessage(text) {
	const event = JSON.parse(text);
	if (event.type !== 'snapshot' && event.type !== 'event') return;
	const known = newest.get(event.job);
	const [k, n] = event.version;
	if (known && (known.version[0] > k || (known.version[0] === k && known.version[1] >= n))) return;
	newest.set(event.job, event);
	const count = event.total ? ` ${event.done}/${event.total}` : '';
	console.log(`      ${names.get(event.job) ?? 'job'}: ${event.state === 'running' ? event.step : event.state}${count}${event.note ? ` - ${event.note}` : ''}`);
	if (TERMINAL.has(event.state)) waiting.get(event.job)?.(event);
}

const names = new Map();

function jobEnd(job, name) {
	names.set(job.id, name);
	const ended = newest.get(job.id);
	if (ended && TERMINAL.has(ended.state)) return finish(job.id);
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error(`${name}: no end within ${JOB_LIMIT_MS / 1000} s`)), JOB_LIMIT_MS);
		waiting.set(job.id, () => {
			clearTimeout(timer);
			resolve(finish(job.id));
		});
	});
}

async function finish(id) {
	const job = await call('GET', `/api/v1/jobs/${id}`);
	if (job.state !== 'succeeded') throw new Error(`${job.kind}: ${job.failure?.message ?? job.state}`);
	return job;
}

async function openLive() {
	const live = await connectWebSocket(options.url.replace(/^http/, 'ws') + '/api/v1/live', {
		headers: { cookie, origin: options.url },
	});
	live.onMessage(onMessage);
	return live;
}

const due = (assignment) => assignment.due ? new Date(assignment.due).toLocaleString('en-GB') : assignment.due_text || 'no due date';

async function mainJob() {
	console.log(`    signing in as ${options.user}`);
	const signedIn = await call('POST', '/api/v1/session', { username: options.user, password });
	const live = await openLive();
	try {
		if (signedIn.job) await jobEnd(signedIn.job, 'sign-in');
		let list = await call('GET', '/api/v1/courses');
		if (list.job) {
			await jobEnd(list.job, 'courses');
			list = await call('GET', '/api/v1/courses');
		}
		console.log(`    ${list.courses.length} courses: ${list.courses.map((c) => c.name).join(' · ').slice(0, 200)}`);

		const check = await call('POST', '/api/v1/checks', { courses: list.courses.slice(0, 60).map((c) => c.id) });
		await jobEnd(check.job, 'check');
		const { courses } = await call('GET', '/api/v1/assignments');
		const owed = courses.flatMap((c) => c.assignments.map((a) => ({ ...a, course: c.name })))
			.filter((a) => a.pending)
			.sort((a, b) => (a.due ?? '9').localeCompare(b.due ?? '9'));
		console.log(`    ${owed.length} assignments are still owed:`);
		for (const a of owed) console.log(`      ${due(a).padEnd(22)} ${a.status.padEnd(9)} ${a.course}: ${a.name}`);

		const chosen = owed.slice(0, Number(options.drafts));
		if (chosen.length === 0) return 0;
		console.log(`    making ${chosen.length} drafts`);
		const { jobs } = await call('POST', '/api/v1/documents', {
			assignments: chosen.map((a) => a.id), student: { name: options.user, roll: '' },
			format: 'docx', draft: 'template',
		});
		await Promise.all(jobs.map((job, i) => jobEnd(job, chosen[i].name)));
		return await download(jobs);
	} finally {
		live.close();
	}
}

async function download(jobs) {
	const ours = new Set();
	for (const job of jobs) ours.add((await call('GET', `/api/v1/jobs/${job.id}`)).result.document.id);
	const { documents } = await call('GET', '/api/v1/documents');
	mkdirSync(options.out, { recursive: true });
	let saved = 0;
	for (const document of documents.filter((d) => ours.has(d.id))) {
		const file = await call('GET', document.link);
		const bytes = Buffer.from(await file.arrayBuffer());
		if (bytes.length !== document.bytes) throw new Error(`${document.file_name}: ${bytes.length} of ${document.bytes} bytes`);
		const path = join(options.out, document.file_name.replaceAll('/', '_'));
		writeFileSync(path, bytes);
		console.log(`      ${path} (${bytes.length} bytes)`);
		saved += 1;
	}
	if (saved !== ours.size) throw new Error(`${saved} of ${ours.size} drafts could be downloaded`);
	return saved;
}

const start = performance.now();
try {
	const saved = await mainJob();
	console.log(`    main job: ${saved} drafts in ${((performance.now() - start) / 1000).toFixed(2)} s`);
} catch (error) {
	console.error(`    main job failed: ${error.message}`);
	process.exit(1);
}
