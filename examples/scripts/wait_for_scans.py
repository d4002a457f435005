#!/usr/bin/env python3
"""Waits until no scan runs any more, but not for ever.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it. POLL_SECONDS is the pause
between two polls, MAX_POLLS how many there are at most. A poll that fails is a line in the log and no more
than one poll, because a wait of hours would otherwise end with the first restart of a server.
"""

import time

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor
from log import say
from web import Failure
from workflow import ArgumentParser, number, run

RUNNING = {"pending", "in_progress"}


def main() -> None:
    """Poll until no scan runs; raise Failure if scans still run at the end."""
    ArgumentParser(__doc__).parse_args()
    seconds, polls = number("POLL_SECONDS", 30) or 0, number("MAX_POLLS", 120) or 0
    if polls == 0:
        raise Failure("MAX_POLLS has to be at least 1")
    # One try a poll: the next poll is the next try.
    armor = Armor(give_up_after=0)
    last = ""
    for poll in range(1, polls + 1):
        if poll > 1:
            time.sleep(seconds)
        try:
            running = sum(scan.get("scan_status") in RUNNING for scan in armor.scans())
        except Failure as failure:
            if not failure.is_temporary:
                raise
            last = f"The last poll failed: {failure}"
            say(f"Poll {poll} of {polls} failed: {failure}")
            continue
        last = f"{running} are running."
        say(f"Poll {poll} of {polls}: {running} running")
        if running == 0:
            return
    raise Failure(f"Scans still run after {polls} polls, {seconds} seconds apart. {last}")


if __name__ == "__main__":
    run(main)
