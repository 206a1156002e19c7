// checker-worker/scripts/sso.js in a real browser: what it sees on one page, and what it types nowhere.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { scriptCall, startBrowser } from './browser.mjs';

const SECRET = 'only here';
const ELSEWHERE = 'http://127.0.0.9:9/take';
let browser;
let server;
let page;
let site;
let body = '';

before(async () => {
	browser = await startBrowser();
	page = await browser.newPage();
	server = http.createServer((request, response) => {
		response.setHeader('Content-Type', 'text/html; charset=utf-8');
		response.end(`<!DOCTYPE html><title>Sign in</title><link rel="icon" href="data:,">${body}`);
	});
	await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
	site = `http://127.0.0.1:${server.address().port}`;
});
after(async () => {
	await browser?.close();
	server?.close();
	server?.closeAllConnections();
});

async function ask(name, html, { step, ...args } = {}) {
	body = html;
	await page.goto(`${site}/sign-in`);
	const steps = step ? [{ unless: [], origins: [site], times: 1, ...step }] : [];
	const all = { site, root: site, page: { errors: [], steps }, times: [0], document: null, wait: null, hosts: [site], index: 0, ...args };
	return page.evaluate(await scriptCall('sso', name, all));
}

const PASSWORD_STEP = { if: ['#p'], fill: [['#p', 'password']] };
const act = (html, step = {}) => ask('act', html, { step: { ...PASSWORD_STEP, ...step }, values: { password: SECRET } });
const typed = () => page.evaluate('document.querySelector("#p")?.value');

test('who is signed in is seen however the site\'s address is written', async () => {
	const html = '<a href="/login/logout.php?sesskey=x">Log out</a>';
	for (const root of [site, site.replace('http', 'HTTP')]) assert.equal((await ask('look', html, { root })).at, 'home', root);
	assert.equal((await ask('look', html, { root: `${site}/moodle` })).at, 'nothing', 'another place of that host');
	assert.equal((await ask('look', html, { root: `${site}/sign` })).at, 'nothing', 'nor one whose name begins alike');
});

test('a field is filled in and its form sent', async () => {
	assert.deepEqual(await act('<form action="javascript:void 0" onsubmit="return false"><input id="p" type="password"></form>'), { done: false, why: 'elsewhere' });
	assert.deepEqual(await act('<form onsubmit="document.title = p.value; return false"><input id="p" type="password"></form>'), { done: true });
	assert.equal(await page.evaluate('document.title'), SECRET);
});

for (const [name, html, step] of [
	['its form', `<form action="${ELSEWHERE}"><input id="p" type="password"></form>`],
	['its button', `<form><input id="p" type="password"><button id="go" formaction="${ELSEWHERE}">Go</button></form>`, { click: '#go' }],
	['a form that it names and does not stand in', `<form id="far" action="${ELSEWHERE}"></form><form><input id="p" type="password" form="far"></form>`],
	['a button of a form that it does not stand in', `<form id="far" action="${ELSEWHERE}"></form><form><input id="p" type="password"><button id="go" form="far">Go</button></form>`, { click: '#go' }],
	['the page\'s only form', `<form action="${ELSEWHERE}"></form><input id="p" type="password">`],
]) {
	test(`nothing is typed where it would go elsewhere by ${name}`, async () => {
		assert.deepEqual(await act(html, step), { done: false, why: 'elsewhere' });
		assert.equal(await typed(), '');
	});
}

test('nothing is typed where it could not be sent, or would be shown', async () => {
	assert.deepEqual(await act('<input id="p" type="password">'), { done: false, why: 'gone' });
	assert.equal(await typed(), '');
	assert.deepEqual(await act('<form><input id="p" type="text"></form>'), { done: false, why: 'field' });
	assert.equal(await typed(), '');
});
