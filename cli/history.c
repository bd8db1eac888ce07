/*
 * Histories of the scaler, asked of a store. It stands alone because both are
 * asked in the same way. Goes well: the newest events, 50 unless --limit says
 * otherwise (as many as one answer holds with --json). Fails: a moment that is
 * none (2), no store or no database (5).
 */
#include "cli/history.h"

#define ROWS 50
#define ROWS_MAX 1000 /* of one answer */

static void set(json_t *request, const struct cli *c, const char *flag, const char *key)
{
	if (cli_value(c, flag))
		json_object_set_new(request, key, json_string(cli_value(c, flag)));
}

int cli_history(struct cli *c, const char *subject, const struct cli_column *columns, size_t n)
{
	int64_t limit = c->config.limit ? c->config.limit : c->config.json ? ROWS_MAX : ROWS;
	json_t *request = json_pack("{s:I}", "limit", (json_int_t)MIN_OF(limit, ROWS_MAX));
	json_t *told = NULL;
	struct err e = {0};

	set(request, c, "pool", "pool");
	set(request, c, "action", "action");
	set(request, c, "after", "after_at");
	set(request, c, "before", "before_at");
	int rc = cli_call(c, subject, request, &told, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	const json_t *events = json_object_get(told, "events");
	cli_print_rows(c, columns, n, events);
	if (json_array_size(events) >= (size_t)MIN_OF(limit, ROWS_MAX))
		cli_say(c, "there may be more: --before T goes on, T being the last one's moment");
	json_decref(told);
	return EXIT_OK;
}
