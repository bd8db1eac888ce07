-- The transactional outbox, the fence, the audit's memory, users' shared state, and who may do what.

-- ---- outbox: a row inserted in somebody's own transaction becomes exactly one task ----

CREATE TABLE millrace.outbox (
	seq           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	created_at    timestamptz NOT NULL DEFAULT now(),
	run_at        timestamptz, -- not before it (Task-At)
	claimed_until timestamptz, -- a store is publishing it; later it is free again
	refused_at    timestamptz,
	id            text COLLATE "C" DEFAULT gen_random_uuid()::text, -- the task's; one id is one task, for ever
	type          text COLLATE "C" NOT NULL,
	body          text,
	body_bytes    bytea, -- in place of body, for what is no text
	priority      text,  -- high, normal, low, or 0 to 9
	requires      text,  -- capabilities, comma-separated
	project       text,
	headers       jsonb, -- further headers of the task: {"Task-Timeout": "30s", "traceparent": "…"}
	claimed_by    text,
	error         text   -- why it can't become a task; set to null, it is tried again
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 2000,
	autovacuum_analyze_scale_factor = 0.1);

-- What is still to be published; a refused row is out of everybody's way.
CREATE INDEX outbox_waiting ON millrace.outbox (seq) WHERE error IS NULL;
CREATE INDEX outbox_refused ON millrace.outbox (seq) WHERE error IS NOT NULL;

/*
 * Wakes the stores that listen. Commits that notify go one after another in the whole server, so only the first row
 * of a burst does it: whoever finds rows that wait knows that a store is at work, and that it looks again.
 */
CREATE FUNCTION millrace.outbox_wake() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM FROM millrace.outbox WHERE error IS NULL ORDER BY seq DESC LIMIT 1;
	IF NOT FOUND THEN
		PERFORM pg_notify('millrace_outbox', '');
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER outbox_wake BEFORE INSERT ON millrace.outbox
	FOR EACH STATEMENT EXECUTE FUNCTION millrace.outbox_wake();

/*
 * Takes the oldest free rows for as long as hold: at least one, else at most max_rows and max_bytes of bodies. Rows of
 * other stores, and those that their own transactions still hold, are passed over. known: a task of that id is stored
 * already (a store published it and died before it could say so), and nothing is left to do but to delete the row.
 */
CREATE FUNCTION millrace.outbox_claim(store text, max_rows integer, max_bytes bigint, hold interval)
RETURNS TABLE (seq bigint, id text, type text, body text, body_bytes bytea, priority text, requires text,
	project text, run_at timestamptz, headers text, created_at timestamptz, known boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH free AS MATERIALIZED (
		SELECT o.seq, COALESCE(octet_length(o.body), octet_length(o.body_bytes), 0) AS bytes
		FROM millrace.outbox AS o
		WHERE o.error IS NULL AND (o.claimed_until IS NULL OR o.claimed_until < clock_timestamp())
		ORDER BY o.seq LIMIT max_rows FOR UPDATE SKIP LOCKED),
	fitting AS (
		SELECT f.seq FROM (SELECT free.seq, sum(bytes) OVER (ORDER BY free.seq) AS upto,
			row_number() OVER (ORDER BY free.seq) AS place FROM free) AS f
		WHERE f.upto <= max_bytes OR f.place = 1),
	taken AS (
		UPDATE millrace.outbox AS o SET claimed_until = clock_timestamp() + hold, claimed_by = store,
			id = COALESCE(o.id, gen_random_uuid()::text)
		FROM fitting AS f WHERE o.seq = f.seq
		RETURNING o.*)
	SELECT k.seq, k.id, k.type, k.body, k.body_bytes, k.priority, k.requires, k.project, k.run_at, k.headers::text,
		k.created_at, EXISTS (SELECT FROM millrace.tasks AS t WHERE t.id = k.id)
	FROM taken AS k ORDER BY k.seq;
END $$;

-- Published, or known: gone.
CREATE FUNCTION millrace.outbox_done(seqs bigint[]) RETURNS void LANGUAGE sql AS $$
	DELETE FROM millrace.outbox WHERE seq = ANY(seqs);
$$;

CREATE FUNCTION millrace.outbox_refuse(seqs bigint[], errors text[]) RETURNS void LANGUAGE sql AS $$
	UPDATE millrace.outbox AS o SET error = r.error, refused_at = now(), claimed_until = NULL, claimed_by = NULL
	FROM unnest(seqs, errors) AS r (seq, error) WHERE o.seq = r.seq;
$$;

-- Back, unpublished as far as is known: the next claim takes them.
CREATE FUNCTION millrace.outbox_release(store text, seqs bigint[]) RETURNS void LANGUAGE sql AS $$
	UPDATE millrace.outbox SET claimed_until = NULL, claimed_by = NULL WHERE seq = ANY(seqs) AND claimed_by = store;
$$;

-- ---- fence: a stale execution is refused inside the handler's own transaction ----

CREATE TABLE millrace.fences (
	task_id text COLLATE "C" PRIMARY KEY,
	epoch   bigint NOT NULL, -- the highest that came through and was committed
	at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX fences_at ON millrace.fences (at);

/*
 * To be called in the transaction that has the effect, before it. Of one task's executions:
 *   - one that another has overtaken is refused (SQLSTATE MRF01), and its transaction with it: because a later one has
 *     been here, because the task's record knows of a later one, or because the task is over by another one's word;
 *   - two at once go one after the other: the row is locked until the first one's transaction ends.
 * Returns the epoch of the execution that came through before, null for the first: who gets a number knows that an
 * effect guarded by this fence has been committed already.
 */
CREATE FUNCTION millrace.fence(task text, epoch bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
	before bigint;
	known record;
BEGIN
	IF fence.task IS NULL OR fence.task = '' THEN
		RAISE EXCEPTION 'millrace.fence: the task''s id is missing' USING ERRCODE = '22023',
			HINT = 'MILLRACE_TASK_ID, "id" or Task-Id has it, by kind of handler.';
	END IF;
	IF fence.epoch IS NULL OR fence.epoch <= 0 THEN
		RAISE EXCEPTION 'millrace.fence: % is no epoch of an execution of task %', COALESCE(fence.epoch::text, 'null'),
			fence.task USING ERRCODE = '22023',
			HINT = 'MILLRACE_EPOCH, "epoch" or Task-Execution-Epoch has it, by kind of handler.';
	END IF;
	-- The lock first: what is looked at below is then later than what the one before has committed.
	INSERT INTO millrace.fences AS f (task_id, epoch) VALUES (fence.task, 0) ON CONFLICT (task_id) DO NOTHING;
	SELECT f.epoch INTO before FROM millrace.fences AS f WHERE f.task_id = fence.task FOR UPDATE;
	IF before > fence.epoch THEN
		RAISE EXCEPTION 'task %: execution % is stale, % has come after it', fence.task, fence.epoch, before
			USING ERRCODE = 'MRF01', HINT = 'Roll back and give up: another execution has this task.';
	END IF;
	SELECT t.epoch, t.state INTO known FROM millrace.tasks AS t WHERE t.id = fence.task;
	IF FOUND AND (known.epoch > fence.epoch OR known.state >= 4 AND known.epoch <> fence.epoch) THEN
		RAISE EXCEPTION 'task %: execution % is stale, its record is of % already', fence.task, fence.epoch,
			known.epoch USING ERRCODE = 'MRF01', HINT = 'Roll back and give up: another execution has this task.';
	END IF;
	UPDATE millrace.fences AS f SET epoch = fence.epoch, at = now() WHERE f.task_id = fence.task AND f.epoch <> fence.epoch;
	RETURN NULLIF(before, 0);
END $$;

-- A task that is over needs no fence of its own: its record refuses the stale.
CREATE FUNCTION millrace.forget_fences(age interval) RETURNS void LANGUAGE sql AS $$
	DELETE FROM millrace.fences AS f WHERE f.task_id IN (
		SELECT o.task_id FROM millrace.fences AS o WHERE o.at < now() - age ORDER BY o.at LIMIT 10000)
	AND NOT EXISTS (SELECT FROM millrace.tasks AS t WHERE t.id = f.task_id AND t.state < 4);
$$;

-- ---- audit ----

-- Rows whose message should lie in a lane or in DELAYED, by where it should.
CREATE INDEX tasks_place ON millrace.tasks (lane, lane_seq) WHERE state IN (2, 3);
CREATE INDEX tasks_delayed ON millrace.tasks (lane_seq) WHERE state = 1;

-- One row: who audits at the moment, and what the last pass found.
CREATE TABLE millrace.audit (
	only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	repair      boolean NOT NULL DEFAULT false, -- the pass that is asked for repairs whatever the configuration says
	held_until  timestamptz NOT NULL DEFAULT '-infinity',
	finished_at timestamptz NOT NULL DEFAULT '-infinity',
	pass        bigint NOT NULL DEFAULT 0,  -- the last that was finished
	begun       bigint NOT NULL DEFAULT 0,  -- the last that was begun
	wanted      bigint NOT NULL DEFAULT 0,  -- the last that was asked for
	repaired    bigint NOT NULL DEFAULT 0,  -- in all
	held_by     text,
	broker      text,                       -- when its stream TASKS was made: whose messages these rows are of
	report      text                        -- of the last pass, JSON
);
INSERT INTO millrace.audit DEFAULT VALUES;

-- Begins a pass where one is due or asked for and no other store is at one. Writes nothing where there is none.
CREATE FUNCTION millrace.audit_begin(store text, every interval, hold interval, OUT pass bigint, OUT repair boolean,
	OUT broker text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	UPDATE millrace.audit AS a SET held_by = store, held_until = clock_timestamp() + hold, begun = a.pass + 1
	WHERE (a.held_by = store OR a.held_until < clock_timestamp())
		AND (a.wanted > a.pass OR a.finished_at < clock_timestamp() - every)
	RETURNING a.begun, a.repair AND a.wanted <= a.begun, a.broker INTO pass, repair, broker;
END $$;

-- Still at it. Who stays silent for longer than hold has lost its turn.
CREATE FUNCTION millrace.audit_keep(store text, hold interval) RETURNS void LANGUAGE sql AS $$
	UPDATE millrace.audit SET held_until = clock_timestamp() + hold WHERE held_by = store;
$$;

CREATE FUNCTION millrace.audit_end(store text, number bigint, repaired_now bigint, said text, of_broker text) RETURNS void
LANGUAGE sql AS $$
	UPDATE millrace.audit SET held_until = '-infinity', finished_at = clock_timestamp(), pass = number,
		repaired = repaired + repaired_now, report = said, repair = repair AND wanted > number,
		broker = COALESCE(of_broker, broker)
	WHERE held_by = store AND begun = number;
$$;

-- Asks for one that begins from now on; its number.
CREATE FUNCTION millrace.audit_want(with_repair boolean) RETURNS bigint LANGUAGE sql AS $$
	UPDATE millrace.audit SET wanted = GREATEST(wanted, begun + 1), repair = repair OR with_repair RETURNING wanted;
$$;

-- Lanes that have rows whose message should lie in them: one look at the index for each.
CREATE FUNCTION millrace.audit_lanes() RETURNS SETOF text LANGUAGE sql STABLE AS $$
	WITH RECURSIVE l AS (
		(SELECT lane FROM millrace.tasks WHERE state IN (2, 3) AND lane IS NOT NULL ORDER BY lane LIMIT 1)
		UNION ALL
		SELECT (SELECT t.lane FROM millrace.tasks AS t WHERE t.state IN (2, 3) AND t.lane > l.lane ORDER BY t.lane LIMIT 1)
		FROM l WHERE l.lane IS NOT NULL)
	SELECT lane FROM l WHERE lane IS NOT NULL;
$$;

/*
 * Unfinished rows whose message can't be in its stream any more, as that told: before its first or after its last
 * sequence, or in one of its holes; or where it has too many holes to tell them (walk) the next rows one after another, of
 * which the caller finds out. Rows that went there within the last age are left alone, and so are those whose latest
 * word does not tell the place. in_lane null: those in DELAYED. The ranges of the index are all that is read.
 */
CREATE FUNCTION millrace.audit_candidates(in_lane text, first_seq bigint, last_seq bigint, holes bigint[], walk boolean,
	after_seq bigint, age interval, at_most integer)
RETURNS TABLE (id text, epoch bigint, lane_seq bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
	IF in_lane IS NULL THEN
		RETURN QUERY SELECT c.id, c.epoch, c.lane_seq FROM (
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state = 1 AND t.lane_seq > after_seq AND t.lane_seq < first_seq
				ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state = 1 AND t.lane_seq > GREATEST(after_seq, last_seq)
				ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state = 1 AND t.lane_seq > after_seq AND t.lane_seq = ANY(holes)
				ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE walk AND t.state = 1 AND t.lane_seq > GREATEST(after_seq, first_seq - 1)
				AND t.lane_seq <= last_seq AND t.due_at < now() - age ORDER BY t.lane_seq LIMIT at_most)) AS c
		WHERE c.place = (c.epoch >> 32) * 2 AND c.queued_at < now() - age
		ORDER BY c.lane_seq LIMIT at_most;
	ELSE
		RETURN QUERY SELECT c.id, c.epoch, c.lane_seq FROM (
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state IN (2, 3) AND t.lane = in_lane AND t.lane_seq > after_seq
				AND t.lane_seq < first_seq ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state IN (2, 3) AND t.lane = in_lane
				AND t.lane_seq > GREATEST(after_seq, last_seq) ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE t.state IN (2, 3) AND t.lane = in_lane AND t.lane_seq > after_seq
				AND t.lane_seq = ANY(holes) ORDER BY t.lane_seq LIMIT at_most)
			UNION ALL
			(SELECT t.* FROM millrace.tasks AS t WHERE walk AND t.state IN (2, 3) AND t.lane = in_lane
				AND t.lane_seq > GREATEST(after_seq, first_seq - 1) AND t.lane_seq <= last_seq
				ORDER BY t.lane_seq LIMIT at_most)) AS c
		WHERE c.place = (c.epoch >> 32) * 2 + 1 AND c.queued_at < now() - age
		ORDER BY c.lane_seq LIMIT at_most;
	END IF;
END $$;

/*
 * Of those found without a message: what is to be known of each that nobody has told anything about since. unresolved:
 * its last attempt has been handed back, so a later place must be, of which no word was stored; or its word was set
 * aside in rejected_events.
 */
CREATE FUNCTION millrace.audit_judge(ids text[], epochs bigint[], seqs bigint[])
RETURNS TABLE (id text, lane text, unresolved boolean) LANGUAGE sql STABLE AS $$
	SELECT t.id, t.lane, EXISTS (SELECT FROM millrace.attempts AS a WHERE a.task_id = t.id AND a.epoch >> 32 >= t.epoch >> 32)
		OR EXISTS (SELECT FROM millrace.rejected_events AS r WHERE r.task_id = t.id)
	FROM unnest(ids, epochs, seqs) AS s (id, epoch, lane_seq)
	JOIN millrace.tasks AS t ON t.id = s.id
	WHERE t.state < 4 AND t.epoch = s.epoch AND t.lane_seq = s.lane_seq AND t.place = (t.epoch >> 32) * 2 + (t.state > 1)::int4;
$$;

-- ---- shared state: what the bucket `state` holds, as the store has seen it ----

CREATE TABLE millrace.state_entries (
	updated_at timestamptz NOT NULL,
	version    bigint NOT NULL,  -- the bucket's revision
	deleted    boolean NOT NULL, -- kept, so that an older word of the key does not bring it back
	key        text COLLATE "C" PRIMARY KEY,
	value      bytea
) WITH (fillfactor = 80);
CREATE INDEX state_entries_deleted ON millrace.state_entries (updated_at) WHERE deleted;

-- Bytes as JSON where they are JSON, else as a JSON string where they are text, else null.
CREATE FUNCTION millrace.as_json(bytes bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	RETURN convert_from(bytes, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
	RETURN to_jsonb(millrace.as_text(bytes));
END $$;

CREATE VIEW millrace.distributed_state AS
SELECT key, millrace.as_json(value) AS value, version, updated_at
FROM millrace.state_entries
WHERE NOT deleted;

-- Whatever the order in which a key's changes come: the latest stays. One row a key in rows.
CREATE FUNCTION millrace.put_state(keys text[], vals bytea[], versions bigint[], gone boolean[], times timestamptz[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO millrace.state_entries AS s (key, value, version, deleted, updated_at)
	SELECT DISTINCT ON (r.key) r.key, r.value, r.version, r.deleted, r.updated_at
	FROM unnest(keys, vals, versions, gone, times) AS r (key, value, version, deleted, updated_at)
	ORDER BY r.key, r.updated_at DESC, r.version DESC
	ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, deleted = excluded.deleted,
		updated_at = excluded.updated_at
	WHERE (excluded.updated_at, excluded.version) > (s.updated_at, s.version);
END $$;

CREATE FUNCTION millrace.forget_state(age interval) RETURNS void LANGUAGE sql AS $$
	DELETE FROM millrace.state_entries WHERE deleted AND updated_at < now() - age;
$$;

-- ---- who may what ----

/*
 * Three roles for groups of users, made where whoever migrates may make roles, and one for each application's own:
 *   millrace_writer  what a store does
 *   millrace_reader  dashboards and people: reads tables and views
 *   millrace_app     inserts into the outbox, calls the fence, and sees nothing else
 * The owner is whoever migrates. Call it again after making a role by hand.
 */
REVOKE ALL ON FUNCTION millrace.fence(text, bigint) FROM PUBLIC;

CREATE FUNCTION millrace.grant_roles() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	granted text := '';
BEGIN
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace_writer') THEN
		GRANT USAGE ON SCHEMA millrace TO millrace_writer;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA millrace TO millrace_writer;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA millrace TO millrace_writer;
		ALTER DEFAULT PRIVILEGES IN SCHEMA millrace GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO millrace_writer;
		ALTER DEFAULT PRIVILEGES IN SCHEMA millrace GRANT EXECUTE ON FUNCTIONS TO millrace_writer;
		granted := granted || ' millrace_writer';
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace_reader') THEN
		GRANT USAGE ON SCHEMA millrace TO millrace_reader;
		GRANT SELECT ON ALL TABLES IN SCHEMA millrace TO millrace_reader;
		ALTER DEFAULT PRIVILEGES IN SCHEMA millrace GRANT SELECT ON TABLES TO millrace_reader;
		granted := granted || ' millrace_reader';
	END IF;
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'millrace_app') THEN
		GRANT USAGE ON SCHEMA millrace TO millrace_app;
		GRANT INSERT (id, type, body, body_bytes, priority, requires, project, run_at, headers), SELECT (id, seq)
			ON millrace.outbox TO millrace_app;
		GRANT EXECUTE ON FUNCTION millrace.fence(text, bigint) TO millrace_app;
		granted := granted || ' millrace_app';
	END IF;
	RETURN ltrim(granted);
END $$;

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['millrace_writer', 'millrace_reader', 'millrace_app'] LOOP
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
				EXECUTE format('CREATE ROLE %I NOLOGIN', name);
			END IF;
		EXCEPTION
			WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
				NULL; -- somebody else makes it, then calls grant_roles
		END;
	END LOOP;
	PERFORM millrace.grant_roles();
END $$;
