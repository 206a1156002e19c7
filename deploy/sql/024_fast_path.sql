-- The same for less. What runs for every job is plpgsql, whose plans a session keeps (a function in SQL
-- is planned again each time), looks at a row once, and finds it by its key. (That the daemons' sessions
-- find rows through indexes in whatever state the statistics are is said in their connection string.)

-- By statistics that were made while nothing was queued, all of its entries for each user looked as cheap
-- as one user's entries in jobs_turn, which serves whatever asked it.
DROP INDEX pensum.jobs_due;

-- What says whose turn it is was computed at each change of a row; now when it can be another one.
ALTER TABLE pensum.jobs ALTER COLUMN flow DROP EXPRESSION, ALTER COLUMN rank DROP EXPRESSION;
CREATE FUNCTION pensum.job_rank() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.flow := NEW.user_id || CASE WHEN NEW.kind = 'signin' THEN '/signin' ELSE '' END;
	NEW.rank := NEW.run_at - timestamptz '1970-01-01 00:00:00+00' + CASE NEW.priority
		WHEN 'high' THEN interval '0' WHEN 'normal' THEN interval '1 minute'
		ELSE interval '2 minutes' END;
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_rank BEFORE INSERT OR UPDATE OF user_id, kind, run_at, priority, flow, rank
	ON pensum.jobs FOR EACH ROW EXECUTE FUNCTION pensum.job_rank();
DROP TRIGGER jobs_reopen ON pensum.jobs;
CREATE TRIGGER jobs_reopen BEFORE UPDATE OF finished_at ON pensum.jobs FOR EACH ROW
	WHEN (OLD.finished_at IS NOT NULL AND NEW.finished_at IS NULL)
	EXECUTE FUNCTION pensum.totals_reopen();

-- Version as in pensum.job_events.
CREATE OR REPLACE FUNCTION pensum.job_json(j pensum.jobs) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state,
		'version', jsonb_build_array(
			j.attempt + (j.state IN ('queued', 'cancelled'))::integer, j.event_n),
		'step', coalesce(j.failure_code, ''), 'done', 0, 'total', 0,
		'note', coalesce(j.failure_message, ''), 'batch', j.batch,
		'assignment', j.input->'cmid', 'title', j.input->'title',
		'created_at', pensum.iso(j.created_at), 'finished_at', pensum.iso(j.finished_at),
		'result', j.result,
		'failure', CASE WHEN j.failure_code IS NOT NULL
			AND j.state IN ('failed', 'dead', 'waiting', 'cancelled')
			THEN jsonb_build_object('code', j.failure_code, 'message', j.failure_message)
			END);
END $$;

CREATE OR REPLACE FUNCTION pensum.queue_slots(p_queue text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT coalesce(nullif(sum(w.slots), 0), 1000)::integer FROM pensum.workers w
		WHERE split_part(w.name, ':', 2) = p_queue AND w.seen_at > now() - interval '1 minute');
END $$;

CREATE OR REPLACE FUNCTION pensum.queue_room(p_queue text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN greatest(64, 4 * (SELECT coalesce(sum(w.slots), 0) FROM pensum.workers w
			WHERE split_part(w.name, ':', 2) = p_queue))::integer -
		(SELECT count(*) FROM pensum.jobs j WHERE j.state = 'queued'
			AND j.rung_at IS NOT NULL AND j.queue = p_queue)::integer;
END $$;

-- As in 006_turns.sql.
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
			ORDER BY coalesce((j.input->>'index')::integer, 0);
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
				ORDER BY coalesce((j.input->>'index')::integer, 0);
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
			input, secret, max_attempts, idem_key, idem_hash, rung_at)
		SELECT e.value->>'id', p_kind, p_queue, p_priority, p_user, e.value->>'session', p_batch,
			e.value->'input', e.value->>'secret', p_max_attempts, p_idem_key, p_idem_hash,
			CASE WHEN e.ordinality <= room THEN now() END
		FROM jsonb_array_elements(p_jobs) WITH ORDINALITY e ORDER BY e.ordinality
		RETURNING CASE WHEN j.rung_at IS NULL THEN 'created' ELSE 'rung' END, pensum.job_json(j);
END $$;

-- By its key: the planner must not take one of the partial indexes by state for it ("IS TRUE").
CREATE OR REPLACE FUNCTION pensum.job_finish(p_id text, p_attempt integer, p_worker text,
	p_state text, p_event_n integer, p_result jsonb, p_code text, p_message text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	f text;
BEGIN
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

-- The user's running jobs are among the few that have not ended: no index of all that run is needed.
CREATE OR REPLACE FUNCTION pensum.job_claim(p_id text, p_attempt integer, p_worker text,
	p_per_user integer DEFAULT 1000)
RETURNS SETOF pensum.jobs LANGUAGE plpgsql AS $$
DECLARE
	f text;
	u text;
BEGIN
	SELECT j.flow, j.user_id INTO f, u FROM pensum.jobs j
	WHERE j.id = p_id AND (j.state = 'queued') IS TRUE AND j.attempt = p_attempt AND NOT j.cancel
		AND j.run_at <= clock_timestamp()
	FOR UPDATE;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	INSERT INTO pensum.turns AS t (flow, served_at) VALUES (f, clock_timestamp())
	ON CONFLICT (flow) DO UPDATE SET served_at = excluded.served_at;
	IF (SELECT count(*) FROM pensum.jobs j WHERE j.user_id = u AND j.finished_at IS NULL
			AND (j.state = 'running') IS TRUE AND j.flow = f) >= p_per_user THEN
		UPDATE pensum.jobs j SET rung_at = NULL WHERE j.id = p_id;
		RETURN;
	END IF;
	RETURN QUERY UPDATE pensum.jobs j SET state = 'running', attempt = j.attempt + 1,
		worker = p_worker, event_n = 1, started_at = clock_timestamp()
	WHERE j.id = p_id RETURNING j.*;
END $$;

-- As in 006_turns.sql, but only when something waits for the window. (pensum.jobs_in_turn stays a
-- function in SQL: it must be planned for as many flows and jobs as there are now.)
CREATE OR REPLACE FUNCTION pensum.jobs_to_ring(p_per_user integer, p_entries bigint DEFAULT NULL)
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
	IF p_entries IS NOT NULL THEN
		lost := p_entries < (SELECT count(*) FROM pensum.jobs j
			WHERE j.state = 'queued' AND j.rung_at IS NOT NULL);
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
		CONTINUE WHEN NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.state = 'queued'
			AND j.rung_at IS NULL AND j.queue = q);
		room := pensum.queue_room(q);
		CONTINUE WHEN room <= 0;
		RETURN QUERY WITH next AS (
			SELECT * FROM pensum.jobs_in_turn(q, p_per_user, true, room)
		), rung AS (
			UPDATE pensum.jobs j SET rung_at = clock_timestamp() FROM next n
			WHERE j.id = n.id AND (j.state = 'queued') IS TRUE AND j.rung_at IS NULL
				AND j.attempt = n.attempt
			RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at) AS class,
				j.attempt, n.place)
		SELECT r.id, r.queue, r.class, r.attempt FROM rung r ORDER BY r.place;
	END LOOP;
END $$;
