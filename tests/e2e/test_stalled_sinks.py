"""A sink that takes nothing while input comes as fast as it is taken: memory stays flat, the disk bounded, intake stops and
that is said; then all goes on, and nothing is missing. Each kind of sink has an entry.

MILLRACE_STALL_SECONDS says how long it lasts (default: a few); ten minutes are `MILLRACE_STALL_SECONDS=600`.
"""
import json
import os
import signal
import subprocess
import threading
import time
import unittest

import millrace_test as mr
from service import Receiver, Service

SECONDS = float(os.environ.get("MILLRACE_STALL_SECONDS", "3"))
MORE = 3000  # records that come when it is over
FLAT = 1.05
SPOOL_BYTES = 1 << 20
DISK_BYTES = 256 << 20


class Feed(threading.Thread):
    """Records to a pipe, as fast as they are taken, until told; all of them match."""

    def __init__(self, pipe, copy):
        super().__init__(daemon=True)
        self.pipe = pipe
        self.copy = copy
        self.written = 0
        self.ends_at = None

    def run(self):
        with open(self.copy, "wb") as copy, self.pipe:
            while self.ends_at is None or self.written < self.ends_at:
                line = json.dumps(mr.record(self.written, 1)).encode() + b"\n"
                copy.write(line)
                self.pipe.write(line)
                self.pipe.flush()
                self.written += 1


def memory(pid):
    """Of a service's processes, in KiB, what is no file's: how many share a library's pages is other programs' affair
    (proc(5), smaps_rollup)."""
    total = 0
    for member in [pid, *(child for child, _ in mr.children(pid))]:
        with open(f"/proc/{member}/smaps_rollup", encoding="ascii") as text:
            total += sum(int(line.split()[1]) for line in text if line.startswith(("Pss_Anon:", "Pss_Shmem:")))
    return total


def size_of(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


class Webhook:
    """Its receiver hangs."""

    def __init__(self, service):
        self.service = service
        self.receiver = Receiver(service)
        self.before = ()
        self.sink = self.receiver.sink(spool_bytes="1MiB")
        self.receiver.process.send_signal(signal.SIGSTOP)

    def hold(self, process):
        pass

    def release(self):
        self.receiver.process.send_signal(signal.SIGCONT)

    def check_bound(self, test):
        test.assertLessEqual(size_of(self.service.path("state/spool/hook")), SPOOL_BYTES + (64 << 10))

    def received(self):
        return self.receiver.taken()


class Output:
    """Whoever reads it sleeps."""

    def __init__(self, service):
        self.service = service
        self.before = ()
        self.sink = {"name": "out", "type": "stdout"}
        self.lines = []
        self.reader = None

    def hold(self, process):
        self.reader = threading.Thread(target=lambda: self.lines.extend(process.stdout), daemon=True)

    def release(self):
        self.reader.start()

    def check_bound(self, test):
        pass

    def received(self):
        self.reader.join(mr.WAIT_SECONDS)
        return [json.loads(line)["finding_info"]["uid"] for line in self.lines]


class FullDisk:
    """A small file system that only the service sees, filled up but for a little."""

    def __init__(self, service, place, sink):
        self.service = service
        self.place = place
        self.sink = sink
        self.pid = None
        os.makedirs(place, exist_ok=True)
        script = (f'mount -t tmpfs -o size={DISK_BYTES},mode=0700 tmpfs "$0" && head -c {DISK_BYTES - (1 << 20)} /dev/zero >"$0/filler"'
                  ' && exec "$@"')
        self.before = ["unshare", "-rm", "sh", "-c", script, place]
        if subprocess.run([*self.before, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            raise unittest.SkipTest("no file system of its own")

    def seen(self, name):
        """The file, in the name space of the service."""
        return f"/proc/{self.pid}/root{os.path.join(self.place, name)}"

    def hold(self, process):
        self.pid = process.pid

    def release(self):
        os.unlink(self.seen("filler"))

    def check_bound(self, test):
        pass


class File(FullDisk):
    """The disk of an alert file."""

    def __init__(self, service):
        place = service.path("disk")
        super().__init__(service, place, {"name": "full", "type": "file", "path": os.path.join(place, "alerts")})
        self.lines = None

    def release(self):
        self.lines = open(self.seen("alerts"), "rb")  # the file system goes with the service, but for this file
        super().release()

    def received(self):
        with self.lines, open(self.sink["path"], "wb") as out:  # where whoever checks the books looks for it
            out.write(self.lines.read())
        with open(self.sink["path"], "rb") as lines:
            return mr.ids(map(json.loads, lines))


class SpoolDisk(FullDisk):
    """The disk of a spool, whose receiver hangs."""

    def __init__(self, service):
        self.receiver = Receiver(service)
        super().__init__(service, service.path("state/spool"), self.receiver.sink())
        self.receiver.process.send_signal(signal.SIGSTOP)

    def release(self):
        super().release()
        self.receiver.process.send_signal(signal.SIGCONT)

    def received(self):
        return self.receiver.taken()


class Stalled(unittest.TestCase):
    def stall(self, kind):
        service = Service(self, 1)
        held = kind(service)
        service.describe(held.sink, service.file_sink(), region_bytes="64KiB", workers=1,
                         sources=[{"name": "in", "type": "stdin"}])
        process = service.start(before=held.before, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        held.hold(process)
        feed = Feed(process.stdin, service.records)
        feed.start()
        name = held.sink["name"]
        mr.wait_until(lambda: f"sink {name} is full: nothing is read until it takes more" in service.said(), "it is said")
        mr.wait_until(lambda: mr.all_sleep(process.pid), "all stands still")
        self.watch(process, feed)
        held.check_bound(self)
        held.release()
        feed.ends_at = feed.written + MORE
        feed.join(4 * mr.WAIT_SECONDS)
        self.assertFalse(feed.is_alive(), "intake does not go on")
        service.finish(process)
        self.assertIn(f"sink {name} takes more: reading goes on", service.said())
        status, found, said = mr.scan("-r", service.place.rule, service.records)
        self.assertEqual(status, 0, said)
        service.expected = mr.ids(found)
        self.assertEqual(len(service.expected), feed.written)
        self.assertEqual(sorted(held.received()), service.expected)
        service.assert_kept_once(broken=())

    def watch(self, process, feed):
        """Nothing moves, and nothing grows, as long as it lasts."""
        written, least = feed.written, memory(process.pid)
        most = least
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(min(1, SECONDS / 10))
            now = memory(process.pid)
            least, most = min(least, now), max(most, now)
        print(f"memory {least} to {most} KiB in {SECONDS:.0f} s, {written} records in", flush=True)
        self.assertLessEqual(most, least * FLAT)
        self.assertEqual(feed.written, written, "more was read")

    def test_webhook(self):
        self.stall(Webhook)

    def test_stdout(self):
        self.stall(Output)

    def test_full_disk_of_a_file(self):
        self.stall(File)

    def test_full_disk_of_a_spool(self):
        self.stall(SpoolDisk)


if __name__ == "__main__":
    unittest.main(verbosity=2)
