"""The report that remembers. run.mjs reads the charts of the summaries that are left in OUT_FOLDER."""

from __future__ import annotations

import json
import sys
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from armor import Counts
from github_stand_in import Artifact, GitHubStandIn
from nightly_report import MAX_DATES, MAX_POINTS, Comparison, Limits, chart, news, verdict
from pqc_history import MAX_DAYS, MAX_RUNS, TIME_FORMAT, History, Run, from_json
from support import OUT, SANDBOX_URL, SCRIPTS, JsonObject, Reply, Result, ScriptTest, report

FIRST_NIGHT = datetime(2026, 10, 24, 2, 17, 9, tzinfo=timezone.utc)
YESTERDAY = "2026-11-21T02:17:09Z"


def history(*runs: tuple[str, dict[str, list[int]]], **details: dict[str, int]) -> str:
    return json.dumps(
        {"runs": [{"at": at, "connections": counts} for at, counts in runs], "details": details}
    )


class NightlyTest(ScriptTest):
    # When the next night is; None means now.
    at: datetime | None = None

    def night(self, github: GitHubStandIn, armor: str = SANDBOX_URL, **variables: str) -> tuple[Result, Any]:
        """Run a night; give what it printed, and its memory."""
        file = self.folder / "pqc-history.json"
        file.unlink(missing_ok=True)
        variables = {"GITHUB_API_URL": github.url, "ARMOR_GATEWAY_URL": armor, **variables}
        if self.at is None:
            done = self.run_script("nightly_report", file, **variables)
        else:
            done = self.run_command(self.moved(file, self.at), variables)
        return done, json.loads(file.read_text()) if file.exists() else None

    def moved(self, file: Path, at: datetime) -> list[str]:
        """Give the command that runs the script at another time than now."""
        time = f"datetime.strptime('{at:%Y-%m-%d %H:%M:%S}', '%Y-%m-%d %H:%M:%S')"
        code = (
            "from datetime import datetime; import sys\n"
            f"sys.path.insert(0, {str(SCRIPTS)!r}); import nightly_report\n"
            f"nightly_report.utc_now = lambda: {time}\n"
            "nightly_report.run(nightly_report.main)"
        )
        return [sys.executable, "-B", "-c", code, str(file)]

    def nights(self, github: GitHubStandIn, reports: list[dict[str, int]], **variables: str) -> list[Result]:
        """Run a night for each report, a day apart, and keep the memory as an artifact in between."""
        results: list[Result] = []
        for number, vulnerable in enumerate(reports):
            armor = self.start_armor(lambda _, of=vulnerable: Reply(report(**of)))
            self.at = FIRST_NIGHT + timedelta(days=number)
            numbered = {"GITHUB_RUN_NUMBER": str(number + 1), **variables}
            done, memory = self.night(github, armor, **numbered)
            self.assertEqual(done.code, 0, done.stdout + done.stderr)
            github.state.artifacts.append(Artifact("pqc-history", json.dumps(memory)))
            results.append(done)
        return results

    def test_nights_of_the_sandbox(self) -> None:
        github = self.start_github()
        first, memory = self.night(github)
        self.assertEqual((first.code, first.outputs), (0, {"worse-by": "0", "verdict": ""}))
        self.assertIn("| `aws-production` | 412 | 287 |  |  |", first.summary)
        self.assertIn("| **all** | 1514 | 1251 |  |  |", first.summary)
        self.assertIn("1251 of 1514 assets are vulnerable. The first run", first.stdout)
        self.assertNotIn("mermaid", first.summary)
        self.assertNotIn("::warning::", first.stdout)
        github.state.artifacts.append(Artifact("pqc-history", json.dumps(memory)))
        second, memory = self.night(github)
        self.assertEqual(second.outputs, {"worse-by": "0", "verdict": ""})
        self.assertIn("| **all** | 1514 | 1251 | 0 | 0 |", second.summary)
        self.assertIn("Nothing.", second.summary)
        self.assertEqual(len(memory["runs"]), 2)

    def test_thirty_nights_of_slow_growth_turn_red_at_the_second_and_stay_red(self) -> None:
        github = self.start_github()
        reports = [{"aws": 10 + 5 * number, "azure": 50} for number in range(30)]
        done = self.nights(github, reports, PQC_BUDGET="5")
        is_red = [one.outputs["verdict"] != "" for one in done]
        self.assertEqual(is_red, [False, False, *[True] * 28])
        self.assertEqual(done[-1].outputs["worse-by"], "145")
        self.assertIn("| `aws` | 100 | 155 | +5 | +145 |", done[-1].summary)
        self.assertIn('  x-axis "reports" 1 --> 30', done[-1].summary)
        self.assertIn("2026-10-24 to 2026-11-22", done[-1].summary)
        (OUT / "thirty.summary.md").write_text(done[-1].summary)

    def test_a_connection_that_was_missing_for_a_night_is_not_new(self) -> None:
        done = self.nights(self.start_github(), [{"aws": 3, "gcp": 80}, {"aws": 3}, {"aws": 3, "gcp": 81}])
        self.assertIn("No longer in the report: `gcp`", done[1].summary)
        self.assertEqual([one.outputs["worse-by"] for one in done], ["0", "0", "1"])
        self.assertIn("| `gcp` | 100 | 81 |  | +1 |", done[2].summary)

    def test_a_new_connection_is_listed_and_not_counted(self) -> None:
        done = self.nights(self.start_github(), [{"aws": 3}, {"aws": 3, "new": 800}, {"renamed": 3}])
        self.assertEqual([one.outputs["worse-by"] for one in done], ["0", "0", "0"])
        self.assertIn("| `new` | 100 | 800 |  | new |", done[1].summary)
        self.assertIn("New connections, not counted as worse: `new`", done[1].summary)
        self.assertIn("| `renamed` | 100 | 3 |  | new |", done[2].summary)

    def test_a_fixed_limit_is_the_other_way(self) -> None:
        reports = [{"aws": 90}, {"aws": 100}, {"aws": 101}]
        done = self.nights(self.start_github(), reports, PQC_LIMIT="100")
        self.assertEqual(
            [one.outputs["verdict"] for one in done],
            ["", "", "101 assets are vulnerable (limit: 100)."],
        )

    def test_a_limit_that_is_no_number_fails_before_anything_else(self) -> None:
        for name in ("PQC_BUDGET", "PQC_LIMIT"):
            for value in ("10 assets", "900.5", "-1", "1e3", "x[$(touch /tmp/x)]", "٣", "9" * 5000):
                with self.subTest(f"{name}={value}"):
                    done, memory = self.night(self.start_github(), **{name: value})
                    self.assertEqual((done.code, memory), (1, None))
                    self.assertRegex(done.stdout, f"^::error::nightly_report.py: {name} has to be")

    def test_what_is_new(self) -> None:
        before = history(
            (
                YESTERDAY,
                {"aws-production": [400, 280], "azure-payments": [138, 70], "gone": [5, 5]},
            ),
            **{"aws-production": {"keys, kms, rsa2048": 137, "keys, kms, rsa4096": 63}},
        )
        done, _ = self.night(self.start_github(artifacts=[Artifact("pqc-history", before)]))
        # Seven in aws-production; azure-payments got better, and datacenter-frankfurt is new.
        self.assertEqual(done.outputs["worse-by"], "7")
        for line in (
            "| `aws-production` | 412 | 287 | +7 | +7 |",
            "| `azure-payments` | 138 | 61 | -9 | -9 |",
            "| `datacenter-frankfurt` | 964 | 903 |  | new |",
            "| **all** | 1514 | 1251 | +896 | +7 |",
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

    def test_a_memory_that_is_lost_is_a_warning_from_the_second_run_on(self) -> None:
        first, _ = self.night(self.start_github(), GITHUB_RUN_NUMBER="1")
        self.assertNotIn("::warning::", first.stdout)
        second, memory = self.night(self.start_github(), GITHUB_RUN_NUMBER="2")
        self.assertEqual((second.code, len(memory["runs"])), (0, 1))
        self.assertIn("::warning::No earlier run of this branch left an artifact", second.stdout)

    def test_a_memory_that_cannot_be_read(self) -> None:
        for content in (
            "hello",
            "{}",
            '{"runs": [{"at": "today", "connections": {}}], "details": {}}',
        ):
            with self.subTest(content):
                github = self.start_github(artifacts=[Artifact("pqc-history", content)])
                done, memory = self.night(github)
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
        content = history((YESTERDAY, {"aws": [1, 1]}))
        done, memory = self.night(self.start_github(artifacts=[Artifact("pqc-history", content)]))
        self.assertEqual((done.code, len(memory["runs"])), (0, 2))

    def test_a_report_that_says_nothing(self) -> None:
        cases: list[tuple[JsonObject, str]] = [
            ({"connection_summary": {}}, "no connections"),
            ({"connection_summary": {"aws": {"total_count": None}}}, "without counts"),
            (report(aws=True), "without counts"),
            (report(aws=-1), "without counts"),
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
        self.assertIn("| ``a\u2223b`@team <img src=x>`` | 100 | 1 |  |  |", done.summary)

    def test_the_memory_has_an_end(self) -> None:
        old = [(f"{FIRST_NIGHT - timedelta(days=n):%Y-%m-%dT%H:%M:%SZ}", {"aws": [9, n]}) for n in range(200)]
        github = self.start_github(artifacts=[Artifact("pqc-history", history(*old))])
        _, memory = self.night(github)
        self.assertEqual(len(memory["runs"]), MAX_DAYS)
        same_day = history(*[(YESTERDAY, {"aws": [9, 9]})] * (MAX_RUNS + 100))
        _, memory = self.night(self.start_github(artifacts=[Artifact("pqc-history", same_day)]))
        self.assertEqual(len(memory["runs"]), MAX_RUNS)


class CountingTest(unittest.TestCase):
    def compare(self, now: dict[str, int], *earlier: dict[str, int]) -> Comparison:
        runs = [Run(YESTERDAY, self.counts(one)) for one in earlier]
        before = runs[-1] if runs else None
        return Comparison(Run(YESTERDAY, self.counts(now)), before, History(runs, {}).lowest())

    def counts(self, vulnerable: dict[str, int]) -> dict[str, Counts]:
        return {name: Counts(99, count) for name, count in vulnerable.items()}

    def test_better_does_not_hide_worse(self) -> None:
        self.assertEqual(self.compare({"a": 0, "b": 3}, {"a": 9, "b": 1}).worse_by, 2)
        self.assertEqual(self.compare({"c": 4}, {"a": 9}).worse_by, 0)
        self.assertEqual(self.compare({"a": 9}).worse_by, 0)

    def test_the_lowest_of_all_runs_counts_not_the_last(self) -> None:
        self.assertEqual(self.compare({"a": 9}, {"a": 4}, {"b": 1}, {"a": 9}).worse_by, 5)

    def test_each_limit_that_is_set_is_checked(self) -> None:
        worse = self.compare({"a": 9}, {"a": 4})
        self.assertEqual(verdict(worse, Limits(5, None)), "")
        self.assertEqual(verdict(worse, Limits(None, 9)), "")
        self.assertRegex(verdict(worse, Limits(4, None)), r"^5 more assets .* \(budget: 4\)\.$")
        self.assertRegex(verdict(worse, Limits(4, 8)), r"\(budget: 4\)\. 9 assets .* \(limit: 8\)\.$")

    def test_the_largest_news_come_first_and_end(self) -> None:
        now = {"aws": {f"kind {n}": n for n in range(60)}, "new": {"kind": 1000}}
        lines = news({}, now, self.compare({"aws": 1, "new": 1}, {"aws": 1}))
        self.assertEqual(lines[0], "- +59 `aws`: `kind 59`, now 59")
        self.assertEqual((len(lines), lines[-1]), (51, "- and 9 more"))

    def test_a_chart_of_equal_values_has_a_height(self) -> None:
        flat = [Run(YESTERDAY, {"a": Counts(9, 0)})] * 2
        self.assertIn('  y-axis "assets" 0 --> 1', chart(flat))

    def test_a_chart_has_a_colour_and_dates_or_a_numeric_axis(self) -> None:
        days = [self.run_on(number) for number in range(MAX_POINTS)]
        few, many = "\n".join(chart(days[:MAX_DATES])), "\n".join(chart(days[: MAX_DATES + 1]))
        self.assertIn('x-axis ["10-24", "10-25"', few)
        self.assertIn('x-axis "reports" 1 --> 11', many)
        self.assertIn("2026-10-24 to 2026-11-03", many)
        for text in (few, many):
            self.assertRegex(text, r'\n      plotColorPalette: "#[0-9a-f]{6}"\n')

    def test_a_day_is_one_point(self) -> None:
        runs = [self.run_on(0), Run("2026-10-25T01:00:00Z", {}), Run("2026-10-25T23:00:00Z", {})]
        days = [run.at for run in History(runs, {}).last_of_each_day()]
        self.assertEqual(days, ["2026-10-24T02:17:09Z", "2026-10-25T23:00:00Z"])

    def run_on(self, number: int) -> Run:
        at = (FIRST_NIGHT + timedelta(days=number)).strftime(TIME_FORMAT)
        return Run(at, {"a": Counts(99, number)})

    def test_what_is_no_history(self) -> None:
        short: JsonObject = {"runs": [{"at": YESTERDAY, "connections": {"a": [1]}}], "details": {}}
        text: JsonObject = {
            "runs": [{"at": YESTERDAY, "connections": {"a": ["1", "1"]}}],
            "details": {},
        }
        values: list[Any] = [
            None,
            [],
            {},
            {"runs": 1, "details": {}},
            {"runs": [{}], "details": {}},
        ]
        for value in [*values, short, text]:
            self.assertIsNone(from_json(value))


if __name__ == "__main__":
    unittest.main()
