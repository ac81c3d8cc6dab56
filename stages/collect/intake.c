/* intake.c - standard input's ring and queue. See intake.h. */
#include "intake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "millrace/os.h"
#include "millrace/setting.h"

#define PIPE_BYTES (1 << 20)
#define MAP_BYTES (INTAKE_RING_BYTES + sizeof(struct intake_head))
#define TITLE "standard input"

/* In the order of a source's tables. */
enum part { STREAM, MEMORY, QUEUE_OUT, QUEUE_IN, PART_COUNT };

static void part_name(enum part part, const char *source, char out[MR_NAME_MAX + 32])
{
	static const char *const forms[PART_COUNT] = {"stdin", "intake", "queue", "queue_in"};

	snprintf(out, MR_NAME_MAX + 32, "collect.%s.%s", forms[part], source);
}

/* ---- in the supervisor ---- */

static enum mr_err make_memory(int stream, int *fd_out, struct mr_error *error)
{
	off_t at = lseek(stream, 0, SEEK_CUR);
	struct intake_head head = {.base = at > 0 ? (uint64_t)at : 0,
				   .places = {{.queued = INTAKE_NO_READ}}};
	int fd = memfd_create("millrace-intake", MFD_CLOEXEC);

	/* The head lies at its end, and the memory below is there from the beginning. */
	if (fd >= 0 && getrandom(head.id, sizeof(head.id), 0) == sizeof(head.id) &&
	    mr_os_pwrite_all(fd, (struct mr_slice){(const char *)&head, sizeof(head)},
			     INTAKE_RING_BYTES)) {
		*fd_out = fd;
		return MR_OK;
	}
	if (fd >= 0)
		close(fd);
	return mr_error_errno(error, MR_IO, TITLE ": no memory to read it into");
}

static bool is_pipe(int fd)
{
	struct stat about;

	return fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode);
}

static enum mr_err check_stream(int fd, struct mr_error *error)
{
	struct stat about;

	if (fstat(fd, &about) != 0)
		return mr_error_errno(error, MR_CONFIG, TITLE " cannot be read");
	if (S_ISDIR(about.st_mode))
		return mr_error_set(error, MR_CONFIG,
				    TITLE " is a folder: a source of type file reads one");
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		return mr_error_set(error, MR_CONFIG, TITLE " is open for writing alone");
	return MR_OK;
}

enum mr_err intake_prepare(const char *source, int stream, struct mr_tables *tables,
			   struct mr_error *error)
{
	int fds[PART_COUNT] = {stream, -1, -1, -1};
	char name[MR_NAME_MAX + 32];
	enum mr_err err = check_stream(stream, error);

	if (err == MR_OK)
		err = make_memory(stream, &fds[MEMORY], error);

	if (err == MR_OK && is_pipe(stream) && pipe2(&fds[QUEUE_OUT], O_CLOEXEC | O_NONBLOCK) != 0)
		err = mr_error_errno(error, MR_IO, TITLE ": no queue to read it through");
	for (enum part part = STREAM; part < PART_COUNT; part++) {
		if (fds[part] < 0)
			continue;
		/* Longer, they wake their readers less often; what may not grow stays as it is. */
		(void)fcntl(fds[part], F_SETPIPE_SZ, PIPE_BYTES);
		part_name(part, source, name);
		if (err == MR_OK)
			mr_tables_add(tables, name, fds[part], 0);
		else
			close(fds[part]);
	}
	return err;
}

/* ---- in a worker ---- */

/* -1 in *fd_out where the source has no such part. */
static enum mr_err open_part(enum part part, const char *source, const struct mr_tables *tables,
			     int *fd_out, struct mr_error *error)
{
	char name[MR_NAME_MAX + 32];
	size_t size;
	int fd;

	*fd_out = -1;
	part_name(part, source, name);
	if (!mr_tables_find(tables, name, &fd, &size))
		return MR_OK;
	*fd_out = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *fd_out >= 0 ? MR_OK : mr_error_errno(error, MR_IO, "cannot read " TITLE);
}

static enum mr_err map_memory(struct intake *intake, int fd, struct mr_error *error)
{
	struct stat stream;
	void *at = MAP_FAILED;

	if (fstat(intake->stream, &stream) == 0)
		at = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return mr_error_errno(error, MR_IO, "cannot map " TITLE "'s intake");
	intake->head = (struct intake_head *)((char *)at + INTAKE_RING_BYTES);
	intake->ring = S_ISREG(stream.st_mode) ? NULL : at;
	intake->terminal = S_ISCHR(stream.st_mode);
	return MR_OK;
}

static void close_fd(int fd)
{
	if (fd > 0)
		close(fd);
}

enum mr_err intake_open(struct intake *intake, const char *source, const struct mr_tables *tables,
			struct mr_error *error)
{
	int fds[PART_COUNT] = {-1, -1, -1, -1};
	enum mr_err err = MR_OK;

	for (enum part part = STREAM; part < PART_COUNT && err == MR_OK; part++)
		err = open_part(part, source, tables, &fds[part], error);
	*intake = (struct intake){.stream = fds[STREAM], .queue = {fds[QUEUE_OUT], fds[QUEUE_IN]}};
	if (err == MR_OK)
		err = map_memory(intake, fds[MEMORY], error);
	close_fd(fds[MEMORY]);
	return err;
}

void intake_close(struct intake *intake)
{
	if (intake->head != NULL)
		munmap((char *)intake->head - INTAKE_RING_BYTES, MAP_BYTES);
	close_fd(intake->queue[0]);
	close_fd(intake->queue[1]);
	close_fd(intake->stream);
	*intake = (struct intake){0};
}

/* ---- reading ---- */

static uint64_t waiting(int fd)
{
	int bytes = 0;

	return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

static uint64_t queued(const struct intake *intake)
{
	return waiting(intake->queue[0]);
}

uint64_t intake_written(const struct intake *intake)
{
	const struct intake_place *place = &intake->head->places[intake->head->current];

	return place->queued == INTAKE_NO_READ ? place->at
					       : place->at + place->queued - queued(intake);
}

uint64_t intake_known(const struct intake *intake)
{
	uint64_t unread = intake->queue[0] > 0 ? queued(intake) + waiting(intake->stream) : 0;

	return intake_written(intake) + unread;
}

/* At once, to whoever comes after a kill: one store chooses the place that is written whole. */
static void note(struct intake_head *head, uint64_t at, uint64_t queued)
{
	uint32_t other = 1 - head->current;

	head->places[other] = (struct intake_place){at, queued};
	atomic_signal_fence(memory_order_seq_cst);
	*(volatile uint32_t *)&head->current = other;
	atomic_signal_fence(memory_order_seq_cst);
}

/* Bytes in the queue that may be read, 0 at the end, -1 with errno. */
static ssize_t fill_queue(struct intake *intake)
{
	uint64_t there = queued(intake);

	return there > 0 ? (ssize_t)there
			 : splice(intake->stream, NULL, intake->queue[1], NULL, PIPE_BYTES,
				  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* Into the ring at `at`, by way of the queue. */
static ssize_t read_queue(struct intake *intake, uint64_t at, char *to, size_t room)
{
	ssize_t got = fill_queue(intake);

	if (got <= 0)
		return got;
	note(intake->head, at, (uint64_t)got);
	got = read(intake->queue[0], to, room);
	note(intake->head, at + (got > 0 ? (uint64_t)got : 0), INTAKE_NO_READ);
	return got;
}

static ssize_t read_stream(struct intake *intake, uint64_t at, char *to, size_t room)
{
	struct pollfd wait = {.fd = intake->stream, .events = POLLIN};
	ssize_t got;

	if (poll(&wait, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	got = read(intake->stream, to, room);
	if (got > 0)
		note(intake->head, at + (uint64_t)got, INTAKE_NO_READ);
	return got;
}

ssize_t intake_fill(struct intake *intake, size_t room)
{
	uint64_t at = intake_written(intake);
	size_t ring_at = at % INTAKE_RING_BYTES;

	/* Of a read that was killed the queue tells only until more comes into it. */
	if (intake->head->places[intake->head->current].queued != INTAKE_NO_READ)
		note(intake->head, at, INTAKE_NO_READ);
	if (room > INTAKE_RING_BYTES - ring_at)
		room = INTAKE_RING_BYTES - ring_at;
	return intake->queue[0] > 0 ? read_queue(intake, at, intake->ring + ring_at, room)
				    : read_stream(intake, at, intake->ring + ring_at, room);
}
