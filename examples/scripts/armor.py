"""Key Insight behind the gateway, which puts a live token into every call."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from typing import Any, cast
from urllib.request import ProxyHandler

from web import Failure, NoRedirect, Object, Web, as_object

DISCOVERY = "/api/v1/discovery"


class Armor:
    def __init__(self, timeout: float = 60, tries: int = 5) -> None:
        gateway = os.environ.get("ARMOR_GATEWAY_URL", "")
        if not gateway.startswith("http://"):
            raise Failure("ARMOR_GATEWAY_URL is not set; the step before needs keep-fresh: true")
        # The gateway is on this machine: no proxy. A redirect that it does not follow itself leads elsewhere.
        handlers = (ProxyHandler({}), NoRedirect())
        self.web = Web(gateway + DISCOVERY, handlers=handlers, timeout=timeout, tries=tries)

    def get(self, path: str) -> Object:
        return as_object(self.web.get(path).json())

    def pages(
        self, path: str, key: str, limit: int = 100, previous: str | None = None
    ) -> Iterator[list[Object]]:
        """Each page's items, until a page has none. @param key the property that previous_id wants"""
        while True:
            query = {"limit": str(limit)}
            if previous:
                query["previous_id"] = previous
            items = self._page(f"{path}?{urllib.parse.urlencode(query)}", key)
            if not items:
                return
            if items[-1][key] == previous:
                raise Failure(f"{path} answers with the same page again")
            yield items
            previous = items[-1][key]

    def _page(self, path: str, key: str) -> list[Object]:
        found = self.get(path).get("items")
        if not isinstance(found, list):
            raise Failure(f"{path} answers without a list of items")
        items = [as_object(item) for item in cast("list[Any]", found)]
        if not all(has_texts(item, key) for item in items):
            raise Failure(f"{path} answers without a list of items")
        return items

    def items(self, path: str, key: str) -> list[Object]:
        return [item for page in self.pages(path, key) for item in page]

    def connections(self) -> dict[str, str]:
        """The names, by id."""
        items = self.items("/connections", "connection_id")
        return {item["connection_id"]: str(item.get("name")) for item in items}

    def newest_completed_scans(self) -> dict[str, str]:
        """The scan's id, by the connection's."""
        scans = self.items("/scans", "scan_id")
        completed = [scan for scan in scans if scan.get("scan_status") == "completed"]
        # Times are like 20261122T020009Z, and so in order as texts.
        completed.sort(key=lambda scan: str(scan.get("created_at")))
        return {str(scan.get("connection_id")): scan["scan_id"] for scan in completed}


def has_texts(value: Object, *keys: str) -> bool:
    return all(isinstance(value.get(key), str) for key in keys)
