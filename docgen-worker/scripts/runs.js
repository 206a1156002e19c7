// runs.js - text with its signs, and whether a reader of the page would see it.
//
// A run is {t, b?, i?, code?, sub?, sup?, href?}; "\n" in t is a line break, other white space is
// collapsed as HTML does. href is absolute http, https or mailto.
//
// A part of the script of assignment.js; `reading` is in blocks.js.

// ---------------------------------------------------------------- what nobody sees

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

// [r, g, b] or [r, g, b, alpha]; undefined for none, "inherit" and what is no colour.
function colourOf(text) {
	const none = '#010203';
	reading.canvas.fillStyle = none;
	reading.canvas.fillStyle = text || none;
	const colour = reading.canvas.fillStyle;
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

// ---------------------------------------------------------------- runs

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

function absolute(address, base) {
	try {
		return new URL(address, base);
	} catch (error) {
		return null;
	}
}

function linkOf(element) {
	const url = absolute(element.getAttribute('href') ?? '', reading.base);
	const isOurs = url && element.hasAttribute('href') && ['http:', 'https:', 'mailto:'].includes(url.protocol);
	return isOurs ? url.href : undefined;
}

const sameSigns = (a, b) => SIGNS.every((sign) => a[sign] === b[sign]);

// Clean text, within the budget of the whole description.
function spend(text) {
	const all = clean(text);
	if (all.length > reading.textLeft) reading.truncated = true;
	const kept = clean(all.slice(0, Math.max(reading.textLeft, 0)));
	reading.textLeft -= kept.length;
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
