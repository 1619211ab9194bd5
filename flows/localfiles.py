"""Files, folders, globs and archives as a sequence of named byte streams. What they hold is decided elsewhere.

Archives are read in place: nothing is unpacked to disk, and no member name ever becomes a path.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from schemas.errors import RecordError, SourceError
from schemas.sources import Source

HEAD_BYTES = 64 * 1024
_MAX_DEPTH = 3
# What the libraries raise for damaged archives; each has its own idea.
BROKEN_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError,
                  NotImplementedError)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One file. ``path`` is relative to the given root, archives' members below their archive's path.

    ``open`` gives a fresh stream from the start each time it is called. ``error`` says why it cannot be read.
    """

    path: str
    folder: str
    head: bytes
    open: Callable[[], Any]
    error: RecordError | None = None
    where: str = ""


def find(source: Source) -> Iterator[Found]:
    """Return every file a source names, in the order of their paths.

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
    files = [Path(match) for match in matches if os.path.isfile(match)]
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

    for folder, subfolders, names in os.walk(root, onerror=refused):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _name(folder: Path) -> str:
    return folder.resolve().name or "root"


def _file(path: Path, relative: str, folder: str, *, whole: bool = False) -> Iterator[Found]:
    """Return the file, or the members of the archive it is; ``whole``: the archive itself was named."""
    try:
        if not path.is_file():
            raise OSError(None, "it is not a regular file")
        yield from _entries(lambda: open(path, "rb"), relative, folder, str(path), 0, whole=whole)
    except OSError as error:
        yield _unreadable(relative, folder, str(path), error.strerror or str(error))


def _unreadable(path: str, folder: str, where: str, why: str) -> Found:
    error = RecordError("unreadable_file", f"{where} cannot be read: {why}. Check its rights.")
    return Found(path, folder, b"", lambda: io.BytesIO(), error, where)


def _entries(
    opener: Callable[[], IO[bytes]], path: str, folder: str, where: str, depth: int, *, whole: bool = False
) -> Iterator[Found]:
    try:
        with opener() as stream:
            head = stream.read(HEAD_BYTES)
        kind = archive_kind(head)
        if kind is None or depth >= _MAX_DEPTH:
            yield Found(path, folder, head, opener, where=where)
            return
        if kind in _COMPRESSIONS:
            inner = _decompressed(opener, _COMPRESSIONS[kind])
            stem = path.removesuffix({"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}[kind])
            yield from _entries(inner, stem, folder, where, depth + 1, whole=whole)
            return
        # A named archive is a folder of its own; one found in a folder is a subfolder of it.
        prefix, name = ("", _archive_name(path)) if whole else (path + "/", folder)
        for member, inner in (_zip_members if kind == "zip" else _tar_members)(opener):
            yield from _entries(inner, prefix + member, name, f"{where}/{member}", depth + 1)
    except BROKEN_ARCHIVE as error:
        broken = RecordError("broken_archive", f"{where} is a damaged archive: {error or type(error).__name__}.")
        yield Found(path, folder, b"", opener, broken, where)
    except (OSError, RuntimeError) as error:
        # zipfile says RuntimeError for members that need a password.
        yield _unreadable(path, folder, where, str(error))


def _archive_name(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    for ending in (".zip", ".tgz", ".tar", ".tbz2", ".txz"):
        name = name.removesuffix(ending)
    return name or path


_COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "bzip2": lambda stream: bz2.BZ2File(stream),
    "xz": lambda stream: lzma.LZMAFile(stream),
}


def archive_kind(head: bytes) -> str | None:
    """Tell by its first bytes whether a file is ``gzip``, ``bzip2``, ``xz``, ``zip`` or ``tar``."""
    for magic, kind in ((b"\x1f\x8b\x08", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\x00", "xz"), (b"PK\x03\x04", "zip")):
        if head.startswith(magic):
            # Office documents and e-books are zip files, too, but not archives of documents.
            is_document = kind == "zip" and (
                b"[Content_Types].xml" in head[:2000] or b"mimetypeapplication/" in head[:100]
            )
            return None if is_document else kind
    return "tar" if head[257:262] == b"ustar" else None


def _decompressed(opener: Callable[[], IO[bytes]], wrap: Callable[[IO[bytes]], Any]) -> Callable[[], Any]:
    return lambda: wrap(opener())


def _zip_members(opener: Callable[[], IO[bytes]]) -> Iterator[tuple[str, Callable[[], Any]]]:
    with opener() as stream, zipfile.ZipFile(_seekable(stream)) as archive:
        names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())
    for name in names:
        if not _hidden(name):
            yield _clean(name), lambda name=name: _opened_zip(opener, name)  # type: ignore[misc]


@contextmanager
def _opened_zip(opener: Callable[[], IO[bytes]], name: str) -> Iterator[IO[bytes]]:
    with opener() as stream, zipfile.ZipFile(_seekable(stream)) as archive, archive.open(name) as member:
        yield member


def _tar_members(opener: Callable[[], IO[bytes]]) -> Iterator[tuple[str, Callable[[], Any]]]:
    with opener() as stream, tarfile.open(fileobj=_seekable(stream), mode="r:") as archive:
        members = sorted((m.name, m.offset_data, m.size) for m in archive.getmembers() if m.isfile())
    for name, _, _ in members:
        if not _hidden(name):
            yield _clean(name), lambda name=name: _opened_tar(opener, name)  # type: ignore[misc]


@contextmanager
def _opened_tar(opener: Callable[[], IO[bytes]], name: str) -> Iterator[IO[bytes]]:
    with opener() as stream, tarfile.open(fileobj=_seekable(stream), mode="r:") as archive:
        member = archive.extractfile(name)
        if member is None:
            raise OSError(None, f"{name} is not a file")
        with member:
            yield member


def _seekable(stream: IO[bytes]) -> IO[bytes]:
    # Archives inside archives: random access needs the inner one in memory.
    return stream if stream.seekable() else io.BytesIO(stream.read())


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/") if part not in ("", ".", ".."))


def _clean(name: str) -> str:
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def chunks(stream: IO[bytes], size: int = 1024 * 1024) -> Iterator[bytes]:
    """Return the bytes of a stream in pieces."""
    while piece := stream.read(size):
        yield piece
