// package.mjs - reads a .docx file without trusting its writer: ZIP directory, parts, XML trees.
import { execFileSync } from 'node:child_process';
import { crc32, inflateRawSync } from 'node:zlib';

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

// [{name, data}] in the directory's order. Throws where the file contradicts itself.
export function readZip(file) {
	const end = file.length - 22;
	if (file.readUInt32LE(end) !== END) throw new Error('no end record at the end');
	const entries = [];
	let at = file.readUInt32LE(end + 16);
	for (let left = file.readUInt16LE(end + 10); left > 0; left--) {
		if (file.readUInt32LE(at) !== CENTRAL) throw new Error(`no directory entry at ${at}`);
		const nameLength = file.readUInt16LE(at + 28);
		const name = file.toString('latin1', at + 46, at + 46 + nameLength);
		const packed = file.readUInt32LE(at + 20);
		const local = file.readUInt32LE(at + 42);
		const sameHeader = file.readUInt32LE(local) === LOCAL
			&& file.subarray(local + 4, local + 30).equals(file.subarray(at + 6, at + 32))
			&& file.toString('latin1', local + 30, local + 30 + nameLength) === name;
		if (!sameHeader) throw new Error(`${name}: local header and directory differ`);
		const start = local + 30 + nameLength + file.readUInt16LE(local + 28);
		const data = inflateRawSync(file.subarray(start, start + packed));
		if (data.length !== file.readUInt32LE(at + 24)) throw new Error(`${name}: wrong size`);
		if (crc32 && crc32(data) !== file.readUInt32LE(at + 16)) throw new Error(`${name}: wrong checksum`);
		entries.push({ name, data });
		at += 46 + nameLength + file.readUInt16LE(at + 30) + file.readUInt16LE(at + 32);
	}
	return entries;
}

// What xmllint says against the text; '' when it is well-formed.
export function xmlFaults(text) {
	try {
		execFileSync('xmllint', ['--noout', '--nonet', '-'], { input: text, stdio: ['pipe', 'pipe', 'pipe'] });
		return '';
	} catch (error) {
		return String(error.stderr || error.message);
	}
}

const unescape = (text) => text.replace(/&(lt|gt|quot|amp|#10|#9);/g, (_, name) =>
	({ lt: '<', gt: '>', quot: '"', amp: '&', '#10': '\n', '#9': '\t' })[name]);

// A well-formed part as {name, attributes, children, text}. Enough XML for what we write: no CDATA,
// no comments, no single quotes around attributes.
export function parseXml(text) {
	const root = { name: '', attributes: {}, children: [], text: '' };
	const open = [root];
	for (const [, close, name, rest, selfClose, words] of
		text.matchAll(/<(\/?)([\w:]+)((?:\s+[\w:]+="[^"]*")*)\s*(\/?)>|<\?[^>]*\?>|([^<]+)/g)) {
		const parent = open.at(-1);
		if (words !== undefined) parent.text += unescape(words);
		if (!name) continue;
		if (close) {
			open.pop();
			continue;
		}
		const attributes = Object.fromEntries([...rest.matchAll(/([\w:]+)="([^"]*)"/g)]
			.map(([, key, value]) => [key, unescape(value)]));
		const element = { name, attributes, children: [], text: '' };
		parent.children.push(element);
		if (!selfClose) open.push(element);
	}
	return root.children[0];
}

// The element and all below it, in document order.
export function* walk(element) {
	yield element;
	for (const child of element.children) yield* walk(child);
}

export const all = (element, name) => [...walk(element)].filter((at) => at.name === name);
