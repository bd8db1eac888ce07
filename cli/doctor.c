/*
 * `millrace doctor`: looks at everything that a system needs, and says of each
 * whether it is well and otherwise what to do. It stands alone as the one
 * command that goes on where others would stop.
 *
 * Goes well: a line for each check, exit 0 (warnings included). Fails: exit 1
 * where anything is wrong; a check that cannot be made (no broker) says so and
 * those that depend on it are left out.
 */
#include "cli/doctor.h"
#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#define DESCRIPTORS_LEAST 1024

static int run(struct cli *c, int argc, char **argv);

const struct cli_command commands_doctor[] = {
	{"doctor", "", "what is wrong with the system, and what to do about it",
	 "Looks at the broker, the streams, the database, the components, the gateway that MILLRACE_HTTP names, lanes that nobody serves or "
	 "that pile up, types\n"
	 "that fail often. Exit 1 if anything is wrong.\n\n"
	 "  millrace doctor\n"
	 "  millrace doctor --json | jq 'select(.state != \"ok\")'\n",
	 NULL, 0, 0, run},
	{0},
};

static const char *state_name(enum finding state)
{
	switch (state) {
	case FINDING_OK:
		return "ok";
	case FINDING_WARNING:
		return "warning";
	case FINDING_WRONG:
		return "wrong";
	}
	return "";
}

void doctor_add(struct doctor *d, enum finding state, const char *check, const char *remedy,
				const char *fmt, ...)
{
	CLEANUP(free_ptr) char *words = NULL;
	CLEANUP(buf_release) struct buf detail = {0};
	json_t *row;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&words, fmt, ap) < 0)
		abort();
	va_end(ap);
	/* It may hold what others wrote; a finding must not be lost for that. */
	utf8_clean(words, strlen(words), &detail);
	d->wrong += state == FINDING_WRONG;
	d->warnings += state == FINDING_WARNING;
	row = json_pack("{s:s, s:s, s:s, s:s?}", "state", state_name(state), "check", check, "detail",
					detail.data, "remedy", remedy);
	json_array_append_new(d->findings, row);
}

/* Ours stands for those of the components: they are started from the same shell or unit more often
 * than not. */
static void check_descriptors(struct doctor *d)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_cur < DESCRIPTORS_LEAST)
		doctor_add(d, FINDING_WRONG, "descriptors",
				   "raise it: ulimit -n 65536, or LimitNOFILE=65536 in the unit",
				   "a process may open %llu files, fewer than %d",
				   (unsigned long long)limit.rlim_cur, DESCRIPTORS_LEAST);
	else
		doctor_add(d, FINDING_OK, "descriptors", NULL, "a process may open %llu files",
				   (unsigned long long)limit.rlim_cur);
}

static void print_safe(const char *text)
{
	CLEANUP(buf_release) struct buf out = {0};

	text_add_safe(&out, text, strlen(text));
	fputs(out.data ? out.data : "", stdout);
}

/* For people a remedy stands under its finding, where no column has to give way to it. */
static void print_words(const struct cli *c, const json_t *findings)
{
	static const struct {
		const char *state, *paint;
	} paints[] = {{"ok", "\x1b[32m"}, {"warning", "\x1b[33m"}, {"wrong", "\x1b[31m"}};
	json_t *row;
	size_t i;

	json_array_foreach(findings, i, row)
	{
		const char *state = json_string_value(json_object_get(row, "state"));
		const char *remedy = json_string_value(json_object_get(row, "remedy"));
		const char *paint = "";

		for (size_t k = 0; c->color && k < ARRAY_LEN(paints); k++) {
			if (str_eq(paints[k].state, state))
				paint = paints[k].paint;
		}
		printf("%s%-8s%s %-12s ", paint, state, c->color ? "\x1b[0m" : "",
			   json_string_value(json_object_get(row, "check")));
		print_safe(json_string_value(json_object_get(row, "detail")));
		if (remedy) {
			printf("\n%-8s %-12s -> ", "", "");
			print_safe(remedy);
		}
		printf("\n");
	}
}

static void print_findings(const struct cli *c, const json_t *findings)
{
	static const struct cli_column columns[] = {
		{"STATE", "state", CELL_STATE},
		{"CHECK", "check", CELL_TEXT},
		{"DETAIL", "detail", CELL_TEXT},
		{"REMEDY", "remedy", CELL_TEXT},
	};

	if (c->terminal && !c->config.json)
		print_words(c, findings);
	else
		cli_print_rows(c, columns, ARRAY_LEN(columns), findings);
}

static int run(struct cli *c, int argc, char **argv)
{
	struct doctor d = {.cli = c, .findings = json_array()};

	(void)argc;
	(void)argv;
	check_descriptors(&d);
	if (doctor_broker(&d) && !c->interrupted) {
		doctor_components(&d);
		doctor_work(&d);
		doctor_scaler(&d);
	}
	if (!c->interrupted)
		doctor_gateway(&d);
	if (!c->interrupted)
		doctor_database(&d);
	print_findings(c, d.findings);
	json_decref(d.findings);
	if (c->interrupted)
		return EXIT_INTERRUPTED;
	if (d.wrong + d.warnings == 0)
		cli_say(c, "all is well");
	else
		cli_say(c, "%u wrong, %u to be looked at", d.wrong, d.warnings);
	return d.wrong ? EXIT_FAILED : EXIT_OK;
}
