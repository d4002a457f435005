"""The report that remembers. run.mjs reads the charts of the summaries that are left in OUT_FOLDER."""

from __future__ import annotations

import json
import unittest
from typing import Any

from github_stand_in import Artifact, GitHubStandIn
from nightly_report import Counts, Run, chart, from_json, news, worse_by
from support import OUT, SANDBOX_URL, Object, Reply, Result, ScriptTest, report


def history(*runs: tuple[str, dict[str, list[int]]], **details: dict[str, int]) -> str:
    return json.dumps(
        {"runs": [{"at": at, "connections": counts} for at, counts in runs], "details": details}
    )


YESTERDAY = "2026-11-21T02:17:09Z"


class NightlyTest(ScriptTest):
    def night(self, github: GitHubStandIn, armor: str = SANDBOX_URL, **variables: str) -> tuple[Result, Any]:
        file = self.folder / "pqc-history.json"
        file.unlink(missing_ok=True)
        variables = {"GITHUB_API_URL": github.url, "ARMOR_GATEWAY_URL": armor, **variables}
        done = self.run_script("nightly_report", file, **variables)
        return done, json.loads(file.read_text()) if file.exists() else None

    def test_nights_of_the_sandbox(self) -> None:
        github = self.start_github()
        first, memory = self.night(github)
        self.assertEqual((first.code, first.outputs), (0, {"worse-by": "0"}))
        self.assertIn("| `aws-production` | 412 | 287 |  |", first.summary)
        self.assertIn("| **all** | 1514 | 1251 |  |", first.summary)
        self.assertNotIn("mermaid", first.summary)
        github.state.artifacts.append(Artifact("pqc-history", json.dumps(memory)))
        second, memory = self.night(github)
        self.assertEqual(second.outputs, {"worse-by": "0"})
        self.assertIn("| **all** | 1514 | 1251 | 0 |", second.summary)
        self.assertIn("Nothing.", second.summary)
        self.assertEqual(len(memory["runs"]), 2)
        (OUT / "sandbox.summary.md").write_text(second.summary)

    def test_what_is_new(self) -> None:
        before = history(
            (YESTERDAY, {"aws-production": [400, 280], "azure-payments": [138, 70], "gone": [5, 5]}),
            **{"aws-production": {"keys, kms, rsa2048": 137, "keys, kms, rsa4096": 63}},
        )
        done, _ = self.night(self.start_github(artifacts=[Artifact("pqc-history", before)]))
        # 7 in aws-production, and datacenter-frankfurt with all it has; azure-payments got better.
        self.assertEqual(done.outputs, {"worse-by": str(7 + 903)})
        for line in (
            "| `aws-production` | 412 | 287 | +7 |",
            "| `azure-payments` | 138 | 61 | -9 |",
            "| `datacenter-frankfurt` | 964 | 903 | +903 |",
            "| **all** | 1514 | 1251 | +896 |",
            "No longer in the report: `gone`",
            "### New since 2026-11-21T02:17:09Z",
            "- +84 `aws-production`: `certificates, acm, rsa2048`, now 84",
            "- +3 `aws-production`: `keys, kms, rsa2048`, now 140",
        ):
            self.assertIn(line, done.summary)
        self.assertNotIn("rsa4096", done.summary)
        (OUT / "new.summary.md").write_text(done.summary)

    def test_only_an_earlier_run_on_this_branch_is_remembered(self) -> None:
        content = history((YESTERDAY, {"aws": [9, 9]}))
        own = Artifact("pqc-history", history((YESTERDAY, {"own": [1, 1]})))
        strange = [
            Artifact("pqc-history", content, from_fork=True),
            Artifact("pqc-history", content, branch="next"),
            Artifact("pqc-history", content, expired=True),
            Artifact("pqc-history", content, run=701),  # this run, first attempt
            Artifact("another", content),
        ]
        for extra in ([], [Artifact("pqc-history", content, from_fork=True)] * 120):
            done, memory = self.night(self.start_github(artifacts=[own, *extra, *strange]))
            self.assertEqual(done.code, 0)
            self.assertEqual(list(memory["runs"][0]["connections"]), ["own"])
        _, memory = self.night(self.start_github(artifacts=strange))
        self.assertEqual(len(memory["runs"]), 1)

    def test_a_memory_that_cannot_be_read(self) -> None:
        for content in ("hello", "{}", '{"runs": [{"at": "today", "connections": {}}], "details": {}}'):
            with self.subTest(content):
                done, memory = self.night(self.start_github(artifacts=[Artifact("pqc-history", content)]))
                self.assertEqual((done.code, len(memory["runs"])), (0, 1))
                self.assertIn("::warning::The last artifact pqc-history cannot be read.", done.stdout)

    def test_without_github_the_memory_is_not_lost(self) -> None:
        github = self.start_github()
        for variables, text in (
            ({"GITHUB_TOKEN": "wrong"}, "status 401, Bad credentials"),
            ({"GITHUB_API_URL": f"{github.url}/nothing"}, "status 404"),
            ({"GITHUB_TOKEN": ""}, "GITHUB_TOKEN is not set"),
        ):
            with self.subTest(text):
                done, memory = self.night(github, **variables)
                self.assertEqual((done.code, memory), (1, None))
                self.assertIn(text, done.stdout)

    def test_the_token_does_not_go_along_with_a_redirect(self) -> None:
        # The stand-in's storage refuses it, as the real one does.
        github = self.start_github(artifacts=[Artifact("pqc-history", history((YESTERDAY, {"aws": [1, 1]})))])
        done, memory = self.night(github)
        self.assertEqual((done.code, len(memory["runs"])), (0, 2))

    def test_a_report_that_says_nothing(self) -> None:
        cases: list[tuple[Object, str]] = [
            ({"connection_summary": {}}, "no connections"),
            ({"connection_summary": {"aws": {"total_count": None}}}, "without counts"),
        ]
        for answer, text in cases:
            with self.subTest(text):
                armor = self.start_armor(lambda _, body=answer: Reply(body))
                done, memory = self.night(self.start_github(), armor)
                self.assertEqual((done.code, memory), (1, None))
                self.assertIn(text, done.stdout)

    def test_names_are_text(self) -> None:
        armor = self.start_armor(lambda _: Reply(report(**{"a|b`@team <img src=x>": 1})))
        done, _ = self.night(self.start_github(), armor)
        self.assertIn("| ``a\u2223b`@team <img src=x>`` | 100 | 1 |  |", done.summary)

    def test_memory_ends_after_ninety_runs(self) -> None:
        many = history(*[(YESTERDAY, {"aws": [n, n]}) for n in range(200)])
        done, memory = self.night(self.start_github(artifacts=[Artifact("pqc-history", many)]))
        self.assertEqual(len(memory["runs"]), 90)
        (OUT / "many.summary.md").write_text(done.summary)


class CountingTest(unittest.TestCase):
    def test_better_does_not_hide_worse(self) -> None:
        before = Run(YESTERDAY, {"a": Counts(9, 9), "b": Counts(9, 1)})
        self.assertEqual(worse_by(Run(YESTERDAY, {"a": Counts(9, 0), "b": Counts(9, 3)}), before), 2)
        self.assertEqual(worse_by(Run(YESTERDAY, {"c": Counts(9, 4)}), before), 4)
        self.assertEqual(worse_by(Run(YESTERDAY, {"a": Counts(9, 9)}), None), 0)

    def test_the_largest_news_come_first_and_end(self) -> None:
        now = {"aws": {f"kind {n}": n for n in range(60)}}
        lines = news({}, now)
        self.assertEqual(lines[0], "- +59 `aws`: `kind 59`, now 59")
        self.assertEqual((len(lines), lines[-1]), (51, "- and 9 more"))

    def test_a_chart_of_equal_values_has_a_height(self) -> None:
        flat = [Run(YESTERDAY, {"a": Counts(9, 0)})] * 2
        self.assertIn('  y-axis "assets" 0 --> 1', chart(flat))

    def test_what_is_no_history(self) -> None:
        short: Object = {"runs": [{"at": YESTERDAY, "connections": {"a": [1]}}], "details": {}}
        values: list[Any] = [None, [], {}, {"runs": 1, "details": {}}, {"runs": [{}], "details": {}}, short]
        for value in values:
            self.assertIsNone(from_json(value))


if __name__ == "__main__":
    unittest.main()
