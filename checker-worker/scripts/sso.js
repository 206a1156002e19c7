// sso.js - looks at one page of a sign-in that leads through other sites, and does one step of its recipe.
//
// Runs in a world of its own (page.h: page_evaluate_apart()), so that no script of the page's sees the
// password before it stands in its field. One call, one look:
//
// look({site, root, page, times, document, wait})
//	page: {errors, steps} as recipe.c makes them; times: how often each step was done; document:
//	the page where one was done last; wait: what that step wants to see first, or null
// answers {at, index, document, where}, at one of
//	home	on the site, and signed in as far as can be seen
//	refused	on the site, which says no: message
//	error	one of the recipe's errors: index
//	step	a step that is to be done: index
//	again	a step that was done as often as it may be, and a new page asks for it: index
//	lost	the browser's own error page
//	down	a page of a server that failed: status
//	nothing	none of these, or not yet
//
// act({page, index, site, values, hosts}) does step `index` if it fits still; values are what it fills in.
// answers {done, why}: why is "gone" (or nothing to send), "elsewhere" (a form that posts to another host) or "field"

// Moodle's own pages for who is signed in but has something to do first: signin.js tells of them.
const STOPS = ['/login/change_password.php', '/user/policy.php', '/admin/tool/policy/', '/admin/tool/mfa/', '/user/edit'];

function isSeen(element) {
	const style = getComputedStyle(element);
	return element.getClientRects().length > 0 && style.visibility !== 'hidden';
}

const seen = (selector) => [...document.querySelectorAll(selector)].find(isSeen) ?? null;
const fits = ({ if: all, unless: none }) => all.every(seen) && !none.some(seen);

function isPlaceOf(step, args) {
	return step.origins.includes(location.origin) || (step.on_site === true && location.origin === args.site);
}

// Below the site's address, which may be written with a usual port or in capitals; null: not there.
function sitePath({ site, root }) {
	const base = new URL(root).href.replace(/\/$/, '');
	return location.origin === site && location.href.startsWith(`${base}/`) ? location.href.slice(base.length) : null;
}

function isHome(args) {
	const path = sitePath(args);
	if (path === null) return false;
	return document.querySelector('a[href*="/login/logout.php?sesskey="]') !== null || STOPS.some((stop) => path.startsWith(stop));
}

// What the site says instead of letting the student in.
function refusal(args) {
	const said = sitePath(args) !== null && document.querySelector('#loginerrormessage, .errorbox .errormessage');
	return said ? { at: 'refused', message: said.textContent.replace(/\s+/g, ' ').trim().slice(0, 200) } : null;
}

function findStep(args, isWanted) {
	return args.page.steps.findIndex((step, i) => isPlaceOf(step, args) && fits(step) && isWanted(step, i));
}

function stepState(args) {
	const index = findStep(args, (step, i) => args.times[i] < (step.times ?? 1));
	return index >= 0 ? { at: 'step', index } : null;
}

function againState(args) {
	const index = performance.timeOrigin === args.document ? -1 : findStep(args, () => true);
	return index >= 0 ? { at: 'again', index } : null;
}

function failureOfServer() {
	const status = performance.getEntriesByType('navigation')[0]?.responseStatus ?? 0;
	return status >= 500 || status === 429 ? { at: 'down', status } : null;
}

function stateOf(args) {
	if (location.protocol === 'chrome-error:') return { at: 'lost' };
	if (document.readyState === 'loading') return { at: 'nothing' };
	if (isHome(args)) return { at: 'home' };
	const error = args.page.errors.findIndex(fits);
	if (error >= 0) return { at: 'error', index: error };
	if (args.wait && performance.timeOrigin === args.document && !seen(args.wait)) return { at: 'nothing' };
	return stepState(args) ?? refusal(args) ?? againState(args) ?? failureOfServer() ?? { at: 'nothing' };
}

// Without the query, which may hold what is nobody's business.
function look(args) {
	return { ...stateOf(args), document: performance.timeOrigin, where: location.origin + location.pathname };
}

// ---------------------------------------------------------------- one step

// A field of the form named like one of its properties hides that; the prototype's own cannot be hidden.
const attribute = (element, name) => Element.prototype.getAttribute.call(element, name);

// A control may belong to a form that it does not stand in.
function formOf(element) {
	const isControl = element instanceof HTMLInputElement || element instanceof HTMLButtonElement;
	return isControl ? element.form : element && Element.prototype.closest.call(element, 'form');
}

function leadsElsewhere(form, button, allowed) {
	const targets = [form && attribute(form, 'action'), button && attribute(button, 'formaction')];
	return targets.some((target) => {
		if (!target) return false;
		try {
			return !allowed.includes(new URL(target, document.baseURI).origin);
		} catch (error) {
			return true;
		}
	});
}

// As a person's typing looks to the page: frameworks listen for these events.
function type(field, text) {
	field.focus();
	Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text);
	for (const name of ['input', 'change']) field.dispatchEvent(new Event(name, { bubbles: true }));
}

// The password goes into nothing that shows what is typed.
function isField(field, what) {
	if (!(field instanceof HTMLInputElement) || field.disabled || field.readOnly) return false;
	return what === 'password' ? field.type === 'password' : ['text', 'email', 'tel', 'number', 'password'].includes(field.type);
}

function act(args) {
	const step = args.page.steps[args.index];
	const allowed = [args.site, ...args.hosts];
	if (!isPlaceOf(step, args) || !fits(step)) return { done: false, why: 'gone' };
	const fields = step.fill.map(([selector, what]) => ({ field: seen(selector), what }));
	if (!fields.every(({ field, what }) => isField(field, what))) return { done: false, why: 'field' };
	const button = step.click ? seen(step.click) : null;
	const forms = [...fields.map(({ field }) => field), button ?? seen(step.if[0])].map(formOf);
	const sent = button ? null : forms.find(Boolean) ?? document.forms[0];
	if (!button && !sent) return { done: false, why: 'gone' };
	if ([...forms, sent].some((form) => leadsElsewhere(form, button, allowed))) return { done: false, why: 'elsewhere' };
	for (const { field, what } of fields) type(field, args.values[what]);
	if (button) button.click();
	else HTMLFormElement.prototype.requestSubmit.call(sent);
	return { done: true };
}
