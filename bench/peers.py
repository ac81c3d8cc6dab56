#!/usr/bin/env python3
"""./run bench peers: what a user would pick instead, at the same work, in the same run.

The work: read records, parse them as JSON, look the address up in a city and an ASN database and the person among 1.5 million,
count the events of each address whose place and person are known, write a line for each address that comes to ten. Each peer has two
configurations in bench/peers/, and the faster one counts. CPU time is that of all its processes, over all records less over the first
half of them: so what a start costs is in no event's. A peer that shorter runs show to be too slow for all of them gets fewer. What it
wrote is compared with what the records say. A second table is of rules alone. What cannot be had here is left out, and that is said.
"""
import argparse
import collections
import dataclasses
import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing

import common
import driver
import page
import peers_setup as setup

CONFIGS = os.path.join(common.ROOT, "bench", "peers")
SECTION = "./run bench peers --write"
LIMIT_SECONDS = 600  # of one run
FIT_SECONDS = 60  # what one may take by what is foreseen; one that would take longer gets fewer events
AGAIN_SECONDS = 40  # for as long each is run again, and its best run counts
LEAST = 10  # events of an address that is told of
FOUND_LEAST = 0.99  # of these addresses; one that finds fewer did not do the work
OURS = "Millrace"
TITLES = {"peers": "JSON, place, person, a count for each address", "peers, rules": "Public rules alone, without those that wait for a placeholder's value"}
UPN_ALONE = ("knows people by user principal name alone, in two of the fields that have it; takes a person's department alone; "
             "leaves a port on an address")


@dataclasses.dataclass
class Peer:
    name: str
    program: typing.Callable  # folder -> setup.Program
    configs: tuple  # names; of the files in bench/peers, where there is a `command`
    arguments: typing.Callable  # (config, place) -> list
    read: typing.Callable  # path of what it wrote -> {address: line}
    people: str = "csv"  # the form of the table
    piped: bool = True  # records come by standard input
    ended: typing.Callable = None  # path of what it wrote -> whether all is there, of one that never ends by itself
    by_id: bool = False  # it knows people by object id as well
    not_done: str = ""


# ---- what each wrote ----

def lines_of(path):
    """Those of a peer that writes the address as `address`."""
    with open(path, encoding="utf-8") as lines:
        return {line["address"]: line for line in map(json.loads, lines)}


def alert_lines(path):
    found = {}
    with open(path, encoding="utf-8") as lines:
        for alert in map(json.loads, lines):
            first = alert["evidences"][0]
            place = first["src_endpoint"]
            found[place["ip"]] = {"address": place["ip"], "count": alert["count"], "country": place["location"]["country"],
                                  "city": place["location"]["city"], "asn": place["autonomous_system"]["number"],
                                  "user": first["actor"]["user"]["email_addr"], "department": first["actor"]["user"]["org"]["ou_name"]}
    return found


def counts_told(path):
    """The texts of rsyslog's counts, oldest first; one that is not written to its end is none."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as text:
        return [line[line.index("{"):-1] for line in text if line.endswith("\n") and '"dynstats.bucket"' in line]


def counts_rest(path):
    """Nothing was counted between the last two times."""
    told = counts_told(path)
    return len(told) > 1 and told[-1] == told[-2] and bool(json.loads(told[-1])["values"])


def last_counts(path):
    counts = json.loads(counts_told(path)[-1])["values"]
    return {address: {"address": address, "count": count} for address, count in counts.items() if count >= LEAST}


# ---- who they are ----

def config_of(peer, config):
    return os.path.join(CONFIGS, peer, config)


PEERS = [
    Peer(OURS, None, ("count.yml",), lambda config, place: [
        "scan", "-r", config_of("millrace", config), "--geoip", place["PEER_CITY"], "--geoip", place["PEER_ASN"],
        "--identity", place["IDENTITY"], "--dead-letter", os.path.join(place["PEER_WORK"], "dead"), "-o", place["PEER_OUTPUT"],
        place["PEER_INPUT"]], alert_lines, piped=False, by_id=True,
        not_done="nothing is left out; besides, it takes all of a person's entry, knows a record that comes again, and shows in each line "
                 "the first ten records whole"),
    Peer("syslog-ng", setup.syslog_ng, ("one.conf", "threads.conf"), lambda config, place: [
        "--foreground", "--no-caps", "--cfgfile", config_of("syslog-ng", config),
        *(word for kind in ("persist-file", "pidfile", "control") for word in (f"--{kind}", os.path.join(place["PEER_WORK"], kind)))],
        lines_of, people="contextual.csv", not_done=UPN_ALONE),
    Peer("rsyslog", setup.rsyslog, ("direct.conf", "queue.conf"), lambda config, place: [
        "-n", "-f", config_of("rsyslog", config), "-i", os.path.join(place["PEER_WORK"], "pid")],
        last_counts, people="json", piped=False, ended=counts_rest,
        not_done=f"no place: Debian's package has no mmdblookup; no line for an address: all counts every ten seconds; {UPN_ALONE}"),
    Peer("Fluent Bit", setup.fluent_bit, ("lua.conf", "native.conf"), lambda config, place: [
        "-q", "-c", config_of("fluent-bit", config)], lines_of, not_done=UPN_ALONE + "; people and counts are a script's tables"),
    Peer("Vector", setup.vector, (), None, None),
]

RULES = [
    Peer(OURS, None, ("rules alone",), lambda _config, place: [
        "scan", "-r", place["RULES"], "--dead-letter", os.path.join(place["PEER_WORK"], "dead"), "-o", place["PEER_OUTPUT"],
        place["PEER_INPUT"]], None, piped=False,
         not_done="nothing is left out; besides, it knows where the rules' fields stand in each kind of record"),
    Peer("rsigma", setup.rsigma, ("as it comes", "--bloom-prefilter --cross-rule-ac"), lambda config, place: [
        "engine", "eval", "--quiet", "--input-format", "json", "--output-format", "ndjson", "-r", place["RULES"],
        "-e", "@" + place["PEER_INPUT"], *(config.split() if config.startswith("--") else ())], None, piped=False,
        not_done="fields stand where the rule says, so in nested records it finds less; alerts name the record's fields, not the record"),
]


# ---- one run ----

def lives(process):
    """Popen would take its end away from who measures it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def until_ended(peer, process, output):
    looked_at = None
    while lives(process):
        size = os.path.getsize(output)
        if size != looked_at and peer.ended(output):
            os.kill(process.pid, signal.SIGTERM)
            return
        looked_at = size
        time.sleep(0.2)


def ended(peer, running, output, log, config):
    """What it took, once it has ended well."""
    killer = threading.Timer(LIMIT_SECONDS, os.kill, (running.process.pid, signal.SIGKILL))
    began = time.monotonic()
    killer.start()
    try:
        if peer.ended:
            until_ended(peer, running.process, output)
        return running.end()
    except SystemExit as fault:
        if time.monotonic() - began >= LIMIT_SECONDS:
            raise setup.Missing(f"{config}: not done within {LIMIT_SECONDS} s") from fault
        with open(log, encoding="utf-8", errors="replace") as text:
            words = " ".join(text.read().split())
        raise setup.Missing(f"{config}: ended with {running.process.returncode}: {words[-300:]}") from fault
    finally:
        killer.cancel()


def run(peer, program, config, place):
    """What it took, and the path of what it wrote. Missing where it did not end well."""
    common.warm(place["PEER_INPUT"])
    log, output = (os.path.join(place["PEER_WORK"], name) for name in ("log", "output"))
    place = {**place, "PEER_OUTPUT": output}
    feeder = subprocess.Popen(["cat", place["PEER_INPUT"]], stdout=subprocess.PIPE) if peer.piped else None
    # rsigma writes to standard output, the others where they are told.
    with open(output, "wb") as out, open(log, "wb") as words:
        running = driver.Measured([*program.command, *peer.arguments(config, place)], stdin=feeder.stdout if feeder else subprocess.DEVNULL,
                                  stdout=out, stderr=words, env={**os.environ, **program.environment, **place})
    try:
        return ended(peer, running, output, log, config), output
    finally:
        if feeder:
            feeder.stdout.close()
            feeder.kill()
            feeder.wait()


def foreseen(taken, events):
    """Seconds that a run over so many would take, by what the events between the last two took."""
    few, many = sorted(taken)[-2:]
    each = (taken[many]["wall_seconds"] - taken[few]["wall_seconds"]) / (many - few)
    return taken[many]["wall_seconds"] + max(each, 0) * (events - many)


def measured_pair(sizes, taken, take):
    """The most events of `sizes`, each of which is twice the one before, whose run is foreseen to fit, and half of them. It goes up to
    them by take(), which puts each run into `taken`: where an event costs the more the more there are, the next step alone is foreseen
    well."""
    take(sizes[0])
    take(sizes[1])
    pair = sizes[0], sizes[1]
    for half, whole in itertools.pairwise(sizes[1:]):
        if foreseen(taken, whole) > FIT_SECONDS:
            break
        take(whole)
        pair = half, whole
    return pair


def measured(peer, program, config, files, place, runs):
    """By number of events, which are two: the best run, of `runs` at least, and of as many as fit into the same time for all. The first
    ones of a program that is soon done are dearer than the others: its memory is new to a virtual machine. And what stands in the last
    output."""
    best, wrote = {}, {}

    def take(events):
        with tempfile.TemporaryDirectory() as work:
            taken, output = run(peer, program, config, {**place, "PEER_INPUT": files[events], "PEER_WORK": work})
            wrote[events] = peer.read(output) if peer.read else count_lines(output)
        if events not in best or taken["cpu_seconds"] < best[events]["cpu_seconds"]:
            best[events] = taken

    pair = measured_pair(sorted(files), best, take)
    again = runs - 1 if max(pair) == max(files) else 0  # of what is that slow no best of several is needed
    until = time.monotonic() + AGAIN_SECONDS
    while again > 0 or (max(pair) == max(files) and time.monotonic() + sum(best[events]["wall_seconds"] for events in pair) < until):
        for events in pair:
            take(events)
        again -= 1
    return {events: best[events] for events in pair}, wrote[max(pair)]


def count_lines(path):
    with open(path, "rb") as lines:
        return sum(1 for _ in lines)


# ---- what comes of it ----

def figures(best):
    """Of runs over some events and over more: what one more costs, and what all costs that is not for one."""
    (few, first), (many, second) = sorted(best.items())
    us = (second["cpu_seconds"] - first["cpu_seconds"]) / (many - few) * 1e6
    return {"events": many, "us_an_event": us, "events_a_core_second": 1e6 / us if us > 0 else float("inf"),
            "start_seconds": first["cpu_seconds"] - us * few / 1e6,
            "peak_pss_bytes": max(taken["peak_pss_bytes"] for taken in best.values()),
            "others_share": max(taken["others_share"] for taken in best.values()), "wall_seconds": second["wall_seconds"]}


def user_of(record, by_id):
    properties = record.get("properties") or {}
    user = record.get("UserId") or properties.get("userPrincipalName")
    if by_id and not user:
        actor = (properties.get("initiatedBy") or {}).get("user") or {}
        user = actor.get("userPrincipalName") or properties.get("userId")
    return user


def truth(path, known, by_id):
    """Addresses that come to LEAST by events of known people, with their counts: all have a place but the tenant's own. `by_id`: for one
    that finds the user wherever a record names him, by object id too, and takes a port off the address."""
    counts = collections.Counter()
    with open(path, encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            address = record.get("ClientIP") or record.get("ClientIPAddress") or record.get("callerIpAddress")
            if address and user_of(record, by_id) in known and not address.startswith("198.51.100."):
                counts[address.partition(":")[0] if by_id else address] += 1
    return {address: count for address, count in counts.items() if count >= LEAST}


def checked(wrote, expected, departments, ours):
    """How much of what had to be found was found; how many lines say what is not so. Where a line tells the place, it must be that which
    Millrace found for that address, and the department that of the user."""
    wrong = [address for address, line in wrote.items()
             if address not in expected
             or line.get("department", departments.get(line.get("user"))) != departments.get(line.get("user"))
             or any(str(line[name]) != str(ours[address][name]) for name in ("country", "city", "asn")
                    if name in line and address in ours)]
    return {"found": len(expected.keys() & wrote.keys()) / len(expected) if expected else 1.0, "wrong": len(wrong), "lines": len(wrote)}


def departments_of(path):
    with open(path, encoding="utf-8") as lines:
        return dict(line.rstrip("\n").split(",", 1) for line in lines)


def compare(peers, args, files, place, tables, check):
    """A row a peer: its configurations, or why there are none."""
    rows = []
    for peer in peers:
        if args.only and peer.name not in (OURS, *args.only):
            continue
        row = {"name": peer.name, "not_done": peer.not_done, "configs": {}}
        rows.append(row)
        try:
            program = peer.program(args.peers) if peer.program else setup.Program([common.program(args)], "")
            row["version"] = program.version
            for config in peer.configs:
                print(f"bench: peers: {peer.name}, {config}", end="", flush=True, file=sys.stderr)
                best, wrote = measured(peer, program, config, files, {**place, "PEER_PEOPLE": tables[peer.people]}, args.runs)
                row["configs"][config] = {**figures(best), **check(peer, wrote, max(best))}
                if max(best) < max(files):
                    row["configs"][config]["all_seconds"] = foreseen(best, max(files))
                print(f": {row['configs'][config]['us_an_event']:.2f} µs CPU an event", file=sys.stderr)
        except setup.Missing as fault:
            row["missing"] = str(fault)
            print(f"\nbench: peers: {peer.name} is left out: {fault}", file=sys.stderr)
    return rows


def fastest(row):
    """Of the configurations that did the work, else of all; nothing where none ran."""
    configs = row["configs"]
    right = {name: one for name, one in configs.items() if one.get("found", 1) >= FOUND_LEAST and not one.get("wrong")}
    return min((right or configs).items(), key=lambda item: item[1]["us_an_event"], default=None)


def note(row, best):
    """What it did not do, of which the events that it was not given come first."""
    if "all_seconds" not in best:
        return row["not_done"]
    half = best["events"] // 2
    return (f"measured over {half:,} events behind the first {half:,}, since a run over all would take {best['all_seconds'] / 60:,.0f} minutes or more; "
            + row["not_done"])


def table(rows, columns):
    """`columns`: heading -> function of a configuration's figures."""
    ours = next((fastest(row)[1] for row in rows if row["name"] == OURS and row["configs"]), None)
    yield "| | events a second for one core | µs CPU an event | " + OURS + " is | " + "".join(
        f"{name} | " for name in columns) + "start, s of CPU | memory, MiB | configuration | what it did not do |"
    yield "| --- " * (8 + len(columns)) + "|"
    for row in rows:
        name = f"{row['name']} {row.get('version', '')}".strip()
        if not row["configs"]:
            yield f"| {name} |" + " |" * (6 + len(columns)) + f" not run: {row['missing']} |"
            continue
        config, best = fastest(row)
        times = f"{best['us_an_event'] / ours['us_an_event']:.1f} times as fast" if ours and row["name"] != OURS else ""
        yield (f"| {name} | {best['events_a_core_second']:,.0f} | {best['us_an_event']:.2f} | {times} | " + "".join(
            f"{show(best)} | " for show in columns.values()) + f"{max(best['start_seconds'], 0):.1f} | "
            f"{best['peak_pss_bytes'] / 2**20:,.0f} | {config} | {note(row, best)} |")


# ---- the command ----

def arguments():
    parser = argparse.ArgumentParser(prog="run bench peers", description="Others at the same work.")
    common.add_arguments(parser)
    parser.set_defaults(runs=2, events=400_000)
    parser.add_argument("--only", action="append", help="this peer alone beside Millrace, often")
    parser.add_argument("--peers", help="where their programs are put; default: below --dir")
    parser.add_argument("--write", action="store_true", help="write what was measured to bench/README.md")
    args = parser.parse_args()
    names = sorted({peer.name for peer in (*PEERS, *RULES)} - {OURS})
    if unknown := set(args.only or ()) - set(names):
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(names)}")
    common.must_tell(parser, args, "what they cost is told by the second half alone")
    args.peers = os.path.abspath(args.peers or os.path.join(args.dir, "peers"))
    os.makedirs(args.peers, exist_ok=True)
    return args


def compare_work(args, tenant, files):
    tables = setup.people_tables(args, args.peers)
    place = {"PEER_CITY": os.path.join(tenant, "city.mmdb"), "PEER_ASN": os.path.join(tenant, "asn.mmdb"),
             "IDENTITY": os.path.join(tenant, "identity"), "PEER_CONFIGS": os.path.join(CONFIGS, "fluent-bit")}
    departments = departments_of(tables["csv"])
    with open(tables["ids"], encoding="utf-8") as lines:
        known = {False: departments.keys(), True: departments.keys() | set(lines.read().split())}
    ours = {}

    @functools.cache
    def expected(events, by_id):
        return truth(files[events], known[by_id], by_id)

    def check(peer, wrote, events):
        if peer.name == OURS:
            ours.update(wrote)
        return checked(wrote, expected(events, peer.by_id), departments, ours)

    return compare(PEERS, args, files, place, tables, check)


def compare_rules(args, files):
    if not os.path.isdir(args.sigma):
        print(f"bench: peers: no public rules in {args.sigma}: rules alone are left out", file=sys.stderr)
        return []
    # Without the rules that wait for a placeholder's value: rsigma finds them in each record.
    rules = next(filter(os.path.isdir, (os.path.join(args.sigma, "rules"), args.sigma)))
    return compare(RULES, args, files, {"RULES": os.path.abspath(rules)}, {"csv": ""}, lambda _peer, lines, _events: {"lines": lines})


def others(rows):
    return max((config["others_share"] for row in rows for config in row["configs"].values()), default=0)


def main():
    args = arguments()
    tenant = os.path.abspath(common.tenant(args))
    files = setup.inputs(tenant, args.events)
    found = {"peers": (compare_work(args, tenant, files), {"found": lambda one: f"{one['found']:.1%}", "wrong": lambda one: one["wrong"]}),
             "peers, rules": (compare_rules(args, files), {"alerts": lambda one: f"{one['lines']:,}"})}
    for name, (rows, columns) in found.items():
        text = "\n".join(table(rows, columns)) + "\n"
        print(text)
        if args.write and rows:
            page.put(SECTION, name, f"**{TITLES[name]}** ({page.machine(others(rows))}, {args.events // 2:,} events behind the first "
                     f"{args.events // 2:,}: `{SECTION}`; one peer beside {OURS}: `./run bench peers --only NAME`)\n\n{text}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"arguments": vars(args), **{name: rows for name, (rows, _) in found.items()}}, file, indent=1)


if __name__ == "__main__":
    main()
