// A stand-in for the gateway's API, to develop and test the page without the daemons: the same
// routes, problems, cookie session and live channel, with scripted progress and made-up courses.
//
//	node tests/support/fake-api.mjs [PORT]		any username; password "wrong" is refused
//
// startFake({ speed }) -> { url, speed, dropLive(), endSession(), endMoodleSession(), signInElsewhere(),
//	checkElsewhere(courses), draftElsewhere(assignment), loseFiles(), failNext(title), requests, frames, stop() }
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ACTIVITIES, ASSIGNMENTS, COURSES, HOUR } from './fake-courses.mjs';
import { readFrames, sendFrame } from './fake-frames.mjs';

const WEB = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../gateway/web');
const TYPES = { '.html': 'text/html; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8',
	'.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const SECURITY = {
	'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
		"require-trusted-types-for 'script'",
	'X-Content-Type-Options': 'nosniff',
	'Referrer-Policy': 'no-referrer',
};
const SITE = { id: 'default', name: 'Fairhaven University', url: 'https://moodle.fairhaven.example' };
const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'dead']);

const newId = () => randomBytes(12).toString('hex');
const iso = (ms = 0) => new Date(Date.now() + ms).toISOString().replace(/\.\d+/, '');

class Problem extends Error {
	constructor(status, code, detail) {
		super(detail);
		Object.assign(this, { status, code });
	}
}

export async function startFake({ port = 0, speed = 1 } = {}) {
	const fake = new Fake(speed);
	const server = http.createServer((req, res) => fake.handle(req, res));
	server.on('upgrade', (req, socket) => fake.upgrade(req, socket));
	await new Promise(resolve => server.listen(port, '127.0.0.1', resolve));
	fake.url = `http://127.0.0.1:${server.address().port}/`;
	fake.stop = () => {
		fake.dropLive();
		server.closeAllConnections();
		return new Promise(resolve => server.close(resolve));
	};
	return fake;
}

class Fake {
	requests = []; // "METHOD /path"
	frames = []; // what clients said on the live channel
	sites = [SITE]; // that can be signed in to
	site = SITE; // of the last sign-in
	fullname = 'Maya Lindqvist';
	speed; // of the scripted progress: 1 is about as fast as a small site
	#token = null;
	#active = false;
	#user = null;
	#signin = null;
	#readAt = null;
	#checked = new Map(); // course id -> when
	#jobs = new Map();
	#documents = [];
	#sockets = new Set();
	#failNext = new Set();
	#calendar = null;
	#moodleIsDead = false;
	#filesAreLost = false;
	#owner = ''; // who signed in last: jobs of others do not exist
	#courseList = COURSES;

	constructor(speed) {
		this.speed = speed;
	}

	dropLive() {
		for (const socket of this.#sockets) socket.destroy();
	}

	endSession() {
		this.#token = null;
	}

	// The next check finds Moodle's session gone and waits for a new sign-in.
	endMoodleSession() {
		this.#moodleIsDead = true;
	}

	// The same student, in another browser: what waited goes on.
	signInElsewhere() {
		this.#resume();
	}

	// The list is read anew in the background, and Moodle has one course more.
	renewCourses(id, name) {
		this.#courseList = [...COURSES, [id, name, '', 'inprogress', {}]];
		this.#readCourses();
	}

	// By another page of the same student.
	checkElsewhere(ids) {
		this.#check(ids);
	}

	draftElsewhere(assignment) {
		this.#draftOne(assignment, newId(), 0);
	}

	// The files of all documents are gone, and nobody knows it yet.
	loseFiles() {
		this.#filesAreLost = true;
	}

	// The next draft with this title fails.
	failNext(title) {
		this.#failNext.add(title);
	}

	async handle(req, res) {
		const url = new URL(req.url, 'http://fake');
		this.requests.push(`${req.method} ${url.pathname}`);
		if (!url.pathname.startsWith('/api/')) return this.#file(url.pathname, res);
		try {
			const body = await readJson(req);
			const [status, answer, headers] = await this.#route(req, url, body);
			this.#send(res, status, answer, headers);
		} catch (err) {
			if (!(err instanceof Problem)) console.error(err);
			const status = err.status ?? 500;
			this.#send(res, status, { type: 'about:blank', title: http.STATUS_CODES[status], status,
				code: err.code ?? 'internal', detail: err.message }, { 'Content-Type': 'application/problem+json' });
		}
	}

	#file(pathname, res) {
		const file = path.join(WEB, path.normalize(pathname === '/' ? '/index.html' : pathname));
		const type = TYPES[path.extname(file)];
		if (!type || !fs.existsSync(file)) return this.#send(res, 404, {});
		res.writeHead(200, { ...SECURITY, 'Content-Type': type, 'Cache-Control': 'no-cache' });
		fs.createReadStream(file).pipe(res);
	}

	#send(res, status, body, headers = {}) {
		res.writeHead(status, { ...SECURITY, 'Content-Type': 'application/json', ...headers });
		res.end(Buffer.isBuffer(body) ? body : status === 204 ? undefined : JSON.stringify(body));
	}

	#route(req, url, body) {
		const name = `${req.method === 'HEAD' ? 'GET' : req.method} ${url.pathname.replace('/api/v1', '')}`;
		if (name === 'GET /sites') return [200, { sites: this.sites }];
		if (name === 'POST /session') return this.#signIn(body);
		if (!this.#token || !req.headers.cookie?.includes(this.#token)) {
			throw new Problem(401, 'signed_out', 'You are not signed in.');
		}
		const job = /^(GET|DELETE) \/jobs\/(\w+)$/.exec(name);
		if (job) return this.#jobRoute(job[1], job[2]);
		if (name === 'GET /session') return [200, this.#session()];
		if (name === 'DELETE /session') {
			this.#token = null;
			return [204];
		}
		if (!this.#active) throw new Problem(403, 'signin_pending', 'Your sign-in is not finished.');
		return this.#userRoute(name, body);
	}

	#userRoute(name, body) {
		const file = /^GET \/documents\/(\w+)\/file$/.exec(name);
		if (file) return this.#download(file[1]);
		switch (name) {
		case 'GET /jobs': return [200, { jobs: [...this.#jobs.values()].filter(job => job.owner === this.#owner).map(publicJob) }];
		case 'GET /courses': return this.#courses();
		case 'POST /courses/refresh': return [202, { job: publicJob(this.#readCourses()) }];
		case 'POST /checks': return [202, { job: publicJob(this.#check(body.courses)) }];
		case 'GET /assignments': return [200, { courses: [...this.#checked].map(([id, at]) => found(id, at)) }];
		case 'GET /calendar': return [200, { calendar: this.#calendar }];
		case 'POST /calendar':
			this.#calendar = { created_at: iso(), read_at: null, checked_at: iso(), entries: 9 };
			return [201, { url: `${this.url}calendar/${randomBytes(32).toString('base64url')}.ics`, created_at: iso() }];
		case 'DELETE /calendar':
			this.#calendar = null;
			return [204];
		case 'POST /documents': return this.#draft(body);
		case 'GET /documents': return [200, { documents: this.#documents.map(withLink) }];
		default: throw new Problem(404, 'not_found', 'There is nothing at this path.');
		}
	}

	#session() {
		return { state: this.#active ? 'active' : 'pending', user: this.#active ? this.#user : null,
			job: this.#active ? null : this.#signin, expires_at: iso(8 * HOUR), site: this.site };
	}

	#signIn({ site, username, password }) {
		this.site = this.sites.find(one => one.id === site) ?? SITE;
		this.#token = `pensum_session=${newId()}`;
		this.#active = false;
		this.#owner = username;
		const job = this.#start('signin', [
			{ step: 'signing in', ms: 900 },
			{ step: 'reading courses', ms: 700 },
		], () => {
			if (password === 'wrong') {
				return { state: 'failed', failure: { code: 'wrong_password',
					message: 'Moodle did not accept this username and password.' } };
			}
			this.#active = true;
			this.#user = { id: `u-${username}`, username, fullname: this.fullname };
			this.#readAt ??= iso();
			this.#resume();
			return { state: 'succeeded', result: { courses: COURSES.length } };
		});
		this.#signin = job.id;
		return [202, { job: publicJob(job) }, { 'Set-Cookie': `${this.#token}; HttpOnly; SameSite=Strict; Path=/` }];
	}

	#courses() {
		if (!this.#readAt) return [202, { job: publicJob(this.#readCourses()) }];
		return [200, { read_at: this.#readAt, expires_at: iso(HOUR), source: 'redis',
			courses: this.#courseList.map(([id, name, shortname, state, more]) => ({ id, name, shortname, state,
				url: `${SITE.url}/course/view.php?id=${id}`, hidden: false, starred: false, ...more,
				checked_at: this.#checked.get(id) ?? null })) }];
	}

	#readCourses() {
		return this.#start('courses', [{ step: 'reading courses', ms: 1200 }], () => {
			this.#readAt = iso();
			return { state: 'succeeded', result: { count: COURSES.length } };
		});
	}

	#check(ids) {
		const steps = ids.map((id, i) => ({ step: 'checking courses', done: i, total: ids.length,
			note: COURSES.find(course => course[0] === id)?.[1], ms: 450 }));
		return this.#start('check', steps, () => {
			for (const id of ids) this.#checked.set(id, iso());
			return { state: 'succeeded', result: { courses: ids.length } };
		});
	}

	#draft({ assignments, student }) {
		if (assignments.length > 5) throw new Problem(422, 'too_many_assignments', 'At most 5 assignments at once.');
		if (!student.name) throw new Problem(422, 'bad_input', 'student.name: at least 1 character');
		const batch = newId();
		const jobs = assignments.map((id, i) => this.#draftOne(id, batch, i));
		return [202, { batch, jobs: jobs.map(publicJob) }];
	}

	#draftOne(id, batch, i) {
		const [courseId, rows] = Object.entries(ASSIGNMENTS).find(([, all]) => all.some(row => row[0] === id));
		const title = rows.find(row => row[0] === id)[1];
		const steps = ['reading the assignment', 'writing the document', 'storing the document']
			.map(step => ({ step, note: title, ms: 500 + 180 * i }));
		return this.#start('document', steps, () => {
			if (this.#failNext.delete(title)) {
				return { state: 'failed', failure: { code: 'assignment_hidden',
					message: 'This assignment is not available to you now.' } };
			}
			const document = { id: newId(), assignment: id, title, format: 'docx', bytes: 14_336,
				course: COURSES.find(course => course[0] === Number(courseId))[1],
				file_name: `${title.replace(/[^\w ]/g, '')}.docx`, created_at: iso(), expires_at: iso(6 * HOUR) };
			this.#documents.unshift(document);
			return { state: 'succeeded', result: { document: { id: document.id } } };
		}, batch);
	}

	#download(id) {
		const document = this.#documents.find(one => one.id === id);
		if (!document || this.#filesAreLost) throw new Problem(404, 'not_found', 'There is no such document.');
		return [200, Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(document.bytes - 4)]), {
			'Content-Type': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
			'Content-Disposition': `attachment; filename="${document.file_name}"`,
		}];
	}

	#jobRoute(method, id) {
		const job = this.#jobOf(id);
		if (!job) throw new Problem(404, 'not_found', 'There is no such job.');
		if (method === 'DELETE' && !TERMINAL.has(job.state)) {
			job.isCancelled = true;
			this.#tell(job, { state: 'cancelled' });
		}
		return [200, publicJob(job)];
	}

	#jobOf(id) {
		const job = this.#jobs.get(id);
		return job?.owner === this.#owner ? job : undefined;
	}

	// A job that goes through its steps and ends as `end()` says.
	#start(kind, steps, end, batch = null) {
		const job = { id: newId(), kind, state: 'queued', version: [1, 0], step: '', done: 0, total: 0, note: '',
			owner: this.#owner, batch, created_at: iso(), finished_at: null, result: null, failure: null };
		this.#jobs.set(job.id, job);
		this.#run(job, steps, end);
		return job;
	}

	async #run(job, steps, end) {
		await this.#pause(250);
		for (const { ms, ...news } of steps) {
			if (job.isCancelled) return;
			this.#tell(job, { state: 'running', done: 0, total: 0, note: '', ...news });
			await this.#pause(ms);
			if (this.#moodleIsDead && job.kind === 'check') await this.#park(job);
		}
		if (!job.isCancelled) this.#tell(job, { step: '', ...end(), finished_at: iso() });
	}

	#park(job) {
		this.#moodleIsDead = false;
		this.#tell(job, { state: 'waiting', step: 'session_dead', failure: { code: 'session_dead',
			message: 'Moodle has ended your session. Please sign in again.' } });
		return new Promise(resolve => { job.resume = resolve; });
	}

	#resume() {
		for (const job of this.#jobs.values()) {
			if (job.state !== 'waiting') continue;
			Object.assign(job, { version: [job.version[0] + 1, -1], failure: null });
			this.#tell(job, { state: 'queued', step: '' });
			job.resume();
		}
	}

	#pause(ms) {
		return new Promise(resolve => { setTimeout(resolve, ms / this.speed).unref(); }); // a test may end meanwhile
	}

	#tell(job, news) {
		Object.assign(job, news, { version: [job.version[0], job.version[1] + 1] });
		if (job.owner !== this.#owner) return;
		for (const socket of this.#sockets) sendFrame(socket, eventOf('event', job));
	}

	upgrade(req, socket) {
		if (this.refusesLive) {
			socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
			return;
		}
		if (!this.#token || !req.headers.cookie?.includes(this.#token)) {
			socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
			return;
		}
		const accept = createHash('sha1')
			.update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
		socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
			`Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
		this.#sockets.add(socket);
		socket.on('close', () => this.#sockets.delete(socket));
		socket.on('error', () => {});
		readFrames(socket, text => this.#said(socket, JSON.parse(text)));
		sendFrame(socket, { type: 'hello', user: this.#user?.id ?? null });
	}

	#said(socket, message) {
		this.frames.push(message);
		const job = this.#jobOf(message.job);
		sendFrame(socket, job ? eventOf('snapshot', job) : { type: 'gone', job: message.job });
	}
}

function found(id, at) {
	if (id === 16) {
		return { id, name: 'Physics for Engineers I', checked_at: at, read_at: null, assignments: [], activities: [],
			failure: { code: 'course_hidden', message: 'This course is not available to students now.' } };
	}
	const [, name] = COURSES.find(course => course[0] === id);
	return { id, name, checked_at: at, read_at: at, failure: null, activities: (ACTIVITIES[id] ?? []).map(([cmid, kind, event, title, due, open]) => ({
		id: cmid, kind, event, name: title, due: iso(due), open, url: `${SITE.url}/mod/${kind}/view.php?id=${cmid}` })),
	assignments: (ASSIGNMENTS[id] ?? [])
		.map(([aid, title, section, due, status, pending, reason = '']) => ({ id: aid, name: title, section, status,
			pending, handin: pending === null ? 'unknown' : pending ? 'open' : 'done', reason, due: due === null ? null : iso(due), due_text: '',
			url: `${SITE.url}/mod/assign/view.php?id=${aid}` })) };
}

function withLink(document) {
	return { ...document, link: `/api/v1/documents/${document.id}/file?expires=1&signature=x` };
}

function publicJob({ isCancelled, resume, owner, ...job }) {
	return job;
}

function eventOf(type, { id, state, version, step, done, total, note }) {
	return { type, job: id, state, version, step, done, total, note };
}

async function readJson(req) {
	let text = '';
	for await (const chunk of req) text += chunk;
	return text ? JSON.parse(text) : {};
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const fake = await startFake({ port: Number(process.argv[2] ?? 8090) });
	console.log(fake.url);
}
