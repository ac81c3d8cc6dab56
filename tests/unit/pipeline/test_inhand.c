/* test_inhand.c - the record in hand, and what the supervisor makes of deaths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "exact.h"
#include "stage_io.h"
#include "suspects.h"

static struct mr_place at(uint64_t position)
{
	return (struct mr_place){.source = 1, .partition = 2, .position = position, .length = 10};
}

static struct mr_inhand in_record(uint64_t position)
{
	return (struct mr_inhand){.what = MR_INHAND_RECORD, .record = at(position)};
}

static struct mr_inhand in_set(uint64_t first, uint64_t last)
{
	return (struct mr_inhand){.what = MR_INHAND_SET, .first = at(first), .last = at(last)};
}

/* ---- the page ---- */

static void test_page(void **unused)
{
	volatile struct mr_inhand *page, *workers;
	struct mr_error error = {0};
	int fd;
	(void)unused;
	assert_int_equal(mr_inhand_make(&page, &fd, &error), MR_OK);
	assert_int_equal(page->what, MR_INHAND_NOTHING);
	assert_int_equal(page->last_call, -1);
	/* Nobody can take the page from under the other. */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, 8192), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(mr_inhand_map(fd, MR_INHAND_BYTES, &workers, &error), MR_OK);
	const struct mr_origin origin = {
	    .source = 1, .partition = 2, .position = 77, .length = 9, .hash = 5};
	mr_inhand_record(workers, &origin, 3, 66);
	assert_int_equal(page->what, MR_INHAND_RECORD);
	assert_int_equal(page->record.position, 77);
	assert_int_equal(page->name, 3);
	assert_int_equal(page->offset, 66);
	mr_inhand_nothing(workers);
	assert_int_equal(page->what, MR_INHAND_NOTHING);
	mr_inhand_unmap(workers);
	mr_inhand_unmap(page);
	close(fd);
}

static void test_no_page(void **unused)
{
	volatile struct mr_inhand *page;
	struct mr_error error = {0};
	int fd = memfd_create("short", MFD_CLOEXEC);
	(void)unused;
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(mr_inhand_map(fd, MR_INHAND_BYTES, &page, &error), MR_PROTOCOL);
	assert_int_equal(mr_inhand_map(fd, 100, &page, &error), MR_PROTOCOL);
	close(fd);
}

/* ---- the reader ---- */

struct taken {
	uint32_t count;
	char text[8];
};

static void take(void *context, const struct mr_record *record)
{
	struct taken *taken = context;
	taken->count++;
	snprintf(taken->text, sizeof taken->text, "%.*s", (int)record->bytes.len, record->bytes.at);
}

static void test_reader(void **unused)
{
	struct mr_inhand page = {0};
	struct taken taken = {0};
	struct mr_watch watch = {.page = &page, .take = take, .context = &taken};
	struct mr_reader reader = {.watch = &watch};
	struct mr_region region = {
	    .source = 1, .partition = 2, .position = 100, .length = 12, .form = MR_FORM_LINES};
	struct mr_record record;
	struct mr_error error = {0};
	struct mr_place places[] = {at(103), at(109)};
	(void)unused;
	for (int i = 0; i < 2; i++)
		mr_aside_add(&watch.aside, &places[i]);
	for (int round = 0; round < 2; round++) {
		mr_reader_open_records(&reader, &region, MR_SLICE("aa\nbb\ncc\ndd\n"));
		assert_true(mr_reader_record(&reader, &record));
		assert_int_equal(page.record.position, 100);
		assert_int_equal(page.record.length, 2);
		assert_int_equal(page.record.source, 1);
		mr_reader_advance(&reader);
		assert_true(mr_reader_record(&reader, &record));
		assert_int_equal(page.record.position, 106);
		assert_int_equal(page.offset, 106);
		mr_reader_advance(&reader);
		assert_false(mr_reader_record(&reader, &record));
		assert_int_equal(taken.count, 2 * (round + 1));
		assert_string_equal(taken.text, "dd");
		assert_int_equal(mr_reader_finish(&reader, &error), MR_OK);
	}
	mr_reader_fini(&reader);
	mr_aside_fini(&watch.aside);
}

/* ---- the list ---- */

static void test_list(void **unused)
{
	struct mr_aside aside = {0}, again;
	struct mr_buf bytes = {0};
	struct mr_error error = {0};
	const uint64_t positions[] = {50, 10, 30, 10, 20, 40};
	(void)unused;
	for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
		struct mr_place place = at(positions[i]);
		mr_aside_add(&aside, &place);
	}
	assert_int_equal(aside.place_count, 5);
	struct mr_stretch stretch = {at(1000), at(2000)};
	aside.stretches = mr_calloc(1, sizeof stretch);
	aside.stretches[0] = stretch;
	aside.stretch_count = 1;
	mr_aside_encode(&aside, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		struct mr_slice cut = exact(bytes.data, len);
		assert_int_equal(mr_aside_decode(cut, &again, &error), MR_BAD_INPUT);
		drop(cut);
	}
	assert_int_equal(mr_aside_decode((struct mr_slice){bytes.data, bytes.len}, &again, &error),
			 MR_OK);
	for (uint64_t position = 5; position < 60; position += 5) {
		const struct mr_origin origin = {.source = 1, .partition = 2, .position = position};
		const struct mr_origin other = {.source = 1, .partition = 3, .position = position};
		assert_int_equal(mr_aside_has(&again, &origin),
				 position % 10 == 0 && position <= 50);
		assert_false(mr_aside_has(&again, &other));
	}
	struct mr_region region = {.source = 1, .partition = 2, .position = 900, .length = 100};
	assert_false(mr_aside_suspects(&again, &region));
	region.length = 101;
	assert_true(mr_aside_suspects(&again, &region));
	region.position = 2000;
	assert_true(mr_aside_suspects(&again, &region));
	region.position = 2001;
	assert_false(mr_aside_suspects(&again, &region));
	mr_aside_fini(&aside);
	mr_aside_fini(&again);
	mr_buf_fini(&bytes);
}

/* ---- deaths ---- */

static void test_two_deaths(void **unused)
{
	struct mr_suspects suspects = {0};
	struct mr_inhand page = in_record(5), other = in_record(6);
	const struct mr_inhand nothing = {.record = at(5)};
	struct mr_place record;
	(void)unused;
	assert_int_equal(mr_suspects_death(&suspects, &nothing, true, &record), MR_VERDICT_NONE);
	assert_int_equal(mr_suspects_death(&suspects, &page, true, &record), MR_VERDICT_NOTED);
	assert_int_equal(mr_suspects_death(&suspects, &other, true, &record), MR_VERDICT_NOTED);
	assert_int_equal(suspects.aside.place_count, 0);
	assert_int_equal(mr_suspects_death(&suspects, &page, false, &record), MR_VERDICT_ASIDE);
	assert_int_equal(record.position, 5);
	assert_int_equal(suspects.aside.place_count, 1);
	assert_int_equal(suspects.aside.stretch_count, 0);
	mr_suspects_fini(&suspects);
}

/* The set counts for each of its records; one by one the deadly ones are found, each at once. */
static void test_set(void **unused)
{
	struct mr_suspects suspects = {0};
	struct mr_inhand set = in_set(100, 200), second = in_set(150, 150), third = in_record(200),
			 beyond = in_record(201);
	struct mr_place record;
	(void)unused;
	assert_int_equal(mr_suspects_death(&suspects, &set, true, &record), MR_VERDICT_NARROWED);
	assert_int_equal(suspects.aside.stretch_count, 1);
	assert_int_equal(mr_suspects_death(&suspects, &second, true, &record), MR_VERDICT_ASIDE);
	assert_int_equal(record.position, 150);
	assert_int_equal(mr_suspects_death(&suspects, &third, true, &record), MR_VERDICT_ASIDE);
	assert_int_equal(mr_suspects_death(&suspects, &beyond, true, &record), MR_VERDICT_NOTED);
	assert_int_equal(suspects.aside.place_count, 2);
	mr_suspects_fini(&suspects);
}

/* Whoever kills workers at random does not make records vanish. */
static void test_killed_from_outside(void **unused)
{
	struct mr_suspects suspects = {0};
	struct mr_inhand set = in_set(100, 200), inside = in_record(150);
	struct mr_place record;
	(void)unused;
	assert_int_equal(mr_suspects_death(&suspects, &set, false, &record), MR_VERDICT_NARROWED);
	assert_int_equal(mr_suspects_death(&suspects, &set, false, &record), MR_VERDICT_NARROWED);
	assert_int_equal(mr_suspects_death(&suspects, &inside, false, &record), MR_VERDICT_NOTED);
	assert_int_equal(mr_suspects_death(&suspects, &inside, false, &record), MR_VERDICT_ASIDE);
	mr_suspects_fini(&suspects);
}

static void test_bounded(void **unused)
{
	struct mr_suspects suspects = {0};
	struct mr_place record;
	(void)unused;
	for (uint64_t i = 0; i < 3 * MR_SUSPECTS_MAX; i++) {
		struct mr_inhand page = in_record(i);
		assert_int_equal(mr_suspects_death(&suspects, &page, true, &record),
				 MR_VERDICT_NOTED);
		assert_true(suspects.death_count <= MR_SUSPECTS_MAX);
	}
	struct mr_inhand last = in_record(3 * MR_SUSPECTS_MAX - 1);
	assert_int_equal(mr_suspects_death(&suspects, &last, true, &record), MR_VERDICT_ASIDE);
	mr_suspects_fini(&suspects);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_page),
	    cmocka_unit_test(test_no_page),
	    cmocka_unit_test(test_reader),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_two_deaths),
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_killed_from_outside),
	    cmocka_unit_test(test_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
