// Whole documents, from the script's answer to the file, judged by programs that are not ours:
// Microsoft's validator, xmllint, python-docx, LibreOffice, and the rules of lint.mjs that none of
// them knows. MAKE_DOCX is the program that makes them, DOCX_TOOLS a folder for the validator.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { answers, textsIn } from './answers.mjs';
import { lint } from './lint.mjs';
import { readZip } from './package.mjs';
import { findOffice, findPythonDocx, findValidator } from './tools.mjs';

const names = Object.keys(answers);
const NAME = 'Asha <Rao> & "co"';
let folder;

const make = (name) => execFileSync(process.env.MAKE_DOCX, [NAME, '17'], { input: JSON.stringify(answers[name]), maxBuffer: 64 << 20 });
const fileOf = (name) => path.join(folder, `${name}.docx`);
const each = (check) => Promise.all(names.map(check));

describe('a Word file', () => {
	before(() => {
		folder = mkdtempSync(path.join(tmpdir(), 'pensum-docx-'));
		for (const name of names) writeFileSync(fileOf(name), make(name));
	});
	after(() => rmSync(folder, { recursive: true, force: true }));

	it('is the same when it is made again', () => each((name) =>
		assert.ok(make(name).equals(readFileSync(fileOf(name))), name)));

	it('passes the rules that validators do not know', () => each((name) =>
		assert.deepEqual(lint(readFileSync(fileOf(name))), [], name)));

	it('passes Microsoft\'s validator', async (t) => {
		const validate = await findValidator(process.env.DOCX_TOOLS);
		if (!validate) return t.skip('skipped: the validator is not to be had from the package registry');
		for (const name of names) assert.deepEqual(await validate(fileOf(name)), [], name);
	});

	it('holds every text of the description, in order', async (t) => {
		const read = findPythonDocx();
		if (!read) return t.skip('skipped: python3-docx is not installed');
		await each(async (name) => {
			if (name === 'huge') return; // cut on purpose
			const { paragraphs } = await read(fileOf(name));
			let at = 0;
			for (const text of textsIn(answers[name])) {
				at = paragraphs.indexOf(text, at) + 1;
				assert.ok(at > 0, `${name}: ${JSON.stringify(text.slice(0, 100))}`);
			}
		});
	});

	it('says in its properties that it is a draft, and whose', async (t) => {
		const read = findPythonDocx();
		if (!read) return t.skip('skipped: python3-docx is not installed');
		const { title, author, status, created, pictures, tables, headings } = await read(fileOf('lab'));
		assert.equal(title, answers.lab.title);
		assert.deepEqual([author, status, created, pictures], [NAME, 'Draft', '2026-11-22 12:00:00', 2]);
		assert.deepEqual(tables[0].map(([label]) => label), ['Course', 'Assignment', 'Name', 'Roll number', 'Due']);
		assert.deepEqual(headings.map(([style, text]) => `${style}: ${text}`), [`Title: ${title}`, 'Heading 1: Task',
			'Heading 2: What to hand in', 'Heading 2: Files of this assignment', 'Heading 1: Aim', 'Heading 1: Apparatus',
			'Heading 1: Procedure', 'Heading 1: Code', 'Heading 1: Observations', 'Heading 1: Result', 'Heading 1: Conclusion',
			'Heading 1: Before you submit']);
	});

	it('says AIAssisted=false and the assignment\'s address, and leaves no refused address', () => {
		const parts = new Map(readZip(readFileSync(fileOf('hostile'))).map(({ name, data }) => [name, data.toString()]));
		assert.match(parts.get('docProps/custom.xml'), /name="AIAssisted"><vt:bool>false</);
		assert.match(parts.get('docProps/custom.xml'), /<vt:lpwstr>https:\/\/moodle\.example\.edu\/a\?b=%3C%22'%3E&amp;c=%C3%A9#x%23y</);
		assert.doesNotMatch(parts.get('word/_rels/document.xml.rels'), /javascript|user:pw|file:|99999|\[oops/);
	});

	it('opens in LibreOffice, which prints its title', async (t) => {
		const print = findOffice();
		if (!print) return t.skip('skipped: LibreOffice or pdftotext is not installed');
		const printed = await print(folder, names);
		for (const name of names) assert.match(printed.get(name), /Before you submit/, name);
		assert.match(printed.get('lab'), /Draft for your review\.[^]*1\.\s+counts from one[^]*\[What this experiment/);
		assert.match(printed.get('lab'), /Page 1 of \d/);
	});
});
