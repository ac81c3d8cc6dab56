"""SigmaHQ's repository of rules, a checkout that MILLRACE_SIGMA_REPO names: its folders, and its regression data."""
import glob
import json
import os
import re

PATH = os.environ.get("MILLRACE_SIGMA_REPO")
FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting", "rules-placeholder", "rules-compliance")


def folders():
    return [os.path.join(PATH, name) for name in FOLDERS]


def regression_cases():
    """(rule's id, folder with the events that it is to fire on)."""
    for info in sorted(glob.glob(os.path.join(PATH, "regression_data", "**", "info.yml"), recursive=True)):
        with open(info, encoding="utf-8") as text:
            yield re.search(r"^rule_metadata:\n *- id: (\S+)", text.read(), re.M).group(1), os.path.dirname(info)


def texts_in(path):
    """The records of a file, each as its own text: JSON documents one behind the other."""
    with open(path, encoding="utf-8") as text:
        rest = text.read().strip()
    while rest:
        _, end = json.JSONDecoder().raw_decode(rest)
        yield rest[:end]
        rest = rest[end:].strip()
