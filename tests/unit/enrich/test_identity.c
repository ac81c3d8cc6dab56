/* Identity: imports, conflicts, look-ups, the enricher, 200,000 people. */
#include "identity_harness.h"

/* What rules ask for is there when they judge, all else comes when an event matters. */
static void test_asked(void **unused)
{
	struct stage stage;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store, people, 2);
	stage_init(&stage);
	mr_config_add(&stage.config, "identity", store);
	mr_fields_ask(stage.fields, MR_F_ACTOR_RISK);
	mr_fields_ask(stage.fields, MR_F_ACTOR_ROLES);
	stage_open(&stage);

	struct mr_event *stranger = stage_event(&stage, MR_F_ACTOR_NAME, "who@contoso.example", 0);
	struct mr_event *joey = stage_event(&stage, MR_F_ACTOR_NAME, "joey@contoso.example", 0);
	stage_apply_first(&stage);
	assert_field(&stage, joey, MR_F_ACTOR_RISK, "high");
	assert_field(&stage, joey, MR_F_ACTOR_ROLES, "Global Administrator");
	assert_field(&stage, joey, MR_F_ACTOR_KNOWN, "-");
	assert_field(&stage, joey, MR_F_ACTOR_FULL_NAME, "-");
	assert_field(&stage, joey, MR_F_ACTOR_PRIVILEGED, "-");
	assert_field(&stage, stranger, MR_F_ACTOR_KNOWN, "-");
	assert_int_equal(stage.counters.at[MR_C_IDENTITY_HITS], 1);
	assert_int_equal(stage.counters.at[MR_C_IDENTITY_UNKNOWN], 1);
	mr_stage_enrich.complete(stage.state, &stage.events, joey);
	mr_stage_enrich.complete(stage.state, &stage.events, stranger);
	assert_field(&stage, joey, MR_F_ACTOR_RISK, "high");
	assert_field(&stage, joey, MR_F_ACTOR_ROLES, "Global Administrator");
	assert_field(&stage, joey, MR_F_ACTOR_KNOWN, "true");
	assert_field(&stage, joey, MR_F_ACTOR_UID, "9d8001cb-a159-4252-a3a1-c00000000001");
	assert_field(&stage, joey, MR_F_ACTOR_FULL_NAME, "Joey \"J\" Doe");
	assert_field(&stage, joey, MR_F_ACTOR_GROUPS, "All|Finance EU");
	assert_field(&stage, joey, MR_F_ACTOR_PRIVILEGED, "true");
	assert_field(&stage, joey, MR_F_ACTOR_ENABLED, "false");
	assert_field(&stage, stranger, MR_F_ACTOR_KNOWN, "false");
	stage_close(&stage);
	stage_fini(&stage);
	free(store);
	folder_remove(folder);
}

static void test_enricher(void **unused)
{
	struct stage stage;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store, people, 2);
	stage_init(&stage);
	mr_config_add(&stage.config, "identity", store);
	stage_open(&stage);

	struct mr_event *event = stage_event(&stage, MR_F_ACTOR_NAME, "JOEY@contoso.EXAMPLE", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_ACTOR_KNOWN, "true");
	assert_field(&stage, event, MR_F_ACTOR_UID, "9d8001cb-a159-4252-a3a1-c00000000001");
	assert_field(&stage, event, MR_F_ACTOR_FULL_NAME, "Joey \"J\" Doe");
	assert_field(&stage, event, MR_F_ACTOR_UPN, "Joey@Contoso.example");
	assert_field(&stage, event, MR_F_ACTOR_DEPARTMENT, "Finance");
	assert_field(&stage, event, MR_F_ACTOR_TITLE, "Clerk");
	assert_field(&stage, event, MR_F_ACTOR_MANAGER, "boss@contoso.example");
	assert_field(&stage, event, MR_F_ACTOR_GROUPS, "All|Finance EU");
	assert_field(&stage, event, MR_F_ACTOR_ROLES, "Global Administrator");
	assert_field(&stage, event, MR_F_ACTOR_PRIVILEGED, "true");
	assert_field(&stage, event, MR_F_ACTOR_RISK, "high");
	assert_field(&stage, event, MR_F_ACTOR_HOME_COUNTRY, "DE");
	assert_field(&stage, event, MR_F_ACTOR_ENABLED, "false");
	assert_int_equal(mr_event_get(&stage.events, event, MR_F_ACTOR_PRIVILEGED)->type, MR_BOOL);
	assert_int_equal(stage.counters.at[MR_C_IDENTITY_HITS], 1);

	/* Every spelling of a key finds the person; the record's own uid stays. */
	static const char *const uids[] = {"9D8001cb-a159-4252-a3a1-c00000000001",
					   "10032001266c162c", "10032001266C162C@contoso.example",
					   "i:0h.f|membership|10032001266c162c@live.com"};
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		mr_events_reset(&stage.events);
		event = stage_event(&stage, MR_F_ACTOR_UID, uids[i], 0);
		stage_apply(&stage);
		assert_field(&stage, event, MR_F_ACTOR_FULL_NAME, "Joey \"J\" Doe");
		assert_field(&stage, event, MR_F_ACTOR_UID, uids[i]);
	}
	static const char *const names[] = {"j@CONTOSO.example", "stra\xc3\x9f"
								 "e@contoso.example"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		mr_events_reset(&stage.events);
		event = stage_event(&stage, MR_F_ACTOR_NAME, names[i], MR_F_ACTOR_UID,
				    "Not Available", 0);
		stage_apply(&stage);
		assert_field(&stage, event, MR_F_ACTOR_FULL_NAME, "Joey \"J\" Doe");
	}
	stage_close(&stage);
	stage_fini(&stage);
	free(store);
	folder_remove(folder);
}

static void test_actors(void **unused)
{
	static const char app[] = "51e09c12-1410-42e8-b964-000000000001";
	struct stage stage;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store, people, 2);
	stage_init(&stage);
	mr_config_add(&stage.config, "identity", store);
	stage_open(&stage);
	/* 0: a service principal by its name, 1: by its application; 2: a person that nobody knows
	 * does not become the application that was used. */
	stage_event(&stage, MR_F_ACTOR_NAME,
		    "ServicePrincipal_51E09C12-1410-42e8-b964-000000000001", MR_F_ACTOR_UID,
		    "Not Available", 0);
	stage_event(&stage, MR_F_ACTOR_UID, "nobody", MR_F_ACTOR_TYPE, "ServicePrincipal",
		    MR_F_APP_UID, app, 0);
	stage_event(&stage, MR_F_ACTOR_UID, "nobody", MR_F_ACTOR_TYPE, "User", MR_F_APP_UID, app,
		    0);
	stage_event(&stage, MR_F_ACTOR_NAME, "x@y.example", MR_F_APP_UID, app, 0);
	stage_event(&stage, MR_F_ACTOR_NAME, "ServicePrincipal_unheard-of", 0);
	/* 5 on: nobody whom a store could know. */
	stage_event(&stage, MR_F_ACTOR_NAME, "NT AUTHORITY\\SYSTEM (w3wp)", MR_F_ACTOR_UID,
		    "NT AUTHORITY\\SYSTEM (w3wp)", 0);
	stage_event(&stage, MR_F_ACTOR_NAME, "Certificate", MR_F_ACTOR_UID, "Not Available", 0);
	stage_event(&stage, MR_F_ACTOR_UID, "S-1-5-18", 0);
	stage_event(&stage, MR_F_ACTOR_UID, "<null>", MR_F_ACTOR_NAME, "<Null>", 0);
	stage_event(&stage, 0);
	/* 10: the Management Activity API's UserType 5. */
	stage_event(&stage, MR_F_ACTOR_NAME, "NOT-FOUND", MR_F_ACTOR_TYPE, "Application",
		    MR_F_APP_UID, app, 0);
	stage_apply(&stage);
	const struct mr_event *events = stage.events.items;
	assert_field(&stage, &events[10], MR_F_ACTOR_UPN, "backup-app");
	assert_field(&stage, &events[0], MR_F_ACTOR_UPN, "backup-app");
	assert_field(&stage, &events[0], MR_F_ACTOR_PRIVILEGED, "-");
	assert_field(&stage, &events[1], MR_F_ACTOR_UPN, "backup-app");
	for (int i = 2; i < 5; i++)
		assert_field(&stage, &events[i], MR_F_ACTOR_KNOWN, "false");
	for (int i = 5; i < 10; i++)
		assert_field(&stage, &events[i], MR_F_ACTOR_KNOWN, "-");
	assert_int_equal(stage.counters.at[MR_C_IDENTITY_HITS], 3);
	assert_int_equal(stage.counters.at[MR_C_IDENTITY_UNKNOWN], 3);
	stage_close(&stage);
	stage_fini(&stage);
	free(store);
	folder_remove(folder);
}

/* The entry of the person, as the store keeps it. */
static void check_entry(const char *store, uint32_t number, const char *want)
{
	struct identity_table table;
	struct mr_buf entry = {0};
	struct mr_error error = {0};
	char *generation = identity_store_current(store);
	open_store(store, &table);
	assert_int_equal(identity_store_entry(generation, &table, number, &entry, &error), MR_OK);
	mr_buf_add(&entry, "", 1);
	assert_string_equal(entry.data, want);
	mr_buf_fini(&entry);
	free(generation);
}

static void test_csv(void **unused)
{
	struct identity_table table;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store,
		    "\xef\xbb\xbfUPN,title,ID,Groups,display_name,Privileged\r\n"
		    "a@x,,1,All;Some,\"A, \"\"the\"\"\nfirst\",TRUE\r\n"
		    "\r\n"
		    "b@x,,2,,B,0\n",
		    2);
	open_store(store, &table);
	assert_string_equal(who(&table, "a@x"), "1");
	assert_string_equal(who(&table, "2"), "2");
	check_entry(store, 0,
		    "{\"id\":\"1\",\"upn\":\"a@x\",\"display_name\":\"A, \\\"the\\\"\\nfirst\","
		    "\"groups\":[\"All\",\"Some\"],\"privileged\":true}");
	free(store);
	folder_remove(folder);
}

/* One text is a list that semicolons part, in both forms; of a list the members stay as they are.
 */
static void test_lists(void **unused)
{
	static const char want[] = "{\"id\":\"1\",\"upn\":\"a@x\",\"aliases\":[\"b@x\"],"
				   "\"groups\":[\"x\",\"y z\"],"
				   "\"roles\":[\"Global Administrator\",\"Reader\"]}";
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	import_good(store,
		    "{\"id\":\"1\",\"upn\":\"a@x\",\"aliases\":\"b@x\",\"groups\":\"x;;y z ; \","
		    "\"roles\":\"Global Administrator; Reader\"}\n",
		    1);
	check_entry(store, 0, want);
	import_good(store,
		    "id,upn,aliases,groups,roles\n"
		    "1,a@x, b@x,x;;y z ; ,Global Administrator; Reader\n",
		    1);
	check_entry(store, 0, want);
	import_good(store,
		    "{\"id\":\"1\",\"upn\":\"a\",\"groups\":[\"x;y\",\"\"],\"roles\":\" ; \","
		    "\"aliases\":null}\n",
		    1);
	check_entry(store, 0, "{\"id\":\"1\",\"upn\":\"a\",\"groups\":[\"x;y\"]}");
	free(store);
	folder_remove(folder);
}

static void test_refused_members(void **unused)
{
	static const char *const lists[] = {"5", "true", "{}", "[1]", "[\"a\\nb\"]", "[[]]"};
	static const char *const singles[] = {"[]", "[\"a\"]", "{}"};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	for (size_t i = 0; i < 9; i++) {
		struct outcome outcome;
		bool list = i < 6;
		char *text =
		    mr_asprintf("{\"id\":\"1\",\"upn\":\"a\",\"%s\":%s}\n",
				list ? "groups" : "title", list ? lists[i] : singles[i - 6]);
		import_text(store, mr_slice(text), &outcome);
		assert_int_equal(outcome.refused, 1);
		if (strstr(outcome.log.data,
			   list ? ".in:1: refused: \"groups\" is neither a list of texts"
				: ".in:1: refused: \"title\" is neither a text nor") == NULL)
			fail_msg("%s: %s", text, outcome.log.data);
		outcome_fini(&outcome);
		free(text);
	}
	free(store);
	folder_remove(folder);
}

/* ASCII in UTF-16, after a mark or none. */
static void put_wide(struct mr_buf *out, const char *text, bool mark, bool little)
{
	out->len = 0;
	if (mark)
		mr_buf_add(out, little ? "\xff\xfe" : "\xfe\xff", 2);
	for (; *text != 0; text++) {
		char unit[] = {little ? *text : 0, little ? 0 : *text};
		mr_buf_add(out, unit, 2);
	}
}

static void test_utf16(void **unused)
{
	static const char *const texts[] = {"id,upn,title\r\n1,a@x,\"T\n1\"\r\n2,b@x,\r\n3\r\n",
					    "{\"id\":\"1\",\"upn\":\"a@x\",\"title\":\"T\\n1\"}\n\n"
					    "{\"id\":\"2\",\"upn\":\"b@x\"}\n3\n"};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct mr_buf wide = {0};
	(void)unused;
	for (unsigned i = 0; i < 8; i++) {
		struct outcome outcome;
		struct identity_table table;
		put_wide(&wide, texts[i % 2], (i & 2) != 0, (i & 4) != 0);
		import_text(store, (struct mr_slice){wide.data, wide.len}, &outcome);
		assert_int_equal(outcome.err, MR_OK);
		assert_int_equal(outcome.taken, 2);
		assert_int_equal(outcome.refused, 1);
		assert_non_null(strstr(outcome.log.data, i % 2 ? ".in:4: " : ".in:5: "));
		open_store(store, &table);
		assert_string_equal(who(&table, "b@x"), "2");
		check_entry(store, 0, "{\"id\":\"1\",\"upn\":\"a@x\",\"title\":\"T\\n1\"}");
		outcome_fini(&outcome);
	}
	mr_buf_fini(&wide);
	free(store);
	folder_remove(folder);
}

/* What is no text is not shown, and of a name that is none each such byte is a question mark. */
static void test_no_text(void **unused)
{
	static const struct mr_slice files[] = {
	    {"PK\3\4\24\0\6\0,\xff\xfe\n", 12},
	    {"i\0\0\0d\0\0\0,\0\0\0", 12}, /* UTF-32 */
	    {"id,upn,ann\xe9"
	     "e\n1,a,b\n",
	     19},
	};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		import_text(store, files[i], &outcome);
		assert_int_equal(outcome.err, MR_CONFIG);
		assert_non_null(strstr(outcome.error.text, ".in:1:1: no text in UTF-8 or UTF-16"));
		outcome_fini(&outcome);
	}
	import_text(store, files[2], &outcome);
	assert_int_equal(outcome.taken, 1);
	assert_non_null(strstr(outcome.log.data, ".in:1: \"ann?e\" is left out"));
	outcome_fini(&outcome);
	free(store);
	folder_remove(folder);
}

static void test_refused(void **unused)
{
	static const char text[] = "\n{\"id\":\"1\"}\n"
				   "{\"upn\":\"x\"}\n"
				   "[1]\n"
				   "{\"id\":\n"
				   "{\"id\":\"2\",\"upn\":{}}\n"
				   "{\"id\":\"2\",\"upn\":\"x\",\"privileged\":\"maybe\"}\n"
				   "{\"id\":\"2\",\"upn\":\"x\",\"last_changed\":\"yesterday\"}\n"
				   "{\"id\":\"2\",\"upn\":\"x\",\"home_country\":\"Germany\"}\n"
				   "{\"id\":\"2\",\"upn\":\"x\",\"home_country\":\"4[\"}\n"
				   "{\"id\":\"3\",\"upn\":\"good\",\"home_country\":\"de\"}\n";
	static const char *const said[] = {".in:2: refused: \"upn\" is missing",
					   ".in:3: refused: \"id\" is missing",
					   ".in:4: refused: not a JSON object",
					   ".in:5: refused: ",
					   ".in:6: refused: \"upn\" is neither a text nor",
					   ".in:7: refused: \"privileged\" is neither",
					   ".in:8: refused: \"last_changed\" is no date",
					   ".in:9: refused: \"home_country\" is no ISO",
					   ".in:10: refused: \"home_country\" is no ISO"};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	(void)unused;
	import_text(store, mr_slice(text), &outcome);
	assert_int_equal(outcome.err, MR_OK);
	assert_int_equal(outcome.taken, 1);
	assert_int_equal(outcome.refused, 9);
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		if (strstr(outcome.log.data, said[i]) == NULL)
			fail_msg("\"%s\" is not in:\n%s", said[i], outcome.log.data);
	}
	outcome_fini(&outcome);
	free(store);
	folder_remove(folder);
}

/* A line of 1 MiB is taken, one byte more is not. */
static void test_long_lines(void **unused)
{
	struct mr_buf longest = {0};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	(void)unused;
	mr_buf_add_text(&longest, "{\"id\":\"1\",\"upn\":\"a\",\"x\":\"");
	memset(mr_buf_reserve(&longest, 3 << 20), 'x', 3 << 20);
	size_t begun = longest.len;
	memcpy(longest.data + (1 << 20) - 2, "\"}\n", 3);
	memcpy(longest.data + (1 << 20) + 1, longest.data, begun);
	memcpy(longest.data + (2 << 20), "\"}\n{\"id\":\"2\",\"upn\":\"b\"}", 23);
	import_text(store, (struct mr_slice){longest.data, (2 << 20) + 23}, &outcome);
	assert_int_equal(outcome.taken, 2);
	assert_non_null(strstr(outcome.log.data, ".in:2: refused: longer than 1 MiB"));
	outcome_fini(&outcome);
	/* Nor is what stands before a megabyte of blanks taken for the whole line. */
	memset(longest.data, ' ', (1 << 20) + 10);
	memcpy(longest.data, "{\"id\":\"1\",\"upn\":\"a\"}", 20);
	memcpy(longest.data + (1 << 20) + 9, "x\n{\"id\":\"2\",\"upn\":\"b\"}", 22);
	import_text(store, (struct mr_slice){longest.data, (1 << 20) + 9 + 22}, &outcome);
	assert_int_equal(outcome.taken, 1);
	assert_non_null(strstr(outcome.log.data, ".in:1: refused: longer than 1 MiB"));
	mr_buf_fini(&longest);
	outcome_fini(&outcome);
	free(store);
	folder_remove(folder);
}

static void test_refused_rows(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	(void)unused;
	import_text(store, MR_SLICE("id,name\n1,x\n"), &outcome);
	assert_int_equal(outcome.err, MR_CONFIG);
	outcome_fini(&outcome);
	import_text(store, MR_SLICE("id,upn\n1\n2,b,c\n3,\"c\n"), &outcome);
	assert_int_equal(outcome.refused, 3);
	outcome_fini(&outcome);
	free(store);
	folder_remove(folder);
}

static size_t count_of(const char *text, const char *words)
{
	size_t count = 0;
	for (; (text = strstr(text, words)) != NULL; text++)
		count++;
	return count;
}

/* What nobody reads is named once, with what may be meant; ten of them at most. */
static void test_unknown_names(void **unused)
{
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct mr_buf many = {0};
	struct outcome outcome;
	(void)unused;
	import_text(store, MR_SLICE("id,upn,displayname,,seat\n1,a,A,,3\n2,b,B,,4\n"), &outcome);
	assert_int_equal(outcome.taken, 2);
	assert_int_equal(count_of(outcome.log.data, "\n"), 3);
	assert_non_null(strstr(outcome.log.data,
			       ".in:1: \"displayname\" is left out: no member or "
			       "column is called so; is \"display_name\" meant?\n"));
	assert_non_null(strstr(outcome.log.data, "\"seat\" is left out: no member or column is "
						 "called so\n"));
	outcome_fini(&outcome);
	for (unsigned i = 0; i < 24; i++)
		mr_buf_printf(&many,
			      "{\"id\":\"%u\",\"upn\":\"u%u\",\"privilleged\":true,"
			      "\"own-%u\":{\"x\":[1]}}\n",
			      i, i, i / 2);
	import_text(store, (struct mr_slice){many.data, many.len}, &outcome);
	assert_int_equal(outcome.taken, 24);
	assert_int_equal(count_of(outcome.log.data, "is left out"), 10);
	assert_int_equal(count_of(outcome.log.data,
				  ".in:1: \"privilleged\" is left out: no member or "
				  "column is called so; is \"privileged\" meant?"),
			 1);
	outcome_fini(&outcome);
	mr_buf_fini(&many);
	free(store);
	folder_remove(folder);
}

static void test_conflicts(void **unused)
{
	static const char text[] =
	    "{\"id\":\"1\",\"upn\":\"a\",\"aliases\":[\"shared\",\"own1\"],\"display_name\":"
	    "\"One\","
	    "\"last_changed\":\"2026-01-01\"}\n"
	    "{\"id\":\"2\",\"upn\":\"b\",\"aliases\":[\"Shared\"],\"display_name\":\"Two\","
	    "\"last_changed\":\"2026-01-01T02:00:00+03:00\"}\n"
	    "{\"id\":\"3\",\"upn\":\"A\",\"last_changed\":\"2026-02-01\"}\n"
	    "{\"id\":\"4\",\"upn\":\"d\",\"title\":\"old\",\"last_changed\":\"2026-01-01\"}\n"
	    "{\"id\":\"4\",\"upn\":\"d\",\"title\":\"new\",\"last_changed\":\"2026-01-01T00:00:00."
	    "5Z\"}\n"
	    "{\"id\":\"4\",\"upn\":\"d\",\"title\":\"undated\"}\n"
	    "{\"id\":\"5\",\"upn\":\"4\",\"last_changed\":\"2027-01-01\"}\n";
	struct identity_table table;
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	struct outcome outcome;
	(void)unused;
	import_text(store, mr_slice(text), &outcome);
	assert_int_equal(outcome.err, MR_OK);
	assert_int_equal(outcome.taken, 5);
	assert_int_equal(outcome.refused, 0);
	/* shared: 2 loses (its time is earlier in UTC); a: 1 loses; 4: twice; an id is never lost.
	 */
	assert_int_equal(outcome.conflicts, 5);
	assert_non_null(strstr(outcome.log.data, ".in:2: \"shared\" belongs to the entry in "));
	assert_non_null(strstr(outcome.log.data, ".in:1: \"a\" belongs to the entry in "));
	assert_non_null(strstr(outcome.log.data, ".in:3, which is newer"));
	open_store(store, &table);
	assert_string_equal(who(&table, "shared"), "1");
	assert_string_equal(who(&table, "a"), "3");
	assert_string_equal(who(&table, "own1"), "1");
	assert_string_equal(who(&table, "1"), "1");
	assert_string_equal(who(&table, "b"), "2");
	assert_string_equal(who(&table, "d"), "4");
	assert_string_equal(who(&table, "4"), "4");
	assert_string_equal(who(&table, "5"), "5");
	const struct identity_person *four = find(&table, "4");
	assert_true(mr_slice_eq(identity_text(&table, identity_profile(&table, four)->title),
				MR_SLICE("new")));
	assert_int_equal(four->entry, 4);
	/* A name that was lost is shown still, and what stands behind it is whole. */
	assert_true(mr_slice_eq(identity_shown_upn(find(&table, "1")), MR_SLICE("a")));
	assert_true(mr_slice_eq(identity_shown_upn(find(&table, "3")), MR_SLICE("A")));
	assert_true(
	    mr_slice_eq(identity_own(find(&table, "1"), IDENTITY_DISPLAY_NAME), MR_SLICE("One")));
	assert_true(
	    mr_slice_eq(identity_own(find(&table, "2"), IDENTITY_DISPLAY_NAME), MR_SLICE("Two")));
	outcome_fini(&outcome);
	free(store);
	folder_remove(folder);
}

/* A GUID in its usual form stands as its bytes; all else stands as it is. */
static void test_guids(void **unused)
{
	static const struct {
		const char *given;
		const char *key;
		bool is_guid;
	} ids[] = {
	    {"01234567-89AB-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdef", true},
	    {"ffffffff-ffff-ffff-ffff-ffffffffffff", "ffffffff-ffff-ffff-ffff-ffffffffffff", true},
	    {"01234567-89ab-cdef-0123-456789abcdeg", "01234567-89ab-cdef-0123-456789abcdeg", false},
	    {"01234567-89ab-cdef-0123-456789abcde:", "01234567-89ab-cdef-0123-456789abcde:", false},
	    {"01234567+89ab-cdef-0123-456789abcdef", "01234567+89ab-cdef-0123-456789abcdef", false},
	    {"0123456-789ab-cdef-0123-456789abcdef", "0123456-789ab-cdef-0123-456789abcdef", false},
	    {"01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcde", false},
	    {"{01234567-89ab-cdef-0123-456789abcdef}", "{01234567-89ab-cdef-0123-456789abcdef}",
	     false},
	    {"0123456789abcdef", "0123456789abcdef", false}, /* as many bytes as a GUID's */
	};
	const size_t count = sizeof(ids) / sizeof(ids[0]);
	struct identity_table table;
	struct mr_buf text = {0};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	for (size_t i = 0; i < count; i++)
		mr_buf_printf(&text, "{\"id\":\"%s\",\"upn\":\"u%zu\"}\n", ids[i].given, i);
	mr_buf_add(&text, "", 1);
	import_good(store, text.data, (uint32_t)count);
	mr_buf_fini(&text);
	open_store(store, &table);
	for (size_t i = 0; i < count; i++) {
		const struct identity_person *person = find(&table, ids[i].key);
		assert_string_equal(who(&table, ids[i].key), ids[i].key);
		assert_int_equal(person->entry, i);
		assert_int_equal((person->flags & IDENTITY_GUID) != 0, ids[i].is_guid);
		for (size_t at = 0; at < strlen(ids[i].key); at++) {
			char *other = mr_strdup(ids[i].key);
			other[at] ^= 1;
			assert_false(identity_has_key(person, mr_slice(other)));
			free(other);
		}
	}
	free(store);
	folder_remove(folder);
}

/* The index is sized for every alias, and grows no further. */
static void test_many_aliases(void **unused)
{
	struct identity_table table;
	struct mr_buf text = {0};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	(void)unused;
	mr_buf_add_text(&text, "{\"id\":\"1\",\"upn\":\"a\",\"aliases\":[\"x\"");
	for (int i = 0; i < 3000; i++)
		mr_buf_printf(&text, ",\"alias%d\"", i);
	mr_buf_add_text(&text, "]}\n");
	mr_buf_add(&text, "", 1);
	import_good(store, text.data, 1);
	open_store(store, &table);
	assert_string_equal(who(&table, "alias0"), "1");
	assert_string_equal(who(&table, "alias2999"), "1");
	assert_string_equal(who(&table, "alias3000"), "-");
	mr_buf_fini(&text);
	free(store);
	folder_remove(folder);
}

static void test_dates(void **unused)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
	    {"1970-01-01", 0},
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01 00:00:01.5", 1500000},
	    {"1970-01-01T01:30+01:30", 0},
	    {"1969-12-31t23:59:59.9999999z", -1},
	    {"2000-03-01T00:00:00-0100", INT64_C(951872400000000)},
	    {"0000-01-01", INT64_C(-62167219200000000)},
	    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
	};
	static const char *const bad[] = {"",
					  "1970",
					  "1970-13-01",
					  "1970-01-32",
					  "1970-01-01T",
					  "1970-01-01T25:00",
					  "1970-01-01Z",
					  "1970-01-01T00:00:00.",
					  "1970-01-01T00:00:00Zx",
					  "1970/01/01",
					  "0000-01-01T00:00+00:01",
					  "9999-12-31T23:59:60Z"};
	int64_t us;
	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(identity_date_parse(mr_slice(good[i].text), &us));
		assert_true(us == good[i].us);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(identity_date_parse(mr_slice(bad[i]), &us));
}

/* Each of 200,000 people is found by each key, and nobody else is. */
static void test_many_people(void **unused)
{
	struct identity_table table;
	struct mr_buf text = {0};
	char *folder = folder_make();
	char *store = mr_asprintf("%s/store", folder);
	char key[64];
	char id[64];
	(void)unused;
	for (int i = 0; i < 200000; i++)
		mr_buf_printf(
		    &text,
		    "{\"id\":\"%08x-0000-4000-8000-000000000000\",\"upn\":\"User%d@Big.example\","
		    "\"puid\":\"%016X\",\"aliases\":[\"u%d@alias.example\"],\"groups\":[\"G%d\"]}"
		    "\n",
		    i, i, i, i, i % 10);
	mr_buf_add(&text, "", 1);
	import_good(store, text.data, 200000);
	mr_buf_fini(&text);
	open_store(store, &table);
	/* Of each: what is fixed, the GUID's bytes, 81 of texts, and up to 7 to the next place. */
	assert_true(table.people_bytes <= 8 + 200000 * (32 + 16 + 81 + 7));
	for (int i = 0; i < 200000; i++) {
		snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", i);
		assert_string_equal(who(&table, id), id);
		snprintf(key, sizeof(key), "user%d@big.example", i);
		assert_string_equal(who(&table, key), id);
		snprintf(key, sizeof(key), "%016x", i);
		assert_string_equal(who(&table, key), id);
		snprintf(key, sizeof(key), "u%d@alias.example", i);
		assert_string_equal(who(&table, key), id);
		snprintf(key, sizeof(key), "v%d@alias.example", i);
		assert_string_equal(who(&table, key), "-");
	}
	free(store);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_asked),        cmocka_unit_test(test_enricher),
	    cmocka_unit_test(test_actors),       cmocka_unit_test(test_csv),
	    cmocka_unit_test(test_lists),        cmocka_unit_test(test_refused_members),
	    cmocka_unit_test(test_utf16),        cmocka_unit_test(test_no_text),
	    cmocka_unit_test(test_refused),      cmocka_unit_test(test_long_lines),
	    cmocka_unit_test(test_refused_rows), cmocka_unit_test(test_unknown_names),
	    cmocka_unit_test(test_conflicts),    cmocka_unit_test(test_guids),
	    cmocka_unit_test(test_many_aliases), cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_many_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
