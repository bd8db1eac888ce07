/*
 * From our configuration, or a context of the nats CLI, to the library's
 * options. A context is read as the CLI does: $XDG_CONFIG_HOME/nats (or
 * ~/.config/nats) /context/<name>.json, the selected one named in
 * context.txt. Explicit settings win over the context's.
 */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "common/bus_internal.h"
#include "common/bus_nkey.h"

#define SERVERS_MAX 16

/* What a context may say that we honour, and where it goes. */
struct settings {
	char *url, *creds, *nkey, *user, *password, *token, *cert, *key, *ca, *prefix;
};

static void settings_release(struct settings *s)
{
	char **all[] = {&s->url, &s->creds, &s->nkey, &s->user, &s->password,
	                &s->token, &s->cert, &s->key, &s->ca, &s->prefix};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		free(*all[i]);
}

static char *config_home(void)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg)
		return xasprintf("%s/nats", xdg);
	return xasprintf("%s/.config/nats", home && *home ? home : "/nonexistent");
}

static char *selected_context(const char *dir)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/context.txt", dir);
	char name[256] = "";
	FILE *f = fopen(path, "re");

	if (!f)
		return NULL;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, " \t\r\n")] = '\0';
	return name[0] ? xstrdup(name) : NULL;
}

/* Takes over what was not set explicitly. */
static void adopt(char **field, const json_t *context, const char *key)
{
	const char *v = json_string_value(json_object_get(context, key));

	if (!*field && v && *v)
		*field = xstrdup(v);
}

static int read_context(const char *asked, struct settings *s, struct err *e)
{
	CLEANUP(free_ptr) char *dir = config_home();
	CLEANUP(free_ptr) char *name = asked ? xstrdup(asked) : selected_context(dir);
	json_error_t je;

	if (!name)
		return 0;
	if (strchr(name, '/') || str_eq(name, ".."))
		return err_set(e, ERR_INVALID, "not a context's name: \"%s\"", name);
	CLEANUP(free_ptr) char *path = xasprintf("%s/context/%s.json", dir, name);
	if (!asked && access(path, R_OK) != 0)
		return 0; /* a selection that is gone is the CLI's business */
	json_t *c = json_load_file(path, 0, &je);
	if (!c)
		return err_set(e, ERR_INVALID, "NATS context \"%s\": %s: %s", name, path, je.text);
	bool auth_set = s->creds || s->nkey || s->user || s->token;
	adopt(&s->url, c, "url");
	adopt(&s->cert, c, "cert");
	adopt(&s->key, c, "key");
	adopt(&s->ca, c, "ca");
	adopt(&s->prefix, c, "inbox_prefix");
	if (!auth_set) {
		adopt(&s->creds, c, "creds");
		adopt(&s->nkey, c, "nkey");
		adopt(&s->user, c, "user");
		adopt(&s->password, c, "password");
		adopt(&s->token, c, "token");
	}
	json_decref(c);
	return 0;
}

static int readable(const char *what, const char *path, struct err *e)
{
	if (path && access(path, R_OK) != 0)
		return err_set(e, ERR_INVALID, "%s: cannot read %s", what, path);
	return 0;
}

static natsStatus set_servers(natsOptions *o, char *urls)
{
	const char *servers[SERVERS_MAX];
	char *save = NULL;
	int n = 0;

	for (char *u = strtok_r(urls, ", ", &save); u && n < SERVERS_MAX; u = strtok_r(NULL, ", ", &save))
		servers[n++] = u;
	for (int i = 0; i < n; i++)
		bus_guard_learn(servers[i]);
	return n ? natsOptions_SetServers(o, servers, n) : NATS_INVALID_ARG;
}

static natsStatus apply(natsOptions *o, const struct settings *s, const char *nkey,
                        const char *client_name)
{
	CLEANUP(free_ptr) char *urls = xstrdup(s->url);
	natsStatus st = set_servers(o, urls);

	if (st == NATS_OK)
		st = natsOptions_SetName(o, client_name);
	if (st == NATS_OK && s->creds)
		st = natsOptions_SetUserCredentialsFromFiles(o, s->creds, NULL);
	if (st == NATS_OK && s->nkey)
		st = natsOptions_SetNKeyFromSeed(o, nkey, s->nkey);
	if (st == NATS_OK && s->user)
		st = natsOptions_SetUserInfo(o, s->user, s->password ? s->password : "");
	if (st == NATS_OK && s->token)
		st = natsOptions_SetToken(o, s->token);
	if (st == NATS_OK && (s->cert || s->ca))
		st = natsOptions_SetSecure(o, true);
	if (st == NATS_OK && s->ca)
		st = natsOptions_LoadCATrustedCertificates(o, s->ca);
	if (st == NATS_OK && s->cert)
		st = natsOptions_LoadCertificatesChain(o, s->cert, s->key);
	/* A broker that is away is waited for, for ever, and greeted again at once. */
	if (st == NATS_OK)
		st = natsOptions_SetMaxReconnect(o, -1);
	if (st == NATS_OK)
		st = natsOptions_SetReconnectWait(o, 250);
	if (st == NATS_OK)
		st = natsOptions_SetReconnectJitter(o, 100, 500);
	if (st == NATS_OK)
		st = natsOptions_SetTimeout(o, 2000);
	/* A half-open connection is noticed in 10 to 15 s. */
	if (st == NATS_OK)
		st = natsOptions_SetPingInterval(o, 5000);
	if (st == NATS_OK)
		st = natsOptions_SetMaxPingsOut(o, 2);
	if (st == NATS_OK)
		st = natsOptions_SetWriteDeadline(o, 5000);
	if (st == NATS_OK)
		st = natsOptions_SetIOBufSize(o, 128 * 1024);
	if (st == NATS_OK)
		st = natsOptions_SetSendAsap(o, true);
	if (st == NATS_OK)
		st = natsOptions_UseGlobalMessageDelivery(o, true);
	return st;
}

int bus_options_make(const struct bus_config *c, const char *client_name, natsOptions **ret,
                     char **ret_url, char **ret_prefix, struct err *e)
{
	struct settings s = {0};
	natsOptions *o = NULL;
	char nkey[NKEY_PUBLIC_LEN + 1];
	int rc = 0;
	struct {
		char **to;
		const char *from;
	} given[] = {{&s.url, c->url}, {&s.creds, c->creds}, {&s.nkey, c->nkey}, {&s.user, c->user},
	             {&s.password, c->password}, {&s.token, c->token}, {&s.cert, c->cert},
	             {&s.key, c->key}, {&s.ca, c->ca}, {&s.prefix, c->inbox_prefix}};

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		*given[i].to = given[i].from && *given[i].from ? xstrdup(given[i].from) : NULL;
	/* An explicit address without a named context is complete: the selected context is for when nothing is said. */
	if (c->context || !s.url)
		rc = read_context(c->context, &s, e);
	if (!rc && !s.url)
		s.url = xstrdup("nats://127.0.0.1:4222");
	if (!rc)
		rc = readable("nats.creds", s.creds, e);
	if (!rc && s.nkey)
		rc = nkey_public(s.nkey, nkey, e);
	if (!rc)
		rc = readable("nats.cert", s.cert, e);
	if (!rc)
		rc = readable("nats.key", s.key, e);
	if (!rc)
		rc = readable("nats.ca", s.ca, e);
	if (!rc) {
		natsStatus st = natsOptions_Create(&o);
		if (st == NATS_OK)
			st = apply(o, &s, nkey, client_name);
		if (st != NATS_OK) {
			const char *last = nats_GetLastError(NULL);
			rc = err_set(e, ERR_INVALID, "NATS settings (url %s): %s%s%s", s.url,
			             natsStatus_GetText(st), last ? ": " : "", last ? last : "");
		}
	}
	if (!rc) {
		*ret = TAKE(o);
		*ret_url = TAKE(s.url);
		*ret_prefix = s.prefix ? TAKE(s.prefix) : xstrdup("_INBOX");
	}
	natsOptions_Destroy(o);
	settings_release(&s);
	return rc;
}
