/*
 * A file of the tz database as spans of constant offset. It stands alone
 * because the C library knows one zone a process, by its environment, and a
 * router has one for each schedule. Well: the 64-bit half of the file is read
 * (the 32-bit one where there is no other), and the rule behind it answers for
 * all later years. A file that contradicts itself is refused whole.
 */
#include "router/zone.h"

#include "router/civil.h"

#define CHANGES_MAX 20000u
#define OFFSET_MAX_S (26 * 3600)

struct reading {
	const uint8_t *p;
	size_t left;
};

struct head {
	uint8_t version;
	uint32_t isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt;
};

static int fault(struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "no file of the tz database: %s", what);
}

static const uint8_t *take(struct reading *r, size_t n)
{
	const uint8_t *p = r->p;

	if (n > r->left)
		return NULL;
	r->p += n;
	r->left -= n;
	return p;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get_time(const uint8_t *p, unsigned size)
{
	if (size == 4)
		return (int32_t)get32(p);
	return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

static int read_head(struct reading *r, struct head *ret, struct err *e)
{
	const uint8_t *p = take(r, 44);

	if (!p || memcmp(p, "TZif", 4) != 0)
		return fault(e, "it does not begin with TZif");
	*ret = (struct head){p[4],          get32(p + 20), get32(p + 24), get32(p + 28),
						 get32(p + 32), get32(p + 36), get32(p + 40)};
	if (ret->timecnt > CHANGES_MAX || ret->typecnt == 0 || ret->typecnt > 256 ||
		ret->charcnt > 4096 || ret->leapcnt > 4096 || ret->isutcnt > 256 || ret->isstdcnt > 256)
		return fault(e, "its counts are beyond all measure");
	return 0;
}

static size_t size_of(const struct head *h, unsigned time_size)
{
	return (size_t)h->timecnt * (time_size + 1) + (size_t)h->typecnt * 6 + h->charcnt +
		   (size_t)h->leapcnt * (time_size + 4) + h->isstdcnt + h->isutcnt;
}

static int read_types(const struct head *h, const uint8_t *types, int32_t offsets[256],
					  struct err *e)
{
	for (uint32_t i = 0; i < h->typecnt; i++) {
		offsets[i] = (int32_t)get32(types + 6 * (size_t)i);
		if (offsets[i] < -OFFSET_MAX_S || offsets[i] > OFFSET_MAX_S)
			return fault(e, "an offset is over a day");
	}
	return 0;
}

static int read_block(struct reading *r, const struct head *h, unsigned size, struct zone *z,
					  struct err *e)
{
	const uint8_t *times = take(r, (size_t)h->timecnt * size), *index = take(r, h->timecnt),
				  *types = take(r, (size_t)h->typecnt * 6);
	int32_t offsets[256];

	if (!times || !index || !types ||
		!take(r, size_of(h, size) - (size_t)h->timecnt * (size + 1) - (size_t)h->typecnt * 6))
		return fault(e, "it ends too soon");
	if (read_types(h, types, offsets, e))
		return e->code;
	z->first_offset_s = offsets[0];
	z->changes = xcalloc(h->timecnt ? h->timecnt : 1, sizeof(*z->changes));
	for (uint32_t i = 0; i < h->timecnt; i++) {
		struct zone_change c = {.at_s = get_time(times + (size_t)i * size, size)};
		if (index[i] >= h->typecnt)
			return fault(e, "a change is of a type that it does not have");
		if (i > 0 && c.at_s <= z->changes[i - 1].at_s)
			return fault(e, "its changes are not in order");
		c.offset_s = offsets[index[i]];
		z->changes[z->n++] = c;
	}
	return 0;
}

/* "\nCET-1CEST,M3.5.0,M10.5.0/3\n"; nothing between the newlines: no rule. */
static int read_footer(struct reading *r, struct zone *z, struct err *e)
{
	char text[128];
	const uint8_t *end =
		r->left > 1 && r->p[0] == '\n' ? memchr(r->p + 1, '\n', r->left - 1) : NULL;
	size_t len = end ? (size_t)(end - r->p) - 1 : 0;

	if (!end || len >= sizeof(text))
		return fault(e, "its last line is missing");
	if (len == 0)
		return 0;
	memcpy(text, r->p + 1, len);
	text[len] = '\0';
	if (!zone_rule_parse(text, &z->rule))
		return fault(e, "its last line is no rule");
	z->has_rule = true;
	return 0;
}

int zone_parse(const void *data, size_t len, struct zone *ret, struct err *e)
{
	struct reading r = {data, len};
	struct zone z = {0};
	struct head h;
	int rc = read_head(&r, &h, e);

	if (rc == 0 && h.version >= '2') {
		if (!take(&r, size_of(&h, 4)))
			return fault(e, "it ends too soon");
		rc = read_head(&r, &h, e);
		if (rc == 0)
			rc = read_block(&r, &h, 8, &z, e);
		if (rc == 0)
			rc = read_footer(&r, &z, e);
	} else if (rc == 0) {
		rc = read_block(&r, &h, 4, &z, e);
	}
	if (rc) {
		zone_release(&z);
		return rc;
	}
	*ret = z;
	return 0;
}

void zone_release(struct zone *z)
{
	free(z->changes);
	*z = (struct zone){0};
}

/* Narrows what holds after the last change of the table by the rule's own changes. */
static void apply_rule(const struct zone_rule *rule, int64_t t_s, struct zone_span *s)
{
	struct zone_change c[2];
	int64_t year;

	if (!rule->has_dst) {
		s->offset_s = rule->std_s;
		return;
	}
	year = civil_of(floor_div(t_s, DAY_S)).year;
	for (int64_t y = year - 1; y <= year + 1; y++) {
		zone_rule_year(rule, y, c);
		for (int i = 0; i < 2; i++) {
			if (c[i].at_s <= s->begin_s)
				continue;
			if (c[i].at_s > t_s) {
				s->end_s = c[i].at_s;
				return;
			}
			s->begin_s = c[i].at_s;
			s->offset_s = c[i].offset_s;
		}
	}
}

struct zone_span zone_span_at(const struct zone *z, int64_t t_s)
{
	struct zone_span s = {INT64_MIN, INT64_MAX, z->first_offset_s};
	size_t low = 0, high = z->n; /* the first change after t is in [low, high] */

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (z->changes[mid].at_s <= t_s)
			low = mid + 1;
		else
			high = mid;
	}
	if (low > 0) {
		s.begin_s = z->changes[low - 1].at_s;
		s.offset_s = z->changes[low - 1].offset_s;
	}
	if (low < z->n)
		s.end_s = z->changes[low].at_s;
	else if (z->has_rule)
		apply_rule(&z->rule, t_s, &s);
	return s;
}
