"""What the end-to-end tests share: the program, its output, the shared data, processes that stay behind."""
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ["MILLRACE"]
ROOT = os.environ["MILLRACE_ROOT"]
SHARED = os.environ.get("MILLRACE_SHARED", os.path.join(ROOT, "..", "shared"))
WAIT_SECONDS = 120  # on a machine that others use, too
RULE = """title: A mailbox was set
id: 5f1c2f5e-6d1f-4c1e-9f0e-2b8a4d7c9b11
status: test
logsource:
    product: m365
detection:
    selection:
        Operation: Set-Mailbox
    condition: selection
level: low
"""

# What the alert of the second shows of its records is found in them when it is made.
PAIRS = """title: A mailbox was set
id: 0d1fca2b-93a8-4f43-a8b2-5c07f6c2f9e2
name: set
status: test
logsource: {product: m365}
detection: {selection: {Operation: Set-Mailbox}, condition: selection}
fields: [ObjectId]
level: low
---
title: Two of one user
id: 6fb0a2c4-90d5-4d0a-8f0e-1e4f4b7f3c56
status: test
correlation:
    type: event_count
    rules: [set]
    group-by: [UserId]
    timespan: 1h
    condition: {gte: 2}
level: high
"""


def shared(*parts):
    """A path in the shared data; the test is skipped, by name, where it is missing."""
    path = os.path.join(SHARED, "data", *parts)
    if not os.path.exists(path):
        print(f"skipped: {path} is missing")
        sys.exit(77)
    return path


def built_with(sanitizer):
    """Whether the program was: asan or tsan."""
    with open(PROGRAM, "rb") as program:
        return f"__{sanitizer}_init".encode() in program.read()


def is_sanitized():
    """Whether the program was built with a sanitizer: its workers are not locked in, and do not fork."""
    return built_with("asan") or built_with("tsan")


def limited_files(size, environment=None):
    """For subprocess.run: no file of the program may be longer. ThreadSanitizer fills one of half a MiB with what it needs,
    before the program begins, where there is a place for temporary files; so it is given none."""
    nowhere = {"TMPDIR": "/nonexistent"} if built_with("tsan") else {}
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
            "env": {**(environment or os.environ), **nowhere}}


def record(number, every=3):
    """A record of the Unified Audit Log; each `every`-th matches RULE."""
    return {"CreationTime": f"2024-05-01T10:{number // 60 % 60:02}:{number % 60:02}",
            "Id": f"00000000-0000-4000-8000-{number:012}", "RecordType": 1, "UserType": 0, "Version": 1,
            "Operation": "Set-Mailbox" if number % every == 0 else "Get-Mailbox", "Workload": "Exchange",
            "OrganizationId": "0873ee4d-d342-44f2-8961-74c442a2fad2", "UserId": f"user{number % 97}@example.com",
            "ClientIP": f"203.0.113.{number % 250}", "ObjectId": "x" * 400}


def write_records(path, count, every=3):
    with open(path, "w", encoding="utf-8") as out:
        for number in range(count):
            out.write(json.dumps(record(number, every)) + "\n")


def scan(*arguments, **options):
    """Run `millrace scan`; gives (exit status, alerts, what stderr said)."""
    options.setdefault("timeout", WAIT_SECONDS * 4)
    done = subprocess.run([PROGRAM, "scan", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, **options)
    return done.returncode, alerts(done.stdout), done.stderr.decode("utf-8", "replace")


def ledger(*arguments, **options):
    return subprocess.run([PROGRAM, "ledger", *arguments], capture_output=True, text=True, timeout=WAIT_SECONDS * 4,
                          check=False, **options)


def assert_balance(test, state, **options):
    """The books of a state directory do."""
    done = ledger("check", state, **options)
    test.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def whole_lines(path):
    """The lines of a file that somebody may still be writing to."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as text:
        return text.read().rpartition(b"\n")[0].splitlines()


def alerts(output):
    return [json.loads(line) for line in output.splitlines()]


def ids(found):
    return sorted(alert["finding_info"]["uid"] for alert in found)


def created(*paths):
    """The ids of the alerts in files, in order, as often as they stand there first; revisions are no alerts of their own."""
    found = []
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            found += [json.loads(line) for line in lines]
    return sorted(alert["finding_info"]["uid"] for alert in found if alert["activity_id"] == 1)


def make_tenant(case, events):
    """For a class of tests: `folder`, with the `records` of a tenant; `wanted` is what scan finds in them."""
    folder = tempfile.TemporaryDirectory()
    case.addClassCleanup(folder.cleanup)
    case.folder = folder.name
    subprocess.run([os.environ["MILLRACE_TENANT"], "--seed", "7", "--users", "100000", "--events", str(events),
                    "--out", case.folder], check=True)
    case.records = os.path.join(case.folder, "records.ndjson")
    scanned = os.path.join(case.folder, "scan.ndjson")
    subprocess.run([PROGRAM, "scan", "-o", scanned, case.records], check=True, stderr=subprocess.DEVNULL)
    case.wanted = created(scanned)


def summary(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def holds_signals(pid):
    """Whether the supervisor has begun to: for a moment ThreadSanitizer's start holds each one there is, these two too."""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        held = int(next(line.split()[1] for line in lines if line.startswith("SigBlk:")), 16)
    return held >> (signal.SIGHUP - 1) & 1 and not held >> (signal.SIGQUIT - 1) & 1


def children(pid):
    """Processes whose parent is `pid`, as (pid, state)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                rest = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[1]) == pid:
            found.append((int(entry), rest[0]))
    return found


def worker_name(pid):
    """What ps calls a worker, e.g. "parse-1"."""
    with open(f"/proc/{pid}/comm", encoding="utf-8") as text:
        return text.read().strip()


def program_name(pid):
    """What a process of the program was started as: its second word."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as text:
            return text.read().split(b"\0")[1]
    except (OSError, IndexError):
        return None


def is_running(pid):
    """A thread of it, at least: what the first one leaves open the last one closes."""
    def runs(task):
        try:
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8", errors="replace") as stat:
                return stat.read().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    try:
        return any(runs(task) for task in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False


def is_stopped(pid):
    """By a signal."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def wait_until(condition, what, seconds=WAIT_SECONDS):
    """Wait for what /proc or a file shows; gives the condition's value. `what` may be a function that says it then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"waited {seconds} s in vain: {what() if callable(what) else what}")


def blocked_in_write(pid):
    """Whether the process sleeps in a write to a pipe (proc(5), wchan)."""
    try:
        with open(f"/proc/{pid}/wchan", encoding="utf-8") as text:
            return "pipe_write" in text.read()
    except OSError:
        return False


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def all_sleep(pid, seconds=1):
    """Whether no child of `pid` does any work for a while. To look now and then whether there is any takes less than a twentieth of
    its time, also with a sanitizer, whatever else the machine does."""
    before = {child: cpu_ticks(child) for child, _ in children(pid)}
    time.sleep(seconds)
    most = seconds * os.sysconf("SC_CLK_TCK") / 20
    return all(state in "SD" and cpu_ticks(child) - before.get(child, 0) <= most for child, state in children(pid))


def descriptors(pid):
    """What the process holds open: the name of each file, and whether it is for reading alone."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed in between
            name = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="utf-8") as text:
                flags = next(int(line.split()[1], 8) for line in text if line.startswith("flags:"))
            found.append((name, flags & os.O_ACCMODE == os.O_RDONLY))
    return found


def open_files(pid):
    """The names of the files that the process holds open."""
    return [name for name, _ in descriptors(pid)]


def socket_directories(base):
    return [name for name in os.listdir(base) if name.startswith("millrace-")]


class Workplace(tempfile.TemporaryDirectory):
    """A directory with a rule file, and an environment whose sockets go into `run` in it."""

    def __enter__(self):
        path = super().__enter__()
        self.run = os.path.join(path, "run")
        os.mkdir(self.run)
        self.rule = os.path.join(path, "rule.yml")
        with open(self.rule, "w", encoding="utf-8") as out:
            out.write(RULE)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": self.run}
        return self

    def path(self, name):
        return os.path.join(self.name, name)
