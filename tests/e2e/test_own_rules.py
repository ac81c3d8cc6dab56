"""Our own rules: each detection against records that it is for and records that are nearly so, each correlation
against a chain that completes it and one that does not."""
import json
import os
import re
import subprocess
import sys
import unittest

import millrace_test as mr
from shapes import audit, changed, directory, sign_in, target, ual, vary, with_id

RULES = os.path.join(mr.ROOT, "rules")
HOME, ABROAD, OFFICE = "203.0.113.7", "198.51.100.7", "192.0.2.7"  # of DE, of RU, the company's own
PEOPLE = [{"id": f"id-{name}", "upn": f"{name}@example.com", "home_country": "DE"} for name in ("ann", "bob", "eve")]


# ---- a database of two countries in MaxMind's format ----

def mmdb(networks):
    """`networks`: (first three bytes, country). See the MaxMind DB format specification, version 2.0."""
    def text(word):
        return bytes([0x40 | len(word)]) + word.encode()

    def number(kind, value, size):
        head = bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])
        return head + value.to_bytes(size, "big")

    data, offsets = b"", {}
    for _, country in networks:
        offsets[country] = len(data)
        data += bytes([0xe1]) + text("country") + bytes([0xe1]) + text("iso_code") + text(country)
    nodes = [[None, None]]
    for prefix, country in networks:
        at = 0
        for bit in range(24):
            side = prefix[bit // 8] >> (7 - bit % 8) & 1
            if bit == 23:
                nodes[at][side] = country
            elif nodes[at][side] is None:
                nodes[at][side] = len(nodes)
                nodes.append([None, None])
            at = nodes[at][side] if bit < 23 else at
    count = len(nodes)
    tree = b"".join((count if side is None else side if isinstance(side, int) else count + 16 + offsets[side]).to_bytes(
        3, "big") for node in nodes for side in node)
    metadata = bytes([0xe9]) + text("binary_format_major_version") + number(5, 2, 1) + text(
        "binary_format_minor_version") + number(5, 0, 0) + text("build_epoch") + number(9, 1, 1) + text(
            "database_type") + text("Test-City") + text("ip_version") + number(5, 4, 1) + text(
                "node_count") + number(6, count, 2) + text("record_size") + number(5, 24, 1) + text(
                    "languages") + bytes([0, 4]) + text("description") + bytes([0xe0])
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata


# ---- records ----

def service_sign_in(address, code=0):
    """A service principal's sign-in, as its envelope."""
    envelope = sign_in(code)[1]
    properties = {**envelope["properties"], "servicePrincipalName": "Backup", "servicePrincipalId": "sp-1",
                  "appId": "app-1", "ipAddress": address}
    for name in ("userPrincipalName", "userId"):
        del properties[name]
    return [{**envelope, "category": "ServicePrincipalSignInLogs", "callerIpAddress": address,
             "properties": properties}]


def role(value, activity="Add app role assignment to service principal", name="AppRole.Value"):
    return audit(activity, targets=[target("ServicePrincipal", changes=[
        changed(name, None, json.dumps(value))])]) + directory(
            activity + ".", ModifiedProperties=[{"Name": name, "OldValue": "", "NewValue": value}])


def consent(scopes):
    return role(f"[] => [[Id: 1, ConsentType: Principal, Scope: {scopes}]]; ", "Consent to application",
                "ConsentAction.Permissions")


def mail_read(app="app-1", **more):
    return ual("MailItemsAccessed", 50, "Exchange", ResultStatus="Succeeded", AppId=app, ClientIPAddress=HOME,
               MailboxOwnerUPN="owner@example.com", **more)


def by_app(app="app-1", owner="owner@example.com"):
    return [{**record, "UserId": "ServicePrincipal_1", "UserType": 6, "MailboxOwnerUPN": owner}
            for record in mail_read(app)]


def exchange(operation, **parameters):
    return ual(operation, 1, "Exchange", ResultStatus="True", Parameters=[
        {"Name": name, "Value": value} for name, value in parameters.items()])


def download(number=0):
    return ual("FileDownloaded", 6, "SharePoint", ObjectId=f"https://example.sharepoint.com/{number}.docx")


def legacy(code, address=HOME, agent="BAV2ROPC"):
    return vary(sign_in(code, userAgent=agent), address=address)


def secret(before):
    """A secret for an application that had these."""
    activity = "Update application \u2013 Certificates and secrets management "
    return audit(activity, targets=[target("Application", changes=[
        changed("KeyDescription", before, '["[KeyIdentifier=2]"]')])]) + directory(
            activity, ModifiedProperties=[{"Name": "KeyDescription", "OldValue": before, "NewValue": "[2]"}])


ROLES = ("Add member to role", "Role.DisplayName")
FORWARD = exchange("New-InboxRule", ForwardTo="x@example.org")
# Rule: what it is for, and what it is not for.
DETECTIONS = {
    "app_credential_added": (
        audit("Add service principal credentials") + directory("Add service principal credentials.")
        + audit("Update application \u2013 Certificates and secrets management "),
        audit("Remove service principal credentials") + audit("Update application")),
    "first_app_credential": (
        audit("Add service principal credentials") + directory("Add service principal credentials.")
        + secret("[]"), secret('["[KeyIdentifier=1]"]') + audit("Remove service principal credentials")),
    "app_sign_in_abroad": (
        service_sign_in(ABROAD), service_sign_in(OFFICE) + service_sign_in(ABROAD, 7000215) + sign_in()),
    "app_full_mail_access_granted": (
        role("full_access_as_app") + role("Mail.ReadWrite"),
        role("User.Read.All") + role("Mail.Read", "Remove app role assignment from service principal")),
    "mail_read_by_app": (
        by_app() + mail_read(UserType=5),
        mail_read() + by_app("00000003-0000-0000-c000-000000000000") + ual("Send", 2, "Exchange", UserType=5)),
    "risky_consent": (
        consent("Mail.ReadWrite offline_access") + [record for scope in (
            "Mail.Read", "Mail.ReadBasic.All", "Mail.Send.Shared", "Files.Read", "Files.Read.All", "Sites.Read.All",
            "MailboxSettings.ReadWrite", "IMAP.AccessAsUser.All") for record in consent(
                " openid offline_access " + scope) + consent(scope + ", CreatedDateTime: ")],
        consent("User.Read") + consent(" openid offline_access Contacts.Read MailboxSettings.Read")
        + consent("Files.ReadWrite.AppFolder Files.Read.Selected") + consent("X.Mail.Read")),
    "ews_grant": (
        role("EWS.AccessAsUser.All", "Add delegated permission grant", "DelegatedPermissionGrant.Scope"),
        role("User.Read", "Add delegated permission grant", "DelegatedPermissionGrant.Scope")
        + role("EWS.AccessAsUser.All", "Remove delegated permission grant", "DelegatedPermissionGrant.Scope")),
    "mail_read_abroad": (
        vary(mail_read(), address=ABROAD),
        mail_read() + vary(mail_read(), address=OFFICE) + vary(mail_read(), user="nobody", address=ABROAD)),
    "unified_audit_log_off": (
        exchange("Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled="False"),
        exchange("Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled="True")
        + exchange("Get-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled="False")),
    "mailbox_audit_bypass": (
        exchange("Set-MailboxAuditBypassAssociation", AuditBypassEnabled="True"),
        exchange("Set-MailboxAuditBypassAssociation", AuditBypassEnabled="False")),
    "mailbox_audit_off": (
        exchange("Set-Mailbox", AuditEnabled="False"), exchange("Set-Mailbox", AuditEnabled="True")
        + exchange("Set-Mailbox", Identity="False")),
    "file_downloaded": (download(), ual("FileSyncDownloadedFull", 6, "OneDrive")),
    "risky_sign_in": (
        sign_in(riskLevelDuringSignIn="high"),
        sign_in(riskLevelDuringSignIn="low") + sign_in(50126, riskLevelDuringSignIn="high")),
    "device_code_abroad": (
        vary(sign_in(authenticationProtocol="deviceCode"), address=ABROAD),
        sign_in(authenticationProtocol="deviceCode")
        + vary(sign_in(authenticationProtocol="none"), address=ABROAD)
        + vary(sign_in(50126, authenticationProtocol="deviceCode"), address=ABROAD)),
    "federation_settings_changed": (
        audit("Set federation settings on domain", "DirectoryManagement") + directory("Set domain authentication."),
        audit("Set domain", "DirectoryManagement") + directory("Update domain.")),
    "privileged_role_granted": (
        role("Global Administrator", *ROLES) + role("Company Administrator", *ROLES),
        role("Helpdesk Administrator", *ROLES) + role("Global Administrator", "Remove member from role", ROLES[1])),
    "legacy_sign_in_failed": (
        legacy(50126) + sign_in(50053, clientAppUsed="IMAP4") + sign_in(50055, authenticationProtocol="ropc"),
        legacy(0) + legacy(50126, agent="Mozilla/5.0") + legacy(53003)),
    "legacy_sign_in_abroad": (
        legacy(0, ABROAD) + vary(sign_in(authenticationProtocol="ropc"), address=ABROAD),
        legacy(0) + legacy(50126, ABROAD) + vary(sign_in(), address=ABROAD)),
    "mail_forwarding_set": (
        FORWARD + exchange("Set-Mailbox", ForwardingSmtpAddress="smtp:x@example.org") + ual(
            "UpdateInboxRules", 2, "Exchange", OperationProperties=[{"Name": "RuleActions", "Value": "Forward"}])
        + exchange("New-InboxRule", ForwardTo="bob@example.com;x@example.org")
        + exchange("Set-InboxRule", ForwardTo="x@example.com.example.org")
        + exchange("New-InboxRule", ForwardAsAttachmentTo="[SMTP:example.com@example.org]")
        + exchange("New-InboxRule", ForwardTo="ann@example.com", RedirectTo="x@example.org")
        + exchange("New-TransportRule", BlindCopyTo="x@example.org"),
        exchange("New-InboxRule", MoveToFolder="x@example.org") + exchange("Set-Mailbox", ForwardingSmtpAddress="")
        + exchange("Get-InboxRule", ForwardTo="x@example.org") + exchange("New-InboxRule", ForwardTo="bob@example.com")
        + exchange("New-InboxRule", ForwardTo='"Bob, x" [SMTP:Bob@Example.com]; bob@example.com')
        + exchange("Set-TransportRule", CopyTo="bob@example.com")
        + exchange("Set-Mailbox", ForwardingSmtpAddress="smtp:bob@example.com")),
}

CREDENTIAL = audit("Add service principal credentials", targets=[target("ServicePrincipal", "Backup")])
READ_ABROAD = vary(mail_read(), address=ABROAD)
CONSENT = DETECTIONS["risky_consent"][0]
DEVICE_CODE = vary(sign_in(authenticationProtocol="deviceCode"), address=ABROAD)
FEDERATION = audit("Set federation settings on domain", "DirectoryManagement")
GRANT = role("Global Administrator", *ROLES)


def each(count, make, *, step=0):
    return [record for number in range(count) for record in vary(make(number), number * step)]


def spray(count):
    return each(count, lambda number: vary(legacy(50126)[:1], user=f"user{number}"))


# Correlation: a chain that completes it, and one that does not.
CORRELATIONS = {
    "credential_then_sign_in": (
        CREDENTIAL[:1] + vary(service_sign_in(ABROAD), 60), vary(CREDENTIAL[:1], 60) + service_sign_in(ABROAD)),
    "backdoored_app_reads_mail": (
        CREDENTIAL[:1] + vary(service_sign_in(ABROAD), 60) + vary(by_app("app-1"), 120),
        CREDENTIAL[:1] + vary(service_sign_in(ABROAD), 60) + vary(by_app("app-2"), 120)),
    "app_reads_many_mailboxes": (
        each(10, lambda number: by_app(owner=f"{number}@example.com")),
        each(20, lambda number: by_app(owner=f"{number % 9}@example.com"))),
    "consent_then_mail_read": (
        CONSENT[:1] + vary(READ_ABROAD, 60), CONSENT[:1] + vary(READ_ABROAD, 60, user="bob")),
    "risky_consent_given": (CONSENT[:1], consent("User.Read")[:1]),
    "unknown_app_reads_mail": (each(3, lambda number: by_app()), mail_read()),
    "hundred_files": (each(100, download), each(200, lambda number: download(number % 99))),
    "mass_download": (each(130, download), each(99, download)),
    "risky_sign_in_then_mass_download": (
        sign_in(riskLevelDuringSignIn="high")[:1] + vary(each(100, download), 60),
        vary(sign_in(riskLevelDuringSignIn="high")[:1], 120) + each(100, download)),
    "device_code_then_forwarding": (
        DEVICE_CODE[:1] + vary(FORWARD, 239), DEVICE_CODE[:1] + vary(FORWARD, 241)),
    "role_then_federation": (
        vary(GRANT[:1], bob="eve") + vary(FEDERATION[:1], 60, user="eve"),
        vary(GRANT[:1], bob="eve") + vary(FEDERATION[:1], 60, user="ann")),
    "password_spray": (spray(100), spray(99)),
    "spray_takeover": (
        legacy(50126)[:1] + vary(legacy(0, ABROAD)[:1], 60) + vary(READ_ABROAD, 120),
        legacy(0, ABROAD)[:1] + vary(legacy(50126)[:1], 60) + vary(READ_ABROAD, 120)),
}


def documents():
    """Each of our rules: name, id, whether it is a correlation, text."""
    for folder, _, names in os.walk(RULES):
        for name in sorted(names):
            if not name.endswith(".yml") or name.endswith(".test.yml") or os.path.basename(folder) == "mappings":
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as text:
                for document in text.read().split("\n---\n"):
                    found = re.search(r"^name: (\S+)$", document, re.MULTILINE).group(1)
                    yield (found, re.search(r"^id: (\S+)$", document, re.MULTILINE).group(1),
                           "\ncorrelation:" in document, document)


class OwnRules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ids = {name: identity for name, identity, _, _ in documents()}
        cls.kinds = {name: correlation for name, _, correlation, _ in documents()}
        place = mr.Workplace()
        cls.place = place.__enter__()
        cls.addClassCleanup(place.cleanup)
        with open(place.path("geo"), "wb") as out:
            out.write(mmdb([((203, 0, 113), "DE"), ((192, 0, 2), "DE"), ((198, 51, 100), "RU")]))
        for name, lines in [("networks", ["192.0.2.0/24 office egress"]), ("people", map(json.dumps, PEOPLE))]:
            with open(place.path(name), "w", encoding="utf-8") as out:
                out.writelines(line + "\n" for line in lines)
        subprocess.run([mr.PROGRAM, "identity", "import", "--store", place.path("store"), place.path("people")],
                       check=True, stdout=subprocess.DEVNULL)

    def scan(self, rules, records):
        with open(self.place.path("records"), "w", encoding="utf-8") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
        status, found, said = mr.scan(
            "-r", rules, "--tenant", "t", "--geoip", self.place.path("geo"), "--identity", self.place.path("store"),
            "--networks", self.place.path("networks"), "--workers", 1, "--summary", self.place.path("summary"),
            self.place.path("records"), env=self.place.environment)
        self.assertEqual(status, 0, said)
        counts = mr.summary(self.place.path("summary"))
        self.assertEqual((counts["rules_refused"], counts["rejected"], counts["unknown_kind"]), (0, 0, 0), said)
        return found

    def test_each_rule_has_records(self):
        self.assertEqual(sorted(DETECTIONS), sorted(name for name, correlation in self.kinds.items()
                                                    if not correlation))
        self.assertEqual(sorted(CORRELATIONS), sorted(name for name, correlation in self.kinds.items()
                                                      if correlation))

    def test_their_own_tests(self):
        """Those that stand beside the rules: an example for whoever writes some, and all are green."""
        done = subprocess.run([mr.PROGRAM, "rules", "test", "--json", RULES], capture_output=True, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertGreater(report["tests"], 50)
        self.assertEqual(report["untested"], [])

    def test_detections(self):
        # Without the correlations each makes alerts of its own.
        alone = self.place.path("alone.yml")
        with open(alone, "w", encoding="utf-8") as out:
            out.write("\n---\n".join(text for _, _, correlation, text in documents() if not correlation))
        wanted, unwanted, records = {}, {}, []
        for name, (good, near) in DETECTIONS.items():
            for at, record in enumerate(good + near):
                whole, identity = with_id(record, len(records))
                records.append(whole)
                (wanted if at < len(good) else unwanted)[self.ids[name], identity] = (name, at)
        found = {(alert["finding_info"]["analytic"]["uid"], alert["unmapped"]["millrace"]["key"][0])
                 for alert in self.scan(alone, records)}
        self.assertEqual([text for key, text in wanted.items() if key not in found], [], "did not fire")
        self.assertEqual([text for key, text in unwanted.items() if key in found], [], "fired on a near miss")

    def closure(self, name):
        """A file with a correlation and what it names: a rule that others name makes no alert of its own."""
        texts = {found: text for found, _, _, text in documents()}
        names = [name]
        for found in names:
            named = re.search(r"\n    rules:\n((?: {8}- \S+\n)+)", texts[found])
            names += re.findall(r"- (\S+)", named.group(1)) if named else []
        with open(self.place.path("closure.yml"), "w", encoding="utf-8") as out:
            out.write("\n---\n".join(texts[found] for found in dict.fromkeys(names)))
        return self.place.path("closure.yml")

    def test_correlations(self):
        for name, chains in CORRELATIONS.items():
            for fires, chain in zip((True, False), chains):
                with self.subTest(name, fires=fires):
                    records = [with_id(record, number)[0] for number, record in enumerate(chain)]
                    found = self.scan(self.closure(name), records)
                    rules = [alert["finding_info"]["analytic"]["uid"] for alert in found]
                    self.assertEqual(rules.count(self.ids[name]), int(fires))

    def test_an_outer_count_says_whose_alerts_it_counts(self):
        found = self.scan(RULES, [with_id(record, number)[0] for number, record in enumerate(each(100, download))])
        alert, = (alert for alert in found if alert["finding_info"]["analytic"]["uid"] == self.ids["mass_download"])
        self.assertTrue(alert["message"].startswith("Mass download: 1 alert of 'A hundred files were downloaded' "
                                                    "(1 or more within 1h); by "),
                        alert["message"])
        own = alert["unmapped"]["millrace"]
        self.assertEqual((alert["count"], own["alerts"], "records" in own), (1, 1, False))

    def test_alerts_say_what_matters(self):
        """What the rules' own `fields` have alerts say, in both of the logs that a record stands in."""
        shown = {"forwarding": (FORWARD, ["external recipient: x@example.org"], "email.to_external"),
                 "consent": (consent("Mail.Read offline_access")[:1], ["; new Permissions: [] => [[Id: 1, ConsentType: "
                             "Principal, Scope: Mail.Read offline_access]]"], "consentaction.permissions.newvalue"),
                 "role": (role("Mail.Read"), ["new AppRole.Value: Mail.Read"] * 4,
                          "modifiedproperties.approle.value.newvalue")}
        for name, (records, wanted, path) in shown.items():
            with self.subTest(name):
                found = self.scan(RULES, [with_id(record, number)[0] for number, record in enumerate(records)])
                self.assertEqual(len(found), len(wanted))
                for alert, part in zip(found, wanted):
                    self.assertIn(part, alert["message"])
                    evidence, = alert["unmapped"]["millrace"]["evidence"]
                    self.assertTrue(any(field.endswith(path) for field in evidence["fields"]), evidence["fields"])

    def test_each_promise_by_itself(self):
        """With all rules together, none of what README promises is swallowed by a correlation that it is part of."""
        promises = {
            "password_spray": spray(100), "first_app_credential": secret("[]")[:1], "risky_consent_given": CONSENT[:1],
            "app_full_mail_access_granted": role("full_access_as_app")[:1], "unknown_app_reads_mail": by_app(),
            "credential_then_sign_in": CREDENTIAL[:1] + vary(service_sign_in(ABROAD), 60),
            "mail_forwarding_set": FORWARD, "device_code_abroad": DEVICE_CODE[:1], "mass_download": each(100, download),
            "unified_audit_log_off": DETECTIONS["unified_audit_log_off"][0],
            "federation_settings_changed": FEDERATION[:1], "ews_grant": DETECTIONS["ews_grant"][0][:1]}
        for name, chain in promises.items():
            with self.subTest(name):
                found = self.scan(RULES, [with_id(record, number)[0] for number, record in enumerate(chain)])
                self.assertEqual([alert["finding_info"]["analytic"]["uid"] for alert in found
                                  if alert["severity_id"] >= 3].count(self.ids[name]), 1)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
