"""A service whose processes are killed and stopped at random, and whose alert file is rotated meanwhile: the file sink
holds each alert once, they are those of scan over the same input, and the books balance.

Half of the services keep all state (lateness: unlimited) and read records in the order of their times; the others are six
hours late at most, and read them out of order by up to that. A third reads a pipe, which dies with the supervisor: there only workers are hit. MILLRACE_ROUNDS says how many services, MILLRACE_EVENTS of
how many events each, MILLRACE_SEED from where the dice start.
"""
import datetime
import os
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest

import millrace_test as mt

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "10"))
EVENTS = int(os.environ.get("MILLRACE_EVENTS", "200000"))
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
LIFE_SECONDS = 120  # of one service, restarts included
LATE_SECONDS = 6 * 3600
WHEN = re.compile(rb'"(?:CreationTime|time)":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')


def disordered(records, out, dice, late_seconds=LATE_SECONDS):
    """Each record comes up to so long after its time."""
    with open(records, "rb") as lines:
        keyed = []
        for line in lines:
            when = datetime.datetime.fromisoformat(WHEN.search(line).group(1).decode())
            keyed.append((when + datetime.timedelta(seconds=dice.uniform(0, late_seconds - 1)), len(keyed), line))
    with open(out, "wb") as file:
        file.writelines(line for _, _, line in sorted(keyed))


class Kill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        mt.make_tenant(cls, EVENTS)
        cls.disordered = os.path.join(cls.folder, "disordered.ndjson")
        disordered(cls.records, cls.disordered, random.Random(SEED))

    def topology(self, folder, lateness, source, dice):
        path = os.path.join(folder, "t.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"state: state\nworkers: {dice.randint(1, 3)}\ncheckpoint_interval: 100ms\n"
                      f"lateness: {lateness}\nregion_bytes: 64KiB\n"
                      f"sources:\n  - {{name: audit, {source}}}\n"
                      "sinks:\n  - name: alerts\n    type: file\n    path: log/alerts.ndjson\n")
        os.mkdir(os.path.join(folder, "log"))
        return path

    def rotate(self, path, dice):
        """As logrotate: older files move up, `create` or not."""
        if not os.path.exists(path):
            return
        for number in range(sum(name.startswith("alerts") for name in os.listdir(os.path.dirname(path))) + 1, 0, -1):
            older = f"{path}.{number - 1}" if number > 1 else path
            if os.path.exists(older):
                os.rename(older, f"{path}.{number}")
        if dice.random() < 0.5:
            with open(path, "ab"):
                pass

    def hit(self, service, workers_only, dice):
        """SIGKILL or SIGSTOP for one of the processes."""
        family = [child[0] for child in mt.children(service.pid)]
        if not workers_only:
            family.append(service.pid)
        if not family:
            return
        victim = dice.choice(family)
        try:
            if victim == service.pid or dice.random() < 0.8:
                os.kill(victim, signal.SIGKILL)
            else:
                os.kill(victim, signal.SIGSTOP)
                time.sleep(dice.random() * 0.2)  # as long as it stands still: nothing is waited for
                os.kill(victim, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def live(self, path, pipe, dice, hits, rotates):
        """Starts the service until it has done its work; how it ended."""
        until = time.monotonic() + LIFE_SECONDS
        while True:
            with open(path + ".said", "ab") as said:
                service = subprocess.Popen([mt.PROGRAM, "run", path], stdin=pipe, stderr=said)
            self.addCleanup(service.wait)
            self.addCleanup(service.kill)  # nothing stays where the test fails
            while service.poll() is None:
                self.assertLess(time.monotonic(), until, "the service does not come to its end")
                time.sleep(dice.random() * 0.25 if hits > 0 else 0.02)  # a random moment
                if rotates and dice.random() < 0.5:
                    self.rotate(os.path.join(os.path.dirname(path), "log", "alerts.ndjson"), dice)
                if hits > 0:
                    self.hit(service, pipe is not None, dice)
                    hits -= 1
            if service.returncode != -signal.SIGKILL:
                return service.returncode

    def test_kills(self):
        for number in range(ROUNDS):
            seed = SEED + number
            dice = random.Random(seed)
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as folder:
                print("seed", seed, flush=True)
                lateness, records = dice.choice([("unlimited", self.records), ("6h", self.disordered)])
                if dice.random() < 1 / 3:
                    source = "type: stdin"
                    feeder = self.enterContext(subprocess.Popen(["cat", records], stdout=subprocess.PIPE))
                    pipe = feeder.stdout
                else:
                    source, pipe = f"type: file, path: {records}, follow: false", None
                path = self.topology(folder, lateness, source, dice)
                status = self.live(path, pipe, dice, dice.randint(1, 5), dice.random() < 2 / 3)
                with open(path + ".said", encoding="utf-8") as said:
                    words = said.read()
                self.assertEqual(status, 0, words)
                log = os.path.join(folder, "log")
                found = mt.created(*(os.path.join(log, name) for name in os.listdir(log)))
                self.assertEqual(found, self.wanted, words)
                self.assertNotIn("any more", words)
                mt.assert_balance(self, os.path.join(folder, "state"))


if __name__ == "__main__":
    unittest.main()
