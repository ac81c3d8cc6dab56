"""Inputs that are cut, replaced or removed while they are scanned: what could not be read is named, the rest is done."""
import json
import os
import re
import subprocess
import unittest

import millrace_test as mr

COUNT = 40000
AFTER = 100
PADDING = "x" * 600  # so that the alerts of what is read fill all buffers long before the file's end


def write_records(path, numbers):
    with open(path, "w", encoding="utf-8") as out:
        for number in numbers:
            out.write(json.dumps({**mr.record(number, 1), "ObjectId": PADDING}) + "\n")


class Changed(unittest.TestCase):
    """The scan is held in the middle by a pipe that nobody reads, with regions under way that no worker has read."""

    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.first = self.place.path("first.ndjson")
        self.second = self.place.path("second.ndjson")
        write_records(self.first, range(COUNT))
        write_records(self.second, range(COUNT, COUNT + AFTER))
        self.dead = self.place.path("dead.ndjson")
        self.books = self.place.path("summary.json")

    def held_scan(self, change):
        """Run over both files; `change` with the scan's pid once all stand still. Gives (exit status, alerts, what stderr said)."""
        with open(self.place.path("said"), "w+b") as said:
            process = subprocess.Popen(
                [mr.PROGRAM, "scan", "-r", self.place.rule, "--workers", "1", "--region-bytes", "65536",
                 "--dead-letter", self.dead, "--summary", self.books, self.first, self.second],
                stdout=subprocess.PIPE, stderr=said, env=self.place.environment)
            try:
                mr.wait_until(lambda: any(mr.blocked_in_write(pid) for pid, _ in mr.children(process.pid)),
                              "a full pipe")
                mr.wait_until(lambda: mr.all_sleep(process.pid), "all to stand still")
                change(process.pid)
                found = mr.alerts(process.communicate(timeout=mr.WAIT_SECONDS * 2)[0])
            finally:
                process.kill()
                process.wait()
            said.seek(0)
            return process.returncode, found, said.read().decode()

    def expect_second_whole(self, found):
        keys = {alert["unmapped"]["millrace"]["key"][0] for alert in found}
        self.assertEqual([number for number in range(COUNT, COUNT + AFTER) if mr.record(number)["Id"] not in keys], [])

    def test_file_cut_in_place(self):
        size = os.path.getsize(self.first)
        status, found, said = self.held_scan(lambda _: os.truncate(self.first, 0))
        self.assertEqual(status, 1, said)
        self.expect_second_whole(found)
        books = mr.summary(self.books)
        lost = books["counters"]["regions_rejected"]
        self.assertGreater(lost, 0)
        self.assertEqual(books["rejected"], lost)
        self.assertEqual(books["records"], books["parsed"] + lost)
        self.assertEqual(len(found), books["alerts"])
        self.assertEqual(books["alerts"], books["parsed"])
        with open(self.dead, encoding="utf-8") as lines:
            letters = [json.loads(line) for line in lines]
        self.assertEqual(len(letters), lost)
        for letter in letters:
            self.assertEqual(letter["source"], self.first)
            self.assertLess(letter["offset"], size)
            self.assertIn("became shorter", letter["reason"])
            self.assertGreater(letter["length"], 0)
        # The log names source and offset; the last word says that not all was read.
        self.assertRegex(said, re.escape(self.first) + r": offset \d+: .*became shorter")
        self.assertIn(f"{lost} region", said.splitlines()[-1])

    def test_file_replaced(self):
        """Whoever renames a new file over an old one harms no reader: the old one is read to its end."""
        def replace(_):
            other = self.place.path("other")
            with open(other, "w", encoding="utf-8") as out:
                out.write("{}\n")
            os.rename(other, self.first)
        status, found, said = self.held_scan(replace)
        self.assertEqual(status, 0, said)
        self.assertEqual(len(found), COUNT + AFTER)

    def test_file_removed(self):
        """An open file lives on; one whose turn had not come is named, and what was read is judged."""
        turn_came = []

        def remove(pid):
            turn_came.extend(child for child, _ in mr.children(pid) if self.second in mr.open_files(child))
            os.unlink(self.first)
            os.unlink(self.second)
        status, found, said = self.held_scan(remove)
        if turn_came:
            self.assertEqual(status, 0, said)
            self.assertEqual(len(found), COUNT + AFTER)
            return
        self.assertEqual(status, 1, said)
        self.assertEqual(len(found), COUNT)
        self.assertIn(f"{self.second}: cannot open the input any more: No such file or directory", said)
        self.assertIn("1 input could not be read whole", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
