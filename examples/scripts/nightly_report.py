#!/usr/bin/env python3
"""Compares the post-quantum report with earlier runs, and writes the job summary.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, and GITHUB_TOKEN with
actions: read. The file that it writes is its memory: the workflow uploads it as the artifact pqc-history.

Each connection is compared with the lowest number of vulnerable assets that it had in the last 90 days, so
that neither a slow growth nor a second run hides what got worse. A new connection is listed and not counted.
Two variables decide what is too much, and each that is set is checked: PQC_BUDGET is how many assets more
than that lowest number are accepted (0 if neither is set), PQC_LIMIT is how many there may be in all. The
output `verdict` then says in one line what is too much; it is empty if all is well.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Optional

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor, Counts, Details, counts_of, details_of
from github_api import GitHub
from log import annotate, say
from pqc_history import EMPTY, TIME_FORMAT, History, Run, from_archive, to_json
from workflow import ArgumentParser, append, markdown_code, number, run, set_output, variable

ARTIFACT = "pqc-history"
# GitHub cuts a summary at 1 MiB; nobody reads the fifty-first line of what is new.
MAX_NEWS = 50
MAX_CONNECTIONS = 500
# More points would not be told apart at the width of a summary.
MAX_POINTS = 30
# Up to here each point has its date below it. More dates would overlap, so the axis then counts days.
MAX_DATES = 10
# An orange with a contrast of 4.3 on white and of 4.4 on the background of GitHub's dark pages. Mermaid's own
# first colour is #ECECFF, which nobody sees on white.
LINE_COLOR = "#d9480f"


class Limits(NamedTuple):
    """What the job accepts; None means that it is not checked."""

    # Assets more than the lowest number, summed over the connections that got worse.
    budget: Optional[int]
    # Vulnerable assets in all.
    limit: Optional[int]


class Comparison(NamedTuple):
    """How the run of now differs from the earlier ones."""

    now: Run
    before: Optional[Run]
    # By connection; the connections that no earlier run had are not in it.
    lowest: Mapping[str, int]

    @property
    def new(self) -> Sequence[str]:
        """Give the connections that no earlier run had; none if there is no earlier run."""
        return [] if self.before is None else sorted(set(self.now.counts) - set(self.lowest))

    @property
    def gone(self) -> Sequence[str]:
        """Give the connections that only the last run had."""
        return [] if self.before is None else sorted(set(self.before.counts) - set(self.now.counts))

    def above_lowest(self, name: str) -> Optional[int]:
        """Give how many more assets of a connection are vulnerable than ever before; None for a new one."""
        lowest = self.lowest.get(name)
        return None if lowest is None else self.now.counts[name].vulnerable - lowest

    def since_last_run(self, name: str) -> Optional[int]:
        """Give the difference to the last run; None if that one did not have the connection."""
        if self.before is None or name not in self.before.counts:
            return None
        return self.now.counts[name].vulnerable - self.before.counts[name].vulnerable

    @property
    def worse_by(self) -> int:
        """Sum over the connections that got worse: what got better in one does not hide another."""
        return sum(max(0, self.above_lowest(name) or 0) for name in self.now.counts)


def main() -> None:
    """Read the limits first, so that a misspelt one fails before anything is done."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("file", help="where to write the history")
    file: str = parser.parse_args().file
    limits = read_limits()
    report = Armor().get("/pqc/report")
    now, details = Run(utc_now().strftime(TIME_FORMAT), counts_of(report)), details_of(report)
    earlier = last_history()
    history = earlier.with_run(now, details)
    with open(file, "w", encoding="utf-8") as output:
        json.dump(to_json(history), output)
    comparison = Comparison(now, earlier.runs[-1] if earlier.runs else None, earlier.lowest())
    new = news(earlier.details, details, comparison)
    append("GITHUB_STEP_SUMMARY", summary(comparison, history.last_of_each_day(), new))
    set_output("worse-by", str(comparison.worse_by))
    set_output("verdict", verdict(comparison, limits))
    say(conclusion(comparison))


def utc_now() -> datetime:
    """Give the time of this run."""
    return datetime.now(timezone.utc)


def read_limits() -> Limits:
    """Take the limits from PQC_BUDGET and PQC_LIMIT; raise Failure if one is no number."""
    budget, limit = number("PQC_BUDGET"), number("PQC_LIMIT")
    return Limits(0 if budget is None and limit is None else budget, limit)


def last_history() -> History:
    """Give what an earlier run remembered; if that is lost, warn and begin anew."""
    archive = GitHub().last_artifact(ARTIFACT)
    if archive is not None:
        history = from_archive(archive)
        if history is not None:
            return history
        annotate("warning", f"The last artifact {ARTIFACT} cannot be read. The history starts anew.")
    elif variable("GITHUB_RUN_NUMBER") != "1":
        annotate(
            "warning",
            f"No earlier run of this branch left an artifact {ARTIFACT}: none was successful yet, or it was "
            "deleted or is older than 90 days. The history starts anew, and nothing is compared.",
        )
    return EMPTY


def verdict(comparison: Comparison, limits: Limits) -> str:
    """Give what is too much, in one line; nothing if all is well."""
    texts: list[str] = []
    if limits.budget is not None and comparison.worse_by > limits.budget:
        texts.append(
            f"{comparison.worse_by} more assets are vulnerable than at the lowest of the last 90 days "
            f"(budget: {limits.budget})."
        )
    if limits.limit is not None and comparison.now.vulnerable > limits.limit:
        texts.append(f"{comparison.now.vulnerable} assets are vulnerable (limit: {limits.limit}).")
    return " ".join(texts)


def conclusion(comparison: Comparison) -> str:
    """Give the line that the log ends with."""
    counted = f"{comparison.now.vulnerable} of {comparison.now.total} assets are vulnerable."
    if comparison.before is None:
        return f"{counted} The first run: nothing to compare with."
    return f"{counted} Compared with the run of {comparison.before.at}."


def news(before: Details, now: Details, comparison: Comparison) -> list[str]:
    """Give a line of Markdown for each count that rose since the last run, the largest rise first."""
    known = {} if comparison.before is None else comparison.before.counts
    rises = [
        (count - before.get(connection, {}).get(label, 0), connection, label, count)
        for connection, counts in now.items()
        if connection in known
        for label, count in counts.items()
    ]
    rises = sorted((rise for rise in rises if rise[0] > 0), key=lambda rise: (-rise[0], rise[1], rise[2]))
    lines = [
        f"- +{rise} {markdown_code(name)}: {markdown_code(label)}, now {count}"
        for rise, name, label, count in rises
    ]
    more = len(lines) - MAX_NEWS
    return lines if more <= 0 else [*lines[:MAX_NEWS], f"- and {more} more"]


def summary(comparison: Comparison, days: Sequence[Run], new_counts: list[str]) -> str:
    """Give the job summary as Markdown."""
    lines = ["## Post-quantum readiness", "", *table(comparison)]
    if comparison.new:
        names = ", ".join(map(markdown_code, comparison.new[:MAX_CONNECTIONS]))
        lines += ["", f"New connections, not counted as worse: {names}"]
    if comparison.gone:
        names = ", ".join(map(markdown_code, comparison.gone[:MAX_CONNECTIONS]))
        lines += ["", f"No longer in the report: {names}"]
    if comparison.before is not None:
        lines += ["", f"### New since {comparison.before.at}", "", *(new_counts or ["Nothing."])]
    if len(days) > 1:
        lines += ["", "### Trend", "", *chart(days[-MAX_POINTS:])]
    return "\n".join(lines) + "\n"


def table(comparison: Comparison) -> list[str]:
    """Give a row for each connection, and one for all."""
    now = comparison.now
    lines = [
        "| connection | assets | vulnerable | since last run | above the lowest |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, counts in sorted(now.counts.items())[:MAX_CONNECTIONS]:
        is_new = name in comparison.new
        above = "new" if is_new else signed(comparison.above_lowest(name))
        lines.append(row(markdown_code(name), counts, signed(comparison.since_last_run(name)), above))
    more = len(now.counts) - MAX_CONNECTIONS
    if more > 0:
        lines.append(f"| and {more} more |  |  |  |  |")
    since = None if comparison.before is None else now.vulnerable - comparison.before.vulnerable
    above = "" if comparison.before is None else signed(comparison.worse_by)
    lines.append(row("**all**", Counts(now.total, now.vulnerable), signed(since), above))
    return lines


def row(name: str, counts: Counts, since_last_run: str, above_lowest: str) -> str:
    """Give a row of the table."""
    return f"| {name} | {counts.total} | {counts.vulnerable} | {since_last_run} | {above_lowest} |"


def signed(difference: Optional[int]) -> str:
    """Give a difference with its sign; nothing if there is none to show."""
    if difference is None:
        return ""
    return f"{difference:+d}" if difference else "0"


def chart(days: Sequence[Run]) -> list[str]:
    """Give a Mermaid chart with one point a day."""
    values = [run.vulnerable for run in days]
    # Room above and below: a chart whose least and greatest value are the same is not drawn.
    room = max(1, (max(values) - min(values)) // 10)
    if len(days) <= MAX_DATES:
        title = "Vulnerable assets"
        dates = ", ".join(f'"{run.day[5:]}"' for run in days)
        axis = f"[{dates}]"
    else:
        # A longer title is cut at both ends of the picture.
        title = f"Vulnerable assets, {days[0].day} to {days[-1].day}"
        axis = f'"reports" 1 --> {len(days)}'
    return [
        "```mermaid",
        "---",
        "config:",
        "  themeVariables:",
        "    xyChart:",
        '      backgroundColor: "transparent"',
        f'      plotColorPalette: "{LINE_COLOR}"',
        "---",
        "xychart-beta",
        f'  title "{title}"',
        f"  x-axis {axis}",
        f'  y-axis "assets" {max(0, min(values) - room)} --> {max(values) + room}',
        f"  line [{', '.join(map(str, values))}]",
        "```",
    ]


if __name__ == "__main__":
    run(main)
