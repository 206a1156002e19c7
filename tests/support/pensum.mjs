// A client of Pensum's API and live channel, as the page is one. For tests and for the demo.
//
//   const p = new Pensum('http://127.0.0.1:8080');
//   await p.signIn('maya', password);          throws a JobFailure when Moodle says no; of several sites
//                                              the third argument names one
//   const list = await p.courses();            {courses, read_at, …}, read anew if need be
//   await p.check(ids); await p.assignments();
//   const documents = await p.documents([cmid, …], {name, roll});
//   const bytes = await p.download(document);
//   p.onEvent = (event, job) => …              every newer event of our jobs
//   p.close();
import { fetch, within } from './waiting.mjs';
import { openWs } from './ws.mjs';

const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'dead', 'waiting']);

// An answer with status >= 400: problem+json.
export class Problem extends Error {
	constructor(request, status, problem) {
		super(`${request}: ${status} ${problem.code ?? ''} ${problem.detail ?? ''}`);
		Object.assign(this, { status, code: problem.code, detail: problem.detail });
	}
}

export class JobFailure extends Error {
	constructor(job) {
		super(`${job.kind}: ${job.failure?.message ?? job.state}`);
		Object.assign(this, { job, code: job.failure?.code });
	}
}

const isNewer = ([k, n], known) => !known || k > known[0] || (k === known[0] && n > known[1]);

export class Pensum {
	constructor(url, { limitMs = 120_000 } = {}) {
		this.url = url;
		this.limitMs = limitMs;
		this.cookie = '';
		this.events = []; // every newer event, in order
		this.newest = new Map();
		this.waiting = new Map();
		this.jobs = new Map();
		this.live = null;
		this.onEvent = () => {};
	}

	async request(method, path, body, headers = {}) {
		const response = await fetch(this.url + path, {
			method,
			headers: {
				...(this.cookie && { cookie: this.cookie }),
				...(body !== undefined && { 'content-type': 'application/json' }),
				...headers,
			},
			body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
		});
		const set = response.headers.get('set-cookie');
		if (set) this.cookie = set.split(';')[0];
		return response;
	}

	async call(method, path, body, headers) {
		const response = await this.request(method, path, body, headers);
		if (!response.ok) throw new Problem(`${method} ${path}`, response.status, await response.json().catch(() => ({})));
		return response.status === 204 ? null : response.json();
	}

	// ------------------------------------------------------------ live

	async openLive() {
		const { hostname: host, port } = new URL(this.url);
		this.live = await openWs({ host, port, headers: { Cookie: this.cookie, Origin: this.url } });
		this.#listen(this.live);
	}

	async #listen(live) {
		const forEver = 2 ** 31 - 1;
		try {
			for (;;) this.#hear(await live.next(() => true, forEver));
		} catch {
			// Closed, by us or by the server: whoever waits for a job's end is told by its time limit.
		}
	}

	#hear(event) {
		if (event.type !== 'snapshot' && event.type !== 'event') return;
		if (!isNewer(event.version, this.newest.get(event.job)?.version)) return;
		this.newest.set(event.job, event);
		this.events.push(event);
		this.onEvent(event, this.jobs.get(event.job));
		if (TERMINAL.has(event.state)) this.waiting.get(event.job)?.();
	}

	// The job's end, by its events; the job as the API tells it then. The same order a moment later may be
	// answered with a job that is over, of which the channel tells nothing more.
	async end(job) {
		this.jobs.set(job.id, job);
		if (!TERMINAL.has(this.newest.get(job.id)?.state ?? job.state)) {
			await within(`end of job ${job.kind}`, this.limitMs,
				new Promise((resolve) => { this.waiting.set(job.id, resolve); }));
		}
		const ended = await this.call('GET', `/api/v1/jobs/${job.id}`);
		if (ended.state !== 'succeeded') throw new JobFailure(ended);
		return ended;
	}

	// ------------------------------------------------------------ the main job

	async signIn(username, password, site) {
		const answer = await this.call('POST', '/api/v1/session', { site, username, password });
		this.live?.destroy();
		await this.openLive();
		if (answer.job) await this.end(answer.job);
		return this.call('GET', '/api/v1/session');
	}

	// The code that a sign-in waits for (a JobFailure of mfa_needed has the job).
	async answer(job, code) {
		const done = new Promise((resolve) => { this.waiting.set(job.id, resolve); });
		await this.call('POST', `/api/v1/jobs/${job.id}/answer`, { code });
		await within('end of the sign-in', this.limitMs, done);
		const ended = await this.call('GET', `/api/v1/jobs/${job.id}`);
		if (ended.state !== 'succeeded') throw new JobFailure(ended);
		return ended;
	}

	async courses() {
		const list = await this.call('GET', '/api/v1/courses');
		if (!list.job) return list;
		await this.end(list.job);
		return this.call('GET', '/api/v1/courses');
	}

	async refreshCourses() {
		await this.end((await this.call('POST', '/api/v1/courses/refresh')).job);
		return this.call('GET', '/api/v1/courses');
	}

	async check(ids) {
		return this.end((await this.call('POST', '/api/v1/checks', { courses: ids })).job);
	}

	// All of the newest checks, flat, each with its course's name, by due date.
	async assignments() {
		const { courses } = await this.call('GET', '/api/v1/assignments');
		return courses.flatMap((course) => course.assignments.map((a) => ({ ...a, course: course.name })))
			.sort((a, b) => (a.due ?? '9').localeCompare(b.due ?? '9'));
	}

	async orderDocuments(assignments, student = { name: '', roll: '' }) {
		const { jobs } = await this.call('POST', '/api/v1/documents', { assignments, student, format: 'docx', draft: 'template' });
		return jobs;
	}

	async documents(assignments, student) {
		const jobs = await this.orderDocuments(assignments, student);
		const ended = await Promise.all(jobs.map((job) => this.end(job)));
		const ids = ended.map((job) => job.result.document.id);
		const { documents } = await this.call('GET', '/api/v1/documents');
		return ids.map((id) => documents.find((d) => d.id === id));
	}

	async download(document) {
		const response = await this.request('GET', document.link);
		if (!response.ok) throw new Problem(`GET ${document.link}`, response.status, await response.json().catch(() => ({})));
		return Buffer.from(await response.arrayBuffer());
	}

	close() {
		this.live?.destroy();
	}
}
