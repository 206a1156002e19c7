// service_token.js - a token of Moodle's mobile web service for the student who has just signed in.
//
// The site says itself whether it offers the service, so no token is asked of one that does not. The
// password has been accepted by the sign-in before: a try here is never a wrong one that counts for a
// lockout. An account with a second factor does not come here: its token would get around the factor.
// Neither request has a session, so neither waits for Moodle's lock on it, nor may the sign-in wait for
// them for long.

const CONFIG_METHOD = 'tool_mobile_get_public_config';
const CONFIG_PAGE = `/lib/ajax/service-nologin.php?info=${CONFIG_METHOD}&args=`
	+ encodeURIComponent(JSON.stringify([{ index: 0, methodname: CONFIG_METHOD, args: {} }]));
const TOKEN_PAGE = '/login/token.php';
const MAX_TOKEN_ANSWER = 64 * 1024;
const TOKEN_PATIENCE_MS = 5000; // from when the courses are asked for

// Elsewhere the password may be another site's.
const canHaveToken = ({ password, login_path: loginPath, wants_service: isWanted }) =>
	password !== undefined && isWanted === true && (loginPath ?? LOGIN_PAGE) === LOGIN_PAGE;

async function askWithoutSession(path, init = {}) {
	const { bytes } = await request(path, { redirect: 'manual', credentials: 'omit', ...init }, MAX_TOKEN_ANSWER);
	return JSON.parse(textOf(bytes));
}

// What the site says of itself; null: nothing.
async function isServiceOffered() {
	try {
		const [{ data }] = await askWithoutSession(CONFIG_PAGE);
		const said = [data.enablewebservices, data.enablemobilewebservice].map(Number);
		return said.every(Number.isInteger) ? said.every((one) => one === 1) : null;
	} catch (error) {
		return null;
	}
}

// {service, service_offered}: {token} or null, then jobs take the browser's road; isServiceOffered(), null
// also when nobody asked.
async function askService(args, offered) {
	const nothing = { service: null, service_offered: null };
	const tooLong = new Promise((resolve) => setTimeout(() => resolve(nothing), TOKEN_PATIENCE_MS));
	return offered ? Promise.race([serviceOf(args, offered), tooLong]) : nothing;
}

async function serviceOf(args, offered) {
	const isOffered = await offered;
	return { service: isOffered ? await askToken(args) : null, service_offered: isOffered };
}

async function askToken({ username, password }) {
	try {
		const body = new URLSearchParams({ username, password, service: 'moodle_mobile_app' });
		const { token } = await askWithoutSession(TOKEN_PAGE, { method: 'POST', body });
		return typeof token === 'string' ? { token } : null;
	} catch (error) {
		if (error.code === 'site_busy') throw error;
		return null;
	}
}
