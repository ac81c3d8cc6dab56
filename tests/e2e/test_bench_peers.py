"""`./run bench peers`: what an event costs is told without the start, whoever did not do the work is not the faster one, and
each peer's output is compared with the records."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

BENCH = os.path.join(os.environ["MILLRACE_ROOT"], "bench")
sys.path.insert(0, BENCH)
sys.dont_write_bytecode = True
import peers  # noqa: E402
import peers_setup as setup  # noqa: E402


def taken(cpu, memory=1, others=0.0):
    return {"cpu_seconds": cpu, "wall_seconds": cpu, "peak_pss_bytes": memory, "others_share": others}


def figures(us, **more):
    return {**peers.figures({100: taken(1 + us * 1e-4), 200: taken(1 + us * 2e-4)}), **more}


def peer(script, **more):
    """One that is a line of shell."""
    return peers.Peer("shell", None, ("one",), lambda _config, _place: ["-c", script], peers.count_lines, **more)


class Figures(unittest.TestCase):
    def test_the_start_is_in_no_event(self):
        told = peers.figures({200: taken(5.0, 7, 0.1), 100: taken(4.0, 9, 0.2)})
        self.assertAlmostEqual(told["us_an_event"], 10_000)
        self.assertAlmostEqual(told["events_a_core_second"], 100)
        self.assertAlmostEqual(told["start_seconds"], 3)
        self.assertEqual((told["peak_pss_bytes"], told["others_share"], told["events"]), (9, 0.2, 200))

    def test_who_did_the_work_is_the_faster_one(self):
        configs = {"idle": figures(1, found=0.5, wrong=0), "wrong": figures(2, found=1, wrong=3), "slow": figures(9, found=1, wrong=0),
                   "good": figures(8, found=1, wrong=0)}
        self.assertEqual(peers.fastest({"configs": configs})[0], "good")
        del configs["good"], configs["slow"]
        self.assertEqual(peers.fastest({"configs": configs})[0], "idle")
        self.assertIsNone(peers.fastest({"configs": {}}))

    def test_table(self):
        rows = [{"name": peers.OURS, "version": "", "not_done": "", "configs": {"a": figures(2, found=1)}},
                {"name": "other", "version": "1.2", "not_done": "x", "configs": {"b": figures(50, found=1)}},
                {"name": "absent", "not_done": "", "configs": {}, "missing": "no registry"}]
        lines = list(peers.table(rows, {"found": lambda one: f"{one['found']:.0%}"}))
        self.assertEqual({line.count("|") for line in lines}, {10})
        self.assertIn("| other 1.2 | 20,000 | 50.00 | 25.0 times as fast | 100% | 1.0 |", lines[3])
        self.assertIn("not run: no registry", lines[4])

    def test_fewer_events_are_told_of(self):
        rows = [{"name": "slow", "version": "1.2", "not_done": "x", "configs": {"b": figures(50, all_seconds=630)}}]
        self.assertTrue(list(peers.table(rows, {}))[2].endswith(
            "measured over 100 events behind the first 100, since a run over all would take 10 minutes or more; x |"))


class Fewer(unittest.TestCase):
    """Whoever is too slow gets fewer events, and nobody else does."""

    def runs_of(self, wall):
        """The pair that is measured of one that takes wall(events) seconds, and all runs on the way."""
        runs, taken_by = [], {}

        def take(events):
            runs.append(events)
            taken_by[events] = taken(wall(events))

        return peers.measured_pair([1000, 2000, 4000, 8000, 16000], taken_by, take), runs

    def test_a_fast_one_gets_all(self):
        self.assertEqual(self.runs_of(lambda events: events * 0.001), ((8000, 16000), [1000, 2000, 4000, 8000, 16000]))

    def test_a_long_start_is_no_event(self):
        self.assertEqual(self.runs_of(lambda events: peers.FIT_SECONDS / 2 + events * 0.001)[0], (8000, 16000))

    def test_a_slow_one_gets_what_fits(self):
        just = peers.FIT_SECONDS / 4000
        self.assertEqual(self.runs_of(lambda events: events * just), ((2000, 4000), [1000, 2000, 4000]))
        self.assertEqual(self.runs_of(lambda events: events * just * 1.01), ((1000, 2000), [1000, 2000]))
        self.assertEqual(self.runs_of(lambda events: events * just * 100), ((1000, 2000), [1000, 2000]))

    def test_one_whose_cost_grows_is_within_the_limit(self):
        for fits in range(500, 20000, 500):
            def wall(events, fits=fits):
                return peers.FIT_SECONDS * (events / fits) ** 2
            self.assertLess(wall(max(self.runs_of(wall)[1][2:], default=0)), peers.LIMIT_SECONDS)

    def test_what_the_rest_would_take(self):
        self.assertEqual(peers.foreseen({50: taken(1), 100: taken(5), 200: taken(6)}, 400), 8)
        self.assertEqual(peers.foreseen({100: taken(6), 200: taken(5)}, 400), 5)

    def test_the_best_of_two_runs_of_a_pair(self):
        with tempfile.TemporaryDirectory() as folder:
            files = {}
            for events in (1, 2, 4):
                files[events] = os.path.join(folder, str(events))
                with open(files[events], "w", encoding="utf-8") as out:
                    out.write("x\n" * events)
            with mock.patch.object(peers, "AGAIN_SECONDS", 0):
                best, wrote = peers.measured(peer("cat > $PEER_OUTPUT"), setup.Program(["sh"], ""), "one", files, {}, runs=2)
            self.assertEqual((sorted(best), wrote), ([2, 4], 4))


class Outputs(unittest.TestCase):
    def test_what_has_to_be_found(self):
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            for count, record in ((10, {"ClientIP": "1.2.3.4:55", "UserId": "a"}), (9, {"ClientIPAddress": "1.2.3.5", "UserId": "a"}),
                                  (9, {"callerIpAddress": "1.2.3.6", "properties": {"userPrincipalName": "a"}}),
                                  (1, {"callerIpAddress": "1.2.3.6", "properties": {"userId": "id"}}),
                                  (1, {"callerIpAddress": "1.2.3.5",
                                       "properties": {"initiatedBy": {"user": {"userPrincipalName": "a"}}}}),
                                  (10, {"ClientIP": "1.2.3.8", "UserId": "stranger"}),
                                  (10, {"callerIpAddress": "198.51.100.1", "UserId": "a"}), (10, {"ClientIP": "1.2.3.7"})):
                file.write((json.dumps(record) + "\n") * count)
            file.flush()
            self.assertEqual(peers.truth(file.name, {"a"}, by_id=False), {"1.2.3.4:55": 10})
            self.assertEqual(peers.truth(file.name, {"a", "id"}, by_id=True), {"1.2.3.4": 10, "1.2.3.5": 10, "1.2.3.6": 10})

    def test_compared(self):
        place = {"country": "NL", "city": "Delft", "asn": 7}
        ours = {address: place for address in "abc"}
        right = {"a": {**place, "asn": "7", "user": "ann", "department": "IT"}, "b": {"count": 10}}
        self.assertEqual(peers.checked(right, {"a": 10, "b": 11}, {"ann": "IT"}, ours), {"found": 1, "wrong": 0, "lines": 2})
        wrong = {"a": {**right["a"], "city": "Leiden"}, "b": {**right["a"], "department": "HR"}, "d": right["a"]}
        self.assertEqual(peers.checked(wrong, {"a": 10, "b": 11, "c": 12, "e": 13}, {"ann": "IT"}, ours),
                         {"found": 0.5, "wrong": 3, "lines": 3})

    def test_counts_of_rsyslog(self):
        def line(**counts):
            return "Sun Nov 29: " + json.dumps({"name": "address", "origin": "dynstats.bucket", "values": counts}) + "\n"

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "stats")
            self.assertFalse(peers.counts_rest(path))
            for text, rest in ((line() * 2, False), (line(a=9), False), (line(a=12), False), (line(a=12)[:-1], False), ("\n", True)):
                with open(path, "a", encoding="utf-8") as out:
                    out.write(text)
                self.assertEqual(peers.counts_rest(path), rest, text)
            self.assertEqual(peers.last_counts(path), {"a": {"address": "a", "count": 12}})


class Runs(unittest.TestCase):
    def run_one(self, one):
        with tempfile.TemporaryDirectory() as work:
            records = os.path.join(work, "records")
            with open(records, "w", encoding="utf-8") as out:
                out.write("1\n2\n3\n")
            took, output = peers.run(one, setup.Program(["sh"], ""), "one", {"PEER_INPUT": records, "PEER_WORK": work})
            return took["cpu_seconds"], one.read(output)

    def test_by_standard_input_and_by_path(self):
        self.assertEqual(self.run_one(peer("cat > $PEER_OUTPUT"))[1], 3)
        self.assertEqual(self.run_one(peer("head -n 2 $PEER_INPUT", piped=False))[1], 2)

    def test_one_that_does_not_end_is_told_to(self):
        script = "trap 'exit 0' TERM; cat $PEER_INPUT > $PEER_OUTPUT; while :; do sleep 0.05; done"
        self.assertEqual(self.run_one(peer(script, piped=False, ended=lambda path: peers.count_lines(path) == 3))[1], 3)

    def test_one_that_fails_is_left_out(self):
        with self.assertRaisesRegex(setup.Missing, "ended with 3.*no such table"):
            self.run_one(peer("echo no such table >&2; exit 3"))
        with self.assertRaisesRegex(setup.Missing, "one: ended with 3"):
            self.run_one(peer("exit 3", ended=lambda _path: False))

    def test_what_is_not_here(self):
        with self.assertRaisesRegex(setup.Missing, "no-such-program is not here"):
            setup.said(["no-such-program"])

    def test_our_rules_are_taken(self):
        rules = os.path.join(BENCH, "peers", "millrace", "count.yml")
        said = subprocess.run([os.environ["MILLRACE"], "rules", "check", rules], capture_output=True, text=True, check=False)
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


if __name__ == "__main__":
    unittest.main()
