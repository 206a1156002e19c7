// signin.js - signs a student in to Moodle in the leased page's browser context, and reads the courses.
//
// args {wwwroot, username, password, login_path?, wants_service?}	login_path: of a site with its own
//	sign-in page; wants_service: also a token (service_token.js)
//      {wwwroot, username, arrived}	who has been signed in already, by a recipe (sso.c)
//      {wwwroot, username, code}	goes on where mfa_needed has stopped, in the same session
// ok   {user: {id, fullname}, sesskey, wwwroot, lang, service, service_offered, courses}	wwwroot as the
//	site itself writes it; service {token} or null; courses as in course_list.js
// fail wrong_password account_locked account_not_confirmed must_change_password
//	policy_agreement_needed profile_incomplete mfa_needed mfa_unsupported mfa_refused captcha_needed signs_in_elsewhere
//	signin_not_understood cookies_refused maintenance site_down not_moodle not_understood
//
// Four requests as a rule: the form, its POST, one light page, the courses. The POST's redirects are not
// followed (they end at /my/), so success and failure look alike there; the light page tells. What a
// token takes needs no session and goes beside them: one to ask whether the site has any, and one for it.

async function run(args) {
	return answer(args, async () => {
		const offered = canHaveToken(args) ? isServiceOffered() : null;
		const light = await (args.arrived ? arrive() : args.code === undefined ? signIn(args) : answerFactor(args.code));
		const [{ sesskey, userid, courses }, service] = await Promise.all([readCourseList(light.sesskey), askService(args, offered)]);
		return {
			user: describeUser(light, userid, args),
			sesskey,
			wwwroot: light.config.wwwroot ?? site.root,
			lang: light.lang,
			...service,
			courses,
		};
	});
}

async function signIn(args) {
	const answered = await post(await openForm(args.login_path ?? LOGIN_PAGE), args);
	expectAccountUsable(answered);
	const light = await fetchDoc(LIGHT_PAGE);
	expectCodeIfFactor(light);
	await expectSuccess(light, answered);
	return light;
}

async function arrive() {
	const light = await fetchDoc(LIGHT_PAGE);
	expectCodeIfFactor(light);
	expectAnswer(light);
	expectNoGate(light);
	if (!light.signedIn) {
		throw new Failure('signin_not_understood', 'The sign-in came back to Moodle, and nobody is signed in there.', light.path);
	}
	return light;
}

const LOGIN_PAGE = '/login/index.php';

const notMoodle = (message, detail) => new Failure('not_moodle', message, detail);
const signsInElsewhere = (detail) => new Failure('signs_in_elsewhere',
	'This Moodle signs in through another site, which is not set up here.', detail);

// A page that we ask for without following: null when it sends us on.
async function openUnredirected(path, init = {}) {
	const answered = await request(path, { redirect: 'manual', ...init });
	if (answered.response.type === 'opaqueredirect') return null;
	const page = pageOf(answered);
	expectAnswer(page);
	return page;
}

async function openLoginPage(path) {
	const page = await openUnredirected(path);
	if (page) return page;
	// Some builds send a signed-in student on; sites with an own sign-in page keep Moodle's here.
	if (await isAlreadySignedIn()) {
		await signOut();
		return openUnredirected(path);
	}
	return openUnredirected(`${LOGIN_PAGE}?loginredirect=0`);
}

const askWho = (sesskey) => ajax(sesskey, [{ methodname: 'core_session_time_remaining', args: {} }]);

// A wrong sesskey is answered differently to the living and the dead.
async function isAlreadySignedIn() {
	try {
		const [{ errorcode }] = await askWho('unknown');
		return errorcode === 'invalidsesskey';
	} catch (error) {
		if (error.code !== 'not_understood') throw error;
		return false; // not Moodle's ajax: the login page tells more
	}
}

// Moodle asks back without a sesskey; its question has the sesskey.
async function signOut() {
	const question = await openUnredirected('/login/logout.php');
	const sesskey = question?.sesskey;
	if (sesskey) await request(`/login/logout.php?sesskey=${sesskey}`, { redirect: 'manual' });
}

async function openForm(path) {
	let page = await openLoginPage(path);
	if (page?.doc.querySelector('form[action*="/login/logout.php"]')) {
		await signOut();
		page = await openLoginPage(path);
	}
	if (!page) throw signsInElsewhere('the login page leads elsewhere');
	const form = path === LOGIN_PAGE ? page.doc.querySelector('form#login') : findForm(page.doc);
	if (path === LOGIN_PAGE || !form) expectMoodle(page);
	if (page.doc.querySelector('.login-maintenance')) {
		throw maintenance('login page');
	}
	if (!form) throw signsInElsewhere('the login page has no form#login');
	if (form.querySelector('.login-form-recaptcha, .g-recaptcha, [name="g-recaptcha-response"]')) {
		throw new Failure('captcha_needed', 'Moodle asks for a captcha at sign-in.', 'login page');
	}
	return { page, form };
}

// A sign-in page of the site's own, which need not look like Moodle: what asks for a name and a password.
function findForm(doc) {
	return doc.querySelector('form#login') ?? [...doc.forms].find((form) => form.id !== 'guestlogin'
		&& form.querySelector('input[name=username]') && form.querySelector('input[name=password]')) ?? null;
}

function expectMoodle(page) {
	const isLoginPage = page.doc.body?.id === 'page-login-index';
	if (page.status !== 200 || (!page.config.wwwroot && !isLoginPage)) {
		throw notMoodle('This address does not look like a Moodle site.', `login page: HTTP ${page.status}`);
	}
	const { wwwroot } = page.config;
	if (wwwroot && wwwroot.replace(/\/+$/, '') !== site.root) {
		throw notMoodle(`This Moodle's own address is ${wwwroot}; please use that one.`, `asked at ${site.root}`);
	}
}

// The form's own hidden fields (the guest form beside it has a logintoken too), then ours.
function fieldsOf(form, args) {
	const fields = new URLSearchParams();
	for (const input of form.querySelectorAll('input[type=hidden][name]')) {
		fields.set(input.name, input.getAttribute('value') ?? '');
	}
	fields.set('username', args.username);
	fields.set('password', args.password);
	return fields;
}

async function post({ page, form }, args) {
	const action = new URL(form.getAttribute('action') || page.url, page.url).href;
	if (sitePath(action) === null) throw signsInElsewhere('the login form leads elsewhere');
	return openUnredirected(action, { method: 'POST', body: fieldsOf(form, args) });
}

// Moodle answers a POST in place only when the account cannot sign in whatever the password.
function expectAccountUsable(answered) {
	const said = visibleText(answered?.doc.querySelector('#loginerrormessage'));
	if (said) {
		throw new Failure('account_locked',
			'Moodle has locked this account for a while. Wait, or unlock it by Moodle\'s e-mail.', said);
	}
	if (answered?.doc.querySelector('form[action*="forgot_password.php"]') && !answered.doc.querySelector('form#login')) {
		throw mustChangePassword('restored account');
	}
}

const mustChangePassword = (detail) => new Failure('must_change_password',
	'Moodle wants a new password first. Sign in to Moodle once and change it.', detail);

async function expectSuccess(light, answered) {
	expectAnswer(light);
	expectNoGate(light);
	if (light.path === null) {
		throw new Failure('signs_in_elsewhere', 'Moodle sends the sign-in on to another site, or round in circles.',
			'after the sign-in');
	}
	if (light.signedIn) return;
	// The same notice says beforehand that it will expire, to who is signed in then.
	if (answered?.doc.querySelector('#notice')) throw mustChangePassword('expired, and changed elsewhere');
	if (answered && !answered.doc.querySelector('form#login')) {
		throw new Failure('account_not_confirmed', 'This Moodle account is not confirmed yet: open the link in the mail that Moodle sent.', 'answered in place');
	}
	if (light.path === LIGHT_PAGE) {
		throw new Failure('wrong_password', 'This is Moodle\'s guest account; use your own.', 'signed in as a guest');
	}
	if (!light.path.startsWith('/login/')) throw notUnderstood(`after the sign-in: ${light.path}`);
	if (!light.doc.querySelector('#loginerrormessage') && await cookiesAreRefused(light)) {
		throw new Failure('cookies_refused', 'Moodle did not keep its session cookie.', 'a new token for each page');
	}
	throw new Failure('wrong_password', 'Moodle did not accept this username and password.',
		visibleText(light.doc.querySelector('#loginerrormessage')));
}

// One session keeps its login token; a browser without the cookie gets a new one each time.
async function cookiesAreRefused(light) {
	const token = (page) => page?.doc.querySelector('form#login input[name=logintoken]')?.value ?? '';
	return token(light) !== token(await openUnredirected('/login/index.php'));
}

// ---------------------------------------------------------------- the second factor

const FACTOR_PAGE = '/admin/tool/mfa/auth.php';

const codeFieldOn = (page) => page.doc?.querySelector('form input[name=verificationcode]') ?? null;
const factorOn = (page) => codeFieldOn(page)?.form.querySelector('input[name=factor]')?.value ?? '';

// Security keys and the like cannot be answered by a code.
function expectCodeIfFactor(page) {
	if (page.path?.startsWith(FACTOR_PAGE) && !codeFieldOn(page)) {
		throw new Failure('mfa_unsupported', 'This account\'s second factor is no code, which Pensum cannot answer.', page.path);
	}
}

// One POST; the page that follows tells, as at the sign-in. An answered factor may be followed by another.
async function answerFactor(code) {
	const page = await openUnredirected(FACTOR_PAGE);
	if (page) {
		expectCodeIfFactor(page);
		await postCode(page, code);
	}
	const light = await fetchDoc(LIGHT_PAGE);
	if (light.path?.startsWith(FACTOR_PAGE)) {
		expectCodeIfFactor(light);
		throw new Failure('mfa_needed', page && factorOn(page) === factorOn(light)
			? 'Moodle did not accept this code. Try another one.' : 'Moodle asks for one more code.', light.path);
	}
	if (light.path?.startsWith('/login/')) {
		throw new Failure('mfa_refused', 'Moodle has ended this sign-in. Sign in again.', light.path);
	}
	expectSignedIn(light);
	return light;
}

async function postCode(page, code) {
	const { form } = codeFieldOn(page);
	const action = new URL(form.getAttribute('action') || page.url, page.url).href;
	if (sitePath(action) === null) throw signsInElsewhere('the form of the second factor leads elsewhere');
	const fields = new URLSearchParams();
	for (const input of form.querySelectorAll('input[type=hidden][name]')) {
		fields.set(input.name, input.getAttribute('value') ?? '');
	}
	fields.set('verificationcode', code);
	fields.set('submitbutton', form.querySelector('[name=submitbutton]')?.value || '1');
	await openUnredirected(action, { method: 'POST', body: fields });
}

function describeUser(light, userid, args) {
	const id = Number(light.config.userId) || userid;
	if (!(id > 0)) throw notUnderstood('after the sign-in: no user id');
	return { id, fullname: fullNameOn(light.doc) || args.username };
}

function fullNameOn(doc) {
	const named = doc.querySelector('.logininfo a[href*="/user/profile.php"], .logininfo a[href*="/user/view.php"]');
	const picture = doc.querySelector('.usermenu .userinitials, .usermenu img.userpicture');
	return visibleText(named) || collapse(picture?.getAttribute('title') || picture?.getAttribute('alt') || '')
		|| visibleText(doc.querySelector('.usermenu .usertext'))
		|| visibleText(doc.querySelector('#page-header h1, h1'));
}
