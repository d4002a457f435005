"""The kinds of objects in an inventory, each in Armor's words, as the fields of an asset."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone

from asset import Occurrence
from web import JsonObject

SYMMETRIC = re.compile(
    r"aes|aria|camellia|chacha|cha_cha|des|hmac|oct|rc[24]|seed|sm4|symmetric|tdes|twofish"
)


def kms_key(key: JsonObject) -> JsonObject:
    """Give the fields of a key in AWS KMS."""
    return {
        "name": next(iter(key["key_aliases"]), "") or text(key, "key_id"),
        "asset": material(text(key, "key_spec")),
        "algorithm": text(key, "key_spec"),
        "state": text(key, "key_state"),
        "created": iso_time(key, "key_creation_date"),
        "expires": iso_time(key, "key_valid_to"),
        **compliance(key["analysis"].get("crypto_policy_compliance")),
    }


def acm_certificate(certificate: JsonObject) -> JsonObject:
    """Give the fields of a certificate in AWS Certificate Manager."""
    analysis = certificate["analysis"]
    return {
        "name": text(certificate, "domain_name"),
        "asset": "certificate",
        "algorithm": known(text(certificate, "key_algorithm")),
        "signature_algorithm": known(text(certificate, "signature_algorithm")),
        "state": text(certificate, "status"),
        "created": iso_time(certificate, "created_at"),
        "valid_from": iso_time(certificate, "not_valid_before"),
        "expires": iso_time(certificate, "not_valid_after"),
        "issuer": text(certificate, "issuer"),
        **compliance(
            analysis.get("key_algo_crypto_policy_compliance"),
            analysis.get("signature_crypto_policy_compliance"),
        ),
    }


def azure_key(key: JsonObject) -> JsonObject:
    """Give the fields of a version of a key in Azure Key Vault."""
    attributes = key["key_attributes"]
    return {
        "name": text(key, "key_name"),
        "asset": material(text(key, "key_type")),
        "algorithm": known(text(key, "key_type")),
        "state": "enabled" if attributes["is_enabled"] else "disabled",
        "created": iso_time(attributes, "created_at"),
        "activated": iso_time(attributes, "activation_date"),
        "expires": iso_time(attributes, "expiry_date"),
        **compliance(key["analysis"].get("crypto_policy_compliance")),
    }


def dsm_object(found: JsonObject) -> JsonObject:
    """Give the fields of a security object in Fortanix DSM."""
    kind, curve, size = (
        text(found, "object_type"),
        text(found, "elliptic_curve"),
        found.get("key_size"),
    )
    return {
        "name": text(found, "name"),
        "asset": "certificate" if kind == "certificate" else material(kind),
        "algorithm": "" if kind == "certificate" else f"{kind}_{curve}" if curve else f"{kind}{size or ''}",
        "state": text(found, "state"),
        "created": iso_time(found, "creation_date"),
        "activated": iso_time(found, "activation_date"),
        "expires": iso_time(found, "deactivation_date"),
        **compliance(found["analysis"].get("crypto_policy_compliance")),
    }


def database_key(key: JsonObject) -> JsonObject:
    """Give the fields of a key of a database."""
    return {
        "name": text(key, "name"),
        "asset": material(text(key, "encryption_algorithm")),
        "algorithm": known(text(key, "encryption_algorithm")),
        "state": text(key, "status"),
        "created": iso_time(key, "created_at"),
        "expires": iso_time(key, "expires_at"),
        **compliance(key["analysis"].get("crypto_policy_compliance")),
    }


def file_on_host(found: JsonObject) -> JsonObject:
    """Give the fields of a key or certificate in a file."""
    analysis, metadata = found["analysis"], found["object"]["metadata"]
    host, path = found["host_info"]["hostname"], found["object"]["file_info"]["file_path"]
    fields: JsonObject = {
        "name": path,
        "algorithm": known(text(analysis, "key_spec")),
        "occurrences": (Occurrence(f"{host}:{path}", None, None, "", ""),),
        **compliance(analysis.get("crypto_policy_compliance")),
    }
    if "quantum_vulnerable" in analysis["violations"]:
        fields["is_quantum_vulnerable"] = True
    for kind in ("private_key", "public_key", "symmetric_key"):
        if kind in metadata:
            fields["asset"] = "secret-key" if kind == "symmetric_key" else kind.replace("_", "-")
    certificate = metadata.get("certificate") or metadata.get("trusted_certificate", {}).get("certificate")
    if certificate:
        fields |= {
            "asset": "certificate",
            "valid_from": from_millis(certificate["valid_from_unix_millis"]),
            "expires": from_millis(certificate["valid_to_unix_millis"]),
            "subject": distinguished_name(certificate.get("subject_cn")),
            "issuer": distinguished_name(certificate.get("issuer_cn")),
        }
    return fields


def source_component(component: JsonObject) -> JsonObject:
    """Give the fields of cryptography in source code."""
    details, analysis = component["details"], component["analysis"]
    spec = details.get("key_spec", "")
    return {
        "name": details["name"],
        "asset": details["asset_type"],
        "algorithm": spec if isinstance(spec, str) else spec["other"]["value"],
        "repository": component["repo_url"],
        "revision": component["revision"],
        "occurrences": tuple(
            Occurrence(
                found["location"],
                found.get("line"),
                found.get("offset"),
                text(found, "symbol"),
                text(found, "additional_context"),
            )
            for found in details["occurrences"]
        ),
        "is_quantum_vulnerable": analysis.get("is_quantum_vulnerable"),
        **compliance(analysis.get("crypto_policy_compliance")),
    }


def source_repository(repository: JsonObject) -> JsonObject:
    """Give the fields of a repository, which is no cryptographic asset itself."""
    return {
        "name": repository["name"],
        "repository": repository["repo_url"],
        "revision": repository["revision"],
        "branch": repository["branch"],
        "subfolder": text(repository, "subfolder"),
    }


def other(found: JsonObject) -> JsonObject:
    """Give the name of anything else."""
    return {"name": text(found, "name") or text(found, "database_name")}


ADAPTERS: dict[tuple[str, str], Callable[[JsonObject], JsonObject]] = {
    ("aws", "kms"): kms_key,
    ("aws", "acm"): acm_certificate,
    ("azure", "kv_key_version"): azure_key,
    ("dsm", "dsm_sobject"): dsm_object,
    ("on_prem", "on_prem_key"): database_key,
    ("on_prem", "filesystem"): file_on_host,
    ("on_prem", "on_prem_source_code_component"): source_component,
    ("on_prem", "on_prem_source_code_repo"): source_repository,
}


def material(algorithm: str) -> str:
    """Give CycloneDX's word for a key: Armor says of which algorithm it is, but not which half of a pair."""
    return "secret-key" if SYMMETRIC.match(algorithm) else "key"


def known(word: str) -> str:
    """Give Armor's word, or nothing if it says that it does not know."""
    return "" if word in {"unknown", "hidden"} else word


def compliance(*verdicts: JsonObject | None) -> JsonObject:
    """Give the fields about the crypto policy; none if there is no verdict."""
    given = [verdict for verdict in verdicts if verdict]
    if not given:
        return {}
    reasons = [text(verdict, "violation_reason") for verdict in given if not verdict["is_compliant"]]
    return {
        "is_compliant": all(verdict["is_compliant"] for verdict in given),
        "violation": "; ".join(reason for reason in reasons if reason),
    }


def distinguished_name(names: dict[str, str] | None) -> str:
    """Give a name such as CN=example.com, O=Example."""
    return ", ".join(f"{key}={value}" for key, value in (names or {}).items())


def text(value: JsonObject, key: str) -> str:
    """Give a property that is a text, otherwise an empty text."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def iso_time(value: JsonObject, key: str) -> str:
    """Give Armor's 20170509T070912Z as ISO 8601's 2017-05-09T07:09:12Z."""
    found = text(value, key)
    return datetime.strptime(found, "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ") if found else ""


def from_millis(millis: int) -> str:
    """Give milliseconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(millis / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
