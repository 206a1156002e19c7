-- When a student who has too many unfinished jobs (sign-ins are counted apart) may submit p_jobs more.

-- In how many seconds, from now, so many of them will have ended that there is room; NULL when nobody
-- can know (what waits for the student does not end by itself, and what was never run has no length).
-- A running job ends when it has taken as long as the last ones did, and soon when it already has; a
-- queued one starts behind what is rung in its queue, and behind the student's own in turns of
-- p_per_user.
CREATE FUNCTION pensum.room_in_s(p_user text, p_signin boolean, p_jobs integer, p_limit integer,
	p_per_user integer)
RETURNS double precision LANGUAGE sql STABLE AS $$
	WITH mine AS MATERIALIZED (
		SELECT j.queue, j.state, j.started_at, j.run_at, j.rung_at,
			row_number() OVER (PARTITION BY j.queue ORDER BY j.state <> 'running', j.rank, j.id)
				AS nth
		FROM pensum.jobs j WHERE j.user_id = p_user AND j.finished_at IS NULL
			AND (j.kind = 'signin') = p_signin AND j.state IN ('queued', 'running')
	), queues AS MATERIALIZED (
		SELECT q.queue, pensum.drain_rate(q.queue) AS per_s,
			(SELECT count(*) FROM pensum.jobs j WHERE j.queue = q.queue
				AND j.state = 'queued' AND j.rung_at IS NOT NULL) AS rung,
			(SELECT avg(extract(epoch FROM e.finished_at - e.started_at))
				FROM (SELECT j.finished_at, j.started_at FROM pensum.jobs j
					WHERE j.finished_at > clock_timestamp() - interval '1 hour'
						AND j.queue = q.queue AND j.started_at IS NOT NULL
					ORDER BY j.finished_at DESC LIMIT 50) e) AS took
		FROM (SELECT DISTINCT m.queue FROM mine m) q
	), ends AS (
		SELECT CASE WHEN m.state = 'running'
			THEN greatest(least(1, q.took), q.took - extract(epoch FROM clock_timestamp() - m.started_at))
			ELSE greatest(0, extract(epoch FROM m.run_at - clock_timestamp())) + q.took
				+ greatest(CASE WHEN m.rung_at IS NULL THEN q.rung / q.per_s ELSE 0 END,
					q.took * ((m.nth - 1) / p_per_user))
			END AS in_s
		FROM mine m JOIN queues q ON q.queue = m.queue
	)
	SELECT e.in_s::double precision FROM ends e WHERE e.in_s IS NOT NULL ORDER BY e.in_s
	OFFSET greatest(0, p_jobs - 1 - p_limit + (SELECT count(*) FROM pensum.jobs j
		WHERE j.user_id = p_user AND j.finished_at IS NULL AND (j.kind = 'signin') = p_signin))
	LIMIT 1;
$$;
