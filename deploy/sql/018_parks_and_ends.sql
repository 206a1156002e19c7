-- How an attempt stops: it leaves a part, waits for the student, or is the last one.

-- What an attempt has done (jobs.part), for the next one. Call it in the transaction that writes the part's
-- rows and gives the attempt back; false means that the job is no longer ours: ROLLBACK everything.
CREATE FUNCTION pensum.job_keep(p_id text, p_attempt integer, p_worker text, p_part jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET part = p_part
	WHERE id = p_id AND (state = 'running') IS TRUE AND attempt = p_attempt AND worker = p_worker;
	RETURN FOUND;
END $$;

-- Parks a job until the student has signed in again (jobs_resume), or a sign-in until the student has given
-- the code of a second factor (job_answer). No attempt is lost. What runs in the background (courses_renew)
-- fails instead of waiting. Answers the new state, NULL when the job is no longer the caller's.
--
-- The secret of a sign-in that waits is "factor <half>", the sealed half-done sign-in in place of the
-- password, and with the student's answer "factor <half> <code>", until the next attempt has used it. Every
-- end clears it as it clears a password.
DROP FUNCTION pensum.job_wait(text, integer, text, integer, text, text);
CREATE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text, p_event_n integer,
	p_code text, p_message text, p_secret text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' WHEN input ? 'background' THEN 'failed'
			ELSE 'waiting' END,
		max_attempts = max_attempts + 1, excused = excused + 1, worker = NULL,
		event_n = CASE WHEN cancel OR input ? 'background' THEN 1000000 ELSE p_event_n END,
		secret = CASE WHEN cancel OR input ? 'background' THEN NULL
			ELSE coalesce(p_secret, secret) END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE p_code END,
		failure_message = CASE WHEN cancel THEN NULL ELSE p_message END,
		finished_at = CASE WHEN cancel OR input ? 'background' THEN clock_timestamp() END
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

-- Ends an attempt for good: succeeded, failed or cancelled. Call it last in the transaction that
-- writes the result rows; false means the job is no longer ours: ROLLBACK everything.
CREATE OR REPLACE FUNCTION pensum.job_finish(p_id text, p_attempt integer, p_worker text,
	p_state text, p_event_n integer, p_result jsonb, p_code text, p_message text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	f text;
BEGIN
	IF p_state NOT IN ('succeeded', 'failed', 'cancelled') THEN
		RAISE EXCEPTION 'no end of a job: %', p_state USING ERRCODE = 'check_violation';
	END IF;
	UPDATE pensum.jobs SET state = p_state, event_n = p_event_n, result = p_result,
		failure_code = p_code, failure_message = p_message, secret = NULL,
		finished_at = clock_timestamp()
	WHERE id = p_id AND (state = 'running') IS TRUE AND attempt = p_attempt AND worker = p_worker
	RETURNING flow INTO f;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE pensum.turns SET served_at = clock_timestamp() WHERE flow = f;
	RETURN true;
END $$;

-- Which of these objects of the store ("<student>/<document>…") nothing refers to. A document that a
-- worker has made is referred to only when its job has ended; while PostgreSQL was away that may have been
-- long ago, and the worker will say so in a moment.
CREATE OR REPLACE FUNCTION pensum.objects_orphaned(p_objects text[]) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT o FROM unnest(p_objects) o
	WHERE NOT EXISTS (SELECT FROM pensum.documents d WHERE d.object = o)
		AND NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.user_id = split_part(o, '/', 1)
			AND j.finished_at IS NULL AND j.kind = 'document' AND j.state = 'running');
$$;
