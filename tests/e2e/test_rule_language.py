"""What Sigma rules mean, through the whole program: a rule, records, and whether it matches each, from the
specification and from the project's page of decisions."""
import json
import sys
import unittest

import millrace_test as mr

PLACEHOLDERS = "admins: [root, 'adm*']\nnets: [10.0.0.0/8, '2001:db8::/32']\nempty: []\nlit: ['a.b']\n"
YES, NO = True, False


def one(detection, *pairs):
    """A detection with one identifier, `s`."""
    return f"{{s: {detection}, condition: s}}", pairs


# (detection, (record's fields, whether it matches)…)
CASES = [
    # texts: whole, in any case; wildcards and escapes
    one("{A: AbC}", ({"A": "aBc"}, YES), ({"A": "abcd"}, NO), ({"A": ["x", "ABC"]}, YES), ({}, NO)),
    one("{A: 'STRASSE\u00c4'}", ({"A": "strasse\u00e4"}, YES), ({"A": "stra\u00dfe\u00e4"}, NO)),
    one("{A: 'a*c'}", ({"A": "ac"}, YES), ({"A": "a\nb\nc"}, YES), ({"A": "acd"}, NO)),
    one("{A: 'a?c'}", ({"A": "a\u20acc"}, YES), ({"A": "ac"}, NO), ({"A": "abbc"}, NO), ({"A": "a\nc"}, YES)),
    one(r"{A: 'a\*c'}", ({"A": "a*c"}, YES), ({"A": "abc"}, NO), ({"A": "a\\*c"}, NO)),
    one(r"{A: 'a\?c'}", ({"A": "a?c"}, YES), ({"A": "abc"}, NO)),
    one(r"{A: 'a\\c'}", ({"A": "a\\c"}, YES), ({"A": "a\\\\c"}, NO)),
    one(r"{A: 'a\c'}", ({"A": "a\\c"}, YES)),
    one(r"{A: 'C:\\*'}", ({"A": "c:\\windows"}, YES), ({"A": "c:*"}, NO)),
    one(r"{A: 'a\'}", ({"A": "a\\"}, YES)),
    one(r"{A: '\\\*'}", ({"A": "\\*"}, YES), ({"A": "\\x"}, NO)),
    one("{A: '*'}", ({"A": ""}, YES), ({"A": 0}, YES), ({"A": None}, NO), ({}, NO)),
    # contains, startswith, endswith, all, cased
    one("{A|contains: B}", ({"A": "abc"}, YES), ({"A": "ac"}, NO)),
    one("{A|contains: 'b*d'}", ({"A": "abcde"}, YES), ({"A": "adbe"}, NO)),
    one("{A|startswith: ab}", ({"A": "ABC"}, YES), ({"A": "xab"}, NO)),
    one("{A|startswith: ''}", ({"A": "x"}, YES), ({"A": ""}, YES), ({}, NO)),
    one("{A|endswith: bc}", ({"A": "aBC"}, YES), ({"A": "bcd"}, NO)),
    one("{A|contains: [x, y]}", ({"A": "ay"}, YES), ({"A": "az"}, NO)),
    one("{A|contains|all: [x, y]}", ({"A": "yax"}, YES), ({"A": ["ax", "ay"]}, YES), ({"A": "ay"}, NO)),
    one("{A|all|contains: [x, y]}", ({"A": "yax"}, YES), ({"A": "ax"}, NO)),
    one("{A|all: ['x*', '*y']}", ({"A": "xay"}, YES), ({"A": "xa"}, NO)),
    one("{A|cased: AbC}", ({"A": "AbC"}, YES), ({"A": "abc"}, NO)),
    one("{A|contains|cased: B}", ({"A": "aBc"}, YES), ({"A": "abc"}, NO)),
    one("{A|cased: 'A*c'}", ({"A": "A..c"}, YES), ({"A": "a..c"}, NO), ({"A": "A..C"}, NO)),
    # re
    one("{A|re: 'b.d'}", ({"A": "abcde"}, YES), ({"A": "aBcde"}, NO)),
    one("{A|re|i: '^B.D$'}", ({"A": "bcd"}, YES), ({"A": "abcd"}, NO)),
    one("{A|re|m: '^b$'}", ({"A": "a\nb\nc"}, YES), ({"A": "abc"}, NO)),
    one("{A|re: '^b$'}", ({"A": "a\nb\nc"}, NO)),
    one("{A|re|s: 'a.c'}", ({"A": "a\nc"}, YES)),
    one("{A|re: 'a.c'}", ({"A": "a\nc"}, NO)),
    one("{A|re|i|m|s: '^B.c'}", ({"A": "x\nb\nC"}, YES), ({"A": "xb\nC"}, NO)),
    one("{A|re|all: ['^a', 'z$']}", ({"A": "a..z"}, YES), ({"A": "a.."}, NO)),
    # base64, base64offset, windash
    one("{A|base64offset|contains: foobar}", ({"A": "xxZm9vYmFyyy"}, YES), ({"A": "Zvb2Jhc"}, YES),
        ({"A": "mb29iYX"}, YES), ({"A": "foobar"}, NO)),
    one("{A|wide|base64offset|contains: ab}", ({"A": "..YQBiA.."}, YES), ({"A": "ab"}, NO)),
    one("{A|base64: foobar}", ({"A": "Zm9vYmFy"}, YES), ({"A": "xZm9vYmFy"}, NO)),
    one("{A|windash|contains: ' -f'}", ({"A": "x -f"}, YES), ({"A": "x /f"}, YES), ({"A": "x \u2013f"}, YES),
        ({"A": "x \u2014f"}, YES), ({"A": "x \u2015f"}, YES), ({"A": "x +f"}, NO)),
    one("{A|windash: '/a-b'}", ({"A": "-a/b"}, YES), ({"A": "ab"}, NO)),
    # cidr
    one("{A|cidr: 10.1.0.0/16}", ({"A": "10.1.255.255"}, YES), ({"A": "10.2.0.0"}, NO), ({"A": "10.1.2.3:443"}, YES),
        ({"A": "::ffff:10.1.2.3"}, YES), ({"A": "10.1"}, NO), ({"A": "host"}, NO), ({}, NO)),
    one("{A|cidr: 0.0.0.0/0}", ({"A": "255.255.255.255"}, YES), ({"A": "0.0.0.0"}, YES), ({"A": "::1"}, NO)),
    one("{A|cidr: 10.1.2.3/32}", ({"A": "10.1.2.3"}, YES), ({"A": "10.1.2.2"}, NO), ({"A": "10.1.2.4"}, NO)),
    one("{A|cidr: 128.0.0.0/1}", ({"A": "128.0.0.0"}, YES), ({"A": "127.255.255.255"}, NO)),
    one("{A|cidr: 10.1.2.2/31}", ({"A": "10.1.2.3"}, YES), ({"A": "10.1.2.1"}, NO), ({"A": "10.1.2.4"}, NO)),
    one("{A|cidr: '::/0'}", ({"A": "::"}, YES), ({"A": "ffff::1"}, YES), ({"A": "1.2.3.4"}, NO)),
    one("{A|cidr: '8000::/1'}", ({"A": "8000::"}, YES), ({"A": "7fff:ffff::"}, NO)),
    one("{A|cidr: '::/64'}", ({"A": "::1"}, YES), ({"A": "::1:0:0:0:0"}, NO), ({"A": "1.2.3.4"}, NO)),
    one("{A|cidr: '2001:db8::/64'}", ({"A": "2001:db8::ffff:ffff:ffff:ffff"}, YES), ({"A": "2001:db8:0:1::"}, NO)),
    one("{A|cidr: '2001:db8::/96'}", ({"A": "2001:db8::ffff:ffff"}, YES), ({"A": "2001:db8::1:0:0"}, NO)),
    one("{A|cidr: '::ffff:0:0/96'}", ({"A": "1.2.3.4"}, YES), ({"A": "::ffff:1.2.3.4"}, YES), ({"A": "::1"}, NO)),
    one("{A|cidr: '2001:db8::1/128'}", ({"A": "2001:db8::1"}, YES), ({"A": "[2001:DB8::1]:443"}, YES),
        ({"A": "2001:db8::"}, NO), ({"A": "2001:db8::2"}, NO)),
    one("{A|cidr: '2001:db8::2/127'}", ({"A": "2001:db8::3"}, YES), ({"A": "2001:db8::1"}, NO)),
    one("{A|cidr: [10.0.0.0/8, '2001:db8::/32']}", ({"A": "10.1.1.1"}, YES), ({"A": "2001:db8::1"}, YES),
        ({"A": "11.1.1.1"}, NO)),
    # exists, null, empty text
    one("{A|exists: true}", ({"A": None}, YES), ({"A": ""}, YES), ({"A": []}, YES), ({"B": 1}, NO)),
    one("{A|exists: false}", ({"A": None}, NO), ({"B": 1}, YES)),
    one("{A: null}", ({"A": None}, YES), ({"B": 1}, YES), ({"A": []}, YES), ({"A": ""}, NO), ({"A": 0}, NO)),
    one("{A: ''}", ({"A": ""}, YES), ({"A": None}, NO), ({}, NO), ({"A": " "}, NO)),
    one("{A: [null, '']}", ({"A": ""}, YES), ({}, YES), ({"A": "x"}, NO)),
    one("{A|neq: null}", ({"A": "x"}, YES), ({"A": None}, NO), ({}, NO)),
    one("{A|neq: x}", ({"A": "y"}, YES), ({"A": "X"}, NO), ({}, YES), ({"A": ["x", "y"]}, NO)),
    # numbers, texts, booleans
    one("{A: 5}", ({"A": 5}, YES), ({"A": "5"}, YES), ({"A": 5.0}, YES), ({"A": "05"}, NO), ({"A": True}, NO)),
    one("{A: '5'}", ({"A": 5}, YES), ({"A": "5"}, YES)),
    one("{A: 1.5}", ({"A": 1.5}, YES), ({"A": "1.5"}, YES), ({"A": "1.50"}, NO)),
    one("{A: 1}", ({"A": True}, NO)),
    one("{A: true}", ({"A": True}, YES), ({"A": "True"}, YES), ({"A": 1}, NO), ({"A": False}, NO)),
    one("{A: 'false'}", ({"A": False}, YES), ({"A": "FALSE"}, YES), ({"A": 0}, NO)),
    one("{A: yes}", ({"A": "yes"}, YES), ({"A": True}, NO)),
    one("{A|contains: 12}", ({"A": 4123}, YES), ({"A": "x12"}, YES), ({"A": 13}, NO)),
    # gt, gte, lt, lte
    one("{A|gt: 5}", ({"A": 6}, YES), ({"A": 5}, NO), ({"A": "6"}, YES), ({"A": "x"}, NO), ({"A": True}, NO)),
    one("{A|gte: 5}", ({"A": 5}, YES), ({"A": 4.9}, NO)),
    one("{A|lt: -1.5}", ({"A": -2}, YES), ({"A": -1.5}, NO), ({}, NO)),
    one("{A|lte: 9007199254740993}", ({"A": 9007199254740993}, YES), ({"A": 9007199254740994}, NO)),
    # fieldref
    one("{A|fieldref: B}", ({"A": "x", "B": "X"}, YES), ({"A": "x", "B": "y"}, NO), ({"A": "x"}, NO), ({}, NO),
        ({"A": None, "B": None}, NO), ({"A": ["p", "q"], "B": ["r", "Q"]}, YES)),
    one("{A|fieldref|contains: B}", ({"A": "axb", "B": "X"}, YES), ({"A": "x", "B": "axb"}, NO)),
    one("{A|fieldref|startswith: B}", ({"A": "xb", "B": "x"}, YES), ({"A": "bx", "B": "x"}, NO)),
    one("{A|fieldref|endswith: B}", ({"A": "bx", "B": "x"}, YES), ({"A": "xb", "B": "x"}, NO)),
    one("{A|fieldref|neq: B}", ({"A": "x", "B": "y"}, YES), ({"A": "x", "B": "x"}, NO), ({}, YES)),
    # expand
    one("{A|expand: '%admins%'}", ({"A": "ROOT"}, YES), ({"A": "admin7"}, YES), ({"A": "%admins%"}, NO)),
    one("{A|expand: 'x-%admins%-%admins%'}", ({"A": "x-root-adm1"}, YES), ({"A": "x-root-"}, NO)),
    one("{A|contains|expand: '%admins%'}", ({"A": "..root.."}, YES), ({"A": "r00t"}, NO)),
    one("{A|cidr|expand: '%nets%'}", ({"A": "10.9.9.9"}, YES), ({"A": "2001:db8::9"}, YES), ({"A": "9.9.9.9"}, NO)),
    one("{A|re|expand: '^%lit%$'}", ({"A": "a.b"}, YES), ({"A": "axb"}, NO)),
    one("{A|expand: '100%'}", ({"A": "100%"}, YES)),
    one("{A: '%admins%'}", ({"A": "%admins%"}, YES), ({"A": "root"}, NO)),
    # maps, lists, keywords
    one("{A: x, B: y}", ({"A": "x", "B": "y"}, YES), ({"A": "x"}, NO)),
    one("[{A: x}, {B: y}]", ({"A": "x"}, YES), ({"B": "y"}, YES), ({"A": "y"}, NO)),
    one("[needle, 'n*dle2']", ({"A": "a NEEDLE b"}, YES), ({"A": {"B": ["x", {"C": "needle"}]}}, YES),
        ({"needle": 1}, NO), ({"A": "n..dle2"}, YES)),
    one("{'|all': [one, two]}", ({"A": "one", "B": "two"}, YES), ({"A": "one"}, NO)),
    one("[needle, {A: x}]", ({"A": "x"}, YES), ({"B": "needle"}, YES), ({"B": "x"}, NO)),
    one("needle", ({"B": "xneedlex"}, YES), ({"B": "x"}, NO)),
    # nested fields, lists of names and values, JSON in a text
    one("{A.B: x}", ({"A": {"B": "x"}}, YES), ({"A.B": "x"}, YES), ({"A": [{"B": "y"}, {"B": "x"}]}, YES)),
    one("{P.Size: 5}", ({"P": [{"Name": "Size", "Value": "5"}]}, YES), ({"P": [{"Name": "Other", "Value": "5"}]}, NO)),
    one("{P.Name: Size}", ({"P": [{"Name": "Size", "Value": "5"}]}, YES)),
    one("{P|contains: Size}", ({"P": [{"Name": "Size", "Value": "5"}]}, YES)),
    one("{M.X.NewValue|contains: b}", ({"M": [{"Name": "X", "OldValue": "a", "NewValue": "ab"}]}, YES)),
    # conditions
    ("{a: {A: 1}, b: {B: 1}, condition: a or b and not a}", (({"A": 1}, YES), ({"B": 1}, YES), ({}, NO))),
    ("{a: {A: 1}, b: {B: 1}, condition: (a or b) and not a}", (({"A": 1}, NO), ({"B": 1}, YES))),
    ("{a: {A: 1}, condition: not a}", (({"A": 1}, NO), ({"A": 2}, YES))),
    ("{a: {A: 1}, condition: not not a}", (({"A": 1}, YES), ({"A": 2}, NO))),
    ("{sel_a: {A: 1}, sel_b: {B: 1}, other: {C: 1}, condition: 1 of sel*}",
     (({"A": 1}, YES), ({"B": 1}, YES), ({"C": 1}, NO))),
    ("{sel_a: {A: 1}, sel_b: {B: 1}, other: {C: 1}, condition: all of sel*}",
     (({"A": 1, "B": 1}, YES), ({"A": 1, "C": 1}, NO))),
    ("{a: {A: 1}, b: {B: 1}, _c: {C: 1}, condition: 1 of them}", (({"B": 1}, YES), ({"C": 1}, NO))),
    ("{a: {A: 1}, b: {B: 1}, _c: {C: 1}, condition: all of them}", (({"A": 1, "B": 1}, YES), ({"A": 1}, NO))),
    ("{a: {A: 1}, b: {B: 1}, c: {C: 1}, condition: 2 of them}",
     (({"A": 1, "C": 1}, YES), ({"A": 1}, NO), ({"A": 1, "B": 1, "C": 1}, YES))),
    ("{a: {A: 1}, f_x: {B: 1}, f_y: {C: 1}, condition: a and not 1 of f_*}",
     (({"A": 1}, YES), ({"A": 1, "C": 1}, NO))),
    ("{a: {A: 1}, f_x: {B: 1}, f_y: {C: 1}, condition: a and not all of f_*}",
     (({"A": 1, "C": 1}, YES), ({"A": 1, "B": 1, "C": 1}, NO))),
    ("{a: {A: 1}, b: {B: 1}, condition: [a, b]}", (({"A": 1}, YES), ({"B": 1}, YES), ({}, NO))),
]

# The same for rules that see real records through a mapping.
AUDIT = "{product: m365, service: audit}"
AGENT = {"ExtendedProperties": [{"Name": "UserAgent", "Value": "curl"}, {"Name": "RequestType", "Value": "o"}]}
MAPPED = [
    (AUDIT, *one("{eventName: o}", ({}, YES), ({"eventName": "p"}, NO), ({"eventName": "O", "Operation": "p"}, YES))),
    (AUDIT, *one("{eventName: n}", ({"Operation": "AlertTriggered", "Name": "n"}, YES), ({"Name": "n"}, NO))),
    (AUDIT, *one("{UserAgent: curl}", (AGENT, YES), ({"UserAgent": "curl"}, YES), ({**AGENT, "UserAgent": "x"}, NO))),
    # What a missing field passes is asked of the field that the record has.
    (AUDIT, *one("{UserAgent: null}", (AGENT, NO), ({}, YES), ({**AGENT, "UserAgent": None}, YES))),
    (AUDIT, *one("{UserAgent|exists: false}", (AGENT, NO), ({}, YES), ({"UserAgent": None}, NO))),
    (AUDIT, *one("{UserAgent|neq: curl}", (AGENT, NO), ({}, YES), ({**AGENT, "UserAgent": "x"}, YES))),
    # Either side of a fieldref, and both.
    (AUDIT, *one("{A|fieldref: UserAgent}", ({**AGENT, "A": "CURL"}, YES), ({**AGENT, "A": "x"}, NO),
                 ({**AGENT, "A": "x", "UserAgent": "x"}, YES), ({**AGENT, "A": "curl", "UserAgent": "x"}, NO))),
    (AUDIT, *one("{UserAgent|fieldref: A}", ({**AGENT, "A": "CURL"}, YES), ({**AGENT, "A": "x"}, NO))),
    (AUDIT, *one("{eventName|fieldref: RequestType}", (AGENT, YES), ({**AGENT, "Operation": "p"}, NO), ({}, NO))),
    (AUDIT, *one("{eventName|fieldref|neq: RequestType}", (AGENT, NO), ({**AGENT, "Operation": "p"}, YES), ({}, YES))),
]


class Language(unittest.TestCase):
    def test_cases(self):
        rules, records, wanted = [], [], {}
        cases = [("{}", *case) for case in CASES] + MAPPED
        for number, (logsource, detection, pairs) in enumerate(cases):
            rules.append(f"title: t\nid: case-{number}\nlogsource: {logsource}\ndetection: {detection}\n")
            for fields, matches in pairs:
                identity = f"record-{len(records)}"
                records.append({"Id": identity, "RecordType": 1, "Operation": "o", "Workload": "w",
                                "CreationTime": "2026-05-04T10:11:12", **fields})
                wanted[f"case-{number}", identity] = matches
        with mr.Workplace() as place:
            for name, text in [("rules.yml", "---\n".join(rules)), ("values", PLACEHOLDERS),
                               ("records", "".join(json.dumps(record) + "\n" for record in records))]:
                with open(place.path(name), "w", encoding="utf-8") as out:
                    out.write(text)
            status, found, said = mr.scan(
                "-r", place.path("rules.yml"), "--placeholders", place.path("values"), "--workers", 2, "--strict",
                "--summary", place.path("summary"), place.path("records"), env=place.environment)
            self.assertEqual(status, 0, said)
            counts = mr.summary(place.path("summary"))
        self.assertEqual((counts["rules"], counts["rules_inactive"], counts["rejected"]), (len(cases), 0, 0))
        fired = {(alert["finding_info"]["analytic"]["uid"], alert["unmapped"]["millrace"]["key"][0]) for alert in found}
        wrong = [(cases[int(rule.split("-")[1])][1], records[int(record.split("-")[1])], matches)
                 for (rule, record), matches in wanted.items() if ((rule, record) in fired) != matches]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
