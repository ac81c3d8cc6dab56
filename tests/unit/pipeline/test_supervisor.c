/* test_supervisor.c - a whole run with stages that misbehave: whoever it was is named, and no
 * process stays.
 *
 * This program is its own worker: the supervisor starts it again as `test_supervisor worker`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "os_faults.h"
#include "service.h"
#include "supervisor.h"
#include "worker.h"

/* ---- the stages ---- */

struct source {
	const struct mr_stage_env *env;
	const char *mode;
	uint32_t file;
	uint32_t polls;
};

static enum mr_err open_source(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	struct source *source = state;
	source->env = env;
	source->mode = mr_config_get(env->config, "input", 0);
	if (strcmp(source->mode, "refuse to open") == 0)
		return mr_error_set(error, MR_CONFIG, "it refuses to open");
	if (strcmp(source->mode, "exit in open") == 0)
		_exit(7);
	return MR_OK;
}

/* The first bytes of a ZMTP 3.0 frame of one byte more than a message may have, into every
 * connection of this process but control's: as if libzmq had been told to send that. */
static void send_oversize(void)
{
	uint64_t len = (uint64_t)MR_BATCH_BODY_MAX + 1;
	unsigned char frame[9] = {2};
	for (int i = 0; i < 8; i++)
		frame[1 + i] = (unsigned char)(len >> (56 - 8 * i));
	for (int fd = 0; fd < 256; fd++) {
		int type;
		struct sockaddr_storage peer;
		socklen_t size = sizeof type, peer_size = sizeof peer;
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		    getpeername(fd, (struct sockaddr *)&peer, &peer_size) == 0)
			send(fd, frame, sizeof frame, MSG_NOSIGNAL);
	}
}

static enum mr_err register_file(struct source *source, struct mr_error *error)
{
	static char path[] = "/tmp/millrace-source-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, "one\ntwo\n", 8) != 8)
		return mr_error_errno(error, MR_IO, "no file");
	unlink(path);
	enum mr_err err =
	    mr_files_add(source->env->files, fd, MR_SLICE("lines"), &source->file, error);
	close(fd);
	return err;
}

static enum mr_err poll_source(void *state, struct mr_writer *out, struct mr_error *error)
{
	struct source *source = state;
	const char *mode = source->mode;
	if (source->polls++ > 0)
		return strcmp(mode, "work") == 0 || strcmp(mode, "stay") == 0 ? MR_END : MR_AGAIN;
	if (strcmp(mode, "exit") == 0)
		_exit(7);
	if (strcmp(mode, "abort") == 0)
		raise(SIGABRT);
	if (strcmp(mode, "hang up") == 0) {
		close(MR_WORKER_CONTROL_FD);
		pause();
	}
	if (strcmp(mode, "fail") == 0)
		return mr_error_set(error, MR_IO, "the disk is on fire");
	if (strcmp(mode, "oversize") == 0) {
		send_oversize();
		return MR_AGAIN;
	}
	enum mr_err err = register_file(source, error);
	if (err != MR_OK)
		return err;
	/* The last of them reaches past the file's end. */
	for (uint64_t at = 0; at < 3; at++)
		mr_writer_region(out, &(struct mr_region){.partition = source->file,
							  .position = at * 4,
							  .length = 4,
							  .form = MR_FORM_LINES});
	mr_count(source->env->counters, MR_C_BYTES_COLLECTED, 12);
	return MR_OK;
}

/* What no reader may: the files are the sources'. */
static enum mr_err misuse_files(const struct mr_stage_env *env, struct mr_error *error)
{
	const char *mode = mr_config_get(env->config, "input", 0);
	uint32_t number;
	if (strcmp(mode, "reader adds") == 0)
		return mr_files_add(env->files, -1, MR_SLICE("mine"), &number, error);
	if (strcmp(mode, "reader drops") == 0)
		mr_files_drop(env->files, 0);
	return MR_OK;
}

static enum mr_err count_records(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	const struct mr_stage_env **env = state;
	struct mr_record record;
	(void)out;
	enum mr_err err = misuse_files(*env, error);
	if (err != MR_OK)
		return err;
	for (; mr_reader_record(in, &record); mr_reader_advance(in)) {
		mr_count((*env)->counters, MR_C_RECORDS, 1);
		mr_count((*env)->counters, MR_C_PARSED, 1);
	}
	return MR_OK;
}

static enum mr_err count_rejects(void *state, struct mr_reader *in, struct mr_writer *out,
				 struct mr_error *error)
{
	const struct mr_stage_env **env = state;
	struct mr_reject reject;
	(void)out, (void)error;
	for (; mr_reader_reject(in, &reject); mr_reader_advance(in)) {
		assert_true(mr_slice_eq(reject.name, MR_SLICE("lines")));
		assert_int_equal(reject.offset, 8);
		assert_int_equal(reject.length, 4);
		mr_count((*env)->counters, MR_C_REJECTS_RECEIVED, 1);
		mr_count((*env)->counters, MR_C_REJECTS_WRITTEN, 1);
	}
	return MR_OK;
}

static enum mr_err keep_env(void *state, const struct mr_stage_env *env, struct mr_error *error)
{
	(void)error;
	*(const struct mr_stage_env **)state = env;
	return MR_OK;
}

/* When all have long said that they are done, ask the supervisor to end, and stay. */
static void close_sink(void *state)
{
	const struct mr_stage_env **env = state;
	if (strcmp(mr_config_get((*env)->config, "input", 0), "stay") != 0)
		return;
	poll(NULL, 0, 300);
	kill(getppid(), SIGTERM);
	pause();
}

static const struct mr_stage_ops source_ops = {.name = "source",
					       .state_size = sizeof(struct source),
					       .reads = MR_CONTENT_NONE,
					       .open = open_source,
					       .poll = poll_source};
static const struct mr_stage_ops reader_ops = {.name = "reader",
					       .state_size = sizeof(void *),
					       .reads = MR_CONTENT_RECORDS,
					       .open = keep_env,
					       .process = count_records};
static const struct mr_stage_ops sink_ops = {.name = "sink",
					     .state_size = sizeof(void *),
					     .reads = MR_CONTENT_ALERTS,
					     .open = keep_env,
					     .process = count_rejects,
					     .close = close_sink};
const struct mr_stage_ops *const mr_stages[] = {&source_ops, &reader_ops, &sink_ops, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	}
	return NULL;
}

/* ---- the runs ---- */

static void make_topology(struct mr_topology *topology)
{
	static const struct mr_edge edges[] = {{0, 1, MR_LINK_SPREAD, MR_CONTENT_RECORDS, 0},
					       {0, 2, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0},
					       {1, 2, MR_LINK_SPREAD, MR_CONTENT_REJECTS, 0}};
	static const char *const names[] = {"source", "reader", "sink"};
	topology->group_count = 3;
	topology->groups = mr_calloc(3, sizeof *topology->groups);
	for (size_t i = 0; i < 3; i++) {
		snprintf(topology->groups[i].name, sizeof topology->groups[i].name, "%s", names[i]);
		topology->groups[i].chain[0] = names[i];
		topology->groups[i].workers = 1 + (i == 1);
	}
	topology->edge_count = 3;
	topology->edges = mr_calloc(3, sizeof edges[0]);
	memcpy(topology->edges, edges, sizeof edges);
}

static void run(const char *mode, struct mr_supervisor *supervisor, struct mr_error *error)
{
	*error = (struct mr_error){0};
	mr_supervisor_init(supervisor);
	supervisor->setup.finite = true;
	supervisor->setup.fields = mr_fields_new();
	mr_config_add(&supervisor->setup.config, "input", mode);
	mr_config_add(&supervisor->setup.config, "sandbox", "off"); /* they do what no stage may */
	make_topology(&supervisor->setup.topology);
	int64_t start_us = mr_clock_us();
	mr_supervisor_run(supervisor, error);
	assert_true(mr_clock_us() - start_us < 5000000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(errno, ECHILD);
	assert_null(supervisor->rundir.path);
}

static void expect(const char *mode, enum mr_err code, const char *words)
{
	static struct mr_supervisor supervisor;
	struct mr_error error;
	run(mode, &supervisor, &error);
	assert_int_equal(error.code, code);
	if (strstr(error.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	mr_supervisor_fini(&supervisor);
}

static void short_region_is_one_reject(void **state)
{
	static struct mr_supervisor supervisor;
	struct mr_error error;
	(void)state;
	run("work", &supervisor, &error);
	assert_int_equal(error.code, MR_OK);
	const uint64_t *sums = supervisor.sums.at;
	assert_int_equal(sums[MR_C_RECORDS], 3);
	assert_int_equal(sums[MR_C_PARSED], 2);
	assert_int_equal(sums[MR_C_REJECTED], 1);
	assert_int_equal(sums[MR_C_REGIONS_REJECTED], 1);
	assert_int_equal(sums[MR_C_BYTES_RECEIVED], 12);
	mr_supervisor_fini(&supervisor);
}

static void failures_are_named(void **state)
{
	(void)state;
	expect("fail", MR_IO, "source: the disk is on fire");
	expect("refuse to open", MR_CONFIG, "source: it refuses to open");
	expect("exit", MR_PEER_LOST, "worker source (process ");
	expect("exit", MR_PEER_LOST, "ended with status 7");
	expect("exit in open", MR_PEER_LOST, "ended with status 7");
	expect("abort", MR_PEER_LOST, "was killed by signal 6 (Aborted)");
}

static void files_are_the_sources_alone(void **state)
{
	(void)state;
	expect("reader adds", MR_PROTOCOL, ": has files, and is no source");
	expect("reader drops", MR_PROTOCOL, "has files, and is no source");
}

static void one_that_hangs_up_and_lives_is_named(void **state)
{
	(void)state;
	expect("hang up", MR_PROTOCOL, "worker source (process ");
	expect("hang up", MR_PROTOCOL, "closed its control socket and lived on");
}

static void one_that_stays_after_its_work_is_ended_by_a_signal(void **state)
{
	(void)state;
	expect("stay", MR_PEER_LOST, "ended by signal 15");
}

/* Both ends live, so it is no death: the words are the size's. */
static void oversized_message_is_no_death(void **state)
{
	(void)state;
	expect("oversize", MR_PROTOCOL, "longer than the 4194304 bytes that a message may have");
	expect("oversize", MR_PROTOCOL,
	       "link from worker 0: the connection was lost; no worker has");
}

/* What a worker says of a rule has to be about a correlation, and whole. */
static void tallies_are_added_up_and_checked(void **state)
{
	(void)state;
	static struct mr_supervised worker = {.name = "detect"};
	static struct mr_rule rules[] = {{.kind = MR_RULE_DETECTION},
					 {.kind = MR_RULE_CORRELATION}};
	struct mr_supervisor supervisor = {
	    .workers = &worker, .worker_count = 1, .catalog = {.rules = rules, .count = 2}};
	static const struct {
		const char *bytes;
		uint64_t rule;
		enum mr_err err;
	} words[] = {
	    {"\x92\x01\xc2", 1, MR_OK},           {"\x92\x04\xc2", 1, MR_OK},
	    {"\x92\x01\xc2", 0, MR_PROTOCOL},     {"\x92\x01\xc2", 2, MR_PROTOCOL},
	    {"\x92\x01\x01", 1, MR_PROTOCOL},     {"\x91\x01", 1, MR_PROTOCOL},
	    {"\x92\x01\xc2\xc2", 1, MR_PROTOCOL},
	};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct mr_error error = {0};
		struct mr_control_message message = {
		    .number = words[i].rule, .other = 20, .bytes = mr_slice(words[i].bytes)};
		assert_int_equal(mr_supervisor_tally(&supervisor, 0, &message, &error),
				 words[i].err);
		if (words[i].err != MR_OK)
			assert_string_equal(error.text, "detect: a tally that is none");
	}
	assert_int_equal(supervisor.tally.count, 2);
	assert_int_equal(supervisor.tally.rows[0].matches, 0);
	assert_int_equal(supervisor.tally.rows[1].matches, 40);
	assert_int_equal(supervisor.tally.rows[1].had, 5);
	assert_false(supervisor.tally.rows[1].whole);
	/* Of few it is too soon to tell, while more may come. */
	static struct mr_service service;
	supervisor.service = &service;
	supervisor.tally.rows[1].matches = 9;
	mr_supervisor_tell_deaf(&supervisor);
	assert_false(supervisor.tally.rows[1].told);
	supervisor.tally.rows[1].matches = 10;
	mr_supervisor_tell_deaf(&supervisor);
	assert_true(supervisor.tally.rows[1].told);
	mr_warnings_fini(&supervisor.warnings);
	mr_tally_fini(&supervisor.tally);
}

/* A worker that ends since a disk does not give it a region says so by its page: twice, and it is
 * set aside. One that fails at something else with a record in hand says nothing of that. */
static void a_region_that_two_could_not_read_is_set_aside(void **state)
{
	struct mr_inhand page = {.record = {.source = 1, .partition = 2, .position = 64},
				 .last_call = -1};
	struct mr_supervised worker = {
	    .name = "reader", .failed = true, .status = W_EXITCODE(1, 0), .page = &page};
	struct mr_supervisor supervisor = {.workers = &worker, .worker_count = 1};
	struct mr_suspects suspects = {0};
	(void)state;
	page.what = MR_INHAND_RECORD;
	assert_false(mr_supervisor_inquest(&supervisor, &suspects));
	assert_false(mr_supervisor_inquest(&supervisor, &suspects));
	page.what = MR_INHAND_REGION;
	assert_false(mr_supervisor_inquest(&supervisor, &suspects));
	assert_int_equal(suspects.aside.place_count, 0);
	worker.status = W_EXITCODE(0, SIGKILL); /* before it had ended by itself */
	assert_true(mr_supervisor_inquest(&supervisor, &suspects));
	assert_int_equal(suspects.aside.place_count, 1);
	assert_int_equal(suspects.aside.places[0].position, 64);
	mr_suspects_fini(&suspects);
}

/* ---- a source's words, without one ---- */

struct talk {
	struct mr_supervisor supervisor;
	struct mr_supervised worker;
	struct mr_control source; /* its end */
	struct mr_service service;
	char place[32];
};

static void begin_talk(struct talk *talk)
{
	int pair[2];
	*talk = (struct talk){.worker = {.name = "source"}, .place = "/tmp/mr-talk-XXXXXX"};
	struct mr_topology *topology = &talk->supervisor.setup.topology;
	assert_non_null(mkdtemp(talk->place));
	assert_int_equal(mr_state_dir_open(talk->place, &talk->service.dir, NULL), MR_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	mr_control_init(&talk->worker.control, pair[0]);
	mr_control_init(&talk->source, pair[1]);
	make_topology(topology);
	topology->group_count = 1;
	topology->edge_count = 0;
	talk->supervisor.workers = &talk->worker;
	talk->supervisor.worker_count = 1;
	talk->supervisor.service = &talk->service;
}

static void end_talk(struct talk *talk)
{
	char command[64];
	mr_control_fini(&talk->source);
	mr_control_fini(&talk->worker.control);
	talk->supervisor.workers = NULL;
	talk->supervisor.worker_count = 0;
	talk->supervisor.signals = -1;
	mr_supervisor_fini(&talk->supervisor);
	mr_suspects_fini(&talk->service.suspects);
	mr_state_dir_close(&talk->service.dir);
	snprintf(command, sizeof command, "rm -rf %s", talk->place);
	assert_int_equal(system(command), 0);
}

static enum mr_err say(struct talk *talk, enum mr_control_kind kind, uint64_t number,
		       const char *name)
{
	struct mr_error error;
	mr_control_send(&talk->source,
			&(struct mr_control_message){
			    .kind = kind, .number = number, .bytes = mr_slice(name), .fd = -1});
	return mr_supervisor_listen(&talk->supervisor, 0, &error);
}

static uint64_t add_file(struct talk *talk, const char *name)
{
	struct mr_control_message answer;
	assert_int_equal(say(talk, MR_CONTROL_FILE_ADD, 0, name), MR_OK);
	assert_int_equal(mr_control_receive(&talk->source, &answer, NULL), MR_OK);
	assert_int_equal(answer.kind, MR_CONTROL_FILE_NUMBER);
	return answer.number;
}

/* A record that is set aside is known by it: one of another file would be passed over. */
static void the_number_of_what_is_aside_is_given_to_no_other_file(void **state)
{
	static struct talk talk;
	(void)state;
	begin_talk(&talk);
	assert_int_equal(add_file(&talk, "first"), 0);
	assert_int_equal(add_file(&talk, "second"), 1);
	mr_aside_add(&talk.service.suspects.aside, &(struct mr_place){.partition = 0});
	assert_int_equal(say(&talk, MR_CONTROL_FILE_DROP, 0, ""), MR_OK);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_DROP, 1, ""), MR_OK);
	assert_int_equal(add_file(&talk, "third"), 1);
	assert_int_equal(add_file(&talk, "fourth"), 2);
	end_talk(&talk);
}

static off_t kept_bytes(const struct talk *talk)
{
	struct stat about;
	return fstatat(talk->service.dir.fd, "files.added", &about, 0) == 0 ? about.st_size : 0;
}

/* The first that is added makes all that are expected durable: the others cost nothing more. */
static void what_is_expected_is_kept_at_once(void **state)
{
	static struct talk talk;
	(void)state;
	begin_talk(&talk);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, "first"), MR_OK);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, "second"), MR_OK);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, "second"), MR_OK);
	assert_int_equal(kept_bytes(&talk), 0);
	assert_int_equal(add_file(&talk, "first"), 0);
	off_t kept = kept_bytes(&talk);
	assert_true(kept > 0);
	assert_int_equal(add_file(&talk, "second"), 1);
	assert_int_equal(kept_bytes(&talk), kept);
	assert_int_equal(add_file(&talk, "third"), 2);
	assert_true(kept_bytes(&talk) > kept);
	end_talk(&talk);
}

/* However many a source says that it will add: no more are held, and those that it never adds are
 * nobody's once it has died. */
static void what_is_expected_is_bounded(void **state)
{
	static struct talk talk;
	char name[1 << 14];
	(void)state;
	begin_talk(&talk);
	for (int i = 0; i < 1100; i++) {
		snprintf(name, sizeof name, "%d", i);
		assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, name), MR_OK);
	}
	assert_int_equal(talk.supervisor.numbers.count, 1024);
	/* What is added is expected no more, and another may be. */
	assert_int_equal(add_file(&talk, "0"), 0);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, "another"), MR_OK);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, "too many"), MR_OK);
	assert_int_equal(talk.supervisor.numbers.count, 1025);
	assert_int_equal(add_file(&talk, "another"), 1024);
	/* A new incarnation. */
	talk.worker.expected = 0;
	talk.worker.expected_bytes = 0;
	mr_file_numbers_take_back(&talk.supervisor.numbers);
	assert_int_equal(mr_file_numbers_find(&talk.supervisor.numbers, MR_SLICE("1")),
			 MR_NO_FILE_NUMBER);
	assert_int_equal(add_file(&talk, "0"), 0);
	assert_int_equal(add_file(&talk, "another"), 1024);
	/* Bytes are bounded, too. */
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	for (int i = 0; i < 1000; i++) {
		name[0] = (char)('a' + i % 26);
		name[1] = (char)('a' + i / 26);
		assert_int_equal(say(&talk, MR_CONTROL_FILE_EXPECT, 0, name), MR_OK);
	}
	assert_in_range(talk.worker.expected_bytes, 1 << 20, 4 << 20);
	end_talk(&talk);
}

/* A full disk is no death: the source hears of it, and gets its number once there is room. What a
 * checkpoint speaks of meanwhile is what is written down. */
static void a_name_without_room_is_refused(void **state)
{
	static struct talk talk;
	struct mr_control_message answer;
	(void)state;
	begin_talk(&talk);
	assert_int_equal(add_file(&talk, "first"), 0);
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	for (int i = 0; i < 3; i++) {
		assert_int_equal(say(&talk, MR_CONTROL_FILE_ADD, 0, "second"), MR_OK);
		assert_int_equal(mr_control_receive(&talk.source, &answer, NULL), MR_OK);
		assert_int_equal(answer.kind, MR_CONTROL_FILE_REFUSED);
		assert_non_null(strstr(answer.bytes.at, "/files.added: cannot write it"));
		assert_int_equal(talk.supervisor.numbers.kept_count, 1);
	}
	os_faults_end();
	assert_int_equal(add_file(&talk, "second"), 1);
	assert_int_equal(talk.supervisor.numbers.kept_count, 2);
	end_talk(&talk);
}

static void only_what_one_has_is_dropped(void **state)
{
	static struct talk talk;
	(void)state;
	begin_talk(&talk);
	assert_int_equal(add_file(&talk, "first"), 0);
	talk.supervisor.numbers.items[0].owner = 7;
	assert_int_equal(say(&talk, MR_CONTROL_FILE_DROP, 0, ""), MR_PROTOCOL);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_DROP, 1, ""), MR_PROTOCOL);
	assert_int_equal(say(&talk, MR_CONTROL_FILE_ACK, 0, ""), MR_PROTOCOL);
	end_talk(&talk);
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "worker") == 0)
		return mr_worker_main(argc - 1, argv + 1);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(short_region_is_one_reject),
	    cmocka_unit_test(failures_are_named),
	    cmocka_unit_test(files_are_the_sources_alone),
	    cmocka_unit_test(one_that_hangs_up_and_lives_is_named),
	    cmocka_unit_test(one_that_stays_after_its_work_is_ended_by_a_signal),
	    cmocka_unit_test(oversized_message_is_no_death),
	    cmocka_unit_test(tallies_are_added_up_and_checked),
	    cmocka_unit_test(the_number_of_what_is_aside_is_given_to_no_other_file),
	    cmocka_unit_test(what_is_expected_is_kept_at_once),
	    cmocka_unit_test(a_region_that_two_could_not_read_is_set_aside),
	    cmocka_unit_test(what_is_expected_is_bounded),
	    cmocka_unit_test(a_name_without_room_is_refused),
	    cmocka_unit_test(only_what_one_has_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
