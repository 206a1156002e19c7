-- Submissions of several students in one transaction, each with the outcome that it would have alone: an array
-- of objects with jobs_submit()'s arguments. place says whose row it is, in the array's order.
--
-- With p_wait false nobody waits for a student whose other submission is not committed yet, and no two such
-- transactions for each other: he is 'busy', and nothing was done for him.
CREATE FUNCTION pensum.jobs_submit_each(p_all jsonb, p_wait boolean)
RETURNS TABLE (outcome text, job jsonb, place integer) LANGUAGE plpgsql AS $$
DECLARE
	s jsonb;
	i integer := 0;
BEGIN
	FOR s IN SELECT e.value FROM jsonb_array_elements(p_all) WITH ORDINALITY e ORDER BY e.ordinality LOOP
		IF p_wait OR pg_try_advisory_xact_lock(hashtextextended('pensum.submit ' || (s->>'user'), 0)) THEN
			RETURN QUERY SELECT j.outcome, j.job, i FROM pensum.jobs_submit(s->>'user', s->>'kind',
				s->>'queue', s->>'priority', s->'jobs', s->>'batch', s->>'key', s->>'hash',
				(s->>'limit')::integer, (s->>'attempts')::integer, (s->>'running')::integer,
				(s->>'reuse')::boolean) j;
		ELSE
			RETURN QUERY SELECT 'busy', NULL::jsonb, i;
		END IF;
		i := i + 1;
	END LOOP;
END $$;
