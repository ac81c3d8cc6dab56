/* test_needs.c - what deliver may open once it is locked in: its files and spools, and nothing
 * beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "needs.h"
#include "service.h"

static struct service service;

static int begin(void **state)
{
	(void)state;
	service_begin(&service, NULL);
	service.settings.scope = MR_SCOPE_RUN;
	mr_config_add(&service.settings, "state", service.state);
	return 0;
}

static int end(void **state)
{
	(void)state;
	service_end(&service);
	return 0;
}

static struct mr_config *add_sink(const char *name, const char *type)
{
	struct mr_part *part = mr_config_part_add(&service.settings, MR_PART_SINK, name);
	mr_config_add(&part->settings, "type", type);
	return &part->settings;
}

/* The place, and that it is there. */
static void expect(const struct mr_needs *needs, size_t at, const char *path, enum mr_access how)
{
	assert_true(at < needs->count);
	assert_string_equal(needs->paths[at].path, path);
	assert_int_equal(needs->paths[at].access, how);
	if (how != MR_ACCESS_READ)
		assert_int_equal(access(path, F_OK), 0);
}

static void scan_needs_nothing(void **state)
{
	(void)state;
	struct mr_config scan = {.scope = MR_SCOPE_RUN};
	struct mr_needs needs = {0};
	deliver_needs(&scan, service.tables, &needs);
	assert_int_equal(needs.flags, 0);
	assert_int_equal(needs.count, 0);
	mr_config_fini(&scan);
}

static void files_and_no_folders_of_others(void **state)
{
	(void)state;
	struct mr_needs needs = {0};
	char alerts[128], letters[128], spool[128];
	snprintf(alerts, sizeof alerts, "%s/alerts.ndjson", service.state);
	snprintf(letters, sizeof letters, "%s/dead-letter.ndjson", service.state);
	snprintf(spool, sizeof spool, "%s/spool", service.state);
	mr_config_add(add_sink("a", "file"), "path", alerts);
	add_sink("b", "stdout");
	deliver_needs(&service.settings, service.tables, &needs);
	assert_int_equal(needs.flags, MR_NEEDS_FILES);
	assert_int_equal(needs.count, 3);
	expect(&needs, 0, spool, MR_ACCESS_WRITE);
	expect(&needs, 1, letters, MR_ACCESS_WRITE);
	expect(&needs, 2, alerts, MR_ACCESS_WRITE);
	mr_needs_fini(&needs);
	snprintf(letters, sizeof letters, "%s/rejected", service.state);
	mr_config_add(&service.settings, "dead_letter", letters);
	deliver_needs(&service.settings, service.tables, &needs);
	assert_int_equal(needs.count, 3);
	expect(&needs, 1, letters, MR_ACCESS_WRITE);
	mr_needs_fini(&needs);
}

/* Where a rotation may be: the folder, to make a file in. Not where the books lie below it. */
static void a_folder_of_its_own_for_rotations(void **state)
{
	(void)state;
	struct mr_needs needs = {0};
	char log[] = "/tmp/millrace-log-XXXXXX", alerts[64];
	assert_non_null(mkdtemp(log));
	snprintf(alerts, sizeof alerts, "%s/alerts.ndjson", log);
	mr_config_add(add_sink("a", "file"), "path", alerts);
	deliver_needs(&service.settings, service.tables, &needs);
	expect(&needs, needs.count - 1, log, MR_ACCESS_MAKE);
	assert_int_equal(access(alerts, F_OK), 0);
	mr_needs_fini(&needs);
	service_remove(log);
}

/* Of a receiver how names are looked up: what proves who speaks, a worker is given. */
static void a_webhook_reads_alone(void **state)
{
	(void)state;
	struct mr_needs needs = {0};
	struct mr_config *hook = add_sink("h", "webhook");
	mr_config_add(hook, "url", "https://receiver.example/");
	mr_config_add(hook, "client_certificate", "/somewhere/client.pem");
	mr_config_add(hook, "hmac_key_file", "/somewhere/key");
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials/one", 1);
	deliver_needs(&service.settings, service.tables, &needs);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(needs.flags, MR_NEEDS_FILES | MR_NEEDS_NETWORK);
	for (size_t i = 2; i < needs.count; i++) {
		const char *path = needs.paths[i].path;
		assert_int_equal(needs.paths[i].access, MR_ACCESS_READ);
		assert_null(strstr(path, "/somewhere"));
		assert_null(strstr(path, "/run/credentials"));
	}
	mr_needs_fini(&needs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(scan_needs_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(files_and_no_folders_of_others, begin, end),
	    cmocka_unit_test_setup_teardown(a_folder_of_its_own_for_rotations, begin, end),
	    cmocka_unit_test_setup_teardown(a_webhook_reads_alone, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
