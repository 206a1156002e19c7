// From a request to its reply: the visitor's session and its lock, the ordered misbehaviour,
// the one table of URLs, and the log.
import { setTimeout as sleep } from 'node:timers/promises';
import { serveAjax, serveNoLogin } from './ajax.mjs';
import { listAssigns, overview } from './assign-list.mjs';
import { viewAssign } from './assign-view.mjs';
import * as courses from './courses.mjs';
import { serveFile } from './files.mjs';
import { html, parseCookies, readBody, send } from './http.mjs';
import * as login from './login.mjs';
import { fatalPage } from './page.mjs';
import { isLanguage } from './strings.mjs';
import { serveRest, serveToken } from './web-service.mjs';

// `open`: also for visitors who are not signed in, or stopped on the way (password change, ...).
const ROUTES = {
	'/': { serve: courses.frontPage, open: true },
	'/index.php': { serve: courses.frontPage, open: true },
	'/login/index.php': { serve: login.loginPage, open: true },
	'/login/logout.php': { serve: login.logout, open: true },
	'/login/change_password.php': { serve: login.detourPage, open: true },
	'/user/edit.php': { serve: login.detourPage, open: true },
	'/user/policy.php': { serve: login.detourPage, open: true },
	'/admin/tool/mfa/auth.php': { serve: login.detourPage, open: true },
	'/auth/shibboleth/index.php': { serve: login.visitShibboleth, open: true },
	'/auth/oauth2/login.php': { serve: login.visitOAuth, open: true },
	'/admin/oauth2callback.php': { serve: login.returnFromOAuth, open: true },
	'/my/': { serve: courses.dashboard, guests: true },
	'/my/index.php': { serve: courses.dashboard, guests: true },
	'/my/courses.php': { serve: courses.myCourses, guests: true },
	'/user/preferences.php': { serve: courses.preferences },
	'/user/profile.php': { serve: courses.profile },
	'/course/view.php': { serve: courses.coursePage, guests: true },
	'/course/overview.php': { serve: overview, guests: true },
	'/enrol/index.php': { serve: courses.enrolPage, guests: true },
	'/mod/assign/index.php': { serve: listAssigns, open: true },
	'/mod/assign/view.php': { serve: viewAssign, guests: true },
	'/login/token.php': { serve: serveToken, open: true },
	'/webservice/rest/server.php': { serve: serveRest, open: true },
	'/lib/ajax/service.php': { serve: serveAjax, open: true },
	'/lib/ajax/service-nologin.php': { serve: serveNoLogin, open: true },
};

const NOT_MOODLE = '<!DOCTYPE html><html lang="en"><head><title>Welcome</title></head>'
	+ '<body><h1>It works</h1><p>This is the default page of this server.</p></body></html>';

function routeOf(path) {
	if (/^\/pluginfile\.php(\/|$)/.test(path)) return { serve: serveFile, open: true };
	return Object.hasOwn(ROUTES, path) ? ROUTES[path] : null;
}

function sessionCookie(ctx) {
	return `MoodleSession=${ctx.session.id}; path=${ctx.base}/; HttpOnly`;
}

function languageOf(ctx) {
	const { session, query } = ctx;
	if (isLanguage(query.get('lang'))) session.lang = query.get('lang');
	return session.lang ?? session.user?.lang ?? ctx.siteLang;
}

async function makeContext(moodle, req, url) {
	const { site, sessions, control, wwwroot, base, idp } = moodle;
	const path = url.pathname.slice(base.length) || '/';
	const ctx = {
		site, sessions, control, wwwroot, base, idp, req, path,
		siteLang: moodle.lang,
		method: req.method,
		query: url.searchParams,
		target: path + url.search,
		now: Math.floor(Date.now() / 1000),
		get generation() { return control.knobs.generation; },
	};
	ctx.body = req.method === 'POST' ? await readBody(req) : '';
	return ctx;
}

// The session is looked up again after the wait for its lock: it may have ended meanwhile.
async function takeSession(ctx) {
	const id = parseCookies(ctx.req.headers.cookie).get('MoodleSession');
	const release = await (ctx.sessions.find(id)?.lock() ?? (() => {}));
	const found = ctx.sessions.find(id);
	ctx.session = found ?? ctx.sessions.create(id);
	ctx.cookies = found ? [] : [sessionCookie(ctx)];
	// The ids of a session change at sign-in; handlers use this to move to the new one.
	ctx.moveTo = (session) => {
		ctx.session = session;
		ctx.cookies = [sessionCookie(ctx)];
	};
	ctx.lang = languageOf(ctx);
	return release;
}

function failureReply({ status, body = `<h1>${status}</h1>`, headers = {} }) {
	const reply = html(body, status);
	return { ...reply, headers: { ...reply.headers, ...headers } };
}

function answer(ctx) {
	const { knobs } = ctx.control;
	const failure = ctx.control.takeFailure(ctx.method, ctx.target);
	if (failure) return failureReply(failure);
	if (knobs.not_moodle) return html(NOT_MOODLE);
	if (knobs.maintenance === 'closed') return login.closedPage(ctx);
	const route = routeOf(ctx.path);
	if (!route) return fatalPage(ctx, 'Sorry, the requested page could not be found');
	if (knobs.autologin_guests && !ctx.session.user && (route.guests || ctx.path.startsWith('/mod/'))) login.makeGuest(ctx);
	if (!route.open) {
		const { user } = ctx.session;
		if (!user || (user.isGuest && !route.guests)) return login.toLogin(ctx);
		const stop = login.stopFor(ctx);
		if (stop) return stop;
	}
	if (!ctx.path.includes('/ajax/')) ctx.session.lastUsed = Date.now();
	return route.serve(ctx);
}

// Ends the request's turn, once: before its reply is sent, or when the client has gone (status 0).
function makeEnd(moodle, ctx, release, started) {
	const user = ctx.session.user?.username ?? null;
	let ended = false;
	return (status) => {
		if (ended) return;
		ended = true;
		release();
		const ms = Math.round(performance.now() - started);
		moodle.control.record({ method: ctx.method, path: ctx.target, user, status, ms });
		moodle.log(`${ctx.method} ${ctx.target} ${user ?? '-'} ${status} ${ms}ms`);
	};
}

async function serve(moodle, req, res, url) {
	const started = performance.now();
	const ctx = await makeContext(moodle, req, url);
	const release = await takeSession(ctx);
	const end = makeEnd(moodle, ctx, release, started);
	res.once('close', () => end(0));
	if (res.destroyed || moodle.control.hangs(ctx.target)) {
		if (res.destroyed) end(0);
		return;
	}
	try {
		const wait = moodle.control.latencyOf(ctx.target);
		if (wait > 0) await sleep(wait);
		const reply = await answer(ctx);
		end(reply.status);
		if (reply.status === 0) res.destroy();
		else send(req, res, { ...reply, cookies: [...ctx.cookies, ...(reply.cookies ?? [])] });
	} finally {
		end(500);
	}
}

export function makeHandler(moodle) {
	return async (req, res) => {
		try {
			const url = new URL(req.url, 'http://site');
			if (!url.pathname.startsWith(`${moodle.base}/`)) return send(req, res, html('<h1>Not Found</h1>', 404));
			const path = url.pathname.slice(moodle.base.length);
			if (path === '/__control' || path.startsWith('/__control/')) {
				return send(req, res, await moodle.control.serve(req, path));
			}
			await serve(moodle, req, res, url);
		} catch (error) {
			moodle.log(`error: ${error.stack}`);
			if (!res.headersSent) send(req, res, html('<h1>Internal error of the stand-in</h1>', 500));
		}
		return undefined;
	};
}
