"""README's table of the normalised fields is include/millrace/normalised.def, row for row; what fills a field is parse
or a setting of include/millrace/setting.def.

    fields.py            says where they differ, exit 1
    fields.py --write    puts the table into README.md
"""
import re
import sys

DEF = "include/millrace/normalised.def"
SETTINGS = "include/millrace/setting.def"
README = "README.md"
ROW = re.compile(r'X\(\w+, "([^"]+)", "[^"]+", [01], (\w+), "(.*)"\)')
HEAD = ["| field | what | filled by |", "| --- | --- | --- |"]


def fillers():
    with open(SETTINGS, encoding="utf-8") as file:
        names = re.findall(r'^X\("(\w+)"', file.read(), re.M)
    return {"parse": "the record"} | {name: f"`--{name.replace('_', '-')}`" for name in names}


def table():
    rows = list(HEAD)
    filled_by = fillers()
    with open(DEF, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            row = ROW.fullmatch(line.rstrip("\n"))
            if row and row.group(2) in filled_by:
                rows.append(f"| `{row.group(1)}` | {row.group(3)} | {filled_by[row.group(2)]} |")
            elif line.startswith("X("):
                sys.exit(f"{DEF}:{number}: no row of a field that parse or a setting fills")
    return rows


def find(lines):
    """The table's lines in README: from its head to the first line that is no row."""
    if HEAD[0] not in lines:
        sys.exit(f'{README}:1: the table of fields is missing: its head is "{HEAD[0]}"')
    start = end = lines.index(HEAD[0])
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return start, end


def main(write):
    with open(README, encoding="utf-8") as file:
        lines = file.read().split("\n")
    start, end = find(lines)
    there, wanted = lines[start:end], table()
    if there == wanted:
        return
    if write:
        with open(README, "w", encoding="utf-8") as file:
            file.write("\n".join(lines[:start] + wanted + lines[end:]))
        return
    same = next((i for i, (a, b) in enumerate(zip(there, wanted)) if a != b), min(len(there), len(wanted)))
    want = wanted[same] if same < len(wanted) else "the table's end"
    sys.exit(f"{README}:{start + same + 1}: not as {DEF} says: {want}; python3 tests/lint/fields.py --write mends it")


if __name__ == "__main__":
    main(sys.argv[1:] == ["--write"])
