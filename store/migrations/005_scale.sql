-- What the scaler decided and healed, and the agents that nodes host.

-- Decisions and acts of scalers, from events.scale. An id is <epoch>.<number>; epochs may begin anew with another broker,
-- so the moment is part of the key: what is delivered again is the same row, what only looks alike is not.
CREATE TABLE millrace.scale_events (
	id             text COLLATE "C" NOT NULL,
	at             timestamptz NOT NULL,
	epoch          bigint NOT NULL,
	scaler         text COLLATE "C",
	pool           text COLLATE "C" NOT NULL, -- '': of none
	action         text COLLATE "C" NOT NULL,
	node           text COLLATE "C",
	agent          text COLLATE "C",
	from_nodes     bigint,
	to_nodes       bigint,
	reason         text,
	waiting        bigint,
	oldest_s       double precision,
	arrival_per_s  double precision,
	forecast_per_s double precision,
	service_s      double precision,
	utilization    double precision,
	wait_s         double precision,
	PRIMARY KEY (id, at)
);
CREATE INDEX scale_events_at ON millrace.scale_events (at);
CREATE INDEX scale_events_pool ON millrace.scale_events (pool, at);

-- What was found ill, and what was done about it, from events.heal.
CREATE TABLE millrace.heal_events (
	id         text COLLATE "C" NOT NULL,
	at         timestamptz NOT NULL,
	epoch      bigint NOT NULL,
	scaler     text COLLATE "C",
	host       text COLLATE "C",
	"check"    text COLLATE "C" NOT NULL,
	level      text COLLATE "C",
	subject    text,
	value      double precision,
	limit_value double precision,
	action     text COLLATE "C" NOT NULL,
	result     text COLLATE "C",
	reason     text,
	took_ms    bigint,
	asked_by   text,
	PRIMARY KEY (id, at)
);
CREATE INDEX heal_events_at ON millrace.heal_events (at);

-- Agents, as the nodes that host them say in events.node.
CREATE TABLE millrace.agents (
	agent_id       text COLLATE "C" PRIMARY KEY,
	role           text COLLATE "C",
	node           text COLLATE "C" NOT NULL, -- that hosts it, or did so last
	pool           text COLLATE "C",
	project        text COLLATE "C",
	state          text COLLATE "C" NOT NULL, -- starting, idle, busy, backoff; gone: its node hosts it no more
	pid            bigint,
	tasks          bigint NOT NULL,
	errors         bigint NOT NULL,
	started_at     timestamptz,
	last_active_at timestamptz,
	heartbeat_at   timestamptz,          -- its own last sign of life
	told_at        timestamptz NOT NULL  -- when its node said so
) WITH (fillfactor = 50);
CREATE INDEX agents_node ON millrace.agents (node);

/*
 * One JSON text an event, {"kind": scale|heal|agents, "event": …}: few events a second, so that a plan for each kind is
 * dear to nobody. May run twice. One agent in two nodes' words (it moved): the later word counts.
 */
CREATE FUNCTION millrace.put_notes(notes text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO millrace.scale_events (id, at, epoch, scaler, pool, action, node, agent, from_nodes, to_nodes, reason,
		waiting, oldest_s, arrival_per_s, forecast_per_s, service_s, utilization, wait_s)
	SELECT e->>'id', (e->>'at')::timestamptz, COALESCE((e->>'epoch')::bigint, 0), e->>'scaler',
		COALESCE(e->>'pool', ''), COALESCE(e->>'action', ''), e->>'node', e->>'agent', COALESCE((e->>'from')::bigint, 0),
		COALESCE((e->>'to')::bigint, 0), left(e->>'reason', 8192), COALESCE((e->>'waiting')::bigint, 0),
		(e->>'oldest_s')::float8, (e->>'arrival_per_s')::float8, (e->>'forecast_per_s')::float8,
		(e->>'service_s')::float8, (e->>'utilization')::float8, (e->>'wait_s')::float8
	FROM (SELECT n::jsonb->'event' AS e FROM unnest(notes) AS n WHERE n::jsonb->>'kind' = 'scale') AS x
	ON CONFLICT DO NOTHING;

	INSERT INTO millrace.heal_events (id, at, epoch, scaler, host, "check", level, subject, value, limit_value, action,
		result, reason, took_ms, asked_by)
	SELECT e->>'id', (e->>'at')::timestamptz, COALESCE((e->>'epoch')::bigint, 0), e->>'scaler', e->>'host',
		COALESCE(e->>'check', ''), e->>'level', e->>'subject', (e->>'value')::float8, (e->>'limit')::float8,
		COALESCE(e->>'action', ''), e->>'result', left(e->>'reason', 8192), COALESCE((e->>'took_ms')::bigint, 0), e->>'by'
	FROM (SELECT n::jsonb->'event' AS e FROM unnest(notes) AS n WHERE n::jsonb->>'kind' = 'heal') AS x
	ON CONFLICT DO NOTHING;

	-- What a node does not name any more is gone from it; what it names is as it says.
	UPDATE millrace.agents AS t SET state = 'gone', pid = NULL, told_at = x.at
	FROM (SELECT n::jsonb#>>'{event,name}' AS node, (n::jsonb#>>'{event,heartbeat_at}')::timestamptz AS at,
			COALESCE(n::jsonb#>'{event,agents}', '[]') AS agents
		FROM unnest(notes) AS n WHERE n::jsonb->>'kind' = 'agents') AS x
	WHERE t.node = x.node AND t.told_at < x.at AND t.state <> 'gone'
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(x.agents) AS a WHERE a->>'agent_id' = t.agent_id);

	INSERT INTO millrace.agents AS t (agent_id, role, node, pool, project, state, pid, tasks, errors, started_at,
		last_active_at, heartbeat_at, told_at)
	SELECT DISTINCT ON (a->>'agent_id') a->>'agent_id', a->>'role_type', s->>'name', s->>'pool', a->>'project_id',
		COALESCE(a->>'state', ''), (a->>'pid')::bigint, COALESCE((a->>'tasks')::bigint, 0), COALESCE((a->>'errors')::bigint, 0),
		(a->>'started_at')::timestamptz, (a->>'last_active_at')::timestamptz, (a->>'heartbeat_at')::timestamptz,
		(s->>'heartbeat_at')::timestamptz
	FROM (SELECT n::jsonb->'event' AS s FROM unnest(notes) AS n WHERE n::jsonb->>'kind' = 'agents') AS x,
		jsonb_array_elements(COALESCE(s->'agents', '[]')) AS a
	WHERE a->>'agent_id' <> ''
	ORDER BY a->>'agent_id', (s->>'heartbeat_at')::timestamptz DESC
	ON CONFLICT (agent_id) DO UPDATE SET
		role = COALESCE(excluded.role, t.role), node = excluded.node, pool = excluded.pool,
		project = COALESCE(excluded.project, t.project), state = excluded.state, pid = excluded.pid,
		tasks = excluded.tasks, errors = excluded.errors, started_at = excluded.started_at,
		last_active_at = excluded.last_active_at, heartbeat_at = excluded.heartbeat_at, told_at = excluded.told_at
	WHERE excluded.told_at > t.told_at;
END $$;

-- What is older than that goes, a page at a time. Agents: those that are gone, or whose node says nothing any more.
CREATE FUNCTION millrace.forget_history(keep interval, most integer) RETURNS bigint LANGUAGE sql AS $$
	WITH scale AS (DELETE FROM millrace.scale_events WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM millrace.scale_events WHERE at < now() - keep ORDER BY at LIMIT most)) RETURNING 1),
	heal AS (DELETE FROM millrace.heal_events WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM millrace.heal_events WHERE at < now() - keep ORDER BY at LIMIT most)) RETURNING 1),
	agents AS (DELETE FROM millrace.agents WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM millrace.agents WHERE told_at < now() - keep LIMIT most)) RETURNING 1)
	SELECT GREATEST((SELECT count(*) FROM scale), (SELECT count(*) FROM heal), (SELECT count(*) FROM agents));
$$;

-- Since each worker's last start.
CREATE OR REPLACE VIEW millrace.v_worker_performance AS
SELECT name, pool, status, completed, failed, completed / NULLIF(completed + failed, 0)::float8 AS success_rate,
	busy_ms / NULLIF(completed + failed, 0)::float8 AS average_duration_ms,
	current_load::float8 / NULLIF(max_load, 0) AS load, cpu_percent, memory_percent,
	extract(epoch FROM now() - started_at)::float8 AS uptime_s,
	current_load AS running, max_load AS slots, last_heartbeat
FROM millrace.workers;

CREATE VIEW millrace.v_agents AS
SELECT agent_id, role, node, pool, project,
	CASE WHEN state <> 'gone' AND told_at < now() - interval '90 seconds' THEN 'lost' ELSE state END AS state,
	pid, tasks AS completed, errors AS failed, tasks / NULLIF(tasks + errors, 0)::float8 AS success_rate,
	started_at, last_active_at, heartbeat_at, told_at
FROM millrace.agents;
