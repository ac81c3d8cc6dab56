"""From a record's arrival to its alert, seen from outside.

Records are due at a rate, whether the service takes them or not: a record arrives when it is due, and what it waits in front
of a pipe that is full is part of its latency (no coordinated omission). An alert is there when its line can be read. Alerts that
one record alone has made are timed; which one that was, its place in the stream tells.
"""
import array
import bisect
import contextlib
import itertools
import re
import threading
import time

ONE_RECORD = re.compile(rb'"records": ?1,')
OFFSET = re.compile(rb'"offset": ?(\d+)')
LOOK_SECONDS = 0.001
TURN = 5000  # records that are written at once, where many are due
LADDER = [step * 10 ** power for power in range(2, 8) for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)]  # µs


class Feeder(threading.Thread):
    """Writes the records once, at a rate of events a second; the first `burst` as fast as they are taken. It begins at the
    first line behind `skip` bytes of the file."""

    def __init__(self, records, pipe, rate, burst=0, ready=None, skip=0):
        super().__init__(daemon=True)
        self.records, self.pipe, self.rate, self.burst = records, pipe, rate, burst
        self.stopping = threading.Event()
        self.burst_done = threading.Event()
        self.ready = ready  # the rest waits for it
        self.skip = skip
        self.began = None  # when the first one behind the burst was due
        self.sent = 0
        self.bytes_sent = 0
        self.ends = array.array("Q")  # of each record in the stream

    def run(self):
        with contextlib.suppress(BrokenPipeError), self.pipe, open(self.records, "rb") as lines:
            if self.skip:
                lines.seek(self.skip)
                lines.readline()
            while self.sent < self.burst and not self.stopping.is_set():
                self.send(lines, min(TURN, self.burst - self.sent))
            self.burst_done.set()
            if self.ready:
                self.ready.wait()
            self.began = time.monotonic()
            due = 1
            while not self.stopping.is_set() and (due <= 0 or self.send(lines, min(due, TURN))):
                if due < TURN:
                    time.sleep(LOOK_SECONDS)
                due = self.burst + int((time.monotonic() - self.began) * self.rate) + 1 - self.sent

    def send(self, lines, most):
        batch = list(itertools.islice(lines, most))
        for line in batch:
            self.bytes_sent += len(line)
            self.ends.append(self.bytes_sent)
        self.sent += len(batch)
        self.pipe.write(b"".join(batch))
        self.pipe.flush()
        return batch

    def due(self, offset):
        """When the record at that place of the stream was due; None: it was part of the burst."""
        number = bisect.bisect_right(self.ends, offset)
        return None if number < self.burst else self.began + (number - self.burst) / self.rate

    def stop(self):
        self.stopping.set()
        self.join()


class Alerts(threading.Thread):
    """Reads a sink's file as it grows, and times what comes."""

    def __init__(self, path, feeder):
        super().__init__(daemon=True)
        self.path, self.feeder = path, feeder
        self.stopping = threading.Event()
        self.took = []

    def run(self):
        rest = b""
        with open(self.path, "rb") as file:
            while not self.stopping.is_set():
                more = file.read(1 << 20)
                now = time.monotonic()
                if not more:
                    time.sleep(LOOK_SECONDS)
                    continue
                *lines, rest = (rest + more).split(b"\n")
                for line in lines:
                    self.take(line, now)

    def take(self, line, now):
        tail = line[line.rfind(b'"unmapped"'):]
        offset = OFFSET.search(tail)
        if not offset or not ONE_RECORD.search(tail):
            return
        due = self.feeder.due(int(offset.group(1)))
        if due is not None:
            self.took.append(now - due)

    def stop(self):
        self.stopping.set()
        self.join()


def told(took):
    """Quantiles, and a histogram: so many took at most so many µs, and more than the bound before."""
    took = sorted(took)
    if not took:
        return {"count": 0}
    counts = dict.fromkeys(LADDER, 0)
    for seconds in took:
        counts[LADDER[min(bisect.bisect_left(LADDER, seconds * 1e6), len(LADDER) - 1)]] += 1
    quantile = {name: took[min(int(len(took) * share), len(took) - 1)]
                for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))}
    return {"count": len(took), **{f"{name}_seconds": value for name, value in quantile.items()},
            "most_seconds": took[-1], "within_us": [[bound, n] for bound, n in counts.items() if n]}
