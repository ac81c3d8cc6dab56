/* test_follow.c - files that are followed: growth, rotation, deletion, restarts at any moment. Each
 * record comes once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "followed.h"

static void restart(struct service *service)
{
	service_die(service);
	assert_int_equal(service_begin(service), MR_OK);
}

static void only_whole_lines(void **state)
{
	struct service service;

	(void)state;
	start(&service, "a.log");
	check(&service, "");
	append("a.log", "\xef\xbb\xbf{\"a\":1}\n{\"a\"");
	check(&service, "a.log 3 {\"a\":1}\n");
	append("a.log", ":2}");
	check(&service, "a.log 3 {\"a\":1}\n");
	append("a.log", "\n\n  {\"a\":3}\r\n");
	check(&service, "a.log 3 {\"a\":1}\na.log 11 {\"a\":2}\na.log 22 {\"a\":3}\n");
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

/* What inotify tells is read at once, before a second has passed. */
static void growth_is_told(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	append("a.log", "2\n");
	append("b.log", "3\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_string_equal(came(&service.stage.records), "a.log 0 1\na.log 2 2\nb.log 0 3\n");
	assert_true(waiting > 0);
	service_fini(&service);
}

static void rotation_by_rename(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	append("a.log", "2\n");
	move_file("a.log", "a.log.1");
	append("a.log.1", "3\n4"); /* its writer has not noticed yet */
	append("a.log", "5\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\na.log 0 5\n");
	append("a.log.1", "4\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\na.log 0 5\na.log 6 44\n");
	append("a.log.1", "6"); /* no end will come */
	for (int i = 0; i < 7; i++)
		look(&service);
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\na.log 0 5\na.log 6 44\na.log 9 6\n");
	service_fini(&service);
}

/* In a directory the old file is known by its inode under its new name. */
static void rotation_in_a_directory(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	move_file("a.log", "a.log.1");
	append("a.log.1", "2\n");
	append("a.log", "3\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 0 3\n");
	service_fini(&service);
}

/* What was moved away is read to its end, and what else lies there is none of a pattern's. */
static void rotation_out_of_a_pattern(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "*.log");
	look(&service);
	move_file("a.log", "a.log.1");
	append("a.log.1", "2\n");
	append("a.log", "3\n");
	append("a.log.2", "copied\n");
	append("a.log.2.gz", "\x1f\x8b\x08 packed");
	check(&service, "a.log 0 1\na.log 2 2\na.log 0 3\n");
	service_checkpoint(&service);
	restart(&service);
	append("a.log.1", "4\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 0 3\na.log 4 4\n");
	assert_int_equal(warnings, 0);
	service_fini(&service);
}

static void rotation_by_copy_and_truncate(void **state)
{
	struct service service;
	char path[256];

	(void)state;
	in_path("a.log", path, sizeof(path));
	append("a.log", "1111\n2222\n33");
	start(&service, "a.log");
	look(&service);
	assert_int_equal(truncate(path, 0), 0);
	append("a.log", "4\n");
	check(&service, "a.log 0 1111\na.log 5 2222\na.log 0 4\n");
	/* Longer than what was read, but with other bytes at its beginning. */
	assert_int_equal(truncate(path, 0), 0);
	append("a.log", "5\n6\n7\n");
	check(&service, "a.log 0 1111\na.log 5 2222\na.log 0 4\na.log 0 5\na.log 2 6\na.log 4 7\n");
	service_fini(&service);
}

static void deletion(void **state)
{
	struct service service;
	char path[256];

	(void)state;
	in_path("a.log", path, sizeof(path));
	append("a.log", "1\n2");
	start(&service, "*.log");
	look(&service);
	unlink(path);
	for (int i = 0; i < 7; i++)
		look(&service);
	check(&service, "a.log 0 1\na.log 2 2\n");
	append("a.log", "3\n"); /* perhaps with the same inode */
	append("b.txt", "no\n");
	check(&service, "a.log 0 1\na.log 2 2\na.log 0 3\n");
	service_fini(&service);
}

/* Deaths before and behind checkpoints: each record once. */
static void restarts(void **state)
{
	struct service service;
	struct mr_buf want = {0};
	char line[32];

	(void)state;
	start(&service, "");
	for (int i = 0; i < 30; i++) {
		const char *name = i % 2 ? "a.log" : "b.log";

		snprintf(line, sizeof(line), "%04d\n", i);
		append(name, line);
		mr_buf_printf(&want, "%s %d %04d\n", name, i / 2 * 5, i);
		check(&service, stage_text(&want));
		if (i % 3 == 0)
			service_checkpoint(&service);
		if (i % 2 == 0)
			restart(&service);
		if (i % 7 == 0)
			restart(&service);
	}
	check(&service, stage_text(&want));
	mr_buf_fini(&want);
	service_fini(&service);
}

/* While nobody was there the file was rotated: out of sight, and back again. */
static void rotation_between_lives(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	service_checkpoint(&service);
	service_die(&service);
	append("a.log", "2\n");
	move_file("a.log", "a.log.1");
	append("a.log", "3\n");
	assert_int_equal(service_begin(&service), MR_OK);
	look(&service);
	assert_non_null(strstr(came(&service.stage.records), "a.log 0 1\n"));
	assert_non_null(strstr(came(&service.stage.records), "a.log 2 2\n"));
	assert_non_null(strstr(came(&service.stage.records), "a.log 0 3\n"));
	assert_int_equal(service.stage.record_count, 2);
	service_fini(&service);
}

static void count_missing(void *context, enum mr_log_level level, uint64_t kind, const char *line,
			  size_t len)
{
	size_t *missing = context;

	(void)level;
	(void)kind;
	(void)len;
	*missing += strstr(line, "is not there any more") != NULL;
}

/* What a rotation took away for good is said by the start that finds it so, and by no later one;
 * and by none, where it went while it was followed. */
static void what_is_gone_is_said_once(void **state)
{
	struct service service;
	size_t missing = 0;

	(void)state;
	mr_log_set_sink(count_missing, &missing);
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	service_checkpoint(&service);
	service_die(&service);
	move_file("a.log", "a.log.1");
	append("a.log", "2\n");
	remove_file("a.log.1");
	assert_int_equal(service_begin(&service), MR_OK);
	check(&service, "a.log 0 1\na.log 0 2\n");
	assert_int_equal(missing, 1);
	for (int i = 0; i < 3; i++) {
		service_checkpoint(&service);
		restart(&service);
		look(&service);
		assert_int_equal(missing, 1);
	}
	append("a.log", "3\n");
	look(&service);
	service_checkpoint(&service);
	restart(&service);
	look(&service);
	assert_int_equal(missing, 1);
	service_fini(&service);
}

/* The inode of a file that was read is that of another now. */
static void another_file_with_its_inode(void **state)
{
	struct service service;
	char path[256];
	int fd;

	(void)state;
	append("a.log", "1111\n");
	start(&service, "a.log");
	look(&service);
	service_checkpoint(&service);
	service_die(&service);
	in_path("a.log", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "2222\n3\n", 7, 0), 7);
	close(fd);
	assert_int_equal(service_begin(&service), MR_OK);
	check(&service, "a.log 0 1111\na.log 0 2222\na.log 5 3\n");
	service_fini(&service);
}

static void lines_past_all_bounds(void **state)
{
	struct service service;
	char *line = mr_malloc(700000);

	(void)state;
	memset(line, 'x', 700000);
	start(&service, "a.log");
	append_bytes("a.log", line, 700000);
	look(&service);
	append_bytes("a.log", line, 300000);
	append("a.log", "\n1\n");
	append_bytes("a.log", line, 700000);
	append_bytes("a.log", line, 700000);
	append("a.log", "\n2\n");
	look(&service);
	assert_int_equal(service.stage.record_count, 3);
	assert_int_equal(service.stage.reject_count, 1);
	assert_non_null(strstr(came(&service.stage.rejects),
			       "(the record has 1400000 bytes; max_record_bytes allows 1048576)"));
	assert_non_null(strstr(came(&service.stage.records), "a.log 1000001 1\n"));
	assert_non_null(strstr(came(&service.stage.records), "a.log 2400004 2\n"));
	service_checkpoint(&service);
	restart(&service);
	look(&service);
	assert_int_equal(service.stage.record_count, 0);
	free(line);
	service_fini(&service);
}

static void what_is_no_lines_is_left_alone(void **state)
{
	struct service service;

	(void)state;
	append_bytes("a.gz", "\x1f\x8b\x08\0\0\0\0\0", 8);
	append("b.csv", "\"x\",\"AuditData\"\n1,{}\n");
	append("c.log", "1\n");
	start(&service, "");
	check(&service, "c.log 0 1\n");
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 2);
	assert_non_null(strstr(logged, "source audit: "));
	assert_non_null(strstr(logged, "b.csv: this is CSV, not a record a line: millrace scan "
				       "reads it, and so does a source of files with follow: "
				       "false"));
	service_fini(&service);
}

/* What was refused is looked at again when it begins otherwise, whatever its size and inode. */
static void what_is_lines_now_is_read(void **state)
{
	struct service service;
	char path[256];
	FILE *file;

	(void)state;
	append("b.csv", "\"x\",\"AuditData\"\n1,{}\n");
	start(&service, "");
	check(&service, "");
	append("b.csv", "2,{}\n");
	check(&service, "");
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	in_path("b.csv", path, sizeof(path));
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_true(fputs("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	check(&service, "b.csv 0 {\"a\":1}\nb.csv 8 {\"a\":2}\nb.csv 16 {\"a\":3}\n"
			"b.csv 24 {\"a\":4}\n");
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	service_fini(&service);
}

/* Each is said once, with its name; none gives a record, nor a line that is set aside. */
static void each_that_is_no_lines_is_said_once(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *what;
	} kinds[] = {
#define KIND(bytes, what) {bytes, sizeof(bytes) - 1, what}
	    KIND("\x1f\x8b\x08\0\0\0\0\0", "this is gzip, "),
	    KIND("\x28\xb5\x2f\xfd\0\n\0\0", "this is zstd, "),
	    KIND("\xff\xfe{\0}\0\n\0", "this is UTF-16, "),
	    KIND("{\0\"\0a\0\"\0:\0", "this is UTF-16, "),
	    KIND("\xef\xbb\xbfRecordId,AuditData\r\n1,{}\r\n", "this is CSV, "),
	    KIND("Time;User\n1;2\n", "this is CSV, "),
	    KIND("[{\"a\":1},{\"a\":2}]", "this is JSON, "),
	    KIND("[\n{\"a\":1},\n{\"a\":2}\n]\n", "this is JSON, "),
	    KIND("\xef\xbb\xbf[{\"a\":1}]\n", "this is JSON, "),
	    KIND("{\"value\":[{\"a\":1}]}\n", "this is JSON, "),
	    KIND("{\n  \"a\": 1\n}\n", "this is JSON, "),
	    KIND("PK\3\4 and more", "this is a zip archive"),
#undef KIND
	};
	struct service service;

	(void)state;
	append("lines.log", "{}\n");
	start(&service, "");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char *said;

		append_bytes("file", kinds[i].bytes, kinds[i].len);
		look(&service);
		said = mr_asprintf("/in/file: %s", kinds[i].what);
		if (warnings != 1 || strstr(logged, said) == NULL)
			fail_msg("%s: %s", kinds[i].what, logged);
		look(&service);
		assert_int_equal(warnings, 1);
		assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], i + 1);
		remove_file("file");
		look(&service);
		free(said);
		logged_begin();
	}
	check(&service, "lines.log 0 {}\n");
	assert_int_equal(service.stage.reject_count, 0);
	service_fini(&service);
}

/* One sync for all of them, and none for what is no lines. */
static void new_names_are_made_durable_together(void **state)
{
	struct service service;
	char name[32];
	uint32_t before;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	before = service.stage.files.syncs;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "%02d.log", i);
		append(name, i % 2 == 0 ? "{}\n" : "x,y\n1,2\n");
	}
	look(&service);
	assert_int_equal(service.stage.record_count, 51);
	assert_int_equal(service.stage.files.syncs, before + 1);
	assert_int_equal(service.stage.files.expected, 0);
	service_fini(&service);
}

/* What it is may not be known before more has come, or none does. */
static void a_head_that_comes_in_pieces(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "{\n");
	append("b.log", "x,");
	append("c.log", "{}\n");
	append("d.log", "{\"a\"");
	start(&service, "");
	check(&service, "c.log 0 {}\n");
	assert_int_equal(warnings, 0);
	append("a.log", " \"a\": 1}\n");
	append("b.log", "y\n1,2\n");
	append("d.log", ":1}\n");
	check(&service, "c.log 0 {}\nd.log 0 {\"a\":1}\n");
	assert_int_equal(warnings, 2);
	/* Written anew, it is looked at anew. */
	empty_file("b.log");
	append("b.log", "{}\n");
	check(&service, "c.log 0 {}\nd.log 0 {\"a\":1}\nb.log 0 {}\n");
	service_fini(&service);
}

/* No room: nothing is read on, it is said once, and once there is room nothing is missing. */
static void a_full_disk(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	append("a.log", "2\n");
	look(&service);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "source audit: reading stops until there is room: "));
	append("a.log", "3\n");
	look(&service);
	check(&service, "a.log 0 1\n");
	assert_int_equal(warnings, 1);
	service_checkpoint(&service); /* of what stands in the journal */
	os_faults_end();
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\n");
	assert_int_equal(warnings, 2);
	assert_non_null(strstr(logged, "there is room again"));
	restart(&service);
	check(&service, "a.log 0 1\na.log 2 2\na.log 4 3\n");
	service_fini(&service);
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* From the first life on: it is said, tried again without a trace, and then all is read. */
static void a_disk_that_is_full_from_the_start(void **state)
{
	struct service service;
	unsigned before;

	(void)state;
	append("a.log", "1\n");
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	start(&service, "a.log");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	before = open_descriptors();
	for (int i = 0; i < 5; i++)
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "source audit: reading stops until there is room: "));
	os_faults_end();
	check(&service, "a.log 0 1\n");
	assert_non_null(strstr(logged, "there is room again"));
	service_fini(&service);
}

static void make(const char *command)
{
	char *text = mr_asprintf("cd %s/in && %s", service_folder, command);

	stage_must(system(text) == 0);
	free(text);
}

/* Links that lead back, made while it runs: each file is read once, however it is asked for. */
static void loops_of_links(void **state)
{
	static const char *const paths[] = {"", "*/*.log", "d/up/d"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct service service;
		uint32_t names;

		service_clean(state);
		make("mkdir d && ln -s .. d/up && echo 1 > d/a.log");
		start(&service, paths[i]);
		look(&service);
		names = service.stage.files.count;
		make("for n in 1 2 3 4 5 6; do ln -s . self$n && ln -s .. d/up$n && ln -s ../d "
		     "d/to$n; done "
		     "&& ln -s x y && ln -s y x");
		for (int k = 0; k < 3; k++)
			look(&service);
		append("d/a.log", "2\n");
		look(&service);
		restart(&service);
		look(&service);
		append("d/a.log", "3\n");
		look(&service);
		assert_int_equal(service.stage.files.count, names);
		assert_int_equal(service.stage.reject_count, 0);
		assert_int_equal(warnings, 0);
		service_fini(&service);
	}
}

/* The others are followed on; it is said once, and what lies there is not gone. */
static void a_folder_that_cannot_be_read(void **state)
{
	struct service service;
	struct rlimit most;
	struct rlimit none;

	(void)state;
	append("a.log", "1\n");
	append("z.log", "2\n");
	start(&service, "");
	look(&service);
	make("p=m; for n in 1 2 3 4 5 6 7; do p=$p/1/2/3/4/5/6/7/8/9/0; done; mkdir -p $p && ln -s "
	     "m n");
	for (int i = 0; i < 8; i++)
		look(&service);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged,
			       "directories are nested deeper than 64; what lies there is not "
			       "followed until it can be read"));
	append("z.log", "3\n");
	check(&service, "a.log 0 1\nz.log 0 2\nz.log 2 3\n");
	/* No folder at all. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = most.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 8; i++)
		look(&service);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	append("a.log", "4\n");
	check(&service, "a.log 0 1\nz.log 0 2\nz.log 2 3\na.log 2 4\n");
	service_fini(&service);
}

/* It is said once, counted while it lasts, and followed as soon as it can be. */
static void a_file_that_cannot_be_opened(void **state)
{
	struct service service;
	struct rlimit most;
	struct rlimit none;

	(void)state;
	append("a.log", "1\n");
	service_init(&service, "file");
	service_path(&service, "a.log");
	service_path(&service, "z.log");
	assert_int_equal(service_begin(&service), MR_OK);
	check(&service, "a.log 0 1\n");
	append("z.log", "2\n");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &most), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = most.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 8; i++)
		look(&service);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &most), 0);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "z.log: cannot open it: "));
	assert_int_equal(unread(&service), 1);
	check(&service, "a.log 0 1\nz.log 0 2\n");
	look(&service);
	assert_int_equal(unread(&service), 0);
	service_fini(&service);
}

/* It is no full disk: who waited for one would wait for ever. */
static void no_descriptor_left_ends_it(void **state)
{
	struct service service;
	enum mr_err err = MR_OK;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	service.stage.files.none_left = true;
	append("b.log", "2\n");
	service.now.steady_us += 1000000;
	for (int i = 0; i < 5 && (err == MR_OK || err == MR_AGAIN); i++)
		err = stage_poll(&service.stage);
	assert_int_equal(err, MR_IO);
	service_fini(&service);
}

/* A name has no room: as with a block, what is there by then is kept, and nothing is missing. */
static void a_disk_that_is_full_for_names(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	look(&service);
	service.stage.files.no_room = true;
	append("b.log", "2\n");
	append("c.log", "3\n");
	for (int i = 0; i < 3; i++)
		look(&service);
	service_checkpoint(&service);
	check(&service, "a.log 0 1\n");
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "source audit: reading stops until there is room: "));
	/* Also for those that it knows, in its next life. */
	service_die(&service);
	assert_int_equal(service_begin(&service), MR_OK);
	service.stage.files.no_room = true;
	for (int i = 0; i < 3; i++)
		look(&service);
	check(&service, "a.log 0 1\n");
	service.stage.files.no_room = false;
	look(&service);
	check(&service, "a.log 0 1\nb.log 0 2\nc.log 0 3\n");
	assert_int_equal(service.stage.files.count, 4); /* the segment, and each name once */
	assert_non_null(strstr(logged, "there is room again"));
	service_fini(&service);
}

static void a_broken_disk_ends_it(void **state)
{
	struct service service;

	(void)state;
	append("a.log", "1\n");
	start(&service, "a.log");
	look(&service);
	os_fault((struct os_fault){.call = OS_FDATASYNC, .nth = 1, .number = EIO, .lasting = true});
	append("a.log", "2\n");
	service.now.steady_us += 1000000;
	stage_poll(&service.stage);
	service.now.steady_us += 1000000;
	assert_int_equal(stage_poll(&service.stage), MR_IO);
	os_faults_end();
	restart(&service);
	check(&service, "a.log 0 1\na.log 2 2\n");
	service_fini(&service);
}

/* An hour back, a day ahead: records are read, new files found and all made durable as ever. */
static void a_clock_that_jumps(void **state)
{
	static const int64_t jumps_us[] = {-3600 * INT64_C(1000000), 86400 * INT64_C(1000000),
					   -25 * 3600 * INT64_C(1000000)};
	struct service service;
	char name[8] = "b.log";

	(void)state;
	append("a.log", "1\n");
	start(&service, "");
	service.now.wall_us = INT64_C(1700000000000000);
	look(&service);
	for (size_t i = 0; i < sizeof(jumps_us) / sizeof(jumps_us[0]); i++, name[0]++) {
		service.now.wall_us += jumps_us[i];
		append(name, "2\n");
		os_fault((struct os_fault){0});
		look(&service);
		look(&service);
		assert_true(os_counts[OS_FDATASYNC] > 0);
		os_faults_end();
	}
	check(&service, "a.log 0 1\nb.log 0 2\nc.log 0 2\nd.log 0 2\n");
	service_fini(&service);
}

/* PROTOCOL.md 6.6, and off where no time is set. */
static void a_silent_source_holds_nobody_up(void **state)
{
	struct service service;

	(void)state;
	for (int is_set = 0; is_set < 2; is_set++) {
		append("a.log", "1\n");
		service_init(&service, "file");
		service_path(&service, "a.log");
		if (is_set)
			service_set(&service, "idle_timeout", "10s");
		assert_int_equal(service_begin(&service), MR_OK);
		look(&service);
		assert_int_equal(mark_of_all.state, MR_SOURCE_ACTIVE);
		service.now.wall_us += INT64_C(3600000000); /* a clock that was set */
		look(&service);
		assert_int_equal(mark_of_all.state, MR_SOURCE_ACTIVE);
		service.now.steady_us += 9000000;
		look(&service);
		assert_int_equal(mark_of_all.state, is_set ? MR_SOURCE_IDLE : MR_SOURCE_ACTIVE);
		append("a.log", "2\n");
		look(&service);
		assert_int_equal(mark_of_all.state, MR_SOURCE_ACTIVE);
		service_fini(&service);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(only_whole_lines, begin),
	    cmocka_unit_test_setup(growth_is_told, begin),
	    cmocka_unit_test_setup(rotation_by_rename, begin),
	    cmocka_unit_test_setup(rotation_in_a_directory, begin),
	    cmocka_unit_test_setup(rotation_out_of_a_pattern, begin),
	    cmocka_unit_test_setup(rotation_by_copy_and_truncate, begin),
	    cmocka_unit_test_setup(deletion, begin),
	    cmocka_unit_test_setup(restarts, begin),
	    cmocka_unit_test_setup(rotation_between_lives, begin),
	    cmocka_unit_test_setup(what_is_gone_is_said_once, begin),
	    cmocka_unit_test_setup(another_file_with_its_inode, begin),
	    cmocka_unit_test_setup(lines_past_all_bounds, begin),
	    cmocka_unit_test_setup(what_is_no_lines_is_left_alone, begin),
	    cmocka_unit_test_setup(what_is_lines_now_is_read, begin),
	    cmocka_unit_test_setup(each_that_is_no_lines_is_said_once, begin),
	    cmocka_unit_test_setup(a_head_that_comes_in_pieces, begin),
	    cmocka_unit_test_setup(new_names_are_made_durable_together, begin),
	    cmocka_unit_test_setup(a_full_disk, begin),
	    cmocka_unit_test_setup(a_disk_that_is_full_from_the_start, begin),
	    cmocka_unit_test_setup(a_disk_that_is_full_for_names, begin),
	    cmocka_unit_test_setup(loops_of_links, begin),
	    cmocka_unit_test_setup(a_folder_that_cannot_be_read, begin),
	    cmocka_unit_test_setup(a_file_that_cannot_be_opened, begin),
	    cmocka_unit_test_setup(no_descriptor_left_ends_it, begin),
	    cmocka_unit_test_setup(a_broken_disk_ends_it, begin),
	    cmocka_unit_test_setup(a_clock_that_jumps, begin),
	    cmocka_unit_test_setup(a_silent_source_holds_nobody_up, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
