"""Correlations through real workers against the naive reference: 1,000 random streams (each a group key of one file),
the real records, any number of workers, shuffled, given twice."""
import datetime
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

import reference

PROGRAM = os.environ["MILLRACE"]
RECORDS = os.path.join(os.environ["MILLRACE_SHARED"], "data", "ual", "records.ndjson")
TENANT = "0873ee4d-d342-44f2-8961-74c442a2fad2"
STREAMS = 1000
SEED = 20240501
ALL_TYPES = ("event_count", "value_count", "temporal", "temporal_ordered")


def detection_yaml(name, field, value):
    return (f"title: {name}\nid: {name}\nname: {name}\nstatus: test\nlogsource:\n    product: m365\ndetection:\n"
            f"    selection:\n        {field}: {json.dumps(value)}\n    condition: selection\nlevel: low\n")


def correlation_yaml(rule, inner):
    """`inner`: the names of all correlations; those that an outer one names make their own alerts, too."""
    lines = [f"title: {rule['name']}", f"id: {rule['name']}", f"name: {rule['name']}", "status: test", "correlation:",
             f"    type: {rule['type']}", f"    rules: {json.dumps(rule['rules'])}", f"    timespan: {rule['seconds']}s",
             f"    generate: {json.dumps(not inner.isdisjoint(rule['rules']))}"]
    if rule["group_by"]:
        lines.append(f"    group-by: [{rule['group_by']}]")
    if "threshold" in rule:
        lines += ["    condition:", f"        gte: {rule['threshold']}"]
        if rule["type"] == "value_count":
            lines.append(f"        field: {rule['field']}")
    return "\n".join(lines + ["level: high\n"])


def correlations_yaml(rules):
    names = {rule["name"] for rule in rules}
    return [correlation_yaml(rule, names) for rule in rules]


def correlation(name, kind, rules, seconds, threshold=None, field=None, group_by="UserId"):
    rule = {"name": name, "type": kind, "rules": rules, "seconds": seconds, "group_by": group_by}
    if kind in ("event_count", "value_count"):
        rule["threshold"] = threshold
    if field:
        rule["field"] = field
    return rule


def scan(rules, files, workers):
    """The alerts as {(rule, key, slot): uid}, each id once, and the summary."""
    with tempfile.TemporaryDirectory() as scratch:
        path, summary = os.path.join(scratch, "rules.yml"), os.path.join(scratch, "summary.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("---\n".join(rules))
        result = subprocess.run([PROGRAM, "scan", "-r", path, "--workers", str(workers), "--summary", summary, *files],
                                capture_output=True, text=True, timeout=600)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        with open(summary, encoding="utf-8") as file:
            counts = json.load(file)
    found = {}
    uids = set()
    for line in result.stdout.splitlines():
        alert = json.loads(line)
        own = alert["unmapped"]["millrace"]
        uid = alert["finding_info"]["uid"]
        if uid in uids:
            raise AssertionError(f"the alert {uid} stands there twice")
        uids.add(uid)
        key = own["key"][0] if own["key"] else None
        found[alert["finding_info"]["analytic"]["uid"], key, int(own["slot"])] = uid
    if len(found) != len(uids):
        raise AssertionError("two alerts of one rule, key and slot")
    return found, counts


def stream(rng, number):
    """The records of one key: ties, repeats, copies at other times, disorder, before and after 1970."""
    base = datetime.datetime(*rng.choice(((1970, 1, 1), (1970, 1, 1), (2024, 5, 1, 10))))
    width = rng.choice((8, 20, 60))
    step = rng.choice((1, 1, 0.25))
    records = []
    for _ in range(rng.randint(1, 24)):
        if records and rng.random() < 0.15:
            record = dict(rng.choice(records))
            if rng.random() < 0.5:
                record["CreationTime"] = (datetime.datetime.fromisoformat(record["CreationTime"]) +
                                          datetime.timedelta(seconds=rng.randint(-9, 9))).isoformat()
            records.append(record)
            continue
        time = base + datetime.timedelta(seconds=step * rng.randint(-width, width))
        records.append({"CreationTime": time.isoformat(), "Id": f"Record-{number}-{rng.randint(0, 15)}",
                        "Operation": "Do", "OrganizationId": TENANT, "RecordType": 1, "UserType": 0, "Version": 1,
                        "Workload": "Exchange", "UserId": f"User{number}@example.com",
                        "Marks": rng.sample(("a", "b", "c"), rng.choice((1, 1, 2))),
                        "Colour": rng.choice(("Red", "red", "Green", "Blue", "White", "", None, ["Black", "red"])),
                        "Team": f"Team{number % 40}"})
    return records


MARKS = ("mark-a", "mark-b", "mark-c")
STREAM_DETECTIONS = [(name, lambda record, mark=name[-1]: mark in record["Marks"]) for name in MARKS]
STREAM_RULES = [detection_yaml(name, "Marks", name[-1]) for name in MARKS]
CORRELATIONS = [
    correlation("count-2-in-3", "event_count", ["mark-a"], 3, 2),
    correlation("count-4-in-10", "event_count", ["mark-a", "mark-b"], 10, 4),
    correlation("count-5-in-60", "event_count", list(MARKS), 60, 5),
    correlation("values-2-in-4", "value_count", ["mark-a", "mark-b"], 4, 2, "Colour"),
    correlation("values-4-in-15", "value_count", list(MARKS), 15, 4, "Colour"),
    correlation("both-in-2", "temporal", ["mark-a", "mark-b"], 2),
    correlation("all-in-7", "temporal", list(MARKS), 7),
    correlation("order-in-3", "temporal_ordered", ["mark-b", "mark-a"], 3),
    correlation("order-in-12", "temporal_ordered", ["mark-c", "mark-a", "mark-b"], 12),
    # The second layer, over what completed above.
    correlation("outer-count", "event_count", ["count-2-in-3"], 30, 3, group_by="Team"),
    correlation("outer-values", "value_count", ["both-in-2", "values-2-in-4"], 20, 3, "UserId", group_by="Team"),
    correlation("outer-both", "temporal", ["count-4-in-10", "order-in-3"], 10, group_by="Colour"),
    correlation("outer-order", "temporal_ordered", ["values-2-in-4", "all-in-7"], 15, group_by="Team"),
]


class Streams(unittest.TestCase):
    def test_against_the_reference(self):
        rng = random.Random(SEED)
        records = [record for number in range(STREAMS) for record in stream(rng, number)]
        wanted = reference.alerts(records, STREAM_DETECTIONS, CORRELATIONS)
        for rule in CORRELATIONS:
            self.assertTrue(any(alert[0] == rule["name"] for alert in wanted), f"{rule['name']} never fires")
        rules = STREAM_RULES + correlations_yaml(CORRELATIONS)
        print(f"seed {SEED}: {len(records)} records, {len(wanted)} alerts", flush=True)
        uids = None
        for workers, times in ((1, 1), (2, 1), (3, 2), (4, 1)):
            rng.shuffle(records)
            with tempfile.TemporaryDirectory() as scratch:
                path = os.path.join(scratch, "records.ndjson")
                with open(path, "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(record) + "\n" for record in records)
                found, counts = scan(rules, [path] * times, workers)
            with self.subTest(workers=workers, times=times):
                self.assertEqual(counts["rejected"], 0)
                self.assertEqual(counts["rules_refused"], 0)
                self.assertEqual(sorted(wanted - set(found), key=str)[:5], [], "missing")
                self.assertEqual(sorted(set(found) - wanted, key=str)[:5], [], "too much")
                self.assertEqual(counts["alerts"], len(wanted))
                uids = uids or found
                self.assertEqual(found, uids, "another id")


REAL = (("set-mailbox", "Set-Mailbox"), ("logged-in", "UserLoggedIn"), ("login-failed", "UserLoginFailed"),
        ("mail-read", "MailItemsAccessed"), ("set-plan", "Set-MailboxPlan"))
REAL_DETECTIONS = [(name, lambda record, operation=operation: record["Operation"].lower() == operation.lower())
                   for name, operation in REAL]
REAL_CORRELATIONS = [
    correlation("real-count", "event_count", ["set-mailbox", "set-plan"], 300, 4, group_by="ObjectId"),
    correlation("real-failures", "event_count", ["login-failed"], 3600, 3),
    correlation("real-values", "value_count", ["set-mailbox"], 600, 5, "ObjectId"),
    correlation("real-addresses", "value_count", ["logged-in", "login-failed"], 86400, 3, "ClientIP"),
    correlation("real-both", "temporal", ["logged-in", "login-failed"], 3600),
    correlation("real-order", "temporal_ordered", ["login-failed", "logged-in", "mail-read"], 86400, group_by=None),
    correlation("real-outer", "event_count", ["real-failures", "real-both"], 604800, 2),
]


@unittest.skipUnless(os.path.exists(RECORDS), "the shared records are not here")
class RealRecords(unittest.TestCase):
    def test_against_the_reference(self):
        with open(RECORDS, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        wanted = reference.alerts(records, REAL_DETECTIONS, REAL_CORRELATIONS)
        for kind in ALL_TYPES:
            names = {rule["name"] for rule in REAL_CORRELATIONS if rule["type"] == kind}
            self.assertTrue(any(alert[0] in names for alert in wanted), f"no {kind} fires")
        rules = [detection_yaml(name, "Operation", operation) for name, operation in REAL]
        rules += correlations_yaml(REAL_CORRELATIONS)
        print(f"{len(records)} real records, {len(wanted)} alerts", flush=True)
        for workers, times in ((1, 1), (2, 2), (4, 1)):
            found, _ = scan(rules, [RECORDS] * times, workers)
            with self.subTest(workers=workers, times=times):
                self.assertEqual(sorted(wanted - set(found), key=str)[:5], [], "missing")
                self.assertEqual(sorted(set(found) - wanted, key=str)[:5], [], "too much")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
