/* Named networks: the file's form and its errors, nesting, the borders, the enricher. */
#include "harness.h"

#include "network_list.h"

static void build(const char *text, struct mr_buf *bytes, struct network_table *table)
{
	struct mr_error error = {0};
	bytes->len = 0;
	if (network_list_build("n", mr_slice(text), bytes, &error) != MR_OK)
		fail_msg("%s", error.text);
	assert_int_equal(
	    network_table_open((struct mr_slice){bytes->data, bytes->len}, table, &error), MR_OK);
}

static const char *find(const struct network_table *table, const char *text)
{
	static char out[128];
	struct address address = address_parse(mr_slice(text));
	const struct network_entry *entry = network_table_find(table, &address);
	if (entry == NULL)
		return "-";
	snprintf(out, sizeof(out), "%.*s/%.*s", (int)entry->name_len, table->texts + entry->name,
		 (int)entry->kind_len, table->texts + entry->kind);
	return out;
}

static void test_form(void **unused)
{
	struct mr_buf bytes = {0};
	struct network_table table;
	(void)unused;
	build("\xef\xbb\xbf# comment\n\n"
	      "10.0.0.0/8 office egress # more\r\n"
	      "\t10.1.0.0/16\t\"Bob's \\\"own\\\" \\\\ net # 1\"   vpn\n"
	      "10.1.2.3 one\n"
	      "2001:db8::/32 six kind\n"
	      "2001:db8::1 \"six one\" \"a b\"",
	      &bytes, &table);
	assert_string_equal(find(&table, "9.255.255.255"), "-");
	assert_string_equal(find(&table, "10.0.0.0"), "office/egress");
	assert_string_equal(find(&table, "10.0.255.255"), "office/egress");
	assert_string_equal(find(&table, "10.1.0.0"), "Bob's \"own\" \\ net # 1/vpn");
	assert_string_equal(find(&table, "10.1.2.2"), "Bob's \"own\" \\ net # 1/vpn");
	assert_string_equal(find(&table, "10.1.2.3"), "one/");
	assert_string_equal(find(&table, "::ffff:10.1.2.3"), "one/");
	assert_string_equal(find(&table, "10.1.2.4"), "Bob's \"own\" \\ net # 1/vpn");
	assert_string_equal(find(&table, "10.2.0.0"), "office/egress");
	assert_string_equal(find(&table, "10.255.255.255"), "office/egress");
	assert_string_equal(find(&table, "11.0.0.0"), "-");
	assert_string_equal(find(&table, "2001:db8::"), "six/kind");
	assert_string_equal(find(&table, "2001:db8::1"), "six one/a b");
	assert_string_equal(find(&table, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"), "six/kind");
	assert_string_equal(find(&table, "2001:db9::"), "-");
	assert_string_equal(find(&table, "nonsense"), "-");
	build("", &bytes, &table);
	assert_string_equal(find(&table, "1.2.3.4"), "-");
	build("0.0.0.0/0 all4\n::/0 all6\n255.255.255.255 last\n"
	      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff last6\n",
	      &bytes, &table);
	assert_string_equal(find(&table, "0.0.0.0"), "all4/");
	assert_string_equal(find(&table, "255.255.255.254"), "all4/");
	assert_string_equal(find(&table, "255.255.255.255"), "last/");
	assert_string_equal(find(&table, "::1"), "all6/");
	assert_string_equal(find(&table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"), "all6/");
	assert_string_equal(find(&table, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "last6/");
	mr_buf_fini(&bytes);
}

static void test_errors(void **unused)
{
	static const struct {
		const char *text;
		const char *error;
	} cases[] = {
	    {"\n 10.0.0.1/8 a", "n:2:2: bits are set behind the prefix"},
	    {"10.0.0.0/33 a", "n:1:10: not a prefix length; write 0 to 32"},
	    {"::/129 a", "n:1:4: not a prefix length; write 0 to 128"},
	    {"10.0.0.0/ a", "n:1:10: not a prefix length"},
	    {"10.0.0.0/08 a", "n:1:10: not a prefix length"},
	    {"10.0.0/8 a", "n:1:1: not a network"},
	    {"010.0.0.0/8 a", "n:1:1: not a network"},
	    {"::ffff:10.0.0.0/104 a", "n:1:1: IPv4 written as IPv6"},
	    {"10.0.0.0/8", "n:1:11: the network's name is missing"},
	    {"10.0.0.0/8 # a", "n:1:12: the network's name is missing"},
	    {"10.0.0.0/8 \"a", "n:1:12: the closing quote is missing"},
	    {"10.0.0.0/8 \"\"", "n:1:12: the text is empty"},
	    {"10.0.0.0/8 \"a\\n\"", "n:1:14: only \\\" and \\\\ are known"},
	    {"10.0.0.0/8 \"a\"b", "n:1:15: a space is missing"},
	    {"10.0.0.0/8 a\"b\"", "n:1:12: a quote inside a word"},
	    {"10.0.0.0/8 a b c", "n:1:16: too many words"},
	    {"10.0.0.0/8 \xff", "n:1:12: not UTF-8"},
	    {"10.0.0.0/8 a\n1.1.1.1 x\n10.0.0.0/8 b", "n:3:1: the same network as in line 1"},
	};
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mr_error error = {0};
		struct mr_buf bytes = {0};
		size_t len = strlen(cases[i].text);
		char *exact = mr_malloc(len); /* no zero byte behind it: an over-read shows */
		memcpy(exact, cases[i].text, len);
		assert_int_equal(
		    network_list_build("n", (struct mr_slice){exact, len}, &bytes, &error),
		    MR_CONFIG);
		if (strncmp(error.text, cases[i].error, strlen(cases[i].error)) != 0)
			fail_msg("\"%s\" gave \"%s\"", cases[i].text, error.text);
		free(exact);
		mr_buf_fini(&bytes);
	}
}

/* Random nested networks against a walk over the list. */
static void test_random(void **unused)
{
	uint64_t random = 7;
	(void)unused;
	for (int round = 0; round < 50; round++) {
		struct {
			uint32_t first, prefix;
		} nets[40];
		struct mr_buf text = {0};
		struct mr_buf bytes = {0};
		struct network_table table;
		size_t count = 0;
		for (int i = 0; i < 40; i++) {
			uint32_t prefix = 20 + (uint32_t)(random_next(&random) % 13);
			uint32_t first = (UINT32_C(10) << 24 | (random_next(&random) & 0xfff)) &
					 UINT32_MAX << (32 - prefix);
			bool again = false;
			for (size_t n = 0; n < count; n++)
				again |= nets[n].first == first && nets[n].prefix == prefix;
			if (again)
				continue;
			mr_buf_printf(&text, "%u.%u.%u.%u/%u n%zu\n", first >> 24,
				      first >> 16 & 255, first >> 8 & 255, first & 255, prefix,
				      count);
			nets[count].first = first;
			nets[count++].prefix = prefix;
		}
		mr_buf_add(&text, "", 1);
		build(text.data, &bytes, &table);
		for (uint32_t v4 = (UINT32_C(10) << 24) - 2; v4 < (UINT32_C(10) << 24) + 0x1002;
		     v4++) {
			struct address address = {.v4 = v4, .family = ADDRESS_V4};
			const struct network_entry *entry = network_table_find(&table, &address);
			char expected[16] = "";
			uint32_t longest = 0;
			for (size_t n = 0; n < count; n++) {
				if (nets[n].prefix > longest &&
				    (v4 & UINT32_MAX << (32 - nets[n].prefix)) == nets[n].first) {
					longest = nets[n].prefix;
					snprintf(expected, sizeof(expected), "n%zu", n);
				}
			}
			assert_int_equal(entry == NULL ? 0 : entry->name_len, strlen(expected));
			if (entry != NULL)
				assert_memory_equal(table.texts + entry->name, expected,
						    entry->name_len);
		}
		mr_buf_fini(&text);
		mr_buf_fini(&bytes);
	}
}

static void test_damaged_table(void **unused)
{
	struct mr_buf bytes = {0};
	struct network_table table;
	struct mr_error error = {0};
	(void)unused;
	build("10.0.0.0/8 a b\n", &bytes, &table);
	for (size_t i = 0; i < bytes.len; i++) {
		bytes.data[i] ^= 4;
		assert_int_equal(
		    network_table_open((struct mr_slice){bytes.data, bytes.len}, &table, &error),
		    MR_BAD_INPUT);
		bytes.data[i] ^= 4;
		assert_int_equal(
		    network_table_open((struct mr_slice){bytes.data, i}, &table, &error),
		    MR_BAD_INPUT);
	}
	mr_buf_fini(&bytes);
}

static void test_enricher(void **unused)
{
	struct stage stage;
	struct mr_event *event;
	char *folder = folder_make();
	char *path = file_write(folder, "networks",
				MR_SLICE("203.0.113.0/24 \"Head office\" egress\n"
					 "203.0.113.7 printer\n"));
	(void)unused;
	stage_init(&stage);
	mr_config_add(&stage.config, "networks", path);
	stage_open(&stage);
	event = stage_event(&stage, MR_F_SRC_IP, "203.0.113.255", 0);
	stage_event(&stage, MR_F_SRC_IP, "203.0.113.7", 0);
	stage_event(&stage, MR_F_SRC_IP, "203.0.114.0", 0);
	stage_apply(&stage);
	assert_field(&stage, event, MR_F_SRC_NETWORK, "Head office");
	assert_field(&stage, event, MR_F_SRC_NETWORK_KIND, "egress");
	assert_field(&stage, event + 1, MR_F_SRC_NETWORK, "printer");
	assert_field(&stage, event + 1, MR_F_SRC_NETWORK_KIND, "-");
	assert_field(&stage, event + 2, MR_F_SRC_NETWORK, "-");
	assert_int_equal(stage.counters.at[MR_C_NETWORK_HITS], 2);
	stage_close(&stage);
	stage_fini(&stage);
	free(path);
	folder_remove(folder);
}

static void test_addresses(void **unused)
{
	static const char *const wrong[] = {
	    "",          "1",
	    "1.2.3",     "1.2.3.4.5",
	    "1.2.3.256", "1.2.3.4 ",
	    "1..3.4",    "01.2.3.4",
	    "1.2.3.4:5", "[::1]",
	    "::1%eth0",  ":",
	    ":::",       "1:2:3",
	    "<null>",    "::ffff:1.2.3.4444444444444444444444444444444444444444"};
	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t len = strlen(wrong[i]);
		char *exact = mr_malloc(len + (len == 0));
		memcpy(exact, wrong[i], len);
		assert_int_equal(address_parse((struct mr_slice){exact, len}).family, ADDRESS_NONE);
		free(exact);
	}
	assert_int_equal(address_parse(MR_SLICE("255.0.10.1")).v4, 0xff000a01);
	assert_int_equal(address_parse(MR_SLICE("::ffff:255.0.10.1")).v4, 0xff000a01);
	assert_int_equal(address_parse(MR_SLICE("::ffff:ff00:a01")).family, ADDRESS_V4);
	assert_int_equal(address_parse(MR_SLICE("::1")).family, ADDRESS_V6);
	assert_true(address_parse(MR_SLICE("2001:DB8::a")).high == UINT64_C(0x20010db800000000));
	assert_true(address_parse(MR_SLICE("2001:db8::a")).low == 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),     cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_random),   cmocka_unit_test(test_damaged_table),
	    cmocka_unit_test(test_enricher), cmocka_unit_test(test_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
