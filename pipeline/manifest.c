/* manifest.c - what one checkpoint consists of, to bytes and back.
 *
 * Called by checkpoint.c and file_numbers_kept.c, which write them, and state_dir.c, which reads
 * them. Layout, in every version: "MRMANIF\n", u32 version, u64 length of the rest but the
 * checksum, msgpack, u64 XXH3 over all before it; numbers little-endian. The names of groups and
 * stages become parts of paths: only letters, digits, dots and dashes are let in. */
#include "manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"

#define MAGIC "MRMANIF\n"
#define MAGIC_LEN 8
#define HEAD (MAGIC_LEN + 4 + 8)
#define PART_MAX 32 /* bytes of a group's or a stage's name, the zero byte included */
#define FILES_MAX (MR_WORKERS_MAX * MR_CHAIN_MAX)
#define NAMES_MAX (1u << 20)

static void free_names(struct mr_manifest_name *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free(names[i].name);
	free(names);
}

void mr_manifest_fini(struct mr_manifest *manifest)
{
	for (uint32_t i = 0; i < manifest->file_count; i++) {
		free(manifest->files[i].group);
		free(manifest->files[i].stage);
		free(manifest->files[i].host);
	}
	free(manifest->files);
	free_names(manifest->sources, manifest->source_count);
	free_names(manifest->names, manifest->name_count);
	mr_marks_fini(&manifest->marks);
	mr_aside_fini(&manifest->aside);
	*manifest = (struct mr_manifest){0};
}

void mr_manifest_add_file(struct mr_manifest *manifest, const struct mr_manifest_file *file)
{
	size_t size = (manifest->file_count + 1u) * sizeof *manifest->files;
	manifest->files = mr_realloc(manifest->files, size);
	struct mr_manifest_file *copy = &manifest->files[manifest->file_count++];
	*copy = *file;
	copy->group = mr_strdup(file->group);
	copy->stage = mr_strdup(file->stage);
	copy->host = mr_strdup(file->host);
}

void mr_manifest_add_name(struct mr_manifest_name **names, uint32_t *count, uint32_t number,
			  const char *name)
{
	*names = mr_realloc(*names, (*count + 1u) * sizeof **names);
	(*names)[(*count)++] = (struct mr_manifest_name){number, mr_strdup(name)};
}

/* ---- sources ---- */

/* NULL where there has been none of that name. */
static const struct mr_manifest_name *find_source(const struct mr_manifest *manifest,
						  const char *name)
{
	for (uint32_t i = 0; i < manifest->source_count; i++) {
		if (strcmp(manifest->sources[i].name, name) == 0)
			return &manifest->sources[i];
	}
	return NULL;
}

enum mr_err mr_manifest_number_sources(const struct mr_manifest *manifest, const char *state,
				       struct mr_config *config, struct mr_error *error)
{
	uint32_t count = manifest->source_count, next = 0;
	for (uint32_t i = 0; i < manifest->source_count; i++) {
		if (manifest->sources[i].number >= next)
			next = manifest->sources[i].number + 1;
	}
	for (size_t i = 0; i < config->part_count; i++) {
		struct mr_part *part = &config->parts[i];
		if (part->kind != MR_PART_SOURCE)
			continue;
		const struct mr_manifest_name *known = find_source(manifest, part->name);
		part->number = known != NULL ? known->number : next++;
		count += known == NULL;
	}
	if (count <= MR_SOURCES_MAX)
		return MR_OK;
	return mr_error_set(error, MR_CONFIG,
			    "%s: this state directory has had %u sources, those of this file "
			    "included; at most %d",
			    state, count, MR_SOURCES_MAX);
}

void mr_manifest_name_sources(struct mr_manifest *manifest, const struct mr_config *config)
{
	const struct mr_part *part;
	for (size_t i = 0; (part = mr_config_part(config, MR_PART_SOURCE, i)) != NULL; i++) {
		if (find_source(manifest, part->name) == NULL)
			mr_manifest_add_name(&manifest->sources, &manifest->source_count,
					     part->number, part->name);
	}
}

void mr_manifest_forget_sources(struct mr_manifest *manifest, uint32_t count)
{
	while (manifest->source_count > count)
		free(manifest->sources[--manifest->source_count].name);
}

void mr_manifest_inherit(struct mr_manifest *manifest, const struct mr_manifest *last)
{
	for (uint32_t i = 0; i < last->source_count; i++)
		mr_manifest_add_name(&manifest->sources, &manifest->source_count,
				     last->sources[i].number, last->sources[i].name);
	manifest->has_seed = true;
	memcpy(manifest->seed, last->seed, sizeof manifest->seed);
}

/* ---- writing ---- */

/* How many items the body has, version by version. */
static const size_t body_items[MR_MANIFEST_VERSION + 1] = {0, 9, 11, 12, 15};

static void pack_names(const struct mr_manifest_name *names, uint32_t count, struct mr_buf *out)
{
	mr_pack_array(out, (size_t)count * 2);
	for (uint32_t i = 0; i < count; i++) {
		mr_pack_uint(out, names[i].number);
		mr_pack_bytes(out, mr_slice(names[i].name));
	}
}

static void pack_body(const struct mr_manifest *manifest, struct mr_buf *out)
{
	struct mr_buf aside = {0};
	mr_pack_array(out, body_items[MR_MANIFEST_VERSION]);
	mr_pack_uint(out, manifest->number);
	mr_pack_int(out, manifest->at_us);
	mr_pack_uint(out, manifest->cpu_ns);
	mr_marks_encode(&manifest->marks, out);
	mr_pack_array(out, (size_t)manifest->file_count * 5);
	for (uint32_t i = 0; i < manifest->file_count; i++) {
		const struct mr_manifest_file *file = &manifest->files[i];
		mr_pack_bytes(out, mr_slice(file->group));
		mr_pack_bytes(out, mr_slice(file->stage));
		mr_pack_uint(out, file->worker);
		mr_pack_uint(out, file->sum.size);
		mr_pack_uint(out, file->sum.hash);
	}
	pack_names(manifest->sources, manifest->source_count, out);
	pack_names(manifest->names, manifest->name_count, out);
	mr_pack_bytes(out, (struct mr_slice){(const char *)manifest->ledger_head, MR_LEDGER_HEAD});
	mr_aside_encode(&manifest->aside, &aside);
	mr_pack_bytes(out, (struct mr_slice){aside.data, aside.len});
	mr_buf_fini(&aside);
	mr_pack_bytes(out, (struct mr_slice){(const char *)manifest->seed, MR_SEED_BYTES});
	mr_pack_uint(out, manifest->numbers);
	mr_pack_array(out, manifest->file_count);
	for (uint32_t i = 0; i < manifest->file_count; i++)
		mr_pack_bytes(out, mr_slice(manifest->files[i].host));
	mr_pack_uint(out, manifest->generation);
	mr_pack_uint(out, manifest->made_by);
	mr_pack_bool(out, manifest->drained);
}

void mr_manifest_encode(const struct mr_manifest *manifest, struct mr_buf *out)
{
	struct mr_buf body = {0};
	size_t begin = out->len;
	pack_body(manifest, &body);
	mr_buf_add(out, MAGIC, MAGIC_LEN);
	mr_buf_add_le(out, MR_MANIFEST_VERSION, 4);
	mr_buf_add_le(out, body.len, 8);
	mr_buf_add(out, body.data, body.len);
	mr_buf_add_le(out, mr_hash64(out->data + begin, out->len - begin, 0), 8);
	mr_buf_fini(&body);
}

/* ---- reading ---- */

static char *unpack_text(struct mr_unpack *in)
{
	struct mr_slice text = mr_unpack_bytes(in);
	if (memchr(text.at, '\0', text.len) != NULL)
		mr_unpack_spoil(in);
	return mr_asprintf("%.*s", (int)text.len, text.at);
}

/* A part of a path. */
static char *unpack_part(struct mr_unpack *in)
{
	char *part = unpack_text(in);
	bool good = part[0] != '\0' && part[0] != '.' && strlen(part) < PART_MAX;
	for (const char *at = part; *at != '\0'; at++)
		good &= isalnum((unsigned char)*at) || *at == '.' || *at == '-';
	if (!good)
		mr_unpack_spoil(in);
	return part;
}

static void unpack_names(struct mr_unpack *in, struct mr_manifest_name **names, uint32_t *count)
{
	size_t items = mr_unpack_array(in, (size_t)NAMES_MAX * 2);
	if (items % 2 != 0)
		mr_unpack_spoil(in);
	*names = mr_calloc(items / 2, sizeof **names);
	for (size_t i = 0; i < items / 2; i++) {
		struct mr_manifest_name *name = &(*names)[(*count)++];
		name->number = (uint32_t)mr_unpack_uint(in, UINT32_MAX);
		name->name = unpack_text(in);
	}
}

static void unpack_files(struct mr_unpack *in, struct mr_manifest *out)
{
	size_t items = mr_unpack_array(in, (size_t)FILES_MAX * 5);
	if (items % 5 != 0)
		mr_unpack_spoil(in);
	out->files = mr_calloc(items / 5, sizeof *out->files);
	for (size_t i = 0; i < items / 5; i++) {
		struct mr_manifest_file *file = &out->files[out->file_count++];
		file->group = unpack_part(in);
		file->stage = unpack_part(in);
		file->worker = (uint32_t)mr_unpack_uint(in, MR_WORKERS_MAX - 1);
		file->sum.size = mr_unpack_uint(in, INT64_MAX);
		file->sum.hash = mr_unpack_uint(in, UINT64_MAX);
	}
}

/* Versions before 3 knew no hosts. */
static void unpack_hosts(struct mr_unpack *in, uint64_t version, struct mr_manifest *out)
{
	if (version >= 3)
		mr_unpack_array_of(in, out->file_count);
	for (uint32_t i = 0; i < out->file_count; i++)
		out->files[i].host = version >= 3 ? unpack_text(in) : mr_strdup("");
}

/* Exactly so many. */
static void unpack_array_of_bytes(struct mr_unpack *in, uint8_t *out, size_t len)
{
	struct mr_slice bytes = mr_unpack_bytes(in);
	if (bytes.len == len)
		memcpy(out, bytes.at, len);
	else
		mr_unpack_spoil(in);
}

static enum mr_err decode_body(struct mr_slice body, uint64_t version, struct mr_manifest *out,
			       struct mr_error *error)
{
	struct mr_unpack in = mr_unpack(body);
	mr_unpack_array_of(&in, body_items[version]);
	out->number = mr_unpack_uint(&in, INT64_MAX);
	out->at_us = mr_unpack_int(&in);
	out->cpu_ns = mr_unpack_uint(&in, UINT64_MAX);
	mr_marks_decode(&in, &out->marks);
	unpack_files(&in, out);
	unpack_names(&in, &out->sources, &out->source_count);
	unpack_names(&in, &out->names, &out->name_count);
	unpack_array_of_bytes(&in, out->ledger_head, MR_LEDGER_HEAD);
	if (mr_aside_decode(mr_unpack_bytes(&in), &out->aside, error) != MR_OK)
		mr_unpack_spoil(&in);
	out->has_seed = version >= 2;
	if (version >= 2) {
		unpack_array_of_bytes(&in, out->seed, MR_SEED_BYTES);
		out->numbers = (uint32_t)mr_unpack_uint(&in, UINT32_MAX);
	}
	unpack_hosts(&in, version, out);
	if (version >= 4) {
		out->generation = mr_unpack_uint(&in, UINT64_MAX);
		out->made_by = mr_unpack_uint(&in, UINT64_MAX);
		out->drained = mr_unpack_bool(&in);
	}
	if (mr_unpack_done(&in))
		return MR_OK;
	mr_manifest_fini(out);
	return mr_error_set(error, MR_BAD_INPUT, "what it holds does not decode");
}

enum mr_err mr_manifest_decode(struct mr_slice bytes, struct mr_manifest *out,
			       struct mr_error *error)
{
	*out = (struct mr_manifest){0};
	if (bytes.len < HEAD + 8 || memcmp(bytes.at, MAGIC, MAGIC_LEN) != 0)
		return mr_error_set(error, MR_BAD_INPUT, "it does not begin as a manifest");
	size_t sum_at = bytes.len - 8;
	if (mr_get_le(bytes.at + MAGIC_LEN + 4, 8) != sum_at - HEAD ||
	    mr_get_le(bytes.at + sum_at, 8) != mr_hash64(bytes.at, sum_at, 0))
		return mr_error_set(error, MR_BAD_INPUT, "it is not whole: its checksum differs");
	uint64_t version = mr_get_le(bytes.at + MAGIC_LEN, 4);
	if (version > MR_MANIFEST_VERSION)
		return mr_error_set(error, MR_UNSUPPORTED,
				    "it is of version %llu, written by a newer millrace; this one "
				    "reads versions up to %d",
				    (unsigned long long)version, MR_MANIFEST_VERSION);
	return decode_body((struct mr_slice){bytes.at + HEAD, sum_at - HEAD}, version, out, error);
}

/* ---- paths ---- */

void mr_manifest_path(uint64_t number, char *out)
{
	snprintf(out, MR_MANIFEST_NAME, MR_MANIFEST_PREFIX "%020llu", (unsigned long long)number);
}

void mr_manifest_directory(uint64_t number, char *out)
{
	snprintf(out, MR_MANIFEST_NAME, "checkpoints/%020llu", (unsigned long long)number);
}

void mr_manifest_file_path(uint64_t number, const struct mr_manifest_file *file, char *out,
			   size_t size)
{
	snprintf(out, size, "checkpoints/%020llu/%s-%u.%s", (unsigned long long)number, file->group,
		 file->worker + 1, file->stage);
}
