// The assignments of a course: mod/assign/index.php up to 4.5, course/overview.php from 5.0.
import { shows } from './generations.mjs';
import { redirect } from './http.mjs';
import { courseOfQuery, courseStop } from './courses.mjs';
import { stateOf, viewUrl, visibleAssigns } from './assignments.mjs';
import { MoodleError, checkArgs } from './errors.mjs';
import { stopFor, toLogin } from './login.mjs';
import { page } from './page.mjs';
import { dateText, escapeHtml, formatString, nearDay, text } from './strings.mjs';

const FIRST_SECTION = 'General';

function statusText(ctx, assign, state) {
	if (ctx.site.isTeacher(ctx.session.user, assign.course)) return text(ctx.lang, 'numberofsubmissionsneedgradinglabel', '2');
	return text(ctx.lang, `submissionstatus_${state.status === 'none' ? '' : state.status}`);
}

function gradeText(ctx, state) {
	if (!state.isGradeShown) return '-';
	return state.grade.toFixed(2).replace('.', ctx.lang === 'de' ? ',' : '.');
}

const dueText = (ctx, epoch) => (epoch === null ? '-' : dateText(epoch, ctx.lang, ctx.session.user.timezone));

// 5.0 redirects before it looks at the session; only the overview does.
export function listAssigns(ctx) {
	if (shows(ctx, 'overview')) {
		const id = encodeURIComponent(ctx.query.get('id') ?? '');
		return redirect(ctx, `/course/overview.php?id=${id}&expand%5B%5D=assign#assign_overview_collapsible`);
	}
	if (!ctx.session.user) return toLogin(ctx);
	const stopped = stopFor(ctx);
	if (stopped) return stopped;

	const course = courseOfQuery(ctx);
	const options = { id: 'page-mod-assign-index', title: course?.fullname ?? 'Error', layout: 'incourse', course };
	const stop = courseStop(ctx, course, options);
	if (stop) return stop;
	ctx.control.count('lists');
	const assigns = visibleAssigns(ctx, course);
	const none = `<div class="alert alert-info">${text(ctx.lang, 'noassignments')}</div>`;
	return page(ctx, { ...options, main: assigns.length ? listTable(ctx, course, assigns) : none });
}

function listTable(ctx, course, assigns) {
	const hasSections = course.format !== 'singleactivity';
	const heads = ['assignments', 'duedate', 'submission', 'grade'].map((key) => text(ctx.lang, key));
	if (hasSections) heads.unshift(text(ctx.lang, 'section'));
	let section = '';
	const rows = assigns.flatMap((assign) => {
		const state = stateOf(ctx, assign);
		const cells = [
			`<a href="${viewUrl(ctx, assign)}">${formatString(assign.name)}</a>`,
			dueText(ctx, state.due),
			statusText(ctx, assign, state),
			gradeText(ctx, state),
		];
		// A section is named in the first row of its group only, and a ruled row comes before it.
		const isNewSection = hasSections && assign.section !== section;
		const rule = isNewSection && section !== '' ? [`<tr class=""><td colspan="${heads.length}"><div class="tabledivider"></div></td></tr>`] : [];
		if (hasSections) cells.unshift(isNewSection ? formatString(assign.section) : '');
		section = assign.section;
		return [...rule, `<tr class="">${cells.map((cell, i) => tableCell(cell, i, cells.length)).join('')}</tr>`];
	});
	const header = heads.map((head, i) => `<th class="header c${i}${i === heads.length - 1 ? ' lastcol' : ''}" style="" scope="col">${head}</th>`);
	return `<h2>${text(ctx.lang, 'modulenameplural')}</h2>
<table class="generaltable table">
<thead><tr>${header.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody>
</table>`;
}

function tableCell(content, index, count) {
	return `<td class="cell c${index}${index === count - 1 ? ' lastcol' : ''}" style="">${content}</td>`;
}

export function overview(ctx) {
	const course = courseOfQuery(ctx);
	const options = { id: 'page-course-overview', title: course?.fullname ?? 'Error', layout: 'incourse', course };
	const stop = courseStop(ctx, course, options);
	if (stop) return stop;
	// Without expand[]=assign a script fetches the table when the reader opens the part.
	const isExpanded = ctx.query.getAll('expand[]').includes('assign');
	const content = isExpanded ? overviewTable(ctx, course) : '';
	if (isExpanded) ctx.control.count('lists');
	// Kinds of activities of which the student sees none have no part at all.
	if (visibleAssigns(ctx, course).length === 0) return page(ctx, { ...options, main: '<div id="course-overview-page"></div>' });
	return page(ctx, {
		...options,
		main: `<div id="course-overview-page"><div class="collapsable-section" id="assign_overview_collapsible">
<h3 id="assign_overview_title">${text(ctx.lang, 'modulenameplural')}</h3>
<div id="assign_overview" class="content collapse${isExpanded ? ' show' : ''}">${content}</div></div></div>`,
	});
}

function overviewTable(ctx, course) {
	const isTeacher = ctx.site.isTeacher(ctx.session.user, course);
	const rows = visibleAssigns(ctx, course).map((assign) => {
		const state = stateOf(ctx, assign);
		return `<tr data-mdl-overview-cmid="${assign.cmid}">
${overviewCell('name', assign.name, overviewName(ctx, course, assign))}
${overviewCell('duedate', state.due ?? '', overviewDue(ctx, state.due))}
${isTeacher ? teacherCells(ctx, assign) : studentCells(ctx, assign, state)}
</tr>`;
	});
	const grade = text(ctx.lang, 'grade');
	const own = isTeacher ? [['submissions', text(ctx.lang, 'submission')], ['actions', grade]]
		: [['submissionstatus', text(ctx.lang, 'submissionstatus')], [grade, grade]];
	const heads = [...['name', 'duedate'].map((key) => [key, text(ctx.lang, key)]), ...own];
	return `<table class="course-overview-table boxaligncenter table w-100 d-block d-md-table">
<thead><tr>${heads.map(([key, label]) => `<th data-mdl-overview-column="${key}">${label}</th>`).join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`;
}

function overviewName(ctx, course, assign) {
	const link = `<div class="fw-bold"><a href="${viewUrl(ctx, assign)}" class="activityname">${formatString(assign.name)}</a></div>`;
	const hasSections = course.format !== 'singleactivity';
	const section = hasSections ? `<div${shows(ctx, 'nearDays') ? ' class="small"' : ''}>${formatString(assign.section || FIRST_SECTION)}</div>` : '';
	const badge = assign.stealth ? '<span class="badge rounded-pill">Available but not shown on course page</span>' : '';
	return `<div class="d-flex flex-column">${link}${section}<div class="ms-2">${badge}</div></div>`;
}

function overviewDue(ctx, epoch) {
	if (epoch === null || !shows(ctx, 'nearDays')) return dueText(ctx, epoch);
	const { day, near, time } = nearDay(epoch, ctx.lang, ctx.session.user.timezone, ctx.now);
	const title = near ? ` title="${escapeHtml(day)}"` : '';
	return `<span class="date" data-timestamp="${epoch}"${title}>${near || day}, ${time}</span>`;
}

function studentCells(ctx, assign, state) {
	const status = statusText(ctx, assign, state);
	const grade = gradeText(ctx, state);
	return `${overviewCell('submissionstatus', status, status)}
${overviewCell(text(ctx.lang, 'grade'), state.isGradeShown ? grade : '', grade)}`;
}

function teacherCells(ctx, assign) {
	return `${overviewCell('submissions', '2', '<strong>2</strong> of 3')}
${overviewCell('actions', text(ctx.lang, 'grade'), `<a href="${viewUrl(ctx, assign)}&amp;action=grading" class="btn">${text(ctx.lang, 'grade')}</a>`)}`;
}

function overviewCell(item, value, content) {
	return `<td data-mdl-overview-item="${escapeHtml(item)}" data-mdl-overview-value="${escapeHtml(value)}">${content}</td>`;
}

// core_get_fragment, for the overview's lazy table: 5.0 only, and one in a request.
export function readFragment(ctx, args) {
	checkArgs(args, ['component', 'callback', 'contextid'], ['args']);
	const values = Object.fromEntries((args.args ?? []).map(({ name, value }) => [name, value]));
	const isOverview = args.component === 'core_course' && args.callback === 'course_overview';
	ctx.batch.fragments += 1;
	if (!shows(ctx, 'overview') || !isOverview || ctx.batch.fragments > 1) throw new MoodleError('codingerror');
	const course = ctx.site.courses.get(Number(values.courseid));
	if (!course || values.modname !== 'assign') throw new MoodleError('invalidparameter');
	if (!ctx.site.coursesOf(ctx.session.user).includes(course)) throw new MoodleError('requireloginerror');
	ctx.control.count('lists');
	return { html: overviewTable(ctx, course), javascript: '' };
}
