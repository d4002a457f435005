from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from pathlib import Path

from support import SANDBOX_URL, JsonObject, Reply, ScriptTest

CONNECTION = "0d9bd4bb-6ff5-4e36-8f1c-5f7d1a52c1a9"


def scan(number: int, status: str, created: str) -> JsonObject:
    return {
        "scan_id": f"scan-{number}",
        "connection_id": CONNECTION,
        "scan_status": status,
        "created_at": created,
    }


class ExportTest(ScriptTest):
    def export(self, url: str = SANDBOX_URL, *options: str) -> tuple[int, str, dict[str, str]]:
        done = self.run_script("export_inventory", *options, self.folder / "inventory", ARMOR_GATEWAY_URL=url)
        files = sorted((self.folder / "inventory").glob("*.jsonl"))
        return done.code, done.stdout + done.stderr, {file.stem: file.read_text() for file in files}

    def armor(self, scans: list[JsonObject], objects: dict[str, list[list[JsonObject]]]) -> str:
        """@param objects the pages of each scan"""

        def answer(path: str) -> Reply:
            is_first = "previous_id" not in path
            if path.startswith("/connections"):
                items = [{"connection_id": CONNECTION, "name": "aws"}] if is_first else []
            elif "/scan_inventory_objects" in path:
                pages = objects[path.split("/")[2]]
                previous = path.partition("previous_id=")[2]
                ends = [page[-1]["id"] for page in pages]
                index = ends.index(previous) + 1 if previous else 0
                items = pages[index] if index < len(pages) else []
            else:
                items = scans if is_first else []
            return Reply({"items": items})

        return self.start_armor(answer)

    def test_each_connection_has_a_file(self) -> None:
        code, _, files = self.export()
        names = json.loads((self.folder / "inventory" / "connections.json").read_text())
        self.assertEqual(code, 0)
        self.assertEqual(set(names), set(files))
        counts = {names[stem]: content.count("\n") for stem, content in files.items()}
        self.assertEqual(counts, {"aws-production": 2400, "azure-payments": 138, "datacenter-frankfurt": 12})
        for content in files.values():
            objects = [json.loads(line) for line in content.splitlines()]
            self.assertEqual(len({one["id"] for one in objects}), len(objects))
            self.assertEqual(len({one["scan_id"] for one in objects}), 1)

    def test_it_goes_on_behind_the_last_complete_line(self) -> None:
        _, _, complete = self.export()
        for path in (self.folder / "inventory").glob("*.jsonl"):
            cut_in_half(path)
        code, log, again = self.export()
        self.assertEqual((code, again), (0, complete))
        self.assertRegex(log, r"behind the \d+ objects in the file")

    def test_it_goes_on_with_the_same_scan(self) -> None:
        old, new = (
            scan(1, "completed", "20260101T000000Z"),
            scan(2, "completed", "20260102T000000Z"),
        )
        first, second = {"id": "a", "scan_id": "scan-1"}, {"id": "b", "scan_id": "scan-1"}
        (self.folder / "inventory").mkdir()
        file = self.folder / "inventory" / f"{CONNECTION}.jsonl"
        file.write_text(json.dumps(first) + "\n" + json.dumps(second)[:9])
        pages = {"scan-1": [[first], [second]], "scan-2": [[{"id": "c", "scan_id": "scan-2"}]]}
        code, _, files = self.export(self.armor([old, new], pages))
        self.assertEqual(code, 0)
        self.assertEqual(files[CONNECTION], json.dumps(first) + "\n" + json.dumps(second) + "\n")

    def test_the_newest_completed_scan(self) -> None:
        scans = [
            scan(2, "completed", "20260102T000000Z"),
            scan(1, "completed", "20260101T000000Z"),
            scan(3, "in_progress", "20260103T000000Z"),
        ]
        found = {"id": "c", "scan_id": "scan-2"}
        _, _, files = self.export(self.armor(scans, {"scan-2": [[found]]}))
        self.assertEqual(files, {CONNECTION: json.dumps(found) + "\n"})

    def test_what_goes_wrong(self) -> None:
        completed = [scan(1, "completed", "20260101T000000Z")]
        page = [{"id": "a", "scan_id": "scan-1"}]
        for text, url in (
            ("no scan is completed yet", self.armor([scan(1, "failed", "20260101T000000Z")], {})),
            ("without a list of items", self.armor(completed, {"scan-1": [[{"id": 7}]]})),
            ("without a list of items", self.start_armor(lambda _: Reply({"items": None}))),
            ("without a list of items", self.start_armor(lambda _: Reply([]))),
            ("same page again", self.start_armor(always(completed, page))),
            ("no UUID", self.start_armor(always(completed, page, "../etc"))),
        ):
            with self.subTest(text):
                code, log, _ = self.export(url)
                self.assertEqual(code, 1)
                self.assertRegex(log, f"::error::export_inventory.py: .*{text}")

    def test_a_file_of_somebody_else(self) -> None:
        self.export()
        for path in (self.folder / "inventory").glob("*.jsonl"):
            path.write_text("hello\n")
        code, log, files = self.export()
        self.assertEqual((code, set(files.values())), (1, {"hello\n"}))
        self.assertIn("is not an inventory object; give another folder", log)

    def test_options_have_limits(self) -> None:
        for option in (
            "--limit=0",
            "--give-up-after=-1",
            "--pause=-1",
            "--timeout=0",
            "--pause=nan",
        ):
            with self.subTest(option):
                self.assertEqual(self.export(SANDBOX_URL, option)[0], 2)


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def always(
    scans: list[JsonObject], page: list[JsonObject], connection: str = CONNECTION
) -> Callable[[str], Reply]:
    """Lists end, inventories do not."""

    def answer(path: str) -> Reply:
        if "/scan_inventory_objects" in path:
            return Reply({"items": page})
        if "previous_id" in path:
            return Reply({"items": []})
        of_scans = [{**one, "connection_id": connection} for one in scans]
        connections = [{"connection_id": connection, "name": "aws"}]
        return Reply({"items": connections if path.startswith("/connections") else of_scans})

    return answer


if __name__ == "__main__":
    unittest.main()
