// The student's way through the page, step by step, as a person goes it: by labels and names only,
// so that it holds for the stand-in API and for a real Pensum, and after a new design.
import fs from 'node:fs';

const LONG = { timeout: 90_000 };

export async function signIn(page, { username, password }) {
	await page.getByLabel('Username').fill(username);
	await page.getByLabel('Password', { exact: true }).fill(password);
	await page.getByRole('button', { name: 'Sign in' }).click();
	await page.getByRole('heading', { level: 1, name: 'Courses' }).waitFor(LONG);
}

// Checks every course on the list; answers how many there were.
export async function checkAll(page) {
	await page.getByRole('button', { name: 'Select all' }).click(LONG);
	const count = await page.getByRole('checkbox', { checked: true }).count();
	await page.getByRole('button', { name: /^Check \d+ course/ }).click();
	await page.getByRole('heading', { level: 1, name: 'Assignments' }).waitFor(LONG);
	await page.getByRole('checkbox').first().waitFor(LONG);
	return count;
}

// Picks the first n assignments; answers their titles.
export async function pick(page, n) {
	const boxes = page.getByRole('checkbox');
	const titles = [];
	for (let i = 0; i < n; i++) {
		await boxes.nth(i).check();
		titles.push(await boxes.nth(i).evaluate(box => box.labels[0].querySelector('.row-title').textContent));
	}
	await page.getByRole('status').getByText(`${n} of 5 picked`).waitFor();
	return titles;
}

export async function makeDocuments(page, { name, roll }) {
	await page.getByRole('button', { name: 'Prepare documents' }).click();
	await page.getByLabel('Your name').fill(name);
	await page.getByLabel(/^Roll or student number/).fill(roll);
	await page.getByRole('button', { name: /^Make \d+ document/ }).click();
}

// Waits for the document and answers the bytes that the browser saved, and their name.
export async function download(page, title) {
	const button = page.getByRole('button', { name: `Download ${title}`, exact: true }).first();
	await button.waitFor(LONG);
	const [saved] = await Promise.all([page.waitForEvent('download'), button.click()]);
	return { name: saved.suggestedFilename(), bytes: fs.readFileSync(await saved.path()) };
}
