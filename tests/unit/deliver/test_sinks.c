/* test_sinks.c - what sink.h promises of every sink, held to each kind of sink.def.
 *
 * A new kind adds an entry to `kinds`: how it is set up, what its receiver has got, and how its
 * receiver is kept from taking anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "lossy_disk.h"
#include "os_faults.h"
#include "receiver.h"
#include "service.h"

#define LINES 40
#define STEPS_MAX 3000 /* of 20 ms */

struct kind {
	const char *type;
	void (*set_up)(struct service *service);
	void (*tear_down)(void);
	/* All that the receiver has, as text; the caller's. */
	char *(*received)(struct service *service);
	void (*hold)(void);    /* nothing is taken any more */
	void (*release)(void); /* all is taken again */
	bool keeps;            /* on disk, what is not taken */
};

static struct receiver receiver;
static char path[128];
static int ends[2];
static struct mr_buf piped;

/* ---- file ---- */

static void nothing(void)
{
}

static void file_set_up(struct service *service)
{
	snprintf(path, sizeof path, "%s/out.ndjson", service->state);
	mr_config_add(&service->settings, "path", path);
}

static char *file_received(struct service *service)
{
	struct mr_buf all = {0};
	ssize_t got = 1;
	(void)service;
	for (int fd = open(path, O_RDONLY); got > 0 || close(fd) != 0;) {
		got = read(fd, mr_buf_reserve(&all, 65536), 65536);
		all.len += got > 0 ? (size_t)got : 0;
	}
	mr_buf_add(&all, "", 1);
	return all.data;
}

static void file_hold(void)
{
	os_fault((struct os_fault){.call = OS_WRITE, .nth = 1, .number = ENOSPC, .lasting = true});
}

/* ---- stdout: a pipe whose reader may sleep ---- */

static bool reading;
static int line_memory; /* what the sink knows of the last line's end */

static void stdout_set_up(struct service *service)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	mr_tables_add(service->tables, "deliver.output", ends[1], 0);
	line_memory = memfd_create("line", MFD_CLOEXEC);
	assert_int_equal(write(line_memory, "", 1), 1);
	mr_tables_add(service->tables, "deliver.output.line", line_memory, 0);
	piped.len = 0;
	reading = true;
}

static void drain_pipe(void)
{
	ssize_t got;
	while (reading && (got = read(ends[0], mr_buf_reserve(&piped, 65536), 65536)) > 0)
		piped.len += (size_t)got;
}

static void stdout_tear_down(void)
{
	reading = false; /* the number is somebody else's now */
	close(ends[0]);
	mr_buf_fini(&piped);
}

static char *stdout_received(struct service *service)
{
	(void)service;
	drain_pipe();
	char *text = mr_malloc(piped.len + 1);
	memcpy(text, piped.data, piped.len);
	text[piped.len] = '\0';
	return text;
}

static void stdout_hold(void)
{
	reading = false;
}

static void stdout_release(void)
{
	reading = true;
	drain_pipe();
}

/* ---- webhook ---- */

static void webhook_set_up(struct service *service)
{
	char url[64];
	unlink(receiver_path(&receiver, "requests.ndjson"));
	receiver_start(&receiver, (const char *const[]){NULL});
	snprintf(url, sizeof url, "https://localhost:%d/", receiver.port);
	mr_config_add(&service->settings, "url", url);
	mr_config_add(&service->settings, "ca_certificates", receiver_path(&receiver, "ca.pem"));
	mr_config_add(&service->settings, "batch_age", "0ms");
	mr_config_add(&service->settings, "retry_first", "5ms");
	mr_config_add(&service->settings, "retry_most", "20ms");
	mr_config_add(&service->settings, "spool_bytes", "1MiB");
}

static void webhook_tear_down(void)
{
	receiver_stop(&receiver);
}

static char *webhook_received(struct service *service)
{
	(void)service;
	return receiver_bodies(&receiver, "200");
}

static void webhook_hold(void)
{
	kill(receiver.process, SIGSTOP);
}

static void webhook_release(void)
{
	kill(receiver.process, SIGCONT);
}

static const struct kind kinds[] = {
    {"file", file_set_up, nothing, file_received, file_hold, os_faults_end, true},
    {"stdout", stdout_set_up, stdout_tear_down, stdout_received, stdout_hold, stdout_release,
     false},
    {"webhook", webhook_set_up, webhook_tear_down, webhook_received, webhook_hold, webhook_release,
     true},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

/* ---- the world ---- */

static struct service service;
static const struct kind *kind;

static void begin(size_t which)
{
	kind = &kinds[which];
	service_begin(&service, sink_find(kind->type));
	assert_non_null(service.ops);
	kind->set_up(&service);
}

static void open_sink(void)
{
	struct mr_error error = {0};
	if (service_open(&service, &error) != MR_OK)
		fail_msg("%s: %s", kind->type, error.text);
}

static void end(void)
{
	service_end(&service);
	kind->tear_down();
}

static void put(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_true(service_put(&service, i));
	service_flush(&service);
}

/* How often a line is there, and where it is first. */
static unsigned times(const char *all, unsigned number, size_t *first_out)
{
	char line[512];
	unsigned count = 0;
	service_line(number, line);
	for (const char *at = all; (at = strstr(at, line)) != NULL; at++)
		if (count++ == 0)
			*first_out = (size_t)(at - all);
	return count;
}

/* All lines arrive, in the order of their first coming, as often as the sink promises. */
static void assert_all(unsigned count)
{
	for (int step = 0;; step++) {
		char *all = kind->received(&service);
		size_t first = 0, before = 0;
		unsigned at = 0;
		for (; at < count; at++) {
			unsigned n = times(all, at, &first);
			if (n == 0)
				break;
			if (at > 0 && first <= before)
				fail_msg("%s: line %u comes too early", kind->type, at);
			if (service.ops->promise == SINK_ONCE && n != 1)
				fail_msg("%s: line %u is there %u times", kind->type, at, n);
			before = first;
		}
		free(all);
		if (at == count)
			return;
		if (step == STEPS_MAX)
			fail_msg("%s: line %u is not there", kind->type, at);
		service_step(&service, 20);
	}
}

/* ---- what each has to pass ---- */

static void every_kind_is_here(void **state)
{
	(void)state;
	static const char *const names[] = {
#define X(name) #name,
#include "sink.def"
#undef X
	};
	assert_int_equal(sizeof names / sizeof names[0], KINDS);
	for (size_t i = 0; i < KINDS; i++)
		assert_string_equal(names[i], kinds[i].type);
	assert_null(sink_find("nothing"));
}

static void lines_arrive_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		begin(i);
		open_sink();
		put(0, LINES / 2);
		put(LINES / 2, LINES);
		assert_all(LINES);
		struct sink_counts counts;
		service.sink.ops->counts(&service.sink, &counts);
		assert_int_equal(counts.taken, LINES);
		assert_int_equal(counts.delivered + counts.spooled, LINES);
		end();
	}
}

/* Killed at each moment between two checkpoints; what came behind the last is put again. */
static void over_crashes_nothing_is_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		begin(i);
		open_sink();
		unsigned from = 0;
		for (unsigned life = 0; life < 5; life++) {
			put(from, from + 3 + life);
			if (life % 2 == 0) {
				service_checkpoint(&service);
				from += 3 + life;
			}
			service_crash(&service);
			open_sink();
		}
		put(from, LINES);
		service_checkpoint(&service);
		assert_all(LINES);
		struct sink_counts counts;
		service.sink.ops->counts(&service.sink, &counts);
		assert_int_equal(counts.taken, LINES);
		end();
	}
}

/* What it says of itself while nothing is taken, and of the trouble, if it knows it. */
static void assert_held(unsigned put)
{
	struct sink_counts counts;
	service.sink.ops->counts(&service.sink, &counts);
	assert_int_equal(counts.taken, put);
	assert_int_equal(counts.delivered + counts.spooled, put);
	assert_true(counts.spooled > 0);
	if (kind->hold == file_hold) {
		assert_int_equal(counts.delivered, 1);
		assert_non_null(strstr(counts.trouble, "No space left on device"));
	}
	if (counts.trouble != NULL && counts.trouble[0] != '\0')
		assert_in_range(counts.trouble_us, 1, service.now.wall_us);
}

/* Nothing is left of the trouble. */
static void assert_well(unsigned put)
{
	struct sink_counts counts;
	for (int step = 0; step < STEPS_MAX; step++) {
		service.sink.ops->counts(&service.sink, &counts);
		if (counts.delivered == put)
			break;
		service_step(&service, 20);
	}
	assert_int_equal(counts.delivered, put);
	assert_true(counts.trouble == NULL || counts.trouble[0] == '\0');
	assert_true(counts.trouble_us == 0 && counts.failing_us == 0);
}

/* Its receiver takes nothing: at some point the sink has no room, says so, and holds nothing up;
 * then all goes on and nothing is missing. */
static void fill_until_full(size_t which, bool flushes)
{
	begin(which);
	open_sink();
	unsigned at = service.ops->promise == SINK_ONCE; /* a file is begun with a little space */
	put(0, at);
	kind->hold();
	do {
		for (; service_put(&service, at); at++) {
			if (flushes)
				service_flush(&service);
			if (at > 20000)
				fail_msg("%s is never full", kind->type);
		}
		service_flush(&service);
	} while (sink_has_room(&service.sink, 200));
	/* Not at once: one that goes on soon is no news. */
	assert_null(strstr(service.logged, "sink main is full"));
	service_step_second(&service);
	assert_false(sink_has_room(&service.sink, 200));
	assert_non_null(strstr(service.logged, "sink main is full"));
	assert_held(at);
	kind->release();
	for (int step = 0; !service_put(&service, at); step++) {
		assert_true(step < STEPS_MAX);
		drain_pipe();
		service_step(&service, 20);
	}
	assert_non_null(strstr(service.logged, "sink main takes more"));
	drain_pipe();
	service_checkpoint(&service);
	assert_all(at < 200 ? at + 1 : 200);
	assert_well(at + 1);
	end();
}

/* In batches, and all in one. */
static void one_that_is_full_says_so_and_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		fill_until_full(i, true);
		fill_until_full(i, false);
	}
}

/* From its opening to its first checkpoint. */
static enum mr_err live(unsigned lines, struct mr_error *error)
{
	enum mr_err err = service_open(&service, error);
	for (unsigned i = 0; i < lines && err == MR_OK; i++) {
		struct line_id id = service_id(i);
		char line[512];
		service_line(i, line);
		while (!sink_has_room(&service.sink, strlen(line)))
			service_step(&service, 0);
		err = service.sink.ops->put(&service.sink, &id, mr_slice(line), error);
	}
	if (err == MR_OK)
		err = service.sink.ops->flush(&service.sink, error);
	return err == MR_OK ? sink_barrier(&service.sink, error) : err;
}

/* The n-th call that changes a file fails: either it is said, and the next life makes up for it, or
 * it is waited for. */
static bool survives(size_t which, unsigned nth, int number)
{
	struct mr_error error = {0};
	begin(which);
	os_fault((struct os_fault){.nth = nth, .number = number});
	enum mr_err err = live(3, &error);
	bool met = os_fault_met();
	os_faults_end();
	if (met && err != MR_OK && err != MR_FULL)
		assert_true(error.text[0] != '\0');
	else if (!met)
		assert_int_equal(err, MR_OK);
	if (err != MR_OK && err != MR_FULL) {
		service_crash(&service);
		open_sink();
		put(0, 3);
	}
	service_checkpoint(&service);
	put(3, 5);
	service_checkpoint(&service);
	assert_all(5);
	end();
	return met;
}

static void each_call_may_fail(void **state)
{
	(void)state;
	static const int numbers[] = {EIO, ENOSPC};
	for (size_t i = 0; i < KINDS; i++)
		for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
			for (unsigned nth = 1; survives(i, nth, numbers[n]); nth++)
				assert_true(nth < 50);
}

/* A life ends, by a crash or by a sync that fails; the next finds its lines and takes them for
 * sent. What the next checkpoint counts on outlasts the power. */
static void outlast_power(size_t which, int sync_fails_with)
{
	struct mr_error error = {0};
	begin(which);
	lossy_begin();
	open_sink();
	put(0, 3);
	service_checkpoint(&service);
	assert_all(3);
	if (kind->hold != file_hold)
		kind->hold();
	put(3, 6);
	lossy_fail_sync(sync_fails_with);
	if (sync_fails_with != 0)
		assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_IO);
	service_crash(&service);
	open_sink();
	put(3, 8);
	service_checkpoint(&service);
	service_crash(&service);
	lossy_power_cut();
	open_sink();
	kind->release();
	put(8, 10);
	service_checkpoint(&service);
	assert_all(10);
	lossy_end();
	end();
}

static void a_checkpoint_outlasts_power(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		if (!kinds[i].keeps)
			continue;
		outlast_power(i, 0);
		outlast_power(i, EIO);
	}
}

static void a_snapshot_survives_any_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct mr_error error = {0};
		begin(i);
		open_sink();
		put(0, 5);
		service_checkpoint(&service);
		struct mr_buf whole = service.position;
		service.position = (struct mr_buf){0};
		for (size_t len = 0; len < whole.len; len++) {
			char *exact = mr_malloc(len == 0 ? 1 : len);
			memcpy(exact, whole.data, len);
			service_crash(&service);
			open_sink();
			assert_int_equal(service.sink.ops->restore(
					     &service.sink, (struct mr_slice){exact, len}, &error),
					 MR_BAD_INPUT);
			free(exact);
		}
		mr_buf_fini(&whole);
		end();
	}
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(receiver.folder, "/tmp/millrace-sinks-XXXXXX");
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(receiver.folder) == NULL;
}

static int remove_folder(void **state)
{
	(void)state;
	service_remove(receiver.folder);
	return 0;
}

/* ---- stdout alone ---- */

static char line_mark(void)
{
	char mark = 0;
	assert_int_equal(pread(line_memory, &mark, 1, 0), 1);
	return mark;
}

/* A life that dies while its reader sleeps leaves a piece of a line; the next one ends it first. */
static void a_line_that_had_begun_is_ended(void **state)
{
	(void)state;
	begin(1);
	assert_string_equal(kind->type, "stdout");
	open_sink();
	kind->hold();
	/* More than a pipe holds, and than it takes at once; then the reader takes a little. */
	for (unsigned i = 0; service.sink.ops->room(&service.sink, 0); i++) {
		assert_true(i < 10000);
		put(i, i + 1);
	}
	char some[8192];
	assert_int_equal(read(ends[0], some, sizeof some), sizeof some);
	service_step(&service, 0);
	assert_int_equal(line_mark(), 1);
	kind->release();
	service_crash(&service);
	char *all = kind->received(&service);
	assert_int_not_equal(all[strlen(all) - 1], '\n');
	size_t before = strlen(all);
	free(all);
	open_sink();
	put(0, 1);
	all = kind->received(&service);
	assert_int_equal(all[before], '\n');
	size_t first;
	assert_int_equal(times(all + before, 0, &first), 1);
	assert_int_equal(first, 1);
	assert_int_equal(line_mark(), 0);
	free(all);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_kind_is_here),
	    cmocka_unit_test(lines_arrive_in_order),
	    cmocka_unit_test(over_crashes_nothing_is_lost),
	    cmocka_unit_test(one_that_is_full_says_so_and_goes_on),
	    cmocka_unit_test(each_call_may_fail),
	    cmocka_unit_test(a_checkpoint_outlasts_power),
	    cmocka_unit_test(a_snapshot_survives_any_bytes),
	    cmocka_unit_test(a_line_that_had_begun_is_ended),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
