"""Each public rule against whole records in Microsoft's own forms: a rule that loads and never fires guards nobody. The
records are the rule tests in tests/rules/public, one file a rule: here each stands in all forms that it has.

A rule that no record can satisfy, because it names what does not exist, stands in NEVER; `rules check` names it."""
import glob
import json
import os
import re
import subprocess
import sys
import unittest

import millrace_test as mr
from shapes import activity, alert, audit, directory, forms, logon, pim, risk, sign_in, ual, with_id

TESTS = os.path.join(mr.ROOT, "tests", "rules")
PLACEHOLDERS = os.path.join(TESTS, "placeholders.yml")

# What `rules check` says of each.
NEVER = {
    "azure_ad_account_created_deleted_nonapproved_user": 'the field "result" is never "Sucess"',
    "azure_legacy_authentication_protocols": 'none has the field "ActivityDetails"',
    "azure_privileged_account_creation": '"activityDisplayName" holds at most one of Add user, Add member to role',
    "azure_user_password_change": 'none has the field "Target"',
}

# Everyday records: no rule is for them. `not filter` rules of sign-ins are for all that is not known, so these
# sign-ins come from a known location.
QUIET = audit("Update group", "GroupManagement") + directory("Update group.") + activity(
    "Microsoft.Insights/metricAlerts/read") + sign_in() + alert("Unusual volume of something") + ual(
            "MailItemsAccessed", 50, "Exchange", ResultStatus="Succeeded") + risk("generic") + pim("Another title")


def rule_ids(folder):
    """File name without ending: id."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".yml"):
                with open(os.path.join(path, name), encoding="utf-8") as text:
                    found[name[:-4]] = re.search(r"^id: (\S+)", text.read(), re.MULTILINE).group(1)
    return found


def read_tests():
    """(file name without ending, the rule's id, [(test, record, whether it matches)]) of each file; records are JSON."""
    for path in sorted(glob.glob(os.path.join(TESTS, "public", "*.yml"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        found = []
        for test in re.finditer(r"^    - name: (.*)\n      matches: (true|false)\n      record:\s+", text, re.MULTILINE):
            found.append((test[1], json.JSONDecoder().raw_decode(text, test.end())[0], test[2] == "true"))
        yield os.path.basename(path)[:-4], re.search(r"^rule: (\S+)", text, re.MULTILINE)[1], found


class Fire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = mr.shared("sigma")
        cls.ids = rule_ids(cls.folder)
        cls.tests = list(read_tests())
        cls.wanted = {}  # record id: (rule, name of the test, form, verdict)
        with mr.Workplace() as place:
            with open(place.path("records"), "w", encoding="utf-8") as out:
                def put(record, *what):
                    whole, identity = with_id(record, len(cls.wanted) + 1)
                    cls.wanted[identity] = what
                    out.write(json.dumps(whole) + "\n")
                for _, rule, tests in cls.tests:
                    for name, record, verdict in tests:
                        for at, form in enumerate(forms(record)):
                            put(form, rule, name, at, verdict)
                for at, record in enumerate(QUIET):
                    put(record, None, "everyday", at, False)
            cls.status, found, cls.said = mr.scan(
                "-r", cls.folder, "--placeholders", PLACEHOLDERS, "--workers", 1, "--summary", place.path("summary"),
                place.path("records"), env=place.environment)
            cls.summary = mr.summary(place.path("summary"))
        cls.fired = {(alert["finding_info"]["analytic"]["uid"], alert["unmapped"]["millrace"]["key"][0])
                     for alert in found}

    def test_every_rule_has_tests_both_ways(self):
        self.assertEqual({name: rule for name, rule, _ in self.tests}, self.ids)
        for name, _, tests in self.tests:
            verdicts = {verdict for _, _, verdict in tests}
            self.assertEqual(verdicts, {False} if name in NEVER else {True, False}, name)
            self.assertGreaterEqual(len(tests), 2, name)

    def test_as_they_stand(self):
        done = subprocess.run([mr.PROGRAM, "rules", "test", "--placeholders", PLACEHOLDERS, self.folder,
                               os.path.join(TESTS, "public")],
                              capture_output=True, text=True, timeout=mr.WAIT_SECONDS * 4, check=False)
        count = sum(len(tests) for _, _, tests in self.tests)
        self.assertEqual((done.returncode, done.stdout.splitlines()[-1]),
                         (0, f"{count} tests: {count} passed, 0 failed, 0 errors; 0 of {len(self.ids)} rules have none"),
                         done.stdout + done.stderr)

    def test_check_names_those_that_nothing_satisfies(self):
        done = subprocess.run([mr.PROGRAM, "rules", "check", "--json", "--placeholders", PLACEHOLDERS, self.folder],
                              capture_output=True, text=True, timeout=mr.WAIT_SECONDS * 4, check=True)
        told = {os.path.basename(warning["file"])[:-4]: warning["reason"]
                for warning in json.loads(done.stdout)["warnings"] if "satisfies" in warning["reason"]}
        self.assertEqual(sorted(told), sorted(NEVER))
        for name, reason in NEVER.items():
            self.assertIn(reason, told[name])

    def test_all_is_read(self):
        self.assertEqual(self.status, 0, self.said)
        self.assertEqual((self.summary["rules_refused"], self.summary["rules_inactive"], self.summary["rejected"],
                          self.summary["unknown_kind"]), (0, 0, 0, 0))

    def test_each_fires_and_on_nothing_near(self):
        wrong = [what for identity, what in self.wanted.items()
                 if what[0] is not None and ((what[0], identity) in self.fired) != what[3]]
        self.assertEqual(wrong, [])

    def test_everyday_records_are_quiet(self):
        names = {rule: name for name, rule in self.ids.items()}
        self.assertEqual([(names[rule], self.wanted[key]) for rule, key in self.fired if self.wanted[key][0] is None], [])


class SignInsOfTheAuditLog(unittest.TestCase):
    """The Unified Audit Log's sign-ins say no country: rules for all but known ones take that of the address."""
    HOME, ABROAD, NOWHERE = "81.2.69.142", "89.160.20.112", "203.0.113.7"  # of GB, of SE, of no country known
    RULES = {"any": "azure_ad_authentications_from_countries_you_do_not_operate_out_of",
             "failed": "azure_ad_failed_auth_from_countries_you_do_not_operate_out_of",
             "privileged": "azure_privileged_account_sigin_expected_controls"}
    VALUES = ("Known_Location: GB\nKNOWN_LOCATION: GB\nUnLegitCountries: SE\nUnApprovedDevice: d-1\n"
              f"UnApprovedIp: {ABROAD}\n")

    def setUp(self):
        self.folder = os.path.join(mr.shared("sigma"), "rules-placeholder", "cloud", "azure", "signin_logs")
        self.place = mr.Workplace()
        self.place.__enter__()
        self.addCleanup(self.place.cleanup)

    def scan(self, records, *options):
        """Which rule finds which of the records, and what is said."""
        ids = rule_ids(self.folder)
        names = {ids[file]: name for name, file in self.RULES.items()}
        with open(self.place.path("values"), "w", encoding="utf-8") as out:
            out.write(self.VALUES)
        with open(self.place.path("records"), "w", encoding="utf-8") as out:
            for number, record in enumerate(records):
                out.write(json.dumps({**record, "Id": str(number)}) + "\n")
        rules = [part for file in self.RULES.values() for part in ("-r", os.path.join(self.folder, file + ".yml"))]
        status, found, said = mr.scan(*rules, "--placeholders", self.place.path("values"), *options,
                                      self.place.path("records"), env=self.place.environment)
        self.assertEqual(status, 0, said)
        return sorted((int(alert["unmapped"]["millrace"]["key"][0]),
                       names[alert["finding_info"]["analytic"]["uid"]]) for alert in found), said

    def test_a_known_country_is_quiet(self):
        device = [{"Name": "Id", "Value": "d-1"}, {"Name": "OS", "Value": "Windows"}]
        records = [logon(operation, code, "", ClientIP=address, DeviceProperties=device)[0]
                   for address in (self.HOME, self.ABROAD, self.NOWHERE)
                   for operation, code in (("UserLoggedIn", 0), ("UserLoginFailed", 50126))]
        city = mr.shared("mmdb", "GeoLite2-City-Test.mmdb")
        found, said = self.scan(records, "--geoip", city)
        self.assertEqual(found, [(1, "failed"), (2, "any"), (2, "failed"), (3, "failed"), (3, "privileged"),
                                 (4, "any"), (4, "failed"), (5, "failed")])
        self.assertNotIn("geoip", said)

    def test_without_a_database_it_is_told(self):
        said = self.scan(logon("UserLoggedIn", 0, ""))[1]
        self.assertIn('no "geoip" is given: 3 rules ask for what only it fills, such as src_endpoint.location.country',
                      said)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
