"""Workers and supervisors killed, at work and at random instants: whoever it was is named, and nothing stays behind.

MILLRACE_ROUNDS says how many rounds of each attack (default: a few), MILLRACE_SEED from where the dice start.
"""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
import unittest

import millrace_test as mr

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "6"))
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
COUNT = 4000
SHAPES = (["--workers", "1"], ["--workers", "2"], ["--workers", "3"], ["--workers", "2", "--cut", "enrich"],
          ["--workers", "1", "--cut", "enrich", "--cut", "detect"])
# On a machine that is given several times the work that it can do, a second is not what it is.
END_SECONDS = 1 if os.getloadavg()[0] < 3 * os.cpu_count() else 5


# Each kind of worker that there can be, in a shape where it stands.
KINDS = (("collect", 1), ("parse", 1), ("correlate", 1), ("deliver", 1), ("parse", 4), ("enrich", 4), ("detect", 4))


class Feeder(threading.Thread):
    """Records without end into a pipe, until its reader is gone."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self.pipe = pipe
        self.broken = False

    def run(self):
        number = 0
        try:
            while True:
                self.pipe.write(json.dumps(mr.record(number, every=1)).encode() + b"\n")
                number += 1
        except BrokenPipeError:
            self.broken = True
        finally:
            with contextlib.suppress(BrokenPipeError):
                self.pipe.close()


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def workers_of(pid):
    """All processes of the program that were started by this supervisor, also once it is gone."""
    found = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):  # one that has ended since
            with open(f"/proc/{entry}/cmdline", "rb") as text:
                if entry.isdigit() and text.read() == b"millrace\0worker\0%d\0" % pid and mr.is_running(int(entry)):
                    found[int(entry)] = parent_of(entry)
    # The leak check that ends a worker under the address sanitizer has a process of its own, which shares
    # the worker's memory and so its command line. Killed, it is waited for without end: nothing that a worker does.
    return [worker for worker, parent in found.items() if parent not in found]


class Killed(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.records = self.place.path("records.ndjson")
        self.output = self.place.path("alerts")
        self.temporary = self.place.path("tmp")
        os.mkdir(self.temporary)
        self.place.environment["TMPDIR"] = self.temporary
        mr.write_records(self.records, COUNT, every=1)
        self.dice = random.Random(SEED)
        print(f"{self.id()}: MILLRACE_SEED={SEED}", flush=True)
        self.usual = {}
        self.slowest = 0
        self.addCleanup(lambda: print(f"the slowest end took {self.slowest:.3f} s", flush=True))

    def start(self, shape, piped):
        """`piped`: False reads the file; True takes it from standard input; "held" reads a pipe that the test keeps open."""
        stdin = open(self.records, "rb") if piped is True else subprocess.PIPE if piped else subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                [mr.PROGRAM, "scan", "-r", self.place.rule, *shape, "-o", self.output, "-" if piped else self.records],
                stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.place.environment)
            self.addCleanup(process.kill)  # where a test fails, it would go on
            return process
        finally:
            if piped is True:
                stdin.close()

    def usual_seconds(self, shape):
        """How long such a scan takes when nobody disturbs it."""
        key = tuple(shape)
        if key not in self.usual:
            begin = time.monotonic()
            process = self.start(shape, False)
            self.assertEqual(process.wait(mr.WAIT_SECONDS), 0, process.stderr.read())
            process.stderr.close()
            self.usual[key] = time.monotonic() - begin
        return self.usual[key]

    def dead_time(self, shape):
        """An instant: at once, at the very end, or anywhere between."""
        seconds = self.usual_seconds(shape)
        return self.dice.choice((0, seconds * 0.95, self.dice.uniform(0, seconds * 1.1)))

    def expect_nothing_left(self, process):
        mr.wait_until(lambda: not workers_of(process.pid), "workers that end", END_SECONDS)
        self.assertEqual(os.listdir(self.temporary), [])

    def expect_whole_lines(self):
        with open(self.output, "rb") as text:
            written = text.read()
        self.assertTrue(written == b"" or written.endswith(b"\n"), written[-100:])
        return [json.loads(line) for line in written.splitlines()]

    def expect_end(self, process, begin):
        """It ends within a second; gives its exit status and what it said."""
        status = process.wait(mr.WAIT_SECONDS)
        took = time.monotonic() - begin
        self.slowest = max(self.slowest, took)
        said = process.stderr.read().decode()
        process.stderr.close()
        self.assertLess(took, END_SECONDS, said)
        self.expect_nothing_left(process)
        self.assertEqual(mr.socket_directories(self.place.run), [])
        return status, said

    def kill_a_worker(self, number):
        shape, piped = self.dice.choice(SHAPES), self.dice.random() < 0.3
        delay = self.dead_time(shape)
        rank = self.dice.random()
        process = self.start(shape, piped)
        begin = time.monotonic()
        workers = []
        while process.poll() is None and (time.monotonic() - begin < delay or not workers):
            workers = sorted(workers_of(process.pid)) or workers
        victim = workers[int(rank * len(workers))] if workers else None
        alive = victim is not None and mr.is_running(victim)
        begin = time.monotonic()
        if alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        status, said = self.expect_end(process, begin)
        what = f"round {number}: {shape} piped {piped} after {delay:.3f} s: exit {status}: {said}"
        found = self.expect_whole_lines()
        if status == 0:  # it had ended before
            self.assertEqual((len(found), said), (COUNT, ""), what)
            return "too late"
        self.assertEqual(status, 1, what)
        self.assertIn(f"(process {victim}) was killed by signal 9", said, what)
        return said.partition("worker ")[2].partition(" ")[0].partition("-")[0]

    def kill_at_work(self, kind, shape):
        """The input is a pipe that does not end: only the kill ends the run."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.output)  # of the kill before
        process = self.start(shape, "held")
        feeder = Feeder(process.stdin)
        feeder.start()
        # An alert has come through all of them.
        mr.wait_until(lambda: os.path.exists(self.output) and os.path.getsize(self.output), "an alert")
        victim = self.dice.choice([pid for pid in workers_of(process.pid) if mr.worker_name(pid).partition("-")[0] == kind])
        ticks = mr.cpu_ticks(victim)
        mr.wait_until(lambda: mr.cpu_ticks(victim) > ticks, f"{kind} at work")
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        status, said = self.expect_end(process, begin)
        feeder.join(mr.WAIT_SECONDS)
        self.assertTrue(feeder.broken)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, rf"worker {kind}(-\d+)? \(process {victim}\) was killed by signal 9")
        self.assertGreater(len(self.expect_whole_lines()), 0)

    def test_each_kind_at_work(self):
        for kind, shape in KINDS:
            with self.subTest(kind=kind, shape=SHAPES[shape]):
                self.kill_at_work(kind, SHAPES[shape])

    def test_workers(self):
        hit = {}
        for number in range(ROUNDS):
            name = self.kill_a_worker(number)
            hit[name] = hit.get(name, 0) + 1
        print(f"killed: {hit}", flush=True)

    def test_supervisor(self):
        for number in range(ROUNDS):
            shape, piped = self.dice.choice(SHAPES), self.dice.random() < 0.3
            delay = self.dead_time(shape)
            process = self.start(shape, piped)
            time.sleep(delay)
            stopped = [pid for pid in workers_of(process.pid) if self.dice.random() < 0.2]
            for pid in stopped:  # those that stand still have to go, too
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            process.kill()
            process.wait()
            process.stderr.close()
            with self.subTest(number=number, shape=shape, delay=delay, stopped=len(stopped)):
                self.expect_nothing_left(process)
        # Directories that stayed go at the next start.
        process = self.start(SHAPES[0], False)
        self.assertEqual(process.wait(mr.WAIT_SECONDS), 0)
        process.stderr.close()
        self.assertEqual(mr.socket_directories(self.place.run), [])

    def test_interrupted(self):
        for number in range(ROUNDS):
            shape, word = self.dice.choice(SHAPES), self.dice.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
            delay = self.dead_time(shape)
            process = self.start(shape, False)
            time.sleep(delay)
            begin = time.monotonic()
            process.send_signal(word)
            status, said = self.expect_end(process, begin)
            with self.subTest(number=number, shape=shape, delay=delay, word=word, said=said):
                found = self.expect_whole_lines() if os.path.exists(self.output) else []
                if status == 0:
                    self.assertEqual(len(found), COUNT)
                elif status != -word:  # before it could listen, the signal's own effect
                    self.assertEqual(status, 128 + word)
                    self.assertIn("before the work was done", said)

    def test_interrupted_while_all_stand_still(self):
        process = self.start(SHAPES[0], "held")
        mr.wait_until(lambda: len(workers_of(process.pid)) == 4, "a worker of each kind")
        for pid in workers_of(process.pid):
            os.kill(pid, signal.SIGSTOP)
        begin = time.monotonic()
        process.terminate()
        status, said = self.expect_end(process, begin)
        process.stdin.close()
        self.assertEqual(status, 128 + signal.SIGTERM, said)

    def test_stopped_and_continued(self):
        """A worker that stands still for a while holds the others up, and nothing else."""
        for _ in range(max(ROUNDS // 3, 1)):
            shape = self.dice.choice(SHAPES)
            process = self.start(shape, False)
            workers = mr.wait_until(lambda: workers_of(process.pid), "workers")
            victim = self.dice.choice(workers)
            os.kill(victim, signal.SIGSTOP)
            time.sleep(self.dice.uniform(0.1, 1.5))
            self.assertIsNone(process.poll())
            os.kill(victim, signal.SIGCONT)
            self.assertEqual(process.wait(mr.WAIT_SECONDS), 0, process.stderr.read())
            process.stderr.close()
            self.assertEqual(len(self.expect_whole_lines()), COUNT)


if __name__ == "__main__":
    unittest.main(verbosity=2)
