"""Local files: known by their content, read in place, none lost without a word."""

import json
from pathlib import Path

import duckdb
import pytest
from localinputs import EXPORT, NOTE, POSTS, found, post, write, zipped

from flows.jobs import IngestRequest, Outcome, ingest
from flows.settings import Settings
from schemas.records import RawRecord, Rejection

PAGE = b"<!DOCTYPE html><html><head><title>Boats</title></head><body><p>There are nine boats.</p></body></html>"
MARKDOWN = b"---\ntitle: Boats\n---\n\n# Boats\n\nThere are **nine** boats.\n"


def ingested(folder: Path, *sources: Path | str, site: str | None = None) -> Outcome:
    request = IngestRequest(tuple(str(source) for source in sources), site)
    return ingest(request, Settings.load(folder=folder, lake=str(folder / "lake")))


def rows(folder: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(folder / "lake" / "catalog.duckdb"), read_only=True) as connection:
        return connection.sql(sql).fetchall()


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("list.txt", POSTS, [("p.example", "post", "1"), ("p.example", "post", "2")]),
        ("one.md", json.dumps(post(7), indent=2).encode(), [("p.example", "post", "7")]),
        (
            "lines.log",
            b"\n".join(json.dumps(post(n)).encode() for n in (3, 4)),
            [("p.example", "post", n) for n in "34"],
        ),
        ("pages", POSTS + b"\n" + json.dumps([post(3)]).encode(), [("p.example", "post", n) for n in "123"]),
        ("wide.txt", POSTS.decode().encode("utf-16"), [("p.example", "post", n) for n in "12"]),
        ("wrapped.json", b'{"total": 2, "posts": ' + POSTS + b"}", [("p.example", "post", n) for n in "12"]),
        ("odd.json", json.dumps({"posts": [post(1, acf="\ud83d")]}).encode(), [("p.example", "post", "1")]),
        (
            "envelope.json",
            b'{"body": ' + POSTS + b', "status": 200}',
            [("p.example", "post", n) for n in "12"],
        ),
        ("export.txt", EXPORT, [("w.example", "post", "5")]),
        ("page.txt", PAGE, [("in", "document", "page.txt")]),
        ("notes.json", MARKDOWN, [("in", "document", "notes.json")]),
        ("note.html", NOTE, [("in", "document", "note.html")]),
    ],
)
def test_content_tells_what_a_file_is(tmp_path: Path, name: str, data: bytes, expected: list) -> None:
    records = found(write(tmp_path / "in" / name, data))
    assert [(record.site, record.kind, record.id) for record in records] == expected


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.txt", b"[1] Census of boats, 1911\n\nNine.", "text/plain"),
        ("a.txt", b"{note} the boats are in the harbour", "text/plain"),
        ("a.txt", b"[ ] Paint the boat\n[ ] Sell the boat\n", "text/plain"),
        ("a.txt", b"[[Harbour]] is a page of the wiki", "text/plain"),
        ("a.txt", b"<3 boats, and nothing else", "text/plain"),
        ("a.txt", "Übersee\n\nEin Boot.".encode("utf-16"), "text/plain"),
        ("a.txt", b"\xef\xbb\xbf<h2>Boats</h2><ul><li>One</li></ul>", "text/html"),
        ("a.txt", b"<!-- saved -->\n<p>Boats</p>", "text/html"),
        ("a.txt", b'<?xml version="1.0"?><!DOCTYPE html><html><body>x</body></html>', "text/html"),
        ("a.html", b"# Boats\n\nThere are **nine** boats.\n", "text/markdown"),
        ("a.md", b'<h1 align="center">Boats</h1>\n\nThere are nine.\n', "text/markdown"),
        ("a.txt", b"About exports: http://wordpress.org/export/1.2/ names them.", "text/plain"),
    ],
)
def test_what_only_looks_like_another_format_stays_what_it_is(
    tmp_path: Path, name: str, data: bytes, media_type: str
) -> None:
    (record,) = found(write(tmp_path / name, data))
    assert isinstance(record, RawRecord)
    assert (record.content_type, record.payload) == (media_type, data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf \n\n", "empty_file"),
        (b"%PDF-1.7\n%\xe2\xe3", "binary_file"),
        (b"\x89PNG\r\n\x1a\n", "binary_file"),
        (b"text\x00with\x00nul", "binary_file"),
        (zipped(**{"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<w/>"}), "binary_file"),
        (zipped(**{"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<w/>"}), "binary_file"),
        (b'<?xml version="1.0"?><feed><entry/></feed>', "unsupported_format"),
        (b'{"name": "boat", "version": 3}', "not_wordpress_json"),
        (b'[{"name": "boat"}]', "not_wordpress_json"),
        (b'{"posts": [{"name": "boat"}]}', "not_wordpress_json"),
        (b'{"id": 1, "title": "Boa', "truncated_json"),
        (json.dumps(post(1) | {"id": None}).encode(), "wrong_shape"),
        (json.dumps(post(1) | {"link": "http://[oops"}).encode(), "wrong_shape"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path: Path, data: bytes, reason: str) -> None:
    (rejection,) = found(write(tmp_path / "thing.txt", data))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.id) == (reason, "thing.txt")


def test_an_api_error_saved_to_a_file_is_called_one(tmp_path: Path) -> None:
    (rejection,) = found(
        write(tmp_path / "a.json", b'{"code":"rest_no_route","message":"No route","data":{"status":404}}')
    )
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, "rest_no_route" in rejection.message) == ("not_wordpress_json", True)


@pytest.mark.parametrize("cut", [b",", b"", b', {"id": 3, "tit'])
def test_a_cut_list_keeps_its_whole_posts(tmp_path: Path, cut: bytes) -> None:
    *kept, rest = found(write(tmp_path / "posts.json", POSTS[:-1] + cut))
    assert [record.id for record in kept] == ["1", "2"]
    assert isinstance(rest, Rejection)
    assert (rest.reason, rest.id) == ("truncated_json", "posts.json#rest")


def test_a_broken_line_costs_only_itself(tmp_path: Path) -> None:
    good, other = (json.dumps(post(n)).encode() for n in (1, 2))
    first, broken, last = found(write(tmp_path / "p.ndjson", good + b"\n{broken}\n" + other + b"\n"))
    assert (first.id, last.id) == ("1", "2")
    assert isinstance(broken, Rejection)
    assert (broken.id, broken.payload) == ("p.ndjson#line-2", b"{broken}")


def test_a_file_beyond_the_limit_is_refused_with_its_remedy(tmp_path: Path) -> None:
    (rejection,) = found(write(tmp_path / "big.txt", NOTE * 10), most=100)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, "PRESSLAKE_MAX_FILE_BYTES" in rejection.message) == ("too_large", True)


def test_a_lake_inside_the_folder_is_no_document(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", NOTE)
    assert ingested(tmp_path, tmp_path).exit_code == 0
    again = ingested(tmp_path, tmp_path)
    assert again.exit_code == 0
    assert rows(tmp_path, "SELECT id FROM documents") == [("a.txt",)]


def test_every_good_file_comes_in_though_others_are_broken(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.txt", NOTE)
    write(tmp_path / "in" / "b.pdf", b"%PDF-1.4")
    write(tmp_path / "in" / "c.json", POSTS[:-9])
    write(tmp_path / "more" / "d.html", PAGE)
    outcome = ingested(tmp_path, tmp_path / "in", tmp_path / "nowhere", tmp_path / "more")
    assert outcome.exit_code == 3
    assert [given for given, _ in outcome.failures] == [str(tmp_path / "nowhere")]
    assert rows(tmp_path, "SELECT site, id FROM documents ORDER BY ALL") == [
        ("in", "a.txt"),
        ("more", "d.html"),
        ("p.example", "1"),
    ]
    assert rows(tmp_path, "SELECT reason, id FROM quarantine ORDER BY ALL") == [
        ("binary_file", "b.pdf"),
        ("truncated_json", "c.json#rest"),
    ]
    counts = rows(tmp_path, "SELECT fetched, new + changed + unchanged + rejected FROM runs")
    assert counts and all(fetched == accounted for fetched, accounted in counts)


def test_exit_codes_tell_done_from_failed_from_partial(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "in" / "a.txt", NOTE), write(tmp_path / "in" / "b.txt", b"")
    assert ingested(tmp_path, good).exit_code == 0
    assert ingested(tmp_path, bad).exit_code == 3
    assert ingested(tmp_path, tmp_path / "nowhere").exit_code == 1


def test_a_rerun_changes_nothing_and_an_edit_one_document(tmp_path: Path) -> None:
    write(tmp_path / "in" / "n" / "a.txt", NOTE)
    write(tmp_path / "in" / "p.json", POSTS)
    write(tmp_path / "in" / "z.zip", zipped(**{"e.xml": EXPORT, "m.md": MARKDOWN}))
    first = ingested(tmp_path, tmp_path / "in")
    assert sum(stream["new"] for stream in first.streams) == 5
    before = rows(tmp_path, "SELECT count(*) FROM raw")
    again = ingested(tmp_path, tmp_path / "in")
    assert [sum(s[name] for s in again.streams) for name in ("new", "changed", "unchanged", "rejected")] == [
        0,
        0,
        5,
        0,
    ]
    assert rows(tmp_path, "SELECT count(*) FROM raw") == before
    write(tmp_path / "in" / "n" / "a.txt", NOTE + b"\nOne more.\n")
    third = ingested(tmp_path, tmp_path / "in")
    assert [sum(s[name] for s in third.streams) for name in ("new", "changed", "unchanged")] == [0, 1, 4]
    assert rows(tmp_path, "SELECT max(document_version) FROM document_versions") == [(2,)]


def test_the_examples_come_in_whole(tmp_path: Path) -> None:
    outcome = ingested(tmp_path, Path(__file__).parents[1] / "examples")
    assert (outcome.exit_code, outcome.rejections) == (0, [])
    assert rows(
        tmp_path, "SELECT site, count(*) FROM documents WHERE kind <> 'document' GROUP BY ALL ORDER BY ALL"
    ) == [
        ("alderbayledger.example", 17),
        ("riverbend.example.org/museum", 9),
    ]
    assert rows(tmp_path, "SELECT count(*) FROM documents WHERE text = '' AND NOT is_protected") == [(0,)]


@pytest.mark.parametrize(
    "line", ["tags: 2024", "tags: true", "author: 7", "date: 0001-01-01T00:00:00+05:00", "lang: English"]
)
def test_front_matter_in_odd_shapes_costs_no_document(tmp_path: Path, line: str) -> None:
    write(tmp_path / "in" / "a.md", f"---\ntitle: Boats\n{line}\n---\n\nThere are nine boats in it.\n".encode())
    assert ingested(tmp_path, tmp_path / "in").exit_code == 0
    tags = [("2024",)] if line == "tags: 2024" else []
    assert rows(tmp_path, "SELECT name FROM document_terms") == tags
    assert rows(tmp_path, "SELECT title, language IS DISTINCT FROM 'English' FROM documents") == [("Boats", True)]


def test_entities_of_the_same_file_give_posts_their_names(tmp_path: Path) -> None:
    author = {"id": 3, "name": "Mina", "slug": "mina", "link": "https://p.example/author/mina/"}
    term = {
        "id": 2,
        "taxonomy": "category",
        "name": "Boats",
        "slug": "boats",
        "link": "https://p.example/c/boats/",
    }
    objects = [post(1, author=3, categories=[2]), author, term]
    assert ingested(tmp_path, write(tmp_path / "in" / "all.json", json.dumps(objects).encode())).exit_code == 0
    assert rows(tmp_path, "SELECT authors[1].name, terms[1].name FROM documents") == [("Mina", "Boats")]


def test_a_file_with_two_states_of_a_document_is_the_same_at_every_reading(tmp_path: Path) -> None:
    states = [post(1), post(2), post(1, title={"rendered": "Later"})]
    (tmp_path / "posts.ndjson").write_text("\n".join(map(json.dumps, states)))
    for _ in range(3):
        outcome = ingested(tmp_path, tmp_path / "posts.ndjson")
    assert [(row["changed"], row["unchanged"]) for row in outcome.streams] == [(0, 3)]
    assert rows(tmp_path, "SELECT id, title FROM documents ORDER BY id") == [("1", "Later"), ("2", "Post 2")]
