#!/usr/bin/env python3
"""Writes what the newest completed scan of each connection found, as JSON Lines.

Wants ARMOR_GATEWAY_URL, as armor-token-action with keep-fresh: true sets it. Each connection has a file
of its own, named by the connection's id; connections.json has their names. Started again with the same
folder, it goes on with the same scans behind the last complete lines; remove the folder to start over.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from armor import Armor, has_texts
from web import Failure, Object, as_object, parse, progress
from workflow import run


class Options(argparse.Namespace):
    folder: Path
    limit: int
    pause: float
    timeout: float
    tries: int


def main() -> None:
    options = parse_arguments()
    armor = Armor(options.timeout, options.tries)
    options.folder.mkdir(parents=True, exist_ok=True)
    connections, scans = armor.connections(), armor.newest_completed_scans()
    if not connections.keys() & scans.keys():
        raise Failure("no scan is completed yet")
    (options.folder / "connections.json").write_text(json.dumps(connections), encoding="utf-8")
    for connection in sorted(connections):
        if not re.fullmatch(r"[\w-]+", connection):
            raise Failure("a connection has an id that is no UUID")  # it becomes a file's name
        if connection not in scans:
            progress(f"connection {connection}: no scan is completed yet")
            continue
        with open(options.folder / f"{connection}.jsonl", "a+b") as file:
            export(armor, scans[connection], file, options)


def parse_arguments() -> Options:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to write, or to go on writing")
    parser.add_argument("--limit", type=int, default=100, help="objects a page (default: 100)")
    parser.add_argument("--pause", type=float, default=0, help="seconds between pages (default: 0)")
    parser.add_argument("--timeout", type=float, default=60, help="seconds of silence (default: 60)")
    parser.add_argument("--tries", type=int, default=5, help="for each page (default: 5)")
    options = parser.parse_args(namespace=Options())
    if options.limit < 1 or options.tries < 1 or not options.pause >= 0 or not options.timeout > 0:
        parser.error("--limit and --tries start at 1, --pause at 0, and --timeout is above 0")
    return options


def export(armor: Armor, newest_scan: str, file: BinaryIO, options: Options) -> None:
    count, last = complete_lines(file)
    scan = last["scan_id"] if last else newest_scan
    progress(f"scan {scan}" + (f", behind the {count} objects in the file" if last else ""))
    path = f"/scans/{quote(scan, safe='')}/scan_inventory_objects"
    for items in armor.pages(path, "id", options.limit, last["id"] if last else None):
        file.write(b"".join(json.dumps(item).encode() + b"\n" for item in items))
        file.flush()
        count += len(items)
        time.sleep(options.pause)
    progress(f"complete: {count} objects in {file.name}")


def complete_lines(file: BinaryIO) -> tuple[int, Object | None]:
    """Their number and the last one's object. What an interrupted run left behind them is cut off."""
    count, end, last = 0, 0, None
    file.seek(0)
    for line in file:
        if not line.endswith(b"\n"):
            break
        count, end, last = count + 1, end + len(line), line
    found = None if last is None else as_object(parse(last))
    if found is not None and not has_texts(found, "id", "scan_id"):
        raise Failure(f"the last line of {file.name} is not an inventory object; give another folder")
    file.truncate(end)
    return count, found


if __name__ == "__main__":
    run(main)
