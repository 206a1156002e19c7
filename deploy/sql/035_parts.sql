-- What an attempt had done already when it was given back: the next one goes on behind it. What it says is
-- the kind's own; no end keeps it.

ALTER TABLE pensum.jobs ADD COLUMN part jsonb;

-- Call it in the transaction that writes the part's rows and gives the attempt back; false means that the
-- job is no longer ours: ROLLBACK everything.
CREATE FUNCTION pensum.job_keep(p_id text, p_attempt integer, p_worker text, p_part jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET part = p_part
	WHERE id = p_id AND (state = 'running') IS TRUE AND attempt = p_attempt AND worker = p_worker;
	RETURN FOUND;
END $$;

CREATE FUNCTION pensum.job_part_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.part := NULL;
	RETURN NEW;
END $$;
CREATE TRIGGER jobs_part_over BEFORE UPDATE OF finished_at ON pensum.jobs FOR EACH ROW
	WHEN (NEW.finished_at IS NOT NULL AND NEW.part IS NOT NULL)
	EXECUTE FUNCTION pensum.job_part_over();
