from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import unittest

from log import annotate
from support import SCRIPTS, ScriptTest
from web import Failure
from workflow import markdown_code, set_output


class WorkflowTest(ScriptTest):
    def test_code_shows_a_text_as_it_is(self) -> None:
        for text, shown in (
            ("aws", "`aws`"),
            ("a`b", "``a`b``"),
            ("`a", "`` `a ``"),
            ("a``b`", "``` a``b` ```"),
            ("@team <b> [x](y)", "`@team <b> [x](y)`"),
            ("a\nb", "`a b`"),
            ("a|b", "`a\u2223b`"),
        ):
            with self.subTest(text):
                self.assertEqual(markdown_code(text), shown)

    def test_an_annotation_is_one_line(self) -> None:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            annotate("error", "50%25\n::set-output name=x::y")
        self.assertEqual(output.getvalue(), "::error::50%2525 :set-output name=x:y\n")

    def test_an_output_has_one_line(self) -> None:
        file = self.folder / "output"
        os.environ["GITHUB_OUTPUT"] = str(file)
        self.addCleanup(os.environ.pop, "GITHUB_OUTPUT")
        set_output("a", "1")
        with self.assertRaises(Failure):
            set_output("b", "1\nc=2")
        self.assertEqual(file.read_text(), "a=1\n")

    def test_a_fault_of_a_script_is_one_annotation_and_obeys_nothing(self) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); from workflow import run\n"
            "def main(): {}['##[x]\\n::error::y']\n"
            "run(main)"
        )
        done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout.count("::error::")), (1, 1))
        self.assertIn("KeyError", done.stdout)
        self.assertIn("in main", done.stderr)
        self.assert_obeys_nothing(done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
