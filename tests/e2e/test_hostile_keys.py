"""Somebody invents keys, so many that what is to be remembered of them passes `state_bytes`: a user who is attacked meanwhile is
found, what was given up stands by rule in the books and in an alert, each alert once over kills, and memory keeps to its bound.

MILLRACE_HOSTILE_KEYS says how many keys a scan gets. From three million on it has 1 GiB, and all processes together are held
to that.
"""
import json
import os
import subprocess
import unittest

import millrace_test as mt
import ocsf_check
import old_state

KEYS = int(os.environ.get("MILLRACE_HOSTILE_KEYS", "40000"))
LARGE = KEYS >= 3000000
STATE_BYTES = 1 << 30 if LARGE else 4 << 20
SERVICE_KEYS = 30000
TIMES = 10
RULE_ID = "6fb0a2c4-90d5-4d0a-8f0e-1e4f4b7f3c55"
RULES = f"""title: A sign-in fails
name: fails
id: 0d1fca2b-93a8-4f43-a8b2-5c07f6c2f9e1
status: test
logsource:
    product: m365
detection:
    selection:
        Operation: UserLoginFailed
    condition: selection
level: low
---
title: Many of one user
id: {RULE_ID}
correlation:
    type: event_count
    rules: [fails]
    group-by: [UserId]
    timespan: 1h
    condition:
        gte: {TIMES}
level: high
"""


def write(path, keys):
    """All in one window: each key once, and a real user ten times between them."""
    line = ('{"CreationTime":"2024-05-01T10:%02d:%02d","Id":"%s-%d","Operation":"UserLoginFailed","UserId":"%s@example.com",'
            '"Workload":"Exchange","RecordType":1}\n')
    planted = {keys * number // (TIMES + 1) for number in range(1, TIMES + 1)}
    with open(path, "w", encoding="utf-8") as out:
        for number in range(keys):
            time = (number // 60 % 60, number % 60)
            out.write(line % (*time, "i", number, f"nobody{number:09}"))
            if number in planted:
                out.write(line % (*time, "real", number, "somebody"))


class HostileKeys(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mt.Workplace())
        self.records, self.rule, self.alerts = (self.place.path(name) for name in ("in.ndjson", "rules.yml", "alerts.ndjson"))
        with open(self.rule, "w", encoding="utf-8") as out:
            out.write(RULES)

    def found(self):
        """What was found, and what was told of state that was given up; each once, and as the schema has it."""
        lines = old_state.lines(self.alerts)
        for line in lines:
            self.assertEqual(list(ocsf_check.check_alert(line)), [])
        ids = [line["finding_info"]["uid"] for line in lines]
        self.assertEqual(len(ids), len(set(ids)))
        told = [line for line in lines if "state_shed" in line["unmapped"]["millrace"]]
        for line in told:
            self.assertEqual(line["finding_info"]["analytic"]["uid"], RULE_ID)
            self.assertIn("Many of one user: ", line["message"])
        return [line["unmapped"]["millrace"].get("key") for line in lines if line not in told], [
            line["unmapped"]["millrace"]["state_shed"] for line in told]

    def test_scan(self):
        write(self.records, KEYS)
        books = self.place.path("summary.json")
        status, _, said = mt.scan("--workers", 2, "-r", self.rule, "--state-bytes", STATE_BYTES, "--summary", books, "-o", self.alerts,
                                  self.records, env=self.place.environment, timeout=3600)
        self.assertEqual(status, 0, said)
        books = mt.summary(books)
        found, told = self.found()
        self.assertEqual(found, [["somebody@example.com"]])
        self.assertEqual(told, [books["state_shed"]])
        self.assertGreater(told[0], KEYS // 2)
        self.assertEqual(books["alerts"], 2)
        if LARGE:
            self.assertLess(books["peak_rss_bytes"], STATE_BYTES)
            print(KEYS, "keys:", books["peak_rss_bytes"], "bytes,", books["cpu_seconds"], "s of CPU,", told[0], "slots given up")

    def service(self):
        service = subprocess.Popen([mt.PROGRAM, "run", self.place.path("t.yaml")], stderr=subprocess.DEVNULL,
                                   env=self.place.environment)
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        return service

    def configure(self, follow):
        with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
            out.write("state: state\nworkers: 2\ncheckpoint_interval: 100ms\nstate_bytes: 2MiB\nrules: [rules.yml]\n"
                      f"sources:\n  - {{name: audit, type: file, path: in.ndjson, follow: {follow}}}\n"
                      "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")

    def status(self, *options):
        return subprocess.run([mt.PROGRAM, "status", *options, self.place.path("state")], capture_output=True, text=True,
                              timeout=mt.WAIT_SECONDS, check=False).stdout

    def test_status(self):
        """By rule, while the service runs."""
        write(self.records, SERVICE_KEYS)
        self.configure("true")
        service = self.service()
        shown = mt.wait_until(lambda: self.status("--json") and json.loads(self.status("--json")).get("state_shed"), "it is shown")
        self.assertEqual([row["rule"] for row in shown], [RULE_ID])
        self.assertGreater(shown[0]["slots"], 0)
        self.assertIn(f"\n  {RULE_ID}  ", self.status())
        service.terminate()
        self.assertEqual(service.wait(mt.WAIT_SECONDS), 0)

    def test_service(self):
        write(self.records, SERVICE_KEYS)
        self.configure("false")
        service = self.service()
        mt.wait_until(lambda: service.poll() is not None or mt.whole_lines(self.alerts), "an alert")
        service.kill()
        service.wait()
        self.assertEqual(self.service().wait(mt.WAIT_SECONDS), 0)
        found, told = self.found()
        self.assertEqual(found, [["somebody@example.com"]])
        state = self.place.path("state")
        mt.assert_balance(self, state)
        rows = [json.loads(line) for line in mt.ledger("report", "--json", state).stdout.splitlines()]
        shed = sum(row["state_shed"] for row in rows if row["source"] == f"(rule {RULE_ID})")
        self.assertEqual(shed, sum(row["state_shed"] for row in rows))
        self.assertGreater(shed, SERVICE_KEYS // 2)
        self.assertEqual(len(told), 1)  # the next one comes in an hour
        self.assertLessEqual(told[0], shed)


if __name__ == "__main__":
    unittest.main()
