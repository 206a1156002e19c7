// checker-worker's sign-in by a recipe, in a page that is imagined: what no real page does on time.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ANSWER, becomes, pool, redis, seal, startWorker, submit } from './stage.mjs';

const RECIPE = { hosts: ['idp.test'], start: '/auth/saml2/', steps: [{ fill: { '#name': 'username', '#secret': 'password' }, submit: true }] };

function recipe() {
	const file = path.join(redis.folder, 'recipe.json');
	fs.writeFileSync(file, JSON.stringify(RECIPE));
	return { 'site.recipe': file, 'jobs.max_attempts': 1 };
}

// The page asks for the password until it is typed; `leave` is what a call fails with as the page leaves.
function imagine(leave) {
	const page = { acts: 0, calls: 0 };
	let left = false;
	const isAct = (expression) => expression?.includes('return act(');
	pool.answer = async (expression) => {
		if (isAct(expression)) return (page.acts++, { done: true });
		if (!expression.includes('return look(')) return expression.startsWith('fetch(') ? 1 : ANSWER;
		page.calls++;
		const [, times] = /"times":\[(\d+)\]/.exec(expression);
		if (page.acts > 0) return { at: 'home', document: 3, where: 'site' };
		return { at: times === '0' ? 'step' : 'again', index: 0, document: left ? 2 : 1, where: 'idp' };
	};
	pool.refuse = (method, params) => {
		const message = left || page.calls === 0 ? null : leave(method, params, isAct(params?.expression));
		left ||= message !== null;
		return message;
	};
	return page;
}

const LEAVES = {
	'before its script has a world': (method) => (method === 'Page.createIsolatedWorld' ? 'No frame for given id found' : null),
	'before its script runs': (method, params, isAct) => (isAct ? 'Cannot find context with specified id' : null),
};
for (const [when, leave] of Object.entries(LEAVES)) {
	test(`a page that leaves by itself ${when} has not been told the password, and the next one is`, async (t) => {
		t.after(() => (pool.refuse = () => null));
		const page = imagine(leave);
		await startWorker(recipe());
		const id = 'a'.repeat(24);
		await submit('signin', { username: 'maya' }, { id, secret: await seal(`password ${id}`, 'hunter2') });
		await becomes(id, 'succeeded', 20_000);
		assert.equal(page.acts, 1);
	});
}

test('a page that may have been told the password is not told again', async (t) => {
	t.after(() => (pool.refuse = () => null));
	const page = imagine((method, params, isAct) => (isAct ? 'Inspected target navigated or closed' : null));
	await startWorker(recipe());
	const id = 'b'.repeat(24);
	await submit('signin', { username: 'maya' }, { id, secret: await seal(`password ${id}`, 'hunter2') });
	assert.equal((await becomes(id, 'failed', 20_000)).code, 'signin_not_understood');
	assert.equal(page.acts, 0);
});
