"""What a source says of its records: `scan --logsource`, and the same in a topology."""
import json
import subprocess
import sys
import unittest

import millrace_test as mr
import ocsf_check
import service

RULES = """title: A tool runs
id: 11111111-0000-4000-8000-000000000001
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: '\\tool.exe'}, condition: s}
fields: [CommandLine]
level: high
---
title: A logon
id: 11111111-0000-4000-8000-000000000002
logsource: {product: windows, service: security}
detection: {s: {EventID: 4625, Provider_Name: P, status: '0xC000006D'}, condition: s}
level: low
---
title: All of it
id: 11111111-0000-4000-8000-000000000003
logsource: {}
detection: {s: {marker: 1}, condition: s}
level: low
---
title: Three tools on one host
id: 11111111-0000-4000-8000-000000000004
level: high
correlation:
    type: event_count
    rules: [11111111-0000-4000-8000-000000000001]
    group-by: [device.name, User]
    timespan: 1h
    condition: {gte: 3}
"""
TOOL, LOGON, ALL, THREE = (f"11111111-0000-4000-8000-00000000000{n}" for n in range(1, 5))
PROCESS = "product=windows,category=process_creation"


def process(number, **more):
    """A Sysmon event as a flat object, and in its XML's form."""
    data = {"Image": "C:\\x\\tool.exe", "CommandLine": f"tool {number}", "User": "D\\ann", **more}
    time, host = f"2025-01-01T10:00:{number:02}Z", "pc-1"
    if number % 2:
        return {"TimeCreated": time, "Computer": host, **data}
    return {"Event": {"System": {"TimeCreated": {"#attributes": {"SystemTime": time}}, "Computer": host},
                      "EventData": data}}


LOGONS = [{"EventID": 4625, "status": "0xC000006D", "Event": {"System": {"Provider": {"@Name": "P"}}}}]


class Logsource(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.rules = self.write("rules.yml", RULES)

    def write(self, name, text):
        with open(self.place.path(name), "w", encoding="utf-8") as out:
            out.write(text if isinstance(text, str) else "".join(json.dumps(record) + "\n" for record in text))
        return self.place.path(name)

    def scan(self, *arguments, status=0):
        done, found, said = mr.scan("-r", self.rules, *arguments, env=self.place.environment)
        self.assertEqual(done, status, said)
        return sorted(alert["finding_info"]["analytic"]["uid"] for alert in found), found, said

    def test_scan(self):
        records = self.write("records", [process(n) for n in range(3)] + [{"marker": 1}])
        for cut in ((), ("--cut", "detect")):
            rules, found, _ = self.scan("--logsource", PROCESS, *cut, records)
            self.assertEqual(rules, [ALL, THREE])  # what a correlation counts makes no alert of its own
        alerts = self.write("alerts", found)
        self.assertEqual(ocsf_check.check_file(alerts)[1], [])
        three = next(alert for alert in found if alert["finding_info"]["analytic"]["uid"] == THREE)
        self.assertEqual(three["unmapped"]["millrace"]["key"], ["pc-1", "d\\ann"])
        self.assertEqual(three["time_dt"], "2025-01-01T10:00:02Z")
        for shown in three["evidences"]:
            self.assertEqual((shown["actor"]["user"]["name"], shown["device"]["name"]), ("D\\ann", "pc-1"))
        self.assertEqual(three["finding_info"]["data_sources"], ["declared", PROCESS])
        self.assertEqual([shown["logsource"] for shown in three["unmapped"]["millrace"]["evidence"]], [PROCESS] * 3)
        # Without the word nobody knows what they are; and of another logsource another rule is for.
        self.assertEqual(self.scan(records)[0], [ALL])
        self.assertEqual(self.scan("--logsource", "product=windows,service=security", records)[0], [ALL])

    def test_what_events_tell(self):
        """Of a source that says `product=windows` alone each event's channel and number say the rest."""
        sysmon = {"Channel": "Microsoft-Windows-Sysmon/Operational"}
        records = [process(1, **sysmon, EventID=1), process(3, **sysmon, EventID="1"), process(5, **sysmon, EventID=5),
                   process(7, EventID=1), {**LOGONS[0], "Channel": "Security"}, {**LOGONS[0], "Channel": "System"}]
        single = RULES.split("title: Three")[0].rstrip("-\n") + "\n"
        self.rules = self.write("rules.yml", single)
        path = self.write("records", records)
        self.assertEqual(self.scan("--logsource", "product=windows", path)[0], [TOOL, TOOL, LOGON])
        self.assertEqual(self.scan("--logsource", "category=process_creation", path)[0], [TOOL, TOOL])

    def test_what_an_alert_says(self):
        """By whom, with which program, on which host; and explain takes the logsource that stands there."""
        self.rules = self.write("rules.yml", RULES.split("title: Three")[0].rstrip("-\n") + "\n")
        event = process(1, EventID=1, Provider_Name="Microsoft-Windows-Sysmon", Channel="Microsoft-Windows-Sysmon/Operational")
        found, = self.scan("--logsource", "product=windows", self.write("records", [event]))[1]
        self.assertEqual(found["message"], "A tool runs: D\\ann caused event 1 of Microsoft-Windows-Sysmon with C:\\x\\tool.exe on device "
                                           "pc-1 at 2025-01-01T10:00:01Z; CommandLine: tool 1")
        fields = found["unmapped"]["millrace"]["evidence"][0]["fields"]
        self.assertEqual([fields[name] for name in ("metadata.event_code", "process.file.path", "process.cmd_line")],
                         ["1", "C:\\x\\tool.exe", "tool 1"])
        done = subprocess.run([mr.PROGRAM, "rules", "explain", "--logsource", found["finding_info"]["data_sources"][1], self.rules,
                               json.dumps(found["evidences"][0]["data"])], capture_output=True, text=True, check=False,
                              timeout=mr.WAIT_SECONDS, env=self.place.environment)
        self.assertIn("\"A tool runs\" matches", done.stdout, done.stderr)

    def test_own_values_come_first(self):
        """`status` is a normalised field, too."""
        self.assertEqual(self.scan("--logsource", "service=SECURITY,product=Windows", self.write("r", LOGONS))[0],
                         [LOGON])

    def test_no_mapping(self):
        """Also of records that Millrace knows."""
        audit = RULES.split("---")[0].replace("product: windows, category: process_creation",
                                              "product: m365, service: audit")
        audit = audit.replace("Image|endswith: '\\tool.exe'", "eventName: Set-Mailbox")
        self.rules = self.write("audit.yml", audit)
        records = self.write("records", [mr.record(0), {"eventName": "Set-Mailbox"}])
        self.assertEqual(len(self.scan(records)[0]), 1)
        found = self.scan("--logsource", "product=m365,service=audit", records)[1]
        self.assertEqual([alert["evidences"][0]["data"] for alert in found], [{"eventName": "Set-Mailbox"}])

    def test_refused(self):
        records = self.write("records", [process(0)])
        for text in ("windows", "product=", "level=high", "product=a,product=b"):
            said = self.scan("--logsource", text, records, status=2)[2]
            self.assertIn(f'"{text}" is no logsource: one or more of product=, category= and service=', said)
        said = self.scan("--logsource", "product=windows,category=process_create", records)[2]
        self.assertIn("logsource product=windows,category=process_create: rules that name less see its records, but a part "
                      "of it is no rule's; is product=windows,category=process_creation meant?", said)
        self.rules = self.write("rules.yml", RULES.replace("logsource: {}", "logsource: {product: other}"))
        said = self.scan("--logsource", "product=windws,category=process_creation", records, status=2)[2]
        self.assertIn("logsource product=windws,category=process_creation: no rule is for it; "
                      "is product=windows,category=process_creation meant?", said)

    def test_topology(self):
        """Each source says its own; a word that is none is refused at its place."""
        one = service.Service(self, 1)
        one.place.rule = self.rules
        processes = self.write("processes", [process(n) for n in range(3)])
        logons = self.write("logons", LOGONS)
        mixed = self.write("mixed", [process(4), *LOGONS, {"marker": 1}])
        sources = [{"name": "processes", "type": "file", "path": [processes], "follow": False, "logsource": PROCESS},
                   {"name": "logons", "type": "file", "path": [logons], "follow": False,
                    "logsource": "product=windows,service=security"},
                   {"name": "mixed", "type": "file", "path": [mixed], "follow": False}]
        one.describe(one.file_sink(), sources=sources)
        one.finish(one.start())
        found = list(map(json.loads, mr.whole_lines(one.path("alerts.ndjson"))))
        self.assertEqual(sorted(alert["finding_info"]["analytic"]["uid"] for alert in found), [LOGON, ALL, THREE])
        mr.assert_balance(self, one.path("state"))
        sources[1]["logsource"] = "product=windows,service=securty"
        one.describe(one.file_sink(), sources=sources, rules=[self.write("one.yml", RULES.split("---")[0])])
        process_ = one.start()
        one.finish(process_, status=2)
        self.assertRegex(one.said(), r"topology.yaml:\d+:\d+: logsource product=windows,service=securty: no rule is for it\n")
        sources[1]["logsource"] = "windows"
        one.describe(one.file_sink(), sources=sources)
        process_ = one.start()
        one.finish(process_, status=2)
        self.assertRegex(one.said(), r'topology.yaml:\d+:\d+: logsource: "windows" is no logsource')


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
