"""The demo on a small scale: all planted attacks found, none invented; and a verdict that can fail."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.environ["MILLRACE"]


def demo(folder, *options):
    return subprocess.run([PROGRAM, "demo", "--dir", folder, "--users", "100000", "--events", "40000", *options],
                          capture_output=True, text=True, timeout=600)


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.first = demo(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_all_found_none_false(self):
        self.assertEqual(self.first.returncode, 0, self.first.stdout + self.first.stderr)
        self.assertEqual(self.first.stdout.splitlines()[-1], "5 of 5 planted attacks found, 0 false")

    def test_verdict_misses_what_is_not_there(self):
        path = os.path.join(self.folder.name, "truth.json")
        with open(path, encoding="utf-8") as file:
            before = file.read()
        truth = json.loads(before)
        truth["attacks"].append({"name": "never planted", "rule": "none", "records": ["none"]})
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(truth, file)
            result = demo(self.folder.name)
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(before)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(result.stdout.splitlines()[-1], "5 of 6 planted attacks found, 0 false")

    def test_verdict_calls_a_false_alert_false(self):
        path = os.path.join(self.folder.name, "truth.json")
        with open(path, encoding="utf-8") as file:
            before = file.read()
        truth = json.loads(before)
        lost = truth["attacks"].pop()
        try:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(truth, file)
            result = demo(self.folder.name)
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(before)
        self.assertEqual(result.returncode, 1, result.stderr)
        last = result.stdout.splitlines()[-1]
        self.assertTrue(last.startswith("4 of 4 planted attacks found, "), last)
        self.assertNotEqual(last.split(", ")[1], "0 false", f"without {lost['name']} its alerts are false")

    def test_wrong_options(self):
        for options in (["--bogus"], ["extra"]):
            result = subprocess.run([PROGRAM, "demo", *options], capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 2, options)
            self.assertIn("--help", result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
