"""Each public rule against records in Microsoft's own shapes: a rule that loads and never fires guards nobody.

A rule that no record can satisfy, because it names what does not exist, stands in NEVER with the reason."""
import json
import os
import re
import sys
import unittest

import millrace_test as mr
from shapes import (TENANT, activity, alert, audit, both, changed, directory, logon, pim, risk, sign_in, target, ual,
                    with_id)

# ---- which record each rule is for ----

KUBERNETES = "Microsoft.Kubernetes/connectedClusters/"
FIRE = {
    # signinlogs
    "azure_ad_signin_axios_user_agent": sign_in(userAgent="axios/1.7.2"),
    "azure_ad_auth_to_important_apps_using_single_factor_auth":
        sign_in(appId="important", authenticationRequirement="singleFactorAuthentication"),
    "azure_ad_authentications_from_countries_you_do_not_operate_out_of": sign_in(),
    "azure_ad_failed_auth_from_countries_you_do_not_operate_out_of": sign_in(50126),
    "azure_privileged_account_sigin_expected_controls": sign_in(50126, ipAddress="198.51.100.1", envelope={
        "callerIpAddress": "198.51.100.1"}, deviceDetail={"deviceId": "bad-device"}),
    "azure_users_authenticating_to_other_azure_ad_tenants": sign_in(resourceTenantId="other"),
    "azure_account_lockout": sign_in(50053) + logon("UserLoginFailed", 50053, "IdsLocked"),
    "azure_ad_azurehound_discovery": sign_in(userAgent="azurehound/v2.0.4"),
    "azure_ad_device_registration_or_join_without_mfa": sign_in(
        resourceDisplayName="Device Registration Service", conditionalAccessStatus="success",
        authenticationRequirement="singleFactorAuthentication"),
    "azure_ad_only_single_factor_auth_required": sign_in(authenticationRequirement="singleFactorAuthentication"),
    "azure_ad_risky_sign_ins_with_singlefactorauth_from_unknown_devices": sign_in(
        authenticationRequirement="singleFactorAuthentication", riskState="atRisk",
        deviceDetail={"deviceId": "", "trustType": ""}) + sign_in(
            authenticationRequirement="singleFactorAuthentication", riskState="atRisk",
            deviceDetail={"deviceId": "", "trustType": None}),
    "azure_ad_sign_ins_from_noncompliant_devices": sign_in(deviceDetail={"deviceId": "d", "isCompliant": False}),
    "azure_ad_sign_ins_from_unknown_devices": sign_in(
        authenticationRequirement="singleFactorAuthentication", networkLocationDetails=[],
        deviceDetail={"deviceId": ""}) + sign_in(
            authenticationRequirement="singleFactorAuthentication", networkLocationDetails="[]",
            deviceDetail={"deviceId": ""}),
    "azure_ad_suspicious_signin_bypassing_mfa": sign_in(userAgent="BAV2ROPC"),
    "azure_app_device_code_authentication": sign_in(authenticationProtocol="deviceCode"),
    "azure_app_ropc_authentication": sign_in(authenticationProtocol="ropc"),
    "azure_blocked_account_attempt": sign_in(50057, "User account is disabled.") + logon(
        "UserLoginFailed", 50057, "UserDisabled"),
    "azure_conditional_access_failure": sign_in(
        53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token "
               "issuance."),
    "azure_login_to_disabled_account": sign_in(
        50057, "User account is disabled. The account has been disabled by an administrator."),
    "azure_mfa_denies": sign_in(500121, "Authentication failed during strong authentication request.",
                                detail="MFA denied; user declined the authentication"),
    "azure_mfa_interrupted": sign_in(500121, "Authentication failed during strong authentication request."),
    "azure_unusual_authentication_interruption": sign_in(50097, "Device authentication is required.") + sign_in(
        50155, "DeviceAuthenticationFailed") + sign_in(
            50158, "ExternalSecurityChallenge - External security challenge was not satisfied."),
    "azure_user_login_blocked_by_conditional_access": sign_in(53003) + logon(
        "UserLoginFailed", 53003, "BlockedByConditionalAccess"),
    # m365
    "microsoft365_susp_email_forwarding_activity": ual(
        "Set-Mailbox", 1, "Exchange", ResultStatus="True", Parameters=[
            {"Name": "Identity", "Value": "ann"}, {"Name": "ForwardingSmtpAddress", "Value": "smtp:x@example.org"}]
    ) + ual("New-InboxRule", 1, "Exchange", Parameters=[{"Name": "ForwardTo", "Value": "x@example.org"}]) + ual(
        "UpdateInboxRules", 2, "Exchange", OperationProperties=[{"Name": "RuleActions", "Value": "[{\"ActionType\":"
                                                                 "\"Forward\"}]"}]),
    "microsoft365_susp_inbox_rule_creation_or_update_activity": ual(
        "Set-InboxRule", 1, "Exchange", Parameters=[{"Name": "DeleteMessage", "Value": "True"}]),
    "microsoft365_bypass_conditional_access": logon(
        "UserLoggedIn", 0, "", ApplicationId="9ba1a5c7-f17a-4de9-a1f1-6178c8d51223", ResultStatus="Success",
        ObjectId="00000003-0000-0000-c000-000000000000",
        ExtendedProperties=[{"Name": "RequestType", "Value": "Cmsi:Cmsi"}]),
    "microsoft365_disabling_mfa": directory("Disable Strong Authentication."),
    "microsoft365_new_federated_domain_added_audit": directory("Add unverified domain."),
    "microsoft365_suspicious_email_delivered": ual("TIMailData", 28, "ThreatIntelligence", Directionality="Inbound",
                                                   DeliveryAction="Delivered"),
    "microsoft365_new_federated_domain_added_exchange": ual("Add-FederatedDomain", 1, "Exchange", ResultStatus="True"),
    "microsoft365_from_susp_ip_addresses": alert("Activity from suspicious IP addresses"),
    "microsoft365_activity_by_terminated_user": alert("Activity performed by terminated user"),
    "microsoft365_activity_from_anonymous_ip_addresses": alert("Activity from anonymous IP addresses"),
    "microsoft365_activity_from_infrequent_country": alert("Activity from infrequent country"),
    "microsoft365_data_exfiltration_to_unsanctioned_app": alert("Data exfiltration to unsanctioned apps"),
    "microsoft365_impossible_travel_activity": alert("Impossible travel activity"),
    "microsoft365_logon_from_risky_ip_address": alert("Log on from a risky IP address"),
    "microsoft365_potential_ransomware_activity": alert("Potential ransomware activity"),
    "microsoft365_pst_export_alert": alert("eDiscovery search started or exported"),
    "microsoft365_pst_export_alert_using_new_compliancesearchaction": ual(
        "New-ComplianceSearchAction", 18, "SecurityComplianceCenter", Parameters="-SearchName \"q\" -Export -Format "
        "\"Fxstream pst\""),
    "microsoft365_susp_inbox_forwarding": alert("Suspicious inbox forwarding"),
    "microsoft365_susp_oauth_app_file_download_activities": alert("Suspicious OAuth app file download activities"),
    "microsoft365_unusual_volume_of_file_deletion": alert("Unusual volume of file deletion"),
    "microsoft365_user_restricted_from_sending_email": alert("User restricted from sending email"),
    # activitylogs
    "azure_aadhybridhealth_adfs_new_server": [
        {**event, "ResourceId" if "ResourceId" in event else "resourceId":
         "/providers/Microsoft.ADHybridHealthService/services/AdFederationService-sts.example.com"}
        for event in activity("Microsoft.ADHybridHealthService/services/servicemembers/action")],
    "azure_aadhybridhealth_adfs_service_delete": [
        {**event, "ResourceId" if "ResourceId" in event else "resourceId":
         "/providers/Microsoft.ADHybridHealthService/services/AdFederationService-sts.example.com"}
        for event in activity("Microsoft.ADHybridHealthService/services/delete")],
    "azure_application_gateway_modified_or_deleted": activity("Microsoft.Network/applicationGateways/write"),
    "azure_application_security_group_modified_or_deleted": activity(
        "Microsoft.Network/applicationSecurityGroups/delete"),
    "azure_container_registry_created_or_deleted": activity("Microsoft.ContainerRegistry/registries/write"),
    "azure_creating_number_of_resources_detection": activity("Microsoft.Compute/virtualMachines/write"),
    "azure_device_or_configuration_modified_or_deleted": audit("Delete device", "Device"),
    "azure_dns_zone_modified_or_deleted": activity("Microsoft.Network/dnszones/A/write"),
    "azure_firewall_modified_or_deleted": activity("Microsoft.Network/azureFirewalls/delete"),
    "azure_firewall_rule_collection_modified_or_deleted": activity(
        "Microsoft.Network/azureFirewalls/natRuleCollections/write"),
    "azure_granting_permission_detection": activity("Microsoft.Authorization/roleAssignments/write"),
    "azure_keyvault_key_modified_or_deleted": activity("Microsoft.KeyVault/vaults/keys/delete"),
    "azure_keyvault_modified_or_deleted": activity("Microsoft.KeyVault/vaults/write"),
    "azure_keyvault_secrets_modified_or_deleted": activity("Microsoft.KeyVault/vaults/secrets/setSecret/action"),
    "azure_kubernetes_admission_controller": activity(
        KUBERNETES + "admissionregistration.k8s.io/mutatingwebhookconfigurations/write"),
    "azure_kubernetes_cluster_created_or_deleted": activity("Microsoft.Kubernetes/connectedClusters/write"),
    "azure_kubernetes_cronjob": activity("Microsoft.ContainerService/managedClusters/batch/cronjobs/write"),
    "azure_kubernetes_events_deleted": activity(KUBERNETES + "events.k8s.io/events/delete"),
    "azure_kubernetes_network_policy_change": activity(KUBERNETES + "networking.k8s.io/networkpolicies/write"),
    "azure_kubernetes_pods_deleted": activity(KUBERNETES + "pods/delete"),
    "azure_kubernetes_role_access": activity(KUBERNETES + "rbac.authorization.k8s.io/clusterroles/escalate/action"),
    "azure_kubernetes_rolebinding_modified_or_deleted": activity(
        KUBERNETES + "rbac.authorization.k8s.io/rolebindings/write"),
    "azure_kubernetes_secret_or_config_object_access": activity(KUBERNETES + "secrets/write"),
    "azure_kubernetes_service_account_modified_or_deleted": activity(KUBERNETES + "serviceaccounts/write"),
    "azure_network_firewall_policy_modified_or_deleted": activity("Microsoft.Network/firewallPolicies/write"),
    "azure_network_firewall_rule_modified_or_deleted": activity(
        "Microsoft.Network/firewallPolicies/ruleCollectionGroups/write"),
    "azure_network_p2s_vpn_modified_or_deleted": activity("Microsoft.Network/p2sVpnGateways/reset/action"),
    "azure_network_security_modified_or_deleted": activity(
        "Microsoft.Network/networkSecurityGroups/securityRules/write"),
    "azure_network_virtual_device_modified_or_deleted": activity("Microsoft.Network/networkInterfaces/delete"),
    "azure_new_cloudshell_created": activity("Microsoft.Portal/consoles/write"),
    "azure_rare_operations": activity("Microsoft.Storage/storageAccounts/listKeys/action"),
    "azure_subscription_permissions_elevation_via_activitylogs": activity(
        "Microsoft.Authorization/elevateAccess/action"),
    "azure_suppression_rule_created": activity("Microsoft.Security/alertsSuppressionRules/write"),
    "azure_virtual_network_modified_or_deleted": activity("Microsoft.Network/virtualNetworks/subnets/delete"),
    "azure_vpn_connection_modified_or_deleted": activity("Microsoft.Network/vpnGateways/vpnConnections/write"),
    # auditlogs
    "azure_ad_guest_users_invited_to_tenant_by_non_approved_inviters": audit(
        "Invite external user", "UserManagement", service="Invited Users"),
    "azure_aad_secops_ca_policy_removedby_bad_actor": both("Delete conditional access policy", "Policy"),
    "azure_aad_secops_ca_policy_updatedby_bad_actor": both("Update conditional access policy", "Policy"),
    "azure_aad_secops_new_ca_policy_addedby_bad_actor": both("Add conditional access policy", "Policy"),
    "azure_ad_account_created_deleted": both("Add user", "UserManagement"),
    "azure_ad_bitlocker_key_retrieval": audit("Read BitLocker key", "KeyManagement", service="Device Registration "
                                              "Service"),
    "azure_ad_certificate_based_authencation_enabled": audit(
        "Authentication Methods Policy Update", "ApplicationManagement", service="Authentication Methods",
        targets=[target("Other", changes=[changed("AuthenticationMethodsPolicy", "{}", "{\"state\":\"enabled\"}")])]),
    "azure_ad_device_registration_policy_changes": audit("Set device registration policies", "Policy"),
    "azure_ad_new_root_ca_added": audit("Set Company Information", "DirectoryManagement", targets=[target(
        "Directory", changes=[changed("TrustedCAsForPasswordlessAuth", "[]", "[\"MII\"]"),
                              changed("Included Updated Properties", None, "\"TrustedCAsForPasswordlessAuth\"")])]),
    "azure_ad_user_added_to_admin_role": audit("Add member to role", "RoleManagement", targets=[target(
        changes=[changed("Role.DisplayName", None, "\"Helpdesk Administrator\"")])]),
    "azure_ad_users_added_to_device_admin_roles": audit("Add member to role", "RoleManagement", targets=[target(
        changes=[changed("Role.TemplateId", None, "\"62e90394-69f5-4237-9190-012177145e10\"")])]),
    "azure_app_appid_uri_changes": both("Update application"),
    "azure_app_credential_added": audit("Update application \u2013 Certificates and secrets management ") + directory(
        "Update application \u2013 Certificates and secrets management "),
    "azure_app_delegated_permissions_all_users": both("Add delegated permission grant"),
    "azure_app_end_user_consent": audit("Consent to application", targets=[target("ServicePrincipal", changes=[
        changed("ConsentContext.IsAdminConsent", None, "\"False\"")])]) + directory(
            "Consent to application.", ModifiedProperties=[
                {"Name": "ConsentContext.IsAdminConsent", "OldValue": "", "NewValue": "False"}]),
    "azure_app_end_user_consent_blocked": audit(
        "Consent to application", result="failure",
        reason="Microsoft.online.Security.userConsentBlockedForRiskyAppsExceptions"),
    "azure_app_owner_added": both("Add owner to application"),
    "azure_app_permissions_msft": both("Add app role assignment to service principal"),
    "azure_app_privileged_permissions": both("Add app role assignment to service principal"),
    "azure_app_role_added": audit("Add member to role", "RoleManagement", targets=[target("ServicePrincipal")]),
    "azure_app_uri_modifications": audit("Update application", targets=[target("Application", changes=[
        changed("AppAddress", "[]", "[{\"Address\":\"https://example.org\"}]")])]),
    "azure_application_deleted": both("Hard delete application"),
    "azure_auditlogs_laps_credential_dumping": audit(
        "Recover device local administrator password", "Device", service="Device Registration Service", details=[
            {"key": "additionalInfo", "value": "Successfully recovered local credential by device id"}]),
    "azure_change_to_authentication_method": audit("User registered security info", "UserManagement",
                                                   service="Authentication Methods"),
    "azure_device_no_longer_managed_or_compliant": both("Device no longer compliant", "Device"),
    "azure_federation_modified": both("Set federation settings on domain", "DirectoryManagement"),
    "azure_group_user_addition_ca_modification": both("Add member to group", "GroupManagement"),
    "azure_group_user_removal_ca_modification": both("Remove member from group", "GroupManagement"),
    "azure_guest_invite_failure": audit("Invite external user", "UserManagement", result="failure"),
    "azure_guest_to_member": audit("Update user", "UserManagement", targets=[target(changes=[
        changed("UserType", "[\"Guest\"]", "[\"Member\"]")])]),
    "azure_mfa_disabled": both("Disable Strong Authentication", "UserManagement"),
    "azure_owner_removed_from_application_or_service_principal": both("Remove owner from service principal"),
    "azure_pim_activation_approve_deny": audit("Add member to role request denied (PIM activation)", "RoleManagement",
                                               service="PIM"),
    "azure_pim_alerts_disabled": audit("Disable PIM alert", "RoleManagement", service="PIM"),
    "azure_pim_change_settings": audit("Update role setting in PIM", "RoleManagement", service="PIM"),
    "azure_priviledged_role_assignment_add": audit("Add eligible member to role in PIM completed (permanent)",
                                                   "RoleManagement", service="PIM"),
    "azure_priviledged_role_assignment_bulk_change": audit(
        "Remove eligible member from role in PIM completed (timebound)", "RoleManagement", service="PIM"),
    "azure_service_principal_created": both("Add service principal"),
    "azure_service_principal_removed": both("Remove service principal"),
    "azure_subscription_permissions_elevation_via_auditlogs": audit(
        "User has elevated their access to User Access Administrator for their Azure Resources",
        "AzureRBACRoleManagementElevateAccess", service="Azure RBAC (Elevated Access)"),
    "azure_tap_added": audit("Admin registered security info", "UserManagement", service="Authentication Methods",
                             reason="Admin registered temporary access pass method for user"),
    "azure_update_risk_and_mfa_registration_policy": audit("Update User Risk and MFA Registration Policy", "Policy",
                                                           service="AAD Management UX"),
    "azure_user_account_mfa_disable": audit("Update user", "UserManagement", targets=[target(changes=[changed(
        "StrongAuthenticationRequirement", "[]", "[{\"RelyingParty\":\"*\",\"State\":0}]")])]),
    # riskdetection
    "azure_identity_protection_anomalous_token": risk("anomalousToken"),
    "azure_identity_protection_anomalous_user": risk("anomalousUserActivity"),
    "azure_identity_protection_anonymous_ip_activity": risk("riskyIPAddress"),
    "azure_identity_protection_anonymous_ip_address": risk("anonymizedIPAddress"),
    "azure_identity_protection_atypical_travel": risk("unlikelyTravel"),
    "azure_identity_protection_impossible_travel": risk("impossibleTravel"),
    "azure_identity_protection_inbox_forwarding_rule": risk("suspiciousInboxForwarding"),
    "azure_identity_protection_inbox_manipulation": risk("mcasSuspiciousInboxManipulationRules"),
    "azure_identity_protection_leaked_credentials": risk("leakedCredentials"),
    "azure_identity_protection_malicious_ip_address": risk("maliciousIPAddress"),
    "azure_identity_protection_malicious_ip_address_suspicious": risk("suspiciousIPAddress"),
    "azure_identity_protection_malware_linked_ip": risk("malwareInfectedIPAddress"),
    "azure_identity_protection_new_coutry_region": risk("newCountry"),
    "azure_identity_protection_password_spray": risk("passwordSpray"),
    "azure_identity_protection_prt_access": risk("attemptedPrtAccess"),
    "azure_identity_protection_suspicious_browser": risk("suspiciousBrowser"),
    "azure_identity_protection_threat_intel": risk("investigationsThreatIntelligence"),
    "azure_identity_protection_token_issuer_anomaly": risk("tokenIssuerAnomaly"),
    "azure_identity_protection_unfamilar_sign_in": risk("unfamiliarFeatures"),
    # pim
    "azure_pim_account_stale": pim("Potential stale accounts in a privileged role"),
    "azure_pim_invalid_license": pim("The organization doesn't have Microsoft Entra ID P2 or Microsoft Entra ID "
                                     "Governance"),
    "azure_pim_role_assigned_outside_of_pim": pim(
        "Roles are being assigned outside of Privileged Identity Management"),
    "azure_pim_role_frequent_activation": pim("Roles are being activated too frequently"),
    "azure_pim_role_no_mfa_required": pim("Roles don't require multi-factor authentication for activation"),
    "azure_pim_role_not_used": pim("Administrators aren't using their privileged roles"),
    "azure_pim_too_many_global_admins": pim("There are too many Global Administrators"),
}

NEVER = {
    "azure_ad_account_created_deleted_nonapproved_user": "asks for the status \"Sucess\", which is misspelt",
    "azure_legacy_authentication_protocols": "asks for the user \"UPN\", a word to be replaced",
    "azure_privileged_account_creation": "asks for two activities in the name of one",
    "azure_user_password_change": "asks for the initiator and target \"UPN\", a word to be replaced",
}

PLACEHOLDERS = """Approved_Inviters: [inviter@example.com]
ApprovedUserUpn: [approved@example.com]
Important_AppIds: [important]
Known_Location: [US]
KNOWN_LOCATION: [US]
UnLegitCountries: [DE]
UnApprovedIp: [198.51.100.1]
UnApprovedDevice: [bad-device]
HomeTenantID: [%s]
""" % TENANT

# Everyday records: no rule is for them. `not filter` rules of sign-ins are for all that is not known, so these
# sign-ins come from a known location.
QUIET = audit("Update group", "GroupManagement") + directory("Update group.") + activity(
    "Microsoft.Insights/metricAlerts/read") + sign_in(
        location={"countryOrRegion": "US"}, envelope={"location": "US"}) + alert("Unusual volume of something") + ual(
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


class Fire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = mr.shared("sigma")
        cls.ids = rule_ids(cls.folder)
        cls.wanted = []  # rule, which of its records, record id
        cls.quiet = set()
        with mr.Workplace() as place:
            number = 0
            with open(place.path("records"), "w", encoding="utf-8") as out:
                for name, records in [*FIRE.items(), (None, QUIET)]:
                    for at, record in enumerate(records):
                        number += 1
                        whole, identity = with_id(record, number)
                        out.write(json.dumps(whole) + "\n")
                        if name is None:
                            cls.quiet.add(identity)
                        else:
                            cls.wanted.append((name, at, identity))
            with open(place.path("values"), "w", encoding="utf-8") as out:
                out.write(PLACEHOLDERS)
            cls.status, found, cls.said = mr.scan(
                "-r", cls.folder, "--placeholders", place.path("values"), "--workers", 1,
                "--summary", place.path("summary"), place.path("records"), env=place.environment)
            cls.summary = mr.summary(place.path("summary"))
        cls.fired = {(alert["finding_info"]["analytic"]["uid"], alert["unmapped"]["millrace"]["key"][0])
                     for alert in found}

    def test_every_rule_has_a_verdict(self):
        self.assertEqual(sorted([*FIRE, *NEVER]), sorted(self.ids))

    def test_all_is_read(self):
        self.assertEqual(self.status, 0, self.said)
        self.assertEqual((self.summary["rules_refused"], self.summary["rules_inactive"], self.summary["rejected"],
                          self.summary["unknown_kind"]), (0, 0, 0, 0))

    def test_each_fires(self):
        silent = [(name, at) for name, at, identity in self.wanted if (self.ids[name], identity) not in self.fired]
        self.assertEqual(silent, [])

    def test_the_others_do_not(self):
        never = {self.ids[name]: name for name in NEVER}
        self.assertEqual([never[rule] for rule, _ in self.fired if rule in never], [])

    def test_everyday_records_are_quiet(self):
        names = {rule: name for name, rule in self.ids.items()}
        self.assertEqual([(names[rule], key) for rule, key in self.fired if key in self.quiet], [])


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
