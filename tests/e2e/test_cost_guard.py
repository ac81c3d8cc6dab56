"""./run cost's verdict: a rise past the limit fails, whatever else; each figure has a reason."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.environ["MILLRACE_ROOT"], "bench"))
import guard  # noqa: E402


class Guard(unittest.TestCase):
    def setUp(self):
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write("# words\nown 1000 first\nall 2000 first\nown 900 what was slow is gone\n")
        self.path = file.name
        self.addCleanup(os.unlink, self.path)

    def verdict(self, **counted):
        return guard.judge(guard.read(self.path), counted)

    def test_what_got_slower_is_refused(self):
        self.assertTrue(self.verdict(own=926, all=2059)[1])
        words, good = self.verdict(own=928, all=1500)
        self.assertFalse(good)
        self.assertIn("refused", words[0])
        self.assertFalse(self.verdict(own=900, all=2061)[1])

    def test_what_got_faster_is_said(self):
        words, good = self.verdict(own=890, all=2000)
        self.assertTrue(good)
        self.assertIn("--commit", words[0])
        self.assertNotIn("--commit", words[1])

    def test_a_count_without_a_figure_is_refused(self):
        self.assertFalse(self.verdict(other=1)[1])

    def test_a_figure_without_a_reason_is_refused(self):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("own 5000\n")
        with self.assertRaisesRegex(ValueError, ":5:"):
            guard.read(self.path)

    def test_what_is_committed_holds(self):
        guard.commit({"own": 950}, "records are\nlooked at twice", self.path)
        self.assertEqual(guard.read(self.path), {"own": 950, "all": 2000})

    def test_the_committed_figures(self):
        self.assertEqual(set(guard.read()), {"own", "all", "hostile"})


if __name__ == "__main__":
    unittest.main()
