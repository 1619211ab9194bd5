"""Feeds saved as files: every dialect, full text before summary, and none too ill-formed to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lakes import ingested, query
from localinputs import found, write

from flows.curation import curate
from flows.settings import Settings
from schemas.records import RawRecord, Rejection

SPACES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"'
)
ITEM = (
    "<item><title>Fog &amp; rain</title><link>https://h.example/blog/fog/</link>"
    '<atom:link rel="self" href="https://h.example/no"/><dc:creator><![CDATA[Mina Reyes]]></dc:creator>'
    "<pubDate>Wed, 01 May 2024 12:00:00 +0200</pubDate><category><![CDATA[Boats]]></category><category>Tides</category>"
    '<guid isPermaLink="false">https://h.example/blog/?p=41</guid><description><![CDATA[Short.]]></description>'
    "<content:encoded><![CDATA[<p>The whole <b>text</b> of it.</p>]]></content:encoded>"
    "<media:credit>Ada</media:credit></item>"
)
CHANNEL = "<title>Harbour</title><link>https://h.example/blog/</link><language>pt-PT</language>"
RSS = f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" {SPACES}><channel>{CHANNEL}{ITEM}</channel></rss>'
ATOM = (
    '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://a.example/blog/">'
    '<title>A</title><link rel="self" href="feed.atom"/><link href="https://a.example/blog/"/>'
    '<entry><id>tag:a.example,2024:9</id><title type="html">Fog &amp;amp; rain</title><link href="fog"/>'
    "<published>2024-05-01T10:00:00Z</published><updated>2024-05-02T10:00:00+02:00</updated>"
    '<author><name>Mina</name></author><author><name>Ada</name></author><category term="b" label="Boats"/>'
    '<summary>5 &lt; 6</summary><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Whole <b>text</b>.</p>'
    '<p><a href="tides">Tides</a></p></div></content></entry>'
    "<entry><id>tag:a.example,2024:10</id><title>Plain</title><updated>2024-05-03T10:00:00Z</updated>"
    "<content>Only &lt;b&gt; text</content></entry></feed>"
)
RDF = (
    '<?xml version="1.0" encoding="ISO-8859-1"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
    ' xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    '<channel rdf:about="https://r.example/rss"><title>R</title><link>https://r.example/</link></channel>'
    '<item rdf:about="https://r.example/1"><title>Caf\u00e9</title><link>https://r.example/1</link>'
    "<description>&lt;p&gt;Caf\u00e9 by the quay.&lt;/p&gt;</description><dc:date>2003-02-01T10:00:00+01:00</dc:date>"
    "<dc:subject>Coffee</dc:subject></item></rdf:RDF>"
)


def rows(path: Path, text: str | bytes) -> list[dict[str, Any]]:
    made = []
    for record in found(write(path, text if isinstance(text, bytes) else text.encode())):
        assert isinstance(record, RawRecord), record
        curated = curate(record)
        assert curated.row is not None, curated.error
        made.append(curated.row)
    return made


@pytest.mark.parametrize("name", ["feed.xml", "feed.txt", "index.html"])
def test_an_rss_item_of_wordpress_takes_the_posts_own_key(tmp_path: Path, name: str) -> None:
    (row,) = rows(tmp_path / name, RSS)
    assert (row["site"], row["kind"], row["id"], row["source"]) == ("h.example/blog", "post", "41", "feed")
    assert (row["title"], row["text"], row["excerpt"]) == ("Fog & rain", "The whole text of it.", "Short.")
    assert (row["url"], row["language"]) == ("https://h.example/blog/fog/", "pt-PT")
    assert f"{row['published_at']:%FT%T}" == "2024-05-01T10:00:00" and row["date_quality"] == "ok"
    assert [author["name"] for author in row["authors"]] == ["Mina Reyes"]
    assert [term["name"] for term in row["terms"]] == ["Boats", "Tides"]
    assert '"media:credit": "Ada"' in row["extra"]


def test_atom_entries_come_in_with_every_kind_of_content(tmp_path: Path) -> None:
    first, second = rows(tmp_path / "a", ATOM)
    assert (first["site"], first["kind"], first["id"]) == ("a.example/blog", "document", "tag:a.example,2024:9")
    assert (first["title"], first["text"], first["excerpt"]) == ("Fog & rain", "Whole text.\n\nTides", "5 < 6")
    assert first["url"] == "https://a.example/blog/fog"
    assert [author["name"] for author in first["authors"]] == ["Mina", "Ada"]
    assert (f"{first['published_at']:%F}", f"{first['modified_at']:%FT%T}") == ("2024-05-01", "2024-05-02T08:00:00")
    assert [term["name"] for term in first["terms"]] == ["Boats"]
    assert second["text"] == "Only <b> text"


def test_rdf_in_another_encoding(tmp_path: Path) -> None:
    (row,) = rows(tmp_path / "r.rdf", RDF.encode("latin-1"))
    assert (row["site"], row["id"], row["title"]) == ("r.example", "https://r.example/1", "Café")
    assert (row["text"], f"{row['published_at']:%FT%H}") == ("Café by the quay.", "2003-02-01T09")
    assert [term["name"] for term in row["terms"]] == ["Coffee"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Fog &amp; rain", "Fog \x08&amp;\x0b rain\x1f"),
        ("Fog &amp; rain", "Fog & rain"),
        ("Short.", "Short.\x00"),
        ("<title>Harbour</title>", "<title>Harbour & Town &nbsp;</title>"),
        ("Fog &amp; rain", "Fog &#11;&amp; rain"),
        ('encoding="UTF-8"', 'encoding="UTF-16"'),
    ],
)
def test_what_is_ill_formed_in_a_usual_way_is_mended(tmp_path: Path, old: str, new: str) -> None:
    (row,) = rows(tmp_path / "f.xml", RSS.replace(old, new))
    assert (row["id"], " ".join(row["title"].split()), row["text"]) == ("41", "Fog & rain", "The whole text of it.")


def test_a_broken_item_costs_only_itself(tmp_path: Path) -> None:
    broken = "<item><title>Broken <b></title></item>"
    kept, refused = found(write(tmp_path / "f.xml", RSS.replace("</channel>", f"{broken}</channel>").encode()))
    assert isinstance(kept, RawRecord) and kept.id == "41"
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.id, refused.payload) == ("invalid_xml", "f.xml#item-2", broken.encode())


@pytest.mark.parametrize("cut", ["</channel></rss>", "ter>Ada", "</item></channel></rss>"])
def test_a_cut_feed_keeps_its_whole_items_and_says_so(tmp_path: Path, cut: str) -> None:
    text = RSS.replace("</channel>", ITEM.replace("41", "42") + "</channel>")
    read = found(
        write(tmp_path / "f.xml", text[: text.rindex(cut if "ter" not in cut else "media:credit>Ada")].encode())
    )
    assert [r.id for r in read if isinstance(r, RawRecord)][0] == "41"
    assert [r.reason for r in read if isinstance(r, Rejection)] == ["truncated_xml"]


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><feed><entry/></feed>',
        '<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>',
        '<?xml version="1.0"?><opml version="2.0"></opml>',
    ],
)
def test_other_xml_is_no_feed(tmp_path: Path, text: str) -> None:
    (refused,) = found(write(tmp_path / "f.xml", text.encode()))
    assert isinstance(refused, Rejection) and refused.reason == "unsupported_format"


def test_feeds_go_to_the_lake_and_a_rerun_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    for name, text in (("rss", RSS), ("atom", ATOM), ("rdf", RDF)):
        write(tmp_path / "in" / name, text.encode("latin-1" if name == "rdf" else "utf-8"))
    outcome = ingested(settings, str(tmp_path / "in"))
    assert outcome.exit_code == 0
    assert query(settings.lake, "SELECT site, count(*) AS n FROM documents GROUP BY ALL ORDER BY ALL") == [
        {"site": "a.example/blog", "n": 2}, {"site": "h.example/blog", "n": 1}, {"site": "r.example", "n": 1},
    ]  # fmt: skip
    again = ingested(settings, str(tmp_path / "in"))
    assert sum(row["unchanged"] for row in again.streams) == 4 and sum(row["changed"] for row in again.streams) == 0
