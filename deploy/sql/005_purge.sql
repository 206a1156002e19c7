-- What has expired goes in portions, each a transaction of its own, so that none is long however much
-- there is. Of several gateways one begins each time (duty_begin), and a portion that another one is
-- at is left to it (an advisory lock).

CREATE TABLE pensum.duties (
	name text PRIMARY KEY,
	began_at timestamptz NOT NULL
);

-- Whether this caller is the one to do it now. Also when this machine's clock was put back.
CREATE FUNCTION pensum.duty_begin(p_name text, p_every_s bigint) RETURNS boolean LANGUAGE sql AS $$
	INSERT INTO pensum.duties AS d VALUES (p_name, clock_timestamp())
	ON CONFLICT (name) DO UPDATE SET began_at = excluded.began_at
		WHERE d.began_at <= excluded.began_at - p_every_s * interval '1 second'
			OR d.began_at > excluded.began_at
	RETURNING true;
$$;

DROP FUNCTION pensum.purge(bigint, integer);

-- Deletes at most p_portion rows of one kind. Answers how many went, and the keys of the objects that
-- nothing refers to any more; no row: another gateway is at it.
CREATE FUNCTION pensum.purge(p_what text, p_keep_s bigint, p_portion integer)
RETURNS TABLE (gone bigint, objects text[]) LANGUAGE plpgsql AS $$
DECLARE
	kept_since timestamptz := now() - p_keep_s * interval '1 second';
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtextextended('pensum.purge', 0)) THEN
		RETURN;
	END IF;
	objects := '{}';
	CASE p_what
	WHEN 'sessions' THEN
		-- A sign-in that failed leaves a session that can never become active.
		DELETE FROM pensum.sessions WHERE token_hash IN (
			SELECT s.token_hash FROM pensum.sessions s
			LEFT JOIN pensum.jobs j ON NOT s.active AND j.id = s.signin_job
			WHERE s.expires_at < now() OR (NOT s.active
				AND j.state IN ('failed', 'cancelled', 'dead')
				AND j.finished_at < now() - interval '1 hour')
			LIMIT p_portion);
	WHEN 'moodle_sessions' THEN
		DELETE FROM pensum.moodle_sessions WHERE user_id IN (
			SELECT user_id FROM pensum.moodle_sessions WHERE expires_at < now() LIMIT p_portion);
	WHEN 'course_lists' THEN
		DELETE FROM pensum.course_lists WHERE user_id IN (
			SELECT user_id FROM pensum.course_lists WHERE expires_at < now() LIMIT p_portion);
	WHEN 'results' THEN -- with their assignments
		DELETE FROM pensum.course_checks WHERE (user_id, course_id) IN (
			SELECT user_id, course_id FROM pensum.course_checks
			WHERE checked_at < kept_since LIMIT p_portion);
	WHEN 'jobs' THEN
		PERFORM pensum.totals_roll(); -- they stay counted
		DELETE FROM pensum.jobs WHERE id IN (
			SELECT id FROM pensum.jobs WHERE finished_at < kept_since LIMIT p_portion);
	WHEN 'workers' THEN -- whose jobs have long been given back
		DELETE FROM pensum.workers WHERE name IN (
			SELECT name FROM pensum.workers WHERE seen_at < now() - interval '1 hour'
			LIMIT p_portion);
	WHEN 'documents' THEN
		WITH expired AS (
			DELETE FROM pensum.documents WHERE id IN (
				SELECT id FROM pensum.documents WHERE expires_at < now() LIMIT p_portion)
			RETURNING object)
		SELECT count(*), coalesce(array_agg(DISTINCT e.object) FILTER (WHERE NOT EXISTS (
			SELECT FROM pensum.documents d WHERE d.object = e.object AND d.expires_at >= now())), '{}')
		INTO gone, objects FROM expired e;
		RETURN NEXT;
		RETURN;
	END CASE;
	GET DIAGNOSTICS gone = ROW_COUNT;
	RETURN NEXT;
END $$;

-- Which of these objects of the store nothing refers to.
CREATE FUNCTION pensum.objects_orphaned(p_objects text[]) RETURNS SETOF text LANGUAGE sql STABLE AS $$
	SELECT o FROM unnest(p_objects) o
	WHERE NOT EXISTS (SELECT FROM pensum.documents d WHERE d.object = o);
$$;
