"""Folders, globs and archives: every file found once, named from the root, none lost without a word."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from localinputs import EXPORT, NOTE, POSTS, found, write, zipped

from flows.readers import localfiles
from schemas.errors import SourceError
from schemas.records import RawRecord, Rejection


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return target.getvalue()


def ids(given: Path | str) -> list[tuple[str, str]]:
    records = found(given)
    assert all(isinstance(record, RawRecord) for record in records), records
    return [(record.site, record.id) for record in records]


def reasons(given: Path | str) -> list[tuple[str, str]]:
    return [(r.reason, r.id) for r in found(given) if isinstance(r, Rejection)]


def test_a_folder_gives_its_files_under_its_name_with_relative_ids(tmp_path: Path) -> None:
    for name in ("b.txt", "a/deep/c.txt", ".hidden.txt", ".git/config", "a/.cache/x.txt"):
        write(tmp_path / "Papers" / name, NOTE)
    assert ids(tmp_path / "Papers") == [("Papers", "b.txt"), ("Papers", "a/deep/c.txt")]
    assert ids(tmp_path / "Papers" / "a" / "..") == ids(tmp_path / "Papers")
    assert ids(tmp_path / "Papers" / "b.txt") == [("Papers", "b.txt")]
    assert ids(f"file://{tmp_path}/Papers/b.txt") == [("Papers", "b.txt")]


def test_a_site_given_replaces_the_folder_but_not_a_posts_own(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", NOTE)
    write(tmp_path / "p.json", POSTS)
    assert [r.site for r in found(tmp_path, site="paper.example")] == [
        "paper.example",
        "p.example",
        "p.example",
    ]


def test_globs_cross_folders_only_when_asked(tmp_path: Path) -> None:
    for name in ("x/a.txt", "x/b.md", "x/y/c.txt"):
        write(tmp_path / name, NOTE)
    assert ids(f"{tmp_path}/x/*.txt") == [("x", "a.txt")]
    assert ids(f"{tmp_path}/**/*.txt") == [("x", "a.txt"), ("x", "y/c.txt")]
    write(tmp_path / "odd[1].txt", NOTE)
    assert [id_ for _, id_ in ids(tmp_path / "odd[1].txt")] == ["odd[1].txt"]


@pytest.mark.parametrize("given", ["nowhere", "nowhere/*.txt", "empty", "dangling"])
def test_a_source_without_any_file_is_an_error_that_names_it(tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceError, match=given.split("/")[0]):
        found(tmp_path / given)


def test_a_path_that_looks_like_a_domain_gets_a_hint() -> None:
    with pytest.raises(SourceError, match=r"https://paper\.example"):
        found("paper.example")


def test_what_is_no_regular_file_is_named_and_holds_nothing_up(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.txt", NOTE)
    os.mkfifo(tmp_path / "in" / "pipe")
    (tmp_path / "in" / "gone.txt").symlink_to(tmp_path / "missing")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to(tmp_path / "in" / "self")
    expected = [("unreadable_file", name) for name in ("gone.txt", "pipe", "self")]
    assert reasons(tmp_path / "in") == expected
    assert reasons(f"{tmp_path}/in/*") == expected
    assert reasons(tmp_path / "in" / "pipe") == [("unreadable_file", "pipe")]


def test_a_name_that_is_not_utf_8_is_written_legibly(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:
        file.write(NOTE)
    assert ids(tmp_path) == [(tmp_path.name, r"caf\xe9.txt")]


ARCHIVES = {
    "papers.zip": zipped(**{"a.txt": NOTE, "x/b.json": POSTS, "__MACOSX/a.txt": NOTE, ".h": NOTE}),
    "papers.tar": tarred({"a.txt": NOTE, "x/b.json": POSTS, "x/.h": NOTE}),
    "papers.tar.gz": tarred({"a.txt": NOTE, "x/b.json": POSTS}, "w:gz"),
    "papers.tgz": tarred({"a.txt": NOTE, "x/b.json": POSTS}, "w:gz"),
    "papers.tar.xz": tarred({"a.txt": NOTE, "x/b.json": POSTS}, "w:xz"),
}
EXPECTED = {("a.txt", "document"), ("1", "post"), ("2", "post")}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_named_itself_is_a_folder_of_its_name(tmp_path: Path, name: str) -> None:
    records = [r for r in found(write(tmp_path / "in" / name, ARCHIVES[name])) if isinstance(r, RawRecord)]
    assert {(record.id, record.kind) for record in records} == EXPECTED
    assert {record.site for record in records if record.kind == "document"} == {"papers"}


def test_an_archive_in_a_folder_is_a_subfolder(tmp_path: Path) -> None:
    write(tmp_path / "in" / "old.zip", zipped(**{"a.txt": NOTE}))
    write(tmp_path / "in" / "older.tar.gz", tarred({"x/a.txt": NOTE}, "w:gz"))
    assert ids(tmp_path / "in") == [("in", "old.zip/a.txt"), ("in", "older.tar/x/a.txt")]


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_a_compressed_file_is_read_as_what_it_holds(tmp_path: Path, ending: str, pack: object) -> None:
    assert ids(write(tmp_path / "in" / f"a.txt{ending}", pack(NOTE))) == [("in", "a.txt")]  # type: ignore[operator]
    packed = write(tmp_path / "in" / f"p.json{ending}", pack(POSTS))  # type: ignore[operator]
    assert [id_ for _, id_ in ids(packed)] == ["1", "2"]


def test_archives_may_hold_archives(tmp_path: Path) -> None:
    inner = zipped(**{"note.txt.gz": gzip.compress(NOTE), "b.json": POSTS, "e.xml": EXPORT})
    middle = tarred({"b.zip": inner, "plain.txt": NOTE}, "w:gz")
    outer = write(tmp_path / "outer.zip", zipped(**{"c.tar.gz": middle}))
    assert sorted(ids(outer)) == [
        ("outer", "c.tar/b.zip/note.txt"),
        ("outer", "c.tar/plain.txt"),
        ("p.example", "1"),
        ("p.example", "2"),
        ("w.example", "5"),
    ]


def test_a_zip_inside_an_archive_is_held_in_memory_up_to_a_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer = write(tmp_path / "outer.zip", zipped(**{"in.zip": zipped(**{"a.txt": NOTE}), "b.txt": NOTE}))
    assert sorted(ids(outer)) == [("outer", "b.txt"), ("outer", "in.zip/a.txt")]
    monkeypatch.setattr(localfiles, "_MOST_NESTED_BYTES", 50)
    (refused,) = (entry for entry in found(outer) if isinstance(entry, Rejection))
    assert refused.reason == "unreadable_file" and "at most 50 bytes" in refused.message


def test_too_many_archives_inside_one_another_are_refused(tmp_path: Path) -> None:
    data = NOTE
    for _ in range(9):
        data = zipped(**{"in.zip": data})
    assert [reason for reason, _ in reasons(write(tmp_path / "deep.zip", data))] == ["archive_too_deep"]


def test_a_members_name_never_leaves_the_archive(tmp_path: Path) -> None:
    nasty = {"../../up.txt": NOTE, "/etc/abs.txt": NOTE, "a\\b.txt": NOTE, "./c.txt": NOTE}
    clean = {"up.txt", "etc/abs.txt", "c.txt"}
    assert {id_ for _, id_ in ids(write(tmp_path / "in" / "n.tar", tarred(nasty)))} == clean | {"a/b.txt"}
    assert clean <= {id_ for _, id_ in ids(write(tmp_path / "in" / "n.zip", zipped(**nasty)))}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("name", ["papers.zip", "papers.tar.gz", "papers.tar.xz"])
def test_a_cut_archive_is_named(tmp_path: Path, name: str) -> None:
    cut = write(tmp_path / name, ARCHIVES[name][: len(ARCHIVES[name]) // 2])
    assert ("broken_archive", name.removesuffix(".gz").removesuffix(".xz")) in reasons(cut)


def test_a_cut_tar_keeps_its_whole_members(tmp_path: Path) -> None:
    whole = tarred({"a.txt": NOTE, "b.txt": NOTE, "c.txt": NOTE * 99})
    records = found(write(tmp_path / "cut.tar", whole[:2100]))
    assert [r.id for r in records if isinstance(r, RawRecord)] == ["a.txt", "b.txt"]
    assert [r.reason for r in records if isinstance(r, Rejection)] == ["broken_archive"]


def test_a_damaged_member_costs_only_itself(tmp_path: Path) -> None:
    data = zipped(**{"a.txt": NOTE, "b.txt": NOTE[::-1], "c.txt": NOTE})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = archive.getinfo("b.txt").header_offset + 40
    records = found(write(tmp_path / "d.zip", data[:start] + b"\xff\xff\xff" + data[start + 3 :]))
    assert [r.id for r in records if isinstance(r, RawRecord)] == ["a.txt", "c.txt"]
    assert [(r.reason, r.id) for r in records if isinstance(r, Rejection)] == [("broken_archive", "b.txt")]


def test_a_member_behind_a_password_is_named(tmp_path: Path) -> None:
    data = bytearray(zipped(**{"a.txt": NOTE, "b.txt": NOTE}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1  # the flag by which a reader knows that the first member is encrypted
    records = found(write(tmp_path / "p.zip", bytes(data)))
    assert [r.id for r in records if isinstance(r, RawRecord)] == ["b.txt"]
    (rejection,) = (r for r in records if isinstance(r, Rejection))
    assert (rejection.reason, rejection.id, "password" in rejection.message) == (
        "unreadable_file",
        "a.txt",
        True,
    )


def test_the_last_of_equal_members_stands(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for text in (b"Old text\n\nIt was so.", NOTE):
            info = tarfile.TarInfo("a.txt")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    assert [record.payload for record in found(tmp_path / "t.tar")] == [NOTE]


def test_many_members_are_read_in_one_go(tmp_path: Path) -> None:
    members = {f"{n}.txt": NOTE + b"%d" % n for n in range(1500)}
    for name, data in (("m.zip", zipped(**members)), ("m.tar.gz", tarred(members, "w:gz"))):
        records = found(write(tmp_path / name, data))
        assert {record.id: record.payload for record in records} == members
