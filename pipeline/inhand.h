/* inhand.h - which record a worker has in hand, for the supervisor to see when it has died
 * (PROTOCOL.md 1.5).
 *
 * The supervisor makes a page for each worker and gives it as the table MR_INHAND_TABLE; the worker
 * maps it and publishes there, by plain stores, before a stage works on a record. The page is read
 * after the worker has died. Its bytes are a
 * worker's, which may have gone mad: they are numbers, whatever they are, and point nowhere.
 *
 * Records that workers died of come back to the next incarnation as the table MR_ASIDE_TABLE: the
 * reader of records passes over them (stage_io.c) and gives them to the dead-letter. */
#ifndef MILLRACE_INHAND_H
#define MILLRACE_INHAND_H

#include "millrace/batch.h"
#include "millrace/pack.h"

#define MR_INHAND_TABLE "inhand.page"
#define MR_ASIDE_TABLE "inhand.aside"
#define MR_INHAND_BYTES 4096

/* Where a record lies. Its source, partition and position name it, over incarnations. */
struct mr_place {
	uint32_t source;
	uint32_t partition;
	uint64_t position;
	uint64_t length;
};

enum mr_inhand_what {
	MR_INHAND_NOTHING, /* between two batches, or waiting for somebody else */
	MR_INHAND_RECORD,
	MR_INHAND_SET,   /* of events, all at once */
	MR_INHAND_REGION /* of a journal, as if it were a record: it cannot be read, and the worker
			    ends by itself */
};

/* The page. */
struct mr_inhand {
	uint32_t what;
	int32_t last_call; /* the system call that ended it (sandbox.h), -1 where none did */
	struct mr_place record;
	uint64_t offset; /* in the original, for a person */
	uint32_t name;   /* the original's number (file.h) */
	uint32_t count;  /* of the set */
	struct mr_place first;
	struct mr_place last;
};

/* A page that is empty and a descriptor of it that can neither shrink nor grow. MR_NO_SPACE. */
enum mr_err mr_inhand_make(volatile struct mr_inhand **page_out, int *fd_out,
			   struct mr_error *error);
/* The worker's side; the descriptor stays the caller's. MR_PROTOCOL where it is no page. */
enum mr_err mr_inhand_map(int fd, size_t size_bytes, volatile struct mr_inhand **page_out,
			  struct mr_error *error);
/* Accepts NULL. */
void mr_inhand_unmap(volatile struct mr_inhand *page);

/* ---- publishing ---- */

static inline void mr_inhand_nothing(volatile struct mr_inhand *page)
{
	page->what = MR_INHAND_NOTHING;
}

static inline void mr_inhand_record(volatile struct mr_inhand *page, const struct mr_origin *origin,
				    uint32_t name, uint64_t offset)
{
	page->record.source = origin->source;
	page->record.partition = origin->partition;
	page->record.position = origin->position;
	page->record.length = origin->length;
	page->name = name;
	page->offset = offset;
	page->what = MR_INHAND_RECORD;
}

static inline void mr_inhand_region(volatile struct mr_inhand *page, const struct mr_region *region)
{
	page->record.source = region->source;
	page->record.partition = region->partition;
	page->record.position = region->position;
	page->record.length = region->length;
	page->name = region->partition;
	page->offset = region->position;
	page->what = MR_INHAND_REGION;
}

/* All at once: `first` and `last` of the `count` there are. */
static inline void mr_inhand_set(volatile struct mr_inhand *page, const struct mr_origin *first,
				 const struct mr_origin *last, uint32_t count)
{
	page->first.source = first->source;
	page->first.partition = first->partition;
	page->first.position = first->position;
	page->first.length = first->length;
	page->last.source = last->source;
	page->last.partition = last->partition;
	page->last.position = last->position;
	page->last.length = last->length;
	page->count = count;
	page->what = MR_INHAND_SET;
}

/* What was in hand before something else was, for a moment. */
static inline void mr_inhand_back(volatile struct mr_inhand *page, const struct mr_inhand *had)
{
	page->what = MR_INHAND_NOTHING;
	page->record = had->record;
	page->offset = had->offset;
	page->name = had->name;
	page->what = had->what;
}

/* ---- what the next incarnation has to know ---- */

/* From the first place to the last, of one partition; of any where they are of two. */
struct mr_stretch {
	struct mr_place first;
	struct mr_place last;
};

struct mr_aside {
	struct mr_place *places; /* sorted: are passed over */
	uint32_t place_count;
	struct mr_stretch *stretches; /* one record at a time here: a set of events was deadly */
	uint32_t stretch_count;
};
/* Accepts zeroed memory. */
void mr_aside_fini(struct mr_aside *aside);
int mr_place_compare(const struct mr_place *a, const struct mr_place *b);
/* Keeps them sorted; one that is there already is no matter. */
void mr_aside_add(struct mr_aside *aside, const struct mr_place *place);
/* The places alone. */
void mr_aside_copy(struct mr_aside *to, const struct mr_aside *from);
bool mr_aside_has(const struct mr_aside *aside, const struct mr_origin *origin);
/* Whether a record of this region may lie in a stretch. */
bool mr_aside_suspects(const struct mr_aside *aside, const struct mr_region *region);

void mr_aside_encode(const struct mr_aside *aside, struct mr_buf *out);
/* Survives any bytes: MR_BAD_INPUT, and `out` is empty. */
enum mr_err mr_aside_decode(struct mr_slice bytes, struct mr_aside *out, struct mr_error *error);

/* ---- what a reader of records is told ---- */

/* Passes over a record that is set aside. */
typedef void (*mr_aside_take)(void *context, const struct mr_record *record);
struct mr_watch {
	volatile struct mr_inhand *page;
	struct mr_aside aside;
	mr_aside_take take;
	void *context;
};

#endif
