"""`millrace rules test`: tests of rules, told as text, JSON and JUnit, by the stages that scan runs."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from millrace_test import PROGRAM, RULE, scan

RULE_ID = "5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11"
OVER_ID = "5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b12"
NAMED = RULE + "name: set_mailbox\n"
OVER = f"""title: Many mailboxes were set
id: {OVER_ID}
name: many
correlation:
    type: event_count
    rules: [set_mailbox]
    group-by: [UserId]
    timespan: 10m
    condition: {{gte: 3}}
level: high
"""
HIT = {"RecordType": 1, "Workload": "Exchange", "Operation": "Set-Mailbox", "UserId": "ann@example.com",
       "OrganizationId": "0873ee4d-d342-44f2-8961-74c442a2fad2"}
MISS = {**HIT, "Operation": "Get-Mailbox"}


def suite(rule, *tests):
    return json.dumps({"rule": rule, "tests": tests}) + "\n"


def case(record=None, **members):
    return {"name": "a test", **({} if record is None else {"record": record}), **members}


class RuleTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, *documents):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("---\n".join(documents))
        return path

    def run_tests(self, *arguments):
        return subprocess.run([PROGRAM, "rules", "test", *arguments], capture_output=True, text=True, timeout=120,
                              check=False)

    def report(self, *arguments, status):
        done = self.run_tests("--json", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def outcomes(self, *documents, status):
        """Of the tests in one file, what each came to and why not."""
        report = self.report(self.write("rules.yml", *documents), status=status)
        self.assertEqual(report["tests"], report["passed"] + report["failed"] + report["errors"])
        return [(result["outcome"], result.get("reason", "")) for result in report["results"]]

    def test_matches(self):
        path = self.write("rule.yml", NAMED, suite("set_mailbox", case(HIT, matches=True), case(MISS, matches=False)),
                          suite(RULE_ID, case(HIT, matches=False), case(MISS, matches=True)))
        report = self.report(path, status=1)
        self.assertEqual([(r["outcome"], r["rule"], r["file"], r["line"]) for r in report["results"]],
                         [("passed", RULE_ID, path, 13), ("passed", RULE_ID, path, 13),
                          ("failed", RULE_ID, path, 15), ("failed", RULE_ID, path, 15)])
        self.assertIn("the rule matches record 1", report["results"][2]["reason"])
        self.assertIn("the rule does not match record 1", report["results"][3]["reason"])
        text = self.run_tests(path)
        self.assertEqual(text.returncode, 1)
        lines = text.stdout.splitlines()
        self.assertTrue(lines[0].startswith(f"{path}:15:"), text.stdout)
        self.assertIn('failed: "A mailbox was set": a test', lines[0])
        self.assertEqual(lines[-1], "4 tests: 2 passed, 2 failed, 0 errors; 0 of 1 rules have none")
        self.assertEqual(self.run_tests("--all", path).stdout.count("passed: "), 2)

    def test_junit(self):
        path = self.write("rule.yml", NAMED, suite("set_mailbox", case(HIT, matches=True), case(MISS, matches=True)),
                          suite("nobody", case(HIT, matches=True, name='<&">\x07')))
        out = os.path.join(self.folder, "out.xml")
        self.assertEqual(self.run_tests("--junit", out, path).returncode, 1)
        root = xml.etree.ElementTree.parse(out).getroot()
        self.assertEqual((root.tag, root.get("tests"), root.get("failures"), root.get("errors")),
                         ("testsuites", "3", "1", "1"))
        self.assertEqual([(s.get("name"), s.get("tests")) for s in root], [("A mailbox was set", "2"), ("nobody", "1")])
        for sums in ("tests", "failures", "errors"):
            self.assertEqual(sum(int(s.get(sums)) for s in root), int(root.get(sums)), sums)
        for s in root:
            self.assertEqual([len(s), len(s.findall("*/failure")), len(s.findall("*/error"))],
                             [int(s.get(sums)) for sums in ("tests", "failures", "errors")])
            self.assertTrue(all(c.get("name") and c.get("classname") and float(c.get("time")) >= 0 for c in s))
        cases = root.findall("testsuite/testcase")
        self.assertEqual([[child.tag for child in c] for c in cases], [[], ["failure"], ["error"]])
        self.assertEqual(cases[2].get("name"), '<&">\N{REPLACEMENT CHARACTER}')
        self.assertEqual(self.run_tests("--junit", self.folder, path).returncode, 1)

    def test_beside(self):
        """A file's tests stand beside it, and the rule beside its tests; a folder has both."""
        self.write("one.yml", NAMED)
        self.write("one.test.yml", suite("set_mailbox", case(HIT, matches=True)))
        for name in ("one.yml", "one.test.yml", ""):
            report = self.report(os.path.join(self.folder, name), status=0)
            self.assertEqual((report["tests"], report["rules"], report["untested"]), (1, 1, []), name)
        self.write("two.yml", OVER)
        self.assertEqual(self.report(self.folder, status=0)["untested"], [OVER_ID])
        self.assertEqual(self.run_tests(os.path.join(self.folder, "two.yml")).returncode, 2)
        # Who loads the folder's rules does not see the tests.
        done = subprocess.run([PROGRAM, "rules", "check", "--json", self.folder], capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual((done.returncode, json.loads(done.stdout)["files"]), (0, 2), done.stdout)

    def test_correlations(self):
        far = [{"at": at, "record": HIT} for at in ("0s", "5m", "601s")]
        users = [{"at": "0s", "every": "1m", "repeat": 3, "record": {**HIT, "UserId": user}} for user in ("a", "B")]
        outcomes = self.outcomes(
            NAMED, OVER,
            suite("many", case(records=[{"at": "0s", "repeat": 3, "every": "5m", "record": HIT}], alerts=1,
                               by={"UserId": "Ann@Example.com"}),
                  case(records=far, alerts=0), case(records=far, alerts=1),
                  case(records=users, alerts=2, by=[{"UserId": "b"}, {"UserId": "A"}]),
                  case(records=users, alerts=2, by=[{"UserId": "a"}, {"UserId": "a"}]),
                  case(records=[{"record": HIT}], alerts=0),
                  case(HIT, matches=False)), status=1)
        self.assertEqual([outcome for outcome, _ in outcomes],
                         ["passed", "passed", "failed", "passed", "failed", "error", "error"])
        self.assertEqual(outcomes[2][1], f'0 alerts, not 1\n{self.folder}/rules.yml:1: "A mailbox was set" matched 3 of 3 records\n'
                         "{UserId: ann@example.com} came to 2, not 3 or more within 10m\n"
                         "{UserId: ann@example.com} came to 2, not 3 or more within 10m")
        self.assertIn("{UserId: a} from 2026-01-01T00:00:00Z to 2026-01-01T00:02:00Z", outcomes[4][1])
        self.assertIn("has no time", outcomes[5][1])
        self.assertIn("write `alerts: N`", outcomes[6][1])

    def test_one_tenant(self):
        """Forms of records that name the tenant, and others, are of one test."""
        records = [{"at": "0s", "record": {**HIT, "OrganizationId": tenant}} for tenant in ("a", "b")]
        records.append({"at": "1s", "record": {k: v for k, v in HIT.items() if k != "OrganizationId"}})
        self.outcomes(NAMED, OVER, suite("many", case(records=records, alerts=1)), status=0)

    def test_why_a_correlation_is_silent(self):
        over = OVER.replace("[UserId]", "[UserId, Gone]")
        records = [{"at": "0s", "repeat": 2, "record": HIT}, {"at": "1s", "record": MISS}]
        reason = self.outcomes(NAMED, over, suite("many", case(records=records, alerts=1)), status=1)[0][1]
        self.assertEqual(reason.splitlines()[1:], [f'{self.folder}/rules.yml:1: "A mailbox was set" matched 2 of 3 records',
                                                   "2 matches lacked a field of group-by"])

    def test_what_a_correlation_came_to(self):
        """A sum that was too small, and an order that was another."""
        record = {**HIT, "Operation": "Send", "Size": 900.5}
        rules = "".join(f"title: {name}\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9c{number}\nname: {name}\nlogsource: {{product: m365}}\n"
                        f"detection: {{selection: {{Operation: {name}}}, condition: selection}}\nlevel: low\n---\n"
                        for name, number in (("Send", 10), ("Open", 11)))
        rules += ("title: Much\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9c12\nname: much\nlevel: high\ncorrelation: {type: value_sum, "
                  "rules: [Send], group-by: [UserId], timespan: 1h, condition: {field: Size, gt: 2000}}\n---\n"
                  "title: First\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9c13\nname: first\nlevel: high\ncorrelation: "
                  "{type: temporal_ordered, rules: [Open, Send], timespan: 1h}\n")
        sent = {"at": "0s", "every": "1m", "repeat": 2, "record": record}
        opened = {"at": "10m", "record": {**record, "Operation": "Open"}}
        outcomes = self.outcomes(rules, suite("much", case(records=[sent], alerts=1)),
                                 suite("first", case(records=[sent, opened], alerts=1)), status=1)
        self.assertEqual(outcomes[0][1].splitlines()[2], "{UserId: ann@example.com} came to 1,801, not more than 2,000 within 1h")
        self.assertEqual(outcomes[1][1].splitlines()[3], 'in order of time: "Send" at 2026-01-01T00:00:00Z, '
                         '"Send" at 2026-01-01T00:01:00Z, "Open" at 2026-01-01T00:10:00Z; wanted: "Open", "Send"')

    def test_what_is_one_record(self):
        """An id of its own makes copies one record, unless they are repetitions; without one the time parts them."""
        named = {**HIT, "Id": "one"}
        outcomes = self.outcomes(
            NAMED, OVER,
            suite("many", case(records=[{"at": f"{at}s", "record": named} for at in range(5)], alerts=0),
                  case(records=[{"at": "0s", "record": HIT}] * 5, alerts=0),
                  case(records=[{"at": f"{at}s", "record": HIT} for at in range(3)], alerts=1),
                  case(records=[{"at": "0s", "repeat": 3, "record": named}], alerts=1)), status=0)
        self.assertEqual(len(outcomes), 4)

    def test_outer_correlations(self):
        """What only others look at is seen by its own tests, and nothing of one test is known in the next."""
        outer = ("title: Outer\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b13\nname: outer\nlevel: high\ncorrelation: "
                 "{type: value_count, rules: [many], timespan: 1h, condition: {field: UserId, gte: 2}}\n")
        one = {"at": "0s", "every": "1m", "repeat": 3, "record": HIT}
        two = {**one, "record": {**HIT, "UserId": "bob@example.com"}}
        self.outcomes(NAMED, OVER, outer,
                      suite("outer", case(records=[one, two], alerts=1), case(records=[one], alerts=0),
                            case(records=[two], alerts=0)),
                      suite("many", case(records=[one], alerts=1)),
                      suite("set_mailbox", case(HIT, alerts=1), case(HIT, matches=True)), status=0)

    def test_a_tower_of_correlations(self):
        """As many layers as can be: the outermost fires; one more is refused."""
        tower = [NAMED] + [f"title: Layer {i}\nname: layer{i}\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c{i:04d}\nlevel: high\ncorrelation: "
                           f"{{type: event_count, rules: [{f'layer{i - 1}' if i else 'set_mailbox'}], group-by: [UserId], timespan: 1h, "
                           "condition: {gte: 1}}\n" for i in range(65)]
        timed = case(records=[{"at": "0s", "record": HIT}], alerts=1)
        self.assertEqual(self.outcomes(*tower[:65], suite("layer63", timed), status=0), [("passed", "")])
        path = self.write("rules.yml", *tower, suite("layer63", timed))
        refused = self.run_tests(path)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("stands on too many layers of correlations, each a group of processes; 64 are possible", refused.stdout)

    def test_numbered(self):
        """Of a record that is repeated each has a value of its own, as what counts values wants it."""
        files = (f"title: Files\nid: {OVER_ID}\nname: files\nlevel: high\ncorrelation: {{type: value_count, rules: "
                 "[set_mailbox], timespan: 10m, condition: {field: ObjectId, gte: 12}}\n")
        many = {"at": "0s", "repeat": 12, "record": {**HIT, "ObjectId": "file #, again #", "Size": "#"}}
        self.outcomes(NAMED, files,
                      suite("files", case(records=[{**many, "number": "#"}], alerts=1),
                            case(records=[{**many, "number": "#", "repeat": 11}], alerts=0),
                            case(records=[many], alerts=0),
                            case(records=[{**many, "number": "#", "record": json.dumps(many["record"])}], alerts=1)),
                      suite("set_mailbox", case(records=[{**many, "number": "#"}], matches=True)), status=0)
        # What stands there is what is said.
        exact = NAMED.replace("Operation: Set-Mailbox", "ObjectId: ['file 1, again 1', 'file 2, again 2']")
        self.outcomes(exact, suite("set_mailbox", case(records=[{**many, "number": "#", "repeat": 2}], matches=True)), status=0)
        for sign, reason in (("", "the sign stands here"), ("a", "such as '#'"), ("#1", "such as '#'"), (5, "such as '#'"),
                             ("%", 'the record has no "%"')):
            (outcome, said), = self.outcomes(NAMED, suite("set_mailbox", case(records=[{**many, "number": sign}], matches=True)),
                                             status=1)
            self.assertEqual(outcome, "error", sign)
            self.assertIn(reason, said)

    def test_logsource(self):
        """What a suite says of its records is what the rules of that logsource see."""
        windows = NAMED.replace("product: m365", "product: windows\n    category: process_creation").replace(
            "Operation: Set-Mailbox", "Image|endswith: cmd.exe")
        record = {"Image": "C:\\cmd.exe"}

        def of(logsource, *tests):
            return json.dumps({"rule": "set_mailbox", "logsource": logsource, "tests": tests}) + "\n"

        self.outcomes(windows, of({"product": "windows", "category": "process_creation"}, case(record, matches=True),
                                  case({"Image": "x"}, matches=False)),
                      of({"product": "windows", "category": "process_creation", "service": "sysmon"}, case(record, matches=True)),
                      status=0)
        # A miss that says nothing, since the rule does not even look.
        outcomes = self.outcomes(windows, of({"product": "windows", "category": "image_load"}, case(record, matches=False)),
                                 suite("set_mailbox", case(record, matches=False), case(record, matches=True)), status=1)
        self.assertEqual([outcome for outcome, _ in outcomes], ["error", "error", "failed"])
        for _, reason in outcomes[:2]:
            self.assertIn("the rule sees no records such as record 1", reason)
        self.assertIn("is `logsource` missing?", outcomes[1][1])
        self.assertIn("the kinds of record that it sees: none (--logsource says", outcomes[2][1])
        for wrong in ({"products": "windows"}, {}, [], {"product": "a,b=c"}):
            report = self.report(self.write("rules.yml", windows, of(wrong, case(record, matches=True))), status=1)
            self.assertEqual(len(report["faults"]), 1, wrong)

    def test_as_scan_finds_it(self):
        """The alerts of a test are those that scan gives for its records."""
        records = [{**HIT, "Id": f"r{n}", "CreationTime": f"2024-05-01T10:{n:02}:00", "UserId": f"u{n % 2}"}
                   for n in range(12)]
        path = self.write("rules.yml", NAMED, OVER, suite("many", case(
            records=[{"record": record} for record in records], alerts=3)))
        with open(os.path.join(self.folder, "records.ndjson"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
        status, alerts, _ = scan("-r", path, file.name)
        self.assertEqual(status, 0)
        reason = self.report(path, status=1)["results"][0]["reason"]
        self.assertEqual(reason.splitlines()[0], f"{len(alerts)} alerts, not 3")

    def test_values(self):
        """A record's values have the types that YAML gives them, and a number's digits stay."""
        rule = NAMED.replace("Operation: Set-Mailbox", (
            "n: 7\n        text: '1.50'\n        part|contains: '1.50'\n        none: null\n        yes: true\n"
            "        list: b\n        deep.er: x"))
        good = {**HIT, "n": 7, "text": "1.50", "none": None, "yes": True, "list": ["a", "b"], "deep": {"er": "x"}}
        text = json.dumps(good)[:-1] + ', "part": 1.50}'
        self.outcomes(rule, f"rule: set_mailbox\ntests:\n  - name: x\n    matches: true\n    record: {text}\n"
                      f"  - name: its JSON as a text\n    matches: true\n    record: '{text}'\n", status=0)

    def test_what_databases_would_know(self):
        rule = NAMED.replace("Operation: Set-Mailbox", (
            "Operation: Set-Mailbox\n        actor.user.is_privileged: true\n        actor.user.groups: vip\n    home:\n"
            "        src_endpoint.location.country|fieldref: actor.user.home_country")).replace(
                "condition: selection", "condition: selection and not home")
        abroad = {"actor.user.is_privileged": True, "actor.user.groups": ["all", "vip"], "actor.user.home_country": "DE",
                  "src_endpoint.location.country": "RU"}
        self.outcomes(rule, OVER, suite(
            "set_mailbox", case(HIT, given=abroad, matches=True), case(HIT, matches=False),
            case(HIT, given={**abroad, "src_endpoint.location.country": "de"}, matches=False),
            case(HIT, given={**abroad, "actor.user.is_privileged": False}, matches=False),
            case(records=[{"record": HIT, "given": {"actor.user.groups": ["vip"]}}],
                 given={**abroad, "actor.user.groups": "none"}, matches=True)),
                      suite("many", case(records=[{"at": "0s", "every": "1s", "repeat": 3, "record": HIT}], given=abroad,
                                         alerts=1)), status=0)
        for given, words in (({"Operation": "x"}, "is no field that"), (["x"], "a list where"),
                             ({"actor.user.groups": {"a": "b"}}, "a value or a list of values")):
            reason = self.outcomes(rule, suite("set_mailbox", case(HIT, given=given, matches=True)), status=1)[0][1]
            self.assertIn(words, reason)

    def test_what_is_wrong_with_a_test(self):
        wrong = [(case(HIT), 'either "matches" or "alerts"'), (case(matches=True), 'either "record" or "records"'),
                 (case(HIT, matches="yes"), "true or false"), (case(HIT, alerts=-1), "a whole number"),
                 (case(HIT, matches=True, macthes=True), 'is "matches" meant?'),
                 (case(HIT, matches=True, by={}), '"alerts" is missing'), (case(7, matches=True), "a number where"),
                 (case(HIT, alerts=1, by={"x": "y"}), '"x" is not in the rule\'s group-by'),
                 (case(records=[], matches=True), "nothing where a list"),
                 (case(records=[{"record": HIT, "at": "soon"}], matches=True), "a time such as"),
                 (case(records=[{"record": HIT, "repeat": 100001}], matches=True), "from 1 to 100000"),
                 (case("{not json", matches=True), "record 1 cannot be parsed"), ("text", "a text where a test")]
        outcomes = self.outcomes(NAMED, suite("set_mailbox", *[test for test, _ in wrong]), status=1)
        for (outcome, reason), (_, wanted) in zip(outcomes, wrong):
            self.assertEqual(outcome, "error")
            self.assertIn(wanted, reason)
        self.assertEqual(len(outcomes), len(wrong))

    def test_rules_that_cannot_be_tested(self):
        inactive = NAMED.replace("Operation: Set-Mailbox", "Operation|expand: '%ops%'")
        self.assertEqual([o for o, _ in self.outcomes(
            inactive, OVER, suite("set_mailbox", case(HIT, matches=False)), status=1)], ["error"])
        for broken in (NAMED.replace("condition: selection", "condition: nothing"),
                       NAMED + "tests: []\n"):
            report = self.report(self.write("rules.yml", broken, OVER.replace("set_mailbox", "good"),
                                            NAMED.replace("set_mailbox", "good").replace(RULE_ID, OVER_ID[:-1] + "9"),
                                            suite("good", case(HIT, matches=True))), status=1)
            self.assertEqual((report["passed"], len(report["refused"]) + len(report["faults"])), (1, 1))

    def test_documents_that_are_no_tests(self):
        for text in ("tests: []\nrule: set_mailbox\n", "tests: [{}]\n", "tests: 7\nrule: x\n",
                     "rule: set_mailbox\ntest: []\ntests: [{name: x, record: {}, matches: false}]\n"):
            report = self.report(self.write("rules.yml", NAMED, text), status=1)
            self.assertEqual(len(report["faults"]), 1, text)
            self.assertEqual(report["faults"][0]["file"], os.path.join(self.folder, "rules.yml"))

    def test_documents_that_cannot_be_read(self):
        """The reason is told, not only that no test is there."""
        for text in ("rule: {\n", suite("set_mailbox", case({"a": "x" * (2 << 20)}, matches=False))):
            report = self.report(self.write("rules.yml", NAMED, text), status=1)
            self.assertEqual((report["tests"], len(report["refused"])), (0, 1))

    def test_wrong_use(self):
        path = self.write("rule.yml", NAMED)
        for arguments in ([], [path], ["--bogus", path], [os.path.join(self.folder, "missing")],
                          ["--placeholders", os.path.join(self.folder, "missing"), path]):
            done = self.run_tests(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertNotEqual(done.stderr, "", arguments)
        self.assertIn("Exit status", self.run_tests("--help").stdout)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
