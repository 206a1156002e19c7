-- What is rung has an index of its own again (038_few_indexes.sql had it among the few of a state): of one that
-- holds more than that the planner thinks, when many were queued at its last look, that all of those are there,
-- and reads all that is queued instead, at each look at the window.
DROP INDEX pensum.jobs_few;
CREATE INDEX jobs_few ON pensum.jobs (state, queue) WHERE state IN ('running', 'dead');
CREATE INDEX jobs_rung ON pensum.jobs (queue) WHERE state = 'queued' AND rung_at IS NOT NULL;
