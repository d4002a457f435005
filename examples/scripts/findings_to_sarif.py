#!/usr/bin/env python3
"""Turns the findings of Armor's source code scan of this repository into SARIF, for code scanning.

Takes what export_inventory.py wrote. A finding becomes an alert only where the revision that was scanned
has its file and its line; the others are counted. Keys of clouds have no file, and are no alerts.
Run it in a checkout that has the scanned revision (fetch-depth: 0). The outputs ref and revision are for
the upload.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import posixpath
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from inventory import Asset, Occurrence, read_assets
from web import Failure, Object
from workflow import run, set_output, variable

# GitHub refuses more in one run.
MAX_RESULTS = 25_000
HELP = "https://support.fortanix.com/docs/programmatic-access-to-fortanix-key-insight-apis"


class Rule(NamedTuple):
    id: str
    name: str
    short: str
    full: str


QUANTUM = Rule(
    "quantum-vulnerable",
    "QuantumVulnerable",
    "Cryptography that quantum computers can break",
    "The source code uses an algorithm or a key that Fortanix Key Insight calls quantum-vulnerable. "
    "Replace it with a post-quantum algorithm, or with a symmetric one.",
)
POLICY = Rule(
    "crypto-policy",
    "CryptoPolicy",
    "Cryptography against the crypto policy",
    "The source code uses an algorithm or a key that the connection's crypto policy in Fortanix Key Insight "
    "does not allow. Use one that it allows.",
)
RULES = [QUANTUM, POLICY]


class Finding(NamedTuple):
    rule: Rule
    message: str
    asset: Asset
    occurrence: Occurrence


class Place(NamedTuple):
    path: str
    line: int
    code: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="what export_inventory.py wrote")
    parser.add_argument("file", type=Path, help="the SARIF file to write")
    options = parser.parse_args()
    assets = list(read_assets(options.folder))
    scanned = scanned_repository(assets)
    results, without_place = to_results(findings_of(assets, scanned), Source(scanned))
    if len(results) > MAX_RESULTS:
        raise Failure(f"{len(results)} findings; code scanning takes {MAX_RESULTS} in one run")
    with open(options.file, "w", encoding="utf-8") as file:
        json.dump(to_sarif(results, scanned), file, indent=1)
    set_output("ref", f"refs/heads/{scanned.branch}")
    set_output("revision", scanned.revision)
    print(
        f"Revision {scanned.revision}: {len(results)} alerts, {without_place} findings without file or line."
    )


def scanned_repository(assets: Iterable[Asset]) -> Asset:
    """The newest scan of this repository's branch."""
    server, name, branch = map(variable, ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REF_NAME"))
    here = address(f"{server}/{name}")
    scans = [
        asset
        for asset in assets
        if asset.kind == "on_prem_source_code_repo"
        and address(asset.repository) == here
        and asset.branch == branch
    ]
    if not scans:
        raise Failure(f"Armor has no completed source code scan of {server}/{name}, branch {branch}")
    newest = max(scans, key=lambda asset: asset.scanned_at)
    if not re.fullmatch(r"[0-9a-f]{40}", newest.revision):
        raise Failure("Armor's scan of this repository does not name a commit")
    return newest


def address(url: str) -> tuple[str, str]:
    """Host and path, as far as they tell repositories apart."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), re.sub(r"(\.git)?/*$", "", parts.path).lower()


def findings_of(assets: Iterable[Asset], scanned: Asset) -> Iterable[Finding]:
    for asset in assets:
        is_of_scan = asset.scan_id == scanned.scan_id and asset.revision == scanned.revision
        if not is_of_scan or address(asset.repository) != address(scanned.repository):
            continue
        what = f"'{asset.name}' ({asset.asset})"
        for occurrence in asset.occurrences:
            if asset.is_quantum_vulnerable:
                yield Finding(QUANTUM, f"{what} can be broken by quantum computers.", asset, occurrence)
            if asset.is_compliant is False:
                reason = asset.violation.rstrip(".")
                text = f"{what} is against the crypto policy" + (f": {reason}." if reason else ".")
                yield Finding(POLICY, text, asset, occurrence)


class Source:
    """The files of the revision that was scanned."""

    def __init__(self, scanned: Asset) -> None:
        self.revision = scanned.revision
        self.subfolder = scanned.subfolder.strip("/")
        self.files: dict[str, list[str] | None] = {}
        if git("cat-file", "-e", f"{self.revision}^{{commit}}") is None:
            raise Failure(f"the scanned revision {self.revision} is not in this checkout; use fetch-depth: 0")

    def find(self, occurrence: Occurrence) -> Place | None:
        """Armor does not say whether a location begins at the repository's root or at the scanned folder."""
        folders = {"", self.subfolder}
        paths = {posixpath.normpath(posixpath.join(folder, occurrence.location)) for folder in folders}
        line = occurrence.line
        places = [
            Place(path, line, lines[line - 1])
            for path in sorted(paths)
            for lines in [self.lines(path)]
            if lines is not None and line is not None and 1 <= line <= len(lines)
        ]
        return places[0] if len(places) == 1 else None

    def lines(self, path: str) -> list[str] | None:
        if path.startswith(("/", "../")):
            return None
        if path not in self.files:
            content = git("cat-file", "blob", f"{self.revision}:{path}")
            self.files[path] = None if content is None else content.decode(errors="replace").splitlines()
        return self.files[path]


def git(*arguments: str) -> bytes | None:
    """None where git says no."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False, cwd=workspace())
    return done.stdout if done.returncode == 0 else None


def workspace() -> str:
    return os.environ.get("GITHUB_WORKSPACE") or "."


def to_results(findings: Iterable[Finding], source: Source) -> tuple[list[Object], int]:
    """And how many findings have no place."""
    results: list[Object] = []
    without_place = 0
    seen: dict[str, int] = {}
    for finding in findings:
        place = source.find(finding.occurrence)
        if place is None:
            without_place += 1
            continue
        results.append(to_result(finding, place, seen))
    return results, without_place


def to_result(finding: Finding, place: Place, seen: dict[str, int]) -> Object:
    # Alerts are the same from run to run by rule, file and this: the line's text, so that it may move, and a
    # count. The upload would take the text from the checkout, which is another revision.
    text = "\0".join([finding.rule.id, place.path, finding.asset.name, place.code.strip()])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    seen[digest] = seen.get(digest, 0) + 1
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.index(finding.rule),
        "level": "warning",
        "message": {"text": plain(finding.message)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(place.path), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": place.line},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{digest}:{seen[digest]}"},
    }


def plain(text: str) -> str:
    """Without what SARIF takes as a link or a placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    return re.sub(r"([\[\]\\])", r"\\\1", text).replace("{", "{{").replace("}", "}}")


def to_sarif(results: list[Object], scanned: Asset) -> Object:
    driver = {
        "name": "Fortanix Key Insight",
        "informationUri": HELP,
        "rules": [to_rule(rule) for rule in RULES],
    }
    run_of_tool = {
        "tool": {"driver": driver},
        "versionControlProvenance": [
            {
                "repositoryUri": scanned.repository,
                "revisionId": scanned.revision,
                "branch": scanned.branch,
                "mappedTo": {"uriBaseId": "%SRCROOT%"},
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run_of_tool],
    }


def to_rule(rule: Rule) -> Object:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": f"{rule.short}."},
        "fullDescription": {"text": rule.full},
        "help": {"text": rule.full},
        "helpUri": HELP,
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["security", "cryptography"]},
    }


if __name__ == "__main__":
    run(main)
