"""Loads and re-extraction dealt out over a real Dask cluster of two processes: the same lake as by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lakes import ingested, query
from localinputs import post
from test_flows_cli import ROOT, presslake

from flows.readers.files import FileOptions, read
from flows.settings import Settings
from flows.sharding import NAMES, shards
from schemas.errors import UsageError
from schemas.records import RawRecord
from schemas.sources import Source

CURRENT = """
    SELECT site, kind, id, title, text, markdown, document_version, list_transform(authors, lambda a: a.name) AS authors
    FROM documents ORDER BY site, kind, id
"""
EXPORT = (
    b'<?xml version="1.0"?><rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"'
    b' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'
    b"<wp:wxr_version>1.2</wp:wxr_version><wp:base_blog_url>https://w.example</wp:base_blog_url>"
    b"<wp:author><wp:author_id>1</wp:author_id><wp:author_login>ann</wp:author_login>"
    b"<wp:author_display_name>Ann Ember</wp:author_display_name></wp:author>%s</channel></rss>"
)
ITEM = (
    b"<item><title>Item %d</title><dc:creator>ann</dc:creator><content:encoded>Text %d.</content:encoded>"
    b"<wp:post_id>%d</wp:post_id><wp:post_type>post</wp:post_type><wp:status>publish</wp:status></item>"
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts with two states of one, an export whose items take their author's name from its header, and pages."""
    folder = tmp_path_factory.mktemp("inputs")
    posts = [*(post(number) for number in range(1, 301)), post(7, title={"rendered": "Later"}), {"id": "broken"}]
    (folder / "posts.ndjson").write_text("\n".join(json.dumps(value) for value in posts))
    (folder / "export.xml").write_bytes(EXPORT % b"".join(ITEM % (n, n, n) for n in range(1, 41)))
    return folder


@pytest.fixture
def workers_find_us(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield


@pytest.mark.timeout(600)
def test_two_workers_make_the_lake_that_one_makes(
    prefect_api: str, workers_find_us: None, inputs: Path, tmp_path: Path
) -> None:
    from flows.bulk import bulk

    alone = Settings(lake=str(tmp_path / "alone"), workers=1)
    expected = ingested(alone, str(inputs))
    result = bulk([str(inputs)], lake=str(tmp_path / "shared"), workers=2)
    assert result["exit"] == expected.exit_code == 3
    for name in ("new", "rejected"):
        assert sum(row[name] for row in result["streams"]) == sum(row[name] for row in expected.streams)
    assert query(tmp_path / "shared", CURRENT) == query(tmp_path / "alone", CURRENT)
    assert len(query(tmp_path / "shared", "SELECT DISTINCT run_id FROM runs")) == 3
    # Again, as a rerun and as extraction from raw: nothing is written twice.
    again = bulk([str(inputs)], lake=str(tmp_path / "shared"), workers=2)
    assert sum(row["new"] + row["changed"] for row in again["streams"]) == 0
    renewed = bulk([], lake=str(tmp_path / "shared"), workers=2)
    assert sum(row["fetched"] for row in renewed["streams"]) >= 340
    assert sum(row["new"] + row["changed"] for row in renewed["streams"]) == 0
    assert query(tmp_path / "shared", CURRENT) == query(tmp_path / "alone", CURRENT)
    assert presslake("check", "--lake", tmp_path / "shared").returncode == 0


def test_a_site_is_no_bulk(prefect_api: str, tmp_path: Path) -> None:
    from flows.bulk import bulk

    with pytest.raises(UsageError, match="it is a site"):
        bulk(["https://example.com"], lake=str(tmp_path / "L"))
    assert not (tmp_path / "L").exists()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_record_is_in_one_shard_with_all_of_its_states(inputs: Path, count: int) -> None:
    records = list(read(Source.parse(str(inputs)), FileOptions(None, 1 << 20)))
    dealt = [[record for record in records if part.holds(record)] for part in (NAMES, *shards(count))]
    assert sum(map(len, dealt)) == len(records)
    keys: list[set[Any]] = [{(r.site, r.kind, r.id) for r in part} for part in dealt]
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert all(isinstance(r, RawRecord) and r.table not in ("documents", "comments") for r in dealt[0])
