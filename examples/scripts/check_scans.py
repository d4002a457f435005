#!/usr/bin/env python3
"""Fails if the newest scan of a connection failed or was stopped.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it. The summary has a row for
each connection; the log has counts alone.
"""

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor
from log import annotate, say
from web import Failure
from workflow import ArgumentParser, append, markdown_code, run

FAILED = {"failed", "stopped"}
NO_SCAN = "no scan yet"
# GitHub cuts a summary at 1 MiB.
MAX_ROWS = 1000


def main() -> None:
    """Look at each connection in one job: a job for each would be billed for each, and be cut at 256."""
    ArgumentParser(__doc__).parse_args()
    armor = Armor()
    connections, scans = armor.connections(), armor.newest_scans()
    if not connections:
        raise Failure("Armor has no connection")
    statuses = {
        name: str(scans[identifier].get("scan_status")) if identifier in scans else NO_SCAN
        for identifier, name in connections.items()
    }
    failed = sum(status in FAILED for status in statuses.values())
    without = sum(status == NO_SCAN for status in statuses.values())
    # What needs attention comes first.
    ordered = sorted(
        statuses.items(), key=lambda entry: (entry[1] not in FAILED, entry[1] != NO_SCAN, entry[0])
    )
    rows = [f"| {markdown_code(name)} | {markdown_code(status)} |" for name, status in ordered[:MAX_ROWS]]
    if len(ordered) > MAX_ROWS:
        rows.append(f"| and {len(ordered) - MAX_ROWS} more |  |")
    append("GITHUB_STEP_SUMMARY", "\n".join(["| connection | newest scan |", "|---|---|", *rows, ""]))
    if without:
        annotate("warning", f"{without} connections have no scan yet.")
    if failed:
        raise Failure(
            f"the newest scan of {failed} of {len(connections)} connections failed; see the summary"
        )
    say(f"{len(connections)} connections: no newest scan failed.")


if __name__ == "__main__":
    run(main)
