"""Correlations of all types in a service whose processes are killed and stopped at random: the alerts that were written and
not withdrawn are those of scan over the same input, which test_correlate.py compares with the definition.

A followed file grows piece by piece, each when a checkpoint holds what was judged of the ones before. Its records come up to
50 seconds after their times with a lateness of a minute, or in any order at all. So slots are judged, judged again, and their
alerts published, withdrawn and published again. MILLRACE_ROUNDS says how many services, MILLRACE_STREAMS of how many streams
each, MILLRACE_SEED from where the dice start.
"""
import collections
import json
import os
import random
import signal
import subprocess
import tempfile
import unittest

import millrace_test as mt
import old_state
import test_correlate
import test_service_kill
from correlations import correlations_yaml

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "2"))
STREAMS = int(os.environ.get("MILLRACE_STREAMS", "120"))
SEED = test_service_kill.SEED
LATE_SECONDS = 50
PIECES = 4


def clock():
    """A record behind all others that no rule matches: time has come so far."""
    return json.dumps({**test_correlate.stream(random.Random(1), 0)[0], "CreationTime": "2024-06-01T00:00:00", "Id": "clock",
                       "Marks": []}) + "\n"


def newest(folder):
    return old_state.newest(folder) if os.path.isdir(os.path.join(folder, "state")) else ""


class Settled(test_service_kill.Kill):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        dice = random.Random(SEED)
        records = [record for number in range(STREAMS) for record in test_correlate.stream(dice, number)]
        cls.records, cls.late, cls.rules = (os.path.join(folder.name, name) for name in ("records", "late", "rules.yml"))
        dice.shuffle(records)
        with open(cls.records, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
        test_service_kill.disordered(cls.records, cls.late, dice, LATE_SECONDS)
        with open(cls.rules, "w", encoding="utf-8") as file:
            file.write("---\n".join(test_correlate.STREAM_RULES + correlations_yaml(test_correlate.CORRELATIONS)))
        scanned = os.path.join(folder.name, "scan.ndjson")
        subprocess.run([mt.PROGRAM, "scan", "-r", cls.rules, "-o", scanned, cls.records], check=True,
                       stderr=subprocess.DEVNULL)
        cls.wanted = mt.created(scanned)

    def prepare(self, folder, lateness, dice):
        with open(os.path.join(folder, "t.yaml"), "w", encoding="utf-8") as out:
            out.write(f"state: state\nworkers: {dice.randint(1, 3)}\ncheckpoint_interval: 100ms\nlateness: {lateness}\n"
                      f"settling: 2s\nrules: [{self.rules}]\n"
                      f"sources:\n  - {{name: audit, type: file, path: {folder}/input}}\n"
                      f"sinks:\n  - {{name: alerts, type: file, path: {folder}/alerts.ndjson}}\n")

    def start(self, folder):
        service = old_state.start(folder)
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        return service

    def found(self, folder):
        """The ids of what was written and not withdrawn."""
        last = {}
        for alert in old_state.lines(os.path.join(folder, "alerts.ndjson")):
            uid = alert["finding_info"]["uid"]
            self.assertEqual(alert["activity_id"] == 1, uid not in last, "created once, and first")
            last[uid] = alert["activity_id"]
        return sorted(uid for uid, activity in last.items() if activity != 3)

    def again(self, service, folder):
        return service if service.poll() is None else self.start(folder)

    def checkpoint(self, service, folder):
        """A checkpoint that began behind all that was written so far, and what it holds is told; or it died."""
        for _ in range(2):
            before = newest(folder)
            mt.wait_until(lambda: newest(folder) > before or service.poll() is not None, "a checkpoint")

    def live(self, folder, lines, dice):
        """Until all is given; hit at random before what was given is judged."""
        service = self.start(folder)
        for piece in range(PIECES):
            with open(os.path.join(folder, "input"), "ab") as out:
                out.writelines(lines[piece * len(lines) // PIECES:(piece + 1) * len(lines) // PIECES])
            for _ in range(dice.choice((0, 0, 1, 2))):
                mt.wait_until(lambda: service.poll() is not None or mt.children(service.pid), "it works")
                self.hit(service, False, dice)
                if dice.random() < 0.2:
                    service.kill()
                    service.wait()
                service = self.again(service, folder)
            self.checkpoint(service, folder)
            service = self.again(service, folder)
        with open(os.path.join(folder, "input"), "a", encoding="utf-8") as out:
            out.write(clock())
        return service

    def test_kills(self):
        for number in range(ROUNDS):
            seed = SEED + number
            dice = random.Random(seed)
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as folder:
                lateness, records = dice.choice([("unlimited", self.records), ("1m", self.late)])
                self.prepare(folder, lateness, dice)
                with open(records, "rb") as file:
                    service = self.live(folder, file.readlines(), dice)
                mt.wait_until(lambda: self.found(folder) == self.wanted, "all alerts, and no others")
                service.send_signal(signal.SIGTERM)
                self.assertEqual(service.wait(mt.WAIT_SECONDS), 0)
                self.assertEqual(self.found(folder), self.wanted)
                mt.assert_balance(self, "state", cwd=folder)
                lines = old_state.lines(os.path.join(folder, "alerts.ndjson"))
                print("seed", seed, lateness, dict(collections.Counter(line["activity_name"] for line in lines)), flush=True)


if __name__ == "__main__":
    unittest.main()
