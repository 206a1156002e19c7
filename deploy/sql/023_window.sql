-- Whose turn it is costs a look at each user who waits, however few are rung then. A queue that is fast asks when
-- there is room for half of what a fast one's window is longer by (queue_haste, 017_turns.sql): until then its
-- slots have the usual window and the other half to do, and each end asks again. Other queues ask at each end.

-- As in 017_turns.sql.
CREATE OR REPLACE FUNCTION pensum.jobs_to_ring(p_per_user integer, p_entries bigint DEFAULT NULL)
RETURNS TABLE (id text, queue text, priority text, attempt integer) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	q text;
	haste integer;
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
		haste := pensum.queue_haste(q);
		room := pensum.queue_room(q) + haste;
		CONTINUE WHEN room <= haste / 2;
		next := ARRAY(SELECT t.id FROM pensum.jobs_in_turn(q, p_per_user, true, room) t ORDER BY t.place);
		RETURN QUERY WITH rung AS (
			UPDATE pensum.jobs j SET rung_at = clock_timestamp()
			WHERE j.id = ANY (next) AND (j.state = 'queued') IS TRUE AND j.rung_at IS NULL
			RETURNING j.id, j.queue, pensum.aged_priority(j.priority, j.run_at) AS class, j.attempt)
		SELECT r.id, r.queue, r.class, r.attempt FROM rung r ORDER BY array_position(next, r.id);
	END LOOP;
END $$;
