-- How late the bell is. A long queue is not: only a window of it is rung, and what is rung waits for a
-- slot. What is late is a job of the window that nobody has rung, and one that was rung and is not taken
-- although slots are free.

-- The longest of such delays, in seconds. They begin when the job is due, or when its queue last moved:
-- an end makes room in the window and frees a slot.
CREATE FUNCTION pensum.hint_lag(p_per_user integer) RETURNS double precision LANGUAGE plpgsql STABLE AS $$
DECLARE
	q text;
	moved timestamptz;
	due timestamptz;
	slots bigint;
	lag double precision := 0;
BEGIN
	FOREACH q IN ARRAY ARRAY['checker', 'docgen'] LOOP
		SELECT min(j.run_at) INTO due FROM pensum.jobs j
		WHERE j.id IN (SELECT t.id FROM pensum.jobs_in_turn(q, p_per_user, true,
			greatest(0, pensum.queue_room(q))) t);
		SELECT sum(w.slots) - (SELECT count(*) FROM pensum.jobs j
			WHERE j.state = 'running' AND j.queue = q) INTO slots FROM pensum.workers w
		WHERE split_part(w.name, ':', 2) = q AND w.seen_at > now() - interval '1 minute';
		IF slots > 0 THEN
			SELECT least(due, min(j.run_at)) INTO due FROM pensum.jobs j
			WHERE j.queue = q AND j.state = 'queued' AND j.rung_at IS NOT NULL AND NOT j.cancel
				AND j.run_at <= clock_timestamp();
		END IF;
		CONTINUE WHEN due IS NULL;
		SELECT j.finished_at INTO moved FROM pensum.jobs j
		WHERE j.finished_at > due AND j.queue = q ORDER BY j.finished_at DESC LIMIT 1;
		lag := greatest(lag, extract(epoch FROM clock_timestamp() - greatest(due, moved)));
	END LOOP;
	RETURN lag;
END $$;

-- All that GET /metrics says about jobs. A histogram comes as name_bucket with its bounds as labels,
-- cumulative and in order, then name_sum and name_count.
DROP FUNCTION pensum.metrics();
CREATE FUNCTION pensum.metrics(p_per_user integer DEFAULT 1000)
RETURNS TABLE (name text, label text, value double precision) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pensum.totals_roll();
	RETURN QUERY
	WITH live AS MATERIALIZED (
		SELECT j.queue, j.state, count(*)::double precision AS jobs,
			sum(pensum.job_starts(j))::double precision AS starts
		FROM pensum.jobs j WHERE j.finished_at IS NULL GROUP BY j.queue, j.state),
	ended AS MATERIALIZED (
		SELECT u.name, u.label, sum(u.value) AS value FROM (
			SELECT * FROM pensum.totals UNION ALL SELECT * FROM pensum.ended_totals(
				(SELECT until FROM pensum.totals_until), 'infinity', NULL)) u
		GROUP BY u.name, u.label),
	buckets AS (
		SELECT h.name, b.n, CASE WHEN b.n < cardinality(h.bounds) THEN h.bounds[b.n + 1]::text
				ELSE '+Inf' END AS bound,
			sum(coalesce(e.value, 0)) OVER (PARTITION BY h.name ORDER BY b.n) AS total
		FROM (SELECT m.name, pensum.metric_bounds(m.name) AS bounds FROM (VALUES
				('job_queue_latency_seconds'), ('job_duration_seconds')) m (name)) h
			CROSS JOIN LATERAL generate_series(0, cardinality(h.bounds)) b (n)
			LEFT JOIN ended e ON e.name = h.name AND e.label = b.n::text)
	SELECT 'jobs_submitted_total', '', coalesce((SELECT sum(l.jobs) FROM live l), 0) +
		coalesce((SELECT sum(e.value) FROM ended e
			WHERE e.name IN ('jobs_finished_total', 'jobs_submitted_total')), 0)
	UNION ALL SELECT 'jobs_started_total', '', coalesce((SELECT sum(l.starts) FROM live l), 0) +
		coalesce((SELECT e.value FROM ended e WHERE e.name = 'jobs_started_total'), 0)
	UNION ALL SELECT 'jobs_finished_total', o.state, coalesce(e.value, 0)
		FROM (VALUES ('succeeded'), ('failed'), ('cancelled'), ('dead')) o (state)
		LEFT JOIN ended e ON e.name = 'jobs_finished_total' AND e.label = o.state
	UNION ALL SELECT 'job_reclaimed_total', 'worker_lost', coalesce((SELECT e.value FROM ended e
		WHERE e.name = 'job_reclaimed_total' AND e.label = 'worker_lost'), 0)
	UNION ALL SELECT 'jobs_waiting', q.queue, coalesce((SELECT sum(l.jobs) FROM live l
		WHERE l.queue = q.queue AND l.state = 'queued'), 0)
		FROM (VALUES ('checker'), ('docgen')) q (queue)
	UNION ALL SELECT 'jobs_parked', '', coalesce((SELECT sum(l.jobs) FROM live l
		WHERE l.state = 'waiting'), 0)
	UNION ALL SELECT 'jobs_running', '', coalesce((SELECT sum(l.jobs) FROM live l
		WHERE l.state = 'running'), 0)
	UNION ALL SELECT 'hint_lag_seconds', '', pensum.hint_lag(p_per_user)
	UNION ALL (SELECT b.name || '_bucket', b.bound, b.total FROM buckets b ORDER BY b.name, b.n)
	UNION ALL SELECT h.name || '_sum', '', coalesce((SELECT e.value FROM ended e
		WHERE e.name = h.name AND e.label = 'sum'), 0) FROM (SELECT DISTINCT b.name FROM buckets b) h
	UNION ALL SELECT b.name || '_count', '', b.total FROM buckets b WHERE b.bound = '+Inf';
END $$;
