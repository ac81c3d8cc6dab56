/* key_files.c - see key_files.h. */
#include "key_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "millrace/pack.h"
#include "millrace/secret.h"

#define SYSTEM_CERTIFICATES "/etc/ssl/certs/ca-certificates.crt" /* Debian's */
#define AUTHORITIES "ca_certificates"
#define FILE_MAX (16u << 20)
#define FILES_MAX 16

/* ---- in the supervisor ---- */

static enum mr_err read_file(const char *path, struct mr_buf *out, struct mr_error *error)
{
	FILE *file = fopen(path, "re");
	size_t got = 1;
	while (file != NULL && got > 0 && out->len <= FILE_MAX) {
		got = fread(mr_buf_reserve(out, 65536), 1, 65536, file);
		out->len += got;
	}
	bool good = file != NULL && !ferror(file) && out->len > 0 && out->len <= FILE_MAX;
	if (file != NULL && !ferror(file) && !good)
		mr_error_set(error, MR_CONFIG, "%s is empty, or too long", path);
	else if (!good)
		mr_error_errno(error, MR_CONFIG, "%s cannot be read", path);
	if (file != NULL)
		fclose(file);
	return good ? MR_OK : MR_CONFIG;
}

/* libcurl would say it with each request, and try again for ever. */
static enum mr_err read_certificates(const char *path, struct mr_buf *out, struct mr_error *error)
{
	enum mr_err err = read_file(path, out, error);
	if (err != MR_OK)
		return err;
	BIO *pem = BIO_new_mem_buf(out->data, (int)out->len);
	X509 *first = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	if (first == NULL)
		err = mr_error_set(error, MR_CONFIG, "%s holds no certificate in PEM form", path);
	ERR_clear_error();
	X509_free(first);
	BIO_free(pem);
	return err;
}

/* It becomes a header. */
static enum mr_err read_token(const char *path, struct mr_buf *out, struct mr_error *error)
{
	enum mr_err err = mr_secret_read(path, out, error);
	if (err == MR_OK && memchr(out->data, '\n', out->len) != NULL)
		err = mr_error_set(error, MR_CONFIG, "%s: a token is one line", path);
	return err;
}

static enum mr_err add_file(const struct mr_setting_row *row, const char *path, struct mr_buf *out,
			    struct mr_error *error)
{
	struct mr_buf bytes = {0};
	enum mr_err err;
	if (row->kind == MR_SETTING_CERTIFICATES)
		err = read_certificates(path, &bytes, error);
	else if (strcmp(row->name, "token_file") == 0)
		err = read_token(path, &bytes, error);
	else
		err = mr_secret_read(path, &bytes, error);
	if (err == MR_OK) {
		mr_pack_bytes(out, mr_slice(row->name));
		mr_pack_bytes(out, (struct mr_slice){bytes.data, bytes.len});
	}
	if (bytes.data != NULL)
		explicit_bzero(bytes.data, bytes.capacity);
	mr_buf_fini(&bytes);
	return err;
}

static enum mr_err add_all(const struct mr_part *sink, const struct mr_config *config,
			   struct mr_buf *out, size_t *count, struct mr_error *error)
{
	const struct mr_config *settings = &sink->settings;
	enum mr_err err = MR_OK;
	for (size_t i = 0; i < settings->count && err == MR_OK; i++) {
		const char *path = settings->items[i].value;
		const struct mr_setting_row *row =
		    mr_setting_find(MR_SCOPE_SINK, mr_slice(settings->items[i].name));
		if (row == NULL || !mr_setting_is_read(row))
			continue;
		++*count;
		err = add_file(row, path, out, error);
		if (err != MR_OK) {
			mr_error_prefix(error, "sink %s", sink->name);
			return mr_config_blame(config, path, error);
		}
	}
	if (err != MR_OK || mr_config_get(settings, AUTHORITIES, 0) != NULL)
		return err;
	++*count;
	err = add_file(mr_setting_find(MR_SCOPE_SINK, MR_SLICE(AUTHORITIES)), SYSTEM_CERTIFICATES,
		       out, error);
	return err == MR_OK ? MR_OK : mr_error_prefix(error, "sink %s", sink->name);
}

static void name_table(const char *sink, char out[MR_SECRETS_NAME_MAX])
{
	snprintf(out, MR_SECRETS_NAME_MAX, MR_SECRETS_PREFIX "%.*s", MR_NAME_MAX, sink);
}

enum mr_err key_files_keep(const struct mr_part *sink, const struct mr_prepare *prepare,
			   struct mr_error *error)
{
	struct mr_buf files = {0}, whole = {0};
	char name[MR_SECRETS_NAME_MAX];
	size_t count = 0;
	enum mr_err err = add_all(sink, prepare->config, &files, &count, error);
	name_table(sink->name, name);
	mr_pack_array(&whole, 2 * count);
	mr_buf_add(&whole, files.data == NULL ? "" : files.data, files.len);
	if (err == MR_OK)
		err = mr_tables_add_bytes(prepare->tables, name,
					  (struct mr_slice){whole.data, whole.len}, error);
	if (files.data != NULL)
		explicit_bzero(files.data, files.capacity);
	explicit_bzero(whole.data, whole.capacity);
	mr_buf_fini(&files);
	mr_buf_fini(&whole);
	return err;
}

/* ---- in a worker ---- */

enum mr_err key_files_get(const struct mr_tables *tables, const char *sink, const char *setting,
			  struct mr_slice *out, struct mr_error *error)
{
	char name[MR_SECRETS_NAME_MAX];
	struct mr_slice bytes;
	name_table(sink, name);
	*out = (struct mr_slice){"", 0};
	enum mr_err err = mr_tables_map(tables, name, &bytes, error);
	if (err != MR_OK)
		return err;
	struct mr_unpack in = mr_unpack(bytes);
	size_t items = mr_unpack_array(&in, 2 * (size_t)FILES_MAX);
	for (size_t i = 0; i + 1 < items; i += 2) {
		struct mr_slice of = mr_unpack_bytes(&in);
		struct mr_slice held = mr_unpack_bytes(&in);
		if (mr_slice_eq(of, mr_slice(setting)))
			*out = held;
	}
	return mr_unpack_done(&in) ? MR_OK
				   : mr_error_set(error, MR_BAD_INPUT, "table %s is torn", name);
}
