"""Checks alerts against OCSF 1.3.0, Detection Finding (class 2004): strictly, for the parts that Millrace emits.

    ocsf_check.py FILE...        exit 0 and a count, or each breach with its line and path, and exit 1

The table below was written from github.com/ocsf/ocsf-schema, tag 1.3.0. An attribute that is not in it is a breach,
so a part that is emitted anew must be looked up in the schema first. Every breach names the alert's line and path.
"""
import ipaddress
import json
import re
import sys
from datetime import datetime, timezone

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
DATETIME = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?$")
EMAIL = re.compile(r"^[a-zA-Z0-9!#$%&'*+-/=?^_`{|}~.]+@[a-zA-Z0-9-]+\.[a-zA-Z0-9-.]+$")


def is_int(value, least=-LONG_MAX - 1, most=LONG_MAX):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_ip(value):
    try:
        ipaddress.ip_address(value)
        return isinstance(value, str) and "%" not in value
    except ValueError:
        return False


TYPES = {
    "string_t": lambda v: isinstance(v, str),
    "integer_t": lambda v: is_int(v, -INT_MAX - 1, INT_MAX),
    "long_t": is_int,
    "timestamp_t": is_int,
    "datetime_t": lambda v: isinstance(v, str) and DATETIME.match(v),
    "boolean_t": lambda v: isinstance(v, bool),
    "float_t": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "port_t": lambda v: is_int(v, 0, 65535),
    "ip_t": is_ip,
    "email_t": lambda v: isinstance(v, str) and EMAIL.match(v),
    "url_t": lambda v: isinstance(v, str) and v,
    "json_t": lambda v: True,
}

# Enumerations: id attribute -> {id: caption}. Where the sibling text stands beside an id that is not 99, it is the caption.
SEVERITY = {0: "Unknown", 1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal", 99: None}
STATUS = {0: "Unknown", 1: "New", 2: "In Progress", 3: "Suppressed", 4: "Resolved", 99: None}
ACTIVITY = {0: "Unknown", 1: "Create", 2: "Update", 3: "Close", 99: None}
ANALYTIC = {0: "Unknown", 1: "Rule", 2: "Behavioral", 3: "Statistical", 4: "Learning (ML/DL)", 99: None}
USER = {0: "Unknown", 1: "User", 2: "Admin", 3: "System", 99: None}
RISK = {0: "Info", 1: "Low", 2: "Medium", 3: "High", 4: "Critical", 99: None}
OBSERVABLE = {0: "Unknown", 1: "Hostname", 2: "IP Address", 4: "User Name", 5: "Email Address", 10: "Resource UID",
              16: "HTTP User-Agent", 99: None}
DEVICE = {0: "Unknown", 1: "Server", 2: "Desktop", 3: "Laptop", 4: "Tablet", 5: "Mobile", 6: "Virtual", 99: None}
SYSTEM = {0: "Unknown", 99: None, 100: "Windows", 101: "Windows Mobile", 200: "Linux", 201: "Android", 300: "macOS",
          301: "iOS", 302: "iPadOS", 400: "Solaris", 401: "AIX", 402: "HP-UX"}

# object -> (attributes, constraint). An attribute: name -> (type or object, "[]" for arrays, "!" where required, enumeration).
REQ, MANY = "!", "[]"
OBJECTS = {
    "detection_finding": ({
        "activity_id": ("integer_t", REQ, ACTIVITY), "activity_name": ("string_t",),
        "category_uid": ("integer_t", REQ), "category_name": ("string_t",),
        "class_uid": ("integer_t", REQ), "class_name": ("string_t",),
        "type_uid": ("long_t", REQ), "type_name": ("string_t",),
        "time": ("timestamp_t", REQ), "time_dt": ("datetime_t",),
        "start_time": ("timestamp_t",), "start_time_dt": ("datetime_t",),
        "end_time": ("timestamp_t",), "end_time_dt": ("datetime_t",),
        "severity_id": ("integer_t", REQ, SEVERITY), "severity": ("string_t",),
        "status_id": ("integer_t", "", STATUS), "status": ("string_t",),
        "message": ("string_t",), "count": ("integer_t",),
        "finding_info": ("finding_info", REQ), "metadata": ("metadata", REQ),
        "evidences": ("evidences", MANY), "observables": ("observable", MANY),
        "resources": ("resource_details", MANY), "actor": ("actor",), "unmapped": ("object",),
    }, []),
    "metadata": ({
        "version": ("string_t", REQ), "product": ("product", REQ), "profiles": ("string_t", MANY),
        "tenant_uid": ("string_t",), "uid": ("string_t",), "labels": ("string_t", MANY),
    }, []),
    "product": ({"name": ("string_t",), "uid": ("string_t",), "vendor_name": ("string_t", REQ),
                 "version": ("string_t",)}, ["name", "uid"]),
    "finding_info": ({
        "uid": ("string_t", REQ), "title": ("string_t", REQ), "desc": ("string_t",), "analytic": ("analytic",),
        "related_analytics": ("analytic", MANY), "attacks": ("attack", MANY), "data_sources": ("string_t", MANY),
        "first_seen_time": ("timestamp_t",), "first_seen_time_dt": ("datetime_t",),
        "last_seen_time": ("timestamp_t",), "last_seen_time_dt": ("datetime_t",), "src_url": ("url_t",),
    }, []),
    "analytic": ({"uid": ("string_t",), "name": ("string_t",), "type_id": ("integer_t", REQ, ANALYTIC),
                  "type": ("string_t",), "category": ("string_t",), "version": ("string_t",)}, ["name", "uid"]),
    "attack": ({"tactic": ("tactic",), "technique": ("technique",), "sub_technique": ("technique",)},
               ["tactic", "technique", "sub_technique"]),
    "tactic": ({"name": ("string_t",), "uid": ("string_t",), "src_url": ("url_t",)}, ["name", "uid"]),
    "technique": ({"name": ("string_t",), "uid": ("string_t",), "src_url": ("url_t",)}, ["name", "uid"]),
    "observable": ({"name": ("string_t", REQ), "type_id": ("integer_t", REQ, OBSERVABLE), "type": ("string_t",),
                    "value": ("string_t",)}, []),
    "resource_details": ({"name": ("string_t",), "uid": ("string_t",), "type": ("string_t",)}, ["name", "uid"]),
    "evidences": ({"actor": ("actor",), "api": ("api",), "src_endpoint": ("network_endpoint",), "device": ("device",),
                   "user": ("user",), "data": ("json_t",)},
                  ["actor", "api", "src_endpoint", "device", "user", "data"]),
    "actor": ({"user": ("user",), "session": ("session",), "app_name": ("string_t",), "app_uid": ("string_t",)},
              ["user", "session", "app_name", "app_uid"]),
    "user": ({
        "name": ("string_t",), "uid": ("string_t",), "full_name": ("string_t",), "email_addr": ("email_t",),
        "type_id": ("integer_t", "", USER), "type": ("string_t",), "risk_level_id": ("integer_t", "", RISK),
        "risk_level": ("string_t",), "groups": ("group", MANY), "org": ("organization",),
        "ldap_person": ("ldap_person",),
    }, ["name", "uid"]),
    "group": ({"name": ("string_t",), "uid": ("string_t",), "type": ("string_t",)}, ["name", "uid"]),
    "organization": ({"name": ("string_t",), "uid": ("string_t",), "ou_name": ("string_t",)}, ["name", "uid"]),
    "ldap_person": ({"job_title": ("string_t",), "labels": ("string_t", MANY), "location": ("location",),
                     "manager": ("user",)}, []),
    "session": ({"uid": ("string_t",), "is_mfa": ("boolean_t",)}, []),
    "network_endpoint": ({"ip": ("ip_t",), "port": ("port_t",), "location": ("location",),
                          "autonomous_system": ("autonomous_system",), "zone": ("string_t",)}, ["ip"]),
    "location": ({"city": ("string_t",), "country": ("string_t",), "region": ("string_t",), "lat": ("float_t",),
                  "long": ("float_t",)}, ["city", "country", "region"]),
    "autonomous_system": ({"number": ("integer_t",), "name": ("string_t",)}, ["number", "name"]),
    "device": ({"name": ("string_t",), "type_id": ("integer_t", REQ, DEVICE), "os": ("os",)}, ["name"]),
    "os": ({"name": ("string_t", REQ), "type_id": ("integer_t", REQ, SYSTEM), "type": ("string_t",)}, []),
    "api": ({"operation": ("string_t", REQ), "service": ("service",), "response": ("response",)}, []),
    "service": ({"name": ("string_t",), "uid": ("string_t",)}, ["name", "uid"]),
    "response": ({"message": ("string_t",), "error": ("string_t",), "error_message": ("string_t",)}, []),
}

# What Millrace itself promises under unmapped.millrace: name -> (check, required).
OWN = {
    "tenant": (lambda v: isinstance(v, str) and v, True),
    "key": (lambda v: isinstance(v, list) and all(isinstance(k, str) for k in v), True),
    "slot": (is_int, True),
    "records": (lambda v: is_int(v, 0), False),
    "alerts": (lambda v: is_int(v, 0), False),
    "values": (lambda v: is_int(v, 1), False),
    "lower_bound": (TYPES["boolean_t"], True),
    "time_unknown": (lambda v: v is True, False),
    "group_by": (lambda v: isinstance(v, list) and v, False),
    "timespan_seconds": (lambda v: is_int(v, 0), False),
    "condition": (lambda v: isinstance(v, dict) and v and set(v) <= {"field", "percentile", "gte", "gt", "lte", "lt", "eq", "neq"}, False),
    "value": (lambda v: isinstance(v, (int, float, str)), False),
    "value_time": (is_int, False),
    "value_time_dt": (TYPES["datetime_t"], False),
    "rule_file": (TYPES["string_t"], True),
    "rule_line": (lambda v: is_int(v, 0), True),
    "rule_status": (TYPES["string_t"], False),
    "rule_author": (TYPES["string_t"], False),
    "references": (lambda v: isinstance(v, list) and v, False),
    "false_positives": (lambda v: isinstance(v, list) and v, False),
    "evidence": (lambda v: isinstance(v, list), True),
}
# Of a rule that was refused: no record made it.
OWN_REFUSED = {
    "refused": (lambda v: isinstance(v, str) and v, True),
    "rule_file": (TYPES["string_t"], True),
    "rule_line": (lambda v: is_int(v, 0), True),
}
# Of state that was given up: likewise.
OWN_SHED = {
    "state_shed": (lambda v: is_int(v, 1), True),
    "since": (TYPES["datetime_t"], True),
}
OWN_EVIDENCE = {
    "time": (is_int, False), "time_dt": (TYPES["datetime_t"], False),
    "record_id": (TYPES["string_t"], True), "kind": (TYPES["string_t"], True),
    "logsource": (TYPES["string_t"], False),
    "rule": (TYPES["string_t"], True), "rule_title": (TYPES["string_t"], True),
    "rule_alert": (lambda v: set(v) == {"uid", "slot"} and re.match(r"^[0-9a-f]{32}$", v["uid"]) and is_int(v["slot"]), False),
    "detections": (lambda v: isinstance(v, list) and all(set(one) == {"uid", "title"} for one in v), False),
    "source": (TYPES["string_t"], True), "offset": (lambda v: isinstance(v, int) and v >= 0, True),
    "length": (lambda v: is_int(v, 0), True),
    "hash": (lambda v: isinstance(v, str) and re.match(r"^xxh3:[0-9a-f]{16}$", v), True),
    "intact": (TYPES["boolean_t"], True), "problem": (TYPES["string_t"], False),
    "fields": (lambda v: isinstance(v, dict) and v, False),
}


TWIN = "\0twin"


def keep_twins(pairs):
    """An object, with a mark where a key is given twice: allowed in a record, which is anybody's, nowhere else."""
    value = dict(pairs)
    if len(value) != len(pairs):
        value[TWIN] = True
    return value


def check_twins(value, where):
    if isinstance(value, dict):
        if TWIN in value:
            yield f"{where}: a key is given twice"
        for name, item in value.items():
            if not (name == "data" and ".evidences[" in where):
                yield from check_twins(item, f"{where}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from check_twins(item, f"{where}[{number}]")


def check_enum(value, name, attribute, whole, where):
    captions = attribute[2]
    if value not in captions:
        yield f"{where}.{name}: {value} is none of {sorted(captions)}"
        return
    sibling = {"activity_id": "activity_name"}.get(name, name[:-3])
    text = whole.get(sibling)
    if captions[value] is None and text is None:
        yield f"{where}.{name}: 99 (Other) needs {sibling}"
    if captions[value] is not None and text is not None and text.lower() != captions[value].lower() \
            and not (name == "risk_level_id" and value == 0):
        yield f"{where}.{sibling}: {text!r} is not {captions[value]!r}"


def check_value(value, kind, where):
    if kind in TYPES:
        if not TYPES[kind](value):
            yield f"{where}: {value!r} is no {kind}"
    elif kind == "object":
        if not isinstance(value, dict):
            yield f"{where}: no object"
    else:
        yield from check_object(value, kind, where)


def check_object(value, kind, where):
    attributes, one_of = OBJECTS[kind]
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {kind}"
        return
    if one_of and not any(name in value for name in one_of):
        yield f"{where}: none of {one_of}"
    for name, attribute in attributes.items():
        if REQ in attribute[1:2] and name not in value:
            yield f"{where}.{name}: required and missing"
    for name, item in value.items():
        attribute = attributes.get(name)
        if attribute is None:
            yield f"{where}.{name}: not in the schema's {kind}"
        elif MANY in attribute[1:2]:
            if not isinstance(item, list) or not item:
                yield f"{where}.{name}: no array with items"
                continue
            for number, element in enumerate(item):
                yield from check_value(element, attribute[0], f"{where}.{name}[{number}]")
        else:
            yield from check_value(item, attribute[0], f"{where}.{name}")
            if len(attribute) > 2:
                yield from check_enum(item, name, attribute, value, where)


def check_table(value, table, where):
    if not isinstance(value, dict):
        yield f"{where}: no object"
        return
    for name, (check, required) in table.items():
        if name in value and not check(value[name]):
            yield f"{where}.{name}: {value[name]!r} is wrong"
        if name not in value and required:
            yield f"{where}.{name}: missing"
    for name in value:
        if name not in table:
            yield f"{where}.{name}: unknown"


def check_times(value, where):
    """Each time and its text say the same; a text without fraction stands for whole seconds."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name.endswith("_dt") and name[:-3] in value and isinstance(item, str) and item.endswith("Z"):
                head, _, fraction = item[:-1].partition(".")
                seconds = datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
                micros = int(fraction.ljust(6, "0")[:6] or 0)
                if int(seconds.timestamp()) * 1000 + micros // 1000 != value[name[:-3]]:
                    yield f"{where}.{name}: {item} is not {value[name[:-3]]} ms"


def check_alert(alert):
    yield from check_object(alert, "detection_finding", "alert")
    yield from check_times(alert, "alert")
    yield from check_times(alert.get("finding_info"), "alert.finding_info")
    for name, want in (("class_uid", 2004), ("category_uid", 2), ("type_uid", 200400 + alert.get("activity_id", 0))):
        if alert.get(name) != want:
            yield f"alert.{name}: {alert.get(name)!r} is not {want}"
    if alert.get("metadata", {}).get("version") != "1.3.0":
        yield "alert.metadata.version: not 1.3.0"
    uid = alert.get("finding_info", {}).get("uid")
    if not isinstance(uid, str) or not re.match(r"^[0-9a-f]{32}$", uid):
        yield f"alert.finding_info.uid: {uid!r} is no alert id"
    if not alert.get("finding_info", {}).get("analytic", {}).get("uid"):
        yield "alert.finding_info.analytic.uid: missing"
    unmapped = alert.get("unmapped")
    if not isinstance(unmapped, dict) or list(unmapped) != ["millrace"]:
        yield "alert.unmapped: not exactly millrace"
        return
    own = unmapped["millrace"]
    of_itself = OWN_REFUSED if "refused" in own else OWN_SHED if "state_shed" in own else None
    if of_itself is not None:
        yield from check_table(own, of_itself, "alert.unmapped.millrace")
        return
    yield from check_table(own, OWN, "alert.unmapped.millrace")
    yield from check_times(own, "alert.unmapped.millrace")
    if ("records" in own) == ("alerts" in own):
        yield "alert.unmapped.millrace: not one of records and alerts"
    elif alert.get("count") != min(own.get("records", own.get("alerts")), 2**31 - 1):
        yield "alert.count: says otherwise than unmapped.millrace"
    known = "time_unknown" not in own
    if known != ("start_time" in alert) or known != ("first_seen_time" in alert.get("finding_info", {})):
        yield "alert.unmapped.millrace.time_unknown: says otherwise than the times"
    twins = own.get("evidence", [])
    if len(twins) != len(alert.get("evidences", [])) or len(twins) > 10:
        yield f"alert.evidences: {len(alert.get('evidences', []))} with {len(twins)} descriptions"
    for number, twin in enumerate(twins):
        where = f"alert.unmapped.millrace.evidence[{number}]"
        yield from check_table(twin, OWN_EVIDENCE, where)
        yield from check_times(twin, where)
        if isinstance(twin, dict) and twin.get("intact") == ("problem" in twin):
            yield f"{where}.problem: says otherwise than intact"


def check_line(line):
    """Gives the breaches of one line."""
    try:
        alert = json.loads(line, object_pairs_hook=keep_twins)
    except ValueError as error:
        return [f"no JSON: {error}"]
    if not isinstance(alert, dict):
        return ["no object"]
    twins = list(check_twins(alert, "alert"))
    return twins or list(check_alert(alert))


def check_file(path):
    """Gives (alerts, breaches with their lines)."""
    count, breaches = 0, []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            count += 1
            if not line.endswith(b"\n"):
                breaches.append(f"{path}:{number}: the line is torn")
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                breaches.append(f"{path}:{number}: {error}")
                continue
            breaches += [f"{path}:{number}: {breach}" for breach in check_line(text)]
    return count, breaches


def main(paths):
    total, failed = 0, False
    for path in paths:
        count, breaches = check_file(path)
        total += count
        for breach in breaches[:50]:
            print(breach, file=sys.stderr)
        failed |= bool(breaches)
    print(f"{total} alerts checked against OCSF 1.3.0")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
