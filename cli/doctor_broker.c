/*
 * The doctor's look at the broker. It stands alone because it is about the
 * server and what is declared for it, not about what passes through. The
 * comparison is that of `millrace setup --dry-run`.
 */
#include "cli/doctor.h"
#include "cli/setup.h"
#include "cli/submit.h"

#define BODY_LIMIT_BYTES ((size_t)1 << 20)
#define STORAGE_FULL 0.9

/* How new it is shows in what it tells; its very number it tells only to those who hold the socket. */
static void check_version(struct doctor *d, unsigned minor)
{
	if (minor < 10)
		doctor_add(d, FINDING_WARNING, "broker",
				   "use a current nats-server in production: 2.9 is no longer maintained",
				   "the nats-server at %s is older than 2.10: good for development only",
				   bus_url(d->cli->bus));
	else
		doctor_add(d, FINDING_OK, "broker", NULL, "%s is there, nats-server 2.%u or newer",
				   bus_url(d->cli->bus), minor);
}

static void check_payload(struct doctor *d)
{
	size_t max = bus_max_payload(d->cli->bus);

	if (max < BODY_LIMIT_BYTES + HEADER_ROOM_BYTES)
		doctor_add(
			d, FINDING_WARNING, "payload",
			"set max_payload: 1114112 in the server's configuration and restart it",
			"the server takes messages of %zu bytes: a body of 1 MiB with its headers is refused",
			max);
}

static double share(const json_t *used, const json_t *limit)
{
	double most = json_number_value(limit);

	return most > 0 ? json_number_value(used) / most : 0;
}

static bool check_jetstream(struct doctor *d)
{
	struct err e = {0};
	json_t *info;
	double storage;
	const json_t *limits;

	if (cli_js_api(d->cli, "INFO", NULL, &info, NULL, &e)) {
		doctor_add(d, FINDING_WRONG, "jetstream",
				   "start the server with JetStream: nats-server -js, or jetstream {} in its "
				   "configuration; with accounts, it must be on for ours",
				   "JetStream does not answer: %s", e.text);
		return false;
	}
	limits = json_object_get(info, "limits");
	storage = share(json_object_get(info, "storage"), json_object_get(limits, "max_storage"));
	if (storage > STORAGE_FULL)
		doctor_add(d, FINDING_WARNING, "jetstream",
				   "give it more (max_file_store), or find what fills it: nats stream report",
				   "%.0f %% of JetStream's storage is used; when it is full, submits are refused",
				   storage * 100);
	else
		doctor_add(d, FINDING_OK, "jetstream", NULL, "%lld streams, %lld consumers",
				   (long long)json_integer_value(json_object_get(info, "streams")),
				   (long long)json_integer_value(json_object_get(info, "consumers")));
	json_decref(info);
	return true;
}

static void add_difference(struct doctor *d, const json_t *row)
{
	const char *kind = json_string_value(json_object_get(row, "kind"));
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *result = json_string_value(json_object_get(row, "result"));
	const char *error = json_string_value(json_object_get(row, "error"));

	if (str_eq(result, "would create"))
		doctor_add(d, FINDING_WRONG, "declared", "run 'millrace setup'", "%s %s is missing", kind,
				   name);
	else if (str_eq(result, "would update"))
		doctor_add(d, FINDING_WRONG, "declared", "run 'millrace setup'", "%s %s is not as declared",
				   kind, name);
	else if (str_eq(result, "differs"))
		doctor_add(d, FINDING_WRONG, "declared",
				   "see 'millrace setup --dry-run'; what cannot be changed must be made anew",
				   "%s %s differs from its declaration%s%s", kind, name, error ? ": " : "",
				   error ? error : "");
}

static void check_declared(struct doctor *d)
{
	struct setup s = {.cli = d->cli, .dry_run = true, .rows = json_array()};
	unsigned wrong = d->wrong;
	struct err e = {0};
	int rc = setup_broker(&s, &e);
	json_t *row;
	size_t i;

	check_version(d, s.server);
	if (rc)
		doctor_add(d, FINDING_WRONG, "declared", "see 'millrace setup --dry-run'",
				   "cannot be compared: %s", e.text);
	json_array_foreach(s.rows, i, row)
	{
		add_difference(d, row);
	}
	if (wrong == d->wrong)
		doctor_add(d, FINDING_OK, "declared", NULL,
				   "streams, consumers and buckets are there, as declared");
	json_decref(s.rows);
}

bool doctor_broker(struct doctor *d)
{
	struct err e = {0};

	if (cli_connect(d->cli, &e)) {
		doctor_add(d, FINDING_WRONG, "broker", NULL, "%s", e.text);
		return false;
	}
	check_payload(d);
	if (!check_jetstream(d))
		return false;
	check_declared(d);
	return true;
}
