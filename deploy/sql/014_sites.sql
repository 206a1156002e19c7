-- Several Moodle sites. A browser's session is of one, by its id in the settings (common/base/sites.h), and
-- so is each job: in its input, and as a column for what counts by it. Students need none: their id is
-- made of the site and the username. What there is already is of the site that the settings site.* are.

ALTER TABLE pensum.sessions ADD COLUMN site text NOT NULL DEFAULT 'default';
ALTER TABLE pensum.jobs ADD COLUMN site text COLLATE "C" NOT NULL DEFAULT 'default';

-- No more jobs of a Moodle site run at one time than it is to bear, over all its students, workers and
-- hosts. The numbers are the settings' (site.max_running); each gateway writes them here, so that whoever
-- claims a job, or rings for one, goes by the same. A site that is not here has no limit.
CREATE TABLE pensum.sites (
	id text COLLATE "C" PRIMARY KEY,
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
-- ask last, when all other locks are held. But where all slots that there are, heard of lately or not, are
-- no more than the site bears, nobody waits for anybody; nor where it is full already.
CREATE FUNCTION pensum.site_has_room(p_site text) RETURNS boolean LANGUAGE plpgsql AS $$
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
