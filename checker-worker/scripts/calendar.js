// calendar.js - what the site's calendar says of several courses at once: due dates as epochs,
// whether a submission is taken now, and other activities with a date.
//
// Up to MAX_COURSES_AT_ONCE courses come with one request, which is kept for the next courses of the
// same attempt of a check (args.check): in the page, so that it ends with it. Moodle answers at most
// MAX_EVENTS events of a course; further ones cost a request each.

const MAX_EVENTS = 50; // of one course in one request; Moodle refuses more
const MAX_CALENDAR_REQUESTS = 6; // of one course
const MAX_COURSES_AT_ONCE = 10;
const CALENDAR_METHOD = 'core_calendar_get_action_events_by_courses';
const CALENDAR_KEPT = Symbol.for('pensum.calendar');

// {due: Map(cmid -> {due, isExtended, canSubmit}), activities: [...]}; no dates, and activities null, when the
// site does not tell.
async function readCalendar(sesskey, courseId, args) {
	try {
		return calendarOf(await readEvents(sesskey, courseId, args));
	} catch (error) {
		if (!isRefusal(error)) throw error;
		return { due: new Map(), activities: null };
	}
}

// An extension is a second, later event, which Moodle leaves out as soon as a start is given; so
// only further requests have one.
async function readEvents(sesskey, courseId, args) {
	let page = await firstEvents(sesskey, courseId, args);
	const all = new Map(page.map((event) => [event.id, event]));
	let from = 0;
	for (let n = 1; n < MAX_CALENDAR_REQUESTS; n++) {
		const last = Math.max(0, ...page.filter(isNoExtension).map((event) => event.timesort));
		if (page.length < MAX_EVENTS || last <= from) break;
		from = last;
		page = (await askCalendar(sesskey, [courseId], from)).get(courseId) ?? [];
		for (const event of page) all.set(event.id, event);
	}
	return [...all.values()];
}

const isNoExtension = (event) => event.eventtype !== 'extension';

async function firstEvents(sesskey, courseId, { check, courses }) {
	const kept = globalThis[CALENDAR_KEPT];
	if (check && kept?.check === check && kept.events.has(courseId)) return kept.events.get(courseId);
	const at = Math.max(0, (courses ?? []).indexOf(courseId));
	const ids = check && courses ? courses.slice(at, at + MAX_COURSES_AT_ONCE) : [courseId];
	let events;
	try {
		events = await askCalendar(sesskey, ids, 0);
	} catch (error) {
		if (!isRefusal(error) || ids.length === 1) throw error;
		events = await askCalendar(sesskey, [courseId], 0); // another course must not spoil this one
	}
	if (check) globalThis[CALENDAR_KEPT] = { check, events };
	return events.get(courseId) ?? [];
}

// course id -> its events
async function askCalendar(sesskey, courseids, from) {
	const wanted = { courseids, limitnum: MAX_EVENTS };
	if (from > 0) wanted.timesortfrom = from;
	const [{ data, errorcode }] = await ajax(sesskey, [{ methodname: CALENDAR_METHOD, args: wanted }]);
	if (!Array.isArray(data?.groupedbycourse)) throw notUnderstood(`${CALENDAR_METHOD}: ${errorcode}`);
	const events = new Map(courseids.map((id) => [id, []]));
	for (const group of data.groupedbycourse) events.set(group.courseid, group.events.map(lightEvent));
	return events;
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
