-- How an assignment can be handed in, apart from what was: many a piece of work that was not submitted
-- is not owed, and the student is told which and why. And the other activities that have a date.

ALTER TABLE pensum.assignments
	-- open, later, closed, locked, offline, no_team, team, done, unknown; '': checked before there
	-- was this column
	ADD COLUMN handin text NOT NULL DEFAULT '';

CREATE TABLE pensum.activities (
	user_id text NOT NULL,
	course_id bigint NOT NULL,
	position integer NOT NULL,      -- by date
	cmid bigint NOT NULL,
	kind text NOT NULL,             -- Moodle's name of the module: quiz, forum, ...
	event text NOT NULL,            -- and of the date: close, due, closesubmission, ...
	name text NOT NULL,
	url text NOT NULL,
	due timestamptz NOT NULL,
	is_open boolean NOT NULL,       -- it can be done now
	PRIMARY KEY (user_id, course_id, position),
	FOREIGN KEY (user_id, course_id) REFERENCES pensum.course_checks ON DELETE CASCADE
);

-- When what is known of a course was read: of one that could not be checked since, that is older than the
-- check. NULL: it was never read.
ALTER TABLE pensum.course_checks ADD COLUMN read_at timestamptz;
UPDATE pensum.course_checks SET read_at = checked_at WHERE failure_code IS NULL;
