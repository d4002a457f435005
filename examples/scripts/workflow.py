"""What a script hands to the workflow that runs it: annotations, outputs, the job summary, Markdown."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable

from web import Failure


def run(main: Callable[[], None]) -> None:
    """Ends with exit code 1 and one annotation where the script fails."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        main()
    except (Failure, OSError) as failure:
        annotate("error", f"{os.path.basename(sys.argv[0])}: {failure}")
        sys.exit(1)


def annotate(level: str, text: str) -> None:
    line = " ".join(text.split()).replace("%", "%25")
    print(f"::{level}::{line}", flush=True)


def variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise Failure(f"{name} is not set; run this as a step of a workflow")
    return value


def set_output(name: str, value: str) -> None:
    if "\n" in value or "\r" in value:
        raise Failure(f"the output {name} has more than one line")
    append("GITHUB_OUTPUT", f"{name}={value}\n")


def append(name: str, text: str) -> None:
    """@param name of the variable that holds the file's path, such as GITHUB_STEP_SUMMARY"""
    with open(variable(name), "a", encoding="utf-8") as file:
        file.write(text)


def code(text: str) -> str:
    """A text of somebody else's as Markdown: as it is, no link, no mention, no markup; in a table, too."""
    text = " ".join(text.split())
    if "|" in text:
        # GitHub takes \| for | in a table's code, but not outside of tables: another character serves both.
        text = text.replace("|", "\u2223")
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text[:1] in {"`", ""} or text[-1:] == "`" else ""
    return f"{fence}{pad}{text}{pad}{fence}"
