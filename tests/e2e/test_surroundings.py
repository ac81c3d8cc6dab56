"""Scans in poor surroundings: few descriptors, no temporary directory, other users, odd files. A clear word, no hang."""
import functools
import json
import os
import re
import resource
import subprocess
import threading
import unittest

import millrace_test as mr

COUNT = 300
MATCHING = 100


class Base(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.records = self.place.path("records.ndjson")
        self.folder = self.place.path("folder")
        os.mkdir(self.folder)
        mr.write_records(self.records, COUNT)

    def scan(self, *arguments, environment=None, **options):
        return mr.scan("-r", self.place.rule, *arguments, env={**self.place.environment, **(environment or {})},
                       timeout=mr.WAIT_SECONDS, **options)

    def put(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content)
        return path

    def good(self):
        with open(self.records, "rb") as text:
            return text.read()


class Limits(Base):
    def descriptors(self, count):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    def test_few_descriptors(self):
        """Either it works, or it says how many it needs: nothing between."""
        needed = None
        for count in (100, 90, 80, 64, 48, 32, 24, 12):
            status, found, said = self.scan("--workers", "4", self.records, preexec_fn=self.descriptors(count))
            if status == 0:
                self.assertIsNone(needed)
                self.assertEqual(len(found), MATCHING)
                continue
            self.assertEqual((status, found), (1, []), said)
            match = re.search(r"a process may have (\d+) files open, and [a-z ]+ needs up to (\d+): raise", said)
            if match:
                needed = int(match.group(2))
                self.assertGreater(needed, count)
            else:
                self.assertLess(count, 24, said)
                self.assertIn("Too many open files", said)
        self.assertIsNotNone(needed)
        self.assertEqual(mr.socket_directories(self.place.run), [])

    def test_more_files_than_descriptors(self):
        """Files that no descriptor is left for go through the temporary file."""
        big = self.good() * (1 + (256 << 10) // len(self.good()))
        for number in range(100):
            self.put(f"{number:03}.ndjson", big)
        books = self.place.path("summary")
        status, found, said = self.scan("--workers", "1", "--summary", books, self.folder,
                                        preexec_fn=self.descriptors(72))
        self.assertEqual((status, len(found)), (0, MATCHING), said)
        self.assertEqual(mr.summary(books)["records"], 100 * big.count(b"\n"))

    def memory(self, megabytes):
        """None where not even a program begins: a sanitizer's takes terabytes of addresses."""
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        begins = subprocess.run([mr.PROGRAM, "version"], preexec_fn=limit, capture_output=True, check=False)
        return limit if begins.returncode == 0 else None

    def test_little_memory(self):
        """An address space in which no scan can begin is refused by name, before any library fails in it."""
        for megabytes in (*range(28, 40), 60, 80, 120):
            limit = self.memory(megabytes)
            if limit is None:
                continue
            status, _, said = self.scan("--workers", "1", self.records, preexec_fn=limit)
            self.assertEqual((status, said), (1, f"millrace: error: a process may have {megabytes << 10} KiB of memory, "
                                                 "and needs 131072: raise the limit (ulimit -v)\n"))
            self.assertEqual(mr.socket_directories(self.place.run), [])

    def test_a_small_stack(self):
        """A limit that can be raised is; of another one it says so, and does not die without a word."""
        for most, wanted in ((resource.RLIM_INFINITY, (0, "")),
                             (64 << 10, (2, "millrace: a process may have 64 KiB of stack, and needs 1024: raise the limit (ulimit -s)\n"))):
            limit = functools.partial(resource.setrlimit, resource.RLIMIT_STACK, (64 << 10, most))
            status, found, said = self.scan("--workers", "1", self.records, preexec_fn=limit)
            self.assertEqual((status, said), wanted)
            self.assertEqual(len(found), MATCHING if status == 0 else 0)

    def test_memory_that_a_worker_runs_out_of(self):
        """It is named, and so is the limit; all ends."""
        limit = self.memory(140)
        if limit is None:
            print("no program begins in so little memory here: not tried", flush=True)
            return
        large = self.put("large.json", json.dumps({**mr.record(0), "Note": "x" * (9 << 20)}).encode())
        status, _, said = self.scan("--workers", "1", "--max-record-bytes", str(10 << 20), large, preexec_fn=limit)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, r"millrace: error: worker [a-z-]+ \(process \d+\) was killed by signal \d+ \([A-Za-z ]+\); "
                               r"a process may have 143360 KiB of memory \(ulimit -v\)\n")
        self.assertEqual(mr.socket_directories(self.place.run), [])


    def test_a_processor_without_code(self):
        """What simdjson has no code for is said, and not taken for a lack of memory."""
        status, found, said = self.scan(self.records, environment={"SIMDJSON_FORCE_IMPLEMENTATION": "abacus"})
        self.assertEqual((status, found), (1, []), said)
        self.assertRegex(said, "no JSON parser: .*implementation.*SIMDJSON_FORCE_IMPLEMENTATION asks for abacus")


class Places(Base):
    def test_no_temporary_directory(self):
        status, found, said = self.scan(self.records, environment={"TMPDIR": "/nonexistent"})
        self.assertEqual((status, len(found)), (0, MATCHING), said)  # nothing has to be spooled
        with open(self.records, "rb") as records:
            status, _, said = self.scan("-", environment={"TMPDIR": "/nonexistent"}, stdin=records)
        self.assertEqual(status, 1)
        self.assertIn("/nonexistent: cannot make the temporary file of records: No such file or directory", said)

    def test_no_runtime_directory(self):
        for base in ("/nonexistent", "relative", "/tmp/" + "x" * 100, ""):
            status, found, said = self.scan(self.records, environment={"XDG_RUNTIME_DIR": base})
            self.assertEqual((status, len(found)), (0, MATCHING), said)

    def test_at_the_same_time(self):
        results = []
        runs = [threading.Thread(target=lambda: results.append(self.scan("--workers", "2", self.records)))
                for _ in range(4)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        self.assertEqual([(status, len(found), said) for status, found, said in results], [(0, MATCHING, "")] * 4)
        self.assertEqual(mr.socket_directories(self.place.run), [])

    def test_many_workers(self):
        books = self.place.path("summary")
        status, found, said = self.scan("--workers", "24", "--summary", books, self.records)
        self.assertEqual((status, len(found)), (0, MATCHING), said)
        self.assertEqual(mr.summary(books)["workers"], 50)

    def test_descriptors_of_a_parent(self):
        """What our own parent left open is not held open by workers."""
        reader, writer = os.pipe()
        process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, pass_fds=[writer], env=self.place.environment)
        os.close(writer)
        workers = mr.wait_until(lambda: len(mr.children(process.pid)) >= 4 and mr.children(process.pid), "workers")
        mr.wait_until(lambda: all(mr.program_name(pid) == b"worker" for pid, _ in workers), "workers that are ours")
        for pid, _ in workers:
            self.assertNotIn(f"pipe:[{os.fstat(reader).st_ino}]", mr.open_files(pid))
        process.communicate()
        os.close(reader)

    @unittest.skipUnless(os.geteuid() == 0, "only root can unmount")
    def test_no_proc(self):
        """What cannot be done without it is named before an output is emptied."""
        hidden = ["unshare", "--mount", "sh", "-c", 'umount --lazy /proc && exec "$@"', "sh", mr.PROGRAM]
        if subprocess.run([*hidden, "version"], capture_output=True, check=False).returncode:
            print("no program begins without /proc here: not tried", flush=True)
            return
        output = self.put("alerts", b"an earlier run's\n")
        for rules in (("-r", self.place.rule), ()):
            done = subprocess.run([*hidden, "scan", *rules, "-o", output, self.records], capture_output=True,
                                  env=self.place.environment, check=False)
            # ThreadSanitizer says that it cannot know the program's name.
            said = re.sub(r"^==\d+==WARNING: reading executable name .*\n", "", done.stderr.decode(), flags=re.M)
            self.assertEqual((done.returncode, said),
                             (1, "millrace: error: no worker can be started without /proc, which is not mounted or cannot "
                                 "be read: /proc/self/exe: No such file or directory\n"))
            with open(output, "rb") as file:
                self.assertEqual(file.read(), b"an earlier run's\n")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user(self):
        os.chmod(self.place.name, 0o755)
        self.put("open.ndjson", self.good())
        closed = self.put("shut.ndjson", self.good())
        os.chmod(closed, 0)
        for path, words in ((self.folder, f"{closed}: cannot open the input: Permission denied"),
                            (closed, f"{closed}: cannot open the input: Permission denied")):
            status, _, said = self.scan(path, user=12345, group=12345, extra_groups=[])
            self.assertEqual(status, 2)
            self.assertIn(words, said)
        os.unlink(closed)
        status, found, said = self.scan(self.folder, user=12345, group=12345, extra_groups=[])
        self.assertEqual((status, len(found)), (0, MATCHING), said)


class Files(Base):
    def test_files_without_size(self):
        """Those of /proc have no size, but bytes: however they are named, they are read."""
        with open("/proc/cpuinfo", encoding="utf-8") as text:
            lines = sum(1 for line in text if line.strip())
        os.symlink("/proc/cpuinfo", os.path.join(self.folder, "link"))
        books = self.place.path("summary")
        for path, options in (("/proc/cpuinfo", {}), (self.folder, {}), ("cpuinfo", {"cwd": "/proc"})):
            status, _, said = self.scan("--summary", books, path, **options)
            self.assertEqual((status, mr.summary(books)["rejected"]), (1, lines), said)

    def test_names_and_links(self):
        self.put("line\nbreak", self.good())
        os.rename(self.put("plain", self.good()), os.path.join(os.fsencode(self.folder), b"no \xff\xfe utf-8"))
        self.put("escape \x1b[31m", b"no record\n")
        os.symlink("two", os.path.join(self.folder, "one"))
        os.symlink("one", os.path.join(self.folder, "two"))
        os.symlink(".", os.path.join(self.folder, "self"))
        os.mkfifo(os.path.join(self.folder, "fifo"))
        dead = self.place.path("dead")
        books = self.place.path("summary")
        status, found, said = self.scan("--dead-letter", dead, "--summary", books, self.folder)
        self.assertEqual((status, len(found)), (0, MATCHING))
        self.assertEqual(mr.summary(books)["records"], 2 * COUNT + 1)
        self.assertNotIn("\x1b", said)
        self.assertEqual(sorted(line.partition(": left out, ")[2] for line in said.splitlines()),
                         ["it is no file", "the link leads nowhere", "the link leads nowhere"])
        with open(dead, encoding="utf-8") as lines:
            letter = json.loads(lines.read())
        self.assertEqual(letter["source"], os.path.join(self.folder, "escape \x1b[31m"))

    def test_many_small_files(self):
        one = json.dumps(mr.record(3)).encode()
        for number in range(5000):
            self.put(f"{number}.json", one)
        books = self.place.path("summary")
        status, found, said = self.scan("--summary", books, self.folder)
        self.assertEqual((status, len(found), mr.summary(books)["records"]), (0, 1, 5000), said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
