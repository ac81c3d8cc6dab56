"""Health of a service: what hangs is found, killed and survived, with each alert once; the status over its socket and
as metrics; what systemd is told; a log whose lines are JSON."""
import contextlib
import datetime
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.request

import millrace_test as mt
import ocsf_check

EVENTS = 12000
SILENCE = 5 if mt.built_with("tsan") else 1  # seconds
TIMEOUT = f"{SILENCE}s"
# A state of its own for each record, of half a kilobyte and more, and no alert.
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
fields: [ObjectId]
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
BROKEN = """---
title: Nothing is looked for
id: 3d1b6bd2-6c4d-4a55-8d6b-3b6a9a3f7a10
status: test
logsource:
    product: m365
detection:
    condition: selection
level: low
"""
GROUPS = ("collect", "parse", "correlate", "deliver")


class Service:
    """A service over a file that grows: it has no end until it is told to."""

    def __init__(self, folder, settings="", rules="", sinks="", timeout=TIMEOUT):
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
            out.write(f"state: state\nworkers: 2\ncheckpoint_interval: 100ms\nhealth_timeout: {timeout}\n"
                      f"log_format: json\nlateness: unlimited\nrules: {rule}\n{settings}"
                      "sources:\n  - name: audit\n    type: file\n    path: in.ndjson\n"
                      f"sinks:\n  - name: alerts\n    type: file\n    path: alerts.ndjson\n{sinks}")
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
        mt.assert_balance(self, service.state)

    def test_a_stopped_supervisor_blames_nobody(self):
        service = self.service()
        service.start()
        before = mt.wait_until(service.checkpoint, "the service runs")
        service.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        mt.wait_until(lambda: mt.is_stopped(service.process.pid) and time.monotonic() - stopped >= 2 * SILENCE,
                      "it stood still for twice as long as a worker may be silent")
        service.process.send_signal(signal.SIGCONT)
        mt.wait_until(lambda: service.checkpoint() > before, "checkpoints go on")
        self.assertEqual(service.running()["service"]["deaths"], 0, service.lines())
        self.assertEqual(service.events("worker.silent"), [])
        self.stop(service)
        self.expect_exact(service)

    @staticmethod
    def stop_writer(service):
        """The process that writes a snapshot, and stands still from here on."""
        def stopped():
            for worker, _ in mt.children(service.process.pid):
                for writer, _ in mt.children(worker):
                    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                        os.kill(writer, signal.SIGSTOP)
                        mt.wait_until(lambda writer=writer: mt.is_stopped(writer) or not mt.is_running(writer), "it stands still, or has ended")
                        return writer if mt.is_stopped(writer) else None
            return None

        return mt.wait_until(stopped, "a process writes a snapshot")

    @unittest.skipIf(mt.is_sanitized(), "a worker with a sanitizer writes its snapshot itself")
    def test_copied_pages_count(self):
        """While a snapshot is written the worker copies what it writes to. Near the ceiling input waits for that: nothing is shed."""
        each = EVENTS + EVENTS // 3  # signals, of records read once
        service = self.service("state_bytes: 30MiB\n", rules=KEYS, timeout="10m")
        service.start()

        def counted(name):
            status = service.running()
            return status["counters"][name] if status else 0

        mt.wait_until(lambda: counted("signals_received") == each, "all signals")
        before = service.checkpoint()
        mt.wait_until(lambda: service.checkpoint() > before, "a checkpoint of them")
        said = service.running()["service"]
        self.assertEqual(said["state_ceiling_bytes"], 30 << 20)
        self.assertTrue(10 << 20 < said["state_held_bytes"] <= 22 << 20, said)
        writer = self.stop_writer(service)
        with open(service.records, "a", encoding="utf-8") as out:
            for number in range(EVENTS):  # each again, at another time: its state is written to
                out.write(json.dumps(mt.record(number) | {"CreationTime": "2024-05-01T12:00:00"}) + "\n")
        mt.wait_until(lambda: counted("signals_received") > each and mt.all_sleep(service.process.pid), "all stand still")
        self.assertLess(counted("signals_received"), 2 * each)
        os.kill(writer, signal.SIGCONT)
        mt.wait_until(lambda: counted("signals_received") == 2 * each, "all signals again")
        self.assertEqual(counted("state_shed"), 0)
        self.stop(service)
        self.expect_exact(service)

    @unittest.skipIf(mt.is_sanitized(), "a worker with a sanitizer writes its snapshot itself")
    def test_a_stopped_snapshot(self):
        """The process that writes a large state fails its checkpoint alone: the next ones do without it, and nobody dies."""
        service = self.service(rules=KEYS)
        service.start()
        mt.wait_until(lambda: len(service.found()) == EVENTS // 3, "the first alerts")

        writer = self.stop_writer(service)
        failed = mt.wait_until(lambda: service.events("checkpoint.failed"), "its checkpoint is given up")
        self.assertIn(f"the process that writes the snapshot ({writer}) was stopped", failed[0]["message"])
        for _ in range(2):
            before = service.checkpoint()
            mt.wait_until(lambda before=before: service.checkpoint() > before, "the next one is made")
            self.assertTrue(mt.is_stopped(writer))
        os.kill(writer, signal.SIGKILL)
        mt.wait_until(lambda: not mt.is_running(writer), "it is taken away")
        self.assertEqual(service.running()["service"]["deaths"], 0, service.lines())
        self.stop(service)
        self.expect_exact(service)

    def test_status(self):
        service = self.service()
        service.start()
        wanted = EVENTS // 3

        def all_told():
            status = service.running()
            return status if status and status["sinks"][0]["delivered"] == wanted and status["service"]["checkpoint"] else None

        status = mt.wait_until(all_told, "the status tells all")
        self.assertEqual(status["service"]["pid"], service.process.pid)
        self.assertEqual(status["service"]["incarnation"], 1)
        self.assertEqual(status["service"]["deaths"], 0)
        self.assertEqual(status["service"]["rules_loaded"], 1)
        self.assertGreater(status["service"]["memory_bytes"], 0)
        self.assertEqual([worker["name"] for worker in status["workers"]],
                         ["collect", "parse-1", "parse-2", "correlate-1", "correlate-2", "deliver"])
        for worker in status["workers"]:
            self.assertEqual(worker["state"], "running")
            self.assertEqual(mt.worker_name(worker["pid"]), worker["name"])
            self.assertGreater(worker["memory_bytes"], 0)
        self.assertEqual(status["sinks"], [{"name": "alerts", "delivered": wanted, "spooled": 0, "spool_size_bytes": 0,
                                            "refused": 0, "last_error": "", "last_error_time": None, "next_try": None}])
        self.assertLessEqual({alarm["name"] for alarm in status["alarms"]}, {"sandbox_missing"})  # as the kernel is

        def counted():
            now = service.status()
            source = now["sources"][0]
            return now if now["counters"]["records"] == EVENTS and source["lag_seconds"] and source["journal_size_bytes"] else None

        status = mt.wait_until(counted, "counters, event time and journal arrive")
        source = status["sources"][0]
        self.assertEqual((source["name"], source["ended"], source["journal_segments"]), ("audit", False, 1))
        self.assertGreater(source["lag_seconds"], 86400)  # the records are of 2024
        latency = status["latencies"]["deliver"]["alert_latency"]
        self.assertEqual(latency["count"], wanted)
        self.assertGreater(latency["most_seconds"], 0)
        said = subprocess.run([mt.PROGRAM, "status", service.state], capture_output=True, check=True, timeout=60).stdout.decode()
        for words in ("collect", "correlate-2", "audit", "alerts", "alert_latency", "checkpoint"):
            self.assertIn(words, said)
        self.stop(service)
        self.assertIsNone(service.status())
        with contextlib.closing(sqlite3.connect(os.path.join(service.state, "ledger.sqlite"))) as books:
            count, = books.execute("SELECT sum(n) FROM latencies WHERE step = 'alert_latency'").fetchone()
        self.assertEqual(count, wanted)

    def test_what_a_source_does_not_read(self):
        """It is named, once, with what to do, and an alarm lasts as long as it is there; what is set aside is counted."""
        service = self.service()
        with open(service.records, "w", encoding="utf-8") as out:
            out.write("RecordId,AuditData\n" + "1,{}\n" * 1000)
        service.start()

        def source(**wanted):
            status = service.running()
            found = status and status["sources"][0]
            return status if found and all(found[name] == value for name, value in wanted.items()) else None

        status = mt.wait_until(lambda: source(unread=1, alarms="input_unread"), "what is not read is told")
        self.assertEqual([alarm["words"] for alarm in status["alarms"] if alarm["name"] == "input_unread"],
                         ["audit: " + service.records])
        os.remove(service.records)
        mt.wait_until(lambda: source(unread=0, alarms=""), "it is missed")
        mt.write_records(service.records, 300)
        with open(service.records, "a", encoding="utf-8") as out:
            out.write("no record\n")
        mt.wait_until(lambda: source(unread=0, alarms="", records=301, rejected=1, alerts=100), "what is read is counted")
        said = subprocess.run([mt.PROGRAM, "status", service.state], capture_output=True, check=True, timeout=60).stdout.decode()
        head = next(line for line in said.split("\n") if "journal_segments" in line).split()
        row = next(line for line in said.split("\n") if line.split()[:1] == ["audit"]).split()
        self.assertEqual(row[head.index("rejected") - len(head):], ["1", "100", "0", "-"])
        self.stop(service)
        damaged, = service.events("input.damaged")
        self.assertIn("source audit: " + service.records + ": this is CSV, not a record a line: millrace scan reads it",
                      damaged["message"])

    @staticmethod
    def moment(status):
        """By the service's own clock, in seconds."""
        return datetime.datetime.fromisoformat(status["service"]["now"]).timestamp()

    def test_a_receiver_that_is_gone(self):
        """A stalled sink holds back what is read, an alarm says so, and nobody is taken for hung."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        service = self.service(sinks=f"  - name: siem\n    type: webhook\n    url: https://127.0.0.1:{port}/\n"
                                     "    spool_bytes: 1MiB\n    retry_first: 10ms\n    retry_most: 10ms\n")
        service.start()

        def alarm():
            status = service.running()
            names = [alarm["name"] for alarm in status["alarms"]] if status else []
            return status if "sink_full" in names and status["sinks"][1]["last_error"] else None

        status = mt.wait_until(alarm, "the spool is full, and it is said why")
        siem = status["sinks"][1]
        self.assertGreater(siem["spooled"], 0)
        self.assertGreater(siem["spool_size_bytes"], 0)
        self.assertIn("connect", siem["last_error"].lower())
        self.assertLessEqual(siem["last_error_time"], status["service"]["now"])
        self.assertEqual(siem["delivered"], 0)
        mt.wait_until(lambda: (later := alarm()) and self.moment(later) - self.moment(status) >= 3 * SILENCE,
                      "it stood still for three times as long as a worker may be silent", 2 * mt.WAIT_SECONDS)
        self.assertEqual(service.events("worker.silent"), [])
        self.assertEqual(service.running()["service"]["deaths"], 0)
        self.assertTrue(service.events("alarm.raised"))

    def test_a_full_disk(self):
        """Of the dead letter, then of a sink's file: an alarm, and what was written is what is counted."""
        service = self.service()
        service.start()
        wanted = EVENTS // 3
        mt.wait_until(lambda: service.checkpoint() and len(service.found()) == wanted, "the first alerts")
        deliver = service.worker("deliver")

        def full(alarm, path, write):
            """The file grows no more, and that is told."""
            resource.prlimit(deliver, resource.RLIMIT_FSIZE, (os.path.getsize(path), resource.RLIM_INFINITY))
            write()
            return mt.wait_until(lambda: (status := service.running()) and
                                 alarm in [raised["name"] for raised in status["alarms"]] and status, alarm)

        def well(alarm):
            resource.prlimit(deliver, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return mt.wait_until(lambda: (status := service.running()) and
                                 alarm not in [raised["name"] for raised in status["alarms"]] and
                                 len(service.found()) == status["sinks"][0]["delivered"] and status, "all goes on")

        def reject():
            with open(service.records, "a", encoding="utf-8") as out:
                out.write("no record\n")

        full("dead_letter_full", os.path.join(service.state, "dead-letter.ndjson"), reject)
        well("dead_letter_full")
        sink = full("sink_full", service.alerts, lambda: self.more(service, EVENTS, 300))["sinks"][0]
        self.assertEqual(sink["delivered"], len(service.found()))
        self.assertGreater(sink["spooled"], 0)
        self.assertIn("cannot be written", sink["last_error"])
        self.assertIsNotNone(sink["last_error_time"])
        sink = well("sink_full")["sinks"][0]
        self.assertEqual((sink["last_error"], sink["last_error_time"]), ("", None))
        mt.wait_until(lambda: len(service.found()) == wanted + 100, "the rest")
        self.stop(service)

    def test_no_room_for_a_name(self):
        """A new file is met while the disk is full: its source waits, and nobody dies of it."""
        service = self.service(timeout="10m")
        with open(service.topology, encoding="utf-8") as topology:
            text = topology.read()
        with open(service.topology, "w", encoding="utf-8") as topology:
            topology.write(text.replace("path: in.ndjson", "path: in*.ndjson"))
        service.start()
        wanted = EVENTS // 3
        mt.wait_until(lambda: service.checkpoint() and len(service.found()) == wanted, "the first alerts")
        names = os.path.getsize(os.path.join(service.state, "files.added"))
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (names, resource.RLIM_INFINITY))
        service.records = os.path.join(service.folder, "in2.ndjson")
        self.more(service, EVENTS, 300)
        mt.wait_until(lambda: (status := service.running()) and
                      "journal_full" in [raised["name"] for raised in status["alarms"]], "no room is told")
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        mt.wait_until(lambda: len(service.found()) == wanted + 100, "the rest")
        self.assertEqual(service.running()["service"]["deaths"], 0)
        self.stop(service)

    def test_metrics(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        service = self.service(f"metrics_port: {port}\n", rules=BROKEN)
        service.start()
        mt.wait_until(service.running, "the service runs")

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                return answer.read().decode()

        wanted = EVENTS // 3
        delivered = f'millrace_sink_delivered_total{{sink="alerts"}} {wanted + 1}\n'  # the rule that was refused is one
        counts = mt.wait_until(lambda: f'millrace_alert_latency_seconds_count{{group="deliver"}} {wanted}\n' in get("/metrics")
                               and f"millrace_records_total {EVENTS}\n" in get("/metrics") and delivered in get("/metrics")
                               and get("/metrics"), "all is counted")
        self.assertIn('millrace_alarm{alarm="sink_full"} 0\n', counts)
        self.assertIn('millrace_alarm{alarm="rules_refused"} 1\n', counts)
        self.assertIn("millrace_rules_refused 1\n", counts)
        self.assertTrue(service.events("rule.refused"))
        self.assertIn('millrace_alert_latency_seconds_bucket{group="deliver",le="+Inf"} ' + f"{wanted}\n", counts)
        self.assertEqual(get("/healthz").strip(), "ok")
        self.assertEqual(get("/readyz").strip(), "ok")
        self.stop(service)

    def test_a_refused_rule_is_an_alert(self):
        """Once for a state directory, over crashes and restarts; and in the books."""
        service = self.service(rules=BROKEN)

        def told():
            with open(service.alerts, encoding="utf-8") as lines:
                return [line for line in lines if "refused" in json.loads(line)["unmapped"]["millrace"]]

        service.start()
        mt.wait_until(lambda: service.checkpoint() and len(service.found()) == EVENTS // 3 + 1, "all is found")
        service.process.kill()
        service.process.wait()
        service.start()
        mt.wait_until(service.running, "the service runs again")
        mt.wait_until(lambda: service.checkpoint() > 1, "a checkpoint behind it")
        self.stop(service)
        (line,) = told()
        self.assertEqual(ocsf_check.check_line(line), [])
        self.assertEqual(json.loads(line)["finding_info"]["analytic"]["uid"], "3d1b6bd2-6c4d-4a55-8d6b-3b6a9a3f7a10")
        self.assertIn("rule.yml", json.loads(line)["message"])
        mt.assert_balance(self, service.state)

    def test_a_ledger_or_a_journal_that_goes(self):
        """Missed at the next checkpoint, with its name; put back, all goes on."""
        service = self.service()
        service.start()
        mt.wait_until(service.checkpoint, "a checkpoint")
        path = os.path.join(service.state, "ledger.sqlite")

        def failed():
            status = service.running()
            return [alarm["words"] for alarm in (status["alarms"] if status else []) if alarm["name"] == "checkpoint_failed"]

        journal = os.path.join(service.state, "journal", "audit")
        (segment,) = os.listdir(journal)
        for name, missed in ((path, path), (path + "-wal", path + "-wal"), (journal, os.path.join(journal, segment))):
            os.rename(name, name + ".aside")
            (words,) = mt.wait_until(failed, "the alarm is raised")
            self.assertIn(f"{missed} was removed, moved or replaced", words)
            os.rename(name + ".aside", name)
            mt.wait_until(lambda: service.running() and not failed(), "it is over")
        self.stop(service)
        mt.assert_balance(self, service.state)

    def test_a_very_long_dead_letter(self):
        """It takes longer to write than a worker may be silent: nobody is taken for hung who gets on."""
        service = self.service()
        length = 14 << 20  # as text six times as long, which is just short enough not to be base64
        with open(service.records, "ab") as out:
            out.write(b"\x01" * length + b"\n")
        service.start()
        path = os.path.join(service.state, "dead-letter.ndjson")

        def written():
            with contextlib.suppress(FileNotFoundError), open(path, "rb") as letters:
                letters.seek(max(0, os.path.getsize(path) - 1))
                return letters.read() == b"\n"
            return False

        mt.wait_until(written, "the dead letter", 4 * mt.WAIT_SECONDS)
        self.stop(service)
        self.assertEqual(service.events("worker.silent"), [])
        with open(path, "rb") as letters:
            letter = json.load(letters)
        self.assertEqual((letter["length"], letter["record"]), (length, "\x01" * length))

    def test_a_metrics_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            service = self.service(f"metrics_port: {taken.getsockname()[1]}\n")
            service.start()
            self.assertEqual(service.process.wait(mt.WAIT_SECONDS), 1)
        self.assertIn("metrics", service.events("service.failed")[0]["message"])

    def test_what_systemd_is_told(self):
        service = self.service()
        path = os.path.join(service.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(path)
            ear.settimeout(mt.WAIT_SECONDS)
            service.start(NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")

            def heard(wanted):
                """All that comes until one of these words; each datagram is heard once."""
                words = []
                end = time.monotonic() + mt.WAIT_SECONDS
                while not any(word.startswith(wanted) for word in words):
                    words.append(ear.recv(4096).decode())
                    self.assertLess(time.monotonic(), end, f"{wanted} in vain: {words}")
                return words

            self.assertNotIn("STOPPING=1", heard("READY=1"))
            heard("STATUS=6 workers: collect")
            for _ in range(3):
                heard("WATCHDOG=1")
            os.kill(service.worker("parse"), signal.SIGSTOP)  # is the service's own to deal with
            heard("STATUS=worker parse-")
            heard("STATUS=6 workers: collect")
            heard("WATCHDOG=1")
            with open(os.path.join(service.folder, "rule.yml"), "a", encoding="utf-8") as rules:
                rules.write(KEYS)
            service.process.send_signal(signal.SIGHUP)
            heard("RELOADING=1\nMONOTONIC_USEC=")
            heard("READY=1")
            self.assertEqual(service.running()["service"]["rules_loaded"], 3)
            rule = os.path.join(service.folder, "rule.yml")
            with open(rule, encoding="utf-8") as rules:
                kept = rules.read()
            with open(rule, "w", encoding="utf-8") as rules:
                rules.write("no: [yaml")
            service.process.send_signal(signal.SIGHUP)
            heard("STATUS=reload refused: no usable rule is left; 6 workers: collect")
            os.kill(service.worker("parse"), signal.SIGKILL)
            heard("STATUS=worker parse-")
            heard("STATUS=reload refused: no usable rule is left; 6 workers: collect")
            with open(rule, "w", encoding="utf-8") as rules:
                rules.write(kept)
            service.process.send_signal(signal.SIGHUP)
            heard("STATUS=6 workers: collect")
            for pid, _ in mt.children(service.process.pid):
                # One that ends meanwhile has nothing to show.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                        open(f"/proc/{pid}/environ", "rb") as environment:
                    self.assertNotIn(b"NOTIFY_SOCKET", environment.read())
            service.process.send_signal(signal.SIGTERM)
            heard("STOPPING=1")
        self.assertEqual(service.process.wait(mt.WAIT_SECONDS), 0)

    def test_log(self):
        service = self.service()
        service.start()
        mt.wait_until(service.checkpoint, "a checkpoint")
        began = time.monotonic()
        self.stop(service)
        took = time.monotonic() - began
        lines = service.lines()
        for line in lines:
            self.assertLessEqual({"time", "level", "event", "message"}, set(line))
        # A stop of more than a second says what it waits for.
        waits = ("the end waits for ",) if took > 1 else ()
        names = [line["event"] for line in lines if line["event"].startswith("service.") and not line["message"].startswith(waits)]
        self.assertEqual(names, ["service.started", "service.ready", "service.stopping", "service.stopped"])
        self.assertNotIn("alert.fired", [line["event"] for line in lines])


if __name__ == "__main__":
    unittest.main(verbosity=2)
