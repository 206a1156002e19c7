-- The same order as in 006_turns.sql for less: of many users one job each is looked at, and what is
-- rung and runs is read through its indexes in order, since only such a scan forgets the entries of
-- rows that have moved on (a bitmap scan visits them all, again and again, until the next vacuum).

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
	), held AS MATERIALIZED (
		SELECT o.flow, count(*) AS everywhere,
			count(*) FILTER (WHERE o.queue = p_queue) AS here
		FROM (SELECT j.flow, j.queue FROM pensum.jobs j WHERE j.state = 'running'
			UNION ALL
			SELECT j.flow, j.queue FROM pensum.jobs j
			WHERE p_unrung AND j.state = 'queued' AND j.rung_at IS NOT NULL) o
		GROUP BY o.flow
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
	)
	SELECT c.id, c.attempt, row_number() OVER (ORDER BY a.held + c.nth,
		greatest(c.run_at, t.served_at) - c.run_at + c.rank, c.id) AS place
	FROM allowed a CROSS JOIN LATERAL (
		SELECT j.id, j.attempt, j.run_at, j.rank, row_number() OVER (ORDER BY j.rank, j.id) AS nth
		FROM pensum.jobs j
		WHERE j.state = 'queued' AND j.queue = p_queue AND j.flow = a.flow AND NOT j.cancel
			AND j.run_at <= clock_timestamp() AND (NOT p_unrung OR j.rung_at IS NULL)
		ORDER BY j.rank, j.id LIMIT a.more
	) c LEFT JOIN pensum.turns t ON t.flow = a.flow
	WHERE a.more > 0
	ORDER BY place LIMIT p_limit;
$$;
