-- What is done to tasks from outside: retried by hand, kept from running twice (unique keys), forgotten after a time.

-- Who holds a unique key. A row goes when its task has ended and its time is over; see forget_unique.
CREATE TABLE millrace.unique_keys (
	type       text COLLATE "C" NOT NULL,
	key        text COLLATE "C" NOT NULL,
	task_id    text COLLATE "C" NOT NULL,
	until      timestamptz NOT NULL, -- held till then, even when the task has ended
	claimed_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (type, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

/*
 * May this task run? The holder's id: its own, or that of the task that has the key. One row lock decides between
 * routers; a key is free again when its task has ended, as far as that is stored, and its time is over. A holder
 * without a row was claimed for a moment ago and is on its way.
 */
CREATE FUNCTION millrace.claim_unique(task text, task_type text, task_key text, keep_ms bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	held millrace.unique_keys;
BEGIN
	INSERT INTO millrace.unique_keys AS u (type, key, task_id, until)
	VALUES (task_type, task_key, task, now() + keep_ms * interval '1 millisecond')
	ON CONFLICT (type, key) DO UPDATE SET task_id = u.task_id -- nothing but the lock
	RETURNING * INTO held;
	IF held.task_id <> task AND held.until <= now()
		AND EXISTS (SELECT FROM millrace.tasks AS t WHERE t.id = held.task_id AND t.state >= 4) THEN
		UPDATE millrace.unique_keys
		SET task_id = task, until = now() + keep_ms * interval '1 millisecond', claimed_at = now()
		WHERE type = task_type AND key = task_key;
		RETURN task;
	END IF;
	RETURN held.task_id;
END $$;

-- Keys that nobody holds any more. A holder without a row for a day never came: its claim is forgotten too.
CREATE FUNCTION millrace.forget_unique(most integer) RETURNS bigint LANGUAGE sql AS $$
	WITH gone AS (
		DELETE FROM millrace.unique_keys AS u
		USING (SELECT k.type, k.key, k.task_id FROM millrace.unique_keys AS k
			LEFT JOIN millrace.tasks AS t ON t.id = k.task_id
			WHERE k.until <= now() AND (t.state >= 4 OR t.id IS NULL AND k.claimed_at < now() - interval '1 day')
			LIMIT most FOR UPDATE OF k SKIP LOCKED) AS old
		WHERE u.type = old.type AND u.key = old.key AND u.task_id = old.task_id
		RETURNING 1)
	SELECT count(*) FROM gone;
$$;

/*
 * The next id of a task that is run again by hand: <base>.r<n>. While the last one has not ended (or was named and
 * is not stored yet) it is that one. The base's row is the lock. Links both ways: here the old rows learn of the new
 * one; the new row says retry_of when it comes.
 *   was: the state of the task; null: there is none
 *   new_id: null where it has not ended
 *   known: new_id is stored already
 */
CREATE FUNCTION millrace.begin_retry(task text, OUT was smallint, OUT new_id text, OUT known boolean)
LANGUAGE plpgsql AS $$
DECLARE
	base text := regexp_replace(task, '\.r[0-9]+$', '');
	anchor text;
	latest text;
	latest_state smallint;
BEGIN
	SELECT t.id INTO anchor FROM millrace.tasks AS t WHERE t.id IN (base, task)
	ORDER BY t.id = base DESC LIMIT 1;
	SELECT t.retried_as INTO latest FROM millrace.tasks AS t WHERE t.id = anchor FOR UPDATE;
	SELECT t.state INTO was FROM millrace.tasks AS t WHERE t.id = task;
	IF was IS NULL OR was < 4 THEN
		RETURN;
	END IF;
	SELECT t.state INTO latest_state FROM millrace.tasks AS t WHERE t.id = latest;
	known := latest_state IS NOT NULL;
	IF latest IS NOT NULL AND (latest_state IS NULL OR latest_state < 4) THEN
		new_id := latest;
	ELSE
		-- Over every number that there is: an id may have been taken without us.
		SELECT base || '.r' || COALESCE(max(substr(t.id, length(base) + 3)::integer), 0) + 1 INTO new_id
		FROM millrace.tasks AS t
		WHERE t.id >= base || '.r' AND t.id < base || '.s' AND substr(t.id, length(base) + 3) ~ '^[0-9]{1,9}$';
		known := false;
	END IF;
	UPDATE millrace.tasks AS t SET retried_as = new_id
	WHERE t.id IN (base, task) AND t.retried_as IS DISTINCT FROM new_id;
END $$;

-- How far the looks at old rows have come, by submitted_at.
CREATE TABLE millrace.watermarks (
	name text COLLATE "C" PRIMARY KEY,
	at   timestamptz NOT NULL
);

-- Removes results and bodies of at most so many rows that say their time themselves. The row stays. Waits for no lock.
CREATE FUNCTION millrace.expire_results(most integer) RETURNS bigint LANGUAGE sql AS $$
	WITH due AS (
		SELECT t.id FROM millrace.tasks AS t
		WHERE t.result_expires_at <= now() AND t.state >= 4
		ORDER BY t.result_expires_at LIMIT most FOR UPDATE SKIP LOCKED),
	expired AS (
		UPDATE millrace.tasks AS t
		SET result = NULL, body = NULL, keep_ms = NULL, result_expired_at = now()
		FROM due WHERE t.id = due.id
		RETURNING 1)
	SELECT count(*) FROM expired;
$$;

/*
 * The same where the default holds. Each row is looked at once, in the order of submission: one that has not ended so
 * long ago is given its time to keep, and is then one of the above. In a transaction of its own, and rows are locked
 * in the order of their ids, as put_tasks does: neither then waits for the other in a circle.
 * Returns how many rows were looked at: while it is `most` there are more.
 */
CREATE FUNCTION millrace.expire_default(keep interval, most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	mark timestamptz;
	upto timestamptz;
	seen bigint;
BEGIN
	INSERT INTO millrace.watermarks AS w (name, at) VALUES ('expire_default', '-infinity')
	ON CONFLICT (name) DO UPDATE SET at = w.at RETURNING w.at INTO mark; -- one store at a time
	SELECT max(s.submitted_at), count(*) INTO upto, seen
	FROM (SELECT t.submitted_at FROM millrace.tasks AS t
		WHERE t.submitted_at > mark AND t.submitted_at <= now() - keep
		ORDER BY t.submitted_at LIMIT most) AS s;
	IF upto IS NOT NULL THEN
		WITH old AS (
			SELECT k.id, k.state >= 4 AND COALESCE(k.finished_at, k.submitted_at) <= now() - keep AS over
			FROM millrace.tasks AS k
			WHERE k.submitted_at > mark AND k.submitted_at <= upto AND k.keep_ms IS NULL
				AND k.result_expired_at IS NULL
			ORDER BY k.id FOR UPDATE)
		UPDATE millrace.tasks AS t
		SET result = CASE WHEN over THEN NULL ELSE t.result END, body = CASE WHEN over THEN NULL ELSE t.body END,
			result_expired_at = CASE WHEN over THEN now() END,
			keep_ms = CASE WHEN over THEN NULL ELSE (extract(epoch FROM keep) * 1000)::bigint END
		FROM old
		WHERE t.id = old.id;
		UPDATE millrace.watermarks SET at = upto WHERE name = 'expire_default';
	END IF;
	RETURN seen;
END $$;

-- Removes whole rows that ended so long ago, and what belongs to them; the counts follow.
CREATE FUNCTION millrace.forget_tasks(keep interval, most integer) RETURNS bigint LANGUAGE sql AS $$
	WITH old AS (
		SELECT id FROM millrace.tasks
		WHERE submitted_at <= now() - keep AND state >= 4 AND finished_at <= now() - keep
		ORDER BY submitted_at LIMIT most FOR UPDATE SKIP LOCKED),
	gone AS (DELETE FROM millrace.tasks AS t USING old WHERE t.id = old.id RETURNING t.id, t.type, t.state),
	attempts AS (DELETE FROM millrace.attempts AS a USING gone WHERE a.task_id = gone.id),
	counted AS (
		INSERT INTO millrace.task_counts (type, state, n)
		SELECT type, state, -count(*) FROM gone GROUP BY type, state)
	SELECT count(*) FROM gone;
$$;
