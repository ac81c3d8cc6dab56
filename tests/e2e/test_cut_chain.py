"""Chains cut by links: parse, enrich and detect in worker processes of their own find what a fused chain finds."""
import json
import unittest

import cuts
import millrace_test as mr


class Cut(cuts.Cut):
    def test_own_records(self):
        """Also what is repaired, rejected, nested, long, in another script, or has no time."""
        records = self.place.path("records.ndjson")
        odd = [mr.record(number, 1) for number in range(9000, 9006)]
        odd[0]["ObjectId"] = "y" * 900000
        odd[1]["ModifiedProperties"] = [{"Name": "Ära", "OldValue": "\u00e9\U0001f600", "NewValue": "[1, 2.5, true, null]"}]
        odd[2]["Numbers"] = [1, -2, 2**63 + 1, 1e300, 0.25, True, None, {"deep": [{"er": "yes"}]}]
        odd[3].pop("CreationTime")
        odd[3]["Operation"] = "Get-Mailbox"  # an alert would show the time of arrival
        odd[4]["Text"] = "a \ud800 lone surrogate"
        odd[5]["Large"] = 2**70
        mr.write_records(records, 3000, every=7)
        with open(records, "ab") as out:
            for record in odd:
                out.write(json.dumps(record).encode() + b"\n")
            out.write(json.dumps(mr.record(9006, 1)).encode().replace(b"xx", b"\xff\xfe\xc0", 1) + b"\n")
            out.write(b"this is no record\n" + json.dumps(mr.record(9007, 1)).encode())
        networks = self.place.path("networks")
        with open(networks, "w", encoding="utf-8") as out:
            out.write("203.0.113.0/24 office egress\n")
        self.expect_same(2, "-r", self.place.rule, "--networks", networks, records, words=True)

    def test_cut_that_none_is(self):
        records = self.place.path("records.ndjson")
        mr.write_records(records, 1)
        for stage in ("parse", "correlate", "nothing"):
            status, _, said = mr.scan("-r", self.place.rule, "--cut", stage, records, env=self.place.environment)
            self.assertEqual(status, 2)
            self.assertIn(f'cut: "{stage}" is no stage that follows another', said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
