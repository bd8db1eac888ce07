/*
 * initdb, and the server's command line. PostgreSQL is run directly, without
 * pg_ctl: the supervisor wants to be its parent.
 *
 * Goes well: DIR/pg is there, or initdb makes DIR/pg.new, a single-user server
 * makes the database, and one rename makes it DIR/pg. Fails: no PostgreSQL
 * installed, initdb's own words (DIR/log/initdb.log), a cluster of a version
 * that is not installed any more.
 */
#include "cli/dev_postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/dev_broker.h"
#include "cli/dev_files.h"
#include "common/proc.h"
#include "common/buf.h"

#define SUPERUSER "millrace"
#define DATABASE "agentsys"

/* "15" from PG_VERSION of an existing cluster; "" where there is none. */
static void cluster_version(const char *data, char ret[8])
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/PG_VERSION", data);
	FILE *f = fopen(path, "re");

	ret[0] = '\0';
	if (!f)
		return;
	if (fscanf(f, "%7[0-9]", ret) != 1)
		ret[0] = '\0';
	fclose(f);
}

static bool has_server(const char *bin)
{
	CLEANUP(free_ptr) char *server = xasprintf("%s/postgres", bin);
	CLEANUP(free_ptr) char *init = xasprintf("%s/initdb", bin);

	return access(server, X_OK) == 0 && access(init, X_OK) == 0;
}

/* The newest of Debian's, or the one of that version. Returns owned, NULL where there is none. */
static char *find_debian(const char *version)
{
	CLEANUP(free_ptr)
	char *pattern = xasprintf("/usr/lib/postgresql/%s/bin", *version ? version : "*");
	char *best = NULL;
	long best_version = 0;
	glob_t found;

	if (glob(pattern, 0, NULL, &found) != 0)
		return NULL;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		long v = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);

		if (v > best_version && has_server(found.gl_pathv[i])) {
			best_version = v;
			free(best);
			best = xstrdup(found.gl_pathv[i]);
		}
	}
	globfree(&found);
	return best;
}

static char *find_on_path(void)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t len = strcspn(path, ":");
		char *bin = xasprintf("%.*s", (int)len, path);

		if (len > 0 && has_server(bin))
			return bin;
		free(bin);
		path += len + (path[len] == ':');
	}
	return NULL;
}

/* Bits of CapPrm in /proc/self/status: containers may have taken some from root. */
static uint64_t own_capabilities(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t bits = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "CapPrm:", 7) == 0)
			bits = strtoull(line + 7, NULL, 16);
	}
	if (f)
		fclose(f);
	return bits;
}

/* As root: the words of setpriv that make a process user postgres. */
static int plan_become(struct postgres *p, struct err *e)
{
	const struct passwd *user;
	uint64_t caps = own_capabilities();
	CLEANUP(buf_release) struct buf keep = {0};

	p->owner_uid = getuid();
	p->owner_gid = getgid();
	if (getuid() != 0)
		return 0;
	user = getpwnam("postgres");
	if (!user)
		return err_set(e, ERR_NOT_FOUND,
		               "PostgreSQL does not run as root, and there is no user postgres to become");
	p->owner_uid = user->pw_uid;
	p->owner_gid = user->pw_gid;
	if (caps & (1u << 1))
		buf_add_str(&keep, ",+dac_override");
	if (caps & (1u << 2))
		buf_add_str(&keep, ",+dac_read_search");
	p->become = argv_make("/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres",
	                      "--clear-groups", "--pdeathsig=keep", NULL);
	if (keep.len > 0) {
		CLEANUP(free_ptr) char *inherit = xasprintf("--inh-caps=-all%s", keep.data);
		CLEANUP(free_ptr) char *ambient = xasprintf("--ambient-caps=-all%s", keep.data);

		argv_add(&p->become, inherit);
		argv_add(&p->become, ambient);
	}
	return 0;
}

int postgres_find(const char *dir, struct postgres *ret, struct err *e)
{
	struct postgres p = {.data = xasprintf("%s/pg", dir)};
	char version[8];

	cluster_version(p.data, version);
	p.bin = find_debian(version);
	if (!p.bin && !*version)
		p.bin = find_on_path();
	if (!p.bin) {
		if (*version)
			err_set(e, ERR_NOT_FOUND,
			        "%s is of PostgreSQL %s, which is not installed (install postgresql-%s, or "
			        "`millrace dev purge`)",
			        p.data, version, version);
		else
			err_set(e, ERR_NOT_FOUND, "no PostgreSQL server here (Debian: apt-get install postgresql)");
		postgres_release(&p);
		return ERR_NOT_FOUND;
	}
	if (plan_become(&p, e) != 0) {
		postgres_release(&p);
		return e->code;
	}
	*ret = p;
	return 0;
}

void postgres_release(struct postgres *p)
{
	free(p->bin);
	free(p->data);
	free(p->password);
	argv_free(&p->become);
	*p = (struct postgres){0};
}

/* The words of p->become, then bin/program. Returns owned. */
static char **command(const struct postgres *p, const char *program)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", p->bin, program);
	char **argv = NULL;

	for (size_t i = 0; p->become && p->become[i]; i++)
		argv_add(&argv, p->become[i]);
	argv_add(&argv, path);
	return argv;
}

static int load_password(struct postgres *p, const char *path, struct err *e)
{
	bool needed = access(p->data, F_OK) == 0;
	uint8_t random[16];
	char text[33];
	FILE *f = fopen(path, "re");

	if (f) {
		bool ok = fscanf(f, "%32[0-9a-f]", text) == 1 && strlen(text) == 32;

		fclose(f);
		if (ok) {
			p->password = xstrdup(text);
			return 0;
		}
	}
	if (needed)
		return err_set(e, ERR_NOT_FOUND,
					   "%s, the password of the database in %s, is lost; without it there is only "
					   "'millrace dev purge', which removes the data",
					   path, p->data);
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(e, ERR_IO, "no random bytes: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(text + 2 * i, 3, "%02x", random[i]);
	p->password = xstrdup(text);
	return files_write(path, text, strlen(text), 0600, e);
}

/* A file that PostgreSQL's user can read, for initdb alone. */
static int run_initdb(const struct postgres *p, const char *dir, const char *data,
                      const char *log_path, struct err *e)
{
	CLEANUP(free_ptr) char *pw_path = xasprintf("%s/pg.initial-password", dir);
	CLEANUP(free_ptr) char *pw_flag = xasprintf("--pwfile=%s", pw_path);
	CLEANUP(argv_free) char **argv = command(p, "initdb");
	static const char *const words[] = {
		"--username=" SUPERUSER, "--encoding=UTF8",   "--locale=C.UTF-8",
		"--auth=scram-sha-256",  "--no-instructions", "--pgdata",
	};
	struct proc_spec s = {.log_path = log_path, .death_signal = SIGKILL};
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		argv_add(&argv, words[i]);
	argv_add(&argv, data);
	argv_add(&argv, pw_flag);
	rc = files_write(pw_path, p->password, strlen(p->password), 0600, e);
	if (rc == 0 && chown(pw_path, p->owner_uid, p->owner_gid) != 0)
		rc = err_set(e, ERR_IO, "cannot give %s to its user: %s", pw_path, strerror(errno));
	if (rc == 0) {
		s.argv = (const char *const *)argv;
		rc = proc_run(&s, e);
	}
	unlink(pw_path);
	return rc;
}

static int create_database(const struct postgres *p, const char *data, const char *log_path,
                           struct err *e)
{
	CLEANUP(argv_free) char **argv = command(p, "postgres");
	struct proc_spec s = {
		.log_path = log_path,
		.input = "CREATE DATABASE " DATABASE ";\n",
		.death_signal = SIGKILL,
	};

	argv_add(&argv, "--single");
	argv_add(&argv, "-D");
	argv_add(&argv, data);
	argv_add(&argv, "postgres");
	s.argv = (const char *const *)argv;
	return proc_run(&s, e);
}

int postgres_init(struct postgres *p, const char *dir, struct err *e)
{
	CLEANUP(free_ptr) char *pw_path = xasprintf("%s/pg.password", dir);
	CLEANUP(free_ptr) char *fresh = xasprintf("%s/pg.new", dir);
	CLEANUP(free_ptr) char *log_path = xasprintf("%s/log/initdb.log", dir);

	if (load_password(p, pw_path, e) != 0)
		return e->code;
	if (access(p->data, F_OK) == 0)
		return 0;
	if (files_remove_tree(fresh, e) != 0)
		return e->code;
	if (mkdir(fresh, 0700) != 0 || chown(fresh, p->owner_uid, p->owner_gid) != 0)
		return err_set(e, ERR_IO, "cannot make %s: %s", fresh, strerror(errno));
	if (run_initdb(p, dir, fresh, log_path, e) != 0 ||
	    create_database(p, fresh, log_path, e) != 0)
		return err_wrap(e, "make a database cluster");
	if (rename(fresh, p->data) != 0)
		return err_set(e, ERR_IO, "cannot rename %s: %s", fresh, strerror(errno));
	return 0;
}

char **postgres_argv(const struct postgres *p, const struct dev_ports *ports)
{
	CLEANUP(free_ptr) char *port = xasprintf("port=%d", ports->postgres);
	char **argv = command(p, "postgres");
	const char *const settings[] = {
		port,
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"timezone=UTC",
		"log_timezone=UTC",
		"max_connections=100",
		"max_wal_size=2GB",
		"log_checkpoints=off",
		"logging_collector=off",
	};

	argv_add(&argv, "-D");
	argv_add(&argv, p->data);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		argv_add(&argv, "-c");
		argv_add(&argv, settings[i]);
	}
	return argv;
}

char *postgres_url(const struct postgres *p, const struct dev_ports *ports)
{
	return xasprintf("postgres://" SUPERUSER ":%s@127.0.0.1:%d/" DATABASE "?sslmode=disable",
	                 p->password, ports->postgres);
}

bool postgres_ready(const struct postgres *p, pid_t pid)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/postmaster.pid", p->data);
	FILE *f = fopen(path, "re");
	char line[256];
	bool ready = false;

	/* Line 1 is the pid, line 8 the state. */
	for (int i = 1; f && fgets(line, sizeof(line), f); i++) {
		if (i == 1 && strtol(line, NULL, 10) != pid)
			break;
		if (i == 8)
			ready = strncmp(line, "ready", 5) == 0;
	}
	if (f)
		fclose(f);
	return ready;
}
