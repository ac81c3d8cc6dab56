"""What a scan leaves in its outputs when it cannot end well: whole lines, or what stood there before."""
import contextlib
import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import unittest

import millrace_test as mr

COUNT = 3000


class Outputs(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.records = self.place.path("records.ndjson")
        self.output = self.place.path("alerts")
        self.dead = self.place.path("dead")
        self.books = self.place.path("summary")
        mr.write_records(self.records, COUNT, every=1)

    def scan(self, *arguments, **options):
        return mr.scan("-r", self.place.rule, *arguments, **{"env": self.place.environment, **options})

    def whole_lines(self, path):
        with open(path, "rb") as text:
            written = text.read()
        self.assertTrue(written == b"" or written.endswith(b"\n"), written[-100:])
        return [json.loads(line) for line in written.splitlines()]

    def test_interrupted_within_a_line(self):
        """Deliver stands in the middle of a line when the run is ended: it may end the line."""
        for word in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, self.records],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.place.environment)
            mr.wait_until(lambda: any(mr.blocked_in_write(pid) for pid, _ in mr.children(process.pid)), "a full pipe")
            workers = len(mr.children(process.pid))
            process.send_signal(word)
            mr.wait_until(lambda: len([1 for _, state in mr.children(process.pid) if state != "Z"]) < workers,
                          "the first that ends")
            written, said = process.communicate(timeout=mr.WAIT_SECONDS)
            self.assertEqual(process.returncode, 128 + word)
            self.assertIn(b"before the work was done", said)
            self.assertTrue(written.endswith(b"}\n"), written[-100:])
            mr.alerts(written)

    def test_interrupted_while_nobody_reads_stderr(self):
        """The supervisor waits for a full pipe to take a line: it may still be ended."""
        damaged = self.place.path("damaged.gz")
        with open(self.records, "rb") as text, open(damaged, "wb") as out:
            out.write(gzip.compress(text.read())[:-100])
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "-o", self.output, damaged, "-"],
                                   stdin=subprocess.PIPE, stderr=writer, env=self.place.environment)
        mr.wait_until(lambda: os.path.exists(self.output) and os.path.getsize(self.output) > 0, "the first alert")
        mr.wait_until(lambda: mr.all_sleep(process.pid), "all to stand still")
        process.terminate()
        try:
            self.assertEqual(process.wait(mr.WAIT_SECONDS / 3), 128 + signal.SIGTERM)
        finally:
            process.kill()
            process.wait()
        process.stdin.close()
        os.close(reader)
        os.close(writer)
        self.whole_lines(self.output)

    def test_reader_that_has_enough(self):
        command = f"'{mr.PROGRAM}' scan -r '{self.place.rule}' '{self.records}' | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.place.environment, timeout=mr.WAIT_SECONDS, check=False)
        lines = done.stdout.splitlines()
        json.loads(lines[0])
        self.assertEqual(lines[1:], [b"1"])
        self.assertEqual(done.stderr,
                         b"millrace: error: deliver: standard output: whoever read it has gone away\n")

    def test_full_disk(self):
        """A disk of 1 MiB for each output in turn (tmpfs; as root only), and a limit of 1 MiB (setrlimit)."""
        with open(self.records, "ab") as out:
            out.write(b"no record\n" * 30000)
        self.check_full("limit", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
                        "the file size limit (ulimit -f) is reached")
        disk = self.place.path("disk")
        os.mkdir(disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], stderr=subprocess.DEVNULL,
                                 check=False)
        if mounted.returncode != 0:
            print("no tmpfs can be mounted here: only the limit was tried", flush=True)
            return
        try:
            self.output, self.dead = os.path.join(disk, "alerts"), os.path.join(disk, "dead")
            self.check_full("disk", None, "No space left on device")
            with open(os.path.join(disk, "summary"), "w", encoding="utf-8") as earlier:
                earlier.write("an earlier run's\n")
            with open(os.path.join(disk, "filler"), "wb") as filler:
                filler.write(b"x" * (1 << 20))
        except OSError:  # the filler has filled it
            self.check_full_summary(os.path.join(disk, "summary"))
        finally:
            subprocess.run(["umount", disk], check=True)

    def test_file_size_limit(self):
        """One that not even the run's own small files fit under: it is named, and kills nobody."""
        limit = mr.limited_files(1024, self.place.environment)
        words = "the file size limit (ulimit -f) is reached"
        for options in (("-o", self.output), ("--summary", self.books), ()):
            status, found, said = self.scan(*options, self.records, **limit)
            self.assertEqual((status, found), (1, []), said)
            self.assertIn(words, said)
        status, _, said = self.scan("--summary", self.books, self.records, **limit)
        self.assertIn(f"--summary {self.books}: cannot be written: {words}", said)
        with open(self.output, "wb") as out:
            done = subprocess.run([mr.PROGRAM, "help"], stdout=out, check=False, **mr.limited_files(0))
        self.assertGreaterEqual(done.returncode, 0)

    def check_full(self, what, limit, words):
        for option, path in (("-o", self.output), ("--dead-letter", self.dead)):
            with self.subTest(what=what, option=option):
                status, _, said = self.scan(option, path, self.records, preexec_fn=limit)
                self.assertEqual(status, 1)
                self.assertIn(f"deliver: {path}: cannot be written: {words}", said)
                self.assertGreater(len(self.whole_lines(path)), 10)
                os.unlink(path)

    def check_full_summary(self, path):
        status, found, said = self.scan("--summary", path, self.records)
        self.assertEqual((status, len(found)), (1, COUNT))
        self.assertIn(f"--summary {path}: cannot be written: No space left on device", said)
        with open(path, encoding="utf-8") as text:
            self.assertEqual(text.read(), "an earlier run's\n")
        self.assertEqual(sorted(os.listdir(os.path.dirname(path))), ["filler", "summary"])

    def test_summary_of_a_run_that_fails(self):
        """It says so, under the name, owner and mode that were there."""
        real = self.place.path("real")
        with open(real, "w", encoding="utf-8") as out:
            out.write("an earlier run's\n")
        os.chmod(real, 0o640)
        os.symlink(real, self.books)
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        self.assertEqual(self.scan("-o", self.output, "--summary", self.books, self.records, preexec_fn=limit)[0], 1)
        books = mr.summary(self.books)
        self.assertFalse(books["complete"])
        self.assertGreaterEqual(COUNT, books["records"])
        self.assertEqual(self.scan("--summary", self.books, self.records)[0], 0)
        books = mr.summary(self.books)
        self.assertEqual((books["complete"], books["records"]), (True, COUNT))
        self.assertTrue(os.path.islink(self.books))
        self.assertEqual(os.stat(real).st_mode & 0o777, 0o640)
        self.assertEqual(sorted(os.listdir(self.place.name)),
                         ["alerts", "real", "records.ndjson", "rule.yml", "run", "summary"])

    def test_summary_of_a_run_that_is_interrupted(self):
        process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "--summary", self.books, self.records],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.place.environment)
        mr.wait_until(lambda: any(mr.blocked_in_write(pid) for pid, _ in mr.children(process.pid)), "a full pipe")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=mr.WAIT_SECONDS)
        self.assertEqual(process.returncode, 128 + signal.SIGINT)
        self.assertFalse(mr.summary(self.books)["complete"])

    def test_summary_of_a_run_that_is_killed(self):
        """A new one is never empty; one that stood there stays."""
        for before in (None, "", "an earlier run's\n"):
            if before is not None:
                with open(self.books, "w", encoding="utf-8") as out:
                    out.write(before)
            process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "--summary", self.books, "-"],
                                       stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.place.environment)
            mr.wait_until(lambda: mr.children(process.pid), "workers")
            process.kill()
            process.communicate(timeout=mr.WAIT_SECONDS)
            if before:
                with open(self.books, encoding="utf-8") as text:
                    self.assertEqual(text.read(), before)
                continue
            books = mr.summary(self.books)
            self.assertEqual((books["complete"], books["records"], books["workers"]), (False, 0, 0))
            os.unlink(self.books)
        os.unlink(self.books)
        self.assertEqual(self.scan("--summary", self.books, "-r", "/no/such/rules", self.records)[0], 2)
        self.assertFalse(mr.summary(self.books)["complete"])
        self.assertEqual(self.scan("--summary", self.books, self.records)[0], 0)
        self.assertTrue(mr.summary(self.books)["complete"])

    def test_summary_that_is_no_file(self):
        reader, writer = os.pipe()
        status, found, _ = self.scan("--summary", f"/dev/fd/{writer}", self.records, pass_fds=[writer])
        os.close(writer)
        with open(reader, encoding="utf-8") as text:
            self.assertEqual((status, len(found), json.load(text)["complete"]), (0, COUNT, True))
        status, _, said = self.scan("--summary", "/dev/full", self.records)
        self.assertEqual(status, 1)
        self.assertIn("--summary /dev/full: cannot be written: No space left on device", said)

    def test_last_line_on_a_terminal(self):
        words = rf"{COUNT} records, 0 rejected, {COUNT} alerts in {self.output}, \d+\.\d seconds"
        for options, wanted in (((), False), (("--progress", "always"), True)):
            status, _, said = self.scan("-o", self.output, *options, self.records)
            self.assertEqual(status, 0, said)
            (self.assertRegex if wanted else self.assertNotRegex)(said, words)
        reader, writer = os.openpty()
        process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "-o", self.output, self.records],
                                   stderr=writer, env=self.place.environment)
        os.close(writer)
        said = b""
        with contextlib.suppress(OSError):  # nobody holds the terminal any more
            while piece := os.read(reader, 65536):
                said += piece
        os.close(reader)
        self.assertEqual(process.wait(mr.WAIT_SECONDS), 0)
        self.assertRegex(said.decode().splitlines()[-1], words)

    def test_start_that_fails_empties_nothing(self):
        for path in (self.output, self.dead, self.books):
            with open(path, "w", encoding="utf-8") as out:
                out.write("an earlier run's\n")
        options = ("-o", self.output, "--dead-letter", self.dead, "--summary", self.books)
        for wrong in (("/no/such/input",), ("-r", "/no/such/rules", self.records), ("--workers", "99", self.records),
                      ("--geoip", "/no/such/database", self.records), ("--cut", "nothing", self.records)):
            status, _, said = self.scan(*options, *wrong)
            self.assertEqual(status, 2, said)
        for path in (self.output, self.dead, self.books):
            with open(path, encoding="utf-8") as text:
                self.assertEqual(text.read(), "an earlier run's\n")
        self.assertEqual(self.scan(*options, self.records)[0], 0)
        self.assertEqual(len(self.whole_lines(self.output)), COUNT)
        self.assertEqual(self.whole_lines(self.dead), [])

    def test_outputs_in_the_directory_that_is_read(self):
        folder = self.place.path("folder")
        os.mkdir(folder)
        os.rename(self.records, os.path.join(folder, "records.ndjson"))
        outputs = [os.path.join(folder, name) for name in ("alerts", "dead", "summary")]
        for _ in range(2):  # the second run finds the first one's
            status, _, said = self.scan("-o", outputs[0], "--dead-letter", outputs[1], "--summary", outputs[2], folder)
            self.assertEqual(status, 0, said)
            for path in outputs:
                self.assertIn(f"{path}: left out, this scan writes it", said)
            books = mr.summary(outputs[2])
            self.assertEqual((books["records"], books["rejected"]), (COUNT, 0))
        with open(outputs[0], "r+b") as out:  # standard output is such a file as well
            process = subprocess.run([mr.PROGRAM, "scan", "-r", self.place.rule, folder], stdout=out,
                                     stderr=subprocess.PIPE, env=self.place.environment, check=False)
        self.assertIn(f"{outputs[0]}: left out, this scan writes it".encode(), process.stderr)

    def test_redirected_into_its_input(self):
        with open(self.records, "ab") as out:
            process = subprocess.run([mr.PROGRAM, "scan", "-r", self.place.rule, self.records], stdout=out,
                                     stderr=subprocess.PIPE, env=self.place.environment, check=False)
        self.assertEqual(process.returncode, 2)
        self.assertIn(b"standard output: it is an input", process.stderr)

    def test_an_output_is_none_of_the_settings(self):
        """What a scan reads beside its input it does not write over, under whatever name; nothing is emptied."""
        store, folder = self.place.path("store"), self.place.path("rules")
        people = self.place.path("people")
        with open(people, "w", encoding="utf-8") as out:
            out.write('{"id":"1","upn":"a"}\n')
        subprocess.run([mr.PROGRAM, "identity", "import", "--store", store, people], stdout=subprocess.DEVNULL, check=True)
        os.mkdir(folder)
        shutil.copy(self.place.rule, os.path.join(folder, "rule.yml"))
        table = os.path.join(store, "generation-1", "table")
        cases = [("-r", self.place.rule, self.place.rule), ("-r", folder, os.path.join(folder, "rule.yml")),
                 ("--identity", store, table), ("--identity", store, os.path.join(store, "current", "data.mdb"))]
        for option in ("--networks", "--placeholders", "--geoip"):
            cases.append((option, self.place.path(option), self.place.path(option)))
            with open(self.place.path(option), "w", encoding="utf-8") as out:
                out.write("192.0.2.0/24 Office\n")
        for setting, value, read in cases:
            with open(read, "rb") as file:
                before = file.read()
            link = self.place.path("link")
            os.symlink(read, link)
            for option, path in (("-o", read), ("--dead-letter", read), ("--summary", read), ("-o", link)):
                status, _, said = self.scan(setting, value, option, path, self.records)
                self.assertEqual(status, 2, said)
                self.assertRegex(said, f"{option} {path}: it is .*{os.path.basename(read)}, which this run reads")
            with open(read, "ab") as out:
                process = subprocess.run([mr.PROGRAM, "scan", setting, value, self.records], stdout=out,
                                         stderr=subprocess.PIPE, env=self.place.environment, check=False)
            self.assertEqual(process.returncode, 2)
            self.assertIn(b"redirected standard output: it is ", process.stderr)
            os.unlink(link)
            with open(read, "rb") as file:
                self.assertEqual(file.read(), before)
        beside = os.path.join(folder, "alerts.ndjson")  # no rule: it may be written
        self.assertEqual(self.scan("-r", folder, "-o", beside, self.records)[0], 0)

    def test_two_at_once(self):
        """Of two scans that name one file the second is refused; the first one's lines are whole."""
        paths = {"-o": self.output, "--dead-letter": self.dead, "--summary": self.books}
        options = [word for pair in paths.items() for word in pair]
        with subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, *options, "-"], stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.place.environment) as first:
            mr.wait_until(lambda: mr.children(first.pid), "the first one's workers")
            with open(self.records, "rb") as records:
                first.stdin.write(records.read())
            first.stdin.flush()
            mr.wait_until(lambda: os.path.getsize(self.output) > 0, "the first one's alerts")
            for option, path in paths.items():
                status, found, said = self.scan(option, path, self.records)
                self.assertEqual((status, found), (2, []), said)
                self.assertIn(f"{option} {path}: another process is writing to it", said)
            self.assertEqual(self.scan("-o", "/dev/null", "--dead-letter", "/dev/null", self.records)[0], 0)
            first.communicate(timeout=mr.WAIT_SECONDS)
        self.assertEqual(first.returncode, 0)
        self.assertEqual(len(self.whole_lines(self.output)), COUNT)
        self.assertEqual(self.scan(*options, self.records)[0], 0)

    def redirected(self, out, *arguments):
        done = subprocess.run([mr.PROGRAM, "scan", "-r", self.place.rule, *arguments, self.records], stdout=out,
                              stderr=subprocess.PIPE, env=self.place.environment, check=False)
        return done.returncode, done.stderr.decode()

    def test_two_redirected_at_once(self):
        """Standard output is no other file than -o's: of two that opened it the second is refused."""
        words = "another process is writing to it"
        with open(self.output, "ab") as out:
            with subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, "-"], stdin=subprocess.PIPE, stdout=out,
                                  stderr=subprocess.PIPE, env=self.place.environment) as first:
                mr.wait_until(lambda: mr.children(first.pid), "the first one's workers")
                for _ in range(2):  # a brother of the first one that has ended gives nothing free
                    with open(self.output, "ab") as other:
                        status, said = self.redirected(other)
                    self.assertEqual(status, 2)
                    self.assertIn(f"redirected standard output: {words}", said)
                    status, _, said = self.scan("-o", self.output, self.records)
                    self.assertEqual(status, 2)
                    self.assertIn(f"-o {self.output}: {words}", said)
                    self.assertEqual(self.redirected(out), (0, ""))
                first.communicate(timeout=mr.WAIT_SECONDS)
            self.assertEqual(first.returncode, 0)
        with open(self.output, "ab") as other:
            self.assertEqual(self.redirected(other), (0, ""))
        self.assertEqual(len(self.whole_lines(self.output)), 3 * COUNT)

    def test_one_after_the_other_into_one_file(self):
        scan = f"'{mr.PROGRAM}' scan -r '{self.place.rule}' '{self.records}'"
        commands = [f"({scan}; {scan}) > out", f"exec >> out; {scan}; {scan}", f"{scan} > out; {scan} >> out",
                    f"({scan} | cat; {scan}) > out"]
        if shutil.which("flock"):  # which locks the file itself
            commands.append(f"flock out {scan} >> out; exec >> out; flock 1; {scan}")
        for command in commands:
            done = subprocess.run(["sh", "-ec", command], cwd=self.place.name, env=self.place.environment, check=False,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)
            self.assertEqual(len(self.whole_lines(self.place.path("out"))), 2 * COUNT, command)
            os.unlink(self.place.path("out"))

    def test_a_pipe_that_nobody_reads(self):
        """Whoever waits for its reader says so, and may be ended; one whose reader is there says nothing."""
        pipe, words = self.place.path("pipe"), self.place.path("words")
        os.mkfifo(pipe)
        for option in ("-o", "--dead-letter", "--summary"):
            with open(words, "w", encoding="utf-8") as said:
                process = subprocess.Popen([mr.PROGRAM, "scan", "-r", self.place.rule, option, pipe, self.records],
                                           stdout=subprocess.DEVNULL, stderr=said, env=self.place.environment)
            self.addCleanup(process.kill)
            mr.wait_until(lambda: os.path.getsize(words) > 0, "a word")
            if option == "-o":
                with open(pipe, "rb") as reader:
                    self.assertEqual(len(mr.alerts(reader.read())), COUNT)
                self.assertEqual(process.wait(mr.WAIT_SECONDS), 0)
            else:
                process.terminate()
                self.assertEqual(process.wait(mr.WAIT_SECONDS), -signal.SIGTERM)
            with open(words, encoding="utf-8") as said:
                self.assertEqual(said.read(), f"millrace: warning: {option} {pipe}: a pipe that nobody reads: "
                                              "waiting for a reader\n")
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        status, found, said = self.scan("--summary", pipe, self.records)
        self.assertEqual((status, len(found), said), (0, COUNT, ""))
        self.assertEqual(json.loads(os.read(reader, 1 << 16))["records"], COUNT)
        os.close(reader)

    def test_a_dash_is_standard_output(self):
        plain = self.scan(self.records)
        dashed = self.scan("-o", "-", self.records, cwd=self.place.path(""))
        self.assertEqual((dashed[0], mr.ids(dashed[1])), (0, mr.ids(plain[1])))
        self.assertFalse(os.path.exists(self.place.path("-")))
        for option in ("--summary", "--dead-letter"):
            status, found, said = self.scan(option, "-", self.records, cwd=self.place.path(""))
            self.assertEqual((status, found), (2, []), option)
            self.assertIn(option + ": standard output is for alerts; name a file, not -", said)
            self.assertFalse(os.path.exists(self.place.path("-")))

    def test_options_that_are_wrong(self):
        status, _, said = self.scan("--nothing")
        self.assertEqual(status, 2)
        self.assertTrue(said.startswith("millrace scan: unrecognized option '--nothing'"), said)
        for command, words in (("scan", "as many as there are cores, 1 to 64"), ("demo", "--users N 100000 to 100000000,")):
            done = subprocess.run([mr.PROGRAM, command, "--help"], capture_output=True, text=True, check=True)
            self.assertIn(words, " ".join(done.stdout.split()))

    def test_nothing_read_is_told(self):
        empty, folder = self.place.path("empty.ndjson"), self.place.path("folder")
        os.mkdir(folder)
        with open(empty, "w", encoding="utf-8") as out:
            out.write(" \n")
        for inputs, words in (((empty,), "1 input"), ((folder,), "1 input"), (("-",), "1 input"),
                              ((empty, folder, "-"), "3 inputs")):
            status, found, said = self.scan(*inputs, stdin=subprocess.DEVNULL)
            self.assertEqual((status, found), (0, []))
            self.assertIn(f"warning: no record was read from {words}\n", said)
        self.assertNotIn("no record was read", self.scan(self.records, empty)[2])

    def test_log_level(self):
        odd = self.place.path("odd.ndjson")
        with open(odd, "w", encoding="utf-8") as out:
            out.write(json.dumps(mr.record(0)) + '\n{"a":1}\n')
        told = {}
        for level in ("error", "warning", "alert", "info", "debug"):
            status, found, told[level] = self.scan("--log-level", level, odd)
            self.assertEqual((status, len(found)), (0, 1), told[level])
        self.assertEqual(told["error"], "")
        self.assertIn("warning: 1 of 2 records are of no known kind", told["warning"])
        self.assertEqual(told["warning"].count("warning: "), told["warning"].count("\n"))
        self.assertIn("A mailbox was set", told["alert"])
        self.assertNotIn("2 records, 0 rejected", told["alert"])
        for level in ("info", "debug"):
            self.assertIn("2 records, 0 rejected, 1 alerts in ", told[level])
        self.assertEqual(self.scan(odd)[2], told["warning"])
        self.assertNotIn("records are of no", self.scan("--log-level", "error", "--progress", "always", odd)[2])
        # Errors are said whatever was chosen: a worker's, the last word of a failed run, a wrong option's.
        packed = self.place.path("packed")
        with open(packed, "wb") as out:
            out.write(b"PK\3\4")
        status, _, said = self.scan("--log-level", "error", packed)
        self.assertEqual((status, said.count("error: "), said.count("\n")), (1, 2, 2), said)
        self.assertIn("this is a zip archive", said)
        self.assertIn("1 input could not be read whole", said)
        status, _, said = self.scan("--log-level", "loud", odd)
        self.assertEqual((status, said), (2, 'millrace: error: --log-level: "loud" is not debug, info, alert, '
                                             'warning or error\n'))

    def test_records_that_no_rule_sees_are_told(self):
        odd = self.place.path("odd.ndjson")
        with open(odd, "w", encoding="utf-8") as out:
            out.write('{"a":1}\n{"a":2}\n{"a":\n')
        words = " records are of no known kind: rules for a product see nothing in them, unless --logsource"
        status, _, said = self.scan(odd)
        self.assertEqual((status, said.count("2 of 3" + words)), (0, 1), said)
        self.assertNotIn("half of them or more", said)
        with open(odd, "a", encoding="utf-8") as out:
            out.write('{"a":\n')
        status, _, said = self.scan(odd)
        self.assertEqual(status, 0, said)
        self.assertIn("2 of 4 records could not be parsed, half of them or more", said)
        self.assertRegex(said, f"keeps them; such as {odd}, offset 16: \\S+")
        self.assertNotIn("no known kind", self.scan(self.records)[2])

    def test_an_input_of_which_nothing_can_be_read(self):
        odd = self.place.path("odd.ndjson")
        with open(odd, "w", encoding="utf-8") as out:
            out.write("no record\n" * 3)
        status, _, said = self.scan("--log-level", "error", odd)
        self.assertEqual((status, said.count("none of 3 records could be parsed, nothing was judged: is this the right "
                                             "input?")), (1, 1), said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
