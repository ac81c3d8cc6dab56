"""The public cloud rules and our own over the real records: everything loads, everything parses."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["MILLRACE"]
ROOT = os.environ["MILLRACE_ROOT"]
SIGMA = os.path.join(os.environ["MILLRACE_SHARED"], "data", "sigma")
RECORDS = os.path.join(os.environ["MILLRACE_SHARED"], "data", "ual", "records.ndjson")


@unittest.skipUnless(os.path.exists(RECORDS) and os.path.isdir(SIGMA), "the shared records and rules are not here")
class PublicRules(unittest.TestCase):
    def test_scan(self):
        with tempfile.TemporaryDirectory() as scratch:
            summary = os.path.join(scratch, "summary.json")
            result = subprocess.run([PROGRAM, "scan", "-r", SIGMA, "-r", os.path.join(ROOT, "rules"), "--summary",
                                     summary, RECORDS], capture_output=True, text=True, timeout=300)
            self.assertEqual(result.returncode, 0, result.stderr)
            with open(summary, encoding="utf-8") as file:
                counts = json.load(file)
        wanted = {"records": 4796, "parsed": 4796, "rejected": 0, "unknown_kind": 0, "rules_refused": 0,
                  "rules_inactive": 7, "bytes": os.path.getsize(RECORDS)}
        self.assertEqual({name: counts[name] for name in wanted}, wanted)
        alerts = [json.loads(line) for line in result.stdout.splitlines()]
        ids = [alert["finding_info"]["uid"] for alert in alerts]
        self.assertEqual(len(ids), counts["alerts"])
        self.assertEqual(len(set(ids)), len(ids), "an alert id stands there twice")
        self.assertGreater(len(ids), 0)

    def test_check(self):
        result = subprocess.run([PROGRAM, "rules", "check", "--json", SIGMA], capture_output=True, text=True,
                                timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["files"], report["rules"], len(report["inactive"]), report["refused"]),
                         (152, 152, 7, []))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
