-- A job's way for less. Each statement that writes a job prepares what every index, condition and trigger of the
-- table needs, whether anything comes of it or not; what it prepares from an expression costs most.

-- Which few are of a state: what runs, what is rung, what is dead.
DROP INDEX pensum.jobs_running, pensum.jobs_rung, pensum.jobs_dead;
CREATE INDEX jobs_few ON pensum.jobs (state, queue)
	WHERE state IN ('running', 'dead') OR (state = 'queued' AND rung_at IS NOT NULL);

-- Which of a request's jobs it is, so that a key can be repeated.
ALTER TABLE pensum.jobs ADD COLUMN idem_place integer NOT NULL DEFAULT 0;
UPDATE pensum.jobs SET idem_place = (input->>'index')::integer WHERE input->>'index' IS NOT NULL;
DROP INDEX pensum.jobs_idem;
CREATE UNIQUE INDEX jobs_idem ON pensum.jobs (user_id, idem_key, idem_place);

-- What is compared a dozen times for each entry is made of bytes, not of words of a language. (Views stand in
-- the way of that, and triggers that name a column.)
DROP TRIGGER jobs_rank ON pensum.jobs;
DROP TRIGGER jobs_site ON pensum.jobs;
DROP TRIGGER audit_moved ON pensum.jobs;
DO $$
DECLARE
	made text[];
	sentence text;
BEGIN
	SELECT array_agg(format('CREATE VIEW pensum.%I AS %s', v.viewname, v.definition)) INTO made
	FROM pg_views v WHERE v.schemaname = 'pensum' AND v.viewname IN ('job_events', 'job_positions');
	DROP VIEW pensum.job_events, pensum.job_positions;
	ALTER TABLE pensum.jobs
		-- Its states are the functions' own words: whoever ends a job says which, see job_finish().
		DROP CONSTRAINT jobs_state_check,
		ALTER id TYPE text COLLATE "C", ALTER queue TYPE text COLLATE "C",
		ALTER user_id TYPE text COLLATE "C", ALTER state TYPE text COLLATE "C",
		ALTER worker TYPE text COLLATE "C", ALTER flow TYPE text COLLATE "C",
		ALTER site TYPE text COLLATE "C", ALTER idem_key TYPE text COLLATE "C";
	ALTER TABLE pensum.turns ALTER flow TYPE text COLLATE "C";
	ALTER TABLE pensum.audit ALTER job_id TYPE text COLLATE "C";
	ALTER TABLE pensum.sites ALTER id TYPE text COLLATE "C";
	FOREACH sentence IN ARRAY made LOOP
		EXECUTE sentence;
	END LOOP;
END $$;

-- A condition of a trigger is read anew, from text, by each statement that may meet it; a line of its function
-- is not. And only what names one of its columns meets a trigger at all.
CREATE OR REPLACE FUNCTION pensum.audit_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND (NEW.state = OLD.state OR NEW.state = 'running')
			AND (OLD.cancel OR NOT NEW.cancel) THEN
		RETURN NULL;
	END IF;
	INSERT INTO pensum.audit (what, job_id, user_id, kind, attempt, worker, reason)
	VALUES (CASE
			WHEN TG_OP = 'INSERT' THEN 'submitted'
			WHEN NEW.state = OLD.state THEN 'cancel_asked'
			WHEN NEW.state = 'queued' AND OLD.state IN ('dead', 'failed') THEN 'requeued'
			WHEN NEW.state = 'queued' THEN 'retried'
			ELSE NEW.state END,
		NEW.id, NEW.user_id, NEW.kind, NEW.attempt,
		CASE WHEN TG_OP = 'UPDATE' THEN coalesce(NEW.worker, OLD.worker) END,
		CASE WHEN NEW.state <> 'succeeded' THEN NEW.failure_code END);
	RETURN NULL;
END $$;
CREATE TRIGGER audit_moved AFTER UPDATE OF state, cancel ON pensum.jobs FOR EACH ROW
	EXECUTE FUNCTION pensum.audit_write();

-- Its rows come in the order of time, so that their numbers find what is old.
DROP INDEX pensum.audit_at;
CREATE OR REPLACE FUNCTION pensum.audit_purge(p_keep_s bigint, p_portion integer)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	gone bigint;
BEGIN
	PERFORM set_config('pensum.audit_purge', 'on', true);
	DELETE FROM pensum.audit WHERE n IN (
		SELECT f.n FROM (SELECT a.n, a.at FROM pensum.audit a ORDER BY a.n LIMIT p_portion) f
		WHERE f.at < now() - greatest(p_keep_s, 3600) * interval '1 second');
	GET DIAGNOSTICS gone = ROW_COUNT;
	PERFORM set_config('pensum.audit_purge', '', true);
	RETURN gone;
END $$;

-- At a job's birth, or when its turn can be another one.
CREATE OR REPLACE FUNCTION pensum.job_rank() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		NEW.site := coalesce(NEW.input->>'site', NEW.site);
	END IF;
	NEW.flow := NEW.user_id || CASE WHEN NEW.kind = 'signin' THEN '/signin' ELSE '' END;
	NEW.rank := NEW.run_at - timestamptz '1970-01-01 00:00:00+00' + CASE NEW.priority
		WHEN 'high' THEN interval '0' WHEN 'normal' THEN interval '1 minute'
		ELSE interval '2 minutes' END;
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_rank BEFORE INSERT OR UPDATE OF user_id, kind, run_at, priority, flow, rank
	ON pensum.jobs FOR EACH ROW EXECUTE FUNCTION pensum.job_rank();
DROP FUNCTION pensum.job_site();

-- At its end, which keeps no part of it, and when it comes back from that (005_metrics.sql: then its end no
-- longer counts).
DROP TRIGGER jobs_reopen ON pensum.jobs;
DROP TRIGGER jobs_part_over ON pensum.jobs;
DROP FUNCTION pensum.totals_reopen(), pensum.job_part_over();
CREATE FUNCTION pensum.job_over() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	rolled timestamptz;
BEGIN
	IF NEW.finished_at IS NOT NULL THEN
		NEW.part := NULL;
		RETURN NEW;
	ELSIF OLD.finished_at IS NULL THEN
		RETURN NEW;
	END IF;
	SELECT u.until INTO rolled FROM pensum.totals_until u FOR SHARE;
	IF OLD.finished_at >= rolled THEN
		INSERT INTO pensum.totals SELECT e.name, e.label, e.value FROM pensum.ended_totals(
			OLD.finished_at, OLD.finished_at + interval '1 microsecond', OLD.id) e
		ON CONFLICT (name, label) DO UPDATE SET value = totals.value + excluded.value;
	END IF;
	PERFORM pensum.total_add('jobs_started_total', '', -pensum.job_starts(NEW));
	PERFORM pensum.total_add('jobs_submitted_total', '', -1);
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_over BEFORE UPDATE OF finished_at ON pensum.jobs FOR EACH ROW
	EXECUTE FUNCTION pensum.job_over();

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

-- As in 024_fast_path.sql.
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

-- By how much more than its usual window of hints (queue_room) a queue gets done in a tenth of a second. A window
-- of that length still keeps nobody waiting, and whose turn it is need not be asked for every few jobs.
CREATE FUNCTION pensum.queue_haste(p_queue text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
	since timestamptz := clock_timestamp() - interval '100 ms';
BEGIN
	RETURN greatest(0, (SELECT count(*) FROM pensum.jobs j WHERE j.finished_at > since AND j.queue = p_queue)
		- greatest(64, 4 * (SELECT coalesce(sum(w.slots), 0) FROM pensum.workers w
			WHERE split_part(w.name, ':', 2) = p_queue)));
END $$;

-- As in 037_turns_at_once.sql, for a window that is as long as the queue is fast.
CREATE OR REPLACE FUNCTION pensum.jobs_to_ring(p_per_user integer, p_entries bigint DEFAULT NULL)
RETURNS TABLE (id text, queue text, priority text, attempt integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	q text;
	room integer;
	next text[];
	lost boolean;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('pensum.ring', 0)) THEN
		RETURN;
	END IF;
	PERFORM set_config('synchronous_commit', 'off', true);
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
		room := pensum.queue_room(q) + pensum.queue_haste(q);
		CONTINUE WHEN room <= 0;
		next := ARRAY(SELECT t.id FROM pensum.jobs_in_turn(q, p_per_user, true, room) t ORDER BY t.place);
		RETURN QUERY WITH rung AS (
			UPDATE pensum.jobs j SET rung_at = clock_timestamp()
			WHERE j.id = ANY (next) AND (j.state = 'queued') IS TRUE AND j.rung_at IS NULL
			RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at) AS class, j.attempt)
		SELECT r.id, r.queue, r.class, r.attempt FROM rung r ORDER BY array_position(next, r.id);
	END LOOP;
END $$;
