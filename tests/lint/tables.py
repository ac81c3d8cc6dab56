"""README's tables that are made of what the code reads:

- the normalised fields: include/millrace/normalised.def, row for row; what fills a field is parse or a setting of
  include/millrace/setting.def;
- what the ledger counts for each source: include/millrace/book.def and reject_kind.def, row for row;
- what a service's status says, and its alarms: pipeline/status.def and alarm.def, row for row;
- what `rules check` finds: stages/detect/sigma_lint.def, row for row;
- the logsources that are fed: rules/mappings/microsoft.yml, entry for entry;
- the settings of a topology file, a table for each place where they stand: include/millrace/setting.def.

    tables.py            says where they differ, exit 1
    tables.py --write    puts the tables into README.md
"""
import re
import sys

DEF = "include/millrace/normalised.def"
SETTINGS = "include/millrace/setting.def"
BOOKS = "include/millrace/book.def"
REJECTS = "include/millrace/reject_kind.def"
STATUS = "pipeline/status.def"
ALARMS = "pipeline/alarm.def"
LINTS = "stages/detect/sigma_lint.def"
MAPPING = "rules/mappings/microsoft.yml"
README = "README.md"
ROW = re.compile(r'X\(\w+, "([^"]+)", "[^"]+", [012], (\w+), "(.*)"\)')
SETTING = re.compile(r'X\("(\w+)", ([A-Z| ]+), "([^"]*)", (\w+), "([^"]*)", (.+), (.+), ([^,"]+), "((?:[^"\\]|\\.)*)"\)')
PLACES = {"RUN": "a setting of the run", "SOURCE": "a setting of a source", "SINK": "a setting of a sink",
          "HOST": "a setting of a host"}
UNITS = {"MR_MS_US": 10**3, "MR_SECOND_US": 10**6, "MR_MINUTE_US": 60 * 10**6, "MR_HOUR_US": 3600 * 10**6,
         "MR_DAY_US": 86400 * 10**6, "MR_KIB": 1 << 10, "MR_MIB": 1 << 20, "MR_GIB": 1 << 30, "MR_PIB": 1 << 50}
UNLIMITED = 2**63 - 1
# From the largest on.
DURATIONS = (("d", "MR_DAY_US"), ("h", "MR_HOUR_US"), ("m", "MR_MINUTE_US"), ("s", "MR_SECOND_US"), ("ms", "MR_MS_US"))
SIZES = (("PiB", "MR_PIB"), ("GiB", "MR_GIB"), ("MiB", "MR_MIB"), ("KiB", "MR_KIB"))
# Three lines of an entry, as the mapping writes them; the last is not in each.
ENTRY = re.compile(r"^ +- logsource: \{product: (\w+), service: (\w+)\}\n +kinds: \[([^]]+)\]\n"
                   r"(?:(?: +#.*\n)* +where: \{(\w+): (?:\[([^]]+)\]|([^]}]+))\}\n)?", re.M)


def fillers():
    with open(SETTINGS, encoding="utf-8") as file:
        names = re.findall(r'^X\("(\w+)"', file.read(), re.M)
    return {"parse": "the record"} | {name: f"`--{name.replace('_', '-')}`" for name in names}


def fields():
    rows = ["| field | what | filled by |", "| --- | --- | --- |"]
    filled_by = fillers()
    with open(DEF, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = ROW.fullmatch(line.rstrip("\n"))
            if row and row.group(2) in filled_by:
                rows.append(f"| `{row.group(1)}` | {row.group(3)} | {filled_by[row.group(2)]} |")
            elif line.startswith("X("):
                sys.exit(f"{DEF}:{number}: no row of a field that parse or a setting fills")
    return rows


def books():
    rows = ["| of a source | what is counted |", "| --- | --- |"]
    for path, prefix in ((BOOKS, ""), (REJECTS, "rejected_")):
        with open(path, encoding="utf-8") as file:
            rows += [f"| `{prefix}{name}` | {prose} |"
                     for name, prose in re.findall(r'^X\(\w+, "([^"]+)", "(.*)"\)', file.read(), re.M)]
    return rows


def number(text):
    """A number of a row: digits, units and products of them."""
    product = 1
    for factor in text.split("*"):
        factor = factor.strip()
        product *= UNLIMITED if factor == "MR_UNLIMITED" else UNITS.get(factor) or int(factor)
    return product


def shown(kind, value):
    if value == UNLIMITED:
        return "unlimited"
    for unit, name in {"DURATION": DURATIONS, "SIZE": SIZES}.get(kind, ()):
        if value and value % UNITS[name] == 0:
            return f"{value // UNITS[name]}{unit}"
    return str(value)


def value_of(kind, argument, least, most, fallback):
    """What it takes, its range and its default, in a cell."""
    words = ["true", "false"] if kind == "FLAG" else argument.split("|") if kind in ("CHOICE", "CHOICES") else []
    often = ", or a list" if kind in ("TEXTS", "PATHS", "CHOICES") else ""
    if words:
        text = ", ".join(f"`{word}`" for word in words) + often
        default = (words[::-1] if kind == "FLAG" else words)[fallback] if fallback >= 0 else ""
        return text + (f"; default `{default}`" if default else "")
    if kind not in ("NUMBER", "DURATION", "SIZE"):
        return argument.replace("|", " or ") + often
    text = f"{shown(kind, least)} to {shown(kind, most)}" if most != UNLIMITED else \
        f"at least {shown(kind, least)}, or `unlimited`"
    return text + (f"; default {shown(kind, fallback)}" if least <= fallback <= most else "")


def standing(types):
    if types in ("", "!"):
        return "needed" if types else ""
    return ", ".join(f"{one.rstrip('!')}: needed" if one.endswith("!") else one for one in types.split())


def settings():
    """A table for each place."""
    tables = {place: [f"| {head} | value | for | what |", "| --- | --- | --- | --- |"]
              for place, head in PLACES.items()}
    with open(SETTINGS, encoding="utf-8") as file:
        for at, line in enumerate(file, 1):
            row = SETTING.fullmatch(line.rstrip("\n"))
            if line.startswith("X(") and not row:
                sys.exit(f"{SETTINGS}:{at}: no row of a setting")
            scopes = row.group(2).split(" | ") if row else []
            for place in PLACES.keys() & set(scopes):
                name, _, types, kind, argument, least, most, fallback, prose = row.groups()
                value = value_of(kind, argument, number(least), number(most), number(fallback))
                tables[place].append(f"| `{name}` | {value} | {standing(types)} | {prose} |")
    return list(tables.values())


def records(kinds, field, listed, single):
    """Of which records a logsource is: their kinds, and what else it asks of them."""
    shown = ", ".join(f"`{kind.strip()}`" for kind in kinds.split(","))
    return shown + (f" where `{field}` is {' or '.join(re.split(', *', listed or single))}" if field else "")


def logsources():
    with open(MAPPING, encoding="utf-8") as file:
        text = file.read()
    entries = ENTRY.findall(text)
    if len(entries) != text.count("logsource:") or sum(bool(entry[3]) for entry in entries) != text.count("where:"):
        sys.exit(f"{MAPPING}:1: an entry is written otherwise than tests/lint/tables.py reads it")
    fed = {}
    for product, service, *of in entries:
        fed.setdefault((product, service), []).append(records(*of))
    return ["| product | service | records |", "| --- | --- | --- |"] + [
        f"| `{product}` | `{service}` | {'; '.join(of)} |" for (product, service), of in fed.items()]


def status():
    """Each figure with its unit, as the JSON and the metrics name it."""
    units = {"BYTES": "_bytes", "RATE": "_per_second", "SPAN": "_seconds"}
    places = {"SERVICE": "service", "HOST": "hosts[]", "WORKER": "workers[]", "SOURCE": "sources[]", "SINK": "sinks[]",
              "SHED": "state_shed[]"}
    rows = ["| member | metric | what |", "| --- | --- | --- |"]
    with open(STATUS, encoding="utf-8") as file:
        text = file.read()
    found = re.findall(r'^MR_STATUS_(\w+)\((\w+), (\w+), "(\w*)", "(.*)"\)$', text, re.M)
    if len(found) != len(re.findall(r"^MR_STATUS_", text, re.M)):
        sys.exit(f"{STATUS}:1: a row is written otherwise than tests/lint/tables.py reads it")
    for section, name, kind, metric, prose in found:
        shown = f"`millrace_{metric}`" if metric else ""
        rows.append(f"| `{places[section]}.{name}{units.get(kind, '')}` | {shown} | {prose} |")
    return rows


def alarms():
    with open(ALARMS, encoding="utf-8") as file:
        found = re.findall(r'^X\(\w+, "(\w+)", (\w+), (\w+), "(.*)"\)$', file.read(), re.M)
    return ["| alarm | level | `/readyz` | what |", "| --- | --- | --- | --- |"] + [
        f"| `{name}` | {level.lower()} | {'503' if stops == 'true' else ''} | {prose} |" for name, level, stops, prose in found]


def lints():
    with open(LINTS, encoding="utf-8") as file:
        found = re.findall(r'^X\(\w+, "([^"]+)",\s+"(.*)"\)$', file.read(), re.M)
    return ["| finding | what |", "| --- | --- |"] + [f"| `{name}` | {prose} |" for name, prose in found]


def find(lines, head):
    """A table's lines in README: from its head to the first line that is no row."""
    if head not in lines:
        sys.exit(f'{README}:1: a table is missing: its head is "{head}"')
    start = end = lines.index(head)
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return start, end


def difference(lines, source, wanted):
    """Where README's table is not as its source says, or None."""
    start, end = find(lines, wanted[0])
    there = lines[start:end]
    if there == wanted:
        return None
    same = next((i for i, (a, b) in enumerate(zip(there, wanted)) if a != b), min(len(there), len(wanted)))
    want = wanted[same] if same < len(wanted) else "the table's end"
    return f"{README}:{start + same + 1}: not as {source} says: {want}; python3 tests/lint/tables.py --write mends it"


def main(write):
    with open(README, encoding="utf-8") as file:
        lines = file.read().split("\n")
    tables = [(DEF, fields()), (BOOKS, books()), (STATUS, status()), (ALARMS, alarms()), (LINTS, lints()),
              (MAPPING, logsources())] + [(SETTINGS, table) for table in settings()]
    for source, wanted in tables:
        differs = difference(lines, source, wanted)
        if differs and not write:
            sys.exit(differs)
        start, end = find(lines, wanted[0])
        lines[start:end] = wanted
    if write:
        with open(README, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:] == ["--write"])
