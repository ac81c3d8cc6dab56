"""Input through real workers: however records are packed, the alerts are the same; what is damaged is said."""
import bz2
import csv
import functools
import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
import zipfile

import millrace_test as mr

OPENED_RULE = """title: What was in a text
id: 0c6a1f0e-2f1b-4b0e-8a55-3a1de0a6a0b7
status: test
logsource:
    product: m365
detection:
    selection:
        Foo.x: 1
    condition: selection
level: low
"""


def record(number):
    return {"CreationTime": f"2024-05-01T10:{number % 60:02}:00", "Id": f"00000000-0000-4000-8000-{number:012}",
            "Operation": "Set-Mailbox" if number % 3 == 0 else "Get-Mailbox",
            "OrganizationId": "0873ee4d-d342-44f2-8961-74c442a2fad2", "RecordType": 1, "UserType": 0, "Version": 1,
            "Workload": "Exchange", "UserId": f"user{number}@example.com", "Note": "say \"\u00e9\",\n[{}]" * (number % 5)}


RECORDS = [record(number) for number in range(400)]
LINES = "".join(json.dumps(one) + "\n" for one in RECORDS).encode()


def export(delimiter=",", end="\r\n", heads=("Identity", "CreationDate", "AuditData", "UserIds")):
    """The audit search's CSV, quoted as it quotes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, heads, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for one in RECORDS:
        row = {"identity": one["Id"], "creationdate": "5/1/2024, \"10\" AM", "userids": one["UserId"] + "\nx",
               "auditdata": json.dumps(one, indent=1)}
        writer.writerow({head: row[head.lower()] for head in heads})
    return out.getvalue()


def odd_records():
    """Bytes of records that a strict reader of JSON refuses, or that give a key twice."""
    for number, odd in enumerate((b'"Large":123456789012345678901234567890', b'"Lone":"\\ud800"', b'"Bytes":"a\xff\xc3"',
                                  b'"Operation":"Set-Mailbox"', b'"Far":[1e999,"\\udc00",{"a":"\xed\xa0\x80"}]',
                                  b'"Foo":"{\\"x\\":1,\\"y\\":123456789012345678901}"',
                                  b'"Foo":"{\\"x\\":1,\\"y\\":\\"\\\\ud800\\"}"', b'"Foo":"{\\"x\\":1}","Lone":"\\ud800"',
                                  b'"Large":123456789012345678901,"OrganizationId":"x"')):
        text = json.dumps({**record(number), "Operation": "Set-Mailbox"})
        if number == 8:  # known by its bytes
            text = text.replace('"Id"', '"Other"')
        yield text.encode()[:-1] + b"," + odd + b"}"


def row(text):
    return b'{"RecordType":1,"AuditData":"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"}'


def odd_packed():
    odd = list(odd_records())
    yield "lines", b"\n".join(odd)
    yield "export", b"Identity,AuditData\r\n" + b"".join(b'1,"' + one.replace(b'"', b'""') + b'"\r\n' for one in odd)
    yield "rows", b"\n".join(map(row, odd))
    yield "rows in an array", b"[" + b",\n".join(map(row, odd)) + b"]"


def packed():
    """Each name with bytes that hold the same 400 records."""
    half = [RECORDS[:150], RECORDS[150:]]
    yield "lines", LINES
    yield "lines with blanks and CRLF", LINES.replace(b"\n", b" \r\n\r\n")
    yield "lines with a mark", b"\xef\xbb\xbf" + LINES
    yield "one after the other", LINES.replace(b"}\n{", b"}{")
    yield "array", json.dumps(RECORDS).encode()
    yield "pretty array", json.dumps(RECORDS, indent=2).encode()
    yield "pretty objects", "\n".join(json.dumps(one, indent="\t") for one in RECORDS).encode()
    yield "Graph pages", "".join(json.dumps({"@odata.context": "x", "value": part, "@odata.nextLink": "[{"}, indent=2)
                                 for part in half).encode()
    yield "envelope a line", "".join(json.dumps({"records": part}) + "\n" for part in half).encode()
    yield "export", b"\xef\xbb\xbf" + export().encode()
    yield "export in UTF-16", export().encode("utf-16")
    yield "lines in UTF-16 with a mark", LINES.decode().encode("utf-16")
    for form in ("utf-16-le", "utf-16-be"):
        yield f"lines in {form}", LINES.decode().encode(form)
        yield f"pretty array in {form}, gzip", gzip.compress(json.dumps(RECORDS, indent=2).encode(form))
        yield f"export in {form}", export().encode(form)
    yield "export with other heads", export(";", "\n", ("auditdata", "USERIDS", "Identity", "CreationDate")).encode()
    yield "gzip", gzip.compress(LINES)
    yield "gzip members cut inside a record", gzip.compress(LINES[:1001]) + gzip.compress(LINES[1001:])
    if shutil.which("zstd"):
        compress = lambda data: subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
        yield "zstd", compress(LINES)
        yield "zstd and gzip of an array", compress(json.dumps(half[0]).encode()) + gzip.compress(
            json.dumps(half[1]).encode())


def text_bytes(name):
    """Of the texts of the records in one of them, as they stand there."""
    forms = {"export": (1, 0), "pretty array": (2, 2), "pretty objects": ("\t", 0), "Graph pages": (2, 4)}
    indent, deeper = next((form for start, form in forms.items() if name.startswith(start)), (None, 0))
    texts = [json.dumps(one, indent=indent) for one in RECORDS]
    return sum(len(text) + deeper * text.count("\n") for text in texts)


class Run:
    def __init__(self, result, summary, rejects):
        self.status, self.stderr, self.rejects = result.returncode, result.stderr.decode(), rejects
        self.summary = summary
        self.alerts = [json.loads(line) for line in result.stdout.splitlines()]
        self.ids = sorted(alert["finding_info"]["uid"] for alert in self.alerts)


def scan(folder, inputs, rules, standard_input=None):
    summary, dead = os.path.join(folder, "summary"), os.path.join(folder, "dead")
    for path in (summary, dead):
        if os.path.exists(path):
            os.unlink(path)
    rule_options = [word for rule in rules for word in ("-r", rule)]
    result = subprocess.run([mr.PROGRAM, "scan", *rule_options, "--workers", "2", "--summary", summary, "--dead-letter",
                             dead, *inputs], input=standard_input, capture_output=True, timeout=300)
    counts, rejects = {}, []
    if os.path.exists(summary) and os.path.getsize(summary) > 0:
        with open(summary, encoding="utf-8") as file:
            counts = json.load(file)
    if os.path.exists(dead):
        with open(dead, encoding="utf-8") as file:
            rejects = [json.loads(line) for line in file]
    return Run(result, counts, rejects)


class Input(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = cls.scratch.name
        cls.rule = os.path.join(cls.folder, "rule.yml")
        with open(cls.rule, "w", encoding="utf-8") as file:
            file.write(mr.RULE)
        cls.ids = cls.scan_bytes(LINES).ids

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    @classmethod
    def put(cls, data, name="in"):
        path = os.path.join(cls.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    @classmethod
    def scan_bytes(cls, data):
        return scan(cls.folder, [cls.put(data)], [cls.rule])

    def check(self, run, records=400):
        self.assertEqual(run.status, 0, run.stderr)
        self.assertEqual((run.summary["records"], run.summary["rejected"]), (records, 0), run.rejects[:2])
        self.assertEqual(run.ids, self.ids)

    def test_every_container(self):
        self.assertEqual(len(self.ids), 134)
        for name, data in packed():
            for way, run in (("file", self.scan_bytes(data)), ("pipe", scan(self.folder, ["-"], [self.rule], data))):
                with self.subTest(name, way=way):
                    self.check(run)
                    self.assertEqual(run.summary["bytes"], text_bytes(name))

    def test_odd_records_in_every_container(self):
        opened = self.put(OPENED_RULE.encode(), "opened.yml")
        first = None
        for name, data in odd_packed():
            run = scan(self.folder, [self.put(data)], [self.rule, opened])
            with self.subTest(name):
                self.assertEqual(run.status, 0, run.stderr)
                counts = {counter: run.summary[counter] for counter in
                          ("records", "parsed", "rejected", "repaired", "repeated", "unknown_kind", "signals", "alerts")}
                self.assertEqual(counts, {"records": 9, "parsed": 9, "rejected": 0, "repaired": 8, "repeated": 0,
                                          "unknown_kind": 0, "signals": 12, "alerts": 12})
                first = first or run.ids
                self.assertEqual(run.ids, first)

    def test_folder_and_fifo(self):
        folder = os.path.join(self.folder, "many")
        os.makedirs(os.path.join(folder, "deep"))
        lines = LINES.splitlines(keepends=True)
        self.put(b"".join(lines[:100]), "many/deep/a")
        self.put(gzip.compress(b"".join(lines[100:300])), "many/b")
        self.put(b"never read\n", "many/.hidden")
        os.symlink("..", os.path.join(folder, "deep", "up"))
        fifo = os.path.join(self.folder, "fifo")
        os.mkfifo(fifo)
        writer = threading.Thread(target=lambda: open(fifo, "wb").write(b"".join(lines[300:])))
        writer.start()
        self.check(scan(self.folder, [folder, fifo], [self.rule]))
        writer.join()

    def test_damage_is_said_and_loses_nothing_before(self):
        cut = gzip.compress(LINES)[:-20]
        for data, words in ((cut, "gzip stream damaged"), (LINES + b"x" * (3 << 20), None),
                            (json.dumps(RECORDS)[:-1].encode(), "the JSON ends at offset"),
                            (export().encode() + b'"1","2","{', "has no closing quote")):
            run = self.scan_bytes(data)
            with self.subTest(words):
                self.assertEqual(run.status, 1 if words else 0, run.stderr)
                if words:
                    self.assertIn(words, run.stderr)
                    self.assertIn(os.path.join(self.folder, "in"), run.stderr)
                self.assertEqual(run.summary["parsed"], 400 if data is not cut else run.summary["parsed"])
                self.assertGreaterEqual(run.summary["parsed"], 390)
                self.assertEqual(run.summary["records"], run.summary["parsed"] + run.summary["rejected"])
                self.assertEqual(len(run.rejects), run.summary["rejected"])
                if run.summary["parsed"] == 400:
                    self.assertEqual(run.ids, self.ids)

    def test_members_behind_damage_are_judged(self):
        """A writer that died in the middle of a member, rubbish, and one that was started again: nothing hides."""
        half = LINES.splitlines(keepends=True)
        member = functools.partial(gzip.compress, mtime=0)  # what the torn one's decoder makes of a header hangs on it
        torn = member(b"".join(half[:100]))[:-300]
        packed = [torn, member(b"".join(half[:150])), b"rubbish", member(b"".join(half[150:]))]
        run = self.scan_bytes(b"".join(packed))
        self.assertEqual(run.status, 1, run.stderr)
        self.assertEqual(run.ids, self.ids)
        self.assertEqual(run.summary["records"], run.summary["parsed"] + run.summary["rejected"])
        self.assertEqual(len(run.rejects), run.summary["rejected"])
        between, = (reject for reject in run.rejects if reject.get("record") == "rubbish")
        self.assertEqual(between["offset"], len(packed[0] + packed[1]))
        self.assertIn(f"reading goes on at compressed offset {len(b''.join(packed[:3]))}", between["reason"])

    def test_rows_set_aside(self):
        """As they stand, with their places; of a long one the beginning."""
        long = "x" * 20000 + ","
        rows = ['"3 ""a""",\r', '"4","{" x', long, '"5","{}"']
        text = "Identity,AuditData\n" + "\n".join(rows) + "\n"
        expected = [(row if row != long else long[:16384], text.index(row), len(row)) for row in rows[:3]]
        for data in (text.encode(), gzip.compress(text.encode())):
            run = self.scan_bytes(data)
            self.assertEqual([(one["record"], one["offset"], one["length"]) for one in run.rejects], expected)
            self.assertEqual([one.get("written") for one in run.rejects], [None, None, 16384])
            self.assertIn("its first 16384 bytes are kept", run.rejects[-1]["reason"])
            self.assertEqual((run.summary["records"], run.summary["rejected"]), (4, 3))

    def test_export_without_the_column(self):
        run = self.scan_bytes(b"Identity,CreationDate\r\n1,2\r\n")
        self.assertEqual(run.status, 1)
        self.assertIn("line 1, column 1: the head of this CSV file names 2 columns and none is AuditData", run.stderr)

    def test_offsets_point_into_the_text(self):
        """As README says it of each container: into what is unpacked, and UTF-8 without a mark where it was UTF-16."""
        lines, table = LINES.decode(), export()
        for data, text in ((LINES, LINES), (b"\xef\xbb\xbf" + LINES, b"\xef\xbb\xbf" + LINES),
                           (gzip.compress(LINES), LINES), (lines.encode("utf-16"), LINES),
                           (json.dumps(RECORDS, indent=1).encode(), json.dumps(RECORDS, indent=1).encode()),
                           (table.encode(), table.encode()), (table.encode("utf-16"), table.encode())):
            alerts = self.scan_bytes(data).alerts
            self.assertEqual(len(alerts), len(self.ids))
            for alert in alerts:
                place = alert["unmapped"]["millrace"]["evidence"][0]
                record = text[place["offset"]:]
                if table.encode() in text:  # the cell's text, to its closing quote
                    end = record.replace(b'""', b"  ").index(b'"')
                    record = record[:end].replace(b'""', b'"')
                    self.assertEqual(len(record), place["length"])
                self.assertEqual(json.loads(record[:place["length"]]), alert["evidences"][0]["data"])

    def test_what_cannot_be_read_is_refused_by_name(self):
        lines = self.put(LINES, "records.ndjson")
        archives = []
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w", format=form) as out:
                out.add(lines, "records.ndjson")
            archives.append(archive.getvalue())
        zipped, empty = io.BytesIO(), io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as out:
            out.write(lines, "records.ndjson")
        zipfile.ZipFile(empty, "w").close()
        for data, words in ((archives[0], "this is a tar archive: unpack it"),
                            (gzip.compress(archives[0]), "this is a tar archive: unpack it"),
                            (archives[1], "this is a tar archive: unpack it"),
                            (zipped.getvalue(), "this is a zip archive, as .xlsx files are: unzip it"),
                            (empty.getvalue(), "this is a zip archive with nothing in it"),
                            (b"7z\xbc\xaf'\x1c\0\4\n" + b"x" * 400, "this is a 7z archive: unpack it"),
                            (bz2.compress(LINES), "this is compressed by bzip2: decompress it"),
                            (lzma.compress(LINES), "this is compressed by xz: decompress it"),
                            (b"\xff\xfe\0\0" + LINES.decode().encode("utf-32-le"), "this is text in UTF-32: save"),
                            (export().encode("utf-32"), "this is text in UTF-32: save it as UTF-8"),
                            (gzip.compress(b"\0\0\xfe\xff" + LINES.decode().encode("utf-32-be")), "this is text in UTF-32"),
                            (b"PAR1\x15\4\x15\n" + b"x" * 400 + b"PAR1", "this is a Parquet file: "),
                            (b"Obj\1\4\x16avro.schema\n" + b"x" * 400, "this is an Avro file: ")):
            run = self.scan_bytes(data)
            with self.subTest(words):
                self.assertEqual((run.status, run.summary["records"], run.ids), (1, 0, []), run.stderr)
                self.assertIn(f"{os.path.join(self.folder, 'in')}: offset 0: {words}", run.stderr)

    def test_a_record_that_holds_a_magic_hides_nothing(self):
        first = json.dumps(RECORDS[0])[:-1] + ', "Client": "'
        first += "x" * (257 - len(first)) + 'ustar  "}'
        run = self.scan_bytes(first.encode() + LINES[LINES.index(b"\n"):])
        self.assertEqual((run.status, run.summary["records"], run.summary["parsed"]), (0, 400, 400), run.stderr)

    def test_what_is_not_there(self):
        for name, words in (("/no/such/file", "/no/such/file: cannot open the input"),
                            ("/dev/zero", "/dev/zero: is a device")):
            run = scan(self.folder, [name], [self.rule])
            self.assertEqual(run.status, 2)
            self.assertIn(words, run.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
