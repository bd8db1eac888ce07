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
	size_t open_requests, connections;
	struct http_request *exchanges;
	struct http_connection *conns;
	uv_timer_t sweep;
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
	struct http *http;                 /* NULL: closed */
	struct MHD_Connection *connection; /* NULL: gone */
	unsigned refs;                     /* the connection's, the handler's */
	enum exchange_state state;
	bool suspended, counted, refuse_body, is_stream;
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
	int64_t since_mono_ms; /* waits for a request since; 0: one is under way */
	struct http_connection *prev, *next;
};

/* MHD's callbacks. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *c);
enum MHD_Result exchange_step(void *cls, struct MHD_Connection *c, const char *url,
							  const char *method, const char *version, const char *upload,
							  size_t *upload_len, void **con_cls);
void exchange_end(void *cls, struct MHD_Connection *c, void **con_cls,
				  enum MHD_RequestTerminationCode why);

/* A body may take a millisecond for each so many bytes, beside http.receive_timeout. */
#define HTTP_SLOWEST_BYTES_PER_MS 16

void exchange_answered(struct http_request *r);
/* Has MHD run soon. */
void http_kick(struct http *h);
/* Before the end: what is suspended is resumed, for MHD to let go of. */
void exchange_abandon(struct http *h);
/* Ends what takes too long to arrive. */
void exchange_sweep(struct http *h, int64_t now_ms);
struct http_connection *http_connection_of(struct MHD_Connection *c);
