-- Dead and cancelled tasks are few among millions: without an index of their own each look at them read the whole
-- table. It costs nothing for those that complete.
CREATE INDEX tasks_dead ON millrace.tasks (submitted_at) WHERE state >= 5;

-- Most urgent first: by the number, for the names' order is none (high, low, normal).
CREATE OR REPLACE VIEW millrace.v_pending_tasks AS
SELECT id AS task_id, type, lane, millrace.state_name(state) AS status, millrace.priority_name(priority) AS priority,
	attempt, submitted_at, due_at, extract(epoch FROM now() - submitted_at)::float8 AS wait_s
FROM millrace.tasks
WHERE state < 3
ORDER BY tasks.priority NULLS LAST, submitted_at;
