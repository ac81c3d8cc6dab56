"""Our own rules over a real tenant's log."""
import os
import sys
import unittest

import millrace_test as mr

RECORDS = mr.shared("ual", "records.ndjson")
CONSENT = "5d2c9a70-2c55-5b3e-9a0e-0c5f0a3f7d11"


class OwnRulesShared(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        status, cls.found, said = mr.scan("-r", os.path.join(mr.ROOT, "rules"), RECORDS)
        assert status == 0, said

    def test_consent_to_read_mail(self):
        """`offline_access Mail.Read`, and nothing more than that."""
        times = {evidence["time_dt"] for alert in self.found for evidence in alert["unmapped"]["millrace"]["evidence"]
                 if alert["finding_info"]["analytic"]["uid"] == CONSENT}
        self.assertLessEqual({"2021-07-19T18:26:51Z", "2021-07-19T18:26:55Z"}, times)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
