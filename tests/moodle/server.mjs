#!/usr/bin/env node
// A stand-in Moodle site, for tests and for the demo: the URLs, fields, redirects, cookies and
// markup signs of Moodle 3.9 to 5.0, and nothing else of it. Node's standard library only.
//
//   node tests/moodle/server.mjs [--port N (0: any)] [--host 127.0.0.1] [--data FILE]
//        [--latency-ms N] [--generation 3.9|3.11|4.2|4.5|5.0] [--lang en|de|ar|ja] [--base-path /sub]
//        [--verbose] [--exit-with-stdin]
//
// Prints one line when it listens: "moodle stand-in listening on http://127.0.0.1:PORT/sub".
// Logs requests on stderr with --verbose only. Ends at once on SIGTERM and SIGINT, and with
// --exit-with-stdin when its standard input ends.
//
//   import { startMoodle } from './server.mjs';
//   const m = await startMoodle({ data, latencyMs, port, host, generation, lang, basePath });
//   m.url; m.control({ latency_ms: 50 }); m.state(); m.requests; m.sessionIds(); await m.close();
//
// `idp` (idp.mjs) is the identity provider that students are sent to by /auth/shibboleth/index.php, by the
// button of `login_form: false`, and with `cas: true`.
// `data` is a file name or an object of the same form as site.json (described in site.mjs).
// `m.requests` is an array of { method, path, user, status, ms }; `path` has the query, and
// status 0 means that the client left (or was left hanging) without an answer.
//
// Control over HTTP, below the base path: GET /__control (the state), POST /__control (a patch,
// answers the new state), GET /__control/requests. A patch has any of these keys; objects are
// merged (a null, false or 0 removes the entry), null empties a whole list or object:
//   latency_ms: 20                          every answer waits this long, inside the session lock
//   latency_by_path: {"/my/": 4700}         the longest matching prefix replaces latency_ms
//   fail: [{path_prefix, status, times?, method?, body?, headers?}]
//                                           answer this instead, `times` times (or always);
//                                           status 0 cuts the connection
//   hang: ["/mod/assign/"]                  these are never answered, and hold their
//                                           session's lock until the client leaves
//   maintenance: true                       Moodle's maintenance mode; 'closed': the one of an upgrade
//   not_moodle: true                        every page is a plain page of something else
//   expire_sessions: true                   drops all sessions, once (or "maya": only hers)
//   rotate_sesskeys: true                   every session gets a new sesskey, once
//   single_session: true                    a sign-in ends the student's older sessions, silently
//   autologin_guests: true                  a visitor who asks for a page is a guest from then on
//   slash_arguments: false                  links to files have the path in the query
//   cas: true                               the sign-in page leads to the identity provider at once
//   web_service: true                       the mobile web service is offered (web-service.mjs)
//   dead_tokens: true                       and takes none of its tokens any more
//   login_form: false                       sign-in through another site only: no form#login
//   ajax_errors: {methodname: errorcode}    this ajax function fails with that errorcode
//   status_errors: {cmid: errorcode}        the web service does not tell this assignment's state
//   lock: {"maya": true}                    the account is locked out at sign-in
//   status: {"maya": {"301": "submitted"}}  changes what a student has done (null: as in the data);
//                                           also an object, like in site.json, with epochs as dates
//   generation: "5.0"                       changes the markup from now on
//   reset: true                             all knobs, counts and the request log as at the start
// Prefixes are compared with path and query, without the base path. The state also has `counts`:
// requests, logins, failed_logins, factor_tries, lists, views, edit_opened (must stay 0), dashboards, files,
// ajax {method: n}, ws {function: n}, views_by_cmid {cmid: n}, sessions (alive now).
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Control } from './control.mjs';
import { isGeneration } from './generations.mjs';
import { makeHandler } from './router.mjs';
import { Sessions } from './sessions.mjs';
import { loadSite } from './site.mjs';
import { isLanguage } from './strings.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

export async function startMoodle(options = {}) {
	const { data = path.join(here, 'site.json'), port = 0, host = '127.0.0.1', latencyMs = 0 } = options;
	const { generation = '4.5', lang = 'en', basePath = '', idp = null, log = () => {} } = options;
	if (!isGeneration(generation)) throw new Error(`generation ${generation} is not known`);
	if (!isLanguage(lang)) throw new Error(`lang ${lang} is not known`);

	const base = basePath.replace(/\/+$/, '').replace(/^(?=[^/])/, '/');
	const sessions = new Sessions();
	const control = new Control({ latencyMs, generation, sessions });
	const moodle = { site: loadSite(data), sessions, control, lang, base, idp, log, wwwroot: '' };
	const server = http.createServer(makeHandler(moodle));
	server.keepAliveTimeout = 60_000;
	await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
	moodle.wwwroot = `http://${hostName(host)}:${server.address().port}${base}`;

	return {
		url: moodle.wwwroot,
		site: moodle.site,
		control: (patch) => control.apply(patch),
		state: () => control.state(),
		requests: control.requests,
		sessionIds: () => sessions.ids(),
		close: () => new Promise((resolve) => {
			server.close(resolve);
			server.closeAllConnections();
		}),
	};
}

// A site listening on all addresses is still known by one of them.
function hostName(host) {
	if (host === '0.0.0.0') return '127.0.0.1';
	if (host === '::') return '[::1]';
	return host.includes(':') ? `[${host}]` : host;
}

function readOptions() {
	const { values } = parseArgs({
		options: {
			port: { type: 'string', default: '0' },
			host: { type: 'string', default: '127.0.0.1' },
			data: { type: 'string' },
			'latency-ms': { type: 'string', default: '0' },
			generation: { type: 'string', default: '4.5' },
			lang: { type: 'string', default: 'en' },
			'base-path': { type: 'string', default: '' },
			verbose: { type: 'boolean', default: false },
			'exit-with-stdin': { type: 'boolean', default: false },
		},
	});
	return values;
}

async function main() {
	const options = readOptions();
	for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
	if (options['exit-with-stdin']) {
		process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
	}
	const moodle = await startMoodle({
		data: options.data,
		port: Number(options.port),
		host: options.host,
		latencyMs: Number(options['latency-ms']),
		generation: options.generation,
		lang: options.lang,
		basePath: options['base-path'],
		log: options.verbose ? (line) => process.stderr.write(`${line}\n`) : undefined,
	});
	process.stdout.write(`moodle stand-in listening on ${moodle.url}\n`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
	main().catch((error) => {
		process.stderr.write(`moodle stand-in: ${error.message}\n`);
		process.exit(1);
	});
}
