"""`millrace rules profile`: hits are those of scan, costs add up, and what is dear stands first."""
import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

from millrace_test import PROGRAM, RULE, record, scan, write_records

SLOW_ID = "5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b12"
# It tries each way to part the x's of a record's ObjectId, up to PCRE2's limit.
SLOW = f"""title: Slow
id: {SLOW_ID}
logsource: {{product: m365}}
level: low
detection:
    selection:
        ObjectId|re: '^(x+x+)+(?!x|$)'
    condition: selection
"""
NEVER = """title: Never
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b13
logsource: {product: m365}
level: low
detection:
    selection:
        Operation: Nothing
    condition: selection
"""
COUNT = 3000
# Over RULE: ten sets by one user within an hour, then by how many users; the former has no alert of its own. One that
# settles sees each match, and is met by none.
CORRELATIONS = """title: Ten by one
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b14
name: ten
correlation: {type: event_count, rules: [5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11], group-by: [UserId], timespan: 1h, condition: {gte: 10}}
---
title: Ten by one, by three
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b15
level: high
correlation: {type: value_count, rules: [ten], group-by: [Workload], timespan: 1h, condition: {field: UserId, gte: 3}}
---
title: Less than nothing
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b16
level: low
correlation: {type: value_sum, rules: [5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11], timespan: 1h, condition: {field: RecordType, lt: 0}}
---
title: Twice by one
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b17
level: low
correlation: {type: event_count, rules: [5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11], group-by: [UserId], timespan: 1h, condition: {gte: 2}}
"""


class Profile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.records = os.path.join(self.folder, "records.ndjson")
        write_records(self.records, COUNT)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_profile(self, *arguments, **options):
        return subprocess.run([PROGRAM, "rules", "profile", *arguments], capture_output=True, text=True, timeout=240,
                              check=False, **options)

    def profile(self, *arguments, status=0, **options):
        done = self.run_profile("--json", *arguments, **options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_costs_and_hits(self):
        rules = self.write("rules.yml", RULE + "---\n" + NEVER + "---\n" + SLOW)
        report = self.profile("-r", rules, self.records)
        self.assertEqual((report["records"], report["not_parsed"]), (COUNT, 0))
        self.assertEqual({rule["title"]: rule["hits"] for rule in report["rules"]},
                         {"A mailbox was set": COUNT // 3, "Never": 0, "Slow": 0})
        status, alerts, _ = scan("-r", rules, self.records)
        self.assertEqual((status, len(alerts)), (0, COUNT // 3))
        costs = [rule["own_ns"] + rule["share_ns"] for rule in report["rules"]]
        self.assertEqual(costs, sorted(costs, reverse=True))
        self.assertEqual(report["rules"][0]["title"], "Slow")
        self.assertEqual((report["rules"][0]["file"], report["rules"][0]["line"]), (rules, 21))
        self.assertAlmostEqual(sum(costs) + report["unparted_ns"], report["ns_per_record"], delta=0.1)
        for rule in report["rules"]:
            self.assertTrue(0 <= rule["tried"] <= 1 and rule["own_ns"] >= 0 and rule["share_ns"] >= 0, rule)
        tried = {rule["title"]: rule["tried"] for rule in report["rules"]}
        self.assertEqual((tried["Never"], tried["Slow"]), (0, 1))
        self.assertAlmostEqual(tried["A mailbox was set"], 1 / 3, delta=0.01)

    def test_correlations(self):
        """What reaches each, what it costs, and its alerts, which are scan's."""
        rules = self.write("rules.yml", RULE + "---\n" + CORRELATIONS)
        report = self.profile("-r", rules, self.records)
        by_title = {rule["title"]: rule for rule in report["rules"]}
        status, alerts, _ = scan("-r", rules, self.records)
        self.assertEqual(status, 0)
        found = collections.Counter(alert["finding_info"]["title"] for alert in alerts)
        self.assertEqual(found, {"Ten by one, by three": 1, "Twice by one": 97})
        completing = COUNT // 3 - 9 * 97  # of each user all but nine
        self.assertEqual({title: (rule["kind"], rule["hits"]) for title, rule in by_title.items()},
                         {"A mailbox was set": ("detection", COUNT // 3), "Ten by one": ("event_count", completing),
                          "Ten by one, by three": ("value_count", 1), "Less than nothing": ("value_sum", 0),
                          "Twice by one": ("event_count", 97)})
        for title, came in (("Ten by one", COUNT // 3), ("Less than nothing", COUNT // 3), ("Twice by one", COUNT // 3),
                            ("Ten by one, by three", completing)):
            self.assertAlmostEqual(by_title[title]["tried"], came / COUNT, delta=0.001, msg=title)
            self.assertGreater(by_title[title]["own_ns"], 0, title)
            self.assertEqual(by_title[title]["share_ns"], 0)
        costs = [rule["own_ns"] + rule["share_ns"] for rule in report["rules"]]
        self.assertEqual(costs, sorted(costs, reverse=True))
        self.assertAlmostEqual(sum(costs) + report["unparted_ns"], report["ns_per_record"], delta=0.1)

    def test_text(self):
        rules = self.write("rules.yml", RULE + "---\n" + NEVER + "---\n" + SLOW)
        done = self.run_profile("-r", rules, "--top", "2", self.records)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], f"^{COUNT} records, 0 not parsed; 3 detections and 0 correlations cost [0-9]+ ns a record")
        self.assertEqual(lines[1].split(), ["cost", "own", "ns", "share", "ns", "tried", "hits", "rule"])
        self.assertTrue(lines[2].endswith(f'{rules}:21: "Slow"'), lines)
        self.assertEqual((len(lines), lines[4]), (5, "… and 1 more (--top N)"))

    def test_what_scan_reads(self):
        """Containers, standard input, broken records; what cannot be read whole is told."""
        rules = self.write("rules.yml", RULE)
        packed = os.path.join(self.folder, "packed.json.gz")
        with gzip.open(packed, "wt", encoding="utf-8") as file:
            json.dump({"value": [record(n) for n in range(30)]}, file)
        report = self.profile("-r", rules, packed, self.write("more.ndjson", "{broken\n" + json.dumps(record(0)) + "\n"))
        self.assertEqual((report["records"], report["not_parsed"], report["rules"][0]["hits"]), (31, 1, 11))
        report = self.profile("-r", rules, "-", input=json.dumps(record(0)) + "\n")
        self.assertEqual((report["records"], report["rules"][0]["hits"]), (1, 1))
        with open(packed, "rb") as file:
            torn = self.write("torn.gz", "")
            with open(torn, "wb") as out:
                out.write(file.read()[:-20])
        self.profile("-r", rules, torn, status=1)

    def test_installed_rules_and_wrong_use(self):
        self.assertGreater(len(self.profile(self.records)["rules"]), 10)
        rules = self.write("rules.yml", RULE)
        for arguments in ([], ["-r", rules], ["-r", rules, "/nowhere"], ["-n", "0", "-r", rules, self.records],
                          ["-r", "/nowhere", self.records], ["--bogus", self.records],
                          ["-r", self.write("bad.yml", "title: x\n"), self.records]):
            done = self.run_profile(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertNotEqual(done.stderr, "", arguments)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
