// A browser for page tests: one that remembers every fault which a visitor would not see.
import { createRequire } from 'node:module';
import { sleep } from '../../support/process.mjs';

const ARGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
	'--disable-component-update', '--disable-sync'];

// Why page tests cannot run here, or false. playwright-core is installed outside of the tree.
export const missingBrowser = process.env.PLAYWRIGHT_CORE ? false
	: 'PLAYWRIGHT_CORE does not name an installed playwright-core folder';

// keepsPages: as a visitor's browser, which shows a page again as it was left (its back/forward cache).
export function launchBrowser({ keepsPages = false } = {}) {
	const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT_CORE);
	return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS,
		ignoreDefaultArgs: keepsPages ? ['--disable-back-forward-cache'] : [] });
}

// { page, context, faults (sentences), requests (urls), sockets: [{ url, sent, received }] }
export async function openPage(browser, options = {}) {
	const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
	const page = await context.newPage();
	const seen = { page, context, faults: [], requests: [], sockets: [] };

	await page.exposeFunction('reportViolation', text => seen.faults.push(`CSP: ${text}`));
	await page.addInitScript(() => addEventListener('securitypolicyviolation', event =>
		window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`)));
	page.on('console', message => {
		if (message.type() === 'error' && !isExpected(message)) seen.faults.push(`console: ${message.text()}`);
	});
	page.on('pageerror', err => seen.faults.push(`error: ${err.stack}`));
	page.on('request', request => seen.requests.push(`${request.method()} ${request.url()}`));
	page.on('websocket', socket => {
		const record = { url: socket.url(), sent: [], received: [] };
		seen.sockets.push(record);
		socket.on('framesent', ({ payload }) => record.sent.push(String(payload)));
		socket.on('framereceived', ({ payload }) => record.received.push(String(payload)));
	});
	return seen;
}

// Asking "who am I?" while signed out is answered with 401, which Chromium puts on the console.
function isExpected(message) {
	return /status of 401/.test(message.text()) && /\/api\/v1\/session$/.test(message.location().url);
}

// What the page asks for while nobody touches it: must be nothing.
export async function requestsWhileIdle(seen, ms) {
	const before = seen.requests.length;
	await sleep(ms);
	return seen.requests.slice(before);
}
