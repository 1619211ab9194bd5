"""E-books and word processors' files: one document each, whole, in order, and never taken for an archive."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lakes import ingested, query
from localinputs import NOTE, found, write, zipped
from packages import CONTAINER, chapter, docx, epub, paragraph, parts, table

from flows.curation import curate
from flows.readers.packages import DOCX, EPUB
from flows.settings import Settings
from schemas.records import RawRecord, Rejection

BOOK = epub(
    {
        "one.xhtml": chapter(
            "One", "<h1>One</h1><p>It began with fog &amp; rain&nbsp;there.</p><a id='x'/><p>Then sun.</p>"
        ),
        "deep/two.xhtml": chapter("Two", "<h1>Two</h1><p>Then the <em>boats</em> came.</p>", "<script>bad()</script>"),
        "three.xhtml": chapter("Three", "<h1>Three</h1><ul><li>Nets</li><li>Ropes</li></ul>"),
    }
)
LETTER = docx(
    paragraph("Tides", "Title") + paragraph("They come and go.") + paragraph("Why", "Heading2")
    + '<w:p><w:hyperlink r:id="r9"><w:r><w:t>The moon</w:t></w:r></w:hyperlink></w:p>' + table(("High", "Low"), ("3 m", "1 m")),
)  # fmt: skip


def one(path: Path, data: bytes, most: int = 1 << 24) -> Any:
    (record,) = found(write(path, data), most=most)
    return record


def row(data: bytes, path: Path) -> dict[str, Any]:
    curated = curate(one(path, data))
    assert curated.row is not None, curated.error
    return curated.row


def test_a_book_is_one_document_with_its_chapters_in_order(tmp_path: Path) -> None:
    made = row(BOOK, tmp_path / "b.epub")
    assert made["text"] == (
        "One\n\nIt began with fog & rain there.\n\nThen sun.\n\nTwo\n\nThen the boats came.\n\nThree\n\n- Nets\n- Ropes"
    )
    assert [heading["text"] for heading in made["headings"]] == ["One", "Two", "Three"]


def test_what_a_book_says_of_itself_goes_to_columns_and_the_rest_to_extra(tmp_path: Path) -> None:
    made = row(BOOK, tmp_path / "b.epub")
    assert (made["title"], made["language"]) == ("The Harbour Book", "en-GB")
    assert [author["name"] for author in made["authors"]] == ["Mina Reyes", "Ada Finch"]
    assert [term["name"] for term in made["terms"]] == ["Harbours"]
    assert (f"{made['published_at']:%F}", f"{made['modified_at']:%F}") == ("2021-03-04", "2022-05-06")
    assert json.loads(made["extra"]) == {"identifier": "urn:isbn:9780000000001", "publisher": "Quay Press"}


def test_a_letter_becomes_a_document_with_its_properties(tmp_path: Path) -> None:
    made = row(LETTER, tmp_path / "l.docx")
    assert made["title"] == "Tides"
    assert made["text"] == "They come and go.\n\nWhy\n\nThe moon\n\nHigh | Low\n3 m | 1 m"
    assert [link["url"] for link in made["links"]] == ["https://h.example/tides"]
    assert [author["name"] for author in made["authors"]] == ["Mina Reyes", "Ada Finch"]
    assert [term["name"] for term in made["terms"]] == ["sea", "moon"]
    assert (f"{made['published_at']:%F}", f"{made['modified_at']:%F}") == ("2020-01-02", "2021-01-02")
    assert json.loads(made["extra"]) == {"revision": "7"}


@pytest.mark.parametrize(("data", "kind"), [(BOOK, EPUB), (LETTER, DOCX)])
@pytest.mark.parametrize("name", ["thing", "thing.zip", "thing.txt"])
def test_the_parts_tell_it_from_an_archive_whatever_it_is_called(
    tmp_path: Path, data: bytes, kind: str, name: str
) -> None:
    record = one(tmp_path / "in" / name, data)
    assert (record.id, record.content_type, record.payload) == (name, kind, data)


@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_one_inside_an_archive_is_found(tmp_path: Path, kind: str) -> None:
    packed = zipped(**{"b.epub": BOOK, "a.txt": NOTE}) if kind == "zip" else gzip.compress(BOOK)
    records = found(write(tmp_path / "all", packed))
    assert [r.content_type for r in records if isinstance(r, RawRecord) and r.content_type != "text/plain"] == [EPUB]


def test_the_order_and_compression_of_parts_do_not_matter(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(BOOK)) as book:
        shuffled = parts({name: book.read(name) for name in reversed(book.namelist())})
    assert row(shuffled, tmp_path / "b.epub")["text"] == row(BOOK, tmp_path / "c.epub")["text"]


def test_chapters_that_are_not_well_formed_or_in_another_encoding_come_in(tmp_path: Path) -> None:
    latin = chapter("L", "<p>Caf\u00e9 by the quay</p>").replace("utf-8", "iso-8859-1").encode("latin-1")
    book = epub({"a.xhtml": "<html><body><p>Open <b>bold</p><p>Next</body>", "b.xhtml": latin, "c.xhtml": b""})
    text = row(book, tmp_path / "b.epub")["text"]
    assert "Open bold" in text and "Next" in text and "Café by the quay" in text


def test_a_missing_chapter_is_named_and_costs_only_itself(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(BOOK)) as book:
        kept = {name: book.read(name) for name in book.namelist() if "two" not in name}
    made = row(parts(kept), tmp_path / "b.epub")
    assert "Three" in made["text"]
    assert json.loads(made["extra"])["missing_chapters"] == ["OEBPS/deep/two.xhtml"]


_LOCK = '<encryption><EncryptedData><CipherData><CipherReference URI="{}"/></CipherData></EncryptedData></encryption>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (epub({"a.xhtml": b"\x8f\x01"}, **{"META-INF/encryption.xml": _LOCK.format("OEBPS/a.xhtml")}), "encrypted"),
        (parts({"META-INF/container.xml": CONTAINER}), "broken_package"),
        (parts({"META-INF/container.xml": "no xml"}), "broken_package"),
        (epub({}), "broken_package"),
        (docx("", **{"docProps/core.xml": "<x/>"}), "no_text"),
        (parts({"[Content_Types].xml": "<Types/>", "word/document.xml": "<w/>"}), None),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, data: bytes, reason: str | None) -> None:
    error = curate(one(tmp_path / "x", data)).error
    assert error is not None
    assert reason is None or error.reason == reason


def test_scrambled_fonts_do_not_close_a_book(tmp_path: Path) -> None:
    book = epub(
        {"a.xhtml": chapter("A", "<p>Open words.</p>")}, **{"META-INF/encryption.xml": _LOCK.format("OEBPS/f.otf")}
    )
    assert row(book, tmp_path / "b.epub")["text"] == "Open words."


def test_a_bomb_is_refused_by_what_it_would_unpack_to(tmp_path: Path) -> None:
    for data in (epub({"a.xhtml": b"<p>" + b" " * 3_000_000}), docx(" " * 3_000_000)):
        assert len(data) < 100_000
        rejection = one(tmp_path / "x", data, most=1_000_000)
        assert isinstance(rejection, Rejection)
        assert rejection.reason == "too_large"


def test_they_go_to_the_lake_and_a_rerun_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path / "in" / "b.epub", BOOK)
    write(tmp_path / "in" / "l.docx", LETTER)
    write(tmp_path / "in" / "cut.epub", BOOK[: len(BOOK) // 2])
    outcome = ingested(settings, str(tmp_path / "in"))
    assert outcome.exit_code == 3
    assert query(settings.lake, "SELECT id, kind FROM documents ORDER BY id") == [
        {"id": "b.epub", "kind": "document"}, {"id": "l.docx", "kind": "document"},
    ]  # fmt: skip
    assert [r["id"] for r in query(settings.lake, "SELECT id FROM quarantine")] == ["cut.epub"]
    (again,) = ingested(settings, str(tmp_path / "in")).streams
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
