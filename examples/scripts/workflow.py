"""What a script shares with the workflow that runs it: arguments, variables, outputs, the job summary."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from log import annotate, foreign, say_progress
from web import Failure

# Nine digits are more than any count or number of seconds here, and int() takes no time for them.
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors, which repeat the arguments, pass the filter of the log."""

    def __init__(self, documentation: str | None) -> None:
        """Take a module's docstring, whose first line describes the script."""
        super().__init__(description=(documentation or "").splitlines()[0])

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one line."""
        say_progress(f"{self.prog}: {foreign(message)}")
        sys.exit(2)


def run(main: Callable[[], None]) -> None:
    """Run a script's main; if it fails, end with exit code 1 and one annotation."""
    # The runner cancels a step by SIGINT and expects the process to end, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    script = os.path.basename(sys.argv[0])
    try:
        main()
    except (Failure, OSError) as failure:
        annotate("error", f"{script}: {failure}")
        sys.exit(1)
    except Exception as error:
        # A fault of the script, or a reply of another shape than documented. The traceback may quote it.
        for line in traceback.format_exc().splitlines():
            say_progress(line)
        annotate("error", f"{script}: {type(error).__name__}: {foreign(error)}")
        sys.exit(1)


def variable(name: str) -> str:
    """Give a variable that the runner or the workflow has to set; raise Failure if it is empty."""
    value = os.environ.get(name, "")
    if not value:
        raise Failure(f"{name} is not set; run this as a step of a workflow")
    return value


def secret(name: str) -> str:
    """Give a secret that the workflow passes on; raise Failure, which says what to do, if it is empty."""
    value = os.environ.get(name, "")
    if not value:
        remedy = f"store the secret {name}, and if it is an environment's, give the job that environment"
        raise Failure(f"{name} is empty: {remedy}")
    return value


def number(name: str, default: int | None = None) -> int | None:
    """Give a variable as a whole number, or the default if it is empty; raise Failure if it is none."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not WHOLE_NUMBER.fullmatch(value):
        raise Failure(f"{name} has to be a whole number of at most nine digits, not '{foreign(value)}'")
    return int(value)


def set_output(name: str, value: str) -> None:
    """Set an output of the step; raise Failure if the value has more than one line."""
    if "\n" in value or "\r" in value:
        raise Failure(f"the output {name} has more than one line")
    append("GITHUB_OUTPUT", f"{name}={value}\n")


def append(name: str, text: str) -> None:
    """Append to the file whose path a variable holds, such as GITHUB_STEP_SUMMARY."""
    # A name in Armor may be no valid text; it is shown with "?" then, and does not end the script.
    with open(variable(name), "a", encoding="utf-8", errors="replace") as file:
        file.write(text)


def markdown_code(text: Any) -> str:
    """Give somebody else's text as Markdown code: no link, no mention and no markup in it, in tables, too."""
    shown = " ".join(str(text).split())
    # GitHub takes \| for | in a table's code, but not outside of tables: another character serves both.
    shown = shown.replace("|", "\u2223")
    longest = max((len(backticks) for backticks in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    needs_padding = shown == "" or shown.startswith("`") or shown.endswith("`")
    padding = " " if needs_padding else ""
    return f"{fence}{padding}{shown}{padding}{fence}"
