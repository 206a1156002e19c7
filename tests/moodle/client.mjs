// A small client for the tests of the stand-in: a cookie jar over fetch, redirects by hand.
export class Client {
	cookies = new Map();
	constructor(moodle) {
		this.moodle = moodle;
	}

	async get(path, options = {}) {
		const url = path.startsWith('http') ? path : this.moodle.url + path;
		const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
		const headers = { ...(cookie && { cookie }), ...options.headers };
		const response = await fetch(url, { redirect: 'manual', ...options, headers });
		for (const line of response.headers.getSetCookie()) this.#store(line);
		return response;
	}

	#store(line) {
		const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
		if (/Max-Age=0/.test(line)) this.cookies.delete(name);
		else this.cookies.set(name, value);
	}

	async text(path) {
		return (await this.get(path)).text();
	}

	post(path, form) {
		return this.get(path, { method: 'POST', body: new URLSearchParams(form) });
	}

	// Follows redirects; resolves to { status, text, hops } of the last page.
	async follow(response) {
		const hops = [];
		let last = response;
		while (last.status === 303) {
			hops.push(last.headers.get('location').slice(this.moodle.url.length));
			last = await this.get(last.headers.get('location'));
		}
		return { status: last.status, text: await last.text(), hops };
	}

	async postLogin(username, password = 'Pensum-demo-1') {
		const form = await this.text('/login/index.php');
		const [, logintoken] = /id="login">[^]*?name="logintoken" value="(\w+)"/.exec(form);
		return this.post('/login/index.php', { username, password, logintoken, anchor: '' });
	}

	async login(username, password) {
		const done = await this.follow(await this.postLogin(username, password));
		this.sesskey = sesskeyOf(done.text);
		return done;
	}

	async ajax(methodname, args = {}, { sesskey = this.sesskey, script = 'service' } = {}) {
		const query = sesskey === null ? '' : `?sesskey=${sesskey}`;
		const body = JSON.stringify([{ index: 0, methodname, args }]);
		const response = await this.get(`/lib/ajax/${script}.php${query}`, { method: 'POST', body });
		const answer = await response.json();
		return Array.isArray(answer) ? answer[0] : answer;
	}
}

export function sesskeyOf(page) {
	return /"sesskey":"(\w+)"/.exec(page)?.[1];
}
