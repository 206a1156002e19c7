// One assignment: mod/assign/view.php, with the signs of its generation.
import { courseStop } from './courses.mjs';
import { shows } from './generations.mjs';
import { redirect } from './http.mjs';
import { accessOf, actionsOf, courseOptions, introIsHidden, stateOf, viewUrl } from './assignments.mjs';
import { attachmentUrl, introHtml, submissionUrl } from './files.mjs';
import { fatalPage, hiddenField, page } from './page.mjs';
import { dateText, durationText, escapeHtml, formatString, text } from './strings.mjs';

const ACTION_LABELS = {
	submit: 'submitassignment',
	editsubmission: 'editsubmission',
	removesubmissionconfirm: 'removesubmission',
	editprevioussubmission: 'addnewattemptfromprevious',
};

export function viewAssign(ctx) {
	const assign = ctx.site.assigns.get(Number(ctx.query.get('id')));
	if (!assign) return fatalPage(ctx, 'Can\'t find data record in database table course_modules.');
	const options = {
		id: 'page-mod-assign-view', title: assign.name, layout: 'incourse', ...courseOptions(assign),
	};
	const stop = courseStop(ctx, assign.course, options);
	if (stop) return stop;
	if (accessOf(ctx, assign) === 'hidden') {
		ctx.session.flash = text(ctx.lang, 'activityhidden');
		return redirect(ctx, `/course/view.php?id=${assign.course.id}`);
	}
	if (ctx.query.get('action')) return actionPage(ctx, assign, options);

	ctx.control.count('views');
	ctx.control.countIn('views_by_cmid', assign.cmid);
	const state = stateOf(ctx, assign);
	const isTeacher = ctx.site.isTeacher(ctx.session.user, assign.course);
	const main = isTeacher ? gradingSummary() : studentView(ctx, assign, state);
	const header = activityHeader(ctx, assign, state);
	if (shows(ctx, 'innerHeader')) return page(ctx, { ...options, above: `<div class="activity-header" data-for="page-activity-header">\n${header}</div>\n`, main });
	return page(ctx, { ...options, main: `<h2>${formatString(assign.name)}</h2>${header}${main}` });
}

// A careful reader never gets here: a real site may start the student's timer.
function actionPage(ctx, assign, options) {
	ctx.control.count('edit_opened');
	return page(ctx, {
		...options, id: 'page-mod-assign-editsubmission',
		main: `<form class="mform" method="post">${hiddenField('id', assign.cmid)}${hiddenField('action', 'savesubmission')}<textarea name="onlinetext"></textarea></form>`,
	});
}

function gradingSummary() {
	return '<div class="gradingsummary"><table class="generaltable"><tr><th>Participants</th><td>3</td></tr></table></div>';
}

function activityHeader(ctx, assign, state) {
	const dates = activityDates(ctx, assign, state);
	const description = activityDescription(ctx, assign, state);
	if (!shows(ctx, 'datesRegion')) return description;
	return `<div data-region="activity-information" data-activityname="${escapeHtml(assign.name)}" class="activity-information">
${dates}</div>
${description}`;
}

function activityDates(ctx, assign, state) {
	const dates = [];
	const add = (key, epoch) => {
		const label = text(ctx.lang, `activitydate:${key}`);
		const date = dateText(epoch, ctx.lang, ctx.session.user.timezone);
		dates.push(`<div><strong>${label}</strong> ${date}</div>`);
	};
	if (assign.opens !== null) add(state.notOpen ? 'submissionsopen' : 'submissionsopened', assign.opens);
	if (state.due !== null) add('submissionsdue', state.due);
	if (!dates.length) return '';
	return `<div data-region="activity-dates" class="activity-dates">\n${dates.join('\n')}\n</div>\n`;
}

function activityDescription(ctx, assign, state) {
	if (introIsHidden(assign, state)) return '';
	const isEmpty = !assign.intro && !assign.attachments.length;
	if (isEmpty && shows(ctx, 'overview')) return '';
	const [before, after] = shows(ctx, 'innerHeader')
		? ['<div class="activity-description" id="intro">\n<div class="box py-3 generalbox">', '</div>\n']
		: ['<div id="intro" class="box py-3 generalbox boxaligncenter">', ''];
	return `${before}<div class="no-overflow">${introHtml(ctx, assign)}</div>${after}${attachmentTree(ctx, assign)}</div>`;
}

function attachmentTree(ctx, assign) {
	if (!assign.attachments.length || assign.attachments_later) return '';
	const files = assign.attachments.map((file) => [file.name, attachmentUrl(ctx, assign, file)]);
	return fileTree(`assign_files_tree${assign.cmid}a`, files);
}

// Folders of a name ("data/a.csv") become nested lists, as in Moodle's tree of files.
function fileTree(id, files) {
	const item = ([name, url]) => `<li yuiConfig='{"type":"html"}'><div><div class="fileuploadsubmission">
<span class="icon"></span> <a target="_blank" href="${url}">${escapeHtml(name)}</a></div></div></li>`;
	const top = files.filter(([name]) => !name.includes('/')).map(item);
	for (const [folder, inside] of groupByFolder(files)) {
		const nested = inside.map(([name, url]) => item([name.split('/').slice(1).join('/'), url]));
		top.push(`<li><div>${escapeHtml(folder)}</div><ul>${nested.join('')}</ul></li>`);
	}
	return `<div id="${id}"><ul>${top.join('\n')}</ul></div>`;
}

function groupByFolder(files) {
	const folders = new Map();
	for (const file of files) {
		if (!file[0].includes('/')) continue;
		const folder = file[0].split('/')[0];
		folders.set(folder, [...(folders.get(folder) ?? []), file]);
	}
	return folders;
}

function studentView(ctx, assign, state) {
	const alert = state.no_team ? `<div class="alert alert-warning">${text(ctx.lang, 'noteam')}</div>` : '';
	const actions = controls(ctx, assign, state);
	const [above, below] = shows(ctx, 'controlsOnTop') ? [actions, ''] : ['', actions];
	return `${above}${alert}
<div class="submissionstatustable"><h3>${text(ctx.lang, 'submissionstatus')}</h3>${openingNotice(ctx, assign, state)}
<div class="box py-3 boxaligncenter submissionsummarytable"><table class="generaltable table-bordered">
<tbody>${statusRows(ctx, assign, state).join('\n')}</tbody>
</table></div>${below}</div>${feedback(ctx, assign, state)}${attemptHistory(ctx, state)}`;
}

// Up to 3.10 a box says that it opens later.
function openingNotice(ctx, assign, state) {
	if (shows(ctx, 'datesRegion') || !state.notOpen) return '';
	const date = dateText(assign.opens, ctx.lang, ctx.session.user.timezone);
	return `<div class="box py-3 generalbox boxaligncenter submissionsalloweddates">${text(ctx.lang, 'allowsubmissionsfromdatesummary', `<strong>${date}</strong>`)}</div>`;
}

function controls(ctx, assign, state) {
	const isNew = !['draft', 'submitted', 'marked', 'reopened'].includes(state.status);
	const actions = actionsOf(assign, state);
	if (!actions.length) return '';
	const buttons = actions.map((action) => {
		const key = isNew && action === 'editsubmission' ? 'addsubmission' : ACTION_LABELS[action];
		if (isNew && assign.time_limit_s) {
			const url = `${viewUrl(ctx, assign)}&amp;action=${action}`;
			return `<a class="btn btn-primary" href="${url}">${text(ctx.lang, 'beginassignment')}</a>`;
		}
		return `<div class="singlebutton"><form method="get" action="${ctx.wwwroot}/mod/assign/view.php">
${hiddenField('id', assign.cmid)}${hiddenField('action', action)}${hiddenField('sesskey', ctx.session.sesskey)}
<button type="submit" class="btn btn-primary">${text(ctx.lang, key)}</button></form></div>`;
	});
	if (!shows(ctx, 'controlsOnTop')) return `<div class="box py-3 generalbox submissionaction">${buttons.join('\n')}</div>\n`;
	return `<div class="container-fluid tertiary-navigation"><div class="row">${buttons.join('\n')}</div></div>\n`;
}

function row(label, content, cssClass = '') {
	const classes = [cssClass, 'cell', 'c1', 'lastcol'].filter(Boolean).join(' ');
	const head = `<th class="cell c0" style="" scope="row">${label}</th>`;
	return `<tr class="">${head}<td class="${classes}" style="">${content}</td></tr>`;
}

function statusRows(ctx, assign, state) {
	const t = (key, a) => text(ctx.lang, key, a);
	const rows = [];
	const noTeam = `<div class="alert alert-danger alert-block" role="alert">${t('noteam')}</div>`;
	if (assign.team) rows.push(row(t('submissionteam'), state.no_team ? noTeam : escapeHtml(assign.team)));
	if (assign.attempts !== 1) rows.push(row(t('attemptnumber'), t('currentattempt', String(state.attempt))));
	rows.push(statusRow(ctx, t, assign, state));
	if (state.locked) rows.push(row('', t('submissionslocked'), 'submissionlocked'));
	const grading = state.isGraded ? 'graded' : 'notgraded';
	rows.push(row(t('gradingstatus'), t(grading), `submission${grading}`));
	const date = (epoch) => dateText(epoch, ctx.lang, ctx.session.user.timezone);
	if (!shows(ctx, 'datesRegion') && state.due !== null) rows.push(row(t('duedate'), date(state.due)));
	if (state.extension && state.due !== null) rows.push(row(t('extensionduedate'), date(state.extension)));
	rows.push(...timeRow(ctx, t, assign, state));
	if (state.status !== 'none') {
		rows.push(row(t('timemodified'), date(ctx.site.now - 86400)));
		const url = submissionUrl(ctx, assign, 'answer.txt');
		rows.push(row(t('filesubmissions'), fileTree(`assign_files_tree${assign.cmid}b`, [['answer.txt', url]])));
	}
	return rows;
}

function statusRow(ctx, t, assign, state) {
	const label = t('submissionstatus');
	if (assign.offline && !state.no_team) return row(label, t('noonlinesubmissions'));
	const nothing = shows(ctx, 'timeClass') ? 'nosubmissionyet' : 'noattempt';
	if (state.status === 'none') return row(label, t(assign.team ? 'nosubmission' : nothing));
	const awaited = state.status === 'draft' && assign.team_all_submit ? whoIsAwaited(ctx, t, assign, state) : '';
	return row(label, t(`submissionstatus_${state.status}`) + awaited, `submissionstatus${state.status}`);
}

// Who of the team has not submitted: a mate always, and the student until the own part is done.
function whoIsAwaited(ctx, t, assign, state) {
	const ids = state.own_part_done ? [9001] : [9001, ctx.session.user.id];
	const links = ids.map((id) => `<a href="${ctx.wwwroot}/user/view.php?id=${id}&amp;course=${assign.course.id}">N. N.</a>`);
	return `<div>${t('userswhoneedtosubmit', links.join(', '))}</div>`;
}

// Up to 3.11 the time that remains stands alone, in a cell without a class.
function timeRow(ctx, t, assign, state) {
	if (state.deadline === null) return [];
	const left = state.deadline - ctx.now;
	const words = (seconds) => durationText(Math.abs(seconds), ctx.lang);
	if (!shows(ctx, 'timeClass')) {
		if (left > 0) return [row(t('timeremaining'), words(left))];
		if (!state.submitted && assign.offline) return [row(t('timeremaining'), t('duedatereached'))];
	}
	if (state.submitted) {
		const early = state.deadline - (ctx.site.now - 86400);
		const [key, css] = early >= 0 ? ['submittedearly', 'earlysubmission'] : ['submittedlate', 'latesubmission'];
		return [row(t('timeremaining'), t(key, words(early)), css)];
	}
	if (left <= 0) return [row(t('timeremaining'), t('overdue', words(left)), 'overdue')];
	return [row(t('timeremaining'), t('paramtimeremaining', words(left)), 'timeremaining')];
}

function feedback(ctx, assign, state) {
	if (!state.isGradeShown) return '';
	return `\n<div class="feedback"><h3>${text(ctx.lang, 'feedback')}</h3><div class="box py-3 boxaligncenter feedbacktable">
<table class="generaltable"><tr><th>${text(ctx.lang, 'grade')}</th><td>${state.grade.toFixed(2)} / ${assign.max_grade.toFixed(2)}</td></tr></table></div></div>`;
}

function attemptHistory(ctx, state) {
	if (state.attempt < 2) return '';
	const before = text(ctx.lang, 'submissionstatus_submitted');
	return `\n<div class="attempthistory"><h3>${text(ctx.lang, 'attempthistory')}</h3>
<table class="generaltable"><tr><th>1</th><td>${before}</td></tr></table></div>`;
}
