"""Documents made to read our files, ask our network or fill our memory."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from breakable_server import Asked, BreakableServer, Reply, refused
from commands import confined
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

CANARY = "c4n4ry-of-this-machine"


@pytest.fixture
def listener() -> Iterator[BreakableServer]:
    """Another server on this machine, which must never be asked."""
    with BreakableServer() as server:
        server.site()  # without one it notes nothing
        yield server


def doctypes(root: str, secret: Path, remote: str) -> dict[str, str]:
    """Return a declaration for each attack; the entity that matters is called ``x`` in all of them."""
    tenfold = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
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


def _members(package: bytes) -> dict[str, str | bytes]:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _with_package(chapters: dict[str, str | bytes], head: str, about: str) -> bytes:
    members = _members(epub(chapters, about))
    opf = bytes(members["OEBPS/book.opf"]).decode().removeprefix('<?xml version="1.0"?>')
    return parts(members | {"OEBPS/book.opf": head + opf}, stored="mimetype")


def _letter(part: str, declared: str, body: str, title: str = "") -> bytes:
    members = _members(docx(body))
    text = bytes(members[part]).decode().replace('<?xml version="1.0"?>', f'<?xml version="1.0"?>{declared}')
    return parts(members | {part: text.replace("<dc:title>Tides", f"<dc:title>{title}")})


KINDS = {
    "export": ("rss", "xml"), "rss": ("rss", "xml"), "atom": ("feed", "xml"), "book": ("html", "epub"),
    "container": ("container", "epub"), "package": ("package", "epub"), "letter": ("w:document", "docx"),
    "properties": ("cp:coreProperties", "docx"),
}  # fmt: skip


@pytest.mark.timeout(300)
def test_entities_read_no_file_ask_nobody_and_grow_to_nothing(tmp_path: Path, listener: BreakableServer) -> None:
    secret = write(tmp_path / "secret.txt", CANARY.encode())
    count = 0
    for kind, (root, ending) in KINDS.items():
        for attack, declared in doctypes(root, secret, listener.url).items():
            uses = 5000 if attack == "quadratic" else 1
            write(tmp_path / "in" / f"{kind}-{attack}.{ending}", trapped(kind, declared, count, uses))
            count += 1
    write(tmp_path / "in" / "note.txt", NOTE)
    done = confined("ingest", str(tmp_path / "in"), "--lake", str(tmp_path / "L"), "--json", work=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert not listener.asked
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
    sitemapped: BreakableServer, tmp_path: Path, listener: BreakableServer
) -> None:
    secret = write(tmp_path / "secret.txt", CANARY.encode())
    settings = Settings(lake=str(tmp_path / "L"), workers=1, max_retries=0)
    for attack, declared in doctypes("r", secret, listener.url).items():
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
    assert not listener.asked
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
