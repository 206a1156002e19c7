// The little that this page needs of a user-interface library: making elements, keyed lists, and
// speaking to screen readers. Text only ever becomes text nodes; there is no way to pass HTML.

// h('button', { class: 'quiet', onclick: fn, disabled: true }, 'Text', node, [nodes])
// null, undefined and false leave an attribute or a child out; `value`, `checked` and
// `indeterminate` are set as properties, since their attributes are only defaults.
export function h(tag, props, ...children) {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(props ?? {})) setProp(node, name, value);
	append(node, children);
	return node;
}

const PROPERTIES = new Set(['value', 'checked', 'indeterminate']);

function setProp(node, name, value) {
	if (value === null || value === undefined || value === false) return;
	if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
	else if (PROPERTIES.has(name)) node[name] = value;
	else node.setAttribute(name, value === true ? '' : String(value));
}

function append(node, children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false) continue;
		node.append(child);
	}
}

// Replaces what node holds, when it differs: unchanged text is not announced or redrawn again.
export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export function fill(node, ...children) {
	node.replaceChildren();
	append(node, children);
}

// Makes parent's children show items in order, one element per key: `make(item)` once for a new
// key, `update(element, item)` every time. Elements that are in place are not moved, so that focus
// and selection survive an update.
export function keyed(parent, items, keyOf, make, update) {
	const keys = items.map(item => String(keyOf(item)));
	const wanted = new Set(keys);
	const old = new Map();
	for (const node of [...parent.children]) {
		if (wanted.has(node.dataset.key)) old.set(node.dataset.key, node);
		else node.remove();
	}
	let next = parent.firstElementChild;
	items.forEach((item, i) => {
		const node = old.get(keys[i]) ?? make(item);
		node.dataset.key = keys[i];
		update?.(node, item);
		if (node === next) next = next.nextElementSibling;
		else parent.insertBefore(node, next);
	});
}

// Runs work with its button disabled, so that two clicks are one. Afterwards the button has the focus
// again, when nothing else has taken it.
export async function whileDisabled(button, work) {
	const hadFocus = document.activeElement === button;
	button.disabled = true;
	try {
		return await work();
	} finally {
		button.disabled = false;
		if (hadFocus && document.activeElement === document.body) button.focus();
	}
}

// A link to somewhere else (Moodle). Addresses came from a web page: only http(s) is followed.
export function outward(url, ...children) {
	if (!/^https?:\/\//i.test(url ?? '')) return h('span', null, ...children);
	return h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, ...children);
}

// Says text to screen readers without moving focus.
export function announce(text) {
	setText(document.getElementById('announcer'), text);
}

let lastId = 0;
export function uniqueId(prefix) {
	return `${prefix}-${++lastId}`;
}
