/* The gateway's configuration: one table. What each key means stands in its help. */
#include "gateway/config.h"

#include "common/clock.h"
#include "gateway/cors.h"

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

static const struct config_key keys[] = {
	BUS_CONFIG_KEYS(struct gateway_config, nats),
	DAEMON_CONFIG_KEYS(struct gateway_config, daemon),
	{"http.listen", CONFIG_STRING, offsetof(struct gateway_config, http.listen), "127.0.0.1:8080",
	 "address and port; port 0: a free one. Beyond this machine only with tokens"},
	{"http.tls_cert", CONFIG_STRING, offsetof(struct gateway_config, http.tls_cert), NULL,
	 "certificate (PEM): then it speaks HTTPS"},
	{"http.tls_key", CONFIG_STRING, offsetof(struct gateway_config, http.tls_key), NULL,
	 "its private key (PEM)"},
	{"http.connections", CONFIG_INT, offsetof(struct gateway_config, http.connections_max), "4096",
	 "most connections at once; further ones wait to be accepted", NULL, 16, 1000000},
	{"http.connections_per_address", CONFIG_INT,
	 offsetof(struct gateway_config, http.connections_per_peer), "0",
	 "most of them from one address; 0: no limit", NULL, 0, 1000000},
	{"http.header_size", CONFIG_SIZE, offsetof(struct gateway_config, http.header_bytes), "32k",
	 "request line and headers of one request", NULL, 4 * KIB, MIB},
	{"http.body_memory", CONFIG_SIZE, offsetof(struct gateway_config, http.body_memory_bytes),
	 "1MiB",
	 "largest body that is kept in memory; a larger task goes through a file to the object store",
	 NULL, 64 * KIB, 64 * MIB},
	{"http.body_max", CONFIG_SIZE, offsetof(struct gateway_config, http.body_max_bytes), "1GiB",
	 "largest body of a task", NULL, 64 * KIB, 1024 * GIB},
	{"http.memory", CONFIG_SIZE, offsetof(struct gateway_config, http.memory_bytes), "256MiB",
	 "all bodies and answers that are held at a time; over it requests are refused", NULL, 8 * MIB,
	 1024 * GIB},
	{"http.body_dir", CONFIG_STRING, offsetof(struct gateway_config, http.body_dir), NULL,
	 "where bodies over http.body_memory wait until they are passed on; default $TMPDIR, else "
	 "/tmp"},
	{"http.idle_timeout", CONFIG_DURATION, offsetof(struct gateway_config, http.idle_ns), "30s",
	 "a connection on which nothing moves is closed", NULL, NS_PER_S, 3600 * NS_PER_S},
	{"http.receive_timeout", CONFIG_DURATION, offsetof(struct gateway_config, http.receive_ns),
	 "15s", "a request must have come whole by then (large bodies: and a second for each 16 kB)",
	 NULL, NS_PER_S, 3600 * NS_PER_S},
	{"http.tokens_file", CONFIG_STRING, offsetof(struct gateway_config, access.tokens_file), NULL,
	 "file of tokens (docs/operations.md); then every request needs one"},
	{"http.hosts", CONFIG_STRING, offsetof(struct gateway_config, access.hosts), NULL,
	 "names of this gateway beside localhost, comma-separated; only asked for without tokens"},
	{"http.cors_origins", CONFIG_STRING, offsetof(struct gateway_config, access.cors), NULL,
	 "origins whose pages may ask (CORS), with commas between: https://app.example, or * for any"},
	{"http.rate", CONFIG_INT, offsetof(struct gateway_config, access.rate_per_s), "2000",
	 "most requests a second of one address, and of one token; 0: no limit. Only with tokens", NULL,
	 0, 1000000},
	{"http.burst", CONFIG_INT, offsetof(struct gateway_config, access.burst), "4000",
	 "how many of them may come at once", NULL, 1, 1000000},
	{"http.requests", CONFIG_INT, offsetof(struct gateway_config, access.requests_max), "3000",
	 "most requests under way, those that wait for a task's end included; further ones are "
	 "answered 429",
	 NULL, 1, 1000000},
	{"new_token", CONFIG_STRING, offsetof(struct gateway_config, access.new_token), NULL,
	 "make a token of that NAME: its line for http.tokens_file on stdout, itself on stderr; and "
	 "exit"},
	{"scope", CONFIG_STRING, offsetof(struct gateway_config, access.scope), "read",
	 "what --new-token's may do: read, submit or operate"},
	{"expires", CONFIG_DURATION, offsetof(struct gateway_config, access.expires_ns), "0",
	 "how long it is good, such as 90d; 0: for ever"},
	{"http.request_timeout", CONFIG_DURATION, offsetof(struct gateway_config, ask_timeout_ns),
	 "10s", "how long a component may take to answer", NULL, 100 * NS_PER_MS, 300 * NS_PER_S},
	{"http.streams", CONFIG_INT, offsetof(struct gateway_config, streams_max), "1000",
	 "most listeners of /events at once; one more is answered 429", NULL, 1, 100000},
	{"tasks.default_type", CONFIG_STRING, offsetof(struct gateway_config, default_type), "default",
	 "type of a task that names none"},
	{"sla.target", CONFIG_DURATION, offsetof(struct gateway_config, sla_target_ns), "500ms",
	 "the promise whose keeping is measured: a task ends this soon after it was submitted", NULL,
	 NS_PER_MS, 3600 * NS_PER_S},
	{"sla.window", CONFIG_DURATION, offsetof(struct gateway_config, sla_window_ns), "5m",
	 "over which time its share is told", NULL, 10 * NS_PER_S, 24 * 3600 * NS_PER_S},
	{0},
};

static const struct config_key *const tables[] = {keys, NULL};

const struct config_program gateway_program = {
	.name = "millrace-gateway",
	.summary = "REST, live dashboard and metrics over HTTP.",
	.usage = "[options]",
	.tables = tables,
	.epilog =
		"The dashboard is at /, what can be asked at /docs.\n"
		"\n"
		"  millrace-gateway                                    this machine alone, without tokens\n"
		"  millrace-gateway --new-token laptop --scope operate >> tokens\n"
		"  millrace-gateway --http-listen 0.0.0.0:8080 --http-tokens-file tokens"
		"\n"
		"--list-routes prints each route and the scope that it needs.",
};

int gateway_config_check(const struct gateway_config *c, struct err *e)
{
	if (!c->http.tls_cert != !c->http.tls_key)
		return err_set(e, ERR_INVALID,
					   "http.tls_cert and http.tls_key belong together: %s is missing",
					   c->http.tls_cert ? "http.tls_key" : "http.tls_cert");
	if (cors_check(c->access.cors, e))
		return e->code;
	return access_check(&c->access, &c->http, e);
}
