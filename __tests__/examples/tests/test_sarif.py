"""Findings as SARIF. run.mjs validates the files that are left in OUT_FOLDER."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path
from typing import Any

import findings_to_sarif
from findings_to_sarif import limited, plain
from support import CHECKS, OUT, JsonObject, Result, ScriptTest

# Made anew, from scanned beside this folder, it has the hash that the sandbox's scan names.
REVISION = "77c1c984a59bdeb98cca9d0db1ea928563b04c42"
DATE = "2026-11-19T12:00:00Z"


def repository(**fields: Any) -> JsonObject:
    return of_source(
        "on_prem_source_code_repo",
        name="payments",
        **{"branch": "main", "subfolder": None, **fields},
    )


def component(location: str, line: int | None, **fields: Any) -> JsonObject:
    details = {"name": "RSA-2048", "asset_type": "key", "bom_ref": "1"}
    analysis = {"is_quantum_vulnerable": True}
    return of_source(
        "on_prem_source_code_component",
        details={**details, "occurrences": [{"location": location, "line": line}]},
        **{"analysis": analysis, **fields},
    )


def of_source(kind: str, **fields: Any) -> JsonObject:
    where = {"repo_url": "https://github.com/org/payments", "revision": REVISION}
    return {
        "id": f"{kind} {fields}",
        "scan_id": "scan-1",
        "scanned_at": "20261120T020009Z",
        "details": {"$type": "on_prem", "details": {"$type": kind, **where, **fields}},
    }


class SarifTest(ScriptTest):
    def setUp(self) -> None:
        super().setUp()
        self.inventory = self.folder / "inventory"
        self.checkout = self.folder / "checkout"
        shutil.copytree(CHECKS / "scanned", self.checkout)
        self.git("init", "--quiet", "--initial-branch=main")
        self.assertEqual(self.commit("Sign messages"), REVISION)

    def git(self, *arguments: str) -> str:
        variables = {
            "GIT_AUTHOR_DATE": DATE,
            "GIT_COMMITTER_DATE": DATE,
            "GIT_CONFIG_GLOBAL": str(
                self.folder / "gitconfig"
            ),  # none: the machine's own may sign or convert
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.checkout,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def convert(
        self, *objects: JsonObject, file: Path | None = None, **variables: str
    ) -> tuple[Result, list[JsonObject]]:
        if objects:
            self.inventory.mkdir(exist_ok=True)
            (self.inventory / "connections.json").write_text("{}")
            (self.inventory / "c1.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
        file = file or self.folder / "armor.sarif"
        file.unlink(missing_ok=True)
        variables = {"GITHUB_WORKSPACE": str(self.checkout), **variables}
        done = self.run_script("findings_to_sarif", self.inventory, file, **variables)
        return done, json.loads(file.read_text())["runs"][0]["results"] if done.code == 0 else []

    def test_the_sandbox(self) -> None:
        self.run_script("export_inventory", self.inventory)
        (self.checkout / "later.txt").write_text("HEAD is another revision than the one that was scanned")
        self.commit("Go on")
        done, results = self.convert(file=OUT / "sandbox.sarif")
        self.assertEqual((done.code, done.outputs), (0, {"ref": "refs/heads/main", "revision": REVISION}))
        self.assertIn("3 alerts, 2 findings without file or line", done.stdout)
        self.assertEqual(
            [place(result) for result in results],
            [
                ("quantum-vulnerable", "src/signing.py", 6),
                ("quantum-vulnerable", "src/signing.py", 10),
                ("crypto-policy", "src/old%20format.py", 5),
            ],
        )
        self.assertEqual(
            results[2]["message"]["text"],
            "'SHA-1' (algorithm) is against the crypto policy: SHA-1 is not allowed.",
        )

    def test_no_findings(self) -> None:
        done, results = self.convert(repository(), file=OUT / "empty.sarif")
        self.assertEqual((done.code, results), (0, []))

    def test_the_repository_by_any_of_its_addresses(self) -> None:
        for url in (
            "https://GitHub.com/Org/Payments.git",
            "ssh://git@github.com/org/payments",
            "https://github.com/org/payments/",
        ):
            with self.subTest(url):
                objects = repository(repo_url=url), component("src/signing.py", 6, repo_url=url)
                done, results = self.convert(*objects)
                self.assertEqual((done.code, len(results)), (0, 1))

    def test_another_repository_branch_revision_or_scan(self) -> None:
        other = {"repo_url": "https://github.com/org/payments-old"}
        other_scan = {**component("src/signing.py", 6), "scan_id": "scan-0"}
        none = "Armor has no completed source code scan of https://github.com/org/payments, branch main"
        for objects, text in (
            ([repository(**other), component("src/signing.py", 6, **other)], none),
            ([repository(branch="next")], none),
            ([repository(repo_url="https://example.com/org/payments")], none),
            ([repository(revision="main")], "does not name a commit"),
            ([repository(revision="0" * 40)], "is not in this checkout; use fetch-depth: 0"),
            ([repository(), component("src/signing.py", 6, **other)], "0 alerts, 0 findings"),
            (
                [repository(), component("src/signing.py", 6, revision="0" * 40)],
                "0 alerts, 0 findings",
            ),
            ([repository(), other_scan], "0 alerts, 0 findings"),
        ):
            with self.subTest(text):
                self.assertIn(text, self.convert(*objects)[0].stdout)

    def test_places_that_the_revision_does_not_have(self) -> None:
        places = [
            ("src/signing.py", None),
            ("src/signing.py", 0),
            ("src/signing.py", 11),
            ("src", 1),
            ("src/none.py", 1),
            ("/etc/passwd", 1),
            ("../signing.py", 1),
            ("src/../../x", 1),
        ]
        done, results = self.convert(repository(), *(component(*one) for one in places))
        self.assertEqual((done.code, results), (0, []))
        self.assertIn(f"{len(places)} findings without file or line", done.stdout)

    def test_locations_begin_at_the_root_or_at_the_folder_that_was_scanned(self) -> None:
        for location in ("src/signing.py", "signing.py", "./signing.py"):
            with self.subTest(location):
                _, results = self.convert(repository(subfolder="/src/"), component(location, 6))
                self.assertEqual([place(one)[1] for one in results], ["src/signing.py"])
        (self.checkout / "signing.py").write_text("\n" * 9)
        revision = self.commit("Two files of that name")
        objects = (
            repository(subfolder="src", revision=revision),
            component("signing.py", 6, revision=revision),
        )
        done, _ = self.convert(*objects)
        self.assertIn("0 alerts, 1 findings without", done.stdout)

    def test_an_alert_stays_the_same_where_its_line_moves(self) -> None:
        _, before = self.convert(repository(), component("src/signing.py", 6))
        file = self.checkout / "src" / "signing.py"
        file.write_text("# A comment.\n" + file.read_text())
        revision = self.commit("Comment")
        objects = repository(revision=revision), component("src/signing.py", 7, revision=revision)
        _, after = self.convert(*objects)
        self.assertEqual(place(after[0])[2], 7)
        self.assertEqual(after[0]["partialFingerprints"], before[0]["partialFingerprints"])

    def test_two_alerts_of_one_line_are_two(self) -> None:
        twice = component("src/signing.py", 6), component("src/signing.py", 6)
        _, results = self.convert(repository(), *twice, file=OUT / "twice.sarif")
        self.assertEqual(len({one["partialFingerprints"]["primaryLocationLineHash"] for one in results}), 2)

    def test_more_than_code_scanning_takes(self) -> None:
        policy, quantum = {"ruleIndex": 1}, {"ruleIndex": 0}
        for count, kept, text in (
            (5_000, 5_000, ""),
            (5_001, 5_001, "::warning::Code scanning shows 5000 of these 5001 findings.\n"),
            (25_001, 25_000, "25001 findings are more than code scanning takes: 1 were left out"),
        ):
            with self.subTest(count), contextlib.redirect_stdout(io.StringIO()) as output:
                results = limited([*[policy] * (count - 1), quantum])
            self.assertEqual((len(results), results[0]), (kept, quantum))
            self.assertIn(text, output.getvalue())
            self.assertEqual(text == "", output.getvalue() == "")

    def test_rules_have_a_severity(self) -> None:
        for rule in map(findings_to_sarif.to_rule, findings_to_sarif.RULES):
            self.assertTrue(0 < float(rule["properties"]["security-severity"]) <= 10)
            self.assertIn("security", rule["properties"]["tags"])

    def test_a_name_is_no_link(self) -> None:
        self.assertEqual(plain("[a](1) {0} \\"), "\\[a\\](1) {{0}} \\\\")


def place(result: JsonObject) -> tuple[str, str, int]:
    where = result["locations"][0]["physicalLocation"]
    return result["ruleId"], where["artifactLocation"]["uri"], where["region"]["startLine"]


if __name__ == "__main__":
    unittest.main()
