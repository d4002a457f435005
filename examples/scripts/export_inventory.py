#!/usr/bin/env python3
"""Writes what the newest completed scan of each connection found, as JSON Lines.

It needs ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it. Each connection has a file of
its own, named by the connection's id; connections.json has their names. Started again with the same folder,
it goes on with the same scans behind the last complete lines; remove the folder to start over.
"""

import argparse
import json
import re
import time
from pathlib import Path
from typing import BinaryIO, NamedTuple, Optional
from urllib.parse import quote

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from armor import Armor, has_texts
from log import say, say_progress
from web import GIVE_UP_AFTER, Failure, JsonObject, as_object, parse
from workflow import ArgumentParser, run


class Options(argparse.Namespace):
    """The arguments."""

    folder: Path
    limit: int
    pause: float
    timeout: float
    give_up_after: float


class Written(NamedTuple):
    """What a file already has."""

    objects: int
    # The last object; None if there is none.
    last: Optional[JsonObject]


def main() -> None:
    """Write a file for each connection that has a completed scan."""
    options = parse_arguments()
    armor = Armor(options.timeout, options.give_up_after)
    options.folder.mkdir(parents=True, exist_ok=True)
    connections, scans = armor.connections(), armor.newest_completed_scans()
    if not connections.keys() & scans.keys():
        raise Failure("no scan is completed yet")
    (options.folder / "connections.json").write_text(json.dumps(connections), encoding="utf-8")
    total = 0
    for connection in sorted(connections):
        if not re.fullmatch(r"[\w-]+", connection):
            raise Failure("a connection has an id that is no UUID")  # it becomes a file's name
        if connection not in scans:
            say_progress(f"connection {connection}: no scan is completed yet")
            continue
        with open(options.folder / f"{connection}.jsonl", "a+b") as file:
            total += export(armor, scans[connection], file, options)
    say(f"The inventory is complete: {total} objects.")


def parse_arguments() -> Options:
    """Give the arguments; end with exit code 2 if one is out of its range."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="where to write, or to go on writing")
    parser.add_argument("--limit", type=int, default=100, help="objects a page (default: 100)")
    parser.add_argument("--pause", type=float, default=0, help="seconds between pages (default: 0)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds of silence (default: 60)")
    parser.add_argument(
        "--give-up-after",
        type=float,
        default=GIVE_UP_AFTER,
        help="seconds for which a page that fails is asked for again (default: 300)",
    )
    options = parser.parse_args(namespace=Options())
    has_positive = options.limit >= 1 and options.timeout > 0
    if not has_positive or not options.pause >= 0 or not options.give_up_after >= 0:
        parser.error("--limit starts at 1, --pause and --give-up-after at 0, and --timeout is above 0")
    return options


def export(armor: Armor, newest_scan: str, file: BinaryIO, options: Options) -> int:
    """Append what the file does not have yet; give how many objects it then has."""
    count, last = complete_lines(file)
    scan = last["scan_id"] if last else newest_scan
    say_progress(f"scan {scan}" + (f", behind the {count} objects in the file" if last else ""))
    path = f"/scans/{quote(scan, safe='')}/scan_inventory_objects"
    for items in armor.pages(path, "id", options.limit, last["id"] if last else None):
        file.write(b"".join(json.dumps(item).encode() + b"\n" for item in items))
        file.flush()
        count += len(items)
        time.sleep(options.pause)
    say_progress(f"complete: {count} objects in {file.name}")
    return count


def complete_lines(file: BinaryIO) -> Written:
    """Count the complete lines, and cut off what an interrupted run left behind them."""
    count, end = 0, 0
    last = b""
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            break
        count, end, last = count + 1, end + len(line), line
    found = as_object(parse(last)) if count else None
    if found is not None and not has_texts(found, "id", "scan_id"):
        raise Failure(f"the last line of {file.name} is not an inventory object; give another folder")
    file.truncate(end)
    return Written(count, found)


if __name__ == "__main__":
    run(main)
