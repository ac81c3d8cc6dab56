/* test_webhook.c - alerts to a receiver over real TLS that fails in each way it can
 * (tests/e2e/receiver.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "os_faults.h"
#include "receiver.h"
#include "service.h"

#define STEPS_MAX 3000 /* of 20 ms: far more than any test needs */

static struct service service;
static struct receiver receiver;

/* ---- the sink ---- */

static void set(const char *name, const char *value)
{
	mr_config_add(&service.settings, name, value);
}

static void set_anew(const char *name, const char *value)
{
	for (size_t i = 0; i < service.settings.count; i++) {
		struct mr_setting *item = &service.settings.items[i];
		if (strcmp(item->name, name) != 0)
			continue;
		free(item->value);
		item->value = mr_strdup(value);
	}
}

static const char *in_folder(const char *name)
{
	return receiver_path(&receiver, name);
}

/* Arguments of the receiver, ended by NULL. */
#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

static void begin(const char *const *arguments)
{
	char url[64];
	unlink(in_folder("requests.ndjson"));
	receiver_start(&receiver, arguments);
	service_begin(&service, sink_find("webhook"));
	snprintf(url, sizeof url, "https://localhost:%d/in", receiver.port);
	set("url", url);
	set("ca_certificates", in_folder("ca.pem"));
	set("batch_age", "0ms");
	set("retry_first", "5ms");
	set("retry_most", "20ms");
}

static void open_sink(void)
{
	struct mr_error error = {0};
	if (service_open(&service, &error) != MR_OK)
		fail_msg("%s", error.text);
}

static struct sink_counts counts(void)
{
	struct sink_counts out;
	service.sink.ops->counts(&service.sink, &out);
	assert_int_equal(out.taken, out.delivered + out.refused + out.spooled);
	return out;
}

static void put(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_true(service_put(&service, i));
	service_flush(&service);
}

/* Until all is delivered or refused. */
static void drain(void)
{
	for (int i = 0; counts().spooled > 0; i++) {
		assert_true(i < STEPS_MAX);
		service_step(&service, 20);
	}
}

static void wait_for_words(const char *words)
{
	for (int i = 0; strstr(service.logged, words) == NULL; i++) {
		if (i == STEPS_MAX)
			fail_msg("\"%s\" is not in: %s", words, service.logged);
		service_step(&service, 20);
	}
}

static void end(void)
{
	service_end(&service);
	receiver_stop(&receiver);
}

/* ---- what the receiver has ---- */

static char *requests;

static const char *bodies(const char *answer)
{
	free(requests);
	return requests = receiver_bodies(&receiver, answer);
}

static bool request(size_t n, struct json_line *line)
{
	return receiver_request(&receiver, n, line);
}

static double request_time(size_t n)
{
	struct json_line line;
	assert_true(request(n, &line));
	double at = strtod(json_at(&line, "time"), NULL);
	json_line_close(&line);
	return at;
}

/* Those lines, each once, in order. */
static void assert_received(unsigned from, unsigned to)
{
	struct mr_buf want = {0};
	char line[512];
	for (unsigned i = from; i < to; i++) {
		service_line(i, line);
		mr_buf_add_text(&want, line);
	}
	mr_buf_add(&want, "", 1);
	assert_string_equal(bodies("200"), want.data);
	mr_buf_fini(&want);
}

/* ---- tests ---- */

static void alerts_arrive_in_order(void **state)
{
	(void)state;
	BEGIN(NULL);
	set("batch_alerts", "7");
	open_sink();
	put(0, 50);
	put(50, 100);
	drain();
	assert_received(0, 100);
	assert_int_equal(counts().delivered, 100);
	assert_string_equal(service.logged, "");
	end();
}

static void an_array_is_one_document(void **state)
{
	(void)state;
	struct json_line line;
	BEGIN(NULL);
	set("format", "array");
	set("batch_age", "1m");
	set("batch_alerts", "3");
	open_sink();
	put(0, 3);
	drain();
	assert_true(request(0, &line));
	assert_string_equal(json_at(&line, "headers.Content-Type"), "application/json");
	assert_string_equal(json_at(&line, "path"), "/in");
	json_line_close(&line);
	const char *body = bodies("200");
	assert_true(json_line_open(&line, body, strlen(body)));
	assert_non_null(json_at(&line, "2.finding_info.uid"));
	assert_null(json_at(&line, "3"));
	json_line_close(&line);
	end();
}

static void a_batch_is_bounded_in_bytes_and_age(void **state)
{
	(void)state;
	BEGIN(NULL);
	set("batch_bytes", "1KiB");
	set("batch_age", "1ms");
	open_sink();
	put(0, 30);
	drain();
	assert_received(0, 30);
	struct json_line line;
	for (size_t i = 0; request(i, &line); i++) {
		assert_true(strlen(json_at(&line, "body")) <= 1024);
		json_line_close(&line);
	}
	end();
}

/* Whatever is not a whole 2xx: it comes again, and no more is said than that it fails and that it
 * is over. */
static void fault(const char *answer, const char *timeout, const char *words)
{
	BEGIN(answer, answer);
	set("timeout", timeout);
	open_sink();
	put(0, 5);
	wait_for_words(words);
	assert_true(counts().trouble[0] != '\0' && counts().trouble_us == service.now.wall_us);
	assert_true(counts().untried);
	service.now.steady_us += MR_MINUTE_US;
	assert_int_equal(counts().failing_us, MR_MINUTE_US);
	drain();
	assert_true(counts().trouble[0] == '\0' && counts().trouble_us == 0);
	assert_int_equal(counts().failing_us, 0);
	assert_false(counts().untried);
	assert_received(0, 5);
	if (strstr(service.logged, words) == NULL)
		fail_msg("%s: %s", answer, service.logged);
	assert_non_null(strstr(service.logged, "takes alerts again, after 2 failures"));
	end();
}

static void faults_are_tried_again(void **state)
{
	(void)state;
	fault("500", "10s", "HTTP status 500: answered");
	fault("503", "10s", "HTTP status 503");
	fault("429", "10s", "HTTP status 429");
	fault("408", "10s", "HTTP status 408");
	fault("425", "10s", "HTTP status 425");
	fault("half", "10s", "it is tried again");
	fault("reset", "10s", "it is tried again");
	fault("late:5", "300ms", "timed out");
	fault("never", "300ms", "timed out");
}

static void wrong_settings_are_an_error_and_lose_nothing(void **state)
{
	(void)state;
	fault("401", "10s", "error: sink main: alerts wait");
	fault("403", "10s", "the credentials are wrong");
	fault("404", "10s", "the address or the credentials are wrong");
	fault("405", "10s", "error: sink main: alerts wait");
	fault("410", "10s", "the address or the credentials are wrong");
	fault("302:/elsewhere", "10s", "HTTP status 302"); /* not followed */
}

static void the_receiver_says_when_to_come_again(void **state)
{
	(void)state;
	BEGIN("429:1", "503:date+3");
	set_anew("retry_most", "10s");
	open_sink();
	put(0, 1);
	drain();
	assert_true(request_time(1) - request_time(0) >= 1);
	/* A date is of whole seconds. */
	assert_true(request_time(2) - request_time(1) >= 1);
	end();
}

/* A word that would hold alerts up for an hour does not, and it is told when they go. */
static void it_does_not_say_how_long_a_sink_stands_still(void **state)
{
	(void)state;
	BEGIN("429:3600");
	open_sink();
	assert_int_equal(counts().next_us, 0);
	put(0, 1);
	for (int i = 0; counts().next_us == 0; i++) {
		assert_true(i < STEPS_MAX);
		service_step(&service, 1);
	}
	assert_true(counts().next_us - counts().trouble_us >= 20000);
	assert_true(counts().next_us - counts().trouble_us <= 40000);
	drain();
	assert_int_equal(counts().next_us, 0);
	end();
}

static void what_is_refused_is_set_aside_alone(void **state)
{
	(void)state;
	char refused[512], want[600];
	/* As it stands in the line. */
	BEGIN("refuse:a \\\"23\\\" {");
	open_sink();
	put(0, 40);
	drain();
	service_line(23, refused);
	snprintf(want, sizeof want, "HTTP status 422: answered: %s", refused);
	mr_buf_add(&service.refused, "", 1);
	assert_string_equal(service.refused.data, want);
	assert_int_equal(counts().refused, 1);
	assert_int_equal(counts().delivered, 39);
	assert_in_range(counts().refused_us, 1, service.now.wall_us);
	struct line_id id;
	char uid[2 * MR_ALERT_ID_BYTES + 1], said[200];
	assert_true(line_id_read(mr_slice(refused), &id));
	mr_hex(id.id, sizeof id.id, uid);
	snprintf(said, sizeof said, "warning: sink main: the receiver refuses the alert %s: ", uid);
	assert_non_null(strstr(service.logged, said));
	const char *got = bodies("200");
	for (unsigned i = 0; i < 40; i++) {
		char line[512];
		service_line(i, line);
		assert_int_equal(strstr(got, line) == NULL, i == 23);
	}
	end();
}

/* Who refuses takes nothing, though it answers. */
static void a_refusal_behind_failures_is_no_taking(void **state)
{
	(void)state;
	BEGIN("503", "400");
	open_sink();
	put(0, 1);
	drain();
	assert_int_equal(counts().refused, 1);
	assert_non_null(strstr(service.logged, "the receiver answers again, after 1 failures"));
	assert_null(strstr(service.logged, "takes alerts again"));
	end();
}

static void no_certificate_but_the_right_one(const char *which, const char *words)
{
	BEGIN("--certificate", which);
	open_sink();
	put(0, 3);
	wait_for_words(words);
	assert_int_equal(counts().delivered, 0);
	assert_string_equal(bodies("200"), "");
	end();
}

static void certificates_are_verified(void **state)
{
	(void)state;
	no_certificate_but_the_right_one("expired", "certificate has expired");
	no_certificate_but_the_right_one("other",
					 "no alternative certificate subject name matches");
}

static void a_certificate_of_another_root_is_none(void **state)
{
	(void)state;
	BEGIN(NULL);
	mr_config_fini(&service.settings);
	service.settings.scope = MR_SCOPE_SINK;
	char url[64];
	snprintf(url, sizeof url, "https://localhost:%d/", receiver.port);
	set("url", url);
	set("ca_certificates", in_folder("client.pem"));
	open_sink();
	put(0, 1);
	wait_for_words("SSL certificate problem");
	assert_int_equal(counts().delivered, 0);
	end();
}

static void the_client_shows_its_certificate(void **state)
{
	(void)state;
	BEGIN("--client");
	set("client_certificate", in_folder("client.pem"));
	set("client_key_file", in_folder("client.key"));
	open_sink();
	put(0, 2);
	drain();
	assert_received(0, 2);
	end();
}

static void write_secret(const char *name, const char *text)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void requests_are_signed(void **state)
{
	(void)state;
	struct json_line line;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1], want[2 * EVP_MAX_MD_SIZE + 8];
	BEGIN(NULL);
	write_secret("hmac", "the key\n");
	write_secret("token", "abc\n");
	set("hmac_key_file", in_folder("hmac"));
	set("token_file", in_folder("token"));
	open_sink();
	put(0, 2);
	drain();
	assert_true(request(0, &line));
	assert_string_equal(json_at(&line, "headers.Authorization"), "Bearer abc");
	assert_string_equal(json_at(&line, "headers.X-Millrace-Timestamp"), "1700000000");
	char *text = mr_asprintf("1700000000.%s", json_at(&line, "body"));
	HMAC(EVP_sha256(), "the key", 7, (unsigned char *)text, strlen(text), mac, &len);
	mr_hex(mac, len, hex);
	snprintf(want, sizeof want, "sha256=%s", hex);
	assert_string_equal(json_at(&line, "headers.X-Millrace-Signature"), want);
	free(text);
	json_line_close(&line);
	end();
}

/* After a death nothing but what prepare has read counts. */
static void keys_are_those_of_the_start(void **state)
{
	(void)state;
	struct json_line line;
	char *authorities = mr_asprintf("%s", in_folder("ca.pem"));
	char *aside = mr_asprintf("%s.aside", authorities);
	BEGIN(NULL);
	write_secret("token", "abc\n");
	set("token_file", in_folder("token"));
	open_sink();
	service_crash(&service);
	write_secret("token", "two\nlines\n");
	assert_int_equal(rename(authorities, aside), 0);
	open_sink();
	put(0, 2);
	drain();
	assert_int_equal(rename(aside, authorities), 0);
	assert_true(request(0, &line));
	assert_string_equal(json_at(&line, "headers.Authorization"), "Bearer abc");
	json_line_close(&line);
	free(aside);
	free(authorities);
	end();
}

static void a_proxy_is_gone_through(void **state)
{
	(void)state;
	struct json_line line;
	char proxy[64];
	BEGIN("--proxy");
	write_secret("user", "me:secret\n");
	snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", receiver.proxy_port);
	set("proxy", proxy);
	set("proxy_user_file", in_folder("user"));
	open_sink();
	put(0, 2);
	drain();
	assert_received(0, 2);
	assert_true(request(0, &line));
	assert_non_null(strstr(json_at(&line, "proxy"), "CONNECT localhost:"));
	assert_non_null(strstr(json_at(&line, "proxy"), "Proxy-Authorization: Basic bWU6c2VjcmV0"));
	json_line_close(&line);
	end();
}

static void a_name_that_nobody_knows_holds_up_nobody(void **state)
{
	(void)state;
	BEGIN(NULL);
	mr_config_fini(&service.settings);
	service.settings.scope = MR_SCOPE_SINK;
	set("url", "https://nobody.invalid/");
	set("batch_age", "0ms");
	open_sink();
	put(0, 1);
	wait_for_words("alerts wait, the receiver does not take them");
	put(1, 2);
	end();
}

/* Killed at any moment: what came after the last checkpoint is put again. */
static void over_crashes_all_arrive_and_ids_stay(void **state)
{
	(void)state;
	BEGIN("200", "500", "late:1", "reset");
	set("batch_alerts", "10");
	set("timeout", "300ms");
	open_sink();
	put(0, 30);
	service_checkpoint(&service);
	put(30, 60);
	for (int i = 0; counts().delivered < 10; i++) {
		assert_true(i < STEPS_MAX);
		service_step(&service, 20);
	}
	service_crash(&service);
	open_sink();
	put(30, 70);
	service_checkpoint(&service);
	service_step(&service, 20);
	service_crash(&service);
	open_sink();
	put(70, 80);
	drain();
	assert_int_equal(counts().taken, 80);
	const char *got = bodies("200");
	for (unsigned i = 0; i < 80; i++) {
		char line[512];
		service_line(i, line);
		assert_non_null(strstr(got, line));
	}
	end();
}

/* What lies there behind the checkpoint counts as taken over before it is put again. */
static void over_crashes_each_is_taken_over_once(void **state)
{
	(void)state;
	BEGIN("500");
	set("retry_first", "1m");
	open_sink();
	put(0, 10);
	service_checkpoint(&service);
	put(10, 30);
	service_step(&service, 20);
	service_crash(&service);
	open_sink();
	put(10, 15);
	service_checkpoint(&service);
	assert_int_equal(counts().taken, 30);
	service_crash(&service);
	open_sink();
	put(15, 32);
	service_checkpoint(&service);
	assert_int_equal(counts().taken, 32);
	assert_int_equal(counts().spooled, 32);
	end();
}

static void put_long(unsigned from, unsigned to)
{
	static char filler[4096];
	memset(filler, 'x', sizeof filler);
	filler[sizeof filler - 1] = '\n';
	struct mr_slice line = {filler, sizeof filler};
	for (unsigned i = from; i < to; i++) {
		struct line_id id = service_id(i);
		for (int step = 0; !sink_has_room(&service.sink, line.len); step++) {
			assert_true(step < STEPS_MAX);
			service_step(&service, 20);
		}
		assert_int_equal(service.sink.ops->put(&service.sink, &id, line, NULL), MR_OK);
		service_flush(&service);
	}
}

/* Segments that went to make room, without a checkpoint, upset no count. */
static void what_made_room_is_counted_once(void **state)
{
	(void)state;
	BEGIN(NULL);
	set("spool_bytes", "1MiB");
	open_sink();
	put_long(0, 100);
	service_checkpoint(&service);
	put_long(100, 600);
	drain();
	service_crash(&service);
	open_sink();
	put_long(100, 600);
	drain();
	assert_int_equal(counts().taken, 600);
	assert_int_equal(counts().delivered, 600);
	end();
}

/* Every frame of the spool's first segment, made unreadable. */
static void spoil_the_spool(void)
{
	char path[128], bytes[4096] = "";
	snprintf(path, sizeof path, "%s/spool/main/0000000000000000.spool", service.state);
	int fd = open(path, O_WRONLY);
	off_t end = lseek(fd, 0, SEEK_END);
	assert_in_range(end, 100, sizeof bytes);
	assert_int_equal(pwrite(fd, bytes, (size_t)end - 32, 32), end - 32); /* behind its head */
	close(fd);
}

/* What waits for room on the disk is not what could not be read back. */
static void what_is_not_written_yet_is_not_lost_with_the_rest(void **state)
{
	(void)state;
	BEGIN(NULL);
	set("batch_age", "1h");
	set("batch_alerts", "5");
	open_sink();
	put(0, 3);
	spoil_the_spool();
	os_fault((struct os_fault){.call = OS_PWRITE, .nth = 1, .number = ENOSPC, .lasting = true});
	put(3, 5);
	os_faults_end();
	assert_non_null(strstr(service.logged, "the alerts there are lost"));
	put(5, 8);
	for (int i = 0; strcmp(bodies("200"), "") == 0; i++) {
		assert_true(i < STEPS_MAX);
		service_step(&service, 20);
	}
	assert_received(3, 8);
	end();
}

/* Neither lost nor the end: what the disk does not give is asked for again, until it does. */
static void what_the_disk_does_not_give_waits(void **state)
{
	(void)state;
	BEGIN(NULL);
	open_sink();
	os_fault((struct os_fault){.call = OS_PREAD, .nth = 1, .number = EIO, .lasting = true});
	put(0, 5);
	wait_for_words("error: sink main: its spool: 0000000000000000.spool cannot be read at "
		       "byte 32: Input/output error: alerts wait");
	for (int i = 0; i < 10; i++)
		service_step(&service, 20);
	assert_int_equal(counts().spooled, 5);
	assert_non_null(strstr(counts().trouble, "cannot be read at byte 32"));
	os_faults_end();
	drain();
	assert_received(0, 5);
	assert_null(strstr(service.logged, "lost"));
	end();
}

/* Nobody listens, the spool fills, nothing more is taken; then the receiver is there again. */
static void an_outage_is_outlasted(void **state)
{
	(void)state;
	char url[64], filler[4096];
	BEGIN(NULL);
	receiver_stop(&receiver);
	set("spool_bytes", "1MiB");
	open_sink();
	memset(filler, 'x', sizeof filler);
	filler[sizeof filler - 1] = '\n';
	unsigned count = 0;
	for (;; count++) {
		struct line_id id = service_id(count);
		struct mr_slice line = {filler, sizeof filler};
		if (!sink_has_room(&service.sink, line.len))
			break;
		assert_int_equal(service.sink.ops->put(&service.sink, &id, line, NULL), MR_OK);
		service_flush(&service);
		assert_true(count < 1000);
	}
	assert_true(count > 200);
	service_step_second(&service);
	assert_non_null(strstr(service.logged, "sink main is full: nothing is read"));
	service_checkpoint(&service);
	service_crash(&service);
	/* Another port, since nobody promises the same. */
	receiver_start(&receiver, (const char *const[]){NULL});
	mr_config_fini(&service.settings);
	service.settings.scope = MR_SCOPE_SINK;
	snprintf(url, sizeof url, "https://localhost:%d/", receiver.port);
	set("url", url);
	set("ca_certificates", in_folder("ca.pem"));
	set("spool_bytes", "1MiB");
	open_sink();
	assert_false(sink_has_room(&service.sink, sizeof filler));
	drain();
	assert_int_equal(strlen(bodies("200")), count * sizeof filler);
	assert_true(sink_has_room(&service.sink, sizeof filler));
	end();
}

static void refused_to_open(const char *name, const char *value, const char *words)
{
	struct mr_error error = {0};
	service_begin(&service, sink_find("webhook"));
	if (strcmp(name, "url") != 0)
		set("url", "https://localhost/");
	set("ca_certificates", in_folder("ca.pem"));
	set(name, value);
	assert_int_not_equal(service_open(&service, &error), MR_OK);
	if (strstr(error.text, words) == NULL)
		fail_msg("%s", error.text);
	assert_int_equal(service.waits.count, 0);
	service_end(&service);
}

static void settings_that_are_wrong_are_named(void **state)
{
	(void)state;
	refused_to_open("url", "http://localhost/",
			"sink main: \"http://localhost/\" is no https://");
	refused_to_open("url", "nonsense", "is no https://");
	refused_to_open("url", "https://me:you@localhost/", "holds no user and no password");
	refused_to_open("proxy", "http://me:you@localhost/", "holds no user and no password");
	refused_to_open("client_certificate", "/nowhere", "sink main: /nowhere cannot be read");
	refused_to_open("hmac_key_file", "/nowhere", "sink main: /nowhere: No such file");
	write_secret("token", "two\nlines\n");
	refused_to_open("token_file", in_folder("token"), "a token is one line");
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(receiver.folder, "/tmp/millrace-webhook-XXXXXX");
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(receiver.folder) == NULL;
}

static int remove_folder(void **state)
{
	(void)state;
	receiver_stop(&receiver);
	free(requests);
	service_remove(receiver.folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(alerts_arrive_in_order),
	    cmocka_unit_test(an_array_is_one_document),
	    cmocka_unit_test(a_batch_is_bounded_in_bytes_and_age),
	    cmocka_unit_test(faults_are_tried_again),
	    cmocka_unit_test(what_the_disk_does_not_give_waits),
	    cmocka_unit_test(wrong_settings_are_an_error_and_lose_nothing),
	    cmocka_unit_test(the_receiver_says_when_to_come_again),
	    cmocka_unit_test(it_does_not_say_how_long_a_sink_stands_still),
	    cmocka_unit_test(what_is_refused_is_set_aside_alone),
	    cmocka_unit_test(a_refusal_behind_failures_is_no_taking),
	    cmocka_unit_test(certificates_are_verified),
	    cmocka_unit_test(a_certificate_of_another_root_is_none),
	    cmocka_unit_test(the_client_shows_its_certificate),
	    cmocka_unit_test(requests_are_signed),
	    cmocka_unit_test(keys_are_those_of_the_start),
	    cmocka_unit_test(a_proxy_is_gone_through),
	    cmocka_unit_test(a_name_that_nobody_knows_holds_up_nobody),
	    cmocka_unit_test(over_crashes_all_arrive_and_ids_stay),
	    cmocka_unit_test(over_crashes_each_is_taken_over_once),
	    cmocka_unit_test(what_made_room_is_counted_once),
	    cmocka_unit_test(what_is_not_written_yet_is_not_lost_with_the_rest),
	    cmocka_unit_test(an_outage_is_outlasted),
	    cmocka_unit_test(settings_that_are_wrong_are_named),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
