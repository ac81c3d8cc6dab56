"""A receiver of alerts over HTTPS that fails as it is told to. Used by tests/unit/deliver/test_webhook.c and by hand.

receiver.py DIR [--certificate good|expired|other] [--client] [--proxy] [--port N] ANSWER...

DIR gets certificates (ca.pem, client.pem, client.key), made with openssl where they are not there. The port is the first
line on standard output. Each request takes the next ANSWER, and 200 when there are no more:
  STATUS, STATUS:RETRY-AFTER   an answer without a body worth reading; "date+N" is the HTTP date in N seconds
  late:SECONDS                 200, after that time
  half                         200, and less of a body than it says
  never                        no answer, as long as the other side waits
  reset                        the connection is reset
  refuse:TEXT                  from here on 422 for each request whose body holds TEXT
The port is the one after --port, or any that is free.
Each request is a line of DIR/requests.ndjson: time (monotonic), path, headers, body, answer. With --client the other
side must show a certificate. With --proxy it is an HTTP proxy on another port, the second line, that allows CONNECT to
anywhere here; what is asked of it is a line too.
"""
import argparse
import email.utils
import http.server
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_certificate(folder, name, host, start, end):
    base = os.path.join(folder, name)
    config = base + ".cnf"
    with open(config, "w", encoding="ascii") as file:
        file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.db\nserial=%s.serial\nnew_certs_dir=%s\ndefault_md=sha256\n"
                   "policy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=%s\n"
                   % (base, base, folder, host))
    open(base + ".db", "w", encoding="ascii").close()
    with open(base + ".serial", "w", encoding="ascii") as file:
        file.write("%02x\n" % (1 + ["good", "expired", "other", "client"].index(name)))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
            "-keyout", base + ".key", "-out", base + ".csr")
    openssl("ca", "-batch", "-notext", "-config", config, "-cert", os.path.join(folder, "ca.pem"), "-keyfile",
            os.path.join(folder, "ca.key"), "-in", base + ".csr", "-out", base + ".pem", "-startdate", start,
            "-enddate", end)


def make_certificates(folder):
    if os.path.exists(os.path.join(folder, "client.pem")):
        return
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
            "/CN=test root", "-days", "3650", "-keyout", os.path.join(folder, "ca.key"), "-out",
            os.path.join(folder, "ca.pem"))
    valid = ("20200101000000Z", "20491231000000Z")
    make_certificate(folder, "good", "DNS:localhost,DNS:receiver.example,IP:127.0.0.1", *valid)
    make_certificate(folder, "expired", "DNS:localhost,IP:127.0.0.1", "20200101000000Z", "20210101000000Z")
    make_certificate(folder, "other", "DNS:elsewhere.example", *valid)
    make_certificate(folder, "client", "DNS:client", *valid)


class Book:
    """What was asked, one line each; of the line that a killed receiver left half written, nothing."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "requests.ndjson")
        self.lock = threading.Lock()
        with open(self.path, "a+b") as file:
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)

    def write(self, **entry):
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.monotonic(), **entry}) + "\n")


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # whoever sent it was killed: it is no request
            self.close_connection = True
            return
        answer = self.server.next_answer(body.decode())
        self.server.book.write(path=self.path, headers=dict(self.headers), body=body.decode(), answer=answer)
        kind, _, detail = answer.partition(":")
        if kind == "late":
            time.sleep(float(detail))
        elif kind == "never":
            while self.connection.recv(1):
                pass
            self.close_connection = True
            return
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        self.answer(200 if kind in ("late", "half") else int(kind), detail, kind == "half")

    def answer(self, status, detail, half):
        text = b"answered\n"
        try:
            self.send_response(status)
            if detail and status != 200:
                after = email.utils.formatdate(time.time() + int(detail[5:]), usegmt=True) \
                    if detail.startswith("date+") else detail
                self.send_header("Retry-After" if status >= 400 else "Location", after)
            self.send_header("Content-Length", str(len(text) + (100 if half else 0)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        if half:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, book, port, answers):
        super().__init__(("127.0.0.1", port), Receiver)
        self.book = book
        self.answers = list(answers)
        self.refused = None
        self.lock = threading.Lock()

    def next_answer(self, body):
        with self.lock:
            answer = self.answers.pop(0) if self.answers else "200"
            if answer.startswith("refuse:"):
                self.refused = answer[7:]
                answer = "200"
            return "422" if self.refused and self.refused in body else answer

    def handle_error(self, request, client_address):
        pass


def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    other.close()


def serve_proxy(listener, book, port):
    while True:
        connection, _ = listener.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        book.write(proxy=head.decode())
        onward = socket.create_connection(("127.0.0.1", port))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(connection, onward), daemon=True).start()
        threading.Thread(target=pump, args=(onward, connection), daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--certificate", default="good")
    parser.add_argument("--client", action="store_true")
    parser.add_argument("--proxy", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("answers", nargs="*")
    options = parser.parse_intermixed_args()
    make_certificates(options.folder)
    book = Book(options.folder)
    server = Server(book, options.port, options.answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    base = os.path.join(options.folder, options.certificate)
    context.load_cert_chain(base + ".pem", base + ".key")
    if options.client:
        context.load_verify_locations(os.path.join(options.folder, "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    if options.proxy:
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=serve_proxy, args=(listener, book, server.server_address[1]), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
