#!/usr/bin/env python3
"""Keeps one GitHub issue for each connection that has assets which quantum computers can break.

Opened with the first such asset, updated with a comment when their number changes, closed when there are
none. An issue that a person closed stays closed until the number is higher than it was then.
Wants ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, and GITHUB_TOKEN with
issues: write.
"""

from __future__ import annotations

import argparse
import json
import re
from typing import NamedTuple
from urllib.parse import quote

from armor import Armor
from github_api import GitHub
from nightly_report import Counts, counts_of
from web import Failure, Object, as_object, parse
from workflow import code, run, variable

NONE = Counts(0, 0)
MARK = re.compile(r"<!-- armor (\{.*\}) -->")


class Issue(NamedTuple):
    number: int
    is_open: bool
    connection: str
    counts: Counts | None  # as the issue says; None where somebody edited that


class Plan(NamedTuple):
    """What to do with a connection's issue."""

    comment: str = ""
    is_open: bool | None = None  # None: as it is
    reason: str | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--label", default="armor-pqc", help="of these issues (default: armor-pqc)")
    parser.add_argument("--pause", type=float, default=1, help="seconds before each change (default: 1)")
    options = parser.parse_args()
    report = counts_of(Armor().get("/pqc/report"))
    github = GitHub(pause=options.pause)
    issues = read_issues(github, options.label)
    changes = 0
    for connection in sorted({*report, *issues}):
        changes += keep(github, options.label, connection, report.get(connection), issues.get(connection))
    print(f"{len(report)} connections, {changes} issues changed.")


def read_issues(github: GitHub, label: str) -> dict[str, Issue]:
    """By connection; the oldest where there are several."""
    found: dict[str, Issue] = {}
    for page in github.pages(f"/issues?labels={quote(label)}&state=all&sort=created&direction=asc"):
        for one in page:
            issue = None if "pull_request" in one else to_issue(one)
            if issue:
                found.setdefault(issue.connection, issue)
    return found


def to_issue(one: Object) -> Issue | None:
    mark = MARK.match(one.get("body") or "")
    value = as_object(parse(mark.group(1).encode()) if mark else None)
    connection, total, vulnerable = (value.get(key) for key in ("connection", "total", "vulnerable"))
    if not isinstance(connection, str):
        return None
    counts = Counts(total, vulnerable) if isinstance(total, int) and isinstance(vulnerable, int) else None
    return Issue(one["number"], one["state"] == "open", connection, counts)


def keep(github: GitHub, label: str, connection: str, now: Counts | None, issue: Issue | None) -> bool:
    """@returns whether anything had to be changed"""
    if issue is None:
        if now is None or now.vulnerable == 0:
            return False
        open_issue(github, label, connection, now)
        return True
    plan = make_plan(issue, now)
    if plan is None:
        return False
    path = f"/issues/{issue.number}"
    if plan.comment:
        github.change("POST", f"{path}/comments", {"body": plan.comment})
    fields: Object = {"body": body(connection, now or NONE)}
    if plan.is_open is not None:
        fields |= {"state": "open" if plan.is_open else "closed", "state_reason": plan.reason}
    github.change("PATCH", path, fields)
    return True


def make_plan(issue: Issue, now: Counts | None) -> Plan | None:
    """@param now None where the report has no such connection any more"""
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


def open_issue(github: GitHub, label: str, connection: str, now: Counts) -> None:
    title = f"Quantum-vulnerable assets in {' '.join(connection.split())}"
    fields = {"title": title[:256], "body": body(connection, now), "labels": [label]}
    made = github.change("POST", "/issues", fields)
    # GitHub drops labels in silence where the token may not set them. The next run would open it again.
    if label not in [one["name"] for one in made["labels"]]:
        raise Failure(f"issue {made['number']} did not get the label {label}")


def body(connection: str, counts: Counts) -> str:
    value = json.dumps({"connection": connection, **counts._asdict()})
    mark = value.replace("<", "\\u003c").replace(">", "\\u003e")  # nothing in it ends the comment
    run_url = "/".join(variable(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    run_url += f"/actions/runs/{variable('GITHUB_RUN_ID')}"
    return (
        f"<!-- armor {mark} -->\n"
        f"**{counts.vulnerable} of {counts.total}** cryptographic assets of the connection "
        f"{code(connection)} can be broken by quantum computers.\n\n"
        "A workflow keeps this issue: it comments when the number changes, and closes it at 0. "
        "If you close it, it stays closed until the number is higher.\n\n"
        f"Last changed by [this run]({run_url}).\n"
    )


if __name__ == "__main__":
    run(main)
