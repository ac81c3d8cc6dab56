"""Correlation straight from its definition (PROTOCOL.md 6), slow and plain, to compare the program with.

A record is a dict of the Unified Audit Log. Detections are (name, predicate); a correlation is a dict with `name`,
`type`, `rules` (names), `group_by` (field or None), `seconds`, and where its type wants them `condition` (operators with
their numbers), `field` and `percentile`. alerts() gives the set of (correlation, key, slot)."""
import collections
import datetime
import fractions
import json
import operator
import re

EPOCH = datetime.datetime(1970, 1, 1)
SECOND = 1000000
# counted: what event_count counts, the record's id or the inner correlation's alert. Nothing else names an occurrence:
# two that are alike in all of this are one to every correlation.
Occurrence = collections.namedtuple("Occurrence", "rule counted time fields")


def microseconds(text):
    return (datetime.datetime.fromisoformat(text) - EPOCH) // datetime.timedelta(microseconds=1)


def texts(fields, name):
    """The values of a field, as group keys and distinct values see them; [] where it is missing."""
    value = fields.get(name)
    folded = {str(member).lower() for member in (value if isinstance(value, list) else [value]) if member is not None}
    return sorted(folded - {"", "<null>"})


DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
OPERATORS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq,
             "neq": operator.ne}


def numbers(fields, name):
    """The numbers of a field as the record writes them; a text is one in decimal form alone."""
    value = fields.get(name)
    found = []
    for member in value if isinstance(value, list) else [value]:
        if isinstance(member, (int, float)) and not isinstance(member, bool):
            found.append(json.dumps(member).lower())
        elif isinstance(member, str) and DECIMAL.fullmatch(member) and len(member) < 64:
            found.append(member)
    return found


def added_up(rule, window):
    """The numbers of the window's records: each record's once, of its earliest copy, at one time of the smaller one."""
    copies = {}
    for one in window:
        texts_of = numbers(one.fields, rule["field"])
        if texts_of:
            copies.setdefault(one.fields["Id"].lower(), []).append((one.time, " ".join(texts_of)))
    return [fractions.Fraction(text) for copy in copies.values() for text in min(copy)[1].split(" ")]


def percentile(values, percent):
    """The nearest rank."""
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def measure(rule, window):
    """What the condition is about; None: nothing."""
    if rule["type"] == "event_count":
        return len({one.counted for one in window})
    if rule["type"] == "value_count":
        return len({value for one in window for value in texts(one.fields, rule["field"])})
    if rule["type"] == "temporal":
        return len({one.rule for one in window})
    values = added_up(rule, window)
    if not values:
        return None
    if rule["type"] == "value_sum":
        return sum(values)
    if rule["type"] == "value_avg":
        return sum(values) / len(values)
    if rule["type"] == "value_percentile":
        return percentile(values, rule["percentile"])
    values.sort()
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def holds(rule, window):
    if rule["type"] == "temporal_ordered":
        return any(chain(rule["rules"], window, one) for one in window)
    value = measure(rule, window)
    condition = rule.get("condition", {"gte": len(set(rule["rules"]))})
    return value is not None and all(OPERATORS[name](value, fractions.Fraction(str(number)))
                                     for name, number in condition.items())


def chain(names, window, first):
    """Whether the rules follow one another in the window, starting with this occurrence."""
    if first.rule != names[0]:
        return False
    return len(names) == 1 or any(chain(names[1:], window, one) for one in window if one.time >= first.time)


def completing(rule, occurrences):
    """The occurrences of one key whose window [t - S, t] meets the condition."""
    span = rule["seconds"] * SECOND
    if rule.get("field"):
        read = texts if rule["type"] == "value_count" else numbers
        occurrences = [one for one in occurrences if read(one.fields, rule["field"])]
    return [e for e in occurrences
            if holds(rule, [one for one in occurrences if e.time - span <= one.time <= e.time])]


def alerts(records, detections, correlations):
    fired = set()
    made = {}  # rule name: its occurrences
    for name, predicate in detections:
        made[name] = {}
        for record in filter(predicate, records):
            one = Occurrence(name, record["Id"].lower(), microseconds(record["CreationTime"]), record)
            made[name][repr(one)] = one
    for rule in correlations:  # inner ones first
        keys = collections.defaultdict(list)
        for name in rule["rules"]:
            for one in made[name].values():
                for key in texts(one.fields, rule["group_by"]) if rule["group_by"] else [None]:
                    keys[key].append(one)
        made[rule["name"]] = {}
        for key, occurrences in keys.items():
            for e in completing(rule, occurrences):
                alert = (rule["name"], key, e.time // (rule["seconds"] * SECOND))
                fired.add(alert)
                outer = Occurrence(rule["name"], alert, e.time, e.fields)
                made[rule["name"]][repr(outer)] = outer
    return fired
