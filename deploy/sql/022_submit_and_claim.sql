-- What stands between a request and the start of its job, for less than in 016_submit.sql and 017_turns.sql. A
-- function pays for each statement that it runs, most of all on a machine that has done something else
-- meanwhile, and little for how much is in it: what was asked one by one is asked at once here.

-- As in 016_submit.sql; in SQL and a single expression, so that it becomes part of the query that calls it,
-- and no job need be packed for it.
CREATE OR REPLACE FUNCTION pensum.job_json(j pensum.jobs) RETURNS jsonb LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state,
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
			END)
$$;

-- As in 016_submit.sql.
CREATE OR REPLACE FUNCTION pensum.jobs_submit(p_user text, p_kind text, p_queue text,
	p_priority text, p_jobs jsonb, p_batch text, p_idem_key text, p_idem_hash text,
	p_limit integer, p_max_attempts integer, p_per_user integer, p_reuse boolean)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
DECLARE
	-- One submission of a student at a time: what is counted here is still so when it is used.
	locked CONSTANT boolean := pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0)) IS NOT NULL;
	same text[];
	unfinished bigint;
	room bigint;
BEGIN
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

	-- With room in the window (queue_room) and nobody waiting for it, the bell need not wait for the next
	-- look: for as many as the student may have running, and the queue has slots for (queue_slots).
	SELECT u.unfinished, CASE WHEN NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.state = 'queued'
				AND j.queue = p_queue AND j.rung_at IS NULL AND j.run_at <= now() AND NOT j.cancel)
			THEN least(greatest(64, 4 * coalesce(w.slots, 0))
				- (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'queued'
					AND j.rung_at IS NOT NULL AND j.queue = p_queue),
				p_per_user - u.held, coalesce(nullif(w.live, 0), 1000) - u.held_here) END
	INTO unfinished, room
	FROM (SELECT count(*) AS unfinished, count(*) FILTER (WHERE c.holds) AS held,
			count(*) FILTER (WHERE c.holds AND c.queue = p_queue) AS held_here
		FROM (SELECT j.queue, j.state = 'running' OR (j.state = 'queued' AND j.rung_at IS NOT NULL) AS holds
			FROM pensum.jobs j WHERE j.user_id = p_user AND j.finished_at IS NULL
				AND (j.kind = 'signin') = (p_kind = 'signin')) c) u
	CROSS JOIN (SELECT sum(w.slots) AS slots,
			sum(w.slots) FILTER (WHERE w.seen_at > now() - interval '1 minute') AS live
		FROM pensum.workers w WHERE split_part(w.name, ':', 2) = p_queue) w;
	IF jsonb_array_length(p_jobs) + unfinished > p_limit THEN
		outcome := 'too_many';
		RETURN NEXT;
		RETURN;
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

-- As in 016_submit.sql. Besides: where the object has "courses", ids of the student's list, these come with
-- their names, [{"id", "name"}], into the first job's input. Outcomes then are also 'courses_unknown', when
-- there is no such list, and 'course_not_yours', whose row has that one's id for a job.
CREATE OR REPLACE FUNCTION pensum.jobs_submit_each(p_all jsonb, p_wait boolean)
RETURNS TABLE (outcome text, job jsonb, place integer) LANGUAGE plpgsql AS $$
DECLARE
	s jsonb;
	flow bigint;
	courses jsonb;
BEGIN
	place := -1;
	FOR s IN SELECT e.value FROM jsonb_array_elements(p_all) WITH ORDINALITY e ORDER BY e.ordinality LOOP
		flow := hashtextextended('pensum.submit ' || (s->>'user'), 0);
		place := place + 1;
		job := NULL;
		IF p_wait THEN
			PERFORM pg_advisory_xact_lock(flow);
		END IF;
		IF NOT p_wait AND NOT pg_try_advisory_xact_lock(flow) THEN
			outcome := 'busy';
			RETURN NEXT;
			CONTINUE;
		ELSIF NOT EXISTS (SELECT FROM pensum.sessions b WHERE b.token_hash = s->>'session' AND b.active) THEN
			outcome := 'signed_out';
			RETURN NEXT;
			CONTINUE;
		END IF;
		IF jsonb_typeof(s->'courses') = 'array' THEN
			courses := (SELECT jsonb_agg(jsonb_build_object('id', w.value, 'name',
					jsonb_path_query_first(l.courses, '$[*] ? (@.id == $id).name',
						jsonb_build_object('id', w.value))) ORDER BY w.ordinality)
				FROM pensum.course_lists l
				CROSS JOIN jsonb_array_elements(s->'courses') WITH ORDINALITY w
				WHERE l.user_id = s->>'user' AND l.expires_at > now());
			job := jsonb_path_query_first(courses, '$[*] ? (@.name == null).id');
			IF courses IS NULL OR job IS NOT NULL THEN
				outcome := CASE WHEN courses IS NULL THEN 'courses_unknown'
					ELSE 'course_not_yours' END;
				RETURN NEXT;
				CONTINUE;
			END IF;
			s := jsonb_set(s, '{jobs,0,input,courses}', courses);
		END IF;
		RETURN QUERY SELECT j.outcome, j.job, place FROM pensum.jobs_submit(s->>'user', s->>'kind',
			s->>'queue', s->>'priority', s->'jobs', s->>'batch', s->>'key', s->>'hash',
			(s->>'limit')::integer, (s->>'attempts')::integer, (s->>'running')::integer,
			(s->>'reuse')::boolean) j;
	END LOOP;
END $$;

-- As in 017_turns.sql. Whether its site has room is asked only where that has a limit that can be reached.
CREATE OR REPLACE FUNCTION pensum.job_claim(p_id text, p_attempt integer, p_worker text,
	p_per_user integer DEFAULT 1000)
RETURNS SETOF pensum.jobs LANGUAGE plpgsql AS $$
DECLARE
	f text;
	u text;
	m text;
BEGIN
	SELECT j.flow, j.user_id, j.site INTO f, u, m FROM pensum.jobs j
	WHERE j.id = p_id AND (j.state = 'queued') IS TRUE AND j.attempt = p_attempt AND NOT j.cancel
		AND j.run_at <= clock_timestamp()
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO pensum.turns AS t (flow, served_at) VALUES (f, clock_timestamp())
	ON CONFLICT (flow) DO UPDATE SET served_at = excluded.served_at;
	IF (CASE WHEN (SELECT count(*) FROM pensum.jobs j WHERE j.user_id = u AND j.finished_at IS NULL
				AND (j.state = 'running') IS TRUE AND j.flow = f) >= p_per_user THEN true
			WHEN EXISTS (SELECT FROM pensum.sites s WHERE s.id = m
				AND (s.max_running >= (SELECT sum(w.slots) FROM pensum.workers w)) IS NOT TRUE)
			THEN NOT pensum.site_has_room(m) END) THEN
		UPDATE pensum.jobs j SET rung_at = NULL WHERE j.id = p_id;
		RETURN;
	END IF;
	RETURN QUERY UPDATE pensum.jobs j SET state = 'running', attempt = j.attempt + 1,
		worker = p_worker, event_n = 1, started_at = clock_timestamp()
	WHERE j.id = p_id RETURNING j.*;
END $$;
