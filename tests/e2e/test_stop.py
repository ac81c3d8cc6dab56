"""SIGTERM ends a service, whatever it waits for; what was not committed is judged again, once."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import unittest

import millrace_test as mr
from service import Service

RECORDS = 4000  # their alerts are more than a pipe and all buffers hold
DEATHS = 6      # one after the other make a pause in which a signal comes for certain
SENT = 2000     # to a socket, ahead of what finds no room
FAILURES = 20   # checkpoints in a row
SEIZE = 0x4206  # ptrace(2)
TRACER = f"""
import ctypes, signal, sys
call = ctypes.CDLL(None).ptrace
call.argtypes = ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p
print("traced" if call({SEIZE}, int(sys.argv[1]), None, None) == 0 else "not traced", flush=True)
signal.pause()
"""


class Stop(unittest.TestCase):
    def setUp(self):
        self.service = Service(self, RECORDS)

    def await_words(self, words, times=1):
        try:
            mr.wait_until(lambda: self.service.said().count(words) >= times, words)
        except AssertionError as error:
            raise AssertionError(self.service.said()) from error

    def assert_ends(self, process, *words):
        """Before its work is done: exit status 1, and why."""
        self.service.finish(process, 1)
        said = self.service.said().splitlines()[-1]
        for word in (*words, "is judged again at the next start"):
            self.assertIn(word, said)

    def go_on(self, **options):
        self.service.finish(self.service.start(**options))
        self.service.assert_kept_once()

    def test_a_reader_that_stands_still(self):
        for settings, signals, why in (({"stop_timeout": "2s"}, 1, "ended by stop_timeout"),
                                       ({}, 2, "ended by a second signal")):
            with self.subTest(why):
                self.service.describe(self.service.file_sink(), {"name": "out", "type": "stdout"}, **settings)
                process = self.service.start(stdout=subprocess.PIPE)
                self.addCleanup(process.stdout.close)
                self.await_words("sink out is full")
                for _ in range(signals):
                    process.send_signal(signal.SIGTERM)
                    self.await_words("the end waits for sink out, which takes no more")
                self.assert_ends(process, why, "it waited for sink out, which takes no more")
                self.assertEqual(self.service.said().count("the end waits for"), 1)
        self.go_on()

    def test_a_dead_letter_whose_disk_is_full(self):
        self.service.describe(self.service.file_sink(), sources=[
            {"name": "in", "type": "file", "path": [self.service.records], "follow": False},
            {"name": "more", "type": "socket", "path": self.service.path("socket")}])
        process = self.service.start()
        mr.wait_until(lambda: os.path.exists(self.service.path("alerts.ndjson")) and
                      len(mr.whole_lines(self.service.path("alerts.ndjson"))) == RECORDS, "all alerts")
        letters = self.service.path("state/dead-letter.ndjson")
        mr.wait_until(lambda: mr.whole_lines(letters), "the first dead letter")
        deliver = next(pid for pid, _ in mr.children(process.pid) if mr.worker_name(pid) == "deliver")
        resource.prlimit(deliver, resource.RLIMIT_FSIZE, (os.path.getsize(letters), resource.RLIM_INFINITY))
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(self.service.path("socket"))
            peer.sendall(b"broken too\n")
        self.await_words("dead_letter_full")
        for _ in range(2):
            process.send_signal(signal.SIGTERM)
            self.await_words("the end waits for the dead letter, whose disk is full")
        self.assert_ends(process, "ended by a second signal", "it waited for the dead letter, whose disk is full")
        process = self.service.start()
        mr.wait_until(lambda: len(mr.whole_lines(letters)) == 2, "the other dead letter")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.service.assert_kept_once(("broken", "broken too"))

    def hold(self, pid):
        """Once killed, it does not end for its parent before its tracer does: as if the kernel had it wait for a disk."""
        tracer = subprocess.Popen([sys.executable, "-c", TRACER, str(pid)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(tracer.stdout.close)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.kill)
        if tracer.stdout.readline() != "traced\n":
            self.skipTest("processes cannot be traced here")
        return tracer

    def assert_lives(self, ear):
        """From now on."""
        ear.setblocking(False)
        try:
            while ear.recv(4096):
                pass
        except BlockingIOError:
            ear.settimeout(mr.WAIT_SECONDS)
        while ear.recv(4096) != b"WATCHDOG=1":
            pass

    def test_a_worker_that_the_kernel_holds(self):
        """It is waited for until SIGTERM, and then no longer than stop_timeout; the service goes on once it has gone. Meanwhile
        systemd is told that it lives, and it tells its status."""
        ear = self.enterContext(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        ear.bind(self.service.path("notify"))
        ear.settimeout(mr.WAIT_SECONDS)
        self.service.place.environment.update(NOTIFY_SOCKET=self.service.path("notify"), WATCHDOG_USEC="1000000")
        source = {"name": "in", "type": "file", "path": [self.service.records]}
        self.service.describe(self.service.file_sink(), stop_timeout="1s", sources=[source])
        process = self.service.start()
        mr.wait_until(lambda: os.path.exists(self.service.path("alerts.ndjson")) and
                      len(mr.whole_lines(self.service.path("alerts.ndjson"))) == RECORDS, "all alerts")
        for signals in (0, 1):
            deliver = mr.wait_until(lambda: next((pid for pid, _ in mr.children(process.pid)
                                                if mr.worker_name(pid) == "deliver"), None), "a worker")
            tracer = self.hold(deliver)
            os.kill(deliver, signal.SIGKILL)
            words = f"worker deliver (process {deliver}) was killed and has not ended"
            self.await_words(f"{words}: it is waited for")
            if signals == 0:
                self.assert_lives(ear)
                self.assertGreater(self.failures(), -1)
                tracer.kill()
                self.await_words("workers.started #2")
                continue
            process.send_signal(signal.SIGTERM)
            self.assert_ends(process, f"{words}: ended by stop_timeout")
            tracer.kill()
        process = self.service.start()
        mr.wait_until(lambda: self.service.said().count("service.ready"), "the lock is free again")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.service.assert_kept_once()

    def fill(self):
        """A service whose socket was sent what its journal has no room for; and its worker, which sleeps."""
        self.service.describe(self.service.file_sink(), stop_timeout="2s",
                              sources=[{"name": "more", "type": "socket", "path": self.service.path("socket")}])
        process = self.service.start()
        self.await_words("service.ready")
        with open(self.service.records, "rb") as records:
            lines = records.readlines()
        peer = self.enterContext(socket.socket(socket.AF_UNIX))
        peer.connect(self.service.path("socket"))
        peer.sendall(b"".join(lines[:SENT]))
        mr.wait_until(lambda: len(mr.whole_lines(self.service.path("alerts.ndjson"))) == SENT, "alerts")
        collect = next(pid for pid, _ in mr.children(process.pid) if mr.worker_name(pid) == "collect")
        os.kill(collect, signal.SIGSTOP)
        journal = self.service.path("state/journal/more")
        size = max(os.path.getsize(os.path.join(journal, name)) for name in os.listdir(journal))
        resource.prlimit(collect, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        peer.sendall(b"".join(lines[SENT:SENT + 50]))
        return process, collect

    def test_what_a_socket_was_sent_and_finds_no_room(self):
        """No end is good that loses it."""
        for killed in (False, True):
            with self.subTest(killed=killed):
                self.service = Service(self, RECORDS)
                process, collect = self.fill()
                process.send_signal(signal.SIGTERM)
                os.kill(collect, signal.SIGCONT)
                self.await_words("bytes that it was sent do not stand in its journal yet")
                if killed:
                    os.kill(collect, signal.SIGKILL)
                self.service.finish(process, 1)
                said = self.service.said().splitlines()[-1]
                self.assertIn("what the sockets of collect were sent, and stood in no journal, is lost", said)
                self.assertIn("was killed by signal 9" if killed else
                              "it waited for worker collect, whose journals have not all that its sockets were sent", said)
                self.assertNotIn("all that was read is durable", self.service.said())

    def test_a_reload_that_loses_what_a_socket_was_sent(self):
        process, collect = self.fill()
        with open(self.service.place.rule, "a", encoding="utf-8") as rule:
            rule.write("modified: 2024-01-02\n")
        process.send_signal(signal.SIGHUP)
        os.kill(collect, signal.SIGCONT)
        self.await_words("bytes that it was sent do not stand in its journal yet")
        os.kill(collect, signal.SIGKILL)
        self.await_words("reloaded from checkpoint")
        self.assertIn("what the sockets of collect were sent, and stood in no journal, is lost", self.service.said())
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)

    def test_a_socket_that_a_reload_leaves_out(self):
        """What it was sent last waits in its journal, as is said, and is judged once when it comes back."""
        sources = [{"name": "in", "type": "file", "path": [self.service.path("nothing")]},
                   {"name": "more", "type": "socket", "path": self.service.path("socket")}]
        with open(self.service.records, "rb") as records:
            lines = records.readlines()
        self.service.describe(self.service.file_sink(), sources=sources)
        process = self.service.start()
        self.await_words("service.ready")
        peer = self.enterContext(socket.socket(socket.AF_UNIX))
        peer.connect(self.service.path("socket"))
        collect = next(pid for pid, _ in mr.children(process.pid) if mr.worker_name(pid) == "collect")
        os.kill(collect, signal.SIGSTOP)
        peer.sendall(b"".join(lines[:50]))
        self.service.describe(self.service.file_sink(), sources=sources[:1])
        process.send_signal(signal.SIGHUP)
        os.kill(collect, signal.SIGCONT)
        self.await_words("reloaded from checkpoint")
        self.await_words(f"source more is left out: what its socket was sent last waits in {self.service.path('state')}/journal/more")
        self.service.describe(self.service.file_sink(), sources=sources)
        process.send_signal(signal.SIGHUP)
        mr.wait_until(lambda: len(mr.whole_lines(self.service.path("alerts.ndjson"))) == 50, "alerts")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)

    def failures(self):
        status = subprocess.run([mr.PROGRAM, "status", "--json", self.service.path("state")], capture_output=True, check=True)
        return json.loads(status.stdout)["service"]["checkpoints_failed"]

    def test_checkpoints_that_cannot_be_made(self):
        """Meanwhile nobody is busy, and it is said ten times."""
        source = {"name": "in", "type": "file", "path": [self.service.records]}
        self.service.describe(self.service.file_sink(), sources=[source])
        process = self.service.start()
        mr.wait_until(lambda: os.path.exists(self.service.path("alerts.ndjson")) and
                      len(mr.whole_lines(self.service.path("alerts.ndjson"))) == RECORDS, "all alerts")
        folder = self.service.path("state/checkpoints")
        os.rename(folder, folder + ".away")
        process.send_signal(signal.SIGTERM)
        self.await_words("the end waits for a checkpoint, and the last one failed: ")
        collect = next(pid for pid, _ in mr.children(process.pid) if mr.worker_name(pid) == "collect")
        ticks, failures = mr.cpu_ticks(collect), self.failures()
        mr.wait_until(lambda: self.failures() >= failures + FAILURES, "failures")
        self.assertLess(mr.cpu_ticks(collect) - ticks, FAILURES * 2, "of ten each")
        self.assertEqual(self.service.said().count(" in a row: "), 10)
        process.send_signal(signal.SIGTERM)
        self.assert_ends(process, "ended by a second signal", "No such file or directory")
        os.rename(folder + ".away", folder)
        process = self.service.start()
        self.await_words("service.ready")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.service.assert_kept_once()

    def test_workers_that_die_again_and_again(self):
        self.service.describe(self.service.file_sink(), {"name": "out", "type": "stdout"})
        process = self.service.start(stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        for death in range(1, DEATHS + 1):
            self.await_words(" 6 workers: ", death)
            worker = mr.wait_until(lambda: [pid for pid, _ in mr.children(process.pid)], "workers")[0]
            os.kill(worker, signal.SIGKILL)
            self.await_words("the pipeline starts again", death)
        self.await_words(f"the last {DEATHS} died young")
        process.send_signal(signal.SIGTERM)
        self.assert_ends(process, "ended between two starts", "was killed by signal 9")
        self.assertEqual(self.service.said().count(" 6 workers: "), DEATHS)
        self.go_on()

    def test_a_signal_that_comes_at_once(self):
        """As soon as any is held."""
        self.service.describe(self.service.file_sink())
        process = self.service.start()
        mr.wait_until(lambda: process.poll() is not None or mr.holds_signals(process.pid), "signals are held")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.go_on()


if __name__ == "__main__":
    unittest.main(verbosity=2)
