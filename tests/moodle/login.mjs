// Sign-in, sign-out, and the stops on the way to a page (password change, policy, ...).
import { shows } from './generations.mjs';
import { html, redirect } from './http.mjs';
import { escapeHtml, text } from './strings.mjs';
import { fatalPage, fullName, hiddenField, logoutUrl, page } from './page.mjs';
import { GUEST, randomText } from './sessions.mjs';

// Where a half signed-in student is sent, and what the ajax calls that need more then say.
export const DETOURS = {
	change_password: { path: '/login/change_password.php', id: 'page-login-change_password', errorcode: 'forcepasswordchangenotice' },
	policy: { path: '/user/policy.php', id: 'page-user-policy', errorcode: 'sitepolicynotagreed' },
	profile: { path: '/user/edit.php', id: 'page-user-edit', errorcode: 'usernotfullysetup' },
	mfa: { path: '/admin/tool/mfa/auth.php', id: 'page-admin-tool-mfa-auth', errorcode: 'redirecterrordetected' },
};

const DETOUR_FIELDS = {
	change_password: ['password', 'newpassword1', 'newpassword2', 'logoutothersessions'],
	policy: ['agree'],
	profile: ['firstname', 'lastname', 'email'],
};

// What stops the signed-in student of this session: a key of DETOURS, or undefined.
export function detourOf(session) {
	return session.hasPassedFactor ? undefined : session.user?.detour;
}

export function toLogin(ctx) {
	ctx.session.wantsUrl = ctx.wwwroot + ctx.target;
	return redirect(ctx, '/login/index.php');
}

// A signed-in student may still not reach the page: a reply that says why, or null.
export function stopFor(ctx) {
	if (ctx.control.knobs.maintenance) return maintenancePage(ctx);
	const detour = DETOURS[detourOf(ctx.session)];
	return detour ? redirect(ctx, detour.path) : null;
}

function maintenancePage(ctx) {
	return comeBack(page(ctx, {
		id: 'page-maintenance-message', title: 'Maintenance', layout: 'maintenance', status: 503,
		main: `<p>${text(ctx.lang, 'maintenance')}</p>`,
	}));
}

const comeBack = (reply, more) => ({ ...reply, headers: { ...reply.headers, 'Retry-After': '300', ...more } });

// Of the site that is being upgraded: a file instead of every page, and of every answer.
export const closedPage = (ctx) => comeBack(html(`<!DOCTYPE html><html><head><title>States under maintenance</title></head>
<body><div id="page"><div id="region-main"><h1>${text(ctx.siteLang, 'maintenance')}</h1></div></div></body></html>`, 503),
{ Expires: 'Mon, 20 Aug 1969 09:23:00 GMT', 'Accept-Ranges': 'none' });

export function loginPage(ctx) {
	const { session, query } = ctx;
	if (ctx.method === 'POST') return signIn(ctx, new URLSearchParams(ctx.body));
	if (query.has('testsession')) return testSession(ctx);
	if (ctx.control.knobs.cas) return visitCas(ctx);
	if (session.user && !session.user.isGuest) return alreadySignedIn(ctx);
	return loginForm(ctx);
}

const isOld = ({ generation }) => generation.startsWith('3.');
const tellsLockout = (ctx) => shows(ctx, 'config');

function errorElement(ctx, message) {
	if (!message) return '';
	const words = escapeHtml(message);
	if (isOld(ctx)) {
		return `<div class="loginerrors mt-3"><a href="#" id="loginerrormessage" class="accesshide">${words}</a>
<div class="alert alert-danger" role="alert" data-aria-autofocus="true">${words}</div></div>`;
	}
	if (shows(ctx, 'overview')) return `<div id="loginerrormessage" class="alert alert-danger" role="alert">${words}</div>`;
	return `<a href="#" id="loginerrormessage" class="sr-only">${words}</a>
<div class="alert alert-danger" role="alert">${words}</div>`;
}

function loginForm(ctx, now = null) {
	const { session, wwwroot, lang } = ctx;
	const notice = now ?? session.notice;
	session.notice = null;
	const maintenance = ctx.control.knobs.maintenance
		? `<div class="alert alert-danger login-maintenance">${text(lang, 'maintenance')}</div>` : '';
	const form = ctx.control.knobs.login_form ? passwordForm(ctx) : identityProviders(ctx);
	const main = `<div class="loginform">${errorElement(ctx, notice && text(lang, notice))}${maintenance}
${form}
<form action="${wwwroot}/login/index.php" method="post" id="guestlogin">
${hiddenField('logintoken', session.guesttoken)}
<input type="hidden" name="username" value="guest"><input type="hidden" name="password" value="guest">
<button class="btn btn-secondary" type="submit" id="loginguestbtn">${text(lang, 'loginguest')}</button>
</form></div>`;
	return page(ctx, { id: 'page-login-index', title: text(lang, 'login'), layout: 'login', main });
}

function identityProviders(ctx) {
	const { wwwroot, session } = ctx;
	if (isOld(ctx)) {
		return `<h6 class="mt-2">Log in using your account on:</h6><div class="potentialidplist" class="mt-3"><div class="potentialidp"><a href="${wwwroot}/auth/oauth2/login.php?id=1&amp;wantsurl=%2F&amp;sesskey=${session.sesskey}" title="University account" class="btn btn-secondary btn-block">University account</a></div></div>`;
	}
	return `<div class="login-identityproviders"><a class="btn login-identityprovider-btn" href="${wwwroot}/auth/oauth2/login.php?id=1&amp;wantsurl=%2F&amp;sesskey=${session.sesskey}">University account</a></div>`;
}

// Up to 3.11 with a box that remembers the name, and the button above it.
function oldPasswordForm({ wwwroot, lang, session }) {
	return `<form class="mt-3" action="${wwwroot}/login/index.php" method="post" id="login">
<input id="anchor" type="hidden" name="anchor" value="">
<script>document.getElementById('anchor').value = location.hash;</script>
${hiddenField('logintoken', session.logintoken)}
<div class="form-group"><label for="username" class="sr-only">${text(lang, 'username')}</label>
<input type="text" name="username" id="username" class="form-control" value="" placeholder="${text(lang, 'username')}" autocomplete="username"></div>
<div class="form-group"><label for="password" class="sr-only">${text(lang, 'password')}</label>
<input type="password" name="password" id="password" value="" class="form-control" placeholder="${text(lang, 'password')}" autocomplete="current-password"></div>
<div class="rememberpass mt-3"><input type="checkbox" name="rememberusername" id="rememberusername" value="1"><label for="rememberusername">Remember username</label></div>
<button type="submit" class="btn btn-primary btn-block mt-3" id="loginbtn">${text(lang, 'login')}</button>
</form>`;
}

function passwordForm(ctx) {
	const { wwwroot, lang, session } = ctx;
	if (isOld(ctx)) return oldPasswordForm(ctx);
	return `<form class="login-form" action="${wwwroot}/login/index.php" method="post" id="login">
<input id="anchor" type="hidden" name="anchor" value="">
<script>document.getElementById('anchor').value = location.hash;</script>
${hiddenField('logintoken', session.logintoken)}
<label for="username" class="sr-only">${text(lang, 'username')}</label>
<input type="text" name="username" id="username" class="form-control" value="" placeholder="${text(lang, 'username')}" autocomplete="username">
<label for="password" class="sr-only">${text(lang, 'password')}</label>
<input type="password" name="password" id="password" value="" class="form-control" placeholder="${text(lang, 'password')}" autocomplete="current-password">
<button class="btn btn-primary btn-lg" type="submit" id="loginbtn">${text(lang, 'login')}</button>
</form>`;
}

function alreadySignedIn(ctx) {
	const { wwwroot, lang, session } = ctx;
	const main = `<div id="modal-body"><p>${text(lang, 'alreadyloggedin', escapeHtml(fullName(session.user)))}</p>
<form method="post" action="${wwwroot}/login/logout.php">${hiddenField('sesskey', session.sesskey)}${hiddenField('loginpage', 1)}<button type="submit">${text(lang, 'logout')}</button></form>
<form method="get" action="${wwwroot}/"><button type="submit">${text(lang, 'cancel')}</button></form></div>`;
	return page(ctx, { id: 'page-login-index', title: text(lang, 'login'), layout: 'login', main });
}

function testSession(ctx) {
	const { session, query } = ctx;
	if (session.user && String(session.user.id) === query.get('testsession')) {
		const wanted = session.wantsUrl ?? `${ctx.wwwroot}/my/`;
		session.wantsUrl = null;
		return redirect(ctx, wanted);
	}
	return loginForm(ctx, 'cookiesnotenabled');
}

function signIn(ctx, form) {
	const { session } = ctx;
	const name = (form.get('username') ?? '').trim().toLowerCase();
	const token = form.get('logintoken');
	const tokenFits = token === session.logintoken || token === session.guesttoken;
	session.logintoken = randomText(32);
	session.guesttoken = randomText(32);
	if (!tokenFits) return refuse(ctx);
	if (name === 'guest' && form.get('password') === 'guest') return admit(ctx, GUEST);

	const user = ctx.site.users.get(name);
	const locked = user && (user.locked || ctx.control.knobs.lock[name]);
	if (locked && !tellsLockout(ctx)) return refuse(ctx);
	if (locked) {
		ctx.control.count('failed_logins');
		return loginForm(ctx, 'lockedout');
	}
	if (!user || user.suspended || user.password !== form.get('password')) return refuse(ctx);
	if (user.detour === 'unconfirmed') {
		return page(ctx, { id: 'page-login-index', title: text(ctx.lang, 'unconfirmed'), layout: 'login', main: `<p>${text(ctx.lang, 'unconfirmed')}</p>` });
	}
	if (user.detour === 'expired') return expiredPage(ctx);
	return admit(ctx, user);
}

// Of a password that is changed at another site: nobody is signed in.
const expiredPage = (ctx) => page(ctx, {
	id: 'page-login-index', title: ctx.site.name, layout: 'login',
	main: `<div role="alertdialog" id="notice" class="box py-3 modal-dialog"><p>Your password has expired.</p>
<form method="get" action="${ctx.wwwroot}/my/"><button type="submit">Cancel</button></form>
<form method="post" action="https://passwords.example.edu/"><button type="submit">Continue</button></form></div>`,
});

// Without a question, where the site does so with visitors.
export function makeGuest(ctx) {
	ctx.moveTo(ctx.sessions.renew(ctx.session, GUEST));
}

function refuse(ctx) {
	ctx.control.count('failed_logins');
	ctx.session.notice = 'invalidlogin';
	return redirect(ctx, tellsLockout(ctx) ? '/login/index.php?loginredirect=1' : '/login/index.php');
}

function admit(ctx, user) {
	ctx.control.count('logins');
	if (ctx.control.knobs.single_session) ctx.sessions.endOlder(user);
	ctx.moveTo(ctx.sessions.renew(ctx.session, user));
	const to = user.detour === 'change_password'
		? DETOURS.change_password.path : `/login/index.php?testsession=${user.id}`;
	return { ...redirect(ctx, to), cookies: rememberedName(ctx) };
}

// Moodle first deletes the cookie that remembers the name, and then sets it, in one answer.
function rememberedName(ctx) {
	const rest = `path=${ctx.base}/`;
	return [
		`MOODLEID1_=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; ${rest}`,
		`MOODLEID1_=%25${randomText(16)}; Max-Age=5184000; ${rest}; HttpOnly`,
	];
}

export function logout(ctx) {
	const { session, wwwroot } = ctx;
	const key = ctx.query.get('sesskey') ?? new URLSearchParams(ctx.body).get('sesskey');
	if (!session.user) return redirect(ctx, '/login/index.php');
	if (key !== session.sesskey) {
		return page(ctx, {
			id: 'page-login-logout', title: text(ctx.lang, 'logout'),
			main: `<form method="post" action="${wwwroot}/login/logout.php">${hiddenField('sesskey', session.sesskey)}<button>${text(ctx.lang, 'logout')}</button></form>`,
		});
	}
	ctx.sessions.end(session);
	ctx.moveTo(ctx.sessions.create());
	return redirect(ctx, '/');
}

const FACTOR_TRIES = 3;

// A code is good once for each session; after too many wrong ones the session ends.
function checkFactor(ctx, form) {
	const { session } = ctx;
	ctx.control.count('factor_tries');
	if (form.get('sesskey') === session.sesskey && form.get('factor') === 'email'
		&& form.get('verificationcode') === session.user.mfa_code) {
		session.hasPassedFactor = true;
		return redirect(ctx, '/my/');
	}
	session.factorTries = (session.factorTries ?? 0) + 1;
	if (session.factorTries >= FACTOR_TRIES) {
		ctx.sessions.end(session);
		ctx.moveTo(ctx.sessions.create());
		return redirect(ctx, '/login/index.php');
	}
	return redirect(ctx, DETOURS.mfa.path);
}

// The page of a stop, shown until it is dealt with (which the stand-in can do for a second factor).
export function detourPage(ctx) {
	const { session } = ctx;
	if (!session.user) return toLogin(ctx);
	const [kind, detour] = Object.entries(DETOURS).find(([, d]) => d.path === ctx.path);
	if (kind === 'mfa' && session.hasPassedFactor) return redirect(ctx, '/my/');
	if (session.user.detour !== kind) return fatalPage(ctx, 'Nothing to do here');
	if (kind === 'mfa' && ctx.method === 'POST') return checkFactor(ctx, new URLSearchParams(ctx.body));
	const fields = kind === 'mfa' ? [factorFields(session.user)]
		: DETOUR_FIELDS[kind].map((name) => `<label>${name} <input name="${name}"></label>`);
	const cancel = kind === 'mfa' ? `<form id="cancelmfa" action="${logoutUrl(ctx)}" method="post"><button>${text(ctx.lang, 'cancel')}</button></form>` : '';
	return page(ctx, {
		id: detour.id, title: kind.replace('_', ' '),
		main: `<form class="mform" method="post" action="${ctx.wwwroot}${detour.path}">${hiddenField('sesskey', session.sesskey)}
${fields.join('\n')}<input type="submit" name="submitbutton" value="OK"></form>${cancel}`,
	});
}

// A user without a code has a factor that is none (a security key).
function factorFields(user) {
	if (!user.mfa_code) return hiddenField('factor', 'webauthn');
	return `${hiddenField('factor', 'email')}<label>Code <input type="text" name="verificationcode" autocomplete="one-time-code"></label>`;
}

// ---------------------------------------------------------------- signing in elsewhere (idp.mjs)

// Back with the provider's ticket: signed in, or told that nobody knows whose it is.
function arrive(ctx, ticket, state) {
	const username = ctx.idp.redeem(ticket);
	const user = ctx.site.users.get(username);
	if (!user || (state !== undefined && state !== ctx.session.sesskey)) return refuse(ctx);
	return admit(ctx, user);
}

const toProvider = (ctx, path, fields) => redirect(ctx, `${ctx.idp.url}${path}?${new URLSearchParams(fields)}`);

function visitCas(ctx) {
	if (ctx.query.has('ticket')) return arrive(ctx, ctx.query.get('ticket'));
	return toProvider(ctx, '/cas', { service: `${ctx.wwwroot}/login/index.php` });
}

export function visitShibboleth(ctx) {
	if (ctx.method !== 'POST') return toProvider(ctx, '/saml', { back: `${ctx.wwwroot}/auth/shibboleth/index.php`, state: ctx.session.sesskey });
	const form = new URLSearchParams(ctx.body);
	return arrive(ctx, form.get('SAMLResponse'), form.get('RelayState'));
}

export function visitOAuth(ctx) {
	if (ctx.query.get('sesskey') !== ctx.session.sesskey) return fatalPage(ctx, 'Incorrect sesskey submitted, form not accepted!');
	return toProvider(ctx, '/oauth', { back: `${ctx.wwwroot}/admin/oauth2callback.php`, state: ctx.session.sesskey });
}

export function returnFromOAuth(ctx) {
	return arrive(ctx, ctx.query.get('code'), ctx.query.get('state'));
}
