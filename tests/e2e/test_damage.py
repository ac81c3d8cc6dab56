"""A state directory that was damaged: each of its files is cut short, and has a bit changed, at several places. The service
then goes on from what is whole, with every alert once and books that balance; or it ends with a word that names the file,
or the books do. It never crashes, and nothing is lost in silence.

MILLRACE_SEED says from where the dice start, MILLRACE_PLACES how many more places of each file than its ends.
"""
import os
import random
import shutil
import signal
import unittest

import millrace_test as mt
import old_state

SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
PLACES = int(os.environ.get("MILLRACE_PLACES", "1"))
NO_DATA = shutil.ignore_patterns("lock", "*.sock", "*-shm")  # it is made anew


def cut(at):
    return lambda file: file.truncate(at)


def flip(at, bit):
    def change(file):
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))
    return change


def harms(size, dice):
    """What is done to a file of that size: words, and a function of the open file."""
    if size == 0:
        return
    for at in sorted({0, size - 1, *(dice.randrange(size) for _ in range(PLACES))}):
        yield f"cut at {at} of {size}", cut(at)
    for at in sorted({0, min(8, size - 1), size - 1, *(dice.randrange(size) for _ in range(PLACES))}):
        bit = 1 << dice.randrange(8)
        yield f"bit {bit} of byte {at} of {size}", flip(at, bit)


class Damage(unittest.TestCase):
    def setUp(self):
        place = self.enterContext(mt.Workplace())
        self.whole = place.path("whole")
        self.folder = place.path("service")
        os.mkdir(self.folder)
        self.records = os.path.join(self.folder, "records")

    def manifests(self):
        """Each that there is or was: a number may be given again."""
        entries = [entry for entry in os.scandir(os.path.join(self.folder, "state")) if entry.name[:9] == "MANIFEST-"]
        return {(entry.name, entry.inode()) for entry in entries if not entry.name.endswith(".new")}

    def letters(self):
        with open(os.path.join(self.folder, "state", "dead-letter.ndjson"), "rb") as lines:
            return lines.read().count(b"\n")

    def live_on(self):
        """A start, a checkpoint of all that there is, and an end in good order, or by itself; how it ended."""
        before = self.manifests()
        process = old_state.start(self.folder)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def is_done():
            return process.poll() is not None or (self.letters() >= old_state.RECORDS and self.manifests() - before)
        mt.wait_until(is_done, "a checkpoint, or an end")
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        return process.wait(mt.WAIT_SECONDS)

    def judge(self, path):
        status = self.live_on()
        with open(os.path.join(self.folder, "said"), encoding="utf-8") as said:
            words = said.read()
        if os.environ.get("MILLRACE_SHOW"):
            print(path, status, words, flush=True)
        self.assertIn(status, (0, 1, 2), words)
        for bad in ("killed by signal", "Sanitizer", "runtime error"):
            self.assertNotIn(bad, words)
        if status != 0:
            self.assertIn(os.path.basename(path), words)
            return
        books = mt.ledger("check", "state", cwd=self.folder)
        if books.returncode != 0:
            named = path.startswith("state/ledger.sqlite") or path in books.stdout or \
                (path.startswith("state/spool/hook/") and "sink hook" in books.stdout and "sink hook: its spool" in words)
            self.assertTrue(named, books.stdout + books.stderr + words)
            return
        self.assertEqual(old_state.alerts(self.folder), self.wanted, words)
        if path.endswith("dead-letter.ndjson"):  # one whose id has changed is written again
            self.assertIn(self.letters(), (old_state.RECORDS, old_state.RECORDS + 1), words)
        else:
            self.assertEqual(self.letters(), old_state.RECORDS, words)

    def files(self):
        found = []
        for folder, _, names in os.walk(os.path.join(self.whole, "state")):
            found += [os.path.relpath(os.path.join(folder, name), self.whole) for name in names]
        return sorted(found)

    def walk(self, dice):
        shutil.copytree(self.folder, self.whole, ignore=NO_DATA)
        self.wanted = old_state.scanned(self.folder, self.records)
        for path in self.files():
            for what, harm in harms(os.path.getsize(os.path.join(self.whole, path)), dice):
                shutil.rmtree(self.folder)
                shutil.copytree(self.whole, self.folder)
                with open(os.path.join(self.folder, path), "r+b") as file:
                    harm(file)
                with self.subTest(path=path, what=what, seed=SEED):
                    self.judge(path)

    def test_after_a_kill(self):
        print("seed", SEED, flush=True)
        old_state.prepare(self.folder)
        old_state.live(self.folder)
        self.walk(random.Random(SEED))

    def test_before_a_checkpoint(self):
        old_state.prepare(self.folder, interval="1h")
        old_state.live_without(self.folder)
        old_state.prepare(self.folder)
        self.walk(random.Random(SEED + 2))

    def test_after_an_end(self):
        old_state.prepare(self.folder)
        old_state.live(self.folder)
        self.assertEqual(self.live_on(), 0)
        os.unlink(os.path.join(self.folder, "said"))
        self.walk(random.Random(SEED + 1))


if __name__ == "__main__":
    unittest.main()
