"""Key Insight behind the gateway, which puts a live token into every call."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple, cast
from urllib.request import ProxyHandler

from web import GIVE_UP_AFTER, Failure, JsonObject, NoRedirect, Web, as_object

DISCOVERY = "/api/v1/discovery"


class Counts(NamedTuple):
    """How many assets there are, and how many of them quantum computers can break."""

    total: int
    vulnerable: int


class Armor:
    """The gateway of this job."""

    def __init__(self, timeout: float = 60, give_up_after: float = GIVE_UP_AFTER) -> None:
        """Take how many seconds a silence may last, and how long a failing call is tried again."""
        gateway = os.environ.get("ARMOR_GATEWAY_URL", "")
        if not gateway.startswith("http://"):
            raise Failure("ARMOR_GATEWAY_URL is not set; the step before needs keep-fresh: true")
        # The gateway is on this machine: no proxy. A redirect that it does not follow itself leads elsewhere.
        handlers = (ProxyHandler({}), NoRedirect())
        self.web = Web(gateway + DISCOVERY, None, handlers, timeout, give_up_after)

    def get(self, path: str) -> JsonObject:
        """Read a path below /api/v1/discovery; give an empty object if the answer is another kind of JSON."""
        return as_object(self.web.get(path).json())

    def pages(
        self, path: str, key: str, limit: int = 100, previous: str | None = None
    ) -> Iterator[list[JsonObject]]:
        """Give each page's items, until a page has none; `key` is the property that previous_id wants."""
        while True:
            query = {"limit": str(limit)}
            if previous:
                query["previous_id"] = previous
            items = self._page(f"{path}?{urllib.parse.urlencode(query)}", path, key)
            if not items:
                return
            if items[-1][key] == previous:
                raise Failure(f"{path} answers with the same page again")
            yield items
            previous = items[-1][key]

    def _page(self, path_and_query: str, path: str, key: str) -> list[JsonObject]:
        found = self.get(path_and_query).get("items")
        if not isinstance(found, list):
            raise Failure(f"{path} answers without a list of items")
        items = [as_object(item) for item in cast(list[Any], found)]
        if not all(has_texts(item, key) for item in items):
            raise Failure(f"{path} answers without a list of items")
        return items

    def items(self, path: str, key: str) -> list[JsonObject]:
        """Give the items of all pages."""
        return [item for page in self.pages(path, key) for item in page]

    def connections(self) -> dict[str, str]:
        """Give the connections' names by their ids."""
        items = self.items("/connections", "connection_id")
        return {item["connection_id"]: str(item.get("name")) for item in items}

    def scans(self) -> list[JsonObject]:
        """Give all scans, the oldest first."""
        # Times are like 20261122T020009Z, and so in order as texts.
        return sorted(self.items("/scans", "scan_id"), key=lambda scan: str(scan.get("created_at")))

    def newest_scans(self) -> dict[str, JsonObject]:
        """Give the newest scan of each connection, by the connection's id."""
        return {str(scan.get("connection_id")): scan for scan in self.scans()}

    def newest_completed_scans(self) -> dict[str, str]:
        """Give the id of the newest completed scan of each connection, by the connection's id."""
        completed = [scan for scan in self.scans() if scan.get("scan_status") == "completed"]
        return {str(scan.get("connection_id")): scan["scan_id"] for scan in completed}


def has_texts(value: JsonObject, *keys: str) -> bool:
    """Tell whether all of these properties are texts."""
    return all(isinstance(value.get(key), str) for key in keys)


def counts_of(report: JsonObject) -> dict[str, Counts]:
    """Give the counts of each connection in a post-quantum report; raise Failure if it has none."""
    connections = as_object(report.get("connection_summary"))
    if not connections:
        raise Failure("the report has no connections")
    return {name: to_counts(summary) for name, summary in connections.items()}


def to_counts(value: Any) -> Counts:
    """Give the counts in a summary; raise Failure if they are not whole numbers."""
    summary = as_object(value)
    total, vulnerable = summary.get("total_count"), summary.get("pqc_vulnerable_count")
    if not is_count(total) or not is_count(vulnerable):
        raise Failure("the report has a connection without counts")
    return Counts(cast(int, total), cast(int, vulnerable))


def is_count(value: Any) -> bool:
    """Tell whether a JSON value is a whole number that counts something."""
    # True and False are instances of int, too.
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


# How many assets are vulnerable, by connection and then by kind, service and type.
Details = dict[str, dict[str, int]]


def details_of(report: JsonObject) -> Details:
    """Give what a report counts one level below a connection: such as its keys, of kms, of type rsa2048."""
    details: Details = {}
    for connection, metrics in as_object(report.get("connection_metrics")).items():
        for kind, of_kind in as_object(metrics).items():
            for service, of_service in as_object(as_object(of_kind).get("service_metrics")).items():
                # keys has key_metrics, certificates has certificate_metrics, resources has resource_metrics.
                by_type = as_object(as_object(of_service).get(f"{kind[:-1]}_metrics"))
                for name, counts in by_type.items():
                    label = f"{kind}, {service}, {name}"
                    details.setdefault(connection, {})[label] = to_counts(counts).vulnerable
    return details
