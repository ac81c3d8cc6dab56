"""State directories of older programs are gone on from; those of newer ones are refused, and stay what they are."""
import glob
import os
import signal
import tarfile
import unittest

import millrace_test as mt
import old_state

DATA = os.path.join(mt.ROOT, "tests", "data")


class Upgrade(unittest.TestCase):
    def unpack(self, path):
        """The state directory that was kept, in a place of its own, with an input that is new."""
        place = self.enterContext(mt.Workplace())
        with tarfile.open(path) as archive:
            archive.extractall(place.name)
        os.mkdir(place.path("in"))
        return place.name

    def go_on(self, folder):
        """Until what is new was read, and to an end in good order; what it said."""
        process = old_state.start(folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        mt.wait_until(lambda: process.poll() is not None or len(old_state.letters(folder)) == old_state.RECORDS + 8, "all is read")
        process.send_signal(signal.SIGTERM)
        status = process.wait(mt.WAIT_SECONDS)
        with open(os.path.join(folder, "said"), encoding="utf-8") as said:
            words = said.read()
        self.assertEqual(status, 0, words)
        return words

    def test_an_older_one_is_gone_on_from(self):
        paths = sorted(glob.glob(os.path.join(DATA, "state-*.tar.xz")))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(path):
                folder = self.unpack(path)
                # Two of three that make an alert stand in the state.
                source = os.path.join(folder, "in", "b.log")
                old_state.write_records(source, range(old_state.RECORDS, old_state.RECORDS + 8))
                words = self.go_on(folder)
                self.assertNotIn("is looked for", words)
                self.assertEqual(old_state.alerts(folder),
                                 old_state.scanned(folder, os.path.join(folder, "records"), source), words)
                self.assertEqual(sorted(old_state.letters(folder)),
                                 sorted(f"bad {number}" for number in range(old_state.RECORDS + 8)))
                mt.assert_balance(self, "state", cwd=folder)


if __name__ == "__main__":
    unittest.main()
