// A page that watches one student's jobs on the live channel, as gateway/web/live.mjs does: it comes
// back when it is cut off, asks again with what it has, and keeps a transcript of every frame.
//
//   const watcher = new Watcher(world, student);   watcher.start();
//   watcher.follow(id)                    from now on; own jobs also come by themselves
//   watcher.cut()                         breaks its connection off
//   watcher.frames                        { at, connection, type, job, state, version, position }
//   watcher.applied                       job -> the frames that were newer than all before
//   watcher.connections, watcher.closes   how often it came, the codes with which it was cut off
//   await watcher.stop();
import { sleep } from '../../support/process.mjs';
import { openWs } from '../../support/ws.mjs';

const TERMINAL = new Set(['succeeded', 'failed', 'cancelled', 'dead']);
const FOR_EVER_MS = 2 ** 31 - 1;
const BURST = 60; // subscriptions that a channel takes at once

export const isTerminal = (state) => TERMINAL.has(state);
export const compare = (a, b) => a[0] - b[0] || a[1] - b[1];

export class Watcher {
	constructor(world, student, { url = world.url, pauseMs = 200 } = {}) {
		Object.assign(this, { world, student, url, pauseMs, frames: [], applied: new Map(), connections: 0, closes: [], ws: null });
		this.going = false;
	}

	start() {
		this.going = true;
		this.ended = this.#live();
		return this;
	}

	async stop() {
		this.going = false;
		this.cut();
		await this.ended;
	}

	cut() {
		this.ws?.destroy();
	}

	follow(id) {
		if (!this.applied.has(id)) this.applied.set(id, []);
	}

	last(id) {
		return this.applied.get(id)?.at(-1);
	}

	hasEnded(id) {
		return isTerminal(this.last(id)?.state);
	}

	async #live() {
		while (this.going) {
			try {
				const { hostname: host, port } = new URL(this.url);
				this.ws = await openWs({ host, port, headers: { Cookie: this.student.cookie, Origin: this.url } });
				this.connections++;
				await this.#listen(this.ws, this.connections);
			} catch {
				// Refused, or closed: it comes back.
			}
			if (this.ws) this.closes.push((await this.ws.closed).code);
			this.ws = null;
			await sleep(Math.random() * this.pauseMs);
		}
	}

	async #listen(ws, connection) {
		const asking = this.#ask(ws);
		try {
			while (this.going) this.#hear(await ws.next(() => true, FOR_EVER_MS), connection);
		} finally {
			ws.destroy();
			await asking;
		}
	}

	// What has not ended is asked for after each connect, and once in a while again.
	async #ask(ws) {
		let closed = false;
		ws.closed.then(() => (closed = true));
		while (!closed && this.going) {
			const open = [...this.applied.keys()].filter((id) => !this.hasEnded(id)).slice(0, BURST);
			for (const job of open) {
				if (closed) return;
				const have = this.last(job)?.version;
				ws.send({ type: 'subscribe', job, ...(have && { have }) });
			}
			for (let i = 0; i < 100 && !closed && this.going; i++) await Promise.race([sleep(100), ws.closed]);
		}
	}

	#hear(message, connection) {
		if (message.type !== 'snapshot' && message.type !== 'event') {
			if (message.type === 'gone') this.frames.push({ at: Date.now(), connection, ...message });
			return;
		}
		const frame = { at: Date.now(), connection, ...message };
		this.frames.push(frame);
		this.follow(message.job);
		const newest = this.last(message.job);
		if (!newest || compare(message.version, newest.version) > 0) this.applied.get(message.job).push(frame);
	}
}

export const watchAll = (world, options) => world.students.map((student) => new Watcher(world, student, options).start());
