/* test_outputs.c - all outputs of a service together, over checkpoints between which sinks go and
 * come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "outputs.h"
#include "service.h"

static struct {
	struct service service;
	struct mr_config config;
	struct mr_books books;
	struct outputs outputs;
	struct mr_buf snapshot;
	uint64_t owed;
} world;

static void begin(void)
{
	struct service *service = &world.service;
	memset(&world, 0, sizeof world);
	service_begin(service, NULL);
	mr_tables_add(service->tables, "deliver.output", open("/dev/null", O_WRONLY | O_CLOEXEC),
		      0);
	int line = memfd_create("line", MFD_CLOEXEC);
	assert_int_equal(ftruncate(line, 1), 0);
	mr_tables_add(service->tables, "deliver.output.line", line, 0);
	service->counters.books = &world.books;
	service->env.owed = &world.owed;
	service->env.config = &world.config;
}

static void end(void)
{
	service_end(&world.service);
	mr_config_fini(&world.config);
	mr_books_fini(&world.books);
	mr_buf_fini(&world.snapshot);
}

static void add_sink(const char *name, const char *type)
{
	char path[128];
	struct mr_part *part = mr_config_part_add(&world.config, MR_PART_SINK, name);
	mr_config_add(&part->settings, "type", type);
	snprintf(path, sizeof path, "%s/%s.ndjson", world.service.state, name);
	if (strcmp(type, "file") == 0)
		mr_config_add(&part->settings, "path", path);
}

static void restore(void)
{
	struct mr_snapshot snapshot;
	struct mr_section section;
	struct mr_error error = {0};
	struct mr_slice bytes = {world.snapshot.data, world.snapshot.len};
	if (mr_snapshot_open(bytes, "deliver", &snapshot, &error) != MR_OK)
		fail_msg("%s", error.text);
	while (mr_snapshot_next(&snapshot, &section))
		if (outputs_restore(&world.outputs, section.name, section.bytes, &error) != MR_OK)
			fail_msg("%s", error.text);
}

static void open_with(const char *type, const char *second)
{
	struct mr_error error = {0};
	mr_config_fini(&world.config);
	world.config = (struct mr_config){0};
	mr_config_add(&world.config, "state", world.service.state);
	mr_config_add(&world.config, "dead_letter_bytes", "4194304");
	add_sink("first", "file");
	if (type != NULL)
		add_sink(second, type);
	if (outputs_open(&world.outputs, &world.service.env, &error) != MR_OK)
		fail_msg("%s", error.text);
}

/* One incarnation, with these sinks (NULL: no such one). It puts the lines and makes a checkpoint.
 */
static void live(const char *type, const char *second, unsigned from, unsigned to)
{
	struct mr_error error = {0};
	char line[512];
	open_with(type, second);
	if (world.snapshot.len > 0)
		restore();
	for (unsigned i = from; i < to; i++) {
		struct line_id id = service_id(i);
		service_line(i, line);
		assert_true(outputs_have_room(&world.outputs, strlen(line)));
		assert_int_equal(outputs_put(&world.outputs, &id, mr_slice(line), &error), MR_OK);
	}
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	world.snapshot.len = 0;
	mr_snapshot_begin(&world.snapshot, "deliver");
	outputs_snapshot(&world.outputs, &world.snapshot);
	mr_snapshot_end(&world.snapshot, 0);
	outputs_committed(&world.outputs);
	outputs_close(&world.outputs);
}

static unsigned lines_of(const char *name)
{
	char path[128];
	unsigned lines = 0;
	snprintf(path, sizeof path, "%s/%s.ndjson", world.service.state, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	for (int c; (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/* Its lines of before are nobody's to make again: none of them is waited for. */
static void a_sink_that_comes_back_goes_on(void **state)
{
	(void)state;
	begin();
	live("file", "second", 0, 10);
	for (unsigned turn = 1; turn < 3; turn++) {
		live(NULL, NULL, 20 * turn, 20 * turn + 5);
		assert_int_equal(world.owed, 0);
		live("file", "second", 20 * turn + 10, 20 * turn + 15);
		assert_int_equal(world.owed, 0);
	}
	assert_int_equal(lines_of("first"), 30);
	assert_int_equal(lines_of("second"), 20);
	end();
}

/* What was between had no part in it, however many checkpoints there were. */
static void a_name_has_a_place_for_each_type(void **state)
{
	(void)state;
	begin();
	live("file", "second", 0, 10);
	live("stdout", "second", 10, 20);
	live("stdout", "second", 20, 30);
	live("file", "second", 30, 40);
	assert_int_equal(world.owed, 0);
	assert_int_equal(lines_of("second"), 20);
	live("stdout", "second", 40, 41);
	assert_int_equal(world.owed, 0);
	const struct mr_book_output *output = NULL;
	for (uint32_t i = 0; i < world.books.output_count; i++)
		if (strcmp(world.books.outputs[i].sink, "second") == 0)
			output = &world.books.outputs[i];
	assert_non_null(output);
	assert_int_equal(output->taken, 21);
	end();
}

/* It is held once, in the buffer of its file, and only until it stands there. */
static void a_very_long_letter_is_held_once(void **state)
{
	(void)state;
	const size_t len = 3u << 20;
	struct mr_error error = {0};
	struct letters *letters = &world.outputs.letters;
	char *record = mr_calloc(1, len);
	begin();
	memset(record, 'x', len);
	open_with(NULL, NULL);
	struct mr_reject reject = {.name = MR_SLICE("in"), .reason = MR_SLICE("none")};
	for (unsigned i = 0; i < 3; i++) {
		reject.length = reject.bytes.len = i == 1 ? len : 5;
		reject.bytes.at = record;
		reject.offset = reject.origin.position = i * len;
		assert_int_equal(letters_put(letters, &reject, &error), MR_OK);
	}
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	assert_int_equal(letters->file.lines.lines, 3);
	assert_int_equal(letters->file.lines.bytes, letters->file.out.at);
	assert_in_range(letters->file.out.buf.capacity, 0, len);
	/* As they are read again they are what was counted. */
	struct mr_line_hash lines = letters->file.lines;
	outputs_close(&world.outputs);
	open_with(NULL, NULL);
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	assert_memory_equal(&lines, &letters->file.lines, sizeof lines);
	assert_int_equal(letters->file.sent.count, 3);
	outputs_close(&world.outputs);
	free(record);
	end();
}

static unsigned letters_of(char *out, size_t size)
{
	char path[128];
	snprintf(path, sizeof path, "%s/dead-letter.ndjson", world.service.state);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	size_t got = fread(out, 1, size - 1, file);
	out[got] = 0;
	fclose(file);
	unsigned lines = 0;
	for (size_t i = 0; i < got; i++)
		lines += out[i] == '\n';
	return lines;
}

/* Past its bound records are told apart from those that stand there; an alert that a receiver
 * refuses stands nowhere else. */
static void a_letter_past_the_bound_is_not_written(void **state)
{
	(void)state;
	const size_t len = 3u << 20;
	struct mr_error error = {0};
	struct letters *letters = &world.outputs.letters;
	const struct line_id alert = {.id = {7}};
	char *record = mr_calloc(1, len);
	begin();
	memset(record, 'x', len);
	open_with(NULL, NULL);
	struct mr_reject reject = {.name = MR_SLICE("in"),
				   .reason = MR_SLICE("none"),
				   .length = len,
				   .bytes = {record, len}};
	for (unsigned i = 0; i < 4; i++) {
		reject.offset = reject.origin.position = i * len;
		assert_int_equal(letters_put(letters, &reject, &error), i < 2 ? MR_OK : MR_END);
	}
	assert_int_equal(letters_refuse(letters, "main", &alert, MR_SLICE("{}\n"), "no", &error),
			 MR_OK);
	assert_int_equal(letters->file.taken, 3);
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	/* After a death those that stand there are known, whatever the bound. */
	outputs_close(&world.outputs);
	open_with(NULL, NULL);
	for (unsigned i = 0; i < 3; i++) {
		reject.offset = reject.origin.position = i * len;
		assert_int_equal(letters_put(letters, &reject, &error), i < 2 ? MR_OK : MR_END);
	}
	outputs_close(&world.outputs);
	free(record);
	end();
}

/* It is put again until the disk gives it; one that never comes does not hold up the rest. */
static void a_letter_that_cannot_be_read_for_a_moment(void **state)
{
	(void)state;
	struct mr_files files = {.names = {MR_SLICE("spool")}, .bytes = {MR_SLICE("0123456789")}};
	struct mr_reject reject = {.name = MR_SLICE("in"),
				   .reason = MR_SLICE("none"),
				   .length = 10,
				   .origin = {.length = 10}};
	struct mr_error error = {0};
	struct letters *letters = &world.outputs.letters;
	char text[2048];
	begin();
	world.service.env.files = &files;
	open_with(NULL, NULL);
	fake_reads = 0;
	fake_unread = 1;
	assert_int_equal(letters_put(letters, &reject, &error), MR_FULL);
	assert_int_equal(letters->file.taken, 0);
	assert_int_equal(letters_put(letters, &reject, &error), MR_OK);
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	assert_int_equal(letters_of(text, sizeof text), 1);
	assert_non_null(strstr(text, "\"record\":\"0123456789\"}"));
	fake_reads = 0;
	fake_unread_lasts = true;
	for (reject.offset = 1; reject.offset <= 2; reject.offset++) {
		unsigned tries = 0;
		while (letters_put(letters, &reject, &error) == MR_FULL) {
			world.service.now.steady_us += MR_SECOND_US;
			tries++;
		}
		assert_int_equal(tries, reject.offset == 1 ? 5 : 0);
	}
	fake_unread = 0;
	fake_unread_lasts = false;
	assert_int_equal(outputs_barrier(&world.outputs, &error), MR_OK);
	assert_int_equal(letters->file.taken, 3);
	assert_int_equal(letters_of(text, sizeof text), 3);
	assert_non_null(strstr(text, "\"problem\":\"spool: cannot read: Input/output error\""));
	outputs_close(&world.outputs);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sink_that_comes_back_goes_on),
	    cmocka_unit_test(a_name_has_a_place_for_each_type),
	    cmocka_unit_test(a_very_long_letter_is_held_once),
	    cmocka_unit_test(a_letter_past_the_bound_is_not_written),
	    cmocka_unit_test(a_letter_that_cannot_be_read_for_a_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
