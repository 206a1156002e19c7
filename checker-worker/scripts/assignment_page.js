// assignment_page.js - what the page of one assignment says of handing it in. Its signs are classes
// and the names of controls, which no language and no theme changes (3.9 to 5.x); texts are asked
// for only where Moodle gives no other sign.
//
// A page costs a request and records that the student has viewed the assignment, so it is opened
// only for what the list and the calendar leave open. None of its controls is ever followed: they
// hand in, remove, or start a time limit.

const PAGE_TEXTS = ['noonlinesubmissions', 'extensionduedate', 'timeremaining', 'activitydate:submissionsopen',
	'activitydate:submissionsopened', 'activitydate:submissionsdue'];
const STATUS_CLASSES = ['submitted', 'draft', 'reopened', 'marked'];

// {status, handin, reason?, dueText, durationText, isPast, now} or {reason, isOther} when it could
// not be read; isOther: the page is no student's.
async function readAssignmentPage(cmid, texts) {
	const page = await openAssignmentPage(cmid);
	if (page.reason) return page;
	const table = page.doc.querySelector('.submissionstatustable');
	if (!table) return { reason: 'Moodle shows no submission state', isOther: true };
	const status = statusOfPage(page, table);
	const dates = datesOfPage(page, table, texts);
	return { status, ...handInOf(page, table, status, texts, dates), ...dates };
}

async function openAssignmentPage(cmid) {
	const path = '/mod/assign/view.php';
	try {
		const page = await fetchSignedInDoc(`${path}?id=${cmid}`);
		if (page.status === 200 && page.path === path && page.doc.body.id === 'page-mod-assign-view'
			&& !page.doc.querySelector('#notice')) return page;
		return { reason: page.path === path ? `its page answers HTTP ${page.status}` : 'Moodle does not show it to you' };
	} catch (error) {
		if (error.code !== 'site_down' && error.code !== 'not_understood') throw error;
		return { reason: 'its page did not open', isDown: error.code === 'site_down' };
	}
}

// The list knows a grade only when the student may see it; so it is here.
function statusOfPage(page, table) {
	const has = (name) => table.querySelector(`td.${name}`) !== null;
	const status = STATUS_CLASSES.find((one) => has(`submissionstatus${one}`)) ?? 'none';
	if (status === 'marked') return 'graded';
	const isGraded = has('submissiongraded') && isGradeShown(page);
	return isGraded && (status === 'none' || status === 'submitted') ? 'graded' : status;
}

const isGradeShown = (page) => [...page.doc.querySelectorAll('.feedback')].some((part) => !part.closest('#intro, .submissionsummarytable'));

// What the teacher wrote and what the student handed in may hold anything, so neither is looked at.
function hasAction(page, name) {
	const signs = `input[name="action"][value="${name}"], a[href*="action=${name}"]`;
	return [...page.doc.querySelectorAll(signs)].some((sign) => !sign.closest('#intro, .submissionsummarytable, .feedback'));
}

function handInOf(page, table, status, texts, dates) {
	if (status === 'submitted' || status === 'graded') return { handin: 'done' };
	const isMyPartDone = status === 'draft' && othersAreAwaited(page, table);
	if (isMyPartDone) return { handin: 'team', reason: 'Your part is done; it waits for others of your team.' };
	if (hasAction(page, 'editsubmission') || hasAction(page, 'submit')) return { handin: 'open' };
	if (table.querySelector('td.submissionlocked')) {
		return { handin: 'locked', reason: 'Your teacher has locked it: Moodle takes nothing.' };
	}
	if (cellsOf(table).some((cell) => texts.noonlinesubmissions && visibleText(cell) === texts.noonlinesubmissions)) {
		return { handin: 'offline', reason: 'There is nothing to hand in on Moodle.' };
	}
	if (table.querySelector('tr:first-child td .alert')) {
		return { handin: 'no_team', reason: 'It is handed in by groups, and you are not in one. Ask your teacher.' };
	}
	return opensLater(page, texts, dates);
}

const cellNamed = (table, label) => (label ? [...table.querySelectorAll('.submissionsummarytable tr')]
	.find((tr) => visibleText(tr.cells[0]) === label)?.cells[1] : undefined);
const cellsOf = (table) => [...table.querySelectorAll('.submissionsummarytable tr > td')];

// "All of the team must submit": the status names who has not, as links to their profiles.
function othersAreAwaited(page, table) {
	const ids = [...table.querySelectorAll('td.submissionstatusdraft a[href*="/user/view.php?"]')]
		.map((link) => Number(new URL(link.getAttribute('href'), page.url).searchParams.get('id')));
	if (ids.length === 0) return false;
	const me = ownId(page);
	return me > 0 ? !ids.includes(me) : !hasAction(page, 'submit');
}

// M.cfg has it from 4.3; before, the user menu and the footer link to the own profile.
function ownId(page) {
	if (page.config.userId > 0) return page.config.userId;
	const link = page.doc.querySelector('.usermenu a[href*="/user/profile.php?id="], .logininfo a[href*="/user/profile.php?id="]');
	return link ? Number(new URL(link.getAttribute('href'), page.url).searchParams.get('id')) : 0;
}

// Nothing is taken now, and nothing says why: it opens later, or it has closed.
function opensLater(page, texts, { isPast, durationText }) {
	const later = (when) => ({ handin: 'later', reason: when ? `It opens later: ${when}` : 'It opens later.' });
	const closed = { handin: 'closed', reason: 'It is closed: Moodle takes nothing more.' };
	const notice = page.doc.querySelector('.submissionsalloweddates'); // up to 3.10
	if (notice) return later(visibleText(notice.querySelector('strong')));
	const { opens, isAhead } = openingOf(page, texts);
	if (isAhead) return later(opens);
	if (!opens || isAhead === false || isPast) return closed;
	if (durationText) return later(opens); // a cut-off is never before the due date
	return { handin: 'unknown', reason: 'Moodle does not say whether it opens later or has closed' };
}

// The opening date's label says whether it lies ahead; in some languages it does not, and it may be
// none that is known (null).
function openingOf(page, texts) {
	const [ahead, past] = [texts['activitydate:submissionsopen'], texts['activitydate:submissionsopened']];
	for (const { label, value } of datesRegion(page)) {
		if (label === texts['activitydate:submissionsdue']) continue;
		const isKnown = ahead !== past && (label === ahead || label === past);
		return { opens: value, isAhead: isKnown ? label === ahead : null };
	}
	return { opens: '', isAhead: false };
}

function datesRegion(page) {
	return [...page.doc.querySelectorAll('[data-region="activity-dates"] strong')].map((strong) => ({
		label: visibleText(strong),
		value: collapse(strong.parentElement.textContent.replace(strong.textContent, '')),
	}));
}

// An extension stands in a row of its own; then the time row counts to it. Up to 3.11 the time that
// remains has no class.
function datesOfPage(page, table, texts) {
	const time = table.querySelector('td.timeremaining, td.overdue') ?? cellNamed(table, texts.timeremaining);
	return {
		extensionText: clip(visibleText(cellNamed(table, texts.extensionduedate)), MAX_UNITS.dueText),
		durationText: visibleText(time),
		isPast: time?.classList.contains('overdue') ?? false,
		now: page.time,
	};
}
