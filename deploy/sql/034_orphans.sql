-- Which of these objects of the store ("<student>/<document>…") nothing refers to. A document that a
-- worker has made is referred to only when its job has ended; while PostgreSQL was away that may have been
-- long ago, and the worker will say so in a moment.
CREATE OR REPLACE FUNCTION pensum.objects_orphaned(p_objects text[]) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
	SELECT o FROM unnest(p_objects) o
	WHERE NOT EXISTS (SELECT FROM pensum.documents d WHERE d.object = o)
		AND NOT EXISTS (SELECT FROM pensum.jobs j WHERE j.user_id = split_part(o, '/', 1)
			AND j.finished_at IS NULL AND j.kind = 'document' AND j.state = 'running');
$$;
