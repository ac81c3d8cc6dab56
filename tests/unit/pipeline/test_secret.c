/* Secrets: which files may hold one, and what is read of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/secret.h"

static char folder[] = "/tmp/millrace-secret-XXXXXX";
static char path[64];

static void write_file(const char *bytes, size_t len, mode_t mode)
{
	FILE *out = fopen(path, "w");
	fwrite(bytes, 1, len, out);
	fclose(out);
	chmod(path, mode);
}

static void reads(const char *bytes, size_t len, const char *secret, size_t secret_len)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	write_file(bytes, len, 0600);
	mr_buf_add(&out, "x", 1);
	assert_int_equal(mr_secret_read(path, &out, &error), MR_OK);
	assert_int_equal(out.len, secret_len + 1);
	assert_memory_equal(out.data + 1, secret, secret_len);
	mr_buf_fini(&out);
}

static void refuses(enum mr_err wanted, const char *words)
{
	struct mr_buf out = {0};
	struct mr_error error = {0};
	mr_buf_add(&out, "x", 1);
	assert_int_equal(mr_secret_read(path, &out, &error), wanted);
	assert_int_equal(out.len, 1);
	assert_memory_equal(error.text, path, strlen(path));
	assert_non_null(strstr(error.text, words));
	mr_buf_fini(&out);
}

/* One line end at its end is the editor's; all else is the secret's. */
static void what_is_read(void **state)
{
	(void)state;
	reads("hush", 4, "hush", 4);
	reads("hush\n", 5, "hush", 4);
	reads("hush\r\n", 6, "hush", 4);
	reads("hush\n\n", 6, "hush\n", 5);
	reads(" a\0b ", 5, " a\0b ", 5);
	char *most = mr_calloc(1, MR_SECRET_MAX);
	reads(most, MR_SECRET_MAX, most, MR_SECRET_MAX);
	free(most);
}

static void what_is_refused(void **state)
{
	(void)state;
	write_file("", 0, 0600);
	refuses(MR_CONFIG, "empty");
	write_file("\n", 1, 0600);
	refuses(MR_CONFIG, "empty");
	write_file("hush", 4, 0604);
	refuses(MR_CONFIG, "everybody may read or write this secret (mode 0604)");
	write_file("hush", 4, 0602);
	refuses(MR_CONFIG, "everybody may read or write this secret (mode 0602)");
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, MR_SECRET_MAX + 1), 0);
	refuses(MR_CONFIG, "larger than 65536 bytes");
	unlink(path);
	refuses(MR_NOT_FOUND, "No such file");
	/* No pipe is waited for. */
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(MR_CONFIG, "no regular file");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refuses(MR_CONFIG, "no regular file");
	rmdir(path);
}

static void leads_to(const char *text, const char *wanted)
{
	struct mr_error error = {0};
	char *found;
	assert_int_equal(mr_secret_path(text, "/etc/m", &found, &error), MR_OK);
	assert_string_equal(found, wanted);
	free(found);
}

static void leads_nowhere(const char *text, const char *words)
{
	struct mr_error error = {0};
	char *found;
	assert_int_equal(mr_secret_path(text, "/etc/m", &found, &error), MR_CONFIG);
	assert_null(found);
	assert_non_null(strstr(error.text, words));
}

static void where_it_lies(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	leads_to("key", "/etc/m/key");
	leads_to("/run/key", "/run/key");
	leads_nowhere("credential:key", "systemd gave no credentials (LoadCredential=key:FILE)");
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials/m", 1);
	leads_to("credential:key", "/run/credentials/m/key");
	leads_nowhere("credential:", "no credential's name");
	leads_nowhere("credential:../key", "no credential's name");
	leads_nowhere("credential:a/b", "no credential's name");
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_read),
	    cmocka_unit_test(what_is_refused),
	    cmocka_unit_test(where_it_lies),
	};
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/key", folder);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
