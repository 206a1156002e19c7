-- Whose turn it is. The streams hold a window of hints only; which jobs are in it, and in which order,
-- is decided here:
--
--	a user's jobs	by rank: when they were due, a class lower a minute later. So a job that has
--			waited a minute more than one of the next class goes first, and none starves.
--	among users	in turns: first who has the fewest running (and rung) already, then by rank, a
--			user who was served since counting as one who came then, as in a ring.
--	and no user has more than jobs.per_user_running jobs running.
--
-- Sign-ins are turns of their own (flow): whoever knows a username can ask for one, and must not use
-- up the student's. Locks are taken in this order: job, turn.

ALTER TABLE pensum.jobs
	ADD COLUMN flow text NOT NULL GENERATED ALWAYS AS
		(user_id || CASE WHEN kind = 'signin' THEN '/signin' ELSE '' END) STORED,
	-- since 1970, as an interval: that arithmetic knows no time zone, so it can be stored
	ADD COLUMN rank interval NOT NULL GENERATED ALWAYS AS
		(run_at - timestamptz '1970-01-01 00:00:00+00' + CASE priority
			WHEN 'high' THEN interval '0' WHEN 'normal' THEN interval '1 minute'
			ELSE interval '2 minutes' END) STORED;
CREATE INDEX jobs_turn ON pensum.jobs (queue, flow, rank, id) WHERE state = 'queued';
CREATE INDEX jobs_rung ON pensum.jobs (queue) WHERE state = 'queued' AND rung_at IS NOT NULL;

CREATE TABLE pensum.turns (
	flow text PRIMARY KEY,
	served_at timestamptz NOT NULL  -- when a job of it last started or ended
) WITH (fillfactor = 50);               -- updated all the time, in place

-- The priority under which a job is rung: a class higher for each minute that it has waited.
CREATE FUNCTION pensum.aged_priority(p_priority text, p_run_at timestamptz)
RETURNS text LANGUAGE sql AS $$
	SELECT (ARRAY['high', 'normal', 'low'])[1 + greatest(0,
		CASE p_priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END -
		floor(extract(epoch FROM clock_timestamp() - p_run_at) / 60))::integer];
$$;

-- Slots of a queue whose worker has been heard of lately; many when none is known, so that jobs are
-- rung for a worker that is about to come.
CREATE FUNCTION pensum.queue_slots(p_queue text) RETURNS integer LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(sum(w.slots), 0), 1000)::integer FROM pensum.workers w
	WHERE split_part(w.name, ':', 2) = p_queue AND w.seen_at > now() - interval '1 minute';
$$;

-- How many more hints the queue's stream may hold.
CREATE FUNCTION pensum.queue_room(p_queue text) RETURNS integer LANGUAGE sql STABLE AS $$
	SELECT greatest(64, 4 * (SELECT coalesce(sum(w.slots), 0) FROM pensum.workers w
			WHERE split_part(w.name, ':', 2) = p_queue))::integer -
		(SELECT count(*) FROM pensum.jobs j WHERE j.state = 'queued'
			AND j.rung_at IS NOT NULL AND j.queue = p_queue)::integer;
$$;

-- The next jobs of a queue in their order, at most as many of a flow as it may still have: of those
-- that were not rung (a user never has more rung than could run, so that nobody's hints stand in the
-- way of a user who comes later), or of all. Looks at a few jobs of each flow, however long it is.
CREATE FUNCTION pensum.jobs_in_turn(p_queue text, p_per_user integer, p_unrung boolean,
	p_limit integer)
RETURNS TABLE (id text, attempt integer, place bigint) LANGUAGE sql STABLE AS $$
	WITH RECURSIVE flows AS (
		(SELECT j.flow FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue
			ORDER BY j.flow LIMIT 1)
		UNION ALL
		SELECT (SELECT j.flow FROM pensum.jobs j WHERE j.state = 'queued'
				AND j.queue = p_queue AND j.flow > f.flow ORDER BY j.flow LIMIT 1)
		FROM flows f WHERE f.flow IS NOT NULL
	), held AS (
		SELECT j.flow, count(*) AS everywhere,
			count(*) FILTER (WHERE j.queue = p_queue) AS here
		FROM pensum.jobs j WHERE j.state = 'running'
			OR (p_unrung AND j.state = 'queued' AND j.rung_at IS NOT NULL)
		GROUP BY j.flow
	)
	SELECT c.id, c.attempt, row_number() OVER (ORDER BY coalesce(h.everywhere, 0) + c.nth,
		greatest(c.run_at, t.served_at) - c.run_at + c.rank, c.id) AS place
	FROM flows f LEFT JOIN held h ON h.flow = f.flow LEFT JOIN pensum.turns t ON t.flow = f.flow,
	LATERAL (
		SELECT j.id, j.attempt, j.run_at, j.rank, row_number() OVER (ORDER BY j.rank, j.id) AS nth
		FROM pensum.jobs j
		WHERE j.state = 'queued' AND j.queue = p_queue AND j.flow = f.flow AND NOT j.cancel
			AND j.run_at <= clock_timestamp() AND (NOT p_unrung OR j.rung_at IS NULL)
		ORDER BY j.rank, j.id
		LIMIT greatest(0, least(p_per_user - coalesce(h.everywhere, 0),
			CASE WHEN p_unrung THEN pensum.queue_slots(p_queue) - coalesce(h.here, 0) END))
	) c
	WHERE f.flow IS NOT NULL
	ORDER BY place LIMIT p_limit;
$$;

-- What is to be rung now: the window's new jobs, in their order; and, given the number of entries in
-- all streams, hints that were not heard. Those are rung again at growing intervals only, so that a
-- long wait does not fill its own stream, but soon when there are fewer entries than hints: some were
-- lost then. One gateway at a time; another that finds it busy need not ask again.
DROP FUNCTION pensum.jobs_to_ring(bigint, integer, boolean);
CREATE FUNCTION pensum.jobs_to_ring(p_per_user integer, p_entries bigint DEFAULT NULL)
RETURNS TABLE (id text, queue text, priority text, attempt integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	q text;
	room integer;
	lost boolean;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('pensum.ring', 0)) THEN
		RETURN;
	END IF;
	lost := p_entries < (SELECT count(*) FROM pensum.jobs j
		WHERE j.state = 'queued' AND j.rung_at IS NOT NULL);
	IF p_entries IS NOT NULL THEN
		RETURN QUERY UPDATE pensum.jobs j SET rung_at = clock_timestamp()
		WHERE j.id IN (SELECT d.id FROM pensum.jobs d
			WHERE d.state = 'queued' AND d.rung_at IS NOT NULL AND NOT d.cancel
				AND d.run_at <= clock_timestamp()
				AND d.rung_at < clock_timestamp() - CASE WHEN lost THEN interval '2 s'
					ELSE greatest(interval '10 s', d.rung_at - d.run_at) END
			FOR UPDATE SKIP LOCKED)
		RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at), j.attempt;
	END IF;
	FOREACH q IN ARRAY ARRAY['checker', 'docgen'] LOOP
		room := pensum.queue_room(q);
		CONTINUE WHEN room <= 0;
		RETURN QUERY WITH next AS (
			SELECT * FROM pensum.jobs_in_turn(q, p_per_user, true, room)
		), rung AS (
			UPDATE pensum.jobs j SET rung_at = clock_timestamp() FROM next n
			WHERE j.id = n.id AND j.state = 'queued' AND j.rung_at IS NULL
				AND j.attempt = n.attempt
			RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at) AS class,
				j.attempt, n.place)
		SELECT r.id, r.queue, r.class, r.attempt FROM rung r ORDER BY r.place;
	END LOOP;
END $$;

-- Claims job p_id for attempt p_attempt + 1. The attempt is counted here, so a crash is an attempt.
-- The turn's row is the lock under which a user's running jobs are counted. One that would be too many
-- is no longer rung: it is when a job of the user ends.
DROP FUNCTION pensum.job_claim(text, integer, text);
CREATE FUNCTION pensum.job_claim(p_id text, p_attempt integer, p_worker text,
	p_per_user integer DEFAULT 1000)
RETURNS SETOF pensum.jobs LANGUAGE plpgsql AS $$
DECLARE
	f text;
BEGIN
	SELECT j.flow INTO f FROM pensum.jobs j WHERE j.id = p_id AND j.state = 'queued'
		AND j.attempt = p_attempt AND NOT j.cancel AND j.run_at <= clock_timestamp()
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO pensum.turns AS t (flow, served_at) VALUES (f, clock_timestamp())
	ON CONFLICT (flow) DO UPDATE SET served_at = excluded.served_at;
	IF (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'running' AND j.flow = f)
			>= p_per_user THEN
		UPDATE pensum.jobs j SET rung_at = NULL WHERE j.id = p_id;
		RETURN;
	END IF;
	RETURN QUERY UPDATE pensum.jobs j SET state = 'running', attempt = j.attempt + 1,
		worker = p_worker, event_n = 1, started_at = clock_timestamp()
	WHERE j.id = p_id RETURNING j.*;
END $$;

-- The next job of a queue without a bell: how workers find work while Redis is away, or nobody rings.
DROP FUNCTION pensum.job_claim_next(text, text);
CREATE FUNCTION pensum.job_claim_next(p_queue text, p_worker text, p_per_user integer DEFAULT 1000)
RETURNS SETOF pensum.jobs LANGUAGE plpgsql AS $$
DECLARE
	next record;
BEGIN
	FOR next IN SELECT n.id, n.attempt FROM pensum.jobs_in_turn(p_queue, p_per_user, false, 64) n
			ORDER BY n.place LOOP
		PERFORM FROM pensum.jobs j WHERE j.id = next.id AND j.state = 'queued'
		FOR UPDATE SKIP LOCKED; -- else another slot is taking it
		CONTINUE WHEN NOT FOUND;
		RETURN QUERY SELECT * FROM pensum.job_claim(next.id, next.attempt, p_worker, p_per_user);
		EXIT WHEN FOUND;
	END LOOP;
END $$;

CREATE OR REPLACE FUNCTION pensum.job_finish(p_id text, p_attempt integer, p_worker text,
	p_state text, p_event_n integer, p_result jsonb, p_code text, p_message text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	f text;
BEGIN
	UPDATE pensum.jobs SET state = p_state, event_n = p_event_n, result = p_result,
		failure_code = p_code, failure_message = p_message, secret = NULL,
		finished_at = clock_timestamp()
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING flow INTO f;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	UPDATE pensum.turns SET served_at = clock_timestamp() WHERE flow = f;
	RETURN true;
END $$;

CREATE FUNCTION pensum.turns_purge() RETURNS void LANGUAGE sql AS $$
	DELETE FROM pensum.turns WHERE served_at < now() - interval '1 day';
$$;

-- Submits the jobs of one request, all or none. p_jobs: [{"id", "input", "secret", "session"}], the
-- last two for a sign-in. Answers one row a job: 'rung', for the caller to ring at once, or 'created',
-- when others are to be rung before it; 'repeated' (the same Idempotency-Key and body; without a key
-- the same request within five seconds; or p_reuse and one of that kind has not ended); or a single
-- row 'mismatch' (the same key with another body) or 'too_many'. Sign-ins are counted apart: whoever
-- knows a username can ask for one, and must not use up the student's own number.
DROP FUNCTION pensum.jobs_submit(text, text, text, text, jsonb, text, text, text, integer, integer,
	boolean);
CREATE FUNCTION pensum.jobs_submit(p_user text, p_kind text, p_queue text, p_priority text,
	p_jobs jsonb, p_batch text, p_idem_key text, p_idem_hash text, p_limit integer,
	p_max_attempts integer, p_per_user integer, p_reuse boolean)
RETURNS TABLE (outcome text, job jsonb) LANGUAGE plpgsql AS $$
DECLARE
	made text[];
	same text[];
	room integer := 0;
BEGIN
	-- One submission of a student at a time: what is counted here is still so when it is used.
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0));

	IF p_idem_key IS NOT NULL THEN
		RETURN QUERY SELECT CASE WHEN j.idem_hash = p_idem_hash AND j.kind = p_kind
				THEN 'repeated' ELSE 'mismatch' END, pensum.job_json(j)
			FROM pensum.jobs j WHERE j.user_id = p_user AND j.idem_key = p_idem_key
			ORDER BY coalesce((j.input->>'index')::integer, 0);
	ELSIF p_idem_hash IS NOT NULL THEN
		-- A second click. What has failed or was cancelled meanwhile may be asked for again.
		SELECT array_agg(j.id) INTO same FROM pensum.jobs j
		WHERE j.user_id = p_user AND j.created_at > clock_timestamp() - interval '5 s'
			AND j.idem_key IS NULL AND j.idem_hash = p_idem_hash AND j.kind = p_kind
		HAVING NOT bool_or(j.cancel OR j.state IN ('failed', 'cancelled', 'dead')
			OR (j.kind = 'signin' AND j.finished_at IS NOT NULL));
		RETURN QUERY SELECT 'repeated', pensum.job_json(j)
			FROM pensum.jobs j WHERE j.id = ANY (same)
			ORDER BY coalesce((j.input->>'index')::integer, 0);
	END IF;
	IF FOUND AND p_idem_hash IS NOT NULL THEN
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

	-- With room in the window and nobody waiting for it, the bell need not wait for the next look.
	IF NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue
			AND j.rung_at IS NULL AND j.run_at <= now() AND NOT j.cancel) THEN
		SELECT least(pensum.queue_room(p_queue), p_per_user - count(*),
				pensum.queue_slots(p_queue) - count(*) FILTER (WHERE j.queue = p_queue))
		INTO room FROM pensum.jobs j
		WHERE j.user_id = p_user AND j.finished_at IS NULL
			AND (j.kind = 'signin') = (p_kind = 'signin')
			AND (j.state = 'running' OR (j.state = 'queued' AND j.rung_at IS NOT NULL));
	END IF;

	WITH inserted AS (
		INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, session_hash, batch,
			input, secret, max_attempts, idem_key, idem_hash, rung_at)
		SELECT e.value->>'id', p_kind, p_queue, p_priority, p_user, e.value->>'session', p_batch,
			e.value->'input', e.value->>'secret', p_max_attempts, p_idem_key, p_idem_hash,
			CASE WHEN e.ordinality <= room THEN now() END
		FROM jsonb_array_elements(p_jobs) WITH ORDINALITY e
		RETURNING jobs.id)
	SELECT array_agg(id) INTO made FROM inserted;
	RETURN QUERY SELECT CASE WHEN j.rung_at IS NULL THEN 'created' ELSE 'rung' END,
			pensum.job_json(j)
		FROM pensum.jobs j WHERE j.id = ANY (made)
		ORDER BY coalesce((j.input->>'index')::integer, 0);
END $$;

-- A sign-in: its job, and the pending session of the browser that asked. A repeat (the first answer
-- got lost) is only of a sign-in that still runs; the new cookie then takes the job over.
DROP FUNCTION pensum.signin_submit(text, text, bigint, text, text, jsonb, text, text, integer,
	integer);
CREATE FUNCTION pensum.signin_submit(p_user text, p_session text, p_ttl_s bigint, p_queue text,
	p_priority text, p_jobs jsonb, p_idem_key text, p_idem_hash text, p_limit integer,
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
			INSERT INTO pensum.sessions (token_hash, user_id, signin_job, active, expires_at)
			VALUES (p_session, p_user, job->>'id', false,
				now() + p_ttl_s * interval '1 second');
		END IF;
		RETURN NEXT;
	END LOOP;
END $$;

-- Jobs that this session may see: its user's, of sign-ins only its own; while pending only that. Of
-- two browsers whose sign-in is one job, each sees it.
CREATE OR REPLACE FUNCTION pensum.jobs_visible(p_user text, p_session text, p_only text,
	p_limit integer)
RETURNS SETOF pensum.jobs LANGUAGE sql STABLE AS $$
	SELECT j.* FROM pensum.jobs j
	WHERE j.user_id = p_user AND (j.kind <> 'signin' OR j.session_hash = p_session
			OR j.id = (SELECT s.signin_job FROM pensum.sessions s
				WHERE s.token_hash = p_session))
		AND (p_only IS NULL OR j.id = p_only)
	ORDER BY j.created_at DESC, j.id DESC LIMIT p_limit;
$$;

-- Jobs a second that leave a queue now. While it has had work waiting, what ended in that time (a
-- minute at most) says it; when that is too little to say, how long the last jobs took and the slots.
CREATE FUNCTION pensum.drain_rate(p_queue text) RETURNS double precision LANGUAGE plpgsql STABLE AS $$
DECLARE
	since timestamptz;
	ended bigint;
	first timestamptz;
	took double precision;
BEGIN
	SELECT greatest(min(j.run_at), clock_timestamp() - interval '1 minute') INTO since
	FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue AND NOT j.cancel;
	SELECT count(*), min(e.finished_at) INTO ended, first
	FROM (SELECT j.finished_at FROM pensum.jobs j
		WHERE j.finished_at > since AND j.queue = p_queue AND j.started_at IS NOT NULL
		ORDER BY j.finished_at DESC LIMIT 200) e;
	IF ended >= 10 THEN
		RETURN ended / greatest(0.001, extract(epoch FROM clock_timestamp() -
			CASE WHEN ended = 200 THEN first ELSE since END));
	END IF;
	SELECT avg(extract(epoch FROM e.finished_at - e.started_at)) INTO took
	FROM (SELECT j.finished_at, j.started_at FROM pensum.jobs j
		WHERE j.finished_at > clock_timestamp() - interval '1 hour' AND j.queue = p_queue
			AND j.started_at IS NOT NULL
		ORDER BY j.finished_at DESC LIMIT 50) e;
	RETURN CASE WHEN took IS NOT NULL THEN
		pensum.queue_slots(p_queue) / greatest(0.001, took) END;
END $$;

-- Where each due job stands in its queue (1: the next to start) and in how many seconds it will start,
-- NULL when nobody can know yet. What is rung already goes first; else the order is jobs_in_turn's.
CREATE VIEW pensum.job_positions AS
	WITH busy AS (
		SELECT flow, count(*) AS running FROM pensum.jobs WHERE state = 'running' GROUP BY flow
	), waiting AS (
		SELECT j.id, j.queue, j.rung_at IS NULL AS later,
			coalesce(b.running, 0) + row_number() OVER
				(PARTITION BY j.queue, j.flow ORDER BY j.rank, j.id) AS nth,
			greatest(j.run_at, t.served_at) - j.run_at + j.rank AS key
		FROM pensum.jobs j LEFT JOIN busy b ON b.flow = j.flow
		LEFT JOIN pensum.turns t ON t.flow = j.flow
		WHERE j.state = 'queued' AND NOT j.cancel AND j.run_at <= clock_timestamp()
	), rates AS MATERIALIZED (
		SELECT q.queue, pensum.drain_rate(q.queue) AS per_s
		FROM (SELECT DISTINCT w.queue FROM waiting w) q
	), placed AS (
		SELECT w.id, w.queue, row_number() OVER
			(PARTITION BY w.queue ORDER BY w.later, w.nth, w.key, w.id) AS position
		FROM waiting w
	)
	SELECT p.id, p.queue, p.position, ceil(p.position / r.per_s)::bigint AS eta_s
	FROM placed p JOIN rates r ON r.queue = p.queue;
