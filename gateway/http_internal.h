/* What http.c (the server) and http_request.c (one exchange) share. */
#pragma once

#include <microhttpd.h>

#include "gateway/http.h"
#include "gateway/http_path.h"

struct http {
	uv_loop_t *loop;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned closing_handles;
	bool quiescing, closed, running, again;
	struct http_config config; /* strings are borrowed */
	const struct http_route *const *routes;
	struct http_events events;
	void *data;
	char *url;
	char *tls_cert, *tls_key;
	int listen_fd;
	size_t connections;
	size_t owned;                   /* exchanges that handlers have, their clients there or not */
	uint64_t held_bytes;            /* bodies and answers in memory */
	struct http_request *exchanges; /* MHD's */
	struct http_request *orphans;   /* a handler's, after their connections went */
	struct http_connection *conns;
	uv_timer_t sweep;
	unsigned vain_runs; /* in a row, of MHD wanting to run again at once, and doing nothing */
};

struct http_header_pair {
	char *name, *value;
};

enum exchange_state {
	EXCHANGE_HEADERS, /* the request line came */
	EXCHANGE_BODY,
	EXCHANGE_OWNED, /* by its handler */
	EXCHANGE_ANSWERED,
	EXCHANGE_SENDING,
};

struct http_request {
	struct http *http;                 /* NULL: the connection has gone */
	struct http *server;               /* the same, but until the server is closed */
	struct MHD_Connection *connection; /* NULL: gone */
	unsigned refs;                     /* the connection's, the handler's */
	enum exchange_state state;
	bool suspended, owned, is_stream, endless;
	bool discarding;      /* answered already; what is left of the body is read and dropped */
	bool gone;            /* the client has hung up; MHD is to close */
	unsigned refuse_body; /* the status for it; 0: it is taken */
	uint64_t held_bytes;  /* our part of the server's */
	const struct http_route *route;
	struct http_params params;
	char *raw;  /* path as it came, without the query */
	char *path; /* decoded, for logs */
	char method[16];
	char peer[64];
	struct buf body;
	int body_fd; /* -1 */
	uint64_t body_len;
	unsigned status;
	struct http_header_pair *headers; /* of the answer */
	size_t nheaders;
	struct MHD_Response *response;
	struct http_stream stream;
	enum scope scope;
	int64_t since_mono_ms;
	struct http_request *prev, *next;
};

/* One TCP connection, while MHD has it. */
struct http_connection {
	struct MHD_Connection *mhd;
	int fd;
	int64_t since_mono_ms;         /* waits for a request since; 0: one is under way */
	bool used;                     /* had one already */
	struct http_request *exchange; /* the one under way, or NULL */
	struct http_connection *prev, *next;
};

/* MHD's callbacks. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *c);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *c, const char *url,
							  const char *method, const char *version, const char *upload,
							  size_t *upload_len, void **con_cls);
void exchange_end(void *cls, struct MHD_Connection *c, void **con_cls,
				  enum MHD_RequestTerminationCode why);

/* The same for a connection that MHD closes without telling of its exchange. */
void exchange_lost(struct http *h, struct http_connection *conn);

/* A body may take a millisecond for each so many bytes, beside http.receive_timeout. */
#define HTTP_SLOWEST_BYTES_PER_MS 16

void exchange_answered(struct http_request *r);
/* Counts memory that the exchange holds; a negative number gives it back. */
void exchange_hold(struct http_request *r, int64_t bytes);
/* Has MHD run soon. */
void http_kick(struct http *h);
/* Before the end: what is suspended is resumed, for MHD to let go of. */
void exchange_abandon(struct http *h);
/* After it: what handlers still have knows no server any more. */
void exchange_forget(struct http *h);
/* Ends what takes too long to arrive, and what waits for a client that hung up. */
void exchange_sweep(struct http *h, int64_t now_ms);
struct http_connection *http_connection_of(struct MHD_Connection *c);

/* http_wellformed.c: false: it was answered 400. */
bool http_wellformed(struct http_request *r);

/* http_body.c */
uint64_t body_announced(const struct http_request *r);
/* false: it was answered 413. */
bool body_fits(struct http_request *r);
void body_take(struct http_request *r, const char *data, size_t len);
/* Answers a body that was not taken. */
void body_refuse(struct http_request *r);
