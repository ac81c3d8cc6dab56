/* key_files.c - see key_files.h. */
#include "key_files.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "millrace/log.h"
#include "millrace/pack.h"
#include "millrace/secret.h"

#define SYSTEM_CERTIFICATES "/etc/ssl/certs/ca-certificates.crt" /* Debian's */
#define AUTHORITIES "ca_certificates"
#define FILE_MAX (16u << 20)
#define FILES_MAX 16

/* Of what they held, by setting; `at` is NULL where they are torn. */
static struct mr_slice find(struct mr_slice files, const char *setting)
{
	struct mr_slice found = {"", 0};
	struct mr_unpack in = mr_unpack(files);
	size_t items = mr_unpack_array(&in, 2 * (size_t)FILES_MAX);
	for (size_t i = 0; i + 1 < items; i += 2) {
		struct mr_slice of = mr_unpack_bytes(&in);
		struct mr_slice held = mr_unpack_bytes(&in);
		if (mr_slice_eq(of, mr_slice(setting)))
			found = held;
	}
	return mr_unpack_done(&in) ? found : (struct mr_slice){NULL, 0};
}

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

/* ---- what would fail with each request ---- */

#define SOON_DAYS 7

static int no_password(char *out, int size, int writes, void *context)
{
	(void)out;
	(void)size;
	(void)writes;
	(void)context;
	return 0;
}

static const char *path_of(const struct mr_part *sink, const char *setting)
{
	return mr_config_get(&sink->settings, setting, 0);
}

/* Days from now that it ends within, 0 and below where it is over; of authorities the last, since a
 * bundle has old ones. */
static int days_left(const struct mr_setting_row *row, const struct mr_buf *bytes)
{
	bool all = strcmp(row->name, AUTHORITIES) == 0;
	BIO *pem = BIO_new_mem_buf(bytes->data, (int)bytes->len);
	int most = INT_MIN;
	X509 *one;
	while ((most == INT_MIN || all) &&
	       (one = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
		int days = 0, seconds = 0;
		ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(one));
		days += seconds > 0;
		most = days > most ? days : most;
		X509_free(one);
	}
	ERR_clear_error();
	BIO_free(pem);
	return most;
}

static void warn_of_end(const struct mr_part *sink, const struct mr_setting_row *row,
			const char *path, const struct mr_buf *bytes)
{
	int days = row->kind == MR_SETTING_CERTIFICATES ? days_left(row, bytes) : SOON_DAYS + 1;
	if (days <= 0)
		mr_log(MR_LOG_WARNING, "sink %s: %s: %s has expired", sink->name, row->name, path);
	else if (days <= SOON_DAYS)
		mr_log(MR_LOG_WARNING, "sink %s: %s: %s expires within %d day%s", sink->name,
		       row->name, path, days, days == 1 ? "" : "s");
}

/* A key belongs to a certificate, which may hold it itself. */
static enum mr_err check_pair(const struct mr_part *sink, struct mr_slice certificate,
			      struct mr_slice key, struct mr_error *error)
{
	const char *of_key = path_of(sink, "client_key_file");
	const char *of_certificate = path_of(sink, "client_certificate");
	struct mr_slice held = of_key == NULL ? certificate : key;
	BIO *pem = BIO_new_mem_buf(held.at, (int)held.len);
	BIO *shown = BIO_new_mem_buf(certificate.at, (int)certificate.len);
	EVP_PKEY *private = PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL);
	X509 *public = PEM_read_bio_X509(shown, NULL, NULL, NULL);
	enum mr_err err = MR_OK;
	if (private == NULL && of_key == NULL)
		err = mr_error_set(error, MR_CONFIG,
				   "client_certificate: %s holds no private key, and there is no "
				   "client_key_file",
				   of_certificate);
	else if (private == NULL)
		err = mr_error_set(error, MR_CONFIG,
				   "client_key_file: %s holds no private key in PEM form without "
				   "a password",
				   of_key);
	else if (X509_check_private_key(public, private) != 1)
		err = mr_error_set(error, MR_CONFIG,
				   "client_key_file: %s is not the key of the certificate in %s",
				   of_key == NULL ? of_certificate : of_key, of_certificate);
	ERR_clear_error();
	EVP_PKEY_free(private);
	X509_free(public);
	BIO_free(pem);
	BIO_free(shown);
	return err;
}

/* What has no use without another setting, or does not go with it. */
static enum mr_err check_use(const struct mr_part *sink, const struct mr_config *config,
			     struct mr_slice files, const char **wrong_out, struct mr_error *error)
{
	struct mr_slice user = find(files, "proxy_user_file");
	const char *unseen = mr_config_get(config, "unseen", 0);
	*wrong_out = path_of(sink, "proxy_user_file");
	if (*wrong_out != NULL && path_of(sink, "proxy") == NULL)
		return mr_error_set(error, MR_CONFIG, "proxy_user_file: there is no proxy");
	if (*wrong_out != NULL && memchr(user.at, ':', user.len) == NULL)
		return mr_error_set(error, MR_CONFIG,
				    "proxy_user_file: %s: there is no colon in it; USER:PASSWORD "
				    "is wanted",
				    *wrong_out);
	*wrong_out = path_of(sink, "client_key_file");
	if (*wrong_out != NULL && path_of(sink, "client_certificate") == NULL)
		return mr_error_set(error, MR_CONFIG,
				    "client_key_file: there is no client_certificate");
	*wrong_out = *wrong_out == NULL ? path_of(sink, "client_certificate") : *wrong_out;
	bool perhaps = unseen != NULL && path_of(sink, "client_key_file") == NULL;
	if (*wrong_out == NULL || perhaps)
		return MR_OK;
	return check_pair(sink, find(files, "client_certificate"), find(files, "client_key_file"),
			  error);
}

/* ---- all of them ---- */

static enum mr_err add_file(const struct mr_part *sink, const struct mr_setting_row *row,
			    const char *path, struct mr_buf *out, struct mr_error *error)
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
		warn_of_end(sink, row, path, &bytes);
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
		err = add_file(sink, row, path, out, error);
		if (err != MR_OK) {
			mr_error_prefix(error, "sink %s", sink->name);
			return mr_config_blame(config, path, error);
		}
	}
	if (err != MR_OK || mr_config_get(settings, AUTHORITIES, 0) != NULL)
		return err;
	++*count;
	err = add_file(sink, mr_setting_find(MR_SCOPE_SINK, MR_SLICE(AUTHORITIES)),
		       SYSTEM_CERTIFICATES, out, error);
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
	const char *wrong = NULL;
	if (err == MR_OK &&
	    check_use(sink, prepare->config, (struct mr_slice){whole.data, whole.len}, &wrong,
		      error) != MR_OK) {
		mr_error_prefix(error, "sink %s", sink->name);
		err = mr_config_blame(prepare->config, wrong, error);
	}
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
	*out = find(bytes, setting);
	return out->at != NULL ? MR_OK
			       : mr_error_set(error, MR_BAD_INPUT, "table %s is torn", name);
}
