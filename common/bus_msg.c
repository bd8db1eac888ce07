/*
 * Messages in and out, as the library sees them and as we do. Headers are
 * lifted once a message, when somebody first asks, into a plain array that
 * is scanned without case: names differ in case between clients, and the
 * library's own look-up does not forgive that.
 */
#include <ctype.h>
#include <strings.h>

#include "common/bus_internal.h"
#include "common/bus_packet.h"

struct bus_msg *bus_msg_from_native(natsMsg *native)
{
	struct bus_msg *m = xcalloc(1, sizeof(*m));
	m->kind = ITEM_MSG;
	m->native = native;
	return m;
}

void bus_msg_free(struct bus_msg *m)
{
	if (!m)
		return;
	free(m->headers);
	free(m->words);
	if (m->native)
		natsMsg_Destroy(m->native);
	free(m);
}

void bus_msg_freep(struct bus_msg **m)
{
	bus_msg_free(TAKE(*m));
}

const char *bus_msg_subject(const struct bus_msg *m)
{
	return natsMsg_GetSubject(m->native);
}

const char *bus_msg_reply(const struct bus_msg *m)
{
	const char *reply = natsMsg_GetReply(m->native);
	return reply && *reply ? reply : NULL;
}

const char *bus_msg_data(const struct bus_msg *m)
{
	const char *data = natsMsg_GetData(m->native);
	return data ? data : "";
}

size_t bus_msg_len(const struct bus_msg *m)
{
	return (size_t)natsMsg_GetDataLength(m->native);
}

/* The library keeps values in lists by name; each becomes a row. */
static void lift_headers(struct bus_msg *m)
{
	const char **names = NULL;
	int n = 0;
	size_t cap = 0;

	m->headers_read = true;
	natsStatus s = natsMsgHeader_Keys(m->native, &names, &n);
	m->headers_unreadable = s != NATS_OK && s != NATS_NOT_FOUND;
	if (s != NATS_OK)
		return;
	cap = (size_t)n;
	m->headers = xcalloc(cap, sizeof(*m->headers));
	for (int i = 0; i < n; i++) {
		const char **values = NULL;
		int nvalues = 0;

		if (natsMsgHeader_Values(m->native, names[i], &values, &nvalues) != NATS_OK)
			continue;
		if (m->nheaders + (size_t)nvalues > cap) { /* a name that is repeated: room for its values, and the names to come */
			cap = m->nheaders + (size_t)nvalues + (size_t)(n - i);
			m->headers = xreallocarray(m->headers, cap, sizeof(*m->headers));
		}
		for (int k = 0; k < nvalues; k++)
			m->headers[m->nheaders++] = (struct bus_header){names[i], values[k] ? values[k] : ""};
		free(values);
	}
	free(names);
}

const struct bus_header *bus_msg_headers(const struct bus_msg *m, size_t *ret_n)
{
	if (!m->headers_read)
		lift_headers((struct bus_msg *)m);
	*ret_n = m->nheaders;
	return m->headers;
}

bool bus_msg_headers_unreadable(const struct bus_msg *m)
{
	size_t n;

	bus_msg_headers(m, &n);
	return m->headers_unreadable;
}

const char *bus_msg_header(const struct bus_msg *m, const char *name)
{
	size_t n;
	const struct bus_header *h = bus_msg_headers(m, &n);

	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(h[i].name, name) == 0)
			return h[i].value;
	}
	return NULL;
}

int bus_msg_status(const struct bus_msg *m)
{
	const char *status = NULL;

	if (natsMsg_GetDataLength(m->native) > 0)
		return 0;
	if (natsMsgHeader_Get(m->native, "Status", &status) != NATS_OK || !status)
		return 0;
	return (int)strtol(status, NULL, 10);
}

const char *bus_msg_status_text(const struct bus_msg *m)
{
	const char *text = NULL;

	if (natsMsgHeader_Get(m->native, "Description", &text) != NATS_OK || !text)
		return "";
	return text;
}

/* ---- out ---- */

static bool subject_ok(const char *s)
{
	if (!s || !*s || *s == '.')
		return false;
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f || (*p == '.' && (p[1] == '.' || !p[1])))
			return false;
	}
	return true;
}

static bool header_name_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || *s == ':')
			return false;
	}
	return true;
}

static struct bus_packet *plain(const struct bus_out *out, const char *reply)
{
	size_t subject_size = strlen(out->subject) + 1, reply_size = reply ? strlen(reply) + 1 : 0;
	struct bus_packet *p = xmalloc(sizeof(*p) + subject_size + reply_size + out->len);
	char *at = p->subject;

	*p = (struct bus_packet){.refs = 1, .wants_nobody = out->wants_nobody, .len = out->len};
	memcpy(at, out->subject, subject_size);
	at += subject_size;
	if (reply) {
		p->reply = memcpy(at, reply, reply_size);
		at += reply_size;
	}
	p->data = at;
	if (out->len)
		memcpy(at, out->data, out->len);
	return p;
}

/* Nothing but spaces. Who reads it with the same library would lose others by it: left out. */
static bool is_blank(const char *value)
{
	return value[strspn(value, " \t\r\n")] == '\0';
}

/* What the library refuses here is no memory, or what was checked before: both end the process. */
static struct bus_packet *with_headers(const struct bus_out *out, const char *reply)
{
	struct bus_packet *p = xmalloc(sizeof(*p));
	natsStatus s;

	*p = (struct bus_packet){.refs = 1, .wants_nobody = out->wants_nobody};
	s = natsMsg_Create(&p->native, out->subject, reply, out->data, (int)out->len);
	for (size_t i = 0; s == NATS_OK && i < out->nheaders; i++) {
		if (!is_blank(out->headers[i].value))
			s = natsMsgHeader_Add(p->native, out->headers[i].name, out->headers[i].value);
	}
	if (s != NATS_OK)
		abort();
	return p;
}

int bus_packet_make(const struct bus *bus, const struct bus_out *out, const char *reply,
                    struct bus_packet **ret, struct err *e)
{
	size_t total = out->len;

	if (!subject_ok(out->subject))
		return err_set(e, ERR_INVALID, "not a subject that can be published to: \"%.100s\"",
		               out->subject ? out->subject : "");
	if (reply && !subject_ok(reply))
		return err_set(e, ERR_INVALID, "not a reply subject: \"%.100s\"", reply);
	for (size_t i = 0; i < out->nheaders; i++) {
		if (!header_name_ok(out->headers[i].name))
			return err_set(e, ERR_INVALID, "not a header name: \"%.100s\"", out->headers[i].name);
		total += strlen(out->headers[i].name) + strlen(out->headers[i].value) + 4;
	}
	if (total > bus->max_payload || total > INT32_MAX)
		return err_set(e, ERR_TOO_LARGE, "message of %zu bytes is over the broker's max_payload of %zu",
		               total, bus->max_payload);

	*ret = out->nheaders ? with_headers(out, reply) : plain(out, reply);
	return 0;
}

void bus_packet_want_nobody(struct bus_packet *p)
{
	p->wants_nobody = true;
}

natsStatus bus_packet_publish(natsConnection *nc, const struct bus_packet *p)
{
	if (p->native)
		return natsConnection_PublishMsg(nc, p->native);
	if (p->reply)
		return natsConnection_PublishRequest(nc, p->subject, p->reply, p->data, (int)p->len);
	return natsConnection_Publish(nc, p->subject, p->data, (int)p->len);
}

void bus_packet_unref(struct bus_packet *p)
{
	if (!p || --p->refs > 0)
		return;
	natsMsg_Destroy(p->native);
	free(p);
}
