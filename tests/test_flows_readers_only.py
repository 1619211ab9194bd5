"""A lake that may only be read: everything that reads works on it and leaves no trace; who writes is told."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
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
        ["export", "--format", "markdown", "-o", str(tmp_path / "md")], ["check"], ["check", "--quick", "--json"],
    ):  # fmt: skip
        done = presslake(arguments, shared, tmp_path)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    assert sum("ferries" in line for line in (tmp_path / "c.jsonl").read_text().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


@pytest.mark.timeout(120)
def test_a_check_says_what_it_could_not_look_at(shared: Path, tmp_path: Path) -> None:
    published = shared / "L" / "published"
    published.chmod(0o755)
    for path in published.glob("superseded-*"):
        path.unlink()
    published.chmod(0o555)
    done = presslake(["check"], shared, tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "ok      files" in done.stdout and "presslake publish" in done.stderr
    assert not list(published.glob("superseded-*"))


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


_GROUP, _WRITER, _OTHER, _READER, _STRANGER = 54_321, 54_322, 54_323, 54_324, 54_325


# Once on a lake of its own, as the interpreter and its modules may be root's alone; then as somebody else, with the
# umask that those who share a lake work with. A working folder is set as a login would.
_AS = """
import contextlib, io, os, sys
from flows.cli import main
user, group, scratch, lake, *command = sys.argv[1:]
for place in (scratch, lake):
    if place is lake:
        os.setgroups([]); os.setgid(int(group)); os.setuid(int(user)); os.umask(0o002)
        sys.exit(main([*command, "--lake", lake]))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main([*command, "--lake", scratch])
"""


def _as(user: int, group: int, command: list[str], lake: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PRESSLAKE_WORKERS": "1", "HOME": str(lake.parent / f"run-{user}"),
        "XDG_RUNTIME_DIR": str(lake.parent / f"run-{user}"),
    }  # fmt: skip
    arguments = [str(user), str(group), str(lake.parent / "scratch"), str(lake), *command]
    return subprocess.run(
        [sys.executable, "-c", _AS, *arguments], capture_output=True, text=True, env=environment, cwd=lake.parent
    )


@pytest.mark.timeout(240)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_two_of_a_group_write_one_lake_and_others_do_not() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for user in (_WRITER, _OTHER, _READER, _STRANGER):
            (folder / f"run-{user}").mkdir(mode=0o700)
            os.chown(folder / f"run-{user}", user, user)
        lake = folder / "L"
        lake.mkdir()
        os.chown(lake, _WRITER, _GROUP)
        lake.chmod(0o2770)
        for name in ("one", "two"):
            (folder / name).mkdir()
            (folder / name / f"{name}.txt").write_text(f"Title {name}\n\nThe ferries come home at noon.\n")
        ways = ((_WRITER, ["ingest", str(folder / "one")]), (_OTHER, ["ingest", str(folder / "two")]),
                (_WRITER, ["ingest", str(folder / "two")]), (_OTHER, ["maintain"]), (_READER, ["check"]))  # fmt: skip
        for user, command in ways:
            done = _as(user, _GROUP, command, lake)
            assert done.returncode == 0, (user, command, done.stdout, done.stderr)
        for path in lake.rglob("*"):
            assert path.stat().st_gid == _GROUP, path
        done = _as(_READER, _GROUP, ["sql", "SELECT id FROM documents ORDER BY id", "--format", "csv"], lake)
        assert done.stdout.split() == ["id", "one.txt", "two.txt"], done.stderr
        for command in (["status"], ["check"], ["ingest", str(folder / "one")]):
            done = _as(_STRANGER, _STRANGER, command, lake)
            assert done.returncode != 0 and "Traceback" not in done.stderr and "ermission" in done.stderr, done.stderr
