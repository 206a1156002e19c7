-- Whose turn it is (006_turns.sql), in the same order for less: what is looked at of a user is his first job
-- and no second time when that is the one; the plan is made once for a session; and who holds how much is
-- looked up, not joined.

-- p_limit next jobs of a queue, as in 007_turns_cheaper.sql and, of a site, 033_site_limits.sql.
CREATE OR REPLACE FUNCTION pensum.jobs_in_turn(p_queue text, p_per_user integer, p_unrung boolean,
	p_limit integer)
RETURNS TABLE (id text, attempt integer, place bigint) LANGUAGE plpgsql STABLE
SET enable_bitmapscan = off SET enable_seqscan = off SET enable_hashjoin = off SET jit = off
SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
	everywhere jsonb; -- flow → how many of its jobs run, or are rung
	here jsonb;       -- and of this queue
	rooms jsonb;      -- site → how many more; of those that have a limit which can be reached
	slots integer := pensum.queue_slots(p_queue);
	site text;
BEGIN
	WITH holding AS MATERIALIZED (
		SELECT j.flow, j.queue, j.site FROM pensum.jobs j WHERE j.state = 'running'
		UNION ALL
		SELECT j.flow, j.queue, j.site FROM pensum.jobs j
		WHERE p_unrung AND j.state = 'queued' AND j.rung_at IS NOT NULL
	), held AS (
		SELECT o.flow, count(*) AS everywhere, count(*) FILTER (WHERE o.queue = p_queue) AS here
		FROM holding o GROUP BY o.flow
	)
	SELECT (SELECT jsonb_object_agg(h.flow, h.everywhere) FROM held h),
		(SELECT jsonb_object_agg(h.flow, h.here) FROM held h),
		(SELECT jsonb_object_agg(s.id, s.max_running - (SELECT count(*) FROM holding o
				WHERE o.site = s.id))
			FROM pensum.sites s WHERE s.max_running < (SELECT sum(w.slots) FROM pensum.workers w
				WHERE w.seen_at > now() - interval '1 minute'))
	INTO everywhere, here, rooms;

	place := 0;
	FOR id, attempt, site IN WITH RECURSIVE heads AS (
		(SELECT j.flow, j.id, j.attempt, j.site, j.run_at, j.rank,
				j.cancel OR (p_unrung AND j.rung_at IS NOT NULL) AS taken
			FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue
			ORDER BY j.flow, j.rank, j.id LIMIT 1)
		UNION ALL
		SELECT n.* FROM heads h CROSS JOIN LATERAL (
			SELECT j.flow, j.id, j.attempt, j.site, j.run_at, j.rank,
				j.cancel OR (p_unrung AND j.rung_at IS NOT NULL)
			FROM pensum.jobs j WHERE j.state = 'queued' AND j.queue = p_queue AND j.flow > h.flow
			ORDER BY j.flow, j.rank, j.id LIMIT 1) n
	), allowed AS MATERIALIZED (
		SELECT h.*, a.held, least(w.each, p_per_user - a.held, CASE WHEN p_unrung
				THEN slots - coalesce((here->>h.flow)::integer, 0) END) AS more
		FROM (SELECT 1 + p_limit / greatest(1, count(*)) AS each FROM heads) w
		CROSS JOIN heads h
		CROSS JOIN LATERAL (SELECT coalesce((everywhere->>h.flow)::integer, 0) AS held) a
	), candidates AS (
		SELECT a.flow, a.held, a.id, a.attempt, a.site, a.run_at, a.rank, 1::bigint AS nth
		FROM allowed a WHERE a.more = 1 AND NOT a.taken AND a.run_at <= clock_timestamp()
		UNION ALL
		SELECT a.flow, a.held, c.* FROM allowed a CROSS JOIN LATERAL (
			SELECT j.id, j.attempt, j.site, j.run_at, j.rank,
				row_number() OVER (ORDER BY j.rank, j.id) AS nth
			FROM pensum.jobs j
			WHERE j.state = 'queued' AND j.queue = p_queue AND j.flow = a.flow AND NOT j.cancel
				AND j.run_at <= clock_timestamp() AND (NOT p_unrung OR j.rung_at IS NULL)
			ORDER BY j.rank, j.id LIMIT a.more) c
		WHERE a.more > 1 OR (a.more = 1 AND (a.taken OR a.run_at > clock_timestamp()))
	)
	SELECT c.id, c.attempt, c.site FROM candidates c LEFT JOIN pensum.turns t ON t.flow = c.flow
	ORDER BY c.held + c.nth, greatest(c.run_at, t.served_at) - c.run_at + c.rank, c.id
	LIMIT CASE WHEN rooms IS NULL THEN p_limit END LOOP
		IF rooms ? site THEN
			CONTINUE WHEN (rooms->>site)::integer <= 0;
			rooms := jsonb_set(rooms, ARRAY[site], to_jsonb((rooms->>site)::integer - 1));
		END IF;
		EXIT WHEN place >= p_limit;
		place := place + 1;
		RETURN NEXT;
	END LOOP;
END $$;

-- As in 024_fast_path.sql; what is rung is found by its key, whatever the planner thinks of their number. And
-- nobody waits for the disk: what a crash of the server forgets to have rung is rung again.
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
		room := pensum.queue_room(q);
		CONTINUE WHEN room <= 0;
		next := ARRAY(SELECT t.id FROM pensum.jobs_in_turn(q, p_per_user, true, room) t ORDER BY t.place);
		RETURN QUERY WITH rung AS (
			UPDATE pensum.jobs j SET rung_at = clock_timestamp()
			WHERE j.id = ANY (next) AND (j.state = 'queued') IS TRUE AND j.rung_at IS NULL
			RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at) AS class, j.attempt)
		SELECT r.id, r.queue, r.class, r.attempt FROM rung r ORDER BY array_position(next, r.id);
	END LOOP;
END $$;

-- As in 033_site_limits.sql. But where all slots that there are, heard of lately or not, are no more than the
-- site bears, nobody waits for anybody; nor where it is full already.
CREATE OR REPLACE FUNCTION pensum.site_has_room(p_site text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	most integer;
BEGIN
	SELECT s.max_running INTO most FROM pensum.sites s WHERE s.id = p_site;
	IF NOT FOUND OR most >= (SELECT sum(w.slots) FROM pensum.workers w) THEN
		RETURN true;
	END IF;
	IF (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'running' AND j.site = p_site) >= most THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('pensum.site ' || p_site, 0));
	RETURN (SELECT count(*) FROM pensum.jobs j WHERE j.state = 'running' AND j.site = p_site) < most;
END $$;
