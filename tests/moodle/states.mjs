// Sites made of the table states.json, with the truth about each assignment:
//
//   const { data, truth } = siteOfStates({ lang: 'ja', courses: 1 });
//   const moodle = await startMoodle({ data, lang: 'ja', generation: '5.0' });
//   truth: Map(course id -> Map(cmid -> { name, status, handin, pending, due }))
//
// The one student is maya (PASSWORD). Each course has every state once; what she may not see is not
// in the truth. `due` is in epoch seconds or null, an extension included.
import { readFileSync } from 'node:fs';
import { parseWhen } from './site.mjs';

export const PASSWORD = 'Pensum-demo-1';
const TIMEZONE = 'Europe/Berlin';
const table = JSON.parse(readFileSync(new URL('states.json', import.meta.url), 'utf8'));

export function siteOfStates({ lang = 'en', courses = 1 } = {}) {
	const now = Math.floor(Date.now() / 1000);
	const truth = new Map();
	const list = Array.from({ length: courses }, (_, n) => courseOf(100 + n, now, truth));
	const student = { username: 'maya', password: PASSWORD, firstname: 'Maya', lastname: 'N', email: 'maya@example.edu', lang };
	return { data: { site: { name: 'States', timezone: TIMEZONE }, students: [student], courses: list }, truth };
}

function courseOf(id, now, truth) {
	const when = (value) => parseWhen(value ?? null, now, TIMEZONE);
	const known = new Map();
	truth.set(id, known);
	const assignments = table.states.map(({ truth: told, student, ...fields }, n) => {
		const cmid = id * 100 + n;
		const due = when(fields.due);
		if (told) {
			const [status, handin, pending] = told;
			known.set(cmid, { name: fields.name, status, handin, pending, due: told.length > 3 ? when(told[3]) : due });
		}
		const dates = { due, opens: when(fields.opens), cutoff: when(fields.cutoff) };
		return { cmid, section: `Part ${n % 5}`, intro: '<p>Write.</p>', ...fields, ...dates, students: { maya: stateOf(student, when) } };
	});
	const activities = table.activities.map((one, n) => ({ ...one, cmid: id * 100 + 90 + n, due: when(one.due) }));
	return {
		id, fullname: `Course ${id}`, shortname: `C${id}`, startdate: '-30d', enddate: '+60d', members: ['maya'], assignments, activities,
	};
}

function stateOf(student = 'none', when) {
	const state = typeof student === 'string' ? { status: student } : { ...student };
	for (const key of ['due', 'extension']) if (key in state) state[key] = when(state[key]);
	return state;
}
