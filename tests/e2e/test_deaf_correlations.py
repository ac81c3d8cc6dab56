"""A correlation that no record could make fire, because all lacked a field that it groups or counts by, is named once
at the end of the run, whichever worker met which record."""
import json
import re
import sys
import unittest

import millrace_test as mr

DETECTION = """title: {0}
id: {0}
name: {0}
logsource: {{product: m365, service: audit}}
detection: {{s: {{Operation: Set-Mailbox}}, condition: s}}
level: low
"""
WORDS = "it could not fire"


def correlation(name, kind="event_count", over="base", groups="[UserId]", more=""):
    condition = "" if kind == "temporal" else f", condition: {{gte: 1{more}}}"
    return (f"title: {name}\nid: {name}\nname: {name}\nlevel: low\ncorrelation: {{type: {kind}, rules: [{over}], "
            f"timespan: 1h, group-by: {groups}{condition}}}\n")


class Deaf(unittest.TestCase):
    def setUp(self):
        self.place = mr.Workplace()
        self.place.__enter__()
        self.addCleanup(self.place.cleanup)

    def scan(self, *rules, records=None, options=()):
        """The correlations that are named, with what is said of each, and all that is said."""
        with open(self.place.path("rules.yml"), "w", encoding="utf-8") as out:
            out.write("---\n".join([DETECTION.format("base"), *rules]))
        records = [mr.record(number) for number in range(30)] if records is None else records
        paths = []
        for number, record in enumerate(records):  # a file is a region, and regions go to the workers in turn
            paths.append(self.place.path(f"records-{number}"))
            with open(paths[-1], "w", encoding="utf-8") as out:
                out.write(json.dumps(record) + "\n")
        status, _, said = mr.scan("-r", self.place.path("rules.yml"), "--workers", 2, *options, *paths,
                                  env=self.place.environment)
        self.assertEqual(status, 0, said)
        found = re.findall(rf'^millrace: warning: \S+rules\.yml:\d+: "([^"]+)": (.*): {WORDS}$', said, re.MULTILINE)
        self.assertEqual(len(dict(found)), len(found), said)
        return dict(found), said

    def test_a_mistyped_field_is_named(self):
        found, said = self.scan(
            correlation("right"), correlation("slip", groups="[Workload, UsrId]"),
            correlation("both", groups="[UsrId, Wrkload]"),
            correlation("value", "value_count", more=", field: ObjctId"),
            correlation("temporal", "temporal", groups="[UsrId]"))
        lacks = "none of 10 matches had a value for "
        self.assertEqual(found, {
            "slip": lacks + 'group-by "UsrId"', "both": lacks + 'group-by "UsrId", group-by "Wrkload"',
            "value": lacks + 'the counted field "ObjctId"', "temporal": lacks + 'group-by "UsrId"'})
        self.assertIn('rules.yml:14: "slip": none', said)

    def test_one_record_is_enough(self):
        records = [mr.record(3 * number) for number in range(8)]
        rare = correlation("rare", groups="[Rare]")
        for number in range(8):
            some = [{**record, "Rare": "x"} if at == number else record for at, record in enumerate(records)]
            self.assertEqual(self.scan(rare, records=some)[0], {})
        self.assertEqual(list(self.scan(rare, records=records)[0]), ["rare"])
        self.assertEqual(self.scan(rare, records=[mr.record(1)])[0], {})

    def test_fields_that_never_come_together_are_named(self):
        records = [{**mr.record(3 * number), "AB"[number % 2]: "x"} for number in range(8)]
        self.assertEqual(self.scan(correlation("split", groups="[A, B]"), records=records)[0],
                         {"split": 'none of 8 matches had a value for all of group-by "A", group-by "B"'})

    def test_a_correlation_of_correlations(self):
        found, _ = self.scan(correlation("inner"), correlation("outer", over="inner", groups="[UsrId]"),
                             correlation("fine", over="inner", groups="[Workload]"))
        self.assertEqual(list(found), ["outer"])

    def test_what_a_setting_would_fill_is_told_before(self):
        found, said = self.scan(correlation("place", groups="[src_endpoint.location.country]"))
        self.assertEqual(found, {})
        self.assertIn('no "geoip" is given', said)

    def test_ten_are_shown(self):
        found, said = self.scan(*(correlation(f"c{number}", groups="[UsrId]") for number in range(15)))
        self.assertEqual(len(found), 10)
        self.assertIn("and 5 more like this (log level debug shows each): ", said)
        self.assertNotIn(WORDS, self.scan(correlation("c", groups="[UsrId]"), options=("--log-level", "error"))[1])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
