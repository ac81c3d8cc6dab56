"""Correlation straight from its definition (PROTOCOL.md 6), slow and plain, to compare the program with.

A record is a dict of the Unified Audit Log. Detections are (name, predicate); a correlation is a dict with `name`,
`type`, `rules` (names), `group_by` (field or None), `seconds`, and where its type wants them `threshold` and `field`.
alerts() gives the set of (correlation, key, slot)."""
import collections
import datetime

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


def holds(rule, window):
    if rule["type"] == "event_count":
        return len({one.counted for one in window}) >= rule["threshold"]
    if rule["type"] == "value_count":
        return len({value for one in window for value in texts(one.fields, rule["field"])}) >= rule["threshold"]
    if rule["type"] == "temporal":
        return {one.rule for one in window} >= set(rule["rules"])
    return any(chain(rule["rules"], window, one) for one in window)


def chain(names, window, first):
    """Whether the rules follow one another in the window, starting with this occurrence."""
    if first.rule != names[0]:
        return False
    return len(names) == 1 or any(chain(names[1:], window, one) for one in window if one.time >= first.time)


def completing(rule, occurrences):
    """The occurrences of one key whose window [t - S, t] meets the condition."""
    span = rule["seconds"] * SECOND
    if rule["type"] == "value_count":
        occurrences = [one for one in occurrences if texts(one.fields, rule["field"])]
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
