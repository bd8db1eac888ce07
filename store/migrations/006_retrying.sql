-- How many tasks wait for another try is asked every second while somebody looks: counted in an index of its own, in
-- which only those are. What never fails is never in it.
CREATE INDEX tasks_retrying ON millrace.tasks (lane) WHERE state = 1 AND attempt > 1;
