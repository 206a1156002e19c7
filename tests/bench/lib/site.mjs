// The local site of the bench, a process of its own; prints its URL, ends with its standard input.
//
//   GET /login        a form; POST signs in (a cookie) and leads to /home
//   GET /home         a light page; ?open needs no sign-in
//   GET /data/N       JSON after 50 ms, for who may see /home
import crypto from 'node:crypto';
import http from 'node:http';
import { ACCOUNT, DELAY_MS, valueOf } from './job.mjs';

const sessions = new Set();
const page = (title, body) => `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<link rel="icon" href="data:,"><style>body { font: 16px sans-serif; margin: 2em auto; max-width: 40em }</style></head>
<body><h1>${title}</h1>${body}</body></html>`;
const LOGIN = page('Sign in', `<form method="post" action="/login"><label>Username <input name="username"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form>`);
const HOME = page('Home', `<ul>${Array.from({ length: 40 }, (_, n) => `<li>Course ${n}, <a href="#${n}">open</a></li>`).join('')}</ul>`);
const filling = 'x'.repeat(2000);

const isSignedIn = (request) => sessions.has(/session=(\w+)/.exec(request.headers.cookie)?.[1]);

function send(response, status, headers, body = '') {
	response.writeHead(status, { 'Cache-Control': 'no-store', ...headers });
	response.end(body);
}
const sendPage = (response, text) => send(response, 200, { 'Content-Type': 'text/html; charset=utf-8' }, text);
const redirect = (response, Location, more) => send(response, 303, { Location, ...more });

async function signIn(request, response) {
	let body = '';
	for await (const piece of request) body += piece;
	const form = new URLSearchParams(body);
	if (form.get('username') !== ACCOUNT.username || form.get('password') !== ACCOUNT.password) return sendPage(response, LOGIN);
	const session = crypto.randomBytes(16).toString('hex');
	sessions.add(session);
	redirect(response, '/home', { 'Set-Cookie': `session=${session}; HttpOnly; Path=/` });
}

function answer(request, response) {
	const url = new URL(request.url, 'http://site');
	const mayPass = url.search === '?open' || isSignedIn(request);
	if (url.pathname === '/login' && request.method === 'POST') return signIn(request, response);
	if (url.pathname === '/login') return isSignedIn(request) ? redirect(response, '/home') : sendPage(response, LOGIN);
	if (url.pathname === '/home') return mayPass ? sendPage(response, HOME) : redirect(response, '/login');
	const data = /^\/data\/(\d+)$/.exec(url.pathname);
	if (!data || !mayPass) return send(response, data ? 401 : 404, {});
	setTimeout(() => send(response, 200, { 'Content-Type': 'application/json' },
		JSON.stringify({ value: valueOf(Number(data[1])), filling })), DELAY_MS);
}

const server = http.createServer({ keepAliveTimeout: 30_000 }, answer);
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on('end', () => process.exit(0));
