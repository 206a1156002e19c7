// The pages around courses: front page, dashboard, preferences, course page, enrolment; and who
// may see a course.
import { redirect } from './http.mjs';
import { escapeHtml, formatString, text } from './strings.mjs';
import { fatalPage, fullName, noticePage, page } from './page.mjs';
import { accessOf } from './assignments.mjs';

const DASHBOARD_MIN_BYTES = 300_000;

export function frontPage(ctx) {
	const { user } = ctx.session;
	if (user && !user.isGuest) return redirect(ctx, '/my/');
	return page(ctx, { id: 'page-site-index', title: 'Home', layout: 'frontpage', main: '<p>Welcome to the stand-in.</p>' });
}

// Heavy like the real one; make it slow with latency_by_path {"/my/": ms}.
export function dashboard(ctx) {
	ctx.control.count('dashboards');
	const block = '<div class="card dashboard-card" role="listitem"><div class="dashboard-card-img"></div></div>\n';
	return page(ctx, {
		id: 'page-my-index', title: 'Dashboard', layout: 'mydashboard',
		main: `<div data-region="timeline">\n${block.repeat(Math.ceil(DASHBOARD_MIN_BYTES / block.length))}</div>`,
	});
}

// Filled by script on a real site: there are no course links in its HTML.
export function myCourses(ctx) {
	return page(ctx, {
		id: 'page-my-index', title: 'My courses', layout: 'mycourses',
		main: '<div data-region="courses-view" data-display="card"></div>',
	});
}

export function preferences(ctx) {
	return page(ctx, { id: 'page-user-preferences', title: 'Preferences', main: '<div class="preferences-container"></div>' });
}

const PROFILE_COURSES = 10; // unless all are asked for

export function profile(ctx) {
	const { user } = ctx.session;
	const most = ctx.query.get('showallcourses') === '1' ? Infinity : PROFILE_COURSES;
	const link = (course) => `<li><a href="${ctx.wwwroot}/user/view.php?id=${user.id}&amp;course=${course.id}">${formatString(course.fullname)}</a></li>`;
	return page(ctx, {
		id: 'page-user-profile', title: fullName(user),
		main: `<dl><dt>Email</dt><dd>${escapeHtml(user.email ?? '')}</dd></dl>
<ul>${ctx.site.coursesOf(user).slice(0, most).map(link).join('')}</ul>`,
	});
}

// A reply that keeps this visitor out of the course, or null. `pageOptions` names the page asked for.
export function courseStop(ctx, course, pageOptions) {
	const { user } = ctx.session;
	if (!course) return fatalPage(ctx, 'Can\'t find data record in database table course.');
	if (user.isGuest || !ctx.site.isEnrolled(user, course)) return redirect(ctx, `/enrol/index.php?id=${course.id}`);
	if (!course.visible && !ctx.site.isTeacher(user, course)) {
		return noticePage(ctx, pageOptions, text(ctx.lang, 'coursehidden'));
	}
	if (course.lang) ctx.lang = course.lang;
	return null;
}

export function courseOfQuery(ctx) {
	return ctx.site.courses.get(Number(ctx.query.get('id'))) ?? null;
}

export function coursePage(ctx) {
	const course = courseOfQuery(ctx);
	const options = { id: 'page-course-view-topics', title: course?.fullname ?? 'Error', layout: 'course', course };
	const stop = courseStop(ctx, course, options);
	if (stop) return stop;
	const items = course.assignments.filter((a) => accessOf(ctx, a) === 'open' && !a.stealth).map((a) => (
		`<li class="activity activity-wrapper assign modtype_assign" id="module-${a.cmid}" data-for="cmitem" data-id="${a.cmid}">
<a href="${ctx.wwwroot}/mod/assign/view.php?id=${a.cmid}" class="aalink stretched-link"><span class="instancename">${formatString(a.name)}</span></a></li>`));
	const flash = ctx.session.flash ? `<div class="alert alert-danger" role="alert">${escapeHtml(ctx.session.flash)}</div>` : '';
	ctx.session.flash = null;
	return page(ctx, { ...options, main: `${flash}<ul class="topics">${items.join('\n')}</ul>` });
}

export function enrolPage(ctx) {
	const course = courseOfQuery(ctx);
	if (!course) return fatalPage(ctx, 'Can\'t find data record in database table course.');
	return page(ctx, {
		id: 'page-enrol-index', title: course.fullname, layout: 'incourse', course,
		main: '<div class="box generalbox">You cannot enrol yourself in this course.</div>',
	});
}
