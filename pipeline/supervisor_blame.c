/* supervisor_blame.c - what a worker died of, as far as it can be known.
 *
 * Called by supervisor.c once the worker was reaped. Its page says what it had in hand, its exit
 * status the rest. Does not fail: what is not known is not said. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>

#include "hosts.h"
#include "millrace/log.h"
#include "sandbox.h"
#include "supervisor.h"

static void add_words(struct mr_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void add_words(struct mr_error *error, const char *format, ...)
{
	size_t len = strlen(error->text);
	va_list args;
	va_start(args, format);
	vsnprintf(error->text + len, sizeof error->text - len, format, args);
	va_end(args);
}

/* The words are no more than a worker's: it may have gone mad before it died. Of `names`, which may
 * be empty, or of what the supervisor knows. */
static struct mr_slice file_name(const struct mr_supervisor *supervisor, struct mr_slice names,
				 uint32_t number)
{
	if (number >= MR_FILES_NAMED && names.len > 0)
		return mr_names_at(names, number - MR_FILES_NAMED);
	return number < supervisor->numbers.count ? mr_slice(supervisor->numbers.items[number].name)
						  : MR_SLICE("");
}

static void blame_record(const struct mr_supervisor *supervisor, const struct mr_inhand *page,
			 struct mr_error *error)
{
	/* The record that was looked at last is one of the set, or the next; where a link lies
	 * between, only the set's places are known. */
	bool met = page->what == MR_INHAND_RECORD || page->what == MR_INHAND_REGION ||
		   (page->record.source == page->last.source &&
		    page->record.partition == page->last.partition && page->record.length > 0);
	uint32_t number = met ? page->name : page->last.partition;
	struct mr_slice names = {0};
	if (number >= MR_FILES_NAMED &&
	    mr_tables_map(supervisor->tables, MR_NAMES_TABLE, &names, NULL) != MR_OK)
		names = (struct mr_slice){0};
	struct mr_slice name = file_name(supervisor, names, number);
	uint64_t offset = met ? page->offset : page->last.position;
	int len = (int)(name.len < 300 ? name.len : 300);
	if (page->what == MR_INHAND_RECORD && len > 0)
		add_words(error, "; it had the record at %.*s, offset %" PRIu64 " in hand", len,
			  name.at, offset);
	else if (page->what == MR_INHAND_REGION && len > 0)
		add_words(error, "; it could not read %.*s, offset %" PRIu64, len, name.at, offset);
	else if (page->what == MR_INHAND_SET && len > 0)
		add_words(error,
			  "; it had %" PRIu32
			  " records in hand, the last at or before %.*s, offset "
			  "%" PRIu64,
			  page->count, len, name.at, offset);
	mr_tables_unmap(names);
}

static void blame_call(const struct mr_inhand *page, struct mr_error *error)
{
	char name[MR_SANDBOX_CALL_NAME];
	if (page->last_call < 0)
		return;
	mr_sandbox_call_name(page->last_call, name);
	add_words(error, "; it called %s, which no worker may", name);
}

static struct mr_inhand look(const struct mr_supervised *worker)
{
	return worker->page == NULL ? (struct mr_inhand){.last_call = -1}
				    : *(const struct mr_inhand *)(uintptr_t)worker->page;
}

enum mr_err mr_supervisor_blame(const struct mr_supervisor *supervisor,
				const struct mr_supervised *worker, struct mr_error *error)
{
	struct mr_inhand page = look(worker);
	char where[MR_WHERE_BYTES];
	mr_hosts_where(supervisor, (uint32_t)(worker - supervisor->workers), where);
	if (!WIFSIGNALED(worker->status))
		return mr_error_set(error, MR_PEER_LOST, "worker %s (%s) ended with status %d",
				    worker->name, where, WEXITSTATUS(worker->status));
	int number = WTERMSIG(worker->status);
	mr_error_set(error, MR_PEER_LOST, "worker %s (%s) was killed by signal %d (%s)",
		     worker->name, where, number, strsignal(number));
	if (number == SIGSYS)
		blame_call(&page, error);
	blame_record(supervisor, &page, error);
	return mr_supervisor_blame_memory(error);
}

/* ---- when all are dead ---- */

/* What follows of a death, in words. */
static void tell(const struct mr_supervisor *supervisor, const struct mr_supervised *worker,
		 enum mr_verdict verdict)
{
	static const char *const verdicts[] = {
	    [MR_VERDICT_NOTED] = "one more death there, and it is set aside",
	    [MR_VERDICT_NARROWED] = "records are taken one by one there the next time",
	    [MR_VERDICT_ASIDE] = "two workers died of it: it is set aside",
	};
	struct mr_error where = {0};
	struct mr_inhand page = look(worker);
	blame_record(supervisor, &page, &where);
	if (verdict != MR_VERDICT_NONE)
		mr_log(MR_LOG_WARNING, "worker %s%s: %s", worker->name, where.text,
		       verdicts[verdict]);
}

bool mr_supervisor_inquest(const struct mr_supervisor *supervisor, struct mr_suspects *suspects)
{
	bool learnt = false;
	for (uint32_t i = 0; i < supervisor->worker_count; i++) {
		const struct mr_supervised *worker = &supervisor->workers[i];
		struct mr_place record;
		struct mr_inhand page = look(worker);
		bool unread = worker->failed && page.what == MR_INHAND_REGION;
		if (!unread && !WIFSIGNALED(worker->status))
			continue;
		bool of_itself = unread || worker->hung || WTERMSIG(worker->status) != SIGKILL;
		if (!of_itself && !worker->fell)
			continue; /* we killed it, for another's death */
		enum mr_verdict verdict = mr_suspects_death(suspects, &page, of_itself, &record);
		tell(supervisor, worker, verdict);
		learnt |= verdict == MR_VERDICT_ASIDE;
	}
	return learnt;
}
