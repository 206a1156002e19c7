-- The audit trail, the dead letters, and what workers count.

-- Append-only: who asked for what and how it ended. Neither inputs nor messages nor secrets; user_id is
-- the keyed hash that it is everywhere. Written by a trigger, so in the transaction of what it tells
-- of, whoever makes that.
--	submitted, requeued	a job came to its queue, or came back from the dead
--	cancel_asked		somebody wants it stopped
--	retried, waiting	an attempt ended and the job did not; reason: why
--	succeeded, failed, cancelled, dead	it has ended; reason: why
CREATE TABLE pensum.audit (
	n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	what text NOT NULL,
	job_id text NOT NULL,
	user_id text NOT NULL,
	kind text NOT NULL,
	attempt integer NOT NULL,
	worker text,                    -- that held the attempt
	reason text                     -- a failure's code
);
CREATE INDEX audit_job ON pensum.audit (job_id);
CREATE INDEX audit_at ON pensum.audit (at);

CREATE FUNCTION pensum.audit_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
CREATE TRIGGER audit_submitted AFTER INSERT ON pensum.jobs
	FOR EACH ROW EXECUTE FUNCTION pensum.audit_write();
CREATE TRIGGER audit_moved AFTER UPDATE ON pensum.jobs FOR EACH ROW
	WHEN ((NEW.state <> OLD.state AND NEW.state <> 'running') OR (NEW.cancel AND NOT OLD.cancel))
	EXECUTE FUNCTION pensum.audit_write();

-- What was written stays as it is. Only pensum.audit_purge() may delete, and only what is old.
CREATE FUNCTION pensum.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND current_setting('pensum.audit_purge', true) = 'on' THEN
		RETURN OLD;
	END IF;
	RAISE EXCEPTION 'pensum.audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON pensum.audit
	FOR EACH ROW EXECUTE FUNCTION pensum.audit_refuse();
CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON pensum.audit
	FOR EACH STATEMENT EXECUTE FUNCTION pensum.audit_refuse();

CREATE FUNCTION pensum.audit_purge(p_keep_s bigint, p_portion integer)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	gone bigint;
BEGIN
	PERFORM set_config('pensum.audit_purge', 'on', true);
	DELETE FROM pensum.audit WHERE n IN (
		SELECT a.n FROM pensum.audit a
		WHERE a.at < now() - greatest(p_keep_s, 3600) * interval '1 second'
		ORDER BY a.at LIMIT p_portion);
	GET DIAGNOSTICS gone = ROW_COUNT;
	PERFORM set_config('pensum.audit_purge', '', true);
	RETURN gone;
END $$;

-- Attempts that did not count (handed back, waited for the student, made before a requeue): those
-- that did are attempt - excused, and a job has max_attempts - excused of them.
ALTER TABLE pensum.jobs ADD COLUMN excused integer NOT NULL DEFAULT 0;

CREATE OR REPLACE FUNCTION pensum.job_hand_back(p_id text, p_attempt integer, p_worker text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' ELSE 'queued' END,
		max_attempts = max_attempts + 1, excused = excused + 1, worker = NULL, rung_at = NULL,
		event_n = CASE WHEN cancel THEN 1000000 ELSE 0 END,
		secret = CASE WHEN cancel THEN NULL ELSE secret END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE failure_code END,
		run_at = clock_timestamp(),
		finished_at = CASE WHEN cancel THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;

CREATE OR REPLACE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text,
	p_event_n integer, p_code text, p_message text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' ELSE 'waiting' END,
		max_attempts = max_attempts + 1, excused = excused + 1, worker = NULL,
		event_n = CASE WHEN cancel THEN 1000000 ELSE p_event_n END,
		secret = CASE WHEN cancel THEN NULL ELSE secret END,
		failure_code = CASE WHEN cancel THEN 'cancelled' ELSE p_code END,
		failure_message = CASE WHEN cancel THEN NULL ELSE p_message END,
		finished_at = CASE WHEN cancel THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;

-- The dead letters, newest first: reason is the code of the last failure, error its sentence.
CREATE INDEX jobs_dead ON pensum.jobs (finished_at) WHERE state = 'dead';
CREATE FUNCTION pensum.jobs_dead(p_limit integer)
RETURNS TABLE (id text, kind text, queue text, user_id text, attempts integer, reason text,
	error text, created_at timestamptz, died_at timestamptz) LANGUAGE sql STABLE AS $$
	SELECT j.id, j.kind, j.queue, j.user_id, j.attempt - j.excused, j.failure_code,
		j.failure_message, j.created_at, j.finished_at
	FROM pensum.jobs j WHERE j.state = 'dead' ORDER BY j.finished_at DESC LIMIT p_limit;
$$;

-- Back to its queue with as many attempts as it had, unless it is not dead or was a sign-in, whose
-- password is gone: then no row. Its queued event has the version (attempt + 1, 0).
CREATE FUNCTION pensum.job_requeue(p_id text)
RETURNS TABLE (id text, queue text, priority text, attempt integer) LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET state = 'queued', worker = NULL, cancel = false, event_n = 0,
		max_attempts = j.attempt + j.max_attempts - j.excused, excused = j.attempt,
		failure_code = NULL, failure_message = NULL, run_at = clock_timestamp(),
		rung_at = NULL, finished_at = NULL
	WHERE j.id = p_id AND j.state = 'dead' AND j.kind <> 'signin'
	RETURNING j.id, j.queue, j.priority, j.attempt;
$$;

-- What a worker's slots have counted since its start, written with each beat, for the one scrape of
-- the gateway: {"metric": {"label's value": number}}, with "" where the metric has no label.
ALTER TABLE pensum.workers ADD COLUMN counters jsonb NOT NULL DEFAULT '{}';
