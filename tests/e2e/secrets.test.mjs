// Passwords, Moodle's cookies and session tokens appear nowhere in the clear: not in Redis, not in
// PostgreSQL, not in a log, not in a command line, not in the environment of a process.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { run } from '../support/process.mjs';
import { startSystem } from '../support/system.mjs';

const PASSWORD = 'Pensum-demo-1';

function readOrEmpty(file) {
	try {
		return fs.readFileSync(file, 'utf8');
	} catch {
		return '';
	}
}

// Everything that /proc tells of all processes but this one.
function processTexts() {
	const texts = [];
	for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
		texts.push(readOrEmpty(`/proc/${pid}/cmdline`), readOrEmpty(`/proc/${pid}/environ`));
	}
	return texts.join('\n');
}

async function redisTexts(redis) {
	const texts = [];
	for (const key of await redis.command('KEYS', '*')) {
		const type = await redis.command('TYPE', key);
		if (type === 'none') continue; // its time was over meanwhile
		const read = { string: ['GET', key], hash: ['HGETALL', key], stream: ['XRANGE', key, '-', '+'] }[type];
		assert.ok(read, `${key} is a ${type}`);
		texts.push(key, JSON.stringify(await redis.command(...read)));
	}
	return texts.join('\n');
}

test('no secret is anywhere in the clear', async () => {
	const system = await startSystem({ settings: { 'log.level': 'debug' }, moodle: { latencyMs: 20 } });
	const processes = [];
	const sampler = setInterval(() => processes.push(processTexts()), 50);
	const places = {};
	const secrets = { password: PASSWORD };
	try {
		const p = system.client();
		const wrong = system.client();
		await assert.rejects(wrong.signIn('maya', 'Wrong-password-1'));
		secrets['wrong password'] = 'Wrong-password-1';
		await p.signIn('maya', PASSWORD);
		places['redis after sign-in'] = await redisTexts(system.redis);
		secrets['session token'] = p.cookie.split('=')[1];
		const { courses } = await p.courses();
		await p.check(courses.map((c) => c.id));
		const owed = (await p.assignments()).filter((a) => a.pending).slice(0, 2);
		await p.documents(owed.map((a) => a.id));
		// A sign-in that cannot be done stays queued with its sealed password: look there too.
		system.moodle.control({ hang: ['/'] });
		await system.client().call('POST', '/api/v1/session', { username: 'dieter', password: PASSWORD });
		await new Promise((resolve) => setTimeout(resolve, 500));
		places.redis = await redisTexts(system.redis);
		places.postgres = (await run('pg_dump', ['-h', system.postgres.folder, '-U', 'postgres', 'pensum'])).stdout;
		assert.match(places.postgres, /moodle_sessions/);
		system.moodle.sessionIds().forEach((id, i) => (secrets[`Moodle cookie ${i}`] = id));
		assert.ok(system.moodle.sessionIds().length > 0);
		p.close();
		wrong.close();
	} finally {
		clearInterval(sampler);
		system.moodle.control({ reset: true });
		await system.stop();
	}
	places.logs = system.logText();
	places.processes = processes.join('\n');
	assert.match(places.logs, /job ended/);
	assert.match(places.processes, /remote-debugging-pipe/, 'the browsers were seen');
	for (const [where, text] of Object.entries(places)) {
		for (const [what, secret] of Object.entries(secrets)) {
			assert.ok(!text.includes(secret), `${what} in ${where}`);
			assert.ok(!text.includes(Buffer.from(secret).toString('base64')), `${what} as base64 in ${where}`);
		}
	}
});
