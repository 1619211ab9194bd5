"""``maintain``, ``check`` and ``purge`` as the engineer runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lakes import query
from test_flows_cli import POST, presslake


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake that grew file by file, with two versions of one article."""
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(4):
        title = {"rendered": "Tea" if number < 3 else "Coffee"}
        (folder / "tea.json").write_text(json.dumps({**POST, "id": 7 + number % 3, "title": title}))
        assert presslake("ingest", folder, "--lake", tmp_path / "L").returncode == 0
    return tmp_path / "L"


def test_maintain_then_check(lake: Path) -> None:
    before = query(lake, "SELECT id, title, document_version FROM document_versions ORDER BY ALL")
    assert len(before) == 4
    done = presslake("maintain", "--lake", lake, "--json")
    assert done.returncode == 0, done.stderr
    documents = next(row for row in json.loads(done.stdout) if row["table"] == "documents")
    assert documents["files_before"] == 4 and documents["files_after"] == 1 and documents["removed"] == 0
    shown = presslake("maintain", "--vacuum", "--keep-days", "0", "--lake", lake)
    assert "files before" in shown.stdout and "documents" in shown.stdout
    assert query(lake, "SELECT id, title, document_version FROM document_versions ORDER BY ALL") == before
    proved = presslake("check", "--lake", lake)
    assert proved.returncode == 0 and proved.stdout.count("ok ") >= 9 and "FAILED" not in proved.stdout
    again = presslake("ingest", lake.parent / "notes", "--lake", lake, "--json")
    assert sum(row["unchanged"] for row in json.loads(again.stdout)["streams"]) == 1


def test_a_damaged_lake_is_told_with_exit_code_1(lake: Path) -> None:
    next((lake / "documents").rglob("part-*.parquet")).unlink()
    done = presslake("check", "--lake", lake, "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 1 and not result["ok"]
    assert {entry["check"] for entry in result["checks"] if entry["broken"]} == {"files", "catalog"}
    assert "checks failed: files, catalog" in done.stderr and done.stderr.count("\n") == 1


def test_purge_asks_first_and_proves_it(lake: Path) -> None:
    refused = presslake("purge", "--url", POST["link"], "--lake", lake, stdin=-3)
    assert refused.returncode == 2 and "--yes" in refused.stderr and "documents" in refused.stdout
    assert query(lake, "SELECT count(*) AS n FROM document_versions") == [{"n": 4}]
    done = presslake("purge", "--site", "example.org", "--yes", "--lake", lake)
    assert done.returncode == 0, done.stderr
    assert "nothing found" in done.stdout
    assert query(lake, "SELECT count(*) AS n FROM document_versions") == [{"n": 0}]
    assert presslake("purge", "--site", "example.org", "--yes", "--lake", lake).returncode == 2
    assert presslake("check", "--lake", lake).returncode == 0


@pytest.mark.parametrize(
    "arguments", [("purge", "--yes"), ("maintain", "--keep-days", "-1"), ("purge", "--url", "a", "--author", "b")]
)
def test_what_makes_no_sense_is_usage(lake: Path, arguments: tuple[str, ...]) -> None:
    done = presslake(*arguments, "--lake", lake)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["maintain", "check"])
def test_upkeep_makes_no_lake(tmp_path: Path, command: str) -> None:
    done = presslake(command, "--lake", tmp_path / "none")
    assert done.returncode == 2 and "No lake" in done.stderr and not (tmp_path / "none").exists()


def test_a_table_that_is_lost_is_made_again(lake: Path) -> None:
    (lake / "documents").rename(lake.parent / "given-up")
    assert presslake("check", "--lake", lake).returncode == 1
    done = presslake("ingest", lake.parent / "notes", "--lake", lake)
    assert done.returncode == 0, done.stderr
    assert query(lake, "SELECT id, title FROM documents") == [{"id": "7", "title": "Coffee"}]
    assert presslake("check", "--lake", lake).returncode == 0
