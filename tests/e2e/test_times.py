"""Records dated 2999 and 1601 among others: they move no watermark, so that what comes after them still finds the state of
what came before; and two services on one state directory."""
import json
import os
import signal
import subprocess
import unittest

import millrace_test as mt
import old_state


class Times(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(mt.Workplace()).name
        old_state.prepare(self.folder)
        with open(os.path.join(self.folder, "t.yaml"), "a", encoding="utf-8") as out:
            out.write("lateness: 1h\n")
        self.source = os.path.join(self.folder, "in", "a.log")
        self.number = 0

    def start(self):
        process = old_state.start(self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(mt.WAIT_SECONDS), 0, self.words())

    def words(self):
        with open(os.path.join(self.folder, "said"), encoding="utf-8") as said:
            return said.read()

    def add(self, *times):
        """Records of one user that match, at these times; and a line that is none, to see that they were read."""
        with open(self.source, "a", encoding="utf-8") as out:
            for time in times:
                self.number += 2
                record = {**old_state.record(self.number), "UserId": "ann@example.com", "CreationTime": time}
                out.write(json.dumps(record) + "\n")
            out.write("bad\n")

    def wait_for_checkpoints(self, letters):
        mt.wait_until(lambda: len(old_state.letters(self.folder)) == letters, lambda: "all is read: " + self.words())
        for _ in range(2):
            before = old_state.newest(self.folder)
            mt.wait_until(lambda: old_state.newest(self.folder) > before, "a checkpoint")

    def test_far_from_now(self):
        """Three in an hour make an alert: two come, then years that are wrong, then the third."""
        process = self.start()
        self.add("2024-05-01T10:00:00", "2024-05-01T10:10:00")
        self.wait_for_checkpoints(1)
        self.add("2999-01-01T00:00:00", "1601-01-01T00:00:00", "2999-01-01T00:00:01", "9999-12-31T23:59:59")
        self.wait_for_checkpoints(2)
        self.end(process)
        process = self.start()
        self.add("2999-01-01T00:00:02", "2024-05-01T10:20:00")
        self.wait_for_checkpoints(3)
        self.end(process)
        wanted = old_state.scanned(self.folder, self.source)
        self.assertEqual(len(wanted), 2)
        self.assertEqual(old_state.alerts(self.folder), wanted, self.words())

    def test_two_services(self):
        """The second is refused, and the first goes on."""
        process = self.start()
        self.add("2024-05-01T10:00:00")
        self.wait_for_checkpoints(1)
        second = subprocess.run([mt.PROGRAM, "run", "t.yaml"], cwd=self.folder, capture_output=True, text=True, check=False,
                                timeout=mt.WAIT_SECONDS)
        self.assertEqual(second.returncode, 1, second.stderr)  # systemd tries again: the first one may end
        self.assertIn("state: another service runs on this state directory", second.stderr)
        self.add("2024-05-01T10:01:00", "2024-05-01T10:02:00")
        self.wait_for_checkpoints(2)
        self.end(process)
        self.assertEqual(old_state.alerts(self.folder), old_state.scanned(self.folder, self.source))
        mt.assert_balance(self, "state", cwd=self.folder)


if __name__ == "__main__":
    unittest.main()
