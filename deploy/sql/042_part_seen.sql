-- A job that waits or is tried again says how far it is, from what it has left (035_parts.sql).

CREATE FUNCTION pensum.count_of(p_list jsonb) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof(p_list) = 'array' THEN jsonb_array_length(p_list) ELSE 0 END;
$$;

CREATE OR REPLACE VIEW pensum.job_events AS
	SELECT id, user_id, session_hash, kind, state, batch,
		attempt + (state IN ('queued', 'cancelled'))::integer AS version_attempt,
		event_n AS version_n, failure_code, failure_message, created_at, finished_at,
		pensum.count_of(part->'done') AS done,
		CASE WHEN part IS NULL THEN 0 ELSE pensum.count_of(input->'courses') END AS total
	FROM pensum.jobs;

-- As in 024_fast_path.sql.
CREATE OR REPLACE FUNCTION pensum.job_json(j pensum.jobs) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN jsonb_build_object('id', j.id, 'kind', j.kind, 'state', j.state,
		'version', jsonb_build_array(
			j.attempt + (j.state IN ('queued', 'cancelled'))::integer, j.event_n),
		'step', coalesce(j.failure_code, ''), 'done', pensum.count_of(j.part->'done'),
		'total', CASE WHEN j.part IS NULL THEN 0 ELSE pensum.count_of(j.input->'courses') END,
		'note', coalesce(j.failure_message, ''), 'batch', j.batch,
		'assignment', j.input->'cmid', 'title', j.input->'title',
		'created_at', pensum.iso(j.created_at), 'finished_at', pensum.iso(j.finished_at),
		'result', j.result,
		'failure', CASE WHEN j.failure_code IS NOT NULL
			AND j.state IN ('failed', 'dead', 'waiting', 'cancelled')
			THEN jsonb_build_object('code', j.failure_code, 'message', j.failure_message)
			END);
END $$;
