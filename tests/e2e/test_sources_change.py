"""A topology whose sources come in another order, are joined by others, left out, and come back between two runs: each goes
on where it was, its records are its tenant's, and the books are kept by name."""
import collections
import json
import os
import shutil
import subprocess
import unittest

import millrace_test as mt


class SourcesChange(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mt.Workplace())
        self.next = 0

    def add(self, name, count):
        """So many records more for a source: a third of them alerts."""
        os.makedirs(self.place.path(name), exist_ok=True)
        with open(os.path.join(self.place.path(name), "a.log"), "a", encoding="utf-8") as out:
            for _ in range(count):
                out.write(json.dumps(mt.record(self.next)) + "\n")
                self.next += 1

    def run_with(self, *names):
        """To the end of what is there. Of type file, followed or not, by name."""
        sources = "".join(f"  - {{name: {name}, tenant: of-{name}, type: file, path: {name}"
                          f"{'' if name[0] == 'f' else '/a.log, follow: false'}}}\n" for name in names)
        with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
            out.write(f"state: state\nrules: [rule.yml]\nworkers: 1\ncheckpoint_interval: 100ms\nsources:\n{sources}"
                      "sinks:\n  - {name: alerts, type: file, path: alerts.ndjson}\n")
        with open(self.place.path("said"), "wb") as said:
            process = subprocess.Popen([mt.PROGRAM, "run", self.place.path("t.yaml")], env=self.place.environment,
                                       stderr=said)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if any(name[0] == "f" for name in names):
            mt.wait_until(lambda: process.poll() is not None or self.alerts() == self.next // 3, "all is read")
            process.terminate()
        status = process.wait(mt.WAIT_SECONDS)
        with open(self.place.path("said"), encoding="utf-8") as said:
            self.assertEqual(status, 0, said.read())

    def alerts(self):
        try:
            with open(self.place.path("alerts.ndjson"), encoding="utf-8") as lines:
                return len(lines.readlines())
        except FileNotFoundError:
            return 0

    def tenants(self):
        """How many alerts each has."""
        with open(self.place.path("alerts.ndjson"), encoding="utf-8") as lines:
            return dict(collections.Counter(json.loads(line)["metadata"]["tenant_uid"] for line in lines))

    def records(self):
        """As the books have them."""
        counts = collections.Counter()
        for line in mt.ledger("report", "--json", self.place.path("state")).stdout.splitlines():
            row = json.loads(line)
            counts[row["source"]] += row["records"]
        return dict(counts)

    def check(self, **records):
        self.assertEqual({name: count for name, count in self.records().items() if count > 0}, records)
        self.assertEqual(self.tenants(), {f"of-{name}": count // 3 for name, count in records.items()})
        mt.assert_balance(self, self.place.path("state"))

    def test_a_source_that_is_followed_no_more(self):
        """Nothing is read twice: it is refused, and goes on as it was."""
        self.add("source", 30)
        with open(self.place.path("source/a.log"), "a", encoding="utf-8") as out:
            out.write("broken\n")

        def run(follow):
            with open(self.place.path("t.yaml"), "w", encoding="utf-8") as out:
                json.dump({"state": "state", "rules": ["rule.yml"], "checkpoint_interval": "100ms", "sources": [
                    {"name": "a", "type": "file", "path": "source", "follow": follow}],
                           "sinks": [{"name": "alerts", "type": "file", "path": "alerts.ndjson"}]}, out)
            process = subprocess.Popen([mt.PROGRAM, "run", self.place.path("t.yaml")], env=self.place.environment,
                                       stderr=subprocess.PIPE, text=True)
            self.addCleanup(process.stderr.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            return process

        def letters():
            return len(mt.whole_lines(self.place.path("state/dead-letter.ndjson")))

        for follow in (True, False):
            process = run(follow)
            mt.wait_until(lambda: process.poll() is not None or (self.alerts() >= 10 and letters() > 0), "all is read")
            process.terminate()
            said = process.communicate(timeout=mt.WAIT_SECONDS)[1]
            self.assertEqual(process.returncode, 0, said)
            other = run(not follow)
            said = other.communicate(timeout=mt.WAIT_SECONDS)[1]
            self.assertEqual(other.returncode, 1, said)
            self.assertIn(f"source a: it was read with `follow: {str(follow).lower()}` until now", said)
            self.assertEqual((self.alerts(), letters(), self.records()), (10, 1, {"a": 31}))
            shutil.rmtree(self.place.path("state"))
            os.remove(self.place.path("alerts.ndjson"))

    def test_by_name(self):
        for name, count in (("followed", 30), ("other", 60), ("fresh", 90)):
            self.add(name, count)
        self.run_with("followed", "other", "fresh")
        self.check(followed=30, other=60, fresh=90)
        self.add("fresh", 3)
        self.add("followed", 6)
        self.add("first", 9)
        self.run_with("first", "fresh", "other", "followed")  # in another order, behind a new one
        self.check(followed=36, other=60, fresh=93, first=9)
        self.add("first", 3)
        self.run_with("first")  # the others are left out
        self.check(followed=36, other=60, fresh=93, first=12)
        self.add("followed", 3)
        self.run_with("other", "followed")  # and come back
        self.check(followed=39, other=60, fresh=93, first=12)


if __name__ == "__main__":
    unittest.main()
