"""`millrace check`: all that a run would read, without running."""
import fcntl
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import unittest

import millrace_test as mr

DEPLOY = os.path.join(mr.ROOT, "deploy")


def check(*arguments, **options):
    return subprocess.run([mr.PROGRAM, "check", *map(str, arguments)], capture_output=True, text=True, check=False,
                          timeout=mr.WAIT_SECONDS * 4, **options)


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="millrace-check-")
        self.addCleanup(self.folder.cleanup)
        os.mkdir(self.path("in"))
        self.write("rule.yml", mr.RULE)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def topology(self, run="", source="path: in", sink="path: alerts.ndjson", sinks=""):
        return self.write("t.yaml", f"state: state\nrules: rule.yml\n{run}\n"
                          f"sources:\n  - {{name: all, type: file, {source}}}\n"
                          f"sinks:\n  - {{name: alerts, type: file, {sink}}}\n{sinks}")

    def refused(self, *words):
        """It says these on stderr and nothing on stdout, and leaves nothing behind."""
        before = sorted(os.listdir(self.folder.name))
        done = check(self.path("t.yaml"))
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder.name)), before)
        return done.stderr

    def test_what_it_found(self):
        before = sorted(os.listdir(self.folder.name))
        done = check(self.topology("workers: 3\ncut: detect\n"))
        self.assertEqual(done.returncode, 0, done.stderr)
        found = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines()[1:])
        self.assertEqual(done.stdout.splitlines()[0], self.path("t.yaml") + " can run")
        self.assertEqual(found["state"], self.path("state"))
        self.assertEqual(found["sources"], "all (file)")
        self.assertEqual(found["sinks"], "alerts (file)")
        self.assertEqual(found["rules"], "1, 0 of them correlations in 1 layer; 0 refused, 0 inactive, 0 filters")
        self.assertEqual(found["processes"], "11 in 5 groups, 3 to a group that shares its work")
        self.assertEqual(sorted(os.listdir(self.folder.name)), before + ["t.yaml"])

    def test_bounds_past_the_disk(self):
        for bound, warns in (("1000000GiB", True), ("unlimited", True), ("64MiB", False)):
            self.topology("# state is not there yet", f"path: in, journal_bytes: {bound}")
            done = check(self.path("t.yaml"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("journals and spools may grow past that" in done.stderr, warns, done.stderr)

    def test_more_sources_than_open_files(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        sources = "".join(f"  - {{name: s{number}, type: file, path: in}}\n" for number in range(80))
        self.write("t.yaml", "state: state\nrules: rule.yml\nworkers: 1\nsources:\n" + sources +
                   "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")
        said = r"a process may have 256 files open, and collect needs up to \d+: raise the limit"
        done = check(self.path("t.yaml"), preexec_fn=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, said)
        self.assertNotRegex(check(self.path("t.yaml")).stderr, "files open")
        run = subprocess.run([mr.PROGRAM, "run", self.path("t.yaml")], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True, check=False, preexec_fn=limit, timeout=mr.WAIT_SECONDS * 4)
        self.assertNotEqual(run.returncode, 0)
        self.assertRegex(run.stderr, said)

    def test_relative_paths_begin_in_its_folder(self):
        self.topology()
        done = check(os.path.join(os.path.basename(self.folder.name), "t.yaml"),
                     cwd=os.path.dirname(self.folder.name))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_faults_have_their_place(self):
        self.topology("ruels: a\nworkers: many\n")
        self.refused(f'{self.path("t.yaml")}:3:1: the run has no setting "ruels"; is "rules" meant?',
                     f'{self.path("t.yaml")}:4:10: workers: "many" is not a whole number from 1 to 64',
                     "t.yaml: 2 faults")

    def test_each_path(self):
        for run, source, sink, words in (
                ("", "path: none, follow: false", "path: a", "source all {}/none: No such file"),
                ("", "path: in", "path: none/a", "sink alerts {}/none/a: nothing can be made in {}/none: No such file"),
                ("", "path: in", "path: in", "sink alerts {}/in: it is a directory"),
                ("", "path: in", "path: rule.yml", "it is {}/rule.yml, which this run reads"),
                ("dead_letter: in/../alerts", "path: in", "path: alerts", "writes that file too"),
                ("dead_letter: none/a", "path: in", "path: a", "dead_letter {}/none/a: nothing can be made"),
                ("geoip: none.mmdb", "path: in", "path: a", "{}/none.mmdb"),
                ("identity: none", "path: in", "path: a", "{}/none"),
                ("networks: none", "path: in", "path: a", "{}/none"),
                ("placeholders: none", "path: in", "path: a", "{}/none"),
                ("strict: true\nnetworks: rule.yml", "path: in", "path: a", "{}/rule.yml")):
            with self.subTest(words=words):
                self.write("alerts", "")
                self.topology(run, source, sink)
                self.refused(words.replace("{}", self.folder.name))

    def test_two_that_make_the_same(self):
        """However its folder is called, and whether it is there or not."""
        for name in ("out", "real"):
            os.mkdir(self.path(name))
        os.symlink("real", self.path("link"))
        for first, second in (("out/a", "out/./a"), ("real/a", "link/a"), ("real/a", "real/a")):
            with self.subTest(second=second):
                self.topology(sink=f"path: {first}", sinks=f"  - {{name: more, type: file, path: {second}}}\n")
                self.refused(f"sink more {self.path(second)}: sink alerts writes that file too")
                self.topology(f"dead_letter: {first}", sink=f"path: {second}")
                self.refused(f"sink alerts {self.path(second)}: dead_letter writes that file too")
                self.write("t.yaml", "state: state\nrules: rule.yml\nsources:\n"
                           f"  - {{name: one, type: socket, path: {first}}}\n  - {{name: two, type: socket, path: {second}}}\n"
                           "sinks:\n  - {name: alerts, type: file, path: alerts}\n")
                self.refused(f"source two {self.path(second)}: source one listens there too")
        self.topology("dead_letter: none/a", sink="path: none//./a")
        self.refused("dead_letter writes that file too")
        self.topology("dead_letter: none/a", sink="path: none/b")
        self.assertNotIn("writes that file", self.refused("nothing can be made in"))
        self.topology(sink="path: out/a", sinks="  - {name: more, type: file, path: real/a}\n")
        self.assertEqual(check(self.path("t.yaml")).returncode, 0)

    def test_a_port_that_is_taken(self):
        """Whoever has it may be gone by the time of the run; a service that runs has it itself."""
        with socket.socket() as taken, socket.socket() as other:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            self.topology(f"metrics_port: {taken.getsockname()[1]}")
            done = check(self.path("t.yaml"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"metrics_port: 127.0.0.1:{taken.getsockname()[1]} cannot be had: Address already in use", done.stderr)
            self.assertIn("ends at once, with status 1", done.stderr)
            other.bind(("127.0.0.1", 0))
            free = other.getsockname()[1]
            os.mkdir(self.path("state"), 0o700)
            with open(self.path("state/lock"), "wb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.assertNotIn("metrics_port", check(self.path("t.yaml")).stderr)
        self.topology(f"metrics_port: {free}")
        self.assertNotIn("metrics_port", check(self.path("t.yaml")).stderr)

    def test_credentials(self):
        """What systemd gives to the service alone is no fault of the file; run, which needs it, is refused."""
        environment = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
        self.topology(sinks="  - {name: hook, type: webhook, url: 'https://localhost/', hmac_key_file: credential:key}\n")
        done = check(self.path("t.yaml"), env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{self.path('t.yaml')}:8:", done.stderr)
        self.assertIn("hmac_key_file: credential:key is not looked at: systemd gives it to the service alone", done.stderr)
        done = subprocess.run([mr.PROGRAM, "run", self.path("t.yaml")], env=environment, capture_output=True, text=True,
                              check=False, timeout=mr.WAIT_SECONDS * 4)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("systemd gave no credentials (LoadCredential=key:FILE)", done.stderr)
        done = check(self.path("t.yaml"), env={**environment, "CREDENTIALS_DIRECTORY": self.folder.name})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("/key: No such file", done.stderr)
        for host in ("a", "b"):
            made = subprocess.run([mr.PROGRAM, "keys", "--dir", self.folder.name, host], check=True, capture_output=True,
                                  text=True)
            self.assertIn(f"key_file: {self.folder.name}/{host}.key\n", made.stdout)
        hosts = ""
        for host, groups in (("a", "collect, deliver"), ("b", "parse, correlate")):
            with open(self.path(host + ".pub"), encoding="utf-8") as key:
                hosts += (f"  - {{name: {host}, address: 'tcp://127.0.0.1:7411', public_key: '{key.read().strip()}', "
                          f"key_file: credential:{host}, groups: [{groups}]}}\n")
        self.topology(f"workers: 2\nhosts:\n{hosts}")
        done = check("--host", "b", self.path("t.yaml"), env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("key_file: credential:b is not looked at", done.stderr)
        self.assertNotIn("credential:a", done.stderr)

    def test_each_fault_has_its_place(self):
        """Whoever finds it; all paths at once, each once."""
        os.mkdir(self.path("loop"))
        self.write("none.pem", "no certificate\n")
        self.topology("geoip: [none-1.mmdb, none-2.mmdb]\nnetworks: none.txt\ndead_letter: none/dead", source="path: none, follow: false",
                      sinks="  - {name: hook, type: webhook, url: 'https://host/', ca_certificates: none.pem}\n")
        said = self.refused("5 paths are not as the run needs")
        for place, what in (("3:9", "geoip {}/none-1.mmdb: No such"), ("3:22", "geoip {}/none-2.mmdb: No such"),
                            ("4:11", "networks {}/none.txt: No such"), ("5:14", "dead_letter {}/none/dead: nothing can be made"),
                            ("7:35", "source all {}/none: No such")):
            words = f"{self.path('t.yaml')}:{place}: {what.replace('{}', self.folder.name)}"
            self.assertEqual(said.count(words), 1, (words, said))
        for source, sink, hook, words in (
                ("path: in", "path: a", "url: 'http://host/'", '8:38: sink hook: "http://host/" is no https'),
                ("path: in", "path: a", "url: 'https://host/', proxy: 'ftp://host/'", '8:62: sink hook: "ftp://host/" is no http'),
                ("path: in", "path: a", "url: 'https://host/', ca_certificates: none.pem", "8:72: sink hook: {}/none.pem holds no"),
                ("path: [in, loop]", "path: loop/a", "url: 'https://host/'", "5:40: source all: {}/loop: what sink alerts gets"),
                ("path: in", "path: a}\n  - {name: s, type: file, path: none/a", "url: 'https://host/'", "8:33: sink s {}/none/a: nothing")):
            with self.subTest(words=words):
                self.topology("", source, sink, sinks=f"  - {{name: hook, type: webhook, {hook}}}\n")
                self.refused(f"{self.path('t.yaml')}:{words.replace('{}', self.folder.name)}")
        self.write("t.yaml", "rules: rule.yml\nstate: none/state\nsources: [{name: a, type: socket, path: none/s}]\n"
                   "sinks: [{name: b, type: stdout}]\n")
        self.refused(f"{self.path('t.yaml')}:2:8: state {self.path('none/state')}: nothing can be made",
                     f"{self.path('t.yaml')}:3:41: source a {self.path('none/s')}: nothing can be made")

    def test_a_warning_says_that_it_is_one(self):
        self.topology(source="path: later")
        said = check(self.path("t.yaml")).stderr
        self.assertIn(f"warning: source all: {self.path('later')} is not there yet", said)
        self.topology("geoip: none.mmdb", source="path: later")
        faults = [line for line in self.refused().splitlines() if not line.startswith("warning: ")]
        self.assertEqual(len(faults), 2, faults)

    def test_a_file_that_cannot_be_read(self):
        """By the user who asks, in a folder that is followed: it is named, and a run would do the rest."""
        self.topology()
        self.write("in/open.log", "")
        self.write("in/closed.log", "", mode=0)
        os.chmod(self.folder.name, 0o777)
        program = os.path.join(self.folder.name, "millrace")
        shutil.copy(mr.PROGRAM, program)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for source in ("path: in", "path: 'in/*.log'"):
            self.topology(source=source)
            done = subprocess.run([program, "check", self.path("t.yaml")], capture_output=True, text=True, check=False,
                                  timeout=mr.WAIT_SECONDS * 4, **user)
            self.assertEqual(done.returncode, 0, done.stderr)
            warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: source")]
            self.assertEqual(warnings, [f"warning: source all: {self.path('in/closed.log')}: Permission denied; "
                                        "it is not read until it can be"])

    def test_an_alert_file_is_no_input(self):
        self.write("alerts.ndjson", "")
        self.topology(source="path: [in, alerts.ndjson]")
        self.refused("source all: ", "what sink alerts ")

    def test_what_is_written_is_not_read_again(self):
        """A record of this run's own that it reads makes the next one: however the folder is named, and whatever is there."""
        for name in ("loop", "loop/in", "out", "real", "loop/.hidden"):
            os.mkdir(self.path(name))
        os.symlink("loop", self.path("link"))
        os.symlink("../../real", self.path("loop/in/link"))
        os.symlink("loop/later.ndjson", self.path("dangling"))
        os.symlink("../out/later", self.path("in/later"))
        for run, source, sink, what in (("", "loop", "loop/alerts", "sink alerts"), ("", "loop", "loop/in/alerts", "sink alerts"),
                                        ("", "link", "loop/alerts", "sink alerts"), ("", "loop", "link/alerts", "sink alerts"),
                                        ("", "loop", "real/alerts", "sink alerts"), ("", "loop", "dangling", "sink alerts"),
                                        ("", "in", "out/later", "sink alerts"), ("", "out/a.log", "out/a.log", "sink alerts"),
                                        ("", "'out/*.log'", "out/a.log", "sink alerts"), ("", "'o*/*.log'", "in/a", None),
                                        ("dead_letter: loop/in/dead", "loop", "out/a", "dead_letter"),
                                        ("", "loop", "loop/.hidden/a", None), ("", "loop", "out/alerts", None),
                                        ("", "'out/*.json'", "out/a.log", None), ("", ".", "/dev/null", "the state directory"),
                                        ("", "loop, follow: false", "loop/alerts", "sink alerts")):
            with self.subTest(source=source, sink=sink, run=run):
                self.topology(run, f"path: {source}", f"path: {sink}")
                if what is None:
                    self.assertEqual(check(self.path("t.yaml")).returncode, 0)
                else:
                    self.refused("source all: ", f"what {what} gets would be read again")
        for name in ("state", "state/journal", "state/journal/all"):
            os.mkdir(self.path(name))
        os.symlink("../state/journal", self.path("in/link"))
        for source in (".", "state", "state/journal/all", "state/dead-letter.ndjson", "'state/*.ndjson'"):
            with self.subTest(source=source):
                self.topology(source=f"path: {source}", sink="path: out/alerts")
                self.refused("gets would be read again")

    def test_state_directory(self):
        self.topology()
        self.write("state", "")
        self.refused("it is no directory")
        os.unlink(self.path("state"))
        os.mkdir(self.path("state"))
        os.chmod(self.path("state"), 0o777)
        self.refused("others than its owner may write there (mode 0777)")
        os.chmod(self.path("state"), 0o700)
        self.write("state/ledger.sqlite", "", 0o664)
        self.refused(f"{self.path('state/ledger.sqlite')}: others than its owner may write there (mode 0664)")

    def test_sources_over_the_life_of_a_state_directory(self):
        def describe(first, count):
            for n in range(first, first + count):
                self.write(f"in.{n}", "")
            self.write("t.yaml", "state: state\nrules: rule.yml\nworkers: 1\nsources:\n" + "".join(
                f"  - {{name: s{n}, type: file, path: in.{n}, follow: false, segment_bytes: 1MiB}}\n"
                for n in range(first, first + count)) + "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")

        for first in range(0, 1000, 250):
            describe(first, 250)
            done = subprocess.run([mr.PROGRAM, "run", self.path("t.yaml")], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            shutil.rmtree(self.path("state/journal"))  # nothing was read: room for the next
        describe(990, 34)
        self.assertEqual(check(self.path("t.yaml")).returncode, 0)
        describe(990, 35)
        self.refused("this state directory has had 1025 sources, those of this file included; at most 1024")

    def test_paths_and_rules_are_told_at_once(self):
        self.write("rule.yml", "title: x\n")
        self.topology("strict: true", source="path: none, follow: false")
        self.refused("No such file", "refused")

    def test_a_followed_input_may_come_later(self):
        done = check(self.topology(source="path: [in, later]"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"source all: {self.path('later')} is not there yet; it is waited for", done.stderr)

    def test_a_pattern_is_there_with_what_fits_it(self):
        self.write("in/a.log", "")
        for follow in ("true", "false"):
            done = check(self.topology(source=f"path: 'in/*.log', follow: {follow}"))
            self.assertEqual((done.returncode, "not there" in done.stderr), (0, False), done.stderr)
        done = check(self.topology(source="path: ['in/*.log', 'in/*.txt']"))
        self.assertEqual(done.stderr.count("is not there yet"), 1, done.stderr)
        self.assertIn(f"source all: {self.path('in/*.txt')} is not there yet; it is waited for", done.stderr)
        self.topology(source="path: 'in/*.txt', follow: false")
        self.refused(f"source all {self.path('in/*.txt')}: No such file or directory")

    def test_a_secret_that_everybody_may_read(self):
        sinks = "  - {name: hook, type: webhook, url: 'https://localhost/', hmac_key_file: key}\n"
        self.topology(sinks=sinks)
        self.write("key", "hush\n")
        said = self.refused("hmac_key_file: ", "everybody may read or write this secret (mode 0644)")
        self.assertNotIn("hush", said)
        self.write("key", "hush\n", 0o600)
        done = check(self.path("t.yaml"))
        self.assertNotIn("everybody", done.stderr)

    def test_addresses(self):
        """What is no address, or holds a password, is refused here; the password is not told."""
        for hook, words in (("url: 'http://host/'", '"http://host/" is no https:// address'),
                            ("url: 'https://host/', proxy: 'ftp://host/'", '"ftp://host/" is no http:// or https:// address'),
                            ("url: 'https:///host'", '"https:///host" names no host'),
                            ("url: 'http://me:geheim@host/'", "an address holds no user and no password"),
                            ("url: 'https://me:geheim@host/'", "an address holds no user and no password"),
                            ("url: 'https://me:geheim@ho st/'", '"…" is no https:// address')):
            with self.subTest(hook=hook):
                self.topology(sinks=f"  - {{name: hook, type: webhook, {hook}}}\n")
                self.assertNotIn("geheim", self.refused("sink hook: " + words))

    def test_certificates(self):
        self.write("none.pem", "no certificate\n")
        for setting in ("ca_certificates", "client_certificate"):
            for name, words in (("missing.pem", "missing.pem cannot be read: No such file"),
                                ("none.pem", "none.pem holds no certificate in PEM form")):
                with self.subTest(setting=setting, name=name):
                    self.topology(sinks=f"  - {{name: hook, type: webhook, url: 'https://host/', {setting}: {name}}}\n")
                    self.refused(words)

    def test_keys_and_certificates_that_do_not_go_together(self):
        """A run would try again for ever, with words of libcurl's."""
        for name, days in (("one", 300), ("soon", 3), ("other", 300)):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                            "-days", str(days), "-subj", "/CN=x", "-keyout", self.path(name + ".key"),
                            "-out", self.path(name + ".pem")], check=True, capture_output=True)
        for name, text in (("user", "nobody"), ("bad.key", "no key")):
            self.write(name, text)
            os.chmod(self.path(name), 0o600)
        with open(self.path("one.pem"), encoding="ascii") as first, open(self.path("one.key"), encoding="ascii") as key:
            self.write("both.pem", first.read() + key.read())

        def hook(settings):
            self.topology(sinks=f"  - {{name: hook, type: webhook, url: 'https://host/', {settings}}}\n")

        for settings, words in (
                ("client_certificate: one.pem, client_key_file: other.key", "other.key is not the key of the certificate in"),
                ("client_certificate: one.pem, client_key_file: bad.key", "bad.key holds no private key in PEM form"),
                ("client_certificate: one.pem", "one.pem holds no private key, and there is no client_key_file"),
                ("client_key_file: one.key", "client_key_file: there is no client_certificate"),
                ("proxy_user_file: user", "proxy_user_file: there is no proxy"),
                ("proxy: 'http://p:1', proxy_user_file: user", "user: there is no colon in it"),
                ("retry_first: 2s, retry_most: 1s", "retry_first: 2s is more than retry_most, 1s")):
            with self.subTest(settings=settings):
                hook(settings)
                self.refused("sink hook: ", words)
        for settings in ("client_certificate: one.pem, client_key_file: one.key", "client_certificate: both.pem",
                         "client_certificate: one.pem, client_key_file: 'credential:key'"):
            with self.subTest(settings=settings):
                hook(settings)
                done = check(self.path("t.yaml"))
                self.assertEqual(done.returncode, 0, done.stderr)
        hook("client_certificate: soon.pem, client_key_file: soon.key, ca_certificates: soon.pem")
        said = check(self.path("t.yaml")).stderr
        for setting in ("client_certificate", "ca_certificates"):
            self.assertIn(f"warning: sink hook: {setting}: {self.path('soon.pem')} expires within 3 days", said)

    def test_a_file_that_is_none(self):
        """run, too, says that it is the topology's fault."""
        os.mkfifo(self.path("pipe"))
        for path in ("/dev/null", self.path("pipe")):
            with self.subTest(path=path):
                self.topology(sink=f"path: {path}")
                self.refused(f"sink alerts {path}: it is no regular file")
                done = subprocess.run([mr.PROGRAM, "run", self.path("t.yaml")], stdin=subprocess.DEVNULL,
                                      capture_output=True, timeout=60, check=False)
                self.assertEqual(done.returncode, 2, done.stderr)

    def test_a_file_that_somebody_writes_to(self):
        self.topology()
        with open(self.path("alerts.ndjson"), "ab") as out:
            fcntl.fcntl(out, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            done = check(self.path("t.yaml"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("another process is writing to it; as long as that is so a run ends at once", done.stderr)

    def test_a_new_state_directory_beside_old_alerts(self):
        """Named wrongly, or not mounted, it would have all alerts written once more without a word."""
        words = f"state {self.path('state')}: no run has been there yet"

        def run():
            done = subprocess.run([mr.PROGRAM, "run", self.path("t.yaml")], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr

        self.topology(source="path: in, follow: false")
        self.write("alerts.ndjson", "")
        self.assertNotIn(words, check(self.path("t.yaml")).stderr)
        self.write("alerts.ndjson", "{}\n")
        self.assertIn("warning: " + words, check(self.path("t.yaml")).stderr)
        self.assertIn("warning log: " + words, run())
        self.assertNotIn(words, run())
        self.assertNotIn(words, check(self.path("t.yaml")).stderr)

    def test_a_token_is_one_line(self):
        self.write("token", "two\nlines\n")
        os.chmod(self.path("token"), 0o600)
        self.topology(sinks="  - {name: hook, type: webhook, url: 'https://host/', token_file: token}\n")
        self.refused("sink hook: ", "token: a token is one line")

    def test_a_long_name(self):
        self.write("t.yaml", f"state: state\nrules: rule.yml\nsources: [{{name: {'n' * 64}, type: stdin}}]\n"
                   f"sinks: [{{name: {'n' * 64}, type: file, path: alerts}}]\n")
        done = check(self.path("t.yaml"), stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_usage(self):
        for arguments in ((), ("a", "b"), ("--nothing",), ("--settings", "a")):
            self.assertEqual(check(*arguments).returncode, 2)
        self.assertEqual(check("/no/such/topology").returncode, 2)

    def test_the_table(self):
        """The whole of it, with the words of setting.def."""
        done = check("--settings")
        self.assertEqual(done.returncode, 0)
        with open(os.path.join(mr.ROOT, "include", "millrace", "setting.def"), encoding="utf-8") as text:
            rows = re.findall(r'^X\("(\w+)", ([A-Z| ]+), .*"((?:[^"\\]|\\.)*)"\)$', text.read(), re.M)
        self.assertGreater(len(rows), 20)
        for name, scopes, prose in rows:
            shown = f"  {name}:" in done.stdout and prose in done.stdout
            self.assertEqual(shown, bool(set(scopes.split(" | ")) & {"RUN", "SOURCE", "SINK", "HOST"}), name)


class Deploy(unittest.TestCase):
    def test_the_sample(self):
        """The sample in a folder of its own, since its places are not this machine's."""
        with tempfile.TemporaryDirectory(prefix="millrace-deploy-") as folder:
            with open(os.path.join(DEPLOY, "millrace.yaml"), encoding="utf-8") as text:
                sample = text.read()
            for place in ("/var/lib", "/etc/millrace/rules", "/var/spool/millrace/exports", "/run/millrace",
                          "/var/log/millrace"):
                os.makedirs(folder + place)
            with open(folder + "/etc/millrace/networks.txt", "w", encoding="utf-8") as out:
                out.write('198.51.100.0/24 "Data centre" egress\n')
            people = folder + "/people.csv"
            with open(people, "w", encoding="utf-8") as out:
                out.write("id,upn\n1,ann@example.com\n")
            subprocess.run([mr.PROGRAM, "identity", "import", "--store", folder + "/etc/millrace/identity", people],
                           check=True, capture_output=True)
            sample = sample.replace("/usr/share/millrace/rules", os.path.join(mr.ROOT, "rules"))
            sample, databases = re.subn(r"^geoip:.*\n", "", sample, flags=re.M)
            self.assertEqual(databases, 1)
            sample = re.sub(r"(?<=[ \[])/(var|etc|run)/", folder + r"/\1/", sample)
            topology = folder + "/etc/millrace/millrace.yaml"
            with open(topology, "w", encoding="utf-8") as out:
                out.write(sample)
            done = check(topology)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("sources     exports (file), forwarder (socket)", done.stdout)
            self.assertIn("an identity store, named networks", done.stdout)

    def test_the_unit(self):
        """What the sample and the program count on."""
        with open(os.path.join(DEPLOY, "millrace.service"), encoding="utf-8") as text:
            unit = text.read().splitlines()
        for line in ("Type=notify", "WatchdogSec=2min", "StateDirectory=millrace", "NoNewPrivileges=yes",
                     "RestartPreventExitStatus=2", "UMask=0027", "TimeoutStartSec=15min", "ExecReload=/bin/kill -HUP $MAINPID",
                     "ExecStart=/usr/bin/millrace run /etc/millrace/millrace.yaml"):
            self.assertIn(line, unit)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not here")
    def test_systemd_knows_each_line(self):
        done = subprocess.run(["systemd-analyze", "verify", os.path.join(DEPLOY, "millrace.service")],
                              capture_output=True, text=True, check=False)
        for line in done.stderr.splitlines():
            if "millrace.service" in line:
                self.assertIn("Command /usr/bin/millrace is not executable", line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
