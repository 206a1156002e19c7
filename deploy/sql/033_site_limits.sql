-- No more jobs of a Moodle site run at one time than it is to bear, over all its students, workers and
-- hosts. The numbers are the settings' (site.max_running); each gateway writes them here, so that whoever
-- claims a job, or rings for one, goes by the same. A site that is not here has no limit.

CREATE TABLE pensum.sites (
	id text PRIMARY KEY,
	max_running integer NOT NULL CHECK (max_running > 0)
);

-- p_limits: {id: max_running}, of the sites that have one.
CREATE FUNCTION pensum.sites_set(p_limits jsonb) RETURNS void LANGUAGE sql AS $$
	DELETE FROM pensum.sites s WHERE NOT p_limits ? s.id;
	INSERT INTO pensum.sites AS s SELECT l.key, l.value::integer FROM jsonb_each_text(p_limits) l
	ORDER BY l.key
	ON CONFLICT (id) DO UPDATE SET max_running = excluded.max_running
		WHERE s.max_running <> excluded.max_running;
$$;

-- Whether one more job of the site may start. Until the end of the transaction nobody else is told so:
-- ask last, when all other locks are held.
CREATE FUNCTION pensum.site_has_room(p_site text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	most integer;
BEGIN
	SELECT s.max_running INTO most FROM pensum.sites s WHERE s.id = p_site;
	IF NOT FOUND THEN
		RETURN true;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.site ' || p_site, 0));
	RETURN (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'running' AND j.site = p_site) < most;
END $$;

-- As in 024_fast_path.sql, and one that would be too many of its site is not rung any longer, either.
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
	IF (SELECT count(*) FROM pensum.jobs j WHERE j.user_id = u AND j.finished_at IS NULL
			AND (j.state = 'running') IS TRUE AND j.flow = f) >= p_per_user
			OR NOT pensum.site_has_room(m) THEN
		UPDATE pensum.jobs j SET rung_at = NULL WHERE j.id = p_id;
		RETURN;
	END IF;
	RETURN QUERY UPDATE pensum.jobs j SET state = 'running', attempt = j.attempt + 1,
		worker = p_worker, event_n = 1, started_at = clock_timestamp()
	WHERE j.id = p_id RETURNING j.*;
END $$;

-- As in 007_turns_cheaper.sql, and of each site no more than may still run (or be rung), so that the hints
-- of a busy one do not stand in the way of the others'. Where there are no more slots than that, none does.
CREATE OR REPLACE FUNCTION pensum.jobs_in_turn(p_queue text, p_per_user integer, p_unrung boolean,
	p_limit integer)
RETURNS TABLE (id text, attempt integer, place bigint) LANGUAGE sql STABLE
SET enable_bitmapscan = off SET enable_seqscan = off SET enable_hashjoin = off SET jit = off AS $$
	WITH RECURSIVE flows AS (
		(SELECT j.flow FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue
			ORDER BY j.flow LIMIT 1)
		UNION ALL
		SELECT (SELECT j.flow FROM pensum.jobs j WHERE j.state = 'queued'
				AND j.queue = p_queue AND j.flow > f.flow ORDER BY j.flow LIMIT 1)
		FROM flows f WHERE f.flow IS NOT NULL
	), holding AS MATERIALIZED (
		SELECT j.flow, j.queue, j.site FROM pensum.jobs j WHERE j.state = 'running'
		UNION ALL
		SELECT j.flow, j.queue, j.site FROM pensum.jobs j
		WHERE p_unrung AND j.state = 'queued' AND j.rung_at IS NOT NULL
	), held AS MATERIALIZED (
		SELECT o.flow, count(*) AS everywhere,
			count(*) FILTER (WHERE o.queue = p_queue) AS here
		FROM holding o GROUP BY o.flow
	), rooms AS MATERIALIZED (
		SELECT s.id AS site, s.max_running - (SELECT count(*) FROM holding o WHERE o.site = s.id) AS room
		FROM pensum.sites s WHERE s.max_running < (SELECT sum(w.slots) FROM pensum.workers w
			WHERE w.seen_at > now() - interval '1 minute')
	), width AS MATERIALIZED (
		SELECT 1 + p_limit / greatest(1, count(*)) AS each,
			pensum.queue_slots(p_queue) AS slots
		FROM flows
	), allowed AS MATERIALIZED (
		SELECT f.flow, coalesce(h.everywhere, 0) AS held,
			least(w.each, p_per_user - coalesce(h.everywhere, 0),
				CASE WHEN p_unrung THEN w.slots - coalesce(h.here, 0) END) AS more
		FROM flows f CROSS JOIN width w LEFT JOIN held h ON h.flow = f.flow
		WHERE f.flow IS NOT NULL
	), placed AS (
		SELECT c.id, c.attempt, c.site, row_number() OVER (ORDER BY a.held + c.nth,
			greatest(c.run_at, t.served_at) - c.run_at + c.rank, c.id) AS place
		FROM allowed a CROSS JOIN LATERAL (
			SELECT j.id, j.attempt, j.site, j.run_at, j.rank,
				row_number() OVER (ORDER BY j.rank, j.id) AS nth
			FROM pensum.jobs j
			WHERE j.state = 'queued' AND j.queue = p_queue AND j.flow = a.flow AND NOT j.cancel
				AND j.run_at <= clock_timestamp() AND (NOT p_unrung OR j.rung_at IS NULL)
			ORDER BY j.rank, j.id LIMIT a.more
		) c LEFT JOIN pensum.turns t ON t.flow = a.flow
		WHERE a.more > 0
	), numbered AS (
		SELECT p.id, p.attempt, p.place, p.site,
			row_number() OVER (PARTITION BY p.site ORDER BY p.place) AS of_site
		FROM placed p
	)
	SELECT n.id, n.attempt, n.place FROM numbered n LEFT JOIN rooms r ON r.site = n.site
	WHERE r.room IS NULL OR n.of_site <= r.room
	ORDER BY n.place LIMIT p_limit;
$$;
