-- A running job that is asked to stop must end, also when its worker gives the attempt back before it
-- has seen the wish: what is queued or waits is never claimed once `cancel` is set. Both functions
-- answer the new state, NULL when the job is no longer the caller's.

DROP FUNCTION pensum.job_hand_back(text, integer, text);
CREATE FUNCTION pensum.job_hand_back(p_id text, p_attempt integer, p_worker text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' ELSE 'queued' END,
		max_attempts = max_attempts + 1, worker = NULL, rung_at = NULL,
		event_n = CASE WHEN cancel THEN 1000000 ELSE 0 END,
		secret = CASE WHEN cancel THEN NULL ELSE secret END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE failure_code END,
		run_at = clock_timestamp(),
		finished_at = CASE WHEN cancel THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;

DROP FUNCTION pensum.job_wait(text, integer, text, integer, text, text);
CREATE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text, p_event_n integer,
	p_code text, p_message text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' ELSE 'waiting' END,
		max_attempts = max_attempts + 1, worker = NULL,
		event_n = CASE WHEN cancel THEN 1000000 ELSE p_event_n END,
		secret = CASE WHEN cancel THEN NULL ELSE secret END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE p_code END,
		failure_message = CASE WHEN cancel THEN NULL ELSE p_message END,
		finished_at = CASE WHEN cancel THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;
