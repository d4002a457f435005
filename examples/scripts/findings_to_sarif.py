#!/usr/bin/env python3
"""Turns the findings of Armor's source code scan of this repository into SARIF, for code scanning.

It takes what export_inventory.py wrote. A finding becomes an alert only if the revision that was scanned has
its file and its line; the others are counted. Keys of clouds have no file, and are no alerts.
Run it in a checkout that has the scanned revision (fetch-depth: 0). The outputs ref and revision are for
the upload.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from asset import Asset, Occurrence
from inventory import read_assets
from log import annotate, say
from scanned_source import Place, Source
from web import Failure, JsonObject
from workflow import ArgumentParser, run, set_output, variable

# GitHub refuses a file with more results in one run, and shows the first 5,000 by severity
# (docs.github.com, "SARIF support for code scanning").
MAX_RESULTS = 25_000
MAX_SHOWN = 5_000
HELP = "https://support.fortanix.com/docs/programmatic-access-to-fortanix-key-insight-apis"


class Rule(NamedTuple):
    """A kind of alert."""

    id: str
    name: str
    short: str
    full: str
    # From 0 to 10, as of CVSS; GitHub makes low, medium, high or critical of it.
    security_severity: str


QUANTUM = Rule(
    "quantum-vulnerable",
    "QuantumVulnerable",
    "Cryptography that quantum computers can break",
    "The source code uses an algorithm or a key that Fortanix Key Insight calls quantum-vulnerable. "
    "Replace it with a post-quantum algorithm, or with a symmetric one.",
    "7.5",
)
POLICY = Rule(
    "crypto-policy",
    "CryptoPolicy",
    "Cryptography against the crypto policy",
    "The source code uses an algorithm or a key that the connection's crypto policy in Fortanix Key Insight "
    "does not allow. Use one that it allows.",
    "5.0",
)
RULES = [QUANTUM, POLICY]


class Finding(NamedTuple):
    """What Armor says about one place in the source code."""

    rule: Rule
    message: str
    asset: Asset
    occurrence: Occurrence


def main() -> None:
    """Write the SARIF file."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="what export_inventory.py wrote")
    parser.add_argument("file", type=Path, help="the SARIF file to write")
    options = parser.parse_args()
    assets = list(read_assets(options.folder))
    scanned = scanned_repository(assets)
    results, without_place = to_results(findings_of(assets, scanned), Source(scanned))
    results = limited(results)
    with open(options.file, "w", encoding="utf-8") as file:
        json.dump(to_sarif(results, scanned), file, indent=1)
    set_output("ref", f"refs/heads/{scanned.branch}")
    set_output("revision", scanned.revision)
    say(f"Revision {scanned.revision}: {len(results)} alerts, {without_place} findings without file or line.")


def limited(results: list[JsonObject]) -> list[JsonObject]:
    """Give as many results as code scanning takes, the quantum-vulnerable first; warn if that is not all."""
    ordered = sorted(results, key=lambda result: result["ruleIndex"])
    left_out = len(ordered) - MAX_RESULTS
    if left_out > 0:
        annotate(
            "warning",
            f"{len(ordered)} findings are more than code scanning takes: {left_out} were left out, and "
            f"GitHub shows the first {MAX_SHOWN}.",
        )
    elif len(ordered) > MAX_SHOWN:
        annotate("warning", f"Code scanning shows {MAX_SHOWN} of these {len(ordered)} findings.")
    return ordered[:MAX_RESULTS]


def scanned_repository(assets: Iterable[Asset]) -> Asset:
    """Give the newest scan of this repository's branch; raise Failure if there is none."""
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
    """Give host and path, as far as they tell repositories apart."""
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), re.sub(r"(\.git)?/*$", "", parts.path).lower()


def findings_of(assets: Iterable[Asset], scanned: Asset) -> Iterable[Finding]:
    """Give what the scan found against a rule."""
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


def to_results(findings: Iterable[Finding], source: Source) -> tuple[list[JsonObject], int]:
    """Give a result for each finding that has a place, and how many findings have none."""
    results: list[JsonObject] = []
    without_place = 0
    seen: dict[str, int] = {}
    for finding in findings:
        place = source.find(finding.occurrence)
        if place is None:
            without_place += 1
            continue
        results.append(to_result(finding, place, seen))
    return results, without_place


def to_result(finding: Finding, place: Place, seen: dict[str, int]) -> JsonObject:
    """Give the result of a finding; `seen` counts the findings that are alike."""
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
    """Give a text without what SARIF takes as a link or a placeholder (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    return re.sub(r"([\[\]\\])", r"\\\1", text).replace("{", "{{").replace("}", "}}")


def to_sarif(results: list[JsonObject], scanned: Asset) -> JsonObject:
    """Give the SARIF file of one run."""
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


def to_rule(rule: Rule) -> JsonObject:
    """Give a rule as SARIF has it."""
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": f"{rule.short}."},
        "fullDescription": {"text": rule.full},
        "help": {"text": rule.full},
        "helpUri": HELP,
        "defaultConfiguration": {"level": "warning"},
        "properties": {
            "tags": ["security", "cryptography"],
            "security-severity": rule.security_severity,
        },
    }


if __name__ == "__main__":
    run(main)
