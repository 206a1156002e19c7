// lint.mjs - faults of a .docx that make Word complain and that Microsoft's validator lets pass.
import path from 'node:path';
import { all, parseXml, readZip, walk, xmlFaults } from './package.mjs';

const PART_RULES = [cellsEndInParagraphs, stylesAreDefined, numbersAreDefined, drawingIdsAreUnique,
	textKeepsItsSpaces, headingsSkipNoLevel];

// ['sentence', …]; empty when nothing was found.
export function lint(file) {
	const faults = [];
	const entries = readZip(file);
	const parts = new Map();
	if (entries[0]?.name !== '[Content_Types].xml') faults.push('[Content_Types].xml is not first');
	for (const { name, data } of entries) {
		if (parts.has(name)) faults.push(`${name} stands twice`);
		parts.set(name, data);
		if (!/\.(xml|rels)$/.test(name)) continue;
		const wrong = xmlFaults(data);
		if (wrong) faults.push(`${name}: ${wrong}`);
	}
	if (faults.length) return faults;
	const tree = new Map([...parts].filter(([name]) => /\.(xml|rels)$/.test(name))
		.map(([name, data]) => [name, parseXml(data.toString())]));
	return [...contentTypes(tree, parts), ...relationships(tree, parts), ...coreProperties(tree),
		...PART_RULES.flatMap((rule) => [...rule(tree.get('word/document.xml'), tree)])];
}

function* contentTypes(tree, parts) {
	const types = tree.get('[Content_Types].xml');
	const named = new Set(all(types, 'Override').map((at) => at.attributes.PartName.slice(1)));
	const endings = new Set(all(types, 'Default').map((at) => at.attributes.Extension));
	for (const name of named) if (!parts.has(name)) yield `content type of the missing part ${name}`;
	for (const name of parts.keys()) {
		const ending = name.split('.').pop();
		if (name !== '[Content_Types].xml' && !named.has(name) && !(endings.has(ending) && ending !== 'xml')) {
			yield `${name} has no content type`;
		}
	}
}

const rels = (tree, name) => all(tree.get(name), 'Relationship').map((at) => at.attributes);

function* relationships(tree, parts) {
	for (const name of [...parts.keys()].filter((at) => at.endsWith('.rels'))) {
		const folder = path.posix.dirname(path.posix.dirname(name));
		const ids = new Set();
		for (const { Id, Target, TargetMode } of rels(tree, name)) {
			if (ids.has(Id)) yield `${name}: ${Id} stands twice`;
			ids.add(Id);
			if (TargetMode === 'External') {
				if (!/^(https?:\/\/[a-z\d]|mailto:)/i.test(Target)) yield `${name}: address ${Target}`;
			} else if (!parts.has(path.posix.join(folder, Target))) {
				yield `${name}: missing part ${Target}`;
			}
		}
	}
	const known = new Set(rels(tree, 'word/_rels/document.xml.rels').map(({ Id }) => Id));
	for (const { attributes } of walk(tree.get('word/document.xml'))) {
		for (const key of ['r:id', 'r:embed']) {
			if (attributes[key] && !known.has(attributes[key])) yield `relationship ${attributes[key]} is not defined`;
		}
	}
}

function* coreProperties(tree) {
	const names = tree.get('docProps/core.xml').children.map((at) => at.name);
	for (const name of new Set(names)) {
		if (names.filter((at) => at === name).length > 1) yield `property ${name} stands twice`;
	}
}

function* cellsEndInParagraphs(document) {
	for (const cell of all(document, 'w:tc')) {
		if (cell.children.at(-1)?.name !== 'w:p') yield 'a cell does not end in a paragraph';
	}
}

function* stylesAreDefined(document, tree) {
	const defined = new Set(all(tree.get('word/styles.xml'), 'w:style').map((at) => at.attributes['w:styleId']));
	const users = [document, tree.get('word/styles.xml'), tree.get('word/header1.xml'), tree.get('word/footer1.xml')];
	for (const at of users.flatMap((user) => [...walk(user)])) {
		const isUse = ['w:pStyle', 'w:rStyle', 'w:tblStyle', 'w:basedOn', 'w:next', 'w:link'].includes(at.name);
		if (isUse && !defined.has(at.attributes['w:val'])) yield `style ${at.attributes['w:val']} is not defined`;
	}
}

function* numbersAreDefined(document, tree) {
	const numbering = tree.get('word/numbering.xml');
	const nums = all(numbering, 'w:num').map((at) => at.attributes['w:numId']);
	const abstracts = new Set(all(numbering, 'w:abstractNum').map((at) => at.attributes['w:abstractNumId']));
	if (new Set(nums).size !== nums.length) yield 'a w:num stands twice';
	for (const at of all(numbering, 'w:abstractNumId')) {
		if (!abstracts.has(at.attributes['w:val'])) yield `abstract number ${at.attributes['w:val']} is not defined`;
	}
	for (const at of all(document, 'w:numId')) {
		if (!nums.includes(at.attributes['w:val'])) yield `number ${at.attributes['w:val']} is not defined`;
	}
}

function* drawingIdsAreUnique(document) {
	const ids = all(document, 'wp:docPr').map((at) => at.attributes.id);
	if (new Set(ids).size !== ids.length) yield 'a drawing id stands twice';
	for (const at of all(document, 'wp:docPr')) if (!at.attributes.descr) yield 'a picture without words';
}

function* textKeepsItsSpaces(document) {
	for (const at of all(document, 'w:t')) {
		if (at.attributes['xml:space'] !== 'preserve') yield `spaces of "${at.text}" are lost`;
	}
}

function* headingsSkipNoLevel(document) {
	let before = 0;
	for (const at of all(document, 'w:pStyle')) {
		const level = Number(/^Heading(\d)$/.exec(at.attributes['w:val'])?.[1] ?? 0);
		if (level > before + 1) yield `heading level ${before} is followed by ${level}`;
		before = level || before;
	}
}
