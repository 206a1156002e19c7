-- Whose turn it is, by the rules in 006_turns.sql: what is rung, in which order, and what is claimed.

-- Slots of a queue whose worker has been heard of lately; many when none is known, so that jobs are
-- rung for a worker that is about to come.
CREATE OR REPLACE FUNCTION pensum.queue_slots(p_queue text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN (SELECT coalesce(nullif(sum(w.slots), 0), 1000)::integer FROM pensum.workers w
		WHERE split_part(w.name, ':', 2) = p_queue AND w.seen_at > now() - interval '1 minute');
END $$;

-- How many more hints the queue's stream may hold.
CREATE OR REPLACE FUNCTION pensum.queue_room(p_queue text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN greatest(64, 4 * (SELECT coalesce(sum(w.slots), 0) FROM pensum.workers w
			WHERE split_part(w.name, ':', 2) = p_queue))::integer -
		(SELECT count(*) FROM pensum.jobs j WHERE j.state = 'queued'
			AND j.rung_at IS NOT NULL AND j.queue = p_queue)::integer;
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

-- The next jobs of a queue in their order, at most as many of a flow as it may still have: of those
-- that were not rung (a user never has more rung than could run, so that nobody's hints stand in the
-- way of a user who comes later), or of all. And of each site (014_sites.sql) no more than may still run
-- (or be rung), so that the hints of a busy one do not stand in the way of the others'; where there are no
-- more slots than that, none does.
--
-- Looks at a few jobs of each flow, however long it is: at the first one, and no second time when that is
-- the one. The plan is made once for a session; who holds how much is looked up, not joined. What is rung
-- and runs is read through its indexes in order, since only such a scan forgets the entries of rows that
-- have moved on (a bitmap scan visits them all, again and again, until the next vacuum).
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

-- What is to be rung now: the window's new jobs, in their order, of a window that is as long as the queue
-- is fast; and, given the number of entries in all streams, hints that were not heard. Those are rung
-- again at growing intervals only, so that a long wait does not fill its own stream, but soon when there
-- are fewer entries than hints: some were lost then. One gateway at a time; another that finds it busy
-- need not ask again.
--
-- What is rung is found by its key, whatever the planner thinks of their number. And nobody waits for the
-- disk: what a crash of the server forgets to have rung is rung again.
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

-- Claims job p_id for attempt p_attempt + 1. The attempt is counted here, so a crash is an attempt.
-- The turn's row is the lock under which a user's running jobs are counted: they are among the few that
-- have not ended, no index of all that run is needed. One that would be too many of its user or its site
-- is no longer rung: it is when another one ends. By its key: the planner must not take one of the partial
-- indexes by state for it ("IS TRUE", here and wherever it stands).
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

-- Called every few seconds. Answers by how much the clock was put back since the last call, NULL: not
-- (009_clock.sql). A clock that was put on and then back between two looks: what was queued meanwhile
-- tells of it.
CREATE OR REPLACE FUNCTION pensum.clock_watch() RETURNS interval LANGUAGE plpgsql AS $$
DECLARE
	was timestamptz;
	now timestamptz;
BEGIN
	SELECT c.seen_at INTO was FROM pensum.clock c FOR UPDATE;
	now := clock_timestamp();
	UPDATE pensum.clock SET seen_at = now;
	IF now > was - interval '1 s' THEN
		RETURN NULL;
	END IF;
	SELECT greatest(was, max(j.created_at)) INTO was FROM pensum.jobs j WHERE j.state = 'queued';
	UPDATE pensum.jobs SET run_at = run_at - (was - now) WHERE state = 'queued' AND run_at > now;
	UPDATE pensum.jobs SET rung_at = NULL WHERE state = 'queued' AND rung_at > now;
	UPDATE pensum.turns SET served_at = now WHERE served_at > now;
	RETURN was - now;
END $$;
