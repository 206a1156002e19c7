// blocks.js - a teacher's HTML as a safe block model: readBlocks(container, base).
//
// blocks: {type: "heading", level: 1..6, runs} | {type: "paragraph", runs} | {type: "quote", runs} |
//	{type: "list", ordered, items: [{runs, children: [list]}]} | {type: "code", text} |
//	{type: "table", caption, header: [cell], rows: [[cell]]}, cell = runs, header may be empty |
//	{type: "image", src, alt, mime?, data?} (base64) | {type: "rule"}
// runs are in runs.js, pictures in pictures.js.
//
// A teacher's HTML is not cleaned by Moodle, so nothing of it survives but text, these few signs
// and pictures of the same site. What the student would not see (hidden, tiny, white on white) is
// dropped: a document must not carry orders that nobody read.
//
// A part of the script of assignment.js.

const MAX_BLOCKS = 400;
const MAX_TEXT = 200 * 1024;
const MAX_ITEMS = 1000;
const MAX_ROWS = 30;
const MAX_COLUMNS = 12;
const MAX_LIST_DEPTH = 3;
const MAX_DOM_DEPTH = 150;

// The description that is being read: what it may still spend, and whether something was left out.
let reading = null;

// {blocks, truncated} of what the container holds; its relative addresses start at base.
async function readBlocks(container, base) {
	reading = {
		base,
		textLeft: MAX_TEXT,
		itemsLeft: MAX_ITEMS,
		truncated: false,
		canvas: new OffscreenCanvas(1, 1).getContext('2d'), // writes any colour as "#rrggbb" or "rgba(...)"
	};
	const all = blocksOf(container);
	if (all.length > MAX_BLOCKS) reading.truncated = true;
	const blocks = all.slice(0, MAX_BLOCKS);
	await loadImages(blocks);
	return { blocks, truncated: reading.truncated };
}

// ---------------------------------------------------------------- blocks

const INLINE = new Set(['a', 'abbr', 'acronym', 'b', 'bdi', 'bdo', 'big', 'cite', 'code', 'data', 'del', 'dfn',
	'em', 'font', 'i', 'ins', 'kbd', 'label', 'mark', 'nobr', 'q', 'ruby', 'rb', 'rt', 'rp', 's', 'samp',
	'small', 'span', 'strike', 'strong', 'sub', 'sup', 'time', 'tt', 'u', 'var', 'wbr', 'picture', 'math',
	'video', 'audio', 'source']);

// Collects the blocks of one container; text that stands between blocks becomes paragraphs.
function collector() {
	const blocks = [];
	let runs = [];
	const flush = () => {
		const kept = trimRuns(runs);
		if (kept.length) blocks.push({ type: 'paragraph', runs: kept });
		runs = [];
	};
	return {
		runs: () => runs,
		flush,
		add(block) {
			flush();
			blocks.push(block);
		},
		finish() {
			flush();
			return blocks;
		},
	};
}

function blocksOf(container, signs = {}, depth = 0, listDepth = 0) {
	const out = collector();
	walkChildren(container, out, signs, depth, listDepth);
	return out.finish();
}

function walkChildren(parent, out, signs, depth, listDepth) {
	if (depth > MAX_DOM_DEPTH) {
		reading.truncated = true;
		return;
	}
	for (const node of parent.childNodes) {
		if (node.nodeType === Node.TEXT_NODE) pushRun(out.runs(), node.data, signs);
		if (node.nodeType === Node.ELEMENT_NODE) walk(node, out, signs, depth + 1, listDepth);
	}
}

function walk(element, out, signs, depth, listDepth) {
	if (isHidden(element)) return;
	const own = signsOf(element, signs);
	const special = SPECIAL[element.localName];
	if (special) {
		special(element, out, own, depth, listDepth);
		return;
	}
	const isBlock = !INLINE.has(element.localName);
	if (isBlock) out.flush();
	walkChildren(element, out, own, depth, listDepth);
	if (isBlock) out.flush();
}

const SPECIAL = {
	br: (element, out, signs) => pushBreak(out.runs(), signs),
	hr: (element, out) => out.add({ type: 'rule' }),
	img: addImage,
	pre: addCode,
	ul: addList,
	ol: addList,
	table: addTable,
	math: addMath,
	video: addMedia,
	audio: addMedia,
	blockquote: (element, out, signs, depth) => addFlat(out, { type: 'quote' }, blocksOf(element, signs, depth)),
	summary: (element, out, signs, depth) =>
		addFlat(out, { type: 'paragraph' }, blocksOf(element, { ...signs, b: true }, depth)),
	dt: (element, out, signs, depth) =>
		addFlat(out, { type: 'paragraph' }, blocksOf(element, { ...signs, b: true }, depth)),
	...Object.fromEntries([1, 2, 3, 4, 5, 6].map((level) => [`h${level}`, addHeading(level)])),
};

function addHeading(level) {
	return (element, out, signs, depth) => addFlat(out, { type: 'heading', level }, blocksOf(element, signs, depth));
}

// A block of runs only; pictures inside follow it.
function addFlat(out, block, inner) {
	const runs = flatten(inner);
	if (runs.length) out.add({ ...block, runs });
	for (const image of imagesIn(inner)) out.add(image);
}

function addCode(element, out, signs) {
	if (isInvisible(signs)) return;
	const text = spend(preText(element).replace(/\r\n?/g, '\n').replace(/^\n|\s+$/g, ''));
	if (text.trim()) out.add({ type: 'code', text });
}

function preText(element) {
	if (element.localName === 'br') return '\n';
	return [...element.childNodes].map((node) => {
		if (node.nodeType === Node.TEXT_NODE) return node.data;
		return node.nodeType === Node.ELEMENT_NODE && !isHidden(node) ? preText(node) : '';
	}).join('');
}

function addMath(element, out, signs) {
	const tex = element.querySelector('annotation[encoding="application/x-tex"]');
	pushRun(out.runs(), tex ? `\\(${tex.textContent.trim()}\\)` : element.textContent, signs);
}

function addList(element, out, signs, depth, listDepth) {
	const items = [];
	const images = [];
	for (const child of element.children) {
		if (isHidden(child)) continue;
		if (reading.itemsLeft-- <= 0) {
			reading.truncated = true;
			break;
		}
		const inner = child.localName === 'li' || !SPECIAL[child.localName]
			? blocksOf(child, signsOf(child, signs), depth + 1, listDepth + 1)
			: blocksOfOne(child, signs, depth + 1, listDepth + 1);
		images.push(...imagesIn(inner));
		addItem(items, inner, listDepth + 1);
	}
	if (items.length) out.add({ type: 'list', ordered: element.localName === 'ol', items });
	for (const image of images) out.add(image);
}

// A list that stands directly in a list belongs to the item before it.
function blocksOfOne(element, signs, depth, listDepth) {
	const out = collector();
	walk(element, out, signs, depth, listDepth);
	return out.finish();
}

// Lists deeper than the model allows go on as items of the deepest level.
function addItem(items, inner, depth) {
	const lists = inner.filter((block) => block.type === 'list');
	const runs = flatten(inner.filter((block) => block.type !== 'list'));
	if (runs.length === 0 && lists.length === 0) return;
	const isTooDeep = depth >= MAX_LIST_DEPTH;
	const item = runs.length === 0 && items.length && !isTooDeep ? items.at(-1) : { runs, children: [] };
	if (item !== items.at(-1) && (runs.length || !isTooDeep)) items.push(item);
	for (const list of lists) {
		if (isTooDeep) items.push(...list.items);
		else item.children.push(list);
	}
}

// ---------------------------------------------------------------- tables

function addTable(element, out, signs, depth, listDepth) {
	const rows = rowsOf(element);
	const isLayout = element.getAttribute('role') === 'presentation' || element.querySelector('table')
		|| rows.every((row) => row.children.length <= 1);
	if (isLayout) {
		out.flush();
		for (const cell of rows.flatMap((row) => [...row.children])) {
			if (!isHidden(cell)) walkChildren(cell, out, signs, depth + 1, listDepth);
			out.flush();
		}
		return;
	}
	const images = [];
	const grid = gridOf(rows, signs, depth, images);
	const hasHeader = rows.length > 1 && (rows[0].parentElement.localName === 'thead'
		|| [...rows[0].children].every((cell) => cell.localName === 'th'));
	const caption = visibleText(element.querySelector(':scope > caption')).slice(0, 300);
	if (rows.length > MAX_ROWS) reading.truncated = true;
	out.add({ type: 'table', caption: spend(caption), header: hasHeader ? grid.shift() : [], rows: grid });
	for (const image of images) out.add(image);
}

const rowsOf = (table) => [...table.rows].filter((row) => !isHidden(row)
	&& !isHidden(row.parentElement) && row.children.length > 0);

// Rows of equal length; a spanned place stays empty.
function gridOf(rows, signs, depth, images) {
	const grid = rows.slice(0, MAX_ROWS).map(() => []);
	grid.forEach((line, y) => {
		let x = 0;
		for (const cell of rows[y].children) {
			while (line[x]) x++;
			if (x >= MAX_COLUMNS) reading.truncated = true;
			const isSeen = !isHidden(cell);
			const inner = isSeen ? blocksOf(cell, signsOf(cell, signs), depth + 1) : [];
			images.push(...imagesIn(inner));
			span(grid, x, y, cell, flatten(inner));
			x += cell.colSpan;
		}
	});
	const width = Math.min(MAX_COLUMNS, Math.max(...grid.map((line) => line.length)));
	return grid.map((line) => Array.from({ length: width }, (_, x) => line[x] ?? []));
}

function span(grid, x, y, cell, runs) {
	for (let dy = 0; dy < Math.max(cell.rowSpan, 1) && y + dy < grid.length; dy++) {
		for (let dx = 0; dx < cell.colSpan && x + dx < MAX_COLUMNS; dx++) {
			grid[y + dy][x + dx] = dx + dy === 0 ? runs : [];
		}
	}
}

// ---------------------------------------------------------------- flattening

// Blocks as runs, for places that hold no blocks: headings, quotes, items, cells.
function flatten(blocks) {
	const runs = [];
	for (const block of blocks) {
		const inner = runsOfBlock(block);
		if (inner.length === 0) continue;
		pushBreak(runs);
		for (const { t, ...signs } of inner) appendRun(runs, t, signs);
	}
	return trimRuns(runs);
}

const joined = (parts, separator) => parts.filter((runs) => runs.length)
	.flatMap((runs, n) => (n > 0 ? [{ t: separator }, ...runs] : runs));

function runsOfBlock(block) {
	if (block.type === 'code') return [{ t: block.text, code: true }];
	if (block.type === 'list') {
		return joined(block.items.map((item) =>
			joined([[{ t: '\u2022 ' }, ...item.runs], ...item.children.map(runsOfBlock)], '\n')), '\n');
	}
	if (block.type === 'table') {
		return joined([block.header, ...block.rows].map((row) => joined(row, ' | ')), '\n');
	}
	return block.runs ?? [];
}

const imagesIn = (blocks) => blocks.filter((block) => block.type === 'image');
