/*
 * One connection to PostgreSQL, kept up for ever. Apart from what runs on it
 * (pg_run.c) because connecting is a small machine of its own:
 *
 *	WAITING --timer--> CONNECTING --established--> UP --lost--> WAITING
 *	                       '-- failed or too long --> WAITING
 *
 * It goes well: libpq tells after each step whether it wants to read or write,
 * the loop watches the socket for that, and after the last step on_up runs.
 * It fails: every way down goes through lose(), which closes the socket (after
 * it is no longer watched: libuv must not poll a closed one), fails what was
 * under way and starts the pause. The pause grows from 100 ms to 5 s and
 * shrinks back only once a batch has succeeded, since a pooler whose database
 * is away accepts connections gladly.
 */
#include "common/pg_internal.h"

#include <stdio.h>

#include "common/log.h"

#define PAUSE_MAX_MS 5000
#define CONNECT_TIMEOUT_MS 10000

static void connect_now(struct pg *pg);
static void on_socket(uv_poll_t *poll, int status, int events);

/* ---- the socket's watcher: one handle a socket, as libpq may change it while connecting ---- */

static void on_handle_closed(uv_handle_t *h)
{
	free(h);
}

static void unwatch(struct pg *pg)
{
	if (pg->poll != NULL) {
		pg->poll->data = NULL;
		uv_poll_stop(pg->poll);
		uv_close((uv_handle_t *)pg->poll, on_handle_closed);
		pg->poll = NULL;
	}
}

static bool watch(struct pg *pg, int events, struct err *why)
{
	int rc = 0;
	if (pg->poll == NULL) {
		int fd = PQsocket(pg->conn);
		if (fd < 0) {
			pg_err_from_conn(pg->conn, why);
			return false;
		}
		pg->poll = xcalloc(1, sizeof(*pg->poll));
		rc = uv_poll_init(pg->loop, pg->poll, fd);
		if (rc != 0) {
			free(TAKE(pg->poll));
			err_set(why, ERR_UNREACHABLE, "PostgreSQL: cannot watch the socket: %s",
					uv_strerror(rc));
			return false;
		}
		pg->poll->data = pg;
		pg->poll_events = 0;
	}
	if (events == pg->poll_events) { /* starting it again would cost two system calls */
		return true;
	}
	rc = uv_poll_start(pg->poll, events, on_socket);
	pg->poll_events = events;
	if (rc != 0) {
		err_set(why, ERR_UNREACHABLE, "PostgreSQL: cannot watch the socket: %s", uv_strerror(rc));
	}
	return rc == 0;
}

/* ---- down ---- */

static void on_pause_over(uv_timer_t *t)
{
	struct pg *pg = t->data;
	connect_now(pg);
}

static void disconnect(struct pg *pg)
{
	unwatch(pg);
	uv_timer_stop(pg->timer);
	uv_timer_stop(pg->deadline);
	if (pg->conn != NULL) {
		PQfinish(TAKE(pg->conn));
	}
	pg->pipeline = false;
	pg->running = false;
}

/* The only way down. first: what the batch under way is told. */
static void lose(struct pg *pg, const struct err *why, const struct err *first)
{
	disconnect(pg);
	pg->state = PG_WAITING;
	pg->why = *why;
	/* A tenth of the pause by chance, lest all clients come back in step. */
	uint64_t jitter_ms = uv_hrtime() % (uint64_t)(pg->pause_ms / 10 + 1);
	uv_timer_start(pg->timer, on_pause_over, (uint64_t)pg->pause_ms + jitter_ms, 0);
	log_debug("postgresql away", LOG_S("address", pg->address), LOG_S("error", why->text),
			  LOG_I("retry_ms", pg->pause_ms));
	pg->pause_ms = MIN_OF(pg->pause_ms * 2, PAUSE_MAX_MS);
	if (!pg->told_down) {
		pg->told_down = true;
		if (pg->ev.on_down != NULL) {
			pg->ev.on_down(pg->ev.data, &pg->why);
		}
	}
	struct err others = *why;
	pg_jobs_fail(pg, first, &others);
}

static void on_broken(uv_timer_t *t)
{
	struct pg *pg = t->data;
	struct err why = pg->why;
	lose(pg, &why, &why);
}

void pg_break(struct pg *pg, const struct err *why)
{
	if (pg->state == PG_UP) {
		pg->state = PG_BROKEN;
		pg->why = *why;
		uv_timer_start(pg->timer, on_broken, 0, 0);
	}
}

/* ---- up ---- */

/* The server's notices: hints of no use here, but for the last word before it closes. */
static void on_notice(void *data, const PGresult *r)
{
	struct pg *pg = data;
	const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
	if (severity != NULL && (str_eq(severity, "FATAL") || str_eq(severity, "PANIC"))) {
		pg_err_from_result(r, &pg->notice);
	}
}

static void established(struct pg *pg)
{
	uv_timer_stop(pg->timer);
	PQsetnonblocking(pg->conn, 1);
	PQsetNoticeReceiver(pg->conn, on_notice, pg);
	pg->notice = (struct err){0};
	struct err why;
	if (!watch(pg, UV_READABLE, &why)) {
		lose(pg, &why, &why);
		return;
	}
	pg->state = PG_UP;
	pg->told_down = false;
	pg->why = (struct err){0};
	if (pg->ev.on_up != NULL) {
		pg->ev.on_up(pg->ev.data);
	}
}

static void step(struct pg *pg)
{
	struct err why;
	unwatch(pg); /* libpq may close this socket and try the next address */
	switch (PQconnectPoll(pg->conn)) {
	case PGRES_POLLING_READING:
		if (!watch(pg, UV_READABLE, &why)) {
			lose(pg, &why, &why);
		}
		return;
	case PGRES_POLLING_WRITING:
		if (!watch(pg, UV_WRITABLE, &why)) {
			lose(pg, &why, &why);
		}
		return;
	case PGRES_POLLING_OK:
		established(pg);
		return;
	case PGRES_POLLING_ACTIVE:
	case PGRES_POLLING_FAILED:
		pg_err_from_conn(pg->conn, &why);
		lose(pg, &why, &why);
		return;
	}
}

static void on_connect_timeout(uv_timer_t *t)
{
	struct pg *pg = t->data;
	struct err why;
	err_set(&why, ERR_UNREACHABLE, "PostgreSQL: no connection within %d s",
			CONNECT_TIMEOUT_MS / 1000);
	lose(pg, &why, &why);
}

static void connect_now(struct pg *pg)
{
	pg->state = PG_CONNECTING;
	uv_update_time(pg->loop);
	uv_timer_start(pg->timer, on_connect_timeout, CONNECT_TIMEOUT_MS, 0);
	pg->conn =
		PQconnectStartParams((const char *const *)pg->words, (const char *const *)pg->values, 1);
	struct err why;
	if (pg->conn == NULL || PQstatus(pg->conn) == CONNECTION_BAD) {
		if (pg->conn != NULL) {
			pg_err_from_conn(pg->conn, &why);
		} else {
			err_set(&why, ERR_UNREACHABLE, "PostgreSQL: out of memory");
		}
		lose(pg, &why, &why);
	} else if (!watch(pg, UV_WRITABLE, &why)) {
		lose(pg, &why, &why);
	}
}

bool pg_flush(struct pg *pg, struct err *why)
{
	int rc = PQflush(pg->conn);
	if (rc < 0) {
		pg_err_from_conn(pg->conn, why);
		return false;
	}
	return watch(pg, rc > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE, why);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct pg *pg = poll->data;
	if (pg == NULL) {
		return;
	}
	if (pg->state == PG_CONNECTING) {
		step(pg);
		return;
	}
	if (pg->state != PG_UP) {
		return;
	}
	struct err why;
	bool ok = true;
	if (status >= 0 && (events & UV_WRITABLE) != 0) {
		ok = pg_flush(pg, &why);
	}
	if (ok && (status < 0 || (events & UV_READABLE) != 0)) {
		ok = pg_jobs_read(pg, &why); /* reading tells best what is wrong with a socket */
	}
	if (ok && status < 0) {
		err_set(&why, ERR_UNREACHABLE, "PostgreSQL: %s", uv_strerror(status));
		ok = false;
	}
	if (!ok && pg->state == PG_UP) {
		if (pg->notice.code != 0) {
			why = pg->notice;
			why.code = ERR_UNREACHABLE;
		}
		lose(pg, &why, &why);
	}
}

/* ---- opening ---- */

static const char *option_of(const PQconninfoOption *options, const char *word)
{
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
		if (str_eq(o->keyword, word)) {
			return o->val;
		}
	}
	return NULL;
}

static void put_word(struct pg *pg, size_t *n, const char *word, const char *value)
{
	if (*n + 1 < ARRAY_LEN(pg->words)) {
		pg->words[*n] = xstrdup(word);
		pg->values[*n] = xstrdup(value);
		++*n;
	}
}

static void describe(struct pg *pg, const PQconninfoOption *given, const PQconninfoOption *defaults,
					 const char *database)
{
	const char *word[] = {"user", "host", "port"};
	const char *value[3];
	for (size_t i = 0; i < 3; i++) {
		value[i] = option_of(given, word[i]);
		if (value[i] == NULL) {
			value[i] = option_of(defaults, word[i]);
		}
		if (value[i] == NULL) {
			value[i] = "";
		}
	}
	if (value[1][0] == '/' || value[1][0] == '\0') {
		pg->address = xasprintf("postgresql://%s@/%s?host=%s&port=%s", value[0], database,
								value[1][0] != '\0' ? value[1] : "(local)", value[2]);
	} else {
		pg->address = xasprintf("postgresql://%s@%s:%s/%s", value[0], value[1], value[2], database);
	}
}

/* What the url leaves open and libpq would not choose as we do. */
static const char *const settings[][2] = {
	{"client_encoding", "UTF8"}, {"keepalives_idle", "15"},     {"keepalives_interval", "5"},
	{"keepalives_count", "3"},   {"tcp_user_timeout", "20000"},
};

static int make_words(struct pg *pg, const char *url, const char *client_name, struct err *e)
{
	PQconninfoOption *given = NULL;
	if (url != NULL && url[0] != '\0') {
		char *said = NULL;
		given = PQconninfoParse(url, &said);
		if (given == NULL) { /* libpq's words may quote the url, with its password */
			PQfreemem(said);
			return err_set(
				e, ERR_INVALID,
				"the database's url is none: postgresql://user@host:port/name is expected");
		}
	}
	PQconninfoOption *defaults = PQconndefaults();
	size_t n = 0;
	if (given != NULL) {
		put_word(pg, &n, "dbname", url);
	}
	const char *database = option_of(given, "dbname");
	if (database == NULL || database[0] == '\0') {
		database = option_of(defaults, "dbname");
		if ((database == NULL || database[0] == '\0') && option_of(given, "service") == NULL) {
			database = PG_DATABASE_DEFAULT;
			put_word(pg, &n, "dbname", database);
		}
	}
	put_word(pg, &n, "fallback_application_name", client_name);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (option_of(given, settings[i][0]) == NULL) {
			put_word(pg, &n, settings[i][0], settings[i][1]);
		}
	}
	describe(pg, given, defaults, database != NULL ? database : "");
	PQconninfoFree(given);
	PQconninfoFree(defaults);
	return 0;
}

static uv_timer_t *new_timer(struct pg *pg)
{
	uv_timer_t *t = xcalloc(1, sizeof(*t));
	uv_timer_init(pg->loop, t);
	t->data = pg;
	return t;
}

static void free_pg(struct pg *pg)
{
	for (size_t i = 0; i < ARRAY_LEN(pg->words); i++) {
		free(pg->words[i]);
		free(pg->values[i]);
	}
	free(pg->address);
	free(pg);
}

int pg_open(uv_loop_t *loop, const struct pg_config *c, const char *client_name,
			const struct pg_events *ev, struct pg **ret, struct err *e)
{
	struct pg *pg = xcalloc(1, sizeof(*pg));
	pg->loop = loop;
	if (ev != NULL) {
		pg->ev = *ev;
	}
	int rc = make_words(pg, c->url, client_name, e);
	if (rc < 0) {
		free_pg(pg);
		return rc;
	}
	pg->pause_ms = PG_PAUSE_MIN_MS;
	pg->timer = new_timer(pg);
	pg->deadline = new_timer(pg);
	uv_update_time(loop);
	uv_timer_start(pg->timer, on_pause_over, 0, 0);
	*ret = pg;
	return 0;
}

static void on_pg_closed(uv_handle_t *h)
{
	free_pg(h->data);
	free(h);
}

void pg_close(struct pg **pgp)
{
	struct pg *pg = TAKE(*pgp);
	if (pg == NULL) {
		return;
	}
	disconnect(pg);
	pg->state = PG_CLOSED;
	pg_jobs_drop(pg);
	uv_close((uv_handle_t *)pg->timer, on_handle_closed);
	/* No other handle's close callback looks at pg, so this one may free it whichever runs first. */
	uv_close((uv_handle_t *)pg->deadline, on_pg_closed);
}

void pg_reconnect(struct pg *pg)
{
	struct err why;
	err_set(&why, ERR_UNREACHABLE, "PostgreSQL: the connection is opened anew");
	switch (pg->state) {
	case PG_UP:
		pg->pause_ms = PG_PAUSE_MIN_MS;
		pg_break(pg, &why);
		return;
	case PG_WAITING:
		uv_timer_start(pg->timer, on_pause_over, 0, 0);
		return;
	case PG_CONNECTING:
	case PG_BROKEN:
	case PG_CLOSED:
		return;
	}
}

bool pg_is_up(const struct pg *pg)
{
	return pg->state == PG_UP;
}

const char *pg_address(const struct pg *pg)
{
	return pg->address;
}

const struct err *pg_why_down(const struct pg *pg)
{
	return &pg->why;
}

int pg_server_version(const struct pg *pg)
{
	return pg->state == PG_UP ? PQserverVersion(pg->conn) : 0;
}

void pg_on_notify(struct pg *pg, void (*fn)(void *data), void *data)
{
	pg->on_notify = fn;
	pg->notify_data = data;
}

int pg_backend_pid(const struct pg *pg)
{
	return pg->state == PG_UP ? PQbackendPID(pg->conn) : 0;
}
