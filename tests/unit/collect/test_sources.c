/* test_sources.c - files that are read once, standard input, a socket: as `run` reads them, over
 * deaths at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "packed.h"
#include "logged.h"
#include "service_room.h"

static int begin(void **state)
{
	logged_begin();
	return service_clean(state);
}

static void restart(struct service *service)
{
	service_die(service);
	assert_int_equal(service_begin(service), MR_OK);
}

/* ---- once ---- */

/* Enough lines to travel by reference: NAME and a number each. */
static void put_lines(const char *name, unsigned count)
{
	struct mr_buf text = {0};

	for (unsigned i = 0; i < count; i++)
		mr_buf_printf(&text, "{\"of\":\"%s\",\"n\":%06u,\"pad\":\"%0100d\"}\n", name, i, 0);
	append_bytes(name, text.data, text.len);
	mr_buf_fini(&text);
}

static void put_packed(const char *name, unsigned count)
{
	struct mr_buf text = {0};
	struct mr_buf packed = {0};

	for (unsigned i = 0; i < count; i++)
		mr_buf_printf(&text, "{\"of\":\"%s\",\"n\":%06u}\n", name, i);
	gzip_add(&packed, text.data, text.len);
	append_bytes(name, packed.data, packed.len);
	mr_buf_fini(&text);
	mr_buf_fini(&packed);
}

/* How often each record of the file has come: once each, or not at all. */
static unsigned count_of(struct service *service, const char *name, unsigned most)
{
	const char *all = stage_text(&service->stage.records);
	unsigned char *seen = mr_calloc(most, 1);
	char key[64];
	unsigned count = 0;

	service->stage.records.data[service->stage.records.len] = 0;
	snprintf(key, sizeof(key), "{\"of\":\"%s\",\"n\":", name);
	for (const char *at = all; (at = strstr(at, key)) != NULL; at++) {
		unsigned n = (unsigned)strtoul(at + strlen(key), NULL, 10);

		assert_true(n < most && !seen[n]);
		seen[n] = 1;
		count++;
	}
	free(seen);
	return count;
}

static enum mr_err poll_once(struct service *service)
{
	struct stage *stage = &service->stage;
	enum mr_err err = mr_stage_collect.poll(stage->state, &stage->writer, &stage->error);

	stage_drain(stage);
	return err;
}

static void start_once(struct service *service)
{
	service_init(service, "file");
	service_set(service, "follow", "false");
	service_path(service, "");
	mr_config_add(&service->config, "region_bytes", "65536");
}

static void put_all_kinds(void)
{
	put_lines("a.log", 4000);
	put_packed("b.gz", 3000);
	put_lines("c.log", 3);
	append("d.csv", "\"x\",\"AuditData\"\n1,\"{\"\"of\"\":\"\"d\"\",\"\"n\"\":0}\"\n2,\n");
	put_lines("e.log", 2000);
}

/* A checkpoint every three polls, a death every so many. */
static void read_over_deaths(struct service *service, int die)
{
	int polls = 0;
	enum mr_err err;

	assert_int_equal(service_begin(service), MR_OK);
	while ((err = poll_once(service)) != MR_END) {
		assert_true(err == MR_OK || err == MR_FULL);
		polls++;
		if (polls % 3 == 0)
			service_checkpoint(service);
		if (polls % die == 0 && polls < 200)
			restart(service);
	}
	service_checkpoint(service);
}

/* Each record of each file once, in whatever container, and what is set aside, too. */
static void files_of_all_kinds_over_deaths(void **state)
{
	for (int die = 1; die < 12; die += 2) {
		struct service service;
		const char *aside;

		service_clean(state);
		put_all_kinds();
		start_once(&service);
		read_over_deaths(&service, die);
		assert_int_equal(count_of(&service, "a.log", 4000), 4000);
		assert_int_equal(count_of(&service, "b.gz", 3000), 3000);
		assert_int_equal(count_of(&service, "c.log", 3), 3);
		assert_int_equal(count_of(&service, "d", 1), 1);
		assert_int_equal(count_of(&service, "e.log", 2000), 2000);
		aside = strstr(came(&service.rejects), "d.csv ");
		assert_non_null(aside);
		assert_null(strstr(aside + 1, "d.csv "));
		restart(&service);
		assert_int_equal(stage_poll(&service.stage), MR_END);
		assert_int_equal(service.stage.record_count, 0);
		assert_int_equal(service.stage.reject_count, 0);
		service_fini(&service);
	}
}

static void a_file_that_was_replaced_is_said(void **state)
{
	struct service service;

	(void)state;
	put_lines("a.log", 4000);
	start_once(&service);
	assert_int_equal(service_begin(&service), MR_OK);
	poll_once(&service);
	service_checkpoint(&service);
	service_die(&service);
	put_lines("b.log", 4000);
	move_file("b.log", "a.log");
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_non_null(strstr(logged, "is another file, or a shorter one"));
	assert_int_equal(service.stage.counters.at[MR_C_INPUTS_DAMAGED], 1);
	service_fini(&service);
}

/* From the start on, and when a segment is full: each name is asked for again, each record comes
 * once. */
static void a_disk_that_is_full_for_names(void **state)
{
	struct service service;

	service_clean(state);
	put_all_kinds();
	start_once(&service);
	service_set(&service, "segment_bytes", "1MiB");
	assert_int_equal(service_begin(&service), MR_OK);
	for (int i = 0; i < 400; i++) {
		enum mr_err err;

		service.stage.files.no_room = i % 5 != 4;
		err = poll_once(&service);
		if (err == MR_END)
			break;
		assert_true(err == MR_OK || err == MR_FULL || err == MR_AGAIN);
		if (i % 3 == 0)
			service_checkpoint(&service);
	}
	service.stage.files.no_room = false;
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_int_equal(count_of(&service, "a.log", 4000), 4000);
	assert_int_equal(count_of(&service, "b.gz", 3000), 3000);
	assert_int_equal(count_of(&service, "c.log", 3), 3);
	assert_int_equal(count_of(&service, "d", 1), 1);
	assert_int_equal(count_of(&service, "e.log", 2000), 2000);
	for (uint32_t i = 0; i < service.stage.files.count; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_string_not_equal(service.stage.files.items[i].name,
						service.stage.files.items[k].name);
	assert_true(service.stage.files.refused >= service.stage.files.count);
	service_fini(&service);
}

static void what_cannot_be_read_is_refused_at_once(void **state)
{
	struct service service;

	(void)state;
	service_init(&service, "file");
	service_set(&service, "follow", "false");
	service_path(&service, "none");
	assert_int_equal(service_begin(&service), MR_NOT_FOUND);
	assert_non_null(strstr(service.stage.error.text, "source audit: "));
	service_fini(&service);
}

/* ---- standard input ---- */

/* The stage begins with this as standard input. */
static void begin_over(struct service *service, int fd)
{
	int standard_input = dup(0);

	dup2(fd, 0);
	assert_int_equal(service_begin(service), MR_OK);
	dup2(standard_input, 0);
	close(standard_input);
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* The pipe outlives the worker; the beginning of a line does, too, and so does what was read and
 * stands in no block yet. */
static void standard_input_over_deaths(void **state)
{
	struct service service;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	service_init(&service, "stdin");
	begin_over(&service, ends[0]);
	say(ends[1], "1\n2\n3");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	service_checkpoint(&service);
	say(ends[1], "3\n4\n5");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	service_lose_worker(&service);
	say(ends[1], "5\n6");
	begin_over(&service, ends[0]);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	close(ends[1]);
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_string_equal(stage_text(&service.stage.records),
			    "standard input 0 1\nstandard input 2 2\nstandard input 4 33\n"
			    "standard input 7 4\nstandard input 9 55\nstandard input 12 6\n");
	service_checkpoint(&service);
	service_lose_worker(&service);
	begin_over(&service, ends[0]);
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_int_equal(service.stage.record_count, 0);
	close(ends[0]);
	service_fini(&service);
}

/* Five workers read, find the disk full, and die; the sixth has it all. */
static void what_was_read_outlives_its_reader(void **state)
{
	struct service service;
	char text[32];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	service_init(&service, "stdin");
	for (int i = 1; i <= 5; i++) {
		begin_over(&service, ends[0]);
		snprintf(text, sizeof(text), "%d\n%d", i, i);
		say(ends[1], text);
		os_fault((struct os_fault){
		    .call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
		os_faults_end();
		assert_int_equal(service.stage.record_count, 0);
		service_lose_worker(&service);
	}
	close(ends[1]);
	begin_over(&service, ends[0]);
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_string_equal(stage_text(&service.stage.records),
			    "standard input 0 1\nstandard input 2 12\nstandard input 5 23\n"
			    "standard input 8 34\nstandard input 11 45\nstandard input 14 5\n");
	assert_int_equal(service.stage.reject_count, 0);
	close(ends[0]);
	service_fini(&service);
}

/* Another stream begins anew; the line that had begun belongs to the one before. */
static void another_standard_input(void **state)
{
	struct service service;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	service_init(&service, "stdin");
	begin_over(&service, ends[0]);
	say(ends[1], "1\nhalf");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	service_checkpoint(&service);
	service_die(&service);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(pipe(ends), 0);
	say(ends[1], "2\n");
	close(ends[1]);
	begin_over(&service, ends[0]);
	assert_int_equal(stage_poll(&service.stage), MR_END);
	assert_string_equal(stage_text(&service.stage.records),
			    "standard input 0 1\nstandard input 0 2\n");
	assert_string_equal(stage_text(&service.stage.rejects),
			    "standard input 2 half (the stream ended in the middle of it)\n");
	close(ends[0]);
	service_fini(&service);
}

static void a_line_of_standard_input_past_all_bounds(void **state)
{
	struct service service;
	char *line = mr_malloc(60000);
	int ends[2];

	(void)state;
	memset(line, 'x', 60000);
	assert_int_equal(pipe(ends), 0);
	service_init(&service, "stdin");
	mr_config_add(&service.config, "max_record_bytes", "100000");
	begin_over(&service, ends[0]);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(write(ends[1], line, 60000), 60000);
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	}
	say(ends[1], "\n1\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_string_equal(stage_text(&service.stage.records), "standard input 300001 1\n");
	assert_non_null(strstr(stage_text(&service.stage.rejects),
			       "(the record has 300000 bytes; max_record_bytes allows 100000; its "
			       "first 100001 bytes are kept)"));
	close(ends[0]);
	close(ends[1]);
	free(line);
	service_fini(&service);
}

#define ARRAY "[{\"a\":1}]"

/* The run ends, with words that say what to do. */
static void standard_input_that_is_no_lines(void **state)
{
	static const char *const texts[] = {"[{\"a\":1},\n",       ARRAY,
					    "x,AuditData\n1,{}\n", "\xef\xbb\xbf" ARRAY "\n",
					    "\x1f\x8b\x08\n1\n",   "{\"records\":[{}]}\n",
					    "{\n\"a\":1}\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct service service;
		int ends[2];

		service_clean(state);
		assert_int_equal(pipe(ends), 0);
		service_init(&service, "stdin");
		begin_over(&service, ends[0]);
		/* A byte a read: it is known at the same place, or at the end. */
		for (const char *at = texts[i]; *at && service.stage.error.code == MR_OK; at++) {
			assert_int_equal(write(ends[1], at, 1), 1);
			stage_poll(&service.stage);
		}
		close(ends[1]);
		assert_int_equal(stage_poll(&service.stage), MR_UNSUPPORTED);
		assert_non_null(
		    strstr(service.stage.error.text, "source audit: standard input: this is "));
		assert_non_null(strstr(service.stage.error.text, ": millrace scan reads it"));
		assert_int_equal(service.stage.record_count, 0);
		assert_int_equal(service.stage.reject_count, 0);
		close(ends[0]);
		service_fini(&service);
	}
}

/* A mark is no part of the first line, blank lines are none, and what another reader left begins
 * in the middle of a record. */
static void standard_input_that_is_lines(void **state)
{
	static const struct {
		const char *text;
		const char *records;
	} cases[] = {
	    {"\xef\xbb\xbf{}\n", "standard input 3 {}\n"},
	    {"\n\n{}\n", "standard input 2 {}\n"},
	    {ARRAY ",\"b\":2}\n{}\n",
	     "standard input 0 " ARRAY ",\"b\":2}\nstandard input 17 {}\n"},
	    {"{}", "standard input 0 {}\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service service;
		int ends[2];

		service_clean(state);
		assert_int_equal(pipe(ends), 0);
		service_init(&service, "stdin");
		begin_over(&service, ends[0]);
		say(ends[1], cases[i].text);
		close(ends[1]);
		assert_int_equal(stage_poll(&service.stage), MR_END);
		assert_string_equal(stage_text(&service.stage.records), cases[i].records);
		close(ends[0]);
		service_fini(&service);
	}
}

/* ---- a socket ---- */

static int connect_peer(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in_path("sock", address.sun_path, sizeof(address.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void peers_of_a_socket(void **state)
{
	struct service service;
	struct stat status;
	char path[256];
	int one;
	int two;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	in_path("sock", path, sizeof(path));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	one = connect_peer();
	two = connect_peer();
	say(one, "1\n2");
	say(two, "3");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	say(two, "3\n4\n");
	say(one, "2\nhalf");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	close(one);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_string_equal(came(&service.stage.rejects),
			    "sock 5 half (the peer went in the middle of it)\n");
	assert_int_equal(service.stage.record_count, 4);
	service_checkpoint(&service);
	/* The worker dies, its socket stays; the next one takes its place. */
	restart(&service);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	one = connect_peer();
	say(one, "5\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_non_null(strstr(came(&service.stage.records), "sock 0 5\n"));
	assert_int_equal(service.stage.record_count, 1);
	close(one);
	close(two);
	service_fini(&service);
}

/* It is sent away, with a word; the others are read on. */
static void a_peer_that_sends_no_lines(void **state)
{
	struct service service;
	char byte;
	int one;
	int two;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	one = connect_peer();
	two = connect_peer();
	say(two, "{}\n");
	say(one, "x,AuditData\n1,{}\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(read(one, &byte, 1), 0);
	assert_non_null(strstr(logged, "source audit: a peer is sent away: this is CSV, "));
	close(one);
	/* Of one without a line's end it is known when it goes. */
	one = connect_peer();
	say(one, "{\"value\":[{}]}");
	say(two, "{}\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	close(one);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(warnings, 2);
	assert_string_equal(came(&service.stage.records), "sock 0 {}\nsock 3 {}\n");
	assert_int_equal(service.stage.reject_count, 0);
	close(two);
	service_fini(&service);
}

static void a_socket_that_is_taken(void **state)
{
	struct service first;
	struct service second;

	(void)state;
	service_init(&first, "socket");
	service_path(&first, "sock");
	service_set(&first, "mode", "0660");
	assert_int_equal(service_begin(&first), MR_OK);
	assert_int_equal(stage_poll(&first.stage), MR_AGAIN);
	service_init(&second, "socket");
	service_path(&second, "sock");
	/* At once: once it is locked in a worker can listen nowhere. The next life may. */
	assert_int_equal(service_begin(&second), MR_IO);
	assert_non_null(strstr(second.stage.error.text, "somebody else listens there"));
	service_fini(&first);
	service_fini(&second);
	append("file", "x");
	service_init(&second, "socket");
	service_path(&second, "file");
	assert_int_equal(service_begin(&second), MR_CONFIG);
	assert_non_null(strstr(second.stage.error.text, "is there, and is no socket"));
	service_fini(&second);
	/* Come since it was prepared, it may go again as well. */
	service_init(&second, "socket");
	service_path(&second, "file");
	second.tables = mr_tables_new();
	assert_int_equal(service_begin(&second), MR_IO);
	assert_non_null(strstr(second.stage.error.text, "is there, and is no socket"));
	service_fini(&second);
}

/* Whether it is told that nothing is read any more. */
static bool is_told(int peer)
{
	return send(peer, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE;
}

static enum mr_err finish(struct service *service)
{
	struct stage *stage = &service->stage;

	return mr_stage_collect.finish(stage->state, &stage->writer, &stage->error);
}

/* What a peer was told is sent is kept, whatever it waited for: being read, or being let in. */
static void what_was_sent_to_a_socket_outlives_its_reader(void **state)
{
	struct service service;
	int peers[70];
	char line[16];

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	for (int i = 0; i < 70; i++) {
		peers[i] = connect_peer();
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	}
	say(peers[0], "first\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	service_checkpoint(&service);
	for (int i = 0; i < 70; i++) {
		snprintf(line, sizeof(line), "%d\n", i);
		say(peers[i], line);
	}
	say(peers[3], "half");
	close(peers[69]);
	/* The disk is full: it is tried again, and nothing is lost. */
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	assert_int_equal(finish(&service), MR_FULL);
	assert_int_equal(finish(&service), MR_FULL);
	os_faults_end();
	assert_true(is_told(peers[0]));
	assert_int_equal(finish(&service), MR_OK);
	for (int i = 0; i < 69; i++) {
		assert_true(is_told(peers[i]));
		close(peers[i]);
	}
	/* None of it was handed on: it is behind the last checkpoint. */
	stage_drain(&service.stage);
	assert_int_equal(service.stage.record_count, 1);
	restart(&service);
	service.stage.record_count = 0;
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(service.stage.record_count, 70);
	assert_string_equal(came(&service.stage.rejects),
			    "sock 2 half (reading ended in the middle of it)\n");
	service_fini(&service);
}

/* Those who are silent give way to those who wait, once they were so for long. */
static void idle_peers_of_a_socket_give_way(void **state)
{
	struct service service;
	int peers[64];
	int further;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	for (int i = 0; i < 64; i++) {
		peers[i] = connect_peer();
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	}
	service.now.steady_us += 5000000;
	say(peers[0], "0\n");
	assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(warnings, 0);
	further = connect_peer();
	say(further, "64\n");
	for (int i = 0; i < 3; i++)
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "64 peers are connected, and others wait until one goes"));
	assert_int_equal(unread(&service), 1);
	assert_int_equal(service.stage.record_count, 1);
	/* One that has sent something is not silent, though it was not read yet. */
	service.now.steady_us += 5000000;
	say(peers[1], "1\n");
	for (int i = 0; i < 3; i++)
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(unread(&service), 0);
	assert_int_equal(service.stage.record_count, 3);
	assert_false(is_told(peers[1]));
	assert_true(is_told(peers[2]));
	assert_false(is_told(peers[0]));
	for (int i = 0; i < 64; i++)
		close(peers[i]);
	close(further);
	service_fini(&service);
}

/* Peers that begin long lines, and do not end them, cost their places, not the worker's memory. */
static void lines_that_have_begun_are_bounded(void **state)
{
	enum { COUNT = 40, BYTES = 100000, MOST = 32 }; /* each takes 128 KiB, as a buffer grows */
	struct service service;
	int peers[COUNT];
	char *text = mr_malloc(BYTES + 1);

	(void)state;
	memset(text, 'x', BYTES);
	memcpy(text, "{\"a\":\"", 6);
	text[BYTES] = '\0';
	service_init(&service, "socket");
	mr_config_add(&service.config, "max_record_bytes", "131072");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	for (int i = 0; i < COUNT; i++) {
		peers[i] = connect_peer();
		service.now.steady_us++;
		say(peers[i], text);
		for (int k = 0; k < 3; k++)
			assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
		assert_int_equal(warnings, i < MOST ? 0 : i + 1 - MOST);
	}
	assert_non_null(strstr(logged, "lines that peers have begun take more than 4096 KiB"));
	assert_non_null(strstr(came(&service.stage.rejects), "took too much memory"));
	for (int i = 0; i < COUNT; i++)
		assert_true(is_told(peers[i]) == (i < COUNT - MOST));
	/* Those who are left are read on, and what a line took is free once it has ended. */
	for (int i = COUNT - MOST; i < COUNT; i++)
		say(peers[i], "\n");
	while (stage_poll(&service.stage) != MR_AGAIN)
		continue;
	assert_int_equal(service.stage.record_count, MOST);
	say(peers[COUNT - 1], text);
	for (int k = 0; k < 3; k++)
		assert_int_equal(stage_poll(&service.stage), MR_AGAIN);
	assert_int_equal(warnings, COUNT - MOST);
	for (int i = 0; i < COUNT; i++)
		close(peers[i]);
	free(text);
	service_fini(&service);
}

/* Nobody can connect to what has no path any more. */
static void a_socket_that_is_not_there_is_said(void **state)
{
	struct service service;
	char path[256];
	int peer;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	peer = connect_peer();
	look(&service);
	assert_int_equal(unread(&service), 0);
	in_path("sock", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	look(&service);
	look(&service);
	assert_int_equal(unread(&service), 1);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(logged, "the socket is not there any more"));
	/* Those who are connected are read on. */
	say(peer, "1\n");
	look(&service);
	assert_int_equal(service.stage.record_count, 1);
	/* Another one that stands there is none of this source. */
	append("sock", "");
	look(&service);
	assert_int_equal(unread(&service), 1);
	close(peer);
	service_fini(&service);
}

/* With nothing to keep, and no room for anything. */
static void a_socket_without_peers_ends_on_a_full_disk(void **state)
{
	struct service service;

	(void)state;
	service_init(&service, "socket");
	service_path(&service, "sock");
	assert_int_equal(service_begin(&service), MR_OK);
	os_fault((struct os_fault){.call = OS_ANY, .nth = 1, .number = ENOSPC, .lasting = true});
	assert_int_equal(finish(&service), MR_OK);
	os_faults_end();
	service_fini(&service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(files_of_all_kinds_over_deaths, begin),
	    cmocka_unit_test_setup(a_file_that_was_replaced_is_said, begin),
	    cmocka_unit_test_setup(a_disk_that_is_full_for_names, begin),
	    cmocka_unit_test_setup(what_cannot_be_read_is_refused_at_once, begin),
	    cmocka_unit_test_setup(standard_input_over_deaths, begin),
	    cmocka_unit_test_setup(what_was_read_outlives_its_reader, begin),
	    cmocka_unit_test_setup(another_standard_input, begin),
	    cmocka_unit_test_setup(a_line_of_standard_input_past_all_bounds, begin),
	    cmocka_unit_test_setup(standard_input_that_is_no_lines, begin),
	    cmocka_unit_test_setup(standard_input_that_is_lines, begin),
	    cmocka_unit_test_setup(peers_of_a_socket, begin),
	    cmocka_unit_test_setup(a_peer_that_sends_no_lines, begin),
	    cmocka_unit_test_setup(a_socket_that_is_taken, begin),
	    cmocka_unit_test_setup(what_was_sent_to_a_socket_outlives_its_reader, begin),
	    cmocka_unit_test_setup(lines_that_have_begun_are_bounded, begin),
	    cmocka_unit_test_setup(a_socket_that_is_not_there_is_said, begin),
	    cmocka_unit_test_setup(a_socket_without_peers_ends_on_a_full_disk, begin),
	    cmocka_unit_test_setup(idle_peers_of_a_socket_give_way, begin),
	};

	return cmocka_run_group_tests(tests, NULL, service_remove);
}
