"""The rules of the house that no other tool knows. Prints each breach as file:line: text; exit 1 if any.

- a stage includes include/millrace and its own folder, never another stage and never pipeline/;
- pipeline/ includes no stage; include/millrace includes nothing but itself;
- the only C++ file is pipeline/json.cc;
- no C file over 800 lines, no function over 55 lines: it fits a screen;
- nothing at the top but what was agreed;
- what kills workers on purpose (MILLRACE_POISON) is in no build but those for tests;
- no unfinished work.
"""
import json
import os
import re
import subprocess
import sys

TOP = {"pipeline", "stages", "include", "bench", "tests", "rules", "deploy", "CMakeLists.txt", "CMakePresets.json",
       "README.md", "CONTRIBUTING.md", "LICENSE", "run"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|for now\b|not implemented", re.I)
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 55


def tracked():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                         capture_output=True).stdout
    return [name for name in out.decode().split("\0") if name and os.path.exists(name)]


def includes(lines):
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
        if match:
            yield number, match.group(1)


def check_includes(name, lines):
    room = os.path.dirname(name)
    for number, path in includes(lines):
        if path.startswith("millrace/"):
            if not os.path.exists("include/" + path):
                yield number, f"{path} does not exist"
            continue
        local = os.path.normpath(os.path.join(room, path))
        ours = os.path.exists(local) or any(
            os.path.exists(os.path.join(folder, os.path.basename(path)))
            for folder in ["pipeline"] + ["stages/" + stage for stage in os.listdir("stages")])
        if not ours:
            continue  # a system header
        if name.startswith("include/"):
            yield number, f"a contract includes {path}: it depends on nothing here"
        elif os.path.dirname(local) != room or not os.path.exists(local):
            yield number, f"{room} includes {path}: only include/millrace and its own folder are allowed"


def check_functions(lines):
    """Functions in this style begin at column 0 and end with a brace at column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start > MAX_FUNCTION_LINES:
                yield start, f"a function of {number - start} lines (at most {MAX_FUNCTION_LINES})"
            start = None


def check(name):
    with open(name, encoding="utf-8", errors="replace") as file:
        lines = file.read().split("\n")
    if name.endswith((".c", ".h", ".cc", ".def")):
        if name.split("/")[0] in ("pipeline", "stages", "include"):
            yield from check_includes(name, lines)
        if len(lines) > MAX_FILE_LINES + 1:
            yield 1, f"{len(lines)} lines (at most {MAX_FILE_LINES})"
        yield from check_functions(lines)
    if name.endswith((".cc", ".cpp", ".hpp")) and name != "pipeline/json.cc":
        yield 1, "the only C++ file is pipeline/json.cc"
    if name.endswith((".c", ".h", ".cc", ".def", ".py", ".md", ".txt", "run")) and name != "tests/lint/house.py":
        for number, line in enumerate(lines, 1):
            if UNFINISHED.search(line):
                yield number, "unfinished work: " + line.strip()


POISONED = {"dev", "asan", "tsan"}
POISON_SEEN = {"CMakeLists.txt", "CONTRIBUTING.md", "CMakePresets.json", "include/millrace/poison.h", "tests/lint/house.py"}


def check_poison(names):
    """The switch is off unless a preset for tests turns it on, and one header alone looks at it."""
    with open("CMakePresets.json", encoding="utf-8") as file:
        presets = json.load(file)["configurePresets"]
    for preset in presets:
        on = preset.get("cacheVariables", {}).get("MILLRACE_POISON", "OFF") != "OFF"
        if on and preset["name"] not in POISONED or on and preset["cacheVariables"]["CMAKE_BUILD_TYPE"] != "Debug":
            yield "CMakePresets.json", f"the preset {preset['name']} turns MILLRACE_POISON on"
        if preset.get("inherits", "base") != "base":
            yield "CMakePresets.json", f"the preset {preset['name']} may inherit MILLRACE_POISON"
    with open("CMakeLists.txt", encoding="utf-8") as file:
        if not re.search(r"option\(MILLRACE_POISON [^)]* OFF\)", file.read()):
            yield "CMakeLists.txt", "MILLRACE_POISON is not off by itself"
    for name in names:
        with open(name, encoding="utf-8", errors="replace") as file:
            if name not in POISON_SEEN and "MILLRACE_POISON" in file.read():
                yield name, "only include/millrace/poison.h looks at MILLRACE_POISON"


def main():
    names = tracked()
    breaches = 0
    for top in sorted({name.split("/")[0] for name in names}):
        if top not in TOP and not top.startswith("."):
            print(f"{top}:1: not agreed at the top level")
            breaches += 1
    for name, text in check_poison(names):
        print(f"{name}:1: {text}")
        breaches += 1
    for name in names:
        for number, text in check(name):
            print(f"{name}:{number}: {text}")
            breaches += 1
    sys.exit(1 if breaches else 0)


if __name__ == "__main__":
    main()
