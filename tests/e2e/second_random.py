"""Random Sigma rules, and records that come near them, for second.py."""
import base64
import re

import second
from plain_yaml import Map, Number

NAMES = ("A", "B", "C", "D.E", "D.F", "G H")
TEXTS = ("a", "b", "ab", "aB", "abc", "x y", "", "*", "a*", "*b", "a?c", "a\\*", "\\\\", "a\\b", "-a", "/b -c", "10.1.2.3", "::1",
         "5", "1.5", "05", "true", "\u00e4", "\u00df", "YWI=", "2024-05-01T10:20:30Z", "%lit%", "null", "a.b", "root", "\u2014a")
NUMBERS = ("0", "5", "-3", "1.5", "10", "9007199254740993", "5.0")
REGEXES = ("a", "^a", "b$", "a.c", "^$", "[ab]+", "a|b", "\\d", "(a)(b)?", "A", "\\w\\b", "x y", "a{2}", "\\\\")
NETWORKS = ("10.1.0.0/16", "0.0.0.0/0", "::/0", "::1", "10.1.2.3", "192.168.0.0/16")
# Chains, and what values they take.
CHAINS = ((40, "", "any"), (30, "contains", "text"), (15, "startswith", "text"), (15, "endswith", "text"), (8, "contains|all", "text"),
          (5, "all", "text"), (5, "cased", "text"), (5, "contains|cased", "text"), (8, "neq", "any"), (4, "neq|all", "any"),
          (10, "re", "regex"), (4, "re|i", "regex"), (3, "re|m|s", "regex"), (2, "re|all", "regex"), (2, "re|neq", "regex"),
          (8, "cidr", "network"), (2, "cidr|neq", "network"), (6, "exists", "bool"), (5, "gt", "number"), (5, "lte", "number"),
          (2, "lt|neq", "number"), (3, "hour", "part"), (3, "week", "part"), (3, "day|neq", "part"), (6, "fieldref", "name"),
          (3, "fieldref|contains", "name"), (2, "fieldref|neq", "name"), (2, "fieldref|cased", "name"), (4, "base64", "plain"),
          (3, "base64offset|contains", "plain"), (2, "wide|base64|contains", "plain"), (4, "windash", "text"),
          (4, "windash|contains", "text"), (4, "expand", "text"), (2, "contains|expand", "text"), (1, "re|contains", "regex"),
          (1, "contains|endswith", "text"), (1, "wide", "text"), (1, "nothing", "text"), (1, "fieldref|neq|startswith", "name"))


def one_value(dice, kind):
    if kind == "any":
        kind = dice.choice(("text", "text", "text", "number", "bool", "null"))
    if kind == "text":
        return dice.choice(TEXTS)
    if kind == "plain":
        return dice.choice(("ab", "abc", "foobar", "a-b"))
    if kind in ("number", "part"):
        return Number(dice.choice(NUMBERS if kind == "number" else ("1", "10", "18")))
    return {"regex": lambda: dice.choice(REGEXES), "network": lambda: dice.choice(NETWORKS), "name": lambda: dice.choice(NAMES),
            "bool": lambda: dice.choice((True, False)), "null": lambda: None}[kind]()


def member(dice):
    chain, kind = dice.choices([one[1:] for one in CHAINS], [one[0] for one in CHAINS])[0]
    key = dice.choice(NAMES) + ("|" + chain if chain else "")
    if kind == "bool" or dice.random() < 0.6:
        return key, one_value(dice, kind)
    return key, [one_value(dice, kind) for _ in range(dice.randint(1, 3))]


def identifier(dice):
    kind = dice.random()
    if kind < 0.1:
        return [dice.choice([text for text in TEXTS if text]) for _ in range(dice.randint(1, 2))]
    if kind < 0.13:
        return Map({"|all": [dice.choice(("a", "b", "5"))] * 1 + ["b"]})
    maps = [Map(member(dice) for _ in range(dice.randint(1, 2))) for _ in range(dice.randint(1, 2))]
    return maps[0] if len(maps) == 1 else maps


def condition(dice, names, depth=0):
    kind = dice.random()
    if depth == 3 or kind < 0.4:
        return dice.choice(names)
    if kind < 0.55:
        return "not " + condition(dice, names, depth + 1)
    if kind < 0.7:
        return dice.choice(("1 of them", "all of them", "any of s*", "1 of s_*", "2 of them", "all of *_b"))
    sides = [condition(dice, names, depth + 1) for _ in range(2)]
    return f"({sides[0]} {dice.choice(('and', 'or'))} {sides[1]})" if dice.random() < 0.5 else \
        f"{sides[0]} {dice.choice(('and', 'or'))} {sides[1]}"


def rule(dice):
    """A detection; some are to be refused."""
    names = dice.sample(("s_a", "s_b", "t", "_u"), dice.randint(1, 3))
    found = Map((name, identifier(dice)) for name in names)
    found["condition"] = condition(dice, names)
    return found


def scalar(dice):
    kind = dice.random()
    if kind < 0.6:
        return dice.choice([text.replace("*", "").replace("?", "-") for text in TEXTS] + ["Ab", "abcab", "xab", "/a", "\u2013b", "YWI="])
    if kind < 0.85:
        return Number(dice.choice(NUMBERS + ("5e0", "1.50", "-0")))
    return dice.choice((True, False, None))


def value(dice):
    kind = dice.random()
    if kind < 0.75:
        return scalar(dice)
    if kind < 0.95:
        return [scalar(dice) for _ in range(dice.randint(0, 3))]
    return second.Pairs([("E", scalar(dice)), ("z", scalar(dice))])


def record(dice):
    found = second.Pairs()
    for name in NAMES:
        if dice.random() < 0.7:
            outer, _, inner = name.partition(".")
            found.append((name, value(dice)) if not inner or dice.random() < 0.3 else
                         (outer, dice.choice((second.Pairs([(inner, value(dice))]),
                                              [second.Pairs([("Name", inner), ("Value", value(dice))])]))))
    return second.Pairs(dict(found).items())


# ---- records for given rules

def filled_in(dice, text):
    """A text that Sigma's wildcards fit."""
    return "".join(dice.choice(("", "x", "a b")) if one is second.ANY else "y" if one is second.ONE else one
                   for one in second.pattern_of(text))


def wanted(dice, mods, one):
    """A value that the test holds of, more or less."""
    if one is None or isinstance(one, (bool, Number)):
        return str(one) if re.match(r"[-+]?0\d|\+", str(one)) else one
    if "re" in mods:
        return re.sub(r"\\[a-zA-Z]|[\\^$()?*+|\[\]{}]", "", one)
    if "cidr" in mods:
        return one.split("/")[0]
    text = filled_in(dice, one)
    if "base64" in mods or "base64offset" in mods:
        text = base64.b64encode(text.encode("utf-16-le" if "wide" in mods else "utf-8")).decode()
    before = dice.choice(("", "x", "C:\\")) if {"contains", "endswith", "re"} & set(mods) else ""
    after = dice.choice(("", "y", " -z")) if {"contains", "startswith", "re"} & set(mods) else ""
    return before + text + after


def chosen(dice, what, into):
    """Members that fulfil an identifier, or nearly."""
    if isinstance(what, dict):
        for key, values in what.items():
            field, *mods = key.split("|")
            values = values if isinstance(values, list) else [values]
            some = values if "all" in mods else [dice.choice(values)]
            made = [wanted(dice, mods, one) for one in some]
            if not field:
                into["message"] = " ".join(map(str, [into.get("message", ""), *made]))
            elif dice.random() < 0.93:
                into[field] = made[0] if len(made) == 1 else " ".join(map(str, made)) if dice.random() < 0.8 else made
    elif isinstance(what, list) and what:
        chosen(dice, dice.choice(what), into)
    elif what is not None:
        into["message"] = wanted(dice, ("contains",), what)


def from_rule(dice, detection):
    """A record that fulfils most of a rule's identifiers."""
    found = {}
    for name, what in detection.items():
        if name not in ("condition", "timeframe") and dice.random() < (0.25 if "filter" in name else 0.9):
            chosen(dice, what, found)
    return mutated(dice, second.Pairs(found.items()))


def mutated(dice, whole):
    """The same with one or two values changed, or none."""
    places = list(scalars(whole, ()))
    for place in dice.sample(places, min(len(places), dice.randint(0, 2))):
        whole = changed(whole, place, lambda one: twisted(dice, one))
    return whole


def twisted(dice, one):
    text = second.text_of(one) if one is not None else ""
    return dice.choice((text.upper(), text.lower(), text[:-1], "x" + text, text + "x", text.replace("-", "/"), None, "", [one, "z"], [],
                        Number("1"), text[1:], [second.Pairs([("k", one)])]))


def scalars(value, place):
    if isinstance(value, second.Pairs):
        for at, (_, one) in enumerate(value):
            yield from scalars(one, (*place, at))
    elif not isinstance(value, list):
        yield place


def changed(value, place, change):
    if not place:
        return change(value)
    return second.Pairs((key, changed(one, place[1:], change) if at == place[0] else one) for at, (key, one) in enumerate(value))
