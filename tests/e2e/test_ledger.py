"""`millrace ledger`: what it says where there is no ledger, or something else in its place."""
import json
import os
import sqlite3
import subprocess
import tempfile
import unittest

import millrace_test as mr


class Ledger(unittest.TestCase):
    def setUp(self):
        self.state = self.enterContext(tempfile.TemporaryDirectory())
        self.path = os.path.join(self.state, "ledger.sqlite")

    def refused(self, words, status=1):
        for verb in ("report", "check"):
            done = mr.ledger(verb, self.state)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(f"millrace ledger: {self.path}: {words}", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_words(self):
        for arguments in ([], ["report"], ["check", "a", "b"], ["count", "a"], ["check", "--csv", "a"],
                          ["report", "--json", "--csv", "a"], ["report", "--xml", "a"]):
            self.assertEqual(mr.ledger(*arguments).returncode, 2, arguments)
        self.assertIn("ledger check [--json] STATE_DIR", mr.ledger("--help").stdout)
        asked = subprocess.run([mr.PROGRAM, "help", "ledger"], capture_output=True, text=True, check=True)
        self.assertEqual(asked.stdout, mr.ledger("--help").stdout)
        self.assertIn("report or check is wanted; see", mr.ledger().stderr)

    def test_none(self):
        self.refused("there is no ledger", 2)
        self.assertEqual(os.listdir(self.state), [])

    def test_no_directory(self):
        path = os.path.join(self.state, "file")
        with open(path, "w", encoding="utf-8"):
            pass
        done = mr.ledger("check", path)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("file/ledger.sqlite: there is no ledger", done.stderr)

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


class Service(unittest.TestCase):
    """Over `millrace run`: 300 records of which 100 alert, and two that are none."""

    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.state = self.place.path("state")
        self.alerts = self.place.path("alerts.ndjson")
        with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
            out.write("state: state\nrules: [rule.yml]\ndead_letter: dead.ndjson\nsources:\n"
                      "  - {name: exports, type: file, path: in.ndjson, follow: false}\n"
                      "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")
        mr.write_records(self.place.path("in.ndjson"), 300)
        with open(self.place.path("in.ndjson"), "a", encoding="utf-8") as out:
            out.write("no json\n[1]\n")
        done = subprocess.run([mr.PROGRAM, "run", self.place.path("t.yaml")], capture_output=True, text=True,
                              env=self.place.environment, timeout=mr.WAIT_SECONDS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def checked(self, status, words):
        done = mr.ledger("check", self.state)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertIn(words, done.stdout)

    def test_balance_and_frauds(self):
        self.checked(0, "the books balance")
        rows = [json.loads(line) for line in mr.ledger("report", "--json", self.state).stdout.splitlines()]
        self.assertEqual({row["source"] for row in rows}, {"exports"})
        for name, count in {"records": 302, "parsed": 300, "rejected": 2, "matched": 100, "alerts": 100,
                            "delivered": 100, "rejected_not_json": 1, "rejected_not_record": 1}.items():
            self.assertEqual(sum(row[name] for row in rows), count, name)
        with sqlite3.connect(os.path.join(self.state, "ledger.sqlite")) as database:
            positions = database.execute("SELECT source, partition, max(position) FROM positions GROUP BY 1, 2").fetchall()
        path = self.place.path("in.ndjson")
        self.assertEqual(positions, [("exports", path, os.path.getsize(path))])
        for name, words in (("alerts.ndjson", "alerts.ndjson: it has 99 lines, the books 100"),
                            ("dead.ndjson", "dead.ndjson: it has 1 lines, the books 2")):
            with open(self.place.path(name), "rb") as text:
                lines = text.readlines()
            with open(self.place.path(name), "wb") as out:
                out.writelines(lines[:-2] + lines[-1:])
            self.checked(1, words)
            with open(self.place.path(name), "wb") as out:
                out.writelines(lines)
        self.checked(0, "the books balance")
        with sqlite3.connect(os.path.join(self.state, "ledger.sqlite")) as database:
            database.execute("DELETE FROM counter WHERE n = 2")
        self.checked(1, "of table counter, ")


if __name__ == "__main__":
    unittest.main()
