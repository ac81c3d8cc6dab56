"""`millrace completion`: each shell offers what --help says, all of it and nothing else, where it stands."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from millrace_test import PROGRAM

# A line for each word that is offered; the words of the line are the arguments.
BASH = """source "$0"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_millrace
printf '%s\\n' "${COMPREPLY[@]}"
"""
# What compsys would be given.
ZSH = """_arguments() { print -rl -- "$@" }
_describe() { print -rl -- "${(@P)2}" }
_files() { print files }
compdef() { : }
source "$0"
words=("$@")
CURRENT=$#
_millrace
"""


def said(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout


def commands(text):
    return re.findall(r"^  (\w+) ", text, re.MULTILINE)


def options(text):
    return re.findall(r"^  (?:-(\w),|   ) --([a-z-]+)(?: (\S+))?", text, re.MULTILINE)


class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.scripts = {}
        for shell in ("bash", "zsh", "fish"):
            cls.scripts[shell] = os.path.join(cls.folder.name, shell)
            with open(cls.scripts[shell], "w", encoding="utf-8") as file:
                file.write(said("completion", shell))
        cls.places = [("",)]
        for command in commands(said("help")):
            cls.places.append((command,))
            if command == "rules":
                cls.places += [(command, inner) for inner in commands(said("rules", "--help"))]
        # These have words of their own behind one help.
        cls.places += [("ledger", "report"), ("ledger", "check"), ("identity", "import"), ("identity", "show")]

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_shell(self, shell, code, *words):
        done = subprocess.run([shell, *(["-f"] if shell == "zsh" else []), "-c", code, self.scripts[shell], *words],
                              capture_output=True, text=True, timeout=60, check=False, cwd=self.folder.name)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout.splitlines()

    def bash(self, *words):
        return self.run_shell("bash", BASH, "millrace", *words)

    def of_one_help(self):
        """The commands whose help is of them alone."""
        return [place for place in self.places if place not in (("",), ("rules",)) and place[0] not in ("ledger", "identity")]

    def test_commands(self):
        self.assertEqual(self.bash(""), commands(said("help")) + ["--help"])
        self.assertEqual(self.bash("rules", ""), commands(said("rules", "--help")) + ["--help"])
        self.assertEqual(self.bash("rules", "ch"), ["check"])
        self.assertEqual(self.bash("ledger", ""), ["check", "report", "--help"])
        self.assertEqual(self.bash("identity", "i"), ["import"])

    def test_options(self):
        """Of each command those of its help: it is read from the same table."""
        for place in self.of_one_help():
            wanted = []
            for letter, name, _ in options(said(*place, "--help")):
                wanted += [f"--{name}"] + ([f"-{letter}"] if letter else [])
            self.assertEqual(self.bash(*place, "-"), wanted, place)
        self.assertEqual(self.bash("identity", "show", "--"), ["--store", "--help"])
        self.assertEqual(self.bash("ledger", "report", "--c"), ["--csv"])
        # A word that is a command elsewhere is none here.
        self.assertEqual(self.bash("check", "rules", "--s"), ["--settings"])

    def test_arguments(self):
        os.makedirs(os.path.join(self.folder.name, "a folder"), exist_ok=True)
        self.assertEqual(self.bash("scan", "--progress", ""), ["auto", "always", "never"])
        self.assertEqual(self.bash("scan", "--log-level", "w"), ["warning"])
        self.assertEqual(self.bash("scan", "--identity", "a"), ["a folder"])
        self.assertEqual(self.bash("scan", "--identity", "b"), [""])
        self.assertEqual(self.bash("scan", "-r", "ba"), ["bash"])
        self.assertEqual(self.bash("scan", "ba"), ["bash"])
        self.assertEqual(self.bash("scan", "--tenant", "ba"), [""])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not there")
    def test_zsh(self):
        self.assertEqual([line.split(":")[0] for line in self.run_shell("zsh", ZSH, "millrace", "")], commands(said("help")))
        self.assertGreater(len(self.of_one_help()), 10)
        for place in self.of_one_help():
            got = self.run_shell("zsh", ZSH, "millrace", *place, "")
            names = [name for _, name, _ in options(said(*place, "--help"))]
            self.assertEqual([re.search(r"--([a-z-]+)\[", line).group(1) for line in got if re.match(r"\*--", line)], names, place)
        progress = [line for line in self.run_shell("zsh", ZSH, "millrace", "scan", "") if "--progress" in line]
        self.assertEqual(progress, ["*--progress[auto: on a terminal]:auto|always|never:(auto always never)"])

    @unittest.skipUnless(shutil.which("fish"), "fish is not there")
    def test_fish(self):
        code = 'source $argv[1]; for line in $argv[2..-1]; echo "== $line"; complete -C "millrace $line"; end'
        places = {" ".join(place) + " --": place for place in self.of_one_help()}
        done = subprocess.run(["fish", "--no-config", "-c", code, self.scripts["fish"], "", "scan --progress ", *places],
                              capture_output=True, text=True, timeout=120, check=False, cwd=self.folder.name,
                              env={**os.environ, "HOME": self.folder.name})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        offered = {}
        for line in done.stdout.splitlines():
            if line.startswith("== "):
                words = offered[line[3:]] = []
            else:
                words.append(line.split("\t")[0])
        self.assertEqual(sorted(offered[""]), sorted(commands(said("help"))))
        self.assertEqual(sorted(offered["scan --progress "]), ["always", "auto", "never"])
        for line, place in places.items():
            names = sorted(f"--{name}" for _, name, _ in options(said(*place, "--help")))
            self.assertEqual(sorted(offered[line]), names, place)

    def test_wrong_use(self):
        for arguments in ([], ["csh"], ["bash", "zsh"], ["--bogus"]):
            done = subprocess.run([PROGRAM, "completion", *arguments], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)

    def test_help_fits_a_terminal(self):
        for place in self.places:
            if place[0] and place[0] not in ("ledger", "identity"):
                for line in said(*place, "--help").splitlines():
                    self.assertLessEqual(len(line), 100, (place, line))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
