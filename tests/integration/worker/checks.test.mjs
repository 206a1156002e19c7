// A check by both roads: what Moodle's web service tells of some courses, and a browser of the others.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { sleep, until } from '../../support/process.mjs';
import { becomes, pg, pool, seal, startWorker, submit, USER } from './stage.mjs';

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
