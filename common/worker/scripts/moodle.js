// moodle.js - how our scripts talk to a Moodle site: the declarations that every script may use.
//
// The workers evaluate `(async () => { <this file> <script> return await run(<args>); })()` in a
// page whose document lies on the site's origin. Nothing is rendered: pages come by fetch() and are
// parsed by DOMParser, which runs no script and loads no image, style or frame.
//
// A script is one file or several, one after the other: declarations only, in one scope with those
// of this file, so no name is taken twice. One of them is `async function run(args)`, which returns
// `answer(args, async () => ({...}))` and so always answers plain JSON:
//	{ok: true, ..., cost}
//	{ok: false, code, message, detail, cost}	code as in common/proto/failure.c, message a
//							sentence for the student, detail for the log
//	cost = {requests, bytes}			bytes after decompression; a redirect chain is one
// args has wwwroot (the site's canonical address, maybe with a sub-path) and may have timeout_ms
// (for each request) and gap_ms (that lie between the beginnings of two). Requests of the session go one
// after the other: Moodle locks it anyway.
//
// Rules for everything here: only reading pages are opened, never one that changes something and
// never /my/ (seconds for a busy student); the session keeps its language; a redirect that leaves
// the site is not followed.

const MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 20000;
// The lightest page that wants a complete sign-in and shows the logout link and the sesskey.
const LIGHT_PAGE = '/user/preferences.php';

// A site that wants to be asked later is waited for in the page so long in all; what is longer is the
// worker's to wait, which needs no page for it.
const PATIENCE_S = 5;
const MAX_WAIT_S = 600;

const cost = { requests: 0, bytes: 0 };
const site = { root: '', timeoutMs: DEFAULT_TIMEOUT_MS, patienceS: PATIENCE_S, gapMs: 0, nextAt: 0 };

// ---------------------------------------------------------------- answers

class Failure extends Error {
	constructor(code, message, detail = '') {
		super(message);
		Object.assign(this, { code, detail: clean(String(detail).slice(0, 300)) });
	}
}

const notUnderstood = (detail) =>
	new Failure('not_understood', 'A Moodle page could not be understood.', detail);
const sessionDead = (detail) =>
	new Failure('session_dead', 'Moodle has ended your session. Please sign in again.', detail);
const siteBusy = (seconds, detail) => Object.assign(
	new Failure('site_busy', 'Moodle asks us to come back later.', detail), { retryAfterS: seconds });
const maintenance = (detail) => new Failure('maintenance', 'Moodle is down for maintenance.', detail);
const siteDown = (message, detail) => new Failure('site_down', message, detail);

// Runs read() and makes its fields, or whatever it threw, the script's answer.
async function answer(args, read) {
	try {
		openSite(args);
		return { ok: true, ...(await read()), cost };
	} catch (error) {
		const failure = error instanceof Failure ? error : notUnderstood(`${error.name}: ${error.message}`);
		return {
			ok: false, code: failure.code, message: failure.message, detail: failure.detail, cost,
			...(failure.retryAfterS && { retry_after_s: failure.retryAfterS }),
		};
	}
}

function openSite(args) {
	site.root = String(args.wwwroot).replace(/\/+$/, '');
	site.gapMs = args.gap_ms ?? 0;
	site.timeoutMs = args.timeout_ms > 0 ? args.timeout_ms : DEFAULT_TIMEOUT_MS;
	if (new URL(site.root).origin !== location.origin) {
		throw notUnderstood(`the page is on ${location.origin}, the site on ${site.root}`);
	}
}

// ---------------------------------------------------------------- requests

// The path below the site's root ('/mod/assign/index.php'), or null for an address elsewhere.
function sitePath(address) {
	const url = new URL(address, location.href);
	const root = new URL(site.root);
	const prefix = root.pathname.replace(/\/$/, '');
	if (url.origin !== root.origin) return null;
	return url.pathname.startsWith(`${prefix}/`) ? url.pathname.slice(prefix.length) : null;
}

// One request with a time limit and a size cap: {response, bytes}. `mode: same-origin` makes the
// browser refuse a redirect to another origin instead of following it.
async function request(path, init = {}, maxBytes = MAX_BYTES) {
	for (;;) {
		const answered = await requestOnce(path, init, maxBytes);
		if (isMaintenance(answered)) throw maintenance(new URL(answered.response.url).pathname);
		const seconds = secondsToWait(answered.response);
		if (!seconds) return answered;
		const detail = `${new URL(answered.response.url).pathname}: HTTP ${answered.response.status}, Retry-After ${seconds}`;
		if (seconds > site.patienceS) throw siteBusy(seconds, detail);
		site.patienceS -= seconds;
		await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
	}
}

// Moodle's own 503, which always says "in 300 s": of a site that is closed for everybody the student is to
// hear at once. While it is being upgraded, a file of that date is all that there is (common/worker/site.c).
const isMaintenance = ({ response: { status, headers }, bytes }) => status === 503
	&& ((headers.get('Expires') ?? '').includes(' 1969 ') || textOf(bytes).includes('id="page-maintenance-message"'));

// A busy site says when it wants to be asked again, in seconds or as a date. 0: it does not.
function secondsToWait({ status, headers }) {
	return status === 429 || status === 503 ? secondsSaid(headers.get('Retry-After')) : 0;
}

function secondsSaid(said) {
	if (!said) return 0;
	const seconds = /^\d+$/.test(said) ? Number(said) : Math.ceil((Date.parse(said) - Date.now()) / 1000);
	return seconds > 0 ? Math.min(seconds, MAX_WAIT_S) : 0;
}

async function requestOnce(path, init, maxBytes) {
	const url = new URL(path.startsWith('/') ? site.root + path : path);
	await keepDistance();
	const stop = new AbortController();
	const timer = setTimeout(() => stop.abort(), site.timeoutMs);
	cost.requests++;
	try {
		const common = { mode: 'same-origin', credentials: 'same-origin', cache: 'no-store' };
		const response = await fetch(url, { ...common, ...init, signal: stop.signal });
		return { response, bytes: await readBody(response, maxBytes) };
	} catch (error) {
		if (error instanceof Failure) throw error;
		if (stop.signal.aborted) {
			throw siteDown('Moodle did not answer in time.', `${url.pathname}: nothing in ${site.timeoutMs} ms`);
		}
		throw siteDown('Moodle does not answer.', `${url.pathname}: ${error.message}`);
	} finally {
		clearTimeout(timer);
	}
}

async function keepDistance() {
	if (!site.gapMs) return;
	const now = performance.now();
	const at = Math.max(now, site.nextAt);
	site.nextAt = at + site.gapMs;
	if (at > now) await new Promise((resolve) => setTimeout(resolve, at - now));
}

async function readBody(response, maxBytes) {
	const chunks = [];
	let size = 0;
	if (response.body) {
		const reader = response.body.getReader();
		for (;;) {
			const { done, value } = await reader.read();
			if (done) break;
			size += value.length;
			cost.bytes += value.length;
			if (size > maxBytes) {
				await reader.cancel();
				throw notUnderstood(`${new URL(response.url).pathname}: more than ${maxBytes} bytes`);
			}
			chunks.push(value);
		}
	}
	const bytes = new Uint8Array(size);
	let at = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, at);
		at += chunk.length;
	}
	return bytes;
}

const textOf = (bytes) => new TextDecoder().decode(bytes);

// Reads a page: {path, url, status, time, doc, config, sesskey, lang, signedIn}. time is the site's
// clock in epoch seconds; path is null when the site sent us elsewhere (then there is no doc). Throws
// site_down when there is no answer at all.
async function fetchDoc(path) {
	try {
		return pageOf(await request(path));
	} catch (error) {
		// The browser reports a refused redirect like a dead network; asking without following tells.
		if (error.code !== 'site_down') throw error;
		if ((await isRedirected(path))) return { path: null, status: 0, signedIn: false };
		throw error;
	}
}

async function isRedirected(path) {
	try {
		return (await request(path, { redirect: 'manual' })).response.type === 'opaqueredirect';
	} catch (error) {
		return false;
	}
}

function pageOf({ response, bytes }) {
	const doc = new DOMParser().parseFromString(textOf(bytes), 'text/html');
	const config = readConfig(doc);
	return {
		path: sitePath(response.url),
		url: response.url,
		status: response.status,
		time: Math.floor((Date.parse(response.headers.get('date')) || Date.now()) / 1000),
		doc,
		config,
		sesskey: config.sesskey ?? '',
		lang: pageLanguage(doc),
		signedIn: isSignedIn(doc),
	};
}

// M.cfg, which every Moodle page's head has: {wwwroot, sesskey, userId?, ...}; {} elsewhere.
function readConfig(doc) {
	for (const script of doc.querySelectorAll('head script:not([src])')) {
		const text = script.textContent;
		const start = text.indexOf('M.cfg = {');
		for (let end = start; start >= 0 && (end = text.indexOf('};', end + 1)) > 0;) {
			try {
				return JSON.parse(text.slice(start + 'M.cfg = '.length, end + 1));
			} catch (error) {
				// a "};" within a string: the object ends later
			}
		}
	}
	return {};
}

// Moodle's own code of the page's language ("de_du"); <html lang> has it with a hyphen.
function pageLanguage(doc) {
	const code = /(?:^|\s)lang-(\w+)/.exec(doc.body?.className ?? '')?.[1];
	return code ?? (doc.documentElement.lang || 'en').replace(/-/g, '_');
}

// ---------------------------------------------------------------- who is signed in, and how far

// Guests and visitors have no logout link, in any theme and language.
function isSignedIn(doc) {
	return doc.querySelector('a[href*="/login/logout.php?sesskey="]') !== null;
}

// Where Moodle holds a student who is signed in but has something to do first.
const GATES = [
	['/login/change_password.php', 'must_change_password',
		'Moodle wants a new password first. Sign in to Moodle once and change it.'],
	['/user/policy.php', 'policy_agreement_needed',
		'Moodle wants you to agree to its policy. Sign in to Moodle once and do so.'],
	['/admin/tool/policy/', 'policy_agreement_needed',
		'Moodle wants you to agree to its policy. Sign in to Moodle once and do so.'],
	['/admin/tool/mfa/', 'mfa_needed',
		'This account asks for a second factor. Enter its code.'],
	['/user/edit', 'profile_incomplete',
		'Moodle wants your profile completed. Sign in to Moodle once and do so.'],
];

function expectAnswer(page) {
	if (page.doc?.querySelector('body#page-maintenance-message')) throw maintenance(`${page.path}: ${page.status}`);
	if (page.status >= 500 || page.status === 429) {
		throw Object.assign(siteDown('Moodle answers with an error.', `${page.path}: HTTP ${page.status}`), { isAnswer: true });
	}
}

// The site is there, and does not tell.
const isRefusal = (error) => error.code === 'not_understood' || error.isAnswer === true;

function expectNoGate(page) {
	const gate = GATES.find(([path]) => page.path?.startsWith(path));
	if (gate) throw new Failure(gate[1], gate[2], page.path);
}

// Throws unless the page was served to a student who is signed in completely.
function expectSignedIn(page) {
	expectAnswer(page);
	expectNoGate(page);
	if (page.path === null) throw sessionDead('sent to another site');
	if (page.path.startsWith('/login/')) throw sessionDead(`sent to ${page.path}`);
	if (!page.signedIn) throw sessionDead(`${page.path}: no logout link`);
}

async function fetchSignedInDoc(path) {
	const page = await fetchDoc(path);
	expectSignedIn(page);
	return page;
}

// ---------------------------------------------------------------- Moodle's ajax functions

// Calls functions in one request: [{data} | {errorcode}], as many as were executed. Moodle stops at
// the first call that fails; an error of the whole request is answered as one {errorcode}.
async function ajax(sesskey, calls, service = 'service.php') {
	const info = calls.map((call) => call.methodname).join(',');
	const query = new URLSearchParams({ sesskey, info });
	const body = JSON.stringify(calls.map((call, index) => ({ index, ...call })));
	const headers = { 'Content-Type': 'application/json' };
	const { response, bytes } = await request(`/lib/ajax/${service}?${query}`, { method: 'POST', headers, body });
	expectAnswer({ path: `/lib/ajax/${service}`, status: response.status });

	let answers;
	try {
		answers = JSON.parse(textOf(bytes));
	} catch (error) {
		throw notUnderstood(`${info}: HTTP ${response.status}, not JSON`);
	}
	if (!Array.isArray(answers)) return [{ errorcode: answers?.errorcode ?? 'unknown' }];
	return answers.map((one) => (one.error ? { errorcode: one.exception?.errorcode ?? 'unknown' } : { data: one.data }));
}

const stringCache = new Map();

// Moodle's texts in a language, customised ones included: {stringid: text}. No session is needed. A
// course may be forced to a language that is not installed (any more): its pages are in English.
async function strings(lang, component, stringids) {
	const key = [lang, component, ...stringids].join(' ');
	if (!stringCache.has(key)) {
		let { data, errorcode } = await askStrings(lang, component, stringids);
		if (errorcode === 'invalidparameter' && lang !== 'en') ({ data, errorcode } = await askStrings('en', component, stringids));
		if (!Array.isArray(data)) throw notUnderstood(`core_get_strings: ${errorcode}`);
		stringCache.set(key, Object.fromEntries(data.map((one) => [one.stringid, plainText(one.string)])));
	}
	return stringCache.get(key);
}

async function askStrings(lang, component, stringids) {
	const wanted = stringids.map((stringid) => ({ stringid, component, lang }));
	const calls = [{ methodname: 'core_get_strings', args: { strings: wanted } }];
	return (await ajax('', calls, 'service-nologin.php'))[0];
}

// ---------------------------------------------------------------- text

// Decodes HTML entities, once ("R&amp;amp;D" is a course named "R&amp;D").
function decodeEntities(html) {
	const area = new DOMParser().parseFromString('<textarea></textarea>', 'text/html').querySelector('textarea');
	area.innerHTML = html;
	return area.value;
}

// Without what neither JSON, PostgreSQL nor XML can hold (control and half characters), and without
// what makes text look other than it is (zero-width signs, direction overrides).
const clean = (text) => (text.toWellFormed?.() ?? text)
	.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u200b\u2060\ufeff\ufffe\uffff\u202a-\u202e]/g, '');

const collapse = (text) => clean(text).replace(/\s+/g, ' ').trim();
// At most that many UTF-16 units (three bytes of UTF-8 at most), never half a character.
const clip = (text, units) => (text.length > units ? clean(`${text.slice(0, units - 1).replace(/[\ud800-\udbff]$/, '')}\u2026`) : text);
const plainText = (html) => collapse(decodeEntities(String(html ?? '')));
const visibleText = (element) => collapse(element?.textContent ?? '');
