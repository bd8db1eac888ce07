/*
 * The body of a request while it arrives: in memory, or in a file without a
 * name once it is larger than a handler wants in memory. It stands alone as
 * the place where a stranger decides how much we hold.
 *
 * Bounds: http.body_memory or http.body_max of one, http.memory of all that
 * is held in memory. Over the first it is 413, over the second 503 (or the
 * file, where the route has one), without room for the file 507; whatever it
 * is, the rest of the body is read and dropped, so that the client gets the answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "common/log.h"
#include "gateway/http_internal.h"

static int64_t most(const struct http_request *r)
{
	const struct http_config *c = &r->http->config;

	return r->route->flags & HTTP_LARGE ? c->body_max_bytes : c->body_memory_bytes;
}

/* What the client says it will send; UINT64_MAX: it does not say. */
uint64_t body_announced(const struct http_request *r)
{
	const char *text = http_header(r, "Content-Length");

	if (http_header(r, "Transfer-Encoding"))
		return UINT64_MAX;
	return text ? strtoull(text, NULL, 10) : 0;
}

bool body_fits(struct http_request *r)
{
	uint64_t len = body_announced(r);

	if (len == UINT64_MAX || len <= (uint64_t)most(r))
		return true;
	http_problem(r, 413, NULL, "the body has %" PRIu64 " bytes; at most %" PRId64 " are taken here",
				 len, most(r));
	return false;
}

/* A file without a name: nothing is left behind, however we end. */
static int open_spool(const struct http *h)
{
	const char *dir = h->config.body_dir ? h->config.body_dir : getenv("TMPDIR");
	CLEANUP(free_ptr) char *path = NULL;
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	path = xasprintf("%s/millrace-body-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static bool write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void refuse(struct http_request *r, unsigned status)
{
	r->refuse_body = status;
	exchange_hold(r, -(int64_t)r->body.len);
	buf_release(&r->body);
	if (r->body_fd >= 0)
		close(r->body_fd);
	r->body_fd = -1;
}

static bool to_file(struct http_request *r, const char *data, size_t len)
{
	if (r->body_fd < 0) {
		r->body_fd = open_spool(r->http);
		if (r->body_fd < 0 || !write_all(r->body_fd, r->body.data, r->body.len))
			return false;
		exchange_hold(r, -(int64_t)r->body.len);
		buf_release(&r->body);
	}
	return write_all(r->body_fd, data, len);
}

void body_take(struct http_request *r, const char *data, size_t len)
{
	const struct http_config *c = &r->http->config;
	bool full = r->http->held_bytes + len > (uint64_t)c->memory_bytes;

	if (r->refuse_body)
		return;
	if (r->body_len + len > (uint64_t)most(r)) {
		refuse(r, 413);
		return;
	}
	r->body_len += len;
	if (r->route->flags & HTTP_LARGE &&
		(r->body_fd >= 0 || full || r->body_len > (uint64_t)c->body_memory_bytes)) {
		if (!to_file(r, data, len)) {
			log_error("cannot keep a large body", LOG_S("why", strerror(errno)));
			refuse(r, 507);
		}
	} else if (full) {
		refuse(r, 503);
	} else {
		exchange_hold(r, (int64_t)len);
		buf_add(&r->body, data, len);
	}
}

void body_refuse(struct http_request *r)
{
	switch (r->refuse_body) {
	case 413:
		http_problem(r, 413, NULL, "the body is over the limit of %" PRId64 " bytes", most(r));
		break;
	case 507:
		http_problem(r, 507, NULL, "there is no room to keep the body while it is passed on");
		break;
	default:
		http_problem(r, 503, NULL, "too many bodies arrive at once for http.memory; try again");
	}
}
