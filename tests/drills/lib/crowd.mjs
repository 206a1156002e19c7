// Students who ask for checks by HTTP and do not give up: each request has an Idempotency-Key and is
// repeated until it is answered with 202. What was promised is remembered, for the judge.
//
//   const crowd = new Crowd(world);
//   await crowd.submit(100, { together: 8 });           each by the next student in turn
//   const id = await crowd.ask(student, key);           one; the same key gives the same job
//   crowd.promised                                      id -> { user, key, at }
//   crowd.statuses                                      { 202: 100, 503: 3, lost: 2 }
//   crowd.slowestMs                                     of the answers
import assert from 'node:assert/strict';
import { sleep } from '../../support/process.mjs';
import { fetch } from '../../support/waiting.mjs';

const ANSWER_MS = 15_000;
let crowds = 0;

export class Crowd {
	constructor(world, { students = world.students } = {}) {
		Object.assign(this, { world, students, promised: new Map(), keys: new Map(), statuses: {}, slowestMs: 0, asked: 0 });
		this.prefix = `crowd${++crowds}`;
		this.stopped = false;
	}

	async once(student, key, body = { courses: [11] }, url = this.world.url) {
		const start = Date.now();
		try {
			const response = await fetch(`${url}/api/v1/checks`, { method: 'POST', body: JSON.stringify(body),
				signal: AbortSignal.timeout(ANSWER_MS),
				headers: { cookie: student.cookie, 'content-type': 'application/json', 'Idempotency-Key': key } });
			const json = await response.json();
			this.statuses[response.status] = (this.statuses[response.status] ?? 0) + 1;
			if (response.status === 503 || response.status === 429)
				assert.ok(Number(response.headers.get('retry-after')) > 0, `${response.status} without Retry-After`);
			return { status: response.status, json, headers: response.headers };
		} catch (error) {
			if (error instanceof assert.AssertionError) throw error;
			this.statuses.lost = (this.statuses.lost ?? 0) + 1;
			return null;
		} finally {
			this.slowestMs = Math.max(this.slowestMs, Date.now() - start);
		}
	}

	async ask(student, key, body, url) {
		for (;;) {
			const answer = await this.once(student, key, body, url);
			if (answer?.status === 202) return this.promise(student, key, answer.json.job.id);
			assert.ok(answer === null || answer.status === 503 || answer.status === 429,
				`${answer?.status} ${JSON.stringify(answer?.json)}`);
			assert.ok(!this.stopped, 'nobody answers any more');
			await sleep(50 + Math.random() * 50);
		}
	}

	promise(student, key, id) {
		const name = `${student.userId} ${key}`;
		assert.equal(this.keys.get(name) ?? id, id, 'a repeat is the same job');
		this.keys.set(name, id);
		if (!this.promised.has(id)) this.promised.set(id, { user: student.userId, key, at: Date.now() });
		return id;
	}

	// Until so many are promised, or as long as going() says so.
	async submit(count, { together = 8, gapMs = 0, going = () => true, url } = {}) {
		const end = this.asked + count;
		const one = async () => {
			while (this.asked < end && going()) {
				const i = this.asked++;
				await this.ask(this.students[i % this.students.length], `${this.prefix}-${i}`, undefined, url);
				if (gapMs > 0) await sleep(Math.random() * 2 * gapMs);
			}
		};
		await Promise.all(Array.from({ length: together }, one));
		return [...this.promised.keys()];
	}
}
