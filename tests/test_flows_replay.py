"""Extraction again from the lake: only what would come out differently is written, and nothing old or gone comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lakes import ingested, query
from localinputs import NOTE, post, write
from packages import chapter, epub
from test_flows_cli import presslake
from webarchives import page, record

from flows.batches import Batch, Gone
from flows.extraction.fragments import Extracted, extract_fragment, plain_inline
from flows.jobs import Outcome
from flows.pipeline import Pipeline
from flows.replay import replay, replay_quarantine
from flows.settings import Settings
from schemas.errors import RecordError, UsageError
from schemas.records import RawRecord
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = str(ROOT / "examples")


def totals(outcome: Outcome) -> dict[str, int]:
    names = ("fetched", "new", "changed", "unchanged", "rejected")
    return {name: sum(row[name] for row in outcome.streams) for name in names}


def files(lake: str) -> set[str]:
    """Return the data files of every table that holds what was extracted."""
    tables = ("raw", "documents", "authors", "terms", "media", "comments")
    return {str(path) for table in tables for path in Path(lake, table).rglob("*.parquet")}


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extractor of the next version, which reads fragments differently where they speak of fog."""

    def extract(html: str, **options: Any) -> Extracted:
        found = extract_fragment(html, **options)
        return replace(found, text=found.text.replace("fog", "mist"))

    for module in ("posts", "wxritems"):
        monkeypatch.setattr(f"flows.rows.{module}.extract_fragment", extract)
        monkeypatch.setattr(f"flows.rows.{module}.EXTRACTOR", "fragments 99")


def test_what_comes_out_the_same_is_not_written(settings: Settings) -> None:
    first = ingested(settings, EXAMPLES)
    before = files(settings.lake)
    outcome = replay(settings)
    assert outcome.exit_code == 0
    assert totals(outcome) == {**totals(first), "new": 0, "unchanged": totals(first)["fetched"]}
    assert files(settings.lake) == before
    runs = query(settings.lake, "SELECT * FROM runs WHERE command = 'replay'")
    assert {run["site"] for run in runs} == {row["site"] for row in first.streams}
    assert {(run["completeness"], run["requests"], run["watermark_after"]) for run in runs} == {("complete", 0, None)}


def test_a_changed_text_becomes_a_version_that_names_its_extractor(
    settings: Settings, tmp_path: Path, newer: None
) -> None:
    del newer
    posts = [post(n, content={"rendered": f"<p>Number {n}{' in the fog' * (n % 2)}.</p>"}) for n in range(1, 9)]
    with pytest.MonkeyPatch.context() as older:
        older.setattr("flows.rows.posts.extract_fragment", extract_fragment)
        older.setattr("flows.rows.posts.EXTRACTOR", "fragments 1")
        ingested(settings, str(write(tmp_path / "in" / "p.json", json.dumps(posts).encode())))
    outcome = replay(settings)
    assert totals(outcome) == {"fetched": 8, "new": 0, "changed": 4, "unchanged": 4, "rejected": 0}
    rows = query(settings.lake, "SELECT id, text, document_version, _extractor, _raw_sha256 FROM documents ORDER BY id")
    assert [(r["document_version"], r["_extractor"]) for r in rows] == [(2, "fragments 99"), (1, "fragments 1")] * 4
    assert rows[0]["text"] == "Number 1 in the mist."
    history = query(settings.lake, "SELECT DISTINCT _raw_sha256 FROM document_versions WHERE id = '1'")
    assert history == [{"_raw_sha256": rows[0]["_raw_sha256"]}]
    assert totals(replay(settings))["changed"] == 0
    again = ingested(settings, str(tmp_path / "in"))
    assert totals(again)["unchanged"] == 8


def test_entities_are_renewed_before_the_documents_that_take_names_from_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    term = {
        "id": 2,
        "taxonomy": "category",
        "name": "Boats &amp; Tides",
        "slug": "boats",
        "link": "https://p.example/c/boats/",
    }
    author = {"id": 3, "name": "Mina", "slug": "mina", "link": "https://p.example/author/mina/"}
    objects = [post(1, categories=[2], author=3), post(2, categories=[2]), author, term]
    ingested(settings, str(write(tmp_path / "in" / "all.json", json.dumps(objects).encode())))
    monkeypatch.setattr("flows.rows.entities.plain_inline", lambda html: plain_inline(html).replace("&", "and"))
    outcome = replay(settings)
    assert totals(outcome) == {"fetched": 4, "new": 0, "changed": 3, "unchanged": 1, "rejected": 0}
    assert query(settings.lake, "SELECT name FROM terms") == [{"name": "Boats and Tides"}]
    assert query(settings.lake, "SELECT DISTINCT name FROM document_terms") == [{"name": "Boats and Tides"}]
    assert totals(replay(settings))["changed"] == 0


def embedding(number: int, name: str, modified: str) -> dict[str, Any]:
    author = {"id": 3, "name": name, "slug": "mina", "link": "https://p.example/author/mina/"}
    return post(number, author=3, modified_gmt=modified, _embedded={"author": [author]})


def test_an_author_told_by_many_posts_is_renewed_from_the_one_that_made_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    for name, value in (
        ("a", embedding(1, "Mina Old", "2024-01-01T00:00:00")),
        ("b", embedding(2, "Mina New", "2024-01-02T00:00:00")),
    ):
        write(folder / f"{name}.json", json.dumps(value).encode())
        ingested(settings, str(folder / f"{name}.json"))
    assert query(settings.lake, "SELECT name FROM authors") == [{"name": "Mina New"}]
    assert totals(replay(settings))["changed"] == 0
    # The post that made it was edited since, and its newer state tells the same of the author.
    write(
        folder / "b.json",
        json.dumps(embedding(2, "Mina New", "2024-01-03T00:00:00") | {"title": {"rendered": "New"}}).encode(),
    )
    ingested(settings, str(folder / "b.json"))
    monkeypatch.setattr("flows.rows.entities.unescape", str.upper)
    monkeypatch.setattr("flows.rows.posts.unescape", str.upper)
    replay(settings)
    assert query(settings.lake, "SELECT name FROM authors") == [{"name": "MINA NEW"}]
    assert query(settings.lake, "SELECT id FROM documents ORDER BY id") == [{"id": "1"}, {"id": "2"}]
    assert totals(replay(settings))["changed"] == 0


def rest(number: int, text: str, fetched: datetime, **more: Any) -> RawRecord:
    value = post(number, content={"rendered": f"<p>{text}</p>"}, **more)
    return RawRecord(
        "p.example", "post", str(number), json.dumps(value).encode(), "rest", fetched, content_type="application/json"
    )


def test_neither_older_records_nor_deleted_documents_come_back(settings: Settings, newer: None) -> None:
    del newer
    lake, then = Lake.open(settings.lake, create=True), datetime.now(UTC) - timedelta(hours=1)
    with pytest.MonkeyPatch.context() as older, Pipeline(lake, "r1", settings) as pipeline:
        older.setattr("flows.rows.posts.extract_fragment", extract_fragment)
        run = pipeline.stream("p.example", "posts")
        pipeline.process(Batch([rest(1, "Old fog.", then), rest(2, "Gone fog.", then)], stream=run))
        later = datetime.now(UTC) + timedelta(seconds=1)
        pipeline.process(Batch([rest(1, "New fog.", later, modified_gmt="2024-06-01T00:00:00")], stream=run))
        pipeline.process(Batch(gone=[Gone("p.example", "post", "2", "deleted")], stream=run))
    outcome = replay(settings)
    assert totals(outcome) == {"fetched": 1, "new": 0, "changed": 1, "unchanged": 0, "rejected": 0}
    assert query(settings.lake, "SELECT id, text, document_version FROM documents") == [
        {"id": "1", "text": "New mist.", "document_version": 3}
    ]
    assert query(settings.lake, "SELECT count(*) AS n FROM documents_all WHERE deleted_at IS NOT NULL") == [{"n": 1}]
    assert totals(replay(settings))["changed"] == 0


def test_what_surrounded_a_record_is_known_again(settings: Settings) -> None:
    lake = Lake.open(settings.lake, create=True)
    draft = rest(1, "Words.", datetime.now(UTC), date_gmt=None, date="2024-07-01T12:00:00", status="draft", genre=[4])
    draft = replace(draft, context={"zone": ("Europe/Lisbon", 1), "taxonomies": {"genre": "genre"}})
    with Pipeline(lake, "r1", settings) as pipeline:
        pipeline.process(Batch([draft], stream=pipeline.stream("p.example", "posts")))
    assert totals(replay(settings))["unchanged"] == 1
    (row,) = query(settings.lake, "SELECT date_quality, published_at, terms FROM documents")
    assert (row["date_quality"], row["published_at"].hour, row["terms"][0]["taxonomy"]) == ("local_time", 11, "genre")


@pytest.mark.parametrize("kind", ["wxr", "warc", "epub", "feed"])
def test_every_format_is_read_again_as_it_was(settings: Settings, tmp_path: Path, kind: str) -> None:
    source = {
        "wxr": (ROOT / "examples" / "export" / "riverbend.wxr.xml").read_bytes,
        "warc": lambda: record("https://h.example/a/", page("Ä").decode().encode("latin-1"), type="text/html; charset=latin-1"),
        "epub": lambda: epub({"a.xhtml": chapter("A", "<p>Words of a book.</p>")}),
        "feed": lambda: (
            b'<rss xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><link>https://f.example</link>'
            b"<item><title>T</title><guid>https://f.example/?p=4</guid><content:encoded>Words &amp;amp; more"
            b"</content:encoded></item></channel></rss>"
        ),
    }[kind]()  # fmt: skip
    first = ingested(settings, str(write(tmp_path / "in" / kind, source)))
    assert first.exit_code == 0
    outcome = replay(settings)
    assert totals(outcome) == {**totals(first), "new": 0, "unchanged": totals(first)["new"]}


def test_only_the_site_and_time_asked_for(settings: Settings) -> None:
    first = ingested(settings, EXAMPLES)
    site = first.streams[0]["site"]
    outcome = replay(settings, site)
    assert [row["site"] for row in outcome.streams] == [site]
    assert totals(replay(settings, site, since=datetime.now(UTC) + timedelta(days=1)))["fetched"] == 0
    with pytest.raises(UsageError, match="knows no site nowhere"):
        replay(settings, "nowhere")


def test_a_document_without_its_record_is_a_named_gap(settings: Settings, tmp_path: Path) -> None:
    ingested(settings, str(write(tmp_path / "in" / "a.txt", NOTE)))
    lake = Lake.open(settings.lake)
    lake.table("raw").delete()
    outcome = replay(settings)
    assert outcome.exit_code == 3
    assert "1 documents have no raw record" in outcome.streams[0]["reason"]


def test_what_cannot_be_read_any_more_is_told_and_stays(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ingested(settings, str(write(tmp_path / "in" / "p.json", json.dumps([post(1), post(2)]).encode())))
    monkeypatch.setattr("flows.rows.posts.extract_fragment", _refuses)
    outcome = replay(settings)
    assert (outcome.exit_code, totals(outcome)["rejected"]) == (3, 2)
    assert query(settings.lake, "SELECT text FROM documents WHERE id = '1'") == [{"text": "Text number 1."}]


def _refuses(*_: object, **__: object) -> Extracted:
    raise RecordError("no_luck", "It cannot be read.")


def test_quarantine_is_tried_again_and_tells_what_passes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "in" / "p.json", json.dumps([post(1), post(2)]).encode())
    write(tmp_path / "in" / "cut.json", json.dumps(post(3)).encode()[:-20])
    write(tmp_path / "in" / "empty.txt", b"")
    with pytest.MonkeyPatch.context() as older:
        older.setattr("flows.rows.posts.extract_fragment", _refuses)
        assert totals(ingested(settings, str(tmp_path / "in")))["rejected"] == 4
    outcome = replay_quarantine(settings)
    assert totals(outcome) == {"fetched": 3, "new": 2, "changed": 0, "unchanged": 0, "rejected": 1}
    assert outcome.exit_code == 3
    assert any("1 rejections hold no record" in (row["reason"] or "") for row in outcome.streams)
    assert [row["id"] for row in query(settings.lake, "SELECT id FROM documents ORDER BY id")] == ["1", "2"]
    assert totals(replay_quarantine(settings)) == {"fetched": 3, "new": 0, "changed": 0, "unchanged": 2, "rejected": 1}
    assert totals(replay(settings))["unchanged"] == 2


def test_an_item_of_an_export_that_is_mended_now_comes_in_under_its_own_id(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    export = (ROOT / "examples" / "export" / "riverbend.wxr.xml").read_bytes()
    path = str(write(tmp_path / "in" / "e.xml", export))
    with pytest.MonkeyPatch.context() as older:
        older.setattr("flows.readers.wxr.parse_item", _refuses)
        first = ingested(settings, path)
    assert totals(first)["new"] == 0 and totals(first)["rejected"] > 5
    outcome = replay_quarantine(settings)
    assert outcome.exit_code == 0
    counts = query(settings.lake, "SELECT (SELECT count(*) FROM documents) + (SELECT count(*) FROM media) AS n")[0]["n"]
    assert totals(outcome)["new"] == counts > 5
    assert totals(ingested(settings, path))["new"] == 0
    assert query(settings.lake, "SELECT count(*) AS n FROM documents WHERE authors[1].name IS NULL") == [{"n": 0}]


def test_the_command_tells_as_ingest_does(tmp_path: Path) -> None:
    lake = tmp_path / "L"
    presslake("ingest", EXAMPLES, "--lake", lake)
    done = presslake("replay", "--lake", lake, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["exit"] == 0 and {row["changed"] for row in result["streams"]} == {0}
    shown = presslake("replay", "--lake", lake, "--site", "examples")
    assert "unchanged" in shown.stdout and "riverbend" not in shown.stdout
    assert presslake("replay", "--lake", lake, "--site", "nowhere").returncode == 2
    assert presslake("replay", "--lake", tmp_path / "none").returncode == 2
    assert presslake("quarantine", "replay", "--lake", lake, "--json").returncode == 0


@pytest.mark.timeout(240)
def test_a_live_site_is_read_again_without_network(wordpress: Any, settings: Settings) -> None:
    first = ingested(settings, wordpress.url)
    asked = len(wordpress.log())
    before = files(settings.lake)
    outcome = replay(settings)
    assert outcome.exit_code == 0
    assert totals(outcome)["changed"] == totals(outcome)["new"] == 0
    assert {row["stream"]: row["fetched"] for row in outcome.streams} == {
        row["stream"]: row["fetched"] for row in first.streams if row["fetched"]
    }
    assert (len(wordpress.log()), files(settings.lake)) == (asked, before)


_PROGRAM = """
import sys
sys.path[:0] = [{root!r}]
from dataclasses import replace
import flows.rows.posts as posts
from flows.extraction.fragments import extract_fragment
from flows.jobs import Tracking
from flows.replay import replay
from flows.settings import Settings
posts.extract_fragment = lambda html, **o: replace(f := extract_fragment(html, **o), text=f.text.replace("Text", "New"))
if __name__ == "__main__":
    settings = Settings(lake={lake!r}, workers=1, batch_records=40)
    outcome = replay(settings, tracking=Tracking(lambda touched: print(touched[0].counts.changed, flush=True)))
    print("done", sum(row["changed"] for row in outcome.streams), flush=True)
"""


def test_a_kill_in_the_middle_costs_nothing(settings: Settings, tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(post(number)) for number in range(1, 601))
    ingested(settings, str(write(tmp_path / "in" / "p.ndjson", lines.encode())))
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.format(root=str(ROOT), lake=settings.lake))
    process = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 120:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    rest = int(done.stdout.split()[-1])
    assert 0 < rest <= 480
    rows = query(
        settings.lake,
        "SELECT count(*) AS n, min(document_version) AS low, max(document_version) AS high FROM documents"
        " WHERE text LIKE 'New %'",
    )
    assert rows == [{"n": 600, "low": 2, "high": 2}]
    again = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert again.stdout.split()[-2:] == ["done", "0"]
