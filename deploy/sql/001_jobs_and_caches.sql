-- The durable record. One schema, `pensum`. Every transition of a job is a function here that
-- compares and sets (id, state, attempt, worker): a duplicate, late or stale caller changes nothing.
-- Applied by `pensum-gateway --migrate` (each file in one transaction, recorded in
-- pensum.migrations).

CREATE TABLE pensum.users (
	id text PRIMARY KEY,            -- keyed hash of site and username
	site text NOT NULL,
	username text NOT NULL,
	fullname text NOT NULL DEFAULT '',
	moodle_id bigint,
	created_at timestamptz NOT NULL DEFAULT now(),
	seen_at timestamptz NOT NULL DEFAULT now()
);

-- A browser that signed in to Pensum. Pending until its sign-in job succeeds.
CREATE TABLE pensum.sessions (
	token_hash text PRIMARY KEY,    -- hex SHA-256 of the cookie's token
	user_id text NOT NULL,
	signin_job text,                -- pending: only this job may be seen
	active boolean NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_signin_job ON pensum.sessions (signin_job) WHERE signin_job IS NOT NULL;
CREATE INDEX sessions_expiry ON pensum.sessions (expires_at);

-- The Moodle session: sealed cookies, and what verifies a cached sign-in's password. Same content
-- and expiry as pensum:moodle:<user> in Redis.
CREATE TABLE pensum.moodle_sessions (
	user_id text PRIMARY KEY,
	sealed text NOT NULL,           -- base64, vault.h
	verifier text NOT NULL,         -- Argon2id over a keyed hash
	expires_at timestamptz NOT NULL
);

CREATE TABLE pensum.course_lists (
	user_id text PRIMARY KEY,
	courses jsonb NOT NULL,         -- array, as checker-worker/scripts/courses.js returns it
	read_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);

-- The newest check of each course, and the assignments that it found.
CREATE TABLE pensum.course_checks (
	user_id text NOT NULL,
	course_id bigint NOT NULL,
	course_name text NOT NULL,
	checked_at timestamptz NOT NULL DEFAULT now(),
	failure_code text,              -- NULL: checked; else why it could not be
	failure_message text,
	PRIMARY KEY (user_id, course_id)
);

CREATE TABLE pensum.assignments (
	user_id text NOT NULL,
	cmid bigint NOT NULL,
	course_id bigint NOT NULL,
	name text NOT NULL,
	url text NOT NULL,
	section text NOT NULL DEFAULT '',
	due timestamptz,
	due_text text NOT NULL DEFAULT '',
	status text NOT NULL,           -- none, draft, submitted, reopened, graded, unknown
	pending boolean,                -- the student can still owe it; NULL: could not be checked
	reason text NOT NULL DEFAULT '',
	position integer NOT NULL,      -- order on the course's page
	PRIMARY KEY (user_id, cmid),
	FOREIGN KEY (user_id, course_id) REFERENCES pensum.course_checks ON DELETE CASCADE
);
CREATE INDEX assignments_course ON pensum.assignments (user_id, course_id);

CREATE TABLE pensum.jobs (
	id text PRIMARY KEY,
	kind text NOT NULL,
	queue text NOT NULL,
	priority text NOT NULL,
	user_id text NOT NULL,
	session_hash text,              -- sign-in jobs belong to the browser that asked, not to the user
	batch text,                     -- jobs of one request
	input jsonb NOT NULL,
	secret text,                    -- sealed password of a sign-in; gone when the job ends
	state text NOT NULL DEFAULT 'queued' CHECK (state IN
		('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled', 'dead')),
	attempt integer NOT NULL DEFAULT 0,
	max_attempts integer NOT NULL DEFAULT 3,
	worker text,                    -- host:slot that runs it
	cancel boolean NOT NULL DEFAULT false,
	event_n integer NOT NULL DEFAULT 0, -- n of the newest version known here
	result jsonb,
	failure_code text,
	failure_message text,
	idem_key text,
	idem_hash text,
	created_at timestamptz NOT NULL DEFAULT now(),
	run_at timestamptz NOT NULL DEFAULT now(),
	rung_at timestamptz,            -- when a stream entry was last written for it
	started_at timestamptz,
	finished_at timestamptz
);
CREATE UNIQUE INDEX jobs_idem ON pensum.jobs (user_id, idem_key, coalesce(input->>'index', ''))
	WHERE idem_key IS NOT NULL;
CREATE INDEX jobs_due ON pensum.jobs (run_at) WHERE state = 'queued';
CREATE INDEX jobs_running ON pensum.jobs (worker) WHERE state = 'running';
CREATE INDEX jobs_user ON pensum.jobs (user_id, created_at DESC);
CREATE INDEX jobs_finished ON pensum.jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE pensum.documents (
	id text PRIMARY KEY,
	user_id text NOT NULL,
	job_id text NOT NULL,
	cmid bigint NOT NULL,
	title text NOT NULL,
	course_name text NOT NULL DEFAULT '',
	file_name text NOT NULL,        -- what the student's browser saves it as
	format text NOT NULL,
	object text NOT NULL,           -- key in the object store
	bytes bigint NOT NULL,
	content_hash text NOT NULL,     -- of block model, template, options: same hash, same document
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);
CREATE INDEX documents_user ON pensum.documents (user_id, created_at DESC);
CREATE INDEX documents_reuse ON pensum.documents (user_id, content_hash);
CREATE INDEX documents_expiry ON pensum.documents (expires_at);

-- One row a worker program and host. `beat` grows while the program lives; the gateway judges by
-- its own monotonic clock whether it still does, so nobody's wall clock matters.
CREATE TABLE pensum.workers (
	name text PRIMARY KEY,          -- host:queue
	boot text NOT NULL,             -- new at each start
	beat bigint NOT NULL DEFAULT 0,
	slots integer NOT NULL,
	seen_at timestamptz NOT NULL DEFAULT now()
);

-- Claims job p_id for attempt p_attempt + 1. The attempt is counted here, so a crash is an attempt.
CREATE FUNCTION pensum.job_claim(p_id text, p_attempt integer, p_worker text)
RETURNS SETOF pensum.jobs LANGUAGE sql AS $$
	UPDATE pensum.jobs SET state = 'running', attempt = attempt + 1, worker = p_worker,
		event_n = 1, started_at = clock_timestamp()
	WHERE id = p_id AND state = 'queued' AND attempt = p_attempt AND NOT cancel
		AND run_at <= clock_timestamp()
	RETURNING *;
$$;

-- The next job of a queue without a bell: how workers find work while Redis is away.
CREATE FUNCTION pensum.job_claim_next(p_queue text, p_worker text)
RETURNS SETOF pensum.jobs LANGUAGE sql AS $$
	UPDATE pensum.jobs SET state = 'running', attempt = attempt + 1, worker = p_worker,
		event_n = 1, started_at = clock_timestamp()
	WHERE id = (
		SELECT id FROM pensum.jobs
		WHERE state = 'queued' AND queue = p_queue AND NOT cancel
			AND run_at <= clock_timestamp()
		ORDER BY CASE priority WHEN 'high' THEN 0 WHEN 'normal' THEN 1 ELSE 2 END, run_at
		LIMIT 1 FOR UPDATE SKIP LOCKED)
	RETURNING *;
$$;

-- Ends an attempt for good: succeeded, failed or cancelled. Call it last in the transaction that
-- writes the result rows; false means the job is no longer ours: ROLLBACK everything.
CREATE FUNCTION pensum.job_finish(p_id text, p_attempt integer, p_worker text, p_state text,
	p_event_n integer, p_result jsonb, p_code text, p_message text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET state = p_state, event_n = p_event_n, result = p_result,
		failure_code = p_code, failure_message = p_message, secret = NULL,
		finished_at = clock_timestamp()
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker;
	RETURN FOUND;
END $$;

-- Gives an attempt back: to be run again after p_delay_ms, or dead when no attempt is left.
-- Answers the new state, NULL when the job is no longer the caller's.
CREATE FUNCTION pensum.job_retry(p_id text, p_attempt integer, p_worker text, p_delay_ms bigint,
	p_code text, p_message text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET
		state = CASE WHEN cancel THEN 'cancelled' WHEN attempt >= max_attempts THEN 'dead'
			ELSE 'queued' END,
		worker = NULL, rung_at = NULL,
		event_n = CASE WHEN cancel OR attempt >= max_attempts THEN 1000000 ELSE 0 END,
		secret = CASE WHEN cancel OR attempt >= max_attempts THEN NULL ELSE secret END,
		run_at = clock_timestamp() + p_delay_ms * interval '1 millisecond',
		failure_code = p_code, failure_message = p_message,
		finished_at = CASE WHEN cancel OR attempt >= max_attempts THEN clock_timestamp() END
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker
	RETURNING state;
$$;

-- Gives an attempt back that was not the job's fault (shutdown): it does not count. The number goes
-- on growing all the same, since event versions start with it; the limit grows with it.
CREATE FUNCTION pensum.job_hand_back(p_id text, p_attempt integer, p_worker text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET state = 'queued', max_attempts = max_attempts + 1, worker = NULL,
		event_n = 0, rung_at = NULL, run_at = clock_timestamp()
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker;
	RETURN FOUND;
END $$;

-- Parks a job until the student has signed in again (pensum.jobs_resume). No attempt is lost.
CREATE FUNCTION pensum.job_wait(p_id text, p_attempt integer, p_worker text, p_event_n integer,
	p_code text, p_message text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	UPDATE pensum.jobs SET state = 'waiting', worker = NULL, event_n = p_event_n,
		max_attempts = max_attempts + 1, failure_code = p_code, failure_message = p_message
	WHERE id = p_id AND state = 'running' AND attempt = p_attempt AND worker = p_worker;
	RETURN FOUND;
END $$;

CREATE FUNCTION pensum.jobs_resume(p_user text)
RETURNS SETOF text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET state = 'queued', event_n = 0, rung_at = NULL,
		run_at = clock_timestamp(), failure_code = NULL, failure_message = NULL
	WHERE user_id = p_user AND state = 'waiting'
	RETURNING id;
$$;

-- All that a dead worker (or one slot of it: a full host:queue:slot) was running, to be run again.
-- attempt is the one that was lost: the queued event's version is (attempt + 1, 0).
CREATE FUNCTION pensum.jobs_release_worker(p_prefix text, p_code text, p_message text)
RETURNS TABLE (id text, state text, attempt integer, event_n integer, queue text, priority text)
LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET
		state = CASE WHEN cancel THEN 'cancelled' WHEN j.attempt >= max_attempts THEN 'dead'
			ELSE 'queued' END,
		worker = NULL, rung_at = NULL,
		event_n = CASE WHEN cancel OR j.attempt >= max_attempts THEN 1000000 ELSE 0 END,
		secret = CASE WHEN cancel OR j.attempt >= max_attempts THEN NULL ELSE secret END,
		run_at = clock_timestamp(), failure_code = p_code, failure_message = p_message,
		finished_at = CASE WHEN cancel OR j.attempt >= max_attempts THEN clock_timestamp() END
	WHERE j.state = 'running'
		AND (j.worker = p_prefix OR starts_with(j.worker, p_prefix || ':'))
	RETURNING j.id, j.state, j.attempt, j.event_n, j.queue, j.priority;
$$;

-- Cancels: at once what does not run; what runs is asked to stop. Answers the state afterwards.
CREATE FUNCTION pensum.job_cancel(p_id text, p_user text)
RETURNS text LANGUAGE sql AS $$
	UPDATE pensum.jobs SET cancel = true,
		state = CASE WHEN state IN ('queued', 'waiting') THEN 'cancelled' ELSE state END,
		event_n = CASE WHEN state IN ('queued', 'waiting') THEN 1000000 ELSE event_n END,
		secret = CASE WHEN state IN ('queued', 'waiting') THEN NULL ELSE secret END,
		failure_code = CASE WHEN state IN ('queued', 'waiting') THEN 'cancelled'
			ELSE failure_code END,
		finished_at = CASE WHEN state IN ('queued', 'waiting') THEN clock_timestamp()
			ELSE finished_at END
	WHERE id = p_id AND user_id = p_user
	RETURNING state;
$$;

-- Jobs whose bell was never heard: due, queued, and rung too long ago or never. Marks them rung. The
-- longer a job has waited the longer is "too long ago", so that a long queue does not fill its own
-- stream; not when entries are known to be lost.
CREATE FUNCTION pensum.jobs_to_ring(p_again_ms bigint, p_limit integer, p_lost boolean DEFAULT false)
RETURNS TABLE (id text, queue text, priority text, attempt integer) LANGUAGE sql AS $$
	UPDATE pensum.jobs j SET rung_at = clock_timestamp()
	WHERE j.id IN (
		SELECT d.id FROM pensum.jobs d
		WHERE d.state = 'queued' AND NOT d.cancel AND d.run_at <= clock_timestamp()
			AND (d.rung_at IS NULL OR d.rung_at < clock_timestamp() -
				greatest(p_again_ms * interval '1 millisecond',
					CASE WHEN NOT p_lost THEN d.rung_at - d.run_at END))
		ORDER BY d.run_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
	RETURNING j.id, j.queue, j.priority, j.attempt;
$$;

-- A job's newest version as far as this database knows it (jobmsg.h): what waits for attempt k, or
-- was cancelled before it, is newer than everything of attempt k - 1.
CREATE VIEW pensum.job_events AS
	SELECT id, user_id, session_hash, kind, state, batch,
		attempt + (state IN ('queued', 'cancelled'))::integer AS version_attempt,
		event_n AS version_n, failure_code, failure_message, created_at, finished_at
	FROM pensum.jobs;
