// The frame of every page: M.cfg, the body's id and classes, the user menu, the region of the page.
import { revisionOf, shows } from './generations.mjs';
import { html } from './http.mjs';
import { directionOf, escapeHtml, formatString, text, timezoneName } from './strings.mjs';
import { TIMEOUT_S } from './sessions.mjs';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1d2125}
nav,#page,footer{padding:.75rem 1.5rem}nav,footer{background:#f5f7f9}table{border-collapse:collapse}
td,th{border:1px solid #d5dbe1;padding:.35rem .6rem;text-align:start}#page{max-width:60rem}
.alert-danger{background:#f8d7da;padding:.5rem 1rem}.activity-dates{color:#555}`;

export const fullName = (user) => `${user.firstname} ${user.lastname}`.trim();

// PHP's json_encode escapes slashes, which also keeps "</script>" out of the page.
const phpJson = (value) => JSON.stringify(value).replaceAll('/', '\\/');

function config(ctx, { course, assign, contextid }) {
	const { session, wwwroot, site } = ctx;
	const userId = session.user?.id ?? 0;
	const newer = shows(ctx, 'config') ? { apibase: `${wwwroot}/r.php/api`, homeurl: {}, userId } : {};
	const place = shows(ctx, 'courseConfig') ? {
		language: ctx.lang, siteId: 1, courseId: course?.id ?? 1, courseContextId: course?.contextid ?? 2,
		contextInstanceId: assign?.cmid ?? course?.id ?? 1,
	} : {};
	return {
		wwwroot, ...newer, sesskey: session.sesskey, sessiontimeout: String(TIMEOUT_S),
		sessiontimeoutwarning: '1200', themerev: '1', slasharguments: 1, theme: 'boost',
		iconsystemmodule: 'core/icon_system_fontawesome', jsrev: '1', admin: 'admin', svgicons: true,
		usertimezone: timezoneName(session.user?.timezone ?? site.timezone, ctx.lang),
		...place, contextid: contextid ?? assign?.contextid ?? course?.contextid ?? 2, langrev: revisionOf(ctx), templaterev: '1',
	};
}

// Up to 3.11 the header of all pages of a course is the course's, with the way to the page below it.
function pageHeader(ctx, { heading, course, assign }) {
	if (!course || shows(ctx, 'innerHeader')) return `<h1 class="h2">${formatString(heading)}</h1>`;
	const crumbs = [`<a href="${ctx.wwwroot}/course/view.php?id=${course.id}" title="${escapeHtml(course.fullname)}">${formatString(course.shortname)}</a>`];
	if (assign) {
		crumbs.push(`<a href="${ctx.wwwroot}/mod/assign/view.php?id=${assign.cmid}" aria-current="page" title="Assignment">${formatString(assign.name)}</a>`);
	}
	return `<h1>${formatString(course.fullname)}</h1>
<nav aria-label="Navigation bar"><ol class="breadcrumb">${crumbs.map((crumb) => `<li class="breadcrumb-item">${crumb}</li>`).join('')}</ol></nav>`;
}

export function logoutUrl(ctx) {
	return `${ctx.wwwroot}/login/logout.php?sesskey=${ctx.session.sesskey}`;
}

function userMenu(ctx) {
	const { user } = ctx.session;
	if (!user) return `<span class="login"><a href="${ctx.wwwroot}/login/index.php">${text(ctx.lang, 'login')}</a></span>`;
	if (user.isGuest) return `<span class="login">${escapeHtml(fullName(user))} (<a href="${ctx.wwwroot}/login/index.php">${text(ctx.lang, 'login')}</a>)</span>`;
	return `<span class="usermenu"><span class="usertext">${escapeHtml(fullName(user))}</span>
<a href="${ctx.wwwroot}/user/profile.php?id=${user.id}">☺</a>
<a href="${ctx.wwwroot}/user/preferences.php">⚙</a>
<a href="${logoutUrl(ctx)}" class="dropdown-item" role="menuitem">${text(ctx.lang, 'logout')}</a></span>`;
}

function bodyClasses(ctx, { id, layout, course, assign }) {
	const words = ['format-site', `path-${id.split('-')[1]}`, 'chrome', `dir-${directionOf(ctx.lang)}`, `lang-${ctx.lang}`];
	if (id.startsWith('mod-assign') || id.includes('mod-assign')) words.push('path-mod', 'path-mod-assign');
	words.push(`pagelayout-${layout}`, `course-${course?.id ?? 1}`, `context-${assign?.contextid ?? course?.contextid ?? 2}`);
	if (assign) words.push(`cmid-${assign.cmid}`, 'cm-type-assign');
	if (!ctx.session.user) words.push('notloggedin');
	return words.join(' ');
}

// `above` is what stands in the region before, and so outside of, [role=main].
export function page(ctx, options) {
	const { id, title, heading = title, above = '', main = '', status = 200, layout = 'standard' } = options;
	return html(`<!DOCTYPE html>
<html dir="${directionOf(ctx.lang)}" lang="${ctx.lang}" xml:lang="${ctx.lang}">
<head>
<title>${formatString(title)} | ${formatString(ctx.site.name)}</title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="icon" href="data:,">
<style>${STYLE}</style>
<script>
//<![CDATA[
var M = {}; M.yui = {};
M.cfg = ${phpJson(config(ctx, options))};
//]]>
</script>
</head>
<body id="${id}" class="${bodyClasses(ctx, { ...options, layout })}">
<nav class="navbar fixed-top" aria-label="Site navigation"><a href="${ctx.wwwroot}/" class="navbar-brand">${formatString(ctx.site.name)}</a> ${userMenu(ctx)}</nav>
<div id="page" class="container-fluid">
<header id="page-header"><div class="page-header-headings">${pageHeader(ctx, { ...options, heading })}</div></header>
<div id="page-content"><div id="region-main-box"><div id="region-main" aria-label="Content">
${above}<div role="main"><span id="maincontent"></span>
${main}
</div></div></div></div></div>
<footer id="page-footer"></footer>
</body>
</html>
`, status);
}

export function hiddenField(name, value) {
	return `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`;
}

export function fatalPage(ctx, message, status = 404) {
	return page(ctx, {
		id: 'page-site-index', title: 'Error', status,
		main: `<div class="box errorbox alert alert-danger" data-rel="fatalerror"><p class="errormessage">${escapeHtml(message)}</p></div>`,
	});
}

export function noticePage(ctx, options, message) {
	return page(ctx, {
		...options,
		main: `<div id="notice" class="box py-3 generalbox"><p>${escapeHtml(message)}</p></div>
<div class="continuebutton"><a href="${ctx.wwwroot}/my/">→</a></div>`,
	});
}
