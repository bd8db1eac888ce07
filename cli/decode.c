/*
 * `millrace decode`: a record from stdin as JSON, or with --encode the other
 * way, so that what `nats stream get` and `nats sub` show of protobuf can be
 * read. It needs no broker. Taken are the bytes themselves, hex, base64, and
 * the object that `nats stream get --json` prints, which tells its subject by
 * itself. Fails: an unknown record (the names are told), input that is none;
 * a megabyte of it is the broker's limit, 16 MiB are ours.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/decode_types.h"
#include "common/base64.h"
#include "common/codec.h"

#define INPUT_MAX_BYTES ((size_t)16 * 1024 * 1024)

static int read_stdin(struct buf *ret, struct err *e)
{
	for (;;) {
		buf_reserve(ret, 65536);
		ssize_t n = read(STDIN_FILENO, ret->data + ret->len, 65535);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "stdin: %s", strerror(errno));
		if (n == 0)
			return 0;
		ret->len += (size_t)n;
		ret->data[ret->len] = '\0';
		if (ret->len > INPUT_MAX_BYTES)
			return err_set(e, ERR_TOO_LARGE, "the input is larger than %zu bytes", INPUT_MAX_BYTES);
	}
}

static void drop_blanks(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (!isspace((unsigned char)b->data[i]))
			b->data[n++] = b->data[i];
	}
	b->len = n;
	if (b->data)
		b->data[n] = '\0';
}

static int from_hex(struct buf *b, struct err *e)
{
	size_t n = 0;

	drop_blanks(b);
	if (b->len % 2 != 0)
		return err_set(e, ERR_INVALID, "hex of %zu digits is cut short", b->len);
	for (size_t i = 0; i < b->len; i += 2) {
		char pair[3] = {b->data[i], b->data[i + 1], '\0'};
		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
			return err_set(e, ERR_INVALID, "no hex at digit %zu", i + 1);
		b->data[n++] = (char)strtoul(pair, NULL, 16);
	}
	b->len = n;
	return 0;
}

static int from_base64(struct buf *b, struct err *e)
{
	struct buf plain = {0};
	int rc;

	drop_blanks(b);
	rc = base64_decode(b->data ? b->data : "", b->len, &plain, e);
	if (rc) {
		buf_release(&plain);
		return rc;
	}
	buf_release(b);
	*b = plain;
	return 0;
}

/* {"subject": …, "data": base64} as the nats CLI prints a stored message: its subject (owned), and b is its body. */
static char *unwrap_stored(struct buf *b)
{
	json_t *j = b->len > 0 && b->data[0] == '{' ? json_loadb(b->data, b->len, 0, NULL) : NULL;
	const char *subject = json_string_value(json_object_get(j, "subject"));
	const char *data = json_string_value(json_object_get(j, "data"));
	CLEANUP(buf_release) struct buf body = {0};
	char *ret = NULL;

	if (subject && json_object_get(j, "seq") && base64_decode(data ? data : "", data ? strlen(data) : 0, &body, NULL) == 0) {
		ret = xstrdup(subject);
		struct buf wrapped = *b;
		*b = body;
		body = wrapped;
	}
	json_decref(j);
	return ret;
}

static const struct err *unknown_record(const struct cli *c, struct err *e)
{
	CLEANUP(buf_release) struct buf names = {0};

	record_names(&names);
	err_set(e, ERR_INVALID, "no record '%s'; there are %s", cli_value(c, "type"), names.data);
	return e;
}

static int choose(const struct cli *c, const char *subject, const ProtobufCMessageDescriptor **ret, struct err *e)
{
	CLEANUP(buf_release) struct buf names = {0};
	const char *type = cli_value(c, "type");

	record_names(&names);
	if (type) {
		*ret = record_by_name(type);
		return 0;
	}
	if (!subject)
		return err_set(e, ERR_INVALID, "which record? --type NAME or --subject SUBJECT; names are %s", names.data);
	*ret = record_by_subject(subject);
	return *ret ? 0 : err_set(e, ERR_INVALID, "the subject %s carries no record; try --type", subject);
}

/* As the store takes it: events.done may be one Outcome in JSON. */
static int decode(const ProtobufCMessageDescriptor *d, const struct buf *in, ProtobufCMessage **ret, struct err *e)
{
	struct err alone;
	int rc = codec_decode(d, NULL, in->data, in->len, ret, e);

	if (rc && in->len > 0 && in->data[0] == '{' && str_eq(d->short_name, "OutcomeBatch") &&
		codec_decode(record_by_name("Outcome"), NULL, in->data, in->len, ret, &alone) == 0)
		return 0;
	return rc;
}

static int print(const struct cli *c, const ProtobufCMessage *m)
{
	CLEANUP(buf_release) struct buf out = {0};
	unsigned flags = cli_has(c, "all") ? CODEC_ALL : 0;

	codec_to_json_text(m, flags | (c->terminal && !c->config.json ? CODEC_PRETTY : 0), &out);
	buf_add_str(&out, "\n");
	fwrite(out.data, 1, out.len, stdout);
	return EXIT_OK;
}

static void print_packed(const struct cli *c, const ProtobufCMessage *m)
{
	CLEANUP(buf_release) struct buf packed = {0}, text = {0};

	codec_pack(m, &packed);
	if (cli_has(c, "base64")) {
		base64_encode(packed.data, packed.len, &text);
		buf_add_str(&text, "\n");
	} else if (cli_has(c, "hex")) {
		for (size_t i = 0; i < packed.len; i++)
			buf_printf(&text, "%02x", (unsigned char)packed.data[i]);
		buf_add_str(&text, "\n");
	} else {
		buf_add(&text, packed.data, packed.len);
	}
	fwrite(text.data, 1, text.len, stdout);
}

static int run_encode(struct cli *c, const struct buf *in, struct err *e)
{
	const ProtobufCMessageDescriptor *d;
	ProtobufCMessage *m;
	unsigned flags = cli_has(c, "lenient") ? CODEC_LENIENT : 0;

	if (choose(c, cli_value(c, "subject"), &d, e))
		return cli_usage(c, "%s", e->text);
	if (codec_from_json_text(d, in->data ? in->data : "", in->len, flags, &m, e))
		return cli_fail(c, e);
	print_packed(c, m);
	codec_free(m);
	return EXIT_OK;
}

static int run_decode(struct cli *c, struct buf *in, struct err *e)
{
	const ProtobufCMessageDescriptor *d;
	ProtobufCMessage *m;
	int rc = 0;

	if (cli_has(c, "hex"))
		rc = from_hex(in, e);
	else if (cli_has(c, "base64"))
		rc = from_base64(in, e);
	if (rc)
		return cli_fail(c, e);
	CLEANUP(free_ptr) char *stored = unwrap_stored(in);
	if (choose(c, cli_value(c, "subject") ? cli_value(c, "subject") : stored, &d, e))
		return cli_usage(c, "%s", e->text);
	if (decode(d, in, &m, e))
		return cli_fail(c, e);
	rc = print(c, m);
	codec_free(m);
	return rc;
}

static int cmd_decode(struct cli *c, int argc, char **argv)
{
	CLEANUP(buf_release) struct buf in = {0};
	struct err e = {0};

	(void)argc;
	(void)argv;
	if (cli_has(c, "hex") && cli_has(c, "base64"))
		return cli_usage(c, "--hex or --base64, not both");
	/* Before anybody waits for an input that would be refused. */
	if (cli_has(c, "type") && !record_by_name(cli_value(c, "type")))
		return cli_usage(c, "%s", unknown_record(c, &e)->text);
	if (read_stdin(&in, &e))
		return cli_fail(c, &e);
	return cli_has(c, "encode") ? run_encode(c, &in, &e) : run_decode(c, &in, &e);
}

static const struct cli_flag flags[] = {
	{"type", 0, "NAME", "the record's name: OutcomeBatch, QueuedBatch, NodeStatus, …"},
	{"subject", 0, "SUBJECT", "the record that stands on this subject: events.done, …"},
	{"hex", 0, NULL, "the packed side is in hex"},
	{"base64", 0, NULL, "the packed side is in base64"},
	{"encode", 0, NULL, "JSON on stdin, the packed record on stdout"},
	{"all", 0, NULL, "absent values as null"},
	{"lenient", 0, NULL, "with --encode: pass over unknown keys"},
	{0},
};

const struct cli_command commands_decode[] = {
	{"decode", "[flags] < RECORD", "a protobuf record as JSON, or with --encode the other way",
	 "  nats stream get EVENTS 7 --json | millrace decode\n"
	 "  nats sub 'events.done' --translate 'millrace decode --subject events.done'\n"
	 "  millrace decode --type OutcomeBatch --hex < record.hex\n"
	 "  echo '{\"id\":\"a\",\"type\":\"echo\"}' | millrace decode --type TaskSpec --encode | nats pub tasks --force-stdin\n",
	 flags, 0, 0, cmd_decode},
	{0},
};
