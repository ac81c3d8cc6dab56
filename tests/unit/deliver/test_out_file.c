/* test_out_file.c - lines into files, pipes and full disks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "millrace/alive.h"
#include "out_file.h"

static int temporary(void)
{
	char path[] = "/tmp/millrace-sink-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void assert_content(int fd, const char *want)
{
	char got[256] = {0};
	ssize_t len = pread(fd, got, sizeof(got) - 1, 0);
	assert_true(len >= 0);
	assert_string_equal(got, want);
}

static enum mr_err put(struct out_file *file, const char *text, struct mr_error *error)
{
	return out_file_put(file, mr_slice(text), error);
}

static void lines_are_written_when_flushed(void **state)
{
	(void)state;
	struct out_file file;
	int fd = temporary();
	assert_int_equal(write(fd, "old\n", 4), 4);
	assert_int_equal(out_file_init(&file, fd, "alerts", NULL), MR_OK);
	assert_int_equal(put(&file, "one\n", NULL), MR_OK);
	assert_int_equal(put(&file, "two\n", NULL), MR_OK);
	assert_content(fd, "old\n");
	assert_int_equal(out_file_flush(&file, NULL), MR_OK);
	assert_content(fd, "old\none\ntwo\n");
	assert_int_equal(out_file_flush(&file, NULL), MR_OK);
	out_file_fini(&file);
	close(fd);
}

static void a_large_buffer_is_written_at_once(void **state)
{
	(void)state;
	struct out_file file;
	int fd = temporary();
	char *line = mr_malloc(70000);
	memset(line, 'x', 69999);
	line[69999] = '\n';
	assert_int_equal(out_file_init(&file, fd, "alerts", NULL), MR_OK);
	assert_int_equal(out_file_put(&file, (struct mr_slice){line, 70000}, NULL), MR_OK);
	assert_int_equal(lseek(fd, 0, SEEK_END), 70000);
	assert_true(file.whole == 70000 && file.at == 70000);
	out_file_fini(&file);
	close(fd);
	free(line);
}

static void count_sign(void *context)
{
	++*(unsigned *)context;
}

static void a_very_long_line_gives_signs_of_life(void **state)
{
	(void)state;
	struct out_file file;
	unsigned signs = 0;
	int fd = temporary();
	size_t len = 3 * MR_ALIVE_BYTES + 1;
	char *line = calloc(1, len);
	line[len - 1] = '\n';
	assert_int_equal(out_file_init(&file, fd, "alerts", NULL), MR_OK);
	mr_alive_listen(count_sign, &signs);
	assert_int_equal(out_file_put(&file, (struct mr_slice){line, len}, NULL), MR_OK);
	mr_alive_listen(NULL, NULL);
	assert_int_equal(signs, 3 + 3); /* as it is taken, and as it is written */
	assert_int_equal(lseek(fd, 0, SEEK_END), (off_t)len);
	out_file_fini(&file);
	close(fd);
	free(line);
}

static void a_full_disk_is_named(void **state)
{
	(void)state;
	struct out_file file;
	struct mr_error error = {0};
	int fd = open("/dev/full", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(out_file_init(&file, fd, "alerts.ndjson", &error), MR_OK);
	assert_int_equal(put(&file, "one\n", &error), MR_OK);
	assert_int_equal(out_file_flush(&file, &error), MR_NO_SPACE);
	assert_int_equal(error.code, MR_NO_SPACE);
	assert_string_equal(error.text,
			    "alerts.ndjson: cannot be written: No space left on device");
	out_file_fini(&file);
	close(fd);
}

static void a_closed_pipe_is_named(void **state)
{
	(void)state;
	struct out_file file;
	struct mr_error error = {0};
	int ends[2];
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	assert_int_equal(out_file_init(&file, ends[1], "standard output", &error), MR_OK);
	assert_int_equal(put(&file, "one\n", &error), MR_OK);
	assert_int_equal(out_file_flush(&file, &error), MR_READER_GONE);
	assert_string_equal(error.text, "standard output: whoever read it has gone away");
	out_file_fini(&file);
	close(ends[1]);
}

static void a_pipe_that_is_full_is_waited_for(void **state)
{
	(void)state;
	struct out_file file;
	int ends[2];
	size_t total = 1u << 20;
	char *line = mr_calloc(1, total);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	pid_t reader = fork();
	if (reader == 0) {
		char buffer[4096];
		size_t got = 0;
		close(ends[1]);
		fcntl(ends[0], F_SETFL, 0);
		for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
			got += (size_t)n;
		_exit(got == total ? 0 : 1);
	}
	close(ends[0]);
	assert_int_equal(out_file_init(&file, ends[1], "pipe", NULL), MR_OK);
	assert_int_equal(out_file_put(&file, (struct mr_slice){line, total}, NULL), MR_OK);
	out_file_fini(&file);
	close(ends[1]);
	int status;
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
	free(line);
}

/* What a full disk does not take stays; once it is written its room is given back. */
static void a_very_long_line_leaves_no_memory_behind(void **state)
{
	(void)state;
	struct out_file file;
	int fd = temporary();
	size_t len = 3u << 20;
	char *line = mr_calloc(1, len);
	line[len - 1] = '\n';
	struct mr_slice bytes = {line, len};
	struct rlimit before, now;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = before;
	now.rlim_cur = len / 2;
	assert_int_equal(out_file_init(&file, fd, "alerts", NULL), MR_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	enum mr_err err = out_file_put(&file, bytes, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, MR_NO_SPACE);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_int_equal(file.buf.len, len);
	assert_memory_equal(file.buf.data, line, len);
	assert_int_equal(out_file_flush(&file, NULL), MR_OK);
	assert_int_equal(lseek(fd, 0, SEEK_END), len);
	assert_in_range(file.buf.capacity, 0, 1u << 20);
	assert_int_equal(put(&file, "one\n", NULL), MR_OK);
	assert_int_equal(out_file_flush(&file, NULL), MR_OK);
	assert_true(file.whole == len + 4 && file.at == len + 4);
	out_file_fini(&file);
	close(fd);
	free(line);
}

/* A file that may grow to `limit` bytes; what is left of the text in it after the failure. */
static void torn(const char *first, const char *second, rlim_t limit, const char *want)
{
	struct out_file file;
	struct mr_error error = {0};
	int fd = temporary();
	struct rlimit before, now;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = before;
	now.rlim_cur = limit;
	assert_int_equal(out_file_init(&file, fd, "alerts", &error), MR_OK);
	assert_int_equal(put(&file, first, &error), MR_OK);
	assert_int_equal(out_file_flush(&file, &error), MR_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	assert_int_equal(put(&file, second, &error), MR_OK);
	assert_int_equal(out_file_flush(&file, &error), MR_NO_SPACE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_content(fd, want);
	out_file_fini(&file);
	close(fd);
}

static void a_torn_line_is_cut_off(void **state)
{
	(void)state;
	torn("one\n", "two\nthree\n", 4, "one\n");
	torn("one\n", "two\nthree\n", 6, "one\n");
	torn("one\n", "two\nthree\n", 8, "one\ntwo\n");
	torn("one\n", "two\nthree\n", 13, "one\ntwo\n");
	torn("one\nbeginning of ", "a long line\n", 20, "one\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines_are_written_when_flushed),
	    cmocka_unit_test(a_large_buffer_is_written_at_once),
	    cmocka_unit_test(a_very_long_line_gives_signs_of_life),
	    cmocka_unit_test(a_full_disk_is_named),
	    cmocka_unit_test(a_closed_pipe_is_named),
	    cmocka_unit_test(a_pipe_that_is_full_is_waited_for),
	    cmocka_unit_test(a_very_long_line_leaves_no_memory_behind),
	    cmocka_unit_test(a_torn_line_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
