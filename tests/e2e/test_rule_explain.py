"""`millrace rules explain`: the tree says what the engine says, and each test what it saw and why it does not hold."""
import glob
import json
import os
import pty
import subprocess
import sys
import tempfile
import unittest

from millrace_test import PROGRAM, ROOT, SHARED

RULE_ID = "5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11"
RECORD = {"RecordType": 1, "Workload": "Exchange", "Operation": "Set-Mailbox", "UserId": "ann@example.com",
          "ClientIP": "203.0.113.7", "CreationTime": "2024-05-01T10:15:00", "Count": 7, "Text": "7", "Flag": True,
          "Nothing": None, "Many": [f"v{n}" for n in range(7)]}


def rule(detection, logsource="{product: m365, service: audit}"):
    return (f"title: A rule\nid: {RULE_ID}\nname: own\nlevel: low\nlogsource: {logsource}\n"
            f"detection: {json.dumps(detection)}\n")


def leaves(node):
    """The tests of a tree, and the labels on the way to each."""
    if node["kind"] == "test":
        yield node, node["labels"]
    for child in node.get("children", []):
        for leaf, labels in leaves(child):
            yield leaf, node["labels"] + labels


class Explain(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_explain(self, *arguments, **options):
        return subprocess.run([PROGRAM, "rules", "explain", *arguments], capture_output=True, text=True, timeout=120,
                              check=False, **options)

    def explain(self, text, record=None, status=1):
        """The one rule of the file, as JSON."""
        path = self.write("rule.yml", text)
        done = self.run_explain("--json", path, json.dumps(record or RECORD))
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["matches"], status == 0)
        return report["rules"][0]

    def test_tree(self):
        text = rule({"sel": {"Operation": ["Get-Mailbox", "Set-Mailbox"], "UserId|startswith": "bob"},
                     "filter": {"Workload": "Exchange"}, "condition": "sel and not filter"})
        done = self.run_explain(self.write("rule.yml", text), json.dumps(RECORD))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, f'''{self.folder}/rule.yml:1: "A rule" does not match, a record of kind m365.audit
no   condition sel and not filter: all of
no     sel: all of
yes      Operation: any of
no         "Get-Mailbox"  (it is "Set-Mailbox")
yes        "Set-Mailbox"  (it is "Set-Mailbox")
no       UserId|startswith: "bob"  (it is "ann@example.com")
no     not
yes      filter: Workload: "Exchange"  (it is "Exchange")
''')
        tree = self.explain(text)["tree"]
        self.assertEqual((tree["kind"], tree["holds"], tree["labels"][0]),
                         ("all", False, {"kind": "condition", "text": "sel and not filter", "line": 6,
                                         "column": text.splitlines()[5].index('"sel and not') + 1}))
        self.assertEqual([(leaf["holds"], [label["text"] for label in labels if label["kind"] == "identifier"])
                          for leaf, labels in leaves(tree)],
                         [(False, ["sel"]), (True, ["sel"]), (False, ["sel"]), (True, ["filter"])])

    def test_words(self):
        """Of each kind of test what it asks, and why it does not hold."""
        cases = [({"Operation": "get*"}, 'starts with "get"', ""), ({"Operation|endswith": "Y"}, 'ends with "y"', ""),
                 ({"Operation|contains|cased": "mailBox"}, 'contains "mailBox", in this case', ""),
                 ({"Operation|cased": "set-mailbox"}, 'is "set-mailbox", in this case', "only the case of letters"),
                 ({"Operation": "g?t*x"}, 'is like "g?t*x"', ""), ({"Operation|re": "^x+$"}, "has /^x+$/ in it", ""),
                 ({"ClientIP|cidr": "10.0.0.0/8"}, "is in 10.0.0.0/8", ""), ({"Count": 8}, "is 8", ""),
                 ({"Text|gt": 7}, "is > 7", ""), ({"Operation|lt": 7}, "is < 7", "it is no number"),
                 ({"Text": True}, "is true", "it is no boolean"), ({"Operation": None}, "is missing or null", ""),
                 ({"Nothing|neq": None}, "is there and not null", "it is null"), ({"Nothing": "x"}, 'is "x"', "it is null"),
                 ({"Gone|exists": True}, "is there", "the record has no Gone"),
                 ({"Nothing|exists": False}, "is not there", ""), ({"UserId|fieldref": "Operation"}, "is what operation is", ""),
                 ({"CreationTime|hour": 11}, "is a time whose hour is 11 (UTC)", ""),
                 ({"Opration": "x"}, 'is "x"', 'is its "Operation" meant?'),
                 ({"actor.user.is_privileged": True}, "is true", "which --identity fills"),
                 ({"Many": "x"}, 'is "x"', "")]
        detection = {f"s{n}": test for n, (test, _, _) in enumerate(cases)}
        tree = self.explain(rule({**detection, "keys": ["nowhere"], "condition": "all of s* and keys"}))["tree"]
        got = [leaf for leaf, _ in leaves(tree)]
        self.assertEqual(len(got), len(cases) + 1)
        for leaf, (test, asks, why) in zip(got, cases):
            self.assertFalse(leaf["holds"], test)
            self.assertEqual(leaf["asks"], asks, test)
            self.assertIn(why, leaf["why"], test)
            self.assertEqual(leaf["why"] == "", why == "", (test, leaf["why"]))
        self.assertEqual(got[len(cases) - 1]["saw"], '"v0", "v1", "v2", "v3" and 3 more')
        self.assertEqual(got[-1]["why"], "no value of the record does")

    def test_filters_and_mappings(self):
        sigma = rule({"s": {"eventName": "Set-Mailbox"}, "condition": "s"}, "{product: m365, service: exchange}")
        tuned = ("title: Not ann\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b19\nlogsource: {product: m365, service: exchange}\n"
                 "filter: {rules: [own], a: {UserId|startswith: ann}, condition: not a}\n")
        tree = self.explain(sigma + "---\n" + tuned)["tree"]
        kinds = [{label["kind"]: label["text"] for label in labels} for _, labels in leaves(tree)]
        self.assertIn({"logsource": "{product: m365, service: exchange}"}, kinds)
        self.assertTrue(any(labels.get("mapping") == "eventName" for labels in kinds), kinds)
        self.assertTrue(any(labels.get("filter") == "Not ann" for labels in kinds), kinds)
        self.assertIn(("operation", True), [(leaf["field"], leaf["holds"]) for leaf, _ in leaves(tree)])

    def test_records_that_the_rule_does_not_see(self):
        text = rule({"s": {"a": "b"}, "condition": "s"}, "{product: azure, service: auditlogs}")
        got = self.explain(text, {"a": "b"})
        self.assertEqual((got["tree"], got["record_kind"], got["sees"]), (None, "unknown", "m365.audit, entra.audit"))

    def test_logsource(self):
        """A record that is said to be of a logsource."""
        path = self.write("rule.yml", rule({"s": {"Image|endswith": "cmd.exe"}, "condition": "s"}, "{product: windows}"))
        record = json.dumps({"Image": "C:\\cmd.exe"})
        done = self.run_explain("--logsource", "product=windows,category=process_creation", path, record)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('yes  condition s: s: Image|endswith: "cmd.exe"', done.stdout)
        for arguments, status in ((("--logsource", "product=linux"), 1), ((), 1), (("--logsource", "windows"), 2)):
            self.assertEqual(self.run_explain(*arguments, path, record).returncode, status, arguments)

    def test_many_values(self):
        """Of many that do not hold the first few are shown; that which does is."""
        values = [f"op{n}" for n in range(500)]
        for record, shown, more in ((RECORD, 12, "… and 488 more"), ({**RECORD, "Operation": "op499"}, 1, "… and 499 more")):
            done = self.run_explain(self.write("rule.yml", rule({"s": {"Operation": values}, "condition": "s"})),
                                    json.dumps(record))
            self.assertEqual(done.stdout.count('"op'), shown + (shown == 1))
            self.assertIn(more, done.stdout)

    def test_members(self):
        """Of several values the one that a test holds of, each test of its own; of none all are shown."""
        record = {**RECORD, "Many": ["b0", "v1", "v2"], "Numbers": [1, 2, None, 7], "Twice": [["x"], "y"],
                  "Parameters": [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]}
        cases = [({"Many|contains|all": ["2", "v"]}, [("v2", 3, 1), ("v1", 2, 2)]), ({"Numbers|gt": 5}, [(7, 3, 1)]),
                 ({"Twice": "y"}, [("y", 2, 1)]), ({"Parameters.Value": "2"}, [("2", 2, 1)]),
                 ({"Many|fieldref|contains": "Text"}, [None]), ({"Many|exists": True}, [None]), ({"Many|re": "^b"}, [("b0", 1, 1)]),
                 ({"Many": "nothing"}, [None]), ({"UserId": "ann@example.com"}, [None]), ({"Numbers|neq": 8}, [None])]
        detection = {f"s{n}": test for n, (test, _) in enumerate(cases)}
        tree = self.explain(rule({**detection, "condition": "all of s*"}), record)["tree"]
        got = [leaf for leaf, _ in leaves(tree)]
        wanted = [one for _, members in cases for one in members]
        self.assertEqual([(leaf["matched"], leaf["matched_at"], leaf["matching"]) for leaf in got],
                         [("", 0, 0) if one is None else (json.dumps(one[0]), *one[1:]) for one in wanted])
        self.assertEqual([leaf["values"] for leaf in got], [3, 3, 3, 2, 2, 3, 3, 3, 3, 1, 3])
        text = self.run_explain(self.write("rule.yml", rule({**detection, "condition": "all of s*"})), json.dumps(record)).stdout
        for line in ('yes      "2"  (value 3 of 3 is "v2")\n', 'yes      "v"  (value 2 of 3 is "v1", and 1 more match)\n',
                     'no     s7: Many: "nothing"  (none of 3 values: "b0", "v1", "v2")\n'):
            self.assertIn(line, text)

    def test_keywords(self):
        """Where in the record a keyword stands."""
        record = {**RECORD, "Deep": [{"inner": {"text": "it says Mimikatz"}}, {"inner": {"text": "mimikatz"}}], "Mimikatz": 1}
        text = rule({"k": ["mimikatz", "nowhere"], "condition": "k"})
        self.assertIn('yes    "mimikatz"  (Deep.inner.text is "it says Mimikatz", and 1 more match)\n'
                      'no     "nowhere"  (no value of the record does)\n',
                      self.run_explain(self.write("rule.yml", text), json.dumps(record)).stdout)
        first, second = (leaf for leaf, _ in leaves(self.explain(text, record, 0)["tree"]))
        self.assertEqual((first["matched"], first["matched_in"], first["matching"]), ('"it says Mimikatz"', "Deep.inner.text", 2))
        self.assertEqual((second["matched"], second["matched_in"], second["matching"]), ("", "", 0))
        nameless = self.run_explain(self.write("rule.yml", text), json.dumps({"": {"": ["mimikatz"]}, **RECORD})).stdout
        self.assertIn('yes    "mimikatz"  (a value is "mimikatz")\n', nameless)

    def test_placeholders(self):
        """The name, and each text that it stands for."""
        values = self.write("values", "people: [ann@example.com, 'bo*']\nhosts: [a, b]\n")
        text = rule({"s": {"UserId|expand": ["%people%", "x%people%%hosts%"], "Operation|re|expand": "^%people%"}, "condition": "s"})
        path = self.write("rule.yml", text)
        shown = self.run_explain("--placeholders", values, path, json.dumps(RECORD)).stdout
        self.assertIn('yes    UserId|expand: any of\nyes      "%people%": stands for "ann@example.com"  (it is "ann@example.com")\n'
                      'no       "%people%": stands for "bo*"  (it is "ann@example.com")\n'
                      'no       "x%people%%hosts%": stands for "xann@example.coma"  (it is', shown)
        self.assertIn('"^%people%": stands for "^bo*"', shown)
        done = self.run_explain("--json", "--placeholders", values, path, json.dumps(RECORD))
        labels = [{label["kind"]: label["text"] for label in labels} for _, labels in leaves(json.loads(done.stdout)["rules"][0]["tree"])]
        self.assertEqual([(label["value"], label["expanded"]) for label in labels[:3]],
                         [("%people%", "ann@example.com"), ("%people%", "bo*"), ("x%people%%hosts%", "xann@example.coma")])

    def test_correlation(self):
        over = ("title: Over\nid: over\nlevel: low\ncorrelation: {type: event_count, rules: [own], group-by: [UserId, Gone], "
                "timespan: 1h, condition: {gte: 2}}\n")
        path = self.write("rule.yml", rule({"s": {"Operation": "Set-Mailbox"}, "condition": "s"}))
        done = self.run_explain("-r", path, "-r", self.write("over.yml", over), "over", json.dumps(RECORD))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"Over" is of type event_count, over:\n', done.stdout)
        self.assertIn('     group-by UserId: "ann@example.com"\n     group-by Gone: the record has none\n', done.stdout)
        both = self.run_explain("-r", path, "--json", "-r", self.write("over.yml", over), "over", json.dumps(RECORD))
        self.assertEqual(json.loads(both.stdout)["rules"][0]["rules"][0]["group_by"],
                         {"UserId": '"ann@example.com"', "Gone": ""})

    def test_where_the_record_is(self):
        path = self.write("rule.yml", rule({"s": {"Operation": "Set-Mailbox"}, "condition": "s"}))
        other = json.dumps({**RECORD, "Operation": "x"})
        lines = self.write("records.ndjson", other + "\n" + json.dumps(RECORD) + "\n")
        many = self.write("many.ndjson", (json.dumps(RECORD) + "\n") * ((5 << 20) // len(json.dumps(RECORD))))
        whole = self.write("record.json", "\ufeff" + json.dumps(RECORD, indent=2))
        for arguments, status in ((("-n", "1", path, lines), 1), (("-n", "2", path, lines), 0), ((path, whole), 0)):
            self.assertEqual(self.run_explain(*arguments).returncode, status, arguments)
        self.assertEqual(self.run_explain(path, "-", input=json.dumps(RECORD)).returncode, 0)
        for arguments, words in (((path, lines), "several records, one on a line? --line N"),
                                 ((path, many), "are possible here (several records, one on a line? --line N"), (("-n", "4", path, lines), "no line 4"), (("-n", "0", path, lines), "--help"),
                                 ((path, "{"), "cannot be parsed"), ((path, "/nowhere"), "/nowhere"), ((path,), "--help"),
                                 (("nothing", "{}"), "no rule's id"), ((path, "[]"), "[]"),
                                 ((self.write("bad.yml", "title: x\n"), "{}"), "refused: ")):
            done = self.run_explain(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(words, done.stderr)

    def test_colours_on_a_terminal_alone(self):
        path = self.write("rule.yml", rule({"s": {"Operation": "Set-Mailbox"}, "condition": "s"}))
        command = [PROGRAM, "rules", "explain", path, json.dumps({**RECORD, "Operation": "\x1b[31mx"})]
        plain = subprocess.run(command, capture_output=True, timeout=120, check=False)
        self.assertNotIn(b"\x1b", plain.stdout)
        for terminal, colours in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                  ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            ours, theirs = pty.openpty()
            subprocess.run(command, stdout=theirs, timeout=120, check=False,
                           env={**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, **terminal})
            os.close(theirs)
            shown = os.read(ours, 65536)
            os.close(ours)
            self.assertEqual(b"\x1b[31mno" in shown, colours)
            self.assertNotIn(b"\x1b[31mx", shown)

    def test_as_the_engine_says(self):
        """Public rules on records of their own tests: a tree that said otherwise would be an error."""
        sigma = os.path.join(SHARED, "data", "sigma")
        tests = sorted(glob.glob(os.path.join(ROOT, "tests", "rules", "public", "*.yml")))[::12]
        if not os.path.exists(sigma):
            self.skipTest(f"{sigma} is missing")
        self.assertGreater(len(tests), 5)
        files = {os.path.basename(path): path for path in glob.glob(sigma + "/**/*.yml", recursive=True)}
        for test in tests:
            told = subprocess.run([PROGRAM, "rules", "test", "--all", "--placeholders",
                                   os.path.join(ROOT, "tests", "rules", "placeholders.yml"), test,
                                   files[os.path.basename(test)]], capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(told.returncode, 0, told.stdout)
        # Turned round, each fails, with its tree.
        for test in tests:
            with open(test, encoding="utf-8") as file:
                text = file.read()
            turned = text.replace("matches: true", "matches: x").replace("matches: false", "matches: true")
            told = subprocess.run([PROGRAM, "rules", "test", "--json", "--placeholders",
                                   os.path.join(ROOT, "tests", "rules", "placeholders.yml"),
                                   self.write("turned.yml", turned.replace("matches: x", "matches: false")),
                                   files[os.path.basename(test)]], capture_output=True, text=True, timeout=120, check=False)
            for result in json.loads(told.stdout)["results"]:
                head, tree = result["reason"].split("\n")[0], result["reason"].split("\n")[1:]
                matches = head.startswith("the rule matches ")
                self.assertIn(" matches, " if matches else " does not match, ", tree[0])
                self.assertEqual(tree[1].startswith("yes"), matches)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
