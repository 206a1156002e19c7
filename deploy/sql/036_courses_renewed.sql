-- A course list that is getting old is read anew while the old one still is the answer. Nobody asked for
-- that, so nobody is asked for anything: such a job ("background" in its input) never waits for a sign-in.

-- Asked for at each answer with an old list, by any number of gateways at once: one job comes of it, if the
-- student's Moodle session is believed to live, and after one that failed none for ten minutes. Rows as of
-- jobs_submit(); none: there is nothing to do.
CREATE FUNCTION pensum.courses_renew(p_user text, p_job text, p_site text, p_fresh_s bigint,
	p_limit integer, p_max_attempts integer, p_per_user integer)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0));
	IF EXISTS (SELECT FROM pensum.course_lists l WHERE l.user_id = p_user
			AND l.read_at < clock_timestamp() - p_fresh_s * interval '1 second')
		AND EXISTS (SELECT FROM pensum.moodle_sessions m WHERE m.user_id = p_user
			AND m.expires_at > clock_timestamp())
		AND NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.user_id = p_user AND j.kind = 'courses'
			AND (j.finished_at IS NULL OR (j.state <> 'succeeded'
				AND j.finished_at > clock_timestamp() - interval '10 minutes')))
	THEN
		RETURN QUERY SELECT s.outcome, s.job FROM pensum.jobs_submit(p_user, 'courses', 'checker', 'low',
			jsonb_build_array(jsonb_build_object('id', p_job, 'input',
				jsonb_build_object('site', p_site, 'background', true))),
			NULL, NULL, NULL, p_limit, p_max_attempts, p_per_user, false) s;
	END IF;
END $$;

-- The student asks for the list: a job that reads it already is the student's from now on.
CREATE FUNCTION pensum.courses_wanted(p_user text, p_priority text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs j SET input = j.input - 'background', priority = p_priority
	WHERE j.user_id = p_user AND j.finished_at IS NULL AND j.kind = 'courses' AND j.input ? 'background';
END $$;

-- As in 023_second_factor.sql, and what runs in the background fails instead of waiting.
CREATE OR REPLACE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text, p_event_n integer,
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
