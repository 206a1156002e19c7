-- When this machine's clock is put back, what was to run now would have to wait until the clock has come
-- so far again. The newest instant that a gateway saw tells by how much it was, and what waits is moved
-- by it. (Put on, the clock makes nobody wait: a retry comes early.)

CREATE TABLE pensum.clock (seen_at timestamptz NOT NULL); -- one row
INSERT INTO pensum.clock VALUES ('-infinity');

-- Called every few seconds. Answers by how much the clock was put back since the last call, NULL: not.
CREATE FUNCTION pensum.clock_watch() RETURNS interval LANGUAGE plpgsql AS $$
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
	UPDATE pensum.jobs SET run_at = run_at - (was - now) WHERE state = 'queued' AND run_at > now;
	UPDATE pensum.jobs SET rung_at = NULL WHERE state = 'queued' AND rung_at > now;
	UPDATE pensum.turns SET served_at = now WHERE served_at > now;
	RETURN was - now;
END $$;
