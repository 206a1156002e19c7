// What a test waits for has a deadline, and a name for whoever reads why a run failed.
//
//   await within('end of the pool', 10_000, promise)    throws TooLate when it takes longer
//   import { fetch } from './waiting.mjs';              the global one with a deadline, also for the body
//   await fetch(url, { …, limitMs: 5000 })              throws TooLate; with a signal the caller sees to it
//
// Before ctest ends a file without a word ($PENSUM_TEST_S is what it gives, from the file's start or, when
// one run has many files, from $PENSUM_TEST_FROM_MS), the file says what it still waits for, and ends itself.
export const ANSWER_MS = 30_000; // many times what anything here takes on a busy machine
const EARLIER_S = 10;

export class TooLate extends Error {}

const open = new Set();

export async function within(what, ms, promise) {
	const entry = { what, since: Date.now() };
	let timer;
	const late = new Promise((resolve, reject) => {
		timer = setTimeout(() => reject(new TooLate(`no ${what} within ${ms} ms`)), ms);
	});
	open.add(entry);
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
		open.delete(entry);
	}
}

function fetchInTime(url, { limitMs = ANSWER_MS, ...options } = {}) {
	const what = `answer to ${options.method ?? 'GET'} ${url}`;
	const late = new AbortController();
	if (options.signal) return fetch(url, options);
	setTimeout(() => late.abort(new TooLate(`no whole ${what} within ${limitMs} ms`)), limitMs).unref();
	return within(what, limitMs, fetch(url, { ...options, signal: late.signal }));
}
export { fetchInTime as fetch };

function giveUp() {
	const waits = [...open].map(({ what, since }) => `${what} (for ${Date.now() - since} ms)`);
	console.error(`not ended in time; it waits for:\n${waits.join('\n') || 'nothing that has a name'}`);
	console.error(`it is kept alive by: ${process.getActiveResourcesInfo?.().join(' ')}`);
	process.exit(1);
}
const limitS = Number(process.env.PENSUM_TEST_S ?? 0);
const goneMs = Date.now() - Number(process.env.PENSUM_TEST_FROM_MS ?? Date.now());
if (limitS > EARLIER_S) setTimeout(giveUp, (limitS - EARLIER_S) * 1000 - goneMs).unref();
