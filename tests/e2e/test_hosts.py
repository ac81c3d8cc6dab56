"""One pipeline over several hosts: each a `run --host NAME` with a state directory of its own, on the loopback network.
The alerts are those of scan over the same input, each once, and the leader's books balance: also where any process of
any host is killed, where a link is cut or stalls, and where strangers knock.

MILLRACE_ROUNDS says how many services are killed at random (default: a few), MILLRACE_EVENTS of how many events each,
MILLRACE_SEED from where the dice start.
"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import millrace_test as mt

ROUNDS = int(os.environ.get("MILLRACE_ROUNDS", "3"))
EVENTS = int(os.environ.get("MILLRACE_EVENTS", "60000"))
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
LIFE_SECONDS = 240  # of one service, restarts included
SPLITS = {"a": ["collect", "deliver"], "b": ["parse", "correlate"]}


def free_port():
    """One that the system gives; it is free again at once."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def make_key(folder, name):
    done = subprocess.run([mt.PROGRAM, "keys", "--dir", folder, name], capture_output=True, text=True, check=True)
    return done.stdout


def shut(*ends):
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Proxy:
    """Between two hosts: hands bytes on until it is told to stall, or cuts what is there."""

    def __init__(self, target):
        self.target = target
        self.flows = threading.Event()
        self.flows.set()
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                ours, _ = self.listener.accept()
            except OSError:
                return
            try:
                theirs = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                ours.close()  # nobody listens there now
                continue
            self.connections += [ours, theirs]
            for one, other in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    def carry(self, one, other):
        try:
            while data := one.recv(65536):
                self.flows.wait()
                other.sendall(data)
        except OSError:
            pass
        shut(one, other)

    def cut(self):
        """All that is connected."""
        shut(*self.connections)

    def close(self):
        shut(self.listener, *self.connections)
        self.flows.set()
        for end in [self.listener, *self.connections]:
            end.close()


class Pipeline:
    """The hosts of one run, in one folder."""

    def __init__(self, test, records, split=None, extra="", proxied=False, follow=False):
        self.test = test
        self.folder = test.enterContext(tempfile.TemporaryDirectory())
        self.alerts = os.path.join(self.folder, "alerts.ndjson")
        self.split = split or SPLITS
        self.lives = {}
        self.proxy = None
        ports = {name: free_port() for name in self.split}
        hosts = ""
        for name, groups in self.split.items():
            hosts += make_key(self.folder, name)
            hosts += f"    groups: [{', '.join(groups)}]\n    state: state-{name}\n"
            port = ports[name]
            if proxied and name == "a":
                self.proxy = Proxy(port)
                test.addCleanup(self.proxy.close)
                hosts += f"    listen: tcp://127.0.0.1:{port}\n"
                port = self.proxy.port
            hosts += f"    address: tcp://127.0.0.1:{port}\n"
        self.port = ports["a"]
        self.text = (f"state: state\nworkers: 2\ncheckpoint_interval: 100ms\nregion_bytes: 64KiB\n{extra}"
                     f"sources:\n  - name: audit\n    type: file\n    path: {records}\n    follow: {str(follow).lower()}\n"
                     f"sinks:\n  - name: alerts\n    type: file\n    path: alerts.ndjson\nhosts:\n{hosts}")
        self.topology = self.write("t.yaml", self.text)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def start(self, host, topology=None, **options):
        said = os.path.join(self.folder, f"{host}.said")
        with open(said, "ab") as out:
            life = subprocess.Popen([mt.PROGRAM, "run", "--host", host, topology or self.topology], stderr=out, **options)
        self.test.addCleanup(life.wait)
        self.test.addCleanup(life.kill)  # nothing stays where the test fails
        self.lives[host] = life
        return life

    def said(self, host):
        with open(os.path.join(self.folder, f"{host}.said"), encoding="utf-8") as text:
            return text.read()

    def all_said(self):
        return "".join(f"--- {host}\n{self.said(host)}" for host in self.split
                       if os.path.exists(os.path.join(self.folder, f"{host}.said")))

    def wait_until(self, condition, what, seconds=60):
        try:
            mt.wait_until(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(self.all_said()) from error

    def wait_said(self, host, words, times=1):
        self.wait_until(lambda: self.said(host).count(words) >= times, f"{host} says: {words}")

    def manifests(self):
        """The checkpoints that stand, by number; before the first one the manifest 0 names what it starts with."""
        state = os.path.join(self.folder, "state-a")
        names = os.listdir(state) if os.path.isdir(state) else []
        return sorted(name[9:] for name in names
                      if name.startswith("MANIFEST-") and name[9:].isdigit() and int(name[9:]) > 0)

    def runs(self):
        """Whether a checkpoint stands: the pipeline is under way."""
        return self.manifests()

    def family(self):
        """The processes of all hosts."""
        return [pid for life in self.lives.values() if life.poll() is None
                for pid in [life.pid] + [child[0] for child in mt.children(life.pid)]]

    def process(self, host, name):
        """One of a host's processes, by what ps calls it."""
        def find():
            return [pid for pid, _ in mt.children(self.lives[host].pid) if mt.worker_name(pid) == name]
        return mt.wait_until(find, f"{name} of {host}")[0]

    def end(self):
        """The leader has done its work; a follower that was killed at the last moment waits for the next one."""
        self.wait_until(lambda: self.lives["a"].poll() is not None, "the leader's end", LIFE_SECONDS)
        self.test.assertEqual(self.lives["a"].returncode, 0, self.all_said())
        for host, life in self.lives.items():
            if host != "a" and life.poll() is None:
                life.terminate()
            self.test.assertEqual(life.wait(LIFE_SECONDS), 0, self.all_said())

    def has_found(self, wanted):
        try:
            return mt.created(self.alerts) == wanted
        except (FileNotFoundError, ValueError):  # not yet there, or its last line is being written
            return False

    def stop(self, wanted):
        """What is followed never ends: the leader is told to, once all is found."""
        self.wait_until(lambda: self.has_found(wanted), "all alerts", LIFE_SECONDS)
        self.lives["a"].terminate()

    def check(self, wanted):
        self.test.assertEqual(mt.created(self.alerts), wanted, self.all_said())
        mt.assert_balance(self.test, os.path.join(self.folder, "state-a"))


class Hosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        mt.make_tenant(cls, EVENTS)

    def pipeline(self, *arguments, **options):
        return Pipeline(self, self.records, *arguments, **options)

    def test_same_alerts(self):
        for split in (SPLITS, {"a": ["collect", "deliver", "parse"], "b": ["correlate"]},
                      {"a": ["collect", "deliver"], "b": ["parse"], "c": ["correlate"]}):
            with self.subTest(split=split):
                run = self.pipeline(split, extra="cut: [detect]\n")
                for host in split:
                    run.start(host)
                run.end()
                run.check(self.wanted)

    def test_kills(self):
        for number in range(ROUNDS):
            seed = SEED + number
            dice = random.Random(seed)
            with self.subTest(seed=seed):
                print("seed", seed, flush=True)
                run = self.pipeline(extra=f"lateness: {dice.choice(['unlimited', '24h'])}\n")
                self.live(run, dice, dice.randint(1, 5))
                run.end()
                run.check(self.wanted)

    def live(self, run, dice, hits):
        """Starts both hosts, and again what was killed, until the leader has done its work."""
        until = time.monotonic() + LIFE_SECONDS
        for host in run.split:
            run.start(host)
        while run.lives["a"].poll() in (None, -signal.SIGKILL):
            self.assertLess(time.monotonic(), until, "the service does not come to its end\n" + run.all_said())
            for host, life in list(run.lives.items()):
                if life.poll() == -signal.SIGKILL:
                    run.start(host)
            time.sleep(dice.random() * 0.4 if hits > 0 else 0.02)  # a random moment
            if hits > 0:
                hits -= 1
                self.hit(run, dice)

    def hit(self, run, dice):
        """SIGKILL or SIGSTOP for one of the processes of both hosts."""
        victim = dice.choice(run.family() or [0])
        try:
            if victim == 0:
                return
            if dice.random() < 0.8:
                os.kill(victim, signal.SIGKILL)
            else:
                os.kill(victim, signal.SIGSTOP)
                time.sleep(dice.random() * 0.2)  # as long as it stands still: nothing is waited for
                os.kill(victim, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def test_links_cut(self):
        """A connection that is cut, and one on which nothing comes any more, though both ends live."""
        run = self.pipeline(proxied=True, follow=True)
        for host in run.split:
            run.start(host)
        mt.wait_until(run.runs, "a checkpoint")
        run.proxy.cut()
        run.wait_said("a", "host b: the connection was lost")
        run.wait_said("a", "host b is there", 2)
        run.proxy.flows.clear()
        run.wait_said("a", "host b: the connection was lost", 2)
        run.proxy.flows.set()
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)

    def test_stopped(self):
        """A worker or a gate that stands still, on either host: it is killed, and all goes on."""
        for host, name, words in (("b", "correlate-1", "worker correlate-1 (on b) has not answered"),
                                  ("b", "gate", "is killed: it does not answer"),
                                  ("a", "gate", "is killed: it does not answer")):
            with self.subTest(host=host, name=name):
                run = self.pipeline(extra="health_timeout: 1s\n", follow=True)
                run.start("a")
                run.start("b")
                mt.wait_until(run.runs, "a checkpoint")
                os.kill(run.process(host, name), signal.SIGSTOP)
                run.wait_said("a" if name != "gate" else host, words)
                run.wait_said("a", "host b is there", 2)
                run.stop(self.wanted)
                run.end()
                run.check(self.wanted)

    def test_a_host_that_waits_for_its_disk(self):
        """Its supervisor stands still while a checkpoint is under way, and with it all that its workers answer."""
        run = self.pipeline(extra="health_timeout: 1s\n", follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(run.runs, "a checkpoint")

        def begun():
            """The number of one that is under way."""
            last = int(run.manifests()[-1])
            found = [int(name) for name in os.listdir(os.path.join(run.folder, "state-a", "checkpoints"))]
            return max(found) if max(found, default=0) > last else None

        def stopped():
            """Whether one is under way, and waits for b."""
            number = begun()
            if number is None:
                return False
            run.lives["b"].send_signal(signal.SIGSTOP)
            time.sleep(0.3)  # what b had said by then has come
            if begun() == number:
                return True
            run.lives["b"].send_signal(signal.SIGCONT)
            return False

        mt.wait_until(stopped, "a checkpoint that waits for b")
        until = time.monotonic() + 4  # as long as it stands still: nothing is waited for
        while time.monotonic() < until:
            time.sleep(0.1)
        before = run.manifests()
        run.lives["b"].send_signal(signal.SIGCONT)
        run.wait_until(lambda: run.manifests() > before, "another checkpoint")
        self.assertNotIn("has not answered", run.all_said())
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)

    def test_status(self):
        """The leader's status has the workers of both hosts; of one that is elsewhere it does not know the process."""
        run = self.pipeline(follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(run.runs, "a checkpoint")

        def workers():
            done = subprocess.run([mt.PROGRAM, "status", "--json", os.path.join(run.folder, "state-a")], capture_output=True,
                                  check=True, timeout=60)
            found = json.loads(done.stdout)["workers"]
            return found if all(worker["state"] == "running" and worker["queue"] is not None for worker in found) else None

        here = {worker["name"]: worker["pid"] is not None for worker in mt.wait_until(workers, "all workers run")}
        self.assertTrue(here["collect"] and here["deliver"])
        self.assertFalse(any(known for name, known in here.items() if name.startswith(("parse", "correlate"))))
        run.stop(self.wanted)
        run.end()

    def test_status_of_a_follower(self):
        """Whom it follows, whether they are connected, and what its own workers do; likewise as metrics."""
        ports = {"a": free_port(), "b": free_port()}
        run = self.pipeline(follow=True, extra=f"metrics_port: {ports['a']}\n")
        run.topology = run.write("t.yaml", run.text.replace("    state: state-b\n",
                                                            f"    state: state-b\n    metrics_port: {ports['b']}\n"))
        run.start("b")

        def status(host):
            done = subprocess.run([mt.PROGRAM, "status", "--json", os.path.join(run.folder, f"state-{host}")],
                                  capture_output=True, check=False, timeout=60)
            return json.loads(done.stdout) if done.returncode == 0 else None

        def works():
            found = status("b")
            return found if all(worker["state"] == "running" and worker["queue"] is not None and worker["cpu_seconds"] > 0
                                for worker in found["workers"]) and len(found["workers"]) > 0 else None

        alone = mt.wait_until(lambda: status("b"), "an answer")
        self.assertEqual((alone["service"]["host"], alone["service"]["state"], alone["workers"]), ("b", "starting", []))
        self.assertEqual(alone["hosts"], [{"name": "a", "leads": True, "connected": False}])
        run.start("a")
        found = mt.wait_until(works, "all workers run")
        self.assertEqual(found["hosts"], [{"name": "a", "leads": True, "connected": True}])
        self.assertEqual({worker["name"].split("-")[0].split(".")[0] for worker in found["workers"]}, {"parse", "correlate"})
        self.assertTrue(all(worker["pid"] for worker in found["workers"]))
        self.assertEqual((found["service"]["state"], found["sources"], found["sinks"]), ("running", [], []))
        with open(self.records, "rb") as lines:
            records = sum(1 for _ in lines)
        mt.wait_until(lambda: status("b")["counters"]["records"] == records, "all is parsed")
        mt.wait_until(lambda: status("b")["service"]["checkpoint"], "a checkpoint")
        self.assertEqual(status("a")["hosts"], [{"name": "b", "leads": False, "connected": True}])
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['b']}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        self.assertIn('millrace_host_connected{host="a"} 1\n', text)
        self.assertIn('millrace_worker_queue_batches{worker="parse-1"}', text)
        self.assertIn(f"millrace_records_total {records}\n", text)
        run.stop(self.wanted)
        run.end()

    def test_a_damaged_follower(self):
        """A file of state that was damaged on a follower: that checkpoint is whole nowhere, the one before it is taken."""
        run = self.pipeline(follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(lambda: len(run.manifests()) >= 2, "two checkpoints")
        for life in run.lives.values():
            life.kill()
            life.wait()
        path = os.path.join(run.folder, "state-b", "checkpoints", run.manifests()[-1], "correlate-1.correlate")
        with open(path, "r+b") as file:
            file.seek(30)
            file.write(b"?")
        run.start("a")
        run.start("b")
        run.wait_said("a", f"host b: {os.path.dirname(os.path.dirname(os.path.dirname(path)))}")
        run.wait_said("a", "the checkpoint before it is looked for")
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)

    def test_a_follower_that_cannot_read(self):
        """What cannot be opened on a follower may be whole: no checkpoint goes for it, and it is taken once it can be."""
        run = self.pipeline(follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(lambda: len(run.manifests()) >= 2, "two checkpoints")
        for life in run.lives.values():
            life.kill()
            life.wait()
        newest = run.manifests()[-1]
        path = os.path.join(run.folder, "state-b", "checkpoints", newest, "correlate-1.correlate")
        os.rename(path, path + ".away")
        os.symlink(path + ".away", path)
        run.start("a")
        run.start("b")
        run.wait_said("b", f"{path}: cannot open it: Too many levels of symbolic links; host b waits")
        run.wait_said("a", "host b is there", 3)
        self.assertEqual(run.manifests()[-1], newest)
        os.rename(path + ".away", path)
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)
        self.assertNotIn("the checkpoint before it is looked for", run.said("a"))

    def test_one_host_is_late(self):
        run = self.pipeline()
        path = os.path.join(run.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(path)
            ear.settimeout(mt.WAIT_SECONDS)
            run.start("a", env={**os.environ, "NOTIFY_SOCKET": path})
            told = [ear.recv(4096).decode() for _ in range(2)]
        self.assertEqual(told[0], "READY=1")
        self.assertRegex(told[1], r"^STATUS=waits for b \(tcp://127\.0\.0\.1:\d+\)$")
        run.wait_said("a", "host a waits for b (tcp://")

        def missing():
            done = subprocess.run([mt.PROGRAM, "status", "--json", os.path.join(run.folder, "state-a")],
                                  capture_output=True, check=True, timeout=60)
            return [alarm["words"] for alarm in json.loads(done.stdout)["alarms"] if alarm["name"] == "host_missing"]

        self.assertRegex(mt.wait_until(missing, "an alarm")[0], r"^b \(tcp://127\.0\.0\.1:\d+\)$")
        run.start("b")
        run.wait_said("a", "host_missing: over after")
        run.end()
        run.check(self.wanted)

    def test_a_host_leaves(self):
        """SIGTERM ends a follower with status 0, and a leader that waits; what was not done, the next ones do."""
        run = self.pipeline(follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(run.runs, "a checkpoint")
        status = subprocess.run([mt.PROGRAM, "status", "--json", os.path.join(run.folder, "state-a")], capture_output=True,
                                check=True)
        states = {worker["name"]: worker["state"] for worker in json.loads(status.stdout)["workers"]}
        self.assertEqual(set(states.values()), {"running"}, states)
        self.assertIn("parse-1", states)
        run.lives["b"].terminate()
        self.assertEqual(run.lives["b"].wait(mt.WAIT_SECONDS), 0, run.said("b"))
        run.wait_said("a", "host a waits for", 2)
        run.lives["a"].terminate()
        self.assertEqual(run.lives["a"].wait(mt.WAIT_SECONDS), 0, run.said("a"))
        run.start("b")
        run.start("a")
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)

    def test_who_differs_is_refused(self):
        """Another topology file, other rules: with a word, and the leader waits on."""
        run = self.pipeline()
        run.start("a")
        run.wait_said("a", "waits for")
        other = run.start("b", run.write("other.yaml", run.text + "# mine\n"))
        self.assertEqual(other.wait(mt.WAIT_SECONDS), 2, run.said("b"))
        self.assertIn("the leader refuses this host: its topology file is not the same", run.said("b"))
        self.assertIn("host b is refused: its topology file is not the same", run.said("a"))
        run.wait_said("a", "host a waits for", 2)
        run.start("b")
        run.end()
        run.check(self.wanted)

    def test_other_rules_are_refused(self):
        rules = os.path.join(self.folder, "rules")
        shutil.copytree(os.path.join(mt.ROOT, "rules"), rules)
        run = self.pipeline(extra=f"rules: {rules}\n")
        run.start("a")
        run.wait_said("a", "waits for")
        with open(os.path.join(rules, "more.yml"), "w", encoding="utf-8") as out:
            out.write(mt.RULE)
        other = run.start("b")
        self.assertEqual(other.wait(mt.WAIT_SECONDS), 2, run.said("b"))
        self.assertIn("its rules, databases or lists are not the same", run.said("b"))

    def test_poison(self):
        """Records that kill workers of another host: the deadly ones alone are set aside."""
        deadly = {0: "parse", 71: "detect", 1500: "correlate"}
        lines = [json.dumps({**mt.record(number, 1), "Id": f"millrace-poison-{deadly[number]}"}
                            if number in deadly else mt.record(number, 1)) for number in range(2000)]
        place = self.enterContext(mt.Workplace())
        with open(place.path("in.ndjson"), "w", encoding="utf-8") as out:
            out.write("".join(line + "\n" for line in lines))
        run = Pipeline(self, place.path("in.ndjson"), extra=f"rules: {place.rule}\n")
        run.start("a")
        run.start("b")
        run.end()
        with open(run.alerts, "rb") as found:
            self.assertEqual(len(set(mt.ids(mt.alerts(found.read())))), len(lines) - len(deadly))
        with open(os.path.join(run.folder, "state-a", "dead-letter.ndjson"), "rb") as found:
            aside = mt.alerts(found.read())
        self.assertEqual(sorted(entry["record"] for entry in aside), sorted(lines[number] for number in deadly))

    def test_a_follower_without_room(self):
        """A state that a follower cannot write fails its checkpoint, with the reason, and no more."""
        run = self.pipeline(follow=True)
        run.start("a")
        run.start("b")
        mt.wait_until(run.runs, "a checkpoint")
        place = os.path.join(run.folder, "state-b", "checkpoints")
        os.rename(place, place + ".away")
        with open(place, "w", encoding="utf-8"):
            pass
        run.wait_said("a", f"{place}/")
        os.unlink(place)
        os.rename(place + ".away", place)
        run.stop(self.wanted)
        run.end()
        run.check(self.wanted)
        self.assertNotIn("starts again", run.said("a"))

    def test_new_rules(self):
        """A follower that is waiting reads its rules anew where the leader's are newer."""
        rules = os.path.join(self.folder, "new-rules")
        shutil.copytree(os.path.join(mt.ROOT, "rules"), rules)
        with open(os.path.join(rules, "more.yml"), "w", encoding="utf-8") as out:
            out.write(mt.RULE)
        run = self.pipeline(extra=f"rules: {rules}\n")
        run.start("b")
        run.wait_said("b", "waits for")
        os.unlink(os.path.join(rules, "more.yml"))
        run.start("a")
        run.end()
        run.check(self.wanted)
        self.assertIn("host b is refused: its rules, databases or lists are not the same", run.said("a"))

    def test_strangers(self):
        """A key that nobody knows, no key at all, bytes that are no greeting: refused, and the pipeline goes on."""
        run = self.pipeline(extra="log_level: warning\n")
        strange = tempfile.mkdtemp(dir=run.folder)
        own = make_key(strange, "b").split("'")[1]
        with open(os.path.join(run.folder, "b.pub"), encoding="utf-8") as text:
            text = run.text.replace(text.read().strip(), own).replace(f"{run.folder}/b.key", f"{strange}/b.key")
        a = run.start("a")
        mt.wait_until(lambda: any(mt.worker_name(pid) == "gate" for pid, _ in mt.children(a.pid)), "a gate")
        stranger = run.start("b", run.write("strange.yaml", text))
        run.wait_said("a", "was refused: no host has its key")
        stranger.terminate()
        self.assertEqual(stranger.wait(mt.WAIT_SECONDS), 0)
        knocking = []
        for greeting in (b"", b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096),
                         b"\xff" + b"\0" * 7 + b"\x01\x7f\x03\0NULL" + b"\0" * 48):
            sock = socket.create_connection(("127.0.0.1", run.port))
            sock.sendall(greeting)
            knocking.append(sock)
            self.addCleanup(sock.close)
        run.start("b")
        mt.wait_until(run.runs, "a checkpoint")
        for sock in knocking[1:]:  # and again, past the lock
            again = socket.create_connection(("127.0.0.1", run.port))
            again.sendall(os.urandom(512))
            self.addCleanup(again.close)
        run.end()
        run.check(self.wanted)
        self.assertNotIn("starts again", run.said("a"))

    def test_wrong_settings(self):
        """A key that is not this host's, a host that is not there, no host at all: status 2 before anything starts."""
        run = self.pipeline()
        shutil.copy(os.path.join(run.folder, "b.key"), os.path.join(run.folder, "a.key"))
        for arguments, words in ((["--host", "a"], "it is not the private key of host a's public_key"),
                                 (["--host", "c"], "hosts: they are a, b, and none is called \"c\""),
                                 ([], "hosts: this is a run over a, b: name the one that this is, with --host")):
            done = subprocess.run([mt.PROGRAM, "run", *arguments, run.topology], capture_output=True, text=True,
                                  check=False, timeout=mt.WAIT_SECONDS)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
