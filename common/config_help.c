/*
 * What config tells a person: the help, and the values with their origins.
 * Everything is made in a buffer from the one
 * table, so help cannot fall behind the code. Secrets never get here but as
 * stars, and neither do credentials inside an address.
 */
#include "common/config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

enum { HELP_COLUMN = 32, HELP_WIDTH = 100 };

static const char stars[] = "********";

/* ---- help ---- */

static size_t group_len(const char *name)
{
	const char *dot = strchr(name, '.');
	return dot ? (size_t)(dot - name) : 0;
}

static bool same_group(const char *a, const char *b)
{
	size_t len = group_len(a);
	return len == group_len(b) && memcmp(a, b, len) == 0;
}

/* Words from the column on, wrapped; the line so far is used bytes long. */
static void add_words(struct buf *out, size_t used, const char *words)
{
	size_t column = used;
	if (column + 2 > HELP_COLUMN) {
		buf_add(out, "\n", 1);
		column = 0;
	}
	buf_printf(out, "%*s", (int)(HELP_COLUMN - column), "");
	column = HELP_COLUMN;
	for (const char *p = words; *p;) {
		size_t len = strcspn(p, " ");
		if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
			buf_printf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			buf_add(out, " ", 1);
			column++;
		}
		buf_add(out, p, len);
		column += len;
		p += len + strspn(p + len, " ");
	}
	buf_add(out, "\n", 1);
}

static void add_flag(struct buf *out, const struct config_key *k)
{
	char flag[CONFIG_NAME_MAX], env[CONFIG_NAME_MAX];
	config_flag_name(k, flag);
	config_env_name(k, env);
	size_t start = out->len;
	if (k->short_flag)
		buf_printf(out, "  -%c, ", k->short_flag);
	else
		buf_add_str(out, "      ");
	bool off = k->type == CONFIG_BOOL && k->def && str_eq(k->def, "true");
	buf_printf(out, "--%s%s%s%s", off ? "[no-]" : "", flag, k->type == CONFIG_BOOL ? "" : " ",
			   config_type_word(k->type));
	CLEANUP(buf_release) struct buf words = {0};
	buf_add_str(&words, k->help ? k->help : "");
	if (off)
		buf_add_str(&words, "; on by default");
	buf_printf(&words, "%s[", words.len ? " " : "");
	if (k->def && *k->def && k->type != CONFIG_BOOL)
		buf_printf(&words, "default %s; ", k->def);
	buf_printf(&words, "env %s%s%s]", k->env ? k->env : "", k->env ? ", " : "", env);
	add_words(out, out->len - start, words.data);
}

static void add_group(struct buf *out, const struct config_slots *slots, size_t first)
{
	const char *name = slots->at[first].key->name;
	size_t len = group_len(name);
	buf_printf(out, "\n%.*s:\n", len ? (int)len : 7, len ? name : "Options");
	for (size_t i = first; i < slots->n; i++) {
		if (same_group(name, slots->at[i].key->name))
			add_flag(out, slots->at[i].key);
	}
}

int config_print(struct config_load *l, const struct buf *text, struct err *e)
{
	l->extra.done = true;
	if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout))
		return err_set(e, ERR_IO, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

static void add_groups(struct buf *out, const struct config_slots *slots)
{
	for (size_t i = 0; i < slots->n; i++) {
		bool told = false;
		for (size_t k = 0; k < i && !told; k++)
			told = same_group(slots->at[k].key->name, slots->at[i].key->name);
		if (!told)
			add_group(out, slots, i);
	}
}

int config_help(struct config_load *l, struct err *e)
{
	const struct config_program *p = l->p;
	CLEANUP(buf_release) struct buf text = {0};
	struct buf *out = &text;
	buf_printf(out, "%s: %s\n\nUsage: %s %s\n", p->name, p->summary, p->name,
			   p->usage ? p->usage : "[options]");
	add_groups(out, &l->slots);
	static const char *const general[][2] = {
		{"      --config FILE", "YAML file with the keys above, nested at their dots "
								"[env MILLRACE_CONFIG]"},
		{"      --check-config", "check the configuration, then exit"},
		{"      --show-config",
		 "print it with the origin of each value, secrets hidden, then exit"},
		{"      --help", "print this, then exit"},
		{"      --version", "print the version, then exit"},
	};
	buf_add_str(out, "\nGeneral:\n");
	for (size_t i = 0; i < ARRAY_LEN(general); i++) {
		buf_add_str(out, general[i][0]);
		add_words(out, strlen(general[i][0]), general[i][1]);
	}
	buf_add_str(out, "\nFlags beat the environment, which beats the file. A variable's name with "
					 "_FILE\nbehind it names a file that holds the value.\n");
	if (p->epilog)
		buf_printf(out, "\n%s\n", p->epilog);
	return config_print(l, out, e);
}

/* ---- values and where they came from ---- */

/* "nats://user:pass@host" with stars for what stands before the "@". */
static void hide_credentials(struct buf *out, const char *text)
{
	const char *p = text;
	for (const char *at; (at = strstr(p, "://"));) {
		at += 3;
		buf_add(out, p, (size_t)(at - p));
		size_t len = strcspn(at, "/,? ");
		const char *end = memrchr(at, '@', len);
		if (end)
			buf_add_str(out, stars);
		p = end ? end : at;
	}
	buf_add_str(out, p);
}

static void add_quoted(struct buf *out, const char *text)
{
	buf_add(out, "\"", 1);
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_add(out, p, 1);
	}
	buf_add(out, "\"", 1);
}

static void add_value(struct buf *out, const struct config_slot *s)
{
	CLEANUP(buf_release) struct buf shown = {0};
	switch (s->key->type) {
	case CONFIG_STRING:
		if (s->key->secret && *s->text)
			buf_add_str(&shown, stars);
		else
			hide_credentials(&shown, s->text);
		add_quoted(out, shown.data);
		return;
	case CONFIG_BOOL:
		buf_add_str(out,
					strchr("tTyY1", *s->text) || !strcasecmp(s->text, "on") ? "true" : "false");
		return;
	case CONFIG_INT:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		buf_add_str(out, s->key->secret ? stars : s->text);
		return;
	}
}

/* An origin as a comment: it must not leave its line. */
static void add_comment(struct buf *out, const char *text)
{
	buf_add_str(out, "  # ");
	for (const char *p = text; *p; p++)
		buf_add(out, (unsigned char)*p < 0x20 ? "?" : p, 1);
	buf_add(out, "\n", 1);
}

static int by_name(const void *a, const void *b)
{
	const struct config_slot *const *x = a, *const *y = b;
	return strcmp((*x)->key->name, (*y)->key->name);
}

/* Opens the maps of name that last was not in; returns name's last part. */
static const char *open_maps(struct buf *out, const char *last, const char *name, int *ret_depth)
{
	int depth = 0;
	bool shared = true;
	const char *part = name;
	for (const char *dot; (dot = strchr(part, '.')); part = dot + 1, depth++) {
		size_t upto = (size_t)(dot - name) + 1;
		shared = shared && strncmp(last, name, upto) == 0;
		if (!shared)
			buf_printf(out, "%*s%.*s:\n", depth * 2, "", (int)(dot - part), part);
	}
	*ret_depth = depth;
	return part;
}

int config_show(struct config_load *l, struct err *e)
{
	size_t n = l->slots.n;
	CLEANUP(buf_release) struct buf out = {0};
	CLEANUP(free_ptr) const struct config_slot **sorted = xcalloc(n + 1, sizeof(void *));
	for (size_t i = 0; i < n; i++)
		sorted[i] = &l->slots.at[i];
	qsort(sorted, n, sizeof(void *), by_name);
	buf_printf(&out, "# %s %s\n", l->p->name, MILLRACE_VERSION);
	const char *last = "";
	for (size_t i = 0; i < n; i++) {
		const struct config_slot *s = sorted[i];
		int depth;
		const char *part = open_maps(&out, last, s->key->name, &depth);
		last = s->key->name;
		buf_printf(&out, "%*s%s%s:", depth * 2, "", s->text ? "" : "# ", part);
		if (s->text) {
			buf_add(&out, " ", 1);
			add_value(&out, s);
		}
		add_comment(&out, !s->text ? "unset" : s->where ? s->where : "default");
	}
	for (const struct doc *d = l->extra.file ? l->extra.file->child : NULL; d; d = d->next) {
		if (config_is_section(l->p, d->key))
			buf_printf(&out, "# %s: see %s:%u\n", d->key, l->extra.path, d->line);
	}
	return config_print(l, &out, e);
}
