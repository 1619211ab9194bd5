"""Work for processes that goes wrong in every way there is; imported by name in the processes."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from pathlib import Path

from schemas.errors import RecordError


def failed(item: str, error: RecordError) -> str:
    return f"{item}: {error.reason}"


def work(item: str) -> str:
    """Do what the item says: its first word is the deed, the second its argument."""
    deed, _, argument = item.partition(" ")
    return _DEEDS[deed](argument)


def _loop(_: str) -> str:
    while True:
        pass


def _regex(_: str) -> str:
    # Minutes inside C code, the interpreter's lock held: no thread and no handler gets a turn.
    re.match(r"(a|a)*b", "a" * 60)
    return "never"


def _eat(_: str) -> str:
    held = []
    while True:
        held.append(bytearray(64 * 1024 * 1024))


def _once(path: str) -> str:
    """Die the first time, as a worker that the system ended by mistake."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


class _PanicError(BaseException):
    pass


def _panic(_: str) -> str:
    raise _PanicError("of a library")


_DEEDS = {
    "say": lambda word: word,
    "sleep": lambda seconds: str(time.sleep(float(seconds))),
    "pid": lambda _: str(os.getpid()),
    "loop": _loop,
    "regex": _regex,
    "eat": _eat,
    "once": _once,
    "panic": _panic,
    "segfault": lambda _: ctypes.string_at(0),
    "exit": lambda code: os._exit(int(code)),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "large": lambda size: "x" * int(size),
    "unpicklable": lambda _: lambda: None,
}
