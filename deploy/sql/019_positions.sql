-- When a queued job will start, from what the slots do now, and what its site bears.

-- Jobs a second that leave a queue now. While it has had work waiting (a minute at most), each slot's own
-- ends say how fast it is: from the first of them on, because before that it may have waited, for work
-- or for a page. A slot that has long missed its next end is not counted: it is gone, or stuck. When too
-- few have ended so, how long the last jobs took, and those that run have run, and the slots. NULL when
-- nobody can know: nothing has ended, or nobody works here.
CREATE OR REPLACE FUNCTION pensum.drain_rate(p_queue text) RETURNS double precision
LANGUAGE plpgsql STABLE AS $$
DECLARE
	since timestamptz;
	now timestamptz := clock_timestamp();
	ends bigint;
	known bigint;
	young bigint;
	rate double precision;
	took double precision;
BEGIN
	SELECT greatest(min(j.run_at), now - interval '1 minute') INTO since
	FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue AND NOT j.cancel;
	-- Since its last end a slot has done half of the next job, on the average. One that had one end
	-- only is as fast as the others.
	SELECT sum(s.ends), count(*) FILTER (WHERE s.ends > 1), count(*) FILTER (WHERE s.ends = 1),
		sum((s.ends - 0.5) / s.in_s) FILTER (WHERE s.ends > 1)
	INTO ends, known, young, rate
	FROM (SELECT count(*) AS ends, greatest(0.001, extract(epoch FROM now - min(e.finished_at))) AS in_s,
			extract(epoch FROM now - max(e.finished_at)) AS since_s,
			extract(epoch FROM max(e.finished_at) - min(e.finished_at))
				/ greatest(1, count(*) - 1) AS cycle_s
		FROM (SELECT j.worker, j.finished_at FROM pensum.jobs j
			WHERE j.finished_at > since AND j.queue = p_queue AND j.started_at IS NOT NULL
				AND j.worker IS NOT NULL
			ORDER BY j.finished_at DESC LIMIT 1000) e
		GROUP BY e.worker) s
	WHERE s.ends = 1 OR s.since_s <= 4 * s.cycle_s + 0.5;
	IF ends - known - young >= 5 AND known >= young THEN
		RETURN rate * (known + young) / known;
	END IF;
	SELECT greatest(avg(extract(epoch FROM e.finished_at - e.started_at)),
		(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM now - j.started_at))
			FROM pensum.jobs j WHERE j.state = 'running' AND j.queue = p_queue)) INTO took
	FROM (SELECT j.finished_at, j.started_at FROM pensum.jobs j
		WHERE j.finished_at > now - interval '1 hour' AND j.queue = p_queue
			AND j.started_at IS NOT NULL
		ORDER BY j.finished_at DESC LIMIT 50) e
	HAVING count(*) > 0;
	RETURN (SELECT sum(w.slots) FROM pensum.workers w WHERE split_part(w.name, ':', 2) = p_queue
		AND w.seen_at > now - interval '1 minute') / CASE WHEN took < 0.001 THEN 0.001 ELSE took END;
END $$;

-- Where each due job stands in its queue (1: the next to start) and in how many seconds it will start,
-- NULL when nobody can know yet. What is rung already goes first; else the order is jobs_in_turn's. A job
-- ahead counts as the last ones of its kind: a sign-in is over sooner than a check. (By their medians: one
-- that hung says nothing of the others.)
--
-- But not sooner than the site (014_sites.sql) has room for it. Of the jobs that wait for one site, of all
-- queues, as many start as it has room for, and then one whenever one of its jobs ends: they take as long
-- as its last ones did, or as long as those that run have run.
CREATE VIEW pensum.job_positions AS
	WITH busy AS (
		SELECT flow, count(*) AS running FROM pensum.jobs WHERE state = 'running' GROUP BY flow
	), waiting AS (
		SELECT j.id, j.queue, j.kind, j.site, j.rung_at IS NULL AS later,
			coalesce(b.running, 0) + row_number() OVER
				(PARTITION BY j.queue, j.flow ORDER BY j.rank, j.id) AS nth,
			greatest(j.run_at, t.served_at) - j.run_at + j.rank AS key
		FROM pensum.jobs j LEFT JOIN busy b ON b.flow = j.flow
		LEFT JOIN pensum.turns t ON t.flow = j.flow
		WHERE j.state = 'queued' AND NOT j.cancel AND j.run_at <= clock_timestamp()
	), queues AS MATERIALIZED (
		SELECT q.queue, pensum.drain_rate(q.queue) AS per_s
		FROM (SELECT DISTINCT w.queue FROM waiting w) q
	), kinds AS MATERIALIZED (
		SELECT q.queue, e.kind, count(*) AS ended, percentile_cont(0.5) WITHIN GROUP
			(ORDER BY extract(epoch FROM e.finished_at - e.started_at)) AS took
		FROM queues q CROSS JOIN LATERAL (
			SELECT j.kind, j.finished_at, j.started_at FROM pensum.jobs j
			WHERE j.finished_at > clock_timestamp() - interval '1 hour' AND j.queue = q.queue
				AND j.started_at IS NOT NULL
			ORDER BY j.finished_at DESC LIMIT 200) e
		GROUP BY q.queue, e.kind
	), weights AS (
		SELECT k.queue, k.kind, k.took / nullif(sum(k.took * k.ended) OVER (PARTITION BY k.queue)
			/ sum(k.ended) OVER (PARTITION BY k.queue), 0) AS weight
		FROM kinds k
	), took AS MATERIALIZED (
		SELECT e.site, avg(extract(epoch FROM e.finished_at - e.started_at)) AS s
		FROM (SELECT j.site, j.finished_at, j.started_at FROM pensum.jobs j
			WHERE j.finished_at > clock_timestamp() - interval '1 hour' AND j.started_at IS NOT NULL
			ORDER BY j.finished_at DESC LIMIT 1000) e
		GROUP BY e.site
	), running AS MATERIALIZED (
		SELECT j.site, count(*) AS jobs, percentile_cont(0.5) WITHIN GROUP
			(ORDER BY extract(epoch FROM clock_timestamp() - j.started_at)) AS s
		FROM pensum.jobs j WHERE j.state = 'running' GROUP BY j.site
	), limits AS MATERIALIZED (
		SELECT s.id AS site, s.max_running - coalesce(r.jobs, 0) AS room,
			s.max_running / greatest(t.s, r.s, 0.001) AS per_s
		FROM pensum.sites s JOIN took t ON t.site = s.id LEFT JOIN running r ON r.site = s.id
		WHERE s.max_running < (SELECT sum(w.slots) FROM pensum.workers w
			WHERE w.seen_at > clock_timestamp() - interval '1 minute')
	), held AS (
		SELECT w.id, (row_number() OVER (PARTITION BY w.site ORDER BY w.later, w.nth, w.key, w.id)
			- greatest(l.room, 0)) / l.per_s AS s
		FROM waiting w JOIN limits l ON l.site = w.site
	), placed AS (
		SELECT w.id, w.queue, row_number() OVER turn AS position,
			1 + coalesce(sum(coalesce(s.weight, 1)) OVER
				(turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS work
		FROM waiting w LEFT JOIN weights s ON s.queue = w.queue AND s.kind = w.kind
		WINDOW turn AS (PARTITION BY w.queue ORDER BY w.later, w.nth, w.key, w.id)
	)
	SELECT p.id, p.queue, p.position, ceil(t.s)::bigint AS eta_s, ceil(t.s * 1000)::bigint AS eta_ms
	FROM placed p JOIN queues q ON q.queue = p.queue LEFT JOIN held h ON h.id = p.id
	CROSS JOIN LATERAL (SELECT CASE WHEN q.per_s IS NOT NULL THEN greatest(p.work / q.per_s, h.s) END AS s) t;
