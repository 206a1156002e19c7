// Times as the viewer reads them: in the viewer's own zone, in English (the page's language) with
// the viewer's English conventions where they name any.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const locale = globalThis.navigator?.languages?.find(tag => /^en\b/i.test(tag)) ?? 'en-GB';
const counter = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const CLOCK = { hour: '2-digit', minute: '2-digit' };
const sameYear = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', ...CLOCK });
const otherYear = new Intl.DateTimeFormat(locale,
	{ weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', ...CLOCK });
const complete = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' });

// How long ago something was: never ahead, also when its clock or ours is a little wrong.
export function ago(date, now = serverTime()) {
	return relative(new Date(Math.min(date, now)), now);
}

// What this computer's clock is behind Pensum's by; below a minute nobody would see it.
let behind = 0;

// text: an answer's Date header.
export function hearClock(text) {
	const ms = Date.parse(text ?? '') - Date.now();
	if (Number.isFinite(ms)) behind = Math.abs(ms) < MINUTE ? 0 : ms;
}

export function serverTime() {
	return new Date(Date.now() + behind);
}

// "in 5 hours", "tomorrow", "3 days ago". Days are counted by the calendar: what is due tomorrow at
// 23:55 is due tomorrow, though it is more than a day away.
export function relative(date, now = new Date()) {
	const ms = date - now;
	const size = Math.abs(ms);
	if (size < MINUTE) return ms > 0 ? 'in a moment' : 'just now';
	if (size < HOUR) return counter.format(Math.trunc(ms / MINUTE), 'minute');
	const days = calendarDays(now, date);
	if (size < 12 * HOUR || days === 0) return counter.format(Math.trunc(ms / HOUR), 'hour');
	if (Math.abs(days) < 45) return counter.format(days, 'day');
	if (size < 365 * DAY) return counter.format(Math.round(ms / (30.44 * DAY)), 'month');
	return counter.format(Math.round(ms / (365.25 * DAY)), 'year');
}

function calendarDays(from, to) {
	const midnight = date => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
	return Math.round((midnight(to) - midnight(from)) / DAY);
}

// "Sun, 24 Nov, 23:55"
export function exact(date, now = new Date()) {
	return (date.getFullYear() === now.getFullYear() ? sameYear : otherYear).format(date);
}

export function full(date) {
	return complete.format(date);
}

export function zone() {
	return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export const URGENT_DAYS = 7;

// Which heading an assignment stands under: overdue, soon, later, undated or unknown. Days are counted as in
// the words beside it: what is due "in 7 days" stands under "Due in 7 days".
export function groupOf(assignment, now = new Date()) {
	if (assignment.pending === null) return 'unknown';
	if (!assignment.due) return 'undated';
	const due = new Date(assignment.due);
	if (due < now) return 'overdue';
	return calendarDays(now, due) <= URGENT_DAYS ? 'soon' : 'later';
}
