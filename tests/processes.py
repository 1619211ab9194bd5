"""What the processes of this machine are, for tests that must leave none behind (Linux: proc(5))."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def _stats() -> list[tuple[int, str, int, int]]:
    """Return id, state, parent and session of every process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, _, session = stat.read_text(errors="replace").rpartition(")")[2].split()[:4]
            found.append((int(stat.parent.name), state, int(parent), int(session)))
    return found


def alive(session: int) -> list[int]:
    """Return the processes of a session that are alive, besides its first."""
    return [pid for pid, state, _, of in _stats() if of == session and pid != session and state != "Z"]


def children(parent: int) -> list[tuple[int, str]]:
    """Return id and command line of a process's children."""
    lines = dict(processes())
    return [(pid, lines[pid]) for pid, _, of, _ in _stats() if of == parent and pid in lines]


def processes() -> list[tuple[int, str]]:
    """Return id and command line of every process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append((int(path.parent.name), path.read_text(errors="replace").replace("\0", " ")))
    return found
