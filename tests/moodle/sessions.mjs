// Sessions as PHP keeps them: every visitor has one, its id changes at sign-in, and one session
// answers one request at a time (the lock that makes parallel requests of one student useless).
import { randomBytes } from 'node:crypto';

export const TIMEOUT_S = 28800;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

export function randomText(length) {
	return Array.from(randomBytes(length), (byte) => LETTERS[byte % LETTERS.length]).join('');
}

class Session {
	id = randomBytes(16).toString('hex').slice(0, 26);
	sesskey = randomText(10);
	logintoken = randomText(32);
	guesttoken = randomText(32);
	user = null; // a person of the site, GUEST, or null
	lang = null; // chosen with ?lang=
	wantsUrl = null; // where to go after sign-in
	notice = null; // a key of the sign-in page's message, shown once
	lastUsed = Date.now();
	#tail = Promise.resolve();

	// Waits for the turn of this request; the function that it resolves to ends the turn.
	async lock() {
		const before = this.#tail;
		let release;
		this.#tail = new Promise((resolve) => { release = resolve; });
		await before;
		return release;
	}

	get remainingS() {
		return Math.max(0, TIMEOUT_S - Math.floor((Date.now() - this.lastUsed) / 1000));
	}
}

export const GUEST = Object.freeze({
	id: 1, username: 'guest', firstname: 'Guest user', lastname: '', isGuest: true,
});

export class Sessions {
	#live = new Map();
	#expired = new Set();

	find(id) {
		return this.#live.get(id) ?? null;
	}

	ids() {
		return [...this.#live.keys()];
	}

	isLive(session) {
		return this.#live.get(session.id) === session;
	}

	// A new anonymous session. `instead` is the id that the visitor offered in vain.
	create(instead) {
		const session = new Session();
		if (this.#expired.has(instead)) session.notice = 'timedout';
		this.#live.set(session.id, session);
		return session;
	}

	// Sign-in: the old session is gone, the new one keeps only where the visitor wanted to go.
	renew(old, user) {
		this.#live.delete(old.id);
		const session = this.create();
		session.user = user;
		session.wantsUrl = old.wantsUrl;
		return session;
	}

	end(session) {
		this.#live.delete(session.id);
	}

	// Ends the sessions of one student, or all. The next visit is told that its session timed out.
	expire(username = null) {
		for (const [id, session] of this.#live) {
			if (username && session.user?.username !== username) continue;
			if (session.user) this.#expired.add(id);
			this.#live.delete(id);
		}
	}

	// Ends them as a newer sign-in does: without a notice.
	endOlder(user) {
		for (const [id, session] of this.#live) if (session.user === user) this.#live.delete(id);
	}

	rotateSesskeys() {
		for (const session of this.#live.values()) session.sesskey = randomText(10);
	}

	get signedIn() {
		return [...this.#live.values()].filter((s) => s.user && !s.user.isGuest).length;
	}
}
