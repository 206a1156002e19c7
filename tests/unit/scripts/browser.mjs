// A headless Chromium over its debugging pipe, as small as the tests of the page scripts need it:
//
//   const browser = await startBrowser();
//   const page = await browser.newPage();          // its own browser context: own cookies
//   await page.openSite('http://127.0.0.1:8080');  // the light page that the workers start from
//   const result = await page.run('signin', { wwwroot, username, password });
//   await page.close(); await browser.close();
//
// run() builds the same expression as the workers: the prelude, the script's files, run(its arguments).
import { spawn } from 'node:child_process';
import { readFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const PRELUDE = 'common/worker/scripts/moodle.js';
// The files of each script, in the order of pensum_embed() in the workers' CMakeLists.txt.
const SCRIPTS = {
	sso: ['checker-worker/scripts/sso.js'],
	signin: ['service_token', 'course_list', 'signin'].map((name) => `checker-worker/scripts/${name}.js`),
	courses: ['course_list', 'courses'].map((name) => `checker-worker/scripts/${name}.js`),
	check_course: ['calendar', 'duration_dates', 'assignment_page', 'check_course'].map((name) => `checker-worker/scripts/${name}.js`),
	assignment: ['runs', 'pictures', 'blocks', 'assignment'].map((name) => `docgen-worker/scripts/${name}.js`),
};
const START_PATH = '/lib/ajax/service-nologin.php?info=tool_mobile_get_public_config&args='
	+ encodeURIComponent('[{"index":0,"methodname":"tool_mobile_get_public_config","args":{}}]');

const sourceOf = (file) => readFile(path.join(root, file), 'utf8');

export async function expressionFor(name, args) {
	const [prelude, ...script] = await Promise.all([PRELUDE, ...SCRIPTS[name]].map(sourceOf));
	return `(async () => {\n${prelude}\n${script.join('')}\nreturn await run(${JSON.stringify(args)});\n})()`;
}

// Of a script that has no prelude: the call of one of its functions.
export async function scriptCall(name, fn, args) {
	const script = await Promise.all(SCRIPTS[name].map(sourceOf));
	return `(() => {\n${script.join('')}\nreturn ${fn}(${JSON.stringify(args)});\n})()`;
}

export async function startBrowser(binary = process.env.CHROMIUM ?? '/usr/bin/chromium-headless-shell') {
	const profile = await mkdtemp(path.join(os.tmpdir(), 'pensum-scripts-'));
	const flags = ['--remote-debugging-pipe', `--user-data-dir=${profile}`, '--disable-gpu', '--no-first-run'];
	if (process.getuid() === 0) flags.push('--no-sandbox');
	const child = spawn(binary, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
	const pipe = new Pipe(child);

	return {
		async newPage() {
			const { browserContextId } = await pipe.call('Target.createBrowserContext');
			const { targetId } = await pipe.call('Target.createTarget', { url: 'about:blank', browserContextId });
			const { sessionId } = await pipe.call('Target.attachToTarget', { targetId, flatten: true });
			return new Page(pipe, sessionId, browserContextId);
		},
		async close() {
			const gone = new Promise((resolve) => child.once('exit', resolve));
			await pipe.call('Browser.close').catch(() => child.kill('SIGKILL'));
			await gone;
			await rm(profile, { recursive: true, force: true });
		},
	};
}

// Messages both ways are JSON ended by a NUL.
class Pipe {
	#calls = new Map();
	#id = 0;
	#rest = Buffer.alloc(0);

	constructor(child) {
		[, , , this.out, this.in] = child.stdio;
		this.listeners = new Set();
		this.in.on('data', (data) => this.#receive(data));
		const lost = () => {
			for (const { reject } of this.#calls.values()) reject(new Error('the browser is gone'));
		};
		child.once('exit', lost);
		child.once('error', lost);
		this.out.on('error', lost);
	}

	call(method, params = {}, sessionId = undefined) {
		const id = ++this.#id;
		return new Promise((resolve, reject) => {
			this.#calls.set(id, { resolve, reject });
			this.out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
		});
	}

	#receive(data) {
		const parts = Buffer.concat([this.#rest, data]);
		let start = 0;
		for (let end; (end = parts.indexOf(0, start)) >= 0; start = end + 1) {
			this.#handle(JSON.parse(parts.toString('utf8', start, end)));
		}
		this.#rest = parts.subarray(start);
	}

	#handle(message) {
		if (message.id === undefined) {
			for (const listener of this.listeners) listener(message);
			return;
		}
		const { resolve, reject } = this.#calls.get(message.id);
		this.#calls.delete(message.id);
		if (message.error) reject(new Error(message.error.message));
		else resolve(message.result);
	}
}

class Page {
	constructor(pipe, sessionId, browserContextId) {
		Object.assign(this, { pipe, sessionId, browserContextId });
	}

	call(method, params) {
		return this.pipe.call(method, params, this.sessionId);
	}

	async goto(url) {
		await this.call('Page.enable');
		const loaded = new Promise((resolve) => {
			const listener = ({ method, sessionId }) => {
				if (sessionId !== this.sessionId || method !== 'Page.domContentEventFired') return;
				this.pipe.listeners.delete(listener);
				resolve();
			};
			this.pipe.listeners.add(listener);
		});
		const { errorText } = await this.call('Page.navigate', { url });
		if (errorText) throw new Error(`${url}: ${errorText}`);
		await loaded;
	}

	openSite(wwwroot) {
		return this.goto(wwwroot + START_PATH);
	}

	async evaluate(expression) {
		const answer = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
		if (answer.exceptionDetails) {
			throw new Error(answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text);
		}
		return answer.result.value;
	}

	async run(name, args) {
		return this.evaluate(await expressionFor(name, args));
	}

	async close() {
		await this.pipe.call('Target.disposeBrowserContext', { browserContextId: this.browserContextId });
	}
}
