"""Correlations of all types through real workers against the naive reference: random streams (each a group key of one
file), any number of workers, shuffled, given twice. MILLRACE_STREAMS says how many streams."""
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
STREAMS = int(os.environ.get("MILLRACE_STREAMS", "300"))
SEED = int(os.environ.get("MILLRACE_SEED", "20240501"))
NUMBERS = (1, 2, 3, -4, 10, 2.5, -0.25, 1e20, "7", "0.5", "-3", "many", "1e3", "", None, True, [1, 1, 2.25], [])


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
                        "Bytes": rng.choice(NUMBERS), "Team": f"Team{number % 40}"})
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
    # Conditions that more occurrences can make false.
    correlation("few-in-5", "event_count", ["mark-a"], 5, {"lt": 2}),
    correlation("some-in-20", "event_count", ["mark-a", "mark-b"], 20, {"gt": 2, "lte": 4}),
    correlation("not-3-in-8", "event_count", list(MARKS), 8, {"gte": 2, "neq": 3}),
    correlation("one-value-in-9", "value_count", list(MARKS), 9, {"eq": 1}, "Colour"),
    correlation("one-of-both-in-4", "temporal", ["mark-a", "mark-b"], 4, {"lte": 1}),
    correlation("sum-in-10", "value_sum", list(MARKS), 10, {"gt": 9.75}, "Bytes"),
    correlation("sum-range-in-6", "value_sum", ["mark-a", "mark-b"], 6, {"gte": -2, "lt": 4}, "Bytes"),
    correlation("average-in-12", "value_avg", list(MARKS), 12, {"gte": 2.25}, "Bytes"),
    correlation("average-is-in-30", "value_avg", ["mark-c"], 30, {"eq": 1.5}, "Bytes"),
    correlation("percentile-in-15", "value_percentile", list(MARKS), 15, {"gt": 2.5}, "Bytes", percentile=75),
    correlation("low-percentile-in-40", "value_percentile", list(MARKS), 40, {"lte": -3}, "Bytes", percentile=1),
    correlation("median-in-11", "value_median", list(MARKS), 11, {"lt": 1}, "Bytes"),
    correlation("median-is-in-25", "value_median", ["mark-a", "mark-c"], 25, {"eq": 1.75}, "Bytes"),
    # The second layer, over what completed above.
    correlation("outer-count", "event_count", ["count-2-in-3"], 30, 3, group_by="Team"),
    correlation("outer-values", "value_count", ["both-in-2", "values-2-in-4"], 20, 3, "UserId", group_by="Team"),
    correlation("outer-both", "temporal", ["count-4-in-10", "order-in-3"], 10, group_by="Colour"),
    correlation("outer-order", "temporal_ordered", ["values-2-in-4", "all-in-7"], 15, group_by="Team"),
    correlation("outer-sum", "value_sum", ["count-2-in-3", "both-in-2"], 25, {"gte": 12}, "Bytes", group_by="Team"),
    # Over what settles.
    correlation("outer-few", "event_count", ["few-in-5", "sum-in-10"], 20, {"lt": 3}, group_by="Team"),
    correlation("outer-settled", "event_count", ["few-in-5", "median-in-11"], 60, 4, group_by="Colour"),
    correlation("outer-settled-both", "temporal", ["some-in-20", "average-in-12"], 20),
    correlation("outer-settled-order", "temporal_ordered", ["one-value-in-9", "sum-range-in-6"], 10, group_by="Team"),
    # The third.
    correlation("third", "value_count", ["outer-few", "outer-settled-order"], 120, {"gt": 1, "lt": 6}, "UserId",
                group_by=None),
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
