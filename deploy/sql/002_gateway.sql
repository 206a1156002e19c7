-- What the gateway asks of the record: submitting jobs, its answers as JSON, and housekeeping. The
-- functions that move a job once it is submitted are in 001_jobs_and_caches.sql.

CREATE FUNCTION pensum.iso(t timestamptz) RETURNS text LANGUAGE sql STABLE STRICT AS $$
	SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
$$;

CREATE FUNCTION pensum.epoch(t timestamptz) RETURNS bigint LANGUAGE sql STABLE STRICT AS $$
	SELECT extract(epoch FROM t)::bigint;
$$;

-- The few jobs that have not ended, however many are kept.
CREATE INDEX jobs_unfinished ON pensum.jobs (user_id) WHERE finished_at IS NULL;

-- A job as the API shows it. Its input and its secret are never part of it.
CREATE FUNCTION pensum.job_json(j pensum.jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state,
		'version', jsonb_build_array(e.version_attempt, e.version_n),
		'step', coalesce(j.failure_code, ''), 'done', 0, 'total', 0,
		'note', coalesce(j.failure_message, ''), 'batch', j.batch,
		'assignment', j.input->'cmid', 'title', j.input->'title',
		'created_at', pensum.iso(j.created_at), 'finished_at', pensum.iso(j.finished_at),
		'result', j.result,
		'failure', CASE WHEN j.failure_code IS NOT NULL
			AND j.state IN ('failed', 'dead', 'waiting', 'cancelled')
			THEN jsonb_build_object('code', j.failure_code, 'message', j.failure_message)
			END)
	FROM pensum.job_events e WHERE e.id = j.id;
$$;

-- Submits the jobs of one request, all or none. p_jobs: [{"id", "input", "secret", "session"}], the
-- last two for a sign-in. Answers one row a job, 'created' or 'repeated' (the same Idempotency-Key
-- and body, or p_reuse and one of that kind has not ended), or a single row 'mismatch' (the same key
-- with another body) or 'too_many'. Sign-ins are counted apart: whoever knows a username can ask for
-- one, and must not use up the student's own number.
CREATE FUNCTION pensum.jobs_submit(p_user text, p_kind text, p_queue text, p_priority text,
	p_jobs jsonb, p_batch text, p_idem_key text, p_idem_hash text, p_limit integer,
	p_max_attempts integer, p_reuse boolean)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
DECLARE
	made text[];
BEGIN
	-- One submission of a student at a time: what is counted here is still so when it is used.
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0));

	RETURN QUERY SELECT CASE WHEN j.idem_hash = p_idem_hash AND j.kind = p_kind
			THEN 'repeated' ELSE 'mismatch' END, pensum.job_json(j)
		FROM pensum.jobs j WHERE j.user_id = p_user AND j.idem_key = p_idem_key
		ORDER BY coalesce((j.input->>'index')::integer, 0);
	IF FOUND THEN
		RETURN;
	END IF;

	RETURN QUERY SELECT 'repeated', pensum.job_json(j)
		FROM pensum.jobs j WHERE p_reuse AND j.user_id = p_user AND j.kind = p_kind
			AND j.finished_at IS NULL AND NOT j.cancel
		ORDER BY j.created_at DESC LIMIT 1;
	IF FOUND THEN
		RETURN;
	END IF;

	IF jsonb_array_length(p_jobs) + (SELECT count(*) FROM pensum.jobs j
			WHERE j.user_id = p_user AND j.finished_at IS NULL
				AND (j.kind = 'signin') = (p_kind = 'signin')) > p_limit THEN
		RETURN QUERY SELECT 'too_many', NULL::jsonb;
		RETURN;
	END IF;

	WITH inserted AS (
		INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, session_hash, batch,
			input, secret, max_attempts, idem_key, idem_hash, rung_at)
		SELECT e->>'id', p_kind, p_queue, p_priority, p_user, e->>'session', p_batch,
			e->'input', e->>'secret', p_max_attempts, p_idem_key, p_idem_hash, now()
		FROM jsonb_array_elements(p_jobs) e
		RETURNING jobs.id)
	SELECT array_agg(id) INTO made FROM inserted;
	RETURN QUERY SELECT 'created', pensum.job_json(j)
		FROM pensum.jobs j WHERE j.id = ANY (made)
		ORDER BY coalesce((j.input->>'index')::integer, 0);
END $$;

-- A sign-in: its job, and the pending session of the browser that asked. A repeat (the first answer
-- got lost) is only of a sign-in that still runs; the new cookie then takes the job over.
CREATE FUNCTION pensum.signin_submit(p_user text, p_session text, p_ttl_s bigint, p_queue text,
	p_priority text, p_jobs jsonb, p_idem_key text, p_idem_hash text, p_limit integer,
	p_max_attempts integer)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET idem_key = NULL
	WHERE user_id = p_user AND idem_key = p_idem_key AND kind = 'signin'
		AND finished_at IS NOT NULL;
	FOR outcome, job IN SELECT * FROM pensum.jobs_submit(p_user, 'signin', p_queue, p_priority,
			p_jobs, NULL, p_idem_key, p_idem_hash, p_limit, p_max_attempts, false)
	LOOP
		IF outcome = 'repeated' THEN
			UPDATE pensum.jobs SET session_hash = p_session WHERE id = job->>'id';
		END IF;
		IF outcome IN ('created', 'repeated') THEN
			INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at)
			VALUES (p_session, p_user, job->>'id', false,
				now() + p_ttl_s * interval '1 second');
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;

-- Jobs that this session may see: its user's, of sign-ins only its own; while pending only that.
CREATE FUNCTION pensum.jobs_visible(p_user text, p_session text, p_only text, p_limit integer)
RETURNS SETOF pensum.jobs LANGUAGE sql STABLE AS $$
	SELECT j.* FROM pensum.jobs j
	WHERE j.user_id = p_user AND (j.kind <> 'signin' OR j.session_hash = p_session)
		AND (p_only IS NULL OR j.id = p_only)
	ORDER BY j.created_at DESC, j.id DESC LIMIT p_limit;
$$;

-- Sign-ins that nobody finished in time: the sealed password must not wait any longer.
CREATE FUNCTION pensum.signins_expire(p_age_s bigint)
RETURNS TABLE (id text, state text, version_attempt integer, version_n integer)
LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET state = 'failed', secret = NULL, worker = NULL,
		attempt = attempt + (j.state <> 'running')::integer, event_n = 1000000,
		failure_code = 'timeout', failure_message = NULL, finished_at = clock_timestamp()
	WHERE j.kind = 'signin' AND j.finished_at IS NULL
		AND j.created_at < now() - p_age_s * interval '1 second'
	RETURNING j.id, j.state, j.attempt, j.event_n;
$$;

-- Deletes what has expired, in small portions, by one gateway at a time. Answers the keys of the
-- objects that nothing refers to any more.
CREATE FUNCTION pensum.purge(p_keep_s bigint, p_portion integer)
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	kept_since timestamptz := now() - p_keep_s * interval '1 second';
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('pensum.purge', 0)) THEN
		RETURN;
	END IF;
	-- A sign-in that failed leaves a session that can never become active.
	DELETE FROM pensum.sessions WHERE token_hash IN (
		SELECT s.token_hash FROM pensum.sessions s LEFT JOIN pensum.jobs j ON j.id = s.signin_job
		WHERE s.expires_at < now() OR (NOT s.active AND j.state IN ('failed', 'cancelled', 'dead')
			AND j.finished_at < now() - interval '1 hour')
		LIMIT p_portion);
	DELETE FROM pensum.moodle_sessions WHERE expires_at < now();
	DELETE FROM pensum.course_lists WHERE expires_at < now();
	DELETE FROM pensum.course_checks WHERE checked_at < kept_since;
	DELETE FROM pensum.workers WHERE seen_at < now() - interval '1 day';
	DELETE FROM pensum.jobs WHERE id IN (
		SELECT id FROM pensum.jobs WHERE finished_at < kept_since LIMIT p_portion);
	RETURN QUERY WITH gone AS (
		DELETE FROM pensum.documents WHERE id IN (
			SELECT id FROM pensum.documents WHERE expires_at < now() LIMIT p_portion)
		RETURNING object)
	SELECT DISTINCT g.object FROM gone g WHERE NOT EXISTS (
		SELECT FROM pensum.documents d WHERE d.object = g.object AND d.expires_at >= now());
END $$;
