// What comes in on the port: requests that are no requests, and the answers that they get.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { sleep } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';
import { startStack } from './stack.mjs';

let stack;
before(async () => (stack = await startStack()));
after(async () => stack?.stop()); // throws unless the exit is clean under the sanitizers

const H = 'Host: x\r\n';
const get = (headers, target = '/health', version = '1.1') =>
	`GET ${target} HTTP/${version}\r\n${headers}\r\n`;
const post = (headers, body = '', target = '/api/v1/session') =>
	`POST ${target} HTTP/1.1\r\n${H}${headers}\r\n${body}`;
const json = 'Content-Type: application/json\r\n';
const next = get(H); // would be answered 200 if the connection had lost its place

// [what, bytes, status, code]
const malformed = [
	['an empty request line', '\r\n\r\n', 400, 'bad_request'],
	['words that are no request', 'hello world\r\n\r\n', 400, 'bad_request'],
	['a lone method', 'GET\r\n\r\n', 400, 'bad_request'],
	['no version', `GET /health\r\n${H}\r\n`, 400, 'bad_request'],
	['a version that is none', `GET /health HTTZ/1.1\r\n${H}\r\n`, 400, 'bad_request'],
	['a version without number', `GET /health HTTP/\r\n${H}\r\n`, 400, 'bad_request'],
	['letters as a version', `GET /health HTTP/a.b\r\n${H}\r\n`, 400, 'bad_request'],
	['HTTP/1.9', get(H, '/health', '1.9'), 505, 'bad_version'],
	['HTTP/2.0', get(H, '/health', '2.0'), 400, 'bad_request'],
	['HTTP/0.9 by number', get(H, '/health', '0.9'), 505, 'bad_version'],
	['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', null, null],
	['an unknown method', `BREW /health HTTP/1.1\r\n${H}\r\n`, 501, 'bad_method'],
	['a method in lower case', `get /health HTTP/1.1\r\n${H}\r\n`, 501, 'bad_method'],
	['CONNECT', `CONNECT example.com:443 HTTP/1.1\r\n${H}\r\n`, null, null],
	['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400, 'bad_request'],
	['no Host', get(''), 400, 'bad_host'],
	['two Hosts', get('Host: x\r\nHost: x\r\n'), 400, 'bad_host'],
	['two Hosts that differ', get('Host: x\r\nHost: y\r\n'), 400, 'bad_host'],
	['a Host with a space', get('Host: x y\r\n'), 400, 'bad_host'],
	['a Host with a path', get('Host: x/y\r\n'), 400, 'bad_host'],
	['a Host with a user', get('Host: a@x\r\n'), 400, 'bad_host'],
	['an empty Host', get('Host:\r\n'), 400, 'bad_host'],
	['a header without colon', get(`${H}nonsense\r\n`), 400, 'bad_request'],
	['a space before the colon', get(`${H}Name : v\r\n`), 400, 'bad_header'],
	['an empty header name', get(`${H}: v\r\n`), 400, 'bad_header'],
	['a tab in a header name', get(`${H}A\tB: v\r\n`), 400, 'bad_header'],
	['a header name beyond ASCII', get(`${H}N\xe9: v\r\n`), 400, 'bad_header'],
	['a parenthesis in a header name', get(`${H}(a): v\r\n`), 400, 'bad_header'],
	['a control character in a header name', get(`${H}A\x01: v\r\n`), 400, 'bad_header'],
	['101 headers', get(H + 'A: b\r\n'.repeat(101)), 400, 'too_many_headers'],
	['a head of 20 KiB in one header', get(`${H}A: ${'x'.repeat(20000)}\r\n`), 400, 'bad_request'],
	['a head of 20 KiB in many headers', get(H + `A: ${'x'.repeat(90)}\r\n`.repeat(220)), 400, 'bad_request'],
	['a target of 20 KiB', get(H, `/${'x'.repeat(20000)}`), 400, 'bad_request'],
	['Content-Length twice, different', post('Content-Length: 2\r\nContent-Length: 3\r\n', '{} '), 400, 'bad_length'],
	['Content-Length twice, the same', post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}'), 400, 'bad_length'],
	['Content-Length +2', post(`${json}Content-Length: +2\r\n`, '{}'), 400, 'bad_length'],
	['Content-Length -1', post(`${json}Content-Length: -1\r\n`), 400, 'bad_request'],
	['Content-Length 0x2', post(`${json}Content-Length: 0x2\r\n`, '{}'), 400, 'bad_request'],
	['Content-Length 2, 2', post(`${json}Content-Length: 2, 2\r\n`, '{}'), 400, 'bad_request'],
	['Content-Length abc', post(`${json}Content-Length: abc\r\n`), 400, 'bad_request'],
	['an empty Content-Length', post(`${json}Content-Length:\r\n`), 400, null],
	['Content-Length 2^64', post(`${json}Content-Length: 18446744073709551616\r\n`), null, null],
	['Content-Length 2^63', post(`${json}Content-Length: 9223372036854775807\r\n`), 413, 'body_too_large'],
	['a body one byte too long', post(`${json}Content-Length: 65537\r\n`, 'x'.repeat(65537)), 413, 'body_too_large'],
	['CL and TE', post(`${json}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'), 400, null],
	['TE and CL', post(`${json}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n`, '0\r\n\r\n'), 400, null],
	['TE twice', post(`${json}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'), null, null],
	['TE xchunked', post(`${json}Transfer-Encoding: xchunked\r\n`, next), 501, 'bad_encoding'],
	['TE gzip, chunked', post(`${json}Transfer-Encoding: gzip, chunked\r\n`, '0\r\n\r\n'), 501, 'bad_encoding'],
	['TE identity', post(`${json}Transfer-Encoding: identity\r\n`, next), 501, 'bad_encoding'],
	['TE on HTTP/1.0', `POST /api/v1/session HTTP/1.0\r\n${H}${json}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'bad_encoding'],
	['a chunk of size -1', post(`${json}Transfer-Encoding: chunked\r\n`, '-1\r\nx\r\n0\r\n\r\n'), null, null],
	['a chunk of size zz', post(`${json}Transfer-Encoding: chunked\r\n`, 'zz\r\nx\r\n0\r\n\r\n'), null, null],
	['a chunk of size FFFFFFFFFFFFFFFF', post(`${json}Transfer-Encoding: chunked\r\n`, 'FFFFFFFFFFFFFFFF\r\nx\r\n'), null, null],
	['chunks of 70 KB', post(`${json}Transfer-Encoding: chunked\r\n`, `4000\r\n${'x'.repeat(0x4000)}\r\n`.repeat(5) + '0\r\n\r\n'), 413, 'body_too_large'],
	['GET with a body', get(`${H}Content-Length: ${next.length}\r\n`) + next, 400, 'unexpected_body'],
	['GET with chunks', get(`${H}Transfer-Encoding: chunked\r\n`) + `0\r\n\r\n${next}`, 400, 'unexpected_body'],
	['HEAD with a body', `HEAD /health HTTP/1.1\r\n${H}Content-Length: 5\r\n\r\nhello${next}`, 400, null],
	['DELETE with a body', `DELETE /api/v1/session HTTP/1.1\r\n${H}Content-Length: ${next.length}\r\n\r\n${next}`, 400, 'unexpected_body'],
	['OPTIONS with a body', `OPTIONS / HTTP/1.1\r\n${H}Content-Length: ${next.length}\r\n\r\n${next}`, 400, 'unexpected_body'],
	['an expectation that is unknown', post(`${json}Expect: miracles\r\nContent-Length: 2\r\n`), 417, 'bad_expectation'],
	['%00 in the path', get(H, '/health%00'), 400, 'bad_uri'],
	['%00 before an extension', get(H, '/index.html%00.png'), 400, 'bad_uri'],
	['a line feed in the path', get(H, '/health%0a'), 400, 'bad_uri'],
	['a path that is no UTF-8', get(H, '/%ff%fe'), 400, 'bad_uri'],
	['a target that is no path', get(H, 'health'), 400, 'bad_uri'],
	['a target with a scheme of its own', get(H, 'file:///etc/passwd'), 400, 'bad_uri'],
	['a target that names another host', get(H, 'http://evil/health'), 400, 'bad_uri'],
	['a target with a user', get(H, 'http://a@x/health'), 400, 'bad_uri'],
	['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${H}\r\n`, 400, 'bad_uri'],
	['a space in the target', get(H, '/hea lth'), null, null],
	['a body that is no JSON', post(`${json}Content-Length: 3\r\n`, 'abc'), 400, 'bad_json'],
	['a body that is an array', post(`${json}Content-Length: 2\r\n`, '[]'), 400, 'bad_json'],
	['a body that is no UTF-8', post(`${json}Content-Length: 7\r\n`, '{"a":"\xff'), 400, 'bad_utf8'],
	['a body with a key twice', post(`${json}Content-Length: 13\r\n`, '{"a":1,"a":2}'), 400, 'bad_json'],
	['a body of 100 brackets', post(`${json}Content-Length: 100\r\n`, '['.repeat(100)), 400, 'bad_json'],
	['a body with rubbish behind it', post(`${json}Content-Length: 4\r\n`, '{} x'), 400, 'bad_json'],
	['no body', post(`${json}Content-Length: 0\r\n`), 400, 'bad_json'],
	['a form', post('Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n', 'a=b'), 415, 'not_json'],
	['text', post('Content-Type: text/plain\r\nContent-Length: 2\r\n', '{}'), 415, 'not_json'],
	['a body without type', post('Content-Length: 2\r\n', '{}'), 415, 'not_json'],
	['JSON by a longer name', post('Content-Type: application/jsonx\r\nContent-Length: 2\r\n', '{}'), 415, 'not_json'],
	['another Origin', post(`${json}Origin: http://evil\r\nContent-Length: 2\r\n`, '{}'), 403, 'bad_origin'],
	['Origin null', post(`${json}Origin: null\r\nContent-Length: 2\r\n`, '{}'), 403, 'bad_origin'],
	['https where we are http', post(`${json}Origin: https://x\r\nContent-Length: 2\r\n`, '{}'), 403, 'bad_origin'],
	['a request from another site', post(`${json}Sec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n`, '{}'), 403, 'bad_origin'],
];

test('malformed requests get one answer, 4xx or 5xx, as problem+json with a code', async (t) => {
	assert.ok(malformed.length >= 60);
	for (const [what, bytes, status, code] of malformed) {
		await t.test(what, async () => {
			const answer = await stack.raw(bytes, { endMs: 2500 });
			if (answer.text !== '') {
				assert.ok(answer.status >= 400 && answer.status < 600, answer.text);
				if (!bytes.startsWith('HEAD')) {
					assert.ok(answer.code, answer.text);
					assert.match(answer.text, /Content-Type: application\/problem\+json\r\n/);
				}
			}
			assert.ok(answer.answers <= 1, `desynchronised: ${answer.text}`);
			if (status !== null) assert.equal(answer.status, status, answer.text);
			if (code) assert.equal(answer.code, code, answer.text);
		});
	}
	assert.equal((await fetch(`${stack.url}/health`)).status, 200);
});

test('requests that are unusual but right are answered', async (t) => {
	const fine = [
		['HTTP/1.0', get(H, '/health', '1.0'), 200],
		['HTTP/1.0 without Host', get('', '/health', '1.0'), 200],
		['an encoded path', get(H, '/%68ealth'), 200],
		['a query', get(H, '/health?a=b&c'), 200],
		['an absolute target for this host', get(H, 'http://x/health'), 200],
		['a Host with a port', get('Host: x:80\r\n'), 200],
		['an IPv6 Host', get('Host: [::1]:80\r\n'), 200],
		['a method that is not for this path', `PATCH /health HTTP/1.1\r\n${H}\r\n`, 405],
		['TRACE', `TRACE /health HTTP/1.1\r\n${H}\r\n`, 405],
		['OPTIONS', `OPTIONS /health HTTP/1.1\r\n${H}\r\n`, 405],
		['a path that there is not', get(H, '/nothing'), 404],
		['an API path that there is not', get(H, '/api/v1/nothing'), 404],
		['an id that is none', get(H, '/api/v1/jobs/xyz'), 404],
		['an operator\'s path on the public port', get(H, '/metrics'), 404],
	];
	for (const [what, bytes, status] of fine)
		await t.test(what, async () => {
			const answer = await stack.raw(bytes);
			assert.equal(answer.status, status, answer.text);
			assert.equal(answer.answers, 1);
		});
});

test('Expect: 100-continue is met before the body, and the answer follows', async () => {
	const bytes = post(`${json}Expect: 100-continue\r\nContent-Length: 3\r\n`);
	const first = await stack.raw(bytes);
	assert.equal(first.text, 'HTTP/1.1 100 Continue\r\n\r\n');
	const both = await stack.raw(`${bytes}abc`);
	assert.equal(both.status, 400); // the body is there already: no need to ask for it
	const large = await stack.raw(post(`${json}Expect: 100-continue\r\nContent-Length: 99999\r\n`));
	assert.equal(large.status, 413);
});

test('pipelined requests are answered in order, one at a time', async () => {
	const answer = await stack.raw(get(H) + get(H, '/nothing') + get(H));
	assert.deepEqual([...answer.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]),
		['200', '404', '200']);
});

test('answers that the socket has no room for go on when it has, and nobody else waits for them', async () => {
	const COUNT = 1500;
	const page = (await (await fetch(`${stack.url}/style.css`)).arrayBuffer()).byteLength;
	const socket = net.connect(stack.port, '127.0.0.1');
	let bodies = 0, text = '';
	socket.setEncoding('latin1');
	socket.pause();
	socket.write(get(H, '/style.css').repeat(COUNT));
	await sleep(300);
	assert.equal((await fetch(`${stack.url}/health`)).status, 200);
	for await (const data of socket) {
		for (text += data; ;) {
			const end = text.indexOf('\r\n\r\n');
			if (end < 0 || text.length < end + 4 + page) break;
			assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
			[bodies, text] = [bodies + 1, text.slice(end + 4 + page)];
		}
		if (bodies === COUNT) break;
	}
	assert.equal(bodies, COUNT);
	assert.equal(text, '');
});

test('HEAD has the length and no body, and the connection goes on', async () => {
	const answer = await stack.raw(`HEAD /health HTTP/1.1\r\n${H}\r\n` + get(H, '/nothing'));
	assert.equal(answer.answers, 2);
	const [head, rest] = answer.text.split('\r\n\r\n');
	assert.match(head, /Content-Length: [1-9]/);
	assert.match(rest, /^HTTP\/1\.1 404/);
});

test('405 says what is allowed', async () => {
	const answer = await fetch(`${stack.url}/api/v1/session`, { method: 'PUT' });
	assert.equal(answer.status, 405);
	assert.match(answer.headers.get('allow'), /POST/);
	assert.match(answer.headers.get('allow'), /DELETE/);
});

test('every answer has the security headers, and the time', async () => {
	const data = ['content-security-policy', 'x-content-type-options', 'cross-origin-resource-policy'];
	const page = [...data, 'referrer-policy', 'cross-origin-opener-policy', 'permissions-policy'];
	const paths = { '/health': data, '/nothing': page, '/': page, '/api/v1/jobs': data, '/health%00': data };
	for (const [path, names] of Object.entries(paths)) {
		const { headers } = await fetch(stack.url + path);
		for (const name of names) assert.ok(headers.get(name), `${name} on ${path}`);
		assert.match(headers.get('date'), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
		assert.ok(Math.abs(Date.parse(headers.get('date')) - Date.now()) < 60_000, path);
	}
	const own = await stack.raw('nonsense\r\n\r\n');
	assert.match(own.text, /Content-Security-Policy: default-src 'none'/);
	assert.equal((await fetch(`${stack.url}/api/v1/jobs`)).headers.get('cache-control'), 'no-store');
});

test('the head limit holds however the head is split', async () => {
	const { connect } = await import('node:net');
	for (const size of [1, 100, 5000]) {
		const status = await new Promise((resolve) => {
			const socket = connect(stack.port, '127.0.0.1');
			const bytes = get(`${H}A: ${'x'.repeat(17000)}\r\n`);
			let text = '';
			socket.on('data', (d) => (text += d));
			socket.on('error', () => {});
			socket.on('close', () => resolve(text.slice(9, 12)));
			(async () => {
				for (let at = 0; at < bytes.length && !socket.destroyed; at += size) {
					socket.write(bytes.slice(at, at + size));
					if (at % 1000 < size) await new Promise((r) => setImmediate(r));
				}
			})();
		});
		assert.equal(status, '400', `pieces of ${size}`);
	}
});

test('the admin port has health and no API, and wants an address as its Host', async () => {
	const ask = (target, host = '127.0.0.1') =>
		stack.raw(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, { port: stack.adminPort });
	assert.equal((await ask('/health')).status, 200);
	assert.equal((await ask('/health', 'localhost:8081')).status, 200);
	assert.equal((await ask('/health', 'evil.example')).status, 421);
	assert.equal((await ask('/api/v1/jobs')).status, 404);
	assert.equal((await ask('/index.html')).status, 404);
});
