// There are never more browsers and pages than may be, dying ones counted, whatever clients do and
// however slowly a browser dies; and who is too much is told so at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, temporaryFolder } from '../../support/process.mjs';
import { judge, Lease, startPool } from './pool.mjs';
import { startSampler } from './sampler.mjs';

const CHROMIUM = '/usr/lib/chromium/chromium-headless-shell';
const SECONDS = Number(process.env.CAPS_SECONDS ?? 10);
const PER_SECOND = 1000, STEP_MS = 10;
const MAX_OPEN = 400; // so that a slow machine is not buried

// A browser whose group outlives it by a second: one of its members has a parent that does not reap.
const SLOW_TO_DIE = `#!/bin/sh
perl -e '
	my $leader = shift;
	setpgrp(0, 0);
	if (!fork) { setpgrp(0, $leader); exec "/bin/sleep", "600"; }
	select(undef, undef, undef, 0.05) while kill 0, $leader;
	select(undef, undef, undef, 1);
' $$ < /dev/null > /dev/null 2>&1 3>&- 4>&- &
exec ${CHROMIUM} "$@"
`;

// Asks for a page; half of them go away at some moment, the others use it for a moment.
async function visit(pool, seen, n) {
	const lease = new Lease(pool.socket, { client: `c${n}`, wait_ms: 2000 });
	const word = new Promise((resolve) => {
		lease.listeners.push((m) => (m.type === 'leased' || m.type === 'refused') && resolve(m.reason ?? m.type));
		lease.closed.then(() => resolve('closed'));
	});
	if (Math.random() < 0.5) {
		await Promise.race([word, sleep(Math.random() * 40)]);
		seen.aborted++;
	} else {
		const said = await word;
		seen[said] = (seen[said] ?? 0) + 1;
		if (said === 'queue_full') seen.retryAfter.push(lease.messages.find((m) => m.type === 'refused').retry_after_ms);
		if (said === 'leased') await Promise.race([lease.evaluate('1').catch(() => {}), lease.ended]);
	}
	lease.close();
	await lease.closed;
}

async function storm(pool, seconds, disturb) {
	const seen = { asked: 0, aborted: 0, leased: 0, queue_full: 0, retryAfter: [] };
	const open = new Set(), begun = Date.now();
	for (let due = 0; Date.now() - begun < seconds * 1000; due += (PER_SECOND * STEP_MS) / 1000) {
		while (seen.asked < due && open.size < MAX_OPEN) {
			const one = visit(pool, seen, seen.asked++).finally(() => open.delete(one));
			open.add(one);
		}
		await disturb(Date.now() - begun);
		await sleep(STEP_MS);
	}
	await Promise.all(open);
	return seen;
}

test('in a storm of requests, half of them given up, with browsers that hang and die slowly, no cap is passed', async (t) => {
	const folder = temporaryFolder('pensum-c-');
	const browser = path.join(folder.path, 'browser');
	fs.writeFileSync(browser, SLOW_TO_DIE, { mode: 0o755 });
	const pool = await startPool({ 'pool.max_browsers': 2, 'pool.max_pages': 4, 'pool.max_waiting': 40, 'pool.browser': browser,
		'log.level': 'info' }, { t });
	const sampler = startSampler(pool.daemon.pid);
	const held = await Promise.all([1, 2, 3, 4].map(() => pool.lease()));
	const two = (await pool.status()).browsers;
	assert.equal(two.length, 2);
	for (const lease of held) lease.close();
	const faults = [
		[0.1, () => process.kill(two[0].pid, 'SIGSTOP')],
		[0.2, () => process.kill(two[1].pid, 'SIGKILL')],
		[0.5, async () => {
			const young = (await pool.status()).browsers.find((b) => b.state === 'ready' && !two.some((old) => old.pid === b.pid));
			if (young) process.kill(young.pid, 'SIGKILL');
		}],
	];
	const seen = await storm(pool, SECONDS, async (ms) => {
		if (faults.length && ms >= faults[0][0] * SECONDS * 1000) await faults.shift()[1]();
	});
	await pool.until('quiet pool', (s) => s.leases.length === 0 && s.waiting.length === 0 && s.contexts.disposing === 0, 20_000);
	const most = await sampler.stop();
	const { retryAfter, ...counts } = seen;
	t.diagnostic(`${JSON.stringify(counts)}; at most ${most.browsers} browsers and ${most.pages} page processes in ${most.looks} looks`);
	assert.equal(most.browsers, 2);
	assert.ok(most.pages <= 4 && most.pages > 0, `${most.pages} pages`);
	assert.ok(most.looks > SECONDS * 5, `${most.looks} looks`);
	assert.ok(seen.leased > 0 && seen.queue_full > 0 && seen.aborted > 0, JSON.stringify(counts));
	assert.ok(retryAfter.every((ms) => ms >= 1000), 'each refusal says when to come back');
	// The pool's own clock says how long those had to wait for their no: no page is involved.
	const waited = pool.daemon.lines.filter((l) => /msg="lease refused".* reason=queue_full/.test(l))
		.map((l) => Number(l.match(/waited_ms=(\d+)/)[1])).sort((a, b) => a - b);
	assert.ok(waited.length >= seen.queue_full);
	t.diagnostic(`refused after ${waited[waited.length >> 1]} ms, nine of ten within ${waited[Math.floor(waited.length * 0.9)]} ms`);
	judge(t, waited[Math.floor(waited.length * 0.9)] <= 50, 'most are refused at once');
	assert.ok((await pool.status()).totals.browser_starts >= 4);
	await pool.stop();
	folder.remove();
});
