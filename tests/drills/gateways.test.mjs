// Two gateways on one Redis and PostgreSQL: they share the ringing, the housekeeping and what they count,
// and one of them dies in the middle.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep, until } from '../support/process.mjs';
import { fetch } from '../support/waiting.mjs';
import { Crowd } from './lib/crowd.mjs';
import { judge } from './lib/judge.mjs';
import { report } from './lib/report.mjs';
import { Watcher } from './lib/watcher.mjs';
import { ANSWER, long, startWorld } from './lib/world.mjs';

const STREAMS = ['checker', 'docgen'].flatMap((queue) => ['high', 'normal', 'low'].map((p) => `pensum:jobs:${queue}:${p}`));
const RING_AGAIN_MS = 2000; // of a hint that seems lost; no sooner
let world, second, secondAdmin, watchers = [];

before(async () => {
	world = await startWorld({ students: 8 });
	await world.postgres.script(`
		CREATE FUNCTION drill.rang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO drill.log (what, job, attempt) VALUES ('rang', NEW.id, NEW.attempt);
			RETURN NULL;
		END $$;
		CREATE TRIGGER drill_made_rung AFTER INSERT ON pensum.jobs FOR EACH ROW WHEN (NEW.rung_at IS NOT NULL)
			EXECUTE FUNCTION drill.rang();
		CREATE TRIGGER drill_rang AFTER UPDATE OF rung_at ON pensum.jobs FOR EACH ROW
			WHEN (NEW.rung_at IS NOT NULL AND NEW.rung_at IS DISTINCT FROM OLD.rung_at) EXECUTE FUNCTION drill.rang();`);
	second = await world.startSecond();
	secondAdmin = `http://127.0.0.1:${/port=(\d+) for=operators/.exec(second.daemon.text())[1]}`;
	await world.startWorker('a', { 'checker.slots': 4 });
	world.pool.answer = async () => {
		await sleep(20);
		return ANSWER;
	};
	watchers = world.students.map((student, i) => new Watcher(world, student, i % 2 ? { url: second.url } : {}).start());
});
after(async () => {
	await Promise.all(watchers.map((watcher) => watcher.stop()));
	await world?.stop();
});

const added = async () => {
	let sum = 0;
	for (const stream of STREAMS) {
		const fields = await world.redis.command('XINFO', 'STREAM', stream).catch(() => []);
		sum += fields.length > 0 ? fields[fields.indexOf('entries-added') + 1] : 0;
	}
	return sum;
};
const submitted = async (url) => Number(/^jobs_submitted_total (\d+)/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);

test('two gateways ring each job once, and the one that is left goes on when the other is killed', async () => {
	const count = long ? 600 : 120;
	const here = new Crowd(world), there = new Crowd(world);
	const asking = Promise.all([here.submit(count, { together: 6 }), there.submit(count, { together: 6, url: second.url })]);
	await until('the middle', () => world.count('finished_at IS NOT NULL').then((n) => n > count / 4), 60_000);
	await world.daemons[0].kill();
	const at = Date.now(), done = await world.count('finished_at IS NOT NULL');
	await until('going on', () => world.count('finished_at IS NOT NULL').then((n) => n > done + 8), 20_000);
	const took = Date.now() - at;
	await world.start();
	await asking;
	const verdicts = [await judge(world, here, { watchers }), await judge(world, there, { watchers })];

	const soon = await world.postgres.query(`SELECT job, attempt, ms FROM (SELECT job, attempt, extract(epoch FROM at - lag(at)
		OVER (PARTITION BY job, attempt ORDER BY n)) * 1000 AS ms FROM drill.log WHERE what = 'rang') r WHERE ms < ${RING_AGAIN_MS}`);
	assert.deepEqual(soon, [], 'rung twice');
	const rung = await world.number(`count(*) FROM drill.log WHERE what = 'rang'`);
	assert.ok(await added() <= rung, `${await added()} entries for ${rung} rings`);
	assert.ok(rung > count, `${rung} rings`);
	const waited = await world.number(`max(extract(epoch FROM started_at - greatest(run_at, (SELECT max(o.finished_at)
		FROM pensum.jobs o WHERE o.finished_at < j.started_at - interval '1 ms'))) * 1000)::bigint FROM pensum.jobs j`);
	assert.ok(waited < 15_000, `${waited} ms without any job being started while one was due`);
	await sleep(1100); // an answer to a scrape is given again for a second
	assert.deepEqual([await submitted(world.adminUrl), await submitted(secondAdmin)], [2 * count, 2 * count]);
	report('two gateways, one killed', { jobs: verdicts[0].jobs + verdicts[1].jobs, lost: verdicts[0].lost + verdicts[1].lost,
		doubled: verdicts[0].doubled + verdicts[1].doubled }, took, 'until eight more jobs had ended');
});
