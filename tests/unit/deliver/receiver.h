/* receiver.h - starts tests/e2e/receiver.py, and looks into what it was sent. */
#ifndef MILLRACE_TEST_RECEIVER_H
#define MILLRACE_TEST_RECEIVER_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "read_json.h"

struct receiver {
	char folder[64]; /* of certificates and of requests.ndjson */
	pid_t process;   /* 0: it does not run */
	int port;
	int proxy_port;
};

static inline const char *receiver_path(const struct receiver *receiver, const char *name)
{
	static char paths[4][128];
	static int at;
	at = (at + 1) % 4;
	snprintf(paths[at], sizeof paths[at], "%s/%s", receiver->folder, name);
	return paths[at];
}

/* `arguments` end with NULL. */
static inline void receiver_start(struct receiver *receiver, const char *const *arguments)
{
	const char *root = getenv("MILLRACE_ROOT");
	const char *argv[32] = {"python3", NULL, receiver->folder};
	char script[512], ports[64] = {0};
	int ends[2];
	bool proxy = false;
	snprintf(script, sizeof script, "%s/tests/e2e/receiver.py", root == NULL ? "." : root);
	argv[1] = script;
	for (size_t i = 0; arguments[i] != NULL; i++) {
		argv[3 + i] = arguments[i];
		proxy = proxy || strcmp(arguments[i], "--proxy") == 0;
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	receiver->process = fork();
	if (receiver->process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		execvp("python3", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	for (size_t at = 0, lines = 0; lines < 1u + proxy; at++) {
		if (read(ends[0], ports + at, 1) != 1)
			fail_msg("the receiver does not start");
		lines += ports[at] == '\n';
	}
	close(ends[0]);
	assert_true(sscanf(ports, "%d %d", &receiver->port, &receiver->proxy_port) >= 1);
}

static inline void receiver_stop(struct receiver *receiver)
{
	if (receiver->process == 0)
		return;
	kill(receiver->process, SIGKILL);
	waitpid(receiver->process, NULL, 0);
	receiver->process = 0;
}

/* The n-th request, for json_at; false where there is none. */
static inline bool receiver_request(const struct receiver *receiver, size_t n,
				    struct json_line *line)
{
	FILE *file = fopen(receiver_path(receiver, "requests.ndjson"), "r");
	char *text = NULL;
	size_t room = 0;
	ssize_t len = -1;
	for (size_t i = 0; file != NULL && i <= n; i++)
		len = getline(&text, &room, file);
	if (file != NULL)
		fclose(file);
	bool whole = len > 0 && text[len - 1] == '\n'; /* else it is still being written */
	if (whole)
		assert_true(json_line_open(line, text, (size_t)len));
	free(text);
	return whole;
}

/* The bodies of all that were answered like this, one after the other; the caller's. */
static inline char *receiver_bodies(const struct receiver *receiver, const char *answer)
{
	struct json_line line;
	struct mr_buf all = {0};
	for (size_t i = 0; receiver_request(receiver, i, &line); i++) {
		const char *got = json_at(&line, "answer");
		if (got != NULL && strcmp(got, answer) == 0)
			mr_buf_add_text(&all, json_at(&line, "body"));
		json_line_close(&line);
	}
	mr_buf_add(&all, "", 1);
	return all.data;
}

#endif
