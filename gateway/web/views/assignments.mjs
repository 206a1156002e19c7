// Assignments: what is owed, most urgent first, and which of it to prepare documents for. Below it what
// else has a date, and the calendar link.
import { get } from '../api.mjs';
import { announce, fill, h, keyed, outward, setText, uniqueId, whileDisabled } from '../dom.mjs';
import { active, failureText, finished, onEnd, start } from '../jobs.mjs';
import { createProgress } from '../progress.mjs';
import { CHECK_MAX, PICK_MAX, pick, state, unpick, unpickAll } from '../state.mjs';
import { ago, exact, full, groupOf, relative, serverTime, zone } from '../time.mjs';
import { createActivities } from './activities.mjs';
import { createCalendar } from './calendar.mjs';
import { chip, every, failureBox, joined, loading } from './parts.mjs';

export const title = 'Assignments';

const GROUPS = [
	{ id: 'overdue', name: 'Overdue' },
	{ id: 'soon', name: 'Due in 7 days' },
	{ id: 'later', name: 'Later' },
	{ id: 'undated', name: 'No due date' },
	{ id: 'unknown', name: 'Could not be checked' },
];
const STATUS_CHIPS = {
	none: ['none', 'Not submitted'],
	draft: ['draft', 'Draft saved'],
	reopened: ['reopened', 'Reopened'],
	submitted: ['done', 'Submitted'],
	graded: ['done', 'Graded'],
	unknown: ['unknown', 'Not known'],
};

export function mount(main, { signal, go }) {
	const meta = h('span');
	const again = h('button', { type: 'button', class: 'small', hidden: true,
		onclick: () => whileDisabled(again, checkAll) }, 'Check again');
	const slot = h('div', { class: 'slot pinned' });
	const body = h('div', { class: 'stack' }, loading('Reading what the last check found…'));
	main.append(h('div', { class: 'head' }, h('h1', null, title), h('p', { class: 'meta' }, meta, again)), slot, body);
	let courses = [];
	let parts = null;
	let calendar = null;
	const watched = new Set(); // ids of the checks whose end this view waits for

	load();
	const running = active('check')[0];
	if (running) watch(running);
	every(30_000, () => parts && update(), signal);
	onEnd('check', end => end.state === 'succeeded' && !watched.has(end.id) && renew(), signal);

	async function load() {
		try {
			courses = (await get('/assignments', { signal })).courses;
			forgetWhatIsDone();
			build();
		} catch (err) {
			if (signal.aborted) return;
			fill(slot, failureBox(err.message, load));
			fill(body);
		}
	}

	// Another page has had courses checked: what stands here stays where it is.
	async function renew() {
		const news = await get('/assignments', { signal }).catch(() => null);
		if (!news || signal.aborted) return;
		courses = news.courses;
		forgetWhatIsDone();
		if (parts) update();
		else build();
	}

	// What was picked and has been submitted since is owed no more.
	function forgetWhatIsDone() {
		const owed = new Set(courses.flatMap(course => course.assignments)
			.filter(assignment => assignment.pending !== false).map(assignment => assignment.id));
		for (const id of [...state.picked.keys()]) if (!owed.has(id)) unpick(id);
	}

	function checkAll() {
		const longestAgo = [...courses].sort((a, b) => (a.read_at ?? '').localeCompare(b.read_at ?? ''));
		return check(longestAgo.slice(0, CHECK_MAX).map(course => course.id));
	}

	async function check(ids) {
		try {
			await watch(await start('/checks', { courses: ids }));
		} catch (err) {
			if (!signal.aborted) fill(slot, failureBox(err.message, () => check(ids)));
		}
	}

	async function watch(job) {
		watched.add(job.id);
		const progress = createProgress({ label: 'Checking your courses' });
		fill(slot, h('div', { class: 'card' }, progress.node));
		const end = await finished(job, progress.update, signal);
		fill(slot);
		if (end.state === 'succeeded') {
			await load();
			announce('The check is done.');
		} else if (end.state !== 'cancelled') {
			fill(slot, failureBox(failureText(end), checkAll));
		}
	}

	function build() {
		again.hidden = courses.length === 0;
		if (courses.length === 0) {
			fill(body, h('p', { class: 'empty' }, 'Nothing is checked yet. ',
				h('a', { href: '#/courses' }, 'Choose courses to check'), '.'));
			return;
		}
		const groups = GROUPS.map(createGroup);
		const others = h('ul', { class: 'list' });
		const othersCount = h('summary');
		const nothing = h('p', { class: 'empty' }, 'Nothing is owed in the checked courses.');
		const count = h('p', { class: 'bar-text', id: 'pick-count', role: 'status' });
		const clear = h('button', { type: 'button', class: 'quiet', onclick: clearPicks }, 'Clear');
		const next = h('button', { type: 'button', class: 'primary', onclick: () => go('#/documents') }, 'Prepare documents');
		const bar = h('div', { class: 'bar' }, count, clear, next);
		const fold = h('details', { class: 'fold' }, othersCount, others);
		const activities = createActivities();
		calendar ??= createCalendar({ signal }); // an address that it shows outlives a check
		parts = { groups, activities, others, othersCount, fold, nothing, count, clear, next };
		fill(body, nothing, groups.map(group => group.node), fold, activities, calendar, bar);
		update();
	}

	function createGroup({ id, name }) {
		const list = h('ul', { class: 'list' });
		const size = h('span', { class: 'size' });
		const node = h('fieldset', { class: `group ${id}` }, h('legend', null, h('h2', null, name, ' ', size)), list);
		return { id, node, list, size };
	}

	function update() {
		const now = serverTime();
		const all = courses.flatMap(course => course.assignments.map(assignment => ({ ...assignment, course })));
		const owed = all.filter(assignment => assignment.pending !== false).sort(byDue);
		const others = all.filter(assignment => assignment.pending === false).sort(byDue);
		for (const { id, node, list, size } of parts.groups) {
			const own = owed.filter(assignment => groupOf(assignment, now) === id);
			const items = id === 'unknown' ? [...courses.filter(course => course.failure).map(asItem), ...own] : own;
			node.hidden = items.length === 0;
			setText(size, String(items.length));
			keyed(list, items, item => item.key ?? item.id, makeItem, (row, item) => row.update(item, now));
		}
		keyed(parts.others, others, item => item.id, makeOther, (row, item) => row.update(item, now));
		parts.activities.update(courses, now);
		parts.fold.hidden = others.length === 0;
		setText(parts.othersCount, others.length === 1 ? '1 other, done or closed' : `${others.length} others, done or closed`);
		parts.nothing.hidden = owed.length > 0 || courses.some(course => course.failure);
		showMeta(now);
		showPicks();
	}

	function asItem(course) {
		return { key: `course-${course.id}`, failedCourse: course };
	}

	function makeItem(item) {
		return item.failedCourse ? makeFailedCourse(item.failedCourse) : makeRow(item);
	}

	function makeFailedCourse(course) {
		const reason = h('span', { class: 'row-sub' });
		const row = h('li', { class: 'row' },
			h('div', { class: 'row-main' }, h('span', { class: 'row-title', dir: 'auto' }, course.name), reason),
			h('button', { type: 'button', class: 'small', 'aria-label': `Check again: ${course.name}`,
				onclick: event => whileDisabled(event.currentTarget, () => check([course.id])) }, 'Check again'));
		row.update = ({ failedCourse }, now) => setText(reason, [failedCourse.failure.message,
			failedCourse.read_at && `What is shown of it was read ${ago(new Date(failedCourse.read_at), now)}.`]
			.filter(Boolean).join(' '));
		return row;
	}

	function makeRow(assignment) {
		const box = h('input', { type: 'checkbox', id: uniqueId('assignment'), 'data-pick': true,
			onchange: () => togglePick(assignment, box) });
		box.assignmentId = assignment.id;
		return assignmentRow(assignment, { box });
	}

	function makeOther(assignment) {
		return assignmentRow(assignment, { box: null });
	}

	function togglePick({ id, name, course }, box) {
		if (box.checked) pick({ id, name, course: course.name });
		else unpick(id);
		showPicks();
	}

	function clearPicks() {
		unpickAll();
		showPicks();
		parts.count.scrollIntoView({ block: 'nearest' });
		body.querySelector('[data-pick]')?.focus();
	}

	function showPicks() {
		const n = state.picked.size;
		const isFull = n >= PICK_MAX;
		setText(parts.count, isFull ? `${n} of ${PICK_MAX} picked, the most for one go. Untick one to pick another.`
			: n > 0 ? `${n} of ${PICK_MAX} picked` : `Pick up to ${PICK_MAX} to prepare documents for.`);
		parts.clear.hidden = n === 0;
		parts.next.disabled = n === 0;
		for (const box of body.querySelectorAll('[data-pick]')) {
			box.checked = state.picked.has(box.assignmentId);
			box.disabled = isFull && !box.checked;
			box.closest('li').classList.toggle('off', box.disabled);
			if (box.disabled) box.setAttribute('aria-describedby', 'pick-count');
			else box.removeAttribute('aria-describedby');
		}
	}

	function showMeta(now) {
		const times = courses.map(course => course.read_at && new Date(course.read_at)).filter(Boolean);
		const oldest = times.sort((a, b) => a - b)[0];
		const what = courses.length === 1 ? '1 course' : `${courses.length} courses`;
		setText(again, courses.length > CHECK_MAX ? `Check ${CHECK_MAX} of them again` : 'Check again');
		setText(meta, oldest ? `${what}, read ${ago(oldest, now)} · times in ${zone()}` : what);
	}
}

// One assignment as a list item with update(assignment, now).
function assignmentRow(assignment, { box }) {
	const relativeDue = h('span', { class: 'due' });
	const exactDue = h('time', { class: 'row-sub' });
	const chips = h('span', { class: 'chips' });
	const reason = h('span', { class: 'row-sub reason' });
	const row = h('li', { class: 'row' }, box,
		h(box ? 'label' : 'div', { class: 'row-main', for: box?.id },
			h('span', { class: 'row-title', dir: 'auto' }, assignment.name),
			h('span', { class: 'row-sub' }, joined(assignment.course.name, assignment.section)), reason, chips),
		h('div', { class: 'row-due' }, relativeDue, exactDue),
		outward(assignment.url, h('span', { class: 'out' }, 'Moodle',
			h('span', { class: 'visually-hidden' }, `: ${assignment.name}`))));

	row.update = (current, now) => {
		const due = current.due && new Date(current.due);
		const isOverdue = due && due < now && current.pending !== false;
		setText(relativeDue, due ? relative(due, now) : current.due_text || 'no due date');
		setText(exactDue, due ? exact(due, now) : '');
		if (due) {
			exactDue.dateTime = due.toISOString();
			exactDue.title = full(due);
		}
		setText(reason, current.reason ?? '');
		reason.hidden = reason.textContent === '';
		row.classList.toggle('is-overdue', Boolean(isOverdue));
		fill(chips, chip(...STATUS_CHIPS[current.status] ?? STATUS_CHIPS.unknown), isOverdue && chip('overdue', 'Overdue'));
	};
	return row;
}

// Earliest first; without a date last, in the order of their courses.
function byDue(a, b) {
	if (!a.due || !b.due) return Number(!a.due) - Number(!b.due);
	return new Date(a.due) - new Date(b.due);
}
