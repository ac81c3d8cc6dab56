"""What Sigma rules mean: the lines of tests/conformance through the whole program, and a second evaluator (second.py)
that says the same of them, of random rules over random records, and of public rules over real and mutated records.
MILLRACE_SECOND_ROUNDS=20 is the long run; with MILLRACE_SIGMA_REPO it takes SigmaHQ's whole collection."""
import glob
import json
import os
import random
import subprocess
import sys
import time
import unittest

import millrace_test as mr
import plain_yaml
import second
import second_random
import sigma_repo

SUITE = os.path.join(mr.ROOT, "tests", "conformance")
ROUNDS = int(os.environ.get("MILLRACE_SECOND_ROUNDS", "1"))
SEED = int(os.environ.get("MILLRACE_SEED", time.time()))
TOGETHER = 60  # rules in a scan: each is asked of each record


class Suite:
    """The lines, by rule."""

    def __init__(self):
        with open(os.path.join(SUITE, "placeholders.json"), encoding="utf-8") as text:
            self.placeholders = json.load(text)
        self.rules, self.refused = {}, []
        with open(os.path.join(SUITE, "detections.ndjson"), encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                case = dict(second.read(line))
                rule = as_rule(case["rule"])
                if "refused" in case:
                    self.refused.append((number, rule))
                else:
                    self.rules.setdefault(second.write(rule), (rule, []))[1].append((number, case["record"], case["matches"]))


def as_rule(value):
    """Pairs as a Map: as the YAML of a rule is read."""
    if isinstance(value, second.Pairs):
        return plain_yaml.Map((key, as_rule(one)) for key, one in value)
    return [as_rule(one) for one in value] if isinstance(value, list) else value


def document(rule, uid):
    return {"title": "t", "id": uid, "status": "test", "level": "low", "logsource": {}, "detection": rule}


class Conformance(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.suite = Suite()
        self.placeholders = self.write("placeholders", [self.suite.placeholders])
        # So that some rule is usable, whatever the others are.
        self.other = self.write("other.yml", [document({"s": {"no such field": "x"}, "condition": "s"}, "other")])

    def write(self, name, documents, between=""):
        with open(self.place.path(name), "w", encoding="utf-8") as out:
            out.writelines(second.write(one) + "\n" + between for one in documents)
        return self.place.path(name)

    def ask(self, rules, records, *options):
        """The pairs (rule's id, number of the record) that match."""
        path = self.write("records", records)
        offsets, at = {}, 0
        for number, record in enumerate(records):
            offsets[at] = number
            at += len(second.write(record).encode()) + 1
        status, found, said = mr.scan("--placeholders", self.placeholders, "--log-level", "error", *options, "-r", self.other, "-r", rules,
                                      path, env=self.place.environment)
        self.assertEqual(status, 0, said)
        return {(alert["finding_info"]["analytic"]["uid"], offsets[shown["offset"]])
                for alert in found for shown in alert["unmapped"]["millrace"]["evidence"]}

    def compare(self, rules, records, *options, event=False):
        """The program and the second evaluator, over each pair; gives what the program says. Equal records are one."""
        path = self.write("rules.yml", rules.documents, "---\n")
        unlike = list({second.write(record): record for record in records}.values())
        got = self.ask(path, unlike, *options)
        fields = [second.Fields(record, event) for record in unlike]
        for uid, rule in rules.held.items():
            for number, one in enumerate(fields):
                if rule.holds(one) != ((uid, number) in got):
                    self.fail(f"MILLRACE_SEED={SEED}: the program says {(uid, number) in got}\n"
                              f"{json.dumps(rules.by_id[uid], ensure_ascii=False)}\n{second.write(unlike[number])}")
        return {(uid, second.write(unlike[number])) for uid, number in got}

    def test_lines(self):
        rules = [(f"rule-{n}", *one) for n, one in enumerate(self.suite.rules.values()) if not isinstance(one[0], list)]
        self.assertGreater(len(rules), 200)
        for at in range(0, len(rules), TOGETHER):
            some = rules[at:at + TOGETHER]
            documents = [document(rule, uid) for uid, rule, _ in some]
            got = self.compare(Rules(documents, self.suite.placeholders), [record for *_, cases in some
                                                                          for _, record, _ in cases])
            for uid, rule, cases in some:
                for line, record, matches in cases:
                    self.assertEqual((uid, second.write(record)) in got, matches, f"line {line}: {second.write(rule)}")

    def test_documents(self):
        """Those of several: `action`, filters."""
        for rule, cases in self.suite.rules.values():
            if isinstance(rule, list):
                got = self.compare(Rules(rule, self.suite.placeholders), [record for _, record, _ in cases])
                for line, record, matches in cases:
                    self.assertEqual(("it", second.write(record)) in got, matches, f"line {line}: {second.write(rule)}")

    def test_refused(self):
        self.assertGreater(len(self.suite.refused), 100)
        folder = self.place.path("refused")
        os.mkdir(folder)
        for line, rule in self.suite.refused:
            documents = rule if isinstance(rule, list) else [document(rule, "it")]
            self.write(f"refused/{line}.yml", [{**one, "id": f"line-{line}"} for one in documents], "---\n")
            if not isinstance(rule, list):
                with self.assertRaises(second.Refused, msg=f"line {line}"):
                    second.detection(rule, self.suite.placeholders)
        done = subprocess.run([mr.PROGRAM, "rules", "check", "--json", "--placeholders", self.placeholders, folder],
                              capture_output=True, text=True, timeout=120)
        refused = {note["id"] for note in json.loads(done.stdout)["refused"]}
        self.assertEqual([line for line, _ in self.suite.refused if f"line-{line}" not in refused], [])

    def test_random(self):
        """2,000 rules in the long run; those that the second evaluator refuses the program refuses as well."""
        dice = random.Random(SEED)
        hits = 0
        for _ in range(ROUNDS):
            rules = Rules([document(second_random.rule(dice), f"rule-{n}") for n in range(100)], self.suite.placeholders)
            records = [second_random.record(dice) for _ in range(60)]
            hits += len(self.compare(rules, records))
            done = subprocess.run([mr.PROGRAM, "rules", "check", "--json", "--placeholders", self.placeholders,
                                   self.place.path("rules.yml")], capture_output=True, text=True, timeout=120)
            self.assertEqual({note["id"] for note in json.loads(done.stdout)["refused"]}, rules.refused, f"MILLRACE_SEED={SEED}")
        self.assertGreater(hits, 100 * ROUNDS)

    def test_public(self):
        """Records made from the rules themselves, and real ones of SigmaHQ's regression data; each mutated."""
        dice = random.Random(SEED)
        by_logsource = public_rules(sigma_repo.folders() if sigma_repo.PATH else [mr.shared("sigma")])
        events = regression_events(by_logsource)
        if ROUNDS == 1:
            by_logsource = dict(dice.sample(sorted(by_logsource.items()), min(4, len(by_logsource))))
        total = sum(map(len, by_logsource.values()))
        hits = asked = 0
        for logsource, documents in by_logsource.items():
            rules = Rules(documents, {})
            real = events.get(logsource, [])
            share = 40 if ROUNDS == 1 else max(40, 500 * ROUNDS * len(documents) // total)
            records = [second_random.from_rule(dice, dice.choice(documents)["detection"]) for _ in range(share)]
            records += [second_random.mutated(dice, dice.choice(real)) for _ in range(share)] if real else []
            for at in range(0, len(records), 200):
                some = records[at:at + 200]
                hits += len(self.compare(rules, some, "--logsource", logsource, event=True))
                asked += len(some) * len(rules.held)
        print(f"{asked} pairs of {len(by_logsource)} logsources, {hits} matches", file=sys.stderr)
        self.assertGreater(hits, 0)


class Rules:
    """Documents of one file, and what the second evaluator makes of them."""

    def __init__(self, documents, placeholders):
        self.documents = documents
        self.held, self.refused = second.load(list(second.carried_out(documents)), placeholders)
        self.by_id = {one.get("id"): one for one in documents}


# Millrace fills these of a record that does not have them itself: second.py does not.
NORMALISED = {"time", "status", "user.name", "device.name", "status_code", "status_detail", "risk_level", "src_endpoint.ip"}


def public_rules(tops):
    """Documents by logsource, as a source says it. Left out: what asks for what Millrace itself fills in, and for
    regular expressions that Python lacks."""
    found = {}
    for top in tops:
        for path in sorted(glob.glob(os.path.join(top, "**", "*.yml"), recursive=True)):
            with open(path, encoding="utf-8") as text:
                for rule in plain_yaml.documents(text.read()):
                    if "detection" not in rule or {name_of(key) for key in keys_of(rule["detection"])} & NORMALISED:
                        continue
                    try:
                        second.load([rule], {})
                    except NotImplementedError as lacking:
                        print(f"{path}: {lacking}", file=sys.stderr)
                        continue
                    own = second.logsource_of(rule)
                    text = ",".join(f"{part}={value}" for part, value in own.items())
                    found.setdefault(text, []).append({**rule, "status": "test"})
    return found


def name_of(key):
    return second.name_of(key.split("|")[0])


def keys_of(value):
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from keys_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys_of(one)


def regression_events(by_logsource):
    """SigmaHQ's events, by the logsource of the rule that is to fire on them."""
    found = {}
    logsources = {rule["id"]: logsource for logsource, rules in by_logsource.items() for rule in rules}
    for rule, folder in sigma_repo.regression_cases() if sigma_repo.PATH else ():
        for path in glob.glob(os.path.join(folder, "*.json")):
            events = [second.read(text) for text in sigma_repo.texts_in(path)]
            found.setdefault(logsources.get(rule), []).extend(events)
    return found


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
