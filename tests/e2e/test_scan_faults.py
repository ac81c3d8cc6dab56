"""Real workers under real faults: killed, interrupted, cut off, out of space; and the same ids whatever the shape."""
import fcntl
import os
import random
import re
import signal
import socket
import stat
import subprocess
import unittest

import millrace_test as mr

COUNT = 3000


class Base(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.records = self.place.path("records.ndjson")

    def scan(self, *arguments, **options):
        return mr.scan("-r", self.place.rule, *arguments, env=self.place.environment, **options)


class Running(Base):
    """A scan that is held in the middle: it reads a pipe that the test keeps open."""

    def setUp(self):
        super().setUp()
        mr.write_records(self.records, COUNT)
        self.process = subprocess.Popen(
            [mr.PROGRAM, "scan", "-r", self.place.rule, "--workers", "2", "-o", self.place.path("alerts"), "-"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.place.environment)
        self.addCleanup(self.finish)
        # Sent records come through as alerts: all workers are at work.
        with open(self.records, "rb") as records:
            self.process.stdin.write(records.read())
            self.process.stdin.flush()
        mr.wait_until(lambda: os.path.getsize(self.place.path("alerts")) > 0, "the first alert")
        self.workers = [pid for pid, _ in mr.children(self.process.pid)]
        self.assertEqual(len(self.workers), 6)
        self.assertEqual(mr.socket_directories(self.place.run), [])

    def finish(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stderr.close()

    def expect_gone(self):
        mr.wait_until(lambda: not any(mr.is_running(pid) for pid in self.workers), "workers that end", 1)
        self.assertEqual(mr.socket_directories(self.place.run), [])

    def test_any_worker_killed(self):
        victim = random.Random(int.from_bytes(self.id().encode()[:4], "big")).choice(self.workers)
        os.kill(victim, signal.SIGKILL)
        self.assertEqual(self.process.wait(1), 1)
        said = self.process.stderr.read().decode()
        self.assertRegex(said, rf"worker [a-z]+(-\d)? \(process {victim}\) was killed by signal 9")
        self.expect_gone()

    def test_supervisor_killed(self):
        self.process.kill()
        self.process.wait()
        self.expect_gone()

    def interrupted_by(self, number):
        self.process.send_signal(number)
        self.assertEqual(self.process.wait(1), 128 + number)
        self.assertIn("before the work was done", self.process.stderr.read().decode())
        self.expect_gone()

    def test_interrupted(self):
        self.interrupted_by(signal.SIGINT)

    def test_terminated(self):
        self.interrupted_by(signal.SIGTERM)


class EachWorkerKilled(Running):
    """Every worker of the topology in turn is named by whoever it was."""

    def test_any_worker_killed(self):
        names = ["collect", "parse-1", "parse-2", "correlate-1", "correlate-2", "deliver"]
        for name in names:
            if name != names[0]:
                self.finish()
                super().setUp()
            workers = {mr.worker_name(pid): pid for pid in self.workers}
            self.assertEqual(sorted(workers), sorted(names))
            os.kill(workers[name], signal.SIGKILL)
            self.assertEqual(self.process.wait(1), 1)
            said = self.process.stderr.read().decode()
            self.assertIn(f"worker {name} (process {workers[name]}) was killed by signal 9", said)
            self.expect_gone()

    test_supervisor_killed = test_interrupted = test_terminated = None


class Outputs(Base):
    def setUp(self):
        super().setUp()
        mr.write_records(self.records, COUNT)

    def test_full_disk(self):
        status, _, said = self.scan("-o", "/dev/full", self.records)
        self.assertEqual(status, 1, said)
        self.assertIn("No space left on device", said)
        self.assertIn("deliver", said)

    def test_closed_pipe(self):
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.run([mr.PROGRAM, "scan", "-r", self.place.rule, self.records], stdout=writer,
                                 stderr=subprocess.PIPE, env=self.place.environment, timeout=mr.WAIT_SECONDS,
                                 check=False)
        os.close(writer)
        self.assertEqual(process.returncode, 1)
        self.assertIn("whoever read it has gone away", process.stderr.decode())

    def test_closed_standard_descriptors(self):
        command = f"exec '{mr.PROGRAM}' scan -r '{self.place.rule}' '{self.records}'"
        for closed in ("<&-", ">&-", "<&- >&-"):
            process = subprocess.run(["sh", "-c", f"{command} {closed}"], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=self.place.environment, timeout=mr.WAIT_SECONDS,
                                     check=False)
            self.assertEqual(process.returncode, 0 if closed == "<&-" else 1, process.stderr)

    def test_output_is_no_input(self):
        before = os.path.getsize(self.records)
        for option in ("-o", "--dead-letter", "--summary"):
            status, _, said = self.scan(option, self.records, self.records)
            self.assertEqual(status, 2)
            self.assertIn("it is an input", said)
        self.assertEqual(os.path.getsize(self.records), before)
        one = self.place.path("one")
        status, _, said = self.scan("-o", one, "--summary", one, self.records)
        self.assertEqual(status, 2)
        self.assertIn("another option writes that file", said)

    def test_ceiling_of_the_state(self):
        mr.write_records(self.records, 40000, every=1)
        options = ("--workers", 2, "-o", "/dev/null", self.records)
        status, _, said = self.scan("--state-bytes", 1 << 20, *options)
        self.assertEqual(status, 0, said)
        self.assertIn("its ceiling of 1048576 bytes, 524288 for each of 2 workers (state_bytes)", said)
        self.assertNotIn("ceiling", self.scan(*options)[2])
        for wrong in ("unlimited", (1 << 20) - 1):
            status, _, said = self.scan("--state-bytes", wrong, *options)
            self.assertEqual(status, 2, said)
            self.assertIn("state_bytes", said)

    def test_state_given_up_is_told(self):
        """Thirty correlations over two workers, past the ceiling: the warnings are few, and the summary says that
        `alerts` counts an alert for each time that it is made."""
        mr.write_records(self.records, 40000, every=1)
        with open(self.records, "r+", encoding="utf-8") as records:
            records.write(records.read())  # each once more
        names = [f"per_object_{number}" for number in range(30)]
        with open(self.place.rule, "w", encoding="utf-8") as rules:
            rules.write(mr.RULE + "---\ntitle: Some\nname: base\nlogsource:\n    product: m365\ndetection:\n"
                        "    selection:\n        UserId: user1@example.com\n    condition: selection\n" + "".join(
                f"---\ntitle: {name}\nname: {name}\nlevel: low\ncorrelation:\n    type: event_count\n"
                f"    rules: [base]\n    group-by: [Id]\n    timespan: 1d\n    condition:\n        gte: 2\n"
                f"    generate: true\n" for name in names))
        books, found = self.place.path("books"), self.place.path("found")
        options = ("-o", found, self.records)
        status, _, said = self.scan("--state-bytes", 1 << 20, "--workers", 2, "--summary", books, *options)
        self.assertEqual(status, 0, said)
        warnings = [line for line in said.splitlines() if "its state is given up in part" in line]
        self.assertEqual(len(warnings), 11, said)
        named = re.compile(r'rule.yml:\d+: "(\w+)": its state is given up')
        self.assertEqual(len({named.search(line).group(1) for line in warnings[:10]}), 10, said)
        self.assertRegex(warnings[10], "^millrace: warning: and 20 more like this .log level debug shows each.: ")
        books = mr.summary(books)
        self.assertGreater(books["state_shed"], 0)
        with open(found, encoding="utf-8") as lines:
            ids = [re.search(r'"finding_info":{"uid":"([0-9a-f]+)"', line).group(1) for line in lines]
        self.assertEqual(books["alerts"], len(ids))
        with open(found, encoding="utf-8") as lines:
            told = [line for line in lines if '"title":"State was given up at the memory ceiling"' in line]
        self.assertEqual(len(told), len(names) + 1)  # each once, and the records of the detection
        self.assertLess(len(set(ids)), len(ids))
        self.scan("--workers", 2, "--summary", self.place.path("whole"), "-o", found, self.records)
        whole = mr.summary(self.place.path("whole"))
        self.assertEqual((whole["state_shed"], whole["alerts"]), (0, len(set(ids)) - len(told)))
        loud = self.scan("--log-level", "debug", "--state-bytes", 1 << 20, "--workers", 2, *options)[2]
        self.assertEqual(set(named.findall(loud)), set(names))

    def test_slow_reader_gets_all(self):
        """The whole pipeline waits for a pipe that nobody reads, then goes on: nothing is lost."""
        process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, self.records], stdout=subprocess.PIPE,
                                   env=self.place.environment)
        mr.wait_until(lambda: any(mr.blocked_in_write(pid) for pid, _ in mr.children(process.pid)), "a full pipe")
        found = mr.alerts(process.communicate(timeout=mr.WAIT_SECONDS)[0])
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(found), COUNT // 3)


class SameIds(Base):
    def test_any_shape(self):
        mr.write_records(self.records, COUNT, every=7)
        status, found, said = self.scan("--workers", "1", self.records)
        self.assertEqual(status, 0, said)
        expected = mr.ids(found)
        self.assertEqual(len(expected), len(range(0, COUNT, 7)))
        for workers in (2, 3, 4):
            summary = self.place.path("summary.json")
            status, found, said = self.scan("--workers", workers, "--summary", summary, self.records)
            self.assertEqual((status, mr.ids(found)), (0, expected), said)
            books = mr.summary(summary)
            self.assertEqual((books["records"], books["parsed"], books["rejected"], books["alerts"]),
                             (COUNT, COUNT, 0, len(expected)))
            self.assertEqual(books["bytes"], os.path.getsize(self.records) - COUNT)  # of line ends
            self.assertGreater(books["peak_rss_bytes"], 0)
            self.assertGreater(books["cpu_seconds"], 0)
        for size in (65536, 100000, 1 << 20):
            status, found, said = self.scan("--region-bytes", size, self.records)
            self.assertEqual((status, mr.ids(found)), (0, expected), said)
        with open(self.records, "rb") as records:
            status, found, said = self.scan("-", stdin=records)
        self.assertEqual((status, mr.ids(found)), (0, expected), said)

    def test_same_input_twice(self):
        mr.write_records(self.records, 100)
        status, found, _ = self.scan(self.records, self.records)
        self.assertEqual((status, len(found)), (0, len(set(mr.ids(found)))))
        self.assertEqual(len(found), len(range(0, 100, 3)))


class Start(Base):
    def test_stale_directories_go(self):
        """The sockets of a dead supervisor go at the next start; those of a living one, and what is not ours, stay."""
        mr.write_records(self.records, 10)
        stale, held, foreign = (os.path.join(self.place.run, name)
                                for name in ("millrace-aaaaaa", "millrace-bbbbbb", "millrace-cccccc"))
        for path in (stale, held, foreign):
            os.mkdir(path, 0o700)
        end = socket.socket(socket.AF_UNIX)
        self.addCleanup(end.close)
        end.bind(os.path.join(stale, "0.0.1"))
        with open(os.path.join(foreign, "letter"), "w", encoding="utf-8") as out:
            out.write("not a socket")
        lock = os.open(held, os.O_RDONLY)
        self.addCleanup(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, _, said = self.scan(self.records)
        self.assertEqual(status, 0, said)
        self.assertEqual(sorted(os.listdir(self.place.run)), ["millrace-bbbbbb", "millrace-cccccc"])
        self.assertTrue(stat.S_ISREG(os.lstat(os.path.join(foreign, "letter")).st_mode))

    def test_bad_options(self):
        for arguments, words in (
                (["--workers", "0", "x"], "workers: \"0\""), (["--workers", "many", "x"], "from 1 to 64"),
                ([], "nothing to read"), (["--no-such-option"], "unrecognized option"),
                (["-o", "/nowhere/at/all", "x"], "/nowhere/at/all"), (["/no/such/file"], "/no/such/file"),
                (["--progress", "maybe", "x"], "--progress")):
            status, _, said = self.scan(*arguments)
            self.assertEqual(status, 2, said)
            self.assertIn(words, said)

    def test_worker_by_hand(self):
        process = subprocess.run([mr.PROGRAM, "worker", "1"], stderr=subprocess.PIPE, timeout=mr.WAIT_SECONDS,
                                 check=False)
        self.assertEqual(process.returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
