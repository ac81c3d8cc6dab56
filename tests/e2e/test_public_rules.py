"""The public cloud rules and our own over the real records: all load, all parse, the alerts keep to the schema, and are
the same from the export's CSV."""
import csv
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import millrace_test
import ocsf_check
from millrace_test import PROGRAM, ROOT

SIGMA = millrace_test.shared("sigma")
RECORDS = millrace_test.shared("ual", "records.ndjson")
EXPORT = millrace_test.shared("ual", "purview-export.csv")
CITY = millrace_test.shared("mmdb", "GeoLite2-City-Test.mmdb")
RULES = ("-r", SIGMA, "-r", os.path.join(ROOT, "rules"))


def operation(*names):
    return lambda record: record["Operation"] in names


def pairs(record, member):
    return {pair["Name"]: pair["NewValue"] for pair in record[member]}


def given(record, *words):
    """A role was given, and one of the words stands in what was changed or to whom."""
    text = json.dumps([record.get("ModifiedProperties"), record.get("Target")]).lower()
    return record["Operation"] == "Add member to role." and any(word in text for word in words)


# What public rules find in the directory's and the sign-ins' real records, said without them.
PLAIN = {
    "Account Created And Deleted Within A Close Time Frame": operation("Add user.", "Delete user."),
    "Account Lockout": lambda record: record.get("ErrorNumber") == "50053",
    "Added Credentials to Existing Application":
        operation("Update application \u2013 Certificates and secrets management "),
    "Added Owner To Application": operation("Add owner to application."),
    "App Assigned To Azure RBAC/Microsoft Entra Role": lambda record: given(record, '"serviceprincipal"'),
    "App Granted Microsoft Permissions":
        operation("Add delegated permission grant.", "Add app role assignment to service principal."),
    "App Granted Privileged Delegated Or App Permissions": operation("Add app role assignment to service principal."),
    "Application AppID Uri Configuration Changes": operation("Update application.", "Update service principal."),
    "Application URI Configuration Changes": lambda record:
        record["Operation"] == "Update application." and "AppAddress" in pairs(record, "ModifiedProperties"),
    "Azure Application Deleted": operation("Delete application.", "Hard Delete application."),
    "Azure Service Principal Created": operation("Add service principal."),
    "Azure Service Principal Removed": operation("Remove service principal."),
    "Delegated Permissions Granted For All Users": operation("Add delegated permission grant."),
    "End User Consent": lambda record: record["Operation"] == "Consent to application." and pairs(
        record, "ModifiedProperties")["ConsentContext.IsAdminConsent"] == "False",
    "User Added To Group With CA Policy Modification Access": operation("Add member to group."),
    "User Added to an Administrator's Azure AD Role": lambda record: given(record, "admins", "administrator"),
    "Users Added to Global or Device Admin Roles": lambda record:
        given(record, "7698a772-787b-4ac8-901f-60d6b08affd2", "62e90394-69f5-4237-9190-012177145e10"),
}


class PublicRules(unittest.TestCase):
    def test_scan(self):
        with tempfile.TemporaryDirectory() as scratch:
            summary, path = os.path.join(scratch, "summary.json"), os.path.join(scratch, "alerts.ndjson")
            status, _, said = millrace_test.scan(*RULES, "--geoip", CITY, "--summary", summary, "-o", path, RECORDS,
                                                 timeout=300)
            self.assertEqual(status, 0, said)
            counts = millrace_test.summary(summary)
            written, breaches = ocsf_check.check_file(path)
            with open(path, encoding="utf-8") as file:
                alerts = [json.loads(line) for line in file]
        wanted = {"records": 4796, "parsed": 4796, "rejected": 0, "unknown_kind": 0, "rules_refused": 0,
                  "rules_inactive": 7, "bytes": os.path.getsize(RECORDS) - 4796}  # of line ends
        self.assertEqual({name: counts[name] for name in wanted}, wanted)
        self.assertEqual(breaches, [])
        self.assertGreater(written, 0)
        self.assertEqual(written, counts["alerts"])
        self.assertEqual(len(set(millrace_test.ids(alerts))), written, "an alert id stands there twice")
        evidence = [item for alert in alerts for item in alert["unmapped"]["millrace"]["evidence"]]
        self.assertTrue(all(item["intact"] for item in evidence))
        self.assertEqual({item["source"] for item in evidence}, {RECORDS})

    def test_the_real_records_are_found(self):
        found = {}
        for alert in millrace_test.scan("-r", SIGMA, RECORDS, timeout=300)[1]:
            found.setdefault(alert["finding_info"]["analytic"]["name"], set()).add(
                alert["unmapped"]["millrace"]["key"][0])
        with open(RECORDS, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        directory = [record for record in records if record["RecordType"] in (8, 15)]
        for name, is_wanted in PLAIN.items():
            wanted = {record["Id"] for record in directory if is_wanted(record)}
            self.assertGreater(len(wanted), 0, name)
            self.assertEqual(found.get(name), wanted, name)

    def test_export(self):
        with open(EXPORT, encoding="utf-8-sig", newline="") as file:
            lines = [row["AuditData"] + "\n" for row in csv.DictReader(file)]
        with tempfile.TemporaryDirectory() as scratch:
            summary = os.path.join(scratch, "summary.json")
            status, first, said = millrace_test.scan(*RULES, "--summary", summary, EXPORT, timeout=300)
            self.assertEqual(status, 0, said)
            counts = millrace_test.summary(summary)
        self.assertEqual((counts["parsed"], counts["rejected"]), (len(lines), 0))
        self.assertEqual(counts["bytes"], sum(len(line.encode()) - 1 for line in lines))
        self.assertGreater(len(first), 0)
        for data in ("".join(lines).encode(), gzip.compress("".join(lines).encode())):
            status, other, said = millrace_test.scan(*RULES, "-", input=data, timeout=300)
            self.assertEqual(status, 0, said)
            self.assertEqual(millrace_test.ids(other), millrace_test.ids(first))

    def test_check(self):
        result = subprocess.run([PROGRAM, "rules", "check", "--json", SIGMA], capture_output=True, text=True,
                                timeout=300)
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual((report["files"], report["rules"], len(report["inactive"]), report["refused"]),
                         (152, 152, 7, []))

    def test_every_technique_has_a_name(self):
        """What an alert says of ATT&CK: each technique that a rule's tags name, and what it is a part of."""
        with open(os.path.join(ROOT, "stages", "deliver", "technique.def"), encoding="utf-8") as file:
            named = set(re.findall(r'X\("(T[0-9.]+)", "[^"]+"\)', file.read()))
        used = set()
        for top in (SIGMA, os.path.join(ROOT, "rules")):
            for path in glob.glob(os.path.join(top, "**", "*.yml"), recursive=True):
                with open(path, encoding="utf-8") as file:
                    for uid in re.findall(r"attack\.(t\d{4}(?:\.\d{3})?)\b", file.read(), re.IGNORECASE):
                        used |= {uid.upper(), uid.upper()[:5]}
        self.assertGreater(len(used), 50)
        self.assertEqual(sorted(used - named), [], "techniques without a name")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
