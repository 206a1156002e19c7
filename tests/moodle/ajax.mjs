// /lib/ajax/service.php and service-nologin.php: a batch of calls in, a list of answers out,
// with Moodle's two shapes of error.
import { readFragment } from './assign-list.mjs';
import { eventsByCourse, eventsByCourses, eventsByTimesort, monthlyView } from './calendar.mjs';
import { coursesByTimeline, courseState } from './course-list.mjs';
import { MoodleError } from './errors.mjs';
import { shows } from './generations.mjs';
import { json } from './http.mjs';
import { DETOURS, detourOf } from './login.mjs';
import { isLanguage, text } from './strings.mjs';

// `login: false` may be called without signing in; `bare` works in half signed-in states too.
const FUNCTIONS = {
	core_session_time_remaining: { run: timeRemaining, bare: true },
	core_session_touch: { run: touch, bare: true },
	core_get_strings: { run: getStrings, login: false, bare: true },
	core_get_string: { run: (ctx, args) => oneString(ctx, args), login: false, bare: true },
	tool_mobile_get_public_config: { run: publicConfig, login: false, bare: true },
	core_course_get_enrolled_courses_by_timeline_classification: { run: coursesByTimeline },
	core_courseformat_get_state: { run: courseState },
	core_calendar_get_action_events_by_course: { run: eventsByCourse },
	core_calendar_get_action_events_by_courses: { run: eventsByCourses },
	core_calendar_get_action_events_by_timesort: { run: eventsByTimesort },
	core_calendar_get_calendar_monthly_view: { run: monthlyView },
	core_get_fragment: { run: readFragment },
};

const NOT_AJAX = new Set([
	'mod_assign_get_assignments', 'mod_assign_get_submission_status', 'core_course_get_contents',
	'core_webservice_get_site_info', 'core_enrol_get_users_courses',
]);

const MESSAGES = {
	servicerequireslogin: 'Service requires login',
	invalidsesskey: 'Incorrect sesskey submitted, form not accepted!',
	missingparam: 'A required parameter (sesskey) was missing',
	servicenotavailable: 'Web service is not available. (It doesn\'t exist or might be disabled.)',
	invalidparameter: 'Invalid parameter value detected',
};

function callError(ctx, error) {
	const branch = ctx.generation.replace(/\.(?=\d$)/, '0').replace('.', '');
	return {
		error: true,
		exception: {
			message: MESSAGES[error.errorcode] ?? error.message,
			errorcode: error.errorcode,
			link: `${ctx.wwwroot}/`,
			moreinfourl: `https://docs.moodle.org/${branch}/en/error/moodle/${error.errorcode}`,
		},
	};
}

function fatal(errorcode, message = errorcode) {
	return json({
		error: message, errorcode, stacktrace: null, debuginfo: null, reproductionlink: null,
	});
}

function parseBatch(source) {
	try {
		const calls = JSON.parse(source);
		return Array.isArray(calls) ? calls : null;
	} catch {
		return null;
	}
}

export function serveAjax(ctx) {
	if (ctx.query.get('nosessionupdate') !== 'true') ctx.session.lastUsed = Date.now();
	if (ctx.method !== 'POST') return fatal('invalidparameter', 'Invalid parameter value detected');
	return serveBatch(ctx, ctx.body, FUNCTIONS);
}

export function serveNoLogin(ctx) {
	const open = Object.fromEntries(Object.entries(FUNCTIONS).filter(([, f]) => f.login === false));
	return serveBatch(ctx, ctx.method === 'POST' ? ctx.body : ctx.query.get('args'), open);
}

function serveBatch(ctx, source, functions) {
	const calls = parseBatch(source ?? '');
	if (!calls) return fatal('codingerror', 'Coding error detected: invalid JSON in request');
	const unknown = calls.find((c) => !Object.hasOwn(FUNCTIONS, c.methodname) && !NOT_AJAX.has(c.methodname));
	if (unknown) {
		const errorcode = shows(ctx, 'overview') ? 'invalidrecordunknown' : 'invalidrecord';
		return fatal(errorcode, 'Can\'t find data record in database table external_functions.');
	}
	if (detourOf(ctx.session) === 'mfa') {
		return fatal('redirecterrordetected', 'Unsupported redirect detected, script execution terminated');
	}

	const answers = [];
	ctx.batch = { fragments: 0 };
	for (const call of calls) {
		ctx.control.countIn('ajax', call.methodname);
		try {
			checkCall(ctx, call.methodname, functions);
			answers.push({ error: false, data: FUNCTIONS[call.methodname].run(ctx, call.args ?? {}) });
		} catch (error) {
			if (!(error instanceof MoodleError)) throw error;
			answers.push(callError(ctx, error));
			break; // The rest of a batch is not run after its first failure.
		}
	}
	return json(answers);
}

function checkCall(ctx, method, functions) {
	if (!Object.hasOwn(functions, method)) throw new MoodleError('servicenotavailable');
	const { login, bare } = functions[method];
	const ordered = ctx.control.knobs.ajax_errors[method];
	if (login === false && ordered) throw new MoodleError(ordered);
	if (login === false) return;
	const { user, sesskey } = ctx.session;
	if (!user) throw new MoodleError('servicerequireslogin');
	const key = ctx.query.get('sesskey');
	if (key === null) throw new MoodleError('missingparam');
	if (key !== sesskey) throw new MoodleError('invalidsesskey');
	if (ordered) throw new MoodleError(ordered);
	if (bare) return;
	if (ctx.control.knobs.maintenance) throw new MoodleError('requireloginerror', text(ctx.lang, 'maintenance'));
	const detour = DETOURS[detourOf(ctx.session)];
	if (detour) throw new MoodleError(detour.errorcode);
}

function timeRemaining(ctx) {
	const { user, remainingS } = ctx.session;
	return { userid: user.isGuest ? 0 : user.id, timeremaining: remainingS };
}

function touch(ctx) {
	ctx.session.lastUsed = Date.now();
	return true;
}

function oneString(ctx, { stringid = '', lang = ctx.lang }) {
	if (!isLanguage(lang)) throw new MoodleError('invalidparameter');
	if (stringid.startsWith('activitydate:') && !shows(ctx, 'datesRegion')) return `[[${stringid}]]`;
	return text(lang, stringid);
}

function getStrings(ctx, { strings }) {
	if (!Array.isArray(strings)) throw new MoodleError('invalidparameter');
	return strings.map(({ stringid, component = 'moodle', lang }) => ({
		stringid, component, lang: lang ?? ctx.lang, string: oneString(ctx, { stringid, lang }),
	}));
}

function publicConfig(ctx) {
	return {
		wwwroot: ctx.wwwroot, httpswwwroot: ctx.wwwroot, sitename: ctx.site.name, guestlogin: 1,
		rememberusername: 2, authloginviaemail: 0, registerauth: '', forgottenpasswordurl: '',
		authinstructions: '', authnoneenabled: 0,
		enablewebservices: Number(ctx.control.knobs.web_service), enablemobilewebservice: Number(ctx.control.knobs.web_service),
		maintenanceenabled: ctx.control.knobs.maintenance ? 1 : 0, maintenancemessage: '',
		typeoflogin: 1, launchurl: `${ctx.wwwroot}/admin/tool/mobile/launch.php`, lang: ctx.siteLang,
		langmenu: 1, langlist: '', locale: '', tool_mobile_disabledfeatures: '', showloginform: 1,
		warnings: [],
	};
}
