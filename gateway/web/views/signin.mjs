// Sign in: the only place, with again.mjs, where a password is typed.
import { announce, fill, h, outward, setText } from '../dom.mjs';
import { createProgress } from '../progress.mjs';
import { cancelSignIn, resumeSignIn, signIn } from '../session.mjs';
import { chooseSite, state } from '../state.mjs';
import { createCodeForm } from './code.mjs';

export const title = 'Sign in';

export function mount(main, { signal, notice, pendingJob, onSignedIn }) {
	const link = h('span');
	const error = h('p', { class: 'error', id: 'signin-error', role: 'alert', hidden: true });
	const fields = passwordFields({ describedBy: 'signin-error' });
	const submit = h('button', { class: 'primary wide' }, 'Sign in');
	const form = h('form', { class: 'card stack', onsubmit: send },
		error, state.sites.length > 1 && siteField(), fields.nodes, submit,
		h('p', { class: 'hint' }, 'Your password is sent to your Moodle once, through this server. ' +
			'It is kept only sealed, and only until the sign-in ends; then nothing of it but a ' +
			'one-way check value is left.'));
	const slot = h('div', { class: 'card', hidden: true });
	main.append(h('div', { class: 'narrow' },
		h('h1', null, 'Sign in'),
		h('p', { class: 'lead' }, 'See what you still owe on ',
			link, ', and get a Word draft for each piece of it.'),
		notice && h('p', { class: 'note' }, notice), form, slot));
	showSite();
	if (pendingJob) run(onProgress => resumeSignIn(pendingJob, onProgress, signal));

	function siteField() {
		const choice = h('select', { id: 'signin-site', name: 'site', onchange: () => {
			chooseSite(choice.value);
			showSite();
		} }, state.sites.map(site => h('option', { value: site.id, selected: site.id === state.site?.id }, site.name)));
		return h('div', { class: 'field' }, h('label', { for: choice.id }, 'Moodle site'), choice);
	}

	function showSite() {
		fill(link, outward(state.site?.url, state.site?.name || 'your Moodle'));
	}

	function send(event) {
		event.preventDefault();
		const { username, password } = fields.take();
		if (!username || !password) return fail('Enter your Moodle username and password.');
		run(onProgress => signIn(username, password, onProgress, signal));
	}

	async function run(work) {
		error.hidden = true;
		submit.disabled = true;
		setText(submit, 'Signing in…');
		try {
			await work(showProgress);
			announce('Signed in.');
			onSignedIn();
		} catch (err) {
			if (!signal.aborted) fail(err.message);
		}
	}

	let progress = null;
	let code = null;
	function showProgress(job) {
		if (!progress) {
			progress = createProgress({ label: 'Signing in to Moodle', canCancel: false });
			code = createCodeForm();
			slot.replaceChildren(progress.node, code.node, h('button', { type: 'button', class: 'small',
				onclick: () => cancelSignIn(job).catch(err => announce(err.message)) }, 'Cancel'));
			slot.hidden = false;
			form.hidden = true;
			main.querySelector('h1').focus();
		}
		progress.update(job);
		code.update(job);
	}

	function fail(message) {
		progress = null;
		slot.hidden = true;
		form.hidden = false;
		submit.disabled = false;
		setText(submit, 'Sign in');
		error.hidden = false;
		setText(error, message);
		fields.markWrong();
	}
}

// Username and password with their labels; take() answers both and empties the password field.
export function passwordFields({ describedBy, username = '' }) {
	const name = h('input', { id: `${describedBy}-u`, name: 'username', autocomplete: 'username', required: true,
		autocapitalize: 'none', spellcheck: 'false', value: username, readonly: username !== '' });
	const word = h('input', { id: `${describedBy}-p`, name: 'password', type: 'password',
		autocomplete: 'current-password', required: true });
	const reveal = h('button', { type: 'button', class: 'quiet small', 'aria-pressed': 'false',
		'aria-controls': word.id, 'aria-label': 'Show password', onclick: toggle }, 'Show');

	function toggle() {
		const shown = word.type === 'text';
		word.type = shown ? 'password' : 'text';
		reveal.setAttribute('aria-pressed', String(!shown));
	}

	return {
		nodes: [
			h('div', { class: 'field' }, h('label', { for: name.id }, 'Username'), name),
			h('div', { class: 'field' }, h('label', { for: word.id }, 'Password'),
				h('div', { class: 'with-button' }, word, reveal)),
		],
		take() {
			const taken = { username: name.value.trim(), password: word.value };
			word.value = '';
			word.type = 'password';
			reveal.setAttribute('aria-pressed', 'false');
			return taken;
		},
		markWrong() {
			for (const input of [name, word]) {
				input.setAttribute('aria-invalid', 'true');
				input.setAttribute('aria-describedby', describedBy);
			}
			word.focus();
		},
	};
}
