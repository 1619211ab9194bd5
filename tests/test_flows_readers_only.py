"""A lake that may only be read: everything that reads works on it and leaves no trace; who writes is told."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lakes import ingested

from flows.settings import Settings
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
_LIBC = ctypes.CDLL(None)
# PR_CAPBSET_DROP; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER.
_DROP, _OVER_MODES = 24, (1, 2, 3)


@pytest.fixture
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake in a folder that nobody may write to."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_text("A title\n\nThe ferries come home at noon, all nine of them.\n")
    (folder / "in" / "b.json").write_text('{"broken": ')
    ingested(Settings(lake=str(folder / "L"), workers=1), str(folder / "in"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _obey_modes() -> None:
    """Give up root's power over the modes of files, for the program that is started next; harmless for others."""
    for capability in _OVER_MODES:
        _LIBC.prctl(_DROP, capability, 0, 0, 0)


def presslake(arguments: list[str], shared: Path, work: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(work)}
    command = [sys.executable, "-m", "flows.cli", *arguments, "--lake", str(shared / "L")]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=work, preexec_fn=_obey_modes)


@pytest.mark.timeout(240)
def test_readers_need_no_right_to_write(shared: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    for arguments in (
        ["sql", "SELECT id FROM documents", "--format", "csv"], ["status"], ["runs"], ["quarantine", "list"],
        ["quarantine", "show", "b.json"], ["report", "-o", str(tmp_path / "r.html")],
        ["export", "--format", "jsonl", "-o", str(tmp_path / "c.jsonl")],
        ["export", "--format", "markdown", "-o", str(tmp_path / "md")],
    ):  # fmt: skip
        done = presslake(arguments, shared, tmp_path)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert sum("ferries" in line for line in (tmp_path / "c.jsonl").read_text().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "command", [["ingest", "../new"], ["publish"], ["maintain"], ["purge", "--site", "in", "--yes"]]
)
def test_writers_are_told_that_they_may_not(shared: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "c.txt").write_text("Another title\n\nThe tide is out.\n")
    (tmp_path / "work").mkdir()
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    done = presslake(command, shared, tmp_path / "work")
    assert done.returncode in (1, 2), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    assert "ermission" in done.stderr, done.stderr
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


def test_the_files_of_a_lake_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("A title\n\nThe ferries come home at noon.\n")
    code = (
        "import os, sys; os.umask(0o002)\nfrom flows.cli import main\n"
        f"sys.exit(main(['ingest', {str(tmp_path / 'in')!r}, '--lake', {str(tmp_path / 'L')!r}]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "L").rglob("*"):
        mode = path.stat().st_mode
        # Whoever shares the group may go on where another stopped.
        assert mode & 0o060 == 0o060, (path, oct(mode))
    assert Lake.open(str(tmp_path / "L")).root
