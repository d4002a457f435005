"""The files of the revision that Armor scanned, read from this checkout."""

from __future__ import annotations

import os
import posixpath
import subprocess
from typing import NamedTuple

from asset import Asset, Occurrence
from web import Failure


class Place(NamedTuple):
    """A line of a file of the scanned revision."""

    # From the repository's root.
    path: str
    # Counted from 1.
    line: int
    # The line's text.
    code: str


class Source:
    """The files of the revision that was scanned."""

    def __init__(self, scanned: Asset) -> None:
        """Take the scan; raise Failure if the checkout does not have its revision."""
        self.revision = scanned.revision
        self.subfolder = scanned.subfolder.strip("/")
        self.files: dict[str, list[str] | None] = {}
        if git("cat-file", "-e", f"{self.revision}^{{commit}}") is None:
            raise Failure(f"the scanned revision {self.revision} is not in this checkout; use fetch-depth: 0")

    def find(self, occurrence: Occurrence) -> Place | None:
        """Give the place of an occurrence; None if the revision does not have it, or has it twice.

        Armor does not say whether a location begins at the repository's root or at the scanned folder.
        """
        folders = {"", self.subfolder}
        paths = {posixpath.normpath(posixpath.join(folder, occurrence.location)) for folder in folders}
        line = occurrence.line
        places = [
            Place(path, line, lines[line - 1])
            for path in sorted(paths)
            for lines in [self.lines(path)]
            if lines is not None and line is not None and 1 <= line <= len(lines)
        ]
        return places[0] if len(places) == 1 else None

    def lines(self, path: str) -> list[str] | None:
        """Give the lines of a file; None if the revision does not have it."""
        if path.startswith(("/", "../")):
            return None
        if path not in self.files:
            content = git("cat-file", "blob", f"{self.revision}:{path}")
            self.files[path] = None if content is None else content.decode(errors="replace").splitlines()
        return self.files[path]


def git(*arguments: str) -> bytes | None:
    """Give what git prints; None if it fails. What it says then may quote a name, and is not shown."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False, cwd=workspace())
    return done.stdout if done.returncode == 0 else None


def workspace() -> str:
    """Give the folder of the checkout."""
    return os.environ.get("GITHUB_WORKSPACE") or "."
