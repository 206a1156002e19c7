// The page against a stand-in for the API: the student's way, and what goes wrong on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../support/process.mjs';
import { requestsWhileIdle } from './browser.mjs';
import { browser, fake, MAYA, options, page, seen } from './stage.mjs';
import * as walk from './walk.mjs';

test('from signing in to a downloaded draft, without polling or a fault', options, async () => {
	await walk.signIn(page, MAYA);
	assert.equal(await walk.checkAll(page), 7);
	const titles = await walk.pick(page, 5);
	await walk.makeDocuments(page, { name: 'Maya', roll: '' });
	const file = await walk.download(page, titles[4]);
	assert.match(file.name, /\.docx$/);
	assert.equal(file.bytes.subarray(0, 2).toString(), 'PK');

	assert.deepEqual(await requestsWhileIdle(seen, 3_000), []);
	assert.ok(fake.frames.some(frame => frame.type === 'subscribe'));
	assert.deepEqual(seen.faults, []);
});

test('the same way with the keyboard alone', options, async () => {
	const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.name);
	const tabTo = async what => {
		for (let i = 0; i < 60; i++) {
			await page.keyboard.press('Tab');
			if (what.test(await focused())) return;
		}
		assert.fail(`no ${what} in the order of tabs`);
	};
	await page.getByLabel('Username').waitFor();
	assert.equal(await focused(), 'Sign in', 'the heading has the focus');
	await tabTo(/^username$/);
	await page.keyboard.type('maya');
	await tabTo(/^password$/);
	await page.keyboard.type('right');
	await page.keyboard.press('Enter');
	await until('courses', async () => await focused() === 'Courses');
	await page.getByRole('button', { name: 'Select all' }).waitFor();
	await page.keyboard.press('/');
	await page.keyboard.type('statistics');
	await tabTo(/^Select none/);
	await tabTo(/^Check \d/);
	await page.keyboard.press('Enter');
	await until('assignments', async () => await focused() === 'Assignments');
	await page.getByRole('checkbox').first().waitFor();
	await tabTo(/^Check again/);
	await page.keyboard.press('Tab');
	await page.keyboard.press('Space');
	await tabTo(/^Prepare/);
	await page.keyboard.press('Enter');
	await until('documents', async () => await focused() === 'Documents');
	await tabTo(/^Make 1 document/);
	await page.keyboard.press('Enter');
	await page.getByRole('button', { name: /^Download/ }).waitFor();
});

test('what is pending stands in groups by due date, the rest is folded away', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const groups = await page.locator('fieldset:not([hidden]) h2').allTextContents();
	assert.deepEqual(groups, ['Overdue 2', 'Due in 7 days 4', 'Later 4', 'No due date 1', 'Could not be checked 2']);
	assert.equal(await page.getByText('Warm-up: big-O notation', { exact: true }).isVisible(), false);
	await page.getByText('2 others, done or closed').click();
	assert.equal(await page.getByText('Warm-up: big-O notation', { exact: true }).isVisible(), true);
	assert.equal(await page.getByText('This course is not available to students now.').isVisible(), true);
});

test('other activities with a date stand apart, cannot be picked, and keep their direction', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const section = page.locator('section.activities');
	assert.equal(await section.getByRole('heading').textContent(), 'Other activities with a date 4');
	const rows = await section.getByRole('listitem').allInnerTexts();
	assert.match(rows[0], /^Introduce yourself\nAlgorithms and Data Structures · due\nForum\nDate is past\n3 days ago/);
	assert.match(rows[1], /Quiz: heaps[^]*closes\nQuiz\nin 2 days/);
	assert.match(rows[2], /Part 1[^]*submission closes\nWorkshop\nNot open yet/);
	assert.equal(await section.getByRole('checkbox').count(), 0);
	assert.equal(await section.locator('.row-title', { hasText: 'Part 1' }).evaluate(title => getComputedStyle(title).direction), 'rtl');
});

test('a calendar link is made, told once, replaced and removed', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const card = page.locator('section.calendar');
	const said = text => page.locator('#announcer').getByText(text).waitFor();
	page.on('dialog', dialog => dialog.accept());
	await card.getByRole('button', { name: 'Make a calendar link' }).click();
	const field = card.getByLabel('Your calendar address');
	const first = await field.inputValue();
	assert.match(first, /\/calendar\/[\w-]{43}\.ics$/);
	assert.equal(await field.evaluate(input => input === document.activeElement && input.selectionEnd - input.selectionStart), first.length);
	await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
	await card.getByRole('button', { name: 'Copy' }).click();
	await said('Copied.');
	assert.equal(await page.evaluate(() => navigator.clipboard.readText()), first);

	await page.getByRole('button', { name: 'Check again' }).first().click();
	await said('The check is done.');
	assert.equal(await field.inputValue(), first, 'a check does not take it away');
	assert.doesNotMatch(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })), /calendar/);
	await page.reload();
	await card.getByText('No calendar has asked for it yet.').waitFor();
	assert.equal(await page.getByText(first).count() + await field.count(), 0);

	await card.getByRole('button', { name: 'Make a new link' }).click();
	await field.waitFor();
	assert.notEqual(await field.inputValue(), first);
	await card.getByRole('button', { name: 'Remove the link' }).click();
	await card.getByRole('button', { name: 'Make a calendar link' }).waitFor();
	await said('The calendar link is removed.');
	assert.deepEqual(seen.faults, []);
});

test('five is the most: the others are disabled and say why', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	await walk.pick(page, 5);
	const sixth = page.getByRole('checkbox').nth(5);
	assert.equal(await sixth.isDisabled(), true);
	const why = await sixth.evaluate(box => document.getElementById(box.getAttribute('aria-describedby')).textContent);
	assert.match(why, /5 of 5 picked/);
	await page.getByRole('checkbox').first().uncheck();
	assert.equal(await sixth.isDisabled(), false);
});

test('a lost connection is shown, comes back, and no progress is missing', options, async () => {
	await walk.signIn(page, MAYA);
	fake.speed = 0.7;
	await page.getByRole('button', { name: 'Select all' }).click();
	await page.getByRole('button', { name: /^Check 7/ }).click();
	await page.getByText(/^[1-9] of 7$/).waitFor();
	fake.dropLive();
	await page.getByRole('heading', { level: 1, name: 'Assignments' }).waitFor();
	const again = fake.frames.filter(frame => frame.have[1] > 0);
	assert.ok(again.length > 0, 'it asks for what is newer than what it has');

	await page.context().setOffline(true);
	await page.getByText('The connection to Pensum is lost.').waitFor();
	await page.context().setOffline(false);
	await page.getByText('The connection to Pensum is lost.').waitFor({ state: 'detached', timeout: 40_000 });
});

test('where no WebSocket gets through, all comes to its end all the same', options, async () => {
	fake.refusesLive = true;
	await walk.signIn(page, MAYA);
	assert.equal(await walk.checkAll(page), 7);
});

test('when this browser is signed in as somebody else, a page shows nothing of the one before', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const other = await page.context().newPage();
	await other.goto(fake.url);
	await other.getByRole('button', { name: 'Sign out' }).click();
	await other.getByRole('heading', { level: 1, name: 'Sign in' }).waitFor();
	fake.fullname = 'Noel Other';
	await walk.signIn(other, { username: 'noel', password: 'right' });
	fake.dropLive();
	await page.locator('#who').getByText('Noel Other').waitFor();
	assert.equal(await page.getByText('Maya').count(), 0);
});

test('what the database may have done already is asked for once more, with the same key', options, async () => {
	await walk.signIn(page, MAYA);
	const keys = [];
	await page.route('**/api/v1/checks', async route => {
		keys.push(route.request().headers()['idempotency-key']);
		if (keys.length > 1) return route.continue();
		return route.fulfill({ status: 503, contentType: 'application/problem+json',
			body: JSON.stringify({ status: 503, code: 'database_away', detail: 'The database does not answer now.' }) });
	});
	assert.equal(await walk.checkAll(page), 7);
	assert.equal(keys.length, 2);
	assert.match(keys[0], /^[0-9a-f]{32}$/);
	assert.equal(keys[1], keys[0]);
});

test('an ended sign-in leads back to it and keeps what was picked', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	await walk.pick(page, 3);
	fake.endSession();
	await page.getByRole('button', { name: 'Check again' }).first().click();
	await page.getByText('Your sign-in has ended.').waitFor();
	await page.getByLabel('Username').fill('maya');
	await page.getByLabel('Password', { exact: true }).fill('right');
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByText('3 of 5 picked').waitFor();
	assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 3);
});

test('a sign-out that failed is no longer doubted once the sign-in has ended', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	await page.route('**/api/v1/session', route => (route.request().method() === 'DELETE' ? route.abort() : route.fallback()));
	await page.getByRole('button', { name: 'Sign out' }).click();
	const doubt = page.getByText('You may still be signed in.');
	await doubt.waitFor();
	fake.endSession();
	await page.getByRole('button', { name: 'Check again' }).first().click();
	await page.getByText('Your sign-in has ended.').waitFor();
	assert.equal(await doubt.count(), 0);
});

for (const isFirst of [true, false]) {
	test(`that all data is deleted stays to be read when an answer ${isFirst ? 'before' : 'behind'} it says that nobody is signed in`, options, async () => {
		await walk.signIn(page, MAYA);
		await page.getByRole('button', { name: 'Read again' }).waitFor();
		await page.evaluate(isFirst => {
			const usual = window.fetch;
			const problem = new Response('{"code":"signed_out"}', { status: 401, headers: { 'Content-Type': 'application/problem+json' } });
			const later = () => new Promise(resolve => { setTimeout(resolve, 50); });
			let tell;
			const gone = new Promise(resolve => { tell = resolve; });
			problem.text = async () => '{"code":"signed_out"}'; // in the same moment
			window.fetch = async (path, request) => {
				if (path.endsWith('/courses/refresh')) return gone.then(() => problem);
				if (!path.endsWith('/account')) return usual(path, request);
				if (isFirst) tell();
				else later().then(tell);
				for (let n = 0; isFirst && n < 20; n++) await null;
				return new Response(null, { status: 204 });
			};
		}, isFirst);
		page.on('dialog', dialog => dialog.accept());
		await page.getByRole('button', { name: 'Read again' }).click();
		await page.getByRole('button', { name: 'Delete my data' }).click();
		await page.getByLabel('Username').waitFor();
		await page.evaluate(() => new Promise(resolve => { setTimeout(resolve, 200); }));
		assert.equal(await page.getByText('Your data is deleted.').count(), 1);
	});
}

test('when Moodle ends its session, the job waits for the password and goes on', options, async () => {
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Select all' }).click();
	fake.endMoodleSession();
	await page.getByRole('button', { name: /^Check 7/ }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Password', { exact: true }).fill('wrong');
	await dialog.getByRole('button', { name: 'Sign in and go on' }).click();
	await dialog.getByText('Moodle did not accept').waitFor();
	await dialog.getByLabel('Password', { exact: true }).fill('right');
	await dialog.getByRole('button', { name: 'Sign in and go on' }).click();
	await page.getByRole('heading', { level: 1, name: 'Assignments' }).waitFor();
	assert.equal(await dialog.count(), 0);
});

test('the password is asked for no longer when the job goes on by a sign-in elsewhere', options, async () => {
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Select all' }).click();
	fake.endMoodleSession();
	await page.getByRole('button', { name: /^Check 7/ }).click();
	const dialog = page.getByRole('dialog');
	await dialog.getByLabel('Password', { exact: true }).fill('half of i');
	fake.signInElsewhere();
	await dialog.waitFor({ state: 'detached' });
	await page.getByRole('heading', { level: 1, name: 'Assignments' }).waitFor();
});

test('a draft that failed says why and can be tried again, also after a reload', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	const [title] = await walk.pick(page, 1);
	fake.failNext(title);
	await walk.makeDocuments(page, { name: 'Maya', roll: '' });
	await page.getByText('This assignment is not available to you now.', { exact: true }).waitFor();
	await page.reload();
	await page.getByText('This assignment is not available to you now.', { exact: true }).waitFor();
	await page.getByRole('button', { name: `Try again: ${title}` }).click();
	await page.getByRole('button', { name: `Download ${title}` }).waitFor();
});

test('text of a course is text, whatever it looks like', options, async () => {
	await walk.signIn(page, MAYA);
	await page.getByText('Einführung in die <b>Sprachwissenschaft</b>').first().waitFor();
	assert.equal(await page.locator('main b').count(), 0);
});

test('nothing secret is remembered, and signing out forgets the picks', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	await walk.pick(page, 2);
	const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
	assert.doesNotMatch(kept, /right/);
	await page.getByRole('button', { name: 'Sign out' }).click();
	await page.getByLabel('Username').waitFor();
	assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), []);
});

test('who could not be signed out, or deleted, is told so and stays', options, async () => {
	await walk.signIn(page, MAYA);
	page.on('dialog', dialog => dialog.accept());
	const alert = page.getByRole('alert').filter({ hasText: /may still be/ });
	for (const [button, path] of [['Sign out', 'session'], ['Delete my data', 'account']]) {
		await page.route(`**/api/v1/${path}`, route => (route.request().method() === 'DELETE' ? route.abort() : route.continue()));
		await page.getByRole('button', { name: button }).click();
		await alert.waitFor();
		await page.getByRole('heading', { name: 'Courses', level: 1 }).waitFor();
		await alert.getByRole('button', { name: 'Close' }).click();
		await page.unroute(`**/api/v1/${path}`);
	}
	await page.getByRole('button', { name: 'Sign out' }).click();
	await page.getByLabel('Username').waitFor();
	assert.equal(await alert.count(), 0);
});

test('no view is wider than 360 pixels', options, async () => {
	await page.setViewportSize({ width: 360, height: 740 });
	const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
	await page.getByLabel('Username').waitFor();
	assert.equal(await overflow(), 0);
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Select all' }).waitFor();
	assert.equal(await overflow(), 0);
	await walk.checkAll(page);
	assert.equal(await overflow(), 0);
	await walk.pick(page, 1);
	await walk.makeDocuments(page, { name: 'Maya', roll: '' });
	await page.getByRole('button', { name: /^Download/ }).waitFor();
	assert.equal(await overflow(), 0);
});

test('the head is one line on a wide screen also with a long name, and breaks no word on a narrow one', options, async () => {
	fake.fullname = 'Maya Wilhelmina Lindqvist-Oberholtzer of the Institute of Long Names';
	const height = selector => page.locator(selector).first().evaluate(node => node.getBoundingClientRect().height);
	await page.setViewportSize({ width: 1100, height: 740 });
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Sign out' }).waitFor();
	const line = await height('.steps a');
	assert.ok(await height('.top') < 2 * line);
	await page.setViewportSize({ width: 320, height: 740 });
	assert.equal(await height('.steps'), line);
	assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
});

test('of several sites the student chooses one, and is asked no more', options, async () => {
	fake.sites = [...fake.sites, { id: 'poly', name: 'Polytechnic', url: 'https://poly.example' }];
	await page.goto('about:blank');
	await page.goto(fake.url);
	const choice = page.getByLabel('Moodle site');
	assert.equal(await choice.inputValue(), 'default');
	await choice.selectOption('Polytechnic');
	assert.equal(await page.getByRole('link', { name: 'Polytechnic' }).getAttribute('href'), 'https://poly.example');
	await walk.signIn(page, MAYA);
	assert.equal(fake.site.id, 'poly');

	await page.getByRole('button', { name: 'Sign out' }).click();
	await choice.waitFor();
	await page.reload();
	assert.equal(await choice.inputValue(), 'poly', 'this computer remembers it');
	assert.deepEqual(seen.faults, []);
});

test('one site is no question', options, async () => {
	await page.getByLabel('Username').waitFor();
	assert.equal(await page.getByLabel('Moodle site').count(), 0);
	await walk.signIn(page, MAYA);
	assert.equal(fake.site.id, 'default');
});

test('a list that was read anew behind the page is shown, and what is ticked and typed stays', options, async () => {
	await walk.signIn(page, MAYA);
	await page.getByRole('button', { name: 'Select none' }).click();
	await page.getByRole('checkbox', { name: 'Statistics' }).check();
	const search = page.getByLabel('Search');
	await search.fill('t');
	const asked = fake.requests.filter(request => request === 'GET /api/v1/courses').length;
	fake.renewCourses(99, 'Topology');
	await page.getByRole('checkbox', { name: 'Topology' }).waitFor();
	assert.equal(await search.inputValue(), 't');
	assert.ok(await search.evaluate(field => field === document.activeElement), 'the focus is where it was');
	assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 1);
	assert.ok(await page.getByRole('checkbox', { name: 'Statistics' }).isChecked());
	assert.equal(await page.getByRole('checkbox', { name: 'Drawing' }).count(), 0, 'what the search hides stays hidden');
	assert.equal(fake.requests.filter(request => request === 'GET /api/v1/courses').length, asked + 1);
	assert.deepEqual(seen.faults, []);
});

test('ages grow while the page is open, and do not depend on this computer\'s clock', options, async () => {
	await page.goto('about:blank');
	await page.clock.install({ time: Date.now() + 3 * 3600_000 });
	await page.goto(fake.url);
	await walk.signIn(page, MAYA);
	await page.getByText('Read from Moodle just now').waitFor();
	await page.clock.fastForward('03:10');
	await page.getByText('Read from Moodle 3 minutes ago').waitFor();
	assert.deepEqual(await requestsWhileIdle(seen, 500), [], 'without asking anybody');
});
