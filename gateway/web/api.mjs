// The HTTP API: JSON in, JSON out, and every failure an ApiError whose message can be shown.

import { hearClock } from './time.mjs';

const ROOT = '/api/v1';
const RETRY_PAUSE_MS = 600;

// code: the problem's stable code, or "unreachable" when no answer came at all.
export class ApiError extends Error {
	constructor(message, { status = 0, code = 'internal' } = {}) {
		super(message);
		this.name = 'ApiError';
		this.status = status;
		this.code = code;
	}
}

// Nobody is signed in here, or somebody whose sign-in has not succeeded (yet).
export function isSignedOut(error) {
	return error.status === 401 || error.code === 'signin_pending';
}

let signedOut = () => {};

// fn(error) is called when an answer says that this browser is not signed in.
export function onSignedOut(fn) {
	signedOut = fn;
}

// quiet: that nobody is signed in is an answer here, not news for the whole page.
export function get(path, { signal, quiet } = {}) {
	return call('GET', path, { signal, quiet });
}

// What a proxy says of its own accord while it gets no answer from Pensum.
const PROXY_STATUS = new Set([502, 503, 504]);

// After these nobody knows whether it was done.
const UNKNOWN_END = new Set(['unreachable', 'database_away']);

// The same key goes with both tries when the first one's answer was lost, so nothing is done twice.
export async function post(path, body, { quiet } = {}) {
	const options = { body: body ?? {}, quiet, headers: { 'Idempotency-Key': randomKey() } };
	try {
		return await call('POST', path, options);
	} catch (err) {
		if (!UNKNOWN_END.has(err.code)) throw err;
		await new Promise(resolve => setTimeout(resolve, RETRY_PAUSE_MS));
		return call('POST', path, options);
	}
}

export function remove(path, { quiet } = {}) {
	return call('DELETE', path, { quiet });
}

// Rejects as a GET of one of Pensum's own links would, but brings nothing.
export function lookFor(link) {
	return call('HEAD', link.slice(ROOT.length), {});
}

async function call(method, path, { body, signal, headers = {}, quiet = false }) {
	const request = { method, signal, credentials: 'same-origin', cache: 'no-store',
		headers: { Accept: 'application/json', ...headers } };
	if (body !== undefined) {
		request.headers['Content-Type'] = 'application/json';
		request.body = JSON.stringify(body);
	}
	let response;
	try {
		response = await fetch(ROOT + path, request);
	} catch (err) {
		if (err.name === 'AbortError') throw err;
		throw unreachable('Check your connection and try again.');
	}
	hearClock(response.headers.get('Date'));
	if (response.ok) return response.status === 204 ? null : readJson(response);
	const error = await problemOf(response);
	if (isSignedOut(error) && !quiet) signedOut(error);
	throw error;
}

async function readJson(response) {
	const text = await response.text().catch(err => {
		throw err.name === 'AbortError' ? err : unreachable('Check your connection and try again.');
	});
	try {
		return text ? JSON.parse(text) : null;
	} catch {
		throw new ApiError('Pensum gave an answer that this page does not understand.',
			{ status: response.status, code: 'not_json' });
	}
}

async function problemOf(response) {
	const isJson = /json/.test(response.headers.get('Content-Type') ?? '');
	if (!isJson && PROXY_STATUS.has(response.status)) return unreachable('Try again in a moment.', response.status);
	const problem = (isJson && await readJson(response).catch(() => null)) || {};
	const message = problem.detail || problem.title || `Pensum answered with error ${response.status}.`;
	return new ApiError(message, { status: response.status, code: problem.code || 'internal' });
}

function unreachable(advice, status = 0) {
	return new ApiError(`Pensum could not be reached. ${advice}`, { status, code: 'unreachable' });
}

function randomKey() {
	return Array.from(crypto.getRandomValues(new Uint8Array(16)),
		byte => byte.toString(16).padStart(2, '0')).join('');
}
