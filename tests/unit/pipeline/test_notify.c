/* test_notify.c - what a fake systemd is told; and whether a worker's pulse is felt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"
#include "pulse.h"

static int listener = -1;
static char heard[1024];

/* '@' is an abstract name. */
static void listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	memcpy(at.sun_path, path, len);
	if (path[0] == '@')
		at.sun_path[0] = 0;
	listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
			 0);
	setenv("NOTIFY_SOCKET", path, 1);
}

/* The next word, or "". */
static const char *hear(void)
{
	ssize_t len = recv(listener, heard, sizeof heard - 1, MSG_DONTWAIT);
	heard[len > 0 ? len : 0] = 0;
	return heard;
}

static void says_all(const char *path)
{
	struct mr_notify notify;
	listen_at(path);
	mr_notify_open(&notify);
	assert_null(getenv("NOTIFY_SOCKET"));
	mr_notify_ready(&notify);
	assert_string_equal(hear(), "READY=1");
	mr_notify_status(&notify, "2 workers\nERRNO=5");
	assert_string_equal(hear(), "STATUS=2 workers ERRNO=5");
	mr_notify_reloading(&notify);
	long long monotonic_us;
	assert_int_equal(sscanf(hear(), "RELOADING=1\nMONOTONIC_USEC=%lld", &monotonic_us), 1);
	assert_true(monotonic_us > 0);
	mr_notify_stopping(&notify);
	assert_string_equal(hear(), "STOPPING=1");
	mr_notify_close(&notify);
	close(listener);
}

static void each_word_is_a_datagram(void **state)
{
	(void)state;
	char path[64];
	snprintf(path, sizeof path, "/tmp/millrace-notify-%d", (int)getpid());
	says_all(path);
	unlink(path);
	snprintf(path, sizeof path, "@millrace-notify-%d", (int)getpid());
	says_all(path);
}

static void a_long_status_is_cut(void **state)
{
	(void)state;
	struct mr_notify notify;
	char words[2000], path[64];
	snprintf(path, sizeof path, "@millrace-notify-%d", (int)getpid());
	listen_at(path);
	mr_notify_open(&notify);
	for (size_t i = 0; i < sizeof words; i++)
		words[i] = (char)(i % 2 == 0 ? 0xc3 : 0xa9);
	words[sizeof words - 1] = 0;
	mr_notify_status(&notify, words);
	assert_int_equal(strlen(hear()), 511);
	assert_int_equal((unsigned char)heard[510], 0xa9);
	mr_notify_close(&notify);
	close(listener);
}

static void the_watchdog_is_fed_at_half_its_time(void **state)
{
	(void)state;
	struct mr_notify notify;
	char path[64];
	snprintf(path, sizeof path, "@millrace-notify-%d", (int)getpid());
	listen_at(path);
	setenv("WATCHDOG_USEC", "1000", 1);
	mr_notify_open(&notify);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_int_equal(notify.watchdog_us, 500);
	mr_notify_turn(&notify, 10000);
	assert_string_equal(hear(), "WATCHDOG=1");
	mr_notify_turn(&notify, 10499);
	assert_string_equal(hear(), "");
	mr_notify_turn(&notify, 10500);
	assert_string_equal(hear(), "WATCHDOG=1");
	mr_notify_close(&notify);
	close(listener);
}

static void a_watchdog_of_another_process_is_not_fed(void **state)
{
	(void)state;
	struct mr_notify notify;
	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	mr_notify_open(&notify);
	assert_int_equal(notify.watchdog_us, 0);
	const char *none[] = {"", "0", "-5", "x"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		setenv("WATCHDOG_USEC", none[i], 1);
		mr_notify_open(&notify);
		assert_int_equal(notify.watchdog_us, 0);
	}
}

static void nobody_to_tell_is_no_error(void **state)
{
	(void)state;
	const char *paths[] = {"", "@", "relative", "/nowhere/at/all", NULL};
	char longest[200];
	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = 0;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct mr_notify notify;
		setenv("NOTIFY_SOCKET", paths[i] == NULL ? longest : paths[i], 1);
		mr_notify_open(&notify);
		assert_int_equal(notify.fd, -1);
		mr_notify_ready(&notify);
		mr_notify_close(&notify);
	}
}

/* ---- pulse ---- */

static void a_worker_that_answers_is_asked_again(void **state)
{
	(void)state;
	struct mr_pulse pulse = {0};
	assert_int_equal(mr_pulse_silent_us(&pulse, 5000), 0);
	assert_true(mr_pulse_ask(&pulse, 1000, 400));
	assert_false(mr_pulse_ask(&pulse, 5000, 400)); /* one question at a time */
	assert_int_equal(mr_pulse_silent_us(&pulse, 1399), 399);
	assert_false(mr_pulse_answer(&pulse, 2));
	assert_true(mr_pulse_answer(&pulse, 1));
	assert_false(mr_pulse_answer(&pulse, 1)); /* nobody asked again */
	assert_int_equal(mr_pulse_silent_us(&pulse, 99999), 0);
	assert_false(mr_pulse_ask(&pulse, 1099, 400));
	assert_true(mr_pulse_ask(&pulse, 1100, 400));
	assert_int_equal(mr_pulse_silent_us(&pulse, 1600), 500);
}

static void what_the_supervisor_slept_through_is_forgiven(void **state)
{
	(void)state;
	struct mr_pulse pulse = {0};
	assert_true(mr_pulse_ask(&pulse, 1000, 400));
	mr_pulse_forgive(&pulse, 900000);
	assert_int_equal(mr_pulse_silent_us(&pulse, 900100), 100);
	assert_true(mr_pulse_answer(&pulse, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_word_is_a_datagram),
	    cmocka_unit_test(a_long_status_is_cut),
	    cmocka_unit_test(the_watchdog_is_fed_at_half_its_time),
	    cmocka_unit_test(a_watchdog_of_another_process_is_not_fed),
	    cmocka_unit_test(nobody_to_tell_is_no_error),
	    cmocka_unit_test(a_worker_that_answers_is_asked_again),
	    cmocka_unit_test(what_the_supervisor_slept_through_is_forgiven),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
