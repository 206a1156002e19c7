-- The calendar link: one secret address a student, and what it tells. Its entries are kept apart from
-- the results, which expire: a calendar must not become empty because nobody asked for a check, and
-- what could not be checked stays as it was. Only students with a link have entries.

CREATE TABLE pensum.calendars (
	user_id text PRIMARY KEY,
	site text NOT NULL,             -- its id in the settings
	token_hash text NOT NULL UNIQUE, -- keyed hash: the link itself is told once, and kept nowhere
	created_at timestamptz NOT NULL DEFAULT now(),
	read_at timestamptz,            -- NULL: not yet; right to ten minutes
	checked_at timestamptz          -- the newest check that the entries have seen
);

CREATE TABLE pensum.calendar_entries (
	user_id text NOT NULL REFERENCES pensum.calendars ON DELETE CASCADE,
	cmid bigint NOT NULL,
	course_id bigint NOT NULL,
	course_name text NOT NULL,
	name text NOT NULL,
	url text NOT NULL,
	due timestamptz NOT NULL,
	status text NOT NULL,
	is_owed boolean NOT NULL,       -- false: not shown; keeps sequence for a work that is reopened
	unsure_since timestamptz,       -- since then it could not be checked
	changed_at timestamptz NOT NULL DEFAULT now(),
	sequence integer NOT NULL DEFAULT 0, -- of dates: a newer one is later (RFC 5545)
	PRIMARY KEY (user_id, cmid)
);

-- Takes over what a check of this course has found, in the transaction that stores it. Work without a
-- due date has no place in a calendar.
CREATE FUNCTION pensum.calendar_update(p_user text, p_course bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	k pensum.course_checks;
	failed boolean;
BEGIN
	UPDATE pensum.calendars SET checked_at = now() WHERE user_id = p_user; -- one check at a time
	IF NOT FOUND THEN
		RETURN;
	END IF;
	SELECT * INTO k FROM pensum.course_checks c WHERE c.user_id = p_user AND c.course_id = p_course;
	failed := k.failure_code IS NOT NULL;

	INSERT INTO pensum.calendar_entries AS e (user_id, cmid, course_id, course_name, name, url, due,
		status, is_owed, unsure_since)
	SELECT a.user_id, a.cmid, a.course_id, k.course_name, a.name, a.url, a.due, a.status, true,
		CASE WHEN failed THEN now() END
	FROM pensum.assignments a WHERE a.user_id = p_user AND a.course_id = p_course AND a.pending
		AND a.due BETWEEN '1970-01-01 00:00:00Z' AND '9999-12-31 00:00:00Z'
	ON CONFLICT (user_id, cmid) DO UPDATE SET
		course_id = excluded.course_id, course_name = excluded.course_name, name = excluded.name,
		url = excluded.url, due = excluded.due, status = excluded.status, is_owed = true,
		unsure_since = CASE WHEN failed THEN coalesce(e.unsure_since, now()) END,
		sequence = e.sequence + (e.due <> excluded.due OR NOT e.is_owed)::integer,
		changed_at = CASE WHEN (e.course_name, e.name, e.url, e.due, e.status, e.is_owed,
				e.unsure_since IS NOT NULL) IS DISTINCT FROM (excluded.course_name,
				excluded.name, excluded.url, excluded.due, excluded.status, true, failed)
			THEN now() ELSE e.changed_at END;

	UPDATE pensum.calendar_entries e SET unsure_since = now(), changed_at = now()
	WHERE e.user_id = p_user AND e.course_id = p_course AND e.is_owed AND e.unsure_since IS NULL
		AND (failed OR EXISTS (SELECT FROM pensum.assignments a
			WHERE a.user_id = p_user AND a.cmid = e.cmid AND a.pending IS NULL));

	UPDATE pensum.calendar_entries e SET is_owed = false, unsure_since = NULL, changed_at = now()
	WHERE NOT failed AND e.user_id = p_user AND e.course_id = p_course AND e.is_owed
		AND NOT EXISTS (SELECT FROM pensum.assignments a WHERE a.user_id = p_user AND a.cmid = e.cmid
			AND (a.pending IS NULL OR (a.pending AND a.due IS NOT NULL)));
END $$;

-- Makes the student's calendar, with what is known, or gives the one that there is a new link: the old
-- one is good no more.
CREATE FUNCTION pensum.calendar_make(p_user text, p_token_hash text, p_site text)
RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz;
	is_new boolean;
BEGIN
	INSERT INTO pensum.calendars AS c (user_id, token_hash, site) VALUES (p_user, p_token_hash, p_site)
	ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash,
		created_at = excluded.created_at, read_at = NULL
	RETURNING c.created_at, c.checked_at IS NULL INTO since, is_new;
	IF is_new THEN
		PERFORM pensum.calendar_update(p_user, k.course_id)
		FROM pensum.course_checks k WHERE k.user_id = p_user;
		UPDATE pensum.calendars SET checked_at = (SELECT max(k.checked_at)
			FROM pensum.course_checks k WHERE k.user_id = p_user) WHERE user_id = p_user;
	END IF;
	RETURN since;
END $$;

-- What a link tells: no row: there is no such link; one row with cmid NULL: nothing is owed. Bounded;
-- what is due last is left in, since the past is of less use.
CREATE FUNCTION pensum.calendar_read(p_token_hash text)
RETURNS TABLE (user_id text, site text, checked_at bigint, cmid bigint, course_name text, name text, url text,
	due bigint, status text, unsure_since bigint, changed_at bigint, sequence integer)
LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.calendars c SET read_at = now() WHERE c.token_hash = p_token_hash
		AND (c.read_at IS NULL OR c.read_at < now() - interval '10 minutes');
	RETURN QUERY SELECT c.user_id, c.site, pensum.epoch(c.checked_at), e.cmid, e.course_name, e.name, e.url,
		pensum.epoch(e.due), e.status, pensum.epoch(e.unsure_since), pensum.epoch(e.changed_at),
		e.sequence
	FROM pensum.calendars c LEFT JOIN LATERAL (SELECT * FROM pensum.calendar_entries o
		WHERE o.user_id = c.user_id AND o.is_owed ORDER BY o.due DESC, o.cmid LIMIT 500) e ON true
	WHERE c.token_hash = p_token_hash ORDER BY e.due, e.cmid;
END $$;

CREATE INDEX calendar_entries_due ON pensum.calendar_entries (due);

-- Links that nobody reads any more, and what was due so long ago.
CREATE FUNCTION pensum.calendars_purge(p_keep_s bigint, p_portion integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	kept_since timestamptz := now() - p_keep_s * interval '1 second';
BEGIN
	DELETE FROM pensum.calendars WHERE user_id IN (SELECT c.user_id FROM pensum.calendars c
		WHERE greatest(c.created_at, c.read_at) < kept_since LIMIT p_portion FOR UPDATE SKIP LOCKED);
	DELETE FROM pensum.calendar_entries WHERE (user_id, cmid) IN (
		SELECT e.user_id, e.cmid FROM pensum.calendar_entries e
		WHERE e.due < kept_since LIMIT p_portion FOR UPDATE SKIP LOCKED);
END $$;
