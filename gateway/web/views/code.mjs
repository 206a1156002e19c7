// The code of a second factor, asked for while a sign-in waits for it.
import { post } from '../api.mjs';
import { asksForCode } from '../jobs.mjs';
import { h, setText } from '../dom.mjs';

// update(job) shows the field while the job waits for a code, and hides it otherwise.
export function createCodeForm() {
	let job = null;
	let asked = ''; // version that the field was last shown for
	const why = h('p', { id: 'code-why', role: 'status' });
	const input = h('input', { id: 'code', name: 'code', autocomplete: 'one-time-code', inputmode: 'numeric',
		maxlength: 64, required: true, 'aria-describedby': 'code-why' });
	const submit = h('button', { class: 'primary' }, 'Go on');
	const node = h('form', { class: 'stack', hidden: true, onsubmit: send }, why,
		h('div', { class: 'field' }, h('label', { for: 'code' }, 'Code'), input), submit);

	async function send(event) {
		event.preventDefault();
		event.stopPropagation();
		const code = input.value.trim();
		if (!code) return;
		input.value = '';
		submit.disabled = true;
		try {
			await post(`/jobs/${job.id}/answer`, { code }, { quiet: true });
		} catch (err) {
			setText(why, err.message);
			submit.disabled = false;
		}
	}

	function update(current) {
		job = current;
		node.hidden = !asksForCode(job);
		const version = job.version.join('.');
		if (node.hidden || version === asked) return;
		asked = version;
		submit.disabled = false;
		setText(why, job.failure?.message || job.note || 'Enter the code of your second factor.');
		input.focus();
	}

	return { node, update };
}
