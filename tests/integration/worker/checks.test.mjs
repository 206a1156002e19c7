// What a check writes: by both roads (Moodle's web service for some courses, a browser for the others), and
// over what an earlier one wrote.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { becomes, pg, pool, saveSession, seal, startWorker, submit, USER } from './stage.mjs';

const TOLD = 2; // the course that the web service tells all of
const response = (data) => ({ error: false, data: JSON.stringify(data) });
let site, served = 0;

before(async () => {
	site = http.createServer((question, answer) => {
		served++;
		question.resume().on('end', () => answer.end(JSON.stringify({ responses: [
			response({ release: '5.0' }), response({ courses: [{ id: TOLD, assignments: [] }] }), response({ groupedbycourse: [] })] })));
	});
	await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
});
after(() => new Promise((resolve) => site.close(resolve).closeAllConnections()));

test('what the web service told first is as old as it is when a browser was waited for behind it', async () => {
	const saved = JSON.stringify({ cookies: [], service: { token: 'a' } });
	const waitedS = 3;
	await pg.query(`INSERT INTO pensum.moodle_sessions (user_id, sealed, verifier, expires_at)
		VALUES ('${USER}', '${await seal(`moodle ${USER}`, saved)}', 'v', now() + interval '1 hour')`);
	pool.answer = async () => ({ ok: true, assignments: [], activities: [] });
	const release = pool.hold();
	await startWorker({ 'site.url': `http://127.0.0.1:${site.address().port}` });
	const id = await submit('check', { courses: [{ id: 1, name: 'Biology' }, { id: TOLD, name: 'Physics' }] });
	await until('script', () => pool.running > 0);
	assert.equal(served, 1);
	await sleep(waitedS * 1000); // what is measured
	release();
	await becomes(id, 'succeeded');
	const [[biology, physics]] = await pg.query(`SELECT extract(epoch FROM b.read_at)::bigint, extract(epoch FROM p.read_at)::bigint
		FROM pensum.course_checks b, pensum.course_checks p WHERE b.course_id = 1 AND p.course_id = ${TOLD} AND b.user_id = p.user_id`);
	assert.ok(biology - physics >= waitedS - 1, `${biology - physics} s between them`);
});

test('an assignment that is found in another course is that one\'s, with all that is told of it there', async () => {
	const assignment = (cmid, section) => ({ cmid, name: 'Lab', url: `http://site.test/${section}`, section, due: null, due_text: '',
		status: 'none', pending: true, handin: 'open' });
	const told = { 1: [assignment(5, 'before')], 3: [assignment(4, 'other'), assignment(5, 'after')] };
	pool.answer = async (expression) => ({ ok: true, activities: [], assignments: told[/"course":\{"id":(\d)/.exec(expression)[1]] });
	await saveSession();
	await startWorker();
	for (const course of [1, 3]) await becomes(await submit('check', { courses: [{ id: course, name: 'Biology' }] }), 'succeeded');
	assert.deepEqual(await pg.query(`SELECT course_id, section, url, position FROM pensum.assignments WHERE cmid = 5`),
		[['3', 'after', 'http://site.test/after', '2']]);
});
