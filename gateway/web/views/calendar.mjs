// The calendar link, as a part of the assignments view: make it, copy it, replace it, end it. The
// address is in an answer once and on the page until the view is left; nothing keeps it.
import { get, post, remove } from '../api.mjs';
import { announce, fill, h, uniqueId } from '../dom.mjs';
import { ago, exact, full } from '../time.mjs';
import { failureBox } from './parts.mjs';

export function createCalendar({ signal }) {
	const slot = h('div', { class: 'stack' });
	const heading = h('h2', { tabindex: '-1' }, 'In your calendar');
	const node = h('section', { class: 'card stack calendar' }, heading,
		h('p', { class: 'lead' }, 'A secret address that your calendar app subscribes to. It shows what you still owe that ',
			'has a due date, with reminders a day and two hours before, and follows each check.'), slot);

	load();
	return node;

	async function load() {
		try {
			show((await get('/calendar', { signal })).calendar);
		} catch (err) {
			if (!signal.aborted) fill(slot, failureBox(err.message, load));
		}
	}

	function show(calendar) {
		if (calendar) showExisting(calendar);
		else fill(slot, h('div', { class: 'buttons' }, button('Make a calendar link', make)));
	}

	function showExisting(calendar) {
		fill(slot, h('p', null, 'You have a link, made ', moment(calendar.created_at), '. ',
			calendar.read_at ? ['A calendar last asked for it ', moment(calendar.read_at), '.'] : 'No calendar has asked for it yet.'),
		h('p', { class: 'hint' }, 'Pensum does not know the address any more. If you have lost it, make a new one.'),
		h('div', { class: 'buttons' }, button('Make a new link', replace), button('Remove the link', end)));
	}

	function showAddress(url) {
		const id = uniqueId('calendar');
		const field = h('input', { type: 'text', id, value: url, readonly: true, spellcheck: 'false', dir: 'ltr',
			'aria-describedby': `${id}-hint`, onfocus: () => field.select() });
		fill(slot, h('div', { class: 'field' }, h('label', { for: id }, 'Your calendar address'),
			h('div', { class: 'with-copy' }, field, button('Copy', () => copy(field)))),
		h('p', { class: 'hint', id: `${id}-hint` }, 'Copy it now: it is shown this once. Give it to nobody: whoever has it can ',
			'read what you owe, and nothing else. In your calendar app it goes where calendars are added from the ',
			'web (Google: “From URL”; Apple: “New calendar subscription”; Outlook: “Subscribe from web”).'),
		h('div', { class: 'buttons' }, button('Make a new link', replace), button('Remove the link', end)));
		field.focus();
	}

	function button(text, onclick) {
		return h('button', { type: 'button', class: 'small', onclick }, text);
	}

	async function make() {
		await change(async () => {
			showAddress((await post('/calendar')).url);
			announce('Your calendar address is made. Copy it now.');
		});
	}

	function replace() {
		if (confirm('Make a new address? The one you have ends at once, in every calendar.')) return make();
	}

	async function end() {
		if (!confirm('Remove the calendar link? Your calendar will no longer be brought up to date.')) return;
		await change(async () => {
			await remove('/calendar');
			show(null);
			heading.focus();
			announce('The calendar link is removed.');
		});
	}

	async function change(what) {
		try {
			for (const one of slot.querySelectorAll('button')) one.disabled = true;
			await what();
		} catch (err) {
			if (!signal.aborted) fill(slot, failureBox(err.message, load));
		}
	}

	// Without https a page may not write to the clipboard; then the address is at least selected.
	async function copy(field) {
		field.select();
		try {
			await navigator.clipboard.writeText(field.value);
			announce('Copied.');
		} catch {
			announce('Selected. Copy it with your keyboard.');
		}
	}
}

function moment(text) {
	const date = new Date(text);
	return h('time', { datetime: text, title: full(date) }, `${ago(date)} (${exact(date)})`);
}
