/* test_follow_many.c - more files are followed than may be open at once: all are read, and what is
 * closed meanwhile is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/inotify.h>
#include <sys/syscall.h>

#include "follow.h"
#include "logged.h"
#include "service_room.h"

#define OPEN_MOST 4
#define MANY 12

/* Each scan asks for it once for each folder. */
static unsigned watched;
int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	watched++;
	return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

static int begin(void **state)
{
	watched = 0;
	logged_begin();
	return service_clean(state);
}

static void start(struct service *service, const char *path)
{
	service_init(service, "file");
	mr_config_add(&service->config, "followed_files", "4");
	service_path(service, path);
	assert_int_equal(service_begin(service), MR_OK);
}

static const char *name_of(int number)
{
	static char name[16];

	snprintf(name, sizeof(name), "%02d.log", number);
	return name;
}

static void append_all(const char *text)
{
	for (int i = 0; i < MANY; i++)
		append(name_of(i), text);
}

/* How many files of the folder are open. */
static unsigned open_inputs(void)
{
	unsigned count = 0;
	char folder[256];

	in_path("", folder, sizeof(folder));
	for (int fd = 0; fd < 1024; fd++) {
		char link[64];
		char path[512];
		ssize_t len;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, path, sizeof(path));
		count += len > 0 && strncmp(path, folder, strlen(folder)) == 0;
	}
	return count;
}

static bool has(struct service *service, const char *line)
{
	return strstr(came(&service->stage.records), line) != NULL;
}

static void all_are_read_as_they_grow(void **state)
{
	struct service service;

	(void)state;
	append_all("1\n");
	start(&service, "");
	for (unsigned round = 1; round <= 3; round++) {
		look(&service);
		assert_int_equal(service.stage.record_count, round * MANY);
		assert_int_equal(open_inputs(), OPEN_MOST);
		append_all("2\n");
	}
	look(&service);
	assert_int_equal(service.stage.record_count, 4 * MANY);
	for (int i = 0; i < MANY; i++) {
		char line[32];

		snprintf(line, sizeof(line), "%s 6 2\n", name_of(i));
		assert_true(has(&service, line));
	}
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* The first ones are closed by the time that the last ones are read. */
static void closed_ones_are_found_where_they_were_moved(void **state)
{
	struct service service;

	(void)state;
	append_all("1\n");
	start(&service, "*.log");
	look(&service);
	move_file("00.log", "00.log.old");
	append("00.log.old", "2\n3");
	append("00.log", "4\n");
	move_file("01.log", "sub.log"); /* a name that is asked for */
	append("sub.log", "5\n");
	look(&service);
	assert_true(has(&service, "00.log 2 2\n"));
	assert_true(has(&service, "00.log 0 4\n"));
	assert_true(has(&service, "01.log 2 5\n"));
	for (int i = 0; i < 7; i++)
		look(&service);
	assert_true(has(&service, "00.log 4 3\n"));
	assert_int_equal(service.stage.record_count, MANY + 4);
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

static void closed_ones_are_emptied_and_written_anew(void **state)
{
	struct service service;
	char path[256];

	(void)state;
	append_all("1111\n");
	start(&service, "");
	look(&service);
	in_path("00.log", path, sizeof(path));
	assert_int_equal(truncate(path, 0), 0);
	append("00.log", "2\n3\n4\n5\n");
	look(&service);
	assert_true(has(&service, "00.log 0 2\n00.log 2 3\n00.log 4 4\n00.log 6 5\n"));
	assert_int_equal(service.stage.record_count, MANY + 4);
	service_fini(&service);
}

/* Those that are open always have more to read: the others have their turn all the same. */
static void busy_ones_keep_nobody_waiting(void **state)
{
	struct service service;
	char *lines = mr_malloc(8 << 20);

	(void)state;
	memset(lines, '1', 8 << 20);
	for (size_t i = 0; i < 8 << 20; i += 1024)
		lines[i + 1023] = '\n';
	for (int i = 0; i < OPEN_MOST; i++)
		append_bytes(name_of(i), lines, 8 << 20);
	append("99.log", "2\n");
	start(&service, "");
	service.now.steady_us += 1000000;
	while (!has(&service, "99.log 0 2\n")) {
		mr_stage_collect.poll(service.stage.state, &service.stage.writer,
				      &service.stage.error);
		stage_drain(&service.stage);
	}
	assert_true(service.stage.record_count < OPEN_MOST * (4 << 10));
	free(lines);
	service_fini(&service);
}

/* Those that are gone have nothing but their descriptor: others wait until they are read. */
static void what_is_gone_stays_open_until_it_is_read(void **state)
{
	struct service service;

	(void)state;
	for (int i = 0; i < OPEN_MOST; i++)
		append(name_of(i), "1\n2");
	start(&service, "");
	look(&service);
	for (int i = 0; i < OPEN_MOST; i++) {
		append(name_of(i), "3\n4");
		remove_file(name_of(i));
	}
	for (int i = OPEN_MOST; i < MANY; i++)
		append(name_of(i), "5\n");
	look(&service);
	assert_int_equal(service.stage.record_count, 2 * OPEN_MOST);
	for (int i = 0; i < 7; i++)
		look(&service);
	assert_int_equal(service.stage.record_count, 2 * OPEN_MOST + MANY);
	assert_true(has(&service, "03.log 5 4\n"));
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* As many as may be open, each read. */
static void start_with_files(struct service *service)
{
	for (int i = 0; i < OPEN_MOST; i++)
		append(name_of(i), "1\n");
	start(service, "*.log");
	look(service);
}

/* And looks until nothing more comes of it. */
static void move_all(struct service *service, const char *before, const char *behind)
{
	for (int i = 0; i < OPEN_MOST; i++) {
		char moved[32];

		snprintf(moved, sizeof(moved), "%s%s%s", before, name_of(i), behind);
		move_file(name_of(i), moved);
	}
	for (int i = 0; i < 7; i++)
		look(service);
}

/* Others are there; what their writers add to them still is read where they are, if that is known.
 */
static void what_was_moved_away_is_closed_for_others(void **state)
{
	struct service service;

	(void)state;
	start_with_files(&service);
	move_all(&service, "", ".old");
	append("03.log.old", "2\n");
	look(&service);
	assert_true(has(&service, "03.log 2 2\n"));
	for (int i = OPEN_MOST; i < MANY; i++)
		append(name_of(i), "3\n");
	for (int i = 0; i < 7; i++)
		look(&service);
	assert_int_equal(service.stage.record_count, 1 + MANY);
	assert_int_equal(open_inputs(), OPEN_MOST);
	for (int i = 0; i < OPEN_MOST; i++) {
		char moved[32];

		snprintf(moved, sizeof(moved), "%s.old", name_of(i));
		append(moved, "4\n");
		look(&service);
		assert_true(has(&service, i == 3 ? "03.log 4 4\n" : "2 4\n"));
		assert_int_equal(service.stage.record_count, 2 + MANY + (unsigned)i);
	}
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* Nobody knows what it grows by. */
static void what_is_closed_and_moved_out_of_sight_is_said(void **state)
{
	struct service service;

	(void)state;
	start_with_files(&service);
	move_all(&service, "../", "");
	assert_int_equal(warnings, 0);
	for (int i = OPEN_MOST; i < MANY; i++)
		append(name_of(i), "3\n");
	for (int i = 0; i < 7; i++)
		look(&service);
	assert_int_equal(service.stage.record_count, MANY);
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	assert_int_equal(unread(&service), 1);
	service_fini(&service);
}

/* One that was read goes first; one whose last line has no end yet, only where nothing else can,
 * and it is said where that line is lost. */
static void a_line_without_end_is_closed_last(void **state)
{
	struct service service;

	(void)state;
	append("00.log", "1\n2");
	start(&service, "");
	look(&service);
	for (int i = 1; i < MANY; i++)
		append(name_of(i), "3\n");
	look(&service);
	remove_file("00.log");
	remove_file("01.log");
	for (int i = 0; i < 7; i++)
		look(&service);
	assert_true(has(&service, "00.log 2 2\n"));
	assert_int_equal(warnings, 0);
	for (int i = 2; i < MANY; i++)
		append(name_of(i), "4");
	look(&service);
	remove_file("02.log");
	look(&service);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "02.log: is not there any more, nor in its folder under "
				       "another name: what it has behind offset 2 is not read; it "
				       "was closed, since "));
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	service_fini(&service);
}

/* However long a scan takes, reading goes on between two. */
static void scans_leave_time_to_read(void **state)
{
	enum { FILES = 1600 };
	struct service service;
	unsigned polls = 0;
	unsigned watches_a_scan = 1;

	(void)state;
	for (int i = 0; i < FILES; i++)
		append(name_of(i), "1\n");
	start(&service, "");
	while (service.stage.record_count < FILES) {
		service.now.steady_us += 1000000;
		mr_stage_collect.poll(service.stage.state, &service.stage.writer,
				      &service.stage.error);
		stage_drain(&service.stage);
		if (polls++ == 0)
			watches_a_scan = watched;
	}
	assert_true(polls >= FILES / 16);
	/* Not one for each poll. */
	assert_true(watched / watches_a_scan <= polls / 10);
	service_fini(&service);
}

/* ---- which are open ---- */

enum { TABLE = 64, CLOSED = 2000 };
struct table {
	struct mr_openings openings;
	struct mr_followed files[TABLE + CLOSED];
	char path[256];
};

static struct table *table_new(void)
{
	struct table *table = mr_calloc(1, sizeof(*table));
	struct stat status;

	append("a.log", "1\n");
	in_path("a.log", table->path, sizeof(table->path));
	assert_int_equal(stat(table->path, &status), 0);
	table->openings = (struct mr_openings){.most = TABLE, .clock = 1};
	for (size_t i = 0; i < TABLE + CLOSED; i++)
		table->files[i] = (struct mr_followed){.fd = -1,
						       .path = table->path,
						       .device = status.st_dev,
						       .inode = status.st_ino,
						       .size = 2,
						       .awake = true};
	for (size_t i = 0; i < TABLE; i++)
		assert_true(mr_followed_open(&table->openings, &table->files[i], false));
	return table;
}

static void table_free(struct table *table)
{
	while (table->openings.count > 0)
		mr_followed_close(&table->openings, table->openings.files[0]);
	mr_openings_fini(&table->openings);
	free(table);
}

/* Those that are open are looked at once, not for each that waits. */
static void a_full_table_is_not_looked_through_for_each(void **state)
{
	struct table *table = table_new();

	(void)state;
	for (size_t i = TABLE; i < TABLE + CLOSED; i++)
		assert_false(mr_followed_open(&table->openings, &table->files[i], false));
	assert_int_equal(table->openings.weighed, TABLE);
	table_free(table);
}

/* Each is read as soon as it is open, and makes room for others. */
static void room_is_made_for_many_at_once(void **state)
{
	struct table *table = table_new();
	size_t opened = 0;

	(void)state;
	for (size_t i = 0; i < TABLE + CLOSED; i++) {
		struct mr_followed *file = &table->files[i];

		opened += mr_followed_open(&table->openings, file, false);
		file->awake = false;
		file->mark.at = 2;
		file->used = ++table->openings.clock;
	}
	assert_int_equal(opened, TABLE + CLOSED);
	assert_true(table->openings.weighed <= 8 * (TABLE + CLOSED));
	assert_true(table->openings.count > TABLE / 2);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(all_are_read_as_they_grow, begin),
	    cmocka_unit_test_setup(closed_ones_are_found_where_they_were_moved, begin),
	    cmocka_unit_test_setup(closed_ones_are_emptied_and_written_anew, begin),
	    cmocka_unit_test_setup(busy_ones_keep_nobody_waiting, begin),
	    cmocka_unit_test_setup(what_is_gone_stays_open_until_it_is_read, begin),
	    cmocka_unit_test_setup(what_was_moved_away_is_closed_for_others, begin),
	    cmocka_unit_test_setup(what_is_closed_and_moved_out_of_sight_is_said, begin),
	    cmocka_unit_test_setup(a_line_without_end_is_closed_last, begin),
	    cmocka_unit_test_setup(scans_leave_time_to_read, begin),
	    cmocka_unit_test_setup(a_full_table_is_not_looked_through_for_each, begin),
	    cmocka_unit_test_setup(room_is_made_for_many_at_once, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
