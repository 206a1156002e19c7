// The live channel: one WebSocket that tells how jobs go on.
//
//	idle -> connecting -> open
//	connecting, open -> away	(it failed or ended; the next try is scheduled)
//	away -> connecting
//	any -> idle			(stop)
//
// While it is away nothing is asked of the server but the next try, and what check asks before it.
// After each connect every subscription is sent again with the newest version that is known here, so
// no fact is missed, and only newer versions are handed on, so none is shown twice.

const PAUSE_FIRST_MS = 500;
const PAUSE_MAX_MS = 30_000;
const CONNECT_MS = 10_000; // some proxies neither open a WebSocket nor refuse it
const STEADY_MS = 5_000; // open for so long, the next loss starts with a short pause again

// <0, 0, >0 as a is older than, the same as, newer than b: [attempt, n]
export function compareVersions(a, b) {
	return a[0] - b[0] || a[1] - b[1];
}

// Full jitter: somewhere between at once and the exponential bound, so that the pages which one
// restart cut off do not all come back in the same moment.
export function pauseBefore(tries, random = Math.random) {
	return random() * Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** tries);
}

// A server that stops gives each page a moment of its own to come back.
function toldPause(event) {
	if (event?.code !== 1001) return 0;
	try {
		return Math.min(PAUSE_MAX_MS, Math.max(0, Number(JSON.parse(event.reason).retry_after_ms) || 0));
	} catch {
		return 0;
	}
}

export class Live {
	#options;
	#state = 'idle';
	#socket = null;
	#timer = null;
	#tries = 0;
	#openedAt = 0;
	#generation = 0; // a socket or probe of an older one has no say
	#have = new Map(); // job id -> newest version
	#only = null;

	// url			of the channel
	// check		async, before each try after the first: may this page still come? A
	//			WebSocket cannot say why it was refused; this call can (false: stop).
	//			Maybe none is ever let through: it also looks how the jobs stand
	// onEvent(event)	a newer fact about a subscribed job
	// onOther(event)	what the server tells of its own accord: a job that was not begun here
	// onGone(job)		the server does not know this job (any more)
	// onState(state, retryAt)
	constructor(options) {
		this.#options = { WebSocket: globalThis.WebSocket, random: Math.random, ...options };
	}

	get state() {
		return this.#state;
	}

	// only: the one job that may be asked for yet (while its sign-in runs)
	start({ only = null } = {}) {
		this.#close();
		this.#only = only;
		this.#tries = 0;
		this.#connect();
	}

	stop() {
		this.#close();
		this.#have.clear();
		this.#move('idle');
	}

	// The network came back, or a person does not want to wait.
	tryNow() {
		if (this.#state !== 'away') return;
		this.#close();
		this.#tryAgain();
	}

	// The network went away: sockets notice it only minutes later.
	lose() {
		if (this.#state === 'open') this.#lost();
	}

	subscribe(job, version) {
		const have = this.#have.get(job);
		if (have && compareVersions(have, version) >= 0) return;
		this.#have.set(job, version);
		if (!have) this.#ask(job);
	}

	unsubscribe(job) {
		this.#have.delete(job);
	}

	#move(state, retryAt = null) {
		this.#state = state;
		this.#options.onState?.(state, retryAt);
	}

	#close() {
		this.#generation++;
		clearTimeout(this.#timer);
		this.#socket?.close();
		this.#socket = null;
	}

	#connect() {
		const generation = ++this.#generation;
		const socket = new this.#options.WebSocket(this.#options.url);
		const ifCurrent = fn => event => { if (generation === this.#generation) fn(event); };
		this.#socket = socket;
		this.#move('connecting');
		this.#timer = setTimeout(() => this.#lost(), CONNECT_MS);
		socket.addEventListener('open', ifCurrent(() => this.#opened()));
		socket.addEventListener('message', ifCurrent(event => this.#received(event.data)));
		socket.addEventListener('close', ifCurrent(event => this.#lost(toldPause(event))));
	}

	#opened() {
		clearTimeout(this.#timer);
		this.#openedAt = Date.now();
		this.#move('open');
		for (const job of this.#have.keys()) this.#ask(job);
	}

	#ask(job) {
		if (this.#state !== 'open' || (this.#only && this.#only !== job)) return;
		this.#socket.send(JSON.stringify({ type: 'subscribe', job, have: this.#have.get(job) }));
	}

	#lost(told = 0) {
		this.#close();
		if (this.#state === 'open' && Date.now() - this.#openedAt >= STEADY_MS) this.#tries = 0;
		const pause = told + pauseBefore(this.#tries++, this.#options.random);
		this.#timer = setTimeout(() => this.#tryAgain(), pause);
		this.#move('away', Date.now() + pause);
	}

	async #tryAgain() {
		const generation = ++this.#generation;
		let welcome = true;
		try {
			welcome = await this.#options.check?.() ?? true;
		} catch {
			if (generation === this.#generation) this.#lost();
			return;
		}
		if (generation !== this.#generation) return;
		if (welcome) this.#connect();
		else this.stop();
	}

	#received(text) {
		let messages;
		try {
			messages = [JSON.parse(text)].flat(); // one, or all of one moment
		} catch {
			return;
		}
		for (const message of messages) if (message) this.#take(message);
	}

	#take(message) {
		if (message.type === 'gone') this.#gone(message.job);
		else if (message.type === 'snapshot' || message.type === 'event') this.#event(message);
	}

	#gone(job) {
		if (this.#have.delete(job)) this.#options.onGone?.(job);
	}

	#event(event) {
		const have = this.#have.get(event.job);
		if (!Array.isArray(event.version)) return;
		if (!have) {
			this.#options.onOther?.(event);
			return;
		}
		const order = compareVersions(event.version, have);
		if (order < 0 || (order === 0 && event.position === undefined)) return; // a place is no version
		this.#have.set(event.job, event.version);
		this.#options.onEvent?.(event);
	}
}
