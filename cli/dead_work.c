/*
 * `millrace dead replay` and `dead discard`. It stands alone as what changes
 * something, and therefore asks, tells how far it came, and can be cut.
 *
 * Goes well: the selection is worked off page by page, no faster than --rate;
 * a canary in stages, each of which waits for its tasks. Ctrl-C between or
 * within pages loses nothing: each letter is either still in DEAD or a task,
 * and the same command run again goes on. Fails: a letter that can't be
 * replayed is told and left (1); no such letter (3); a canary that stops says
 * of what (4); nobody answers (5); a stage that takes too long (124).
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/dead.h"
#include "cli/task.h"
#include "common/token.h"

#define PAGE 500
#define PACED_PER_S 4  /* pages a second where there is a rate */
#define PROVE_MAX 1000 /* of a canary's last stage, at once without an outcome */
#define STAGE_WAIT_NS (600 * NS_PER_S)

struct work {
	struct cli *cli;
	const char *verb; /* replay, discard */
	json_t *request;  /* the selection, then the cursor */
	bool replay;
	bool over;         /* the selection has no more */
	int64_t rate;      /* tasks a second; 0: as fast as it goes */
	uint64_t expected; /* letters that the selection had; 0: not counted */
	uint64_t replayed, already, discarded, failed;
	int64_t began_ms;
	uint64_t paced;            /* since began_ms */
	struct outcomes *outcomes; /* of a canary */
	bool progress;
};

/* ---- telling ---- */

static uint64_t worked(const struct work *w)
{
	return w->replayed + w->already + w->discarded + w->failed;
}

static void show_progress(const struct work *w)
{
	if (!w->progress)
		return;
	fprintf(stderr, "\r\x1b[K%s %llu", w->replay ? "replayed" : "discarded",
			(unsigned long long)(w->replay ? w->replayed : w->discarded));
	if (w->expected)
		fprintf(stderr, " of %llu", (unsigned long long)w->expected);
	fflush(stderr);
}

static void end_progress(const struct work *w)
{
	if (w->progress)
		fprintf(stderr, "\r\x1b[K");
}

static void summary(const struct work *w)
{
	if (w->replay)
		cli_say(w->cli, "replayed %llu, replayed before %llu, failed %llu",
				(unsigned long long)w->replayed, (unsigned long long)w->already,
				(unsigned long long)w->failed);
	else
		cli_say(w->cli, "discarded %llu, failed %llu", (unsigned long long)w->discarded,
				(unsigned long long)w->failed);
}

static int finish(const struct work *w)
{
	end_progress(w);
	summary(w);
	return w->failed ? EXIT_FAILED : EXIT_OK;
}

/* What was done is told, and how to go on. */
static int cut(const struct work *w, const struct err *e)
{
	end_progress(w);
	summary(w);
	if (e->code == ERR_CLOSED)
		cli_say(w->cli,
				"interrupted; a request under way may have done up to %d more. Nothing is lost: "
				"run the same "
				"again to go on",
				PAGE);
	return cli_fail(w->cli, e);
}

static const struct cli_column item_columns[] = {
	{"ID", "id", CELL_TEXT},
	{"TASK", "retry_id", CELL_TEXT},
	{"OUTCOME", "outcome", CELL_TEXT},
	{"ERROR", "error", CELL_LONG},
};

/* ---- one answer ---- */

static void take_item(struct work *w, const json_t *item, bool all)
{
	const char *outcome = task_text(item, "outcome");

	if (w->outcomes && (str_eq(outcome, "replayed") || str_eq(outcome, "already")))
		outcomes_await(w->outcomes, item);
	if (w->cli->config.json) {
		cli_print_json(item);
	} else if (!all && str_eq(outcome, "failed")) {
		end_progress(w);
		cli_say(w->cli, "%s: %s", task_text(item, "id"), task_text(item, "error"));
	}
}

/* Returns the letters worked on. all: a table of every item is printed. */
static uint64_t take_answer(struct work *w, const json_t *answer, bool all)
{
	uint64_t before = worked(w);
	json_t *items = json_object_get(answer, "items"), *item;
	size_t i;

	w->replayed += (uint64_t)json_integer_value(json_object_get(answer, "replayed"));
	w->already += (uint64_t)json_integer_value(json_object_get(answer, "already"));
	w->discarded += (uint64_t)json_integer_value(json_object_get(answer, "discarded"));
	w->failed += (uint64_t)json_integer_value(json_object_get(answer, "failed"));
	json_array_foreach (items, i, item)
		take_item(w, item, all);
	if (all && !w->cli->config.json)
		cli_print_rows(w->cli, item_columns, ARRAY_LEN(item_columns), items);
	return worked(w) - before;
}

/* ---- many ---- */

/* Waits until the rate allows more. */
static int pace(struct work *w, struct err *e)
{
	bool never = false;
	int64_t due_ms = w->began_ms + (int64_t)(w->paced * 1000 / (uint64_t)w->rate);
	int64_t wait_ms = due_ms - clock_mono_ms();

	if (wait_ms <= 0)
		return 0;
	int rc = cli_wait(w->cli, &never, wait_ms, e);
	return rc == ERR_TIMEOUT ? 0 : rc;
}

static uint64_t page_size(const struct work *w, uint64_t left)
{
	uint64_t page = w->rate ? (uint64_t)MAX_OF(w->rate / PACED_PER_S, 1) : PAGE;

	return MIN_OF(MIN_OF(page, (uint64_t)PAGE), left);
}

/* At most max letters of the selection; fewer where it ends. */
static int work_off(struct work *w, uint64_t max, struct err *e)
{
	for (uint64_t left = max; left > 0 && !w->over;) {
		json_t *answer;
		if (w->rate && pace(w, e))
			return e->code;
		json_object_set_new(w->request, "limit", json_integer((json_int_t)page_size(w, left)));
		if (dead_ask(w->cli, w->verb, w->request, &answer, e))
			return e->code;
		uint64_t n = take_answer(w, answer, false);
		json_t *cursor = json_object_get(answer, "next_cursor");
		w->over = json_string_length(cursor) == 0;
		if (!w->over)
			json_object_set(w->request, "cursor", cursor);
		json_decref(answer);
		left -= MIN_OF(n, left);
		w->paced += n;
		show_progress(w);
		if (cli_output_closed())
			w->over = true;
	}
	return 0;
}

static int run_plain(struct work *w, uint64_t max)
{
	struct err e;

	return work_off(w, max, &e) ? cut(w, &e) : finish(w);
}

/* ---- a canary ---- */

static int stopped(struct work *w, enum canary_stage stage, enum canary_verdict verdict)
{
	struct canary_tally t = outcomes_tally(w->outcomes);

	end_progress(w);
	if (verdict == CANARY_STOP_SAME)
		cli_say(w->cli, "stopped at stage %d (%s): the failure is back, %s died of it", stage + 1,
				canary_name(stage), outcomes_example(w->outcomes));
	else
		cli_say(w->cli,
				"stopped at stage %d (%s): more tasks died of other failures than completed, such "
				"as %s",
				stage + 1, canary_name(stage), outcomes_example(w->outcomes));
	cli_say(w->cli, "of this stage %llu completed, %llu died of the same, %llu of something else",
			(unsigned long long)t.completed, (unsigned long long)t.same,
			(unsigned long long)t.other);
	summary(w);
	cli_say(w->cli, "the other letters are where they were");
	return EXIT_TASK_FAILED;
}

/* EXIT_OK: go on. */
static int run_stage(struct work *w, enum canary_stage stage, uint64_t size, int64_t wait_ms)
{
	enum canary_verdict verdict = CANARY_GO;
	struct err e;

	outcomes_reset(w->outcomes);
	for (uint64_t left = size; left > 0 && !w->over && verdict != CANARY_STOP_SAME;) {
		uint64_t part = MIN_OF(left, (uint64_t)PAGE);
		if (work_off(w, part, &e))
			return cut(w, &e);
		left -= part;
		/* Never more at once than could be undone by hand: half of them may be unproven. */
		if (left > 0 && outcomes_wait(w->outcomes, PROVE_MAX / 2, wait_ms, &verdict, &e))
			return cut(w, &e);
	}
	if (verdict != CANARY_STOP_SAME && outcomes_wait(w->outcomes, 0, wait_ms, &verdict, &e))
		return cut(w, &e);
	if (verdict != CANARY_GO)
		return stopped(w, stage, verdict);
	struct canary_tally t = outcomes_tally(w->outcomes);
	end_progress(w);
	cli_say(w->cli, "stage %d (%s): %llu of %llu completed", stage + 1, canary_name(stage),
			(unsigned long long)t.completed, (unsigned long long)t.replayed);
	return EXIT_OK;
}

static int run_canary(struct work *w, uint64_t total, int64_t wait_ms)
{
	struct err e;

	if (outcomes_open(w->cli, &w->outcomes, &e))
		return cli_fail(w->cli, &e);
	int code = EXIT_OK;
	for (int s = 0; s < CANARY_STAGES && code == EXIT_OK && !w->over; s++) {
		uint64_t size = canary_size((enum canary_stage)s, total);
		if (size > 0)
			code = run_stage(w, (enum canary_stage)s, size, wait_ms);
	}
	outcomes_close(&w->outcomes);
	return code == EXIT_OK ? finish(w) : code;
}

/* ---- by id ---- */

/* Each one of the command line: positional, or --id. */
static const char *nth_id(const struct cli *c, int argc, char **argv, int n)
{
	return n < argc ? argv[n] : cli_value_nth(c, "id", (size_t)(n - argc));
}

static int run_one(struct work *w, const char *id, const char *by)
{
	json_t *request = json_pack("{s:s, s:s}", "id", id, "by", by), *answer;
	struct err e;
	int rc = dead_ask(w->cli, w->verb, request, &answer, &e);

	json_decref(request);
	if (rc)
		return cli_fail(w->cli, &e);
	uint64_t failed = w->failed;
	take_answer(w, answer, true);
	json_decref(answer);
	return w->failed > failed ? EXIT_FAILED : EXIT_OK;
}

static int run_ids(struct work *w, int argc, char **argv, const char *by)
{
	int code = EXIT_OK;
	const char *id;
	struct err e;

	for (int i = 0; (id = nth_id(w->cli, argc, argv, i)); i++) {
		if (task_id_check(id, &e))
			return cli_fail(w->cli, &e);
	}
	for (int i = 0; (id = nth_id(w->cli, argc, argv, i)); i++) {
		int one = run_one(w, id, by);
		if (one == EXIT_INTERRUPTED || one == EXIT_UNREACHABLE)
			return one;
		code = code ? code : one;
	}
	return code;
}

/* ---- before anything is done ---- */

static void who(char out[64])
{
	const char *user = getenv("USER");
	char host[32] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	snprintf(out, 64, "%.28s@%.32s", user && *user ? user : "?", host);
}

/* A person is asked; a script has to say --yes to what can't be undone. */
static bool agreed(const struct work *w, uint64_t n)
{
	char answer[16] = "";

	if (cli_has(w->cli, "yes"))
		return true;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		if (w->replay)
			return true;
		cli_say(w->cli, "discarding %llu dead letters can't be undone; say --yes",
				(unsigned long long)n);
		return false;
	}
	fprintf(stderr, "%s %llu dead letters? [y/N] ", w->verb, (unsigned long long)n);
	fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin) || (answer[0] != 'y' && answer[0] != 'Y')) {
		cli_say(w->cli, "nothing was done");
		return false;
	}
	return true;
}

static int check_flags(const struct work *w, bool ids, int64_t *rate, int64_t *wait_ns,
					   struct err *e)
{
	const struct cli *c = w->cli;
	bool which = cli_has(c, "type") || cli_has(c, "fingerprint") || cli_has(c, "all");

	if (ids && (which || cli_has(c, "since") || cli_has(c, "canary")))
		return err_set(e, ERR_INVALID,
					   "give ids, or --type, --fingerprint, --all, --since and --canary; not both");
	if (!ids && !which)
		return err_set(
			e, ERR_INVALID,
			"say which: an ID, --type T, --fingerprint F, or --all for every dead letter");
	if (cli_number(c, "rate", 1, 1000000, rate, e))
		return e->code;
	return cli_duration(c, "wait", wait_ns, e);
}

static int run(struct cli *c, int argc, char **argv, bool replay)
{
	struct work w = {.cli = c,
					 .verb = replay ? "replay" : "discard",
					 .replay = replay,
					 .progress = isatty(STDERR_FILENO) && !c->config.json};
	bool ids = argc > 0 || cli_has(c, "id");
	int64_t wait_ns = STAGE_WAIT_NS;
	uint64_t total = 0;
	char by[64];
	struct err e = {0};

	who(by);
	if (check_flags(&w, ids, &w.rate, &wait_ns, &e))
		return cli_fail(c, &e);
	if (ids)
		return run_ids(&w, argc, argv, by);
	if (dead_selection(c, &w.request, &e))
		return cli_fail(c, &e);
	int code = dead_count(c, w.request, &total, &e) ? cli_fail(c, &e) : EXIT_OK;
	if (c->config.limit)
		total = MIN_OF(total, (uint64_t)c->config.limit);
	if (code == EXIT_OK && total == 0) {
		cli_say(c, "no dead letter is selected");
	} else if (code == EXIT_OK && !agreed(&w, total)) {
		code = EXIT_FAILED;
	} else if (code == EXIT_OK) {
		json_object_set_new(w.request, "by", json_string(by));
		w.expected = total;
		w.began_ms = clock_mono_ms();
		if (cli_has(c, "canary"))
			code = run_canary(&w, total, wait_ns / NS_PER_MS);
		else
			code = run_plain(&w, c->config.limit ? total : UINT64_MAX);
	}
	json_decref(w.request);
	return code;
}

int run_dead_replay(struct cli *c, int argc, char **argv)
{
	return run(c, argc, argv, true);
}

int run_dead_discard(struct cli *c, int argc, char **argv)
{
	return run(c, argc, argv, false);
}
