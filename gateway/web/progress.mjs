// A job's progress: a sentence, a bar, and a way to cancel.
import { announce, h, setText } from './dom.mjs';
import { askAgain, asksForCode, cancel, isOver, needsSignIn } from './jobs.mjs';

const ANNOUNCE_EVERY = 0.1; // of the whole

// What a job does now, in words: "Reading courses", "Waiting for its turn", …
export function stageText(job) {
	if (job.state === 'queued') {
		return job.version[0] > 1 ? 'Waiting to be tried again' : 'Waiting for its turn';
	}
	if (asksForCode(job)) return 'Waiting for the code of your second factor';
	if (job.state === 'waiting') return 'Waiting until you have signed in to Moodle again';
	return sentence(job.step || 'starting');
}

// Where a queued job stands: "number 7, starts in about 2 min", or nothing while nobody knows.
export function placeText(job) {
	if (job.state !== 'queued' || !job.position) return '';
	const place = job.position === 1 ? 'next' : `number ${job.position}`;
	if (job.eta_s === null || job.eta_s === undefined) return place;
	if (job.eta_s < 60) return `${place}, starts in less than a minute`;
	return `${place}, starts in about ${Math.round(job.eta_s / 60)} min`;
}

export function createProgress({ label, compact = false, canCancel = true }) {
	const stage = h('span', { class: 'progress-stage' });
	const count = h('span', { class: 'progress-count' });
	const note = h('p', { class: 'progress-note' });
	const fillNode = h('div', { class: 'progress-fill' });
	const bar = h('div', { class: 'progress-bar', role: 'progressbar', 'aria-label': label,
		'aria-valuemin': 0, 'aria-valuemax': 100 }, fillNode);
	const stop = h('button', { type: 'button', class: 'quiet small', 'aria-label': `Cancel: ${label}` }, 'Cancel');
	const again = h('button', { type: 'button', class: 'small', hidden: true, onclick: () => askAgain(job) }, 'Sign in');
	const node = h('div', { class: compact ? 'progress compact' : 'progress' },
		h('div', { class: 'progress-line' }, h('p', null, stage, ' ', count), again, canCancel && stop),
		bar, note);
	const said = { text: '', part: 0 };
	let job = null;

	// What runs looks for it every two seconds, so the button says that it was heard.
	stop.addEventListener('click', async () => {
		stop.disabled = true;
		setText(stop, 'Cancelling…');
		try {
			await cancel(job);
		} catch (err) {
			announce(err.message);
			setText(stop, 'Cancel');
			stop.disabled = false;
		}
	});

	function update(current) {
		job = current;
		if (isOver(job)) { // how it ended is else said by who follows it
			if (job.state === 'cancelled') announce(`${label}: cancelled`);
			return;
		}
		const isCounted = job.total > 0 && job.state === 'running';
		const part = isCounted ? Math.min(1, job.done / job.total) : null;
		setText(stage, stageText(job));
		setText(count, isCounted ? `${job.done} of ${job.total}` : placeText(job));
		setText(note, job.note && job.state !== 'waiting' ? job.note : '');
		note.hidden = note.textContent === '';
		again.hidden = !needsSignIn(job);
		node.classList.toggle('indeterminate', part === null && job.state === 'running');
		fillNode.style.transform = `scaleX(${part ?? 0})`;
		if (part === null) bar.removeAttribute('aria-valuenow');
		else bar.setAttribute('aria-valuenow', Math.round(part * 100));
		bar.setAttribute('aria-valuetext', `${stage.textContent} ${count.textContent}`.trim());
		say(part ?? 0);
	}

	// Every stage, and within one a tenth of the way at a time: enough to follow, not to drown in.
	function say(part) {
		if (stage.textContent === said.text && Math.abs(part - said.part) < ANNOUNCE_EVERY) return;
		Object.assign(said, { text: stage.textContent, part });
		announce(`${label}: ${stage.textContent} ${count.textContent}`.trim());
	}

	return { node, update };
}

export function sentence(text) {
	return text.charAt(0).toUpperCase() + text.slice(1);
}
