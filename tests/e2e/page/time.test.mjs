// Due times in words, and the groups of the assignments view.
import assert from 'node:assert/strict';
import { test } from 'node:test';

process.env.TZ = 'Europe/Berlin';
const { groupOf, relative } = await import('../../../gateway/web/time.mjs');

const now = new Date('2026-11-22T10:00:00+01:00');
const at = text => relative(new Date(text), now);

test('minutes and hours are counted, days go by the calendar', () => {
	assert.equal(at('2026-11-22T10:00:20+01:00'), 'in a moment');
	assert.equal(at('2026-11-22T09:15:00+01:00'), '45 minutes ago');
	assert.equal(at('2026-11-22T15:30:00+01:00'), 'in 5 hours');
	assert.equal(at('2026-11-22T23:55:00+01:00'), 'in 13 hours');
	assert.equal(at('2026-11-23T23:55:00+01:00'), 'tomorrow');
	assert.equal(at('2026-11-24T00:05:00+01:00'), 'in 2 days');
	assert.equal(at('2026-11-20T23:55:00+01:00'), '2 days ago');
	assert.equal(at('2027-03-01T10:00:00+01:00'), 'in 3 months');
});

test('an assignment is overdue, soon, later, undated or unknown', () => {
	const group = (due, pending = true) => groupOf({ due, pending }, now);
	assert.equal(group('2026-11-22T09:59:59+01:00'), 'overdue');
	assert.equal(group('2026-11-29T23:55:00+01:00'), 'soon');
	assert.equal(group('2026-11-30T00:00:00+01:00'), 'later');
	assert.equal(group(null), 'undated');
	assert.equal(group('2026-11-22T09:59:59+01:00', null), 'unknown');
});
