-- A clock that was put on and then back between two looks: what was queued meanwhile tells of it.

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
