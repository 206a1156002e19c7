// gateway/openapi.json is the contract: it names exactly the routes that the gateway has, and the
// gateway answers each of them. (That each answer fits its schema is judged in all api tests.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';
import { loadContract } from '../support/openapi.mjs';

const contract = loadContract();
const table = fs.readFileSync(new URL('../../gateway/routes.c', import.meta.url), 'utf8');
const routes = [...table.matchAll(/\{ HTTP_(\w+), "([^"]+)", ROUTE_(\w+), \w+ \}/g)].map(([, method, path, access]) => ({ method, path, access }));
const isOperators = (operation) => operation.servers !== undefined;
let world;

before(async () => { world = await startGateway(); });
after(async () => { await world?.stop(); });

test('the table of routes and the contract name the same', () => {
	assert.ok(routes.length > 10);
	assert.equal(routes.length, [...table.matchAll(/HTTP_\w+,/g)].length, 'every row was read');
	assert.deepEqual(routes.map((r) => `${r.method} ${r.path}`).sort(), contract.operations.map((o) => `${o.method} ${o.path}`).sort());
});

test('who may ask is the same in both', () => {
	for (const { method, path, access } of routes) {
		const { operation } = contract.operations.find((one) => one.method === method && one.path === path);
		assert.equal(Array.isArray(operation.security), ['PUBLIC', 'LINK', 'ADMIN'].includes(access), `${method} ${path}`);
		assert.equal(isOperators(operation), access === 'ADMIN', `${method} ${path}`);
		if (access === 'USER') assert.match(operation.responses[403].description, /signin_pending/, path);
	}
});

test('the gateway answers every documented path and method', async () => {
	const maya = await world.student('maya');
	await world.giveCourses(maya);
	await world.giveAssignments(maya);
	await world.giveDocument(maya);
	const [{ link }] = (await maya.get('/api/v1/documents')).json.documents;
	const { id } = (await maya.post('/api/v1/checks', { courses: [11] })).json.job;
	const bodies = {
		'POST /api/v1/session': { username: 'a', password: 'b' }, 'POST /api/v1/checks': { courses: [11] },
		'POST /admin/cleanup': {}, 'POST /api/v1/jobs/{id}/answer': { code: '1' }, 'POST /api/v1/documents': { assignments: [301], student: { name: 'M', roll: '' } },
	};
	// What takes something away comes last.
	const last = ['readCalendar', 'deleteCalendar', 'refreshCourses', 'requeue', 'deleteAccount', 'signOut'];
	let calendar;
	const all = contract.operations.toSorted((a, b) => last.indexOf(a.operation.operationId) - last.indexOf(b.operation.operationId));
	for (const { method, path, operation } of all) {
		const name = `${method} ${path}`;
		const target = path.includes('/documents/{id}') ? link : path.includes('{token}') ? calendar : path.replace('{id}', id);
		if (name === 'POST /admin/jobs/{id}/requeue') await world.sql`UPDATE pensum.jobs SET state = 'dead', finished_at = now() WHERE id = ${id}`;
		if (name === 'POST /api/v1/jobs/{id}/answer') await world.sql`UPDATE pensum.jobs SET state = 'waiting', failure_code = 'mfa_needed', secret = 'factor x', cancel = false WHERE id = ${id}`;
		const operator = Object.assign(world.browser(), { url: world.adminUrl });
		const browser = isOperators(operation) ? operator : operation.operationId === 'signIn' ? world.browser() : operation.operationId === 'deleteAccount' ? await world.student('leaver') : maya;
		const answer = await browser.request(method, target, bodies[name]);
		assert.ok(operation.responses[answer.status], `${name}: ${answer.status}`);
		if (operation.operationId === 'makeCalendar') calendar = new URL(answer.json.url).pathname;
		if (name === 'GET /api/v1/live') assert.equal(answer.status, 426);
		else if (name === 'GET /admin/pool') assert.equal(answer.status, 503, 'there is none here');
		else assert.ok(answer.status < 300, `${name}: ${answer.status} ${answer.text}`);
	}
});

test('a path of the contract refuses the methods that it does not have', async () => {
	const maya = await world.student('maya');
	for (const path of new Set(contract.operations.map((one) => one.path))) {
		for (const method of ['GET', 'POST', 'DELETE', 'PUT', 'PATCH']) {
			if (contract.operations.some((one) => one.path === path && one.method === method)) continue;
			const ofOperators = contract.operations.some((one) => one.path === path && isOperators(one.operation));
			const asks = ofOperators ? Object.assign(world.browser(), { url: world.adminUrl }) : maya;
			const answer = await asks.request(method, path.replace('{id}', newId()).replace('{token}', 'x'.repeat(43)));
			assert.ok([405, 501].includes(answer.status), `${method} ${path}: ${answer.status}`);
		}
	}
});

test('the judge of this contract judges', () => {
	const answer = (status, json, headers = {}) => ({ status, json, headers: new Map(Object.entries(headers)) });
	const site = { id: 'x', name: 'x', url: 'y' };
	contract.judge('GET', '/api/v1/site', answer(200, site));
	for (const wrong of [answer(200, { id: 'x', name: 'x' }), answer(200, { ...site, more: 1 }), answer(200, { ...site, url: 1 }), answer(200, null),
		answer(201, site), answer(409, { type: 'about:blank', title: 'x', status: 409, code: 'x', detail: 'x' })])
		assert.throws(() => contract.judge('GET', '/api/v1/site', wrong));
});
