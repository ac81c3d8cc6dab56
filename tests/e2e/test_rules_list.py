"""`millrace rules list --logsource` and `--records`: which rules work on a log, and why others never hold there."""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import unittest

from millrace_test import PROGRAM

PROCESS = "product=windows,category=process_creation"
AUDIT = "{product: m365, service: audit}"


def rule(identity, detection, logsource="{product: windows, category: process_creation}"):
    return (f"title: Rule {identity}\nid: {identity}\nlevel: low\nlogsource: {logsource}\n"
            f"detection: {json.dumps(detection)}\n---\n")


def simple(identity, test, logsource="{product: windows, category: process_creation}"):
    return rule(identity, {"s": test, "condition": "s"}, logsource)


def over(identity, kind, rules, more=""):
    return (f"title: Rule {identity}\nid: {identity}\nlevel: low\n"
            f"correlation: {{type: {kind}, rules: [{', '.join(rules)}], timespan: 1h{more}}}\n---\n")


class List(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def records(self, *records):
        return self.write("records.ndjson", "".join(json.dumps(record) + "\n" for record in records))

    def run_list(self, *arguments, status=0):
        done = subprocess.run([PROGRAM, "rules", "list", *arguments], capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def listed(self, rules, *arguments):
        """By id, as JSON; and what stands on standard error."""
        done = self.run_list("--json", *arguments, self.write("rules.yml", rules))
        return {one["id"]: one for one in json.loads(done.stdout)}, done.stderr

    def uses(self, rules, *arguments):
        return {identity: one["use"] for identity, one in self.listed(rules, *arguments)[0].items()}

    def test_a_declared_logsource(self):
        rules = (simple("direct", {"Image": "x"}) + simple("broad", {"Image": "x"}, "{product: windows}")
                 + simple("all", {"Image": "x"}, "{}") + simple("other", {"Image": "x"}, "{product: windows, service: security}")
                 + simple("waits", {"Image|expand": "%tools%"}) + simple("elsewhere", {"a|expand": "%tools%"}, AUDIT)
                 + rule("never", {"a": {"Image": "x"}, "b": {"Image": "x"}, "condition": "a and not b"})
                 + over("count", "event_count", ["other", "direct"], ", condition: {gte: 2}")
                 + over("outer", "event_count", ["count"], ", condition: {gte: 2}")
                 + over("both", "temporal", ["direct", "other"]) + over("one_of", "temporal", ["direct", "other"],
                                                                        ", condition: {gte: 1}")
                 + over("dead", "temporal_ordered", ["direct", "never"]) + over("far", "temporal", ["other", "elsewhere"]))
        got, words = self.listed(rules, "--logsource", PROCESS)
        self.assertEqual({identity: one["use"] for identity, one in got.items()},
                         {"direct": "direct", "broad": "direct", "all": "direct", "other": "other", "waits": "inactive",
                          "elsewhere": "other", "never": "never", "count": "direct", "outer": "direct", "both": "direct",
                          "one_of": "direct", "dead": "never", "far": "other"})
        self.assertEqual(got["both"]["why"], 'it also needs "Rule other", which sees no such records')
        self.assertEqual([got[name]["why"] for name in ("one_of", "count", "direct")], ["", "", ""])
        self.assertEqual(got["dead"]["why"], 'it needs "Rule never"')
        self.assertIn("contradicts itself", got["never"]["why"])
        self.assertIn(f"7 of 13 rules work on records of {PROCESS}: 7 direct, 0 mapped; 2 never hold there, 1 are inactive\n",
                      words)
        text = self.run_list("--logsource", PROCESS, os.path.join(self.folder, "rules.yml")).stdout.splitlines()
        self.assertEqual(len(text), 10)
        self.assertEqual(text[0].split("\t"), ["direct", "direct", "low", "detection (base only)", "Rule direct",
                                               f"{self.folder}/rules.yml", ""])

    def test_filters(self):
        """Which rule has which, and the filters themselves."""
        rules = simple("a", {"Image": "x"}) + simple("b", {"Image": "x"}) + simple("c", {"Image": "x"}, AUDIT) + "".join(
            f"title: Filter {name}\nid: {name}\nlogsource: {{product: windows, category: process_creation}}\n"
            f"filter: {{rules: {names}, s: {{User: {name}}}, condition: not s}}\n---\n" for name, names in (("f", "[b]"), ("g", "any")))
        got, _ = self.listed(rules)
        self.assertEqual({name: got[name].get("filters", got[name].get("rules")) for name in got},
                         {"a": ["g"], "b": ["f", "g"], "c": [], "f": ["b"], "g": ["a", "b"]})
        self.assertEqual((got["f"]["kind"], got["f"]["line"]), ("filter", 19))
        path = os.path.join(self.folder, "rules.yml")
        lines = [line.split("\t") for line in self.run_list(path).stdout.splitlines()]
        self.assertEqual([line[5:] for line in lines],
                         [['filtered by "Filter g"'], ['filtered by "Filter f", "Filter g"'], [], ["of 1 rule"], ["of 2 rules"]])
        self.assertEqual(lines[4][:5], ["g", "-", "filter", "Filter g", path])
        asked = self.run_list("--logsource", PROCESS, path).stdout.splitlines()
        self.assertEqual([line.split("\t")[-1] for line in asked], [line[5] for line in lines[:2]])

    def test_a_broad_one_is_parted_by_its_events(self):
        rules = simple("a", {"Image": "x"}) + simple("b", {"Image": "x"}, "{product: linux}")
        self.assertEqual(self.uses(rules, "--logsource", "product=windows"), {"a": "direct", "b": "other"})
        got, _ = self.listed(rules, "--logsource", "product=windows", "--records", self.records({"Image": "x"}))
        self.assertEqual((got["a"]["use"], got["a"]["lacks"], got["a"]["why"]),
                         ("never", [], 'no record has the field "channel", which tells events of its logsource'))
        event = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": "x"}
        self.assertEqual(self.uses(rules, "--logsource", "product=windows", "--records", self.records(event)),
                         {"a": "direct", "b": "other"})

    def test_one_that_is_told_by_its_content(self):
        sign = "{product: azure, service: signinlogs}"
        rules = (simple("mapped", {"Status": "Success"}, sign) + simple("never", {"ActivityDetails": "Sign-ins"}, sign)
                 + simple("exchange", {"Operation": "x"}, "{product: m365, service: exchange}")
                 + simple("audit", {"Operation": "x"}, AUDIT) + simple("windows", {"Image": "x"}) + simple("all", {"a": "x"}, "{}"))
        got, _ = self.listed(rules, "--logsource", "product=azure,service=signinlogs")
        self.assertEqual({identity: one["use"] for identity, one in got.items()},
                         {"mapped": "mapped", "never": "never", "exchange": "other", "audit": "direct", "windows": "other",
                          "all": "direct"})
        self.assertEqual((got["mapped"]["mapped"], got["mapped"]["lacks"]), (["Status"], []))
        self.assertEqual(got["never"]["why"],
                         'no record that the vendor documents satisfies it: none has the field "ActivityDetails"')
        text = self.run_list("--logsource", "product=azure,service=signinlogs", os.path.join(self.folder, "rules.yml")).stdout
        self.assertEqual([line.split("\t")[-1] for line in text.splitlines()],
                         ["maps Status", got["never"]["why"], "", ""])
        self.assertEqual(self.uses(rules, "--logsource", "product=azure,service=graphactivitylogs"),
                         {"mapped": "other", "never": "other", "exchange": "other", "audit": "other", "windows": "other",
                          "all": "direct"})

    def test_records(self):
        """What none of them has; a rule that can do without it is not lost."""
        rules = (simple("there", {"Image": "x", "Null": None}) + simple("gone", {"Image": "x", "Gone|endswith": "x"})
                 + rule("either", {"a": {"Image": "x"}, "b": {"Gone": "x", "Far": "x"}, "condition": "a or b"})
                 + simple("absent", {"Gone": None}) + simple("no", {"Gone|exists": False}) + simple("yes", {"Gone|exists": True})
                 + simple("unlike", {"Gone|neq": "x"}) + simple("refers", {"Image|fieldref": "Gone"})
                 + simple("word", ["x"]) + simple("filled", {"src_endpoint.location.country": "NL"})
                 + "title: Not that\nid: f\nlogsource: {product: windows, category: process_creation}\n"
                   "filter: {rules: [there], f: {Gone: x}, condition: not f}\n")
        path = self.records({"Image": "a", "Null": None}, {"Image": "b"})
        with open(path, "a", encoding="utf-8") as file:
            file.write("no record\n")
        got, words = self.listed(rules, "--logsource", PROCESS, "--records", path)
        self.assertEqual({identity: one["use"] for identity, one in got.items()},
                         {"there": "direct", "gone": "never", "either": "direct", "absent": "direct", "no": "direct", "yes": "never",
                          "unlike": "direct", "refers": "never", "word": "direct", "filled": "direct"})
        self.assertEqual({identity: one["lacks"] for identity, one in got.items() if one["lacks"]},
                         {"gone": ["Gone"], "either": ["Gone", "Far"], "absent": ["Gone"], "no": ["Gone"], "yes": ["Gone"],
                          "unlike": ["Gone"]})
        self.assertEqual(got["gone"]["why"], 'no record has the field "Gone"')
        self.assertIn("2 records, 1 not parsed: 2 declared\n", words)
        self.assertIn("fields that no record has, and rules that ask for them: Gone (6), Far (1)\n", words)
        line = self.run_list("--logsource", PROCESS, "--records", path,
                             os.path.join(self.folder, "rules.yml")).stdout.splitlines()[1]
        self.assertEqual(line.split("\t")[-1], 'no record has the field "Gone"; lacks Gone')

    def test_records_that_are_told_by_their_content(self):
        rules = (simple("there", {"eventName": "Set-Mailbox"}, AUDIT) + simple("lacks", {"Parameters.Far": "x"}, AUDIT)
                 + simple("sign", {"resultType": "0"}, "{product: azure, service: pim}"))
        path = self.records({"RecordType": 1, "Workload": "Exchange", "Operation": "Set-Mailbox", "UserId": "a@example.com",
                             "Id": "1", "CreationTime": "2024-05-01T10:15:00"})
        got, words = self.listed(rules, "--records", path)
        self.assertEqual({identity: (one["use"], one["lacks"]) for identity, one in got.items()},
                         {"there": ("mapped", []), "lacks": ("never", ["Parameters.Far"]), "sign": ("other", [])})
        self.assertIn("1 of 3 rules work on these records: 0 direct, 1 mapped; 1 never hold there", words)
        self.assertIn("1 records, 0 not parsed: 1 m365.audit\n", words)
        self.assertEqual(self.uses(rules, "--records", path, "--logsource", "product=azure,service=pim"),
                         {"there": "other", "lacks": "other", "sign": "other"})

    def test_faults(self):
        rules = self.write("rules.yml", simple("a", {"Image": "x"}))
        self.assertIn("is no logsource", self.run_list("--logsource", "windows", rules, status=2).stderr)
        self.assertIn("is the logsource product=windows,category=process_creation meant?",
                      self.run_list("--logsource", "product=windows,category=process_create", rules).stderr)
        self.run_list("--records", os.path.join(self.folder, "none"), rules, status=2)
        torn = self.write("torn.gz", gzip.compress(b'{"Image": "x"}\n' * 99)[:-9])
        self.run_list("--records", torn, rules, status=1)
        bad = self.write("bad.yml", "title: Bad\n")
        self.assertIn("bad.yml:1:1: refused: ", self.run_list("--logsource", PROCESS, rules, bad, status=1).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
