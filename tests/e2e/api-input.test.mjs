// What a browser must not get through: each is refused with a code and a sentence, and nothing is
// queued afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newId, startGateway } from '../support/gateway.mjs';

let world, maya, stranger;
const STUDENT = { name: 'Maya', roll: '42' };
const order = (more) => ({ assignments: [301], student: STUDENT, format: 'docx', draft: 'template', ...more });
const numbers = (count, from = 1) => Array.from({ length: count }, (_, i) => from + i);

before(async () => {
	world = await startGateway();
	[maya, stranger] = [await world.student('maya'), await world.student('stranger')];
	await world.giveCourses(maya);
	await world.giveAssignments(maya);
	await world.giveCourses(stranger, [{ id: 77, name: 'Not yours' }]);
	await world.giveAssignments(stranger, 901, 2);
});
after(async () => { await world?.stop(); });

// [what, body, status, code]; strings and buffers are sent as they are.
const anywhere = [
	['no body', undefined, 400, 'bad_json'],
	['empty', '', 400, 'bad_json'],
	['not JSON', 'courses=1', 400, 'bad_json'],
	['half an object', '{"courses":[1', 400, 'bad_json'],
	['two objects', '{}{}', 400, 'bad_json'],
	['a list', '[]', 400, 'bad_json'],
	['null', 'null', 400, 'bad_json'],
	['a number', '1', 400, 'bad_json'],
	['a text', '"x"', 400, 'bad_json'],
	['a member twice', '{"courses":[11],"courses":[12]}', 400, 'bad_json'],
	['a NUL', '{"courses":"\\u0000"}', 400, 'bad_json'],
	['half a surrogate', '{"courses":"\\ud800"}', 400, 'bad_json'],
	['bad UTF-8', Buffer.from([...Buffer.from('{"courses":"'), 0xc3, 0x28, ...Buffer.from('"}')]), 400, 'bad_utf8'],
	['overlong UTF-8', Buffer.from([...Buffer.from('{"courses":"'), 0xc0, 0xaf, ...Buffer.from('"}')]), 400, 'bad_utf8'],
	['too deep', `{"courses":${'['.repeat(2000)}${']'.repeat(2000)}}`, 400, 'bad_json'],
	['too large', `{"courses":"${'x'.repeat(70_000)}"}`, 413, null],
	['an integer beyond 64 bits', '{"courses":[123456789012345678901234567890]}', 400, 'bad_json'],
];

const bodies = {
	'/api/v1/session': [
		['nothing', {}, 422, 'invalid_input'],
		['no password', { username: 'a' }, 422, 'invalid_input'],
		['no username', { password: 'a' }, 422, 'invalid_input'],
		['empty username', { username: '', password: 'a' }, 422, 'invalid_input'],
		['empty password', { username: 'a', password: '' }, 422, 'invalid_input'],
		['a number', { username: 1, password: 'a' }, 422, 'invalid_input'],
		['null', { username: null, password: 'a' }, 422, 'invalid_input'],
		['a list', { username: ['a'], password: 'a' }, 422, 'invalid_input'],
		['an object', { username: { a: 1 }, password: 'a' }, 422, 'invalid_input'],
		['a boolean', { username: 'a', password: true }, 422, 'invalid_input'],
		['an address as the site', { site: 'https://moodle.test', username: 'a', password: 'a' }, 422, 'site_unknown'],
		['no site', { site: null, username: 'a', password: 'a' }, 422, 'site_unknown'],
		['256 bytes', { username: 'a'.repeat(256), password: 'a' }, 422, 'invalid_input'],
		['256 bytes of two each', { username: 'é'.repeat(128), password: 'a' }, 422, 'invalid_input'],
		['1025 bytes', { username: 'a', password: 'a'.repeat(1025) }, 422, 'invalid_input'],
		['a newline', { username: 'a\nb', password: 'a' }, 422, 'invalid_input'],
		['an escape', { username: 'a', password: '\u001b[2J' }, 422, 'invalid_input'],
		['DEL', { username: 'a\u007f', password: 'a' }, 422, 'invalid_input'],
		['more members', { username: 'a', password: 'a', admin: true }, 422, 'unknown_member'],
		['a prototype', '{"username":"a","password":"a","__proto__":{}}', 422, 'unknown_member'],
	],
	'/api/v1/checks': [
		['nothing', {}, 422, 'invalid_input'],
		['no list', { courses: 11 }, 422, 'invalid_input'],
		['a text', { courses: '11' }, 422, 'invalid_input'],
		['an object', { courses: { 0: 11 } }, 422, 'invalid_input'],
		['null', { courses: null }, 422, 'invalid_input'],
		['none', { courses: [] }, 422, 'invalid_input'],
		['61', { courses: numbers(61) }, 422, 'too_many_courses'],
		['10,000', { courses: numbers(10_000) }, 422, 'too_many_courses'],
		['zero', { courses: [0] }, 422, 'invalid_input'],
		['negative', { courses: [-11] }, 422, 'invalid_input'],
		['a fraction', { courses: [11.5] }, 422, 'invalid_input'],
		['a whole fraction', '{"courses":[11.0]}', 422, 'invalid_input'],
		['an exponent', '{"courses":[1e1]}', 422, 'invalid_input'],
		['beyond 2^53', '{"courses":[9007199254740993]}', 422, 'invalid_input'],
		['the largest int64', '{"courses":[9223372036854775807]}', 422, 'invalid_input'],
		['texts', { courses: ['11'] }, 422, 'invalid_input'],
		['SQL', { courses: ["11); DROP TABLE pensum.jobs; --"] }, 422, 'invalid_input'],
		['null in it', { courses: [null] }, 422, 'invalid_input'],
		['a list in it', { courses: [[11]] }, 422, 'invalid_input'],
		['a boolean in it', { courses: [true] }, 422, 'invalid_input'],
		['twice', { courses: [11, 12, 11] }, 422, 'duplicate'],
		['one unknown', { courses: [11, 4711] }, 422, 'course_not_yours'],
		['somebody else\'s', { courses: [77] }, 422, 'course_not_yours'],
		['more members', { courses: [11], user: 'x' }, 422, 'unknown_member'],
		['a long name of a member', { courses: [11], ['ü'.repeat(10_000)]: 1 }, 422, 'unknown_member'],
	],
	'/api/v1/documents': [
		['nothing', {}, 422, 'invalid_input'],
		['no assignments', order({ assignments: undefined }), 422, 'invalid_input'],
		['none', order({ assignments: [] }), 422, 'invalid_input'],
		['no list', order({ assignments: 301 }), 422, 'invalid_input'],
		['texts', order({ assignments: ['301'] }), 422, 'invalid_input'],
		['zero', order({ assignments: [0] }), 422, 'invalid_input'],
		['negative', order({ assignments: [-1] }), 422, 'invalid_input'],
		['a fraction', order({ assignments: [301.5] }), 422, 'invalid_input'],
		['six', order({ assignments: numbers(6, 301) }), 422, 'too_many_assignments'],
		['six wrong ones', order({ assignments: ['a', 'b', 'c', 'd', 'e', 'f'] }), 422, 'too_many_assignments'],
		['twice', order({ assignments: [301, 302, 301] }), 422, 'duplicate'],
		['one unknown', order({ assignments: [301, 4711] }), 422, 'assignment_not_yours'],
		['somebody else\'s', order({ assignments: [901] }), 422, 'assignment_not_yours'],
		['a course\'s id', order({ assignments: [11] }), 422, 'assignment_not_yours'],
		['no student', order({ student: undefined }), 422, 'invalid_input'],
		['a student by name', order({ student: 'Maya' }), 422, 'invalid_input'],
		['a list of students', order({ student: [STUDENT] }), 422, 'invalid_input'],
		['no name', order({ student: { roll: '1' } }), 422, 'invalid_input'],
		['no roll', order({ student: { name: 'Maya' } }), 422, 'invalid_input'],
		['a name of 201', order({ student: { name: 'ü'.repeat(201), roll: '' } }), 422, 'invalid_input'],
		['a roll of 65', order({ student: { name: 'Maya', roll: '1'.repeat(65) } }), 422, 'invalid_input'],
		['a number as roll', order({ student: { name: 'Maya', roll: 42 } }), 422, 'invalid_input'],
		['control characters', order({ student: { name: 'Maya\t', roll: '' } }), 422, 'invalid_input'],
		['more of the student', order({ student: { ...STUDENT, mail: 'x' } }), 422, 'unknown_member'],
		['odt', order({ format: 'odt' }), 422, 'unknown_format'],
		['DOCX', order({ format: 'DOCX' }), 422, 'unknown_format'],
		['a path', order({ format: '../../etc/passwd' }), 422, 'unknown_format'],
		['format null', order({ format: null }), 422, 'unknown_format'],
		['format a list', order({ format: ['docx'] }), 422, 'unknown_format'],
		['another draft', order({ draft: 'essay' }), 422, 'unknown_draft'],
		['draft a number', order({ draft: 1 }), 422, 'unknown_draft'],
		['more members', order({ priority: 'high' }), 422, 'unknown_member'],
	],
};

const wrongIds = [newId(), 'x', newId().toUpperCase(), newId().slice(1), `${newId()}0`, '..%2f..', '%00', '1%27--', '☃'];

let refused = 0;

function expectProblem(answer, status, code, what) {
	assert.equal(answer.status, status, `${what}: ${answer.text}`);
	if (code) {
		assert.equal(answer.json?.code, code, what);
		assert.ok(answer.json.detail.length > 10 && answer.json.detail.length < 300, what);
		assert.equal(answer.json.status, status);
	}
	refused++;
}

async function nothingQueued(path) {
	assert.equal(await world.jobCount(), 0, path);
	for (const kind of ['checker', 'docgen']) {
		for (const priority of ['high', 'normal', 'low'])
			assert.equal(await world.redis.command('EXISTS', `pensum:jobs:${kind}:${priority}`), 0);
	}
}

for (const [path, rows] of Object.entries(bodies)) {
	test(`POST ${path} refuses what it does not understand`, async () => {
		for (const [what, body, status, code] of [...anywhere, ...rows])
			expectProblem(await maya.post(path, body), status, code, `${path}: ${what}`);
		await nothingQueued(path);
	});
}

test('ids that are unknown, malformed or of somebody else are all the same 404', async () => {
	const id = newId();
	await world.sql`INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, state, finished_at)
		VALUES (${id}, 'check', 'checker', 'normal', ${stranger.userId}, '{}', 'failed', now())`;
	const document = await world.giveDocument(stranger);
	const [{ link }] = (await stranger.get('/api/v1/documents')).json.documents;
	const texts = new Set();
	for (const wrong of [...wrongIds, id]) {
		for (const method of ['get', 'delete']) {
			const answer = await maya[method](`/api/v1/jobs/${wrong}`);
			assert.ok([404, 400].includes(answer.status), `${method} ${wrong}: ${answer.status}`);
			if (/^[0-9a-f]{24}$/.test(wrong)) texts.add(`${answer.status} ${answer.text}`);
			refused++;
		}
	}
	assert.equal(texts.size, 1, 'another\'s job looks like none');
	texts.clear();
	for (const wrong of [newId(), document.id]) {
		const answer = await maya.get(link.replace(document.id, wrong));
		assert.equal(answer.status, 404);
		texts.add(answer.text);
	}
	assert.equal(texts.size, 1, 'another\'s document looks like none');
	assert.deepEqual(await world.sql`SELECT cancel FROM pensum.jobs WHERE id = ${id}`, [['f']]);
	await world.sql`DELETE FROM pensum.jobs`;
});

test('other methods, other kinds of content, other sites', async () => {
	for (const [method, path] of [['PUT', '/api/v1/session'], ['PATCH', '/api/v1/jobs'], ['POST', '/api/v1/assignments'],
		['DELETE', '/api/v1/courses'], ['GET', '/api/v1/checks'], ['POST', `/api/v1/jobs/${newId()}`]]) {
		const answer = await maya.request(method, path);
		assert.ok([405, 501].includes(answer.status), `${method} ${path}: ${answer.status}`);
		refused++;
	}
	for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
		expectProblem(await maya.post('/api/v1/checks', '{"courses":[11]}', { 'content-type': type }), 415, 'not_json', type);
	for (const origin of ['https://evil.test', 'null', `${world.url}.evil.test`])
		expectProblem(await maya.post('/api/v1/checks', { courses: [11] }, { origin }), 403, 'bad_origin', origin);
	expectProblem(await maya.get('/api/v1/nothing'), 404, 'not_found', 'nothing');
	expectProblem(await maya.get('/api/v2/jobs'), 404, 'not_found', 'another version');
	for (const key of ['', 'x'.repeat(129), 'two words'])
		expectProblem(await maya.post('/api/v1/checks', { courses: [11] }, { 'Idempotency-Key': key }), 422, 'invalid_input', `key ${key}`);
	await nothingQueued('other');
});

test('a hundred and more were refused, and the gateway is as before', async () => {
	assert.ok(refused > 100, `${refused}`);
	assert.equal((await maya.post('/api/v1/checks', { courses: [11] })).status, 202);
	assert.equal((await maya.get('/health')).status, 200);
});

test('what is just within the limits passes', async () => {
	const user = 'é'.repeat(127) + 'x';
	assert.equal((await world.browser().post('/api/v1/session', { username: user, password: 'p'.repeat(1024) })).status, 202);
	const many = await world.student('many');
	await world.giveCourses(many, numbers(60).map((id) => ({ id, name: `Course ${id} 'quoted' \\ "` })));
	assert.equal((await many.post('/api/v1/checks', { courses: numbers(60) })).status, 202);
	const student = { name: 'ü'.repeat(200), roll: '' };
	assert.equal((await maya.post('/api/v1/documents', { assignments: numbers(5, 301), student })).status, 202);
});
