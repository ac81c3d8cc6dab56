"""From a record's arrival to its alert, seen from outside.

Records are due at a rate, whether the service takes them or not: a record arrives when it is due, and what it waits in front
of a pipe that is full is part of its latency (no coordinated omission). An alert is there when its line can be read. Alerts that
one record alone has made are timed; which one that was, its place in the stream tells.
"""
import array
import bisect
import contextlib
import functools
import os
import re
import threading
import time

ONE_RECORD = re.compile(rb'"records": ?1,')
OFFSET = re.compile(rb'"offset": ?(\d+)')
LOOK_SECONDS = 0.001
TURN = 5000  # records that are written at once, where many are due
LADDER = [step * 10 ** power for power in range(2, 8) for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)]  # µs


@functools.cache
def line_ends(path):
    """Where each line of the file ends. A file of gigabytes takes a second: where time is measured, before that."""
    ends, at = array.array("Q"), 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 24):
            ends.extend(at + line.end() for line in re.finditer(b"\n", piece))
            at += len(piece)
    return ends


class Feeder(threading.Thread):
    """Gives the records once, at a rate of events a second; the first `burst` as fast as they are taken. With `skip`, it
    begins behind the line that this byte of the file belongs to, of which there must be another one behind. They go from the file to the pipe without being touched: what the feeder takes of
    the cores, the service lacks."""

    def __init__(self, records, pipe, rate, burst=0, ready=None, skip=0):
        super().__init__(daemon=True)
        self.records, self.pipe, self.rate, self.burst = records, pipe, rate, burst
        self.stopping = threading.Event()
        self.burst_done = threading.Event()
        self.ready = ready  # the rest waits for it
        self.began = None  # when the first one behind the burst was due
        self.sent = 0
        self.ends = line_ends(records)
        self.first = bisect.bisect_right(self.ends, skip) + 1 if skip else 0  # of the file's records
        self.at = self.begin = self.ends[self.first - 1] if skip else 0

    def run(self):
        with contextlib.suppress(BrokenPipeError), self.pipe, open(self.records, "rb", buffering=0) as file:
            while self.goes_on() and self.sent < self.burst:
                self.send(file, self.burst)
            self.burst_done.set()
            if self.ready:
                self.ready.wait()
            self.began = time.monotonic()
            while self.goes_on():
                due = self.burst + int((time.monotonic() - self.began) * self.rate) + 1
                if self.sent < due:
                    self.send(file, due)
                else:
                    time.sleep(LOOK_SECONDS)

    def goes_on(self):
        return not self.stopping.is_set() and self.first + self.sent < len(self.ends)

    def send(self, file, due):
        """So many are due by now: those that were not sent yet, or some of them."""
        self.sent = min(due, self.sent + TURN, len(self.ends) - self.first)
        end = self.ends[self.first + self.sent - 1]
        while self.at < end:
            given = os.splice(file.fileno(), self.pipe.fileno(), end - self.at, offset_src=self.at)
            if given == 0:
                raise EOFError(f"{self.records} has become shorter")
            self.at += given

    def due(self, offset):
        """When the record at that place of the stream was due; None: it was part of the burst."""
        number = bisect.bisect_right(self.ends, self.begin + offset) - self.first
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
