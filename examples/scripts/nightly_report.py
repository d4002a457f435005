#!/usr/bin/env python3
"""Compares the post-quantum report with the last run's, and writes the job summary.

Wants ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, and GITHUB_TOKEN with
actions: read. The file that it writes is its memory: the workflow uploads it as the artifact pqc-history.
The output worse-by is how many more assets are vulnerable, over all connections that got worse.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from datetime import datetime, timezone
from typing import Any, NamedTuple

from armor import Armor
from github_api import GitHub
from web import Failure, Object, as_object, parse
from workflow import annotate, append, code, run, set_output

ARTIFACT = "pqc-history"
MAX_RUNS = 90
MAX_BARS = 30
MAX_NEWS = 50


class Counts(NamedTuple):
    total: int
    vulnerable: int


class Run(NamedTuple):
    at: str
    counts: dict[str, Counts]  # by connection


# How many are vulnerable, by connection and then by kind, service and type.
Details = dict[str, dict[str, int]]


class History(NamedTuple):
    runs: list[Run]
    details: Details  # of the last run


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", help="where to write the history")
    file: str = parser.parse_args().file
    report = Armor().get("/pqc/report")
    now = Run(datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), counts_of(report))
    details = details_of(report)
    last = last_history()
    runs = [*last.runs, now][-MAX_RUNS:]
    with open(file, "w", encoding="utf-8") as output:
        json.dump(to_json(History(runs, details)), output)
    before = last.runs[-1] if last.runs else None
    append("GITHUB_STEP_SUMMARY", summary(runs, before, news(last.details, details) if before else []))
    set_output("worse-by", str(worse_by(now, before)))
    print(f"Compared with the run of {before.at}." if before else "The first run: nothing to compare with.")


def last_history() -> History:
    content = GitHub().last_artifact(ARTIFACT)
    if content is None:
        return History([], {})
    history = from_json(parse(only_file(content)))
    if history is None:
        annotate("warning", f"The last artifact {ARTIFACT} cannot be read. The history starts anew.")
    return history or History([], {})


def only_file(archive: bytes) -> bytes:
    """Nothing where it is not an archive of one file."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            (name,) = files.namelist()
            return files.read(name)
    except (zipfile.BadZipFile, ValueError):
        return b""


def counts_of(report: Object) -> dict[str, Counts]:
    connections = report.get("connection_summary")
    counts = {name: to_counts(one) for name, one in as_object(connections).items()}
    if not counts:
        raise Failure("the report has no connections")
    return counts


def to_counts(value: Any) -> Counts:
    one = as_object(value)
    total, vulnerable = one.get("total_count"), one.get("pqc_vulnerable_count")
    if not isinstance(total, int) or not isinstance(vulnerable, int):
        raise Failure("the report has a connection without counts")
    return Counts(total, vulnerable)


def details_of(report: Object) -> Details:
    """What the report counts one level below a connection: such as its keys, of kms, of type rsa2048."""
    details: Details = {}
    for connection, metrics in as_object(report.get("connection_metrics")).items():
        for kind, of_kind in as_object(metrics).items():
            for service, of_service in as_object(as_object(of_kind).get("service_metrics")).items():
                # keys has key_metrics, certificates has certificate_metrics, resources has resource_metrics.
                by_type = as_object(as_object(of_service).get(f"{kind[:-1]}_metrics"))
                for name, counts in by_type.items():
                    label = f"{kind}, {service}, {name}"
                    details.setdefault(connection, {})[label] = to_counts(counts).vulnerable
    return details


def worse_by(now: Run, before: Run | None) -> int:
    """What got better in one connection does not hide what got worse in another."""
    if before is None:
        return 0
    return sum(max(0, change(now, before, name)) for name in now.counts)


def change(now: Run, before: Run, name: str) -> int:
    none = Counts(0, 0)
    return now.counts.get(name, none).vulnerable - before.counts.get(name, none).vulnerable


def news(before: Details, now: Details) -> list[str]:
    """A line of Markdown for each count that rose, the largest first."""
    rises = [
        (count - before.get(connection, {}).get(label, 0), connection, label, count)
        for connection, counts in now.items()
        for label, count in counts.items()
    ]
    rises = sorted((rise for rise in rises if rise[0] > 0), key=lambda rise: (-rise[0], rise[1], rise[2]))
    lines = [f"- +{rise} {code(name)}: {code(label)}, now {count}" for rise, name, label, count in rises]
    more = len(lines) - MAX_NEWS
    return lines if more <= 0 else [*lines[:MAX_NEWS], f"- and {more} more"]


def summary(runs: list[Run], before: Run | None, new: list[str]) -> str:
    now = runs[-1]
    gone = sorted(set(before.counts) - set(now.counts)) if before else []
    all_of_it = Counts(sum(one.total for one in now.counts.values()), vulnerable_in(now))
    header = "| connection | assets | vulnerable | change |\n|---|--:|--:|--:|"
    lines = ["## Post-quantum readiness", "", header]
    for name, counts in sorted(now.counts.items()):
        lines.append(row(code(name), counts, change(now, before, name) if before else None))
    lines.append(row("**all**", all_of_it, vulnerable_in(now) - vulnerable_in(before) if before else None))
    if gone:
        lines += ["", f"No longer in the report: {', '.join(code(name) for name in gone)}"]
    if before:
        lines += ["", f"### New since {before.at}", "", *(new or ["Nothing."])]
    if len(runs) > 1:
        lines += ["", "### Trend", "", *chart(runs[-MAX_BARS:])]
    return "\n".join(lines) + "\n"


def row(name: str, counts: Counts, difference: int | None) -> str:
    shown = "" if difference is None else f"{difference:+d}" if difference else "0"
    return f"| {name} | {counts.total} | {counts.vulnerable} | {shown} |"


def vulnerable_in(run: Run) -> int:
    return sum(counts.vulnerable for counts in run.counts.values())


def chart(runs: list[Run]) -> list[str]:
    values = [vulnerable_in(run) for run in runs]
    # Room above and below: a chart whose least and greatest value are the same is not drawn.
    room = max(1, (max(values) - min(values)) // 10)
    days = ", ".join(f'"{run.at[5:10]}"' for run in runs)
    return [
        "```mermaid",
        "xychart-beta",
        '  title "Assets that quantum computers can break"',
        f"  x-axis [{days}]",
        f'  y-axis "assets" {max(0, min(values) - room)} --> {max(values) + room}',
        f"  line [{', '.join(map(str, values))}]",
        "```",
    ]


def to_json(history: History) -> Object:
    runs = [
        {"at": one.at, "connections": {name: list(counts) for name, counts in one.counts.items()}}
        for one in history.runs
    ]
    return {"runs": runs, "details": history.details}


def from_json(value: Any) -> History | None:
    """None where it is no history."""
    try:
        runs = [
            Run(
                datetime.strptime(one["at"], "%Y-%m-%dT%H:%M:%SZ").strftime("%Y-%m-%dT%H:%M:%SZ"),
                {name: Counts(*map(int, counts)) for name, counts in one["connections"].items()},
            )
            for one in value["runs"]
        ]
        details = {
            name: {label: int(count) for label, count in counts.items()}
            for name, counts in value["details"].items()
        }
        return History(runs, details)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


if __name__ == "__main__":
    run(main)
