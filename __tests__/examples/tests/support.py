"""What the tests of the example scripts share: to run one as a workflow would, and servers to run against."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHECKS = Path(__file__).parent.parent
SCRIPTS = CHECKS.parent.parent / "examples" / "scripts"
sys.path[:0] = [str(SCRIPTS), str(CHECKS)]

from github_stand_in import GitHubStandIn, State

JsonObject = dict[str, Any]

# Of run.mjs: the sandbox's Key Insight data, and a folder for files that others validate.
SANDBOX_URL = os.environ["SANDBOX_URL"]
OUT = Path(os.environ["OUT_FOLDER"])
TOKEN = "a-token-of-the-job"


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        self.code = done.returncode
        self.stdout = done.stdout
        self.stderr = done.stderr
        self.summary = (folder / "summary").read_text()
        self.outputs = dict(line.split("=", 1) for line in (folder / "output").read_text().splitlines())


class ScriptTest(unittest.TestCase):
    """Each test has a folder of its own, and servers that end with it."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def run_script(self, name: str, *arguments: object, **variables: str) -> Result:
        """Run a script as a step would."""
        return self.run_command(
            [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)], variables
        )

    def run_command(self, command: list[str], variables: dict[str, str]) -> Result:
        """Run a command with the variables of a step, and those given."""
        for file in ("summary", "output"):
            (self.folder / file).write_text("")
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "ARMOR_GATEWAY_URL": SANDBOX_URL,
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_REPOSITORY": "org/payments",
            "GITHUB_REF_NAME": "main",
            "GITHUB_RUN_ID": "701",
            "GITHUB_RUN_NUMBER": "1",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_TOKEN": TOKEN,
            **variables,
        }
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        self.assertNotIn("Traceback", done.stderr)
        self.assert_obeys_nothing(done.stdout + done.stderr)
        self.assertNotIn(TOKEN, done.stdout + done.stderr)
        return Result(done, self.folder)

    def assert_obeys_nothing(self, log: str) -> None:
        """Assert that the runner finds no command in a log but the annotations of the scripts."""
        self.assertNotIn("##[", log)
        for line in re.split(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", log):
            if "::" in line:
                self.assertRegex(line, r"^::(error|warning)::(?!.*::)")

    def start_github(self, **fields: Any) -> GitHubStandIn:
        server = GitHubStandIn(State(TOKEN, **fields))
        self.serve(server)
        self.addCleanup(save_exchanges, server.state)
        return server

    def start_armor(self, answer: Callable[[str], Reply]) -> str:
        """@param answer called with each path and query below /api/v1/discovery"""
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler(answer))
        self.serve(server)
        return f"http://127.0.0.1:{server.server_address[1]}/secret"

    def serve(self, server: ThreadingHTTPServer) -> None:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        self.addCleanup(stop)


class Reply:
    def __init__(self, body: Any, status: int = 200, **headers: str) -> None:
        self.content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


CUT = Reply({}, 0)  # the connection ends without a reply


def handler(answer: Callable[[str], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = answer(self.path.split("/api/v1/discovery", 1)[-1])
            if reply is CUT:
                self.connection.close()
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


def save_exchanges(state: State) -> None:
    with open(OUT / "github-exchanges.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(exchange) + "\n" for exchange in state.exchanges)


def report(**vulnerable: int) -> JsonObject:
    """A post-quantum report of connections with 100 keys each."""
    counts = {name: {"total_count": 100, "pqc_vulnerable_count": count} for name, count in vulnerable.items()}
    return {"connection_summary": counts, "connection_metrics": {}}
