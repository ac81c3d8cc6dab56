"""millrace identity, as its users meet it: import, show, exit statuses, a killed import, 200,000 people."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import millrace_test as mt

MILLRACE = os.environ["MILLRACE"]


def run(*arguments, text=None, **options):
    return subprocess.run([MILLRACE, "identity", *arguments], input=text, text=True, capture_output=True, **options)


class Identity(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = os.path.join(self.folder.name, "store")
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def take(self, *paths, text=None):
        return run("import", "--store", self.store, *paths, text=text)

    def show(self, key):
        return run("show", "--store", self.store, key)

    def current(self):
        return os.readlink(os.path.join(self.store, "current"))

    def test_import_and_show(self):
        person = {
            "id": "AB-1",
            "upn": "Ann@Example.org",
            "aliases": ["a@example.org", "ÄNN@example.org"],
            "puid": "1003200000000001",
            "app_id": "",
            "display_name": 'Ann "A" Öz\n',
            "department": "Legal",
            "groups": ["All"],
            "roles": [],
            "privileged": True,
            "enabled": False,
            "last_changed": "2026-01-01T00:00:00Z",
        }
        first = self.write("people.ndjson", json.dumps(person) + "\n")
        second = self.write("more.csv", "id,upn,aliases\n2,bob@example.org,b1@example.org;b2@example.org\n")
        done = self.take(first, second)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "2 people taken, 0 entries refused, 0 conflicts; the store now holds exactly these people\n")
        given = {name: value for name, value in person.items() if value not in ("", [])}
        for key in ("ab-1", "ANN@example.ORG", "A@Example.org", "änn@example.org", "1003200000000001"):
            shown = self.show(key)
            self.assertEqual((shown.returncode, json.loads(shown.stdout)), (0, given), key)
        self.assertEqual(json.loads(self.show("B2@example.org").stdout)["id"], "2")
        shown = self.show("nobody")
        self.assertEqual((shown.returncode, shown.stdout), (1, ""))
        self.assertIn('nobody in %s has the key "nobody"' % self.store, shown.stderr)

    def test_show_writes_nothing(self):
        """So that whoever may read a store may ask it, on a medium that nobody may write to as well."""
        self.assertEqual(self.take(self.write("p", '{"id":"1","upn":"a"}\n')).returncode, 0)
        generation = os.path.join(self.store, self.current())
        before = sorted(os.listdir(generation))
        self.assertEqual(json.loads(self.show("a").stdout)["id"], "1")
        self.assertEqual(sorted(os.listdir(generation)), before)
        entries = os.path.join(generation, "data.mdb")
        os.remove(entries)
        shown = self.show("a")
        self.assertEqual((shown.returncode, shown.stdout), (2, ""))
        self.assertIn("millrace identity import writes them anew: %s: No such file" % entries, shown.stderr)

    def test_damaged_entries(self):
        """The file of entries is mapped: cut short or changed, it is refused before it is read."""
        people = self.write("p", "".join('{"id":"%d","upn":"u%d@example.org"}\n' % (n, n) for n in range(2000)))
        self.assertEqual(self.take(people).returncode, 0)
        path = os.path.join(self.store, self.current(), "data.mdb")
        with open(path, "rb") as file:
            whole = file.read()
        middle = len(whole) // 2
        changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1:]
        lengths = [0, 1, 4096, 2 * 4096, middle, len(whole) - 1]
        cases = [(whole[:length], "the entries take up %d bytes, and %d were written" % (length, len(whole))) for length in lengths]
        cases += [(whole + b"x", "the entries take up %d bytes, " % (len(whole) + 1)), (changed, "the entries are damaged")]
        for data, words in cases:
            with open(path, "wb") as file:
                file.write(data)
            done = self.show("u1999@example.org")
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn("%s: %s" % (path, words), done.stderr)
            self.assertIn(": import again\n", done.stderr)
        with open(path, "wb") as file:
            file.write(whole)
        self.assertEqual(json.loads(self.show("u1999@example.org").stdout)["id"], "1999")

    def test_an_older_store_is_refused(self):
        self.assertEqual(self.take(self.write("p", '{"id":"1","upn":"a"}\n')).returncode, 0)
        path = os.path.join(self.store, self.current(), "table")
        with open(path, "r+b") as table:
            table.seek(8)
            table.write(b"\x03")
        done = self.show("a")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("no identity table of version 4, or a damaged one: import again", done.stderr)

    def test_only_the_first_ten_are_named(self):
        path = self.write("p", '{"id":"1","upn":"a"}\n' * 13 + '{"id":"2"}\n' * 12)
        done = self.take(path)
        self.assertIn("1 people taken, 12 entries refused, 12 conflicts", done.stdout)
        self.assertEqual(done.stderr.count(": refused: "), 10)
        self.assertEqual(done.stderr.count("belongs to the entry"), 10)
        self.assertIn("and 2 more entries refused", done.stderr)
        self.assertIn("and 2 more conflicts", done.stderr)

    def test_unknown_names(self):
        names = ["n%d" % n for n in range(12)]
        done = self.take(self.write("p", json.dumps({"id": "1", "upn": "a", **dict.fromkeys(names)}) + "\n"))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("is left out: no member or column is called so"), 10)
        self.assertIn("and more members or columns of unknown names left out", done.stderr)

    def test_a_head_without_upn_is_shown(self):
        done = self.take(self.write("p", "id,userPrincipalName\n1,a\n"))
        self.assertEqual(done.returncode, 2)
        self.assertIn('"id" and "upn", which must be named so; found: "id", "userPrincipalName"', done.stderr)

    def test_encodings(self):
        """What a spreadsheet or PowerShell saves; what is no text is refused without a byte of it on the terminal."""
        text = "id,upn,display_name,groups\r\n1,ann@example.org,Änn \U0001f600,A; B\r\n"
        path = os.path.join(self.folder.name, "people.csv")
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
            with open(path, "w", encoding=encoding, newline="") as file:
                file.write(text)
            done = self.take(path)
            self.assertEqual((done.returncode, done.stderr), (0, ""), encoding)
            self.assertEqual(json.loads(self.show("1").stdout),
                             {"id": "1", "upn": "ann@example.org", "display_name": "Änn \U0001f600", "groups": ["A", "B"]})
        for data in (text.encode("utf-32"), b"PK\x03\x04\xff\xfe,\x9b31m\n", b"id,n\xe4me\n1,2\n"):
            with open(path, "wb") as file:
                file.write(data)
            done = self.take(path)  # its words are decoded as UTF-8
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr, f"millrace identity: {path}:1:1: no text in UTF-8 or UTF-16, as NDJSON and CSV are\n")
        with open(path, "wb") as file:
            file.write(b"id,upn,n\xe4me\n1,a,b\n2,\xe4,b\n")
        done = self.take(path)
        self.assertEqual(done.returncode, 0)
        self.assertIn('"n?me" is left out', done.stderr)
        self.assertIn(":3: refused: a value is not UTF-8", done.stderr)
        self.assertIn("nobody in ", subprocess.run([MILLRACE, "identity", "show", "--store", self.store, b"\xff"],
                                                   capture_output=True).stderr.decode())

    def test_one_text_is_a_list(self):
        people = '{"id":"1","upn":"a","roles":"Global Administrator; Reader"}\n{"id":"2","upn":["b"]}\n{"id":"3","upn":"c","groups":3}\n'
        done = self.take("-", text=people)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('-:2: refused: "upn" is neither a text nor a number, true or false', done.stderr)
        self.assertIn('-:3: refused: "groups" is neither a list of texts, each of one line, nor one text', done.stderr)
        self.assertEqual(json.loads(self.show("1").stdout)["roles"], ["Global Administrator", "Reader"])

    def test_standard_input(self):
        done = self.take("-", text='{"id":"1","upn":"a"}\n')
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_refused_is_named(self):
        path = self.write("p", '{"id":"1","upn":"a"}\n{"id":"2"}\n{"id":"1","upn":"b"}\nnonsense\n')
        done = self.take(path)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "1 people taken, 2 entries refused, 1 conflicts; the store now holds exactly these people\n")
        self.assertIn('%s:2: refused: "upn" is missing' % path, done.stderr)
        self.assertIn("%s:4: refused: " % path, done.stderr)
        self.assertIn('%s:3: "1" belongs to the entry in %s:1' % (path, path), done.stderr)

    def test_a_broken_export_takes_nobodys_place(self):
        people = "".join('{"id":"%d","upn":"u%d"}\n' % (n, n) for n in range(300))
        self.assertEqual(self.take(self.write("people", people)).returncode, 0)
        before = sorted(os.listdir(self.store))
        broken = self.write("broken", "id,upn\n" + "".join("%d,\n" % n for n in range(200)) + "200,u200\n")
        done = self.take(broken)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("of this import 1 people would be left, 200 entries were refused, and the store holds 300 people: "
                      "it is unchanged; --force imports all the same", done.stderr)
        self.assertEqual((self.current(), sorted(os.listdir(self.store))), ("generation-1", before))
        self.assertEqual(self.show("u299").returncode, 0)
        # Half of the people, or more taken than refused, is no such loss.
        for good, bad in ((150, 150), (2, 1)):
            entries = "".join('{"id":"%d","upn":"u%d"}\n' % (n, n) for n in range(good)) + '{"id":"1"}\n' * bad
            done = self.take(self.write("part", entries))
            self.assertEqual((done.returncode, done.stdout.split(",")[0]), (0, "%d people taken" % good), done.stderr)
        self.assertEqual(self.take(self.write("people", people)).returncode, 0)
        self.assertEqual(self.take(self.write("part", people[:people.index("\n") + 1] + '{"id":"1"}\n')).returncode, 1)
        done = self.take("--force", broken)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 people taken, 200 entries refused", done.stdout)
        # A table that cannot be read has nobody to lose.
        self.assertEqual(self.take(self.write("people", people)).returncode, 0)
        with open(os.path.join(self.store, self.current(), "table"), "r+b") as table:
            table.write(b"x")
        self.assertEqual(self.take(broken).returncode, 0)

    def test_exit_statuses(self):
        good = self.write("good", "id,upn\n1,a\n")
        self.assertEqual(self.take(good).returncode, 0)
        before = self.current()
        cases = [
            (1, ("import", "--store", self.store, self.write("none", '{"id":"1"}\n'))),
            (1, ("import", "--store", self.store, self.write("empty", ""))),
            (2, ("import", "--store", self.store, "/nowhere")),
            (2, ("import", "--store", self.store, self.write("words", "these are words"))),
            (2, ("import", "--store", self.store)),
            (2, ("import", good)),
            (2, ("import", "--store", "/proc/nowhere/store", good)),
            (2, ("show", "--store", self.store)),
            (2, ("show", "--force", "--store", self.store, "a")),
            (2, ("show", "--store", self.folder.name, "a")),
            (2, ("sing",)),
            (2, ()),
        ]
        for status, arguments in cases:
            done = run(*arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ""), arguments)
            self.assertNotEqual(done.stderr, "", arguments)
        self.assertEqual(self.current(), before)
        self.assertEqual(self.show("a").returncode, 0)

    def test_many_people_and_a_killed_import(self):
        self.assertEqual(self.take(self.write("old", "id,upn\nold,old@example.org\n")).returncode, 0)
        path = self.write(
            "many",
            "".join(
                '{"id":"%08x-1111-4222-8333-444444444444","upn":"u%d@example.org","aliases":["a%d@example.org"],'
                '"puid":"%016d","department":"D%d"}\n' % (n, n, n, n, n % 50)
                for n in range(200000)
            ),
        )
        generation = os.path.join(self.store, "generation-2")
        child = subprocess.Popen([MILLRACE, "identity", "import", "--store", self.store, path])
        while not os.path.exists(os.path.join(generation, "data.mdb")) and child.poll() is None:
            time.sleep(0)
        child.send_signal(signal.SIGKILL)
        self.assertEqual(child.wait(), -signal.SIGKILL)
        self.assertTrue(os.path.exists(generation), "its rubbish")
        self.assertEqual(self.current(), "generation-1")
        self.assertEqual(self.show("old").returncode, 0)

        done = self.take(path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "200000 people taken, 0 entries refused, 0 conflicts; the store now holds exactly these people\n")
        for n in (0, 1, 99999, 199999):
            for key in ("%08X-1111-4222-8333-444444444444" % n, "U%d@example.org" % n, "a%d@EXAMPLE.org" % n):
                self.assertEqual(json.loads(self.show(key).stdout)["puid"], "%016d" % n)
        self.assertEqual(self.show("old").returncode, 1)
        self.assertEqual(self.take(self.write("new", "id,upn\nnew,new\n")).returncode, 0)
        self.assertEqual(
            sorted(os.listdir(self.store)), ["current", "generation-2", "generation-3", "lock"]
        )

    def test_two_at_once(self):
        self.assertEqual(self.take(self.write("good", "id,upn\n1,a\n")).returncode, 0)
        child = subprocess.Popen(
            [MILLRACE, "identity", "import", "--store", self.store, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        child.stdin.write(b'{"id":"2","upn":"b"}\n')
        child.stdin.flush()
        while not os.path.exists(os.path.join(self.store, "generation-2", "data.mdb")):
            time.sleep(0)
        done = self.take(self.write("more", "id,upn\n3,c\n"))
        self.assertEqual(done.returncode, 2)
        self.assertIn("another import is under way", done.stderr)
        child.communicate()
        self.assertEqual(child.returncode, 0)
        self.assertEqual(self.show("b").returncode, 0)

    def check_no_room(self, folder, people, words, left=(), **options):
        """The import fails for want of room and leaves nothing behind: neither a store nor a part of one."""
        done = run("import", "--store", os.path.join(folder, "store"), people, **options)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(os.listdir(folder), list(left))

    def test_switched_but_not_durable(self):
        """Whether the switch will last cannot be known: the import fails, and what is current can be read."""
        os.chmod(self.folder.name, 0o777)
        people = self.write("people", "id,upn\n1,a\n")
        user = {"user": 65534} if os.geteuid() == 0 else {}
        try:
            self.assertEqual(run("import", "--store", self.store, people, **user).returncode, 0)
        except PermissionError:
            print("nobody but root may run the program here: not tried", flush=True)
            return
        self.assertEqual(run("import", "--store", self.store, people, **user).returncode, 0)
        os.chmod(self.store, 0o300)  # so that it cannot be opened to be synced
        done = run("import", "--store", self.store, people, **user)
        os.chmod(self.store, 0o700)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(self.store + ": Permission denied", done.stderr)
        self.assertEqual(self.show("a").returncode, 0)

    def test_no_room(self):
        """A disk that is full sooner or later (tmpfs; as root only), and such a limit (setrlimit)."""
        people = self.write("people", "".join('{"id":"%d","upn":"u%d@example.org"}\n' % (n, n) for n in range(3000)))
        folder = os.path.join(self.folder.name, "folder")
        os.mkdir(folder)
        sizes = [1 << bits for bits in range(13, 18)]
        for size in sizes:
            self.check_no_room(folder, people, "the file size limit (ulimit -f) is reached", **mt.limited_files(size))
        if subprocess.run(["mount", "-t", "tmpfs", "none", folder], stderr=subprocess.DEVNULL).returncode != 0:
            print("no tmpfs can be mounted here: only the limit was tried", flush=True)
            return
        try:
            subprocess.run(["mount", "-o", "remount,size=4k", folder], check=True)
            with open(os.path.join(folder, "filler"), "wb") as filler:
                filler.write(b"x" * 4096)
            for size in (4096, *sizes, 360 << 10):  # none is left at first; the last is enough for LMDB's part
                subprocess.run(["mount", "-o", "remount,size=%d" % size, folder], check=True)
                self.check_no_room(folder, people, "No space left on device", left=["filler"])
            subprocess.run(["mount", "-o", "remount,size=4m", folder], check=True)
            self.assertEqual(run("import", "--store", os.path.join(folder, "store"), people).returncode, 0)
        finally:
            subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
