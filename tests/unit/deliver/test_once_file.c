/* test_once_file.c - the file sink: each line once over crashes, torn ends, full disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "millrace/alive.h"
#include "os_faults.h"
#include "file_sink.h"

static void what_is_behind_the_checkpoint_comes_again_and_stands_once(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	put(&service, 3, 6);
	service_crash(&service);
	append("{\"message\":\"torn");
	open_again(&service);
	put(&service, 3, 8);
	service_checkpoint(&service);
	assert_lines(8);
	assert_non_null(strstr(service.logged, "a torn line of 16 bytes"));
	service_end(&service);
}

/* Also where no checkpoint was made yet. */
static void a_crash_before_the_first_checkpoint(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	append("what was there before\nand what was left open");
	open_again(&service);
	put(&service, 0, 3);
	service_crash(&service);
	open_again(&service);
	put(&service, 0, 4);
	service_checkpoint(&service);
	static char got[4096], want[4096] = "what was there before\nand what was left open\n";
	for (unsigned i = 0; i < 4; i++)
		service_line(i, want + strlen(want));
	read_file(got, sizeof got);
	assert_string_equal(got, want);
	service_end(&service);
}

/* A checkpoint between the restart and the line's coming again must not forget it. */
static void a_checkpoint_before_all_came_again(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	service_checkpoint(&service);
	put(&service, 0, 6);
	service_crash(&service);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	service_crash(&service);
	open_again(&service);
	put(&service, 2, 7);
	service_checkpoint(&service);
	service_crash(&service);
	open_again(&service);
	put(&service, 7, 8);
	assert_lines(8);
	service_end(&service);
}

static void revisions_stand_once_each(void **state)
{
	struct service service;
	struct line_id id = service_id(1);
	const char *first = "{\"severity_id\":4,\"activity_id\":2,\"count\":8,\"finding_info\":{"
			    "\"uid\":\"00010101010101010101010101010101\"}}\n";
	const char *second = "{\"severity_id\":4,\"activity_id\":2,\"count\":16,\"finding_info\":{"
			     "\"uid\":\"00010101010101010101010101010101\"}}\n";
	char got[1024], want[1024];
	(void)state;
	begin(&service);
	open_again(&service);
	service_checkpoint(&service);
	for (int life = 0; life < 3; life++) {
		struct mr_alert alert = {.activity = MR_ACTIVITY_UPDATE, .event_count = 8};
		memcpy(alert.id, id.id, sizeof id.id);
		assert_true(service_put(&service, 1));
		id = line_id_of_alert(&alert, (enum mr_level)4);
		service.sink.ops->put(&service.sink, &id, mr_slice(first), NULL);
		alert.event_count = 16;
		id = line_id_of_alert(&alert, (enum mr_level)4);
		service.sink.ops->put(&service.sink, &id, mr_slice(second), NULL);
		service_flush(&service);
		service_crash(&service);
		open_again(&service);
	}
	service_line(1, want);
	strcat(strcat(want, first), second);
	read_file(got, sizeof got);
	assert_string_equal(got, want);
	service_end(&service);
}

static void a_file_that_is_another_is_refused(void **state)
{
	struct service service;
	char words[128], line[512];
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	service_crash(&service);
	service_line(0, line);
	size_t length = strlen(line);
	assert_int_equal(truncate(path, (off_t)length), 0);
	snprintf(words, sizeof words, "has %zu bytes, and had %zu", length, 3 * length);
	restart_fails(&service, words);
	for (int i = 0; i < 4; i++)
		append(line);
	restart_fails(&service, "is not the file of the last checkpoint");
	service_end(&service);
}

static void a_file_that_is_cut_meanwhile_is_refused(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	assert_int_equal(truncate(path, 0), 0);
	put(&service, 3, 4);
	barrier_fails(&service, "was made shorter");
	service_end(&service);
}

static void another_path_is_begun_anew(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	service_crash(&service);
	mr_config_fini(&service.settings);
	service.settings.scope = MR_SCOPE_SINK;
	strcat(path, ".2");
	mr_config_add(&service.settings, "path", path);
	open_again(&service);
	put(&service, 0, 2);
	service_crash(&service);
	service.position.len = 0;
	open_again(&service);
	put(&service, 0, 2);
	assert_lines(2);
	service_end(&service);
}

static void two_writers_are_refused(void **state)
{
	struct service service;
	struct sink other;
	struct mr_error error = {0};
	(void)state;
	begin(&service);
	open_again(&service);
	assert_int_equal(sink_open(&other, sink_find("file"), &service.sink_env, "other",
				   &service.settings, &error),
			 MR_CONFIG);
	assert_non_null(strstr(error.text, "another process is writing to it"));
	service_end(&service);
}

static void strange_lines_are_named_and_stay(void **state)
{
	struct service service;
	char got[2048];
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 1);
	service_checkpoint(&service);
	service_crash(&service);
	append("somebody's\n");
	open_again(&service);
	put(&service, 1, 2);
	assert_non_null(strstr(service.logged, "1 lines behind the last checkpoint"));
	read_file(got, sizeof got);
	assert_non_null(strstr(got, "\nsomebody's\n{"));
	service_end(&service);
}

/* Any write tears, any later one goes well: each line stands there once. */
static void a_full_disk_is_waited_for(void **state)
{
	struct service service;
	(void)state;
	for (unsigned half = 0; half < 2; half++) {
		begin(&service);
		open_again(&service);
		put(&service, 0, 1);
		os_fault((struct os_fault){
		    .call = OS_WRITE, .nth = 1, .number = ENOSPC, .lasting = true, .half = half});
		unsigned at = 1;
		/* What takes half of each write takes all but the last line. */
		for (; at < 600 && service_put(&service, at); at++)
			service_flush(&service);
		assert_int_equal(at == 600, half);
		struct mr_error error = {0};
		service_step_second(&service);
		assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_FULL);
		assert_non_null(strstr(service.logged, "No space left on device"));
		assert_int_equal(strstr(service.logged, "nothing is read until") == NULL, half);
		os_faults_end();
		service_step(&service, 0);
		assert_true(service_put(&service, at));
		assert_int_equal(strstr(service.logged, "reading goes on") == NULL, half);
		assert_non_null(strstr(service.logged, "can be written again"));
		service_checkpoint(&service);
		assert_lines(at + 1);
		service_end(&service);
	}
}

/* Nor can the mark of the first start be written: then there is no room yet. */
static void a_disk_that_is_full_from_the_first_line_is_waited_for(void **state)
{
	struct service service;
	(void)state;
	for (unsigned half = 0; half < 2; half++) {
		struct mr_error error = {0};
		begin(&service);
		open_again(&service);
		os_fault((struct os_fault){
		    .call = OS_WRITE, .nth = 1, .number = ENOSPC, .lasting = true, .half = half});
		assert_false(service_put(&service, 0));
		service_flush(&service);
		service_step_second(&service);
		assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_FULL);
		assert_non_null(strstr(service.logged, "No space left on device; it is tried"));
		assert_null(strstr(service.logged, "can be written again"));
		os_faults_end();
		put(&service, 0, 3);
		assert_non_null(strstr(service.logged, "can be written again"));
		service_crash(&service);
		open_again(&service);
		put(&service, 0, 3);
		assert_lines(3);
		service_end(&service);
	}
}

/* Each call that makes something durable fails once: then nothing was promised, and a new life gets
 * all there is, once. */
static void every_call_may_fail(void **state)
{
	struct service service;
	(void)state;
	for (unsigned nth = 1;; nth++) {
		struct mr_error error = {0};
		begin(&service);
		os_fault((struct os_fault){.nth = nth, .number = EIO});
		enum mr_err err = service_open(&service, &error);
		struct line_id id = service_id(0);
		char line[512];
		service_line(0, line);
		if (err == MR_OK)
			err = service.sink.ops->put(&service.sink, &id, mr_slice(line), &error);
		if (err == MR_OK)
			err = service.sink.ops->barrier(&service.sink, &error);
		bool met = os_fault_met();
		os_faults_end();
		assert_int_equal(err, met ? MR_IO : MR_OK);
		service_crash(&service);
		open_again(&service);
		put(&service, 0, 2);
		service_checkpoint(&service);
		assert_lines(2);
		service_end(&service);
		if (!met)
			break;
		assert_true(nth < 50);
	}
}

/* Lives until all is in a checkpoint; one that ends for an error begins where the last one was.
 * How many ended so. */
static unsigned live_until_all_is_kept(struct service *service, unsigned from, unsigned to)
{
	unsigned ended = 0;
	for (enum mr_err err = MR_IO; err != MR_OK; ended += err != MR_OK) {
		struct mr_error error = {0};
		err = service_open(service, &error);
		for (unsigned i = from; err == MR_OK && i < to; i++) {
			struct line_id id = service_id(i);
			char line[512];
			service_line(i, line);
			err = service->sink.ops->put(&service->sink, &id, mr_slice(line), &error);
			if (err == MR_OK && i % 2 == 1)
				err = service->sink.ops->barrier(&service->sink, &error);
		}
		assert_true(err == MR_OK || err == MR_IO);
		assert_true(err == MR_OK || strstr(error.text, "Input/output error") != NULL);
		if (err == MR_OK)
			service->position.len = 0;
		if (err == MR_OK)
			service->sink.ops->snapshot(&service->sink, &service->position);
		service_crash(service);
	}
	return ended;
}

/* The same bytes in a file of its own, as somebody puts it back. */
static void put_back_a_copy(void)
{
	char *command =
	    mr_asprintf("cp '%s' '%s.copy' && mv '%s.copy' '%s'", path, path, path, path);
	assert_int_equal(system(command), 0);
	free(command);
}

/* Whichever read fails: no checkpoint holds what was not read, no file is taken for another, and no
 * line comes twice. */
static void every_read_may_fail(void **state)
{
	(void)state;
	for (unsigned copied = 0; copied < 2; copied++) {
		bool met = true;
		for (unsigned nth = 1; met; nth++) {
			struct service service;
			begin(&service);
			assert_int_equal(live_until_all_is_kept(&service, 0, 2), 0);
			if (copied)
				put_back_a_copy();
			os_fault((struct os_fault){.call = OS_PREAD, .nth = nth, .number = EIO});
			unsigned ended = live_until_all_is_kept(&service, 2, 6);
			met = os_fault_met();
			os_faults_end();
			assert_int_equal(ended, met);
			assert_lines(6);
			assert_null(strstr(service.logged, "not in its folder any more"));
			assert_int_equal(live_until_all_is_kept(&service, 6, 8), 0);
			assert_lines(8);
			service_end(&service);
		}
	}
}

static void a_position_survives_any_bytes(void **state)
{
	struct service service;
	struct mr_error error = {0};
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	put(&service, 2, 3);
	service_crash(&service);
	size_t whole = service.position.len;
	for (size_t len = 1; len < whole; len++) {
		char *exact = mr_malloc(len);
		memcpy(exact, service.position.data, len);
		assert_int_equal(sink_open(&service.sink, service.ops, &service.sink_env, "main",
					   &service.settings, &error),
				 MR_OK);
		assert_int_equal(
		    service.sink.ops->restore(&service.sink, (struct mr_slice){exact, len}, &error),
		    MR_BAD_INPUT);
		service_crash(&service);
		free(exact);
	}
	open_again(&service);
	put(&service, 2, 4);
	assert_lines(4);
	service_end(&service);
}

static void count_sign(void *context)
{
	++*(unsigned *)context;
}

/* What is much is brought to the disk in pieces, with a sign of life behind each. */
static void a_long_sync_gives_signs_of_life(void **state)
{
	struct service service;
	struct mr_error error = {0};
	unsigned signs = 0;
	size_t len = 1 << 20;
	char *line = malloc(len);
	(void)state;
	begin(&service);
	open_again(&service);
	memset(line, 'x', len - 1);
	line[len - 1] = '\n';
	for (unsigned i = 0; i < 20; i++) {
		struct line_id id = service_id(i);
		assert_int_equal(
		    service.sink.ops->put(&service.sink, &id, (struct mr_slice){line, len}, &error),
		    MR_OK);
	}
	mr_alive_listen(count_sign, &signs);
	assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_OK);
	assert_int_equal(signs, 2);
	assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_OK);
	mr_alive_listen(NULL, NULL);
	assert_int_equal(signs, 2);
	free(line);
	service_end(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_behind_the_checkpoint_comes_again_and_stands_once),
	    cmocka_unit_test(a_crash_before_the_first_checkpoint),
	    cmocka_unit_test(a_checkpoint_before_all_came_again),
	    cmocka_unit_test(revisions_stand_once_each),
	    cmocka_unit_test(a_file_that_is_another_is_refused),
	    cmocka_unit_test(a_file_that_is_cut_meanwhile_is_refused),
	    cmocka_unit_test(another_path_is_begun_anew),
	    cmocka_unit_test(two_writers_are_refused),
	    cmocka_unit_test(strange_lines_are_named_and_stay),
	    cmocka_unit_test(a_full_disk_is_waited_for),
	    cmocka_unit_test(a_disk_that_is_full_from_the_first_line_is_waited_for),
	    cmocka_unit_test(every_call_may_fail),
	    cmocka_unit_test(every_read_may_fail),
	    cmocka_unit_test(a_position_survives_any_bytes),
	    cmocka_unit_test(a_long_sync_gives_signs_of_life),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
