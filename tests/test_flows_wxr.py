"""WordPress exports: split by bytes, mended where it is certain, one broken item costing only itself."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.jobs import IngestRequest, Outcome, ingest
from flows.readers.wxr import is_wxr, parse_header, parse_item
from flows.readers.xmltext import children, split
from flows.settings import Settings
from schemas.errors import RecordError

HEAD = """<?xml version="1.0" encoding="UTF-8" ?>
<!-- generator="WordPress/6.8.3" -->
<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/{v}/excerpt/"
  xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:wp="http://wordpress.org/export/{v}/">
<channel><title>Harbour {amp} Town</title><link>https://h.example/blog</link>
<wp:wxr_version>{v}</wp:wxr_version><wp:base_site_url>https://h.example</wp:base_site_url>
<wp:base_blog_url>https://h.example/blog</wp:base_blog_url>
<wp:author><wp:author_id>3</wp:author_id><wp:author_login>mina</wp:author_login>
<wp:author_display_name><![CDATA[Mina Ó Dálaigh]]></wp:author_display_name></wp:author>
<wp:category><wp:term_id>1</wp:term_id><wp:category_nicename>boats</wp:category_nicename>
<wp:category_parent></wp:category_parent><wp:cat_name><![CDATA[Boats & Tides]]></wp:cat_name></wp:category>
<wp:category><wp:term_id>2</wp:term_id><wp:category_nicename>ferries</wp:category_nicename>
<wp:category_parent>boats</wp:category_parent><wp:cat_name><![CDATA[Ferries]]></wp:cat_name></wp:category>
<wp:tag><wp:term_id>5</wp:term_id><wp:tag_slug>fog</wp:tag_slug><wp:tag_name><![CDATA[Fog]]></wp:tag_name></wp:tag>
<wp:term><wp:term_id>8</wp:term_id><wp:term_taxonomy>era</wp:term_taxonomy><wp:term_slug>steam</wp:term_slug>
<wp:term_parent></wp:term_parent><wp:term_name><![CDATA[Steam]]></wp:term_name></wp:term>
"""
TAIL = "</channel>\n</rss>\n"


def head(version: str = "1.2", amp: str = "&amp;") -> str:
    return HEAD.format(v=version, amp=amp)


def item(number: int, title: str = "A title", content: str = "Some text.", **fields: str) -> str:
    values = {
        "status": "publish",
        "post_type": "post",
        "post_date_gmt": "2024-05-01 10:00:00",
        "post_name": f"p-{number}",
        "post_modified_gmt": "2024-05-02 10:00:00",
        **fields,
    }
    more = values.pop("more", "")
    tags = "".join(f"<wp:{name}><![CDATA[{value}]]></wp:{name}>" for name, value in values.items())
    return (
        f"<item><title>{title}</title><link>https://h.example/blog/p-{number}/</link><dc:creator>mina</dc:creator>"
        f"<content:encoded><![CDATA[{content}]]></content:encoded><excerpt:encoded><![CDATA[]]></excerpt:encoded>"
        f"<wp:post_id>{number}</wp:post_id>{tags}{more}</item>\n"
    )


class Ingested:
    """An export taken to a lake of its own, and its views."""

    def __init__(self, folder: Path, text: str | bytes, name: str = "export.xml") -> None:
        source, self.lake = folder / "in", str(folder / "lake")
        source.mkdir(exist_ok=True)
        (source / name).write_bytes(text.encode() if isinstance(text, str) else text)
        self.outcome: Outcome = ingest(IngestRequest((str(source),)), Settings.load(folder=folder, lake=self.lake))

    def __call__(self, sql: str) -> list[tuple]:
        with duckdb.connect(f"{self.lake}/catalog.duckdb", read_only=True) as connection:
            return connection.sql(sql).fetchall()


def test_the_header_names_site_authors_and_terms_with_their_parents(tmp_path: Path) -> None:
    q = Ingested(tmp_path, head() + item(1) + TAIL)
    assert q.outcome.exit_code == 0
    assert q("SELECT DISTINCT site FROM documents") == [("h.example/blog",)]
    assert q("SELECT id, name, slug FROM authors") == [("3", "Mina Ó Dálaigh", "mina")]
    assert q("SELECT taxonomy, id, name, slug, parent FROM terms ORDER BY id") == [
        ("category", "1", "Boats & Tides", "boats", None),
        ("category", "2", "Ferries", "ferries", "1"),
        ("post_tag", "5", "Fog", "fog", None),
        ("era", "8", "Steam", "steam", None),
    ]


def test_a_post_carries_its_author_terms_dates_and_source(tmp_path: Path) -> None:
    terms = (
        '<category domain="category" nicename="ferries"><![CDATA[Ferries]]></category>'
        '<category domain="era" nicename="steam"><![CDATA[Steam]]></category>'
        "<wp:postmeta><wp:meta_key>price</wp:meta_key>"
        "<wp:meta_value><![CDATA[5 < 6]]></wp:meta_value></wp:postmeta>"
    )
    q = Ingested(
        tmp_path,
        head() + item(4, "Fog &amp; <![CDATA[Foam]]>", "One.\n\nTwo.", more=terms, is_sticky="1") + TAIL,
    )
    assert q("SELECT kind, id, title, text, url, slug, status, source, is_sticky, date_quality FROM documents") == [
        (
            "post",
            "4",
            "Fog & Foam",
            "One.\n\nTwo.",
            "https://h.example/blog/p-4/",
            "p-4",
            "publish",
            "wxr",
            True,
            "ok",
        )
    ]
    assert q("SELECT epoch(published_at), epoch(modified_at) FROM documents") == [(1714557600.0, 1714644000.0)]
    assert q("SELECT a.id, a.name, a.slug FROM (SELECT UNNEST(authors) AS a FROM documents)") == [
        ("3", "Mina Ó Dálaigh", "mina")
    ]
    assert q("SELECT taxonomy, term_id, name, slug FROM document_terms ORDER BY taxonomy") == [
        ("category", "2", "Ferries", "ferries"),
        ("era", "8", "Steam", "steam"),
    ]
    assert q("SELECT extra::JSON->>'$.meta.price' FROM documents") == [("5 < 6",)]


def test_a_featured_image_is_resolved_though_its_attachment_comes_later(tmp_path: Path) -> None:
    thumbnail = "<wp:postmeta><wp:meta_key>_thumbnail_id</wp:meta_key><wp:meta_value>9</wp:meta_value></wp:postmeta>"
    alt = (
        "<wp:postmeta><wp:meta_key>_wp_attachment_image_alt</wp:meta_key>"
        "<wp:meta_value>A bow</wp:meta_value></wp:postmeta>"
    )
    address = "<wp:attachment_url><![CDATA[https://h.example/u/bow.jpg]]></wp:attachment_url>"
    attachment = item(9, "bow", "", status="inherit", post_type="attachment", more=address + alt)
    q = Ingested(tmp_path, head() + item(1, more=thumbnail) + attachment + TAIL)
    assert q("SELECT id, url, alt FROM media") == [("9", "https://h.example/u/bow.jpg", "A bow")]
    assert q("SELECT featured_image.id, featured_image.url, featured_image.alt FROM documents") == [
        ("9", "https://h.example/u/bow.jpg", "A bow")
    ]


def test_only_approved_comments_come_in_with_their_threads(tmp_path: Path) -> None:
    def comment(number: int, approved: str, parent: int = 0) -> str:
        return (
            f"<wp:comment><wp:comment_id>{number}</wp:comment_id><wp:comment_author><![CDATA[Ada]]></wp:comment_author>"
            f"<wp:comment_date_gmt>2024-05-03 08:00:00</wp:comment_date_gmt><wp:comment_approved>{approved}"
            f"</wp:comment_approved><wp:comment_parent>{parent}</wp:comment_parent>"
            "<wp:comment_content><![CDATA[Well <b>said</b>.]]></wp:comment_content></wp:comment>"
        )

    threads = comment(70, "1") + comment(71, "1", 70) + comment(72, "0") + comment(73, "trash") + comment(74, "spam")
    q = Ingested(tmp_path, head() + item(1, more=threads) + TAIL)
    assert q("SELECT id, document_id, parent, author_name, text, type FROM comments ORDER BY id") == [
        ("70", "1", None, "Ada", "Well said.", "comment"),
        ("71", "1", "70", "Ada", "Well said.", "comment"),
    ]


def test_what_was_never_public_stays_out(tmp_path: Path) -> None:
    hidden = "".join(
        item(n, status=s) for n, s in enumerate(("draft", "pending", "private", "future", "trash"), start=20)
    )
    machinery = item(30, post_type="nav_menu_item") + item(31, post_type="wp_block")
    q = Ingested(tmp_path, head() + hidden + machinery + item(1) + item(2, post_type="recipe") + TAIL)
    assert q.outcome.exit_code == 0
    assert q("SELECT kind, id FROM documents_all ORDER BY id") == [("post", "1"), ("recipe", "2")]
    assert q("SELECT id FROM raw WHERE kind <> 'wxr_header' ORDER BY id") == [("1",), ("2",)]


def test_a_password_keeps_the_text_out(tmp_path: Path) -> None:
    q = Ingested(tmp_path, head() + item(1, "Open title", "secret words", post_password="swordfish") + TAIL)
    assert q("SELECT title, text, markdown, excerpt, is_protected, word_count FROM documents") == [
        ("Open title", "", "", None, True, 0)
    ]


@pytest.mark.parametrize(
    ("title", "content", "expected"),
    [
        ("Split", "x[y[1]]]]><![CDATA[> 0", "x[y[1]]> 0"),
        ("Quoted end", "The tag </item> ends an item", "The tag ends an item"),
        ("Quoted beginning", "The tag <item> begins one", "The tag begins one"),
        ("Control", "ri\x0bver\x08 bank\x00", "river bank"),
        ("Reference", "caf\u00e9 & 5 < 6", "café & 5 < 6"),
    ],
)
def test_odd_content_comes_in_whole(tmp_path: Path, title: str, content: str, expected: str) -> None:
    q = Ingested(tmp_path, head() + item(1, title, content) + item(2) + TAIL)
    assert q.outcome.exit_code == 0
    assert q("SELECT text FROM documents WHERE id = '1'") == [(expected,)]
    assert q("SELECT count(*) FROM documents") == [(2,)]


@pytest.mark.parametrize("title", ["Tea & Toast", "R&D", "Fish &#11;&amp; Chips", "Salt &nbsp;& Pepper"])
def test_bare_ampersands_and_forbidden_references_are_mended(title: str) -> None:
    fields = children(parse_item(item(1, title).encode(), parse_header(head().encode()).root))
    assert "&" in fields["title"]
    assert "\x0b" not in fields["title"]


def test_a_bare_ampersand_in_the_header_costs_nothing() -> None:
    header = parse_header(head(amp="&").encode())
    assert header.base_url == "https://h.example/blog"
    assert set(header.authors) == {"mina"}
    assert len(header.terms) == 4


def test_a_broken_item_costs_only_itself(tmp_path: Path) -> None:
    broken = "<item><title>Broken <b></title><wp:post_id>2</wp:post_id></item>\n"
    q = Ingested(tmp_path, head() + item(1) + broken + item(3) + TAIL)
    assert q.outcome.exit_code == 3
    assert q("SELECT id FROM documents ORDER BY id") == [("1",), ("3",)]
    assert q("SELECT reason, id, payload FROM quarantine") == [
        ("invalid_xml", "export.xml#item-2", broken.strip().encode())
    ]


def test_a_cut_export_keeps_its_whole_items(tmp_path: Path) -> None:
    text = head() + item(1) + item(2) + item(3)
    q = Ingested(tmp_path, text[: text.index("Some text.", text.index("p-3"))])
    assert q.outcome.exit_code == 3
    assert q("SELECT id FROM documents ORDER BY id") == [("1",), ("2",)]
    assert q("SELECT reason FROM quarantine") == [("truncated_xml",)]


def test_an_export_that_ends_behind_a_whole_item_is_told_to_be_cut(tmp_path: Path) -> None:
    q = Ingested(tmp_path, head() + item(1) + item(2))
    assert q.outcome.exit_code == 3
    assert q("SELECT id FROM documents ORDER BY id") == [("1",), ("2",)]
    assert q("SELECT reason, id FROM quarantine") == [("truncated_xml", "export.xml")]


@pytest.mark.parametrize("broken", ["<content:encoded>never ends", "<wp:post_name>", ""])
def test_an_item_that_never_ends_costs_only_itself(tmp_path: Path, broken: str) -> None:
    open_ended = f"<item><title>Open</title><wp:post_id>2</wp:post_id>{broken}\n"
    q = Ingested(tmp_path, head() + item(1, content="") + open_ended + item(3) + item(4) + TAIL)
    assert q.outcome.exit_code == 3
    kept = [id_ for (id_,) in q("SELECT id FROM documents ORDER BY id")]
    assert kept[0] == "1" and kept[-1] == "4"
    assert q("SELECT count(*) FROM quarantine") == [(1,)]


def test_no_more_is_held_than_the_largest_piece_may_have() -> None:
    def chunks():  # type: ignore[no-untyped-def]
        yield (head() + item(1) + "<item><title>Open</title><x><![CDATA[").encode()
        for _ in range(300):
            yield bytes(100_000)
        yield (item(2) + TAIL).encode()

    pieces = list(split(chunks(), most=1_000_000))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 2_500_000
    assert pieces[-1] == item(2).strip().encode()


def test_a_file_without_items_is_not_held_either() -> None:
    with pytest.raises(RecordError, match="no <item>"):
        list(split((bytes(100_000) for _ in range(300)), most=1_000_000))


def test_an_export_cut_inside_its_header_is_refused_by_name(tmp_path: Path) -> None:
    q = Ingested(tmp_path, head()[:330])
    assert q.outcome.exit_code == 3
    assert q("SELECT reason, id FROM quarantine") == [("truncated_xml", "export.xml")]


def test_an_export_without_items_is_empty_not_broken(tmp_path: Path) -> None:
    q = Ingested(tmp_path, head() + TAIL)
    assert q.outcome.exit_code == 0
    assert q("SELECT count(*) FROM documents") == [(0,)]
    assert q("SELECT count(*) FROM terms") == [(4,)]


@pytest.mark.parametrize("date", ["0000-00-00 00:00:00", "", "-0001-11-30 00:00:00"])
def test_zero_dates_are_missing_not_invented(tmp_path: Path, date: str) -> None:
    q = Ingested(tmp_path, head() + item(1, post_date_gmt=date, post_modified_gmt=date) + TAIL)
    assert q.outcome.exit_code == 0
    assert q("SELECT published_at, modified_at, date_quality FROM documents") == [(None, None, "missing")]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_every_version_of_the_format_reads_the_same(version: str) -> None:
    header, *items = split([(head(version) + item(6) + TAIL).encode()])
    parsed = parse_header(header)
    fields = children(parse_item(items[0], parsed.root))
    assert (fields["wp:post_id"], fields["content:encoded"], fields["dc:creator"]) == (
        "6",
        "Some text.",
        "mina",
    )
    assert "excerpt:encoded" in fields
    assert parsed.terms["category", "ferries"]["parent"] == "boats"


def test_an_export_in_utf_16_reads_the_same(tmp_path: Path) -> None:
    q = Ingested(tmp_path, (head() + item(1, "Übersee") + TAIL).encode("utf-16"), "export.txt")
    assert q("SELECT site, title FROM documents") == [("h.example/blog", "Übersee")]


SMALL = (
    head() + item(1, content="a </item> b ]]]]><![CDATA[> c <item> d") + item(2, content="") + "<item/>" + TAIL
).encode()
WHOLE = list(split([SMALL]))


def test_the_pieces_of_an_export_are_its_exact_bytes() -> None:
    assert len(WHOLE) == 3
    assert WHOLE[0] == head().encode()
    assert all(piece in SMALL and piece.startswith(b"<item>") and piece.endswith(b"</item>") for piece in WHOLE[1:])


def test_items_are_the_same_wherever_one_chunk_ends() -> None:
    for cut in range(len(SMALL) + 1):
        assert list(split([SMALL[:cut], SMALL[cut:]])) == WHOLE, cut


@given(st.lists(st.integers(0, len(SMALL)), max_size=12))
def test_items_are_the_same_however_the_export_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(SMALL)]
    assert list(split(SMALL[a:b] for a, b in zip(edges, edges[1:], strict=False))) == WHOLE


def test_single_bytes_are_chunks_too() -> None:
    assert list(split(bytes([byte]) for byte in SMALL)) == WHOLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (head(), True),
        ("\ufeff\n" + head(), True),
        ('<rss version="2.0"><channel><title>A feed</title></channel></rss>', False),
        ("The namespace is http://wordpress.org/export/1.2/ and <rss> comes first.", False),
        ("<html><body>http://wordpress.org/export/1.2/</body></html>", False),
    ],
)
def test_an_export_is_told_from_texts_about_exports(text: str, expected: bool) -> None:
    assert is_wxr(text.encode()) is expected


def test_no_entity_of_the_document_is_expanded() -> None:
    attack = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + head().split("?>", 1)[1]
    root = parse_header(attack.encode()).root
    with pytest.raises(RecordError):
        parse_item(b"<item><title>&x</title></item", root)
    assert children(parse_item(b"<item><title>&x;</title></item>", root))["title"] in ("", "&x;")
