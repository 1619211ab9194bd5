"""The flows run for real under Prefect: a server of the test harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from breakable_server import Asked, BreakableServer
from lakes import query

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.timeout(300)
def test_the_flow_ingests_and_leaves_an_artifact(prefect_api: str, tmp_path: Path) -> None:
    from prefect import get_client

    from flows.ingest import ingest

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_text("A title\n\nAnd some text below it.\n")
    lake = str(tmp_path / "lake")
    state = ingest([str(tmp_path / "notes")], lake=lake, workers=1, return_state=True)
    result = state.result()
    assert state.is_completed() and result["exit"] == 0
    assert result["streams"][0]["new"] == 1
    assert query(lake, "SELECT title FROM documents") == [{"title": "A title"}]
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
        artifacts = client.read_artifacts()
    assert run.name == f"ingest {tmp_path / 'notes'}"
    assert any("| notes | files | complete | 1 | 1 | 1 |" in str(artifact.data) for artifact in artifacts)

    again = ingest([str(tmp_path / "notes")], lake=lake, workers=1)
    assert again["streams"][0]["unchanged"] == 1


@pytest.mark.timeout(300)
def test_a_source_that_fails_fails_the_flow_run(prefect_api: str, tmp_path: Path) -> None:
    from flows.ingest import ingest

    state = ingest([str(tmp_path / "nothing")], lake=str(tmp_path / "lake"), return_state=True)
    assert state.is_failed()
    assert "no such file or folder" in str(state.message)


@pytest.mark.timeout(300)
def test_the_command_line_appears_in_prefect_where_an_api_is_set(prefect_api: str, tmp_path: Path) -> None:
    from prefect import get_client

    (tmp_path / "one.txt").write_text("A title\n\nAnd some text below it.\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "ingest", str(tmp_path / "one.txt"), "--lake", str(tmp_path / "lake"), "--json"],
        env={**os.environ, "PREFECT_API_URL": prefect_api}, capture_output=True, text=True, cwd=ROOT, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["streams"][0]["new"] == 1
    with get_client(sync_client=True) as client:
        assert any(str(tmp_path / "one.txt") in run.name for run in client.read_flow_runs())


@pytest.mark.timeout(300)
def test_a_global_limit_of_a_host_is_kept(prefect_api: str, breakable: BreakableServer, tmp_path: Path) -> None:
    from prefect import get_client
    from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate

    from flows.ingest import ingest

    breakable.site().fill(posts=3)
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(
            GlobalConcurrencyLimitCreate(name="presslake-127.0.0.1", limit=1000, slot_decay_per_second=0.001)
        )
        try:
            result = ingest([breakable.url], lake=str(tmp_path / "lake"), kinds=["posts"])
            limit = client.read_global_concurrency_limit_by_name("presslake-127.0.0.1")
        finally:
            client.delete_global_concurrency_limit_by_name("presslake-127.0.0.1")
    assert result["exit"] == 0
    # Every request took a slot, and a thousandth of a slot a second came free meanwhile.
    assert len(breakable.asked) - 1 <= limit.active_slots <= len(breakable.asked)


@pytest.mark.timeout(300)
def test_every_flow_runs_and_leaves_its_summary(
    prefect_api: str, breakable: BreakableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect import get_client

    from flows.scheduled import backfill, maintain, replay, sync

    breakable.site().fill(posts=60)
    lake = str(tmp_path / "lake")
    (tmp_path / "presslake.toml").write_text(f'[sources]\n"{breakable.url}" = {{ kinds = ["pages"] }}\n')
    monkeypatch.chdir(tmp_path)
    assert sync(lake=lake)["exit"] == 0
    past = backfill(breakable.url, "2024-01-01", "2024-01-03", "day", kinds=["posts"], lake="lake")
    assert past["exit"] == 0 and past["lake"] == lake
    assert sum(row["new"] for row in past["streams"] if row["stream"] == "posts") == 41
    assert replay(lake=lake)["exit"] == 0
    assert {entry["table"] for entry in maintain(lake=lake)} >= {"documents", "raw"}
    assert query(lake, "SELECT count(DISTINCT command) AS n FROM runs") == [{"n": 3}]
    with get_client(sync_client=True) as client:
        names = {run.name for run in client.read_flow_runs()}
        artifacts = [str(artifact.data) for artifact in client.read_artifacts()]
    assert f"backfill {breakable.url}" in names and "sync" in names
    assert any("| posts |" in text and past["run_id"] in text for text in artifacts)


def test_an_api_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("A title\n\nAnd some text below it.\n")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "ingest", str(tmp_path / "one.txt"), "--lake", str(tmp_path / "lake")],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--no-track" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "lake").exists()


@pytest.mark.timeout(300)
def test_a_site_that_does_not_answer_is_tried_again(
    prefect_api: str, breakable: BreakableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from breakable_server import Reply

    from flows import tracked
    from flows.ingest import ingest

    monkeypatch.setattr(tracked._part, "retry_delay_seconds", [0, 0])
    monkeypatch.setenv("PRESSLAKE_MAX_RETRIES", "0")
    site = breakable.site()
    site.fill(posts=3)
    reply, asked = site.reply, list[object]()

    def down_at_first(request: Asked) -> Reply:
        asked.append(request)
        return Reply(503, b"Briefly unavailable") if len(asked) <= 2 else reply(request)

    site.reply = down_at_first  # type: ignore[method-assign]
    result = ingest([breakable.url], lake=str(tmp_path / "lake"))
    assert result["exit"] == 0 and not result["failures"] and len(asked) > 2
    # What a site refuses is not asked for again.
    asked.clear()
    site.reply = lambda request: (asked.append(request), Reply(403, b"<h1>No</h1>"))[1]  # type: ignore[method-assign]
    state = ingest([breakable.url], lake=str(tmp_path / "lake"), return_state=True)
    once = len(asked)
    assert state.is_failed()
    site.reply = lambda request: (asked.append(request), Reply(503, b"Gone for long"))[1]  # type: ignore[method-assign]
    asked.clear()
    assert ingest([breakable.url], lake=str(tmp_path / "lake"), return_state=True).is_failed()
    assert len(asked) >= 3 and once < 40


@pytest.mark.timeout(300)
def test_runs_of_one_site_wait_for_each_other(prefect_api: str, breakable: BreakableServer, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from flows.ingest import ingest

    breakable.site().fill(posts=30)
    lake = str(tmp_path / "lake")
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda _: ingest([breakable.url], lake=lake, full=True), range(2)))
    assert [run["exit"] for run in runs] == [0, 0]
    times = query(lake, "SELECT run_id, min(started_at) AS a, max(finished_at) AS b FROM runs GROUP BY 1 ORDER BY a")
    assert len(times) == 2 and times[0]["b"] <= times[1]["a"]
