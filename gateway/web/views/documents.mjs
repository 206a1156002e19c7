// Documents: prepare drafts for what was picked, watch them being made, download them.
import { ApiError, get, lookFor, post } from '../api.mjs';
import { announce, fill, h, keyed, setText, whileDisabled } from '../dom.mjs';
import { active, failureText, finished, isOver, onEnd, put } from '../jobs.mjs';
import { createProgress } from '../progress.mjs';
import { forgetDraft, rememberDraft, rememberStudent, state, student, unpick, unpickAll } from '../state.mjs';
import { ago, relative, serverTime } from '../time.mjs';
import { every, failureBox, joined, loading } from './parts.mjs';

export const title = 'Documents';

export function mount(main, { signal }) {
	const maker = h('div', { class: 'slot' });
	const slot = h('div', { class: 'slot' });
	const list = h('ul', { class: 'list' });
	const empty = h('p', { class: 'empty' });
	const drafts = h('section', { class: 'group' }, h('h2', null, 'Your drafts'),
		h('p', { class: 'hint' }, 'A draft is a start: read it, finish it, and hand in your own work.'), list, empty);
	main.append(h('div', { class: 'head' }, h('h1', null, title)), maker, slot, drafts);
	const jobs = new Map(); // job id -> the newest record, of drafts that are not documents yet
	const subjects = new Map(state.drafts); // job id -> its assignment, also after it is done
	let details = student(); // { name, roll } on the documents
	let documents = []; // what GET /documents said

	buildMaker();
	fill(empty, loading('Reading your documents…'));
	for (const job of active('document')) watch(job);
	load().then(watchRemembered);
	every(30_000, update, signal);
	onEnd('document', end => end.state === 'succeeded' && !jobs.has(end.id) && load(), signal);

	async function load() {
		try {
			documents = (await get('/documents', { signal })).documents;
			fill(slot);
			update();
		} catch (err) {
			if (!signal.aborted) fill(slot, failureBox(err.message, load));
		}
	}

	// Drafts that this tab asked for and that ended without a document stay until they are dealt
	// with: the reason must not be lost by a reload.
	function watchRemembered() {
		for (const id of subjects.keys()) {
			if (jobs.has(id)) continue;
			get(`/jobs/${id}`, { signal }).then(job => watch(put(job)), err => {
				if (err instanceof ApiError && err.status === 404) forgetDraft(id);
			});
		}
	}

	function buildMaker() {
		if (state.picked.size === 0) return fill(maker);
		const name = h('input', { id: 'student-name', name: 'name', autocomplete: 'name', maxlength: 200, required: true,
			value: details?.name ?? state.user.fullname ?? '' });
		const roll = h('input', { id: 'student-roll', name: 'roll', autocomplete: 'off', maxlength: 64,
			value: details?.roll ?? '' });
		const remember = h('input', { type: 'checkbox', id: 'student-remember', checked: true });
		const error = h('p', { class: 'error', role: 'alert', id: 'maker-error', hidden: true });
		const submit = h('button', { class: 'primary' });
		const picks = h('ul', { class: 'picks' });
		fill(maker, h('form', { class: 'card stack', 'aria-labelledby': 'maker-title', onsubmit: send },
			h('h2', { id: 'maker-title' }, 'Prepare documents'), picks,
			h('fieldset', { class: 'pair' }, h('legend', null, 'On the document'),
				h('div', { class: 'field' }, h('label', { for: name.id }, 'Your name'), name),
				h('div', { class: 'field' },
					h('label', { for: roll.id }, 'Roll or student number ', h('span', { class: 'optional' }, '(optional)')), roll)),
			h('p', { class: 'check' }, remember, h('label', { for: remember.id }, 'Remember these on this computer')),
			error, h('div', { class: 'buttons' }, submit)));
		showPicks();

		function showPicks() {
			const n = state.picked.size;
			setText(submit, n === 1 ? 'Make 1 document' : `Make ${n} documents`);
			keyed(picks, [...state.picked.values()], pick => pick.id, pick => h('li', null,
				h('span', null, h('bdi', null, pick.name), ' ', h('span', { class: 'row-sub', dir: 'auto' }, pick.course)),
				h('button', { type: 'button', class: 'quiet small', 'aria-label': `Leave out: ${pick.name}`,
					onclick: () => leaveOut(pick.id) }, 'Leave out')));
		}

		function leaveOut(id) {
			unpick(id);
			if (state.picked.size === 0) {
				fill(maker);
				update();
				main.querySelector('h1').focus();
				return;
			}
			showPicks();
			picks.querySelector('button').focus();
		}

		async function send(event) {
			event.preventDefault();
			details = { name: name.value.trim(), roll: roll.value.trim() };
			rememberStudent(remember.checked ? details : null);
			submit.disabled = true;
			error.hidden = true;
			try {
				await make([...state.picked.values()]);
				unpickAll();
				fill(maker);
				update();
				focusDrafts();
			} catch (err) {
				if (signal.aborted) return;
				error.hidden = false;
				setText(error, err.message);
				submit.disabled = false;
				submit.setAttribute('aria-describedby', error.id);
			}
		}
	}

	// Starts a draft for each assignment; the answer's jobs come in the order of the question.
	async function make(assignments) {
		const answer = await post('/documents', { assignments: assignments.map(assignment => assignment.id),
			student: details ?? { name: state.user.fullname || state.user.username, roll: '' },
			format: 'docx', draft: 'template' });
		answer.jobs.forEach((job, i) => {
			subjects.set(job.id, assignments[i]);
			rememberDraft(job.id, assignments[i]);
			watch(put(job));
		});
	}

	async function watch(job) {
		if (jobs.has(job.id)) return;
		jobs.set(job.id, job);
		const end = await finished(job, current => {
			jobs.set(job.id, current);
			update();
		}, signal);
		const what = nameOf(end);
		if (end.state === 'succeeded') {
			await load();
			forgetDraft(end.id);
			announce(`Ready: ${what}`);
		} else if (end.state === 'cancelled') {
			dismiss(end);
		} else {
			announce(`Failed: ${what}. ${failureText(end)}`);
		}
		update();
	}

	function dismiss(job) {
		jobs.delete(job.id);
		forgetDraft(job.id);
		update();
	}

	function nameOf(job) {
		return subjects.get(job.id)?.name ?? documentOf(job)?.title ?? 'Document';
	}

	// As it was picked; the page in Moodle may write it a little differently.
	function titleOf({ job, document }) {
		return subjects.get(job?.id)?.name ?? document?.title ?? nameOf(job);
	}

	function documentOf(job) {
		if (job.state !== 'succeeded') return null;
		const assignment = subjects.get(job.id)?.id;
		return documents.find(doc => doc.id === job.result?.document?.id) ??
			documents.find(doc => doc.assignment === assignment) ?? null;
	}

	// One row for each draft that is being made or failed, then one for each document. A draft that
	// became a document keeps its place until the view is left.
	function update() {
		const rows = [...jobs.values()].sort(byNewest).map(job => ({ key: job.id, job, document: documentOf(job) }));
		const shown = new Set(rows.map(row => row.document?.id));
		for (const document of documents) {
			if (!shown.has(document.id)) rows.push({ key: document.id, job: null, document });
		}
		keyed(list, rows, row => row.key, makeRow, (node, row) => node.update(row));
		empty.hidden = rows.length > 0;
		if (rows.length === 0) {
			fill(empty, 'No drafts yet. ', state.picked.size === 0 && h('a', { href: '#/assignments' }, 'Pick assignments'));
		}
	}

	function makeRow(first) {
		const name = h('span', { class: 'row-title', dir: 'auto' });
		const sub = h('span', { class: 'row-sub' });
		const side = h('div', { class: 'row-act' });
		const extra = h('div', { class: 'row-extra' });
		const node = h('li', { class: 'row document' }, h('div', { class: 'row-main' }, name, sub, extra), side);
		let shape = ''; // what side and extra hold: they are built again only when it changes
		let progress = null;
		let row = first;

		node.update = current => {
			row = current;
			const { job, document } = row;
			setText(name, titleOf(row));
			const about = document ? describe(document) : [subjects.get(job.id)?.course ?? ''];
			if (sub.textContent !== about.join(' · ')) fill(sub, joined(...about));
			const wanted = document ? `document ${document.id}` : job.state === 'succeeded' ? 'storing'
				: isOver(job) ? 'failed' : 'running';
			if (wanted !== shape) {
				shape = wanted;
				rebuild();
			}
			if (shape === 'running') progress.update(job);
		};

		function rebuild() {
			const { job, document } = row;
			fill(side);
			fill(extra);
			if (document) {
				const error = h('p', { class: 'error', role: 'alert', hidden: true });
				fill(extra, error);
				fill(side, h('button', { type: 'button', class: 'primary small', 'aria-label': `Download ${titleOf(row)}`,
					onclick: event => whileDisabled(event.currentTarget, () => download(document, error)) }, 'Download'));
			} else if (shape === 'running') {
				progress = createProgress({ label: nameOf(job), compact: true });
				fill(extra, progress.node);
			} else if (shape === 'storing') {
				fill(extra, h('p', { class: 'row-sub' }, 'Ready.'));
			} else {
				const error = h('p', { class: 'error' }, failureText(job));
				fill(extra, error);
				fill(side, subjects.has(job.id) && h('button', { type: 'button', class: 'small',
					'aria-label': `Try again: ${nameOf(job)}`,
					onclick: event => whileDisabled(event.currentTarget, () => tryAgain(job, error)) }, 'Try again'),
				h('button', { type: 'button', class: 'quiet small', 'aria-label': `Dismiss: ${nameOf(job)}`,
					onclick: () => leaveRow(job) }, 'Dismiss'));
			}
		}
		return node;
	}

	function leaveRow(job) {
		dismiss(job);
		focusDrafts();
	}

	function focusDrafts() {
		drafts.querySelector('h2').setAttribute('tabindex', '-1');
		drafts.querySelector('h2').focus();
	}

	async function tryAgain(job, error) {
		try {
			await make([subjects.get(job.id)]);
			dismiss(job);
		} catch (err) {
			setText(error, err.message);
		}
	}

	// Links are signed for a short while, so a fresh one is asked for at the click.
	// A file that is gone would else be a failed download that the browser alone tells of.
	async function download(document, error) {
		error.hidden = true;
		try {
			documents = (await get('/documents', { signal })).documents;
			const fresh = documents.find(other => other.id === document.id);
			if (!fresh) throw new ApiError('This document has expired. Prepare it once more.');
			await lookFor(fresh.link).catch(explainLoss);
			follow(fresh);
		} catch (err) {
			if (signal.aborted) return;
			error.hidden = false;
			setText(error, err.message);
		}
	}

	function explainLoss(err) {
		throw err.status === 404 ? new ApiError('The file of this draft is gone. Prepare it once more.') : err;
	}

	function follow({ link, file_name: fileName }) {
		const url = new URL(link, location.href);
		if (url.origin !== location.origin) throw new ApiError('The download link is not one of this site.');
		const anchor = h('a', { href: url.href, download: fileName, hidden: true });
		document.body.append(anchor);
		anchor.click();
		anchor.remove();
	}
}

// Of one request, in the order of the request (the sort is stable).
function byNewest(a, b) {
	return b.created_at.localeCompare(a.created_at);
}

function describe(doc) {
	const size = doc.bytes < 1024 * 1024 ? `${Math.max(1, Math.round(doc.bytes / 1024))} KB`
		: `${(doc.bytes / 1024 / 1024).toFixed(1)} MB`;
	return [doc.course, doc.file_name, size, `made ${ago(new Date(doc.created_at))}`,
		`expires ${relative(new Date(doc.expires_at), serverTime())}`].filter(Boolean);
}
