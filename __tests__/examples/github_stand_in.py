#!/usr/bin/env python3
"""Stands in for GitHub's REST API: issues and artifacts of one repository, and a webhook of Slack's.

Holds to GitHub's OpenAPI description, which run.mjs checks with what was asked and answered. Started by
itself, it prints its address; GITHUB_TOKEN is the token to accept, --artifacts a folder whose files are
artifacts by their names, --state a file with issues and artifacts to begin with, --log the file to write
what was asked for.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

JsonObject = dict[str, Any]

REPOSITORY_ID = 42
FORK_ID = 43
AT = "2026-11-22T02:17:09Z"


@dataclass
class Artifact:
    name: str
    content: str
    branch: str = "main"
    from_fork: bool = False
    expired: bool = False
    run: int = 700


@dataclass
class State:
    token: str
    repository: str = "org/payments"
    issues: list[JsonObject] = field(default_factory=lambda: [])
    comments: list[JsonObject] = field(default_factory=lambda: [])
    artifacts: list[Artifact] = field(default_factory=lambda: [])
    messages: list[JsonObject] = field(default_factory=lambda: [])
    exchanges: list[JsonObject] = field(default_factory=lambda: [])
    # What calls that change something are answered with, status and headers, before they are done.
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [])
    drops_labels: bool = False  # as GitHub does where the token may not set them
    artifact_folder: Path | None = None
    log: Path | None = None

    def all_artifacts(self) -> list[Artifact]:
        """The newest first."""
        folder = self.artifact_folder
        files = sorted(folder.iterdir()) if folder and folder.is_dir() else []
        uploaded = [Artifact(file.name, file.read_text()) for file in files if file.is_file()]
        return [*uploaded, *reversed(self.artifacts)]


class GitHubStandIn(ThreadingHTTPServer):
    def __init__(self, state: State) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = state
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def github(self) -> GitHubStandIn:
        return cast(GitHubStandIn, self.server)

    def do_GET(self) -> None:
        self.answer(None)

    def do_POST(self) -> None:
        self.answer(self.read_body())

    def do_PATCH(self) -> None:
        self.answer(self.read_body())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the exchanges are recorded."""

    def read_body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def answer(self, body: Any) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self.github.lock:
            state = self.github.state
            if parts.path == "/slack":
                state.messages.append(body)
                self.reply(200, b"ok", {"Content-Type": "text/html"})
            elif parts.path.startswith("/blob/"):
                self.blob(int(parts.path.rsplit("/", 1)[1]))
            else:
                self.api(parts.path, query, body)
            if state.log:
                shown = {
                    "issues": state.issues,
                    "comments": state.comments,
                    "messages": state.messages,
                }
                state.log.write_text(json.dumps(shown))

    def api(self, path: str, query: dict[str, str], body: Any) -> None:
        state = self.github.state
        if self.headers.get("Authorization") != f"Bearer {state.token}":
            status, answer, headers = 401, {"message": "Bad credentials"}, {}
        elif self.command != "GET" and state.refusals:
            status, headers = state.refusals.pop(0)
            answer = {"message": "You have exceeded a secondary rate limit"}
        else:
            status, answer, headers = self.route(path, query, body)
        state.exchanges.append(
            {
                "method": self.command,
                "path": path,
                "query": query,
                "request": body,
                "status": status,
                "response": answer,
            }
        )
        self.reply(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **headers})

    def route(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any, dict[str, str]]:
        state = self.github.state
        prefix = f"/repos/{state.repository}"
        if not path.startswith(prefix):
            return 404, {"message": "Not Found"}, {}
        call = f"{self.command} {path[len(prefix) :]}"
        if call == "GET /issues":
            return self.page(matching(state.issues, query), query, path)
        if call == "POST /issues":
            made = new_issue(len(state.issues) + 1, body["title"], body.get("body"), self.labels(body))
            state.issues.append(made)
            return 201, made, {}
        if call == "GET /actions/artifacts":
            found = [
                self.artifact(number, one)
                for number, one in enumerate(state.all_artifacts())
                if one.name == query.get("name", one.name)
            ]
            status, items, headers = self.page(found, query, path)
            return status, {"total_count": len(found), "artifacts": items}, headers
        match = re.fullmatch(r"GET /actions/artifacts/(\d+)/zip", call)
        if match:
            return 302, None, {"Location": f"{self.github.url}/blob/{match.group(1)}"}
        match = re.fullmatch(r"(PATCH|POST) /issues/(\d+)(/comments)?", call)
        if match and 1 <= int(match.group(2)) <= len(state.issues):
            issue = state.issues[int(match.group(2)) - 1]
            return self.comment(issue, body) if match.group(3) else self.change(issue, body)
        return 404, {"message": "Not Found"}, {}

    def page(self, items: list[Any], query: dict[str, str], path: str) -> tuple[int, Any, dict[str, str]]:
        size, number = int(query.get("per_page", "30")), int(query.get("page", "1"))
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "page")
        following = f'<{self.github.url}{path}?{rest}&page={number + 1}>; rel="next"'
        has_more = number * size < len(items)
        return (
            200,
            items[(number - 1) * size : number * size],
            {"Link": following} if has_more else {},
        )

    def labels(self, body: JsonObject) -> list[str]:
        return [] if self.github.state.drops_labels else body.get("labels", [])

    def comment(self, issue: JsonObject, body: JsonObject) -> tuple[int, Any, dict[str, str]]:
        made = new_comment(len(self.github.state.comments) + 1, issue["number"], body["body"])
        self.github.state.comments.append(made)
        return 201, made, {}

    def change(self, issue: JsonObject, body: JsonObject) -> tuple[int, Any, dict[str, str]]:
        issue.update(
            {name: body[name] for name in ("title", "body", "state", "state_reason") if name in body}
        )
        issue["closed_at"] = AT if issue["state"] == "closed" else None
        return 200, issue, {}

    def artifact(self, number: int, one: Artifact) -> JsonObject:
        url = f"https://api.github.com/repos/{self.github.state.repository}/actions/artifacts/{number}"
        return {
            "id": number,
            "node_id": f"A{number}",
            "name": one.name,
            "size_in_bytes": len(one.content),
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": one.expired,
            "created_at": AT,
            "expires_at": AT,
            "updated_at": AT,
            "workflow_run": {
                "id": one.run,
                "repository_id": REPOSITORY_ID,
                "head_repository_id": FORK_ID if one.from_fork else REPOSITORY_ID,
                "head_branch": one.branch,
                "head_sha": "0" * 40,
            },
        }

    def blob(self, number: int) -> None:
        """Another host, really: one that refuses what it has no use for."""
        if "Authorization" in self.headers:
            self.reply(400, b"Authorization is not wanted here", {})
            return
        one = self.github.state.all_artifacts()[number]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr(f"{one.name}.json", one.content)
        self.reply(200, archive.getvalue(), {"Content-Type": "application/zip"})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def matching(issues: list[JsonObject], query: dict[str, str]) -> list[JsonObject]:
    state, labels = (
        query.get("state", "open"),
        [name for name in query.get("labels", "").split(",") if name],
    )
    found = [
        issue
        for issue in issues
        if state in ("all", issue["state"]) and set(labels) <= {label["name"] for label in issue["labels"]}
    ]
    return found if query.get("direction") == "asc" else found[::-1]


def new_issue(
    number: int, title: str, body: str | None, labels: list[str], state: str = "open"
) -> JsonObject:
    url = f"https://api.github.com/repos/org/payments/issues/{number}"
    return {
        "id": 1000 + number,
        "node_id": f"I{number}",
        "url": url,
        "repository_url": "https://api.github.com/repos/org/payments",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"https://github.com/org/payments/issues/{number}",
        "number": number,
        "state": state,
        "state_reason": None,
        "title": title,
        "body": body,
        "user": None,
        "labels": [{"name": name} for name in labels],
        "assignee": None,
        "milestone": None,
        "locked": False,
        "comments": 0,
        "closed_at": None,
        "created_at": AT,
        "updated_at": AT,
    }


def new_comment(number: int, issue: int, body: str) -> JsonObject:
    repository = "https://api.github.com/repos/org/payments"
    return {
        "id": number,
        "node_id": f"C{number}",
        "url": f"{repository}/issues/comments/{number}",
        "html_url": f"https://github.com/org/payments/issues/{issue}#issuecomment-{number}",
        "issue_url": f"{repository}/issues/{issue}",
        "body": body,
        "user": None,
        "created_at": AT,
        "updated_at": AT,
        "author_association": "NONE",
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifacts", type=Path)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--log", type=Path)
    options = parser.parse_args()
    state = State(os.environ["GITHUB_TOKEN"], artifact_folder=options.artifacts, log=options.log)
    begin: JsonObject = json.loads(options.state.read_text()) if options.state else {}
    for one in begin.get("issues", []):
        made = new_issue(len(state.issues) + 1, one["title"], one["body"], one["labels"], one["state"])
        state.issues.append(made)
    state.artifacts = [Artifact(**one) for one in begin.get("artifacts", [])]
    server = GitHubStandIn(state)
    print(server.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
