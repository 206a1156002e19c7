// The calendar's ajax functions: events of what is due and not yet submitted, with epochs.
import { actionsOf, introIsHidden, stateOf, viewUrl, visibleAssigns } from './assignments.mjs';
import { courseRecord } from './course-list.mjs';
import { shows } from './generations.mjs';
import { MoodleError, checkArgs } from './errors.mjs';
import { introHtml } from './files.mjs';
import { formatString, text } from './strings.mjs';

const LIMIT_MAX = 50;

function checkLimit(limit) {
	if (limit < 1 || limit > LIMIT_MAX) throw new MoodleError('Limit must be between 1 and 50 (inclusive)');
}

function makeEvent(ctx, assign, state, { kind, when }) {
	const name = formatString(assign.name);
	const url = viewUrl(ctx, assign);
	const isHidden = introIsHidden(assign, state);
	return {
		id: assign.cmid * 10 + (kind === 'due' ? 0 : 1),
		name: text(ctx.lang, kind === 'due' ? 'calendardue' : 'calendarextension', name),
		description: isHidden ? '' : introHtml(ctx, assign).replace(/<img\b[^>]*>/gi, ''),
		descriptionformat: 1, location: '', component: 'mod_assign', modulename: 'assign',
		...(shows(ctx, 'activityNames') && { activityname: name, activitystr: 'Assignment is due' }), instance: assign.cmid,
		eventtype: kind, timestart: when, timeduration: 0, timesort: when, timemodified: ctx.site.now,
		visible: 1, overdue: when < ctx.now, userid: ctx.session.user.id,
		course: courseRecord(ctx, assign.course),
		action: {
			name: text(ctx.lang, 'addsubmission'), url: `${url}&action=editsubmission`, itemcount: 1,
			actionable: actionsOf(assign, state).length > 0, showitemcount: false,
		},
		url, normalisedeventtype: 'course', purpose: 'assessment', isactionevent: true, iscourseevent: false,
	};
}

// The events of one course: `due`, and a second one for a granted extension.
function eventsOf(ctx, course, { withExtensions, withSubmitted = false }) {
	return visibleAssigns(ctx, course).flatMap((assign) => {
		const state = stateOf(ctx, assign);
		if (state.due === null || (!withSubmitted && isNoAction(state))) return [];
		const events = [makeEvent(ctx, assign, state, { kind: 'due', when: state.due })];
		if (withExtensions && state.extension && shows(ctx, 'extensionEvents')) {
			events.push(makeEvent(ctx, assign, state, { kind: 'extension', when: state.extension }));
		}
		return events;
	}).concat(activityEvents(ctx, course)).sort((a, b) => a.timesort - b.timesort || a.id - b.id);
}

// What is submitted, or ticked as done, asks for nothing any more.
const isNoAction = (state) => state.submitted || state.completed || state.own_part_done;

// Quizzes, forums and others of the course that this student has not done.
function activityEvents(ctx, course) {
	const { username } = ctx.session.user;
	return course.activities.filter((one) => !one.done_by?.includes(username)).map((one) => {
		const name = formatString(one.name);
		const url = `${ctx.wwwroot}/mod/${one.module}/view.php?id=${one.cmid}`;
		return {
			id: one.cmid * 10, name: `${name} (${one.event})`, ...(shows(ctx, 'activityNames') && { activityname: name }),
			description: '', component: `mod_${one.module}`, modulename: one.module, instance: one.cmid,
			eventtype: one.event, timestart: one.due, timesort: one.due, timeduration: 0, overdue: one.due < ctx.now,
			userid: ctx.session.user.id, course: courseRecord(ctx, course), url,
			action: { name, url, itemcount: 1, actionable: one.open !== false, showitemcount: false },
		};
	});
}

const between = (events, from, to) => events.filter(
	(e) => e.timesort >= (from ?? 0) && (to === null || to === undefined || e.timesort <= to));

const ends = (events) => ({ firstid: events[0]?.id ?? null, lastid: events.at(-1)?.id ?? null });

export function eventsByCourses(ctx, args) {
	checkArgs(args, ['courseids'], ['timesortfrom', 'timesortto', 'limitnum', 'searchvalue']);
	const { courseids, timesortfrom, timesortto, limitnum = 10 } = args;
	checkLimit(limitnum);
	const mine = ctx.site.coursesOf(ctx.session.user).filter((c) => courseids.map(Number).includes(c.id));
	return {
		groupedbycourse: mine.map((course) => {
			const all = between(eventsOf(ctx, course, { withExtensions: timesortfrom === undefined }), timesortfrom, timesortto);
			const events = all.slice(0, limitnum);
			return { events, ...ends(events), courseid: course.id };
		}),
	};
}

// Further pages of one course.
export function eventsByCourse(ctx, args) {
	checkArgs(args, ['courseid'], ['timesortfrom', 'timesortto', 'aftereventid', 'limitnum', 'searchvalue']);
	const { courseid, timesortfrom, timesortto, aftereventid = 0, limitnum = 20 } = args;
	checkLimit(limitnum);
	const course = ctx.site.coursesOf(ctx.session.user).find((c) => c.id === Number(courseid));
	if (!course) return [];
	const all = eventsOf(ctx, course, { withExtensions: !timesortfrom });
	return pageBehind(between(all, timesortfrom, timesortto), { timesortfrom, aftereventid, limitnum });
}

// Moodle ignores aftereventid when timesortfrom is 0: the same page again and again.
function pageBehind(wanted, { timesortfrom, aftereventid, limitnum }) {
	const after = timesortfrom > 0 && aftereventid ? wanted.findIndex((e) => e.id === Number(aftereventid)) + 1 : 0;
	const events = wanted.slice(after, after + limitnum);
	return { events, ...ends(events) };
}

export function eventsByTimesort(ctx, args) {
	checkArgs(args, [], [
		'timesortfrom', 'timesortto', 'aftereventid', 'limitnum', 'limittononsuspendedevents', 'userid', 'searchvalue',
	]);
	const { timesortfrom = 0, timesortto, aftereventid = 0, limitnum = 20 } = args;
	checkLimit(limitnum);
	const all = ctx.site.coursesOf(ctx.session.user)
		.flatMap((course) => eventsOf(ctx, course, { withExtensions: false }))
		.sort((a, b) => a.timesort - b.timesort || a.id - b.id);
	return pageBehind(between(all, timesortfrom, timesortto), { timesortfrom, aftereventid, limitnum });
}

// All due events of a month, the submitted ones too, by day.
export function monthlyView(ctx, args) {
	checkArgs(args, ['year', 'month'], ['courseid', 'categoryid', 'includenavigation', 'mini', 'day', 'view']);
	const inMonth = (event) => {
		const date = new Date(event.timesort * 1000);
		return date.getUTCFullYear() === Number(args.year) && date.getUTCMonth() + 1 === Number(args.month);
	};
	const events = ctx.site.coursesOf(ctx.session.user)
		.flatMap((course) => eventsOf(ctx, course, { withExtensions: false, withSubmitted: true }))
		.filter(inMonth);
	const days = Array.from({ length: 31 }, (_, i) => ({
		mday: i + 1, events: events.filter((e) => new Date(e.timesort * 1000).getUTCDate() === i + 1),
	}));
	return { weeks: [{ days }], date: { year: Number(args.year), mon: Number(args.month) } };
}
