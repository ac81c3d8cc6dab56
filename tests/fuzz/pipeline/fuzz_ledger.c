/* fuzz_ledger.c - a ledger with bytes changed: each four of the input are where and what. Whatever
 * it holds then, the check and the report end, and read only. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ledger_check.h"
#include "ledger_report.h"
#include "ledger_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static char *sound; /* the file's bytes */
static size_t sound_len;

static void remove_file(void)
{
	unlink(path);
}

static void write_books(struct mr_ledger *books)
{
	uint8_t head[MR_LINE_HASH_BYTES];
	for (uint64_t number = 1; number < 40; number++) {
		const struct mr_ledger_checkpoint checkpoint = {
		    .number = number, .time_us = (int64_t)number * 900 * 1000000};
		mr_ledger_begin(books, &checkpoint, NULL);
		mr_ledger_put_count(books, MR_SLICE("mail"), MR_SLICE("parse"), MR_SLICE("parsed"),
				    7);
		mr_ledger_put_position(books, MR_SLICE("mail"), MR_SLICE("a"), number);
		if (mr_ledger_commit(books, head, NULL) != MR_OK)
			abort();
	}
}

static void make_sound(void)
{
	struct mr_ledger *books;
	snprintf(path, sizeof path, "/tmp/mr-fuzz-ledger-%d", (int)getpid());
	remove_file();
	if (mr_ledger_open(path, true, &books, NULL) != MR_OK)
		abort();
	atexit(remove_file);
	mr_ledger_keep(books, 0, 20);
	write_books(books);
	mr_ledger_close(books);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t len = lseek(fd, 0, SEEK_END);
	sound = mr_malloc((size_t)len);
	sound_len = (size_t)len;
	if (pread(fd, sound, sound_len, 0) != len)
		abort();
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sound == NULL)
		make_sound();
	char *bytes = mr_malloc(sound_len);
	memcpy(bytes, sound, sound_len);
	for (size_t i = 0; i + 4 <= size; i += 4)
		bytes[((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) %
		      sound_len] = (char)data[i + 3];
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (write(fd, bytes, sound_len) != (ssize_t)sound_len)
		abort();
	close(fd);
	struct mr_findings findings = {0};
	struct mr_ledger_state state;
	const struct mr_ledger_expected expected = {.known = false};
	struct mr_buf out = {0};
	mr_ledger_check(path, &expected, &findings, &state, NULL);
	mr_ledger_report(path, MR_REPORT_JSON, &out, NULL);
	mr_findings_fini(&findings);
	mr_buf_fini(&out);
	free(bytes);
	return 0;
}
