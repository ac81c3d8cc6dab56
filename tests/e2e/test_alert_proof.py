"""An alert shows the records that prove it, however many others came before: of each rule of a temporal correlation, in
its order where that counts, and of each value of a value_count; of a record that comes with differing contents each one that
proves something. Any order of the records, any number of workers."""
import itertools
import json
import random
import sys
import unittest

import millrace_test as mr

DETECTION = """title: {0}
id: 11111111-0000-4000-8000-00000000000{1}
logsource: {{product: m365}}
detection: {{selection: {{Operation: {0}}}, condition: selection}}
level: low
---
"""
CORRELATION = """title: {0}
id: 22222222-0000-4000-8000-00000000000{1}
correlation:
    type: {0}
    rules: {2}
    group-by: [UserId]
    timespan: 1h
{3}level: high
---
"""
NAMES = {name: f"11111111-0000-4000-8000-00000000000{number}" for number, name in enumerate(("Noise", "Rare"))}
RULES = "".join(DETECTION.format(name, uid[-1]) for name, uid in NAMES.items())
RULES += CORRELATION.format("temporal", 1, json.dumps(list(NAMES.values())), "")
RULES += CORRELATION.format("temporal_ordered", 2, json.dumps([NAMES["Rare"], NAMES["Noise"]]), "")
RULES += CORRELATION.format("value_count", 3, json.dumps([NAMES["Noise"]]),
                            "    condition: {gte: 3, field: ClientIP}\n")
DETECTED = {"Both": "11111111-0000-4000-8000-000000000002"}
OVER = {title: f"22222222-0000-4000-8000-00000000000{6 + number}" for number, title in enumerate(("One", "Two", "Inner"))}
MINUTES = 55


def record(number, operation, minute, address="203.0.113.1"):
    return {"CreationTime": f"2024-05-01T10:{minute:02}:{number % 60:02}", "Id": f"record-{number:04}",
            "RecordType": 1, "Operation": operation, "Workload": "Exchange", "UserId": "ann@example.com",
            "ClientIP": address}


def stream():
    """One rule fires all the time, the other once; so does all but two of one address."""
    records = [record(number, "Noise", number % MINUTES) for number in range(20 * MINUTES)]
    records.append(record(5000, "Rare", 30))
    records.append(record(5001, "Noise", 31, "203.0.113.2"))
    records.append(record(5002, "Noise", 32, "203.0.113.3"))
    return records


class AlertProof(unittest.TestCase):
    def scan(self, records, workers):
        return self.scans(records, workers, 1)[0]

    def scans(self, records, workers, count):
        """Of one file, so many times: the alerts by title."""
        runs = []
        with mr.Workplace() as place:
            rules, path = place.path("rules.yml"), place.path("records.ndjson")
            with open(rules, "w", encoding="utf-8") as out:
                out.write(RULES)
            with open(path, "w", encoding="utf-8") as out:
                out.writelines(json.dumps(record) + "\n" for record in records)
            for _ in range(count):
                status, found, said = mr.scan("-r", rules, "--workers", workers, path, env=place.environment)
                self.assertEqual(status, 0, said)
                runs.append({alert["finding_info"]["title"]: alert for alert in found})
        return runs

    def shown(self, records, workers):
        return {title: [evidence["data"] for evidence in alert["evidences"]]
                for title, alert in self.scan(records, workers).items()}

    def check(self, shown):
        self.assertEqual(sorted(shown), ["temporal", "temporal_ordered", "value_count"])
        for evidence in shown.values():
            self.assertEqual(len(evidence), 10)
            places = [(record["CreationTime"], record["Id"]) for record in evidence]
            self.assertEqual(places, sorted(places))
        operations = [record["Operation"] for record in shown["temporal"]]
        self.assertEqual(operations, ["Noise"] * 9 + ["Rare"])
        operations = [record["Operation"] for record in shown["temporal_ordered"]]
        self.assertEqual(operations, ["Noise"] * 8 + ["Rare", "Noise"])
        self.assertEqual([record["ClientIP"] for record in shown["value_count"]],
                         ["203.0.113.1"] * 8 + ["203.0.113.2", "203.0.113.3"])

    def test_whatever_came_before(self):
        rng = random.Random(7)
        records = stream()
        once = None
        for workers in (1, 2, 3):
            with self.subTest(workers=workers):
                shown = self.shown(records, workers)
                self.check(shown)
                once = once or shown
                self.assertEqual(shown, once)
            rng.shuffle(records)
            records += records[:100]

    def test_copies_of_one_record(self):
        """What proves the alert lies in one record, in copies of another content each."""
        copies = [record(1, "Noise", 30), record(1, "Rare", 30), record(1, "Noise", 30, "203.0.113.2"),
                  record(1, "Noise", 40, "203.0.113.3")]
        for order in itertools.permutations(copies):
            with self.subTest(order=order):
                found = self.scan(list(order) + copies, 2)
                self.check_copies(found)

    def check_copies(self, found):
        self.assertEqual(sorted(found), ["temporal", "temporal_ordered", "value_count"])
        for title, alert in found.items():
            data = [evidence["data"] for evidence in alert["evidences"]]
            self.assertEqual(alert["count"], 1)
            if title == "value_count":
                self.assertEqual(sorted(one["ClientIP"] for one in data),
                                 ["203.0.113.1", "203.0.113.2", "203.0.113.3"])
                self.assertRegex(alert["message"], "1 record with 3 different")
            else:
                self.assertEqual(sorted(one["Operation"] for one in data), ["Noise", "Rare"])

    def test_a_chain_names_what_it_stands_on(self):
        """Each record says which alert of the inner correlation it completed, and which of the chain's detections it matched,
        whichever of two inner ones it came by."""
        chain = (DETECTION.format("Both", 2).replace("Operation: Both", "ClientIP: 203.0.113.9") +
                 DETECTION.format("Other", 3).replace("Operation: Other", "Workload: Exchange"))
        for number, (title, rules, rest) in enumerate((
                ("One", [NAMES["Noise"]], "condition: {gte: 2}"), ("Two", [NAMES["Noise"], DETECTED["Both"]], "condition: {gte: 3}"),
                ("Inner", [OVER["One"], OVER["Two"]], "condition: {gte: 1}"), ("Outer", [OVER["Inner"]], "condition: {gte: 1}\n    generate: true"))):
            chain += CORRELATION.format("event_count", 6 + number, json.dumps(rules), f"    {rest}\n").replace(
                "title: event_count", f"title: {title}")
        with mr.Workplace() as place:
            with open(place.path("chain.yml"), "w", encoding="utf-8") as out:
                out.write(RULES.split("title: temporal")[0] + chain)
            said = []
            records = [record(number, "Noise", number, f"203.0.113.{9 - number % 2}") for number in range(6)]
            for workers in ("1", "3"):
                with open(place.path("records.ndjson"), "w", encoding="utf-8") as out:
                    out.writelines(json.dumps(one) + "\n" for one in records)
                status, found, words = mr.scan("-r", place.path("chain.yml"), "--workers", workers, place.path("records.ndjson"),
                                               env=place.environment)
                self.assertEqual(status, 0, words)
                said.append({alert["finding_info"]["title"]: alert for alert in found})
                records.reverse()
        for found in said:
            outer = found["Outer"]["unmapped"]["millrace"]["evidence"]
            inner = found["Inner"]
            self.assertEqual([(one["rule_title"], one["rule_alert"]) for one in outer],
                             [("Inner", {"uid": inner["finding_info"]["uid"], "slot": inner["unmapped"]["millrace"]["slot"]})] * 5)
            self.assertEqual([[match["title"] for match in one["detections"]] for one in outer],
                             [["Noise"], ["Noise", "Both"], ["Noise"], ["Noise", "Both"], ["Noise"]])

    def test_equal_runs(self):
        """Many values and records of one moment, more than are kept: each run keeps the same, and says the same."""
        rng = random.Random(11)
        records = [record(number, "Noise", number // 40, f"203.0.113.{rng.randrange(60)}") for number in range(200)]
        for number, one in enumerate(records):
            one["CreationTime"] = f"2024-05-01T10:{number // 40:02}:00"
        runs = self.scans(records, 1, 6)
        self.assertEqual(list(runs[0]), ["value_count"])
        for run in runs[1:]:
            self.assertEqual(run, runs[0])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
