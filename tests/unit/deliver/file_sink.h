/* file_sink.h - a service with a file sink, for the tests of its file. */
#ifndef MILLRACE_TEST_FILE_SINK_H
#define MILLRACE_TEST_FILE_SINK_H

#include "service.h"

static char path[128]; /* in a folder of its own */

static inline void begin(struct service *service)
{
	service_begin(service, sink_find("file"));
	char log[sizeof service->state + 8];
	snprintf(log, sizeof log, "%s/log", service->state);
	assert_int_equal(mkdir(log, 0700), 0);
	snprintf(path, sizeof path, "%s/alerts.ndjson", log);
	mr_config_add(&service->settings, "path", path);
}

static inline void open_again(struct service *service)
{
	struct mr_error error = {0};
	if (service_open(service, &error) != MR_OK)
		fail_msg("%s", error.text);
}

static inline size_t read_file(char *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = read(fd, out, room - 1);
	close(fd);
	assert_true(len >= 0);
	out[len] = '\0';
	return (size_t)len;
}

/* The file holds these lines, each once, in this order. */
static inline void assert_lines(unsigned count)
{
	static char got[1 << 20], want[1 << 20];
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		service_line(i, want + at);
		at += strlen(want + at);
	}
	want[at] = '\0';
	read_file(got, sizeof got);
	assert_string_equal(got, want);
}

static inline void append(const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void put(struct service *service, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_true(service_put(service, i));
	service_flush(service);
}

static inline void restart_fails(struct service *service, const char *words)
{
	struct mr_error error = {0};
	assert_int_equal(service_open(service, &error), MR_BAD_INPUT);
	if (strstr(error.text, words) == NULL)
		fail_msg("%s", error.text);
	service_crash(service);
}

static inline void barrier_fails(struct service *service, const char *words)
{
	struct mr_error error = {0};
	assert_int_equal(service->sink.ops->barrier(&service->sink, &error), MR_BAD_INPUT);
	if (strstr(error.text, words) == NULL)
		fail_msg("%s", error.text);
}

#endif
