// Courses: which ones to check, from a list that Moodle gave a while ago or gives now.
import { get } from '../api.mjs';
import { announce, fill, h, outward, setText } from '../dom.mjs';
import { active, failureText, finished, onEnd, start } from '../jobs.mjs';
import { createProgress } from '../progress.mjs';
import { CHECK_MAX, chooseCourses, chosenCourses } from '../state.mjs';
import { ago } from '../time.mjs';
import { every, failureBox } from './parts.mjs';

export const title = 'Courses';

const GROUPS = [
	{ name: 'In progress', has: course => !course.hidden && course.state === 'inprogress' },
	{ name: 'Future', has: course => !course.hidden && course.state === 'future' },
	{ name: 'Past', has: course => !course.hidden && course.state === 'past' },
	{ name: 'Hidden in Moodle', has: course => course.hidden },
];

export function mount(main, { signal, go }) {
	const readAt = h('span');
	const refresh = h('button', { type: 'button', class: 'small', onclick: readAgain }, 'Read again');
	const slot = h('div', { class: 'slot pinned' });
	const list = h('div', { class: 'stack' });
	main.append(h('div', { class: 'head' }, h('h1', null, title),
		h('p', { class: 'meta' }, readAt, refresh)), slot, list);
	refresh.hidden = true;
	let answer = null; // what GET /courses said
	let rows = []; // { course, node, box, checked }
	let parts = null; // the elements of the list that change
	const watched = new Set(); // ids of the jobs whose end this view waits for

	load();
	const running = active('check')[0];
	if (running) watchCheck(running);
	every(30_000, showTimes, signal);
	for (const kind of ['courses', 'check']) {
		onEnd(kind, end => end.state === 'succeeded' && answer?.courses && !watched.has(end.id) && renew(), signal);
	}

	async function load() {
		try {
			answer = await get('/courses', { signal });
			while (answer.job) {
				const end = await watch(answer.job, 'Reading your courses from Moodle');
				if (end.state !== 'succeeded') return showFailure(failureText(end), load);
				answer = await get('/courses', { signal });
			}
			build();
		} catch (err) {
			if (!signal.aborted) showFailure(err.message, load);
		}
	}

	async function readAgain() {
		refresh.disabled = true;
		try {
			const end = await watch(await start('/courses/refresh'), 'Reading your courses from Moodle');
			if (end.state === 'succeeded') await load();
			else showFailure(failureText(end), readAgain);
		} catch (err) {
			if (!signal.aborted) showFailure(err.message, readAgain);
		}
		refresh.disabled = false;
	}

	// A list that was getting old has been read anew behind our back. What is typed and ticked stays.
	async function renew() {
		const news = await get('/courses', { signal }).catch(() => null);
		if (!news?.courses || signal.aborted) return;
		const isSame = listed(news) === listed(answer);
		const search = parts?.search.value ?? '';
		const focused = document.activeElement?.id;
		answer = news;
		if (isSame) return showTimes();
		build();
		if (parts && search) {
			parts.search.value = search;
			filter();
		}
		document.getElementById(focused)?.focus();
	}

	async function watch(job, label) {
		watched.add(job.id);
		const progress = createProgress({ label });
		fill(slot, h('div', { class: 'card' }, progress.node));
		const end = await finished(job, progress.update, signal);
		fill(slot);
		return end;
	}

	function showFailure(message, again) {
		fill(slot, failureBox(message, again));
	}

	function build() {
		const chosen = chosenCourses();
		rows = [...answer.courses].sort(byStarThenName).map(course => createRow(course,
			chosen ? chosen.has(course.id) : !course.hidden && course.state === 'inprogress'));
		refresh.hidden = false;
		showTimes();
		if (rows.length === 0) {
			fill(list, h('p', { class: 'empty' }, 'Moodle lists no course for you. If that is wrong, read the list again.'));
			return;
		}
		const search = h('input', { type: 'search', id: 'course-search', autocomplete: 'off',
			placeholder: 'Name or code', 'aria-keyshortcuts': '/', oninput: filter });
		const groups = GROUPS.map(group => createGroup(group)).filter(Boolean);
		const none = h('p', { class: 'empty', role: 'status', hidden: true }, 'No course matches.');
		const count = h('p', { class: 'bar-text', id: 'course-count', role: 'status' });
		const check = h('button', { type: 'button', class: 'primary', onclick: startCheck });
		parts = { search, groups, none, count, check };
		fill(list,
			h('div', { class: 'tools' },
				h('div', { class: 'field inline' }, h('label', { for: search.id }, 'Search'), search),
				h('div', { class: 'buttons' },
					h('button', { type: 'button', class: 'small', onclick: () => setShown(true) }, 'Select all'),
					h('button', { type: 'button', class: 'small', onclick: () => setShown(false) }, 'Select none'))),
			groups.map(group => group.node), none,
			h('div', { class: 'bar' }, count, check));
		showCount();
	}

	function createGroup({ name, has }) {
		const own = rows.filter(row => has(row.course));
		if (own.length === 0) return null;
		const node = h('fieldset', { class: 'group' }, h('legend', null, h('h2', null, name)),
			h('ul', { class: 'list' }, own.map(row => row.node)));
		return { node, rows: own };
	}

	function createRow(course, isChosen) {
		const box = h('input', { type: 'checkbox', id: `course-${course.id}`, checked: isChosen, onchange: changed });
		const checked = h('span', { class: 'row-side' });
		const node = h('li', { class: 'row' }, box,
			h('label', { class: 'row-main', for: box.id },
				h('span', { class: 'row-title', dir: 'auto' }, course.name, course.starred && star()),
				h('span', { class: 'row-sub' }, course.shortname)),
			checked, outward(course.url, h('span', { class: 'out' }, 'Moodle',
				h('span', { class: 'visually-hidden' }, `: ${course.name}`))));
		return { course, node, box, checked };
	}

	function star() {
		return h('span', { class: 'star' }, h('span', { 'aria-hidden': 'true' }, ' ★'),
			h('span', { class: 'visually-hidden' }, ' (starred)'));
	}

	function filter() {
		const words = parts.search.value.toLowerCase().split(/\s+/).filter(Boolean);
		for (const { course, node } of rows) {
			const text = `${course.name} ${course.shortname}`.toLowerCase();
			node.hidden = !words.every(word => text.includes(word));
		}
		for (const group of parts.groups) group.node.hidden = group.rows.every(row => row.node.hidden);
		parts.none.hidden = rows.some(row => !row.node.hidden);
	}

	function setShown(isChosen) {
		for (const row of rows) if (!row.node.hidden) row.box.checked = isChosen;
		changed();
	}

	function changed() {
		chooseCourses(chosen());
		showCount();
	}

	function chosen() {
		return rows.filter(row => row.box.checked).map(row => row.course.id);
	}

	function showCount() {
		const n = chosen().length;
		setText(parts.count, n === 0 ? 'Choose the courses to check.'
			: n > CHECK_MAX ? `${n} courses chosen; ${CHECK_MAX} can be checked at once.`
			: `${n} of ${rows.length} courses chosen`);
		setText(parts.check, n === 1 ? 'Check 1 course' : `Check ${n} courses`);
		parts.check.disabled = n === 0 || n > CHECK_MAX || active('check').length > 0;
	}

	function showTimes() {
		if (!answer?.courses) return;
		setText(readAt, answer.read_at ? `Read from Moodle ${ago(new Date(answer.read_at))}` : '');
		const checkedAt = new Map(answer.courses.map(course => [course.id, course.checked_at]));
		for (const { course, checked } of rows) {
			const at = checkedAt.get(course.id);
			setText(checked, at ? `checked ${ago(new Date(at))}` : 'not checked yet');
		}
	}

	async function startCheck() {
		parts.check.disabled = true;
		try {
			await watchCheck(await start('/checks', { courses: chosen() }));
		} catch (err) {
			if (signal.aborted) return;
			showFailure(err.message, startCheck);
			showCount();
		}
	}

	async function watchCheck(job) {
		const end = await watch(job, 'Checking your courses');
		if (end.state === 'succeeded') {
			announce('Your courses are checked.');
			go('#/assignments');
			return;
		}
		if (end.state !== 'cancelled') showFailure(failureText(end), startCheck);
		if (parts) showCount();
	}

	document.addEventListener('keydown', event => {
		if (event.key !== '/' || event.target.closest('input, textarea, select, dialog') || !parts) return;
		event.preventDefault();
		parts.search.focus();
	}, { signal });
}

// What of a list shows, but for times.
function listed({ courses }) {
	return JSON.stringify(courses.map(course => ({ ...course, checked_at: null })));
}

function byStarThenName(a, b) {
	return Number(b.starred) - Number(a.starred) || a.name.localeCompare(b.name);
}
