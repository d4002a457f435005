"""What export_inventory.py wrote, each object as an asset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from asset import Asset
from inventory_kinds import ADAPTERS, iso_time, other, text
from log import foreign
from web import Failure, JsonObject


def read_assets(folder: Path) -> Iterator[Asset]:
    """Give the assets of all files; raise Failure at the first line that is no inventory object."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise Failure(f"{folder} has no .jsonl files; run export_inventory.py first")
    names = json.loads((folder / "connections.json").read_text(encoding="utf-8"))
    for path in files:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield to_asset(json.loads(line), names.get(path.stem, path.stem))
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    what = f"{type(error).__name__} {foreign(error)}"
                    raise Failure(f"{path}, line {number} is not an inventory object: {what}") from None


def to_asset(found: JsonObject, connection: str) -> Asset:
    """Give an object of an inventory as an asset; raise KeyError and the like if it is something else."""
    outer = found["details"]
    provider, inner = outer["$type"], outer["details"]
    fields = ADAPTERS.get((provider, inner["$type"]), other)(inner)
    return Asset(
        id=found["id"],
        scan_id=found["scan_id"],
        scanned_at=iso_time(found, "scanned_at"),
        connection=connection,
        provider=provider,
        kind=inner["$type"],
        resource=text(outer, "arn") or text(outer, "resource_id") or text(inner, "sobject_id"),
        region=text(outer, "region"),
        **fields,
    )
