-- What dashboards and psql users read. Names and words here are the system's own: a state in letters, a
-- duration in milliseconds, a wait in seconds.

CREATE FUNCTION millrace.state_name(state smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT (ARRAY['scheduled', 'queued', 'running', 'completed', 'dead', 'cancelled'])[state] $$;

CREATE FUNCTION millrace.priority_name(priority smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
	$$ SELECT (ARRAY['high', 'normal', 'low'])[priority + 1] $$;

-- Text where the bytes are text, else null. COPY and psql show bytea as hex.
CREATE FUNCTION millrace.as_text(bytes bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;

CREATE VIEW millrace.workers AS
SELECT name, pool,
	CASE WHEN state = 3 THEN 'stopped'
		WHEN heartbeat_at < now() - interval '90 seconds' THEN 'lost'
		WHEN state = 2 THEN 'draining'
		WHEN used > 0 THEN 'busy' ELSE 'idle' END AS status,
	capabilities, types, model AS model_name, slots AS max_load, used AS current_load,
	host, pid, version, cpu_percent, memory_percent, rss_bytes, weight, bridge, labels::jsonb AS labels,
	completed, failed, busy_ms, instance, started_at, registered_at, heartbeat_at AS last_heartbeat
FROM millrace.nodes;

-- All that is not finished.
CREATE VIEW millrace.task_queue AS
SELECT id AS task_id, type, lane, millrace.state_name(state) AS status, millrace.priority_name(priority) AS priority,
	attempt, attempts AS max_attempts, node AS worker, project, timeout_ms, content_type, body_bytes,
	body AS payload, headers::jsonb AS headers, submitted_at, queued_at, due_at, started_at, error
FROM millrace.tasks
WHERE state < 4;

-- All that is.
CREATE VIEW millrace.task_results AS
SELECT id AS task_id, type, lane, millrace.state_name(state) AS status, node AS worker, attempt, project,
	result, result_type AS content_type, result_object, result_bytes, error, reason, submitted_at, started_at,
	finished_at,
	extract(epoch FROM finished_at - started_at)::float8 * 1000 AS duration_ms,
	extract(epoch FROM started_at - submitted_at)::float8 * 1000 AS wait_ms,
	result_expired_at IS NOT NULL AS result_expired, retry_of, retried_as
FROM millrace.tasks
WHERE state >= 4;

-- Which worker had which task: the last execution of each, and the earlier ones where there were any.
CREATE VIEW millrace.worker_assignments AS
SELECT id AS task_id, node AS worker, attempt, millrace.state_name(state) AS status, started_at AS assigned_at,
	finished_at AS released_at, epoch
FROM millrace.tasks
WHERE node IS NOT NULL
UNION ALL
SELECT a.task_id, a.node, a.attempt, a.outcome, a.started_at, a.finished_at, a.epoch
FROM millrace.attempts AS a
WHERE a.node IS NOT NULL AND NOT EXISTS (
	SELECT FROM millrace.tasks AS t WHERE t.id = a.task_id AND t.attempt = a.attempt AND t.node IS NOT NULL);

CREATE VIEW millrace.dead_letter_queue AS
SELECT id AS task_id, type, lane, reason, error, fingerprint, dead_seq, attempt AS attempts, node AS worker, project, content_type,
	body AS payload, body_bytes, headers::jsonb AS headers, submitted_at, finished_at AS died_at
FROM millrace.tasks
WHERE state = 5;

CREATE VIEW millrace.v_active_workers AS
SELECT name, pool, status, capabilities, types, model_name, max_load, current_load,
	round((current_load::numeric / NULLIF(max_load, 0)) * 100, 1)::float8 AS load_percent,
	cpu_percent, memory_percent, last_heartbeat,
	extract(epoch FROM now() - last_heartbeat)::float8 AS staleness_s
FROM millrace.workers
WHERE status NOT IN ('stopped', 'lost');

-- Most urgent first: by the number, for the names' order is none (high, low, normal).
CREATE VIEW millrace.v_pending_tasks AS
SELECT id AS task_id, type, lane, millrace.state_name(state) AS status, millrace.priority_name(priority) AS priority,
	attempt, submitted_at, due_at, extract(epoch FROM now() - submitted_at)::float8 AS wait_s
FROM millrace.tasks
WHERE state < 3
ORDER BY tasks.priority NULLS LAST, submitted_at;

CREATE VIEW millrace.v_system_health AS
SELECT w.*, c.*, c.tasks_completed / NULLIF(c.tasks_completed + c.tasks_dead, 0)::float8 AS success_rate,
	(SELECT extract(epoch FROM now() - min(submitted_at))::float8 FROM millrace.tasks
		WHERE state < 4 AND state = 2) AS oldest_queued_s,
	(SELECT count(*) FROM millrace.rejected_events) AS rejected_events
FROM (SELECT count(*) FILTER (WHERE status NOT IN ('stopped', 'lost')) AS workers_active,
		count(*) FILTER (WHERE status = 'idle') AS workers_idle,
		count(*) FILTER (WHERE status = 'busy') AS workers_busy,
		count(*) FILTER (WHERE status = 'draining') AS workers_draining,
		count(*) FILTER (WHERE status = 'lost') AS workers_lost,
		COALESCE(sum(current_load) FILTER (WHERE status NOT IN ('stopped', 'lost')), 0)::bigint AS slots_used,
		COALESCE(sum(max_load) FILTER (WHERE status NOT IN ('stopped', 'lost')), 0)::bigint AS slots,
		COALESCE(avg(current_load::float8 / NULLIF(max_load, 0))
			FILTER (WHERE status NOT IN ('stopped', 'lost')), 0) AS average_load
	FROM millrace.workers) AS w,
	(SELECT COALESCE(sum(n) FILTER (WHERE state = 1), 0)::bigint AS tasks_scheduled,
		COALESCE(sum(n) FILTER (WHERE state = 2), 0)::bigint AS tasks_queued,
		COALESCE(sum(n) FILTER (WHERE state = 3), 0)::bigint AS tasks_running,
		COALESCE(sum(n) FILTER (WHERE state = 4), 0)::bigint AS tasks_completed,
		COALESCE(sum(n) FILTER (WHERE state = 5), 0)::bigint AS tasks_dead,
		COALESCE(sum(n) FILTER (WHERE state = 6), 0)::bigint AS tasks_cancelled
	FROM millrace.task_counts) AS c;

-- Since each worker's last start.
CREATE VIEW millrace.v_worker_performance AS
SELECT name, pool, status, completed, failed, completed / NULLIF(completed + failed, 0)::float8 AS success_rate,
	busy_ms / NULLIF(completed + failed, 0)::float8 AS average_duration_ms,
	current_load::float8 / NULLIF(max_load, 0) AS load, cpu_percent, memory_percent,
	extract(epoch FROM now() - started_at)::float8 AS uptime_s
FROM millrace.workers;
