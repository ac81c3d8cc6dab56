"""Rule files as they come: what is taken, what is refused, where and why, and what one file has to do with another."""
import json
import os
import re
import subprocess
import sys
import textwrap
import unittest

import millrace_test as mr

LOG = "logsource: {product: m365, service: audit}\n"


def rule(identity, name=None, detection="{s: {Operation: x}, condition: s}", more=""):
    name = f"name: {name}\n" if name else ""
    return f"title: t\nid: {identity}\n{name}{more}{LOG}detection: {detection}\n"


def count(identity, rules, more="", name=None):
    name = f"name: {name}\n" if name else ""
    return (f"title: t\nid: {identity}\n{name}correlation: {{type: event_count, rules: {rules}, timespan: 1h, "
            f"condition: {{gte: 2}}{more}}}\n")


def blocklist(rules, condition="not f"):
    rules = f"rules: {rules}, " if rules is not None else ""
    return f"title: f\nid: filter\n{LOG}filter: {{{rules}f: {{UserId: bob}}, condition: {condition}}}\n"


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi"))

# What it is: files, (rules, correlations, filters) taken, refusals as (file, line, column, words of the reason).
CASES = {
    "one rule": ({"a.yml": rule("a")}, (1, 0, 0), []),
    "empty files": ({"a.yml": "", "b.yml": "\n\n", "c.yml": "# nothing\n", "d.yml": "---\n---\n", "e.yml": rule("e")},
                    (1, 0, 0), []),
    "a mark of byte order": ({"a.yml": b"\xef\xbb\xbf" + rule("a").encode()}, (1, 0, 0), []),
    "UTF-16": ({"a.yml": rule("a").encode("utf-16"), "b.yml": rule("b")}, (1, 0, 0),
               [("a.yml", 1, 1, "is not UTF-8")]),
    "lines that end as on Windows": ({"a.yml": (rule("a") + "---\n" + rule("b")).replace("\n", "\r\n")}, (2, 0, 0), []),
    "a tab": ({"a.yml": "title: t\ndetection:\n\ts: x\n", "b.yml": rule("b")}, (1, 0, 0), [("a.yml", 3, 1, "tab")]),
    "a byte that is no UTF-8": ({"a.yml": b"title: t\nid: \xe9\n", "b.yml": rule("b")}, (1, 0, 0),
                                [("a.yml", 2, 5, "byte 0xe9 is not UTF-8")]),
    "an anchor and its alias": ({"a.yml": rule("a", detection="{a: &v {Operation: x}, b: *v, condition: a or b}")},
                                (1, 0, 0), []),
    "a merge key": ({"a.yml": rule("a", detection="{a: &v {Operation: x}, b: {<<: *v}, condition: a}")}, (0, 0, 0),
                    [("a.yml", 4, 39, "merge keys are not part of YAML 1.2")]),
    "a billion laughs": ({"a.yml": LAUGHS, "b.yml": rule("b")}, (1, 0, 0), [("a.yml", 6, 7, "larger than 32 MiB")]),
    "an alias of itself": ({"a.yml": "title: &a [*a]\n", "b.yml": rule("b")}, (1, 0, 0),
                           [("a.yml", 1, 12, "the anchor &a")]),
    "100 MB": ({"a.yml": ("# " + "x" * 98 + "\n") * 1000000, "b.yml": rule("b")}, (1, 0, 0),
               [("a.yml", 1, 1, "longer than 16 MiB")]),
    "deep nesting": ({"a.yml": "title: " + "[" * 50000 + "]" * 50000 + "\n", "b.yml": rule("b")}, (1, 0, 0),
                     [("a.yml", 1, 67, "60 levels")]),
    "nesting without end": ({"a.yml": "title: " + "{" * 16000000, "b.yml": rule("b")}, (1, 0, 0),
                            [("a.yml", 1, 1, "more than 1 MiB with brackets")]),
    "levels without end": ({"a.yml": "? " * 8000000, "b.yml": rule("b")}, (1, 0, 0), [("a.yml", 1, 121, "60 levels")]),
    "a long list in brackets": ({"a.yml": rule("a") + "---\nx: [" + "a, " * 400000 + "]\n---\n" + rule("c")}, (1, 0, 0),
                                [("a.yml", 5, 1, "with a dash before each member")]),
    "a long list with dashes": ({"a.yml": rule("a").replace("{product: m365, service: audit}", "").replace(
        "{s: {Operation: x}, condition: s}", "\n s:\n  A:\n" + "".join(f"  - {'x' * 200}{n}\n" for n in range(9000)) +
        " condition: s")}, (1, 0, 0), []),
    "another YAML": ({"a.yml": "%YAML 1.9\n---\na: b\n", "b.yml": rule("b")}, (1, 0, 0),
                     [("a.yml", 1, 1, "not YAML 1.2")]),
    "a key twice": ({"a.yml": rule("a") + "title: u\n", "b.yml": rule("b")}, (1, 0, 0),
                    [("a.yml", 5, 1, "the key title stands twice")]),
    "an identifier twice": ({"a.yml": rule("a", detection="{s: {A: 1}, s: {B: 1}, condition: s}")}, (0, 0, 0),
                            [("a.yml", 4, 24, "the key s stands twice")]),
    "one document of three": ({"a.yml": rule("a") + "---\nx\n---\n" + rule("c")}, (2, 0, 0),
                              [("a.yml", 6, 1, "a text where a rule")]),
    "an id twice": ({"a.yml": rule("a"), "b.yml": "# second\n" + rule("a")}, (1, 0, 0),
                    [("b.yml", 3, 5, "a.yml:1)")]),
    "a name twice": ({"a.yml": rule("a", "n") + "---\n" + rule("b", "n")}, (2, 0, 0), []),
    "a name twice, and asked for": ({"a.yml": rule("a", "n") + "---\n" + rule("b", "n") + "---\n" + count("c", "[n]")},
                                    (2, 0, 0), [("a.yml", 15, 42, "several rules have the name \"n\"; use an id")]),
    "a name that is another's id": ({"a.yml": rule("a", "b") + "---\n" + rule("b") + "---\n" + count("c", "[b]")},
                                    (2, 1, 0), []),
    "no id": ({"a.yml": rule("a").replace("id: a\n", ""), "b.yml": rule("a").replace("id: a\n", "")}, (1, 0, 0),
              [("b.yml", 1, 1, "is that of an earlier rule")]),
    "an unknown rule": ({"a.yml": rule("a") + "---\n" + count("c", "[a, z]")}, (1, 0, 0),
                        [("a.yml", 8, 45, "no rule has the id or name \"z\"")]),
    "a refused rule": ({"a.yml": rule("a", detection="{condition: s}") + "---\n" + count("c", "[a]")}, (0, 0, 0),
                       [("a.yml", 4, 24, "\"s\" is not in this detection"),
                        ("a.yml", 8, 42, "needs the rule \"a\", which was refused")]),
    "a chain over a refused rule": (
        {"a.yml": rule("a", detection="{condition: s}") + "---\n" + count("c", "[a]") + "---\n" + count("d", "[c]")},
        (0, 0, 0), [("a.yml", 4, 24, "\"s\""), ("a.yml", 8, 42, "needs the rule \"a\""),
                    ("a.yml", 12, 42, "needs the rule \"c\"")]),
    "a cycle": ({"a.yml": count("c", "[d]") + "---\n" + count("d", "[c]") + "---\n" + rule("a")}, (1, 0, 0),
                [("a.yml", 3, 42, "needs the rule \"d\""),
                 ("a.yml", 7, 42, "leads back to this correlation: a cycle")]),
    "a filter's id is no rule": ({"a.yml": rule("a") + "---\n" + blocklist("[a]") + "---\n" + count("c", "[filter]")},
                                 (1, 0, 1), [("a.yml", 13, 42, "no rule has the id or name \"filter\"")]),
    "a filter on a correlation": ({"a.yml": rule("a") + "---\n" + count("c", "[a]") + "---\n" + blocklist("[c]")},
                                  (1, 1, 0), [("a.yml", 13, 18, "cannot apply to the correlation \"c\"")]),
    "a filter on a correlation's name": (
        {"a.yml": rule("a") + "---\n" + count("c", "[a]", name="burst") + "---\n" + blocklist("[a, burst]")}, (1, 1, 0),
        [("a.yml", 14, 21, "cannot apply to the correlation \"burst\"")]),
    "a filter that names no rules": ({"a.yml": rule("a") + "---\n" + blocklist(None)}, (1, 0, 0),
                                     [("a.yml", 9, 9, '"rules" is missing: a list of ids or names of rules, or any')]),
    "a filter whose rules are null": ({"a.yml": rule("a") + "---\n" + blocklist("null")}, (1, 0, 0),
                                      [("a.yml", 9, 17, '"rules" is missing')]),
    "a filter that names a rule without a name": ({"a.yml": rule("a") + "---\n" + blocklist("[a, '']")}, (1, 0, 0),
                                                  [("a.yml", 9, 21, "where a rule's id or name should stand")]),
    **{f"a logsource whose {part} is no text": (
        {"a.yml": rule("a").replace(LOG, f"logsource: {{{part}: [m365, azure]}}\n"), "b.yml": rule("b")}, (1, 0, 0),
        [("a.yml", 3, 12 + len(part) + 3, f'"{part}" is a list, not a text; write a rule for each')])
       for part in ("product", "category", "service")},
    **{f"a condition with {word}": (
        {"a.yml": rule("a", detection=f"{{s: {{A: 1}}, t: {{B: 1}}, condition: {text}}}"), "b.yml": rule("b")}, (1, 0, 0),
        [("a.yml", 4, 46 + text.index(word), f'"{word}": and, or, not, of, all, any and them are written in lower case')])
       for word, text in (("AND", "s AND t"), ("Or", "s Or t"), ("NOT", "NOT s"), ("All", "All of them"), ("THEM", "1 of THEM"),
                          ("ANY", "s or ANY of them"))},
    "a modifier behind a field of other letters": (
        {"a.yml": rule("a", detection="{s: {Größe|nope: 1}, condition: s}"), "b.yml": rule("b")}, (1, 0, 0),
        [("a.yml", 4, 23, '"nope" is not known')]),
    "a regex of other letters": ({"a.yml": rule("a", detection="{s: {A|re: 'äö('}, condition: s}"), "b.yml": rule("b")}, (1, 0, 0),
                                 [("a.yml", 4, 23, "at character 4 of it")]),
    "a condition of other letters": ({"a.yml": rule("a", detection="{s: {A: 1}, condition: s or ä}"), "b.yml": rule("b")}, (1, 0, 0),
                                     [("a.yml", 4, 40, '"ä" where an identifier should stand')]),
    "near": ({"a.yml": rule("a", detection="{s: {A: 1}, t: {A: 2}, condition: s | near t}")}, (0, 0, 0),
             [("a.yml", 4, 48, "write a correlation")]),
    "an unknown type": ({"a.yml": rule("a") + "---\n" + count("c", "[a]").replace("event_count", "near")}, (1, 0, 0),
                        [("a.yml", 8, 21, "\"near\" is not supported")]),
    "a slip in a correlation": ({"a.yml": rule("a") + "---\n" + count("c", "[a]", ", group_by: [x]")}, (1, 0, 0),
                                [("a.yml", 8, 81, "no key \"group_by\"")]),
    "a generate that is a text": ({"a.yml": rule("a") + "---\n" + count("c", "[a]", ", generate: yes")}, (1, 0, 0),
                                  [("a.yml", 8, 91, "generate wants true or false")]),
    "a detection and a correlation": ({"a.yml": rule("a") + count("c", "[x]").split("\n")[2] + "\n"}, (0, 0, 0),
                                      [("a.yml", 5, 1, "exclude each other")]),
    "statuses": ({"a.yml": "---\n".join(
        rule(status, more=f"status: {status}\nrelated: [{{id: x, type: obsoletes}}]\n")
        for status in ("stable", "test", "experimental", "deprecated", "unsupported"))}, (5, 0, 0), []),
    "an unknown modifier": ({"a.yml": rule("a", detection="{s: {A|nope: 1}, condition: s}")}, (0, 0, 0),
                            [("a.yml", 4, 19, "\"nope\" is not known")]),
    "a count past what is kept": ({"a.yml": rule("a") + "---\n" + count("c", "[a]").replace("gte: 2", "gte: 268435456")},
                                  (1, 0, 0), [("a.yml", 8, 77, "from 1 to 268435455")]),
    "more rules than are named": ({"a.yml": rule("a") + "---\n" + count("c", "[a, a]").replace(
        "event_count", "temporal")}, (1, 0, 0), [("a.yml", 8, 77, "can never hold")]),
    "references without end": ({"a.yml": rule("a", more="references:\n" + "".join(f"- r{n}\n" for n in range(70000)))},
                               (1, 0, 0), []),
    **{f"regexes that are long to compile, {what}": ({"a.yml": rule("a").replace(
        "{s: {Operation: x}, condition: s}", "\n s:\n  A|re:\n" + "".join(
            f"  - '{form % n}'\n" for n in range(count)) + " condition: s")}, (1, 0, 0), [])
       for what, count, form in [("by long repeats", 600, "a.{900}b%d.*(x|y)+z"), ("by many", 600, "a.{99}b%d.*(x|y)+z"),
                                 ("by nested repeats", 10, "(a.{99}b){30}%d"),
                                 ("by a class", 600, "([^]{)(]{50}[a\\]{9]{50})%d")]},
    "a regex of groups without end": ({"a.yml": rule("a", detection="{s: {A|re: '" + "(" * 20000 + ")" * 20000
                                                     + "'}, condition: s}"), "b.yml": rule("b")}, (1, 0, 0),
                                      [("a.yml", 4, 23, "too deep")]),
    "a number where text belongs": ({"a.yml": rule("a", detection="{s: {A|re: 1}, condition: s}")}, (0, 0, 0),
                                    [("a.yml", 4, 23, "re wants a text")]),
}


class Files(unittest.TestCase):
    def setUp(self):
        place = mr.Workplace()
        self.place = place.__enter__()
        self.addCleanup(place.cleanup)

    def write(self, name, text):
        path = self.place.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return path

    def check(self, *paths):
        """Its rules are too short for tags of ATT&CK."""
        done = subprocess.run([mr.PROGRAM, "rules", "check", "--json", "--disable", "missing-attack-tag", *paths],
                              capture_output=True, text=True, timeout=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(list(report), ["files", "rules", "correlations", "filters", "inactive", "refused", "warnings"])
        for note in report["refused"] + report["warnings"]:
            self.assertEqual(list(note), ["file", "line", "column", "id", "reason"])
            self.assertEqual([type(value) for value in note.values()], [str, int, int, str, str])
        # These rules have no tags.
        report["warnings"] = [note for note in report["warnings"] if not note["reason"].startswith("no tag names a technique")]
        self.assertEqual(done.returncode, 1 if report["refused"] else 0)
        # The ids of most rules here are short.
        report["warnings"] = [note for note in report["warnings"] if "is no UUID" not in note["reason"]]
        return report

    def scan(self, records, *rules):
        path = self.write("records", "".join(json.dumps(mr.record(number) | record) + "\n"
                                             for number, record in enumerate(records)))
        arguments = [word for file in rules for word in ("-r", file)]
        status, found, said = mr.scan(*arguments, "--workers", 1, path, env=self.place.environment)
        self.assertEqual(status, 0, said)
        return sorted(alert["finding_info"]["analytic"]["uid"] for alert in found)

    def test_cases(self):
        for what, (files, taken, refused) in CASES.items():
            with self.subTest(what):
                folder = self.place.path(what)
                for name, text in files.items():
                    self.write(os.path.join(what, name), text)
                report = self.check(folder)
                self.assertEqual((report["rules"], report["correlations"], report["filters"]), taken, report)
                got = [(os.path.relpath(note["file"], folder), note["line"], note["column"]) for note in
                       report["refused"]]
                self.assertEqual(sorted(got), sorted(note[:3] for note in refused), report["refused"])
                for note in refused:
                    reasons = [given["reason"] for given, place in zip(report["refused"], got) if place == note[:3]]
                    self.assertTrue(any(note[3] in reason for reason in reasons), (note, reasons))
                if taken[0] > 0:
                    self.scan_beside(folder, len(refused))

    def scan_beside(self, folder, refused):
        """What is refused does not stop what is not."""
        good = self.write("good.yml", rule("good", detection="{s: {Operation: y}, condition: s}"))
        records = self.write("records", json.dumps(mr.record(1) | {"Operation": "y"}) + "\n")
        status, found, said = mr.scan("-r", folder, "-r", good, "--workers", 1, "--summary", self.place.path("summary"),
                                      records, env=self.place.environment)
        self.assertEqual((status, [alert["finding_info"]["analytic"]["uid"] for alert in found]), (0, ["good"]), said)
        self.assertEqual(mr.summary(self.place.path("summary"))["rules_refused"], refused)
        self.assertEqual(said.count("refused: "), refused, said)

    def test_documents_past_the_bound(self):
        """Empty ones do not count."""
        most = rule("a") + "---\n" + "---\n0\n" * 9999
        for more, places in (("---\n---\n", []), ("---\n# once more\n\n  x: y\n---\n" + rule("b"), [(20007, 3)])):
            report = self.check(self.write("a.yml", most + more))
            self.assertEqual((report["rules"], len(report["refused"])), (1, 9999 + len(places)))
            self.assertEqual([(note["line"], note["column"]) for note in report["refused"]
                              if "more than 10,000 documents" in note["reason"]], places)

    def test_across_folders(self):
        first = os.path.dirname(self.write("first/c.yml", count("c", "[inner, 'n']")))
        second = os.path.dirname(self.write("second/deeper/r.yaml", rule("r", "n")))
        third = self.write("third.yml", count("x", "[r]", name="inner"))
        report = self.check(os.path.dirname(second), first, third)
        self.assertEqual((report["files"], report["rules"], report["correlations"], report["refused"]), (3, 1, 2, []))
        records = [{"Operation": "x"}] * 2
        self.assertEqual(self.scan(records, first, second, third), ["c"])
        self.assertEqual(self.scan(records, third, second), ["x"])

    def test_a_pipe(self):
        """What comes through it is a rule file; one that nobody writes to keeps nobody waiting."""
        path = self.place.path("pipe.yml")
        os.mkfifo(path)
        done = subprocess.run([mr.PROGRAM, "rules", "check", path], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (2, f"millrace rules: {path}: no rule is there\n"))
        read_end, write_end = os.pipe()
        with subprocess.Popen([mr.PROGRAM, "rules", "check", "--json", f"/dev/fd/{read_end}"], pass_fds=[read_end],
                              stdout=subprocess.PIPE, text=True) as process:
            os.close(read_end)
            text = rule("a").encode()
            os.write(write_end, text[:20])
            os.write(write_end, text[20:])
            os.close(write_end)
            self.assertEqual(json.loads(process.communicate(timeout=60)[0])["rules"], 1)

    def test_a_file_given_twice_is_read_once(self):
        path = self.write("rules/a.yml", rule("a"))
        os.symlink(path, self.place.path("rules/b.yml"))
        report = self.check(self.place.path("rules"), path)
        self.assertEqual((report["files"], report["rules"], report["refused"]), (1, 1, []))

    def test_filters(self):
        records = [{"Operation": "x", "UserId": "ann"}, {"Operation": "x", "UserId": "bob"}]
        rules = self.write("rules.yml", rule("a", "na") + "---\n" + rule("b"))
        for named, fired in (("any", "ab"), ("[any]", "ab"), ("[]", "ab"), ("[a]", "abb"), ("na", "abb"),
                             ("[a, b]", "ab"), ("[z]", "aabb")):
            with self.subTest(named):
                path = self.write("filter.yml", blocklist(named))
                self.assertEqual("".join(self.scan(records, path, rules)), fired)
        # Without `not` it keeps what it selects, and that is told.
        path = self.write("filter.yml", blocklist("[a]", "f"))
        self.assertEqual("".join(self.scan(records, path, rules)), "abb")
        self.assertIn("without `not`", self.check(path, rules)["warnings"][0]["reason"])
        # Without its placeholder's value nobody knows what it lets through.
        path = self.write("filter.yml", blocklist("[a]").replace("UserId: bob", "UserId|expand: '%x%'"))
        self.assertEqual("".join(self.scan(records, path, rules)), "bb")
        self.assertEqual(self.check(path, rules)["inactive"], ["a"])
        # Another logsource is another matter.
        path = self.write("filter.yml", blocklist("any").replace("audit", "exchange"))
        self.assertEqual("".join(self.scan(records, path, rules)), "aabb")

    def test_filters_that_do_nothing(self):
        azure = "{product: azure, service: auditlogs}"
        rules = rule("a", "na") + "---\n" + rule("b").replace("{product: m365, service: audit}", azure) + "---\n"
        refused = rule("r", detection="{condition: s}") + "---\n"
        differ = (f'the filter does nothing to the rule "b", whose logsource is {azure}: the filter\'s is '
                  "{product: m365, service: audit} and would have to be the same")
        gone = 'the filter names a rule that is not there: "z"'
        for others, named, told in (
                (rules, "[a]", []), (rules, "any", []), (rules, "[na, b]", [(15, 22, differ)]),
                (rules, "[z, a]", [(15, 18, gone)]), (refused, "[r]", []), ("", "z", [(4, 17, gone)]),
                ("", "any", [(3, 12, "the filter does nothing: no rule has its logsource, "
                                     "{product: m365, service: audit}")])):
            with self.subTest(others=others, named=named):
                report = self.check(self.write("a.yml", others + blocklist(named)))
                self.assertEqual([(note["line"], note["column"], note["reason"]) for note in report["warnings"]
                                  if "the filter" in note["reason"]], told)
                self.assertEqual((report["filters"], report["rules"]), (1, others.count("title") - (others == refused)))

    def test_the_filter_of_the_readme(self):
        """As it stands there it fits our rule."""
        with open(os.path.join(mr.ROOT, "README.md"), encoding="utf-8") as file:
            block = re.search(r"^    title: The auditors' tool\n(?:    .*\n)+", file.read(), re.MULTILINE)
        path = self.write("filter.yml", textwrap.dedent(block.group()))
        report = self.check(path, os.path.join(mr.ROOT, "rules"))
        self.assertEqual((report["filters"], report["refused"], report["warnings"]), (1, [], []))

    def test_correlations_name_fields_as_their_rules_do(self):
        """group-by, aliases and condition.field go through the mapping of each rule's logsource."""
        rules = self.write("rules.yml", "---\n".join([
            rule("ual", detection="{s: {eventSource: [Exchange, SharePoint]}, condition: s}"),
            rule("login", detection="{s: {ResultType: 50126}, condition: s}").replace(
                LOG, "logsource: {product: azure, service: signinlogs}\n"),
            "title: t\nid: distinct\ncorrelation: {type: value_count, rules: [ual], group-by: [eventSource], "
            "timespan: 1h, condition: {gte: 3, field: eventName}}\n",
            "title: t\nid: joined\ncorrelation: {type: temporal, rules: [ual, login], group-by: [who, UserAgent], "
            "timespan: 1h, aliases: {who: {ual: eventName, login: Username}}}\n"]))
        logon = {"Workload": "AzureActiveDirectory", "RecordType": 15, "ErrorNumber": "50126", "UserId": "three",
                 "ExtendedProperties": [{"Name": "UserAgent", "Value": "curl"}]}
        mail = {"Workload": "Exchange", "UserAgent": "curl"}
        records = [{**mail, "Operation": name} for name in ("one", "two", "three")]
        self.assertEqual(self.scan([*records, logon], rules), ["distinct", "joined"])
        self.assertEqual(self.scan([*records[:2], {**records[2], "Workload": "SharePoint"}, logon], rules), ["joined"])
        self.assertEqual(self.scan([*records, {**logon, "UserId": "four"}], rules), ["distinct"])
        self.assertEqual(self.scan([*records, {**logon, "UserAgent": "wget"}], rules), ["distinct"])

    def test_outer_correlations_do_too(self):
        rules = self.write("rules.yml", "---\n".join([
            rule("ual", detection="{s: {eventSource: '*'}, condition: s}"),
            count("inner", "[ual]", ", group-by: [UserId]"), count("outer", "[inner]", ", group-by: [eventSource]")]))
        records = [{"UserId": user, "Workload": "Exchange"} for user in ("ann", "ann", "bob", "bob")]
        self.assertEqual(self.scan(records, rules), ["outer"])
        self.assertEqual(self.scan([*records[:3], {**records[3], "Workload": "SharePoint"}], rules), [])
        self.assertEqual(self.scan([*records[:3], {**records[3], "Workload": "x", "eventSource": "exchange"}], rules),
                         ["outer"])

    def test_a_scan_wants_a_rule_that_can_fire(self):
        path = self.write("a.yml", rule("a", detection="{s: {Operation|expand: '%names%'}, condition: s}"))
        records = self.write("records", json.dumps(mr.record(1)) + "\n")
        status, _, said = mr.scan("-r", path, records, env=self.place.environment)
        self.assertEqual(status, 2, said)
        self.assertIn("no usable rule is left: all are inactive, for want of a placeholder's values (--placeholders FILE)", said)
        values = self.write("values", "names: [x]\n")
        self.assertEqual(mr.scan("-r", path, "--placeholders", values, records, env=self.place.environment)[0], 0)

    def test_slips_in_normalised_names_are_told(self):
        """Records' own names are anybody's, so a slip in a normalised one is only nearly one."""
        slips = {"src_endpoint.location.contry": "src_endpoint.location.country", "actor.usr.name": "actor.user.name",
                 "Api.Operations": "api.operation"}
        clean = ["src_endpoint.ip", "Actor.ID", "status.errorCode", "properties.userPrincipalName", "Operaton"]
        for name in list(slips) + clean:
            text = rule("a", detection=f"{{s: {{{name}: x, b|fieldref: {name}}}, condition: s}}") + "---\n" + count(
                "c", "[a]", f", group-by: [{name}, u], aliases: {{u: {{a: {name}}}}}")
            said = [note for note in self.check(self.write("a.yml", text))["warnings"] if "meant" in note["reason"]]
            self.assertEqual([note["line"] for note in said], [4, 4, 8, 8] if name in slips else [], (name, said))
            self.assertTrue(all(f"\"{slips[name]}\" meant" in note["reason"] for note in said))

    def test_what_only_a_setting_fills_is_told(self):
        path = self.write("a.yml", "---\n".join(
            [rule(f"r{n}", detection="{s: {src_endpoint.network: x}, condition: s}") for n in range(5)]
            + [rule("own", detection="{s: {Operation: y}, condition: s}"), count("c", "[own]", ", group-by: [actor.user.risk_level]")]))
        records = self.write("records", json.dumps(mr.record(1)) + "\n")
        networks = self.write("networks", "192.0.2.0/24 office\n")
        said = mr.scan("-r", path, records, env=self.place.environment)[2]
        self.assertIn('no "networks" is given: 5 rules ask for what only it fills, such as src_endpoint.network: '
                      '"t", "t", "t" and 2 more', said)
        self.assertIn('no "identity" is given: 1 rule asks for what only it fills, such as actor.user.risk_level', said)
        self.assertNotIn('"geoip"', said)
        said = mr.scan("-r", path, "--networks", networks, records, env=self.place.environment)[2]
        self.assertNotIn('"networks"', said)

    def test_odd_metadata_is_told(self):
        path = self.write("a.yml", rule("a", more="status: fine\nlevel: severe\n"))
        report = self.check(path)
        self.assertEqual(sorted((note["line"], note["column"], note["reason"].split(":")[0])
                                for note in report["warnings"]),
                         [(3, 9, "\"fine\" is no status"), (4, 8, "\"severe\" is no level")])
        self.assertEqual(report["rules"], 1)
        slips = rule("a", more="levle: high\nTags: [x]\ncustom: 1\nowner: me\n")
        self.assertEqual([(note["line"], note["reason"]) for note in self.check(self.write("a.yml", slips))["warnings"]],
                         [(3, '"levle" is left out; is "level" meant?'), (4, '"Tags" is left out; is "tags" meant?'),
                          (1, '"level" is missing: the severity of its alerts is Unknown')])
        odd = rule("a", more="level: low\n").replace("{product", "{tenant: x, definition: y, product")
        over = count("c", "[a]", ", group-by: [u], aliases: {u: {a: x}, v: {a: y}}") + "level: low\n"
        path = self.write("a.yml", odd + "---\n" + over)
        self.assertEqual([(note["line"], note["column"], note["reason"].split(":")[0])
                          for note in self.check(path)["warnings"]],
                         [(4, 13, "\"tenant\" is left out of the logsource"),
                          (9, 117, "the alias \"v\" is used nowhere")])

    def test_what_the_specification_says_of_metadata(self):
        """Each is told, at its place, and works all the same."""
        good = ("level: low\ndate: 2024-02-29\nmodified: 2024-03-01\nstatus: test\ntaxonomy: sigma\nlicense: MIT\nscope: [server]\n"
                "related: [{id: b, type: derived}, {id: c, type: similar}]\ntags: [attack.t1078, attack.ds0015, attack.m1047, "
                "attack.a0008, attack.g0016, attack.s0154, tlp.amber-strict, detection.dfir, cve.2021-44228, car.2016-04-005, "
                "d3fend.d3f-WindowsNtOpenFile, stp.3k]\n")
        self.assertEqual(self.check(self.write("a.yml", rule("a", more=good)))["warnings"], [])
        cases = (("date: 2024-02-29", "date: 2024/02/29", 7, '"date" is "2024/02/29", which the specification writes 2024-02-29'),
                 ("date: 2024-02-29", "date: 2023/02/29", 7, '"date" is "2023/02/29", which is no day of the calendar'),
                 ("modified: 2024-03-01", "modified: 2024-03-01T00:00:00Z", 11, '"modified" is'),
                 ("taxonomy: sigma", "taxonomy: [x]", 11, '"taxonomy" is a list, not a text'),
                 ("related: [{id: b, type: derived}, {id: c, type: similar}]", "related: b", 10, '"related" is a text'),
                 ("{id: b, type: derived}", "{type: derived}", 11, 'a member of "related" is {id'),
                 ("{id: b, type: derived}", "{id: b, type: derives}", 25, "the type of a relation is derived"),
                 ("attack.ds0015", "attack.ds15", 22, '"attack.ds15" is no tactic'),
                 ("attack.ds0015", "two words", 22, '"two words" is no tag'),
                 ("attack.ds0015", "word", 22, '"word" is no tag'),
                 ("tlp.amber-strict", "tlp.ambre", 93, 'no tag "tlp.ambre"; is "tlp.amber" meant?'),
                 ("detection.dfir", "detection.x", 111, 'no tag "detection.x"'))
        for old, new, column, reason in cases:
            text = rule("a", more=good.replace(old, new))
            (told,) = self.check(self.write("a.yml", text))["warnings"]
            line = next(n for n, one in enumerate(text.splitlines(), 1) if new in one)
            self.assertEqual((told["line"], told["column"]), (line, column), told)
            self.assertIn(reason, told["reason"])
        for text, line, column, reason in (
                (rule("a", more="level: low\n").replace("title: t", f"title: {'é' * 257}"), 1, 8, '"title" has 257 characters'),
                (rule("a", more="level: low\ndescription: " + "x" * 65536 + "\n"), 4, 14, '"description" has 65536 characters'),
                (rule("a", more="level: low\n").replace("id: a", "id: [a]"), 2, 5, '"id" is a list, not a text'),
                (rule("a", more="level: low\n").replace("audit", "Audit"), 4, 37, "a logsource are in lower case"),
                (rule("a", "n", more="level: low\n") + "---\n" + rule("b", "n", more="level: low\n"), 10, 7,
                 'the name "n" is that of an earlier rule, too ('),
                (rule("a") + "---\n" + count("c", "[a]") + "level: low\n" + LOG, 10, 1, '"logsource" does nothing in a correlation'),
                (rule("a", more="level: low\n") + "---\n" + blocklist("[a]") + "level: high\n", 11, 1,
                 '"level" does nothing in a filter'),
                (rule("a") + "---\n" + count("c", "[a, a]").replace("event_count", "temporal").replace("gte: 2", "gte: 1")
                 + "level: low\n", 8, 38, "temporal over one rule: each of its matches completes it"),
                (rule("a") + "---\n" + count("c", "[a]").replace("event_count", "temporal_ordered").replace(", condition: {gte: 2}", "")
                 + "level: low\n", 8, 46, "temporal_ordered over one rule: each of its matches completes it"),
                (rule("a", more="level: low\n", detection="{sa: {A: x}, sb: {B: x}, sc: {C: x}, condition: 2 of s*}"), 5, 60,
                 "`2 of`: the specification has `1 of`, `any of` and `all of`"),
                (rule("a", more="level: low\n", detection="{s: {A: [x, On]}, condition: s}"), 5, 24,
                 "On is taken as a text, and by other engines for a boolean")):
            (told,) = self.check(self.write("a.yml", text))["warnings"]
            self.assertEqual((told["line"], told["column"]), (line, column), told)
            self.assertIn(reason, told["reason"])
        refused = self.check(self.write("a.yml", rule("a", more="level: low\n", detection="{s: {A|exists: yes}, condition: s}")))
        self.assertEqual((len(refused["refused"]), refused["warnings"]), (1, []))
        quoted = rule("a", more="level: low\n", detection="{s: {A: ['on', \"no\", once]}, condition: s}")
        self.assertEqual(self.check(self.write("a.yml", quoted))["warnings"], [])

    def test_a_group_is_no_technique(self):
        """Coverage knows tactics and techniques alone."""
        for tag, told in (("attack.g0016", 1), ("attack.t1078", 0), ("attack.impact", 0)):
            path = self.write("a.yml", rule("a", more=f"level: low\ntags: [{tag}]\n"))
            done = subprocess.run([mr.PROGRAM, "rules", "check", path], capture_output=True, text=True, timeout=120)
            self.assertEqual(done.stdout.count("[missing-attack-tag]"), told, done.stdout)

    def test_tags_that_are_nearly_attacks(self):
        tags = "tags: [attack.t1110, Attack.impact, attck.t1078.004, detection.threat-hunting, other.x, car.2013]\n"
        path = self.write("a.yml", rule("a", more="level: low\n" + tags))
        self.assertEqual([(note["line"], note["column"], note["reason"]) for note in self.check(path)["warnings"]],
                         [(4, 37, 'the tag "attck.t1078.004" names no technique or tactic; '
                                 'is "attack.t1078.004" meant?')])

    def test_severity_without_alerts_is_told(self):
        """Nor is a level asked of a rule that makes none of its own."""
        over = count("c", "[a]") + "level: high\n"
        for level, generate, told in (("", "", 0), ("low", "", 0), ("medium", "", 1), ("critical", "", 1),
                                      ("critical", "generate: true\n", 0)):
            base = rule("a", more=f"level: {level}\n" if level else "")
            notes = self.check(self.write("a.yml", base + "---\n" + over + generate))["warnings"]
            self.assertEqual([(note["id"], note["line"], note["column"]) for note in notes], [("a", 3, 8)] * told)
            self.assertTrue(all(note["reason"].startswith("a correlation names the rule, so that it makes no alert")
                                for note in notes))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
