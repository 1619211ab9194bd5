"""How often a host is asked: one pace, and a few slots, for all threads and processes of this user on this machine.

The next free moment of each host stands in a small locked file, so that ten commands started side by side ask a site
no faster than one, and no more of them at a time than its slots.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from urllib.robotparser import RobotFileParser

from schemas.errors import UsageError

# A moment further ahead is a leftover of a clock that was set back, or of a wait long forgotten.
_LONGEST_QUEUE_S = 3600.0


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Pace:
    """Spaces out the starts of requests to one host (``interval_s`` apart, zero for no limit)."""

    def __init__(self, host: str, interval_s: float) -> None:
        """Keep the pace of ``host`` in the user's own folder for such files."""
        self.interval_s = interval_s
        self._path = _folder() / f"{_name(host)}.pace"

    def wait(self, sleep: Callable[[float], None]) -> None:
        """Return when the next request may start."""
        delay = self._reserve(self.interval_s, 0.0)
        if delay > 0:
            sleep(delay)

    def hold(self, seconds: float) -> None:
        """Let nobody start before ``seconds`` have passed: what a server asked of one request holds for all."""
        self._reserve(0.0, seconds)

    def _reserve(self, interval: float, hold: float) -> float:
        """Take the next free moment (or push it back by ``hold``); return how far ahead it is, in seconds."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            now = time.time()
            free = _number(os.pread(descriptor, 64, 0))
            if not now - _LONGEST_QUEUE_S < free < now + _LONGEST_QUEUE_S:
                free = 0.0
            start = max(now, free)
            written = max(start + interval if not hold else now + hold, free)
            os.pwrite(descriptor, f"{written:<32.6f}".encode(), 0)
            return start - now
        finally:
            os.close(descriptor)


class Slots:
    """Bounds how many requests to one host are under way at a time (``count``, zero for no limit).

    Each slot is a locked file; the kernel frees it when its process dies, however that happens.
    """

    def __init__(self, host: str, count: int) -> None:
        """Keep the slots of ``host`` in the user's own folder for such files."""
        self._paths = [_folder() / f"{_name(host)}.slot{number}" for number in range(count)]

    @contextmanager
    def taken(self, sleep: Callable[[float], None]) -> Iterator[None]:
        """Hold a slot for the time of one request, waiting for one to come free."""
        descriptor = self._take(sleep) if self._paths else None
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _take(self, sleep: Callable[[float], None]) -> int:
        while True:
            for path in self._paths:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                else:
                    return descriptor
            sleep(0.02)


def _folder() -> Path:
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"presslake-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = os.lstat(folder)
    # Whoever made it first in a folder that all may write to could have us write through links of theirs.
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or seen.st_mode & 0o022:
        raise UsageError(
            f"Cannot use {folder}: it is not this user's own.", remedy="Remove it, or set XDG_RUNTIME_DIR."
        )
    return folder


def _name(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:24]


def _number(data: bytes) -> float:
    try:
        return float(data)
    except ValueError:
        return 0.0


def crawl_delay_s(robots: str, user_agent: str) -> float:
    r"""Return the Crawl-delay that a robots.txt asks of us, in seconds; zero when it asks for none.

    >>> crawl_delay_s("User-agent: *\nCrawl-delay: 3", "presslake/1.0")
    3.0
    """
    parser = RobotFileParser()
    # Fractions are common and the parser only knows whole seconds, so they are rounded up.
    lines = [_whole(line) for line in robots.splitlines()]
    parser.parse(lines)
    parser.modified()
    delay = parser.crawl_delay(user_agent.split("/")[0])
    return float(delay) if delay else 0.0


def _whole(line: str) -> str:
    name, _, value = line.partition(":")
    if name.strip().lower() == "crawl-delay":
        try:
            return f"Crawl-delay: {-int(-float(value.split('#')[0]) // 1)}"
        except (ValueError, OverflowError):
            return ""
    return line
