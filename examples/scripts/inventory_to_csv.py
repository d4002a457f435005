#!/usr/bin/env python3
"""Makes a table of what export_inventory.py wrote: a row for each object, for a spreadsheet.

Text that a spreadsheet would take as a formula gets an apostrophe in front, a cell that Excel would cut is
cut here and says so, and what Armor does not say about compliance and quantum computers is `unknown`.
"""

import csv
import re
from pathlib import Path
from typing import Union

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from asset import Asset, Occurrence
from inventory import read_assets
from log import say
from workflow import ArgumentParser, run

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
# Excel's limit; it moves what is longer into the next cells or cuts it in silence.
MAX_CELL = 32_767
# Room for an apostrophe in front and for "… and 4294967295 more characters" behind.
MAX_TEXT = MAX_CELL - 60
# A spreadsheet takes what begins with one of these as a formula, behind white space, too (owasp.org, CSV
# Injection); the full-width forms are what Japanese and Chinese versions read as the same characters.
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")

Value = Union[str, bool, tuple[Occurrence, ...], None]


def main() -> None:
    """Write the table."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="what export_inventory.py wrote")
    parser.add_argument("file", type=Path, help="the table to write")
    options = parser.parse_args()
    count = 0
    # Without the byte order mark of utf-8-sig, Excel reads UTF-8 as the code page of the machine.
    with open(options.file, "w", encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for asset in read_assets(options.folder):
            table.writerow(row(asset))
            count += 1
    say(f"{count} rows in {options.file}")


def row(asset: Asset) -> list[str]:
    """Give the cells of an asset."""
    return [cell(getattr(asset, name)) for name in COLUMNS]


def cell(value: Value) -> str:
    """Give a value as a spreadsheet shows it, and calculates nothing from it."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = joined(value) if isinstance(value, tuple) else cut(one_line(value))
    return f"'{text}" if FORMULA.match(text) else text


def one_line(text: str) -> str:
    """Give a text without line ends and other control characters: some programs split cells at them."""
    return "".join(
        " " if character.isspace() or not character.isprintable() else character for character in text
    )


def cut(text: str) -> str:
    """Give a text that fits into a cell of Excel, which counts in UTF-16."""
    units = text.encode("utf-16-le", "replace")
    if len(units) // 2 <= MAX_TEXT:
        return text
    kept = units[: MAX_TEXT * 2].decode("utf-16-le", "ignore")
    return f"{kept}… and {len(text) - len(kept)} more characters"


def joined(occurrences: tuple[Occurrence, ...]) -> str:
    """Give as many places as fit into a cell, and the number of the others."""
    text = ""
    for index, occurrence in enumerate(occurrences):
        longer = f"{text}; {place(occurrence)}" if text else place(occurrence)
        if len(longer.encode("utf-16-le", "replace")) // 2 > MAX_TEXT:
            return f"{text}… and {len(occurrences) - index} more" if text else cut(longer)
        text = longer
    return text


def place(occurrence: Occurrence) -> str:
    """Give a file, and the line in it if Armor knows that."""
    location = one_line(occurrence.location)
    return location if occurrence.line is None else f"{location}:{occurrence.line}"


if __name__ == "__main__":
    run(main)
