from __future__ import annotations

import unittest

from support import CUT, Reply, ScriptTest
from web import Failure, Web


class WebTest(ScriptTest):
    def web(self, *replies: Reply, tries: int = 5) -> tuple[Web, list[str]]:
        asked: list[str] = []

        def answer(path: str) -> Reply:
            asked.append(path)
            return replies[min(len(asked), len(replies)) - 1]

        return Web(self.start_armor(answer), tries=tries), asked

    def test_a_failure_that_can_pass_is_tried_again(self) -> None:
        for failure in (
            Reply({}, 500),
            Reply({}, 503, Retry_After="0"),
            Reply({}, 429, Retry_After="0"),
            CUT,
        ):
            with self.subTest(failure.status):
                web, asked = self.web(failure, Reply({"here": 1}))
                self.assertEqual(web.get("/x").json(), {"here": 1})
                self.assertEqual(len(asked), 2)

    def test_a_permanent_failure_is_not(self) -> None:
        for status in (401, 403, 404, 424):
            with self.subTest(status):
                web, asked = self.web(Reply({"error_description": "because\nof this"}, status))
                with self.assertRaisesRegex(Failure, f"^/x: status {status}, because\nof this$"):
                    web.get("/x?y=1")
                self.assertEqual(len(asked), 1)

    def test_it_gives_up(self) -> None:
        web, asked = self.web(Reply(b"<html>", 502, Retry_After="0"), tries=3)
        with self.assertRaisesRegex(Failure, "^/x: status 502$"):
            web.get("/x")
        self.assertEqual(len(asked), 3)

    def test_what_changes_something_is_sent_once(self) -> None:
        web, _ = self.web(Reply({}))
        with self.assertRaisesRegex(Failure, "^POST /x: status 501$"):  # this server has no POST
            web.send("POST", "/x", {})

    def test_something_else_than_json(self) -> None:
        web, _ = self.web(Reply(b"<html>"))
        with self.assertRaisesRegex(Failure, "not JSON"):
            web.get("/x").json()

    def test_no_server(self) -> None:
        with self.assertRaisesRegex(Failure, "refused"):
            Web("http://127.0.0.1:9", tries=1).get("/x")


class ArmorTest(ScriptTest):
    def test_a_redirect_is_not_followed(self) -> None:
        elsewhere: list[str] = []

        def other(path: str) -> Reply:
            elsewhere.append(path)
            return Reply({})

        target = self.start_armor(other)
        url = self.start_armor(lambda _: Reply({}, 302, Location=f"{target}/x"))
        done = self.run_script("export_inventory", self.folder / "inventory", ARMOR_GATEWAY_URL=url)
        self.assertEqual((done.code, elsewhere), (1, []))
        self.assertIn("::error::export_inventory.py: /connections: status 302", done.stdout)

    def test_a_proxy_is_not_asked(self) -> None:
        done = self.run_script("export_inventory", self.folder / "inventory", http_proxy="http://127.0.0.1:9")
        self.assertEqual(done.code, 0)

    def test_no_gateway(self) -> None:
        for script in ("export_inventory", "nightly_report", "report_issues"):
            with self.subTest(script):
                arguments = [] if script == "report_issues" else [self.folder / "file"]
                done = self.run_script(script, *arguments, ARMOR_GATEWAY_URL="")
                self.assertEqual(done.code, 1)
                self.assertIn("keep-fresh: true", done.stdout)


if __name__ == "__main__":
    unittest.main()
