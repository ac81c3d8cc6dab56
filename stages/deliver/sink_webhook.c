/* sink_webhook.c - alerts to an HTTPS receiver, in batches, in order, at least once.
 *
 * Called by deliver.c through sink.h. What is put lies in a spool on disk until the receiver has
 * said 2xx. One request is under way at a time. What becomes of it, by its answer:
 *   2xx                                      taken
 *   408, 425, 429, 5xx, no whole answer      tried again, for ever, ever more slowly
 *   401, 403, 404, 3xx and what is unknown   likewise, as an error: the settings are wrong
 *   any other 4xx                            refused: half as many are tried, down to the one that
 *                                            is set aside in the dead letter */
#include "sink.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "http.h"
#include "key_files.h"
#include "spool.h"

#define SEGMENTS_IN_SPOOL 16 /* how many files it takes when it is full */
#define SEGMENT_MOST (64 * MR_MIB)
#define REFUSE_AGAIN_US MR_SECOND_US
#define DOUBLINGS_MAX 30
#define SPOOL_UNREAD (-1) /* beside HTTP's statuses: the disk does not give what is to be sent */

enum phase {
	PHASE_IDLE,
	PHASE_GATHER, /* for more lines, until the first is old enough */
	PHASE_SEND,
	PHASE_WAIT /* before it is tried again */
};

struct webhook {
	struct spool spool;
	struct http http;
	char *name;
	int64_t batch_count, batch_bytes, batch_age_us;
	int64_t retry_first_us, retry_most_us;
	bool array;
	struct mr_slice hmac_key; /* of the table; empty: requests are not signed */
	char *authorization;      /* header, or NULL */
	int timer_fd;
	enum phase phase;
	struct mr_buf body;
	struct spool_place behind; /* the lines that are under way */
	int64_t lines;
	uint64_t once;      /* of them, those that are made once */
	int64_t limit;      /* of the next request: less than batch_count after a refusal */
	bool answered;      /* it was well since it was opened */
	unsigned failures;  /* in a row */
	long failed_with;   /* the status that was said */
	int64_t failing_us; /* since when, of steady clock */
	int64_t refused_us; /* when an alert was refused, of wall clock */
	int64_t trouble_us; /* when it last did, of wall clock */
	int64_t next_us;    /* when it is tried again, in PHASE_WAIT */
	char trouble[sizeof(((struct http_result *)NULL)->reason)];
	uint64_t random;
	uint64_t taken, delivered, refused;
};

/* ---- open ---- */

/* What is wrong with an address or a file is told before any worker starts. */
/* Where both are given: a default gives way. */
static enum mr_err check_pauses(const struct mr_config *settings, const char **wrong_out,
				struct mr_error *error)
{
	const char *most = mr_config_get(settings, "retry_most", 0);
	int64_t first_us, most_us;
	*wrong_out = mr_config_get(settings, "retry_first", 0);
	if (*wrong_out == NULL || most == NULL ||
	    mr_config_int(settings, "retry_first", &first_us, NULL) != MR_OK ||
	    mr_config_int(settings, "retry_most", &most_us, NULL) != MR_OK || first_us <= most_us)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG, "retry_first: %s is more than retry_most, %s",
			    *wrong_out, most);
}

static enum mr_err webhook_prepare(const struct mr_part *part, const struct mr_prepare *prepare,
				   struct mr_error *error)
{
	const char *wrong;
	if (http_check(&part->settings, &wrong, error) == MR_OK &&
	    check_pauses(&part->settings, &wrong, error) == MR_OK)
		return key_files_keep(part, prepare, error);
	mr_error_prefix(error, "sink %s", part->name);
	return mr_config_blame(prepare->config, wrong, error);
}

static enum mr_err read_numbers(struct webhook *hook, const struct mr_config *settings,
				struct mr_error *error)
{
	const struct {
		const char *name;
		int64_t *out;
	} all[] = {{"batch_alerts", &hook->batch_count},
		   {"batch_bytes", &hook->batch_bytes},
		   {"batch_age", &hook->batch_age_us},
		   {"retry_first", &hook->retry_first_us},
		   {"retry_most", &hook->retry_most_us}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		enum mr_err err = mr_config_int(settings, all[i].name, all[i].out, error);
		if (err != MR_OK)
			return err;
	}
	hook->array = mr_config_is(settings, "format", "array");
	hook->limit = hook->batch_count;
	return MR_OK;
}

static enum mr_err get_secrets(struct webhook *hook, const struct sink *sink,
			       struct mr_error *error)
{
	const struct mr_tables *tables = sink->env->stage->tables;
	struct mr_slice token;
	enum mr_err err =
	    key_files_get(tables, sink->name, "hmac_key_file", &hook->hmac_key, error);
	if (err == MR_OK)
		err = key_files_get(tables, sink->name, "token_file", &token, error);
	if (err == MR_OK && token.len > 0)
		hook->authorization =
		    mr_asprintf("Authorization: Bearer %.*s", (int)token.len, token.at);
	return err;
}

static enum mr_err open_spool(struct webhook *hook, struct sink *sink, struct mr_error *error)
{
	int64_t most;
	uint64_t seed;
	enum mr_err err = mr_config_int(sink->settings, "spool_bytes", &most, error);
	char *place = err == MR_OK ? sink_place(sink->env, sink->name, error) : NULL;
	if (place == NULL)
		return error == NULL || error->code == MR_OK ? MR_IO : error->code;
	int64_t segment = most / SEGMENTS_IN_SPOOL;
	memcpy(&seed, sink->env->stage->seed, sizeof seed);
	err = spool_open(&hook->spool, hook->name, place, (uint64_t)most,
			 (uint64_t)(segment < SEGMENT_MOST ? segment : SEGMENT_MOST), seed, error);
	free(place);
	return err;
}

static void webhook_close(struct sink *sink)
{
	struct webhook *hook = sink->state;
	if (hook->timer_fd >= 0) {
		mr_waits_drop(sink->env->stage->waits, hook->timer_fd);
		close(hook->timer_fd);
	}
	http_close(&hook->http);
	spool_close(&hook->spool);
	mr_buf_fini(&hook->body);
	free(hook->authorization);
	free(hook->name);
}

static enum mr_err webhook_open(struct sink *sink, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	const struct http_sink speaker = {sink->name, sink->settings, sink->env->stage->tables};
	hook->name = mr_asprintf("sink %s", sink->name);
	hook->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	enum mr_err err = MR_OK;
	if (hook->timer_fd < 0)
		err = mr_error_errno(error, MR_IO, "%s: no timer", hook->name);
	else
		mr_waits_set(sink->env->stage->waits, hook->timer_fd, POLLIN);
	if (getrandom(&hook->random, sizeof hook->random, 0) != sizeof hook->random)
		hook->random = (uint64_t)sink->env->stage->now->wall_us;
	hook->random |= 1;
	if (err == MR_OK)
		err = read_numbers(hook, sink->settings, error);
	if (err == MR_OK)
		err = get_secrets(hook, sink, error);
	if (err == MR_OK)
		err = http_open(&hook->http, &speaker, sink->env->stage->waits, error);
	if (err == MR_OK)
		err = open_spool(hook, sink, error);
	if (err == MR_OK)
		return MR_OK;
	mr_error_prefix(error, "%s", hook->name);
	webhook_close(sink);
	return err;
}

/* ---- time ---- */

static void set_timer(struct webhook *hook, int64_t after_us)
{
	struct itimerspec due = {.it_value = {.tv_sec = after_us / MR_SECOND_US,
					      .tv_nsec = after_us % MR_SECOND_US * 1000}};
	if (after_us == 0)
		due.it_value.tv_nsec = 1;
	timerfd_settime(hook->timer_fd, 0, &due, NULL);
}

static bool is_due(struct webhook *hook)
{
	uint64_t expired;
	return read(hook->timer_fd, &expired, sizeof expired) == (ssize_t)sizeof expired;
}

/* From 0 to `most`, all alike (xorshift64*). */
static int64_t any_up_to(struct webhook *hook, int64_t most)
{
	hook->random ^= hook->random >> 12;
	hook->random ^= hook->random << 25;
	hook->random ^= hook->random >> 27;
	return (int64_t)((hook->random * UINT64_C(2685821657736338717) >> 1) %
			 (uint64_t)(most + 1));
}

/* Full jitter: any time up to a bound that doubles; not before the receiver's own word, as far as
 * the longest pause allows. */
static int64_t pause_us(struct webhook *hook, int64_t retry_after_seconds)
{
	int64_t bound = hook->retry_first_us, least = 0;
	for (unsigned i = 1; i < hook->failures && i < DOUBLINGS_MAX && bound < hook->retry_most_us;
	     i++)
		bound *= 2;
	if (bound > hook->retry_most_us)
		bound = hook->retry_most_us;
	if (retry_after_seconds > 0)
		least = retry_after_seconds < hook->retry_most_us / MR_SECOND_US
			    ? retry_after_seconds * MR_SECOND_US
			    : hook->retry_most_us;
	return least + any_up_to(hook, bound);
}

/* ---- a request ---- */

static struct curl_slist *sign(const struct webhook *hook, int64_t now_us, struct curl_slist *list)
{
	struct mr_buf text = {0};
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1], header[256];
	long long seconds = (long long)(now_us / MR_SECOND_US);
	mr_buf_printf(&text, "%lld.", seconds);
	mr_buf_add(&text, hook->body.data, hook->body.len);
	HMAC(EVP_sha256(), hook->hmac_key.at, (int)hook->hmac_key.len,
	     (const unsigned char *)text.data, text.len, mac, &len);
	mr_buf_fini(&text);
	mr_hex(mac, len, hex);
	snprintf(header, sizeof header, "X-Millrace-Timestamp: %lld", seconds);
	list = curl_slist_append(list, header);
	snprintf(header, sizeof header, "X-Millrace-Signature: sha256=%s", hex);
	return curl_slist_append(list, header);
}

static struct curl_slist *headers_of(const struct webhook *hook, int64_t now_us)
{
	struct curl_slist *list =
	    curl_slist_append(NULL, hook->array ? "Content-Type: application/json"
						: "Content-Type: application/x-ndjson");
	list = curl_slist_append(list, "Expect:");
	if (hook->authorization != NULL)
		list = curl_slist_append(list, hook->authorization);
	return hook->hmac_key.len > 0 ? sign(hook, now_us, list) : list;
}

static void add_line(struct webhook *hook, const struct spool_line *line)
{
	if (hook->array)
		mr_buf_add(&hook->body, hook->lines == 0 ? "[" : ",", 1);
	mr_buf_add(&hook->body, line->line.at, line->line.len - hook->array);
	hook->lines++;
	hook->once += line->id.revision == 0;
	hook->behind = line->behind;
}

/* From the first line that was not taken on. */
static enum mr_err gather(struct webhook *hook, struct mr_error *error)
{
	struct spool_line line;
	hook->body.len = 0;
	hook->lines = 0;
	hook->once = 0;
	hook->behind = hook->spool.acked;
	while (hook->lines < hook->limit) {
		enum mr_err err = spool_read(&hook->spool, hook->behind, &line, error);
		if (err == MR_END)
			break;
		if (err == MR_IO && hook->lines > 0) { /* the next batch begins there */
			*error = (struct mr_error){0};
			break;
		}
		if (err != MR_OK)
			return err;
		if (hook->lines > 0 &&
		    (int64_t)(hook->body.len + line.line.len) > hook->batch_bytes)
			break;
		add_line(hook, &line);
	}
	if (hook->array)
		mr_buf_add(&hook->body, "]", 1);
	return MR_OK;
}

/* ---- trouble ---- */

static void note_trouble(struct sink *sink, const char *reason)
{
	struct webhook *hook = sink->state;
	snprintf(hook->trouble, sizeof hook->trouble, "%s", reason);
	hook->trouble_us = sink->env->stage->now->wall_us;
}

/* Whether it is to be said: once for each kind of trouble, as long as it lasts. */
static bool wait_after(struct sink *sink, long status, const char *reason, int64_t seconds)
{
	struct webhook *hook = sink->state;
	bool says = hook->failures == 0 || hook->failed_with != status;
	if (hook->failures++ == 0)
		hook->failing_us = sink->env->stage->now->steady_us;
	hook->failed_with = status;
	note_trouble(sink, reason);
	hook->phase = PHASE_WAIT;
	int64_t pause = pause_us(hook, seconds);
	hook->next_us = hook->trouble_us + pause;
	set_timer(hook, pause);
	return says;
}

/* What the disk does not give waits like what the receiver does not take. */
static enum mr_err unread(struct sink *sink, enum mr_err err, struct mr_error *error)
{
	if (err != MR_IO)
		return err;
	if (wait_after(sink, SPOOL_UNREAD, error->text, 0))
		mr_log_event(MR_LOG_ERROR, MR_EVENT_SINK_FAILING,
			     "%s: alerts wait; it is tried again", error->text);
	*error = (struct mr_error){0};
	return MR_OK;
}

/* ---- a request ---- */

static enum mr_err send_batch(struct sink *sink, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	enum mr_err err = gather(hook, error);
	if (err != MR_OK)
		return unread(sink, err, error);
	if (hook->lines == 0) { /* all there was is lost, but for what is not written yet */
		spool_acknowledge(&hook->spool, spool_written(&hook->spool));
		hook->phase = PHASE_IDLE;
		return MR_OK;
	}
	struct mr_slice body = {hook->body.data, hook->body.len};
	http_post(&hook->http, body, headers_of(hook, sink->env->stage->now->wall_us));
	hook->phase = PHASE_SEND;
	return MR_OK;
}

/* ---- its answer ---- */

enum verdict { TAKEN, AGAIN, MISCONFIGURED, REFUSED };

static enum verdict verdict_of(long status)
{
	/* What says nothing of one alert: all would be refused (RFC 9110, 15.5). */
	static const long of_endpoint[] = {401, 402, 403, 404, 405, 407, 410, 415, 421, 426, 451};
	if (status >= 200 && status < 300)
		return TAKEN;
	if (status == 0 || status == 408 || status == 425 || status == 429 || status >= 500)
		return AGAIN;
	if (status < 400)
		return MISCONFIGURED;
	for (size_t i = 0; i < sizeof of_endpoint / sizeof of_endpoint[0]; i++)
		if (status == of_endpoint[i])
			return MISCONFIGURED;
	return REFUSED;
}

static void passed(struct webhook *hook, uint64_t *count)
{
	*count += hook->once;
	spool_acknowledge(&hook->spool, hook->behind);
	if (hook->limit < hook->batch_count)
		hook->limit =
		    hook->limit * 2 < hook->batch_count ? hook->limit * 2 : hook->batch_count;
	hook->phase = PHASE_IDLE;
}

static void is_well(struct webhook *hook, const char *does)
{
	if (hook->failures > 0)
		mr_log_event(MR_LOG_WARNING, MR_EVENT_SINK_OK,
			     "%s: the receiver %s again, after %u failures", hook->name, does,
			     hook->failures);
	hook->answered = true;
	hook->failures = 0;
	hook->trouble[0] = '\0';
	hook->trouble_us = 0;
}

static void failed(struct sink *sink, enum verdict verdict, const struct http_result *result)
{
	const struct webhook *hook = sink->state;
	if (!wait_after(sink, result->status, result->reason, result->retry_after_seconds))
		return;
	mr_log_event(
	    verdict == MISCONFIGURED ? MR_LOG_ERROR : MR_LOG_WARNING, MR_EVENT_SINK_FAILING,
	    "%s: alerts wait, the receiver does not take them: %s%s", hook->name, result->reason,
	    verdict == MISCONFIGURED
		? ": the address or the credentials are wrong; it is tried again"
		: "; it is tried again");
}

/* One of thousands, it may be: the alarm is the error. */
static void say_refused(struct sink *sink, const struct line_id *id, const char *reason)
{
	struct webhook *hook = sink->state;
	char uid[2 * MR_ALERT_ID_BYTES + 1];
	mr_hex(id->id, sizeof id->id, uid);
	note_trouble(sink, reason);
	hook->refused_us = hook->trouble_us;
	mr_log(MR_LOG_WARNING,
	       "%s: the receiver refuses the alert %s: %s; it is in the dead letter", hook->name,
	       uid, reason);
}

/* The receiver answers, so there is no reason to wait before the next request. */
static enum mr_err refused(struct sink *sink, const struct http_result *result,
			   struct mr_error *error)
{
	struct webhook *hook = sink->state;
	struct spool_line line;
	is_well(hook, "answers");
	note_trouble(sink, result->reason); /* until it takes one */
	if (hook->lines > 1) {
		hook->limit = hook->lines / 2;
		hook->phase = PHASE_IDLE;
		return MR_OK;
	}
	enum mr_err err = spool_read(&hook->spool, hook->spool.acked, &line, error);
	if (err != MR_OK)
		return unread(sink, err, error);
	err = sink->env->refuse(sink->env->context, sink->name, &line.id, line.line, result->reason,
				error);
	if (err == MR_FULL) {
		hook->phase = PHASE_WAIT;
		set_timer(hook, REFUSE_AGAIN_US);
		return MR_OK;
	}
	if (err != MR_OK)
		return err;
	say_refused(sink, &line.id, result->reason);
	passed(hook, &hook->refused);
	return MR_OK;
}

static enum mr_err take_answer(struct sink *sink, const struct http_result *result,
			       struct mr_error *error)
{
	struct webhook *hook = sink->state;
	enum verdict verdict = verdict_of(result->status);
	if (verdict == REFUSED)
		return refused(sink, result, error);
	if (verdict == TAKEN) {
		is_well(hook, "takes alerts");
		passed(hook, &hook->delivered);
	} else {
		failed(sink, verdict, result);
	}
	return MR_OK;
}

/* ---- the loop ---- */

/* What lies in the spool behind the checkpoint was taken over, though it will be put again. What
 * had to make room is not there: of it the receiver has what stood before the checkpoint, and the
 * rest comes again as if for the first time. */
static void count_kept(struct webhook *hook, uint64_t kept, uint64_t acked)
{
	const struct spool *spool = &hook->spool;
	uint64_t begin = spool->acked.lines;
	hook->taken += spool->end.lines - (begin > kept ? begin : kept);
	if (spool->segment_count > 0)
		hook->delivered += (begin < kept ? begin : kept) - acked;
}

static enum mr_err ready(struct webhook *hook, struct mr_error *error)
{
	if (hook->spool.placed)
		return MR_OK;
	uint64_t kept = hook->spool.first_kept.lines;
	uint64_t acked = hook->spool.acked.lines;
	enum mr_err err = spool_ready(&hook->spool, error);
	if (err == MR_OK)
		count_kept(hook, kept, acked);
	return err;
}

static bool is_whole(const struct webhook *hook)
{
	const struct spool *spool = &hook->spool;
	return hook->limit < hook->batch_count ||
	       (int64_t)(spool->flushed - spool->acked.at) >= hook->batch_bytes ||
	       (int64_t)(spool->end.lines - spool->acked.lines) >= hook->batch_count;
}

/* One step from phase to phase; `*moved_out` where there may be another at once. */
static enum mr_err step(struct sink *sink, bool due, bool *moved_out, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	struct http_result result;
	*moved_out = true;
	switch (hook->phase) {
	case PHASE_IDLE:
		*moved_out = hook->spool.flushed > hook->spool.acked.at;
		if (*moved_out && !is_whole(hook)) {
			hook->phase = PHASE_GATHER;
			set_timer(hook, hook->batch_age_us);
			return MR_OK;
		}
		return *moved_out ? send_batch(sink, error) : MR_OK;
	case PHASE_GATHER:
		*moved_out = due || is_whole(hook);
		return *moved_out ? send_batch(sink, error) : MR_OK;
	case PHASE_SEND:
		*moved_out = http_step(&hook->http, &result);
		return *moved_out ? take_answer(sink, &result, error) : MR_OK;
	case PHASE_WAIT:
		*moved_out = due;
		return due ? send_batch(sink, error) : MR_OK;
	}
	return MR_OK;
}

static enum mr_err go(struct sink *sink, struct mr_error *error)
{
	/* Read whatever the phase: one that nobody reads would wake the worker for ever. */
	bool due = is_due(sink->state), moved = true;
	enum mr_err err = MR_OK;
	while (err == MR_OK && moved) {
		err = step(sink, due, &moved, error);
		due = false;
	}
	return err;
}

static enum mr_err webhook_poll(struct sink *sink, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	enum mr_err err = ready(hook, error);
	if (err == MR_OK)
		err = spool_flush(&hook->spool, error);
	return err == MR_OK ? go(sink, error) : err;
}

static bool webhook_room(struct sink *sink, size_t bytes)
{
	struct webhook *hook = sink->state;
	/* An error here is one in put again. */
	return ready(hook, NULL) != MR_OK || spool_has_room(&hook->spool, bytes);
}

static enum mr_err webhook_put(struct sink *sink, const struct line_id *id, struct mr_slice line,
			       struct mr_error *error)
{
	struct webhook *hook = sink->state;
	enum mr_err err = ready(hook, error);
	if (err != MR_OK)
		return err;
	if (spool_append(&hook->spool, id, line))
		hook->taken += id->revision == 0;
	return MR_OK;
}

/* ---- checkpoints ---- */

static enum mr_err webhook_barrier(struct sink *sink, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	enum mr_err err = ready(hook, error);
	return err == MR_OK ? spool_sync(&hook->spool, error) : err;
}

static void webhook_snapshot(struct sink *sink, struct mr_buf *out)
{
	struct webhook *hook = sink->state;
	struct mr_buf place = {0};
	spool_snapshot(&hook->spool, &place);
	mr_pack_array(out, 4);
	mr_pack_uint(out, hook->taken);
	mr_pack_uint(out, hook->delivered);
	mr_pack_uint(out, hook->refused);
	mr_pack_bytes(out, (struct mr_slice){place.data, place.len});
	mr_buf_fini(&place);
}

static enum mr_err webhook_restore(struct sink *sink, struct mr_slice bytes, struct mr_error *error)
{
	struct webhook *hook = sink->state;
	struct mr_unpack in = mr_unpack(bytes);
	mr_unpack_array_of(&in, 4);
	uint64_t taken = mr_unpack_uint(&in, UINT64_MAX);
	uint64_t delivered = mr_unpack_uint(&in, UINT64_MAX);
	uint64_t refusals = mr_unpack_uint(&in, UINT64_MAX);
	struct mr_slice place = mr_unpack_bytes(&in);
	if (!mr_unpack_done(&in))
		return mr_error_set(error, MR_BAD_INPUT, "%s: its state is no state of a webhook",
				    hook->name);
	hook->taken = taken;
	hook->delivered = delivered;
	hook->refused = refusals;
	return spool_restore(&hook->spool, place, error);
}

static void webhook_committed(struct sink *sink)
{
	struct webhook *hook = sink->state;
	spool_committed(&hook->spool);
}

static void webhook_counts(const struct sink *sink, struct sink_counts *out)
{
	const struct webhook *hook = sink->state;
	bool waits = hook->spool.end.at != hook->spool.acked.at;
	*out = (struct sink_counts){
	    .taken = hook->taken,
	    .delivered = hook->delivered,
	    .refused = hook->refused,
	    .spooled = hook->spool.end.lines - hook->spool.acked.lines,
	    .waits = waits,
	    .spool_bytes = spool_bytes(&hook->spool),
	    .trouble = hook->trouble,
	    .trouble_us = hook->trouble_us,
	    .next_us = hook->phase == PHASE_WAIT && hook->failures > 0 ? hook->next_us : 0,
	    .refused_us = hook->refused_us,
	    .failing_us =
		hook->failures == 0 ? 0 : sink->env->stage->now->steady_us - hook->failing_us,
	    .untried = !hook->answered && (waits || !hook->spool.placed),
	    .owed = hook->spool.sent.count};
}

const struct sink_ops sink_webhook = {
    .name = "webhook",
    .promise = SINK_AT_LEAST_ONCE,
    .state_size = sizeof(struct webhook),
    .state_items = 4,
    .prepare = webhook_prepare,
    .open = webhook_open,
    .restore = webhook_restore,
    .room = webhook_room,
    .put = webhook_put,
    .flush = webhook_poll,
    .poll = webhook_poll,
    .barrier = webhook_barrier,
    .snapshot = webhook_snapshot,
    .committed = webhook_committed,
    .counts = webhook_counts,
    .close = webhook_close,
};
