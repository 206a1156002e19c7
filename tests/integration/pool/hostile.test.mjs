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
	foreign = { targetId: targetInfo.targetId, frameId: frameTree.frame.id, browserContextId: targetInfo.browserContextId };
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
	for (const m of lease.messages) assert.ok(!JSON.stringify(m).includes(CANARY), JSON.stringify(m).slice(0, 300));
};

for (const mode of ['page', 'browser'])
	for (const url of ['file:///etc/passwd', 'about:blank'])
		test(`every method with a neighbour's names in ${mode} mode, addresses ${url}`, { skip }, async (t) => {
			let lease = await pool.lease({ mode, ttl_ms: 120_000 });
			t.after(() => lease.close());
			const all = methods();
			assert.ok(all.length > 500);
			for (const [method, parameters] of all) {
				if (OWN_END.has(method)) continue;
				if (lease.reason !== 'closed') {
					nothingOf(lease);
					lease.close();
					lease = await pool.lease({ mode, ttl_ms: 120_000 });
				}
				const params = Object.fromEntries(parameters.map((p) => [p.name, valueOf(p, url)]));
				const answers = [lease.ask(method, params)];
				const needed = parameters.filter((p) => !p.optional || p.name in foreign);
				if (needed.length < parameters.length) answers.push(lease.ask(method, Object.fromEntries(needed.map((p) => [p.name, valueOf(p, url)]))));
				await Promise.race([Promise.all(answers), lease.ended, sleep(200)]);
			}
			nothingOf(lease);
			assert.ok(lease.messages.every((m) => !JSON.stringify(m).includes('root:')));
			assert.equal(await stateOf(), [`c=${CANARY}`, CANARY, CANARY, CANARY].join());
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

test('what is no message ends the lease, and large ones cost little', { skip }, async () => {
	const deep = `{"id":1,"method":"Runtime.evaluate","params":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
	const bad = ['{"id":1,"method":"Page.enable"\u0000}', '{"id":99999999999999999999,"method":"Page.enable"}', '{"id":-1,"method":"Page.enable"}', deep,
		Buffer.from('{"id":1,"method":"Page.\xff"}', 'latin1'), '{"id":1,"method":"Page.enable","sessionId":"a","sessionId":"b"}', '{"id":1,"method":"Page.enable","sessionId":1}'];
	for (const mode of ['page', 'browser'])
		for (const text of bad) {
			const lease = await pool.lease({ mode });
			lease.write(Buffer.concat([Buffer.from(text), Buffer.from([0])]));
			assert.equal(await lease.ended, 'bad_message', String(text).slice(0, 80));
			lease.close();
		}
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
