"""Ctrl-C and a service manager's stop, at a moment when they can do no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
