from __future__ import annotations

import contextlib
import time
import unittest
from collections.abc import Generator
from unittest import mock

from support import CUT, TOKEN, Reply, ScriptTest
from web import Failure, Web


class Clock:
    """A clock that only sleeping moves, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    @contextlib.contextmanager
    def patched(self) -> Generator[None, None, None]:
        monotonic = mock.Mock(side_effect=lambda: self.now)
        with mock.patch.object(time, "sleep", self.sleep), mock.patch.object(time, "monotonic", monotonic):
            yield


class WebTest(ScriptTest):
    def web(self, *replies: Reply, give_up_after: float = 300) -> tuple[Web, list[str]]:
        asked: list[str] = []

        def answer(path: str) -> Reply:
            asked.append(path)
            return replies[min(len(asked), len(replies)) - 1]

        return Web(self.start_armor(answer), give_up_after=give_up_after), asked

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
                with self.assertRaisesRegex(Failure, f"^/x: status {status}, because of this$"):
                    web.get("/x?y=1")
                self.assertEqual(len(asked), 1)

    def test_it_gives_up(self) -> None:
        web, asked = self.web(Reply(b"<html>", 502, Retry_After="1"), give_up_after=1.5)
        with self.assertRaisesRegex(Failure, "^/x: status 502, <html>$") as caught:
            web.get("/x")
        self.assertEqual((len(asked), caught.exception.is_temporary), (2, True))

    def test_an_outage_of_four_minutes_is_survived(self) -> None:
        asked = 0
        clock = Clock()

        def answer(_: str) -> Reply:
            nonlocal asked
            asked += 1
            return Reply({"here": 1}) if clock.now >= 260 else Reply({}, 503)

        with clock.patched():
            self.assertEqual(Web(self.start_armor(answer)).get("/x").json(), {"here": 1})
        self.assertLess(asked, 20)

    def test_a_wait_that_does_not_fit_ends_it_at_once(self) -> None:
        web, asked = self.web(Reply({}, 503, Retry_After="301"))
        with self.assertRaisesRegex(Failure, "^/x: status 503$"):
            web.get("/x")
        self.assertEqual(len(asked), 1)

    def test_foreign_words_are_one_harmless_line(self) -> None:
        words = "busy ##[stop-commands]x\r\n::error::y\x0b \u2028\u200b z" + "!" * 500
        for body in (
            {"error_description": words},
            {"message": words},
            {"error": words},
            words.encode(),
        ):
            web, _ = self.web(Reply(body, 403))
            with self.assertRaises(Failure) as caught:
                web.get("/x")
            text = str(caught.exception)
            self.assertTrue(text.startswith("/x: status 403, busy ## [stop-commands]x :error:y z!!!"), text)
            self.assertLess(len(text), 350)

    def test_what_changes_something_is_sent_once(self) -> None:
        web, _ = self.web(Reply({}))
        with self.assertRaisesRegex(Failure, "^POST /x: status 501, "):  # this server has no POST
            web.send("POST", "/x", {})

    def test_what_a_rate_limit_refused_is_sent_again(self) -> None:
        clock = Clock()
        github = self.start_github(refusals=[(403, {"Retry-After": "1800"}), (429, {})])
        web = Web(github.url, {"Authorization": f"Bearer {TOKEN}"})
        with clock.patched():
            web.send("POST", "/repos/org/payments/issues", {"title": "x"})
        self.assertEqual((len(github.state.issues), clock.now), (1, 1860))

    def test_something_else_than_json(self) -> None:
        web, _ = self.web(Reply(b"<html>"))
        with self.assertRaisesRegex(Failure, "not JSON"):
            web.get("/x").json()

    def test_no_server(self) -> None:
        with self.assertRaisesRegex(Failure, "refused"):
            Web("http://127.0.0.1:9", give_up_after=0).get("/x")


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
