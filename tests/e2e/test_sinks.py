"""Sinks of `millrace run` on this host: a file holds each alert once over kills, standard output gets all of them."""
import json
import os
import random
import signal
import subprocess
import unittest

import millrace_test as mr
from service import Service

COUNT = 20000
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))


class Sinks(unittest.TestCase):
    def setUp(self):
        self.service = Service(self, COUNT)

    def test_a_file_holds_each_alert_once_over_kills(self):
        print("seed", SEED, flush=True)
        dice = random.Random(SEED)
        self.service.describe(self.service.file_sink())
        path = self.service.path("alerts.ndjson")
        for life in range(4):
            process = self.service.start()
            mr.wait_until(lambda: process.poll() is not None or
                          os.path.exists(path) and os.path.getsize(path) > life * COUNT * 400, "lines")
            self.service.kill(process, dice)
        self.service.finish(self.service.start())
        self.service.assert_kept_once()

    def test_standard_output_gets_all(self):
        self.service.describe({"name": "out", "type": "stdout"}, self.service.file_sink())
        process = self.service.start(stdout=subprocess.PIPE)
        with process.stdout:
            lines = process.stdout.readlines()
        self.service.finish(process)
        self.assertEqual(mr.ids(map(json.loads, lines)), self.service.expected)
        self.service.assert_kept_once()

    def test_standard_output_over_deaths(self):
        """Whoever dies in the middle of a line takes no other line with it."""
        print("seed", SEED, flush=True)
        dice = random.Random(SEED)
        self.service.describe({"name": "out", "type": "stdout"}, self.service.file_sink())
        process = self.service.start(stdout=subprocess.PIPE)
        got = bytearray()
        with process.stdout:
            for _ in range(5):
                wanted = len(got) + dice.randrange(1 << 16, 1 << 21)
                while len(got) < wanted:
                    more = os.read(process.stdout.fileno(), 1 << 16)
                    if not more:
                        break
                    got += more
                for pid, _ in mr.children(process.pid):
                    try:
                        if mr.worker_name(pid) == "deliver":
                            os.kill(pid, signal.SIGKILL)
                    except OSError:  # it is gone already
                        pass
            got += process.stdout.read()
        self.service.finish(process)
        found = set()
        torn = 0
        for line in bytes(got).split(b"\n"):
            try:
                found.add(json.loads(line)["finding_info"]["uid"])
            except ValueError:
                torn += 1
        self.assertEqual(sorted(found), self.service.expected)
        self.assertLessEqual(torn, 11)  # for each death a piece and an empty line, and what stands behind the last line
        self.service.assert_kept_once()

    def test_a_reader_that_goes_away_ends_it(self):
        """No restart of workers would bring it back; the next start goes on from the last checkpoint."""
        out = {"name": "out", "type": "stdout"}
        self.service.describe(out, self.service.file_sink(), checkpoint_interval="1h")
        process = self.service.start(stdout=subprocess.PIPE)
        got = [process.stdout.readline() for _ in range(1000)]
        process.stdout.close()
        self.service.finish(process, status=1)
        self.assertIn("out: whoever read it has gone away", self.service.said())
        process = self.service.start(stdout=subprocess.PIPE)
        with process.stdout:
            got += process.stdout.readlines()
        self.service.finish(process)
        found = mr.ids(map(json.loads, got))
        self.assertEqual(sorted(set(found)), self.service.expected)
        self.service.assert_kept_once()


if __name__ == "__main__":
    unittest.main(verbosity=2)
