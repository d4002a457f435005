from __future__ import annotations

import unittest

import report_issues
from armor import Counts
from github_stand_in import GitHubStandIn, new_issue
from report_issues import Issue, Plan, make_plan
from support import SANDBOX_URL, Reply, Result, ScriptTest, report


class IssuesTest(ScriptTest):
    def night(self, github: GitHubStandIn, armor: str = SANDBOX_URL) -> Result:
        variables = {"GITHUB_API_URL": github.url, "ARMOR_GATEWAY_URL": armor}
        return self.run_script("report_issues", "--pause=0", **variables)

    def nights(self, github: GitHubStandIn, *reports: dict[str, int]) -> list[Result]:
        return [self.night(github, self.armor(one)) for one in reports]

    def armor(self, vulnerable: dict[str, int]) -> str:
        return self.start_armor(lambda _: Reply(report(**vulnerable)))

    def states(self, github: GitHubStandIn) -> list[tuple[str, str | None]]:
        return [(one["state"], one["state_reason"]) for one in github.state.issues]

    def test_the_sandbox_has_three(self) -> None:
        github = self.start_github()
        done = self.night(github)
        self.assertEqual((done.code, done.stdout), (0, "3 connections, 3 issues changed.\n"))
        first = github.state.issues[0]
        self.assertEqual(first["title"], "Quantum-vulnerable assets in aws-production")
        self.assertIn("**287 of 412** cryptographic assets of the connection `aws-production`", first["body"])
        self.assertIn("(https://github.com/org/payments/actions/runs/701)", first["body"])
        self.assertIn("| `keys, kms, rsa2048` | 140 |\n| `certificates, acm, rsa2048` | 84 |", first["body"])
        self.assertNotIn("symmetric_default", first["body"])  # none of them is vulnerable
        self.assertEqual(first["labels"], [{"name": "armor-pqc"}])
        again = self.night(github)
        self.assertEqual(again.stdout, "3 connections, 0 issues changed.\n")
        self.assertEqual((len(github.state.issues), github.state.comments), (3, []))

    def test_an_issue_lives(self) -> None:
        github = self.start_github()
        self.nights(github, {"aws": 3, "quiet": 0}, {"aws": 5, "quiet": 0}, {"aws": 0, "quiet": 0})
        self.assertEqual(self.states(github), [("closed", "completed")])
        self.nights(github, {"aws": 0, "quiet": 0}, {"aws": 2, "quiet": 0})
        self.assertEqual(self.states(github), [("open", "reopened")])
        self.assertEqual(
            [one["body"] for one in github.state.comments],
            ["3 → 5 (+2)", "No vulnerable asset is left.", "0 → 2 (+2)"],
        )

    def test_a_connection_that_goes_and_comes_back(self) -> None:
        github = self.start_github()
        self.nights(github, {"aws": 3, "gcp": 1}, {"aws": 3}, {"aws": 3})
        self.assertEqual(self.states(github), [("open", None), ("closed", "not_planned")])
        self.assertEqual(len(github.state.comments), 1)
        self.nights(github, {"aws": 3, "gcp": 1})
        self.assertEqual(self.states(github)[1], ("open", "reopened"))

    def test_closed_by_a_person_it_stays_closed_until_it_is_worse(self) -> None:
        github = self.start_github()
        self.nights(github, {"aws": 3})
        github.state.issues[0].update(state="closed", state_reason="not_planned")
        self.nights(github, {"aws": 3}, {"aws": 2}, {"aws": 3})
        self.assertEqual(self.states(github), [("closed", "not_planned")])
        self.nights(github, {"aws": 4})
        self.assertEqual(self.states(github), [("open", "reopened")])

    def test_an_empty_report_closes_nothing(self) -> None:
        github = self.start_github()
        done = self.nights(github, {"aws": 3}, {})[-1]
        self.assertEqual((done.code, self.states(github)), (1, [("open", None)]))
        self.assertIn("the report has no connections", done.stdout)

    def test_names_are_text(self) -> None:
        name = '--> <img src=x> @team `{"}` \u00e9'
        github = self.start_github()
        done = self.nights(github, {name: 3}, {name: 3}, {name: 4})
        self.assertEqual([one.code for one in done], [0, 0, 0])
        self.assertEqual(len(github.state.issues), 1)
        mark, text = github.state.issues[0]["body"].split("\n", 1)
        self.assertEqual(mark.index("-->"), len(mark) - len("-->"))
        self.assertIn(f"the connection ``{name}`` can", text)

    def test_others_are_left_alone(self) -> None:
        github = self.start_github()
        strange = new_issue(1, "An issue of a person", None, ["armor-pqc"])
        pull = new_issue(2, "A pull request", '<!-- armor {"connection": "aws"} -->', ["armor-pqc"])
        pull["pull_request"] = {"url": None, "html_url": None, "diff_url": None, "patch_url": None}
        unlabelled = new_issue(3, "A copy", '<!-- armor {"connection": "aws"} -->', [])
        github.state.issues += [strange, pull, unlabelled]
        before = [dict(one) for one in github.state.issues]
        self.nights(github, {"aws": 3})
        self.assertEqual(github.state.issues[:3], before)
        self.assertEqual(len(github.state.issues), 4)

    def test_hundreds_of_issues(self) -> None:
        github = self.start_github()
        many = {f"connection-{number}": 1 for number in range(130)}
        self.nights(github, many, many)
        self.assertEqual(len(github.state.issues), 130)

    def test_what_must_not_be_doubled_comes_first(self) -> None:
        # The second call, the comment, is refused as if the job had been cancelled before it.
        github = self.start_github()
        self.nights(github, {"aws": 3})
        github.state.refusals = [(500, {})]
        self.assertEqual(self.nights(github, {"aws": 5})[0].code, 1)
        self.assertEqual(github.state.comments, [])
        changed = [one["method"] for one in github.state.exchanges if one["method"] != "GET"]
        self.assertEqual(changed, ["POST", "PATCH"])

    def test_the_largest_twenty_types_are_listed(self) -> None:
        table = report_issues.table({f"type {number}": number for number in range(30)})
        self.assertTrue(table.startswith("| type | vulnerable |\n|---|--:|\n| `type 29` | 29 |\n"))
        self.assertTrue(table.endswith("| `type 10` | 10 |\n| 9 more types | 45 |\n\n"))

    def test_an_edited_mark(self) -> None:
        github = self.start_github()
        body = '<!-- armor {"connection": "aws", "vulnerable": "many"} -->\nEdited.'
        github.state.issues.append(new_issue(1, "aws", body, ["armor-pqc"]))
        done = self.nights(github, {"aws": 3}, {"aws": 4})
        self.assertEqual([one.code for one in done], [0, 0])
        self.assertEqual([one["body"] for one in github.state.comments], ["3 → 4 (+1)"])

    def test_a_label_that_github_drops_is_a_failure(self) -> None:
        done = self.nights(self.start_github(drops_labels=True), {"aws": 3})[0]
        self.assertEqual(done.code, 1)
        self.assertIn("issue 1 did not get the label armor-pqc", done.stdout)

    def test_a_token_that_may_not(self) -> None:
        github = self.start_github()
        github.state.token = "another"
        done = self.nights(github, {"aws": 3})[0]
        self.assertEqual(done.code, 1)
        self.assertIn("status 401, Bad credentials", done.stdout)


class PlanTest(unittest.TestCase):
    def test_plans(self) -> None:
        open_, closed = Issue(1, True, "aws", Counts(9, 3)), Issue(1, False, "aws", Counts(9, 3))
        for issue, now, plan in (
            (open_, Counts(9, 3), None),
            (open_, Counts(10, 3), Plan()),
            (open_, Counts(9, 2), Plan("3 → 2 (-1)")),
            (open_, Counts(9, 0), Plan("No vulnerable asset is left.", False, "completed")),
            (open_, None, Plan("The report no longer has this connection.", False, "not_planned")),
            (closed, Counts(9, 3), None),
            (closed, Counts(9, 2), None),
            (closed, Counts(9, 0), Plan()),
            (closed, Counts(9, 4), Plan("3 → 4 (+1)", True, "reopened")),
            (closed, None, None),
        ):
            with self.subTest(f"{issue.is_open} {now}"):
                self.assertEqual(make_plan(issue, now), plan)


if __name__ == "__main__":
    unittest.main()
