/* identity_command.c - `millrace identity import|show`. */
#include "enricher.h"
#include "millrace/option.h"
#include "identity_import.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char identity_help[] =
    "usage: millrace identity import --store DIR [--force] FILE...\n"
    "       millrace identity show --store DIR KEY\n"
    "\n"
    "import reads people from NDJSON or CSV, in UTF-8 or UTF-16 (told by content, - is standard\n"
    "input), and makes them the store's new generation. Members or columns, all but the first two\n"
    "optional:\n"
    "  id upn aliases puid app_id display_name department title manager groups roles\n"
    "  privileged risk home_country enabled last_changed\n"
    "aliases, groups and roles are lists: of texts, or one text, parted by semicolons.\n"
    "privileged and enabled are true, false, 1 or 0. Of a service principal upn is a name of its\n"
    "service principal, or its application's id again.\n"
    "An import that refused half of its entries or more, and would leave fewer than half of the "
    "people\n"
    "that the store holds, leaves the store as it was, unless --force is given.\n"
    "show prints one of them, found by id, user principal name, alias, PUID or application id.\n"
    "\n";
static const char identity_status[] =
    "\n"
    "Exit status: 0 done, 1 nothing or too little could be taken, nobody has that key, or the disk "
    "refused,\n"
    "2 the command or its files are wrong.\n";

enum { STORE, FORCE, HELP };
static const struct mr_option identity_options[] = {
    [STORE] = {"store", 0, "DIR", "the identity store"},
    [FORCE] = {"force", 0, NULL, "import: also fewer than half"},
    MR_OPTION_HELP,
    {0},
};
static const struct mr_option show_options[] = {
    {"store", 0, "DIR", "the identity store"},
    MR_OPTION_HELP,
    {0},
};
static const struct mr_command import_command = {
    .name = "import", .summary = "fill the store from NDJSON or CSV", .options = identity_options};
static const struct mr_command show_command = {
    .name = "show", .summary = "one person or service principal", .options = show_options};
static const struct mr_command *const identity_commands[] = {&import_command, &show_command, NULL};

static int fail(const struct mr_error *error)
{
	mr_log(MR_LOG_ERROR, "millrace identity: %s", error->text);
	return mr_err_class(error->code) == MR_CLASS_USAGE ? 2 : 1;
}

static int import_files(const char *store, bool force, int count, char **files)
{
	if (count == 0) {
		fputs("millrace identity import: name at least one file\n", stderr);
		return 2;
	}
	struct identity_import import;
	struct mr_error error = {0};
	if (identity_import_init(&import, store, (const char *const *)files, &error) != MR_OK)
		return fail(&error);
	import.force = force;
	enum mr_err err = MR_OK;
	for (int i = 0; i < count && err == MR_OK; i++)
		err = identity_read_file(&import, (uint32_t)i, &error);
	uint32_t taken = 0;
	bool nothing = err == MR_OK && import.failed == MR_OK && import.count == 0;
	if (err == MR_OK && !nothing)
		err = identity_import_commit(&import, &taken, &error);
	identity_import_tell_rest(&import);
	int status = 0;
	if (err != MR_OK) {
		status = fail(&error);
	} else if (nothing) {
		fprintf(
		    stderr,
		    "millrace identity: nothing could be taken, %llu entries refused; the store is "
		    "unchanged\n",
		    (unsigned long long)import.refused);
		status = 1;
	} else {
		printf("%u people taken, %llu entries refused, %llu conflicts; the store now holds "
		       "exactly these people\n",
		       taken, (unsigned long long)import.refused,
		       (unsigned long long)import.conflicts);
	}
	identity_import_fini(&import);
	return status;
}

static int print_entry(const char *generation, const struct identity_table *table, uint32_t number)
{
	struct mr_buf entry = {0};
	struct mr_error error = {0};
	int status = 0;
	if (identity_store_entry(generation, table, number, &entry, &error) != MR_OK)
		status = fail(&error);
	else if (printf("%.*s\n", (int)entry.len, entry.data) < 0)
		status = 1;
	mr_buf_fini(&entry);
	return status;
}

static int show(const char *store, const char *key)
{
	char *generation = identity_store_current(store);
	struct identity_table table;
	struct mr_error error = {0};
	int status = 1;
	if (identity_store_open(generation, NULL, NULL, NULL, &table, &error) != MR_OK) {
		free(generation);
		return fail(&error);
	}
	struct mr_buf folded = {0};
	mr_buf_reserve(&folded, mr_fold_max(strlen(key)));
	folded.len = mr_fold(key, strlen(key), folded.data);
	struct mr_slice text = {folded.data, folded.len};
	const struct identity_person *person =
	    identity_find(&table, text, identity_hash(&table, text));
	mr_buf_fini(&folded);
	if (person == NULL)
		mr_log(MR_LOG_ERROR, "millrace identity: nobody in %s has the key \"%s\"", store,
		       key);
	else
		status = print_entry(generation, &table, person->entry);
	free(generation);
	return status;
}

static int identity_main(int argc, char **argv)
{
	const char *store = NULL;
	bool force = false;
	int option;
	while ((option = mr_option_next(identity_options, argc, argv)) != MR_OPTIONS_END) {
		if (option == HELP)
			return mr_help(identity_help, identity_options, identity_status);
		if (option == FORCE) {
			force = true;
		} else if (option == STORE) {
			store = optarg;
		} else {
			fputs(identity_help, stderr);
			return 2;
		}
	}
	int left = argc - optind;
	if (left >= 1 && store != NULL && strcmp(argv[optind], "import") == 0)
		return import_files(store, force, left - 1, argv + optind + 1);
	if (left == 2 && store != NULL && !force && strcmp(argv[optind], "show") == 0)
		return show(store, argv[optind + 1]);
	fputs(identity_help, stderr);
	return 2;
}

const struct mr_command mr_command_identity = {
    .name = "identity",
    .summary = "fill and query the identity store",
    .main = identity_main,
    .commands = identity_commands,
};
