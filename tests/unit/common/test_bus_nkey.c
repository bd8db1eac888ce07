/* The public key of a seed; the pair was made with the reference tool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/bus_nkey.h"

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int derive(const char *text, char public[NKEY_PUBLIC_LEN + 1], struct err *e)
{
	char path[] = "/tmp/test_nkey.XXXXXX";

	write_file(path, text);
	int rc = nkey_public(path, public, e);
	unlink(path);
	return rc;
}

#define SEED "SUAKGTMZRLBYIHQTT4XLSGTYGAGXKNPLOFLZ4NJC5GOTGO3HR6KZQ7JBSU"
#define PUBLIC "UB5QURIBKCPGQ3ZVPCEQX4DGEH3XW64JZU7L5VGWIT6PRG7LKSIJIGR2"

static void derives_the_public_key(void **state)
{
	char public[NKEY_PUBLIC_LEN + 1];
	struct err e;

	(void)state;
	assert_int_equal(derive(SEED "\n", public, &e), 0);
	assert_string_equal(public, PUBLIC);
	/* as `nats auth nkey gen` prints it, with other lines beside */
	assert_int_equal(derive("# a comment\n\n" SEED "\n" PUBLIC "\n", public, &e), 0);
	assert_string_equal(public, PUBLIC);
}

static void names_the_fault(void **state)
{
	char public[NKEY_PUBLIC_LEN + 1];
	struct err e;

	(void)state;
	assert_int_equal(derive("no seed here\n", public, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "no seed"));
	assert_int_equal(derive("SUAKGTMZRLBYIHQTT4XLSGTYGAGXKNPLOFLZ4NJC5GOTGO3HR6KZQ7JBAU\n", public, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "damaged"));
	assert_int_equal(derive("SUAKG\n", public, &e), ERR_INVALID);
	assert_int_equal(nkey_public("/nonexistent/seed", public, &e), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(derives_the_public_key),
	    cmocka_unit_test(names_the_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
