/* http.c - see http.h. */
#include "http.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "key_files.h"

#define ANSWER_MAX (1u << 20) /* more than that is none */
#define CONNECT_MS_MAX 10000

/* ---- what libcurl calls ---- */

static void forget(struct http *http, int fd)
{
	for (size_t i = 0; i < http->socket_count; i++) {
		if (http->sockets[i].fd == fd) {
			http->sockets[i] = http->sockets[--http->socket_count];
			mr_waits_drop(http->waits, fd);
			return;
		}
	}
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *socket)
{
	struct http *http = context;
	(void)easy;
	(void)socket;
	forget(http, fd);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (http->socket_count == HTTP_SOCKETS_MAX) {
		http->lost_socket = true;
		return 0;
	}
	short events =
	    (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
	http->sockets[http->socket_count++] = (struct http_socket){fd, events};
	mr_waits_set(http->waits, fd, events);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct http *http = context;
	struct itimerspec due = {
	    .it_value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000}};
	(void)multi;
	if (timeout_ms < 0)
		due.it_value = (struct timespec){0};
	else if (timeout_ms == 0)
		due.it_value.tv_nsec = 1;
	return timerfd_settime(http->timer_fd, 0, &due, NULL);
}

static size_t on_answer(char *bytes, size_t one, size_t len, void *context)
{
	struct http *http = context;
	size_t room = sizeof http->answer - 1;
	(void)one;
	if (http->answer_bytes < room) {
		size_t take = room - http->answer_bytes < len ? room - http->answer_bytes : len;
		memcpy(http->answer + http->answer_bytes, bytes, take);
		http->answer[http->answer_bytes + take] = '\0';
	}
	http->answer_bytes += len;
	return http->answer_bytes > ANSWER_MAX ? 0 : len;
}

/* ---- open ---- */

static enum mr_err set_blob(struct http *http, const struct http_sink *sink, const char *setting,
			    CURLoption option, struct mr_error *error)
{
	struct mr_slice held;
	enum mr_err err = key_files_get(sink->tables, sink->name, setting, &held, error);
	struct curl_blob blob = {(void *)(uintptr_t)held.at, held.len, CURL_BLOB_COPY};
	if (err != MR_OK || held.len == 0)
		return err;
	curl_easy_setopt(http->easy, option, &blob);
	if (option == CURLOPT_CAINFO_BLOB)
		curl_easy_setopt(http->easy, CURLOPT_PROXY_CAINFO_BLOB, &blob);
	return MR_OK;
}

static enum mr_err set_user(struct http *http, const struct http_sink *sink, struct mr_error *error)
{
	struct mr_slice held;
	enum mr_err err = key_files_get(sink->tables, sink->name, "proxy_user_file", &held, error);
	if (err != MR_OK || held.len == 0)
		return err;
	char *user = mr_asprintf("%.*s", (int)held.len, held.at);
	curl_easy_setopt(http->easy, CURLOPT_PROXYUSERPWD, user);
	explicit_bzero(user, strlen(user));
	free(user);
	return MR_OK;
}

static enum mr_err set_keys(struct http *http, const struct http_sink *sink, struct mr_error *error)
{
	static const struct {
		const char *setting;
		CURLoption option;
	} blobs[] = {{"ca_certificates", CURLOPT_CAINFO_BLOB},
		     {"client_certificate", CURLOPT_SSLCERT_BLOB},
		     {"client_key_file", CURLOPT_SSLKEY_BLOB}};
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < sizeof blobs / sizeof *blobs && err == MR_OK; i++)
		err = set_blob(http, sink, blobs[i].setting, blobs[i].option, error);
	return err == MR_OK ? set_user(http, sink, error) : err;
}

/* A password in an address would be one in the topology's text; then the address is not told. */
static enum mr_err check_url(const char *url, bool receiver, struct mr_error *error)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *user = NULL;
	bool good = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
	bool secure = good && strcmp(scheme, "https") == 0;
	bool open = good && strcmp(scheme, "http") == 0;
	bool secret = good && curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK;
	enum mr_err err = MR_OK;
	if (secret)
		err = mr_error_set(error, MR_CONFIG,
				   "an address holds no user and no password: name a file");
	else if (good && strncmp(strstr(url, "://"), ":///", 4) == 0)
		err = mr_error_set(error, MR_CONFIG, "\"%s\" names no host", url);
	else if (!secure && (receiver || !open))
		err = mr_error_set(error, MR_CONFIG, "\"%s\" is no %s address", good ? url : "…",
				   receiver ? "https://" : "http:// or https://");
	curl_free(scheme);
	curl_free(user);
	curl_url_cleanup(parts);
	return err;
}

enum mr_err http_check(const struct mr_config *settings, const char **wrong_out,
		       struct mr_error *error)
{
	const char *proxy = mr_config_get(settings, "proxy", 0);
	*wrong_out = mr_config_get(settings, "url", 0);
	enum mr_err err = check_url(*wrong_out, true, error);
	if (err != MR_OK || proxy == NULL)
		return err;
	*wrong_out = proxy;
	return check_url(proxy, false, error);
}

static enum mr_err set_addresses(struct http *http, const struct mr_config *settings,
				 struct mr_error *error)
{
	const char *url = mr_config_get(settings, "url", 0);
	const char *proxy = mr_config_get(settings, "proxy", 0);
	const char *wrong;
	enum mr_err err = http_check(settings, &wrong, error);
	curl_easy_setopt(http->easy, CURLOPT_URL, url);
	curl_easy_setopt(http->easy, CURLOPT_PROTOCOLS_STR, "https");
	/* Empty: what the environment says of proxies does not count. */
	curl_easy_setopt(http->easy, CURLOPT_PROXY, proxy == NULL ? "" : proxy);
	curl_easy_setopt(http->easy, CURLOPT_NOPROXY, "");
	return err;
}

static void set_manners(struct http *http, int64_t timeout_us)
{
	CURL *easy = http->easy;
	long timeout_ms = (long)(timeout_us / 1000);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
			 timeout_ms < CONNECT_MS_MAX ? timeout_ms : CONNECT_MS_MAX);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->words);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
}

static enum mr_err start(struct http *http, struct mr_error *error)
{
	/* Without its thread a look-up would hold up the worker. */
	if ((curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS) == 0)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "this libcurl looks names up without a thread of its own");
	http->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (http->timer_fd < 0 || http->multi == NULL || http->easy == NULL)
		return mr_error_errno(error, MR_IO, "libcurl cannot begin");
	mr_waits_set(http->waits, http->timer_fd, POLLIN);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 2L);
	return MR_OK;
}

enum mr_err http_open(struct http *http, const struct http_sink *sink, struct mr_waits *waits,
		      struct mr_error *error)
{
	int64_t timeout_us;
	*http = (struct http){.waits = waits, .timer_fd = -1};
	curl_global_init(CURL_GLOBAL_DEFAULT);
	enum mr_err err = start(http, error);
	if (err == MR_OK)
		err = mr_config_int(sink->settings, "timeout", &timeout_us, error);
	if (err == MR_OK)
		set_manners(http, timeout_us);
	if (err == MR_OK)
		err = set_addresses(http, sink->settings, error);
	if (err == MR_OK)
		err = set_keys(http, sink, error);
	if (err != MR_OK)
		http_close(http);
	return err;
}

void http_close(struct http *http)
{
	if (http->waits == NULL)
		return;
	if (http->busy)
		curl_multi_remove_handle(http->multi, http->easy);
	curl_easy_cleanup(http->easy);
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	while (http->socket_count > 0)
		forget(http, http->sockets[0].fd);
	if (http->timer_fd >= 0) {
		mr_waits_drop(http->waits, http->timer_fd);
		close(http->timer_fd);
	}
	curl_global_cleanup();
	*http = (struct http){0};
}

/* ---- a request ---- */

void http_post(struct http *http, struct mr_slice body, struct curl_slist *headers)
{
	curl_slist_free_all(http->headers);
	http->headers = headers;
	http->words[0] = http->answer[0] = '\0';
	http->answer_bytes = 0;
	http->lost_socket = false;
	http->busy = true;
	curl_easy_setopt(http->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body.at);
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_multi_add_handle(http->multi, http->easy);
}

/* Tells libcurl what its descriptors have. */
static void turn(struct http *http)
{
	struct pollfd news[HTTP_SOCKETS_MAX];
	size_t count = http->socket_count;
	uint64_t expired;
	int running;
	for (size_t i = 0; i < count; i++)
		news[i] =
		    (struct pollfd){.fd = http->sockets[i].fd, .events = http->sockets[i].events};
	if (poll(news, count, 0) > 0) {
		for (size_t i = 0; i < count; i++) {
			short got = news[i].revents;
			int mask = (got & POLLIN ? CURL_CSELECT_IN : 0) |
				   (got & POLLOUT ? CURL_CSELECT_OUT : 0) |
				   (got & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0);
			if (mask != 0)
				curl_multi_socket_action(http->multi, news[i].fd, mask, &running);
		}
	}
	if (read(http->timer_fd, &expired, sizeof expired) == (ssize_t)sizeof expired ||
	    http->lost_socket)
		curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void judge(struct http *http, CURLcode code, struct http_result *out)
{
	curl_off_t after = 0;
	*out = (struct http_result){0};
	if (code != CURLE_OK) {
		snprintf(out->reason, sizeof out->reason, "%s",
			 http->words[0] != '\0' ? http->words : curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &out->status);
	curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &after);
	out->retry_after_seconds = after;
	snprintf(out->reason, sizeof out->reason, "HTTP status %ld%s%s", out->status,
		 http->answer[0] != '\0' ? ": " : "", http->answer);
	size_t end = strcspn(out->reason, "\r\n");
	out->reason[end] = '\0';
}

bool http_step(struct http *http, struct http_result *out)
{
	CURLMsg *message;
	int left;
	if (http->multi == NULL)
		return false;
	turn(http);
	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE || !http->busy)
			continue;
		judge(http, message->data.result, out);
		curl_multi_remove_handle(http->multi, http->easy);
		http->busy = false;
		return true;
	}
	return false;
}
