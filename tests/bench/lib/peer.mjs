// The same jobs with playwright-core, in one process, as a service would do them.
//
//   node peer.mjs launch|context URL     a browser per job, or one browser and a context per job
//
// Commands by line on standard input, as in client/main.c, with the number of jobs at once:
//   run MS SIGN_IN AT_ONCE   -> done, then one line per slot: BUSY_MS 0 LATENCY_MS…, joined by "|"
//   hold SIGN_IN AT_ONCE     -> held; go, -> done
import { createRequire } from 'node:module';
import readline from 'node:readline';
import { EXPECTED, FETCH, SIGN_IN } from './job.mjs';

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT_CORE);
const [mode, site] = process.argv.slice(2);

const launch = () => chromium.launch({ executablePath: process.env.BENCH_BROWSER, headless: true,
	chromiumSandbox: process.env.BENCH_SANDBOX === 'on' });
const shared = mode === 'context' ? await launch() : null;

// A fresh page and what ends it.
async function open() {
	const browser = shared ?? await launch();
	const context = await browser.newContext();
	return { page: await context.newPage(), close: () => (shared ? context : browser).close() };
}

async function doSteps(page, withSignIn) {
	await page.goto(`${site}${withSignIn ? '/login' : '/home?open'}`);
	if (withSignIn) await Promise.all([page.waitForURL('**/home'), page.evaluate(SIGN_IN)]);
	const sum = await page.evaluate(FETCH);
	if (sum !== EXPECTED) throw new Error(`the fetches gave ${sum}`);
}

async function runSlot(ms, withSignIn) {
	const begun = performance.now();
	const latencies = [];
	let end = begun;
	while (end - begun < ms) {
		const asked = end;
		const { page, close } = await open();
		await doSteps(page, withSignIn);
		await close();
		end = performance.now();
		latencies.push((end - asked).toFixed(3));
	}
	return `${(end - begun).toFixed(3)} 0 ${latencies.join(' ')}`;
}

const slots = (count, doSlot) => Promise.all(Array.from({ length: count }, doSlot));

async function holdSlot(withSignIn) {
	const { page, close } = await open();
	await doSteps(page, withSignIn);
	return close;
}

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log('ready');
for (;;) {
	const { value: line, done } = await lines.next();
	if (done) break;
	const [command, ...words] = line.split(' ');
	const numbers = words.map(Number);
	try {
		if (command === 'run') {
			const [ms, withSignIn, atOnce] = numbers;
			console.log(`done ${(await slots(atOnce, () => runSlot(ms, withSignIn))).join('|')}`);
		} else {
			const [withSignIn, atOnce] = numbers;
			const closes = await slots(atOnce, () => holdSlot(withSignIn));
			console.log('held');
			await lines.next();
			await Promise.all(closes.map((close) => close()));
			console.log('done');
		}
	} catch (error) {
		console.log(`error ${String(error.message).split('\n')[0]}`);
		break;
	}
}
await shared?.close();
process.exit(0);
