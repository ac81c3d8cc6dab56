"""Health of a service: what hangs is found, killed and survived, with each alert once; the status over its socket and
as metrics; what systemd is told; a log whose lines are JSON."""
import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

import millrace_test as mt

EVENTS = 12000
TIMEOUT = "1s"
# A state of its own for each record, and no alert.
KEYS = """---
title: Each record alone
id: 0d1fca2b-93a8-4f43-a8b2-5c07f6c2f9e1
name: each
status: test
logsource:
    product: m365
detection:
    selection:
        Workload: Exchange
    condition: selection
level: low
---
title: Twice
id: 6fb0a2c4-90d5-4d0a-8f0e-1e4f4b7f3c55
correlation:
    type: event_count
    rules: [each]
    group-by: [Id]
    timespan: 1d
    condition:
        gte: 2
level: low
"""
GROUPS = ("collect", "parse", "correlate", "deliver")


class Service:
    """A service over a file that grows: it has no end until it is told to."""

    def __init__(self, folder, settings="", rules=""):
        self.folder = folder
        self.state = os.path.join(folder, "state")
        self.alerts = os.path.join(folder, "alerts.ndjson")
        self.said = os.path.join(folder, "said")
        self.records = os.path.join(folder, "in.ndjson")
        rule = os.path.join(folder, "rule.yml")
        with open(rule, "w", encoding="utf-8") as out:
            out.write(mt.RULE + rules)
        mt.write_records(self.records, EVENTS)
        self.topology = os.path.join(folder, "t.yaml")
        with open(self.topology, "w", encoding="utf-8") as out:
            out.write(f"state: state\nworkers: 2\ncheckpoint_interval: 100ms\nhealth_timeout: {TIMEOUT}\n"
                      f"log_format: json\nlateness: unlimited\nrules: {rule}\n{settings}"
                      f"sources:\n  - name: audit\n    type: file\n    path: in.ndjson\n"
                      "sinks:\n  - name: alerts\n    type: file\n    path: alerts.ndjson\n")
        self.process = None

    def start(self, **environment):
        with open(self.said, "ab") as said:
            self.process = subprocess.Popen([mt.PROGRAM, "run", self.topology], stderr=said, stdout=subprocess.DEVNULL,
                                            env={**os.environ, **environment})

    def checkpoint(self):
        """The number of the last one; 0 while there is none, or nobody answers."""
        status = self.running()
        return (status and status["service"]["checkpoint"]) or 0

    def lines(self):
        with open(self.said, encoding="utf-8") as said:
            text = said.read()
        try:
            # A sanitizer of a worker that is killed has words of its own.
            return [json.loads(line) for line in text.split("\n")[:-1] if not line.startswith("==")]
        except ValueError as error:
            raise AssertionError(text[-2000:]) from error

    def events(self, name):
        return [line for line in self.lines() if line["event"] == name]

    def status(self):
        """As JSON; None while nobody answers."""
        done = subprocess.run([mt.PROGRAM, "status", "--json", self.state], capture_output=True, check=False, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def running(self):
        status = self.status()
        return status if status is not None and status["service"]["state"] == "running" else None

    def worker(self, group):
        """The process of one of the group's workers."""
        for pid, _ in mt.children(self.process.pid):
            with contextlib.suppress(OSError):
                if mt.worker_name(pid).startswith(group):
                    return pid
        return None

    def found(self):
        try:
            with open(self.alerts, encoding="utf-8") as lines:
                return sorted(json.loads(line)["finding_info"]["uid"] for line in lines if line.endswith("\n"))
        except FileNotFoundError:
            return []


class Health(unittest.TestCase):
    def service(self, settings="", **options):
        service = Service(self.enterContext(tempfile.TemporaryDirectory()), settings, **options)

        def end():
            if service.process is not None:
                service.process.kill()
                service.process.wait()

        self.addCleanup(end)
        return service

    def more(self, service, start, count):
        with open(service.records, "a", encoding="utf-8") as out:
            for number in range(start, start + count):
                out.write(json.dumps(mt.record(number)) + "\n")

    def stop(self, service):
        service.process.send_signal(signal.SIGTERM)
        self.assertEqual(service.process.wait(mt.WAIT_SECONDS), 0, service.lines())

    def test_stopped_workers(self):
        service = self.service()
        service.start()
        wanted = EVENTS // 3
        mt.wait_until(lambda: len(service.found()) == wanted, "the first alerts")
        for round_, group in enumerate(GROUPS):
            mt.wait_until(service.running, "the service runs")
            deaths = service.running()["service"]["deaths"]
            pid = service.worker(group)
            os.kill(pid, signal.SIGSTOP)
            self.more(service, EVENTS + round_ * 300, 300)
            mt.wait_until(lambda: not mt.is_running(pid), f"{group} is killed")
            mt.wait_until(lambda: (service.running() or {"service": {"deaths": 0}})["service"]["deaths"] > deaths,
                          "a new incarnation runs")
            wanted += 100
            mt.wait_until(lambda: len(service.found()) >= wanted, "what came meanwhile is judged")
            silent = service.events("worker.silent")
            self.assertEqual(len(silent), round_ + 1, silent)
            self.assertIn(f"worker {group}", silent[-1]["message"])
            self.assertIn(f"(process {pid})", silent[-1]["message"])
        self.stop(service)
        self.expect_exact(service)

    def expect_exact(self, service):
        """Each alert of scan stands in the sink's file once, and the books balance."""
        status, alerts, _ = mt.scan("--rules", os.path.join(service.folder, "rule.yml"), service.records)
        self.assertEqual(status, 0)
        self.assertEqual(service.found(), mt.ids(alerts))
        books = subprocess.run([mt.PROGRAM, "ledger", "check", service.state], capture_output=True, check=False)
        self.assertEqual(books.returncode, 0, books.stdout + books.stderr)

    def test_a_stopped_supervisor_blames_nobody(self):
        service = self.service()
        service.start()
        before = mt.wait_until(service.checkpoint, "the service runs")
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(2)  # twice what a worker may be silent: as long as it stands still, nothing is waited for
        service.process.send_signal(signal.SIGCONT)
        mt.wait_until(lambda: service.checkpoint() > before, "checkpoints go on")
        self.assertEqual(service.running()["service"]["deaths"], 0, service.lines())
        self.assertEqual(service.events("worker.silent"), [])
        self.stop(service)
        self.expect_exact(service)

    def test_a_stopped_snapshot(self):
        """The process that writes a large state holds up no checkpoint for ever."""
        service = self.service(rules=KEYS)
        service.start()
        mt.wait_until(lambda: len(service.found()) == EVENTS // 3, "the first alerts")

        def stop_writer():
            for worker, _ in mt.children(service.process.pid):
                for writer, _ in mt.children(worker):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(writer, signal.SIGSTOP)
                        return mt.is_running(writer)
            return False

        mt.wait_until(stop_writer, "a process writes a snapshot")
        died = mt.wait_until(lambda: service.events("worker.died"), "its worker gives up")
        self.assertIn("that writes its snapshot", died[0]["message"])
        mt.wait_until(service.running, "a new incarnation runs")
        self.stop(service)
        self.expect_exact(service)


if __name__ == "__main__":
    unittest.main(verbosity=2)
