"""What the tests against the naive reference share: rules as Sigma, and a scan's alerts by rule, key and slot."""
import json
import os
import subprocess
import tempfile

PROGRAM = os.environ["MILLRACE"]


def detection_yaml(name, field, value):
    return (f"title: {name}\nid: {name}\nname: {name}\nstatus: test\nlogsource:\n    product: m365\ndetection:\n"
            f"    selection:\n        {field}: {json.dumps(value)}\n    condition: selection\nlevel: low\n")


def correlation_yaml(rule, inner):
    """`inner`: the names of all correlations; those that an outer one names make their own alerts, too."""
    lines = [f"title: {rule['name']}", f"id: {rule['name']}", f"name: {rule['name']}", "status: test", "correlation:",
             f"    type: {rule['type']}", f"    rules: {json.dumps(rule['rules'])}", f"    timespan: {rule['seconds']}s",
             f"    generate: {json.dumps(not inner.isdisjoint(rule['rules']))}"]
    if rule["group_by"]:
        lines.append(f"    group-by: [{rule['group_by']}]")
    if "condition" in rule:
        lines.append("    condition:")
        lines += [f"        {name}: {number}" for name, number in rule["condition"].items()]
        lines += [f"        {name}: {rule[name]}" for name in ("field", "percentile") if name in rule]
    return "\n".join(lines + ["level: high\n"])


def correlations_yaml(rules):
    names = {rule["name"] for rule in rules}
    return [correlation_yaml(rule, names) for rule in rules]


def correlation(name, kind, rules, seconds, condition=None, field=None, group_by="UserId", percentile=None):
    """`condition`: a number for so many or more, or operators with their numbers."""
    rule = {"name": name, "type": kind, "rules": rules, "seconds": seconds, "group_by": group_by}
    if condition is not None:
        rule["condition"] = condition if isinstance(condition, dict) else {"gte": condition}
    if field:
        rule["field"] = field
    if percentile:
        rule["percentile"] = percentile
    return rule


def scan(rules, files, workers):
    """The alerts as {(rule, key, slot): uid}, each id once, and the summary."""
    with tempfile.TemporaryDirectory() as scratch:
        path, summary = os.path.join(scratch, "rules.yml"), os.path.join(scratch, "summary.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("---\n".join(rules))
        result = subprocess.run([PROGRAM, "scan", "-r", path, "--workers", str(workers), "--summary", summary, *files],
                                capture_output=True, text=True, timeout=600)
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        with open(summary, encoding="utf-8") as file:
            counts = json.load(file)
    found = {}
    uids = set()
    for line in result.stdout.splitlines():
        alert = json.loads(line)
        own = alert["unmapped"]["millrace"]
        uid = alert["finding_info"]["uid"]
        if uid in uids:
            raise AssertionError(f"the alert {uid} stands there twice")
        uids.add(uid)
        key = own["key"][0] if own["key"] else None
        found[alert["finding_info"]["analytic"]["uid"], key, int(own["slot"])] = uid
    if len(found) != len(uids):
        raise AssertionError("two alerts of one rule, key and slot")
    return found, counts
