"""A service that follows files: growth, both rotations, deletion, deaths by SIGKILL, a torn and a damaged journal.

Lines that are no JSON go to the dead letter, whole, with source and offset: so what came is seen line by line."""
import glob
import json
import os
import resource
import signal
import subprocess
import time
import unittest

import millrace_test as mt


class Follow(unittest.TestCase):
    def setUp(self):
        place = self.enterContext(mt.Workplace())
        self.folder = place.name
        self.input = os.path.join(self.folder, "in")
        os.mkdir(self.input)
        self.topology = os.path.join(self.folder, "t.yaml")
        with open(self.topology, "w", encoding="utf-8") as out:
            out.write(f"state: {self.folder}/state\nworkers: 1\ncheckpoint_interval: 100ms\nrules: {place.rule}\n"
                      f"sources:\n  - name: audit\n    type: file\n    path: {self.input}\n"
                      f"sinks:\n  - name: alerts\n    type: file\n    path: {self.folder}/alerts.ndjson\n")
        self.process = None
        self.addCleanup(self.end, signal.SIGKILL)

    def start(self):
        self.process = subprocess.Popen([mt.PROGRAM, "run", self.topology], stderr=subprocess.PIPE)

    def end(self, number):
        """Ends the service; gives its exit status and what it said."""
        if self.process is None:
            return None, ""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=mt.WAIT_SECONDS)[1].decode()
        status, self.process = self.process.returncode, None
        return status, said

    def add(self, name, text):
        with open(os.path.join(self.input, name), "a", encoding="utf-8") as out:
            out.write(text)

    def rejected(self):
        try:
            with open(os.path.join(self.folder, "state", "dead-letter.ndjson"), encoding="utf-8") as lines:
                whole = [line for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [json.loads(line)["record"] for line in whole]

    def wait(self, *want):
        """Until exactly these have come, in any order."""
        until = time.monotonic() + mt.WAIT_SECONDS
        while sorted(self.rejected()) != sorted(want) and time.monotonic() < until:
            time.sleep(0.02)
        self.assertEqual(sorted(self.rejected()), sorted(want))

    def test_a_full_dead_letter_stops_nothing(self):
        """Past its bound records are counted, and the books know of them."""
        with open(self.topology, "a", encoding="utf-8") as out:
            out.write("dead_letter_bytes: 1MiB\n")
        self.add("a.log", "".join(f"{number} {'x' * 1000}\n" for number in range(3000)) + json.dumps(mt.record(0)) + "\n")
        self.start()
        mt.wait_until(lambda: len(mt.whole_lines(os.path.join(self.folder, "alerts.ndjson"))) == 1, "the alert behind")
        status, said = self.end(signal.SIGTERM)
        self.assertEqual(status, 0, said)
        self.assertIn("rejected records are only counted until it is moved away", said)
        self.assertTrue(1 << 20 <= os.path.getsize(os.path.join(self.folder, "state", "dead-letter.ndjson")) < 1100000)
        mt.assert_balance(self, os.path.join(self.folder, "state"))

    def test_more_files_than_may_be_open(self):
        """Written before it starts, and grown, rotated and removed behind that."""
        many = 700
        lines = [f"line {i}" for i in range(many)]
        for i in range(many):
            self.add(f"{i}.log", lines[i] + "\n")
        self.process = subprocess.Popen([mt.PROGRAM, "run", self.topology], stderr=subprocess.PIPE,
                                        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)))
        self.wait(*lines)
        for i in range(0, many, 2):
            self.add(f"{i}.log", f"more {i}\n")
        more = [f"more {i}" for i in range(0, many, 2)]
        self.wait(*lines, *more)
        status, said = self.end(signal.SIGTERM)
        self.assertEqual(status, 0, said)

    def test_growth_rotation_and_deaths(self):
        self.add("a.log", "bad1\n")
        self.start()
        self.wait("bad1")
        self.add("a.log", "bad")
        self.add("a.log", "2\n")
        self.wait("bad1", "bad2")
        self.end(signal.SIGKILL)
        self.add("a.log", "bad3\n")
        os.rename(os.path.join(self.input, "a.log"), os.path.join(self.input, "a.log.1"))
        self.add("a.log", "bad4\n")
        self.start()
        self.wait("bad1", "bad2", "bad3", "bad4")
        os.truncate(os.path.join(self.input, "a.log"), 0)
        self.add("a.log", "b5\n")
        self.wait("bad1", "bad2", "bad3", "bad4", "b5")
        os.unlink(os.path.join(self.input, "a.log"))
        self.add("b.log", "bad6\n")
        self.wait("bad1", "bad2", "bad3", "bad4", "b5", "bad6")
        self.end(signal.SIGKILL)
        self.start()
        self.add("b.log", "bad7\n")
        self.wait("bad1", "bad2", "bad3", "bad4", "b5", "bad6", "bad7")
        status, _ = self.end(signal.SIGTERM)
        self.assertEqual(status, 0)
        self.assertEqual(len(self.rejected()), 7)

    def segment(self):
        return sorted(glob.glob(os.path.join(self.folder, "state", "journal", "audit", "*.seg")))[-1]

    def test_a_torn_end_is_cut_and_a_damaged_middle_refused(self):
        self.start()
        for number in range(1, 4):
            self.add("a.log", f"bad{number}\n")
            self.wait(*[f"bad{n}" for n in range(1, number + 1)])
        self.assertEqual(self.end(signal.SIGTERM)[0], 0)
        with open(self.segment(), "ab") as out:
            out.write(b"torn" * 30)
        self.start()
        self.add("a.log", "bad4\n")
        self.wait("bad1", "bad2", "bad3", "bad4")
        status, said = self.end(signal.SIGTERM)
        self.assertEqual(status, 0)
        self.assertIn("a torn end is cut off", said)
        with open(self.segment(), "r+b") as file:
            at = file.read().index(b"bad2")
            file.seek(at)
            file.write(b"BAD2")
        self.start()
        said = self.process.communicate(timeout=mt.WAIT_SECONDS)[1].decode()
        status, self.process = self.process.returncode, None
        self.assertEqual(status, 1)
        self.assertIn(".seg: damaged", said)
        self.assertEqual(sorted(self.rejected()), ["bad1", "bad2", "bad3", "bad4"])


if __name__ == "__main__":
    unittest.main()
