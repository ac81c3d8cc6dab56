/* Settings: of a run and of its parts, how their texts are read, their way to a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "millrace/config.h"
#include "millrace/logsource.h"

static struct mr_slice slice_of(const struct mr_buf *buf)
{
	return (struct mr_slice){buf->data, buf->len};
}

static void make(struct mr_config *config)
{
	*config = (struct mr_config){0};
	mr_config_add(config, "rules", "a");
	mr_config_add(config, "rules", "b");
	mr_config_add(config, "region_bytes", "12x");
	struct mr_part *source = mr_config_part_add(config, MR_PART_SOURCE, "export");
	mr_config_add(&source->settings, "path", "one");
	mr_config_add(&source->settings, "path", "two");
	mr_config_add(&source->settings, "follow", "false");
	struct mr_part *sink = mr_config_part_add(config, MR_PART_SINK, "alerts");
	mr_config_add(&sink->settings, "path", "alerts.ndjson");
	source = mr_config_part_add(config, MR_PART_SOURCE, "live");
	source->number = 7;
}

static void a_logsource_is_read(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",
					    "windows",
					    "product=",
					    "product",
					    "product=a,",
					    ",product=a",
					    "Product=a",
					    "product=a,product=a",
					    "level=high",
					    "product=a b",
					    "product=a;service=b",
					    "product==a",
					    "product=\xc3\xa4"};
	struct mr_logsource one, other;
	struct mr_error error = {0};
	struct mr_buf shown = {0};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(mr_logsource_read(wrong[i], &one, &error), MR_CONFIG);
		assert_non_null(strstr(error.text, "\" is no logsource: one or more of product="));
	}
	assert_int_equal(mr_logsource_read("service=a.b-c,product=Win_10", &one, &error), MR_OK);
	mr_logsource_show(&one, &shown);
	assert_true(mr_slice_eq(slice_of(&shown), MR_SLICE("product=Win_10,service=a.b-c")));
	mr_buf_fini(&shown);
	assert_int_equal(mr_logsource_read("product=WIN_10", &other, &error), MR_OK);
	assert_true(mr_logsource_holds(&other, &one));
	assert_false(mr_logsource_holds(&one, &other));
}

/* Each source has its own, or the run's; what is alike is one. */
static void sources_say_what_they_are(void **state)
{
	(void)state;
	struct mr_config config = {0};
	struct mr_declared declared;
	struct mr_error error = {0};
	assert_int_equal(mr_declared_read(&config, &declared, &error), MR_OK);
	assert_int_equal(mr_declared_of(&declared, 0), 0);
	mr_declared_fini(&declared);
	struct mr_part *a = mr_config_part_add(&config, MR_PART_SOURCE, "a");
	mr_config_add(&a->settings, "logsource", "product=windows,service=security");
	mr_config_part_add(&config, MR_PART_SOURCE, "b")->number = 4;
	struct mr_part *c = mr_config_part_add(&config, MR_PART_SOURCE, "c");
	mr_config_add(&c->settings, "logsource", "service=Security,product=windows");
	c->number = 3;
	assert_int_equal(mr_declared_read(&config, &declared, &error), MR_OK);
	assert_int_equal(declared.count, 1);
	static const uint16_t wanted[] = {1, 0, 0, 1, 0, 0};
	for (uint32_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		assert_int_equal(mr_declared_of(&declared, i), wanted[i]);
	mr_declared_fini(&declared);
	mr_config_add(&config, "logsource", "category=dns");
	assert_int_equal(mr_declared_read(&config, &declared, &error), MR_OK);
	assert_int_equal(declared.count, 2);
	assert_int_equal(mr_declared_of(&declared, 0), 2);
	assert_int_equal(mr_declared_of(&declared, 4), 1);
	assert_int_equal(mr_declared_of(&declared, 9), 1);
	mr_declared_fini(&declared);
	mr_config_fini(&config);
}

static void too_many_logsources_are_refused(void **state)
{
	(void)state;
	struct mr_config config = {0};
	struct mr_declared declared;
	struct mr_error error = {0};
	for (int i = 0; i <= MR_DECLARED_MAX; i++) {
		char text[32];
		if (i == MR_DECLARED_MAX)
			assert_int_equal(mr_declared_read(&config, &declared, &error), MR_OK);
		snprintf(text, sizeof text, "product=p%d", i);
		struct mr_part *part = mr_config_part_add(&config, MR_PART_SOURCE, text);
		mr_config_add(&part->settings, "logsource", text);
	}
	mr_declared_fini(&declared);
	assert_int_equal(mr_declared_read(&config, &declared, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "sources have more than 256 logsources"));
	mr_config_fini(&config);
}

static void goes_to_a_worker(void **state)
{
	(void)state;
	struct mr_config config, back = {0};
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	make(&config);
	mr_config_encode(&config, &bytes);
	assert_int_equal(mr_config_decode(slice_of(&bytes), &back, &error), MR_OK);
	assert_int_equal(mr_config_count(&back, "rules"), 2);
	assert_string_equal(mr_config_get(&back, "rules", 1), "b");
	assert_null(mr_config_get(&back, "rules", 2));
	int64_t number;
	assert_int_equal(mr_config_int(&back, "region_bytes", &number, &error), MR_CONFIG);
	assert_string_equal(error.text,
			    "region_bytes: \"12x\" is not a size (64MiB) from 64KiB to 1MiB");
	assert_int_equal(mr_config_int(&back, "max_record_bytes", &number, &error), MR_OK);
	assert_int_equal(number, 1 << 20);
	/* Each part with its own, in the order of its kind. */
	const struct mr_part *first = mr_config_part(&back, MR_PART_SOURCE, 0);
	const struct mr_part *second = mr_config_part(&back, MR_PART_SOURCE, 1);
	const struct mr_part *sink = mr_config_part(&back, MR_PART_SINK, 0);
	assert_string_equal(first->name, "export");
	assert_int_equal(first->number, 0);
	assert_int_equal(mr_config_count(&first->settings, "path"), 2);
	assert_false(mr_config_flag(&first->settings, "follow"));
	assert_string_equal(second->name, "live");
	assert_int_equal(second->number, 7);
	assert_true(mr_config_flag(&second->settings, "follow"));
	assert_string_equal(mr_config_get(&sink->settings, "path", 0), "alerts.ndjson");
	assert_null(mr_config_part(&back, MR_PART_SOURCE, 2));
	assert_null(mr_config_part(&back, MR_PART_HOST, 0));
	mr_config_fini(&back);
	mr_config_fini(&config);
	mr_buf_fini(&bytes);
}

/* One that a program of another version knows, or one in a scope that it does not stand in. */
static void what_is_not_ours_is_refused(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} changes[] = {{"rules", "Rules"}, {"follow", "strict"}};
	struct mr_config config, back = {0};
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	(void)state;
	make(&config);
	mr_config_encode(&config, &bytes);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		size_t len = strlen(changes[i].from);
		char *at = memmem(bytes.data, bytes.len, changes[i].from, len);
		memcpy(at, changes[i].to, len);
		assert_int_equal(mr_config_decode(slice_of(&bytes), &back, &error), MR_BAD_INPUT);
		assert_int_equal(back.part_count, 0);
		memcpy(at, changes[i].from, len);
	}
	assert_int_equal(mr_config_decode(slice_of(&bytes), &back, &error), MR_OK);
	mr_config_fini(&back);
	/* Cut anywhere, in a buffer of exactly that size. */
	for (size_t len = 0; len < bytes.len; len++) {
		char *cut = mr_malloc(len + (len == 0));
		memcpy(cut, bytes.data, len);
		assert_int_equal(mr_config_decode((struct mr_slice){cut, len}, &back, &error),
				 MR_BAD_INPUT);
		free(cut);
	}
	mr_config_fini(&config);
	mr_buf_fini(&bytes);
}

/* ---- asking for what cannot be ---- */

static void ask_out_of_scope(const struct mr_config *config)
{
	mr_config_get(&mr_config_part(config, MR_PART_SOURCE, 0)->settings, "strict", 0);
}
static void ask_in_the_run(const struct mr_config *config)
{
	mr_config_get(config, "follow", 0);
}
static void ask_in_another_part(const struct mr_config *config)
{
	mr_config_flag(&mr_config_part(config, MR_PART_SINK, 0)->settings, "follow");
}
static void ask_as_another_kind(const struct mr_config *config)
{
	mr_config_flag(config, "rules");
}
static void ask_for_no_word(const struct mr_config *config)
{
	mr_config_is(config, "sandbox", "maybe");
}

static void our_bug_aborts(void **state)
{
	static void (*const bugs[])(const struct mr_config *) = {
	    ask_out_of_scope, ask_in_the_run, ask_in_another_part, ask_as_another_kind,
	    ask_for_no_word};
	struct mr_config config;
	(void)state;
	make(&config);
	for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) {
		pid_t child = fork();
		if (child == 0) {
			signal(SIGABRT, SIG_DFL);
			close(STDERR_FILENO);
			bugs[i](&config);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
	mr_config_fini(&config);
}

/* ---- texts ---- */

static void reads(enum mr_scope scope, const char *name, const char *text, int64_t value)
{
	const struct mr_setting_row *row = mr_setting_find(scope, mr_slice(name));
	struct mr_error error = {0};
	int64_t number;
	assert_int_equal(mr_setting_read(row, text, &number, &error), MR_OK);
	assert_true(number == value);
}

static void refuses(enum mr_scope scope, const char *name, const char *text, const char *why)
{
	const struct mr_setting_row *row = mr_setting_find(scope, mr_slice(name));
	struct mr_error error = {0};
	int64_t number;
	assert_int_equal(mr_setting_read(row, text, &number, &error), MR_CONFIG);
	assert_string_equal(error.text, why);
}

static void texts_are_read(void **state)
{
	(void)state;
	reads(MR_SCOPE_RUN, "state_bytes", "1048576", 1 << 20);
	reads(MR_SCOPE_RUN, "state_bytes", "2048KiB", 2 << 20);
	reads(MR_SCOPE_RUN, "state_bytes", "64MiB", 64 << 20);
	reads(MR_SCOPE_RUN, "state_bytes", "3GiB", INT64_C(3) << 30);
	reads(MR_SCOPE_SOURCE, "sync_interval", "20ms", 20000);
	reads(MR_SCOPE_SOURCE, "sync_interval", "10s", 10000000);
	reads(MR_SCOPE_RUN, "lateness", "0", 0);
	reads(MR_SCOPE_RUN, "lateness", "5m", INT64_C(300000000));
	reads(MR_SCOPE_RUN, "lateness", "24h", INT64_C(86400000000));
	reads(MR_SCOPE_RUN, "lateness", "30d", INT64_C(2592000000000));
	reads(MR_SCOPE_RUN, "lateness", "unlimited", MR_UNLIMITED);
	reads(MR_SCOPE_RUN, "sandbox", "off", 2);
	reads(MR_SCOPE_RUN, "workers", "64", 64);
	reads(MR_SCOPE_SOURCE, "follow", "true", 1);
	reads(MR_SCOPE_SOURCE, "name", "exchange-1.b_C", 0);
}

static void texts_are_refused(void **state)
{
	(void)state;
	refuses(MR_SCOPE_RUN, "state_bytes", "unlimited",
		"\"unlimited\" is not a size (64MiB) from 1MiB to 1PiB");
	refuses(MR_SCOPE_RUN, "state_bytes", "9223372036854775807GiB",
		"\"9223372036854775807GiB\" is not a size (64MiB) from 1MiB to 1PiB");
	refuses(MR_SCOPE_RUN, "state_bytes", "64MB",
		"\"64MB\" is not a size (64MiB) from 1MiB to 1PiB");
	refuses(
	    MR_SCOPE_RUN, "lateness", "86400",
	    "\"86400\" is not a time with its unit (ms, s, m, h, d) of at least 0, nor the word "
	    "unlimited");
	refuses(MR_SCOPE_SOURCE, "sync_interval", "11s",
		"\"11s\" is not a time with its unit (ms, s, m, h, d) from 1ms to 10s");
	refuses(MR_SCOPE_SOURCE, "sync_interval", "-1s",
		"\"-1s\" is not a time with its unit (ms, s, m, h, d) from 1ms to 10s");
	refuses(MR_SCOPE_SOURCE, "sync_interval", "",
		"\"\" is not a time with its unit (ms, s, m, h, d) from 1ms to 10s");
	refuses(MR_SCOPE_RUN, "workers", "1s", "\"1s\" is not a whole number from 1 to 64");
	refuses(MR_SCOPE_RUN, "sandbox", "aut", "\"aut\" is not auto, require or off");
	refuses(MR_SCOPE_RUN, "sandbox", "", "\"\" is not auto, require or off");
	refuses(MR_SCOPE_RUN, "strict", "yes", "\"yes\" is not true or false");
	refuses(
	    MR_SCOPE_SINK, "name", "../b",
	    "\"../b\" is not a name of 1 to 64 letters, digits, -, _ and ., the first a letter or "
	    "a digit");
}

static void shows(const char *name, int64_t value, const char *text)
{
	struct mr_buf out = {0};
	mr_setting_show(mr_setting_find(MR_SCOPE_RUN, mr_slice(name)), value, &out);
	assert_int_equal(out.len, strlen(text));
	assert_memory_equal(out.data, text, out.len);
	mr_buf_fini(&out);
}

static void values_are_shown(void **state)
{
	(void)state;
	shows("state_bytes", 1 << 20, "1MiB");
	shows("state_bytes", (1 << 20) + 1, "1048577");
	shows("max_record_bytes", 10485760, "10MiB");
	shows("lateness", MR_DAY_US, "1d");
	shows("lateness", MR_UNLIMITED, "unlimited");
	shows("lateness", 0, "0");
	shows("checkpoint_interval", 1500 * MR_MS_US, "1500ms");
	shows("sandbox", 1, "require");
	shows("strict", 0, "false");
	shows("workers", 64, "64");
}

/* What a default, and a choice, say without a text. */
static void defaults(void **state)
{
	(void)state;
	struct mr_config config = {0};
	int64_t number;
	assert_true(mr_config_is(&config, "sandbox", "auto"));
	assert_false(mr_config_is(&config, "sandbox", "off"));
	assert_false(mr_config_is(&config, "log_level", "debug"));
	assert_false(mr_config_flag(&config, "strict"));
	assert_int_equal(mr_config_int(&config, "idle_timeout", &number, NULL), MR_OK);
	assert_true(number == MR_UNLIMITED);
	mr_config_add(&config, "sandbox", "off");
	assert_true(mr_config_is(&config, "sandbox", "off"));
	assert_int_equal(mr_config_int(&config, "sandbox", &number, NULL), MR_OK);
	assert_int_equal(number, 2);
	mr_config_fini(&config);
}

/* ---- the table ---- */

static void types_say_where_a_row_stands(void **state)
{
	(void)state;
	const struct mr_setting_row *path = mr_setting_find(MR_SCOPE_SOURCE, MR_SLICE("path"));
	const struct mr_setting_row *follow = mr_setting_find(MR_SCOPE_SOURCE, MR_SLICE("follow"));
	const struct mr_setting_row *state_row = mr_setting_find(MR_SCOPE_RUN, MR_SLICE("state"));
	const struct mr_setting_row *tenant = mr_setting_find(MR_SCOPE_SOURCE, MR_SLICE("tenant"));
	bool required;
	assert_true(mr_setting_fits(path, "socket", &required) && required);
	assert_false(mr_setting_fits(path, "stdin", &required));
	assert_true(mr_setting_fits(follow, "file", &required) && !required);
	assert_false(mr_setting_fits(follow, "fil", &required));
	assert_false(mr_setting_fits(follow, NULL, &required));
	assert_true(mr_setting_fits(state_row, NULL, &required) && required);
	assert_true(mr_setting_fits(tenant, "stdin", &required) && !required);
}

/* Each row has a default that its own texts can say, or none, and one name once in a scope. */
static void rows_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < mr_settings_count; i++) {
		const struct mr_setting_row *row = &mr_settings[i];
		struct mr_buf text = {0};
		int64_t number;
		for (size_t j = 0; j < i; j++)
			assert_false(strcmp(row->name, mr_settings[j].name) == 0 &&
				     (row->scopes & mr_settings[j].scopes) != 0);
		assert_true(row->scopes != 0 && row->least <= row->most);
		if (!mr_setting_counts(row) || row->fallback < row->least ||
		    row->fallback > row->most)
			continue;
		mr_setting_show(row, row->fallback, &text);
		mr_buf_add(&text, "", 1);
		assert_int_equal(mr_setting_read(row, text.data, &number, NULL), MR_OK);
		assert_true(number == row->fallback);
		mr_buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(goes_to_a_worker),
	    cmocka_unit_test(a_logsource_is_read),
	    cmocka_unit_test(sources_say_what_they_are),
	    cmocka_unit_test(too_many_logsources_are_refused),
	    cmocka_unit_test(what_is_not_ours_is_refused),
	    cmocka_unit_test(our_bug_aborts),
	    cmocka_unit_test(texts_are_read),
	    cmocka_unit_test(texts_are_refused),
	    cmocka_unit_test(values_are_shown),
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(types_say_where_a_row_stands),
	    cmocka_unit_test(rows_are_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
