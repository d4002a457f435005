"""JSON over HTTP with the standard library: calls are tried again by time, and a failure is one line."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from log import foreign, say_progress

JsonObject = dict[str, Any]

# The statuses that curl's --retry takes as passing, and 408 and 429 of RFC 9110 and RFC 6585.
TEMPORARY_STATUSES = {408, 429, 500, 502, 503, 504}
# A service that restarts, or a load balancer that loses its servers, is back within some minutes.
GIVE_UP_AFTER = 300
# Pauses double from one second up to this: an outage is noticed to be over within half a minute.
LONGEST_PAUSE = 30
# GitHub's secondary limits on what creates content last up to an hour.
LONGEST_RATE_LIMIT = 3600
# What GitHub asks to wait if a rate limit names no time.
RATE_LIMIT_PAUSE = 60


class Failure(Exception):
    """A failure that the user is told in one line: its text."""

    def __init__(self, text: str, is_temporary: bool = False) -> None:
        """Take the text, and whether the same call may succeed later."""
        super().__init__(text)
        self.is_temporary = is_temporary


class Reply(NamedTuple):
    """A server's answer to a call that succeeded."""

    body: bytes
    headers: http.client.HTTPMessage

    def json(self) -> Any:
        """Give the body's value; raise Failure if it is not JSON."""
        value = parse(self.body)
        if value is None:
            # An error page with status 200, as load balancers send it while a service restarts.
            raise Failure("the answer is not JSON", is_temporary=True)
        return value


class Refusal(NamedTuple):
    """Why a call did not succeed, and whether it is worth another try."""

    reason: str
    is_temporary: bool
    # Seconds that the server asked to wait; None if it did not say.
    wait: float | None
    # The server refused to look at the call, so that even a call that changes something can be sent again.
    is_rate_limit: bool


class Web:
    """One server, by the address that all paths begin with."""

    def __init__(
        self,
        base: str,
        headers: dict[str, str] | None = None,
        handlers: Sequence[urllib.request.BaseHandler] = (),
        timeout: float = 60,
        give_up_after: float = GIVE_UP_AFTER,
    ) -> None:
        """Take the address, headers, and how many seconds a silence and a failing call may last."""
        self.base = base
        self.headers = headers or {}
        self.timeout = timeout
        self.give_up_after = give_up_after
        self.opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> Reply:
        """Read a path with its query, or a whole address; try again what can pass."""
        name = path.split("?", 1)[0]
        deadline = time.monotonic() + self.give_up_after
        pause = 1.0
        while True:
            outcome = self._try("GET", path, None)
            if isinstance(outcome, Reply):
                return outcome
            wait = pause if outcome.wait is None else outcome.wait
            if not outcome.is_temporary or time.monotonic() + wait > deadline:
                raise Failure(f"{name}: {outcome.reason}", outcome.is_temporary)
            say_progress(f"{name}: {outcome.reason}; again in {wait:g} s")
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def send(self, method: str, path: str, body: JsonObject) -> Reply:
        """Change something, once: it may have been done although no answer came.

        Only a call that a rate limit refused is sent again, because that one has certainly not been done.
        """
        deadline = time.monotonic() + LONGEST_RATE_LIMIT
        while True:
            outcome = self._try(method, path, json.dumps(body).encode())
            if isinstance(outcome, Reply):
                return outcome
            wait = RATE_LIMIT_PAUSE if outcome.wait is None else outcome.wait
            if not outcome.is_rate_limit or time.monotonic() + wait > deadline:
                raise Failure(f"{method} {path}: {outcome.reason}")
            say_progress(f"{method} {path}: {outcome.reason}; again in {wait:g} s")
            time.sleep(wait)

    def _try(self, method: str, path: str, data: bytes | None) -> Reply | Refusal:
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data, method=method)
        if data is not None:
            request.add_unredirected_header("Content-Type", "application/json")
        for name, value in self.headers.items():
            # urllib sends other headers along with a redirect, also to another host.
            request.add_unredirected_header(name, value)
        try:
            with self.opener.open(request, timeout=self.timeout) as reply:
                return Reply(reply.read(), reply.headers)
        except urllib.error.HTTPError as error:
            return refusal_of(error)
        except (OSError, http.client.HTTPException) as error:
            reason = foreign(getattr(error, "reason", error)) or type(error).__name__
            return Refusal(reason, is_temporary=True, wait=None, is_rate_limit=False)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A handler to which a redirect is a failure with its status."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Follow no redirect."""


def refusal_of(error: urllib.error.HTTPError) -> Refusal:
    """Judge an answer that is not a success."""
    asked = error.headers.get("Retry-After", "").strip()
    # RFC 9110 has seconds or a date here; a date is left to the pauses of our own.
    wait = float(asked) if asked.isascii() and asked.isdigit() else None
    # GitHub answers 403, too, if a rate limit is reached, and then says how long to wait.
    is_rate_limit = error.code == 429 or (error.code == 403 and wait is not None)
    return Refusal(
        reason=describe(error),
        is_temporary=is_rate_limit or error.code in TEMPORARY_STATUSES,
        wait=wait,
        is_rate_limit=is_rate_limit,
    )


def describe(error: urllib.error.HTTPError) -> str:
    """Give the status and the server's words: a known field of its JSON, otherwise its body, cut."""
    try:
        body = error.read(64 * 1024)
    except (OSError, http.client.HTTPException):
        body = b""
    finally:
        error.close()
    fields = as_object(parse(body))
    known = [fields.get(name) for name in ("error_description", "message", "error")]
    texts = [text for text in known if isinstance(text, str) and text.strip()]
    is_empty = body.strip() in {b"{}", b"null"}
    words = "" if is_empty else foreign(texts[0] if texts else body.decode(errors="replace"))
    return f"status {error.code}" + (f", {words}" if words else "")


def parse(body: bytes) -> Any:
    """Give the JSON value in a body; None if it is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def as_object(value: Any) -> JsonObject:
    """Give the value if it is a JSON object, otherwise an empty one."""
    return cast(JsonObject, value) if isinstance(value, dict) else {}
