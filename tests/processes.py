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


def family(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [root]
    for pid in found:
        found += [child for child, _ in children(pid)]
    return found


def listening(pids: list[int]) -> dict[int, set[str]]:
    """Return the TCP ports that processes listen on, and the addresses, as proc(5) writes them (`0100007F`)."""
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                sockets.add(link.readlink().name)
    found: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                found.setdefault(int(port, 16), set()).add(address)
    return found
