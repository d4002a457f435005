"""What the nightly report remembers: a file of JSON that goes from run to run as an artifact."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any, NamedTuple

from armor import Counts, Details, is_count
from web import JsonObject, parse

# An artifact lives 90 days, so a baseline that is older could not be relied on.
MAX_DAYS = 90
# A day has one run, and some more if somebody starts them by hand; beyond this the oldest runs are dropped.
MAX_RUNS = 500
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Run(NamedTuple):
    """One run of the report."""

    # ISO 8601, in UTC.
    at: str
    # By the connection's name.
    counts: dict[str, Counts]

    @property
    def day(self) -> str:
        """Give the date, such as 2026-11-22."""
        return self.at[:10]

    @property
    def vulnerable(self) -> int:
        """Give the number of vulnerable assets over all connections."""
        return sum(counts.vulnerable for counts in self.counts.values())

    @property
    def total(self) -> int:
        """Give the number of assets over all connections."""
        return sum(counts.total for counts in self.counts.values())


class History(NamedTuple):
    """The runs, the oldest first, and the details of the last one."""

    runs: list[Run]
    details: Details

    def lowest(self) -> dict[str, int]:
        """Give the lowest number of vulnerable assets that each connection ever had in these runs."""
        found: dict[str, int] = {}
        for run in self.runs:
            for name, counts in run.counts.items():
                found[name] = min(counts.vulnerable, found.get(name, counts.vulnerable))
        return found

    def with_run(self, run: Run, details: Details) -> History:
        """Give this history with one more run, without the days and runs that are too many."""
        runs = [*self.runs, run][-MAX_RUNS:]
        days = set(sorted({one.day for one in runs})[-MAX_DAYS:])
        return History([one for one in runs if one.day in days], details)

    def last_of_each_day(self) -> list[Run]:
        """Give one run a day: the last one."""
        return list({run.day: run for run in self.runs}.values())


EMPTY = History([], {})


def to_json(history: History) -> JsonObject:
    """Give the history as it is kept in the artifact."""
    runs = [
        {"at": run.at, "connections": {name: list(counts) for name, counts in run.counts.items()}}
        for run in history.runs
    ]
    return {"runs": runs, "details": history.details}


def from_archive(archive: bytes) -> History | None:
    """Give the history in an artifact; None if the archive does not have one file, which is a history."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            (name,) = files.namelist()
            return from_json(parse(files.read(name)))
    except (zipfile.BadZipFile, ValueError):
        return None


def from_json(value: Any) -> History | None:
    """Give the history in a JSON value; None if it is something else."""
    try:
        runs = [Run(time_of(run["at"]), counts_in(run["connections"])) for run in value["runs"]]
        details = {
            name: {label: int(count) for label, count in counts.items()}
            for name, counts in value["details"].items()
        }
        return History(sorted(runs, key=lambda run: run.at), details)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def time_of(text: str) -> str:
    """Give the time in the one form that is sorted as text; raise ValueError if it is another."""
    return datetime.strptime(text, TIME_FORMAT).strftime(TIME_FORMAT)


def counts_in(connections: JsonObject) -> dict[str, Counts]:
    """Give the counts of a run; raise ValueError if one is no count."""
    found = {name: Counts(*counts) for name, counts in connections.items()}
    if not all(is_count(number) for counts in found.values() for number in counts):
        raise ValueError("a count is no number")
    return found
