"""What the end-to-end tests of `millrace run` share: a small service with the sinks that a test gives it."""
import json
import os
import signal
import subprocess
import sys

import millrace_test as mr


class Service:
    """Reads `records` once; `expected` are the alerts of scan over the same."""

    def __init__(self, test, count, every=1):
        self.test = test
        self.place = test.enterContext(mr.Workplace())
        self.path = self.place.path
        self.records = self.path("records.ndjson")
        mr.write_records(self.records, count, every)
        with open(self.records, "a", encoding="utf-8") as out:
            out.write("broken\n")
        status, found, said = mr.scan("-r", self.place.rule, self.records, env=self.place.environment)
        test.assertEqual(status, 0, said)
        self.expected = mr.ids(found)
        test.assertEqual(len(self.expected), (count + every - 1) // every)
        self.processes = 0

    def describe(self, *sinks, **settings):
        with open(self.path("topology.yaml"), "w", encoding="utf-8") as out:
            json.dump({"state": self.path("state"), "rules": [self.place.rule], "checkpoint_interval": "100ms",
                       "sources": [{"name": "in", "type": "file", "path": [self.records], "follow": False}],
                       "sinks": list(sinks), **settings}, out)

    def file_sink(self):
        return {"name": "kept", "type": "file", "path": self.path("alerts.ndjson")}

    def start(self, before=(), **options):
        self.processes += 1
        self.said_path = self.path(f"said.{self.processes}")
        options.setdefault("stdout", subprocess.DEVNULL)
        with open(self.said_path, "wb") as said:
            process = subprocess.Popen([*before, mr.PROGRAM, "run", self.path("topology.yaml")], stderr=said,
                                       env=self.place.environment, **options)
        self.test.addCleanup(process.wait)
        self.test.addCleanup(process.kill)
        return process

    def said(self):
        with open(self.said_path, encoding="utf-8") as text:
            return text.read()

    def finish(self, process, status=0, seconds=4 * mr.WAIT_SECONDS):
        self.test.assertEqual(process.wait(seconds), status, self.said())

    def kill(self, process, dice):
        """SIGKILL for one of its processes; the supervisor is gone in any case."""
        victim = dice.choice([child[0] for child in mr.children(process.pid)] + [process.pid])
        for pid in (victim, process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()

    def assert_kept_once(self, broken=("broken",)):
        """The file sink holds each alert once, the dead letter the broken records, and the books balance."""
        self.test.assertEqual(mr.ids(map(json.loads, mr.whole_lines(self.path("alerts.ndjson")))), self.expected)
        letters = [json.loads(line) for line in mr.whole_lines(self.path("state/dead-letter.ndjson"))]
        self.test.assertEqual([letter["record"] for letter in letters], list(broken))
        mr.assert_balance(self.test, self.path("state"))


class Receiver:
    """receiver.py in a folder of its own."""

    def __init__(self, service, *arguments):
        self.folder = service.path("receiver")
        os.makedirs(self.folder, exist_ok=True)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "receiver.py")
        self.process = subprocess.Popen([sys.executable, script, self.folder, *arguments], stdout=subprocess.PIPE)
        service.test.addCleanup(self.process.stdout.close)
        service.test.addCleanup(self.process.wait)
        service.test.addCleanup(self.process.kill)
        self.port = int(self.process.stdout.readline())
        self.proxy_port = int(self.process.stdout.readline()) if "--proxy" in arguments else None

    def stop(self):
        self.process.kill()
        self.process.wait()

    def path(self, name):
        return os.path.join(self.folder, name)

    def requests(self):
        return [json.loads(line) for line in mr.whole_lines(self.path("requests.ndjson"))]

    def taken(self):
        """The ids of what was answered 200 in time and whole, as often as they came."""
        return [alert["finding_info"]["uid"] for request in self.requests() if request.get("answer") == "200"
                for alert in mr.alerts(request["body"])]

    def sink(self, **settings):
        return {"name": "hook", "type": "webhook", "url": f"https://localhost:{self.port}/",
                "ca_certificates": self.path("ca.pem"), "retry_first": "10ms", "retry_most": "50ms", **settings}
