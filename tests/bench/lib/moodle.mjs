// The measuring of tests/bench/moodle: see there.
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startMoodle } from '../../moodle/server.mjs';
import { PASSWORD, siteOfStates } from '../../moodle/states.mjs';
import { until } from '../../support/process.mjs';
import { startSystem } from '../../support/system.mjs';
import { fetch } from '../../support/waiting.mjs';
import { startBrowser } from '../../unit/scripts/browser.mjs';
import { openBare, record } from './bare.mjs';

const COURSES = 10;
const SIGN_INS = 5; // in a round
const { values } = parseArgs({
	options: {
		url: { type: 'string' }, user: { type: 'string' }, 'password-file': { type: 'string' }, truth: { type: 'string' },
		rounds: { type: 'string', default: '3' }, 'latency-ms': { type: 'string', default: '60' },
		generation: { type: 'string', default: '4.5' }, lang: { type: 'string', default: 'en' },
	},
});

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function openSite() {
	if (values.url) {
		const password = (await readFile(values['password-file'], 'utf8')).trim();
		return { url: values.url.replace(/\/+$/, ''), username: values.user, password, truth: await readTruth(), close: () => {} };
	}
	const { data, truth } = siteOfStates({ courses: COURSES, lang: values.lang });
	const { generation, lang } = values;
	const moodle = await startMoodle({ data, generation, lang, latencyMs: Number(values['latency-ms']) });
	return { url: moodle.url, username: 'maya', password: PASSWORD, truth, close: () => moodle.close() };
}

async function readTruth() {
	if (!values.truth) return null;
	const { courses } = JSON.parse(await readFile(values.truth, 'utf8'));
	return new Map(courses.map(({ id, assignments }) => [id, new Map(assignments.map((one) => [one.cmid, one]))]));
}

// What the scripts ask in the worker's page, seen in a browser of ours.
async function recordSteps({ url: wwwroot, username, password }) {
	const browser = await startBrowser();
	try {
		const page = await browser.newPage();
		await page.openSite(wwwroot);
		const recorder = await record(page);
		const expectOk = (answer) => {
			if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
			return answer;
		};
		const { courses } = expectOk(await page.run('signin', { wwwroot, username, password }));
		const signin = recorder.take();
		const ids = courses.slice(0, COURSES).map((course) => course.id);
		for (const id of ids) expectOk(await page.run('check_course', { wwwroot, course: { id }, courses: ids, check: 'bench' }));
		return { signin, check: recorder.take(), ids };
	} finally {
		await browser.close();
	}
}

async function timed(act) {
	const start = performance.now();
	const answer = await act();
	return { ms: performance.now() - start, answer };
}

const costOf = ({ result }) => ({ requests: result?.requests, bytes: result?.bytes });

// The account and the Moodle session are ended: the next one who signs in is new.
async function leave(system, client) {
	await client.call('DELETE', '/api/v1/account');
	client.close();
	await until('the end of the Moodle session', async () => {
		const { queue_length: waiting, processing } = await (await fetch(`${system.adminUrl}/health`)).json();
		return waiting === 0 && processing === 0;
	});
}

async function signIn(system, site) {
	const client = system.client();
	const { ms } = await timed(() => client.signIn(site.username, site.password));
	const { jobs } = await client.call('GET', '/api/v1/jobs');
	return { client, ms, ...costOf(jobs[0]) };
}

async function bareSignIn({ signin }) {
	const bare = await openBare();
	return { bare, ...await bare.play(signin, { isSignIn: true }) };
}

// A new system, whose browser and whose workers have done nothing yet. In turn curl and a student who is
// new to it sign in; those who did last go on with the check.
async function round(site, steps) {
	const system = await startSystem({ moodleUrl: site.url });
	const signins = [];
	try {
		for (let n = 0; n < SIGN_INS; n++) {
			const [bare, ours] = [await bareSignIn(steps), await signIn(system, site)];
			signins.push({ bare, ours });
			if (n + 1 === SIGN_INS) break;
			await leave(system, ours.client);
			await bare.bare.close();
		}
		const { bare: { bare }, ours: { client } } = signins.at(-1);
		const check = { bare: await bare.play(steps.check) };
		const { ms, answer } = await timed(() => client.check(steps.ids));
		check.ours = { ms, ...costOf(answer) };
		const { courses } = await client.call('GET', '/api/v1/assignments');
		await bare.close();
		client.close();
		return { signins, check, courses };
	} finally {
		await system.stop();
	}
}

function wrongStates(courses, truth) {
	let wrong = 0;
	let asked = 0;
	for (const course of courses) {
		const known = truth.get(course.id);
		const found = new Map(course.assignments.map((one) => [one.id, one]));
		for (const cmid of new Set([...known.keys(), ...found.keys()])) {
			const [is, want] = [found.get(cmid), known.get(cmid)];
			asked++;
			if (['status', 'handin', 'pending'].some((key) => is?.[key] !== want?.[key])) wrong++;
		}
	}
	return { wrong, asked };
}

const row = (name, side, { ms, requests, bytes }) => console.log(
	`${name.padEnd(20)} ${side.padEnd(6)} ${ms.toFixed(0).padStart(7)} ms ${String(requests).padStart(5)} requests ${String(bytes).padStart(10)} bytes`);

function printPart(name, turns) {
	for (const side of ['bare', 'ours'])
		row(name, side, { ...turns.at(-1)[side], ms: median(turns.map((turn) => turn[side].ms)) });
}

async function main() {
	const site = await openSite();
	try {
		const steps = await recordSteps(site);
		const rounds = [];
		for (let n = 0; n < Number(values.rounds); n++) rounds.push(await round(site, steps));
		const turns = { signin: rounds.flatMap(({ signins }) => signins), check: rounds.map(({ check }) => check) };
		printPart('sign-in and courses', turns.signin);
		printPart('  first of a system', rounds.map(({ signins }) => signins[0]));
		printPart(`check of ${steps.ids.length}`, turns.check);
		for (const part of ['signin', 'check']) {
			const ratio = median(turns[part].map(({ ours, bare }) => ours.ms / bare.ms));
			console.log(`figure moodle.${part}_ratio_vs_bare ${ratio.toFixed(2)} x`);
		}
		if (!site.truth) return;
		const { wrong, asked } = wrongStates(rounds.at(-1).courses, site.truth);
		console.error(`${asked} assignments compared`);
		console.log(`figure moodle.wrong_states ${wrong} assignments`);
	} finally {
		await site.close();
	}
}

await main();
