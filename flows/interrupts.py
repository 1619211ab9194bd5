"""Ctrl-C and a service manager's stop, at a moment when they can do no harm."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_MOMENT_S = 0.05
_PATIENCE_S = 5.0


class Stops:
    """What Ctrl-C and a service manager's stop do to a command: the same, keep what is committed and end.

    The first one interrupts what is done. Others behind it would only break off what tidies up, so they do nothing;
    but who asks again seconds later is not kept waiting.
    """

    def __init__(self) -> None:
        """Nothing is heard yet."""
        self._first: float | None = None

    def listen(self) -> None:
        """Hear them from now on, in place of whoever did."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)
        sys.unraisablehook = self._unraised

    def followed(self) -> None:
        """Take the next one for a first one again: what the last one asked for is done."""
        self._first = None

    def _heard(self, _: int, frame: FrameType | None) -> None:
        if self._first is None and _imports(frame):
            # Broken off, DuckDB (2.0) aborts and modules stay half made.
            self._again()
        elif self._first is None:
            self._first = time.monotonic()
            raise KeyboardInterrupt
        elif time.monotonic() - self._first > _PATIENCE_S:
            os._exit(130)

    def _unraised(self, what: sys.UnraisableHookArgs) -> None:
        """Have an interrupt that came where nothing can be raised, as in a finalizer, come again."""
        if what.exc_type is KeyboardInterrupt:
            self.followed()
            self._again()
        else:
            sys.__unraisablehook__(what)

    def _again(self) -> None:
        later = threading.Timer(_MOMENT_S, os.kill, (os.getpid(), signal.SIGINT))
        later.daemon = True
        later.start()


def _imports(frame: FrameType | None) -> bool:
    """Tell whether a module is being imported there."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


STOPS = Stops()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold interrupts off until what is inside is done, then let them happen.

    In threads it does nothing: Python interrupts the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in ours:
        signal.signal(number, lambda *given: came.append(given))
    try:
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    for signalled, frame in came[:1]:
        ours[signal.Signals(signalled)](signalled, frame)
