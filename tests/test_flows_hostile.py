"""Hostile documents, end to end: each costs its time limit and one row of quarantine, never the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lakes import query
from localinputs import NOTE, POSTS, write
from processes import alive

ROOT = Path(__file__).resolve().parents[1]
PAGE = "<!DOCTYPE html><html><head><title>T</title></head><body>{}</body></html>"
WORDS = "<p>The harbour lies still in the morning and the boats come home at noon, all nine.</p>"
LIMIT_S = 4


def environment(**settings: Any) -> dict[str, str]:
    given = {f"PRESSLAKE_{name.upper()}": str(value) for name, value in settings.items()}
    return {**os.environ, "PYTHONPATH": str(ROOT), **given}


def ingest(source: Path, lake: Path) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "ingest", str(source), "--lake", str(lake), "--json"]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of traps between ordinary documents."""
    folder = tmp_path / "in"
    traps = {
        "b-deep.html": PAGE.format("<div>" * 100_000 + WORDS),
        "d-wide.html": PAGE.format("<span>a</span>" * 700_000),
        "f-attributes.html": PAGE.format("<p " + " ".join(f'a{n}="x"' for n in range(300_000)) + ">words</p>"),
        "h-brackets.md": "# T\n\n" + "[" * 2_000_000,
        "j-nested.json": '{"id": ' + "[" * 200_000,
    }
    for name, text in traps.items():
        write(folder / name, text.encode())
    for name in "acegi":
        write(folder / f"{name}.html", PAGE.format(WORDS * 5).encode())
    write(folder / "k.json", POSTS)
    write(folder / "l.txt", NOTE)
    return folder


@pytest.mark.timeout(240)
def test_each_costs_its_time_limit_and_one_row(hostile: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        ingest(hostile, tmp_path / "L"), capture_output=True, text=True, env=environment(document_timeout_s=LIMIT_S)
    )
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - began < 8 * LIMIT_S + 20
    rows = query(tmp_path / "L", "SELECT id FROM documents ORDER BY id")
    assert {row["id"] for row in rows} >= {"1", "2", "l.txt", *(f"{name}.html" for name in "acegi")}
    refused = {row["id"]: row for row in query(tmp_path / "L", "SELECT id, reason, payload FROM quarantine")}
    assert {refused[name]["reason"] for name in ("b-deep.html", "d-wide.html", "h-brackets.md")} == {
        "extraction_timeout"
    }
    assert len(refused["b-deep.html"]["payload"]) > 500_000
    assert {row["reason"] for row in refused.values()} <= {"extraction_timeout", "nested_too_deep", "invalid_json"}
    counts = query(tmp_path / "L", "SELECT sum(fetched) AS f, sum(new + rejected) AS a FROM runs")[0]
    assert counts["f"] == counts["a"] == len(rows) + len(refused)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_hostile_document_holds_no_interrupt_up(tmp_path: Path, ending: signal.Signals) -> None:
    write(tmp_path / "in" / "deep.html", PAGE.format("<div>" * 100_000 + WORDS).encode())
    process = subprocess.Popen(
        ingest(tmp_path / "in", tmp_path / "L"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    while not alive(process.pid):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(ending)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert time.monotonic() - began < 5
    deadline = time.monotonic() + 5
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(process.pid)


def test_json_tells_of_what_was_refused(hostile: Path, tmp_path: Path) -> None:
    for path in hostile.iterdir():
        if path.name not in ("b-deep.html", "l.txt"):
            path.unlink()
    done = subprocess.run(
        ingest(hostile, tmp_path / "L"), capture_output=True, text=True, env=environment(document_timeout_s=2)
    )
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["new"], stream["rejected"], stream["completeness"]) == (1, 1, "partial")
    assert "extraction_timeout 1" in stream["reason"]
    assert "took longer than 2 s" in done.stderr
