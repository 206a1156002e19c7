// What the views share, and what this browser remembers. Nothing secret is ever kept here: the
// password goes from its field into one request and is not stored anywhere.
//
// In localStorage (for the next visit): chosen courses, name and roll number, per user; and the site.
// In sessionStorage (for this tab, also over a new sign-in): picked assignments, drafts being made.

export const PICK_MAX = 5;
export const CHECK_MAX = 60; // courses in one check

export const state = {
	sites: [], // [{ id, name, url }]
	site: null, // the one that is signed in to, or is going to be
	user: null, // { id, username, fullname }; null: not signed in
	picked: new Map(), // assignment id -> { id, name, course }
	drafts: new Map(), // document job id -> { id, name, course } of its assignment
};

// Which of several sites this computer's student uses, most likely.
export function offerSites(sites) {
	const last = load(localStorage, 'site', null);
	state.sites = sites;
	state.site ??= sites.find(site => site.id === last) ?? sites[0] ?? null;
}

export function chooseSite(id) {
	state.site = state.sites.find(site => site.id === id) ?? state.site;
	save(localStorage, 'site', state.site?.id ?? null);
}

export function signedInAs(user) {
	state.user = user;
	state.picked = new Map(load(sessionStorage, 'picked', []));
	state.drafts = new Map(load(sessionStorage, 'drafts', []));
}

export function pick(assignment) {
	state.picked.set(assignment.id, assignment);
	save(sessionStorage, 'picked', [...state.picked]);
}

export function unpick(id) {
	state.picked.delete(id);
	save(sessionStorage, 'picked', [...state.picked]);
}

export function unpickAll() {
	state.picked.clear();
	save(sessionStorage, 'picked', []);
}

export function rememberDraft(job, assignment) {
	state.drafts.set(job, assignment);
	save(sessionStorage, 'drafts', [...state.drafts]);
}

export function forgetDraft(job) {
	state.drafts.delete(job);
	save(sessionStorage, 'drafts', [...state.drafts]);
}

// null: never chosen on this computer
export function chosenCourses() {
	const ids = load(localStorage, 'courses', null);
	return ids && new Set(ids);
}

export function chooseCourses(ids) {
	save(localStorage, 'courses', [...ids]);
}

export function student() {
	return load(localStorage, 'student', null);
}

export function rememberStudent(details) {
	save(localStorage, 'student', details);
}

// What localStorage has of this student.
export function forgetStudent() {
	for (const name of ['courses', 'student']) save(localStorage, name, null);
}

// A sign-out that was asked for: the next person at this computer starts clean.
export function forgetTab() {
	for (const name of ['picked', 'drafts']) save(sessionStorage, name, null);
	state.user = null;
	state.picked = new Map();
	state.drafts = new Map();
}

// A browser may refuse storage altogether: then nothing is remembered, and all else works.
function load(storage, name, otherwise) {
	try {
		return JSON.parse(storage.getItem(keyOf(name))) ?? otherwise;
	} catch {
		return otherwise;
	}
}

function save(storage, name, value) {
	try {
		if (value === null) storage.removeItem(keyOf(name));
		else storage.setItem(keyOf(name), JSON.stringify(value));
	} catch {
		// see above
	}
}

function keyOf(name) {
	return `pensum.${state.user?.id ?? 'nobody'}.${name}`;
}
