/* cut_report.c - what a worker says of one barrier, to bytes and back. */
#include "cut_report.h"

#include <stdio.h>

#include "codec.h"

static void pack_files(const struct mr_cut_report *report, struct mr_buf *out)
{
	mr_pack_array(out, (size_t)report->file_count * 3);
	for (uint32_t i = 0; i < report->file_count; i++) {
		mr_pack_uint(out, report->files[i].stage);
		mr_pack_uint(out, report->files[i].sum.size);
		mr_pack_uint(out, report->files[i].sum.hash);
	}
	mr_pack_uint(out, report->cpu_ns);
	mr_pack_bytes(out, mr_slice(report->failure));
}

static void unpack_files(struct mr_unpack *in, struct mr_cut_report *out)
{
	size_t items = mr_unpack_array(in, (size_t)MR_CHAIN_MAX * 3);
	if (items % 3 != 0)
		mr_unpack_spoil(in);
	for (size_t i = 0; i < items / 3; i++) {
		struct mr_cut_file *file = &out->files[out->file_count++];
		file->stage = (uint32_t)mr_unpack_uint(in, MR_CHAIN_MAX - 1);
		file->sum.size = mr_unpack_uint(in, UINT64_MAX);
		file->sum.hash = mr_unpack_uint(in, UINT64_MAX);
	}
	out->cpu_ns = mr_unpack_uint(in, UINT64_MAX);
	struct mr_slice failure = mr_unpack_bytes(in);
	snprintf(out->failure, sizeof out->failure, "%.*s", (int)failure.len, failure.at);
}

void mr_cut_files_encode(const struct mr_cut_report *report, struct mr_buf *out)
{
	pack_files(report, out);
}

bool mr_cut_files_decode(struct mr_slice bytes, struct mr_cut_report *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	out->file_count = 0;
	unpack_files(&in, out);
	return mr_unpack_done(&in);
}

void mr_cut_report_encode(const struct mr_cut_report *report, struct mr_buf *out)
{
	mr_counters_encode(&report->counters, out);
	mr_marks_encode(&report->marks, out);
	mr_pack_uint(out, report->owed);
	mr_pack_uint(out, report->untold);
	mr_pack_uint(out, report->held);
	mr_pack_uint(out, report->waiting);
	pack_files(report, out);
}

bool mr_cut_report_decode(struct mr_slice bytes, struct mr_cut_report *out)
{
	struct mr_unpack in = mr_unpack(bytes);
	*out = (struct mr_cut_report){0};
	mr_unpack_array_of(&in, MR_C_COUNT);
	for (size_t i = 0; i < MR_C_COUNT; i++)
		out->counters.at[i] = mr_unpack_uint(&in, UINT64_MAX);
	mr_marks_decode(&in, &out->marks);
	out->owed = mr_unpack_uint(&in, UINT64_MAX);
	out->untold = mr_unpack_uint(&in, UINT64_MAX);
	out->held = mr_unpack_uint(&in, UINT64_MAX);
	out->waiting = mr_unpack_uint(&in, UINT64_MAX);
	unpack_files(&in, out);
	if (mr_unpack_done(&in))
		return true;
	mr_cut_report_fini(out);
	return false;
}

void mr_cut_report_fini(struct mr_cut_report *report)
{
	mr_marks_fini(&report->marks);
	*report = (struct mr_cut_report){0};
}
