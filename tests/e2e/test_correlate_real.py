"""Correlations of the real records through real workers, against the naive reference."""
import json
import sys
import unittest

import millrace_test
import reference
from correlations import correlation, correlations_yaml, detection_yaml, scan

ALL_TYPES = ("event_count", "value_count", "temporal", "temporal_ordered", "value_sum", "value_avg", "value_percentile",
             "value_median")
RECORDS = millrace_test.shared("ual", "records.ndjson")
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
    correlation("real-few", "event_count", ["logged-in"], 86400, {"gt": 1, "lt": 4}),
    correlation("real-sum", "value_sum", ["mail-read"], 3600, {"gte": 20}, "OperationCount"),
    correlation("real-average", "value_avg", ["mail-read"], 86400, {"gt": 1.5}, "OperationCount"),
    correlation("real-percentile", "value_percentile", ["login-failed"], 86400, {"gte": 50126}, "ErrorNumber",
                percentile=90),
    correlation("real-median", "value_median", ["login-failed", "logged-in"], 86400, {"lt": 50126}, "ErrorNumber"),
    correlation("real-settled", "event_count", ["real-few", "real-average"], 604800, 3, group_by=None),
]


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
