"""Runs that are killed stand in the ledger all the same: by the next run, by upkeep, by a flow's hooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lakes import query
from localinputs import post
from test_flows_cli import presslake

from warehouse.lake import Lake
from warehouse.ledger import StreamRun, new_run_id
from warehouse.underway import FOLDER, Note, mend_ledger

_KILLED = """
import os, signal, sys
from flows import pipeline
from flows.cli import main
batches = 0
def jotted(self, write=pipeline.Pipeline._jot):
    global batches
    write(self)
    batches += 1
    if batches == 3:
        os.kill(os.getpid(), signal.SIGKILL)
pipeline.Pipeline._jot = jotted
main(sys.argv[1:])
"""


def killed(folder: Path, *command: str) -> None:
    """Run a command whose process is killed after its second batch."""
    environment = {**os.environ, "PRESSLAKE_BATCH_RECORDS": "10"}
    done = subprocess.run([sys.executable, "-c", _KILLED, *command], cwd=folder, env=environment, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``posts.ndjson``, and a lake that a run was killed in."""
    (tmp_path / "posts.ndjson").write_text("\n".join(json.dumps(post(number)) for number in range(1, 61)))
    killed(tmp_path, "ingest", "posts.ndjson", "--lake", "L", "--workers", "1")
    return tmp_path


def ledger(folder: Path) -> list[tuple[str, str, int]]:
    """Return state, completeness and new documents of each run, oldest first."""
    rows = query(folder / "L", "SELECT state, completeness, new FROM runs ORDER BY started_at")
    return [(row["state"], row["completeness"], row["new"]) for row in rows]


def test_the_next_run_enters_the_one_that_was_killed(folder: Path) -> None:
    assert len(list((folder / "L" / FOLDER).iterdir())) == 2
    done = presslake("ingest", "posts.ndjson", "--lake", "L", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert ledger(folder) == [("crashed", "partial", 20), ("finished", "complete", 40)]
    (reason,) = query(folder / "L", "SELECT reason FROM runs WHERE state = 'crashed'")
    assert "the process was killed" in reason["reason"]
    assert not list((folder / "L" / FOLDER).iterdir())
    assert query(folder / "L", "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM documents") == [
        {"n": 60, "ids": 60}
    ]
    assert presslake("check", "--lake", folder / "L").returncode == 0


@pytest.mark.parametrize("command", [("maintain",), ("purge", "--site", "elsewhere.example", "--yes")])
def test_upkeep_enters_it_too(folder: Path, command: tuple[str, ...]) -> None:
    presslake(*command, "--lake", folder / "L")
    presslake("publish", "--lake", folder / "L")
    assert ledger(folder) == [("crashed", "partial", 20)]
    assert presslake("check", "--lake", folder / "L").returncode == 0


def test_a_run_that_is_alive_is_left_alone(folder: Path) -> None:
    lake = Lake.open(str(folder / "L"))
    note = Note(lake, run_id := new_run_id())
    note.write([StreamRun(run_id, "a.example", "posts", "ingest", "a.example").finish({}, "interrupted")])
    assert [row["state"] for row in mend_ledger(lake)] == ["crashed"] and mend_ledger(lake) == []
    note.release()
    assert [(row["run_id"], row["state"]) for row in mend_ledger(lake)] == [(run_id, "crashed")]


def test_a_run_killed_after_its_entry_is_not_entered_twice(folder: Path) -> None:
    lake = Lake.open(str(folder / "L"))
    notes = {path: path.read_bytes() for path in (folder / "L" / FOLDER).iterdir()}
    assert len(mend_ledger(lake)) == 1
    for path, data in notes.items():
        path.write_bytes(data)
    assert mend_ledger(lake) == [] and not list((folder / "L" / FOLDER).iterdir())


def test_a_damaged_note_is_no_reason_to_stop(folder: Path) -> None:
    (rows,) = (folder / "L" / FOLDER).glob("*.arrow")
    rows.write_bytes(rows.read_bytes()[:100])
    assert presslake("ingest", "posts.ndjson", "--lake", "L", cwd=folder).returncode == 0
    assert [state for state, _, _ in ledger(folder)] == ["finished"]
