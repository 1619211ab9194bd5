"""Backfills: every window once, whatever interrupts them, beside increments and with an estimate that holds."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from breakable_faults import delayed, on, status
from breakable_server import BreakableServer
from lakes import ingested, query
from test_flows_cli import ROOT, presslake

from flows.backfill import BackfillRequest, backfill, estimate, windows
from flows.settings import Settings
from schemas.errors import UsageError
from warehouse.commit import watermark
from warehouse.lake import Lake


def utc(year: int, month: int, day: int = 1, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def request(server: BreakableServer, **more: Any) -> BackfillRequest:
    """The breakable sites publish a post every hour from 2024-01-01 06:00 on."""
    return BackfillRequest(server.url, **{"since": utc(2024, 1, 2), "until": utc(2024, 1, 6), "window": "day", **more})


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("month", [utc(2023, 11, 15, 5), utc(2023, 12), utc(2024, 1), utc(2024, 1, 20)]),
        ("year", [utc(2023, 11, 15, 5), utc(2024, 1), utc(2024, 1, 20)]),
    ],
)
def test_windows_follow_the_calendar_and_cover_the_interval(size: str, expected: list[datetime]) -> None:
    found = list(windows(utc(2023, 11, 15, 5), utc(2024, 1, 20), size))
    assert found == list(zip(expected, expected[1:], strict=False))


def test_weeks_begin_on_monday_and_days_at_midnight() -> None:
    weeks = list(windows(utc(2024, 2, 27), utc(2024, 3, 12), "week"))
    assert [start for start, _ in weeks] == [utc(2024, 2, 27), utc(2024, 3, 4), utc(2024, 3, 11)]
    assert len(list(windows(utc(2024, 2, 28), utc(2024, 3, 2), "day"))) == 3


def test_each_window_is_read_once_and_the_watermark_stays(
    breakable: BreakableServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "presslake")
    breakable.site().fill(posts=200)
    outcome = backfill(request(breakable), settings)
    assert outcome.exit_code == 0, outcome.as_json()
    told = [record.getMessage() for record in caplog.records if "windows, about" in record.getMessage()]
    assert len(told) == 4 and told[0].startswith("2024-01-02 to 2024-01-03: ") and "1 of 4 windows" in told[0]
    assert told[-1].endswith("4 of 4 windows, about 0:00:00 left")
    rows = query(settings.lake, "SELECT id, published_at FROM documents WHERE kind = 'post'")
    assert len(rows) == 96 and all(utc(2024, 1, 2) <= row["published_at"] < utc(2024, 1, 6) for row in rows)
    assert watermark(Lake.open(settings.lake), f"127.0.0.1:{breakable.port}", "post") is None
    spans = query(settings.lake, "SELECT DISTINCT window_since, window_until, command FROM runs ORDER BY 1")
    assert [row["window_since"].day for row in spans] == [2, 3, 4, 5] and spans[0]["command"] == "backfill"
    assert query(settings.lake, "SELECT count(*) AS n FROM document_authors") != [{"n": 0}]

    before = len(breakable.asked)
    again = backfill(request(breakable), settings)
    assert len(breakable.asked) == before and again.exit_code == 0 and not again.streams
    full = backfill(request(breakable, full=True), settings)
    assert sum(row["unchanged"] for row in full.streams) >= 96 and sum(row["new"] for row in full.streams) == 0


def test_a_window_that_failed_is_read_again_and_no_other(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=200)
    breakable.faults.append(
        on("posts", status(403), when=lambda asked: asked.params.get("after", "").startswith("2024-01-02"))
    )
    outcome = backfill(request(breakable), replace(settings, max_retries=0))
    assert outcome.exit_code == 3
    breakable.faults.clear()
    again = backfill(request(breakable), settings)
    assert again.exit_code == 0
    # A window is asked for from 26 hours before, so this was the one of the 4th.
    assert {row["window_since"] for row in again.streams} == {utc(2024, 1, 4)}
    assert query(settings.lake, "SELECT count(*) AS n FROM documents WHERE kind = 'post'") == [{"n": 96}]


def test_chosen_streams_do_not_stand_for_all(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=100)
    backfill(request(breakable, kinds=("posts",)), settings)
    assert not backfill(request(breakable, kinds=("posts",)), settings).streams
    assert {row["stream"] for row in backfill(request(breakable), settings).streams} >= {"pages", "comments", "posts"}
    assert not backfill(request(breakable, kinds=("pages",)), settings).streams


def test_windows_side_by_side_beside_an_increment(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=200)
    ingested(settings, breakable.url, kinds=("pages",))
    breakable.faults.append(on("posts", delayed(0.05)))
    command = [sys.executable, "-m", "flows.cli", "ingest", breakable.url, "--lake", settings.lake]
    beside = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    outcome = backfill(request(breakable, workers=3), settings)
    assert beside.wait(120) == 0 and outcome.exit_code == 0, outcome.as_json()
    versions = query(settings.lake, "SELECT id, count(*) AS n FROM document_versions WHERE kind = 'post' GROUP BY id")
    assert len(versions) == 200 and {row["n"] for row in versions} == {1}


def test_a_killed_backfill_goes_on_where_it_was(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=200)
    breakable.faults.append(on("posts", delayed(0.1)))
    command = [
        sys.executable, "-m", "flows.cli", "backfill", breakable.url, "--since", "2024-01-02", "--until", "2024-01-06",
        "--window", "day", "--lake", settings.lake, "--json",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    runs = Path(settings.lake, "runs", "_delta_log")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(list(runs.glob("*.json"))) < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    # Two windows at least were in the ledger, and are not asked for again.
    assert 0 < sum(row["stream"] == "posts" for row in json.loads(done.stdout)["streams"]) <= 2
    assert query(settings.lake, "SELECT count(*) AS n FROM documents WHERE kind = 'post'") == [{"n": 96}]


def test_an_interrupted_backfill_ends_soon_and_keeps_what_it_has(
    breakable: BreakableServer, settings: Settings
) -> None:
    breakable.site().fill(posts=200)
    breakable.faults.append(on("posts", delayed(0.5)))
    command = [
        sys.executable, "-m", "flows.cli", "backfill", breakable.url, "--since", "2024-01-01", "--until", "2024-01-08",
        "--window", "day", "--workers", "2", "--lake", settings.lake,
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(breakable.routes("posts")) < 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_the_estimate_holds(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=500)
    wanted = request(breakable, until=utc(2024, 1, 20), window="week")
    told = estimate(wanted, settings)
    assert not Path(settings.lake).exists()
    assert told["windows"] == 3 and told["finished"] == 0
    before = len(breakable.asked)
    outcome = backfill(wanted, settings)
    documents = sum(row["fetched"] for row in outcome.streams if row["stream"] == "posts")
    posts = next(row for row in told["streams"] if row["stream"] == "posts")
    # The site is asked with a day more on either side, as it compares its local time.
    assert documents <= posts["documents"] <= documents + 2 * 26
    assert 0.5 < told["requests"] / (len(breakable.asked) - before) < 2.0
    assert 0.5 < posts["bytes"] / sum(row["bytes"] for row in outcome.streams if row["stream"] == "posts") < 2.0
    assert estimate(wanted, settings)["windows"] == 0


def test_the_command_shows_what_it_would_cost(breakable: BreakableServer, tmp_path: Path) -> None:
    breakable.site().fill(posts=50)
    given = ["backfill", breakable.url, "--since", "2024-01-01", "--until", "2024-03-01", "--lake", tmp_path / "L"]
    shown = presslake(*given, "--dry-run")
    assert shown.returncode == 0 and "in all" in shown.stdout and "2 windows to read" in shown.stdout
    assert json.loads(presslake(*given, "--dry-run", "--json").stdout)["dry_run"] is True
    done = presslake(*given, "--resume", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["exit"] == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"since": utc(2025, 1)}, "--since must be before"),
        ({"source": "./notes"}, "no site"),
        ({"window": "eon"}, "eon"),
    ],
)
def test_what_makes_no_sense_is_told(breakable: BreakableServer, settings: Settings, more: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        backfill(replace(request(breakable), **more), settings)
