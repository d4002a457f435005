"""One shape for what Armor finds: keys, certificates and algorithms, in clouds and on machines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Occurrence:
    """A place where an asset was found. Empty texts, and None, are what Armor does not say."""

    location: str
    # Counted from 1.
    line: int | None
    # In characters, from the line's start.
    offset: int | None
    symbol: str
    context: str


@dataclass(frozen=True)
class Asset:
    """An object of an inventory. Empty texts, and None, are what Armor does not say. Times are ISO 8601."""

    id: str
    scan_id: str
    scanned_at: str
    connection: str
    provider: str
    kind: str
    resource: str = ""
    region: str = ""
    name: str = ""
    # CycloneDX's word: certificate, algorithm, protocol, or a kind of related crypto material such as key.
    # Empty: a service, a database or the like, which is no cryptographic asset itself.
    asset: str = ""
    algorithm: str = ""
    signature_algorithm: str = ""
    state: str = ""
    created: str = ""
    activated: str = ""
    valid_from: str = ""
    expires: str = ""
    subject: str = ""
    issuer: str = ""
    is_compliant: bool | None = None
    violation: str = ""
    is_quantum_vulnerable: bool | None = None
    repository: str = ""
    revision: str = ""
    branch: str = ""
    subfolder: str = ""
    occurrences: tuple[Occurrence, ...] = ()
