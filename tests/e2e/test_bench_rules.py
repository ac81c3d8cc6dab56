"""`./run bench rules`: rules that are written again say the same of other texts, and are other rules."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

BENCH = os.path.join(os.environ["MILLRACE_ROOT"], "bench")
sys.path.insert(0, BENCH)
loader = importlib.machinery.SourceFileLoader("bench_rules", os.path.join(BENCH, "rules"))
rules = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_rules", loader))
sys.dont_write_bytecode = True
loader.exec_module(rules)

RULE = """title: A shell
id: 00000001-0000-4000-8000-000000000000
level: low
tags: [attack.t1059]
logsource:
    product: windows
    category: process_creation
detection:
    selection:
        Image|endswith:
            - '\\\\cmd.exe'
            - \\zsh.exe  # a comment
        EventID: 4688
        CommandLine|re: '\\d+ab'
    filter:
        User: 'Admin'
    condition: selection and not filter
falsepositives:
    - Administrators
"""


class Rules(unittest.TestCase):
    def test_texts(self):
        rule = rules.Rule(RULE)
        self.assertEqual(rule.logsource, "product=windows,category=process_creation")
        self.assertEqual(rule.texts(), [("Image", "\\\\cmd.exe"), ("Image", "\\zsh.exe"), ("User", "Admin")])

    def test_again(self):
        rule = rules.Rule(RULE)
        self.assertEqual(rule.again(0), RULE)
        again = rule.again(1)
        for old, new in (("\\cmd.exe", "\\dne.fyf"), ("\\zsh.exe", "\\ati.fyf"), ("'Admin'", "'Benjo'"), ("id: 00000001", "id: 00000002")):
            again = again.replace(new, old)
        self.assertEqual(again, RULE)

    def test_it_is_taken(self):
        with tempfile.TemporaryDirectory() as folder:
            rules.write_rules([rules.Rule(RULE)], 3, folder)
            said = subprocess.run([os.environ["MILLRACE"], "rules", "check", folder], capture_output=True, text=True, check=False)
            self.assertEqual(said.returncode, 0, said.stdout + said.stderr)


if __name__ == "__main__":
    unittest.main()
