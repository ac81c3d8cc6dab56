"""Sigma a second time: what rules say of a record, from the specification and the project's page of decisions (SIGMA.md),
plain and slow. It shares nothing with the program, so that the two can be compared. A record is what read() makes of
JSON; rules are documents of plain_yaml.py or of JSON."""
import base64
import collections
import datetime
import fractions
import ipaddress
import itertools
import json
import re

from plain_yaml import Map, Number

DASHES = "-/\u2013\u2014\u2015"
TESTS = ("re", "cidr", "exists", "gt", "gte", "lt", "lte", "fieldref", "minute", "hour", "day", "week", "month", "year")
PLACES = ("contains", "startswith", "endswith")
CODES = ("base64", "base64offset")
WIDES = ("wide", "utf16le", "utf16be", "utf16")
MODIFIERS = {*TESTS, *PLACES, *CODES, *WIDES, "all", "neq", "cased", "windash", "expand", "i", "m", "s"}
RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "week": (1, 53), "month": (1, 12), "year": (1, 9999)}
ANY, ONE = object(), object()  # of a pattern


class Refused(Exception):
    """No rule, or not one that can be honoured exactly."""


class Inactive(Exception):
    """A placeholder has no value."""


# ---- records

class Pairs(list):
    """An object, its members in order."""


class Raw(str):
    """An object, or an array that holds one, as a value: its own bytes."""


def read(text):
    return json.loads(text, parse_int=Number, parse_float=Number, object_pairs_hook=Pairs)


def write(value):
    """As JSON, in one way: so that a value's own bytes are known."""
    if isinstance(value, (Pairs, dict)):
        members = value.items() if isinstance(value, dict) else value
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{write(one)}" for key, one in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


FOLDED = {}


def fold_one(char):
    """Simple case folding: one character for one."""
    for folded in (char.casefold(), char.lower()):
        if len(folded) == 1:
            return folded
    return char


def fold(text):
    if text.isascii():
        return text.lower()
    return "".join(FOLDED.setdefault(char, fold_one(char)) for char in text)


def name_of(text):
    """A field's name, or a key: in any case, without blanks."""
    folded = fold(text)
    return folded.replace(" ", "") or folded


class Fields:
    """A record's fields by name. What is reached through fewer keys wins over what is nested deeper."""

    def __init__(self, record, event=False):
        self.record, self.event, self.known = record, event, {}

    def get(self, name):
        """All values, or None where the field is missing. Nulls only where there is nothing else."""
        name = name_of(name)
        if name not in self.known:
            self.known[name] = self.look(name)
        return self.known[name]

    def look(self, name):
        found = []
        parts = name.split(".")
        self.inside(self.record, parts, 1, 0, found)
        properties = last(self.record, "properties")
        if isinstance(properties, (Pairs, str)):
            self.below(properties, parts, 1000, 0, found)
        if self.event:
            for rank, (own, value) in enumerate(event_parts(self.record), 2000):
                if own is None:
                    self.inside(value, parts, rank, 0, found)
                else:
                    self.inside(Pairs([(own, value)]), parts, rank, 0, found)
        if not found:
            return None
        least = min(rank for rank, _ in found)
        values = [value for rank, value in found if rank == least]
        return [value for value in values if value is not None] or [None]

    def inside(self, members, parts, rank, level, found):
        for key, value in {name_of(key): value for key, value in members}.items():  # of a key given twice the last
            self.member(key, value, parts, rank, level, found)

    def member(self, key, value, parts, rank, level, found):
        for count in range(1, len(parts) + 1):
            if key == ".".join(parts[:count]):
                if count == len(parts):
                    found.extend((rank, one) for one in values_of(value))
                else:
                    self.below(value, parts[count:], rank, level, found)

    def below(self, value, parts, rank, level, found):
        if isinstance(value, Pairs):
            self.inside(value, parts, rank + 1, level, found)
        elif isinstance(value, list):
            for one in flat(value):
                self.below(one, parts, rank, level, found)
                if isinstance(one, Pairs):
                    self.named(one, parts, rank + 1, level, found)
        elif isinstance(value, str) and not isinstance(value, Number) and level < 2 and value.strip(" \t\r\n")[:1] in "{[" \
                and value.strip(" \t\r\n"):
            try:
                self.below(read(value), parts, rank, level + 1, found)
            except ValueError:
                pass

    def named(self, item, parts, rank, level, found):
        """[{Name, Value}], or {Name, OldValue, NewValue}."""
        name, rest = None, {}
        for key, value in item:
            key = key.lower()
            if key in ("name", "key") or (key == "displayname" and name is None):
                name = value
            elif key in ("value", "oldvalue", "newvalue"):
                rest[key] = value
        if not isinstance(name, str) or isinstance(name, Number) or not rest:
            return
        if "value" in rest:
            self.member(name_of(name), rest["value"], parts, rank, level, found)
        changed = Pairs((key, rest[key]) for key in ("oldvalue", "newvalue") if key in rest)
        if changed:
            for count in range(1, len(parts)):
                if name_of(name) == ".".join(parts[:count]):
                    self.inside(changed, parts[count:], rank + 1, level, found)


def last(members, name):
    return dict((name_of(key), value) for key, value in members).get(name)


def flat(items):
    """A list's members, those of inner lists among them."""
    for item in items:
        if isinstance(item, list) and not isinstance(item, Pairs):
            yield from flat(item)
        else:
            yield item


def values_of(value):
    if isinstance(value, Pairs):
        return [Raw(write(value))]
    if not isinstance(value, list):
        return [value]
    plain = [one for one in flat(value) if one is not None and not isinstance(one, Pairs)]
    if any(isinstance(one, Pairs) for one in flat(value)):
        plain.append(Raw(write(value)))
    return plain or [None]


def event_parts(record):
    """Of a Windows event the objects whose members are fields (without a name), and single fields; what counts most first."""
    event = last(record, "event")
    event = event if isinstance(event, Pairs) else record
    body, user, system = (last(event, name) for name in ("eventdata", "userdata", "system"))
    if isinstance(body, Pairs):
        data = last(body, "data")
        for one in data if isinstance(data, list) and not isinstance(data, Pairs) else [data]:
            if isinstance(one, Pairs):
                attributes = last(one, "#attributes")
                names = [last(one, "name"), last(one, "@name"),
                         last(attributes, "name") if isinstance(attributes, Pairs) else None]
                name = next((name for name in names if name is not None), None)
                if isinstance(name, str) and said(one) is not None:
                    yield name, said(one)
        yield None, body
    for part in [value for _, value in user] if isinstance(user, Pairs) else []:
        if isinstance(part, Pairs):
            yield None, part
    for key, value in system if isinstance(system, Pairs) else []:
        if not isinstance(value, Pairs):
            yield key, value
            continue
        if said(value) is not None:
            yield key, said(value)
        attributes = last(value, "#attributes")
        for own, one in [*value, *(attributes if isinstance(attributes, Pairs) else [])]:
            if own[:1] != "#":
                yield key + "_" + own.removeprefix("@"), one


def said(element):
    texts = [last(element, "#text"), last(element, "value")]
    return next((text for text in texts if text is not None), None)


def leaves(value):
    if isinstance(value, Pairs):
        for _, one in value:
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif value is not None:
        yield value


# ---- values

def text_of(value):
    return ("false", "true")[value] if isinstance(value, bool) else str(value)


def is_text(value):
    return isinstance(value, str) and not isinstance(value, (Number, Raw))


def amount(text):
    """A number's value, exactly."""
    return fractions.Fraction(text)


def is_number(text):
    return re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text) is not None


def shortest(text):
    """An integer's digits; else those of the nearest double, where they are the number."""
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", text):
        return str(int(text))
    number = float(text)
    form = str(int(number)) if number.is_integer() and abs(number) < 2**64 else repr(number)
    return form if amount(form) == amount(text) else text.rstrip("0").rstrip(".")


def address(text):
    """In the forms in which records have them; None where it is none."""
    text = text.strip(" \t")
    found = re.fullmatch(r"\[([^\]]*)\](?::\d+)?", text) or re.fullmatch(r"([\d.]+):\d+", text)
    text = (found.group(1) if found else text).split("%")[0]
    try:
        one = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(one, "ipv4_mapped", None) or one


TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?([Zz]|[-+]\d\d(?::?\d\d)?)?)?", re.A)


def time_part(text, part):
    """UTC; weeks are ISO weeks."""
    found = TIME.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, _, zone = found.groups()
    try:
        time = datetime.datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0))
        if int(second or 0) > 60:
            return None
        time += datetime.timedelta(seconds=int(second or 0))
        if zone and zone not in "Zz":
            hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
            if hours > 23 or minutes > 59:
                return None
            time -= (1, -1)[zone[0] == "-"] * datetime.timedelta(hours=hours, minutes=minutes)
    except (ValueError, OverflowError):
        return None
    return time.isocalendar().week if part == "week" else getattr(time, part)


# ---- texts of rules

def pattern_of(text):
    """Characters, ANY and ONE."""
    found, at = [], 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1:at + 2] in ("*", "?", "\\"):
            found.append(text[at + 1])
            at += 2
            continue
        found.append({"*": ANY, "?": ONE}.get(text[at], text[at]))
        at += 1
    return found


def matcher(pattern, cased):
    """Whether a value is the pattern as a whole. Without wildcards that is equality, which a number has in its shortest
    form; else its own digits are looked at."""
    if ANY not in pattern and ONE not in pattern:
        wanted = "".join(pattern) if cased else fold("".join(pattern))
        return lambda value: wanted == (shortest(value) if isinstance(value, Number) else
                                        text_of(value) if cased else fold(text_of(value)))
    parts = ["(?s:.*)" if one is ANY else "(?s:.)" if one is ONE else re.escape(one if cased else fold(one))
             for one in pattern]
    whole = re.compile("".join(parts))
    return lambda value: whole.fullmatch(text_of(value) if cased else fold(text_of(value))) is not None


def dashed(pattern):
    places = [at for at, one in enumerate(pattern) if isinstance(one, str) and one in DASHES]
    if len(places) > 4:
        raise Refused("too many dashes")
    for choice in itertools.product(DASHES, repeat=len(places)):
        form = list(pattern)
        for at, dash in zip(places, choice):
            form[at] = dash
        yield form


def encoded(pattern, mods):
    if ANY in pattern or ONE in pattern:
        raise Refused("a wildcard cannot be encoded")
    text = "".join(pattern)
    if not text:
        raise Refused("an empty text cannot be encoded")
    data = text.encode()
    for wide in WIDES:
        if wide in mods:
            big = wide == "utf16be"
            data = (b"\xff\xfe" if wide == "utf16" else b"") + text.encode("utf-16-be" if big else "utf-16-le")
    if "base64" in mods:
        return [list(base64.b64encode(data).decode())]
    forms = []
    for offset in range(3):
        code = base64.b64encode(b"\0" * offset + data).decode()
        code = code[(0, 2, 3)[offset]:len(code) - (0, 3, 2)[(len(data) + offset) % 3]]
        if not code:
            raise Refused("too short")
        forms.append(list(code))
    return forms


def regex_of(text, mods):
    """PCRE2's as Python's: classes are ASCII, `$` and `.` are the same."""
    classes = {"d": "0-9", "w": "0-9A-Za-z_", "s": " \\t\\n\\r\\f\\v"}
    out, at, inside = [], 0, False
    while at < len(text):
        two = text[at:at + 2]
        if two[0] == "\\" and len(two) == 2:
            low = two[1].lower()
            if low in classes and not (inside and two[1] != low):
                body = classes[low]
                out.append(body if inside else ("[^" if two[1] != low else "[") + body + "]")
            elif low == "b" and not inside:
                edge = "(?:(?<![0-9A-Za-z_])(?=[0-9A-Za-z_])|(?<=[0-9A-Za-z_])(?![0-9A-Za-z_]))"
                out.append(edge if two[1] == "b" else f"(?!{edge})")
            elif re.fullmatch(r"[A-Za-z]", two[1]) and two[1] not in "tnrfvxAZ" or (low in classes):
                raise NotImplementedError(two)
            elif two[1] == "Z":
                out.append("(?=\\n?\\Z)")
            elif re.fullmatch(r"[A-Za-z0-9]", two[1]):
                out.append(two)
            else:
                out.append(re.escape(two[1]))
            at += 2
            continue
        if two[0] == "[" and not inside:
            inside = True
            out.append("[")
            at += 1
            for sign in ("^", "]"):
                if text[at:at + 1] == sign:
                    out.append("^" if sign == "^" else "\\]")
                    at += 1
            continue
        if inside and two[0] == "[":
            if two == "[:":
                raise NotImplementedError(two)
            out.append("\\[")
        else:
            out.append(two[0])
        inside = inside and two[0] != "]"
        at += 1
    flags = 0
    for mod, flag in (("i", re.I), ("m", re.M), ("s", re.S)):
        flags |= flag if mod in mods else 0
    try:
        return re.compile("".join(out), flags)
    except re.error as wrong:
        raise Refused(f"no regular expression: {wrong}") from wrong


# ---- placeholders

PLACEHOLDER = re.compile(r"%([A-Za-z0-9_.-]+)%")


def filled(text, placeholders):
    """Each combination, as lists of (text, whether it is a list's value)."""
    pieces, at, plain = [], 0, ""
    while at < len(text):
        if text[at] == "\\" and text[at + 1:at + 2] in ("%", "\\", "*", "?"):  # \\% is a plain percent character
            plain += text[at:at + 2].removeprefix("\\" if text[at + 1] == "%" else "")
            at += 2
            continue
        found = PLACEHOLDER.match(text, at)
        if not found:
            plain += text[at]
            at += 1
            continue
        if found.group(1) not in placeholders:
            raise Inactive(found.group(1))
        pieces += [[(plain, False)], [(str(value), True) for value in placeholders[found.group(1)]]]
        at, plain = found.end(), ""
    return [list(one) for one in itertools.product(*pieces, [(plain, False)])]


# ---- a field and its values

def check_chain(field, mods):
    """The modifiers that stand behind a field, in their order."""
    for at, mod in enumerate(mods):
        before = mods[:at]
        if mod not in MODIFIERS or mod in before:
            raise Refused(f"{mod} is unknown, or stands twice")
        for group in (PLACES, TESTS, CODES, WIDES):
            if mod in group and set(before) & set(group):
                raise Refused(f"two of {group}")
        if mod in ("i", "m", "s") and "re" not in before:
            raise Refused("a flag without re")
        if mod in CODES + WIDES and set(before) & set(PLACES) or mod in WIDES and set(before) & set(CODES):
            raise Refused("an encoding too late")
        if mod in ("windash", "expand") and set(before) & set(CODES + WIDES):
            raise Refused("encoded already")
        if mod == "fieldref" and before:
            raise Refused("fieldref comes first")
    test = next((mod for mod in mods if mod in TESTS), None)
    companions = {"re": {"i", "m", "s", "all", "neq", "expand"}, "cidr": {"all", "neq", "expand"}, "exists": set(),
                  "fieldref": {*PLACES, "cased", "all", "neq"}}
    if test and set(mods) - {test} - companions.get(test, {"all", "neq"}):
        raise Refused(f"strangers beside {test}")
    if set(mods) & set(WIDES) and not set(mods) & set(CODES):
        raise Refused("UTF-16 is no text")
    if not field and (not mods or set(mods) - {"all", "cased", "re", "i", "m", "s", "expand"}):
        raise Refused("no modifier of keywords")


def test_text(pattern, mods, keyword=False):
    """A test of one value, by a text with Sigma's wildcards."""
    forms = []
    for form in dashed(pattern) if "windash" in mods else [pattern]:
        for code in encoded(form, mods) if set(mods) & set(CODES) else [form]:
            before = [ANY] if keyword or "contains" in mods or "endswith" in mods else []
            after = [ANY] if keyword or "contains" in mods or "startswith" in mods else []
            forms.append(matcher(before + code + after, "cased" in mods))
    return lambda value: value is not None and any(form(value) for form in forms)


def test_regex(text, mods):
    regex = regex_of(text, mods)
    return lambda value: value is not None and regex.search(text_of(value)) is not None


def test_cidr(text):
    try:
        if "%" in text or not re.fullmatch(r"[^/]+(/\d{1,3})?", text, re.A):
            raise ValueError(text)
        network = ipaddress.ip_network(text)
    except ValueError as wrong:
        raise Refused(f"no network: {text}") from wrong

    inner = getattr(network.network_address, "ipv4_mapped", None)
    if inner is not None and network.prefixlen >= 96:  # a network of IPv4 addresses
        network = ipaddress.ip_network((inner, network.prefixlen - 96))

    def holds(value):
        one = address(text_of(value)) if is_text(value) else None
        return one is not None and one.version == network.version and one in network
    return holds


def test_compare(mod, value):
    if not isinstance(value, Number):
        raise Refused(f"{mod} wants a number")
    wanted = amount(value)
    compare = {"gt": lambda a: a > wanted, "gte": lambda a: a >= wanted, "lt": lambda a: a < wanted,
               "lte": lambda a: a <= wanted}[mod]

    def holds(one):
        return isinstance(one, str) and not isinstance(one, Raw) and \
            (isinstance(one, Number) or is_number(one)) and compare(amount(one))
    return holds


def test_time(mod, value):
    least, most = RANGES[mod]
    if not isinstance(value, Number) or not re.fullmatch(r"\d+", value) or not least <= int(value) <= most:
        raise Refused(f"{mod} from {least} to {most}")
    return lambda one: is_text(one) and time_part(one, mod) == int(value)


def test_number(value):
    wanted = amount(value)

    def holds(one):
        if isinstance(one, Number):
            return amount(one) == wanted
        return is_text(one) and one == shortest(value)
    return holds


def test_bool(value):
    return lambda one: one is value or (is_text(one) and fold(one) == text_of(value))


def test_plain(value, mods, keyword):
    """A number, a boolean."""
    if set(mods) & {"windash", "expand", *CODES}:
        raise Refused("wants a text")
    if set(mods) & {*PLACES, "cased"} or keyword:
        if isinstance(value, bool) and not keyword:
            raise Refused("wants a text")
        return test_text(list(text_of(value)), mods, keyword)
    return test_bool(value) if isinstance(value, bool) else test_number(value)


def tests_of(value, mods, placeholders, keyword=False):
    """The tests of one value of a rule: it holds where any of them does."""
    test = next((mod for mod in mods if mod in TESTS), None)
    if isinstance(value, Number) and re.match(r"[-+]?0\d", value) and test not in ("gt", "gte", "lt", "lte", *RANGES):
        value = str(value)  # no number of a record is written so
    if isinstance(value, (list, dict)):
        raise Refused("no value")
    if test in ("gt", "gte", "lt", "lte"):
        return [test_compare(test, value)]
    if test in RANGES:
        return [test_time(test, value)]
    if not is_text(value):
        if test or value is None and set(mods) - {"all", "neq"}:
            raise Refused("wants a text")
        return [test_plain(value, mods, keyword)]
    if not value and keyword:
        raise Refused("an empty keyword")
    made = []
    for pieces in filled(value, placeholders) if "expand" in mods else [[(value, False)]]:
        if test == "re":
            made.append(test_regex("".join(as_regex(text) if listed else text for text, listed in pieces), mods))
        elif test == "cidr":
            made.append(test_cidr("".join(text for text, _ in pieces)))
        else:
            pattern = [one for text, _ in pieces for one in pattern_of(text)]
            if keyword and not pattern:
                raise Refused("an empty keyword")
            made.append(test_text(pattern, mods, keyword))
    return made


def as_regex(text):
    return "".join(".*" if one is ANY else "." if one is ONE else re.escape(one) for one in pattern_of(text))


def reference(name, mods):
    """One field against another."""
    def related(a, b):
        if not set(mods) & set(PLACES):
            if isinstance(a, Number) and isinstance(b, Number):
                return amount(a) == amount(b)
            a, b = (shortest(one) if isinstance(one, Number) else text_of(one) for one in (a, b))
        a, b = text_of(a), text_of(b)
        if "cased" not in mods:
            a, b = fold(a), fold(b)
        return b in a if "contains" in mods else a.startswith(b) if "startswith" in mods else \
            a.endswith(b) if "endswith" in mods else a == b

    def holds(values, fields):
        others = fields.get(name) or []
        return any(related(a, b) for a in values or [] for b in others if a is not None and b is not None)
    return holds


def field_test(key, value, placeholders):
    """A member of a map: a test of the record's fields."""
    field, *mods = key.split("|")
    check_chain(field, mods)
    values = value if isinstance(value, list) else [value]
    if not values:
        raise Refused("an empty list")
    if not field:
        return keyword_test(values, mods, placeholders)
    if "exists" in mods:
        if isinstance(value, list) or not isinstance(value, bool):
            raise Refused("exists wants true or false")
        return lambda fields: (fields.get(field) is not None) == value
    if mods in (["neq"], ["neq", "all"], ["all", "neq"]) and len(values) == 1 and values[0] is None:
        return lambda fields: any(one is not None for one in fields.get(field) or [])
    each = []  # of values: a test of all that the record has
    for one in values:
        if "fieldref" in mods:
            if not is_text(one) or not one:
                raise Refused("fieldref wants a name")
            each.append([reference(one, mods)])
        elif one is None and not set(mods) - {"all", "neq"}:
            each.append([lambda have, fields: all(one is None for one in have or [])])
        else:
            each += [[lambda have, fields, test=test: any(one is not None and test(one) for one in have or [])]
                     for test in tests_of(one, mods, placeholders)]
    gather = all if "all" in mods else any

    def holds(fields):
        have = fields.get(field)
        return gather(test[0](have, fields) for test in each) != ("neq" in mods)
    return holds


def keyword_test(values, mods, placeholders):
    """Words in any leaf of the record; with `all` in one each."""
    if any(value is None for value in values):
        raise Refused("null is no keyword")
    each = [test for value in values for test in tests_of(value, mods, placeholders, True)]
    gather = all if "all" in mods else any
    return lambda fields: gather(any(test(leaf) for leaf in leaves(fields.record)) for test in each)


# ---- a detection

def search(what, placeholders):
    if isinstance(what, dict):
        if not what:
            raise Refused("an empty map")
        tests = [field_test(key, value, placeholders) for key, value in what.items()]
        return lambda fields: all(test(fields) for test in tests)
    if not isinstance(what, list):
        return keyword_test([what], [], placeholders)
    if not what:
        raise Refused("an empty list")
    if not any(isinstance(one, (dict, list)) for one in what):
        return keyword_test(what, [], placeholders)
    if any(isinstance(one, list) for one in what):
        raise Refused("a list in a list")
    tests = [search(one, placeholders) for one in what]
    return lambda fields: any(test(fields) for test in tests)


class Condition:
    """or: and {or and}; and: not {and not}; not: {not} (( or ) | N of pattern | name)."""

    def __init__(self, text, names):
        if not isinstance(text, str):
            raise Refused("no condition")
        self.words = re.findall(r"[()]|[A-Za-z0-9_.*-]+|\S", text)
        self.names = names

    def parse(self):
        tree = self.either()
        if self.words:
            raise Refused(f"{self.words[0]} in a condition")
        return tree

    def take(self, word):
        if self.words[:1] != [word]:
            return False
        del self.words[0]
        return True

    def either(self):
        sides = [self.both()]
        while self.take("or"):
            sides.append(self.both())
        return lambda known: any(side(known) for side in sides)

    def both(self):
        sides = [self.one()]
        while self.take("and"):
            sides.append(self.one())
        return lambda known: all(side(known) for side in sides)

    def one(self):
        if self.take("not"):
            inner = self.one()
            return lambda known: not inner(known)
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise Refused("no )")
            return inner
        word = self.words.pop(0) if self.words else ""
        if self.words[:1] == ["of"] and re.fullmatch(r"all|any|\d+", word):
            return self.quantity(word)
        if word not in self.names:
            raise Refused(f"{word!r} is not there")
        return lambda known: known(word)

    def quantity(self, word):
        del self.words[0]
        pattern = self.words.pop(0) if self.words else "("
        shape = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        chosen = [name for name in self.names if not (name[0] == "_" and (pattern == "them" or pattern[0] != "_")) and
                  (pattern == "them" or shape.fullmatch(name))]
        if not chosen:
            raise Refused("a pattern that selects none")
        least = len(chosen) if word == "all" else 1 if word == "any" else int(word)
        if not 1 <= least <= len(chosen):
            raise Refused("so many are not there")
        return lambda known: sum(known(name) for name in chosen) >= least


def detection(body, placeholders, skip=()):
    """What a `detection` or `filter` says of Fields."""
    if not isinstance(body, dict) or "condition" not in body:
        raise Refused("no detection")
    names = {}
    for name, what in body.items():
        if name in ("condition", "timeframe", *skip):
            continue
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise Refused(f"{name} is no identifier")
        names[name] = search(what, placeholders)
    texts = body["condition"] if isinstance(body["condition"], list) else [body["condition"]]
    if not texts:
        raise Refused("no condition")
    conditions = [Condition(text, names).parse() for text in texts]

    def holds(fields):
        known = {}

        def know(name):
            if name not in known:
                known[name] = names[name](fields)
            return known[name]
        return any(condition(know) for condition in conditions)
    return holds


# ---- documents

def merged(under, over):
    both = Map(under)
    for key, value in over.items():
        old = under.get(key)
        both[key] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value
    return both


def carried_out(documents):
    """The documents of one file once `action` is done."""
    base, before = None, None
    for document in documents:
        action = document.get("action")
        if action == "global":
            base = document if base is None else merged(base, document)
        elif action == "reset":
            base = before = None
        elif action == "repeat" and before is not None:
            before = merged(before, document)
            yield before
        elif action is None:
            alone = "correlation" in document or "filter" in document
            before = document if base is None or alone else merged(base, document)
            yield before


Rule = collections.namedtuple("Rule", "id name logsource holds")


def logsource_of(document):
    parts = document.get("logsource") or {}
    return {part: fold(parts[part]) for part in ("product", "category", "service") if parts.get(part)}


def load(documents, placeholders):
    """Rules by id, and the ids of those that are refused. An inactive one never holds."""
    rules, refused, filters = {}, set(), []
    for document in documents:
        try:
            if "detection" in document:
                holds = detection(document["detection"], placeholders)
            elif "filter" in document:
                body = document["filter"]
                names = body.get("rules") or ["any"]
                names = names if isinstance(names, list) else [names]
                holds = detection(body, placeholders, ("rules",))
                filters.append((names, logsource_of(document), holds))
                continue
            else:
                continue
        except Refused:
            refused.add(document.get("id"))
            continue
        except Inactive:
            def holds(fields):
                return False
            if "filter" in document:
                filters.append((document["filter"].get("rules"), logsource_of(document), holds))
                continue
        rules[document.get("id")] = Rule(document.get("id"), document.get("name"), logsource_of(document), holds)
    return {uid: with_filters(rule, filters) for uid, rule in rules.items()}, refused


def with_filters(rule, filters):
    own = [holds for names, logsource, holds in filters if logsource == rule.logsource and
           ("any" in names or rule.id in names or rule.name in names)]
    if not own:
        return rule
    return rule._replace(holds=lambda fields: rule.holds(fields) and all(one(fields) for one in own))


def sees(rule, logsource):
    """Whether records that are said to be of `logsource` are the rule's."""
    return all(logsource.get(part) == value for part, value in rule.logsource.items())
