"""What an alert says to people: its message, and the line on the screen."""
import json
import unicodedata
import unittest

import millrace_test as mr
from shapes import audit, changed, directory, target, with_id

# Escape, bell, line end, delete, C1, directions of writing, line and paragraph separators, what is not seen.
MISLEADING = "\x1b\x07\n\x7f\x9b\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff"
RULE = """title: Changes
id: 33333333-0000-4000-8000-000000000001
logsource: {product: azure, service: auditlogs}
detection: {selection: {api.operation|startswith: [Add, Remove]}, condition: selection}
level: low
"""
KEPT = "\u00e9\u200c\u200d\u4e2d\U0001f600"


class Message(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())

    def scan(self, records, rule, *options):
        with open(self.place.path("records.ndjson"), "w", encoding="utf-8") as out:
            out.writelines(json.dumps(with_id(record, number)[0]) + "\n" for number, record in enumerate(records))
        status, found, said = mr.scan("-r", rule, *options, self.place.path("records.ndjson"),
                                      env=self.place.environment)
        self.assertEqual(status, 0, said)
        return found, said

    def test_misleading_characters_are_taken_out(self):
        """Of the message and of the screen, not of what machines read."""
        name = "a" + "".join(c + "b" for c in MISLEADING) + KEPT
        record = {**mr.record(0), "UserId": name, "ObjectId": name}
        (alert,), said = self.scan([record], self.place.rule, "--progress", "always")
        shown = "a" + "\ufffdb" * len(MISLEADING) + KEPT
        self.assertIn(shown + " did Set-Mailbox on " + shown + " from ", alert["message"])
        line, = (line for line in said.split("\n") if line.startswith("alert: "))
        self.assertIn("by " + shown + ";", line)
        for text in (alert["message"], line):
            self.assertEqual([c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp")], [])
        self.assertEqual(alert["resources"][0]["name"], name)
        self.assertEqual(alert["evidences"][0]["data"]["UserId"], name)

    def test_a_change_names_what_was_changed(self):
        """In both of the logs that a change stands in: the group, role or application beside the person or resource."""
        rule = self.place.path("changes.yml")
        with open(rule, "w", encoding="utf-8") as out:
            out.write(RULE)
        wanted = {"Add owner to application": ("Application.DisplayName", None, "Splunk"),
                  "Add member to group": ("Group.DisplayName", None, "Admins"),
                  "Remove member from role": ("Role.DisplayName", "Global Reader", None),
                  "Add app role assignment to service principal": ("ServicePrincipal.DisplayName", None, "Reader"),
                  "Add delegated permission grant": ("ServicePrincipal.ObjectID", None,
                                                     "2383a669-0671-49c4-a7e6-a15950eccc2e")}
        for activity, (name, old, new) in wanted.items():
            with self.subTest(activity):
                quoted = [text and json.dumps(text) for text in (old, new)]
                records = audit(activity, targets=[target(changes=[changed(name, *quoted)])]) + directory(
                    activity + ".", ObjectId="bob@example.com", ModifiedProperties=[
                        {"Name": name, "OldValue": old or "", "NewValue": new or ""}])
                found, _ = self.scan(records, rule)
                self.assertEqual(len(found), len(records))
                for alert in found:
                    self.assertIn(f" did {activity} on bob@example.com ({old or new}) from ", alert["message"])
                    self.assertIn(old or new, [resource.get("name") for resource in alert["resources"]])

    def test_a_sum_says_what_it_is(self):
        """Of the windows that meet the condition the one that does so furthest, exactly; and with what it was compared."""
        rule = self.place.path("much.yml")
        with open(rule, "w", encoding="utf-8") as out:
            out.write(mr.RULE + "name: set\n---\ntitle: Much\nid: 33333333-0000-4000-8000-000000000002\ncorrelation: {type: value_sum, "
                      "rules: [set], group-by: [UserId], timespan: 10m, condition: {field: BytesOut, gt: 1.5e9, lt: 9e9}}\n")
        records = [{**mr.record(0), "UserId": "ann@example.com", "CreationTime": f"2026-03-01T{time}", "BytesOut": size}
                   for time, size in (("10:00:00", 1234567890), ("10:01:00", 765432110.25), ("10:02:00", "-1"), ("10:09:00", 0))]
        (alert,), _ = self.scan(records, rule)
        self.assertIn("Much: 4 records; the sum of BytesOut is 2,000,000,000.25 in the window up to 2026-03-01T10:01:00Z "
                      "(more than 1.5e9 and less than 9e9 within 10m); by ann@example.com", alert["message"])
        own = alert["unmapped"]["millrace"]
        self.assertEqual(own["condition"], {"field": ["BytesOut"], "gt": 1.5e9, "lt": 9e9})
        self.assertEqual((own["value"], own["value_time_dt"]), (2000000000.25, "2026-03-01T10:01:00Z"))


if __name__ == "__main__":
    unittest.main()
