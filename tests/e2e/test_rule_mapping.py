"""What Sigma rules mean of real records, whose fields a mapping finds, through the whole program: a rule, records, and
whether it matches each. What they mean of fields as they stand is test_conformance.py's."""
import json
import sys
import unittest

import millrace_test as mr

YES, NO = True, False
NONE = object()  # a field that the record has not


def one(detection, *pairs):
    """A detection with one identifier, `s`."""
    return f"{{s: {detection}, condition: s}}", pairs


AUDIT = "{product: m365, service: audit}"
ROW = {"Workload": NONE, "OfficeWorkload": "Exchange"}  # of Log Analytics' table OfficeActivity
AGENT = {"ExtendedProperties": [{"Name": "UserAgent", "Value": "curl"}, {"Name": "RequestType", "Value": "o"}]}
MAPPED = [
    (AUDIT, *one("{eventName: o}", ({}, YES), ({"eventName": "p"}, NO), ({"eventName": "O", "Operation": "p"}, YES))),
    (AUDIT, *one("{eventName: n}", ({"Operation": "AlertTriggered", "Name": "n"}, YES), ({"Name": "n"}, NO))),
    (AUDIT, *one("{UserAgent: curl}", (AGENT, YES), ({"UserAgent": "curl"}, YES), ({**AGENT, "UserAgent": "x"}, NO))),
    # What a missing field passes is asked of the field that the record has.
    (AUDIT, *one("{UserAgent: null}", (AGENT, NO), ({}, YES), ({**AGENT, "UserAgent": None}, YES))),
    (AUDIT, *one("{UserAgent|exists: false}", (AGENT, NO), ({}, YES), ({"UserAgent": None}, NO))),
    (AUDIT, *one("{UserAgent|neq: curl}", (AGENT, NO), ({}, YES), ({**AGENT, "UserAgent": "x"}, YES))),
    # Either side of a fieldref, and both.
    (AUDIT, *one("{A|fieldref: UserAgent}", ({**AGENT, "A": "CURL"}, YES), ({**AGENT, "A": "x"}, NO),
                 ({**AGENT, "A": "x", "UserAgent": "x"}, YES), ({**AGENT, "A": "curl", "UserAgent": "x"}, NO))),
    (AUDIT, *one("{UserAgent|fieldref: A}", ({**AGENT, "A": "CURL"}, YES), ({**AGENT, "A": "x"}, NO))),
    (AUDIT, *one("{eventName|fieldref: RequestType}", (AGENT, YES), ({**AGENT, "Operation": "p"}, NO), ({}, NO))),
    (AUDIT, *one("{eventName|fieldref|neq: RequestType}", (AGENT, NO), ({**AGENT, "Operation": "p"}, YES), ({}, YES))),
    (AUDIT, *one("{eventSource: Exchange}", ({"Workload": "Exchange"}, YES), ({}, NO), (ROW, YES), ({**ROW, "eventSource": "x"}, NO))),
]


class Language(unittest.TestCase):
    def test_cases(self):
        rules, records, wanted = [], [], {}
        for number, (logsource, detection, pairs) in enumerate(MAPPED):
            rules.append(f"title: t\nid: case-{number}\nlogsource: {logsource}\ndetection: {detection}\n")
            for fields, matches in pairs:
                identity = f"record-{len(records)}"
                record = {"Id": identity, "RecordType": 1, "Operation": "o", "Workload": "w",
                          "CreationTime": "2026-05-04T10:11:12", **fields}
                records.append({name: value for name, value in record.items() if value is not NONE})
                wanted[f"case-{number}", identity] = matches
        with mr.Workplace() as place:
            for name, text in [("rules.yml", "---\n".join(rules)), ("records", "".join(json.dumps(record) + "\n" for record in records))]:
                with open(place.path(name), "w", encoding="utf-8") as out:
                    out.write(text)
            status, found, said = mr.scan(
                "-r", place.path("rules.yml"), "--workers", 2, "--strict",
                "--summary", place.path("summary"), place.path("records"), env=place.environment)
            self.assertEqual(status, 0, said)
            counts = mr.summary(place.path("summary"))
        self.assertEqual((counts["rules"], counts["rules_inactive"], counts["rejected"]), (len(MAPPED), 0, 0))
        fired = {(alert["finding_info"]["analytic"]["uid"], alert["unmapped"]["millrace"]["key"][0]) for alert in found}
        wrong = [(MAPPED[int(rule.split("-")[1])][1], records[int(record.split("-")[1])], matches)
                 for (rule, record), matches in wanted.items() if ((rule, record) in fired) != matches]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
