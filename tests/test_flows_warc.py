"""Web archives: pages under their addresses, the API's answers under their sites, a broken record costing only itself."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakes import ingested, query
from localinputs import post, write, zipped
from webarchives import page, record

from flows.readers.files import FileOptions, read
from flows.readers.warc import Broken, Capture, LeftOut, captures, split
from flows.settings import Settings
from schemas.records import RawRecord, Rejection
from schemas.sources import Source

A, B, C = (record(f"https://h.example/{name}/", page(name)) for name in "abc")
BODY = page("Boats")


def kinds(data: bytes, most: int = 1 << 24) -> list[str]:
    """Return a short name of each record: the address's last part, the reason, or why it is left out."""
    names = []
    for entry in captures(io.BytesIO(data), max_bytes=most):
        if isinstance(entry, Capture):
            names.append(entry.url.rstrip("/").rsplit("/", 1)[-1])
        else:
            names.append(entry.error.reason if isinstance(entry, Broken) else entry.why)
    return names


def body(data: bytes) -> bytes:
    (entry,) = captures(io.BytesIO(data), max_bytes=1 << 24)
    assert isinstance(entry, Capture), entry
    return entry.body


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (A + B + C, ["a", "b", "c"]),
        (A + b"stray bytes\r\n\r\n" + B, ["a", "broken_record", "b"]),
        (A + B.replace(b"Content-Length: ", b"Content-Length: x") + C, ["a", "broken_record", "c"]),
        (A + record("https://h.example/b/", BODY, length=9999) + C + A, ["a", "truncated_record", "c", "a"]),
        (A + record("https://h.example/b/", BODY, length=50) + C, ["a", "truncated_record", "broken_record", "c"]),
        (A + B[:-40], ["a", "truncated_record"]),
        (A + B[:90], ["a", "broken_record"]),
        (b"".join(map(gzip.compress, (A, B, C))), ["a", "b", "c"]),
        (gzip.compress(A + B + C), ["a", "b", "c"]),
    ],
)
def test_a_broken_record_costs_only_itself_and_is_told(data: bytes, expected: list[str]) -> None:
    assert kinds(data) == expected


@pytest.mark.parametrize("at", [3, 12, 40, 200])
def test_behind_a_damaged_compressed_record_the_next_one_is_found(at: int) -> None:
    first, second, third = (gzip.compress(data) for data in (A, B, C))
    damaged = second[:at] + b"\xff" * 30 + second[at + 30 :]
    names = kinds(first + damaged + third)
    assert (names[0], names[-1]) == ("a", "c")
    assert set(names[1:-1]) <= {"broken_record", "truncated_record"} and names[1:-1]


@pytest.mark.parametrize("cut", [1, 20, 60, 200])
def test_an_archive_that_breaks_off_says_so(cut: int) -> None:
    whole = gzip.compress(A) + gzip.compress(B)
    names = kinds(whole[: len(whole) - len(gzip.compress(B)) + cut])
    assert names[0] == "a"
    assert set(names[1:]) <= {"broken_record", "truncated_record"} and names[1:]


def shapes(pieces: list[bytes]) -> list[object]:
    found = split(pieces, max_bytes=1 << 20)
    return [(e.error.reason, e.payload, e.url) if isinstance(e, Broken) else e for e in found]


@given(st.lists(st.integers(1, 4000), max_size=8))
def test_records_are_the_same_however_the_stream_is_cut(sizes: list[int]) -> None:
    data = A + b"stray\r\n\r\n" + B + record("https://h.example/b/", BODY, length=9999) + C
    edges = [0]
    for size in sizes:
        edges.append(min(len(data), edges[-1] + size))
    pieces = [data[a:b] for a, b in zip(edges, [*edges[1:], len(data)], strict=True)]
    assert shapes(pieces) == shapes([data])


PACKED = gzip.compress(BODY)
CHUNKED = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n"
GZIP, CHUNKS = "Content-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (BODY, ""),
        (PACKED, GZIP),
        (CHUNKED, CHUNKS),
        (b"%x\r\n" % len(PACKED) + PACKED + b"\r\n0\r\n\r\n", GZIP + CHUNKS),
        # What crawlers store once they have decoded it, the headers left as they were.
        (BODY, GZIP),
        (BODY, CHUNKS),
        (BODY, GZIP + CHUNKS),
        (PACKED, GZIP + CHUNKS),
        (CHUNKED, GZIP + CHUNKS),
        (BODY, "Content-Encoding: br\r\n"),
    ],
)
def test_bodies_are_decoded_whatever_the_headers_claim(data: bytes, headers: str) -> None:
    assert body(record("https://h.example/", data, headers=headers)) == BODY


def test_a_body_that_breaks_off_inside_its_compression_is_refused() -> None:
    assert kinds(record("https://h.example/", PACKED[:-9], headers=GZIP) + A) == ["truncated_record", "a"]


def test_what_is_no_page_is_left_out_and_counted() -> None:
    rest = (
        record("https://h.example/", status="301 Moved Permanently"),
        record("https://h.example/", status="404 Not Found"),
        record("https://h.example/a.png", b"\x89PNG", type="image/png"),
        record("https://h.example/", kind="request"),
        record("https://h.example/", kind="revisit"),
        record("dns:h.example", kind="response").replace(b"HTTP/1.1 200 OK", b"h.example. 300 "),
    )
    assert Counter(kinds(b"".join(rest) + A)) == Counter(
        ["redirects", "answers of status 404", "answers that are no page", "request records", "revisit records",
         "answers of other protocols", "a"]
    )  # fmt: skip


def test_a_large_answer_is_refused_only_if_it_is_a_page() -> None:
    film = record("https://h.example/film", b"x" * 5000, type="video/mp4")
    assert kinds(film + record("https://h.example/l", b"x" * 5000) + record("https://h.example/", b"hi"), 2000) == [
        "answers that are no page", "too_large", "h.example",
    ]  # fmt: skip
    bomb = record("https://h.example/", gzip.compress(b" " * 5_000_000), headers=GZIP)
    assert kinds(bomb, 1_000_000) == ["too_large"]


def test_no_record_is_held_that_nobody_reads() -> None:
    def chunks():  # type: ignore[no-untyped-def]
        head = record("https://h.example/film", type="video/mp4", length=3_000_000_000)
        yield head.rstrip()
        for _ in range(3000):
            yield bytes(1_000_000)

    first = next(split(chunks(), max_bytes=1 << 20))
    assert first == LeftOut("answers that are no page")


def records(path: Path, data: bytes) -> tuple[list[RawRecord | Rejection], Counter[str]]:
    options = FileOptions(None, 1 << 24)
    return list(read(Source.parse(str(write(path, data))), options)), options.left_out


@pytest.mark.parametrize("name", ["crawl.warc", "crawl.txt"])
@pytest.mark.parametrize("packed", [False, True])
def test_pages_are_keyed_by_their_address_under_its_site(tmp_path: Path, name: str, packed: bool) -> None:
    data = A + record("https://www.other.example/x?p=1#top", page("x"))
    made, _ = records(tmp_path / name, gzip.compress(data) if packed else data)
    assert [(r.site, r.kind, r.id, r.source) for r in made] == [
        ("h.example", "document", "https://h.example/a/", "page"),
        ("www.other.example", "document", "https://www.other.example/x?p=1", "page"),
    ]
    assert f"{made[0].fetched_at:%FT%T}" == "2024-01-02T03:04:05"  # type: ignore[union-attr]


def test_what_the_api_answered_becomes_posts_and_other_data_is_left_out(tmp_path: Path) -> None:
    answers = (
        record(
            "https://p.example/wp-json/wp/v2/posts", json.dumps([post(1), post(2)]).encode(), type="application/json"
        ),
        record("https://p.example/wp-json/wp/v2/posts/3", json.dumps(post(3)).encode(), type="application/json"),
        record("https://p.example/wp-json/", b'{"name": "P", "namespaces": []}', type="application/json"),
        record("https://p.example/cart", b"{broken", type="application/json"),
    )
    made, left_out = records(tmp_path / "a.warc", b"".join(answers))
    assert [(r.site, r.kind, r.id, r.source) for r in made] == [("p.example", "post", n, "file") for n in "123"]
    assert left_out == {"other data": 2}


def test_the_lake_gets_pages_posts_gaps_and_the_count_of_what_was_left_out(settings: Settings, tmp_path: Path) -> None:
    latin = "<html><body><p>Das Café am Hafen öffnet früh, und die Fischer kommen alle.</p></body></html>".encode(
        "latin-1"
    )
    data = (
        A + B[:-40] + C + record("https://h.example/l/", latin, type="text/html; charset=iso-8859-1")
        + record("https://h.example/", status="302 Found")
        + record("https://h.example/wp-json/wp/v2/posts/7", json.dumps(post(7, link="https://h.example/7/")).encode(),
                 type="application/json")
    )  # fmt: skip
    write(tmp_path / "in" / "crawl.zip", zipped(**{"crawl.warc.gz": gzip.compress(data)}))
    outcome = ingested(settings, str(tmp_path / "in"))
    assert outcome.exit_code == 3
    rows = query(settings.lake, "SELECT id, kind, title, url, text FROM documents ORDER BY id")
    assert [row["id"] for row in rows] == ["7", *(f"https://h.example/{name}/" for name in "acl")]
    assert "The harbour lies still" in rows[1]["text"] and rows[1]["title"] == "a"
    assert "Café am Hafen öffnet" in rows[3]["text"]
    (run,) = query(settings.lake, "SELECT * FROM runs")
    assert (run["new"], run["rejected"], run["completeness"]) == (4, 1, "partial")
    assert "left out: 1 redirects" in run["reason"]
    assert [r["reason"] for r in query(settings.lake, "SELECT reason FROM quarantine")] == ["truncated_record"]
    raw = query(settings.lake, "SELECT http_status, fetched_at FROM raw WHERE id = 'https://h.example/a/'")
    assert (raw[0]["http_status"], f"{raw[0]['fetched_at']:%F}") == (200, "2024-01-02")


def test_the_newest_capture_stands_however_often_and_in_what_order_they_are_read(
    settings: Settings, tmp_path: Path
) -> None:
    def capture(text: str, year: int) -> bytes:
        return record("https://h.example/a/", page("a", text), date=f"{year}-01-02T03:04:05Z")

    write(tmp_path / "in" / "1.warc", capture("Newest words stand here.", 2024) + capture("Older words.", 2022))
    write(tmp_path / "in" / "2.warc", capture("Oldest words.", 2020))
    for _ in range(3):
        outcome = ingested(settings, str(tmp_path / "in"))
        assert outcome.exit_code == 0
    (run,) = outcome.streams
    assert (run["new"], run["changed"], run["unchanged"]) == (0, 0, 3)
    (row,) = query(settings.lake, "SELECT text, document_version FROM documents")
    assert "Newest words" in row["text"] and row["document_version"] == 1
    assert query(settings.lake, "SELECT count(*) AS n FROM raw") == [{"n": 3}]
