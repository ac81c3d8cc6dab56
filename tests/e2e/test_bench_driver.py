"""What the benchmark measures with: a latency counts from when its record was due, memory counts each process once."""
import importlib.machinery
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MILLRACE_ROOT"], "bench"))
import driver  # noqa: E402
import latency  # noqa: E402
import page  # noqa: E402
import records  # noqa: E402

growth = importlib.machinery.SourceFileLoader("growth", os.path.join(os.environ["MILLRACE_ROOT"], "bench", "growth")).load_module()


LINES = [b"a" * 49 + b"\n", b"b" * 69 + b"\n", b"c" * 79 + b"\n", b"d" * 99 + b"\n"]


def feeder(pipe=None, **more):
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(LINES))
        file.flush()
        latency.line_ends.cache_clear()
        fed = latency.Feeder(file.name, pipe, rate=10, burst=2, **more)
        if pipe:
            fed.start()
            fed.join()
    fed.began = 100.0
    return fed


class Latency(unittest.TestCase):
    def fed(self, **more):
        """What comes through the pipe, and who fed it."""
        end, begin = os.pipe()
        with open(end, "rb") as read:
            fed = feeder(open(begin, "wb"), **more)
            return read.read(), fed

    def test_all_is_fed_once(self):
        came, fed = self.fed()
        self.assertEqual(came, b"".join(LINES))
        self.assertEqual(fed.sent, 4)

    def test_what_is_skipped(self):
        for skip in (1, 49):
            came, fed = self.fed(skip=skip)
            self.assertEqual(came, b"".join(LINES[1:]))
            self.assertIsNone(fed.due(149))
            self.assertEqual(fed.due(150), 100.0)
        self.assertEqual(self.fed(skip=50)[0], b"".join(LINES[2:]))

    def test_a_record_is_due_at_its_turn(self):
        fed = feeder()
        self.assertIsNone(fed.due(0))
        self.assertIsNone(fed.due(119))
        self.assertEqual(fed.due(120), 100.0)
        self.assertEqual(fed.due(200), 100.1)

    def test_what_one_record_made_is_timed(self):
        alerts = latency.Alerts("none", feeder())
        line = b'{"offset": 7, "records": 1, "unmapped": {"records": %d, "evidence": [{"offset": %d, "length": 9}]}}'
        alerts.take(line % (1, 200), 100.35)
        alerts.take(line % (2, 200), 100.35)
        alerts.take(line % (1, 0), 100.35)
        alerts.take(b"{}", 100.35)
        self.assertEqual([round(took, 6) for took in alerts.took], [0.25])

    def test_told(self):
        told = latency.told([number / 1000 for number in range(1, 101)])
        self.assertEqual((told["count"], told["p50_seconds"], told["p99_seconds"]), (100, 0.051, 0.1))
        self.assertEqual(sum(n for _, n in told["within_us"]), 100)
        self.assertEqual(told["within_us"][0], [1000, 1])
        self.assertEqual(latency.told([]), {"count": 0})


class Watched(unittest.TestCase):
    def test_a_family_and_its_memory(self):
        with subprocess.Popen(["sh", "-c", "sleep 1000 & echo; wait"], stdout=subprocess.PIPE) as shell:
            shell.stdout.readline()
            family = list(driver.family(shell.pid))
            alone = driver.pss_bytes(family[1])
            both = driver.pss_bytes(shell.pid)
            for pid in family:
                os.kill(pid, 9)
        self.assertEqual(len(family), 2)
        self.assertGreater(alone, 0)
        self.assertGreater(both, alone)

    def test_who_fails_is_named(self):
        with self.assertRaisesRegex(SystemExit, "false ended with 1"):
            driver.Measured(["false"]).end()


class Growth(unittest.TestCase):
    def test_records_have_their_size_and_users(self):
        with tempfile.NamedTemporaryFile() as file:
            for size in (512, 1024, 65536):
                records.write(file.name, 30, 7, size)
                with open(file.name, encoding="ascii") as lines:
                    found = [(len(line), json.loads(line)["UserId"]) for line in lines]
                self.assertEqual(len({user for _, user in found}), 7)
                self.assertTrue(all(0.8 * size < length < 1.05 * size for length, _ in found), found[0])

    def test_a_curve_stands_on_the_page_once(self):
        self.assertEqual(page.with_part("a\n", "all", "one", "1\n"),
                         "a\n\n<!-- all -->\n\n<!-- one -->\n1\n<!-- /one -->\n<!-- /all -->\n")
        text = "a\n<!-- all -->\n<!-- /all -->\nz\n"
        for name, words in (("one", "1"), ("two", "2"), ("one", "3")):
            text = page.with_part(text, "all", name, words + "\n")
        inside = "\n<!-- one -->\n3\n<!-- /one -->\n\n<!-- two -->\n2\n<!-- /two -->\n"
        self.assertEqual(text, "a\n<!-- all -->\n" + inside + "<!-- /all -->\nz\n")

    def test_each_curve_has_its_place_on_the_page(self):
        with open(page.README, encoding="utf-8") as file:
            text = file.read()
        for name in growth.CURVES:
            self.assertEqual(text.count(f"<!-- {name} -->"), 1, name)
            self.assertTrue(os.path.exists(os.path.join(os.path.dirname(page.README), f"curve_{name}.svg")), name)


if __name__ == "__main__":
    unittest.main()
