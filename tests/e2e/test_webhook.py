"""Webhooks of `millrace run`, in a locked-in worker, over real TLS: each alert arrives at least once, whatever the receiver
or who kills what does."""
import base64
import hashlib
import hmac
import json
import os
import unittest

import millrace_test as mr
from service import Receiver, Service

COUNT = 3000


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
            signed = f"{headers['X-Millrace-Timestamp']}.{request['body']}".encode()
            self.assertEqual(headers["X-Millrace-Signature"],
                             "sha256=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest())
            self.assertEqual(headers["Authorization"], "Bearer sesame")


if __name__ == "__main__":
    unittest.main(verbosity=2)
