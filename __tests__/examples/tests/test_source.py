"""What the sources of the scripts have to keep to."""

from __future__ import annotations

import ast
import io
import runpy
import sys
import unittest
from contextlib import redirect_stdout
from unittest import mock

from log import MAX_FOREIGN, annotate, foreign, one_line, say
from python_floor import FLOOR
from support import SCRIPTS, ScriptTest

PROGRAMS = sorted(path for path in SCRIPTS.glob("*.py") if path.read_text().startswith("#!"))
MODULES = sorted(SCRIPTS.glob("*.py"))


class SourceTest(ScriptTest):
    def test_an_old_python_is_told_so_in_one_line(self) -> None:
        self.assertGreater(len(PROGRAMS), 8)
        for path in [*PROGRAMS, SCRIPTS / "python_floor.py"]:
            with self.subTest(path.name):
                tree = ast.parse(path.read_text(), feature_version=(3, 6))
                imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
                # Python 3.6 refuses this import when it reads the file.
                self.assertNotIn("annotations", [name.name for node in imports for name in node.names])
                ours = {module.stem for module in MODULES}
                first = next((node for node in imports if names_of(node) & ours), None)
                if path.stem != "python_floor":
                    self.assertEqual(first and names_of(first), {"python_floor"})
                output = io.StringIO()
                with mock.patch.object(sys, "version_info", (3, 8, 18)), redirect_stdout(output):
                    sys.modules.pop("python_floor", None)
                    with self.assertRaises(SystemExit) as ended:
                        runpy.run_path(str(path), run_name="__main__")
                self.assertEqual(ended.exception.code, 1)
                self.assertRegex(
                    output.getvalue(), r"^::error::These scripts need Python \d\.\d+ or newer; .*\n$"
                )
        self.assertLessEqual(FLOOR, sys.version_info[:2])

    def test_only_the_log_prints(self) -> None:
        for path in MODULES:
            if path.stem in {"log", "python_floor"}:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                self.assertNotIn(
                    name, {"print", "sys.stdout.write", "sys.stderr.write", "os.write"}, path.name
                )

    def test_everything_public_says_what_it_is_for(self) -> None:
        for path in MODULES:
            tree = ast.parse(path.read_text())
            self.assertTrue(ast.get_docstring(tree), path.name)
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                    self.assertTrue(ast.get_docstring(node), f"{path.name}: {node.name}")


def names_of(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {node.module or ""}
    return {name.name for name in node.names}


class LogTest(unittest.TestCase):
    def test_nothing_that_the_runner_obeys_is_left(self) -> None:
        ends = [
            "\n",
            "\r",
            "\r\n",
            "\v",
            "\f",
            "\x1c",
            "\x85",
            "\u2028",
            "\u2029",
            "\x00",
            "\u00a0",
            "\u200b",
        ]
        for end in ends:
            for command in ("::set-output name=a::b", "##[add-mask]x", "###[x", ":::::x"):
                line = one_line(f"busy{end}{command}")
                self.assertEqual(line.splitlines(), [line])
                self.assertNotIn("::", line)
                self.assertNotIn("##[", line)
                self.assertTrue(line.isprintable())

    def test_a_command_does_not_come_together_when_something_between_is_dropped(self) -> None:
        for text in (":\u200b:x", "#\u200b#[x]", "##\u00ad[x]", ":\n:x"):
            self.assertNotRegex(one_line(text), r"::|##\[")

    def test_long_words_are_cut(self) -> None:
        self.assertEqual(foreign("x" * 1000), "x" * MAX_FOREIGN + "…")

    def test_a_locale_that_cannot_show_a_name(self) -> None:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with redirect_stdout(stream):
            say("Zürich → 1")
            annotate("error", "Zürich")
        self.assertEqual(stream.detach().getvalue(), b"Z?rich ? 1\n::error::Z?rich\n")  # type: ignore[attr-defined]


class ArgumentTest(ScriptTest):
    def test_an_argument_that_is_refused_is_not_obeyed(self) -> None:
        done = self.run_script("export_inventory", "--limit", "1\n::error::x ##[y]", "folder")
        self.assertEqual(done.code, 2)
        self.assertIn("invalid int value", done.stderr)


if __name__ == "__main__":
    unittest.main()
