// assignment.js - one assignment: its facts, and its description as a safe block model.
//
// args {wwwroot, cmid, title?, course_name?, due?}	what the caller knows already wins
// ok   {title, course: {id, name}, url, due, due_text, opens_text, status, lang, dir, blocks,
//	attachments: [{name, url}], truncated}
//	due		epoch seconds or null; due_text in the site's words, an extension included
//	status		"none" | "draft" | "submitted" | "reopened" | "graded" | "unknown"
//	lang, dir	of the page: "de" or "zh-cn", "ltr" or "rtl"
// fail session_dead assignment_hidden not_enrolled assignment_unknown must_change_password
//	policy_agreement_needed profile_incomplete mfa_needed maintenance site_down not_understood
//
// blocks: {type: "heading", level: 1..6, runs} | {type: "paragraph", runs} | {type: "quote", runs} |
//	{type: "list", ordered, items: [{runs, children: [list]}]} | {type: "code", text} |
//	{type: "table", caption, header: [cell], rows: [[cell]]}, cell = runs, header may be empty |
//	{type: "image", src, alt, mime?, data?} (base64) | {type: "rule"}
// runs: [{t, b?, i?, code?, sub?, sup?, href?}]; "\n" in t is a line break, other white space is
//	collapsed as HTML does. href is absolute http, https or mailto.
//
// A teacher's HTML is not cleaned by Moodle, so nothing of it survives but text, these few signs
// and pictures of the same site. What the student would not see (hidden, tiny, white on white) is
// dropped: a document must not carry orders that nobody read.

async (args) => answer(args, async () => {
	const MAX_BLOCKS = 400;
	const MAX_TEXT = 200 * 1024;
	const MAX_ITEMS = 1000;
	const MAX_ROWS = 30;
	const MAX_COLUMNS = 12;
	const MAX_LIST_DEPTH = 3;
	const MAX_DOM_DEPTH = 150;
	const MAX_IMAGES = 5;
	const MAX_IMAGE_BYTES = 512 * 1024;

	const cmid = Number(args.cmid);
	let page = null;
	let truncated = false;
	let textLeft = MAX_TEXT;
	let itemsLeft = MAX_ITEMS;

	// ------------------------------------------------------------ the page

	async function openPage() {
		const opened = await fetchSignedInDoc(`/mod/assign/view.php?id=${cmid}`);
		const hidden = (detail) => new Failure('assignment_hidden',
			'This assignment is not available to you now.', detail);
		if (opened.path.startsWith('/enrol/')) {
			throw new Failure('not_enrolled', 'You are not enrolled in this course.', opened.path);
		}
		if (opened.status === 404 || opened.doc.querySelector('.errorbox[data-rel="fatalerror"]')) {
			throw new Failure('assignment_unknown', 'Moodle does not know this assignment.',
				visibleText(opened.doc.querySelector('.errorbox .errormessage')));
		}
		if (opened.path !== '/mod/assign/view.php') throw hidden(`sent to ${opened.path}`);
		if (opened.doc.querySelector('#notice')) throw hidden(visibleText(opened.doc.querySelector('#notice')));
		if (opened.status !== 200 || opened.doc.body.id !== 'page-mod-assign-view') {
			throw notUnderstood(`assignment: HTTP ${opened.status}, page "${opened.doc.body.id}"`);
		}
		return opened;
	}

	const first = (...selectors) => {
		for (const selector of selectors) {
			const found = visibleText(page.doc.querySelector(selector));
			if (found) return found;
		}
		return '';
	};

	function readCourse() {
		const id = Number(/(?:^|\s)course-(\d+)/.exec(page.doc.body.className)?.[1]) || null;
		const link = page.doc.querySelector(`.breadcrumb a[href*="/course/view.php?id=${id}"]`);
		const name = plainText(link?.getAttribute('title')) || visibleText(link); // the text is the short name
		return { id, name: args.course_name || name };
	}

	// Boost has the name in the page header, classic in the first h2 with the course in the header.
	function readTitle(course) {
		if (args.title) return args.title;
		const crumb = first(`.breadcrumb a[href*="/mod/assign/view.php?id=${cmid}"]`);
		if (crumb) return crumb;
		const header = first('#page-header h1', 'h1');
		if (header && header !== course.name) return header;
		return first('[role="main"] h2', '#region-main h2') || header;
	}

	function readStatus() {
		const table = page.doc.querySelector('.submissionstatustable');
		if (!table) return 'unknown';
		const has = (name) => table.querySelector(`td.${name}`) !== null;
		if (has('submissionstatusreopened')) return 'reopened';
		if (has('submissionstatusdraft')) return 'draft';
		if (has('submissiongraded') || has('submissionstatusmarked')) return 'graded';
		return has('submissionstatussubmitted') ? 'submitted' : 'none';
	}

	// ------------------------------------------------------------ the dates

	// Entries of "label: date" in the dates region; told apart by the site's own labels.
	async function readDates() {
		const texts = await strings(page.lang, 'mod_assign', ['activitydate:submissionsopen',
			'activitydate:submissionsopened', 'activitydate:submissionsdue', 'extensionduedate']);
		const dates = { opens_text: '', due_text: '' };
		for (const strong of page.doc.querySelectorAll('[data-region="activity-dates"] strong')) {
			const label = visibleText(strong);
			const value = collapse(strong.parentElement.textContent.replace(strong.textContent, ''));
			dates[label === texts['activitydate:submissionsdue'] ? 'due_text' : 'opens_text'] ||= value;
		}
		for (const row of page.doc.querySelectorAll('.submissionstatustable tr')) {
			const [label, value] = [...row.children].map(visibleText);
			if (label && label === texts.extensionduedate) dates.due_text = value;
		}
		return dates;
	}

	// Up to 4.5 only the calendar has the epoch, and only of what is not submitted.
	async function readDue(course, status, dueText) {
		if (args.due > 0) return args.due;
		if (!dueText || !course.id || status === 'submitted' || status === 'graded') return null;
		const methodname = 'core_calendar_get_action_events_by_courses';
		const wanted = { courseids: [course.id], limitnum: 50 };
		const [{ data }] = await ajax(page.sesskey, [{ methodname, args: wanted }]);
		const events = (data?.groupedbycourse ?? []).flatMap((group) => group.events);
		const mine = events.filter((event) => event.modulename === 'assign' && event.instance === cmid);
		return mine.length ? Math.max(...mine.map((event) => event.timesort)) : null;
	}

	// ------------------------------------------------------------ what nobody sees

	const DROPPED = new Set(['script', 'style', 'iframe', 'noscript', 'template', 'object', 'embed', 'svg',
		'head', 'title', 'meta', 'link', 'base', 'form', 'input', 'select', 'textarea', 'button', 'datalist',
		'frame', 'frameset', 'canvas', 'map', 'track', 'dialog']);
	const HIDING_CLASSES = ['accesshide', 'sr-only', 'visually-hidden', 'd-none', 'hidden', 'invisible',
		'fileuploadsubmission', 'MathJax_Preview'];

	function isHidden(element) {
		if (DROPPED.has(element.localName) || element.hasAttribute('hidden')) return true;
		if (HIDING_CLASSES.some((name) => element.classList.contains(name))) return true;
		if (element.id.startsWith('assign_files_tree')) return true;
		const style = element.style;
		if (!style) return false;
		return style.display === 'none' || /hidden|collapse/.test(style.visibility)
			|| (style.opacity !== '' && parseFloat(style.opacity) < 0.1)
			|| isTinyText(style) || isEmptyBox(style) || isOffScreen(style);
	}

	function isTinyText({ fontSize }) {
		const size = parseFloat(fontSize);
		return /px|pt/.test(fontSize) ? size < 4 : size === 0 || (/%/.test(fontSize) && size < 25);
	}

	const isEmptyBox = (style) => style.overflow.includes('hidden')
		&& [style.width, style.height, style.maxWidth, style.maxHeight].some((size) => /^(0|1px$)/.test(size));

	const isOffScreen = (style) => parseFloat(style.textIndent) < -500
		|| (/absolute|fixed/.test(style.position) && [style.left, style.top, style.right].some((at) => parseFloat(at) < -500))
		|| /rect\(0(px)?,? 0(px)?,? 0(px)?,? 0(px)?\)/.test(style.clip);

	// Text in the colour of what lies behind it. Colours go down the tree with the signs of a run:
	// ink, and paper unless a picture lies there.
	const BLACK = [0, 0, 0];
	const WHITE = [255, 255, 255];
	const canvas = new OffscreenCanvas(1, 1).getContext('2d'); // writes any colour as "#rrggbb" or "rgba(...)"

	// [r, g, b] or [r, g, b, alpha]; undefined for none, "inherit" and what is no colour.
	function colourOf(text) {
		const none = '#010203';
		canvas.fillStyle = none;
		canvas.fillStyle = text || none;
		const colour = canvas.fillStyle;
		if (colour === none) return undefined;
		if (!colour.startsWith('#')) return colour.match(/[\d.]+/g).map(Number);
		return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
	}

	function coloursOf(element, { ink = BLACK, paper = WHITE }) {
		const { color, backgroundColor, backgroundImage } = element.style ?? {};
		const behind = colourOf(backgroundColor || element.getAttribute('bgcolor'));
		const isPicture = /url|gradient/.test(backgroundImage ?? '');
		return {
			ink: colourOf(color || element.getAttribute('color')) ?? ink,
			paper: isPicture ? null : behind && behind[3] !== 0 ? behind : paper,
		};
	}

	function isInvisible({ ink = BLACK, paper = WHITE }) {
		if (ink[3] < 0.1) return true;
		return paper !== null && [0, 1, 2].every((n) => Math.abs(ink[n] - paper[n]) < 24);
	}

	// ------------------------------------------------------------ runs

	const SIGNS = ['b', 'i', 'code', 'sub', 'sup', 'href'];
	const SIGN_OF_TAG = { b: 'b', strong: 'b', th: 'b', i: 'i', em: 'i', cite: 'i', dfn: 'i', var: 'i',
		code: 'code', kbd: 'code', samp: 'code', tt: 'code', sub: 'sub', sup: 'sup' };

	function signsOf(element, signs) {
		const own = { ...signs, ...coloursOf(element, signs) };
		const sign = SIGN_OF_TAG[element.localName];
		if (sign) own[sign] = true;
		if (element.localName === 'a') own.href = linkOf(element) ?? own.href;
		const { fontWeight = '', fontStyle = '' } = element.style ?? {};
		if (/^(bold|bolder|[6-9]00)$/.test(fontWeight)) own.b = true;
		if (/^(normal|[1-4]00)$/.test(fontWeight)) delete own.b;
		if (/^(italic|oblique)/.test(fontStyle)) own.i = true;
		if (fontStyle === 'normal') delete own.i;
		return own;
	}

	function absolute(address) {
		try {
			return new URL(address, page.url);
		} catch (error) {
			return null;
		}
	}

	function linkOf(element) {
		const url = absolute(element.getAttribute('href') ?? '');
		const isOurs = url && element.hasAttribute('href') && ['http:', 'https:', 'mailto:'].includes(url.protocol);
		return isOurs ? url.href : undefined;
	}

	const sameSigns = (a, b) => SIGNS.every((sign) => a[sign] === b[sign]);

	// Clean text, within the budget of the whole description.
	function spend(text) {
		const all = clean(text);
		if (all.length > textLeft) truncated = true;
		const kept = clean(all.slice(0, Math.max(textLeft, 0)));
		textLeft -= kept.length;
		return kept;
	}

	function pushRun(runs, text, signs) {
		if (isInvisible(signs)) return;
		const last = runs.at(-1);
		let t = spend(text.replace(/[ \t\n\r\f]+/g, ' '));
		if (!last || /[ \n]$/.test(last.t)) t = t.replace(/^ /, '');
		appendRun(runs, t, signs);
	}

	function appendRun(runs, t, signs) {
		const last = runs.at(-1);
		if (t === '') return;
		if (last && sameSigns(last, signs)) {
			last.t += t;
			return;
		}
		const run = { t };
		for (const sign of SIGNS) if (signs[sign]) run[sign] = signs[sign];
		runs.push(run);
	}

	function pushBreak(runs, signs = {}) {
		if (runs.length === 0) return;
		runs.at(-1).t = runs.at(-1).t.replace(/ $/, '');
		appendRun(runs, '\n', signs);
	}

	// Without white space at both ends; [] when nothing but space is left.
	function trimRuns(runs) {
		const kept = runs.map((run) => ({ ...run }));
		while (kept.length && (kept.at(-1).t = kept.at(-1).t.replace(/[\s\u00a0]+$/, '')) === '') kept.pop();
		while (kept.length && (kept[0].t = kept[0].t.replace(/^[\s\u00a0]+/, '')) === '') kept.shift();
		return kept;
	}

	// ------------------------------------------------------------ blocks

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
			truncated = true;
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
	};
	for (let level = 1; level <= 6; level++) {
		SPECIAL[`h${level}`] = (element, out, signs, depth) =>
			addFlat(out, { type: 'heading', level }, blocksOf(element, signs, depth));
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

	// A film or sound becomes a link to it.
	function addMedia(element, out, signs) {
		const source = element.getAttribute('src') ?? element.querySelector('source')?.getAttribute('src') ?? '';
		const url = source && absolute(source);
		if (!url || !/^https?:$/.test(url.protocol)) return;
		pushRun(out.runs(), fileName(url), { ...signs, href: url.href });
	}

	function addImage(element, out, signs) {
		const alt = collapse(element.getAttribute('alt') ?? '').slice(0, 500);
		const source = (element.getAttribute('src') ?? '').trim();
		const isSmallSign = element.classList.contains('icon') || element.classList.contains('emoticon');
		const url = source && absolute(source);
		if (isSmallSign || !url || isInvisiblePicture(element)) {
			if (isSmallSign) pushRun(out.runs(), alt, signs);
			return;
		}
		const isShown = /^https?:$/.test(url.protocol) || /^data:image\/(png|jpeg);base64,/i.test(source);
		if (isShown) out.add({ type: 'image', src: url.href, alt: spend(alt) });
	}

	// Counting pixels report who read the page.
	function isInvisiblePicture(element) {
		const size = (name) => parseFloat(element.getAttribute(name) ?? '100');
		return size('width') <= 2 || size('height') <= 2;
	}

	function addList(element, out, signs, depth, listDepth) {
		const items = [];
		const images = [];
		for (const child of element.children) {
			if (isHidden(child)) continue;
			if (itemsLeft-- <= 0) {
				truncated = true;
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

	// ------------------------------------------------------------ tables

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
		if (rows.length > MAX_ROWS) truncated = true;
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
				if (x >= MAX_COLUMNS) truncated = true;
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

	// ------------------------------------------------------------ flattening

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

	// ------------------------------------------------------------ pictures and files

	const MAGIC = [['image/png', [0x89, 0x50, 0x4e, 0x47]], ['image/jpeg', [0xff, 0xd8, 0xff]]];
	const mimeOf = (bytes) => MAGIC.find(([, magic]) => magic.every((byte, n) => bytes[n] === byte))?.[0];

	function base64(bytes) {
		let binary = '';
		for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
		return btoa(binary);
	}

	async function loadImages(blocks) {
		let left = MAX_IMAGES;
		const loaded = new Map();
		for (const block of imagesIn(blocks)) {
			if (!loaded.has(block.src) && left > 0 && isLoadable(block.src)) {
				left--;
				loaded.set(block.src, await loadImage(block.src));
			}
			Object.assign(block, loaded.get(block.src));
			if (block.src.startsWith('data:')) block.src = '';
		}
	}

	const isLoadable = (src) => src.startsWith('data:') || /^\/pluginfile\.php(\/|$)/.test(sitePath(src) ?? '');

	// {mime, data}, or nothing: a document without a picture is better than no document.
	async function loadImage(src) {
		try {
			const bytes = src.startsWith('data:')
				? Uint8Array.from(atob(decodeURIComponent(src.slice(src.indexOf(',') + 1))), (c) => c.charCodeAt(0))
				: (await request(src, {}, MAX_IMAGE_BYTES)).bytes;
			const mime = mimeOf(bytes);
			return mime && bytes.length <= MAX_IMAGE_BYTES ? { mime, data: base64(bytes) } : {};
		} catch (error) {
			return {};
		}
	}

	function fileName(url) {
		const path = url.searchParams.get('file') ?? url.pathname;
		const last = path.split('/').pop();
		try {
			return collapse(decodeURIComponent(last)) || 'file';
		} catch (error) {
			return collapse(last);
		}
	}

	function readAttachments() {
		const found = new Map();
		for (const link of page.doc.querySelectorAll('#intro a[href*="/mod_assign/introattachment/"]')) {
			const url = absolute(link.getAttribute('href'));
			if (url && sitePath(url) !== null) found.set(url.href, { name: fileName(url), url: url.href });
		}
		return [...found.values()];
	}

	async function readBlocks() {
		const intro = page.doc.querySelector('#intro');
		if (!intro) return []; // none, or hidden until the assignment opens
		let blocks = blocksOf(intro);
		if (blocks.length > MAX_BLOCKS) truncated = true;
		blocks = blocks.slice(0, MAX_BLOCKS);
		await loadImages(blocks);
		return blocks;
	}

	page = await openPage();
	const course = readCourse();
	const status = readStatus();
	const dates = await readDates();
	return {
		title: readTitle(course),
		course,
		url: `${site.root}/mod/assign/view.php?id=${cmid}`,
		due: await readDue(course, status, dates.due_text),
		...dates,
		status,
		lang: collapse(page.doc.documentElement.lang) || page.lang.replace(/_/g, '-'),
		dir: page.doc.documentElement.getAttribute('dir') === 'rtl' ? 'rtl' : 'ltr',
		attachments: readAttachments(),
		blocks: await readBlocks(),
		truncated,
	};
})
