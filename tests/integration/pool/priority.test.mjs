// Pages are made behind the work of those that are lent, and lent as all others are.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { commandOf, renderersOf, startPool } from './pool.mjs';

const BEHIND = 12, PATIENCE_MS = 100; // browser-pool/priority.h
const CAP_SYS_NICE = 23n;
const may = (BigInt(`0x${/CapEff:\s*(\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]}`) >> CAP_SYS_NICE) & 1n;
const options = { skip: !may && 'may not put right what it has set back' };

const fieldOf = (file, n) => Number(fs.readFileSync(file, 'latin1').replace(/.*\) /s, '').split(' ')[n - 3]);
const parentOf = (pid) => fieldOf(`/proc/${pid}/stat`, 4);
const nicenessOf = (pid) => fieldOf(`/proc/${pid}/stat`, 19);
const threadsOf = (pid) => fs.readdirSync(`/proc/${pid}/task`).map((id) => fieldOf(`/proc/${pid}/task/${id}/stat`, 19));
const isBehind = (niceness) => niceness === BEHIND;
const isThere = (pid) => fs.existsSync(`/proc/${pid}`);

const usual = { 'pool.max_browsers': 1, 'pool.max_pages': 4 };
const quiet = (pool) => pool.until('two warm pages', (s) => s.contexts.warm === 2 && s.contexts.making === 0 && s.contexts.disposing === 0);

// A pool that lends a page, knows from it where pages come from, and has two more ready.
async function startLending(t) {
	const pool = await startPool(usual, { t });
	const lease = await pool.lease();
	const group = await pool.browserPid();
	await quiet(pool);
	const zygote = parentOf(renderersOf(group)[0]);
	assert.match(commandOf(zygote), /--type=zygote/);
	return { pool, lease, group, zygote };
}

test('a page that is made comes behind all others until it is lent', options, async (t) => {
	const { pool, lease, group, zygote } = await startLending(t);
	const makeAnother = async () => {
		const before = renderersOf(group);
		(await pool.lease()).close();
		await quiet(pool);
		return renderersOf(group).some((pid) => !before.includes(pid) && isBehind(nicenessOf(pid)));
	};
	await until('a page made behind others, and soon', makeAnother, 60_000);
	assert.equal(nicenessOf(zygote), 0, 'while none is made all is as usual');
	const all = [lease, await pool.lease(), await pool.lease(), await pool.lease()];
	for (const one of all) assert.equal(await one.evaluate('1 + 1'), 2);
	assert.deepEqual(renderersOf(group).flatMap(threadsOf).filter(isBehind), []);
	for (const one of all) one.close();
	await pool.stop();
});

test('a page that is not made soon is made as usual', options, async (t) => {
	const { pool, lease, group, zygote } = await startLending(t);
	const before = renderersOf(group);
	process.kill(zygote, 'SIGSTOP');
	t.after(() => isThere(zygote) && process.kill(zygote, 'SIGCONT'));
	const other = await pool.lease();
	await pool.until('a page in the making', (s) => s.contexts.making === 1);
	await sleep(3 * PATIENCE_MS);
	await until('the zygote put right', () => nicenessOf(zygote) === 0);
	process.kill(zygote, 'SIGCONT');
	await quiet(pool);
	assert.deepEqual(renderersOf(group).filter((pid) => !before.includes(pid)).map(nicenessOf), [0]);
	for (const one of [lease, other]) one.close();
	await pool.stop();
});

test('what a lent page has got behind others is put right when the next page has been made', options, async (t) => {
	const { pool, lease, group } = await startLending(t);
	const before = renderersOf(group); // one is lent
	for (const pid of before) os.setPriority(pid, BEHIND);
	const other = await pool.lease();
	await quiet(pool);
	assert.equal(before.filter((pid) => isBehind(nicenessOf(pid))).length, 1, 'which lies ready');
	for (const one of [lease, other]) one.close();
	await pool.stop();
});
