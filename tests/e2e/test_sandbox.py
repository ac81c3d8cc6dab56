"""Workers are locked in: each of a running scan, whatever its stages; what the kernel lacks is said; who breaks out
dies, and the call is named."""
import ctypes
import errno
import os
import signal
import subprocess
import sys
import unittest

import millrace_test as mr
from service import Service

STAGES = ("parse", "enrich", "detect", "correlate")
SHAPES = (["--workers", "1"], ["--workers", "1", "--cut", "enrich", "--cut", "detect"])


def without(*calls):
    """For a child before it is the program: a kernel that does not have these system calls."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    allow, refuse = 0x7fff0000, 0x00050000 | errno.ENOSYS

    def load():
        filter_ = ctypes.c_void_p(library.seccomp_init(allow))
        for call in calls:
            number = library.seccomp_syscall_resolve_name(call.encode())
            if library.seccomp_rule_add(filter_, refuse, number, 0) != 0:
                os._exit(99)
        if library.seccomp_load(filter_) != 0:
            os._exit(99)

    return load


# What a kernel may lack: the calls that it then does not have, and how that is said.
LACKING = ((["landlock_create_ruleset"], "no Landlock"), (["seccomp"], "no seccomp"),
           (["landlock_create_ruleset", "seccomp"], "neither seccomp nor Landlock"))


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as text:
        return dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)


def filters(pid):
    """How many filters each thread of the process has."""
    return [int(status(f"{pid}/task/{task}")["Seccomp_filters"]) for task in os.listdir(f"/proc/{pid}/task")]


def limit(pid, what):
    """Soft and hard limit, as /proc says them."""
    with open(f"/proc/{pid}/limits", encoding="utf-8") as text:
        return next(line[len("Max " + what):].split()[:2] for line in text if line.startswith("Max " + what))


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.rules = self.place.rule
        self.path = self.place.path

    def records(self, name="in.ndjson", count=300, every=3):
        mr.write_records(self.path(name), count, every)
        return self.path(name)

    def locked_workers(self, run):
        """Waited for: they have what they will have."""
        def locked():
            pids = [pid for pid, _ in mr.children(run.pid)]
            return len(pids) >= 4 and all(min(filters(pid)) == 1 for pid in pids) and pids
        return mr.wait_until(locked, "all workers have a filter, in all threads")

    def test_each_worker_is_locked_in(self):
        for shape in SHAPES:
            run = subprocess.Popen([mr.PROGRAM, "scan", *shape, "-r", self.rules, "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                for pid in self.locked_workers(run):
                    self.assertEqual(status(pid)["Seccomp"], "2")
                    self.assertEqual(status(pid)["NoNewPrivs"], "1")
                    self.assertEqual(limit(pid, "core file size"), ["0", "0"])
                    self.assertGreater(len(os.listdir(f"/proc/{pid}/task")), 1)  # ZeroMQ's, too
                self.assertEqual(status(run.pid)["Seccomp"], "0")
            finally:
                run.stdin.close()
                self.assertEqual(run.wait(mr.WAIT_SECONDS), 0)

    def test_standard_input_and_output_are_those_stages_alone(self):
        """Who parses and correlates has no descriptor of what collect reads or deliver writes."""
        with open(self.path("out.ndjson"), "wb") as out:
            run = subprocess.Popen([mr.PROGRAM, "scan", "--workers", "1", "-r", self.rules, "-"], stdin=subprocess.PIPE,
                                   stdout=out, stderr=subprocess.DEVNULL)
        try:
            reads, writes = (os.readlink(f"/proc/{run.pid}/fd/{number}") for number in (0, 1))
            workers = self.locked_workers(run)

            def have(wanted):
                return {mr.worker_name(pid) for pid in workers if wanted in mr.open_files(pid)}
            self.assertEqual((have(reads), have(writes)), ({"collect"}, {"deliver"}))
        finally:
            run.stdin.close()
            self.assertEqual(run.wait(mr.WAIT_SECONDS), 0)

    def test_a_kernel_without(self):
        source = self.records()
        code, whole, said = mr.scan("-r", self.rules, source)
        self.assertEqual((code, said), (0, ""))
        for calls, what in LACKING:
            code, found, said = mr.scan("-r", self.rules, source, preexec_fn=without(*calls))
            self.assertEqual(code, 0, said)
            self.assertEqual(mr.ids(found), mr.ids(whole))
            self.assertEqual(said.count("\n"), 1)
            self.assertIn(f"this kernel has {what}: workers are locked in without it", said)

    def test_a_service_on_a_kernel_without(self):
        """`require` ends before anything is read or written, `auto` warns and goes on, `off` says nothing."""
        service = Service(self, 300, 3)
        for calls, what in LACKING:
            service.describe(service.file_sink(), sandbox="require")
            service.finish(service.start(preexec_fn=without(*calls)), status=2)
            self.assertIn(f"sandbox: require: this kernel has {what}: workers cannot be locked in as they should",
                          service.said())
            self.assertFalse(os.path.exists(service.path("alerts.ndjson")))
        for mode, words in (("auto", "this kernel has {}: workers are locked in without it"), ("off", None)):
            for calls, what in LACKING:
                service.describe(service.file_sink(), sandbox=mode, state=service.path(f"{mode}.{len(what)}"))
                service.finish(service.start(preexec_fn=without(*calls)))
                self.assertEqual(service.said().count("this kernel has"), 1 if words else 0, service.said())
                self.assertIn(words.format(what) if words else "", service.said())
                found = mr.whole_lines(service.path("alerts.ndjson"))
                self.assertEqual(mr.ids(map(mr.json.loads, found)), service.expected)
                os.remove(service.path("alerts.ndjson"))

    def test_a_reload_says_what_the_kernel_lacks(self):
        """With `off` nobody misses it; the alarm comes, and goes, with the setting."""
        service = Service(self, 3)
        source = {"name": "in", "type": "file", "path": [service.records]}
        service.describe(service.file_sink(), sources=[source], sandbox="off")
        run = service.start(preexec_fn=without("seccomp"))
        mr.wait_until(lambda: "service.ready" in service.said(), "a service that is ready")
        self.assertNotIn("sandbox_missing", service.said())
        for mode, words in (("auto", "sandbox_missing: "), ("off", "sandbox_missing: over after ")):
            service.describe(service.file_sink(), sources=[source], sandbox=mode)
            run.send_signal(signal.SIGHUP)
            mr.wait_until(lambda: words in service.said(), f"{words} with {mode}")
        run.terminate()
        service.finish(run)

    def running(self, **settings):
        """A service whose alerts are there, and its processes by name."""
        service = Service(self, 30)
        service.describe(service.file_sink(), workers=1, sources=[
            {"name": "in", "type": "file", "path": [service.records]}], **settings)
        run = service.start()
        mr.wait_until(lambda: len(self.lines(service.path("alerts.ndjson"))) == 30, "alerts of a service")
        return service, run, {mr.worker_name(pid): pid for pid, _ in mr.children(run.pid)}

    def stop(self, service, run):
        run.send_signal(signal.SIGTERM)
        service.finish(run)

    def test_limits_of_a_service(self):
        """What each worker may have hangs on the settings, and is its own for good."""
        memory = {}
        for state_mib in (64, 128):
            service, run, workers = self.running(state_bytes=state_mib << 20)
            self.assertEqual(set(workers), {"collect", "parse", "correlate", "deliver"})
            for name, pid in workers.items():
                self.assertEqual((status(pid)["Seccomp"], status(pid)["NoNewPrivs"]), ("2", "1"))
                self.assertEqual(limit(pid, "core file size"), ["0", "0"])
                soft, hard = limit(pid, "data size")
                self.assertEqual(soft, hard)
                memory[name, state_mib] = int(soft)
                self.assertGreater(int(soft), 2 << 30)
                self.assertEqual(limit(pid, "processes")[1] == "0", name != "correlate")
                files = limit(pid, "open files")
                if name in ("collect", "deliver"):
                    self.assertEqual(files, limit(run.pid, "open files"))
                else:  # its links, and the files and segments that records may lie in
                    self.assertEqual(files[0], files[1])
                    self.assertLess(int(files[0]), 256 + 4096 + 100)
            self.stop(service, run)
        self.assertEqual(memory["correlate", 128] - memory["correlate", 64], 3 * 64 << 20)
        self.assertEqual(memory["parse", 128], memory["parse", 64])

    def test_files_of_a_service(self):
        """Of what lies on the disk, who parses can read the journal, and who correlates, to find in it what alerts show;
        neither can write but to what says that the state directory is taken, and to standard error."""
        service, run, workers = self.running()
        for name in ("parse", "correlate"):
            reads, writes = set(), set()
            for path, reads_alone in mr.descriptors(workers[name]):
                if path.startswith(service.path("")):
                    (reads if reads_alone else writes).add(os.path.basename(path))
            self.assertEqual((name, reads, writes), (name, {"00000000000000000001.seg"}, {"lock", "said.1"}))
        self.stop(service, run)

    def test_who_takes_too_much_dies(self):
        """And says why."""
        for stage in STAGES:
            source = self.records()
            with open(source, "a", encoding="utf-8") as out:
                out.write(mr.json.dumps({**mr.record(300), "Id": f"millrace-take-{stage}"}) + "\n")
            code, _, said = mr.scan("--workers", "1", "-r", self.rules, source)
            self.assertEqual(code, 1, said)
            self.assertRegex(said, r"out of memory: no \d+ bytes to be had; this process may have \d+ MiB of its own")
            self.assertIn(f"was killed by signal {int(signal.SIGABRT)} (Aborted)", said)

    def test_a_service_that_is_not_locked_in(self):
        """`off` is what it says; what the kernel has makes no difference."""
        service, run, workers = self.running(sandbox="off")
        for pid in workers.values():
            self.assertEqual((status(pid)["Seccomp"], status(pid)["NoNewPrivs"]), ("0", "0"))
            self.assertEqual(limit(pid, "data size"), limit(run.pid, "data size"))
        self.stop(service, run)

    @staticmethod
    def lines(path):
        return mr.whole_lines(path) if os.path.exists(path) else []

    def test_who_breaks_out_dies(self):
        """In each stage, alone in its worker and not."""
        for shape in SHAPES:
            for stage in STAGES:
                source = self.records()
                with open(source, "a", encoding="utf-8") as out:
                    line = mr.json.dumps({**mr.record(300), "Id": f"millrace-call-{stage}"})
                    offset = out.tell()
                    out.write(line + "\n")
                code, _, said = mr.scan(*shape, "-r", self.rules, source)
                self.assertEqual(code, 1, said)
                self.assertIn(f"was killed by signal {int(signal.SIGSYS)} (Bad system call); it called "
                              "process_vm_readv, which no worker may", said)
                self.assertRegex(said, rf"(at|before) {source}, offset {offset}\b")

    def test_inputs_elsewhere(self):
        """Links of a folder lead to files and folders outside of it: what was listed can be read."""
        inputs, elsewhere = self.path("inputs"), self.path("elsewhere")
        os.makedirs(inputs)
        os.makedirs(elsewhere + "/deep")
        self.records("elsewhere/one.ndjson", 30)
        self.records("elsewhere/deep/two.ndjson", 60)
        os.symlink(elsewhere + "/one.ndjson", inputs + "/link.ndjson")
        os.symlink(elsewhere + "/deep", inputs + "/folder")
        summary = self.path("summary.json")
        code, _, said = mr.scan("-r", self.rules, "--summary", summary, inputs)
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(mr.summary(summary)["records"], 90)

    def serve(self, sources, sinks=""):
        """A service far from temporary files; and how many alerts there are."""
        with open(self.path("topology.yaml"), "w", encoding="utf-8") as out:
            out.write(f"state: kept/state\nsandbox: require\nrules: [{self.rules}]\nsources:\n{sources}"
                      f"sinks:\n  - {{name: alerts, type: file, path: sent/alerts.ndjson}}\n{sinks}")
        for name in ("tmp", "kept", "sent"):
            os.mkdir(self.path(name))
        with open(self.path("said"), "wb") as said:
            service = subprocess.Popen([mr.PROGRAM, "run", self.path("topology.yaml")], stdin=subprocess.DEVNULL,
                                       stderr=said, env={**self.place.environment, "TMPDIR": self.path("tmp")})
        self.addCleanup(service.wait)
        self.addCleanup(service.kill)
        sink = self.path("sent/alerts.ndjson")

        def alerts():
            self.assertIsNone(service.poll(), "the service ended")
            return len(mr.whole_lines(sink)) if os.path.exists(sink) else 0

        return service, alerts

    def ends_well(self, service):
        service.send_signal(signal.SIGTERM)
        self.assertEqual(service.wait(mr.WAIT_SECONDS), 0)
        with open(self.path("said"), encoding="utf-8") as said:
            words = said.read()
        self.assertNotIn("worker.died", words)

    def test_a_service_far_from_temporary_files(self):
        """Nothing that it keeps lies beside temporary files or inputs, where more is allowed."""
        os.makedirs(self.path("in/folder"))
        self.records("in/folder/in.ndjson", 30)
        service, alerts = self.serve("  - {name: piped, type: stdin}\n"
                                     "  - {name: once, type: file, path: in/folder, follow: false}\n"
                                     "  - {name: followed, type: file, path: in/folder}\n"
                                     "  - {name: peers, type: socket, path: in/here.sock}\n",
                                     "  - {name: receiver, type: webhook, url: 'https://127.0.0.1:1/'}\n")
        mr.wait_until(lambda: alerts() >= 10, "alerts of a service")
        self.ends_well(service)

    def test_a_pattern_through_folders(self):
        """Also through one that comes later."""
        os.makedirs(self.path("hosts/a"))
        os.mkdir(self.path("later"))
        self.records("hosts/a/a.ndjson", 30)
        service, alerts = self.serve("  - {name: hosts, type: file, path: 'hosts/*/*.ndjson'}\n"
                                     "  - {name: later, type: file, path: 'later/logs/*.ndjson'}\n")
        mr.wait_until(lambda: alerts() == 10, "alerts of the first folder")
        os.mkdir(self.path("later/logs"))
        self.records("later/logs/b.ndjson", 60)
        mr.wait_until(lambda: alerts() == 20, "alerts of the later one")
        self.ends_well(service)


if __name__ == "__main__":
    if mr.is_sanitized():
        print("skipped: workers of a build with a sanitizer are not locked in")
        sys.exit(77)
    unittest.main(verbosity=2)
