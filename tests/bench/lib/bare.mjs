// The requests that our scripts make of a site, and the same ones made by curl.
//
//   const recorder = await record(page);  … page.run(…) …  const steps = recorder.take();
//   const bare = await openBare();  await bare.play(steps);  // {ms, requests, bytes}
//
// A step is { method, url, body, follows }; a chain of redirects that was followed is one, and curl
// follows none that our scripts did not. curl has its own session: the sign-in
// form's token and the session key are those of its own pages. Time is curl's own (%{time_total}), so
// that starting it costs nothing.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function record(page) {
	let steps = [];
	await page.call('Network.enable');
	const byId = new Map();
	page.pipe.listeners.add(({ method, params, sessionId }) => {
		if (sessionId !== page.sessionId) return;
		// Only a redirect that was followed ends with an answer of another kind.
		const known = byId.get(params.requestId);
		if (method === 'Network.responseReceived' && known) known.follows = params.response.status < 300;
		if (method !== 'Network.requestWillBeSent' || params.redirectResponse) return;
		if (params.type !== 'Fetch' && params.type !== 'XHR') return;
		const { url, method: verb, postData } = params.request;
		const step = { method: verb, url, body: postData, follows: false };
		byId.set(params.requestId, step);
		steps.push(step);
	});
	return { take: () => { const taken = steps; steps = []; return taken; } };
}

const firstMatch = (text, pattern) => pattern.exec(text)?.[1];

export async function openBare() {
	const folder = await mkdtemp(path.join(os.tmpdir(), 'pensum-bare-'));
	const file = (name) => path.join(folder, name);
	const own = {};

	// The keys that Moodle gave the recorded session become those that it gave this one.
	function withOwnKeys(text) {
		return text?.replace(/(sesskey=)[^&]*/, `$1${own.sesskey ?? ''}`)
			.replace(/(logintoken=)[^&]*/, `$1${own.logintoken ?? ''}`);
	}

	function optionsOf({ method, url, body, follows }) {
		const lines = [`url = "${withOwnKeys(url)}"`, 'silent', ...(follows ? ['location'] : []), 'compressed', `cookie = "${file('jar')}"`,
			`cookie-jar = "${file('jar')}"`, `output = "${file('page')}"`,
			'write-out = "%{time_total} %{num_redirects} %{size_download}\\n"'];
		if (method === 'POST') {
			const type = body?.startsWith('[') ? 'application/json' : 'application/x-www-form-urlencoded';
			lines.push(`header = "Content-Type: ${type}"`, `data-raw = ${JSON.stringify(withOwnKeys(body ?? ''))}`);
		}
		return lines.join('\n');
	}

	async function learnKeys() {
		const text = await readFile(file('page'), 'utf8').catch(() => '');
		own.sesskey = firstMatch(text, /"sesskey":"(\w+)"/) ?? own.sesskey;
		own.logintoken = firstMatch(text, /name="logintoken" value="(\w+)"/) ?? own.logintoken;
	}

	async function curl(steps) {
		await writeFile(file('steps'), steps.map(optionsOf).join('\nnext\n'));
		const { stdout } = await run('curl', ['-K', file('steps')]);
		await learnKeys();
		const rows = stdout.trim().split('\n').map((line) => line.split(' ').map(Number));
		return rows.reduce((sum, [seconds, redirects, bytes]) => ({
			ms: sum.ms + seconds * 1000, requests: sum.requests + 1 + redirects, bytes: sum.bytes + bytes,
		}), { ms: 0, requests: 0, bytes: 0 });
	}

	return {
		// In one curl, and so on one connection; step by step while keys are still to be learnt.
		async play(steps, { isSignIn = false } = {}) {
			if (!isSignIn) return curl(steps);
			const parts = [];
			for (const step of steps) parts.push(await curl([step]));
			return parts.reduce((a, b) => ({ ms: a.ms + b.ms, requests: a.requests + b.requests, bytes: a.bytes + b.bytes }));
		},
		close: () => rm(folder, { recursive: true, force: true }),
	};
}
