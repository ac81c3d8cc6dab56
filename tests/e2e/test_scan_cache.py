"""The table of large GeoIP databases, kept between scans: where, when, and that no scan finds anything else for it."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import millrace_test as mt

RULE = """
title: A sign-in from somewhere
id: 5a4e6a39-92b1-4b5e-9a7e-000000000031
status: test
level: low
logsource: {product: azure}
detection:
  from: {src_endpoint.location.country|exists: true}
  condition: from
"""


class Cache(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        subprocess.run([os.environ["MILLRACE_TENANT"], "--seed", "3", "--users", "100000", "--events", "20000",
                        "--out", cls.folder], check=True)
        cls.rule = os.path.join(cls.folder, "rule.yml")
        with open(cls.rule, "w", encoding="utf-8") as text:
            text.write(RULE)
        cls.kept = os.path.join(cls.folder, "cache")
        cls.wanted = cls.scan(cls, XDG_CACHE_HOME=cls.kept)
        assert any("country" in json.dumps(alert) for alert in cls.wanted)
        [cls.name] = os.listdir(os.path.join(cls.kept, "millrace"))

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = place.name
        self.path = os.path.join(self.place, "millrace", self.name)

    def keep(self):
        """What a scan has kept, last used long ago."""
        shutil.copytree(os.path.join(self.kept, "millrace"), os.path.dirname(self.path))
        os.utime(self.path, (1, 1))

    def scan(self, *options, databases=None, **environment):
        """The alerts of a scan, with these variables alone to say where a user's things are."""
        given = databases or [os.path.join(self.folder, name) for name in ("city.mmdb", "asn.mmdb")]
        clean = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
        status, found, said = mt.scan("-r", self.rule, *options, *(f"--geoip={path}" for path in given),
                                      os.path.join(self.folder, "records.ndjson"), env={**clean, **environment})
        assert status == 0, said
        assert "error" not in said, said
        for alert in found:
            for of_a_run in ("time", "metadata"):
                alert.pop(of_a_run, None)
        return sorted(found, key=lambda alert: alert["finding_info"]["uid"])

    def tables(self, *names):
        folder = os.path.join(self.place, *names)
        return sorted(os.listdir(folder)) if os.path.exists(folder) else []

    def test_the_second_scan_finds_it(self):
        self.keep()
        self.assertEqual(self.scan(XDG_CACHE_HOME=self.place), self.wanted)
        self.assertGreater(os.stat(self.path).st_mtime, 1)  # it says so itself
        self.assertEqual(self.tables("millrace"), [self.name])
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_a_damaged_one_is_made_again(self):
        self.keep()
        with open(self.path, "rb") as table:
            whole = table.read()
        with open(self.path, "r+b") as table:
            table.seek(1 << 20)
            table.write(bytes([whole[1 << 20] ^ 0xff]))
        self.assertEqual(self.scan(XDG_CACHE_HOME=self.place), self.wanted)
        self.assertEqual(self.tables("millrace"), [self.name])
        with open(self.path, "rb") as table:
            self.assertTrue(table.read() == whole)

    def test_other_databases_are_others(self):
        self.keep()
        self.assertNotEqual(self.scan(databases=[os.path.join(self.folder, "asn.mmdb")], XDG_CACHE_HOME=self.place),
                            self.wanted)
        self.assertEqual(len(self.tables("millrace")), 2)
        self.assertEqual(os.stat(self.path).st_mtime, 1)

    def test_where(self):
        self.assertEqual(self.scan(HOME=self.place, XDG_CACHE_HOME="relative"), self.wanted)
        self.assertEqual(self.tables(".cache", "millrace"), [self.name])

    def test_nowhere(self):
        gone = os.path.join(self.place, "gone")
        self.assertEqual(self.scan(HOME=gone), self.wanted)
        self.assertFalse(os.path.exists(gone))

    def test_a_device_is_no_database(self):
        """It may have no end."""
        status, _, said = mt.scan("-r", self.rule, "--geoip=/dev/zero", os.path.join(self.folder, "records.ndjson"),
                                  env={**os.environ, "XDG_CACHE_HOME": self.place})
        self.assertEqual(status, 2)
        self.assertIn("/dev/zero: not a regular file", said)

    def test_none_where_none_is_wanted(self):
        """Neither taken, which its time would say, nor kept: that would be another file."""
        self.keep()
        before = os.stat(self.path)
        self.assertEqual(self.scan("--no-cache", XDG_CACHE_HOME=self.place), self.wanted)
        after = os.stat(self.path)
        self.assertEqual((after.st_mtime, after.st_ctime_ns, after.st_ino), (1, before.st_ctime_ns, before.st_ino))

    def test_small_databases_are_not_worth_it(self):
        folder = os.path.join(mt.SHARED, "data", "mmdb")
        if not os.path.isdir(folder):
            self.skipTest("no test databases")
        small = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if "City-Test" in name][:1]
        self.scan(databases=small, XDG_CACHE_HOME=self.place)
        self.assertEqual(self.tables(), [])


if __name__ == "__main__":
    unittest.main()
