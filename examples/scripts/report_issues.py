#!/usr/bin/env python3
"""Keeps one GitHub issue for each connection that has assets which quantum computers can break.

An issue is opened with the first such asset, updated with a comment when their number changes, and closed
when there are none. An issue that a person closed stays closed until the number is higher than it was then.
It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, and GITHUB_TOKEN with
issues: write.
"""

import json
import re
from typing import NamedTuple, Optional
from urllib.parse import quote

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor, Counts, counts_of, details_of, is_count
from github_api import GitHub
from log import say
from web import Failure, JsonObject, as_object, parse
from workflow import ArgumentParser, markdown_code, run, variable

NO_ASSETS = Counts(0, 0)
# The largest types; an issue with hundreds of rows would not be read.
MAX_TYPES = 20
# GitHub refuses a longer title.
MAX_TITLE = 256
MARK = re.compile(r"<!-- armor (\{.*\}) -->")


class Issue(NamedTuple):
    """An issue that this script opened."""

    number: int
    is_open: bool
    connection: str
    # As the issue says; None if somebody edited that.
    counts: Optional[Counts]


class Plan(NamedTuple):
    """What to do with a connection's issue."""

    # Empty: the issue's text changes without a comment.
    comment: str = ""
    # None: it stays open or closed.
    is_open: Optional[bool] = None
    # GitHub's reason for the new state; None if the state stays.
    reason: Optional[str] = None


class Reported(NamedTuple):
    """What the report has about one connection."""

    counts: Counts
    # How many assets are vulnerable, by kind, service and type.
    by_type: dict[str, int]


def main() -> None:
    """Bring the issues up to date, connection by connection."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("--label", default="armor-pqc", help="of these issues (default: armor-pqc)")
    parser.add_argument("--pause", type=float, default=1, help="seconds before each change (default: 1)")
    options = parser.parse_args()
    report = reported()
    github = GitHub(pause=options.pause)
    issues = read_issues(github, options.label)
    changes = 0
    for connection in sorted({*report, *issues}):
        changes += keep(github, options.label, connection, report.get(connection), issues.get(connection))
    say(f"{len(report)} connections, {changes} issues changed.")


def reported() -> dict[str, Reported]:
    """Read the post-quantum report, by connection."""
    report = Armor().get("/pqc/report")
    details = details_of(report)
    return {name: Reported(counts, details.get(name, {})) for name, counts in counts_of(report).items()}


def read_issues(github: GitHub, label: str) -> dict[str, Issue]:
    """Give the issues by connection; the oldest if there are several."""
    found: dict[str, Issue] = {}
    for page in github.pages(f"/issues?labels={quote(label)}&state=all&sort=created&direction=asc"):
        for item in page:
            is_pull_request = "pull_request" in item
            issue = None if is_pull_request else to_issue(item)
            if issue:
                found.setdefault(issue.connection, issue)
    return found


def to_issue(item: JsonObject) -> Optional[Issue]:
    """Read the mark at the beginning of an issue's text; give None if it has none."""
    mark = MARK.match(item.get("body") or "")
    value = as_object(parse(mark.group(1).encode()) if mark else None)
    connection, total, vulnerable = (value.get(key) for key in ("connection", "total", "vulnerable"))
    if not isinstance(connection, str):
        return None
    has_counts = is_count(total) and is_count(vulnerable)
    counts = Counts(int(total or 0), int(vulnerable or 0)) if has_counts else None
    return Issue(item["number"], item["state"] == "open", connection, counts)


def keep(
    github: GitHub, label: str, connection: str, now: Optional[Reported], issue: Optional[Issue]
) -> bool:
    """Do what a connection's issue needs; tell whether that was anything."""
    if issue is None:
        if now is None or now.counts.vulnerable == 0:
            return False
        open_issue(github, label, connection, now)
        return True
    plan = make_plan(issue, now.counts if now else None)
    if plan is None:
        return False
    path = f"/issues/{issue.number}"
    fields: JsonObject = {"body": body(connection, now, plan.comment)}
    if plan.is_open is not None:
        fields.update(state="open" if plan.is_open else "closed", state_reason=plan.reason)
    # The text with the new number comes first: a run that is cancelled between the two calls then leaves out
    # a comment, which the text repeats, and the next run does not comment a second time.
    github.change("PATCH", path, fields)
    if plan.comment:
        github.change("POST", f"{path}/comments", {"body": plan.comment})
    return True


def make_plan(issue: Issue, now: Optional[Counts]) -> Optional[Plan]:
    """Decide what an issue needs: None for nothing. `now` is None if the report lacks its connection."""
    before = issue.counts
    if now is None:
        gone = Plan("The report no longer has this connection.", False, "not_planned")
        return gone if issue.is_open else None
    if now == before:
        return None
    if now.vulnerable == 0:
        return Plan("No vulnerable asset is left.", False, "completed") if issue.is_open else Plan()
    if before is None or now.vulnerable == before.vulnerable:
        return Plan()
    comment = f"{before.vulnerable} → {now.vulnerable} ({now.vulnerable - before.vulnerable:+d})"
    if issue.is_open:
        return Plan(comment)
    return Plan(comment, True, "reopened") if now.vulnerable > before.vulnerable else None


def open_issue(github: GitHub, label: str, connection: str, now: Reported) -> None:
    """Open an issue; raise Failure if it did not get the label by which the next run finds it."""
    title = f"Quantum-vulnerable assets in {' '.join(connection.split())}"
    fields = {"title": title[:MAX_TITLE], "body": body(connection, now, ""), "labels": [label]}
    made = github.change("POST", "/issues", fields)
    # GitHub drops labels in silence if the token may not set them. The next run would open the issue again.
    if label not in [one["name"] for one in made["labels"]]:
        raise Failure(f"issue {made['number']} did not get the label {label}")


def body(connection: str, now: Optional[Reported], last_change: str) -> str:
    """Give an issue's text, which begins with a mark for the next run."""
    counts, by_type = now or Reported(NO_ASSETS, {})
    value = json.dumps({"connection": connection, **counts._asdict()})
    mark = value.replace("<", "\\u003c").replace(">", "\\u003e")  # nothing in it ends the comment
    run_url = "/".join(variable(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    run_url += f"/actions/runs/{variable('GITHUB_RUN_ID')}"
    change = f" {last_change}" if last_change else ""
    return (
        f"<!-- armor {mark} -->\n"
        f"**{counts.vulnerable} of {counts.total}** cryptographic assets of the connection "
        f"{markdown_code(connection)} can be broken by quantum computers.\n\n"
        f"{table(by_type)}"
        "A workflow keeps this issue: it comments when the number changes, and closes it at 0. "
        "If you close it, it stays closed until the number is higher.\n\n"
        f"Last changed by [this run]({run_url}).{change}\n"
    )


def table(by_type: dict[str, int]) -> str:
    """Give the types that have vulnerable assets as a table, the largest first; nothing if there are none."""
    found = sorted(
        ((label, count) for label, count in by_type.items() if count > 0),
        key=lambda entry: (-entry[1], entry[0]),
    )
    if not found:
        return ""
    rows = [f"| {markdown_code(label)} | {count} |" for label, count in found[:MAX_TYPES]]
    more = len(found) - MAX_TYPES
    if more > 0:
        rest = sum(count for _, count in found[MAX_TYPES:])
        rows.append(f"| {more} more types | {rest} |")
    return "\n".join(["| type | vulnerable |", "|---|--:|", *rows]) + "\n\n"


if __name__ == "__main__":
    run(main)
