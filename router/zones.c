/*
 * The files of the tz database. It stands alone as the edge: a name that a
 * stranger gave becomes a path here, so it is judged by its letters first, and
 * a file is read whole, small as they are. A system without the database has
 * UTC alone, and says so to whoever asks for more.
 */
#include "router/zones.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#define NAME_MAX_LEN 64
#define FILE_MAX_BYTES ((size_t)256 << 10)
#define DIRECTORY "/usr/share/zoneinfo"

struct entry {
	char name[NAME_MAX_LEN + 1];
	struct zone zone;
	UT_hash_handle hh;
};

struct zones {
	struct entry *all; /* at most as many as the system has files */
};

static bool name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN || name[0] == '/' || name[len - 1] == '/' ||
		strstr(name, "//"))
		return false;
	for (const char *p = name; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
					 (*p >= '0' && *p <= '9') || strchr("_+-/", *p);
		if (!plain)
			return false; /* a dot too: no way up */
	}
	return true;
}

static int read_all(int fd, uint8_t *out, size_t max, size_t *ret_len)
{
	size_t len = 0;

	while (len < max) {
		ssize_t n = read(fd, out + len, max - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

static int load(const char *name, struct zone *ret, struct err *e)
{
	const char *given = getenv("TZDIR"), *directory = given && *given ? given : DIRECTORY;
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", directory, name);
	CLEANUP(free_ptr) uint8_t *bytes = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	size_t len = 0;

	if (fd < 0)
		return err_set(
			e, ERR_NOT_FOUND,
			"there is no time zone \"%s\" in %s; names are such as Europe/Berlin, and the "
			"package is tzdata",
			name, directory);
	bytes = xmalloc(FILE_MAX_BYTES);
	int rc = fstat(fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? -EISDIR : 0;
	if (rc == 0)
		rc = read_all(fd, bytes, FILE_MAX_BYTES, &len);
	close(fd);
	if (rc == -EISDIR)
		return err_set(e, ERR_NOT_FOUND, "\"%s\" is a region, not a time zone", name);
	if (rc)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(-rc));
	return zone_parse(bytes, len, ret, e) ? err_wrap(e, "%s", path) : 0;
}

int zones_get(struct zones *zs, const char *name, const struct zone **ret, struct err *e)
{
	static const struct zone utc;
	struct entry *z;
	int rc;

	if (!*name || str_eq(name, "UTC")) {
		*ret = &utc;
		return 0;
	}
	if (!name_ok(name))
		return err_set(e, ERR_INVALID, "\"%.80s\" is no name of a time zone, such as Europe/Berlin",
					   name);
	HASH_FIND_STR(zs->all, name, z);
	if (!z) {
		z = xcalloc(1, sizeof(*z));
		memcpy(z->name, name, strlen(name) + 1);
		rc = load(name, &z->zone, e);
		if (rc) {
			free(z);
			return rc;
		}
		HASH_ADD_STR(zs->all, name, z);
	}
	*ret = &z->zone;
	return 0;
}

void zones_forget(struct zones *zs)
{
	struct entry *z, *tmp;

	HASH_ITER (hh, zs->all, z, tmp) {
		HASH_DEL(zs->all, z);
		zone_release(&z->zone);
		free(z);
	}
}

struct zones *zones_new(void)
{
	return xcalloc(1, sizeof(struct zones));
}

void zones_free(struct zones **pzs)
{
	struct zones *zs = TAKE(*pzs);

	if (!zs)
		return;
	zones_forget(zs);
	free(zs);
}
