/* test_control.c - the socket between a supervisor and a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "control.h"

static struct mr_control near, far;

static int join(void **state)
{
	int ends[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	mr_control_init(&near, ends[0]);
	mr_control_init(&far, ends[1]);
	return 0;
}

static int part(void **state)
{
	(void)state;
	mr_control_fini(&near);
	mr_control_fini(&far);
	return 0;
}

static void say(uint64_t number)
{
	mr_control_send(
	    &far, &(struct mr_control_message){.kind = MR_CONTROL_LOG, .number = number, .fd = -1});
}

static enum mr_err take_in_turn(void *context, struct mr_control_message *message,
				struct mr_error *error)
{
	uint64_t *next = context;
	(void)error;
	assert_int_equal(message->number, *next);
	++*next;
	return MR_OK;
}

/* What the socket can't take waits, and comes in its turn. */
static void all_that_was_said_is_heard(void **state)
{
	uint64_t next = 0;
	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		say(i);
	assert_true(mr_control_waits(&far));
	while (next < 5000) {
		uint64_t before = next;
		assert_int_equal(mr_control_listen(&near, take_in_turn, &next, NULL), MR_OK);
		assert_true(next > before);
		mr_control_flush(&far);
	}
	assert_false(mr_control_waits(&far));
	mr_control_fini(&far);
	assert_int_equal(mr_control_listen(&near, take_in_turn, &next, NULL), MR_END);
}

/* Who ends without having read what was said to it is heard to its last word all the same. */
static void last_words_of_one_who_did_not_listen_are_heard(void **state)
{
	uint64_t next = 0;
	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		say(i);
	mr_control_send(&near, &(struct mr_control_message){.kind = MR_CONTROL_PING, .fd = -1});
	mr_control_fini(&far);
	assert_int_equal(mr_control_listen(&near, take_in_turn, &next, NULL), MR_END);
	assert_int_equal(next, 3);
}

static enum mr_err provoke(void *context, struct mr_control_message *message,
			   struct mr_error *error)
{
	(void)error;
	++*(uint64_t *)context;
	say(message->number + 1);
	return MR_OK;
}

/* The other end has always one more word: who listens comes back all the same. */
static void who_never_stops_is_interrupted(void **state)
{
	uint64_t heard = 0;
	(void)state;
	say(0);
	assert_int_equal(mr_control_listen(&near, provoke, &heard, NULL), MR_OK);
	assert_true(heard > 0);
	uint64_t before = heard;
	assert_int_equal(mr_control_listen(&near, provoke, &heard, NULL), MR_OK);
	assert_true(heard > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(all_that_was_said_is_heard, join, part),
	    cmocka_unit_test_setup_teardown(last_words_of_one_who_did_not_listen_are_heard, join,
					    part),
	    cmocka_unit_test_setup_teardown(who_never_stops_is_interrupted, join, part),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
