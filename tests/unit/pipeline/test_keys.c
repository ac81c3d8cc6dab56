/* Keys of hosts: made once, never overwritten, for their owner alone, and proved to belong
 * together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keys.h"
#include "os_faults.h"

static char folder[] = "/tmp/millrace-keys-XXXXXX";

static char *path_of(const char *name)
{
	static char path[4][80];
	static size_t turn;
	char *out = path[turn++ % 4];
	snprintf(out, sizeof path[0], "%s/%s", folder, name);
	return out;
}

static unsigned mode_of(const char *name)
{
	struct stat about;
	assert_int_equal(stat(path_of(name), &about), 0);
	return about.st_mode & 07777;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *out = fopen(path_of(name), "w");
	fputs(text, out);
	fclose(out);
	chmod(path_of(name), mode);
}

/* A host with this public key and this file. */
static enum mr_err reads(const char *public_key, const char *file, struct mr_error *error)
{
	struct mr_config config = {0};
	struct mr_key key = {"untouched"};
	struct mr_part *part = mr_config_part_add(&config, MR_PART_HOST, "b");
	mr_config_add(&part->settings, "public_key", public_key);
	mr_config_add(&part->settings, "key_file", path_of(file));
	*error = (struct mr_error){0};
	enum mr_err err = mr_keys_read(part, &key, error);
	/* What could not be proved is not kept. */
	assert_int_equal(strlen(key.text), err == MR_OK ? MR_KEY_TEXT : 0);
	if (err != MR_OK)
		assert_null(strstr(error->text, key.text[0] == '\0' ? "\n" : key.text));
	mr_key_forget(&key);
	mr_config_fini(&config);
	return err;
}

static void a_pair_is_made_once(void **state)
{
	struct mr_key first, again;
	struct mr_error error = {0};
	(void)state;
	mode_t before = umask(0);
	assert_int_equal(mr_keys_write(folder, "a", &first, &error), MR_OK);
	umask(before);
	assert_int_equal(mode_of("a.key"), 0600);
	assert_int_equal(mode_of("a.pub"), 0644);
	assert_int_equal(reads(first.text, "a.key", &error), MR_OK);
	assert_int_equal(mr_keys_write(folder, "a", &again, &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "is there already; a key is never overwritten"));
	assert_int_equal(reads(first.text, "a.key", &error), MR_OK);
	/* Half a pair is overwritten no more than a whole one. */
	unlink(path_of("a.pub"));
	assert_int_equal(mr_keys_write(folder, "a", &again, &error), MR_CONFIG);
	assert_int_not_equal(access(path_of("a.pub"), F_OK), 0);
	assert_int_equal(reads(first.text, "a.key", &error), MR_OK);
}

static void a_wrong_name_or_place_makes_nothing(void **state)
{
	static const char *const names[] = {"", ".", "../a", "a/b", "a b", "-a"};
	struct mr_key key;
	struct mr_error error = {0};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		assert_int_equal(mr_keys_write(folder, names[i], &key, &error), MR_CONFIG);
	assert_int_equal(mr_keys_write("/nowhere/at/all", "c", &key, &error), MR_CONFIG);
}

/* Whatever fails, no half of a pair stays. */
static void a_full_disk_leaves_nothing(void **state)
{
	struct mr_key key;
	(void)state;
	for (unsigned call = 1;; call++) {
		struct mr_error error = {0};
		os_fault((struct os_fault){.call = OS_ANY, .nth = call, .number = ENOSPC});
		enum mr_err err = mr_keys_write(folder, "full", &key, &error);
		os_faults_end();
		if (!os_fault_met()) {
			assert_int_equal(err, MR_OK);
			assert_true(call > 4);
			break;
		}
		assert_int_not_equal(err, MR_OK);
		assert_int_not_equal(access(path_of("full.key"), F_OK), 0);
		assert_int_not_equal(access(path_of("full.pub"), F_OK), 0);
	}
}

static void only_the_hosts_own_key_is_read(void **state)
{
	struct mr_key mine, other;
	struct mr_error error = {0};
	(void)state;
	assert_int_equal(mr_keys_write(folder, "mine", &mine, &error), MR_OK);
	assert_int_equal(mr_keys_write(folder, "other", &other, &error), MR_OK);
	assert_int_equal(reads(mine.text, "other.key", &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "it is not the private key of host b's public_key"));
	assert_int_equal(reads(mine.text, "mine.pub", &error), MR_CONFIG);
	write_file("short", "abc\n", 0600);
	assert_int_equal(reads(mine.text, "short", &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "it holds no private key of millrace keys"));
	write_file("long", "0123456789012345678901234567890123456789x\n", 0600);
	assert_int_equal(reads(mine.text, "long", &error), MR_CONFIG);
	write_file("signs", "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n", 0600);
	assert_int_equal(reads(mine.text, "signs", &error), MR_CONFIG);
	assert_int_equal(reads(mine.text, "missing", &error), MR_NOT_FOUND);
	chmod(path_of("mine.key"), 0604);
	assert_int_equal(reads(mine.text, "mine.key", &error), MR_CONFIG);
	assert_non_null(strstr(error.text, "everybody may read or write this secret"));
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	char command[80];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pair_is_made_once),
	    cmocka_unit_test(a_wrong_name_or_place_makes_nothing),
	    cmocka_unit_test(a_full_disk_leaves_nothing),
	    cmocka_unit_test(only_the_hosts_own_key_is_read),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
