"""Scripts that say how it stands: a message in Slack, a budget."""

from __future__ import annotations

import unittest

from support import Reply, Result, ScriptTest, report


class SlackTest(ScriptTest):
    def test_a_message(self) -> None:
        github = self.start_github()
        armor = self.start_armor(lambda _: Reply(report(**{"aws <!channel> & co\n2": 3})))
        done = self.run_script(
            "send_to_slack", ARMOR_GATEWAY_URL=armor, SLACK_WEBHOOK_URL=f"{github.url}/slack"
        )
        self.assertEqual((done.code, done.stdout), (0, "Slack has taken a message about 1 connections.\n"))
        text = "aws &lt;!channel&gt; &amp; co 2: 3 of 100 assets are quantum-vulnerable"
        self.assertEqual(github.state.messages, [{"text": text}])

    def test_a_long_message_is_cut(self) -> None:
        github = self.start_github()
        many = {f"connection-{number}": 1 for number in range(130)}
        armor = self.start_armor(lambda _: Reply(report(**many)))
        self.run_script("send_to_slack", ARMOR_GATEWAY_URL=armor, SLACK_WEBHOOK_URL=f"{github.url}/slack")
        lines = github.state.messages[0]["text"].splitlines()
        self.assertEqual((len(lines), lines[-1]), (101, "and 30 more"))

    def test_a_secret_that_is_missing_or_wrong_is_named_before_anything_is_read(self) -> None:
        for value, text in (
            ("", "SLACK_WEBHOOK_URL is empty: store the secret SLACK_WEBHOOK_URL"),
            ("hooks.slack.com/x", "SLACK_WEBHOOK_URL is not an https:// address"),
            ('https://hooks.slack.com/"\nx', "SLACK_WEBHOOK_URL is not an https:// address"),
        ):
            with self.subTest(value):
                done = self.run_script(
                    "send_to_slack", ARMOR_GATEWAY_URL="http://127.0.0.1:9", SLACK_WEBHOOK_URL=value
                )
                self.assertEqual((done.code, done.stderr), (1, ""))
                self.assertIn(f"::error::send_to_slack.py: {text}", done.stdout)

    def test_a_failure_does_not_show_the_address(self) -> None:
        address = f"{self.start_github().url}/no-such-webhook-T0123"
        done = self.run_script("send_to_slack", SLACK_WEBHOOK_URL=address)
        self.assertEqual(done.code, 1)
        self.assertNotIn("T0123", done.stdout + done.stderr)


class BudgetTest(ScriptTest):
    def check(self, connection: str, budget: str) -> Result:
        armor = self.start_armor(lambda _: Reply(report(aws=3)))
        return self.run_script("check_budget", ARMOR_GATEWAY_URL=armor, CONNECTION=connection, BUDGET=budget)

    def test_a_budget(self) -> None:
        done = self.check("aws", "3")
        self.assertEqual((done.code, done.outputs), (0, {"vulnerable": "3"}))
        done = self.check("aws", "2")
        self.assertEqual((done.code, done.outputs), (1, {"vulnerable": "3"}))
        self.assertIn("::error::check_budget.py: 3 assets are vulnerable; the budget is 2", done.stdout)

    def test_an_unknown_connection_and_a_budget_that_is_no_number(self) -> None:
        self.assertIn("the report has no such connection", self.check("gcp", "3").stdout)
        for budget in ("900.5", "a[$(touch /tmp/x)]", "##[x]", "\u0663"):
            done = self.check("aws", budget)
            self.assertEqual((done.code, done.outputs), (1, {}))
            self.assertIn("BUDGET has to be a whole number", done.stdout)


if __name__ == "__main__":
    unittest.main()
