"""As much of YAML 1.2 as Sigma rules are written in, read line by line: block maps and lists, flow ones on a line or
several, plain and quoted texts, block scalars, comments, several documents. For the second evaluator, which shares
nothing with the program. Scalars become text, Number, True, False, None; a map is a Map."""
import re

NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ",
           '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}


class Number(str):
    """A number as it is written."""


class Map(dict):
    """In the order of its keys."""


class Wrong(Exception):
    pass


def scalar(text):
    """A plain one, by the core schema."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    if re.fullmatch(r"0o[0-7]+|0x[0-9a-fA-F]+", text):
        return Number(int(text, 0))
    return Number(text) if NUMBER.fullmatch(text) else text


def uncommented(text):
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].rstrip() if text[:1] not in "'\"" else text


def quoted(text, at):
    """A quoted text that begins at `at`, and where it ends."""
    if text[at] == "'":
        end = re.compile(r"'((?:[^']|'')*)'").match(text, at)
        if not end:
            raise Wrong("a text is not closed")
        return folded(end.group(1)).replace("''", "'"), end.end()
    end = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S).match(text, at)
    if not end:
        raise Wrong("a text is not closed")

    def escape(found):
        word = found.group(1)
        return ESCAPES[word] if word in ESCAPES else chr(int(word[1:], 16))
    return re.sub(r"\\(x..|u.{4}|U.{8}|.)", escape, folded(end.group(1))), end.end()


def folded(text):
    """The lines of a text that goes over several."""
    return re.sub(r"[ \t]*\n[ \t]*", lambda found: " ", text) if "\n" in text else text


class Flow:
    """[a, b] and {a: b}."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def blank(self):
        self.at = re.compile(r"(?:\s+#[^\n]*|\s)*").match(self.text, self.at).end()

    def value(self):
        self.blank()
        sign = self.text[self.at:self.at + 1]
        if sign == "[":
            return self.items("]", lambda: self.value())
        if sign == "{":
            return Map(self.items("}", self.pair))
        if sign in ("'", '"'):
            text, self.at = quoted(self.text, self.at)
            return text
        found = re.compile(r"(?:[^,\[\]{}:#\n]|:(?![\s,\[\]{}])|(?<!\s)#|\n)*").match(self.text, self.at)
        self.at = found.end()
        return scalar(" ".join(found.group().split()))

    def pair(self):
        key = self.value()
        self.blank()
        if self.text[self.at:self.at + 1] != ":":
            return key, None
        self.at += 1
        return key, self.value()

    def items(self, end, read):
        found = []
        self.at += 1
        while True:
            self.blank()
            if self.text[self.at:self.at + 1] == end:
                self.at += 1
                return found
            found.append(read())
            self.blank()
            if self.text[self.at:self.at + 1] == ",":
                self.at += 1
            elif self.text[self.at:self.at + 1] != end:
                raise Wrong(f"no {end} at {self.text[self.at:self.at + 20]!r}")


KEY = re.compile(r"""((?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*"|[^\s#'"\[\]{},&*!|>%@`-][^#]*?|-[^\s#][^#]*?|[^#]*?[^\s#]#[^\s].*?)):(?:\s+(.*)|)$""")


class Block:
    def __init__(self, text):
        self.lines = []
        for line in text.split("\n"):
            self.lines.append((len(line) - len(line.lstrip(" ")), line.strip()))
        self.raw = text.split("\n")
        self.at = 0

    def skip(self):
        while self.at < len(self.lines) and (not self.lines[self.at][1] or self.lines[self.at][1][0] == "#"):
            self.at += 1

    def indent(self):
        self.skip()
        return self.lines[self.at][0] if self.at < len(self.lines) else -1

    def value(self, least):
        """What stands from here on, as long as it is indented by `least`."""
        indent = self.indent()
        if indent < least:
            return None
        text = self.lines[self.at][1]
        if re.match(r"-(\s|$)", text):
            return self.list(indent)
        if text[0] not in "[{" and KEY.match(text):
            return self.map(indent)
        self.at += 1
        return self.inline(text, indent - 1)

    def list(self, indent):
        found = []
        while self.indent() == indent and re.match(r"-(\s|$)", self.lines[self.at][1]):
            text = self.lines[self.at][1][1:]
            rest = uncommented(text.strip())
            if not rest:
                self.at += 1
                found.append(self.value(indent + 1))
                continue
            inner = indent + 1 + len(text) - len(text.lstrip())
            if rest[0] not in "[{" and (KEY.match(text.strip()) or re.match(r"-(\s|$)", rest)):
                self.lines[self.at] = (inner, text.strip())
                found.append(self.value(inner))
            else:
                self.at += 1
                found.append(self.inline(text.strip(), indent))
        return found

    def map(self, indent):
        found = Map()
        while self.indent() == indent:
            key = KEY.match(self.lines[self.at][1])
            if not key:
                raise Wrong(f"no key: {self.lines[self.at][1]}")
            name = key.group(1).strip()
            name = quoted(name, 0)[0] if name[0] in "'\"" else name
            if name in found:
                raise Wrong(f"{name} stands twice")
            rest = (key.group(2) or "").strip()
            self.at += 1
            if uncommented(rest):
                found[name] = self.inline(rest, indent)
            elif self.indent() == indent and re.match(r"-(\s|$)", self.lines[self.at][1]):
                found[name] = self.list(indent)
            else:
                found[name] = self.value(indent + 1)
        return found

    def inline(self, text, indent):
        """A value that begins on a line whose parent is indented by `indent`."""
        if text[0] in "|>":
            return self.block_scalar(text, indent)
        while text[0] in "'\"":  # until it is closed
            try:
                return quoted(text, 0)[0]
            except Wrong:
                if self.at >= len(self.lines):
                    raise
                text += "\n" + self.lines[self.at][1]
                self.at += 1
        while text[0] in "[{":
            try:
                return Flow(text).value()
            except Wrong:
                if self.at >= len(self.lines):
                    raise
                text += "\n" + self.lines[self.at][1]
                self.at += 1
        text = uncommented(text)
        while self.at < len(self.lines) and self.lines[self.at][1] and self.lines[self.at][0] > indent and \
                self.lines[self.at][1][0] != "#":
            text += " " + uncommented(self.lines[self.at][1])
            self.at += 1
        return scalar(text)

    def block_scalar(self, text, indent):
        lines = []
        while self.at < len(self.lines) and (not self.lines[self.at][1] or self.lines[self.at][0] > indent):
            lines.append(self.raw[self.at])
            self.at += 1
        own = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        lines = [line[own:] for line in lines]
        whole = "\n".join(lines).rstrip("\n ")
        if text[0] == ">":
            whole = re.sub(r"([^\n])\n([^\n])", r"\1 \2", whole)
        return whole + ("" if "-" in uncommented(text) else "\n")


def documents(text):
    for part in re.split(r"^---(?:[ \t].*)?$", text.removeprefix("\ufeff"), flags=re.M):
        if any(line.strip() and line.strip()[0] != "#" for line in part.split("\n")):
            yield Block(part).value(0)
