"""The only way in which these scripts print: everything that reaches the log passes through one filter.

The runner reads commands out of a step's output, on stdout and on stderr: `::command::` behind any white
space at a line's start, and `##[command]` anywhere in a line. So a server's status words, a name in Armor or
another program's error could switch masks off or set outputs if they were printed as they are.
"""

from __future__ import annotations

import re
import sys

# Longer texts are cut: an error page of a proxy would bury the line that says what failed.
MAX_FOREIGN = 300


def one_line(text: object) -> str:
    """Give a text on one line, without control characters and without anything that the runner obeys."""
    # str.isprintable() is false for controls, line and paragraph separators, zero-width and bidi marks, and
    # for all white space but the plain space.
    visible = "".join(character if character.isprintable() else " " for character in str(text))
    line = " ".join(visible.split())
    return re.sub(r"#(?=\[)", "# ", re.sub(r":{2,}", ":", line))


def foreign(text: object) -> str:
    """Give somebody else's words as they may be shown inside a line: filtered, and cut."""
    line = one_line(text)
    return line if len(line) <= MAX_FOREIGN else f"{line[:MAX_FOREIGN]}…"


def say(text: str) -> None:
    """Print a line of the result."""
    _write(sys.stdout, one_line(text))


def say_progress(text: str) -> None:
    """Print a line about what is going on, on stderr."""
    _write(sys.stderr, one_line(text))


def annotate(level: str, text: str) -> None:
    """Print an annotation: level is notice, warning or error."""
    # The runner decodes %25 and its like in commands (actions/runner, ActionCommand.cs).
    _write(sys.stdout, f"::{level}::" + one_line(text).replace("%", "%25"))


def _write(stream: object, line: str) -> None:
    # A self-hosted runner may have a locale that cannot show every name: such a character becomes "?".
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), file=stream, flush=True)  # type: ignore[arg-type]
