"""What all tests share: a clean environment, a lake, the real WordPress, Prefect's server once per session."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.settings import Settings
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
# A run started in the background inherits an ignored SIGINT, and so would every command the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Servers of tests report to nobody, however the tests are started.
os.environ.update(DO_NOT_TRACK="1", PREFECT_SERVER_ANALYTICS_ENABLED="false")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the developer's own settings, proxies and folder out of every test."""
    # What one test did to Ctrl-C, or what a library did in it, must not reach the next.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in list(os.environ):
        if name.startswith("PRESSLAKE_") and name not in ("PRESSLAKE_TEST_CACHE", "PRESSLAKE_REQUIRE_WORDPRESS"):
            monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake on disk."""
    return Lake.open(str(tmp_path / "lake"), create=True)


@pytest.fixture(scope="module")
def many_lakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let the many small lakes that a module makes lie where pytest tidies up."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("lakes"))
    yield
    tempfile.tempdir = before


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings for a lake below ``tmp_path``, without processes for extraction."""
    return Settings(lake=str(tmp_path / "lake"), workers=1, max_retries=2)


def _wordpress(permalinks: str, version: str = "stable") -> Iterator[object]:
    from wordpress_site import WordPress, WordPressUnavailable

    try:
        site = WordPress.start(permalinks=permalinks, version=version)  # type: ignore[arg-type]
    except WordPressUnavailable as reason:
        if os.environ.get("PRESSLAKE_REQUIRE_WORDPRESS"):
            pytest.fail(f"a real WordPress is required here: {reason}")
        pytest.skip(f"NO REAL WORDPRESS: {reason}")
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture(scope="session")
def wordpress_server() -> Iterator[object]:
    """A WordPress with pretty permalinks, started once."""
    yield from _wordpress("pretty")


@pytest.fixture
def wordpress(wordpress_server: object) -> object:
    """That WordPress, as seeded."""
    wordpress_server.reset()  # type: ignore[attr-defined]
    return wordpress_server


@pytest.fixture(scope="session")
def plain_wordpress() -> Iterator[object]:
    """A WordPress with plain permalinks; tests only read it."""
    yield from _wordpress("plain")


@pytest.fixture(scope="session")
def newer_wordpress() -> Iterator[object]:
    """A newer WordPress; tests only read it."""
    yield from _wordpress("pretty", "newer")


@pytest.fixture
def breakable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """A server whose WordPress sites break on request; waits asked for by one test hold for no other."""
    from breakable_server import BreakableServer

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with BreakableServer() as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no client wait, and say how long each would have."""
    from functools import partial

    from flows.wordpress import sites

    asked: list[float] = []
    monkeypatch.setattr(sites, "Client", partial(sites.Client, sleep=asked.append))
    return asked


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[str]:
    """The address of a real Prefect API with an empty database."""
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=180),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield PREFECT_API_URL.value()
