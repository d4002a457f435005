#!/usr/bin/env python3
"""Writes what the newest completed scan found as JSON Lines.

Wants ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it. Started again with the
same file, it goes on with the same scan behind the last complete line; remove the file to start over.
"""

import argparse
import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PASSING = {502, 503, 504}

# The gateway is on this machine: no proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failure(Exception):
    """Its text is the one line that the user sees."""


def main():
    options = parse_arguments()
    gateway = os.environ.get("ARMOR_GATEWAY_URL", "")
    if not gateway.startswith("http://"):
        raise Failure("ARMOR_GATEWAY_URL is not set; the step before needs keep-fresh: true")
    with open(options.file, "a+b") as file:
        export(Armor(gateway, options), file, options)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", help="where to write, or to go on writing")
    parser.add_argument("--limit", type=int, default=100, help="objects a page (default: 100)")
    parser.add_argument("--pause", type=float, default=0, help="seconds between pages (default: 0)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds of silence (default: 60)")
    parser.add_argument("--tries", type=int, default=5, help="for each page (default: 5)")
    options = parser.parse_args()
    if options.limit < 1 or options.tries < 1 or not options.pause >= 0 or not options.timeout > 0:
        parser.error("--limit and --tries start at 1, --pause at 0, and --timeout is above 0")
    return options


def export(armor, file, options):
    count, last = complete_lines(file)
    scan_id = last["scan_id"] if last else newest_completed_scan(armor)
    progress(f"scan {scan_id}" + (f", behind the {count} objects in the file" if last else ""))
    path = f"/api/v1/discovery/scans/{urllib.parse.quote(scan_id, safe='')}/scan_inventory_objects"
    for items in armor.pages(path, "id", options.limit, last and last["id"]):
        file.write(b"".join(json.dumps(item).encode() + b"\n" for item in items))
        file.flush()
        count += len(items)
        progress(f"{count} objects")
        time.sleep(options.pause)
    progress(f"complete: {count} objects in {options.file}")


def complete_lines(file):
    """Their number and the last one's object. What an interrupted run left behind them is cut off."""
    count, end, last = 0, 0, None
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            break
        count, end, last = count + 1, end + len(line), line
    if last is None:
        found = None
    else:
        found = parse(last)
        if not has_texts(found, "id", "scan_id"):
            raise Failure(f"the last line of {file.name} is not an inventory object; give another file")
    file.truncate(end)
    return count, found


def newest_completed_scan(armor):
    scans = [scan for page in armor.pages("/api/v1/discovery/scans", "scan_id", 100) for scan in page]
    completed = [scan for scan in scans if scan.get("scan_status") == "completed"]
    if not completed:
        raise Failure("no scan is completed yet")
    return max(completed, key=lambda scan: str(scan.get("created_at")))["scan_id"]


class Armor:
    """The Armor API behind the gateway, which puts a live token into every call."""

    def __init__(self, gateway, options):
        self.gateway = gateway
        self.timeout = options.timeout
        self.tries = options.tries

    def pages(self, path, key, limit, previous=None):
        """Each page's items, until a page has none."""
        while True:
            query = {"limit": limit, **({"previous_id": previous} if previous else {})}
            answer = self.get(f"{path}?{urllib.parse.urlencode(query)}")
            items = answer.get("items") if isinstance(answer, dict) else None
            if not isinstance(items, list) or not all(has_texts(item, key) for item in items):
                raise Failure(f"{path} answers without a list of items")
            if not items:
                return
            if items[-1][key] == previous:
                raise Failure(f"{path} answers with the same page again")
            yield items
            previous = items[-1][key]

    def get(self, path):
        for attempt in range(1, self.tries + 1):
            try:
                with OPENER.open(self.gateway + path, timeout=self.timeout) as reply:
                    body = reply.read()
                break
            except urllib.error.HTTPError as error:
                reason = describe(error)
                passes = error.code in PASSING
            except (OSError, http.client.HTTPException) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
                passes = True
            if not passes or attempt == self.tries:
                raise Failure(f"{path.split('?')[0]}: {reason}")
            seconds = 2 ** (attempt - 1)
            progress(f"{reason}; again in {seconds} s")
            time.sleep(seconds)
        answer = parse(body)
        if answer is None:
            raise Failure(f"{path.split('?')[0]} answers with something else than JSON")
        return answer


def describe(error):
    """The status, and what the gateway or Armor says about it."""
    try:
        answer = parse(error.read())
    except (OSError, http.client.HTTPException):
        answer = None
    text = answer.get("error_description") if isinstance(answer, dict) else None
    return f"status {error.code}" + (f", {text}" if text else "")


def parse(body):
    """None where it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def has_texts(value, *keys):
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in keys)


def progress(text):
    print(" ".join(text.split()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        main()
    except (Failure, OSError) as failure:
        progress(f"export_inventory: {failure}")
        sys.exit(1)
