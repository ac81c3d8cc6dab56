"""./run says what is wrong with its words before it installs or builds anything."""
import os
import shutil
import subprocess
import tempfile
import unittest

import millrace_test as mr

BUSY = ("apt-get", "cmake", "ctest", "dpkg-query", "sudo")


class Run(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(tempfile.TemporaryDirectory())
        self.called = os.path.join(self.place, "called")
        tools = os.path.join(self.place, "tools")
        targets = os.path.join(self.place, "tests", "fuzz", "room")
        os.makedirs(targets)
        os.mkdir(tools)
        shutil.copy(os.path.join(mr.ROOT, "run"), os.path.join(self.place, "run"))
        for name in ("fuzz_one.c", "fuzz_other.c"):
            with open(os.path.join(targets, name), "w", encoding="utf-8"):
                pass
        for name in BUSY:
            with open(os.path.join(tools, name), "w", encoding="utf-8") as tool:
                tool.write(f"#!/bin/sh\necho {name} >>'{self.called}'\nexit 1\n")
            os.chmod(tool.name, 0o755)
        self.environment = {**os.environ, "PATH": tools + os.pathsep + os.environ["PATH"]}

    def run_with(self, *words):
        done = subprocess.run([os.path.join(self.place, "run"), *words], env=self.environment, capture_output=True, text=True,
                              check=False, timeout=mr.WAIT_SECONDS)
        return done.returncode, done.stderr

    def test_wrong_words(self):
        for words, said in ((("nonsense",), "run: no such command: nonsense\n"),
                            (("build", "nonsense"), "run: no such preset: nonsense; there are dev, release, "),
                            (("fuzz",), "run: fuzz TARGET SECONDS\n"),
                            (("fuzz", "fuzz_on", "5"), "run: no such fuzz target: fuzz_on; there are: fuzz_one fuzz_other\n"),
                            (("fuzz", "fuzz_one", "soon"), "run: fuzz: so many seconds, not soon\n"),
                            (("deps", "nonsense"), "run: deps: build, test, lint or nothing")):
            with self.subTest(words):
                status, stderr = self.run_with(*words)
                self.assertEqual(status, 2, stderr)
                self.assertTrue(stderr.startswith(said), stderr)
                self.assertFalse(os.path.exists(self.called), "something was installed or built")

    def test_right_words_go_on(self):
        for words in (("build", "release"), ("fuzz", "fuzz_other", "5")):
            with self.subTest(words):
                status, stderr = self.run_with(*words)
                self.assertNotIn("no such", stderr)
                self.assertNotEqual(status, 2)
                self.assertTrue(os.path.exists(self.called))
                os.unlink(self.called)


if __name__ == "__main__":
    unittest.main(verbosity=2)
