"""Correlations through real workers against the naive reference: 1,000 random streams (each a group key of one file),
any number of workers, shuffled, given twice."""
import datetime
import json
import os
import random
import sys
import tempfile
import unittest

import reference
from correlations import correlation, correlations_yaml, detection_yaml, scan

TENANT = "0873ee4d-d342-44f2-8961-74c442a2fad2"
STREAMS = 1000
SEED = 20240501


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
        uids = once = None
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
                # What a pass repeats of itself, and each further pass whole.
                once = once or counts
                self.assertEqual(counts["signals"], times * once["signals"])
                self.assertEqual(counts["repeated"], once["repeated"] + (times - 1) * once["signals"])
                uids = uids or found
                self.assertEqual(found, uids, "another id")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
