"""Webhooks of `millrace run`, in a locked-in worker, over real TLS: each alert arrives at least once, whatever the receiver
or who kills what does."""
import base64
import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import unittest

import millrace_test as mr
from service import Receiver, Service

COUNT = 3000
SEED = int(os.environ.get("MILLRACE_SEED", str(random.SystemRandom().randrange(1 << 32))))
FAULTS = ["429:1", "503:date+1", "500", "408", "404", "late:2", "half", "never", "reset"]


class Webhook(unittest.TestCase):
    def setUp(self):
        self.service = Service(self, COUNT)

    def assert_all_taken(self, *receivers):
        taken = [uid for receiver in receivers for uid in receiver.taken()]
        self.assertEqual(sorted(set(taken)), self.service.expected)
        self.service.assert_kept_once()
        return taken

    def secret(self, name, text):
        path = self.service.path(name)
        with open(path, "w", encoding="ascii", opener=lambda *of: os.open(*of, 0o600)) as out:
            out.write(text)
        return path

    def test_it_ends_when_all_have_arrived(self):
        receiver = Receiver(self.service)
        self.service.describe(receiver.sink(), self.service.file_sink())
        self.service.finish(self.service.start())
        self.assertEqual(len(self.assert_all_taken(receiver)), COUNT)  # nobody died: each came once
        spool = self.service.path("state/spool/hook")
        self.assertLess(sum(os.path.getsize(os.path.join(spool, name)) for name in os.listdir(spool)), 70 << 20)
        # And the next start has nothing to say.
        before = len(receiver.requests())
        self.service.finish(self.service.start())
        self.assertEqual(len(receiver.requests()), before)

    def test_all_that_proves_who_speaks(self):
        """Proxy with a password, client certificate, token and signature; secrets from files and from systemd."""
        receiver = Receiver(self.service, "--client", "--proxy")
        key, credentials = "a key of some length", self.service.path("credentials")
        os.mkdir(credentials)
        self.secret("credentials/hmac", key + "\n")
        self.service.place.environment["CREDENTIALS_DIRECTORY"] = credentials
        os.chmod(receiver.path("client.key"), 0o600)
        self.service.describe(receiver.sink(
            proxy=f"http://localhost:{receiver.proxy_port}", proxy_user_file=self.secret("user", "ann:secret\n"),
            client_certificate=receiver.path("client.pem"), client_key_file=receiver.path("client.key"),
            hmac_key_file="credential:hmac", token_file=self.secret("token", "sesame\n")), self.service.file_sink())
        self.service.finish(self.service.start())
        self.assert_all_taken(receiver)
        asked = receiver.requests()
        proxied = [request["proxy"] for request in asked if "proxy" in request]
        self.assertIn("Proxy-Authorization: Basic " + base64.b64encode(b"ann:secret").decode(), proxied[0])
        for request in (request for request in asked if "body" in request):
            headers = request["headers"]
            self.assertTrue(self.signed_by(request, key.encode()))
            self.assertEqual(headers["Authorization"], "Bearer sesame")

    def signed_by(self, request, key):
        signed = f"{request['headers']['X-Millrace-Timestamp']}.{request['body']}".encode()
        return request["headers"]["X-Millrace-Signature"] == "sha256=" + hmac.new(key, signed, hashlib.sha256).hexdigest()

    def test_a_new_key_is_taken_by_a_reload(self):
        receiver = Receiver(self.service, *["503"] * 10000)
        self.service.describe(receiver.sink(hmac_key_file=self.secret("key", "the first key\n")),
                              self.service.file_sink(),
                              sources=[{"name": "in", "type": "file", "path": [self.service.records]}])
        process = self.service.start()
        mr.wait_until(receiver.requests, "it has asked")
        self.secret("key", "the second key\n")
        process.send_signal(signal.SIGHUP)
        mr.wait_until(lambda: "reloaded from checkpoint" in self.service.said(), "it is reloaded")
        self.assertIn("keys or certificates: new", self.service.said())
        process.send_signal(signal.SIGHUP)
        mr.wait_until(lambda: "reload: nothing has changed" in self.service.said(), "there is nothing more")
        receiver.stop()
        receiver = Receiver(self.service, "--port", str(receiver.port))
        mr.wait_until(lambda: len(set(receiver.taken())) == COUNT, "all have arrived")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.assert_all_taken(receiver)
        asked = receiver.requests()
        self.assertTrue(self.signed_by(asked[0], b"the first key"))
        self.assertTrue(self.signed_by(asked[-1], b"the second key"))

    def test_keys_that_are_wrong_at_a_reload_are_refused(self):
        """What was in force goes on: the keys, too, over the death of a worker."""
        receiver = Receiver(self.service, *["503"] * 10000)
        token = self.secret("token", "first\n")
        self.service.describe(receiver.sink(token_file=token), self.service.file_sink(),
                              sources=[{"name": "in", "type": "file", "path": [self.service.records]}])
        process = self.service.start()
        mr.wait_until(receiver.requests, "it has asked")
        self.secret("token", "second\nfirst\n")
        process.send_signal(signal.SIGHUP)
        mr.wait_until(lambda: "reload.refused" in self.service.said(), "the reload is refused")
        self.assertIn("a token is one line", self.service.said())
        os.unlink(token)
        os.rename(receiver.path("ca.pem"), receiver.path("ca.aside"))
        os.kill(self.worker(process, "collect"), signal.SIGKILL)
        mr.wait_until(lambda: "workers.started" in self.service.said(), "the workers have begun again")
        os.rename(receiver.path("ca.aside"), receiver.path("ca.pem"))
        receiver.stop()
        receiver = Receiver(self.service, "--port", str(receiver.port))
        mr.wait_until(lambda: len(set(receiver.taken())) == COUNT, "all have arrived")
        process.send_signal(signal.SIGTERM)
        self.service.finish(process)
        self.assert_all_taken(receiver)
        self.assertEqual({request["headers"]["Authorization"] for request in receiver.requests()}, {"Bearer first"})

    # ---- receivers that fail ----

    def worker(self, service, name):
        """Of one incarnation; they may be on their way out."""
        def found():
            for pid, _ in mr.children(service.pid):
                try:
                    if mr.worker_name(pid) == name:
                        return pid
                except OSError:
                    pass
            return None
        return mr.wait_until(found, f"there is a worker {name}")

    def test_an_expired_certificate(self):
        """It is refused, and said; the alerts wait, until the receiver has another one."""
        receiver = Receiver(self.service, "--certificate", "expired")
        self.service.describe(receiver.sink(), self.service.file_sink())
        process = self.service.start()
        mr.wait_until(lambda: "certificate has expired" in self.service.said(), "the certificate is refused")
        mr.wait_until(lambda: len(mr.whole_lines(self.service.path("alerts.ndjson"))) == COUNT, "all was read")
        self.assertIsNone(process.poll())
        self.assertEqual(receiver.requests(), [])
        receiver.stop()
        receiver = Receiver(self.service, "--port", str(receiver.port))
        self.service.finish(process)
        self.assertIn("the receiver takes alerts again", self.service.said())
        self.assertEqual(len(self.assert_all_taken(receiver)), COUNT)

    def test_faults_and_kills(self):
        """Each alert arrives, with the id that it has in scan; deliver and the supervisor are killed meanwhile."""
        dice = random.Random(SEED)
        print("seed", SEED, flush=True)
        faults = [*FAULTS, *dice.choices(["200", *FAULTS[2:]], k=20)]
        dice.shuffle(faults)
        receiver = Receiver(self.service, *faults)
        self.service.describe(receiver.sink(timeout="300ms", batch_alerts=100), self.service.file_sink())
        process = self.service.start()
        for asked in sorted(dice.sample(range(1, len(faults)), 4)):
            mr.wait_until(lambda: len(receiver.requests()) >= asked, f"{asked} requests")
            if dice.random() < 0.5:
                os.kill(self.worker(process, "deliver"), signal.SIGKILL)
            else:
                process.kill()
                process.wait()
                process = self.service.start()
        self.service.finish(process)
        self.assert_all_taken(receiver)
        answers = {request["answer"] for request in receiver.requests()}
        self.assertLessEqual(set(FAULTS), answers)

    def test_an_hour_of_outage(self):
        """Of minutes that last 50 ms: so the longest pause, and so many attempts; first nobody listens, then each request is
        turned away. Meanwhile deliver and the supervisor are killed."""
        receiver = Receiver(self.service)
        receiver.stop()
        self.service.describe(receiver.sink(retry_first="1ms", retry_most="50ms", batch_alerts=200),
                              self.service.file_sink())
        process = self.service.start()
        mr.wait_until(lambda: len(mr.whole_lines(self.service.path("alerts.ndjson"))) == COUNT, "all was read")
        mr.wait_until(lambda: "alerts wait, the receiver does not take them" in self.service.said(), "the outage is said")
        os.kill(self.worker(process, "deliver"), signal.SIGKILL)
        receiver = Receiver(self.service, "--port", str(receiver.port), *["503"] * 60)
        mr.wait_until(lambda: len(receiver.requests()) >= 20, "a third of the hour")
        process.kill()
        process.wait()
        process = self.service.start()
        mr.wait_until(lambda: len(receiver.requests()) >= 40, "two thirds of it")
        os.kill(self.worker(process, "deliver"), signal.SIGKILL)
        self.service.finish(process)
        self.assertEqual([request["answer"] for request in receiver.requests()[:60]], ["503"] * 60, "so many were turned away")
        self.assert_all_taken(receiver)

    def test_a_spool_outlasts_the_end(self):
        """SIGTERM while nobody listens: what waits is kept, and the next start sends it."""
        receiver = Receiver(self.service)
        receiver.stop()
        self.service.describe(receiver.sink(), self.service.file_sink())
        process = self.service.start()
        mr.wait_until(lambda: len(mr.whole_lines(self.service.path("alerts.ndjson"))) == COUNT, "all was read")
        process.terminate()
        self.service.finish(process)
        receiver = Receiver(self.service, "--port", str(receiver.port))
        self.service.finish(self.service.start())
        self.assertEqual(len(self.assert_all_taken(receiver)), COUNT)

    def test_a_name_is_looked_up(self):
        """By the system's resolver, in the thread that libcurl has for it; here its file says where the name is."""
        hosts = self.service.path("hosts")
        with open(hosts, "w", encoding="ascii") as out:
            out.write("127.0.0.1 receiver.example\n")
        own = ["unshare", "-rm", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
        if subprocess.run([*own, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no name space of its own for /etc/hosts")
        receiver = Receiver(self.service)
        self.service.describe(receiver.sink(url=f"https://receiver.example:{receiver.port}/"), self.service.file_sink())
        self.service.finish(self.service.start(before=own))
        self.assert_all_taken(receiver)


if __name__ == "__main__":
    unittest.main(verbosity=2)
