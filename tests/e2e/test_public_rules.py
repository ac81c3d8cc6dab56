"""The public cloud rules and our own over the real records: all load, all parse, the alerts keep to the schema, and are
the same from the export's CSV."""
import csv
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import millrace_test
import ocsf_check
from millrace_test import PROGRAM, ROOT

SIGMA = millrace_test.shared("sigma")
RECORDS = millrace_test.shared("ual", "records.ndjson")
EXPORT = millrace_test.shared("ual", "purview-export.csv")
CITY = millrace_test.shared("mmdb", "GeoLite2-City-Test.mmdb")
RULES = ("-r", SIGMA, "-r", os.path.join(ROOT, "rules"))


class PublicRules(unittest.TestCase):
    def test_scan(self):
        with tempfile.TemporaryDirectory() as scratch:
            summary, path = os.path.join(scratch, "summary.json"), os.path.join(scratch, "alerts.ndjson")
            status, _, said = millrace_test.scan(*RULES, "--geoip", CITY, "--summary", summary, "-o", path, RECORDS,
                                                 timeout=300)
            self.assertEqual(status, 0, said)
            counts = millrace_test.summary(summary)
            written, breaches = ocsf_check.check_file(path)
            with open(path, encoding="utf-8") as file:
                alerts = [json.loads(line) for line in file]
        wanted = {"records": 4796, "parsed": 4796, "rejected": 0, "unknown_kind": 0, "rules_refused": 0,
                  "rules_inactive": 7, "bytes": os.path.getsize(RECORDS) - 4796}  # of line ends
        self.assertEqual({name: counts[name] for name in wanted}, wanted)
        self.assertEqual(breaches, [])
        self.assertGreater(written, 0)
        self.assertEqual(written, counts["alerts"])
        self.assertEqual(len(set(millrace_test.ids(alerts))), written, "an alert id stands there twice")
        evidence = [item for alert in alerts for item in alert["unmapped"]["millrace"]["evidence"]]
        self.assertTrue(all(item["intact"] for item in evidence))
        self.assertEqual({item["source"] for item in evidence}, {RECORDS})

    def test_export(self):
        with open(EXPORT, encoding="utf-8-sig", newline="") as file:
            lines = [row["AuditData"] + "\n" for row in csv.DictReader(file)]
        with tempfile.TemporaryDirectory() as scratch:
            summary = os.path.join(scratch, "summary.json")
            status, first, said = millrace_test.scan(*RULES, "--summary", summary, EXPORT, timeout=300)
            self.assertEqual(status, 0, said)
            counts = millrace_test.summary(summary)
        self.assertEqual((counts["parsed"], counts["rejected"]), (len(lines), 0))
        self.assertEqual(counts["bytes"], sum(len(line.encode()) - 1 for line in lines))
        self.assertGreater(len(first), 0)
        for data in ("".join(lines).encode(), gzip.compress("".join(lines).encode())):
            status, other, said = millrace_test.scan(*RULES, "-", input=data, timeout=300)
            self.assertEqual(status, 0, said)
            self.assertEqual(millrace_test.ids(other), millrace_test.ids(first))

    def test_check(self):
        result = subprocess.run([PROGRAM, "rules", "check", "--json", SIGMA], capture_output=True, text=True,
                                timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["files"], report["rules"], len(report["inactive"]), report["refused"]),
                         (152, 152, 7, []))

    def test_every_technique_has_a_name(self):
        """What an alert says of ATT&CK: each technique that a rule's tags name, and what it is a part of."""
        with open(os.path.join(ROOT, "stages", "deliver", "technique.def"), encoding="utf-8") as file:
            named = set(re.findall(r'X\("(T[0-9.]+)", "[^"]+"\)', file.read()))
        used = set()
        for top in (SIGMA, os.path.join(ROOT, "rules")):
            for path in glob.glob(os.path.join(top, "**", "*.yml"), recursive=True):
                with open(path, encoding="utf-8") as file:
                    for uid in re.findall(r"attack\.(t\d{4}(?:\.\d{3})?)\b", file.read(), re.IGNORECASE):
                        used |= {uid.upper(), uid.upper()[:5]}
        self.assertGreater(len(used), 50)
        self.assertEqual(sorted(used - named), [], "techniques without a name")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
