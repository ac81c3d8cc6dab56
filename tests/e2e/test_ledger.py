"""`millrace ledger`: what it says where there is no ledger, or something else in its place."""
import os
import sqlite3
import subprocess
import tempfile
import unittest

import millrace_test as mr


def ledger(*arguments):
    return subprocess.run([mr.PROGRAM, "ledger", *arguments], capture_output=True, text=True, timeout=mr.WAIT_SECONDS,
                          check=False)


class Ledger(unittest.TestCase):
    def setUp(self):
        self.state = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.state, "ledger.sqlite")

    def refused(self, words, status=1):
        for verb in ("report", "check"):
            done = ledger(verb, self.state)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(f"millrace ledger: {self.path}: {words}", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_words(self):
        for arguments in ([], ["report"], ["check", "a", "b"], ["count", "a"], ["check", "--csv", "a"],
                          ["report", "--json", "--csv", "a"], ["report", "--xml", "a"]):
            self.assertEqual(ledger(*arguments).returncode, 2, arguments)
        self.assertIn("ledger check [--json] STATE_DIR", ledger("--help").stdout)

    def test_none(self):
        self.refused("there is no ledger", 2)
        self.assertEqual(os.listdir(self.state), [])

    def test_something_else(self):
        with open(self.path, "w", encoding="utf-8") as out:
            out.write("no database\n" * 1000)
        self.refused("the ledger cannot be used: file is not a database")
        os.truncate(self.path, 0)
        self.refused("there is no ledger in it: it is empty")
        self.assertEqual(os.path.getsize(self.path), 0)
        with sqlite3.connect(self.path) as database:
            database.execute("CREATE TABLE checkpoint(number INTEGER PRIMARY KEY)")
        self.refused("this is no ledger of Millrace")

    def test_a_newer_one(self):
        with sqlite3.connect(self.path) as database:
            database.execute("CREATE TABLE checkpoint(number INTEGER PRIMARY KEY)")
            database.execute("PRAGMA application_id = 1297239111")
            database.execute("PRAGMA user_version = 2")
        self.refused("the ledger is of version 2, this program knows up to 1: a newer Millrace wrote it", 2)


if __name__ == "__main__":
    unittest.main()
