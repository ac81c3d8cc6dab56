/* test_rotation.c - the file sink, whose file is moved away, removed or replaced: each line once in
 * all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "os_faults.h"
#include "file_sink.h"

/* As logrotate: what stands at the path gets the next name. */
static void rotate(int number)
{
	char aside[sizeof path + 8];
	snprintf(aside, sizeof aside, "%s.%d", path, number);
	assert_int_equal(rename(path, aside), 0);
}

/* Each line stands once in all the files together. */
static void assert_union(struct service *service, unsigned count)
{
	static char all[1 << 20];
	size_t at = 0;
	struct dirent *entry;
	char *log = mr_asprintf("%s/log", service->state);
	DIR *folder = opendir(log);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		if (strncmp(entry->d_name, "alerts.ndjson", 13) != 0)
			continue;
		char *name = mr_asprintf("%s/%s", log, entry->d_name);
		int fd = open(name, O_RDONLY);
		ssize_t got = read(fd, all + at, sizeof all - at - 1);
		assert_true(got >= 0);
		at += (size_t)got;
		close(fd);
		free(name);
	}
	closedir(folder);
	free(log);
	all[at] = '\0';
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++) {
		char line[512];
		service_line(i, line);
		const char *found = strstr(all, line);
		if (found == NULL || strstr(found + 1, line) != NULL)
			fail_msg("line %u stands there %s", i, found == NULL ? "never" : "twice");
		bytes += strlen(line);
	}
	assert_int_equal(at, bytes);
}

/* A checkpoint that is never committed: a crash goes back to the one before. */
static void try_checkpoint(struct service *service)
{
	struct mr_error error = {0};
	if (service->sink.ops->barrier(&service->sink, &error) != MR_OK)
		fail_msg("%s", error.text);
}

enum { STEPS = 12, ROTATIONS = 6 };

struct plan {
	unsigned first, second, crash; /* before which step a rotation, behind which a death */
	bool makes;                    /* the rotation, as logrotate's `create` */
	bool tries;                    /* every other checkpoint is not committed */
	bool falls_back;               /* the last one that is was damaged: one rotation then */
};

/* The last checkpoint, and the one before it. */
struct kept {
	struct mr_buf before;
	unsigned safe, safe_before;
};

static void keep(struct service *service, struct kept *kept, unsigned at)
{
	kept->before.len = 0;
	mr_buf_add(&kept->before, service->position.data, service->position.len);
	kept->safe_before = kept->safe;
	kept->safe = at;
	service_checkpoint(service);
}

static void fall_back(struct service *service, struct kept *kept)
{
	struct mr_buf damaged = service->position;
	service->position = kept->before;
	kept->before = damaged;
	kept->safe = kept->safe_before;
}

/* The lines from the last checkpoint on come again. */
static unsigned live(struct service *service, const struct plan *plan)
{
	struct kept kept = {.safe = 0};
	unsigned at = 0;
	int rotated = 0;
	for (unsigned step = 0; step < STEPS; step++) {
		bool rotates =
		    step == plan->first || (step == ROTATIONS + plan->second && !plan->falls_back);
		if (rotates && access(path, F_OK) == 0)
			rotate(++rotated);
		if (rotates && plan->makes)
			append("");
		if (step % 2 == 0) {
			put(service, at, at + 2);
			at += 2;
		} else if (plan->tries && step % 4 == 3) {
			try_checkpoint(service);
		} else {
			keep(service, &kept, at);
		}
		if (step == plan->crash || step + 1 == STEPS) {
			service_crash(service);
			if (step == plan->crash && plan->falls_back)
				fall_back(service, &kept);
			open_again(service);
			at = kept.safe;
		}
	}
	mr_buf_fini(&kept.before);
	return at;
}

static void assert_last_line(unsigned number)
{
	static char all[1 << 14];
	char want[512];
	service_line(number, want);
	size_t len = read_file(all, sizeof all);
	assert_true(len >= strlen(want));
	assert_string_equal(all + len - strlen(want), want);
}

static int at_once(int fd)
{
	(void)fd;
	return 0;
}

static void a_rotation_at_each_moment(void **state)
{
	const struct mr_os real = mr_os;
	(void)state;
	mr_os.fsync = mr_os.fdatasync = at_once; /* no power fails here, and it is done often */
	for (unsigned i = 0; i < ROTATIONS * ROTATIONS * STEPS * 8; i++) {
		struct service service;
		struct plan plan = {.first = i % ROTATIONS,
				    .second = i / ROTATIONS % ROTATIONS,
				    .crash = i / ROTATIONS / ROTATIONS / 8,
				    .makes = i / ROTATIONS / ROTATIONS % 2,
				    .tries = i / ROTATIONS / ROTATIONS / 2 % 2,
				    .falls_back = i / ROTATIONS / ROTATIONS / 4 % 2};
		if (plan.falls_back && plan.second > 0)
			continue;
		begin(&service);
		open_again(&service);
		put(&service, live(&service, &plan), 30);
		for (int more = 0; more < 3; more++)
			service_checkpoint(&service);
		assert_union(&service, 30);
		assert_null(strstr(service.logged, "warning"));
		put(&service, 30, 31);
		assert_last_line(30);
		service_end(&service);
	}
	mr_os = real;
}

/* Where the path is a link, what it leads to is rotated, in the folder that it lies in. */
static void a_linked_file_is_found_in_its_own_folder(void **state)
{
	struct service service;
	char log[sizeof path + 8], real[sizeof path + 24], aside[sizeof path + 24];
	(void)state;
	begin(&service);
	snprintf(log, sizeof log, "%s/real", service.state);
	snprintf(real, sizeof real, "%s/alerts.ndjson", log);
	snprintf(aside, sizeof aside, "%s.1", path);
	assert_int_equal(mkdir(log, 0700), 0);
	assert_int_equal(symlink(real, path), 0);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	put(&service, 2, 4);
	char moved[sizeof real + 8];
	snprintf(moved, sizeof moved, "%s.1", real);
	assert_int_equal(rename(real, moved), 0);
	service_crash(&service);
	open_again(&service);
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 0);
	put(&service, 2, 4);
	for (int i = 0; i < 2; i++)
		service_checkpoint(&service);
	put(&service, 4, 5);
	assert_int_equal(rename(moved, aside), 0); /* where assert_union looks */
	assert_union(&service, 5);
	service_end(&service);
}

/* Where the state directory lies a moved file is put back, or nothing goes on. */
static void no_rotation_beside_the_books(void **state)
{
	struct service service;
	char aside[sizeof path + 8];
	(void)state;
	begin(&service);
	mr_config_fini(&service.settings);
	service.settings.scope = MR_SCOPE_SINK;
	snprintf(path, sizeof path, "%s/alerts.ndjson", service.state);
	snprintf(aside, sizeof aside, "%s.1", path);
	mr_config_add(&service.settings, "path", path);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	rotate(1);
	barrier_fails(&service, "none may be where the state directory is; put it back, or name "
				"another file (a sink's `path`, or `dead_letter`)");
	service_crash(&service);
	restart_fails(&service, "is not the file of the last checkpoint; put it back");
	assert_int_equal(rename(aside, path), 0);
	open_again(&service);
	put(&service, 3, 4);
	service_checkpoint(&service);
	assert_lines(4);
	service_end(&service);
}

static void two_rotations_between_checkpoints(void **state)
{
	struct service service;
	char older[sizeof path + 8], old[sizeof path + 8];
	(void)state;
	snprintf(old, sizeof old, "%s.1", path);
	begin(&service);
	snprintf(old, sizeof old, "%s.1", path);
	snprintf(older, sizeof older, "%s.2", path);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	put(&service, 2, 4);
	rotate(1);
	append("");
	put(&service, 4, 5);
	assert_int_equal(rename(old, older), 0);
	rotate(1);
	service_crash(&service);
	append("{\"never a whole line");
	open_again(&service);
	put(&service, 2, 6);
	for (int i = 0; i < 3; i++)
		service_checkpoint(&service);
	char got[4096];
	put(&service, 6, 7);
	read_file(got, sizeof got);
	assert_non_null(strstr(got, "never a whole line\n{"));
	assert_int_equal(unlink(old), 0); /* the empty one */
	assert_int_equal(truncate(path, 0), 0);
	assert_union(&service, 6);
	service_end(&service);
}

/* A file that was put back is gone on with. */
static void a_file_that_is_put_back_goes_on(void **state)
{
	struct service service;
	char aside[sizeof path + 8];
	(void)state;
	begin(&service);
	snprintf(aside, sizeof aside, "%s.1", path);
	open_again(&service);
	put(&service, 0, 3);
	rotate(1);
	service_checkpoint(&service);
	assert_int_equal(rename(aside, path), 0);
	put(&service, 3, 4);
	service_checkpoint(&service);
	service_crash(&service);
	open_again(&service);
	put(&service, 4, 6);
	service_checkpoint(&service);
	assert_lines(6);
	service_end(&service);
}

static void a_moved_file_that_is_damaged_is_refused(void **state)
{
	struct service service;
	char aside[sizeof path + 8];
	(void)state;
	begin(&service);
	snprintf(aside, sizeof aside, "%s.1", path);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	rotate(1);
	int fd = open(aside, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 3), 1);
	close(fd);
	barrier_fails(&service, "was altered before byte");
	service_crash(&service);
	restart_fails(&service, "is not the file of the last checkpoint");
	assert_int_equal(truncate(aside, 10), 0);
	restart_fails(&service, "was made shorter");
	service_end(&service);
}

/* While it is held nothing is lost, and after a crash it comes again. */
static void a_removed_file_is_said_and_its_lines_come_again(void **state)
{
	struct service service;
	char line[512], got[4096];
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	put(&service, 2, 4);
	assert_int_equal(unlink(path), 0);
	put(&service, 4, 5);
	try_checkpoint(&service);
	assert_non_null(strstr(service.logged, "was removed"));
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 1);
	put(&service, 5, 6);
	service_crash(&service);
	service.logged[0] = '\0';
	open_again(&service);
	assert_non_null(strstr(service.logged, "is not in its folder any more"));
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 2);
	put(&service, 2, 7);
	service_checkpoint(&service);
	read_file(got, sizeof got);
	service_line(2, line);
	assert_true(strncmp(got, line, strlen(line)) == 0); /* once in what is there */
	assert_null(strstr(got + 1, line));
	service_line(6, line);
	assert_non_null(strstr(got, line));
	service_crash(&service);
	open_again(&service);
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 2);
	service_end(&service);
}

/* The file that a committed checkpoint names to come is gone. */
static void a_next_file_that_is_removed_is_said(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 2);
	rotate(1);
	service_checkpoint(&service);
	service_crash(&service);
	assert_int_equal(unlink(path), 0);
	open_again(&service);
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 1);
	put(&service, 2, 4);
	for (int i = 0; i < 2; i++)
		service_checkpoint(&service);
	put(&service, 4, 5);
	assert_union(&service, 5);
	service_end(&service);
}

/* A copy that was put back is the file. */
static void a_copy_is_known_by_its_bytes(void **state)
{
	struct service service;
	char got[4096];
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 3);
	service_checkpoint(&service);
	service_crash(&service);
	read_file(got, sizeof got);
	char hold[sizeof path + 8];
	snprintf(hold, sizeof hold, "%s.copy", path);
	assert_int_equal(link(path, hold), 0); /* its number stays taken while the copy is made */
	assert_int_equal(unlink(path), 0);
	append(got);
	assert_int_equal(unlink(hold), 0);
	open_again(&service);
	put(&service, 3, 5);
	service_checkpoint(&service);
	assert_lines(5);
	assert_int_equal(service.counters.at[MR_C_FILES_LOST], 0);
	service_end(&service);
}

static void no_new_file_on_a_full_disk(void **state)
{
	struct service service;
	(void)state;
	begin(&service);
	open_again(&service);
	put(&service, 0, 2);
	service_checkpoint(&service);
	rotate(1);
	os_fault((struct os_fault){.call = OS_OPENAT, .nth = 2, .number = ENOSPC, .lasting = true});
	put(&service, 2, 3);
	service_checkpoint(&service);
	assert_non_null(strstr(service.logged, "it is tried again"));
	os_faults_end();
	for (unsigned i = 3; i < 6; i++) {
		put(&service, i, i + 1);
		service_checkpoint(&service);
	}
	assert_union(&service, 6);
	assert_int_equal(access(path, F_OK), 0);
	service_end(&service);
}

/* What somebody else wrote first is gone, where it is there. */
static void cut_begin(const char *text)
{
	char got[4096];
	read_file(got, sizeof got);
	if (strncmp(got, text, strlen(text)) != 0)
		return;
	assert_int_equal(truncate(path, 0), 0);
	append(got + strlen(text));
}

/* Whatever fails while lines turn to the new file, they go on, and none is lost. */
static void a_disk_that_is_full_at_each_moment_of_a_turn(void **state)
{
	(void)state;
	bool met = true;
	for (unsigned nth = 1; met; nth++) {
		struct service service;
		begin(&service);
		open_again(&service);
		put(&service, 0, 2);
		rotate(1);
		service_checkpoint(&service);
		append("{\"left open");
		put(&service, 2, 3);
		service_flush(&service);
		os_fault((struct os_fault){.nth = nth, .number = ENOSPC});
		struct mr_error error = {0};
		enum mr_err err = service.sink.ops->barrier(&service.sink, &error);
		met = os_fault_met();
		os_faults_end();
		/* A sync that failed is no matter of waiting. */
		if (err != MR_OK) {
			assert_int_equal(err, MR_NO_SPACE);
			service_crash(&service);
			open_again(&service);
			put(&service, 2, 3);
		}
		for (unsigned i = 3; i < 6; i++) {
			put(&service, i, i + 1);
			service_checkpoint(&service);
		}
		cut_begin("{\"left open\n");
		assert_union(&service, 6);
		service_end(&service);
	}
}

/* A disk that one file fills: as long as anybody holds it, whatever its name, there is no room. */
static ino_t filling;

static bool is_full(void)
{
	struct stat about;
	for (int fd = 3; filling != 0 && fd < 64; fd++)
		if (fstat(fd, &about) == 0 && about.st_ino == filling)
			return true;
	return false;
}

static ssize_t write_if_room(int fd, const void *bytes, size_t len)
{
	if (!is_full())
		return write(fd, bytes, len);
	errno = ENOSPC;
	return -1;
}

static int opens_to_fail;

static int open_if_room(int directory, const char *name, int flags, mode_t mode)
{
	if ((flags & O_CREAT) == 0 || opens_to_fail == 0)
		return openat(directory, name, flags, mode);
	opens_to_fail--;
	errno = ENOSPC;
	return -1;
}

/* To another disk, as mv does it, or nowhere. */
static void take_away(bool keeps)
{
	char aside[sizeof path + 8], got[4096];
	size_t len = read_file(got, sizeof got);
	snprintf(aside, sizeof aside, "%s.1", path);
	int fd = keeps ? open(aside, O_WRONLY | O_CREAT, 0600) : -1;
	if (keeps)
		assert_int_equal(write(fd, got, len), len);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* It is the only way to get room, so no checkpoint is waited for. */
static void a_file_that_fills_the_disk_may_go(void **state)
{
	const struct mr_os real = mr_os;
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct service service;
		struct stat about;
		bool keeps = i % 2 == 0, looks = i / 2 % 2 == 0;
		begin(&service);
		open_again(&service);
		put(&service, 0, 2);
		service_checkpoint(&service);
		put(&service, 2, 4);
		assert_int_equal(stat(path, &about), 0);
		mr_os.write = write_if_room;
		mr_os.openat = open_if_room;
		filling = about.st_ino;
		put(&service, 4, 6);
		assert_non_null(strstr(service.logged, "it is tried again"));
		if (looks)
			service_step_second(&service);
		take_away(keeps);
		opens_to_fail = i < 4 ? 0 : 1;
		struct mr_error error = {0};
		if (opens_to_fail > 0)
			assert_int_equal(service.sink.ops->barrier(&service.sink, &error), MR_FULL);
		service_step_second(&service);
		service_step_second(&service);
		assert_false(is_full());
		assert_non_null(strstr(service.logged, "can be written again"));
		assert_true(service.events[MR_EVENT_SINK_FAILING] &&
			    service.events[MR_EVENT_SINK_OK] &&
			    service.events[MR_EVENT_FILE_ROTATED]);
		assert_int_equal(service.counters.at[MR_C_FILES_LOST], 1);
		put(&service, 6, 8);
		service_checkpoint(&service);
		service_crash(&service);
		open_again(&service);
		put(&service, 8, 9);
		filling = 0;
		mr_os = real;
		if (keeps && looks)
			assert_union(&service, 9);
		assert_last_line(8);
		service_end(&service);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_rotation_at_each_moment),
	    cmocka_unit_test(a_linked_file_is_found_in_its_own_folder),
	    cmocka_unit_test(no_rotation_beside_the_books),
	    cmocka_unit_test(two_rotations_between_checkpoints),
	    cmocka_unit_test(a_file_that_is_put_back_goes_on),
	    cmocka_unit_test(a_moved_file_that_is_damaged_is_refused),
	    cmocka_unit_test(a_removed_file_is_said_and_its_lines_come_again),
	    cmocka_unit_test(a_next_file_that_is_removed_is_said),
	    cmocka_unit_test(a_copy_is_known_by_its_bytes),
	    cmocka_unit_test(no_new_file_on_a_full_disk),
	    cmocka_unit_test(a_disk_that_is_full_at_each_moment_of_a_turn),
	    cmocka_unit_test(a_file_that_fills_the_disk_may_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
