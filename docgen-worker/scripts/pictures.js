// pictures.js - pictures of a description, their bytes, and files that are only linked to.
//
// A picture stays when its address is one of the web or has its bytes (data:). Bytes are sent for
// MAX_IMAGES at most, of the same site or in the address, and only PNG and JPEG by their content.
//
// A part of the script of assignment.js; `reading` is in blocks.js.

const MAX_IMAGES = 5;
const MAX_IMAGE_BYTES = 512 * 1024;

// A film or sound becomes a link to it.
function addMedia(element, out, signs) {
	const source = element.getAttribute('src') ?? element.querySelector('source')?.getAttribute('src') ?? '';
	const url = source && absolute(source, reading.base);
	if (!url || !/^https?:$/.test(url.protocol)) return;
	pushRun(out.runs(), fileName(url), { ...signs, href: url.href });
}

function addImage(element, out, signs) {
	const alt = collapse(element.getAttribute('alt') ?? '').slice(0, 500);
	const source = (element.getAttribute('src') ?? '').trim();
	const isSmallSign = element.classList.contains('icon') || element.classList.contains('emoticon');
	const url = source && absolute(source, reading.base);
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

// ---------------------------------------------------------------- their bytes

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

const filePath = (url) => url.searchParams.get('file') ?? decoded(url.pathname);
const fileName = (url) => collapse(filePath(url).split('/').pop()) || 'file';

function decoded(path) {
	try {
		return decodeURIComponent(path);
	} catch (error) {
		return path;
	}
}
