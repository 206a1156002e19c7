// The site's data: students, courses, assignments, read from one JSON file (site.json).
//
//   site      { name, timezone }
//   students  [{ username, password, firstname, lastname, email, lang?, timezone?, locked?,
//                suspended?, detour?: "change_password"|"policy"|"profile"|"mfa"|"unconfirmed",
//                mfa_code?: what the second factor asks for (without: a factor that has no code) }]
//   courses   [{ id, fullname, shortname, summary, startdate, enddate, visible?, lang?, category?,
//                format?: "topics"|"singleactivity" (no section column), members: [username],
//                teachers?, hidden_by?, favourite_of?, suspended_for?: [username],
//                activities?: [{ cmid, module, event, name, due, open?, done_by? }],
//                assignments: [{ cmid, name, section, intro, due, opens, cutoff, ... }] }]
//   bulk      [{ member, courses, assignments, first_course, first_cmid }]: many plain courses
//
// An assignment also has, where it applies: intro_files and attachments [{ name, png|text|pdf }]
// (files.mjs), attachments_later, hide_intro (until it opens), visible, restricted, stealth,
// offline, drafts (a submit button), time_limit_s, attempts, team, team_all_submit, max_grade;
// and `students`: { username: status | { status, grade, locked, due, extension, attempt, no_team,
// own_part_done, completed } } where status is none | draft | submitted | graded | reopened | marked.
// Dates: null, an epoch, or relative to the start ("+3d", "-2d 4h", "+1d @23:55" local time).
// An intro or a summary may be a list of lines.
import { readFileSync } from 'node:fs';
import { zonedParts } from './strings.mjs';

const UNIT_S = { w: 604800, d: 86400, h: 3600, m: 60 };

export function parseWhen(when, now, timezone) {
	if (when === null || when === undefined || when === 0) return null;
	if (typeof when === 'number') return when;
	const match = /^([+-])((?:\s*\d+[wdhm])+)(?:\s*@(\d\d):(\d\d))?$/.exec(when.trim());
	if (!match) throw new Error(`not a date: ${when}`);
	const [, sign, amounts, hour, minute] = match;
	let seconds = 0;
	for (const [, n, unit] of amounts.matchAll(/(\d+)([wdhm])/g)) seconds += n * UNIT_S[unit];
	const moment = Math.floor(now / 60) * 60 + (sign === '-' ? -seconds : seconds);
	return hour === undefined ? moment : atTimeOfDay(moment, Number(hour), Number(minute), timezone);
}

// The same local day, at another time of day. Twice, because the first move may cross a DST change.
function atTimeOfDay(moment, hour, minute, timezone) {
	const step = (from) => {
		const local = zonedParts(from, timezone);
		return from + (hour - local.hour) * 3600 + (minute - local.minute) * 60;
	};
	return step(step(moment));
}

const lines = (text) => (Array.isArray(text) ? text.join('\n') : text ?? '');

class Site {
	users = new Map();
	courses = new Map();
	assigns = new Map();

	constructor(data, now) {
		this.name = data.site?.name ?? 'Stand-in Moodle';
		this.timezone = data.site?.timezone ?? 'UTC';
		this.now = now;
		data.students.forEach((student, index) => this.#addUser(student, index));
		for (const course of data.courses ?? []) this.#addCourse(course);
		for (const rule of data.bulk ?? []) bulkCourses(rule).forEach((course) => this.#addCourse(course));
	}

	#addUser(student, index) {
		const user = { id: index + 3, timezone: this.timezone, ...student };
		this.users.set(user.username, user);
	}

	#addCourse(raw) {
		const when = (value) => parseWhen(value, this.now, this.timezone);
		const course = {
			visible: true, format: 'topics', category: 'General', members: [], teachers: [],
			hidden_by: [], favourite_of: [], suspended_for: [], ...raw,
			summary: lines(raw.summary),
			startdate: when(raw.startdate) ?? 0,
			enddate: when(raw.enddate) ?? 0,
			contextid: raw.id + 100_000,
		};
		if (this.courses.has(course.id)) throw new Error(`course ${course.id} twice`);
		this.courses.set(course.id, course);
		course.activities = (raw.activities ?? []).map((one) => ({ ...one, due: when(one.due) }));
		course.assignments = (raw.assignments ?? []).map((a) => this.#addAssign(a, course, when));
	}

	#addAssign(raw, course, when) {
		const assign = {
			visible: true, section: '', attachments: [], intro_files: [], attempts: 1, max_grade: 100,
			...raw,
			course,
			intro: lines(raw.intro),
			due: when(raw.due),
			opens: when(raw.opens),
			cutoff: when(raw.cutoff),
			students: {},
			contextid: raw.cmid + 200_000,
		};
		for (const [name, entry] of Object.entries(raw.students ?? {})) {
			const state = typeof entry === 'string' ? { status: entry } : { ...entry };
			for (const key of ['due', 'extension']) if (key in state) state[key] = when(state[key]);
			assign.students[name] = state;
		}
		if (this.assigns.has(assign.cmid)) throw new Error(`cmid ${assign.cmid} twice`);
		this.assigns.set(assign.cmid, assign);
		return assign;
	}

	isEnrolled(user, course) {
		if (course.teachers.includes(user.username)) return true;
		return course.members.includes(user.username) && !course.suspended_for.includes(user.username);
	}

	isTeacher(user, course) {
		return course.teachers.includes(user.username);
	}

	// The courses that Moodle lists for this student, those removed from view included.
	coursesOf(user) {
		return [...this.courses.values()].filter(
			(c) => this.isEnrolled(user, c) && (c.visible || this.isTeacher(user, c)));
	}
}

function bulkCourses(rule) {
	const statuses = ['none', 'submitted', 'none', 'graded', 'draft', 'none'];
	return Array.from({ length: rule.courses }, (_, c) => ({
		id: rule.first_course + c,
		fullname: `Module ${String(c + 1).padStart(2, '0')}: ${rule.subjects[c % rule.subjects.length]}`,
		shortname: `M${String(c + 1).padStart(2, '0')}`,
		summary: `<p>Generated course ${c + 1}.</p>`,
		startdate: '-60d',
		enddate: c % 7 === 6 ? '-1d' : '+90d',
		members: [rule.member],
		assignments: Array.from({ length: rule.assignments }, (_, a) => {
			const n = c * rule.assignments + a;
			return {
				cmid: rule.first_cmid + n,
				name: `Exercise ${a + 1} of module ${c + 1}`,
				section: `Week ${1 + Math.floor(a / 2)}`,
				intro: `<p>Solve exercise <strong>${a + 1}</strong> and hand in one file.</p>`,
				due: n % 10 === 9 ? null : `${n % 4 === 0 ? '-' : '+'}${1 + (n % 40)}d @23:55`,
				students: { [rule.member]: statuses[n % statuses.length] },
			};
		}),
	}));
}

export function loadSite(data) {
	const content = typeof data === 'string' ? JSON.parse(readFileSync(data, 'utf8')) : data;
	return new Site(content, Math.floor(Date.now() / 1000));
}
