// What this page knows about its jobs: records from the HTTP API, kept new by the live channel.
import { get, isSignedOut, post, remove } from './api.mjs';
import { Live, compareVersions } from './live.mjs';
import { state } from './state.mjs';

const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'dead']);
const known = new Map(); // id -> the newest record
const followers = new Map(); // id -> Set of functions
const enders = new Set(); // { kind, fn }
const hooks = { waiting() {}, wentOn() {}, channel() {}, replaced() {} };

export const live = new Live({
	url: new URL('/api/v1/live', location.href).href.replace(/^http/, 'ws'),
	check: lookBeforeTry,
	onEvent: apply,
	onOther: hearOther,
	onGone: id => reread(id),
	onState: (channel, retryAt) => hooks.channel(channel, retryAt),
});

// waiting(job): a job waits for the student. wentOn(): no job waits for a sign-in (any more).
// channel(state, retryAt): as Live's onState. replaced(): this browser is signed in as somebody else now.
export function onJobs(functions) {
	Object.assign(hooks, functions);
}

export function isOver(job) {
	return TERMINAL.has(job.state);
}

// Whether a job stands still until the student has signed in to Moodle again.
export function needsSignIn(job) {
	return job.state === 'waiting' && (job.step === 'session_dead' || job.failure?.code === 'session_dead');
}

// Whether a sign-in stands still until the student has entered the code of a second factor.
export function asksForCode(job) {
	return job.state === 'waiting' && (job.step === 'mfa_needed' || job.failure?.code === 'mfa_needed');
}

// Offers again what a waiting job waits for, after the student has said "not now".
export function askAgain(job) {
	hooks.waiting(job);
}

// The sentence that says why a job did not succeed.
export function failureText(job) {
	if (job.state === 'cancelled') return 'Cancelled.';
	return job.failure?.message || job.note || 'It did not work, and the reason is not known.';
}

// Takes a record that the API answered; from here on the job is kept new until it is over.
export function put(record) {
	const old = known.get(record.id);
	const isOld = old && compareVersions(record.version, old.version) < 0;
	const job = isOld ? { ...record, ...old } : { ...old, ...record };
	known.set(job.id, job);
	if (!isOver(job)) live.subscribe(job.id, job.version);
	if (job.state === 'waiting') hooks.waiting(job);
	return job;
}

export async function readAll() {
	const { jobs } = await get('/jobs');
	for (const job of jobs ?? []) put(job);
}

export function active(kind) {
	return [...known.values()].filter(job => job.kind === kind && !isOver(job));
}

// Calls fn with the job now and at every change, until signal aborts.
export function follow(job, fn, signal) {
	const set = followers.get(job.id) ?? new Set();
	set.add(fn);
	followers.set(job.id, set);
	signal?.addEventListener('abort', () => set.delete(fn), { once: true });
	fn(put(known.get(job.id) ?? job));
}

// Calls fn with every job of the kind that ends, whoever began it, until signal aborts.
export function onEnd(kind, fn, signal) {
	const entry = { kind, fn };
	enders.add(entry);
	signal?.addEventListener('abort', () => enders.delete(entry), { once: true });
}

// The job once it is over; onChange as in follow. Never settles after signal aborted.
export function finished(job, onChange, signal) {
	const stop = new AbortController();
	signal?.addEventListener('abort', () => stop.abort(), { once: true });
	return new Promise(resolve => {
		follow(job, current => {
			onChange?.(current);
			if (!isOver(current)) return;
			stop.abort();
			resolve(current);
		}, stop.signal);
	});
}

export function cancel(job) {
	return remove(`/jobs/${job.id}`);
}

// POST answers that start one job: { job }.
export async function start(path, body) {
	const { job } = await post(path, body);
	return put(job);
}

export function forgetAll() {
	live.stop();
	known.clear();
	followers.clear();
}

async function apply(event) {
	const { job: id, type, ...news } = event;
	const job = { ...known.get(id), position: null, eta_s: null, id, ...news };
	if (!isOver(job)) {
		known.set(id, job);
		tell(job);
		if (job.state === 'waiting') hooks.waiting(job);
		return;
	}
	// An end: its result or failure is in the record.
	live.unsubscribe(id);
	const record = await get(`/jobs/${id}`, { quiet: true }).catch(() => null);
	known.set(id, { ...job, ...record });
	tell(known.get(id));
}

// The end of a job that somebody else has begun: another tab, or Pensum itself.
async function hearOther({ job: id, state }) {
	if (!TERMINAL.has(state) || known.has(id) || enders.size === 0) return;
	const record = await get(`/jobs/${id}`, { quiet: true }).catch(() => null);
	if (record) tellEnd(record);
}

async function reread(id, isWanted = () => true) {
	try {
		const record = await get(`/jobs/${id}`, { quiet: true });
		if (!isWanted(record)) return;
		if (isOver(record)) live.unsubscribe(id);
		tell(put(record));
	} catch (err) {
		if (err.status !== 404) return; // the next connect asks again
		known.set(id, { ...known.get(id), id, state: 'failed',
			failure: { code: 'unknown_job', message: 'Pensum does not know about this any more.' } });
		tell(known.get(id));
	}
}

function isNews(record) {
	return compareVersions(record.version, known.get(record.id).version) > 0;
}

function tell(job) {
	for (const fn of [...followers.get(job.id) ?? []]) fn(job);
	if (![...known.values()].some(needsSignIn)) hooks.wentOn();
	if (isOver(job)) tellEnd(job);
}

function tellEnd(job) {
	for (const { kind, fn } of [...enders]) if (kind === job.kind) fn(job);
}

async function lookBeforeTry() {
	try {
		const { user } = await get('/session');
		if (user && state.user && user.id !== state.user.id) {
			hooks.replaced();
			return false;
		}
	} catch (err) {
		if (isSignedOut(err)) return false;
		throw err;
	}
	await Promise.all([...known.values()].filter(job => !isOver(job)).map(job => reread(job.id, isNews)));
	return true;
}
