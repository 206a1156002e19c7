// The whole way of the calendar link: a student, real checks of the stand-in Moodle, and a calendar
// that reads the link without being signed in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { missingReader, readFeed } from '../support/ical.mjs';
import { startSystem } from '../support/system.mjs';

const options = { skip: missingReader };
let system;

before(async () => { if (!missingReader) system = await startSystem(); });
after(() => system?.stop());

const dated = (assignments) => assignments.filter((a) => a.pending && a.due)
	.map((a) => `${a.due} ${a.url}`).sort();
const shown = ({ events }) => events.map((event) => `${event.due} ${event.url}`).sort();

test('what a check finds owed is in the calendar, and what is handed in leaves with the next one', options, async () => {
	const p = system.client();
	await p.signIn('maya', 'Pensum-demo-1');
	const ids = (await p.courses()).courses.map((course) => course.id);
	const { url } = await p.call('POST', '/api/v1/calendar');
	assert.deepEqual((await readFeed(url)).events, [], 'nothing is checked yet');

	await p.check(ids);
	const first = await readFeed(url);
	assert.deepEqual(first.faults, []);
	assert.ok(first.events.length >= 5, `${first.events.length}`);
	assert.deepEqual(shown(first), dated(await p.assignments()));

	const done = (await p.assignments()).find((a) => a.pending && a.due);
	system.moodle.control({ status: { maya: { [done.id]: 'submitted' } } });
	await p.check(ids.toReversed()); // the same request again would be answered with the first one's job
	const second = await readFeed(url);
	assert.equal(second.events.length, first.events.length - 1);
	assert.ok(!second.events.some((event) => event.url === done.url));
	assert.deepEqual(shown(second), dated(await p.assignments()));
	const uids = new Set(first.events.map((event) => event.uid));
	assert.ok(second.events.every((event) => uids.has(event.uid)), 'the others are the same ones');

	// What a check cannot read of it now stays as it was.
	const opened = Object.keys(system.moodle.state().counts.views_by_cmid);
	const [lost] = (await p.assignments()).filter((a) => a.pending && a.due && opened.includes(String(a.id)));
	system.moodle.control({ fail: [{ path_prefix: `/mod/assign/view.php?id=${lost.id}`, status: 500 }] });
	await p.check([...ids.slice(1), ids[0]]);
	assert.equal((await p.assignments()).find((a) => a.id === lost.id).pending, null);
	const third = await readFeed(url);
	assert.deepEqual(third.faults, []);
	assert.deepEqual(shown(third), shown(second));
	assert.deepEqual(third.events.filter((event) => event.status === 'TENTATIVE').map((event) => event.url), [lost.url]);
	p.close();
});
