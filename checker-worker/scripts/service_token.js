// service_token.js - a token of Moodle's mobile web service for the student who has just signed in.
//
// The page's document is the site's own word on whether it offers the service (LIGHT_PATH of
// common/worker/moodle.c), so nothing is asked of a site that does not. The password has been
// accepted by the sign-in before: a try here is never a wrong one that counts for a lockout. An
// account with a second factor does not come here: its token would get around the factor.

const TOKEN_PAGE = '/login/token.php';
const MAX_TOKEN_ANSWER = 64 * 1024;

// {token}, or null: then jobs take the browser's road.
async function askToken({ username, password, login_path: loginPath, wants_service: isWanted }) {
	const isOwnForm = (loginPath ?? LOGIN_PAGE) === LOGIN_PAGE; // elsewhere the password may be another site's
	if (!isWanted || !isOwnForm || !isServiceOffered()) return null;
	try {
		const body = new URLSearchParams({ username, password, service: 'moodle_mobile_app' });
		const init = { method: 'POST', body, redirect: 'manual', credentials: 'omit' };
		const { bytes } = await request(TOKEN_PAGE, init, MAX_TOKEN_ANSWER);
		const { token } = JSON.parse(textOf(bytes));
		return typeof token === 'string' ? { token } : null;
	} catch (error) {
		if (error.code === 'site_busy') throw error;
		return null;
	}
}

function isServiceOffered() {
	try {
		const [{ data }] = JSON.parse(document.body.textContent);
		return Number(data.enablewebservices) === 1 && Number(data.enablemobilewebservice) === 1;
	} catch (error) {
		return false;
	}
}
