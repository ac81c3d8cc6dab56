"""Records so long that what is found in them fits no message: named and counted, and all else is found."""
import json
import unittest

import millrace_test as mr

CORRELATION = """
---
title: Many of one object
id: 7d1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b12
status: test
correlation:
    type: event_count
    rules:
        - 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11
    group-by:
        - ObjectId
    timespan: 1h
    condition:
        gte: 2
level: low
---
title: Many parameters of one user
id: 7d1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b13
status: test
correlation:
    type: value_count
    rules:
        - 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11
    group-by:
        - UserId
    timespan: 1h
    condition:
        field: Parameter
        gte: 48
level: low
"""
LONG = "y" * (4500 << 10)


class TooLarge(unittest.TestCase):
    def scan(self, records, *arguments):
        with mr.Workplace() as place:
            with open(place.rule, "a", encoding="utf-8") as rule:
                rule.write(CORRELATION)
            path, books = place.path("records.ndjson"), place.path("summary")
            with open(path, "w", encoding="utf-8") as out:
                for record in records:
                    out.write(json.dumps(record) + "\n")
            status, found, said = mr.scan("-r", place.rule, "--max-record-bytes", 10 << 20, "--summary", books,
                                          *arguments, path, env=place.environment)
            return status, found, said, mr.summary(books)["counters"]

    def test_key(self):
        """A correlation's key passes a message: its signals are left out, others are not."""
        records = [mr.record(number, 1) for number in range(6)]
        for record in records[2:4]:
            record["ObjectId"] = LONG
        status, found, said, counted = self.scan(records)
        self.assertEqual((status, counted["signals_too_large"], counted["parsed"]), (1, 2, 6), said)
        self.assertEqual([alert["unmapped"]["millrace"]["key"] for alert in found], [["x" * 400]])
        self.assertIn("a signal with its keys is left out: it does not fit the 4194304 bytes of a message; the "
                      f"record's id begins \"{records[2]['Id']}\"", said)
        self.assertIn("2 signals were too large; all else was judged", said)

    def test_alert(self):
        """Its records' ids pass a message together: it shows those that fit."""
        records = [mr.record(number, 1) | {"Id": f"{number}" + "y" * (900 << 10), "ObjectId": "one"} for number in range(6)]
        status, found, said, counted = self.scan(records)
        self.assertEqual((status, counted["alerts_too_large"], counted["signals_too_large"]), (0, 0, 0), said[-2000:])
        many = [alert for alert in found if alert["finding_info"]["title"] == "Many of one object"]
        self.assertEqual([(alert["count"], len(alert["evidences"])) for alert in many], [(6, 4)])
        self.assertIn("an alert shows 4 of 6 records", said)

    def test_values(self):
        """Values that pass a message are counted exactly, as if they were short."""
        record = mr.record(0, 1)
        for length in 10, 90 << 10:
            record["Parameter"] = ["v" * length + str(number) for number in range(48)]
            status, found, said, counted = self.scan([record])
            self.assertEqual((status, counted["keys_capped"], counted["signals_too_large"]), (0, 0, 0), said)
            self.assertEqual([alert["unmapped"]["millrace"]["key"] for alert in found], [[record["UserId"]]])
            record["Parameter"][0] = record["Parameter"][1].upper()
            self.assertEqual(self.scan([record])[1], [])

    def test_event(self):
        """Where the chain is cut, the event itself has to fit."""
        records = [mr.record(number, 1) for number in range(6)]
        records[2]["ObjectId"] = LONG
        status, found, said, counted = self.scan(records, "--cut", "detect")
        self.assertEqual((status, counted["events_too_large"], counted["parsed"]), (1, 1, 6), said)
        self.assertEqual([alert["unmapped"]["millrace"]["key"] for alert in found], [["x" * 400]])
        self.assertIn("1 event was too large; all else was judged", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
