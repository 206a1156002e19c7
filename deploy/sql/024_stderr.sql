-- What the process of an attempt wrote to its stderr last, when it died: it is of the attempt and its job, and
-- goes with the job's row. For operators only; neither the API for students nor pensum.audit tells it.

ALTER TABLE pensum.jobs
	ADD COLUMN stderr text,             -- 4 KiB at most, of …
	ADD COLUMN stderr_attempt integer;  -- … the newest attempt that ended so

-- As in 001_jobs_and_caches.sql, and p_stderr is kept. NULL: nobody knows, or nothing was written.
DROP FUNCTION pensum.jobs_release_worker(text, text, text);
CREATE FUNCTION pensum.jobs_release_worker(p_prefix text, p_code text, p_message text,
	p_stderr text DEFAULT NULL)
RETURNS TABLE (id text, state text, attempt integer, event_n integer, queue text, priority text)
LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET
		state = CASE WHEN cancel THEN 'cancelled' WHEN j.attempt >= max_attempts THEN 'dead'
			ELSE 'queued' END,
		worker = NULL, rung_at = NULL,
		event_n = CASE WHEN cancel OR j.attempt >= max_attempts THEN 1000000 ELSE 0 END,
		secret = CASE WHEN cancel OR j.attempt >= max_attempts THEN NULL ELSE secret END,
		run_at = clock_timestamp(), failure_code = p_code, failure_message = p_message,
		stderr = coalesce(p_stderr, j.stderr),
		stderr_attempt = CASE WHEN p_stderr IS NULL THEN j.stderr_attempt ELSE j.attempt END,
		finished_at = CASE WHEN cancel OR j.attempt >= max_attempts THEN clock_timestamp() END
	WHERE j.state = 'running'
		AND (j.worker = p_prefix OR starts_with(j.worker, p_prefix || ':'))
	RETURNING j.id, j.state, j.attempt, j.event_n, j.queue, j.priority;
$$;

-- As in 004_audit_and_dead.sql, and stderr: of the last attempt, if that ended with its process.
DROP FUNCTION pensum.jobs_dead(integer);
CREATE FUNCTION pensum.jobs_dead(p_limit integer)
RETURNS TABLE (id text, kind text, queue text, user_id text, attempts integer, reason text,
	error text, created_at timestamptz, died_at timestamptz, stderr text) LANGUAGE sql STABLE AS $$
	SELECT j.id, j.kind, j.queue, j.user_id, j.attempt - j.excused, j.failure_code,
		j.failure_message, j.created_at, j.finished_at,
		CASE WHEN j.stderr_attempt = j.attempt THEN j.stderr END
	FROM pensum.jobs j WHERE j.state = 'dead' ORDER BY j.finished_at DESC LIMIT p_limit;
$$;
