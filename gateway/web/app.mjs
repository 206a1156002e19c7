// The page's frame: who is signed in, which view is shown, and what stands above every view.
import { get, isSignedOut, onSignedOut } from './api.mjs';
import { announce, fill, h, setText } from './dom.mjs';
import { forgetAll, live, needsSignIn, onJobs } from './jobs.mjs';
import { deleteAccount, enter, isSigningIn, signOut } from './session.mjs';
import { offerSites, state } from './state.mjs';
import { askForPassword, isTryingAgain, withdrawAsking } from './views/again.mjs';
import * as assignments from './views/assignments.mjs';
import * as courses from './views/courses.mjs';
import * as documents from './views/documents.mjs';
import * as signin from './views/signin.mjs';

const VIEWS = {
	'#/sign-in': signin,
	'#/courses': courses,
	'#/assignments': assignments,
	'#/documents': documents,
};
const STEPS = ['#/courses', '#/assignments', '#/documents'];
const FIRST = '#/courses';
const AWAY_SHOWN_AFTER_MS = 1_000; // a short loss heals before anyone needs to know

const main = document.getElementById('main');
const banners = document.getElementById('banners');
let leaving = null; // AbortController of the view that is shown
let wanted = FIRST; // where to go after signing in
let notice = ''; // what the sign-in view says about why it is there
let pendingJob = null; // id of a sign-in that was running when the page was opened
let isTurning = false; // the address has changed, and its event is still to come

boot();

async function boot() {
	document.getElementById('skip').addEventListener('click', skipToMain);
	onSignedOut(() => state.user && leaveForSignIn()); // else the page is there already, or on its way
	onJobs({ waiting: offerSignIn, wentOn: withdrawAsking, channel: showChannel,
		replaced: () => location.reload() }); // nothing of one student stays for the other
	addEventListener('hashchange', turned);
	addEventListener('online', () => live.tryNow());
	addEventListener('offline', () => live.lose());
	addEventListener('pageshow', event => event.persisted && shownAgain());
	if (VIEWS[location.hash] && location.hash !== '#/sign-in') wanted = location.hash;
	try {
		await restore();
	} catch (err) {
		showBroken(err);
		return;
	}
	turnTo(state.user ? wanted : '#/sign-in');
}

// As it was left, by the browser's way back: meanwhile somebody may have signed out.
function shownAgain() {
	live.lose();
	live.tryNow();
}

async function restore() {
	try {
		const session = await get('/session', { quiet: true });
		if (session.state === 'active') await enter(session);
		else pendingJob = session.job;
		state.site = session.site ?? state.site;
	} catch (err) {
		if (!isSignedOut(err)) throw err;
	}
	offerSites((await get('/sites')).sites);
}

// A step of the student's own.
function go(hash) {
	turn(hash, () => { location.hash = hash; });
}

// Where the page leads without being asked: no step for the way back to lead into again.
function turnTo(hash) {
	turn(hash, () => location.replace(hash));
}

// Two may send the page to the same view in one moment: it is shown once, with what is to be said there.
function turn(hash, move) {
	if (location.hash !== hash) {
		isTurning = true;
		move();
	} else if (!isTurning) {
		show();
	}
}

function turned() {
	isTurning = false;
	show();
}

function show() {
	const hash = VIEWS[location.hash] ? location.hash : FIRST;
	if (!state.user && hash !== '#/sign-in') return leaveForSignIn();
	if (state.user && hash === '#/sign-in') return turnTo(wanted);
	leaving?.abort();
	leaving = new AbortController();
	const view = VIEWS[hash];
	document.title = `${view.title} · Pensum`;
	announce('');
	showTop(hash);
	fill(main);
	const given = { signal: leaving.signal, go, notice, pendingJob, onSignedIn: () => turnTo(wanted) };
	notice = '';
	pendingJob = null;
	view.mount(main, given);
	focusHeading();
	if (hash !== '#/sign-in') wanted = hash;
}

function focusHeading() {
	const heading = main.querySelector('h1');
	heading?.setAttribute('tabindex', '-1');
	heading?.focus({ preventScroll: true });
	scrollTo(0, 0);
}

// The address bar's hash names a view, so the skip link cannot be a plain one.
function skipToMain(event) {
	event.preventDefault();
	main.querySelector('h1')?.focus();
	main.scrollIntoView();
}

// A 401 from anywhere. What was picked stays: it is read again for the same user. So are the jobs, which
// are not the next student's.
function leaveForSignIn(why = '') {
	if (isSigningIn() || isTryingAgain()) return;
	if (state.user) notice = `${why} Your sign-in has ended. Sign in to go on where you were.`.trim();
	document.getElementById('not-signed-out')?.remove();
	withdrawAsking();
	forgetAll();
	state.user = null;
	turnTo('#/sign-in');
}

function showTop(hash) {
	const steps = document.getElementById('steps');
	const who = document.getElementById('who');
	steps.hidden = who.hidden = !state.user;
	if (!state.user) return fill(who);
	fill(steps, h('ol', null, STEPS.map(step => h('li', null,
		h('a', { href: step, 'aria-current': step === hash ? 'page' : null }, VIEWS[step].title)))));
	const name = state.user.fullname || state.user.username;
	fill(who, h('span', { class: 'who-name', title: name, dir: 'auto' }, name),
		h('button', { type: 'button', class: 'quiet small', onclick: leave }, 'Sign out'),
		h('button', { type: 'button', class: 'quiet small', onclick: leaveForGood }, 'Delete my data'));
}

function leave() {
	return part(signOut, { id: 'not-signed-out', notice: '', otherwise: 'You may still be signed in.' });
}

async function leaveForGood() {
	if (!confirm('Delete everything that Pensum has of you: results, drafts, and your sign-in?')) return;
	await part(deleteAccount, { id: 'not-deleted', notice: 'Your data is deleted.',
		otherwise: 'Your data may still be here.' });
}

async function part(work, { id, notice: said, otherwise }) {
	banners.querySelector('.parting')?.remove();
	try {
		await work();
	} catch (err) {
		const banner = h('div', { id, class: 'banner warn parting', role: 'alert' },
			h('p', null, otherwise, ' ', err.message),
			h('button', { type: 'button', class: 'small', onclick: () => banner.remove() }, 'Close'));
		banners.append(banner);
		return;
	}
	wanted = FIRST;
	notice = said;
	go('#/sign-in');
}

// Moodle ended its session below a running job: ask once, in place, whatever view is shown.
function offerSignIn(job) {
	if (!needsSignIn(job) || !state.user) return;
	askForPassword({ onGivenUp: leaveForSignIn });
}

let awayTimers = [];
let awaySince = 0; // through all tries that failed since; 0: it is not away

function showChannel(channel, retryAt) {
	if (channel === 'connecting') return; // the banner, if any, stays until it is decided
	awayTimers.forEach(clearInterval);
	awayTimers = [];
	const shown = document.getElementById('away');
	if (channel !== 'away') {
		awaySince = 0;
		if (shown) announce('Connected to Pensum again.');
		shown?.remove();
		return;
	}
	awaySince ||= Date.now();
	if (shown) countDown(shown, retryAt);
	else awayTimers.push(setTimeout(() => showAway(), awaySince + AWAY_SHOWN_AFTER_MS - Date.now()));

	function showAway() {
		const banner = h('div', { id: 'away', class: 'banner warn', role: 'status' },
			h('p', null, 'The connection to Pensum is lost. Work there goes on. ',
				h('span', { class: 'count', 'aria-hidden': 'true' })),
			h('button', { type: 'button', class: 'small', onclick: () => live.tryNow() }, 'Try now'));
		banners.append(banner);
		countDown(banner, retryAt);
	}
}

function countDown(banner, retryAt) {
	const count = banner.querySelector('.count');
	const tick = () => {
		const seconds = Math.ceil((retryAt - Date.now()) / 1000);
		setText(count, seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again…');
	};
	tick();
	awayTimers.push(setInterval(tick, 500));
}

function showBroken(err) {
	fill(main, h('h1', null, 'Pensum cannot be reached'), h('p', { role: 'alert' }, err.message),
		h('button', { type: 'button', class: 'primary', onclick: () => location.reload() }, 'Try again'));
	focusHeading();
}
