"""A service that reads standard input, and a socket, while its reader is killed: each line has come once. Workers are locked
in, as they are by default.

Lines that are no JSON go to the dead letter: so what came is seen line by line."""
import gzip
import json
import os
import signal
import socket
import subprocess
import time
import unittest

import millrace_test as mt


class Streams(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mt.Workplace())

    def start(self, source, **options):
        with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
            out.write("state: state\nworkers: 1\ncheckpoint_interval: 100ms\nrules: [rule.yml]\n"
                      f"{'stop_timeout: 10m' if mt.built_with('tsan') else ''}\n"
                      f"sources:\n  - {{name: stream, {source}}}\n"
                      "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")
        with open(self.place.path("said"), "ab") as said:
            self.process = subprocess.Popen([mt.PROGRAM, "run", self.place.path("t.yaml")], stderr=said,
                                            env=self.place.environment, **options)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def words(self):
        with open(self.place.path("said"), encoding="utf-8") as said:
            return said.read()

    def letters(self):
        try:
            with open(self.place.path("state/dead-letter.ndjson"), encoding="utf-8") as lines:
                return [json.loads(line)["record"] for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def wait(self, *want):
        """Until exactly these have come."""
        mt.wait_until(lambda: len(self.letters()) >= len(want), lambda: "lines come: " + self.words())
        self.assertEqual(sorted(self.letters()), sorted(want))

    def reader(self):
        return [pid for pid, _ in mt.children(self.process.pid) if self.is_reader(pid)]

    @staticmethod
    def is_reader(pid):
        try:
            return mt.worker_name(pid) == "collect"
        except OSError:  # it has ended
            return False

    def kill_reader(self):
        pid, = mt.wait_until(self.reader, "a reader")
        os.kill(pid, signal.SIGKILL)
        mt.wait_until(lambda: self.reader() not in ([], [pid]), "another reader")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())

    def test_standard_input(self):
        """The beginning of a line outlives whoever has read it; the end of the input ends the service."""
        self.start("type: stdin", stdin=subprocess.PIPE)

        def put(text):
            self.process.stdin.write(text)
            self.process.stdin.flush()
        put(b"bad 1\nbad 2\nba")
        self.wait("bad 1", "bad 2")
        self.kill_reader()
        put(b"d 3\nbad 4\n")
        self.wait("bad 1", "bad 2", "bad 3", "bad 4")
        self.kill_reader()
        put(b"bad 5\nbad 6")
        self.process.stdin.close()
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())
        self.wait(*[f"bad {number}" for number in range(1, 7)])

    def test_standard_input_over_a_reload(self):
        """New rules have new workers; what they read goes on where the old ones stopped."""
        self.start("type: stdin", stdin=subprocess.PIPE)
        self.process.stdin.write(b"bad 1\nba")
        self.process.stdin.flush()
        self.wait("bad 1")
        with open(self.place.rule, encoding="utf-8") as rule:
            text = rule.read()
        with open(self.place.rule, "w", encoding="utf-8") as rule:
            rule.write(text.replace("title: ", "title: New, ", 1))
        self.process.send_signal(signal.SIGHUP)
        mt.wait_until(lambda: "reloaded from checkpoint" in self.words(), "new rules")
        self.process.stdin.write(b"d 2\nbad 3\n")
        self.process.stdin.close()
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())
        self.wait("bad 1", "bad 2", "bad 3")

    def test_standard_input_at_a_stop(self):
        """What stands in the pipe is put into the journal before the service ends, and is judged by the next one."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        self.start("type: stdin", stdin=read)
        os.write(write, b"bad 0\n")
        self.wait("bad 0")
        stopped, = [pid for pid, _ in mt.children(self.process.pid) if mt.worker_name(pid).startswith("parse")]
        os.kill(stopped, signal.SIGSTOP)
        os.set_blocking(write, False)
        lines, until = ["bad 0"], None
        while until is None or time.monotonic() < until:  # the pipe stays full
            line = f"bad {len(lines)} " + "x" * 4000
            try:
                os.write(write, (line + "\n").encode())  # less than PIPE_BUF: all or nothing
                lines.append(line)
                until = None
            except BlockingIOError:
                until = until or time.monotonic() + 0.5
                time.sleep(0.01)
        self.process.send_signal(signal.SIGTERM)
        os.kill(stopped, signal.SIGCONT)
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())
        self.start("type: stdin", stdin=subprocess.DEVNULL)
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())
        self.wait(*lines)

    def test_standard_input_that_cannot_be_read(self):
        """It is told before anything is begun."""
        for name, flags in (("/", os.O_RDONLY), (self.place.path("out"), os.O_WRONLY | os.O_CREAT)):
            with self.subTest(name):
                source = os.open(name, flags, 0o600)
                self.start("type: stdin", stdin=source)
                os.close(source)
                self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 2, self.words())

    def test_what_is_no_lines(self):
        """It is refused with words that say what to do, and nothing is set aside line by line."""
        for number, (name, data) in enumerate({"CSV": b"RecordId,AuditData\n" + b"1,{}\n" * 1000,
                                               "gzip": gzip.compress(b"{}\n" * 1000),
                                               "UTF-16": ("{}\n" * 1000).encode("utf-16"),
                                               "JSON": b"[{}," + b"{},\n" * 1000 + b"{}]"}.items()):
            with self.subTest(name), open(self.place.path("in"), "w+b") as source:
                source.write(data)
                source.seek(0)
                self.start("type: stdin", stdin=source)
                self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 2, self.words())
                self.assertEqual(self.words().count(f"source stream: standard input: this is {name}, not a record a line: "
                                                    "millrace scan reads it"), 1, self.words())
                self.assertEqual(self.words().count("standard input: this is"), number + 1, self.words())
        self.wait()
        self.start("type: socket, path: in.sock")
        peer = self.connect()
        peer.sendall(b"RecordId,AuditData\n")
        self.assertEqual(peer.recv(1), b"")
        mt.wait_until(lambda: "source stream: a peer is sent away: this is CSV, " in self.words(), "it is said")
        peer = self.connect()
        peer.sendall(b"bad 1\n")
        self.wait("bad 1")
        self.end()

    def connect(self):
        def try_it():
            peer = socket.socket(socket.AF_UNIX)
            try:
                peer.connect(self.place.path("in.sock"))
            except OSError:
                peer.close()
                return None
            self.addCleanup(peer.close)
            return peer
        return mt.wait_until(try_it, lambda: "somebody listens: " + self.words())

    def test_socket(self):
        """Whole lines stay; of a line that had begun its peer learns that the connection is lost."""
        self.start("type: socket, path: in.sock")
        peer, other = self.connect(), self.connect()
        peer.sendall(b"bad 1\nba")
        other.sendall(b"bad 2\n")
        self.wait("bad 1", "bad 2")
        self.kill_reader()
        self.assertEqual(peer.recv(1), b"")
        peer = self.connect()
        peer.sendall(b"bad 3\n")
        self.wait("bad 1", "bad 2", "bad 3")
        pid, = self.reader()
        self.process.kill()
        self.process.wait()
        mt.wait_until(lambda: not mt.is_running(pid), "its workers die, too")
        self.start("type: socket, path: in.sock")
        peer = self.connect()
        peer.sendall(b"bad 4\n")
        self.wait("bad 1", "bad 2", "bad 3", "bad 4")
        self.end()
        mt.assert_balance(self, self.place.path("state"))

    def is_pending(self, number):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            masks = [int(line.split()[1], 16) for line in status if line.startswith(("ShdPnd", "SigPnd"))]
        return any(mask >> number - 1 & 1 for mask in masks)

    def send_over_a_reload(self):
        """Lines, each again until its sending goes well, until new rules are in force. How many went."""
        count, peer = 0, self.connect()
        with open(self.place.rule, encoding="utf-8") as rule:
            text = rule.read()
        with open(self.place.rule, "w", encoding="utf-8") as rule:
            rule.write(text.replace("title: ", "title: New, ", 1))
        self.process.send_signal(signal.SIGHUP)
        while "reloaded from checkpoint" not in self.words():
            try:
                peer.sendall(b"bad %d\n" % count)
                count += 1
            except OSError:
                peer.close()
                peer = self.connect()
        return count

    def test_what_a_socket_was_sent_outlives_a_reload(self):
        self.start("type: socket, path: in.sock")
        mt.wait_until(lambda: "service.ready" in self.words(), "a service")
        count = self.send_over_a_reload()
        self.wait(*[f"bad {number}" for number in range(count)])
        self.end()
        mt.assert_balance(self, self.place.path("state"))

    def test_what_a_socket_was_sent_outlives_a_stop(self):
        """Behind the signal: by a peer that is let in, and by one that is not yet."""
        self.start("type: socket, path: in.sock")
        peer = self.connect()
        peer.sendall(b"bad 1\n")
        self.wait("bad 1")
        pid, = self.reader()
        os.kill(pid, signal.SIGSTOP)
        self.process.send_signal(signal.SIGTERM)
        mt.wait_until(lambda: not self.is_pending(signal.SIGTERM), "the signal is taken")
        peer.sendall(b"bad 2\n")
        with self.connect() as other:
            other.sendall(b"bad 3\n")
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.process.wait(mt.WAIT_SECONDS), 0, self.words())
        self.assertRaises(BrokenPipeError, peer.sendall, b"bad\n")
        mt.assert_balance(self, self.place.path("state"))
        self.start("type: socket, path: in.sock")
        self.wait("bad 1", "bad 2", "bad 3")
        self.end()
        mt.assert_balance(self, self.place.path("state"))


if __name__ == "__main__":
    unittest.main()
