-- What the record counts, for GET /metrics: totals that outlive gateways and are the same at each of
-- them. Nothing is counted when a job moves: what has ended is added up once, some time after its end,
-- and what ended since then is counted when somebody asks. So a scrape reads the last half minute of
-- jobs and those that have not ended, however many are kept.

CREATE TABLE pensum.totals (
	name text,
	label text,
	value double precision NOT NULL,
	PRIMARY KEY (name, label)
);
-- One row: all jobs that ended before this instant are in pensum.totals.
CREATE TABLE pensum.totals_until (until timestamptz NOT NULL);
INSERT INTO pensum.totals_until VALUES ('-infinity');

CREATE FUNCTION pensum.total_add(p_name text, p_label text, p_value double precision)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO pensum.totals VALUES (p_name, p_label, p_value)
	ON CONFLICT (name, label) DO UPDATE SET value = totals.value + excluded.value;
$$;

-- Upper bounds of the histograms, seconds; the last bucket has none.
CREATE FUNCTION pensum.metric_bounds(p_name text) RETURNS double precision[] LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_name
		WHEN 'job_queue_latency_seconds'
		THEN ARRAY[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]
		WHEN 'job_duration_seconds'
		THEN ARRAY[0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300]
	END::double precision[];
$$;

-- Attempts that were really begun: one that was cancelled while it waited has a number and no start.
CREATE FUNCTION pensum.job_starts(j pensum.jobs) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN j.started_at IS NULL THEN 0 ELSE j.attempt END;
$$;

-- The totals of the jobs that ended in [p_from, p_to), or of one of them. A histogram's buckets are
-- labelled by their number, its sum 'sum'.
CREATE FUNCTION pensum.ended_totals(p_from timestamptz, p_to timestamptz, p_id text)
RETURNS TABLE (name text, label text, value double precision) LANGUAGE sql STABLE AS $$
	WITH ended AS MATERIALIZED (
		SELECT j.state, pensum.job_starts(j) AS starts,
			CASE WHEN r.ran THEN greatest(extract(epoch FROM j.started_at - j.run_at), 0)
				END::double precision AS waited,
			CASE WHEN r.ran THEN greatest(extract(epoch FROM j.finished_at - j.started_at), 0)
				END::double precision AS lasted
		FROM pensum.jobs j, LATERAL (
			SELECT j.state <> 'cancelled' AND j.started_at IS NOT NULL AS ran) r
		WHERE j.finished_at >= p_from AND j.finished_at < p_to AND (p_id IS NULL OR j.id = p_id)),
	observed AS (
		SELECT 'job_queue_latency_seconds' AS name, waited AS seconds FROM ended
		UNION ALL SELECT 'job_duration_seconds', lasted FROM ended)
	SELECT 'jobs_finished_total', state, count(*)::double precision FROM ended GROUP BY state
	UNION ALL SELECT 'jobs_started_total', '', coalesce(sum(starts), 0) FROM ended
	UNION ALL SELECT o.name, width_bucket(o.seconds, pensum.metric_bounds(o.name))::text,
			count(*)::double precision
		FROM observed o WHERE o.seconds IS NOT NULL GROUP BY 1, 2
	UNION ALL SELECT o.name, 'sum', sum(o.seconds)
		FROM observed o WHERE o.seconds IS NOT NULL GROUP BY 1;
$$;

-- Adds up what ended until half a minute ago. Nothing is missed: who commits an end later than it is
-- dated began the transaction before that, so nothing newer than the oldest open one is added. One
-- that hangs for five minutes has been rolled back by its client's deadline.
CREATE FUNCTION pensum.totals_roll() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz;
	upto timestamptz;
BEGIN
	SELECT u.until INTO since FROM pensum.totals_until u FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN; -- somebody else does it
	END IF;
	SELECT greatest(least(clock_timestamp() - interval '30 seconds', min(a.xact_start)),
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

-- A job that had ended and begins again: its first end stays counted, its starts are counted with it
-- when it ends again, and it was submitted once.
CREATE FUNCTION pensum.totals_reopen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	rolled timestamptz;
BEGIN
	SELECT u.until INTO rolled FROM pensum.totals_until u FOR SHARE;
	IF OLD.finished_at >= rolled THEN
		INSERT INTO pensum.totals SELECT e.name, e.label, e.value FROM pensum.ended_totals(
			OLD.finished_at, OLD.finished_at + interval '1 microsecond', OLD.id) e
		ON CONFLICT (name, label) DO UPDATE SET value = totals.value + excluded.value;
	END IF;
	PERFORM pensum.total_add('jobs_started_total', '', -pensum.job_starts(NEW));
	PERFORM pensum.total_add('jobs_submitted_total', '', -1);
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_reopen BEFORE UPDATE ON pensum.jobs FOR EACH ROW
	WHEN (OLD.finished_at IS NOT NULL AND NEW.finished_at IS NULL)
	EXECUTE FUNCTION pensum.totals_reopen();

-- All that GET /metrics says about jobs. A histogram comes as name_bucket with its bounds as labels,
-- cumulative and in order, then name_sum and name_count.
CREATE FUNCTION pensum.metrics() RETURNS TABLE (name text, label text, value double precision)
LANGUAGE plpgsql AS $$
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
	UNION ALL SELECT 'hint_lag_seconds', '', coalesce((
		SELECT extract(epoch FROM clock_timestamp() - min(j.run_at))::double precision
		FROM pensum.jobs j WHERE j.state = 'queued' AND j.rung_at IS NULL AND NOT j.cancel
			AND j.run_at <= clock_timestamp()), 0)
	UNION ALL (SELECT b.name || '_bucket', b.bound, b.total FROM buckets b ORDER BY b.name, b.n)
	UNION ALL SELECT h.name || '_sum', '', coalesce((SELECT e.value FROM ended e
		WHERE e.name = h.name AND e.label = 'sum'), 0) FROM (SELECT DISTINCT b.name FROM buckets b) h
	UNION ALL SELECT b.name || '_count', '', b.total FROM buckets b WHERE b.bound = '+Inf';
END $$;

-- What several dead workers were running goes back, and is counted with it.
CREATE FUNCTION pensum.workers_release(p_names jsonb, p_code text, p_message text)
RETURNS TABLE (id text, state text, attempt integer, event_n integer) LANGUAGE plpgsql AS $$
DECLARE
	released integer := 0;
BEGIN
	FOR id, state, attempt, event_n IN
		SELECT r.id, r.state, r.attempt, r.event_n
		FROM jsonb_array_elements_text(p_names) worker,
			LATERAL pensum.jobs_release_worker(worker, p_code, p_message) r
	LOOP
		released := released + 1;
		RETURN NEXT;
	END LOOP;
	IF released > 0 THEN
		PERFORM pensum.total_add('job_reclaimed_total', p_code, released);
	END IF;
END $$;
