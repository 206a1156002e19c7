// The peer of tests/bench/gateway: the gateway's course list and live channel as one would write them
// for Node. Settings come as one JSON argument: { port, redis, postgres: { host, user, database } }.
import crypto from 'node:crypto';
import http from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NPM_MODULES}/`);
const express = require('express');
const { WebSocketServer } = require('ws');
const Redis = require('ioredis');
const { Pool } = require('pg');

const settings = JSON.parse(process.argv[2]);
const PING_MS = 25_000;
const connectRedis = () => {
	const client = new Redis({ path: settings.redis, maxRetriesPerRequest: 0, enableOfflineQueue: false,
		retryStrategy: (times) => Math.min(times * 50, 1000) });
	client.on('error', () => {}); // an outage is seen by its status
	return client;
};
const redis = connectRedis(), events = connectRedis();
const postgres = new Pool({ ...settings.postgres, max: 4 });

// ---- sessions ----

const cached = async (key) => {
	if (redis.status !== 'ready') return null;
	const text = await redis.get(key).catch(() => null);
	return text ? JSON.parse(text) : null;
};
const remember = (key, value, seconds) => {
	if (redis.status === 'ready') redis.set(key, JSON.stringify(value), 'EX', seconds).catch(() => {});
};

async function sessionOf(request) {
	const token = /(?:^|; )pensum_session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
	if (!token) return null;
	const hash = crypto.createHash('sha256').update(token).digest('hex');
	const known = await cached(`node:session:${hash}`);
	if (known && known.expires_at * 1000 > Date.now()) return known;
	const { rows } = await postgres.query(`SELECT user_id, extract(epoch FROM expires_at)::int AS expires_at
		FROM pensum.sessions WHERE token_hash = $1 AND active AND expires_at > now()`, [hash]);
	if (rows[0]) remember(`node:session:${hash}`, rows[0], 300);
	return rows[0] ?? null;
}

// ---- the course list: the answer lies in Redis as it is sent ----

async function answerOf(userId) {
	const { rows: [list] } = await postgres.query(`SELECT courses, read_at, expires_at,
		(SELECT jsonb_object_agg(course_id, checked_at) FROM pensum.course_checks WHERE user_id = $1) AS checks
		FROM pensum.course_lists WHERE user_id = $1 AND expires_at > now()`, [userId]);
	return list && { source: 'postgres', read_at: list.read_at.toISOString(), expires_at: list.expires_at.toISOString(),
		courses: list.courses.map((course) => ({ ...course, checked_at: list.checks?.[course.id] ?? null })) };
}

const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.get('/api/v1/courses', async (request, response) => {
	const session = await sessionOf(request);
	if (!session) return void response.status(401).json({ code: 'signed_out' });
	const key = `node:courses:${session.user_id}`;
	const known = redis.status === 'ready' ? await redis.get(key).catch(() => null) : null;
	if (known) return void response.type('json').send(known);
	const answer = await answerOf(session.user_id);
	if (!answer) return void response.status(404).json({ code: 'not_found' });
	remember(key, { ...answer, source: 'redis' }, 3600);
	response.json(answer);
});

// ---- the live channel ----

const channelsOf = new Map(); // job id → set of sockets
const server = http.createServer(app);
const live = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 4096, clientTracking: true });

function subscribe(socket, job) {
	if (!channelsOf.has(job)) channelsOf.set(job, new Set());
	channelsOf.get(job).add(socket);
	socket.jobs.add(job);
}

async function greet(socket, session) {
	socket.jobs = new Set();
	socket.isAlive = true;
	socket.on('pong', () => { socket.isAlive = true; });
	socket.on('error', () => {});
	socket.on('message', (text) => {
		try {
			const message = JSON.parse(text);
			if (message.type === 'subscribe') subscribe(socket, message.job);
		} catch { /* not understood */ }
	});
	socket.on('close', () => {
		for (const job of socket.jobs) {
			channelsOf.get(job)?.delete(socket);
			if (channelsOf.get(job)?.size === 0) channelsOf.delete(job);
		}
	});
	const { rows } = await postgres.query(`SELECT id, state, attempt, event_n FROM pensum.jobs
		WHERE user_id = $1 AND finished_at IS NULL`, [session.user_id]);
	for (const row of rows) subscribe(socket, row.id);
	socket.send(JSON.stringify({ type: 'hello', user: session.user_id, active: true }));
	for (const row of rows)
		socket.send(JSON.stringify({ type: 'snapshot', job: row.id, state: row.state, version: [row.attempt + 1, row.event_n] }));
}

server.on('upgrade', async (request, socket, head) => {
	const session = await sessionOf(request).catch(() => null);
	if (!session) return void socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
	live.handleUpgrade(request, socket, head, (ws) => greet(ws, session));
});

setInterval(() => {
	for (const socket of live.clients) {
		if (!socket.isAlive) socket.terminate();
		socket.isAlive = false;
		socket.ping();
	}
}, PING_MS);

function fanOut([, fields]) {
	const event = {};
	for (let i = 0; i < fields.length; i += 2) event[fields[i]] = fields[i + 1];
	const text = JSON.stringify({ type: 'event', job: event.j, state: event.s, version: [Number(event.k), Number(event.n)],
		step: event.p, done: Number(event.d), total: Number(event.t), note: event.m });
	for (const socket of channelsOf.get(event.j) ?? []) socket.send(text);
}

async function follow() {
	for (let last = '$'; ;) {
		try {
			const answer = await events.xread('COUNT', 500, 'BLOCK', 1000, 'STREAMS', 'pensum:events', last);
			for (const entry of answer?.[0][1] ?? []) {
				fanOut(entry);
				last = entry[0];
			}
		} catch {
			await new Promise((resolve) => setTimeout(resolve, 200));
		}
	}
}

events.once('ready', follow);
server.listen(settings.port, '127.0.0.1', 1024, () => console.log('ready'));
