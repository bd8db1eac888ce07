"""A log of what becomes of terminal rows, written by PostgreSQL in the very transactions that do it.

Polling would miss what changes back, and ask too much: triggers in a schema of the test's own note each row that becomes
terminal, each that is written again after that with other contents, each that is removed.
"""

INSTALL = """
CREATE SCHEMA IF NOT EXISTS chaos;
CREATE TABLE IF NOT EXISTS chaos.log (seq bigserial, at timestamptz DEFAULT clock_timestamp(), id text, what text);
CREATE OR REPLACE FUNCTION chaos.outcome(t millrace.tasks) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT ROW(t.state, t.epoch, t.attempt, t.node, t.started_at, t.finished_at, t.result_type, t.result, t.error, t.reason)::text
$$;
CREATE OR REPLACE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' THEN
		INSERT INTO chaos.log (id, what) VALUES (OLD.id, 'removed');
	ELSIF TG_OP = 'INSERT' OR OLD.state < 4 THEN
		INSERT INTO chaos.log (id, what) VALUES (NEW.id, 'final');
	ELSIF chaos.outcome(NEW) IS DISTINCT FROM chaos.outcome(OLD) THEN
		INSERT INTO chaos.log (id, what) VALUES (NEW.id, 'changed');
	END IF;
	RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS chaos_new ON millrace.tasks;
DROP TRIGGER IF EXISTS chaos_change ON millrace.tasks;
DROP TRIGGER IF EXISTS chaos_removal ON millrace.tasks;
CREATE TRIGGER chaos_new AFTER INSERT ON millrace.tasks FOR EACH ROW WHEN (NEW.state >= 4) EXECUTE FUNCTION chaos.note();
CREATE TRIGGER chaos_change AFTER UPDATE ON millrace.tasks FOR EACH ROW WHEN (OLD.state >= 4 OR NEW.state >= 4)
	EXECUTE FUNCTION chaos.note();
CREATE TRIGGER chaos_removal AFTER DELETE ON millrace.tasks FOR EACH ROW EXECUTE FUNCTION chaos.note();
"""


def install(system):
    system.psql(INSTALL)


def changes(system, prefix):
    """(id, "final" | "changed" | "removed") each, in the order of their writing."""
    return [(c["id"], c["what"]) for c in system.sql(f"select id, what from chaos.log where id like '{prefix}%' order by seq")]


def rows(system, prefix):
    return system.sql("select id, state, error, case when state = 4 then encode(sha256(coalesce(result, '')), 'hex') end as digest "
                      f"from millrace.tasks where id like '{prefix}%'")
