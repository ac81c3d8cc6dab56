/* Gates of two and three hosts, real processes on the loopback network: who is let in, what is
 * handed on, and that nothing which a stranger or another host sends makes one fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "few_stages.h"
#include "gate.h"
#include "spawn.h"

#define WAIT_US 30000000
#define HOSTS 3

/* A host: its gate, and what that said. */
struct side {
	pid_t pid;
	struct mr_control control;
	bool met[HOSTS];
	bool lost[HOSTS];
	bool bound;
	bool ended;
	char word[64]; /* the last one from another host */
	uint32_t word_host;
	uint64_t refused;
	char failed[256];
};

static char folder[64];
static struct mr_key keys[HOSTS];
static struct mr_key publics[HOSTS];
static int ports[HOSTS];
static struct side sides[HOSTS];

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

/* ---- a gate ---- */

static enum mr_err hear(void *context, struct mr_control_message *message, struct mr_error *error)
{
	struct side *side = context;
	struct mr_unpack in = mr_unpack(message->bytes);
	(void)error;
	switch (message->kind) {
	case MR_CONTROL_BOUND:
		side->bound = true;
		break;
	case MR_CONTROL_MET:
		side->met[message->number] = true;
		break;
	case MR_CONTROL_LOST:
		side->lost[message->number] = true;
		break;
	case MR_CONTROL_PEER:
		side->word_host = (uint32_t)message->number;
		snprintf(side->word, sizeof side->word, "%.*s", (int)message->bytes.len,
			 message->bytes.at);
		break;
	case MR_CONTROL_COUNTERS:
		mr_unpack_array_of(&in, MR_C_COUNT);
		for (int i = 0; i <= MR_C_CONNECTIONS_REFUSED; i++)
			side->refused = mr_unpack_uint(&in, UINT64_MAX);
		break;
	case MR_CONTROL_FAILED:
		snprintf(side->failed, sizeof side->failed, "%.*s", (int)message->bytes.len,
			 message->bytes.at);
		break;
	default:
		break;
	}
	return MR_OK;
}

static void listen_all(void)
{
	struct mr_error error;
	poll(NULL, 0, 1);
	for (int i = 0; i < HOSTS; i++)
		if (sides[i].pid != 0 && !sides[i].ended)
			sides[i].ended =
			    mr_control_listen(&sides[i].control, hear, &sides[i], &error) == MR_END;
}

/* Whatever is to come, comes, or the test fails. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		int64_t until_us = mr_clock_us() + WAIT_US;                                        \
		while (!(condition)) {                                                             \
			listen_all();                                                              \
			if (mr_clock_us() > until_us)                                              \
				fail_msg("in vain: %s; gates failed with: %s %s %s", #condition,   \
					 sides[0].failed, sides[1].failed, sides[2].failed);       \
		}                                                                                  \
	} while (0)

/* Collect and deliver on the first host, parse on the second, correlate on the last. */
static void make_setup(uint32_t self, uint32_t hosts, struct mr_setup *out)
{
	*out = (struct mr_setup){.incarnation = 1};
	out->directory = mr_asprintf("%s/%u", folder, self);
	out->fields = mr_fields_new();
	mr_topology_default(1, 1, &out->topology);
	out->topology.groups[1].host = 1;
	out->topology.groups[2].host = (uint8_t)(hosts - 1);
	for (uint32_t i = 0; i < hosts; i++) {
		char name[2] = {(char)('a' + i), 0};
		char *address = mr_asprintf("tcp://127.0.0.1:%d", ports[i]);
		struct mr_part *part = mr_config_part_add(&out->config, MR_PART_HOST, name);
		mr_config_add(&part->settings, "address", address);
		mr_config_add(&part->settings, "public_key", publics[i].text);
		free(address);
	}
	mkdir(out->directory, 0700);
}

static void tell_bytes(struct side *side, enum mr_control_kind kind, uint64_t number,
		       uint64_t other, const char *name, struct mr_slice bytes)
{
	struct mr_tables *tables = mr_tables_new();
	const char *unused;
	int fd;
	size_t size;
	assert_int_equal(mr_tables_add_bytes(tables, name, bytes, NULL), MR_OK);
	mr_tables_at(tables, 0, &unused, &fd, &size);
	mr_control_send(
	    &side->control,
	    &(struct mr_control_message){
		.kind = kind, .number = number, .other = other, .bytes = mr_slice(name), .fd = fd});
	mr_tables_free(tables);
}

static void start_as(struct side *side, uint32_t self, uint32_t hosts, const struct mr_key *key)
{
	struct mr_setup setup;
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	int control;
	*side = (struct side){0};
	make_setup(self, hosts, &setup);
	mr_setup_encode(&setup, &bytes);
	assert_int_equal(mr_spawn(&(struct mr_spawn){.command = "gate", .lock = -1}, &side->pid,
				  &control, &error),
			 MR_OK);
	mr_control_init(&side->control, control);
	tell_bytes(side, MR_CONTROL_TABLE, sizeof key->text, 0, MR_GATE_KEY_TABLE,
		   (struct mr_slice){key->text, sizeof key->text});
	tell_bytes(side, MR_CONTROL_SETUP, self, bytes.len, "setup",
		   (struct mr_slice){bytes.data, bytes.len});
	mr_buf_fini(&bytes);
	mr_setup_fini(&setup);
}

static void start(uint32_t self, uint32_t hosts)
{
	start_as(&sides[self], self, hosts, &keys[self]);
}

static void stop(struct side *side)
{
	if (side->pid == 0)
		return;
	kill(side->pid, SIGKILL);
	waitpid(side->pid, NULL, 0);
	mr_control_fini(&side->control);
	*side = (struct side){0};
}

static void meet_two(void)
{
	start(0, 2);
	start(1, 2);
	UNTIL(sides[0].met[1] && sides[1].met[0]);
}

static void say(uint32_t from, uint32_t to, const char *word)
{
	mr_control_send(&sides[from].control, &(struct mr_control_message){.kind = MR_CONTROL_PEER,
									   .number = to,
									   .bytes = mr_slice(word),
									   .fd = -1});
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/millrace-gate-XXXXXX");
	assert_non_null(mkdtemp(folder));
	for (int i = 0; i < HOSTS; i++) {
		assert_int_equal(mr_keys_make(&keys[i], &publics[i], NULL), MR_OK);
		ports[i] = free_port();
	}
	return 0;
}

static int teardown(void **state)
{
	char command[80];
	(void)state;
	for (int i = 0; i < HOSTS; i++)
		stop(&sides[i]);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

/* ---- words and meeting ---- */

static void words_pass_both_ways(void **state)
{
	(void)state;
	meet_two();
	say(1, 0, "from b");
	UNTIL(strcmp(sides[0].word, "from b") == 0);
	assert_int_equal(sides[0].word_host, 1);
	say(0, 1, "from a");
	UNTIL(strcmp(sides[1].word, "from a") == 0);
	assert_int_equal(sides[1].word_host, 0);
}

/* Whoever begins: the later host tries until the earlier one is there. */
static void either_may_be_late(void **state)
{
	(void)state;
	start(1, 2);
	UNTIL(sides[1].bound);
	start(0, 2);
	UNTIL(sides[0].met[1] && sides[1].met[0]);
}

static void three_speak_with_each_other(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		start(i, 3);
	UNTIL(sides[0].met[1] && sides[0].met[2] && sides[1].met[0] && sides[1].met[2] &&
	      sides[2].met[0] && sides[2].met[1]);
	say(2, 1, "from c");
	UNTIL(strcmp(sides[1].word, "from c") == 0);
	assert_int_equal(sides[1].word_host, 2);
}

/* Either end finds out, and says so. */
static void a_loss_is_told(void **state)
{
	(void)state;
	meet_two();
	stop(&sides[1]);
	UNTIL(sides[0].lost[1]);
	stop(&sides[0]);
	meet_two();
	stop(&sides[0]);
	UNTIL(sides[1].lost[0]);
}

/* A process that stands still keeps its connection: heartbeats find it. */
static void a_silence_is_told(void **state)
{
	(void)state;
	meet_two();
	kill(sides[1].pid, SIGSTOP);
	UNTIL(sides[0].lost[1]);
	kill(sides[1].pid, SIGCONT);
	stop(&sides[1]);
}

/* ---- strangers ---- */

static bool still_speaks(void)
{
	say(0, 1, "still here");
	UNTIL(strcmp(sides[1].word, "still here") == 0);
	return !sides[0].lost[1] && !sides[1].lost[0] && sides[0].failed[0] == '\0';
}

/* A socket that tries with these keys; NULL: with none at all. */
static void *knock(void *context, const struct mr_key *private, const struct mr_key *public)
{
	char address[64];
	int linger = 0;
	void *socket = zmq_socket(context, ZMQ_DEALER);
	snprintf(address, sizeof address, "tcp://127.0.0.1:%d", ports[0]);
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
	if (private != NULL) {
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, private->text, MR_KEY_TEXT + 1);
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public->text, MR_KEY_TEXT + 1);
		zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, publics[0].text, MR_KEY_TEXT + 1);
	}
	assert_int_equal(zmq_connect(socket, address), 0);
	zmq_send(socket, "\1\0\0\0\0", 5, ZMQ_DONTWAIT);
	return socket;
}

static void strangers_are_refused(void **state)
{
	struct mr_key private, public;
	void *context = zmq_ctx_new();
	(void)state;
	meet_two();
	uint64_t before = sides[0].refused;
	assert_int_equal(mr_keys_make(&private, &public, NULL), MR_OK);
	void *unknown = knock(context, &private, &public);
	UNTIL(sides[0].refused > before);
	zmq_close(unknown);
	before = sides[0].refused;
	void *plain = knock(context, NULL, NULL);
	UNTIL(sides[0].refused > before);
	zmq_close(plain);
	/* The leader's own key is none that connects to it. */
	before = sides[0].refused;
	void *own = knock(context, &keys[0], &publics[0]);
	UNTIL(sides[0].refused > before);
	zmq_close(own);
	assert_false(sides[0].lost[1]);
	assert_true(still_speaks());
	zmq_ctx_term(context);
}

static void a_second_one_of_a_host_is_refused(void **state)
{
	struct side second;
	(void)state;
	meet_two();
	uint64_t before = sides[0].refused;
	start_as(&second, 1, 2, &keys[1]);
	UNTIL(sides[0].refused > before);
	assert_true(still_speaks());
	assert_false(second.met[0]);
	stop(&second);
	assert_true(still_speaks());
}

/* ZMTP 3's, of a mechanism (rfc.zeromq.org/spec/23), with bytes behind it. */
static struct mr_slice greeting(const char *mechanism, const char *behind)
{
	static char out[80];
	memset(out, 0, sizeof out);
	out[0] = (char)0xff;
	out[8] = 1;
	out[9] = 0x7f;
	out[10] = 3;
	memcpy(out + 12, mechanism, strlen(mechanism));
	memcpy(out + 64, behind, strlen(behind));
	return (struct mr_slice){out, 64 + strlen(behind)};
}

static int knock_with(struct mr_slice bytes)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)ports[0])};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(send(fd, bytes.at, bytes.len, MSG_NOSIGNAL), (ssize_t)bytes.len);
	assert_true(still_speaks());
	return fd;
}

/* Bytes that are no greeting, one of another mechanism, one that goes on wrong, half of one,
 * nothing at all. */
static void garbage_is_no_matter(void **state)
{
	int fds[6];
	size_t count = 0;
	(void)state;
	meet_two();
	fds[count++] = knock_with(MR_SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
	fds[count++] = knock_with((struct mr_slice){greeting("", "").at + 16, 16});
	fds[count++] = knock_with(greeting("NULL", ""));
	fds[count++] = knock_with(greeting("CURVE", "\4\6\5HELLO"));
	fds[count++] = knock_with((struct mr_slice){greeting("", "").at, 1});
	fds[count++] = knock_with(MR_SLICE(""));
	UNTIL(sides[0].refused > 0);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	assert_true(still_speaks());
}

/* ---- pairs ---- */

#define BATCHES 60
#define BODY_BYTES (256 << 10) /* so that few fit into the kernel's buffers */

static void endpoint(uint32_t host, uint32_t edge, uint32_t from, uint32_t to, char *out)
{
	struct mr_setup own = {.directory = mr_asprintf("%s/%u", folder, host)};
	mr_setup_endpoint(&own, edge, from, to, out);
	free(own.directory);
}

static bool send_batch(struct mr_link_tx *tx, uint32_t number)
{
	struct mr_batch_header header = {.kind = MR_BATCH_DATA, .content = MR_CONTENT_SIGNALS};
	struct mr_buf body = {0};
	struct mr_error error = {0};
	memset(mr_buf_reserve(&body, BODY_BYTES), 0, BODY_BYTES);
	snprintf(body.data, BODY_BYTES, "%u", number);
	body.len = BODY_BYTES;
	header.count = 1;
	enum mr_err err = mr_link_send(tx, &header, &body, &error);
	mr_buf_fini(&body);
	if (err != MR_AGAIN)
		assert_int_equal(err, MR_OK);
	return err == MR_OK;
}

/* What the gates connect to, besides the pair that is looked at: from parse and correlate to
 * deliver. */
static void open_others(void *context, struct mr_link_rx *out[2])
{
	static const struct {
		uint32_t edge, from;
	} others[] = {{2, 1}, {4, 2}};
	struct mr_error error = {0};
	for (int i = 0; i < 2; i++) {
		char at[MR_ENDPOINT_MAX];
		endpoint(0, others[i].edge, others[i].from, 3, at);
		assert_int_equal(
		    mr_link_rx_open(context, at, 9, others[i].from, 5, &out[i], &error), MR_OK);
	}
}

/* A sender on a, a receiver on b that takes nothing for a while: few go, none is lost, and words
 * pass meanwhile. */
static void pairs_are_ordered_and_bounded(void **state)
{
	char at_a[MR_ENDPOINT_MAX], at_b[MR_ENDPOINT_MAX];
	struct mr_error error = {0};
	struct mr_link_tx *tx = NULL;
	struct mr_link_rx *rx = NULL;
	struct mr_link_rx *others[2];
	void *context = zmq_ctx_new();
	uint32_t sent = 0, taken = 0;
	(void)state;
	meet_two();
	endpoint(0, 0, 0, 1, at_a);
	endpoint(1, 0, 0, 1, at_b);
	assert_int_equal(mr_link_rx_open(context, at_b, 9, 0, 5, &rx, &error), MR_OK);
	assert_int_equal(mr_link_tx_open(context, at_a, 9, 0, 5, &tx, &error), MR_OK);
	open_others(context, others);
	for (int i = 0; i < 2; i++)
		mr_control_send(&sides[i].control,
				&(struct mr_control_message){.kind = MR_CONTROL_CONNECT, .fd = -1});
	UNTIL(mr_link_tx_met(tx, &error) == MR_OK && mr_link_rx_met(rx, &error) == MR_OK);
	UNTIL((sent += send_batch(tx, sent)) >= MR_GATE_WINDOW);
	/* Until nothing moves for as long as words take there and back. */
	for (uint32_t before = UINT32_MAX; sent != before;) {
		before = sent;
		while (sent < BATCHES && send_batch(tx, sent))
			sent++;
		sides[1].word[0] = '\0';
		assert_true(still_speaks());
	}
	assert_in_range(sent, MR_GATE_WINDOW, MR_GATE_WINDOW + 20);
	while (taken < BATCHES) {
		struct mr_batch_header header;
		struct mr_slice body;
		char wanted[12];
		while (sent < BATCHES && send_batch(tx, sent))
			sent++;
		listen_all();
		enum mr_err err = mr_link_receive(rx, &header, &body, &error);
		if (err == MR_AGAIN)
			continue;
		assert_int_equal(err, MR_OK);
		snprintf(wanted, sizeof wanted, "%u", taken++);
		assert_int_equal(body.len, BODY_BYTES);
		assert_string_equal(body.at, wanted);
	}
	mr_link_tx_close(tx);
	mr_link_rx_close(rx);
	mr_link_rx_close(others[0]);
	mr_link_rx_close(others[1]);
	zmq_ctx_term(context);
	assert_true(still_speaks());
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(words_pass_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(either_may_be_late, setup, teardown),
	    cmocka_unit_test_setup_teardown(three_speak_with_each_other, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_loss_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_silence_is_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(strangers_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_second_one_of_a_host_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(garbage_is_no_matter, setup, teardown),
	    cmocka_unit_test_setup_teardown(pairs_are_ordered_and_bounded, setup, teardown),
	};
	if (argc > 1 && strcmp(argv[1], "gate") == 0)
		return mr_gate_main(argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
