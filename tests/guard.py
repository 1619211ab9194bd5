"""Processes that tests start: none outlives its owner, however that ends.

Run as a program, this file is the guard: ``python -S guard.py <parent's id> <seconds to live> <work folder>``, with a
line ``+<id>`` or ``-<id>`` on its standard input for each process that comes or goes.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

LIFETIME_S = 2 * 3600


class Processes:
    """Children in sessions of their own, and a guard that ends them if this process dies or takes too long.

    A death signal set in the child would not do: it is tied to the thread that started the child, and the
    workers of PHP's server do not inherit it.
    """

    def __init__(self, work: Path, lifetime_s: float = LIFETIME_S) -> None:
        self.running: list[subprocess.Popen[bytes]] = []
        self._guard = subprocess.Popen(
            [sys.executable, "-S", str(Path(__file__).resolve()), str(os.getpid()), str(lifetime_s), str(work)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def start(self, command: Sequence[str | Path], log: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
        with open(log, "ab") as out:
            process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                start_new_session=True,
            )  # fmt: skip
        self.running.append(process)
        self._tell(f"+{process.pid}")
        return process

    def end(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
        for sign, patience in ((how, 5), (signal.SIGKILL, 15)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break
        with suppress(ProcessLookupError):  # workers that outlived their master
            os.killpg(process.pid, signal.SIGKILL)
        self.running.remove(process)
        self._tell(f"-{process.pid}")

    def close(self) -> None:
        for process in reversed(self.running[:]):
            # Interrupted, PHP's server waits for its workers; killed, it would leave them for init to reap.
            self.end(process, signal.SIGINT if process.args[0].endswith("php") else signal.SIGKILL)  # type: ignore
        if self._guard.stdin:
            with suppress(OSError):
                self._guard.stdin.close()
        self._guard.wait(30)

    def _tell(self, line: str) -> None:
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{line}\n".encode())
        self._guard.stdin.flush()


def _guard(parent: int, lifetime_s: float, work: Path, stdin: IO[bytes]) -> None:
    """Runs in a process of its own: keeps the list of groups, ends them all once the parent is gone."""
    groups: set[int] = set()
    deadline = time.monotonic() + lifetime_s
    while os.getppid() == parent and time.monotonic() < deadline:
        if not select.select([stdin], [], [], 0.5)[0]:
            continue
        if not (line := stdin.readline()):
            break
        (groups.add if line[:1] == b"+" else groups.discard)(int(line[1:]))
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    time.sleep(0.2 if groups else 0)
    shutil.rmtree(work, ignore_errors=True)


def wait_for(
    what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, seconds: float = 60
) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.02)


if __name__ == "__main__":
    _guard(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), os.fdopen(0, "rb", buffering=0))
