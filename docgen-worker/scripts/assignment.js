// assignment.js - one assignment: its facts, and its description as a safe block model.
//
// args {wwwroot, cmid, title?, course_name?, due?}	what the caller knows already wins
// ok   {title, course: {id, name}, url, due, due_text, opens_text, status, lang, dir, blocks,
//	attachments: [{name, url}], truncated}
//	due		epoch seconds or null; due_text in the site's words, an extension included
//	status		"none" | "draft" | "submitted" | "reopened" | "graded" | "unknown"
//	lang, dir	of the page: "de" or "zh-cn", "ltr" or "rtl"
// fail session_dead assignment_hidden not_enrolled assignment_unknown must_change_password
//	policy_agreement_needed profile_incomplete mfa_needed maintenance site_down not_understood
//
// blocks and truncated are described in blocks.js. The script is runs.js, pictures.js, blocks.js and
// this file, one after the other.

async function run(args) {
	return answer(args, () => readAssignment(args, Number(args.cmid)));
}

async function readAssignment(args, cmid) {
	const page = await openPage(cmid);
	const course = readCourse(page, args.course_name);
	const status = readStatus(page);
	const { isExtended, ...dates } = await readDates(page);
	return {
		title: args.title || readTitle(page, cmid, course),
		course,
		url: `${site.root}/mod/assign/view.php?id=${cmid}`,
		due: args.due > 0 ? args.due : await readDue(page, cmid, course, { status, isExtended, dueText: dates.due_text }),
		...dates,
		status,
		lang: collapse(page.doc.documentElement.lang) || page.lang.replace(/_/g, '-'),
		dir: page.doc.documentElement.getAttribute('dir') === 'rtl' ? 'rtl' : 'ltr',
		attachments: readAttachments(page),
		...await readDescription(page),
	};
}

// ---------------------------------------------------------------- the page

async function openPage(cmid) {
	const opened = await fetchSignedInDoc(`/mod/assign/view.php?id=${cmid}`);
	const hidden = (detail) => new Failure('assignment_hidden',
		'This assignment is not available to you now.', detail);
	if (opened.path.startsWith('/enrol/')) {
		throw new Failure('not_enrolled', 'You are not enrolled in this course.', opened.path);
	}
	if (opened.status === 404 || opened.doc.querySelector('.errorbox[data-rel="fatalerror"]')) {
		throw new Failure('assignment_unknown', 'Moodle does not know this assignment.',
			visibleText(opened.doc.querySelector('.errorbox .errormessage')));
	}
	if (opened.path !== '/mod/assign/view.php') throw hidden(`sent to ${opened.path}`);
	if (opened.doc.querySelector('#notice')) throw hidden(visibleText(opened.doc.querySelector('#notice')));
	if (opened.status !== 200 || opened.doc.body.id !== 'page-mod-assign-view') {
		throw notUnderstood(`assignment: HTTP ${opened.status}, page "${opened.doc.body.id}"`);
	}
	return opened;
}

function firstText(page, ...selectors) {
	for (const selector of selectors) {
		const found = visibleText(page.doc.querySelector(selector));
		if (found) return found;
	}
	return '';
}

function readCourse(page, knownName) {
	const id = Number(/(?:^|\s)course-(\d+)/.exec(page.doc.body.className)?.[1]) || null;
	const link = page.doc.querySelector(`.breadcrumb a[href*="/course/view.php?id=${id}"]`);
	const name = plainText(link?.getAttribute('title')) || visibleText(link); // the text is the short name
	return { id, name: knownName || name };
}

// Boost has the name in the page header, classic in the first h2 with the course in the header.
function readTitle(page, cmid, course) {
	const crumb = firstText(page, `.breadcrumb a[href*="/mod/assign/view.php?id=${cmid}"]`);
	if (crumb) return crumb;
	const header = firstText(page, '#page-header h1', 'h1');
	if (header && header !== course.name) return header;
	return firstText(page, '[role="main"] h2', '#region-main h2') || header;
}

function readStatus(page) {
	const table = page.doc.querySelector('.submissionstatustable');
	if (!table) return 'unknown';
	const has = (name) => table.querySelector(`td.${name}`) !== null;
	if (has('submissionstatusreopened')) return 'reopened';
	if (has('submissionstatusdraft')) return 'draft';
	if (has('submissiongraded') || has('submissionstatusmarked')) return 'graded';
	return has('submissionstatussubmitted') ? 'submitted' : 'none';
}

// ---------------------------------------------------------------- the dates

// What more the site would tell of its dates is worth no failure.
async function askForDates(ask, otherwise) {
	try {
		return await ask();
	} catch (error) {
		if (!isRefusal(error)) throw error;
		return otherwise;
	}
}

const DATE_TEXTS = ['activitydate:submissionsopen', 'activitydate:submissionsopened', 'activitydate:submissionsdue',
	'duedate', 'extensionduedate'];

// Entries of "label: date" in the dates region (from 3.11), and rows of the state; told apart by the site's
// own labels. Without these the region's are told all, each with its label; a page without the region may have
// a due date all the same, so then it is a failure.
async function readDates(page) {
	const entries = [...page.doc.querySelectorAll('[data-region="activity-dates"] strong')];
	const dates = { opens_text: '', due_text: '', isExtended: false };
	const ask = () => strings(page.lang, 'mod_assign', DATE_TEXTS);
	const texts = entries.length > 0 ? await askForDates(ask, null) : await ask();
	if (!texts) return { ...dates, due_text: entries.map((strong) => visibleText(strong.parentElement)).join('; ') };
	for (const strong of entries) {
		const value = collapse(strong.parentElement.textContent.replace(strong.textContent, ''));
		dates[visibleText(strong) === texts['activitydate:submissionsdue'] ? 'due_text' : 'opens_text'] ||= value;
	}
	for (const row of page.doc.querySelectorAll('.submissionstatustable tr')) {
		const [label, value] = [...row.children].map(visibleText);
		if (label && label === texts.duedate) dates.due_text ||= value;
		if (label && label === texts.extensionduedate) Object.assign(dates, { due_text: value, isExtended: true });
	}
	return dates;
}

// Up to 4.5 only the calendar has the epoch, and only of what is not submitted. Its dates of completion
// and of grading are others; before 4.5 it has no extension, of which the due date is no longer true.
async function readDue(page, cmid, course, { status, isExtended, dueText }) {
	if (!dueText || !course.id || status === 'submitted' || status === 'graded') return null;
	const methodname = 'core_calendar_get_action_events_by_courses';
	const wanted = { courseids: [course.id], limitnum: 50 };
	const [{ data }] = await askForDates(() => ajax(page.sesskey, [{ methodname, args: wanted }]), [{}]);
	const events = (data?.groupedbycourse ?? []).flatMap((group) => group.events);
	const mine = events.filter((event) => event.modulename === 'assign' && event.instance === cmid
		&& (event.eventtype === 'extension' || (event.eventtype === 'due' && !isExtended)));
	return mine.length ? Math.max(...mine.map((event) => event.timesort)) : null;
}

// ---------------------------------------------------------------- the description

// Where the site has no "slash arguments", a file's path stands in the query, and its slashes are encoded.
function readAttachments(page) {
	const found = new Map();
	for (const link of page.doc.querySelectorAll('#intro a[href*="/pluginfile.php"]')) {
		const url = absolute(link.getAttribute('href'), page.url);
		const isOurs = url && sitePath(url) !== null && filePath(url).includes('/mod_assign/introattachment/');
		if (isOurs) found.set(url.href, { name: fileName(url), url: url.href });
	}
	return [...found.values()];
}

async function readDescription(page) {
	const intro = page.doc.querySelector('#intro');
	if (!intro) return { blocks: [], truncated: false }; // none, or hidden until the assignment opens
	return readBlocks(intro, page.url);
}
