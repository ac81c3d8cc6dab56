/* followed.h - a service that follows files, with what it logs: cmocka's set-up `begin`; `start`,
 * and `check` what has come since. */
#ifndef MILLRACE_TEST_FOLLOWED_H
#define MILLRACE_TEST_FOLLOWED_H

#include "logged.h"
#include "service_room.h"

static inline int begin(void **state)
{
	logged_begin();
	mr_log_set_level(MR_LOG_DEBUG);
	return service_clean(state);
}

static inline void start(struct service *service, const char *path)
{
	service_init(service, "file");
	service_path(service, path);
	assert_int_equal(service_begin(service), MR_OK);
}

static inline void check(struct service *service, const char *records)
{
	look(service);
	assert_string_equal(came(&service->stage.records), records);
}

#endif
