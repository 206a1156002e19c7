-- A sign-in that waits for the code of a second factor. Its secret then is "factor <half>", the sealed
-- half-done sign-in in place of the password, and with the student's answer "factor <half> <code>",
-- until the next attempt has used it. Every end clears it as it clears a password.

DROP FUNCTION pensum.job_wait(text, integer, text, integer, text, text);
CREATE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text, p_event_n integer,
	p_code text, p_message text, p_secret text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' ELSE 'waiting' END,
		max_attempts = max_attempts + 1, excused = excused + 1, worker = NULL,
		event_n = CASE WHEN cancel THEN 1000000 ELSE p_event_n END,
		secret = CASE WHEN cancel THEN NULL ELSE coalesce(p_secret, secret) END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE p_code END,
		failure_message = CASE WHEN cancel THEN NULL ELSE p_message END,
		finished_at = CASE WHEN cancel THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;

-- The student's answer. No row: nothing was asked, or it has been answered.
CREATE FUNCTION pensum.job_answer(p_id text, p_user text, p_code text)
RETURNS SETOF integer LANGUAGE sql AS $$
	UPDATE pensum.jobs SET state = 'queued', event_n = 0, rung_at = NULL,
		run_at = clock_timestamp(), failure_code = NULL, failure_message = NULL,
		secret = concat_ws(' ', 'factor', split_part(secret, ' ', 2), p_code)
	WHERE id = p_id AND user_id = p_user AND state = 'waiting' AND failure_code = 'mfa_needed'
		AND NOT cancel AND starts_with(secret, 'factor ')
	RETURNING attempt;
$$;

-- A sign-in that waits, waits for its own answer.
CREATE OR REPLACE FUNCTION pensum.jobs_resume(p_user text)
RETURNS SETOF text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET state = 'queued', event_n = 0, rung_at = NULL,
		run_at = clock_timestamp(), failure_code = NULL, failure_message = NULL
	WHERE user_id = p_user AND state = 'waiting' AND failure_code IS DISTINCT FROM 'mfa_needed'
	RETURNING id;
$$;
