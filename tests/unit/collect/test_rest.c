/* test_rest.c - how long sources that have run dry are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "logged.h"
#include "rest.h"
#include "service_room.h"

#define KIB (1u << 10)

static int begin(void **state)
{
	logged_begin();
	rest_us = 0;
	return service_clean(state);
}

/* ---- the rule ---- */

static void a_trickle_rests_longest(void **state)
{
	(void)state;
	assert_int_equal(mr_rest_us(1300, 100000, 32 * KIB), MR_REST_MOST_US);
	assert_int_equal(mr_rest_us(1, INT64_MAX, UINT64_MAX), MR_REST_MOST_US);
	assert_int_equal(mr_rest_us(32 * KIB, MR_REST_MOST_US, 32 * KIB), MR_REST_MOST_US);
}

static void more_rests_no_longer_than_there_is_room_for(void **state)
{
	(void)state;
	assert_int_equal(mr_rest_us(64 * KIB, 20000, 32 * KIB), 10000);
	assert_int_equal(mr_rest_us(320 * KIB, 10000, 32 * KIB), MR_REST_LEAST_US);
	assert_int_equal(mr_rest_us(321 * KIB, 10000, 32 * KIB), 0);
	assert_int_equal(mr_rest_us(1, 0, 32 * KIB), 0);
}

static void nobody_rests_for_more_than_is_enough(void **state)
{
	(void)state;
	assert_int_equal(mr_rest_us(KIB * KIB, 10000, UINT64_MAX), 1250);
	assert_int_equal(mr_rest_us(2 * KIB * KIB, 10000, UINT64_MAX), 0);
}

/* A sender that fills all that it has, four times `room`, and is held up until it is read. */
static void who_is_held_up_is_soon_read_without_rest(void **state)
{
	int64_t rest = MR_REST_MOST_US;
	int turns = 0;

	(void)state;
	for (; rest > 0; turns++)
		rest = mr_rest_us(4 * 32 * KIB, rest, 32 * KIB);
	assert_true(turns <= 3);
}

/* ---- sources ---- */

/* Over a pipe in place of standard input. */
static void begin_over(struct service *service, int ends[2], const char *sync_interval)
{
	int standard_input = dup(STDIN_FILENO);

	assert_int_equal(pipe(ends), 0);
	dup2(ends[0], STDIN_FILENO);
	service_init(service, "stdin");
	service_set(service, "sync_interval", sync_interval);
	assert_int_equal(service_begin(service), MR_OK);
	dup2(standard_input, STDIN_FILENO);
	close(standard_input);
}

static void end_over(struct service *service, const int ends[2])
{
	service_fini(service);
	close(ends[0]);
	close(ends[1]);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* At that time. */
static void poll_at(struct service *service, int64_t now_us)
{
	service->now.steady_us = now_us;
	assert_int_equal(stage_poll(&service->stage), MR_AGAIN);
}

static void a_record_is_handed_on_at_once_and_a_rest_begins(void **state)
{
	struct service service;
	int ends[2];

	(void)state;
	begin_over(&service, ends, "20ms");
	poll_at(&service, 1000000);
	assert_int_equal(rest_us, 0);
	say(ends[1], "1\n");
	poll_at(&service, 2000000);
	assert_int_equal(service.stage.record_count, 1);
	assert_int_equal(rest_us, 2000000 + MR_REST_MOST_US);
	/* None came: nobody rests again for that. */
	poll_at(&service, 2030000);
	assert_int_equal(rest_us, 2000000 + MR_REST_MOST_US);
	/* The beginning of a line is no record. */
	say(ends[1], "2");
	poll_at(&service, 2040000);
	assert_int_equal(service.stage.record_count, 1);
	say(ends[1], "\n3\n");
	poll_at(&service, 2060000);
	assert_int_equal(service.stage.record_count, 3);
	assert_int_equal(rest_us, 2060000 + MR_REST_MOST_US);
	end_over(&service, ends);
}

/* Here the journal is to be made durable; what there was before is by then. */
static void a_rest_ends_when_something_is_due(void **state)
{
	struct service service;
	int ends[2];

	(void)state;
	begin_over(&service, ends, "3ms");
	poll_at(&service, 1000000);
	poll_at(&service, 1003000);
	say(ends[1], "1\n");
	poll_at(&service, 2000000);
	assert_int_equal(rest_us, 2003000);
	end_over(&service, ends);
}

/* A line of half of what the pipe holds, 10 ms after the last one. */
static void say_half(struct service *service, const int ends[2], int64_t now_us)
{
	int holds = fcntl(ends[0], F_GETPIPE_SZ);
	int most = holds / 4 < (int)MR_REST_ENOUGH ? holds / 4 : (int)MR_REST_ENOUGH;
	int64_t took = (int64_t)10000 * most / (holds / 2);
	uint64_t before = service->stage.record_count;
	char *line = mr_asprintf("%0*d\n", holds / 2, 1);

	say(ends[1], line);
	poll_at(service, now_us);
	assert_int_equal(service->stage.record_count, before + 1);
	/* A little less: the block has a few bytes besides. */
	assert_in_range(rest_us, now_us + took - took / 10, now_us + took);
	free(line);
}

/* What the system lets it hold, a quarter of which may come unread; who writes may shorten it. */
static void a_pipe_rests_by_what_it_holds(void **state)
{
	struct service service;
	int ends[2];

	(void)state;
	begin_over(&service, ends, "20ms");
	say(ends[1], "1\n");
	poll_at(&service, 1000000);
	say_half(&service, ends, 1010000);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1) > 0);
	say_half(&service, ends, 1020000);
	end_over(&service, ends);
}

/* As many short records as a socket has room for, each sent by itself: far fewer bytes than it says
 * to hold. */
static void fill(int fd)
{
	static const char line[] = "{\"Id\":1}\n";

	while (send(fd, line, sizeof(line) - 1, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void short_records_fill_a_socket_and_are_soon_read(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct service service;
	int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t now_us;
	int turns = 0;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	in_path("sock", address.sun_path, sizeof(address.sun_path));
	assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof(address)), 0);
	rest_us = 1000000;
	do {
		now_us = rest_us;
		fill(peer);
		poll_at(&service, now_us);
	} while (rest_us > now_us && ++turns < 10);
	assert_in_range(turns, 1, 4);
	close(peer);
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_trickle_rests_longest),
	    cmocka_unit_test(more_rests_no_longer_than_there_is_room_for),
	    cmocka_unit_test(nobody_rests_for_more_than_is_enough),
	    cmocka_unit_test(who_is_held_up_is_soon_read_without_rest),
	    cmocka_unit_test_setup(a_record_is_handed_on_at_once_and_a_rest_begins, begin),
	    cmocka_unit_test_setup(a_rest_ends_when_something_is_due, begin),
	    cmocka_unit_test_setup(a_pipe_rests_by_what_it_holds, begin),
	    cmocka_unit_test_setup(short_records_fill_a_socket_and_are_soon_read, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
