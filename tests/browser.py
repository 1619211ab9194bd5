"""A real browser: Debian's Chromium, installed where it is missing, driven through Playwright."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright
from wordpress_packages import apt_install, which

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip


class BrowserUnavailable(RuntimeError):
    """This machine has no Chromium and none can be installed; the message says what to install."""


def chromium() -> str:
    """Return the path of Chromium, which is installed if it is missing and this is root on Debian."""
    if path := which("chromium"):
        return path
    remedy = "missing for the tests of pages: chromium (apt-get install chromium)"
    if os.geteuid() != 0 or not which("apt-get"):
        raise BrowserUnavailable(remedy)
    try:
        apt_install("chromium")
    except RuntimeError as error:
        raise BrowserUnavailable(f"{remedy}; {error}") from error
    if path := which("chromium"):
        return path
    raise BrowserUnavailable(remedy)


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a headless Chromium with a fresh profile; it ends with the block."""
    path = chromium()
    # Chromium's own start script and profile write below the home folder, which may be another's or none.
    with tempfile.TemporaryDirectory(prefix="chromium-") as home, sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, headless=True, args=[*_QUIET], env={**os.environ, "HOME": home}
        )
        try:
            yield started
        finally:
            started.close()
