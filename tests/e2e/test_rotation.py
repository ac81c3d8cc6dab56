"""Files of alerts and of dead letters that are moved away, removed, cut and replaced under a service, while it runs, is down
and is killed: all files together hold each line once, or the service ends with a word that says what is wrong.

MILLRACE_SEED says from where the dice start.
"""
import json
import os
import random
import shutil
import signal
import subprocess
import unittest

import millrace_test as mt

SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
STEPS = 40
NAMES = ("alerts.ndjson", "rejected.ndjson")


class Rotation(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mt.Workplace())
        self.log = self.place.path("log")
        os.mkdir(self.log)
        self.describe(dead_letter=os.path.join(self.log, NAMES[1]))
        self.count = 0
        self.process = None
        self.add(1)

    def describe(self, **settings):
        with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
            json.dump({"state": self.place.path("state"), "rules": [self.place.rule], "checkpoint_interval": "100ms",
                       "workers": 1, "sources": [{"name": "in", "type": "file", "path": [self.place.path("in")]}],
                       "sinks": [{"name": "kept", "type": "file", "path": os.path.join(self.log, NAMES[0])}], **settings}, out)

    def start(self):
        with open(self.place.path("said"), "ab") as said:
            self.process = subprocess.Popen([mt.PROGRAM, "run", self.place.path("t.yaml")], stderr=said,
                                            env=self.place.environment)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def said(self):
        with open(self.place.path("said"), encoding="utf-8") as text:
            return text.read()

    def add(self, count):
        """So many records that fire an alert, and as many broken ones."""
        with open(self.place.path("in"), "a", encoding="utf-8") as out:
            for number in range(self.count, self.count + count):
                out.write(json.dumps(mt.record(number, 1)) + f"\nbroken {number}\n")
        self.count += count

    def lines(self, name):
        """All whole ones of the file's rotations, oldest file first."""
        found = [os.path.join(self.log, other) for other in os.listdir(self.log) if other.startswith(name)]
        return [line for path in sorted(found, reverse=True) for line in mt.whole_lines(path)]

    def have_come(self, count):
        letters = self.lines(NAMES[1]) or mt.whole_lines(self.place.path("state/dead-letter.ndjson"))
        return self.process.poll() is not None or (len(self.lines(NAMES[0])) >= count and len(letters) >= count)

    def wait(self, count):
        mt.wait_until(lambda: self.have_come(count), f"{count} lines")
        self.assertIsNone(self.process.poll(), self.said())

    def rotate(self, name, makes=False):
        """As logrotate: older files move up; `create` or not."""
        path = os.path.join(self.log, name)
        if not os.path.exists(path):
            return
        for number in range(len(os.listdir(self.log)), 0, -1):
            older = f"{path}.{number:03}"
            if os.path.exists(older):
                os.rename(older, f"{path}.{number + 1:03}")
        os.rename(path, f"{path}.001")
        if makes:
            with open(path, "xb"):
                pass

    def wait_for_new_files(self):
        """The lines that come go to new files in the end."""
        def goes_on():
            self.add(1)
            self.wait(self.count)
            return all(os.path.exists(path) and os.path.getsize(path) > 0
                       for path in (os.path.join(self.log, name) for name in NAMES))
        mt.wait_until(goes_on, "lines in new files")

    def manifests(self):
        state = self.place.path("state")  # which a service that was just started has not made yet
        entries = [entry for entry in os.scandir(state) if entry.name[:9] == "MANIFEST-"] if os.path.isdir(state) else []
        return {(entry.name, entry.inode()) for entry in entries if not entry.name.endswith(".new")}

    def wait_for_checkpoint(self, count=2):
        """The second is one that was begun behind this."""
        seen = self.manifests()
        before = len(seen)
        mt.wait_until(lambda: self.process.poll() is not None or len(seen.update(self.manifests()) or seen) >= before + count,
                      "checkpoints")
        self.assertIsNone(self.process.poll(), self.said())

    def finish(self, status=0):
        if status == 0:
            self.wait_for_checkpoint()
            self.process.terminate()
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), status, self.said())

    def assert_each_once(self):
        uids = [json.loads(line)["finding_info"]["uid"] for line in self.lines(NAMES[0])]
        self.assertEqual((len(uids), len(set(uids))), (self.count, self.count), self.said())
        broken = sorted(json.loads(line)["record"] for line in self.lines(NAMES[1]))
        self.assertEqual(broken, sorted(f"broken {number}" for number in range(self.count)), self.said())
        mt.assert_balance(self, self.place.path("state"))
        self.assertNotIn("any more", self.said())  # that a file was lost

    def kill(self, dice):
        """One of its processes, or all."""
        family = [self.process.pid] + [child[0] for child in mt.children(self.process.pid)]
        victims = family if dice.random() < 0.5 else [dice.choice(family)]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process.pid in victims:
            self.process.wait()

    def test_at_any_moment(self):
        print("seed", SEED, flush=True)
        dice = random.Random(SEED)
        self.start()
        for _ in range(STEPS):
            self.add(dice.randint(1, 50))
            least = self.count - dice.randint(0, 50)
            if self.process.poll() is None:
                mt.wait_until(lambda: self.have_come(least), "lines")
            if self.process.poll() is None and dice.random() < 0.5:
                self.wait_for_checkpoint(dice.randint(1, 2))
            for name in NAMES:
                for _ in range(dice.choice([0, 0, 1, 1, 2])):  # also more than one between two checkpoints
                    self.rotate(name, dice.random() < 0.5)
            if dice.random() < 0.3 and self.process.poll() is None:
                self.kill(dice)
            if self.process.poll() is not None and dice.random() < 0.7:  # else it is down for a step
                self.assertEqual(self.process.returncode, -signal.SIGKILL, self.said())
                self.start()
        if self.process.poll() is not None:
            self.start()
        self.wait(self.count)
        for name in NAMES:
            self.rotate(name)
        self.wait_for_new_files()
        self.finish()
        self.assert_each_once()

    def test_a_folder_that_became_a_link(self):
        self.start()
        self.wait(1)
        os.rename(self.log, self.place.path("elsewhere"))
        os.symlink("elsewhere", self.log)
        for _ in range(2):
            self.add(3)
            self.wait(self.count)
            for name in NAMES:
                self.rotate(name)
            self.wait_for_new_files()
            self.process.kill()
            self.process.wait()
            self.start()
        self.wait(self.count)
        self.finish()
        self.assert_each_once()

    def test_a_file_that_is_a_link(self):
        real = self.place.path("real")
        os.mkdir(real)
        for name in NAMES:
            os.symlink(os.path.join(real, name), os.path.join(self.log, name))
        self.start()
        self.wait(1)
        self.log = real
        for name in NAMES:
            self.rotate(name)
        self.wait_for_new_files()
        self.finish()
        self.assert_each_once()

    def test_a_file_that_was_cut(self):
        """As copytruncate does. Nothing is lost: put back, it goes on."""
        path, copy = os.path.join(self.log, NAMES[0]), self.place.path("copy")
        self.start()
        self.wait(1)
        self.wait_for_checkpoint()
        shutil.copyfile(path, copy)
        os.truncate(path, 0)
        self.finish(status=1)
        self.assertIn("it was made shorter, and a rotation has to move it", self.said())
        self.start()
        self.finish(status=1)
        self.assertIn("it was made shorter or replaced", self.said())
        os.rename(copy, path)
        self.add(2)
        self.start()
        self.wait(self.count)
        self.finish()
        uids = [json.loads(line)["finding_info"]["uid"] for line in self.lines(NAMES[0])]
        self.assertEqual((len(uids), len(set(uids))), (self.count, self.count), self.said())

    def test_a_file_that_was_removed(self):
        self.start()
        self.wait(1)
        read = [self.lines(name) for name in NAMES]
        for name in NAMES:
            os.unlink(os.path.join(self.log, name))
        mt.wait_until(lambda: self.process.poll() is not None or self.said().count(" was removed, ") == 2, "words")
        read = [before + self.lines(name) for before, name in zip(read, NAMES)]
        self.add(5)
        mt.wait_until(lambda: self.process.poll() is not None or
                      all(len(set(before + self.lines(name))) == self.count for before, name in zip(read, NAMES)), "lines")
        self.finish()

    def test_a_path_that_is_gone_back_to(self):
        """The file that was there before, packed meanwhile, is none of the one that is begun there now."""
        first, second = (os.path.join(self.log, name) for name in (NAMES[0], "alerts-2.ndjson"))
        self.start()
        self.wait(1)
        self.wait_for_checkpoint()
        for times, path in enumerate((second, first), 1):
            self.describe(dead_letter=os.path.join(self.log, NAMES[1]), sinks=[{"name": "kept", "type": "file", "path": path}])
            self.process.send_signal(signal.SIGHUP)
            mt.wait_until(lambda: self.said().count("reloaded from checkpoint") >= times, "reloaded")
            if path == second:
                os.unlink(first)
            self.add(1)
            mt.wait_until(lambda: os.path.exists(path) and mt.whole_lines(path), path)
            self.wait_for_checkpoint()
            mt.assert_balance(self, self.place.path("state"))
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.start()
        self.add(1)
        mt.wait_until(lambda: len(mt.whole_lines(first)) >= 2, first)
        self.finish()
        self.assertEqual((len(mt.whole_lines(first)), len(mt.whole_lines(second))), (2, 1))
        mt.assert_balance(self, self.place.path("state"))

    def test_the_state_directory_is_no_place_for_it(self):
        letters = self.place.path("state/dead-letter.ndjson")
        self.describe()
        self.start()
        self.wait(1)
        self.wait_for_checkpoint()
        os.rename(letters, letters + ".1")
        self.finish(status=1)
        self.assertIn("none may be where the state directory is; put it back", self.said())
        self.start()
        self.finish(status=1)
        self.assertIn("is not the file of the last checkpoint; put it back", self.said())
        os.rename(letters + ".1", letters)
        self.add(2)
        self.start()
        self.wait(self.count)
        self.finish()
        self.assertEqual(len(mt.whole_lines(letters)), self.count)
        mt.assert_balance(self, self.place.path("state"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
