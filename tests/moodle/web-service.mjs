// Moodle's mobile web service: login/token.php and webservice/rest/server.php with the one function that
// calls several. Off (as in a Moodle that was just installed) until control({ web_service: true }).
import { randomBytes } from 'node:crypto';
import { actionsOf, introIsHidden, stateOf, visibleAssigns } from './assignments.mjs';
import { eventsByCourse, eventsByCourses, eventsByTimesort } from './calendar.mjs';
import { courseRecord, coursesByTimeline } from './course-list.mjs';
import { MoodleError, checkArgs } from './errors.mjs';
import { introHtml } from './files.mjs';
import { html, json } from './http.mjs';
import { detourOf } from './login.mjs';
import { formatString } from './strings.mjs';

const BATCH = 'tool_mobile_call_external_functions';
const ASSIGN_ID = 500_000; // an assignment's own number is not its activity's
const MY_TEAM = 7;
const MATE = 9001;

const FUNCTIONS = {
	core_webservice_get_site_info: siteInfo,
	core_enrol_get_users_courses: usersCourses,
	core_course_get_enrolled_courses_by_timeline_classification: coursesByTimeline,
	core_course_get_contents: contents,
	core_calendar_get_action_events_by_course: eventsByCourse,
	core_calendar_get_action_events_by_courses: eventsByCourses,
	core_calendar_get_action_events_by_timesort: eventsByTimesort,
	mod_assign_get_assignments: assignments,
	mod_assign_get_submission_status: submissionStatus,
};

const fault = (errorcode, message = errorcode) => json({ error: message, errorcode, stacktrace: null, debuginfo: null, reproductionlink: null });
const exception = (errorcode, message = errorcode) => json({ exception: 'moodle_exception', errorcode, message });

// The same token again for each sign-in of a student; MFA and a forced change are not asked here.
export function serveToken(ctx) {
	const form = new URLSearchParams(ctx.method === 'POST' ? ctx.body : ctx.query);
	ctx.control.countIn('ws', 'token');
	if (!ctx.control.knobs.web_service) return fault('enablewsdescription', 'Web services are disabled.');
	const name = (form.get('username') ?? '').trim().toLowerCase();
	const user = ctx.site.users.get(name);
	const isLocked = user && (user.locked || ctx.control.knobs.lock[name]);
	if (!user || isLocked || user.suspended || user.password !== form.get('password')) {
		ctx.control.count('failed_logins');
		return fault('invalidlogin', 'Invalid login, please try again');
	}
	if (form.get('service') !== 'moodle_mobile_app') return fault('servicenotavailable');
	user.token ??= randomBytes(16).toString('hex');
	return json({ token: user.token, privatetoken: null });
}

export function serveRest(ctx) {
	const form = new URLSearchParams(ctx.body);
	if (!ctx.control.knobs.web_service) return html('', 403);
	if (form.get('moodlewsrestformat') !== 'json') return html('<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE></RESPONSE>');
	const token = form.get('wstoken');
	const user = [...ctx.site.users.values()].find((one) => one.token && one.token === token);
	ctx.control.countIn('ws', 'requests');
	if (!user || ctx.control.knobs.dead_tokens) return exception('invalidtoken', 'Invalid token - token not found');
	if (form.get('wsfunction') !== BATCH) return exception('accessexception');
	if (ctx.control.knobs.maintenance) return exception('sitemaintenance');
	const as = { ...ctx, session: { user }, lang: user.lang ?? ctx.siteLang };
	const responses = [];
	for (let i = 0; form.has(`requests[${i}][function]`); i++) {
		responses.push(callOne(as, form.get(`requests[${i}][function]`), form.get(`requests[${i}][arguments]`)));
		if (responses.at(-1).error) break; // the rest is not run
	}
	return json({ responses });
}

function callOne(ctx, name, args) {
	ctx.control.countIn('ws', name);
	try {
		if (!Object.hasOwn(FUNCTIONS, name)) throw new MoodleError('accessexception');
		const ordered = ctx.control.knobs.ajax_errors[name];
		if (ordered) throw new MoodleError(ordered);
		return { error: false, data: JSON.stringify(FUNCTIONS[name](ctx, JSON.parse(args || '{}'))) };
	} catch (error) {
		if (!(error instanceof MoodleError)) throw error;
		return { error: true, exception: JSON.stringify({ errorcode: error.errorcode, message: error.message, link: '' }) };
	}
}

function siteInfo(ctx) {
	const { user } = ctx.session;
	return {
		sitename: ctx.site.name, username: user.username, fullname: `${user.firstname} ${user.lastname}`, userid: user.id,
		siteurl: ctx.wwwroot, release: `${ctx.generation}.3 (Build: 20260101)`,
		functions: Object.keys(FUNCTIONS).map((name) => ({ name, version: '1' })),
	};
}

function usersCourses(ctx, args) {
	checkArgs(args, ['userid'], ['returnusercount']);
	return ctx.site.coursesOf(ctx.session.user).map((course) => {
		const { id, fullname, shortname, hidden, isfavourite, startdate, enddate } = courseRecord(ctx, course);
		return { id, fullname, shortname, hidden, isfavourite, startdate, enddate, progress: null };
	});
}

// Who has something to do first is let into no course.
function myCourse(ctx, id) {
	const course = ctx.site.courses.get(Number(id));
	if (!course || !ctx.site.isEnrolled(ctx.session.user, course)) return { warningcode: '2' };
	if (detourOf(ctx.session) || !ctx.site.coursesOf(ctx.session.user).includes(course)) return { warningcode: '1' };
	return { course };
}

const firstSection = (course) => (course.format === 'singleactivity' ? formatString(course.fullname) : 'General');

function contents(ctx, args) {
	checkArgs(args, ['courseid'], ['options']);
	const { course } = myCourse(ctx, args.courseid);
	if (!course) throw new MoodleError('requireloginerror');
	const shown = visibleAssigns(ctx, course).filter((a) => !a.stealth);
	return [...new Set(['', ...shown.map((a) => a.section)])].map((name, n) => ({
		id: course.id * 100 + n, section: n, name: name ? formatString(name) : firstSection(course),
		modules: shown.filter((a) => a.section === name).map((a) => ({ id: a.cmid, modname: 'assign', name: formatString(a.name) })),
	}));
}

function assignments(ctx, args) {
	checkArgs(args, [], ['courseids', 'capabilities', 'includenotenrolledcourses']);
	const asked = (args.courseids ?? []).map((id) => ({ id, ...myCourse(ctx, id) }));
	return {
		courses: asked.filter((one) => one.course).map(({ course }) => ({
			id: course.id, fullname: formatString(course.fullname), shortname: formatString(course.shortname),
			assignments: visibleAssigns(ctx, course).map((assign) => assignmentOf(ctx, assign)).sort((a, b) => (a.id % 7) - (b.id % 7)),
		})),
		warnings: asked.filter((one) => !one.course).map(({ id, warningcode }) => ({ item: 'course', itemid: id, warningcode, message: '' })),
	};
}

function assignmentOf(ctx, assign) {
	const state = stateOf(ctx, assign);
	return {
		id: assign.cmid + ASSIGN_ID, cmid: assign.cmid, course: assign.course.id, name: formatString(assign.name),
		nosubmissions: assign.offline ? 1 : 0, submissiondrafts: assign.drafts ? 1 : 0,
		duedate: state.due ?? 0, allowsubmissionsfromdate: assign.opens ?? 0, cutoffdate: assign.cutoff ?? 0,
		teamsubmission: assign.team ? 1 : 0, requireallteammemberssubmit: assign.team_all_submit ? 1 : 0,
		preventsubmissionnotingroup: assign.team ? 1 : 0, timelimit: assign.time_limit_s ?? 0, configs: [],
		...(!introIsHidden(assign, state) && { intro: introHtml(ctx, assign), introformat: 1 }),
	};
}

// What Moodle calls the parts of a submission; a team's is told beside the student's own.
function submissionsOf(ctx, assign, state) {
	const status = state.status === 'none' ? 'new' : state.status;
	if (!assign.team) return status === 'new' ? {} : { submission: { status } };
	const needed = state.own_part_done ? [MATE] : [MATE, ctx.session.user.id];
	return {
		submission: { status: state.own_part_done ? 'submitted' : status },
		...(status !== 'new' && { teamsubmission: { status } }),
		...(!state.no_team && { submissiongroup: MY_TEAM }),
		submissiongroupmemberswhoneedtosubmit: assign.team_all_submit && status === 'draft' ? needed : [],
	};
}

function submissionStatus(ctx, args) {
	checkArgs(args, ['assignid'], ['userid', 'groupid']);
	const assign = ctx.site.assigns.get(args.assignid - ASSIGN_ID);
	if (!assign || !visibleAssigns(ctx, assign.course).includes(assign)) throw new MoodleError('requireloginerror');
	const ordered = ctx.control.knobs.status_errors[assign.cmid];
	if (ordered) throw new MoodleError(ordered);
	if (ctx.site.isTeacher(ctx.session.user, assign.course)) return { gradingsummary: { participantcount: 3 }, warnings: [] };
	const state = stateOf(ctx, assign);
	const actions = actionsOf(assign, { ...state, no_team: false }); // the page alone looks at the team
	return {
		lastattempt: {
			submissiongroupmemberswhoneedtosubmit: [], ...submissionsOf(ctx, assign, state),
			submissionsenabled: !assign.offline, locked: Boolean(state.locked), graded: state.isGraded,
			canedit: actions.includes('editsubmission'), caneditowner: actions.includes('editsubmission'),
			cansubmit: actions.includes('submit'), extensionduedate: state.extension ?? null, timelimit: 0, blindmarking: false,
			gradingstatus: state.isGraded ? 'graded' : 'notgraded', usergroups: [],
		},
		...(state.isGradeShown && { feedback: { gradefordisplay: `${state.grade.toFixed(2)}&nbsp;/&nbsp;${assign.max_grade.toFixed(2)}` } }),
		assignmentdata: {}, warnings: [],
	};
}
