"""An alert of a correlation shows what its records say, also what no rule asks for: it is found in them again when the alert is
written, in the next life as well. Of a record that cannot be read any more it shows who did what from where."""
import json
import os
import signal
import subprocess
import unittest

import millrace_test as mr

BRIEF = {"api.operation": "Set-Mailbox", "actor.user.name": "ann@example.com", "actor.user.uid": "10033FFF80D7",
         "src_endpoint.ip": "81.2.69.142"}


def record(number):
    return {"CreationTime": f"2024-05-01T10:00:0{number}", "Id": f"record-{number}", "RecordType": 1, "Operation": "Set-Mailbox",
            "Workload": "Exchange", "ResultStatus": "True", "UserId": "ann@example.com", "UserKey": "10033FFF80D7",
            "ClientIP": "81.2.69.142", "ObjectId": f"box-{number}"}


class Retold(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.rules, self.records = self.place.path("rules.yml"), self.place.path("records.ndjson")
        self.city = mr.shared("mmdb", "GeoIP2-City-Test.mmdb")
        with open(self.rules, "w", encoding="utf-8") as out:
            out.write(mr.PAIRS)
        with open(self.place.path("topology.yaml"), "w", encoding="utf-8") as out:
            json.dump({"state": self.place.path("state"), "rules": [self.rules], "checkpoint_interval": "100ms", "geoip": [self.city],
                       "sources": [{"name": "in", "type": "file", "path": [self.records]}],
                       "sinks": [{"name": "kept", "type": "file", "path": self.place.path("alerts.ndjson")}]}, out)

    def add(self, number):
        with open(self.records, "a", encoding="utf-8") as out:
            out.write(json.dumps(record(number)) + "\n")

    def start(self):
        process = subprocess.Popen([mr.PROGRAM, "run", self.place.path("topology.yaml")], env=self.place.environment,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def first_record(self):
        """Judged by a service, which is given back: correlate keeps its signal."""
        self.add(1)
        process = self.start()

        def signals():
            out = subprocess.run([mr.PROGRAM, "status", "--json", self.place.path("state")], capture_output=True, text=True,
                                 env=self.place.environment, check=False)
            return json.loads(out.stdout)["counters"]["signals_received"] if out.returncode == 0 else 0

        mr.wait_until(lambda: signals() == 1, "the first signal")
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(mr.WAIT_SECONDS), 0)

    def alert(self):
        """That of the second record."""
        self.add(2)
        path = self.place.path("alerts.ndjson")
        return json.loads(mr.wait_until(lambda: os.path.exists(path) and mr.whole_lines(path), "an alert")[0])

    def test_as_in_a_scan(self):
        self.stop(self.first_record())
        process = self.start()
        found = self.alert()
        self.stop(process)
        status, scanned, said = mr.scan("-r", self.rules, "--geoip", self.city, self.records, env=self.place.environment)
        self.assertEqual(status, 0, said)
        self.assertEqual(len(scanned), 1)
        for alert in (found, scanned[0]):
            for evidence in alert["evidences"]:
                self.assertEqual(evidence["src_endpoint"]["location"]["city"], "London")
        for mine, other in zip(found["unmapped"]["millrace"]["evidence"], scanned[0]["unmapped"]["millrace"]["evidence"], strict=True):
            self.assertEqual(mine["fields"], other["fields"])
            self.assertEqual(mine["fields"]["status"], "Success")
        self.assertEqual(found["evidences"], scanned[0]["evidences"])
        self.assertEqual(found["message"], scanned[0]["message"])

    def test_a_record_that_fits_no_message(self):
        """Nor does it have to: it is read again where it lies, as parse did."""
        for mib in (3, 5):
            with open(self.records, "w", encoding="utf-8") as out:
                for number in (1, 2):
                    out.write(json.dumps({**record(number), "Pad": "x" * (mib << 20)}) + "\n")
            status, found, said = mr.scan("-r", self.rules, "--max-record-bytes", "10MiB", self.records, env=self.place.environment)
            self.assertEqual((status, len(found)), (0, 1), said)
            for evidence in found[0]["unmapped"]["millrace"]["evidence"]:
                self.assertTrue(evidence["intact"])
                self.assertEqual(evidence["fields"].get("status"), "Success", f"of {mib} MiB")

    def test_a_record_that_is_no_longer_what_was_judged(self):
        process = self.first_record()
        changed = 0
        for folder, _, names in os.walk(self.place.path("state")):
            for name in names:
                if name.endswith(".sock"):
                    continue
                with open(os.path.join(folder, name), "r+b") as file:
                    text = file.read()
                    at = text.find(b'"ResultStatus": "True"')
                    if at >= 0:
                        file.seek(at)
                        file.write(b'"ResultStatus": "Tru_"')
                        changed += 1
        self.assertEqual(changed, 1)
        first, second = self.alert()["unmapped"]["millrace"]["evidence"]
        self.stop(process)
        self.assertEqual((first["record_id"], first["intact"], second["intact"]), ("record-1", False, True))
        self.assertEqual(first["fields"], {"objectid": "box-1", **BRIEF})
        self.assertEqual(second["fields"].items() & BRIEF.items(), BRIEF.items())
        self.assertEqual((second["fields"]["objectid"], second["fields"]["status"]), ("box-2", "Success"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
