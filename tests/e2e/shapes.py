"""Made-up records in the forms that Microsoft's logs have them: fields, operations and texts are those of Microsoft
Graph, of Azure Monitor's envelopes, of the Office 365 Management Activity API schema and of the Entra ID activity
reference. Each function gives one event in every form that it has."""

import hashlib
import json

TENANT = "0873ee4d-d342-44f2-8961-74c442a2fad2"
TIME = "2026-05-04T10:11:12Z"
USER = {"id": "11111111-2222-3333-4444-555555555555", "displayName": "Ann", "userPrincipalName": "ann@example.com",
        "ipAddress": "203.0.113.7"}


def changed(name, old, new):
    return {"displayName": name, "oldValue": old, "newValue": new}


def target(kind="User", name=None, changes=(), **more):
    return {"id": "99999999-2222-3333-4444-555555555555", "displayName": name, "type": kind,
            "userPrincipalName": "bob@example.com", "groupType": None, "modifiedProperties": list(changes), **more}


def row(table, resource, **more):
    """The row of a table in Log Analytics: names begin with a capital, what is no text or number is JSON in a text."""
    columns = {name[0].upper() + name[1:]: json.dumps(value) if isinstance(value, (dict, list)) else value
               for name, value in resource.items()}
    return {"TimeGenerated": TIME, "Type": table, "AADTenantId": TENANT, **columns, **more}


def audit_forms(resource):
    """A directory audit as a Graph resource, as a diagnostics envelope, as a row of Log Analytics."""
    activity, address = resource["activityDisplayName"], USER["ipAddress"]
    envelope = {"time": TIME, "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam", "category": "AuditLogs",
                "operationName": activity, "operationVersion": "1.0", "tenantId": TENANT, "resultType": "",
                "resultSignature": "None", "durationMs": 0, "callerIpAddress": address, "level": 4,
                "properties": {**resource, "tenantId": TENANT}}
    return [resource, envelope, row("AuditLogs", resource, OperationName=activity, ResultType="", ResultDescription="",
                                    Identity="Ann", Level="4")]


def audit(activity, category="ApplicationManagement", *, service="Core Directory", result="success", reason="",
          targets=None, details=()):
    """A directory audit in each form."""
    return audit_forms({
        "category": category, "correlationId": "c", "result": result, "resultReason": reason,
        "activityDisplayName": activity, "activityDateTime": TIME, "loggedByService": service,
        "operationType": "Update", "initiatedBy": {"user": USER, "app": None},
        "targetResources": targets if targets is not None else [target()], "additionalDetails": list(details)})


def ual(operation, record_type, workload, **more):
    """A record of the Unified Audit Log."""
    return [{"CreationTime": TIME[:-1], "RecordType": record_type, "UserType": 0, "Version": 1, "UserKey": "10032000",
             "OrganizationId": TENANT, "Operation": operation, "Workload": workload, "UserId": "ann@example.com",
             "ClientIP": "203.0.113.7", **more}]


def directory(operation, **more):
    return ual(operation, 8, "AzureActiveDirectory", **{"ResultStatus": "Success", **more})


def sign_in_forms(resource):
    """A sign-in as a Graph resource, as a diagnostics envelope, as a row of Log Analytics."""
    status, country = resource["status"], resource["location"]["countryOrRegion"]
    code, reason = str(status["errorCode"]), status["failureReason"]
    wrapped = {"time": TIME, "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam", "category": "SignInLogs",
               "operationName": "Sign-in activity", "tenantId": TENANT, "resultType": code,
               "resultDescription": reason, "callerIpAddress": resource["ipAddress"], "location": country,
               "properties": {**resource, "tenantId": TENANT}}
    columns = {name: value for name, value in resource.items() if name not in ("ipAddress", "location")}
    return [resource, wrapped, row(
        "SigninLogs", columns, OperationName="Sign-in activity", Category="SignInLogs", ResultType=code,
        ResultDescription=reason, IPAddress=resource["ipAddress"], Location=country,
        LocationDetails=json.dumps(resource["location"]))]


def sign_in(code=0, reason="", *, detail="", **more):
    """A sign-in in each form."""
    return sign_in_forms({
        "createdDateTime": TIME, "userPrincipalName": "ann@example.com", "userId": USER["id"], "appId": "app",
        "appDisplayName": "App", "ipAddress": "203.0.113.7", "clientAppUsed": "Browser", "userAgent": "Mozilla",
        "conditionalAccessStatus": "notApplied", "authenticationRequirement": "multiFactorAuthentication",
        "authenticationProtocol": "none", "riskState": "none", "resourceDisplayName": "Microsoft Graph",
        "homeTenantId": TENANT, "resourceTenantId": TENANT, "networkLocationDetails": [
            {"networkType": "trustedNamedLocation", "networkNames": ["Office"]}],
        "deviceDetail": {"deviceId": "d1", "displayName": "PC", "isCompliant": True, "isManaged": True,
                         "trustType": "Azure AD joined", "operatingSystem": "Windows"},
        "location": {"city": "Bonn", "state": "NW", "countryOrRegion": "DE", "geoCoordinates": {}},
        "status": {"errorCode": code, "failureReason": reason, "additionalDetails": detail}, **more})


def logon(operation, error, text, **more):
    return ual(operation, 15, "AzureActiveDirectory", ErrorNumber=str(error), LogonError=text, **more)


def activity(operation, category="Administrative", resource=None):
    """An event of the Azure Activity Log: as an envelope, as a row of Log Analytics, as the REST interface has it."""
    resource = resource or "/subscriptions/s/resourceGroups/g/providers/" + operation.rsplit("/", 1)[0]
    caller = {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": "ann@example.com"}
    return [
        {"time": TIME, "resourceId": resource.upper(), "operationName": operation.upper(), "category": category,
         "resultType": "Success", "resultSignature": "Succeeded.", "callerIpAddress": "203.0.113.7",
         "correlationId": "c", "identity": {"claims": caller}, "level": "Information", "tenantId": TENANT},
        {"TimeGenerated": TIME, "OperationNameValue": operation.upper(), "CategoryValue": category,
         "OperationName": "Do it", "Category": category, "ResourceProvider": "",
         "ResourceProviderValue": operation.split("/", 1)[0].upper(), "ResourceId": resource,
         "ActivityStatusValue": "Success", "Caller": "ann@example.com", "CallerIpAddress": "203.0.113.7",
         "TenantId": TENANT},
        {"eventTimestamp": TIME, "operationName": {"value": operation, "localizedValue": "Do it"},
         "category": {"value": category, "localizedValue": category}, "resourceId": resource,
         "resourceProviderName": {"value": operation.split("/", 1)[0], "localizedValue": "x"},
         "status": {"value": "Succeeded"}, "caller": "ann@example.com", "claims": caller, "tenantId": TENANT,
         "httpRequest": {"clientIpAddress": "203.0.113.7"}},
    ]


def risk_forms(resource):
    """A risk detection as a Graph resource, as a diagnostics envelope, as a row of Log Analytics."""
    envelope = {"time": TIME, "resourceId": f"/tenants/{TENANT}/providers/Microsoft.aadiam", "tenantId": TENANT,
                "operationName": "User Risk Detection", "category": "UserRiskEvents", "properties": resource}
    return [resource, envelope, row("AADUserRiskEvents", resource, OperationName="User Risk Detection")]


def risk(event_type):
    """A risk detection in each form, and in the Unified Audit Log."""
    return risk_forms({
        "requestId": "r", "correlationId": "c", "riskEventType": event_type, "riskState": "atRisk",
        "riskLevel": "medium", "riskDetail": "none", "source": "IdentityProtection", "activity": "signin",
        "detectionTimingType": "realtime", "ipAddress": "203.0.113.7", "activityDateTime": TIME,
        "detectedDateTime": TIME, "userId": USER["id"], "userPrincipalName": "ann@example.com",
    }) + ual("RiskDetection", 294, "AzureActiveDirectory", RiskEventType=event_type, RiskLevel="medium",
             RiskState="atRisk", ActivityDateTime=TIME)


def is_of_resource(record):
    """Whether a vault or a cluster logged it: then it has no id of its own."""
    return record.get("category") in ("AuditEvent", "kube-audit-admin")


def forms(record):
    """A record, and the same event in the other forms in which the vendor has it."""
    resource = record.get("properties", record)
    if "CreationTime" in record:
        return [record]
    if "activityDisplayName" in resource:
        return [record] + audit_forms(resource)
    if "riskEventType" in resource:
        return [record] + risk_forms(resource)
    if "createdDateTime" in resource:
        return [record] + sign_in_forms(resource)
    if is_of_resource(record):
        return [record]
    operation = record["operationName"]
    name = operation["value"] if isinstance(operation, dict) else operation
    return [record] + activity(name, resource=record["resourceId"])


def alert(name):
    return ual("AlertTriggered", 40, "SecurityComplianceCenter", Name=name, AlertId="a", AlertType="System",
               Category="ThreatManagement", ResultStatus="Succeeded", Status="Active", Source="Cloud App Security")


def pim(title):
    return audit("Triggered PIM alert", "RoleManagement", service="PIM", targets=[target("Other", title)])


def with_id(record, number):
    """The record with an id of its own, and that id; of what a resource logs, written by `json.dumps`, its bytes'."""
    if is_of_resource(record):
        return record, hashlib.sha256(json.dumps(record).encode()).hexdigest()
    identity = f"00000000-0000-4000-8000-{number:012}"
    own = next((name for name in record if name.lower() == "id"), None)
    if own is None and "properties" in record:
        return {**record, "properties": {**record["properties"], "id": identity}}, identity
    return {**record, own or ("Id" if "CreationTime" in record else "id"): identity}, identity


def vary(records, minute=0, *, user="ann", address="203.0.113.7", **texts):
    """The same at another minute after the first, of another user, from another address; `texts` are further words
    to be replaced."""
    words = {"ann@example.com": f"{user}@example.com", "203.0.113.7": address,
             "2026-05-04T10:11": f"2026-05-04T{10 + (11 + minute) // 60:02}:{(11 + minute) % 60:02}", **texts}
    text = json.dumps(records)
    for old, new in words.items():
        text = text.replace(old, new)
    return json.loads(text)
