// Pages that nobody looks at.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPool } from './pool.mjs';

const PAGE = `data:text/html,<input id=i><button onclick="this.id='clicked'"
	style="position:absolute;left:100px;top:100px;width:50px;height:50px">press</button>`;

const visibilityOf = (lease) => lease.evaluate('document.visibilityState');
const nextFrame = (lease) => lease.evaluate(`new Promise((resolve) => requestAnimationFrame(() => resolve('a frame')))`);
// Two frames of 16 ms have had all the time that they need.
const frameWithin = (lease, ms) => lease.evaluate(`Promise.race([
	new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve('frames')))),
	new Promise((resolve) => setTimeout(() => resolve('no frame'), ${ms})),
])`);

test('a hidden page is not drawn until it is shown', async (t) => {
	const pool = await startPool({}, { t });
	const lease = await pool.lease({ hidden: true });
	await lease.goto(PAGE);
	assert.equal(await visibilityOf(lease), 'hidden');
	assert.equal(await frameWithin(lease, 500), 'no frame');
	await lease.call('Emulation.setFocusEmulationEnabled', { enabled: true });
	assert.equal(await nextFrame(lease), 'a frame');
	assert.equal(await visibilityOf(lease), 'visible');
	lease.close();
	await pool.stop();
});

test('a hidden page was never drawn, not even while it was blank', async (t) => {
	const pool = await startPool({}, { t });
	await pool.until('a warm page', (s) => s.contexts.warm >= 1);
	const lease = await pool.lease({ hidden: true });
	assert.equal(await lease.evaluate(`performance.getEntriesByType('visibility-state').map((entry) => entry.name).join()`), 'hidden');
	lease.close();
	await pool.stop();
});

test('a hidden page takes input, and gives pictures and PDFs', async (t) => {
	const pool = await startPool({}, { t });
	const lease = await pool.lease({ hidden: true });
	await lease.goto(PAGE);
	await lease.evaluate('i.focus()');
	await lease.call('Input.insertText', { text: 'typed' });
	for (const type of ['mousePressed', 'mouseReleased'])
		await lease.call('Input.dispatchMouseEvent', { type, x: 125, y: 125, button: 'left', clickCount: 1 });
	assert.equal(await lease.evaluate(`i.value + ' ' + !!document.getElementById('clicked')`), 'typed true');
	const picture = Buffer.from((await lease.call('Page.captureScreenshot')).data, 'base64');
	assert.equal(picture.subarray(1, 4).toString(), 'PNG');
	const pdf = Buffer.from((await lease.call('Page.printToPDF')).data, 'base64');
	assert.equal(pdf.subarray(0, 4).toString(), '%PDF');
	lease.close();
	await pool.stop();
});

test('who does not ask for it gets a page that is drawn', async (t) => {
	const pool = await startPool({}, { t });
	const lease = await pool.lease({});
	assert.equal(await visibilityOf(lease), 'visible');
	assert.equal(await nextFrame(lease), 'a frame');
	lease.close();
	await pool.stop();
});

test('a kept page is hidden or drawn as its next lease asks', async (t) => {
	const pool = await startPool({}, { t });
	for (const hidden of [true, false, true]) {
		const lease = await pool.lease({ key: 'one', hidden });
		await lease.goto(PAGE);
		if (hidden) assert.equal(await visibilityOf(lease), 'hidden');
		else assert.equal(await nextFrame(lease), 'a frame');
		lease.close();
		await pool.until('kept', (s) => s.contexts.kept === 1);
	}
	await pool.stop();
});
