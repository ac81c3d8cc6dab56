"""The checker of alerts against the schema finds what is wrong; test_public_rules.py lets it see real alerts."""
import copy
import json
import sys
import unittest

import ocsf_check

GOOD = {
    "message": "m", "time": 1621372413123, "time_dt": "2021-05-18T21:13:33.123456Z",
    "start_time": 1621372413123, "severity_id": 4, "severity": "High",
    "activity_id": 1, "activity_name": "Create", "category_uid": 2, "class_uid": 2004, "type_uid": 200401, "count": 1,
    "finding_info": {"uid": "0" * 32, "title": "t", "first_seen_time": 1621372413123,
                     "analytic": {"uid": "r", "type_id": 1, "type": "Rule"},
                     "attacks": [{"technique": {"uid": "T1110"}}]},
    "evidences": [{"src_endpoint": {"ip": "203.0.113.9", "port": 443}, "actor": {"user": {"name": "a"}},
                   "data": {"any": "thing"}}],
    "metadata": {"version": "1.3.0", "product": {"name": "Millrace", "vendor_name": "Millrace"}},
    "unmapped": {"millrace": {"tenant": "t", "key": ["r1"], "slot": 0, "records": 1, "lower_bound": False,
                              "rule_file": "f", "rule_line": 1,
                              "evidence": [{"record_id": "r1", "kind": "m365.audit", "rule": "r", "rule_title": "t",
                                            "source": "f", "offset": 0, "length": 2, "hash": "xxh3:" + "0" * 16,
                                            "intact": True}]}},
}

# A path and what to put there (DELETE takes it away): each alone makes a breach.
DELETE = object()
WRONG = [
    ("time", DELETE), ("time", "1621372413123"), ("time", 1.5), ("time", True), ("time_dt", "2021-05-18 21:13:33"),
    ("time_dt", "2021-05-18T21:13:34Z"), ("severity_id", 7), ("severity", "Low"), ("activity_id", DELETE),
    ("activity_name", "Update"), ("type_uid", 200402), ("class_uid", 2001), ("count", 2**31), ("surprise", 1),
    ("finding_info", DELETE), ("finding_info.uid", "short"), ("finding_info.title", DELETE),
    ("finding_info.analytic.type_id", DELETE), ("finding_info.analytic.uid", DELETE), ("finding_info.attacks", []),
    ("finding_info.attacks.0.technique", DELETE), ("evidences.0.src_endpoint.ip", "999.1.1.1"),
    ("evidences.0.src_endpoint.port", 65536), ("evidences.0.actor.user.name", DELETE),
    ("evidences.0.actor.user", DELETE), ("evidences.0.http_request", {}), ("metadata.version", "1.2.0"),
    ("metadata.product.vendor_name", DELETE), ("unmapped.millrace.key", "r1"), ("unmapped.millrace.slot", DELETE),
    ("unmapped.millrace.evidence.0.hash", "0"), ("unmapped.millrace.evidence.0.intact", False),
    ("unmapped.millrace.evidence", []), ("unmapped.other", {}),
    ("unmapped.millrace.records", DELETE), ("unmapped.millrace.alerts", 1), ("unmapped.millrace.records", 2),
    ("start_time", DELETE), ("finding_info.first_seen_time", DELETE), ("unmapped.millrace.time_unknown", True),
]


def changed(path, value):
    alert = copy.deepcopy(GOOD)
    *way, last = path.split(".")
    at = alert
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is DELETE:
        del at[last]
    else:
        at[last] = value
    return alert


class Checker(unittest.TestCase):
    def test_good(self):
        self.assertEqual(ocsf_check.check_line(json.dumps(GOOD)), [])

    def test_wrong(self):
        for path, value in WRONG:
            with self.subTest(path=path):
                self.assertNotEqual(ocsf_check.check_line(json.dumps(changed(path, value))), [])

    def test_a_key_given_twice(self):
        line = json.dumps(GOOD)
        self.assertNotEqual(ocsf_check.check_line(line.replace('"count": 1', '"count": 1, "count": 1')), [])
        in_record = line.replace('"any": "thing"', '"any": "thing", "any": 2')
        self.assertEqual(ocsf_check.check_line(in_record), [])

    def test_no_json(self):
        for line in ("", "[]", "{", "nan"):
            self.assertNotEqual(ocsf_check.check_line(line), [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
