"""Inventories as tables and as CBOMs. run.mjs validates the CBOMs that are left in OUT_FOLDER."""

from __future__ import annotations

import csv
import io
import json
import unittest
from pathlib import Path

from asset import Occurrence
from inventory_to_cbom import to_algorithm
from inventory_to_csv import cell
from support import OUT, JsonObject, ScriptTest

AT = "20260102T030405Z"


def found(provider: str, details: JsonObject, **outer: str) -> JsonObject:
    return {
        "id": f"id-{json.dumps(details)}",
        "scan_id": "scan",
        "scanned_at": AT,
        "details": {"$type": provider, "details": details, **outer},
    }


def file_on_host(metadata: JsonObject, **analysis: object) -> JsonObject:
    return found(
        "on_prem",
        {
            "$type": "filesystem",
            "analysis": {"violations": [], **analysis},
            "host_info": {"hostname": "web-1"},
            "object": {"file_info": {"file_path": "/etc/key.pem"}, "metadata": metadata},
        },
    )


# Objects with the least that the vendor's document asks for, and kinds that the sandbox does not have.
SPARSE = [
    found(
        "aws",
        {"$type": "kms", "key_aliases": [], "analysis": {"is_shared": False}},
        arn="arn:aws:kms:::key/1",
    ),
    found("aws", {"$type": "a_new_service"}, arn="arn:aws:new:::1"),
    found("a_new_cloud", {"$type": "key", "name": "=1+1"}),
    found(
        "dsm",
        {
            "$type": "dsm_sobject",
            "sobject_id": "5f7d1a52",
            "name": "signer",
            "state": "compromised",
            "creation_date": AT,
            "object_type": "ec",
            "elliptic_curve": "nistp256",
            "analysis": {"crypto_policy_compliance": {"is_compliant": False, "violation_reason": None}},
        },
    ),
    found(
        "dsm",
        {
            "$type": "dsm_sobject",
            "sobject_id": "5f7d1a53",
            "name": "tls",
            "state": "not_available",
            "creation_date": AT,
            "object_type": "certificate",
            "analysis": {},
        },
    ),
    found(
        "dsm",
        {
            "$type": "dsm_sobject",
            "sobject_id": "5f7d1a54",
            "name": "data",
            "state": "active",
            "creation_date": AT,
            "object_type": "aes",
            "key_size": 256,
            "analysis": {},
        },
    ),
    file_on_host({"symmetric_key": {}}, key_spec="aes256"),
    file_on_host({"public_key": {}}, key_spec="unknown"),
    file_on_host({"jwt": {}}),
    file_on_host(
        {"trusted_certificate": {"certificate": {"valid_from_unix_millis": 0, "valid_to_unix_millis": 1500}}}
    ),
    found(
        "on_prem",
        {
            "$type": "on_prem_source_code_component",
            "repo_url": "https://example.com/a.git",
            "revision": "main",
            "analysis": {},
            "details": {
                "name": "HPKE",
                "asset_type": "protocol",
                "bom_ref": "1",
                "occurrences": [
                    {
                        "location": "a.c",
                        "line": 3,
                        "offset": 0,
                        "symbol": "f",
                        "additional_context": "x",
                    }
                ],
            },
        },
    ),
    found(
        "on_prem",
        {
            "$type": "on_prem_source_code_component",
            "repo_url": "https://example.com/a.git",
            "revision": "main",
            "analysis": {"crypto_policy_compliance": {"is_compliant": True}},
            "details": {
                "name": "GOST",
                "asset_type": "secret-key",
                "bom_ref": "2",
                "key_spec": {"other": {"value": "gost 28147"}},
                "occurrences": [],
            },
        },
    ),
]


class FilesTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.inventory = self.folder / "inventory"

    def write(self, *objects: JsonObject) -> None:
        self.inventory.mkdir()
        (self.inventory / "connections.json").write_text('{"c1": "=cmd"}')
        lines = "".join(json.dumps(one) + "\n" for one in objects)
        (self.inventory / "c1.jsonl").write_text(lines)

    def make(self, script: str, file: Path) -> str:
        done = self.run_script(script, self.inventory, file)
        self.assertEqual(done.code, 0, done.stdout)
        return done.stdout

    def cbom(self, name: str) -> tuple[JsonObject, str]:
        log = self.make("inventory_to_cbom", OUT / name)
        return json.loads((OUT / name).read_text()), log

    def table(self) -> list[dict[str, str]]:
        self.make("inventory_to_csv", self.folder / "table.csv")
        return list(
            csv.DictReader(io.StringIO((self.folder / "table.csv").read_text("utf-8-sig"), newline=""))
        )

    def test_the_sandbox_as_a_cbom(self) -> None:
        self.run_script("export_inventory", self.inventory)
        bom, log = self.cbom("sandbox.cbom.json")
        # 48 buckets, a database and a repository are no cryptographic assets.
        self.assertIn("2500 cryptographic assets", log)
        self.assertIn("50 other objects left out", log)
        by_name = {component["name"]: component for component in bom["components"]}
        key = by_name["alias/service-0"]["cryptoProperties"]["relatedCryptoMaterialProperties"]
        self.assertEqual(
            (key["type"], key["state"], key["algorithmRef"], key["creationDate"]),
            ("key", "active", "algorithm/rsa2048", "2024-03-05T10:15:00Z"),
        )
        certificate = by_name["/etc/ssl/certs/gateway.pem"]["cryptoProperties"]["certificateProperties"]
        self.assertEqual(certificate["subjectName"], "CN=gateway.example.com")
        occurrences = by_name["SHA-1"]["evidence"]["occurrences"]
        self.assertEqual(occurrences, [{"location": "src/old format.py", "line": 5}])

    def test_the_sandbox_as_a_table(self) -> None:
        self.run_script("export_inventory", self.inventory)
        rows = self.table()
        self.assertEqual(len(rows), 2550)
        self.assertEqual(rows[0].keys() >= {"connection", "name", "algorithm", "expires"}, True)
        sha1 = next(row for row in rows if row["name"] == "SHA-1")
        self.assertEqual(
            (
                sha1["connection"],
                sha1["occurrences"],
                sha1["is_compliant"],
                sha1["is_quantum_vulnerable"],
            ),
            ("datacenter-frankfurt", "src/old format.py:5", "no", "unknown"),
        )

    def test_sparse_objects(self) -> None:
        self.write(*SPARSE)
        bom, log = self.cbom("sparse.cbom.json")
        self.assertIn("9 cryptographic assets", log)
        self.assertIn("3 other objects left out", log)
        crypto = {one["name"]: one["cryptoProperties"] for one in bom["components"]}
        self.assertEqual(
            crypto["arn:aws:kms:::key/1"]["relatedCryptoMaterialProperties"],
            {"type": "key", "id": "arn:aws:kms:::key/1"},
        )
        self.assertEqual(crypto["signer"]["relatedCryptoMaterialProperties"]["state"], "compromised")
        self.assertEqual(crypto["tls"]["assetType"], "certificate")
        self.assertEqual(crypto["HPKE"], {"assetType": "protocol"})
        self.assertEqual(crypto["gost 28147"], {"assetType": "algorithm"})
        self.assertEqual(
            crypto["EC-P-256"]["algorithmProperties"],
            {"curve": "P-256"},
        )

    def test_a_spreadsheet_calculates_nothing(self) -> None:
        self.write(*SPARSE)
        rows = self.table()
        self.assertEqual(rows[0]["connection"], "'=cmd")
        self.assertEqual([row["name"] for row in rows if row["provider"] == "a_new_cloud"], ["'=1+1"])
        for text in ("=1", "+1", "-1", "@x", " =1", "\u00a0=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x"):
            self.assertTrue(cell(text).startswith("'"), text)
        for text in ("\t=1", "\r=1", "\n=1", "\u200b=1", "\u2028=1"):
            self.assertEqual(cell(text), "' =1")
        self.assertEqual([cell(True), cell(False), cell(None)], ["yes", "no", "unknown"])
        self.assertEqual([cell("a=1"), cell("a\nb"), cell("")], ["a=1", "a b", ""])

    def test_excel_shows_the_table(self) -> None:
        self.write(*SPARSE)
        self.table()
        self.assertTrue((self.folder / "table.csv").read_bytes().startswith(b"\xef\xbb\xbf"))
        places = tuple(Occurrence(f"src/{number}.c", number, None, "", "") for number in range(9_000))
        shown = cell(places)
        self.assertRegex(shown, r"^src/0\.c:0; .*… and \d+ more$")
        left_out = int(shown.rsplit(" ", 2)[1])
        self.assertEqual(shown.count("; ") + 1 + left_out, 9_000)
        long = cell("=" + "\U0001f511" * 40_000)
        self.assertRegex(long, r"… and \d+ more characters$")
        for text in (shown, long, cell((Occurrence("x" * 40_000, 1, None, "", ""),))):
            self.assertLessEqual(len(text.encode("utf-16-le")) // 2, 32_767)

    def test_algorithms_have_the_names_of_their_standards(self) -> None:
        for word, name, primitive, parameter in (
            ("rsa_hsm4096", "RSA-4096", None, "4096"),
            ("rsa_oaep", "RSA-OAEP", "pke", None),
            ("ecc_nist_hsm_p521", "EC-P-521", None, None),
            ("ecdsa_p256", "ECDSA-P-256", "signature", None),
            ("ed25519", "Ed25519", "signature", "25519"),
            ("hmac_sha256", "HMAC-SHA-256", "mac", "256"),
            ("sha3_512", "SHA3-512", "hash", "512"),
            ("ml_kem768", "ML-KEM-768", "kem", "768"),
            ("des3", "Triple DES", "block-cipher", None),
            ("symmetric_default", "symmetric_default", None, None),
            ("ecc_secg_p256_k1", "ecc_secg_p256_k1", None, None),
        ):
            with self.subTest(word):
                made = to_algorithm(word)
                properties = made["cryptoProperties"].get("algorithmProperties", {})
                self.assertEqual(made["name"], name)
                self.assertEqual(properties.get("primitive"), primitive)
                self.assertEqual(properties.get("parameterSetIdentifier"), parameter)

    def test_what_is_no_inventory(self) -> None:
        for text, content in (
            ("line 1 is not an inventory object: KeyError 'details'", "{}\n"),
            ("line 1 is not an inventory object: JSONDecodeError", "hello\n"),
            ("line 1 is not an inventory object: TypeError", "7\n"),
        ):
            self.inventory.mkdir(exist_ok=True)
            (self.inventory / "connections.json").write_text("{}")
            (self.inventory / "c1.jsonl").write_text(content)
            for script in ("inventory_to_csv", "inventory_to_cbom", "findings_to_sarif"):
                with self.subTest(f"{script}: {text}"):
                    done = self.run_script(script, self.inventory, self.folder / "file")
                    self.assertEqual(done.code, 1)
                    self.assertIn(text, done.stdout)

    def test_no_inventory(self) -> None:
        self.inventory.mkdir()
        done = self.run_script("inventory_to_csv", self.inventory, self.folder / "file")
        self.assertEqual(done.code, 1)
        self.assertIn("run export_inventory.py first", done.stdout)


if __name__ == "__main__":
    unittest.main()
