// A stand-in identity provider, as sites have them elsewhere: forms of one page, of two pages and of one page
// that changes, pages in between, and the three ways back to a site. Node's standard library only.
//
//   const idp = await startIdp({ users: {maya: 'password'}, host: '127.0.0.2' });
//   startMoodle({ idp })         the site sends students there (login.mjs: idp.url, idp.redeem())
//   idp.behave({ form: 'two' }); idp.seen; idp.counts; await idp.close();
//
// behave() starts from the usual and changes:
//   form: 'one' | 'two' | 'script'    username and password together; on two pages; one after the other in
//                                     one document that a script changes (which wants its input events)
//   code: '135790'                    asks for it behind the password
//   stay: true, consent: true         "stay signed in?", "share these data?" behind the password
//   error: false                      a wrong password shows the form again without a word
//   action: 'http://…'                the form's address, password's included
//   after: 'http://…'                 where the password's answer redirects to, with the POST (307)
//   script: 'http://…'                a script that pages load, from elsewhere
//   unknown: true                     a page that nobody expects in place of the form
//   status: 500                       instead of the form
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { parseCookies, readBody } from './http.mjs';
import { escapeHtml } from './strings.mjs';

const USUAL = { form: 'one', code: null, stay: false, consent: false, error: true, action: null, after: null, script: null, unknown: false, status: 0 };
const FLOWS = ['/saml', '/oauth', '/cas'];

class Idp {
	mode = USUAL;
	seen = []; // {method, path, body}
	counts = { passwords: 0, wrong: 0, codes: 0 };
	#pending = new Map(); // of a cookie: {flow, back, state, username, stage}
	#tickets = new Map();

	constructor(users) {
		this.users = users;
	}

	behave(mode) {
		this.mode = { ...USUAL, ...mode };
		this.seen.length = 0;
		this.counts = { passwords: 0, wrong: 0, codes: 0 };
	}

	// Whose ticket this is; it is good once.
	redeem(ticket) {
		const username = this.#tickets.get(ticket);
		this.#tickets.delete(ticket);
		return username;
	}

	// Any path begins with a visit that one of FLOWS opened.
	async serve(req, res) {
		const url = new URL(req.url, this.url);
		const form = new URLSearchParams(req.method === 'POST' ? await readBody(req) : '');
		this.seen.push({ method: req.method, path: req.url, body: form.toString() });
		if (FLOWS.includes(url.pathname)) return this.#begin(res, url);
		const visit = this.#pending.get(parseCookies(req.headers.cookie).get('idp'));
		if (!visit) return this.#page(res, '<p id="lost">No sign-in is going on.</p>');
		if (url.pathname === '/hop') return this.#leave(res, visit);
		if (req.method === 'POST') return this.#posted(res, visit, url.pathname, form);
		return this.#show(res, visit);
	}

	#begin(res, url) {
		const id = randomUUID();
		const back = url.searchParams.get('service') ?? url.searchParams.get('back');
		this.#pending.set(id, { flow: url.pathname, back, state: url.searchParams.get('state'), stage: 'name', username: '' });
		res.writeHead(302, { 'Set-Cookie': `idp=${id}; HttpOnly; path=/`, Location: '/sign-in' }).end();
	}

	#posted(res, visit, path, form) {
		if (path === '/name') Object.assign(visit, { username: form.get('identifier'), stage: 'password' });
		else if (path === '/password') return this.#password(res, visit, form);
		else if (path === '/code') this.#code(visit, form.get('otp'));
		else if (path === '/stay' || path === '/consent') visit.stage = path === '/stay' && this.mode.consent ? 'consent' : 'done';
		return this.#on(res, visit);
	}

	#password(res, visit, form) {
		this.counts.passwords += 1;
		const username = form.get('identifier') ?? visit.username;
		if (this.users[username] !== form.get('secret')) {
			this.counts.wrong += 1;
			Object.assign(visit, { wrong: true, stage: 'name' });
			return this.#on(res, visit);
		}
		if (this.mode.after) return res.writeHead(307, { Location: this.mode.after }).end();
		const { code, stay, consent } = this.mode;
		Object.assign(visit, { username, stage: code ? 'code' : stay ? 'stay' : consent ? 'consent' : 'done' });
		return this.#on(res, visit);
	}

	#code(visit, otp) {
		this.counts.codes += 1;
		if (otp === this.mode.code) visit.stage = 'done';
		else visit.wrong = true;
	}

	#on(res, visit) {
		return res.writeHead(303, { Location: visit.stage === 'done' && visit.flow === '/oauth' ? '/hop' : '/sign-in' }).end();
	}

	#show(res, visit) {
		const said = visit.wrong && this.mode.error ? '<p id="error" role="alert">That is not right.</p>' : '';
		visit.wrong = false;
		if (this.mode.status) return res.writeHead(this.mode.status, { 'Content-Type': 'text/html' }).end('<h1>Broken</h1>');
		if (this.mode.unknown) return this.#page(res, '<h1>Our service has moved</h1>');
		if (visit.stage === 'done') return this.#leave(res, visit);
		const action = (path) => escapeHtml(this.mode.action ?? path);
		const pages = {
			name: () => this.#nameForm(action),
			password: () => `<form method="post" action="${action('/password')}"><input type="password" id="secret" name="secret"><button id="go">Sign in</button></form>`,
			code: () => `<form method="post" action="${action('/code')}"><input id="otp" name="otp" inputmode="numeric"><button id="verify">Verify</button></form>`,
			stay: () => '<p id="stay">Stay signed in?</p><form method="post" action="/stay"><button id="no">No</button><button id="yes" name="yes" value="1">Yes</button></form>',
			consent: () => '<p id="consent">Share your name with the site?</p><form method="post" action="/consent"><button id="agree">Yes</button></form>',
		};
		return this.#page(res, said + pages[visit.stage]());
	}

	#nameForm(action) {
		const name = '<input type="text" id="identifier" name="identifier">';
		const secret = '<input type="password" id="secret" name="secret">';
		if (this.mode.form === 'two') return `<form method="post" action="${action('/name')}">${name}<input name="action" type="hidden" value="x"><button id="next">Next</button></form>`;
		if (this.mode.form === 'one') return `<form method="post" action="${action('/password')}">${name}${secret}<button id="go">Sign in</button></form>`;
		return `<form method="post" action="${action('/password')}"><div id="first">${name}<button type="button" id="next">Next</button></div>
<div id="second" hidden>${secret}<button id="go">Sign in</button></div></form>
<script>let typed = false; identifier.addEventListener('input', () => { typed = true; });
next.addEventListener('click', () => { if (typed) setTimeout(() => { first.style.visibility = 'hidden'; second.hidden = false; }, 50); });</script>`;
	}

	#leave(res, visit) {
		const ticket = `ST-${randomUUID()}`;
		this.#tickets.set(ticket, visit.username);
		const back = new URL(visit.back);
		if (visit.flow === '/saml') {
			return this.#page(res, `<form method="post" action="${escapeHtml(back.href)}"><input type="hidden" name="SAMLResponse" value="${ticket}"><input type="hidden" name="RelayState" value="${escapeHtml(visit.state)}"><noscript><button>Go on</button></noscript></form><script>document.forms[0].submit()</script>`);
		}
		back.searchParams.set(visit.flow === '/cas' ? 'ticket' : 'code', ticket);
		if (visit.state) back.searchParams.set('state', visit.state);
		return res.writeHead(302, { Location: back.href }).end();
	}

	#page(res, body) {
		const script = this.mode.script ? `<script src="${escapeHtml(this.mode.script)}"></script>` : '';
		res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
		res.end(`<!DOCTYPE html><html><head><title>Sign in</title><link rel="icon" href="data:,"></head><body>${body}${script}</body></html>`);
	}
}

export async function startIdp({ users, host = '127.0.0.2', port = 0 }) {
	const idp = new Idp(users);
	const server = http.createServer((req, res) => idp.serve(req, res).catch((error) => {
		if (!res.headersSent) res.writeHead(500);
		res.end(String(error));
	}));
	await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
	idp.host = `${host}:${server.address().port}`;
	idp.url = `http://${idp.host}`;
	idp.close = () => new Promise((resolve) => {
		server.close(resolve);
		server.closeAllConnections();
	});
	return idp;
}
