"""SigmaHQ's whole collection, which MILLRACE_SIGMA_REPO names: how much of it is refused and why, what it costs to
check, and its regression data: each rule fires on its event, alone and among all others."""
import collections
import glob
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

import millrace_test as mr
import ocsf_check
import sigma_repo

CPU_SECONDS = 5
MEMORY_KIB = 300 * 1024
# Why: a modifier of a field stands behind an identifier.
REASONS = ("is no identifier: letters, digits, _ . - make one; a modifier stands behind a field",)


class Case:
    """A rule of the collection with the events that it is to fire on."""

    def __init__(self, rule, folder, rules, scratch):
        self.rule = rule
        self.path, self.logsource = rules[rule]
        self.records = glob.glob(os.path.join(folder, "*.json"))
        for path in glob.glob(os.path.join(folder, "*.raw")):  # lines of text
            with open(path, encoding="utf-8") as raw:
                lines = [json.dumps({"message": line.rstrip("\n")}) + "\n" for line in raw]
            self.records.append(os.path.join(scratch, os.path.basename(path) + ".json"))
            with open(self.records[-1], "w", encoding="utf-8") as out:
                out.writelines(lines)
        # Several files hold the same event, which is one record.
        self.ids = {hashlib.sha256(text.encode()).hexdigest() for path in self.records for text in sigma_repo.texts_in(path)}


def rules_of(folders):
    """By id: file and logsource."""
    found = {}
    for folder in folders:
        for path in glob.glob(os.path.join(folder, "**", "*.yml"), recursive=True):
            with open(path, encoding="utf-8") as text:
                rule = text.read()
            logsource = re.search(r"^logsource:\n((?:[ #].*\n)+)", rule, re.M).group(1)
            parts = dict(re.findall(r"^ +(product|category|service): *['\"]?([\w.-]+)", logsource, re.M))
            uid = re.search(r"^id: (\S+)", rule, re.M).group(1)
            found[uid] = path, ",".join(f"{part}={parts[part]}" for part in sorted(parts))
    return found


def hits(found):
    """(rule, record) of what alerts show."""
    return {(alert["finding_info"]["analytic"]["uid"], shown["record_id"])
            for alert in found for shown in alert["unmapped"]["millrace"]["evidence"]}


class Collection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.scratch = folder.name
        cls.folders = sigma_repo.folders()
        rules = rules_of(cls.folders)
        cls.cases = [Case(*case, rules, cls.scratch) for case in sigma_repo.regression_cases()]

    def scan(self, rules, logsource, records):
        path = os.path.join(self.scratch, "alerts.ndjson")
        options = [option for rule in rules for option in ("-r", rule)]
        status, _, said = mr.scan("--workers", 1, "--logsource", logsource, "-o", path, *options, *records)
        self.assertEqual(status, 0, said)
        with open(path, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines], ocsf_check.check_file(path)[1]

    def test_check(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = subprocess.run([mr.PROGRAM, "rules", "check", "--json", *self.folders], capture_output=True,
                                   text=True, timeout=300)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = json.loads(result.stdout)
        self.assertGreater(report["files"], 3700)
        self.assertLess(len(report["refused"]), report["files"] / 100)
        for note in report["refused"]:
            self.assertTrue(any(reason in note["reason"] for reason in REASONS), note)
            self.assertGreater(note["line"] * note["column"], 0, note)
        if not mr.is_sanitized():
            cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
            self.assertLess(cpu, CPU_SECONDS)
            self.assertLess(used.ru_maxrss, MEMORY_KIB)

    def test_events_tell_their_logsource(self):
        """Of one source, of which nothing is said but that it is Windows."""
        cases = [case for case in self.cases if "product=windows" in case.logsource]
        found, breaches = self.scan(self.folders, "product=windows", sorted({path for case in cases for path in case.records}))
        self.assertEqual(breaches, [])
        whole = hits(found)
        self.assertEqual([case.path for case in cases if not {(case.rule, one) for one in case.ids} & whole], [])

    def test_regression_data(self):
        """One by one, and the same hits come out with the whole collection loaded."""
        self.assertGreater(len(self.cases), 200)
        by_logsource = collections.defaultdict(list)
        for case in self.cases:
            by_logsource[case.logsource].append(case)
        for logsource, cases in sorted(by_logsource.items()):
            records = sorted({path for case in cases for path in case.records})
            found, breaches = self.scan(self.folders, logsource, records)
            self.assertEqual(breaches, [])
            whole = hits(found)
            for case in cases:
                with self.subTest(rule=case.path):
                    alone, breaches = self.scan([case.path], logsource, records)
                    self.assertEqual(breaches, [])
                    self.assertEqual({hit for hit in whole if hit[0] == case.rule}, hits(alone))
                    self.assertTrue({record for _, record in hits(alone)} & case.ids, "it does not fire")


if __name__ == "__main__":
    if sigma_repo.PATH is None:
        print("skipped: MILLRACE_SIGMA_REPO names no checkout of SigmaHQ's rules")
        sys.exit(77)
    sys.exit(unittest.main(verbosity=2))
