// checker-worker/scripts/signin.js in a real browser, against the stand-in Moodle.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { generations } from '../../moodle/generations.mjs';
import { startMoodle } from '../../moodle/server.mjs';
import { startBrowser } from './browser.mjs';

const password = 'Pensum-demo-1';
let browser;
let moodle;

before(async () => {
	browser = await startBrowser();
	moodle = await startMoodle();
});
after(async () => {
	await browser?.close();
	await moodle?.close();
});

// Signs in with a fresh browser context; `use` may go on in it.
async function signIn(args, use = () => {}) {
	const page = await browser.newPage();
	try {
		const wwwroot = args.wwwroot ?? moodle.url;
		await page.openSite(wwwroot);
		const result = await page.run('signin', { wwwroot, password, ...args });
		await use(page, result);
		return result;
	} finally {
		await page.close();
	}
}

test('a student signs in and is told the courses with four requests and no dashboard', async () => {
	moodle.control({ reset: true });
	const result = await signIn({ username: 'maya' });
	assert.equal(result.ok, true);
	assert.equal(result.user.fullname, 'Maya Lindqvist');
	assert.ok(result.user.id > 0);
	assert.match(result.sesskey, /^\w+$/);
	assert.equal(result.wwwroot, moodle.url);
	assert.equal(result.lang, 'en');
	assert.ok(result.courses.some(({ id, name }) => id > 0 && name));
	assert.equal(result.service, null);
	assert.equal(result.cost.requests, 4);
	assert.ok(result.cost.bytes > 0);
	assert.equal(moodle.state().counts.dashboards, 0);
});

const askedFor = (path) => moodle.requests.filter((one) => one.path.startsWith(path)).length;

test('a token is asked for beside what the session is asked for, where the site offers the service', async () => {
	moodle.control({ reset: true, web_service: true, latency_by_path: { '/lib/ajax/service.php': 1000 } });
	const result = await signIn({ username: 'maya', wants_service: true });
	assert.match(result.service.token, /^\w+$/);
	assert.equal(result.service_offered, true);
	assert.equal(result.cost.requests, 6);
	const order = moodle.requests.map(({ path }) => path.split('?')[0]);
	assert.ok(order.indexOf('/login/token.php') < order.indexOf('/lib/ajax/service.php'), 'the courses take longer');

	moodle.control({ reset: true });
	const without = await signIn({ username: 'maya', wants_service: true });
	assert.deepEqual([without.service, without.service_offered], [null, false]);
	moodle.control({ reset: true, web_service: true });
	const wrong = await signIn({ username: 'maya', password: 'not this one', wants_service: true });
	assert.equal(wrong.code, 'wrong_password');
	assert.equal(askedFor('/login/token.php'), 0, 'the form has refused it before');
});

test('a site that does not say what it offers is signed in to all the same', async (t) => {
	t.after(() => moodle.control({ reset: true }));
	moodle.control({ reset: true, web_service: true, hang: ['/lib/ajax/service-nologin.php'] });
	const page = await browser.newPage();
	try {
		await page.goto(`${moodle.url}/login/index.php`);
		const result = await page.run('signin', { wwwroot: moodle.url, username: 'maya', password, wants_service: true });
		assert.deepEqual([result.ok, result.service, result.service_offered], [true, null, null]);
	} finally {
		await page.close();
	}
	assert.equal(askedFor('/login/token.php'), 0);
});

test('a password with every kind of character goes through, and a name comes back unescaped', async () => {
	const result = await signIn({ username: 'odd', password: 'p&ss <"w\'ord> ü🔑' });
	assert.equal(result.ok, true, JSON.stringify(result));
	assert.match(result.user.fullname, /O'Brien .*& Co/);
});

test('what stops a student is told apart', async (t) => {
	const cases = [
		['maya', 'wrong_password', { password: 'not this one' }],
		['nobody', 'wrong_password'],
		['sol', 'wrong_password'],
		['lena', 'account_locked'],
		['nina', 'account_not_confirmed'],
		['mo', 'must_change_password'],
		['exie', 'must_change_password'],
		['polly', 'policy_agreement_needed'],
		['prof', 'profile_incomplete'],
		['mfa', 'mfa_needed'],
	];
	for (const [username, code, more] of cases) {
		await t.test(`${username}: ${code}`, async () => {
			const result = await signIn({ username, ...more });
			assert.equal(result.ok, false);
			assert.equal(result.code, code, JSON.stringify(result));
			assert.match(result.message, /\.$/);
			assert.doesNotMatch(JSON.stringify(result), /Pensum-demo-1|not this one/);
		});
	}
});

test('a context where somebody is signed in is taken over by the next', async () => {
	await signIn({ username: 'maya' }, async (page) => {
		const second = await page.run('signin', { wwwroot: moodle.url, username: 'noel', password });
		assert.equal(second.ok, true, JSON.stringify(second));
		assert.equal(second.user.fullname, 'Noel Empty');
	});
});

test('a site in maintenance, a failing site and another kind of site are told apart', async () => {
	try {
		moodle.control({ maintenance: true });
		assert.equal((await signIn({ username: 'maya' })).code, 'maintenance');
		moodle.control({ maintenance: 'closed' });
		assert.equal((await signIn({ username: 'maya' })).code, 'maintenance');
		moodle.control({ reset: true, fail: [{ path_prefix: '/login/', status: 502 }] });
		assert.equal((await signIn({ username: 'maya' })).code, 'site_down');
		moodle.control({ reset: true, not_moodle: true });
		assert.equal((await signIn({ username: 'maya' })).code, 'not_moodle');
	} finally {
		moodle.control({ reset: true });
	}
});

test('a page that never comes ends at the time limit', async () => {
	try {
		moodle.control({ hang: ['/login/'] });
		const result = await signIn({ username: 'maya', timeout_ms: 300 });
		assert.equal(result.code, 'site_down');
		assert.match(result.detail, /300 ms/);
	} finally {
		moodle.control({ reset: true });
	}
});

test('a Moodle in a sub-path works, and its cookies belong to it', async () => {
	const below = await startMoodle({ basePath: '/lms/moodle' });
	try {
		const result = await signIn({ wwwroot: below.url, username: 'maya' }, async (page) => {
			const courses = await page.run('courses', { wwwroot: below.url });
			assert.equal(courses.ok, true, JSON.stringify(courses));
		});
		assert.equal(result.wwwroot, below.url);
		const above = await signIn({ wwwroot: new URL(below.url).origin, username: 'maya' }).catch(() => null);
		assert.notEqual(above?.ok, true);
	} finally {
		await below.close();
	}
});

// A site of a few fixed pages: {path: [status, headers, html]}.
async function fakeSite(pages, use) {
	const server = http.createServer((request, response) => {
		const { pathname } = new URL(request.url, 'http://site');
		const [status, headers, body] = pages(pathname, request) ?? [404, {}, 'nothing here'];
		response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', ...headers });
		response.end(body);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	try {
		await use(`http://127.0.0.1:${server.address().port}`);
	} finally {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	}
}

const loginPage = (form) => [200, {}, `<html><body id="page-login-index" class="lang-en">${form}</body></html>`];
const form = (inside) => `<form id="login" action="/login/index.php">${inside}</form>`;

test('a browser whose cookies are refused is told from a wrong password', async () => {
	let n = 0;
	const pages = (path, { method }) => {
		if (path === '/user/preferences.php' || method === 'POST') return [303, { Location: '/login/index.php' }, ''];
		return path === '/login/index.php' ? loginPage(form(`<input type="hidden" name="logintoken" value="t${n++}">`)) : null;
	};
	await fakeSite(pages, async (wwwroot) => {
		assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'cookies_refused');
	});
});

test('a site that signs in elsewhere is not followed there', async () => {
	let visits = 0;
	const other = (path) => {
		visits++;
		return loginPage(form(''));
	};
	await fakeSite(other, async (elsewhere) => {
		const pages = (path) => (path === '/login/index.php' ? [302, { Location: `${elsewhere}/sso` }, ''] : null);
		await fakeSite(pages, async (wwwroot) => {
			assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'signs_in_elsewhere');
		});
	});
	assert.equal(visits, 0);
});

test('buttons of other identity providers without a form are "signs in elsewhere"', async () => {
	const pages = (path) => (path === '/login/index.php' ? loginPage('<a class="login-identityprovider-btn">X</a>') : null);
	await fakeSite(pages, async (wwwroot) => {
		assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'signs_in_elsewhere');
	});
});

test('a captcha is seen before the password leaves', async () => {
	let posts = 0;
	const pages = (path, { method }) => {
		if (method === 'POST') posts++;
		return path === '/login/index.php' ? loginPage(form('<div class="login-form-recaptcha"></div>')) : null;
	};
	await fakeSite(pages, async (wwwroot) => {
		assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'captcha_needed');
	});
	assert.equal(posts, 0);
});

test('a page larger than the cap is refused', async () => {
	const pages = (path) => (path === '/login/index.php' ? [200, {}, 'x'.repeat(9 * 1024 * 1024)] : null);
	await fakeSite(pages, async (wwwroot) => {
		const result = await signIn({ wwwroot, username: 'maya' });
		assert.equal(result.code, 'not_understood');
		assert.match(result.detail, /more than/);
	});
});

test('a form that posts to another host is a clear failure, and nothing is posted', async () => {
	const elsewhere = [];
	const posts = [];
	const other = (path, { method }) => {
		elsewhere.push(`${method} ${path}`);
		return loginPage('');
	};
	await fakeSite(other, async (address) => {
		const target = address.replace('127.0.0.1', 'localhost');
		const pages = (path, { method }) => {
			if (method === 'POST') posts.push(path);
			return path === '/login/index.php' ? loginPage(`<form id="login" action="${target}/login/index.php"></form>`) : null;
		};
		await fakeSite(pages, async (wwwroot) => {
			assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'signs_in_elsewhere');
		});
	});
	assert.deepEqual(elsewhere, []);
	assert.deepEqual(posts, []);
});

test('a POST that is redirected to another host takes neither password nor cookies there', async () => {
	const elsewhere = [];
	const other = (path, { method, headers }) => {
		elsewhere.push(`${method} ${path} ${headers.cookie ?? ''}`);
		return loginPage('');
	};
	await fakeSite(other, async (address) => {
		const target = address.replace('127.0.0.1', 'localhost');
		const pages = (path, { method }) => {
			if (method === 'POST' || path === '/user/preferences.php') return [307, { Location: `${target}/take` }, ''];
			return path === '/login/index.php' ? loginPage(form('')) : null;
		};
		await fakeSite(pages, async (wwwroot) => {
			assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'signs_in_elsewhere');
		});
	});
	assert.deepEqual(elsewhere, []);
});

test('a site that redirects without end is a clear failure', async () => {
	const pages = (path, { method }) => {
		if (path === '/login/index.php' && method === 'GET') return loginPage(form(''));
		return path.startsWith('/lib/') ? null : [303, { Location: '/user/preferences.php' }, ''];
	};
	await fakeSite(pages, async (wwwroot) => {
		const result = await signIn({ wwwroot, username: 'maya' });
		assert.equal(result.code, 'signs_in_elsewhere');
		assert.match(result.message, /circles/);
	});
});

test('a page that begins and never finishes ends at the time limit', async () => {
	const server = http.createServer((request, response) => {
		response.writeHead(200, { 'Content-Type': 'text/html' });
		if (!request.url.startsWith('/login/')) return response.end('<html></html>');
		const drip = setInterval(() => response.write('<p>'), 50);
		return response.on('close', () => clearInterval(drip));
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	try {
		const wwwroot = `http://127.0.0.1:${server.address().port}`;
		assert.equal((await signIn({ wwwroot, username: 'maya', timeout_ms: 500 })).code, 'site_down');
	} finally {
		server.closeAllConnections();
		await new Promise((resolve) => server.close(resolve));
	}
});

test('a site with a sign-in page of its own is signed in to there', async () => {
	const posted = [];
	const inside = [200, {}, `<html><head><script>M.cfg = {"wwwroot":"","sesskey":"abc","userId":7};</script></head>
		<body><a href="/login/logout.php?sesskey=abc">out</a><h1>Maya</h1></body></html>`];
	const pages = (path, { method }) => {
		if (path === '/campus/sign-in') return [200, {}, '<form action="/login/index.php"><input name="username"><input name="password" type="password"></form>'];
		if (path === '/lib/ajax/service.php') return [200, {}, '[{"data":{"userid":7}},{"data":{"courses":[],"nextoffset":0}}]'];
		if (method === 'POST') posted.push(path);
		if (path === '/login/index.php') return [303, { Location: method === 'POST' ? '/my/' : '/campus/sign-in' }, ''];
		return path === '/user/preferences.php' ? inside : null;
	};
	await fakeSite(pages, async (wwwroot) => {
		const result = await signIn({ wwwroot, username: 'maya', login_path: '/campus/sign-in' });
		assert.equal(result.ok, true, JSON.stringify(result));
		assert.equal(result.user.id, 7);
	});
	assert.deepEqual(posted, ['/login/index.php']);
});

test('a second factor is answered in the session that asked for it', async () => {
	moodle.control({ reset: true });
	await signIn({ username: 'mfa' }, async (page, asked) => {
		assert.equal(asked.code, 'mfa_needed');
		const wrong = await page.run('signin', { wwwroot: moodle.url, username: 'mfa', code: '000000' });
		assert.equal(wrong.code, 'mfa_needed');
		assert.match(wrong.message, /did not accept this code/);
		const right = await page.run('signin', { wwwroot: moodle.url, username: 'mfa', code: '246810' });
		assert.equal(right.ok, true, JSON.stringify(right));
		assert.equal(right.user.fullname, 'Mia Factor');
		const again = await page.run('signin', { wwwroot: moodle.url, username: 'mfa', code: '246810' });
		assert.equal(again.ok, true, 'an attempt that is repeated finds it passed');
	});
	assert.equal(moodle.state().counts.logins, 1);
});

test('after too many wrong codes Moodle ends the sign-in, and that is said', async () => {
	await signIn({ username: 'mfa' }, async (page) => {
		const tryCode = () => page.run('signin', { wwwroot: moodle.url, username: 'mfa', code: 'x' });
		assert.equal((await tryCode()).code, 'mfa_needed');
		assert.equal((await tryCode()).code, 'mfa_needed');
		assert.equal((await tryCode()).code, 'mfa_refused');
	});
});

test('a second factor that is no code is told apart', async () => {
	const data = { students: [{ username: 'key', password, firstname: 'K', lastname: 'Y', email: 'k@example.edu', detour: 'mfa' }] };
	const other = await startMoodle({ data });
	try {
		assert.equal((await signIn({ wwwroot: other.url, username: 'key' })).code, 'mfa_unsupported');
	} finally {
		await other.close();
	}
});

test('a busy site is waited for as it asks, and one that asks for long is left alone', async () => {
	try {
		moodle.control({ reset: true, fail: [{ path_prefix: '/user/', status: 429, times: 1, headers: { 'Retry-After': '1' } }] });
		const result = await signIn({ username: 'maya' });
		assert.equal(result.ok, true, JSON.stringify(result));
		assert.equal(result.cost.requests, 5);
		const asked = moodle.requests.filter((r) => r.path.startsWith('/user/'));
		assert.equal(asked.length, 2);
		moodle.control({ reset: true, fail: [{ path_prefix: '/login/', status: 503, headers: { 'Retry-After': '90' } }] });
		const busy = await signIn({ username: 'maya' });
		assert.deepEqual([busy.code, busy.retry_after_s], ['site_busy', 90]);
		assert.equal(moodle.requests.filter((r) => r.path.startsWith('/login/')).length, 1, 'it is not asked again');
	} finally {
		moodle.control({ reset: true });
	}
});

for (const generation of generations) {
	test(`Moodle ${generation}: in, refused, locked, signed in already, and elsewhere`, async () => {
		const other = await startMoodle({ generation });
		const wwwroot = other.url;
		const isNew = ['4.5', '5.0', '5.1'].includes(generation);
		try {
			await signIn({ wwwroot, username: 'maya' }, async (page, first) => {
				assert.equal(first.ok, true, JSON.stringify(first));
				assert.equal(first.cost.requests, 4);
				const again = await page.run('signin', { wwwroot, username: 'noel', password });
				assert.equal(again.ok, true, JSON.stringify(again));
				assert.notEqual(again.user.id, first.user.id);
			});
			assert.equal((await signIn({ wwwroot, username: 'maya', password: 'not it' })).code, 'wrong_password');
			assert.equal((await signIn({ wwwroot, username: 'lena' })).code, isNew ? 'account_locked' : 'wrong_password');
			assert.equal((await signIn({ wwwroot, username: 'mo' })).code, 'must_change_password');
			other.control({ login_form: false });
			assert.equal((await signIn({ wwwroot, username: 'maya' })).code, 'signs_in_elsewhere');
		} finally {
			await other.close();
		}
	});
}
