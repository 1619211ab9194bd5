"""Storage that fails: one line that names the cause, nothing damaged, and a rerun that goes on."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lakes import query
from test_flows_cli import ROOT, presslake


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Two notes, the first of which is in the lake L already."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.txt").write_text("One\n\nThe first text.\n")
    assert presslake("ingest", folder, "--lake", tmp_path / "L").returncode == 0
    (folder / "two.txt").write_text("Two\n\nThe second text.\n")
    return folder


def titles(lake: Path) -> set[str]:
    return {row["title"] for row in query(lake, "SELECT title FROM documents")}


def limited(limit: Callable[[], None], notes: Path, lake: Path) -> subprocess.CompletedProcess[str]:
    return presslake("ingest", notes, "--lake", lake, preexec_fn=limit)


def whole(notes: Path, lake: Path) -> None:
    """Assert that nothing was damaged, and that a rerun brings in what is missing."""
    assert titles(lake) == {"One"}
    done = presslake("ingest", notes, "--lake", lake, "--json")
    assert done.returncode == 0, done.stderr
    assert titles(lake) == {"One", "Two"}
    assert presslake("check", "--lake", lake).returncode == 0


def test_a_disk_that_takes_no_more(notes: Path, tmp_path: Path) -> None:
    """What a file size limit does to a write is what a full disk does: it fails half-way."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = limited(limit, notes, tmp_path / "L")
    assert done.returncode == 1
    assert "Cannot write table" in done.stderr.splitlines()[-1] and "File too large" in done.stderr.splitlines()[-1]
    whole(notes, tmp_path / "L")


def test_a_folder_that_may_not_be_written(notes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "L"
    folders = [path for path in (lake / "documents").rglob("*") if path.is_dir()] + [lake / "documents"]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    # Root may write anywhere, so it gives that up first.
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "flows.cli", "ingest", str(notes), "--lake", str(lake)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    for folder in folders:
        folder.chmod(stat.S_IRWXU)
    assert done.returncode == 1, done.stderr
    assert "Permission denied" in done.stderr.splitlines()[-1]
    whole(notes, lake)


def test_a_log_entry_that_is_gone(notes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "L"
    presslake("ingest", notes, "--lake", lake)
    entry = lake / "documents" / "_delta_log" / f"{1:020}.json"
    kept = entry.read_bytes()
    entry.unlink()
    for command in (("ingest", notes), ("publish",)):
        done = presslake(*command, "--lake", lake)
        assert done.returncode == 1
        assert "Cannot read table documents" in done.stderr and len(done.stderr.splitlines()[-1]) < 600
    proved = presslake("check", "--lake", lake)
    assert proved.returncode == 1 and "FAILED  log" in proved.stdout
    # What was published before goes on answering, and the entry put back makes it whole.
    assert titles(lake) == {"One", "Two"}
    entry.write_bytes(kept)
    assert presslake("check", "--lake", lake).returncode == 0


def test_a_damaged_file_is_named_to_who_asks(notes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "L"
    (path,) = (lake / "documents").rglob("part-*.parquet")
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    done = presslake("sql", "select title from documents", "--lake", lake)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and path.name in done.stderr
    proved = presslake("check", "--lake", lake)
    assert proved.returncode == 1 and path.name in proved.stdout
