"""Scripts that look at scans: one waits for them, one checks the newest."""

from __future__ import annotations

import unittest

from support import SANDBOX_URL, JsonObject, Reply, Result, ScriptTest


def scan(number: int, status: str, connection: str = "c1") -> JsonObject:
    return {
        "scan_id": f"scan-{number}",
        "connection_id": connection,
        "scan_status": status,
        "created_at": f"2026010{number}T000000Z",
    }


class WaitTest(ScriptTest):
    def wait(self, *polls: Reply | str, **variables: str) -> tuple[Result, list[str]]:
        """Run the script against an Armor that answers each poll so: a reply, or the status of its scan."""
        left = list(polls)

        def answer(path: str) -> Reply:
            if "previous_id" in path:
                return Reply({"items": []})
            poll = left.pop(0) if len(left) > 1 else left[0]
            return poll if isinstance(poll, Reply) else Reply({"items": [scan(1, poll)]})

        settings = {"POLL_SECONDS": "0", "MAX_POLLS": "4", **variables}
        done = self.run_script("wait_for_scans", ARMOR_GATEWAY_URL=self.start_armor(answer), **settings)
        return done, done.stdout.splitlines()

    def test_it_ends_when_no_scan_runs(self) -> None:
        done, lines = self.wait("pending", "in_progress", "completed")
        self.assertEqual(done.code, 0)
        self.assertEqual(
            lines, ["Poll 1 of 4: 1 running", "Poll 2 of 4: 1 running", "Poll 3 of 4: 0 running"]
        )

    def test_a_failed_poll_is_a_line_and_one_poll(self) -> None:
        failures = Reply({"error_description": "busy ##[x]"}, 503), Reply(b"<html>")
        done, lines = self.wait(*failures, "in_progress", "completed")
        self.assertEqual(done.code, 0)
        self.assertEqual(lines[0], "Poll 1 of 4 failed: /scans: status 503, busy ## [x]")
        self.assertEqual(lines[1], "Poll 2 of 4 failed: the answer is not JSON")
        self.assertEqual(lines[2:], ["Poll 3 of 4: 1 running", "Poll 4 of 4: 0 running"])

    def test_a_failure_that_stays_ends_it(self) -> None:
        done, lines = self.wait(Reply({"error_description": "not for this app"}, 403), "completed")
        self.assertEqual(done.code, 1)
        self.assertEqual(lines, ["::error::wait_for_scans.py: /scans: status 403, not for this app"])

    def test_it_does_not_wait_for_ever(self) -> None:
        done, lines = self.wait("in_progress")
        self.assertEqual((done.code, len(lines)), (1, 5))
        self.assertIn("Scans still run after 4 polls, 0 seconds apart. 1 are running.", lines[-1])
        done, lines = self.wait(Reply({}, 503))
        self.assertEqual(done.code, 1)
        self.assertIn("The last poll failed: /scans: status 503", lines[-1])

    def test_a_number_that_is_none_fails(self) -> None:
        for name, value in (
            ("MAX_POLLS", "x[$(touch /tmp/x)]"),
            ("MAX_POLLS", "0"),
            ("POLL_SECONDS", "1.5\n::set-output"),
            ("POLL_SECONDS", "-1"),
        ):
            with self.subTest(f"{name}={value}"):
                done, lines = self.wait("completed", **{name: value})
                self.assertEqual((done.code, len(lines)), (1, 1))
                self.assertRegex(lines[0], f"^::error::wait_for_scans.py: {name} has to be")


class CheckTest(ScriptTest):
    def check(self, connections: dict[str, str], *scans: JsonObject) -> Result:
        items = [{"connection_id": key, "name": name} for key, name in connections.items()]

        def answer(path: str) -> Reply:
            if "previous_id" in path:
                return Reply({"items": []})
            return Reply({"items": items if path.startswith("/connections") else list(scans)})

        return self.run_script("check_scans", ARMOR_GATEWAY_URL=self.start_armor(answer))

    def test_the_sandbox(self) -> None:
        done = self.run_script("check_scans", ARMOR_GATEWAY_URL=SANDBOX_URL)
        self.assertEqual((done.code, done.stdout), (0, "3 connections: no newest scan failed.\n"))
        self.assertIn("| `datacenter-frankfurt` | `completed` |", done.summary)

    def test_the_newest_scan_decides(self) -> None:
        done = self.check({"c1": "aws"}, scan(2, "completed"), scan(1, "failed"))
        self.assertEqual(done.code, 0)
        for status in ("failed", "stopped"):
            done = self.check({"c1": "aws"}, scan(1, "completed"), scan(2, status))
            self.assertEqual(done.code, 1)
            self.assertIn("the newest scan of 1 of 1 connections failed", done.stdout)

    def test_what_failed_comes_first(self) -> None:
        done = self.check(
            {"c1": "aws", "c2": "gcp", "c3": "z"}, scan(1, "completed"), scan(1, "failed", "c3")
        )
        rows = done.summary.splitlines()[2:]
        self.assertEqual(rows, ["| `z` | `failed` |", "| `gcp` | `no scan yet` |", "| `aws` | `completed` |"])
        self.assertIn("::warning::1 connections have no scan yet.", done.stdout)

    def test_no_connection(self) -> None:
        done = self.check({})
        self.assertEqual(done.code, 1)
        self.assertIn("Armor has no connection", done.stdout)


if __name__ == "__main__":
    unittest.main()
