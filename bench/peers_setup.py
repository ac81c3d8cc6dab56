"""What ./run bench peers runs: each peer's program, and the one input and the tables that all of them read.

Programs go into a folder of the benchmark's own, and nothing is installed on the machine: Debian's packages are unpacked there, since
two system loggers cannot be installed side by side. Missing says why a program cannot be had.
"""
import csv
import dataclasses
import glob
import json
import os
import shutil
import subprocess
import tempfile

import common

RSIGMA = "0.23.0"


class Missing(Exception):
    """Why a peer is not run."""


@dataclasses.dataclass
class Program:
    command: list
    version: str
    environment: dict = dataclasses.field(default_factory=dict)


def said(command, **more):
    """What it printed; Missing if it failed."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **more)
    except FileNotFoundError as fault:
        raise Missing(f"{command[0]} is not here") from fault
    if result.returncode != 0:
        raise Missing(f"{' '.join(command[:3])} failed: {(result.stderr or result.stdout).strip()[-200:]}")
    return result.stdout


# ---- programs ----

def needed(packages):
    """These and what they depend on that the machine has not."""
    if os.geteuid() == 0:
        said(["apt-get", "update", "-qq"])
    simulated = said(["apt-get", "-s", "install", "--no-install-recommends", *packages])
    return sorted({*packages, *(line.split()[1] for line in simulated.splitlines() if line.startswith("Inst "))})


def unpacked(folder, packages):
    """Where Debian's packages lie as they would below /."""
    root = os.path.join(folder, packages[0])
    if os.path.isdir(root):
        return root
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # apt fetches as another user where it can.
        os.chmod(scratch, 0o755)
        said(["apt-get", "download", *needed(packages)], cwd=scratch)
        for package in glob.glob(os.path.join(scratch, "*.deb")):
            said(["dpkg-deb", "-x", package, os.path.join(scratch, "root")])
        os.rename(os.path.join(scratch, "root"), root)
    return root


def libraries(root):
    return [folder for lib in ("usr/lib", "lib") for folder in glob.glob(os.path.join(root, lib, "*-linux-gnu"))]


def syslog_ng(folder):
    root = unpacked(folder, ["syslog-ng-core", "syslog-ng-mod-geoip2", "syslog-ng-mod-add-contextual-data"])
    environment = {"LD_LIBRARY_PATH": ":".join([*libraries(root), os.path.join(root, "usr", "lib", "syslog-ng")]),
                   "SYSLOGNG_PREFIX": os.path.join(root, "usr")}
    program = os.path.join(root, "usr", "sbin", "syslog-ng")
    version = said([program, "--version"], env={**os.environ, **environment}).split("(")[1].split(")")[0]
    return Program([program], version, environment)


def rsyslog(folder):
    root = unpacked(folder, ["rsyslog"])
    environment = {"LD_LIBRARY_PATH": ":".join(libraries(root))}
    program = os.path.join(root, "usr", "sbin", "rsyslogd")
    version = said([program, "-v"], env={**os.environ, **environment}).split()[1]
    return Program([program, "-M", os.path.join(libraries(root)[0], "rsyslog")], version, environment)


def in_path(name, version):
    """A program that the user has installed: no package registry that this benchmark asks has it."""
    program = shutil.which(name)
    if program is None:
        raise Missing("no registry has it as a package: what is installed is measured, and it is not")
    return Program([program], version(said([program, "--version"])))


def fluent_bit(_folder):
    return in_path("fluent-bit", lambda words: words.split()[2].lstrip("v"))


def vector(_folder):
    raise Missing("no registry has it as a package, so no configuration could be tried")


def rsigma(folder):
    root = os.path.join(folder, "rsigma")
    program = os.path.join(root, "bin", "rsigma")
    if not os.path.exists(program):
        said(["cargo", "install", "rsigma", "--version", RSIGMA, "--locked", "--features", "daachorse-index", "--root", root])
    return Program([program], RSIGMA)


# ---- what they read ----

def people_tables(args, folder):
    """The tenant's people, name and department, in each form that a peer reads; and their object ids."""
    names = {form: os.path.join(folder, f"people-{args.seed}-{args.users}.{form}") for form in ("csv", "contextual.csv", "json", "ids")}
    if all(map(os.path.exists, names.values())):
        return names
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        common.must([common.program(args) + "-tenant", "--seed", str(args.seed), "--users", str(args.users), "--events", "1000",
                     "--out", scratch])
        with open(os.path.join(scratch, "people.ndjson"), encoding="utf-8") as lines:
            everyone = [(person["id"], person["upn"], person["department"]) for person in map(json.loads, lines)]
    people = [(upn, department) for _, upn, department in everyone]
    with open(names["ids"], "w", encoding="utf-8") as out:
        out.writelines(f"{person}\n" for person, *_ in everyone)
    with open(names["csv"], "w", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows(people)
    with open(names["contextual.csv"], "w", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows((user, ".department", department) for user, department in people)
    with open(names["json"], "w", encoding="utf-8") as out:
        json.dump({"version": 1, "nomatch": "", "type": "string",
                   "table": [{"index": user, "value": department} for user, department in people]}, out)
    return names


def inputs(tenant, events):
    """Paths by number of events: all, and the first half, quarter, eighth and sixteenth of them."""
    whole = os.path.join(tenant, "records.ndjson")
    found = {events: whole}
    for part in (2, 4, 8, 16):
        found[events // part] = first = os.path.join(tenant, f"first-{events // part}.ndjson")
        if not os.path.exists(first):
            with open(first + ".part", "wb") as out:
                common.head(whole, events // part, out)
            os.rename(first + ".part", first)
    return found
