"""Real records and public rules through cut chains. Some records stand there twice: which copy an alert shows is left to
chance."""
import os
import unittest

import cuts
import millrace_test as mr

RECORDS = mr.shared("ual", "records.ndjson")
SIGMA = mr.shared("sigma")


class CutShared(cuts.Cut):
    def test_shared_records(self):
        self.expect_same(2, "-r", SIGMA, "-r", os.path.join(mr.ROOT, "rules"), RECORDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
