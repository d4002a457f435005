#!/usr/bin/env python3
"""Fails if more assets of one connection are vulnerable than a budget allows.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, CONNECTION, the connection's
name, and BUDGET, a whole number. The output `vulnerable` is how many there are.
"""

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor, counts_of
from log import say
from web import Failure
from workflow import ArgumentParser, number, run, set_output, variable


def main() -> None:
    """Check both settings before anything is read."""
    ArgumentParser(__doc__).parse_args()
    connection, budget = variable("CONNECTION"), number("BUDGET", 0) or 0
    counts = counts_of(Armor().get("/pqc/report")).get(connection)
    if counts is None:
        raise Failure("the report has no such connection; check the input connection")
    set_output("vulnerable", str(counts.vulnerable))
    if counts.vulnerable > budget:
        raise Failure(f"{counts.vulnerable} assets are vulnerable; the budget is {budget}")
    say(f"{counts.vulnerable} assets are vulnerable; the budget is {budget}.")


if __name__ == "__main__":
    run(main)
