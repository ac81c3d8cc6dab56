"""Records that kill the worker which works on them (builds for tests make some deadly: include/millrace/poison.h)."""
import json
import os
import signal
import subprocess
import unittest

import millrace_test as mr

STAGES = ("parse", "enrich", "detect", "correlate")


class Poison(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.rules = self.place.rule
        self.path = self.place.path


class Scan(Poison):
    """A worker's death ends it, and the record in hand is named."""

    def test_the_record_is_named(self):
        for stage in STAGES:
            for compressed in (False, True):
                lines = [json.dumps(mr.record(number, 1)) for number in range(200)]
                lines[70] = json.dumps({**mr.record(70, 1), "Id": f"millrace-poison-{stage}"})
                source = self.path("in.json" if compressed else "in.ndjson")
                with open(source, "w", encoding="utf-8") as out:
                    # An array goes through a temporary file: the place that is said is the original's.
                    out.write("[" + ",".join(lines) + "]" if compressed else "\n".join(lines))
                offset = sum(len(line) + 1 for line in lines[:70]) + compressed
                code, _, said = mr.scan("--workers", "1", "-r", self.rules, source)
                self.assertEqual(code, 1)
                self.assertIn(f"was killed by signal {int(signal.SIGABRT)} (Aborted)", said)
                if stage == "parse":
                    self.assertIn(f"it had the record at {source}, offset {offset} in hand", said)
                elif stage != "correlate":
                    self.assertRegex(said, rf"it had \d+ records in hand, the last at or before {source}, offset \d+")
                elif not compressed:
                    self.assertIn(f"it had the record at {source}, offset {offset} in hand", said)


class Run(Poison):
    """The pipeline goes on: the deadly ones alone are set aside, whole, and stay so."""

    def run_twice(self, rules, lines, deadly, alerts, killed):
        """The second life finds all done."""
        with open(self.path("in.ndjson"), "w", encoding="utf-8") as out:
            out.write("".join(line + "\n" for line in lines))
        with open(self.path("run.yaml"), "w", encoding="utf-8") as out:
            out.write(f"""state: {self.path("state")}
rules: [{rules}]
sources: [{{name: a, type: file, path: {self.path("in.ndjson")}, follow: false}}]
sinks: [{{name: b, type: file, path: {self.path("alerts.ndjson")}}}]
""")
        for again in range(2):
            done = subprocess.run([mr.PROGRAM, "run", self.path("run.yaml")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, timeout=4 * mr.WAIT_SECONDS, check=False)
            said = done.stderr.decode()
            self.assertEqual(done.returncode, 0, said)
            self.assertEqual("was killed" in said, again == 0, said)
            if again == 0:
                self.assertIn(f"worker {killed}", said)
            with open(self.path("alerts.ndjson"), "rb") as found:
                self.assertEqual(len(set(mr.ids(mr.alerts(found.read())))), alerts)
            with open(self.path("state/dead-letter.ndjson"), "rb") as found:
                aside = mr.alerts(found.read())
            self.assertEqual(sorted(entry["record"] for entry in aside), sorted(lines[number] for number in deadly))
            for entry in aside:
                self.assertTrue(entry["reason"].startswith("killed_worker"))

    def test_all_others_are_judged(self):
        deadly = {0: "parse", 70: "enrich", 71: "detect", 1500: "correlate", 2999: "detect"}
        lines = [json.dumps({**mr.record(number, 1), "Id": f"millrace-poison-{deadly[number]}"}
                            if number in deadly else mr.record(number, 1)) for number in range(3000)]
        self.run_twice(self.rules, lines, deadly, len(lines) - len(deadly), "parse")

    def test_all_others_are_told(self):
        """One that is deadly only where an alert is to show it: to correlate."""
        rules = self.path("pairs.yml")
        with open(rules, "w", encoding="utf-8") as out:
            out.write(mr.PAIRS)
        lines = [json.dumps({**mr.record(number, 1), "UserId": f"user{number // 2}@example.com",
                             "Id": "millrace-poison-complete" if number == 77 else f"record-{number}"}) for number in range(200)]
        self.run_twice(rules, lines, [77], 99, "correlate")

if __name__ == "__main__":
    unittest.main(verbosity=2)
