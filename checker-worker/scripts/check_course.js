// check_course.js - every assignment of one course, and what the student has done about each.
//
// args {wwwroot, course: {id, name?}}
// ok   {assignments: [{cmid, name, url, section, due, due_text, status, pending, closed, reason?}]}
//	due		epoch seconds, or null when there is none or the site shows it as text only
//	due_text	the due date in the site's own words and the student's time zone, "" when none
//	status		"none" | "draft" | "submitted" | "reopened" | "graded" | "unknown"
//	pending		true: something is still to be handed in; null: could not be checked
//	closed		true: not submitted, due passed and Moodle takes nothing more (cut-off, locked,
//			nothing to hand in online): not pending; false: it can be handed in now; null
//	reason		with "unknown" only: "could not be checked: ..."
// fail session_dead course_hidden not_enrolled course_unknown must_change_password
//	policy_agreement_needed profile_incomplete mfa_needed maintenance site_down not_understood
//
// One page: mod/assign/index.php up to 4.5; from 5.0 it leads to course/overview.php, which has due
// dates as epochs and the cmid as attributes. Up to 4.5 due dates come from the calendar, with one
// request more and only when something is not submitted. The status is a localised text on both, so
// it is compared with the site's own texts of the page's language. Never opens an assignment: that
// would record a view. A row that is not understood is "unknown", never "none".

const STATUS_OF_STRING = {
	submissionstatus_: 'none',
	submissionstatus_new: 'none',
	submissionstatus_draft: 'draft',
	submissionstatus_submitted: 'submitted',
	submissionstatus_reopened: 'reopened',
	submissionstatus_marked: 'graded',
};
const MAX_EVENTS = 50; // of one calendar request; Moodle refuses more
const MAX_CALENDAR_REQUESTS = 6;
// The longest texts in UTF-16 units, so that they fit checker-worker/records.c as UTF-8.
const MAX_UNITS = { name: 680, section: 340, dueText: 80 };

async function run(args) {
	return answer(args, () => checkCourse(Number(args.course.id)));
}

async function checkCourse(courseId) {
	const page = await openList(courseId);
	const rows = readList(page);
	if (rows.length === 0) return { assignments: [] };
	const statuses = await statusTexts(page.lang);
	for (const row of rows) row.status = statusOf(row, statuses);
	const calendar = await calendarFor(rows, page, courseId);
	return { assignments: rows.map((row) => describe(row, calendar.get(row.cmid))) };
}

// ---------------------------------------------------------------- the page

async function openList(courseId) {
	const page = await fetchSignedInDoc(`/mod/assign/index.php?id=${courseId}`);
	const said = (selector) => visibleText(page.doc.querySelector(selector)).slice(0, 200);
	if (page.path.startsWith('/enrol/')) {
		throw new Failure('not_enrolled', 'You are not enrolled in this course.', page.path);
	}
	if (page.status === 404 || page.doc.querySelector('.errorbox[data-rel="fatalerror"]')) {
		throw new Failure('course_unknown', 'Moodle does not know this course.', said('.errorbox .errormessage'));
	}
	if (page.doc.querySelector('#notice')) {
		throw new Failure('course_hidden', 'This course is not available to students now.', said('#notice'));
	}
	if (page.status !== 200) throw notUnderstood(`assignment list: HTTP ${page.status}`);
	return page;
}

function readList(page) {
	if (page.path === '/course/overview.php') return readOverview(page);
	if (page.path === '/mod/assign/index.php') return readIndex(page);
	throw notUnderstood(`assignment list: sent to ${page.path}`);
}

const assignLink = (element) => element.querySelector('a[href*="/mod/assign/view.php?id="]');

function rowOf(link, page, fields) {
	const url = new URL(link.getAttribute('href'), page.url);
	const cmid = Number(url.searchParams.get('id'));
	const texts = { name: visibleText(link), section: fields.section, dueText: fields.dueText };
	for (const key of Object.keys(texts)) texts[key] = clip(texts[key], MAX_UNITS[key]);
	return { cmid, url: `${site.root}/mod/assign/view.php?id=${cmid}`, ...fields, ...texts };
}

// Up to 4.5: [section,] link, due, status, grade. The section is named in the first row of its
// group only, and a ruled row ends the group.
function readIndex(page) {
	const main = page.doc.querySelector('[role="main"]') ?? page.doc.body;
	const rows = [];
	let section = '';
	for (const tr of main.querySelectorAll('table.generaltable tr')) {
		const cells = [...tr.querySelectorAll(':scope > td')];
		const link = assignLink(tr);
		if (!link) {
			if (cells.length === 1) section = '';
			continue;
		}
		const at = cells.findIndex((cell) => cell.contains(link));
		const [due, status, grade] = cells.slice(at + 1).map(visibleText);
		if (at > 0) section = visibleText(cells[at - 1]) || section;
		rows.push(rowOf(link, page, { section, dueText: withoutDash(due), due: null, statusText: status, grade }));
	}
	if (rows.length === 0 && page.doc.body.id !== 'page-mod-assign-index') {
		throw notUnderstood('assignment list: no table on an unknown page');
	}
	return rows;
}

// From 5.0: columns by name; a column without any content is left out, and the grade's column has
// a localised name. A row with the name alone says that its data is hidden from the student.
function readOverview(page) {
	if (page.doc.body.id !== 'page-course-overview') throw notUnderstood('overview: unknown page');
	const rows = [];
	for (const tr of page.doc.querySelectorAll('tr[data-mdl-overview-cmid]')) {
		const link = assignLink(tr);
		if (!link) continue;
		const cell = (item) => tr.querySelector(`td[data-mdl-overview-item="${item}"]`);
		const due = Number(cell('duedate')?.dataset.mdlOverviewValue) || null;
		rows.push(rowOf(link, page, {
			section: '', due, dueText: withoutDash(visibleText(cell('duedate'))),
			statusText: visibleText(cell('submissionstatus')), grade: visibleText(gradeCell(tr)),
		}));
	}
	if (rows.length === 0 && page.doc.querySelector('#assign_overview_collapsible')) {
		throw notUnderstood('overview: assignments without rows');
	}
	return rows;
}

const gradeCell = (tr) => [...tr.querySelectorAll('td[data-mdl-overview-item]')]
	.find((td) => !['name', 'duedate', 'completion', 'submissionstatus'].includes(td.dataset.mdlOverviewItem));

const withoutDash = (text) => (/^[-\u2013\u2014]?$/.test(text ?? '') ? '' : text);

// ---------------------------------------------------------------- the status

// Texts of the page's language -> status. A text that stands for two states stands for none.
async function statusTexts(lang) {
	const texts = await strings(lang, 'mod_assign', Object.keys(STATUS_OF_STRING));
	const statuses = new Map();
	for (const [key, status] of Object.entries(STATUS_OF_STRING)) {
		const text = texts[key];
		if (!text || text.startsWith('[[')) continue;
		statuses.set(text, statuses.has(text) && statuses.get(text) !== status ? 'unknown' : status);
	}
	return statuses;
}

// A grade settles what was submitted or never handed in; a reopened or newly drafted attempt it
// does not.
function statusOf(row, statuses) {
	const status = statuses.get(row.statusText) ?? 'unknown';
	const isGraded = withoutDash(row.grade) !== '';
	return isGraded && (status === 'submitted' || status === 'none') ? 'graded' : status;
}

const reasonOf = (row) => (row.statusText
	? `could not be checked: Moodle shows "${row.statusText.slice(0, 80)}"`
	: 'could not be checked: Moodle shows no submission state');

const isOpen = (status) => status === 'none' || status === 'draft' || status === 'reopened';

// ---------------------------------------------------------------- the calendar

function wantsCalendar(row) {
	if (!isOpen(row.status)) return false;
	return row.due === null ? row.dueText !== '' : row.due * 1000 < Date.now();
}

// cmid -> {due, canSubmit}, of what is not submitted yet. An extension is a second, later event,
// which Moodle leaves out as soon as a start is given; so only further requests have one.
async function readCalendar(sesskey, courseId) {
	const entries = new Map();
	let from = 0;
	for (let n = 0; n < MAX_CALENDAR_REQUESTS; n++) {
		const events = await readEvents(sesskey, courseId, from);
		for (const event of events) if (event.modulename === 'assign') addEvent(entries, event);
		const last = Math.max(0, ...events.filter(isNoExtension).map((event) => event.timesort));
		if (events.length < MAX_EVENTS || last <= from) break;
		from = last;
	}
	return entries;
}

const isNoExtension = (event) => event.eventtype !== 'extension';

async function readEvents(sesskey, courseId, from) {
	const methodname = 'core_calendar_get_action_events_by_courses';
	const wanted = { courseids: [courseId], limitnum: MAX_EVENTS };
	if (from > 0) wanted.timesortfrom = from;
	const [{ data, errorcode }] = await ajax(sesskey, [{ methodname, args: wanted }]);
	if (!Array.isArray(data?.groupedbycourse)) throw notUnderstood(`${methodname}: ${errorcode}`);
	return data.groupedbycourse.find((group) => group.courseid === courseId)?.events ?? [];
}

function addEvent(entries, event) {
	const known = entries.get(event.instance) ?? { due: 0, canSubmit: false };
	entries.set(event.instance, {
		due: Math.max(known.due, event.timesort),
		canSubmit: known.canSubmit || event.action?.actionable === true,
	});
}

// Without the calendar due dates stay texts, which is less but not wrong.
async function calendarFor(rows, page, courseId) {
	if (!rows.some(wantsCalendar)) return new Map();
	try {
		return await readCalendar(page.sesskey, courseId);
	} catch (error) {
		if (error.code !== 'not_understood') throw error;
		return new Map();
	}
}

// ---------------------------------------------------------------- the answer

function closedOf(row, entry, due) {
	if (!isOpen(row.status) || !entry) return null;
	if (entry.canSubmit) return false;
	return due * 1000 < Date.now() ? true : null; // before the due date: maybe not open yet
}

function describe(row, entry) {
	const { cmid, name, url, section, status } = row;
	const due = Math.max(row.due ?? 0, entry?.due ?? 0) || null;
	const closed = closedOf(row, entry, due);
	const pending = status === 'unknown' ? null : isOpen(status) && closed !== true;
	const assignment = { cmid, name, url, section, due, due_text: row.dueText, status, pending, closed };
	return status === 'unknown' ? { ...assignment, reason: reasonOf(row) } : assignment;
}
