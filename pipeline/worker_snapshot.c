/* worker_snapshot.c - the state of one worker at a barrier, written by a forked child or by itself.
 *
 * Called by worker_barrier.c once the state is cut. A child that dies, hangs or is stopped fails
 * its checkpoint alone (PROTOCOL.md 4.3). */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "millrace/alive.h"
#include "millrace/os.h"
#include "sample.h"

#define CHILD_REPORT_MAX 2048
#define HANG_TIMES 10
#define END_TRIES 3000 /* of a millisecond */

void mr_snapshot_write(struct mr_worker *worker, struct mr_cut_report *report,
		       const struct mr_snapshot_watch *watch)
{
	struct mr_error error = {0};
	for (uint32_t i = 0; i < worker->chain.count && error.code == MR_OK; i++) {
		if (!mr_stage_has_state(worker->chain.items[i].ops))
			continue;
		struct mr_cut_file *file = &report->files[report->file_count++];
		file->stage = i;
		mr_chain_snapshot(&worker->chain, i, &worker->env, worker->barrier.files[i], watch,
				  &file->sum, &error);
	}
	snprintf(report->failure, sizeof report->failure, "%.*s", (int)sizeof report->failure - 1,
		 error.text);
}

void mr_snapshot_report(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	struct mr_buf bytes = {0};
	mr_cut_report_encode(&barrier->report, &bytes);
	mr_worker_say(worker, MR_CONTROL_SNAPPED, barrier->report_number, 0,
		      (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	mr_cut_report_fini(&barrier->report);
}

/* In the child. Where no piece of its file, and no sync, comes to its end in so long SIGALRM ends
 * it: nobody else could, since a worker may signal no process. */
static void wind_up(void *context)
{
	const struct mr_barrier *barrier = context;
	int64_t limit_us = HANG_TIMES * barrier->patience_us;
	const struct itimerval time = {
	    .it_value = {.tv_sec = limit_us / 1000000, .tv_usec = limit_us % 1000000}};
	setitimer(ITIMER_REAL, &time, NULL);
}

/* In the child: it has the state as it stood at the barrier, and one thread. */
static void child_main(struct mr_worker *worker, pid_t parent, int fd)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
		_exit(1);
	mr_alive_listen(NULL, NULL);
	struct mr_cut_report report = {0};
	const struct mr_snapshot_watch watch = {wind_up, &worker->barrier};
	wind_up(watch.context);
	mr_snapshot_write(worker, &report, &watch);
	for (uint32_t i = 0; i < worker->chain.count; i++) {
		wind_up(watch.context);
		if (worker->barrier.files[i] >= 0 && report.failure[0] == '\0' &&
		    mr_os.fdatasync(worker->barrier.files[i]) != 0)
			snprintf(report.failure, sizeof report.failure,
				 "cannot sync a snapshot: %s", strerror(errno));
	}
	struct mr_buf bytes = {0};
	report.cpu_ns = mr_clock_cpu_ns();
	mr_cut_files_encode(&report, &bytes);
	_exit(write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len ? 0 : 1);
}

static uint64_t ns_of(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

/* It has ended, so this takes no time. Where its state was large, its end took longer than its
 * report: what that cost is this checkpoint's. Its status. */
static int reap_last(struct mr_barrier *barrier)
{
	struct rusage usage;
	pid_t ended = 0;
	int status = 0;
	while (barrier->child > 0 && (ended = wait4(barrier->child, &status, 0, &usage)) < 0 &&
	       errno == EINTR)
		;
	if (ended > 0) {
		uint64_t all_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
		barrier->ending_ns = all_ns > barrier->child_ns ? all_ns - barrier->child_ns : 0;
	}
	barrier->child = 0;
	barrier->child_ns = 0;
	return status;
}

void mr_snapshot_await(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	bool ends = barrier->child > 0 && barrier->child_heard && !barrier->child_left;
	for (unsigned tries = 0; ends && tries < END_TRIES; tries++) {
		if (waitpid(barrier->child, NULL, WNOHANG) != 0) {
			barrier->child = 0;
			return;
		}
		poll(NULL, 0, 1);
	}
}

bool mr_snapshot_start(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	int ends[2];
	pid_t self = getpid();
	if (barrier->child_left)
		return false;
	reap_last(barrier);
	if (worker->held < MR_SNAPSHOT_FORK_BYTES)
		return false;
	barrier->faults = mr_sample_faults();
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	barrier->child = fork();
	if (barrier->child == 0)
		child_main(worker, self, ends[1]);
	close(ends[1]);
	if (barrier->child < 0) {
		close(ends[0]);
		return false;
	}
	barrier->child_fd = ends[0];
	barrier->child_heard = false;
	barrier->stopped_us = 0;
	mr_waits_set(&worker->waits, barrier->child_fd, POLLIN);
	return true;
}

static void name_death(struct mr_barrier *barrier)
{
	char *out = barrier->report.failure;
	int status = reap_last(barrier);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(out, sizeof barrier->report.failure,
			 "the process that wrote the snapshot hung, and was ended: it wrote "
			 "nothing for %lld s",
			 (long long)(HANG_TIMES * barrier->patience_us / 1000000));
	else
		snprintf(out, sizeof barrier->report.failure,
			 "the process that wrote the snapshot died");
}

/* The child's one write is atomic, being short: it is all there, or nothing will come. */
static void hear_child(struct mr_worker *worker, struct mr_slice said)
{
	struct mr_barrier *barrier = &worker->barrier;
	uint64_t own_ns = barrier->report.cpu_ns;
	barrier->report.cpu_ns = 0;
	if (said.len == 0 || !mr_cut_files_decode(said, &barrier->report))
		name_death(barrier);
	barrier->child_ns = barrier->report.cpu_ns;
	barrier->report.cpu_ns += own_ns;
	barrier->child_heard = true;
	mr_snapshot_report(worker);
}

static void drop_child(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	mr_waits_drop(&worker->waits, barrier->child_fd);
	close(barrier->child_fd);
	barrier->child_fd = -1;
}

/* Nobody but who stopped it may let it go on. Then its timer, or its end, takes it away: what it
 * writes until then goes to files of a checkpoint that was given up. It dies with this process. */
static void leave_child(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	if (!barrier->child_heard) {
		snprintf(barrier->report.failure, sizeof barrier->report.failure,
			 "the process that writes the snapshot (%d) was stopped, and has not gone "
			 "on for %lld ms",
			 (int)barrier->child, (long long)(barrier->patience_us / 1000));
		mr_snapshot_report(worker);
	}
	drop_child(worker);
	barrier->child_left = true;
}

static void check_child(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	siginfo_t is = {0};
	int64_t now_us = mr_clock_us();
	if (waitid(P_PID, (id_t)barrier->child, &is, WSTOPPED | WNOHANG | WNOWAIT) != 0 ||
	    is.si_pid == 0)
		barrier->stopped_us = 0;
	else if (barrier->stopped_us == 0)
		barrier->stopped_us = now_us;
	else if (now_us - barrier->stopped_us >= barrier->patience_us)
		leave_child(worker);
}

/* Its report, and later its end: one that is stopped between them holds up the next barrier, and
 * is seen (check_child), but never this process. */
static void read_child(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	char bytes[CHILD_REPORT_MAX];
	ssize_t len = read(barrier->child_fd, bytes, sizeof bytes);
	if (!barrier->child_heard)
		hear_child(worker, (struct mr_slice){bytes, len > 0 ? (size_t)len : 0});
	if (len <= 0)
		drop_child(worker);
}

uint64_t mr_snapshot_copied(const void *barrier)
{
	const struct mr_barrier *of = barrier;
	if (of->child_fd < 0)
		return 0;
	return (mr_sample_faults() - of->faults) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void mr_worker_barrier_reap(struct mr_worker *worker)
{
	struct mr_barrier *barrier = &worker->barrier;
	struct pollfd news = {.fd = barrier->child_fd, .events = POLLIN};
	if (barrier->child_left && waitpid(barrier->child, NULL, WNOHANG) != 0) {
		barrier->child_left = false;
		barrier->child = 0;
	}
	if (news.fd < 0)
		return;
	if (poll(&news, 1, 0) > 0)
		read_child(worker);
	else
		check_child(worker);
}
