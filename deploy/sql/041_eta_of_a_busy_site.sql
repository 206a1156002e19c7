-- When a queued job will start, at a site that does not bear all slots.

-- As in 034_eta.sql, but not sooner than the site (033_site_limits.sql) has room for it. Of the jobs that wait
-- for one site, of all queues, as many start as it has room for, and then one whenever one of its jobs ends:
-- they take as long as its last ones did, or as long as those that run have run.
CREATE OR REPLACE VIEW pensum.job_positions AS
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
