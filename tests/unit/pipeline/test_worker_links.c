/* test_worker_links.c - what a worker sends and receives, over real links in one process: one
 * sender, two receivers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "worker.h"

#define S(text) MR_SLICE(text)

/* ---- a stage that keeps the last record it saw ---- */

struct seen {
	uint32_t count;
	char text[16];
	struct mr_record last;
};

static enum mr_err look(void *state, struct mr_reader *in, struct mr_writer *out,
			struct mr_error *error)
{
	struct seen *seen = state;
	(void)out, (void)error;
	for (; mr_reader_record(in, &seen->last); mr_reader_advance(in)) {
		seen->count++;
		memcpy(seen->text, seen->last.bytes.at, seen->last.bytes.len + 1); /* and padding */
	}
	return MR_OK;
}

static const struct mr_stage_ops looker = {.name = "looker",
					   .state_size = sizeof(struct seen),
					   .reads = MR_CONTENT_RECORDS,
					   .process = look};

/* One that has nothing to read. */
static enum mr_err read_nothing(void *state, struct mr_writer *out, struct mr_error *error)
{
	(void)state, (void)out, (void)error;
	return MR_AGAIN;
}

static const struct mr_stage_ops source = {
    .name = "source", .reads = MR_CONTENT_NONE, .poll = read_nothing};
const struct mr_stage_ops *const mr_stages[] = {&looker, &source, NULL};

const struct mr_stage_ops *mr_stage_find(const char *name)
{
	for (const struct mr_stage_ops *const *stage = mr_stages; *stage != NULL; stage++) {
		if (strcmp((*stage)->name, name) == 0)
			return *stage;
	}
	return NULL;
}

/* ---- workers without a supervisor ---- */

#define RECEIVERS 2
#define WAIT_US 10000000

struct world {
	struct mr_setup setup;
	struct mr_worker *sender;
	struct mr_worker *receivers[RECEIVERS];
	char directory[32];
};

static struct mr_worker *new_worker(const struct world *world, uint32_t number)
{
	struct mr_worker *worker = mr_calloc(1, sizeof *worker);
	worker->number = number;
	worker->setup = world->setup; /* borrowed */
	worker->group = mr_setup_group(&world->setup.topology, number);
	assert_int_equal(mr_worker_bind(worker, NULL), MR_OK);
	return worker;
}

static void meet(struct world *world)
{
	int64_t end_us = mr_clock_us() + WAIT_US;
	bool all = false;
	while (!all) {
		assert_true(mr_clock_us() < end_us);
		all = mr_worker_met(world->sender, NULL) == MR_OK;
		for (size_t i = 0; i < RECEIVERS; i++)
			all &= mr_worker_met(world->receivers[i], NULL) == MR_OK;
	}
}

static void open_world(struct world *world, enum mr_link_mode mode, enum mr_content content)
{
	static struct mr_group groups[] = {{.name = "from", .workers = 1},
					   {.name = "to", .workers = RECEIVERS}};
	static struct mr_edge edge;
	edge = (struct mr_edge){.from = 0, .to = 1, .mode = mode, .content = content};
	groups[0].chain[0] = source.name;
	groups[1].chain[0] = looker.name;
	/* Not "millrace-" and six characters: a supervisor that starts removes such a directory as
	 * a dead one's. */
	*world = (struct world){.directory = "/tmp/millrace-links-XXXXXX"};
	assert_non_null(mkdtemp(world->directory));
	world->setup = (struct mr_setup){.incarnation = 1,
					 .directory = world->directory,
					 .fields = mr_fields_new(),
					 .topology = {groups, 2, &edge, 1}};
	world->sender = new_worker(world, 0);
	for (uint32_t i = 0; i < RECEIVERS; i++)
		world->receivers[i] = new_worker(world, 1 + i);
	assert_int_equal(mr_worker_connect(world->sender, NULL), MR_OK);
	meet(world);
}

/* That of its group: the source's, or the looker's. */
static void open_chain(const struct world *world, struct mr_worker *worker)
{
	struct mr_error error = {0};
	const struct mr_group *group = &world->setup.topology.groups[worker->group];
	assert_int_equal(
	    mr_chain_open(&worker->chain, group, &worker->writer, &worker->env, &error), MR_OK);
}

static void close_worker(struct mr_worker *worker)
{
	mr_chain_close(&worker->chain);
	mr_worker_unlink(worker);
	mr_writer_fini(&worker->writer);
	mr_buf_fini(&worker->region);
	free(worker);
}

static void close_world(struct world *world)
{
	close_worker(world->sender);
	for (size_t i = 0; i < RECEIVERS; i++)
		close_worker(world->receivers[i]);
	mr_fields_free(world->setup.fields);
	rmdir(world->directory);
}

static bool sends(struct world *world, int64_t now_us)
{
	bool moved = false;
	assert_int_equal(mr_worker_send(world->sender, false, now_us, &moved, NULL), MR_OK);
	return moved;
}

/* ---- inline records ---- */

/* A spread pair may take nothing yet, and then the next one is asked. */
static void send_all(struct world *world)
{
	int64_t end_us = mr_clock_us() + WAIT_US;
	while (!mr_worker_is_sent(world->sender)) {
		bool moved;
		assert_true(mr_clock_us() < end_us);
		assert_int_equal(mr_worker_send(world->sender, true, 1, &moved, NULL), MR_OK);
	}
}

/* As the worker's loop does. */
static enum mr_err look_and_receive(struct mr_worker *worker, int timeout_ms,
				    struct mr_error *error)
{
	struct pollfd fds[1]; /* each has one link */
	assert_int_equal(mr_worker_links(worker), 1);
	uint32_t count = mr_worker_poll_set(worker, true, fds);
	assert_true(poll(fds, count, timeout_ms) >= 0);
	mr_worker_poll_news(worker, fds, count);
	return mr_worker_receive(worker, error);
}

/* Whom the batch went to, with the batch in hand. */
static struct mr_worker *receive(struct world *world)
{
	int64_t end_us = mr_clock_us() + WAIT_US;
	for (size_t i = 0;; i = (i + 1) % RECEIVERS) {
		enum mr_err err = look_and_receive(world->receivers[i], 0, NULL);
		if (err == MR_OK)
			return world->receivers[i];
		assert_int_equal(err, MR_AGAIN);
		assert_true(mr_clock_us() < end_us);
	}
}

static void inline_records_cross_a_link(void **state)
{
	(void)state;
	struct world world;
	struct mr_error error = {0};
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	for (size_t i = 0; i < RECEIVERS; i++)
		open_chain(&world, world.receivers[i]);
	struct mr_record record = {.bytes = S("{\"n\":1}"),
				   .origin = {.source = 1, .partition = 2, .position = 3},
				   .name = 4,
				   .offset = 5,
				   .arrival_us = 6};
	mr_writer_record(&world.sender->writer, &record);
	mr_writer_record(&world.sender->writer, &record);
	send_all(&world);
	struct mr_worker *to = receive(&world);
	assert_int_equal(mr_chain_go(&to->chain, &error), MR_OK);
	const struct seen *seen = to->chain.items[0].state;
	assert_int_equal(seen->count, 2);
	assert_string_equal(seen->text, "{\"n\":1}");
	assert_int_equal(seen->last.origin.source, 1);
	assert_int_equal(seen->last.origin.partition, 2);
	assert_true(seen->last.origin.position == 3 && seen->last.arrival_us == 6);
	assert_int_equal(to->counters.at[MR_C_BYTES_RECEIVED], 2 * record.bytes.len);
	close_world(&world);
}

/* ---- regions ---- */

static const struct mr_region region = {
    .source = 1, .partition = 0, .position = 64, .length = 8, .form = MR_FORM_FRAMES};

/* A file whose reading fails, as a disk does. */
static void open_broken(struct world *world, const char *name)
{
	open_world(world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	for (size_t i = 0; i < RECEIVERS; i++) {
		struct mr_worker *to = world->receivers[i];
		to->files = mr_files_new(NULL, NULL);
		mr_writer_add_output(&to->writer, MR_CONTENT_REJECTS, 0, MR_LINK_SPREAD, 1);
		to->watch.page = mr_calloc(1, sizeof *to->watch.page);
		assert_int_equal(
		    mr_files_put(to->files, 0, open("/", O_RDONLY), mr_slice(name), NULL), MR_OK);
	}
}

static void close_broken(struct world *world)
{
	for (size_t i = 0; i < RECEIVERS; i++) {
		struct mr_worker *to = world->receivers[i];
		mr_files_free(to->files);
		free((void *)(uintptr_t)to->watch.page);
		mr_aside_fini(&to->watch.aside);
	}
	close_world(world);
}

/* What the receiver says to the region. */
static enum mr_err read_broken(struct world *world, struct mr_worker **to_out)
{
	int64_t end_us = mr_clock_us() + WAIT_US;
	enum mr_err err = MR_AGAIN;
	mr_writer_region(&world->sender->writer, &region);
	send_all(world);
	for (size_t i = 0; err == MR_AGAIN; i = (i + 1) % RECEIVERS) {
		struct mr_error error = {0};
		*to_out = world->receivers[i];
		err = look_and_receive(*to_out, 0, &error);
		assert_true(mr_clock_us() < end_us);
	}
	return err;
}

/* The worker ends, and the supervisor sees at what. Once it is set aside, it is rejected. */
static void a_region_of_a_journal_is_not_given_up_at_once(void **state)
{
	(void)state;
	struct world world;
	struct mr_worker *to;
	open_broken(&world, "journal/audit/1/");
	assert_int_equal(read_broken(&world, &to), MR_IO);
	assert_int_equal(to->watch.page->what, MR_INHAND_REGION);
	assert_int_equal(to->watch.page->record.position, region.position);
	assert_int_equal(to->counters.at[MR_C_REGIONS_REJECTED], 0);
	for (size_t i = 0; i < RECEIVERS; i++)
		mr_aside_add(
		    &world.receivers[i]->watch.aside,
		    &(struct mr_place){.source = region.source, .position = region.position});
	assert_int_equal(read_broken(&world, &to), MR_OK);
	assert_int_equal(to->counters.at[MR_C_REGIONS_REJECTED], 1);
	close_broken(&world);
}

/* Nobody can make these durable. */
static void a_region_of_an_input_is_rejected(void **state)
{
	(void)state;
	struct world world;
	struct mr_worker *to;
	open_broken(&world, "audit.log");
	assert_int_equal(read_broken(&world, &to), MR_OK);
	assert_int_equal(to->counters.at[MR_C_REGIONS_REJECTED], 1);
	close_broken(&world);
}

/* Who always has something to do never waits for news. */
static void those_who_had_nothing_are_asked_again(void **state)
{
	(void)state;
	struct world world;
	open_broken(&world, "audit.log");
	for (size_t i = 0; i < RECEIVERS; i++)
		assert_int_equal(mr_worker_receive(world.receivers[i], NULL), MR_AGAIN);
	mr_writer_region(&world.sender->writer, &region);
	send_all(&world);
	int64_t end_us = mr_clock_us() + WAIT_US;
	enum mr_err err = MR_AGAIN;
	for (size_t i = 0; err == MR_AGAIN; i = (i + 1) % RECEIVERS) {
		assert_true(mr_clock_us() < end_us);
		mr_worker_ask_all(world.receivers[i]);
		err = mr_worker_receive(world.receivers[i], NULL);
	}
	assert_int_equal(err, MR_OK);
	close_broken(&world);
}

static uint32_t polled_stages(struct mr_worker *worker, int64_t now_us)
{
	struct pollfd fds[1];
	return mr_worker_poll_stages(worker, now_us, fds);
}

/* What a descriptor has for a stage that is not called stays there, and would wake the worker again
 * and again: a source whose input went on while a barrier waited for full pairs took a processor
 * for itself. */
static void a_source_hears_only_what_it_would_read(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	struct mr_worker *from = world.sender;
	open_chain(&world, from);
	mr_waits_set(&from->waits, 0, POLLIN);
	assert_int_equal(polled_stages(from, 1), 1);
	mr_waits_rest(&from->waits, 2);
	assert_int_equal(polled_stages(from, 1), 0);
	assert_int_equal(polled_stages(from, 2), 1);
	for (int step = MR_BARRIER_RELEASE; step <= MR_BARRIER_PASS; step++) {
		from->barrier.step = (enum mr_barrier_step)step;
		assert_int_equal(polled_stages(from, 2), 0);
	}
	from->barrier.step = MR_BARRIER_NONE;
	from->drained = true;
	assert_int_equal(polled_stages(from, 2), 0);
	from->drained = false;
	for (uint32_t i = 0; i < MR_OUTPUT_REGIONS; i++)
		mr_writer_region(&from->writer, &region);
	assert_int_equal(polled_stages(from, 2), 0);
	send_all(&world);
	assert_int_equal(polled_stages(from, 2), 1);
	mr_waits_fini(&from->waits);
	close_world(&world);
}

/* All others hear at barriers, too: what a sink waits for. */
static void a_stage_hears_at_a_barrier(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	struct mr_worker *to = world.receivers[0];
	open_chain(&world, to);
	mr_waits_set(&to->waits, 0, POLLIN);
	to->barrier.step = MR_BARRIER_FLUSH;
	assert_int_equal(polled_stages(to, 1), 1);
	mr_waits_fini(&to->waits);
	close_world(&world);
}

static void a_barrier_waits_for_pairs_that_did_not_take_it(void **state)
{
	(void)state;
	struct world world;
	struct pollfd fds[RECEIVERS];
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	struct mr_worker *from = world.sender;
	assert_int_equal(mr_worker_poll_set(from, false, fds), 0);
	from->barrier = (struct mr_barrier){.number = 1, .step = MR_BARRIER_FLUSH, .child_fd = -1};
	assert_int_equal(mr_worker_poll_set(from, false, fds), 0);
	from->barrier.step = MR_BARRIER_PASS;
	assert_int_equal(mr_worker_poll_set(from, false, fds), RECEIVERS);
	from->outlets[0].peers[0].barrier = 1;
	assert_int_equal(mr_worker_poll_set(from, false, fds), RECEIVERS - 1);
	assert_int_equal(fds[0].fd, mr_link_tx_fd(from->outlets[0].peers[1].tx));
	close_world(&world);
}

#define MANY 512
#define FEW 64          /* of a pair: far less than a socket holds by default */
#define STILL_US 100000 /* nothing moves any more */

/* How many are sent to receivers that read nothing. */
static uint32_t send_unread(struct world *world)
{
	const struct mr_output *output = &world->sender->writer.outputs[0];
	int64_t moved_us = mr_clock_us();
	for (uint32_t i = 0; i < MANY; i++)
		mr_writer_region(&world->sender->writer, &region);
	while (mr_clock_us() < moved_us + STILL_US)
		if (sends(world, 1))
			moved_us = mr_clock_us();
	return MANY - output->region_count;
}

/* Or one who has many in front of it still reads when the others have nothing left to do. */
static void few_references_are_under_way(void **state)
{
	(void)state;
	struct world world;
	struct mr_batch_header header;
	struct mr_slice body;
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	uint32_t sent = send_unread(&world);
	assert_in_range(sent, 1, RECEIVERS * FEW);
	int64_t end_us = mr_clock_us() + WAIT_US;
	for (uint32_t came = 0; came < MANY;) {
		sends(&world, 1);
		for (size_t i = 0; i < RECEIVERS; i++)
			came += mr_link_receive(world.receivers[i]->upstream[0].rx, &header, &body,
						NULL) == MR_OK;
		assert_true(mr_clock_us() < end_us);
	}
	close_world(&world);
}

/* ---- partial batches ---- */

#define LATEST_US 20000 /* PROTOCOL.md 2.3 */

static void signal_to(struct world *world, uint8_t key_group)
{
	struct mr_signal signal = {.key_group = key_group, .record_id = S("r")};
	mr_writer_signal(&world->sender->writer, &signal);
}

/* A socket that nobody answers at takes the second receiver's place: its pair never meets, so a
 * batch waits for it, and more signals behind that. The result is the socket. */
static int block_second(struct world *world, int64_t now_us)
{
	struct mr_downstream *second = &world->sender->outlets[0].peers[1];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char endpoint[MR_ENDPOINT_MAX];
	snprintf(address.sun_path, sizeof address.sun_path, "%s/deaf", world->directory);
	snprintf(endpoint, sizeof endpoint, "ipc://%s", address.sun_path);
	int deaf = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(deaf, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(deaf, 1), 0);
	mr_link_tx_close(second->tx);
	assert_int_equal(mr_link_tx_open(world->sender->context, endpoint, 1, 0,
					 mr_fields_hash(world->setup.fields), &second->tx, NULL),
			 MR_OK);
	bool moved = false;
	signal_to(world, 255);
	assert_int_equal(mr_worker_send(world->sender, true, now_us, &moved, NULL), MR_OK);
	assert_true(!moved && second->held.waits);
	signal_to(world, 255);
	return deaf;
}

static void unblock_second(const struct world *world, int deaf)
{
	char path[sizeof world->directory + sizeof "/deaf"];
	snprintf(path, sizeof path, "%s/deaf", world->directory);
	unlink(path);
	close(deaf);
}

static void a_lane_leaves_by_its_own_age(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, MR_LINK_KEYED, MR_CONTENT_SIGNALS);
	signal_to(&world, 0);
	assert_false(sends(&world, 1000));
	signal_to(&world, 255);
	assert_false(sends(&world, 11000));
	assert_true(sends(&world, 1000 + LATEST_US));
	assert_false(sends(&world, 11000 + LATEST_US - 1));
	signal_to(&world, 0);
	assert_true(sends(&world, 11000 + LATEST_US));
	assert_true(sends(&world, 11000 + 2 * LATEST_US));
	assert_true(mr_worker_is_sent(world.sender));
	close_world(&world);
}

/* Or one that stands still would make all others send signal by signal. */
static void a_blocked_lane_ages_no_other(void **state)
{
	(void)state;
	struct world world;
	open_world(&world, MR_LINK_KEYED, MR_CONTENT_SIGNALS);
	int deaf = block_second(&world, 1000);
	assert_false(sends(&world, 1000 + 10 * LATEST_US));
	signal_to(&world, 0);
	assert_false(sends(&world, 1001 + 10 * LATEST_US));
	assert_false(sends(&world, 1000 + 11 * LATEST_US));
	assert_true(sends(&world, 1001 + 11 * LATEST_US));
	unblock_second(&world, deaf);
	close_world(&world);
}

/* ---- barriers ---- */

static enum mr_err give_file(struct mr_worker *worker, uint64_t number)
{
	return mr_worker_snapshot_file(worker, number, 0, dup(STDERR_FILENO), NULL);
}

/* The file for a snapshot comes from the supervisor, its barrier from upstream. */
static void a_file_may_come_behind_its_barrier(void **state)
{
	static struct mr_worker worker;
	struct mr_upstream up = {.sender = 1};
	struct mr_buf marks = {0};
	(void)state;
	mr_barrier_init(&worker.barrier);
	worker.chain.count = 1;
	worker.chain.items[0].ops = &looker;
	worker.upstream = &up;
	worker.upstream_count = 1;
	mr_marks_encode(&worker.marks, &marks);
	assert_int_equal(give_file(&worker, 1), MR_OK);
	assert_int_equal(
	    mr_worker_barrier_came(&worker, &up, 2, (struct mr_slice){marks.data, marks.len}, NULL),
	    MR_OK);
	assert_int_equal(give_file(&worker, 1), MR_PROTOCOL);
	assert_int_equal(give_file(&worker, 2), MR_OK);
	worker.barrier.report_number = 2; /* cut */
	assert_int_equal(give_file(&worker, 2), MR_PROTOCOL);
	assert_int_equal(give_file(&worker, 3), MR_OK);
	mr_barrier_fini(&worker.barrier);
	mr_buf_fini(&marks);
}

static void who_said_again_is_asked_once_there_is_news(void **state)
{
	(void)state;
	struct world world;
	struct mr_error error = {0};
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	struct mr_worker *to = world.receivers[0];
	open_chain(&world, to);
	while (mr_worker_receive(to, &error) != MR_AGAIN)
		;
	struct mr_record record = {.bytes = S("{}")};
	for (size_t i = 0; i < RECEIVERS; i++) {
		mr_writer_record(&world.sender->writer, &record);
		send_all(&world);
	}
	struct pollfd news = {.fd = mr_link_rx_fd(to->upstream[0].rx), .events = POLLIN};
	assert_int_equal(poll(&news, 1, WAIT_US / 1000), 1);
	assert_int_equal(mr_worker_receive(to, &error), MR_AGAIN);
	int64_t end_us = mr_clock_us() + WAIT_US;
	enum mr_err err;
	while ((err = look_and_receive(to, WAIT_US / 1000, &error)) == MR_AGAIN)
		assert_true(mr_clock_us() < end_us);
	assert_int_equal(err, MR_OK);
	assert_int_equal(mr_chain_go(&to->chain, &error), MR_OK);
	const struct seen *seen = to->chain.items[0].state;
	assert_int_equal(seen->count, 1);
	close_world(&world);
}

/* As one whose outputs are full does it: its descriptor is not looked at, and who sends much
 * meanwhile keeps it from running dry. */
static void who_was_not_looked_at_is_asked(void **state)
{
	(void)state;
	struct world world;
	struct mr_error error = {0};
	open_world(&world, MR_LINK_SPREAD, MR_CONTENT_RECORDS);
	struct mr_worker *to = world.receivers[0];
	while (mr_worker_receive(to, &error) != MR_AGAIN)
		;
	assert_true(to->upstream[0].quiet);
	struct pollfd fds[1];
	assert_int_equal(mr_worker_poll_set(to, false, fds), 0);
	mr_worker_poll_news(to, fds, 0);
	assert_false(to->upstream[0].quiet);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_was_not_looked_at_is_asked),
	    cmocka_unit_test(who_said_again_is_asked_once_there_is_news),
	    cmocka_unit_test(inline_records_cross_a_link),
	    cmocka_unit_test(a_region_of_a_journal_is_not_given_up_at_once),
	    cmocka_unit_test(a_region_of_an_input_is_rejected),
	    cmocka_unit_test(those_who_had_nothing_are_asked_again),
	    cmocka_unit_test(a_source_hears_only_what_it_would_read),
	    cmocka_unit_test(a_stage_hears_at_a_barrier),
	    cmocka_unit_test(a_barrier_waits_for_pairs_that_did_not_take_it),
	    cmocka_unit_test(few_references_are_under_way),
	    cmocka_unit_test(a_lane_leaves_by_its_own_age),
	    cmocka_unit_test(a_blocked_lane_ages_no_other),
	    cmocka_unit_test(a_file_may_come_behind_its_barrier),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
