/* test_alert_spool.c - lines on disk: order, restarts, torn ends, damage, bounds, failing disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os_faults.h"
#include "service.h"
#include "spool.h"

#define MOST 65536
#define SEGMENT 1000
#define FRAME_HEAD 40
#define SEGMENT_HEAD 32

static struct service service;
static struct spool spool;
static char place[128];

static void reopen(void)
{
	struct mr_error error = {0};
	if (spool_open(&spool, "sink s", place, MOST, SEGMENT, 5, &error) != MR_OK)
		fail_msg("%s", error.text);
	struct mr_slice bytes = {service.position.data, service.position.len};
	if (bytes.len > 0 && spool_restore(&spool, bytes, &error) != MR_OK)
		fail_msg("%s", error.text);
	if (spool_ready(&spool, &error) != MR_OK)
		fail_msg("%s", error.text);
}

static void begin(void)
{
	service_begin(&service, NULL);
	snprintf(place, sizeof place, "%s/spool", service.state);
	reopen();
}

static void end(void)
{
	spool_close(&spool);
	service_end(&service);
}

static void append(unsigned number)
{
	char line[512];
	struct line_id id = service_id(number);
	service_line(number, line);
	spool_append(&spool, &id, mr_slice(line));
	assert_int_equal(spool_flush(&spool, NULL), MR_OK);
}

static void checkpoint(void)
{
	assert_int_equal(spool_sync(&spool, NULL), MR_OK);
	service.position.len = 0;
	spool_snapshot(&spool, &service.position);
	spool_committed(&spool);
}

/* Reads the next line, says that it was taken, gives its number; -1 where there is none. */
static int take(void)
{
	struct spool_line line;
	struct mr_error error = {0};
	enum mr_err err = spool_read(&spool, spool.acked, &line, &error);
	if (err == MR_END) {
		spool_acknowledge(&spool, spool.end);
		return -1;
	}
	if (err != MR_OK)
		fail_msg("%s", error.text);
	char want[512];
	int number = line.id.id[0] << 8 | line.id.id[1];
	service_line((unsigned)number, want);
	assert_true(mr_slice_eq(line.line, mr_slice(want)));
	spool_acknowledge(&spool, line.behind);
	return number;
}

static void lines_come_out_in_order(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 100; i++)
		append((unsigned)i);
	for (int i = 0; i < 50; i++)
		assert_int_equal(take(), i);
	for (int i = 100; i < 120; i++)
		append((unsigned)i);
	for (int i = 50; i < 120; i++)
		assert_int_equal(take(), i);
	assert_int_equal(take(), -1);
	assert_int_equal(spool.end.lines, 120);
	assert_int_equal(spool.acked.lines, 120);
	checkpoint();
	assert_int_equal(spool.segment_count, 1);
	end();
}

static void after_a_restart_each_lies_there_once(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 20; i++)
		append(i);
	assert_int_equal(take(), 0);
	checkpoint();
	for (unsigned i = 20; i < 40; i++)
		append(i);
	for (int i = 1; i < 30; i++)
		assert_int_equal(take(), i);
	spool_close(&spool);
	reopen();
	for (unsigned i = 20; i < 45; i++)
		append(i);
	assert_int_equal(spool.end.lines, 45);
	for (int i = 1; i < 45; i++)
		assert_int_equal(take(), i);
	assert_int_equal(take(), -1);
	assert_int_equal(spool.lost_bytes, 0);
	end();
}

static void without_a_checkpoint_all_is_kept(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 20; i++)
		append(i);
	spool_close(&spool);
	reopen();
	for (unsigned i = 0; i < 21; i++)
		append(i);
	for (int i = 0; i < 21; i++)
		assert_int_equal(take(), i);
	assert_int_equal(take(), -1);
	end();
}

/* The n-th segment by name; its size. */
static size_t segment_path(size_t n, char *out)
{
	struct dirent **all;
	int count = scandir(place, &all, NULL, alphasort);
	assert_true(count > (int)n + 2);
	sprintf(out, "%s/%s", place, all[n + 2]->d_name);
	for (int i = 0; i < count; i++)
		free(all[i]);
	free(all);
	struct stat about;
	assert_int_equal(stat(out, &about), 0);
	return (size_t)about.st_size;
}

static void a_torn_end_is_cut(void **state)
{
	(void)state;
	for (unsigned torn = 1; torn < 200; torn += 7) {
		char path[512], line[512];
		begin();
		append(0);
		checkpoint();
		append(1);
		service_line(1, line);
		size_t size = segment_path(0, path);
		size_t frame = FRAME_HEAD + strlen(line);
		spool_close(&spool);
		assert_int_equal(truncate(path, (off_t)(size - (torn < frame ? torn : frame))), 0);
		reopen();
		append(1);
		append(2);
		for (int i = 0; i < 3; i++)
			assert_int_equal(take(), i);
		assert_int_equal(take(), -1);
		assert_int_equal(spool.lost_bytes, 0);
		end();
	}
}

/* Any byte of any file is flipped: at most one line is lost, and it is said. */
static void damage_is_named_and_what_is_behind_is_read(void **state)
{
	(void)state;
	for (size_t at = 0; at < 1000; at += 13) {
		char path[512], byte;
		begin();
		for (unsigned i = 0; i < 20; i++)
			append(i);
		checkpoint();
		size_t size = segment_path(1, path);
		spool_close(&spool);
		if (at >= size) {
			end();
			break;
		}
		int fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		close(fd);
		reopen();
		int last = -1, count = 0;
		for (int got; (got = take()) >= 0; count++) {
			assert_true(got > last);
			last = got;
		}
		assert_int_equal(last, 19);
		assert_int_equal(count, at < SEGMENT_HEAD ? 20 : 19);
		assert_true(at < SEGMENT_HEAD || spool.lost_bytes > 0);
		assert_non_null(strstr(service.logged, at < SEGMENT_HEAD
							   ? ".spool is damaged: how many alerts "
							   : "its spool is damaged: bytes "));
		end();
	}
}

static void one_of_a_newer_program_is_refused(void **state)
{
	char path[512], head[SEGMENT_HEAD];
	struct mr_error error = {0};
	(void)state;
	begin();
	append(0);
	segment_path(0, path);
	spool_close(&spool);
	int fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
	head[4]++;
	uint64_t hash = mr_hash64(head, 24, 0);
	memcpy(head + 24, &hash, sizeof hash);
	assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
	close(fd);
	assert_int_equal(spool_open(&spool, "sink s", place, MOST, SEGMENT, 5, &error),
			 MR_UNSUPPORTED);
	assert_non_null(strstr(error.text, "0000000000000000.spool was written by a newer"));
	assert_int_equal(access(path, F_OK), 0);
	service_end(&service);
}

static void files_that_are_gone_are_named(void **state)
{
	char path[512];
	(void)state;
	begin();
	for (unsigned i = 0; i < 20; i++)
		append(i);
	checkpoint();
	spool_close(&spool);
	service_remove(place);
	reopen();
	append(20);
	assert_int_equal(take(), 20);
	assert_non_null(strstr(service.logged, "its spool is damaged: bytes 0 to "));
	for (unsigned i = 21; i < 30; i++)
		append(i);
	checkpoint();
	spool_close(&spool);
	segment_path(1, path);
	unlink(path);
	reopen();
	append(30);
	int got, last = -1;
	while ((got = take()) >= 0)
		last = got;
	assert_int_equal(last, 30);
	end();
}

static void it_is_bounded(void **state)
{
	(void)state;
	begin();
	unsigned at = 0;
	for (; spool_has_room(&spool, 200); at++)
		append(at);
	assert_true(spool.end.at <= MOST && spool.end.at + 1000 > MOST);
	int took = 0;
	for (; !spool_has_room(&spool, 200); took++)
		assert_int_equal(take(), took);
	append(at);
	for (; (unsigned)took <= at; took++)
		assert_int_equal(take(), took);
	assert_true(spool_has_room(&spool, 10 * MOST)); /* alone */
	end();
}

static void a_full_disk_is_waited_for(void **state)
{
	(void)state;
	for (unsigned half = 0; half < 2; half++) {
		begin();
		append(0);
		os_fault((struct os_fault){
		    .call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true, .half = half});
		unsigned at = 1;
		for (; spool_has_room(&spool, 200) && at < 5000; at++)
			append(at);
		assert_int_equal(spool_sync(&spool, NULL), MR_FULL);
		assert_non_null(strstr(service.logged, "No space left on device"));
		os_faults_end();
		checkpoint();
		for (int i = 0; i < (int)at; i++)
			assert_int_equal(take(), i);
		end();
	}
}

static void every_call_may_fail(void **state)
{
	(void)state;
	for (unsigned nth = 1;; nth++) {
		service_begin(&service, NULL);
		snprintf(place, sizeof place, "%s/spool", service.state);
		os_fault((struct os_fault){.nth = nth, .number = EIO});
		enum mr_err err = spool_open(&spool, "sink s", place, MOST, 100, 5, NULL);
		if (err == MR_OK)
			err = spool_ready(&spool, NULL);
		for (unsigned i = 0; i < 3 && err == MR_OK; i++) {
			char line[512];
			struct line_id id = service_id(i);
			service_line(i, line);
			spool_append(&spool, &id, mr_slice(line));
			err = spool_flush(&spool, NULL);
		}
		if (err == MR_OK)
			err = spool_sync(&spool, NULL);
		bool met = os_fault_met();
		os_faults_end();
		assert_int_equal(err, met ? MR_IO : MR_OK);
		spool_close(&spool);
		reopen();
		for (unsigned i = 0; i < 4; i++)
			append(i);
		for (int i = 0; i < 4; i++)
			assert_int_equal(take(), i);
		assert_int_equal(take(), -1);
		end();
		if (!met)
			break;
		assert_true(nth < 50);
	}
}

/* Whichever read fails, a line is there at the next try, damage before it or not. */
static void a_read_that_fails_loses_nothing(void **state)
{
	(void)state;
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		bool met = true;
		for (unsigned nth = 1; met; nth++) {
			char path[512];
			begin();
			for (unsigned i = 0; i < 20; i++)
				append(i);
			segment_path(0, path);
			int fd = open(path, O_WRONLY);
			assert_int_equal(pwrite(fd, "x", damaged, SEGMENT_HEAD + 8), damaged);
			close(fd);
			os_fault((struct os_fault){.call = OS_PREAD, .nth = nth, .number = EIO});
			unsigned failed = 0;
			for (unsigned i = damaged; i < 20;) {
				struct spool_line line;
				struct mr_error error = {0};
				enum mr_err err = spool_read(&spool, spool.acked, &line, &error);
				failed += err == MR_IO;
				if (err == MR_IO)
					continue;
				assert_int_equal(err, MR_OK);
				assert_int_equal(line.id.id[1], i++);
				spool_acknowledge(&spool, line.behind);
			}
			met = os_fault_met();
			os_faults_end();
			assert_int_equal(failed, met);
			assert_int_equal(take(), -1);
			assert_true((spool.lost_bytes == 0) == (damaged == 0));
			end();
		}
	}
}

static off_t bytes_in_spool(void)
{
	char path[512];
	off_t sum = 0;
	for (size_t i = 0; i < spool.segment_count; i++)
		sum += (off_t)segment_path(i, path);
	return sum;
}

static void a_read_that_fails_at_a_start_cuts_nothing(void **state)
{
	(void)state;
	bool met = true;
	for (unsigned nth = 1; met; nth++) {
		struct mr_error error = {0};
		begin();
		append(0);
		checkpoint();
		for (unsigned i = 1; i < 10; i++)
			append(i);
		off_t bytes = bytes_in_spool();
		spool_close(&spool);
		os_fault((struct os_fault){.call = OS_PREAD, .nth = nth, .number = EIO});
		enum mr_err err = spool_open(&spool, "sink s", place, MOST, SEGMENT, 5, &error);
		struct mr_slice position = {service.position.data, service.position.len};
		if (err == MR_OK)
			err = spool_restore(&spool, position, &error);
		if (err == MR_OK)
			err = spool_ready(&spool, &error);
		met = os_fault_met();
		os_faults_end();
		assert_int_equal(err, met ? MR_IO : MR_OK);
		assert_true(!met || strstr(error.text, "Input/output error") != NULL);
		spool_close(&spool);
		reopen();
		assert_int_equal(bytes_in_spool(), bytes);
		for (unsigned i = 1; i < 11; i++)
			append(i);
		for (int i = 0; i < 11; i++)
			assert_int_equal(take(), i);
		assert_int_equal(take(), -1);
		end();
	}
}

/* What is made in it is durable, so it has to be, too. */
static void its_folder_outlasts_power(void **state)
{
	struct mr_error error = {0};
	char above[96], own[128];
	(void)state;
	service_begin(&service, NULL);
	struct sink_env env = {.state = service.state};
	snprintf(above, sizeof above, "%s/spool", service.state);
	snprintf(own, sizeof own, "%s/s", above);
	os_fault((struct os_fault){.call = OS_FSYNC, .nth = 1, .number = EIO});
	assert_null(sink_place(&env, "s", &error));
	assert_int_equal(error.code, MR_IO);
	assert_int_not_equal(access(above, F_OK), 0);
	char *path = sink_place(&env, "s", &error);
	assert_string_equal(path, own);
	os_fault((struct os_fault){.call = OS_FSYNC, .nth = 1, .number = EIO});
	assert_int_equal(spool_open(&spool, "s", path, MOST, SEGMENT, 5, &error), MR_IO);
	assert_int_not_equal(access(path, F_OK), 0);
	os_fault((struct os_fault){0});
	assert_int_equal(spool_open(&spool, "s", path, MOST, SEGMENT, 5, &error), MR_OK);
	assert_int_equal(os_counts[OS_FSYNC], 1);
	spool_close(&spool);
	assert_int_equal(spool_open(&spool, "s", path, MOST, SEGMENT, 5, &error), MR_OK);
	assert_int_equal(os_counts[OS_FSYNC], 1); /* one that is there is */
	os_faults_end();
	free(path);
	end();
}

static void a_place_survives_any_bytes(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 5; i++)
		append(i);
	checkpoint();
	for (size_t len = 0; len < service.position.len; len++) {
		char *exact = mr_malloc(len == 0 ? 1 : len);
		memcpy(exact, service.position.data, len);
		struct mr_error error = {0};
		assert_int_equal(spool_restore(&spool, (struct mr_slice){exact, len}, &error),
				 MR_BAD_INPUT);
		free(exact);
	}
	service.position.data[1]++; /* its form */
	assert_int_equal(
	    spool_restore(&spool, (struct mr_slice){service.position.data, service.position.len},
			  NULL),
	    MR_UNSUPPORTED);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_come_out_in_order),
	    cmocka_unit_test(after_a_restart_each_lies_there_once),
	    cmocka_unit_test(without_a_checkpoint_all_is_kept),
	    cmocka_unit_test(a_torn_end_is_cut),
	    cmocka_unit_test(damage_is_named_and_what_is_behind_is_read),
	    cmocka_unit_test(one_of_a_newer_program_is_refused),
	    cmocka_unit_test(files_that_are_gone_are_named),
	    cmocka_unit_test(it_is_bounded),
	    cmocka_unit_test(a_full_disk_is_waited_for),
	    cmocka_unit_test(every_call_may_fail),
	    cmocka_unit_test(a_read_that_fails_loses_nothing),
	    cmocka_unit_test(a_read_that_fails_at_a_start_cuts_nothing),
	    cmocka_unit_test(its_folder_outlasts_power),
	    cmocka_unit_test(a_place_survives_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
