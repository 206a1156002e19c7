// Signing in and out: what the sign-in view and the sign-in-again dialog share.
import { ApiError, get, isSignedOut, post, remove } from './api.mjs';
import { cancel, failureText, finished, forgetAll, live, readAll } from './jobs.mjs';
import { forgetStudent, forgetTab, signedInAs, state } from './state.mjs';

let running = 0;

// At the site that state names. Resolves when signed in. Rejects with an ApiError whose message can be
// shown, and then the session is what the server says it is: maybe none any more.
export async function signIn(username, password, onProgress, signal) {
	running++;
	try {
		const site = state.site?.id;
		const answer = await post('/session', { ...(site && { site }), username, password }, { quiet: true });
		if (answer.job) await waitFor(answer.job, onProgress, signal);
		await enter(await get('/session', { quiet: true }));
	} finally {
		running--;
	}
}

// A sign-in that was already running when the page was opened.
export async function resumeSignIn(id, onProgress, signal) {
	await waitFor(await get(`/jobs/${id}`, { quiet: true }), onProgress, signal);
	await enter(await get('/session', { quiet: true }));
}

// While it is so, being told "not signed in" is no news.
export function isSigningIn() {
	return running > 0;
}

async function waitFor(job, onProgress, signal) {
	live.start({ only: job.id });
	const end = await finished(job, onProgress, signal);
	if (end.state === 'succeeded') return;
	throw new ApiError(failureText(end), { code: end.failure?.code ?? end.state });
}

export async function enter(session) {
	state.site = session.site ?? state.site;
	signedInAs(session.user);
	live.start();
	await readAll();
}

export function cancelSignIn(job) {
	return cancel(job);
}

// Nothing is left, here or there; what this computer remembers of the student goes, too.
export async function deleteAccount() {
	await remove('/account', { quiet: true });
	forgetStudent();
	forgetTab();
	forgetAll();
}

// Rejects when the server did not say so: the cookie, which this page cannot delete, would sign the next
// person in.
export async function signOut() {
	try {
		await remove('/session', { quiet: true });
	} catch (err) {
		if (!isSignedOut(err)) throw err;
	}
	forgetTab();
	forgetAll();
}
