-- Jobs as they are told of and as they are submitted. What runs for every job, here and in the files that
-- follow, is plpgsql, whose plans a session keeps (a function in SQL is planned again each time), looks at
-- a row once, and finds it by its key. (That the daemons' sessions find rows through indexes in whatever
-- state the statistics are is said in their connection string.)

CREATE FUNCTION pensum.count_of(p_list jsonb) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof(p_list) = 'array' THEN jsonb_array_length(p_list) ELSE 0 END;
$$;

-- A job's newest version as far as this database knows it (jobmsg.h): what waits for attempt k, or was
-- cancelled before it, is newer than everything of attempt k - 1. A job that waits or is tried again says
-- how far it is, from the part that it has left.
CREATE VIEW pensum.job_events AS
	SELECT id, user_id, session_hash, kind, state, batch,
		attempt + (state IN ('queued', 'cancelled'))::integer AS version_attempt,
		event_n AS version_n, failure_code, failure_message, created_at, finished_at,
		pensum.count_of(part->'done') AS done,
		CASE WHEN part IS NULL THEN 0 ELSE pensum.count_of(input->'courses') END AS total
	FROM pensum.jobs;

-- A job as the API shows it, its version as in pensum.job_events. Its input and its secret are never part
-- of it.
CREATE OR REPLACE FUNCTION pensum.job_json(j pensum.jobs) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state,
		'version', jsonb_build_array(
			j.attempt + (j.state IN ('queued', 'cancelled'))::integer, j.event_n),
		'step', coalesce(j.failure_code, ''), 'done', pensum.count_of(j.part->'done'),
		'total', CASE WHEN j.part IS NULL THEN 0 ELSE pensum.count_of(j.input->'courses') END,
		'note', coalesce(j.failure_message, ''), 'batch', j.batch,
		'assignment', j.input->'cmid', 'title', j.input->'title',
		'created_at', pensum.iso(j.created_at), 'finished_at', pensum.iso(j.finished_at),
		'result', j.result,
		'failure', CASE WHEN j.failure_code IS NOT NULL
			AND j.state IN ('failed', 'dead', 'waiting', 'cancelled')
			THEN jsonb_build_object('code', j.failure_code, 'message', j.failure_message)
			END);
END $$;

-- Submits the jobs of one request, all or none. p_jobs: [{"id", "input", "secret", "session"}], the
-- last two for a sign-in. Answers one row a job: 'rung', for the caller to ring at once, or 'created',
-- when others are to be rung before it; 'repeated' (the same Idempotency-Key and body; without a key
-- the same request within five seconds; or p_reuse and one of that kind has not ended); or a single
-- row 'mismatch' (the same key with another body) or 'too_many'. Sign-ins are counted apart: whoever
-- knows a username can ask for one, and must not use up the student's own number.
CREATE OR REPLACE FUNCTION pensum.jobs_submit(p_user text, p_kind text, p_queue text,
	p_priority text, p_jobs jsonb, p_batch text, p_idem_key text, p_idem_hash text,
	p_limit integer, p_max_attempts integer, p_per_user integer, p_reuse boolean)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
DECLARE
	same text[];
	unfinished bigint;
	held bigint;
	held_here bigint;
	room integer := 0;
BEGIN
	-- One submission of a student at a time: what is counted here is still so when it is used.
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0));

	IF p_idem_key IS NOT NULL THEN
		RETURN QUERY SELECT CASE WHEN j.idem_hash = p_idem_hash AND j.kind = p_kind
				THEN 'repeated' ELSE 'mismatch' END, pensum.job_json(j)
			FROM pensum.jobs j WHERE j.user_id = p_user AND j.idem_key = p_idem_key
			ORDER BY j.idem_place;
		IF FOUND AND p_idem_hash IS NOT NULL THEN
			RETURN;
		END IF;
	ELSIF p_idem_hash IS NOT NULL THEN
		-- A second click. What has failed or was cancelled meanwhile may be asked for again.
		SELECT array_agg(j.id) INTO same FROM pensum.jobs j
		WHERE j.user_id = p_user AND j.created_at > clock_timestamp() - interval '5 s'
			AND j.idem_key IS NULL AND j.idem_hash = p_idem_hash AND j.kind = p_kind
		HAVING NOT bool_or(j.cancel OR j.state IN ('failed', 'cancelled', 'dead')
			OR (j.kind = 'signin' AND j.finished_at IS NOT NULL));
		IF same IS NOT NULL THEN
			RETURN QUERY SELECT 'repeated', pensum.job_json(j)
				FROM pensum.jobs j WHERE j.id = ANY (same)
				ORDER BY j.idem_place;
			RETURN;
		END IF;
	END IF;

	IF p_reuse THEN
		RETURN QUERY SELECT 'repeated', pensum.job_json(j)
			FROM pensum.jobs j WHERE j.user_id = p_user AND j.kind = p_kind
				AND j.finished_at IS NULL AND NOT j.cancel
			ORDER BY j.created_at DESC LIMIT 1;
		IF FOUND THEN
			RETURN;
		END IF;
	END IF;

	SELECT count(*), count(*) FILTER (WHERE c.holds), count(*) FILTER (WHERE c.holds AND c.queue = p_queue)
	INTO unfinished, held, held_here
	FROM (SELECT j.queue, j.state = 'running' OR (j.state = 'queued' AND j.rung_at IS NOT NULL) AS holds
		FROM pensum.jobs j WHERE j.user_id = p_user AND j.finished_at IS NULL
			AND (j.kind = 'signin') = (p_kind = 'signin')) c;
	IF jsonb_array_length(p_jobs) + unfinished > p_limit THEN
		RETURN QUERY SELECT 'too_many', NULL::jsonb;
		RETURN;
	END IF;

	-- With room in the window and nobody waiting for it, the bell need not wait for the next look.
	IF NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue
			AND j.rung_at IS NULL AND j.run_at <= now() AND NOT j.cancel) THEN
		room := least(pensum.queue_room(p_queue), p_per_user - held,
			pensum.queue_slots(p_queue) - held_here);
	END IF;

	RETURN QUERY INSERT INTO pensum.jobs AS j (id, kind, queue, priority, user_id, session_hash, batch,
			input, secret, max_attempts, idem_key, idem_place, idem_hash, rung_at)
		SELECT e.value->>'id', p_kind, p_queue, p_priority, p_user, e.value->>'session', p_batch,
			e.value->'input', e.value->>'secret', p_max_attempts, p_idem_key,
			coalesce((e.value->'input'->>'index')::integer, 0), p_idem_hash,
			CASE WHEN e.ordinality <= room THEN now() END
		FROM jsonb_array_elements(p_jobs) WITH ORDINALITY e ORDER BY e.ordinality
		RETURNING CASE WHEN j.rung_at IS NULL THEN 'created' ELSE 'rung' END, pensum.job_json(j);
END $$;

-- Submissions of several students in one transaction, each with the outcome that it would have alone: an array
-- of objects with jobs_submit()'s arguments, and the browser's "session" that asks. place says whose row it is,
-- in the array's order. 'signed_out': that session ended while this waited for the student's other
-- submission, or for the deletion of the account.
--
-- With p_wait false nobody waits for a student whose other submission is not committed yet, and no two such
-- transactions for each other: he is 'busy', and nothing was done for him.
CREATE FUNCTION pensum.jobs_submit_each(p_all jsonb, p_wait boolean)
RETURNS TABLE (outcome text, job jsonb, place integer) LANGUAGE plpgsql AS $$
DECLARE
	s jsonb;
	i integer := 0;
	flow bigint;
BEGIN
	FOR s IN SELECT e.value FROM jsonb_array_elements(p_all) WITH ORDINALITY e ORDER BY e.ordinality LOOP
		flow := hashtextextended('pensum.submit ' || (s->>'user'), 0);
		IF p_wait THEN
			PERFORM pg_advisory_xact_lock(flow);
		END IF;
		IF NOT p_wait AND NOT pg_try_advisory_xact_lock(flow) THEN
			RETURN QUERY SELECT 'busy', NULL::jsonb, i;
		ELSIF NOT EXISTS (SELECT FROM pensum.sessions b WHERE b.token_hash = s->>'session' AND b.active) THEN
			RETURN QUERY SELECT 'signed_out', NULL::jsonb, i;
		ELSE
			RETURN QUERY SELECT j.outcome, j.job, i FROM pensum.jobs_submit(s->>'user', s->>'kind',
				s->>'queue', s->>'priority', s->'jobs', s->>'batch', s->>'key', s->>'hash',
				(s->>'limit')::integer, (s->>'attempts')::integer, (s->>'running')::integer,
				(s->>'reuse')::boolean) j;
		END IF;
		i := i + 1;
	END LOOP;
END $$;

-- A sign-in: its job, and the pending session of the browser that asked. A repeat (the first answer
-- got lost) is only of a sign-in that still runs; the new cookie then takes the job over.
CREATE OR REPLACE FUNCTION pensum.signin_submit(p_user text, p_session text, p_ttl_s bigint,
	p_queue text, p_priority text, p_jobs jsonb, p_idem_key text, p_idem_hash text, p_limit integer,
	p_max_attempts integer, p_per_user integer)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET idem_key = NULL
	WHERE user_id = p_user AND idem_key = p_idem_key AND kind = 'signin'
		AND finished_at IS NOT NULL;
	FOR outcome, job IN SELECT * FROM pensum.jobs_submit(p_user, 'signin', p_queue, p_priority,
			p_jobs, NULL, p_idem_key, p_idem_hash, p_limit, p_max_attempts, p_per_user, false)
	LOOP
		IF outcome = 'repeated' THEN
			UPDATE pensum.jobs SET session_hash = p_session WHERE id = job->>'id';
		END IF;
		IF outcome IN ('created', 'rung', 'repeated') THEN
			INSERT INTO pensum.sessions (token_hash, user_id, site, signin_job, active, expires_at)
			VALUES (p_session, p_user, coalesce(p_jobs->0->'input'->>'site', 'default'),
				job->>'id', false, now() + p_ttl_s * interval '1 second');
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;

-- A course list that is getting old is read anew while the old one still is the answer. Nobody asked for
-- that, so nobody is asked for anything: such a job ("background" in its input) never waits for a sign-in
-- (job_wait).
--
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
