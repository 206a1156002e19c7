// The page as it is seen: enlarged, with the system's own colours, and on paper.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fake, MAYA, options, page, seen } from './stage.mjs';
import * as walk from './walk.mjs';

const TABS = 40;

// Text or name of the focused element when something else covers all of it, else null.
function coveredFocus() {
	const node = document.activeElement;
	if (node === document.body) return null;
	const { left, right, top, bottom } = node.getBoundingClientRect();
	const points = [[left + 2, top + 2], [right - 2, bottom - 2], [(left + right) / 2, (top + bottom) / 2]];
	const isSeen = points.some(([x, y]) => node.contains(document.elementFromPoint(x, y)));
	return isSeen ? null : node.textContent || node.id;
}

for (const [what, width, height] of [['as it is', 1280, 720], ['at 200 %', 640, 360], ['at 400 %', 320, 256]]) {
	test(`what has the focus is seen while courses are checked, ${what}`, options, async () => {
		await page.setViewportSize({ width, height });
		await walk.signIn(page, MAYA);
		await page.getByRole('button', { name: 'Select all' }).click();
		fake.speed = 0.02;
		await page.getByRole('button', { name: /^Check 7/ }).click();
		await page.getByText(/^0 of 7$/).waitFor();
		for (const key of ['Tab', 'Shift+Tab']) {
			for (let i = 0; i < TABS; i++) {
				await page.keyboard.press(key);
				assert.equal(await page.evaluate(coveredFocus), null, `${key} ${i}`);
			}
		}
	});
}

test('the step that is shown can be told from the others without colours', options, async () => {
	await walk.signIn(page, MAYA);
	await page.emulateMedia({ forcedColors: 'active' });
	const outlines = await page.locator('.steps a').evaluateAll(all => all.map(a => getComputedStyle(a).outlineStyle));
	assert.deepEqual(outlines, ['solid', 'none', 'none']);
});

test('on paper stands what is owed, dark on light, and nothing to press', options, async () => {
	await walk.signIn(page, MAYA);
	await walk.checkAll(page);
	await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
	assert.equal(await page.getByRole('button').count(), 0);
	assert.equal(await page.getByRole('checkbox').count(), 0);
	const title = page.getByText('Portfolio: ten sketches', { exact: true }).first();
	assert.ok(await title.isVisible());
	const [red] = (await title.evaluate(node => getComputedStyle(node).color)).match(/\d+/);
	assert.ok(Number(red) < 100, 'the letters are dark');
});

test('a due date that Pensum could not read leaves the name its room', options, async () => {
	await walk.signIn(page, MAYA);
	await page.route('**/api/v1/assignments', route => route.fulfill({ json: { courses: [{ id: 11, name: 'Algorithms',
		failure: null, checked_at: null, read_at: null, activities: [], assignments: [{ id: 301, name: 'Sorting', section: '',
			status: 'none', pending: true, handin: 'open', reason: '', due: null, url: 'https://m.example/',
			due_text: `Spätestens ${'am dritten Freitag nach Ostern '.repeat(4)}` }] }] } }));
	await page.getByRole('link', { name: 'Assignments' }).click();
	const box = selector => page.locator(selector).evaluate(node => node.getBoundingClientRect());
	await page.getByText('Spätestens').waitFor();
	for (const width of [320, 768, 1280]) {
		await page.setViewportSize({ width, height: 800 });
		const [main, name, due] = [await box('.row-main'), await box('.row-title'), await box('.due')];
		assert.ok(main.width > 200, `${width}: ${main.width}`);
		assert.ok(due.left >= name.right || due.top >= name.bottom, `${width}: they do not lie upon each other`);
	}
});
