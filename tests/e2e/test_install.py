"""What is installed works wherever it lies: its own rules, its own generator, nothing left behind."""
import json
import os
import subprocess
import sys
import unittest

import millrace_test as mr

AUDIT_OFF = {**mr.record(1), "Operation": "Set-AdminAuditLogConfig",
             "Parameters": [{"Name": "UnifiedAuditLogIngestionEnabled", "Value": "False"}]}


class Installed(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.prefix = self.place.path("a prefix")
        self.program = os.path.join(self.prefix, "bin", "millrace")
        build = os.path.dirname(mr.PROGRAM)
        subprocess.run(["cmake", "--install", build, "--prefix", self.prefix], check=True, stdout=subprocess.DEVNULL)

    def run_installed(self, *arguments, **more):
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=600, check=False,
                              cwd="/", env={**self.place.environment, "TMPDIR": self.place.run, **more})

    def test_scan_with_its_own_rules(self):
        records = self.place.path("records.ndjson")
        with open(records, "w", encoding="utf-8") as out:
            out.write(json.dumps(AUDIT_OFF) + "\n")
        result = self.run_installed("scan", records)
        self.assertEqual(result.returncode, 0, result.stderr)
        files = {alert["unmapped"]["millrace"]["rule_file"] for alert in mr.alerts(result.stdout)}
        rules = os.path.join(os.path.realpath(self.prefix), "share", "millrace", "rules")
        self.assertEqual(files, {os.path.join(rules, "audit", "audit_switched_off.yml")})

    def test_the_service_comes_along(self):
        for path in ("lib/systemd/system/millrace.service", "share/millrace/millrace.yaml",
                     "share/millrace/millrace.logrotate"):
            with open(os.path.join(self.prefix, path), encoding="utf-8") as got, \
                 open(os.path.join(mr.ROOT, "deploy", os.path.basename(path)), encoding="utf-8") as want:
                self.assertEqual(got.read(), want.read())

    def test_demo_leaves_nothing(self):
        result = self.run_installed("demo", "--users", "100000", "--events", "40000")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.splitlines()[-1], "5 of 5 planted attacks found, 0 false")
        self.assertEqual(os.listdir(self.place.run), [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
