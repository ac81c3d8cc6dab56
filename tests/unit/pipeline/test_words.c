/* test_words.c - whom the supervisor believes that no other start would help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "few_stages.h"
#include "supervisor.h"

#define WORKERS 3

static struct mr_group groups[WORKERS] = {
    {.name = "collect", .chain = {"collect"}, .workers = 1},
    {.name = "parse", .chain = {"parse"}, .workers = 1},
    {.name = "deliver", .chain = {"deliver"}, .workers = 1},
};
static struct mr_edge edges[] = {{.from = 0, .to = 1}, {.from = 1, .to = 2}};

static struct mr_supervisor supervisor;
static struct mr_control ends[WORKERS];

static int begin(void **state)
{
	(void)state;
	supervisor = (struct mr_supervisor){.signals = -1, .worker_count = WORKERS};
	supervisor.setup.topology = (struct mr_topology){
	    .groups = groups, .group_count = WORKERS, .edges = edges, .edge_count = 2};
	supervisor.workers = mr_calloc(WORKERS, sizeof *supervisor.workers);
	for (uint32_t i = 0; i < WORKERS; i++) {
		int fds[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
		mr_control_init(&supervisor.workers[i].control, fds[0]);
		mr_control_init(&ends[i], fds[1]);
		mr_setup_worker_name(&supervisor.setup.topology, i, supervisor.workers[i].name);
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < WORKERS; i++) {
		mr_control_fini(&supervisor.workers[i].control);
		mr_control_fini(&ends[i]);
	}
	free(supervisor.workers);
	return 0;
}

/* What the supervisor makes of a worker's word that it has failed so. */
static enum mr_err failed(uint32_t worker, uint64_t code)
{
	struct mr_error error = {0};
	mr_control_send(&ends[worker], &(struct mr_control_message){.kind = MR_CONTROL_FAILED,
								    .number = code,
								    .bytes = MR_SLICE("it says"),
								    .fd = -1});
	enum mr_err err = mr_supervisor_listen(&supervisor, worker, &error);
	assert_int_equal(err, error.code);
	assert_non_null(strstr(error.text, ": it says"));
	return err;
}

static void who_has_met_records_ends_no_service(void **state)
{
	static const enum mr_err staying[] = {MR_BAD_INPUT, MR_READER_GONE, MR_UNSUPPORTED,
					      MR_CONFIG, MR_NOT_FOUND};
	(void)state;
	for (size_t i = 0; i < sizeof staying / sizeof *staying; i++) {
		for (uint32_t worker = 0; worker < WORKERS; worker++) {
			supervisor.workers[worker].ready = false;
			assert_int_equal(failed(worker, staying[i]), staying[i]);
			supervisor.workers[worker].ready = true;
			assert_int_equal(failed(worker, staying[i]),
					 worker == 1 ? MR_PROTOCOL : staying[i]);
		}
		supervisor.setup.finite = true; /* scan ends with any failure */
		assert_int_equal(failed(1, staying[i]), staying[i]);
		supervisor.setup.finite = false;
	}
	assert_int_equal(failed(1, MR_IO), MR_IO);
	assert_int_equal(failed(1, MR_NO_SPACE), MR_NO_SPACE);
}

static void a_failure_is_an_error(void **state)
{
	(void)state;
	const uint64_t none[] = {MR_OK, MR_FULL, MR_END, MR_AGAIN, MR_NOT_FOUND + 1u, UINT64_MAX};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(failed(0, none[i]), MR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(who_has_met_records_ends_no_service, begin, end),
	    cmocka_unit_test_setup_teardown(a_failure_is_an_error, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
