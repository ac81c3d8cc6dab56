"""One configuration of the program, run and measured: what every part of the benchmark goes through.

scan(config) and serve(config) give what is known of one run as a dict that JSON can hold. Measured from outside, whatever
the program says of itself: CPU time of all processes, wall time, memory with shared pages counted once (the sum of the
processes' Pss), of a scan instructions and cache misses where perf can count them (else None); and what share of the machine all else
had meanwhile, which makes wall time long. From inside: cost by stage, counts.
"""
import contextlib
import dataclasses
import functools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time

import common
import latency as latencies

HEAD = 1000  # records that are as good as none
LOOK_SECONDS = 0.2  # between two looks at the memory
SETTINGS = ("workers", "region_bytes", "state_bytes")
COUNTED = ("instructions", "cycles", "cache-misses")


@dataclasses.dataclass
class Config:
    """Where nothing is said, the program's own choice."""
    program: str
    tenant: str  # its folder
    rules: list
    records: str = ""  # default: the tenant's
    identity: str = ""  # default: the tenant's
    workers: int = 0
    region_bytes: int = 0
    state_bytes: int = 0
    kept: bool = True  # a scan takes the GeoIP table that one before it kept
    cores: int = 0  # a scan's: so many of the machine's; 0: all
    cold: bool = False  # the file is not in memory when the run begins
    interval: str = "1s"  # of a service's checkpoints
    settings: str = ""  # further lines of a service's topology

    def __post_init__(self):
        self.records = self.records or os.path.join(self.tenant, "records.ndjson")
        self.identity = self.identity or os.path.join(self.tenant, "identity")


def of(args, **more):
    """From the arguments that common has, with the tenant made where it is missing."""
    more.setdefault("tenant", os.path.abspath(common.tenant(args)))
    return Config(program=common.program(args), rules=more.pop("rules", None) or common.rules(args), **more)


# ---- one process and its children ----

@functools.cache
def perf_counts():
    """Whether this machine lets perf count."""
    try:
        said = subprocess.run(["perf", "stat", "-x,", "-e", ",".join(COUNTED), "true"], capture_output=True, text=True,
                              check=False)
    except FileNotFoundError:
        return False
    return said.returncode == 0 and "not supported" not in said.stderr and "not counted" not in said.stderr


def family(pid):
    """The process and all below it that live."""
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                children = file.read().split()
            for child in children:
                yield from family(int(child))


def pss_bytes(pid):
    total = 0
    for process in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
            total += next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    return total * 1024


def busy_seconds():
    """Of all processors, since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, irq, soft, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


class Measured:
    """A command that runs, is watched, and ends."""

    def __init__(self, command, counts=None, **more):
        self.counts = counts if perf_counts() else None
        if self.counts:
            command = ["perf", "stat", "-x,", "-o", self.counts, "-e", ",".join(COUNTED), "--", *command]
        self.peak_pss_bytes = 0
        self.ended = threading.Event()
        self.busy = busy_seconds()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, **more)
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while not self.ended.wait(LOOK_SECONDS):
            self.peak_pss_bytes = max(self.peak_pss_bytes, pss_bytes(self.process.pid))

    def end(self, words=lambda: ""):
        """What it took, once it has ended well."""
        _, status, usage = os.wait4(self.process.pid, 0)
        wall = time.monotonic() - self.started
        self.ended.set()
        self.watcher.join()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0:
            raise SystemExit(f"bench: {' '.join(self.process.args)} ended with {self.process.returncode}\n{words()}")
        cpu = usage.ru_utime + usage.ru_stime
        others = max(busy_seconds() - self.busy - cpu, 0) / wall / os.cpu_count()
        return {"cpu_seconds": cpu, "wall_seconds": wall, "peak_pss_bytes": self.peak_pss_bytes, "others_share": others,
                **self.counted()}

    def forget(self):
        """It was killed."""
        self.process.wait()
        self.ended.set()
        self.watcher.join()

    def counted(self):
        found = dict.fromkeys(COUNTED)
        if self.counts:
            with open(self.counts, encoding="ascii") as file:
                rows = [line.split(",") for line in file if "," in line]
            found.update({row[2].partition(":")[0]: int(row[0]) for row in rows if row[0].isdecimal()})
        return found


def cpu_seconds(pid):
    """Of a process and all below it that live, so far."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(OSError), open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            total += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


# ---- once over the file ----

def keep_to(cores):
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def scan(config, under=()):
    """`under`: a command that runs it, such as a profiler."""
    if config.cold:
        common.cool(config.records)
    else:
        common.warm(config.records)
    with tempfile.TemporaryDirectory() as scratch:
        summary = os.path.join(scratch, "summary.json")
        command = [*under, config.program, "scan", *(word for rules in config.rules for word in ("-r", rules)),
                   "--geoip", f"{config.tenant}/city.mmdb", "--geoip", f"{config.tenant}/asn.mmdb",
                   "--identity", config.identity, "--networks", f"{config.tenant}/networks.txt",
                   "--dead-letter", os.path.join(scratch, "dead"), "--summary", summary,
                   "-o", os.path.join(scratch, "alerts")]
        for setting in SETTINGS:
            value = getattr(config, setting)
            command += ["--" + setting.replace("_", "-"), str(value)] if value else []
        command += [] if config.kept else ["--no-cache"]
        taken = Measured(command + [config.records], os.path.join(scratch, "perf"), stderr=subprocess.DEVNULL,
                         preexec_fn=lambda: keep_to(config.cores)).end()
        with open(summary, encoding="utf-8") as file:
            said = json.load(file)
    events = said["parsed"]
    return {"config": dataclasses.asdict(config), **taken, "events": events,
            "us_an_event": taken["cpu_seconds"] / events * 1e6, "events_a_second": events / taken["wall_seconds"],
            "stage_us": {stage: spent / events * 1e6 for stage, spent in said["stage_cpu_seconds"].items() if spent},
            "said": said}


def start(config):
    """A run over the first records alone: what it costs before an event is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        head = os.path.join(folder, "head.ndjson")
        with open(head, "wb") as out:
            common.head(config.records, HEAD, out)
        return scan(dataclasses.replace(config, records=head))


def best(runs):
    return min(runs, key=lambda run: run["cpu_seconds"])


# ---- a service ----

class Service:
    """One `millrace run`, fed through a pipe or from a file."""

    def __init__(self, config, folder, stdin=subprocess.PIPE):
        self.config = config
        self.state = os.path.join(folder, "state")
        self.alerts = os.path.join(folder, "alerts.ndjson")
        topology = os.path.join(folder, "topology.yaml")
        with open(topology, "w", encoding="utf-8") as out:
            out.write(f"state: state\ncheckpoint_interval: {config.interval}\nrules: [{', '.join(config.rules)}]\n"
                      f"geoip: [{config.tenant}/city.mmdb, {config.tenant}/asn.mmdb]\nidentity: {config.identity}\n"
                      f"networks: {config.tenant}/networks.txt\nsandbox: require\nlog_level: info\n"
                      f"{config.settings}"
                      "sources:\n  - {name: audit, type: stdin}\n"
                      "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")
            for setting in SETTINGS:
                value = getattr(config, setting)
                out.write(f"{setting}: {value}\n" if value else "")
        if stdin == subprocess.PIPE:
            latencies.line_ends(config.records)  # the feeder asks for them, and then time counts
        self.said = open(os.path.join(folder, "said"), "wb")
        self.run = Measured([config.program, "run", topology], stdin=stdin, stderr=self.said)
        self.process, self.started = self.run.process, self.run.started

    def status(self):
        """Once it answers."""
        began = time.monotonic()
        while True:
            asked = subprocess.run([self.config.program, "status", "--json", self.state], capture_output=True, check=False)
            if asked.returncode == 0 and asked.stdout:
                return json.loads(asked.stdout)
            self.must_live(began, 60)
            time.sleep(0.05)

    def alert_bytes(self):
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.alerts)
        return 0

    def next_alert(self, limit_seconds=120):
        """Seconds of waiting until the sink holds more than it does now."""
        before = self.alert_bytes()
        began = time.monotonic()
        while self.alert_bytes() == before:
            self.must_live(began, limit_seconds)
            time.sleep(0.002)
        return time.monotonic() - began

    def alert_after_kill(self, name):
        """Seconds from the kill of a worker to the first alert of the next incarnation."""
        status = self.status()
        os.kill(next(row["pid"] for row in status["workers"] if row["name"] == name), signal.SIGKILL)
        began = time.monotonic()
        ready = f"workers.started #{status['service']['incarnation'] + 1}:"
        while ready not in self.words():
            self.must_live(began, 120)
            time.sleep(0.002)
        self.next_alert()
        return time.monotonic() - began

    def must_live(self, began, limit_seconds):
        if self.process.poll() is not None or time.monotonic() - began > limit_seconds:
            raise SystemExit(f"bench: the service does not go on; it said:\n{self.words()[-2000:]}")

    def words(self):
        with open(self.said.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def end(self):
        """What it took, once it has ended well."""
        taken = self.run.end(lambda: self.words()[-2000:])
        self.said.close()
        return taken


@contextlib.contextmanager
def service(config, scratch=None, **more):
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        yield Service(config, folder, **more)


def serve_all(config, scratch=None):
    """One run of a service over all records, as fast as it takes them."""
    common.warm(config.records)
    with open(config.records, "rb") as records, service(config, scratch, stdin=records) as running:
        return {"config": dataclasses.asdict(config), **running.end()}


def latency(config, rate, seconds, scratch=None):
    """At a rate, once the service works: latencies.told, the service's own status, CPU seconds."""
    with service(config, scratch) as running:
        feeder = latencies.Feeder(config.records, running.process.stdin, rate, burst=1000, ready=threading.Event())
        feeder.start()
        running.next_alert()
        alerts = latencies.Alerts(running.alerts, feeder)
        alerts.start()
        feeder.ready.set()
        time.sleep(seconds)
        status = running.status()
        took = time.monotonic() - feeder.began
        feeder.stop()
        taken = running.end()
        alerts.stop()
        return {"config": dataclasses.asdict(config), "rate": rate,
                "rate_reached": (feeder.sent - feeder.burst) / took, **latencies.told(alerts.took), "status": status, **taken}


def share(config, rate, seconds, scratch=None):
    """The share of one core that a service takes at so many events a second; 0: while nothing comes."""
    with service(config, scratch) as running:
        feeder = latencies.Feeder(config.records, running.process.stdin, rate, burst=10_000, ready=threading.Event())
        feeder.start()
        running.next_alert()
        time.sleep(3)  # what came has been judged
        if rate:
            feeder.ready.set()
            time.sleep(1)
        before, began = cpu_seconds(running.process.pid), time.monotonic()
        time.sleep(seconds)
        taken = (cpu_seconds(running.process.pid) - before) / (time.monotonic() - began)
        feeder.stopping.set()
        feeder.ready.set()
        feeder.stop()
        running.end()
        return taken


def until_alert(running, rate, share):
    """Seconds from the command to the first alert, and the feeder. It begins at a share of the records: a record that
    an earlier life has seen fires nothing."""
    records = running.config.records
    feeder = latencies.Feeder(records, running.process.stdin, rate, skip=int(os.path.getsize(records) * share))
    feeder.start()
    running.next_alert()
    return time.monotonic() - running.started, feeder


def starts(config, rate, scratch=None):
    """Seconds to the first alert of a service whose state directory is empty, is left by one that was stopped, by one whose
    supervisor was killed; and from a worker's kill to the next alert."""
    found = {}
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        for number, name in enumerate(("empty", "kept", "killed")):
            running = Service(config, folder)
            found[f"{name}_seconds"], feeder = until_alert(running, rate, number / 3)
            if name == "empty":
                time.sleep(3)
                found["worker_killed_seconds"] = running.alert_after_kill("parse-1")
            if name == "kept":
                running.process.kill()
                running.run.forget()
            feeder.stop()
            if name != "kept":
                running.end()
    return found
