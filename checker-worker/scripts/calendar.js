// calendar.js - what the site's calendar says of several courses at once: due dates as epochs,
// whether a submission is taken now, and other activities with a date.
//
// Up to MAX_COURSES_AT_ONCE courses come with one request, which is kept for the next courses of the
// same attempt of a check (args.check): in the page, so that it ends with it. Moodle answers at most
// MAX_EVENTS events of a course; each further request goes on after the last event of the one before,
// for any number of them may have the same date.

const MAX_EVENTS = 50; // of one course in one request; Moodle refuses more
const MAX_CALENDAR_REQUESTS = 41; // of one course: more than a check can hold
const MAX_COURSES_AT_ONCE = 10;
const CALENDAR_METHOD = 'core_calendar_get_action_events_by_courses';
const MORE_METHOD = 'core_calendar_get_action_events_by_course'; // goes on after an event
const CALENDAR_KEPT = Symbol.for('pensum.calendar');

// {due: Map(cmid -> {due, isExtended, canSubmit}), activities: [...], hasExtensions}; no dates, and activities null,
// when the site does not tell. hasExtensions: it tells of all that were granted, if of any (from 4.5).
async function readCalendar(sesskey, courseId, args) {
	try {
		const { events, isOnePage } = await readEvents(sesskey, courseId, args);
		return { ...calendarOf(events), hasExtensions: isOnePage };
	} catch (error) {
		if (!isRefusal(error)) throw error;
		return { due: new Map(), activities: null, hasExtensions: false };
	}
}

// An extension is a second, later event, which Moodle leaves out as soon as a start is given: those
// behind the first page never come.
async function readEvents(sesskey, courseId, args) {
	let page = await firstEvents(sesskey, courseId, args);
	const isOnePage = page.length < MAX_EVENTS;
	const all = new Map(page.map((event) => [event.id, event]));
	for (let n = 1, known = 0; n < MAX_CALENDAR_REQUESTS && page.length >= MAX_EVENTS && all.size > known; n++) {
		known = all.size;
		page = await askMore(sesskey, courseId, page.filter(isNoExtension).at(-1));
		for (const event of page) all.set(event.id, event);
	}
	return { events: [...all.values()], isOnePage };
}

const isNoExtension = (event) => event.eventtype !== 'extension';

async function firstEvents(sesskey, courseId, { check, courses }) {
	const kept = globalThis[CALENDAR_KEPT];
	if (check && kept?.check === check && kept.events.has(courseId)) return kept.events.get(courseId);
	const at = Math.max(0, (courses ?? []).indexOf(courseId));
	const ids = check && courses ? courses.slice(at, at + MAX_COURSES_AT_ONCE) : [courseId];
	let events;
	try {
		events = await askCalendar(sesskey, ids);
	} catch (error) {
		if (!isRefusal(error) || ids.length === 1) throw error;
		events = await askCalendar(sesskey, [courseId]); // another course must not spoil this one
	}
	if (check) globalThis[CALENDAR_KEPT] = { check, events };
	return events.get(courseId) ?? [];
}

// course id -> its events
async function askCalendar(sesskey, courseids) {
	const wanted = { courseids, limitnum: MAX_EVENTS };
	const [{ data, errorcode }] = await ajax(sesskey, [{ methodname: CALENDAR_METHOD, args: wanted }]);
	if (!Array.isArray(data?.groupedbycourse)) throw notUnderstood(`${CALENDAR_METHOD}: ${errorcode}`);
	const events = new Map(courseids.map((id) => [id, []]));
	for (const group of data.groupedbycourse) events.set(group.courseid, group.events.map(lightEvent));
	return events;
}

// The events of one course behind one of them; Moodle heeds it only together with a start.
async function askMore(sesskey, courseid, last) {
	const wanted = { courseid, timesortfrom: last?.timesort ?? 1, aftereventid: last?.id ?? 0, limitnum: MAX_EVENTS };
	const [{ data, errorcode }] = await ajax(sesskey, [{ methodname: MORE_METHOD, args: wanted }]);
	if (!Array.isArray(data?.events)) throw notUnderstood(`${MORE_METHOD}: ${errorcode}`);
	return data.events.map(lightEvent);
}

// Without the description and the course's picture, which are most of it.
const lightEvent = ({ id, modulename, instance, eventtype, timesort, name, activityname, url, action }) => ({
	id, modulename, instance, eventtype, timesort, name, activityname, url, canAct: action?.actionable === true,
});

function calendarOf(events) {
	const due = new Map();
	const activities = new Map();
	for (const event of events) {
		if (event.modulename === 'assign') addDue(due, event);
		else if (!event.eventtype.startsWith('open') && event.modulename) activities.set(event.id, activityOf(event));
	}
	return { due, activities: [...activities.values()].sort((a, b) => a.due - b.due || a.cmid - b.cmid) };
}

// An assignment also has events for teachers (gradingdue) and of completion, which are no due dates.
function addDue(entries, event) {
	if (event.eventtype !== 'due' && event.eventtype !== 'extension') return;
	const known = entries.get(event.instance) ?? { due: 0, isExtended: false, canSubmit: false };
	entries.set(event.instance, {
		due: Math.max(known.due, event.timesort),
		isExtended: known.isExtended || event.eventtype === 'extension',
		canSubmit: known.canSubmit || event.canAct,
	});
}

const activityOf = (event) => ({
	cmid: event.instance,
	kind: clip(plainText(event.modulename), 40),
	event: clip(plainText(event.eventtype), 40),
	name: clip(plainText(event.activityname || event.name), MAX_UNITS.name),
	url: `${site.root}/mod/${encodeURIComponent(event.modulename)}/view.php?id=${event.instance}`,
	due: event.timesort,
	open: event.canAct,
});
