"""Makes a small state directory as a service leaves it that was killed, for test_upgrade.py to go on from.

    MILLRACE=build/dev/millrace MILLRACE_ROOT=. python3 tests/e2e/old_state.py tests/data/state-N.tar.xz

It is made once for each form that state directories have had, by the last program that wrote that form, and stays. Paths
begin with /proc/self/cwd, so that the directory may lie anywhere. In it are the topology, the rules, and all that the
service wrote; `records` shows what it had read, which is in the journal, too. The second half came behind the last
checkpoint.
"""
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile

import millrace_test as mt

RECORDS = 16
RULES = mt.RULE + """---
title: A mailbox was looked at
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b12
status: test
logsource:
    product: m365
detection:
    selection:
        Operation: Get-Mailbox
    condition: selection
level: low
---
title: Mailboxes were set
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b13
status: test
correlation:
    type: event_count
    rules: [5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11]
    group-by: [UserId]
    timespan: 1h
    condition:
        gte: 3
level: high
"""
TOPOLOGY = """state: /proc/self/cwd/state
workers: 1
checkpoint_interval: {}
rules: [/proc/self/cwd/rule.yml]
sources:
  - name: audit
    type: file
    path: /proc/self/cwd/in
sinks:
  - name: alerts
    type: file
    path: /proc/self/cwd/alerts.ndjson
  - name: hook
    type: webhook
    url: https://127.0.0.1:1/
"""


def record(number):
    return {**mt.record(number, every=2), "UserId": f"user{number % 8}@example.com", "ObjectId": "x"}


def write_records(path, numbers):
    """Each with a line behind it that is no record."""
    with open(path, "a", encoding="utf-8") as out:
        for number in numbers:
            out.write(json.dumps(record(number)) + f"\nbad {number}\n")


def start(folder):
    with open(os.path.join(folder, "said"), "ab") as said:
        return subprocess.Popen([mt.PROGRAM, "run", "t.yaml"], cwd=folder, stderr=said)


def lines(path):
    try:
        with open(path, encoding="utf-8") as text:
            return [json.loads(line) for line in text if line.endswith("\n")]
    except FileNotFoundError:
        return []


def alerts(folder):
    """Ids, as often as they stand there first; revisions are no alerts of their own."""
    return sorted(alert["finding_info"]["uid"] for alert in lines(os.path.join(folder, "alerts.ndjson"))
                  if alert["activity_id"] == 1)


def letters(folder):
    return [line["record"] for line in lines(os.path.join(folder, "state", "dead-letter.ndjson"))]


def newest(folder):
    """The name of the newest manifest that is committed."""
    names = os.listdir(os.path.join(folder, "state"))
    return max((name for name in names if name[:9] == "MANIFEST-" and name[9:].isdigit()), default="")


def scanned(folder, *inputs):
    return sorted(mt.ids(mt.scan("-r", os.path.join(folder, "rule.yml"), *inputs)[1]))


def prepare(folder, interval="100ms"):
    os.makedirs(os.path.join(folder, "in"), exist_ok=True)
    for name, text in (("t.yaml", TOPOLOGY.format(interval)), ("rule.yml", RULES)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
            out.write(text)


def live(folder):
    """A checkpoint of the first half; the second half is judged, and no checkpoint holds it."""
    source = os.path.join(folder, "in", "a.log")
    write_records(source, range(RECORDS // 2))
    process = start(folder)
    try:
        mt.wait_until(lambda: len(letters(folder)) == RECORDS // 2, "the first half is judged")
        before = newest(folder)
        mt.wait_until(lambda: newest(folder) > before, "a checkpoint behind it")
        os.kill(process.pid, signal.SIGSTOP)  # no further checkpoint
        write_records(source, range(RECORDS // 2, RECORDS))
        mt.wait_until(lambda: len(letters(folder)) == RECORDS, "the second half is read")
        mt.wait_until(lambda: mt.all_sleep(process.pid), "all is judged")
    finally:
        process.kill()
        process.wait()
    os.rename(source, os.path.join(folder, "records"))


def live_without(folder):
    """All is judged, and no checkpoint is there."""
    source = os.path.join(folder, "in", "a.log")
    write_records(source, range(RECORDS))
    process = start(folder)
    try:
        mt.wait_until(lambda: len(letters(folder)) == RECORDS, "all is read")
        mt.wait_until(lambda: len(alerts(folder)) >= RECORDS // 2, "alerts are written")
    finally:
        process.kill()
        process.wait()
    os.rename(source, os.path.join(folder, "records"))


def make(path):
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        live(folder)
        with tarfile.open(path, "w:xz") as out:
            for name in ("t.yaml", "rule.yml", "records", "alerts.ndjson", "state"):
                out.add(os.path.join(folder, name), name,
                        filter=lambda item: None if item.name.endswith(("-shm", ".sock", "/lock")) else item)


if __name__ == "__main__":
    make(sys.argv[1])
