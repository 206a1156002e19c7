-- When what is known of a course was read: of one that could not be checked since, that is older than the
-- check. NULL: it was never read.
ALTER TABLE pensum.course_checks ADD COLUMN read_at timestamptz;
UPDATE pensum.course_checks SET read_at = checked_at WHERE failure_code IS NULL;
