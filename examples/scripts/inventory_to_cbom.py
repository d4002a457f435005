#!/usr/bin/env python3
"""Makes a CycloneDX 1.6 CBOM of the keys, certificates and algorithms that export_inventory.py wrote.

Nothing is added to what Armor says: what it does not know is left out, and what is no cryptographic asset
itself (services, databases) is counted, not listed.
"""

import json
import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, Optional

import python_floor  # noqa: F401 - says which Python is needed, before a module is read that needs it
from asset import Asset, Occurrence
from inventory import read_assets
from log import say
from web import JsonObject
from workflow import ArgumentParser, run


class Algorithm(NamedTuple):
    """What Armor's word for an algorithm is in CycloneDX; `{}` stands for the number in the word."""

    # The whole word, as a regular expression with one group at most.
    pattern: str
    name: str
    primitive: str = ""
    curve: str = ""


# Armor's words for algorithms and key types. What is not here keeps Armor's word as its name.
# An RSA or EC key can be for signatures or for encryption: no primitive.
ALGORITHMS = [
    Algorithm(r"rsa_oaep", "RSA-OAEP", "pke"),
    Algorithm(r"rsa_?(?:hsm)?(\d+)", "RSA-{}"),
    Algorithm(r"(?:ecc_nist|ecc_nist_hsm|ec_generic|ec_nist)_?p(\d+)", "EC-P-{}", curve="P-{}"),
    Algorithm(r"ecdsa_p(\d+)", "ECDSA-P-{}", "signature", "P-{}"),
    Algorithm(r"ecdh_p(\d+)", "ECDH-P-{}", "key-agree", "P-{}"),
    Algorithm(r"(?:ecc_)?ed(25519|448)", "Ed{}", "signature"),
    Algorithm(r"(?:ecc_)?x(25519|448)", "X{}", "key-agree"),
    Algorithm(r"aes(\d+)", "AES-{}", "block-cipher"),
    Algorithm(r"hmac_?(?:sha)?(\d+)", "HMAC-SHA-{}", "mac"),
    Algorithm(r"sha(1|224|256|384|512)", "SHA-{}", "hash"),
    Algorithm(r"sha3_(\d+)", "SHA3-{}", "hash"),
    Algorithm(r"sha(\d+)_with_rsa", "SHA-{} with RSA", "signature"),
    Algorithm(r"ml_kem(\d+)", "ML-KEM-{}", "kem"),
    Algorithm(r"ml_dsa(\d+)", "ML-DSA-{}", "signature"),
    Algorithm(r"des", "DES", "block-cipher"),
    Algorithm(r"des3", "Triple DES", "block-cipher"),
]

# Where CycloneDX has a word of the same meaning; the property armor:state always has Armor's.
STATES = {
    "pre_active": "pre-activation",
    "creating": "pre-activation",
    "pending_import": "pre-activation",
    "active": "active",
    "enabled": "active",
    "valid": "active",
    "disabled": "suspended",
    "deactivated": "deactivated",
    "compromised": "compromised",
    "destroyed": "destroyed",
}


def main() -> None:
    """Write the CBOM."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("folder", type=Path, help="what export_inventory.py wrote")
    parser.add_argument("file", type=Path, help="the CBOM to write")
    options = parser.parse_args()
    assets = list(read_assets(options.folder))
    cryptographic = [asset for asset in assets if asset.asset]
    with open(options.file, "w", encoding="utf-8") as file:
        json.dump(to_bom(cryptographic), file, indent=1)
    left_out = len(assets) - len(cryptographic)
    say(f"{len(cryptographic)} cryptographic assets in {options.file}, {left_out} other objects left out")


def to_bom(assets: Iterable[Asset]) -> JsonObject:
    """Give the CBOM of cryptographic assets."""
    components: list[JsonObject] = []
    dependencies: list[JsonObject] = []
    algorithms: dict[str, JsonObject] = {}
    for asset in assets:
        components.append(to_component(asset))
        used = [word for word in (asset.algorithm, asset.signature_algorithm) if word]
        if asset.asset == "algorithm":
            used = []  # it is that algorithm itself
        algorithms.update({word: to_algorithm(word) for word in used})
        dependencies.append({"ref": asset.id, "dependsOn": sorted({reference(word) for word in used})})
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "discovery"}],
            "tools": {"components": [{"type": "application", "name": "inventory_to_cbom.py"}]},
        },
        "components": [*components, *algorithms.values()],
        "dependencies": dependencies,
    }


def to_component(asset: Asset) -> JsonObject:
    """Give the component of an asset."""
    component: JsonObject = {
        "type": "cryptographic-asset",
        "bom-ref": asset.id,
        "name": asset.name or asset.resource or asset.id,
        "cryptoProperties": crypto_properties(asset),
        "properties": properties(asset),
    }
    if asset.occurrences:
        component["evidence"] = {"occurrences": list(map(to_occurrence, asset.occurrences))}
    if asset.repository:
        component["externalReferences"] = [{"type": "vcs", "url": asset.repository}]
    return component


def crypto_properties(asset: Asset) -> JsonObject:
    """Give what CycloneDX has about an asset of this kind."""
    if asset.asset == "algorithm":
        return {"assetType": "algorithm", **algorithm_properties(asset.algorithm)}
    if asset.asset == "protocol":
        return {"assetType": "protocol"}
    if asset.asset == "certificate":
        return {"assetType": "certificate", "certificateProperties": certificate_properties(asset)}
    return {
        "assetType": "related-crypto-material",
        "relatedCryptoMaterialProperties": material_properties(asset),
    }


def certificate_properties(asset: Asset) -> JsonObject:
    """Give a certificate's properties."""
    return given(
        subjectName=asset.subject,
        issuerName=asset.issuer,
        notValidBefore=asset.valid_from,
        notValidAfter=asset.expires,
        signatureAlgorithmRef=reference(asset.signature_algorithm),
    )


def material_properties(asset: Asset) -> JsonObject:
    """Give a key's properties."""
    return given(
        type=asset.asset,
        id=asset.resource,
        state=STATES.get(asset.state, ""),
        algorithmRef=reference(asset.algorithm),
        creationDate=asset.created,
        activationDate=asset.activated,
        expirationDate=asset.expires,
    )


def to_algorithm(word: str) -> JsonObject:
    """Give the component of an algorithm, to which keys and certificates refer."""
    found = find(word)
    return {
        "type": "cryptographic-asset",
        "bom-ref": reference(word),
        "name": found[0].name.format(found[1]) if found else word,
        "cryptoProperties": {"assetType": "algorithm", **algorithm_properties(word)},
    }


def algorithm_properties(word: str) -> JsonObject:
    """Give what the word for an algorithm says."""
    found = find(word)
    if found is None:
        return {}
    algorithm, parameter = found
    fields = given(
        primitive=algorithm.primitive,
        curve=algorithm.curve.format(parameter),
        parameterSetIdentifier="" if algorithm.curve else parameter,
    )
    return {"algorithmProperties": fields} if fields else {}


def find(word: str) -> Optional[tuple[Algorithm, str]]:
    """Give the algorithm that a word means, and the number in the word, which may be empty."""
    for algorithm in ALGORITHMS:
        match = re.fullmatch(algorithm.pattern, word)
        if match:
            return algorithm, (match.groups() or ("",))[0]
    return None


def reference(word: str) -> str:
    """Give the bom-ref of an algorithm."""
    return f"algorithm/{word}" if word else ""


def to_occurrence(occurrence: Occurrence) -> JsonObject:
    """Give a place where an asset was found."""
    fields = given(
        location=occurrence.location,
        symbol=occurrence.symbol,
        additionalContext=occurrence.context,
    )
    numbers = {"line": occurrence.line, "offset": occurrence.offset}
    return fields | {name: number for name, number in numbers.items() if number is not None}


def properties(asset: Asset) -> list[JsonObject]:
    """Give what Armor says and CycloneDX has no word for, in Armor's words."""
    values = given(
        connection=asset.connection,
        kind=f"{asset.provider}/{asset.kind}",
        resource=asset.resource,
        region=asset.region,
        algorithm=asset.algorithm,
        state=asset.state,
        scan=asset.scan_id,
        revision=asset.revision,
        violation=asset.violation,
        is_compliant=yes_or_no(asset.is_compliant),
        is_quantum_vulnerable=yes_or_no(asset.is_quantum_vulnerable),
    )
    return [{"name": f"armor:{name}", "value": value} for name, value in values.items()]


def yes_or_no(value: Optional[bool]) -> str:
    """Give a verdict as a word; nothing if there is none."""
    if value is None:
        return ""
    return "yes" if value else "no"


def given(**fields: str) -> JsonObject:
    """Give the fields that are not empty."""
    return {name: value for name, value in fields.items() if value}


if __name__ == "__main__":
    run(main)
