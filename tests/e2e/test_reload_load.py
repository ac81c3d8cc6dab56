"""Reloads of a service at work, half of them bad: each record is judged once, by one whole set of rules, what correlations
have in hand outlives each reload, and each refusal says where and why.

MILLRACE_RELOADS says how many reloads there are."""
import collections
import datetime
import json
import os
import signal
import tempfile
import unittest

import millrace_test as mt
from test_reload import NAMES, REFUSED, RELOADED, Service, correlation, identity, number_of, rule

RELOADS = int(os.environ.get("MILLRACE_RELOADS", "6"))
AT_ONCE = 10  # records that are written together
EACH = 200  # records of one reload
USERS = 10
FEW = 3
SPAN = "30d"  # wider than all records lie apart
COUNTED = """title: of one user
id: {id}
status: test
correlation:
    type: {type}
    rules: [{rules}]
    group-by: [UserId]
    timespan: {span}
    condition:
        {condition}
level: high
"""


def counted(name, kind, rules, condition):
    return COUNTED.format(id=identity(name), type=kind, rules=", ".join(map(identity, rules)), span=SPAN, condition=condition)


def within(depth):
    """A condition in parentheses."""
    return "(" * depth + "selection" + ")" * depth


def detect(name, values="Operation: Set-Mailbox", condition="selection"):
    """A rule whose detection is written out."""
    return rule(name).replace("Operation: Set-Mailbox", values).replace("condition: selection", f"condition: {condition}")


def alias_bomb(name):
    levels = ["    a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return rule(name).replace("level: low", "level: low\nnotes:\n" + "\n".join(levels))


def listed(name, values, key="Operation"):
    return detect(name, f"{key}:\n" + "\n".join(f"            - {value}" for value in values))


# What is done to the rule that is in force, and words of the refusal. Where it is a text, it stands in the rule's file.
BAD = {
    "no YAML": (lambda name: "title: [a", "not YAML"),
    "not UTF-8": (lambda name: rule(name).replace("A mailbox", "\udcff"), "byte 0xff is not UTF-8"),
    "no title": (lambda name: rule(name).replace("title", "titel"), "title"),
    "an unknown identifier": (lambda name: detect(name, condition="selektion"), 'the identifier "selektion" is not in'),
    "an aggregation": (lambda name: detect(name, condition="selection | count() > 5"), "write a correlation"),
    "an unknown modifier": (lambda name: rule(name, key="Operation|upper"), 'the modifier "upper" is not known'),
    "too deep a condition": (lambda name: detect(name, condition=within(1000)), "more than 100 parentheses"),
    "too deep a document": (lambda name: rule(name) + "notes: " + "[" * 100 + "]" * 100 + "\n", "nested too deeply"),
    "a bomb of aliases": (alias_bomb, "aliases followed"),
    "too many values": (lambda name: listed(name, map(str, range(10001))), "more than 10,000 values"),
    "too many forms": (lambda name: listed(name, ["'-a -b -c -d -e'"], "Operation|windash"), "more than 625 forms"),
    "a pattern of a megabyte": (lambda name: rule(name, "'" + "a" * (1 << 20) + "'", key="Operation|re"), "more than 64 KiB"),
    "a wrong pattern": (lambda name: rule(name, "'a(b'", key="Operation|re"), "not a regular expression of PCRE2"),
    "a wrong network": (lambda name: rule(name, "10.0.0.1/8", key="ClientIP|cidr"), "has bits set"),
}


class Load(Service):
    """Records come as long as reloads are waited for."""

    def __init__(self, case, folder, total):
        super().__init__(case, folder)
        self.done, self.total, self.due = 0, total, 0
        self.edition = 0
        self.least = []  # of each record, the edition that was in force when it was written

    def base(self, edition):
        """What each good set has: its own rules and correlation, and those that stay as they are."""
        return {"edition": rule(f"edition-{edition}"), "twin": rule(f"twin-{edition}", title="The same"),
                "one": rule("one"),
                "whole": counted("whole", "event_count", ["one"], f"gte: {self.total // USERS}"),
                "more": counted("more", "event_count", ["one"], f"gte: {self.total // USERS + 1}"),
                "all": counted("all", "event_count", ["one"], f"eq: {self.total // USERS}"),
                "kinds": counted("kinds", "value_count", ["one"], f"gte: {self.total // USERS}\n        field: ObjectId"),
                "early": rule("early", "Early"), "late": rule("late", "Late"),
                "ordered": counted("ordered", "temporal_ordered", ["early", "late"], "gte: 2").replace(
                    "    condition:\n        gte: 2\n", ""),
                "over": counted("over", "event_count", ["whole"], "gte: 1"),
                "own": correlation(f"own-{edition}", base="one", count=FEW, span=SPAN)}

    def write(self, most=EACH):
        """Some more records; false where all that are due were written."""
        count = min(AT_ONCE, self.due, most)
        before = self.done
        with open(self.input, "a", encoding="utf-8") as out:
            for number in range(before, before + count):
                out.write(line(number, self.total))
        self.done += count
        self.due -= count
        self.least += [self.edition] * count
        return count > 0

    def judged(self, word):
        """Asks for a reload and writes until the log has the word once more."""
        before = self.words().count(word)
        self.process.send_signal(signal.SIGHUP)

        def said():
            self.write()
            return self.words().count(word) > before or self.process.poll() is not None
        mt.wait_until(said, lambda: f"{word}\n{self.words()[-3000:]}")
        return self.words().rsplit(word, 1)[1].split("\n")[0]

    def settle(self):
        """A record that comes when all else has settled, and is judged by no rule."""
        later = mt.record(0) | {"CreationTime": "2024-12-31T00:00:00", "Id": "later", "Operation": "Later"}
        with open(self.input, "a", encoding="utf-8") as out:
            out.write(json.dumps(later) + "\n")
        mt.wait_until(lambda: any(name == "all" for name, _ in self.fired()), "all has settled")

    def good(self):
        self.put_rules(**self.base(self.edition + 1))
        changes = self.judged(RELOADED)
        self.edition += 1
        return changes


def line(number, total):
    """The nth record, and one more of each user's first and last."""
    when = datetime.datetime(2024, 5, 1) + datetime.timedelta(seconds=number)
    text = mt.record(number, every=1) | {"CreationTime": when.isoformat(), "UserId": f"user{number % USERS}@example.com",
                                         "ObjectId": f"o{number}"}
    lines = [text]
    if number < USERS:
        lines.append(text | {"Id": f"00000000-0000-4000-9000-{number:012}", "Operation": "Early"})
    elif number >= total - USERS:
        lines.append(text | {"Id": f"00000000-0000-4000-9000-{number:012}", "Operation": "Late"})
    return "".join(json.dumps(each) + "\n" for each in lines)


class ReloadLoad(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.said = collections.Counter()

    def refused(self, service, words):
        why = service.judged(REFUSED)
        self.assertIn(words, why)
        self.said[words] += 1

    def bad_rule(self, service, kind):
        """The rule in force is broken; beside it stands a good one, which must not come in force either."""
        make, words = BAD[kind]
        broken = make(f"edition-{service.edition}")
        path = os.path.join(service.rules, "edition.yml")
        service.put_rules(bad=rule("bad"))
        with open(path + ".new", "w", encoding="utf-8", errors="surrogateescape") as out:
            out.write(broken)
        os.rename(path + ".new", path)
        self.refused(service, words)
        self.assertIn("edition.yml:", service.words().rsplit(REFUSED, 1)[1].split("\n")[0], kind)
        service.put_rules(bad=None)

    def bad_cycle(self, service):
        service.put_rules(whole=service.base(0)["whole"].replace(identity("one"), identity("over")))
        self.refused(service, "cycle")

    def bad_twice(self, service):
        """Another rule has taken the id."""
        service.put_rules(aaa=rule(f"edition-{service.edition}", "New-Mailbox", title="Another"))
        self.refused(service, "would be lost")
        service.put_rules(aaa=None)

    def bad_base(self, service):
        service.put_rules(one=detect("one", condition="nothing"))
        self.refused(service, 'the identifier "nothing" is not in')

    def bad_path(self, service):
        service.describe(more="", rules="rules, gone")
        self.refused(service, "gone: No such file")
        service.describe()

    def bad_loop(self, service):
        """A folder that nobody can read, root included."""
        os.symlink("loop", os.path.join(self.folder, "loop"))
        service.describe(rules="rules, loop")
        self.refused(service, "loop: Too many levels")
        service.describe()
        os.unlink(os.path.join(self.folder, "loop"))

    def bad_folders(self, service):
        deep = os.path.join(self.folder, "deep", *["d"] * 40)
        os.makedirs(deep)
        service.describe(rules="rules, deep")
        self.refused(service, "more than 32 folders within folders")
        service.describe()
        os.removedirs(deep)

    def bad_empty(self, service):
        os.mkdir(os.path.join(self.folder, "empty"))
        service.describe(rules="empty")
        self.refused(service, "no rule is there")
        service.describe()
        os.rmdir(os.path.join(self.folder, "empty"))

    def bad_placeholders(self, service):
        with open(os.path.join(self.folder, "values.yml"), "w", encoding="utf-8") as out:
            out.write("a: {b: c}\n")
        service.describe(more="placeholders: values.yml\n")
        self.refused(service, "values.yml")
        service.describe()

    def bad_networks(self, service):
        service.describe(more="networks: nets.txt\n")
        with open(os.path.join(self.folder, "nets.txt"), "w", encoding="utf-8") as out:
            out.write("10.0.0.1/8 office\n")
        self.refused(service, "nets.txt")
        service.describe()

    def bad_topology(self, service):
        service.describe(more="rulez: [rules]\n")
        self.refused(service, 'the run has no setting "rulez"')
        service.describe()

    def bad(self, service, number):
        others = [self.bad_cycle, self.bad_twice, self.bad_base, self.bad_path, self.bad_loop, self.bad_folders,
                  self.bad_empty, self.bad_placeholders, self.bad_networks, self.bad_topology]
        kinds = list(BAD)
        turn = number % (len(others) + len(kinds))
        if turn % 2 == 0 and turn // 2 < len(others):
            others[turn // 2](service)
        else:
            self.bad_rule(service, kinds[turn - min((turn + 1) // 2, len(others))])
        service.put_rules(**service.base(service.edition))

    def check_judged(self, service, alerts):
        """Each record by one set, all of it, and none by one that was replaced before it was written."""
        by = {"edition": collections.defaultdict(list), "twin": collections.defaultdict(list)}
        for name, record in alerts:
            if name.split("-")[0] in by:
                by[name.split("-")[0]][record].append(int(name.split("-")[1]))
        self.assertEqual(by["edition"], by["twin"])
        self.assertEqual({record: len(sets) for record, sets in by["edition"].items()},
                         dict.fromkeys(range(service.total), 1))
        judged = [by["edition"][record][0] for record in range(service.total)]
        self.assertEqual(judged, sorted(judged))
        self.assertEqual([(n, judged[n], least) for n, least in enumerate(service.least) if judged[n] < least], [])
        self.assertEqual(judged[-1], service.edition)
        return judged

    def check_correlations(self, service, alerts, judged):
        """What has not changed has seen all records, what a set brought has seen those of its time."""
        found = collections.Counter(name for name, _ in alerts if name.split("-")[0] not in ("edition", "twin"))
        own = collections.Counter((edition, number % USERS) for number, edition in enumerate(judged))
        want = collections.Counter(f"own-{edition}" for (edition, _), count in own.items() if count >= FEW)
        # `whole` is for `over` alone, and `more` never holds.
        want |= collections.Counter({name: USERS for name in ("all", "kinds", "ordered", "over")})
        self.assertEqual(found, want)

    def test_reloads_while_records_come(self):
        total = EACH * (RELOADS + 1) // USERS * USERS
        service = Load(self, self.folder, total)
        service.put_rules(**service.base(0))
        service.start()
        service.due = EACH
        service.write()
        mt.wait_until(lambda: service.fired(), "the first records are judged")
        for number in range(RELOADS):
            service.due += EACH
            if number % 2:
                self.bad(service, number // 2)
            else:
                self.assertIn("rules: 3 added, 3 removed, 0 changed", service.good())
        service.due = total - service.done
        while service.write():
            pass
        service.settle()
        service.end()
        alerts = service.fired()
        self.assertNotIn("bad", {name for name, _ in alerts})
        judged = self.check_judged(service, alerts)
        self.check_correlations(service, alerts, judged)
        self.assertEqual(service.words().count(REFUSED), RELOADS // 2, service.words())
        print(f"{total} records, {RELOADS} reloads, {len(set(judged))} sets; refused for: {dict(self.said)}", flush=True)


if __name__ == "__main__":
    unittest.main()
