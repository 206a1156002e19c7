// Moodle's texts in the languages of the stand-in, its dates, and its ways of escaping.
import { AR, JA } from './languages.mjs';

const EN = {
	submissionstatus_: 'No submission',
	submissionstatus_new: 'No submission',
	submissionstatus_draft: 'Draft (not submitted)',
	submissionstatus_submitted: 'Submitted for grading',
	submissionstatus_reopened: 'Reopened',
	submissionstatus_marked: 'Graded',
	submissionstatus: 'Submission status',
	noattempt: 'No attempt',
	nosubmissionyet: 'No submissions have been made yet',
	nosubmission: 'Nothing has been submitted for this assignment',
	noonlinesubmissions: 'This assignment does not require you to submit anything online',
	submissionslocked: 'This assignment is not accepting submissions',
	submissionteam: 'Group',
	userswhoneedtosubmit: 'Users who need to submit: {$a}',
	allowsubmissionsfromdatesummary: 'This assignment will accept submissions from {$a}',
	noteam: 'You are not a member of any group. Please contact your teacher.',
	gradingstatus: 'Grading status',
	graded: 'Graded',
	notgraded: 'Not graded',
	duedate: 'Due date',
	extensionduedate: 'Extension due date',
	timeremaining: 'Time remaining',
	paramtimeremaining: '{$a} remaining',
	overdue: 'Assignment is overdue by: {$a}',
	duedatereached: 'The due date for this assignment has now passed',
	submittedearly: 'Assignment was submitted {$a} early',
	submittedlate: 'Assignment was submitted {$a} late',
	attemptnumber: 'Attempt number',
	currentattempt: 'This is attempt {$a}.',
	attempthistory: 'Previous attempts',
	timemodified: 'Last modified',
	filesubmissions: 'File submissions',
	feedback: 'Feedback',
	grade: 'Grade',
	modulenameplural: 'Assignments',
	assignments: 'Assignments',
	section: 'Section',
	submission: 'Submission',
	name: 'Name',
	numberofsubmissionsneedgradinglabel: 'Needs grading: {$a}',
	addsubmission: 'Add submission',
	editsubmission: 'Edit submission',
	removesubmission: 'Remove submission',
	submitassignment: 'Submit assignment',
	beginassignment: 'Begin assignment',
	addnewattemptfromprevious: 'Add a new attempt based on previous submission',
	'activitydate:submissionsopen': 'Opens:',
	'activitydate:submissionsopened': 'Opened:',
	'activitydate:submissionsdue': 'Due:',
	calendardue: '{$a} is due',
	calendarextension: '{$a} is due (extension)',
	invalidlogin: 'Invalid login, please try again',
	lockedout: 'Your account is locked after too many failed sign-ins. Try again later.',
	timedout: 'Your session has timed out. Please log in again.',
	cookiesnotenabled: 'Unfortunately, cookies are currently not enabled in your browser',
	unconfirmed: 'You need to confirm your account',
	maintenance: 'The site is undergoing maintenance and is currently not available',
	coursehidden: 'This course is currently unavailable to students',
	activityhidden: 'Sorry, this activity is currently hidden',
	noassignments: 'There are no assignments in this course',
	login: 'Log in',
	logout: 'Log out',
	loginguest: 'Access as a guest',
	loggedinas: 'You are logged in as {$a}',
	alreadyloggedin: 'You are already logged in as {$a}, you need to log out before logging in as different user.',
	username: 'Username',
	password: 'Password',
	cancel: 'Cancel',
};

const DE = {
	submissionstatus_: 'Keine Abgabe',
	submissionstatus_new: 'Keine Abgabe',
	submissionstatus_draft: 'Entwurf (nicht abgegeben)',
	submissionstatus_submitted: 'Zur Bewertung abgegeben',
	submissionstatus_reopened: 'Erneut geöffnet',
	submissionstatus_marked: 'Bewertet',
	submissionstatus: 'Abgabestatus',
	noattempt: 'Kein Versuch',
	nosubmissionyet: 'Bisher wurde nichts abgegeben',
	nosubmission: 'Für diese Aufgabe wurde nichts abgegeben',
	noonlinesubmissions: 'Für diese Aufgabe muss online nichts abgegeben werden',
	submissionslocked: 'Für diese Aufgabe sind keine Abgaben möglich',
	submissionteam: 'Gruppe',
	noteam: 'Sie gehören zu keiner Gruppe. Wenden Sie sich an Ihren Trainer.',
	gradingstatus: 'Bewertungsstatus',
	graded: 'Bewertet',
	notgraded: 'Nicht bewertet',
	duedate: 'Fälligkeitsdatum',
	extensionduedate: 'Verlängerter Abgabetermin',
	timeremaining: 'Verbleibende Zeit',
	paramtimeremaining: '{$a} verbleibend',
	overdue: 'Aufgabe ist überfällig seit: {$a}',
	duedatereached: 'Das Fälligkeitsdatum ist vorbei',
	submittedearly: 'Aufgabe wurde {$a} vorzeitig abgegeben',
	submittedlate: 'Aufgabe wurde {$a} verspätet abgegeben',
	attemptnumber: 'Versuchsnummer',
	currentattempt: 'Dies ist Versuch {$a}.',
	attempthistory: 'Vorherige Versuche',
	timemodified: 'Zuletzt geändert',
	filesubmissions: 'Dateiabgabe',
	feedback: 'Feedback',
	grade: 'Bewertung',
	modulenameplural: 'Aufgaben',
	assignments: 'Aufgaben',
	section: 'Abschnitt',
	submission: 'Abgabe',
	name: 'Name',
	numberofsubmissionsneedgradinglabel: 'Bewertung nötig: {$a}',
	addsubmission: 'Abgabe hinzufügen',
	editsubmission: 'Abgabe bearbeiten',
	removesubmission: 'Abgabe löschen',
	submitassignment: 'Aufgabe abgeben',
	beginassignment: 'Aufgabe beginnen',
	addnewattemptfromprevious: 'Neuen Versuch auf Grundlage der letzten Abgabe anlegen',
	'activitydate:submissionsopen': 'Beginnt:',
	'activitydate:submissionsopened': 'Geöffnet:',
	'activitydate:submissionsdue': 'Fällig:',
	calendardue: '{$a} ist fällig.',
	calendarextension: '{$a} ist fällig (Verlängerung)',
	invalidlogin: 'Ungültige Anmeldedaten. Versuchen Sie es noch einmal!',
	lockedout: 'Ihr Zugang ist nach zu vielen Fehlversuchen gesperrt. Versuchen Sie es später wieder.',
	timedout: 'Ihre Sitzung ist abgelaufen. Bitte melden Sie sich neu an.',
	cookiesnotenabled: 'Cookies sind in Ihrem Browser zurzeit nicht aktiviert',
	unconfirmed: 'Sie müssen Ihren Zugang bestätigen',
	maintenance: 'Die Website wird gerade gewartet und ist zurzeit nicht verfügbar',
	coursehidden: 'Dieser Kurs ist für Teilnehmer/innen zurzeit nicht verfügbar',
	activityhidden: 'Diese Aktivität ist zurzeit verborgen',
	noassignments: 'In diesem Kurs gibt es keine Aufgaben',
	login: 'Anmelden',
	logout: 'Abmelden',
	loginguest: 'Als Gast anmelden',
	loggedinas: 'Sie sind angemeldet als {$a}',
	alreadyloggedin: 'Sie sind bereits als {$a} angemeldet. Melden Sie sich ab, bevor Sie den Zugang wechseln.',
	username: 'Anmeldename',
	password: 'Kennwort',
	cancel: 'Abbrechen',
};

const TEXTS = { en: EN, de: DE, ar: AR, ja: JA };
const LOCALES = { en: 'en-AU', de: 'de-DE', ar: 'ar-u-nu-latn', ja: 'ja-JP' };

export const isLanguage = (lang) => Object.hasOwn(TEXTS, lang);
export const directionOf = (lang) => (lang === 'ar' ? 'rtl' : 'ltr');

// A language that is not installed, or lacks the text, shows it in English.
export function text(lang, key, a = '') {
	return (TEXTS[lang]?.[key] ?? EN[key] ?? `[[${key}]]`).replace('{$a}', () => a);
}

export function zonedParts(epoch, timezone) {
	const format = new Intl.DateTimeFormat('en-GB', {
		timeZone: timezone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23',
	});
	const parts = Object.fromEntries(format.formatToParts(epoch * 1000).map((p) => [p.type, p.value]));
	return { hour: Number(parts.hour), minute: Number(parts.minute) };
}

// "Thursday, 19 November 2026, 1:55 AM" and "Donnerstag, 19. November 2026, 01:55".
export function dateText(epoch, lang, timezone) {
	const format = new Intl.DateTimeFormat(LOCALES[lang] ?? LOCALES.en, {
		timeZone: timezone, weekday: 'long', day: 'numeric', month: 'long', year: 'numeric',
	});
	const day = Object.fromEntries(format.formatToParts(epoch * 1000).map((p) => [p.type, p.value]));
	const { hour, minute } = zonedParts(epoch, timezone);
	const mm = String(minute).padStart(2, '0');
	if (lang === 'de') {
		return `${day.weekday}, ${day.day}. ${day.month} ${day.year}, ${String(hour).padStart(2, '0')}:${mm}`;
	}
	if (lang === 'ja') {
		const [month] = new Intl.DateTimeFormat('en', { timeZone: timezone, month: 'numeric' }).format(epoch * 1000).split('/');
		return `${day.year.replace(/\D/g, '')}年 ${month}月 ${day.day.replace(/\D/g, '')}日(${day.weekday}) ${String(hour).padStart(2, '0')}:${mm}`;
	}
	const half = hour < 12 ? 'AM' : 'PM';
	if (lang === 'ar') return `${day.weekday}، ${day.day} ${day.month} ${day.year}، ${hour % 12 || 12}:${mm} ${half}`;
	return `${day.weekday}, ${day.day} ${day.month} ${day.year}, ${hour % 12 || 12}:${mm} ${half}`;
}

const NEAR_DAYS = {
	en: ['Yesterday', 'Today', 'Tomorrow'], de: ['Gestern', 'Heute', 'Morgen'],
	ar: ['أمس', 'اليوم', 'غدًا'], ja: ['昨日', '今日', '明日'],
};

// A day in the words of the course's overview, without its year in this year: {day, near, time}; near is
// empty unless it is yesterday, today or tomorrow.
export function nearDay(epoch, lang, timezone, now) {
	const dayOf = (at) => Math.floor(Date.parse(new Intl.DateTimeFormat('en-CA', { timeZone: timezone }).format(at * 1000)) / 86400000);
	const [, whole, time] = /^(.*?)[,،]? (\d+:\d\d(?: [AP]M)?)$/u.exec(dateText(epoch, lang, timezone));
	const day = whole.replace(` ${new Date(now * 1000).getUTCFullYear()}`, '');
	const word = NEAR_DAYS[lang]?.[dayOf(epoch) - dayOf(now) + 1];
	return { day, near: word ? `${word}, ${day}` : '', time };
}

const UNITS = {
	en: [['day', 'days', 86400], ['hour', 'hours', 3600], ['min', 'mins', 60], ['sec', 'secs', 1]],
	de: [['Tag', 'Tage', 86400], ['Stunde', 'Stunden', 3600], ['Minute', 'Minuten', 60], ['Sekunde', 'Sekunden', 1]],
	ar: [['يوم', 'أيام', 86400], ['ساعة', 'ساعات', 3600], ['دقيقة', 'دقائق', 60], ['ثانية', 'ثواني', 1]],
	ja: [['日', '日', 86400], ['時間', '時間', 3600], ['分', '分', 60], ['秒', '秒', 1]],
};

export function durationText(seconds, lang) {
	const units = UNITS[lang] ?? UNITS.en;
	const first = Math.max(0, units.findIndex(([, , size]) => seconds >= size));
	let rest = seconds;
	return units.slice(first, first + 2).flatMap(([one, many, size]) => {
		const n = Math.floor(rest / size);
		rest -= n * size;
		return n ? [`${n} ${n === 1 ? one : many}`] : [];
	}).join(' ');
}

// The zone's name as Moodle shows it: only in English is it the IANA id.
export function timezoneName(timezone, lang) {
	const german = { Europe: 'Europa', Asia: 'Asien', America: 'Amerika', Africa: 'Afrika' };
	return lang === 'de' ? timezone.replace(/^[A-Z][a-z]+/, (area) => german[area] ?? area) : timezone;
}

export function escapeHtml(value) {
	const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#039;' };
	return String(value).replace(/[&<>"']/g, (c) => entities[c]);
}

// format_string(): names lose their tags, stray ampersands and angle brackets become entities.
export function formatString(name) {
	return name
		.replace(/<[^\s>][^>]*>/g, '')
		.replace(/&(?![a-zA-Z0-9#]{1,8};)/g, '&amp;')
		.replace(/</g, '&lt;')
		.replace(/>/g, '&gt;');
}
