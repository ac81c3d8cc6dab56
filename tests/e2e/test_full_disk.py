"""The state directory on a disk that its own journal fills: reading goes on, the oldest segments go before their time.

On a tmpfs, which root alone can mount."""
import json
import os
import signal
import subprocess
import sys
import unittest

import millrace_test as mr
import service

DISK_MIB = 24
FILE_RECORDS = 3000
FILES = 24


@unittest.skipIf(os.getuid() != 0, "no tmpfs can be mounted here")
class FullDisk(unittest.TestCase):
    def setUp(self):
        self.service = service.Service(self, 1)
        self.place = self.service.place
        self.state = self.place.path("state")
        self.input = self.place.path("in")
        os.mkdir(self.state)
        os.mkdir(self.input)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "none", self.state],
                                 stderr=subprocess.DEVNULL, check=False)
        if mounted.returncode != 0:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=True)

    def describe(self):
        with open(self.place.path("topology.yaml"), "w", encoding="utf-8") as out:
            json.dump({"state": self.state, "rules": [self.place.rule], "checkpoint_interval": "100ms", "workers": 1,
                       "dead_letter": self.place.path("dead.ndjson"),
                       "sources": [{"name": "in", "type": "file", "path": self.input, "segment_bytes": "1MiB"}],
                       "sinks": [self.service.file_sink()]}, out)

    def alerts(self):
        return len(mr.whole_lines(self.place.path("alerts.ndjson")))

    def add(self, number):
        """A file that is there whole at once."""
        path = os.path.join(self.place.name, "next")
        with open(path, "w", encoding="utf-8") as out:
            for i in range(FILE_RECORDS):
                out.write(json.dumps(mr.record(number * FILE_RECORDS + i, FILE_RECORDS)) + "\n")
        os.rename(path, os.path.join(self.input, f"{number}.ndjson"))
        return os.path.getsize(os.path.join(self.input, f"{number}.ndjson"))

    def test_own_journal(self):
        self.describe()
        process = self.service.start()
        fed = 0
        for number in range(FILES):
            fed += self.add(number)
            mr.wait_until(lambda want=number + 1: self.alerts() == want, "an alert of each file")
        self.assertGreater(fed, 2 * DISK_MIB << 20)
        self.assertIn("goes before journal_age and journal_bytes", self.service.said())
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        mr.assert_balance(self, self.state)

    def test_a_start_on_a_full_disk(self):
        """Others took what was left: the checkpoint that it begins with is kept, and what is older goes."""
        self.describe()
        process = self.service.start()
        for number in range(8):
            self.add(number)
            mr.wait_until(lambda want=number + 1: self.alerts() == want, "an alert of each file")
        process.kill()
        process.wait()
        try:
            with open(os.path.join(self.state, "filler"), "wb", buffering=0) as filler:
                while filler.write(b"x" * 4096):
                    pass
        except OSError:
            pass
        process = self.service.start()
        for number in range(8, 12):
            self.add(number)
            mr.wait_until(lambda want=number + 1: self.alerts() == want, "an alert of each file")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        mr.assert_balance(self, self.state)


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
