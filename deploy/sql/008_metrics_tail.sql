-- The newest ends are counted at each scrape: cheaper (each bucket by a constant list of bounds, in one
-- pass), and fewer of them (ten seconds instead of thirty; what keeps a late commit from being missed is
-- the oldest open transaction, not this pause).

CREATE OR REPLACE FUNCTION pensum.ended_totals(p_from timestamptz, p_to timestamptz, p_id text)
RETURNS TABLE (name text, label text, value double precision) LANGUAGE sql STABLE AS $$
	WITH ended AS (
		SELECT j.state, j.attempt, j.started_at,
			CASE WHEN j.state <> 'cancelled' THEN
				extract(epoch FROM j.started_at - j.run_at)::double precision END AS waited,
			CASE WHEN j.state <> 'cancelled' THEN
				extract(epoch FROM j.finished_at - j.started_at)::double precision END AS lasted
		FROM pensum.jobs j
		WHERE j.finished_at >= p_from AND j.finished_at < p_to AND (p_id IS NULL OR j.id = p_id)),
	grouped AS MATERIALIZED (
		SELECT e.state,
			width_bucket(e.waited, pensum.metric_bounds('job_queue_latency_seconds')) AS w,
			width_bucket(e.lasted, pensum.metric_bounds('job_duration_seconds')) AS l,
			count(*)::double precision AS jobs,
			sum(CASE WHEN e.started_at IS NULL THEN 0 ELSE e.attempt END) AS starts,
			sum(greatest(e.waited, 0)) AS waited, sum(greatest(e.lasted, 0)) AS lasted
		FROM ended e GROUP BY 1, 2, 3)
	SELECT 'jobs_finished_total', g.state, sum(g.jobs) FROM grouped g GROUP BY g.state
	UNION ALL SELECT 'jobs_started_total', '', coalesce(sum(g.starts), 0) FROM grouped g
	UNION ALL SELECT 'job_queue_latency_seconds', g.w::text, sum(g.jobs)
		FROM grouped g WHERE g.w IS NOT NULL GROUP BY g.w
	UNION ALL SELECT 'job_queue_latency_seconds', 'sum', coalesce(sum(g.waited), 0)
		FROM grouped g WHERE g.w IS NOT NULL
	UNION ALL SELECT 'job_duration_seconds', g.l::text, sum(g.jobs)
		FROM grouped g WHERE g.l IS NOT NULL GROUP BY g.l
	UNION ALL SELECT 'job_duration_seconds', 'sum', coalesce(sum(g.lasted), 0)
		FROM grouped g WHERE g.l IS NOT NULL;
$$;

CREATE OR REPLACE FUNCTION pensum.totals_roll() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz;
	upto timestamptz;
BEGIN
	SELECT u.until INTO since FROM pensum.totals_until u FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN; -- somebody else does it
	END IF;
	SELECT greatest(least(clock_timestamp() - interval '10 seconds', min(a.xact_start)),
			clock_timestamp() - interval '5 minutes')
		INTO upto FROM pg_stat_activity a
		WHERE a.datname = current_database() AND a.backend_type = 'client backend'
			AND a.pid <> pg_backend_pid();
	IF upto <= since THEN
		RETURN;
	END IF;
	INSERT INTO pensum.totals SELECT e.name, e.label, e.value
		FROM pensum.ended_totals(since, upto, NULL) e
	ON CONFLICT (name, label) DO UPDATE SET value = totals.value + excluded.value;
	UPDATE pensum.totals_until SET until = upto;
END $$;
