"""A service whose rules change while it runs: SIGHUP puts the new ones in force at a checkpoint, state stays, what is
broken is refused, and whatever is killed meanwhile, each record is judged once, by the rules that were in force.

MILLRACE_ROUNDS says how many services are reloaded and killed at random, MILLRACE_SEED from where the dice start."""
import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
import uuid

import millrace_test as mt

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "3"))
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
RECORDS = 600
REFUSED = "reload refused, what was in force goes on: "
RELOADED = "reloaded from checkpoint "
RULE = """title: {title}
id: {id}
modified: {modified}
status: test
logsource:
    product: m365
detection:
    selection:
        {key}: {operation}
    condition: selection
level: low
"""
CORRELATION = """title: {count} in {span} of one user
id: {id}
status: test
correlation:
    type: event_count
    rules: [{rule}]
    group-by: [UserId]
    timespan: {span}
    condition:
        gte: {count}
level: high
"""


NAMES = {}  # of rules, by their ids


def identity(name):
    number = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
    NAMES[number] = name
    return number


def rule(name, operation="Set-Mailbox", title="A mailbox was set", modified="2026-01-01", key="Operation"):
    return RULE.format(title=title, id=identity(name), operation=operation, modified=modified, key=key)


def correlation(name="three", base="one", count=3, span="10m"):
    return CORRELATION.format(id=identity(name), rule=identity(base), count=count, span=span)


def tuning(name="one"):
    return (f"title: Ann may\nid: {uuid.uuid5(uuid.NAMESPACE_OID, 'filter')}\nlogsource:\n    product: m365\nfilter:\n"
            f"    rules: [{identity(name)}]\n    who:\n        UserId: ann@example.com\n    condition: not who\n")


def values(groups, *fields):
    return (correlation("many", count=9).replace("event_count", "value_count").replace("[UserId]", f"[{groups}]")
            .replace("    condition:\n", f"    condition:\n        field: [{', '.join(fields)}]\n"))


def manifests(folder):
    return {path.name: path.read_bytes() for path in pathlib.Path(folder, "state").glob("MANIFEST-*")}


class Service:
    """A service over a followed file, its rules in one folder."""

    def __init__(self, case, folder, interval="200ms", workers=2):
        self.case = case
        self.folder = folder
        self.rules = os.path.join(folder, "rules")
        self.input = os.path.join(folder, "in.ndjson")
        self.said = os.path.join(folder, "said")
        self.topology = os.path.join(folder, "t.yaml")
        self.interval, self.workers = interval, workers
        os.mkdir(self.rules)
        open(self.input, "w", encoding="utf-8").close()
        self.describe()
        self.process = None
        case.addCleanup(self.kill)

    def describe(self, more="", sources="", state="state", rules="rules"):
        with open(self.topology + ".new", "w", encoding="utf-8") as out:
            out.write(f"state: {state}\nworkers: {self.workers}\ncheckpoint_interval: {self.interval}\n"
                      f"lateness: unlimited\nrules: [{rules}]\n{more}"
                      f"sources:\n{sources}  - name: audit\n    type: file\n    path: in.ndjson\n"
                      "sinks:\n  - name: alerts\n    type: file\n    path: alerts.ndjson\n")
        os.rename(self.topology + ".new", self.topology)

    def start(self):
        with open(self.said, "ab") as said:
            self.process = subprocess.Popen([mt.PROGRAM, "run", self.topology], stderr=said)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def words(self):
        with open(self.said, encoding="utf-8", errors="replace") as said:
            return said.read()

    def wait_for(self, words, times=1):
        mt.wait_until(lambda: self.words().count(words) >= times or self.process.poll() is not None, words)
        self.case.assertGreaterEqual(self.words().count(words), times, self.words())

    def put_rules(self, **files):
        """Whole at every moment; None takes one away."""
        for name, text in files.items():
            path = os.path.join(self.rules, name + ".yml")
            if text is None:
                os.unlink(path)
                continue
            with open(path + ".new", "w", encoding="utf-8") as out:
                out.write(text)
            os.rename(path + ".new", path)

    def reload(self, **files):
        self.put_rules(**files)
        before = self.words().count(RELOADED)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(RELOADED, before + 1)

    def refuse(self):
        before = self.words().count(REFUSED)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(REFUSED, before + 1)

    def add(self, *numbers, name="in.ndjson"):
        with open(os.path.join(self.folder, name), "a", encoding="utf-8") as out:
            for number in numbers:
                out.write(json.dumps(mt.record(number, every=1) | {"UserId": "ann@example.com"}) + "\n")

    def alerts(self):
        """As (rule, number of the record) and the alerts themselves; revisions and refused rules are none."""
        try:
            with open(os.path.join(self.folder, "alerts.ndjson"), encoding="utf-8") as lines:
                found = [json.loads(line) for line in lines if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [alert for alert in found if alert["activity_id"] == 1 and "refused" not in alert["unmapped"]["millrace"]]

    def fired(self):
        return sorted((NAMES[alert["finding_info"]["analytic"]["uid"]], number_of(alert)) for alert in self.alerts())

    def wait_fired(self, *want):
        until = time.monotonic() + mt.WAIT_SECONDS
        while self.fired() != sorted(want) and time.monotonic() < until:
            time.sleep(0.01)
        self.case.assertEqual(self.fired(), sorted(want), self.words())

    def end(self):
        """Drains it; the books must balance."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(mt.WAIT_SECONDS)
        self.process = None
        self.case.assertEqual(status, 0, self.words())
        self.check_books()

    def check_books(self):
        mt.assert_balance(self.case, os.path.join(self.folder, "state"))


def counted(folder, state):
    """Records in the books."""
    try:
        books = sqlite3.connect(f"file:{folder}/{state}/ledger.sqlite?mode=ro", uri=True)
        with contextlib.closing(books):
            return books.execute("SELECT sum(n) FROM hours WHERE counter = 'parsed'").fetchone()[0]
    except sqlite3.OperationalError:  # not there yet
        return 0


def number_of(alert):
    """The number of the last record that an alert shows."""
    return max(int(evidence["data"]["Id"][-12:]) for evidence in alert["evidences"])


class Reload(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def service(self, **options):
        return Service(self, self.folder, **options)

    def test_new_rules_judge_what_comes_and_old_ones_what_came(self):
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1, 2)
        service.wait_fired(("one", 1), ("one", 2))
        service.reload(two=rule("two", title="The same again"))
        self.assertIn("reload: rule added: ", service.words())
        self.assertIn("rules: 1 added, 0 removed, 0 changed", service.words())
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3), ("two", 3))
        service.reload(one=rule("one", title="Another title", modified="2026-02-02"), two=None)
        self.assertIn("rules: 0 added, 1 removed, 1 changed", service.words())
        service.add(4)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3), ("two", 3), ("one", 4))
        versions = {number_of(alert): alert["finding_info"]["analytic"]["version"] for alert in service.alerts()}
        self.assertEqual((versions[1], versions[4]), ("2026-01-01", "2026-02-02"))
        service.end()

    def test_a_broken_rule_is_refused_and_the_old_ones_go_on(self):
        service = self.service()
        service.put_rules(one=rule("one"), early=rule("early", key="Operation|nonsense"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.put_rules(one=rule("one", key="Operation|nonsense"), two=rule("two"))
        service.refuse()
        self.assertIn("one.yml", service.words().split(REFUSED)[1])
        self.assertIn('the rule "A mailbox was set" is in force, and would be lost', service.words())
        service.add(2)
        service.wait_fired(("one", 1), ("one", 2))
        service.put_rules(one="no: [yaml")
        service.refuse()
        # What was refused before may stay so, and what is new may be refused.
        service.reload(one=rule("one"), three=rule("three", key="Operation|nonsense"))
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3), ("two", 3))
        service.end()

    def test_a_start_says_which_rules_it_lost(self):
        """It cannot stay with the old ones, however the run before has ended."""
        for stop in (Service.end, Service.kill):
            with self.subTest(stop=stop.__name__):
                self.folder = self.enterContext(tempfile.TemporaryDirectory())
                service = self.service()
                service.put_rules(one=rule("one"), other=rule("other", "New-Mailbox"), early=rule("early", key="Operation|nonsense"))
                service.start()
                service.add(1)
                service.wait_fired(("one", 1))
                self.assertNotIn("in force before this start", service.words())
                stop(service)
                service.put_rules(one=rule("one", key="Operation|nonsense"))
                service.start()
                service.wait_for('one.yml:9: the rule "A mailbox was set" was in force before this start')
                service.wait_for("service.ready", 2)
                self.assertEqual(service.words().count("in force before this start"), 1, service.words())
                service.end()

    def check(self, service):
        """What `check` says of it, with its status."""
        done = subprocess.run([mt.PROGRAM, "check", service.topology], capture_output=True, text=True, timeout=mt.WAIT_SECONDS)
        return done.returncode, done.stderr

    def test_a_filter_in_force_stays_until_it_is_taken_away(self):
        """What it leaves out is not alerted by an error of its author; what it changes is named."""
        service = self.service()
        good = tuning()
        service.put_rules(one=rule("one"), two=rule("two", title="Without a filter"), tune=good)
        service.start()
        service.add(1)
        service.wait_fired(("two", 1))
        lost = 'the filter "Ann may" is in force, and would be lost: what it leaves out would be alerted'
        for right, wrong, why in (("not who", "not her", '"her"'),
                                  (identity("one"), identity("none"), "a rule that is not there")):
            service.put_rules(tune=good.replace(right, wrong))
            service.refuse()
            self.assertIn(lost, service.words().split(REFUSED)[-1])
            status, said = self.check(service)
            self.assertEqual((status, lost in said, why in said), (2, True, True), said)
        service.reload(tune=good.replace("not who", "not 1 of who"))
        self.assertRegex(service.words(), 'reload: filter changed: .*tune.yml:1: "Ann may"')
        self.assertRegex(service.words(), 'reload: rule changed: .*one.yml:1: "A mailbox was set", by a filter')
        self.assertIn("rules: 0 added, 0 removed, 1 changed; filters: 0 added, 0 removed, 1 changed", service.words())
        service.reload(tune=None)
        self.assertIn("rules: 0 added, 0 removed, 1 changed; filters: 0 added, 1 removed, 0 changed", service.words())
        service.add(2)
        service.wait_fired(("two", 1), ("one", 2), ("two", 2))
        # What is new, and refused, takes nothing away.
        service.reload(tune=good.replace("not who", "not her"))
        service.wait_for("what such a filter leaves out is alerted (1 filter)")
        self.assertEqual(self.check(service)[0], 0)
        service.end()
        with open(os.path.join(self.folder, "alerts.ndjson"), encoding="utf-8") as lines:
            self.assertEqual(sum("this filter is refused, and what it would leave out is alerted" in line for line in lines), 1)

    def test_a_rule_in_force_keeps_its_values(self):
        values = os.path.join(self.folder, "values.yml")

        def put(text):
            with open(values, "w", encoding="utf-8") as out:
                out.write(text)
        put("who: [ann@example.com]\n")
        service = self.service()
        service.describe(more="placeholders: values.yml\n")
        service.put_rules(one=rule("one", key="UserId|expand", operation="'%who%'"), two=rule("two", "New-Mailbox"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        put("who: []\n")
        service.refuse()
        self.assertIn('the placeholder %who% has no value; the rule "A mailbox was set" is in force, and would be lost', service.words())
        put("who: [bob@example.com, ann@example.com]\n")
        service.reload()
        self.assertRegex(service.words(), 'reload: rule changed: .*one.yml:1: "A mailbox was set", by a filter or a placeholder')
        service.end()

    def test_a_correlation_that_could_not_fire_is_named_while_it_runs(self):
        """Once, after ten matches, whichever worker met which, and not again at the end."""
        service = self.service()
        service.put_rules(one=rule("one", operation="[Set-Mailbox, New-Mailbox]"), two=rule("two"), right=correlation(),
                          slip=correlation("slip", base="one", span="5m").replace("[UserId]", "[UsrId]"))
        service.start()
        service.add(*range(1, 10))
        service.wait_fired(("three", 3), *(("two", number) for number in range(1, 10)))
        service.reload(two=rule("two", title="A checkpoint"))
        self.assertNotIn("it could not fire", service.words())
        service.add(*range(10, 22))
        service.wait_for('matches had a value for group-by "UsrId": it could not fire')
        service.end()
        self.assertEqual(service.words().count("it could not fire"), 1, service.words())

    def test_what_cannot_change_is_said(self):
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.describe(state="elsewhere")
        service.refuse()
        self.assertIn("`state` cannot change while the service runs", service.words())
        self.assertFalse(os.path.exists(os.path.join(self.folder, "elsewhere")))
        service.describe(more="log_format: json\n")
        service.refuse()
        service.describe(more="networks: none.txt\n")
        service.refuse()
        for words in ("1 path is not as the run needs: ", "none.txt: No such file"):
            self.assertIn(words, service.words().rsplit(REFUSED, 1)[1].split("\n")[0])
        service.describe(more="nonsense: 1\n")
        service.refuse()
        self.assertRegex(service.words().rsplit(REFUSED, 1)[1], r'1 fault: .*:\d+:1: the run has no setting "nonsense"')
        service.describe()
        service.process.send_signal(signal.SIGHUP)
        service.wait_for("nothing has changed")
        service.end()

    def test_names_of_a_refused_reload_are_not_kept(self):
        """A state directory has at most 1024 sources over its life; those that never came in force are none of them."""
        def sources(first):
            return "".join(f"  - {{name: s{n}, type: file, path: in.{n}}}\n" for n in range(first, first + 250))

        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        for first in range(0, 1250, 250):
            service.describe(more="log_format: json\n", sources=sources(first))
            service.refuse()
        self.assertEqual(service.words().count(REFUSED + "`log_format` cannot change"), 5, service.words())
        service.add(2)
        service.wait_fired(("one", 1), ("one", 2))
        service.end()
        service.describe()
        service.start()
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3))
        service.end()

    def test_state_stays_where_its_meaning_does(self):
        service = self.service()
        service.put_rules(one=rule("one"), three=correlation(), gone=correlation("gone", count=9))
        service.start()
        service.add(1, 2)
        mt.wait_until(lambda: counted(service.folder, "state") == 2, "two records are parsed")
        service.reload(two=rule("two", operation="Nothing"), gone=None)
        self.assertIn(f"{identity('gone')}: no such correlation any more, its state is dropped", service.words())
        service.add(3)
        service.wait_fired(("three", 3))
        service.reload(three=correlation(span="11m"))
        self.assertIn("its meaning has changed: it starts without state", service.words())
        service.add(4, 5)
        service.reload(over=correlation("over", base="three", count=1))
        service.add(6)
        service.wait_fired(("three", 3), ("over", 6))
        service.end()

    def test_other_lists_are_another_meaning(self):
        """The same names, parted otherwise into those of the key and those of the value."""
        service = self.service()
        service.put_rules(one=rule("one"), many=values("UserId", "ClientIP", "Workload"))
        service.start()
        service.add(1, 2)
        mt.wait_until(lambda: counted(service.folder, "state") == 2, "two records are parsed")
        service.reload(many=values("UserId, ClientIP", "Workload"))
        self.assertIn("its meaning has changed: it starts without state", service.words())
        service.end()
        for groups in ("UserId", "UserId, ClientIP"):
            service.put_rules(many=values(groups, *(["ClientIP"] if groups == "UserId" else []), "Workload"))
            service.start()
            service.wait_for(" workers:", service.words().count(" workers:") + 1)
            service.end()

    @contextlib.contextmanager
    def shorter_output(self):
        """What a worker alone meets, as it restores the last checkpoint."""
        path = pathlib.Path(self.folder, "alerts.ndjson")
        kept = path.read_bytes()
        os.truncate(path, len(kept) - 1)
        yield
        with open(path, "ab") as out:
            out.write(kept[-1:])

    def test_a_start_that_fails_leaves_the_checkpoint_its_rules(self):
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.end()
        named = manifests(service.folder)
        self.assertTrue(named)
        service.put_rules(one=rule("one", operation="Nothing"))
        with self.shorter_output():
            service.start()
            self.assertNotEqual(service.process.wait(mt.WAIT_SECONDS), 0, service.words())
        self.assertIn("it was made shorter or replaced", service.words())
        self.assertEqual(manifests(service.folder), named)
        service.put_rules(one=rule("one"))
        service.start()
        service.add(2)
        service.wait_fired(("one", 1), ("one", 2))
        service.end()

    def test_settings_and_databases_change_too(self):
        service = self.service()
        service.put_rules(one=rule("one").replace("condition: selection", "other:\n        src_endpoint.network: office\n"
                                                                          "    condition: selection and other"))
        with open(os.path.join(self.folder, "nets.txt"), "w", encoding="utf-8") as out:
            out.write("203.0.113.2/32 office egress\n")
        service.describe(more="networks: nets.txt\n")
        service.start()
        service.add(1, 2)
        service.wait_fired(("one", 2))
        with open(os.path.join(self.folder, "nets.txt"), "w", encoding="utf-8") as out:
            out.write("203.0.113.3/32 office egress\n")
        service.reload()
        self.assertIn("networks: new", service.words())
        service.add(2, 3)
        service.wait_fired(("one", 2), ("one", 3))
        # Another source ahead of the first, and other numbers of workers: positions stay with their names.
        with open(os.path.join(self.folder, "more.ndjson"), "w", encoding="utf-8"):
            pass
        service.workers = 3
        service.describe(more="networks: nets.txt\n",
                         sources="  - name: ahead\n    type: file\n    path: more.ndjson\n")
        service.reload()
        self.assertIn("settings: changed", service.words())
        service.add(253, 3)
        service.add(503, name="more.ndjson")
        service.wait_fired(("one", 2), ("one", 3), ("one", 253), ("one", 503))
        service.end()

    def test_what_records_are_said_to_be_changes_too(self):
        """What came before is judged as the records of the mapping, what comes after as those of the logsource."""
        service = self.service()
        windows = rule("two").replace("product: m365", "product: windows\n    service: security")
        service.put_rules(one=rule("one"), two=windows)
        service.start()
        service.add(1, 2)
        service.wait_fired(("one", 1), ("one", 2))
        service.describe(more="logsource: product=windows,service=security\n")
        service.reload()
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3))
        service.describe(more="logsource: product=windows,service=securty\n")
        service.refuse()
        self.assertIn("no rule is for it; is product=windows,service=security meant?", service.words())
        service.end()
        service.describe()
        service.start()
        service.add(4)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3), ("one", 4))
        service.end()

    def test_a_start_with_other_rules_judges_the_past_by_the_old(self):
        service = self.service(interval="1h")
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1, 2)
        service.wait_fired(("one", 1), ("one", 2))
        service.kill()
        service.put_rules(one=None, two=rule("two"))
        service.start()
        service.wait_for(RELOADED)
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3))
        service.end()
        # Behind a drained checkpoint there is no past.
        service.put_rules(two=None, three=rule("three"))
        service.start()
        service.add(4)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3), ("three", 4))
        self.assertEqual(service.words().count(RELOADED), 1)
        # Either start has named what was another since the one before.
        self.assertEqual(service.words().count("since the last start: rules: 1 added, 1 removed"), 2, service.words())
        service.end()

    def test_starts_with_other_rules_leave_no_generations(self):
        """Nobody asks for a reload, and each start has other rules: what none judges by any more goes."""
        service = self.service(interval="100ms")
        kept = pathlib.Path(self.folder, "state", "generations")
        for number in range(1, 6):
            service.put_rules(one=rule("one", title=f"A mailbox was set, {number}"))
            service.start()
            service.add(number)
            service.wait_fired(*(("one", known) for known in range(1, number + 1)))
            mt.wait_until(lambda: len(list(kept.glob("*.set"))) == 1, "one generation alone")
            service.end()
        tables = {path.name for path in kept.glob("*.table")}
        self.assertEqual({path.name for path in kept.iterdir()} - tables, {path.name for path in kept.glob("*.set")})
        # Nor do those that are killed before they come to a checkpoint.
        service.interval = "1h"
        service.describe()
        for number in range(6, 11):
            service.put_rules(one=rule("one", title=f"A mailbox was set, {number}"))
            before = {path.name for path in kept.glob("*.set")}
            service.start()
            mt.wait_until(lambda: {path.name for path in kept.glob("*.set")} - before, "its own generation")  # noqa: B023
            service.kill()
        self.assertLessEqual(len(list(kept.glob("*.set"))), 3)

    def test_a_checkpoint_that_did_not_come_leaves_nothing(self):
        """A worker stands still while one is under way, and is killed then; the next one stands still, too."""
        service = self.service(interval="200ms", workers=1)
        service.put_rules(one=rule("one"), three=correlation())
        service.start()
        checkpoints = pathlib.Path(self.folder, "state", "checkpoints")

        def numbers():
            return {int(path.name) for path in checkpoints.iterdir()}

        def correlate():
            for pid, _ in mt.children(service.process.pid):
                with contextlib.suppress(OSError):
                    if mt.worker_name(pid).startswith("correlate"):
                        return pid
            return None

        mt.wait_until(lambda: len(manifests(self.folder)) == 2, "two checkpoints")
        worker = correlate()
        os.kill(worker, signal.SIGSTOP)
        known = numbers()
        mt.wait_until(lambda: numbers() > known, "one that waits for the worker")
        waits = max(numbers())
        os.kill(worker, signal.SIGKILL)
        mt.wait_until(lambda: correlate() not in (None, worker), "another worker")
        other = correlate()
        os.kill(other, signal.SIGSTOP)
        mt.wait_until(lambda: waits not in numbers(), "what was left to go")
        self.assertEqual(correlate(), other)
        os.kill(other, signal.SIGKILL)
        service.add(1, 2, 3)
        service.wait_fired(("three", 3))
        service.end()

    def test_signals_together(self):
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        mt.wait_until(lambda: mt.holds_signals(service.process.pid), "the program has begun")
        service.process.send_signal(signal.SIGHUP)
        service.put_rules(two=rule("two"))
        for _ in range(5):
            service.process.send_signal(signal.SIGHUP)
        service.add(1)
        mt.wait_until(lambda: ("one", 1) in service.fired(), "the record is judged")
        service.put_rules(three=rule("three"))
        service.process.send_signal(signal.SIGHUP)
        service.end()
        self.assertEqual(sum(name == "one" for name, _ in service.fired()), 1)


class Kills(unittest.TestCase):
    """Each set of rules has one that bears its number: whoever judged a record shows in its alert."""

    def hit(self, service, dice):
        family = [child[0] for child in mt.children(service.process.pid)] + [service.process.pid]
        try:
            os.kill(dice.choice(family), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def deed(self, service, dice, edition):
        """One of what happens to a service; the edition of the rules that are there now."""
        what = dice.random()
        if what < 0.35:
            self.hit(service, dice)
        elif what < 0.8:
            service.put_rules(**{"edition": rule(f"edition-{edition + 1}")})
            edition += 1
            service.process.send_signal(signal.SIGHUP)
        else:
            service.process.send_signal(signal.SIGHUP)
        return edition

    def live(self, service, dice):
        edition, done, deeds = 1, 0, dice.randint(4, 12)
        service.put_rules(edition=rule("edition-1"))
        service.start()
        while done < RECORDS or deeds > 0:
            if service.process.poll() is not None:
                self.assertIn(service.process.returncode, (-signal.SIGKILL, -signal.SIGHUP), service.words())
                service.start()
            more = min(dice.randint(0, 40), RECORDS - done)
            service.add(*range(done, done + more))
            done += more
            time.sleep(dice.random() * 0.12)  # a random moment
            if deeds > 0 and dice.random() < 0.5:
                deeds -= 1
                edition = self.deed(service, dice, edition)
        if service.process.poll() is not None:
            service.start()

    def test_reloads_and_kills(self):
        for number in range(ROUNDS):
            seed = SEED + number
            dice = random.Random(seed)
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as folder:
                print("seed", seed, flush=True)
                service = Service(self, folder, interval="100ms", workers=dice.randint(1, 3))
                self.live(service, dice)
                mt.wait_until(lambda s=service: len({record for _, record in s.fired()}) == RECORDS, "all are judged")
                service.end()
                fired = sorted((record, int(name.split("-")[1])) for name, record in service.fired())
                self.assertEqual([record for record, _ in fired], list(range(RECORDS)), service.words())
                editions = [edition for _, edition in fired]
                self.assertEqual(editions, sorted(editions), "an edition judged behind a later one")
                print("records by edition", {edition: editions.count(edition) for edition in set(editions)}, flush=True)


if __name__ == "__main__":
    unittest.main()
