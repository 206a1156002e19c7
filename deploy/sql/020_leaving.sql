-- Leaving: who signs out is signed out of Moodle too, and who wants to be forgotten is.
--
-- Moodle is told by a job of kind 'signout', in the background and twice at most. It belongs to nobody:
-- its user_id is a random one, and whose session it ends stands only in its sealed secret.

CREATE FUNCTION pensum.signout_submit(p_job text, p_as text, p_secret text, p_site text)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO pensum.jobs (id, kind, queue, priority, user_id, input, secret, max_attempts)
	VALUES (p_job, 'signout', 'checker', 'low', p_as, jsonb_build_object('site', p_site), p_secret, 2);
$$;

-- The Moodle session that ends with this browser's sign-out: not while the student is signed in
-- elsewhere as well.
CREATE FUNCTION pensum.session_last(p_token text)
RETURNS TABLE (user_id text, sealed text) LANGUAGE sql STABLE AS $$
	SELECT m.user_id, m.sealed FROM pensum.sessions s JOIN pensum.moodle_sessions m USING (user_id)
	WHERE s.token_hash = p_token AND s.active AND NOT EXISTS (
		SELECT FROM pensum.sessions o WHERE o.user_id = s.user_id AND o.token_hash <> p_token
			AND o.active AND o.expires_at > now());
$$;

-- Ends a browser's session, and with it a sign-in that still runs: nobody could see how it ends.
-- p_sealed: the Moodle session of session_last(), to be ended by p_job; a newer one stays. Answers
-- whether there was such a job to make.
CREATE FUNCTION pensum.session_end(p_token text, p_sealed text, p_job text, p_as text,
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

-- Deletes all that is known of a student, in every table that has a user_id: the audit trail, too,
-- since a keyed hash is still somebody's. What was counted stays counted, without names. First the
-- jobs: an attempt that runs then has nothing left to commit to. Answers what else is elsewhere: the
-- browsers' sessions, the jobs, the objects of the store.
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

-- Secrets that nobody used in time must not wait any longer.
CREATE OR REPLACE FUNCTION pensum.signins_expire(p_age_s bigint)
RETURNS TABLE (id text, state text, version_attempt integer, version_n integer)
LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET state = 'failed', secret = NULL, worker = NULL,
		attempt = attempt + (j.state <> 'running')::integer, event_n = 1000000,
		failure_code = 'timeout', failure_message = NULL, finished_at = clock_timestamp()
	WHERE j.kind IN ('signin', 'signout') AND j.finished_at IS NULL
		AND j.created_at < now() - p_age_s * interval '1 second'
	RETURNING j.id, j.state, j.attempt, j.event_n;
$$;
