/*
 * Who gets a message of the shared inbox subscription. Replies come to
 * "<prefix><slot>_<generation>" and find their inbox by number; what
 * JetStream delivers carries the stream's subject, and finds its taker by
 * the consumer that stands in its $JS.ACK reply. What nobody waits for any
 * more (a late reply, a closed pull) is dropped.
 */
#include "common/bus_internal.h"

#define SLOTS_MAX (1u << 20)
#define NUMBER_MAX 18 /* two 32-bit numbers in hex, what divides them, a NUL */

/* ---- inboxes ---- */

static void grow_slots(struct bus *b)
{
	uint32_t n = b->slots_len ? b->slots_len * 2 : 64;

	if (n > SLOTS_MAX)
		abort(); /* every caller is bounded far below */
	b->slots = xreallocarray(b->slots, n, sizeof(*b->slots));
	/* Slot 0 stays unused: 0 ends the list of free ones. */
	for (uint32_t i = b->slots_len; i < n; i++)
		b->slots[i] = (struct bus_slot){.next_free = i + 1 < n ? i + 1 : 0};
	b->first_free = b->slots_len ? b->slots_len : 1;
	b->slots_len = n;
}

/* One is opened with every publish: printf would be felt. */
static char *write_hex(char *out, uint32_t v)
{
	int shift = 28;

	while (shift > 0 && !(v >> shift & 15))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[v >> shift & 15];
	return out;
}

struct bus_inbox *bus_inbox_open(struct bus *b, bus_on_msg on_msg, void *data)
{
	struct bus_inbox *in = xmalloc(sizeof(*in) + b->prefix_len + NUMBER_MAX);

	if (!b->first_free)
		grow_slots(b);
	struct bus_slot *s = &b->slots[b->first_free];
	*in = (struct bus_inbox){.bus = b, .slot = b->first_free, .on_msg = on_msg, .data = data};
	b->first_free = s->next_free;
	s->inbox = in;
	memcpy(in->address, b->prefix, b->prefix_len);
	char *end = write_hex(in->address + b->prefix_len, in->slot);
	*end++ = '_';
	*write_hex(end, s->generation) = '\0';
	return in;
}

const char *bus_inbox_prefix(const struct bus *b)
{
	return b->prefix;
}

const char *bus_inbox_address(const struct bus_inbox *in)
{
	return in->address;
}

void bus_inbox_close(struct bus_inbox **pin)
{
	struct bus_inbox *in = TAKE(*pin);

	if (!in)
		return;
	struct bus_slot *s = &in->bus->slots[in->slot];
	s->inbox = NULL;
	s->generation++;
	s->next_free = in->bus->first_free;
	in->bus->first_free = in->slot;
	free(in);
}

static struct bus_inbox *find_inbox(const struct bus *b, const char *token)
{
	char *end;
	unsigned long slot = strtoul(token, &end, 16);

	if (*end != '_' || slot == 0 || slot >= b->slots_len)
		return NULL;
	if (strtoul(end + 1, NULL, 16) != b->slots[slot].generation)
		return NULL;
	return b->slots[slot].inbox;
}

/* ---- consumers ---- */

/*
 * $JS.ACK.<stream>.<consumer>.…; since 2.14-era servers also $JS.ACK.<domain>.<account>.<stream>.<consumer>.…
 * The first has 9 tokens, the second 11 or 12. Sets key to "<stream>.<consumer>" within the reply.
 */
static bool consumer_of(const char *reply, const char **ret_key, size_t *ret_len)
{
	const char *token[6] = {reply};
	unsigned dots = 0;

	for (const char *p = reply; *p; p++) {
		if (*p != '.')
			continue;
		dots++;
		if (dots < ARRAY_LEN(token))
			token[dots] = p + 1;
		if (dots == ARRAY_LEN(token))
			token[0] = p; /* start of the 7th token: unused beyond counting */
	}
	if (dots < 8)
		return false;
	unsigned first = dots == 8 ? 2 : 4;
	const char *end = strchr(token[first + 1], '.');
	*ret_key = token[first];
	*ret_len = (size_t)(end - token[first]);
	return true;
}

static struct bus_consumer *find_consumer(struct bus *b, const char *reply)
{
	struct bus_consumer *c = NULL;
	const char *key;
	size_t len;

	if (strncmp(reply, "$JS.ACK.", 8) == 0 && consumer_of(reply, &key, &len))
		HASH_FIND(hh, b->consumers, key, len, c);
	return c;
}

int bus_consumer_take(struct bus *b, const char *stream, const char *consumer, bus_on_msg on_msg,
                      void *data, struct err *e)
{
	struct bus_consumer *c;
	CLEANUP(free_ptr) char *key = xasprintf("%s.%s", stream, consumer);

	HASH_FIND_STR(b->consumers, key, c);
	if (c)
		return err_set(e, ERR_EXISTS, "consumer %s is taken already", key);
	c = xcalloc(1, sizeof(*c));
	*c = (struct bus_consumer){.key = TAKE(key), .on_msg = on_msg, .data = data};
	HASH_ADD_KEYPTR(hh, b->consumers, c->key, strlen(c->key), c);
	return 0;
}

void bus_consumer_drop(struct bus *b, const char *stream, const char *consumer)
{
	struct bus_consumer *c;
	CLEANUP(free_ptr) char *key = xasprintf("%s.%s", stream, consumer);

	HASH_FIND_STR(b->consumers, key, c);
	if (!c)
		return;
	HASH_DEL(b->consumers, c);
	free(c->key);
	free(c);
}

/* ---- both ---- */

void bus_route(void *data, struct bus_msg **m)
{
	struct bus *b = data;
	const char *subject = bus_msg_subject(*m), *reply = bus_msg_reply(*m);

	if (strncmp(subject, b->prefix, b->prefix_len) == 0) {
		struct bus_inbox *in = find_inbox(b, subject + b->prefix_len);
		if (in)
			in->on_msg(in->data, m);
	} else if (reply) {
		struct bus_consumer *c = find_consumer(b, reply);
		if (c)
			c->on_msg(c->data, m);
	}
}

void bus_route_release(struct bus *b)
{
	struct bus_consumer *c, *tmp;

	HASH_ITER (hh, b->consumers, c, tmp) {
		HASH_DEL(b->consumers, c);
		free(c->key);
		free(c);
	}
	for (uint32_t i = 1; i < b->slots_len; i++) {
		free(b->slots[i].inbox);
	}
	free(b->slots);
}
