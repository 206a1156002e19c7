// duration_dates.js - the epoch of a date that a page shows as text only, in any language.
//
// A page up to 4.5 says "12 December 2026, 1:55 PM" and, beside it, "20 days 3 hours remaining". The
// words differ by language; the numbers do not. "20, 3" is 20 days and 3 hours, or 20 hours and 3
// minutes, or 20 minutes and 3 seconds: each is a short span of time counted from now, in which the
// minute and the hour of the date's text must fall. Where minute and hour lie in the student's zone
// is learnt from another date of which both the text and the epoch are known. Where two readings fit, as
// "4 days 23 hours" does when in 4 minutes and 23 seconds the clock is the same, the text's day and year
// decide. An answer is given only when one reading fits.

const UNITS_S = [[86400, 3600], [3600, 60], [60, 1]];
const DIGIT_ZEROS = [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
	0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0xff10];
const HALF_DAY_MIN = 720;
const DAY_S = 86400;
const SUMMER_TIME_MIN = 60;

function digitOf(character) {
	const code = character.codePointAt(0);
	const zero = DIGIT_ZEROS.find((first) => code >= first && code < first + 10);
	return zero === undefined ? '' : String(code - zero);
}

const numbersIn = (text) => (text.match(/\p{Nd}+/gu) ?? []).map((run) => Number([...run].map(digitOf).join('')));

// Minutes since midnight or noon: the last two numbers of a date are its hour and minute.
function clockMinutes(text) {
	const [hour, minute] = numbersIn(text).slice(-2);
	if (!(hour < 24 && minute < 60)) return null;
	return (hour * 60 + minute) % HALF_DAY_MIN;
}

const modulo = (value, by) => ((value % by) + by) % by;

// The student's zone as minutes to add to UTC, without its half days: {text, due} of a known date.
function zoneOf(known) {
	const clock = known && known.due > 0 ? clockMinutes(known.text) : null;
	return clock === null ? null : modulo(clock - Math.floor(known.due / 60), HALF_DAY_MIN);
}

// dateText, and durationText that says how far the date is from now (isPast: before now); epoch
// seconds or null.
function epochOfTexts({ dateText, durationText, isPast, now, known }) {
	const zone = zoneOf(known);
	const clock = clockMinutes(dateText);
	const [many, few = 0, ...more] = numbersIn(durationText);
	if (zone === null || clock === null || many === undefined || more.length > 0) return null;
	const found = new Set();
	for (const [large, small] of UNITS_S) {
		const low = many * large + few * small;
		const from = isPast ? now - low - small : now + low;
		const epoch = minuteWithin(from, from + small, modulo(clock - zone, HALF_DAY_MIN));
		if (epoch !== null) found.add(epoch);
	}
	const fitting = found.size > 1 ? [...found].filter((epoch) => isNamed(epoch, dateText)) : [...found];
	return fitting.length === 1 ? fitting[0] : null;
}

// Whether the text has that day and its year; which of two days it is at the student's place is not known.
function isNamed(epoch, dateText) {
	const numbers = numbersIn(dateText).slice(0, -2);
	return [-DAY_S, 0, DAY_S].map((off) => new Date((epoch + off) * 1000))
		.some((day) => numbers.includes(day.getUTCDate()) && numbers.includes(day.getUTCFullYear()));
}

// The whole minute from..to (seconds, a minute of slack) whose clock is as wanted; else one an hour
// beside it, as when summer time begins or ends before it.
function minuteWithin(from, to, clock) {
	const first = Math.ceil(from / 60) - 1;
	const last = Math.floor(to / 60) + 1;
	for (const off of [0, SUMMER_TIME_MIN, -SUMMER_TIME_MIN]) {
		const minute = first + modulo(clock + off - first, HALF_DAY_MIN);
		if (minute <= last) return minute * 60;
	}
	return null;
}
