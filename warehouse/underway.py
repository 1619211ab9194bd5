"""Runs under way: what each would say in the ledger now, kept beside the lake until it says so itself.

A process that is killed writes no ledger row. It held its note locked, and the system lets go of the lock with the
process: whoever works on the lake next finds the note free, and enters the run as crashed in its name.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from schemas.columns import Row
from schemas.tables import TABLES
from warehouse.lake import Lake, dataset
from warehouse.ledger import record

FOLDER = "_underway"
_WHY = "the process was killed: these are the counts of its last finished batch, and what it committed stays"


class Note:
    """The note of one run, or of a part of one that another process does."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        """Name the note; it begins with the first rows."""
        self._lock = lake.local / FOLDER / f"{run_id}-{secrets.token_hex(4)}.lock"
        self._file: int | None = None

    def write(self, rows: list[Row]) -> None:
        """Say what the ledger should say if the process ended now."""
        if self._file is None:
            self._lock.parent.mkdir(parents=True, exist_ok=True)
            # Not handed on to child processes: the lock must end with this one.
            self._file = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
        building = _rows_of(self._lock).with_suffix(".building")
        # Rows of Arrow keep the types that JSON would lose.
        schema = TABLES["runs"].schema()
        with pa.OSFile(str(building), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        os.replace(building, _rows_of(self._lock))

    def discard(self) -> None:
        """Take the note away: the ledger has the rows."""
        if self._file is not None:
            _remove(self._lock)

    def release(self) -> None:
        """Let go of the note: if it is still there, whoever comes next enters its rows."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def mend_ledger(lake: Lake) -> list[Row]:
    """Enter runs whose process was killed into the ledger; return the rows that were added.

    Runs on another machine that shares the folder are left alone as far as its locks reach this one; those of a lake
    in an object store are known to the machine that they ran on only.

    Raises:
        LakeError: the ledger cannot be written; the notes stay for the next time.
    """
    added = []
    for lock in sorted((lake.local / FOLDER).glob("*.lock")):
        try:
            file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held the lock may have just finished with the note.
            if lock.exists():
                added += _enter(lake, lock)
                _remove(lock)
        except BlockingIOError:
            continue
        finally:
            os.close(file)
    return added


def _enter(lake: Lake, lock: Path) -> list[Row]:
    rows = [_crashed(row) for row in _read(_rows_of(lock))]
    if not rows:
        return []
    # It may have been killed between its own entry and the note's removal.
    entered = dataset(lake.table("runs")).to_table(
        columns=["site", "stream"], filter=ds.field("run_id") == rows[0]["run_id"]
    )
    known = {(row["site"], row["stream"]) for row in entered.to_pylist()}
    rows = [row for row in rows if (row["site"], row["stream"]) not in known]
    if rows:
        record(lake, rows)
    return rows


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        with pa.OSFile(str(path)) as file:
            rows: list[dict[str, Any]] = pa.ipc.open_file(file).read_all().to_pylist()
            return rows
    except (FileNotFoundError, pa.ArrowInvalid):  # killed before its first rows, or the disk was
        return []


def _crashed(row: Row) -> Row:
    reason = f"{row['reason']}; {_WHY}" if row["reason"] else _WHY
    completeness = row["completeness"] if row["completeness"] == "blocked" else "partial"
    return {**row, "state": "crashed", "completeness": completeness, "reason": reason}


def _rows_of(lock: Path) -> Path:
    return lock.with_suffix(".arrow")


def _remove(lock: Path) -> None:
    for path in (_rows_of(lock), lock):
        path.unlink(missing_ok=True)
