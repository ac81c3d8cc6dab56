"""What the tests of cut chains share: parse, enrich and detect in worker processes of their own, or in one."""
import json
import unittest

import millrace_test as mr

CUTS = (["enrich"], ["detect"], ["enrich", "detect"], ["detect", "enrich"])
COUNTED = ("records", "parsed", "rejected", "repaired", "repeated", "unknown_kind", "bytes", "signals", "alerts",
           "geo_hits", "identity_hits")


class Cut(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(mr.Workplace())
        self.books = self.place.path("summary.json")
        self.dead = self.place.path("dead.ndjson")

    def scan(self, *arguments):
        status, found, said = mr.scan("--summary", self.books, "--dead-letter", self.dead, *arguments,
                                      env=self.place.environment)
        self.assertEqual(status, 0, said)
        books = mr.summary(self.books)
        with open(self.dead, encoding="utf-8") as lines:
            letters = sorted(lines)
        return found, {name: books[name] for name in COUNTED}, letters, books["workers"]

    def expect_same(self, workers, *arguments, words=False):
        """Alert ids, books and dead letters are those of the fused chain; with `words`, whole alerts."""
        def shown(found):
            return sorted(json.dumps(alert, sort_keys=True) for alert in found)
        found, books, letters, processes = self.scan("--workers", workers, *arguments)
        self.assertGreater(len(found), 0)
        for cuts in CUTS:
            with self.subTest(cuts=cuts):
                options = [word for stage in cuts for word in ("--cut", stage)]
                again = self.scan("--workers", workers, *options, *arguments)
                self.assertEqual(again[3], processes + workers * len(cuts))
                self.assertEqual(mr.ids(again[0]), mr.ids(found))
                self.assertEqual(again[1:3], (books, letters))
                if words:
                    self.assertEqual(shown(again[0]), shown(found))
