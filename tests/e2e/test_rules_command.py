"""`millrace rules check` and `list`: what they print and how they exit."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

PROGRAM = os.environ["MILLRACE"]
ROOT = os.environ["MILLRACE_ROOT"]

GOOD_ID = "3f0f8a4e-6c1d-4b7a-9e2f-5d8c7b6a4f31"
GOOD = f"""title: Good
id: {GOOD_ID}
logsource: {{product: m365, service: audit}}
level: high
detection: {{s: {{Operation: x}}, condition: s}}
tags: [attack.t1078]
"""
BAD_ID = "b2b5c1f0-0d8e-4c55-8a43-1f4b6f3e9d20"
BAD = f"""title: Bad
id: {BAD_ID}
logsource: {{product: m365, service: audit}}
detection: {{s: {{Operation: x}}, condition: s and t}}
"""
INACTIVE = """title: Inactive
id: inactive
logsource: {product: m365, service: audit}
detection: {s: {'Operation|expand': '%ops%'}, condition: s}
"""


def rules(*arguments):
    return subprocess.run([PROGRAM, "rules", *arguments], capture_output=True, text=True, timeout=120)


# SARIF 2.1.0: of each kind of object that there is here its members, each a type, a kind of object, a list of one of
# them, or the texts that may stand; those that the schema requires have a "!". It allows no others.
LEVELS = ("none", "note", "warning", "error")
SARIF = {
    "log": {"$schema": str, "version!": ("2.1.0",), "runs!": ["run"]},
    "run": {"tool!": "tool", "columnKind": ("utf16CodeUnits", "unicodeCodePoints"), "results": ["result"]},
    "tool": {"driver!": "component"},
    "component": {"name!": str, "rules": ["descriptor"]},
    "descriptor": {"id!": str, "shortDescription": "multiform", "defaultConfiguration": "configuration"},
    "multiform": {"text!": str},
    "configuration": {"level": LEVELS},
    "result": {"ruleId": str, "ruleIndex": int, "level": LEVELS, "message!": "message", "locations": ["location"],
               "properties": "bag"},
    "message": {"text": str},
    "location": {"physicalLocation": "physical"},
    "physical": {"artifactLocation": "artifact", "region": "region"},
    "artifact": {"uri": str},
    "region": {"startLine": int, "startColumn": int},
    "bag": {"rule": str}}


def check_sarif(value, kind):
    if isinstance(kind, list):
        assert isinstance(value, list), value
        for one in value:
            check_sarif(one, kind[0])
    elif isinstance(kind, tuple):
        assert value in kind, (value, kind)
    elif isinstance(kind, type):
        assert type(value) is kind, (value, kind)
        assert kind is not int or value >= 0, value
    else:
        members = {name.rstrip("!"): one for name, one in SARIF[kind].items()}
        assert {name[:-1] for name in SARIF[kind] if name.endswith("!")} <= set(value) <= set(members), (kind, value)
        assert kind != "region" or min(value.values()) >= 1, value
        for name, one in value.items():
            check_sarif(one, members[name])


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_refused(self):
        self.write("a/good.yml", GOOD)
        bad = self.write("b/bad.yaml", BAD)
        self.write("b/note.txt", "not a rule")
        result = rules("check", "--json", self.folder.name)
        self.assertEqual(result.returncode, 1, result.stderr)
        report = json.loads(result.stdout)
        refused = report.pop("refused")
        self.assertEqual(report, {"files": 2, "rules": 1, "correlations": 0, "filters": 0, "inactive": [],
                                  "warnings": []})
        self.assertEqual([(note["file"], note["line"], note["column"], note["id"]) for note in refused],
                         [(bad, 4, 49, BAD_ID)])
        self.assertIn('"t" is not in this detection', refused[0]["reason"])
        text = rules("check", self.folder.name)
        self.assertEqual(text.returncode, 1)
        self.assertTrue(text.stdout.startswith(f"{bad}:4:49: refused: "), text.stdout)

    def test_placeholders(self):
        path = self.write("inactive.yml", INACTIVE)
        result = rules("check", "--json", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["inactive"], ["inactive"])
        values = self.write("values", "ops: [a, b]\nothers: c\n")
        result = rules("check", "--json", "--placeholders", values, path)
        report = json.loads(result.stdout)
        self.assertEqual((result.returncode, report["inactive"]), (0, []))
        self.assertIn({"file": values, "line": 2, "column": 1, "id": "",
                       "reason": "no rule uses the placeholder %others%"}, report["warnings"])
        self.assertEqual(rules("check", "--placeholders", values + "x", path).returncode, 2)

    def test_list(self):
        path = self.write("good.yml", GOOD)
        result = rules("list", path)
        self.assertEqual((result.returncode, result.stdout), (0, f"{GOOD_ID}\thigh\tdetection\tGood\t{path}\n"))
        over = f"title: Over\nid: over\ncorrelation: {{type: temporal, rules: [{GOOD_ID}], timespan: 1h}}\n"
        for generate, mark in (("", " (base only)"), ("generate: true\n", "")):
            result = rules("list", path, self.write("over.yml", over + generate))
            self.assertEqual([line.split("\t")[2] for line in result.stdout.splitlines()],
                             ["detection" + mark, "temporal"])
        bad = self.write("bad.yml", "title: Bad\n")
        result = rules("list", path, bad)
        self.assertEqual((result.returncode, result.stdout), (1, f"{GOOD_ID}\thigh\tdetection\tGood\t{path}\n"))
        self.assertTrue(result.stderr.startswith(f"{bad}:1:1: refused: "), result.stderr)

    def test_list_as_json(self):
        path = self.write("good.yml", GOOD)
        over = f"title: Over\nid: over\ncorrelation: {{type: temporal, rules: [{GOOD_ID}], timespan: 1h}}\n"
        result = rules("list", "--json", path, self.write("over.yml", over))
        self.assertEqual(result.returncode, 0, result.stderr)
        listed = json.loads(result.stdout)
        self.assertEqual(listed[0], {"id": GOOD_ID, "name": "", "title": "Good", "kind": "detection", "level": "high",
                                     "status": "", "file": path, "line": 1, "inactive": False, "alerts": False,
                                     "tags": ["attack.t1078"], "filters": []})
        self.assertEqual((listed[1]["kind"], listed[1]["level"], listed[1]["alerts"]), ("temporal", "", True))

    def test_inactive(self):
        """What never fires says why, and so does what needs it; a logsource that nothing feeds is no such reason."""
        over = (f"title: Over\nid: {BAD_ID}\nlevel: low\ncorrelation:\n  type: temporal\n"
                f"  rules:\n    - {GOOD_ID}\n  timespan: 1h\n")
        path = self.write("rules.yml", GOOD.replace("service: audit", "service: signin") + "---\n" + over)
        report = json.loads(rules("check", "--json", path).stdout)
        self.assertEqual(report["inactive"], [])
        told = [note for note in report["warnings"] if note["reason"].startswith("nothing feeds")]
        self.assertEqual([(note["file"], note["line"], note["column"], note["id"]) for note in told],
                         [(path, 3, 12, GOOD_ID)])
        self.assertIn("{product: m365, service: signin}: the rule sees nothing; the services", told[0]["reason"])
        path = self.write("rules.yml", INACTIVE + "---\n" + over.replace(GOOD_ID, "inactive"))
        report = json.loads(rules("check", "--json", path).stdout)
        self.assertEqual(report["inactive"], ["inactive", BAD_ID])
        told = [note for note in report["warnings"] if note["reason"].startswith("inactive: ")]
        self.assertEqual([note["id"] for note in told], ["inactive", BAD_ID])
        self.assertIn('it needs the rule "inactive"', told[1]["reason"])
        self.assertEqual(len(rules("check", path).stdout.splitlines()), len(report["warnings"]) + 1)

    def test_logsources_of_the_readme(self):
        """Each row of the table is fed."""
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            fed = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `", file.read(), re.MULTILINE)
        self.assertGreater(len(fed), 5)
        for number, (product, service) in enumerate(fed):
            self.write(f"{number}.yml", GOOD.replace(GOOD_ID, f"{number:08}" + GOOD_ID[8:]).replace(
                "product: m365, service: audit", f"product: {product}, service: {service}").replace(
                    "Operation: x", "api.operation: x"))
        report = json.loads(rules("check", "--json", self.folder.name).stdout)
        self.assertEqual((report["rules"], report["inactive"], report["warnings"]), (len(fed), [], []))

    def test_values_that_a_field_never_has(self):
        path = self.write("rule.yml", GOOD.replace("s: {Operation: x}", (
            "s: {src_endpoint.ip: [192.0.2.1, 10.0.0.0/8], is_mfa: 'yes', src_endpoint.is_anonymous: false, "
            "metadata.log_name: entra.audit, src_endpoint.location.country: [NL, GBR], status: any}")))
        told = json.loads(rules("check", "--json", path).stdout)["warnings"]
        wanted = (("10.0.0.0/8", 'src_endpoint.ip" is never "10.0.0.0/8": it is an address'),
                  ("'yes'", 'is_mfa" is never "yes": it is one of true, false'),
                  ("false", 'src_endpoint.is_anonymous" is never "false": it is only true'),
                  ("entra.audit", 'metadata.log_name" is never "entra.audit": it is only m365.audit'),
                  ("GBR", 'src_endpoint.location.country" is never "GBR": it is a code of two letters'))
        with open(path, encoding="utf-8") as file:
            line = file.read().splitlines()[4]
        self.assertEqual([(note["file"], note["line"], note["column"], note["id"]) for note in told],
                         [(path, 5, line.index(value) + 1, GOOD_ID) for value, _ in wanted])
        for note, (_, words) in zip(told, wanted):
            self.assertIn(words, note["reason"])

    def test_metadata(self):
        """What a rule says of itself and is surely wrong: each once, at its place, in lines and in JSON."""
        path = self.write("rule.yml", GOOD.replace(GOOD_ID, "good").replace("tags: [attack.t1078]\n", "").replace("level", (
            "date: 2024-02-30\nmodified: 2024-02-29\nstatus: fine\n"
            "tags: [attack.t1078.004, attack.persistance, attack.t99]\nlevel")).replace("high", "severe"))
        wanted = [(2, 5, '"good" is no UUID'), (4, 7, '"2024-02-30", which is no day'), (6, 9, '"fine" is no status'),
                  (7, 26, '"attack.persistence" meant?'), (7, 46, '"attack.t99" is no tactic'), (8, 8, '"severe" is no')]
        report = json.loads(rules("check", "--json", path).stdout)
        told = sorted(report["warnings"], key=lambda note: (note["line"], note["column"]))
        self.assertEqual([(note["file"], note["line"], note["column"], note["id"]) for note in told],
                         [(path, line, column, "good") for line, column, _ in wanted])
        for note, (_, _, words) in zip(told, wanted):
            self.assertIn(words, note["reason"])
        lines = rules("check", path).stdout.splitlines()
        self.assertEqual(sorted(re.sub(r" \[[a-z-]+\]$", "", line) for line in lines[:-1]),
                         sorted(f"{path}:{note['line']}:{note['column']}: warning: {note['reason']}" for note in told))

    def test_lints(self):
        """Each finding by its name; the author's lints are check's alone, and scan does not say them."""
        cases = [("missing-attack-tag", GOOD.replace("attack", "car")), ("always-true", GOOD.replace("condition: s", "condition: s or not s")),
                 ("always-true", GOOD.replace("s: {Operation: x}", "s: ['*']")),
                 ("always-false", GOOD.replace("condition: s", "condition: s and not s")),
                 ("always-false", GOOD.replace("{s: {Operation: x}, condition: s}", (
                     "{s: {Operation: x, a: b}, t: {Operation: X}, condition: s and not t}"))),
                 ("matches-empty", GOOD.replace("condition: s", "condition: not s")),
                 ("matches-empty", GOOD.replace("Operation: x", "Operation: null")),
                 ("dead-selection", GOOD.replace("condition: s", "t: {a: b}, condition: s")),
                 ("expensive-regex", GOOD.replace("Operation: x", "Operation|re: '(a+)+b'")),
                 ("expensive-regex", GOOD.replace("Operation: x", "Operation|re: '^(a|(b*c)){2,}d'")),
                 ("expensive-regex", GOOD.replace("Operation: x", "Operation|re: '(a)x\\1'")),
                 ("unfed-logsource", GOOD.replace("product: m365", "product: m366")),
                 ("inactive", INACTIVE.replace("title", "level: low\ntags: [attack.t1078]\ntitle").replace(
                     "id: inactive", f"id: {GOOD_ID}"))]
        for name, text in cases:
            path = self.write("rule.yml", text)
            result = rules("check", path)
            self.assertEqual(result.returncode, 0, result.stdout)
            self.assertEqual(re.findall(r" \[([a-z-]+)\]$", result.stdout, re.MULTILINE), [name], result.stdout)
        clean = [GOOD, GOOD.replace("condition: s", "t: {a: b}, condition: s and not t"),
                 GOOD.replace("Operation: x", "Operation|re: '^[(+*]+(a|b)\\+x+$'"),
                 GOOD.replace("s: {Operation: x}", "s: {Operation: x}, " + ", ".join(
                     f"s{n}: {{ObjectId: v{n}}}" for n in range(12))).replace("condition: s", "condition: 1 of s*")]
        for text in clean:
            self.assertEqual(rules("check", self.write("rule.yml", text)).stdout.count("warning: "), 0, text)
        path = self.write("rule.yml", GOOD + "---\n" + GOOD)
        result = rules("check", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn(" [duplicate-id]\n", result.stdout)
        done = subprocess.run([PROGRAM, "scan", "-r", self.write("rule.yml", GOOD.replace("condition: s", "condition: not s")),
                               "-"], input="{}", capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("ATT&CK", done.stderr)
        self.assertNotIn("none of the rule's fields", done.stderr)

    def test_disable_and_strict(self):
        path = self.write("rule.yml", GOOD.replace("attack", "car").replace("level: high\n", ""))
        self.assertEqual(rules("check", path).stdout.count("warning: "), 2)
        self.assertEqual(rules("check", "--strict", path).returncode, 1)
        result = rules("check", "--json", "--disable", "missing-attack-tag", path)
        self.assertEqual([note["reason"][:7] for note in json.loads(result.stdout)["warnings"]], ['"level"'])
        result = rules("check", "--strict", "--disable", "missing-attack-tag", "--disable", "missing-level", path)
        self.assertEqual((result.returncode, result.stdout.count("warning: ")), (0, 0))
        for name, words in (("missing-atack-tag", 'is "missing-attack-tag" meant?'), ("refused", "can be left out")):
            result = rules("check", "--disable", name, path)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(words, result.stderr)

    def sarif(self, path):
        """A log, each object of it with what the schema of SARIF 2.1.0 requires, and nothing that it has not."""
        log = json.loads(rules("check", "--sarif", path).stdout)
        check_sarif(log, "log")
        return log["runs"][0]

    def test_sarif(self):
        """The findings of the JSON form; columns count characters."""
        good = self.write("a b/%good.yml", GOOD.replace("attack.t1078", "'ä.ö', attack.x1"))
        bad = self.write("bad.yml", BAD + "---\n- x\n")
        run = self.sarif(self.folder.name)
        found = run["tool"]["driver"]["rules"]
        self.assertEqual(run["columnKind"], "unicodeCodePoints")
        self.assertEqual(len({rule["id"] for rule in found}), len(found))
        report = json.loads(rules("check", "--json", self.folder.name).stdout)
        notes = [("error", note) for note in report["refused"]] + [("warning", note) for note in report["warnings"]]
        self.assertEqual(len(run["results"]), len(notes))
        for result, (level, note) in zip(run["results"], notes):
            self.assertEqual((result["level"], result["message"]["text"], result["properties"]["rule"]),
                             (level, note["reason"], note["id"]))
            self.assertEqual(found[result["ruleIndex"]]["id"], result["ruleId"])
            self.assertEqual(found[result["ruleIndex"]]["defaultConfiguration"]["level"], level)
            place = result["locations"][0]["physicalLocation"]
            self.assertEqual(urllib.parse.unquote(place["artifactLocation"]["uri"]), "file://" + note["file"])
            self.assertRegex(place["artifactLocation"]["uri"], r"^[A-Za-z0-9._~/:%-]+$")
            self.assertEqual(place["region"], {"startLine": note["line"], "startColumn": note["column"]})
            with open(note["file"], encoding="utf-8") as file:
                line = file.read().splitlines()[note["line"] - 1]
            self.assertLessEqual(note["column"], len(line) + 1)
            if "attack.x1" in note["reason"]:
                self.assertTrue(line[note["column"] - 1:].startswith("attack.x1"), note)
        self.assertEqual({note["file"] for _, note in notes}, {good, bad})
        self.assertEqual(rules("check", "--sarif", "--json", good).returncode, 2)
        # A path that is not from the root is one relative to whoever asks.
        done = subprocess.run([PROGRAM, "rules", "check", "--sarif", "bad.yml"], capture_output=True, text=True, timeout=120,
                              cwd=self.folder.name)
        log = json.loads(done.stdout)
        check_sarif(log, "log")
        self.assertEqual({result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                          for result in log["runs"][0]["results"]}, {"bad.yml"})

    def test_each_form_has_each_finding(self):
        """By name in text and SARIF, and with its reason at its place in all three."""
        cases = {"dead-selection": GOOD.replace("condition: s", "t: {a: b}, condition: s"),
                 "always-true": GOOD.replace("condition: s", "condition: s or not s"),
                 "duplicate-id": GOOD + "---\n" + GOOD,
                 "unreachable": GOOD.replace("Operation: x", "ActivityDetails: x").replace(
                     "product: m365, service: audit", "product: azure, service: signinlogs"),
                 "expensive-regex": GOOD.replace("Operation: x", "Operation|re: '(a+)+b'"),
                 "missing-attack-tag": GOOD.replace("attack", "car")}
        for name, text in cases.items():
            path = self.write("rule.yml", text)
            lines = rules("check", path).stdout.splitlines()[:-1]
            told = [re.fullmatch(re.escape(path) + r":(\d+):(\d+): (refused|warning): (.*) \[([a-z-]+)\]", line).groups()
                    for line in lines]
            self.assertEqual([one[4] for one in told], [name], lines)
            line, column, kind, reason, _ = told[0]
            report = json.loads(rules("check", "--json", path).stdout)
            notes = report["refused" if kind == "refused" else "warnings"]
            self.assertEqual([(note["line"], note["column"], note["reason"]) for note in notes],
                             [(int(line), int(column), reason)], name)
            self.assertEqual(len(report["refused"]) + len(report["warnings"]), 1, name)
            (result,) = self.sarif(path)["results"]
            self.assertEqual((result["ruleId"], result["level"], result["message"]["text"],
                              result["locations"][0]["physicalLocation"]["region"]),
                             (name, "error" if kind == "refused" else "warning", reason,
                              {"startLine": int(line), "startColumn": int(column)}))

    def test_own_rules(self):
        result = rules("check", "--json", os.path.join(ROOT, "rules"))
        report = json.loads(result.stdout)
        self.assertEqual((result.returncode, report["refused"], report["inactive"], report["warnings"]),
                         (0, [], [], []))

    def test_wrong(self):
        for arguments in ([], ["check"], ["bogus", "x"], ["check", "--bogus", "x"],
                          ["check", os.path.join(self.folder.name, "missing")], ["list", "--sarif", self.folder.name]):
            result = rules(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertNotEqual(result.stderr, "", arguments)
        for command in re.findall(r"^  (\w+) ", rules("--help").stdout, re.MULTILINE):
            result = rules(command, "--help")
            self.assertEqual(result.returncode, 0, command)
            self.assertIn(f"usage: millrace rules {command}", result.stdout)
            self.assertIn("Exit status: 0 ", result.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
