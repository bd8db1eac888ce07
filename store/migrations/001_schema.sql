-- The record of tasks. Written by the store in batches through the put_*
-- functions below; read by psql users and dashboards through the views of
-- 002. A state is a number here (millrace.state_name names it), so that a row
-- stays small: 1 scheduled, 2 queued, 3 running, 4 completed, 5 dead, 6 cancelled;
-- 4 and above are final.

-- When a result is to go. Immutable, as no time zone comes into milliseconds; null without a time to keep.
CREATE FUNCTION millrace.expiry(finished_at timestamptz, keep_ms bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
	$$ SELECT CASE WHEN keep_ms >= 0 THEN finished_at + keep_ms * interval '1 millisecond' END $$;

CREATE TABLE millrace.tasks (
	-- fixed widths first: no padding
	submitted_at timestamptz NOT NULL, -- when the broker stored it
	queued_at    timestamptz,          -- last time it went to a lane or was delayed
	due_at       timestamptz,          -- scheduled: when it goes to its lane
	started_at   timestamptz,          -- of the last execution known
	finished_at  timestamptz,
	epoch        bigint NOT NULL,      -- of the event that the state is from; grows with every execution
	tasks_seq    bigint,               -- sequence in the stream TASKS
	lane_seq     bigint,               -- and in the stream that holds it now: its lane's, DELAYED while it is scheduled
	timeout_ms   bigint,
	keep_ms      bigint,               -- result and body expire so long after the end; -1: never; null: not said
	result_expires_at timestamptz GENERATED ALWAYS AS (millrace.expiry(finished_at, keep_ms)) STORED,
	result_expired_at timestamptz,     -- when result and body were removed
	place        integer,              -- which word lane_seq is from: 2 * the router's epoch, + 1 where it is on its lane
	attempt      integer NOT NULL,
	attempts     integer,              -- the most there may be
	body_bytes   integer,              -- its size, whether it is kept or not; null until its submission is stored
	deliveries   integer,
	state        smallint NOT NULL,
	prev_state   smallint NOT NULL DEFAULT 0, -- before the last write; 0: the row was new
	priority     smallint,             -- 0 high, 1 normal, 2 low
	id           text COLLATE "C" NOT NULL,
	type         text COLLATE "C" NOT NULL,
	lane         text COLLATE "C",
	node         text COLLATE "C",
	project      text COLLATE "C",
	content_type text COLLATE "C",     -- of the body
	result_type  text COLLATE "C",     -- content type of the result
	result_object text COLLATE "C",    -- bucket/name of a result in the object store; result is empty then
	result_bytes bigint,               -- its size there
	reason       text COLLATE "C",
	retry_of     text COLLATE "C",     -- it is a manual retry or a replay of that one
	retried_as   text COLLATE "C",     -- the latest of its own
	error        text,
	fingerprint  text COLLATE "C",     -- dead: which failure it is
	dead_seq     bigint,               -- dead: its letter's sequence in DEAD
	headers      text,                 -- the publisher's, a JSON object; null where there were none
	body         bytea,                -- null where it was over the size that is kept
	result       bytea,
	PRIMARY KEY (id)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Newest first, and what is still to be done. More indexes cost every row.
CREATE INDEX tasks_submitted ON millrace.tasks (submitted_at);
CREATE INDEX tasks_open ON millrace.tasks (submitted_at) WHERE state < 4;
-- Dead and cancelled tasks are few among millions: without an index of their own each look at them read the whole
-- table. It costs nothing for those that complete.
CREATE INDEX tasks_dead ON millrace.tasks (submitted_at) WHERE state >= 5;
CREATE INDEX tasks_result_expires ON millrace.tasks (result_expires_at) WHERE result_expires_at IS NOT NULL;
CREATE INDEX tasks_scheduled ON millrace.tasks (lane) WHERE state = 1;

DO $$ BEGIN -- cheaper than the default where this server was built with it
	ALTER TABLE millrace.tasks ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN result SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;

-- How many tasks are in which state, as differences: each write adds rows, millrace.fold_counts() sums them up.
CREATE TABLE millrace.task_counts (
	type  text COLLATE "C" NOT NULL,
	lane  text COLLATE "C" NOT NULL DEFAULT '', -- '': of those that never had one
	state smallint NOT NULL,
	n     bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Executions of tasks that had more than one, or that failed; a task that completed at once has none.
CREATE TABLE millrace.attempts (
	task_id     text COLLATE "C" NOT NULL,
	attempt     integer NOT NULL,
	epoch       bigint NOT NULL,
	outcome     text COLLATE "C" NOT NULL, -- completed, failed, returned (no attempt was spent)
	node        text COLLATE "C",
	lane        text COLLATE "C",
	reason      text COLLATE "C",
	error       text,
	started_at  timestamptz,
	finished_at timestamptz,
	PRIMARY KEY (task_id, attempt)
);

CREATE TABLE millrace.nodes (
	name           text COLLATE "C" PRIMARY KEY,
	instance       text, -- differs at each start; the counters are its own
	pool           text,
	state          smallint NOT NULL, -- 1 ready, 2 draining, 3 stopped
	slots          integer NOT NULL,
	used           integer NOT NULL,
	capabilities   text[] NOT NULL,
	types          text[] NOT NULL,
	model          text,
	host           text,
	pid            integer,
	version        text,
	cpu_percent    double precision,
	memory_percent double precision,
	rss_bytes      bigint,
	completed      bigint NOT NULL,
	failed         bigint NOT NULL,
	busy_ms        bigint NOT NULL,
	weight         integer,
	bridge         boolean NOT NULL,
	labels         text, -- a JSON object
	started_at     timestamptz,
	heartbeat_at   timestamptz NOT NULL,
	registered_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One sample a node and minute.
CREATE TABLE millrace.worker_metrics (
	worker         text COLLATE "C" NOT NULL,
	at             timestamptz NOT NULL,
	slots          integer NOT NULL,
	used           integer NOT NULL,
	cpu_percent    double precision,
	memory_percent double precision,
	rss_bytes      bigint,
	completed      bigint NOT NULL,
	failed         bigint NOT NULL,
	busy_ms        bigint NOT NULL,
	PRIMARY KEY (worker, at)
) WITH (fillfactor = 70);
CREATE INDEX worker_metrics_at ON millrace.worker_metrics (at);

CREATE TABLE millrace.task_dependencies (
	task_id    text COLLATE "C" NOT NULL,
	depends_on text COLLATE "C" NOT NULL,
	flow_id    text COLLATE "C",
	PRIMARY KEY (task_id, depends_on)
);
CREATE INDEX task_dependencies_on ON millrace.task_dependencies (depends_on);

-- Events that could not be read, or rows that PostgreSQL refused. data published on subject again is another try.
CREATE TABLE millrace.rejected_events (
	stored_at   timestamptz NOT NULL, -- of the message in EVENTS
	seq         bigint NOT NULL,
	part        integer NOT NULL,     -- 0: the whole message; else one record of it
	subject     text NOT NULL,
	task_id     text,
	error       text NOT NULL,
	headers     text,
	data        bytea,                -- the first 64 KiB
	data_bytes  bigint NOT NULL,
	rejected_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (stored_at, seq, part)
);

-- ---- what the store sends: arrays of these ----

CREATE TYPE millrace.task_row AS (
	id text, type text, lane text, state smallint, priority smallint, attempt integer, attempts integer,
	epoch bigint, node text, submitted_at timestamptz, queued_at timestamptz, due_at timestamptz,
	started_at timestamptz, finished_at timestamptz, tasks_seq bigint, lane_seq bigint, place integer,
	timeout_ms bigint, project text, content_type text, headers text, body_bytes integer, body bytea, deliveries integer,
	result_type text, result bytea, error text, reason text, fingerprint text, dead_seq bigint, keep_ms bigint,
	retry_of text, result_object text, result_bytes bigint);

CREATE TYPE millrace.attempt_row AS (
	task_id text, attempt integer, epoch bigint, outcome text, node text, lane text, reason text, error text,
	started_at timestamptz, finished_at timestamptz);

CREATE TYPE millrace.node_row AS (
	name text, instance text, pool text, state smallint, slots integer, used integer, capabilities text,
	types text, model text, host text, pid integer, version text, cpu_percent double precision,
	memory_percent double precision, rss_bytes bigint, completed bigint, failed bigint, busy_ms bigint,
	weight integer, bridge boolean, labels text, started_at timestamptz, heartbeat_at timestamptz);

CREATE TYPE millrace.rejected_row AS (
	stored_at timestamptz, seq bigint, part integer, subject text, task_id text, error text, headers text,
	data bytea, data_bytes bigint);

/*
 * One row a task, ids distinct and sorted (two stores then never deadlock).
 * The result does not depend on the order in which a task's events arrive:
 *   - a final state is never changed: the first that is stored wins;
 *   - before it, the event with the highest epoch tells state, node, attempt and times of the execution;
 *   - what the publisher said is taken from whoever brings it first.
 * In a function, because its plan is kept by the backend: planning anew costs 0.6 ms a batch, and a pooler forbids
 * prepared statements. Returns how many rows were written and how many of them became final by it.
 */
CREATE FUNCTION millrace.put_tasks(rows millrace.task_row[], OUT stored bigint, OUT finished bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	WITH up AS (
		INSERT INTO millrace.tasks AS t (id, type, lane, state, priority, attempt, attempts, epoch, node,
			submitted_at, queued_at, due_at, started_at, finished_at, tasks_seq, lane_seq, place,
			timeout_ms, project, content_type, headers, body_bytes, body, deliveries, result_type, result, error, reason,
			fingerprint, dead_seq, keep_ms, retry_of, result_object, result_bytes)
		SELECT * FROM unnest(rows)
		ON CONFLICT (id) DO UPDATE SET
			prev_state = t.state,
			state = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.state ELSE t.state END,
			epoch = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.epoch ELSE t.epoch END,
			attempt = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.attempt ELSE t.attempt END,
			node = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.node ELSE t.node END,
			started_at = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.started_at ELSE t.started_at END,
			finished_at = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.finished_at ELSE t.finished_at END,
			deliveries = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.deliveries ELSE t.deliveries END,
			result_type = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.result_type ELSE t.result_type END,
			result = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.result ELSE t.result END,
			error = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.error ELSE t.error END,
			reason = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.reason ELSE t.reason END,
			fingerprint = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.fingerprint ELSE t.fingerprint END,
			dead_seq = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.dead_seq ELSE t.dead_seq END,
			result_object = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.result_object ELSE t.result_object END,
			result_bytes = CASE WHEN t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch OR excluded.epoch = t.epoch AND excluded.state > t.state)
				THEN excluded.result_bytes ELSE t.result_bytes END,
			submitted_at = LEAST(t.submitted_at, excluded.submitted_at),
			queued_at = GREATEST(t.queued_at, excluded.queued_at),
			due_at = GREATEST(t.due_at, excluded.due_at),
			lane_seq = CASE WHEN excluded.place > COALESCE(t.place, -1) THEN excluded.lane_seq
				WHEN excluded.place = t.place THEN GREATEST(t.lane_seq, excluded.lane_seq)
				ELSE t.lane_seq END,
			place = GREATEST(t.place, excluded.place),
			type = CASE WHEN t.type = '' THEN excluded.type ELSE t.type END,
			lane = COALESCE(t.lane, excluded.lane),
			priority = COALESCE(t.priority, excluded.priority),
			attempts = COALESCE(t.attempts, excluded.attempts),
			tasks_seq = COALESCE(t.tasks_seq, excluded.tasks_seq),
			timeout_ms = COALESCE(t.timeout_ms, excluded.timeout_ms),
			keep_ms = COALESCE(t.keep_ms, excluded.keep_ms),
			retry_of = COALESCE(t.retry_of, excluded.retry_of),
			project = COALESCE(t.project, excluded.project),
			content_type = COALESCE(t.content_type, excluded.content_type),
			headers = COALESCE(t.headers, excluded.headers),
			body_bytes = COALESCE(t.body_bytes, excluded.body_bytes),
			body = COALESCE(t.body, excluded.body)
		WHERE t.state < 4 AND (excluded.state >= 4 OR excluded.epoch > t.epoch
			OR excluded.epoch = t.epoch AND excluded.state > t.state)
			-- late news about a submission
			OR t.body_bytes IS NULL AND excluded.body_bytes IS NOT NULL
			OR t.body IS NULL AND excluded.body IS NOT NULL
			OR t.state < 4 AND excluded.place > COALESCE(t.place, -1)
			OR excluded.queued_at > t.queued_at OR excluded.due_at > COALESCE(t.due_at, '-infinity')
		RETURNING t.type, COALESCE(t.lane, '') AS lane, t.prev_state, t.state),
	changed AS (
		INSERT INTO millrace.task_counts (type, lane, state, n)
		SELECT d.type, d.lane, d.state, sum(d.n)
		FROM (SELECT type, lane, state, 1 AS n FROM up WHERE state <> prev_state
			UNION ALL
			SELECT type, lane, prev_state, -1 FROM up WHERE state <> prev_state AND prev_state > 0) AS d
		GROUP BY d.type, d.lane, d.state HAVING sum(d.n) <> 0)
	SELECT count(*), count(*) FILTER (WHERE up.state >= 4 AND up.prev_state < 4) INTO stored, finished FROM up;
END $$;

-- One row an attempt; a failure is not overwritten by a return, else the later execution counts.
CREATE FUNCTION millrace.put_attempts(rows millrace.attempt_row[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO millrace.attempts AS t (task_id, attempt, epoch, outcome, node, lane, reason, error, started_at,
		finished_at)
	SELECT * FROM unnest(rows)
	ON CONFLICT (task_id, attempt) DO UPDATE SET
		epoch = excluded.epoch, outcome = excluded.outcome, node = excluded.node, lane = excluded.lane,
		reason = excluded.reason, error = excluded.error, started_at = excluded.started_at,
		finished_at = excluded.finished_at
	WHERE (excluded.outcome <> 'returned', excluded.epoch) > (t.outcome <> 'returned', t.epoch);
END $$;

CREATE FUNCTION millrace.put_nodes(rows millrace.node_row[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO millrace.nodes AS t (name, instance, pool, state, slots, used, capabilities, types, model, host,
		pid, version, cpu_percent, memory_percent, rss_bytes, completed, failed, busy_ms, weight, bridge,
		labels, started_at, heartbeat_at)
	SELECT name, instance, pool, state, slots, used, string_to_array(COALESCE(capabilities, ''), ','),
		string_to_array(COALESCE(types, ''), ','), model, host, pid, version, cpu_percent, memory_percent,
		rss_bytes, completed, failed, busy_ms, weight, bridge, labels, started_at, heartbeat_at
	FROM unnest(rows)
	ON CONFLICT (name) DO UPDATE SET
		instance = excluded.instance, pool = excluded.pool, state = excluded.state, slots = excluded.slots,
		used = excluded.used, capabilities = excluded.capabilities, types = excluded.types,
		model = excluded.model, host = excluded.host, pid = excluded.pid, version = excluded.version,
		cpu_percent = excluded.cpu_percent, memory_percent = excluded.memory_percent,
		rss_bytes = excluded.rss_bytes, completed = excluded.completed, failed = excluded.failed,
		busy_ms = excluded.busy_ms, weight = excluded.weight, bridge = excluded.bridge,
		labels = excluded.labels, started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at
	WHERE excluded.heartbeat_at > t.heartbeat_at;

	INSERT INTO millrace.worker_metrics AS t (worker, at, slots, used, cpu_percent, memory_percent, rss_bytes,
		completed, failed, busy_ms)
	SELECT name, date_trunc('minute', heartbeat_at), slots, used, cpu_percent, memory_percent, rss_bytes,
		completed, failed, busy_ms
	FROM unnest(rows)
	ON CONFLICT (worker, at) DO UPDATE SET
		slots = excluded.slots, used = excluded.used, cpu_percent = excluded.cpu_percent,
		memory_percent = excluded.memory_percent, rss_bytes = excluded.rss_bytes,
		completed = excluded.completed, failed = excluded.failed, busy_ms = excluded.busy_ms
	WHERE excluded.busy_ms >= t.busy_ms;
END $$;

CREATE FUNCTION millrace.put_rejected(rows millrace.rejected_row[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO millrace.rejected_events (stored_at, seq, part, subject, task_id, error, headers, data, data_bytes)
	SELECT * FROM unnest(rows)
	ON CONFLICT DO NOTHING;
END $$;

-- Sums up what the writes have noted. Harmless when several do it at once.
CREATE FUNCTION millrace.fold_counts() RETURNS bigint LANGUAGE sql AS $$
	WITH gone AS (DELETE FROM millrace.task_counts RETURNING type, lane, state, n),
	folded AS (
		INSERT INTO millrace.task_counts (type, lane, state, n)
		SELECT type, lane, state, sum(n) FROM gone GROUP BY type, lane, state HAVING sum(n) <> 0)
	SELECT count(*) FROM gone;
$$;

-- What is kept for a while only: samples of nodes, and the newest hundred thousand rejected events.
CREATE FUNCTION millrace.forget_old(samples interval) RETURNS void LANGUAGE sql AS $$
	DELETE FROM millrace.worker_metrics WHERE at < now() - samples;
	DELETE FROM millrace.rejected_events
	WHERE stored_at < (SELECT stored_at FROM millrace.rejected_events ORDER BY stored_at DESC OFFSET 100000 LIMIT 1);
$$;
