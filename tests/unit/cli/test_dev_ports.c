/* dev_ports: ports of a private system, chosen once and kept; the gateway's may be wished for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/dev_files.h"
#include "cli/dev_ports.h"

/* A socket that has the port (0: any); -1: somebody else has it. */
static int take(int port, int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1) ||
		getsockname(fd, (struct sockaddr *)&a, &len)) {
		close(fd);
		return -1;
	}
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static int make_dir(void **state)
{
	char *dir = xstrdup("/tmp/millrace-ports-XXXXXX");

	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int remove_dir(void **state)
{
	struct err e;

	assert_int_equal(files_remove_tree(*state, &e), 0);
	free(*state);
	return 0;
}

static void they_stay_from_one_start_to_the_next(void **state)
{
	struct dev_ports first, second;
	struct err e;

	assert_int_equal(ports_load(*state, 0, &first, &e), 0);
	assert_true(first.nats != first.http && first.http != first.postgres && first.nats > 0);
	assert_int_equal(ports_load(*state, 0, &second, &e), 0);
	assert_memory_equal(&first, &second, sizeof(first));
	/* Also where 8080 would be free now: the address that people know is this one. */
	assert_int_equal(ports_load(*state, -1, &second, &e), 0);
	assert_int_equal(second.http, first.http);
}

static void a_port_that_was_asked_for_is_it_or_an_error(void **state)
{
	struct dev_ports ports;
	struct err e;
	int port, fd = take(0, &port);

	assert_true(fd >= 0);
	assert_int_equal(ports_load(*state, port, &ports, &e), ERR_IO);
	char number[16];
	snprintf(number, sizeof(number), "%d", port);
	assert_non_null(strstr(e.text, number));
	close(fd);
	assert_int_equal(ports_load(*state, port, &ports, &e), 0);
	assert_int_equal(ports.http, port);
	/* And is remembered. */
	assert_int_equal(ports_load(*state, -1, &ports, &e), 0);
	assert_int_equal(ports.http, port);
}

static void the_usual_port_is_taken_where_it_is_free(void **state)
{
	struct dev_ports ports;
	struct err e;
	int port, fd = take(HTTP_PORT, &port);

	/* Ours or somebody else's: it is taken. */
	assert_int_equal(ports_load(*state, -1, &ports, &e), 0);
	assert_int_not_equal(ports.http, HTTP_PORT);
	if (fd < 0)
		return;
	close(fd);
	CLEANUP(free_ptr) char *path = xasprintf("%s/ports.json", (char *)*state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ports_load(*state, -1, &ports, &e), 0);
	/* Unless another system of this machine was quicker. */
	fd = take(HTTP_PORT, &port);
	assert_true(ports.http == HTTP_PORT || fd < 0);
	if (fd >= 0)
		close(fd);
}

static void a_lost_port_is_replaced_and_remembered(void **state)
{
	struct dev_ports ports, again;
	struct err e;

	assert_int_equal(ports_load(*state, 0, &ports, &e), 0);
	int old = ports.http;
	int fd = take(old, &(int){0});
	assert_int_equal(ports_replace(*state, &ports, &ports.http, &e), 0);
	assert_int_not_equal(ports.http, old);
	close(fd);
	assert_int_equal(ports_load(*state, 0, &again, &e), 0);
	assert_int_equal(again.http, ports.http);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_stay_from_one_start_to_the_next, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_port_that_was_asked_for_is_it_or_an_error, make_dir,
										remove_dir),
		cmocka_unit_test_setup_teardown(the_usual_port_is_taken_where_it_is_free, make_dir,
										remove_dir),
		cmocka_unit_test_setup_teardown(a_lost_port_is_replaced_and_remembered, make_dir,
										remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
