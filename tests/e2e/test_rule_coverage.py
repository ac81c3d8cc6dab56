"""`millrace rules coverage`: a layer of the ATT&CK Navigator, of what can fire."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

from millrace_test import PROGRAM, ROOT

# The format, version 4.5: each object's members, those that it needs, and their types.
LAYER = ({"name": str, "domain": str, "versions": dict, "description": str, "sorting": int, "techniques": list,
          "gradient": dict}, {"name", "domain"})
VERSIONS = ({"attack": str, "navigator": str, "layer": str}, {"navigator", "layer"})
TECHNIQUE = ({"techniqueID": str, "tactic": str, "comment": str, "enabled": bool, "score": int, "metadata": list},
             {"techniqueID"})
METADATA = ({"name": str, "value": str}, {"name", "value"})
GRADIENT = ({"colors": list, "minValue": int, "maxValue": int}, {"colors", "minValue", "maxValue"})


def rule(number, tags, **members):
    text = {"title": f"Rule {number}", "id": f"00000000-0000-4000-8000-{number:012}", "level": "low", "tags": tags,
            "logsource": {"product": "m365"}, "detection": {"s": {"Operation": "x"}, "condition": "s"}}
    return json.dumps({**text, **members})


def over(number, tags, rules):
    return json.dumps({"title": f"Rule {number}", "id": f"00000000-0000-4000-8000-{number:012}", "level": "low", "tags": tags,
                       "correlation": {"type": "event_count", "timespan": "1h", "condition": {"gte": 2},
                                       "rules": [f"00000000-0000-4000-8000-{one:012}" for one in rules]}})


class Coverage(unittest.TestCase):
    def run_coverage(self, *arguments):
        return subprocess.run([PROGRAM, "rules", "coverage", *arguments], capture_output=True, text=True, timeout=120,
                              check=False)

    def check(self, thing, form):
        members, needed = form
        self.assertLessEqual(needed, set(thing))
        for name, value in thing.items():
            self.assertIs(type(value), members[name], name)

    def layer(self, *arguments):
        """A layer that the format allows."""
        done = self.run_coverage(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        layer = json.loads(done.stdout)
        self.check(layer, LAYER)
        self.check(layer["versions"], VERSIONS)
        self.assertEqual((layer["versions"]["layer"], layer["domain"]), ("4.5", "enterprise-attack"))
        self.assertIn(layer["sorting"], range(4))
        self.check(layer["gradient"], GRADIENT)
        self.assertGreater(layer["gradient"]["maxValue"], layer["gradient"]["minValue"])
        self.assertGreaterEqual(len(layer["gradient"]["colors"]), 2)
        for color in layer["gradient"]["colors"]:
            self.assertRegex(color, "^#[0-9a-f]{6}$")
        for technique in layer["techniques"]:
            self.check(technique, TECHNIQUE)
            self.assertRegex(technique["techniqueID"], r"^T\d{4}(\.\d{3})?$")
            for one in technique["metadata"]:
                self.check(one, METADATA)
        names = [technique["techniqueID"] for technique in layer["techniques"]]
        self.assertEqual(names, sorted(set(names)))
        return layer, done.stderr

    def write(self, *documents):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "rules.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n---\n".join(documents))
        return path

    def test_scores(self):
        layer, said = self.layer("--name", "Ours", self.write(
            rule(1, ["attack.t1078", "attack.T1078.004", "attack.persistence", "attack.t1078.004"]),
            rule(2, ["attack.t1078.004", "car.2013-01-01"]), rule(3, ["attack.persistence"])))
        self.assertEqual(layer["name"], "Ours")
        self.assertEqual([(t["techniqueID"], t["score"], [m["value"] for m in t["metadata"]]) for t in layer["techniques"]],
                         [("T1078", 1, ["Rule 1"]), ("T1078.004", 2, ["Rule 1", "Rule 2"])])
        self.assertEqual(layer["gradient"]["maxValue"], 2)
        self.assertEqual(said, "1 rules name no technique\n")

    def test_what_cannot_fire_covers_nothing(self):
        path = self.write(
            rule(1, ["attack.t1001"]), over(2, ["attack.t1002"], [1]),
            rule(3, ["attack.t1003"], logsource={"product": "nobody"}), over(4, ["attack.t1004"], [3]),
            rule(5, ["attack.t1005"], detection={"s": {"Operation|expand": "%x%"}, "condition": "s"}),
            rule(6, ["attack.t1006"]), over(7, [], [4, 6]), over(8, ["attack.t1008"], [7]))
        layer, said = self.layer(path)
        self.assertEqual([t["techniqueID"] for t in layer["techniques"]], ["T1002", "T1008"])
        self.assertIn("6 of 8 rules cannot fire", said)
        everything, _ = self.layer("--all", path)
        self.assertEqual(len(everything["techniques"]), 7)

    def test_text_and_statuses(self):
        path = self.write(rule(1, ["attack.t1078"]), "title: refused\n")
        done = self.run_coverage("--text", path)
        self.assertEqual((done.returncode, done.stdout), (1, "T1078         1  Rule 1\n"))
        self.assertIn("1 rules are refused", done.stderr)
        for arguments in ([], ["/nowhere"], ["--bogus", path]):
            self.assertEqual(self.run_coverage(*arguments).returncode, 2)

    def test_own_rules(self):
        layer, _ = self.layer(os.path.join(ROOT, "rules"))
        self.assertGreater(len(layer["techniques"]), 5)

    def test_many_layers(self):
        """Correlations that name each other's rules twice, in many layers, are asked once each."""
        documents = [rule(0, ["attack.t1078"])] + [over(n, ["attack.t1078"], [n - 1, n - 1]) for n in range(1, 17)]
        layer, _ = self.layer(self.write(*documents))
        self.assertEqual(layer["techniques"][0]["score"], 1)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
