"""New rules over several hosts: SIGHUP to the first one puts them in force on all at a checkpoint, or on none; whatever
is killed meanwhile, on whichever host, each record is judged once, by the rules that were in force everywhere.

Each host has its own folder, with the same topology file and rules of its own. MILLRACE_ROUNDS says how many are
reloaded and killed at random, MILLRACE_SEED from where the dice start."""
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import millrace_test as mt
import test_hosts
import test_reload
from test_reload import REFUSED, RELOADED, correlation, rule

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "3"))
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
RECORDS = 600
GROUPS = {"a": "collect, deliver", "b": "parse, correlate"}


class Service(test_reload.Service):
    """The first host; the other one lives beside it."""

    def __init__(self, case, folder, **options):
        self.other = None
        self.since = 0  # what the first host said in this life
        self.folder_b = os.path.join(folder, "b")
        os.makedirs(os.path.join(self.folder_b, "rules"))
        self.hosts = ""
        for name, groups in GROUPS.items():
            self.hosts += test_hosts.make_key(folder, name)
            self.hosts += (f"    groups: [{groups}]\n    state: state-{name}\n"
                           f"    address: tcp://127.0.0.1:{test_hosts.free_port()}\n")
        super().__init__(case, folder, **options)
        shutil.copy(os.path.join(folder, "b.key"), self.folder_b)

    def describe(self, more="", **_):
        with open(self.topology + ".new", "w", encoding="utf-8") as out:
            out.write(f"state: state\nworkers: {self.workers}\ncheckpoint_interval: {self.interval}\n"
                      f"lateness: unlimited\nrules: [/proc/self/cwd/rules]\n{more}"
                      "sources:\n  - name: audit\n    type: file\n    path: in.ndjson\n"
                      f"sinks:\n  - name: alerts\n    type: file\n    path: alerts.ndjson\nhosts:\n{self.hosts}")
        shutil.copy(self.topology + ".new", os.path.join(self.folder_b, "t.yaml"))
        os.rename(self.topology + ".new", self.topology)

    def life(self, host, folder):
        with open(os.path.join(folder, "said"), "ab") as said:
            return subprocess.Popen([mt.PROGRAM, "run", "--host", host, os.path.join(folder, "t.yaml")],
                                    stderr=said, cwd=folder)

    def start_b(self):
        self.other = self.life("b", self.folder_b)

    def start_a(self):
        self.since = len(self.said_a()) if os.path.exists(self.said) else 0
        self.process = self.life("a", self.folder)

    def start(self):
        self.start_a()
        self.start_b()

    def kill_b(self):
        if self.other is not None:
            self.other.kill()
            self.other.wait()
            self.other = None

    def kill(self):
        super().kill()
        self.kill_b()

    def words_b(self):
        with open(os.path.join(self.folder_b, "said"), encoding="utf-8", errors="replace") as said:
            return said.read()

    def words(self):
        return super().words() + ("--- b\n" + self.words_b() if self.other is not None else "")

    def wait_b(self, words, times=1):
        mt.wait_until(lambda: self.words_b().count(words) >= times or self.other.poll() is not None, words)
        self.case.assertGreaterEqual(self.words_b().count(words), times, self.words())

    def put_rules_b(self, **files):
        own, self.rules = self.rules, os.path.join(self.folder_b, "rules")
        super().put_rules(**files)
        self.rules = own

    def put_rules(self, **files):
        self.put_rules_b(**files)
        super().put_rules(**files)

    def put_rules_a(self, **files):
        super().put_rules(**files)

    def runs(self):
        state = os.path.join(self.folder, "state-a")
        return os.path.isdir(state) and any(name.startswith("MANIFEST-") and name[9:].isdigit() and int(name[9:]) > 0
                                            for name in os.listdir(state))

    def said_a(self):
        return super().words()

    def reload(self, **files):
        self.put_rules(**files)
        before = self.said_a().count(RELOADED)
        self.process.send_signal(signal.SIGHUP)
        mt.wait_until(lambda: self.said_a().count(RELOADED) > before or self.process.poll() is not None, "a reload")
        self.case.assertEqual(self.said_a().count(RELOADED), before + 1, self.words())

    def refuse(self):
        before = self.said_a().count(REFUSED)
        self.process.send_signal(signal.SIGHUP)
        mt.wait_until(lambda: self.said_a().count(REFUSED) > before or self.process.poll() is not None, "a refusal")
        self.case.assertEqual(self.said_a().count(REFUSED), before + 1, self.words())
        return self.said_a().split(REFUSED)[-1].split("\n")[0]

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(mt.WAIT_SECONDS)
        self.case.assertEqual(status, 0, self.words())
        if self.other.poll() is None:
            self.other.terminate()  # it may have lost the first host at its last moment
        self.case.assertEqual(self.other.wait(mt.WAIT_SECONDS), 0, self.words())
        self.process = self.other = None
        self.check_books()

    def check_books(self):
        mt.assert_balance(self.case, os.path.join(self.folder, "state-a"))


class HostsReload(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def service(self, **options):
        return Service(self, self.folder, **options)

    def test_new_rules_on_all_hosts(self):
        """Also those that need more groups of workers, and state stays where its meaning does."""
        service = self.service()
        service.put_rules(one=rule("one"), three=correlation())
        service.start()
        service.add(1, 2)
        mt.wait_until(lambda: test_reload.counted(service.folder, "state-a") == 2, "two records are parsed")
        service.reload(two=rule("two"), over=correlation("over", base="three", count=1))
        self.assertIn("rules: 2 added, 0 removed, 0 changed", service.words())
        service.wait_b("reloaded: here, too")
        service.add(3)
        service.wait_fired(("two", 3), ("over", 3))
        service.reload(two=None, over=None, three=None)
        service.add(4)
        service.wait_fired(("two", 3), ("over", 3), ("one", 4))
        self.assertNotIn("starts again", service.words())
        self.assertNotIn("is refused", service.words())
        service.end()

    def test_a_host_that_refuses(self):
        """Broken rules there, or others than the first host's: the old ones stay everywhere, and the log says why."""
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.put_rules_a(two=rule("two"))
        self.assertIn("host b: its rules, databases or lists are not those of the first host", service.refuse())
        service.put_rules_b(one=rule("one", key="Operation|nonsense"), two=rule("two"))
        self.assertIn("host b: /proc/self/cwd/rules/one.yml:", service.refuse())
        self.assertIn('the rule "A mailbox was set" is in force, and would be lost', service.words_b())
        service.put_rules_a(one=rule("one", key="Operation|nonsense"))
        self.assertIn('the rule "A mailbox was set" is in force, and would be lost', service.refuse())
        service.add(2)
        service.wait_fired(("one", 1), ("one", 2))
        service.reload(one=rule("one"))
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3), ("two", 3))
        service.describe(more="max_record_bytes: 2MiB\n")
        self.assertIn("the topology file of several hosts cannot change while they run", service.refuse())
        service.describe()
        service.other.send_signal(signal.SIGHUP)
        service.wait_b("SIGHUP does nothing here")
        service.add(4)
        service.wait_fired(("one", 1), ("one", 2), ("one", 3), ("two", 3), ("one", 4), ("two", 4))
        self.assertNotIn("starts again", service.words())
        service.end()

    def test_who_comes_back_finds_what_is_in_force(self):
        """A follower whose files are newer than what is in force has kept that; so has one whose files are older."""
        service = self.service()
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.put_rules_b(one=None, two=rule("two"))
        service.kill_b()
        service.start_b()
        service.add(2)
        service.wait_fired(("one", 1), ("one", 2))
        service.put_rules_a(one=None, two=rule("two"))
        service.reload()
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3))
        service.put_rules_b(two=None, one=rule("one"))
        service.kill_b()
        service.start_b()
        service.add(4)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3), ("two", 4))
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
        mt.wait_until(lambda: RELOADED in service.said_a(), "the new ones are in force")
        service.add(3)
        service.wait_fired(("one", 1), ("one", 2), ("two", 3))
        service.end()


    def test_a_checkpoint_before_the_reload(self):
        """Where the reload's own is not whole on a follower: what was read behind the one before it is judged by what
        judged it first, and then the new rules begin again."""
        service = self.service(interval="1h")
        service.put_rules(one=rule("one"))
        service.start()
        service.add(1)
        service.wait_fired(("one", 1))
        service.reload(one=None, two=rule("two"))
        service.add(2)
        service.wait_fired(("one", 1), ("two", 2))
        service.reload(one=rule("one"), two=None)
        checkpoints = os.path.join(service.folder_b, "state-b", "checkpoints")
        newest = os.path.join(checkpoints, max(os.listdir(checkpoints)))
        for name in os.listdir(newest):
            with open(os.path.join(newest, name), "r+b") as file:
                file.seek(30)
                file.write(b"?")
        before = service.said_a().count(RELOADED)
        os.kill(next(pid for pid, _ in mt.children(service.other.pid) if mt.worker_name(pid).startswith("correlate")),
                signal.SIGKILL)
        mt.wait_until(lambda: service.said_a().count(RELOADED) > before, service.words)
        self.assertIn("the checkpoint before it is looked for", service.said_a())
        service.add(3)
        service.wait_fired(("one", 1), ("two", 2), ("one", 3))
        service.end()


class Kills(test_reload.Kills):
    """As on one host; now and then the other one has not the newest rules."""

    def hit(self, service, dice):
        lives = [life.pid for life in (service.process, service.other) if life.poll() is None]
        family = lives + [child[0] for life in lives for child in mt.children(life)]
        try:
            if family:
                os.kill(dice.choice(family), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def deed(self, service, dice, edition):
        if dice.random() < 0.8:
            return super().deed(service, dice, edition)
        service.put_rules_a(edition=rule(f"edition-{edition + 1}"))
        service.process.send_signal(signal.SIGHUP)
        return edition + 1

    def revive(self, service):
        for life, start in ((service.process, service.start_a), (service.other, service.start_b)):
            if life.poll() is not None:  # also by what came before it could hear of it
                self.assertIn(life.returncode, (-signal.SIGKILL, -signal.SIGHUP), service.words())
                start()

    def end(self, service):
        """Where the last two starts died young, a third one is not waited for."""
        def runs():
            self.revive(service)
            words = service.said_a()[service.since:]
            return max(map(words.rfind, ("service.ready", "workers.started"))) > words.rfind("worker.died")

        mt.wait_until(runs, "the workers run")
        service.process.send_signal(signal.SIGTERM)
        if service.process.wait(mt.WAIT_SECONDS) == 1 and "ended between two starts" in service.said_a():
            service.start_a()
            mt.wait_until(runs, "the workers run again")
        service.end()

    def live(self, service, dice):
        edition, done, deeds = 1, 0, dice.randint(4, 12)
        service.put_rules(edition=rule("edition-1"))
        service.start()
        mt.wait_until(service.runs, "a first checkpoint")
        while done < RECORDS or deeds > 0:
            self.revive(service)
            more = min(dice.randint(0, 40), RECORDS - done)
            service.add(*range(done, done + more))
            done += more
            time.sleep(dice.random() * 0.12)  # a random moment
            if deeds > 0 and dice.random() < 0.5:
                deeds -= 1
                edition = self.deed(service, dice, edition)
        until = time.monotonic() + test_hosts.LIFE_SECONDS
        while len({record for _, record in service.fired()}) < RECORDS:
            self.revive(service)  # what fell at last
            self.assertLess(time.monotonic(), until, service.words())
            time.sleep(0.02)

    def test_reloads_and_kills(self):
        reloads = 0
        for number in range(ROUNDS):
            seed = SEED + number
            dice = random.Random(seed)
            with self.subTest(seed=seed), tempfile.TemporaryDirectory() as folder:
                print("seed", seed, flush=True)
                service = Service(self, folder, interval="100ms", workers=dice.randint(1, 3))
                self.live(service, dice)
                self.end(service)
                fired = sorted((record, int(name.split("-")[1])) for name, record in service.fired())
                self.assertEqual([record for record, _ in fired], list(range(RECORDS)), service.said_a())
                editions = [edition for _, edition in fired]
                self.assertEqual(editions, sorted(editions), "an edition judged behind a later one")
                reloads += service.said_a().count(RELOADED)
                print("records by edition", {edition: editions.count(edition) for edition in set(editions)}, flush=True)
        print("reloads", reloads, flush=True)


if __name__ == "__main__":
    unittest.main()
