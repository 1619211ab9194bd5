"""How much is asked of a host, by how many at once, and when it is enough for now."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import breakable_faults as faults
import pytest
from breakable_faults import on, status
from breakable_server import BreakableServer, Reply
from lakes import ingested, query, stream

from flows.settings import Settings
from flows.wordpress.pace import Slots
from flows.wordpress.retrieval import Client
from schemas.errors import NotNowError, TransientSourceError

ROOT = Path(__file__).resolve().parents[1]


def ids(settings: Settings) -> set[int]:
    return {int(row["id"]) for row in query(settings.lake, "SELECT id FROM documents WHERE kind = 'post'")}


def test_a_budget_of_requests_ends_a_run_and_the_next_goes_on(breakable: BreakableServer, settings: Settings) -> None:
    site = breakable.site().fill(posts=60)
    small = replace(settings, per_page=10, batch_records=10, max_requests=9)
    first = ingested(small, breakable.url, kinds=("posts",))
    row = stream(first, "posts")
    assert first.exit_code == 3 and row["completeness"] == "partial"
    assert "budget of 9 requests" in row["reason"] and "Run again" in row["reason"]
    assert len(breakable.asked) == 9
    held = [len(ids(settings))]
    for _ in range(6):
        outcome = ingested(small, breakable.url, kinds=("posts",))
        held.append(len(ids(settings)))
        if outcome.exit_code == 0:
            break
    assert 0 < held[0] < held[1] <= 60 and held == sorted(held)
    assert outcome.exit_code == 0, outcome.as_json()
    assert ids(settings) == {value["id"] for value in site.lists["posts"]}


def test_a_budget_of_minutes_ends_a_run(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=60)
    breakable.faults.append(on("posts", faults.delayed(0.2)))
    outcome = ingested(replace(settings, per_page=10, max_minutes=0.01), breakable.url, kinds=("posts",))
    assert "budget of 0.01 minutes" in stream(outcome, "posts")["reason"]
    assert outcome.exit_code == 3


@pytest.mark.usefixtures("waits")
def test_a_plea_to_wait_longer_than_we_grant_ends_the_stream(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill()
    breakable.faults.append(on("posts", status(503, Retry_After="900")))
    outcome = ingested(settings, breakable.url, kinds=("posts",))
    row = stream(outcome, "posts")
    assert row["completeness"] == "partial" and "asks to wait 900 s, longer than 120 s" in row["reason"]
    # Asked once: whoever is told to stay away does not knock again.
    assert len(breakable.routes("posts")) == 1


def test_an_answer_that_drips_is_given_up(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill()
    breakable.faults.append(on("posts", faults.dripping(0.05)))
    with Client(replace(settings, answer_timeout_s=0.3, allow_private=True), sleep=lambda _: None) as client:
        began = time.monotonic()
        with pytest.raises(TransientSourceError, match="not complete after"):
            client.get(f"{breakable.url}/wp-json/wp/v2/posts", tries=0)
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("waits")
def test_a_crawl_delay_of_a_day_is_not_kept_in_full(
    breakable: BreakableServer, settings: Settings, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    breakable.site().fill(posts=3)
    robots = Reply(200, b"User-agent: *\nCrawl-delay: 86400\n", {"Content-Type": "text/plain"})
    breakable.faults.append(lambda asked, reply: robots if asked.path == "/robots.txt" else None)
    outcome = ingested(replace(settings, max_crawl_delay_s=2.0), breakable.url, kinds=("posts",))
    assert outcome.exit_code == 0
    assert "asks for 86400 s between requests; we keep 2 s" in caplog.text
    assert sum("robots" in asked.path for asked in breakable.asked) == 1


def test_what_is_asked_after_the_last_try_is_not_now(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill()
    breakable.faults.append(on("posts", status(429)))
    with (
        Client(replace(settings, allow_private=True), sleep=lambda _: None) as client,
        pytest.raises(NotNowError, match="HTTP 429"),
    ):
        client.get(f"{breakable.url}/wp-json/wp/v2/posts")


HOLDER = """
import sys, time
from flows.wordpress.pace import Slots
with Slots("news.example", 2).taken(time.sleep):
    print("in", flush=True)
    sys.stdin.readline()
"""


def test_no_more_processes_than_slots_ask_a_host_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    processes: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        processes.append(process)
        return process

    def is_in(process: subprocess.Popen[str]) -> bool:
        assert process.stdout is not None
        return process.stdout.readline() == "in\n"

    try:
        first, second = start(), start()
        assert is_in(first) and is_in(second)

        def refused(_: float) -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError), Slots("news.example", 2).taken(refused):
            pass
        with Slots("other.example", 2).taken(refused), Slots("news.example", 0).taken(refused):
            pass
        # A process that dies, however it does, leaves its slot.
        first.kill()
        first.wait()
        assert is_in(start())
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_a_gate_is_asked_before_every_request(breakable: BreakableServer, settings: Settings) -> None:
    from flows.jobs import IngestRequest, Tracking, ingest

    breakable.site().fill()
    hosts: list[str] = []
    ingest(IngestRequest((breakable.url,)), settings, Tracking(gate=hosts.append))
    assert hosts == ["127.0.0.1"] * len(breakable.asked)


def test_a_zone_that_changes_hides_no_edit(breakable: BreakableServer, settings: Settings) -> None:
    """The server compares local time, so what was edited before the change may lie a day back afterwards."""
    from datetime import timedelta

    from breakable_server import START

    site = breakable.site(zone="Pacific/Auckland").fill(posts=5)
    ingested(settings, breakable.url, kinds=("posts",))
    site.edit("posts", 2, START + timedelta(days=2), title={"rendered": "Before the change"})
    ingested(settings, breakable.url, kinds=("posts",))
    site.edit("posts", 3, START + timedelta(days=2, minutes=5), title={"rendered": "Just before the change"})
    # From now on the site writes and compares the local time of another zone.
    site.zone = "Pacific/Honolulu"
    site.index.update(timezone_string=site.zone, gmt_offset=-10)
    site.edit("posts", 4, START + timedelta(days=2, minutes=9), title={"rendered": "After the change"})
    outcome = ingested(settings, breakable.url, kinds=("posts",))
    titles = {row["id"]: row["title"] for row in query(settings.lake, "SELECT id, title FROM documents")}
    assert outcome.exit_code == 0
    assert titles["3"] == "Just before the change" and titles["4"] == "After the change"


def _posts(breakable: BreakableServer) -> list[Any]:
    return [asked for asked in breakable.routes("posts")]


def test_a_busy_hour_costs_no_more_the_next_time(breakable: BreakableServer, settings: Settings) -> None:
    from datetime import timedelta

    from breakable_server import START

    site = breakable.site().fill(posts=250)
    for id_ in range(1, 251):
        site.edit("posts", id_, START + timedelta(days=30, seconds=id_ // 3))
    ingested(settings, breakable.url, kinds=("posts",))
    before = len(_posts(breakable))
    idle = ingested(settings, breakable.url, kinds=("posts",))
    assert stream(idle, "posts")["requests"] == 2 == len(_posts(breakable)) - before
    site.edit("posts", 7, START + timedelta(days=30, hours=1), title={"rendered": "Seventh"})
    site.edit("posts", 8, START + timedelta(days=30, seconds=1), title={"rendered": "Late commit"})
    changed = stream(ingested(settings, breakable.url, kinds=("posts",)), "posts")
    assert changed["changed"] == 2


def test_a_sweep_that_is_due_finds_what_no_list_shows(breakable: BreakableServer, settings: Settings) -> None:
    from datetime import timedelta

    from breakable_server import START

    site = breakable.site().fill(posts=150)
    ingested(settings, breakable.url, kinds=("posts",))
    # Restored from a backup: an older modification time, and not among the newest.
    site.edit("posts", 3, START - timedelta(days=9), title={"rendered": "From the backup"})
    quiet = stream(ingested(settings, breakable.url, kinds=("posts",)), "posts")
    assert (quiet["changed"], quiet["requests"]) == (0, 2)
    swept = stream(ingested(replace(settings, sweep_hours=1e-9), breakable.url, kinds=("posts",)), "posts")
    assert swept["changed"] == 1 and swept["completeness"] == "complete"
    # Edits that leave the time alone come with the next full scan.
    site.find("posts", 4)["title"] = {"rendered": "Edited in the database"}
    rescanned = stream(ingested(replace(settings, rescan_days=1e-9), breakable.url, kinds=("posts",)), "posts")
    assert rescanned["changed"] == 1 and rescanned["fetched"] >= 150


def test_every_language_is_asked_for_where_lists_show_one(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site(index={"namespaces": ["wp/v2", "wpml/v1"]}).fill(posts=3)
    ingested(settings, breakable.url)
    lists = [asked for asked in breakable.routes("posts")]
    assert lists and all(asked.params.get("lang") == "all" for asked in lists)
