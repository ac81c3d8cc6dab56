"""The summary of a scan, each figure counted by hand, whatever the records come in, once and twice."""
import csv
import gzip
import io
import json
import subprocess
import unittest

import millrace_test as mr

CITY = mr.shared("mmdb", "GeoLite2-City-Test.mmdb")
RULES = mr.RULE + """---
title: A mailbox was looked at
name: looked
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b12
logsource:
    product: m365
detection:
    selection:
        Operation: Get-Mailbox
    condition: selection
level: low
---
title: Mailboxes were looked at
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b13
correlation:
    type: event_count
    rules: [looked]
    group-by: [api.operation]
    timespan: 1d
    condition:
        gte: 9
level: low
---
title: Waits for a value
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b14
logsource:
    product: m365
detection:
    selection:
        Operation|expand: '%operations%'
    condition: selection
level: low
---
title: Is refused
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b15
logsource:
    product: m365
detection:
    selection:
        Operation|nonsense: x
    condition: selection
level: low
"""
KNOWN_ADDRESS = "81.2.69.160"


def texts():
    """Twelve records, four of which alert at once; one that is repaired, one of no kind, one that is no record."""
    for number in range(12):
        yield json.dumps({**mr.record(number), **({"ClientIP": KNOWN_ADDRESS} if number < 5 else {}), "Note": "\u00e9"},
                         ensure_ascii=False)
    yield json.dumps(mr.record(20))[:-1] + ',"Large":123456789012345678901234567890}'
    yield '{"x": 1}'
    yield "nonsense"


ONCE = {"complete": True, "records": 15, "parsed": 14, "rejected": 1, "repaired": 1, "repeated": 0, "unknown_kind": 1,
        "bytes": sum(len(text.encode()) for text in texts() if text != "nonsense"), "signals": 13, "alerts": 5,
        "state_shed": 0, "geo_hits": 5, "identity_hits": 2, "rules": 4, "rules_refused": 1, "rules_inactive": 1, "workers": 6}
TWICE = {**ONCE, "repeated": ONCE["signals"], **{name: 2 * ONCE[name] for name in (
    "records", "parsed", "rejected", "repaired", "unknown_kind", "bytes", "signals", "geo_hits", "identity_hits")}}


class Summary(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.put("rules.yml", RULES.encode())
        people = self.put("people.csv", b"id,upn\n1,user0@example.com\n2,USER11@example.com\n3,user50@example.com\n")
        subprocess.run([mr.PROGRAM, "identity", "import", "--store", self.place.path("store"), people], check=True,
                       capture_output=True)

    def put(self, name, data):
        with open(self.place.path(name), "wb") as out:
            out.write(data)
        return self.place.path(name)

    def check(self, inputs, expected, data=b""):
        path = self.place.path("summary.json")
        status, found, said = mr.scan("-r", self.place.path("rules.yml"), "--geoip", CITY, "--identity",
                                      self.place.path("store"), "--workers", "2", "--summary", path, *inputs, input=data,
                                      env=self.place.environment)
        self.assertEqual(status, 0, said)
        summary = mr.summary(path)
        self.assertEqual({name: summary[name] for name in expected}, expected)
        self.assertEqual(len(found), expected["alerts"])
        self.assertAlmostEqual(summary["events_per_second"], summary["parsed"] / summary["wall_seconds"], delta=1)
        self.assertGreater(summary["peak_rss_bytes"], 0)
        self.assertGreater(summary["cpu_seconds"], 0)

    def test_each_figure(self):
        lines = "".join(text + "\n" for text in texts()).encode()
        table = io.StringIO()
        csv.writer(table).writerows([["Identity", "AuditData"], *(["x", text] for text in texts())])
        long = self.put("long", lines + b" \n" * 40000)  # so long that its lines are read where they lie
        for name, data in (("lines", lines), ("blanks", lines.replace(b"\n", b" \r\n\r\n")), ("gzip", gzip.compress(lines)),
                           ("export", table.getvalue().encode()), ("UTF-16", lines.decode().encode("utf-16"))):
            with self.subTest(name):
                self.check([self.put("input", data)], ONCE)
            with self.subTest(name, way="pipe"):
                self.check(["-"], ONCE, data)
            with self.subTest(name, way="twice"):
                self.check([long, "-"], TWICE, data)


if __name__ == "__main__":
    unittest.main(verbosity=2)
