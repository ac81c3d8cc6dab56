"""An outer correlation sees the keys that one over the records themselves sees, whatever else a record holds."""
import json
import subprocess
import unittest

import millrace_test as mr

RULES = """
title: a
id: 11111111-0000-4000-8000-000000000001
logsource: {product: m365}
detection: {selection: {Operation: A}, condition: selection}
level: low
---
title: in
id: 11111111-0000-4000-8000-000000000002
correlation:
    type: event_count
    rules: [11111111-0000-4000-8000-000000000001]
    timespan: 1h
    condition: {gte: 1}
level: low
---
title: out
id: 11111111-0000-4000-8000-000000000003
correlation:
    type: event_count
    rules: [11111111-0000-4000-8000-000000000002]
    group-by: [G]
    timespan: 1h
    condition: {gte: 1}
level: low
---
title: direct
id: 11111111-0000-4000-8000-000000000004
correlation:
    type: event_count
    rules: [11111111-0000-4000-8000-000000000001]
    group-by: [G]
    timespan: 1h
    condition: {gte: 1}
level: low
"""


class OuterKeys(unittest.TestCase):
    def keys(self, record, text=RULES):
        """Of the correlations `out` and `direct`, and the summary's counters."""
        with mr.Workplace() as place:
            rules, summary = place.path("layers.yml"), place.path("summary.json")
            with open(rules, "w", encoding="utf-8") as out:
                out.write(text)
            found = subprocess.run([mr.PROGRAM, "scan", "-r", rules, "--max-record-bytes", str(10 << 20), "--summary",
                                    summary, "-"],
                                   input=json.dumps(record).encode(), capture_output=True, env=place.environment,
                                   timeout=mr.WAIT_SECONDS * 2)
            self.assertEqual(found.returncode, 0, found.stderr)
            keys = {"out": set(), "direct": set()}
            for line in found.stdout.splitlines():
                alert = json.loads(line)
                title = alert["finding_info"]["title"]
                if title in keys:
                    keys[title].add(alert["unmapped"]["millrace"]["key"][0])
            return keys, mr.summary(summary)["counters"]

    def check(self, values, expected, **more):
        record = {"CreationTime": "2024-01-01T00:00:00", "Id": "1", "Operation": "A", "Workload": "W",
                  "RecordType": 1, "G": values, **more}
        keys, counters = self.keys(record)
        self.assertEqual(keys, {"out": expected, "direct": expected})
        return counters

    def test_repeats_case_and_missing_values_take_no_place(self):
        for values, expected in [(["a", "b"], {"a", "b"}), (["a"] * 64 + ["b"], {"a", "b"}),
                                 (["A", "a"] * 40 + ["b"], {"a", "b"}), (["<null>"] * 70 + ["b"], {"b"}),
                                 (["<NULL>", "<Null>", "null"], {"null"}),
                                 ([""] * 64 + [None, "b"], {"b"})]:
            with self.subTest(values=values):
                self.assertEqual(self.check(values, expected)["keys_capped"], 0)

    def test_what_alerts_show_takes_no_place(self):
        many = [f"value {number}" for number in range(64)]
        more = {"ObjectId": many, "ClientIP": many, "UserAgent": many, "SiteUrl": many, "SourceFileName": many,
                "AppId": many, "DeviceName": many, "UserId": many, "ResultStatus": many}
        self.check(["g"], {"g"}, **more)

    def test_what_alerts_show_takes_no_bytes(self):
        self.check(["g"], {"g"}, UserAgent="u" * (4500 << 10))

    def test_what_passes_sixty_four_is_counted(self):
        keys, counters = self.keys({"CreationTime": "2024-01-01T00:00:00", "Id": "1", "Operation": "A",
                                    "Workload": "W", "RecordType": 1, "G": [f"k{n}" for n in range(65)]})
        self.assertEqual(len(keys["out"]), 64)
        self.assertEqual(keys["out"], keys["direct"])
        self.assertGreater(counters["keys_capped"], 0)

    def test_each_product_past_sixty_four_is_counted_once(self):
        many = [f"k{n}" for n in range(9)]
        keys, counters = self.keys({"CreationTime": "2024-01-01T00:00:00", "Id": "1", "Operation": "A", "Workload": "W",
                                    "RecordType": 1, "G": many, "H": many}, RULES.replace("[G]", "[G, H]"))
        self.assertEqual(keys["out"], keys["direct"])
        self.assertEqual(counters["alerts"], 2 * 64)
        self.assertEqual(counters["keys_capped"], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
