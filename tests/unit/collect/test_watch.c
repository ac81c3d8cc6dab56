/* test_watch.c - many followed sources have one inotify instance, and do without where none is
 * left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "logged.h"
#include "service_room.h"

#define SOURCES 10

static unsigned instances;
static bool none_is_left;

/* The kernel's, but counted. */
int inotify_init1(int flags)
{
	instances++;
	if (!none_is_left)
		return (int)syscall(SYS_inotify_init1, flags);
	errno = EMFILE;
	return -1;
}

static int begin(void **state)
{
	instances = 0;
	none_is_left = false;
	logged_begin();
	return service_clean(state);
}

static void add_source(struct service *service, unsigned number, const char *file)
{
	char name[16];
	char *path = mr_asprintf("%s/in/%s", service_folder, file);
	struct mr_part *part;

	snprintf(name, sizeof(name), "s%u", number);
	part = mr_config_part_add(&service->config, MR_PART_SOURCE, name);
	mr_config_add(&part->settings, "type", "file");
	mr_config_add(&part->settings, "path", path);
	mr_config_add(&part->settings, "segment_bytes", "1048576");
	free(path);
}

static void all_sources_have_one_instance(void **state)
{
	struct service service;
	enum mr_err err;

	(void)state;
	service_init(&service, "file");
	service_path(&service, "first");
	for (unsigned i = 0; i < SOURCES; i++)
		add_source(&service, i, i % 2 == 0 ? "even" : "odd");
	assert_int_equal(service_begin(&service), MR_OK);
	look(&service);
	assert_int_equal(instances, 1);
	assert_int_equal(service.stage.record_count, 0);
	/* Each of those that want to hear of one directory does, before a second has passed. */
	append("even", "{\"n\":2}\n");
	do
		err = stage_poll(&service.stage);
	while (err == MR_OK || err == MR_FULL);
	assert_int_equal(err, MR_AGAIN);
	assert_int_equal(service.stage.record_count, SOURCES / 2);
	service_fini(&service);
}

static void without_one_it_is_looked_each_second(void **state)
{
	struct service service;

	(void)state;
	none_is_left = true;
	service_init(&service, "file");
	service_path(&service, "first");
	add_source(&service, 1, "other");
	assert_int_equal(service_begin(&service), MR_OK);
	look(&service);
	assert_non_null(strstr(logged, "fs.inotify.max_user_instances"));
	assert_int_equal(warnings, 1);
	append("first", "{\"n\":1}\n");
	append("other", "{\"n\":2}\n");
	look(&service);
	look(&service);
	append("first", "{\"n\":3}\n");
	look(&service);
	assert_int_equal(service.stage.record_count, 3);
	assert_int_equal(instances, 1);
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(all_sources_have_one_instance, begin),
	    cmocka_unit_test_setup(without_one_it_is_looked_each_second, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
