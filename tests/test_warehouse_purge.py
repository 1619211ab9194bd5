"""Takedown: after it nothing of the target is in any table, any old file, any log entry or any earlier catalog."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from breakable_server import START, BreakableServer
from lakes import ingested, query

from flows.settings import Settings
from schemas.errors import UsageError
from schemas.keys import watermark_id
from warehouse.catalog import publish
from warehouse.commit import mark
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.purge import Target, count_rows, find, purge
from warehouse.upkeep import compact

SECRET = "unforgettable-heron"


@pytest.fixture
def crawled(breakable: BreakableServer, settings: Settings) -> Lake:
    """A lake of two sites with history, one article of which holds the secret, and old files from a compaction."""
    site = breakable.site().fill(posts=6)
    breakable.site("/blog").fill(posts=4)
    site.edit("posts", 3, START, content={"rendered": f"<p>{SECRET} one</p>", "protected": False})
    site.add("comments", 7, post=3, content={"rendered": f"<p>{SECRET} two</p>"}, author_name="Heron Friend")
    ingested(settings, breakable.url, breakable.url + "/blog/")
    site.edit("posts", 3, START, content={"rendered": f"<p>{SECRET} three</p>", "protected": False}, author=2)
    ingested(settings, breakable.url, full=True)
    lake = Lake.open(settings.lake)
    compact(lake, "documents")
    compact(lake, "raw")
    publish(lake)
    return lake


def holding(lake: Lake, words: str = SECRET) -> list[str]:
    """Return the files, of any kind and age, below the lake that hold the words in any column."""
    found = []
    for path in Path(lake.root).rglob("*"):
        if path.is_file() and (
            words.encode() in path.read_bytes() or (".parquet" in path.name and words in _text(path))
        ):
            found.append(str(path.relative_to(lake.root)))
    return found


def _text(path: Path) -> str:
    return str(pq.ParquetFile(path).read().to_pydict())


def clean(lake: Lake) -> None:
    assert not [finding for finding in check(lake) if finding.broken]


def test_an_article_is_gone_from_everywhere(crawled: Lake) -> None:
    lake = crawled
    (url,) = {
        row["url"]
        for row in query(
            lake.root, "SELECT url FROM documents_all WHERE id = '3' AND kind = 'post' AND site NOT LIKE '%blog'"
        )
    }
    assert len(holding(lake)) > 4
    keys = find(lake, Target(url=url.replace("http://", "HTTPS://") + "#top"))
    assert count_rows(lake, keys) == {"documents": 2, "raw": 3, "quarantine": 0, "comments": 1, "authors": 0}
    proof = purge(lake, keys)
    assert proof.removed["documents"] == 2 and not proof.left and proof.searched_files > 0
    assert holding(lake) == []
    clean(lake)
    assert len(query(lake.root, "SELECT * FROM documents WHERE kind = 'post'")) == 9
    with pytest.raises(UsageError, match="Nothing in the lake"):
        find(lake, Target(url=url))


def test_a_site_is_gone_from_everywhere_and_can_come_again(
    crawled: Lake, breakable: BreakableServer, settings: Settings
) -> None:
    lake, site = crawled, f"127.0.0.1:{breakable.port}"
    proof = purge(lake, find(lake, Target(site=site)))
    assert not proof.left
    assert holding(lake) == []
    assert {row["site"] for row in query(lake.root, "SELECT DISTINCT site FROM documents_all")} == {site + "/blog"}
    for table in ("authors", "terms", "media", "comments", "runs", "raw"):
        assert site not in {row["site"] for row in query(lake.root, f"SELECT DISTINCT site FROM {table}")}
    clean(lake)
    assert not mark(lake, watermark_id(site, "post"))
    again = ingested(replace(settings, lake=lake.root), breakable.url)
    assert again.exit_code == 0
    assert len(query(lake.root, "SELECT * FROM documents WHERE kind = 'post' AND site = ?", [site])) == 6
    clean(lake)


def test_an_author_is_gone_with_what_they_wrote(crawled: Lake, breakable: BreakableServer) -> None:
    lake, site = crawled, f"127.0.0.1:{breakable.port}"
    # Who only commented is an author, too.
    purge(lake, find(lake, Target(author="heron friend")))
    assert holding(lake, "Heron Friend") == []
    before = query(lake.root, "SELECT DISTINCT site, kind, id FROM document_authors WHERE lower(name) = 'author 2'")
    proof = purge(lake, find(lake, Target(author="AUTHOR 2", site=site)))
    assert not proof.left and proof.removed["authors"] == 1
    left = query(lake.root, "SELECT site, name FROM document_authors WHERE name = 'Author 2'")
    assert {row["site"] for row in left} == {site + "/blog"} and len(before) > len(left)
    assert not query(lake.root, "SELECT * FROM authors WHERE name = 'Author 2' AND site = ?", [site])
    clean(lake)


def test_old_leftovers_go_and_new_ones_are_told(crawled: Lake, breakable: BreakableServer) -> None:
    lake = crawled
    (source,) = [p for p in Path(lake.root, "documents").rglob("*.parquet") if SECRET in _text(p)][:1]
    old, new = source.with_name("part-old.parquet"), source.with_name("part-new.parquet")
    for path in (old, new):
        path.write_bytes(source.read_bytes())
    os.utime(old, (time.time() - 7200,) * 2)
    proof = purge(lake, find(lake, Target(site=f"127.0.0.1:{breakable.port}")))
    assert not old.exists()
    assert len(proof.left) == 1 and "part-new" in proof.left[0] and "writer" in proof.left[0]


@pytest.mark.parametrize(
    "target", [Target(), Target(site="nobody.example"), Target(url="http://x/"), Target(author="X")]
)
def test_what_is_not_there_is_told(crawled: Lake, target: Target) -> None:
    with pytest.raises(UsageError):
        find(crawled, target)
