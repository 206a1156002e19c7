// Quizzes, forums and others with a date, apart from the assignments: the site's calendar tells only
// that they are not done, so nothing can be picked here.
import { h, keyed, outward, setText } from '../dom.mjs';
import { exact, full, relative } from '../time.mjs';
import { chip, joined } from './parts.mjs';

const EVENTS = { close: 'closes', due: 'due', closesubmission: 'submission closes', closeassessment: 'assessment closes',
	expectcompletionon: 'expected by then' };

// A section with update(courses, now).
export function createActivities() {
	const list = h('ul', { class: 'list' });
	const size = h('span', { class: 'size' });
	const node = h('section', { class: 'group activities', hidden: true },
		h('h2', null, 'Other activities with a date ', size),
		h('p', { class: 'hint' }, 'Not assignments: Moodle’s calendar lists them as not done.'), list);

	node.update = (courses, now) => {
		const all = courses.flatMap(course => (course.activities ?? []).map(activity => ({ ...activity, course: course.name })))
			.sort((a, b) => new Date(a.due) - new Date(b.due));
		node.hidden = all.length === 0;
		setText(size, String(all.length));
		keyed(list, all, one => `${one.id}-${one.event}-${one.due}`, makeRow, (row, one) => row.update(one, now));
	};
	return node;
}

function makeRow({ name, kind, event, course, url, due }) {
	const date = new Date(due);
	const relativeDue = h('span', { class: 'due' });
	const state = h('span', { class: 'chip', hidden: true });
	const row = h('li', { class: 'row' },
		h('div', { class: 'row-main' }, h('span', { class: 'row-title', dir: 'auto' }, name),
			h('span', { class: 'row-sub' }, joined(course, EVENTS[event])),
			h('span', { class: 'chips' }, chip('kind', kindName(kind)), state)),
		h('div', { class: 'row-due' }, relativeDue,
			h('time', { class: 'row-sub', datetime: date.toISOString(), title: full(date) }, exact(date))),
		outward(url, h('span', { class: 'out' }, 'Moodle', h('span', { class: 'visually-hidden' }, `: ${name}`))));

	row.update = ({ open }, now) => {
		const text = date < now ? 'Date is past' : open ? '' : 'Not open yet';
		setText(relativeDue, relative(date, now));
		setText(state, text);
		state.hidden = text === '';
	};
	return row;
}

// Moodle's names of modules are English words: "quiz".
function kindName(kind) {
	return kind.charAt(0).toUpperCase() + kind.slice(1);
}
