// check_course.js - every assignment of one course, and what the student can still owe of each.
//
// args {wwwroot, course: {id, name?}, courses?, check?}
//	courses, check	ids of all courses of this check, in order, and a name for it: then the calendar
//			of several comes with one request (calendar.js)
// ok   {assignments: [{cmid, name, url, section, due, due_text, status, pending, handin, reason?}],
//	activities: [{cmid, kind, event, name, url, due, open}]}
//	due		epoch seconds, an extension included, or null when there is none or the site
//			shows it as text only
//	due_text	the due date in the site's own words and the student's time zone, "" when none
//	status		"none" | "draft" | "submitted" | "reopened" | "graded" | "unknown"
//	handin		"open"		it can be handed in now
//			"later"		it opens later
//			"closed"	not handed in, and Moodle takes nothing more (cut-off passed)
//			"locked"	a teacher has locked it
//			"offline"	there is nothing to hand in on Moodle
//			"no_team"	it is handed in by groups, and the student is in none
//			"team"		the student's part is done, others of the team are awaited
//			"done"		submitted or graded
//			"unknown"	could not be checked
//	pending		true: a submission can still be owed (open, later, no_team); null: unknown
//	reason		a sentence for the student; with unknown "could not be checked: ..."
//	activities	quizzes, forums and others that the calendar holds: kind is Moodle's name of the
//			module, event of the date ("close", "due", ...), open: it can be done now;
//			null: the site does not tell
// fail session_dead course_hidden not_enrolled course_unknown must_change_password
//	policy_agreement_needed profile_incomplete mfa_needed maintenance site_down not_understood
//
// First one page for the whole course: mod/assign/index.php up to 4.5; from 5.0 it leads to
// course/overview.php, which has due dates as epochs and the cmid as attributes. The status is a
// localised text on both, so it is compared with the site's own texts of the page's language. The
// calendar has epochs, extensions (from 4.5) and, of what has a due date, whether a submission is
// taken now. Only what these leave open costs a page of its own (assignment_page.js). A row that is
// not understood is "unknown", never "none".
//
// The script is calendar.js, duration_dates.js, assignment_page.js and this file.

const STATUS_OF_STRING = {
	submissionstatus_: 'none',
	submissionstatus_new: 'none',
	submissionstatus_draft: 'draft',
	submissionstatus_submitted: 'submitted',
	submissionstatus_reopened: 'reopened',
	submissionstatus_marked: 'graded',
};
const MAX_PAGES = 200; // of single assignments of one course
// The longest texts in UTF-16 units, so that they fit checker-worker/records.c as UTF-8.
const MAX_UNITS = { name: 680, section: 340, dueText: 80 };
const TEXTS_KEPT = Symbol.for('pensum.texts');

async function run(args) {
	return answer(args, () => checkCourse(Number(args.course.id), args));
}

async function checkCourse(courseId, args) {
	const page = await openList(courseId);
	const rows = readList(page);
	const texts = rows.length > 0 ? await textsOf(page) : {};
	const statuses = statusesOf(texts);
	for (const row of rows) row.status = statusOf(row, statuses);
	const calendar = await readCalendar(page.sesskey, courseId, args);
	for (const row of rows) addCalendar(row, calendar.due.get(row.cmid));
	await openPages(rows, page, texts, page.config.apibase !== undefined && calendar.hasExtensions);
	return { assignments: rows.map(describe), activities: calendar.activities };
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
			section: sectionOf(link, cell('name')), due, dueText: dueTextOf(cell('duedate')),
			statusText: visibleText(cell('submissionstatus')), grade: visibleText(gradeCell(tr)),
		}));
	}
	if (rows.length === 0 && page.doc.querySelector('#assign_overview_collapsible')) {
		throw notUnderstood('overview: assignments without rows');
	}
	return rows;
}

// It stands in the name's cell, between the name and signs such as "not shown on course page".
function sectionOf(link, nameCell) {
	const part = link.parentElement.nextElementSibling;
	return part && nameCell?.contains(part) && part.nextElementSibling ? visibleText(part) : '';
}

const gradeCell = (tr) => [...tr.querySelectorAll('td[data-mdl-overview-item]')]
	.find((td) => !['name', 'duedate', 'completion', 'submissionstatus'].includes(td.dataset.mdlOverviewItem));

// From 5.1 a day that is near is told as "Tomorrow, ...", which soon is wrong; its date is the title then.
function dueTextOf(cell) {
	const text = withoutDash(visibleText(cell));
	const day = collapse(cell?.querySelector('.date[title]')?.getAttribute('title') ?? '');
	const time = text.lastIndexOf(', ');
	return day && time > 0 ? day + text.slice(time) : text;
}

const withoutDash = (text) => (/^[-\u2013\u2014]?$/.test(text ?? '') ? '' : text);

// ---------------------------------------------------------------- the status

// Moodle's texts of the page's language. They are the same for all courses of a check, so the page
// keeps them until Moodle says that they are others (langrev: a new version, a customised text).
// Without them every state is read from the assignment's own page.
async function textsOf({ lang, config }) {
	const kept = (globalThis[TEXTS_KEPT] ??= {});
	const key = `${lang} ${config.langrev}`;
	try {
		kept[key] ??= await strings(lang, 'mod_assign', [...Object.keys(STATUS_OF_STRING), ...PAGE_TEXTS]);
	} catch (error) {
		if (!isRefusal(error)) throw error;
	}
	return kept[key] ?? {};
}

// Text -> status. A text that stands for two states stands for none.
function statusesOf(texts) {
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

const isOpenStatus = (status) => status === 'none' || status === 'draft' || status === 'reopened';

function addCalendar(row, entry) {
	if (row.status === 'submitted' || row.status === 'graded') row.handin = 'done';
	// Of a draft the team's others may be awaited, which the calendar does not tell.
	if ((row.status === 'none' || row.status === 'reopened') && entry?.canSubmit) row.handin = 'open';
	if (!entry || row.handin === 'done') return;
	row.due = Math.max(row.due ?? 0, entry.due);
	row.isExtended = entry.isExtended;
}

// ---------------------------------------------------------------- what needs a page of its own

// Before 4.5 no calendar tells of an extension; M.cfg has had apibase since.
const wantsPage = (row, hasExtensions) => row.handin === undefined
	|| (row.handin === 'open' && row.dueText !== '' && !row.isExtended && !hasExtensions);

async function openPages(rows, page, texts, hasExtensions) {
	const dated = rows.find((row) => row.due > 0 && row.dueText && !row.isExtended);
	const known = dated && { due: dated.due, text: dated.dueText };
	let opened = 0;
	let down = 0;
	for (const row of rows) {
		if (!wantsPage(row, hasExtensions)) continue;
		const found = opened++ < MAX_PAGES ? await readAssignmentPage(row.cmid, texts)
			: { reason: `more than ${MAX_PAGES} assignments would have to be opened` };
		down = found.isDown ? down + 1 : 0;
		if (down > 1) throw siteDown('Moodle does not answer.', `assignment ${row.cmid}: ${found.reason}`);
		if (found.isOther && row.status === 'unknown') return; // a teacher's list has no state in any row
		take(row, found, known);
	}
}

// The page is newer than the list, and its signs are no texts.
function take(row, found, known) {
	if (!found.handin || found.handin === 'unknown') {
		Object.assign(row, { handin: 'unknown', reason: found.reason });
		return;
	}
	Object.assign(row, { status: found.status, handin: found.handin, reason: found.reason ?? '' });
	if (isOpenStatus(row.status)) takeDates(row, found, known);
}

// The calendar's word on an extension is better than a text; an earlier due date is worse than none.
function takeDates(row, { extensionText, durationText, isPast, now }, known) {
	const epochOf = (dateText) => epochOfTexts({ dateText, durationText, isPast, now, known });
	if (!extensionText) {
		if (row.dueText) row.due ??= epochOf(row.dueText);
		return;
	}
	const extension = row.isExtended ? row.due : epochOf(extensionText);
	if (extension !== null && extension < row.due) return;
	row.due = extension;
	row.dueText = extensionText;
}

// ---------------------------------------------------------------- the answer

function reasonOf(row) {
	if (row.handin !== 'unknown') return row.reason ?? '';
	if (row.reason) return `could not be checked: ${row.reason}`;
	if (row.statusText) return `could not be checked: Moodle shows "${row.statusText.slice(0, 80)}" for your submission`;
	return 'could not be checked: Moodle shows no submission state';
}

const OWED = { open: true, later: true, no_team: true, unknown: null };

function describe(row) {
	row.handin ??= 'unknown';
	const { cmid, name, url, section, handin } = row;
	const pending = handin in OWED ? OWED[handin] : false;
	const status = pending === null ? 'unknown' : row.status;
	const assignment = { cmid, name, url, section, due: row.due || null, due_text: row.dueText, status, pending, handin };
	const reason = reasonOf(row);
	return reason ? { ...assignment, reason: clip(reason, 160) } : assignment;
}
