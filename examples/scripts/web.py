"""JSON over HTTP with the standard library: retries for GET, and each failure as one line."""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

Object = dict[str, Any]

# As curl's --retry has them.
TRANSIENT = {408, 429, 500, 502, 503, 504}
MAX_WAIT = 60


class Failure(Exception):
    """Its text is the one line that the user sees."""


class Reply(NamedTuple):
    body: bytes
    headers: http.client.HTTPMessage

    def json(self) -> Any:
        value = parse(self.body)
        if value is None:
            raise Failure("the answer is not JSON")
        return value


class Web:
    """One server."""

    def __init__(
        self,
        base: str,
        headers: dict[str, str] | None = None,
        handlers: Sequence[urllib.request.BaseHandler] = (),
        timeout: float = 60,
        tries: int = 5,
    ) -> None:
        self.base = base
        self.headers = headers or {}
        self.timeout = timeout
        self.tries = tries
        self.opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> Reply:
        """Tries again what can pass. @param path with its query, or a whole address"""
        for attempt in range(1, self.tries + 1):
            try:
                return self._send("GET", path, None)
            except urllib.error.HTTPError as error:
                wait = seconds_to_wait(error, attempt)
                reason = describe(error)
            except (OSError, http.client.HTTPException) as error:
                wait = 2.0 ** (attempt - 1)
                reason = str(getattr(error, "reason", error)) or type(error).__name__
            if wait is None or attempt == self.tries:
                raise Failure(f"{path.split('?', 1)[0]}: {reason}")
            progress(f"{reason}; again in {wait:g} s")
            time.sleep(wait)
        raise AssertionError("unreachable")

    def send(self, method: str, path: str, body: dict[str, Any]) -> Reply:
        """Once: it may have been done although no answer came."""
        try:
            return self._send(method, path, json.dumps(body).encode())
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path}: {describe(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {getattr(error, 'reason', error)}") from None

    def _send(self, method: str, path: str, data: bytes | None) -> Reply:
        url = path if path.startswith("http") else self.base + path
        request = urllib.request.Request(url, data, method=method)
        for name, value in self.headers.items():
            # urllib sends other headers along with a redirect, also to another host.
            request.add_unredirected_header(name, value)
        with self.opener.open(request, timeout=self.timeout) as reply:
            return Reply(reply.read(), reply.headers)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is a failure, with its status."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        return None


def seconds_to_wait(error: urllib.error.HTTPError, attempt: int) -> float | None:
    """None where another try does not help."""
    asked = error.headers.get("Retry-After", "")
    if asked.isdigit() and error.code in TRANSIENT | {403}:  # 403 is GitHub's secondary rate limit
        return min(float(asked), MAX_WAIT)
    return 2.0 ** (attempt - 1) if error.code in TRANSIENT else None


def describe(error: urllib.error.HTTPError) -> str:
    """The status, and what the server says about it."""
    try:
        answer = parse(error.read())
    except (OSError, http.client.HTTPException):
        answer = None
    finally:
        error.close()
    fields = as_object(answer)
    text = fields.get("error_description") or fields.get("message")
    return f"status {error.code}" + (f", {text}" if text else "")


def parse(body: bytes) -> Any:
    """None where it is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def as_object(value: Any) -> Object:
    """Empty where it is none."""
    return cast(Object, value) if isinstance(value, dict) else {}


def progress(text: str) -> None:
    print(" ".join(text.split()), file=sys.stderr, flush=True)
