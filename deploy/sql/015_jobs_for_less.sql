-- The jobs' table, and what each write to it costs. Each statement that writes a job prepares what every
-- index, condition and trigger of the table needs, whether anything comes of it or not; what it prepares
-- from an expression costs most.

ALTER TABLE pensum.jobs
	-- What an attempt had done already when it was given back: the next one goes on behind it. What
	-- it says is the kind's own; no end keeps it.
	ADD COLUMN part jsonb,
	-- Which of a request's jobs it is, so that a key can be repeated.
	ADD COLUMN idem_place integer NOT NULL DEFAULT 0;
UPDATE pensum.jobs SET idem_place = (input->>'index')::integer WHERE input->>'index' IS NOT NULL;
DROP INDEX pensum.jobs_idem;
CREATE UNIQUE INDEX jobs_idem ON pensum.jobs (user_id, idem_key, idem_place);

-- By statistics that were made while nothing was queued, all of its entries for each user looked as cheap
-- as one user's entries in jobs_turn, which serves whatever asked it.
DROP INDEX pensum.jobs_due;

-- Which few are of a state: what runs, what is dead. What is rung has an index of its own (jobs_rung): of
-- one that holds more than that the planner thinks, when many were queued at its last look, that all of
-- those are there, and reads all that is queued instead, at each look at the window.
DROP INDEX pensum.jobs_running, pensum.jobs_dead;
CREATE INDEX jobs_few ON pensum.jobs (state, queue) WHERE state IN ('running', 'dead');

-- What says whose turn it is, is not computed at each change of a row, but when it can be another one
-- (job_rank below). And what is compared a dozen times for each entry is made of bytes, not of words of a
-- language. Views stand in the way of that, and triggers that name a column: those come again below, the
-- views in 016_submit.sql and 019_positions.sql.
DROP VIEW pensum.job_events, pensum.job_positions;
DROP TRIGGER audit_moved ON pensum.jobs;
ALTER TABLE pensum.jobs ALTER COLUMN flow DROP EXPRESSION, ALTER COLUMN rank DROP EXPRESSION;
ALTER TABLE pensum.jobs
	-- Its states are the functions' own words: whoever ends a job says which, see job_finish().
	DROP CONSTRAINT jobs_state_check,
	ALTER id TYPE text COLLATE "C", ALTER queue TYPE text COLLATE "C",
	ALTER user_id TYPE text COLLATE "C", ALTER state TYPE text COLLATE "C",
	ALTER worker TYPE text COLLATE "C", ALTER flow TYPE text COLLATE "C",
	ALTER idem_key TYPE text COLLATE "C";
ALTER TABLE pensum.turns ALTER flow TYPE text COLLATE "C";
ALTER TABLE pensum.audit ALTER job_id TYPE text COLLATE "C";

-- A condition of a trigger is read anew, from text, by each statement that may meet it; a line of its
-- function is not. And only what names one of its columns meets a trigger at all.

-- At a job's birth, or when its turn can be another one.
CREATE FUNCTION pensum.job_rank() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- At its end, which keeps no part of it, and when it comes back from that (005_metrics.sql: its first end
-- stays counted, its starts are counted with it when it ends again, and it was submitted once).
DROP TRIGGER jobs_reopen ON pensum.jobs;
DROP FUNCTION pensum.totals_reopen();
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

-- The audit trail's rows come in the order of time, so that their numbers find what is old.
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
