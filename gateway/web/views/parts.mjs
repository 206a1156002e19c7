// Small things that several views show.
import { h, whileDisabled } from '../dom.mjs';

// Calls fn every ms until signal aborts: for what only the clock changes on the page.
export function every(ms, fn, signal) {
	const timer = setInterval(fn, ms);
	signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

export function failureBox(message, again) {
	return h('div', { class: 'card failure', role: 'alert' }, h('p', null, message),
		h('button', { type: 'button', class: 'small',
			onclick: event => whileDisabled(event.currentTarget, again) }, 'Try again'));
}

// A word with a mark and a colour. The word alone says everything.
export function chip(kind, text) {
	return h('span', { class: `chip ${kind}` }, text);
}

export function loading(text) {
	return h('p', { class: 'empty' }, text);
}

// Names of Moodle's beside each other: each keeps its own direction of writing.
export function joined(...texts) {
	return texts.filter(Boolean).map((text, i) => [i > 0 && ' · ', h('bdi', null, text)]);
}
