"""What an event may cost in instructions: the committed figures, and what is too much.

instructions.txt has a line for each change: which rules, instructions an event, and why it changed. Of each name the last
line holds. More than LIMIT above it is a failure; a figure that fell is said, so that it is committed, too.
"""
import os

FIGURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.txt")
LIMIT = 0.03
NOISE = 0.005  # counts differ by less, whatever else the machine does


def read(path=FIGURES):
    """By name, what holds. Raises ValueError at a line that gives no reason."""
    figures = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split(None, 2)
            if not words or words[0].startswith("#"):
                continue
            if len(words) < 3 or not words[1].isdecimal():
                raise ValueError(f"{path}:{number}: a name, a number and a reason are wanted")
            figures[words[0]] = int(words[1])
    return figures


def judge(figures, counted):
    """Words for each name, and whether all is well."""
    words, good = [], True
    for name, count in counted.items():
        if name not in figures:
            words.append(f"{name}: {count:,} instructions an event; no figure is committed")
            good = False
            continue
        rise = count / figures[name] - 1
        words.append(f"{name}: {count:,} instructions an event, {rise:+.2%} of the committed {figures[name]:,}")
        if rise > LIMIT:
            words[-1] += f": more than {LIMIT:.0%} is refused. ./run cost --commit REASON, where it is worth that"
            good = False
        elif rise < -NOISE:
            words[-1] += ". ./run cost --commit REASON keeps what was gained"
    return words, good


def commit(counted, reason, path=FIGURES):
    with open(path, "a", encoding="utf-8") as file:
        for name, count in counted.items():
            file.write(f"{name} {count} {' '.join(reason.split())}\n")
