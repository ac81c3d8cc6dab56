"""README's first ten minutes of a detection engineer, as they stand there: each file is written, each command run, and
what README shows of its output is what it says. `systemctl` and /etc/millrace are this test's own."""
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from millrace_test import PROGRAM, ROOT, WAIT_SECONDS, record

SECTION = "## A detection engineer's first ten minutes\n"
ETC = "/etc/millrace"
HIT = {**record(1), "Operation": "New-InboxRule", "Parameters": [{"Name": "MoveToFolder", "Value": "RSS Feeds"},
                                                                {"Name": "MarkAsRead", "Value": "True"}]}


def blocks():
    """The section's indented blocks, each with the line of prose before it."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read().split(SECTION)[1].split("\n## ")[0]
    prose, block, found = "", [], []
    for line in text.split("\n") + ["end"]:
        if line.startswith("    "):
            block.append(line[4:])
        elif block and line:
            found.append((prose, block))
            block, prose = [], line
        elif line:
            prose = line
        elif block:
            found.append((prose, block))
            block = []
    return found


class TenMinutes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.etc = self.path("etc")
        os.makedirs(os.path.join(self.etc, "rules"))
        self.write("record.json", json.dumps({**HIT, "Operation": "Set-InboxRule", "Parameters": [
            {"Name": "MoveToFolder", "Value": "RSS Subscriptions"}, {"Name": "MarkAsRead", "Value": "False"}]}))
        self.write("export.ndjson", "".join(json.dumps(one) + "\n" for one in [record(n) for n in range(200)] + [HIT]))
        self.output, self.commands = "", []

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def wait_for(self, words):
        """Of the service's log."""
        end = time.monotonic() + 4 * WAIT_SECONDS
        while time.monotonic() < end:
            with open(self.path("said"), encoding="utf-8") as file:
                said = file.read()
            if words in said:
                return said
            self.assertIsNone(self.service.poll(), said)
            time.sleep(0.05)
        self.fail(f"{words} does not come: {said}")

    def start_service(self):
        """The one that a rule is shipped to, which has another rule so far."""
        self.write("etc/rules/first.yml", "title: First\nid: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b99\nlevel: low\n"
                   "logsource: {product: m365}\ndetection: {s: {Operation: Nothing}, condition: s}\n---\n"
                   "rule: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b99\n"
                   "tests: [{name: nothing, record: {RecordType: 1, Operation: Nothing, Workload: x, UserId: x}, matches: true}]\n")
        self.write("in.ndjson", "")
        self.write("etc/millrace.yaml", json.dumps({
            "state": self.path("state"), "rules": [os.path.join(self.etc, "rules")], "workers": 1, "checkpoint_interval": "200ms",
            "sources": [{"name": "in", "type": "file", "path": self.path("in.ndjson")}],
            "sinks": [{"name": "out", "type": "file", "path": self.path("out/alerts.ndjson")}]}))
        os.mkdir(self.path("out"))
        with open(self.path("said"), "wb") as said:
            self.service = subprocess.Popen([PROGRAM, "run", os.path.join(self.etc, "millrace.yaml")], stderr=said,
                                            stdout=subprocess.DEVNULL)
        self.addCleanup(self.service.wait)
        self.addCleanup(self.service.kill)
        self.wait_for("service.started")

    def run_command(self, line):
        words = [word.replace(ETC, self.etc) for word in shlex.split(line)]
        self.commands.append(" ".join(words[:2]) if words[0] != "millrace" else " ".join(words[:3]))
        if words[0] == "systemctl":
            self.assertEqual(words[1:], ["reload", "millrace"])
            self.service.send_signal(signal.SIGHUP)
            self.wait_for("reloaded from checkpoint ")
            return
        words[0] = PROGRAM if words[0] == "millrace" else words[0]
        done = subprocess.run(words, capture_output=True, text=True, timeout=4 * WAIT_SECONDS, check=False, cwd=self.folder)
        self.assertEqual(done.returncode, 1 if "explain" in words else 0, line + done.stdout + done.stderr)
        self.output += done.stdout

    def test_readme(self):
        self.start_service()
        for prose, block in blocks():
            name = re.search(r"`(\S+\.yml)`", prose)
            if re.match(r"(millrace|cp|systemctl) ", block[0]):
                self.output = ""
                for line in block:
                    self.run_command(line)
            elif name and block[0].startswith(("title: ", "rule: ")):
                self.write(name.group(1), "\n".join(block) + "\n")
            else:
                self.assertEqual(self.output, "\n".join(block) + "\n")
        self.assertEqual(self.commands, [
            "millrace rules check", "millrace rules test", "millrace rules explain", "millrace rules profile",
            "millrace scan -r", "cp mailbox_rule.yml", "millrace rules test", f"millrace check {self.etc}/millrace.yaml",
            "systemctl reload"])
        with open(self.path("alerts.ndjson"), encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 1)
        # The rule is in force: it finds what comes now.
        with open(self.path("in.ndjson"), "a", encoding="utf-8") as file:
            file.write(json.dumps(HIT) + "\n")
        end = time.monotonic() + 4 * WAIT_SECONDS
        alerts = self.path("out/alerts.ndjson")
        while time.monotonic() < end and not (os.path.exists(alerts) and os.path.getsize(alerts) > 0):
            time.sleep(0.05)
        with open(alerts, encoding="utf-8") as file:
            self.assertIn("A mailbox rule hides what comes in", file.read())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
