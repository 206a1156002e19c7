// A client that calls every method there is, with a neighbour's names, and sends what is no message:
// nothing of the neighbour ever comes out, and its page lives.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sleep } from '../../support/process.mjs';
import { missing } from './library.mjs';
import { startPool } from './pool.mjs';
import { startSite } from './site.mjs';

const CANARY = 'canary-7f3a91c2';
const MORE_RSS_KB = 32 * 1024;
const skip = missing('devtools-protocol');
let pool, site, bystander, foreign, rss;

const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const stateOf = () => bystander.evaluate('[document.cookie, localStorage.canary, window.canary, document.title].join()');

before(async () => {
	if (skip) return;
	pool = await startPool({}, { env: { ASAN_OPTIONS: 'quarantine_size_mb=1' } });
	site = await startSite();
	bystander = await pool.lease({ ttl_ms: 300_000 });
	await bystander.goto(`${site.url}/`);
	await bystander.evaluate(`document.cookie = "c=${CANARY}; path=/"; localStorage.canary = window.canary = document.title = "${CANARY}"; 0`);
	const { frameTree } = await bystander.call('Page.getFrameTree');
	const { targetInfo } = await bystander.call('Target.getTargetInfo');
	await bystander.call('Network.enable');
	await bystander.evaluate('fetch("/data").then((r) => r.text())');
	const { params: { requestId } } = await bystander.next('request', (m) => m.method === 'Network.responseReceived');
	const { result: { objectId } } = await bystander.call('Runtime.evaluate', { expression: 'document' });
	const { stream } = await bystander.call('Page.printToPDF', { transferMode: 'ReturnAsStream' });
	foreign = { targetId: targetInfo.targetId, frameId: frameTree.frame.id, browserContextId: targetInfo.browserContextId,
		loaderId: frameTree.frame.loaderId, requestId, objectId, handle: stream };
	rss = rssOf(pool.daemon.pid);
});

after(async () => {
	if (skip) return;
	assert.equal(await stateOf(), [`c=${CANARY}`, CANARY, CANARY, CANARY].join());
	assert.ok(rssOf(pool.daemon.pid) - rss < MORE_RSS_KB, `grown by ${rssOf(pool.daemon.pid) - rss} kB`);
	bystander.close();
	site.stop();
	await pool.stop();
});

// [method, its parameters' names and types]
function methods() {
	const all = [];
	for (const name of ['browser_protocol.json', 'js_protocol.json']) {
		const { domains } = JSON.parse(fs.readFileSync(path.join(process.env.NPM_MODULES, 'devtools-protocol/json', name), 'utf8'));
		for (const { domain, commands = [] } of domains)
			for (const command of commands) all.push([`${domain}.${command.name}`, command.parameters ?? []]);
	}
	return all;
}

// What ends the attacker's own page, so that nothing more could be asked.
const OWN_END = new Set(['Browser.close', 'Page.close', 'Runtime.terminateExecution', 'Debugger.pause', 'Emulation.setScriptExecutionDisabled']);

function valueOf({ name, type, $ref }, url) {
	if (name in foreign) return foreign[name];
	if (/targetId$/i.test(name) || $ref === 'Target.TargetID' || $ref === 'TargetID') return foreign.targetId;
	if (/frameId$/i.test(name)) return foreign.frameId;
	if (name === 'sessionId') return 's1';
	if (/url|path|file/i.test(name)) return type === 'array' ? [url] : url;
	if (name === 'expression' || name === 'source') return '1';
	return { string: 'x', integer: 1, number: 1, boolean: true, array: [], object: {} }[type] ?? 'x';
}

const nothingOf = (lease) => {
	for (const m of lease.messages) {
		const text = JSON.stringify(m);
		assert.ok(!text.includes(CANARY) && !text.includes('root:'), text.slice(0, 300));
	}
};

// A lease on which `ask` speaks to one of the places that there are.
const places = {
	'a page': async () => ({ lease: await pool.lease({ ttl_ms: 120_000 }) }),
	'a browser': async () => {
		const lease = await pool.lease({ mode: 'browser', ttl_ms: 120_000 });
		await lease.call('Target.createTarget', { url: 'about:blank' });
		return { lease };
	},
	'a second way into a browser': async () => {
		const lease = await pool.lease({ mode: 'browser', ttl_ms: 120_000 });
		await lease.call('Target.createTarget', { url: 'about:blank' });
		return { lease, sessionId: (await lease.call('Target.attachToBrowserTarget')).sessionId };
	},
	'a page of a browser': async () => {
		const lease = await pool.lease({ mode: 'browser', ttl_ms: 120_000 });
		const { targetId } = await lease.call('Target.createTarget', { url: 'about:blank' });
		return { lease, sessionId: (await lease.call('Target.attachToTarget', { targetId, flatten: true })).sessionId };
	},
};

for (const [name, enter] of Object.entries(places))
	for (const url of ['file:///etc/passwd', 'about:blank'])
		test(`every method with a neighbour's names on ${name}, addresses ${url}`, { skip }, async (t) => {
			const { lease, sessionId } = await enter();
			t.after(() => lease.close());
			const all = methods();
			assert.ok(all.length > 500);
			for (const [method, parameters] of all) {
				if (OWN_END.has(method)) continue;
				const needed = parameters.filter((p) => !p.optional || p.name in foreign);
				const answers = [parameters, ...(needed.length < parameters.length ? [needed] : [])].map((some) =>
					lease.ask(method, Object.fromEntries(some.map((p) => [p.name, valueOf(p, url)])), sessionId));
				await Promise.race([Promise.all(answers), lease.ended, sleep(200)]);
				assert.equal(lease.reason, 'closed', `${method} ended the lease`);
			}
			assert.ok(lease.messages.length > all.length);
			nothingOf(lease);
			assert.equal(await stateOf(), [`c=${CANARY}`, CANARY, CANARY, CANARY].join());
		});

test('no address opens what is not the web\'s, however it is spelled or reached', { skip }, async (t) => {
	const lease = await pool.lease({ mode: 'browser' });
	t.after(() => lease.close());
	const { targetId } = await lease.call('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await lease.call('Target.attachToTarget', { targetId, flatten: true });
	const ask = (method, params) => lease.ask(method, params, sessionId);
	const say = async (text) => {
		const id = ++lease.lastId;
		lease.write(`{"id":${id},"sessionId":"${sessionId}",${text}}\0`);
		return lease.next(`answer to ${text}`, (m) => m.id === id);
	};
	for (const url of ['file:///etc/passwd', 'FILE:///etc/passwd', ' file:///etc/passwd', '\tfile:///etc/passwd', 'fi\nle:///etc/passwd', 'view-source:file:///etc/passwd',
		'view-source:http://127.0.0.1/', 'chrome://version', 'chrome-untrusted://x', 'devtools://devtools/bundled/inspector.html', 'javascript:1', 'blob:null/1',
		'filesystem:file:///', 'about:version', 'about:blank/../file:', '/etc/passwd', 'http:/\0', ''])
		for (const [method, params] of [['Page.navigate', { url }], ['Fetch.continueRequest', { requestId: '1', url }]])
			assert.match((await ask(method, params)).error?.message ?? 'passed', /only http|not understood/, `${method} ${JSON.stringify(url)}`);
	for (const url of ['file:///etc/passwd', 'view-source:file:///etc/passwd', 'chrome://version', 'devtools://devtools'])
		assert.match((await lease.ask('Target.createTarget', { url })).error.message, /only http/);
	// What the filter reads must be what Chromium does.
	for (const params of ['{"url":"about:blank","url":"file:///etc/passwd"}', '{"url":"file:///etc/passwd","url":"about:blank"}', '{"url":"about:blank","u\\u0072l":"file:///etc/passwd"}',
		'{"u\\u0072l":"file:///etc/passwd"}', '{"url":"\\u0066ile:///etc/passwd"}', '{"url":"http://\\ud800"}', '{"url":["file:///etc/passwd"]}', '[]', '"file:///etc/passwd"', 'null', '{}', '{"url":"http://a\\u0000"}'])
		assert.match((await say(`"method":"Page.navigate","params":${params}`)).error?.message ?? 'passed', /only http|not understood/, params);
	assert.match((await say('"method":"Page.createIsolatedWorld","params":{"frameId":"x","grantUniveralAccess":true,"grantUniveral\\u0041ccess":false}')).error.message, /.+/);
	// By a redirect, a script, a frame.
	const text = async () => (await ask('Runtime.evaluate', { expression: '[location.href, document.documentElement.outerHTML, ...Array.from(frames, (f) => { try { return f.document.body.outerHTML } catch { return "closed" } })].join()' })).result?.result.value ?? '';
	await ask('Fetch.enable', { patterns: [{ urlPattern: '*/redirect' }] });
	const going = ask('Page.navigate', { url: `${site.url}/redirect` });
	const { params } = await lease.next('pause', (m) => m.method === 'Fetch.requestPaused');
	await ask('Fetch.fulfillRequest', { requestId: params.requestId, responseCode: 302, responseHeaders: [{ name: 'Location', value: 'file:///etc/passwd' }] });
	assert.match((await going).result?.errorText ?? '', /ERR_/);
	await ask('Page.navigate', { url: `${site.url}/next` });
	for (const expression of ['location.href = "file:///etc/passwd"', 'open("file:///etc/passwd")', 'open("chrome://version")', 'open("view-source:file:///etc/passwd")',
		'document.body.innerHTML = "<iframe src=file:///etc/passwd></iframe><object data=file:///etc/passwd></object>"', 'fetch("file:///etc/passwd").catch(() => 0)'])
		await ask('Runtime.evaluate', { expression, userGesture: true });
	const { result: { frameTree } } = await ask('Page.getFrameTree');
	await ask('Page.setDocumentContent', { frameId: frameTree.frame.id, html: '<iframe src="file:///etc/passwd"></iframe>' });
	await sleep(200);
	assert.doesNotMatch(await text(), /root:/);
	nothingOf(lease);
	const { targetInfos } = await lease.call('Target.getTargets');
	assert.ok(targetInfos.every((i) => !/^(file|chrome|view-source|devtools):/.test(i.url)), JSON.stringify(targetInfos));
});

test('a neighbour\'s names are unknown, and no name is known that is not', { skip }, async () => {
	const lease = await pool.lease({ mode: 'browser' });
	const codes = [];
	for (const [method, params] of [['Target.attachToTarget', { targetId: foreign.targetId, flatten: true }], ['Target.closeTarget', { targetId: foreign.targetId }],
		['Target.activateTarget', { targetId: foreign.targetId }], ['Target.getTargetInfo', { targetId: foreign.targetId }],
		['Target.createTarget', { url: 'about:blank', browserContextId: foreign.browserContextId }],
		['Target.disposeBrowserContext', { browserContextId: foreign.browserContextId }], ['Storage.getCookies', { browserContextId: foreign.browserContextId }]])
		codes.push((await lease.ask(method, params)).error);
	assert.ok(codes.every((e) => e.code === -32602 && e.message === 'pool: unknown target'), JSON.stringify(codes));
	assert.deepEqual((await lease.call('Target.getTargets')).targetInfos, []);
	await lease.call('Target.createTarget', { url: 'about:blank' });
	const { targetInfos } = await lease.call('Target.getTargets');
	assert.ok(targetInfos.length > 0 && targetInfos.every((i) => i.browserContextId !== foreign.browserContextId));
	assert.deepEqual((await lease.call('Storage.getCookies')).cookies, []);
	lease.close();
});

// Chromium has one clipboard, and one for what is marked, for all pages of a browser.
test('what a neighbour has copied or marked is not pasted, not even when its lease is over', { skip }, async (t) => {
	const neighbour = await pool.lease(), lease = await pool.lease();
	t.after(() => lease.close());
	const make = (page, html) => page.call('Runtime.evaluate', { expression: `document.body.innerHTML = ${JSON.stringify(html)}; 0` });
	await neighbour.goto(`${site.url}/`);
	await make(neighbour, `<p style="position:absolute;left:0;top:0;font:20px monospace">${CANARY}</p><textarea id=t>${CANARY}</textarea>`);
	const copied = await neighbour.call('Runtime.evaluate', { expression: 't.select(); document.execCommand("copy")', userGesture: true });
	assert.equal(copied.result.value, true);
	for (const [type, x] of [['mousePressed', 2], ['mouseMoved', 100], ['mouseReleased', 100]])
		await neighbour.call('Input.dispatchMouseEvent', { type, button: 'left', x, y: 30, clickCount: 1, buttons: 1 });
	assert.match(await neighbour.evaluate('getSelection().toString()'), /^canary-/);
	await lease.goto(`${site.url}/`);
	await make(lease, '<textarea id=t style="position:absolute;left:0;top:0;width:300px;height:200px"></textarea>');
	const keys = [{ modifiers: 2, windowsVirtualKeyCode: 86 }, { modifiers: 10, windowsVirtualKeyCode: 86 }, { modifiers: 8, windowsVirtualKeyCode: 45 },
		{ windowsVirtualKeyCode: 131158 }, { key: 'Paste' }, { key: 'a', commands: ['paste'] }, { key: 'a', commands: ['PasteGlobalSelection'] }];
	const tryAll = async () => {
		await lease.call('Page.bringToFront');
		await lease.evaluate('t.focus(); 0');
		const ask = (method, params) => lease.ask(method, params).then(({ error }) => assert.match(error?.message ?? 'passed', /no pasting/, JSON.stringify(params)));
		for (const key of keys) await ask('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...key });
		for (const type of ['mousePressed', 'mouseReleased']) await ask('Input.dispatchMouseEvent', { type, button: 'middle', x: 20, y: 20, clickCount: 1 });
		await lease.ask('Runtime.evaluate', { expression: 't.focus(); document.execCommand("paste"); navigator.clipboard?.readText().then((text) => (t.value += text), () => 0)', userGesture: true, awaitPromise: true });
		await lease.call('Input.dispatchKeyEvent', { type: 'keyDown', key: 'x', text: 'x', windowsVirtualKeyCode: 88 });
		assert.match(await lease.evaluate('t.value'), /^x+$/);
	};
	await tryAll();
	neighbour.close();
	await pool.until('the neighbour gone', (s) => s.leases.length === 2 && s.contexts.disposing === 0);
	await tryAll();
	nothingOf(lease);
});

test('what is no message ends the lease, and large ones cost little', { skip }, async () => {
	const deep = `{"id":1,"method":"Runtime.evaluate","params":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
	const bad = ['{"id":1,"meth\\u006fd":"Browser.crash","method":"Page.enable"}', '{"id":1,"method":"Page.enable","method":"Browser.crash"}', '{"id":1,"method":"Browser.crash","method":"Page.enable"}',
		'{"id":1,"method":"Browser.cr\\u0061sh"}', '{"id":1,"id":2,"method":"Page.enable"}', '{"id":1,"\\u0069d":2,"method":"Page.enable"}', '{"id":1,"method":"Page.enable","sess\\u0069onId":"s1"}',
		'{"id":1,"method":"Page.enable","sessionId":""}', '{"id":1,"method":"Page.enable","sessionId":"s1\\u0000"}', '{"id":1,"method":"Page.navigate","params":{},"params":{"url":"file:///"}}',
		'{"id":1.0,"method":"Page.enable"}', '{"id":1e0,"method":"Page.enable"}', '{"id":"1","method":"Page.enable"}', '{"id":null,"method":"Page.enable"}', '{"method":"Page.enable"}', '{"id":1}', '{"id":1,"method":7}',
		'\ufeff{"id":1,"method":"Page.enable"}', '{"id":1,"method":"Page.enable"}{"id":2,"method":"Browser.crash"}', '{"id":1,"method":"Page.enable",}', "{'id':1,'method':'Page.enable'}", '[{"id":1,"method":"Page.enable"}]',
		'{"id":1,/**/"method":"Page.enable"}', '{"id":1,"method":"Page.enable","params":{"a":01}}', Buffer.from('{"id":1,"method":"Page.enable","x":"\xed\xa0\x80"}', 'latin1'), '', '{"id":1,"method":"Page.enable"\u0000}', '{"id":99999999999999999999,"method":"Page.enable"}', '{"id":-1,"method":"Page.enable"}', deep,
		Buffer.from('{"id":1,"method":"Page.\xff"}', 'latin1'), '{"id":1,"method":"Page.enable","sessionId":"a","sessionId":"b"}', '{"id":1,"method":"Page.enable","sessionId":1}'];
	for (const mode of ['page', 'browser'])
		for (const text of bad) {
			const lease = await pool.lease({ mode });
			lease.write(Buffer.concat([Buffer.from(text), Buffer.from([0])]));
			assert.equal(await lease.ended, 'bad_message', String(text).slice(0, 80));
			lease.close();
		}
	const odd = await pool.lease();
	for (const expression of ['"\\ud800"', '"\\ud800".length', '"\\u0000"', '"\\udfff\\ud800"'])
		assert.ok((odd.write(`{"id":${++odd.lastId},"method":"Runtime.evaluate","params":{"expression":${JSON.stringify(expression)}}}\0`), await odd.next('answer', (m) => m.id === odd.lastId)).result);
	odd.write(`{"id":${++odd.lastId},"method":"Runtime.evaluate","params":{"expression":"'\\ud800'"}}\0`);
	await odd.next('answer to a lone surrogate', (m) => m.id === odd.lastId);
	odd.write(`{"id":9007199254740991,"method":"Runtime.evaluate","params":{"expression":"1"}}\0`);
	assert.equal((await odd.next('answer to the largest id', (m) => m.id === 9007199254740991)).result.result.value, 1);
	odd.close();
	const large = await pool.lease({ mode: 'browser' });
	for (let i = 0; i < 200; i++) large.write(Buffer.alloc(1024 * 1024, 'x'));
	assert.equal(await large.ended, 'too_large');
	large.close();
});

test('a library\'s Browser.close ends its lease and no other', { skip }, async () => {
	const lease = await pool.lease({ mode: 'browser' });
	assert.deepEqual(await lease.call('Browser.close'), {});
	assert.equal(await lease.ended, 'closed');
	lease.close();
});
