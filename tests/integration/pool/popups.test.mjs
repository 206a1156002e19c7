// Popups of a lease in browser mode wait until its client has attached; nobody else's do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../support/process.mjs';
import { startPool } from './pool.mjs';
import { startSite } from './site.mjs';

let pool, site;

before(async () => {
	pool = await startPool({ 'pool.max_browsers': 1 });
	site = await startSite();
});

after(async () => {
	site.stop();
	await pool.stop();
});

const attachedTo = (lease, fits) => lease.next('attached', (m) => m.method === 'Target.attachedToTarget' && m.params.targetInfo.type === 'page' && fits(m.params));
const isPopup = (params) => Boolean(params.targetInfo.openerId);
const quiet = () => pool.until('quiet pool', (s) => s.leases.length === 0 && s.contexts.disposing === 0);

async function evaluateOn(lease, session, expression, more) {
	const { result, error } = await lease.ask('Runtime.evaluate', { expression, returnByValue: true, ...more }, session);
	if (error) throw new Error(error.message);
	return result.result.value;
}

// A lease that looks like a browser, with one page at the site: its session.
async function openBrowser(t, waitForDebuggerOnStart) {
	const lease = await pool.lease({ mode: 'browser' });
	t.after(() => lease.close());
	await lease.call('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart, flatten: true });
	lease.ask('Target.createTarget', { url: 'about:blank' });
	const { params: { sessionId } } = await attachedTo(lease, () => true);
	await lease.ask('Runtime.runIfWaitingForDebugger', {}, sessionId);
	await lease.ask('Page.navigate', { url: `${site.url}/` }, sessionId);
	await until('the page', async () => (await evaluateOn(lease, sessionId, 'document.title')) === 'site');
	return { lease, sessionId };
}

// The answer comes when the popup runs: it shares its opener's process.
const openFrom = (lease, session) => lease.ask('Runtime.evaluate', { expression: 'window.other = window.open("/first"); 0', userGesture: true }, session);
const titleOf = (lease, session, wanted) => until(`title ${wanted}`, async () => (await evaluateOn(lease, session, 'document.title')) === wanted);

test('what its client prepares in a popup is there before the popup\'s first script', async (t) => {
	const { lease, sessionId } = await openBrowser(t, true);
	const before = site.asked.length;
	openFrom(lease, sessionId);
	const { params } = await attachedTo(lease, isPopup);
	assert.equal(params.waitingForDebugger, true);
	const refused = await lease.ask('Page.navigate', { url: 'file:///etc/passwd' }, params.sessionId);
	assert.match(refused.error.message, /only http/);
	assert.match((await lease.ask('Browser.close', {}, params.sessionId)).error?.message ?? '', /not allowed/);
	assert.ok((await lease.ask('Page.addScriptToEvaluateOnNewDocument', { source: 'window.prepared = true' }, params.sessionId)).result);
	assert.deepEqual(site.asked.slice(before), [], 'it waits');
	assert.deepEqual((await lease.ask('Runtime.runIfWaitingForDebugger', {}, params.sessionId)).result, {});
	await titleOf(lease, params.sessionId, 'prepared');
	assert.equal(await evaluateOn(lease, params.sessionId, 'window.opener !== null'), true);
	lease.close();
	await quiet();
});

test('while one lease\'s popup waits, everybody else\'s pages come and go', async (t) => {
	const { lease, sessionId } = await openBrowser(t, true);
	openFrom(lease, sessionId);
	const { params } = await attachedTo(lease, isPopup);
	const page = await pool.lease();
	t.after(() => page.close());
	await page.goto(`${site.url}/`);
	await page.call('Runtime.evaluate', { expression: 'window.other = window.open("/first"); 0', userGesture: true });
	await until('its popup runs', async () => (await page.evaluate('other.document.title')) === 'missed');
	const other = await openBrowser(t, false);
	await evaluateOn(other.lease, other.sessionId, 'window.open("/first"); 0', { userGesture: true });
	const seen = await attachedTo(other.lease, isPopup);
	assert.equal(seen.params.waitingForDebugger, false);
	await titleOf(other.lease, seen.params.sessionId, 'missed');
	assert.equal((await lease.ask('Runtime.runIfWaitingForDebugger', {}, params.sessionId)).error, undefined);
	await titleOf(lease, params.sessionId, 'missed');
	for (const l of [lease, page, other.lease]) l.close();
	await quiet();
});

test('a popup that still waits goes with its lease, and the next lease\'s runs', async (t) => {
	const { lease, sessionId } = await openBrowser(t, true);
	openFrom(lease, sessionId);
	await attachedTo(lease, isPopup);
	lease.close();
	await quiet();
	const page = await pool.lease();
	t.after(() => page.close());
	await page.goto(`${site.url}/`);
	await page.call('Runtime.evaluate', { expression: 'window.other = window.open("/first"); 0', userGesture: true });
	await until('its popup runs', async () => (await page.evaluate('other.document.title')) === 'missed');
	page.close();
	await quiet();
});

test('a client that does not want to wait any more lets its popup run', async (t) => {
	const { lease, sessionId } = await openBrowser(t, true);
	openFrom(lease, sessionId);
	await attachedTo(lease, isPopup);
	await lease.call('Target.setAutoAttach', { autoAttach: false, waitForDebuggerOnStart: false, flatten: true });
	await until('its popup runs', async () => (await evaluateOn(lease, sessionId, 'other.document.title')) === 'missed');
	lease.close();
	await quiet();
});
