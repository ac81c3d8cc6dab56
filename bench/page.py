"""Parts of bench/README.md that commands write: each stands in a section of its command's, under its own name, once."""
import datetime
import os
import platform

import common

README = os.path.join(common.ROOT, "bench", "README.md")


def machine(others):
    """Where it was measured; `others`: the share of it that all else had."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return f"{name}, {os.cpu_count()} cores, {datetime.date.today()}, of which others had at most {others:.0%}"


def marks(name):
    return f"<!-- {name} -->\n", f"<!-- /{name} -->\n"


def with_part(page, section, name, part):
    """In place of what the section had by that name, or behind the others; a section that is missing begins at the end."""
    (begin, end), (first, last) = marks(section), marks(name)
    if begin not in page:
        page += "\n" + begin + end
    before, rest = page.split(begin)
    inside, after = rest.split(end)
    part = first + part + last
    if first in inside:
        front, old = inside.split(first)
        inside = front + part + old.split(last)[1]
    else:
        inside += "\n" + part
    return before + begin + inside + end + after


def put(section, name, part):
    with open(README, encoding="utf-8") as file:
        page = file.read()
    with open(README, "w", encoding="utf-8") as file:
        file.write(with_part(page, section, name, part))
