"""Files, folders, globs and archives as a sequence of named byte streams. What they hold is decided elsewhere.

Archives are read in place, and no member name ever becomes a path; a zip inside another archive needs random access
and is copied to an unnamed temporary file.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from flows.readers.packages import package_kind
from schemas.errors import RecordError, SourceError
from schemas.sources import Source

HEAD_BYTES = 64 * 1024
WARC_BEGIN = b"WARC/"
# A compressed archive counts twice; deeper ones are traps more often than documents.
_MAX_DEPTH = 6
_SMALL_BYTES = 8 * 1024 * 1024
_MOST_NESTED_BYTES = 128 * 1024 * 1024
_MOST_HEADER_BYTES = 1024 * 1024
_EXTENSIONS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
               tarfile.SOLARIS_XHDTYPE)  # fmt: skip
# What the libraries raise for damaged archives; each has its own idea.
BROKEN_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError,
                  NotImplementedError, struct.error)  # fmt: skip

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Found:
    """One file. ``path`` is relative to the given root, archives' members below their archive's path.

    ``open`` gives a fresh stream from the start each time it is called, until the next file is asked for. ``error``
    says why it cannot be read. ``kind`` is its media type where only its parts tell it. Web archives are left
    compressed: where one is damaged, only the compressed bytes tell where the next record begins.
    """

    path: str
    folder: str
    head: bytes
    open: Opener
    error: RecordError | None = None
    where: str = ""
    kind: str | None = None


class _PackageError(Exception):
    """Says that a zip file is one document; ``kind`` is its media type."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def find(source: Source) -> Iterator[Found]:
    """Return every file a source names, in the order of their paths; an archive's members in its own order.

    Raises:
        SourceError: the path does not exist, the glob matches nothing, or the folder holds no file.
    """
    address = os.path.expanduser(source.address)
    if source.is_glob and not os.path.lexists(address):
        yield from _globbed(source, address)
    elif os.path.isdir(address):
        yield from _folder(source, Path(address))
    elif os.path.exists(address):
        path = Path(address)
        yield from _file(path, path.name, _name(path.absolute().parent), whole=True)
    else:
        hint = f"Did you mean https://{source.address}?" if source.looks_like_domain else "Check the path."
        raise SourceError(
            f"Cannot read {source.given}: there is no such file or folder.", remedy=hint, source=source.given
        )


def _globbed(source: Source, pattern: str) -> Iterator[Found]:
    matches = sorted(glob.glob(pattern, recursive=True))
    files = [Path(match) for match in matches if not os.path.isdir(match)]
    if not files:
        raise SourceError(
            f"Cannot read {source.given}: nothing matches.", remedy="Check the pattern; ** crosses folders.",
            source=source.given,
        )  # fmt: skip
    root = Path(os.path.commonpath([str(path.absolute().parent) for path in files]))
    for path in files:
        yield from _file(path, path.absolute().relative_to(root).as_posix(), _name(root))


def _folder(source: Source, root: Path) -> Iterator[Found]:
    count = 0
    for path in _walk(root, source):
        count += 1
        yield from _file(path, path.relative_to(root).as_posix(), _name(root.absolute()))
    if not count:
        raise SourceError(
            f"Cannot read {source.given}: the folder holds no files.", remedy="Name a folder with documents in it.",
            source=source.given,
        )  # fmt: skip


def _walk(root: Path, source: Source) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        if Path(error.filename or root) == root:
            raise SourceError(
                f"Cannot read {source.given}: {error.strerror}.", remedy="Check its rights.", source=source.given
            ) from error

    entered = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, onerror=refused, followlinks=True):
        subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and not _is_lake(Path(folder, n)))
        # Linked folders are entered, each only once, or a link to its own parent would never end.
        for name in list(subfolders):
            real = os.path.realpath(os.path.join(folder, name))
            if real in entered:
                subfolders.remove(name)
            entered.add(real)
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _is_lake(folder: Path) -> bool:
    """Tell a lake, often kept beside what goes into it, from a folder of documents."""
    return (folder / "documents" / "_delta_log").is_dir()


def _name(folder: Path) -> str:
    return legible(folder.resolve().name) or "root"


def legible(name: str) -> str:
    r"""Return a file's name with bytes that are not UTF-8 written as ``\xe9``; no table could hold them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _file(path: Path, relative: str, folder: str, *, whole: bool = False) -> Iterator[Found]:
    """Return the file, or the members of the archive it is; ``whole``: the archive itself was named."""
    relative, where = legible(relative), legible(str(path))
    # Opening a pipe would wait for a writer.
    if path.is_file():
        yield from _entries(lambda: open(path, "rb"), relative, folder, where, 0, whole=whole)
    else:
        yield _unreadable(relative, folder, where, "it is not a regular file")


def _unreadable(path: str, folder: str, where: str, why: str) -> Found:
    error = RecordError("unreadable_file", f"{where} cannot be read: {why}.")
    return Found(path, folder, b"", lambda: io.BytesIO(), error, where)


def _entries(opener: Opener, path: str, folder: str, where: str, depth: int, *, whole: bool = False) -> Iterator[Found]:
    try:
        with opener() as stream:
            head = stream.read(HEAD_BYTES)
        kind = archive_kind(head)
        if kind is None:
            yield Found(path, folder, head, opener, where=where)
            return
        if depth >= _MAX_DEPTH:
            deep = RecordError("archive_too_deep", f"{where} lies too many archives deep. Unpack the outer ones first.")
            yield Found(path, folder, head, opener, deep, where)
            return
        if kind in _COMPRESSIONS:
            inner = _decompressed(opener, _COMPRESSIONS[kind])
            stem = path.removesuffix({"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}[kind])
            with inner() as stream:
                begins = stream.read(len(WARC_BEGIN))
            if kind == "gzip" and begins == WARC_BEGIN:
                yield Found(path, folder, begins, opener, where=where)
                return
            yield from _entries(inner, stem, folder, where, depth + 1, whole=whole)
            return
        # A named archive is a folder of its own; one found in a folder is a subfolder of it.
        prefix, name = ("", _archive_name(path)) if whole else (path + "/", folder)
        with opener() as stream:
            for member, inner in (_zip_members if kind == "zip" else _tar_members)(stream):
                yield from _entries(inner, prefix + member, name, f"{where}/{member}", depth + 1)
    except _PackageError as package:
        yield Found(path, folder, head, opener, where=where, kind=package.kind)
    except BROKEN_ARCHIVE as error:
        broken = RecordError("broken_archive", f"{where} is a damaged archive: {error or type(error).__name__}.")
        yield Found(path, folder, b"", opener, broken, where)
    except (OSError, RuntimeError, ValueError) as error:
        # zipfile says RuntimeError for members that need a password.
        why = getattr(error, "strerror", None) or str(error)
        yield _unreadable(path, folder, where, why.rstrip("."))


def _archive_name(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    for ending in (".zip", ".tgz", ".tar", ".tbz2", ".txz"):
        name = name.removesuffix(ending)
    return name or path


_COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    # With the mode, which it would ask of the stream, whose own gzip says it in a number.
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    "bzip2": lambda stream: bz2.BZ2File(stream),
    "xz": lambda stream: lzma.LZMAFile(stream),
}


def archive_kind(head: bytes) -> str | None:
    """Tell by its first bytes whether a file is ``gzip``, ``bzip2``, ``xz``, ``zip`` or ``tar``."""
    for magic, kind in ((b"\x1f\x8b\x08", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip")):
        if head.startswith(magic):
            return kind
    return "tar" if head[257:262] == b"ustar" else None


def _decompressed(opener: Opener, wrap: Callable[[IO[bytes]], Any]) -> Opener:
    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with opener() as stream, wrap(stream) as inner:
            yield inner

    return opened


def _zip_members(stream: IO[bytes]) -> Iterator[tuple[str, Opener]]:
    with _random_access(stream) as seekable, zipfile.ZipFile(seekable) as archive:
        # Office documents and e-books are zip files, too, but not archives of documents.
        kind = package_kind(archive.namelist())
        if kind is not None:
            raise _PackageError(kind)
        # Of members with the same name the last one stands, as when unpacking.
        entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        for name, entry in sorted(entries.items()):
            if not _hidden(name):
                yield _clean(name), lambda entry=entry: archive.open(entry)  # type: ignore[misc]


class _Member(tarfile.TarInfo):
    """A header that keeps its extensions short: tarfile holds long names and attributes in memory, whole."""

    def _proc_member(self, archive: tarfile.TarFile) -> Any:
        if self.type in _EXTENSIONS and self.size > _MOST_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {self.size} bytes is no header")
        return super()._proc_member(archive)  # type: ignore[misc]


def _tar_members(stream: IO[bytes]) -> Iterator[tuple[str, Opener]]:
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_Member) as archive:
        members: dict[str, tarfile.TarInfo] = {}
        broken: Exception | None = None
        try:
            for member in archive:
                if member.isfile():
                    members[member.name] = member
            # tarfile takes a header that is cut off or damaged for the end; the real one is a block of zeros.
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise EOFError("it breaks off before its end")
        except BROKEN_ARCHIVE as error:
            broken = error
        # In their stored order, and small ones held in memory: going back in a compressed stream starts it anew.
        for name, member in sorted(members.items(), key=lambda pair: pair[1].offset_data):
            if not _hidden(name):
                yield _clean(name), _tar_opener(archive, member)
        if broken is not None:
            raise broken


def _tar_opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Opener:
    held: list[bytes] = []

    def opened() -> IO[bytes]:
        if held:
            return io.BytesIO(held[0])
        # Only regular files come here, for which this is never None.
        stream = cast(IO[bytes], archive.extractfile(member))
        if member.size > _SMALL_BYTES:
            return stream
        with stream:
            held.append(stream.read())
        return io.BytesIO(held[0])

    return opened


@contextmanager
def _random_access(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(getattr(stream, "raw", None), io.FileIO):
        yield stream
        return
    # A zip is read from its end. One inside another archive is held in memory, where its size can be bounded.
    content = stream.read(_MOST_NESTED_BYTES + 1)
    if len(content) > _MOST_NESTED_BYTES:
        raise ValueError(
            f"a zip inside another archive may hold at most {_MOST_NESTED_BYTES} bytes; unpack the outer one"
        )
    yield io.BytesIO(content)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/") if part not in ("", ".", ".."))


def _clean(name: str) -> str:
    name = legible(name)
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def chunks(stream: IO[bytes], size: int = 1024 * 1024) -> Iterator[bytes]:
    """Return the bytes of a stream in pieces."""
    while piece := stream.read(size):
        yield piece
