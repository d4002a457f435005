#!/usr/bin/env python3
"""Sends the post-quantum report to Slack: one message with a line for each connection.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it, and SLACK_WEBHOOK_URL, the
address of an incoming webhook, which is a secret.
"""

import re

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor, counts_of
from log import say
from web import Failure, Web
from workflow import ArgumentParser, run, secret

# Slack cuts a message at 40,000 characters.
MAX_LINES = 100
MAX_NAME = 200
# http only for a stand-in on this machine.
WEBHOOK = re.compile(r"https://[!-~]+|http://127\.0\.0\.1:\d+/[!-~]*")


def main() -> None:
    """Check the secret before anything is read, then read the report and send it."""
    ArgumentParser(__doc__).parse_args()
    address = secret("SLACK_WEBHOOK_URL").strip()
    if not WEBHOOK.fullmatch(address):
        raise Failure("SLACK_WEBHOOK_URL is not an https:// address; copy it again from Slack")
    counts = counts_of(Armor().get("/pqc/report"))
    lines = [
        f"{escape(name)}: {of.vulnerable} of {of.total} assets are quantum-vulnerable"
        for name, of in sorted(counts.items())
    ]
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES} more"]
    # The address is a secret: errors name the path below it, and that is empty.
    Web(address).send("POST", "", {"text": "\n".join(lines)})
    say(f"Slack has taken a message about {len(counts)} connections.")


def escape(name: str) -> str:
    """Give a connection's name as Slack shows it: no link, no mention, on one line."""
    line = " ".join(name.split())[:MAX_NAME]
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    run(main)
