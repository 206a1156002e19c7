// The peer of tests/bench/queue: a program with a BullMQ queue, spoken to by lines of JSON.
//
//   bull.mjs '{"redis": socket, "db": n, "role": "producer"}'
//	{"add": n, "atOnce": n, "bulk": n} → {"firstNs", "lastNs", "job"}: n jobs, by addBulk() when bulk > 1
//   bull.mjs '{"redis": socket, "db": n, "role": "front", "port": n}'	each POST adds its body as a job, then 202
//   bull.mjs '{"redis": socket, "db": n, "role": "worker", "concurrency": n}'
//	each job's start in {"starts": file}, as tests/bench/worker writes it; {"wait": n} → {"completed": n}
//	when n more jobs have completed
//
// Times are of CLOCK_MONOTONIC, nanoseconds.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(`${process.env.NPM_MODULES}/`);
const { Queue, Worker } = require('bullmq');
const Redis = require('ioredis');

const { redis, db, role, port, concurrency, starts } = JSON.parse(process.argv[2]);
const connection = () => new Redis({ path: redis, db, maxRetriesPerRequest: null });
const now = () => process.hrtime.bigint();
const say = (value) => process.stdout.write(`${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))}\n`);
const INPUT = { courses: [{ id: 100, name: 'Course 0: methods and applications' }] };

async function serveProducer() {
	const queue = new Queue('bench', { connection: connection() });
	await queue.waitUntilReady();
	say('ready');
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const { add, atOnce, bulk = 1 } = JSON.parse(line);
		const addSome = () => (bulk > 1 ? queue.addBulk(Array.from({ length: bulk }, () => ({ name: 'check', data: INPUT })))
			: queue.add('check', INPUT));
		const firstNs = now();
		let left = add, last;
		await Promise.all(Array.from({ length: Math.min(atOnce, add) }, async () => {
			while ((left -= bulk) >= 0) last = await addSome();
		}));
		say({ firstNs, lastNs: now(), job: last.id });
	}
}

async function serveFront() {
	const queue = new Queue('bench', { connection: connection() });
	await queue.waitUntilReady();
	http.createServer((request, response) => {
		let body = '';
		request.setEncoding('utf8').on('data', (data) => (body += data)).on('end', async () => {
			const job = await queue.add('check', JSON.parse(body));
			const text = JSON.stringify({ job: { id: job.id } });
			response.writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
		});
	}).listen(port, '127.0.0.1', () => say('ready'));
}

async function serveWorker() {
	const fd = starts ? fs.openSync(starts, 'a') : -1;
	let completed = 0, wanted = null;
	const tell = () => {
		if (wanted === null || completed < wanted) return;
		say({ completed, lastNs: now() });
		completed = 0;
		wanted = null;
	};
	const worker = new Worker('bench', async (job) => {
		if (fd >= 0) fs.writeSync(fd, `${job.id} 1 ${now()}\n`);
	}, { connection: connection(), concurrency });
	worker.on('completed', () => {
		completed++;
		tell();
	});
	await worker.waitUntilReady();
	say('ready');
	for await (const line of readline.createInterface({ input: process.stdin })) {
		({ wait: wanted } = JSON.parse(line));
		tell();
	}
}

await { worker: serveWorker, producer: serveProducer, front: serveFront }[role]();
