"""GitHub's REST API, with the token of the job."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from web import JsonObject, Web, as_object
from workflow import variable


class GitHub:
    """The repository that the workflow runs in."""

    def __init__(self, pause: float = 1, timeout: float = 60) -> None:
        """Take the seconds before a call that changes something; GitHub asks for one."""
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {variable('GITHUB_TOKEN')}",
            "User-Agent": variable("GITHUB_REPOSITORY"),
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self.web = Web(variable("GITHUB_API_URL"), headers, timeout=timeout)
        self.repository = f"/repos/{variable('GITHUB_REPOSITORY')}"
        self.pause = pause

    def pages(self, path: str) -> Iterator[Any]:
        """Give each page of a list; the path is below the repository's, and has a query."""
        url: str | None = f"{self.repository}{path}&per_page=100"
        while url is not None:
            reply = self.web.get(url)
            yield reply.json()
            link = re.search(r'<([^>]+)>; rel="next"', reply.headers.get("Link", ""))
            url = link.group(1) if link else None

    def change(self, method: str, path: str, body: JsonObject) -> Any:
        """Change something below the repository's path; give GitHub's answer."""
        time.sleep(self.pause)
        return self.web.send(method, self.repository + path, body).json()

    def last_artifact(self, name: str) -> bytes | None:
        """Give the newest artifact of this name, a zip archive, that an earlier run on this branch made."""
        branch, this_run = variable("GITHUB_REF_NAME"), variable("GITHUB_RUN_ID")
        for page in self.pages(f"/actions/artifacts?name={urllib.parse.quote(name)}"):
            for artifact in page["artifacts"]:
                run = as_object(artifact.get("workflow_run"))
                # A pull request from a fork makes artifacts in this repository, with any name and branch.
                is_own = run.get("head_repository_id") == run.get("repository_id") is not None
                is_earlier = run.get("head_branch") == branch and str(run.get("id")) != this_run
                if is_own and is_earlier and not artifact["expired"]:
                    return self.web.get(f"{self.repository}/actions/artifacts/{artifact['id']}/zip").body
        return None
