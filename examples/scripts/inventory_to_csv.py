#!/usr/bin/env python3
"""Makes a table of what export_inventory.py wrote: a row for each object, for a spreadsheet."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from inventory import Asset, Occurrence, read_assets
from workflow import run

COLUMNS = [
    "connection",
    "provider",
    "kind",
    "name",
    "resource",
    "region",
    "asset",
    "algorithm",
    "state",
    "created",
    "expires",
    "is_compliant",
    "violation",
    "is_quantum_vulnerable",
    "repository",
    "revision",
    "occurrences",
    "scanned_at",
    "scan_id",
    "id",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what export_inventory.py wrote")
    parser.add_argument("file", type=Path, help="the table to write")
    options = parser.parse_args()
    count = 0
    with open(options.file, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for asset in read_assets(options.folder):
            table.writerow(row(asset))
            count += 1
    print(f"{count} rows in {options.file}")


def row(asset: Asset) -> list[str]:
    return [cell(getattr(asset, name)) for name in COLUMNS]


def cell(value: str | bool | tuple[Occurrence, ...] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        value = "; ".join(place(one) for one in value)
    # A spreadsheet takes what begins with one of these as a formula (owasp.org, CSV Injection).
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def place(one: Occurrence) -> str:
    return one.location if one.line is None else f"{one.location}:{one.line}"


if __name__ == "__main__":
    run(main)
