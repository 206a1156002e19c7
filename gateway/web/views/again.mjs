// Sign in again: Moodle ended its session while a job needed it. The job goes on by itself after.
import { announce, h, setText } from '../dom.mjs';
import { stageText } from '../progress.mjs';
import { signIn } from '../session.mjs';
import { state } from '../state.mjs';
import { createCodeForm } from './code.mjs';
import { passwordFields } from './signin.mjs';

let open = null; // { withdraw(), hasFailed() } of the dialog that is shown

// The student has signed in, or cancelled what waited, in another browser: nothing is asked for any more.
export function withdrawAsking() {
	open?.withdraw();
}

// Whether the dialog stands there after a try that failed: it goes on asking by itself.
export function isTryingAgain() {
	return Boolean(open?.hasFailed());
}

// onGivenUp(why): closed after a try that failed, or before (why). The failed try has taken the place of the
// old session, so the page is signed out now.
export function askForPassword({ onGivenUp }) {
	if (open) return;
	open = { withdraw, hasFailed: () => hasFailed };
	let isSending = false;
	let hasFailed = false;
	const error = h('p', { class: 'error', id: 'again-error', role: 'alert', hidden: true });
	const stage = h('p', { class: 'hint', role: 'status' });
	const fields = passwordFields({ describedBy: 'again-error', username: state.user.username });
	const submit = h('button', { class: 'primary' }, 'Sign in and go on');
	const code = createCodeForm();
	const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'again-title', onclose: close },
		h('form', { class: 'stack', onsubmit: send },
			h('h2', { id: 'again-title' }, 'Sign in to Moodle again'),
			h('p', null, 'Moodle has ended your session. What was running waits, and goes on by ' +
				'itself once you have signed in.'),
			error, fields.nodes, stage,
			h('div', { class: 'buttons' }, submit,
				h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Not now'))), code.node);
	document.body.append(dialog);
	dialog.showModal();
	dialog.querySelector('input[name=password]').focus();

	async function send(event) {
		event.preventDefault();
		const { username, password } = fields.take();
		submit.disabled = isSending = true;
		error.hidden = true;
		setText(stage, 'Signing in…');
		try {
			await signIn(username, password, showProgress);
			hasFailed = false;
			dialog.close();
			announce('Signed in again.'); // not before: what is outside of a dialog is not spoken
		} catch (err) {
			if (!dialog.open) return onGivenUp(err.message);
			hasFailed = true;
			setText(stage, '');
			error.hidden = false;
			setText(error, err.message);
			submit.disabled = isSending = false;
			fields.markWrong();
		}
	}

	function showProgress(job) {
		setText(stage, stageText(job));
		code.update(job);
	}

	function withdraw() {
		if (!isSending && !hasFailed) dialog.close();
	}

	function close() {
		open = null;
		dialog.remove();
		if (hasFailed) onGivenUp();
	}
}
