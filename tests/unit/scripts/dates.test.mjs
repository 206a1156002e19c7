// The epoch of a date that a page tells as text: by its clock and how far it is from now, and by its day
// where two readings of the distance fit the clock.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const source = readFileSync(new URL('../../../checker-worker/scripts/duration_dates.js', import.meta.url), 'utf8');
const epochOfTexts = new Function(`${source}\nreturn epochOfTexts;`)();

const at = (text) => Date.parse(text) / 1000;
const known = { due: at('2026-11-10T08:00:00Z'), text: 'Tuesday, 10 November 2026, 9:00 AM' };
const told = (dateText, durationText, now, isPast = false) => epochOfTexts({ dateText, durationText, isPast, now: at(now), known });

test('days and hours, hours and minutes, minutes and seconds are told apart by the clock', () => {
	assert.equal(told('Friday, 27 November 2026, 5:26 PM', '4 days 20 hours remaining', '2026-11-22T19:40:00Z'), at('2026-11-27T16:26:00Z'));
	assert.equal(told('Sunday, 22 November 2026, 5:26 PM', '2 hours 6 mins remaining', '2026-11-22T14:20:00Z'), at('2026-11-22T16:26:00Z'));
	assert.equal(told('Sunday, 22 November 2026, 5:26 PM', '3 days 1 hour', '2026-11-25T17:40:00Z', true), at('2026-11-22T16:26:00Z'));
});

test('what could be days as well as minutes is told apart by the day and the year', () => {
	for (const text of ['Friday, 27 November 2026, 5:26 PM', '2026年 11月 27日(金曜日) 17:26', 'الجمعة، ٢٧ نوفمبر ٢٠٢٦، ٥:٢٦ م']) {
		assert.equal(told(text, '4 days 23 hours remaining', '2026-11-22T17:21:37Z'), at('2026-11-27T16:26:00Z'), text);
	}
	assert.equal(told('Sunday, 22 November 2026, 5:26 PM', '4 mins 23 secs', '2026-11-22T16:21:37Z'), at('2026-11-22T16:26:00Z'));
});

test('where another calendar or the next day leaves two readings, there is none', () => {
	for (const text of ['6 آذر 1405، 17:26', '22 Azar 1405, 5:26 PM', '27 November 2569, 17:26']) {
		assert.equal(told(text, '4 days 23 hours', '2026-11-22T17:21:37Z'), null, text);
	}
});
