// The job that everybody does: which pages, which scripts. Pool and playwright get the same ones.
export const FETCHES = 10;
const DELAY_MS = 50;
const ACCOUNT = { username: 'student', password: 'correct horse' };

// What the n-th fetch answers with, and their sum, by which a job knows that it worked.
const VALUES = Array.from({ length: FETCHES }, (_, n) => 7 * n + 1);
export const EXPECTED = VALUES.reduce((a, b) => a + b);

// Of site.c, which knows the form as a browser sends it.
export const SITE_ARGUMENTS = [new URLSearchParams(ACCOUNT).toString(), DELAY_MS, ...VALUES].map(String);

export const SIGN_IN = `(() => {
	const form = document.forms[0];
	form.username.value = ${JSON.stringify(ACCOUNT.username)};
	form.password.value = ${JSON.stringify(ACCOUNT.password)};
	form.requestSubmit();
})()`;

export const FETCH = `Promise.all(Array.from({ length: ${FETCHES} }, async (_, n) => {
	const response = await fetch('/data/' + n + location.search);
	if (!response.ok) throw new Error('status ' + response.status);
	return (await response.json()).value;
})).then((values) => values.reduce((a, b) => a + b))`;
