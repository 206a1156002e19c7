-- Several Moodle sites. A browser's session is of one, by its id in the settings (common/base/sites.h), and
-- so is each job: in its input, and as a column for what counts by it. Students need none: their id is
-- made of the site and the username. What there is already is of the site that the settings site.* are.

ALTER TABLE pensum.sessions ADD COLUMN site text NOT NULL DEFAULT 'default';
ALTER TABLE pensum.jobs ADD COLUMN site text NOT NULL DEFAULT 'default';

CREATE FUNCTION pensum.job_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.site := NEW.input->>'site';
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_site BEFORE INSERT ON pensum.jobs FOR EACH ROW
	WHEN (NEW.input ? 'site') EXECUTE FUNCTION pensum.job_site();

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

-- Leaving (020_leaving.sql): whose Moodle it is that is told.
CREATE FUNCTION pensum.signout_submit(p_job text, p_as text, p_secret text, p_site text)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret, max_attempts)
	VALUES (p_job, 'signout', 'checker', 'low', p_as, jsonb_build_object('site', p_site), p_secret, 2);
$$;

CREATE OR REPLACE FUNCTION pensum.session_end(p_token text, p_sealed text, p_job text, p_as text,
	p_secret text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	s pensum.sessions;
BEGIN
	DELETE FROM pensum.sessions WHERE token_hash = p_token RETURNING * INTO s;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF NOT s.active THEN
		PERFORM pensum.job_cancel(s.signin_job, s.user_id);
		RETURN false;
	END IF;
	DELETE FROM pensum.moodle_sessions m WHERE m.user_id = s.user_id AND m.sealed = p_sealed;
	IF FOUND THEN
		PERFORM pensum.signout_submit(p_job, p_as, p_secret, s.site);
	END IF;
	RETURN FOUND;
END $$;

DROP FUNCTION pensum.account_delete(text, text, text, text);
CREATE FUNCTION pensum.account_delete(p_user text, p_job text, p_as text, p_secret text, p_site text)
RETURNS TABLE (tokens jsonb, jobs jsonb, objects jsonb) LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz;
	place name;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.submit ' || p_user, 0));
	SELECT u.until INTO since FROM pensum.totals_until u FOR UPDATE;
	INSERT INTO pensum.totals AS t
		SELECT e.name, e.label, sum(e.value) FROM pensum.jobs j,
			pensum.ended_totals(since, 'infinity', j.id) e
		WHERE j.user_id = p_user AND j.finished_at >= since GROUP BY e.name, e.label
	ON CONFLICT (name, label) DO UPDATE SET value = t.value + excluded.value;

	WITH gone AS (DELETE FROM pensum.jobs j WHERE j.user_id = p_user RETURNING j.id)
	SELECT coalesce(jsonb_agg(g.id), '[]') INTO jobs FROM gone g;
	WITH gone AS (DELETE FROM pensum.sessions s WHERE s.user_id = p_user RETURNING s.token_hash)
	SELECT coalesce(jsonb_agg(g.token_hash), '[]') INTO tokens FROM gone g;
	WITH gone AS (DELETE FROM pensum.documents d WHERE d.user_id = p_user RETURNING d.object)
	SELECT coalesce(jsonb_agg(DISTINCT g.object), '[]') INTO objects FROM gone g;

	PERFORM set_config('pensum.audit_purge', 'on', true);
	FOR place IN SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relnamespace = 'pensum'::regnamespace AND c.relkind = 'r'
				AND a.attname = 'user_id' AND NOT a.attisdropped LOOP
		EXECUTE format('DELETE FROM pensum.%I WHERE user_id = $1', place) USING p_user;
	END LOOP;
	PERFORM set_config('pensum.audit_purge', '', true);
	DELETE FROM pensum.turns WHERE flow IN (p_user, p_user || '/signin');
	DELETE FROM pensum.users WHERE id = p_user;
	PERFORM pensum.signout_submit(p_job, p_as, p_secret, p_site);
	RETURN NEXT;
END $$;
DROP FUNCTION pensum.signout_submit(text, text, text);
