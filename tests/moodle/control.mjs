// The knobs that tests turn (listed in server.mjs), the counts that they read, and the request log.
import { json, readBody } from './http.mjs';

const LOG_MAX = 20_000;

function noCounts() {
	return {
		requests: 0, logins: 0, failed_logins: 0, factor_tries: 0, lists: 0, views: 0, edit_opened: 0, dashboards: 0,
		files: 0, ajax: {}, ws: {}, views_by_cmid: {},
	};
}

// Merges entries; a null, false or 0 takes the entry out again.
function mergeEntries(target, patch) {
	const merged = { ...target, ...patch };
	return Object.fromEntries(Object.entries(merged).filter(([, value]) => value));
}

export class Control {
	requests = [];
	#initial;
	#sessions;

	constructor({ latencyMs, generation, sessions }) {
		this.#initial = { latencyMs, generation };
		this.#sessions = sessions;
		this.#reset();
	}

	#reset() {
		this.knobs = {
			latency_ms: this.#initial.latencyMs,
			latency_by_path: {},
			fail: [],
			hang: [],
			maintenance: false,
			not_moodle: false,
			single_session: false,
			web_service: false,
			dead_tokens: false,
			login_form: true,
			cas: false,
			autologin_guests: false,
			slash_arguments: true,
			ajax_errors: {},
			status_errors: {},
			lock: {},
			status: {},
			generation: this.#initial.generation,
		};
		this.counts = noCounts();
		this.requests.length = 0;
	}

	apply(patch) {
		if (patch === null || typeof patch !== 'object') throw new Error('a patch is an object');
		const { reset, expire_sessions: expire, rotate_sesskeys: rotate, ...rest } = patch;
		for (const key of Object.keys(rest)) {
			if (!(key in this.knobs)) throw new Error(`no knob ${key}`);
		}
		if (reset) this.#reset();
		if (expire) this.#sessions.expire(expire === true ? null : expire);
		if (rotate) this.#sessions.rotateSesskeys();
		for (const [key, value] of Object.entries(rest)) this.#turn(key, value);
		return this.state();
	}

	#turn(key, value) {
		const current = this.knobs[key];
		if (Array.isArray(current)) {
			this.knobs[key] = (value ?? []).map((entry) => (typeof entry === 'object' ? { ...entry } : entry));
		} else if (key === 'status') {
			this.knobs.status = value === null ? {} : { ...current };
			for (const [name, byCmid] of Object.entries(value ?? {})) {
				this.knobs.status[name] = mergeEntries(current[name], byCmid);
			}
		} else if (typeof current === 'object') {
			this.knobs[key] = value === null ? {} : mergeEntries(current, value);
		} else {
			this.knobs[key] = value;
		}
	}

	state() {
		return structuredClone({
			...this.knobs,
			counts: { ...this.counts, sessions: this.#sessions.signedIn },
		});
	}

	count(name) {
		this.counts[name] += 1;
	}

	countIn(name, key) {
		this.counts[name][key] = (this.counts[name][key] ?? 0) + 1;
	}

	record(entry) {
		this.counts.requests += 1;
		this.requests.push(entry);
		if (this.requests.length > LOG_MAX) this.requests.splice(0, LOG_MAX / 2);
	}

	latencyOf(target) {
		const { latency_by_path: byPath, latency_ms: usual } = this.knobs;
		const prefixes = Object.keys(byPath).filter((prefix) => target.startsWith(prefix));
		if (!prefixes.length) return usual;
		return byPath[prefixes.reduce((a, b) => (b.length > a.length ? b : a))];
	}

	hangs(target) {
		return this.knobs.hang.some((prefix) => target.startsWith(prefix));
	}

	// The failure ordered for this request, if any; it is used up here.
	takeFailure(method, target) {
		const rule = this.knobs.fail.find((r) => target.startsWith(r.path_prefix)
			&& (r.method ?? method) === method && (r.times === undefined || r.times > 0));
		if (rule?.times !== undefined) rule.times -= 1;
		return rule ?? null;
	}

	async serve(req, path) {
		if (path === '/__control/requests') return json(this.requests);
		if (path !== '/__control') return json({ error: 'no such control' }, 404);
		if (req.method === 'GET') return json(this.state());
		if (req.method !== 'POST') return json({ error: 'GET or POST' }, 405);
		try {
			return json(this.apply(JSON.parse(await readBody(req))));
		} catch (error) {
			return json({ error: error.message }, 400);
		}
	}
}
