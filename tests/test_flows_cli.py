"""The command line as a user meets it: a process of its own, exit codes, one line for every fault."""

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

ROOT = Path(__file__).resolve().parents[1]
POST = {
    "id": 7, "date": "2024-05-01T12:00:00", "date_gmt": "2024-05-01T10:00:00", "modified": "2024-05-01T12:00:00",
    "modified_gmt": "2024-05-01T10:00:00", "slug": "tea", "status": "publish", "type": "post",
    "link": "https://example.org/tea/", "title": {"rendered": "Tea &#038; toast"},
    "content": {"rendered": "<p>Put the kettle on.</p>", "protected": False}, "author": 1, "featured_media": 0,
    "categories": [3], "tags": [],
}  # fmt: skip


def presslake(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PRESSLAKE_")}
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)], capture_output=True, text=True,
        env={**environment, "PYTHONPATH": str(ROOT)}, timeout=120, **more,
    )  # fmt: skip


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "tea.txt").write_text(json.dumps(POST))
    (folder / "walk.txt").write_text("A walk\n\nWe went along the river until it rained.\n")
    return folder


def test_ingest_then_sql_then_nothing_new(notes: Path, tmp_path: Path) -> None:
    lake = tmp_path / "L"
    first = presslake("ingest", notes, "--lake", lake, "--json")
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["exit"] == 0 and result["lake"] == str(lake)
    assert sum(row["new"] for row in result["streams"]) == 2
    assert {row["site"] for row in result["streams"]} == {"example.org", "notes"}
    wanted = {"site", "stream", "source", "fetched", "new", "changed", "unchanged", "rejected", "deleted", "expected",
              "completeness", "reason", "requests", "bytes", "seconds", "watermark"}  # fmt: skip
    assert all(row.keys() == wanted for row in result["streams"])
    second = json.loads(presslake("ingest", notes, "--lake", lake, "--json").stdout)
    totals = {name: sum(row[name] for row in second["streams"]) for name in ("new", "changed", "unchanged")}
    assert totals == {"new": 0, "changed": 0, "unchanged": 2}
    shown = presslake(
        "sql", "select site, kind, title, word_count, published_at from documents order by site", "--lake", lake
    )
    assert "Tea & toast" in shown.stdout and "A walk" in shown.stdout and "2024-05-01 10:00" in shown.stdout


def test_a_lake_moved_elsewhere_still_answers(notes: Path, tmp_path: Path) -> None:
    presslake("ingest", notes, "--lake", tmp_path / "L")
    (tmp_path / "L").rename(tmp_path / "M")
    done = presslake("sql", "select count(*) as n from documents", "--format", "json", "--lake", tmp_path / "M")
    assert json.loads(done.stdout) == [{"n": 2}]


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "markdown", "table"])
def test_every_format_prints(notes: Path, tmp_path: Path, format: str) -> None:
    presslake("ingest", notes, "--lake", tmp_path / "L")
    done = presslake(
        "sql", "select title from documents where kind = 'post'", "--format", format, "--lake", tmp_path / "L"
    )
    assert done.returncode == 0 and "Tea & toast" in done.stdout


def test_parquet_goes_to_a_file(notes: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    presslake("ingest", notes, "--lake", tmp_path / "L")
    done = presslake("sql", "from documents", "-o", tmp_path / "d.parquet", "--lake", tmp_path / "L")
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "d.parquet").num_rows == 2


def test_status_runs_and_schema_tell(notes: Path, tmp_path: Path) -> None:
    presslake("ingest", notes, "--lake", tmp_path / "L")
    status = json.loads(presslake("status", "--json", "--lake", tmp_path / "L").stdout)
    assert {row["site"]: row["documents"] for row in status} == {"example.org": 1, "notes": 1}
    runs = json.loads(presslake("runs", "--json", "--lake", tmp_path / "L").stdout)
    assert {row["stream"] for row in runs} == {"files"}
    assert "word_count" in presslake("schema", "documents").stdout
    assert json.loads(presslake("schema", "documents", "--format", "json").stdout)["title"] == "documents"
    assert presslake("publish", "--lake", tmp_path / "L").returncode == 0


def test_rejections_are_listed_and_shown_whole(notes: Path, tmp_path: Path) -> None:
    (notes / "cut.json").write_text('[{"id": 1, "title": {"rendered": "x"')
    done = presslake("ingest", notes, "--lake", tmp_path / "L")
    assert done.returncode == 3
    assert "cut.json" in done.stderr and "breaks off" in done.stderr
    assert len(query(tmp_path / "L", "SELECT id FROM documents")) == 2
    (row,) = json.loads(presslake("quarantine", "list", "--json", "--lake", tmp_path / "L").stdout)
    assert row["reason"] == "truncated_json"
    shown = presslake("quarantine", "show", row["id"], "--lake", tmp_path / "L")
    assert '{"id": 1, "title"' in shown.stdout


def _one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    _one_line(
        presslake("ingest", tmp_path / "no", "--lake", tmp_path / "L"), 1, "no such file or folder", "Check the path"
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _one_line(presslake("ingest", tmp_path / "empty", "--lake", tmp_path / "L"), 1, "holds no files")


def test_an_unreachable_host(tmp_path: Path) -> None:
    _one_line(presslake("ingest", "http://127.0.0.1:9/", "--lake", tmp_path / "L"), 1, "refused", "Check the address")


def test_an_address_that_is_no_source(tmp_path: Path) -> None:
    _one_line(presslake("ingest", "ftp://example.org/", "--lake", tmp_path / "L"), 2, "ftp://", "https://")
    _one_line(
        presslake("ingest", "https://me:secret@example.org/", "--lake", tmp_path / "L"), 2, "PRESSLAKE_APP_PASSWORD"
    )
    assert "secret" not in presslake("ingest", "https://me:secret@example.org/", "--lake", tmp_path / "L").stderr


def test_a_forgotten_scheme_is_guessed_in_words_only(tmp_path: Path) -> None:
    _one_line(presslake("ingest", "example.org", "--lake", tmp_path / "L"), 1, "Did you mean https://example.org")


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_path_that_is_no_lake_is_left_alone(notes: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    if name == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "mine.txt").write_text("mine")
    _one_line(presslake("ingest", notes, "--lake", place), 2, "Cannot use", str(place))
    assert (place if name == "file" else place / "mine.txt").read_text() == "mine"
    assert name == "file" or len(list(place.iterdir())) == 1


def test_no_lake_to_read(tmp_path: Path) -> None:
    for command in (("sql", "select 1"), ("status",), ("quarantine", "list"), ("publish",)):
        done = presslake(*command, "--lake", tmp_path / "L")
        _one_line(done, 2, str(tmp_path / "L"))
    assert not (tmp_path / "L").exists()


def test_bad_sql_and_writing_are_refused(notes: Path, tmp_path: Path) -> None:
    presslake("ingest", notes, "--lake", tmp_path / "L")
    _one_line(presslake("sql", "select titel from documents", "--lake", tmp_path / "L"), 2, "title")
    _one_line(presslake("sql", "drop view documents", "--lake", tmp_path / "L"), 2)


def test_other_sources_of_the_same_command_come_in(notes: Path, tmp_path: Path) -> None:
    done = presslake("ingest", tmp_path / "no", "http://127.0.0.1:9/", notes, "--lake", tmp_path / "L", "--json")
    assert done.returncode == 3
    result = json.loads(done.stdout)
    assert sum(row["new"] for row in result["streams"]) == 2
    assert len(result["failures"]) == 2


def test_bad_options_end_with_usage(notes: Path, tmp_path: Path) -> None:
    assert presslake("ingest").returncode == 2
    assert presslake("ingest", notes, "--since", "yesterday", "--lake", tmp_path / "L").returncode == 2
    assert presslake("nonsense").returncode == 2
    assert presslake("schema", "nonsense").returncode == 2


def test_an_interrupt_keeps_what_is_committed(tmp_path: Path) -> None:
    # Enough records for many batches, so that the signal lands in the middle of the work.
    dump = tmp_path / "dump.ndjson"
    with dump.open("w") as out:
        for number in range(1, 20_001):
            out.write(json.dumps({**POST, "id": number, "content": {"rendered": "<p>Words.</p>" * 40}}) + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "ingest", str(dump), "--lake", str(tmp_path / "L")],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PRESSLAKE_BATCH_RECORDS": "500"},
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("batch 3"):
            break
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 10
    counted = query(tmp_path / "L", "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM documents")[0]
    assert 1500 <= counted["n"] == counted["ids"] < 20_000
    (run,) = query(tmp_path / "L", "SELECT state, completeness, fetched, new FROM runs")
    assert run["state"] == "interrupted" and run["completeness"] == "partial" and run["new"] == counted["n"]
    done = presslake("ingest", dump, "--lake", tmp_path / "L", "--json")
    assert done.returncode == 0
    (row,) = json.loads(done.stdout)["streams"]
    assert row["new"] == 20_000 - counted["n"] and row["unchanged"] == counted["n"]


def test_log_lines_are_json_where_asked(notes: Path, tmp_path: Path) -> None:
    done = presslake("ingest", notes, "--lake", tmp_path / "L", "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["stream"] for line in lines} == {"files"} and sum(line["new"] for line in lines) == 2
    assert all(line["level"] == "info" and line["time"].endswith("+00:00") and line["message"] for line in lines)


def test_metrics_are_openmetrics(notes: Path, tmp_path: Path) -> None:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    presslake("ingest", notes, "--lake", tmp_path / "L", "--site", 'odd "name"\\')
    assert presslake("status", "--metrics", tmp_path / "m.prom", "--lake", tmp_path / "L").returncode == 0
    text = (tmp_path / "m.prom").read_text()
    assert text == presslake("status", "--metrics", "-", "--lake", tmp_path / "L").stdout
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    documents = {sample.labels["site"]: sample.value for sample in families["presslake_documents"]}
    assert documents == {"example.org": 1.0, 'odd "name"\\': 1.0}
    assert all(sample.value == 1.0 for sample in families["presslake_stream_complete"])
    assert list(tmp_path.glob("m.prom*")) == [tmp_path / "m.prom"]
