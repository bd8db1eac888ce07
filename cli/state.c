/*
 * `millrace state …`: shared state and locks. It stands alone as the reader of
 * api.state.* and api.lock.*. Goes well: a store answers. Fails: no such key
 * or lock (3); somebody was faster, or has it (1); a lock that was waited for in vain (124).
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/base64.h"

#define PAGE 200
#define ASK_AGAIN_MS 200

static int run_get(struct cli *c, int argc, char **argv);
static int run_set(struct cli *c, int argc, char **argv);
static int run_delete(struct cli *c, int argc, char **argv);
static int run_list(struct cli *c, int argc, char **argv);
static int run_lock(struct cli *c, int argc, char **argv);
static int run_unlock(struct cli *c, int argc, char **argv);
static int run_locks(struct cli *c, int argc, char **argv);

static const struct cli_flag set_flags[] = {
	{"version", 0, "N", "only where this is the version that is there"},
	{"create", 0, NULL, "only where nothing is there"},
	{0},
};

static const struct cli_flag delete_flags[] = {
	{"version", 0, "N", "only where this is the version that is there"},
	{0},
};

static const struct cli_flag lock_flags[] = {
	{"ttl", 0, "D", "how long it holds without being renewed: 1s to 5m (30s)"},
	{"owner", 0, "S", "who has it; the same one gets it again (user@host/process)"},
	{"token", 0, "N", "renew the holding of this token"},
	{"wait", 0, "[=D]", "while another has it, ask again, for at most D"},
	{0},
};

static const struct cli_flag unlock_flags[] = {
	{"token", 0, "N", "of the holding, as 'state lock' printed it"},
	{0},
};

const struct cli_command commands_state[] = {
	{"state get", "KEY", "a value of the shared state",
	 "Prints the value's bytes; with --json also its version. The bucket `state` holds it: 'nats "
	 "kv get state KEY'.\n"
	 "examples:\n"
	 "  millrace state get app/colour\n"
	 "  millrace state get app/colour --json | jq .version\n",
	 NULL, 1, 1, run_get},
	{"state set", "KEY VALUE|- [flags]", "set a value; - reads it from stdin",
	 "Prints the new version. With --version or --create it is a compare-and-set: exit 1 where "
	 "somebody was faster.\n"
	 "examples:\n"
	 "  millrace state set app/colour blue\n"
	 "  millrace state set app/colour green --version 17\n"
	 "  millrace state set app/model - < model.bin\n",
	 set_flags, 2, 2, run_set},
	{"state delete", "KEY [--version N]", "delete a value", NULL, delete_flags, 1, 1, run_delete},
	{"state list", "[PREFIX]", "keys of the shared state", NULL, NULL, 0, 1, run_list},
	{"state lock", "NAME [flags]", "take a lock, or renew it",
	 "Prints the token of the holding: it grows with every holding of any lock, so that what the "
	 "lock guards can refuse\n"
	 "a former holder. Without --owner each call is somebody else.\n"
	 "examples:\n"
	 "  token=$(millrace state lock deploy --ttl 1m --wait=10s) && ./deploy.sh; millrace state "
	 "unlock deploy --token $token\n"
	 "  millrace state lock deploy --token $token --ttl 1m      another minute\n",
	 lock_flags, 1, 1, run_lock},
	{"state unlock", "NAME --token N", "release a lock", NULL, unlock_flags, 1, 1, run_unlock},
	{"state locks", "[PREFIX]", "locks that are held", NULL, NULL, 0, 1, run_locks},
	{0},
};

static const struct cli_column list_columns[] = {
	{"KEY", "key", CELL_TEXT},
	{"VERSION", "version", CELL_NUMBER},
	{"UPDATED", "updated_at", CELL_AGE},
	{"VALUE", "value", CELL_LONG},
};

static const struct cli_column lock_columns[] = {
	{"NAME", "name", CELL_TEXT},           {"OWNER", "owner", CELL_LONG},
	{"TOKEN", "token", CELL_NUMBER},       {"TTL", "ttl_ms", CELL_DURATION_MS},
	{"LEFT", "left_ms", CELL_DURATION_MS},
};

/* Takes request. */
static int ask(struct cli *c, const char *subject, json_t *request, json_t **ret, struct err *e)
{
	int rc = cli_call(c, subject, request, ret, e);

	json_decref(request);
	return rc;
}

static int add_number(const struct cli *c, const char *flag, json_t *request, struct err *e)
{
	int64_t n = 0;
	int rc = cli_number(c, flag, 1, INT64_MAX, &n, e);

	if (rc == 0 && n)
		json_object_set_new(request, flag, json_integer(n));
	return rc;
}

/* ---- values ---- */

static int run_get(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *entry;
	CLEANUP(buf_release) struct buf bytes = {0};

	(void)argc;
	if (ask(c, "api.state.get", json_pack("{s:s}", "key", argv[0]), &entry, &e))
		return cli_fail(c, &e);
	const json_t *value = json_object_get(entry, "value"),
				 *packed = json_object_get(entry, "value_base64");
	int rc = 0;
	if (c->config.json)
		cli_print_json(entry);
	else if (json_is_string(packed))
		rc = base64_decode(json_string_value(packed), json_string_length(packed), &bytes, &e);
	else if (json_is_string(value))
		buf_add(&bytes, json_string_value(value), json_string_length(value));
	if (bytes.len)
		fwrite(bytes.data, 1, bytes.len, stdout);
	json_decref(entry);
	return rc ? cli_fail(c, &e) : EXIT_OK;
}

static int read_stdin(struct buf *out, struct err *e)
{
	char chunk[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "stdin: %s", strerror(errno));
		buf_add(out, chunk, (size_t)n);
		if (out->len > ((size_t)1 << 20))
			return err_set(e, ERR_TOO_LARGE, "a value of shared state has at most 1 MiB");
	}
	return 0;
}

static json_t *value_request(const char *key, const struct buf *value)
{
	json_t *request = json_pack("{s:s}", "key", key);

	if (utf8_ok(value->data, value->len)) {
		json_object_set_new(request, "value",
							json_stringn(value->len ? value->data : "", value->len));
	} else {
		CLEANUP(buf_release) struct buf text = {0};
		base64_encode(value->data, value->len, &text);
		json_object_set_new(request, "value_base64", json_stringn(text.data, text.len));
	}
	return request;
}

static void print_version(struct cli *c, const json_t *entry)
{
	if (c->config.json)
		cli_print_json(entry);
	else
		printf("%lld\n", (long long)json_integer_value(json_object_get(entry, "version")));
}

static int run_set(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *entry;
	CLEANUP(buf_release) struct buf value = {0};

	(void)argc;
	if (!str_eq(argv[1], "-"))
		buf_add_str(&value, argv[1]);
	else if (read_stdin(&value, &e))
		return cli_fail(c, &e);
	json_t *request = value_request(argv[0], &value);
	if (cli_has(c, "create"))
		json_object_set_new(request, "create", json_true());
	if (add_number(c, "version", request, &e)) {
		json_decref(request);
		return cli_usage(c, "%s", e.text);
	}
	if (ask(c, "api.state.set", request, &entry, &e))
		return cli_fail(c, &e);
	print_version(c, entry);
	json_decref(entry);
	return EXIT_OK;
}

static int run_delete(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *entry, *request = json_pack("{s:s}", "key", argv[0]);

	(void)argc;
	if (add_number(c, "version", request, &e)) {
		json_decref(request);
		return cli_usage(c, "%s", e.text);
	}
	if (ask(c, "api.state.delete", request, &entry, &e))
		return cli_fail(c, &e);
	if (c->config.json)
		cli_print_json(entry);
	json_decref(entry);
	return EXIT_OK;
}

static int run_list(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *rows = json_array();
	CLEANUP(free_ptr) char *cursor = xstrdup("");
	int64_t limit = c->config.limit  ? c->config.limit
					: c->config.json ? INT64_MAX
									 : 51; /* one more: it is told */

	while ((int64_t)json_array_size(rows) < limit) {
		json_t *page;
		json_t *request = json_pack("{s:s, s:s, s:i, s:b}", "prefix", argc > 0 ? argv[0] : "",
									"cursor", cursor, "limit", PAGE, "with_value", 1);
		if (ask(c, "api.state.list", request, &page, &e)) {
			json_decref(rows);
			return cli_fail(c, &e);
		}
		json_array_extend(rows, json_object_get(page, "entries"));
		const char *next = json_string_value(json_object_get(page, "next_cursor"));
		bool more = next && next[0];
		free(cursor);
		cursor = xstrdup(more ? next : "");
		json_decref(page);
		if (!more)
			break;
	}
	cli_print_limited(c, list_columns, ARRAY_LEN(list_columns), rows);
	json_decref(rows);
	return EXIT_OK;
}

/* ---- locks ---- */

static char *default_owner(void)
{
	char host[128] = "?";
	const char *user = getenv("USER");

	gethostname(host, sizeof(host) - 1);
	return xasprintf("%.40s@%.60s/%ld", user && user[0] ? user : "?", host, (long)getpid());
}

static int lock_request(const struct cli *c, const char *name, json_t **ret, struct err *e)
{
	int64_t ttl_ns = 0;
	CLEANUP(free_ptr)
	char *owner = cli_value(c, "owner") ? xstrdup(cli_value(c, "owner")) : default_owner();

	if (cli_duration(c, "ttl", &ttl_ns, e))
		return ERR_INVALID;
	json_t *request = json_pack("{s:s}", "name", name);
	if (!cli_has(c, "token"))
		json_object_set_new(request, "owner", json_string(owner));
	if (ttl_ns)
		json_object_set_new(request, "ttl_ms", json_integer(ttl_ns / NS_PER_MS));
	if (add_number(c, "token", request, e)) {
		json_decref(request);
		return ERR_INVALID;
	}
	*ret = request;
	return 0;
}

/* Asked again while another has it, as long as --wait says. */
static int acquire(struct cli *c, const char *subject, const json_t *request, json_t **ret,
				   struct err *e)
{
	int64_t wait_ns = 0, end_ms;
	bool never = false, for_ever = cli_has(c, "wait") && !cli_value(c, "wait");

	if (cli_duration(c, "wait", &wait_ns, e))
		return ERR_INVALID;
	end_ms = clock_mono_ms() + wait_ns / NS_PER_MS;
	for (;;) {
		int rc = cli_call(c, subject, request, ret, e);
		if (rc != ERR_CONFLICT || !cli_has(c, "wait") || cli_has(c, "token"))
			return rc;
		if (!for_ever && clock_mono_ms() >= end_ms) {
			e->code = ERR_TIMEOUT;
			return ERR_TIMEOUT;
		}
		rc = cli_wait(c, &never, ASK_AGAIN_MS, e);
		if (rc && rc != ERR_TIMEOUT)
			return rc;
	}
}

static int run_lock(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *request = NULL, *lock = NULL;

	(void)argc;
	if (lock_request(c, argv[0], &request, &e))
		return cli_usage(c, "%s", e.text);
	int rc =
		acquire(c, cli_has(c, "token") ? "api.lock.renew" : "api.lock.acquire", request, &lock, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	if (c->config.json)
		cli_print_json(lock);
	else
		printf("%lld\n", (long long)json_integer_value(json_object_get(lock, "token")));
	json_decref(lock);
	return EXIT_OK;
}

static int run_unlock(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *lock, *request = json_pack("{s:s}", "name", argv[0]);

	(void)argc;
	if (!cli_has(c, "token") || add_number(c, "token", request, &e)) {
		json_decref(request);
		return cli_usage(c, "%s",
						 e.code ? e.text : "--token: which holding? 'state lock' printed it");
	}
	if (ask(c, "api.lock.release", request, &lock, &e))
		return cli_fail(c, &e);
	if (c->config.json)
		cli_print_json(lock);
	json_decref(lock);
	return EXIT_OK;
}

static int run_locks(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *page;

	if (ask(c, "api.lock.list", json_pack("{s:s}", "prefix", argc > 0 ? argv[0] : ""), &page, &e))
		return cli_fail(c, &e);
	cli_print_limited(c, lock_columns, ARRAY_LEN(lock_columns), json_object_get(page, "locks"));
	json_decref(page);
	return EXIT_OK;
}
